//! Where the zones of a world begin, and which of them are signed.

use super::operator_zone;
use crate::world::World;

/// The zone that a name is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The name of the zone: what the name ends in.
    pub(crate) apex: String,
    /// Whether it is signed, and every zone above it.
    pub(crate) signed: bool,
}

/// The zone of a name in lower case, without the last dot. Domains have zones of their own, and so have operators; the
/// top-level domains and the root are signed, and name servers are in zones that are not.
pub(crate) fn cut(world: &World, name: &str) -> Cut {
    let at = |apex: &str, signed| Cut { apex: apex.to_owned(), signed };
    for apex in std::iter::successors(Some(name), |apex| apex.split_once('.').map(|(_, rest)| rest)) {
        if !apex.contains('.') {
            return at(apex, apex != "localhost");
        }
        if let Some(index) = world.index(apex).filter(|index| world.exists(*index)) {
            return at(apex, world.is_signed(index));
        }
        if let Some(signed) = operator_zone(world, apex) {
            return at(apex, signed);
        }
    }
    at("", true)
}
