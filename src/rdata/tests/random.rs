//! Random data of every type, made by a walk over the table itself, and octets that are none.

use proptest::prelude::*;

use super::super::table::{Field, TABLE};
use super::*;

/// Numbers drawn from octets that proptest can shrink; zeros once they are used up.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn octet(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(u16::from_be_bytes([self.octet(), self.octet()])) % limit
    }

    fn octets(&mut self, count: usize, out: &mut Vec<u8>) {
        out.extend((0..count).map(|_| self.octet()));
    }

    /// Length and octets.
    fn text(&mut self, least: usize, out: &mut Vec<u8>) {
        let length = least + self.below(12);
        out.push(length as u8);
        self.octets(length, out);
    }

    fn name(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.below(5) {
            self.text(1, out);
        }
        out.push(0);
    }

    fn letters(&mut self, least: usize, letters: &[u8], out: &mut Vec<u8>) {
        let length = least + self.below(8);
        out.extend((0..length).map(|_| letters[self.below(letters.len())]));
    }
}

/// Appends one valid field.
fn push(field: &Field, source: &mut Source, rdata: &mut Vec<u8>) {
    let more = source.below(20);
    match *field {
        Field::U8(_) | Field::RelayType => source.octets(1, rdata),
        Field::U16(_) | Field::Flags(_) | Field::Type => source.octets(2, rdata),
        Field::U32 | Field::Period | Field::Time | Field::Ipv4 => source.octets(4, rdata),
        Field::U64 | Field::Groups => source.octets(8, rdata),
        Field::Ipv6 => source.octets(16, rdata),
        Field::Eui(count) => source.octets(count, rdata),
        Field::Name(_) => source.name(rdata),
        Field::Names(_) => (0..more / 6).for_each(|_| source.name(rdata)),
        Field::Text => source.text(0, rdata),
        Field::Hash => source.text(1, rdata),
        Field::Salt => source.text(0, rdata),
        Field::TextMaybe => (0..more % 2).for_each(|_| source.text(0, rdata)),
        Field::Texts => (0..1 + more / 6).for_each(|_| source.text(0, rdata)),
        Field::Digits | Field::Tag => {
            let at = rdata.len();
            rdata.push(0);
            let letters: &[u8] =
                if matches!(field, Field::Digits) { b"0123456789" } else { b"azAZ09issue" };
            source.letters(4, letters, rdata);
            rdata[at] = (rdata.len() - at - 1) as u8;
        }
        Field::Rest(least) | Field::Hex(least) | Field::Base64(least) => {
            source.octets(least + more, rdata);
        }
        Field::Base64Maybe => source.octets(more, rdata),
        _ => push_shaped(field, more, source, rdata),
    }
}

/// Appends one valid field whose octets hang together.
fn push_shaped(field: &Field, more: usize, source: &mut Source, rdata: &mut Vec<u8>) {
    match *field {
        Field::KeyByFlags if rdata[0] & 0xC0 == 0xC0 => {}
        Field::KeyByFlags | Field::KeyByAlgorithm(_) | Field::Nsap => {
            source.octets(1 + more, rdata)
        }
        Field::Digest(by, lengths) => {
            let wanted = lengths.iter().find(|(kind, _)| *kind == rdata[by]);
            source.octets(wanted.map_or(12 + more, |(_, length)| *length), rdata);
        }
        Field::Bitmap(least) => bitmap(least, source, rdata),
        Field::OldBitmap => {
            let at = rdata.len();
            source.octets(more % 16, rdata);
            if rdata.len() > at {
                rdata[at] &= 0x7F;
                *rdata.last_mut().unwrap() |= 1;
            }
        }
        Field::Ports if more == 0 => {}
        Field::Ports => {
            source.octets(more, rdata);
            rdata.push(1);
        }
        Field::Atma => {
            let format = more as u8 % 2;
            rdata.push(format);
            match format {
                0 => source.octets(1 + more, rdata),
                _ => source.letters(1, b"0123456789", rdata),
            }
        }
        Field::A6 => {
            let prefix = source.below(129) as u8;
            rdata.push(prefix);
            let at = rdata.len();
            source.octets(16 - usize::from(prefix / 8), rdata);
            if prefix < 128 {
                rdata[at] &= 0xFF >> (prefix % 8);
            }
            if prefix > 0 {
                source.name(rdata);
            }
        }
        Field::Prefixes => (0..more / 5).for_each(|_| prefix(source, rdata)),
        Field::Gateway(by, mask) => {
            rdata[by] = rdata[by] & !mask | rdata[by] & 3;
            match rdata[by] & mask {
                0 => {}
                1 => source.octets(4, rdata),
                2 => source.octets(16, rdata),
                _ => source.name(rdata),
            }
        }
        Field::HostIdentity => {
            let (tag, key) = (1 + source.below(20), 1 + source.below(300));
            let [high, low] = (key as u16).to_be_bytes();
            rdata.extend_from_slice(&[tag as u8, source.octet(), high, low]);
            source.octets(tag + key, rdata);
        }
        Field::Location => location(source, rdata),
        Field::Params => params(source, rdata),
        _ => source.octets(more, rdata),
    }
}

