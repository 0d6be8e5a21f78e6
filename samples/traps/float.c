/* Floating point: results, flags and rounding modes at the edges (IEEE 754-2019; RISC-V F and D extensions). */
#include "traps.h"

enum { NX = 1, UF = 2, OF = 4, DZ = 8, NV = 16 };
enum { RNE, RTZ, RDN, RUP, RMM };

/* One instruction on ft0, ft1, ft2; its result in a0 and its flags. Rounding is dynamic. */
#define OPERATION(name, text)                                                                                          \
    static u64 name(u64 a, u64 b, u64 c, u64 *flags)                                                                   \
    {                                                                                                                  \
        u64 r;                                                                                                         \
        asm volatile("fmv.d.x ft0, %2\n\tfmv.d.x ft1, %3\n\tfmv.d.x ft2, %4\n\tfsflags zero\n\t" text                   \
                     "\n\tfrflags %1"                                                                                  \
                     : "=&r"(r), "=&r"(*flags)                                                                         \
                     : "r"(a), "r"(b), "r"(c)                                                                          \
                     : "ft0", "ft1", "ft2", "ft3", "memory");                                                          \
        return r;                                                                                                      \
    }
#define TO_FLOAT(name, text) OPERATION(name, text "\n\tfmv.x.d %0, ft3")

TO_FLOAT(add, "fadd.d ft3, ft0, ft1")
TO_FLOAT(sub, "fsub.d ft3, ft0, ft1")
TO_FLOAT(mul, "fmul.d ft3, ft0, ft1")
TO_FLOAT(div, "fdiv.d ft3, ft0, ft1")
TO_FLOAT(root, "fsqrt.d ft3, ft0")
TO_FLOAT(madd, "fmadd.d ft3, ft0, ft1, ft2")
TO_FLOAT(msub, "fmsub.d ft3, ft0, ft1, ft2")
TO_FLOAT(nmadd, "fnmadd.d ft3, ft0, ft1, ft2")
TO_FLOAT(nmsub, "fnmsub.d ft3, ft0, ft1, ft2")
TO_FLOAT(min, "fmin.d ft3, ft0, ft1")
TO_FLOAT(max, "fmax.d ft3, ft0, ft1")
TO_FLOAT(sgnj, "fsgnj.d ft3, ft0, ft1")
TO_FLOAT(sgnjn, "fsgnjn.d ft3, ft0, ft1")
TO_FLOAT(sgnjx, "fsgnjx.d ft3, ft0, ft1")
TO_FLOAT(add_static_rup, "fadd.d ft3, ft0, ft1, rup")
TO_FLOAT(add_s, "fadd.s ft3, ft0, ft1")
TO_FLOAT(mul_s, "fmul.s ft3, ft0, ft1")
TO_FLOAT(div_s, "fdiv.s ft3, ft0, ft1")
TO_FLOAT(root_s, "fsqrt.s ft3, ft0")
TO_FLOAT(madd_s, "fmadd.s ft3, ft0, ft1, ft2")
TO_FLOAT(min_s, "fmin.s ft3, ft0, ft1")
TO_FLOAT(sgnj_s, "fsgnj.s ft3, ft0, ft1")
TO_FLOAT(narrow, "fcvt.s.d ft3, ft0")
TO_FLOAT(widen, "fcvt.d.s ft3, ft0")
TO_FLOAT(box, "fmv.w.x ft3, %2")
OPERATION(unbox, "fmv.x.w %0, ft0")
OPERATION(equal, "feq.d %0, ft0, ft1")
OPERATION(less, "flt.d %0, ft0, ft1")
OPERATION(less_equal, "fle.d %0, ft0, ft1")
OPERATION(equal_s, "feq.s %0, ft0, ft1")
OPERATION(class_d, "fclass.d %0, ft0")
OPERATION(class_s, "fclass.s %0, ft0")
OPERATION(to_w, "fcvt.w.d %0, ft0, dyn")
OPERATION(to_wu, "fcvt.wu.d %0, ft0, dyn")
OPERATION(to_l, "fcvt.l.d %0, ft0, dyn")
OPERATION(to_lu, "fcvt.lu.d %0, ft0, dyn")
OPERATION(s_to_w, "fcvt.w.s %0, ft0, dyn")
TO_FLOAT(from_w, "fcvt.d.w ft3, %2")
TO_FLOAT(from_wu, "fcvt.d.wu ft3, %2")
TO_FLOAT(from_l, "fcvt.d.l ft3, %2, dyn")
TO_FLOAT(from_lu, "fcvt.d.lu ft3, %2, dyn")
TO_FLOAT(s_from_l, "fcvt.s.l ft3, %2, dyn")

