//! HTTP dates (RFC 9110 §5.6.7).

use std::time::SystemTime;

use http::HeaderValue;

/// No date in any of the three formats is longer.
const LENGTH_MAX: usize = 40;

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// The moment that a field names in any of the three formats; `None`: it is no date.
///
/// Letters count in any case, as RFC 9111 §4.2 asks of caches. A weekday that is not that of the date
/// is no matter, since it says nothing that the date does not.
#[must_use]
pub fn http_date(value: &HeaderValue) -> Option<SystemTime> {
    let text = value.to_str().ok()?.trim_ascii();
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    date(text).or_else(|| {
        if text.len() > LENGTH_MAX {
            return None;
        }
        let text = title_case(text);
        date(&text).or_else(|| date_of_any_weekday(&text, date))
    })
}

/// Each word with a capital at its front, and `GMT` in capitals.
fn title_case(text: &str) -> String {
    let mut out = text.to_ascii_lowercase().replace("gmt", "GMT");
    let mut in_word = false;
    // Words that were letters stay letters: the length does not change.
    out = out
        .chars()
        .map(|c| {
            let first = !in_word;
            in_word = c.is_ascii_alphabetic();
            if first { c.to_ascii_uppercase() } else { c }
        })
        .collect();
    out
}

/// The date with the weekday that it really has.
fn date_of_any_weekday(
    text: &str,
    date: impl Fn(&str) -> Option<SystemTime>,
) -> Option<SystemTime> {
    let end = text.find(|c: char| !c.is_ascii_alphabetic())?;
    let (named, rest) = text.split_at(end);
    let short = named.len() == 3;
    let name = |day: &&'static str| if short { &day[..3] } else { day };
    WEEKDAYS.iter().find(|day| name(day) == named)?;
    WEEKDAYS
        .iter()
        .find_map(|day| date(&format!("{}{rest}", name(day))))
}

#[cfg(test)]
mod tests {
    use super::http_date;
    use http::HeaderValue;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn dates_in_all_forms() {
        let cases = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("Sunday, 06-Nov-94 08:49:37 GMT", true),
            ("Sun Nov  6 08:49:37 1994", true),
            (" Sun, 06 Nov 1994 08:49:37 GMT ", true),
            ("sun, 06 nov 1994 08:49:37 gmt", true),
            ("SUNDAY, 06-NOV-94 08:49:37 GMT", true),
            ("Mon, 06 Nov 1994 08:49:37 GMT", true),
            ("tue nov  6 08:49:37 1994", true),
            ("Friday, 06-Nov-94 08:49:37 GMT", true),
            ("Xxx, 06 Nov 1994 08:49:37 GMT", false),
            ("Sun, 06 Nov 1994 08:49:37 UTC", false),
            ("Sun, 06 Nov 1994 08:49:37 +0000", false),
            ("Sun, 06 Nov 94 08:49:37 GMT", false),
            ("Sun 06 Nov 1994 08:49:37 GMT", false),
            ("Sun, 06  Nov 1994 08:49:37 GMT", false),
            ("Sun, 06-Nov-1994 08:49:37 GMT", false),
            ("Sun, 06 Nov 1994 08.49.37 GMT", false),
            ("Sun, 06 Nov 1994 8:49:37 GMT", false),
            ("Sun, 31 Feb 1994 08:49:37 GMT", false),
            ("0", false),
            ("", false),
            ("GMT", false),
        ];
        let expected = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, valid) in cases {
            let found = http_date(&HeaderValue::from_static(text));
            assert_eq!(found, valid.then_some(expected), "{text:?}");
        }
        let long = "Sun, 06 Nov 1994 08:49:37 GMT".repeat(1000);
        assert_eq!(
            http_date(&HeaderValue::try_from(long).expect("a value")),
            None
        );
    }
}
