# One hart whose code changes while it is hot, by stores and by page tables, without any fence (this machine's caches follow at
# once). Prints a letter for each part that was right in every round, and powers off; else it reports a failure.
# Built with Debian 12's riscv64-unknown-elf-gcc:
#   riscv64-unknown-elf-gcc -march=rv64g -mabi=lp64d -nostdlib -s -n -Wl,-Ttext=0x80000000 -Wl,--build-id=none -o code.elf code.S
    .option norvc
    .globl _start
    .equ ROUNDS, 40
    .equ LI_A0, 0x513              # li a0, N is this and N << 20
_start:
    li s2, 0x10000000              # the serial port
    la t0, unexpected
    csrw mtvec, t0

# Part a: an instruction of the block that a loop jumps to, in the same page.
    li s1, 0
    la s3, a_target
a_round:
    slli t0, s1, 20
    addi t0, t0, LI_A0
    sw t0, 0(s3)
    j a_target
a_back:
    bne a0, s1, failed
    addi s1, s1, 1
    li t0, ROUNDS
    blt s1, t0, a_round
    li t0, 'a'
    sb t0, 0(s2)
    j b
a_target:
    li a0, -1
    j a_back

# Part b: the instruction behind a loop, which is fallen into; and one behind the store, in its own block.
b:
    li s1, 0
    la s3, b_fallen
    la s4, b_next
b_round:
    slli t0, s1, 20
    addi t0, t0, LI_A0
    sw t0, 0(s3)
    addi t1, t0, 0x80              # li a1, N
    li t2, 3
b_inner:
    addi t2, t2, -1
    bnez t2, b_inner
b_fallen:
    li a0, -1
    sw t1, 0(s4)
b_next:
    li a1, -1
    bne a0, s1, failed
    bne a1, s1, failed
    addi s1, s1, 1
    li t0, ROUNDS
    blt s1, t0, b_round
    li t0, 'b'
    sb t0, 0(s2)

# Sv39 in supervisor mode. The first GiB is left out, the third is mapped to itself for supervisor mode. The first table of the
# second GiB leads to one of 4 KiB pages.
    .equ ROOT, 0x80100000
    .equ MIDDLE, 0x80101000
    .equ LEAVES, 0x80102000        # two tables: 4 MiB from 0x40000000 on
    .equ CODE, 0x80104000          # two pages of code
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    li s5, ROOT
    li t0, (MIDDLE >> 2) + 1
    sd t0, 8(s5)
    li t0, 0x200000cf              # 0x80000000: valid, R, W, X, A, D
    sd t0, 16(s5)
    li t0, 0xc7                    # the devices: valid, R, W, A, D
    sd t0, 0(s5)
    li s5, MIDDLE
    li t0, (LEAVES >> 2) + 1
    sd t0, 0(s5)
    li t0, (LEAVES >> 2) + 0x401
    sd t0, 8(s5)
    # In each page: where am I, and which page is this.
    li s5, CODE
    li s6, CODE + 0x1000
    li t0, 0x00000597              # auipc a1, 0
    sw t0, 0(s5)
    sw t0, 0(s6)
    li t0, (1 << 20) + LI_A0
    sw t0, 4(s5)
    li t0, (2 << 20) + LI_A0
    sw t0, 4(s6)
    li t0, 0x8067                  # ret
    sw t0, 8(s5)
    sw t0, 8(s6)
    li s7, CODE + 0x101000
    ld t1, 0(s5)
    sd t1, 0(s7)
    sw t0, 8(s7)
    li t0, (3 << 20) + LI_A0
    sw t0, 4(s7)
    li t0, 1 << 61                 # the walker sets A and D
    csrs 0x30a, t0
    li t0, (8 << 60) + (ROOT >> 12)
    csrw satp, t0
    li t0, 1 << 11                 # to supervisor mode
    csrw mstatus, t0
    la t0, c
    csrw mepc, t0
    mret

# Part c: one address that leads to either page in turns, and one a MiB above that leads to the other.
c:
    li s1, 0
    li s3, LEAVES + 64
    li s5, 0x40008000             # no set of 256 pages has it in the place of this code
    li s6, 0x40108000
    li s7, (CODE >> 2) + 0x4b      # valid, R, X, A
c_round:
    andi t0, s1, 1
    slli t1, t0, 10                # 4 KiB, in a page-table entry
    add t2, s7, t1
    sd t2, 0(s3)
    xori t1, t1, 1024
    add t2, s7, t1
    li t3, LEAVES + 0x840          # the entry of the address a MiB above
    sd t2, 0(t3)
    addi s8, t0, 1
    jalr s5
    bne a0, s8, failed
    bne a1, s5, failed
    li t0, 3
    sub s8, t0, s8
    jalr s6
    bne a0, s8, failed
    bne a1, s6, failed
    addi s1, s1, 1
    li t0, ROUNDS
    blt s1, t0, c_round
    li t0, 'c'
    sb t0, 0(s2)

# Part d: nothing changes any more, but a third page lies a MiB behind the one that the first address leads to: so a translation for
# that address must not be used for the one a MiB above.
    li s1, 0
    li s7, ((CODE + 0x101000) >> 2) + 0x4b
    sd s7, 16(s3)
    li s9, 0x4000a000
d_round:
    jalr s9
    bne a1, s9, failed
    li t0, 3
    bne a0, t0, failed
    jalr s5
    mv s8, a0
    bne a1, s5, failed
    jalr s6
    bne a1, s6, failed
    add s8, s8, a0
    li t0, 3
    bne s8, t0, failed
    addi s1, s1, 1
    li t0, ROUNDS
    blt s1, t0, d_round
    li t0, 'd'
    sb t0, 0(s2)

# Part e: a page-table entry that is an instruction, too. The one before it makes the table walker set its A bit, which makes
# an amoxor.w with s0 as address into `j .+0x42200`. Behind it is nothing that can be executed.
    li s3, LEAVES + 0x100
    li s0, 0x80110000
    li t0, 0x2004202f              # valid, R, W, X, G; it leads to 0x80108000
    sd t0, 0(s3)
    li t0, 0x000b3303              # ld t1, 0(s6)
    sw t0, -4(s3)
    li s6, 0x40020000
    la s7, e
    li t0, 0x000b8067              # jr s7
    li t1, LEAVES + 0x42300
    sw t0, 0(t1)
    addi t0, s3, -4
    jr t0
e:
    li t0, 'e'
    sb t0, 0(s2)
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
    j .

unexpected:
failed:
    li t0, 0x100000
    li t1, 0x13333
    sw t1, 0(t0)
    j .
