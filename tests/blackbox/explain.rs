//! What `explain` says of the sample world, and of a small world beside it, word for word:
//! `tests/golden/explain/*.txt`; `BLESS=1` rewrites them.

use crate::support::server::{World, repository};

/// One question of the sample world for each way in which a question can be decided.
const SAMPLE: &[&[&str]] = &[
    // Inside one account.
    &["www.example.com"],
    &["example.com"],
    &["www.example.com", "HTTPS"],
    &["blog.example.com"],
    &["flat.example.com", "AAAA"],
    &["www.flat.example"],
    &["_proof.flat.example"],
    &["x.old.example.com", "TXT"],
    &["www.old.example.com"],
    // Allowed: a grant, a wildcard grant, an alias's grant, a trust, an open zone.
    &["app.example.com"],
    &["a.shop.example.com"],
    &["store.example.com"],
    &["panel.agency.example"],
    &["assets.example.com"],
    // Denied.
    &["rogue.example.com"],
    &["rogue.example.com", "CNAME"],
    &["rogue-https.example.com", "HTTPS"],
    &["myclientsite.com"],
    &["detour.myclientsite.com"],
    &["x.any.myclientsite.com"],
    &["www.tree.myclientsite.com"],
    &["tree.myclientsite.com", "DNAME"],
    &["www.nodata.example"],
    &["www.nxdomain.example"],
    &["www.sinkhole.example"],
    &["www.report.example"],
    // No answer to be had.
    &["nothing.example.com"],
    &["www.example.com", "SRV"],
    &["x.lab.example.com"],
    &["loop1.example.com"],
    &["hop1.example.com"],
    &["partner.example.com"],
    &["www.example.org"],
];

fn golden(file: &str, said: &str) {
    let path = repository().join("tests/golden/explain").join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, said).expect("a golden file can be written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(said == wanted, "{}: BLESS=1 rewrites it\n{said}", path.display());
}

/// `explain` of these words; the file is named after them.
fn explained(world: &World, options: &[&str], words: &[&str]) -> String {
    let output = world.run(&[&["explain"], options, words].concat());
    assert!(output.status.success(), "{words:?}: {output:?}");
    format!(
        "$ bailiwick explain {}\n{}\n",
        words.join(" "),
        String::from_utf8_lossy(&output.stdout)
    )
}

#[test]
fn the_sample_world_explained() {
    let world = World::new();
    let config = repository().join("config.toml").to_string_lossy().into_owned();
    let data = world.path("data").to_string_lossy().into_owned();
    let options = ["--config", &config, "--data", &data];
    let said: String = SAMPLE.iter().map(|words| explained(&world, &options, words)).collect();
    golden("sample.txt", &said);
}

/// What the sample world has no example of: a withdrawn grant, a zone without a good version, a root in the chain.
#[test]
fn rare_cases_explained() {
    let world = World::new();
    let granted = "[[grants]]\nhostname = \"app.a.test\"\nzone = \"b.test\"\n\
                   [[grants]]\nhostname = \"*.d.a.test\"\nzone = \"b.test\"\n";
    let long = [63, 63, 63, 45].map(|n| "l".repeat(n)).join(".");
    let text = "%std%app CNAME www.b.test.\nd DNAME b.test.\nbroken CNAME www.c.test.\n\
                up DNAME test.\nown CNAME www.up\nback\\032slash CNAME www.b.test.\n";
    world.zone("cust/a.test", &format!("{text}long DNAME {long}.a.test.\n"));
    world.zone("prov/b.test", "%std%www A 192.0.2.44\n");
    world.file("zones/prov/c.test.zone", "nonsense\n");
    world.config("", granted);
    let mut server = world.start();
    server.world.config("", "");
    server.restart();
    server.terminate();
    let world = &server.world;
    let questions: &[&[&str]] = &[
        &["app.a.test"],
        &["www.d.a.test"],
        &["broken.a.test"],
        &["b.a.up.a.test"],
        &["own.a.test"],
        &["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.long.a.test"],
        &["back\\032slash.a.test"],
        &["."],
    ];
    let said: String = questions.iter().map(|words| explained(world, &[], words)).collect();
    golden("rare.txt", &said);
}
