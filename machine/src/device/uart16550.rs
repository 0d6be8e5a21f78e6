//! The serial port: a 16550A, as in the National Semiconductor PC16550D data sheet, section 8.
//!
//! **No received byte is lost**, however fast the host sends: what comes from outside waits in a
//! backlog that is machine state, and the receive FIFO is filled from it at the speed of the line,
//! only when it is empty. A byte leaves the machine's care only when the guest reads it: where the
//! guest resets the FIFO, as drivers do when they probe, the bytes go back to the head of the
//! backlog.
//!
//! **Transmission never blocks**: the transmitter is always empty. Bytes gather, so that the log has
//! an event a line and not one a byte.

mod registers;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{AccessError, Context, Device};
use crate::inputs::{Halted, Output};
use registers::{TRIGGER, fcr, ier, iir, lcr, lsr, mcr, msr, reg};

/// One character at 115200 baud, 8N1, in nanoseconds of virtual time.
pub const CHARACTER_NS: u64 = 86_805;
/// Sixteen characters.
pub const FIFO_NS: u64 = 1_388_888;
/// After the guest resets the receiver nothing arrives for this long: drivers follow the reset with
/// blind reads of the receive register, to clear interrupts.
pub const RESET_HOLD_NS: u64 = 10_000_000;
/// How long the first of the bytes to send may wait for others.
pub const FLUSH_NS: u64 = 1_000_000;
/// The bytes to send go out when there are this many.
pub const FLUSH_BYTES: usize = 64;

const FIFO_SIZE: usize = 16;

/// A 16550A on the serial line `port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uart16550 {
    // Configuration.
    /// Its number at the door.
    pub(crate) port: u8,

    // Registers.
    pub(crate) ier: u8,
    pub(crate) fcr: u8,
    pub(crate) lcr: u8,
    pub(crate) mcr: u8,
    pub(crate) scr: u8,
    pub(crate) divisor: [u8; 2],
    /// MSR bits 3:0.
    pub(crate) modem_changes: u8,
    /// LSR.OE; only loopback can overrun.
    pub(crate) overrun: bool,
    /// "Transmitter holding register empty" waits to be reported in IIR.
    pub(crate) thre_pending: bool,
    /// The same for the interrupt line, which drops earlier: see [`Uart16550::irq`].
    pub(crate) thre_line: bool,

    // Volatile state.
    /// The receive FIFO.
    pub(crate) rx: VecDeque<u8>,
    /// The FIFO holds what the guest sent to itself.
    pub(crate) rx_is_loopback: bool,
    /// Received bytes that have not reached the FIFO.
    pub(crate) backlog: VecDeque<u8>,
    /// Virtual time (ns) before which the FIFO is not filled.
    pub(crate) refill_at: u64,
    /// Bytes to send, and the virtual time (ns) at which they go at the latest.
    pub(crate) output: Vec<u8>,
    pub(crate) flush_at: u64,
}

impl Uart16550 {
    /// The port in its power-on state; `port` is its number at the door.
    #[must_use]
    pub fn new(port: u8) -> Self {
        Self {
            port,
            ier: 0,
            fcr: 0,
            lcr: 0,
            mcr: mcr::OUT2,
            scr: 0,
            divisor: [12, 0],
            modem_changes: 0,
            overrun: false,
            thre_pending: false,
            thre_line: false,
            rx: VecDeque::new(),
            rx_is_loopback: false,
            backlog: VecDeque::new(),
            refill_at: 0,
            output: Vec::new(),
            flush_at: 0,
        }
    }

    /// Bytes arrive from outside at virtual time `now` (ns). None is ever refused.
    pub fn push_input(&mut self, data: &[u8], now: u64) {
        self.backlog.extend(data);
        self.refill(now);
    }

    /// Received bytes that have not yet reached the FIFO.
    #[must_use]
    pub fn backlog_len(&self) -> usize {
        self.backlog.len()
    }

