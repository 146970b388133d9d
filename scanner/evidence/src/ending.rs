//! How an observation ended.

use serde::{Deserialize, Serialize};

use crate::cells::{Cell, cells};
use crate::column::{Column, text, word};

/// How an observation ended. What was captured before stands in the row beside it.
///
/// `Withheld` is about us, not about them, and can only ever be judged `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Flat")]
pub enum Ending {
    /// Everything that was asked for arrived.
    Completed,
    /// The other side, or the network on the way, ended it.
    Stopped {
        /// Where in the exchange.
        stage: Stage,
        /// What ended it.
        cause: Cause,
        /// The words of the library or the operating system, for a person.
        detail: Option<String>,
    },
    /// We ended it, or never began.
    Withheld {
        /// Where in the exchange.
        stage: Stage,
        /// Why.
        cause: OwnCause,
        /// The words of the library or the operating system, for a person.
        detail: Option<String>,
    },
}

impl Ending {
    /// A stop without further words.
    pub fn stopped(stage: Stage, cause: Cause) -> Self {
        Self::Stopped { stage, cause, detail: None }
    }

    /// A stop, with the words of whoever reported it.
    pub fn stopped_with(stage: Stage, cause: Cause, detail: impl std::fmt::Display) -> Self {
        Self::Stopped { stage, cause, detail: Some(detail.to_string()) }
    }

    /// An end of our own making.
    pub fn withheld(stage: Stage, cause: OwnCause) -> Self {
        Self::Withheld { stage, cause, detail: None }
    }

    /// Whether everything that was asked for arrived.
    pub fn is_completed(&self) -> bool {
        *self == Self::Completed
    }

    /// Whether it ended by our doing, so that nothing may be concluded from what is missing.
    pub fn is_withheld(&self) -> bool {
        matches!(self, Self::Withheld { .. })
    }

    /// The stage at which it ended early; `None` when it completed.
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Completed => None,
            Self::Stopped { stage, .. } | Self::Withheld { stage, .. } => Some(*stage),
        }
    }

    /// The other side's cause, if it was the other side that ended it.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Stopped { cause, .. } => Some(*cause),
            _ => None,
        }
    }

    /// Our own cause, if it was we who ended it.
    pub fn own_cause(&self) -> Option<OwnCause> {
        match self {
            Self::Withheld { cause, .. } => Some(*cause),
            _ => None,
        }
    }

    pub(crate) fn column() -> Column {
        Column::group(
            "ending",
            "How the observation ended.",
            vec![
                word(
                    "kind",
                    "`completed`; `stopped` by the other side or the network; `withheld` by ourselves: \
                     never evidence about them.",
                ),
                word("stage", "Where in the exchange it ended early.").optional(),
                word("cause", "What ended it, as a kebab-case word.").optional(),
                text("detail", "The words of the library or operating system, for a person.").optional(),
            ],
        )
    }
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)* }

        impl $name {
            /// Every value, in the order of its documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word that stands in the tables.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The value a word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// A step of an exchange.
    Stage {
        /// A DNS question and its answer.
        Dns = "dns",
        /// Opening the TCP connection.
        Connect = "connect",
        /// The TLS handshake.
        Handshake = "handshake",
        /// Sending the HTTP request and reading status and headers.
        Headers = "headers",
        /// Reading the HTTP body.
        Body = "body",
        /// The SMTP greeting.
        Banner = "banner",
        /// `EHLO` before TLS.
        Ehlo = "ehlo",
        /// `HELO`, after `EHLO` was refused.
        Helo = "helo",
        /// The `STARTTLS` command.
        Starttls = "starttls",
        /// `EHLO` inside TLS.
        EhloTls = "ehlo-tls",
        /// `QUIT`.
        Quit = "quit",
    }
}

