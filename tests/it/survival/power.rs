//! Power cut test: the database is on a loop device whose file system is shut down without a flush, so what was
//! not synced is lost. Needs root and loop devices.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rusqlite::Connection;

use super::{crash_run::CrashRun, times};
use crate::cli::Process;

/// A Python program that shuts its file system down once it reads a line: `EXT4_IOC_SHUTDOWN` without a flush of
/// the journal.
const SWITCH: &str = r#"
import fcntl, os, struct, sys
disk = os.open(sys.argv[1], os.O_RDONLY)
print("ready", flush=True)
sys.stdin.readline()
fcntl.ioctl(disk, 0x8004587D, struct.pack("I", 2))
"#;

const DISK_BYTES: u64 = 1 << 30; // sparse

/// A loop device with a file system, mounted at `mount`.
struct Disk {
    folder: tempfile::TempDir,
    mount: PathBuf,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, because the server of a failed test may still use it.
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.mount));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    output
        .status
        .success()
        .then_some(())
        .ok_or_else(|| format!("{command:?}: {}", said.trim()))
}

impl Disk {
    /// Creates a disk, or says why it cannot.
    fn new() -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let mount = folder.path().join("mount");
        fs::create_dir(&mount).unwrap();
        let disk = Disk { folder, mount };
        File::create(disk.image())
            .unwrap()
            .set_len(DISK_BYTES)
            .unwrap();
        run(Command::new("python3").arg("--version"))?;
        run(Command::new("mkfs.ext4").arg("-q").arg(disk.image()))?;
        disk.plug_in()?;
        Ok(disk)
    }

    /// Creates a disk; prints a line where that is not possible.
    fn or_skip() -> Option<Self> {
        let fault = match Disk::new() {
            Ok(disk) => return Some(disk),
            Err(fault) => fault,
        };
        // Not captured by the test harness.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED power cuts, which need root and loop devices: {fault}"
        );
        None
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn plug_in(&self) -> Result<(), String> {
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(self.image())
            .arg(&self.mount))
    }

    /// Starts the program that cuts the power, and waits until it is ready.
    fn switch(&self) -> Switch {
        let mut python = Command::new("python3");
        let python = python.args(["-c", SWITCH]).arg(&self.mount);
        let mut python = python
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(python.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        assert_eq!(ready, "ready\n");
        Switch(python)
    }

    /// Unmounts the disk after a power cut, and mounts it again.
    fn replug(&self) {
        run(Command::new("umount").arg(&self.mount)).unwrap();
        self.plug_in().unwrap();
    }
}

/// The waiting program that cuts the power.
struct Switch(Child);

impl Switch {
    /// Cuts the power: nothing reaches the disk any more.
    fn cut(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.0.wait().unwrap().success(), "the power stays on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cut_loses_no_acknowledged_append() {
    let Some(disk) = Disk::or_skip() else { return };
    let logs = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/cut.db", disk.mount.display());
    let mut crash_run = CrashRun::new();
    for _ in 0..times("POWER_CYCLES", 20, 3) {
        let switch = disk.switch();
        let end = |server: Process| {
            // A process without power sends no answer, so the server is frozen first. An fsync during the shutdown
            // of ext4 may report success for data that is lost, also for a plain file.
            server.freeze();
            switch.cut();
            drop(server);
        };
        crash_run.cycle(logs.path(), &url, end).await;
        disk.replug();
    }
    crash_run.finish(logs.path(), &url).await;
}

/// Commits a hundred rows, cuts the power, and returns how many rows are left.
fn rows_after_a_cut(disk: &Disk, synchronous: &str) -> i64 {
    let file = disk.mount.join(synchronous);
    let open = || Connection::open(&file).unwrap();
    let database = open();
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (n INTEGER)",
        )
        .unwrap();
    database
        .pragma_update(None, "synchronous", synchronous)
        .unwrap();
    for n in 0..100 {
        database.execute("INSERT INTO t VALUES (?1)", [n]).unwrap();
    }
    disk.switch().cut();
    drop(database);
    disk.replug();
    let rows = open().query_row("SELECT count(*) FROM t", [], |row| row.get(0));
    rows.unwrap()
}

#[test]
fn power_cut_loses_only_what_was_not_synced() {
    let Some(disk) = Disk::or_skip() else { return };
    let [full, normal, off] = ["FULL", "NORMAL", "OFF"].map(|level| rows_after_a_cut(&disk, level));
    println!("of 100 commits: synchronous FULL kept {full}, NORMAL {normal}, OFF {off}");
    assert!(full == 100 && normal < 100 && off < 100);
}
