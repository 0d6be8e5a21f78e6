/*
 * A compute load to measure speed with: lists, matrices, a state machine, a 64 KiB table, sorting, number theory.
 * Boot arguments: n=ITERATIONS, and fp=1 for double-precision work as well.
 */
#include "mix.h"

enum { DEFAULT_ITERATIONS = 115 };

/* CRC-32 (reflected 0xedb88320) of the eight bytes of value, a nibble at a time */
u32 crc32(u32 crc, u64 value)
{
    static const u32 table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    crc = ~crc;
    for (int i = 0; i < 16; i++, value >>= 4)
        crc = crc >> 4 ^ table[(crc ^ value) & 15];
    return ~crc;
}

int main(const void *dtb)
{
    u64 iterations = boot_option(dtb, "n", DEFAULT_ITERATIONS), fp = boot_option(dtb, "fp", 0);
    u32 sum = 0;
    print("mix: n=%lu fp=%lu\n", iterations, fp);

    u64 start = csr_read(minstret);
    list_setup(1);
    table_setup(2);
    for (u64 i = 0; i < iterations; i++) {
        u64 seed = (i + 1) * 0x9e3779b97f4a7c15;
        sum = crc32(sum, list_work(seed));
        sum = crc32(sum, matrix_work(seed));
        sum = crc32(sum, scan_work(seed));
        sum = crc32(sum, table_work(seed));
        sum = crc32(sum, sort_work(seed));
        sum = crc32(sum, number_work(seed));
        if (fp) {
            union {
                double d;
                u64 bits;
            } v = {float_work(seed)};
            sum = crc32(sum, v.bits);
        }
    }
    u64 instructions = csr_read(minstret) - start;

    print("checksum %08x\n", sum);
    print("instructions %lu", instructions);
    if (iterations)
        print(", %lu per iteration", instructions / iterations);
    print("\n");
    return 0;
}
