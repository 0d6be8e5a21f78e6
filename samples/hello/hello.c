/* Says hello, tells what machine this is, powers off. */
#include "guest.h"

static void print_isa(u64 misa)
{
    print("isa       rv%d", misa >> 63 ? 64 : 32);
    for (int i = 0; i < 26; i++)
        if (misa >> i & 1)
            uart_put('a' + i);
    print(" (misa 0x%lx)\n", misa);
}

int main(const void *dtb)
{
    print("Hello from a RISC-V machine!\n");
    const char *model = fdt_prop(dtb, "", "model", NULL);
    print("model     %s\n", model ? model : "(no device tree)");
    print_isa(csr_read(misa));
    print("hart      %lu\n", csr_read(mhartid));

    u32 length;
    const u8 *reg = fdt_prop(dtb, "memory", "reg", &length);
    if (reg && length >= 16)
        print("memory    %lu MiB at 0x%lx\n", fdt_number(reg + 8, 2) >> 20, fdt_number(reg, 2));
    const void *hz = fdt_prop(dtb, "cpus", "timebase-frequency", NULL);
    if (hz)
        print("timebase  %lu Hz\n", fdt_number(hz, 1));
    const char *bootargs = fdt_prop(dtb, "chosen", "bootargs", NULL);
    print("bootargs  %s\n", bootargs && *bootargs ? bootargs : "(none)");
    print("Goodbye.\n");
    return 0;
}
