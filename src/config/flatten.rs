//! `[flatten]`: which CNAMEs become addresses, and how the outside is asked.

use std::net::SocketAddr;

use super::file::{Reader, put};
use super::keys;
use super::settings::{Flatten, Settings};
use super::syntax::Table;
use super::walk::Item;
use crate::base::limits::{DEADLINE_MS, STALE_MAX, UPSTREAMS_MAX};
use crate::base::time::MAX_TTL;
use crate::model::settings::FlattenMode;

pub(super) const MODES: [(&str, FlattenMode); 2] =
    [("apex", FlattenMode::Apex), ("all", FlattenMode::All)];

impl Reader<'_> {
    pub(super) fn flatten(&mut self, item: &Item<'_>, flatten: &mut Flatten) {
        let (mut min, mut max) = (None, None);
        let ttl = 0..=u64::from(MAX_TTL);
        let stale = 0..=u64::from(STALE_MAX);
        let deadline = u64::from(*DEADLINE_MS.start())..=u64::from(*DEADLINE_MS.end());
        for item in self.walk.table(item, "a table [flatten]").unwrap_or_default() {
            let mut number = |range| self.walk.number(&item, range).map(|n| n as u32);
            match item.key {
                "min_ttl" => min = number(ttl.clone()),
                "max_ttl" => max = number(ttl.clone()),
                "stale" => put(&mut flatten.stale, number(stale.clone())),
                "deadline_ms" => put(&mut flatten.deadline_ms, number(deadline.clone())),
                "mode" => put(&mut flatten.mode, self.walk.word(&item, &MODES)),
                "upstream" => flatten.upstream = self.upstream(&item),
                "validate" => put(&mut flatten.validate, self.walk.flag(&item)),
                "trust_anchors" => flatten.trust_anchors = self.trust_anchors(&item),
                "allow_special" => put(&mut flatten.allow_special, self.walk.flag(&item)),
                "rotate" => put(&mut flatten.rotate, self.walk.flag(&item)),
                _ => self.walk.unknown(&item, &keys::FLATTEN),
            }
        }
        // A default gives way to what was written.
        flatten.min_ttl = min.unwrap_or(flatten.min_ttl.min(max.unwrap_or(MAX_TTL)));
        flatten.max_ttl = max.unwrap_or(flatten.max_ttl.max(min.unwrap_or(0)));
    }

    fn upstream(&mut self, item: &Item<'_>) -> Vec<SocketAddr> {
        let expected = "a list of addresses with ports, e.g. [\"192.0.2.53:53\"]";
        let mut upstream = Vec::new();
        for item in self.walk.list(item, expected).unwrap_or_default() {
            let Some(address) = self.walk.listen_address(&item) else { continue };
            if address.ip().is_unspecified() || address.port() == 0 {
                self.walk.bad_value(&item, "the address and port of a recursive resolver");
            } else if upstream.contains(&address) {
                self.walk.twice(&item, item.span(), &address.to_string());
            } else if upstream.len() == UPSTREAMS_MAX {
                let message = format!("more than {UPSTREAMS_MAX} upstream resolvers");
                self.walk.error("too-long", &item.path, item.span(), message);
                break;
            } else {
                upstream.push(address);
            }
        }
        upstream
    }

    /// What only the whole shows.
    pub(super) fn across_flatten(&mut self, settings: &Settings, table: &Table<'_>) {
        let value = |name: &str| table.get("flatten").and_then(|f| f.get_ref().get(name));
        let span = |name: &str| value(name).map(|v| v.span()).unwrap_or(0..0);
        let flatten = &settings.flatten;
        if flatten.min_ttl > flatten.max_ttl {
            let (min, max) = (flatten.min_ttl, flatten.max_ttl);
            let message = format!("`flatten.min_ttl` ({min}) is above `flatten.max_ttl` ({max})");
            self.walk.error("bad-value", "flatten.min_ttl", span("min_ttl"), message);
        }
        if !flatten.trust_anchors.is_empty() && !flatten.validate {
            let message = "nothing is validated: `flatten.validate` is false".to_owned();
            self.walk.warning_at(
                "no-effect",
                "flatten.trust_anchors",
                span("trust_anchors"),
                message,
            );
        }
        // Who asks itself learns nothing.
        for own in settings.server.listen.iter().filter(|own| flatten.upstream.contains(own)) {
            let message = format!("`flatten.upstream` names this server itself ({own})");
            let finding =
                self.walk.error("own-address", "flatten.upstream", span("upstream"), message);
            finding.expected = Some("recursive resolvers".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::file::from_text;
    use std::path::Path;

    #[test]
    fn a_default_gives_way_to_the_other_bound() {
        let ttls = |text: &str| {
            let text = format!("server.listen = [\"[::1]:0\"]\n[flatten]\n{text}");
            let flatten = from_text(&text, Path::new("")).map(|(s, _)| s.flatten);
            flatten.map(|f| (f.min_ttl, f.max_ttl)).ok()
        };
        assert_eq!(ttls(""), Some((30, 86_400)));
        assert_eq!(ttls("max_ttl = 5"), Some((5, 5)));
        assert_eq!(ttls("min_ttl = 100000"), Some((100_000, 100_000)));
        assert_eq!(ttls("min_ttl = 6\nmax_ttl = 5"), None);
    }
}
