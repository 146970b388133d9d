//! Letting lines in: as many as can be held, cut into chunks, until the input ends or the scan is told to stop.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use crate::beside::Orphans;
use crate::chunk::{Chunk, Delivery, End};
use crate::config::ScanConfig;
use crate::events::{Event, EventSink};
use crate::load::Load;
use crate::pipeline::Pipeline;
use crate::progress::{Progress, add};
use crate::source::{Fate, InputDigest, Line, Mark, Message, SourceError};
use crate::stop::Stop;

/// Chunks begun and not committed, at most. One whose last host is slow does not hold up the next; how many may
/// overtake it is bounded by what a crash may cost.
const CHUNKS_IN_FLIGHT_MAX: usize = 8;
/// How long a chunk stays open for more lines, at most: a slow scan commits too.
const CHUNK_OPEN_MAX: Duration = Duration::from_mins(5);

/// Why no more lines are let in.
pub(crate) enum Closing {
    /// The input has ended.
    InputEnded,
    /// The scan was told to stop.
    Told,
    /// The input cannot be read further.
    Broken(SourceError),
}

/// What lines pass through.
pub(crate) struct Admission {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) events: EventSink,
    pub(crate) stop: Stop,
    pub(crate) lines: mpsc::Receiver<Result<Message, SourceError>>,
    /// Domains whose lookups are in flight, at most.
    pub(crate) concurrency: usize,
}

impl Admission {
    /// Lets lines in until there is a reason not to. `orphans` belong to no line: they go into
    /// the first chunk.
    pub(crate) async fn run(mut self, mut cutter: Cutter, orphans: Orphans) -> Closing {
        let stop = self.stop.clone();
        let mut told = pin!(stop.draining());
        let domain_places = Arc::new(Semaphore::new(self.concurrency));
        if !orphans.is_empty() {
            let chunk = cutter.lasting_chunk().await;
            for host in orphans.hosts {
                self.pipeline.begin_host(host, &chunk).await;
            }
            for sink in orphans.sinks {
                self.pipeline.begin_sink(sink, &chunk).await;
            }
        }
        let closing = loop {
            let line = match self.next_line(&mut cutter, told.as_mut()).await {
                Ok(line) => line,
                Err(closing) => break closing,
            };
            let place = tokio::select! {
                biased;
                () = told.as_mut() => break Closing::Told,
                place = self.place_for(&line, &mut cutter, &domain_places) => place,
            };
            self.admit(line, place, &mut cutter).await;
        };
        match closing {
            Closing::Told => self.events.send(Event::Draining),
            // A run of no lines at all still has its tables.
            Closing::InputEnded if cutter.is_first() => drop(cutter.lasting_chunk().await),
            _ => {}
        }
        cutter.cut();
        closing
    }

