//! Flags and environment variables, checked once. Files they name are not read here.

use std::{
    net::{Ipv4Addr, SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

/// Default database of the commands that open one.
pub const DATABASE_URL: &str = "sqlite://flowledger.db";

/// Flags of `flowledger serve`. Each flag can also be an environment variable.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Address and port to listen on: HOST:PORT, or only a port for 127.0.0.1
    #[arg(
        long,
        env = "FLOWLEDGER_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS",
        value_parser = listen_address
    )]
    listen: SocketAddr,

    /// Path below which the API and the pages are served, such as /history, for a reverse proxy that passes it on
    #[arg(
        long,
        env = "FLOWLEDGER_BASE_PATH",
        default_value = "",
        hide_default_value = true,
        value_name = "PATH",
        value_parser = base_path
    )]
    base_path: String,

    /// Database; a missing SQLite file is created
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true, // it may have a password
        default_value = DATABASE_URL,
        value_name = "URL"
    )]
    database_url: String,

    /// TOML file of access keys, read again on SIGHUP
    #[arg(long, env = "FLOWLEDGER_KEYS", value_name = "FILE")]
    keys: Option<PathBuf>,

    /// Format of log lines, whose level is set by RUST_LOG [default: text on a terminal, else json]
    #[arg(long, env = "FLOWLEDGER_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// Serve example executions from a temporary database, on loopback, with the key demo / demo-secret. Ignores the
    /// variables that name another database or other keys
    #[arg(long, conflicts_with_all = ["database_url", "keys"])]
    demo: bool,
}

/// Takes the environment's database and keys from the definition of `serve`, for a run with `--demo`, which has its
/// own. Given as flags they stay an error.
pub fn without_environment(serve: clap::Command) -> clap::Command {
    let without =
        |serve: clap::Command, flag| serve.mut_arg(flag, |arg| arg.env(None::<&'static str>));
    ["database_url", "keys"].into_iter().fold(serve, without)
}

/// Parses the address to listen on: `HOST:PORT`, where HOST is an address or a name, or `:PORT` or `PORT` for
/// 127.0.0.1. A program that shall be reached from other machines must be given their network's address, because a
/// port that was opened by mistake is worse than one that is closed. Of several addresses of a name the first IPv4
/// one is used.
///
/// # Errors
/// The text has another form, or the name cannot be resolved.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let number = port.bytes().all(|digit| digit.is_ascii_digit());
    let port: Option<u16> = port.parse().ok().filter(|_| number);
    let (Some(port), false) = (port, host.contains([':', '/', '[', ']'])) else {
        return Err(
            "use HOST:PORT, such as 127.0.0.1:8080, localhost:8080 or [::1]:8080, or only a port"
                .to_owned(),
        );
    };
    if host.is_empty() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let addresses = (host, port).to_socket_addrs();
    let addresses = addresses.map_err(|e| format!("host '{host}' cannot be found: {e}"))?;
    let addresses: Vec<_> = addresses.collect();
    let ipv4 = addresses.iter().find(|address| address.is_ipv4());
    let address = ipv4.or(addresses.first()).copied();
    address.ok_or_else(|| format!("host '{host}' has no address"))
}

/// Paths of health checks. They are answered without the base path too, for load balancers and containers, which reach
/// the port without the proxy.
pub const HEALTH_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Parses a base path: segments that need no encoding in a URL or a cookie. Returns it without a slash at its end, so
/// that it is empty for the root.
///
/// # Errors
/// The text has another form, or is the path of a health check.
pub fn base_path(text: &str) -> Result<String, String> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(plain);
    let mut segments = path.split('/');
    if segments.next() != Some("") || !segments.all(is_segment) {
        return Err(
            "use a path such as /history: it begins with a slash, and its parts have letters, digits and - . _ ~ only"
                .to_owned(),
        );
    }
    if HEALTH_PATHS.contains(&path) {
        return Err("this is the path of a health check".to_owned());
    }
    Ok(path.to_owned())
}

/// Flags of the commands that call a server. A secret is never an argument: other users of the machine see those.
#[derive(Args, Debug)]
pub struct ConnectArgs {
    /// Server to call: http://HOST:PORT or https://HOST, with the server's base path if it has one
    #[arg(
        long,
        env = "FLOWLEDGER_ENDPOINT",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub endpoint: String,

