//! The `doorward` binary; everything is in the library.

fn main() {}
