//! Records where no sender looks for them.

use super::{Answer, Data, Kind};
use crate::defect::Defect;
use crate::domain::{Domain, Record, Tlsrpt};
use crate::text;
use crate::world::World;

/// The TXT records of a domain that stand at a wrong name, if they do at that of `defect`.
pub(super) fn aside_texts(world: &World, domain: &Domain, name: &str, defect: Defect) -> Vec<Data> {
    let texts = if domain.record == Record::Published(Some(defect)) {
        text::sts_records(world, domain, None)
    } else if domain.tlsrpt == Tlsrpt::Published(Some(defect)) {
        text::tlsrpt_records(world, domain, name, None)
    } else {
        return Vec::new();
    };
    texts.into_iter().map(Data::Txt).collect()
}

pub(super) fn at_apex_txt(world: &World, domain: &Domain, name: &str) -> Vec<Data> {
    let aside = [Defect::RecordOwnerApex, Defect::TlsrptOwnerApex];
    aside.into_iter().flat_map(|defect| aside_texts(world, domain, name, defect)).collect()
}

/// Names that are below no domain of the world as those in [`PREFIXES`](super::PREFIXES) are: its name written twice, as where a zone
/// file lacks a last dot; and the record of a suffix, for a world that plants it.
pub(super) fn beside_a_domain(world: &World, name: &str, kind: Kind) -> Option<Answer> {
    let doubled = [("_mta-sts.", Defect::RecordOwnerDoubled), ("_smtp._tls.", Defect::TlsrptOwnerDoubled)];
    for (prefix, defect) in doubled {
        let Some(twice) = name.strip_prefix(prefix) else { continue };
        let Some(once) = twice.get(..twice.len() / 2) else { continue };
        if twice.get(once.len()..)?.strip_prefix('.') == Some(once)
            && let Some(index) = world.index(once)
        {
            let texts = aside_texts(world, &world.domain(index), once, defect);
            return (!texts.is_empty()).then(|| Answer::typed(kind, Kind::Txt, || texts));
        }
    }
    let suffix = name.strip_prefix("_mta-sts.")?;
    let params = world.params();
    let planted = params.defects.contains_key("sts-record-wrong-owner/parent");
    (planted && params.suffixes.iter().any(|known| known == suffix)).then(|| {
        let text = || vec![Data::Txt(vec![b"v=STSv1; id=20240101000000Z;".to_vec()])];
        Answer::typed(kind, Kind::Txt, text)
    })
}
