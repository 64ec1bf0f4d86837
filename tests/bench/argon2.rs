//! How many password hashes a second the bare function of the library computes at Doorward's default cost:
//! `cargo bench --bench argon2 -- THREADS SECONDS`. Nothing of Doorward runs; the memory of each thread is used again, as there.
//!
//! Prints one line of JSON.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

/// `[password] memory` and `passes`; one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds `--bench` to what it was given.
    let mut numbers = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let threads: usize = numbers.next().as_deref().unwrap_or("1").parse()?;
    let seconds: f64 = numbers.next().as_deref().unwrap_or("5").parse()?;
    let length = Duration::try_from_secs_f64(seconds)?;
    let argon2 =
        Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(MEMORY_KIB, PASSES, 1, Some(32))?);
    let (count, rate) = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| hashes(&argon2, length))).collect();
        let done = running.into_iter().map(|thread| thread.join().unwrap_or_default());
        done.fold((0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    writeln!(
        std::io::stdout(),
        "{{\"threads\": {threads}, \"hashes\": {count}, \"per_second\": {rate:.2}}}"
    )?;
    Ok(())
}

/// How many in all, and a second.
fn hashes(argon2: &Argon2<'_>, length: Duration) -> (u32, f64) {
    let mut memory = vec![Block::new(); argon2.params().block_count()];
    let mut salt = [0_u8; 16];
    let mut digest = [0_u8; 32];
    let mut count = 0;
    let mut begun = Instant::now();
    while count == 0 || begun.elapsed() < length {
        salt[0] = salt[0].wrapping_add(1);
        let password = b"a password of usual length";
        if argon2.hash_password_into_with_memory(password, &salt, &mut digest, &mut memory).is_err() {
            return (0, 0.0);
        }
        black_box(&digest);
        if count == 0 {
            // The first one takes the memory from the system.
            begun = Instant::now();
        }
        count += 1;
    }
    (count, f64::from(count - 1) / begun.elapsed().as_secs_f64())
}