    /// TOML file of access keys [default: FLOWLEDGER_ACCESS_KEY_ID and _SECRET, else ./flowledger.keys.toml]
    #[arg(long, env = "FLOWLEDGER_KEYS", value_name = "FILE")]
    keys: Option<PathBuf>,

    /// Id of the key to use, if there are several
    #[arg(long, value_name = "ID")]
    key: Option<String>,
}

impl ConnectArgs {
    /// Returns where the keys are, and the id of the key to use if one is chosen.
    ///
    /// # Errors
    /// No key is configured.
    pub fn key(&self) -> Result<(KeySource, Option<String>), String> {
        let admin = environment_key()?;
        let chosen = self
            .key
            .clone()
            .or_else(|| admin.as_ref().map(|(id, _)| id.clone()));
        let source = KeySource {
            admin,
            file: self.keys.clone(),
            generated: GENERATED_KEYS.into(),
        };
        if source.admin.is_none() && source.file.is_none() && !source.generated.exists() {
            return Err(format!(
                "no access key: set {KEY_ID} and {KEY_SECRET}, or name a file with --keys"
            ));
        }
        Ok((source, chosen))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// The configuration of `serve`.
pub struct Config {
    pub listen: SocketAddr,
    /// Empty, or begins with a slash and ends without one.
    pub base_path: String,
    pub database_url: String,
    pub keys: KeySource,
    pub log_format: Option<LogFormat>,
    pub demo: bool,
}

/// Sources of access keys.
pub struct KeySource {
    /// Id and secret of an admin key, from the environment.
    pub admin: Option<(String, String)>,
    pub file: Option<PathBuf>,
    /// The file to use when there is neither of those; `serve` creates it with a first key.
    pub generated: PathBuf,
}

impl KeySource {
    /// Returns the file to read keys from, if there is one besides the environment.
    pub fn path(&self) -> Option<&Path> {
        let generated = self.admin.is_none().then_some(&self.generated);
        self.file.as_ref().or(generated).map(PathBuf::as_path)
    }
}

/// Environment variables of the admin key.
const KEY_ID: &str = "FLOWLEDGER_ACCESS_KEY_ID";
const KEY_SECRET: &str = "FLOWLEDGER_ACCESS_KEY_SECRET";

/// Name of the keys file that the first start of `serve` creates.
const GENERATED_KEYS: &str = "flowledger.keys.toml";

/// Returns id and secret of the admin key in the environment, if there is one.
fn environment_key() -> Result<Option<(String, String)>, String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (variable(KEY_ID), variable(KEY_SECRET)) {
        (Some(id), Some(secret)) => {
            for (name, value) in [(KEY_ID, &id), (KEY_SECRET, &secret)] {
                if value.trim() != value {
                    return Err(format!("{name} begins or ends with white space; remove it"));
                }
            }
            Ok(Some((id, secret)))
        }
        (None, None) => Ok(None),
        _ => Err(format!("set both {KEY_ID} and {KEY_SECRET}, or neither")),
    }
}

impl TryFrom<ServeArgs> for Config {
    /// One line that says what to change.
    type Error = String;

    fn try_from(args: ServeArgs) -> Result<Self, String> {
        if args.demo && !args.listen.ip().is_loopback() {
            return Err(format!(
                "--demo has a key that everybody knows: listen on a loopback address, such as 127.0.0.1:8080; \
                 --listen or FLOWLEDGER_LISTEN is {}",
                args.listen
            ));
        }
        let admin = match args.demo {
            true => None,
            false => environment_key()?,
        };
        let generated = beside(&args.database_url, GENERATED_KEYS);
        Ok(Config {
            listen: args.listen,
            base_path: args.base_path,
            database_url: args.database_url,
            keys: KeySource {
                admin,
                file: args.keys,
                generated,
            },
            log_format: args.log_format,
            demo: args.demo,
        })
    }
}

/// Returns `file` in the folder of a SQLite database, or else in the current folder.
fn beside(database_url: &str, file: &str) -> PathBuf {
    let path = database_url
        .strip_prefix("sqlite:")
        .map(|path| path.strip_prefix("//").unwrap_or(path));
    let path = path.map(|path| path.split_once('?').map_or(path, |(path, _)| path));
    PathBuf::from(path.unwrap_or_default()).with_file_name(file)
}
