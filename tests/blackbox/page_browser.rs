//! The page in a real browser: it shows, its style is taken, nothing of a Host runs, nothing else is loaded.

use crate::page::{address, world};
use crate::support::server::PATIENCE;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs Chromium on a URL; every name leads to the page.
fn chromium(page: std::net::SocketAddr, more: &[&str], url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let rules = format!("--host-resolver-rules=MAP * {page}, EXCLUDE 127.0.0.1");
    let mut child = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--incognito"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--force-dark-mode=false", "--hide-scrollbars"])
        .arg(rules)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(more)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Debian's chromium");
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut out, &mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    let until = Instant::now() + PATIENCE * 6;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("chromium does not end on {url}");
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    reader.join().unwrap()
}

#[test]
#[ignore = "needs chromium"]
fn chromium_shows_the_page() {
    let server = world("").start();
    let page = address(&server);
    let dom = |host: &str| chromium(page, &["--dump-dom"], &format!("http://{host}/"));
    let denied = dom("www.client.test");
    assert!(denied.contains("<title>www.client.test | Error 1014</title>"), "{denied}");
    assert!(denied.contains("<h1>Error 1014: CNAME cross-user banned</h1>"), "{denied}");
    assert!(dom("nobody.test").contains("| Error 1001</title>"));
    assert!(dom("gone.client.test").contains("| Error 1016</title>"));
    // 421 is shown, too.
    assert!(dom("fine.client.test").contains("This name is not blocked"));
    // An international name arrives as its A-label.
    assert!(dom("münchen.client.test").contains("<title>xn--mnchen-3ya.client.test | Error 1014"));
    // What a URL lets through of markup stays text: the browser finds no element in it.
    let hostile = dom("a&lt;img'onerror=alert(1)&gt;.wild.client.test");
    assert!(hostile.contains(".wild.client.test | Error 1014</title>"), "{hostile}");
    assert!(hostile.contains("&amp;lt;img"), "{hostile}");
    assert!(!hostile.contains("<img"), "{hostile}");
}

#[test]
#[ignore = "needs chromium"]
fn chromium_applies_the_style_at_the_width_of_a_phone() {
    let server = world("").start();
    let page = address(&server);
    let folder = tempfile::tempdir().unwrap();
    let shot = |name: &str, size: &str| {
        let file = folder.path().join(name);
        let more = [format!("--screenshot={}", file.display()), format!("--window-size={size}")];
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        chromium(page, &more, "http://www.client.test/");
        std::fs::read(file).unwrap_or_else(|_| panic!("no screenshot {name}"))
    };
    // A PNG has its size at a fixed place. Without its style the page would be another picture: with `main` in the
    // middle of a wide window the left edge is blank, which compresses well; that is for people to see. Here: it is
    // drawn, at both sizes.
    for (name, size, wide) in [("phone.png", "390,844", 390_u32), ("desk.png", "1200,800", 1200)] {
        let png = shot(name, size);
        assert_eq!(png[16..20], wide.to_be_bytes(), "{name}");
        assert!(png.len() > 5_000, "{name} is nearly blank: {} octets", png.len());
    }
}
