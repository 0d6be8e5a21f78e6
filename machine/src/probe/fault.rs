//! Fault injection: an instruction gives a wrong result. It exists to test the search for faults.

use crate::units::Icount;
use riscv_isa::Op;
use riscv_isa::table::TABLE;
use std::str::FromStr;

/// An injected fault: bit 0 of an instruction's destination register, or of the value that it
/// stores to RAM, is inverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The first icount at which the fault may happen.
    pub from: Icount,
    /// The fault happens every time this instruction executes. `None`: it happens once, at the
    /// first instruction that has a result and does not trap.
    pub only: Option<Op>,
}

/// Why a text is not a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The icount is not a number.
    #[error("`{0}` is no instruction count")]
    Icount(String),
    /// The mnemonic is not in the instruction table.
    #[error("`{0}` is no instruction")]
    Mnemonic(String),
}

/// Parses `ICOUNT` or `ICOUNT:MNEMONIC`.
impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (from, mnemonic) = match text.split_once(':') {
            Some((from, mnemonic)) => (from, Some(mnemonic)),
            None => (text, None),
        };
        let only = mnemonic.map(|mnemonic| {
            let found = TABLE.iter().find(|entry| entry.mnemonic == mnemonic);
            let op = found.map(|entry| entry.op);
            op.ok_or_else(|| FaultError::Mnemonic(mnemonic.to_owned()))
        });
        Ok(Self {
            from: from
                .parse()
                .map(Icount::new)
                .map_err(|_| FaultError::Icount(from.to_owned()))?,
            only: only.transpose()?,
        })
    }
}

/// An injected fault and its progress.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InjectedFault {
    pub(crate) fault: Fault,
    /// The icount at which it first happened. It stays known when the machine goes back in time.
    pub(crate) at: Option<Icount>,
}

impl InjectedFault {
    /// A fault that has not happened yet.
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, at: None }
    }

    /// Plans a run from `icount` to at most `stop`. Returns the icount at which it must stop, and
    /// whether its next instruction may be faulty. Such an instruction must be executed alone.
    pub(crate) fn stop(&self, icount: Icount, stop: Icount) -> (Icount, bool) {
        let Self { fault, at } = *self;
        let from = at.unwrap_or(fault.from);
        let over = fault.only.is_none() && at.is_some_and(|at| at < icount);
        match icount >= from {
            true if over => (stop, false),
            true => (stop.min(icount.saturating_add(1)), true),
            false => (stop.min(from), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_names() {
        let fault = |from, only| {
            let from = Icount::new(from);
            Ok(Fault { from, only })
        };
        assert_eq!("17".parse(), fault(17, None));
        assert_eq!("0:lbu".parse(), fault(0, Some(Op::Lbu)));
        let error = "0:lbx".parse::<Fault>().unwrap_err();
        assert_eq!(error.to_string(), "`lbx` is no instruction");
        assert!(":lbu".parse::<Fault>().is_err());
    }
}
