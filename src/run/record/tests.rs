//! Tests of what a recording does with the output of devices.

use super::*;
use crate::host::device::HostDevice;
use crate::host::serial::{Backend, Serial};
use crate::notes::Notes;
use crate::recording::options::MachineOptions;
use crate::run::devices;
use crate::run::drives::Drives;
use crate::run::host_io::Host;
use machine::VirtAddr;

const AT: Moment = Moment {
    icount: Icount::ZERO,
    hart: 0,
    pc: VirtAddr::new(0),
};

/// A run without a log, on a host with these devices.
fn recorder(devices: Vec<Box<dyn HostDevice>>) -> Recorder {
    let mailbox = Arc::new(Mailbox::new());
    let serial = Serial::open(&Backend::Null, &Arc::default(), &Notes::default()).unwrap();
    let disks = Drives::record(&[], None, &mailbox);
    let pool = disks.start(Vec::new()).unwrap();
    let host = Host::new(serial.output, disks, pool, devices);
    Recorder::new(None, mailbox, Box::new(host), false)
}

fn send(recorder: &mut Recorder) -> Result<(), Halted> {
    let (adapter, frame) = (0, vec![1; 60]);
    recorder.output(AT, Output::Device(DeviceOutput::Frame { adapter, frame }))
}

/// A part of the host that does the same with all output.
struct Always(Handled);

impl HostDevice for Always {
    fn output(&mut self, _: &DeviceOutput) -> Handled {
        self.0
    }
}

/// Nothing in the log would tell that it was lost.
#[test]
fn output_that_no_part_of_the_host_takes_ends_the_run() {
    let options = MachineOptions::default();
    let started = devices::start(&options, &Notes::default(), &Arc::new(Mailbox::new())).unwrap();
    assert!(!started.is_empty(), "it has no adapter, and says so");
    for devices in [
        Vec::new(),
        vec![Box::new(Always(Handled::Declined)) as _],
        started,
    ] {
        let mut recorder = recorder(devices);
        assert_eq!(send(&mut recorder), Err(Halted));
        let failure = recorder.failure();
        assert!(
            matches!(failure, Failure::Error(Error::Internal(_))),
            "{failure:?}"
        );
    }
}

#[test]
fn output_goes_to_the_part_that_takes_it() {
    for (handled, waits) in [(Handled::Taken, false), (Handled::MayAnswer, true)] {
        let declines = Box::new(Always(Handled::Declined));
        let mut recorder = recorder(vec![declines, Box::new(Always(handled))]);
        assert_eq!(send(&mut recorder), Ok(()));
        assert_eq!(recorder.answer_until.is_some(), waits, "{handled:?}");
    }
}
