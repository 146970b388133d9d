//! The catalogue: everything that can be wrong with a domain of a world.

/// What a defect is drawn beside: of one axis a subject has at most one, and axes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Axis {
    /// The TXT record at `_mta-sts` (RFC 8461 §3.1).
    Record,
    /// The policy host and the fetch (RFC 8461 §3.3).
    Fetch,
    /// The policy's text (RFC 8461 §3.2).
    Policy,
    /// The policy's mode.
    Mode,
    /// The policy's `max_age`.
    Age,
    /// The policy against the MX set (RFC 8461 §4.1).
    Match,
    /// The MX set of a domain with a record.
    Mail,
    /// One MX host (RFC 3207, RFC 5321 §5.1, RFC 8461 §4.2).
    Host,
    /// The TXT record at `_smtp._tls` (RFC 8460 §3).
    Tlsrpt,
    /// The signatures of a domain's MX set (RFC 7672 §2.1).
    Signatures,
    /// The signatures and the TLSA records of one MX host (RFC 7672 §2.2, §3).
    Tlsa,
    /// What follows where two things are planted together: it has no probability of its own.
    Consequence,
}

macro_rules! catalogue {
    ($($axis:ident: $($variant:ident = $rule:literal $(/ $cause:literal)?,)+;)+) => {
        /// A thing that a world plants: a rule that is violated (or cannot be judged), and its sub-cause.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each is documented by its rule and cause")]
        pub enum Defect { $($($variant,)+)+ }

        impl Defect {
            /// Every defect, in the order of the catalogue.
            pub const ALL: &[Self] = &[$($(Self::$variant,)+)+];

            /// The axis it is drawn on.
            pub const fn axis(self) -> Axis {
                match self { $($(Self::$variant)|+ => Axis::$axis,)+ }
            }

            /// The rule's name.
            pub const fn rule(self) -> &'static str {
                match self { $($(Self::$variant => $rule,)+)+ }
            }

            /// The sub-cause; `None` where the rule has none.
            pub const fn cause(self) -> Option<&'static str> {
                match self { $($(Self::$variant => catalogue!(@cause $($cause)?),)+)+ }
            }
        }
    };
    (@cause $cause:literal) => { Some($cause) };
    (@cause) => { None };
}

