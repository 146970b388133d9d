//! Letting lines in: as many as can be held, cut into chunks, until the input ends or the scan is told to stop.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use std::vec;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use mxray_evidence::{Micros, RunDir};

use crate::beside::Seen;
use crate::chunk::{Chunk, Delivery, End};
use crate::clock;
use crate::config::ScanConfig;
use crate::error::ScanError;
use crate::events::{Event, EventSink};
use crate::load::Load;
use crate::owed::Owed;
use crate::pipeline::Pipeline;
use crate::progress::{Progress, add};
use crate::scan::off_the_runtime;
use crate::source::{Fate, Line, Mark, Message, SourceError};
use crate::stop::{Stop, StopReason};
use crate::tray::Tray;

/// Chunks begun and not committed, at most. One whose last host is slow does not hold up the next; how many may
/// overtake it is bounded by what a crash may cost.
const CHUNKS_IN_FLIGHT_MAX: usize = 8;
/// How long a chunk stays open for more lines, at most: a slow scan commits too.
const CHUNK_OPEN_MAX: Duration = Duration::from_mins(5);

/// How often somebody looks whether what is under way is worth a chunk, when there is no more input.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often somebody looks whether sessions have caught up with domains.
const CATCH_UP: Duration = Duration::from_millis(100);

/// Why no more lines are let in.
pub(crate) enum Closing {
    /// The input has ended.
    InputEnded,
    /// The scan was told to stop.
    Told,
    /// The input, or the run, cannot be read further.
    Broken(ScanError),
}

/// What lines pass through.
pub(crate) struct Admission {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) events: EventSink,
    pub(crate) stop: Stop,
    pub(crate) messages: mpsc::Receiver<Result<Message, SourceError>>,
    /// Lines that have come and are not let in.
    pub(crate) lines: vec::IntoIter<Line>,
    /// Domains whose lookups are in flight, at most.
    pub(crate) concurrency: usize,
    pub(crate) config: ScanConfig,
    pub(crate) run: RunDir,
    pub(crate) tray: Arc<Tray>,
}

impl Admission {
    /// Lets lines in until there is a reason not to, and waits until what came of them is done. `owed` is what an
    /// earlier sitting left.
    pub(crate) async fn run(mut self, mut cutter: Cutter, owed: Owed) -> Closing {
        let stop = self.stop.clone();
        let mut told = pin!(stop.draining());
        let mut is_all_begun = !owed.has_more;
        self.pipeline.begin_owed(owed).await;
        let closing = self.let_in(&mut cutter, told.as_mut()).await;
        match closing {
            Closing::InputEnded if cutter.is_first() => drop(cutter.lasting_chunk().await),
            _ => {}
        }
        cutter.cut();
        if !matches!(closing, Closing::InputEnded) {
            return self.leave(cutter, closing).await;
        }
        loop {
            if !self.finish(&mut cutter, told.as_mut()).await {
                return self.leave(cutter, Closing::Told).await;
            }
            if self.tray.take_put_off() == 0 && is_all_begun {
                return Closing::InputEnded;
            }
            // Nothing is under way, and what there is stands on the disk: what is not there is still to be done.
            let owed = match self.read_owed().await {
                Ok(owed) => owed,
                Err(error) => return Closing::Broken(error),
            };
            if let Some(due) = self.pipeline.backs_off(&owed) {
                self.events
                    .send(Event::BackingOff { policies: owed.policies.len() as u64, until: wall(due) });
                tokio::select! {
                    biased;
                    () = told.as_mut() => return self.leave(cutter, Closing::Told).await,
                    () = tokio::time::sleep_until(due) => {}
                }
            }
            is_all_begun = !owed.has_more;
            self.pipeline.begin_owed(owed).await;
        }
    }

    async fn let_in(&mut self, cutter: &mut Cutter, mut told: Pin<&mut impl Future<Output = ()>>) -> Closing {
        let domain_places = Arc::new(Semaphore::new(self.concurrency));
        loop {
            let line = match self.next_line(cutter, told.as_mut()).await {
                Ok(line) => line,
                Err(closing) => return closing,
            };
            let place = tokio::select! {
                biased;
                () = told.as_mut() => return Closing::Told,
                place = self.place_for(&line, cutter, &domain_places) => place,
            };
            self.admit(line, place, cutter).await;
        }
    }

