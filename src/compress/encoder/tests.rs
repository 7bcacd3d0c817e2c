//! Round trips, flushes as a reader sees them, and what a broken body looks like.

use super::*;
use std::io::Read;

const LEVELS: Levels = Levels { br: 5, gzip: 5 };

struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.0 >> 33) % bound as u64) as usize
    }

    /// Half words, half noise.
    fn body(&mut self, length: usize) -> Vec<u8> {
        let words = ["<div>", "price", " and ", "\"id\":", "the quick brown fox "];
        let mut body = Vec::with_capacity(length + 32);
        while body.len() < length {
            match self.below(2) {
                0 => body.extend_from_slice(words[self.below(words.len())].as_bytes()),
                _ => body.push(self.below(256) as u8),
            }
        }
        body.truncate(length);
        body
    }
}

fn decode(coding: Coding, coded: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    match coding {
        Coding::Brotli => {
            brotli::Decompressor::new(coded, 4096)
                .read_to_end(&mut body)
                .unwrap();
        }
        Coding::Gzip => {
            flate2::read::GzDecoder::new(coded)
                .read_to_end(&mut body)
                .unwrap();
        }
    }
    body
}

/// Decodes as bytes come, like a browser reading events.
enum Reader {
    Brotli(Box<brotli::DecompressorWriter<Vec<u8>>>),
    Gzip(Box<flate2::write::GzDecoder<Vec<u8>>>),
}

impl Reader {
    fn new(coding: Coding) -> Self {
        match coding {
            Coding::Brotli => {
                // When it waits for input it hands over at most one buffer of what it has
                // decoded, so the buffer is larger than anything read here.
                let buffer = 1 << 19;
                Self::Brotli(Box::new(brotli::DecompressorWriter::new(
                    Vec::new(),
                    buffer,
                )))
            }
            Coding::Gzip => Self::Gzip(Box::new(flate2::write::GzDecoder::new(Vec::new()))),
        }
    }

    fn read(&mut self, coded: &[u8]) -> &[u8] {
        match self {
            Self::Brotli(reader) => {
                reader.write_all(coded).unwrap();
                reader.get_ref()
            }
            Self::Gzip(reader) => {
                reader.write_all(coded).unwrap();
                reader.flush().unwrap();
                reader.get_ref()
            }
        }
    }
}

#[test]
fn may_travel_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Encoder>();
}

#[test]
fn any_chunks_and_flushes_come_out_whole() {
    let mut random = Lcg(3);
    for round in 0..120 {
        let coding = Coding::ALL[round % 2];
        let levels = Levels {
            br: (round % 12) as u32,
            gzip: 1 + (round % 9) as u32,
        };
        let length = [0, 1, 100, 5_000, 70_000, 400_000][random.below(6)];
        let body = random.body(length);
        let mut encoder = Encoder::new(coding, &levels);
        let (mut coded, mut rest) = (Vec::new(), &body[..]);
        while !rest.is_empty() {
            let most = [1, 10, 4096, 100_000][random.below(4)];
            let (chunk, after) = rest.split_at(random.below(most.min(rest.len())) + 1);
            rest = after;
            coded.extend_from_slice(&encoder.push(chunk, random.below(3) == 0).unwrap());
        }
        coded.extend_from_slice(&encoder.finish().unwrap());
        assert!(
            decode(coding, &coded) == body,
            "round {round}: {length} bytes of {coding:?}"
        );
    }
}

#[test]
fn each_event_can_be_read_when_it_is_flushed() {
    for coding in Coding::ALL {
        for level in 0..=11 {
            let levels = Levels {
                br: level,
                gzip: level.clamp(1, 9),
            };
            let mut encoder = Encoder::new(coding, &levels);
            let mut reader = Reader::new(coding);
            let mut expected = Vec::new();
            for n in 0..50 {
                let event = format!(
                    "event: tick\ndata: {{\"n\":{n},\"value\":{}}}\n\n",
                    n * 7919
                );
                expected.extend_from_slice(event.as_bytes());
                let coded = encoder.push(event.as_bytes(), true).unwrap();
                let seen = reader.read(&coded);
                assert_eq!(seen, &expected[..], "{coding:?} {level}, event {n}");
            }
            assert_eq!(reader.read(&encoder.finish().unwrap()), &expected[..]);
        }
    }
}

/// One push larger than the encoder's blocks: the flush must reach its last byte too.
#[test]
fn a_large_chunk_is_flushed_to_its_end() {
    for coding in Coding::ALL {
        let body = Lcg(5).body(300_000);
        let mut encoder = Encoder::new(coding, &LEVELS);
        let coded = encoder.push(&body, true).unwrap();
        let mut reader = Reader::new(coding);
        assert!(reader.read(&coded) == body, "{coding:?}");
    }
}

#[test]
fn nothing_new_costs_nothing() {
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(coding, &LEVELS);
        assert!(
            encoder.push(b"", true).unwrap().is_empty(),
            "{coding:?}: nothing to flush"
        );
        assert!(!encoder.push(b"event", true).unwrap().is_empty());
        assert!(
            encoder.push(b"", true).unwrap().is_empty(),
            "{coding:?}: flushed already"
        );
        assert!(encoder.push(b"", false).unwrap().is_empty());
        // What was held back by a push without flush comes with the next flush.
        let held = encoder.push(b" held", false).unwrap();
        let flushed = encoder.push(b"", true).unwrap();
        assert!(held.is_empty() && !flushed.is_empty(), "{coding:?}");
    }
}

#[test]
fn whole_bodies() {
    let mut random = Lcg(9);
    for coding in Coding::ALL {
        for length in [0, 1, 300, 16_384, 131_056, 131_057, 300_000] {
            let body = random.body(length);
            for level in [0, 1, 4, 5, 9] {
                let levels = Levels {
                    br: level,
                    gzip: level,
                };
                let coded = compress_whole(coding, &levels, &body).unwrap();
                assert!(
                    decode(coding, &coded) == body,
                    "{coding:?} {level}, {length} bytes"
                );
            }
        }
    }
}

#[test]
fn words_become_shorter() {
    let body = "the same words over and over, ".repeat(500);
    for coding in Coding::ALL {
        let coded = compress_whole(coding, &LEVELS, body.as_bytes()).unwrap();
        assert!(coded.len() < body.len() / 50, "{coding:?}: {}", coded.len());
        let mut encoder = Encoder::new(coding, &LEVELS);
        let mut streamed = 0;
        for chunk in body.as_bytes().chunks(100) {
            streamed += encoder.push(chunk, false).unwrap().len();
        }
        streamed += encoder.finish().unwrap().len();
        assert!(streamed < body.len() / 50, "{coding:?}: {streamed}");
    }
}

#[test]
fn an_unfinished_body_is_no_body() {
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(coding, &LEVELS);
        let coded = encoder.push(b"half of it", true).unwrap();
        let mut body = Vec::new();
        let read = match coding {
            Coding::Brotli => brotli::Decompressor::new(&coded[..], 4096).read_to_end(&mut body),
            Coding::Gzip => flate2::read::GzDecoder::new(&coded[..]).read_to_end(&mut body),
        };
        assert!(read.is_err(), "{coding:?}");
    }
}

#[test]
fn windows() {
    let cases = [
        (0, 17),
        (16_384, 17),
        ((1 << 17) - 16, 17),
        ((1 << 17) - 15, 18),
        (1 << 20, 21),
        (1 << 22, 22),
        (usize::MAX, 22),
    ];
    for (length, bits) in cases {
        assert_eq!(whole_window_bits(length), bits, "{length}");
    }
}
