//! The changes that a comparison of the epochs has to find.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::{Change, EPOCHS_DAYS, at, fate, replaced};
use crate::defect::Defect;
use crate::domain::{Domain, Hosting, Mail, Mode};
use crate::world::World;

/// A change that a comparison of all epochs up to a world's own has to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueChange {
    /// The domain, or the MX host.
    pub subject: String,
    /// The kind of change.
    pub change: &'static str,
    /// The rule it breaks; empty where it breaks none.
    pub rule: &'static str,
    /// The sub-cause; empty where there is none.
    pub cause: &'static str,
    /// What it does to mail: `none`, `downgrade`, `refuse`.
    pub effect: &'static str,
    /// The epoch that is the last to have it as it was, and the first that has it as it is.
    pub epochs: (u32, u32),
    /// The `max_age` of the policy that senders keep who fetched it before, in seconds; `None` where they fetch anew.
    pub kept: Option<u64>,
}

const NONE: &str = "none";
const DOWNGRADE: &str = "downgrade";
const REFUSE: &str = "refuse";
const UNREACHABLE: &str = "sts-policy-unreachable-since";

/// What is found of one subject.
struct Found<'a> {
    rows: Vec<TrueChange>,
    subject: &'a str,
}

impl Found<'_> {
    /// Adds a change that epoch 1 brought: what changed, rule and sub-cause, and effect.
    fn add(
        &mut self,
        change: &'static str,
        (rule, cause): (&'static str, &'static str),
        effect: &'static str,
    ) {
        let subject = self.subject.to_owned();
        self.rows.push(TrueChange { subject, change, rule, cause, effect, epochs: (0, 1), kept: None });
    }

    /// The same with a policy that senders keep.
    fn add_kept(
        &mut self,
        change: &'static str,
        (rule, cause): (&'static str, &'static str),
        effect: &'static str,
        age: u64,
    ) {
        self.add(change, (rule, cause), effect);
        self.last().kept = Some(age);
    }

    fn last(&mut self) -> &mut TrueChange {
        self.rows.last_mut().expect("one was added")
    }
}

impl World {
    /// The changes of a domain, and of its MX hosts, that a comparison of all epochs up to this one has to find.
    pub fn true_changes(&self, index: u64) -> Vec<TrueChange> {
        let (name, drawn) = (self.name(index), self.drawn(index));
        let mut found = Found { rows: Vec::new(), subject: &name };
        if let Some(kind) = fate(self, &drawn) {
            self.add_changes(kind, &drawn, &mut found);
            let subjects = self.changed_hosts(kind, &drawn);
            let of_hosts = subjects.iter().flat_map(|host| changes_of_host(kind, host));
            found.rows.extend(of_hosts);
        }
        self.add_testing(&drawn, &mut found);
        found.rows.retain(|row| row.epochs.1 <= self.epoch());
        found.rows
    }