#define BOXED(x) (0xffffffff00000000ul | (x))
#define NEG (1ul << 63)
#define ONE 0x3ff0000000000000ul
#define TWO 0x4000000000000000ul
#define THREE 0x4008000000000000ul
#define FOUR 0x4010000000000000ul
#define INF 0x7ff0000000000000ul
#define NAN 0x7ff8000000000000ul       /* the canonical one */
#define PAYLOAD 0xfff8000000000123ul   /* a quiet one with a payload */
#define SIGNALLING 0x7ff0000000000001ul
#define HUGE 0x7feffffffffffffful      /* the largest number */
#define TINY 0x0010000000000000ul      /* the least normal number */
#define LEAST 1ul                      /* the least subnormal number */
#define HALF_ULP 0x3ca0000000000000ul  /* 2^-53 */
#define ONE_S BOXED(0x3f800000)
#define NAN_S BOXED(0x7fc00000)
#define INF_S BOXED(0x7f800000)

static const struct test {
    const char *name;
    u64 (*f)(u64 a, u64 b, u64 c, u64 *flags);
    u64 a, b, c;
    u32 rounding;
    u64 want;
    u32 flags;
} tests[] = {
    {"1+2", add, ONE, TWO, 0, RNE, THREE, 0},
    {"1+2^-53 to nearest even", add, ONE, HALF_ULP, 0, RNE, ONE, NX},
    {"1+2^-53 to zero", add, ONE, HALF_ULP, 0, RTZ, ONE, NX},
    {"1+2^-53 down", add, ONE, HALF_ULP, 0, RDN, ONE, NX},
    {"1+2^-53 up", add, ONE, HALF_ULP, 0, RUP, ONE + 1, NX},
    {"1+2^-53 to nearest away", add, ONE, HALF_ULP, 0, RMM, ONE + 1, NX},
    {"static mode beats the dynamic one", add_static_rup, ONE, HALF_ULP, 0, RDN, ONE + 1, NX},
    {"largest+largest to nearest", add, HUGE, HUGE, 0, RNE, INF, OF | NX},
    {"largest+largest to zero", add, HUGE, HUGE, 0, RTZ, HUGE, OF | NX},
    {"largest+largest down", add, HUGE, HUGE, 0, RDN, HUGE, OF | NX},
    {"-largest-largest down", add, NEG | HUGE, NEG | HUGE, 0, RDN, NEG | INF, OF | NX},
    {"1-1 to nearest is +0", sub, ONE, ONE, 0, RNE, 0, 0},
    {"1-1 down is -0", sub, ONE, ONE, 0, RDN, NEG, 0},
    {"inf-inf", sub, INF, INF, 0, RNE, NAN, NV},
    {"quiet NaN + 1 is canonical", add, PAYLOAD, ONE, 0, RNE, NAN, 0},
    {"signalling NaN + 1", add, SIGNALLING, ONE, 0, RNE, NAN, NV},
    {"subnormal+subnormal is exact", add, LEAST, LEAST, 0, RNE, 2, 0},
    {"0*inf", mul, 0, INF, 0, RNE, NAN, NV},
    {"least*least to nearest", mul, LEAST, LEAST, 0, RNE, 0, UF | NX},
    {"least*least up", mul, LEAST, LEAST, 0, RUP, LEAST, UF | NX},
    {"tiny after rounding, rounds up to normal", mul, TINY, 0x3feffffffffffffful, 0, RNE, TINY, UF | NX},
    {"not tiny after rounding", mul, TINY + 1, 0x3feffffffffffffeul, 0, RNE, TINY, NX},
    {"subnormal result, exact", mul, TINY, 0x3fe0000000000000ul, 0, RNE, TINY >> 1, 0},
    {"1/3 to nearest", div, ONE, THREE, 0, RNE, 0x3fd5555555555555, NX},
    {"1/3 up", div, ONE, THREE, 0, RUP, 0x3fd5555555555556, NX},
    {"-1/3 down", div, NEG | ONE, THREE, 0, RDN, 0xbfd5555555555556, NX},
    {"1/0", div, ONE, 0, 0, RNE, INF, DZ},
    {"1/-0", div, ONE, NEG, 0, RNE, NEG | INF, DZ},
    {"0/0", div, 0, 0, 0, RNE, NAN, NV},
    {"inf/inf", div, INF, INF, 0, RNE, NAN, NV},
    {"inf/0", div, INF, 0, 0, RNE, INF, 0},
    {"sqrt 4", root, FOUR, 0, 0, RNE, TWO, 0},
    {"sqrt 2 to nearest", root, TWO, 0, 0, RNE, 0x3ff6a09e667f3bcd, NX},
    {"sqrt 2 to zero", root, TWO, 0, 0, RTZ, 0x3ff6a09e667f3bcc, NX},
    {"sqrt -1", root, NEG | ONE, 0, 0, RNE, NAN, NV},
    {"sqrt -0", root, NEG, 0, 0, RNE, NEG, 0},
    {"sqrt of the least subnormal", root, LEAST, 0, 0, RNE, 0x1e60000000000000, 0},
    {"fma 2*3+4", madd, TWO, THREE, FOUR, RNE, 0x4024000000000000, 0},
    {"fma rounds once", madd, ONE + 1, ONE + 1, NEG | (ONE + 2), RNE, 0x3970000000000000, 0},
    {"fmsub 2*3-4", msub, TWO, THREE, FOUR, RNE, TWO, 0},
    {"fnmsub -(2*3)+4", nmsub, TWO, THREE, FOUR, RNE, NEG | TWO, 0},
    {"fnmadd -(2*3)-4", nmadd, TWO, THREE, FOUR, RNE, 0xc024000000000000, 0},
    {"fnmadd of 1*1 and -1 is +0", nmadd, ONE, ONE, NEG | ONE, RNE, 0, 0},
    {"fnmadd of 1*1 and -1 down is -0", nmadd, ONE, ONE, NEG | ONE, RDN, NEG, 0},
    {"fma inf*0 + quiet NaN", madd, INF, 0, NAN, RNE, NAN, NV},
    {"fma inf*1 - inf", msub, INF, ONE, INF, RNE, NAN, NV},
    {"fma overflow that c takes back", madd, HUGE, TWO, NEG | HUGE, RNE, HUGE, 0},
    {"min(-0, +0)", min, NEG, 0, 0, RNE, NEG, 0},
    {"min(+0, -0)", min, 0, NEG, 0, RNE, NEG, 0},
    {"max(-0, +0)", max, NEG, 0, 0, RNE, 0, 0},
    {"min(quiet NaN, 1)", min, PAYLOAD, ONE, 0, RNE, ONE, 0},
    {"max(1, signalling NaN)", max, ONE, SIGNALLING, 0, RNE, ONE, NV},
    {"max(NaN, NaN) is canonical", max, PAYLOAD, PAYLOAD, 0, RNE, NAN, 0},
    {"fsgnj keeps a payload", sgnj, PAYLOAD, ONE, 0, RNE, PAYLOAD & ~NEG, 0},
    {"fsgnjn of a signalling NaN", sgnjn, SIGNALLING, ONE, 0, RNE, NEG | SIGNALLING, 0},
    {"fsgnjx", sgnjx, NEG | ONE, NEG | TWO, 0, RNE, ONE, 0},
    {"feq +0 -0", equal, 0, NEG, 0, RNE, 1, 0},
    {"feq with a quiet NaN", equal, NAN, ONE, 0, RNE, 0, 0},
    {"feq with a signalling NaN", equal, SIGNALLING, ONE, 0, RNE, 0, NV},
    {"flt with a quiet NaN", less, NAN, ONE, 0, RNE, 0, NV},
    {"flt -1 least", less, NEG | ONE, LEAST, 0, RNE, 1, 0},
    {"fle -0 +0", less_equal, NEG, 0, 0, RNE, 1, 0},
    {"fle with a quiet NaN", less_equal, ONE, NAN, 0, RNE, 0, NV},
    {"fclass -inf", class_d, NEG | INF, 0, 0, RNE, 1 << 0, 0},
    {"fclass -1", class_d, NEG | ONE, 0, 0, RNE, 1 << 1, 0},
    {"fclass -subnormal", class_d, NEG | LEAST, 0, 0, RNE, 1 << 2, 0},
    {"fclass -0", class_d, NEG, 0, 0, RNE, 1 << 3, 0},
    {"fclass +0", class_d, 0, 0, 0, RNE, 1 << 4, 0},
    {"fclass +subnormal", class_d, LEAST, 0, 0, RNE, 1 << 5, 0},
    {"fclass 1", class_d, ONE, 0, 0, RNE, 1 << 6, 0},
    {"fclass +inf", class_d, INF, 0, 0, RNE, 1 << 7, 0},
    {"fclass signalling NaN", class_d, SIGNALLING, 0, 0, RNE, 1 << 8, 0},
    {"fclass quiet NaN", class_d, PAYLOAD, 0, 0, RNE, 1 << 9, 0},

    {"to int32: NaN", to_w, PAYLOAD, 0, 0, RTZ, 0x7fffffff, NV},
    {"to int32: -inf", to_w, NEG | INF, 0, 0, RTZ, 0xffffffff80000000, NV},
    {"to int32: 2147483647.5 to zero", to_w, 0x41dfffffffe00000, 0, 0, RTZ, 0x7fffffff, NX},
    {"to int32: 2147483647.5 to nearest", to_w, 0x41dfffffffe00000, 0, 0, RNE, 0x7fffffff, NV},
    {"to int32: 2.5 to nearest even", to_w, 0x4004000000000000, 0, 0, RNE, 2, NX},
    {"to int32: 2.5 to nearest away", to_w, 0x4004000000000000, 0, 0, RMM, 3, NX},
    {"to int32: -2.5 down", to_w, 0xc004000000000000, 0, 0, RDN, -3ul, NX},
    {"to int32: -2.5 up", to_w, 0xc004000000000000, 0, 0, RUP, -2ul, NX},
    {"to uint32: 4294967295, sign extended", to_wu, 0x41efffffffe00000, 0, 0, RTZ, -1ul, 0},
    {"to uint32: -1", to_wu, NEG | ONE, 0, 0, RTZ, 0, NV},
    {"to uint32: -0.5 to zero", to_wu, 0xbfe0000000000000, 0, 0, RTZ, 0, NX},
    {"to uint32: -0.5 down", to_wu, 0xbfe0000000000000, 0, 0, RDN, 0, NV},
    {"to uint32: NaN", to_wu, NAN, 0, 0, RTZ, -1ul, NV},
    {"to int64: 2^63", to_l, 0x43e0000000000000, 0, 0, RTZ, 0x7fffffffffffffff, NV},
    {"to int64: -2^63", to_l, 0xc3e0000000000000, 0, 0, RTZ, 0x8000000000000000, 0},
    {"to uint64: 2^63", to_lu, 0x43e0000000000000, 0, 0, RTZ, 0x8000000000000000, 0},
    {"to uint64: 2^64", to_lu, 0x43f0000000000000, 0, 0, RTZ, -1ul, NV},
    {"to uint64: -inf", to_lu, NEG | INF, 0, 0, RTZ, 0, NV},
    {"from int32: upper half ignored", from_w, 0x5ffffffff, 0, 0, RNE, NEG | ONE, 0},
    {"from uint32: upper half ignored", from_wu, 0x5ffffffff, 0, 0, RNE, 0x41efffffffe00000, 0},
    {"from int64: 2^53+1 to nearest", from_l, (1ul << 53) + 1, 0, 0, RNE, 0x4340000000000000, NX},
    {"from int64: 2^53+1 up", from_l, (1ul << 53) + 1, 0, 0, RUP, 0x4340000000000001, NX},
    {"from uint64: 2^64-1", from_lu, -1ul, 0, 0, RNE, 0x43f0000000000000, NX},
    {"single from int64: 2^24+1", s_from_l, 16777217, 0, 0, RNE, BOXED(0x4b800000), NX},
    {"single from int64: 2^24+1 up", s_from_l, 16777217, 0, 0, RUP, BOXED(0x4b800001), NX},

    {"narrow 1+2^-24", narrow, 0x3ff0000010000000, 0, 0, RNE, ONE_S, NX},
    {"narrow 1+2^-24 up", narrow, 0x3ff0000010000000, 0, 0, RUP, BOXED(0x3f800001), NX},
    {"narrow the largest", narrow, HUGE, 0, 0, RNE, INF_S, OF | NX},
    {"narrow 2^-149", narrow, 0x36a0000000000000, 0, 0, RNE, BOXED(1), 0},
    {"narrow 2^-150", narrow, 0x3690000000000000, 0, 0, RNE, BOXED(0), UF | NX},
    {"narrow a signalling NaN", narrow, SIGNALLING, 0, 0, RNE, NAN_S, NV},
    {"widen the least single", widen, BOXED(1), 0, 0, RNE, 0x36a0000000000000, 0},
    {"widen a NaN with a payload", widen, BOXED(0xffc00123), 0, 0, RNE, NAN, 0},
    {"single 1+1", add_s, ONE_S, ONE_S, 0, RNE, BOXED(0x40000000), 0},
    {"single 1/3", div_s, ONE_S, BOXED(0x40400000), 0, RNE, BOXED(0x3eaaaaab), NX},
    {"single overflow", mul_s, BOXED(0x7f7fffff), BOXED(0x40000000), 0, RNE, INF_S, OF | NX},
    {"single underflow", mul_s, BOXED(1), BOXED(0x3f000000), 0, RNE, BOXED(0), UF | NX},
    {"single sqrt 2", root_s, BOXED(0x40000000), 0, 0, RNE, BOXED(0x3fb504f3), NX},
    {"single fma rounds once", madd_s, BOXED(0x3f800001), BOXED(0x3f800001), BOXED(0xbf800002), RNE, BOXED(0x28800000), 0},
    {"single to int32: 1e10", s_to_w, BOXED(0x501502f9), 0, 0, RNE, 0x7fffffff, NV},
    {"not boxed: fadd.s sees a NaN", add_s, 0x3f800000, ONE_S, 0, RNE, NAN_S, 0},
    {"not boxed: fmin.s takes the other", min_s, 0x3f800000, BOXED(0x40000000), 0, RNE, BOXED(0x40000000), 0},
    {"not boxed: fsgnj.s", sgnj_s, 0x3f800000, ONE_S, 0, RNE, NAN_S, 0},
    {"not boxed: feq.s", equal_s, 0x3f800000, ONE_S, 0, RNE, 0, 0},
    {"not boxed: fclass.s", class_s, 0x3f800000, 0, 0, RNE, 1 << 9, 0},
    {"not boxed: fcvt.d.s", widen, 0x3f800000, 0, 0, RNE, NAN, 0},
    {"not boxed: fmv.x.w takes the bits as they are", unbox, 0x80000000, 0, 0, RNE, 0xffffffff80000000, 0},
    {"fmv.w.x boxes", box, 0x3f800000, 0, 0, RNE, ONE_S, 0},
};

