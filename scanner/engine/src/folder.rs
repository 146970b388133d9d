//! The folder of a run: taken, begun, or gone on with.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, TryLockError};
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};

use mxray_evidence::journal::{Entry, Journal};
use mxray_evidence::{
    CertificateRow, Counts, Home, HowEnded, Identity, Manifest, RunDir, SCHEMA_VERSION, tables,
};

use crate::beside::Seen;
use crate::clock;
use crate::commit::OpenRun;
use crate::config::ScanConfig;
use crate::error::ScanError;
use crate::names_seen::NamesSeen;
use crate::once::Once;
use crate::owed::Owed;
use crate::source::{Mark, SourceError};

/// The file whose lock a scanner holds. It stays: a lock file that comes and goes is a race.
const LOCK_FILE: &str = "lock";

/// A run, ready to be written to, and what is known of it.
pub(crate) struct Opened {
    pub(crate) run: OpenRun,
    /// Where the input goes on.
    pub(crate) mark: Mark,
    /// Domains that have a row.
    pub(crate) domains: NamesSeen,
    /// MX hosts that are probed, or are owed.
    pub(crate) hosts: Once,
    /// Report sinks that are looked up, or are owed.
    pub(crate) sinks: Once,
    /// What committed rows ask for, and a crash or a stop came before.
    pub(crate) owed: Owed,
}

/// What was found of this machine and its resolvers before the run was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Means {
    /// The resolvers' AD bit is believed.
    pub(crate) dnssec: bool,
    /// There is a way to the IPv6 internet.
    pub(crate) ipv6: bool,
}

/// Refuses what can be refused before anything is asked or written. `Some` is the run that is complete already.
pub(crate) fn look(config: &ScanConfig) -> Result<Option<Manifest>, ScanError> {
    let dir = RunDir::new(&config.out);
    if !config.resume {
        refuse_if_occupied(&dir)?;
        return Ok(None);
    }
    let manifest = read_manifest(&dir)?;
    if manifest.schema_version != SCHEMA_VERSION {
        return Err(ScanError::ResumeMismatch {
            name: "the schema's version".into(),
            began: manifest.schema_version.to_string(),
            now: SCHEMA_VERSION.to_string(),
        });
    }
    for (name, now) in config.character() {
        let pointer = format!("/{}", name.replace('.', "/"));
        let began = manifest.config.pointer(&pointer).cloned().unwrap_or_default();
        if began != now {
            return Err(ScanError::ResumeMismatch {
                name: name.to_owned(),
                began: began.to_string(),
                now: now.to_string(),
            });
        }
    }
    Ok((manifest.how_ended == HowEnded::Completed).then_some(manifest))
}

/// Takes the folder, and begins or resumes the run.
pub(crate) fn open(config: &ScanConfig, means: Means) -> Result<Opened, ScanError> {
    let dir = RunDir::new(&config.out);
    if config.resume {
        let lock = lock(dir.root())?;
        return resume(config, means, dir, lock);
    }
    fs::create_dir_all(dir.root()).map_err(|e| ScanError::folder("making", dir.root(), e))?;
    sync_parent(dir.root());
    let lock = lock(dir.root())?;
    // Another may have begun here between the first look and the lock.
    refuse_if_occupied(&dir)?;
    begin(config, means, dir, lock)
}

fn begin(config: &ScanConfig, means: Means, dir: RunDir, lock: File) -> Result<Opened, ScanError> {
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        mxray_version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: draw_run_id(),
        started: clock::now(),
        ended: None,
        how_ended: HowEnded::Running,
        resumed: 0,
        identity: Identity { ehlo_name: config.ehlo_name.clone(), contact: config.contact.clone() },
        vantage: config.vantage.clone(),
        resolvers: config.resolvers.iter().map(ToString::to_string).collect(),
        dnssec: means.dnssec,
        ipv6: Some(means.ipv6),
        seed: config.seed,
        inputs: config.inputs.iter().map(ToString::to_string).collect(),
        config: serde_json::to_value(config)
            .map_err(|e| ScanError::Internal(format!("the configuration is no JSON: {e}")))?,
        counts: Counts::default(),
        stray_replies: 0,
    };
    // The manifest first: a folder is empty but for the lock, or it is a run that can be resumed.
    write_manifest(&dir, &manifest)?;
    let journal = prepare(&dir)?;
    let domains = NamesSeen::new(dir.root());
    let run = OpenRun { dir, manifest, journal, certificates: Once::default(), _lock: lock };
    Ok(Opened {
        run,
        mark: Mark::default(),
        domains,
        hosts: Once::default(),
        sinks: Once::default(),
        owed: Owed::default(),
    })
}

