//! One machine and its driver, one period at a time. This room knows no locks, and no threads of a
//! run.

pub mod devices;
pub mod driver;
pub mod drives;
pub mod host_io;
pub mod images;
mod log_event;
pub mod mailbox;
pub mod observe;
pub mod open;
pub mod record;
pub mod replay;
pub mod report;
pub mod snapshots;
pub mod vcpu;
pub(crate) mod verify_images;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what is not as expected fails the test"
)]
mod simulation;
