//! What is to be known of some rules beside their row in the codebook.

const DNSSEC: &str = "What DNSSEC makes of an answer is the word of the scan's resolver, and not of a validator of ours: its AD bit, \
    where it showed that it validates and is on the scanner's machine or vouched for (`--trust-ad`); after a SERVFAIL the same \
    question with CD; and its extended errors (RFC 8914). All of that is in the evidence, beside the word that follows from it \
    (`security`); where the manifest's `dnssec` is false, no rule of DANE applies. Over 71 names of zones signed, and broken, in \
    every way the word was held against Unbound's and hickory-resolver 0.26.3's. The latter is wrong about 8 of them, and nothing \
    here rests on it: it calls bogus a wildcard that NSEC proves, an alias that is such a wildcard, an alias of a wildcard or of \
    a name that is not there, a CNAME made of a DNAME (all secure), and a signed zone below an unsigned one (insecure); and \
    secure what stands under an opt-out span, which proves nothing (a wildcard, and that a name is absent). Each stands in \
    `scanner/engine/tests/golden/dnssec.md`, which `scripts/dnssec` measures again.";

const MISMATCH: &str = "Over two runs or more `mxray diff` says why, with sub-causes of its own: `stale`, the policy named the MX hosts of \
    an earlier run, and did not follow; `dropped`, it named those of today, and was changed so that it does not.";

const TLSA: &str = "Over two runs or more `mxray diff` says of a host whose certificate was replaced: `earlier-certificate`, the records \
    match what it showed in an earlier run.";

/// What is to be known of the rule of this name beside its row: where its evidence comes from, or what `mxray diff` adds to
/// its sub-causes.
pub fn remark(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "dnssec-bogus" | "tlsa-lookup-fails" | "tlsa-insecure" | "tlsa-behind-insecure-mx" => DNSSEC,
        "mx-policy-mismatch-all" | "mx-policy-mismatch-some" => MISMATCH,
        "tlsa-mismatch" => TLSA,
        _ => return None,
    })
}
