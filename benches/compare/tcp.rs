//! The load over TCP: connections that are kept, each with a few questions under way.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::load::{Questions, Shown};

const CONNECTIONS: usize = 20;
/// Questions under way on one connection: the next one is asked when the last one is answered.
const UNDER_WAY: usize = 1;
const WARM: Duration = Duration::from_millis(250);

/// One connection and what of an answer came so far.
struct Lane {
    stream: TcpStream,
    rest: Vec<u8>,
}

/// Asks for `length`; `mark` is called where the measured window begins and where it ends.
pub fn run(
    server: SocketAddr,
    questions: &Questions,
    length: Duration,
    mut mark: impl FnMut(),
) -> io::Result<Shown> {
    let mut at = 0;
    let mut lanes = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let mut lane = Lane { stream, rest: Vec::new() };
        for _ in 0..UNDER_WAY {
            lane.ask(questions, &mut at, 1)?;
        }
        lanes.push(lane);
    }
    let mut room = vec![0; 1 << 16];
    let began = Instant::now();
    let mut from = None;
    let mut answered = 0u64;
    while began.elapsed() < WARM + length {
        if from.is_none() && began.elapsed() >= WARM {
            from = Some(Instant::now());
            answered = 0;
            mark();
        }
        let mut waiting: Vec<PollFd<'_>> =
            lanes.iter().map(|lane| PollFd::new(lane.stream.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut waiting, PollTimeout::from(100u8))?;
        let ready: Vec<bool> = waiting.iter().map(|fd| fd.any() == Some(true)).collect();
        drop(waiting);
        for (lane, _) in lanes.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            let read = lane.stream.read(&mut room)?;
            if read == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed a connection",
                ));
            }
            lane.rest.extend(&room[..read]);
            let whole = lane.whole();
            answered += whole as u64;
            lane.ask(questions, &mut at, whole)?;
        }
    }
    mark();
    let seconds = from.map_or(0.0, |from| from.elapsed().as_secs_f64());
    Ok(Shown { seconds, answered, ..Shown::default() })
}

impl Lane {
    /// Sends `count` questions with one write.
    fn ask(&mut self, questions: &Questions, at: &mut usize, count: usize) -> io::Result<()> {
        let mut octets = Vec::new();
        for _ in 0..count {
            let question = questions.get(*at % questions.len());
            *at += 1;
            octets.extend((question.len() as u16).to_be_bytes());
            octets.extend(question);
        }
        self.stream.write_all(&octets)
    }

    /// Takes whole answers off what came; how many they are.
    fn whole(&mut self) -> usize {
        let (mut count, mut at) = (0, 0);
        while let Some([high, low]) = self.rest.get(at..at + 2) {
            let next = at + 2 + usize::from(u16::from_be_bytes([*high, *low]));
            if next > self.rest.len() {
                break;
            }
            (count, at) = (count + 1, next);
        }
        self.rest.drain(..at);
        count
    }
}
