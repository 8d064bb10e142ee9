//! The repository's own zones and config, asked with real `dig` and `kdig`.

use crate::support::server::{Server, World, repository};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// A copy of the sample world that listens on free ports of both families.
fn sample() -> Server {
    let world = World::new();
    copy(&repository().join("zones"), &world.path("zones"));
    let config = std::fs::read_to_string(repository().join("config.toml")).expect("a config");
    world.file("config.toml", &config.replace("127.0.0.1:8053", "127.0.0.1:0"));
    let listen = ["--listen", "127.0.0.1:0", "--listen", "[::1]:0"];
    world.try_start(&listen).unwrap_or_else(|said| panic!("{said}"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}

/// What a tool prints for a question, at every address and over both transports.
fn everywhere(server: &Server, arguments: &[&str], check: impl Fn(&str, &str)) {
    let udp = server.udp.iter().map(|address| (*address, "+notcp"));
    let tcp = server.tcp.iter().map(|address| (*address, "+tcp"));
    for (address, transport) in udp.chain(tcp) {
        for tool in ["dig", "kdig"] {
            let said = ask(tool, address, transport, arguments);
            check(&said, &format!("{tool} {transport} @{address} {arguments:?}"));
        }
    }
}

fn ask(tool: &str, address: SocketAddr, transport: &str, arguments: &[&str]) -> String {
    let (host, port) = (format!("@{}", address.ip()), address.port().to_string());
    let mut command = Command::new(tool);
    command.args([&host, "-p", &port, transport, "+timeout=5", "+edns"]).args(arguments);
    let output = command.output().unwrap_or_else(|error| panic!("{tool} is needed: {error}"));
    assert!(output.status.success(), "{tool} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).to_string()
}

/// The records a tool printed, white space evened out.
fn records(said: &str) -> Vec<String> {
    let lines = said.lines().filter(|line| !line.starts_with(';') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn status(said: &str, rcode: &str) -> bool {
    said.contains(&format!("status: {rcode}"))
}

fn authoritative(said: &str) -> bool {
    // dig writes `;; flags: qr aa rd;`, kdig `;; Flags: qr aa rd;`
    let line = said.lines().find(|line| line.to_lowercase().starts_with(";; flags:"));
    line.is_some_and(|line| line.split(';').any(|part| part.contains(" aa")))
}

#[test]
#[ignore = "needs dig and kdig; tests/run installs them"]
fn the_contract_of_the_sample_world() {
    let server = sample();
    everywhere(&server, &["app.example.com", "A"], |said, what| {
        let got = records(said);
        assert_eq!(got.len(), 2, "{what}:\n{said}");
        assert!(
            got[0].starts_with("app.example.com. ")
                && got[0].ends_with(" IN CNAME proxy-fallback.saasprovider.com."),
            "{what}:\n{said}"
        );
        assert!(got[1].ends_with(" IN A 203.0.113.10"), "{what}:\n{said}");
        assert!(status(said, "NOERROR") && authoritative(said), "{what}:\n{said}");
    });
    let denied = |name: &str, qtype: &str| {
        let text =
            format!("1014 CNAME cross-user banned: {name} -> proxy-fallback.saasprovider.com");
        everywhere(&server, &[name, qtype], |said, what| {
            assert!(status(said, "REFUSED") && records(said).is_empty(), "{what}:\n{said}");
            assert!(!authoritative(said), "{what}:\n{said}");
            assert!(said.contains("15 (Blocked)") && said.contains(&text), "{what}:\n{said}");
        });
    };
    denied("custom.myclientsite.com", "A");
    denied("custom.myclientsite.com", "CNAME");
    denied("custom.myclientsite.com", "ANY");
    denied("myclientsite.com", "A");
    denied("rogue.example.com", "AAAA");
    everywhere(&server, &["example.com", "A"], |said, what| {
        let got = records(said);
        assert_eq!(got.len(), 1, "{what}:\n{said}");
        assert!(
            got[0].starts_with("example.com. ") && got[0].ends_with(" IN A 192.0.2.10"),
            "{what}:\n{said}"
        );
        assert!(status(said, "NOERROR") && authoritative(said), "{what}:\n{said}");
    });
    everywhere(&server, &["loop1.example.com", "A"], |said, what| {
        assert!(status(said, "SERVFAIL") && said.contains("EDE: 0"), "{what}:\n{said}");
        assert!(said.contains("loop1.example.com"), "{what}:\n{said}");
    });
}

#[test]
#[ignore = "needs dig and kdig; tests/run installs them"]
fn the_rest_of_the_sample_world() {
    let server = sample();
    let answers = |arguments: &[&str], wanted: &[&str]| {
        everywhere(&server, arguments, |said, what| {
            let mut got: Vec<String> = records(said)
                .iter()
                .map(|line| {
                    let words: Vec<&str> = line.split(' ').collect();
                    [&words[..1], &words[3..]].concat().join(" ")
                })
                .collect();
            let mut wanted = wanted.to_vec();
            got.sort();
            wanted.sort_unstable();
            assert!(status(said, "NOERROR"), "{what}:\n{said}");
            assert_eq!(got, wanted, "{what}:\n{said}");
        });
    };
    answers(&["www.example.com", "A"], &["www.example.com. A 192.0.2.10"]);
    answers(&["www.example.com", "AAAA"], &["www.example.com. AAAA 2001:db8::10"]);
    answers(&["example.com", "AAAA"], &["example.com. AAAA 2001:db8::10"]);
    answers(&["example.net", "A"], &["example.net. A 192.0.2.10"]);
    let blog = ["blog.example.com. CNAME www.example.net.", "www.example.net. A 192.0.2.20"];
    answers(&["blog.example.com", "A"], &blog);
    answers(&["any.wild.example.com", "A"], &["any.wild.example.com. A 192.0.2.77"]);
    let saas = ["proxy-fallback.saasprovider.com. AAAA 2001:db8:53::10"];
    answers(&["proxy-fallback.saasprovider.com", "AAAA"], &saas);
    let mut chain: Vec<String> = (2..12)
        .map(|hop| format!("hop{hop}.example.com. CNAME hop{}.example.com.", hop + 1))
        .collect();
    chain.push("hop12.example.com. A 192.0.2.12".to_string());
    let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
    answers(&["hop2.example.com", "A"], &chain);
    everywhere(&server, &["hop1.example.com", "A"], |said, what| {
        assert!(status(said, "SERVFAIL") && records(said).is_empty(), "{what}:\n{said}");
    });
    everywhere(&server, &["nothing.example.com", "A"], |said, what| {
        assert!(status(said, "NXDOMAIN") && records(said).len() == 1, "{what}:\n{said}");
    });
    everywhere(&server, &["www.elsewhere.test", "A"], |said, what| {
        assert!(status(said, "REFUSED") && said.contains("EDE: 20"), "{what}:\n{said}");
    });
}

#[test]
#[ignore = "needs dig and kdig; tests/run installs them"]
fn old_and_odd_clients_are_served() {
    let server = sample();
    for arguments in [
        &["+noedns", "www.example.com", "A"][..],
        &["+bufsize=512", "www.example.com", "A"],
        &["+cookie", "www.example.com", "A"],
        &["+nsid", "www.example.com", "A"],
        &["+dnssec", "www.example.com", "A"],
        &["+norecurse", "WwW.eXample.COM", "A"],
    ] {
        everywhere(&server, arguments, |said, what| {
            let got = records(said);
            assert!(got.len() == 1 && got[0].ends_with(" IN A 192.0.2.10"), "{what}:\n{said}");
            assert!(!said.to_lowercase().contains("malformed"), "{what}:\n{said}");
        });
    }
}
