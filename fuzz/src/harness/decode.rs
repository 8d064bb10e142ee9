//! A strict reader of answers that shares no code with the server: it takes nothing that a picky peer would not take.

/// Longest name, root label included (RFC 1035 §3.1).
const NAME_MAX: usize = 255;

/// A whole answer. Names are written out, their case kept.
pub struct Message {
    pub id: u16,
    pub flags: u16,
    /// The question section as it stands in the message.
    pub question: Option<Vec<u8>>,
    /// Answer, authority, additional without OPT.
    pub sections: [Vec<Rr>; 3],
    pub opt: Option<Opt>,
}

/// One record; names in its data that may be compressed are written out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rr {
    pub owner: Vec<u8>,
    pub rtype: u16,
    pub class: u16,
    pub ttl: u32,
    pub rdata: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opt {
    pub udp_size: u16,
    pub rcode_high: u8,
    pub version: u8,
    pub flags: u16,
    pub options: Vec<(u16, Vec<u8>)>,
}

impl Message {
    pub fn rcode(&self) -> u16 {
        let high = self.opt.as_ref().map_or(0, |opt| u16::from(opt.rcode_high));
        high << 4 | self.flags & 0xF
    }

    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub fn option(&self, code: u16) -> Option<&[u8]> {
        let options = &self.opt.as_ref()?.options;
        options.iter().find(|(c, _)| *c == code).map(|(_, value)| &value[..])
    }
}

/// Reads a message to its last octet.
pub fn message(octets: &[u8]) -> Result<Message, String> {
    let mut reader = Reader { octets, at: 0, labels: Vec::new() };
    let mut head = [0u16; 6];
    for field in &mut head {
        *field = reader.u16()?;
    }
    let [id, flags, questions, counts @ ..] = head;
    let question = match questions {
        0 => None,
        1 => {
            reader.name(Pointers::Refused)?;
            reader.take(4)?;
            Some(octets[12..reader.at].to_vec())
        }
        n => return Err(format!("{n} questions")),
    };
    let mut sections = [Vec::new(), Vec::new(), Vec::new()];
    let mut opt = None;
    for (section, count) in sections.iter_mut().zip(counts) {
        for _ in 0..count {
            let rr = reader.record()?;
            if rr.rtype != 41 {
                section.push(rr);
            } else if opt.replace(options(&rr)?).is_some() {
                return Err("two OPT records".to_owned());
            }
        }
    }
    if reader.at != octets.len() {
        return Err(format!("{} octets behind the end", octets.len() - reader.at));
    }
    Ok(Message { id, flags, question, sections, opt })
}

fn options(rr: &Rr) -> Result<Opt, String> {
    if rr.owner != [0] {
        return Err("an OPT that is not the root's".to_owned());
    }
    let [rcode_high, version, high, low] = rr.ttl.to_be_bytes();
    let mut reader = Reader { octets: &rr.rdata, at: 0, labels: Vec::new() };
    let mut options: Vec<(u16, Vec<u8>)> = Vec::new();
    while reader.at < rr.rdata.len() {
        let code = reader.u16()?;
        let length = reader.u16()?;
        let value = reader.take(length.into())?.to_vec();
        if options.iter().any(|(c, _)| *c == code) {
            return Err(format!("option {code} twice"));
        }
        options.push((code, value));
    }
    let flags = u16::from_be_bytes([high, low]);
    Ok(Opt { udp_size: rr.class, rcode_high, version, flags, options })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pointers {
    Allowed,
    Refused,
}

struct Reader<'m> {
    octets: &'m [u8],
    at: usize,
    /// Where labels of names begin that were read: pointers may lead nowhere else.
    labels: Vec<usize>,
}

impl<'m> Reader<'m> {
    fn take(&mut self, count: usize) -> Result<&'m [u8], String> {
        let taken = self.octets.get(self.at..self.at + count);
        self.at += count;
        taken.ok_or_else(|| format!("ends within the {count} octets before {}", self.at))
    }

    fn u16(&mut self) -> Result<u16, String> {
        let octets = self.take(2)?;
        Ok(u16::from_be_bytes([octets[0], octets[1]]))
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    /// A name, written out. A pointer leads to a label of an earlier name.
    fn name(&mut self, pointers: Pointers) -> Result<Vec<u8>, String> {
        let start = self.at;
        let mut name = Vec::new();
        let mut here = start;
        let mut end = None;
        let mut before = start;
        let mut new = Vec::new();
        loop {
            let length = *self.octets.get(here).ok_or("a name without end")?;
            match length {
                0 => {
                    name.push(0);
                    self.at = end.unwrap_or(here + 1);
                    break;
                }
                1..=63 => {
                    let label = self.octets.get(here..here + 1 + usize::from(length));
                    name.extend_from_slice(label.ok_or("a label without end")?);
                    if end.is_none() {
                        new.push(here);
                    }
                    here += 1 + usize::from(length);
                }
                0xC0.. if pointers == Pointers::Allowed => {
                    let low = *self.octets.get(here + 1).ok_or("half a pointer")?;
                    let target = usize::from(length & 0x3F) << 8 | usize::from(low);
                    if target >= before || !self.labels.contains(&target) {
                        return Err(format!("the pointer at {here} leads to {target}"));
                    }
                    end.get_or_insert(here + 2);
                    before = target;
                    here = target;
                }
                _ => return Err(format!("label type {length:#x} at {here}")),
            }
        }
        if name.len() > NAME_MAX {
            return Err(format!("the name at {start} is too long"));
        }
        // A name that begins with a pointer may be pointed at as a whole, too.
        self.labels.extend(new);
        self.labels.push(start);
        Ok(name)
    }

    fn record(&mut self) -> Result<Rr, String> {
        let owner = self.name(Pointers::Allowed)?;
        let (rtype, class, ttl) = (self.u16()?, self.u16()?, self.u32()?);
        let length = usize::from(self.u16()?);
        let end = self.at + length;
        if end > self.octets.len() {
            return Err(format!("data of {length} octets at {} passes the end", self.at));
        }
        if rtype != 41 && ttl > i32::MAX as u32 {
            return Err(format!("TTL {ttl}"));
        }
        // Octets before the names, names, octets behind them (RFC 1035 types: RFC 3597 §4).
        let (before, names, behind) = match rtype {
            2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 => (0, 1, 0),
            6 => (0, 2, 20),
            14 => (0, 2, 0),
            15 => (2, 1, 0),
            _ => (length, 0, 0),
        };
        let mut rdata = self.take(before)?.to_vec();
        for _ in 0..names {
            rdata.extend(self.name(Pointers::Allowed)?);
        }
        rdata.extend_from_slice(self.take(behind)?);
        if self.at != end {
            return Err(format!("data of type {rtype} ends at {} and not at {end}", self.at));
        }
        Ok(Rr { owner, rtype, class, ttl, rdata })
    }
}
