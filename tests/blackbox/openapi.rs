//! The served OpenAPI document is true: every route is in it, nothing else is, and what it says of answers holds.

use crate::api::API;
use crate::support::http::{self, Client};
use crate::support::server::{Server, World};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn server() -> Server {
    let world = World::new();
    world.zone("saas/saas.test", "%std%app A 203.0.113.10\n");
    world.zone("client/client.test", "%std%www CNAME app.saas.test.\n");
    world.config("", API);
    world.start()
}

fn document(server: &Server) -> Value {
    let address = server.http.expect("the API is on");
    http::request(address, "GET", "/openapi.json", &[], None).json()
}

/// Method and path of every operation of the document.
fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, operations)| {
        let operations = operations.as_object().expect("operations");
        operations.keys().map(|method| (method.clone(), path.clone()))
    });
    all.collect()
}

/// Method and path of every `.route("…", get(…).post(…))` of the source, with the prefix of its part.
fn routed() -> BTreeSet<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let router = std::fs::read_to_string(root.join("mod.rs")).expect("the router");
    let statement = |name: &str| {
        let from = router.find(&format!("let {name} =")).expect("a part of the router");
        router[from..].split_once(';').expect("it ends").0.to_owned()
    };
    let (client, own) = (statement("client"), statement("own"));
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut routes = BTreeSet::new();
    for file in files {
        let inside = file.strip_prefix(&root).expect("inside").with_extension("");
        let part = inside.iter().next().expect("a name").to_string_lossy().into_owned();
        let is_of = |statement: &str| statement.contains(&format!("{part}::routes()"));
        let prefix = match (is_of(&client), is_of(&own)) {
            (true, _) => "/client/v4",
            (_, true) => "/api/v1",
            _ => "",
        };
        let text = std::fs::read_to_string(&file).expect("source");
        for route in text.split(".route(").skip(1) {
            let Some((path, rest)) =
                route.trim_start().strip_prefix('"').and_then(|r| r.split_once('"'))
            else {
                continue;
            };
            for method in ["get", "post", "put", "patch", "delete"] {
                if methods(rest).contains(&method) {
                    routes.insert((method.to_owned(), format!("{prefix}{path}")));
                }
            }
        }
    }
    routes
}

/// The words before brackets up to the end of a route.
fn methods(rest: &str) -> Vec<&str> {
    let mut depth = 1;
    let end = rest.char_indices().find(|(_, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let route = &rest[..end.expect("brackets close").0];
    let words = route.split('(').map(|word| {
        let start =
            word.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |i| i + 1);
        &word[start..]
    });
    words.collect()
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[test]
fn every_route_is_documented_and_nothing_else() {
    let server = server();
    let document = document(&server);
    let (documented, routed) = (documented(&document), routed());
    assert!(routed.len() >= 15, "{routed:?}");
    let missing: Vec<_> = routed.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&routed).collect();
    assert!(missing.is_empty(), "not in the document (src/api/openapi): {missing:#?}");
    assert!(invented.is_empty(), "documented, but not there: {invented:#?}");
    // The router agrees: none of them leads nowhere.
    let operator = Client::new(&server, None);
    for (method, path) in documented {
        let path = path.replace(['{', '}'], "0");
        let reply = operator.ask(&method.to_uppercase(), &path, None);
        assert_ne!(reply.status, 405, "{method} {path}");
        assert!(reply.status != 404 || reply.code() != 7000, "{method} {path} leads nowhere");
    }
}

#[test]
fn references_lead_somewhere_and_ids_are_unique() {
    let server = server();
    let document = document(&server);
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().expect("a pointer");
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    let ids: Vec<&str> = text
        .split("\"operationId\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert_eq!(ids.len(), documented(&document).len());
}

/// Asks what a program would ask that only knows the document: as an operator, as a tenant, and as nobody.
#[test]
#[ignore = "needs schemathesis, which is installed below target/"]
fn schemathesis_finds_nothing() {
    let tool = schemathesis();
    let server = server();
    let address = server.http.expect("the API is on");
    for account in [None, Some("saas")] {
        let token = Client::new(&server, account).token;
        let checks = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance";
        let output = Command::new(&tool)
            .args(["run", &format!("http://{address}/openapi.json")])
            .args(["--checks", checks, "--phases", "examples,coverage,fuzzing"])
            .args(["--max-examples", "25", "--seed", "4711", "--workers", "2"])
            .args(["--request-timeout", "30", "--generation-database", "none", "--no-color"])
            .arg("--header")
            .arg(format!("Authorization: Bearer {token}"))
            .env("HYPOTHESIS_STORAGE_DIRECTORY", server.world.path("hypothesis"))
            .current_dir(server.world.path(""))
            .output()
            .expect("schemathesis runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "as {account:?}:\n{said}\n{}", server.log());
    }
}

/// The tool, from a virtual environment of its own.
fn schemathesis() -> PathBuf {
    const VERSION: &str = "schemathesis==4.32.5";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let tool = folder.join("bin/schemathesis");
    if !tool.exists() {
        let run = |command: &mut Command| {
            let output = command.output().expect("python3 is there");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", VERSION]));
    }
    tool
}
