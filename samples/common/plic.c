/* The interrupt controller, as seen by hart 0 in machine mode (context 0). */
#include "guest.h"

enum { ENABLE = PLIC + 0x2000, THRESHOLD = PLIC + 0x200000, CLAIM = PLIC + 0x200004 };

void plic_enable(u32 irq)
{
    write32(PLIC + 4 * irq, 1);
    write32(ENABLE, read32(ENABLE) | 1u << irq);
    write32(THRESHOLD, 0);
}

u32 plic_claim(void) { return read32(CLAIM); }

void plic_complete(u32 irq) { write32(CLAIM, irq); }
