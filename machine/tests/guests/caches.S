# Two harts in machine mode: what one stores, the other's caches must follow. Each round hart 0 changes an instruction that hart 1
# executes and a page-table entry that hart 1 loads through (no SFENCE.VMA: this machine's translations follow stores at once),
# with the stores' own pages well known to hart 0's caches. Powers off when every round was right, else reports a failure.
# Built with Debian 12's riscv64-unknown-elf-gcc:
#   riscv64-unknown-elf-gcc -march=rv64g -mabi=lp64d -nostdlib -s -n -Wl,-Ttext=0x80000000 -Wl,--build-id=none -o caches.elf caches.S
    .option norvc
    .globl _start
_start:
    li s0, 12                      # rounds
    li s1, 0                       # this one
    li s2, 0x80100000              # root table; the next level is the page behind
    li s3, 0x80102000              # code: two instructions
    li s4, 0x80103000              # flag of hart 0, and 64 bytes behind that of hart 1
    li s5, 0x80104000              # a word; the other is 2 MiB above
    li s6, 0x80304000
    csrr t0, mhartid
    bnez t0, second
    li t0, 1
    sd t0, 0(s5)
    li t0, 2
    sd t0, 0(s6)
    li t0, 0x8067                  # ret
    sw t0, 4(s3)
    srli t0, s2, 2
    addi t0, t0, 0x401             # the next level, valid
    sd t0, 0(s2)
round:
    slli t0, s1, 20
    addi t0, t0, 0x513             # li a0, round
    sw t0, 0(s3)
    andi t0, s1, 1
    slli t0, t0, 19                # 2 MiB up in odd rounds
    li t1, 0x200000c7              # 0x80000000: valid, R, W, A, D
    add t0, t0, t1
    li t1, 0x80101000
    sd t0, 0(t1)
    addi s1, s1, 1
    fence
    sd s1, 0(s4)
acknowledged:
    ld t0, 64(s4)
    bne t0, s1, acknowledged
    blt s1, s0, round
    li t0, 0x10000000              # the serial port
    li t1, 'k'
    sb t1, 0(t0)
    li t1, 0x5555
finish:
    li t0, 0x100000
    sw t1, 0(t0)
    j .
second:
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    srli t0, s2, 12
    li t1, 8 << 60                 # Sv39
    or t0, t0, t1
    csrw satp, t0
    li t0, 1 << 11                 # MPP: loads as in S mode
    csrs mstatus, t0
    li s7, 1 << 17                 # MPRV
    li s8, 0x104000
told:
    ld t0, 0(s4)
    beq t0, s1, told
    fence.i
    jalr s3
    bne a0, s1, wrong
    csrs mstatus, s7
    ld t0, 0(s8)
    csrc mstatus, s7
    andi t1, s1, 1
    addi t1, t1, 1
    bne t0, t1, wrong
    addi s1, s1, 1
    fence
    sd s1, 64(s4)
    j told
wrong:
    li t1, 0x13333
    j finish
