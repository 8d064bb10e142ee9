//! Whose look-up is next: the accounts take turns, so that the targets of one do not keep those of another waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::base::id::AccountId;
use crate::base::share::Share;
use crate::model::flattened::Key;

/// Bounds of look-ups.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub flying: Share,
    pub queued: Share,
}

/// Look-ups that wait for their turn, and how many are under way.
#[derive(Debug)]
pub struct Fair {
    bounds: Bounds,
    accounts: HashMap<AccountId, Turn>,
    /// Accounts with something in their queue, the next one first.
    turns: VecDeque<AccountId>,
    queued: usize,
    flying: usize,
}

#[derive(Debug, Default)]
struct Turn {
    queue: VecDeque<Arc<Key>>,
    flying: usize,
}

impl Fair {
    pub fn new(bounds: Bounds) -> Fair {
        let (accounts, turns) = (HashMap::new(), VecDeque::new());
        Fair { bounds, accounts, turns, queued: 0, flying: 0 }
    }

    /// Look-ups under way.
    pub fn flying(&self) -> usize {
        self.flying
    }

    /// Puts a look-up in the queue of an account; `false`: it is full.
    pub fn push(&mut self, account: AccountId, key: Arc<Key>) -> bool {
        let own = self.accounts.get(&account).map_or(0, |turn| turn.queue.len());
        if !self.bounds.queued.allows(self.queued, own) {
            return false;
        }
        let turn = self.accounts.entry(account).or_default();
        if turn.queue.is_empty() {
            self.turns.push_back(account);
        }
        turn.queue.push_back(key);
        self.queued += 1;
        true
    }

    /// The next look-up to begin, if one more may be under way; it counts as such until [`Fair::landed`].
    pub fn pop(&mut self) -> Option<(AccountId, Arc<Key>)> {
        for _ in 0..self.turns.len() {
            let account = self.turns.pop_front()?;
            let turn = self.accounts.get_mut(&account)?;
            if !self.bounds.flying.allows(self.flying, turn.flying) {
                self.turns.push_back(account);
                continue;
            }
            let key = turn.queue.pop_front()?;
            if !turn.queue.is_empty() {
                self.turns.push_back(account);
            }
            turn.flying += 1;
            self.flying += 1;
            self.queued -= 1;
            return Some((account, key));
        }
        None
    }

    /// A look-up of this account has ended.
    pub fn landed(&mut self, account: AccountId) {
        self.flying = self.flying.saturating_sub(1);
        if let Some(turn) = self.accounts.get_mut(&account) {
            turn.flying = turn.flying.saturating_sub(1);
            if turn.flying == 0 && turn.queue.is_empty() {
                self.accounts.remove(&account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;

    fn key(n: u32) -> Arc<Key> {
        let target = Name::from_text(&format!("t{n}.example")).unwrap();
        Arc::new(Key { target, rtype: 1 })
    }

    #[test]
    fn accounts_take_turns_within_bounds() {
        let bounds =
            Bounds { flying: Share { all: 8, each: 4 }, queued: Share { all: 24, each: 10 } };
        let mut fair = Fair::new(bounds);
        let pushed = (0..20).filter(|&n| fair.push(AccountId(1), key(n))).count();
        assert_eq!(pushed, 10);
        let pushed = (0..20).filter(|&n| fair.push(AccountId(2), key(100 + n))).count();
        assert_eq!(pushed, 7, "no more than what is left");
        assert!(fair.push(AccountId(3), key(200)), "who has nothing yet");
        let next = |fair: &mut Fair| fair.pop().map(|(account, _)| account.0);
        let order: Vec<_> = std::iter::from_fn(|| next(&mut fair)).collect();
        assert_eq!(order, [1, 2, 3, 1, 2, 1]);
        assert!(fair.push(AccountId(4), key(300)));
        assert_eq!(next(&mut fair), Some(4), "at once, whatever the others wait for");
        fair.landed(AccountId(4));
        fair.landed(AccountId(3));
        assert_eq!(next(&mut fair), Some(2));
        assert_eq!(fair.flying(), 6);
    }
}
