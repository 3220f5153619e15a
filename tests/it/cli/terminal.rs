//! Commands whose output is a terminal: tables, help and progress.

use std::{fs::File, io::Read, process::Stdio, thread::JoinHandle};

use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{beside, start};
use crate::support::{Call, Server};

/// A pseudo-terminal.
struct Terminal {
    master: File,
    slave: File,
}

impl Terminal {
    fn open(columns: u16) -> Self {
        // Not the test's controlling terminal: its end would be a signal.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&slave, size).unwrap();
        Terminal {
            master: master.into(),
            slave: slave.into(),
        }
    }

    fn stdio(&self) -> Stdio {
        self.slave.try_clone().unwrap().into()
    }

    /// Reads all that is written to the terminal, until the programs on it have ended.
    fn read_all(self) -> JoinHandle<String> {
        let Terminal { mut master, slave } = self;
        drop(slave);
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let mut piece = [0; 4096];
            // A terminal without programs is an error on Linux.
            while let Ok(length @ 1..) = master.read(&mut piece) {
                text.extend(&piece[..length]);
            }
            String::from_utf8(text).unwrap().replace("\r\n", "\n")
        })
    }
}

/// Runs the program on a terminal with so many columns and returns what it shows, without colours.
async fn shown(server: &Server, arguments: &[&str], columns: u16) -> String {
    let folder = tempfile::tempdir().unwrap();
    let terminal = Terminal::open(columns);
    let mut command = beside(folder.path(), server, arguments, &[("NO_COLOR", "1")]);
    command.env_remove("COLUMNS").stdin(Stdio::null());
    command.stdout(terminal.stdio()).stderr(terminal.stdio());
    let mut child = command.spawn().unwrap();
    drop(command); // it has the terminal open too
    let text = terminal.read_all();
    assert!(child.wait().await.unwrap().success(), "{arguments:?}");
    text.join().unwrap()
}

#[tokio::test]
async fn names_in_tables_are_as_wide_as_the_terminal_allows() {
    let server = Server::with_execution().await;
    let long = format!("order-{}", "x".repeat(60));
    start(&server, &long).await;
    let wide = shown(&server, &["ls", "f"], 120).await;
    assert!(wide.contains(&long), "{wide}");
    assert!(
        wide.lines().all(|line| line.chars().count() <= 120),
        "{wide}"
    );
    let narrow = shown(&server, &["ls", "f"], 72).await;
    assert!(
        narrow.contains("order-x") && narrow.contains('…'),
        "{narrow}"
    );
    assert!(
        narrow.lines().all(|line| line.chars().count() <= 72),
        "{narrow}"
    );

    let flow = format!("flow-{}", "y".repeat(60));
    let create = Call::new("CreateFlow")
        .form("Name", &flow)
        .form("Type", "FDL")
        .form("Definition", "x")
        .form("Description", &"long ".repeat(40));
    server.ok(create.at(server.app.clock.now().millis())).await;
    let wide = shown(&server, &["ls"], 120).await;
    assert!(wide.contains(&flow), "{wide}");
    assert!(
        wide.lines().all(|line| line.chars().count() <= 120),
        "{wide}"
    );
}

#[tokio::test]
async fn table_shows_the_newest_fifty_and_says_that_there_are_more() {
    let server = Server::with_execution().await;
    for n in 0..60 {
        start(&server, &format!("run-{n}")).await;
    }
    let text = shown(&server, &["ls", "f"], 100).await;
    assert_eq!(text.matches("run-").count(), 50, "{text}");
    assert!(text.contains("there are more than the 50"), "{text}");
    let all = shown(&server, &["ls", "f", "--limit", "61"], 100).await;
    assert_eq!(all.lines().count(), 62, "{all}");
}

#[tokio::test]
async fn help_wraps_at_the_width_of_the_terminal() {
    let server = Server::start().await;
    for command in ["serve", "show", "tail", "ls", "append", "call", "check"] {
        for width in [60, 90] {
            let help = shown(&server, &[command, "--help"], width).await;
            let prose = help.split("Examples:").next().unwrap();
            let lines: Vec<_> = prose.lines().collect();
            for (line, next) in lines.iter().zip(&lines[1..]) {
                let columns = line.chars().count();
                // One word cannot be wrapped: an address, for example.
                let wraps = line.trim().contains(' ');
                assert!(!wraps || columns <= width.into(), "{width}: {line}");
                // A paragraph is broken only where the next word does not fit.
                let broken = !line.is_empty() && !line.starts_with(' ') && !next.starts_with(' ');
                if let (true, Some(word)) =
                    (broken, next.split(' ').next().filter(|w| !w.is_empty()))
                {
                    let fits = columns + 1 + word.chars().count() <= width.into();
                    assert!(!fits, "{command} {width}: {line}|{word}");
                }
            }
        }
    }
}

#[tokio::test]
async fn long_append_shows_its_progress_in_place() {
    let server = Server::with_execution().await;
    let folder = tempfile::tempdir().unwrap();
    let terminal = Terminal::open(100);
    let mut command = beside(folder.path(), &server, &["append", "f", "e"], &[]);
    command.env("TERM", "xterm").stderr(terminal.stdio());
    let mut child = command.spawn().unwrap();
    drop(command);
    let text = terminal.read_all();
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..6 {
        let line = json!({"Type": "A"}).to_string() + "\n";
        stdin.write_all(line.as_bytes()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    }
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "6 events, 2 to 7\n"
    );
    let text = text.join().unwrap();
    assert!(text.contains(" events, 2 to "), "{text:?}");
}