    fn add_changes(&self, kind: Change, drawn: &Domain, found: &mut Found<'_>) {
        let (enforced, age) = (drawn.mode == Mode::Enforce, drawn.max_age);
        // What protected mail does so no more, but by the copies that senders keep.
        let lost = if enforced { DOWNGRADE } else { NONE };
        let refused = if enforced { REFUSE } else { NONE };
        let no_rule = ("", "");
        match kind {
            Change::Adopted => found.add("adopted", ("sts-testing-too-short", ""), NONE),
            Change::Abandoned => {
                let abrupt = age > EPOCHS_DAYS[1] * 86_400;
                let rule = if abrupt { "sts-removal-abrupt" } else { "" };
                found.add_kept("abandoned", (rule, ""), lost, age);
            }
            Change::Withdrawn => found.add_kept("abandoned", no_rule, NONE, age),
            Change::RecordBroken => found.add_kept("record-broken", (UNREACHABLE, "record"), lost, age),
            Change::RecordMended => found.add("record-mended", no_rule, NONE),
            Change::TestingToEnforce => found.add("mode-changed", no_rule, NONE),
            Change::EnforceToTesting | Change::EnforceToNone => found.add("mode-changed", no_rule, DOWNGRADE),
            Change::ModeStale => found.add_kept("mode-changed", ("sts-id-stale", ""), DOWNGRADE, age),
            Change::PolicyChanged => found.add("policy-changed", no_rule, NONE),
            Change::PolicyNarrowed => {
                found.add("policy-changed", no_rule, REFUSE);
                found.add("policy-changed", ("mx-policy-mismatch-some", "dropped"), REFUSE);
            }
            Change::IdStale => found.add_kept("policy-changed", ("sts-id-stale", ""), NONE, age),
            Change::IdEarly => found.add("id-changed", ("sts-id-early", "not-followed"), NONE),
            Change::IdFollowed => {
                let followed = if self.epoch() > 1 { "followed" } else { "not-followed" };
                found.add("id-changed", ("sts-id-early", followed), NONE);
                found.add_kept("policy-changed", ("sts-id-stale", ""), NONE, age);
                found.last().epochs = (1, 2);
            }
            Change::PolicyUnfetched => found.add_kept("policy-lost", (UNREACHABLE, "unfetched"), lost, age),
            Change::PolicyInvalid => found.add_kept("policy-lost", (UNREACHABLE, "invalid"), lost, age),
            Change::PolicyBack => found.add("policy-back", no_rule, NONE),
            Change::PolicyOperatorMoved => found.add("policy-operator-moved", no_rule, NONE),
            Change::MailMoved => {
                found.add("mail-operator-moved", no_rule, NONE);
                if at(self, drawn.clone(), 1).since.ids > 0 {
                    found.add("policy-changed", no_rule, NONE);
                }
            }
            Change::MailMovedAlone => {
                found.add("mail-operator-moved", ("sts-policy-stale", "all"), refused);
                found.add("mail-operator-moved", ("mx-policy-mismatch-all", "stale"), refused);
            }
            Change::MailMovedIdStale => {
                found.add("mail-operator-moved", no_rule, NONE);
                found.add_kept("policy-changed", ("sts-id-stale", ""), REFUSE, age);
            }
            Change::MailMovedPolicyLost => {
                found.add("mail-operator-moved", no_rule, REFUSE);
                found.add_kept("policy-lost", (UNREACHABLE, "unfetched"), REFUSE, age);
            }
            Change::HostAdded => {
                found.add("mx-changed", no_rule, NONE);
                if at(self, drawn.clone(), 1).since.ids > 0 {
                    found.add("policy-changed", no_rule, NONE);
                }
            }
            Change::HostAddedAlone => {
                found.add("mx-changed", ("sts-policy-stale", "some"), refused);
                found.add("mx-changed", ("mx-policy-mismatch-some", "stale"), refused);
            }
            Change::TlsrptAdopted => found.add("tlsrpt-adopted", no_rule, NONE),
            Change::TlsrptAbandoned => found.add("tlsrpt-abandoned", no_rule, NONE),
            // What happened to hosts is told of them; and where nobody could look, nothing changed that anybody knows of.
            _ => {}
        }
    }

    /// The hosts that a change of hosts is told of.
    fn changed_hosts(&self, kind: Change, drawn: &Domain) -> Vec<String> {
        match kind {
            Change::CertificateReplaced => replaced(self, drawn),
            Change::CertificateEnding => self.own_names(drawn, false),
            // What is left behind shows where something is.
            Change::DnssecLost => self.own_names(drawn, true),
            _ if kind.is_tlsa() => self.own_names(drawn, false),
            _ => Vec::new(),
        }
    }

