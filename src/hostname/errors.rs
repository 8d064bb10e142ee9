//! What a provider reads when a hostname is not active: the sentences that clients know, word for word (SPEC §7.3).
//!
//! | sentence | cause |
//! |---|---|
//! | `Zone does not have a fallback origin set.` | the zone has none |
//! | `Fallback origin is in a status of <status>.` | it has one that is not active |
//! | `custom hostname does not CNAME to this zone.` | no CNAME to the zone, and no apex proxying for the account |
//! | `None of the A or AAAA records are owned …` | apex proxying, and addresses, but not the account's; no token |
//! | `This account and the pre-generated …` | apex proxying, but neither CNAME nor addresses to look at; no token |
//! | `The hostname is using Cloudflare …` | a token stands there, but the hostname leads to somebody here already |
//! | `The hostname is associated with a held zone. …` | another account holds the name |

use std::fmt;

use super::fallback;

/// One entry of `verification_errors`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum VerificationError {
    NoFallbackOrigin,
    FallbackOrigin(fallback::Status),
    NoCname,
    /// There are addresses, and not all are in the account's prefixes.
    ForeignAddresses,
    /// Neither a CNAME to the zone nor any address.
    NothingFound,
    /// The hostname leads to, or lies in, a zone here: a token alone does not take it over.
    OnThisNetwork,
    Held,
}

impl fmt::Display for VerificationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VerificationError::NoFallbackOrigin => "Zone does not have a fallback origin set.",
            VerificationError::FallbackOrigin(status) => {
                return write!(f, "Fallback origin is in a status of {}.", status.word());
            }
            VerificationError::NoCname => "custom hostname does not CNAME to this zone.",
            VerificationError::ForeignAddresses => {
                "None of the A or AAAA records are owned by this account and the pre-generated ownership verification \
                 token was not found."
            }
            VerificationError::NothingFound => {
                "This account and the pre-generated ownership verification token was not found."
            }
            VerificationError::OnThisNetwork => {
                "The hostname is using Cloudflare and cannot be activated with an TXT or HTTP validation token. To \
                 activate the custom hostname, the DNS target needs to point to the SaaS zone"
            }
            VerificationError::Held => {
                "The hostname is associated with a held zone. Please contact the owner of this domain to have the hold \
                 removed."
            }
        })
    }
}

impl VerificationError {
    /// All that there are.
    pub fn all() -> impl Iterator<Item = VerificationError> {
        let plain = [
            VerificationError::NoFallbackOrigin,
            VerificationError::NoCname,
            VerificationError::ForeignAddresses,
            VerificationError::NothingFound,
            VerificationError::OnThisNetwork,
            VerificationError::Held,
        ];
        plain.into_iter().chain(fallback::Status::ALL.map(VerificationError::FallbackOrigin))
    }

    /// The error that reads like this.
    pub fn from_text(text: &str) -> Option<VerificationError> {
        VerificationError::all().find(|error| error.to_string() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_word_for_word() {
        let sentences = [
            (VerificationError::NoFallbackOrigin, "Zone does not have a fallback origin set."),
            (
                VerificationError::FallbackOrigin(fallback::Status::PendingDeployment),
                "Fallback origin is in a status of pending_deployment.",
            ),
            (VerificationError::NoCname, "custom hostname does not CNAME to this zone."),
            (
                VerificationError::ForeignAddresses,
                "None of the A or AAAA records are owned by this account and the pre-generated ownership \
                 verification token was not found.",
            ),
            (
                VerificationError::NothingFound,
                "This account and the pre-generated ownership verification token was not found.",
            ),
            (
                VerificationError::OnThisNetwork,
                "The hostname is using Cloudflare and cannot be activated with an TXT or HTTP validation token. To \
                 activate the custom hostname, the DNS target needs to point to the SaaS zone",
            ),
            (
                VerificationError::Held,
                "The hostname is associated with a held zone. Please contact the owner of this domain to have the \
                 hold removed.",
            ),
        ];
        for (error, sentence) in sentences {
            assert_eq!(error.to_string(), sentence);
        }
        for error in VerificationError::all() {
            assert_eq!(VerificationError::from_text(&error.to_string()), Some(error));
        }
        assert_eq!(VerificationError::from_text("Zone"), None);
    }
}
