//! A driver of `tests/conformance`: a program that makes calls with one of the vendor's SDKs.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// A running driver; it ends when its standard input does.
pub struct Driver {
    name: String,
    child: Child,
    calls: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.calls = None;
        let _ = self.child.wait();
    }
}

impl Driver {
    /// Starts a driver that calls the server at `endpoint`: host and port, and a base path if it has one.
    pub fn start(name: &str, endpoint: &str) -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(project.join("tests/conformance/run"))
            .arg(name)
            .env("FLOWLEDGER_ENDPOINT", endpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Driver {
            name: name.to_owned(),
            calls: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Makes a call; its answer or the error answer, as the SDK shows it.
    pub fn call(&mut self, request: &Value) -> Result<Value, Value> {
        let calls = self.calls.as_mut().unwrap();
        calls.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut line = String::new();
        let length = self.answers.read_line(&mut line).unwrap();
        assert!(length > 0, "{} ended at {request:.2000}", self.name);
        let mut answer: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{}: {error}: {line}", self.name));
        match answer.get_mut("Error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["Answer"].take()),
        }
    }
}
