/* Self-checks of the privileged architecture: the harness, and one function per chapter. */
#ifndef TRAPS_H
#define TRAPS_H
#include "guest.h"

enum mode { U = 0, S = 1, M = 3 };

/* Exception codes (privileged specification, table of mcause) */
enum cause {
    FETCH_MISALIGNED = 0,
    FETCH_ACCESS = 1,
    ILLEGAL = 2,
    BREAKPOINT = 3,
    LOAD_MISALIGNED = 4,
    LOAD_ACCESS = 5,
    STORE_MISALIGNED = 6,
    STORE_ACCESS = 7,
    ECALL_U = 8,
    ECALL_S = 9,
    ECALL_M = 11,
    FETCH_PAGE = 12,
    LOAD_PAGE = 13,
    STORE_PAGE = 15,
};

/* In place of a cause: there was no trap; there was more than one; *tval was not the address of the access. */
#define NO_TRAP 0x100ul
#define MANY_TRAPS 0x200ul
#define WRONG_TVAL 0x400ul

#define MSTATUS_SIE (1ul << 1)
#define MSTATUS_MPP (3ul << 11)
#define MSTATUS_FS (3ul << 13)
#define MSTATUS_MPRV (1ul << 17)
#define MSTATUS_SUM (1ul << 18)
#define MSTATUS_MXR (1ul << 19)
#define MSTATUS_TVM (1ul << 20)
#define MSTATUS_TW (1ul << 21)
#define MSTATUS_TSR (1ul << 22)
#define MSTATUS_SD (1ul << 63)

/* What the handlers saw since expect_traps(); traps after the first only count. */
struct record {
    u64 count, cause, epc, tval, slot;
    u64 handler; /* the mode whose handler ran: M or S */
    u64 from;    /* the mode that trapped */
};
extern volatile struct record seen;

void expect_traps(void);
/* NO_TRAP, or the cause of the one trap; tval_wanted is compared unless it is ANY. */
u64 outcome(u64 tval_wanted);
#define ANY (~0ul)

/* One line of output. */
void check(const char *name, u64 got, u64 want);
/* The same where QEMU 7.2 departs from the specification: `qemu` is no failure, but the line says so. */
void check_quirk(const char *name, u64 got, u64 want, u64 qemu);

/* Runs f(argument) in a mode, and returns what it returned. A trap in it resumes after the (4-byte) instruction, or at the
   caller for a failed fetch. */
typedef u64 function(u64 argument);
u64 run(enum mode mode, function *f, u64 argument);

/* Address translation on (Sv39) or off. Code and data are mapped one to one for S mode, and at ALIAS for U mode. */
void paging(int on);
#define ALIAS 0x40000000ul
/* The virtual addresses of two pages whose entries the tests set */
#define WINDOW 0x40000000ul
#define PAGE 4096ul
extern u64 window_entries[512];
extern u64 middle_entries[512];
extern u64 root_entries[512];
extern u8 page_a[PAGE], page_b[PAGE];
#define PTE(physical, flags) ((u64)(physical) >> 12 << 10 | (flags))
enum { V = 1, R = 2, W = 4, X = 8, UU = 16, G = 32, A = 64, D = 128 };
static inline void fence_vma(void) { asm volatile("sfence.vma" ::: "memory"); }
static inline void fence_i(void) { asm volatile("fence.i" ::: "memory"); }

/* probes.S: single instructions as functions; each can trap, and then returns what it was given */
function probe_load, probe_store, probe_fetch, probe_lr, probe_sc, probe_amo, probe_load_byte, probe_fld, probe_ecall,
    probe_ebreak, probe_illegal, probe_zero, probe_wfi, probe_sret, probe_mret, probe_fence_vma, probe_read_satp,
    probe_read_cycle, probe_read_time, probe_read_instret, probe_read_mstatus, probe_write_cycle, probe_read_absent,
    probe_fadd, probe_fadd_bad_mode, probe_read_stimecmp, probe_write_stimecmp, probe_read_sie, probe_lr_misaligned,
    probe_mprv_load, probe_write_menvcfg, probe_read_menvcfg, probe_set_sie_wait;

/* harness.S */
extern char m_entry[], m_vectors[], s_entry[], s_vectors[];

void privilege_checks(void);
void interrupt_checks(void);
void paging_checks(void);
void pmp_checks(void);
void atomic_checks(void);
void code_checks(void);
void float_checks(void);

#endif
