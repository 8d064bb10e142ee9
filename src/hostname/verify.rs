//! What was seen, judged: which of the proofs of SPEC §7.2 hold?
//!
//! - CNAME: at most ten, the last target lies in the provider's zone, and the first zone here that the chain enters
//!   outside the hostname's account is that zone: by the zone that owns a name, never by its suffix.
//! - Address: only with apex proxying, never for wildcards: at least one address, both families answered, all of
//!   them in the account's prefixes. A chain through a third account's zone here proves nothing by addresses:
//!   whoever runs that zone may point it anywhere without having asked the hostname's owner.
//! - TXT: the token at exactly that name.
//! - HTTP: status 200 and the token as body. Not for wildcards.
//!
//! A hostname that lies in an active zone here, or whose DNS points into a zone or a prefix here, is not taken over
//! by a token: there only CNAME and address count. While that cannot be told, tokens prove nothing either way.

use std::fmt::Write;
use std::net::IpAddr;

use super::errors::VerificationError;
use super::object::{Hostname, Method, Owner};
use super::proof::{self, Tokens};
use super::seen::{CNAMES_MAX, Chain, Lookup, Page, Seen};
use crate::base::name::Name;
use crate::model::prefix::Prefixes;

/// The zone that wants the hostname.
#[derive(Clone, Debug)]
pub struct Provider {
    pub owner: Owner,
    /// Of a partial zone: `<zone>.<partial_suffix>`, in which its chain has to end.
    pub partial: Option<Name>,
    /// The account may prove by addresses.
    pub apex_proxying: bool,
}

/// Whether one proof holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    Holds,
    Missing,
    /// It could not be told.
    NoAnswer,
}

/// All that one check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Findings {
    pub cname: Finding,
    pub address: Finding,
    pub txt: Finding,
    pub http: Finding,
    /// A token stands there and does not count, since the hostname leads to somebody here or lies in a zone here.
    pub guarded: bool,
    /// What is missing when nothing holds.
    pub missing: VerificationError,
    /// In words, for the provider: nothing in it that an anonymous question could not show.
    pub saw: String,
}

impl Findings {
    pub fn of(&self, method: Method) -> Finding {
        match method {
            Method::Cname => self.cname,
            Method::Address => self.address,
            Method::Txt => self.txt,
            Method::Http => self.http,
        }
    }

    /// The strongest proof that holds.
    pub fn proof(&self) -> Option<Method> {
        Method::ALL.into_iter().find(|&method| self.of(method) == Finding::Holds)
    }

    /// Why nothing holds.
    pub fn errors(&self) -> Vec<VerificationError> {
        match (self.proof(), self.guarded) {
            (Some(_), _) => Vec::new(),
            (None, true) => vec![VerificationError::OnThisNetwork],
            (None, false) => vec![self.missing],
        }
    }
}

/// Judges what was seen of `hostname`.
pub fn judge(
    hostname: &Hostname,
    tokens: &Tokens,
    provider: &Provider,
    prefixes: &Prefixes,
    seen: &Seen,
) -> Findings {
    let cname = seen.chain.answer().map_or(Finding::NoAnswer, |c| cname(c, seen.owner, provider));
    let address = address(hostname, provider, prefixes, seen);
    let (mut txt, mut http) = (txt(tokens, seen), http(hostname, tokens, &seen.page));
    let here = is_here(prefixes, seen);
    let guarded = here == Some(true) && [txt, http].contains(&Finding::Holds);
    for token in [&mut txt, &mut http] {
        match here {
            Some(true) => *token = Finding::Missing,
            None if *token == Finding::Holds => *token = Finding::NoAnswer,
            _ => {}
        }
    }
    let found_some = |lookup: &Lookup<Vec<IpAddr>>| lookup.answer().is_some_and(|a| !a.is_empty());
    let missing = if !provider.apex_proxying {
        VerificationError::NoCname
    } else if !hostname.wildcard && (found_some(&seen.v4) || found_some(&seen.v6)) {
        VerificationError::ForeignAddresses
    } else {
        VerificationError::NothingFound
    };
    let saw = saw(hostname, tokens, provider, seen);
    Findings { cname, address, txt, http, guarded, missing, saw }
}

/// The first zone here that the chain enters outside the hostname's account.
fn entered(chain: &Chain, owner: Option<Owner>) -> Option<Owner> {
    let own = owner.map(|o| o.account);
    chain.targets.iter().filter_map(|t| t.owner).find(|o| Some(o.account) != own)
}

fn cname(chain: &Chain, owner: Option<Owner>, provider: &Provider) -> Finding {
    let Some(last) = chain.targets.last() else { return Finding::Missing };
    if chain.is_loop || chain.targets.len() > CNAMES_MAX {
        return Finding::Missing;
    }
    let own = |name: &Name, of: Option<Owner>| match &provider.partial {
        None => of == Some(provider.owner),
        Some(suffix) => name.is_within(suffix),
    };
    let account = owner.map(|o| o.account);
    let first = chain.targets.iter().find(|t| t.owner.is_some_and(|o| Some(o.account) != account));
    // Of a partial zone also the names before the suffix may lie in a zone here: its own.
    let enters = first.is_none_or(|t| t.owner == Some(provider.owner) || own(&t.name, t.owner));
    if enters && own(&last.name, last.owner) { Finding::Holds } else { Finding::Missing }
}

