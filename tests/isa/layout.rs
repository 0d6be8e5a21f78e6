//! Addresses: in the address space of the `virt` board, and in the memory of the test program.

/// The address where the program is loaded and entered; it has at most 16 MiB.
pub(crate) const PROGRAM: u64 = 0x8000_0000;

/// Memory that streams read and write, and that is filled anew for each stream: two pages for
/// streams in machine mode, then the eight pages that the page tables of the others map.
pub(crate) const MEMORY: u64 = 0x8100_0000;
pub(crate) const SCRATCH_BYTES: u64 = 2 * 4096;
pub(crate) const DATA_PAGES: u64 = MEMORY + SCRATCH_BYTES;
pub(crate) const DATA_PAGE_COUNT: u64 = 8;
pub(crate) const MEMORY_BYTES: u64 = SCRATCH_BYTES + DATA_PAGE_COUNT * 4096;

/// A page full of `ret`, for jumps through the page tables. It is never mapped writable, so no jump
/// runs bytes that a store left.
pub(crate) const RET_PAGE: u64 = 0x8102_0000;

/// The state of the handlers and the runtime, see [`context`].
pub(crate) const CONTEXT: u64 = 0x8103_0000;

/// The signature of the present stream, up to the end of memory.
pub(crate) const SIGNATURE: u64 = 0x8200_0000;
pub(crate) const SIGNATURE_END: u64 = 0x8700_0000;

/// The end of memory (128 MiB).
pub(crate) const RAM_END: u64 = 0x8800_0000;

/// An address without a device, on both machines.
pub(crate) const HOLE: u64 = 0x0900_0000;

pub(crate) const UART: u64 = 0x1000_0000;
pub(crate) const FINISHER: u64 = 0x0010_0000;

/// The second mapping of the code of user-mode streams, with the user bit.
pub(crate) const USER_ALIAS: u64 = 0x1_0000_0000;

/// The window that random page tables map: 64 pages, and after them entries at the 2 MiB level. As
/// physical addresses (with MPRV in machine mode) they have no device, on both machines.
pub(crate) const WINDOW: u64 = 0x2_0000_0000;
pub(crate) const WINDOW_PAGES: u64 = 64;

/// Offsets in the context. `mscratch` and `sscratch` both point to its start.
pub(crate) mod context {
    /// `x1` to `x31` at a trap into machine mode, at eight times their number.
    pub(crate) const MACHINE: i32 = 0;
    /// `x1` to `x31` at a trap into supervisor mode.
    pub(crate) const SUPERVISOR: i32 = 256;
    /// The address of the next word of the signature.
    pub(crate) const NEXT: i32 = 512;
    /// The low 32 bits of the address of the `ecall` that ends the stream.
    pub(crate) const END: i32 = 520;
    /// The address of the stream's row in the table.
    pub(crate) const ROW: i32 = 528;
    /// The number of times that the stream has run.
    pub(crate) const ITERATION: i32 = 536;
    /// The exceptions so far: bits 0 to 15 in machine mode, 32 to 47 in supervisor mode.
    pub(crate) const CAUSES: i32 = 544;
}

/// A row of the table of streams, in words of eight bytes.
pub(crate) mod row {
    /// The address of its first instruction; a virtual one in user mode. 0 ends the table.
    pub(crate) const ENTRY: i32 = 0;
    /// See [`super::context::END`].
    pub(crate) const END: i32 = 8;
    /// The address of 256 words for registers and memory.
    pub(crate) const POOL: i32 = 16;
    /// The value of `mstatus` at its start.
    pub(crate) const MSTATUS: i32 = 24;
    /// The value of `satp` at its start.
    pub(crate) const SATP: i32 = 32;
    /// The value of `medeleg` at its start.
    pub(crate) const MEDELEG: i32 = 40;
    /// The value of `fcsr` at its start.
    pub(crate) const FCSR: i32 = 48;
    /// The stream's number.
    pub(crate) const NUMBER: i32 = 56;
    /// Address and length in words of its page tables, which go into the signature.
    pub(crate) const TABLES: i32 = 64;
    pub(crate) const TABLES_WORDS: i32 = 72;
    pub(crate) const BYTES: i32 = 80;
}

/// Words of the pool.
pub(crate) const POOL_WORDS: u64 = 256;
/// The registers of each run start this number of words further on in the pool.
pub(crate) const POOL_STEP: u64 = 11;
/// The number of times that each stream runs, so that a machine that compiles hot code does so, and
/// executes it with other registers.
pub(crate) const ITERATIONS: u64 = 16;

/// The kinds of records in the signature, by their first words.
pub(crate) mod tag {
    /// A trap into machine mode: cause, epc, tval, status.
    pub(crate) const MACHINE_TRAP: u64 = 0x1111;
    /// A trap into supervisor mode: cause, epc, tval, status.
    pub(crate) const SUPERVISOR_TRAP: u64 = 0x2222;
    /// `x1` to `x31`, `f0` to `f31`, `fcsr`.
    pub(crate) const REGISTERS: u64 = 0x3333;
    /// Address, number of words, the words.
    pub(crate) const MEMORY: u64 = 0x4444;
}
