//! The address plan: every MX host has addresses of its own in 127.0.0.0/8, scattered over its /24s, and each
//! address leads back to its host.

use std::net::Ipv4Addr;

use crate::chance::{Chance, Draw, Permutation, Stream};

/// Who has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    /// An MX host of a mail operator.
    Operator { operator: u32, number: u8, address: u8 },
    /// A policy operator's web server.
    Policies { operator: u32, address: u8 },
    /// A domain's own: its first MX host, or, where `second`, its second one or the first one's other address.
    Own { domain: u64, second: bool },
}

/// Addresses that are planned: 127.1.0.0 to 127.254.255.255. The rest of 127.0.0.0/8 is the lab's own.
const CAPACITY: u64 = 254 << 16;
const FIRST: u32 = 0x7f01_0000;
const PER_MAIL_OPERATOR: u64 = 8;
/// Addresses of a policy operator's web servers.
pub(crate) const PER_POLICY_OPERATOR: u64 = 2;

/// A bijection between slots and addresses.
#[derive(Debug)]
pub(crate) struct AddressPlan {
    permutation: Permutation,
    domains: u64,
    mail_operators: u64,
    policy_operators: u64,
    stride: u64,
}

impl AddressPlan {
    pub(crate) fn new(chance: Chance, domains: u64, mail_operators: u32, policy_operators: u32) -> Self {
        let (mail_operators, policy_operators) = (u64::from(mail_operators), u64::from(policy_operators));
        let base = mail_operators * PER_MAIL_OPERATOR + policy_operators * PER_POLICY_OPERATOR;
        let stride = (2 * domains).div_ceil(CAPACITY - base - 2);
        let permutation = Permutation::new(chance, Stream::Addresses, CAPACITY);
        Self { permutation, domains, mail_operators, policy_operators, stride }
    }

    /// Every how many domains there is one that can have addresses of its own; 1 up to eight million domains.
    pub(crate) fn stride(&self) -> u64 {
        self.stride
    }

    pub(crate) fn address(&self, slot: Slot) -> Ipv4Addr {
        let number = match slot {
            Slot::Operator { operator, number, address } => {
                u64::from(operator) * PER_MAIL_OPERATOR + u64::from(number) * 2 + u64::from(address)
            }
            Slot::Policies { operator, address } => {
                self.policies_base() + u64::from(operator) * PER_POLICY_OPERATOR + u64::from(address)
            }
            Slot::Own { domain, second } => {
                self.own_base() + domain / self.stride + if second { self.own_span() } else { 0 }
            }
        };
        Ipv4Addr::from(FIRST + self.permutation.forward(number) as u32)
    }

    /// Whose address it is; `None` for one that nobody can have.
    pub(crate) fn slot(&self, address: Ipv4Addr) -> Option<Slot> {
        let offset = u64::from(u32::from(address).checked_sub(FIRST)?);
        let number = (offset < CAPACITY).then(|| self.permutation.backward(offset))?;
        if number < self.policies_base() {
            let within = number % PER_MAIL_OPERATOR;
            return Some(Slot::Operator {
                operator: (number / PER_MAIL_OPERATOR) as u32,
                number: (within / 2) as u8,
                address: (within % 2) as u8,
            });
        }
        if number < self.own_base() {
            let number = number - self.policies_base();
            return Some(Slot::Policies {
                operator: (number / PER_POLICY_OPERATOR) as u32,
                address: (number % PER_POLICY_OPERATOR) as u8,
            });
        }
        let number = number - self.own_base();
        let second = number >= self.own_span();
        let domain = (number % self.own_span()) * self.stride;
        (number < 2 * self.own_span() && domain < self.domains).then_some(Slot::Own { domain, second })
    }

    /// Any planned address, for servers that many names share.
    pub(crate) fn shared(draw: Draw) -> Ipv4Addr {
        Ipv4Addr::from(FIRST + draw.below(CAPACITY) as u32)
    }

    fn policies_base(&self) -> u64 {
        self.mail_operators * PER_MAIL_OPERATOR
    }

    fn own_base(&self) -> u64 {
        self.policies_base() + self.policy_operators * PER_POLICY_OPERATOR
    }

    fn own_span(&self) -> u64 {
        self.domains.div_ceil(self.stride)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn slots_and_addresses_are_a_bijection() {
        let plan = AddressPlan::new(Chance::new(5), 3_000, 7, 3);
        let own = (0..3_000).flat_map(|domain| [false, true].map(|second| Slot::Own { domain, second }));
        let operators = (0..7).flat_map(|operator| {
            (0..8).map(move |n| Slot::Operator { operator, number: n / 2, address: n % 2 })
        });
        let policies = (0..3).map(|operator| Slot::Policies { operator, address: 1 });
        let mut seen = HashSet::new();
        for slot in own.chain(operators).chain(policies) {
            let address = plan.address(slot);
            assert!(seen.insert(address), "{address} twice");
            assert_eq!(plan.slot(address), Some(slot));
        }
        let networks: HashSet<_> = seen.iter().map(|a| u32::from(*a) >> 8).collect();
        assert!(networks.len() > seen.len() * 9 / 10, "addresses must scatter over the /24s");
        assert_eq!(plan.slot(Ipv4Addr::LOCALHOST), None);
        assert_eq!(plan.slot(Ipv4Addr::new(127, 255, 0, 1)), None);
    }

    #[test]
    fn ten_and_ninety_million_domains_fit() {
        for domains in [10_000_000, 90_000_000] {
            let plan = AddressPlan::new(Chance::new(5), domains, 1000, 100);
            let domain = (domains - 1) / plan.stride() * plan.stride();
            let slot = Slot::Own { domain, second: true };
            assert_eq!(plan.slot(plan.address(slot)), Some(slot));
        }
    }
}
