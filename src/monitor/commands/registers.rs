//! A hart's registers as text.

use machine::cpu::Hart;
use riscv_isa::reg;
use std::fmt::Write;

/// The registers as `info registers` shows them.
pub(super) fn show(hart: &Hart) -> String {
    let csrs = &hart.csrs;
    let mut text = format!("CPU#{}\r\n", hart.id);
    // Writing to a string cannot fail.
    let _ = write!(text, " mode     {:?}\r\n", hart.mode);
    for (name, value) in [
        ("pc", hart.pc),
        ("mhartid", u64::from(hart.id)),
        ("mstatus", csrs.mstatus),
        ("mip", csrs.mip()),
        ("mie", csrs.mie),
        ("mideleg", csrs.mideleg),
        ("medeleg", csrs.medeleg),
        ("mtvec", csrs.mtvec),
        ("stvec", csrs.stvec),
        ("mepc", csrs.mepc),
        ("sepc", csrs.sepc),
        ("mcause", csrs.mcause),
        ("scause", csrs.scause),
        ("mtval", csrs.mtval),
        ("stval", csrs.stval),
        ("mscratch", csrs.mscratch),
        ("sscratch", csrs.sscratch),
        ("satp", csrs.satp),
        ("stimecmp", csrs.stimecmp),
        ("fcsr", csrs.fcsr),
    ] {
        let _ = write!(text, " {name:8} {value:016x}\r\n");
    }
    four_a_line(&mut text, 'x', &reg::X, &hart.x);
    four_a_line(&mut text, 'f', &reg::F, &hart.f);
    text
}

fn four_a_line(text: &mut String, letter: char, names: &[&str; 32], values: &[u64; 32]) {
    for (number, (name, value)) in names.iter().zip(values).enumerate() {
        let name = format!("{letter}{number}/{name}");
        let end = if number % 4 == 3 { "\r\n" } else { "" };
        let _ = write!(text, " {name:8} {value:016x}{end}");
    }
}

/// The value of a register by its name: `pc`, `x10`, `a0`.
pub(super) fn value(hart: &Hart, name: &str) -> Option<u64> {
    if name == "pc" {
        return Some(hart.pc);
    }
    let number = match name
        .strip_prefix('x')
        .and_then(|number| number.parse().ok())
    {
        Some(number) => number,
        None if name == "fp" => 8,
        None => reg::X.iter().position(|known| *known == name)?,
    };
    hart.x.get(number).copied()
}
