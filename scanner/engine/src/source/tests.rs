use std::fs;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use proptest::prelude::*;

use super::walk::REJECT_TEXT_BYTES_MAX;
use super::*;

/// The order of the input.
const AS_IT_STANDS: Order = Order { window_lines: 1, seed: 0 };

fn none_seen() -> NamesSeen {
    NamesSeen::new(std::env::temp_dir())
}

/// Everything a source says of some files, after a mark.
fn read_from(files: &[&Path], column: Option<&str>, mark: Mark) -> Result<Vec<Line>, SourceError> {
    read_in(AS_IT_STANDS, files, column, mark, none_seen())
}

/// The same, in some order, of names of which some were seen.
fn read_in(
    order: Order,
    files: &[&Path],
    column: Option<&str>,
    mark: Mark,
    seen: NamesSeen,
) -> Result<Vec<Line>, SourceError> {
    let inputs: Vec<Input> = files.iter().map(|path| Input::Path(path.to_path_buf())).collect();
    let source = Source::open(&inputs, column, Arc::default())?;
    let mut receiver = source.spawn(mark, order, seen, LeftAlone::default()).expect("a thread");
    let mut lines = Vec::new();
    let mut ready = false;
    while let Some(message) = receiver.blocking_recv() {
        match message? {
            Message::Ready => {
                assert!(!ready && lines.is_empty(), "ready is said once, and first");
                ready = true;
            }
            Message::Lines(more) => lines.extend(more),
        }
    }
    assert!(ready);
    Ok(lines)
}

/// Everything a source says of one text.
fn read(text: &[u8]) -> Vec<Line> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list");
    fs::write(&path, text).expect("write");
    read_from(&[&path], None, Mark::default()).expect("a readable list")
}

/// A domain as it is, a reject as its reason in brackets.
fn words(lines: &[Line]) -> Vec<String> {
    let word = |line: &Line| match &line.fate {
        Fate::Scan(target) => target.domain.to_string(),
        Fate::Reject(row) => format!("[{}]", row.reason),
    };
    lines.iter().map(word).collect()
}

