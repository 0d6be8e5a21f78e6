/*
 * Serial input by interrupt: UART -> PLIC -> machine external interrupt -> ring buffer; main sleeps in WFI when there
 * is nothing to do. Echoes each line with its number. Two lines are commands:
 *
 *   time   also prints mtime and the real-time clock: the only output that is not a function of the input
 *   quit   prints the totals and powers off (as does Ctrl-D)
 *
 * No byte is ever lost: when the ring is full the handler stops listening, and the rest waits in the FIFO and the host.
 */
#include "guest.h"

enum { RING = 65536, LINE = 4096, END_OF_INPUT = 4 };

/* One producer (the handler, owns head) and one consumer (main, owns tail). */
static volatile char ring[RING];
static volatile u32 head, tail;
static volatile int stopped; /* the ring was full, and the UART's interrupt is off */

static void receive(void)
{
    int c;
    while (head - tail < RING) {
        if ((c = uart_receive()) < 0)
            return;
        ring[head % RING] = c;
        head++;
    }
    write8(UART_IER, 0);
    stopped = 1;
}

void trap(u64 cause, u64 epc)
{
    if (cause != (INTERRUPT | 11)) {
        print("unexpected trap: mcause 0x%lx mepc 0x%lx mtval 0x%lx\n", cause, epc, csr_read(mtval));
        finish(255);
    }
    u32 irq = plic_claim();
    if (irq == UART_IRQ)
        receive();
    if (irq)
        plic_complete(irq);
}

static char next_byte(void)
{
    interrupts_off();
    while (head == tail) {
        /* Interrupts are off between the look and the sleep, so none slips by; WFI wakes up all the same. */
        wfi();
        interrupts_on();
        interrupts_off();
    }
    interrupts_on();
    char c = ring[tail % RING];
    tail++;
    if (stopped) {
        stopped = 0;
        write8(UART_IER, IER_RX);
    }
    return c;
}

static void print_time(void)
{
    u64 now = mtime();
    u32 low = read32(RTC);
    u64 rtc = (u64)read32(RTC + 4) << 32 | low;
    print("mtime %lu, rtc %lu ns\n", now, rtc);
}

/* FNV-1a, over every byte received */
static u64 checksum = 0xcbf29ce484222325;

static char line[LINE + 1];

int main(void)
{
    u64 lines = 0, bytes = 0;
    u32 length = 0;
    int whole = 1;       /* the line so far is in `line` */
    int after_return = 0; /* a newline after a carriage return belongs to it */

    print("echo: type lines; `time` tells the time, `quit` ends\n");
    uart_interrupts_on(FCR_TRIGGER_8);
    receive();
    interrupts_on();
    for (;;) {
        char c = next_byte();
        bytes++;
        checksum = (checksum ^ (u8)c) * 0x100000001b3;
        int skip = after_return && c == '\n';
        after_return = c == '\r';
        if (skip)
            continue;
        int end = c == '\n' || c == '\r' || c == END_OF_INPUT;
        if (!end)
            line[length++] = c;
        if (!end && length < LINE)
            continue;

        /* A full line, or as much of a longer one as the buffer holds. */
        line[length] = 0;
        if (c == END_OF_INPUT && whole && length == 0)
            break;
        if (whole)
            print("%lu: ", ++lines);
        for (u32 i = 0; i < length; i++)
            uart_put(line[i]);
        if (end)
            uart_put('\n');
        if (c == END_OF_INPUT || (end && whole && text_equal(line, "quit")))
            break;
        if (end && whole && text_equal(line, "time"))
            print_time();
        whole = end;
        length = 0;
    }
    print("%lu lines, %lu bytes, checksum %016lx\n", lines, bytes, checksum);
    if (uart_overruns)
        print("%u overruns: input was lost\n", uart_overruns);
    return uart_overruns != 0;
}
