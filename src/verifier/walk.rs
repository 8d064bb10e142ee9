//! One look at a hostname: its chain, addresses and texts, name by name in the zones here or of the upstream
//! resolvers, and then its page.
//!
//! A name in an active zone here is looked up in the zone data, with the policy off; whatever an upstream says of it
//! is not believed. CNAMEs are asked for one at a time, so that nothing behind the first name here is asked outside.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::dnssec::Proof;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};
use tokio::time::timeout;

use super::fetch::Fetcher;
use crate::base::limits::{LOOK_DNS_SECS, LOOK_SECS};
use crate::base::name::Name;
use crate::base::rtype::{self, RType};
use crate::control::look::{self, Hop};
use crate::control::looks::HostnameLook;
use crate::control::press::Published;
use crate::hostname::fallback::Found as OriginFound;
use crate::hostname::proof;
use crate::hostname::seen::{Chain, Lookup, Page, Seen, Target, Texts};
use crate::model::flattened::{Key, Outcome};
use crate::outside::chain::from_proto;
use crate::outside::resolve::{Resolve, Resolver};

/// See the head of the file.
pub struct Walker {
    pub resolver: Resolver,
    /// The zones here.
    pub published: Arc<Published>,
    pub fetcher: Arc<Fetcher>,
}

/// Why something is not known, in words.
type Unknown = String;

/// Where a chain ends.
struct End {
    chain: Lookup<Chain>,
    v4: Lookup<Vec<IpAddr>>,
    v6: Lookup<Vec<IpAddr>>,
}

/// What one name says.
enum Step {
    To(Name),
    /// Its addresses, as the zones here have them.
    Here([Vec<IpAddr>; 2]),
    Ask,
    Unknown(&'static str),
}

impl Walker {
    /// Looks at a hostname.
    pub async fn hostname(&self, look: &HostnameLook) -> Seen {
        let limit = Duration::from_secs(LOOK_SECS);
        match timeout(limit, self.hostname_in_time(look)).await {
            Ok(seen) => seen,
            Err(_) => unseen("it took too long"),
        }
    }

    async fn hostname_in_time(&self, look: &HostnameLook) -> Seen {
        let until = Instant::now() + Duration::from_secs(LOOK_DNS_SECS);
        let Some(name) = look.hostname.name() else { return unseen("the name is too long") };
        let owner = look::owner(&self.published.load(), &look.hostname.base);
        let (end, texts) = tokio::join!(self.chain(&name, until), self.texts(look, until));
        let End { chain, v4, v6 } = end;
        let mut seen = Seen { owner, chain, v4, v6, texts, page: Page::NotAsked };
        if let Some(path) = look.path.as_ref().filter(|_| is_page_wanted(look, &seen)) {
            let of = |lookup: &Lookup<Vec<IpAddr>>| lookup.answer().cloned().unwrap_or_default();
            let addresses = [of(&seen.v4), of(&seen.v6)];
            let host = &look.hostname.base;
            seen.page = self.fetcher.page(host, path, look.tokens.http, &addresses).await;
        }
        seen
    }

    /// Whether a fallback origin leads to an address.
    pub async fn origin(&self, origin: &Name) -> OriginFound {
        let until = Instant::now() + Duration::from_secs(LOOK_DNS_SECS);
        let End { chain, v4, v6 } = self.chain(origin, until).await;
        let has = |lookup: &Lookup<Vec<IpAddr>>| lookup.answer().map(|found| !found.is_empty());
        match (chain.answer().is_some(), has(&v4), has(&v6)) {
            (_, Some(true), _) | (_, _, Some(true)) => OriginFound::Resolves,
            (true, Some(false), Some(false)) => OriginFound::Record,
            _ => OriginFound::NoAnswer,
        }
    }

    /// Walks from `first` to its addresses.
    async fn chain(&self, first: &Name, until: Instant) -> End {
        let mut chain = Chain::default();
        let mut at = first.clone();
        loop {
            let next = match self.step(&at) {
                Step::To(next) => next,
                Step::Unknown(why) => return End::unknown(why.to_owned()),
                Step::Here([v4, v6]) => {
                    let (v4, v6) = (Lookup::Answered(v4), Lookup::Answered(v6));
                    return End { chain: Lookup::Answered(chain), v4, v6 };
                }
                Step::Ask => match self.cname(&at, until).await {
                    Ok(Some(next)) => next,
                    Ok(None) => return self.addresses(&at, chain).await,
                    Err(why) => return End::unknown(format!("{at}: {why}")),
                },
            };
            let owner = look::owner(&self.published.load(), &next);
            if !chain.push(first, Target { name: next.clone(), owner }) {
                let nowhere = || Lookup::NoAnswer("the chain has no end".to_owned());
                return End { chain: Lookup::Answered(chain), v4: nowhere(), v6: nowhere() };
            }
            at = next;
        }
    }

    /// What the zones here say of a name.
    fn step(&self, name: &Name) -> Step {
        let snapshot = self.published.load();
        match look::hop(&snapshot, name) {
            Hop::Outside | Hop::Delegated => Step::Ask,
            Hop::NotReady => Step::Unknown("a zone on the way has no data"),
            Hop::To(next) => Step::To(next),
            Hop::End(None) => Step::Here([Vec::new(), Vec::new()]),
            Hop::End(Some(node)) => {
                Step::Here([rtype::A, rtype::AAAA].map(|t| look::addresses(node, t)))
            }
        }
    }

