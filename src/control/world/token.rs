//! API tokens, and the groups of jobs that share a commit.

use serde_json::{Value, json};
use tracing::error;

use super::granted::Restated;
use super::{Now, World};
use crate::base::id::AccountId;
use crate::base::uuid::Uuid;
use crate::control::command::TokenRequest;
use crate::control::registrar::Done;
use crate::control::token;
use crate::store::state::Store;
use crate::store::state::change::{Account, AuditEntry, Change, Token};
use crate::store::state::lineage;
use crate::store::state::scope::{Scope, Verb};

/// Octets a token's name may have.
const NAME_MAX: usize = 120;

/// A token that is to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewToken {
    pub name: String,
    /// `None`: an operator's.
    pub account: Option<AccountId>,
    pub read_only: bool,
    pub expires_at: Option<crate::base::time::UnixTime>,
    pub scope: Scope,
    /// Who makes it; `None`: the command line.
    pub parent: Option<Uuid>,
}

impl World {
    /// From now on what is stored counts together.
    pub fn begin_group(&mut self) {
        if let Ok(open) = self.custom.usable() {
            open.store().begin();
            self.granted.begin_group();
        }
    }

    /// Puts on disk what was stored since [`World::begin_group`].
    pub fn end_group(&mut self) -> Result<(), String> {
        let Ok(open) = self.custom.usable() else { return Ok(()) };
        let ended = open.store().end();
        let restated = self.granted.end_group();
        ended.map_err(|failure| {
            error!(event = "commit-failed", %failure, "nothing of the last changes was stored: {failure}");
            self.forget_unstored(restated);
            failure.to_string()
        })
    }

    /// What was thought to be stored was not: everything that rests on the database is read anew.
    fn forget_unstored(&mut self, restated: Vec<Restated>) {
        self.custom.read_again();
        self.recall_stored_again();
        self.recall_accounts();
        self.recall_claims();
        self.reconcile_claims(Now::read());
        self.recall_chosen_again();
        self.unstate(restated, Now::read());
    }

    /// Answers a request of the command line.
    pub fn token(&mut self, request: &TokenRequest, now: Now) -> Result<Value, String> {
        match request {
            TokenRequest::Create { account, name, read_only } => {
                let account = match account {
                    Some(name) => {
                        let id = self.ownership.account(name);
                        Some(id.ok_or_else(|| format!("there is no account {name}"))?)
                    }
                    None => None,
                };
                let new = NewToken {
                    name: name.clone().unwrap_or_default(),
                    account,
                    read_only: *read_only,
                    expires_at: None,
                    scope: Scope::default(),
                    parent: None,
                };
                let (token, text) = self.create_token(new, "operator", now)?;
                Ok(json!({ "token": text, "id": token.id.to_string() }))
            }
            TokenRequest::List => {
                let tokens = self.custom.usable()?.control().tokens.clone();
                Ok(tokens.iter().map(|token| self.shown_token(token, now)).collect())
            }
            TokenRequest::Revoke { id } => {
                let id: Uuid = id.parse().map_err(|e| format!("`{id}` is no token's id: {e}"))?;
                self.revoke_token(id, "operator", now)?;
                Ok(json!({ "id": id.to_string() }))
            }
        }
    }

    /// Makes a token. Its text is known here and now, and never again.
    pub fn create_token(
        &mut self,
        new: NewToken,
        actor: &str,
        now: Now,
    ) -> Result<(Token, String), String> {
        if new.name.len() > NAME_MAX {
            return Err(format!("the name of a token has at most {NAME_MAX} octets"));
        }
        let mut random = [0; 36];
        getrandom::fill(&mut random)
            .map_err(|e| format!("the system gives nothing random: {e}"))?;
        let (id, secret) = random.split_at(16);
        let text = token::text(secret.try_into().expect("20 octets are left"));
        let token = Token {
            id: Uuid::from_random(id.try_into().expect("16 octets were split off")),
            name: new.name,
            account: new.account,
            hash: token::hash(&text),
            read_only: new.read_only,
            created_at: now.unix,
            modified_at: now.unix,
            expires_at: new.expires_at,
            scope: new.scope,
            parent: new.parent,
        };
        let control = self.custom.usable()?.control();
        if token.parent.is_some_and(|id| control.token(id).is_none()) {
            return Err("the token that makes it has ended".to_owned());
        }
        let entry = self.token_entry(&token, "token.created", actor, now);
        let mut changes = Vec::new();
        if let Some(id) = token.account
            && self.custom.usable()?.control().account(id).is_none()
        {
            let name = self.account_name(id).to_owned();
            let settings = "{}".to_owned();
            changes.push(Change::Account(Account { id, name, created_at: now.unix, settings }));
        }
        changes.extend([Change::Token(token.clone()), Change::Audit(entry)]);
        self.commit_state(&changes, actor, now)?;
        Ok((token, text))
    }

