//! The checks of the fuzz targets over their seeds and a few thousand mutations, the same ones in every run.

use std::path::Path;

#[path = "../fuzz/src/harness/mod.rs"]
mod harness;

use harness::seeds::{dictionary, seeds};

/// Longest input that mutation makes, in octets.
const LONGEST: usize = 8_192;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    /// A place in an input, its end included.
    fn place(&mut self, input: &[u8]) -> usize {
        self.below(input.len() + 1)
    }
}

/// Changes an input in one to four places, as a fuzzer does.
fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[Vec<u8>], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.place(input);
        match dice.below(7) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => input[at] = dice.below(256) as u8,
            2 => drop(input.splice(at..at, words[dice.below(words.len())].iter().copied())),
            3 => {
                let word = &words[dice.below(words.len())];
                let end = input.len().min(at + word.len());
                input.splice(at..end, word.iter().copied());
            }
            4 => {
                let end = input.len().min(at + 1 + dice.below(16));
                input.drain(at..end);
            }
            5 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.place(other);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                let end = input.len().min(at + 1 + dice.below(32));
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
        }
    }
    input.truncate(LONGEST);
}

fn run(target: &str, check: fn(&[u8]), mutations: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (seeds, words) = (seeds(target, root), dictionary(target, root));
    assert!(!seeds.is_empty() && !words.is_empty());
    seeds.iter().for_each(|seed| tried(target, check, seed));
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for _ in 0..mutations {
        let mut input = seeds[dice.below(seeds.len())].clone();
        mutate(&mut input, &seeds, &words, &mut dice);
        tried(target, check, &input);
    }
}

/// Shows the input of a check that fails.
fn tried(target: &str, check: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| check(input)) {
        eprintln!("{target}: fails for\n{}\n", input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn answer() {
    run("answer", harness::answer::check, 6_000);
}

#[test]
fn zonefile() {
    run("zonefile", harness::zonefile::check, 3_000);
}

#[test]
fn rdata() {
    run("rdata", harness::rdata::check, 20_000);
}

#[test]
fn config() {
    run("config", harness::config::check, 2_000);
}
