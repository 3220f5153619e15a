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

/// The folder of what `driver` needs: the drivers of these two languages share theirs.
fn installation(driver: &str) -> &str {
    match driver.split_once('-') {
        Some((language @ ("go" | "java"), _)) => language,
        _ => driver,
    }
}

fn run(driver: &str) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !project
        .join("target/conformance")
        .join(installation(driver))
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

#[test]
fn go_classic() {
    run("go-classic");
}

#[test]
fn go_generic_which_signs_rpc_v1() {
    run("go-generic-rpc");
}

#[test]
fn go_generic_which_signs_acs3() {
    run("go-generic-acs3");
}

#[test]
fn java_classic_which_signs_rpc_v1() {
    run("java-classic-rpc");
}

#[test]
fn java_classic_which_signs_acs3_without_host() {
    run("java-classic-acs3");
}

#[test]
fn java_generic_which_signs_rpc_v1_but_for_empty_values() {
    run("java-generic-rpc");
}

#[test]
fn java_generic_which_signs_acs3() {
    run("java-generic-acs3");
}
