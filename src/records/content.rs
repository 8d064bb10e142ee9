//! `content` and `priority` of a record: the text of its data as the API writes it.
//!
//! It is master-file text, but that names of plain pointers have no final dot, and that the priority of MX, SRV and
//! URI stands beside it. A name without a final dot is whole all the same. TXT data may come without quotes.

use super::{Problem, Record};
use crate::base::name::{Name, Text};
use crate::base::rtype::{self, RType};
use crate::rdata::{self, FieldError};

/// URI is decided about nowhere else.
pub const URI: RType = 256;
pub const SSHFP: RType = 44;
pub const SMIMEA: RType = 53;
pub const CERT: RType = 37;
pub const LOC: RType = 29;
pub const OPENPGPKEY: RType = 61;

/// Octets of all strings of one TXT record.
const TEXT_MAX: usize = 2_048;

/// What a client said of a record's data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Data {
    pub rdata: Box<[u8]>,
    pub spelling: Option<Box<str>>,
}

/// Whether the data of the type is one name.
fn is_pointer(rtype: RType) -> bool {
    matches!(rtype, rtype::CNAME | rtype::NS | rtype::PTR | rtype::DNAME | rtype::ALIAS)
}

/// Whether the data begins with a priority that stands beside `content`.
pub fn has_priority(rtype: RType) -> bool {
    matches!(rtype, rtype::MX | rtype::SRV | URI)
}

/// How many words stand before the hexadecimal digits that end the data.
fn words_before_hex(rtype: RType) -> Option<usize> {
    match rtype {
        rtype::DS | rtype::TLSA | SMIMEA => Some(3),
        SSHFP => Some(2),
        _ => None,
    }
}

/// Master-file text of the data, spelt as the client did.
pub fn whole(rtype: RType, rdata: &[u8], spelling: Option<&str>) -> String {
    if let Some(spelling) = spelling {
        return spelling.to_owned();
    }
    let mut text = String::new();
    rdata::to_text(rtype, rdata, &mut text);
    text
}

/// `content` of a record.
pub fn of(record: &Record) -> String {
    text(record.rtype, &record.rdata, record.spelling.as_deref())
}

/// `content` of data.
pub fn text(rtype: RType, rdata: &[u8], spelling: Option<&str>) -> String {
    match rtype {
        _ if is_pointer(rtype) => Text(rdata).to_string(),
        rtype::MX if rdata.len() > 2 => Text(&rdata[2..]).to_string(),
        rtype::SRV if rdata.len() > 6 => {
            let (weight, port) = (number(&rdata[2..4]), number(&rdata[4..6]));
            format!("{weight} {port} {}", Text(&rdata[6..]))
        }
        URI => {
            let text = whole(rtype, rdata, spelling);
            text.split_once(' ').map_or(String::new(), |(_, rest)| rest.to_owned())
        }
        _ => whole(rtype, rdata, spelling),
    }
}

/// `priority` of data, where it has one.
pub fn priority(rtype: RType, rdata: &[u8]) -> Option<u16> {
    has_priority(rtype).then(|| rdata.get(..2).map(number)).flatten()
}

/// A number of two octets.
pub fn number(octets: &[u8]) -> u16 {
    octets.iter().fold(0, |value, octet| value << 8 | u16::from(*octet))
}

/// The data that `content` and `priority` say.
pub fn read(
    rtype: RType,
    apex: &Name,
    content: &str,
    priority: Option<u16>,
) -> Result<Data, Problem> {
    let content = content.trim();
    if content.is_empty() {
        return Err(refusal(rtype, "it is empty"));
    }
    if has_address_for_name(rtype, content) {
        return Err(refusal(rtype, "an address stands where a name belongs"));
    }
    if rtype == rtype::TXT {
        return text_data(content);
    }
    let words = content.split_ascii_whitespace().count();
    let line = match (rtype, priority) {
        _ if is_pointer(rtype) && content == "@" => format!("{apex}."),
        (rtype::MX | rtype::SRV | URI, Some(priority)) => format!("{priority} {content}"),
        // All of the data, as in a master file.
        (rtype::MX, None) if words == 2 => content.to_owned(),
        (rtype::SRV, None) if words == 4 => content.to_owned(),
        (URI, None) if words >= 3 => content.to_owned(),
        (rtype::MX | rtype::SRV | URI, None) => {
            let message = format!("{} records need a priority.", rdata::type_text(rtype));
            return Err(Problem::new(Problem::PRIORITY, message));
        }
        _ => content.to_owned(),
    };
    from_line(rtype, &line)
}

