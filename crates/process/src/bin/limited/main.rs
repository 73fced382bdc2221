//! The smallest binary that can be a launcher, and what the tests let it do as a program.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod act;

fn main() -> ExitCode {
    if let Some(code) = process::launcher::enter(std::env::args_os()) {
        return code;
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = act::act(std::env::args().skip(1)) {
        act::say(&format!("error: {error}"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
