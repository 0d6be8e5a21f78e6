/* Code that changes under the processor's feet: each change is followed by fence.i. */
#include "traps.h"

enum { REWRITES = 20000 };

static u32 code[32] __attribute__((aligned(4096)));

#define RET 0x00008067
static u32 addi(u32 rd, u32 rs, u32 immediate) { return (immediate & 0xfff) << 20 | rs << 15 | rd << 7 | 0x13; }

static void rewriting(void)
{
    function *f = (function *)code;
    u64 sum = 0, want = 0;
    code[1] = RET;
    for (u32 i = 0; i < REWRITES; i++) {
        code[0] = addi(10, 10, i & 0x7ff);
        fence_i();
        sum += f(i);
        want += i + (i & 0x7ff);
    }
    check("an instruction rewritten 20000 times", sum, want);

    /* a hot loop, one instruction of which changes after a while */
    code[0] = addi(5, 0, 0);  /* li t0, 0 */
    code[1] = addi(5, 5, 1);  /* 1: addi t0, t0, 1 */
    code[2] = addi(10, 10, -1);
    code[3] = 0xfe051ce3; /* bnez a0, 1b */
    code[4] = addi(10, 5, 0);
    code[5] = RET;
    fence_i();
    u64 before = f(1000);
    code[1] = addi(5, 5, 3);
    fence_i();
    check("a hot loop, patched", before << 16 | f(1000), 1000ul << 16 | 3000);

    /* four bytes become two instructions of two bytes */
    code[0] = addi(10, 10, 5);
    code[1] = RET;
    fence_i();
    before = f(0);
    code[0] = 0x05090505; /* c.addi a0, 1; c.addi a0, 2 */
    fence_i();
    check("a long instruction becomes two short ones", before << 8 | f(0), 5 << 8 | 3);

    /* code and the data that it writes in one page */
    code[0] = 0x04a53023; /* sd a0, 64(a0) */
    code[1] = 0x04053503; /* ld a0, 64(a0) */
    code[2] = RET;
    fence_i();
    check("code that stores into its own page", f((u64)code), (u64)code);
}

/* Code that rewrites the instruction after the next, itself: it takes effect after the fence.i between them. */
static void self_modifying(void)
{
    code[0] = 0x00b52823; /* sw a1, 16(a0): a0 is the start of the code */
    code[1] = 0x0000100f; /* fence.i */
    code[2] = addi(10, 0, 1);
    code[3] = addi(10, 10, 10);
    code[4] = addi(10, 10, 100); /* becomes addi a0, a0, 200 */
    code[5] = RET;
    fence_i();
    register u64 a0 asm("a0") = (u64)code;
    register u64 a1 asm("a1") = addi(10, 10, 200);
    asm volatile("jalr ra, %2" : "+r"(a0), "+r"(a1) : "r"(code) : "ra", "memory");
    check("code that rewrites itself", a0, 211);
}

void code_checks(void)
{
    rewriting();
    self_modifying();
}