catalogue! {
    Record:
        RecordMultiple = "sts-record-multiple",
        RecordVersionCase = "sts-record-version" / "case",
        RecordVersionSpelling = "sts-record-version" / "spelling",
        RecordVersionPosition = "sts-record-version" / "position",
        RecordVersionDelimiter = "sts-record-version" / "delimiter",
        RecordIdMissing = "sts-record-id-missing",
        RecordIdCharacter = "sts-record-id-invalid" / "character",
        RecordIdTooLong = "sts-record-id-invalid" / "too-long",
        RecordIdEmpty = "sts-record-id-invalid" / "empty",
        RecordIdTemplate = "sts-record-id-invalid" / "template",
        RecordExtension = "sts-record-extension",
        RecordDelimiter = "sts-record-delimiter",
        RecordDuplicateId = "sts-record-duplicate-id",
        RecordDangling = "sts-record-cname-dangling",
        RecordOwnerUnderscore = "sts-record-wrong-owner" / "underscore",
        RecordOwnerPolicyHost = "sts-record-wrong-owner" / "policy-host",
        RecordOwnerApex = "sts-record-wrong-owner" / "apex",
        RecordOwnerDoubled = "sts-record-wrong-owner" / "doubled",
        RecordOwnerParent = "sts-record-wrong-owner" / "parent",
        PolicyWithoutRecord = "sts-policy-without-record",
    ;
    Fetch:
        PolicyHostNxdomain = "sts-host-unresolvable" / "nxdomain",
        PolicyHostDangling = "sts-host-unresolvable" / "dangling-cname",
        PolicyHostNoData = "sts-host-unresolvable" / "no-data",
        PolicyHostRefused = "sts-host-unreachable" / "refused",
        PolicyHostTimeout = "sts-host-unreachable" / "timeout",
        PolicyHostAlert = "sts-host-tls-alert" / "alert",
        PolicyHostClosed = "sts-host-tls-alert" / "closed",
        PolicyHostNotTls = "sts-host-tls-alert" / "failed",
        PolicyCertName = "sts-host-cert-name",
        PolicyCertExpired = "sts-host-cert-expired" / "expired",
        PolicyCertNotYetValid = "sts-host-cert-expired" / "not-yet-valid",
        PolicyCertSelfSigned = "sts-host-cert-untrusted" / "self-signed",
        PolicyCertUnknownRoot = "sts-host-cert-untrusted" / "unknown-root",
        PolicyCertMissingIntermediate = "sts-host-cert-untrusted" / "missing-intermediate",
        PolicyCertMalformed = "sts-host-cert-untrusted" / "malformed",
        PolicyCertExpiring = "sts-host-cert-expiring",
        FetchStatus403 = "sts-fetch-status" / "403",
        FetchStatus404 = "sts-fetch-status" / "404",
        FetchStatus410 = "sts-fetch-status" / "410",
        FetchStatus500 = "sts-fetch-status" / "500",
        FetchStatus503 = "sts-fetch-status" / "503",
        FetchRedirect = "sts-fetch-redirect",
        FetchTimeout = "sts-fetch-timeout",
        FetchClosed = "sts-fetch-incomplete" / "closed",
        FetchMalformed = "sts-fetch-incomplete" / "malformed",
        FetchOversize = "sts-fetch-oversize",
        FetchMediaType = "sts-fetch-media-type",
    ;
    Policy:
        PolicyEmpty = "sts-policy-empty",
        PolicyHtml = "sts-policy-not-key-value" / "html",
        PolicyJson = "sts-policy-not-key-value" / "json",
        PolicyBareCr = "sts-policy-not-key-value" / "bare-cr",
        PolicyBom = "sts-policy-not-key-value" / "bom",
        PolicyUtf16 = "sts-policy-not-key-value" / "utf-16",
        PolicyFrontMatter = "sts-policy-not-key-value" / "front-matter",
        PolicyTemplate = "sts-policy-not-key-value" / "template",
        PolicyNoColon = "sts-policy-not-key-value" / "no-colon",
        PolicyKey = "sts-policy-not-key-value" / "key",
        PolicyValue = "sts-policy-not-key-value" / "value",
        PolicyOther = "sts-policy-not-key-value" / "other",
        PolicyVersionMissing = "sts-policy-version" / "missing",
        PolicyVersionWrong = "sts-policy-version" / "wrong",
        PolicyModeMissing = "sts-policy-mode" / "missing",
        PolicyModeUnknown = "sts-policy-mode" / "unknown",
        PolicyMaxAgeMissing = "sts-policy-max-age" / "missing",
        PolicyMaxAgeNotANumber = "sts-policy-max-age" / "not-a-number",
        PolicyMaxAgeTooLarge = "sts-policy-max-age" / "too-large",
        PolicyMxMissing = "sts-policy-mx-missing",
        PolicyMxEmail = "sts-policy-mx-syntax" / "email",
        PolicyMxIp = "sts-policy-mx-syntax" / "ip",
        PolicyMxComma = "sts-policy-mx-syntax" / "comma",
        PolicyMxPreference = "sts-policy-mx-syntax" / "preference",
        PolicyMxRoot = "sts-policy-mx-syntax" / "root",
        PolicyMxTrailingDot = "sts-policy-mx-syntax" / "trailing-dot",
        PolicyMxWildcard = "sts-policy-mx-syntax" / "wildcard",
        PolicyMxULabel = "sts-policy-mx-syntax" / "u-label",
        PolicyMxEmpty = "sts-policy-mx-syntax" / "empty",
        PolicyMxLabel = "sts-policy-mx-syntax" / "label",
        PolicyBlankLine = "sts-policy-whitespace" / "blank-line",
        PolicyIndent = "sts-policy-whitespace" / "indent",
        PolicyBlankBeforeColon = "sts-policy-whitespace" / "before-colon",
        PolicyDuplicateVersion = "sts-policy-duplicate-key" / "version",
        PolicyDuplicateMode = "sts-policy-duplicate-key" / "mode",
        PolicyDuplicateMaxAge = "sts-policy-duplicate-key" / "max_age",
        PolicyCommentLine = "sts-policy-comment" / "line",
        PolicyCommentTail = "sts-policy-comment" / "tail",
    ;
    Mode:
        ModeTesting = "sts-policy-mode-weak" / "testing",
        ModeNone = "sts-policy-mode-weak" / "none",
    ;
    Age:
        AgeUnderADay = "sts-policy-max-age-short" / "under-a-day",
        AgeUnderTwoWeeks = "sts-policy-max-age-short" / "under-two-weeks",
    ;
    Match:
        MismatchAllTld = "mx-policy-mismatch-all" / "tld",
        MismatchAllDomain = "mx-policy-mismatch-all" / "domain",
        MismatchAllLabel = "mx-policy-mismatch-all" / "label",
        MismatchAllMtaStsHost = "mx-policy-mismatch-all" / "mta-sts-host",
        MismatchAllTypo = "mx-policy-mismatch-all" / "typo",
        MismatchAllWildcardDepth = "mx-policy-mismatch-all" / "wildcard-depth",
        MismatchSomeTld = "mx-policy-mismatch-some" / "tld",
        MismatchSomeDomain = "mx-policy-mismatch-some" / "domain",
        MismatchSomeLabel = "mx-policy-mismatch-some" / "label",
        MismatchSomeMtaStsHost = "mx-policy-mismatch-some" / "mta-sts-host",
        MismatchSomeTypo = "mx-policy-mismatch-some" / "typo",
        MismatchSomeWildcardDepth = "mx-policy-mismatch-some" / "wildcard-depth",
        PatternUnused = "mx-pattern-unused",
    ;
    Mail:
        NullWithPolicy = "mx-null-with-policy",
        ImplicitWithPolicy = "mx-implicit-with-policy",
    ;
    Host:
        MxNxdomain = "mx-unresolvable" / "nxdomain",
        MxNoData = "mx-unresolvable" / "no-data",
        MxCname = "mx-unresolvable" / "cname",
        MxIpLiteral = "mx-unresolvable" / "ip-literal",
        MxLocalhost = "mx-unresolvable" / "localhost",
        MxNotGlobal = "mx-unresolvable" / "not-global",
        MxUnreachable = "mx-unreachable",
        MxRefusedUs = "mx-refused-us",
        StarttlsAbsent = "starttls-absent",
        StarttlsRejected = "starttls-rejected",
        StarttlsMangled = "starttls-mangled",
        HandshakeAlert = "starttls-handshake" / "alert",
        HandshakeProtocolVersion = "starttls-handshake" / "protocol-version",
        HandshakeClosed = "starttls-handshake" / "closed",
        HandshakeNotTls = "starttls-handshake" / "not-tls",
        HandshakeSignature = "starttls-handshake" / "signature",
        HandshakeFailed = "starttls-handshake" / "failed",
        MxCertName = "mx-cert-name",
        MxCertExpired = "mx-cert-expired" / "expired",
        MxCertNotYetValid = "mx-cert-expired" / "not-yet-valid",
        MxCertSelfSigned = "mx-cert-untrusted" / "self-signed",
        MxCertUnknownRoot = "mx-cert-untrusted" / "unknown-root",
        MxCertMissingIntermediate = "mx-cert-untrusted" / "missing-intermediate",
        MxCertMalformed = "mx-cert-untrusted" / "malformed",
        MxCertExpiring = "mx-cert-expiring",
        MxCertVaries = "mx-cert-varies",
        MxTls11 = "mx-tls-old" / "tls-1-1",
        MxTls10 = "mx-tls-old" / "tls-1-0",
        MxSsl30 = "mx-tls-old" / "ssl-3",
    ;
    Tlsrpt:
        TlsrptMultiple = "tlsrpt-multiple",
        TlsrptVersionCase = "tlsrpt-version" / "case",
        TlsrptVersionSpelling = "tlsrpt-version" / "spelling",
        TlsrptVersionPosition = "tlsrpt-version" / "position",
        TlsrptVersionDelimiter = "tlsrpt-version" / "delimiter",
        TlsrptRuaMissing = "tlsrpt-rua-missing",
        TlsrptUriScheme = "tlsrpt-uri-scheme",
        TlsrptUriRawDelimiter = "tlsrpt-uri-syntax" / "raw-delimiter",
        TlsrptUriNoAt = "tlsrpt-uri-syntax" / "no-at",
        TlsrptUriAddress = "tlsrpt-uri-syntax" / "address",
        TlsrptUriSpace = "tlsrpt-uri-syntax" / "space",
        TlsrptUriEmpty = "tlsrpt-uri-syntax" / "empty",
        TlsrptUriNoHost = "tlsrpt-uri-syntax" / "no-host",
        TlsrptUriCharacter = "tlsrpt-uri-syntax" / "character",
        TlsrptExtension = "tlsrpt-extension",
        TlsrptOwnerHyphen = "tlsrpt-wrong-owner" / "hyphen",
        TlsrptOwnerUnderscore = "tlsrpt-wrong-owner" / "underscore",
        TlsrptOwnerTls = "tlsrpt-wrong-owner" / "tls",
        TlsrptOwnerApex = "tlsrpt-wrong-owner" / "apex",
        TlsrptOwnerDoubled = "tlsrpt-wrong-owner" / "doubled",
        TlsrptSinkNxdomain = "tlsrpt-sink-dead" / "nxdomain",
        TlsrptSinkNoData = "tlsrpt-sink-dead" / "no-data",
        TlsrptSinkNullMx = "tlsrpt-sink-dead" / "null-mx",
        TlsrptUriTemplate = "tlsrpt-uri-syntax" / "template",
        TlsrptDelimiter = "tlsrpt-delimiter",
        TlsrptAbsentWithPolicy = "tlsrpt-absent-with-policy",
    ;
    Signatures:
        MxBogus = "dnssec-bogus" / "mx",
    ;
    Tlsa:
        AddressBogus = "dnssec-bogus" / "address",
        TlsaBogus = "dnssec-bogus" / "tlsa",
        TlsaServfail = "tlsa-lookup-fails" / "servfail",
        TlsaRefused = "tlsa-lookup-fails" / "refused",
        TlsaOtherFailure = "tlsa-lookup-fails" / "other",
        TlsaUnsignedZone = "tlsa-insecure" / "address",
        TlsaUnsignedAlias = "tlsa-insecure" / "record",
        TlsaPkixUsage = "tlsa-unusable" / "pkix-usage",
        TlsaUnknownParameter = "tlsa-unusable" / "unknown-parameter",
        TlsaDigestLength = "tlsa-unusable" / "digest-length",
        TlsaMalformed = "tlsa-unusable" / "malformed",
        TlsaOfNothing = "tlsa-mismatch" / "digest-of-nothing",
        TlsaSelectorOrType = "tlsa-mismatch" / "selector-or-type",
        TlsaUsage = "tlsa-mismatch" / "usage",
        TlsaWeakerDigest = "tlsa-mismatch" / "weaker-digest",
        TlsaOfAnotherKey = "tlsa-mismatch" / "other",
        TlsaAnchorAbsent = "tlsa-anchor-absent",
        TlsaAnchorName = "tlsa-anchor-name",
        TlsaAnchorPath = "tlsa-anchor-path",
        TlsaWithoutStarttls = "tlsa-without-starttls",
        TlsaPartial = "tlsa-partial",
    ;
    Consequence:
        TlsaBehindInsecureMx = "tlsa-behind-insecure-mx",
        DaneStsConflict = "dane-sts-conflict",
    ;
}

