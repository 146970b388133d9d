//! What a classification stands on, and how it is named and found again.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use mxray_evidence::{Home, Micros, RunDir, tables};
use mxray_rules::{TrustStore, rules};
use sha2::{Digest, Sha256};

use super::{Classified, ClassifyOptions};
use crate::{StudyError, moment};

/// Hexadecimal digits of a digest in an id.
const ID_DIGITS: usize = 8;
/// What says, by being there, that a classification is complete.
const COMPLETE: &str = "classification.json";

/// Rule set, trust store and time.
pub(super) struct Opinion {
    pub(super) store: TrustStore,
    pub(super) root_sources: Vec<String>,
    pub(super) rules: String,
    pub(super) at: Option<Micros>,
}

impl Opinion {
    pub(super) fn new(options: &ClassifyOptions) -> Result<Self, StudyError> {
        let mut store = TrustStore::mozilla();
        let mut root_sources = vec!["mozilla".to_owned()];
        for (name, pem) in &options.trust_pem {
            store = store.with_pem(pem).map_err(|source| StudyError::Roots { name: name.clone(), source })?;
            root_sources.push(name.clone());
        }
        Ok(Self { store, root_sources, rules: rules_digest(), at: options.at })
    }

    /// Names the three, shortly.
    pub(super) fn id(&self) -> String {
        let roots = self.store.id();
        let at = self.at.map_or_else(|| "observed".to_owned(), moment::utc_short);
        format!("rules-{}-roots-{}-at-{at}", &self.rules[..ID_DIGITS], &roots[..ID_DIGITS])
    }
}

/// A digest over this version and its codebook: another version may judge otherwise under the same names.
fn rules_digest() -> String {
    let mut hasher = Sha256::new();
    hasher.update(env!("CARGO_PKG_VERSION"));
    for rule in rules() {
        hasher.update(format!("\n{} {}", rule.name, rule.effect));
        for cause in rule.causes {
            hasher.update(format!(" {}", cause.name));
        }
    }
    hexadecimal(hasher)
}

/// A digest over the columns of the tables of a classification: their names, types and order.
pub(super) fn columns_digest() -> String {
    let mut hasher = Sha256::new();
    for table in tables().iter().filter(|table| table.home == Home::Derived) {
        hasher.update(table.signature());
    }
    hexadecimal(hasher)
}

fn hexadecimal(hasher: Sha256) -> String {
    hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes what is written to it");
        hex
    })
}

/// Makes the folder, and takes away what said that an earlier classification in it was complete.
pub(super) fn begin(folder: &Path) -> Result<(), StudyError> {
    fs::create_dir_all(folder).map_err(StudyError::file("creating", folder))?;
    let complete = folder.join(COMPLETE);
    match fs::remove_file(&complete) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StudyError::file("removing", &complete)(error))
        }
        _ => Ok(()),
    }
}

/// Says that the classification is complete, and what it stands on.
pub(super) fn complete(classified: &Classified) -> Result<(), StudyError> {
    let folder = &classified.folder;
    let path = folder.join(COMPLETE);
    let tmp = path.with_extension("json.tmp");
    let write = || {
        let mut file = File::create(&tmp)?;
        file.write_all(&serde_json::to_vec_pretty(classified)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&tmp, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(StudyError::file("writing", &path))
}

/// The complete classifications of a run that have the columns of this version, the newest last.
pub fn classifications(run: &RunDir) -> Result<Vec<Classified>, StudyError> {
    let derived: PathBuf = run.derived_dir("");
    let entries = match fs::read_dir(&derived) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StudyError::file("listing", &derived)(error)),
    };
    let columns = columns_digest();
    let mut found = Vec::new();
    for entry in entries {
        let folder = entry.map_err(StudyError::file("listing", &derived))?.path();
        let path = folder.join(COMPLETE);
        if !path.is_file() {
            continue;
        }
        let read = || {
            let written = fs::metadata(&path)?.modified()?;
            let classified: Classified = serde_json::from_slice(&fs::read(&path)?)?;
            Ok((written, Classified { folder: folder.clone(), ..classified }))
        };
        let (written, classified) = read().map_err(StudyError::file("reading", &path))?;
        if classified.columns == columns {
            found.push((written, classified));
        }
    }
    found.sort_by(|(a_written, a), (b_written, b)| (a_written, &a.id).cmp(&(b_written, &b.id)));
    Ok(found.into_iter().map(|(_, classified)| classified).collect())
}

/// The classification that was completed last.
pub fn newest_classification(run: &RunDir) -> Result<Classified, StudyError> {
    classifications(run)?.pop().ok_or_else(|| StudyError::NotClassified(run.root().to_owned()))
}
