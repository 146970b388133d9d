//! A file that has its name once it is whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::PartError;

/// A Parquet file under a temporary name (it ends in `.tmp`), which goes with this unless the file is given its own.
#[derive(Debug)]
pub struct Unnamed {
    tmp: PathBuf,
    path: PathBuf,
    is_named: bool,
}

impl Unnamed {
    /// Creates the file that is to be `path`.
    pub fn create(path: &Path) -> Result<(Self, File), PartError> {
        let tmp = path.with_extension("parquet.tmp");
        let file = File::create(&tmp).map_err(|e| PartError::new("creating", &tmp, e))?;
        Ok((Self { tmp, path: path.to_owned(), is_named: false }, file))
    }

    /// Where it stands.
    pub(crate) fn tmp(&self) -> &Path {
        &self.tmp
    }

    /// Gives the file its name, replacing what stood there, and syncs the folder.
    pub fn publish(mut self) -> Result<(), PartError> {
        fs::rename(&self.tmp, &self.path).map_err(|e| PartError::new("renaming", &self.tmp, e))?;
        self.is_named = true;
        // A name without a folder is one in the folder where we are.
        let folder = self
            .path
            .parent()
            .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        if let Some(folder) = folder {
            File::open(folder)
                .and_then(|dir| dir.sync_all())
                .map_err(|e| PartError::new("syncing", folder, e))?;
        }
        Ok(())
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if !self.is_named {
            // What hindered the file may hinder this: the next that writes it writes over it.
            let _ = fs::remove_file(&self.tmp);
        }
    }
}
