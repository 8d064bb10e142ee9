//! Each proof with what must not pass for it.

use super::*;
use crate::base::id::{AccountId, ZoneId};
use crate::hostname::seen::{Target, Texts};

const SAAS: Owner = Owner { zone: ZoneId(2), account: AccountId(2) };
const CLIENT: Owner = Owner { zone: ZoneId(1), account: AccountId(1) };
const THIRD: Owner = Owner { zone: ZoneId(3), account: AccountId(3) };

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

fn tokens() -> Tokens {
    Tokens::from_random([9; 32])
}

fn provider() -> Provider {
    Provider { owner: SAAS, partial: None, apex_proxying: false }
}

fn prefixes() -> Prefixes {
    Prefixes::build(vec![
        ("203.0.113.0/24".parse().unwrap(), SAAS.account),
        ("2001:db8:53::/48".parse().unwrap(), SAAS.account),
        ("198.51.100.0/24".parse().unwrap(), THIRD.account),
    ])
}

/// Nothing at all, everything answered.
fn nothing() -> Seen {
    Seen {
        owner: None,
        chain: Lookup::Answered(Chain::default()),
        v4: Lookup::Answered(Vec::new()),
        v6: Lookup::Answered(Vec::new()),
        texts: Lookup::Answered(Texts::default()),
        page: Page::NotAsked,
    }
}

fn chain(targets: &[(&str, Option<Owner>)]) -> Lookup<Chain> {
    let targets = targets.iter().map(|&(n, owner)| Target { name: name(n), owner });
    Lookup::Answered(Chain { targets: targets.collect(), is_loop: false })
}

fn addresses(list: &[&str]) -> Lookup<Vec<IpAddr>> {
    Lookup::Answered(list.iter().map(|a| a.parse().unwrap()).collect())
}

fn texts(elsewhere: bool) -> Lookup<Texts> {
    let values = vec![b"other".to_vec(), tokens().txt.to_string().into_bytes()];
    Lookup::Answered(Texts { values, elsewhere })
}

fn found(hostname: &str, provider: &Provider, seen: &Seen) -> Findings {
    let hostname = Hostname::of(&name(hostname));
    judge(&hostname, &tokens(), provider, &prefixes(), seen)
}

fn cname_holds(owner: Option<Owner>, targets: &[(&str, Option<Owner>)]) -> bool {
    let seen = Seen { owner, chain: chain(targets), ..nothing() };
    found("app.client.example", &provider(), &seen).cname == Finding::Holds
}

#[test]
fn cname_by_owning_zone() {
    let saas = ("proxy.saas.example", Some(SAAS));
    let third = ("x.third.example", Some(THIRD));
    assert!(cname_holds(None, &[saas]));
    assert!(cname_holds(Some(CLIENT), &[saas]));
    assert!(cname_holds(None, &[("cdn.elsewhere.example", None), saas]));
    assert!(cname_holds(Some(CLIENT), &[("www.client.example", Some(CLIENT)), saas]));
    assert!(cname_holds(None, &[saas, ("edge.saas.example", Some(SAAS))]));
    // The suffix alone is nothing: a zone of somebody else may lie below.
    assert!(!cname_holds(None, &[("x.sub.saas.example", Some(THIRD))]));
    assert!(!cname_holds(None, &[("saas.example", None)]));
    assert!(!cname_holds(None, &[]));
    // Through somebody else's zone, and a proxy that leads on into one.
    assert!(!cname_holds(None, &[third, saas]));
    assert!(!cname_holds(Some(CLIENT), &[third, saas]));
    assert!(!cname_holds(None, &[saas, third]));
    assert!(!cname_holds(None, &[saas, ("cdn.elsewhere.example", None)]));
    // From outside, the zone of the client is as foreign as any.
    assert!(!cname_holds(None, &[("www.client.example", Some(CLIENT)), saas]));
    let ten: Vec<_> = vec![("a.elsewhere.example", None); 9];
    assert!(cname_holds(None, &[&ten[..], &[saas]].concat()));
    assert!(!cname_holds(None, &[&ten[..], &ten[..1], &[saas]].concat()));
    let targets = vec![Target { name: name("proxy.saas.example"), owner: Some(SAAS) }];
    let seen = Seen { chain: Lookup::Answered(Chain { targets, is_loop: true }), ..nothing() };
    assert_eq!(found("app.client.example", &provider(), &seen).cname, Finding::Missing);
}

