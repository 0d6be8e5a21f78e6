/* A small printf onto the serial port. */
#include "guest.h"

struct spec {
    int width, zero, left;
};

static void pad(int n, char c)
{
    while (n-- > 0)
        uart_put(c);
}

static void put_text(const char *s, int length, struct spec f)
{
    if (!f.left)
        pad(f.width - length, ' ');
    for (int i = 0; i < length; i++)
        uart_put(s[i]);
    if (f.left)
        pad(f.width - length, ' ');
}

static void put_number(u64 v, int negative, u32 base, struct spec f)
{
    char digits[24];
    int n = sizeof digits;
    do {
        digits[--n] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    if (f.zero) {
        if (negative)
            uart_put('-');
        pad(f.width - negative - ((int)sizeof digits - n), '0');
        f.width = 0;
    } else if (negative) {
        digits[--n] = '-';
    }
    put_text(digits + n, sizeof digits - n, f);
}

void print(const char *p, ...)
{
    va_list args;
    va_start(args, p);
    for (; *p; p++) {
        if (*p != '%') {
            uart_put(*p);
            continue;
        }
        struct spec f = {0, 0, 0};
        int wide = 0;
        for (p++; *p == '0' || *p == '-'; p++) {
            f.zero |= *p == '0';
            f.left |= *p == '-';
        }
        for (; *p >= '0' && *p <= '9'; p++)
            f.width = f.width * 10 + (*p - '0');
        for (; *p == 'l'; p++)
            wide = 1;
        switch (*p) {
        case 'd': {
            s64 v = wide ? va_arg(args, s64) : va_arg(args, s32);
            put_number(v < 0 ? -(u64)v : (u64)v, v < 0, 10, f);
            break;
        }
        case 'u':
        case 'x': {
            u64 v = wide ? va_arg(args, u64) : va_arg(args, u32);
            put_number(v, 0, *p == 'x' ? 16 : 10, f);
            break;
        }
        case 's': {
            const char *s = va_arg(args, const char *);
            int n = 0;
            while (s[n])
                n++;
            put_text(s, n, f);
            break;
        }
        case 'c':
            uart_put(va_arg(args, int));
            break;
        case 0:
            p--; /* a lone % at the end */
            break;
        default:
            uart_put(*p);
        }
    }
    va_end(args);
}
