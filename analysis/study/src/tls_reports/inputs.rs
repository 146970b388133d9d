//! The files that were named, and those in folders that were.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::envelope::{FILE_BYTES_MAX, Found, Refused, Shape};
use super::mailbox::{Mail, Mailbox};

/// Folders in folders: how deep.
const FOLDERS_MAX: usize = 32;
/// Bytes by which a file is told to be a mailbox.
const SNIFFED_BYTES: usize = 1_024;

/// Hands every file of `inputs`, and of the folders among them, to `each` with what was found in it; of a mailbox, mail
/// by mail. In order of name; what cannot be read is a refusal like another.
pub(super) fn for_each<E>(
    inputs: &[PathBuf],
    mut each: impl FnMut(&Path, Found) -> Result<(), E>,
) -> Result<u64, E> {
    let mut files = 0;
    for input in inputs {
        walk(input, FOLDERS_MAX, &mut files, &mut each)?;
    }
    Ok(files)
}

fn walk<E>(
    path: &Path,
    depth: usize,
    files: &mut u64,
    each: &mut impl FnMut(&Path, Found) -> Result<(), E>,
) -> Result<(), E> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return each(path, unreadable(&error)),
    };
    if !metadata.is_dir() {
        *files += 1;
        // A pipe or a device would have us wait for it.
        if !metadata.is_file() {
            return each(path, refused("not-a-file", None));
        }
        return read(path, each);
    }
    if depth == 0 {
        return each(path, refused("too-deep", Some(format!("more than {FOLDERS_MAX} folders"))));
    }
    let mut entries = match fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return each(path, unreadable(&error)),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        // A folder is not entered by a link: that way lies a loop.
        let linked = entry.file_type().is_ok_and(|kind| kind.is_symlink()) && entry.path().is_dir();
        if !linked {
            walk(&entry.path(), depth - 1, files, each)?;
        }
    }
    Ok(())
}

fn read<E>(path: &Path, each: &mut impl FnMut(&Path, Found) -> Result<(), E>) -> Result<(), E> {
    let mut input = match File::open(path) {
        Ok(file) => BufReader::with_capacity(SNIFFED_BYTES.max(1 << 16), file),
        Err(error) => return each(path, unreadable(&error)),
    };
    match input.fill_buf() {
        Ok(begin) if Shape::of(begin) == Shape::Mailbox => read_mailbox(path, input, each),
        Ok(_) => {
            let mut bytes = Vec::new();
            match input.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes) {
                Ok(_) if bytes.len() > FILE_BYTES_MAX => each(path, too_long()),
                Ok(_) => each(path, Found::in_bytes(&bytes)),
                Err(error) => each(path, unreadable(&error)),
            }
        }
        Err(error) => each(path, unreadable(&error)),
    }
}

fn read_mailbox<E>(
    path: &Path,
    input: impl BufRead,
    each: &mut impl FnMut(&Path, Found) -> Result<(), E>,
) -> Result<(), E> {
    for (number, mail) in Mailbox::new(input, FILE_BYTES_MAX).enumerate() {
        let mut found = match mail {
            Ok(Mail::Whole(mail)) => Found::in_bytes(&mail),
            Ok(Mail::TooLong) => too_long(),
            Err(error) => unreadable(&error),
        };
        let parts = found.enclosed.iter_mut().map(|enclosed| &mut enclosed.part);
        for part in parts.chain(found.refused.iter_mut().map(|refused| &mut refused.part)) {
            let comma = if part.is_empty() { "" } else { ", " };
            *part = format!("message {}{comma}{part}", number + 1);
        }
        each(path, found)?;
    }
    Ok(())
}

fn refused(reason: &'static str, detail: Option<String>) -> Found {
    Found { enclosed: Vec::new(), refused: vec![Refused { part: String::new(), reason, detail }] }
}

fn unreadable(error: &io::Error) -> Found {
    refused("unreadable", Some(error.to_string()))
}

fn too_long() -> Found {
    refused("too-long", Some(format!("more than {FILE_BYTES_MAX} bytes")))
}
