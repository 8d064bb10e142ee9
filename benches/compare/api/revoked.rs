//! A grant is taken back through the API: how long until the next question is denied, and that none is let through
//! after the API has answered.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::Client;
use super::world::{Home, make_zone};
use super::{Run, percentile};
use crate::Outcome;
use crate::load::packet;

const PATIENCE: Duration = Duration::from_secs(10);

/// One question that was answered while the grant was taken back.
struct Asked {
    sent: Instant,
    answered: Instant,
    denied: bool,
}

/// Grants and revokes so many hostnames, one after the other.
pub fn measure(run: &Run, home: &Home) -> Outcome<Value> {
    home.make()?;
    let (process, _) = home.start()?;
    let operator = home.token(None)?;
    let mut client = Client::open(home.api(), &operator)?;
    let saas = make_zone(&mut client, "saas", "saas.test")?;
    let customers = make_zone(&mut client, "customers", "customers.test")?;
    let app = json!({ "type": "A", "name": "app.saas.test", "content": "10.0.0.1" });
    client.get("POST", &format!("/client/v4/zones/{saas}/dns_records"), Some(&app))?;
    let hostnames = format!("/client/v4/zones/{saas}/custom_hostnames");
    let origin = json!({ "origin": "app.saas.test" });
    client.get("PUT", &format!("{hostnames}/fallback_origin"), Some(&origin))?;
    let name = |n: usize| format!("c{n}.customers.test");
    let posts: Vec<Value> = (0..run.revocations)
        .map(|n| json!({ "type": "CNAME", "name": name(n), "content": "app.saas.test" }))
        .collect();
    for posts in posts.chunks(1_000) {
        let path = format!("/client/v4/zones/{customers}/dns_records/batch");
        client.get("POST", &path, Some(&json!({ "posts": posts })))?;
    }
    process.pin(run.server_core);
    let (mut acknowledged, mut denied, mut behind, mut let_through) =
        (Vec::new(), Vec::new(), Vec::new(), 0);
    for n in 0..run.revocations {
        let made = client.get("POST", &hostnames, Some(&json!({ "hostname": name(n) })))?;
        if made["status"] != "active" {
            return Err(format!("{made}").into());
        }
        let id = made["id"].as_str().unwrap_or_default();
        let (sent, answered, asked) =
            revoke(home, &mut client, &format!("{hostnames}/{id}"), &name(n))?;
        let millis =
            |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1e3;
        let first = asked.iter().find(|asked| asked.denied).ok_or("never denied")?;
        acknowledged.push(millis(sent, answered));
        denied.push(millis(sent, first.answered));
        let later = asked.iter().filter(|asked| asked.sent >= answered);
        let_through += later.clone().filter(|asked| !asked.denied).count();
        // The next question after the answer of the API, from when it was sent.
        let next = later.clone().next().ok_or("no question was asked afterwards")?;
        behind.push(millis(next.sent, next.answered));
    }
    for list in [&mut acknowledged, &mut denied, &mut behind] {
        list.sort_by(f64::total_cmp);
    }
    let shown = |list: &[f64]| json!({ "median_ms": percentile(list, 0.50), "p99_ms": percentile(list, 0.99) });
    Ok(json!({
        "revocations": run.revocations,
        "request_to_acknowledged": shown(&acknowledged),
        "request_to_denied": shown(&denied),
        "let_through_after_acknowledged": let_through,
        "next_question_to_its_denial": shown(&behind),
    }))
}

/// Deletes a hostname while a thread asks for it all the time, and a few times afterwards.
fn revoke(
    home: &Home,
    client: &mut Client,
    path: &str,
    name: &str,
) -> Outcome<(Instant, Instant, Vec<Asked>)> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(home.dns())?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut question = Vec::new();
    packet(name, 1, &mut question);
    if ask(&socket, &question)?.denied {
        return Err(format!("{name} is denied before").into());
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| -> std::io::Result<Vec<Asked>> {
            let (began, mut asked) = (Instant::now(), Vec::new());
            while !stop.load(Ordering::Relaxed) && began.elapsed() < PATIENCE {
                asked.push(ask(&socket, &question)?);
            }
            for _ in 0..20 {
                asked.push(ask(&socket, &question)?);
            }
            Ok(asked)
        });
        let sent = Instant::now();
        let deleted = client.get("DELETE", path, None);
        let answered = Instant::now();
        stop.store(true, Ordering::Relaxed);
        let asked = asking.join().map_err(|_| "the questions failed")??;
        deleted?;
        Ok((sent, answered, asked))
    })
}

fn ask(socket: &UdpSocket, question: &[u8]) -> std::io::Result<Asked> {
    let mut answer = [0; 1232];
    let sent = Instant::now();
    socket.send(question)?;
    let length = socket.recv(&mut answer)?;
    // Answers to a grant have records; a denial has none.
    let denied = length < 8 || answer[6..8] == [0, 0];
    Ok(Asked { sent, answered: Instant::now(), denied })
}
