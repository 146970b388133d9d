//! JSON as it stands: every key, in order, also one that stands twice.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::fields::Reader;
use super::{NotAReport, OddityKind};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A whole number that 64 bits hold.
    Count(u64),
    /// Any other number.
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Reads the first value of a text. `serde_json` goes no deeper than 128 levels.
pub(super) fn read(bytes: &[u8], reader: &mut Reader) -> Result<Json, NotAReport> {
    let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bare.len() < bytes.len() {
        reader.note(OddityKind::ByteOrderMark, "", None);
    }
    let text = String::from_utf8_lossy(bare);
    if let Cow::Owned(_) = text {
        reader.note(OddityKind::NotUtf8, "", None);
    }
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Json>();
    let value = match values.next() {
        None => return Err(NotAReport::Empty),
        Some(Err(error)) => return Err(NotAReport::NotJson(error.to_string())),
        Some(Ok(value)) => value,
    };
    let rest = text[values.byte_offset()..].trim();
    if !rest.is_empty() {
        reader.note(OddityKind::TrailingBytes, "", Some(rest));
    }
    Ok(value)
}

impl Json {
    /// The items of a list in a string, where it holds one of strings alone.
    pub(super) fn strings_in(text: &str) -> Option<Vec<String>> {
        if !text.trim_start().starts_with('[') {
            return None;
        }
        serde_json::from_str(text).ok()
    }

    /// What it is, for a person.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Count(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(_) => "a list".to_owned(),
            Self::Object(_) => "an object".to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsItStands)
    }
}

struct AsItStands;

impl<'de> Visitor<'de> for AsItStands {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Count(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(u64::try_from(value).map_or(Json::Number(value as f64), Json::Count))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(pair) = pairs.next_entry()? {
            object.push(pair);
        }
        Ok(Json::Object(object))
    }
}
