//! The first instruction after which two runs differ, and what differs after it.

use super::listing::{Line, around};
use super::side::Side;
use crate::analysis::symbols::Symbols;
use crate::error::Error;
use crate::timeline::Ending;
use machine::bus::RAM_BASE;
use machine::ram::PAGE;
use machine::{Icount, PhysAddr, VirtAddr};
use replay_format::{Clock, Event, Log, Record};
use riscv_isa::reg;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest number of memory ranges in a report.
const RANGES: usize = 8;
/// The largest number of bytes that are kept of a range.
const BYTES: usize = 16;
/// The largest gap between two ranges that are reported as one, in bytes.
const GAP: usize = 8;

/// The last input that came before the instruction, or with it.
pub type Input<'l> = Record<'l>;

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The hart of a register; `None`: a value of a device or of the machine.
    pub hart: Option<u8>,
    /// Its name: `a0`, `mepc`, `devices.uart.ier`.
    pub name: String,
    /// Its value in the first run.
    pub first: Value,
    /// Its value in the second run.
    pub second: Value,
}

/// A range of memory that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryRange {
    /// Physical address.
    pub address: PhysAddr,
    /// Length in bytes.
    pub len: u64,
    /// The first bytes of it in the first run, in hexadecimal.
    pub first: String,
    /// The first bytes of it in the second run, in hexadecimal.
    pub second: String,
}

/// The first instruction after which two runs differ.
#[derive(Debug)]
pub struct FirstDifference<'l> {
    /// Instructions executed before this one.
    pub icount: Icount,
    /// The hart that executes it.
    pub hart: u8,
    /// Its virtual address. If an interrupt is taken first, this is the interrupted instruction.
    pub pc: VirtAddr,
    /// The function's name, if the kernel's symbols have it.
    pub symbol: Option<String>,
    /// The source file and line, if the kernel has them.
    pub source: Option<String>,
    /// The instructions around it.
    pub listing: Vec<Line>,
    /// Which of the two runs take an interrupt first.
    pub interrupted: [bool; 2],
    /// Why a run ends here, if it does.
    pub endings: [Option<Ending>; 2],
    /// Registers, CSRs, and other state of harts that differ.
    pub registers: Vec<Difference>,
    /// State of devices and of the machine that differs.
    pub devices: Vec<Difference>,
    /// The first ranges of memory that differ.
    pub memory: Vec<MemoryRange>,
    /// The number of further ranges that differ.
    pub memory_more: u64,
    /// The last input of each run.
    pub inputs: [Option<Input<'l>>; 2],
}

/// Reports on the instruction at `icount`, before which both runs agree. Both are after it then.
pub(super) fn look<'l>(
    sides: &mut [Side<'l>; 2],
    logs: [&'l Log<'l>; 2],
    icount: Icount,
    symbols: &Symbols,
) -> Result<FirstDifference<'l>, Error> {
    for side in sides.iter_mut() {
        side.at(icount)?;
    }
    let steps = |side: &Side<'_>| {
        let harts = side.machine().harts().iter();
        harts.map(|hart| hart.steps).collect::<Vec<_>>()
    };
    let machine = sides[0].machine();
    let views = machine.harts().iter();
    let views = views.map(|hart| {
        let pc = VirtAddr::new(hart.pc);
        (pc, around(machine, hart.id, pc, symbols))
    });
    let (turn, before) = (machine.moment().hart, views.collect::<Vec<_>>());
    let steps_before = steps(&sides[0]);
    for side in sides.iter_mut() {
        side.go(icount + 1)?;
    }
    let moved = |side: &Side<'_>| {
        let after = steps(side);
        let mut pairs = after.iter().zip(&steps_before);
        pairs.position(|(after, before)| after != before)
    };
    // The next hart's turn may begin right before the instruction.
    let hart = moved(&sides[0]).or_else(|| moved(&sides[1]));
    let hart = hart.unwrap_or(usize::from(turn));
    let (pc, listing) = before.into_iter().nth(hart).unwrap_or_default();
    let [one, two] = sides;
    let (registers, devices) = differences(&one.tree()?, &two.tree()?);
    let (memory, memory_more) = memory(one, two);
    // The host time of a wait counts only if it has changed the virtual time.
    let time = devices.iter().any(|found| found.name.starts_with("clock."));
    let surroundings = logs.map(|log| surroundings(log, icount, time));
    Ok(FirstDifference {
        icount,
        hart: hart as u8,
        pc,
        symbol: symbols.name(pc),
        source: symbols.line(pc),
        listing,
        interrupted: surroundings.map(|(_, interrupted)| interrupted),
        endings: [one.ended().cloned(), two.ended().cloned()],
        registers,
        devices,
        memory,
        memory_more,
        inputs: surroundings.map(|(input, _)| input),
    })
}

