//! `serve` as it is run: what it prints, which files it makes, signals, exit codes, log lines.

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
    /// What it printed until it served.
    pub printed: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, run in `folder`, without settings of whoever runs the tests.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowledger"));
    for variable in [
        "DATABASE_URL",
        "RUST_LOG",
        "FLOWLEDGER_ACCESS_KEY_ID",
        "FLOWLEDGER_ACCESS_KEY_SECRET",
        "FLOWLEDGER_ENDPOINT",
        "FLOWLEDGER_KEYS",
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
    /// Runs `serve` on a free port in `folder` and waits until it says where it listens. Its log goes to
    /// the file `log` there.
    pub fn serve(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        let mut command = command(folder, &["serve", "--listen", "127.0.0.1:0"]);
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        let address = loop {
            let from = printed.len();
            assert!(
                stdout.read_line(&mut printed).unwrap() > 0,
                "it ended: {}",
                fs::read_to_string(folder.join("log")).unwrap()
            );
            if let Some((_, rest)) = printed[from..].split_once("http://") {
                break rest.split_whitespace().next().unwrap().parse().unwrap();
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

    /// Stops all of its threads where they are; those within a system call do not come back from it.
    pub fn freeze(&self) {
        self.signal("STOP");
        let threads = format!("/proc/{}/task", self.child.id());
        let frozen = |thread: fs::DirEntry| {
            let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else {
                return true; // it has ended
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

    /// Stops it with this signal; answers its exit code and whatever else it printed.
    pub fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let code = self.child.wait().unwrap().code();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (code, rest)
    }

    fn send(&self, request: &[u8]) -> String {
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

    /// The code with which a call by this key is answered, `OK` if it is not refused.
    fn code(&self, key: (&str, &str)) -> String {
        let now = flowledger::clock::Clock::System.now().millis();
        let nonce = format!("{}-{now}", seconds(now));
        let call = Call::new("DescribeFlow")
            .query("Name", "none")
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

fn fails(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let Output { status, stderr, .. } = command(folder, arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// Exists, is refused nothing but the flow that is not there.
const KNOWN: &str = "FlowNotExists";

#[test]
fn the_demo_serves_and_says_what_to_type() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--demo"], &[]);
    assert_eq!(server.code(("demo", "demo-secret")), KNOWN);
    let address = server.address.to_string();
    let (code, rest) = server.stop("TERM");
    assert_eq!(code, Some(0));
    for snippet in [
        "alibabacloud_fnf20190315",
        "aliyunsdkfnf",
        "@alicloud/fnf-2019-03-15",
        &address,
    ] {
        assert!(rest.contains(snippet), "{rest}");
    }
    // The README shows the same code, for the usual address.
    let readme = include_str!("../../../README.md");
    let (_, code) = rest.split_once("\n# Python").unwrap();
    let (code, _) = code.split_once("\nCtrl-C").unwrap();
    let lines = code.lines().skip(1).filter(|line| !line.is_empty());
    for line in lines.filter(|line| !line.starts_with("# ") && !line.starts_with("// ")) {
        let line = line.replace(&address, "127.0.0.1:8080");
        assert!(
            readme.contains(&format!("\n{line}\n")),
            "the README lacks: {line}"
        );
    }
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(left, ["log"], "the demo leaves nothing behind");
}

#[test]
fn the_first_start_makes_a_key_that_later_starts_use() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[], &[]);
    let words: Vec<&str> = server.printed.split_whitespace().collect();
    let after = |word| words[words.iter().position(|found| *found == word).unwrap() + 1].to_owned();
    let (id, secret) = (after("id"), after("secret"));
    assert_eq!(server.code((&id, &secret)), KNOWN);
    assert_eq!(server.stop("INT").0, Some(0));

    let file = folder.path().join("flowledger.keys.toml");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(folder.path().join("flowledger.db").exists());
    let server = Process::serve(folder.path(), &[], &[]);
    assert!(!server.printed.contains(&secret), "it is shown once");
    assert_eq!(server.code((&id, &secret)), KNOWN);
    assert_eq!(server.code((&id, "other")), "SignatureNotMatch");
}

#[test]
fn the_environments_key_is_an_admins_and_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = [
        ("FLOWLEDGER_ACCESS_KEY_ID", "ops"),
        ("FLOWLEDGER_ACCESS_KEY_SECRET", "s3cret"),
    ];
    let server = Process::serve(
        folder.path(),
        &["--database-url", "sqlite://other.db"],
        &key,
    );
    assert_eq!(server.code(("ops", "s3cret")), KNOWN);
    assert!(!folder.path().join("flowledger.keys.toml").exists());
    assert!(folder.path().join("other.db").exists());
}

#[test]
fn sighup_reads_the_keys_file_again_and_a_broken_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    let entry =
        |id: &str| format!("[[key]]\nid = \"{id}\"\nsecret = \"top-secret\"\nrole = \"reader\"\n");
    fs::write(&keys, entry("one")).unwrap();
    let server = Process::serve(folder.path(), &["--keys", "keys.toml"], &[]);
    assert_eq!(server.code(("one", "top-secret")), KNOWN);

    let reread = |text: &str, expected: &str| {
        fs::write(&keys, text).unwrap();
        let lines = || {
            fs::read_to_string(folder.path().join("log"))
                .unwrap()
                .matches(expected)
                .count()
        };
        let before = lines();
        server.signal("HUP");
        while lines() == before {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    let two = entry("two") + &entry("spare");
    reread(&two, r#""message":"keys read again","keys":2"#);
    assert_eq!(
        (
            server.code(("one", "top-secret")),
            server.code(("two", "top-secret"))
        ),
        ("InvalidAccessKeyID".to_owned(), KNOWN.to_owned())
    );
    reread(
        "[[key]]\nid = \"three\"\nsecret = \"top-secret\nrole = \"reader\"",
        "the keys stay as they were",
    );
    reread(
        &entry("four").replace("reader", "king"),
        "the keys stay as they were",
    );
    assert_eq!(server.code(("two", "top-secret")), KNOWN);
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("top-secret"), "no secret in the log");
}

#[test]
fn wrong_usage_ends_with_2_and_a_failure_with_1_and_one_line() {
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
            "a store of kind 'mysql' is not known; use sqlite://FILE",
        ),
        (
            &["--database-url", "sqlite://no/such/folder.db"],
            &[],
            "cannot be made",
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
}

#[test]
fn a_second_process_on_the_same_file_or_port_says_so() {
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
fn health_asks_the_server() {
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

#[test]
fn every_request_is_one_log_line_without_secrets_queries_or_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let key = [
        ("FLOWLEDGER_ACCESS_KEY_ID", "ops"),
        ("FLOWLEDGER_ACCESS_KEY_SECRET", "s3cret"),
    ];
    let server = Process::serve(folder.path(), &[], &key);
    server.code(("ops", "s3cret"));
    server.send(
        &Call::new("X\n\u{1b}[31m")
            .query("FlowName", "a\r\nb\u{1b}")
            .query("Note", "in-the-query")
            .bytes(),
    );
    server.send(b"GET /nowhere?Note=in-the-query HTTP/1.1\r\nHost: x\r\n\r\n");
    server.stop("TERM");
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let requests: Vec<_> = lines
        .iter()
        .filter(|line| line.get("request.id").is_some())
        .collect();
    let field = |name: &str| {
        requests
            .iter()
            .map(|line| line[name].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        field("code"),
        ["FlowNotExists", "InvalidAccessKeyID", "InvalidArgument"]
    );
    assert_eq!(field("action"), ["DescribeFlow", "", ""]);
    assert_eq!(field("flow.name"), ["none", "a\\r\\nb\\u{1b}", ""]);
    assert!(requests.iter().all(|line| {
        line["elapsed_ms"]
            .as_f64()
            .is_some_and(|elapsed| elapsed < 10_000.0)
    }));
    for hidden in ["s3cret", "in-the-query", "Signature=", "\u{1b}"] {
        assert!(!log.contains(hidden), "{hidden:?} in {log}");
    }
}
