//! A mailbox in a file (mbox): mails behind lines that begin with `From `, one at a time.

use std::io::{self, BufRead, Read};

/// Reads mails off an mbox. A mail longer than the limit is skipped, and said to be.
pub(super) struct Mailbox<R> {
    input: R,
    bytes_max: usize,
    /// Whether the line that divides it from the one before has been read.
    begun: bool,
    ended: bool,
}

/// A mail of a mailbox.
pub(super) enum Mail {
    /// All of it.
    Whole(Vec<u8>),
    /// It was over the limit, and was skipped.
    TooLong,
}

impl Mail {
    fn of(bytes: Vec<u8>, is_over: bool) -> Self {
        if is_over { Self::TooLong } else { Self::Whole(bytes) }
    }
}

impl<R: BufRead> Mailbox<R> {
    pub(super) fn new(input: R, bytes_max: usize) -> Self {
        Self { input, bytes_max, begun: false, ended: false }
    }

    fn read(&mut self) -> io::Result<Option<Mail>> {
        let mut mail = Vec::new();
        let mut line = Vec::new();
        let mut is_over = false;
        let mut after_blank = true;
        let mut at_line_begin = true;
        loop {
            line.clear();
            // A line may be longer than memory: it is read in pieces.
            let read = (&mut self.input).take(1 << 16).read_until(b'\n', &mut line)?;
            if read == 0 {
                self.ended = true;
                return Ok((self.begun && (is_over || !mail.is_empty())).then(|| Mail::of(mail, is_over)));
            }
            let divides = at_line_begin && after_blank && line.starts_with(b"From ");
            if at_line_begin {
                after_blank = line.trim_ascii().is_empty();
            }
            at_line_begin = line.ends_with(b"\n");
            if divides {
                if self.begun {
                    return Ok(Some(Mail::of(mail, is_over)));
                }
                self.begun = true;
                continue;
            }
            if mail.len() + line.len() > self.bytes_max {
                is_over = true;
                mail = Vec::new();
            }
            if !is_over {
                // `>From ` is how a mailbox keeps a line of a mail from dividing it.
                let quoted = line.iter().take_while(|byte| **byte == b'>').count();
                let unquoted = usize::from(quoted > 0 && line[quoted..].starts_with(b"From "));
                mail.extend_from_slice(&line[unquoted..]);
            }
        }
    }
}

impl<R: BufRead> Iterator for Mailbox<R> {
    type Item = io::Result<Mail>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.ended = true;
        }
        read.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mails(text: &str, bytes_max: usize) -> Vec<Option<String>> {
        let read = Mailbox::new(text.as_bytes(), bytes_max).map(|mail| mail.expect("no I/O here"));
        let text = |mail| match mail {
            Mail::Whole(bytes) => Some(String::from_utf8(bytes).expect("text")),
            Mail::TooLong => None,
        };
        read.map(text).collect()
    }

    #[test]
    fn mails_stand_between_lines_that_begin_with_from() {
        let text = "From a@b Thu\nSubject: 1\n\nFrom me\n>From you\n>>From all\n\nFrom c@d Fri\nSubject: 2\n";
        let first = "Subject: 1\n\n";
        assert_eq!(mails(text, 100).len(), 3, "an unquoted From behind a blank line divides");
        assert_eq!(mails(text, 100)[0].as_deref(), Some(first));
        let text =
            "From a@b Thu\nSubject: 1\n\nhello\nFrom me\n>From you\n>>From all\n\nFrom c@d Fri\nSubject: 2";
        assert_eq!(
            mails(text, 100),
            [
                Some("Subject: 1\n\nhello\nFrom me\nFrom you\n>From all\n\n".to_owned()),
                Some("Subject: 2".to_owned())
            ]
        );
        assert_eq!(mails("", 100), []);
    }

    #[test]
    fn a_mail_over_the_limit_is_skipped_and_the_next_is_read() {
        let text = format!("From a\n{}\n\nFrom b\nSubject: 2\n", "x".repeat(200_000));
        assert_eq!(mails(&text, 100), [None, Some("Subject: 2\n".to_owned())]);
        assert_eq!(mails(&format!("From a\n{}", "x".repeat(101)), 100), [None]);
    }
}
