//! Input to the devices from outside, between two instructions.

use crate::inputs::{Arrival, NoDevice};
use crate::machine::Machine;
use crate::probe::Accessor;
use crate::virtio::DeviceError;

impl Machine {
    /// Delivers an arrival to its device. The icount does not change; the guest can observe the
    /// effect from its next instruction on.
    ///
    /// # Errors
    /// [`NoDevice`] if the machine has no such device. Then nothing has changed.
    pub fn arrive(&mut self, arrival: &Arrival) -> Result<(), NoDevice> {
        let (now, bus) = (self.now(), &mut self.bus);
        let taken = match arrival {
            Arrival::Serial { port, data } if *port == bus.devices.uart.port => {
                bus.serial_input(data, now);
                true
            }
            _ => {
                let ram = &mut bus.ram;
                let mut virtio = (0..).zip(&mut bus.devices.virtio);
                virtio.any(|(slot, device)| {
                    let by = Accessor::Virtio { slot };
                    ram.accessed_by(by, |ram| device.arrive(arrival, ram))
                })
            }
        };
        match taken {
            true => Ok(()),
            false => Err(NoDevice(arrival.receiver())),
        }
    }

    /// The virtio devices that have met an invalid request of the guest's driver since power-on:
    /// slot, number of errors, and the last one. They serve for a warning; the machine keeps
    /// running.
    pub fn virtio_errors(&self) -> impl Iterator<Item = (usize, u64, &DeviceError)> {
        let devices = self.bus.devices.virtio.iter().enumerate();
        devices.filter_map(|(slot, device)| Some((slot, device.errors(), device.last_error()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::BlockResult;
    use crate::virtio::{BlockConfig, ConsoleConfig, NetConfig, RngConfig, VirtioConfig};
    use crate::{Config, PowerOn};

    fn arrivals(number: u8) -> [Arrival; 3] {
        let data = vec![1; 60];
        [
            Arrival::Serial {
                port: number,
                data: data.clone(),
            },
            Arrival::Block {
                drive: number,
                id: 0,
                result: BlockResult::Error,
            },
            Arrival::Frame {
                adapter: number,
                data,
            },
        ]
    }

    #[test]
    fn an_arrival_reaches_its_device() {
        let devices = [
            VirtioConfig::Rng(RngConfig { seed: [0; 32] }),
            VirtioConfig::Block(BlockConfig {
                drive: 1,
                size: 512,
                read_only: false,
                serial: String::new(),
            }),
            VirtioConfig::Net(NetConfig {
                adapter: 1,
                mac: [2; 6],
            }),
            VirtioConfig::Console(ConsoleConfig { port: 1 }),
        ];
        let config = |virtio: &[VirtioConfig]| Config {
            virtio: virtio.to_vec(),
            ..Config::new(1 << 20)
        };
        let mut machine = Machine::new(&config(&devices), PowerOn::default()).unwrap();
        for arrival in arrivals(1) {
            assert_eq!(machine.arrive(&arrival), Ok(()));
        }
        let digest = machine.digest();
        let names = ["serial port 2", "disk 2", "network adapter 2"];
        for (arrival, name) in arrivals(2).iter().zip(names) {
            assert_eq!(machine.arrive(arrival), Err(NoDevice(name.to_owned())));
        }
        assert_eq!(machine.digest(), digest);
        // Without virtio devices only the UART accepts input.
        let mut machine = Machine::new(&config(&[]), PowerOn::default()).unwrap();
        let taken = arrivals(0).map(|arrival| machine.arrive(&arrival).is_ok());
        assert_eq!(taken, [true, false, false]);
    }
}
