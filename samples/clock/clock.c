/*
 * Time: the goldfish real-time clock, timer interrupts programmed through the CLINT, and one RTC alarm.
 * Boot arguments: n=TICKS (20) and ms=PERIOD (10).
 */
#include "guest.h"

enum {
    RTC_LOW = RTC + 0x00,
    RTC_HIGH = RTC + 0x04, /* latched by a read of RTC_LOW */
    RTC_ALARM_LOW = RTC + 0x08,
    RTC_ALARM_HIGH = RTC + 0x0c, /* to be written first: the write of the low half arms the alarm */
    RTC_INTERRUPTS = RTC + 0x10,
    RTC_CLEAR_INTERRUPT = RTC + 0x1c,
};

static volatile u64 ticks, alarms;
static u64 next_tick, period;

/* Nanoseconds since 1970-01-01 */
static u64 rtc_now(void)
{
    u32 low = read32(RTC_LOW);
    return (u64)read32(RTC_HIGH) << 32 | low;
}

void trap(u64 cause, u64 epc)
{
    if (cause == (INTERRUPT | 7)) {
        ticks++;
        next_tick += period;
        write64(CLINT_MTIMECMP, next_tick);
    } else if (cause == (INTERRUPT | 11)) {
        u32 irq = plic_claim();
        if (irq == RTC_IRQ) {
            alarms++;
            write32(RTC_INTERRUPTS, 0);
            write32(RTC_CLEAR_INTERRUPT, 1);
        }
        if (irq)
            plic_complete(irq);
    } else {
        print("unexpected trap: mcause 0x%lx mepc 0x%lx mtval 0x%lx\n", cause, epc, csr_read(mtval));
        finish(255);
    }
}

/* Sleeps until the counter has passed `seen`. */
static void wait_for(volatile u64 *counter, u64 seen)
{
    interrupts_off();
    while (*counter == seen) {
        wfi();
        interrupts_on();
        interrupts_off();
    }
    interrupts_on();
}

/* The proleptic Gregorian date; years are counted from March, so that the leap day comes last. */
static void print_date(u64 ns)
{
    u64 seconds = ns / 1000000000, days = seconds / 86400, s = seconds % 86400;
    u64 z = days + 719468; /* days since 0000-03-01 */
    u64 era = z / 146097, day_of_era = z % 146097;
    u64 year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    u64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    u64 m = (5 * day_of_year + 2) / 153; /* 0 is March */
    u64 day = day_of_year - (153 * m + 2) / 5 + 1;
    u64 month = m < 10 ? m + 3 : m - 9;
    u64 year = era * 400 + year_of_era + (month <= 2);
    print("%04lu-%02lu-%02lu %02lu:%02lu:%02lu.%09lu UTC", year, month, day, s / 3600, s / 60 % 60, s % 60, ns % 1000000000);
}

int main(const void *dtb)
{
    u64 count = boot_option(dtb, "n", 20), ms = boot_option(dtb, "ms", 10);
    period = ms * (TIMEBASE_HZ / 1000);

    u64 rtc = rtc_now(), time = mtime();
    print("now ");
    print_date(rtc);
    print("\n%lu ticks of %lu ms\n", count, ms);

    next_tick = mtime() + period;
    write64(CLINT_MTIMECMP, next_tick);
    csr_set(mie, MIP_MTIP);
    interrupts_on();
    for (u64 seen = 0; seen < count;) {
        wait_for(&ticks, seen);
        seen = ticks;
        u64 rtc2 = rtc_now(), time2 = mtime();
        print("tick %2lu: mtime +%lu, rtc +%ld ns\n", seen, time2 - time, (s64)(rtc2 - rtc));
        rtc = rtc2;
        time = time2;
    }
    csr_clear(mie, MIP_MTIP);

    u64 start = rtc_now(), due = start + 50 * 1000000;
    plic_enable(RTC_IRQ);
    csr_set(mie, MIP_MEIP);
    write32(RTC_INTERRUPTS, 1);
    write32(RTC_ALARM_HIGH, due >> 32);
    write32(RTC_ALARM_LOW, (u32)due);
    wait_for(&alarms, 0);
    u64 end = rtc_now();
    print("alarm after %ld ns, %ld ns late\n", (s64)(end - start), (s64)(end - due));
    print("end ");
    print_date(rtc_now());
    print("\n");
    return 0;
}
