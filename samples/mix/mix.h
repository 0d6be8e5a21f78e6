/* The pieces of the load. Each takes a seed and returns a value that depends on all of its work. */
#ifndef MIX_H
#define MIX_H
#include "guest.h"

u32 crc32(u32 crc, u64 value);
static inline u64 random_next(u64 *state)
{
    u64 x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

void list_setup(u64 seed);
u64 list_work(u64 seed);
u64 matrix_work(u64 seed);
u64 scan_work(u64 seed);
void table_setup(u64 seed);
u64 table_work(u64 seed);
u64 sort_work(u64 seed);
u64 number_work(u64 seed);
double float_work(u64 seed);

#endif
