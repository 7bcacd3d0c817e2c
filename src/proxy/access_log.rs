//! One line per request, written by its own thread: a slow terminal or disk never holds a request
//! up. When the queue is full, lines are dropped and counted.

use std::io::{BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Lines that wait to be written; above, they are dropped.
const QUEUE_LINES_MAX: usize = 8_192;

enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

/// The queue's end at which requests drop their lines.
#[derive(Debug)]
pub struct AccessLog {
    queue: SyncSender<Message>,
    dropped: Counter,
}

impl AccessLog {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub fn start(
        registry: &mut Registry,
        out: impl Write + Send + 'static,
    ) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE_LINES_MAX);
        let dropped = Counter::default();
        registry.register(
            "access_log_dropped",
            "Access log lines dropped because the writer was behind",
            dropped.clone(),
        );
        let thread = std::thread::Builder::new().name("access-log".to_owned());
        thread.spawn(move || write_all(&lines, out))?;
        Ok(Self { queue, dropped })
    }

    /// Queues one line, without its end.
    pub fn line(&self, line: String) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Message::Line(line)) {
            self.dropped.inc();
        }
    }

    /// Waits until all lines queued so far are written, at the most `wait`.
    pub fn flush(&self, wait: Duration) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // Too slow a disk loses lines rather than time.
            let _ = written.recv_timeout(wait);
        }
    }
}

/// Writes until the queue's other end is gone. A failing output ends the log, not the process.
fn write_all(lines: &Receiver<Message>, out: impl Write) {
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    let mut ended = false;
    while !ended {
        let Ok(mut message) = lines.recv() else { break };
        loop {
            let written = match message {
                Message::Line(line) => writeln!(out, "{line}"),
                Message::Flush(done) => {
                    let flushed = out.flush();
                    let _ = done.try_send(());
                    flushed
                }
            };
            ended |= written.is_err();
            match lines.try_recv() {
                Ok(next) => message = next,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        // Nothing waits: what is buffered is not kept from a reader.
        ended |= out.flush().is_err();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(buf);
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_by_the_flush() {
        let out = Shared::default();
        let log = AccessLog::start(&mut Registry::default(), out.clone()).expect("a thread");
        for i in 0..100 {
            log.line(format!("line {i}"));
        }
        log.flush(Duration::from_secs(10));
        let text = String::from_utf8(out.0.lock().expect("not poisoned").clone()).expect("text");
        let expected: String = (0..100).map(|i| format!("line {i}\n")).collect();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_stuck_writer_drops_and_counts() {
        struct Stuck(std::sync::mpsc::Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                let _ = self.0.recv();
                Ok(buf.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (release, stuck) = std::sync::mpsc::channel();
        let log = AccessLog::start(&mut Registry::default(), Stuck(stuck)).expect("a thread");
        for _ in 0..QUEUE_LINES_MAX * 3 {
            log.line("x".repeat(200));
        }
        assert!(log.dropped.get() > 0);
        drop(release);
    }
}
