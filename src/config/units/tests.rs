//! The notations, with what is wrong with them.

use super::*;

#[test]
fn durations() {
    let ms = Duration::from_millis;
    let cases = [
        ("250ms", Ok(ms(250))),
        ("10s", Ok(ms(10_000))),
        ("5m", Ok(ms(300_000))),
        ("1h", Ok(ms(3_600_000))),
        ("30d", Ok(ms(30 * 86_400_000))),
        ("0s", Ok(ms(0))),
        ("10 s", Ok(ms(10_000))),
        ("10", Err("has no unit; did you mean `10s`?")),
        ("-1s", Err("must not be negative")),
        ("1.5s", Err("is not a whole number; use a smaller unit")),
        ("1h30m", Err("is not one number and unit")),
        ("ten", Err("is not one number and unit")),
        ("10sec", Err("has no known unit; use ms, s, m, h or d")),
        ("10M", Err("has no known unit")),
        ("", Err("must not be empty")),
        ("3651d", Err("is too long; the longest is 3650d")),
        ("18446744073709551615d", Err("is too long")),
        ("18446744073709551616s", Err("is too large")),
    ];
    check::<Period, _>(&cases, |p| p.0);
}

#[test]
fn sizes() {
    let cases = [
        ("512B", Ok(512)),
        ("64KiB", Ok(65_536)),
        ("8MiB", Ok(8 << 20)),
        ("2GiB", Ok(2 << 30)),
        ("1048576", Ok(1 << 20)),
        ("0", Ok(0)),
        ("64KB", Err("has no known unit; did you mean `64KiB`?")),
        ("64 mb", Err("did you mean `64MiB`?")),
        ("1G", Err("did you mean `1GiB`?")),
        ("5parsecs", Err("use B, KiB, MiB or GiB")),
        ("-5MiB", Err("must not be negative")),
        ("1.5MiB", Err("is not a whole number")),
        ("9999999999999GiB", Err("is too large")),
        ("99999999999999999999", Err("is too large")),
    ];
    check::<Size, _>(&cases, |s| s.0);
}

#[test]
fn ratios() {
    let cases = [
        ("0%", Ok(0.0)),
        ("5%", Ok(0.05)),
        ("10 %", Ok(0.1)),
        ("100%", Ok(1.0)),
        ("101%", Err("is more than 100%")),
        ("1000%", Err("is more than 100%")),
        ("10", Err("has no unit; did you mean `10%`?")),
        ("0.1", Err("is not a whole number of percent")),
        ("2.5%", Err("is not a whole number of percent")),
        ("-5%", Err("is not a whole number of percent")),
        ("+5%", Err("is not a whole number of percent")),
        ("%", Err("is not a whole number of percent")),
        ("", Err("is not a whole number of percent")),
        ("5%%", Err("is not a whole number of percent")),
    ];
    check::<Ratio, _>(&cases, Ratio::fraction);
}

#[test]
fn switches() {
    let cases = [
        ("on", Ok(true)),
        ("off", Ok(false)),
        ("true", Ok(true)),
        ("false", Ok(false)),
        (
            "yes",
            Err("expected on or off, found `yes`; did you mean \"on\"?"),
        ),
        ("Off", Err("did you mean \"off\"?")),
        ("maybe", Err("expected on or off, found `maybe`")),
    ];
    check::<Switch, _>(&cases, |s| s.0);
}

fn check<T: FromStr<Err = String>, V: PartialEq + fmt::Debug>(
    cases: &[(&str, Result<V, &str>)],
    value: impl Fn(T) -> V,
) {
    for (text, expected) in cases {
        match (text.parse::<T>().map(&value), expected) {
            (Ok(got), Ok(want)) => assert_eq!(got, *want, "{text}"),
            (Err(got), Err(want)) => assert!(got.contains(want), "{text}: {got}"),
            (got, want) => panic!("{text}: {got:?}, not {want:?}"),
        }
    }
}

#[test]
fn what_is_displayed_reads_back() {
    for text in [
        "250ms", "60s", "90s", "5m", "1h", "24h", "30d", "0s", "1500ms", "10s",
    ] {
        assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
    }
    for text in ["0%", "10%", "100%"] {
        assert_eq!(text.parse::<Ratio>().unwrap().to_string(), text);
    }
    for text in ["512", "1KiB", "8MiB", "2GiB", "0", "1536KiB"] {
        assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
    }
}

#[test]
fn a_secret_is_not_shown() {
    let secret = Secret::new("hunter2");
    assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
    assert_eq!(&*secret, "hunter2");
}