#[test]
fn every_line_has_a_fate_and_a_number() {
    let lines = read(
        b"# a list\nexample.com\r\n\n  Example.COM. \n192.0.2.1\ncom\nnot a name\n\xff\xfe\nb\xc3\xbccher.example\nlast.example",
    );
    assert_eq!(
        words(&lines),
        [
            "[comment]",
            "example.com",
            "[empty]",
            "[duplicate]",
            "[ip-address]",
            "[single-label]",
            "[not-a-domain]",
            "[not-utf8]",
            "xn--bcher-kva.example",
            "last.example",
        ]
    );
    assert_eq!(lines.iter().map(|line| line.turn).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    let Fate::Reject(row) = &lines[6].fate else { panic!("a reject") };
    assert_eq!((row.line, &row.text[..]), (7, &b"not a name"[..]));
    assert_eq!(row.detail.as_deref(), Some("the character ' ' does not stand in a domain name"));
}

#[test]
fn the_ends_of_lines_and_files() {
    assert_eq!(words(&read(b"")), [""; 0]);
    assert_eq!(words(&read(b"\n")), ["[empty]"]);
    assert_eq!(words(&read(b"a.example")), ["a.example"]);
    assert_eq!(words(&read(b"a.example\r\n\r\n")), ["a.example", "[empty]"]);
    assert_eq!(words(&read(b"\r")), ["[empty]"]);
    assert_eq!(words(&read(b"\xef\xbb\xbfa.example\n\xef\xbb\xbfb.example\n")), ["a.example", "b.example"]);
    assert_eq!(words(&read(b"\xef\xbb\xbf\n")), ["[empty]"]);
    assert_eq!(words(&read(b"\xef\xbb\xbf")), ["[empty]"]);
}

#[test]
fn a_line_of_ten_megabytes_is_one_reject_and_is_not_held() {
    let mut text = b"a.example\n".to_vec();
    text.resize(text.len() + 10_000_000, b'x');
    text.extend_from_slice(b"\r\nb.example\n");
    let lines = read(&text);
    assert_eq!(words(&lines), ["a.example", "[line-too-long]", "b.example"]);
    let Fate::Reject(row) = &lines[1].fate else { panic!("a reject") };
    assert_eq!(row.text.len(), REJECT_TEXT_BYTES_MAX);
}

#[test]
fn the_longest_line_is_read_and_one_byte_more_is_not() {
    let line = |length: usize| format!("a.example{}", " ".repeat(length - "a.example".len()));
    for end in ["", "\n", "\r\n"] {
        assert_eq!(words(&read((line(LINE_BYTES_MAX) + end).as_bytes())), ["a.example"], "{end:?}");
        assert_eq!(words(&read((line(LINE_BYTES_MAX + 1) + end).as_bytes())), ["[line-too-long]"], "{end:?}");
    }
}

#[test]
fn a_million_dots_are_no_domain() {
    assert_eq!(words(&read(&b".".repeat(1_000_000))), ["[line-too-long]"]);
    assert_eq!(words(&read(&b".\n".repeat(1_000))), vec!["[not-a-domain]"; 1_000]);
}

#[test]
fn a_table_carries_its_columns_along_and_its_header_is_a_reject() {
    let lines = read(b"# made by us\nrank,domain,tier\n1,a.example,gold\n2,\"b.example\",\"silver, old\"\n3\n4,\"c.example\nx\n");
    assert_eq!(
        words(&lines),
        [
            "[comment]",
            "[header]",
            "a.example",
            "b.example",
            "[column-missing]",
            "[column-missing]",
            "[column-missing]"
        ]
    );
    let Fate::Scan(target) = &lines[3].fate else { panic!("a target") };
    assert_eq!(target.rank, Some(2));
    assert_eq!(target.columns, [InputColumn { name: "tier".into(), value: "silver, old".into() }]);
}

#[test]
fn lines_and_names_go_on_over_files_and_a_header_stands_in_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (folder.path().join("one.csv"), folder.path().join("two"));
    fs::write(&one, "domain,x\na.example,1").expect("write");
    fs::write(&two, "Domain\na.example\nb.example\n").expect("write");
    let lines = read_from(&[&one, &two], None, Mark::default()).expect("readable");
    assert_eq!(words(&lines), ["[header]", "a.example", "[header]", "[duplicate]", "b.example"]);
    let Fate::Scan(target) = &lines[4].fate else { panic!("a target") };
    assert_eq!((target.line, &*target.source), (5, two.to_str().expect("a path")));
}

#[test]
fn what_cannot_be_read_is_said_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    let refusal = |bytes: &[u8], column| {
        fs::write(&path, bytes).expect("write");
        read_from(&[&path], column, Mark::default()).map(|lines| words(&lines)).expect_err("a refusal")
    };
    assert!(matches!(refusal(b"PK\x03\x04...", None), SourceError::Kind { kind: "a zip archive", .. }));
    assert!(matches!(refusal(b"\xff\xfea\0.\0b\0", None), SourceError::Kind { kind: "UTF-16", .. }));
    assert!(matches!(refusal(b"a,b,c\n", None), SourceError::Shape { .. }));
    assert!(matches!(refusal(b"a,b,c\n", Some("d")), SourceError::Shape { .. }));
    assert!(matches!(refusal(b"\x1f\x8b\x08\x00cut off", None), SourceError::Read { .. }));
    for missing in [folder.path().join("nowhere"), folder.path().to_owned()] {
        let error = read_from(&[&missing], None, Mark::default()).map(|lines| words(&lines));
        assert!(matches!(error, Err(SourceError::Read { .. })), "{error:?}");
    }
}

