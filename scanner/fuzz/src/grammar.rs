//! The grammars once more, as regular expressions copied from the ABNF: what the parsers are compared with.
//!
//! One thing the ABNF leaves open is settled as the parsers settle it: the first field of a known name is that field, and
//! no extension of the same name.

use std::sync::LazyLock;

use regex::bytes::Regex;

const EXT_NAME: &str = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,31}";
const EXT_VALUE: &str = r"[\x21-\x3A\x3C\x3E-\x7E]+";
const DELIM: &str = r"[ \t]*;[ \t]*";

fn whole(pattern: &str) -> Regex {
    Regex::new(&format!(r"(?s-u)\A(?:{pattern})\z")).expect("a grammar is a regular expression")
}

/// `sts-text-record`, RFC 8461 §3.1.
pub(crate) fn is_sts_record(text: &[u8]) -> bool {
    static RECORD: LazyLock<Regex> = LazyLock::new(|| {
        let id = "id=[A-Za-z0-9]{1,32}";
        // Of several fields named id, the first is the id.
        let other = format!(
            "(?:[A-Za-hj-z0-9][A-Za-z0-9_.\\-]{{0,31}}|i|i[A-Za-ce-z0-9_.\\-][A-Za-z0-9_.\\-]{{0,30}}|id[A-Za-z0-9_.\\-]{{1,30}})={EXT_VALUE}"
        );
        let any = format!("{EXT_NAME}={EXT_VALUE}");
        whole(&format!("v=STSv1(?:{DELIM}{other})*{DELIM}{id}(?:{DELIM}{any})*(?:{DELIM})?"))
    });
    RECORD.is_match(text)
}

/// `tlsrpt-record`, RFC 8460 §3, with the characters of RFC 3986's `URI` and the two schemes that reports go to.
pub(crate) fn is_tlsrpt_record(text: &[u8]) -> bool {
    static RECORD: LazyLock<Regex> = LazyLock::new(|| {
        // A scheme, and a URI's characters, of which `,` `!` `;` must be encoded. Where which of the delimiters may
        // stand (brackets around an address, one `#`) the parser does not ask, and so it is not asked here.
        let char = r"(?:[A-Za-z0-9\-._~:/?#\[\]@$&'()*+=]|%[0-9A-Fa-f]{2})";
        let https = format!("(?i:https)://{char}+");
        let mailto = format!("(?i:mailto):{char}+");
        let uri = format!("(?:{https}|{mailto})");
        let rua = format!(r"rua={uri}(?:[ \t]*,[ \t]*{uri})*");
        let any = format!("(?:{rua}|{EXT_NAME}={EXT_VALUE})");
        whole(&format!("v=TLSRPTv1(?:{DELIM}{any})*{DELIM}{rua}(?:{DELIM}{any})*(?:{DELIM})?"))
    });
    RECORD.is_match(text)
}

/// `sts-policy-record`, RFC 8461 §3.2, with each required key once or more. A key that stands again is passed over, as
/// the last paragraph of §3.2 has it, and here whatever it holds.
pub(crate) fn is_sts_policy(text: &[u8]) -> bool {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        let sub_domain = "[A-Za-z0-9](?:[A-Za-z0-9\\-]*[A-Za-z0-9])?";
        let vchar = r"(?:[\x21-\x7E]|[\xC2-\xDF][\x80-\xBF]|\xE0[\xA0-\xBF][\x80-\xBF]|[\xE1-\xEC\xEE\xEF][\x80-\xBF]{2}|\xED[\x80-\x9F][\x80-\xBF]|\xF0[\x90-\xBF][\x80-\xBF]{2}|[\xF1-\xF3][\x80-\xBF]{3}|\xF4[\x80-\x8F][\x80-\xBF]{2})";
        whole(&format!(
            r"(?:(?P<version>version:[ \t]*STSv1)|(?P<mode>mode:[ \t]*(?:testing|enforce|(?P<none>none)))|(?P<age>max_age:[ \t]*[0-9]{{1,10}})|(?P<mx>mx:[ \t]*(?:\*\.)?{sub_domain}(?:\.{sub_domain})*)|(?P<other>{EXT_NAME}):[ \t]*{vchar}(?:(?:\x20|{vchar})*{vchar})?)[ \t]*"
        ))
    });
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let last = lines.pop().unwrap_or_default();
    let mut lines: Vec<&[u8]> =
        lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    if !last.is_empty() {
        lines.push(last);
    }
    let (mut version, mut mode, mut age, mut mx) = (false, None, false, false);
    for line in lines {
        let again = line.split(|byte| *byte == b':').next().is_some_and(|key| match key {
            b"version" => version,
            b"mode" => mode.is_some(),
            b"max_age" => age,
            _ => false,
        });
        if again {
            continue;
        }
        let Some(found) = LINE.captures(line) else { return false };
        if found.name("version").is_some() {
            version = true;
        } else if found.name("mode").is_some() {
            mode = mode.or(Some(found.name("none").is_some()));
        } else if found.name("age").is_some() {
            age = true;
        } else if found.name("mx").is_some() {
            mx = true;
        } else {
            let name = found.name("other").map_or(&[][..], |name| name.as_bytes());
            if matches!(name, b"version" | b"mode" | b"max_age" | b"mx") {
                return false;
            }
        }
    }
    version && age && mode.is_some_and(|is_none| is_none || mx)
}
