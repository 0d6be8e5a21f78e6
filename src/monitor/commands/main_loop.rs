//! The commands that the main loop executes.

use super::jobs::Jobs;
use super::memory::{Space, read};
use super::oob::{Oob, number};
use super::{Background, OnIoThread, human};
use crate::error::{Error, chain};
use crate::host::OsError;
use crate::host::disk::Format;
use crate::host::serial::Backend;
use crate::monitor::execute::{Execute, Later, Outcome};
use crate::monitor::generated::{
    BlockDeviceInfo, BlockInfo, COMMANDS, ChardevInfo, CommandInfo, Commands, CpuInfoFast,
    CpuInstanceProperties, EVENTS, Event, EventInfo, INTROSPECTION, ImageInfo, JobInfo, JobType,
    MemoryInfo, NameInfo, QMPCapability, SysEmuTarget, TargetInfo, VersionInfo, dispatch,
};
use crate::monitor::session::{unknown, version};
use crate::monitor::visit::{CommandError, decode_none, nothing};
use crate::session::Session;
use crate::session::control::{Control, Mode, Request};
use crate::session::lock::{Bql, BqlGuard};
use machine::virtio::{BlockConfig, VirtioConfig};
use machine::{Icount, Machine};
use serde_json::{Map, Value};
use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::Duration;

/// How long to wait for the BQL. The vCPU thread releases it regularly, unless it waits for the
/// host. The main loop has other work too, so it must not wait for ever.
const BUSY: Duration = Duration::from_secs(2);

type Result<T> = std::result::Result<T, CommandError>;

/// The commands of the main loop.
pub struct OnMainLoop<'a> {
    machine: &'a Bql<Machine>,
    pub(super) control: Arc<Control>,
    pub(super) background: Background,
    pub(super) oob: Oob,
    jobs: Jobs,
    /// Size of each drive in bytes, as the guest sees it.
    capacities: Vec<u64>,
    /// Set by a command that is answered later.
    later: Option<Later>,
}

impl<'a> OnMainLoop<'a> {
    /// The commands for this run. `other` has the I/O thread's commands, which work here too.
    pub fn new(session: &'a Session<'_>, background: Background, other: &OnIoThread) -> Self {
        let jobs = Jobs::new(background.events.clone());
        let machine = session.machine.lock();
        let virtio = machine.config().virtio.iter();
        let capacities = virtio.filter_map(|slot| match slot {
            VirtioConfig::Block(BlockConfig { size, .. }) => Some(*size),
            _ => None,
        });
        let capacities = capacities.collect();
        drop(machine);
        Self {
            machine: &session.machine,
            control: Arc::clone(&session.control),
            background,
            oob: other.for_main_loop(),
            jobs,
            capacities,
            later: None,
        }
    }

    /// Sends a request to the vCPU thread. `answer` turns its result into the command's answer,
    /// later.
    pub(super) fn ask_then(
        &mut self,
        ask: Request,
        answer: impl Fn(std::result::Result<(), String>) -> Result<Value> + Send + 'static,
    ) {
        let (sender, receiver) = channel();
        let nudge = Arc::clone(&self.oob.nudge);
        let asked = move |result: std::result::Result<(), Error>| {
            // If the client is gone, nobody receives the answer.
            let _ = sender.send(result.map_err(|error| chain(&error)));
            nudge();
        };
        self.control.ask(ask, Box::new(asked));
        self.later = Some(Box::new(move || match receiver.try_recv() {
            Ok(result) => Some(answer(result)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(answer(Err("the run is over".to_owned()))),
        }));
    }

    /// Sends a request to the vCPU thread that has no result but success.
    fn ask(&mut self, ask: Request) -> Result<()> {
        self.ask_then(ask, |result| match result {
            Ok(()) => Ok(nothing()),
            Err(description) => Err(CommandError::generic(description)),
        });
        Ok(())
    }

    fn job(&mut self, id: &str, kind: JobType, devices: &[String], ask: Request) -> Result<()> {
        let drives = &self.background.options.drives;
        let known = |device: &String| {
            let mut names = drives
                .iter()
                .enumerate()
                .map(|(place, drive)| drive.name(place));
            names.any(|name| name == *device)
        };
        if let Some(device) = devices.iter().find(|device| !known(device)) {
            let description = format!("No block device node '{device}'");
            return Err(CommandError::generic(description));
        }
        let end = self.jobs.begin(id, kind)?;
        self.control.ask(ask, Box::new(end));
        Ok(())
    }

    pub(super) fn only_in_replay(&self) -> Result<()> {
        match self.control.status().mode {
            Mode::Replay => Ok(()),
            _ => Err(CommandError::generic(
                "replay breakpoints are allowed only in play mode",
            )),
        }
    }

    /// The machine, under the BQL.
    pub(super) fn machine(&self) -> Result<BqlGuard<'_, Machine>> {
        let machine = self.machine.try_lock_for(BUSY);
        machine.ok_or_else(|| {
            let description = "the machine is busy: the host does not take the guest's output";
            CommandError::generic(description)
        })
    }

