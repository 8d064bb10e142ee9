//! Hostnames outside this server: what is seen of them by DNS, with a resolver and pages of the test's own, all on the
//! loopback; and what must not be fetched.

#[path = "support/pages.rs"]
mod pages;
#[path = "support/resolver.rs"]
mod resolver;
#[path = "support/small.rs"]
mod small;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bailiwick::base::hash::HashKey;
use bailiwick::base::uuid::Uuid;
use bailiwick::config::settings::Settings as Config;
use bailiwick::control::looks::HostnameLook;
use bailiwick::hostname::fallback::Found;
use bailiwick::hostname::lifecycle::Trigger;
use bailiwick::hostname::object::Hostname;
use bailiwick::hostname::proof::{Places, Tokens};
use bailiwick::hostname::seen::{Lookup, Page, Seen};
use bailiwick::model::catalog::Catalog;
use bailiwick::model::snapshot::Snapshot;
use bailiwick::outside::resolve::Resolver;
use bailiwick::outside::upstream::Upstreams;
use bailiwick::verifier::Settings;
use bailiwick::verifier::fetch::{Fetcher, Reach};
use bailiwick::verifier::guard::Guard;
use bailiwick::verifier::walk::Walker;
use pages::{Pages, Say};
use resolver::FakeResolver;
use small::{name, zone};

const LONG: Duration = Duration::from_secs(20);

/// Accounts: 1 holds `client.net`, 2 `saas.net`, 3 `third.net`.
fn walker(resolver: &FakeResolver, fetcher: Fetcher) -> Walker {
    let key = HashKey::new([7; 16]);
    let mut snapshot = Snapshot::empty(key);
    let zones = vec![
        zone(
            &key,
            1,
            "client.net",
            &["cut 300 NS ns.elsewhere.org.", "away 300 CNAME shop.outside.org."],
        ),
        zone(&key, 2, "saas.net", &["proxy 300 A 203.0.113.10", "on 300 CNAME proxy"]),
        zone(&key, 3, "third.net", &["to 300 CNAME proxy.saas.net."]),
    ];
    snapshot.catalog = Catalog::build(key, zones);
    let upstreams = Arc::new(Upstreams::new(&[resolver.address]));
    let resolver = Resolver::new(upstreams, None, LONG);
    let published = Arc::new(ArcSwap::from_pointee(snapshot));
    Walker { resolver, published, fetcher: Arc::new(fetcher) }
}

fn tokens() -> Tokens {
    Tokens::from_random([3; 32])
}

fn look_of(hostname: &str) -> HostnameLook {
    let hostname = Hostname::of(&name(hostname));
    let places = Places::default();
    let id = Uuid([9; 16]);
    HostnameLook {
        id,
        revision: 1,
        trigger: Trigger::Extra,
        tokens: tokens(),
        txt: places.txt_name(&hostname),
        path: places.http_path(&hostname, id),
        hostname,
    }
}

/// A fetcher that may ask the loopback, at the ports of `pages`.
fn fetcher(pages: &Pages, allow_special: bool) -> Fetcher {
    let mut settings = Settings::of(&Config::default());
    settings.hostnames.allow_special = allow_special;
    let reach = Reach { http: pages.http.port(), https: pages.https.port(), patience: LONG };
    Fetcher::new(&settings, reach, Arc::new(Guard::default()))
}

async fn seen(resolver: &FakeResolver, hostname: &str) -> Seen {
    let nobody = Fetcher::new(&Settings::of(&Config::default()), Reach::default(), Arc::default());
    walker(resolver, nobody).hostname(&look_of(hostname)).await
}

fn chain(seen: &Seen) -> Vec<String> {
    let chain = seen.chain.answer().unwrap_or_else(|| panic!("{seen:?}"));
    let shown = chain.targets.iter().map(|t| match t.owner {
        Some(owner) => format!("{} in {}", t.name, owner.zone),
        None => t.name.to_string(),
    });
    shown.collect()
}

