//! The log's writer. It never blocks, fails or panics: lines wait in a bounded buffer for a thread that writes
//! them, and what the buffer or the output does not take is dropped and counted.
//!
//! tracing-appender's non-blocking writer is not used: its buffer is bounded in lines and not in bytes, it does not
//! count lines whose write failed, and its guard prints to standard error when the output is still blocked at the
//! end, which blocks again.

use std::{
    io::{self, ErrorKind, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Bytes of lines that wait to be written: about 5,000 lines, or a quarter of a second at 20,000 requests a second.
const BUFFER_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Pause after each write. The lines of this time are written at once, so that a busy server does not wake the
/// thread for each of them; a killed process loses at most these lines.
const BATCH_PAUSE: Duration = Duration::from_millis(10);

/// Takes lines and returns at once. Share it as `Arc<LogWriter>`, which is a tracing `MakeWriter`.
pub struct LogWriter {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Lines that wait for the thread.
    lines: Vec<u8>,
    /// Whether the thread is writing lines that it has taken.
    writing: bool,
    /// Lines dropped since the start.
    dropped: u64,
}

impl LogWriter {
    /// Starts the thread that writes to `output`. It calls `report` with the number of lines dropped since the
    /// start whenever that number has grown and the output works again; `report` may write to this log.
    ///
    /// # Errors
    /// The system has no thread to spare.
    pub fn start(
        output: impl Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let writer = Arc::new(LogWriter {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_thread = Arc::clone(&writer);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || of_thread.write_lines(output, report))?;
        Ok(writer)
    }

    /// Waits until all lines are written or dropped, but no longer than `limit`. The thread continues after that: an
    /// exit of the process does not wait for it.
    pub fn flush(&self, limit: Duration) {
        let pending = |state: &mut State| state.writing || !state.lines.is_empty();
        let _ = self
            .changed
            .wait_timeout_while(self.state(), limit, pending);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lines(&self, output: impl Write, report: impl Fn(u64)) {
        let mut output = Output {
            inner: output,
            within_line: false,
        };
        let mut taken = Vec::new();
        let mut reported = 0;
        loop {
            let mut state = self.state();
            while state.lines.is_empty() {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            mem::swap(&mut taken, &mut state.lines);
            state.writing = true;
            drop(state);

            let lost = output.write_lines(&taken);
            taken.clear();
            let mut state = self.state();
            state.writing = false;
            state.dropped += lost;
            let dropped = state.dropped;
            drop(state);
            if lost == 0 && dropped > reported {
                reported = dropped;
                report(dropped);
            }
            self.changed.notify_all();
            thread::sleep(BATCH_PAUSE);
        }
    }
}

impl Write for &LogWriter {
    /// Takes or drops all of `line`, which is one log line with its line feed.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if state.lines.len() + line.len() > BUFFER_MAX_BYTES {
            state.dropped += 1;
        } else {
            let thread_waits = state.lines.is_empty();
            state.lines.extend_from_slice(line);
            drop(state);
            if thread_waits {
                self.changed.notify_all();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output that may fail within a line and work again later.
struct Output<W> {
    inner: W,
    /// Whether the last write ended within a line.
    within_line: bool,
}

impl<W: Write> Output<W> {
    /// Returns how many of the lines were not written whole.
    fn write_lines(&mut self, lines: &[u8]) -> u64 {
        let count = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        if self.within_line && self.write(b"\n") == 0 {
            return count(lines);
        }
        let written = self.write(lines);
        self.within_line = written > 0 && lines[written - 1] != b'\n';
        count(&lines[written..])
    }

    /// Returns how many bytes were written before the output failed.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.inner.write(&bytes[written..]) {
                Ok(0) => break,
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Standard error may be non-blocking: a program that shares the terminal can make it so.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(BATCH_PAUSE),
                Err(_) => break,
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn lines_that_a_blocked_output_does_not_take_are_dropped_counted_and_reported() {
        let (read, write) = io::pipe().unwrap();
        let (sender, reports) = std::sync::mpsc::channel();
        let log = LogWriter::start(write, move |dropped| sender.send(dropped).unwrap()).unwrap();
        let line = format!("{}\n", "x".repeat(999));
        let lines = 2 * BUFFER_MAX_BYTES / line.len();
        for _ in 0..lines {
            (&*log).write_all(line.as_bytes()).unwrap();
        }
        log.flush(Duration::from_millis(1));
        let dropped = log.state().dropped;
        assert!(dropped > 0);

        let mut read = BufReader::new(read).lines();
        for _ in 0..lines as u64 - dropped {
            assert_eq!(read.next().unwrap().unwrap() + "\n", line);
        }
        assert_eq!(reports.recv().unwrap(), dropped);
        log.flush(Duration::MAX);
        (&*log).write_all(b"the next line\n").unwrap();
        assert_eq!(read.next().unwrap().unwrap(), "the next line");
    }

    /// Takes `room` bytes, then is full.
    struct Disk {
        room: usize,
        content: Vec<u8>,
    }

    impl Write for &mut Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.content.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn line_after_a_failed_write_begins_on_a_line_of_its_own() {
        let mut disk = Disk {
            room: 8,
            content: Vec::new(),
        };
        let write = |disk: &mut Disk, within_line: &mut bool, lines: &[u8]| {
            let mut output = Output {
                inner: disk,
                within_line: *within_line,
            };
            let lost = output.write_lines(lines);
            *within_line = output.within_line;
            lost
        };
        let mut within_line = false;
        assert_eq!(
            write(&mut disk, &mut within_line, b"first\nsecond\nthird\n"),
            2
        );
        assert_eq!(write(&mut disk, &mut within_line, b"fourth\n"), 1);
        disk.room = 100;
        assert_eq!(write(&mut disk, &mut within_line, b"fifth\n"), 0);
        assert_eq!(disk.content, b"first\nse\nfifth\n");
    }
}
