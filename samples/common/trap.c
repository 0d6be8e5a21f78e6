/* The handler of samples that expect no trap: say what happened and fail. */
#include "guest.h"

__attribute__((weak)) void trap(u64 cause, u64 epc)
{
    print("unexpected trap: mcause 0x%lx mepc 0x%lx mtval 0x%lx\n", cause, epc, csr_read(mtval));
    finish(255);
}
