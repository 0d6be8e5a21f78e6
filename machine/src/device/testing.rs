//! Support for the tests of devices: inputs of a test, a bench that calls one device, and random
//! sequences of accesses.

use crate::units::{Icount, VirtAddr};
use std::fmt::Debug;

use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use super::{AccessError, Context, Device};
use crate::inputs::{Halted, Inputs, Mark, Moment, Output};

/// The inputs of a test: a clock that can be set, and records of all calls.
#[derive(Debug, Default)]
pub(crate) struct FakeInputs {
    /// The time that [`Inputs::host_clock`] returns.
    pub(crate) clock: i64,
    /// Number of calls of [`Inputs::host_clock`].
    pub(crate) clock_reads: u32,
    /// The port and the bytes of each [`Output::Serial`].
    pub(crate) serial: Vec<(u8, Vec<u8>)>,
    /// Return [`Halted`] from every call.
    pub(crate) halted: bool,
}

impl FakeInputs {
    /// All bytes sent to a port, concatenated.
    pub(crate) fn sent(&self, port: u8) -> Vec<u8> {
        let of_port = self.serial.iter().filter(|(p, _)| *p == port);
        of_port.flat_map(|(_, data)| data.clone()).collect()
    }

    fn gate(&self) -> Result<(), Halted> {
        if self.halted { Err(Halted) } else { Ok(()) }
    }
}

impl Inputs for FakeInputs {
    fn host_clock(&mut self, _at: Moment) -> Result<i64, Halted> {
        self.gate()?;
        self.clock_reads += 1;
        Ok(self.clock)
    }

    fn output(&mut self, _at: Moment, output: Output<'_>) -> Result<(), Halted> {
        self.gate()?;
        if let Output::Serial { port, data } = output {
            self.serial.push((port, data.to_vec()));
        }
        Ok(())
    }

    fn mark(&mut self, _at: Moment, _mark: Mark) -> Result<(), Halted> {
        self.gate()
    }
}

/// A device under test. Virtual time changes only by [`Bench::advance`].
#[derive(Debug)]
pub(crate) struct Bench<D> {
    pub(crate) dev: D,
    pub(crate) now: u64,
    pub(crate) inputs: FakeInputs,
}

impl<D: Device> Bench<D> {
    pub(crate) fn new(dev: D) -> Self {
        Self {
            dev,
            now: 0,
            inputs: FakeInputs::default(),
        }
    }

    /// Calls `f` with the device and a context at the current virtual time.
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut D, &mut Context<'_>) -> R) -> R {
        let at = Moment {
            // One instruction takes a nanosecond here.
            icount: Icount::new(self.now),
            hart: 0,
            pc: VirtAddr::new(0x8000_0000),
        };
        let mut cx = Context {
            now: self.now,
            at,
            inputs: &mut self.inputs,
        };
        f(&mut self.dev, &mut cx)
    }

    pub(crate) fn read(&mut self, offset: u64, size: u8) -> Result<u64, AccessError> {
        self.with(|dev, cx| dev.read(offset, size, cx))
    }

    pub(crate) fn write(&mut self, offset: u64, size: u8, value: u64) -> Result<(), AccessError> {
        self.with(|dev, cx| dev.write(offset, size, value, cx))
    }

    pub(crate) fn r8(&mut self, offset: u64) -> u8 {
        u8::try_from(self.read(offset, 1).unwrap()).unwrap()
    }

    pub(crate) fn w8(&mut self, offset: u64, value: u8) {
        self.write(offset, 1, value.into()).unwrap();
    }

    pub(crate) fn r32(&mut self, offset: u64) -> u32 {
        u32::try_from(self.read(offset, 4).unwrap()).unwrap()
    }

    pub(crate) fn w32(&mut self, offset: u64, value: u32) {
        self.write(offset, 4, value.into()).unwrap();
    }

    /// Advances virtual time by `ns`, with a tick at each deadline on the way.
    pub(crate) fn advance(&mut self, ns: u64) {
        let end = self.now.saturating_add(ns);
        let mut ticks = 0;
        while let Some(due) = self.dev.deadline().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.with(|dev, cx| dev.tick(cx)).unwrap();
            ticks += 1;
            assert!(ticks < 100_000, "a tick must move the deadline on");
        }
        self.now = end;
    }
}

/// A step of a random test.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Read(u64, u8),
    Write(u64, u8, u64),
    Advance(u64),
    Reset,
}

/// Random steps in a window of `span` bytes. Low offsets are frequent, as registers are there.
pub(crate) fn steps(span: u64) -> impl Strategy<Value = Vec<Step>> {
    let aligned = move || (0..span / 4).prop_map(|n| n * 4);
    let offset = move || prop_oneof![4 => 0..0x20u64.min(span), 2 => aligned(), 1 => 0..span];
    let size = || prop_oneof![Just(1u8), Just(2), Just(4), Just(8)];
    let value = prop_oneof![0..=0xffu64, any::<u64>(), Just(0), Just(u64::MAX)];
    let step = prop_oneof![
        8 => (offset(), size()).prop_map(|(o, s)| Step::Read(o, s)),
        8 => (offset(), size(), value).prop_map(|(o, s, v)| Step::Write(o, s, v)),
        3 => (0..3_000_000u64).prop_map(Step::Advance),
        1 => Just(Step::Reset),
    ];
    prop::collection::vec(step, 1..60)
}

/// Saves and restores a device through postcard.
pub(crate) fn through_postcard<D: Serialize + DeserializeOwned>(dev: &D) -> D {
    postcard::from_bytes(&postcard::to_stdvec(dev).unwrap()).unwrap()
}

fn play<D: Device>(bench: &mut Bench<D>, step: &Step) -> Option<Result<u64, AccessError>> {
    match *step {
        Step::Read(offset, size) => {
            let answer = bench.read(offset, size);
            if let (Ok(value), true) = (answer, size < 8) {
                assert!(
                    value >> (u32::from(size) * 8) == 0,
                    "{step:?} is wider than asked"
                );
            }
            Some(answer)
        }
        Step::Write(offset, size, value) => Some(bench.write(offset, size, value).map(|()| 0)),
        Step::Advance(ns) => {
            bench.advance(ns);
            None
        }
        Step::Reset => {
            bench.dev.reset();
            None
        }
    }
}

/// Runs the steps on a device and on a copy that is saved and restored before each step. No step
/// may panic, and the two must stay equal: there is no state outside the saved fields.
pub(crate) fn exercise<D>(dev: D, steps: &[Step])
where
    D: Device + Serialize + DeserializeOwned + PartialEq + Debug + Clone,
{
    let mut original = Bench::new(dev.clone());
    let mut twin = Bench::new(dev);
    for step in steps {
        twin.dev = through_postcard(&twin.dev);
        assert_eq!(play(&mut original, step), play(&mut twin, step), "{step:?}");
        assert_eq!(original.dev, twin.dev, "{step:?}");
    }
    assert_eq!(original.inputs.serial, twin.inputs.serial);
}