impl Defect {
    /// Whether the truth says `unknown` rather than `violation`: nobody can measure the host.
    pub const fn is_unknown(self) -> bool {
        matches!(self, Self::MxUnreachable | Self::MxRefusedUs)
    }

    /// Whether it leaves the policy, or the fetch, as good as without it.
    pub const fn is_lint(self) -> bool {
        matches!(
            self,
            Self::RecordDelimiter
                | Self::RecordDuplicateId
                | Self::PolicyCertExpiring
                | Self::FetchMediaType
                | Self::PolicyDuplicateVersion
                | Self::PolicyDuplicateMode
                | Self::PolicyDuplicateMaxAge
                | Self::PolicyBlankLine
                | Self::PolicyIndent
                | Self::PolicyBlankBeforeColon
                | Self::ModeTesting
                | Self::ModeNone
                | Self::AgeUnderADay
                | Self::AgeUnderTwoWeeks
                | Self::PatternUnused
                | Self::NullWithPolicy
                | Self::ImplicitWithPolicy
                | Self::MxCertExpiring
                | Self::MxCertVaries
                | Self::TlsrptDelimiter
                | Self::TlsrptAbsentWithPolicy
        )
    }

    /// Whether it is in the policy host's certificate: the text arrives nevertheless.
    pub const fn is_policy_certificate(self) -> bool {
        matches!(
            self,
            Self::PolicyCertName
                | Self::PolicyCertExpired
                | Self::PolicyCertNotYetValid
                | Self::PolicyCertSelfSigned
                | Self::PolicyCertUnknownRoot
                | Self::PolicyCertMissingIntermediate
                | Self::PolicyCertMalformed
                | Self::PolicyCertExpiring
        )
    }

