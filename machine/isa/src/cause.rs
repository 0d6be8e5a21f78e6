//! Names and numbers of trap causes (volume II 1.12, table 3.6).

/// The name of an exception, given `mcause` without the interrupt bit.
pub fn exception_name(code: u64) -> Option<&'static str> {
    Some(match code {
        0 => "instruction address misaligned",
        1 => "instruction access fault",
        2 => "illegal instruction",
        3 => "breakpoint",
        4 => "load address misaligned",
        5 => "load access fault",
        6 => "store/AMO address misaligned",
        7 => "store/AMO access fault",
        8 => "environment call from U-mode",
        9 => "environment call from S-mode",
        11 => "environment call from M-mode",
        12 => "instruction page fault",
        13 => "load page fault",
        15 => "store/AMO page fault",
        _ => return None,
    })
}

/// Interrupt numbers: codes in `mcause`, bits of `mip` and `mie` (section 3.1.9), and inputs of a
/// hart's local interrupt controller in a devicetree.
pub mod interrupt {
    /// Supervisor software interrupt.
    pub const S_SOFTWARE: u32 = 1;
    /// Machine software interrupt.
    pub const M_SOFTWARE: u32 = 3;
    /// Supervisor timer interrupt.
    pub const S_TIMER: u32 = 5;
    /// Machine timer interrupt.
    pub const M_TIMER: u32 = 7;
    /// Supervisor external interrupt.
    pub const S_EXTERNAL: u32 = 9;
    /// Machine external interrupt.
    pub const M_EXTERNAL: u32 = 11;
}

/// The name of an interrupt, given `mcause` without the interrupt bit.
pub fn interrupt_name(code: u64) -> Option<&'static str> {
    Some(match u32::try_from(code).ok()? {
        interrupt::S_SOFTWARE => "supervisor software interrupt",
        interrupt::M_SOFTWARE => "machine software interrupt",
        interrupt::S_TIMER => "supervisor timer interrupt",
        interrupt::M_TIMER => "machine timer interrupt",
        interrupt::S_EXTERNAL => "supervisor external interrupt",
        interrupt::M_EXTERNAL => "machine external interrupt",
        _ => return None,
    })
}
