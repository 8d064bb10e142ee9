//! A message as what it says: code, bits, and sections as sets of records in canonical form.

use domain::base::iana::Class;
use domain::base::message::Message;
use domain::base::name::{FlattenInto, Name, ParsedName, ToName};
use domain::base::rdata::ComposeRecordData;
use domain::base::{ParsedRecord, Rtype};
use domain::rdata::AllRecordData;
use std::collections::BTreeSet;
use std::fmt;

/// A record: names in lower case and unpacked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rr {
    pub owner: Vec<u8>,
    pub rtype: u16,
    pub class: u16,
    pub ttl: u32,
    pub rdata: Vec<u8>,
}

/// A reply. Equal replies say the same.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Reply {
    pub rcode: u8,
    pub aa: bool,
    /// Set over UDP; the sections are those over TCP.
    pub tc: bool,
    pub answer: BTreeSet<Rr>,
    pub authority: BTreeSet<Rr>,
    pub additional: BTreeSet<Rr>,
}

impl Reply {
    /// Reads a message with this question; the octets of every record must be right.
    pub fn decode(packet: &[u8], question: &[u8]) -> Result<Reply, String> {
        let message = Message::from_slice(packet).map_err(|e| e.to_string())?;
        let header = message.header();
        if !header.qr() {
            return Err("not a response".to_owned());
        }
        let has_question = packet[12..].starts_with(question);
        if message.header_counts().qdcount() > 0 && !has_question {
            return Err("the question does not come back octet by octet".to_owned());
        }
        let wrong = |e: domain::base::wire::ParseError| e.to_string();
        let mut reply = Reply {
            rcode: header.rcode().to_int(),
            aa: header.aa(),
            tc: header.tc(),
            ..Reply::default()
        };
        let mut section = message.answer().map_err(wrong)?;
        for at in 0..3 {
            let into = [&mut reply.answer, &mut reply.authority, &mut reply.additional];
            let into = into.into_iter().nth(at).expect("one of three");
            for record in section.by_ref() {
                let record = record.map_err(wrong)?;
                if record.rtype() == Rtype::OPT {
                    continue;
                }
                let rr = rr(&record)?;
                if !into.insert(rr.clone()) {
                    return Err(format!("a record twice: {rr}"));
                }
            }
            match section.next_section().map_err(wrong)? {
                Some(next) => section = next,
                None => break,
            }
        }
        Ok(reply)
    }
}

fn rr(record: &ParsedRecord<'_, [u8]>) -> Result<Rr, String> {
    let owner: Name<Vec<u8>> = record.owner().try_flatten_into().map_err(|_| "a name too long")?;
    let rtype = record.rtype().to_int();
    let read = record.to_any_record::<AllRecordData<&[u8], ParsedName<&[u8]>>>();
    let read = read.map_err(|e| format!("{owner} {}: {e}", record.rtype()))?;
    let mut rdata = Vec::new();
    let composed = read.data().compose_canonical_rdata(&mut rdata);
    composed.expect("a vector grows");
    let mut owner = owner.to_vec().into_octets();
    owner.make_ascii_lowercase();
    let class = record.class();
    debug_assert_eq!(class, Class::IN);
    Ok(Rr { owner, rtype, class: class.to_int(), ttl: record.ttl().as_secs(), rdata })
}

impl fmt::Display for Rr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = Name::from_octets(&self.owner).expect("it was read as one");
        let rtype = Rtype::from_int(self.rtype);
        write!(f, "{owner}. {} {rtype} ", self.ttl)?;
        match Name::from_octets(&self.rdata) {
            Ok(name) if matches!(self.rtype, 2 | 5 | 39) => write!(f, "{name}."),
            _ => self.rdata.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bit = |set: bool, word: &'static str| if set { word } else { "" };
        write!(f, "rcode {}{}{}", self.rcode, bit(self.aa, " aa"), bit(self.tc, " tc"))?;
        let sections = [("an", &self.answer), ("ns", &self.authority), ("ar", &self.additional)];
        for (title, rrs) in sections {
            let few = rrs.iter().take(5);
            few.into_iter().try_for_each(|rr| write!(f, "\n    {title} {rr}"))?;
            if rrs.len() > 5 {
                write!(f, "\n    {title} … {} in all", rrs.len())?;
            }
        }
        Ok(())
    }
}