    /// Hands the gathered bytes to the outside. For the run loop: when the machine idles, stops or
    /// resets.
    ///
    /// # Errors
    /// [`Halted`] where the engine stops the machine.
    pub fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), Halted> {
        if self.output.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.output);
        let (port, data) = (self.port, bytes.as_slice());
        cx.inputs.output(cx.at, Output::Serial { port, data })
    }

    fn fifos_on(&self) -> bool {
        self.fcr & fcr::ENABLE != 0
    }

    fn loopback(&self) -> bool {
        self.mcr & mcr::LOOP != 0
    }

    fn rx_capacity(&self) -> usize {
        if self.fifos_on() { FIFO_SIZE } else { 1 }
    }

    fn modem_interrupt(&self) -> bool {
        self.ier & ier::MSI != 0 && self.modem_changes != 0
    }

    /// The interrupt of the highest priority, as in IIR bits 3:0.
    fn cause(&self) -> u8 {
        let trigger = match self.fifos_on() {
            true => TRIGGER[usize::from(self.fcr >> fcr::TRIGGER_SHIFT)],
            false => 1,
        };
        if self.ier & ier::RLSI != 0 && self.overrun {
            iir::LINE_STATUS
        } else if self.ier & ier::RDI != 0 && self.rx.len() >= trigger {
            iir::DATA
        } else if self.ier & ier::RDI != 0 && !self.rx.is_empty() {
            // Nothing is added before the guest has drained the FIFO, so there is nothing to wait for.
            iir::TIMEOUT
        } else if self.ier & ier::THRI != 0 && self.thre_pending {
            iir::THRE
        } else if self.modem_interrupt() {
            iir::MODEM
        } else {
            iir::NONE
        }
    }

    /// MSR bits 7:4: the terminal's lines, or the port's own in loopback.
    fn modem_lines(&self) -> u8 {
        if !self.loopback() {
            return msr::CONNECTED;
        }
        let wires = [
            (mcr::RTS, msr::CTS),
            (mcr::DTR, msr::DSR),
            (mcr::OUT1, msr::RI),
            (mcr::OUT2, msr::DCD),
        ];
        wires
            .iter()
            .filter(|(out, _)| self.mcr & out != 0)
            .fold(0, |lines, (_, line)| lines | line)
    }

    fn set_mcr(&mut self, value: u8) {
        let before = self.modem_lines();
        let was_loopback = self.loopback();
        self.mcr = value & mcr::ALL;
        if self.loopback() && !was_loopback {
            self.return_to_backlog();
        }
        let after = self.modem_lines();
        let mut changes = (before ^ after) >> 4;
        if after & msr::RI != 0 {
            changes &= !msr::TERI;
        }
        self.modem_changes |= changes;
    }

    fn set_ier(&mut self, value: u8) {
        let enabled = value & !self.ier & ier::THRI != 0;
        self.ier = value & ier::ALL;
        if enabled {
            self.raise_thre();
        }
    }

    fn raise_thre(&mut self) {
        self.thre_pending = true;
        self.thre_line = true;
    }

    fn set_fcr(&mut self, value: u8, now: u64) {
        let switched = (value ^ self.fcr) & fcr::ENABLE != 0;
        // The other bits are taken only together with the enable bit (data sheet, 8.5).
        let on = value & fcr::ENABLE != 0;
        if switched || (on && value & fcr::RESET_RX != 0) {
            self.return_to_backlog();
            self.refill_at = self.refill_at.max(now.saturating_add(RESET_HOLD_NS));
        }
        self.fcr = if on { value & fcr::KEPT } else { 0 };
    }

    /// Empties the FIFO without losing what came over the line.
    fn return_to_backlog(&mut self) {
        let looped = std::mem::take(&mut self.rx_is_loopback);
        let bytes = std::mem::take(&mut self.rx);
        if !looped {
            for byte in bytes.into_iter().rev() {
                self.backlog.push_front(byte);
            }
        }
    }

    /// Fills an empty FIFO from the backlog when the time has come.
    pub(crate) fn refill(&mut self, now: u64) {
        if self.refill_due().is_none_or(|due| due > now) {
            return;
        }
        let count = self.backlog.len().min(self.rx_capacity());
        self.rx.extend(self.backlog.drain(..count));
        let period = if self.fifos_on() {
            FIFO_NS
        } else {
            CHARACTER_NS
        };
        self.refill_at = now.saturating_add(period);
    }

    fn refill_due(&self) -> Option<u64> {
        let wanted = self.rx.is_empty() && !self.backlog.is_empty() && !self.loopback();
        wanted.then_some(self.refill_at)
    }

    fn flush_due(&self) -> Option<u64> {
        (!self.output.is_empty()).then_some(self.flush_at)
    }

    fn receive(&mut self, now: u64) -> u8 {
        let byte = self.rx.pop_front().unwrap_or(0);
        if self.rx.is_empty() {
            self.rx_is_loopback = false;
            self.refill(now);
        }
        byte
    }

    fn transmit(&mut self, byte: u8, cx: &mut Context<'_>) -> Result<(), Halted> {
        self.raise_thre();
        if self.loopback() {
            if self.rx.len() < self.rx_capacity() {
                self.rx.push_back(byte);
                self.rx_is_loopback = true;
            } else {
                self.overrun = true;
            }
            return Ok(());
        }
        self.send(byte, cx)
    }

    /// Bytes for the line that do not pass through the port's registers: firmware's own.
    ///
    /// # Errors
    /// [`Halted`] where the engine stops the machine.
    pub(crate) fn console_write(
        &mut self,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), Halted> {
        bytes.iter().try_for_each(|&byte| self.send(byte, cx))
    }

    /// The next byte that came over the line, for firmware.
    pub(crate) fn console_read(&mut self) -> Option<u8> {
        match self.rx_is_loopback {
            false => self.rx.pop_front().or_else(|| self.backlog.pop_front()),
            true => self.backlog.pop_front(),
        }
    }

    /// Gathers a byte to send.
    fn send(&mut self, byte: u8, cx: &mut Context<'_>) -> Result<(), Halted> {
        if self.output.is_empty() {
            self.flush_at = cx.now.saturating_add(FLUSH_NS);
        }
        self.output.push(byte);
        if self.output.len() >= FLUSH_BYTES {
            self.flush(cx)
        } else {
            Ok(())
        }
    }

    fn line_status(&mut self) -> u8 {
        let ready = if self.rx.is_empty() { 0 } else { lsr::DR };
        let overrun = if std::mem::take(&mut self.overrun) {
            lsr::OE
        } else {
            0
        };
        self.thre_line = false;
        lsr::THRE | lsr::TEMT | ready | overrun
    }

    fn interrupt_identification(&mut self) -> u8 {
        let cause = self.cause();
        if cause == iir::THRE {
            self.thre_pending = false;
            self.thre_line = false;
        }
        if self.fifos_on() {
            cause | iir::FIFOS_ON
        } else {
            cause
        }
    }
}

