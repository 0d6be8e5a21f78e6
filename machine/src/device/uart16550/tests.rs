//! Tests of the UART's registers.

use proptest::prelude::*;

use super::super::testing::{Bench, exercise, steps, through_postcard};
use super::*;

const FIFOS_ON: u8 = 0x07;

fn bench() -> Bench<Uart16550> {
    Bench::new(Uart16550::new(0))
}

fn push(bench: &mut Bench<Uart16550>, data: &[u8]) {
    let now = bench.now;
    bench.dev.push_input(data, now);
}

/// A UART with its FIFOs enabled, after the time without input that follows their reset.
fn bench_with_fifos(trigger: u8) -> Bench<Uart16550> {
    let mut bench = bench();
    bench.w8(reg::IIR, FIFOS_ON | trigger << 6);
    bench.advance(RESET_HOLD_NS);
    bench
}

/// Reads bytes while LSR reports data.
fn drain(bench: &mut Bench<Uart16550>) -> Vec<u8> {
    let mut got = Vec::new();
    while bench.r8(reg::LSR) & lsr::DR != 0 {
        got.push(bench.r8(reg::DATA));
    }
    got
}

#[test]
fn power_on_state() {
    let mut bench = bench();
    assert_eq!(bench.r8(reg::IER), 0);
    assert_eq!(bench.r8(reg::IIR), iir::NONE);
    assert_eq!(bench.r8(reg::LSR), 0x60);
    assert_eq!(bench.r8(reg::MSR), 0xb0);
    assert_eq!(bench.r8(reg::DATA), 0);
    assert_eq!(bench.dev.deadline(), None);
    assert!(!bench.dev.irq());
    assert_eq!(bench.read(8, 1), Err(AccessError::InvalidRegister));
}

#[test]
fn divisor_latch_hides_data_and_ier() {
    let mut bench = bench();
    bench.w8(reg::LCR, 0x83);
    bench.w8(reg::DATA, 0x34);
    bench.w8(reg::IER, 0x12);
    assert_eq!((bench.r8(0), bench.r8(1)), (0x34, 0x12));
    bench.w8(reg::LCR, 0x03);
    assert_eq!(bench.r8(reg::IER), 0);
    assert!(bench.dev.output.is_empty());
}

#[test]
fn wide_accesses_reach_the_low_byte() {
    let mut bench = bench();
    bench.write(reg::SCR, 4, 0xdead_beef).unwrap();
    assert_eq!(bench.read(reg::SCR, 4), Ok(0xef));
}

#[test]
fn input_fills_the_fifo_at_the_speed_of_the_line() {
    let mut bench = bench_with_fifos(2);
    bench.w8(reg::IER, ier::RDI);
    let data: Vec<u8> = (0..40).collect();
    push(&mut bench, &data);
    assert_eq!(bench.dev.backlog_len(), 24, "the first sixteen at once");
    assert_eq!(bench.r8(reg::IIR), 0xc4);
    assert_eq!(drain(&mut bench), data[..16]);
    assert!(!bench.dev.irq());
    assert_eq!(bench.dev.deadline(), Some(bench.now + FIFO_NS));
    bench.advance(FIFO_NS - 1);
    assert!(!bench.dev.irq());
    bench.advance(1);
    assert!(bench.dev.irq());
    assert_eq!(drain(&mut bench), data[16..32]);
    bench.advance(10 * FIFO_NS);
    assert_eq!(
        bench.r8(reg::IIR),
        0xc4,
        "eight bytes are the trigger level"
    );
    assert_eq!(drain(&mut bench), data[32..]);
}

#[test]
fn below_the_trigger_level_the_timeout_comes_at_once() {
    let mut bench = bench_with_fifos(3);
    bench.w8(reg::IER, ier::RDI);
    push(&mut bench, b"ab");
    assert!(bench.dev.irq());
    assert_eq!(bench.r8(reg::IIR), 0xcc);
    assert_eq!(drain(&mut bench), b"ab");
    assert_eq!(bench.r8(reg::IIR), 0xc1);
}

#[test]
fn without_fifos_one_byte_a_character_time() {
    let mut bench = bench();
    bench.w8(reg::IER, ier::RDI);
    push(&mut bench, b"abc");
    assert_eq!(bench.r8(reg::IIR), 0x04);
    assert_eq!(drain(&mut bench), b"a");
    bench.advance(CHARACTER_NS);
    assert_eq!(drain(&mut bench), b"b");
    bench.advance(CHARACTER_NS);
    assert_eq!(drain(&mut bench), b"c");
}

