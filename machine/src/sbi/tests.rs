//! Tests of the SBI: a guest makes calls from S-mode on a small machine.

use crate::boot::{self, BootConfig};
use crate::cpu::{Mode, Power, irq};
use crate::inputs::{Arrival, Halted, Inputs, Mark, Moment, Output};
use crate::units::{Icount, PhysAddr};
use crate::{Config, Exit, Machine, PowerOn, Request};

const NOT_SUPPORTED: u64 = -2i64 as u64;
const INVALID_PARAM: u64 = -3i64 as u64;
const INVALID_ADDRESS: u64 = -5i64 as u64;
const ALREADY_AVAILABLE: u64 = -6i64 as u64;

const BASE: u64 = 0x10;
const TIMER: u64 = 0x5449_4d45;
const IPI: u64 = 0x73_5049;
const RFENCE: u64 = 0x5246_4e43;
const HSM: u64 = 0x48_534d;
const RESET: u64 = 0x5352_5354;
const CONSOLE: u64 = 0x4442_434e;

const RAM_BASE: u64 = crate::bus::RAM_BASE.get();
/// The addresses of the kernel and of the tests' data.
const ENTRY: u64 = RAM_BASE + (2 << 20);
const DATA: u64 = ENTRY + 0x1000;

/// The marks of exceptions, as (icount, cause), and the bytes of output.
#[derive(Default)]
struct TestInputs {
    exceptions: Vec<(Icount, u64)>,
    output: Vec<u8>,
}

impl Inputs for TestInputs {
    fn host_clock(&mut self, _: Moment) -> Result<i64, Halted> {
        Err(Halted)
    }
    fn output(&mut self, _: Moment, output: Output<'_>) -> Result<(), Halted> {
        let Output::Serial { data, .. } = output else {
            return Err(Halted);
        };
        self.output.extend(data);
        Ok(())
    }
    fn mark(&mut self, at: Moment, mark: Mark) -> Result<(), Halted> {
        if let Mark::Exception(cause) = mark {
            self.exceptions.push((at.icount, cause));
        }
        Ok(())
    }
}

/// A machine whose kernel only makes calls: `ecall; j .-4`.
fn machine(harts: u8) -> Machine {
    with_kernel(harts, &[0x0000_0073, 0xffdf_f06f])
}

fn with_kernel(harts: u8, code: &[u32]) -> Machine {
    let kernel: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    let config = BootConfig {
        kernel: Some(&kernel),
        sbi: true,
        harts: harts.into(),
        ..BootConfig::new(8 << 20)
    };
    let power_on = PowerOn::from(boot::plan(&config).unwrap());
    let config = Config {
        harts,
        sbi: true,
        ..Config::new(8 << 20)
    };
    Machine::new(&config, power_on).unwrap()
}

/// Makes one call on hart 0. Returns `a0` and `a1`.
fn call(machine: &mut Machine, extension: u64, function: u64, args: &[u64]) -> (u64, u64) {
    call_with(
        machine,
        &mut TestInputs::default(),
        extension,
        function,
        args,
    )
}

fn call_with(
    machine: &mut Machine,
    inputs: &mut TestInputs,
    extension: u64,
    function: u64,
    args: &[u64],
) -> (u64, u64) {
    let hart = &mut machine.harts[0];
    hart.pc = ENTRY;
    hart.x[10..16].fill(0x5555);
    hart.x[10..10 + args.len()].copy_from_slice(args);
    (hart.x[16], hart.x[17]) = (function, extension);
    let icount = machine.icount();
    assert_eq!(machine.run(icount + 1, inputs), Exit::Count);
    assert_eq!(machine.harts[0].pc, ENTRY + 4);
    (machine.harts[0].x[10], machine.harts[0].x[11])
}

#[test]
fn power_on_is_that_of_a_kernel_behind_firmware() {
    let machine = machine(3);
    let hart = machine.hart(0).unwrap();
    assert_eq!(
        (hart.pc, hart.mode, hart.power),
        (ENTRY, Mode::Supervisor, Power::Started)
    );
    assert_eq!(hart.x[10], 0);
    let tree = machine.bus().memory(PhysAddr::new(hart.x[11]), 4).unwrap();
    assert_eq!(tree, [0xd0, 0x0d, 0xfe, 0xed]);
    assert!(hart.csrs.sstc() && hart.csrs.hardware_ad());
    assert_eq!(hart.csrs.mideleg, 0x222);
    for id in [1, 2] {
        assert_eq!(machine.hart(id).unwrap().power, Power::Stopped);
    }
}

#[test]
fn a_call_is_one_instruction_and_one_mark() {
    let mut machine = machine(1);
    let mut inputs = TestInputs::default();
    assert_eq!(
        call_with(&mut machine, &mut inputs, BASE, 0, &[]),
        (0, 2 << 24)
    );
    assert_eq!(machine.icount(), Icount::new(1));
    assert_eq!(inputs.exceptions, [(Icount::ZERO, 9)]);
    assert_eq!(machine.hart(0).unwrap().trapped, 1);
}

