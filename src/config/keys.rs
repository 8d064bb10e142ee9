//! The keys a config may have: those that count, and those of features that do not exist yet.

/// The keys of one table.
pub struct Keys {
    /// How the table is called to people.
    pub table: &'static str,
    pub known: &'static [&'static str],
    /// Part of the contract, but not available in this version.
    pub later: &'static [&'static str],
}

pub const TOP: Keys = Keys {
    table: "the config",
    known: &[
        "server",
        "policy",
        "hold",
        "log",
        "flatten",
        "api",
        "block_page",
        "hostnames",
        "accounts",
        "zones",
        "grants",
    ],
    later: &[],
};

pub const SERVER: Keys = Keys {
    table: "[server]",
    known: &[
        "listen",
        "zones",
        "data",
        "workers",
        "user",
        "nsid",
        "version",
        "cookie_secret",
        "tcp_max",
        "tcp_per_address",
        "tcp_idle",
        "public_suffixes",
        "nap_us",
        "nameservers",
    ],
    later: &[],
};

pub const POLICY: Keys = Keys {
    table: "[policy]",
    known: &["on_violation", "max_hops", "crossing_ttl", "sinkhole", "sinkhole_ttl", "suffixes"],
    later: &[],
};

pub const HOLD: Keys = Keys { table: "[hold]", known: &["percent", "records"], later: &[] };

pub const LOG: Keys = Keys { table: "[log]", known: &["format"], later: &[] };

pub const FLATTEN: Keys = Keys {
    table: "[flatten]",
    known: &[
        "mode",
        "upstream",
        "min_ttl",
        "max_ttl",
        "stale",
        "deadline_ms",
        "validate",
        "trust_anchors",
        "allow_special",
        "rotate",
    ],
    later: &[],
};

pub const API: Keys = Keys {
    table: "[api]",
    known: &["listen", "tls_cert", "tls_key", "deny_violations"],
    later: &[],
};

pub const BLOCK_PAGE: Keys =
    Keys { table: "[block_page]", known: &["listen", "status"], later: &[] };

pub const ACCOUNT: Keys = Keys {
    table: "[accounts.NAME]",
    known: &["name", "trusts", "on_violation", "ip_prefixes", "apex_proxying"],
    later: &[],
};

pub const ZONE: Keys = Keys {
    table: "[zones.\"NAME\"]",
    known: &["cross_account", "flatten", "type", "delegates", "on_violation", "fallback_origin"],
    later: &[],
};

pub const GRANT: Keys = Keys { table: "[[grants]]", known: &["hostname", "zone"], later: &[] };

pub const HOSTNAMES: Keys = Keys {
    table: "[hostnames]",
    known: &[
        "label_prefix",
        "path_prefix",
        "user_agent",
        "partial_suffix",
        "allow_special",
        "blocked",
    ],
    later: &[],
};

pub const ALL: [&Keys; 12] = [
    &TOP,
    &SERVER,
    &POLICY,
    &HOLD,
    &LOG,
    &FLATTEN,
    &API,
    &BLOCK_PAGE,
    &HOSTNAMES,
    &ACCOUNT,
    &ZONE,
    &GRANT,
];

impl Keys {
    /// Advice for a key this table does not have: a key spelt nearly so, or the table where such a key belongs.
    pub fn advice(&self, key: &str) -> Option<String> {
        let nearest = self.known.iter().map(|k| (distance(key, k), *k)).min();
        let here = |most: usize| {
            let (distance, best) = nearest?;
            let near = distance <= most.min(1 + best.len() / 4);
            near.then(|| format!("did you mean `{best}`?"))
        };
        let elsewhere = || {
            let home = ALL.iter().find(|t| t.known.contains(&key) && t.table != self.table)?;
            Some(format!("`{key}` belongs to {}", home.table))
        };
        here(1).or_else(elsewhere).or_else(|| here(usize::MAX))
    }
}

/// Letters to add, drop, change or swap with the next to make `b` of `a`; case does not count.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<u8> = a.bytes().take(64).map(|c| c.to_ascii_lowercase()).collect();
    let b = b.as_bytes();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let step = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(change);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swapped { step.min(rows[i - 2][j - 2] + 1) } else { step }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_nearest_key_or_the_right_table() {
        let help = |keys: &Keys, key| keys.advice(key).unwrap_or_default();
        assert_eq!(help(&SERVER, "lisen"), "did you mean `listen`?");
        assert_eq!(help(&SERVER, "tcp-idle"), "did you mean `tcp_idle`?");
        assert_eq!(help(&SERVER, "Workers"), "did you mean `workers`?");
        assert_eq!(help(&SERVER, "max_hops"), "`max_hops` belongs to [policy]");
        assert_eq!(help(&TOP, "zone"), "did you mean `zones`?");
        assert_eq!(help(&TOP, "grant"), "did you mean `grants`?");
        assert_eq!(help(&SERVER, "frobnicate"), "");
        assert_eq!(help(&SERVER, &"x".repeat(5000)), "");
        assert_eq!(distance("ab", "ba"), 1);
    }
}
