//! Names of trap causes (volume II 1.12, table 3.6).

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

/// The name of an interrupt, given `mcause` without the interrupt bit.
pub fn interrupt_name(code: u64) -> Option<&'static str> {
    Some(match code {
        1 => "supervisor software interrupt",
        3 => "machine software interrupt",
        5 => "supervisor timer interrupt",
        7 => "machine timer interrupt",
        9 => "supervisor external interrupt",
        11 => "machine external interrupt",
        _ => return None,
    })
}
