/* The integer pieces of the load. */
#include "mix.h"

/* --- lists: pointers, function calls through pointers --- */

enum { NODES = 256 };

struct node {
    struct node *next;
    s32 key, value;
};

static struct node nodes[NODES];
static struct node *list;

void list_setup(u64 seed)
{
    for (int i = 0; i < NODES; i++) {
        struct node *n = &nodes[(i * 97) % NODES]; /* neighbours in the list are not neighbours in memory */
        n->key = random_next(&seed) % 1000;
        n->value = i;
        n->next = list;
        list = n;
    }
}

static s32 by_key(const struct node *a, const struct node *b) { return a->key - b->key; }
static s32 by_value(const struct node *a, const struct node *b) { return a->value - b->value; }

static struct node *merge(struct node *a, struct node *b, s32 (*order)(const struct node *, const struct node *))
{
    struct node head, *last = &head;
    while (a && b) {
        struct node **from = order(a, b) <= 0 ? &a : &b;
        last->next = *from;
        last = *from;
        *from = last->next;
    }
    last->next = a ? a : b;
    return head.next;
}

static struct node *sort_list(struct node *l, u32 length, s32 (*order)(const struct node *, const struct node *))
{
    if (length < 2) {
        if (l)
            l->next = NULL;
        return l;
    }
    struct node *middle = l;
    for (u32 i = 0; i < length / 2; i++)
        middle = middle->next;
    struct node *right = sort_list(middle, length - length / 2, order);
    return merge(sort_list(l, length / 2, order), right, order);
}

u64 list_work(u64 seed)
{
    u64 result = 0;
    for (int i = 0; i < 16; i++)
        nodes[random_next(&seed) % NODES].key = seed >> 40 & 1023;
    list = sort_list(list, NODES, by_key);
    for (struct node *n = list; n; n = n->next)
        result = result * 31 + n->value;
    struct node *reversed = NULL;
    while (list) {
        struct node *n = list;
        list = n->next;
        n->next = reversed;
        reversed = n;
    }
    for (int i = 0; i < 16; i++) {
        s32 wanted = random_next(&seed) & 1023;
        for (struct node *n = reversed; n && n->key >= wanted; n = n->next)
            result += n->value;
    }
    list = sort_list(reversed, NODES, by_value);
    return result;
}

/* --- matrices: multiply and add in rows and columns --- */

enum { N = 20 };

u64 matrix_work(u64 seed)
{
    static s32 a[N][N], b[N][N], c[N][N];
    u64 result = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = random_next(&seed) & 0xffff;
            b[j][i] = (s32)(seed >> 32) >> 16;
        }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            s32 s = 0;
            for (int k = 0; k < N; k++)
                s += a[i][k] * b[k][j] >> 3;
            c[i][j] = s;
        }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            result += (u64)(c[i][j] >> (i & 7)) * (j + 1) ^ c[j][i];
    return result;
}

/* --- a state machine over text: what kind of number is each word? --- */

enum { TEXT = 1536 };
enum state { START, SIGN, DECIMAL, ZERO, HEX, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, POWER, BAD, STATES };

static enum state step(enum state s, char c)
{
    int digit = c >= '0' && c <= '9';
    switch (s) {
    case START:
        if (c == '+' || c == '-')
            return SIGN;
        /* fall through */
    case SIGN:
        return c == '0' ? ZERO : digit ? DECIMAL : c == '.' ? POINT : BAD;
    case ZERO:
        if (c == 'x')
            return HEX;
        /* fall through */
    case DECIMAL:
        return digit ? DECIMAL : c == '.' ? FRACTION : c == 'e' ? EXPONENT : BAD;
    case HEX:
        return digit || (c >= 'a' && c <= 'f') ? HEX : BAD;
    case POINT:
        return digit ? FRACTION : BAD;
    case FRACTION:
        return digit ? FRACTION : c == 'e' ? EXPONENT : BAD;
    case EXPONENT:
        return digit ? POWER : c == '+' || c == '-' ? EXPONENT_SIGN : BAD;
    case EXPONENT_SIGN:
    case POWER:
        return digit ? POWER : BAD;
    default:
        return BAD;
    }
}

u64 scan_work(u64 seed)
{
    static char text[TEXT];
    static const char *const words[] = {"12 ", "-3.5 ", "0x1f ", "6e23 ", "+.25e-3 ", "0 ", "4..2 ", "77q ", "-1e+9 ", "abc "};
    u32 counts[STATES] = {0}, n = 0;
    while (n < TEXT) {
        const char *w = words[random_next(&seed) % (sizeof words / sizeof *words)];
        while (*w && n < TEXT)
            text[n++] = *w++;
    }
    for (int i = 0; i < 12; i++)
        text[random_next(&seed) % TEXT] = "0123456789.x"[i];
    enum state s = START;
    for (u32 i = 0; i < TEXT; i++) {
        if (text[i] == ' ') {
            counts[s]++;
            s = START;
        } else {
            s = step(s, text[i]);
        }
    }
    u64 result = 0;
    for (int i = 0; i < STATES; i++)
        result = result * 131 + counts[i];
    return result;
}

/* --- a walk over 64 KiB, with a branch that nobody can predict --- */

enum { WORDS = 65536 / sizeof(u64) };
static u64 table[WORDS];

void table_setup(u64 seed)
{
    for (int i = 0; i < WORDS; i++)
        table[i] = random_next(&seed);
}

u64 table_work(u64 seed)
{
    u64 result = 0;
    for (int i = 0; i < 6000; i++) {
        u64 *p = &table[random_next(&seed) % WORDS];
        if (*p & 1)
            *p = (*p >> 1) + seed;
        else
            *p ^= result;
        if ((s64)*p < 0)
            result += *p >> 32;
        else
            result ^= *p << 1;
    }
    const u8 *bytes = (const u8 *)table;
    for (u32 i = seed % 64; i < sizeof table; i += 64)
        result += bytes[i];
    return result;
}

/* --- quicksort: recursion, short loads and stores --- */

enum { ITEMS = 512 };

static void quicksort(s32 *a, s32 low, s32 high)
{
    while (low < high) {
        s32 pivot = a[(low + high) / 2], i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                s32 t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        quicksort(a, low, j);
        low = i;
    }
}

u64 sort_work(u64 seed)
{
    static s32 items[ITEMS];
    u64 result = 0;
    for (int i = 0; i < ITEMS; i++)
        items[i] = random_next(&seed) >> 33;
    quicksort(items, 0, ITEMS - 1);
    for (int i = 0; i < ITEMS; i++)
        result = result * 33 + items[i];
    return result;
}

/* --- number theory: multiply, divide, remainder --- */

static u64 power_mod(u64 base, u64 exponent, u32 modulus)
{
    u64 r = 1;
    for (base %= modulus; exponent; exponent >>= 1, base = base * base % modulus)
        if (exponent & 1)
            r = r * base % modulus;
    return r;
}

static u64 gcd(u64 a, u64 b) { return b ? gcd(b, a % b) : a; }

u64 number_work(u64 seed)
{
    u64 result = 0;
    for (int i = 0; i < 40; i++) {
        u32 m = random_next(&seed) >> 32 | 1;
        result += power_mod(seed, m - 1, m);
        result ^= gcd(seed, random_next(&seed));
        result += (u64)((unsigned __int128)seed * result >> 64);
        result -= (s64)seed / ((s32)m | 1);
    }
    return result;
}
