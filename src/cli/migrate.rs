//! `flowledger migrate`: brings the schema of a database up to date.

use clap::Args;

use super::terminal::print;
use crate::{clock::Clock, config, store};

#[derive(Args, Debug)]
#[command(after_help = "\
`serve` migrates a SQLite file and a plain PostgreSQL database itself when it starts. Run this for a user who may not \
change tables, and once for Citus, where it also spreads the tables over the workers; there, name the coordinator. \
It can run again.

Examples:
  flowledger migrate --database-url postgres://flowledger@db.example.com/flowledger")]
pub struct MigrateArgs {
    /// Database
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true, // it may have a password
        default_value = config::DATABASE_URL,
        value_name = "URL"
    )]
    database_url: String,
}

/// Migrates the database and prints what it is.
///
/// # Errors
/// One line for the user: the database cannot be migrated, or output fails.
pub async fn run(args: MigrateArgs) -> Result<(), String> {
    let database = store::migrate(&args.database_url, Clock::System.now()).await?;
    print(&format!(
        "{}: schema {} ({})\n",
        database.location, database.schema, database.engine
    ))?;
    Ok(())
}
