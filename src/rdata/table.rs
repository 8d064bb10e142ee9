//! The one table of rdata fields: for each RR type its parts in the order of text and wire.
//!
//! Reading, writing, checking, canonical form and name positions are all walks over these parts. A
//! type that is not here is known by number only: its data is opaque (RFC 3597).

use super::types;
use super::words::{self, NONE, Words};
use crate::base::rtype::RType;

/// One part of a type's data: what the RFC calls it, and how it is written.
pub(super) type Part = (&'static str, Field);

/// How one part of rdata is written in text and on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    /// A number of one octet, or one of the words.
    U8(Words),
    /// A number of two octets, or one of the words.
    U16(Words),
    U32,
    U64,
    /// Two octets of flags: a number, or words joined by `|`.
    Flags(Words),
    /// Four octets of seconds, with units as in a TTL.
    Period,
    /// Four octets: seconds since 1970, in text also `YYYYMMDDHHmmSS`.
    Time,
    /// An RR type.
    Type,
    Ipv4,
    Ipv6,
    Name(NameKind),
    /// Names up to the end, possibly none.
    Names(NameKind),
    /// One character-string.
    Text,
    /// One character-string or nothing.
    TextMaybe,
    /// One or more character-strings up to the end.
    Texts,
    /// A character-string of at least four digits.
    Digits,
    /// A character-string of ASCII letters and digits.
    Tag,
    /// Text up to the end without a length, at least this many octets; one word.
    Rest(usize),
    /// Octets up to the end in hexadecimal, at least this many.
    Hex(usize),
    /// Octets up to the end in base64, at least this many.
    Base64(usize),
    /// Octets up to the end in base64, or `-` for none.
    Base64Maybe,
    /// Base64 up to the end; missing where the flags at the start say that there is no key.
    KeyByFlags,
    /// Base64 up to the end; may be missing where the octet at this offset, the algorithm, is 0.
    KeyByAlgorithm(usize),
    /// A digest in hexadecimal up to the end; the octet at this offset says which, the list how
    /// long.
    Digest(usize, &'static [(u8, usize)]),
    /// An octet of length and as many octets; one word of hexadecimal, `-` for none.
    Salt,
    /// An octet of length and as many octets; one word of base32hex.
    Hash,
    /// Eight octets as four groups `hhhh:hhhh:hhhh:hhhh`.
    Groups,
    /// This many octets as `hh-hh-…`.
    Eui(usize),
    /// Type bitmap (RFC 4034 §4.1.2) of at least this many types, 0 or 1.
    Bitmap(usize),
    /// Type bitmap of NXT (RFC 2535 §5.2).
    OldBitmap,
    /// Bitmap of ports (RFC 1035 §3.4.2).
    Ports,
    /// `0x` and hexadecimal with dots anywhere, up to the end.
    Nsap,
    /// ATM address with its octet of format.
    Atma,
    /// Prefix length, address suffix and prefix name (RFC 2874).
    A6,
    /// Address prefixes (RFC 3123).
    Prefixes,
    /// The discovery bit and the relay type, two words in one octet.
    RelayType,
    /// What the octet at this offset, under this mask, says: nothing (`.`), an IPv4 or IPv6
    /// address, a name.
    Gateway(usize, u8),
    /// Lengths, algorithm, host identity tag and public key (RFC 8005).
    HostIdentity,
    Location,
    /// SvcParams (RFC 9460).
    Params,
    /// Anything, in text as `\#` only.
    Opaque,
}

/// What may be done to a name inside rdata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NameKind {
    /// Of RFC 1035: may be compressed (RFC 3597 §4), lower-cased in canonical form.
    Classic,
    /// Lower-cased in canonical form (RFC 4034 §6.2, RFC 6840 §5.1), never compressed.
    Folded,
    /// Left as it is.
    Plain,
}

use Field::*;
use NameKind::*;

/// Digests of DS: 20 octets of SHA-1, 32 of SHA-256, GOST (both) and SM3, 48 of SHA-384.
const DS: &[(u8, usize)] = &[(1, 20), (2, 32), (3, 32), (4, 48), (5, 32), (6, 32)];

