//! End to end: the log tools.
