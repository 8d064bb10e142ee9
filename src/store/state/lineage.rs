//! Tokens that were made by tokens: none may ever do more than those it comes from, and none outlives them.
//!
//! What is stored is what was asked for; what counts is worked out here whenever one is used. So a token that is
//! narrowed takes what it gave away with it, at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::change::Token;
use super::scope::Scope;
use crate::base::uuid::Uuid;

/// Tokens that may stand above one.
pub const MOST: usize = 8;

/// A token as it may be used. One whose maker is gone, or that stands too deep, is not usable.
pub fn narrowed<'t>(token: &Token, find: impl Fn(Uuid) -> Option<&'t Arc<Token>>) -> Token {
    let mut token = token.clone();
    let mut parent = token.parent;
    for _ in 0..=MOST {
        let Some(id) = parent else { return token };
        let Some(above) = find(id) else { break };
        token = within(token, above);
        parent = above.parent;
    }
    Token { scope: Scope { disabled: true, ..token.scope }, ..token }
}

fn within(token: Token, above: &Token) -> Token {
    let ends = [token.expires_at, above.expires_at].into_iter().flatten().min();
    // A token of one account gives nothing for another.
    let is_elsewhere = above.account.is_some() && above.account != token.account;
    let mut scope = token.scope.within(&above.scope);
    scope.disabled |= is_elsewhere;
    Token { read_only: token.read_only || above.read_only, expires_at: ends, scope, ..token }
}

/// All tokens that come from one, however often it was handed on.
pub fn made_by(all: &[Token], id: Uuid) -> Vec<Token> {
    let mut found: BTreeSet<Uuid> = BTreeSet::from([id]);
    let mut made = Vec::new();
    loop {
        let is_new = |t: &&Token| {
            t.parent.is_some_and(|parent| found.contains(&parent)) && !found.contains(&t.id)
        };
        let more: Vec<Token> = all.iter().filter(is_new).cloned().collect();
        if more.is_empty() {
            return made;
        }
        found.extend(more.iter().map(|token| token.id));
        made.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{AccountId, ZoneId};
    use crate::base::time::UnixTime;
    use crate::store::state::scope::Verb;

    fn token(n: u8, parent: Option<u8>, verbs: &[Verb]) -> Token {
        Token {
            id: Uuid([n; 16]),
            name: String::new(),
            account: Some(AccountId(1)),
            hash: [n; 32],
            read_only: false,
            created_at: UnixTime(0),
            modified_at: UnixTime(0),
            expires_at: None,
            scope: Scope { verbs: Some(verbs.to_vec()), ..Scope::default() },
            parent: parent.map(|n| Uuid([n; 16])),
        }
    }

    fn effective_of(all: &[Token]) -> Vec<Token> {
        let stored: Vec<Arc<Token>> = all.iter().cloned().map(Arc::new).collect();
        let find = |id: Uuid| stored.iter().find(|token| token.id == id);
        all.iter().map(|token| narrowed(token, find)).collect()
    }

    #[test]
    fn none_may_more_than_those_above() {
        let (read, records, zones) = (Verb::Read, Verb::Records, Verb::Zones);
        let mut all = [
            token(1, None, &[read, records, zones]),
            token(2, Some(1), &[read, records]),
            token(3, Some(2), &[read, zones]),
        ];
        let allows = |all: &[Token], at: usize, verb| effective_of(all)[at].scope.allows(verb);
        assert!(allows(&all, 1, records) && allows(&all, 2, read) && !allows(&all, 2, zones));
        all[0].scope = Scope { zones: Some(vec![ZoneId(7)]), ..all[0].scope.clone() };
        (all[0].expires_at, all[1].read_only) = (Some(UnixTime(9)), true);
        let last = effective_of(&all).pop().unwrap();
        assert!(last.read_only && !last.scope.covers(ZoneId(8)) && !last.scope.disabled);
        assert_eq!(last.expires_at, Some(UnixTime(9)));
        all[0].scope.disabled = true;
        assert!(effective_of(&all).iter().all(|token| token.scope.disabled));
        // Gone, of another account, or a circle: not usable.
        assert!(effective_of(&all[1..]).iter().all(|token| token.scope.disabled));
        all[0].scope.disabled = false;
        all[0].account = Some(AccountId(2));
        assert!(effective_of(&all)[2].scope.disabled && !effective_of(&all)[0].scope.disabled);
        all[0] = token(1, Some(3), &[read]);
        assert!(effective_of(&all).iter().all(|token| token.scope.disabled));
    }

    #[test]
    fn what_came_of_one() {
        let all = [token(1, None, &[]), token(2, Some(1), &[]), token(3, Some(2), &[])];
        let ids = |of: u8| {
            let made = made_by(&all, Uuid([of; 16]));
            made.iter().map(|token| token.id.0[0]).collect::<Vec<_>>()
        };
        assert_eq!((ids(1), ids(2), ids(3)), (vec![2, 3], vec![3], vec![]));
    }
}