/// The table: types that share a layout, and the layout.
pub(super) const TABLE: &[(&[&str], &[Part])] = &[
    (&["A"], &[("address", Ipv4)]),
    (&["NS"], &[("nameserver", Name(Classic))]),
    (&["CNAME"], &[("target", Name(Classic))]),
    (&["MD", "MF", "MB", "MG", "MR", "PTR"], &[("name", Name(Classic))]),
    (
        &["SOA"],
        &[
            ("primary nameserver", Name(Classic)),
            ("mailbox", Name(Classic)),
            ("serial", U32),
            ("refresh", Period),
            ("retry", Period),
            ("expire", Period),
            ("minimum", Period),
        ],
    ),
    (&["NULL"], &[("data", Opaque)]),
    (&["WKS"], &[("address", Ipv4), ("protocol", U8(words::PROTOCOLS)), ("service", Ports)]),
    (&["HINFO"], &[("CPU", Text), ("operating system", Text)]),
    (&["MINFO"], &[("mailbox", Name(Classic)), ("error mailbox", Name(Classic))]),
    (&["MX"], &[("preference", U16(NONE)), ("mail server", Name(Classic))]),
    (&["TXT", "NINFO", "SPF", "AVC", "RESINFO", "WALLET", "CLA"], &[("text", Texts)]),
    (&["RP"], &[("mailbox", Name(Folded)), ("text name", Name(Folded))]),
    (&["AFSDB"], &[("subtype", U16(NONE)), ("host", Name(Folded))]),
    (&["X25"], &[("PSDN address", Digits)]),
    (&["ISDN"], &[("ISDN address", Text), ("subaddress", TextMaybe)]),
    (&["RT"], &[("preference", U16(NONE)), ("host", Name(Folded))]),
    (&["NSAP"], &[("address", Nsap)]),
    (&["NSAP-PTR"], &[("name", Name(Plain))]),
    (
        &["SIG", "RRSIG"],
        &[
            ("type covered", Type),
            ("algorithm", U8(words::ALGORITHMS)),
            ("labels", U8(NONE)),
            ("original TTL", Period),
            ("expiration", Time),
            ("inception", Time),
            ("key tag", U16(NONE)),
            ("signer", Name(Folded)),
            ("signature", Base64(1)),
        ],
    ),
    (
        &["KEY"],
        &[
            ("flags", Flags(words::KEY_FLAGS)),
            ("protocol", U8(words::KEY_PROTOCOLS)),
            ("algorithm", U8(words::ALGORITHMS)),
            ("public key", KeyByFlags),
        ],
    ),
    (
        &["PX"],
        &[
            ("preference", U16(NONE)),
            ("RFC 822 domain", Name(Folded)),
            ("X.400 domain", Name(Folded)),
        ],
    ),
    (&["GPOS"], &[("longitude", Text), ("latitude", Text), ("altitude", Text)]),
    (&["AAAA"], &[("address", Ipv6)]),
    (&["LOC"], &[("location", Location)]),
    (&["NXT"], &[("next name", Name(Folded)), ("types", OldBitmap)]),
    (&["EID", "NIMLOC"], &[("data", Hex(1))]),
    (
        &["SRV"],
        &[
            ("priority", U16(NONE)),
            ("weight", U16(NONE)),
            ("port", U16(NONE)),
            ("target", Name(Folded)),
        ],
    ),
    (&["ATMA"], &[("address", Atma)]),
    (
        &["NAPTR"],
        &[
            ("order", U16(NONE)),
            ("preference", U16(NONE)),
            ("flags", Text),
            ("services", Text),
            ("regular expression", Text),
            ("replacement", Name(Folded)),
        ],
    ),
    (&["KX"], &[("preference", U16(NONE)), ("exchanger", Name(Folded))]),
    (
        &["CERT"],
        &[
            ("certificate type", U16(words::CERTIFICATES)),
            ("key tag", U16(NONE)),
            ("algorithm", U8(words::ALGORITHMS)),
            ("certificate", Base64(1)),
        ],
    ),
    (&["A6"], &[("prefix", A6)]),
    (&["DNAME"], &[("target", Name(Folded))]),
    (
        &["SINK"],
        &[
            ("meaning", U8(NONE)),
            ("coding", U8(NONE)),
            ("subcoding", U8(NONE)),
            ("data", Base64(0)),
        ],
    ),
    (&["APL"], &[("prefixes", Prefixes)]),
    (
        &["DS", "CDS", "TA", "DLV"],
        &[
            ("key tag", U16(NONE)),
            ("algorithm", U8(words::ALGORITHMS)),
            ("digest type", U8(words::DIGESTS)),
            ("digest", Digest(3, DS)),
        ],
    ),
    (
        &["SSHFP"],
        &[
            ("algorithm", U8(NONE)),
            ("fingerprint type", U8(NONE)),
            ("fingerprint", Digest(1, &[(1, 20), (2, 32)])),
        ],
    ),
    (
        &["IPSECKEY"],
        &[
            ("precedence", U8(NONE)),
            ("gateway type", U8(NONE)),
            ("algorithm", U8(NONE)),
            ("gateway", Gateway(1, 0xFF)),
            ("public key", KeyByAlgorithm(2)),
        ],
    ),
    (&["NSEC"], &[("next name", Name(Plain)), ("types", Bitmap(1))]),
    (
        &["DNSKEY", "RKEY", "CDNSKEY"],
        &[
            ("flags", U16(NONE)),
            ("protocol", U8(NONE)),
            ("algorithm", U8(words::ALGORITHMS)),
            ("public key", Base64(1)),
        ],
    ),
    (&["DHCID", "OPENPGPKEY", "HHIT", "BRID"], &[("data", Base64(1))]),
    (
        &["NSEC3"],
        &[
            ("hash algorithm", U8(NONE)),
            ("flags", U8(NONE)),
            ("iterations", U16(NONE)),
            ("salt", Salt),
            ("next hash", Hash),
            ("types", Bitmap(0)),
        ],
    ),
    (
        &["NSEC3PARAM"],
        &[
            ("hash algorithm", U8(NONE)),
            ("flags", U8(NONE)),
            ("iterations", U16(NONE)),
            ("salt", Salt),
        ],
    ),
    (
        &["TLSA", "SMIMEA"],
        &[
            ("certificate usage", U8(NONE)),
            ("selector", U8(NONE)),
            ("matching type", U8(NONE)),
            ("certificate data", Hex(1)),
        ],
    ),
    (&["HIP"], &[("host identity", HostIdentity), ("rendezvous server", Names(Plain))]),
    (&["TALINK"], &[("previous name", Name(Plain)), ("next name", Name(Plain))]),
    (&["CSYNC"], &[("serial", U32), ("flags", U16(NONE)), ("types", Bitmap(0))]),
    (
        &["ZONEMD"],
        &[
            ("serial", U32),
            ("scheme", U8(NONE)),
            ("hash algorithm", U8(NONE)),
            ("digest", Digest(5, &[(1, 48), (2, 64)])),
        ],
    ),
    (
        &["SVCB", "HTTPS"],
        &[("priority", U16(NONE)), ("target", Name(Plain)), ("parameters", Params)],
    ),
    (
        &["DSYNC"],
        &[
            ("type", Type),
            ("scheme", U8(words::SCHEMES)),
            ("port", U16(NONE)),
            ("target", Name(Plain)),
        ],
    ),
    (&["NID", "L64"], &[("preference", U16(NONE)), ("locator", Groups)]),
    (&["L32"], &[("preference", U16(NONE)), ("locator", Ipv4)]),
    (&["LP"], &[("preference", U16(NONE)), ("name", Name(Plain))]),
    (&["EUI48"], &[("address", Eui(6))]),
    (&["EUI64"], &[("address", Eui(8))]),
    (&["URI"], &[("priority", U16(NONE)), ("weight", U16(NONE)), ("target", Rest(1))]),
    (&["CAA"], &[("flags", U8(NONE)), ("tag", Tag), ("value", Rest(0))]),
    (
        &["DOA"],
        &[
            ("enterprise", U32),
            ("type", U32),
            ("location", U8(NONE)),
            ("media type", Text),
            ("data", Base64Maybe),
        ],
    ),
    (
        &["AMTRELAY"],
        &[("precedence", U8(NONE)), ("relay type", RelayType), ("relay", Gateway(1, 0x7F))],
    ),
    (&["IPN"], &[("node number", U64)]),
    (&["ALIAS"], &[("target", Name(Plain))]),
];

