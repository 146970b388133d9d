//! Policy fetches that failed, noted as they fail, so that a run which is killed and gone on with does not make them again
//! at once (RFC 8461 §3.3 suggests five minutes).
//!
//! What a fetch came to stands on the disk with the next chunk. Until then a line in a file of the run's folder says when it
//! failed, and whose policy it was. A line is one write, and nothing is synced: it is there after `kill -9`, and need not be
//! after a power cut, which takes its minutes. The file has a bound: at the end of each back-off it becomes the older of two,
//! whose lines were all too old to matter by the time the next takes its place.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mxray_evidence::{Micros, OwnCause, PolicyRow};
use tokio::time::Instant;

use crate::clock;
use crate::error::ScanError;
use crate::events::EventSink;
use crate::once::Table;

/// The file, beside the journal; the older one, and one that is being written, have an ending.
const FILE: &str = "failed-fetches";
/// Bytes of a file, at most: a quarter of a million failures in a back-off. One beyond that is not noted, and a run that is
/// resumed makes that fetch again at once.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The failures of an earlier sitting, and where those of this one are noted.
pub(crate) struct FailedFetches {
    backoff: Duration,
    path: PathBuf,
    /// When a policy may be fetched again, by its domain.
    due: Table<Instant>,
    book: Mutex<Book>,
    events: EventSink,
}

struct Book {
    /// `None` before the first failure.
    file: Option<File>,
    bytes: u64,
    since: Instant,
    /// It could not be written to, and somebody was told.
    is_given_up: bool,
}

impl FailedFetches {
    /// Those of a run that begins: none. They count for so long.
    pub(crate) fn new(folder: &Path, backoff: Duration, events: EventSink) -> Self {
        let book = Book { file: None, bytes: 0, since: Instant::now(), is_given_up: false };
        let (path, due) = (folder.join(FILE), Table::default());
        Self { backoff, path, due, book: Mutex::new(book), events }
    }

    /// Those that an earlier sitting noted. What is too old is dropped, and so is half a line that a crash left.
    pub(crate) fn resume(folder: &Path, backoff: Duration, events: EventSink) -> Result<Self, ScanError> {
        let mut this = Self::new(folder, backoff, events);
        if backoff.is_zero() {
            return Ok(this);
        }
        let (now, begin) = (clock::now(), Instant::now());
        let mut kept = String::new();
        for path in [this.older(), this.path.clone()] {
            for (at, domain) in read(&path).map_err(|e| ScanError::folder("reading", &path, e))? {
                // A clock that was set back must not make anybody wait for longer than the back-off.
                let at = at.min(now);
                let left = backoff.saturating_sub(Duration::from_micros(now.abs_diff(at)));
                if left.is_zero() {
                    continue;
                }
                kept += &line(at, &domain);
                if let Some(due) = this.due.get_mut(domain.as_bytes()) {
                    *due = (*due).max(begin + left);
                } else {
                    this.due.insert(domain.as_bytes(), begin + left);
                }
            }
        }
        this.replace(&kept).map_err(|e| ScanError::folder("writing", &this.path, e))?;
        this.book().bytes = kept.len() as u64;
        Ok(this)
    }

    /// When a policy may be fetched, if that is not now.
    pub(crate) fn due(&self, domain: &str) -> Option<Instant> {
        self.due.get(domain.as_bytes()).copied().filter(|due| *due > Instant::now())
    }

    /// Notes a fetch that has failed a moment ago; of one that has not, nothing.
    pub(crate) fn note(&self, row: &PolicyRow) {
        if self.backoff.is_zero() || !has_failed(row) {
            return;
        }
        let mut book = self.book();
        if book.is_given_up {
            return;
        }
        if let Err(error) = self.write(&mut book, &line(clock::now(), &row.domain)) {
            book.is_given_up = true;
            self.events.warn(format!(
                "writing {}: {error}; if this scan is killed, --resume makes fetches that have failed again at once",
                self.path.display()
            ));
        }
    }

