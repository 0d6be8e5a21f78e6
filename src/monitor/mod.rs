//! The monitor: QMP with out-of-band execution.

pub mod json;
