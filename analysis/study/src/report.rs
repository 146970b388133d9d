//! The tables of a study: each an SQL text under `report/`, answered to CSV, JSON and LaTeX, and to one Markdown page.
//!
//! The tables are of the newest of the runs; what goes over all of them is `adoption_over_time`.

mod interval;
mod json;
mod latex;
mod provenance;
mod section;
mod table;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use mxray_evidence::RunDir;

use crate::StudyError;
use crate::figure::{Figure, figures};
use crate::moment::utc;
use crate::page::{Roll, page};
use crate::sql::Session;
pub(crate) use provenance::Provenance;
use provenance::Studied;
pub use section::Reader;
use section::{DERIVED, DERIVED_FOR_SERIES, SECTIONS};
pub use table::ReportTable;

/// What a report is asked to be.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// The input is a random sample of so many domains: rates of domains get intervals.
    pub sample_of: Option<u64>,
}

/// A report that was written.
#[derive(Debug, Clone)]
pub struct Report {
    /// The Markdown page, as written to `report.md`.
    pub markdown: String,
    /// The page's tables, in its order.
    pub tables: Vec<ReportTable>,
    /// The figures, drawn from the tables.
    pub figures: Vec<Figure>,
    /// Every file written.
    pub files: Vec<PathBuf>,
}

/// Writes `index.html`, `report.md`, `report.tex`, a CSV, a JSON and a LaTeX file a table and an SVG file a figure into `out`, from a
/// classification of each of `runs`, named by its id. The same classifications give the same bytes. `doing` is told what is being made:
/// over millions of domains a table can take a minute.
///
/// Must be awaited inside a tokio runtime. `runs` must not be empty.
pub async fn report(
    runs: &[(RunDir, String)],
    out: &Path,
    options: &ReportOptions,
    doing: &mut dyn FnMut(&str),
) -> Result<Report, StudyError> {
    let mut studied = runs.iter().map(|(run, id)| Studied::read(run, id)).collect::<Result<Vec<_>, _>>()?;
    studied.sort_by(|a, b| {
        (a.manifest.started, &a.manifest.run_id).cmp(&(b.manifest.started, &b.manifest.run_id))
    });
    let newest = studied.last().expect("a report is of a run");
    fs::create_dir_all(out).map_err(StudyError::file("creating", out))?;
    let session = Session::open(&newest.run, Some(&newest.classified.id))?;
    for (name, sql) in DERIVED {
        doing(&format!("counting {name}"));
        session.keep(name, sql).await?;
    }
    doing("counting the series");
    gather_series(&session, &studied).await?;
    let fraction = options.sample_of.map(|of| newest.classified.domains as f64 / of.max(1) as f64);
    let mut tables = Vec::new();
    for (number, section) in SECTIONS.iter().enumerate() {
        doing(&format!("table {} of {}: {}", number + 1, SECTIONS.len(), section.name));
        let rows = session.ask(section.sql).await?.into_rows().await?;
        tables.push(ReportTable::new(section, rows, fraction)?);
    }
    let figures = figures(&tables);
    let provenance = Provenance::of(newest, studied.len(), options);
    let markdown = markdown(&provenance, &tables);
    doing("the domains on the page");
    let roll = Roll::gather(&newest.run, &newest.classified.id)?;
    let page = page(&provenance, &tables, &figures, &roll)?;
    let files = write(out, &markdown, &page, &tables, &figures)?;
    Ok(Report { markdown, tables, figures, files })
}

/// Keeps the measures of every run, over all of its domains, as the table `series`.
async fn gather_series(newest: &Session, studied: &[Studied]) -> Result<(), StudyError> {
    let measures = |of: &Studied| {
        format!(
            "SELECT '{}' AS began, '{}' AS run, place, measure, denominator, domains, measured, unknown \
             FROM shares WHERE dimension = 'all'",
            utc(of.manifest.started),
            of.manifest.run_id.replace('\'', "''"),
        )
    };
    let (last, earlier) = studied.split_last().expect("a report is of a run");
    let answer = newest.ask(&measures(last)).await?;
    let schema = answer.schema();
    let mut batches = answer.batches().await?;
    for of in earlier {
        let session = Session::open(&of.run, Some(&of.classified.id))?;
        for (name, sql) in &DERIVED[..DERIVED_FOR_SERIES] {
            session.keep(name, sql).await?;
        }
        batches.extend(session.ask(&measures(of)).await?.batches().await?);
    }
    newest.keep_batches("series", schema, batches)
}

fn write(
    out: &Path,
    markdown: &str,
    page: &str,
    tables: &[ReportTable],
    figures: &[Figure],
) -> Result<Vec<PathBuf>, StudyError> {
    let mut files = Vec::new();
    for table in tables {
        let path = out.join(format!("{}.csv", table.name));
        File::create(&path)
            .and_then(|file| table.grid.write_csv(file))
            .map_err(StudyError::file("writing", &path))?;
        files.push(path);
    }
    let mut write = |name: String, text: &str| {
        let path = out.join(name);
        fs::write(&path, text).map_err(StudyError::file("writing", &path))?;
        files.push(path);
        Ok::<_, StudyError>(())
    };
    for table in tables {
        write(format!("{}.json", table.name), &json::table(&table.rows)?)?;
        write(format!("{}.tex", table.name), &latex::table(table))?;
    }
    for figure in figures {
        write(format!("{}.svg", figure.name), &figure.svg)?;
    }
    write("report.tex".to_owned(), &latex::document(tables))?;
    write("report.md".to_owned(), markdown)?;
    write("index.html".to_owned(), page)?;
    Ok(files)
}

fn markdown(provenance: &Provenance, tables: &[ReportTable]) -> String {
    let mut markdown = preamble(provenance);
    for table in tables {
        let shown = table.for_people();
        write!(markdown, "\n## {}\n\n{}\n\n", table.title, table.about)
            .expect("a string takes what is written to it");
        if shown.rows.is_empty() {
            markdown.push_str("Nothing to show.\n");
        } else {
            markdown.push_str(&shown.data_to_markdown());
        }
    }
    markdown
}

/// Where the numbers come from.
fn preamble(provenance: &Provenance) -> String {
    format!("# Mail transport security\n\n{}", provenance.grid().data_to_markdown())
}
