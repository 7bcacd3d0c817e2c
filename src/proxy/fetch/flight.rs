//! One fetch under way, as its readers see it: a head that arrives once, a body that grows, an end.
//!
//! The writer is the fetch's own task; readers come and go without disturbing it or one another.
//! A body that is being stored stays whole in here, bounded by the largest object that is stored,
//! so that a slow reader holds nobody up. A body that turns out too large to be stored keeps only a
//! window of what its readers have not read yet, and the writer waits for them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use pingora::http::ResponseHeader;
use tokio::sync::Notify;

use crate::cache::entry::Entry;
use crate::reason::Reason;

/// Interim answers that are passed on; the app's further ones are dropped.
const INTERIM_MAX: usize = 8;

/// Unread bytes that a body too large to be stored may hold.
const WINDOW_BYTES: usize = 1024 * 1024;

/// What became of the fetch's head.
#[derive(Clone)]
pub(in crate::proxy) enum Head {
    /// The answer may be shared; its body follows.
    Shared(Arc<Answer>),
    /// The app has said that this stored answer still holds.
    Validated(Arc<Entry>),
    /// It may not: who waits asks the app on its own, unless the status is that of a failing app and
    /// something stored comes to the rescue.
    Unshared(Option<StatusCode>),
    /// There is none.
    Failed(Failure),
}

/// What a reader gets before the body.
pub(in crate::proxy) enum Heard {
    /// An interim answer; more is to come.
    Interim(Box<ResponseHeader>),
    /// What became of the final one.
    Head(Head),
}

/// The head of an answer that is shared.
pub(in crate::proxy) struct Answer {
    /// The head for clients, hop-by-hop fields removed.
    pub(in crate::proxy) response: ResponseHeader,
    /// The entry to be, without its body: says who may have the answer.
    pub(in crate::proxy) entry: Entry,
}

/// Why a fetch failed, in terms of the error page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) struct Failure {
    /// The status for clients.
    pub(in crate::proxy) status: u16,
    /// The reason for everybody.
    pub(in crate::proxy) reason: Reason,
}

/// What a reader gets next.
pub(in crate::proxy) enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// The body is complete.
    End,
    /// The body broke off: what was read is not all.
    Broken,
}

/// What became of a body that a reader waited for.
pub(in crate::proxy) enum Ended {
    /// It is all there: the whole answer. `None`: it was too large to be kept together.
    Complete(Option<Arc<Entry>>),
    /// It broke off.
    Broken,
    /// It is too large to be stored, and must be read to go on.
    Windowed,
}

#[derive(Clone)]
enum End {
    Complete(Option<Arc<Entry>>),
    Broken,
}

struct State {
    /// Heads before the final one (RFC 9110 §15.2).
    interim: Vec<ResponseHeader>,
    head: Option<Head>,
    /// The body's pieces, from number `first` on.
    pieces: VecDeque<Bytes>,
    first: usize,
    end: Option<End>,
    /// By reader: the number of the next piece it reads.
    readers: HashMap<u64, usize>,
    next_reader: u64,
    /// Read pieces are given up, because the body is not stored.
    windowed: bool,
}

/// A fetch under way.
pub(in crate::proxy) struct Flight {
    /// The purge sequence that held before the app was asked.
    pub(in crate::proxy) sequence: u64,
    state: Mutex<State>,
    /// The writer has something new.
    grown: Notify,
    /// A reader has moved on or left.
    read: Notify,
}

impl Flight {
    pub(in crate::proxy) fn new(sequence: u64) -> Arc<Self> {
        let state = State {
            interim: Vec::new(),
            head: None,
            pieces: VecDeque::new(),
            first: 0,
            end: None,
            readers: HashMap::new(),
            next_reader: 0,
            windowed: false,
        };
        let (grown, read) = (Notify::new(), Notify::new());
        Arc::new(Self {
            sequence,
            state: Mutex::new(state),
            grown,
            read,
        })
    }