fn address(hostname: &Hostname, provider: &Provider, prefixes: &Prefixes, seen: &Seen) -> Finding {
    if hostname.wildcard || !provider.apex_proxying {
        return Finding::Missing;
    }
    let (Lookup::Answered(v4), Lookup::Answered(v6)) = (&seen.v4, &seen.v6) else {
        return Finding::NoAnswer;
    };
    let Lookup::Answered(chain) = &seen.chain else { return Finding::NoAnswer };
    if entered(chain, seen.owner).is_some_and(|o| o.account != provider.owner.account) {
        return Finding::Missing;
    }
    let mut all = v4.iter().chain(v6).peekable();
    let some = all.peek().is_some();
    let own = all.all(|&address| prefixes.owner(address) == Some(provider.owner.account));
    if some && own { Finding::Holds } else { Finding::Missing }
}

fn txt(tokens: &Tokens, seen: &Seen) -> Finding {
    match &seen.texts {
        Lookup::NoAnswer(_) => Finding::NoAnswer,
        Lookup::Answered(texts) if texts.elsewhere => Finding::Missing,
        Lookup::Answered(texts) => {
            // All are compared, so that the time tells nothing about which.
            let tokens = texts.values.iter().filter(|v| proof::is_token(v, tokens.txt)).count();
            if tokens > 0 { Finding::Holds } else { Finding::Missing }
        }
    }
}

fn http(hostname: &Hostname, tokens: &Tokens, page: &Page) -> Finding {
    match page {
        Page::Got { status: 200, body } if !hostname.wildcard => {
            if proof::is_token(body, tokens.http) { Finding::Holds } else { Finding::Missing }
        }
        Page::Failed(_) => Finding::NoAnswer,
        Page::Got { .. } | Page::NotAsked => Finding::Missing,
    }
}

/// Whether the hostname lies in a zone here or leads to one, or to a prefix of an account. `None`: it cannot be told.
fn is_here(prefixes: &Prefixes, seen: &Seen) -> Option<bool> {
    if seen.owner.is_some() {
        return Some(true);
    }
    let addresses = [&seen.v4, &seen.v6];
    let chain = seen.chain.answer();
    let in_chain = chain.is_some_and(|c| c.targets.iter().any(|t| t.owner.is_some()));
    let mut known = addresses.iter().filter_map(|l| l.answer()).flatten();
    if in_chain || known.any(|&address| prefixes.owner(address).is_some()) {
        return Some(true);
    }
    let all_answered = chain.is_some() && addresses.iter().all(|l| l.answer().is_some());
    all_answered.then_some(false)
}

/// What was seen, in words. It ends where the chain enters a zone of a third account: what lies behind that is not
/// for the provider to see.
fn saw(hostname: &Hostname, tokens: &Tokens, provider: &Provider, seen: &Seen) -> String {
    let mut text = String::new();
    let mut hidden = false;
    match &seen.chain {
        Lookup::NoAnswer(why) => _ = write!(text, "CNAME: no answer ({why})"),
        Lookup::Answered(chain) if chain.targets.is_empty() => text.push_str("no CNAME"),
        Lookup::Answered(chain) => {
            let own = seen.owner.map(|o| o.account);
            let foreign = |o: &Owner| Some(o.account) != own && o.account != provider.owner.account;
            _ = write!(text, "CNAME {hostname}");
            for target in &chain.targets {
                _ = write!(text, " -> {}", target.name);
                hidden = target.owner.as_ref().is_some_and(foreign);
                if hidden {
                    break;
                }
            }
            match chain {
                _ if hidden => text.push_str(", which is in another account's zone"),
                Chain { is_loop: true, .. } => text.push_str(", which is a loop"),
                Chain { targets, .. } if targets.len() > CNAMES_MAX => {
                    _ = write!(text, ", which is more than {CNAMES_MAX} CNAMEs");
                }
                _ => {}
            }
        }
    }
    if !hidden {
        for (family, lookup) in [("A", &seen.v4), ("AAAA", &seen.v6)] {
            _ = match lookup {
                Lookup::NoAnswer(why) => write!(text, "; {family}: no answer ({why})"),
                Lookup::Answered(list) if list.is_empty() => write!(text, "; no {family}"),
                Lookup::Answered(list) => write!(text, "; {family} {}", shown(list)),
            };
        }
    }
    text.push_str("; TXT: ");
    match &seen.texts {
        Lookup::NoAnswer(why) => _ = write!(text, "no answer ({why})"),
        Lookup::Answered(texts) if texts.elsewhere => {
            text.push_str("reached through a CNAME, a DNAME or a wildcard, which does not count");
        }
        Lookup::Answered(texts) if texts.values.is_empty() => text.push_str("none"),
        Lookup::Answered(_) if txt(tokens, seen) == Finding::Holds => text.push_str("the token"),
        Lookup::Answered(texts) => _ = write!(text, "{}, not the token", texts.values.len()),
    }
    match &seen.page {
        Page::Got { status: 200, .. } => {
            let holds = http(hostname, tokens, &seen.page) == Finding::Holds;
            text.push_str(if holds { "; HTTP: the token" } else { "; HTTP: 200, not the token" });
        }
        Page::Got { status, .. } => _ = write!(text, "; HTTP: status {status}"),
        Page::Failed(why) => _ = write!(text, "; HTTP: {why}"),
        Page::NotAsked => {}
    }
    text
}

/// The first addresses of a list, and how many more there are.
fn shown(addresses: &[IpAddr]) -> String {
    const MOST: usize = 8;
    let texts: Vec<String> = addresses.iter().take(MOST).map(IpAddr::to_string).collect();
    match addresses.len().saturating_sub(MOST) {
        0 => texts.join(", "),
        more => format!("{} and {more} more", texts.join(", ")),
    }
}

#[cfg(test)]
mod tests;
