//! Clients that exist, with only the base URL changed: the official Python SDK, octoDNS and curl.

use crate::api::API;
use crate::support::http::Client;
use crate::support::server::{Server, World, repository};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What is installed, below target/.
const PACKAGES: [&str; 4] =
    ["cloudflare==5.9.0", "octodns==1.22.0", "octodns-cloudflare==1.2.0", "PyYAML"];

fn server() -> Server {
    let world = World::new();
    world.config("nameservers = [\"ns1.host.test\", \"ns2.host.test\"]\n", API);
    std::fs::create_dir_all(world.path("zones/acme")).unwrap();
    world.start()
}

/// A virtual environment with the clients.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if folder.join("complete").exists() {
            return;
        }
        let run = |command: &mut Command| {
            let output = command.output().expect("python3 is there");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES));
        std::fs::write(folder.join("complete"), "").expect("a mark");
    });
    folder.join("bin")
}

fn with(server: &Server, command: &mut Command) -> Output {
    let client = Client::new(server, None);
    let listed = client.get("/client/v4/accounts").result();
    let accounts = listed.as_array().unwrap();
    let account = accounts.iter().find(|account| account["name"] == "acme").unwrap();
    command
        .env("API", format!("http://{}/client/v4", client.address))
        .env("TOKEN", &client.token)
        .env("ACCOUNT", account["id"].as_str().unwrap())
        .output()
        .expect("the client runs")
}

fn said(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

#[test]
#[ignore = "needs the official Python SDK, which is installed below target/"]
fn the_python_sdk() {
    let server = server();
    let script = repository().join("tests/clients/sdk.py");
    let output =
        with(&server, Command::new(python().join("python")).arg(script).env("ZONE", "sdk.test"));
    assert!(output.status.success(), "{}\n{}", said(&output), server.log());
    assert_eq!(server.query("p.sdk.test", "A").answer.len(), 1);
}

#[test]
#[ignore = "needs octodns and octodns-cloudflare, which are installed below target/"]
fn octodns() {
    let server = server();
    let folder = server.world.path("octodns");
    std::fs::create_dir_all(folder.join("zones")).unwrap();
    let clients = repository().join("tests/clients");
    std::fs::copy(clients.join("octodns.yaml"), folder.join("config.yaml")).unwrap();
    let zone = folder.join("zones/octo.test.yaml");
    std::fs::copy(clients.join("octo.test.yaml"), &zone).unwrap();
    let sync = || {
        let mut command = Command::new(python().join("octodns-sync"));
        command.args(["--config-file", "config.yaml", "--doit", "--force"]).current_dir(&folder);
        let output = with(&server, &mut command);
        assert!(output.status.success(), "{}\n{}", said(&output), server.log());
        said(&output)
    };
    assert!(sync().contains("Creates=17, Updates=0, Deletes=0"));
    let second = sync();
    assert!(second.contains("No changes were planned"), "{second}");
    assert_eq!(server.query("octo.test", "A").answer.len(), 2);
    let text = std::fs::read_to_string(&zone).unwrap();
    let text = text.replace("192.0.2.2]", "192.0.2.22]").replace("target.example", "other.example");
    std::fs::write(&zone, text).unwrap();
    assert!(sync().contains("Creates=0, Updates=2, Deletes=0"));
    assert!(sync().contains("No changes were planned"));
    assert!(server.query("www.octo.test", "CNAME").answer[0].show().contains("other.example."));
}

/// What ACME clients and dynamic DNS scripts do, by hand.
#[test]
#[ignore = "needs curl"]
fn curl_as_scripts_use_it() {
    let server = server();
    let script = repository().join("tests/clients/curl.sh");
    let output = with(&server, Command::new("sh").arg(script));
    assert!(output.status.success(), "{}\n{}", said(&output), server.log());
    assert_eq!(server.query("home.curl.test", "A").answer.len(), 1);
    assert!(server.query("_acme-challenge.curl.test", "TXT").answer.is_empty());
}