#[test]
fn cname_of_a_partial_zone() {
    let partial = Some(name("saas.example.cdn.bailiwick.invalid"));
    let provider = Provider { partial, ..provider() };
    let holds = |targets: &[(&str, Option<Owner>)]| {
        let seen = Seen { chain: chain(targets), ..nothing() };
        found("app.client.example", &provider, &seen).cname == Finding::Holds
    };
    let end = ("proxy.saas.example.cdn.bailiwick.invalid", Some(SAAS));
    assert!(holds(&[("proxy.saas.example", None), end]));
    assert!(holds(&[("proxy.saas.example", None), (end.0, None)]));
    // Whoever holds the zone of the suffix: the names in it are of the partial zone.
    assert!(holds(&[(end.0, Some(THIRD))]));
    assert!(!holds(&[("proxy.saas.example", None)]));
    assert!(!holds(&[("xsaas.example.cdn.bailiwick.invalid", None)]));
    assert!(!holds(&[("x.third.example", Some(THIRD)), end]));
}

#[test]
fn addresses_all_of_them_in_both_families() {
    let apex = Provider { apex_proxying: true, ..provider() };
    let of = |hostname: &str, provider: &Provider, v4, v6| {
        found(hostname, provider, &Seen { v4, v6, ..nothing() }).address
    };
    let none = || addresses(&[]);
    let own = || addresses(&["203.0.113.1", "203.0.113.2"]);
    let host = "client.example";
    assert_eq!(of(host, &apex, own(), addresses(&["2001:db8:53::1"])), Finding::Holds);
    assert_eq!(of(host, &apex, own(), none()), Finding::Holds);
    assert_eq!(of(host, &apex, none(), none()), Finding::Missing);
    assert_eq!(of(host, &apex, own(), addresses(&["2001:db8:54::1"])), Finding::Missing);
    let mixed = addresses(&["203.0.113.1", "192.0.2.1"]);
    assert_eq!(of(host, &apex, mixed, none()), Finding::Missing);
    assert_eq!(of(host, &apex, addresses(&["198.51.100.1"]), none()), Finding::Missing);
    let silent = || Lookup::NoAnswer("timed out".to_owned());
    assert_eq!(of(host, &apex, own(), silent()), Finding::NoAnswer);
    assert_eq!(of("*.client.example", &apex, own(), none()), Finding::Missing);
    assert_eq!(of(host, &provider(), own(), none()), Finding::Missing);
    // Another provider's zone leads there: it did not ask the client.
    let detour = chain(&[("proxy.third.example", Some(THIRD))]);
    let seen = Seen { chain: detour, v4: own(), ..nothing() };
    assert_eq!(found(host, &apex, &seen).address, Finding::Missing);
}

#[test]
fn txt_at_exactly_that_name() {
    let seen = |texts| Seen { texts, ..nothing() };
    let of = |texts| found("app.client.example", &provider(), &seen(texts)).txt;
    assert_eq!(of(texts(false)), Finding::Holds);
    assert_eq!(of(texts(true)), Finding::Missing);
    assert_eq!(of(Lookup::Answered(Texts::default())), Finding::Missing);
    assert_eq!(of(Lookup::NoAnswer("servfail".to_owned())), Finding::NoAnswer);
    assert_eq!(found("*.client.example", &provider(), &seen(texts(false))).txt, Finding::Holds);
    // The token of another hostname, or of an earlier life of this one.
    let hostname = Hostname::of(&name("app.client.example"));
    let other = Tokens::from_random([8; 32]);
    let findings = judge(&hostname, &other, &provider(), &prefixes(), &seen(texts(false)));
    assert_eq!(findings.txt, Finding::Missing);
}

#[test]
fn http_status_and_body() {
    let of = |hostname: &str, page| found(hostname, &provider(), &Seen { page, ..nothing() }).http;
    let body = format!("{}\n", tokens().http).into_bytes();
    let page = |status, body: &[u8]| Page::Got { status, body: body.to_vec() };
    assert_eq!(of("app.client.example", page(200, &body)), Finding::Holds);
    assert_eq!(of("app.client.example", page(404, &body)), Finding::Missing);
    assert_eq!(of("app.client.example", page(204, &body)), Finding::Missing);
    let more = [&body[..36], b"<br>"].concat();
    assert_eq!(of("app.client.example", page(200, &more)), Finding::Missing);
    assert_eq!(of("*.client.example", page(200, &body)), Finding::Missing);
    let failed = Page::Failed("connection refused".to_owned());
    assert_eq!(of("app.client.example", failed), Finding::NoAnswer);
}

