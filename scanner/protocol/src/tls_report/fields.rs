//! Fields out of JSON objects: each understood as far as it can be, what is odd about it noted.

use std::net::IpAddr;

use super::json::Json;
use super::{Oddity, OddityKind, POLICY_STRINGS_MAX, REPORT_ODDITIES_MAX, ReportedFailure, date_time};
use crate::name::DomainName;

/// Characters of a detail.
const DETAIL_CHARS_MAX: usize = 200;
/// A day, microseconds.
const DAY: i64 = 86_400_000_000;

/// The known fields of an object.
pub(super) struct Fields<'a> {
    place: String,
    found: Vec<(&'static str, &'a Json)>,
}

impl<'a> Fields<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    fn get(&self, key: &str) -> Option<&'a Json> {
        self.found.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }
}

/// Notes oddities while fields are read.
#[derive(Default)]
pub(super) struct Reader {
    oddities: Vec<Oddity>,
    unnoted: u64,
}

impl Reader {
    pub(super) fn note(&mut self, kind: OddityKind, place: &str, detail: Option<&str>) {
        if self.oddities.len() + 1 >= REPORT_ODDITIES_MAX {
            self.unnoted += 1;
            return;
        }
        let detail = detail.map(|text| text.chars().take(DETAIL_CHARS_MAX).collect());
        self.oddities.push(Oddity { kind, place: place.to_owned(), detail });
    }

    pub(super) fn into_oddities(mut self) -> Vec<Oddity> {
        if self.unnoted > 0 {
            let detail = Some(format!("{} more", self.unnoted));
            self.oddities.push(Oddity { kind: OddityKind::OdditiesMany, place: String::new(), detail });
        }
        self.oddities
    }

