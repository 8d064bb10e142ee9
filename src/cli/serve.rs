//! `bailiwick serve`: config, publisher, control socket and doors put together.

use std::error::Error;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::sync::watch;
use tracing::{error, warn};

use super::Over;
use crate::api;
use crate::config::file;
use crate::config::settings::{Flatten, LogFormat, Settings};
use crate::control::press::Press;
use crate::control::publisher::{self, Origin};
use crate::control::{news, socket};
use crate::daemon::{self, Outside, Told, World};
use crate::outside::service::Service;
use crate::store::folder::DATABASE;
use crate::store::state::readers::Readers;
use crate::telemetry::log;
use crate::verifier;

/// Runs the server until a signal ends it.
pub fn serve(over: &Over) -> Result<ExitCode, Box<dyn Error>> {
    let overrides = over.overrides();
    let (settings, warnings) = match file::read_with(&over.config, &overrides) {
        Ok(read) => read,
        Err(findings) => {
            let problems: String = findings.iter().map(|f| format!("\n\n{f}")).collect();
            return Err(format!("{} cannot be used{problems}", over.config.display()).into());
        }
    };
    log::start(match settings.log.format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    });
    for warning in &warnings {
        warn!(event = "config-warning", "{warning}");
    }
    let origin = Origin { config: over.config.clone(), overrides };
    let server = settings.server.clone();
    let api = api::server::bind(&settings.api);
    let page = settings.block_page.listen.and_then(daemon::page::bind);
    daemon::run(&server, move || Ok(World { page, ..load(settings, origin, api)? }))?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the world and starts what changes it.
fn load(
    settings: Settings,
    origin: Origin,
    api: Option<api::server::Bound>,
) -> Result<World, Box<dyn Error + Send + Sync>> {
    let data = settings.server.data.clone();
    let flatten = settings.flatten.clone();
    let (tell, told) = watch::channel(Told::of(&settings));
    let (tell_verifier, verify) = watch::channel(verifier::Settings::of(&settings));
    let mut publisher = publisher::start(settings, origin, move |settings| {
        // Nobody listens any more only when the server ends.
        let _ = tell.send(Told::of(settings));
        let _ = tell_verifier.send(verifier::Settings::of(settings));
    })?;
    let outside = outside(&flatten, &data, &publisher.press)?;
    let (handle, published) = (publisher.handle.clone(), publisher.published());
    if let Some(looks) = publisher.looks.take() {
        // It ends when the publisher asks for nothing more.
        verifier::start(looks, handle, published, verify, outside.runtime.handle().clone())?;
    }
    let (service, follow) = (outside.started.service.clone(), told.clone());
    let means = move || {
        let allow_special = follow.borrow().flatten.allow_special;
        api::prover::Means { upstreams: service.upstreams(), allow_special }
    };
    let prover = api::prover::run(publisher.handle.clone(), means, api::prover::PORT);
    outside.runtime.spawn(prover);
    let control = match socket::open(&data, publisher.handle.clone()) {
        Ok(socket) => Some(socket),
        Err(error) => {
            let path = data.join(socket::FILE);
            error!(event = "no-control-socket", path = %path.display(), %error,
                "cannot open the control socket: `bailiwick reload` and `zone` will not work, signals do");
            None
        }
    };
    let api = match (api, publisher.directory.clone()) {
        (Some(bound), Some(directory)) => Some(bound.with(api::Inputs {
            publisher: publisher.handle.clone(),
            published: publisher.published(),
            directory,
            ids: publisher.ids,
            readers: Readers::new(&data.join(DATABASE)),
            figures: Arc::clone(&publisher.figures),
        })?),
        _ => None,
    };
    Ok(World {
        published: publisher.published(),
        api,
        page: None,
        publisher: publisher.handle,
        figures: publisher.figures,
        settings: told,
        outside: Some(outside),
        threads: vec![publisher.thread],
        control,
    })
}

/// Starts the look-ups outside. What was remembered is published before anything is answered.
fn outside(flatten: &Flatten, data: &Path, press: &Arc<Press>) -> io::Result<Outside> {
    // Its thread ends with the look-ups, which alone can send.
    let (news, _) = news::start(Arc::clone(press))?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("outside-lookups")
        .enable_all()
        .build()?;
    let publish = move |more| {
        // An error says that the process ends.
        let _ = news.send(more);
    };
    let mut started = Service::start(flatten, data, runtime.handle(), publish)?;
    press.put_outside(std::mem::take(&mut started.remembered));
    Ok(Outside { started, runtime })
}