#[tokio::test]
async fn a_chain_is_walked_outside_and_here() {
    let dns = FakeResolver::start();
    dns.cname("shop.outside.org", "cdn.outside.org");
    dns.cname("cdn.outside.org", "on.saas.net");
    // What the resolver says behind the first name here is not asked for, nor believed.
    dns.cname("on.saas.net", "evil.outside.org");
    let seen_1 = seen(&dns, "shop.outside.org").await;
    assert_eq!(chain(&seen_1), ["cdn.outside.org", "on.saas.net in 2", "proxy.saas.net in 2"]);
    assert_eq!(seen_1.v4, Lookup::Answered(vec!["203.0.113.10".parse().unwrap()]));
    assert_eq!(seen_1.v6, Lookup::Answered(Vec::new()));
    assert_eq!((dns.count("on.saas.net"), dns.count("proxy.saas.net")), (0, 0));
    // A third account's zone on the way is seen as what it is.
    dns.cname("detour.outside.org", "to.third.net");
    let detour = seen(&dns, "detour.outside.org").await;
    assert_eq!(chain(&detour), ["to.third.net in 3", "proxy.saas.net in 2"]);
    // From a zone here, outside, and back in; and below a delegation.
    let away = seen(&dns, "away.client.net").await;
    assert_eq!(chain(&away)[0], "shop.outside.org");
    assert_eq!(chain(&away).last().unwrap(), "proxy.saas.net in 2");
    assert_eq!(away.owner.unwrap().zone.0, 1);
    dns.cname("x.cut.client.net", "proxy.saas.net");
    assert_eq!(chain(&seen(&dns, "x.cut.client.net").await), ["proxy.saas.net in 2"]);
    // A wildcard is asked for by its own name.
    dns.cname("*.wild.outside.org", "proxy.saas.net");
    assert_eq!(chain(&seen(&dns, "*.wild.outside.org").await), ["proxy.saas.net in 2"]);
}

#[tokio::test]
async fn addresses_loops_and_silence() {
    let dns = FakeResolver::start();
    dns.address("apex.outside.org", "198.51.100.7");
    dns.address("apex.outside.org", "2001:db8::7");
    let apex = seen(&dns, "apex.outside.org").await;
    assert!(chain(&apex).is_empty());
    assert_eq!(apex.v4, Lookup::Answered(vec!["198.51.100.7".parse().unwrap()]));
    assert_eq!(apex.v6, Lookup::Answered(vec!["2001:db8::7".parse().unwrap()]));
    // Not there is an answer: it has no addresses.
    let none = seen(&dns, "none.outside.org").await;
    assert_eq!((none.v4, none.v6), (Lookup::Answered(vec![]), Lookup::Answered(vec![])));
    dns.cname("a.outside.org", "b.outside.org");
    dns.cname("b.outside.org", "a.outside.org");
    let looping = seen(&dns, "a.outside.org").await;
    assert!(looping.chain.answer().unwrap().is_loop && looping.v4.answer().is_none());
    for n in 0..20 {
        dns.cname(&format!("n{n}.outside.org"), &format!("n{}.outside.org", n + 1));
    }
    let long = seen(&dns, "n0.outside.org").await;
    assert_eq!((chain(&long).len(), long.v4.answer()), (11, None));
    // No answer is no answer, to nothing of it.
    let silent = seen(&dns, "silent.outside.org").await;
    assert!(silent.chain.answer().is_none() && silent.v4.answer().is_none());
    assert!(silent.texts.answer().is_none(), "{silent:?}");
    dns.cname("half.outside.org", "silent.outside.org");
    assert!(seen(&dns, "half.outside.org").await.chain.answer().is_none());
}

#[tokio::test]
async fn a_text_counts_at_exactly_its_name() {
    let dns = FakeResolver::start();
    let token = tokens().txt.to_string();
    let at = |hostname: &str| format!("_cf-custom-hostname.{hostname}");
    dns.txt(&at("good.outside.org"), "something else");
    dns.txt(&at("good.outside.org"), &token);
    let texts = async |hostname: &str| {
        let seen = seen(&dns, hostname).await;
        seen.texts.answer().cloned().unwrap_or_else(|| panic!("{seen:?}"))
    };
    let good = texts("good.outside.org").await;
    assert!(!good.elsewhere && good.values.contains(&token.clone().into_bytes()));
    assert_eq!(texts("*.good.outside.org").await, good);
    assert!(texts("none.outside.org").await.values.is_empty());
    // By a CNAME, by a wildcard, and by a CNAME that a wildcard made.
    dns.txt("tokens.provider.org", &token);
    dns.cname(&at("alias.outside.org"), "tokens.provider.org");
    dns.txt("*.wild.outside.org", &token);
    dns.cname("*.both.outside.org", "tokens.provider.org");
    for name in ["alias.outside.org", "x.wild.outside.org", "both.outside.org"] {
        assert!(texts(name).await.elsewhere, "{name}");
    }
    // A wildcard with other texts does no harm.
    dns.txt("*.spf.outside.org", "v=spf1 -all");
    dns.txt(&at("spf.outside.org"), &token);
    assert!(!texts("spf.outside.org").await.elsewhere);
}

