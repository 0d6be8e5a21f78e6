# Machine-mode start of several harts, each with a stack and a block for its interrupt handler; floating point stays off.
# Hart 0 zeroes bss, then all run: hart 0 main(device tree), the others other(hart).
    .section .text.start, "ax"
    .globl _start
_start:
    csrw    mie, zero
    csrr    s0, mhartid
    la      sp, stacks
    addi    t0, s0, 1
    slli    t0, t0, 13
    add     sp, sp, t0             # stack of hart h: 8 KiB that end at stacks + 8192 * (h + 1)
    la      t0, ipi_entry
    csrw    mtvec, t0
    la      t0, blocks
    slli    t1, s0, 5
    add     t0, t0, t1             # block of hart h: 32 bytes at blocks + 32 * h
    csrw    mscratch, t0
    la      s1, ready
    bnez    s0, 3f
    mv      s2, a1
    la      t1, bss_start
    la      t2, bss_end
1:  bgeu    t1, t2, 2f
    sd      zero, 0(t1)
    addi    t1, t1, 8
    j       1b
2:  call    uart_init
    li      t0, 1
    fence   rw, w
    sw      t0, 0(s1)
    mv      a0, s2
    call    main
    # falls through: what main returned is the code

# finish(code): 0 powers off, anything else is reported as a failure code.
    .globl finish
    .type finish, @function
finish:
    li      t0, 0x5555
    beqz    a0, 1f
    slli    t0, a0, 16
    li      t1, 0x3333
    or      t0, t0, t1
1:  li      t1, 0x100000
    sw      t0, 0(t1)
    j       park
    .size finish, . - finish

3:  lw      t0, 0(s1)
    beqz    t0, 3b
    fence   r, rw
    mv      a0, s0
    call    other
park:
    csrw    mie, zero
    wfi
    j       park

# A software interrupt from another hart: taken note of, and cleared. Anything else ends the machine.
    .text
    .balign 4
ipi_entry:
    csrrw   t0, mscratch, t0
    sd      t1, 0(t0)
    sd      t2, 8(t0)
    csrr    t1, mcause
    bgez    t1, unexpected
    csrr    t1, mhartid
    slli    t1, t1, 2
    li      t2, 0x2000000
    add     t1, t1, t2
    sw      zero, 0(t1)
    ld      t1, 16(t0)
    addi    t1, t1, 1
    sd      t1, 16(t0)
    ld      t1, 0(t0)
    ld      t2, 8(t0)
    csrrw   t0, mscratch, t0
    mret
unexpected:
    csrr    a0, mcause
    csrr    a1, mepc
    call    trap

    .data
    .balign 4
ready:                             # not in bss, which is zeroed while others look
    .word   0

    .section .bss.blocks, "aw", @nobits
    .balign 64
    .globl  blocks
blocks:
    .skip   8 * 32
    .balign 16
stacks:
    .skip   8 * 8192
