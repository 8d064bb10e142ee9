//! How fast zone files are read: a million records, parsed, checked and built, on one core.
//!
//! `cargo bench --bench zonefile [records]` prints records per second, the best of five runs.

use std::fmt::Write;
use std::time::{Duration, Instant};

use bailiwick::base::hash::HashKey;
use bailiwick::base::name::Name;
use bailiwick::zonefile::finding::Source;
use bailiwick::zonefile::{NoIncludes, build, read};

fn main() {
    // Cargo itself passes `--bench`.
    let records = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1_000_000);
    let apex = Name::from_text("example.com").expect("a name");
    let key = HashKey::new(*b"0123456789abcdef");
    for (what, text) in [("mixed", mixed(records)), ("hosts", hosts(records))] {
        let source = Source { path: what.to_owned(), text: text.into_bytes().into() };
        let mut best = [Duration::MAX; 2];
        let mut count = 0;
        for _ in 0..5 {
            let start = Instant::now();
            let parsed = read(&apex, source.clone(), &mut NoIncludes, &key);
            best[0] = best[0].min(start.elapsed());
            assert!(!parsed.has_errors(), "{:?}", parsed.findings.first());
            count = parsed.records.len();
            let start = Instant::now();
            let zone = build::build(&apex, &parsed, &key).expect("a zone without errors");
            best[1] = best[1].min(start.elapsed());
            drop(zone);
        }
        let octets = source.text.len() as f64;
        for (step, time) in [("read and check", best[0]), ("build", best[1])] {
            let secs = time.as_secs_f64();
            println!(
                "{what}: {step} {count} records in {secs:.3} s: {:.2} M records/s, {:.0} MB/s",
                count as f64 / secs / 1e6,
                octets / secs / 1e6
            );
        }
    }
}

fn head() -> String {
    "$TTL 3600\n\
     @ IN SOA ns1 hostmaster 1 7200 3600 1209600 300\n\
     @ IN NS ns1\n\
     ns1 IN A 192.0.2.1\n"
        .to_owned()
}

/// Many types, owners written or inherited, quotes, parentheses, comments.
fn mixed(records: usize) -> String {
    let mut text = head();
    let mut made = 3;
    let mut i = 0;
    while made < records {
        let (a, b, c) = (i >> 16 & 255, i >> 8 & 255, i & 255);
        made += 8;
        writeln!(
            text,
            "host{i}\t3600\tIN\tA\t10.{a}.{b}.{c}\n\
             \t\tIN\tAAAA\t2001:db8::{:x}:{:x}\n\
             host{i}\tIN\tMX\t10 host{i}\n\
             \tTXT\t\"v=spf1 ip4:10.{a}.{b}.{c} -all\" ; a comment\n\
             alias{i} CNAME host{i}\n\
             _sip._tcp.host{i} 300 SRV 10 60 5060 host{i}.example.com.\n\
             service{i}.example.com. IN ( HTTPS 1 . alpn=\"h2,h3\"\n\
             \tipv4hint=10.{a}.{b}.{c} )\n\
             host{i} CAA 0 issue \"ca.example.net\"",
            i >> 16,
            i & 0xFFFF,
        )
        .expect("writing to a String cannot fail");
        i += 1;
    }
    text
}

/// One address for each of many names, as zones of access providers have them.
fn hosts(records: usize) -> String {
    let mut text = head();
    for i in 3..records {
        let (a, b, c) = (i >> 16 & 255, i >> 8 & 255, i & 255);
        writeln!(text, "dyn-{a}-{b}-{c}.pool{} A 10.{a}.{b}.{c}", i % 100)
            .expect("writing to a String cannot fail");
    }
    text
}
