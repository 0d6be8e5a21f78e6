# A kernel for supervisor mode on two harts, with the machine's own SBI for firmware: hart 0 starts hart 1; each sets its timer,
# interrupts the other, prints a letter and suspends itself, 40 interrupts long; hart 1 stops, hart 0 powers off.
# Built with Debian 12's riscv64-unknown-elf-gcc:
#   riscv64-unknown-elf-gcc -march=rv64g -mabi=lp64d -nostdlib -Wl,-Ttext=0x80200000 -o sbi.elf sbi.S
#   riscv64-unknown-elf-objcopy -O binary sbi.elf sbi.bin
    .option norvc
    .option norelax
    .globl _start
_start:
    mv s0, a0
    la t0, handler
    csrw stvec, t0
    li s1, 0                       # interrupts taken
    li s2, 40
    bnez s0, both
    li a0, 1
    la a1, _start
    li a6, 0
    li a7, 0x48534d
    ecall
both:
    li t0, 0x22                    # software and timer interrupts
    csrw sie, t0
again:
    rdtime a0
    addi a0, a0, 200
    li a6, 0
    li a7, 0x54494D45
    ecall
    xori t0, s0, 1
    li t1, 1
    sll a0, t1, t0
    li a1, 0
    li a7, 0x735049                # IPI
    ecall
    addi a0, s0, 65
    li a6, 2
    li a7, 0x4442434E             # write a byte
    ecall
    li a0, 0
    li a6, 3                       # suspend
    li a7, 0x48534d
    ecall
    csrsi sstatus, 2
    nop
    csrci sstatus, 2
    blt s1, s2, again
    bnez s0, stop
wait:                              # until hart 1 has stopped
    li a0, 1
    li a6, 2
    ecall
    li t0, 1
    bne a1, t0, wait
    li a0, 0
    li a1, 0
    li a6, 0
    li a7, 0x53525354
    ecall
stop:                              # a7 is still that of hart state management
    li a6, 1
    ecall
handler:
    addi s1, s1, 1
    csrr t0, scause
    andi t0, t0, 15
    li t1, 5
    beq t0, t1, timer
    csrci sip, 2
    sret
timer:
    li a0, -1
    li a6, 0
    li a7, 0x54494D45
    ecall
    li a7, 0x48534d
    sret
