//! A headless Chromium, driven through chromedriver. `tests/browser/setup` installs both.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for an element or a condition; a page takes far less.
const WAIT_MAX: Duration = Duration::from_secs(60);

pub struct Browser {
    pub client: Client,
    driver: Driver,
}

/// chromedriver; dropping it kills its process group, Chromium included.
struct Driver {
    process: Child,
    profile: TempDir,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill")
            .args(["-s", "KILL", "--", &group])
            .status();
        let _ = self.process.wait();
    }
}

/// The settings of a browser window.
pub struct Window {
    pub width: u32,
    pub height: u32,
    pub scripts: bool,
    /// The time zone, as the variable TZ names it.
    pub zone: &'static str,
}

impl Default for Window {
    fn default() -> Self {
        Window {
            width: 1280,
            height: 900,
            scripts: true,
            zone: "UTC",
        }
    }
}

/// The path of a program in PATH.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(program));
    candidates.find(|path| path.is_file())
}

/// The path of a screenshot or of figures that a test leaves for developers, in target/ui.
pub fn artifact_path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ui");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

impl Browser {
    /// Opens a browser. Returns None, with a line that says so, if none is installed; in CI one must be.
    pub async fn open(window: Window) -> Option<Self> {
        let (Some(chromium), Some(chromedriver)) =
            (installed("chromium"), installed("chromedriver"))
        else {
            let advice =
                "there is no chromium with chromedriver; tests/browser/setup installs both";
            assert!(std::env::var_os("CI").is_none(), "{advice}");
            eprintln!("SKIPPED: {advice}");
            return None;
        };
        let process = Command::new(chromedriver)
            .arg("--port=0")
            .env("TZ", window.zone)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut driver = Driver {
            process,
            profile: tempfile::tempdir().unwrap(),
        };
        let lines = BufReader::new(driver.process.stdout.as_mut().unwrap()).lines();
        let started = "started successfully on port ";
        let port = lines.map(Result::unwrap).find_map(|line| {
            let (_, port) = line.split_once(started)?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let options = json!({
            "binary": chromium,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", "--hide-scrollbars",
                format!("--window-size={},{}", window.width, window.height),
                format!("--user-data-dir={}", driver.profile.path().display()),
            ],
            "prefs": {"profile.managed_default_content_settings.javascript": if window.scripts { 1 } else { 2 }},
            "mobileEmulation": {"deviceMetrics": {
                "width": window.width, "height": window.height, "pixelRatio": 1.0, "mobile": false, "touch": false,
            }},
        });
        let capabilities = json!({"goog:chromeOptions": options});
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!(
                "http://127.0.0.1:{}",
                port.expect("chromedriver starts")
            ))
            .await
            .unwrap();
        Some(Browser { client, driver })
    }

    pub async fn open_url(&self, address: &str) {
        self.client.goto(address).await.unwrap();
    }

    /// Signs in on the current page.
    pub async fn sign_in(&self, key_id: &str, secret: &str) {
        let form = self
            .client
            .form(Locator::Css("form.sign-in"))
            .await
            .unwrap();
        form.set_by_name("key_id", key_id).await.unwrap();
        form.set_by_name("secret", secret).await.unwrap();
        self.click("form.sign-in button.main").await;
    }

    /// Waits for an element.
    pub async fn wait(&self, css: &str) -> fantoccini::elements::Element {
        let wait = self.client.wait().at_most(WAIT_MAX);
        wait.for_element(Locator::Css(css))
            .await
            .unwrap_or_else(|fault| panic!("{css}: {fault}"))
    }

    pub async fn click(&self, css: &str) {
        self.wait(css).await.click().await.unwrap();
    }

    pub async fn text(&self, css: &str) -> String {
        self.wait(css).await.text().await.unwrap()
    }

    /// Runs a script; returns the value of its `return`.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Polls a script until it returns true.
    pub async fn wait_until(&self, script: &str) {
        for _ in 0..WAIT_MAX.as_millis() / 50 {
            if self.run(script).await == true {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never true: {script}");
    }

    /// Sends a key to the focused element.
    pub async fn press(&self, key: &str) {
        let focused = self.client.active_element().await.unwrap();
        focused.send_keys(key).await.unwrap();
    }

    /// Saves a screenshot of the window, or of one element.
    pub async fn save_screenshot(&self, name: &str, element: Option<&str>) {
        let screenshot = match element {
            None => self.client.screenshot().await,
            Some(css) => self.wait(css).await.screenshot().await,
        };
        fs::write(artifact_path(name), screenshot.unwrap()).unwrap();
    }

    pub async fn close(self) {
        self.client.close().await.unwrap();
        drop(self.driver);
    }
}
