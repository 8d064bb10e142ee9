//! TSIG (RFC 8945): no key is known here, so every signature is answered as one by an unknown key, unsigned.

use crate::base::limits::NAME_MAX;
use crate::base::name;
use crate::base::rtype;

/// Octets of the record's data without algorithm, MAC and other data: time, fudge, three lengths and codes, id.
const FIXED: usize = 16;
/// Octets of time signed and fudge.
const TIMES: usize = 8;
/// Place of the number of records in the additional section in a message.
const ARCOUNT: usize = 10;
const TC: u8 = 0x02;
/// The error "key not recognized" (RFC 8945 §3).
const BADKEY: u16 = 17;

/// Where the TSIG of a query stands in its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tsig {
    owner: usize,
    data: usize,
    algorithm_len: usize,
}

impl Tsig {
    /// Takes note of a record whose owner and data begin at these places; `None`: it is malformed.
    pub fn read(packet: &[u8], owner: usize, data: usize, len: usize) -> Option<Tsig> {
        let rdata = packet.get(data..data + len)?;
        //= RFC 8945 §4.2: the algorithm is not compressed
        let algorithm_len = name::len_at(rdata, 0).ok()?;
        let rest = &rdata[algorithm_len..];
        let mac_len = length(rest, TIMES)?;
        let other_len = length(rest, TIMES + 2 + mac_len + 4)?;
        let whole = rest.len() == FIXED + mac_len + other_len;
        whole.then_some(Tsig { owner, data, algorithm_len })
    }

    /// Puts the record that names the error behind the `len` octets of an answer in `out`, and counts it. Returns the
    /// new length. If there is no room, TC is set and nothing else changes.
    //= RFC 8945 §5.2.1: an unknown key is answered with the error BADKEY
    //= RFC 8945 §5.3.2: an error about the key is not signed
    #[cold]
    pub fn answer(&self, packet: &[u8], out: &mut [u8], len: usize) -> usize {
        let mut record = [0; 2 * NAME_MAX + 10 + FIXED];
        let record = self.record(packet, &mut record);
        let Some(place) = out.get_mut(len..len + record.len()) else {
            out[2] |= TC;
            return len;
        };
        place.copy_from_slice(record);
        let count = u16::from_be_bytes([out[ARCOUNT], out[ARCOUNT + 1]]) + 1;
        out[ARCOUNT..ARCOUNT + 2].copy_from_slice(&count.to_be_bytes());
        len + record.len()
    }

    fn record<'o>(&self, packet: &[u8], out: &'o mut [u8]) -> &'o [u8] {
        let mut at = written_out(packet, self.owner, out);
        let mut put = |octets: &[u8]| {
            out[at..at + octets.len()].copy_from_slice(octets);
            at += octets.len();
        };
        put(&rtype::TSIG.to_be_bytes());
        put(&rtype::CLASS_ANY.to_be_bytes());
        put(&[0; 4]);
        put(&((self.algorithm_len + FIXED) as u16).to_be_bytes());
        // Algorithm, time and fudge as they came: there is nothing that a clock of ours would vouch for.
        put(&packet[self.data..self.data + self.algorithm_len + TIMES]);
        put(&[0; 2]);
        put(&packet[..2]);
        put(&BADKEY.to_be_bytes());
        put(&[0; 2]);
        &out[..at]
    }
}

/// The 16-bit length at a place.
fn length(octets: &[u8], at: usize) -> Option<usize> {
    let &[high, low] = octets.get(at..at + 2)? else { return None };
    Some(usize::from(u16::from_be_bytes([high, low])))
}

/// Copies the name at `at` in a message, which was found to be one, without its pointers. Returns its length.
fn written_out(packet: &[u8], mut at: usize, out: &mut [u8]) -> usize {
    let mut len = 0;
    loop {
        let octet = usize::from(packet[at]);
        if octet >= 0xC0 {
            at = (octet & 0x3F) << 8 | usize::from(packet[at + 1]);
            continue;
        }
        out[len..=len + octet].copy_from_slice(&packet[at..=at + octet]);
        len += 1 + octet;
        at += 1 + octet;
        if octet == 0 {
            return len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message that is a header, the owner, and behind ten octets of head the data.
    fn message(owner: &[u8], data: &[u8]) -> (Vec<u8>, usize, usize) {
        let head = [owner, &[0; 10]].concat();
        let packet = [&[0x13, 0x37, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &head, data].concat();
        (packet, 12, 12 + head.len())
    }

    /// Algorithm `a`, a MAC and other data of this many octets.
    fn data(mac: u8, other: u8) -> Vec<u8> {
        let mut data = b"\x01a\0abcdef\x01\x2c\0".to_vec();
        data.push(mac);
        data.extend(vec![b'm'; mac.into()]);
        data.extend(b"\x13\x37\0\0\0");
        data.push(other);
        data.extend(vec![b'o'; other.into()]);
        data
    }

    #[test]
    fn data_end_where_their_lengths_say() {
        for whole in [data(0, 0), data(32, 6), data(1, 255)] {
            let (packet, owner, at) = message(b"\x01k\0", &whole);
            assert!(Tsig::read(&packet, owner, at, whole.len()).is_some());
            assert_eq!(Tsig::read(&packet, owner, at, whole.len() + 1), None);
            for len in 0..whole.len() {
                assert_eq!(Tsig::read(&packet, owner, at, len), None, "{len}");
            }
            let longer = [&whole[..], &[0]].concat();
            let (packet, owner, at) = message(b"\x01k\0", &longer);
            assert_eq!(Tsig::read(&packet, owner, at, longer.len()), None);
        }
        // A pointer for an algorithm.
        let (packet, owner, at) =
            message(b"\x01k\0", b"\xc0\x0c123456\x01\x2c\0\0\x13\x37\0\0\0\0");
        assert_eq!(Tsig::read(&packet, owner, at, packet.len() - at), None);
    }

    #[test]
    fn the_error_takes_the_room_there_is() {
        let name = [&[63; 64][..], &[63; 64], &[63; 64], &[61; 62], &[0]].concat();
        let sent = [&name[..], &data(32, 0)[3..]].concat();
        let (packet, owner, at) = message(&name, &sent);
        let tsig = Tsig::read(&packet, owner, at, sent.len()).expect("well formed");
        let needed = 12 + 2 * name.len() + 10 + FIXED;
        for (room, fits) in [(512, false), (needed - 1, false), (needed, true), (1232, true)] {
            let mut out = vec![0; room];
            let len = tsig.answer(&packet, &mut out, 12);
            assert_eq!((len == needed, out[2] & TC == 0), (fits, fits), "{room}");
            assert_eq!(out[11], u8::from(fits), "{room}");
        }
    }
}
