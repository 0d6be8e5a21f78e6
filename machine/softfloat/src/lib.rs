//! IEEE 754-2019 binary32 and binary64 as the RISC-V F and D extensions define them: five rounding
//! modes, five exact exception flags, tininess detected after rounding, canonical NaNs.
//!
//! Operands and results are raw bits. Every operation takes the accumulated [`Flags`] (`fflags`)
//! by reference and only ever adds to them:
//!
//! ```
//! use softfloat::{Flags, Round};
//! let mut flags = Flags::NONE;
//! let third = softfloat::f64::div(1f64.to_bits(), 3f64.to_bits(), Round::Up, &mut flags);
//! assert_eq!(third, 0x3fd5_5555_5555_5556);
//! assert_eq!(flags, Flags::INEXACT);
//! ```
//!
//! How it works: an operand is unpacked (`format`), the operation is done in exact integer
//! arithmetic with a sticky bit (`arith`, `convert`), and `round` turns the outcome into bits. The
//! code is generic over the format, so that the tests run it exhaustively on formats of 6 and
//! 8 bits. `fast` answers from the host's FPU where that is provably the same, flags included.
//!
//! No input panics, and no result depends on the host.
#![forbid(unsafe_code)]

mod arith;
mod compare;
mod convert;
pub mod f32;
pub mod f64;
mod fast;
mod format;
mod modes;
mod operations;
mod round;
#[cfg(test)]
mod tests;

pub use modes::{Flags, Round};