#[test]
fn a_file_that_breaks_off_ends_the_source_with_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list.gz");
    let text: String =
        (0..200_000).fold(String::new(), |text, n| text + &format!("d{n}-{:x}.example\n", n * 7_919));
    let whole = gzip(text.as_bytes());
    fs::write(&path, &whole[..whole.len() / 2]).expect("write");
    let source = Source::open(&[Input::Path(path)], None, Arc::default()).expect("the beginning is sound");
    let mut receiver =
        source.spawn(Mark::default(), AS_IT_STANDS, none_seen(), LeftAlone::default()).expect("a thread");
    let mut last = None;
    while let Some(message) = receiver.blocking_recv() {
        assert!(last.is_none_or(|ok: bool| ok), "an error is the last message");
        last = Some(message.is_ok());
    }
    assert_eq!(last, Some(false));
}

#[test]
fn a_pipe_is_read_once_and_from_its_beginning() {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let text: String = (0..5_000).fold(String::new(), |text, n| text + &format!("d{n}.example\n"));
    let feeding = thread::spawn(move || writer.write_all(text.as_bytes()).expect("into the pipe"));
    // As a shell names it for `mxray scan <(zcat list.gz)`.
    let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
    let source = Source::open(&[Input::Path(path)], None, Arc::default()).expect("a readable pipe");
    drop(reader);
    let mut receiver =
        source.spawn(Mark::default(), AS_IT_STANDS, none_seen(), LeftAlone::default()).expect("a thread");
    let mut domains = Vec::new();
    while let Some(message) = receiver.blocking_recv() {
        if let Message::Lines(lines) = message.expect("readable") {
            domains.extend(words(&lines));
        }
    }
    feeding.join().expect("all of it");
    assert_eq!(domains.len(), 5_000);
    assert_eq!((domains[0].as_str(), domains[4_999].as_str()), ("d0.example", "d4999.example"));
}

#[test]
fn standard_input_can_be_named_once() {
    // The first is not read: this is said before.
    let folder = tempfile::tempdir().expect("a folder");
    let list = Input::Path(folder.path().join("list"));
    fs::write(folder.path().join("list"), "a.example\n").expect("write");
    let twice = |inputs: &[Input]| matches!(check_names(inputs), Err(SourceError::StdinTwice));
    assert!(twice(&[Input::Stdin, list.clone(), Input::Stdin]));
    assert!(!twice(&[list.clone(), Input::Stdin, list]));
}

#[test]
fn lists_that_people_publish_are_read_whole() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/domains");
    for (file, domains) in [("dotgov_current-full.csv", 15_000), ("tranco_top_100k_2026.csv", 99_000)] {
        let path = corpora.join(file);
        if !path.exists() {
            eprintln!("skipped: {} is not here", path.display());
            continue;
        }
        let lines = read_from(&[&path], None, Mark::default()).expect("a readable list");
        let text = fs::read(&path).expect("readable");
        assert_eq!(
            lines.len(),
            text.split(|&byte| byte == b'\n').count() - usize::from(text.ends_with(b"\n"))
        );
        let scanned = lines.iter().filter(|line| matches!(line.fate, Fate::Scan(_))).count();
        assert!(scanned >= domains, "{file}: {scanned} of {}", lines.len());
    }
}

#[test]
fn a_mark_skips_what_was_read_and_knows_another_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list");
    let text: String = (0..100).fold(String::new(), |text, n| text + &format!("d{n}.example\n"));
    fs::write(&path, &text).expect("write");
    let all = read_from(&[&path], None, Mark::default()).expect("readable");
    for line in [1, 40, 100] {
        let mark = Mark { line, digest: all[line as usize - 1].digest.to_string() };
        let rest = read_from(&[&path], None, mark).expect("the same input");
        assert_eq!(words(&rest), words(&all[line as usize..]));
        assert_eq!(
            rest.last().map(|line| line.digest.clone()),
            all[line as usize..].last().map(|line| line.digest.clone())
        );
    }
    let mark = Mark { line: 40, digest: all[39].digest.to_string() };
    fs::write(&path, text.replace("d7.", "e7.")).expect("write");
    let other = read_from(&[&path], None, mark.clone()).map(|lines| lines.len());
    assert!(matches!(other, Err(SourceError::OtherInput { lines: 40 })), "{other:?}");
    fs::write(&path, &text[..text.find("d39.").expect("there")]).expect("write");
    let shorter = read_from(&[&path], None, mark).map(|lines| lines.len());
    assert!(matches!(shorter, Err(SourceError::ShorterInput { lines: 40, found: 39 })), "{shorter:?}");
}

