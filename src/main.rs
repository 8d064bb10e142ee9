//! The program: runs the command line, prints what went wrong and sets the exit code.

use std::process::ExitCode;

use bailiwick::cli;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bailiwick: {}", cli::chain(&*error));
            ExitCode::FAILURE
        }
    }
}
