//! The checks of the fuzz targets on every seed of their corpus and on thousands of changes to it,
//! the same each time: what a fuzzer would find in its first second is found here in CI.

// A test crate has no outside: `pub` reads better here than `pub(crate)` on every line.
#![allow(unreachable_pub)]

use std::fs;
use std::path::Path;

#[path = "fuzz/checks.rs"]
mod checks;

/// Changed copies of each seed.
const MUTANTS: usize = 1_000;

/// Pieces that mean something to one field or another.
const WORDS: &[&str] = &[
    ",",
    ";",
    "=",
    "\"",
    "\\",
    " ",
    "\t",
    "\n",
    "*",
    "-",
    "0",
    "1",
    "4294967296",
    "0.5",
    "no-store",
    "private",
    "max-age=",
    "s-maxage=1",
    "no-cache=\"",
    "q=0",
    "q=1.000",
    "br",
    "gzip",
    "identity",
    "x-gzip",
    "for=",
    "for=\"[",
    "::1",
    "10.0.0.1",
    "198.51.100.7:80",
    "unknown",
    "_x",
    "\u{fc}",
    "tag",
    "bytes=",
    "0-",
    "-5",
    "W/\"",
    "GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "params",
    "key-order",
    "except=(\"",
    "?1",
    "&a=1",
    "%61",
    "a,b c",
];

#[test]
fn the_corpus_and_what_is_like_it_hold() {
    for (target, check) in checks::ALL {
        let seeds = seeds(target);
        // A check of nothing would pass for ever.
        assert!(seeds.len() >= 5, "{target}: only {} seeds", seeds.len());
        let mut dice = Dice(0x5eed);
        for (name, seed) in &seeds {
            run(target, name, check, seed);
            for _ in 0..MUTANTS {
                let other = &seeds[dice.below(seeds.len())].1;
                run(target, name, check, &mutant(seed, other, &mut dice));
            }
        }
    }
}

/// The files of the target's folder, in the order of their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut seeds: Vec<_> = files
        .map(|file| {
            let path = file.expect("a readable folder").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("a readable seed"))
        })
        .collect();
    seeds.sort();
    seeds
}

fn run(target: &str, seed: &str, check: checks::Check, input: &[u8]) {
    let result = std::panic::catch_unwind(|| check(input));
    assert!(
        result.is_ok(),
        "{target}, from the seed {seed}, fails on b\"{}\"",
        input.escape_ascii()
    );
}

/// The seed after one to four small changes.
fn mutant(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(4) {
        let from = dice.below(bytes.len() + 1);
        let to = (from + dice.below(8)).min(bytes.len());
        match dice.below(6) {
            0 => _ = bytes.drain(from..to),
            1 => _ = bytes.splice(from..from, WORDS[dice.below(WORDS.len())].bytes()),
            2 => _ = bytes.splice(from..to, WORDS[dice.below(WORDS.len())].bytes()),
            3 => bytes.extend_from_within(from..to),
            4 if from < bytes.len() => bytes[from] ^= 1 << dice.below(8),
            _ => {
                let cut = dice.below(other.len() + 1);
                bytes.truncate(from);
                bytes.extend_from_slice(&other[cut..]);
            }
        }
    }
    bytes
}

/// Repeatable pseudo-random numbers (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}
