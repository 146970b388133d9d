//! Where the numbers of a report come from, and how the scan behaved.

use mxray_evidence::{Manifest, RunDir};

use super::ReportOptions;
use crate::classify::Classified;
use crate::grid::Grid;
use crate::moment::utc;
use crate::{StudyError, classifications};

/// A run of the report.
pub(super) struct Studied {
    pub(super) run: RunDir,
    pub(super) manifest: Manifest,
    pub(super) classified: Classified,
}

impl Studied {
    pub(super) fn read(run: &RunDir, id: &str) -> Result<Self, StudyError> {
        let manifest = run.read_manifest().map_err(StudyError::file("reading", &run.manifest_path()))?;
        let classified = classifications(run)?
            .into_iter()
            .find(|classified| classified.id == id)
            .ok_or_else(|| StudyError::NotClassified(run.root().to_owned()))?;
        Ok(Self { run: run.clone(), manifest, classified })
    }
}

/// Names and values that say where the numbers come from.
pub(crate) struct Provenance {
    subtitle: String,
    study: Vec<(&'static str, String)>,
    scan: Vec<(&'static str, String)>,
}

impl Provenance {
    pub(super) fn of(of: &Studied, runs: usize, options: &ReportOptions) -> Self {
        let Studied { manifest, classified, .. } = of;
        let others = if runs > 1 { format!(", the newest of {runs} runs") } else { String::new() };
        let subtitle = format!(
            "{} domains, {}{others}",
            classified.domains,
            utc(manifest.started).get(..10).unwrap_or_default()
        );
        Self { subtitle, study: study(manifest, classified, options), scan: scan(manifest) }
    }

    /// A line that says which run it is.
    pub(crate) fn subtitle(&self) -> String {
        self.subtitle.clone()
    }

    /// For who studies.
    pub(crate) fn grid(&self) -> Grid {
        pairs(&self.study)
    }

    /// For who ran the scan, or was scanned.
    pub(crate) fn scan_grid(&self) -> Grid {
        pairs(&self.scan)
    }
}

fn pairs(lines: &[(&'static str, String)]) -> Grid {
    let mut grid = Grid::new(&["", ""]);
    for (name, value) in lines {
        grid.push(vec![(*name).to_owned(), value.clone()]);
    }
    grid
}

fn study(
    manifest: &Manifest,
    classified: &Classified,
    options: &ReportOptions,
) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("run", manifest.run_id.clone()),
        ("began", utc(manifest.started)),
        ("how it ended", manifest.how_ended.to_string()),
        ("mxray", manifest.mxray_version.clone()),
        ("inputs", manifest.inputs.join(", ")),
        ("lines of input", manifest.counts.lines.to_string()),
        ("domains", classified.domains.to_string()),
        ("mail hosts", classified.hosts.to_string()),
        ("classification", classified.id.clone()),
        ("trusted roots", classified.root_sources.join(", ")),
    ];
    let at = classified
        .at
        .map_or_else(|| "at the time each was seen".to_owned(), |at| format!("as of {}", utc(at)));
    lines.push(("certificates judged", at));
    if classified.chains_incomplete > 0 {
        lines.push(("chains not judged, a certificate missing", classified.chains_incomplete.to_string()));
    }
    if let Some(of) = options.sample_of {
        let words = "rates of domains have 95 % intervals (Wilson, finite population), as if each domain had been drawn by \
                     itself";
        lines.push(("sample of", format!("{of} domains: {words}")));
    }
    lines
}

fn scan(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let dnssec = if manifest.dnssec { "validated by the resolvers" } else { "not believed: DANE is unknown" };
    let ended = manifest.ended.map_or_else(|| "has not".to_owned(), utc);
    vec![
        ("who asked", manifest.identity.ehlo_name.clone()),
        ("contact", manifest.identity.contact.clone()),
        ("from", manifest.vantage.clone().unwrap_or_else(|| "not said".to_owned())),
        ("resolvers", manifest.resolvers.join(", ")),
        ("DNSSEC", dnssec.to_owned()),
        ("began", utc(manifest.started)),
        ("ended", ended),
        ("resumed", format!("{} times", manifest.resumed)),
    ]
}
