//! Tells the program which version and commit it is: `flowledger --version`.

use std::{env, fs, path::Path, process::Command};

/// Hexadecimal digits of a commit that are shown.
const COMMIT_DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    // A debug build names no commit: everything would be compiled again after each commit.
    let origin = match env::var("PROFILE").as_deref() {
        Ok("debug") => Some("development build".to_owned()),
        _ => commit(),
    };
    let origin = origin.map_or(String::new(), |origin| format!(" ({origin})"));
    println!("cargo::rustc-env=FLOWLEDGER_VERSION={version}{origin}");
}

/// Returns the commit of a source archive or of the git repository, if this is either.
fn commit() -> Option<String> {
    let archived = fs::read_to_string(".archive-commit").unwrap_or_default();
    let commit = if is_commit(&archived) {
        archived
    } else {
        commit_of_repository()?
    };
    commit.get(..COMMIT_DIGITS).map(str::to_owned)
}

fn commit_of_repository() -> Option<String> {
    if !Path::new(".git").exists() {
        return None; // git would name the commit of a repository further up
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // Changes with each commit and checkout.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["rev-parse", "HEAD"]).filter(|commit| is_commit(commit))
}

fn is_commit(text: &str) -> bool {
    let text = text.trim();
    text.len() >= COMMIT_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