    /// Removes the files: every fetch has its row.
    pub(crate) fn remove(folder: &Path) -> io::Result<()> {
        let path = folder.join(FILE);
        [with_ending(&path, "older"), with_ending(&path, "tmp"), path].iter().try_for_each(|path| gone(path))
    }

    fn write(&self, book: &mut Book, line: &str) -> io::Result<()> {
        if book.since.elapsed() >= self.backoff {
            book.file = None;
            match fs::rename(&self.path, self.older()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (book.bytes, book.since) = (0, Instant::now()),
            }
        }
        if book.bytes + line.len() as u64 > FILE_BYTES_MAX {
            return Ok(());
        }
        let file = match &mut book.file {
            Some(file) => file,
            none => none.insert(File::options().create(true).append(true).open(&self.path)?),
        };
        file.write_all(line.as_bytes())?;
        book.bytes += line.len() as u64;
        Ok(())
    }

    /// Writes the file anew, with what there still is to be known.
    fn replace(&self, lines: &str) -> io::Result<()> {
        if lines.is_empty() {
            gone(&self.path)?;
        } else {
            let unfinished = with_ending(&self.path, "tmp");
            fs::write(&unfinished, lines)?;
            fs::rename(&unfinished, &self.path)?;
        }
        gone(&self.older())
    }

