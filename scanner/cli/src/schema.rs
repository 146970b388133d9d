//! `mxray schema`: the data dictionary, from the tables' own columns.

use std::fmt::Write;
use std::sync::LazyLock;

use clap::Args;
use mxray_evidence::{Column, Home, Kind, SCHEMA_VERSION, TableDoc, flat, tables};
use mxray_rules::{Rule, rules};
use mxray_study::Grid;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::format::DocumentFormat;
use crate::palette::Palette;
use crate::stdout;

/// Shows the data dictionary: every table, its columns, their types and meanings.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mxray schema verdicts --format markdown")]
pub(crate) struct SchemaArgs {
    /// The table to show; all of them without.
    table: Option<String>,
    /// In which form.
    #[arg(long, value_enum, default_value = "text")]
    format: DocumentFormat,
}

pub(crate) fn run(args: &SchemaArgs) -> Result<Exit, Failure> {
    let tables = chosen(args.table.as_deref())?;
    match args.format {
        DocumentFormat::Text => stdout::write(&text(&tables, Palette::stdout()))?,
        DocumentFormat::Markdown => stdout::write(&markdown(&tables))?,
        DocumentFormat::Json => stdout::write_json(&as_json(&tables))?,
    }
    Ok(Exit::Done)
}

fn chosen(name: Option<&str>) -> Result<Vec<TableDoc>, Failure> {
    let mut all = tables();
    all.iter_mut().filter(|table| table.home == Home::Export).for_each(add_rules);
    let Some(name) = name else { return Ok(all) };
    let names: Vec<&str> = all.iter().map(|table| table.name).collect();
    let message = format!("there is no table {name:?}; the tables are {}", names.join(", "));
    all.retain(|table| table.name == name);
    if all.is_empty() { Err(Failure::refused(message)) } else { Ok(all) }
}

/// The columns of the flat table that the codebook is.
fn add_rules(table: &mut TableDoc) {
    static NAMES: LazyLock<Vec<String>> =
        LazyLock::new(|| rules().iter().map(|rule| flat::rule_column(rule.name)).collect());
    let column = |(rule, name): (&Rule, &'static String)| Column {
        name,
        kind: Kind::Text,
        nullable: false,
        doc: rule.summary,
    };
    table.columns.extend(rules().iter().zip(NAMES.iter()).map(column));
}

fn text(tables: &[TableDoc], palette: Palette) -> String {
    let mut text = String::new();
    for (i, table) in tables.iter().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        let _ = writeln!(text, "{}  {}", palette.heading(table.name), palette.faint(&place(table)));
        let _ = writeln!(text, "{}\n", table.doc);
        text += &grid(table, |depth, name| format!("{}{name}", "  ".repeat(depth))).indented("  ");
    }
    text
}

fn markdown(tables: &[TableDoc]) -> String {
    let mut text = format!("# Data dictionary, schema version {SCHEMA_VERSION}\n");
    for table in tables {
        let _ = writeln!(text, "\n## {}\n\n`{}`\n\n{}\n", table.name, place(table), table.doc);
        text += &grid(table, |depth, name| format!("{}`{name}`", "· ".repeat(depth))).to_markdown();
    }
    text
}

/// Where its files stand in a run.
fn place(table: &TableDoc) -> String {
    match table.home {
        Home::Run => format!("{}/part-*.parquet", table.name),
        Home::Derived => format!("derived/<id>/{}.parquet", table.name),
        Home::TlsReports => format!("<tlsrpt --out>/{}.parquet", table.name),
        Home::Changes => format!("<diff --out>/{}.parquet", table.name),
        Home::Export => "<export --out>".to_owned(),
    }
}

fn grid(table: &TableDoc, show: fn(usize, &str) -> String) -> Grid {
    let mut grid = Grid::new(&["column", "type", "null", "meaning"]);
    add(&mut grid, &table.columns, 0, show);
    grid
}

fn add(grid: &mut Grid, columns: &[Column], depth: usize, show: fn(usize, &str) -> String) {
    for column in columns {
        let null = if column.nullable { "yes" } else { "" };
        grid.push(vec![
            show(depth, column.name),
            column.kind.describe(),
            null.to_owned(),
            column.doc.to_owned(),
        ]);
        add(grid, column.kind.fields(), depth + 1, show);
    }
}

fn as_json(tables: &[TableDoc]) -> Value {
    let tables: Vec<Value> = tables
        .iter()
        .map(|table| {
            json!({
                "name": table.name,
                "doc": table.doc,
                "derived": table.home == Home::Derived,
                "files": place(table),
                "columns": columns_json(&table.columns),
            })
        })
        .collect();
    json!({ "schema_version": SCHEMA_VERSION, "tables": tables })
}

fn columns_json(columns: &[Column]) -> Vec<Value> {
    columns
        .iter()
        .map(|column| {
            let mut value = json!({
                "name": column.name,
                "type": column.kind.describe(),
                "nullable": column.nullable,
                "doc": column.doc,
            });
            if !column.kind.fields().is_empty() {
                value["fields"] = Value::from(columns_json(column.kind.fields()));
            }
            value
        })
        .collect()
}
