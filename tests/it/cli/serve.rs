//! `flowledger serve` as a process: starting and stopping it, exit codes and messages.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Call, call::seconds};

/// A running `flowledger serve` that is killed when the test ends.
pub struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub address: SocketAddr,
    /// What it printed until it listened.
    pub printed: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the program, to be run in `folder` without the environment's settings.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowledger"));
    for variable in [
        "DATABASE_URL",
        "RUST_LOG",
        "FLOWLEDGER_ACCESS_KEY_ID",
        "FLOWLEDGER_ACCESS_KEY_SECRET",
        "FLOWLEDGER_BASE_PATH",
        "FLOWLEDGER_ENDPOINT",
        "FLOWLEDGER_KEYS",
        "FLOWLEDGER_LISTEN",
        "NO_COLOR",
        "CLICOLOR_FORCE",
    ] {
        command.env_remove(variable);
    }
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

impl Process {
    /// Runs `serve` on a free port in `folder` and waits until it says where it listens. Its log is the file
    /// `log` there.
    pub fn serve(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        Process::serve_with_stderr(folder, arguments, environment, log)
    }

    /// Runs `serve` with a standard error other than the file `log`.
    pub(super) fn serve_with_stderr(
        folder: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        stderr: impl Into<Stdio>,
    ) -> Self {
        let arguments = [&["--listen", "127.0.0.1:0"][..], arguments].concat();
        Process::spawn(folder, &arguments, environment, stderr)
    }

