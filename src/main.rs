//! The program: runs the command line, prints what went wrong and sets the exit code.

use std::process::ExitCode;

use bailiwick::base::mem::HugePages;
use bailiwick::cli;

#[global_allocator]
static ALLOCATOR: HugePages = HugePages;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bailiwick: {}", cli::chain(&*error));
            ExitCode::FAILURE
        }
    }
}