    fn own_names(&self, drawn: &Domain, with_tlsa: bool) -> Vec<String> {
        let hosts = match (drawn.mail, drawn.hosting) {
            (Mail::Hosts, Hosting::Own { .. }) => self.mx_hosts(drawn),
            _ => Vec::new(),
        };
        let hosts = hosts.into_iter().map(|(_, host)| host);
        let seen = hosts.filter(|host| {
            let set = self.tlsa_set(Some(drawn), *host);
            let unseen = |defect: Defect| defect.fails_lookup() || defect == Defect::TlsaUnsignedAlias;
            !with_tlsa || set.is_some_and(|set| !set.defect.is_some_and(unseen))
        });
        seen.map(|host| self.mx_name(drawn, &self.name(drawn.index), host)).collect()
    }

    /// Nothing changed, and that is what is wrong: a policy that is in testing at every epoch.
    fn add_testing(&self, drawn: &Domain, found: &mut Found<'_>) {
        let tests = |epoch| at(self, drawn.clone(), epoch).is_in_testing();
        if (0..=2).all(tests) {
            found.add("unchanged", ("sts-testing-too-long", ""), DOWNGRADE);
            found.last().epochs = (0, 2);
        }
    }

    /// Writes every change that a comparison has to find as `changes.csv` into `truth/` of `folder`. Returns how many.
    pub fn write_true_changes(&self, folder: &Path) -> io::Result<u64> {
        let truth = folder.join("truth");
        fs::create_dir_all(&truth)?;
        let tmp = truth.join("changes.csv.tmp");
        let mut out = BufWriter::new(File::create(&tmp)?);
        writeln!(out, "subject,change,rule,cause,effect,since,seen,kept")?;
        let mut written = 0;
        for index in 0..self.domains() {
            for row in self.true_changes(index) {
                let TrueChange { subject, change, rule, cause, effect, epochs, kept } = row;
                let kept = kept.map(|seconds| seconds.to_string()).unwrap_or_default();
                writeln!(out, "{subject},{change},{rule},{cause},{effect},{},{},{kept}", epochs.0, epochs.1)?;
                written += 1;
            }
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(tmp, truth.join("changes.csv"))?;
        Ok(written)
    }
}

/// The changes of an MX host.
fn changes_of_host(kind: Change, host: &str) -> Vec<TrueChange> {
    let mut found = Found { rows: Vec::new(), subject: host };
    let no_rule = ("", "");
    match kind {
        Change::CertificateReplaced => found.add("certificate-replaced", no_rule, NONE),
        Change::CertificateEnding => {
            found.add("certificate-ending", no_rule, NONE);
            found.add("certificate-ended", no_rule, REFUSE);
            found.last().epochs = (1, 2);
        }
        Change::TlsaAdopted => found.add("tlsa-adopted", no_rule, NONE),
        Change::TlsaAbandoned => found.add("tlsa-abandoned", no_rule, DOWNGRADE),
        Change::TlsaReplaced | Change::TlsaAnnounced => found.add("tlsa-changed", no_rule, NONE),
        Change::RolloverDone => {
            found.add("certificate-replaced", no_rule, NONE);
            found.add("tlsa-changed", no_rule, NONE);
            found.last().epochs = (1, 2);
        }
        Change::RolloverBetween => {
            found.add("certificate-replaced", no_rule, NONE);
            found.add("tlsa-changed", no_rule, NONE);
        }
        Change::RolloverEarly => found.add("tlsa-changed", ("tlsa-rollover-early", ""), REFUSE),
        Change::RolloverLate => {
            found.add("certificate-replaced", no_rule, NONE);
            found.add("tlsa-changed", ("tlsa-rollover-late", ""), REFUSE);
        }
        Change::RolloverNever => {
            found.add("certificate-replaced", no_rule, NONE);
            found.add("unchanged", ("tlsa-rollover-never", ""), REFUSE);
            found.add("unchanged", ("tlsa-mismatch", "earlier-certificate"), REFUSE);
        }
        Change::DnssecLost => found.add("tlsa-unsigned", no_rule, DOWNGRADE),
        _ => {}
    }
    found.rows
}