    /// The known fields of an object; those that are spelt otherwise are known by their letters.
    pub(super) fn fields<'a>(
        &mut self,
        json: &'a Json,
        place: &str,
        known: &'static [&'static str],
    ) -> Fields<'a> {
        let mut fields = Fields { place: place.to_owned(), found: Vec::new() };
        let Json::Object(pairs) = json else { return fields };
        for (key, value) in pairs {
            let exact = known.iter().find(|name| *name == key);
            let Some(name) = exact.or_else(|| known.iter().find(|name| is_spelling_of(key, name))) else {
                self.note(OddityKind::KeyUnknown, &fields.place_of(&cut(key)), None);
                continue;
            };
            if exact.is_none() {
                self.note(OddityKind::KeySpelling, &fields.place_of(name), Some(key));
            }
            match fields.found.iter_mut().find(|(found, _)| found == name) {
                Some((_, standing)) => {
                    *standing = value;
                    self.note(OddityKind::KeyTwice, &fields.place_of(name), None);
                }
                None => fields.found.push((name, value)),
            }
        }
        fields
    }

    /// The value of a field, unless it is missing or `null`, which is noted where the RFC asks for it.
    fn value<'a>(&mut self, fields: &Fields<'a>, key: &'static str, required: bool) -> Option<&'a Json> {
        match fields.get(key) {
            Some(Json::Null) => {
                if required {
                    self.note(OddityKind::FieldEmpty, &fields.place_of(key), Some("null"));
                }
                None
            }
            Some(value) => Some(value),
            None => {
                if required {
                    self.note(OddityKind::FieldMissing, &fields.place_of(key), None);
                }
                None
            }
        }
    }

    /// A field that is an object, which every report has.
    pub(super) fn object<'a>(
        &mut self,
        fields: &Fields<'a>,
        key: &'static str,
        known: &'static [&'static str],
    ) -> Option<Fields<'a>> {
        let value = self.value(fields, key, true)?;
        if let Json::Object(_) = value {
            return Some(self.fields(value, &fields.place_of(key), known));
        }
        self.note(OddityKind::WrongType, &fields.place_of(key), Some(&value.describe()));
        None
    }

    /// A field that is a list of objects, of which `most` are taken.
    pub(super) fn objects<'a>(
        &mut self,
        fields: &Fields<'a>,
        key: &'static str,
        known: &'static [&'static str],
        most: usize,
        required: bool,
    ) -> Vec<Fields<'a>> {
        let Some(value) = self.value(fields, key, required) else { return Vec::new() };
        let place = fields.place_of(key);
        let items = self.items(value, &place);
        self.check_many(items.len(), most, &place);
        let mut objects = Vec::new();
        for (at, item) in items.iter().take(most).enumerate() {
            let place = format!("{place}[{at}]");
            if let Json::Object(_) = item {
                objects.push(self.fields(item, &place, known));
            } else {
                self.note(OddityKind::WrongType, &place, Some(&item.describe()));
            }
        }
        objects
    }

    /// A list, or a single value as one.
    fn items<'a>(&mut self, value: &'a Json, place: &str) -> &'a [Json] {
        if let Json::List(items) = value {
            return items;
        }
        self.note(OddityKind::NotAList, place, None);
        std::slice::from_ref(value)
    }

    fn check_many(&mut self, there: usize, most: usize, place: &str) {
        if there > most {
            self.note(OddityKind::TooMany, place, Some(&format!("{there}, of which {most} are taken")));
        }
    }

    pub(super) fn required_text(&mut self, fields: &Fields<'_>, key: &'static str) -> Option<String> {
        self.text_of(fields, key, true)
    }

    pub(super) fn text(&mut self, fields: &Fields<'_>, key: &'static str) -> Option<String> {
        self.text_of(fields, key, false)
    }

    fn text_of(&mut self, fields: &Fields<'_>, key: &'static str, required: bool) -> Option<String> {
        let value = self.value(fields, key, required)?;
        match value {
            Json::Text(text) if text.trim().is_empty() => {
                if required {
                    self.note(OddityKind::FieldEmpty, &fields.place_of(key), None);
                }
                None
            }
            Json::Text(text) => Some(text.clone()),
            _ => {
                self.note(OddityKind::WrongType, &fields.place_of(key), Some(&value.describe()));
                matches!(value, Json::Count(_) | Json::Number(_)).then(|| value.describe())
            }
        }
    }

    /// One of the words that the RFC lists, in lower case, or any other.
    pub(super) fn word(
        &mut self,
        fields: &Fields<'_>,
        key: &'static str,
        known: &[&str],
        otherwise: OddityKind,
    ) -> Option<String> {
        let text = self.text_of(fields, key, true)?;
        let word = text.trim().to_ascii_lowercase();
        if !known.contains(&text.as_str()) {
            self.note(otherwise, &fields.place_of(key), Some(&text));
        }
        Some(word)
    }

    /// A domain name, in A-labels and lower case where it is one.
    pub(super) fn name(&mut self, fields: &Fields<'_>, key: &'static str, required: bool) -> Option<String> {
        let text = self.text_of(fields, key, required)?;
        let name = DomainName::parse(text.trim()).map(DomainName::into_string).unwrap_or_default();
        if !name.eq_ignore_ascii_case(&text) {
            self.note(OddityKind::NameForm, &fields.place_of(key), Some(&text));
        }
        Some(if name.is_empty() { text } else { name })
    }

    pub(super) fn address(
        &mut self,
        fields: &Fields<'_>,
        key: &'static str,
        required: bool,
    ) -> Option<String> {
        let text = self.text_of(fields, key, required)?;
        if text.parse::<IpAddr>().is_err() {
            self.note(OddityKind::AddressInvalid, &fields.place_of(key), Some(&text));
        }
        Some(text)
    }

    /// A URI (RFC 3986): a scheme, and no character that a URI has not.
    pub(super) fn uri(&mut self, fields: &Fields<'_>, key: &'static str) -> Option<String> {
        let text = self.text_of(fields, key, false)?;
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let is_uri = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        if !is_scheme || !text.bytes().all(is_uri) {
            self.note(OddityKind::UriInvalid, &fields.place_of(key), Some(&text));
        }
        Some(text)
    }

    pub(super) fn count(&mut self, fields: &Fields<'_>, key: &'static str) -> Option<u64> {
        let value = self.value(fields, key, true)?;
        let place = fields.place_of(key);
        match value {
            Json::Count(count) => return Some(*count),
            Json::Text(text) => {
                if let Ok(count) = text.trim().parse() {
                    self.note(OddityKind::CountAsText, &place, Some(text));
                    return Some(count);
                }
            }
            // `3.0` is 3; above 2^53 a float no longer says which number it was.
            Json::Number(number)
                if number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(number) =>
            {
                self.note(OddityKind::WrongType, &place, Some(&format!("{number:?}")));
                #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
                return Some(*number as u64);
            }
            _ => {}
        }
        self.note(OddityKind::CountInvalid, &place, Some(&value.describe()));
        None
    }

    pub(super) fn time(&mut self, fields: &Fields<'_>, key: &'static str) -> Option<i64> {
        let value = self.value(fields, key, true)?;
        let place = fields.place_of(key);
        let Json::Text(text) = value else {
            self.note(OddityKind::DateInvalid, &place, Some(&value.describe()));
            return None;
        };
        let read = date_time::parse(text);
        if let Some(kind) = read.map_or(Some(OddityKind::DateInvalid), |(_, odd)| odd) {
            self.note(kind, &place, Some(text));
        }
        read.map(|(time, _)| time)
    }

    /// Notes a range that is no day (§4.4: "The report should be for a full UTC day").
    pub(super) fn check_range(&mut self, range: &Fields<'_>, begins: Option<i64>, ends: Option<i64>) {
        let (Some(begins), Some(ends)) = (begins, ends) else { return };
        if ends < begins {
            self.note(OddityKind::DateRangeReversed, &range.place, None);
        } else if ends - begins > DAY {
            let days = (ends - begins) as f64 / DAY as f64;
            self.note(OddityKind::DateRangeLong, &range.place, Some(&format!("{days:.1} days")));
        }
    }

    /// Notes where the details of an entry do not add up to its summary.
    pub(super) fn check_totals(
        &mut self,
        entry: &Fields<'_>,
        failed: Option<u64>,
        failures: &[ReportedFailure],
    ) {
        let Some(failed) = failed else { return };
        if failures.is_empty() {
            if failed > 0 {
                let told = format!("{failed} in the summary");
                self.note(OddityKind::DetailsMissing, &entry.place, Some(&told));
            }
            return;
        }
        let counts = failures.iter().map(|failure| u128::from(failure.sessions.unwrap_or(0)));
        let sum: u128 = counts.sum();
        if sum != u128::from(failed) {
            let told = format!("{failed} in the summary, {sum} in the details");
            self.note(OddityKind::TotalsDiffer, &entry.place, Some(&told));
        }
    }

    /// The strings of a list; `null` in it is left out.
    fn strings(&mut self, fields: &Fields<'_>, key: &'static str) -> Vec<(String, String)> {
        let Some(value) = self.value(fields, key, false) else { return Vec::new() };
        let place = fields.place_of(key);
        let items = self.items(value, &place);
        self.check_many(items.len(), POLICY_STRINGS_MAX, &place);
        let mut strings = Vec::new();
        for (at, item) in items.iter().take(POLICY_STRINGS_MAX).enumerate() {
            let place = format!("{place}[{at}]");
            if let Json::Text(text) = item {
                strings.push((place, text.clone()));
            } else {
                self.note(OddityKind::WrongType, &place, Some(&item.describe()));
            }
        }
        strings
    }

    pub(super) fn policy_strings(&mut self, fields: &Fields<'_>, key: &'static str) -> Vec<String> {
        let mut strings = Vec::new();
        for (place, text) in self.strings(fields, key) {
            if let Some(inner) = Json::strings_in(&text) {
                self.note(OddityKind::PolicyStringJson, &place, Some(&text));
                strings.extend(inner);
            } else if text.trim_end().contains('\n') {
                self.note(OddityKind::PolicyStringLines, &place, None);
                strings.extend(text.lines().map(str::to_owned));
            } else {
                strings.push(text);
            }
        }
        if strings.len() > POLICY_STRINGS_MAX {
            self.check_many(strings.len(), POLICY_STRINGS_MAX, &fields.place_of(key));
            strings.truncate(POLICY_STRINGS_MAX);
        }
        strings
    }

    pub(super) fn mx_hosts(&mut self, fields: &Fields<'_>, key: &'static str) -> Vec<String> {
        let mut hosts = Vec::new();
        for (place, text) in self.strings(fields, key) {
            match text.trim_start().strip_prefix("mx:") {
                Some(host) => {
                    self.note(OddityKind::MxHostPrefixed, &place, Some(&text));
                    hosts.push(host.trim().to_owned());
                }
                None => hosts.push(text),
            }
        }
        hosts
    }
}

/// Whether a key has the letters and digits of a known one, or of what an earlier draft called it.
fn is_spelling_of(key: &str, known: &str) -> bool {
    let letters = |text: &str| {
        let kept = text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
        kept.take(64).collect::<Vec<_>>()
    };
    let key = letters(key);
    key == letters(known) || (known == "additional-information" && key == b"additionalinformationuri")
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
