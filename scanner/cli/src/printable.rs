//! What strangers wrote, made harmless for a terminal.

use mxray_study::Grid;

/// What hosts and reports said may hold anything; a terminal obeys some of it.
pub(crate) fn printable(mut grid: Grid) -> Grid {
    for cell in grid.rows.iter_mut().flatten().filter(|cell| cell.contains(char::is_control)) {
        *cell = cell.escape_debug().to_string();
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_told_what_a_host_said() {
        let mut grid = Grid::new(&["banner"]);
        grid.push(vec!["220 \x1b[2Jhé\n".to_owned()]);
        assert_eq!(printable(grid).rows, [["220 \\u{1b}[2Jhé\\n"]]);
    }
}
