//! HTIF, the host-target interface of the Berkeley test programs (riscv-isa-sim, `fesvr`).
//!
//! The guest stores a command into a word `tohost`, and reads the answer from a word `fromhost`.
//! Both words are ordinary memory at the addresses of two ELF symbols. A guest without these
//! symbols gets a machine without this device.
//!
//! A command has the device in bits 63:56, the request in bits 55:48 and the payload in bits 47:0.

use crate::units::PhysAddr;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Context;
use super::test_finisher::Request;
use crate::inputs::{Halted, Output};

/// Devices and their requests: (device, request).
mod command {
    /// Exit if bit 0 of the payload is set; otherwise a system call of the host.
    pub(super) const SYSCALL: (u8, u8) = (0, 0);
    pub(super) const GETCHAR: (u8, u8) = (1, 0);
    pub(super) const PUTCHAR: (u8, u8) = (1, 1);
}

/// Numbers of system calls, and their results (Linux for RISC-V).
mod syscall {
    pub(super) const WRITE: u64 = 64;
    pub(super) const MAX_WRITE: usize = 1 << 16;
    pub(super) const EBADF: u64 = 9u64.wrapping_neg();
    pub(super) const EFAULT: u64 = 14u64.wrapping_neg();
}

/// The effect of a store to `tohost`. The machine clears `tohost` after each store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// No answer: the command was zero, or it waits for a character.
    None,
    /// The command is done: the machine must store this word into `fromhost`.
    Answer(u64),
    /// The guest ends the machine.
    Exit(Request),
    /// The machine does not implement the command, and the user gets a warning.
    Unsupported {
        /// Device, bits 63:56.
        device: u8,
        /// Request, bits 55:48.
        request: u8,
        /// Payload, bits 47:0. For a system call it is the address of the arguments.
        payload: u64,
    },
}

/// The host side of HTIF.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Htif {
    /// Physical address of the word `tohost`.
    pub(crate) tohost: PhysAddr,
    /// Physical address of the word `fromhost`, if the guest has one.
    pub(crate) fromhost: Option<PhysAddr>,
    /// Received bytes that the guest has not read.
    pub(crate) backlog: VecDeque<u8>,
    /// The guest waits for a character.
    pub(crate) reading: bool,
    /// The guest has used the HTIF console since the last reset, so input goes to it.
    pub(crate) console: bool,
}

impl Htif {
    /// HTIF with its words at these physical addresses.
    #[must_use]
    pub fn new(tohost: PhysAddr, fromhost: Option<PhysAddr>) -> Self {
        Self {
            tohost,
            fromhost,
            ..Self::default()
        }
    }

    /// Physical address of `tohost`, a word of 8 bytes.
    #[must_use]
    pub fn tohost(&self) -> PhysAddr {
        self.tohost
    }

    /// Physical address of `fromhost`, a word of 8 bytes; `None` if the guest has none.
    #[must_use]
    pub fn fromhost(&self) -> Option<PhysAddr> {
        self.fromhost
    }

    /// Handles a store to `tohost`, which now contains `value`.
    ///
    /// # Errors
    /// [`Halted`] if the engine stops the machine.
    pub fn store(&mut self, value: u64, cx: &mut Context<'_>) -> Result<Effect, Halted> {
        let [device, request, ..] = value.to_be_bytes();
        let payload = value & 0xffff_ffff_ffff;
        self.console |= device == command::PUTCHAR.0;
        Ok(match (device, request) {
            _ if value == 0 => Effect::None,
            command::SYSCALL if payload & 1 != 0 => Effect::Exit(match payload >> 1 {
                0 => Request::PowerOff,
                code => Request::Fail(u16::try_from(code).unwrap_or(u16::MAX)),
            }),
            command::PUTCHAR => {
                let data = &[(payload & 0xff) as u8];
                cx.inputs.output(cx.at, Output::Serial { port: 0, data })?;
                Effect::Answer(answer(command::PUTCHAR, 0))
            }
            command::GETCHAR => {
                self.reading = true;
                self.next_character()
            }
            (device, request) => Effect::Unsupported {
                device,
                request,
                payload,
            },
        })
    }

