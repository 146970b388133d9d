//! The tables of a study: each an SQL text beside this file, answered to CSV and to one Markdown page.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use mxray_evidence::{Manifest, RunDir};

use crate::classify::Classified;
use crate::grid::{Grid, percent};
use crate::moment::utc;
use crate::sql::Session;
use crate::{StudyError, classifications};

/// A table of the report.
struct Section {
    /// Its file's name.
    name: &'static str,
    title: &'static str,
    /// What a reader must know to read it rightly.
    about: &'static str,
    sql: &'static str,
}

const SECTIONS: &[Section] = &[
    Section {
        name: "adoption",
        title: "Adoption",
        about: "`rate` is `domains` over `measured`. What could not be measured is in `unknown`, and in no rate.",
        sql: include_str!("report/adoption.sql"),
    },
    Section {
        name: "adoption_by_rank",
        title: "Adoption by rank",
        about: "Among the first so many of the list. Empty where the input has no ranks.",
        sql: include_str!("report/adoption_by_rank.sql"),
    },
    Section {
        name: "standing",
        title: "Standing",
        about: "Domains by the worst effect of what is wrong with them. `with_unknown_rules` of them have rules \
                that could not be judged, and may stand worse than they seem.",
        sql: include_str!("report/standing.sql"),
    },
    Section {
        name: "misconfiguration",
        title: "Misconfiguration, by rule and sub-cause",
        about: "In domains. `rate` is `violations` over `judged`; a sub-cause has the denominator of its rule. \
                A domain with two hosts that differ in sub-cause counts in both.",
        sql: include_str!("report/misconfiguration.sql"),
    },
    Section {
        name: "delivery",
        title: "The sender's view",
        about: "What happens to a message from each kind of sender, and what an attacker gets who strips \
                STARTTLS or offers another certificate.",
        sql: include_str!("report/delivery.sql"),
    },
    Section {
        name: "hosts",
        title: "Mail hosts",
        about: "Each host once; `named_by` sums the domains that name it.",
        sql: include_str!("report/hosts.sql"),
    },
    Section {
        name: "weighty_hosts",
        title: "Faulty hosts on which most domains depend",
        about: "The first twenty.",
        sql: include_str!("report/weighty_hosts.sql"),
    },
    Section {
        name: "imc2025",
        title: "Beside the IMC 2025 study",
        about: "The breakdown of Ashiq, Fiebig and Chung (doi 10.1145/3730567.3732916: 68,030 domains with a record on \
                2024-09-29), and how many domains of this run are in each class. A domain counts in every class that it \
                is in; a policy host that fails, at the first layer that does. `self-managed` and `third-party` are \
                `policy_hosting` of the verdicts for the policy, `mx_hosting` for the certificates, as names tell; \
                mixed and unknown hosting is in `all` only. The study's own heuristics for them are not known here, nor \
                are its denominators: compare counts with care, and rates with more. `datasets/published/imc2025.csv` \
                says which figures are published and which are derived from them.",
        sql: include_str!("report/imc2025.sql"),
    },
    Section {
        name: "input",
        title: "Input that was not scanned",
        about: "By reason. Lines of the input are domains and these.",
        sql: include_str!("report/input.sql"),
    },
];

/// A report that was written.
#[derive(Debug, Clone)]
pub struct Report {
    /// The Markdown page, as written to `report.md`.
    pub markdown: String,
    /// The page's tables, in its order.
    pub tables: Vec<ReportTable>,
    /// Every file written.
    pub files: Vec<PathBuf>,
}

/// A table of a report.
#[derive(Debug, Clone)]
pub struct ReportTable {
    /// The name of its file, without `.csv`.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What a reader must know to read it rightly.
    pub about: &'static str,
    /// As on the page: rates in percent.
    pub grid: Grid,
}

/// Writes `report.md` and a CSV file a table into `out`, from the classification `id` of `run`. The same
/// classification gives the same bytes.
///
/// Must be awaited inside a tokio runtime.
pub async fn report(run: &RunDir, id: &str, out: &Path) -> Result<Report, StudyError> {
    let manifest = run.read_manifest().map_err(StudyError::file("reading", &run.manifest_path()))?;
    let classified = classifications(run)?
        .into_iter()
        .find(|classified| classified.id == id)
        .ok_or_else(|| StudyError::NotClassified(run.root().to_owned()))?;
    fs::create_dir_all(out).map_err(StudyError::file("creating", out))?;
    let session = Session::open(run, Some(id))?;
    let mut markdown = preamble(&manifest, &classified);
    let mut files = Vec::new();
    let mut tables = Vec::new();
    for section in SECTIONS {
        let grid = session.ask(section.sql).await?.into_grid().await?;
        let path = out.join(format!("{}.csv", section.name));
        File::create(&path)
            .and_then(|file| grid.write_csv(file))
            .map_err(StudyError::file("writing", &path))?;
        files.push(path);
        write!(markdown, "\n## {}\n\n{}\n\n", section.title, section.about)
            .expect("a string takes what is written to it");
        let Section { name, title, about, .. } = *section;
        let grid = for_people(grid);
        if grid.rows.is_empty() {
            markdown.push_str("Nothing to show.\n");
        } else {
            markdown.push_str(&grid.to_markdown());
        }
        tables.push(ReportTable { name, title, about, grid });
    }
    let path = out.join("report.md");
    fs::write(&path, &markdown).map_err(StudyError::file("writing", &path))?;
    files.push(path);
    Ok(Report { markdown, tables, files })
}

/// Where the numbers come from.
fn preamble(manifest: &Manifest, classified: &Classified) -> String {
    let mut grid = Grid::new(&["", ""]);
    let mut push = |name: &str, value: String| grid.push(vec![name.to_owned(), value]);
    push("run", manifest.run_id.clone());
    push("began", utc(manifest.started));
    push("how it ended", manifest.how_ended.to_string());
    push("mxray", manifest.mxray_version.clone());
    push("inputs", manifest.inputs.join(", "));
    push("lines of input", manifest.counts.lines.to_string());
    push("domains", classified.domains.to_string());
    push("mail hosts", classified.hosts.to_string());
    push("classification", classified.id.clone());
    push("trusted roots", classified.root_sources.join(", "));
    push(
        "certificates judged",
        classified
            .at
            .map_or_else(|| "at the time each was seen".to_owned(), |at| format!("as of {}", utc(at))),
    );
    if classified.chains_incomplete > 0 {
        push("chains not judged, a certificate missing", classified.chains_incomplete.to_string());
    }
    format!("# Mail transport security\n\n{}", grid.to_markdown())
}

/// Rates as percentages; the CSV keeps them as they are.
fn for_people(mut grid: Grid) -> Grid {
    for column in 0..grid.header.len() {
        if grid.header[column] != "rate" && !grid.header[column].ends_with("_rate") {
            continue;
        }
        for row in &mut grid.rows {
            row[column] = row[column].parse().map_or_else(|_| "–".to_owned(), percent);
        }
    }
    grid
}