    /// Runs `serve` with these arguments only.
    fn spawn(
        folder: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        stderr: impl Into<Stdio>,
    ) -> Self {
        let mut command = command(folder, &["serve"]);
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        let address = loop {
            let from = printed.len();
            assert!(
                stdout.read_line(&mut printed).unwrap() > 0,
                "it ended: {}",
                fs::read_to_string(folder.join("log")).unwrap_or_default()
            );
            if let Some((_, rest)) = printed[from..].split_once("http://") {
                break rest
                    .split(['/', ' ', '\n'])
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap();
            }
        };
        Process {
            child,
            stdout,
            address,
            printed,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, name: &str) {
        let signal = match name {
            "TERM" => Signal::TERM,
            "INT" => Signal::INT,
            "HUP" => Signal::HUP,
            "STOP" => Signal::STOP,
            _ => panic!("{name}"),
        };
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Suspends all of its threads; those in a system call do not return from it.
    pub fn freeze(&self) {
        self.signal("STOP");
        let threads = format!("/proc/{}/task", self.child.id());
        let frozen = |thread: fs::DirEntry| {
            let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else {
                return true; // it ended
            };
            let (_, state) = stat.rsplit_once(") ").unwrap();
            state.starts_with(['T', 'D'])
        };
        while !fs::read_dir(&threads)
            .unwrap()
            .all(|thread| frozen(thread.unwrap()))
        {
            std::thread::yield_now();
        }
    }

    /// Stops it with this signal. Returns its exit code and the rest of what it printed.
    pub fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let code = self.child.wait().unwrap().code();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (code, rest)
    }

    pub(super) fn send(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let (head, body) = request.split_at(
            request
                .windows(4)
                .position(|end| end == b"\r\n\r\n")
                .unwrap(),
        );
        stream
            .write_all(&[head, b"\r\nConnection: close", body].concat())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Returns the error code of a call with this key, `OK` if there is none.
    pub(super) fn code(&self, key: (&str, &str)) -> String {
        let now = flowledger::clock::Clock::System.now().millis();
        let nonce = format!("{}-{now}", seconds(now));
        let call = Call::new("DescribeFlow")
            .query("Name", "none")
            .host(&self.address.to_string())
            .key(key.0, key.1)
            .at(now)
            .nonce(&nonce);
        let answer = self.send(&call.bytes());
        let code = answer
            .split_once("\"Code\":\"")
            .map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
        code.unwrap_or("OK".to_owned())
    }
}

pub(super) fn fails(
    folder: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (i32, String) {
    let Output { status, stderr, .. } = command(folder, arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// Code of a call with a valid key: the flow does not exist.
pub(super) const KNOWN: &str = "FlowNotExists";

#[test]
fn wrong_usage_ends_with_2_and_failure_with_1_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(
        here.join("foreign.db"),
        "This is somebody's diary, and no database at all.".repeat(100),
    )
    .unwrap();
    fs::write(
        here.join("bad.toml"),
        "[[key]]\nid = \"a\"\nsecret = \"hush\"\nrole = 5\n",
    )
    .unwrap();
    // Readable by others, it would cause a warning too.
    fs::set_permissions(here.join("bad.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    for arguments in [
        &["serve", "--nonsense"][..],
        &["serve", "--listen", "here"],
        &[],
        &["serve", "--demo", "--keys", "x"],
    ] {
        assert_eq!(fails(here, arguments, &[]).0, 2, "{arguments:?}");
    }
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    for (arguments, environment, expected) in [
        (
            &["--database-url", "sqlite://foreign.db"][..],
            &[][..],
            "foreign.db: it is not a SQLite file; name another one",
        ),
        (
            &["--database-url", "mysql://x"],
            &[],
            "a store of kind 'mysql' is not known; use sqlite://FILE or postgres://… in --database-url or the variable DATABASE_URL",
        ),
        (
            &[],
            &[("DATABASE_URL", "postgres://app:hush@db:port/app")],
            "the database URL is not one of PostgreSQL",
        ),
        (
            &["--database-url", "sqlite://no/such/folder.db"],
            &[],
            "cannot be opened: folder 'no/such' does not exist; create it first",
        ),
        (
            &["--keys", "missing.toml"],
            &[],
            "missing.toml: No such file",
        ),
        (&["--keys", "bad.toml"], &[], "bad.toml: "),
        (
            &["--database-url", "sqlite://:memory:"],
            &[],
            "must name a file",
        ),
        (
            &[],
            &[("FLOWLEDGER_ACCESS_KEY_ID", "x")],
            "set both FLOWLEDGER_ACCESS_KEY_ID and FLOWLEDGER_ACCESS_KEY_SECRET, or neither",
        ),
        (
            &[],
            &[
                ("FLOWLEDGER_ACCESS_KEY_ID", "x"),
                ("FLOWLEDGER_ACCESS_KEY_SECRET", "hush\r"),
            ],
            "FLOWLEDGER_ACCESS_KEY_SECRET begins or ends with white space; remove it",
        ),
    ] {
        let (code, stderr) = fails(here, &[&serve[..], arguments].concat(), environment);
        assert_eq!((code, stderr.lines().count()), (1, 1), "{stderr}");
        assert!(
            stderr.starts_with("flowledger: ") && stderr.contains(expected),
            "{stderr}"
        );
        assert!(!stderr.contains("hush"), "{stderr}");
    }
    let (code, stderr) = fails(here, &["serve", "--demo", "--listen", "0.0.0.0:0"], &[]);
    assert!(
        code == 1 && stderr.contains("listen on a loopback address"),
        "{stderr}"
    );
    let everywhere = [("FLOWLEDGER_LISTEN", "0.0.0.0:0")];
    let (code, stderr) = fails(here, &["serve", "--demo"], &everywhere);
    assert!(
        code == 1 && stderr.contains("FLOWLEDGER_LISTEN is 0.0.0.0:0"),
        "{stderr}"
    );
}

#[test]
fn address_to_listen_on_may_be_a_name_or_only_a_port() {
    let folder = tempfile::tempdir().unwrap();
    for (address, host) in [
        ("localhost:0", "127.0.0.1:"),
        (":0", "127.0.0.1:"),
        ("0", "127.0.0.1:"),
        ("127.0.0.1:0", "127.0.0.1:"),
        ("[::1]:0", "[::1]:"),
    ] {
        let listen = [("FLOWLEDGER_LISTEN", address)];
        for (arguments, environment) in [(&["--listen", address][..], &[][..]), (&[], &listen[..])]
        {
            let server = Process::spawn(folder.path(), arguments, environment, Stdio::null());
            let served = server.address.to_string();
            assert!(served.starts_with(host), "{address}: {served}");
            // `health` reads the same variable.
            let port = server.address.port().to_string();
            let listen = served.replace("127.0.0.1:", "localhost:");
            for address in [&listen, &served] {
                let health = command(folder.path(), &["health", "--listen", address]);
                assert!({ health }.status().unwrap().success(), "{address}");
            }
            if host == "127.0.0.1:" {
                let health = command(folder.path(), &["health", "--listen", &port]);
                assert!({ health }.status().unwrap().success());
            }
            assert_eq!(server.stop("TERM").0, Some(0));
        }
    }
    for address in [
        "here",
        "localhost",
        "127.0.0.1",
        "::1:80",
        "[::1]",
        "http://localhost:80",
        "1:2:3",
        "localhost:",
        "localhost:70000",
        "+80",
        "",
        "no.such.host.invalid:80",
    ] {
        let (code, stderr) = fails(folder.path(), &["serve", "--listen", address], &[]);
        assert_eq!(code, 2, "{address}: {stderr}");
        assert!(
            stderr.contains("use HOST:PORT") || stderr.contains("cannot be found"),
            "{address}: {stderr}"
        );
    }
}

#[test]
fn second_process_on_the_same_file_or_port_ends_with_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[], &[]);
    let (code, stderr) = fails(folder.path(), &["serve", "--listen", "127.0.0.1:0"], &[]);
    assert_eq!(
        (code, stderr.as_str()),
        (
            1,
            "flowledger: flowledger.db: another process has it open; stop that one first\n"
        )
    );
    let address = server.address.to_string();
    let (code, stderr) = fails(folder.path(), &["serve", "--listen", &address], &[]);
    assert!(
        code == 1 && stderr.contains("choose another with --listen"),
        "{stderr}"
    );
}

#[test]
fn health_reports_whether_the_server_answers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[], &[]);
    let address = server.address.to_string();
    let ask = || {
        command(folder.path(), &["health", "--listen", &address])
            .output()
            .unwrap()
    };
    assert!(ask().status.success());
    server.stop("TERM");
    let after = ask();
    assert_eq!(after.status.code(), Some(1));
    assert!(
        String::from_utf8(after.stderr)
            .unwrap()
            .contains("does not answer")
    );
}
