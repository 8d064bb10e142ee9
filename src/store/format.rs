//! The version tag on every stored record; upgrades from older versions live here.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A record as it stands in a log: `{"v1": …}`. A new layout becomes `V2`, and reading turns the old one into it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stored<R> {
    V1(R),
}

/// The octets of `record` for a log.
pub fn encode<R: Serialize>(record: &R) -> Vec<u8> {
    serde_json::to_vec(&Stored::V1(record)).expect("records are plain data with text keys")
}

/// A record out of a log. The error is for people: most likely a newer version wrote it.
pub fn decode<R: DeserializeOwned>(octets: &[u8]) -> io::Result<R> {
    match serde_json::from_slice(octets) {
        Ok(Stored::V1(record)) => Ok(record),
        Err(error) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "a record is unknown to this version (a newer one may have written it): {error}: {}",
                String::from_utf8_lossy(&octets[..octets.len().min(200)])
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_said_and_checked() {
        assert_eq!(encode(&7), b"{\"v1\":7}");
        assert_eq!(decode::<u32>(b"{\"v1\":7}").unwrap(), 7);
        let error = decode::<u32>(b"{\"v2\":7}").unwrap_err().to_string();
        assert!(error.contains("newer") && error.contains("{\"v2\":7}"), "{error}");
    }
}