/// The last input before the end of the instruction at `icount`, and whether that instruction takes
/// an interrupt first. `time`: readings of the host's clock in a wait count as inputs too.
fn surroundings<'l>(log: &'l Log<'l>, icount: Icount, time: bool) -> (Option<Input<'l>>, bool) {
    let (mut last, mut interrupted) = (None, false);
    // The log is sound: the replay has read it.
    for record in log.events().map_while(Result::ok) {
        if Icount::new(record.icount) > icount {
            break;
        }
        match record.event {
            Event::Async { .. } => last = Some(record),
            Event::Clock { clock, .. } if time || clock == Clock::Host => last = Some(record),
            Event::Interrupt => interrupted = Icount::new(record.icount) == icount,
            _ => {}
        }
    }
    (last, interrupted)
}

/// The values that differ between two trees of state: those of harts, and all others.
fn differences(one: &Value, two: &Value) -> (Vec<Difference>, Vec<Difference>) {
    let (one, two) = (flat(one), flat(two));
    let mut names: Vec<&Path> = one.keys().chain(two.keys()).collect();
    names.sort();
    names.dedup();
    let differing = names
        .into_iter()
        .filter(|name| one.get(*name) != two.get(*name));
    let all = differing.map(|path| {
        let value = |of: &BTreeMap<Path, Value>| of.get(path).cloned().unwrap_or(Value::Null);
        let (hart, name) = named(path);
        Difference {
            hart,
            name,
            first: value(&one),
            second: value(&two),
        }
    });
    // The entropy device's seed differs from the start, and is not compared.
    all.filter(|difference| !difference.name.ends_with(".seed"))
        .partition(|difference| difference.hart.is_some())
}

/// A path in a tree of state. Numbers sort as numbers.
type Path = Vec<Step>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Item(usize),
    Member(String),
}

fn flat(tree: &Value) -> BTreeMap<Path, Value> {
    let mut found = BTreeMap::new();
    flatten(&mut Vec::new(), tree, &mut found);
    found
}

fn flatten(path: &mut Path, value: &Value, into: &mut BTreeMap<Path, Value>) {
    let is_register = |path: &Path| {
        let last = path.last().and_then(|step| match step {
            Step::Member(name) => Some(name.as_str()),
            Step::Item(_) => None,
        });
        matches!(last, Some("x" | "f"))
    };
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                path.push(Step::Member(name.clone()));
                flatten(path, value, into);
                path.pop();
            }
        }
        // An array of bytes is one value.
        Value::Array(items) if is_register(path) || !items.iter().all(Value::is_u64) => {
            for (item, value) in items.iter().enumerate() {
                path.push(Step::Item(item));
                flatten(path, value, into);
                path.pop();
            }
        }
        value => {
            into.insert(path.clone(), value.clone());
        }
    }
}

