//! A change.

use mxray_evidence::Micros;

use crate::rule::Effect;

/// Something that is otherwise than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of change.
    pub kind: ChangeKind,
    /// The rule that it breaks, if it breaks one: of [`super::across_rules`], or a rule of one run that is refined.
    pub rule: Option<&'static str>,
    /// The rule's sub-cause.
    pub cause: Option<&'static str>,
    /// When it was last seen as it was.
    pub since: Micros,
    /// When it was first seen as it is.
    pub seen: Micros,
    /// How it was.
    pub before: Option<String>,
    /// How it is.
    pub after: Option<String>,
    /// What it does to mail now.
    pub effect: Effect,
    /// The same, for a person.
    pub means: String,
    /// Until when a sender that was there at `since` keeps the policy of then.
    pub cached_at_least: Option<Micros>,
    /// Until when a sender that came just before `seen` keeps it.
    pub cached_at_most: Option<Micros>,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $variant:ident = $word:literal,)*) => {
        /// The kinds of [`Change`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ChangeKind { $($(#[doc = $doc])* $variant,)* }

        impl ChangeKind {
            /// Every kind, in the order of its documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word that stands in the table.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

kinds! {
    /// A valid MTA-STS record where there was none.
    Adopted = "adopted",
    /// No MTA-STS record where there was a valid one.
    Abandoned = "abandoned",
    /// A record that no sender uses where there was a valid one.
    RecordBroken = "record-broken",
    /// A valid record where there was one that no sender uses.
    RecordMended = "record-mended",
    /// The id changed, and the policy did not.
    IdChanged = "id-changed",
    /// The policy's bytes changed.
    PolicyChanged = "policy-changed",
    /// The policy's mode changed.
    ModeChanged = "mode-changed",
    /// A valid policy was to be had, and is not any more.
    PolicyLost = "policy-lost",
    /// A valid policy is to be had, and was not.
    PolicyBack = "policy-back",
    /// The policy host is an alias of another operator's.
    PolicyOperatorMoved = "policy-operator-moved",
    /// The set of MX hosts changed.
    MxChanged = "mx-changed",
    /// The MX hosts lie under other registrable domains: mail moved to another operator.
    MailOperatorMoved = "mail-operator-moved",
    /// Nothing changed, and that is what is wrong.
    Unchanged = "unchanged",
    /// A valid TLS-RPT record where there was none.
    TlsrptAdopted = "tlsrpt-adopted",
    /// No valid TLS-RPT record where there was one.
    TlsrptAbandoned = "tlsrpt-abandoned",
    /// An MX host shows another certificate.
    CertificateReplaced = "certificate-replaced",
    /// An MX host's certificate is about to end, and was not.
    CertificateEnding = "certificate-ending",
    /// An MX host's certificate has ended, and had not.
    CertificateEnded = "certificate-ended",
    /// An MX host's TLSA records changed.
    TlsaChanged = "tlsa-changed",
    /// An MX host has TLSA records, and had none.
    TlsaAdopted = "tlsa-adopted",
    /// An MX host has no TLSA records, and had some.
    TlsaAbandoned = "tlsa-abandoned",
    /// An MX host's TLSA records stand in a zone that is not signed any more.
    TlsaUnsigned = "tlsa-unsigned",
}
