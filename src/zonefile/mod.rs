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
mod parts;
pub mod record;
mod render;
mod tags;
mod targets;
mod ttl;

pub use include::{Include, NoIncludes};
pub use parts::LARGE;
pub use render::{Colour, Renderer, Shown};

use std::sync::OnceLock;

use crate::base::hash::HashKey;
use crate::base::name::Name;
use crate::model::zone::BuildError;
use finding::{Findings, Source};
use record::Parsed;

/// Reads the zone `apex` from a text and all it includes, and checks it. The records of what comes
/// back make a zone if it has no errors.
pub fn read(apex: &Name, source: Source, include: &mut dyn Include, key: &HashKey) -> Parsed {
    let (parsed, findings, broken) = parse::Parser::new(apex, include, key).read(source);
    finish(apex, parsed, findings, broken, key)
}

/// As [`read`]. Of a large zone whose text has no errors the block is made beside the checks, if the caller has the
/// cores for that.
pub fn read_built<'k>(
    apex: &Name,
    source: Source,
    include: &mut dyn Include,
    key: &'k HashKey,
) -> (Parsed, Option<Result<build::Prepared<'k>, BuildError>>) {
    let (mut parsed, mut findings, broken) = parse::Parser::new(apex, include, key).read(source);
    if parsed.arena.len() < LARGE || findings.errors > 0 || include.cores() < 2 {
        return (finish(apex, parsed, findings, broken, key), None);
    }
    let index = normal::normalise(&mut parsed, apex.as_wire(), &mut findings);
    let (checked, built) = (OnceLock::new(), OnceLock::new());
    include.spread(2, &|n| {
        // Each is done once, so nothing is there yet.
        let _ = match n {
            0 => checked.set(checked_names(&parsed, &index, apex, broken, key)).is_ok(),
            _ => built.set(build::prepare(apex, &parsed, key)).is_ok(),
        };
    });
    findings.absorb(checked.into_inner().unwrap_or_default());
    (settled(parsed, findings), built.into_inner())
}

fn checked_names(
    parsed: &Parsed,
    index: &index::Index,
    apex: &Name,
    broken: parse::Broken,
    key: &HashKey,
) -> Findings {
    let mut findings = Findings::default();
    let names = names::Names::new(parsed, index, apex.as_wire(), key);
    check::check(&names, broken, &mut findings);
    findings
}

fn settled(mut parsed: Parsed, findings: Findings) -> Parsed {
    (parsed.errors, parsed.warnings) = (findings.errors, findings.warnings);
    (parsed.findings, parsed.findings_left_out) = findings.finish();
    parsed
}

/// The records of a text as they are written, with what is wrong with single lines; nothing is checked as a zone.
pub fn lines(apex: &Name, source: Source, include: &mut dyn Include, key: &HashKey) -> Parsed {
    let (parsed, findings, _) = parse::Parser::new(apex, include, key).read(source);
    settled(parsed, findings)
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
    settled(parsed, findings)
}
