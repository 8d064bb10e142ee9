//! `bailiwick serve`: config, publisher, control socket and doors put together.

use std::error::Error;
use std::process::ExitCode;

use tokio::sync::watch;
use tracing::{error, warn};

use super::Over;
use crate::config::file;
use crate::config::settings::{LogFormat, Settings};
use crate::control::publisher::{self, Origin};
use crate::control::socket;
use crate::daemon::{self, World};
use crate::telemetry::log;

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
    daemon::run(&server, move || load(settings, origin))?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the world and starts what changes it.
fn load(settings: Settings, origin: Origin) -> Result<World, Box<dyn Error + Send + Sync>> {
    let data = settings.server.data.clone();
    let (tell, told) = watch::channel(settings.server.clone());
    let publisher = publisher::start(settings, origin, move |settings| {
        // Nobody listens any more only when the server ends.
        let _ = tell.send(settings.server.clone());
    })?;
    let control = match socket::open(&data, publisher.handle.clone()) {
        Ok(socket) => Some(socket),
        Err(error) => {
            let path = data.join(socket::FILE);
            error!(event = "no-control-socket", path = %path.display(), %error,
                "cannot open the control socket: `bailiwick reload` and `zone` will not work, signals do");
            None
        }
    };
    Ok(World {
        published: publisher.published(),
        publisher: publisher.handle,
        settings: told,
        threads: vec![publisher.thread],
        control,
    })
}
