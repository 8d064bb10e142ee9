//! `[api]`: where the HTTP API listens, and its certificate.

use std::path::PathBuf;

use super::file::Reader;
use super::keys;
use super::settings::{Api, Tls};
use super::walk::Item;

impl Reader<'_> {
    pub(super) fn api(&mut self, item: &Item<'_>, api: &mut Api) {
        let table = item;
        let (mut cert, mut key) = (None, None);
        for item in self.walk.table(item, "a table [api]").unwrap_or_default() {
            match item.key {
                "listen" => {
                    let expected = "an address with a port, e.g. \"127.0.0.1:8053\"; \"\" = no API";
                    let given = self.walk.text(&item, expected).is_some_and(|t| !t.is_empty());
                    api.listen = if given { self.walk.listen_address(&item) } else { None };
                }
                "deny_violations" => {
                    api.deny_violations = self.walk.flag(&item).unwrap_or_default();
                }
                "tls_cert" => cert = self.pem(&item, "the certificate chain"),
                "tls_key" => key = self.pem(&item, "the private key"),
                _ => self.walk.unknown(&item, &keys::API),
            }
        }
        api.tls = match (cert, key) {
            (Some(cert), Some(key)) => Some(Tls { cert, key }),
            (None, None) => None,
            (cert, _) => {
                let (given, missing) = match cert {
                    Some(_) => ("tls_cert", "tls_key"),
                    None => ("tls_key", "tls_cert"),
                };
                let message = format!("`api.{given}` is set, but `api.{missing}` is not");
                let finding = self.walk.error("half-tls", "api", table.key_span.clone(), message);
                finding.expected = Some("both, or neither".to_owned());
                None
            }
        };
    }

    fn pem(&mut self, item: &Item<'_>, what: &str) -> Option<PathBuf> {
        let expected = format!("the path of a PEM file with {what}; \"\" = no TLS");
        let path = self.walk.text(item, &expected)?;
        if path.contains('\0') {
            self.walk.bad_value(item, &expected);
            return None;
        }
        (!path.is_empty()).then(|| self.folder.join(path))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::file::from_text;
    use crate::config::settings::Tls;

    #[test]
    fn a_certificate_has_a_key() {
        let read = |api: &str| {
            let text = format!("server.listen = [\"127.0.0.1:1\"]\n[api]\n{api}");
            from_text(&text, Path::new("/etc")).map(|(settings, _)| settings.api)
        };
        let api = read("listen = \"[::1]:8053\"\ntls_cert = \"c.pem\"\ntls_key = \"/k.pem\"\n");
        let api = api.unwrap();
        assert_eq!(api.listen, Some("[::1]:8053".parse().unwrap()));
        assert_eq!(api.tls, Some(Tls { cert: "/etc/c.pem".into(), key: "/k.pem".into() }));
        assert_eq!(read("listen = \"\"\ntls_key = \"\"\n").unwrap(), Default::default());
        for wrong in ["tls_key = \"k\"", "listen = \"localhost\"", "listen = 1", "listn = \"\""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
