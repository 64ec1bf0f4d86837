//! What the kernel that the tests run on can do.

use std::process::Command;

/// Its ABI of Landlock (landlock_create_ruleset(2)), asked for by another program than ours; below 1: it has none, or it is switched off.
fn landlock() -> i32 {
    let question = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))";
    let output = Command::new("python3").args(["-c", question]).output().expect("python3 is installed");
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// What `doorward status` is to say of it: all that the daemon asks for is there from Linux 6.12 on.
pub(crate) fn confined() -> &'static str {
    match landlock() {
        ..1 => "no",
        1..6 => "partial",
        6.. => "full",
    }
}
