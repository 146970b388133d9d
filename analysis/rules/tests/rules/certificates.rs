//! Chains made for the purpose, each wrong in a way that is known.

use mxray_evidence::Micros;
use mxray_rules::{ChainAssessment, ChainProblem as P, TrustStore, assess_chain};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

const HOST: &str = "mx1.example.net";

/// A CA: its certificate, and what signs with it.
struct Authority {
    pem: String,
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// A leaf's years of validity, names and purpose; and a CA's.
struct Plan<'a> {
    names: &'a [&'a str],
    years: (i32, i32),
    purpose: Option<ExtendedKeyUsagePurpose>,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self { names: &[HOST], years: (2024, 2026), purpose: None }
    }
}

fn params(common_name: &str, names: &[&str], years: (i32, i32)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names that can be encoded");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params
}

fn authority(name: &str, above: Option<&Authority>, years: (i32, i32)) -> Authority {
    let mut params = params(name, &[], years);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = match above {
        Some(above) => params.signed_by(&key, &above.issuer),
        None => params.self_signed(&key),
    }
    .expect("a certificate");
    Authority { pem: certificate.pem(), der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
}

fn leaf(above: &Authority, plan: &Plan<'_>) -> Vec<u8> {
    let mut params = params("common name", plan.names, plan.years);
    params.extended_key_usages.extend(plan.purpose.clone());
    let key = KeyPair::generate().expect("a key");
    params.signed_by(&key, &above.issuer).expect("a certificate").der().to_vec()
}

fn self_signed(ca: bool) -> Vec<u8> {
    let mut params = params(HOST, &[HOST], (2024, 2026));
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate").der().to_vec()
}

/// A root in the store, an intermediate under it, and a root and intermediate that nobody knows.
struct World {
    root: Authority,
    intermediate: Authority,
    stranger: Authority,
    strange_intermediate: Authority,
    store: TrustStore,
}

fn world() -> World {
    let root = authority("root", None, (2000, 2050));
    let intermediate = authority("intermediate", Some(&root), (2020, 2030));
    let stranger = authority("stranger", None, (2000, 2050));
    let strange_intermediate = authority("strange intermediate", Some(&stranger), (2020, 2030));
    let store = TrustStore::mozilla().with_pem(root.pem.as_bytes()).expect("a root");
    World { root, intermediate, stranger, strange_intermediate, store }
}

fn new_year(year: i32) -> Micros {
    date_time_ymd(year, 1, 1).unix_timestamp() * 1_000_000
}

/// Half a year into it, roughly.
fn at(year: i32) -> Micros {
    new_year(year) + 150 * 86_400 * 1_000_000
}

impl World {
    fn assess_at(&self, year: i32, chain: &[&[u8]]) -> ChainAssessment {
        assess_chain(chain, HOST, at(year), &self.store)
    }

    fn problems(&self, chain: &[&[u8]]) -> Vec<P> {
        self.assess_at(2025, chain).problems
    }
}

#[test]
fn a_chain_to_a_root_in_the_store_is_valid() {
    let world = world();
    let leaf = leaf(&world.intermediate, &Plan::default());
    let assessment = world.assess_at(2025, &[&leaf, &world.intermediate.der]);
    assert_eq!(assessment.problems, []);
    assert_eq!(assessment.detail, None);
    assert_eq!(assessment.names, [HOST]);
    assert_eq!(assessment.not_after, Some(new_year(2026)));
    assert_eq!(
        world.problems(&[&leaf, &world.intermediate.der, &world.root.der]),
        [],
        "the root may be shown"
    );
    assert_eq!(world.problems(&[&leaf, &world.root.der, &world.intermediate.der]), [], "in any order");
}

#[test]
fn the_ways_not_to_reach_a_root_are_told_apart() {
    let world = world();
    let known = leaf(&world.intermediate, &Plan::default());
    let unknown = leaf(&world.strange_intermediate, &Plan::default());
    assert_eq!(world.problems(&[&known]), [P::MissingIntermediate]);
    assert_eq!(
        world.problems(&[&known, &world.strange_intermediate.der]),
        [P::MissingIntermediate],
        "somebody else's intermediate issued nothing here"
    );
    assert_eq!(world.problems(&[&unknown, &world.strange_intermediate.der]), [P::UnknownRoot]);
    assert_eq!(
        world.problems(&[&unknown, &world.strange_intermediate.der, &world.stranger.der]),
        [P::UnknownRoot],
        "a root shown is no root known"
    );
    assert_eq!(world.problems(&[&self_signed(false)]), [P::SelfSigned]);
    assert_eq!(world.problems(&[&self_signed(true)]), [P::SelfSigned], "as `openssl req -x509` makes them");
}

#[test]
fn an_expired_chain_is_still_asked_for_its_path() {
    let world = world();
    let old = Plan { years: (2021, 2022), ..Plan::default() };
    let known = leaf(&world.intermediate, &old);
    let unknown = leaf(&world.strange_intermediate, &old);
    assert_eq!(world.problems(&[&known, &world.intermediate.der]), [P::Expired]);
    assert_eq!(world.problems(&[&known]), [P::Expired, P::MissingIntermediate]);
    assert_eq!(world.problems(&[&unknown, &world.strange_intermediate.der]), [P::Expired, P::UnknownRoot]);
    let everything_late = world.assess_at(2040, &[&known, &world.intermediate.der]);
    assert_eq!(everything_late.problems, [P::Expired], "the intermediate has run out as well");
}

#[test]
fn not_yet_valid_is_not_expired() {
    let world = world();
    let leaf = leaf(&world.intermediate, &Plan { years: (2027, 2028), ..Plan::default() });
    assert_eq!(world.problems(&[&leaf, &world.intermediate.der]), [P::NotYetValid]);
}

#[test]
fn an_expired_intermediate_counts_unless_another_way_is_open() {
    let world = world();
    let expired = authority("intermediate", Some(&world.root), (2020, 2025));
    let bearer = leaf(&expired, &Plan::default());
    assert_eq!(world.problems(&[&bearer, &expired.der]), [P::Expired]);
    let never = leaf(&expired, &Plan { years: (2026, 2027), ..Plan::default() });
    let assessment = world.assess_at(2026, &[&never, &expired.der]);
    assert_eq!(assessment.problems, [P::Expired]);
    assert_eq!(assessment.detail.as_deref(), Some("its certificates are never valid together"));
    let good = leaf(&world.intermediate, &Plan::default());
    assert_eq!(
        world.problems(&[&good, &expired.der, &world.intermediate.der]),
        [],
        "an expired namesake is in nobody's way"
    );
}

#[test]
fn validity_includes_both_its_ends() {
    let world = world();
    let leaf = leaf(&world.intermediate, &Plan::default());
    let judge = |at: Micros| assess_chain(&[&leaf, &world.intermediate.der], HOST, at, &world.store).problems;
    let (begin, end) = (new_year(2024), new_year(2026));
    assert_eq!(judge(begin - 1), [P::NotYetValid]);
    assert_eq!(judge(begin), []);
    assert_eq!(judge(end + 999_999), []);
    assert_eq!(judge(end + 1_000_000), [P::Expired]);
}

#[test]
fn rfc8461_3_3_only_dns_ids_name_a_host() {
    let world = world();
    let names = |names: &[&str], host: &str| {
        let leaf = leaf(&world.intermediate, &Plan { names, ..Plan::default() });
        assess_chain(&[&leaf, &world.intermediate.der], host, at(2025), &world.store).problems
    };
    assert_eq!(names(&["other.example.net", "MX1.Example.NET"], HOST), []);
    assert_eq!(names(&["*.example.net"], HOST), []);
    assert_eq!(names(&["*.example.net"], "a.mx1.example.net"), [P::Name]);
    assert_eq!(names(&["*.example.net"], "example.net"), [P::Name]);
    assert_eq!(names(&["mx*.example.net"], HOST), [P::Name]);
    assert_eq!(names(&["mx1.*.net"], HOST), [P::Name]);
    assert_eq!(names(&["example.net"], HOST), [P::Name]);
    assert_eq!(names(&[], "common name"), [P::Name], "the common name does not count");
    assert_eq!(names(&[HOST], "no host\\032at all"), [P::Name]);
    assert_eq!(names(&["192.0.2.1"], "192.0.2.1"), [P::Name], "an address is no DNS-ID");
}

#[test]
fn everything_wrong_is_said_at_once() {
    let world = world();
    let plan = Plan { names: &["elsewhere.example"], years: (2021, 2022), purpose: None };
    let leaf = leaf(&world.strange_intermediate, &plan);
    assert_eq!(
        world.problems(&[&leaf, &world.strange_intermediate.der]),
        [P::Name, P::Expired, P::UnknownRoot]
    );
}

#[test]
fn a_chain_that_is_rooted_and_unusable_is_malformed() {
    let world = world();
    let plan = Plan { purpose: Some(ExtendedKeyUsagePurpose::CodeSigning), ..Plan::default() };
    let code = leaf(&world.intermediate, &plan);
    assert_eq!(world.problems(&[&code, &world.intermediate.der]), [P::Malformed]);
    let mut forged = leaf(&world.intermediate, &Plan::default());
    *forged.last_mut().expect("a byte") ^= 1;
    let assessment = world.assess_at(2025, &[&forged, &world.intermediate.der]);
    assert_eq!(assessment.problems, [P::Malformed]);
    assert!(assessment.detail.expect("words").contains("no path to the root"), "the words say where");
}

#[test]
fn no_bytes_are_too_odd() {
    let world = world();
    let good = leaf(&world.intermediate, &Plan::default());
    assert_eq!(world.problems(&[]), [P::Malformed]);
    assert_eq!(world.problems(&[b"", b"x"]), [P::Malformed]);
    for cut in 0..good.len() {
        assert_eq!(world.problems(&[&good[..cut]]), [P::Malformed], "cut at {cut}");
    }
    for index in 0..good.len() {
        let mut bent = good.clone();
        bent[index] ^= 0x55;
        assert_ne!(world.problems(&[&bent, &world.intermediate.der]), [], "byte {index} bent");
        world.problems(&[&good, &bent]);
    }
    let mut long: Vec<&[u8]> = vec![&good];
    long.extend(std::iter::repeat_n(world.strange_intermediate.der.as_slice(), 10_000));
    assert_eq!(world.problems(&long), [P::MissingIntermediate]);
}

#[test]
fn a_store_is_named_by_its_roots_and_not_by_their_order() {
    let world = world();
    let (a, b) = (world.root.pem.as_bytes(), world.stranger.pem.as_bytes());
    let store = |pems: &[&[u8]]| {
        pems.iter().fold(TrustStore::empty(), |store, pem| store.with_pem(pem).expect("a root"))
    };
    assert_eq!(store(&[a, b]).id(), store(&[b, a, b]).id());
    assert_ne!(store(&[a]).id(), store(&[b]).id());
    assert_eq!(store(&[a]).len(), 1);
    assert!(TrustStore::empty().with_pem(b"no roots here").is_err());
    assert!(TrustStore::mozilla().len() > 100);
}
