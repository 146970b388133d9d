//! Command lines to be pasted.

use std::env;
use std::ffi::OsString;

/// A word as a POSIX shell takes it.
pub(crate) fn word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// This program, as it was called.
pub(crate) fn program() -> String {
    word(&env::args_os().next().unwrap_or_else(|| OsString::from("mxray")).to_string_lossy())
}

/// This command line, with `--resume`.
pub(crate) fn resuming() -> String {
    let mut words: Vec<String> = env::args_os().map(|arg| word(&arg.to_string_lossy())).collect();
    if !words.iter().any(|word| word == "--resume") {
        words.push("--resume".to_owned());
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_read_otherwise_is_quoted() {
        assert_eq!(word("/tmp/a-b_1.txt"), "/tmp/a-b_1.txt");
        assert_eq!(word("two words"), "'two words'");
        assert_eq!(word("it's"), r"'it'\''s'");
        assert_eq!(word("$HOME"), "'$HOME'");
        assert_eq!(word("[::1]:53"), "'[::1]:53'");
        assert_eq!(word(""), "''");
    }
}