/// The number of a line in the input.
fn number(line: &Line) -> u64 {
    match &line.fate {
        Fate::Scan(target) => target.line,
        Fate::Reject(row) => row.line,
    }
}

#[test]
fn a_seed_shuffles_the_lines_of_a_window_which_keep_their_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list");
    let text: String =
        (0..95).fold("domain\n".to_owned(), |text, n| text + &format!("d{}.example\n", n % 90));
    fs::write(&path, text).expect("write");
    let read = |window_lines, seed| {
        read_in(Order { window_lines, seed }, &[&path], None, Mark::default(), none_seen()).expect("readable")
    };
    let (plain, lines) = (read(1, 7), read(40, 7));
    assert_eq!(lines.iter().map(|line| line.turn).collect::<Vec<_>>(), (1..=96).collect::<Vec<_>>());
    for (window, numbers) in lines.chunks(40).zip([1..=40, 41..=80, 81..=96]) {
        let mut found: Vec<u64> = window.iter().map(number).collect();
        assert_ne!(found, numbers.clone().collect::<Vec<_>>());
        found.sort_unstable();
        assert_eq!(found, numbers.collect::<Vec<_>>(), "lines stay in their window");
    }
    // The same fate for each line, whatever the order: of two lines with one name the first is scanned.
    let by_number = |lines: &[Line]| {
        let mut sorted: Vec<_> =
            lines.iter().map(|line| (number(line), words(std::slice::from_ref(line)))).collect();
        sorted.sort();
        sorted
    };
    assert_eq!(by_number(&lines), by_number(&plain));
    assert_eq!(words(&lines), words(&read(40, 7)));
    assert_ne!(words(&lines), words(&read(40, 8)), "the seed decides");
}

#[test]
fn a_resumed_run_finds_the_shuffled_order_again_at_every_mark() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let text = |names: std::ops::Range<u32>| {
        names.fold(String::new(), |text, n| text + &format!("d{}.example\n", n % 25))
    };
    fs::write(&one, text(0..33)).expect("write");
    fs::write(&two, text(20..50)).expect("write");
    let order = Order { window_lines: 12, seed: 3 };
    let all = read_in(order, &[&one, &two], None, Mark::default(), none_seen()).expect("readable");
    assert_eq!(all.len(), 63);
    for line in 1..=63 {
        let (done, rest) = all.split_at(line);
        let mark = Mark { line: line as u64, digest: done[line - 1].digest.to_string() };
        // As the rows of a run tell it.
        let mut seen = none_seen();
        for line in done {
            if let Fate::Scan(target) = &line.fate {
                assert!(seen.claim(target.domain.as_bytes()).expect("in memory"));
            }
        }
        let found = read_in(order, &[&one, &two], None, mark, seen).expect("the same input");
        let facts = |lines: &[Line]| -> Vec<_> {
            lines.iter().map(|line| (line.turn, number(line), line.digest.clone())).collect()
        };
        assert_eq!(facts(&found), facts(rest), "after {line} lines");
        assert_eq!(words(&found), words(rest), "after {line} lines");
    }
    // A line that is not scanned yet shares its window with one that is: the order of both hangs on it.
    let mark = Mark { line: 5, digest: all[4].digest.to_string() };
    fs::write(&one, text(0..33).replace("d11.", "e11.")).expect("write");
    let other = read_in(order, &[&one, &two], None, mark, none_seen()).map(|lines| lines.len());
    assert!(matches!(other, Err(SourceError::OtherInput { lines: 5 })), "{other:?}");
}

