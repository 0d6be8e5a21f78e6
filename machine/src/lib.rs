//! A RISC-V machine compatible with QEMU's `virt`, as a pure function of its initial state, its
//! instruction count and what comes through [`inputs::Inputs`].

pub mod board;
pub mod boot;
pub mod bus;
pub mod clock;
pub mod cpu;
mod debug;
pub mod device;
mod ecall;
pub mod fdt;
pub mod inputs;
mod machine;
mod outside;
mod probe;
pub mod ram;
mod run;
mod sbi;
mod schedule;
pub mod state;
pub mod units;
pub mod virtio;

pub use cpu::Execution;
pub use device::test_finisher::Request;
pub use machine::{Config, Machine, PowerOn};
pub use probe::{
    Access, Accessor, AddressSpace, Breakpoint, Cause, Fault, FaultError, Harts, Probe, Stop,
    WatchHit, WatchKind, Watchpoint,
};
pub use run::Exit;
pub use schedule::QUANTUM;
pub use units::{Digest, Icount, PhysAddr, VirtAddr};
