//! The `doorward` binary; everything is in the library.

/// What one thread allocates another frees, with every login.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    doorward::app::cli::main()
}
