//! The responder of the real server: the current snapshot, `wire::respond`, one count per message.

use std::net::UdpSocket;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::base::time::UnixTime;
use crate::model::question::Client;
use crate::model::snapshot::Snapshot;
use crate::telemetry::counters::{Counters, Witness};
use crate::wire;

use super::Responder;
use super::mmsg::Batch;
use super::room::{Room, Way};
use super::udp::OverUdp;

/// Answers from whatever snapshot is published.
pub struct Answers {
    pub published: Arc<ArcSwap<Snapshot>>,
    pub counters: Arc<Counters>,
    /// Where questions wait that need the outside; `None`: they do not wait.
    pub room: Option<Arc<Room>>,
}

impl Answers {
    /// Whether the question waits for a better answer than `reply`. It is counted when that goes out.
    #[inline]
    fn is_held(
        &self,
        reply: Option<&wire::Reply>,
        packet: &[u8],
        client: Client,
        way: &dyn Way,
    ) -> bool {
        reply.is_some_and(|reply| reply.needs.is_some())
            && self.room.as_ref().is_some_and(|room| room.hold(packet, client, way))
    }
}

/// What a worker keeps.
pub struct Local {
    /// The snapshot of this batch; still there when the next one begins, unless time has passed.
    held: Option<Arc<Snapshot>>,
    now: UnixTime,
    scratch: wire::Scratch,
    group: wire::Group,
    witness: Witness,
}

impl Responder for Answers {
    type Local = Local;

    fn local(&self) -> Local {
        Local {
            held: None,
            now: UnixTime::default(),
            scratch: wire::Scratch::default(),
            group: wire::Group::default(),
            witness: self.counters.witness(),
        }
    }

    fn begin(&self, local: &mut Local, now: UnixTime) {
        local.now = now;
        local.witness.turn(now);
        let current = self.published.load();
        // As long as nothing changed no count that other workers share is touched.
        if !local.held.as_ref().is_some_and(|held| Arc::ptr_eq(held, &current)) {
            local.held = Some(Arc::clone(&current));
        }
    }

    #[inline]
    fn respond(
        &self,
        local: &mut Local,
        packet: &[u8],
        client: Client,
        way: &dyn Way,
        out: &mut [u8],
    ) -> Option<usize> {
        let Local { held, now, scratch, witness, .. } = local;
        let snapshot = held.as_deref().expect("`begin` comes before the first question");
        let reply = wire::respond(snapshot, packet, client, *now, scratch, out);
        if self.is_held(reply.as_ref(), packet, client, way) {
            return None;
        }
        witness.saw(client.transport, packet, scratch.asked(), reply.as_ref(), *now);
        reply.map(|reply| reply.len)
    }

    fn respond_all(
        &self,
        local: &mut Local,
        batch: &mut Batch,
        socket: &Arc<UdpSocket>,
        next: &mut usize,
        count: usize,
    ) {
        let Local { held, now, group, witness, .. } = local;
        let snapshot = held.as_deref().expect("`begin` comes before the first question");
        while *next < count {
            let first = *next;
            group.clear();
            let mut members = 0;
            while first + members < count {
                // Whom nobody can answer takes a place all the same: numbers stay in step.
                let datagram = batch.datagram(first + members);
                if !group.push(snapshot, datagram.map_or(&[], |d| d.packet)) {
                    break;
                }
                members += 1;
            }
            let ahead = group.look_ahead(snapshot);
            for i in 0..members {
                *next = first + i + 1;
                let Some(datagram) = batch.datagram(first + i) else { continue };
                let client = datagram.from();
                let (packet, out) = (datagram.packet, datagram.answer);
                let reply = group.respond(i, &ahead, packet, client, *now, out);
                let way = OverUdp { socket, sender: datagram.sender };
                if self.is_held(reply.as_ref(), packet, client, &way) {
                    continue;
                }
                witness.saw(client.transport, packet, group.asked(i), reply.as_ref(), *now);
                if let Some(reply) = reply {
                    batch.queue(first + i, reply.len);
                }
            }
        }
    }

    fn end(&self, local: &mut Local) {
        local.held = None;
        local.witness.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::HashKey;
    use crate::base::id::Generation;
    use crate::model::question::Transport;
    use crate::transport::room::Back;

    struct NoWay;

    impl Way for NoWay {
        fn back(&self) -> Option<Box<dyn Back>> {
            None
        }
    }

    #[test]
    fn a_batch_sees_one_snapshot_and_the_next_batch_the_next() {
        let mut snapshot = Snapshot::empty(HashKey::new([1; 16]));
        let published = Arc::new(ArcSwap::from_pointee(snapshot.clone()));
        let counters = Arc::new(Counters::default());
        let answers = Answers { published: Arc::clone(&published), counters, room: None };
        let mut local = answers.local();
        answers.begin(&mut local, UnixTime(1));
        let first = Arc::downgrade(local.held.as_ref().unwrap());
        snapshot.generation = Generation(7);
        published.store(Arc::new(snapshot));
        assert_eq!(local.held.as_ref().unwrap().generation, Generation(0));
        answers.begin(&mut local, UnixTime(2));
        assert_eq!(local.held.as_ref().unwrap().generation, Generation(7));
        assert!(first.upgrade().is_none(), "the old one is free");

        let packet = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04test\0\0\x01\0\x01";
        let client = Client { address: [127, 0, 0, 1].into(), transport: Transport::Udp };
        let mut out = [0; 512];
        let length = answers.respond(&mut local, packet, client, &NoWay, &mut out).unwrap();
        assert!(length >= 12);
        assert_eq!(out[..2], packet[..2]);
        assert_eq!(out[3] & 15, 5, "no zone: REFUSED");
        assert_eq!(answers.respond(&mut local, &[1, 2, 3], client, &NoWay, &mut out), None);
        let totals = answers.counters.totals();
        let seen = (totals.messages(Transport::Udp), totals.silent(Transport::Udp));
        assert_eq!((seen, totals.answers()), ((2, 1), 1));

        let last = Arc::downgrade(local.held.as_ref().unwrap());
        answers.end(&mut local);
        published.store(Arc::new(Snapshot::empty(HashKey::new([1; 16]))));
        assert!(last.upgrade().is_none(), "an idle worker holds nothing");
    }
}
