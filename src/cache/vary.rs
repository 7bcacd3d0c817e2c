//! `Vary` (RFC 9110 §12.5.5, RFC 9111 §4.1). Until the key holds variants, the only request field
//! that a stored response may depend on is `Accept-Encoding`: bodies are stored without a coding
//! and coded for each client afterwards.

use http::HeaderMap;
use http::header::VARY;

use crate::reason::Reason;

/// Whether one stored response may answer every request as far as `Vary` is concerned.
///
/// # Errors
/// [`Reason::VaryStar`] when any member is `*`, [`Reason::Vary`] for any other member, known or not.
pub fn judge(headers: &HeaderMap) -> Result<(), Reason> {
    let mut verdict = Ok(());
    for line in headers.get_all(VARY) {
        for member in line
            .as_bytes()
            .split(|b| *b == b',')
            .map(<[u8]>::trim_ascii)
        {
            if member == b"*" {
                return Err(Reason::VaryStar);
            }
            if !member.is_empty() && !member.eq_ignore_ascii_case(b"accept-encoding") {
                verdict = Err(Reason::Vary);
            }
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::reason::Reason;
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn members() {
        let cases: &[(&str, &[&'static str], Result<(), Reason>)] = &[
            ("absent", &[], Ok(())),
            ("empty", &["", " ,, "], Ok(())),
            ("the one allowed", &["Accept-Encoding"], Ok(())),
            (
                "twice",
                &["accept-encoding, ACCEPT-ENCODING", "accept-encoding"],
                Ok(()),
            ),
            ("cookie", &["Cookie"], Err(Reason::Vary)),
            (
                "hidden in a list",
                &["accept-encoding,origin"],
                Err(Reason::Vary),
            ),
            (
                "on a second line",
                &["accept-encoding", "accept"],
                Err(Reason::Vary),
            ),
            ("unknown", &["x-anything"], Err(Reason::Vary)),
            ("not a name", &["accept-encoding; q=1"], Err(Reason::Vary)),
            ("star", &["*"], Err(Reason::VaryStar)),
            (
                "star in a list",
                &["accept-encoding, *"],
                Err(Reason::VaryStar),
            ),
            (
                "star behind another",
                &["cookie", " * "],
                Err(Reason::VaryStar),
            ),
        ];
        for (case, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append("vary", HeaderValue::from_static(line));
            }
            assert_eq!(judge(&headers), *expected, "{case}");
        }
    }
}
