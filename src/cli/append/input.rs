//! Standard input as batches of events.

use std::{
    fs::File,
    io::{self, Seek},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};

use super::parser::{EventText, parse};

/// Events of one append.
const BATCH_EVENTS: usize = 500;
/// Bytes of one append as sent: the body of a request may have 1 MiB.
const BATCH_BYTES: usize = 900 * 1024;
/// Longest wait of a batch that is not full for the next event.
const LINGER: Duration = Duration::from_millis(200);
/// Events that are parsed ahead. Each may have 1 MiB.
const PARSED_EVENTS: usize = 16;

/// Consecutive events, at least one.
pub(super) struct Batch {
    pub(super) events: Vec<EventText>,
}

pub(super) struct Input {
    parsed: mpsc::Receiver<Result<EventText, String>>,
    /// What is wrong after the events that were returned.
    fault: Option<String>,
    /// An event that did not fit into the last batch.
    next_batch: Option<EventText>,
    /// Whether the input ended with an answer that is not the last page of its history.
    is_cut: Arc<AtomicBool>,
    /// The input, if it is a file, and its length in bytes.
    file: Option<(File, u64)>,
}

impl Input {
    /// Parses standard input in a thread of its own, because a read of it cannot be cancelled.
    pub(super) fn new() -> Self {
        let (sender, parsed) = mpsc::channel(PARSED_EVENTS);
        let is_cut = Arc::new(AtomicBool::new(false));
        let parser = Arc::clone(&is_cut);
        thread::spawn(move || {
            let result = parse(io::stdin().lock(), |event| {
                sender.blocking_send(Ok(event)).is_ok()
            });
            match result {
                Ok(is_cut) => parser.store(is_cut, Relaxed),
                // Without a receiver the command has ended.
                Err(fault) => drop(sender.blocking_send(Err(fault))),
            }
        });
        Input {
            parsed,
            fault: None,
            next_batch: None,
            is_cut,
            file: standard_input_file(),
        }
    }

    /// Returns how much of a file was read.
    pub(super) fn percent(&self) -> Option<u64> {
        let (mut file, bytes) = self.file.as_ref().map(|(file, bytes)| (file, *bytes))?;
        let read = file.stream_position().ok()?;
        Some(read.saturating_mul(100).checked_div(bytes)?.min(100))
    }

    /// Whether the input ended with an answer that is not the last page of its history.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Relaxed)
    }

    /// Returns the next events: as many as make a batch, or as come without a pause. None at the end.
    ///
    /// # Errors
    /// The input cannot be read, or is no event from here on; the text names the line. Batches with all events
    /// before it were returned.
    pub(super) async fn batch(&mut self) -> Result<Option<Batch>, String> {
        let mut events = Vec::new();
        let mut bytes = 0;
        while events.len() < BATCH_EVENTS {
            let event = match self.next_batch.take() {
                Some(event) => Some(event),
                None if events.is_empty() => self.next().await?,
                None => match timeout(LINGER, self.next()).await {
                    Ok(Ok(event)) => event,
                    Ok(Err(fault)) => {
                        self.fault = Some(fault); // after this batch
                        break;
                    }
                    Err(_) => break,
                },
            };
            let Some(event) = event else {
                break;
            };
            let length = sent_bytes(&event.json);
            if !events.is_empty() && bytes + length > BATCH_BYTES {
                self.next_batch = Some(event);
                break;
            }
            bytes += length;
            events.push(event);
        }
        Ok((!events.is_empty()).then_some(Batch { events }))
    }

    /// Waits for the next event. A cancelled call loses nothing.
    async fn next(&mut self) -> Result<Option<EventText>, String> {
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => self.parsed.recv().await.transpose(),
        }
    }
}

fn standard_input_file() -> Option<(File, u64)> {
    let file = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok()?;
    metadata.is_file().then_some((file, metadata.len()))
}

/// Returns how many bytes a text takes in a form, with the percent-encoded comma after it.
fn sent_bytes(text: &str) -> usize {
    let pieces = form_urlencoded::byte_serialize(text.as_bytes());
    pieces.map(str::len).sum::<usize>() + 3
}