/// A Linux driver probes and opens the port. No byte that was received before may be lost.
#[test]
fn bytes_survive_the_resets_of_a_probe() {
    let mut bench = bench();
    push(&mut bench, b"typed before the guest was up");
    bench.advance(50_000_000);
    for fcr in [0x01, 0x07, 0x00, 0x01, 0x07] {
        bench.w8(reg::IIR, fcr);
        assert_eq!(bench.r8(reg::LSR) & lsr::DR, 0);
        assert_eq!(
            bench.r8(reg::DATA),
            0,
            "the blind read that clears interrupts"
        );
        bench.advance(1_000_000);
    }
    bench.w8(reg::IER, ier::RDI);
    let mut got = Vec::new();
    for _ in 0..20 {
        bench.advance(FIFO_NS);
        got.extend(drain(&mut bench));
    }
    assert_eq!(got, b"typed before the guest was up");
}

#[test]
fn transmitter_interrupt() {
    let mut bench = bench_with_fifos(0);
    bench.w8(reg::IER, ier::THRI);
    assert!(bench.dev.irq());
    assert_eq!(bench.r8(reg::IIR), 0xc2);
    assert_eq!(bench.r8(reg::IIR), 0xc1, "reading IIR acknowledges");
    assert!(!bench.dev.irq());
    bench.w8(reg::DATA, b'x');
    assert!(bench.dev.irq());
    // Disabling and enabling it raises the interrupt again. Linux tests that.
    assert_eq!(bench.r8(reg::IIR), 0xc2);
    bench.w8(reg::IER, 0);
    bench.w8(reg::IER, ier::THRI);
    assert_eq!(bench.r8(reg::IIR), 0xc2);
    // Received data has priority, and does not clear the transmitter's interrupt.
    bench.w8(reg::DATA, b'y');
    bench.w8(reg::IER, ier::THRI | ier::RDI);
    push(&mut bench, b"z");
    assert_eq!(bench.r8(reg::IIR), 0xc4);
    bench.r8(reg::DATA);
    assert_eq!(bench.r8(reg::IIR), 0xc2);
}

/// xv6 before February 2023 reads LSR in its interrupt handler and never reads IIR.
#[test]
fn reading_lsr_lowers_the_line_and_not_iir() {
    let mut bench = bench();
    bench.w8(reg::IER, ier::THRI | ier::RDI);
    assert!(bench.dev.irq());
    bench.r8(reg::LSR);
    assert!(!bench.dev.irq());
    assert_eq!(bench.r8(reg::IIR), iir::THRE);
}

/// The interrupt handler of old xv6: claim, read LSR, send, complete. The level gateway of the PLIC
/// must not interrupt it without end, and each byte that was sent must raise an interrupt.
#[test]
fn a_driver_that_never_reads_iir_is_not_interrupted_without_end() {
    use crate::device::plic::Plic;

    let mut plic = Bench::new(Plic::new(1));
    plic.w32(10 * 4, 1);
    plic.w32(0x2080, 1 << 10);
    let mut uart = bench();
    uart.w8(reg::IER, ier::THRI | ier::RDI);
    let (mut to_send, mut interrupts) = (3, 0);
    loop {
        plic.dev.set_level(10, uart.dev.irq());
        if !plic.dev.external(1) {
            break;
        }
        interrupts += 1;
        assert!(interrupts < 10);
        assert_eq!(plic.r32(0x20_1004), 10);
        assert!(drain(&mut uart).is_empty());
        if to_send > 0 {
            to_send -= 1;
            uart.w8(reg::DATA, b'x');
        }
        plic.dev.set_level(10, uart.dev.irq());
        plic.w32(0x20_1004, 10);
    }
    assert_eq!((to_send, interrupts), (0, 4));
}

#[test]
fn output_gathers_until_64_bytes_or_a_millisecond() {
    let mut bench = bench();
    for byte in 0..70 {
        bench.w8(reg::DATA, byte);
        assert_eq!(bench.r8(reg::LSR) & 0x60, 0x60);
    }
    assert_eq!(bench.inputs.serial, [(0, (0..64).collect())]);
    bench.advance(FLUSH_NS - 1);
    assert_eq!(bench.inputs.serial.len(), 1);
    bench.advance(1);
    assert_eq!(bench.inputs.serial[1], (0, (64..70).collect()));
    bench.w8(reg::DATA, b'!');
    bench.with(|dev, cx| dev.flush(cx)).unwrap();
    bench.with(|dev, cx| dev.flush(cx)).unwrap();
    assert_eq!(
        bench.inputs.serial.len(),
        3,
        "an empty flush writes nothing"
    );
    bench.inputs.halted = true;
    bench.w8(reg::DATA, b'?');
    assert_eq!(bench.with(|dev, cx| dev.flush(cx)), Err(Halted));
}