    /// The target of a CNAME outside, if there is one.
    async fn cname(&self, name: &Name, until: Instant) -> Result<Option<Name>, Unknown> {
        let message = self.ask(name, rtype::CNAME, until).await?;
        let mut targets = Vec::new();
        for record in self.at(&message, name, RecordType::CNAME)? {
            if let RData::CNAME(to) = &record.data {
                targets.push(from_proto(&to.0).ok_or("a CNAME leads to no name")?);
            }
        }
        match targets.len() {
            0 => Ok(None),
            1 => Ok(targets.pop()),
            _ => Err("it has two CNAMEs".to_owned()),
        }
    }

    /// The addresses at the end of a chain outside.
    async fn addresses(&self, name: &Name, chain: Chain) -> End {
        let find = async |rtype: RType| {
            let key = Key { target: name.clone(), rtype };
            let found = self.resolver.resolve(&key).await;
            // It had no CNAME a moment ago.
            if !found.hops.is_empty() {
                return Lookup::NoAnswer("it leads on, and did not when asked for that".to_owned());
            }
            match found.outcome {
                Outcome::Addresses => Lookup::Answered(found.addresses),
                Outcome::NoData | Outcome::NxDomain => Lookup::Answered(Vec::new()),
                Outcome::Failed(kind) => Lookup::NoAnswer(kind.word().to_owned()),
            }
        };
        let (v4, v6) = tokio::join!(find(rtype::A), find(rtype::AAAA));
        End { chain: Lookup::Answered(chain), v4, v6 }
    }

    /// The TXT records at exactly the name where the token belongs.
    async fn texts(&self, look: &HostnameLook, until: Instant) -> Lookup<Texts> {
        let Some(name) = &look.txt else { return Lookup::Answered(Texts::default()) };
        let here = look::texts(&self.published.load(), name);
        if let Ok(texts) = here {
            return texts;
        }
        match self.texts_outside(look, name, until).await {
            Ok(texts) => Lookup::Answered(texts),
            Err(why) => Lookup::NoAnswer(why),
        }
    }

    async fn texts_outside(
        &self,
        look: &HostnameLook,
        name: &Name,
        until: Instant,
    ) -> Result<Texts, Unknown> {
        let has_token = |texts: &Texts| {
            texts.values.iter().filter(|value| proof::is_token(value, look.tokens.txt)).count() > 0
        };
        let mut texts = self.texts_at(name, until).await?;
        // A name that nobody made has it too: then a wildcard did it.
        if !texts.elsewhere && has_token(&texts) {
            let beside = beside(name).ok_or("the name is too long")?;
            let other = self.texts_at(&beside, until).await?;
            texts.elsewhere = has_token(&other);
        }
        Ok(texts)
    }

    async fn texts_at(&self, name: &Name, until: Instant) -> Result<Texts, Unknown> {
        let message = self.ask(name, rtype::TXT, until).await?;
        let leads_on =
            |r: &Record| matches!(r.record_type(), RecordType::CNAME | RecordType::DNAME);
        if message.answers.iter().any(leads_on) {
            return Ok(Texts { values: Vec::new(), elsewhere: true });
        }
        let mut texts = Texts::default();
        for record in self.at(&message, name, RecordType::TXT)? {
            if let RData::TXT(txt) = &record.data {
                texts.values.push(txt.txt_data.concat());
            }
        }
        Ok(texts)
    }

    async fn ask(&self, name: &Name, rtype: RType, until: Instant) -> Result<Message, Unknown> {
        let answer = self.resolver.ask(name.as_wire(), rtype, until).await;
        let message = answer.map_err(|failed| failed.kind.word().to_owned())?.message;
        match message.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(message),
            other => Err(other.to_string()),
        }
    }

    /// The records of a type at a name; with validation, only if all of them hold.
    fn at<'m>(
        &self,
        message: &'m Message,
        name: &Name,
        rtype: RecordType,
    ) -> Result<Vec<&'m Record>, Unknown> {
        let is_at = |r: &&Record| {
            r.dns_class == DNSClass::IN
                && r.record_type() == rtype
                && from_proto(&r.name).is_some_and(|owner| owner == *name)
        };
        let records: Vec<&Record> = message.answers.iter().filter(is_at).collect();
        let holds = |r: &&Record| matches!(r.proof, Proof::Secure | Proof::Insecure);
        if self.resolver.is_validating() && !records.iter().all(holds) {
            return Err("bogus".to_owned());
        }
        Ok(records)
    }
}

impl End {
    fn unknown(why: Unknown) -> End {
        let (v4, v6) = (Lookup::NoAnswer(why.clone()), Lookup::NoAnswer(why.clone()));
        End { chain: Lookup::NoAnswer(why), v4, v6 }
    }
}

/// A page can prove something only where the hostname is known to lie outside and to lead nowhere here.
fn is_page_wanted(look: &HostnameLook, seen: &Seen) -> bool {
    let chain = seen.chain.answer();
    let is_free = chain.is_some_and(|c| c.targets.iter().all(|t| t.owner.is_none()));
    let known = seen.v4.answer().is_some() && seen.v6.answer().is_some();
    let texts = seen.texts.answer().filter(|t| !t.elsewhere);
    let by_text =
        texts.is_some_and(|t| t.values.iter().any(|v| proof::is_token(v, look.tokens.txt)));
    seen.owner.is_none() && is_free && known && !by_text
}

/// A name beside `name` that nobody can have made.
fn beside(name: &Name) -> Option<Name> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).ok()?;
    let label: String = random.iter().map(|b| format!("{b:02x}")).collect();
    let mut wire = vec![label.len() as u8];
    wire.extend_from_slice(label.as_bytes());
    wire.extend_from_slice(name.parent()?.as_wire());
    Name::from_wire(&wire).ok()
}

fn unseen(why: &str) -> Seen {
    let End { chain, v4, v6 } = End::unknown(why.to_owned());
    let texts = Lookup::NoAnswer(why.to_owned());
    Seen { owner: None, chain, v4, v6, texts, page: Page::NotAsked }
}
