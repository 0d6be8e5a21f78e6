# Trap entries of machine and supervisor mode, and the way into a mode and back.

# A frame holds x1..x31 at 8 times their number; slot 32 is the vector that was taken (-1: the base).
    .macro SAVE scratch
    csrrw   sp, \scratch, sp
    sd      x1, 8(sp)
    .irp    n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, 8*\n(sp)
    .endr
    csrrw   t0, \scratch, sp
    sd      t0, 16(sp)
    .endm

    .macro RESTORE scratch
    csrr    sp, \scratch
    ld      x1, 8(sp)
    .irp    n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      x\n, 8*\n(sp)
    .endr
    ld      sp, 16(sp)
    .endm

# A table of sixteen jumps; each notes its number and goes on to the common entry.
    .macro VECTORS name, scratch, entry
    .balign 256
    .globl \name
\name:
    .option push
    .option norvc
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    j       \name\()_\n
    .endr
    .option pop
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
\name\()_\n:
    csrrw   sp, \scratch, sp
    sd      t0, 40(sp)
    li      t0, \n
    sd      t0, 256(sp)
    ld      t0, 40(sp)
    csrrw   sp, \scratch, sp
    j       \entry
    .endr
    .endm

    .text
    VECTORS m_vectors, mscratch, m_entry
    VECTORS s_vectors, sscratch, s_entry

    .balign 4
    .globl m_entry
m_entry:
    SAVE    mscratch
    mv      a0, sp
    la      sp, m_stack_top
    call    on_m_trap
    RESTORE mscratch
    mret

    .balign 4
    .globl s_entry
s_entry:
    SAVE    sscratch
    mv      a0, sp
    la      sp, s_stack_top
    call    on_s_trap
    RESTORE sscratch
    sret

    .globl harness_start
harness_start:
    la      t0, m_frame
    csrw    mscratch, t0
    la      t0, s_frame
    csrw    sscratch, t0
    la      t0, m_entry
    csrw    mtvec, t0
    la      t0, s_entry
    csrw    stvec, t0
    ret

# enter(a0 = function, a1 = argument, a2 = mode, a3 = stack, a4 = what to add to the address of the way back)
    .globl enter
enter:
    la      t0, context
    sd      ra, 0(t0)
    sd      sp, 8(t0)
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
    sd      s\n, 16+8*\n(t0)
    .endr
    li      t0, 3 << 11
    csrc    mstatus, t0
    slli    a2, a2, 11
    csrs    mstatus, a2
    csrw    mepc, a0
    mv      sp, a3
    mv      a0, a1
    li      a7, 0
    la      ra, way_back
    add     ra, ra, a4
    mret
way_back:
    li      a7, 0x1eaf
    ecall
    j       way_back

# leave(a0 = result): from the handler, returns from enter()
    .globl leave
leave:
    la      t0, context
    ld      ra, 0(t0)
    ld      sp, 8(t0)
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
    ld      s\n, 16+8*\n(t0)
    .endr
    ret

# pass_on(a0 = result): the same from the supervisor's handler
    .globl pass_on
pass_on:
    j       way_back

    .section .bss
    .balign 16
context:    .skip 128
m_frame:    .skip 272
s_frame:    .skip 272
    .balign 16
    .skip 4096
m_stack_top:
    .skip 4096
s_stack_top:
    .globl m_frame, s_frame