    /// A reader from the first piece on. `None` when pieces were given up already.
    pub(in crate::proxy) fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.lock();
        if state.windowed {
            return None;
        }
        let id = state.next_reader;
        state.next_reader += 1;
        state.readers.insert(id, 0);
        Some(Reader {
            flight: self.clone(),
            id,
        })
    }

    /// Passes an interim answer on.
    pub(super) fn push_interim(&self, head: ResponseHeader) {
        {
            let mut state = self.lock();
            if state.interim.len() == INTERIM_MAX {
                return;
            }
            state.interim.push(head);
        }
        self.grown.notify_waiters();
    }

    /// Tells what became of the head; once.
    pub(super) fn set_head(&self, head: Head) {
        self.lock().head.get_or_insert(head);
        self.grown.notify_waiters();
    }

    /// Appends to the body.
    pub(super) fn push(&self, piece: Bytes) {
        self.lock().pieces.push_back(piece);
        self.grown.notify_waiters();
    }

    /// The body is complete with this last piece. Both at once: a client that has got the length it was
    /// told sends its next request, which must not be taken for part of this one. `whole` is the answer
    /// with its body, unless that was too large.
    pub(super) fn complete(&self, last: Option<Bytes>, whole: Option<Arc<Entry>>) {
        {
            let mut state = self.lock();
            state.pieces.extend(last);
            state.end.get_or_insert(End::Complete(whole));
        }
        self.grown.notify_waiters();
    }

    /// The body broke off, unless it has ended already.
    pub(super) fn break_off(&self) {
        self.lock().end.get_or_insert(End::Broken);
        self.grown.notify_waiters();
    }

    /// From now on read pieces are given up.
    pub(super) fn window(&self) {
        self.lock().windowed = true;
        self.grown.notify_waiters();
    }

    /// Resolves when there is room in the window. `false` when nobody reads any more.
    pub(super) async fn room(&self) -> bool {
        loop {
            let moved = self.read.notified();
            {
                let mut state = self.lock();
                state.give_up_read();
                if state.readers.is_empty() {
                    return false;
                }
                if state.pieces.iter().map(Bytes::len).sum::<usize>() < WINDOW_BYTES {
                    return true;
                }
            }
            moved.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is complete in itself; a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn give_up_read(&mut self) {
        let Some(slowest) = self.readers.values().copied().min() else {
            return;
        };
        while self.windowed && self.first < slowest && self.pieces.pop_front().is_some() {
            self.first += 1;
        }
    }

    fn next(&mut self, reader: u64) -> Option<Piece> {
        let at = *self.readers.get(&reader)?;
        if let Some(piece) = self.pieces.get(at.checked_sub(self.first)?) {
            let piece = piece.clone();
            self.readers.insert(reader, at + 1);
            return Some(Piece::Bytes(piece));
        }
        self.end.as_ref().map(|end| match end {
            End::Complete(_) => Piece::End,
            End::Broken => Piece::Broken,
        })
    }
}

/// A place in a flight's body. Dropping it frees what only this reader held.
pub(in crate::proxy) struct Reader {
    flight: Arc<Flight>,
    id: u64,
}

impl Reader {
    /// Waits for what comes after `heard` interim answers: one more, or the head.
    pub(in crate::proxy) async fn hear(&self, heard: usize) -> Heard {
        loop {
            let grown = self.flight.grown.notified();
            {
                let state = self.flight.lock();
                if let Some(interim) = state.interim.get(heard) {
                    return Heard::Interim(Box::new(interim.clone()));
                }
                if let Some(head) = &state.head {
                    return Heard::Head(head.clone());
                }
            }
            grown.await;
        }
    }

    /// Waits for the next piece of the body.
    pub(in crate::proxy) async fn next(&self) -> Piece {
        loop {
            let grown = self.flight.grown.notified();
            if let Some(piece) = self.flight.lock().next(self.id) {
                self.flight.read.notify_waiters();
                return piece;
            }
            grown.await;
        }
    }
}

impl Reader {
    /// Waits, without reading, until it is known what becomes of the body.
    pub(in crate::proxy) async fn end(&self) -> Ended {
        loop {
            let grown = self.flight.grown.notified();
            {
                let state = self.flight.lock();
                match &state.end {
                    Some(End::Complete(whole)) => return Ended::Complete(whole.clone()),
                    Some(End::Broken) => return Ended::Broken,
                    // The writer waits for its readers: so must not they for it.
                    None if state.windowed => return Ended::Windowed,
                    None => {}
                }
            }
            grown.await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.flight.lock().readers.remove(&self.id);
        self.flight.read.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(reader: &Reader) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            match reader.next().await {
                Piece::Bytes(piece) => body.extend_from_slice(&piece),
                Piece::End => return (body, true),
                Piece::Broken => return (body, false),
            }
        }
    }

    #[tokio::test]
    async fn readers_get_the_whole_body_however_late_they_come() {
        let flight = Flight::new(0);
        let early = flight.reader().expect("nothing was given up");
        flight.push(Bytes::from_static(b"one "));
        let late = flight.reader().expect("nothing was given up");
        let reading = tokio::spawn(async move { read_all(&early).await });
        flight.push(Bytes::from_static(b"two"));
        flight.complete(None, None);
        assert_eq!(
            reading.await.expect("no panic"),
            (b"one two".to_vec(), true)
        );
        assert_eq!(read_all(&late).await, (b"one two".to_vec(), true));
    }

    #[tokio::test]
    async fn a_broken_body_is_broken_for_all() {
        let flight = Flight::new(0);
        let readers: Vec<_> = (0..3).filter_map(|_| flight.reader()).collect();
        flight.push(Bytes::from_static(b"half"));
        flight.break_off();
        flight.complete(None, None);
        for reader in &readers {
            assert_eq!(read_all(reader).await, (b"half".to_vec(), false));
        }
    }

    #[tokio::test]
    async fn a_window_gives_up_what_all_have_read() {
        let flight = Flight::new(0);
        let (fast, slow) = (
            flight.reader().expect("first"),
            flight.reader().expect("second"),
        );
        flight.push(Bytes::from(vec![0; WINDOW_BYTES]));
        flight.window();
        assert!(flight.reader().is_none(), "too late to read from the start");
        fast.next().await;
        assert!(
            futures_util::FutureExt::now_or_never(flight.room()).is_none(),
            "one has not read"
        );
        slow.next().await;
        assert!(flight.room().await);
        assert_eq!(flight.lock().pieces.len(), 0);
        drop((fast, slow));
        assert!(!flight.room().await, "nobody reads");
    }
}
