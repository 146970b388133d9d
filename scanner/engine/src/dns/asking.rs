//! Asking until there is an answer: another resolver after a silence or a failure, TCP after a truncated answer, validation
//! off after a SERVFAIL.
//!
//! Questions that belong together go through this round by round, so that whoever waits for all of them is woken once a
//! round.

use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mxray_evidence::{Cause, Ending, ExtendedError, OwnCause, Stage, Text};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answer::Answer;
use super::group::{Failure, Few, Group, Outcome};
use super::question::{Kind, Question};
use super::upstream::Upstream;
use super::{Inner, health, tcp};
use crate::{clock, ending};

/// What came of asking one question, of however many resolvers.
pub(super) struct Asked {
    pub(super) name: Text,
    pub(super) kind: Kind,
    tries_left: u32,
    failures_left: u32,
    /// Which resolver gave the answer.
    pub(super) upstream: Option<usize>,
    /// When the last reply came, or was not waited for any more.
    pub(super) ended: Instant,
    pub(super) queries: u16,
    pub(super) tcp: bool,
    pub(super) answer: Option<Answer>,
    pub(super) unchecked_rcode: Option<u16>,
    pub(super) unchecked_errors: Vec<ExtendedError>,
    pub(super) ending: Ending,
}

impl Asked {
    fn new((name, kind): (Text, Kind), tries_left: u32, now: Instant) -> Self {
        Self {
            name,
            kind,
            tries_left,
            failures_left: 1,
            upstream: None,
            ended: now,
            queries: 0,
            tcp: false,
            answer: None,
            unchecked_rcode: None,
            unchecked_errors: Vec::new(),
            ending: Ending::stopped(Stage::Dns, Cause::Timeout),
        }
    }

    /// The question; `None` where it cannot be asked, which is written down.
    fn question(&mut self) -> Option<Question> {
        match Question::new(&self.name, self.kind) {
            Ok(question) => Some(question),
            Err(why) => {
                let (stage, cause) = (Stage::Dns, OwnCause::NotAsked);
                self.ending = Ending::Withheld { stage, cause, detail: Some(why.to_owned()) };
                self.tries_left = 0;
                None
            }
        }
    }

    /// Keeps an answer. A resolver's own failure is asked of the next one, once, and then recorded.
    fn keep(&mut self, upstream: usize, answer: Answer, tcp: bool, ending: Ending) {
        if answer.is_failure() && self.failures_left > 0 {
            self.failures_left -= 1;
            self.tries_left = self.tries_left.max(1);
        } else if ending.is_completed() {
            self.tries_left = 0;
        }
        self.upstream = Some(upstream);
        self.answer = Some(answer);
        self.tcp = tcp;
        self.ending = ending;
    }

    /// A failure replaces no answer: a later silence does not unsay a SERVFAIL.
    fn fail(&mut self, failure: Failure) {
        if self.answer.is_none() {
            self.ending = match failure {
                Failure::Timeout => Ending::stopped(Stage::Dns, Cause::Timeout),
                Failure::Full => Ending::withheld(Stage::Dns, OwnCause::Limit),
                Failure::Io(kind) => ending::of_io(Stage::Dns, &kind.into()),
            };
        }
    }

    fn is_servfail(&self) -> bool {
        self.ending.is_completed() && self.answer.as_ref().is_some_and(Answer::is_servfail)
    }
}

impl Inner {
    /// Asks until each question has its answer, or its tries are used up; and of each SERVFAIL whether it is one of
    /// validation.
    pub(super) async fn ask<const N: usize>(&self, wanted: [(Text, Kind); N]) -> Vec<Asked> {
        let now = Instant::now();
        let tries = self.retries.saturating_add(1);
        let mut asked: Vec<Asked> = wanted.into_iter().map(|wanted| Asked::new(wanted, tries, now)).collect();
        let mut upstream = self.turn.fetch_add(1, Ordering::Relaxed) % self.upstreams.len();
        let lost_until = now + health::LOST_WAIT_MAX;
        while asked.iter().any(|one| one.tries_left > 0) {
            upstream = self.health.choose(upstream, lost_until).await;
            let is_refused = self.ask_round(&mut asked, upstream).await;
            let is_over = asked.iter().all(|one| one.tries_left == 0);
            if is_refused && !is_over && self.upstreams.len() == 1 {
                // A resolver that restarts is refused at once; all tries at once would meet nothing else.
                tokio::time::sleep(self.timeout / 4).await;
            }
            upstream = (upstream + 1) % self.upstreams.len();
        }
        if asked.iter().any(Asked::is_servfail) {
            Box::pin(self.ask_unchecked(&mut asked)).await;
        }
        for one in asked.iter_mut().filter(|one| !one.ending.is_completed()) {
            one.ending = self.stalls.judge(one.ending.clone(), now);
        }
        asked
    }

