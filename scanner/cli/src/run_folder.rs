//! A run that is there already: opening it, judging it, and whose fault it is when that fails.

use std::io;
use std::path::{Path, PathBuf};

use mxray_evidence::{Manifest, RunDir, SCHEMA_VERSION};
use mxray_study::{Classified, ClassifyOptions, StudyError, classifications, newest_classification};
use serde::Deserialize;

use crate::exit::{Blame, Exit, Failure};

/// The run in `folder`, with its manifest.
pub(crate) fn open(folder: &Path) -> Result<(RunDir, Manifest), Failure> {
    let run = RunDir::new(folder);
    match run.read_manifest() {
        Ok(manifest) if manifest.schema_version != SCHEMA_VERSION => Err(other_schema(folder, &manifest)),
        Ok(manifest) => Ok((run, manifest)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(Failure::refused(format!("{} is no run: there is no run.json in it", folder.display())))
        }
        Err(error) => Err(error).refused(|| format!("reading the run in {}", folder.display())),
    }
}

fn other_schema(folder: &Path, manifest: &Manifest) -> Failure {
    Failure::refused(format!(
        "{} was written by mxray {} under schema version {}, and this is mxray {}, which reads version {SCHEMA_VERSION}: work on the run \
         with an mxray of its version, or scan again",
        folder.display(),
        manifest.mxray_version,
        manifest.schema_version,
        env!("CARGO_PKG_VERSION"),
    ))
}

/// The classification called `id`, or the newest.
pub(crate) fn classification(run: &RunDir, id: Option<&str>) -> Result<Classified, Failure> {
    let Some(id) = id else { return newest_classification(run).map_err(Failure::from) };
    let all = classifications(run)?;
    let ids: Vec<&str> = all.iter().map(|classified| classified.id.as_str()).collect();
    let told = format!("there is no classification {id:?}; those there are: {}", ids.join(", "));
    all.into_iter().find(|classified| classified.id == id).ok_or_else(|| Failure::refused(told))
}

/// Judges a run as one does who says nothing: by the roots that its scan was told of, at the time of each
/// observation.
pub(crate) fn classify(run: &RunDir, manifest: &Manifest) -> Result<Classified, Failure> {
    let options = ClassifyOptions { trust_pem: remembered_roots(manifest)?, ..ClassifyOptions::default() };
    Ok(mxray_study::classify(run, &options)?)
}

/// Roots to trust besides the built-in ones, by name, as PEM: those that the scan was told of.
pub(crate) fn remembered_roots(manifest: &Manifest) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    #[derive(Deserialize)]
    struct Root {
        name: String,
        pem: String,
    }
    let roots = &manifest.config["extra"]["trust_roots"];
    if roots.is_null() {
        return Ok(Vec::new());
    }
    let roots: Vec<Root> = serde_json::from_value(roots.clone())
        .refused(|| "reading the trust roots in the run's run.json".to_owned())?;
    Ok(roots.into_iter().map(|root| (root.name, root.pem.into_bytes())).collect())
}

/// Roots from files that were named.
pub(crate) fn roots_from(files: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let read = |path: &PathBuf| {
        let pem = std::fs::read(path).refused(|| format!("reading the trust roots {}", path.display()))?;
        Ok((path.display().to_string(), pem))
    };
    files.iter().map(read).collect()
}

impl From<StudyError> for Failure {
    fn from(error: StudyError) -> Self {
        let io = match &error {
            StudyError::File { source, .. } => Some(source),
            StudyError::Part(part) => part.io(),
            _ => None,
        };
        let exit = match io {
            Some(io) if io.kind() != io::ErrorKind::NotFound => Exit::Environment,
            _ => Exit::Refused,
        };
        // Its words hold those of its source already.
        Self::new(exit, anyhow::Error::msg(error.to_string()))
    }
}
