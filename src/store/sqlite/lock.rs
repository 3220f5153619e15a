//! The lock of a database file: one server at a time, even if another one opens the file by another name.
//!
//! The lock is on the file's inode (`flock`), so it also covers hard links and bind mounts. It does not lock out
//! readers: `flowledger check` and shells open the file beside a server. SQLite's own locks are of another kind
//! (`fcntl`), and on local file systems the two kinds are independent. A network file system may emulate `flock` by
//! `fcntl` locks: SQLite then finds its own database locked, and the start fails.

use std::{
    fs::{File, OpenOptions, TryLockError},
    mem,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::file::with_suffix;

/// Permissions of a new database: its owner's only. SQLite gives its other files those of the database.
pub(super) const MODE: u32 = 0o600;

/// A locked database file.
///
/// Closing any descriptor of a file drops all `fcntl` locks that the process has on it, those of SQLite's
/// connections too. So this is opened before the first connection and dropped after the last.
pub(super) struct Lock(File);

impl Lock {
    /// Opens the file, or creates it if `create`, and locks it.
    pub(super) fn take(file: &Path, create: bool) -> Result<Self, String> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .mode(MODE)
            .open(file)
            .map_err(|e| match missing_folder(file) {
                Some(folder) => format!(
                    "it cannot be opened: folder '{}' does not exist; create it first",
                    folder.display()
                ),
                None => format!("it cannot be opened: {e}"),
            })?;
        match opened.try_lock() {
            Ok(()) => Ok(Lock(opened)),
            Err(TryLockError::WouldBlock) => {
                // This process itself may have the file open, and closing this descriptor would drop SQLite's locks.
                mem::forget(opened);
                Err("another process has it open; stop that one first".to_owned())
            }
            Err(TryLockError::Error(e)) => Err(format!("it cannot be locked: {e}")),
        }
    }

    pub(super) fn unlock(&self) {
        let _ = self.0.unlock(); // or the system does, when the process ends
    }
}

/// Returns the folder of a file if it does not exist.
fn missing_folder(file: &Path) -> Option<&Path> {
    let folder = file.parent()?;
    let exists = folder.as_os_str().is_empty() || folder.exists();
    (!exists).then_some(folder)
}

/// Watches the files of an open database. If one is deleted, renamed or replaced, later writes to it are lost.
pub(super) struct Watch(Vec<(PathBuf, Inode)>);

/// Device and inode number. SQLite has the files open, so no new file can get the number of one of them.
type Inode = (u64, u64);

impl Watch {
    /// Watches the database, its write-ahead log and the log's index, which all must exist.
    pub(super) fn start(file: &Path) -> Result<Self, String> {
        let file = file.canonicalize().map_err(|e| e.to_string())?;
        let paths = ["", "-wal", "-shm"].map(|suffix| with_suffix(&file, suffix));
        let watched = paths.into_iter().map(|path| {
            let inode = inode(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            Ok((path, inode))
        });
        watched.collect::<Result<_, _>>().map(Watch)
    }

    /// Returns an error if a path does not lead to its file any more. Takes about 3 µs.
    pub(super) fn check(&self) -> Result<(), String> {
        for (path, watched) in &self.0 {
            if !inode(path).is_ok_and(|found| found == *watched) {
                return Err(format!(
                    "{} was deleted, renamed or replaced while it was open",
                    path.display()
                ));
            }
        }
        Ok(())
    }
}

fn inode(path: &Path) -> std::io::Result<Inode> {
    let metadata = path.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}
