//! A recursive resolver of the test's own: it knows a few records, follows CNAMEs and makes names of wildcards.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// See the head of the file.
pub struct FakeResolver {
    pub address: SocketAddr,
    records: Arc<Mutex<Vec<Record>>>,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
    /// Addresses that a name has in turn, the next one last.
    turns: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).unwrap()
}

impl FakeResolver {
    pub fn start() -> FakeResolver {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let records = Arc::<Mutex<Vec<Record>>>::default();
        let asked = Arc::<Mutex<Vec<(String, RecordType)>>>::default();
        let turns = Arc::<Mutex<HashMap<String, Vec<String>>>>::default();
        let (known, heard) = (Arc::clone(&records), Arc::clone(&asked));
        let turning = Arc::clone(&turns);
        std::thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok((len, from)) = socket.recv_from(&mut octets) {
                let question = Message::from_vec(&octets[..len]).unwrap();
                let query = question.queries[0].clone();
                let asked = query.name().to_lowercase().to_string();
                let mut known = known.lock().unwrap();
                if query.query_type() == RecordType::A
                    && let Some(next) = turning.lock().unwrap().get_mut(&asked).and_then(Vec::pop)
                {
                    known.retain(|record| record.name != name(&asked));
                    known.push(record(&asked, &next));
                }
                heard.lock().unwrap().push((asked, query.query_type()));
                let answer = answer(&question, &known);
                // Who is gone is none of its business.
                let _ = socket.send_to(&answer.to_vec().unwrap(), from);
            }
        });
        FakeResolver { address, records, asked, turns }
    }

    fn add(&self, owner: &str, data: RData) {
        self.records.lock().unwrap().push(Record::from_rdata(name(owner), 60, data));
    }

    pub fn cname(&self, owner: &str, to: &str) {
        self.add(owner, RData::CNAME(CNAME(name(to))));
    }

    pub fn txt(&self, owner: &str, text: &str) {
        self.add(owner, RData::TXT(TXT::new(vec![text.to_owned()])));
    }

    pub fn address(&self, owner: &str, text: &str) {
        self.records.lock().unwrap().push(record(owner, text));
    }

    /// Each question for its IPv4 addresses finds the next of these; the last one stays.
    pub fn turns(&self, owner: &str, addresses: &[&str]) {
        let turns = addresses.iter().rev().map(|address| (*address).to_owned()).collect();
        self.turns.lock().unwrap().insert(name(owner).to_string(), turns);
    }

    pub fn forget(&self, owner: &str) {
        self.records.lock().unwrap().retain(|record| record.name != name(owner));
    }

    /// How often it was asked for a name, whatever the type.
    pub fn count(&self, owner: &str) -> usize {
        let owner = name(owner).to_lowercase().to_string();
        self.asked.lock().unwrap().iter().filter(|(asked, _)| *asked == owner).count()
    }
}

fn record(owner: &str, text: &str) -> Record {
    let data = match text.parse().unwrap() {
        std::net::IpAddr::V4(v4) => RData::A(A(v4)),
        std::net::IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    Record::from_rdata(name(owner), 60, data)
}

/// Records at a name, those of a wildcard with that name.
fn at(name: &Name, records: &[Record]) -> Vec<Record> {
    let own: Vec<Record> = records.iter().filter(|r| r.name == *name).cloned().collect();
    if !own.is_empty() {
        return own;
    }
    let mut above = name.base_name();
    while !above.is_root() {
        let star = Name::from_ascii("*").unwrap().append_domain(&above).unwrap();
        let made = records.iter().filter(|r| r.name == star).cloned();
        let made: Vec<Record> =
            made.map(|r| Record::from_rdata(name.clone(), r.ttl, r.data)).collect();
        if !made.is_empty() {
            return made;
        }
        above = above.base_name();
    }
    Vec::new()
}

/// Names that begin with `silent` are answered SERVFAIL.
fn answer(question: &Message, records: &[Record]) -> Message {
    let query = &question.queries[0];
    let mut message = Message::query();
    message.metadata = question.metadata;
    message.metadata.message_type = MessageType::Response;
    message.queries = question.queries.clone();
    let mut here = query.name().to_lowercase();
    if here.to_string().contains("silent") {
        message.metadata.response_code = ResponseCode::ServFail;
        return message;
    }
    for _ in 0..20 {
        let found = at(&here, records);
        if found.is_empty() && message.answers.is_empty() {
            message.metadata.response_code = ResponseCode::NXDomain;
        }
        let wanted = found.iter().filter(|r| r.record_type() == query.query_type());
        let wanted: Vec<Record> = wanted.cloned().collect();
        let alias = found.iter().find_map(|r| match &r.data {
            RData::CNAME(to) => Some((r.clone(), to.0.clone())),
            _ => None,
        });
        match alias {
            Some((record, to)) if wanted.is_empty() => {
                message.answers.push(record);
                here = to;
            }
            _ => {
                message.answers.extend(wanted);
                break;
            }
        }
    }
    message
}
