//! The backends of the store that tests run on, and a PostgreSQL server for the tests of this process.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::test_store::TestDatabase;

/// Declares each function as a test on each backend. `|backend| expression` is the function's argument. The compiler
/// reports a function that is missing here as dead code.
macro_rules! on_each_backend {
    (|$backend:ident| $argument:expr => $($file:ident: $($check:ident)+;)+) => {
        mod on_sqlite {
            $(mod $file {
                $(#[tokio::test]
                async fn $check() {
                    let $backend = crate::support::backend::Backend::Sqlite;
                    super::super::$file::$check($argument).await;
                })+
            })+
        }

        mod on_postgres {
            $(mod $file {
                $(#[tokio::test]
                async fn $check() {
                    if let Some($backend) = crate::support::backend::Backend::postgres() {
                        super::super::$file::$check($argument).await;
                    }
                })+
            })+
        }
    };
}

pub(crate) use on_each_backend;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    /// Returns the backend if a PostgreSQL server is installed. Panics if none is although `CI` is set.
    pub fn postgres() -> Option<Self> {
        SERVER.as_ref().map(|_| Backend::Postgres)
    }

    /// Returns a new, empty database.
    pub async fn database(self) -> TestDatabase {
        match self {
            Backend::Sqlite => TestDatabase::sqlite(),
            Backend::Postgres => {
                let server = SERVER.as_ref().expect("PostgreSQL is installed");
                TestDatabase::of_server(server.schema().await)
            }
        }
    }
}

/// The server of this process. It starts with the first test that needs it.
static SERVER: LazyLock<Option<Cluster>> = LazyLock::new(|| {
    let cluster = Cluster::create();
    if cluster.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "PostgreSQL is not installed, but CI is set"
        );
        // Not eprintln!, whose text the test runner keeps to itself.
        let _ = writeln!(
            io::stderr(),
            "\nPostgreSQL is not installed: the tests on it are skipped"
        );
    }
    let cluster = cluster?;
    // Tests of the server's death have servers of their own.
    cluster.start(&["-c", "fsync=off", "-c", "max_connections=500"]);
    Some(cluster)
});

/// A PostgreSQL server on a private socket.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
}

/// The user and the group of the server if root runs the tests, because PostgreSQL refuses root.
const UNPRIVILEGED: u32 = 65534;

impl Cluster {
    /// Creates a data directory. Returns `None` if PostgreSQL is not installed.
    pub fn create() -> Option<Self> {
        let cluster = Cluster::in_new_folder(programs()?);
        cluster.run("initdb", |initdb| {
            initdb.args([
                "--auth=trust",
                "--username=test",
                "--encoding=UTF8",
                "--no-sync",
            ])
        });
        Some(cluster)
    }

    fn in_new_folder(programs: PathBuf) -> Self {
        let folder = tempfile::Builder::new().prefix("flowledger-pg").tempdir();
        let folder = folder.unwrap().keep();
        if rustix::process::geteuid().is_root() {
            chown(&folder, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
        }
        Cluster { folder, programs }
    }

    /// Runs one of the server's programs on the data directory.
    fn run(&self, program: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) {
        let mut command = self.command(&self.programs.join(program));
        let ended = arguments(&mut command)
            .arg("-D")
            .arg(self.folder.join("data"))
            .output();
        let ended = ended.unwrap();
        assert!(ended.status.success(), "{program}: {ended:?}");
    }

    /// Starts a standby of this server, and makes every commit wait for it (synchronous replication).
    pub async fn start_standby(&self) -> Cluster {
        let standby = Cluster::in_new_folder(self.programs.clone());
        standby.run("pg_basebackup", |copy| {
            copy.args(["-R", "--checkpoint=fast", "--no-sync", "-U", "test", "-h"])
                .arg(&self.folder)
        });
        standby.start(&[]);
        let mut connection = PgConnection::connect(&self.url("")).await.unwrap();
        for sql in [
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
            "SELECT pg_reload_conf()",
        ] {
            connection.execute(sql).await.unwrap();
        }
        let is_synchronous = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
        while connection
            .execute(is_synchronous)
            .await
            .unwrap()
            .rows_affected()
            == 0
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        connection.close().await.unwrap();
        standby
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.run("pg_ctl", |promote| promote.arg("promote"));
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        if rustix::process::geteuid().is_root() {
            command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        }
        command
    }

    /// Starts the server and waits until it accepts connections. A shell between this process and the server stops the
    /// server and deletes its files at the end of this process, which closes the shell's input.
    pub fn start(&self, settings: &[&str]) {
        let log = File::create(self.folder.join("log")).unwrap();
        let mut shell = self.command(Path::new("sh"));
        shell
            .process_group(0) // a signal to the group of this process leaves time to clean up
            .args([
                "-c",
                "\"$0\" \"$@\" & cat; kill -INT $!; wait; rm -rf \"$PWD\"",
            ])
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-k")
            .arg(&self.folder)
            .args(["-c", "listen_addresses=", "-c", "logging_collector=off"])
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let shell = shell.spawn().unwrap();
        std::mem::forget(shell); // its input stays open
        let ready = || {
            let mut ready = self.command(&self.programs.join("pg_isready"));
            ready.arg("-q").arg("-h").arg(&self.folder);
            ready.status().unwrap().success()
        };
        for _ in 0..600 {
            if ready() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{}", fs::read_to_string(self.folder.join("log")).unwrap());
    }

    /// Ends the server as a crash would: it writes nothing more.
    pub fn crash(&self) {
        self.run("pg_ctl", |stop| stop.args(["stop", "-m", "immediate"]));
    }

    /// Kills the server, and waits until all of its processes have ended.
    pub fn kill(&self) {
        let data = self.folder.join("data");
        let lock = fs::read_to_string(data.join("postmaster.pid")).unwrap();
        let id = lock.lines().next().unwrap().parse().unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
        let works_in_data = |process: io::Result<fs::DirEntry>| {
            let folder = process.and_then(|process| fs::read_link(process.path().join("cwd")));
            folder.is_ok_and(|folder| folder == data)
        };
        while fs::read_dir("/proc").unwrap().any(works_in_data) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The URL of the database `postgres`; `parameters` begin with `&` or are empty.
    pub fn url(&self, parameters: &str) -> String {
        let folder = self.folder.display();
        format!("postgres://test@localhost/postgres?host={folder}{parameters}")
    }

    /// Creates a schema, and returns the URL under which it is all that a client sees.
    pub async fn schema(&self) -> String {
        static SCHEMAS: AtomicU64 = AtomicU64::new(0);
        let schema = format!("test{}", SCHEMAS.fetch_add(1, Relaxed));
        let mut connection = PgConnection::connect(&self.url("")).await.unwrap();
        let create = format!("CREATE SCHEMA {schema}");
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        connection.close().await.unwrap();
        self.url(&format!("&options[search_path]={schema}"))
    }
}

/// The folder of the server's programs: those of Debian's newest version, or where `initdb` is on the path.
fn programs() -> Option<PathBuf> {
    let mut debian: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|version| version.unwrap().path().join("bin"))
        .collect();
    debian.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    let mut folders = debian.into_iter().rev().chain(on_path);
    folders.find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}
