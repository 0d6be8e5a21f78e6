//! A RISC-V machine compatible with QEMU's `virt`, as a pure function of its initial state, its
//! instruction count and what comes through [`inputs::Inputs`].

pub mod device;
pub mod inputs;