/// Data from master-file text on one line, in which every name is whole.
pub fn from_line(rtype: RType, line: &str) -> Result<Data, Problem> {
    let mut rdata = Vec::new();
    rdata::from_line(rtype, line.as_bytes(), &[0], &mut rdata)
        .map_err(|error| wrong(rtype, &error))?;
    let spelling = spelling(rtype, &rdata, line);
    Ok(Data { rdata: rdata.into(), spelling })
}

/// The text with hexadecimal digits in the client's case, if it differs from ours.
fn spelling(rtype: RType, rdata: &[u8], line: &str) -> Option<Box<str>> {
    let before = words_before_hex(rtype)?;
    let ours = whole(rtype, rdata, None);
    let (head, digits) = ours.rsplit_once(' ')?;
    let theirs: String = line.split_ascii_whitespace().skip(before).collect();
    let same = theirs.eq_ignore_ascii_case(digits) && theirs != digits;
    same.then(|| format!("{head} {theirs}").into())
}

/// TXT data: quoted strings, or one text without quotes that is cut into strings.
fn text_data(content: &str) -> Result<Data, Problem> {
    let data = if content.starts_with('"') {
        from_line(rtype::TXT, content)?
    } else {
        if content.contains('"') {
            return Err(refusal(rtype::TXT, "quotes stand around all of it, or nowhere"));
        }
        let mut rdata = Vec::new();
        for string in content.as_bytes().chunks(255) {
            rdata.push(string.len() as u8);
            rdata.extend_from_slice(string);
        }
        Data { rdata: rdata.into(), spelling: None }
    };
    if data.rdata.len() > TEXT_MAX + TEXT_MAX / 255 + 1 {
        return Err(refusal(rtype::TXT, "it has more than 2048 octets"));
    }
    Ok(data)
}