/// Extension id, function id, arguments; then `a0` and `a1` of the result.
type Case = (u64, u64, &'static [u64], (u64, u64));

#[test]
fn answers() {
    const OUTSIDE: u64 = RAM_BASE - 0x1000;
    let cases: &[Case] = &[
        (BASE, 1, &[], (0, 0x7272)),
        (BASE, 3, &[HSM], (0, 1)),
        (BASE, 3, &[0x50_4d55], (0, 0)), // PMU
        (BASE, 4, &[], (0, 0)),
        (BASE, 7, &[], (NOT_SUPPORTED, 0)),
        (0x50_4d55, 0, &[], (NOT_SUPPORTED, 0)),
        (TIMER, 1, &[], (NOT_SUPPORTED, 0)),
        (IPI, 0, &[0b100, 0], (INVALID_PARAM, 0)),
        (IPI, 0, &[1, 2], (INVALID_PARAM, 0)),
        (IPI, 0, &[2, u64::MAX - 1], (INVALID_PARAM, 0)),
        (IPI, 0, &[0, 7], (0, 0)),
        (IPI, 1, &[1, 0], (NOT_SUPPORTED, 0)),
        (RFENCE, 0, &[3, 0], (0, 0)),
        (RFENCE, 1, &[0, u64::MAX, 0, 0x1000], (0, 0)),
        (RFENCE, 2, &[4, 0, 0, 0x1000], (INVALID_PARAM, 0)),
        (RFENCE, 3, &[1, 0, 0, 0], (NOT_SUPPORTED, 0)),
        (HSM, 0, &[2, ENTRY, 0], (INVALID_PARAM, 0)),
        (HSM, 0, &[1, OUTSIDE, 0], (INVALID_ADDRESS, 0)),
        (HSM, 0, &[0, ENTRY, 0], (ALREADY_AVAILABLE, 0)),
        (HSM, 2, &[0], (0, 0)),
        (HSM, 2, &[1], (0, 1)),
        (HSM, 2, &[u64::MAX], (INVALID_PARAM, 0)),
        (HSM, 3, &[1, 0, 0], (INVALID_PARAM, 0)),
        (HSM, 3, &[0x8000_0000, ENTRY, 0], (NOT_SUPPORTED, 0)),
        (HSM, 4, &[], (NOT_SUPPORTED, 0)),
        (RESET, 0, &[3, 0], (INVALID_PARAM, 0)),
        (RESET, 0, &[0, 2], (INVALID_PARAM, 0)),
        (RESET, 0, &[0xf000_0000, 0], (NOT_SUPPORTED, 0)),
        (RESET, 1, &[0, 0], (NOT_SUPPORTED, 0)),
        (CONSOLE, 0, &[4, OUTSIDE, 0], (INVALID_PARAM, 0)),
        (CONSOLE, 0, &[4, DATA, 1], (INVALID_PARAM, 0)),
        (CONSOLE, 0, &[u64::MAX, DATA, 0], (INVALID_PARAM, 0)),
        (CONSOLE, 1, &[4, DATA, 0], (0, 0)),
        (CONSOLE, 3, &[], (NOT_SUPPORTED, 0)),
        // Legacy calls leave `a1` unchanged.
        (0x02, 0, &[], (u64::MAX, 0x5555)),
        (0x03, 0, &[], (0, 0x5555)),
        (0x04, 0, &[OUTSIDE], (INVALID_ADDRESS, 0x5555)),
        (0x05, 0, &[0], (0, 0x5555)),
        (0x09, 0, &[], (NOT_SUPPORTED, 0x5555)),
    ];
    for &(extension, function, args, expected) in cases {
        let answer = call(&mut machine(2), extension, function, args);
        assert_eq!(answer, expected, "{extension:#x} {function} {args:x?}");
    }
}

#[test]
fn console_goes_out_and_comes_in_by_the_serial_port() {
    let mut machine = machine(1);
    let mut inputs = TestInputs::default();
    machine.bus.ram.write(DATA - RAM_BASE, b"hello, ");
    let wrote = call_with(&mut machine, &mut inputs, CONSOLE, 0, &[7, DATA, 0]);
    assert_eq!(wrote, (0, 7));
    call_with(&mut machine, &mut inputs, CONSOLE, 2, &[u64::from(b'y')]);
    call_with(&mut machine, &mut inputs, 1, 0, &[u64::from(b'o')]);
    let (port, data) = (0, b"abcdef".to_vec());
    machine.arrive(&Arrival::Serial { port, data }).unwrap();
    let read = call_with(&mut machine, &mut inputs, CONSOLE, 1, &[4, DATA + 16, 0]);
    assert_eq!(read, (0, 4));
    assert_eq!(
        machine.bus().memory(PhysAddr::new(DATA + 16), 5).unwrap(),
        b"abcd\0"
    );
    assert_eq!(call(&mut machine, 2, 0, &[]).0, u64::from(b'e'));
    call_with(&mut machine, &mut inputs, 8, 0, &[]);
    let icount = machine.icount();
    let exit = machine.run(icount + 1, &mut inputs);
    assert_eq!(exit, Exit::Request(Request::PowerOff));
    assert_eq!(inputs.output, b"hello, yo");
}

#[test]
fn harts_start_stop_and_interrupt_each_other() {
    let mut machine = machine(2);
    let start = ENTRY + 4;
    assert_eq!(call(&mut machine, HSM, 0, &[1, start, 77]), (0, 0));
    let hart = machine.hart(1).unwrap();
    assert_eq!(
        (hart.pc, hart.mode, hart.power),
        (start, Mode::Supervisor, Power::Started)
    );
    assert_eq!((hart.x[10], hart.x[11], hart.csrs.satp), (1, 77, 0));
    assert_eq!(call(&mut machine, HSM, 2, &[1]), (0, 0));
    assert_eq!(
        call(&mut machine, HSM, 0, &[1, start, 77]),
        (ALREADY_AVAILABLE, 0)
    );
    assert_eq!(call(&mut machine, IPI, 0, &[1, 1]), (0, 0));
    let pending = |machine: &Machine, id| machine.hart(id).unwrap().csrs.mip() & irq::SSI != 0;
    assert!(!pending(&machine, 0) && pending(&machine, 1));
    machine.bus.ram.write(DATA - RAM_BASE, &[1]);
    call(&mut machine, 4, 0, &[DATA]);
    assert!(pending(&machine, 0));
    assert_eq!(call(&mut machine, 3, 0, &[]).0, 1);
    assert!(!pending(&machine, 0));
    // Hart 0 stops, so the other hart's turn begins at once.
    call(&mut machine, HSM, 1, &[]);
    let icount = machine.icount();
    assert_eq!(
        machine.run(icount + 10, &mut TestInputs::default()),
        Exit::Count
    );
    assert_eq!(machine.moment().hart, 1);
    assert_eq!(machine.hart(0).unwrap().power, Power::Stopped);
}

#[test]
fn a_suspended_hart_wakes_by_its_timer_and_goes_on() {
    let mut machine = machine(1);
    machine.harts[0].csrs.mie = irq::STI;
    assert_eq!(call(&mut machine, TIMER, 0, &[100]), (0, 0));
    assert_eq!(call(&mut machine, HSM, 3, &[0, 0, 0]), (0, 0));
    assert_eq!(machine.hart(0).unwrap().power, Power::Suspended);
    let mut inputs = TestInputs::default();
    assert_eq!(machine.run(Icount::new(1000), &mut inputs), Exit::Idle);
    assert_eq!(machine.wake_deadline(), Some(100 * 100));
    machine.warp(100 * 100);
    assert_eq!(machine.run(Icount::new(3), &mut inputs), Exit::Count);
    let hart = machine.hart(0).unwrap();
    assert_eq!((hart.power, hart.pc), (Power::Started, ENTRY));
}

#[test]
fn resets() {
    let cases = [
        (&[0u64, 0], Request::PowerOff),
        (&[0, 1], Request::Fail(1)),
        (&[1, 0], Request::Reset),
        (&[2, 0], Request::Reset),
    ];
    for (args, request) in cases {
        let mut machine = machine(1);
        call(&mut machine, RESET, 0, args);
        let exit = machine.run(Icount::new(1000), &mut TestInputs::default());
        assert_eq!(exit, Exit::Request(request));
        machine.reset();
        assert_eq!(machine.hart(0).unwrap().mode, Mode::Supervisor);
    }
}

#[test]
fn exceptions_go_to_the_kernel() {
    // An illegal instruction. Its handler, at offset 4, makes a call.
    let mut machine = with_kernel(1, &[0, 0x0000_0073]);
    machine.harts[0].csrs.stvec = ENTRY + 4;
    let mut inputs = TestInputs::default();
    assert_eq!(machine.run(Icount::new(2), &mut inputs), Exit::Count);
    assert_eq!(inputs.exceptions, [(Icount::ZERO, 2), (Icount::new(1), 9)]);
    assert_eq!(machine.hart(0).unwrap().csrs.scause, 2);
}

#[test]
fn an_exception_that_only_firmware_could_take_ends_the_run() {
    let mut machine = with_kernel(1, &[0]);
    machine.harts[0].csrs.medeleg = 0;
    let exit = machine.run(Icount::new(1000), &mut TestInputs::default());
    assert_eq!(exit, Exit::Request(Request::NoFirmware));
    assert_eq!(
        (machine.icount(), machine.hart(0).unwrap().pc),
        (Icount::new(1), ENTRY)
    );
}
