//! Threads that are in no hurry let those go first who answer questions.

use tracing::debug;

/// How much later than others: a third of the share of one who answers, when a core has not enough for both. With less,
/// a flood of questions would keep grants from being revoked.
const NICENESS: i32 = 5;

/// From now on the calling thread, and what it starts, waits rather than they.
pub fn step_back() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        debug!(%error, "a thread keeps its priority");
    }
}

/// Lets those answer who have waited meanwhile: between the steps of a turn, each of them a part of the millisecond for
/// which a core is not taken away. Costs nothing to speak of when nobody waits.
pub fn give_way() {
    std::thread::yield_now();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_steps_back_and_the_others_stay() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let stepped = std::thread::spawn(move || {
            step_back();
            niceness()
        });
        // Nobody is behind the last place.
        assert_eq!(stepped.join().unwrap(), (before + NICENESS).min(19));
        assert_eq!(niceness(), before);
    }
}