/// Row of the table by type, for the types that stand close together.
static ROWS: [u8; 320] = rows();
const NO_ROW: u8 = u8::MAX;

const fn rows() -> [u8; 320] {
    let mut rows = [NO_ROW; 320];
    let mut row = 0;
    while row < TABLE.len() {
        let mut i = 0;
        while i < TABLE[row].0.len() {
            let rtype = types::number(TABLE[row].0[i]) as usize;
            if rtype < rows.len() {
                rows[rtype] = row as u8;
            }
            i += 1;
        }
        row += 1;
    }
    rows
}

/// Parts of a type's data; `None`: known by number only.
#[inline]
pub(super) fn parts(rtype: RType) -> Option<&'static [Part]> {
    match ROWS.get(usize::from(rtype)) {
        Some(&NO_ROW) => None,
        Some(&row) => Some(TABLE[usize::from(row)].1),
        None => {
            let name = types::name(rtype)?;
            TABLE.iter().find(|(names, _)| names.contains(&name)).map(|(_, parts)| *parts)
        }
    }
}

impl Field {
    /// Whether names can lie in it.
    pub(super) fn has_name(&self) -> bool {
        matches!(self, Name(_) | Names(_) | Gateway(..) | A6)
    }

    /// What should stand there, for people.
    pub(super) fn wanted(&self) -> &'static str {
        match self {
            U8(_) => "a number from 0 to 255",
            U16(_) => "a number from 0 to 65535",
            U32 => "a number from 0 to 4294967295",
            U64 => "a number from 0 to 18446744073709551615",
            Flags(_) => "a number from 0 to 65535, or words such as `NOAUTH|ZONE`",
            Period => "a number of seconds, or a period such as `1h30m`",
            Time => "a time as YYYYMMDDHHmmSS, or seconds since 1970",
            Type => "an RR type such as `A` or `TYPE65280`",
            Ipv4 => "an IPv4 address such as `192.0.2.1`",
            Ipv6 => "an IPv6 address such as `2001:db8::1`",
            Name(_) | Names(_) => "a domain name",
            Text | TextMaybe | Texts => "a text of at most 255 octets, in quotes if it has spaces",
            Digits => "four or more digits",
            Tag => "a word of letters and digits",
            Rest(_) => "a text in quotes",
            Hex(_) | Digest(..) => "hexadecimal digits, two for each octet",
            Base64(_) | KeyByFlags | KeyByAlgorithm(_) => "base64",
            Base64Maybe => "base64, or `-` for nothing",
            Salt => "hexadecimal digits, or `-` for nothing",
            Hash => "base32hex without padding",
            Groups => "four groups of hexadecimal digits such as `14:4fff:ff20:ee64`",
            Eui(6) => "six octets such as `00-00-5e-00-53-2a`",
            Eui(_) => "eight octets such as `00-00-5e-ef-10-00-00-2a`",
            Bitmap(_) => "RR types such as `A` or `TYPE65280`",
            OldBitmap => "RR types below 128 such as `A`",
            Ports => "ports from 0 to 65535, or services such as `smtp`",
            Nsap => "`0x` and hexadecimal digits, dots between them allowed",
            Atma => "`+` and digits, or hexadecimal digits with dots between them allowed",
            A6 => "a prefix length from 0 to 128, an address suffix, and a prefix name",
            Prefixes => "address prefixes such as `1:192.0.2.0/24` or `!2:2001:db8::/32`",
            RelayType => "the discovery bit (0 or 1) and the relay type (0 to 127)",
            Gateway(..) => {
                "what the type says: 0 `.`, 1 an IPv4 address, 2 an IPv6 address, 3 a name"
            }
            HostIdentity => "an algorithm number, a hexadecimal tag and a base64 key",
            Location => "a place such as `52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m`",
            Params => "parameters such as `alpn=h2,h3 port=443`",
            Opaque => "data as `\\# LENGTH HEX`",
        }
    }
}
