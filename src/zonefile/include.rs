//! Where the text of `$INCLUDE` comes from: the caller knows about files, the parser does not.

use super::finding::Source;

/// Opens what `$INCLUDE` names.
pub trait Include {
    /// The text at `path`, as named by the text at `from` (the `path` of a source). The error is a
    /// sentence for the operator, without the path.
    fn open(&mut self, path: &str, from: &str) -> Result<Source, String>;
}

/// For text that comes by API, import or transfer: it includes nothing.
pub struct NoIncludes;

impl Include for NoIncludes {
    fn open(&mut self, _path: &str, _from: &str) -> Result<Source, String> {
        Err("only zone files may include other files".to_owned())
    }
}
