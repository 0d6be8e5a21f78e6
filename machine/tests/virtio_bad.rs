//! A guest whose virtio drivers violate the specification, on a whole machine. Each device fails
//! and recovers by a reset, and the machine keeps running. The run does not depend on where it is
//! stopped.

#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

use machine::boot::{self, BootConfig};
use machine::inputs::{DeviceOutput, Halted, Inputs, Mark, Moment, Output};
use machine::virtio::{
    BlockConfig, ConsoleConfig, DeviceError, NetConfig, Ring, RngConfig, VirtioConfig,
};
use machine::{Config, Exit, Machine, PowerOn};

const ELF: &[u8] = include_bytes!("../../samples/bin/virtio_bad.elf");
const RAM: u64 = 4 << 20;

#[derive(Debug, Default, PartialEq, Eq)]
struct Outside {
    serial: String,
    frames: usize,
}

impl Inputs for Outside {
    fn host_clock(&mut self, _: Moment) -> Result<i64, Halted> {
        Err(Halted)
    }

    fn output(&mut self, _: Moment, output: Output<'_>) -> Result<(), Halted> {
        match output {
            Output::Serial { port: 0, data } => {
                self.serial.push_str(&String::from_utf8_lossy(data));
            }
            Output::Serial { .. } => {}
            Output::Device(DeviceOutput::Frame { .. }) => self.frames += 1,
            Output::Block(_) | Output::Device(_) => return Err(Halted),
        }
        Ok(())
    }

    fn mark(&mut self, _: Moment, _: Mark) -> Result<(), Halted> {
        Err(Halted)
    }
}

fn machine() -> Machine {
    let config = BootConfig {
        kernel: Some(ELF),
        ..BootConfig::new(RAM)
    };
    let power_on = PowerOn::from(boot::plan(&config).unwrap());
    let config = Config {
        virtio: vec![
            VirtioConfig::Block(BlockConfig {
                drive: 0,
                size: 1 << 20,
                read_only: false,
                serial: "bad".to_owned(),
            }),
            VirtioConfig::Net(NetConfig {
                adapter: 0,
                mac: [2, 0, 0, 0, 0, 1],
            }),
            VirtioConfig::Rng(RngConfig { seed: [1; 32] }),
            VirtioConfig::Console(ConsoleConfig { port: 1 }),
        ],
        ..Config::new(RAM)
    };
    Machine::new(&config, power_on).unwrap()
}

/// Runs to the end, with a stop after every `period` instructions.
fn run(period: u64) -> (Outside, Machine) {
    let (mut machine, mut outside) = (machine(), Outside::default());
    loop {
        let until = machine.icount() + period;
        match machine.run(until, &mut outside) {
            Exit::Count => machine.drop_caches(),
            Exit::Request(_) => return (outside, machine),
            other => panic!("{other:?} after {}", outside.serial),
        }
    }
}

#[test]
fn a_guest_that_breaks_every_rule() {
    let (outside, mut machine) = run(1 << 30);
    let serial = &outside.serial;
    assert!(!serial.contains("FAIL"), "{serial}");
    assert!(
        serial.ends_with("4 devices, 17 rules each, 0 failures\n"),
        "{serial}"
    );
    let ring = Ring::Used;
    let last = DeviceError::RingOutside {
        ring,
        address: machine::PhysAddr::new(0x2000),
    };
    let errors: Vec<_> = machine.virtio_errors().collect();
    assert_eq!(errors, [0, 1, 2, 3].map(|slot| (slot, 17, &last)));
    assert_eq!(outside.frames, 18);
    let (again, mut stopped) = run(997);
    assert_eq!(outside, again);
    assert_eq!(machine.digest(), stopped.digest());
}