#[test]
fn loopback_data_and_overrun() {
    let mut bench = bench_with_fifos(0);
    push(&mut bench, b"line");
    bench.w8(reg::MCR, mcr::LOOP);
    assert_eq!(bench.r8(reg::LSR) & lsr::DR, 0, "the line is cut off");
    for byte in 0..17 {
        bench.w8(reg::DATA, byte);
    }
    assert!(bench.dev.output.is_empty());
    bench.w8(reg::IER, ier::RLSI);
    assert_eq!(bench.r8(reg::IIR), 0xc6);
    assert_eq!(bench.r8(reg::LSR) & lsr::OE, lsr::OE);
    assert_eq!(bench.r8(reg::IIR), 0xc1);
    assert_eq!(drain(&mut bench), (0..16).collect::<Vec<u8>>());
    bench.w8(reg::DATA, 0xff);
    bench.w8(reg::IIR, FIFOS_ON);
    bench.w8(reg::MCR, 0);
    bench.advance(RESET_HOLD_NS);
    assert_eq!(
        drain(&mut bench),
        b"line",
        "what was looped is reset, what came is not"
    );
}

/// The table of data sheet section 8.6: RTS, DTR, OUT1, OUT2 drive CTS, DSR, RI, DCD.
#[test]
fn loopback_wires_the_modem_lines() {
    let mut bench = bench();
    bench.w8(reg::MCR, mcr::LOOP | mcr::OUT2 | mcr::RTS);
    bench.r8(reg::MSR);
    assert_eq!(bench.r8(reg::MSR), msr::CTS | msr::DCD);
    bench.w8(reg::IER, ier::MSI);
    bench.w8(reg::MCR, mcr::LOOP | mcr::DTR | mcr::OUT1);
    assert_eq!(bench.r8(reg::IIR), iir::MODEM);
    assert!(bench.dev.irq());
    assert_eq!(
        bench.r8(reg::MSR),
        msr::DSR | msr::RI | 0b1011,
        "no TERI when the ring begins"
    );
    assert!(!bench.dev.irq());
    bench.w8(reg::MCR, mcr::LOOP | mcr::DTR);
    assert_eq!(bench.r8(reg::MSR), msr::DSR | msr::TERI);
}

#[test]
fn fcr_takes_effect_only_with_the_enable_bit() {
    let mut bench = bench_with_fifos(0);
    push(&mut bench, b"abcd");
    bench.w8(reg::IIR, 0xc0);
    assert_eq!(bench.r8(reg::IIR), 0x01, "FIFOs are off");
    assert_eq!(bench.dev.fcr, 0);
    bench.advance(RESET_HOLD_NS);
    assert_eq!(drain(&mut bench), b"a");
}

#[test]
fn reset_keeps_input_and_output() {
    let mut bench = bench_with_fifos(0);
    push(&mut bench, &[7; 20]);
    bench.w8(reg::DATA, b'o');
    bench.w8(reg::IER, 0xf);
    bench.dev.reset();
    assert_eq!(bench.dev.backlog_len(), 20);
    assert!(!bench.dev.irq());
    bench.advance(FLUSH_NS);
    assert_eq!(bench.inputs.sent(0), b"o");
}

proptest! {
    #[test]
    fn never_panics_and_has_no_hidden_state(
        input in prop::collection::vec(any::<u8>(), 0..100), steps in steps(0x100),
    ) {
        let mut uart = Uart16550::new(1);
        uart.push_input(&input, 0);
        exercise(uart, &steps);
    }

    /// For all inputs and all resets of the FIFO: a guest that reads only if LSR reports data gets
    /// every byte, in order.
    #[test]
    fn no_byte_is_lost(
        bursts in prop::collection::vec((
            prop::collection::vec(any::<u8>(), 0..60),
            0..4_000_000u64,
            any::<u8>(),
            0..20u8,
        ), 1..20),
    ) {
        let mut bench = bench();
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for (data, pause, fcr, reads) in bursts {
            sent.extend(&data);
            push(&mut bench, &data);
            bench.w8(reg::IIR, fcr);
            bench.advance(pause);
            for _ in 0..reads {
                if bench.r8(reg::LSR) & lsr::DR != 0 {
                    got.push(bench.r8(reg::DATA));
                }
            }
            bench.dev = through_postcard(&bench.dev);
        }
        for _ in 0..sent.len() + 1 {
            bench.advance(RESET_HOLD_NS);
            got.extend(drain(&mut bench));
        }
        prop_assert_eq!(got, sent);
    }
}
