//! A planted fault: an instruction gives a wrong result, so that what hunts for faults can be
//! tested. For tests alone.

use crate::units::Icount;
use riscv_isa::Op;
use riscv_isa::table::TABLE;
use std::str::FromStr;

/// Which instruction goes wrong: bit 0 of its destination register, or of what it stores to RAM, is
/// inverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// From this instruction count on.
    pub from: Icount,
    /// Each time this one is executed; `None`: once, the first that has a result and does not trap.
    pub only: Option<Op>,
}

/// Text that names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No number of instructions.
    #[error("`{0}` is no instruction count")]
    Icount(String),
    /// No instruction of the table.
    #[error("`{0}` is no instruction")]
    Mnemonic(String),
}

/// `ICOUNT` or `ICOUNT:MNEMONIC`.
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

/// A fault, and what has come of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planted {
    pub(crate) fault: Fault,
    /// Where it first went wrong. Known from then on, also where the machine goes back.
    pub(crate) at: Option<Icount>,
}

impl Planted {
    /// One that has not gone wrong yet.
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, at: None }
    }

    /// With `icount` instructions executed and a run that may go on to `stop`: where it must come
    /// back so that each instruction that may go wrong is executed alone, and whether the next one
    /// may.
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
