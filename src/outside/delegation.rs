//! Two looks at a name from the root down: what its parent delegates it to, and the texts at another name.
//!
//! A recursive resolver answers a question for NS with what the child says, so the servers of the parent are asked
//! themselves, by addresses that the resolvers gave.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::time::timeout;

use super::chain::from_proto;
use super::exchange::{Ask, exchange};
use super::special::is_special;
use super::upstream::Upstreams;
use crate::base::limits::LOOKUP_MS;
use crate::base::name::Name;
use crate::base::rtype;

/// Servers of the parent that are asked, and addresses of each.
const SERVERS: usize = 4;
const ADDRESSES: usize = 2;
/// Names upwards among which the parent's apex is looked for.
const UPWARDS: usize = 8;
/// How long one server of the parent may take.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// With what is looked.
pub struct Eyes<'u> {
    pub upstreams: &'u Upstreams,
    /// Servers may have private addresses.
    pub allow_special: bool,
    /// Where servers of parents listen.
    pub port: u16,
}

impl Eyes<'_> {
    /// The names that the parent delegates `apex` to; none: it does not. The error says why that is not known.
    pub async fn delegation(&self, apex: &Name) -> Result<BTreeSet<Name>, String> {
        let servers = self.parent_servers(apex).await?;
        let mut problem = "no server of the parent has an address".to_owned();
        for server in servers.iter().take(SERVERS) {
            for address in self.addresses(server).await {
                let ask = Ask { name: apex.as_wire().into(), rtype: rtype::NS, dnssec: false };
                let asked = timeout(PATIENCE, exchange(SocketAddr::new(address, self.port), &ask));
                problem = match asked.await {
                    Ok(Ok(message)) => match referral(&message, apex) {
                        Some(names) => return Ok(names),
                        None => format!("{server} said {}", message.metadata.response_code),
                    },
                    Ok(Err(_)) | Err(_) => format!("{server} gave no answer"),
                };
            }
        }
        Err(problem)
    }

    /// The texts at exactly `name`: no alias, no synthesis on the way.
    pub async fn texts(&self, name: &Name) -> Result<Vec<String>, String> {
        let message = self.ask(name, rtype::TXT).await?;
        let own: Vec<&Record> = message
            .answers
            .iter()
            .filter(|r| from_proto(&r.name).is_some_and(|owner| owner == *name))
            .collect();
        if own.iter().any(|r| r.record_type() == RecordType::CNAME) {
            return Ok(Vec::new());
        }
        let texts = own.iter().filter_map(|record| match &record.data {
            RData::TXT(txt) => {
                let octets: Vec<u8> = txt.txt_data.iter().flat_map(|s| s.to_vec()).collect();
                Some(String::from_utf8_lossy(&octets).into_owned())
            }
            _ => None,
        });
        Ok(texts.collect())
    }

    /// The servers of the zone that `apex` is delegated from.
    async fn parent_servers(&self, apex: &Name) -> Result<Vec<Name>, String> {
        let mut at = apex.parent().ok_or("the root has no parent")?;
        for _ in 0..UPWARDS {
            let message = self.ask(&at, rtype::NS).await?;
            let servers = nameservers(&message.answers, &at);
            if !servers.is_empty() {
                return Ok(servers.into_iter().collect());
            }
            at = at.parent().ok_or("the root has no servers")?;
        }
        Err("the parent was not found".to_owned())
    }

    async fn addresses(&self, server: &Name) -> Vec<IpAddr> {
        let mut all = Vec::new();
        for kind in [rtype::A, rtype::AAAA] {
            let Ok(message) = self.ask(server, kind).await else { continue };
            let found = message.answers.iter().filter_map(|record| match &record.data {
                RData::A(a) => Some(IpAddr::V4(a.0)),
                RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
                _ => None,
            });
            let usable = found.filter(|address| self.allow_special || !is_special(*address));
            all.extend(usable.take(ADDRESSES));
        }
        all.truncate(ADDRESSES);
        all
    }

    async fn ask(&self, name: &Name, rtype: u16) -> Result<Message, String> {
        let ask = Ask { name: name.as_wire().into(), rtype, dnssec: false };
        let until = Instant::now() + Duration::from_millis(LOOKUP_MS);
        let answer = self.upstreams.ask(&ask, until).await;
        let answer = answer.map_err(|failed| format!("{name}: {:?}", failed.kind))?;
        match answer.message.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(answer.message),
            code => Err(format!("{name}: {code}")),
        }
    }
}