    /// Checks a hart's number; `None`: hart 0.
    pub(super) fn hart(&self, index: Option<i64>) -> Result<u8> {
        let index = index.unwrap_or(0);
        let harts = self.background.options.harts;
        let hart = u8::try_from(index).ok().filter(|hart| *hart < harts);
        hart.ok_or_else(|| {
            CommandError::generic(format!(
                "Invalid parameter 'cpu-index', expected: a hart below {harts}, not {index}"
            ))
        })
    }

    fn save(&self, space: Space, val: i64, size: i64, filename: &str) -> Result<()> {
        let size = u64::try_from(size)
            .map_err(|_| CommandError::generic("Parameter 'size' expects a size from 0"))?;
        let bytes = {
            let machine = self.machine()?;
            read(&machine, space, val.cast_unsigned(), size)?
        };
        fs::write(filename, bytes).map_err(|cause| {
            CommandError::generic(format!(
                "Could not open '{filename}': {}",
                OsError::from(cause)
            ))
        })
    }
}

/// Checks an instruction count from a client.
pub(super) fn icount(value: i64) -> Result<Icount> {
    u64::try_from(value).map(Icount::new).map_err(|_| {
        CommandError::generic("Parameter 'icount' expects an instruction count from 0")
    })
}

impl Execute for OnMainLoop<'_> {
    fn execute(&mut self, name: &str, arguments: Option<Map<String, Value>>) -> Outcome {
        let oob = self.oob.clone();
        let done = dispatch(self, &oob, name, arguments);
        let done = done.unwrap_or_else(|| Err(unknown(name)));
        if let Some(later) = oob.take_later() {
            return Outcome::Later(later);
        }
        match self.later.take() {
            Some(later) if done.is_ok() => Outcome::Later(later),
            _ => Outcome::Now(done),
        }
    }
}

