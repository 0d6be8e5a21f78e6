# Machine-mode start: hart 0 gets a stack, zeroed bss and floating point, then runs main(device tree).
    .section .text.start, "ax"
    .globl _start
_start:
    csrw    mie, zero
    csrr    t0, mhartid
    bnez    t0, park
    la      sp, stack_top
    la      t0, trap_entry
    csrw    mtvec, t0
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:  li      t0, 1 << 13            # mstatus.FS = Initial
    csrs    mstatus, t0
    fscsr   zero
    mv      s0, a1
    call    uart_init
    mv      a0, s0
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
park:
    wfi
    j       park
    .size finish, . - finish

# Every trap of a sample that stays in machine mode: caller-saved integer registers, trap(cause, epc), and back.
# Handlers use no floating point, so its registers stay.
    .text
    .balign 4
    .globl trap_entry
    .type trap_entry, @function
trap_entry:
    addi    sp, sp, -128
    sd      ra, 0(sp)
    sd      t0, 8(sp)
    sd      t1, 16(sp)
    sd      t2, 24(sp)
    sd      t3, 32(sp)
    sd      t4, 40(sp)
    sd      t5, 48(sp)
    sd      t6, 56(sp)
    sd      a0, 64(sp)
    sd      a1, 72(sp)
    sd      a2, 80(sp)
    sd      a3, 88(sp)
    sd      a4, 96(sp)
    sd      a5, 104(sp)
    sd      a6, 112(sp)
    sd      a7, 120(sp)
    csrr    a0, mcause
    csrr    a1, mepc
    call    trap
    ld      ra, 0(sp)
    ld      t0, 8(sp)
    ld      t1, 16(sp)
    ld      t2, 24(sp)
    ld      t3, 32(sp)
    ld      t4, 40(sp)
    ld      t5, 48(sp)
    ld      t6, 56(sp)
    ld      a0, 64(sp)
    ld      a1, 72(sp)
    ld      a2, 80(sp)
    ld      a3, 88(sp)
    ld      a4, 96(sp)
    ld      a5, 104(sp)
    ld      a6, 112(sp)
    ld      a7, 120(sp)
    addi    sp, sp, 128
    mret
    .size trap_entry, . - trap_entry

    .section .bss.stack, "aw", @nobits
    .balign 16
    .skip 16384
stack_top:
