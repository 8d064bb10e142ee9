//! One zone file, read with all it includes, checked and built; and the same from a text that was kept.

use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use siphasher::sip::SipHasher13;

use super::cores;
use super::files::{AccountFolder, FileError, Stamp};
use crate::base::hash::HashKey;
use crate::base::limits::ZONE_TEXT_MAX;
use crate::base::mem::Arena;
use crate::base::name::Name;
use crate::model::zone::{BuildError, ZoneData};
use crate::store::zones::{ContentHash, Kept};
use crate::zonefile::build::{self, Prepared};
use crate::zonefile::finding::{Severity, Source};
use crate::zonefile::record::Parsed;
use crate::zonefile::{self, Colour, Include, LARGE, Renderer};

/// The keys under which names and contents are hashed here.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    pub names: HashKey,
    pub contents: [u8; 16],
}

impl Keys {
    /// Both from the random octets of the data folder.
    pub fn new(random: [u8; 16]) -> Keys {
        Keys { names: HashKey::new(random), contents: random }
    }

    /// Hash of the place of a zone file.
    pub fn path(&self, account: &str, file_name: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.contents);
        hasher.write(account.as_bytes());
        hasher.write_u8(b'/');
        hasher.write(file_name.as_bytes());
        hasher.finish()
    }
}

/// What a zone file holds.
#[derive(Debug)]
pub struct Loaded {
    pub outcome: Outcome,
    /// Of the zone file itself; `None` if it could not be read.
    pub stamp: Option<Stamp>,
    /// Files beside the zone file that it depends on.
    pub parts: Vec<Part>,
}

#[derive(Debug)]
pub enum Outcome {
    /// As when it was last looked at.
    Same,
    Good(Good),
    Bad(Bad),
    /// There is no such file.
    Missing,
}

/// A zone that can be served.
#[derive(Debug)]
pub struct Good {
    pub data: ZoneData,
    pub hash: ContentHash,
    pub sources: Vec<Source>,
    pub remarks: Remarks,
}

/// A zone that cannot be served.
#[derive(Debug)]
pub struct Bad {
    /// Of what was read; `None` if the file could not be read.
    pub hash: Option<ContentHash>,
    /// The first error in one line.
    pub problem: String,
    pub remarks: Remarks,
}

/// The findings of a zone, as far as they are shown.
#[derive(Clone, Debug, Default)]
pub struct Remarks {
    pub errors: usize,
    pub warnings: usize,
    /// The first few, with their lines and carets.
    pub shown: Vec<String>,
}

/// A file that a zone depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// As `$INCLUDE` names it, from the account's folder, or absolute; `None`: the zone file itself.
    pub path: Option<Box<str>>,
    /// Where it lies, if symbolic links lead there.
    pub real: Option<PathBuf>,
}

/// Findings of one zone that are shown in the log; `check` shows them all.
const SHOWN: usize = 5;

/// Opens what a zone file includes, beneath the folder of its account.
struct Includes<'a> {
    folder: &'a AccountFolder<'a>,
    /// The shown path of the account's folder, with a slash behind it.
    prefix: String,
    parts: Vec<Part>,
    left: usize,
}

impl Include for Includes<'_> {
    fn open(&mut self, path: &str, from: &str) -> Result<Source, String> {
        let from = from.strip_prefix(&self.prefix).unwrap_or(from);
        let path = beside(from, path);
        let text = self.folder.read(&path, self.left).map_err(|error| match error {
            FileError::TooLarge => {
                format!("all texts of a zone together may have {} MiB", ZONE_TEXT_MAX >> 20)
            }
            other => other.to_string(),
        });
        // Also a file that is not there: when it comes, the zone is read again.
        let real = text.as_ref().ok().and_then(|t| t.real.clone());
        self.parts.push(Part { path: Some(path.as_str().into()), real });
        let text = text?;
        self.left -= text.octets.len();
        Ok(Source { path: self.folder.shown(&path), text: text.octets })
    }

    fn cores(&self) -> usize {
        cores::count()
    }

    fn spread(&self, count: usize, job: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let some = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                job(number);
            }
        };
        std::thread::scope(|scope| {
            (1..self.cores().min(count)).for_each(|_| drop(scope.spawn(some)));
            some();
        });
    }
}

