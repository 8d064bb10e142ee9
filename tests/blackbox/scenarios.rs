//! Runs every file of `tests/scenarios/`; `SCENARIO=part-of-a-name` picks some.

use crate::support::client::{self, Transport};
use crate::support::message::Wrong;
use crate::support::script::{self, Act, Question, Step};
use crate::support::server::{PATIENCE, Server, World, poll, repository};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn scenarios() {
    let files = files();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = run(file);
                    failures.lock().expect("no panic under the lock").extend(found);
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic under the lock");
    assert!(failures.is_empty(), "{} wrong:\n\n{}", failures.len(), failures.join("\n\n"));
    assert!(!files.is_empty(), "no scenario was run");
}

fn files() -> Vec<PathBuf> {
    let wanted = std::env::var("SCENARIO").unwrap_or_default();
    let folder = repository().join("tests/scenarios");
    let entries = std::fs::read_dir(folder).expect("the folder of scenarios");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "rpl"))
        .filter(|path| path.to_string_lossy().contains(&wanted))
        .collect();
    files.sort();
    files
}

/// Run one file to its end; a step that fails does not stop the next.
fn run(file: &PathBuf) -> Vec<String> {
    let title = file.file_name().expect("a file").to_string_lossy().to_string();
    let text = std::fs::read_to_string(file).expect("a scenario is text");
    let steps = script::parse(&text);
    let asks = |step: &&Step| matches!(step.act, Act::Ask(_));
    assert!(steps.iter().any(|step| asks(&step)), "{title} asks nothing");
    let mut scene = Scene { server: None, world: Some(World::new()), config: String::new() };
    let mut failures = Vec::new();
    let mut settings = String::new();
    for step in &steps {
        if let Act::Server(line) = &step.act {
            settings.push_str(line);
            settings.push('\n');
        }
    }
    for step in &steps {
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.step(step, &settings)));
        let wrong = match result {
            Ok(Ok(())) => continue,
            Ok(Err(wrong)) => wrong,
            Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
        };
        failures.push(format!("{title}:{}: {}\n{wrong}", step.line, step.title));
        if scene.server.is_none() {
            break;
        }
    }
    failures
}

/// The world of a scenario before it starts, and its server after.
struct Scene {
    world: Option<World>,
    server: Option<Server>,
    config: String,
}

impl Scene {
    fn step(&mut self, step: &Step, settings: &str) -> Result<(), Wrong> {
        match &step.act {
            Act::Server(_) => {}
            Act::Config(text) => {
                self.config.clone_from(text);
                self.world().config(settings, text);
                if let Some(server) = &self.server {
                    server.hangup();
                }
            }
            Act::Zone(path, text) => self.world().zone(path, text),
            Act::File(path, text) => self.world().file(path, text),
            Act::Remove(path) => self.world().remove(path),
            Act::Hangup => self.server(settings).hangup(),
            Act::Restart => self.server(settings).restart(),
            Act::Crash => self.server(settings).crash(),
            Act::Ask(question) => ask(self.server(settings), question)?,
        }
        Ok(())
    }

    fn world(&self) -> &World {
        let running = self.server.as_ref().map(|server| &server.world);
        running.or(self.world.as_ref()).expect("a world, started or not")
    }

    fn server(&mut self, settings: &str) -> &mut Server {
        if let Some(world) = self.world.take() {
            world.config(settings, &self.config);
            self.server = Some(world.start());
        }
        self.server.as_mut().expect("started above")
    }
}

fn ask(server: &Server, question: &Question) -> Result<(), Wrong> {
    for &transport in &question.transports {
        let mut last = once(server, transport, question);
        if question.eventually && last.is_err() {
            poll(PATIENCE, || {
                last = once(server, transport, question);
                last.is_ok().then_some(())
            });
        }
        last.map_err(|wrong| format!("{} over {transport:?}: {wrong}", question.text))?;
    }
    Ok(())
}

fn once(server: &Server, transport: Transport, question: &Question) -> Result<(), Wrong> {
    let got = client::ask(server.address(transport), transport, &question.ask)?;
    question.expect.check(&got)
}