    /// Asks the open questions of one resolver, each once; says whether it refused.
    async fn ask_round(&self, asked: &mut [Asked], upstream: usize) -> bool {
        let (open, questions): (Few<usize>, Few<Question>) = asked
            .iter_mut()
            .enumerate()
            .filter(|(_, one)| one.tries_left > 0)
            .filter_map(|(index, one)| Some((index, one.question()?)))
            .unzip();
        let group = Group::new(questions);
        let now = Instant::now();
        self.health.asked(upstream, open.len() as u32);
        self.upstreams[upstream].ask(&group, self.timeout);
        let mut is_refused = false;
        let mut truncated = Vec::new();
        for ((&index, question), outcome) in open.iter().zip(&group.questions).zip(group.outcomes().await) {
            let Outcome { reply, at } = outcome;
            let one = &mut asked[index];
            one.ended = at;
            one.queries = one.queries.saturating_add(1);
            one.tries_left -= 1;
            match reply {
                Ok(message) => {
                    let answer = Answer::read(message, question.section().len());
                    if answer.truncated {
                        truncated.push((index, question.clone(), answer));
                    } else {
                        let ending = answer.ending();
                        one.keep(upstream, answer, false, ending);
                    }
                }
                Err(failure) => {
                    self.health.failed(upstream, now);
                    is_refused |= failure == Failure::Io(std::io::ErrorKind::ConnectionRefused);
                    one.fail(failure);
                }
            }
        }
        if !truncated.is_empty() {
            Box::pin(self.ask_over_tcp(asked, truncated, upstream)).await;
        }
        is_refused
    }

    /// Asks over TCP for what was truncated. What the truncated answer held is kept when TCP gives nothing better.
    async fn ask_over_tcp(
        &self,
        asked: &mut [Asked],
        truncated: Vec<(usize, Question, Answer)>,
        upstream: usize,
    ) {
        let resolver: SocketAddr = self.upstreams[upstream].address;
        let mut asking = JoinSet::new();
        for (index, question, answer) in truncated {
            let one = &mut asked[index];
            one.queries = one.queries.saturating_add(1);
            let id = self.ids.hash_one((question.section(), one.queries, clock::now())) as u16;
            let timeout = self.timeout;
            let connections = Arc::clone(&self.connections);
            asking.spawn(async move {
                let permit = connections.acquire().await;
                let reply = tcp::ask(resolver, &question, id, timeout).await;
                drop(permit);
                match reply {
                    Ok(message) => {
                        let mut answer = Answer::read(message, question.section().len());
                        // Nowhere is more to be had: what is here is not all, and must not be taken for it.
                        if answer.truncated {
                            answer.flaw.get_or_insert("truncated over TCP as well");
                        }
                        let ending = answer.ending();
                        (index, answer, true, ending)
                    }
                    Err(ending) => (index, answer, false, ending),
                }
            });
        }
        while let Some(joined) = asking.join_next().await {
            // A task ends early with the runtime alone, and then nobody waits.
            let Ok((index, answer, tcp, ending)) = joined else { continue };
            asked[index].ended = Instant::now();
            asked[index].keep(upstream, answer, tcp, ending);
        }
    }

    /// After a SERVFAIL asks the same resolver once more with validation off, which tells what does not validate from
    /// what cannot be had; what is lost is sent again as any query is, unless the resolver has died. Of that answer only the
    /// codes are kept: its records are nobody's word.
    async fn ask_unchecked(&self, asked: &mut [Asked]) {
        for (number, upstream) in self.upstreams.iter().enumerate() {
            let mut failed: Vec<usize> = (0..asked.len())
                .filter(|&index| asked[index].upstream == Some(number) && asked[index].is_servfail())
                .collect();
            for _ in 0..=self.retries {
                if failed.is_empty() || self.health.is_out(number) {
                    break;
                }
                failed = Self::ask_unchecked_once(asked, &failed, upstream, self.timeout).await;
            }
        }
    }

    /// Asks so once, and says which questions found no answer in time.
    async fn ask_unchecked_once(
        asked: &mut [Asked],
        failed: &[usize],
        upstream: &Upstream,
        timeout: Duration,
    ) -> Vec<usize> {
        let unchecked = |&index: &usize| {
            let mut question = asked[index].question().expect("it was asked before");
            question.uncheck();
            question
        };
        let group = Group::new(failed.iter().map(unchecked).collect());
        upstream.ask(&group, timeout);
        let mut lost = Vec::new();
        for ((&index, question), outcome) in failed.iter().zip(&group.questions).zip(group.outcomes().await) {
            let one = &mut asked[index];
            one.ended = outcome.at;
            one.queries = one.queries.saturating_add(1);
            match outcome.reply {
                Ok(message) => {
                    let answer = Answer::read(message, question.section().len());
                    one.unchecked_rcode = Some(answer.rcode);
                    let errors = answer.errors.into_iter();
                    one.unchecked_errors =
                        errors.map(|error| ExtendedError { unchecked: true, ..error }).collect();
                }
                Err(Failure::Timeout) => lost.push(index),
                Err(Failure::Full | Failure::Io(_)) => {}
            }
        }
        lost
    }
}
