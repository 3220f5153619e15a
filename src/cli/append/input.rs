//! Standard input as batches of events.

use std::{fs::File, io, os::fd::AsFd, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Stdin},
    time::timeout,
};

use super::splitter::{EventText, Splitter};

/// Events of one append.
const BATCH_EVENTS: usize = 500;
/// Bytes of one append as sent: the body of a request may have 1 MiB.
const BATCH_BYTES: usize = 900 * 1024;
/// Longest wait of a batch that is not full for the next event.
const LINGER: Duration = Duration::from_millis(200);

/// Consecutive events, at least one.
pub(super) struct Batch {
    pub(super) events: Vec<EventText>,
}

pub(super) struct Input {
    reader: BufReader<Stdin>,
    splitter: Splitter,
    /// What is wrong after the events that the splitter still has.
    fault: Option<String>,
    at_end: bool,
    /// An event that did not fit into the last batch.
    next_batch: Option<EventText>,
    bytes_read: u64,
    /// Length of the input, if it is a file.
    bytes: Option<u64>,
}

impl Input {
    pub(super) fn new() -> Self {
        let file = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        let file = file.and_then(|file| file.metadata());
        Input {
            reader: BufReader::new(tokio::io::stdin()),
            splitter: Splitter::new(),
            fault: None,
            at_end: false,
            next_batch: None,
            bytes_read: 0,
            bytes: file.ok().filter(|it| it.is_file()).map(|it| it.len()),
        }
    }

    /// Returns how much of a file was read.
    pub(super) fn percent(&self) -> Option<u64> {
        let bytes = self.bytes.filter(|bytes| *bytes > 0)?;
        Some((self.bytes_read.saturating_mul(100) / bytes).min(100))
    }

    /// Whether the input ended with an answer that is not the last page of its history.
    pub(super) fn is_cut(&self) -> bool {
        self.splitter.has_next_token()
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

    /// Reads until an event is complete. A cancelled call loses nothing.
    async fn next(&mut self) -> Result<Option<EventText>, String> {
        loop {
            if let Some(event) = self.splitter.pop() {
                return Ok(Some(event));
            }
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            if self.at_end {
                return Ok(None);
            }
            let piece = self.reader.fill_buf().await;
            let piece = piece.map_err(|e| format!("standard input cannot be read: {e}"))?;
            let length = piece.len();
            let split = match length {
                0 => {
                    self.at_end = true;
                    self.splitter.finish()
                }
                _ => self.splitter.push(piece),
            };
            self.fault = split.err();
            self.reader.consume(length);
            self.bytes_read += length as u64;
        }
    }
}

/// Returns how many bytes a text takes in a form, with the percent-encoded comma after it.
fn sent_bytes(text: &str) -> usize {
    let pieces = form_urlencoded::byte_serialize(text.as_bytes());
    pieces.map(str::len).sum::<usize>() + 3
}
