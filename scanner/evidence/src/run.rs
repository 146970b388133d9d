//! The folder of a run.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::part::{PartError, read_names, read_rows};
use crate::{Home, Manifest, Table, journal, tables};

/// The folder of a run: where things stand in it.
#[derive(Debug, Clone)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// The run at `root`. Nothing is touched.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes the folder and one for each table of evidence.
    pub fn create(&self) -> io::Result<()> {
        fs::create_dir_all(&self.root)?;
        for table in tables().iter().filter(|table| table.home == Home::Run) {
            fs::create_dir_all(self.root.join(table.name))?;
        }
        File::open(&self.root)?.sync_all()
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The journal's path.
    pub fn journal_path(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The manifest's path.
    pub fn manifest_path(&self) -> PathBuf {
        self.root.join("run.json")
    }

    /// Where chunk `chunk` of `T` stands.
    pub fn part_path<T: Table>(&self, chunk: u32) -> PathBuf {
        self.root.join(T::NAME).join(format!("part-{chunk:06}.parquet"))
    }

    /// The folder of a derivation.
    pub fn derived_dir(&self, id: &str) -> PathBuf {
        self.root.join("derived").join(id)
    }

    /// Where a derived table stands.
    pub fn derived_path<T: Table>(&self, id: &str) -> PathBuf {
        self.derived_dir(id).join(format!("{}.parquet", T::NAME))
    }

    /// The manifest.
    pub fn read_manifest(&self) -> io::Result<Manifest> {
        let path = self.manifest_path();
        let bytes = fs::read(&path)?;
        serde_json::from_slice(&bytes).map_err(|e| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} is not a manifest: {e}", path.display()))
        })
    }

    /// Replaces the manifest: whole, or not at all.
    pub fn write_manifest(&self, manifest: &Manifest) -> io::Result<()> {
        let path = self.manifest_path();
        let tmp = path.with_extension("json.tmp");
        let mut file = File::create(&tmp)?;
        file.write_all(&serde_json::to_vec_pretty(manifest)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&tmp, &path)?;
        File::open(&self.root)?.sync_all()
    }

    /// The chunks that are committed.
    pub fn committed(&self) -> io::Result<Vec<journal::Entry>> {
        journal::read(&self.journal_path())
    }

    /// The committed parts of a table, in order. A chunk that added nothing to the table has no part.
    pub fn parts<T: Table>(&self) -> io::Result<Vec<PathBuf>> {
        let chunks = self.committed()?;
        Ok(chunks.iter().map(|entry| self.part_path::<T>(entry.chunk)).filter(|path| path.exists()).collect())
    }

    /// Hands every committed row of a table to `each`, in order, a batch at a time.
    pub fn for_each<T: Table>(&self, mut each: impl FnMut(T)) -> Result<(), PartError> {
        self.for_each_with_chunk(|_, row| each(row))
    }

    /// The same, with the number of the chunk that holds the row.
    pub fn for_each_with_chunk<T: Table>(&self, mut each: impl FnMut(u32, T)) -> Result<(), PartError> {
        let chunks = self.committed().map_err(|e| PartError::new("reading the journal of", &self.root, e))?;
        for chunk in chunks.into_iter().map(|entry| entry.chunk) {
            let part = self.part_path::<T>(chunk);
            if part.exists() {
                for rows in read_rows::<T>(&part)? {
                    rows?.into_iter().for_each(|row| each(chunk, row));
                }
            }
        }
        Ok(())
    }

    /// Hands over what each committed row of a table is about, in order: its first column, which is a name. Nothing else
    /// of the row is read.
    pub fn for_each_name<T: Table>(&self, mut each: impl FnMut(&str)) -> Result<(), PartError> {
        let parts = self.parts::<T>().map_err(|e| PartError::new("reading the journal of", &self.root, e))?;
        for part in parts {
            for names in read_names(&part)? {
                names?.iter().flatten().for_each(&mut each);
            }
        }
        Ok(())
    }
}
