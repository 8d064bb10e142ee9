//! A frame of a log: `"BWJ"`, flags, length of the header, length of the payload, CRC-32 of all of that, then header
//! (one JSON value) and payload (raw octets).

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

const MAGIC: &[u8; 3] = b"BWJ";
/// Flag: the frame ends its commit.
const END: u8 = 1;
const HEAD: usize = 16;
/// Octets of a header at the most: headers are one JSON value of ours, so a longer one is damage.
const HEADER_MAX: usize = 1 << 24;

/// One frame to be written.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub header: &'a [u8],
    pub payload: &'a [&'a [u8]],
}

/// Where a frame begins in its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At(pub u64);

/// Reads the frame at `at` of `file`, checksum and all.
pub fn read_frame(file: &File, at: At) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, at.0)?;
    let head = Head::parse(&head).ok_or_else(damaged)?;
    let mut header = vec![0; head.header];
    let mut payload = vec![0; head.payload];
    file.read_exact_at(&mut header, at.0 + HEAD as u64)?;
    file.read_exact_at(&mut payload, at.0 + (HEAD + head.header) as u64)?;
    if head.crc != checksum(head.flags, &header, &[&payload]) {
        return Err(damaged());
    }
    Ok((header, payload))
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the frame is damaged")
}

struct Head {
    flags: u8,
    header: usize,
    payload: usize,
    crc: u32,
}

impl Head {
    fn parse(bytes: &[u8; HEAD]) -> Option<Head> {
        let word =
            |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four octets"));
        let head = Head {
            flags: bytes[3],
            header: word(4) as usize,
            payload: word(8) as usize,
            crc: word(12),
        };
        (bytes.starts_with(MAGIC) && head.flags & !END == 0 && head.header <= HEADER_MAX)
            .then_some(head)
    }

    fn frame_len(&self) -> u64 {
        (HEAD + self.header + self.payload) as u64
    }
}

fn checksum(flags: u8, header: &[u8], payload: &[&[u8]]) -> u32 {
    let payload_len: usize = payload.iter().map(|p| p.len()).sum();
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[flags]);
    crc.update(&(header.len() as u32).to_le_bytes());
    crc.update(&(payload_len as u32).to_le_bytes());
    crc.update(header);
    payload.iter().for_each(|p| crc.update(p));
    crc.finalize()
}

/// Writes a frame; gives its length. `ends`: the commit ends with it.
pub fn write_frame(out: &mut impl Write, frame: &Frame<'_>, ends: bool) -> io::Result<u64> {
    let payload: usize = frame.payload.iter().map(|p| p.len()).sum();
    let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "the record is too long");
    let payload_len = u32::try_from(payload).map_err(too_long)?;
    let header_len = u32::try_from(frame.header.len()).map_err(too_long)?;
    let flags = if ends { END } else { 0 };
    out.write_all(MAGIC)?;
    out.write_all(&[flags])?;
    out.write_all(&header_len.to_le_bytes())?;
    out.write_all(&payload_len.to_le_bytes())?;
    out.write_all(&checksum(flags, frame.header, frame.payload).to_le_bytes())?;
    out.write_all(frame.header)?;
    for part in frame.payload {
        out.write_all(part)?;
    }
    Ok((HEAD + frame.header.len() + payload) as u64)
}

/// What reading a whole file came to.
pub struct Scan {
    /// End of the last whole commit.
    pub end: u64,
    /// Octets that were skipped.
    pub damaged: u64,
}

/// Reads all frames. Those of a commit are handed on only when its last one was read: the positions of an unfinished
/// commit are read twice instead of keeping a commit of any size in memory.
pub fn scan(
    file: &File,
    total: u64,
    each: &mut impl FnMut(At, &[u8], &[u8]) -> io::Result<()>,
) -> io::Result<Scan> {
    let mut scan = Scan { end: 0, damaged: 0 };
    let mut open: Vec<At> = Vec::new();
    let mut reader = Reader::new(file)?;
    let mut at = 0;
    let mut bad_from = None;
    while at < total {
        let Some(head) = reader.frame(at, total)? else {
            // Broken here. Either nothing whole follows (a torn tail) or the log is damaged in the middle.
            bad_from.get_or_insert(at);
            open.clear();
            match next_frame(file, at + 1, total)? {
                Some(next) => at = next,
                None => break,
            }
            continue;
        };
        let here = At(at);
        at += head.frame_len();
        if head.flags & END == 0 {
            open.push(here);
            continue;
        }
        for place in open.drain(..) {
            let (header, payload) = read_frame(file, place)?;
            each(place, &header, &payload)?;
        }
        each(here, &reader.header, &reader.payload)?;
        if let Some(from) = bad_from.take() {
            scan.damaged += here.0 - from;
        }
        scan.end = at;
    }
    Ok(scan)
}

/// Reads frames one behind the other without a system call for each.
struct Reader<'a> {
    file: &'a File,
    inner: BufReader<&'a File>,
    at: u64,
    header: Vec<u8>,
    payload: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a File) -> io::Result<Reader<'a>> {
        let mut inner = BufReader::with_capacity(1 << 20, file);
        inner.seek(SeekFrom::Start(0))?;
        Ok(Reader { file, inner, at: 0, header: Vec::new(), payload: Vec::new() })
    }

    /// The frame at `at`, its parts in `self.header` and `self.payload`; `None` if no whole frame is there.
    fn frame(&mut self, at: u64, total: u64) -> io::Result<Option<Head>> {
        if at != self.at {
            self.inner = BufReader::with_capacity(1 << 20, self.file);
            self.inner.seek(SeekFrom::Start(at))?;
            self.at = at;
        }
        let mut head = [0; HEAD];
        if total - at < HEAD as u64 {
            return Ok(None);
        }
        self.inner.read_exact(&mut head)?;
        self.at += HEAD as u64;
        let Some(head) = Head::parse(&head).filter(|h| h.frame_len() <= total - at) else {
            return Ok(None);
        };
        self.header.resize(head.header, 0);
        self.payload.resize(head.payload, 0);
        self.inner.read_exact(&mut self.header)?;
        self.inner.read_exact(&mut self.payload)?;
        self.at = at + head.frame_len();
        let whole = head.crc == checksum(head.flags, &self.header, &[&self.payload]);
        Ok(whole.then_some(head))
    }
}

/// Where the next whole frame begins at or behind `from`.
fn next_frame(file: &File, from: u64, total: u64) -> io::Result<Option<u64>> {
    let mut window = vec![0; 1 << 16];
    let mut at = from;
    while at + HEAD as u64 <= total {
        let want = window.len().min((total - at) as usize);
        file.read_exact_at(&mut window[..want], at)?;
        for i in 0..=want - MAGIC.len() {
            let here = At(at + i as u64);
            if window[i..].starts_with(MAGIC) && read_whole(file, here, total)? {
                return Ok(Some(here.0));
            }
        }
        // Windows overlap by what a magic cut in two needs.
        at += (want - MAGIC.len() + 1) as u64;
    }
    Ok(None)
}

fn read_whole(file: &File, at: At, total: u64) -> io::Result<bool> {
    let mut head = [0; HEAD];
    if total - at.0 < HEAD as u64 {
        return Ok(false);
    }
    file.read_exact_at(&mut head, at.0)?;
    if Head::parse(&head).is_none_or(|h| h.frame_len() > total - at.0) {
        return Ok(false);
    }
    match read_frame(file, at) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => Ok(false),
        Err(e) => Err(e),
    }
}