    async fn next_line(
        &mut self,
        cutter: &mut Cutter,
        mut told: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Box<Line>, Closing> {
        loop {
            let overdue = cutter.due();
            tokio::select! {
                biased;
                () = told.as_mut() => return Err(Closing::Told),
                message = self.lines.recv() => match message {
                    Some(Ok(Message::Line(line))) => return Ok(line),
                    Some(Ok(Message::Ready)) => {}
                    Some(Err(error)) => return Err(Closing::Broken(error)),
                    None => return Err(Closing::InputEnded),
                },
                () = sleep_until(overdue) => cutter.cut(),
            }
        }
    }

    /// Waits until a line can be let in: for room, for a chunk, and, if it is to be scanned, for its turn. All of it
    /// can be given up without loss.
    async fn place_for(
        &self,
        line: &Line,
        cutter: &mut Cutter,
        domain_places: &Arc<Semaphore>,
    ) -> Option<OwnedSemaphorePermit> {
        let load = Arc::clone(&cutter.load);
        while load.is_heavy() {
            // Only a chunk that is closed can be written and let go.
            cutter.cut();
            load.eased().await;
        }
        cutter.chunk().await;
        match line.fate {
            Fate::Reject(_) => None,
            Fate::Scan(_) => {
                self.pipeline.domain_turn().await;
                let place = Arc::clone(domain_places).acquire_owned().await;
                Some(place.expect("the semaphore is never closed"))
            }
        }
    }

    async fn admit(&self, line: Box<Line>, place: Option<OwnedSemaphorePermit>, cutter: &mut Cutter) {
        let chunk = cutter.chunk().await;
        let Line { number, fate, digest } = *line;
        add(&self.progress.lines, 1);
        match (fate, place) {
            (Fate::Scan(target), Some(place)) => self.pipeline.begin_domain(target, &chunk, place),
            (Fate::Reject(row), _) => {
                add(&self.progress.rejects, 1);
                chunk.reject(row);
            }
            (Fate::Scan(_), None) => unreachable!("place_for gives every line to be scanned a place"),
        }
        cutter.count(number, digest);
    }
}

/// Cuts the lines that are let in into chunks.
pub(crate) struct Cutter {
    load: Arc<Load>,
    deliveries: Sender<Delivery>,
    places: Arc<Semaphore>,
    lines_max: u64,
    next: u32,
    open: Option<OpenChunk>,
    /// The last line let in.
    last_line: u64,
    digest: Digest,
}

/// The digest up to the last line, as text only when it is asked for.
enum Digest {
    Text(String),
    Running(InputDigest),
}

struct OpenChunk {
    chunk: Arc<Chunk>,
    since: Instant,
    lines: u64,
    /// It is written even if it has no line.
    lasting: bool,
}

impl Cutter {
    /// A cutter whose first chunk is `next`, behind `mark`. Whole chunks go to `deliveries`, which closes when the
    /// last of them is done.
    pub(crate) fn new(deliveries: Sender<Delivery>, config: &ScanConfig, next: u32, mark: Mark) -> Self {
        Self {
            load: Load::new(config.held_bytes_max),
            deliveries,
            places: Arc::new(Semaphore::new(CHUNKS_IN_FLIGHT_MAX)),
            lines_max: config.chunk_lines,
            next,
            open: None,
            last_line: mark.line,
            digest: Digest::Text(if mark.line == 0 { InputDigest::default().to_text() } else { mark.digest }),
        }
    }

    /// The open chunk, opened if there is none. That may have to wait for another to be committed.
    async fn chunk(&mut self) -> Arc<Chunk> {
        if let Some(open) = &self.open {
            return Arc::clone(&open.chunk);
        }
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        let chunk = Chunk::open(self.next, place, &self.load, self.deliveries.clone());
        self.next += 1;
        self.open =
            Some(OpenChunk { chunk: Arc::clone(&chunk), since: Instant::now(), lines: 0, lasting: false });
        chunk
    }

    /// The same, and it will be written even if no line comes into it.
    async fn lasting_chunk(&mut self) -> Arc<Chunk> {
        let chunk = self.chunk().await;
        if let Some(open) = &mut self.open {
            open.lasting = true;
        }
        chunk
    }

    /// Counts a line into the open chunk, and closes it if it is full.
    fn count(&mut self, line: u64, digest: InputDigest) {
        self.last_line = line;
        self.digest = Digest::Running(digest);
        if let Some(open) = &mut self.open {
            open.lines += 1;
            if open.lines >= self.lines_max {
                self.cut();
            }
        }
    }

    /// Closes the open chunk, if there is one.
    fn cut(&mut self) {
        let Some(OpenChunk { chunk, lines, lasting, .. }) = self.open.take() else { return };
        if lines == 0 && !lasting {
            self.next -= 1;
            chunk.withdraw();
            return;
        }
        let input_digest = match &self.digest {
            Digest::Text(text) => text.clone(),
            Digest::Running(digest) => digest.to_text(),
        };
        chunk.close(End { lines, last_line: self.last_line, input_digest });
    }

    /// When the open chunk has been open for long enough, if it holds anything.
    fn due(&self) -> Option<Instant> {
        self.open.as_ref().filter(|open| open.lines > 0).map(|open| open.since + CHUNK_OPEN_MAX)
    }

    /// Whether the run has no chunk yet.
    fn is_first(&self) -> bool {
        self.next == 0
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
