//! Reads the output of the machines, and finds where two signatures differ.

use std::fmt::Write as _;

use riscv_isa::{cause, disassemble, reg};

use crate::layout::tag;
use crate::program::{Place, Program};

/// The signature of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) number: u64,
    /// Its length in words.
    pub(crate) length: u64,
    pub(crate) hash: u64,
    /// See `layout::context::CAUSES`.
    pub(crate) causes: u64,
    /// The words, if the program prints them.
    pub(crate) words: Vec<u64>,
}

/// Parses the output of the program. The error says what is wrong, and how far the program came.
pub(crate) fn parse(text: &str, full: bool) -> Result<Vec<Signature>, String> {
    let mut signatures = Vec::new();
    let mut lines = text.lines();
    loop {
        let got = signatures.len();
        let line = lines
            .next()
            .ok_or_else(|| format!("the output ends after {got} streams, without `end`"))?;
        if line == "end" {
            return Ok(signatures);
        }
        let fields: Option<Vec<u64>> = line
            .split_whitespace()
            .map(|field| u64::from_str_radix(field, 16).ok())
            .collect();
        let Some(&[number, length, hash, causes]) = fields.as_deref() else {
            return Err(format!("after {got} streams: strange line {line:?}"));
        };
        let mut words = Vec::new();
        if full {
            for line in lines.by_ref().take(length as usize) {
                let word = u64::from_str_radix(line.trim(), 16)
                    .map_err(|_| format!("stream {number}: strange word {line:?}"))?;
                words.push(word);
            }
        }
        signatures.push(Signature {
            number,
            length,
            hash,
            causes,
            words,
        });
    }
}

/// The wanted exceptions that are missing in a bit set of causes.
pub(crate) fn missing(causes: u64, wanted: u64) -> Vec<String> {
    (0..64)
        .filter(|bit| (wanted & !causes) >> bit & 1 != 0)
        .map(|bit| {
            let name = cause::exception_name(bit % 32).unwrap_or("?");
            format!(
                "{name}, into {} mode",
                if bit < 32 { "machine" } else { "supervisor" }
            )
        })
        .collect()
}

/// A record of a signature: its kind, the index of its first word after the tag, and the number of
/// its words.
#[derive(Clone, Copy, Debug)]
struct Record {
    tag: u64,
    at: usize,
    words: usize,
}

/// The records of a signature, up to the first that is not valid.
fn records(words: &[u64]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some(&tag) = words.get(at) {
        let length = match tag {
            tag::MACHINE_TRAP | tag::SUPERVISOR_TRAP => 4,
            tag::REGISTERS => 64,
            tag::MEMORY => match words.get(at + 2) {
                Some(&count) if count < 1 << 20 => 2 + count as usize,
                _ => break,
            },
            _ => break,
        };
        records.push(Record {
            tag,
            at: at + 1,
            words: length,
        });
        at += 1 + length;
    }
    records
}

impl Record {
    /// The name of its word `i`.
    fn field(&self, words: &[u64], i: usize) -> String {
        match self.tag {
            tag::REGISTERS if i < 31 => format!("{} (x{})", reg::X[i + 1], i + 1),
            tag::REGISTERS if i < 63 => format!("{} (f{})", reg::F[i - 31], i - 31),
            tag::REGISTERS => "fcsr".to_owned(),
            tag::MEMORY => match (i, words.get(self.at)) {
                (0, _) => "address of memory".to_owned(),
                (1, _) => "length of memory".to_owned(),
                (_, Some(address)) => format!("memory at {:#x}", address + 8 * (i as u64 - 2)),
                _ => "memory".to_owned(),
            },
            _ => ["cause", "epc", "tval", "status"][i].to_owned(),
        }
    }

    fn is_trap(&self) -> bool {
        matches!(self.tag, tag::MACHINE_TRAP | tag::SUPERVISOR_TRAP)
    }
}

fn kind(of: u64) -> &'static str {
    match of {
        tag::MACHINE_TRAP => "trap into machine mode",
        tag::SUPERVISOR_TRAP => "trap into supervisor mode",
        tag::REGISTERS => "registers at the ecall",
        tag::MEMORY => "memory at the end",
        _ => "nothing that makes sense",
    }
}

/// Reports where the signatures of a stream differ: the record, its fields, and the code before it.
pub(crate) fn explain(program: &Program, place: &Place, ours: &[u64], theirs: &[u64]) -> String {
    let Some(at) = (0..ours.len().max(theirs.len())).find(|&i| ours.get(i) != theirs.get(i)) else {
        return "the words are the same: only the hash differs".to_owned();
    };
    let records = records(theirs);
    let index = records.iter().rposition(|r| r.at <= at + 1).unwrap_or(0);
    let Some(record) = records.get(index) else {
        return format!("word {at} differs, and QEMU's signature makes no sense there");
    };
    let epc_of = |record: &Record| theirs.get(record.at + 1).map_or(0, |epc| epc & 0xffff_ffff);
    let trap = records[..=index].iter().rev().find(|r| r.is_trap());
    let epc = trap.map_or(place.start, epc_of);
    let before = records[..index]
        .iter()
        .rev()
        .filter(|r| r.is_trap() && r.at < trap.map_or(0, |t| t.at))
        .map(epc_of)
        .next()
        .filter(|before| *before < epc)
        .unwrap_or(place.start);
    let runs = records[..index]
        .iter()
        .filter(|r| r.tag == tag::MACHINE_TRAP && epc_of(r) == place.end & 0xffff_ffff)
        .count();
    let kind = kind(record.tag);
    let mut text = format!("first difference in run {runs}, record {index}: {kind}\n");
    let our_tag = ours.get(record.at - 1).copied().unwrap_or(0);
    if our_tag != record.tag {
        let _ = writeln!(text, "  of QEMU; of ours: {}", self::kind(our_tag));
    }
    if let Some(trap) = trap {
        let number = theirs.get(trap.at).copied().unwrap_or(0);
        let name = cause::exception_name(number).unwrap_or("?");
        let _ = writeln!(text, "  QEMU's last trap: {name}, at {epc:#x}");
    }
    let shown = (0..record.words)
        .filter(|i| ours.get(record.at + i) != theirs.get(record.at + i))
        .take(16);
    for i in shown {
        let name = record.field(theirs, i);
        let value = |words: &[u64]| {
            words
                .get(record.at + i)
                .map_or("(nothing)".to_owned(), |word| format!("{word:#018x}"))
        };
        let (ours, theirs) = (value(ours), value(theirs));
        let _ = writeln!(text, "  {name:24} ours {ours}  QEMU {theirs}");
    }
    text + &listing(program, before, epc)
}

/// The code from `before` to a little after `epc`; only the end of it if it is long.
fn listing(program: &Program, before: u64, epc: u64) -> String {
    let mut lines = Vec::new();
    let mut pc = before;
    let mut after = 0;
    while let Some(raw) = program.instruction(pc)
        && after < 4
    {
        let mark = if pc == epc { "->" } else { "  " };
        after += usize::from(pc >= epc);
        lines.push(format!("{mark} {pc:8x}: {}\n", disassemble(raw, pc)));
        pc += if raw & 3 == 3 { 4 } else { 2 };
    }
    let skip = lines.len().saturating_sub(60);
    lines.split_off(skip).concat()
}