    /// Handles a system call whose eight argument words are at physical address `at`.
    ///
    /// Only `write` to the standard output or error is implemented; `memory` reads RAM. The machine
    /// must store the returned result at `at`, and 1 into `fromhost`. `None`: another system call.
    ///
    /// # Errors
    /// [`Halted`] if the engine stops the machine.
    pub fn write_call(
        &mut self,
        at: PhysAddr,
        memory: impl Fn(PhysAddr, usize) -> Option<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> Result<Option<u64>, Halted> {
        let Some(words) = memory(at, 32) else {
            return Ok(None);
        };
        let word = |n: usize| {
            let bytes = words.get(n * 8..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |&bytes| u64::from_le_bytes(bytes))
        };
        let (call, fd, address, len) = (word(0), word(1), word(2), word(3));
        if call != syscall::WRITE {
            return Ok(None);
        }
        if !(1..=2).contains(&fd) {
            return Ok(Some(syscall::EBADF));
        }
        // A short write is allowed. The limit keeps a guest from making one output of all its
        // memory.
        let len = usize::try_from(len)
            .unwrap_or(usize::MAX)
            .min(syscall::MAX_WRITE);
        let Some(bytes) = memory(PhysAddr::new(address), len) else {
            return Ok(Some(syscall::EFAULT));
        };
        let data = &bytes;
        cx.inputs.output(cx.at, Output::Serial { port: 0, data })?;
        Ok(Some(bytes.len() as u64))
    }

    /// Receives bytes from outside. It accepts any number, and answers a waiting guest at once.
    pub fn push_input(&mut self, data: &[u8]) -> Effect {
        self.backlog.extend(data);
        self.next_character()
    }

    /// Whether the guest has used the HTIF console since the last reset. If not, input goes to the
    /// UART.
    #[must_use]
    pub fn console_used(&self) -> bool {
        self.console
    }

    /// Number of received bytes that the guest has not read.
    #[must_use]
    pub fn backlog_len(&self) -> usize {
        self.backlog.len()
    }

    /// Resets the interface to its power-on state. Received bytes are kept.
    pub fn reset(&mut self) {
        self.reading = false;
        self.console = false;
    }

    fn next_character(&mut self) -> Effect {
        if !self.reading {
            return Effect::None;
        }
        let Some(byte) = self.backlog.pop_front() else {
            return Effect::None;
        };
        self.reading = false;
        // Bit 8 of the answer means that there is a character.
        Effect::Answer(answer(command::GETCHAR, 0x100 | u64::from(byte)))
    }
}

fn answer((device, request): (u8, u8), payload: u64) -> u64 {
    u64::from(device) << 56 | u64::from(request) << 48 | payload
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{FakeInputs, through_postcard};
    use super::*;
    use crate::inputs::Moment;
    use crate::units::{Icount, VirtAddr};

    /// One with both words.
    fn both() -> Htif {
        Htif::new(PhysAddr::new(0), Some(PhysAddr::new(8)))
    }

    fn store(htif: &mut Htif, inputs: &mut FakeInputs, value: u64) -> Effect {
        let at = Moment {
            icount: Icount::ZERO,
            hart: 0,
            pc: VirtAddr::new(0),
        };
        htif.store(value, &mut Context { now: 0, at, inputs })
            .unwrap()
    }

    #[test]
    fn exit_codes() {
        let (mut htif, mut inputs) = (
            Htif::new(PhysAddr::new(0x8000_1000), None),
            FakeInputs::default(),
        );
        for (value, effect) in [
            (0, Effect::None),
            (1, Effect::Exit(Request::PowerOff)),
            (7, Effect::Exit(Request::Fail(3))),
            (0x3_0001, Effect::Exit(Request::Fail(u16::MAX))),
            (
                0x8000_2000,
                Effect::Unsupported {
                    device: 0,
                    request: 0,
                    payload: 0x8000_2000,
                },
            ),
            (
                2 << 56,
                Effect::Unsupported {
                    device: 2,
                    request: 0,
                    payload: 0,
                },
            ),
        ] {
            assert_eq!(store(&mut htif, &mut inputs, value), effect, "{value:#x}");
        }
    }

    #[test]
    fn console() {
        let (mut htif, mut inputs) = (both(), FakeInputs::default());
        assert_eq!(
            store(&mut htif, &mut inputs, 0x0101 << 48 | 0x41),
            Effect::Answer(0x0101 << 48)
        );
        assert_eq!(inputs.sent(0), b"A");
        assert_eq!(htif.push_input(b"xy"), Effect::None);
        assert_eq!(
            store(&mut htif, &mut inputs, 1 << 56),
            Effect::Answer(1 << 56 | 0x178)
        );
        assert_eq!(
            store(&mut htif, &mut inputs, 1 << 56),
            Effect::Answer(1 << 56 | 0x179)
        );
        assert_eq!(store(&mut htif, &mut inputs, 1 << 56), Effect::None);
        assert_eq!(htif.push_input(b"zz"), Effect::Answer(1 << 56 | 0x17a));
        assert!(htif.console_used());
        htif.reset();
        assert_eq!((htif.backlog_len(), htif.console_used()), (1, false));
    }

    #[test]
    fn write_call() {
        let mut inputs = FakeInputs::default();
        let mut call = |words: [u64; 4]| {
            let ram = [
                words.iter().flat_map(|w| w.to_le_bytes()).collect(),
                b"hello".to_vec(),
            ]
            .concat();
            let memory = |at: PhysAddr, len: usize| {
                let bytes = ram.get(at.get() as usize..)?.get(..len)?;
                Some(bytes.to_vec())
            };
            let at = Moment {
                icount: Icount::ZERO,
                hart: 0,
                pc: VirtAddr::new(0),
            };
            let mut cx = Context {
                now: 0,
                at,
                inputs: &mut inputs,
            };
            let place = PhysAddr::new(0);
            let mut htif = Htif::new(place, None);
            htif.write_call(place, memory, &mut cx).unwrap()
        };
        assert_eq!(call([64, 1, 32, 5]), Some(5));
        assert_eq!(call([64, 7, 32, 5]), Some(9u64.wrapping_neg()));
        assert_eq!(call([64, 1, 32, u64::MAX]), Some(14u64.wrapping_neg()));
        assert_eq!(call([93, 1, 32, 5]), None);
        assert_eq!(inputs.sent(0), b"hello");
    }

    proptest! {
        #[test]
        fn never_panics_and_round_trips(values in prop::collection::vec(any::<u64>(), 0..20)) {
            let (mut htif, mut inputs) = (both(), FakeInputs::default());
            for value in values {
                store(&mut htif, &mut inputs, value);
                store(&mut htif, &mut inputs, value >> 56 << 48 | value & 0xff);
                prop_assert_eq!(&through_postcard(&htif), &htif);
            }
        }
    }
}
