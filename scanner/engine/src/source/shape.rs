//! What the lines of an input look like: names alone, or a table.

use mxray_evidence::InputColumn;

use super::LINE_BYTES_MAX;

/// Headers under which the domain stands, best first, as [`header_word`] writes them.
const DOMAIN_HEADERS: [&str; 7] = ["domain", "domainname", "rootdomain", "fqdn", "hostname", "host", "name"];
/// Headers under which a rank stands.
const RANK_HEADERS: [&str; 3] = ["rank", "globalrank", "position"];
/// What may stand between fields; the first that stands in the first line is taken.
const DELIMITERS: [u8; 3] = [b',', b'\t', b';'];
/// Fields of a line at most: what comes after is left in the last.
const FIELDS_MAX: usize = 64;

/// What the lines of an input look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A name a line.
    List {
        /// The first line is a header.
        header: bool,
    },
    /// A table.
    Table(Table),
}

/// A table: where its columns are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    delimiter: u8,
    domain: usize,
    rank: Option<usize>,
    /// The headers; empty when there are none.
    headers: Vec<String>,
}

/// What a line of the input holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) domain: String,
    pub(super) rank: Option<u64>,
    pub(super) columns: Vec<InputColumn>,
}

/// Why a table is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The column that was named is not there.
    #[error(
        "there is no column {wanted:?}; its columns are {}. Name one of them with --column, or give its number, \
         counted from 1",
        found.join(", ")
    )]
    NoColumn {
        /// What was asked for.
        wanted: String,
        /// What the first line holds.
        found: Vec<String>,
    },
    /// There are columns, and nothing says which is the domain.
    #[error(
        "it has {} columns and no header that says which holds the domain (first line: {}). Say it with --column \
         and a header's name, or the column's number, counted from 1",
        found.len(),
        found.join(", ")
    )]
    WhichColumn {
        /// What the first line holds.
        found: Vec<String>,
    },
}

impl Shape {
    /// What the first line with anything on it says. A line that is no text or too long says nothing: the
    /// input is taken for a list, and its lines will be rejects.
    pub(super) fn detect(first: Option<&[u8]>, column: Option<&str>) -> Result<Self, ShapeError> {
        let list = Self::List { header: false };
        let Some(first) = first.filter(|line| line.len() <= LINE_BYTES_MAX) else { return Ok(list) };
        let Ok(first) = std::str::from_utf8(first) else { return Ok(list) };
        let delimiter = DELIMITERS.iter().copied().find(|&delimiter| first.as_bytes().contains(&delimiter));
        let fields: Vec<String> = match delimiter {
            Some(delimiter) => match split(first, delimiter) {
                Some(fields) => fields.iter().map(|field| field.trim().to_owned()).collect(),
                None => return Ok(list),
            },
            None => vec![first.trim().to_owned()],
        };
        if let Some(wanted) = column {
            return Self::with_column(fields, delimiter, wanted);
        }
        let Some(delimiter) = delimiter else {
            return Ok(Self::List { header: DOMAIN_HEADERS.contains(&header_word(first).as_str()) });
        };
        let words: Vec<String> = fields.iter().map(|field| header_word(field)).collect();
        if let Some(domain) = DOMAIN_HEADERS.iter().find_map(|header| words.iter().position(|w| w == header))
        {
            return Ok(Self::Table(Table::with_headers(delimiter, domain, fields)));
        }
        if fields.len() == 2 && fields[0].parse::<u64>().is_ok() {
            return Ok(Self::Table(Table { delimiter, domain: 1, rank: Some(0), headers: Vec::new() }));
        }
        Err(ShapeError::WhichColumn { found: fields })
    }

