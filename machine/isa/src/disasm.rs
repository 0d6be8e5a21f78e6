//! placeholder
/// Placeholder.
pub fn disassemble(raw: u32, _pc: u64) -> String {
    format!(".word {raw:#010x}")
}