/// All strings of TXT data as one text, for those who search.
pub fn joined_text(rdata: &[u8]) -> String {
    let mut octets = Vec::with_capacity(rdata.len());
    let mut rest = rdata;
    while let Some((&len, behind)) = rest.split_first() {
        let (string, after) = behind.split_at(usize::from(len).min(behind.len()));
        octets.extend_from_slice(string);
        rest = after;
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn has_address_for_name(rtype: RType, content: &str) -> bool {
    let name = match rtype {
        _ if is_pointer(rtype) => Some(content),
        rtype::MX | rtype::SRV => content.split_ascii_whitespace().last(),
        _ => None,
    };
    name.is_some_and(|name| name.parse::<std::net::IpAddr>().is_ok())
}

/// Cloudflare's code and words for content that is none of the type.
fn refusal(rtype: RType, why: &str) -> Problem {
    match rtype {
        rtype::A => {
            Problem::new(Problem::NOT_IPV4, "Content for A record must be a valid IPv4 address.")
        }
        rtype::AAAA => {
            Problem::new(Problem::NOT_IPV6, "Content for AAAA record must be a valid IPv6 address.")
        }
        rtype::MX => Problem::new(
            Problem::MX_CONTENT,
            format!("Content for MX record must be a hostname: {why}."),
        ),
        _ if is_pointer(rtype) => {
            let rtype = rdata::type_text(rtype);
            let message = format!("Content for {rtype} record is invalid: {why}.");
            Problem::new(Problem::NOT_HOSTNAME, message)
        }
        _ => {
            let rtype = rdata::type_text(rtype);
            let message = format!("Content for {rtype} record is invalid: {why}.");
            Problem::new(Problem::CONTENT, message)
        }
    }
}

fn wrong(rtype: RType, error: &FieldError) -> Problem {
    let mut why = error.message.clone();
    if !error.expected.is_empty() {
        why = format!("{why}; expected {}", error.expected);
    }
    refusal(rtype, &why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(rtype: &str, content: &str, priority: Option<u16>) -> (String, Option<u16>) {
        let rtype = rdata::type_from_text(rtype.as_bytes()).unwrap();
        let apex = Name::from_text("zone.example").unwrap();
        let data = read(rtype, &apex, content, priority).unwrap();
        let text = text(rtype, &data.rdata, data.spelling.as_deref());
        (text, super::priority(rtype, &data.rdata))
    }

    #[test]
    fn as_the_api_writes_it() {
        for (rtype, content, priority, text) in [
            ("A", "192.0.2.1", None, "192.0.2.1"),
            ("AAAA", "2001:DB8:0::1", None, "2001:db8::1"),
            ("CNAME", "Target.example.", None, "Target.example"),
            ("CNAME", "@", None, "zone.example"),
            ("NS", "ns1.example", None, "ns1.example"),
            ("MX", "mail.example", Some(10), "mail.example"),
            ("MX", "10 mail.example.", None, "mail.example"),
            ("SRV", "5 8806 host.example", Some(10), "5 8806 host.example"),
            ("SRV", "10 5 8806 host.example.", None, "5 8806 host.example"),
            ("URI", "10 \"https://a.example/b\"", Some(10), "10 \"https://a.example/b\""),
            ("TXT", "v=spf1 -all; really", None, "\"v=spf1 -all; really\""),
            ("TXT", "\"one\" \"two\"", None, "\"one\" \"two\""),
            ("CAA", "0 issue \"ca.example\"", None, "0 issue \"ca.example\""),
            (
                "SSHFP",
                "1 1 ABcd000000000000000000000000000000000000",
                None,
                "1 1 ABcd000000000000000000000000000000000000",
            ),
            ("HTTPS", "1 . alpn=h3,h2", None, "1 . alpn=\"h3,h2\""),
            (
                "NAPTR",
                "100 50 \"S\" \"SIP+D2U\" \"\" _sip._udp.example.",
                None,
                "100 50 \"S\" \"SIP+D2U\" \"\" _sip._udp.example.",
            ),
        ] {
            let expected = if has_priority(rdata::type_from_text(rtype.as_bytes()).unwrap()) {
                Some(10)
            } else {
                None
            };
            assert_eq!(again(rtype, content, priority), (text.to_owned(), expected), "{rtype}");
        }
        let long = "x".repeat(300);
        let quoted = format!("\"{}\" \"{}\"", &long[..255], &long[255..]);
        assert_eq!(again("TXT", &long, None).0, quoted);
    }

    #[test]
    fn what_is_refused_has_its_code() {
        let apex = Name::from_text("zone.example").unwrap();
        let too_long = "x".repeat(3000);
        for (rtype, content, code) in [
            (rtype::A, "192.0.2", Problem::NOT_IPV4),
            (rtype::A, "host.example", Problem::NOT_IPV4),
            (rtype::AAAA, "192.0.2.1", Problem::NOT_IPV6),
            (rtype::MX, "mail.example", Problem::PRIORITY),
            (rtype::MX, "10 192.0.2.1", Problem::MX_CONTENT),
            (rtype::CNAME, "192.0.2.1", Problem::NOT_HOSTNAME),
            (rtype::CNAME, "a..b", Problem::NOT_HOSTNAME),
            (rtype::TXT, "\"open", Problem::CONTENT),
            (rtype::TXT, "in \"the\" middle", Problem::CONTENT),
            (rtype::TXT, &too_long, Problem::CONTENT),
            (rtype::CAA, "0", Problem::CONTENT),
        ] {
            assert_eq!(read(rtype, &apex, content, None).unwrap_err().code, code, "{content}");
        }
    }
}
