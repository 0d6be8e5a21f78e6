//! The `rr` command.
fn main() {}
