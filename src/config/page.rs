//! `[block_page]`: where the page for denied names is served, and with which status.

use super::file::{Reader, put};
use super::keys;
use super::settings::BlockPage;
use super::walk::Item;

/// Statuses that say what a denial is: a conflict of two accounts, or a prohibition.
const STATUSES: [u16; 2] = [409, 403];

impl Reader<'_> {
    pub(super) fn block_page(&mut self, item: &Item<'_>, page: &mut BlockPage) {
        for item in self.walk.table(item, "a table [block_page]").unwrap_or_default() {
            match item.key {
                "listen" => {
                    let expected =
                        "an address with a port, e.g. \"127.0.0.1:8054\"; \"\" for no page";
                    // An empty text is none.
                    if self.walk.text(&item, expected).is_some_and(|text| !text.is_empty()) {
                        page.listen = self.walk.listen_address(&item);
                    }
                }
                "status" => {
                    let status = self.walk.number(&item, 100..=599).map(|n| n as u16);
                    if status.is_some_and(|status| !STATUSES.contains(&status)) {
                        self.walk.bad_value(&item, "409 or 403");
                    } else {
                        put(&mut page.status, status);
                    }
                }
                _ => self.walk.unknown(&item, &keys::BLOCK_PAGE),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::file::from_text;
    use crate::config::settings::BlockPage;

    fn read(lines: &str) -> Result<BlockPage, String> {
        let text = format!("[server]\nlisten = [\"[::]:0\"]\n[block_page]\n{lines}\n");
        let findings = |all: Vec<_>| {
            all.iter().map(|f: &crate::config::finding::ConfigFinding| f.to_string()).collect()
        };
        from_text(&text, Path::new("")).map(|(s, _)| s.block_page).map_err(findings)
    }

    #[test]
    fn values() {
        assert_eq!(read(""), Ok(BlockPage { listen: None, status: 409 }));
        assert_eq!(read("listen = \"\"\nstatus = 403").unwrap().status, 403);
        let listen = read("listen = \"[::]:80\"").unwrap().listen;
        assert_eq!(listen, Some("[::]:80".parse().unwrap()));
        for (lines, says) in [
            ("listen = 80", "block_page.listen"),
            ("listen = \"localhost:80\"", "localhost"),
            ("status = 200", "409 or 403"),
            ("status = 4090", "block_page.status"),
            ("stauts = 403", "did you mean `status`?"),
        ] {
            let error = read(lines).unwrap_err();
            assert!(error.contains(says), "{lines}: {error}");
        }
    }
}
