# One instruction each. All are four bytes long, so that the handlers can step over them.
    .text
    .option norvc

    .macro PROBE name, text:vararg
    .balign 4
    .globl probe_\name
    .type probe_\name, @function
probe_\name:
    \text
    ret
    .size probe_\name, . - probe_\name
    .endm

    PROBE load,         ld a0, 0(a0)
    PROBE load_byte,    lbu a0, 0(a0)
    PROBE store,        sd a0, 0(a0)
    PROBE fetch,        jr a0
    PROBE lr,           lr.d a0, (a0)
    PROBE lr_misaligned, lr.w a0, (a0)
    PROBE sc,           sc.d a0, a0, (a0)
    PROBE amo,          amoadd.d a0, zero, (a0)
    PROBE fld,          fld ft0, 0(a0)
    PROBE ecall,        ecall
    PROBE ebreak,       ebreak
    PROBE illegal,      .word 0xffffffff
    PROBE zero,         .word 0x00010000      # c.unimp, c.nop
    PROBE wfi,          wfi
    PROBE sret,         sret
    PROBE mret,         mret
    PROBE fence_vma,    sfence.vma
    PROBE read_satp,    csrr a0, satp
    PROBE read_sie,     csrr a0, sie
    PROBE read_cycle,   rdcycle a0
    PROBE read_time,    rdtime a0
    PROBE read_instret, rdinstret a0
    PROBE read_mstatus, csrr a0, mstatus
    PROBE write_cycle,  csrw cycle, a0
    PROBE read_absent,  csrr a0, 0x5c0
    PROBE fadd,         fadd.d ft0, ft0, ft0
    PROBE fadd_bad_mode, .word 0x02005053      # fadd.d ft0, ft0, ft0 with the reserved rounding mode 5
    PROBE read_stimecmp, csrr a0, 0x14d
    PROBE write_stimecmp, csrw 0x14d, a0
    PROBE read_menvcfg, csrr a0, 0x30a
    PROBE write_menvcfg, csrw 0x30a, a0

# probe_mprv_load: a load with mstatus.MPRV set, from machine mode, at the privilege in MPP
    .balign 4
    .globl probe_mprv_load
    .type probe_mprv_load, @function
probe_mprv_load:
    li      t0, 1 << 17
    csrs    mstatus, t0
    ld      a0, 0(a0)
    csrc    mstatus, t0
    ret
    .size probe_mprv_load, . - probe_mprv_load

# probe_set_sie_wait: in supervisor mode, enables the interrupts in a0 and waits until their handler has cleared sie
    .balign 4
    .globl probe_set_sie_wait
    .type probe_set_sie_wait, @function
probe_set_sie_wait:
    csrw    sie, a0
    csrsi   sstatus, 2
    li      t0, 100000000
1:  csrr    t1, sie
    beqz    t1, 2f
    addi    t0, t0, -1
    bnez    t0, 1b
2:  csrci   sstatus, 2
    mv      a0, t1
    ret
    .size probe_set_sie_wait, . - probe_set_sie_wait
