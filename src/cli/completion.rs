//! `flowledger completion`: prints a completion script for a shell.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::terminal::print;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowledger completion bash > ~/.local/share/bash-completion/completions/flowledger
  flowledger completion zsh > \"${fpath[1]}/_flowledger\"
  flowledger completion fish > ~/.config/fish/completions/flowledger.fish")]
pub struct CompletionArgs {
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &CompletionArgs, mut command: Command) -> Result<(), String> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "flowledger", &mut script);
    print(&String::from_utf8_lossy(&script)).map(drop)
}
