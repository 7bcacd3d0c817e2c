//! The app's `Date` on its way to the client.
//!
//! pingora writes its own clock into each answer. For a cache that is wrong: `Date` is when the app
//! made the answer (RFC 9110 §6.6.1), and whoever stores ours next would count its age twice (RFC 9111
//! §4.2.3). So the right one is handed to the connection, which puts it into the head's bytes. On h2,
//! where heads are compressed above the connection, pingora's stays.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;

/// The length of every date in the preferred format (RFC 9110 §5.6.7).
const LENGTH: usize = 29;

/// The `Date` for the next head on a connection, if it is not to be pingora's.
#[derive(Debug, Default)]
pub struct NextDate(Mutex<Option<[u8; LENGTH]>>);

impl NextDate {
    /// Sets it; a value in another format is left to pingora.
    pub fn set(&self, date: Option<&HeaderValue>) {
        let date = date.and_then(|date| date.as_bytes().trim_ascii().try_into().ok());
        *self.lock() = date;
    }

    /// Puts it into a head that is about to be written, and forgets it.
    pub fn put_into(&self, head: &mut [u8]) {
        let Some(date) = self.lock().take() else {
            return;
        };
        if let Some(place) = place(head) {
            place.copy_from_slice(&date);
        }
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<[u8; LENGTH]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of the head's `Date` line; `None`: it has none of that length.
fn place(head: &mut [u8]) -> Option<&mut [u8]> {
    const NAME: &[u8] = b"date:";
    let mut at = 0;
    loop {
        let length = head[at..].windows(2).position(|end| end == b"\r\n")?;
        let line = &head[at..at + length];
        if line.is_empty() {
            return None;
        }
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let value = line[NAME.len()..].trim_ascii_start();
            let (begin, end) = (at + length - value.len(), at + length);
            return (value.len() == LENGTH).then(|| &mut head[begin..end]);
        }
        at += length + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::NextDate;
    use http::HeaderValue;

    const OURS: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn takes_the_place_of_the_value_in_the_head() {
        let head =
            |date: &str| format!("HTTP/1.1 200 OK\r\nETag: x\r\n{date}\r\nAge: 1\r\n\r\nDate: y");
        let cases = [
            (
                "Date: Mon, 07 Nov 1994 08:49:37 GMT",
                "Date: Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            (
                "date:Mon, 07 Nov 1994 08:49:37 GMT",
                "date:Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            ("Date: soon", "Date: soon"),
            (
                "X-Date: Mon, 07 Nov 1994 08:49:37 GMT",
                "X-Date: Mon, 07 Nov 1994 08:49:37 GMT",
            ),
        ];
        for (before, after) in cases {
            let next = NextDate::default();
            next.set(Some(&HeaderValue::from_static(OURS)));
            let mut bytes = head(before).into_bytes();
            next.put_into(&mut bytes);
            assert_eq!(String::from_utf8(bytes).expect("text"), head(after));
            assert!(!next.is_set(), "it is for one head");
        }
    }

    #[test]
    fn anything_but_the_preferred_format_is_left_out() {
        let next = NextDate::default();
        for date in ["Sunday, 06-Nov-94 08:49:37 GMT", "", "now"] {
            next.set(Some(&HeaderValue::from_static(date)));
            assert!(!next.is_set(), "{date}");
        }
        let mut cut = b"HTTP/1.1 200 OK\r\nDate: Sun".to_vec();
        next.set(Some(&HeaderValue::from_static(OURS)));
        next.put_into(&mut cut);
        assert_eq!(cut, b"HTTP/1.1 200 OK\r\nDate: Sun");
    }
}