fn bitmap(least: usize, source: &mut Source, rdata: &mut Vec<u8>) {
    let mut window = 0;
    for _ in 0..least + source.below(4) {
        window += source.below(60) as u8;
        let length = source.below(32);
        rdata.extend_from_slice(&[window, length as u8 + 1]);
        source.octets(length, rdata);
        rdata.push(source.octet() | 1);
        window += 1;
    }
}

fn prefix(source: &mut Source, rdata: &mut Vec<u8>) {
    let family = 1 + source.below(2);
    let most = if family == 1 { 4 } else { 16 };
    let length = source.below(most + 1);
    let negated = source.octet() & 0x80;
    rdata.extend_from_slice(&[0, family as u8, source.below(most * 8 + 1) as u8]);
    rdata.push(negated | length as u8);
    if length > 0 {
        source.octets(length - 1, rdata);
        rdata.push(source.octet() | 1);
    }
}

fn location(source: &mut Source, rdata: &mut Vec<u8>) {
    rdata.push(0);
    for _ in 0..3 {
        let digit = source.below(10) as u8;
        rdata.push(if digit == 0 { 0 } else { digit << 4 | source.below(10) as u8 });
    }
    for degrees in [90, 180] {
        let most = degrees * 3_600_000;
        let mut wide = Vec::new();
        source.octets(4, &mut wide);
        let value = u32::from_be_bytes(wide.try_into().unwrap()) % (2 * most + 1);
        rdata.extend_from_slice(&((1u32 << 31) - most + value).to_be_bytes());
    }
    source.octets(4, rdata);
}

fn params(source: &mut Source, rdata: &mut Vec<u8>) {
    let mut chosen: Vec<u16> = (1..10).filter(|_| source.octet() & 3 == 0).collect();
    chosen.extend((0..source.below(3)).map(|_| 10 + source.below(65_526) as u16));
    if chosen.contains(&2) {
        chosen.push(1);
    }
    chosen.sort_unstable();
    chosen.dedup();
    let mandatory: Vec<u16> = chosen.iter().copied().filter(|_| source.octet() & 1 == 0).collect();
    if !mandatory.is_empty() {
        chosen.insert(0, 0);
    }
    for key in chosen {
        let mut value = Vec::new();
        let more = source.below(3);
        match key {
            0 => value.extend(mandatory.iter().flat_map(|key| key.to_be_bytes())),
            1 => (0..1 + more).for_each(|_| source.text(1, &mut value)),
            2 | 8 => {}
            3 => source.octets(2, &mut value),
            4 => source.octets(4 * (1 + more), &mut value),
            5 => source.octets(1 + 9 * more, &mut value),
            6 => source.octets(16 * (1 + more), &mut value),
            7 => value.extend_from_slice(b"/\xC3\xBC\"\\ {?dns}"),
            9 => (0..1 + more as u16)
                .for_each(|i| value.extend((i * 1000 + u16::from(source.octet())).to_be_bytes())),
            _ => source.octets(7 * more, &mut value),
        }
        rdata.extend(key.to_be_bytes());
        rdata.extend((value.len() as u16).to_be_bytes());
        rdata.extend(value);
    }
}