    fn with_column(fields: Vec<String>, delimiter: Option<u8>, wanted: &str) -> Result<Self, ShapeError> {
        // A table of one column has no delimiter; any will do.
        let delimiter = delimiter.unwrap_or(DELIMITERS[0]);
        let named = fields
            .iter()
            .position(|field| field == wanted)
            .or_else(|| fields.iter().position(|field| header_word(field) == header_word(wanted)));
        if let Some(domain) = named {
            return Ok(Self::Table(Table::with_headers(delimiter, domain, fields)));
        }
        match wanted.parse::<usize>() {
            Ok(number) if (1..=fields.len()).contains(&number) => {
                let words: Vec<String> = fields.iter().map(|field| header_word(field)).collect();
                let domain = number - 1;
                if DOMAIN_HEADERS.contains(&words[domain].as_str()) {
                    return Ok(Self::Table(Table::with_headers(delimiter, domain, fields)));
                }
                Ok(Self::Table(Table { delimiter, domain, rank: None, headers: Vec::new() }))
            }
            _ => Err(ShapeError::NoColumn { wanted: wanted.to_owned(), found: fields }),
        }
    }

    /// Whether the first line with anything on it is a header.
    pub(super) fn has_header(&self) -> bool {
        match self {
            Self::List { header } => *header,
            Self::Table(table) => !table.headers.is_empty(),
        }
    }

    /// Reads a line, or says what is missing.
    pub(super) fn read(&self, line: &str) -> Result<Record, &'static str> {
        match self {
            Self::List { .. } => Ok(Record { domain: line.to_owned(), ..Record::default() }),
            Self::Table(table) => table.read(line),
        }
    }
}

impl Table {
    fn with_headers(delimiter: u8, domain: usize, headers: Vec<String>) -> Self {
        let rank = headers.iter().position(|field| RANK_HEADERS.contains(&header_word(field).as_str()));
        Self { delimiter, domain, rank: rank.filter(|&rank| rank != domain), headers }
    }

    fn read(&self, line: &str) -> Result<Record, &'static str> {
        let fields = split(line, self.delimiter).ok_or("a quoted field does not end on its line")?;
        let mut record = Record::default();
        let mut found = false;
        for (index, field) in fields.into_iter().enumerate() {
            if index == self.domain {
                record.domain = field;
                found = true;
            } else if let Some(rank) = field.trim().parse().ok().filter(|_| Some(index) == self.rank) {
                record.rank = Some(rank);
            } else {
                let name =
                    self.headers.get(index).cloned().unwrap_or_else(|| format!("column {}", index + 1));
                record.columns.push(InputColumn { name, value: field });
            }
        }
        if found { Ok(record) } else { Err("the line has too few fields") }
    }
}

/// A header's letters and digits in lower case: `Domain Name` and `domain_name` are one word.
fn header_word(header: &str) -> String {
    header.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The fields of a line (RFC 4180 §2, but on one line); `None` when a quoted field does not end.
fn split(line: &str, delimiter: u8) -> Option<Vec<String>> {
    let delimiter = char::from(delimiter);
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = if fields.len() + 1 == FIELDS_MAX {
            (rest.to_owned(), None)
        } else if let Some(quoted) = rest.strip_prefix('"') {
            unquote(quoted, delimiter)?
        } else {
            match rest.split_once(delimiter) {
                Some((field, after)) => (field.to_owned(), Some(after)),
                None => (rest.to_owned(), None),
            }
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Some(fields),
        }
    }
}

