//! The rules of the fetch axis.

use crate::chain::{EXPIRED_CAUSES, UNTRUSTED_CAUSES};
use crate::rule::{Effect, Rule, RuleId, Subject, cause};

const FETCH: Rule = Rule {
    id: RuleId::StsHostUnresolvable,
    name: "",
    summary: "",
    section: "RFC 8461 §3.3",
    effect: Effect::Downgrade,
    report_type: Some("sts-policy-fetch-error"),
    advice: "",
    causes: &[],
    subject: Subject::PolicyHost,
};
const WEBPKI: Rule = Rule { report_type: Some("sts-webpki-invalid"), ..FETCH };

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: RuleId::StsHostUnresolvable,
        name: "sts-host-unresolvable",
        summary: "mta-sts.<domain> has no address",
        section: "RFC 8461 §3.3, §8.2",
        advice: "Publish A or AAAA records, or a CNAME to the operator of your policy. Remove a CNAME to a name that is \
            gone: whoever registers it can serve a policy for you.",
        causes: &[
            cause("nxdomain", "the name does not exist"),
            cause("dangling-cname", "a CNAME leads to a name without an address; open to take-over"),
            cause("no-data", "the name exists, without an address"),
        ],
        ..FETCH
    },
    Rule {
        id: RuleId::StsHostUnreachable,
        name: "sts-host-unreachable",
        summary: "No address of the policy host accepts a connection on port 443",
        advice: "Let the policy host listen on port 443 at each address that DNS has for it.",
        causes: &[
            cause("refused", "the connection is refused or reset"),
            cause("timeout", "nothing answers"),
            cause("unreachable", "the network has no route to it"),
        ],
        ..FETCH
    },
    Rule {
        id: RuleId::StsHostTlsAlert,
        name: "sts-host-tls-alert",
        summary: "The TLS handshake with the policy host fails before a certificate has arrived",
        section: "RFC 8461 §3.3, §7.1",
        advice: "Configure the web server for the name mta-sts.<domain> (SNI), with TLS 1.2 or newer.",
        causes: &[
            cause("alert", "the server sends an alert"),
            cause("closed", "the server closes or resets the connection"),
            cause("failed", "the handshake fails otherwise"),
        ],
        ..FETCH
    },
    Rule {
        id: RuleId::StsHostCertName,
        name: "sts-host-cert-name",
        summary: "The policy host's certificate has no DNS name that matches mta-sts.<domain>",
        advice: "Have mta-sts.<domain> among the subject alternative names of the certificate; the common name does not \
            count.",
        ..WEBPKI
    },
    Rule {
        id: RuleId::StsHostCertExpired,
        name: "sts-host-cert-expired",
        summary: "The policy host's certificate is outside its validity",
        advice: "Renew the certificate, and reload the server when it is renewed.",
        causes: EXPIRED_CAUSES,
        ..WEBPKI
    },
    Rule {
        id: RuleId::StsHostCertUntrusted,
        name: "sts-host-cert-untrusted",
        summary: "The policy host's certificate does not lead to a trusted root",
        advice: "Use a certificate of a public CA, and send its intermediate certificates with it.",
        causes: UNTRUSTED_CAUSES,
        ..WEBPKI
    },
    Rule {
        id: RuleId::StsHostCertExpiring,
        name: "sts-host-cert-expiring",
        summary: "The policy host's certificate is valid, and ends within 14 days",
        effect: Effect::None,
        report_type: None,
        advice: "Renew the certificate now, and see why its renewal has not run.",
        ..FETCH
    },
    Rule {
        id: RuleId::StsFetchStatus,
        name: "sts-fetch-status",
        summary: "The policy is answered with a status that is neither 200 nor a redirect",
        advice: "Serve the file at /.well-known/mta-sts.txt with status 200.",
        causes: &[cause("<status>", "the status code")],
        ..FETCH
    },
    Rule {
        id: RuleId::StsFetchRedirect,
        name: "sts-fetch-redirect",
        summary: "The policy is answered with a redirect, which senders must not follow",
        advice: "Serve the file itself at https://mta-sts.<domain>/.well-known/mta-sts.txt; proxy it where it lies elsewhere.",
        ..FETCH
    },
    Rule {
        id: RuleId::StsFetchTimeout,
        name: "sts-fetch-timeout",
        summary: "The policy host accepts the connection, and the policy is not whole within the deadline",
        advice: "Find out why the web server takes so long; senders give up after a minute at most.",
        ..FETCH
    },
    Rule {
        id: RuleId::StsFetchIncomplete,
        name: "sts-fetch-incomplete",
        summary: "The policy host ends the exchange before the response is whole, or does not answer in HTTP",
        advice: "See the web server's log for what becomes of GET /.well-known/mta-sts.txt.",
        causes: &[
            cause("closed", "it closes or resets the connection"),
            cause("malformed", "what it sends is not HTTP"),
        ],
        ..FETCH
    },
    Rule {
        id: RuleId::StsFetchOversize,
        name: "sts-fetch-oversize",
        summary: "The policy is longer than 64 KiB, the cap that §3.3 suggests",
        advice: "Serve the policy and nothing else; use a wildcard where many MX hosts share a parent.",
        ..FETCH
    },
    Rule {
        id: RuleId::StsFetchMediaType,
        name: "sts-fetch-media-type",
        summary: "The policy's media type is not text/plain; senders differ on whether it then counts",
        section: "RFC 8461 §3.2",
        effect: Effect::None,
        report_type: Some("sts-policy-invalid"),
        advice: "Serve the file with Content-Type: text/plain.",
        ..FETCH
    },
];
