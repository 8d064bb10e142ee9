//! A resolver that knows an address for every name: what the aliases of a set lead to.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use crate::load::{Generator, Pace, Questions};
use crate::sets::Load;
use crate::steps::Subject;

/// Seconds that its answers live: longer than any run.
const TTL: u32 = 86_400;
/// Questions a second while nothing is cached yet.
const RATE: f64 = 5_000.0;

/// Answers on this port until the program ends.
pub fn start(port: u16) -> io::Result<()> {
    let socket = UdpSocket::bind(("127.0.0.1", port))?;
    std::thread::Builder::new().name("resolver".into()).spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((len, from)) = socket.recv_from(&mut packet) {
            if let Some(answer) = answer(&packet[..len]) {
                // Who does not hear it asks again.
                let _ = socket.send_to(&answer, from);
            }
        }
    })?;
    Ok(())
}

/// The question as it came, and one address.
fn answer(packet: &[u8]) -> Option<Vec<u8>> {
    let name = packet.get(12..)?.iter().position(|octet| *octet == 0)?;
    let mut answer = packet.get(..12 + name + 5)?.to_vec();
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    answer.extend([0xC0, 0x0C, 0, 1, 0, 1]);
    answer.extend(TTL.to_be_bytes());
    answer.extend([0, 4, 10, 1, 2, 3]);
    Some(answer)
}

/// Asks for every alias twice, so that all are cached.
pub fn fill(subject: &Subject) -> io::Result<()> {
    let Some(plan) = &subject.plan else { return Ok(()) };
    let questions = Questions::new(plan.set, Load::Alias, plan.set.aliases(), 0);
    let length = Duration::from_secs_f64(2.0 * plan.set.aliases() as f64 / RATE);
    let shown = Generator::new(subject.address, &questions)?.run(Pace::Rate(RATE), length, || {});
    eprintln!("{:<16} {} aliases filled, lost {}", subject.name, shown.answered, shown.lost);
    Ok(())
}