    /// Gives a token a new secret, and hands it out.
    pub fn roll_token(&mut self, id: Uuid, actor: &str, now: Now) -> Result<String, String> {
        let token = self.custom.usable()?.control().token(id).cloned();
        let token = token.ok_or_else(|| format!("no token has the id {id}"))?;
        let mut secret = [0; 20];
        getrandom::fill(&mut secret)
            .map_err(|e| format!("the system gives nothing random: {e}"))?;
        let text = token::text(secret);
        let token = Token { hash: token::hash(&text), modified_at: now.unix, ..token };
        let entry = self.token_entry(&token, "token.rolled", actor, now);
        self.commit_state(&[Change::Token(token), Change::Audit(entry)], actor, now)?;
        Ok(text)
    }

    /// Changes what a token is for. Those that it made may do no more than it from now on.
    pub fn change_token(
        &mut self,
        id: Uuid,
        wish: NewToken,
        actor: &str,
        now: Now,
    ) -> Result<(), String> {
        let token = self.custom.usable()?.control().token(id).cloned();
        let token = token.ok_or_else(|| format!("no token has the id {id}"))?;
        let NewToken { name, expires_at, scope, read_only, .. } = wish;
        let token = Token { name, expires_at, scope, read_only, modified_at: now.unix, ..token };
        let entry = self.token_entry(&token, "token.changed", actor, now);
        self.commit_state(&[Change::Token(token), Change::Audit(entry)], actor, now)
    }

    /// Ends a token, and those that it made: the next request with one of them is refused.
    pub fn revoke_token(&mut self, id: Uuid, actor: &str, now: Now) -> Result<(), String> {
        let token = self.custom.usable()?.control().token(id).cloned();
        let token = token.ok_or_else(|| format!("no token has the id {id}"))?;
        let made = lineage::made_by(&self.custom.usable()?.control().tokens, id);
        let changes: Vec<Change> = std::iter::once(&token)
            .chain(&made)
            .flat_map(|gone| {
                let entry = self.token_entry(gone, "token.revoked", actor, now);
                [Change::TokenRemoved(gone.id), Change::Audit(entry)]
            })
            .collect();
        self.commit_state(&changes, actor, now)
    }

    fn token_entry(&self, token: &Token, action: &str, actor: &str, now: Now) -> AuditEntry {
        AuditEntry {
            at: now.unix,
            actor: actor.to_owned(),
            account: token.account,
            action: format!("{action} {}", token.id),
            evidence: token.name.clone(),
            ..AuditEntry::default()
        }
    }

    /// Stores changes that are no steps of hostnames.
    pub fn commit_state(
        &mut self,
        changes: &[Change],
        actor: &str,
        now: Now,
    ) -> Result<(), String> {
        let committed = self.with_registrar(now, actor, |registrar, cx| {
            registrar.commit(cx, changes)?;
            Ok(Done::default())
        });
        committed.map(|_| ()).map_err(|error| error.to_string())
    }

    fn shown_token(&self, token: &Token, now: Now) -> Value {
        let verbs: Vec<_> = match &token.scope.verbs {
            Some(verbs) => verbs.iter().map(|v| v.word()).collect(),
            None if token.read_only => vec![Verb::Read.word()],
            None => Verb::ALL.iter().map(|v| v.word()).collect(),
        };
        let is_open = token.expires_at.is_none_or(|end| now.unix < end) && !token.scope.disabled;
        json!({
            "id": token.id.to_string(),
            "name": token.name,
            "account": token.account.map(|id| self.account_name(id).to_owned()),
            "read_only": token.read_only,
            "verbs": verbs,
            "created_at": token.created_at.to_string(),
            "expires_at": token.expires_at.map(|at| at.to_string()),
            "status": if is_open { "active" } else { "expired" },
        })
    }
}
