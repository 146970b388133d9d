//! Every seed, and every beginning of it, through its target: on the toolchain of the gate, in seconds.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use mxray_fuzz::TARGETS;

#[test]
fn every_seed_of_every_target_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let seeds = fs::read_dir(folder.join(name)).unwrap_or_else(|error| panic!("seeds/{name}: {error}"));
        let mut replayed = 0;
        for seed in seeds {
            let path = seed.expect("a seed").path();
            let bytes = fs::read(&path).expect("a seed that can be read");
            if catch_unwind(|| target(&bytes)).is_err() {
                broken.push(path);
            }
            replayed += 1;
        }
        assert!(replayed > 0, "seeds/{name} is empty");
    }
    assert!(broken.is_empty(), "what these show does not hold: {broken:?}");
}

#[test]
fn every_folder_of_seeds_has_a_target_and_a_fuzzer() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| {
        let entries = fs::read_dir(here.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let stems =
            entries.map(|entry| entry.expect("an entry").path().file_stem().expect("a name").to_owned());
        let mut names: Vec<_> = stems.map(|stem| stem.into_string().expect("plain names")).collect();
        names.sort();
        names
    };
    let targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets, names("seeds"));
    assert_eq!(targets, names("libfuzzer/fuzz_targets"));
}
