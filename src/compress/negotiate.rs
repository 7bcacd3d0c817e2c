//! Which coding a client wants (RFC 9110 §12.5.3).

use http::{HeaderMap, header};

/// A content coding that we can make (RFC 9110 §8.4.1, RFC 7932).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Coding {
    /// `br`
    Brotli,
    /// `gzip`
    Gzip,
}

impl Coding {
    /// Every coding, in the order of declaration; `ALL[c as usize] == c`.
    pub const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The coding of this name, in any case; `x-gzip` is `gzip` (§8.4.1.3).
    #[must_use]
    pub fn from_token(token: &[u8]) -> Option<Self> {
        if token.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL
            .into_iter()
            .find(|coding| token.eq_ignore_ascii_case(coding.token().as_bytes()))
    }
}

/// The best of `offered` for this request's `Accept-Encoding`; `None` means the body as it is
/// (`identity`).
///
/// The highest weight wins and the order of `offered` breaks ties. Identity wins only over codings
/// that the client explicitly ranks below it (`identity;q=1, br;q=0.5`), or when it takes none of
/// ours. It is the answer to a request without the field too: "any content coding" would then be
/// right by the letter, but what does not ask often cannot decode. When not even identity is
/// acceptable the answer is identity all the same: 406 would be allowed (§15.5.7), but a body that
/// the client said it dislikes serves it better than none.
#[must_use]
pub fn negotiate(headers: &HeaderMap, offered: &[Coding]) -> Option<Coding> {
    let mut lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    let first = lines.next()?.as_bytes();
    if ALL_ALIKE.contains(&first) && lines.next().is_none() {
        return offered.first().copied();
    }
    let mut wishes = Wishes::default();
    // Several lines are one list (§5.3); duplicates are no matter of order, see `Wishes::add`.
    for line in headers.get_all(header::ACCEPT_ENCODING) {
        line.as_bytes()
            .split(|&b| b == b',')
            .for_each(|member| wishes.add(member));
    }
    wishes.best(offered)
}

/// What browsers send over https. Each takes all of our codings with the same weight, so there is
/// nothing to work out.
const ALL_ALIKE: [&[u8]; 2] = [b"gzip, deflate, br, zstd", b"gzip, deflate, br"];

/// A weight in thousandths: qvalues have at most three decimals (§12.4.2).
type Weight = u16;

const WEIGHT_MAX: Weight = 1000;

#[derive(Default)]
struct Wishes {
    /// By the coding's place in [`Coding::ALL`].
    codings: [Option<Weight>; Coding::ALL.len()],
    identity: Option<Weight>,
    any: Option<Weight>,
}

impl Wishes {
    /// Takes in one member, `codings [ weight ]`. What does not follow the grammar says nothing, and
    /// empty members are allowed (§5.6.1.2). A coding listed twice keeps the lower weight: of two
    /// contradicting wishes the one that cannot break the client.
    fn add(&mut self, member: &[u8]) {
        let Some((token, weight)) = parse(member) else {
            return;
        };
        let slot = match Coding::from_token(token) {
            Some(coding) => &mut self.codings[coding as usize],
            None if token == b"*" => &mut self.any,
            None if token.eq_ignore_ascii_case(b"identity") => &mut self.identity,
            None => return,
        };
        *slot = Some(slot.map_or(weight, |before| before.min(weight)));
    }

    fn best(&self, offered: &[Coding]) -> Option<Coding> {
        let mut best: Option<(Coding, Weight)> = None;
        for &coding in offered {
            // §12.5.3: `*` matches any coding not explicitly listed; 0 means "not acceptable".
            let weight = self.codings[coding as usize].or(self.any).unwrap_or(0);
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((coding, weight));
            }
        }
        let (coding, weight) = best?;
        (self.identity.is_none_or(|identity| identity <= weight)).then_some(coding)
    }
}

/// A member's token and weight: `OWS token [ OWS ";" OWS "q=" qvalue ] OWS`.
fn parse(member: &[u8]) -> Option<(&[u8], Weight)> {
    let (token, weight) = match member.iter().position(|&b| b == b';') {
        None => (member, WEIGHT_MAX),
        Some(at) => match member[at + 1..].trim_ascii() {
            [b'q' | b'Q', b'=', qvalue @ ..] => (&member[..at], parse_weight(qvalue)?),
            _ => return None,
        },
    };
    let token = token.trim_ascii();
    let is_token = !token.is_empty() && token.iter().all(|b| is_tchar(*b));
    is_token.then_some((token, weight))
}

/// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )` (§12.4.2).
fn parse_weight(text: &[u8]) -> Option<Weight> {
    let (whole, decimals) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut weight = match whole {
        b'0' => 0,
        b'1' => WEIGHT_MAX,
        _ => return None,
    };
    for (digit, unit) in decimals.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        weight += Weight::from(digit - b'0') * unit;
    }
    (weight <= WEIGHT_MAX).then_some(weight)
}

/// RFC 9110 §5.6.2.
pub(super) fn is_tchar(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const BOTH: &[Coding] = &[Coding::Brotli, Coding::Gzip];

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(header::ACCEPT_ENCODING, value);
        }
        headers
    }

    #[test]
    fn table() {
        const BR: Option<Coding> = Some(Coding::Brotli);
        const GZIP: Option<Coding> = Some(Coding::Gzip);
        let cases: &[(&str, &[&str], Option<Coding>)] = &[
            ("no field", &[], None),
            ("empty field: identity only", &[""], None),
            ("a browser", &["gzip, deflate, br, zstd"], BR),
            ("an older browser", &["gzip, deflate, br"], BR),
            ("a browser over http", &["gzip, deflate"], GZIP),
            ("curl --compressed", &["deflate, gzip, br, zstd"], BR),
            ("RFC example 1", &["compress, gzip"], GZIP),
            ("RFC example 3: star", &["*"], BR),
            ("RFC example 4", &["compress;q=0.5, gzip;q=1.0"], GZIP),
            (
                "RFC example 5",
                &["gzip;q=1.0, identity; q=0.5, *;q=0"],
                GZIP,
            ),
            ("weights", &["br;q=0.8, gzip;q=0.9"], GZIP),
            (
                "weights to the third decimal",
                &["br;q=0.899, gzip;q=0.9"],
                GZIP,
            ),
            (
                "server's order breaks ties",
                &["gzip;q=0.5, br;q=0.500"],
                BR,
            ),
            ("refused", &["br;q=0, gzip"], GZIP),
            ("refused with decimals", &["br;q=0.000"], None),
            (
                "star weighs what is not listed",
                &["gzip;q=0.5, *;q=0.7"],
                BR,
            ),
            ("star does not override", &["br;q=0, *"], GZIP),
            ("star refuses the rest", &["gzip, *;q=0"], GZIP),
            (
                "identity ranked higher",
                &["identity, br;q=0.5, gzip;q=0.9"],
                None,
            ),
            ("identity ranked alike", &["identity, br"], BR),
            (
                "identity ranked lower",
                &["identity;q=0.5, gzip;q=0.6"],
                GZIP,
            ),
            ("identity unlisted loses to any", &["gzip;q=0.001"], GZIP),
            (
                "identity refused, none of ours fits",
                &["identity;q=0, zstd"],
                None,
            ),
            ("all refused: still no 406", &["*;q=0"], None),
            ("case of token", &["GZip"], GZIP),
            ("case of q", &["br;Q=0.1, gzip;Q=0.2"], GZIP),
            ("alias", &["x-gzip"], GZIP),
            ("several lines", &["gzip;q=0.5", "br"], BR),
            (
                "several lines of a browser's kind",
                &["gzip, deflate, br", "br;q=0"],
                GZIP,
            ),
            ("spaces and tabs", &[" gzip \t; \tq=0.5 , br ;q=0.4"], GZIP),
            ("empty members", &[",, gzip,,"], GZIP),
            (
                "listed twice: the lower weight",
                &["br, gzip;q=0.5, br;q=0.1"],
                GZIP,
            ),
            ("refused and accepted: refused", &["gzip;q=0, x-gzip"], None),
            ("unknown", &["zstd, snappy"], None),
            ("q above one", &["br;q=1.1, gzip;q=0.1"], GZIP),
            ("q of two", &["br;q=2"], None),
            ("one with decimals", &["br;q=1.000"], BR),
            ("q with four decimals", &["br;q=0.1234, gzip;q=0.1"], GZIP),
            ("q with a trailing dot", &["br;q=1."], BR),
            ("q empty", &["br;q="], None),
            ("q negative", &["br;q=-1"], None),
            ("q without a leading digit", &["br;q=.5"], None),
            ("q with a comma for a dot", &["br;q=0,5"], None),
            ("another parameter", &["br;level=5"], None),
            ("a parameter after q", &["br;q=1;level=5"], None),
            ("space around =", &["br;q = 1"], None),
            ("a space in the token", &["b r"], None),
            ("quoted", &["\"br\""], None),
            ("bytes beyond ascii", &["brü, gzip"], GZIP),
        ];
        for (case, lines, expected) in cases {
            assert_eq!(negotiate(&headers(lines), BOTH), *expected, "{case}");
        }
    }

    #[test]
    fn only_what_is_offered() {
        let browser = headers(&["gzip, deflate, br, zstd"]);
        assert_eq!(negotiate(&browser, &[Coding::Gzip]), Some(Coding::Gzip));
        assert_eq!(
            negotiate(&browser, &[Coding::Gzip, Coding::Brotli]),
            Some(Coding::Gzip)
        );
        assert_eq!(negotiate(&browser, &[]), None);
        assert_eq!(negotiate(&headers(&["br"]), &[Coding::Gzip]), None);
    }

    #[test]
    fn the_fast_path_takes_the_same_decision() {
        for line in ALL_ALIKE {
            let slow = format!("{},", std::str::from_utf8(line).unwrap());
            let fast = std::str::from_utf8(line).unwrap();
            for offered in [BOTH, &BOTH[..1], &BOTH[1..], &[]] {
                let (fast, slow) = (headers(&[fast]), headers(&[&slow]));
                assert_eq!(negotiate(&fast, offered), negotiate(&slow, offered));
            }
        }
    }

    /// A linear congruential generator: random enough, the same in every run.
    struct Lcg(u64);

    impl Lcg {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((self.0 >> 33) % bound as u64) as usize
        }
    }

    /// Random well-formed fields, each token at most once, judged by the RFC's words rather than by
    /// the code above: what was chosen is acceptable, and nothing acceptable weighs more.
    #[test]
    fn chosen_is_acceptable_and_best() {
        let mut random = Lcg(7);
        for _ in 0..20_000 {
            let mut listed: Vec<(&str, u32)> = Vec::new();
            for token in ["br", "gzip", "identity", "*", "zstd", "deflate"] {
                if random.below(2) == 0 {
                    listed.insert(random.below(listed.len() + 1), (token, 0));
                }
            }
            let mut members = Vec::new();
            for (token, weight) in &mut listed {
                *weight = [0, 1, 250, 500, 999, 1000][random.below(6)];
                members.push(match *weight {
                    1000 => (*token).to_string(),
                    weight => format!("{token};q=0.{weight:03}"),
                });
            }
            let cut = random.below(members.len() + 1);
            let lines = [members[..cut].join(", "), members[cut..].join(",")];
            let request = headers(&[&lines[0], &lines[1]]);

            let weight = |token: &str| listed.iter().find(|l| l.0 == token).map(|l| l.1);
            let of = |coding: Coding| weight(coding.token()).or(weight("*")).unwrap_or(0);
            let chosen = negotiate(&request, BOTH);
            match chosen {
                Some(coding) => {
                    assert!(of(coding) > 0, "{lines:?}: {coding:?} is not acceptable");
                    assert!(
                        BOTH.iter().all(|c| of(*c) <= of(coding)),
                        "{lines:?}: {coding:?}"
                    );
                    assert!(weight("identity").unwrap_or(0) <= of(coding), "{lines:?}");
                }
                None => {
                    let best = BOTH.iter().map(|c| of(*c)).max().unwrap();
                    assert!(
                        best == 0 || weight("identity").unwrap_or(0) > best,
                        "{lines:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_bytes_panic() {
        let mut random = Lcg(11);
        let alphabet = b"gzipbr*;=q01.,- \t\"x\xff";
        for _ in 0..20_000 {
            let line: Vec<u8> = (0..random.below(24))
                .map(|_| alphabet[random.below(alphabet.len())])
                .collect();
            let mut headers = HeaderMap::new();
            headers.insert(
                header::ACCEPT_ENCODING,
                HeaderValue::from_bytes(&line).unwrap(),
            );
            let _ = negotiate(&headers, BOTH);
        }
    }
}
