//! The configuration file: flags, written down.
//!
//! A key is the long name of a flag of `mxray scan`, its value what would follow the flag; so the table of flags
//! that clap holds is the only one there is, and what is in the file goes through the same parsers, with the same
//! limits. What is typed wins: a flag on the command line replaces the file's value, lists included.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory};

use crate::arguments::Cli;
use crate::exit::{Blame, Failure};

/// The verb whose flags are the keys.
const MODEL: &str = "scan";

/// The key for what stands on the command line without a flag.
const INPUTS: &str = "inputs";

/// Flags about the file itself.
const NO_KEYS: [&str; 3] = ["config", "print-config", "help"];

/// The command line with the configuration file that it names, if it names one, written out as flags.
pub(crate) fn written_out(mut argv: Vec<OsString>, typed: &ArgMatches) -> Result<Vec<OsString>, Failure> {
    let Some((verb, given)) = typed.subcommand() else { return Ok(argv) };
    let Ok(Some(path)) = given.try_get_one::<PathBuf>("config") else { return Ok(argv) };
    let top = Cli::command();
    let find = |name: &str| top.find_subcommand(name).expect("a verb that was parsed is a verb");
    let (model, command) = (find(MODEL), find(verb));

    let mut flags = Vec::new();
    for (key, value) in read(path)? {
        let told = |problem: &str| Failure::refused(format!("{}: {problem}", path.display()));
        if !has_key(model, &key) {
            return Err(told(&unknown(model, &key)));
        }
        let Some(arg) = argument(command, &key) else { continue };
        if given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        flags.extend(as_flags(arg, &key, &value).map_err(|problem| told(&problem))?);
    }
    check(verb, path, &flags)?;
    let after_verb = 2.min(argv.len());
    argv.splice(after_verb..after_verb, flags);
    Ok(argv)
}

fn read(path: &Path) -> Result<toml::Table, Failure> {
    let text = std::fs::read_to_string(path)
        .refused(|| format!("reading the configuration file {}", path.display()))?;
    text.parse().map_err(|error: toml::de::Error| {
        let line =
            error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let told = error.message().replace('\n', ", ");
        Failure::refused(format!("{} is not TOML: line {line}: {told}", path.display()))
    })
}

fn has_key(model: &Command, key: &str) -> bool {
    !NO_KEYS.contains(&key) && argument(model, key).is_some()
}

fn argument<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| key_of(arg).as_deref() == Some(key))
}

fn key_of(arg: &Arg) -> Option<String> {
    match arg.get_long() {
        Some(long) => Some(long.to_owned()),
        None => (arg.get_id() == INPUTS).then(|| INPUTS.to_owned()),
    }
}

fn unknown(model: &Command, key: &str) -> String {
    let keys = model.get_arguments().filter_map(key_of).filter(|known| !NO_KEYS.contains(&known.as_str()));
    let hint = match keys.map(|known| (distance(&known, key), known)).min() {
        Some((edits, known)) if edits <= 2 || known.replace('-', "_") == key => {
            format!("did you mean `{known}`?")
        }
        _ => "`mxray scan --print-config` shows every key".to_owned(),
    };
    format!("unknown key `{key}`; {hint}")
}

/// Edits from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let edit = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], edit);
        }
    }
    row[b.len()]
}

/// What a key and its value would be on the command line.
fn as_flags(arg: &Arg, key: &str, value: &toml::Value) -> Result<Vec<OsString>, String> {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        let on = value.as_bool().ok_or_else(|| format!("`{key}` is either true or false"))?;
        return Ok(if on { vec![OsString::from(format!("--{key}"))] } else { vec![] });
    }
    let words = match value {
        toml::Value::Array(values) => {
            values.iter().map(|value| word(key, value)).collect::<Result<_, _>>()?
        }
        one => vec![word(key, one)?],
    };
    Ok(words
        .into_iter()
        .map(|word| if key == INPUTS { positional(word) } else { flag(key, &word) })
        .collect())
}

fn word(key: &str, value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        other => Err(format!("`{key}` takes a text or a number: `{other}` is neither")),
    }
}

fn flag(key: &str, word: &str) -> OsString {
    format!("--{key}={word}").into()
}

/// A path that begins with a dash is a path all the same.
fn positional(word: String) -> OsString {
    if word.starts_with('-') && word != "-" { format!("./{word}").into() } else { word.into() }
}

/// Parses what the file says by itself, so that what is wrong in it is said of it.
fn check(verb: &str, path: &Path, flags: &[OsString]) -> Result<(), Failure> {
    let words =
        [OsStr::new("mxray"), OsStr::new(verb)].into_iter().chain(flags.iter().map(OsString::as_os_str));
    match Cli::command().try_get_matches_from(words) {
        Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => {
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default();
            Err(Failure::refused(format!("{}: {}", path.display(), first.trim_start_matches("error: "))))
        }
        _ => Ok(()),
    }
}

/// The configuration as it stands, as a file that says the same: every key with its meaning, those without a
/// value as comments.
pub(crate) fn sample(typed: &ArgMatches) -> String {
    let top = Cli::command();
    let model = top.find_subcommand(MODEL).expect("the model is a verb");
    let given = typed.subcommand_matches(MODEL);
    let mut text = String::from(
        "# Configuration of `mxray scan`. A key is the long name of a flag; a flag that is typed wins.\n",
    );
    for arg in model.get_arguments() {
        let Some(key) = key_of(arg).filter(|key| !NO_KEYS.contains(&key.as_str())) else { continue };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = write!(text, "\n# {}\n{}\n", help.replace('\n', "\n# "), assignment(arg, &key, given));
    }
    text
}

fn assignment(arg: &Arg, key: &str, given: Option<&ArgMatches>) -> String {
    let id = arg.get_id().as_str();
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return format!("{key} = {}", given.is_some_and(|given| given.get_flag(id)));
    }
    let words: Vec<String> = given
        .and_then(|given| given.get_raw(id))
        .map(|raw| raw.map(|word| literal(&word.to_string_lossy())).collect())
        .unwrap_or_default();
    let many = matches!(arg.get_action(), ArgAction::Append)
        || arg.get_num_args().is_some_and(|n| n.max_values() > 1);
    match (words.as_slice(), many) {
        ([], true) => format!("# {key} = []"),
        ([], false) => format!("# {key} = {:?}", placeholder(arg)),
        (words, true) => format!("{key} = [{}]", words.join(", ")),
        ([one, ..], false) => format!("{key} = {one}"),
    }
}

fn placeholder(arg: &Arg) -> String {
    arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default()
}

fn literal(word: &str) -> String {
    match word.parse::<i64>() {
        Ok(number) if number.to_string() == word => word.to_owned(),
        _ => toml::Value::from(word).to_string(),
    }
}
