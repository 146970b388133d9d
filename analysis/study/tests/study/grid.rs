//! Tables of text.

use mxray_study::Grid;

fn grid() -> Grid {
    let mut grid = Grid::new(&["name", ">count"]);
    grid.push(vec!["mta-sts".into(), "7".into()]);
    grid.push(vec!["a|b, \"ö\"".into(), "1000000".into()]);
    grid
}

#[test]
fn markdown_is_aligned_and_its_bars_are_escaped() {
    let expected = "\
| name      |   count |
| --------- | ------: |
| mta-sts   |       7 |
| a\\|b, \"ö\" | 1000000 |
";
    assert_eq!(grid().to_markdown(), expected);
}

#[test]
fn data_is_no_markup_in_markdown_and_nothing_a_terminal_obeys() {
    let mut grid = Grid::new(&["said"]);
    grid.push(vec!["<b>*x*|[y](z)\u{1b}[2J".into()]);
    let text = grid.data_to_markdown();
    assert!(text.ends_with("\n| &lt;b>\\*x\\*\\|\\[y\\](z)\\\\u{1b}\\[2J |\n"), "{text}");
    assert!(grid.to_string().ends_with("\\u{1b}[2J\n"), "{grid}");
}

#[test]
fn plain_text_is_aligned() {
    assert_eq!(grid().to_string(), "name        count\nmta-sts         7\na|b, \"ö\"  1000000\n");
}

#[test]
fn every_line_can_be_indented() {
    assert_eq!(grid().indented("  "), "  name        count\n  mta-sts         7\n  a|b, \"ö\"  1000000\n");
}

#[test]
fn csv_is_quoted_where_it_must_be() {
    let mut out = Vec::new();
    grid().write_csv(&mut out).expect("a vector takes what is written to it");
    assert_eq!(String::from_utf8(out).expect("text"), "name,count\nmta-sts,7\n\"a|b, \"\"ö\"\"\",1000000\n");
}