    /// The version that an MX host speaks at most, as on the wire, where that is older than TLS 1.2.
    pub(crate) const fn old_tls(self) -> Option<[u8; 2]> {
        match self {
            Self::MxTls11 => Some([3, 2]),
            Self::MxTls10 => Some([3, 1]),
            Self::MxSsl30 => Some([3, 0]),
            _ => None,
        }
    }

    /// Whether it leaves an MX host without a place to connect to; a CNAME (RFC 5321 §5.1) does not.
    pub(crate) const fn is_unresolvable(self) -> bool {
        matches!(
            self,
            Self::MxNxdomain | Self::MxNoData | Self::MxIpLiteral | Self::MxLocalhost | Self::MxNotGlobal
        )
    }

    /// Whether it leaves `_mta-sts` without a TXT: it dangles, stands elsewhere, or was forgotten.
    pub(crate) const fn leaves_no_txt(self) -> bool {
        matches!(
            self,
            Self::RecordDangling
                | Self::RecordOwnerUnderscore
                | Self::RecordOwnerPolicyHost
                | Self::RecordOwnerApex
                | Self::RecordOwnerDoubled
                | Self::RecordOwnerParent
                | Self::PolicyWithoutRecord
        )
    }

    /// What an MX host must have besides, so that its TLSA records fail in this way.
    pub(crate) const fn brings(self) -> Option<Self> {
        match self {
            Self::TlsaAnchorName => Some(Self::MxCertName),
            Self::TlsaAnchorPath => Some(Self::MxCertExpired),
            Self::TlsaWithoutStarttls => Some(Self::StarttlsAbsent),
            _ => None,
        }
    }

