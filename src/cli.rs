//! The command line: what can be asked of `bailiwick`, and the exit codes.
//!
//! 0 success, 1 errors, 2 wrong usage, 3 only warnings under `--strict`.

mod hostname;
mod manage;
mod offline;
mod restored;
mod running;
mod serve;
mod story;
mod token;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::base::name::Name;
use crate::config::listen_address;
use crate::config::settings::{LogFormat, Overrides};

const EXAMPLES: &str = "\
Examples:
  bailiwick                                serve what config.toml in this folder says
  bailiwick serve --listen 127.0.0.1:5353  the same on another address
  bailiwick check                          the config in this folder
  bailiwick explain www.example.com AAAA   why a question is answered as it is
  bailiwick check --config /etc/bailiwick/config.toml --strict
  bailiwick check --json | jq .findings    the same for machines
  bailiwick reload                         read config and zones again, now
  bailiwick zone list                      what is served, and what not
  bailiwick zone accept example.com        let in a held change
  bailiwick hostname create app.example.com --zone saasprovider.com
  bailiwick hostname show app.example.com  why it is pending, and who can do what
  bailiwick backup /var/backups/bailiwick.db

Exit codes: 0 success, 1 errors, 2 wrong usage, 3 only warnings under --strict.";

/// Authoritative DNS server for many accounts that do not trust each other.
#[derive(Parser, Debug)]
#[command(name = "bailiwick", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub over: Over,
    /// Without one: serve
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the command line puts over the config.
#[derive(Args, Debug)]
pub struct Over {
    /// The config
    #[arg(long, value_name = "FILE", default_value = "config.toml", global = true)]
    pub config: PathBuf,
    /// Listen here instead of server.listen; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address, global = true)]
    pub listen: Vec<SocketAddr>,
    /// Instead of server.zones
    #[arg(long, value_name = "FOLDER", global = true)]
    pub zones: Option<PathBuf>,
    /// Instead of server.data
    #[arg(long, value_name = "FOLDER", global = true)]
    pub data: Option<PathBuf>,
    /// Instead of log.format
    #[arg(long, value_name = "FORMAT", global = true)]
    pub log: Option<LogWord>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogWord {
    Text,
    Json,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the nameserver (also what no subcommand means)
    Serve,
    /// Check config, zones and policy
    Check(Check),
    /// The decision trace of one question: each hop, how it was judged, and the answer
    Explain(Explain),
    /// Read config and zone files again, in the running server
    Reload(Output),
    /// Accounts: who owns zones
    #[command(subcommand)]
    Account(manage::Account),
    /// Zones: what is served, and what not
    #[command(subcommand)]
    Zone(Zone),
    /// Custom hostnames: names of others that may lead into a zone once that is proved
    #[command(subcommand)]
    Hostname(Hostname),
    /// Tokens for the HTTP API
    #[command(subcommand)]
    Token(Token),
    /// What happened to custom hostnames lately, newest first
    Audit(Audit),
    /// Copy what is in no file into one file, also while the server runs
    Backup(manage::File),
    /// Put back records that a backup has and the server has not; nothing comes back allowed
    Restore(manage::Restore),
}

#[derive(Subcommand, Debug)]
pub enum Token {
    /// Make a token and show it: once, since only a hash of it is kept
    #[command(group(clap::ArgGroup::new("whose").required(true).args(["account", "operator"])))]
    Create {
        /// For this account and what belongs to it
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// For everything there is
        #[arg(long)]
        operator: bool,
        /// Nothing can be changed with it
        #[arg(long)]
        read_only: bool,
        /// What people call it
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// List all tokens, without their secrets
    List(Output),
    /// End one: the next request with it is refused
    #[command(alias = "delete")]
    Revoke {
        /// As `token list` shows it
        id: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Subcommand, Debug)]
pub enum Hostname {
    /// Let a hostname of somebody else into a zone, once its owner has proved that this is meant
    Create {
        /// The hostname, e.g. app.example.com or *.example.com
        hostname: String,
        /// The zone it may lead into
        #[arg(long)]
        zone: String,
        #[command(flatten)]
        output: Output,
    },
    /// List all custom hostnames, and the grants of the config
    List {
        /// Only those of this zone
        #[arg(long)]
        zone: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// How one stands, what was seen of it last, and what its owner can do
    Show(One),
    /// Look at it now, beside its schedule
    Verify(One),
    /// Check again from the beginning; what was moved, deleted or blocked gets new tokens
    Refresh(One),
    /// Take it back: the next question is denied
    Delete(One),
}

#[derive(Args, Debug)]
pub struct One {
    /// The hostname or its id
    pub hostname: String,
    /// Its zone, if several zones have that hostname
    #[arg(long)]
    pub zone: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub struct Audit {
    /// Entries at the most
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub most: usize,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Subcommand, Debug)]
pub enum Zone {
    /// List all zones and how they stand
    List(Output),
    /// Make a zone that lives in the store and is written through the API; it is served at once
    Create(manage::NewZone),
    /// Remove a zone that lives in the store, with its records and custom hostnames
    Delete(manage::DeletedZone),
    /// One zone: how it stands, its fallback origin, its hold
    Show(manage::OneZone),
    /// Keep other accounts from making zones and custom hostnames of its name
    Hold(manage::Hold),
    /// Release the hold, for good or for a while
    Unhold(manage::Unhold),
    /// The name that custom hostnames of the zone lead to
    #[command(subcommand)]
    Fallback(manage::Fallback),
    /// Let in the change of a zone that is held since it removes much
    Accept {
        /// The zone, e.g. example.com
        name: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args, Debug)]
pub struct Output {
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Explain {
    /// The name asked for
    #[arg(value_parser = offline::name)]
    pub name: Name,
    /// The type asked for
    #[arg(value_name = "TYPE", default_value = "A", value_parser = offline::rtype)]
    pub rtype: u16,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Check {
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// Exit with 3 if there are warnings
    #[arg(long)]
    pub strict: bool,
}

impl Over {
    pub fn overrides(&self) -> Overrides {
        let log = self.log.map(|word| match word {
            LogWord::Text => LogFormat::Text,
            LogWord::Json => LogFormat::Json,
        });
        Overrides {
            listen: self.listen.clone(),
            zones: self.zones.clone(),
            data: self.data.clone(),
            log,
        }
    }
}

/// Does what the command line asks. Wrong usage ends the process here, with 2.
pub fn run() -> Result<ExitCode, Box<dyn Error>> {
    let cli = Cli::parse();
    match cli.command.as_ref().unwrap_or(&Command::Serve) {
        Command::Serve => serve::serve(&cli.over),
        Command::Check(check) => offline::check(&cli.over, check),
        Command::Explain(explain) => offline::explain(&cli.over, explain),
        Command::Reload(output) => running::reload(&cli.over, output),
        Command::Zone(Zone::List(output)) => running::zone_list(&cli.over, output),
        Command::Zone(Zone::Accept { name, output }) => {
            running::zone_accept(&cli.over, name, output)
        }
        Command::Account(request) => manage::account(&cli.over, request),
        Command::Zone(Zone::Create(new)) => manage::zone_create(&cli.over, new),
        Command::Zone(Zone::Delete(zone)) => manage::zone_delete(&cli.over, zone),
        Command::Zone(Zone::Show(one)) => manage::zone_show(&cli.over, one),
        Command::Zone(Zone::Hold(hold)) => manage::hold(&cli.over, hold),
        Command::Zone(Zone::Unhold(unhold)) => manage::unhold(&cli.over, unhold),
        Command::Zone(Zone::Fallback(request)) => manage::fallback(&cli.over, request),
        Command::Hostname(request) => hostname::hostname(&cli.over, request),
        Command::Token(request) => token::token(&cli.over, request),
        Command::Backup(file) => manage::backup(&cli.over, file),
        Command::Restore(file) => manage::restore(&cli.over, file),
        Command::Audit(request) => hostname::audit(&cli.over, request),
    }
}

/// The exit code of a check.
pub fn exit_code(errors: usize, warnings: usize, strict: bool) -> ExitCode {
    match (errors, warnings, strict) {
        (1.., _, _) => ExitCode::from(1),
        (0, 1.., true) => ExitCode::from(3),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints to stdout. Who reads it may have gone away (`| head`): that is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

fn address(text: &str) -> Result<SocketAddr, String> {
    listen_address(text).map_err(|help| {
        let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("expected an address with a port, e.g. 127.0.0.1:5300 or [::1]:5300{help}")
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn overrides_stand_on_either_side_of_the_subcommand() {
        let args = ["bailiwick", "--listen", "[::1]:53", "check", "--zones", "z", "--log", "json"];
        let cli = Cli::parse_from(args);
        let overrides = cli.over.overrides();
        assert_eq!(overrides.listen, ["[::1]:53".parse().unwrap()]);
        assert_eq!(overrides.zones, Some("z".into()));
        assert_eq!(overrides.log, Some(LogFormat::Json));
        assert!(Cli::try_parse_from(["bailiwick", "check", "--listen", "localhost:53"]).is_err());
    }

    #[test]
    fn causes_are_told_in_order() {
        let cause = io::Error::other("disk is full");
        let error = io::Error::other(Told(cause));
        assert_eq!(chain(&error), "cannot write: disk is full");
    }

    #[derive(Debug)]
    struct Told(io::Error);
    impl std::fmt::Display for Told {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot write")
        }
    }
    impl Error for Told {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
}
