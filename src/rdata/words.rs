//! Words that stand for numbers inside rdata text. Printing always gives the number.

/// Words and the numbers they stand for; found in any case.
pub(super) type Words = &'static [(&'static str, u16)];

/// No words.
pub(super) const NONE: Words = &[];

pub(super) fn find(words: Words, text: &[u8]) -> Option<u16> {
    let found = words.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(text));
    found.map(|&(_, number)| number)
}

/// Signing algorithms (IANA "DNS Security Algorithm Numbers").
pub(super) const ALGORITHMS: Words = &[
    ("ECDSAP256SHA256", 13),
    ("DELETE", 0),
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("ECC", 4),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("NSEC3DSA", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("NSEC3RSASHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECCGOST", 12),
    ("ECDSA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ECDSA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("SM2SM3", 17),
    ("ECC-GOST12", 23),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// Digests of DS (IANA "Digest Algorithms").
pub(super) const DIGESTS: Words = &[
    ("SHA-256", 2),
    ("SHA256", 2),
    ("SHA-1", 1),
    ("SHA1", 1),
    ("GOST", 3),
    ("SHA-384", 4),
    ("SHA384", 4),
];

/// Certificate types (RFC 4398 §2.1).
pub(super) const CERTIFICATES: Words = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// Flags of KEY (RFC 2535 §7.1).
pub(super) const KEY_FLAGS: Words = &[
    ("NOCONF", 0x4000),
    ("NOAUTH", 0x8000),
    ("NOKEY", 0xC000),
    ("FLAG2", 0x2000),
    ("EXTEND", 0x1000),
    ("FLAG4", 0x0800),
    ("FLAG5", 0x0400),
    ("USER", 0x0000),
    ("ZONE", 0x0100),
    ("HOST", 0x0200),
    ("NTYP3", 0x0300),
    ("FLAG8", 0x0080),
    ("FLAG9", 0x0040),
    ("FLAG10", 0x0020),
    ("FLAG11", 0x0010),
    ("SIG0", 0),
    ("SIG1", 1),
    ("SIG2", 2),
    ("SIG3", 3),
    ("SIG4", 4),
    ("SIG5", 5),
    ("SIG6", 6),
    ("SIG7", 7),
    ("SIG8", 8),
    ("SIG9", 9),
    ("SIG10", 10),
    ("SIG11", 11),
    ("SIG12", 12),
    ("SIG13", 13),
    ("SIG14", 14),
    ("SIG15", 15),
];

/// Protocols of KEY (RFC 2535 §7.1).
pub(super) const KEY_PROTOCOLS: Words =
    &[("NONE", 0), ("TLS", 1), ("EMAIL", 2), ("DNSSEC", 3), ("IPSEC", 4), ("ALL", 255)];

/// Schemes of DSYNC (RFC 9859 §2.1).
pub(super) const SCHEMES: Words = &[("NOTIFY", 1)];

/// IP protocols that have ports or were ever seen in WKS.
pub(super) const PROTOCOLS: Words = &[
    ("TCP", 6),
    ("ICMP", 1),
    ("IGMP", 2),
    ("EGP", 8),
    ("UDP", 17),
    ("RDP", 27),
    ("DCCP", 33),
    ("SCTP", 132),
];

/// Services by port, those that WKS records were written for (RFC 1010) and their common spellings.
pub(super) const SERVICES: Words = &[
    ("ECHO", 7),
    ("DISCARD", 9),
    ("SYSTAT", 11),
    ("DAYTIME", 13),
    ("NETSTAT", 15),
    ("QOTD", 17),
    ("CHARGEN", 19),
    ("FTP-DATA", 20),
    ("FTP", 21),
    ("SSH", 22),
    ("TELNET", 23),
    ("SMTP", 25),
    ("TIME", 37),
    ("NAMESERVER", 42),
    ("NICNAME", 43),
    ("WHOIS", 43),
    ("TACACS", 49),
    ("DOMAIN", 53),
    ("BOOTPS", 67),
    ("BOOTPC", 68),
    ("TFTP", 69),
    ("GOPHER", 70),
    ("FINGER", 79),
    ("HTTP", 80),
    ("KERBEROS", 88),
    ("POP3", 110),
    ("SUNRPC", 111),
    ("AUTH", 113),
    ("NNTP", 119),
    ("NTP", 123),
    ("IMAP2", 143),
    ("IMAP", 143),
    ("SNMP", 161),
    ("BGP", 179),
    ("IRC", 194),
    ("LDAP", 389),
    ("HTTPS", 443),
    ("SYSLOG", 514),
    ("IMAPS", 993),
    ("POP3S", 995),
];
