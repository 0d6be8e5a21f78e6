//! The two machines that run the test program: `rr`, and QEMU as the reference.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const QEMU: &str = "qemu-system-riscv64";

/// RV64GC without further extensions, so that instructions that are illegal on rr are illegal here.
const QEMU_CPU: &str = "rv64,h=off,v=off,zba=off,zbb=off,zbc=off,zbs=off,Zfh=off,Zfhmin=off,\
    svnapot=off,svpbmt=off,svinval=off,debug=off";

/// Far more time than any batch needs. A machine that hangs is stopped.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// True if QEMU can be started. If not, the test is skipped, or fails with RR_REQUIRE_TOOLS=1.
pub(crate) fn have_qemu() -> bool {
    let Err(error) = Command::new(QEMU).arg("--version").output() else {
        return true;
    };
    assert!(
        std::env::var("RR_REQUIRE_TOOLS").as_deref() != Ok("1"),
        "RR_REQUIRE_TOOLS=1, but {QEMU} cannot be started: {error}"
    );
    eprintln!("SKIPPED: {QEMU} cannot be started ({error}); it is in Debian's qemu-system-misc");
    false
}

/// Runs an ELF file in QEMU. Returns its serial output.
pub(crate) fn qemu(elf: &Path) -> Result<String, String> {
    let serial = elf.with_extension("txt");
    let mut command = Command::new(QEMU);
    command
        .args(["-machine", "virt", "-bios", "none", "-m", "128M"])
        .args(["-cpu", QEMU_CPU])
        .args(["-nographic", "-display", "none", "-monitor", "none"])
        .arg("-serial")
        .arg(format!("file:{}", serial.display()))
        .arg("-kernel")
        .arg(elf);
    run(command, &serial)
}

/// Runs an ELF file in `rr`, with this core and with more options from `RR_ISA_OPTIONS`.
pub(crate) fn rr(elf: &Path, core: &str) -> Result<String, String> {
    let serial = elf.with_extension("txt");
    let options = std::env::var("RR_ISA_OPTIONS").unwrap_or_default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rr"));
    command
        .args(["run", "--bios", "none", "-m", "128M", "--icount", "shift=0"])
        .args(["--core", core])
        .args(options.split_whitespace())
        .arg("--serial")
        .arg(format!("file:{}", serial.display()))
        .arg("--kernel")
        .arg(elf);
    run(command, &serial)
}

fn run(mut command: Command, serial: &Path) -> Result<String, String> {
    let _ = std::fs::remove_file(serial);
    let log = serial.with_extension("log");
    let stderr =
        std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() > TIME_LIMIT => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{command:?}: not ready after {TIME_LIMIT:?}"));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(format!("{command:?}: {error}")),
        }
    };
    if !status.success() {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        return Err(format!("{command:?}: {status}\n{log}"));
    }
    std::fs::read_to_string(serial).map_err(|error| format!("{}: {error}", serial.display()))
}
