/* Just enough of the flattened device tree (Devicetree Specification, chapter 5) to read top-level properties. */
#include "guest.h"

enum { MAGIC = 0xd00dfeed, BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4 };

static u32 be32(const u8 *p) { return (u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }

u64 fdt_number(const void *cells, u32 count)
{
    u64 v = 0;
    for (u32 i = 0; i < count; i++)
        v = v << 32 | be32((const u8 *)cells + 4 * i);
    return v;
}

/* `memory@80000000` is named `memory` */
static int names_node(const char *full, const char *name)
{
    while (*name && *full == *name)
        full++, name++;
    return !*name && (!*full || *full == '@');
}

const void *fdt_prop(const void *dtb, const char *node, const char *prop, u32 *length)
{
    const u8 *base = dtb;
    if (!base || be32(base) != MAGIC)
        return NULL;
    const u8 *p = base + be32(base + 8);
    const char *strings = (const char *)base + be32(base + 12);
    u32 wanted_depth = *node ? 2 : 1, depth = 0;
    int inside = 0;
    for (;;) {
        u32 token = be32(p);
        p += 4;
        if (token == BEGIN_NODE) {
            const char *name = (const char *)p;
            u32 n = 0;
            while (name[n])
                n++;
            p += (n + 4) & ~3u;
            depth++;
            if (depth == wanted_depth)
                inside = names_node(name, node);
        } else if (token == END_NODE) {
            depth--;
        } else if (token == PROP) {
            u32 n = be32(p);
            if (inside && depth == wanted_depth && text_equal(strings + be32(p + 4), prop)) {
                if (length)
                    *length = n;
                return p + 8;
            }
            p += 8 + ((n + 3) & ~3u);
        } else if (token != NOP) {
            return NULL;
        }
    }
}

u64 boot_option(const void *dtb, const char *name, u64 otherwise)
{
    const char *p = fdt_prop(dtb, "chosen", "bootargs", NULL);
    while (p && *p) {
        while (*p == ' ')
            p++;
        const char *n = name;
        while (*n && *p == *n)
            p++, n++;
        if (!*n && *p == '=') {
            u64 v = 0;
            for (p++; *p >= '0' && *p <= '9'; p++)
                v = v * 10 + (*p - '0');
            return v;
        }
        while (*p && *p != ' ')
            p++;
    }
    return otherwise;
}
