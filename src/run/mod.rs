//! One machine and its driver: what it is started from, what drives it, and what it leaves behind.

pub mod checkpoints;
pub mod driver;
pub mod drives;
pub mod images;
pub mod observe;
pub(crate) mod open;
pub mod record;
pub mod replay;
pub mod snapshots;
pub(crate) mod verify_images;
