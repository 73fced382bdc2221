//! The one binary: the launcher of limited processes when it is asked to be one, else the command line.

use std::panic::PanicHookInfo;
use std::process::ExitCode;

/// After a burst of large bodies it gives the memory back within seconds, by threads of its own; the system's allocator
/// keeps it for as long as the process lives (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Before all else: a launcher must have one thread, and nothing of a server in it.
    if let Some(code) = process::launcher::enter(std::env::args_os()) {
        return code;
    }
    std::panic::set_hook(Box::new(log_panic));
    impresario::cli::main()
}

/// Supervision survives most panics; each is a bug all the same, and the log says where.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("a panic without a text");
    tracing::error!(place, message, "panicked: this is a bug");
}