    fn older(&self) -> PathBuf {
        with_ending(&self.path, "older")
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a policy host was asked, and a sender would have got no policy from it.
fn has_failed(row: &PolicyRow) -> bool {
    // What this machine's own stall hid was asked all the same.
    let was_asked =
        row.connects.iter().any(|it| it.ending.own_cause().is_none_or(|cause| cause == OwnCause::Stalled));
    was_asked && !(row.ending.is_completed() && row.status == Some(200))
}

fn line(at: Micros, domain: &str) -> String {
    format!("{at} {domain}\n")
}

/// The moments and domains of a file; nothing if it is not there. What is no line of ours is left out, and whatever is
/// beyond what we would have written.
fn read(path: &Path) -> io::Result<Vec<(Micros, String)>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    // Twice, for one that was written anew holds what stood in two.
    file.take(2 * FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let read = |line: &[u8]| {
        let (at, domain) = std::str::from_utf8(line).ok()?.strip_suffix('\n')?.split_once(' ')?;
        Some((at.parse().ok()?, domain.to_owned()))
    };
    Ok(lines.filter_map(read).collect())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    path.with_extension(ending)
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use mxray_evidence::{Cause, Connect, Ending, Stage};

    use super::*;
    use crate::dns::withheld_lookup;

    const BACKOFF: Duration = Duration::from_mins(5);

    fn fetch(domain: &str, connect: Option<Ending>, status: Option<u16>, ending: Ending) -> PolicyRow {
        let connected = |ending| Connect { address: "192.0.2.1".into(), port: 443, elapsed_us: 1, ending };
        PolicyRow {
            domain: domain.into(),
            chunk: 0,
            host: format!("mta-sts.{domain}"),
            a: withheld_lookup(domain, OwnCause::NotAsked),
            aaaa: withheld_lookup(domain, OwnCause::NotAsked),
            started: 1,
            elapsed_us: 1,
            connects: connect.into_iter().map(connected).collect(),
            tls: None,
            status,
            headers: Vec::new(),
            body: None,
            body_truncated: false,
            ending,
        }
    }

    fn failed(domain: &str) -> PolicyRow {
        fetch(domain, Some(Ending::Completed), Some(500), Ending::Completed)
    }

    fn resume(folder: &Path) -> FailedFetches {
        FailedFetches::resume(folder, BACKOFF, EventSink::none()).expect("readable files")
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[tokio::test(start_paused = true)]
    async fn rfc8461_3_3_a_host_that_failed_is_known_to_the_next_sitting_until_its_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = FailedFetches::new(folder.path(), BACKOFF, EventSink::none());
        let timeout = || Ending::stopped(Stage::Connect, Cause::Timeout);
        let ours = |cause| Ending::withheld(Stage::Connect, cause);
        first.note(&fetch("served", Some(Ending::Completed), Some(200), Ending::Completed));
        first.note(&fetch("without-host", None, None, Ending::stopped(Stage::Connect, Cause::NoAddress)));
        first.note(&fetch("left-alone", Some(ours(OwnCause::OptOut)), None, ours(OwnCause::OptOut)));
        assert_eq!(names(folder.path()), [""; 0], "nobody's server has failed");
        for row in [
            failed("status"),
            fetch("silent", Some(timeout()), None, timeout()),
            fetch("stalled", Some(ours(OwnCause::Stalled)), None, ours(OwnCause::Stalled)),
            fetch("cut", Some(Ending::Completed), Some(200), Ending::stopped(Stage::Body, Cause::Reset)),
        ] {
            first.note(&row);
        }
        assert!(first.due("silent").is_none(), "this sitting asks once anyway");
        // A third sitting knows what the first one noted.
        drop(resume(folder.path()));
        let next = resume(folder.path());
        for domain in ["status", "silent", "stalled", "cut"] {
            let left = next.due(domain).expect("too early") - Instant::now();
            assert!(left <= BACKOFF && left > BACKOFF / 2, "{domain}: {left:?}");
        }
        assert!(next.due("served").is_none());
        tokio::time::advance(BACKOFF).await;
        assert!(next.due("silent").is_none());
        FailedFetches::remove(folder.path()).expect("removal");
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_torn_old_or_nonsense_is_dropped_and_a_clock_that_was_set_back_costs_one_back_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = clock::now();
        let backoff = BACKOFF.as_micros() as i64;
        let text = format!(
            "{} old\n{} late\n{} fresh\n\u{fffd}\n{now}\nnow words\n{} ahead\n{now} tor",
            now - backoff,
            now - backoff + 60_000_000,
            now - 1_000_000,
            now + 10 * backoff
        );
        fs::write(folder.path().join(FILE), text).expect("write");
        fs::write(folder.path().join("failed-fetches.older"), format!("{now} late\n\0\n")).expect("write");
        let next = resume(folder.path());
        let left = |domain| next.due(domain).map(|due| (due - Instant::now()).as_secs_f64().round());
        assert_eq!((left("old"), left("tor"), left("words")), (None, None, None));
        assert_eq!((left("fresh"), left("ahead")), (Some(299.0), Some(300.0)));
        assert_eq!(left("late"), Some(300.0), "the last time counts");
        next.note(&failed("next"));
        assert_eq!(names(folder.path()), [FILE]);
        let kept = read(&folder.path().join(FILE)).expect("lines");
        let domains: Vec<&str> = kept.iter().map(|(_, domain)| domain.as_str()).collect();
        assert_eq!(domains, ["late", "late", "fresh", "ahead", "next"]);
        assert!(kept.iter().all(|(at, _)| *at <= clock::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_files_hold_two_back_offs_and_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let book = FailedFetches::new(folder.path(), BACKOFF, EventSink::none());
        for domain in ["a", "b", "c"] {
            book.note(&failed(domain));
            tokio::time::advance(BACKOFF).await;
        }
        let domains = |name: &str| -> Vec<String> {
            let lines = read(&folder.path().join(name)).expect("lines");
            lines.into_iter().map(|(_, domain)| domain).collect()
        };
        assert_eq!((domains("failed-fetches.older"), domains(FILE)), (vec!["b".into()], vec!["c".into()]));
        book.book().bytes = FILE_BYTES_MAX - 5;
        tokio::time::advance(BACKOFF / 2).await;
        book.book().since = Instant::now();
        book.note(&failed("beyond"));
        assert_eq!(domains(FILE), ["c"]);
    }

    #[test]
    fn without_a_back_off_nothing_is_noted() {
        let folder = tempfile::tempdir().expect("a folder");
        let none = FailedFetches::new(folder.path(), Duration::ZERO, EventSink::none());
        none.note(&failed("a"));
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