/// A quoted field, behind its first quote, and what follows its delimiter. What stands between the closing quote
/// and the delimiter belongs to the field: better odd than lost.
fn unquote(text: &str, delimiter: char) -> Option<(String, Option<&str>)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => {
                return Some(match after.split_once(delimiter) {
                    Some((odd, after)) => (field + odd, Some(after)),
                    None => (field + after, None),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str) -> Option<Vec<String>> {
        split(line, b',')
    }

    #[test]
    fn rfc4180_2_quotes_hold_delimiters_and_doubled_quotes() {
        let expect = |words: &[&str]| Some(words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>());
        assert_eq!(fields(r#"a,"b,c","d""e",,"#), expect(&["a", "b,c", "d\"e", "", ""]));
        assert_eq!(fields(r#""""#), expect(&[""]));
        assert_eq!(fields(r#""a" ,b"#), expect(&["a ", "b"]));
        assert_eq!(fields(r#"a"b,c"#), expect(&["a\"b", "c"]), "a quote inside a bare field is itself");
        assert_eq!(fields(r#"a,"b"#), None, "a record does not go on in the next line");
        assert_eq!(fields(&",".repeat(4_000)).map(|f| f.len()), Some(FIELDS_MAX));
    }

    fn detect(first: &str, column: Option<&str>) -> Result<Shape, ShapeError> {
        Shape::detect(Some(first.as_bytes()), column)
    }

    fn read(first: &str, column: Option<&str>, line: &str) -> Record {
        detect(first, column).expect("a shape").read(line).expect("a record")
    }

    fn column(name: &str, value: &str) -> InputColumn {
        InputColumn { name: name.into(), value: value.into() }
    }

    #[test]
    fn a_list_may_have_a_header_and_a_table_says_where_its_domain_is() {
        assert_eq!(detect("example.com", None), Ok(Shape::List { header: false }));
        assert_eq!(detect("Domain", None), Ok(Shape::List { header: true }));
        let record = read("GlobalRank,TldRank,Domain,TLD", None, "7,3,example.com,com");
        assert_eq!((record.domain.as_str(), record.rank), ("example.com", Some(7)));
        assert_eq!(record.columns, [column("TldRank", "3"), column("TLD", "com")]);
        let record = read("name;Domain Name", None, "Example;example.com");
        assert_eq!(
            (record.domain.as_str(), record.columns),
            ("example.com", vec![column("name", "Example")])
        );
        let record = read("1,google.com", None, "2,example.com");
        assert_eq!((record.domain.as_str(), record.rank, record.columns), ("example.com", Some(2), vec![]));
    }

    #[test]
    fn a_column_can_be_named_or_numbered() {
        let record = read("site,domain", Some("site"), "example.com,x");
        assert_eq!((record.domain.as_str(), record.columns), ("example.com", vec![column("domain", "x")]));
        let record = read("x,example.com,y", Some("2"), "x,example.com,y");
        assert_eq!(record.domain, "example.com");
        assert_eq!(record.columns, [column("column 1", "x"), column("column 3", "y")]);
        assert!(detect("rank,domain", Some("2")).is_ok_and(|shape| shape.has_header()));
        let wrong = detect("a,b", Some("c"));
        assert_eq!(
            wrong,
            Err(ShapeError::NoColumn { wanted: "c".into(), found: vec!["a".into(), "b".into()] })
        );
        assert!(matches!(detect("a,b", Some("3")), Err(ShapeError::NoColumn { .. })));
        assert!(matches!(detect("a,b", Some("0")), Err(ShapeError::NoColumn { .. })));
    }

    #[test]
    fn columns_without_a_word_on_which_is_the_domain_are_refused() {
        assert!(matches!(detect("example.com,x", None), Err(ShapeError::WhichColumn { .. })));
        assert!(matches!(detect("1,2,example.com", None), Err(ShapeError::WhichColumn { .. })));
    }

    #[test]
    fn too_few_fields_and_open_quotes_are_said() {
        let shape = detect("rank,domain", None).expect("a table");
        assert_eq!(shape.read("7"), Err("the line has too few fields"));
        assert_eq!(shape.read("7,\"x"), Err("a quoted field does not end on its line"));
        assert_eq!(
            shape.read("x,example.com").map(|r| (r.rank, r.columns)),
            Ok((None, vec![column("rank", "x")]))
        );
    }

    #[test]
    fn what_is_no_text_is_a_list() {
        assert_eq!(Shape::detect(None, Some("domain")), Ok(Shape::List { header: false }));
        assert_eq!(Shape::detect(Some(b"\xff\x00,\x80"), None), Ok(Shape::List { header: false }));
    }
}