words! {
    /// What the other side, or the network, did.
    Cause {
        /// Nothing (or not all) arrived before the deadline.
        Timeout = "timeout",
        /// Connection refused.
        Refused = "refused",
        /// Connection reset, or a broken pipe.
        Reset = "reset",
        /// No route to host or network, by an ICMP answer.
        Unreachable = "unreachable",
        /// Closed before the exchange was over.
        Closed = "closed",
        /// A reply that ends the exchange: its code and text are in the row.
        Reply = "reply",
        /// A TLS alert: which one stands in the TLS columns.
        TlsAlert = "tls-alert",
        /// TLS failed without an alert from them.
        TlsError = "tls-error",
        /// The bytes are not the protocol.
        Malformed = "malformed",
        /// More bytes than the cap allows.
        Oversize = "oversize",
        /// There is no address to connect to.
        NoAddress = "no-address",
        /// `STARTTLS` is not offered, so the exchange has nothing more to ask.
        NotOffered = "not-offered",
    }
}

words! {
    /// Why we ended it ourselves.
    OwnCause {
        /// The run was told to stop.
        Cancelled = "cancelled",
        /// No file descriptor was to be had.
        Descriptors = "descriptors",
        /// A limit of ours (lists, queue).
        Limit = "limit",
        /// Our own pacing gave up on it.
        Throttle = "throttle",
        /// No address is globally routable, and no flag allows its range.
        NotRoutable = "not-routable",
        /// On the opt-out list.
        OptOut = "opt-out",
        /// This machine cannot send there (no route, no IPv6, no permission).
        NoRoute = "no-route",
        /// This machine stood still for a tenth of the exchange or more, and then it had ended or its time was over.
        Stalled = "stalled",
        /// The stage was not asked for.
        NotAsked = "not-asked",
    }
}

/// The shape on disk: a struct of strings that every reader understands.
#[derive(Deserialize)]
struct Flat {
    kind: String,
    stage: Option<String>,
    cause: Option<String>,
    detail: Option<String>,
}

/// The same on its way there: every row has some endings, and their words need not be copied.
#[derive(Serialize)]
#[serde(rename = "Flat")]
struct FlatRef<'a> {
    kind: &'static str,
    stage: Option<&'static str>,
    cause: Option<&'static str>,
    detail: Option<&'a str>,
}

cells! {
    /// Columns of endings.
    EndingCells of FlatRef<'_> {
        kind: &'static str,
        stage: Option<&'static str>,
        cause: Option<&'static str>,
        detail: Option<&'static str>,
    }
}

impl Cell for Ending {
    type Cells = EndingCells;

    fn put(&self, cells: &mut EndingCells) {
        self.flat().put(cells);
    }
}

impl Ending {
    fn flat(&self) -> FlatRef<'_> {
        let (kind, stage, cause, detail) = match self {
            Self::Completed => ("completed", None, None, &None),
            Self::Stopped { stage, cause, detail } => {
                ("stopped", Some(stage.as_str()), Some(cause.as_str()), detail)
            }
            Self::Withheld { stage, cause, detail } => {
                ("withheld", Some(stage.as_str()), Some(cause.as_str()), detail)
            }
        };
        FlatRef { kind, stage, cause, detail: detail.as_deref() }
    }
}

impl Serialize for Ending {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.flat().serialize(serializer)
    }
}

impl TryFrom<Flat> for Ending {
    type Error = String;

    fn try_from(flat: Flat) -> Result<Self, String> {
        let word = |w: &Option<String>| w.clone().unwrap_or_default();
        let stage = || {
            Stage::from_word(&word(&flat.stage))
                .ok_or_else(|| format!("unknown ending stage {:?}", flat.stage))
        };
        let unknown_cause = || format!("unknown ending cause {:?}", flat.cause);
        Ok(match flat.kind.as_str() {
            "completed" => Self::Completed,
            "stopped" => Self::Stopped {
                stage: stage()?,
                cause: Cause::from_word(&word(&flat.cause)).ok_or_else(unknown_cause)?,
                detail: flat.detail.clone(),
            },
            "withheld" => Self::Withheld {
                stage: stage()?,
                cause: OwnCause::from_word(&word(&flat.cause)).ok_or_else(unknown_cause)?,
                detail: flat.detail.clone(),
            },
            other => return Err(format!("unknown ending kind {other:?}")),
        })
    }
}
