//! Placeholders of templates: what stands where somebody should have filled in a value.

/// What placeholders stand between, in the template languages that records and policies are generated with.
const BRACKETS: [(&[u8], &[u8]); 5] =
    [(b"{{", b"}}"), (b"{%", b"%}"), (b"<%", b"%>"), (b"${", b"}"), (b"$(", b")")];
/// What guides call a domain that the reader should put their own for.
const STAND_INS: [&[u8]; 3] = [b"your_", b"your-", b"yourdomain"];

/// Whether a value holds a placeholder that nobody has filled in: `{{ mode }}`, `<policy-id>`,
/// `[enforce|testing|none]`, `your_domain`. To be asked of broken values only: a sound one is what it says.
pub(crate) fn has_placeholder(value: &[u8]) -> bool {
    // A name or an address between angle brackets is one, and no placeholder.
    let is_name = |inner: &[u8]| inner.contains(&b'@') || inner.contains(&b'.');
    let stands_in = |word: &&[u8]| value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    STAND_INS.iter().any(stands_in)
        || BRACKETS.iter().any(|(open, close)| inside(value, open, close).is_some())
        || inside(value, b"<", b">").is_some_and(|inner| !is_name(inner))
        || inside(value, b"[", b"]").is_some_and(|choice| choice.contains(&b'|'))
}

/// What stands between the first `open` and the `close` behind it, if that is anything.
fn inside<'a>(value: &'a [u8], open: &[u8], close: &[u8]) -> Option<&'a [u8]> {
    let place = |text: &[u8], part: &[u8]| text.windows(part.len()).position(|window| window == part);
    let rest = &value[place(value, open)? + open.len()..];
    let content = &rest[..place(rest, close)?];
    (!content.is_empty()).then_some(content)
}
