//! What a restore brought back, for people.

use serde_json::Value;

use super::hostname::text;
use crate::base::count::count;

/// See the head of the file.
pub fn restored(result: &Value) -> String {
    let of = |value: &Value, key: &str| value[key].as_u64().unwrap_or(0) as usize;
    let would = result["dry_run"] == true;
    let mut out = match would {
        true => "nothing is changed; a restore would do this:\n".to_owned(),
        false => String::new(),
    };
    let zones = result["records"].as_array().map_or(&[][..], Vec::as_slice);
    let records: usize = zones.iter().map(|zone| of(zone, "restored")).sum();
    out.push_str(&format!("restored: {}\n", count(records, "record")));
    for zone in zones {
        out.push_str(&one_zone(zone));
    }
    if result["same_store"] == true {
        out.push_str(&format!(
            "custom hostnames, fallback origins, holds, tokens and zones stay as they are; taken away since the \
             backup, and not brought back: {}\n",
            of(result, "left_out")
        ));
        return out;
    }
    out.push_str(&format!(
        "of another store: {}, to be proved again; {}; {}; left out, since what they belonged to is gone or \
         another: {}\n",
        count(of(result, "hostnames"), "custom hostname"),
        count(of(result, "fallback_origins"), "fallback origin"),
        count(of(result, "holds"), "hold"),
        of(result, "left_out")
    ));
    out
}

/// One line, and what there is to say of single records. Nothing of a zone that is as it was.
fn one_zone(zone: &Value) -> String {
    let of = |key: &str| zone[key].as_u64().unwrap_or(0) as usize;
    let (restored, changed, left_out) = (of("restored"), of("changed_since"), of("left_out"));
    let why = zone["why"].as_str().map_or(String::new(), |why| format!(": {why}"));
    if restored + changed + left_out == 0 && why.is_empty() {
        return String::new();
    }
    let mut parts = vec![format!("{restored} restored")];
    for (n, what) in [(changed, "changed since and left so"), (left_out, "not restored")] {
        parts.extend((n > 0).then(|| format!("{n} {what}")));
    }
    let mut out = format!(
        "  {} (account {}): {}{why}\n",
        text(zone, "zone"),
        text(zone, "account"),
        parts.join(", ")
    );
    for record in zone["left_out_records"].as_array().into_iter().flatten() {
        let (name, rtype) = (text(record, "name"), text(record, "type"));
        out.push_str(&format!("    not {name} {rtype}: {}\n", text(record, "why")));
    }
    for message in zone["messages"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        out.push_str(&format!("    {message}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_came_back_and_what_did_not() {
        let record = json!({ "name": "w.a.test", "type": "A", "why": "a CNAME stands there" });
        let zone = |name: &str, why: Value, restored: u8| {
            json!({
                "zone": name, "account": "acct", "restored": restored, "there": 4, "changed_since": 2,
                "left_out": 1, "left_out_records": [record], "messages": ["it leads nowhere"],
                "why": why,
            })
        };
        let still = json!({ "zone": "c.test", "account": "x", "restored": 0, "why": null });
        let gone = zone("b.test", "the zone is not there any more".into(), 0);
        let mut result = json!({
            "dry_run": true, "same_store": true, "left_out": 3,
            "records": [zone("a.test", Value::Null, 7), gone, still],
        });
        let said = restored(&result);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], "nothing is changed; a restore would do this:");
        assert_eq!(lines[1], "restored: 7 records");
        assert_eq!(
            lines[2],
            "  a.test (account acct): 7 restored, 2 changed since and left so, 1 not restored"
        );
        assert_eq!(lines[3], "    not w.a.test A: a CNAME stands there");
        assert_eq!(lines[4], "    it leads nowhere");
        assert!(lines[5].ends_with("1 not restored: the zone is not there any more"), "{said}");
        assert!(lines[8].ends_with("not brought back: 3") && lines.len() == 9, "{said}");
        (result["same_store"], result["hostnames"]) = (false.into(), 1.into());
        assert!(
            restored(&result).contains("of another store: 1 custom hostname, to be proved again")
        );
    }
}
