//! The server as a process under fault injection (faults.c), and a client for it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
    time::Duration,
};

use flowledger::clock::Clock;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

use crate::{cli::command, support::Call};

/// Longest wait for an answer or an end; more is a hang.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// faults.c, compiled as a shared library.
static FAULTS: LazyLock<PathBuf> = LazyLock::new(|| {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.so");
    let mine = library.with_extension(std::process::id().to_string());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/survival/faults.c");
    let status = std::process::Command::new("cc")
        .args([
            "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o",
        ])
        .args([&mine, &source])
        .status()
        .expect("a C compiler, which SQLite needs too");
    assert!(status.success());
    fs::rename(&mine, &library).unwrap();
    library
});

/// A running server, or one that ended before it served.
pub struct Process {
    child: Child,
    folder: PathBuf,
    /// None if it ended before it served.
    pub address: Option<SocketAddr>,
}

/// How a server process ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Exit code 0, after SIGTERM.
    Stopped,
    /// Exit code 1, with this one line on standard error.
    GaveUp(String),
    /// By SIGKILL.
    Killed,
}

/// Status and body of an answer.
pub type Reply = (u16, String);

impl Process {
    /// Starts a server on `test.db` in `folder`, and waits until it serves or ends. It logs to the file `log` there.
    pub async fn start(folder: &Path, environment: &[(&str, String)]) -> Self {
        let log = fs::File::create(folder.join("log")).unwrap();
        let database = folder.join("test.db");
        let url = format!("sqlite://{}", database.display());
        let mut command = Command::from(command(folder, &["serve", "--listen", "127.0.0.1:0"]));
        command
            .args(["--database-url", &url, "--log-format", "json"])
            .env("FLOWLEDGER_ACCESS_KEY_ID", "testid")
            .env("FLOWLEDGER_ACCESS_KEY_SECRET", "testsecret")
            .env("LD_PRELOAD", &*FAULTS)
            .env("FAULT_FILES", &database)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = None;
        while address.is_none()
            && let Ok(Some(line)) = lines.next_line().await
        {
            let served = line.split_once("http://");
            address = served.map(|(_, address)| address.parse().unwrap());
        }
        Process {
            child,
            folder: folder.to_owned(),
            address,
        }
    }

    /// Makes a call. None if the server ended.
    pub async fn call(&self, call: Call) -> Option<Reply> {
        let call = call.at(Clock::System.now().millis());
        self.send(&call.header("Connection", "close").bytes()).await
    }

    pub async fn get(&self, path: &str) -> Option<Reply> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        self.send(request.as_bytes()).await
    }

    async fn send(&self, request: &[u8]) -> Option<Reply> {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address?).await.ok()?;
            stream.write_all(request).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            let (head, body) = answer.split_once("\r\n\r\n")?;
            Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("an answer")
    }

    /// Kills the server by SIGKILL and waits for its end.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends SIGTERM, if the server still runs, and waits for its end.
    pub async fn stop(&mut self) -> End {
        if let Some(id) = self.child.id() {
            let mut kill = Command::new("kill");
            let _ = kill
                .arg(id.to_string())
                .stderr(Stdio::null())
                .status()
                .await;
        }
        self.wait().await
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> End {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.expect("an end").unwrap();
        let log = fs::read_to_string(self.folder.join("log")).unwrap();
        let said: Vec<_> = log.lines().filter(|line| !line.starts_with('{')).collect();
        match (status.code(), &said[..]) {
            (Some(0), []) => End::Stopped,
            (Some(1), [line]) if line.starts_with("flowledger: ") => {
                End::GaveUp((*line).to_owned())
            }
            (None, []) if status.to_string().contains("SIGKILL") => End::Killed,
            _ => panic!("{status}: {log}"),
        }
    }
}
