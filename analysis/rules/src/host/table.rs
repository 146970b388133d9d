//! The rules of the MX host axes.

use crate::chain::{EXPIRED_CAUSES, UNTRUSTED_CAUSES};
use crate::rule::{Effect, Rule, RuleId, Subject, cause};

const HOST: Rule = Rule {
    id: RuleId::MxUnresolvable,
    name: "",
    summary: "",
    section: "RFC 3207 §4, RFC 8461 §4.2",
    effect: Effect::Refuse,
    report_type: None,
    advice: "",
    causes: &[],
    subject: Subject::MxHost,
};
const REACH: Rule = Rule { section: "RFC 5321 §3.1", effect: Effect::Unknown, ..HOST };
const CERTIFICATE: Rule = Rule { section: "RFC 8461 §4.2", ..HOST };

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: RuleId::MxUnresolvable,
        name: "mx-unresolvable",
        summary: "An MX host has no address, or is named by an alias or by something that is no host name",
        section: "RFC 5321 §5.1",
        advice: "Let each MX record name a host with A or AAAA records of its own; remove those whose host is gone.",
        causes: &[
            cause("nxdomain", "the name does not exist"),
            cause("no-data", "the name has no address"),
            cause("cname", "the name is an alias"),
            cause("ip-literal", "an IP address in place of a name"),
            cause("localhost", "the sender's own machine"),
            cause("not-global", "no address of it is globally routable (RFC 6890)"),
        ],
        ..HOST
    },
    Rule {
        id: RuleId::MxUnreachable,
        name: "mx-unreachable",
        summary: "Port 25 of an MX host answers at none of its addresses. Not measured, and never a violation: our own way out \
            may be barred",
        advice: "See whether the host takes mail from others; if it does, it does not take ours.",
        ..REACH
    },
    Rule {
        id: RuleId::MxRefusedUs,
        name: "mx-refused-us",
        summary: "An MX host answers the greeting or EHLO with 4xx or 5xx at all of its addresses. Not measured, and never a \
            violation: it is our reputation that is judged",
        advice: "Nothing, if other senders are let in.",
        ..REACH
    },
    Rule {
        id: RuleId::StarttlsAbsent,
        name: "starttls-absent",
        summary: "An MX host answers EHLO and does not offer STARTTLS",
        report_type: Some("starttls-not-supported"),
        advice: "Give the mail server a certificate and let it offer STARTTLS on port 25.",
        ..HOST
    },
    Rule {
        id: RuleId::StarttlsRejected,
        name: "starttls-rejected",
        summary: "An MX host offers STARTTLS and answers the command by something other than 220",
        report_type: Some("starttls-not-supported"),
        advice: "See the mail server's log for why TLS is not available: most often a certificate or key it cannot read.",
        ..HOST
    },
    Rule {
        id: RuleId::StarttlsMangled,
        name: "starttls-mangled",
        summary: "Something overwrites the keyword STARTTLS on the way, at the host's side or at ours",
        effect: Effect::Unknown,
        report_type: Some("starttls-not-supported"),
        advice: "Turn off SMTP inspection (Cisco: fixup, ESMTP inspection) in the firewall before the mail server.",
        ..HOST
    },
    Rule {
        id: RuleId::StarttlsHandshake,
        name: "starttls-handshake",
        summary: "The TLS handshake with an MX host fails",
        section: "RFC 3207 §4, RFC 8461 §4.2, §7.2",
        report_type: Some("validation-failure"),
        advice: "Let the mail server speak TLS 1.2 or 1.3 with the usual suites.",
        causes: &[
            cause("alert", "the host sends an alert"),
            cause("protocol-version", "the host speaks only TLS 1.1 or older"),
            cause("closed", "the host closes or resets the connection"),
            cause("not-tls", "what the host sends is not TLS"),
            cause("signature", "the host does not prove that it holds the certificate's key"),
            cause("failed", "the handshake fails otherwise"),
        ],
        ..HOST
    },
    Rule {
        id: RuleId::MxCertName,
        name: "mx-cert-name",
        summary: "The certificate of an MX host has no DNS name that matches the host's",
        report_type: Some("certificate-host-mismatch"),
        advice: "Have the MX host's name among the subject alternative names of the certificate; the common name does not count.",
        ..CERTIFICATE
    },
    Rule {
        id: RuleId::MxCertExpired,
        name: "mx-cert-expired",
        summary: "The certificate of an MX host is outside its validity",
        report_type: Some("certificate-expired"),
        advice: "Renew the certificate, and reload the mail server when it is renewed.",
        causes: EXPIRED_CAUSES,
        ..CERTIFICATE
    },
    Rule {
        id: RuleId::MxCertUntrusted,
        name: "mx-cert-untrusted",
        summary: "The certificate of an MX host does not lead to a trusted root",
        report_type: Some("certificate-not-trusted"),
        advice: "Use a certificate of a public CA, and send its intermediate certificates with it.",
        causes: UNTRUSTED_CAUSES,
        ..CERTIFICATE
    },
    Rule {
        id: RuleId::MxCertExpiring,
        name: "mx-cert-expiring",
        summary: "The certificate of an MX host is valid, and ends within 14 days",
        effect: Effect::None,
        advice: "Renew the certificate now, and see why its renewal has not run.",
        ..CERTIFICATE
    },
    Rule {
        id: RuleId::MxCertVaries,
        name: "mx-cert-varies",
        summary: "The addresses of one MX host show different certificates, each valid",
        effect: Effect::None,
        advice: "Nothing, if it is meant; else find the server that was forgotten when the certificate was renewed.",
        ..CERTIFICATE
    },
    Rule {
        id: RuleId::MxTlsOld,
        name: "mx-tls-old",
        summary: "The best version of TLS that an MX host agrees to is older than 1.2. Judged only where a run was asked to \
            offer older ones",
        section: "RFC 8996 §4, §5, RFC 7568 §3",
        effect: Effect::None,
        advice: "Let the mail server speak TLS 1.2 or 1.3: many senders no longer offer anything older.",
        causes: &[cause("tls-1-1", "TLS 1.1"), cause("tls-1-0", "TLS 1.0"), cause("ssl-3", "SSL 3.0")],
        ..CERTIFICATE
    },
];
