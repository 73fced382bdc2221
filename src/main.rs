//! The one binary: the launcher of limited processes when it is asked to be one, else the command line.

use std::panic::PanicHookInfo;
use std::process::ExitCode;

/// After a burst of large bodies it gives the memory back within seconds, by threads of its own; the system's allocator
/// keeps it for as long as the process lives (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Read by the allocator at its start. As many arenas as cores rather than four times as many: what lies free in one is no
/// use to another, and half an hour of load spreads over all of them (docs/benchmarks.md).
#[expect(unsafe_code, reason = "the allocator looks for this name")]
// SAFETY: nobody else has this name, and what is there is what the allocator reads: a pointer to text that ends with a zero.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATORS_OPTIONS: &[u8; 16] = b"narenas_ratio:1\0";

fn main() -> ExitCode {
    // Before all else: a launcher must have one thread, and nothing of a server in it.
    if let Some(code) = process::launcher::enter(std::env::args_os()) {
        return code;
    }
    std::panic::set_hook(Box::new(log_panic));
    give_memory_back();
    impresario::cli::main()
}

/// Begins the allocator's own threads; not at its start, for a second thread keeps a launcher from making namespaces.
#[expect(unsafe_code, reason = "the allocator is asked in C")]
fn give_memory_back() {
    let mut is_wanted = true;
    let nothing = std::ptr::null_mut::<usize>();
    let wanted = (&raw mut is_wanted).cast();
    // SAFETY: the name ends with a zero, and this setting takes one bool, which outlives the call.
    let _ = unsafe {
        tikv_jemalloc_sys::mallctl(
            c"background_thread".as_ptr(),
            nothing.cast(),
            nothing,
            wanted,
            size_of::<bool>(),
        )
    };
}

/// Supervision survives most panics; each is a bug all the same, and the log says where.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("a panic without a text");
    tracing::error!(place, message, "panicked: this is a bug");
}