impl Device for Uart16550 {
    /// Wider accesses reach the low byte, as on QEMU.
    fn read(&mut self, offset: u64, _size: u8, cx: &mut Context<'_>) -> Result<u64, AccessError> {
        let divisor = self.lcr & lcr::DLAB != 0;
        Ok(u64::from(match offset {
            reg::DATA if divisor => self.divisor[0],
            reg::IER if divisor => self.divisor[1],
            reg::DATA => self.receive(cx.now),
            reg::IER => self.ier,
            reg::IIR => self.interrupt_identification(),
            reg::LCR => self.lcr,
            reg::MCR => self.mcr,
            reg::LSR => self.line_status(),
            reg::MSR => self.modem_lines() | std::mem::take(&mut self.modem_changes),
            reg::SCR => self.scr,
            _ => return Err(AccessError::InvalidRegister),
        }))
    }

    fn write(
        &mut self,
        offset: u64,
        _size: u8,
        value: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), AccessError> {
        let divisor = self.lcr & lcr::DLAB != 0;
        let byte = (value & 0xff) as u8;
        match offset {
            reg::DATA if divisor => self.divisor[0] = byte,
            reg::IER if divisor => self.divisor[1] = byte,
            reg::DATA => self.transmit(byte, cx)?,
            reg::IER => self.set_ier(byte),
            reg::IIR => self.set_fcr(byte, cx.now),
            reg::LCR => self.lcr = byte,
            reg::MCR => self.set_mcr(byte),
            // The status registers: writes are for factory tests.
            reg::LSR | reg::MSR => {}
            reg::SCR => self.scr = byte,
            _ => return Err(AccessError::InvalidRegister),
        }
        // Leaving loopback, or a reset of the receiver, may have made room.
        self.refill(cx.now);
        Ok(())
    }

    /// The interrupt line.
    ///
    /// "Transmitter empty" leaves the line when the guest reads LSR, though it stays in IIR until
    /// that is read: drivers that never read IIR (xv6 before February 2023) work on QEMU, whose PLIC
    /// does not look at the level again on completion, and would be interrupted without end here.
    /// The PLIC keeps the request, so none gets lost.
    fn irq(&self) -> bool {
        match self.cause() {
            iir::NONE => false,
            iir::THRE => self.thre_line || self.modem_interrupt(),
            _ => true,
        }
    }

    fn deadline(&self) -> Option<u64> {
        self.refill_due().into_iter().chain(self.flush_due()).min()
    }

    fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), Halted> {
        self.refill(cx.now);
        match self.flush_due() {
            Some(due) if due <= cx.now => self.flush(cx),
            _ => Ok(()),
        }
    }

    /// What came from outside stays: it is on its way to the guest, whoever that is by then. So does
    /// what is to be sent.
    fn reset(&mut self) {
        self.return_to_backlog();
        let backlog = std::mem::take(&mut self.backlog);
        let output = std::mem::take(&mut self.output);
        let (refill_at, flush_at) = (self.refill_at, self.flush_at);
        *self = Self {
            backlog,
            output,
            refill_at,
            flush_at,
            ..Self::new(self.port)
        };
    }
}

#[cfg(test)]
mod tests;
