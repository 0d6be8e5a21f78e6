//! The SiFive test finisher: the guest ends or restarts the machine with one store.
//!
//! The devicetree bindings are `sifive,test0` (power-off, fail) and `sifive,test1` (reset).

use serde::{Deserialize, Serialize};

use super::{AccessError, Context, Device};

/// Values of bits 15:0 of the register at offset 0.
mod code {
    pub(super) const FAIL: u64 = 0x3333;
    pub(super) const PASS: u64 = 0x5555;
    pub(super) const RESET: u64 = 0x7777;
}

/// The guest's request to end or restart the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Power off, with success.
    PowerOff,
    /// Reset the machine.
    Reset,
    /// Power off, with this exit code.
    Fail(u16),
    /// The machine has its own SBI, and a trap went to M-mode, where no handler exists.
    NoFirmware,
}

/// The test finisher of the board.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestFinisher {
    pub(crate) request: Option<Request>,
}

impl TestFinisher {
    /// A test finisher without a request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The guest's request, if it has not been taken.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        self.request
    }

    /// Takes the guest's request.
    pub fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }
}

impl Device for TestFinisher {
    fn read(&mut self, _offset: u64, _size: u8, _cx: &mut Context<'_>) -> Result<u64, AccessError> {
        Ok(0)
    }

    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        _cx: &mut Context<'_>,
    ) -> Result<(), AccessError> {
        if offset != 0 {
            return Err(AccessError::InvalidRegister);
        }
        if size == 1 {
            return Err(AccessError::InvalidAccessSize);
        }
        let status = (value >> 16 & 0xffff) as u16;
        match value & 0xffff {
            code::FAIL => self.request = Some(Request::Fail(status)),
            code::PASS => self.request = Some(Request::PowerOff),
            code::RESET => self.request = Some(Request::Reset),
            // Other values have no effect.
            _ => {}
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.request = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Bench, exercise, steps};
    use super::*;

    #[test]
    fn requests() {
        let mut bench = Bench::new(TestFinisher::new());
        for (value, request) in [
            (0x5555, Some(Request::PowerOff)),
            (0x7777, Some(Request::Reset)),
            (0x002a_3333, Some(Request::Fail(42))),
            (0x1234, None),
        ] {
            bench.w32(0, value);
            assert_eq!(bench.dev.request(), request);
            assert_eq!(bench.dev.take_request(), request);
            assert_eq!(bench.dev.take_request(), None);
        }
        bench.write(0, 2, 0x5555).unwrap();
        assert_eq!(bench.dev.take_request(), Some(Request::PowerOff));
        assert_eq!(bench.write(4, 4, 0x5555), Err(AccessError::InvalidRegister));
        assert_eq!(bench.write(0, 1, 0x55), Err(AccessError::InvalidAccessSize));
        assert_eq!(bench.r32(0), 0);
    }

    proptest! {
        #[test]
        fn never_panics_and_has_no_hidden_state(steps in steps(0x1000)) {
            exercise(TestFinisher::new(), &steps);
        }
    }
}
