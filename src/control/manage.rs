//! What an operator can ask about accounts, zones, fallback origins and zone holds, and how it is said over the control
//! socket.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ManageRequest {
    AccountList,
    AccountShow {
        name: String,
    },
    AccountCreate {
        name: String,
    },
    AccountDelete {
        name: String,
    },
    ZoneShow {
        zone: String,
    },
    FallbackShow {
        zone: String,
    },
    FallbackSet {
        zone: String,
        origin: String,
    },
    FallbackDelete {
        zone: String,
    },
    Hold {
        zone: String,
        include_subdomains: bool,
    },
    /// What a backup has and the database has not comes back, and has to be proved again.
    Restore {
        file: PathBuf,
    },
    /// Off until `after` (RFC 3339), or for good.
    Unhold {
        zone: String,
        after: Option<String>,
    },
}