#[test]
fn a_token_takes_over_nothing_that_is_here() {
    let host = "app.client.example";
    let by_token = Seen {
        texts: texts(false),
        page: Page::Got { status: 200, body: tokens().http.to_string().into_bytes() },
        ..nothing()
    };
    let free = found(host, &provider(), &by_token);
    assert_eq!(free.proof(), Some(Method::Txt));
    assert!(!free.guarded && free.errors().is_empty());
    let here = [
        Seen { owner: Some(CLIENT), ..by_token.clone() },
        Seen { chain: chain(&[("x.third.example", Some(THIRD))]), ..by_token.clone() },
        Seen { v4: addresses(&["192.0.2.1", "198.51.100.7"]), ..by_token.clone() },
        Seen { v6: addresses(&["2001:db8:53::1"]), ..by_token.clone() },
    ];
    for seen in &here {
        let findings = found(host, &provider(), seen);
        assert_eq!(findings.proof(), None, "{seen:?}");
        assert_eq!(findings.errors(), [VerificationError::OnThisNetwork]);
    }
    // Where it cannot be told, a token proves nothing either way.
    let silent = Seen { v6: Lookup::NoAnswer("timed out".to_owned()), ..by_token.clone() };
    let findings = found(host, &provider(), &silent);
    assert_eq!((findings.txt, findings.http), (Finding::NoAnswer, Finding::NoAnswer));
    assert_eq!(findings.proof(), None);
    // With the hostname's DNS at the provider, it counts.
    let pointed = Seen { chain: chain(&[("p.saas.example", Some(SAAS))]), ..by_token };
    assert_eq!(found(host, &provider(), &pointed).proof(), Some(Method::Cname));
}

#[test]
fn which_error_is_whose() {
    let apex = Provider { apex_proxying: true, ..provider() };
    let foreign = Seen { v4: addresses(&["192.0.2.1"]), ..nothing() };
    let errors = |host, provider: &Provider, seen: &Seen| found(host, provider, seen).errors();
    use VerificationError::{ForeignAddresses, NoCname, NothingFound};
    assert_eq!(errors("client.example", &provider(), &nothing()), [NoCname]);
    assert_eq!(errors("client.example", &provider(), &foreign), [NoCname]);
    assert_eq!(errors("client.example", &apex, &foreign), [ForeignAddresses]);
    assert_eq!(errors("client.example", &apex, &nothing()), [NothingFound]);
    assert_eq!(errors("*.client.example", &apex, &foreign), [NothingFound]);
}

#[test]
fn evidence_says_what_was_seen_and_no_more() {
    let seen = Seen {
        chain: chain(&[("cdn.elsewhere.example", None), ("proxy.saas.example", Some(SAAS))]),
        v4: addresses(&["203.0.113.1"]),
        v6: Lookup::NoAnswer("timed out".to_owned()),
        page: Page::Got { status: 404, body: Vec::new() },
        ..nothing()
    };
    assert_eq!(
        found("app.client.example", &provider(), &seen).saw,
        "CNAME app.client.example -> cdn.elsewhere.example -> proxy.saas.example; A 203.0.113.1; AAAA: no answer \
         (timed out); TXT: none; HTTP: status 404"
    );
    let hidden = Seen {
        chain: chain(&[("x.third.example", Some(THIRD)), ("secret.third.example", Some(THIRD))]),
        v4: addresses(&["198.51.100.9"]),
        ..nothing()
    };
    let saw = found("app.client.example", &provider(), &hidden).saw;
    assert!(saw.contains("x.third.example"), "{saw}");
    assert!(!saw.contains("secret") && !saw.contains("198.51"), "{saw}");
    let token = Seen { texts: texts(false), ..nothing() };
    let saw = found("app.client.example", &provider(), &token).saw;
    assert!(saw.contains("TXT: the token") && !saw.contains(&tokens().txt.to_string()), "{saw}");
}