/// The names that a server of the parent refers to; `None`: it did not say.
fn referral(message: &Message, apex: &Name) -> Option<BTreeSet<Name>> {
    let said = message.metadata.response_code;
    if said == ResponseCode::NXDomain && message.metadata.authoritative {
        return Some(BTreeSet::new());
    }
    if said != ResponseCode::NoError {
        return None;
    }
    for section in [&message.authorities, &message.answers] {
        let names = nameservers(section, apex);
        if !names.is_empty() {
            return Some(names);
        }
    }
    message.metadata.authoritative.then(BTreeSet::new)
}

fn nameservers(section: &[Record], owner: &Name) -> BTreeSet<Name> {
    let own = section.iter().filter(|r| from_proto(&r.name).is_some_and(|name| name == *owner));
    own.filter_map(|record| match &record.data {
        RData::NS(ns) => from_proto(&ns.0),
        _ => None,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME, NS, TXT};
    use hickory_proto::rr::{Name as ProtoName, Record};
    use tokio::net::UdpSocket;

    use super::*;

    fn proto(name: &str) -> ProtoName {
        ProtoName::from_ascii(name).unwrap()
    }

    fn record(owner: &str, data: RData) -> Record {
        Record::from_rdata(proto(owner), 60, data)
    }

    fn ns(owner: &str, server: &str) -> Record {
        record(owner, RData::NS(NS(proto(server))))
    }

    /// Resolver and server of the parent in one, by what is asked.
    fn answer(question: &str, message: &mut Message) {
        match question {
            "test. NS" => message.answers.push(ns("test.", "ns.test.")),
            "ns.test. A" => {
                message.answers.push(record("ns.test.", RData::A(A([127, 0, 0, 1].into()))));
            }
            "here.test. NS" => {
                message.authorities.push(ns("here.test.", "b.host.example."));
                message.authorities.push(ns("here.test.", "A.host.example."));
            }
            "nothing.test. NS" => message.metadata.authoritative = true,
            "none.test. NS" => {
                message.metadata.authoritative = true;
                message.metadata.response_code = ResponseCode::NXDomain;
            }
            "broken.test. NS" => message.metadata.response_code = ResponseCode::ServFail,
            "t.here.test. TXT" => {
                let txt = TXT::new(vec!["one".to_owned(), "two".to_owned()]);
                message.answers.push(record("t.here.test.", RData::TXT(txt)));
            }
            "alias.here.test. TXT" => {
                let to = CNAME(proto("t.here.test."));
                message.answers.push(record("alias.here.test.", RData::CNAME(to)));
                let txt = TXT::new(vec!["one".to_owned()]);
                message.answers.push(record("t.here.test.", RData::TXT(txt)));
            }
            _ => {}
        }
    }

    async fn serve(socket: UdpSocket) {
        let mut buffer = [0; 4096];
        loop {
            let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
            let asked = Message::from_vec(&buffer[..len]).unwrap();
            let query = asked.queries[0].clone();
            let name = query.name().to_ascii().to_ascii_lowercase();
            let mut message = Message::response(asked.metadata.id, asked.metadata.op_code);
            answer(&format!("{name} {}", query.query_type()), &mut message);
            message.add_query(query);
            socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
        }
    }

    #[tokio::test]
    async fn parents_are_asked_themselves() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(serve(socket));
        let upstreams = Upstreams::new(&[address]);
        let eyes = Eyes { upstreams: &upstreams, allow_special: true, port: address.port() };
        let name = |text: &str| Name::from_text(text).unwrap();
        let here = eyes.delegation(&name("here.test")).await.unwrap();
        let wanted: BTreeSet<Name> = ["a.host.example", "b.host.example"].map(name).into();
        assert_eq!(here, wanted);
        for none in ["none.test", "nothing.test"] {
            assert_eq!(eyes.delegation(&name(none)).await, Ok(BTreeSet::new()), "{none}");
        }
        assert!(eyes.delegation(&name("broken.test")).await.is_err());
        assert_eq!(eyes.texts(&name("t.here.test")).await.unwrap(), ["onetwo"]);
        assert!(eyes.texts(&name("alias.here.test")).await.unwrap().is_empty());
        let strict = Eyes { allow_special: false, ..eyes };
        assert!(strict.delegation(&name("here.test")).await.is_err());
    }
}
