//! A LaTeX file of a report, held to what any LaTeX compiles: known commands alone, balanced, every special character escaped, and a
//! cell a column in every row.

/// The commands that a table may have.
const WORDS: &[&str] = &[
    "begin",
    "end",
    "centering",
    "caption",
    "label",
    "toprule",
    "midrule",
    "bottomrule",
    "endfirsthead",
    "endhead",
    "endfoot",
    "multicolumn",
    "smallskip",
    "footnotesize",
    "noindent",
    "par",
    "texttt",
    "textbackslash",
    "textasciitilde",
    "textasciicircum",
    "textless",
    "textgreater",
    "textbar",
    "char",
    "ldots",
    "S",
    "linewidth",
];

/// Holds a table to all that; gives its columns and rows, the head not counted.
#[track_caller]
pub(crate) fn compiles(tex: &str) -> (usize, usize) {
    commands_are_known_and_what_is_special_is_escaped(tex);
    let columns = columns(tex);
    let mut rows = 0;
    for line in tex.lines().filter(|line| line.ends_with("\\\\") && !line.starts_with("\\label")) {
        let bare = line.replace("\\&", "");
        let cells = match bare.strip_prefix("\\multicolumn{") {
            Some(rest) => rest.split_once('}').expect("a number").0.parse().expect("a number"),
            None => bare.matches('&').count() + 1,
        };
        assert_eq!(cells, columns, "{line}");
        rows += 1;
    }
    let heads = tex.matches("\\toprule").count();
    assert_eq!(tex.matches("\\midrule").count(), heads);
    assert_eq!(tex.matches("\\bottomrule").count(), 1);
    (columns, rows - heads)
}

/// Columns that the table says it has.
fn columns(tex: &str) -> usize {
    let begins = ["\\begin{tabular}{", "\\begin{longtable}{"];
    let (_, spec) = begins.iter().find_map(|begin| tex.split_once(begin)).expect("a table");
    let spec = spec.lines().next().expect("a line").replace("p{0.25\\linewidth}", "p");
    let letters = spec.strip_suffix('}').expect("its end");
    assert!(letters.chars().all(|letter| "lrp".contains(letter)), "{letters}");
    letters.len()
}

#[track_caller]
fn commands_are_known_and_what_is_special_is_escaped(tex: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut depth = 0_i32;
    let mut rest = tex;
    while let Some(c) = rest.chars().next() {
        let here = &rest[..rest.char_indices().nth(40).map_or(rest.len(), |(at, _)| at)];
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let length = rest.chars().take_while(char::is_ascii_alphabetic).count();
                let word = &rest[..length];
                if length == 0 {
                    let symbol = rest.chars().next().expect("a symbol");
                    assert!("{}$&#%_\\".contains(symbol), "{here}");
                    rest = &rest[symbol.len_utf8()..];
                    continue;
                }
                assert!(WORDS.contains(&word), "{here}");
                rest = &rest[length..];
                if ["begin", "end", "label"].contains(&word) {
                    let (name, behind) =
                        rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).expect("a name");
                    match word {
                        "begin" => open.push(name),
                        "end" => assert_eq!(open.pop(), Some(name), "{here}"),
                        _ => assert!(
                            name.chars().all(|c| c.is_ascii_lowercase() || "0123456789_:".contains(c)),
                            "{here}"
                        ),
                    }
                    rest = behind;
                }
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            '\n' | ' '..='~' => assert!(!"$#%^_~\"`|<>".contains(c), "{c} is not escaped: {here}"),
            c => assert!(('À'..='ÿ').contains(&c), "{c:?} is not everywhere: {here}"),
        }
        assert!(depth >= 0, "{here}");
    }
    assert_eq!((depth, open.len()), (0, 0), "not balanced");
    // What stands first in a row would be an argument of the end of the one before.
    let argued = tex.lines().find(|line| line.trim_start().starts_with(['[', '*']));
    assert_eq!(argued, None);
}
