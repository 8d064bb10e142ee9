//! Tests that run once more where they may mount what they like and have a network of their own, and nobody sees it.

use std::process::Command;

const ALONE: &str = "BAILIWICK_TEST_ALONE";

/// Runs the test once more with namespaces of its own (`--mount`, `--net`). `true`: this is that run.
pub fn is_alone(test: &str, own: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", own, "--"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("unshare is there");
    let said = [output.stdout, output.stderr].map(|o| String::from_utf8_lossy(&o).into_owned());
    assert!(output.status.success() && said[0].contains("1 passed"), "{}\n{}", said[0], said[1]);
    false
}

/// Runs a command to its good end.
pub fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.is_ok_and(|status| status.success()), "{program} {arguments:?}");
}
