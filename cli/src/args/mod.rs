//! Arguments that several subcommands share.
//!
//! Each subcommand declares its own in its file in `cmd`.

pub(crate) mod core;
pub(crate) mod ends;
pub(crate) mod input;
pub(crate) mod kinds;
pub(crate) mod machine;
pub(crate) mod monitor;
pub(crate) mod position;
pub(crate) mod refuse;
pub(crate) mod snapshot;
