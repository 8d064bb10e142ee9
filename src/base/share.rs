//! A bound that accounts share: nobody may take more of it than what is left for all others.
//!
//! A fixed part for each would not do: with as many accounts as there are parts, nothing is left for who comes next.
//! Here `n` that take all they can leave one part of `n + 1` free for whoever has nothing yet.

/// How much there is, and how much one account may have at the most.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub all: usize,
    pub each: usize,
}

impl Share {
    /// Whether who has `own` may have one more, when everybody together has `taken`.
    pub fn allows(&self, taken: usize, own: usize) -> bool {
        own < self.each.min(self.all.saturating_sub(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greedy_leave_room_for_one_more() {
        let share = Share { all: 512, each: 128 };
        for greedy in 1..40 {
            let mut own = vec![0; greedy];
            let take = |own: &mut Vec<usize>, who: usize| {
                let may = share.allows(own.iter().sum(), own[who]);
                own[who] += usize::from(may);
                may
            };
            // Until nobody gets more.
            while (0..greedy).map(|who| take(&mut own, who)).filter(|may| *may).count() > 0 {}
            let taken: usize = own.iter().sum();
            assert!(taken <= 512 - 512 / (greedy + 1), "{greedy} took {taken}");
            assert!(own.iter().all(|own| (1..=128).contains(own)), "{own:?}");
            assert!(share.allows(taken, 0));
        }
        assert!(!share.allows(512, 0) && !share.allows(600, 0));
    }
}