/// The hart and the name of a value. Registers have the names of the calling convention.
fn named(path: &Path) -> (Option<u8>, String) {
    let dotted = |path: &[Step]| {
        let steps = path.iter().map(|step| match step {
            Step::Item(number) => number.to_string(),
            Step::Member(name) => name.clone(),
        });
        steps.collect::<Vec<_>>().join(".")
    };
    let member = |at: usize| match path.get(at) {
        Some(Step::Member(name)) => name.as_str(),
        _ => "",
    };
    let [Step::Member(first), Step::Item(hart), rest @ ..] = &path[..] else {
        return (None, dotted(path));
    };
    if first != "harts" {
        return (None, dotted(path));
    }
    let name = match (member(2), rest) {
        ("x", [_, Step::Item(number)]) => reg::x(*number as u8).to_owned(),
        ("f", [_, Step::Item(number)]) => reg::f(*number as u8).to_owned(),
        // The interrupt lines of devices show in `mip`.
        ("csrs", [_, Step::Member(lines), ..]) if lines == "lines" => "mip".to_owned(),
        ("csrs", [_, csr @ ..]) => dotted(csr),
        _ => dotted(rest),
    };
    (Some(*hart as u8), name)
}

/// The first ranges of memory that differ, and the number of further ones.
fn memory(one: &mut Side<'_>, two: &mut Side<'_>) -> (Vec<MemoryRange>, u64) {
    let mut ranges: Vec<MemoryRange> = Vec::new();
    let mut more = 0;
    for page in one.pages_that_differ(two) {
        let (first, second) = (one.page(page), two.page(page));
        let base = RAM_BASE + u64::from(page) * PAGE as u64;
        for (from, to) in spans(&first, &second) {
            if ranges.len() == RANGES {
                more += 1;
                continue;
            }
            let hex = |bytes: &[u8]| {
                let shown = bytes[from..to].iter().take(BYTES);
                shown.map(|byte| format!("{byte:02x}")).collect::<String>()
            };
            ranges.push(MemoryRange {
                address: base + from as u64,
                len: (to - from) as u64,
                first: hex(&first),
                second: hex(&second),
            });
        }
    }
    (ranges, more)
}

/// The ranges of bytes that differ. Ranges with a small gap between them are joined.
fn spans(one: &[u8], two: &[u8]) -> Vec<(usize, usize)> {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    let pairs = one.iter().zip(two).enumerate();
    for (at, _) in pairs.filter(|(_, (one, two))| one != two) {
        match spans.last_mut().filter(|(_, to)| at - *to <= GAP) {
            Some((_, to)) => *to = at + 1,
            None => spans.push((at, at + 1)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_have_names_of_registers_and_fields() {
        let tree = |a0: u64, mepc: u64, ier: u64, fifo: &[u8]| {
            let mut x = vec![0; 32];
            x[10] = a0;
            json!({
                "harts": [{ "x": x, "csrs": { "mepc": mepc } }],
                "devices": { "uart": { "ier": ier, "fifo": fifo }, "rng": { "seed": a0 } },
            })
        };
        let (registers, devices) = differences(&tree(1, 2, 3, b"ab"), &tree(4, 5, 6, b"abc"));
        let names = |list: &[Difference]| {
            let names = list.iter().map(|found| (found.hart, found.name.clone()));
            names.collect::<Vec<_>>()
        };
        assert_eq!(
            names(&registers),
            [(Some(0), "mepc".to_owned()), (Some(0), "a0".to_owned())]
        );
        let fields = ["devices.uart.fifo", "devices.uart.ier"];
        assert_eq!(names(&devices), fields.map(|name| (None, name.to_owned())));
        assert_eq!(devices[0].second, json!([97, 98, 99]));
    }

    #[test]
    fn spans_close_small_gaps() {
        let mut one = vec![0; 64];
        let two = one.clone();
        for at in [3, 4, 9, 40] {
            one[at] = 1;
        }
        assert_eq!(spans(&one, &two), [(3, 10), (40, 41)]);
        assert_eq!(spans(&two, &two), []);
    }
}
