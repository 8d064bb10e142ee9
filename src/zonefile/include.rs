//! Where the text of `$INCLUDE` comes from, and who does several things at once: the caller knows about files and
//! threads, the parser does not.

use super::finding::Source;

/// Opens what `$INCLUDE` names.
pub trait Include {
    /// The text at `path`, as named by the text at `from` (the `path` of a source). The error is a
    /// sentence for the operator, without the path.
    fn open(&mut self, path: &str, from: &str) -> Result<Source, String>;

    /// How many parts of a large text may be read at once.
    fn cores(&self) -> usize {
        1
    }

    /// Does `job` with each number below `count`, at once or one after the other.
    fn spread(&self, count: usize, job: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(job);
    }
}

/// For text that comes by API, import or transfer: it includes nothing.
pub struct NoIncludes;

impl Include for NoIncludes {
    fn open(&mut self, _path: &str, _from: &str) -> Result<Source, String> {
        Err("only zone files may include other files".to_owned())
    }
}
