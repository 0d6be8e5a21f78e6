//! Registers of the 16550A and their bits, with the names of the data sheet and of Linux.

/// Offsets of the registers (data sheet, table II). If LCR.DLAB is set, the first two are the
/// divisor.
pub(crate) mod reg {
    /// RBR (read), THR (write), DLL.
    pub(crate) const DATA: u64 = 0;
    /// IER, DLM.
    pub(crate) const IER: u64 = 1;
    /// IIR (read), FCR (write).
    pub(crate) const IIR: u64 = 2;
    pub(crate) const LCR: u64 = 3;
    pub(crate) const MCR: u64 = 4;
    pub(crate) const LSR: u64 = 5;
    pub(crate) const MSR: u64 = 6;
    pub(crate) const SCR: u64 = 7;
}

/// Bits of IER.
pub(crate) mod ier {
    pub(crate) const RDI: u8 = 1;
    pub(crate) const THRI: u8 = 2;
    pub(crate) const RLSI: u8 = 4;
    pub(crate) const MSI: u8 = 8;
    pub(crate) const ALL: u8 = 0xf;
}

/// Values of IIR, by falling priority.
pub(crate) mod iir {
    pub(crate) const LINE_STATUS: u8 = 0x6;
    pub(crate) const DATA: u8 = 0x4;
    pub(crate) const TIMEOUT: u8 = 0xc;
    pub(crate) const THRE: u8 = 0x2;
    pub(crate) const MODEM: u8 = 0x0;
    pub(crate) const NONE: u8 = 0x1;
    pub(crate) const FIFOS_ON: u8 = 0xc0;
}

/// Bits of FCR.
pub(crate) mod fcr {
    pub(crate) const ENABLE: u8 = 1;
    pub(crate) const RESET_RX: u8 = 2;
    /// The bits that a write stores: enable, DMA mode, trigger level.
    pub(crate) const KEPT: u8 = 0xc9;
    pub(crate) const TRIGGER_SHIFT: u32 = 6;
}

/// Bits of LCR.
pub(crate) mod lcr {
    pub(crate) const DLAB: u8 = 0x80;
}

/// Bits of MCR.
pub(crate) mod mcr {
    pub(crate) const DTR: u8 = 1;
    pub(crate) const RTS: u8 = 2;
    pub(crate) const OUT1: u8 = 4;
    pub(crate) const OUT2: u8 = 8;
    pub(crate) const LOOP: u8 = 0x10;
    pub(crate) const ALL: u8 = 0x1f;
}

/// Bits of LSR.
pub(crate) mod lsr {
    pub(crate) const DR: u8 = 1;
    pub(crate) const OE: u8 = 2;
    pub(crate) const THRE: u8 = 0x20;
    pub(crate) const TEMT: u8 = 0x40;
}

/// Bits of MSR. The low half has the changes since the last read.
pub(crate) mod msr {
    /// Trailing edge of the ring indicator: only the fall of the line sets it.
    pub(crate) const TERI: u8 = 4;
    pub(crate) const CTS: u8 = 0x10;
    pub(crate) const DSR: u8 = 0x20;
    pub(crate) const RI: u8 = 0x40;
    pub(crate) const DCD: u8 = 0x80;
    /// The levels of the modem lines with a connected terminal.
    pub(crate) const CONNECTED: u8 = CTS | DSR | DCD;
}

/// Receive trigger levels in bytes, by FCR bits 7:6.
pub(crate) const TRIGGER: [usize; 4] = [1, 4, 8, 14];
