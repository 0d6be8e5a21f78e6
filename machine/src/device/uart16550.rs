//! The UART: a 16550A (National Semiconductor PC16550D data sheet, section 8).
//!
//! **No received byte is lost**, at any rate. Input waits in a backlog, which is machine state. The
//! receive FIFO is filled from it at the speed of the line, and only when the FIFO is empty. A byte
//! is dropped only when the guest has read it: if the guest resets the FIFO, as drivers do when
//! they probe, its bytes return to the head of the backlog.
//!
//! **Transmission never blocks**: the transmitter is always empty. Output bytes are buffered, so
//! that the log has one event per line and not one per byte.

mod registers;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{AccessError, Context, Device};
use crate::inputs::{Halted, Output};
use registers::{TRIGGER, fcr, ier, iir, lcr, lsr, mcr, msr, reg};

/// Time of one character at 115200 baud, 8N1, in nanoseconds of virtual time.
pub const CHARACTER_NS: u64 = 86_805;
/// Time of sixteen characters in nanoseconds of virtual time.
pub const FIFO_NS: u64 = 1_388_888;
/// Time without input after the guest resets the receive FIFO, in nanoseconds of virtual time.
/// Drivers read the receive register blindly after the reset, to clear interrupts.
pub const RESET_HOLD_NS: u64 = 10_000_000;
/// Longest time that a byte to send stays buffered, in nanoseconds of virtual time.
pub const FLUSH_NS: u64 = 1_000_000;
/// Number of buffered bytes at which they are sent.
pub const FLUSH_BYTES: usize = 64;

const FIFO_SIZE: usize = 16;

/// The registers and buffers of a 16550A.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uart16550 {
    // Configuration.
    /// Number of the serial port in [`Output::Serial`].
    pub(crate) port: u8,

    // Registers.
    pub(crate) ier: u8,
    pub(crate) fcr: u8,
    pub(crate) lcr: u8,
    pub(crate) mcr: u8,
    pub(crate) scr: u8,
    pub(crate) divisor: [u8; 2],
    /// MSR bits 3:0: changes of the modem lines since the last read.
    pub(crate) modem_changes: u8,
    /// LSR.OE. An overrun is possible only in loopback mode.
    pub(crate) overrun: bool,
    /// "Transmitter holding register empty" is not yet reported in IIR.
    pub(crate) thre_pending: bool,
    /// The same for the interrupt line, which falls earlier: see [`Uart16550::irq`].
    pub(crate) thre_line: bool,

    // Volatile state.
    /// The receive FIFO.
    pub(crate) rx: VecDeque<u8>,
    /// The FIFO contains bytes that the guest sent in loopback mode.
    pub(crate) rx_is_loopback: bool,
    /// Received bytes that are not yet in the FIFO.
    pub(crate) backlog: VecDeque<u8>,
    /// Earliest virtual time (ns) at which the FIFO is filled.
    pub(crate) refill_at: u64,
    /// Bytes to send, and the latest virtual time (ns) at which they are sent.
    pub(crate) output: Vec<u8>,
    pub(crate) flush_at: u64,
}

impl Uart16550 {
    /// A UART in its power-on state. `port` is its number in [`Output::Serial`].
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

    /// Receives bytes from outside at virtual time `now` (ns). It accepts any number.
    pub fn push_input(&mut self, data: &[u8], now: u64) {
        self.backlog.extend(data);
        self.refill(now);
    }

    /// Number of received bytes that are not yet in the FIFO.
    #[must_use]
    pub fn backlog_len(&self) -> usize {
        self.backlog.len()
    }

    /// Sends the buffered bytes. The run loop calls it when the machine idles, stops or resets.
    ///
    /// # Errors
    /// [`Halted`] if the engine stops the machine.
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

    /// The pending interrupt of the highest priority, encoded as in IIR bits 3:0.
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
            // The FIFO is filled only when it is empty, so no further byte can reach it before a
            // timeout.
            iir::TIMEOUT
        } else if self.ier & ier::THRI != 0 && self.thre_pending {
            iir::THRE
        } else if self.modem_interrupt() {
            iir::MODEM
        } else {
            iir::NONE
        }
    }

    /// MSR bits 7:4: the lines of a connected terminal, or the UART's own outputs in loopback mode.
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
        // The other bits are written only together with the enable bit (data sheet, section 8.5).
        let on = value & fcr::ENABLE != 0;
        if switched || (on && value & fcr::RESET_RX != 0) {
            self.return_to_backlog();
            self.refill_at = self.refill_at.max(now.saturating_add(RESET_HOLD_NS));
        }
        self.fcr = if on { value & fcr::KEPT } else { 0 };
    }

    /// Empties the FIFO. Bytes that came over the line return to the backlog.
    fn return_to_backlog(&mut self) {
        let looped = std::mem::take(&mut self.rx_is_loopback);
        let bytes = std::mem::take(&mut self.rx);
        if !looped {
            for byte in bytes.into_iter().rev() {
                self.backlog.push_front(byte);
            }
        }
    }

    /// Fills an empty FIFO from the backlog if it is time.
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

    /// Buffers bytes that the machine's own firmware sends, without the UART's registers.
    ///
    /// # Errors
    /// [`Halted`] if the engine stops the machine.
    pub(crate) fn console_write(
        &mut self,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), Halted> {
        bytes.iter().try_for_each(|&byte| self.send(byte, cx))
    }

    /// Takes the next received byte for the machine's own firmware.
    pub(crate) fn console_read(&mut self) -> Option<u8> {
        match self.rx_is_loopback {
            false => self.rx.pop_front().or_else(|| self.backlog.pop_front()),
            true => self.backlog.pop_front(),
        }
    }

    /// Buffers a byte to send.
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
    /// A wider access reads the register as its low byte, as on QEMU.
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
            // LSR and MSR: a write is meant for factory tests only.
            reg::LSR | reg::MSR => {}
            reg::SCR => self.scr = byte,
            _ => return Err(AccessError::InvalidRegister),
        }
        // The FIFO may be empty now, after a reset of it or the end of loopback mode.
        self.refill(cx.now);
        Ok(())
    }

    /// The level of the interrupt line.
    ///
    /// "Transmitter holding register empty" lowers the line when the guest reads LSR, but stays in
    /// IIR until IIR is read. Some drivers never read IIR (xv6 before February 2023). They work on
    /// QEMU, whose PLIC does not sample the level again at a completion. Here they would be
    /// interrupted without end. No interrupt is lost, because the PLIC keeps the request.
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

    /// Resets the registers. Received bytes and bytes to send are kept: they belong to the line and
    /// not to the guest's driver.
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
