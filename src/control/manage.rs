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
    /// A zone whose records are written through the API, on the operator's word.
    ZoneCreate {
        zone: String,
        account: String,
    },
    /// Of one made so or through the API.
    ZoneDelete {
        zone: String,
        /// If several accounts claim it: whose.
        account: Option<String>,
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
    /// What a backup has and the database has not comes back: records, and nothing that allows something.
    Restore {
        file: PathBuf,
        dry_run: bool,
        exact: bool,
    },
    /// Off until `after` (RFC 3339), or for good.
    Unhold {
        zone: String,
        after: Option<String>,
    },
}
