//! What a domain's own answers give reason to look at besides.

use std::collections::BTreeSet;

use mxray_engine::{Extras, ScanConfig, Stages};
use mxray_evidence::{DomainRow, Lookup, LookupStatus, PolicyRow, ReportSinkRow, TxtRecord};
use mxray_lab::WorldParams;
use mxray_protocol::aside::{has_sts_record, has_tlsrpt_record};
use mxray_protocol::report_sink::sinks;

use crate::bench::{Bench, rows};

fn texts(lookup: &Lookup<TxtRecord>) -> Vec<Vec<u8>> {
    lookup.records.iter().map(TxtRecord::joined).collect()
}

#[test]
fn what_costs_more_is_asked_on_request_and_only_where_something_is_missing() {
    let bench = Bench::new(80, WorldParams::default());
    let stages = Stages { smtp: false, ..Stages::default() };
    let scan = |extras: Extras, name: &str| {
        let config = bench.config(mxray_engine::Input::Path(bench.lab.names_path()), name);
        bench.scan(ScanConfig { stages, extras, ..config }).expect("a scan");
        bench.out(name)
    };
    let plain = scan(Extras::default(), "plain");
    let domains = rows::<DomainRow>(&plain);
    assert!(domains.iter().all(|row| row.aside_txt.is_empty()));
    let announced = domains.iter().filter(|row| !row.sts_txt.records.is_empty()).count();
    assert_eq!(rows::<PolicyRow>(&plain).len(), announced);

    let all = scan(Extras::all(), "all");
    let domains = rows::<DomainRow>(&all);
    let (mut asked, mut named) = (0, BTreeSet::new());
    for row in &domains {
        let lacks_one = !has_sts_record(&texts(&row.sts_txt)) || !has_tlsrpt_record(&texts(&row.tlsrpt_txt));
        let is_there = row.mx.status() != LookupStatus::NxDomain;
        assert_eq!(!row.aside_txt.is_empty(), lacks_one && is_there, "{}", row.domain);
        let names: BTreeSet<&str> = row.aside_txt.iter().map(|lookup| lookup.name.as_str()).collect();
        assert_eq!(names.len(), row.aside_txt.len(), "each name is asked for once");
        asked += usize::from(lacks_one && is_there);
        named.extend(sinks(&texts(&row.tlsrpt_txt)).into_iter().map(|sink| sink.name));
    }
    assert!(asked > 5 && asked < domains.len(), "{asked}");
    let there = domains.iter().filter(|row| row.mx.status() != LookupStatus::NxDomain).count();
    assert_eq!(rows::<PolicyRow>(&all).len(), there);
    for run in [&plain, &all] {
        let sinks: Vec<String> = rows::<ReportSinkRow>(run).into_iter().map(|row| row.sink).collect();
        assert_eq!(sinks.len(), named.len(), "each sink is looked up once");
        assert_eq!(sinks.into_iter().collect::<BTreeSet<_>>(), named);
    }
}
