//! Custom hostnames in a world made from a seed: time passes, replies get lost and overtake each other, the server
//! dies between any two steps, zones are edited, change hands, go and come back, holds and the operator's grants come
//! and go, the disk fails.
//!
//! After every step: no answer crosses accounts without an active grant at that moment, and what is granted is
//! answered; no hostname is active without a proof that its owner of now really gave for that zone of now; and whatever
//! a step changed of the grants, it told. The server's side is the real one (registrar, lifecycle, proofs, derived
//! grants, snapshot, engine); what it is held against is a second, tiny mind that knows only names and ids.
//!
//! `SIMULATION_STEPS` makes it longer (the default is a million), `SIMULATION_SEED` runs one seed alone.

mod people;
mod play;
mod referee;
mod server;
mod tally;
mod truth;

use play::Play;

const STEPS: u64 = 1_000_000;
const SEEDS: u64 = 20;

#[test]
fn no_answer_crosses_without_an_active_grant() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let steps = number("SIMULATION_STEPS").unwrap_or(STEPS);
    if let Some(seed) = number("SIMULATION_SEED") {
        return Play::new(seed).run(steps / SEEDS).expect_healthy();
    }
    let threads = 4;
    let runs: Vec<_> = (0..threads)
        .map(|thread| {
            std::thread::spawn(move || {
                let seeds = (1..=SEEDS).filter(|seed| seed % threads == thread);
                seeds.map(|seed| Play::new(seed).run(steps / SEEDS)).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut total = tally::Tally::default();
    for run in runs {
        run.join().unwrap().into_iter().for_each(|tally| total += tally);
    }
    println!("{total:?}");
    total.expect_healthy();
}