fn resume(config: &ScanConfig, means: Means, dir: RunDir, lock: File) -> Result<Opened, ScanError> {
    // Once more, now that nobody else can change it.
    let mut manifest = read_manifest(&dir)?;
    // The other way round the run stays what it was: one whose AD bits say nothing.
    if manifest.dnssec && !means.dnssec {
        let (name, began, now) = ("dnssec".to_owned(), "true".to_owned(), "false".to_owned());
        return Err(ScanError::ResumeMismatch { name, began, now });
    }
    manifest.ipv6 = manifest.ipv6.map(|ipv6| ipv6 && means.ipv6);
    let journal = prepare(&dir)?;
    clear_leftovers(&dir, journal.entries().len())?;
    check_parts(&dir, &journal)?;
    let mut counts = Counts::default();
    for entry in journal.entries() {
        counts += entry.counts;
    }
    manifest.counts = counts;
    let mark = mark_of(journal.entries());
    note_changes(config, &mut manifest);
    let mut certificates = Once::default();
    dir.for_each(|row: CertificateRow| {
        certificates.claim(&row.sha256);
    })?;
    let mut seen = Seen::default();
    let (owed, domains) = read_owed(&dir, config, &mut seen, NamesSeen::new(dir.root()))?;
    let Seen { hosts, sinks } = seen;
    let run = OpenRun { dir, manifest, journal, certificates, _lock: lock };
    Ok(Opened { run, mark, domains, hosts, sinks, owed })
}

/// Where the input of a scan would go on, the domains that have a row, and how many things are owed: without a touch.
pub(crate) fn peek(config: &ScanConfig) -> Result<(Mark, NamesSeen, u64), ScanError> {
    let domains = NamesSeen::new(std::env::temp_dir());
    if !config.resume {
        return Ok((Mark::default(), domains, 0));
    }
    let dir = RunDir::new(&config.out);
    let committed = dir.committed().map_err(|e| ScanError::folder("reading", &dir.journal_path(), e))?;
    let (owed, domains) = read_owed(&dir, config, &mut Seen::default(), domains)?;
    Ok((mark_of(&committed), domains, owed.len() as u64))
}

/// What a run owes. What has a row, or is owed, is `seen`, and domains that have a row are claimed.
fn read_owed(
    dir: &RunDir,
    config: &ScanConfig,
    seen: &mut Seen,
    mut domains: NamesSeen,
) -> Result<(Owed, NamesSeen), ScanError> {
    let mut kept = Ok(true);
    let owed = Owed::read(dir, config, seen, |row| {
        if kept.is_ok() {
            kept = domains.claim(row.domain.as_bytes());
        }
    })?;
    kept.map_err(|source| SourceError::NamesSeen { source })?;
    Ok((owed, domains))
}

/// Where the input goes on behind what is committed.
fn mark_of(committed: &[Entry]) -> Mark {
    committed
        .last()
        .map(|entry| Mark { line: entry.last_line, digest: entry.input_digest.clone() })
        .unwrap_or_default()
}

/// Makes what is missing of the folder, and opens the journal, cutting off a line that a crash left half.
fn prepare(dir: &RunDir) -> Result<Journal, ScanError> {
    dir.create().map_err(|e| ScanError::folder("making the folders of", dir.root(), e))?;
    let path = dir.journal_path();
    let journal = Journal::open(&path).map_err(|e| ScanError::folder("opening", &path, e))?;
    // The journal's own entry in the folder has to be on the disk as well.
    File::open(dir.root())
        .and_then(|folder| folder.sync_all())
        .map_err(|e| ScanError::folder("syncing", dir.root(), e))?;
    Ok(journal)
}

/// Removes what a crash left of chunks that have no line in the journal: temporary files, and parts that had got
/// their names. A part that stayed would count once another chunk took its number.
fn clear_leftovers(dir: &RunDir, committed: usize) -> Result<(), ScanError> {
    for folder in evidence_folders(dir) {
        for path in list(&folder)? {
            if is_leftover(&path, committed) {
                fs::remove_file(&path).map_err(|e| ScanError::folder("removing", &path, e))?;
            }
        }
    }
    Ok(())
}

fn is_leftover(path: &Path, committed: usize) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(number) = name.strip_prefix("part-") else { return false };
    if number.strip_suffix(".parquet.tmp").is_some() {
        return true;
    }
    number.strip_suffix(".parquet").and_then(|n| n.parse::<usize>().ok()).is_some_and(|n| n >= committed)
}

