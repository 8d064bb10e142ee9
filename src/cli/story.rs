//! One custom hostname, for people: how it stands, why, what was seen, who can do what, and when it is looked at next.

use serde_json::Value;

use super::hostname::text;
use crate::hostname::schedule::ATTEMPTS;

/// See the head of the file.
pub fn story(h: &Value) -> String {
    let mut out =
        format!("{} -> {}: {}\n", text(h, "hostname"), text(h, "zone"), text(h, "status"));
    out.push_str(&format!("  {}\n", meaning(text(h, "status"))));
    let mut line = |name: &str, value: &str| {
        if value != "-" {
            out.push_str(&format!("  {name:<11} {value}\n"));
        }
    };
    for error in h["verification_errors"].as_array().into_iter().flatten() {
        line("because", error.as_str().unwrap_or_default());
    }
    for (n, advice) in h["advice"].as_array().into_iter().flatten().enumerate() {
        let command = advice["command"].as_str().map_or(String::new(), |c| format!(": {c}"));
        let what = format!("{}: {}{command}", text(advice, "who"), text(advice, "what"));
        line(if n == 0 { "to do" } else { "" }, &what);
    }
    let check = &h["last_check"];
    let is_done = if text(h, "status") == "pending" { ": that part is done" } else { "" };
    if let Some(method) = check["method"].as_str() {
        line("proof", &format!("{}{is_done}", proof(method)));
    }
    line("last check", text(check, "at"));
    let saw = text(check, "saw");
    for (n, part) in saw.split("; ").enumerate() {
        line(if n == 0 { "saw" } else { "" }, part);
    }
    line("next check", &next(h));
    line("created", text(h, "created_at"));
    line("id", text(h, "id"));
    out
}

fn meaning(status: &str) -> &'static str {
    match status {
        "pending" => "It is not let in before it is verified.",
        "active" | "active_redeploying" => "It is let in.",
        "moved" => "It is not let in: it was not verified in time, or is verified no more.",
        "deleted" => "It is not let in: it was moved for seven days. It can still be revived.",
        "blocked" => "It is not let in, and not checked any more.",
        "pending_deletion" => "It is not let in, and will be gone in a moment.",
        _ => "",
    }
}

fn proof(method: &str) -> &str {
    match method {
        "cname" => "CNAME",
        "address" => "its addresses",
        "txt" => "TXT record",
        "http" => "HTTP token",
        other => other,
    }
}

fn next(h: &Value) -> String {
    let at = text(h, "next_check_at");
    match (at, text(h, "status")) {
        ("-", "pending") => "when a zone here changes".to_owned(),
        ("-", _) => "-".to_owned(),
        (at, "pending") => {
            let number = h["attempts"].as_u64().unwrap_or(0) + 1;
            format!("{at} ({number} of {ATTEMPTS}), and when a zone here changes")
        }
        (at, _) => at.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pending_one_says_why_who_and_when() {
        let h = json!({
            "id": "3537a672-e4d8-4d89-aab9-26cb622918a1",
            "hostname": "custom.myclientsite.com",
            "zone": "saasprovider.com",
            "status": "pending",
            "verification_errors": ["Zone does not have a fallback origin set."],
            "advice": [{ "who": "provider", "what": "set one" }, { "who": "owner", "what": "wait" }],
            "attempts": 2,
            "created_at": "2026-11-21T08:00:00Z",
            "next_check_at": "2026-11-21T08:03:00Z",
            "last_check": {
                "method": null, "saw": "CNAME a -> b; A 203.0.113.10; no AAAA; TXT: none",
                "at": "2026-11-21T08:02:00Z",
            },
        });
        assert_eq!(
            story(&h),
            "custom.myclientsite.com -> saasprovider.com: pending\n  \
             It is not let in before it is verified.\n  \
             because     Zone does not have a fallback origin set.\n  \
             to do       provider: set one\n              \
             owner: wait\n  \
             last check  2026-11-21T08:02:00Z\n  \
             saw         CNAME a -> b\n              \
             A 203.0.113.10\n              \
             no AAAA\n              \
             TXT: none\n  \
             next check  2026-11-21T08:03:00Z (3 of 75), and when a zone here changes\n  \
             created     2026-11-21T08:00:00Z\n  \
             id          3537a672-e4d8-4d89-aab9-26cb622918a1\n"
        );
    }
}
