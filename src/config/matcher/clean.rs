//! What an app may make of a path before it routes.

/// The path as a lenient app might understand it; `None` when that is the path itself.
pub(in crate::config) fn clean(path: &str) -> Option<Vec<u8>> {
    let odd = path.contains(['%', ';', '\\']) || path.contains("//") || path.contains("/.");
    if !odd {
        return None;
    }
    let decoded = decode(path.as_bytes());
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_open = false;
    for segment in decoded.split(|b| matches!(b, b'/' | b'\\')) {
        // Parameters of a segment: servlet containers route `/account;v=1` like `/account`.
        let name = segment.split(|b| *b == b';').next().unwrap_or_default();
        ends_open = matches!(name, b"" | b"." | b"..");
        match name {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            _ => kept.push(name),
        }
    }
    let mut path = vec![b'/'];
    path.extend(kept.join(&b'/'));
    if ends_open && path.len() > 1 {
        path.push(b'/');
    }
    Some(path)
}

/// Percent-decoding; what is not a valid escape stays as it is.
pub(super) fn decode(bytes: &[u8]) -> Vec<u8> {
    let digit = |i: usize| bytes.get(i).and_then(|b| (*b as char).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        match (byte, digit(i + 1), digit(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits make at most 255.
                out.push((high * 16 + low) as u8);
                i += 3;
            }
            _ => {
                out.push(*byte);
                i += 1;
            }
        }
    }
    out
}
