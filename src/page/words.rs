//! What the page says: status, sentences and advice, for each way a name can stand. No form yet.

use hyper::StatusCode;

use super::decide::Standing;
use super::host::{Host, Wrong};
use crate::base::time::UnixTime;
use crate::policy::verdict::CODE;

/// The siblings of the code of denials that people search for.
const UNKNOWN: &str = "1001";
const UNRESOLVED: &str = "1016";
/// "Origin DNS Error", a status that others made up for it.
const ORIGIN_DNS_ERROR: u16 = 530;
/// Seconds after which something that fails for now is worth another try.
const RETRY_SECS: u32 = 60;

/// Advice for somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advice {
    pub who: &'static str,
    pub what: &'static str,
}

/// What is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    pub status: StatusCode,
    /// The reason phrase, where the status has none that everybody knows.
    pub reason: Option<&'static str>,
    /// The number that people search for.
    pub code: Option<&'static str>,
    /// For programs.
    pub word: &'static str,
    /// What stands behind the code.
    pub headline: &'static str,
    /// The name asked for; `None`: there was none that can be shown.
    pub host: Option<String>,
    pub what_happened: &'static str,
    pub advice: &'static [Advice],
    /// Seconds after which it may be over.
    pub retry_after: Option<u32>,
    /// Nobody but the owner or the provider can change it.
    pub owner_must_act: bool,
    /// Tells this answer from all others.
    pub ray: String,
    pub at: UnixTime,
}

/// What a request is answered by, beside the world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Occasion {
    pub ray: String,
    pub at: UnixTime,
    /// Of a denied name.
    pub denied: StatusCode,
    /// TTL of the addresses that lead here, in seconds.
    pub sinkhole_ttl: u32,
}

impl Page {
    /// What is told about `host`, which stands like this if it is a name.
    pub fn of(host: &Host, standing: Option<Standing>, occasion: Occasion) -> Page {
        let page = match (host, standing) {
            (Host::Name { .. }, Some(Standing::Denied)) => denied(occasion),
            (Host::Name { .. }, Some(Standing::Unresolved { for_now })) => {
                unresolved(for_now, occasion)
            }
            (Host::Name { .. }, Some(Standing::Open)) => open(occasion),
            (Host::Name { .. }, Some(Standing::Unknown) | None) => unknown(occasion),
            (Host::Address, _) => Page { what_happened: ADDRESS, ..unknown(occasion) },
            (Host::Wrong(wrong), _) => malformed(*wrong, occasion),
        };
        let host = match host {
            Host::Name { text, .. } => Some(text.clone()),
            Host::Address | Host::Wrong(_) => None,
        };
        Page { host, ..page }
    }

    /// `Error 1014: CNAME cross-user banned`.
    pub fn heading(&self) -> String {
        match self.code {
            Some(code) => format!("Error {code}: {}", self.headline),
            None => self.headline.to_owned(),
        }
    }

    /// `shop.example | Error 1014`.
    pub fn title(&self) -> String {
        let what = self.code.map_or(self.headline.to_owned(), |code| format!("Error {code}"));
        self.host.as_ref().map_or(what.clone(), |host| format!("{host} | {what}"))
    }
}

fn blank(status: StatusCode, occasion: Occasion) -> Page {
    Page {
        status,
        reason: None,
        code: None,
        word: "",
        headline: "",
        host: None,
        what_happened: "",
        advice: &[],
        retry_after: None,
        owner_must_act: false,
        ray: occasion.ray,
        at: occasion.at,
    }
}

