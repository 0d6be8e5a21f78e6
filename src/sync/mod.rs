//! Hand-overs between threads: each is a queue under a lock, and something that wakes its receiver.
//!
//! Those of this room are modelled with loom, which tries every order in which threads can meet:
//! `RUSTFLAGS="--cfg loom" cargo test -p rr --lib`. Only this room is built for it.
//!
//! # Hand-overs
//!
//! Every place where one thread leaves something for another, with the orderings that it needs:
//!
//! - **Messages** (`src/run/mailbox.rs`), from the main loop, the disks and the networks to the
//!   vCPU thread: an inbox. The kick flag is stored with release after the push, and loaded with
//!   acquire before the look.
//! - **The kick flag** as the machine sees it, between blocks and in translated loops: a relaxed
//!   load. It only ends the run of blocks; the acquire load follows.
//! - **A nudge** (`Inbox::nudge`), from any thread to the vCPU thread: the kick flag is raised
//!   under the queue's mutex, so a thread that is about to wait sees it.
//! - **Requests** (`src/session/requests.rs`), from the front ends to the vCPU thread: an inbox of
//!   the same kind.
//! - **Cancel** (`Control::cancel`), from any thread to the vCPU thread: release store, acquire
//!   load. The vCPU thread alone lowers the flag.
//! - **Stop** (`Shared::stop`), from the main loop, or from the thread that finds an image changed:
//!   release store, acquire load.
//! - **Unread serial input** (`Shared::backlog`), from the vCPU thread to the main loop: release
//!   store, acquire load. The main loop adds what it posts with `AcqRel`.
//! - **Progress** (`Shared::icount`), from the vCPU thread to all: relaxed; nothing depends on it.
//! - **Status** (`Control::status`), from the vCPU thread to all: state and work are stored with
//!   release after what belongs to them, and loaded with acquire.
//! - **Disk requests** (`src/host/disk/pool.rs`), from the vCPU thread to a disk: a channel. In a
//!   replay, results come back through a map under a mutex with a condition variable.
//! - **Frames for a network** (`src/host/net/thread.rs`): a bounded queue under a mutex, and a pipe
//!   that wakes. Frames in the mailbox are counted relaxed: the count is only a bound.
//! - **The serial client** (`src/host/server.rs`), from the main loop to the vCPU thread: a mutex.
//! - **Monitor requests, replies and events** (`src/sync/exchange.rs`), between the I/O thread, the
//!   main loop and the vCPU thread: an inbox each way. A waker is raised after the push and cleared
//!   before the look. A take from a full queue wakes the I/O thread.
//! - **The semaphore of `x-oob-test`** (`src/monitor/semaphore.rs`), from any thread to the main
//!   loop: release add, acquire update.
//! - **Measuring is to end**, from any thread to the measuring thread: relaxed, a hint.
//! - **Segments** (`src/analysis/segments/side_by_side.rs`), among replay threads: a mutex, and a
//!   channel for the results.
//! - **The two sides of a bisection** (`src/analysis/bisect/mod.rs`): scoped threads, joined before
//!   anything of theirs is looked at.
//!
//! # The primitives of QEMU's document on atomics, in Rust
//!
//! The primitives on the left are those of docs/devel/atomics.txt in QEMU 2.12. The two examples of
//! that document are modelled in `src/sync/atomics.rs`.
//!
//! - `atomic_read`, `atomic_set`: `load` and `store` with `Relaxed`. Used for progress, counters,
//!   hints, and the kick flag as the machine sees it.
//! - `atomic_load_acquire`, `atomic_store_release`: `load(Acquire)` and `store(Release)`. Used for
//!   the kick flag, stop, backlog, requests, cancel and status.
//! - `atomic_mb_read`, `atomic_mb_set`: `load` and `store` with `SeqCst`, with a `fence(SeqCst)`
//!   behind the store. Used nowhere: each variable has one writer, so acquire and release are
//!   enough.
//! - `smp_mb`, `smp_mb_release`, `smp_wmb`: `fence(SeqCst)` and `fence(Release)`. Used in the
//!   models alone.
//! - `smp_mb_acquire`, `smp_rmb`: `fence(Acquire)`. Used nowhere.
//! - `smp_read_barrier_depends`: not needed, an `Acquire` load includes it.
//! - `atomic_fetch_add` and others: `fetch_add(Relaxed)` for frames in the mailbox,
//!   `fetch_add(AcqRel)` for the backlog.

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
