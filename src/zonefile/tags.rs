//! What a comment behind a record asks for: flattening of its CNAME.
//!
//! Two spellings: `; bw-flatten` (first word of the comment) and the list that exported zones
//! carry, `; any text cf_tags=cf-proxied:false,cf-flatten-cname`. The last `cf_tags=` counts.

/// The tags of one entry.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Tags {
    /// Place of the tag that asks for flattening: offset and length.
    pub flatten: Option<(u32, u32)>,
    /// `bw-flatten` stands in a comment, but not as its first word.
    pub misplaced: Option<(u32, u32)>,
}

const OWN: &[u8] = b"bw-flatten";
const LIST: &[u8] = b"cf_tags=";
const LISTED: &[u8] = b"cf-flatten-cname";

impl Tags {
    /// Reads one comment; `at` is the offset of its first octet behind the `;`.
    pub fn read(&mut self, comment: &[u8], at: u32) {
        // Quick way out for most comments: all tags have a hyphen.
        if !comment.contains(&b'-') {
            return;
        }
        for start in find(comment, OWN) {
            let place = (at + start as u32, OWN.len() as u32);
            let first = comment[..start].trim_ascii().is_empty();
            let slot = if first { &mut self.flatten } else { &mut self.misplaced };
            slot.get_or_insert(place);
        }
        if let Some(start) = last_list(comment) {
            for (offset, tag) in listed(&comment[start..]) {
                if tag.eq_ignore_ascii_case(LISTED) || tag.eq_ignore_ascii_case(OWN) {
                    self.flatten.get_or_insert((at + (start + offset) as u32, tag.len() as u32));
                }
            }
        }
    }
}

/// Where `word` stands by itself in a comment, in any case.
fn find<'a>(comment: &'a [u8], word: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let ends = |b: Option<&u8>| b.is_none_or(|b| b.is_ascii_whitespace() || b",.".contains(b));
    comment.windows(word.len()).enumerate().filter_map(move |(at, w)| {
        let alone = ends(at.checked_sub(1).and_then(|at| comment.get(at)))
            && ends(comment.get(at + word.len()));
        (alone && w.eq_ignore_ascii_case(word)).then_some(at)
    })
}

/// Offset behind the last `cf_tags=` that starts a word.
fn last_list(comment: &[u8]) -> Option<usize> {
    let found = comment.windows(LIST.len()).rposition(|w| w.eq_ignore_ascii_case(LIST))?;
    let starts_word = found == 0 || comment[found - 1].is_ascii_whitespace();
    starts_word.then_some(found + LIST.len())
}

/// The tags of a list: separated by commas, each `tag` or `tag:value`; a value may be a JSON string
/// with commas and blanks in it. A tag whose value is `false` is not set.
fn listed(list: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < list.len() && !list[at].is_ascii_whitespace() {
            let start = at;
            let mut in_string = false;
            while let Some(&b) = list.get(at) {
                match b {
                    b'"' => in_string = !in_string,
                    b'\\' if in_string => at += 1,
                    b',' if !in_string => break,
                    _ if b.is_ascii_whitespace() && !in_string => break,
                    _ => {}
                }
                at += 1;
            }
            at = at.min(list.len());
            let item = &list[start..at];
            if list.get(at) == Some(&b',') {
                at += 1;
            }
            let (tag, value) = match item.iter().position(|&b| b == b':') {
                Some(colon) => (&item[..colon], &item[colon + 1..]),
                None => (item, &b""[..]),
            };
            if !value.eq_ignore_ascii_case(b"false") {
                return Some((start, tag));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flatten(comment: &str) -> Option<(u32, u32)> {
        let mut tags = Tags::default();
        tags.read(comment.as_bytes(), 0);
        tags.flatten
    }

    #[test]
    fn both_spellings() {
        assert_eq!(flatten(" bw-flatten"), Some((1, 10)));
        assert_eq!(flatten("BW-Flatten, ticket 12"), Some((0, 10)));
        assert_eq!(flatten(" cf_tags=cf-flatten-cname"), Some((9, 16)));
        assert_eq!(flatten(" text cf_tags=cf-proxied:false,cf-flatten-cname\r"), Some((31, 16)));
        assert_eq!(flatten(" cf_tags=a:\"x, cf\\\"\",cf-flatten-cname:true"), Some((21, 16)));
    }

    #[test]
    fn what_is_no_tag() {
        assert_eq!(flatten(" never bw-flatten this"), None);
        assert_eq!(flatten(" cf-flatten-cname"), None);
        assert_eq!(flatten(" xcf_tags=cf-flatten-cname"), None);
        assert_eq!(flatten(" cf_tags=cf-flatten-cname:false"), None);
        assert_eq!(flatten(" cf_tags=a:\"cf-flatten-cname,cf-flatten-cname"), None);
        assert_eq!(flatten(" cf_tags=cf-flatten-cname cf_tags="), None);
        let mut tags = Tags::default();
        tags.read(b" never bw-flatten this", 100);
        assert_eq!(tags.misplaced, Some((107, 10)));
    }

    #[test]
    fn broken_lists_end() {
        for list in ["cf_tags=\"\\", "cf_tags=,", "cf_tags=,,", "cf_tags=\"", "cf_tags=a:\"\\\""] {
            assert_eq!(flatten(list), None, "{list}");
        }
    }
}
