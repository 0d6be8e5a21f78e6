//! Hand-overs between threads: each is a queue under a lock, and something that wakes its receiver.
//!
//! All of them are modelled with loom, which tries every order in which the threads can meet:
//! `RUSTFLAGS="--cfg loom" cargo test -p rr --lib`. Only this room is built for it.

#[cfg(all(test, loom))]
mod atomics;
pub mod exchange;
pub mod inbox;
#[cfg(all(test, loom))]
mod models;

#[cfg(loom)]
use loom::sync as primitives;
#[cfg(not(loom))]
use std::sync as primitives;