/// `path` as named by a text at `from`: relative to the folder that text lies in.
fn beside(from: &str, path: &str) -> String {
    let joined = Path::new(from).parent().unwrap_or(Path::new("")).join(path);
    let plain: PathBuf =
        joined.components().filter(|c| !matches!(c, std::path::Component::CurDir)).collect();
    plain.to_string_lossy().into_owned()
}

/// What is known of a zone file from before, so that an unchanged one costs no parsing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    pub hash: Option<ContentHash>,
    pub parts: &'a [Part],
}

/// Reads the zone `apex` from its file; its data goes into `arena`.
pub fn load(
    folder: &AccountFolder<'_>,
    file_name: &str,
    apex: &Name,
    keys: &Keys,
    known: Known<'_>,
    arena: &mut Arena,
) -> Loaded {
    let text = match folder.read(file_name, ZONE_TEXT_MAX) {
        Ok(text) => text,
        Err(FileError::Missing) => {
            return Loaded { outcome: Outcome::Missing, stamp: None, parts: Vec::new() };
        }
        Err(error) => {
            let problem = format!("{}: {error}", folder.shown(file_name));
            let remarks =
                Remarks { errors: 1, warnings: 0, shown: vec![format!("error: {problem}")] };
            let bad = Bad { hash: None, problem, remarks };
            return Loaded { outcome: Outcome::Bad(bad), stamp: None, parts: Vec::new() };
        }
    };
    let stamp = Some(text.stamp);
    let source = Source { path: folder.shown(file_name), text: text.octets };
    let is_same = || known.hash.is_some() && content_of(folder, &source, keys, known) == known.hash;
    if is_same() {
        return Loaded { outcome: Outcome::Same, stamp, parts: Vec::new() };
    }
    let mut includes = Includes {
        folder,
        prefix: folder.shown(""),
        parts: Vec::new(),
        left: ZONE_TEXT_MAX - source.text.len(),
    };
    if let Some(real) = text.real {
        includes.parts.push(Part { path: None, real: Some(real) });
    }
    let (hash, parsed, block) = read(apex, source, &mut includes, keys);
    let remarks = remarks(&parsed);
    let made = match block {
        Some(block) if !parsed.has_errors() => {
            block.map(|block| block.place(arena)).map_err(|error| error.to_string())
        }
        _ => make(apex, &parsed, keys, arena),
    };
    let outcome = match made {
        Ok(data) => Outcome::Good(Good { data, hash, sources: parsed.sources, remarks }),
        Err(problem) => Outcome::Bad(Bad { hash: Some(hash), problem, remarks }),
    };
    Loaded { outcome, stamp, parts: includes.parts }
}

/// What a text and what it includes come to. A large one is hashed meanwhile.
fn read<'k>(
    apex: &Name,
    source: Source,
    includes: &mut Includes<'_>,
    keys: &'k Keys,
) -> (ContentHash, Parsed, Option<Result<Prepared<'k>, BuildError>>) {
    let of = |sources: &[Source]| ContentHash::of(sources, &keys.contents);
    if source.text.len() < LARGE {
        let parsed = zonefile::read(apex, source, includes, &keys.names);
        return (of(&parsed.sources), parsed, None);
    }
    let alone = [source.clone()];
    std::thread::scope(|scope| {
        let hash = scope.spawn(|| of(&alone));
        let (parsed, block) = zonefile::read_built(apex, source, includes, &keys.names);
        let hash = hash.join().expect("hashing does not panic");
        let hash = if parsed.sources.len() == 1 { hash } else { of(&parsed.sources) };
        (hash, parsed, block)
    })
}