    /// Whether a lookup fails for it: that of the addresses, or that of the TLSA records.
    pub(crate) const fn fails_lookup(self) -> bool {
        matches!(
            self,
            Self::AddressBogus
                | Self::TlsaBogus
                | Self::TlsaServfail
                | Self::TlsaRefused
                | Self::TlsaOtherFailure
        )
    }

    /// Whether TLSA records can be used, and what a host shows matches none of them.
    pub(crate) const fn is_tlsa_mismatch(self) -> bool {
        matches!(
            self,
            Self::TlsaOfNothing
                | Self::TlsaSelectorOrType
                | Self::TlsaUsage
                | Self::TlsaWeakerDigest
                | Self::TlsaOfAnotherKey
                | Self::TlsaAnchorAbsent
                | Self::TlsaAnchorName
                | Self::TlsaAnchorPath
        )
    }

    /// Whether no TLSA record of a host can be used (RFC 7672 §3.1).
    pub(crate) const fn is_tlsa_unusable(self) -> bool {
        matches!(
            self,
            Self::TlsaPkixUsage | Self::TlsaUnknownParameter | Self::TlsaDigestLength | Self::TlsaMalformed
        )
    }

    /// Whether the TLS-RPT record stands where no sender looks.
    pub(crate) const fn is_tlsrpt_owner(self) -> bool {
        matches!(
            self,
            Self::TlsrptOwnerHyphen
                | Self::TlsrptOwnerUnderscore
                | Self::TlsrptOwnerTls
                | Self::TlsrptOwnerApex
                | Self::TlsrptOwnerDoubled
        )
    }

    /// Whether reports go nowhere although the TLS-RPT record is as it should be.
    pub(crate) const fn is_tlsrpt_sink(self) -> bool {
        matches!(self, Self::TlsrptSinkNxdomain | Self::TlsrptSinkNoData | Self::TlsrptSinkNullMx)
    }

    /// Whether some MX host still matches.
    pub(crate) const fn is_mismatch_some(self) -> bool {
        matches!(
            self,
            Self::MismatchSomeTld
                | Self::MismatchSomeDomain
                | Self::MismatchSomeLabel
                | Self::MismatchSomeMtaStsHost
                | Self::MismatchSomeTypo
                | Self::MismatchSomeWildcardDepth
        )
    }

    /// Whether no MX host matches.
    pub(crate) const fn is_mismatch_all(self) -> bool {
        matches!(
            self,
            Self::MismatchAllTld
                | Self::MismatchAllDomain
                | Self::MismatchAllLabel
                | Self::MismatchAllMtaStsHost
                | Self::MismatchAllTypo
                | Self::MismatchAllWildcardDepth
        )
    }

    /// The defects that a key of a world's `[defects]` names: `rule`, or `rule/cause`.
    pub fn named(key: &str) -> Vec<Self> {
        let (rule, cause) = key.split_once('/').map_or((key, None), |(rule, cause)| (rule, Some(cause)));
        let fits = |d: &&Self| d.rule() == rule && (cause.is_none() || d.cause() == cause);
        Self::ALL.iter().filter(fits).copied().collect()
    }
}
