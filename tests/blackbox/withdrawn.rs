//! The seven days after a grant was withdrawn (SPEC §5), with a clock of our own: the record of it is dated back.

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use bailiwick::base::time::UnixTime;
use bailiwick::store::grants::Grants;

use crate::support::server::{Server, World};

const DAY: u64 = 86_400;
const GRANT: &str = "[[grants]]\nhostname = \"app.a.test\"\nzone = \"b.test\"\n";

/// A server whose config has no grant, and whose data say that the only one was withdrawn so many seconds ago.
fn withdrawn(seconds_ago: u64) -> Server {
    let world = World::new();
    world.zone("cust/a.test", "%std%app CNAME www.b.test.\nother CNAME www.b.test.\n");
    world.zone("prov/b.test", "%std%www A 192.0.2.44\n");
    world.config("", GRANT);
    let mut server = world.start();
    assert_eq!(server.query("app.a.test", "A").answer.len(), 2, "granted");
    server.terminate();
    let mut grants = Grants::open(&server.world.path("data/grants.log")).expect("a log of grants");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    grants.apply(&HashSet::new(), UnixTime(now - seconds_ago));
    assert_eq!(grants.withdrawn().count(), 1, "it was in force");
    grants.save().expect("the log can be written");
    server.world.config("", "");
    server.start_again();
    server
}

/// RCODE, and whether the SOA of a NODATA is there.
fn told(server: &Server, name: &str) -> (String, bool) {
    let message = server.query(name, "A");
    assert!(message.answer.is_empty(), "{}", message.show());
    let soa = message.authority.iter().any(|record| record.rtype == 6 && record.ttl <= 60);
    (message.rcode_text(), soa)
}

#[test]
fn nodata_for_seven_days() {
    for seconds_ago in [0, 3 * DAY, 7 * DAY - 3600] {
        let server = withdrawn(seconds_ago);
        let nodata = ("NOERROR".to_owned(), true);
        assert_eq!(told(&server, "app.a.test"), nodata, "{seconds_ago} s");
        // Nobody ever granted this one.
        assert_eq!(told(&server, "other.a.test"), ("REFUSED".to_owned(), false));
    }
}

#[test]
fn refused_afterwards() {
    for seconds_ago in [7 * DAY, 30 * DAY] {
        let server = withdrawn(seconds_ago);
        assert_eq!(told(&server, "app.a.test"), ("REFUSED".to_owned(), false), "{seconds_ago} s");
    }
}

/// The days end while the server runs: nobody has to reload anything.
#[test]
fn the_last_second_passes_by_itself() {
    let server = withdrawn(7 * DAY - 5);
    server.wait_for("app.a.test", "A", |message| message.rcode_text() == "REFUSED");
}