#[test]
fn a_window_is_bounded_in_bytes_too() {
    let line = format!("x.example{}\n", " ".repeat(4_000));
    let text: String = (0..10_000).fold(String::new(), |text, n| text + &format!("d{n}{line}"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list");
    fs::write(&path, text).expect("write");
    let order = Order { window_lines: 1_000_000, seed: 1 };
    let lines = read_in(order, &[&path], None, Mark::default(), none_seen()).expect("readable");
    let windows: std::collections::HashSet<_> = lines.iter().map(|line| line.digest.clone()).collect();
    assert_eq!((lines.len(), windows.len()), (10_000, 3), "40 MB of text, 16 MiB a window");
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).expect("into memory");
    encoder.finish().expect("into memory")
}

/// A line of an input: mostly names, sometimes anything.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-e]{1,2}\\.example".prop_map(String::into_bytes),
        1 => "[ -~]{0,40}".prop_map(String::into_bytes),
        1 => Just(b"domain,rank".to_vec()),
        1 => Just(b"# remark".to_vec()),
        1 => "[0-9]{1,3},[a-z]{1,3}\\.example,\"".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>().prop_filter("one line", |b| *b != b'\n'), 0..30),
        1 => (4_000usize..5_000).prop_map(|n| b"x".repeat(n)),
    ]
}

proptest! {
    #[test]
    fn lines_are_domains_plus_rejects_however_they_are_packed(
        lines in proptest::collection::vec(any_line(), 0..60),
        ends in any::<bool>(),
        first in proptest::sample::select(vec!["", "rank,domain\n", "7,x.example\n", "\u{feff}"]),
    ) {
        let mut text = [first.as_bytes(), &lines.join(&b'\n')].concat();
        if ends {
            text.push(b'\n');
        }
        // As `wc -l` counts, and one for a last line without an end.
        let newlines = text.split(|&byte| byte == b'\n').count() - 1;
        let expected = newlines + usize::from(text.last().is_some_and(|&byte| byte != b'\n'));
        let folder = tempfile::tempdir().expect("a folder");
        let mut seen = Vec::new();
        let forms = [text.clone(), gzip(&text), zstd::encode_all(&text[..], 1).expect("into memory")];
        for (n, form) in forms.iter().enumerate() {
            let path = folder.path().join(n.to_string());
            fs::write(&path, form).expect("write");
            match read_from(&[&path], None, Mark::default()) {
                Ok(lines) => {
                    prop_assert_eq!(lines.len(), expected);
                    let domains: Vec<&str> = lines.iter().filter_map(|line| match &line.fate {
                        Fate::Scan(target) => Some(target.domain.as_str()),
                        Fate::Reject(_) => None,
                    }).collect();
                    let distinct: std::collections::HashSet<_> = domains.iter().collect();
                    prop_assert_eq!(distinct.len(), domains.len(), "a domain is scanned once");
                    seen.push(Some((words(&lines), lines.last().map(|line| line.digest.clone()))));
                }
                // Refused whole, before anything is written: a table that does not say where its domains are, or
                // a kind of file that is not read.
                Err(SourceError::Shape { .. } | SourceError::Kind { .. }) => seen.push(None),
                // What begins like a compressed file and is none.
                Err(SourceError::Read { .. }) if n == 0 && (text.starts_with(b"\x1f\x8b") || text.starts_with(b"\x28\xb5\x2f\xfd")) => return Ok(()),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
        // A packed file is not asked what its text begins with.
        if seen[0].is_some() {
            prop_assert!(seen.iter().all(|form| *form == seen[0]));
        }
    }
}
