//! Making a database wholly or not at all.
//!
//! The engine makes one in several steps, and a first start that is killed
//! between them would leave a folder that can never be opened. So a database
//! is made aside and then given its name.

use std::fs::{self, File};
use std::path::Path;

use fjall::{Database, Error};

/// Opens the database in `folder` with `open`; makes it aside first when the
/// folder is not there.
///
/// # Errors
/// When the folder cannot be used, or another process has it open.
pub fn open(folder: &Path, open: impl Fn(&Path) -> Result<Database, Error>) -> Result<Database, Error> {
    if !folder.try_exists()? {
        let aside = folder.with_extension("new");
        if aside.try_exists()? {
            fs::remove_dir_all(&aside)?;
        }
        drop(open(&aside)?);
        fs::rename(&aside, folder)?;
        if let Some(parent) = folder.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
    open(folder)
}
