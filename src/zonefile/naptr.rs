//! NAPTR records whose regular expression no client can apply (RFC 3402 §3.2, RFC 3403 §4.1).

use super::finding::{Finding, Findings};
use super::names::{Names, Node};
use crate::base::name::Text;
use crate::base::rtype;

/// Looks at the NAPTR records of a name.
pub(super) fn check(names: &Names<'_>, node: &Node<'_>, findings: &mut Findings) {
    for record in node.of(rtype::NAPTR) {
        let Some((regexp, replacement)) = fields(names.parsed.rdata(record)) else { continue };
        if regexp.is_empty() {
            continue;
        }
        if let Err(fault) = substitution(regexp) {
            let message = format!("the regular expression of this NAPTR record {fault}");
            findings.report(
                Finding::warning("naptr-regexp", record.place, message)
                    .expected("!EXPRESSION!REPLACEMENT! (RFC 3402 §3.2), as in \"!^.*$!sip:info@example.com!\"")
                    .help("backslashes are written twice in a zone file: `\\\\1`"),
            );
        }
        if replacement != [0] {
            let message = format!(
                "this NAPTR record has a regular expression and the replacement {}",
                Text(replacement)
            );
            findings.report(
                Finding::warning("naptr-both", record.place, message)
                    .expected("one of them: \"\" for the expression, or `.` for the replacement"),
            );
        }
    }
}

/// The regular expression and the replacement out of the data.
fn fields(rdata: &[u8]) -> Option<(&[u8], &[u8])> {
    // Order and preference; then flags, services and the expression.
    let mut rest = rdata.get(4..)?;
    let mut string = || {
        let (len, behind) = rest.split_first()?;
        let (string, behind) = behind.split_at_checked(usize::from(*len))?;
        rest = behind;
        Some(string)
    };
    let (_, _, regexp) = (string()?, string()?, string()?);
    Some((regexp, rest))
}

/// What is wrong with `delimiter ERE delimiter replacement delimiter flags`.
fn substitution(regexp: &[u8]) -> Result<(), String> {
    let (&delimiter, body) = regexp.split_first().ok_or("is empty")?;
    if delimiter.is_ascii_digit() || matches!(delimiter, b'i' | b'\\' | 0) {
        let shown = delimiter.escape_ascii();
        return Err(format!("begins with `{shown}`, which cannot be a delimiter"));
    }
    let mut groups = 0;
    let mut highest = 0;
    let mut delimiters = 1;
    let mut octets = body.iter().copied();
    while let Some(octet) = octets.next() {
        if octet == delimiter {
            delimiters += 1;
        } else if delimiters > 2 && octet != b'i' {
            return Err(format!("has the unknown flag `{}`", octet.escape_ascii()));
        } else if octet == b'\\' {
            match octets.next() {
                None => return Err("ends in a backslash".to_owned()),
                Some(b'0') if delimiters == 2 => return Err("refers to a group 0".to_owned()),
                Some(digit @ b'1'..=b'9') if delimiters == 2 => highest = highest.max(digit - b'0'),
                Some(_) => {}
            }
        } else if octet == b'(' && delimiters == 1 {
            groups += 1;
        }
    }
    if delimiters != 3 {
        let shown = delimiter.escape_ascii();
        return Err(format!("has {delimiters} of its delimiter `{shown}`, not 3"));
    }
    if usize::from(highest) > groups {
        return Err(format!("refers to group {highest} and has {groups}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitutions() {
        for good in [
            "!^.*$!sip:info@example.com!",
            "/x/y/",
            "!x!y!i",
            "!x!y!ii",
            r"!^\+44(.*)$!sip:\1@a!",
            r"!a\!b!c\!d!",
            "!x!!",
            "|(a)(b)|\\2\\1|",
        ] {
            assert_eq!(substitution(good.as_bytes()), Ok(()), "{good}");
        }
        for (bad, word) in [
            ("!", "1 of"),
            ("!x!y", "2 of"),
            ("!x!y!z!", "flag"),
            ("!x!y!!", "4 of"),
            ("1x1y1", "cannot be"),
            ("ixiyi", "cannot be"),
            ("\\x\\y\\", "cannot be"),
            ("sip:info@example.com", "1 of"),
            ("!x!y\\", "backslash"),
            ("!x!\\1!", "group 1"),
            ("!(x)!\\0!", "group 0"),
        ] {
            let fault = substitution(bad.as_bytes()).expect_err(bad);
            assert!(fault.contains(word), "{bad}: {fault}");
        }
    }
}