/// The zone `apex` in a file with all that is to be said of it, for those who do not serve it.
pub fn parse(
    folder: &AccountFolder<'_>,
    file_name: &str,
    apex: &Name,
    names: &HashKey,
) -> Result<Parsed, FileError> {
    let text = folder.read(file_name, ZONE_TEXT_MAX)?;
    let source = Source { path: folder.shown(file_name), text: text.octets };
    let left = ZONE_TEXT_MAX - source.text.len();
    let mut includes = Includes { folder, prefix: folder.shown(""), parts: Vec::new(), left };
    Ok(zonefile::read(apex, source, &mut includes, names))
}

/// Hash of a zone's content if it still includes what it included.
fn content_of(
    folder: &AccountFolder<'_>,
    source: &Source,
    keys: &Keys,
    known: Known<'_>,
) -> Option<ContentHash> {
    let mut sources = vec![source.clone()];
    for path in known.parts.iter().filter_map(|part| part.path.as_deref()) {
        let text = folder.read(path, ZONE_TEXT_MAX).ok()?;
        sources.push(Source { path: folder.shown(path), text: text.octets });
    }
    Some(ContentHash::of(&sources, &keys.contents))
}

/// Gives a kept text what it included then.
struct KeptIncludes(std::vec::IntoIter<Source>);

impl Include for KeptIncludes {
    /// The texts were kept in the order in which they were opened.
    fn open(&mut self, _path: &str, _from: &str) -> Result<Source, String> {
        self.0.next().ok_or_else(|| "the text is not among those that were kept".to_owned())
    }
}

/// The zone data of a version that was kept.
pub fn load_kept(kept: Kept, keys: &Keys, arena: &mut Arena) -> Result<ZoneData, String> {
    let mut sources = kept.sources.into_iter();
    let source = sources.next().ok_or("no text was kept")?;
    let parsed = zonefile::read(&kept.apex, source, &mut KeptIncludes(sources), &keys.names);
    make(&kept.apex, &parsed, keys, arena)
}

fn make(apex: &Name, parsed: &Parsed, keys: &Keys, arena: &mut Arena) -> Result<ZoneData, String> {
    if parsed.has_errors() {
        let renderer = Renderer::new(&parsed.sources);
        let first = parsed.findings.iter().find(|f| f.severity == Severity::Error);
        return Err(first.map_or_else(
            || "the zone has errors".to_owned(),
            |finding| {
                let (line, column) = renderer.line_and_column(finding.place);
                let path = parsed
                    .sources
                    .get(usize::from(finding.place.source))
                    .map_or("", |source| source.path.as_str());
                format!("{path}:{line}:{column}: {}", finding.message)
            },
        ));
    }
    build::build_in(arena, apex, parsed, &keys.names).map_err(|error| error.to_string())
}