#[tokio::test]
async fn fallback_origins() {
    let dns = FakeResolver::start();
    dns.address("shop.outside.org", "198.51.100.7");
    let nobody = Fetcher::new(&Settings::of(&Config::default()), Reach::default(), Arc::default());
    let walker = walker(&dns, nobody);
    assert_eq!(walker.origin(&name("away.client.net")).await, Found::Resolves);
    dns.forget("shop.outside.org");
    assert_eq!(walker.origin(&name("away.client.net")).await, Found::Record);
    dns.cname("shop.outside.org", "silent.outside.org");
    assert_eq!(walker.origin(&name("away.client.net")).await, Found::NoAnswer);
}

// --- pages ----------------------------------------------------------------------------------------------------------

const PATH: &str = "/.well-known/cf-custom-hostname-challenge/09090909-0909-0909-0909-090909090909";

fn token() -> String {
    tokens().http.to_string()
}

/// What comes of a fetch where the host says this of each path.
async fn page(say: impl Fn(&str, &str) -> Say + Send + Sync + 'static) -> Page {
    let pages = Pages::start(say);
    let addresses = [vec![IpAddr::from([127, 0, 0, 1])], Vec::new()];
    fetcher(&pages, true).page(&name("shop.outside.org"), PATH, tokens().http, &addresses).await
}

fn is_proof(page: &Page) -> bool {
    matches!(page, Page::Got { status: 200, body } if body.trim_ascii_end() == token().as_bytes())
}

#[tokio::test]
async fn the_token_on_port_80_or_443() {
    let request = Arc::new(std::sync::Mutex::new(String::new()));
    let heard = Arc::clone(&request);
    let plain = page(move |scheme, head| {
        *heard.lock().unwrap() = head.to_owned();
        Say::page(if scheme == "http" { 200 } else { 500 }, &format!("{}\r\n \n", token()))
    });
    assert!(is_proof(&plain.await));
    let head = request.lock().unwrap().clone();
    assert!(head.starts_with(&format!("GET {PATH} HTTP/1.1\r\n")), "{head}");
    let head = head.to_lowercase();
    assert!(head.contains("\r\nhost: shop.outside.org\r\n"), "{head}");
    assert!(head.contains("\r\nuser-agent: bailiwick custom hostname verification\r\n"), "{head}");
    // The certificate is somebody's, of long ago: it is not asked for.
    let tls = page(|scheme, _| match scheme {
        "https" => Say::page(200, &token()),
        _ => Say::page(404, "not here"),
    });
    assert!(is_proof(&tls.await));
    let no_plain = page(|scheme, _| match scheme {
        "https" => Say::page(200, &token()),
        _ => Say::Hangup,
    });
    assert!(is_proof(&no_plain.await));
    for (status, body) in [(404, token()), (201, token()), (200, format!("<p>{}", token()))] {
        let wrong = page(move |_, _| Say::page(status, &body)).await;
        assert!(!is_proof(&wrong), "{wrong:?}");
    }
}

#[tokio::test]
async fn redirects_stay_on_the_host() {
    let to_token = |to: &'static str| {
        page(move |_, head| match head.contains(PATH) {
            true => Say::redirect(to),
            false => Say::page(200, &token()),
        })
    };
    for to in [
        "/other?x=1",
        "http://shop.outside.org/x",
        "https://SHOP.outside.org:443/x",
        "//shop.outside.org/x",
    ] {
        let page = to_token(to).await;
        assert!(is_proof(&page), "{to}: {page:?}");
    }
    for to in [
        "http://evil.outside.org/x",
        "http://127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://shop.outside.org:22/x",
        "http://shop.outside.org@evil.org/",
        "http://user@shop.outside.org/",
        "ftp://shop.outside.org/x",
        "file:///etc/passwd",
        "x",
        "",
    ] {
        let page = to_token(to).await;
        assert!(!is_proof(&page), "{to}: {page:?}");
    }
    // Three are followed, the fourth is not.
    let steps = |most: usize| {
        page(move |_, head| {
            let n = head.split("step=").nth(1).and_then(|n| n[..1].parse::<usize>().ok());
            match n.unwrap_or(0) {
                n if n < most => Say::redirect(&format!("/?step={}", n + 1)),
                _ => Say::page(200, &token()),
            }
        })
    };
    assert!(is_proof(&steps(3).await));
    let four = steps(4).await;
    assert!(matches!(four, Page::Failed(_)), "{four:?}");
}