/// Every part that the journal counts rows of must be there.
fn check_parts(dir: &RunDir, journal: &Journal) -> Result<(), ScanError> {
    for entry in journal.entries() {
        let Counts {
            domains,
            policies,
            mail_hosts,
            smtp_sessions,
            certificates,
            report_sinks,
            rejects,
            lines: _,
        } = entry.counts;
        let rows = [
            ("domains", domains),
            ("policies", policies),
            ("mail_hosts", mail_hosts),
            ("smtp_sessions", smtp_sessions),
            ("certificates", certificates),
            ("report_sinks", report_sinks),
            ("rejects", rejects),
        ];
        for (table, rows) in rows {
            let part = dir.root().join(table).join(format!("part-{:06}.parquet", entry.chunk));
            if rows > 0 && !part.exists() {
                return Err(ScanError::Damaged {
                    path: dir.root().to_owned(),
                    what: format!("{} is gone, and the journal counts {rows} rows in it", part.display()),
                });
            }
        }
    }
    Ok(())
}

/// The configuration and version of a resumption stand beside the first ones, if they differ.
fn note_changes(config: &ScanConfig, manifest: &mut Manifest) {
    manifest.resumed += 1;
    manifest.how_ended = HowEnded::Running;
    manifest.ended = None;
    let Ok(mut now) = serde_json::to_value(config) else { return };
    let same_version = manifest.mxray_version == env!("CARGO_PKG_VERSION");
    let Some(began) = manifest.config.as_object_mut() else { return };
    let resumptions = began.remove("resumptions");
    if !same_version || now != serde_json::Value::Object(began.clone()) {
        now["at"] = clock::now().into();
        now["mxray_version"] = env!("CARGO_PKG_VERSION").into();
        let mut resumptions = match resumptions {
            Some(serde_json::Value::Array(list)) => list,
            _ => Vec::new(),
        };
        resumptions.push(now);
        began.insert("resumptions".into(), resumptions.into());
    } else if let Some(resumptions) = resumptions {
        began.insert("resumptions".into(), resumptions);
    }
}

fn lock(root: &Path) -> Result<File, ScanError> {
    let path = root.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| ScanError::folder("opening", &path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ScanError::Busy { path: root.to_owned() }),
        Err(TryLockError::Error(error)) => Err(ScanError::folder("locking", &path, error)),
    }
}

/// A new run begins in a folder that is not there, or is empty but for what a crash left before the manifest.
fn refuse_if_occupied(dir: &RunDir) -> Result<(), ScanError> {
    let manifest = dir.manifest_path();
    let unfinished = manifest.with_extension("json.tmp");
    let occupied = list(dir.root())?
        .iter()
        .any(|path| path.file_name().is_none_or(|name| name != LOCK_FILE) && *path != unfinished);
    if occupied {
        return Err(ScanError::OutNotEmpty { path: dir.root().to_owned(), resumable: manifest.exists() });
    }
    Ok(())
}

/// Puts the folder's own entry on the disk. Some file systems have no such thing, and it is only the last of
/// safeguards: a run whose folder is lost in a power cut has lost nothing that it had promised elsewhere.
fn sync_parent(root: &Path) {
    let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(parent).and_then(|folder| folder.sync_all());
}

/// What stands in a folder; nothing if it is not there.
fn list(folder: &Path) -> Result<Vec<PathBuf>, ScanError> {
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()
            .map_err(|e| ScanError::folder("reading", folder, e)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(ScanError::folder("reading", folder, error)),
    }
}

fn evidence_folders(dir: &RunDir) -> impl Iterator<Item = PathBuf> {
    let root = dir.root().to_owned();
    tables().into_iter().filter(|table| table.home == Home::Run).map(move |table| root.join(table.name))
}

fn read_manifest(dir: &RunDir) -> Result<Manifest, ScanError> {
    let path = dir.manifest_path();
    dir.read_manifest().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ScanError::NothingToResume { path: dir.root().to_owned() },
        io::ErrorKind::InvalidData => {
            ScanError::Damaged { path: dir.root().to_owned(), what: error.to_string() }
        }
        _ => ScanError::folder("reading", &path, error),
    })
}

fn write_manifest(dir: &RunDir, manifest: &Manifest) -> Result<(), ScanError> {
    dir.write_manifest(manifest).map_err(|e| ScanError::folder("writing", &dir.manifest_path(), e))
}

/// Sixteen hexadecimal digits that no other run has: the standard library's hash keys come from the system's
/// random numbers.
fn draw_run_id() -> String {
    format!("{:016x}", RandomState::new().hash_one(clock::now()))
}
