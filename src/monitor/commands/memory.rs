//! Guest memory, for `x`, `xp`, `memsave` and `pmemsave`.

use crate::monitor::visit::CommandError;
use machine::{Machine, PhysAddr, VirtAddr};
use std::fmt::Write;

/// The address space of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// Virtual addresses of this hart.
    Virtual(u8),
    /// Physical addresses.
    Physical,
}

const PAGE: u64 = 4096;

/// Reads bytes of RAM or ROM. Devices are not read, because a read can change their state.
pub(super) fn read(
    machine: &Machine,
    space: Space,
    address: u64,
    size: u64,
) -> Result<Vec<u8>, CommandError> {
    if size > machine.bus().ram.size() {
        return Err(CommandError::generic(format!(
            "{size} bytes are more than the machine has"
        )));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    let (mut at, mut left) = (address, size);
    while left > 0 {
        let piece = left.min(PAGE - at % PAGE);
        let physical = match space {
            Space::Virtual(hart) => machine.physical(hart, VirtAddr::new(at)),
            Space::Physical => Some(PhysAddr::new(at)),
        };
        let found = physical.and_then(|physical| machine.bus().memory(physical, piece as usize));
        let Some(found) = found else {
            return Err(CommandError::generic(format!(
                "Invalid addr 0x{at:016x}/size {size} specified"
            )));
        };
        bytes.extend(found);
        at = at.wrapping_add(piece);
        left -= piece;
    }
    Ok(bytes)
}

/// The format of `x/FMT`, as gdb and QEMU write it: a count, a letter for the form, a letter for
/// the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    count: u64,
    form: char,
    size: usize,
}

/// The most items that one command shows.
const MAX_COUNT: u64 = 1 << 16;

impl Format {
    /// Parses the text after the slash.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let letters = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &text[..text.len() - letters.len()];
        let count = match digits {
            "" => 1,
            digits => digits.parse().ok()?,
        };
        let mut format = Self {
            count,
            form: 'x',
            size: 4,
        };
        for letter in letters.chars() {
            match letter {
                'x' | 'd' | 'u' | 'o' | 'c' | 'i' => format.form = letter,
                'b' => format.size = 1,
                'h' => format.size = 2,
                'w' => format.size = 4,
                'g' => format.size = 8,
                _ => return None,
            }
        }
        if format.form == 'c' {
            format.size = 1;
        }
        (count <= MAX_COUNT).then_some(format)
    }

    /// Shows memory as lines of text.
    pub(super) fn show(self, machine: &Machine, space: Space, address: u64) -> String {
        let mut text = String::new();
        match self.form {
            'i' => self.instructions(machine, space, address, &mut text),
            _ => self.items(machine, space, address, &mut text),
        }
        text
    }

    fn items(self, machine: &Machine, space: Space, address: u64, text: &mut String) {
        let per_line = if self.size == 1 {
            8
        } else {
            16 / self.size as u64
        };
        for number in 0..self.count {
            let at = address.wrapping_add(number * self.size as u64);
            let Ok(bytes) = read(machine, space, at, self.size as u64) else {
                let line = if number % per_line == 0 { "" } else { "\r\n" };
                text.push_str(line);
                text.push_str("Cannot access memory\r\n");
                return;
            };
            if number % per_line == 0 {
                // Writing to a string cannot fail, here and below.
                let _ = write!(text, "{at:016x}:");
            }
            let mut word = [0; 8];
            word[..self.size].copy_from_slice(&bytes);
            let value = u64::from_le_bytes(word);
            let unused = 64 - 8 * self.size;
            let signed = (value << unused).cast_signed() >> unused;
            let _ = match self.form {
                'd' => write!(text, " {signed:>width$}", width = self.size * 5 / 2 + 1),
                'u' => write!(text, " {value:>width$}", width = self.size * 5 / 2),
                'o' => write!(text, " {value:#o}"),
                'c' => write!(text, " '{}'", char::from(bytes[0]).escape_default()),
                _ => write!(text, " 0x{value:0width$x}", width = 2 * self.size),
            };
            if number % per_line == per_line - 1 || number == self.count - 1 {
                text.push_str("\r\n");
            }
        }
    }

    fn instructions(self, machine: &Machine, space: Space, address: u64, text: &mut String) {
        let mut at = address;
        for _ in 0..self.count {
            let half = |at| {
                let bytes = read(machine, space, at, 2).ok()?;
                Some(u32::from(u16::from_le_bytes(*bytes.first_chunk()?)))
            };
            let raw = half(at).and_then(|low| match low & 3 {
                3 => Some(half(at.wrapping_add(2))? << 16 | low),
                _ => Some(low),
            });
            let Some(raw) = raw else {
                text.push_str("Cannot access memory\r\n");
                return;
            };
            let words = riscv_isa::disassemble(raw, at);
            let (length, digits) = if raw & 3 == 3 { (4, 8) } else { (2, 4) };
            let _ = write!(text, "0x{at:016x}:  {raw:0digits$x}  {words}\r\n");
            at = at.wrapping_add(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::{Config, PowerOn};

    const BASE: u64 = 0x8000_0000;

    fn machine() -> Machine {
        let code: Vec<u8> = [0x0000_0297u32, 0x0282_8613]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let bytes = [code, vec![0x01, 0x00, 0xff, b'A', b'\n', 0, 0, 0]].concat();
        let power_on = PowerOn {
            segments: vec![(PhysAddr::new(BASE), bytes)],
            ..PowerOn::default()
        };
        Machine::new(&Config::new(1 << 20), power_on).unwrap()
    }

    fn show(format: &str, address: u64) -> String {
        Format::parse(format)
            .unwrap()
            .show(&machine(), Space::Virtual(0), address)
    }

    #[test]
    fn forms() {
        assert_eq!(show("", BASE), "0000000080000000: 0x00000297\r\n");
        assert_eq!(
            show("2xw", BASE),
            "0000000080000000: 0x00000297 0x02828613\r\n"
        );
        assert_eq!(show("xg", BASE), "0000000080000000: 0x0282861300000297\r\n");
        assert_eq!(show("2dh", BASE + 8), "0000000080000008:      1  16895\r\n");
        assert_eq!(show("db", BASE + 10), "000000008000000a:  -1\r\n");
        assert_eq!(show("ub", BASE + 10), "000000008000000a: 255\r\n");
        assert_eq!(show("2c", BASE + 11), "000000008000000b: 'A' '\\n'\r\n");
        assert_eq!(show("9xb", BASE).lines().count(), 2);
        let code = show("3i", BASE);
        let lines: Vec<_> = code.lines().collect();
        assert!(
            lines[0].starts_with("0x0000000080000000:  00000297  auipc"),
            "{code}"
        );
        assert!(
            lines[2].starts_with("0x0000000080000008:  0001  "),
            "{code}"
        );
        assert_eq!(
            show("2xw", BASE + (1 << 20) - 4).lines().last(),
            Some("Cannot access memory")
        );
        for wrong in ["z", "4294967296xw", "99999999999999999999x"] {
            assert_eq!(Format::parse(wrong), None);
        }
    }

    #[test]
    fn what_cannot_be_read() {
        let machine = machine();
        assert_eq!(
            read(&machine, Space::Physical, BASE, 4).unwrap(),
            [0x97, 2, 0, 0]
        );
        for (address, size) in [
            (0x1000_0000, 1),
            (BASE + (1 << 20) - 1, 2),
            (BASE, 1 << 21),
            (u64::MAX, 2),
        ] {
            assert!(read(&machine, Space::Physical, address, size).is_err());
        }
    }
}