fn remarks(parsed: &Parsed) -> Remarks {
    let renderer = Renderer::new(&parsed.sources);
    let of = |severity| parsed.findings.iter().filter(move |f| f.severity == severity);
    let show = |finding| {
        let mut text = String::new();
        renderer.write(finding, Colour::Plain, &mut text);
        text
    };
    let shown = of(Severity::Error).chain(of(Severity::Warning)).take(SHOWN).map(show).collect();
    Remarks { errors: parsed.errors, warnings: parsed.warnings, shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{AccountId, ZoneId};
    use crate::control::files::ZonesFolder;

    const SOA: &str = "$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\n";

    struct World {
        folder: tempfile::TempDir,
        keys: Keys,
    }

    impl World {
        fn new() -> World {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(folder.path().join("zones/a/inc")).unwrap();
            World { folder, keys: Keys::new([9; 16]) }
        }

        fn write(&self, path: &str, text: &str) {
            std::fs::write(self.folder.path().join("zones/a").join(path), text).unwrap();
        }

        fn load(&self, known: Known<'_>) -> Loaded {
            let zones = ZonesFolder::open(&self.folder.path().join("zones")).unwrap();
            let apex = Name::from_text("x.example").unwrap();
            let account = zones.account("a").unwrap();
            load(&account, "x.example.zone", &apex, &self.keys, known, &mut Arena::default())
        }

        fn good(&self) -> (Good, Vec<Part>) {
            let loaded = self.load(Known::default());
            match loaded.outcome {
                Outcome::Good(good) => (good, loaded.parts),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn includes_are_beside_what_includes_them() {
        let w = World::new();
        w.write("x.example.zone", &format!("{SOA}$INCLUDE ./inc/one\n$INCLUDE inc/one sub\n"));
        w.write("inc/one", "a A 192.0.2.1\n$INCLUDE two\n$INCLUDE ../three\n");
        w.write("inc/two", "b A 192.0.2.2\n");
        w.write("three", "c A 192.0.2.3\n");
        let (good, parts) = w.good();
        assert_eq!(good.data.record_count(), 2 + 6);
        let paths: Vec<_> = parts.iter().map(|p| p.path.as_deref().unwrap()).collect();
        let once = ["inc/one", "inc/two", "inc/../three"];
        assert_eq!(paths, [once, once].concat());
        assert!(good.sources[1].path.ends_with("zones/a/inc/one"), "{}", good.sources[1].path);

        // What was kept makes the same zone without any file.
        let kept = Kept {
            zone: ZoneId(1),
            account: AccountId(1),
            apex: Name::from_text("x.example").unwrap(),
            hash: good.hash,
            sources: good.sources.clone(),
        };
        std::fs::remove_dir_all(w.folder.path().join("zones/a")).unwrap();
        assert_eq!(load_kept(kept, &w.keys, &mut Arena::default()).unwrap().record_count(), 8);
    }

    #[test]
    fn the_same_content_is_not_parsed_again() {
        let w = World::new();
        w.write("x.example.zone", &format!("{SOA}$INCLUDE inc/one\n"));
        w.write("inc/one", "a A 192.0.2.1\n");
        let (good, parts) = w.good();
        let known = Known { hash: Some(good.hash), parts: &parts };
        assert!(matches!(w.load(known).outcome, Outcome::Same));
        // An edit of what is included is an edit of the zone.
        w.write("inc/one", "a A 192.0.2.2\n");
        assert!(matches!(w.load(known).outcome, Outcome::Good(_)));
        std::fs::remove_file(w.folder.path().join("zones/a/inc/one")).unwrap();
        let loaded = w.load(known);
        let Outcome::Bad(bad) = loaded.outcome else { panic!() };
        assert!(bad.problem.contains("x.example.zone:4:10: cannot include"), "{}", bad.problem);
        assert_eq!(loaded.parts, parts);
        std::fs::remove_file(w.folder.path().join("zones/a/x.example.zone")).unwrap();
        assert!(matches!(w.load(known).outcome, Outcome::Missing));
    }

    #[test]
    fn errors_are_told_and_nothing_outside_is_quoted() {
        let w = World::new();
        std::fs::write(w.folder.path().join("secret"), "top secret\n").unwrap();
        w.write("x.example.zone", &format!("{SOA}$INCLUDE ../../secret\n$INCLUDE /etc/passwd\n"));
        let Outcome::Bad(bad) = w.load(Known::default()).outcome else { panic!() };
        assert_eq!(bad.remarks.errors, 2);
        let text = format!("{} {}", bad.problem, bad.remarks.shown.join("\n"));
        assert!(text.contains("out of the account's own folder"), "{text}");
        assert!(!text.contains("top secret") && !text.contains("root:"), "{text}");
        w.write("x.example.zone", "garbage here\n");
        let Outcome::Bad(bad) = w.load(Known::default()).outcome else { panic!() };
        assert!(bad.hash.is_some() && bad.problem.contains("x.example.zone:1:"), "{}", bad.problem);
        std::fs::remove_file(w.folder.path().join("zones/a/x.example.zone")).unwrap();
        std::fs::create_dir(w.folder.path().join("zones/a/x.example.zone")).unwrap();
        let Outcome::Bad(bad) = w.load(Known::default()).outcome else { panic!() };
        assert!(bad.problem.contains("not a regular file"), "{}", bad.problem);
    }
}
