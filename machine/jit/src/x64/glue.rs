//! The glue, which all translated blocks share: entry, exit, and jumps to a computed address.

use super::registers::{HELD, in_frame, in_memory, on_stack};
use crate::frame::{NO_SITE, SLOTS};
use crate::tlb::{ENTRIES, Entry};
use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, dynasm};

/// An assembler for code at a given address.
pub(super) type Assembler = VecAssembler<X64Relocation>;

/// Addresses of the glue's routines.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Glue {
    /// The entry: `extern "sysv64" fn(frame, code)`.
    pub(super) enter: usize,
    /// The exit. The number of the site is in `edx`.
    pub(super) exit: usize,
    /// Jumps to the guest address in `rax`. It leaves only if there is no code for it.
    pub(super) jump: usize,
    /// The exit with the address in `rax` as pc.
    pub(super) exit_at: usize,
}

/// The shift from a virtual address to the offset of its entry in a set.
const ENTRY_SHIFT: i8 = 12 - ENTRY_BITS;
const ENTRY_BITS: i8 = size_of::<Entry>().trailing_zeros() as i8;
/// The mask of that offset.
pub(super) const ENTRY_MASK: i32 = ((ENTRIES - 1) << ENTRY_BITS) as i32;

/// Computes the offset of the entry for the address in `rax`, into `rcx`.
pub(super) fn entry_of_address(asm: &mut Assembler) {
    dynasm!(asm
        ; .arch x64
        ; mov ecx, eax
        ; shr ecx, ENTRY_SHIFT
        ; and ecx, DWORD ENTRY_MASK
    );
}

/// Assembles the glue for address `base`; `None` if the assembler fails.
pub(super) fn assemble(base: usize) -> Option<(Glue, Vec<u8>)> {
    let mut asm = Assembler::new(base);
    let mut glue = Glue::default();
    let place = |asm: &Assembler| base + asm.offset().0;

    glue.enter = place(&asm);
    dynasm!(asm
        ; .arch x64
        ; push rbx
        ; push rbp
        ; push r12
        ; push r13
        ; push r14
        ; push r15
        // In the order of `on_stack`, from the end.
        ; push QWORD [rdi + in_frame::F]
        ; push QWORD [rdi + in_frame::TABLE]
        ; push QWORD [rdi + in_frame::FETCH]
        ; push QWORD [rdi + in_frame::KICK]
        ; push rdi
        ; push QWORD [rdi + in_frame::PAGE]
        ; mov rax, rsi
        ; mov rbp, [rdi + in_frame::MIDDLE]
        ; mov r13, [rdi + in_frame::BUDGET]
        ; mov r14, [rdi + in_frame::LOAD]
        ; mov r15, [rdi + in_frame::RAM]
    );
    for (guest, host) in HELD {
        dynasm!(asm ; .arch x64 ; mov Rq(host), [BYTE rbp + in_memory(guest)]);
    }
    dynasm!(asm ; .arch x64 ; jmp rax);

    glue.exit_at = place(&asm);
    dynasm!(asm
        ; .arch x64
        ; ->exit_at:
        ; mov rcx, [BYTE rsp + on_stack::FRAME]
        ; mov [rcx + in_frame::PC], rax
        ; mov edx, DWORD NO_SITE as i32
    );
    glue.exit = place(&asm);
    dynasm!(asm
        ; .arch x64
        ; mov rcx, [BYTE rsp + on_stack::FRAME]
        ; mov rax, [BYTE rsp + on_stack::PAGE]
        ; mov [rcx + in_frame::SITE], rdx
        ; mov [rcx + in_frame::PAGE], rax
        ; mov [rcx + in_frame::BUDGET], r13
        ; add rsp, BYTE on_stack::SIZE
    );
    for (guest, host) in HELD {
        dynasm!(asm ; .arch x64 ; mov [BYTE rbp + in_memory(guest)], Rq(host));
    }
    dynasm!(asm
        ; .arch x64
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop r12
        ; pop rbp
        ; pop rbx
        ; ret
    );

    // Each jump looks up the TLB and then the jump table, so a change of address translation needs
    // no change of code.
    glue.jump = place(&asm);
    dynasm!(asm
        ; .arch x64
        ; mov rcx, [BYTE rsp + on_stack::KICK]
        ; cmp BYTE [rcx], 0
        ; jne ->exit_at
    );
    entry_of_address(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; add rcx, [BYTE rsp + on_stack::FETCH]
        ; mov rdx, rax
        ; and rdx, -4096
        ; cmp rdx, [rcx]
        ; jne ->exit_at
        ; mov rcx, [rcx + 8]
        ; add rcx, rax
        // One entry of 16 bytes per two bytes of guest code.
        ; lea rdx, [rcx * 8]
        ; and edx, DWORD ((SLOTS - 1) << 4) as i32
        ; add rdx, [BYTE rsp + on_stack::TABLE]
        ; cmp rcx, [rdx]
        ; jne ->exit_at
        ; and rax, -4096
        ; mov [BYTE rsp + on_stack::PAGE], rax
        ; jmp QWORD [rdx + 8]
    );
    Some((glue, asm.finalize().ok()?))
}