impl Commands for OnMainLoop<'_> {
    fn qmp_capabilities(&mut self, _enable: Option<Vec<QMPCapability>>) -> Result<()> {
        // The session executes this command itself, and passes none on.
        Err(unknown("qmp_capabilities"))
    }

    fn query_version(&mut self) -> Result<VersionInfo> {
        Ok(version())
    }

    fn query_commands(&mut self) -> Result<Vec<CommandInfo>> {
        let names = COMMANDS.iter().map(|command| command.name.to_owned());
        Ok(names.map(|name| CommandInfo { name }).collect())
    }

    fn query_events(&mut self) -> Result<Vec<EventInfo>> {
        let names = EVENTS.iter().map(|event| event.name.to_owned());
        Ok(names.map(|name| EventInfo { name }).collect())
    }

    fn human_monitor_command(&mut self, line: String, cpu_index: Option<i64>) -> Result<String> {
        let hart = self.hart(cpu_index)?;
        human::execute(self, &line, hart)
    }

    fn quit(&mut self) -> Result<()> {
        self.ask(Request::Quit)
    }

    fn query_qmp_schema(&mut self, arguments: Map<String, Value>) -> Result<Value> {
        decode_none(Some(arguments))?;
        let mut schema: Value = serde_json::from_str(INTROSPECTION)
            .map_err(|error| CommandError::generic(error.to_string()))?;
        for entity in schema.as_array_mut().into_iter().flatten() {
            if entity["meta-type"] == "command" && entity.get("allow-oob").is_none() {
                entity["allow-oob"] = false.into();
            }
        }
        Ok(schema)
    }

    fn stop(&mut self) -> Result<()> {
        self.ask(Request::Stop)
    }

    fn cont(&mut self) -> Result<()> {
        self.ask(Request::Go)
    }

    fn system_reset(&mut self) -> Result<()> {
        self.ask(Request::Reset)
    }

    fn system_powerdown(&mut self) -> Result<()> {
        self.background.events.tell(&Event::Powerdown);
        Ok(())
    }

    fn replay_break(&mut self, at: i64) -> Result<()> {
        self.only_in_replay()?;
        self.ask(Request::StopAt(Some(icount(at)?)))
    }

    fn replay_delete_break(&mut self) -> Result<()> {
        self.only_in_replay()?;
        self.ask(Request::StopAt(None))
    }

    fn replay_seek(&mut self, to: i64) -> Result<()> {
        self.ask(Request::Seek(icount(to)?))
    }

    fn query_jobs(&mut self) -> Result<Vec<JobInfo>> {
        Ok(self.jobs.list(&self.control))
    }

    fn job_dismiss(&mut self, id: String) -> Result<()> {
        self.jobs.dismiss(&id)
    }

    fn snapshot_save(
        &mut self,
        job_id: String,
        tag: String,
        _vmstate: String,
        devices: Vec<String>,
    ) -> Result<()> {
        let ask = Request::Save {
            name: tag,
            replace: false,
        };
        self.job(&job_id, JobType::SnapshotSave, &devices, ask)
    }

    fn snapshot_load(
        &mut self,
        job_id: String,
        tag: String,
        _vmstate: String,
        devices: Vec<String>,
    ) -> Result<()> {
        self.job(&job_id, JobType::SnapshotLoad, &devices, Request::Load(tag))
    }

    fn snapshot_delete(&mut self, job_id: String, tag: String, devices: Vec<String>) -> Result<()> {
        self.job(
            &job_id,
            JobType::SnapshotDelete,
            &devices,
            Request::Delete(tag),
        )
    }

    fn query_name(&mut self) -> Result<NameInfo> {
        Ok(NameInfo { name: None })
    }

    fn query_target(&mut self) -> Result<TargetInfo> {
        Ok(TargetInfo {
            arch: SysEmuTarget::Riscv64,
        })
    }

    fn query_cpus_fast(&mut self) -> Result<Vec<CpuInfoFast>> {
        let hart = |index: u8| CpuInfoFast {
            cpu_index: index.into(),
            qom_path: format!("/machine/soc0/harts[{index}]"),
            thread_id: std::process::id().into(),
            props: Some(CpuInstanceProperties {
                core_id: Some(index.into()),
            }),
            target: SysEmuTarget::Riscv64,
        };
        Ok((0..self.background.options.harts).map(hart).collect())
    }

    fn query_memory_size_summary(&mut self) -> Result<MemoryInfo> {
        Ok(MemoryInfo {
            base_memory: self.background.options.memory,
            plugged_memory: None,
        })
    }

    fn memsave(
        &mut self,
        val: i64,
        size: i64,
        filename: String,
        cpu_index: Option<i64>,
    ) -> Result<()> {
        let hart = self.hart(cpu_index)?;
        self.save(Space::Virtual(hart), val, size, &filename)
    }

    fn pmemsave(&mut self, val: i64, size: i64, filename: String) -> Result<()> {
        self.save(Space::Physical, val, size, &filename)
    }

    fn query_block(&mut self) -> Result<Vec<BlockInfo>> {
        let drives = self.background.options.drives.iter().enumerate();
        let info = |(place, drive): (usize, &crate::host::disk::DriveOptions)| {
            let (name, file) = (drive.name(place), drive.file.display().to_string());
            let format = drive.format.map_or("raw", Format::name).to_owned();
            let size = self.capacities.get(place).copied().unwrap_or_default();
            let image = ImageInfo {
                filename: file.clone(),
                format: format.clone(),
                virtual_size: number(size),
            };
            BlockInfo {
                device: name.clone(),
                qdev: Some(format!("virtio-mmio-bus.{place}/virtio-blk")),
                r#type: "unknown".to_owned(),
                removable: false,
                locked: false,
                inserted: Some(BlockDeviceInfo {
                    file,
                    node_name: Some(name),
                    ro: drive.readonly,
                    drv: format,
                    encrypted: false,
                    image,
                }),
            }
        };
        Ok(drives.map(info).collect())
    }

    fn query_chardev(&mut self) -> Result<Vec<ChardevInfo>> {
        let serial = ChardevInfo {
            label: "serial0".to_owned(),
            filename: filename(&self.background.serial),
            frontend_open: true,
        };
        let monitors = self.background.addresses.iter().enumerate();
        let monitors = monitors.map(|(place, address)| ChardevInfo {
            label: format!("compat_monitor{place}"),
            filename: format!("{address},server=on"),
            frontend_open: true,
        });
        Ok(std::iter::once(serial).chain(monitors).collect())
    }
}

/// The name of a serial backend, as QEMU writes it.
fn filename(backend: &Backend) -> String {
    match backend {
        Backend::Stdio => "stdio".to_owned(),
        Backend::Null => "null".to_owned(),
        Backend::Pty => "pty".to_owned(),
        Backend::File(path) => format!("file:{}", path.display()),
        Backend::Unix { path, .. } => format!("unix:{}", path.display()),
    }
}
