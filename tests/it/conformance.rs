//! The vendor's real SDKs against the started program. `tests/conformance/setup` installs them; what is
//! not installed is skipped with a visible line, but not in CI.

use std::{fs, path::Path, process::Command};

use crate::cli::Process;

const KEYS: &str = r#"
[[key]]
id = "conformance-admin"
secret = "admin-secret"
role = "admin"

[[key]]
id = "conformance-reader"
secret = "reader-secret"
role = "reader"
flows = ["reader-*"]
"#;

fn run(driver: &str) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !project
        .join("target/conformance")
        .join(driver)
        .join("installed-from")
        .exists()
    {
        assert!(
            std::env::var_os("CI").is_none(),
            "{driver} is not installed: tests/conformance/setup {driver}"
        );
        eprintln!("SKIPPED {driver}: it is not installed; tests/conformance/setup {driver}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("keys.toml"), KEYS).unwrap();
    let server = Process::serve(folder.path(), &["--keys", "keys.toml"], &[]);
    let output = Command::new(project.join("tests/conformance/run"))
        .arg(driver)
        .env("FLOWLEDGER_ENDPOINT", server.address.to_string())
        .env("FLOWLEDGER_ACCESS_KEY_ID", "conformance-admin")
        .env("FLOWLEDGER_ACCESS_KEY_SECRET", "admin-secret")
        .env("FLOWLEDGER_READER_KEY_ID", "conformance-reader")
        .env("FLOWLEDGER_READER_KEY_SECRET", "reader-secret")
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{driver}: {stdout}\n{stderr}");
    let last = stdout.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("ok: "),
        "{driver} ended without its closing line: {stdout}"
    );
    eprintln!("{driver} {last}");
}

#[test]
fn python_tea_which_signs_rpc_v1() {
    run("python-tea-2.0.1");
}

#[test]
fn python_tea_which_signs_acs3() {
    run("python-tea-1.0.1");
}

#[test]
fn python_classic() {
    run("python-classic");
}

#[test]
fn node() {
    run("node");
}
