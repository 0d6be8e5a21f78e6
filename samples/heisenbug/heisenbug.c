/*
 * A small bank that sometimes loses money. See the README for how rr finds out why.
 *
 * Customers use the serial port: `d ACCOUNT AMOUNT` deposits, `w ACCOUNT AMOUNT` withdraws, `quit` closes the bank. The
 * interrupt handler serves them at once. Every 250 us the main loop sweeps the accounts: part of what lies above
 * the customer's target goes from checking to savings, and comes back when checking is short. The bank closes after 200
 * transactions, and the auditor compares each account with the sum of its transactions.
 */
#include "guest.h"

enum { ACCOUNTS = 8, CLOSING_TIME = 200, SWEEP_PERIOD = TIMEBASE_HZ / 4000, HORIZON = 16 };

struct account {
    s64 checking;
    s64 savings;
    s64 target; /* what the customer wants to have in checking */
    s64 paid_in; /* the sum of all transactions: for the auditor */
    s64 outlook; /* checking after the next HORIZON sweeps, if nobody comes */
};

static struct account accounts[ACCOUNTS];
static volatile u32 transactions;
static volatile u32 refused;
static volatile int closed;
static volatile int sweep_due;
static u64 sweeps;

/* ---- the interrupt handler: tellers ---- */

static s64 number(const char **p)
{
    s64 v = 0;
    while (**p == ' ')
        ++*p;
    for (; **p >= '0' && **p <= '9'; ++*p)
        v = v * 10 + (**p - '0');
    return v;
}

static void serve(const char *line)
{
    if (text_equal(line, "quit")) {
        closed = 1;
        return;
    }
    char what = *line++;
    s64 which = number(&line), amount = number(&line);
    if ((what != 'd' && what != 'w') || which >= ACCOUNTS || *line) {
        refused++;
        return;
    }
    struct account *a = &accounts[which];
    s64 change = what == 'd' ? amount : -amount;
    a->checking += change;
    a->paid_in += change;
    if (++transactions == CLOSING_TIME)
        closed = 1;
}

static void receive(void)
{
    static char line[64];
    static u32 length;
    int c;
    while (!closed && (c = uart_receive()) >= 0) {
        if (c == '\n' || c == '\r') {
            line[length] = 0;
            if (length)
                serve(line);
            length = 0;
        } else if (length < sizeof line - 1) {
            line[length++] = c;
        }
    }
    if (closed)
        write8(UART_IER, 0);
}

void trap(u64 cause, u64 epc)
{
    if (cause == (INTERRUPT | 7)) {
        sweep_due = 1;
        write64(CLINT_MTIMECMP, mtime() + SWEEP_PERIOD);
    } else if (cause == (INTERRUPT | 11)) {
        u32 irq = plic_claim();
        if (irq == UART_IRQ)
            receive();
        if (irq)
            plic_complete(irq);
    } else {
        print("unexpected trap: mcause 0x%lx mepc 0x%lx mtval 0x%lx\n", cause, epc, csr_read(mtval));
        finish(255);
    }
}

/* ---- the main loop: back office ---- */

/* How much of a surplus goes to savings at once: the more, the larger a part. A shortage is made up in the same steps. */
static s64 instalment(s64 surplus)
{
    static const struct {
        s64 up_to;
        s64 percent;
    } bands[] = {{100, 100}, {500, 50}, {2000, 25}, {10000, 10}, {INT64_MAX, 5}};
    s64 rest = surplus < 0 ? -surplus : surplus, sum = 0, floor = 0;
    for (u32 i = 0; i < sizeof bands / sizeof *bands && rest > 0; i++) {
        s64 part = rest < bands[i].up_to - floor ? rest : bands[i].up_to - floor;
        sum += part * bands[i].percent / 100;
        rest -= part;
        floor = bands[i].up_to;
    }
    return surplus < 0 ? -sum : sum;
}

static __attribute__((noinline)) s64 outlook(s64 checking, s64 target)
{
    for (u32 i = 0; i < HORIZON; i++)
        checking -= instalment(checking - target);
    return checking;
}

static __attribute__((noinline)) void sweep(struct account *a)
{
    s64 checking = a->checking;
    s64 moved = instalment(checking - a->target);
    a->outlook = outlook(checking - moved, a->target);
    a->checking = checking - moved;
    a->savings += moved;
}

/* The order of the accounts changes from sweep to sweep, so that nobody is always the last. */
static void back_office(void)
{
    static u32 shuffle = 1;
    u32 next = shuffle >> 8, step = shuffle >> 16 | 1;
    for (u32 i = 0; i < ACCOUNTS; i++, next += step)
        sweep(&accounts[next % ACCOUNTS]);
    shuffle = shuffle * 1664525 + 1013904223;
    sweeps++;
}

/* Returns how many accounts are wrong. */
static u32 audit(void)
{
    u32 wrong = 0;
    for (u32 i = 0; i < ACCOUNTS; i++) {
        struct account *a = &accounts[i];
        s64 held = a->checking + a->savings;
        if (held == a->paid_in)
            continue;
        print("BUG: account %u holds %ld (checking %ld, savings %ld), but %ld was paid in: %ld %s\n", i, held, a->checking,
              a->savings, a->paid_in, held < a->paid_in ? a->paid_in - held : held - a->paid_in,
              held < a->paid_in ? "lost" : "too much");
        wrong++;
    }
    return wrong;
}

int main(void)
{
    for (u32 i = 0; i < ACCOUNTS; i++)
        accounts[i].target = 500 + 250 * i;
    print("The bank is open: d ACCOUNT AMOUNT, w ACCOUNT AMOUNT, quit\n");
    uart_interrupts_on(FCR_TRIGGER_1);
    write64(CLINT_MTIMECMP, mtime() + SWEEP_PERIOD);
    csr_set(mie, MIP_MTIP);
    receive();
    interrupts_on();
    for (;;) {
        interrupts_off();
        while (!closed && !sweep_due) {
            wfi();
            interrupts_on();
            interrupts_off();
        }
        sweep_due = 0;
        interrupts_on();
        if (closed)
            break;
        back_office();
    }
    interrupts_off();

    s64 total = 0;
    for (u32 i = 0; i < ACCOUNTS; i++)
        total += accounts[i].paid_in;
    u32 wrong = audit();
    print("%s: %u transactions, %u refused, %ld paid in, %lu sweeps\n", wrong ? "BUG" : "ok", transactions, refused, total, sweeps);
    return wrong != 0;
}
