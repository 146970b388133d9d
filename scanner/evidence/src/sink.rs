//! Where TLS reports go.

use serde::{Deserialize, Serialize};

use crate::column::{Column, name, u16, u32};
use crate::dns::address_columns;
use crate::{AddressRecord, Lookup, MxRecord, Table};

/// A row of `report_sinks`: a distinct name that TLS-RPT records send reports to. Nothing is ever sent there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSinkRow {
    /// The mail domain of a `mailto:`, or the host of an `https:`.
    pub sink: String,
    /// `MX` at the name.
    pub mx: Lookup<MxRecord>,
    /// `A` at the name.
    pub a: Lookup<AddressRecord>,
    /// `AAAA` at the name.
    pub aaaa: Lookup<AddressRecord>,
}

impl Table for ReportSinkRow {
    const NAME: &'static str = "report_sinks";
    const DOC: &'static str = "A row a distinct name that TLS reports go to (RFC 8460 §3), however many records name \
        it: DNS alone, and nothing is sent there.";

    fn columns() -> Vec<Column> {
        vec![
            name("sink", "The mail domain of a `mailto:` in `rua`, or the host of an `https:`."),
            Lookup::<MxRecord>::column(
                "mx",
                "`MX` at the name.",
                vec![
                    u16("preference", "Lower is tried first."),
                    name("exchange", "The MX host; `.` is the null MX (RFC 7505)."),
                    u32("ttl", "Time to live as received, seconds."),
                ],
            ),
            Lookup::<AddressRecord>::column("a", "`A` at the name.", address_columns()),
            Lookup::<AddressRecord>::column("aaaa", "`AAAA` at the name.", address_columns()),
        ]
    }
}