/// Every type of the table with its parts.
fn types() -> impl Iterator<Item = (RType, &'static [super::super::table::Part])> {
    TABLE.iter().flat_map(|(names, parts)| {
        names.iter().map(|name| (type_from_text(name.as_bytes()).expect(name), *parts))
    })
}

/// Whatever the octets are: nothing panics, and what passes the check comes back from its text.
fn hold(rtype: RType, rdata: &[u8]) -> bool {
    let valid = check_wire(rtype, rdata).is_ok();
    let shown = text(rtype, rdata);
    let mut canon = Vec::new();
    canonical(rtype, rdata, &mut canon);
    assert_eq!(canon.to_ascii_lowercase(), rdata.to_ascii_lowercase());
    for found in names(rtype, rdata) {
        let name = &rdata[found.at..found.at + found.len];
        assert_eq!(name.last(), Some(&0));
        assert!(!found.compress || found.fold, "what may be compressed is of the oldest types");
    }
    if let Some(target) = target(rtype, rdata) {
        let all: Vec<NameIn> = names(rtype, rdata).collect();
        let first = all.first().map(|found| &rdata[found.at..found.at + found.len]);
        assert_eq!(first, Some(target));
    }
    if valid {
        let kind = type_text(rtype).to_string();
        assert_eq!(wire(&kind, &shown).as_deref(), Ok(rdata), "{kind} {shown}");
    }
    valid
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn valid_data_comes_back(octets in prop::collection::vec(any::<u8>(), 0..700)) {
        for (rtype, parts) in types() {
            let mut source = Source(&octets);
            let mut rdata = Vec::new();
            for (_, field) in parts {
                push(field, &mut source, &mut rdata);
            }
            prop_assert_eq!(check_wire(rtype, &rdata), Ok(()), "{}", type_text(rtype));
            let opaque = matches!(parts, [(_, Field::Opaque)]);
            prop_assert!(opaque || !text(rtype, &rdata).starts_with("\\#"), "{}", type_text(rtype));
            hold(rtype, &rdata);
        }
    }

    #[test]
    fn damaged_data_does_no_harm(
        octets in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        put in any::<u8>(),
        cut in any::<bool>(),
    ) {
        for (rtype, parts) in types() {
            let mut source = Source(&octets);
            let mut rdata = Vec::new();
            for (_, field) in parts {
                push(field, &mut source, &mut rdata);
            }
            if rdata.is_empty() {
                continue;
            }
            let at = at.index(rdata.len());
            if cut {
                rdata.truncate(at);
            } else {
                rdata[at] = put;
            }
            hold(rtype, &rdata);
        }
    }

    #[test]
    fn any_octets_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        for (rtype, _) in types() {
            hold(rtype, &octets);
        }
        for rtype in [0, 41, 54, 255, 65280, 65535] {
            prop_assert!(check_wire(rtype, &octets).is_ok());
            hold(if is_data(rtype) { rtype } else { 65280 }, &octets);
        }
    }

    #[test]
    fn any_text_does_no_harm(
        words in prop::collection::vec(
            prop_oneof![
                Just(r"\#".to_string()),
                "[0-9]{1,5}",
                "[0-9a-f]{2}",
                "[a-z]{1,3}",
                "[0-9.:/!-]{1,9}",
                Just("192.0.2.1".to_string()),
                Just("2001:db8::1".to_string()),
                Just("AQ==".to_string()),
                Just("A".to_string()),
                Just(".".to_string()),
                Just("N".to_string()),
                Just("E".to_string()),
                Just("20250101000000".to_string()),
                Just("port=5".to_string()),
                "(alpn|mandatory|key[0-9]|ipv4hint|ech)=\"?[a-z0-9,.]{0,6}\"?",
                "\\PC{0,6}",
            ],
            0..9,
        ),
    ) {
        let text = words.join(" ");
        for (rtype, _) in types() {
            let kind = type_text(rtype).to_string();
            match wire(&kind, &text) {
                Ok(rdata) => prop_assert!(hold(rtype, &rdata), "{} {}", kind, text),
                Err(error) => {
                    prop_assert!((error.at + error.len) as usize <= text.len() + 1, "{:?}", error);
                }
            }
        }
    }
}