    /// Waits until nothing is under way, and everything is on the disk; `false` when it was told to stop.
    async fn finish(&self, cutter: &mut Cutter, mut told: Pin<&mut impl Future<Output = ()>>) -> bool {
        loop {
            let is_quiet = tokio::select! {
                biased;
                () = told.as_mut() => return false,
                () = self.tray.quiet() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            if is_quiet {
                cutter.cut_late().await;
                cutter.all_committed().await;
                return true;
            }
            cutter.cut_if_due().await;
        }
    }

    /// Ends what has begun, and keeps what came of it. What waits for its turn is owed from now on.
    async fn leave(self, mut cutter: Cutter, closing: Closing) -> Closing {
        if matches!(closing, Closing::Told) {
            let reason = self.stop.reason().unwrap_or(StopReason::Told);
            self.events.send(Event::Draining { reason });
        }
        self.pipeline.close();
        self.tray.quiet().await;
        cutter.cut_late().await;
        closing
    }

    async fn read_owed(&self) -> Result<Owed, ScanError> {
        let (run, config) = (self.run.clone(), self.config.clone());
        off_the_runtime(move || Owed::read(&run, &config, &mut Seen::default(), |_| {}))
            .await?
            .map_err(Into::into)
    }

    async fn next_line(
        &mut self,
        cutter: &mut Cutter,
        mut told: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Line, Closing> {
        loop {
            if let Some(line) = self.lines.next() {
                return Ok(line);
            }
            let overdue = cutter.due();
            tokio::select! {
                biased;
                () = told.as_mut() => return Err(Closing::Told),
                message = self.messages.recv() => match message {
                    Some(Ok(Message::Lines(lines))) => {
                        self.lines = lines.into_iter();
                        // Whatever is under way gets on first, and what has come is taken: so there is as much in flight as
                        // keeps the processor busy, and what is waited for still stands in its caches.
                        tokio::task::yield_now().await;
                    }
                    Some(Ok(Message::Ready)) => {}
                    Some(Err(error)) => return Err(Closing::Broken(error.into())),
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
            // Only a chunk that is closed can be written and let go, and what lies on the tray goes with one.
            cutter.cut_late().await;
            load.eased().await;
        }
        while self.pipeline.is_behind() {
            cutter.cut_if_due().await;
            tokio::time::sleep(CATCH_UP).await;
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

    async fn admit(&self, line: Line, place: Option<OwnedSemaphorePermit>, cutter: &mut Cutter) {
        let chunk = cutter.chunk().await;
        let Line { turn, fate, digest } = line;
        add(&self.progress.lines, 1);
        match (fate, place) {
            (Fate::Scan(target), Some(place)) => self.pipeline.begin_domain(target, &chunk, place),
            (Fate::Reject(row), _) => {
                add(&self.progress.rejects, 1);
                chunk.reject(row);
            }
            (Fate::Scan(_), None) => unreachable!("place_for gives every line to be scanned a place"),
        }
        cutter.count(turn, digest);
    }
}

/// Cuts the lines that are let in into chunks.
pub(crate) struct Cutter {
    load: Arc<Load>,
    tray: Arc<Tray>,
    /// When the last chunk was closed.
    last_cut: Instant,
    deliveries: Sender<Delivery>,
    places: Arc<Semaphore>,
    lines_max: u64,
    next: u32,
    open: Option<OpenChunk>,
    /// The turn of the last line let in.
    last_turn: u64,
    /// The input's digest at the end of its window.
    digest: Arc<str>,
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
    pub(crate) fn new(
        deliveries: Sender<Delivery>,
        config: &ScanConfig,
        next: u32,
        mark: Mark,
        load: Arc<Load>,
        tray: Arc<Tray>,
    ) -> Self {
        Self {
            load,
            tray,
            last_cut: Instant::now(),
            deliveries,
            places: Arc::new(Semaphore::new(CHUNKS_IN_FLIGHT_MAX)),
            lines_max: config.chunk_lines,
            next,
            open: None,
            last_turn: mark.line,
            digest: mark.digest.into(),
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
    fn count(&mut self, turn: u64, digest: Arc<str>) {
        self.last_turn = turn;
        self.digest = digest;
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
        self.last_cut = Instant::now();
        chunk.close(End { lines, last_line: self.last_turn, input_digest: self.digest.to_string() });
    }

    /// Closes the open chunk; or one without lines, if something lies on the tray that wants to be written.
    async fn cut_late(&mut self) {
        if !self.tray.is_empty() {
            self.lasting_chunk().await;
        }
        self.cut();
    }

    /// The same, while no line comes: if enough waits to be written, or has waited for long, and nothing is being written.
    async fn cut_if_due(&mut self) {
        let in_flight = CHUNKS_IN_FLIGHT_MAX - self.places.available_permits();
        let is_idle = in_flight == usize::from(self.open.is_some());
        if self.load.is_heavy() || (is_idle && (self.load.is_worth_a_chunk() || self.is_overdue())) {
            self.cut_late().await;
        }
    }

    /// Returns when every chunk that was closed is on the disk.
    async fn all_committed(&self) {
        let all = CHUNKS_IN_FLIGHT_MAX as u32;
        drop(self.places.acquire_many(all).await.expect("the semaphore is never closed"));
    }

    /// Whether so much time has passed since the last chunk that what lies on the tray is to be written.
    fn is_overdue(&self) -> bool {
        self.last_cut.elapsed() >= CHUNK_OPEN_MAX
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

/// What the machine's clock will say at a moment to come, as far as it goes evenly.
fn wall(moment: Instant) -> Micros {
    clock::now() + moment.saturating_duration_since(Instant::now()).as_micros() as Micros
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
