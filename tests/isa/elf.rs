//! An ELF file with one segment: the ELF64 header and one program header (System V ABI, "ELF
//! Header").

/// An ELF file that loads `bytes` at `base`, and starts there.
pub(crate) fn executable(base: u64, bytes: &[u8]) -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    let size = bytes.len() as u64;
    let mut elf = Vec::with_capacity(bytes.len() + HEADERS as usize);
    let half = |out: &mut Vec<u8>, value: u16| out.extend(value.to_le_bytes());
    let word = |out: &mut Vec<u8>, value: u32| out.extend(value.to_le_bytes());
    let double = |out: &mut Vec<u8>, value: u64| out.extend(value.to_le_bytes());

    // 64 bits, little-endian, version 1, System V.
    elf.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    half(&mut elf, 2); // executable
    half(&mut elf, 243); // RISC-V
    word(&mut elf, 1); // version
    double(&mut elf, base); // entry
    double(&mut elf, 64); // program headers
    double(&mut elf, 0); // section headers
    word(&mut elf, 5); // flags: compressed, double-float ABI
    for field in [64, 56, 1, 0, 0, 0] {
        half(&mut elf, field);
    }

    word(&mut elf, 1); // PT_LOAD
    word(&mut elf, 7); // read, write, execute
    for field in [HEADERS, base, base, size, size, 8] {
        double(&mut elf, field);
    }
    elf.extend(bytes);
    elf
}
