//! `flatten.validate` against a root of the test's own: the signed passes, the changed and the stripped do not.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bailiwick::base::name::Name;
use bailiwick::config::settings::TrustAnchor;
use bailiwick::model::flattened::{FailureKind, Key, Outcome};
use bailiwick::outside::resolve::{Found, Resolve, Resolver};
use bailiwick::outside::upstream::Upstreams;
use bailiwick::outside::validate::Validator;
use hickory_proto::dnssec::crypto::Ed25519SigningKey;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::dnssec::{DigestType, DnssecSigner, PublicKey, SigningKey, TrustAnchors};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{DNSClass, Name as ProtoName, RData, Record, RecordSet, RecordType};
use hickory_proto::serialize::binary::BinEncodable;
use time::OffsetDateTime;
use tokio::net::UdpSocket;

/// What happens to an answer on its way.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Kept,
    /// Another address than the one that was signed.
    Changed,
    /// The signatures are gone, and the AD bit says that all is well.
    Stripped,
}

struct Root {
    signer: DnssecSigner,
    key: DNSKEY,
}

impl Root {
    fn new() -> Root {
        let pkcs8 = Ed25519SigningKey::generate_pkcs8().unwrap();
        let signing = Ed25519SigningKey::from_pkcs8(&pkcs8).unwrap();
        let key = DNSKEY::new(true, true, false, signing.to_public_key().unwrap());
        let week = Duration::from_secs(7 * 86_400);
        let signer = DnssecSigner::new(key.clone(), Box::new(signing), ProtoName::root(), week);
        Root { signer, key }
    }

    fn anchors(&self) -> TrustAnchors {
        let mut anchors = TrustAnchors::empty();
        anchors.insert(self.key.public_key());
        anchors
    }

    /// The record and its signature.
    fn signed(&self, record: Record) -> Vec<Record> {
        let set = RecordSet::from(record.clone());
        let since = OffsetDateTime::now_utc() - Duration::from_secs(3600);
        let rrsig = RRSIG::from_rrset(&set, DNSClass::IN, since, &self.signer).unwrap();
        let data = RData::DNSSEC(DNSSECRData::RRSIG(rrsig));
        vec![record.clone(), Record::from_rdata(record.name, record.ttl, data)]
    }

    fn answer(&self, question: &Message, fate: Fate) -> Message {
        let name = |text: &str| ProtoName::from_ascii(text).unwrap();
        let query = &question.queries[0];
        let asked = query.name().to_ascii().to_lowercase();
        let mut answers = match (asked.as_str(), query.query_type()) {
            (".", RecordType::DNSKEY) => {
                let data = RData::DNSSEC(DNSSECRData::DNSKEY(self.key.clone()));
                self.signed(Record::from_rdata(ProtoName::root(), 300, data))
            }
            ("t.example.", RecordType::A) => {
                let cname = RData::CNAME(CNAME(name("u.example.")));
                let mut all = self.signed(Record::from_rdata(name("t.example."), 300, cname));
                let a = RData::A(A([8, 8, 8, 8].into()));
                all.extend(self.signed(Record::from_rdata(name("u.example."), 60, a)));
                all
            }
            _ => Vec::new(),
        };
        if fate == Fate::Stripped {
            answers.retain(|r| r.record_type() != RecordType::RRSIG || asked == ".");
        }
        for record in &mut answers {
            if let (RData::A(_), Fate::Changed) = (&record.data, fate) {
                record.data = RData::A(A([6, 6, 6, 6].into()));
            }
        }
        let mut message = Message::query();
        message.metadata = question.metadata;
        message.metadata.message_type = MessageType::Response;
        message.metadata.authentic_data = true;
        message.queries = question.queries.clone();
        message.answers = answers;
        message
    }
}

async fn serve(socket: UdpSocket, root: Root, fate: Fate) {
    let mut octets = [0; 4096];
    while let Ok((len, from)) = socket.recv_from(&mut octets).await {
        let question = Message::from_vec(&octets[..len]).unwrap();
        assert!(question.metadata.checking_disabled, "the upstream is not to judge for us");
        let answer = root.answer(&question, fate).to_vec().unwrap();
        let _ = socket.send_to(&answer, from).await;
    }
}

async fn find(root: Root, fate: Fate) -> (Found, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let upstreams = Arc::new(Upstreams::new(&[address]));
    let validator = Validator::with_anchors(upstreams.clone(), root.anchors());
    tokio::spawn(serve(socket, root, fate));
    let resolver = Resolver::new(upstreams, Some(validator), Duration::from_secs(20));
    let key = Key { target: Name::from_text("t.example").unwrap(), rtype: 1 };
    (resolver.resolve(&key).await, address)
}

#[tokio::test]
async fn what_is_signed_passes() {
    let (found, upstream) = find(Root::new(), Fate::Kept).await;
    assert_eq!(found.outcome, Outcome::Addresses);
    assert_eq!(found.addresses, [IpAddr::from([8, 8, 8, 8])]);
    assert_eq!(
        (found.validated.is_some(), found.hops.len(), found.upstream),
        (true, 1, Some(upstream))
    );
}

#[tokio::test]
async fn what_was_changed_or_lost_its_signature_is_bogus() {
    for fate in [Fate::Changed, Fate::Stripped] {
        let (found, _) = find(Root::new(), fate).await;
        assert_eq!(found.outcome, Outcome::Failed(FailureKind::Bogus));
        assert!(found.addresses.is_empty() && found.validated.is_none());
    }
}

/// As in `find`, with anchors out of a config.
async fn find_with(root: Root, anchors: &[TrustAnchor]) -> Found {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let upstreams = Arc::new(Upstreams::new(&[socket.local_addr().unwrap()]));
    let validator = Validator::new(upstreams.clone(), anchors);
    tokio::spawn(serve(socket, root, Fate::Kept));
    let resolver = Resolver::new(upstreams, Some(validator), Duration::from_secs(20));
    let key = Key { target: Name::from_text("t.example").unwrap(), rtype: 1 };
    resolver.resolve(&key).await
}

fn anchor(zone: &str, rtype: u16, data: &impl BinEncodable) -> TrustAnchor {
    let zone = Name::from_text(zone).unwrap();
    TrustAnchor { zone, rtype, rdata: data.to_bytes().unwrap().into() }
}

fn digest(key: &DNSKEY) -> DS {
    let root = ProtoName::root();
    let digest = key.to_digest(&root, DigestType::SHA256).unwrap().as_ref().to_vec();
    let tag = key.calculate_key_tag().unwrap();
    DS::new(tag, key.public_key().algorithm(), DigestType::SHA256, digest)
}

#[tokio::test]
async fn keys_and_digests_of_a_config_anchor() {
    let root = Root::new();
    let anchors = [anchor(".", 48, &root.key)];
    assert_eq!(find_with(root, &anchors).await.outcome, Outcome::Addresses);
    // The key of a digest is asked for. That of a zone which nobody answers for keeps nobody waiting elsewhere.
    let root = Root::new();
    let anchors = ["corp.invalid", "."].map(|zone| anchor(zone, 43, &digest(&root.key)));
    let found = find_with(root, &anchors).await;
    assert_eq!((found.outcome, found.validated.is_some()), (Outcome::Addresses, true));
}

#[tokio::test]
async fn other_keys_than_the_anchored_ones_prove_nothing() {
    let other = Root::new();
    for anchors in [anchor(".", 48, &other.key), anchor(".", 43, &digest(&other.key))] {
        let found = find_with(Root::new(), &[anchors]).await;
        assert_eq!(found.outcome, Outcome::Failed(FailureKind::Bogus));
    }
}
