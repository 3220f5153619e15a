//! Flags and environment, checked once into one struct.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

/// The database of every command that opens one itself, if none is named.
pub const DATABASE_URL: &str = "sqlite://flowledger.db";

/// `flowledger serve`. Each flag can also be an environment variable.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Address and port to listen on
    #[arg(
        long,
        env = "FLOWLEDGER_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,

    /// Database; a missing SQLite file is made
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = DATABASE_URL,
        value_name = "URL"
    )]
    database_url: String,

    /// TOML file of access keys, read again on SIGHUP
    #[arg(long, env = "FLOWLEDGER_KEYS", value_name = "FILE")]
    keys: Option<PathBuf>,

    /// How log lines look; their level is set by RUST_LOG [default: text on a terminal, else json]
    #[arg(long, env = "FLOWLEDGER_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// Serve a few telling executions from a throw-away database, on loopback, with the key demo / demo-secret
    #[arg(long, conflicts_with_all = ["database_url", "keys"])]
    demo: bool,
}

/// How a command reaches a server. The secret of a key is never an argument.
#[derive(Args, Debug)]
pub struct ConnectArgs {
    /// Server to ask: http://HOST:PORT or https://HOST
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

    /// Which of the keys to use, by its id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
}

impl ConnectArgs {
    /// Where the key is, and its id if one is chosen.
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

/// What `serve` needs to know.
pub struct Config {
    pub listen: SocketAddr,
    pub database_url: String,
    pub keys: KeySource,
    pub log_format: Option<LogFormat>,
    pub demo: bool,
}

/// Where access keys come from.
pub struct KeySource {
    /// Id and secret of an admin key.
    pub admin: Option<(String, String)>,
    pub file: Option<PathBuf>,
    /// The file to use, and to make if it is missing, when there is neither of those.
    pub generated: PathBuf,
}

impl KeySource {
    /// Returns the file to read keys from, if there is one besides the environment.
    pub fn path(&self) -> Option<&Path> {
        let generated = self.admin.is_none().then_some(&self.generated);
        self.file.as_ref().or(generated).map(PathBuf::as_path)
    }
}

/// The admin key's variables; a flag would show the secret to everybody on the machine.
const KEY_ID: &str = "FLOWLEDGER_ACCESS_KEY_ID";
const KEY_SECRET: &str = "FLOWLEDGER_ACCESS_KEY_SECRET";

/// The file of the key that the first start makes.
const GENERATED_KEYS: &str = "flowledger.keys.toml";

/// The id and secret that the environment holds, if it does.
fn environment_key() -> Result<Option<(String, String)>, String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (variable(KEY_ID), variable(KEY_SECRET)) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        _ => Err(format!("set both {KEY_ID} and {KEY_SECRET}, or neither")),
    }
}

impl TryFrom<ServeArgs> for Config {
    /// One line that says what to do.
    type Error = String;

    fn try_from(args: ServeArgs) -> Result<Self, String> {
        if args.demo && !args.listen.ip().is_loopback() {
            return Err("--demo has a key that everybody knows: listen on a loopback address, such as 127.0.0.1:8080".into());
        }
        let admin = environment_key()?;
        let generated = beside(&args.database_url, GENERATED_KEYS);
        Ok(Config {
            listen: args.listen,
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

/// `file` in the folder of a SQLite database, or in the current one.
fn beside(database_url: &str, file: &str) -> PathBuf {
    let path = database_url
        .strip_prefix("sqlite:")
        .map(|path| path.strip_prefix("//").unwrap_or(path));
    let path = path.map(|path| path.split_once('?').map_or(path, |(path, _)| path));
    PathBuf::from(path.unwrap_or_default()).with_file_name(file)
}
