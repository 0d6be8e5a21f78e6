/*
 * The first disk and the first network of the machine, used as a driver should. Of the disk: sector 0 is read and its checksum printed, sector 1
 * is written and read again. On the network: an ARP request for 10.0.2.2, repeated every 20 ms until somebody answers, at most n=100 times.
 *
 * Virtio 1.2: 5.1 (network), 5.2 (block).
 */
#include "virtio.h"

enum { SIZE = 4, MAX_FRAME = 1526, SECTOR = 512 };
enum { READ = 0, WRITE_OUT = 1 };
enum { RECEIVE = 0, TRANSMIT = 1 };

/* One queue, with one request under way at a time. */
static struct queue {
    struct descriptor table[SIZE] __attribute__((aligned(16)));
    struct {
        u16 flags, index, ring[SIZE];
    } available __attribute__((aligned(2)));
    volatile struct {
        u16 flags, index;
        struct {
            u32 id, length;
        } ring[SIZE];
    } used __attribute__((aligned(4)));
} queues[2];

static u64 base;
static u32 irq;

static u32 get(u32 reg) { return read32(base + reg); }
static void set(u32 reg, u32 value) { write32(base + reg, value); }

static void set_address(u32 reg, volatile void *address)
{
    set(reg, (u64)address);
    set(reg + 4, (u64)address >> 32);
}

/* Finds a device of this kind, and makes its queues ready; 0 if there is none. */
static int find(u32 kind, u32 count)
{
    for (u32 slot = 0; slot < SLOTS; slot++) {
        base = SLOT_BASE + slot * (u64)SLOT_SIZE;
        irq = 1 + slot;
        if (get(MAGIC) == 0x74726976 && get(VERSION) == 2 && get(DEVICE) == kind)
            break;
        if (slot == SLOTS - 1)
            return 0;
    }
    memset(queues, 0, sizeof queues);
    set(STATUS, 0);
    set(STATUS, 3);
    set(DRIVER_FEATURES_SEL, 1);
    set(DRIVER_FEATURES, 1); /* version 1 */
    set(STATUS, 11);
    for (u32 queue = 0; queue < count; queue++) {
        set(QUEUE_SEL, queue);
        set(QUEUE_NUM, SIZE);
        set_address(QUEUE_DESC, queues[queue].table);
        set_address(QUEUE_DRIVER, &queues[queue].available);
        set_address(QUEUE_DEVICE, &queues[queue].used);
        set(QUEUE_READY, 1);
    }
    set(STATUS, 15);
    plic_enable(irq);
    return 1;
}

/* Offers a chain of buffers. */
static void offer(u32 queue, const struct descriptor *chain, u32 count)
{
    struct queue *q = &queues[queue];
    for (u32 i = 0; i < count; i++) {
        q->table[i] = chain[i];
        if (i + 1 < count) {
            q->table[i].flags |= NEXT;
            q->table[i].next = i + 1;
        }
    }
    q->available.ring[q->available.index % SIZE] = 0;
    asm volatile("fence" ::: "memory");
    q->available.index++;
    asm volatile("fence" ::: "memory");
    set(QUEUE_NOTIFY, queue);
}

static int is_done(u32 queue) { return queues[queue].used.index == queues[queue].available.index; }

/* Waits until the request is done, or until this time; 1 if it is. */
static int wait_for(u32 queue, u64 until)
{
    write64(CLINT_MTIMECMP, until);
    while (!is_done(queue) && mtime() < until) {
        wfi();
        if (plic_claim() == irq) {
            set(INTERRUPT_ACK, get(INTERRUPT_STATUS));
            plic_complete(irq);
        }
    }
    return is_done(queue);
}

/* FNV-1a, 64 bits */
static u64 checksum(const u8 *bytes, u32 count)
{
    u64 hash = 0xcbf29ce484222325;
    for (u32 i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

/* One sector; 1 if the device says that it went well. */
static int transfer(u32 what, u64 sector, u8 *bytes)
{
    struct {
        u32 type, reserved;
        u64 sector;
    } head = {what, 0, sector};
    volatile u8 status = 0xff;
    struct descriptor chain[] = {
        {(u64)&head, sizeof head, 0, 0},
        {(u64)bytes, SECTOR, what == READ ? WRITE : 0, 0},
        {(u64)&status, 1, WRITE, 0},
    };
    offer(0, chain, 3);
    wait_for(0, ~0ul);
    return status == 0;
}

static u32 disk(void)
{
    static u8 first[SECTOR], written[SECTOR], again[SECTOR];
    if (!find(BLOCK, 1)) {
        print("no disk\n");
        return 0;
    }
    int ok = transfer(READ, 0, first);
    print("disk: sector 0 has checksum %016lx\n", checksum(first, SECTOR));
    for (u32 i = 0; i < SECTOR; i++)
        written[i] = first[i] + i;
    ok = ok && transfer(WRITE_OUT, 1, written) && transfer(READ, 1, again);
    ok = ok && checksum(written, SECTOR) == checksum(again, SECTOR);
    print("disk: sector 1 %s\n", ok ? "holds what was written" : "FAILED");
    return !ok;
}

static u32 network(u64 attempts)
{
    static u8 sent[12 + 60], received[12 + MAX_FRAME];
    if (!find(NET, 2)) {
        print("no network\n");
        return 0;
    }
    static const u8 to_all[] = {255, 255, 255, 255, 255, 255};
    static const u8 arp[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1}; /* Ethernet type; a request, Ethernet for IPv4 (RFC 826) */
    static const u8 own[] = {10, 0, 2, 15}, wanted[] = {10, 0, 2, 2};
    u8 mac[6];
    for (u32 i = 0; i < 6; i++)
        mac[i] = read8(base + CONFIG + i);
    u8 *frame = sent + 12; /* behind the device's own header */
    memcpy(frame, to_all, 6);
    memcpy(frame + 6, mac, 6);
    memcpy(frame + 12, arp, 10);
    memcpy(frame + 22, mac, 6);
    memcpy(frame + 28, own, 4);
    memcpy(frame + 38, wanted, 4);
    struct descriptor in = {(u64)received, sizeof received, WRITE, 0}, out = {(u64)sent, sizeof sent, 0, 0};
    offer(RECEIVE, &in, 1);
    for (u64 attempt = 0; attempt < attempts; attempt++) {
        offer(TRANSMIT, &out, 1);
        wait_for(TRANSMIT, ~0ul);
        if (wait_for(RECEIVE, mtime() + TIMEBASE_HZ / 50)) {
            const u8 *answer = received + 12;
            print("network: %u bytes from", queues[RECEIVE].used.ring[0].length - 12);
            for (u32 i = 0; i < 6; i++)
                print(" %02x", answer[6 + i]);
            print(", checksum %016lx\n", checksum(answer, 42));
            return answer[21] != 2;
        }
    }
    print("network: nobody answers\n");
    return 1;
}

int main(const void *dtb)
{
    csr_set(mie, MIP_MEIP | MIP_MTIP);
    u32 failures = disk();
    return failures + network(boot_option(dtb, "n", 100));
}
