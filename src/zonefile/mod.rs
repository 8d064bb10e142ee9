//! Floor 3: master-file text to records, findings and zone data (RFC 1035 §5).

mod advice;
pub mod build;
mod check;
mod directive;
pub mod filename;
pub mod finding;
mod generate;
mod head;
mod include;
mod index;
mod lexer;
mod names;
mod naptr;
mod normal;
mod parse;
pub mod record;
mod render;
mod tags;
mod targets;
mod ttl;

pub use include::{Include, NoIncludes};
pub use render::{Colour, Renderer, Shown};

use crate::base::hash::HashKey;
use crate::base::name::Name;
use finding::{Findings, Source};
use record::Parsed;

/// Reads the zone `apex` from a text and all it includes, and checks it. The records of what comes
/// back make a zone if it has no errors.
pub fn read(apex: &Name, source: Source, include: &mut dyn Include, key: &HashKey) -> Parsed {
    let (parsed, findings, broken) = parse::Parser::new(apex, include, key).read(source);
    finish(apex, parsed, findings, broken, key)
}

/// The records of a text as they are written, with what is wrong with single lines; nothing is checked as a zone.
pub fn lines(apex: &Name, source: Source, include: &mut dyn Include, key: &HashKey) -> Parsed {
    let (mut parsed, findings, _) = parse::Parser::new(apex, include, key).read(source);
    (parsed.errors, parsed.warnings) = (findings.errors, findings.warnings);
    (parsed.findings, parsed.findings_left_out) = findings.finish();
    parsed
}

/// Checks records that come from no text, as those of a text are.
pub fn assemble(apex: &Name, parsed: Parsed, key: &HashKey) -> Parsed {
    finish(apex, parsed, Findings::default(), parse::Broken::default(), key)
}

fn finish(
    apex: &Name,
    mut parsed: Parsed,
    mut findings: Findings,
    broken: parse::Broken,
    key: &HashKey,
) -> Parsed {
    let index = normal::normalise(&mut parsed, apex.as_wire(), &mut findings);
    let names = names::Names::new(&parsed, &index, apex.as_wire(), key);
    check::check(&names, broken, &mut findings);
    parsed.errors = findings.errors;
    parsed.warnings = findings.warnings;
    (parsed.findings, parsed.findings_left_out) = findings.finish();
    parsed
}
