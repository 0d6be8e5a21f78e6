//! Compares decoder and disassembler with `riscv64-unknown-elf-objdump`, on all 65536 halfwords and
//! on random words of every entry. It is skipped if objdump is absent, unless RR_REQUIRE_TOOLS=1
//! makes that a failure.
#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "objdump reads a file; the crate itself has none"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use riscv_isa::table::TABLE;
use riscv_isa::{Op, csr, decode, disassemble};

const OBJDUMP: &str = "riscv64-unknown-elf-objdump";

/// The output of objdump for these words at addresses 0, 4, 8 and so on. `None` without objdump.
fn objdump(words: &[u32], name: &str) -> Option<Vec<String>> {
    if let Err(error) = Command::new(OBJDUMP).arg("--version").output() {
        assert!(
            std::env::var_os("RR_REQUIRE_TOOLS").is_none_or(|v| v != "1"),
            "RR_REQUIRE_TOOLS=1, but {OBJDUMP} cannot be started: {error}"
        );
        eprintln!(
            "SKIPPED: {OBJDUMP} cannot be started ({error}); it is in Debian's \
             binutils-riscv64-unknown-elf"
        );
        return None;
    }
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    std::fs::write(&file, bytes).unwrap();
    let output = Command::new(OBJDUMP)
        .args(["-D", "-z", "-b", "binary", "-m", "riscv:rv64"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut lines = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        // "  80000010:\tfe010113          \tadd\tsp,sp,-32 # comment"
        let mut parts = line.splitn(3, '\t');
        let address = parts.next().unwrap().trim().strip_suffix(':');
        let Some(address) = address.and_then(|a| u64::from_str_radix(a, 16).ok()) else {
            continue;
        };
        let text = parts.nth(1).unwrap();
        let text = text.split(" #").next().unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.insert(address, text);
    }
    let at = |i: usize| lines.get(&(4 * i as u64)).unwrap().clone();
    Some((0..words.len()).map(at).collect())
}

/// Removes two differences of style: objdump 2.40 drops the `i` of immediate operations, and prints
/// data in its own way.
fn normal(text: &str) -> String {
    let Some((mnemonic, operands)) = text.split_once(' ') else {
        return text.to_owned();
    };
    let immediate = operands
        .rsplit(',')
        .next()
        .is_some_and(|o| o.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
    let mnemonic = match mnemonic {
        "add" | "and" | "or" | "xor" | "slt" | "sll" | "srl" | "sra" if immediate => {
            format!("{mnemonic}i")
        }
        "csrw" | "csrs" | "csrc" | "csrrw" | "csrrs" | "csrrc" if immediate => {
            format!("{mnemonic}i")
        }
        "addw" | "sllw" | "srlw" | "sraw" if immediate => {
            format!("{}iw", &mnemonic[..mnemonic.len() - 1])
        }
        "sltu" if immediate => "sltiu".to_owned(),
        ".2byte" | ".4byte" | ".half" | ".word" => return "unknown".to_owned(),
        _ => mnemonic.to_owned(),
    };
    format!("{mnemonic} {operands}")
}

/// Known differences from objdump, with the reason why our result is correct.
fn known_difference(word: u32, theirs: &str) -> bool {
    let Some(insn) = decode(word) else {
        // The rounding modes 5 and 6 are invalid (volume I, section 11.2). c.addi16sp without an
        // immediate is reserved (section 16.5).
        return theirs.ends_with(",unknown") || word & 0xffff == 0x6101;
    };
    let unknown = theirs.starts_with(".4byte");
    match insn.op {
        // HINTs: objdump prints the compressed mnemonic, we print the instruction that it encodes.
        _ if insn.len == 2 && theirs.starts_with("c.") => insn.rd == 0 || insn.imm == 0,
        Op::Addi if insn.len == 2 && insn.imm == 0 => normal(theirs).starts_with("addi "),
        // Implementations ignore the reserved fields of fences (volume I, section 2.7).
        Op::Fence | Op::FenceI => unknown,
        // These conversions are exact. The specification does not require rounding mode 0, and QEMU
        // accepts every valid one.
        Op::FcvtDS | Op::FcvtDW | Op::FcvtDWu => insn.rm != 0 && unknown,
        // CSRs that this machine does not have: those of the hypervisor extension and of RV32.
        Op::Csrrw | Op::Csrrs | Op::Csrrc | Op::Csrrwi | Op::Csrrsi | Op::Csrrci => {
            csr::name(insn.imm as u16).is_none()
        }
        _ => false,
    }
}

fn compare(words: &[u32], name: &str, at_least: usize, skip: impl Fn(u32) -> bool) {
    let Some(theirs) = objdump(words, name) else {
        return;
    };
    let mut compared = 0;
    let mut wrong = Vec::new();
    for (i, (&word, theirs)) in words.iter().zip(&theirs).enumerate() {
        let ours = disassemble(word, 4 * i as u64);
        if skip(word) || known_difference(word, theirs) {
            continue;
        }
        compared += 1;
        if normal(&ours) != normal(theirs) {
            wrong.push(format!("{word:#010x}: {ours:30} objdump: {theirs}"));
        }
    }
    let shown = wrong
        .iter()
        .take(60)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(wrong.is_empty(), "{} differ:\n{shown}", wrong.len());
    // Fail if a filter leaves nothing to compare.
    assert!(compared >= at_least, "only {compared} compared");
}

#[test]
fn all_halfwords() {
    // A c.nop follows each halfword, so that objdump stays aligned to words.
    let words: Vec<u32> = (0..=u16::MAX)
        .filter(|half| half & 3 != 3)
        .map(|half| 0x0001_0000 | u32::from(half))
        .collect();
    compare(&words, "halfwords.bin", 48_000, |_| false);
}

#[test]
fn random_words_of_every_entry() {
    let mut random = 1u64;
    let mut words = Vec::new();
    for entry in &TABLE {
        for _ in 0..200 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            words.push((random >> 32) as u32 & !entry.mask | entry.match_bits);
        }
    }
    compare(&words, "words.bin", 28_000, |_| false);
}

#[test]
fn all_csr_numbers() {
    let words: Vec<u32> = (0..4096).map(|number| number << 20 | 0x0005_9573).collect();
    compare(&words, "csrs.bin", csr::ALL.len(), |word| {
        csr::name((word >> 20) as u16).is_none()
    });
}

#[test]
fn random_words() {
    let mut random = 2u64;
    let words: Vec<u32> = (0..300_000)
        .map(|_| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 32) as u32 | 3
        })
        // Instructions longer than 32 bits.
        .filter(|word| word & 0x1f != 0x1f)
        .collect();
    compare(&words, "random.bin", 240_000, |_| false);
}
