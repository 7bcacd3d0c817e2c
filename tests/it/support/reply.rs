//! What an origin answers: a small script of bytes, gates and pauses.

use super::gate::Gate;
use super::head::{Headers, wire_bytes};
use super::wait::think;
use super::wire::Wire;
use bytes::Bytes;
use std::io;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Send(Bytes),
    /// That many bytes of filler.
    Fill(u64),
    /// Filler until the other side has enough.
    Endless,
    Wait(Gate),
    Think(Duration),
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    /// A `Content-Length` that is the sum of what is sent.
    Exact,
    /// A `Content-Length` that may be a lie.
    Claimed(u64),
    Chunked,
    /// Ended by closing.
    UntilClose,
    /// No head at all: the steps are everything.
    Raw,
}

/// What becomes of the connection after the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    KeepAlive,
    Close,
    Hang,
}

#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Headers,
    framing: Framing,
    before: Vec<Step>,
    steps: Vec<Step>,
    after: After,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        let (headers, framing, after) = (Headers::default(), Framing::Exact, After::KeepAlive);
        Self {
            status,
            headers,
            framing,
            before: Vec::new(),
            steps: Vec::new(),
            after,
        }
    }

    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::status(200).body(body)
    }

    /// A 200 that may be kept for a minute.
    pub fn cacheable(body: impl Into<Bytes>) -> Self {
        Self::ok(body).header("Cache-Control", "max-age=60")
    }

    pub fn chunked() -> Self {
        Self {
            framing: Framing::Chunked,
            ..Self::status(200)
        }
    }

    /// Exactly these bytes instead of an answer, then a close.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self {
            framing: Framing::Raw,
            ..Self::status(0)
        }
        .body(bytes)
        .then_close()
    }

    /// Takes the request and never says a word.
    pub fn silence() -> Self {
        Self {
            framing: Framing::Raw,
            after: After::Hang,
            ..Self::status(0)
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }

    /// More bytes of the body; one chunk each when chunked.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Send(body.into()));
        self
    }

    pub fn filler(mut self, bytes: u64) -> Self {
        self.steps.push(Step::Fill(bytes));
        self
    }

    /// A body without an end.
    pub fn endless(mut self) -> Self {
        self.steps.push(Step::Endless);
        self
    }

    /// What follows in the body waits for the gate.
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    /// The head waits for the gate.
    pub fn held(mut self, gate: &Gate) -> Self {
        self.before.push(Step::Wait(gate.clone()));
        self
    }

    /// The time the app takes before its head.
    pub fn after(mut self, time: Duration) -> Self {
        self.before.push(Step::Think(time));
        self
    }

    /// A `Content-Length` that is not what is sent.
    pub fn claim_length(mut self, length: u64) -> Self {
        self.framing = Framing::Claimed(length);
        self
    }

    pub fn until_close(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self.then_close()
    }

    /// Closes after the last byte, without ending a chunked body.
    pub fn then_close(mut self) -> Self {
        self.after = After::Close;
        self
    }

    /// Keeps the connection and says no more, without ending a chunked body.
    pub fn then_hang(mut self) -> Self {
        self.after = After::Hang;
        self
    }

    /// Plays the script; whether the connection lives on.
    pub(super) async fn play(&self, wire: &mut Wire, method: &str) -> io::Result<bool> {
        for step in &self.before {
            self.step(step, wire).await?;
        }
        if !matches!(self.framing, Framing::Raw) {
            wire.write(&self.head()).await?;
        }
        let bodiless = method == "HEAD" || matches!(self.status, 204 | 304);
        if !bodiless {
            for step in &self.steps {
                self.step(step, wire).await?;
            }
            if matches!(self.framing, Framing::Chunked) && self.after == After::KeepAlive {
                wire.write(b"0\r\n\r\n").await?;
            }
        }
        if self.after == After::Hang {
            std::future::pending::<()>().await;
        }
        Ok(self.after == After::KeepAlive)
    }

    async fn step(&self, step: &Step, wire: &mut Wire) -> io::Result<()> {
        match step {
            Step::Send(bytes) => self.send(wire, bytes).await?,
            Step::Fill(bytes) => {
                let filler = [b'.'; 32 * 1024];
                let mut left = *bytes;
                while left > 0 {
                    let now = left.min(filler.len() as u64);
                    self.send(wire, &filler[..usize::try_from(now).expect("small")])
                        .await?;
                    left -= now;
                }
            }
            Step::Endless => loop {
                self.send(wire, &[b'.'; 1024]).await?;
                think(Duration::from_millis(5)).await;
            },
            Step::Wait(gate) => gate.passed().await,
            Step::Think(time) => think(*time).await,
        }
        Ok(())
    }

    async fn send(&self, wire: &mut Wire, bytes: &[u8]) -> io::Result<()> {
        if !matches!(self.framing, Framing::Chunked) {
            return wire.write(bytes).await;
        }
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        wire.write(&chunk).await
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Some Reason\r\n", self.status);
        for (name, value) in self.headers.iter() {
            head += &format!("{name}: {value}\r\n");
        }
        match self.framing {
            Framing::Exact if self.status == 204 || self.headers.has("content-length") => {}
            Framing::Exact => head += &format!("Content-Length: {}\r\n", self.length()),
            Framing::Claimed(length) => head += &format!("Content-Length: {length}\r\n"),
            Framing::Chunked => head += "Transfer-Encoding: chunked\r\n",
            Framing::UntilClose => head += "Connection: close\r\n",
            Framing::Raw => {}
        }
        head += "\r\n";
        wire_bytes(&head)
    }

    fn length(&self) -> u64 {
        let lengths = self.steps.iter().map(|step| match step {
            Step::Send(bytes) => bytes.len() as u64,
            Step::Fill(bytes) => *bytes,
            _ => 0,
        });
        lengths.sum()
    }
}
