//! A world of a few domains, scanned and classified by the binary itself.

use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::mxray::{Said, mxray, run};

/// What `mxray demo` left, and said, of a small world.
pub(crate) struct Demo {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) said: Said,
}

impl Demo {
    /// A world of so many domains.
    pub(crate) fn of(domains: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("demo");
        let said = run(&["demo", "--domains", &domains.to_string(), "--out", out.to_str().unwrap()]);
        Self { folder, said }
    }

    /// Its run's folder.
    pub(crate) fn run(&self) -> String {
        self.folder.path().join("demo/run").to_str().unwrap().to_owned()
    }
}

/// `mxray lab`, until it is dropped.
pub(crate) struct Lab {
    process: Child,
    flags: Vec<String>,
}

impl Lab {
    /// A world of so many domains in `folder`.
    pub(crate) fn start(folder: &Path, domains: u64) -> Self {
        let (out, domains) = (folder.to_str().unwrap(), domains.to_string());
        let mut process = mxray(&["lab", "--domains", &domains, "--out", out, "--format", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut stdout = std::io::BufReader::new(process.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut ready).unwrap();
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let word = |name: &str| ready[name].to_string().trim_matches('"').to_owned();
        let mut flags = vec!["--resolver".to_owned(), word("dns")];
        for (flag, name) in
            [("--https-port", "https_port"), ("--smtp-port", "smtp_port"), ("--trust-roots", "ca")]
        {
            flags.extend([flag.to_owned(), word(name)]);
        }
        for network in ready["networks"].as_array().unwrap() {
            flags.extend(["--allow-net".to_owned(), network.as_str().unwrap().to_owned()]);
        }
        Self { process, flags }
    }

    /// Runs `mxray scan` against it, without regard for its servers.
    pub(crate) fn scan(&self, args: &[&str]) -> Said {
        let flags = self.flags.iter().map(String::as_str);
        let haste = [
            "--address-rate=none",
            "--prefix-rate=none",
            "--operator-rate=none",
            "--address-connections=64",
            "--refusal-backoff=none",
            "--policy-backoff=none",
            "--refusal-retries=0",
            "--ehlo-name=scan.example.net",
            "--contact=https://example.net/scan",
        ];
        run(&["scan"].into_iter().chain(args.iter().copied()).chain(haste).chain(flags).collect::<Vec<_>>())
    }

    /// Runs `mxray check` against it.
    pub(crate) fn check(&self, args: &[&str]) -> Said {
        let flags = self.flags.iter().map(String::as_str);
        let patience = ["--policy-timeout", "10", "--smtp-timeout", "10"];
        run(&["check"]
            .into_iter()
            .chain(args.iter().copied())
            .chain(patience)
            .chain(flags)
            .collect::<Vec<_>>())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