fn denied(occasion: Occasion) -> Page {
    Page {
        code: Some(CODE),
        word: "cname_cross_user_banned",
        headline: "CNAME cross-user banned",
        what_happened: "This name is an alias (CNAME) that leads into a zone of another account. The target account \
            must authorize this connection, and it has not done so.",
        advice: &[
            Advice {
                who: "You are visiting this site",
                what: "Nothing is wrong with your device or your connection. Tell the owner of the site what you \
                    see here, with the ray ID below.",
            },
            Advice {
                who: "You own this name",
                what: "Ask the provider behind the target of your CNAME to add this name as a \
                    custom hostname, and follow its steps to verify it. If you use no such \
                    provider, point the name at a target of your own.",
            },
            Advice {
                who: "You are that provider",
                what: "Add this name as a custom hostname of the zone that the CNAME leads into. As soon as it is \
                    active, the name works.",
            },
        ],
        owner_must_act: true,
        ..blank(occasion.denied, occasion)
    }
}

fn unknown(occasion: Occasion) -> Page {
    Page {
        code: Some(UNKNOWN),
        word: "dns_resolution_error",
        headline: "DNS resolution error",
        what_happened: "This server knows no such name, and so it cannot tell where the name should lead.",
        advice: &[
            Advice {
                who: "You are visiting this site",
                what: "Check the address for typing errors. If it is right, tell the owner of the site.",
            },
            Advice {
                who: "You own this name",
                what: "Check that its zone is set up here, that it has a record for this name, and that no address \
                    record elsewhere points at this server by mistake.",
            },
        ],
        owner_must_act: true,
        ..blank(StatusCode::CONFLICT, occasion)
    }
}

const ADDRESS: &str = "You asked for an address of this server and not for a name. No site is served at the address \
    itself.";

fn unresolved(for_now: bool, occasion: Occasion) -> Page {
    let status = StatusCode::from_u16(ORIGIN_DNS_ERROR).unwrap_or(StatusCode::BAD_GATEWAY);
    let what_happened = match for_now {
        true => "This name is known here, but its target cannot be resolved at the moment.",
        false => "This name is known here, but it does not lead to any address.",
    };
    Page {
        reason: Some("Origin DNS Error"),
        code: Some(UNRESOLVED),
        word: "origin_dns_error",
        headline: "Origin DNS error",
        what_happened,
        advice: &[
            Advice {
                who: "You are visiting this site",
                what: "Try again in a few minutes. If this stays, tell the owner of the site.",
            },
            Advice {
                who: "You own this name",
                what: "Check where its records lead: the last name must exist and have an A or AAAA record, and the \
                    aliases on the way must not lead in a circle.",
            },
        ],
        retry_after: for_now.then_some(RETRY_SECS),
        owner_must_act: !for_now,
        ..blank(status, occasion)
    }
}

fn open(occasion: Occasion) -> Page {
    let retry_after = occasion.sinkhole_ttl.clamp(1, RETRY_SECS);
    Page {
        word: "not_blocked",
        headline: "This name is not blocked",
        what_happened: "Nothing keeps visitors from this name any more, but your browser or network still remembers \
            an older answer, which led here.",
        advice: &[
            Advice {
                who: "You are visiting this site",
                what: "Try again in a minute. If you still come here then, close the browser and open it again.",
            },
            Advice {
                who: "You own this name",
                what: "If visitors still come here after some minutes, look for an address record that points at \
                    this server.",
            },
        ],
        retry_after: Some(retry_after),
        //= RFC 9110 §15.5.20: 421, another connection may serve what was asked for
        ..blank(StatusCode::MISDIRECTED_REQUEST, occasion)
    }
}

fn malformed(wrong: Wrong, occasion: Occasion) -> Page {
    let what_happened = match wrong {
        Wrong::Missing => "The request does not say which site it is for: it has no Host.",
        Wrong::Several => {
            "The request does not say which site it is for: it has more than one Host."
        }
        Wrong::Malformed => {
            "The request does not say which site it is for: its Host is not a name."
        }
    };
    Page {
        word: "bad_request",
        headline: "Bad request",
        what_happened,
        advice: &[Advice {
            who: "You are visiting this site",
            what: "Check the address for typing errors.",
        }],
        ..blank(StatusCode::BAD_REQUEST, occasion)
    }
}