static void loads_and_stores(void)
{
    u64 memory[2] = {0x1111111122222222, 0x3333333344444444}, bits;
    asm volatile("flw ft0, 4(%1)\n\tfmv.x.d %0, ft0" : "=r"(bits) : "r"(memory) : "ft0", "memory");
    check("flw boxes", bits, BOXED(0x11111111));
    asm volatile("fld ft0, 8(%0)\n\tfsw ft0, 0(%0)" ::"r"(memory) : "ft0", "memory");
    check("fsw stores the lower half, boxed or not", memory[0], 0x1111111144444444);
    asm volatile("fld ft0, 4(%1)\n\tfmv.x.d %0, ft0" : "=r"(bits) : "r"(memory) : "ft0", "memory");
    check("misaligned fld", bits, 0x4444444411111111);
}

void float_checks(void)
{
    for (u32 i = 0; i < sizeof tests / sizeof *tests; i++) {
        const struct test *t = &tests[i];
        u64 flags;
        csr_write(frm, t->rounding);
        u64 got = t->f(t->a, t->b, t->c, &flags);
        csr_write(frm, 0);
        check(t->name, got, t->want);
        check("  its flags", flags, t->flags);
    }
    csr_write(fcsr, 0);
    u64 flags;
    div(ONE, 0, 0, &flags);
    asm volatile("fmv.d.x ft0, %0\n\tfmv.d.x ft1, %1\n\tfadd.d ft0, ft0, ft1" ::"r"(ONE), "r"(HALF_ULP) : "ft0", "ft1");
    check("flags accumulate in fcsr", csr_read(fcsr), DZ | NX);
    csr_write(fcsr, 0);
    loads_and_stores();
}