#[tokio::test]
async fn huge_endless_and_broken_pages_fail() {
    let huge = page(|_, _| Say::page(200, &"x".repeat(1 << 20))).await;
    assert!(matches!(huge, Page::Failed(_)), "{huge:?}");
    // A body that says it is long, and one that says nothing and goes on for ever.
    let says =
        page(|_, _| Say::Raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx".into()))
            .await;
    assert!(!is_proof(&says), "{says:?}");
    for endless in
        ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\nA: b\r\n"]
    {
        let more = if endless.ends_with("b\r\n") { "A: b\r\n" } else { "xxxxxxxx" };
        let page = page(move |_, _| Say::Endless(endless.into(), more.into())).await;
        assert!(matches!(page, Page::Failed(_)), "{endless:?}: {page:?}");
    }
    for broken in ["", "SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "\0\0\0\0"] {
        let page = page(move |_, _| Say::Raw(broken.into())).await;
        assert!(matches!(page, Page::Failed(_)), "{broken:?}: {page:?}");
    }
}

#[tokio::test]
async fn a_page_that_never_comes_ends_in_time() {
    let pages = Pages::start(|_, _| Say::Nothing);
    let settings = {
        let mut settings = Settings::of(&Config::default());
        settings.hostnames.allow_special = true;
        settings
    };
    let patience = Duration::from_millis(100);
    let reach = Reach { http: pages.http.port(), https: pages.https.port(), patience };
    let fetcher = Fetcher::new(&settings, reach, Arc::default());
    let addresses = [vec![IpAddr::from([127, 0, 0, 1]); 9], Vec::new()];
    let page = fetcher.page(&name("shop.outside.org"), PATH, tokens().http, &addresses).await;
    assert!(matches!(page, Page::Failed(_)), "{page:?}");
}

#[tokio::test]
async fn special_purpose_addresses_are_not_even_connected_to() {
    let pages = Pages::start(|_, _| Say::page(200, &token()));
    let fetcher = fetcher(&pages, false);
    for addresses in [
        [vec![IpAddr::from([127, 0, 0, 1])], vec!["::1".parse().unwrap()]],
        [vec![IpAddr::from([0, 0, 0, 0])], vec!["::ffff:127.0.0.1".parse().unwrap()]],
    ] {
        let page = fetcher.page(&name("shop.outside.org"), PATH, tokens().http, &addresses).await;
        let why = "it has a special-purpose address".to_owned();
        assert_eq!(page, Page::Failed(why));
    }
    assert_eq!(pages.connections(), 0);
}

#[tokio::test]
async fn a_name_that_turns_is_asked_where_it_was_seen() {
    let dns = FakeResolver::start();
    let pages = Pages::start(|_, _| Say::page(200, &token()));
    // What was checked is what is connected to: whatever the name says a moment later.
    dns.turns("shop.outside.org", &["127.0.0.1", "127.0.0.77"]);
    let seen = walker(&dns, fetcher(&pages, true)).hostname(&look_of("shop.outside.org")).await;
    assert_eq!(seen.v4, Lookup::Answered(vec![IpAddr::from([127, 0, 0, 1])]));
    assert!(is_proof(&seen.page), "{seen:?}");
}

#[tokio::test]
async fn own_doors_are_not_asked() {
    let pages = Pages::start(|_, _| Say::page(200, &token()));
    let mut settings = Settings::of(&Config::default());
    settings.hostnames.allow_special = true;
    settings.own = vec![pages.http, pages.https];
    let reach = Reach { http: pages.http.port(), https: pages.https.port(), patience: LONG };
    let fetcher = Fetcher::new(&settings, reach, Arc::default());
    let addresses = [vec![IpAddr::from([127, 0, 0, 1])], Vec::new()];
    let page = fetcher.page(&name("shop.outside.org"), PATH, tokens().http, &addresses).await;
    assert_eq!(page, Page::Failed("it has an address of this server".to_owned()));
    assert_eq!(pages.requests(), 0);
}

#[tokio::test]
async fn a_page_is_fetched_only_where_it_can_prove_something() {
    let dns = FakeResolver::start();
    let pages = Pages::start(|_, _| Say::page(200, &token()));
    let look = async |hostname: &str| {
        walker(&dns, fetcher(&pages, true)).hostname(&look_of(hostname)).await
    };
    dns.address("shop.outside.org", "127.0.0.1");
    let seen = look("shop.outside.org").await;
    assert!(is_proof(&seen.page), "{seen:?}");
    let before = pages.connections();
    // In a zone here, leading to one here, a wildcard, no answer about its addresses.
    dns.cname("here.outside.org", "proxy.saas.net");
    dns.cname("half.outside.org", "silent.outside.org");
    for hostname in ["x.client.net", "here.outside.org", "*.shop.outside.org", "half.outside.org"] {
        assert_eq!(look(hostname).await.page, Page::NotAsked, "{hostname}");
    }
    // The text is there: nobody needs the page.
    dns.txt("_cf-custom-hostname.shop.outside.org", &tokens().txt.to_string());
    assert_eq!(look("shop.outside.org").await.page, Page::NotAsked);
    assert_eq!(pages.connections(), before);
}
