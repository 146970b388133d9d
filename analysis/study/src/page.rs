//! One HTML page of a run or a set of runs, for three readers: who studies, who is on the list, who ran the scan.
//!
//! The page is one file: style, script and data stand in it, and its Content-Security-Policy allows it to run that one script
//! and to ask the network for nothing. Everything that strangers wrote is data: escaped where it stands in the markup, and where
//! the script shows it, as text.

/// Appends formatted text to a string.
macro_rules! push {
    ($to:ident, $($words:tt)*) => {{
        use std::fmt::Write as _;
        write!($to, $($words)*).expect("a string takes what is written to it");
    }};
}

mod dossier;
mod markup;
mod roll;

use sha2::{Digest, Sha256};

use crate::StudyError;
use crate::figure::Figure;
use crate::report::{Provenance, Reader, ReportTable};
use markup::{Shape, base64, escaped, prose, table};
pub(crate) use roll::Roll;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Writes the page.
pub(crate) fn page(
    provenance: &Provenance,
    tables: &[ReportTable],
    figures: &[Figure],
    roll: &Roll,
) -> Result<String, StudyError> {
    let data = serde_json::to_string(roll).map_err(|error| StudyError::Page(error.to_string()))?;
    let sections: String = [
        section("study", "The study", &study(provenance, tables, figures)),
        section("domains", "The domains", DOMAINS),
        section("scan", "The scan", &scan(provenance, tables)),
    ]
    .concat();
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-{script}'; \
         style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Mail transport security</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>Mail transport security</h1><p>{subtitle}</p>\n\
         <nav aria-label=\"Readers\"><a href=\"#study\">The study</a> <a href=\"#domains\">The domains</a> \
         <a href=\"#scan\">The scan</a></nav></header>\n<main>\n{sections}</main>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        script = base64(&Sha256::digest(SCRIPT)),
        style = base64(&Sha256::digest(STYLE)),
        subtitle = escaped(&provenance.subtitle()),
        data = as_data(&data),
    ))
}

/// JSON that may stand in a script element: nothing in it ends that, or begins a comment.
fn as_data(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn section(id: &str, title: &str, body: &str) -> String {
    format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n{body}</section>\n"
    )
}

const DOMAINS: &str = "<p id=\"roll-about\"></p>\n<noscript><p>This list needs JavaScript; the tables and figures do not.</p></noscript>\n\
    <form id=\"filters\" role=\"search\" aria-label=\"Filter the domains\"></form>\n\
    <p id=\"roll-count\" role=\"status\" aria-live=\"polite\"></p>\n\
    <div class=\"wide\"><table id=\"roll\"><thead></thead><tbody></tbody></table></div>\n\
    <nav id=\"pages\" aria-label=\"Pages of the list\"></nav>\n";

fn study(provenance: &Provenance, tables: &[ReportTable], figures: &[Figure]) -> String {
    let mut body = String::from("<h3>How it was measured</h3>\n");
    body += &table(&provenance.grid(), Shape::List);
    body += MEASURED;
    body += "<h3>Figures</h3>\n";
    for Figure { caption, svg, .. } in figures {
        push!(
            body,
            "<figure><div class=\"wide\">{svg}</div><figcaption>{}</figcaption></figure>\n",
            escaped(caption)
        );
    }
    body += "<h3>Tables</h3>\n";
    body += &tables_for(tables, Reader::Study);
    body
}

const MEASURED: &str = "<p>Each domain was asked about in DNS; a policy was fetched where a record announces one; and each mail \
    host was asked once, at each of its addresses, for STARTTLS and its certificates. No mail was sent. What was received was \
    kept, and judged afterwards by the rules of the codebook.</p>\n\
    <p><b>What is unknown.</b> What was not measured (a resolver that failed, a server that refused us, a limit of our own) is \
    <i>unknown</i>: it is in no rate, neither above nor below the line, and each table says how many it is. The table \
    <a href=\"#table-unknowns\">What was not measured, and why</a> says for what reasons.</p>\n";

fn scan(provenance: &Provenance, tables: &[ReportTable]) -> String {
    format!("{}{}", table(&provenance.scan_grid(), Shape::List), tables_for(tables, Reader::Operator))
}

fn tables_for(tables: &[ReportTable], reader: Reader) -> String {
    let mut body = String::new();
    for of in tables.iter().filter(|table| table.reader == reader) {
        let grid = of.for_people();
        let rows = grid.rows.len();
        let shape = if of.is_turned() { Shape::Measures } else { Shape::Rows };
        let shown = if rows == 0 { "<p>Nothing to show.</p>\n".to_owned() } else { table(&grid, shape) };
        push!(
            body,
            "<details id=\"table-{name}\"{open}><summary>{title} <small>{rows} {unit}</small></summary>\n<p>{about}</p>\n{shown}\
             <details class=\"sql\"><summary>{name}.sql</summary><pre>{sql}</pre></details></details>\n",
            name = of.name,
            open = if rows > 0 && rows <= OPEN_ROWS_MAX { " open" } else { "" },
            title = escaped(of.title),
            unit = if rows == 1 { "row" } else { "rows" },
            about = prose(of.about),
            sql = escaped(of.sql),
        );
    }
    body
}

/// Tables of so many rows are open at first.
const OPEN_ROWS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_leave_its_element() {
        assert_eq!(
            as_data("\"</script><!--&\u{2028}\""),
            "\"\\u003c/script\\u003e\\u003c!--\\u0026\\u2028\""
        );
    }
}
