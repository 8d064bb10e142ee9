//! The one table of rdata fields: for each RR type its parts in the order of text and wire.
//!
//! Reading, writing, checking, canonical form and name positions are all walks over these parts. A
//! type that is not here is known by number only: its data is opaque (RFC 3597).

use super::words::{self, NONE, Words};
use crate::base::rtype::{self, RType};

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
    /// Base64 up to the end, that must be missing if the flags at the start say that there is no
    /// key.
    KeyMaybe,
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

/// Parts of a type's data; `None`: known by number only.
#[inline]
pub(super) fn parts(rtype: RType) -> Option<&'static [Part]> {
    /// Digests of DS: 20 octets of SHA-1, 32 of SHA-256, GOST (both) and SM3, 48 of SHA-384.
    const DS: &[(u8, usize)] = &[(1, 20), (2, 32), (3, 32), (4, 48), (5, 32), (6, 32)];
    Some(match rtype {
        1 => &[("address", Ipv4)],
        2 => &[("nameserver", Name(Classic))],
        5 => &[("target", Name(Classic))],
        3 | 4 | 7..=9 | 12 => &[("name", Name(Classic))],
        6 => &[
            ("primary nameserver", Name(Classic)),
            ("mailbox", Name(Classic)),
            ("serial", U32),
            ("refresh", Period),
            ("retry", Period),
            ("expire", Period),
            ("minimum", Period),
        ],
        10 => &[("data", Opaque)],
        11 => &[("address", Ipv4), ("protocol", U8(words::PROTOCOLS)), ("service", Ports)],
        13 => &[("CPU", Text), ("operating system", Text)],
        14 => &[("mailbox", Name(Classic)), ("error mailbox", Name(Classic))],
        15 => &[("preference", U16(NONE)), ("mail server", Name(Classic))],
        16 | 56 | 99 | 258 | 261..=263 => &[("text", Texts)],
        17 => &[("mailbox", Name(Folded)), ("text name", Name(Folded))],
        18 => &[("subtype", U16(NONE)), ("host", Name(Folded))],
        19 => &[("PSDN address", Digits)],
        20 => &[("ISDN address", Text), ("subaddress", TextMaybe)],
        21 => &[("preference", U16(NONE)), ("host", Name(Folded))],
        22 => &[("address", Nsap)],
        23 => &[("name", Name(Plain))],
        24 | 46 => &[
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
        25 => &[
            ("flags", Flags(words::KEY_FLAGS)),
            ("protocol", U8(words::KEY_PROTOCOLS)),
            ("algorithm", U8(words::ALGORITHMS)),
            ("public key", KeyMaybe),
        ],
        26 => &[
            ("preference", U16(NONE)),
            ("RFC 822 domain", Name(Folded)),
            ("X.400 domain", Name(Folded)),
        ],
        27 => &[("longitude", Text), ("latitude", Text), ("altitude", Text)],
        28 => &[("address", Ipv6)],
        29 => &[("location", Location)],
        30 => &[("next name", Name(Folded)), ("types", OldBitmap)],
        31 | 32 => &[("data", Hex(1))],
        33 => &[
            ("priority", U16(NONE)),
            ("weight", U16(NONE)),
            ("port", U16(NONE)),
            ("target", Name(Folded)),
        ],
        34 => &[("address", Atma)],
        35 => &[
            ("order", U16(NONE)),
            ("preference", U16(NONE)),
            ("flags", Text),
            ("services", Text),
            ("regular expression", Text),
            ("replacement", Name(Folded)),
        ],
        36 => &[("preference", U16(NONE)), ("exchanger", Name(Folded))],
        37 => &[
            ("certificate type", U16(words::CERTIFICATES)),
            ("key tag", U16(NONE)),
            ("algorithm", U8(words::ALGORITHMS)),
            ("certificate", Base64(1)),
        ],
        38 => &[("prefix", A6)],
        39 => &[("target", Name(Folded))],
        40 => &[
            ("meaning", U8(NONE)),
            ("coding", U8(NONE)),
            ("subcoding", U8(NONE)),
            ("data", Base64(0)),
        ],
        42 => &[("prefixes", Prefixes)],
        43 | 59 | 32768 | 32769 => &[
            ("key tag", U16(NONE)),
            ("algorithm", U8(words::ALGORITHMS)),
            ("digest type", U8(words::DIGESTS)),
            ("digest", Digest(3, DS)),
        ],
        44 => &[
            ("algorithm", U8(NONE)),
            ("fingerprint type", U8(NONE)),
            ("fingerprint", Digest(1, &[(1, 20), (2, 32)])),
        ],
        45 => &[
            ("precedence", U8(NONE)),
            ("gateway type", U8(NONE)),
            ("algorithm", U8(NONE)),
            ("gateway", Gateway(1, 0xFF)),
            ("public key", Base64(0)),
        ],
        47 => &[("next name", Name(Plain)), ("types", Bitmap(1))],
        48 | 57 | 60 => &[
            ("flags", U16(NONE)),
            ("protocol", U8(NONE)),
            ("algorithm", U8(words::ALGORITHMS)),
            ("public key", Base64(1)),
        ],
        49 | 61 | 67 | 68 => &[("data", Base64(1))],
        50 => &[
            ("hash algorithm", U8(NONE)),
            ("flags", U8(NONE)),
            ("iterations", U16(NONE)),
            ("salt", Salt),
            ("next hash", Hash),
            ("types", Bitmap(0)),
        ],
        51 => &[
            ("hash algorithm", U8(NONE)),
            ("flags", U8(NONE)),
            ("iterations", U16(NONE)),
            ("salt", Salt),
        ],
        52 | 53 => &[
            ("certificate usage", U8(NONE)),
            ("selector", U8(NONE)),
            ("matching type", U8(NONE)),
            ("certificate data", Hex(1)),
        ],
        55 => &[("host identity", HostIdentity), ("rendezvous server", Names(Plain))],
        58 => &[("previous name", Name(Plain)), ("next name", Name(Plain))],
        62 => &[("serial", U32), ("flags", U16(NONE)), ("types", Bitmap(0))],
        63 => &[
            ("serial", U32),
            ("scheme", U8(NONE)),
            ("hash algorithm", U8(NONE)),
            ("digest", Digest(5, &[(1, 48), (2, 64)])),
        ],
        64 | 65 => &[("priority", U16(NONE)), ("target", Name(Plain)), ("parameters", Params)],
        66 => &[
            ("type", Type),
            ("scheme", U8(words::SCHEMES)),
            ("port", U16(NONE)),
            ("target", Name(Plain)),
        ],
        104 | 106 => &[("preference", U16(NONE)), ("locator", Groups)],
        105 => &[("preference", U16(NONE)), ("locator", Ipv4)],
        107 => &[("preference", U16(NONE)), ("name", Name(Plain))],
        108 => &[("address", Eui(6))],
        109 => &[("address", Eui(8))],
        256 => &[("priority", U16(NONE)), ("weight", U16(NONE)), ("target", Rest(1))],
        257 => &[("flags", U8(NONE)), ("tag", Tag), ("value", Rest(0))],
        259 => &[
            ("enterprise", U32),
            ("type", U32),
            ("location", U8(NONE)),
            ("media type", Text),
            ("data", Base64Maybe),
        ],
        260 => &[("precedence", U8(NONE)), ("relay type", RelayType), ("relay", Gateway(1, 0x7F))],
        264 => &[("node number", U64)],
        rtype::ALIAS => &[("target", Name(Plain))],
        _ => return None,
    })
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
            Base64(_) | KeyMaybe => "base64",
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
