//! The vendor's real SDKs against the started program, each by the same scenario:
//! `tests/conformance/scenario.json`. `tests/conformance/setup` installs the SDKs; one that is not installed is
//! skipped with a line that says so, except in CI.

mod driver;
mod scenario;
mod values;

use std::{fs, net::SocketAddr, path::Path};

use flowledger::clock::Clock;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use self::{driver::Driver, scenario::Scenario};
use crate::{
    cli::Process,
    support::{Answer, Call, backend::Backend},
};

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

/// Returns whether what `driver` needs is installed, and says so if it is not. In CI it must be.
pub fn is_installed(driver: &str) -> bool {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = project
        .join("target/conformance")
        .join(installation(driver));
    let installed = folder.join("installed-from").exists();
    if !installed {
        assert!(
            std::env::var_os("CI").is_none(),
            "{driver} is not installed: tests/conformance/setup {driver}"
        );
        eprintln!("SKIPPED {driver}: it is not installed; tests/conformance/setup {driver}");
    }
    installed
}

fn block_on<T>(task: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(task)
}

/// Appends with a call of our own.
fn append(server: SocketAddr, parameters: &Value) {
    let mut call = Call::new("AppendExecutionEvents")
        .key("conformance-admin", "admin-secret")
        .at(Clock::System.now().millis());
    for (name, value) in parameters.as_object().unwrap() {
        call = call.form(name, value.as_str().unwrap());
    }
    let answer = block_on(async {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let request = call.bytes();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &request)
            .await
            .unwrap();
        Answer::read(&mut stream).await
    });
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn run(driver: &str, backend: Backend) {
    if !is_installed(driver) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("keys.toml"), KEYS).unwrap();
    let database = block_on(backend.database());
    let environment = [("DATABASE_URL", database.url.as_str())];
    let server = Process::serve(folder.path(), &["--keys", "keys.toml"], &environment);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/scenario.json");
    let scenario: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let run = Scenario::new(driver, server.address, &scenario, append);
    eprintln!("{driver} ok: {} checks", run.run(&scenario["steps"]));
}

/// Makes a read and a write with an endpoint that has a path.
fn run_below_base_path(driver: &str) {
    if !is_installed(driver) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("keys.toml"), KEYS).unwrap();
    let arguments = ["--keys", "keys.toml", "--base-path", "/history"];
    let server = Process::serve(folder.path(), &arguments, &[]);
    let mut driver = Driver::start(driver, &format!("{}/history", server.address));
    let key = ["conformance-admin", "admin-secret"];
    let create =
        json!({"Name": "f", "Type": "FDL", "Definition": "a definition", "Description": "a flow"});
    for (action, parameters) in [
        ("CreateFlow", create),
        ("DescribeFlow", json!({"Name": "f"})),
    ] {
        let call = json!({"Action": action, "Key": key, "Parameters": parameters});
        assert_eq!(driver.call(&call).unwrap()["Name"], "f", "{action}");
    }
}

#[test]
fn python_tea_reaches_a_base_path_by_rpc_v1() {
    run_below_base_path("python-tea-2.0.1");
}

#[test]
fn python_tea_reaches_a_base_path_by_acs3() {
    run_below_base_path("python-tea-1.0.1");
}

#[test]
fn python_classic_reaches_a_base_path() {
    run_below_base_path("python-classic");
}

#[test]
fn node_reaches_a_base_path() {
    run_below_base_path("node");
}

#[test]
fn go_classic_reaches_a_base_path() {
    run_below_base_path("go-classic");
}

#[test]
fn java_generic_reaches_a_base_path_by_acs3() {
    run_below_base_path("java-generic-acs3");
}

#[test]
fn java_classic_reaches_a_base_path_by_acs3() {
    run_below_base_path("java-classic-acs3");
}

/// Declares the scenario with each driver as a test on each backend.
macro_rules! scenarios {
    ($($test:ident: $driver:literal)+) => {
        mod on_sqlite {
            $(#[test]
            fn $test() {
                super::run($driver, super::Backend::Sqlite);
            })+
        }

        mod on_postgres {
            $(#[test]
            fn $test() {
                if let Some(backend) = super::Backend::postgres() {
                    super::run($driver, backend);
                }
            })+
        }
    };
}

scenarios! {
    python_tea_signs_rpc_v1: "python-tea-2.0.1"
    python_tea_signs_acs3: "python-tea-1.0.1"
    python_classic_signs_rpc_v1: "python-classic"
    node_signs_rpc_v1: "node"
    go_classic_signs_rpc_v1: "go-classic"
    go_generic_signs_rpc_v1: "go-generic-rpc"
    go_generic_signs_acs3: "go-generic-acs3"
    java_classic_signs_rpc_v1: "java-classic-rpc"
    java_classic_signs_acs3_without_host: "java-classic-acs3"
    java_generic_signs_rpc_v1_except_empty_values: "java-generic-rpc"
    java_generic_signs_acs3: "java-generic-acs3"
}
