/*
 * Reports on COM1 what a boot loader handed over, Multiboot or PVH, and spoils
 * its memory for whoever starts it again.
 *
 * 32-bit code; README.md has the lines that it prints.
 *
 * Sources: Multiboot Specification 0.6.96, 3.2 and 3.3; x86/HVM direct boot
 * ABI (start_info version 1); ACPI 6.4, 5.2.5.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COM1 = 0x3f8,
    COM1_LSR = COM1 + 5,
    DEBUG_EXIT = 0xf4,
    MULTIBOOT_MAGIC = 0x2badb002,
    PVH_MAGIC = 0x336ec578,
    DIRT_WORDS = 16384, /* of .bss: what a second start must find cleared */
};

/* handover-entry.S: EAX, EBX, CR0, CR4, EFLAGS, TR. */
extern const volatile uint32_t entry_state[6];
extern uint32_t bss_start[], bss_end[];

static volatile uint32_t dirt[DIRT_WORDS];
static volatile uint32_t initialised = 0x600df00d;

static void outb(uint16_t port, uint8_t val)
{
    __asm__ volatile("outb %0, %1" ::"a"(val), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
    uint8_t val;

    __asm__ volatile("inb %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static uint32_t get32(uint32_t addr)
{
    return *(const volatile uint32_t *)addr;
}

static uint64_t get64(uint32_t addr)
{
    return get32(addr) | (uint64_t)get32(addr + 4) << 32;
}

static void put_char(char c)
{
    while (!(inb(COM1_LSR) & 0x20)) {
    }
    outb(COM1, (uint8_t)c);
}

static void put(const char *s)
{
    while (*s) {
        put_char(*s++);
    }
}

static void put_hex(uint64_t val)
{
    bool begun = false;

    put("0x");
    for (int shift = 60; shift >= 0; shift -= 4) {
        unsigned digit = (unsigned)(val >> shift) & 15;

        if (digit || begun || shift == 0) {
            put_char("0123456789abcdef"[digit]);
            begun = true;
        }
    }
}

static void put_field(const char *name, uint64_t val)
{
    put_char(' ');
    put(name);
    put_char('=');
    put_hex(val);
}

static void put_text(const char *name, uint32_t addr)
{
    put_char(' ');
    put(name);
    put("='");
    if (addr) {
        put((const char *)addr);
    }
    put_char('\'');
}

/* Fletcher's checksum, so that the order of bytes counts. */
static uint32_t checksum(uint32_t from, uint32_t to)
{
    uint32_t a = 1, b = 0;

    for (; from < to; from++) {
        a = (a + *(const volatile uint8_t *)from) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static void put_module(uint32_t start, uint32_t end, uint32_t args)
{
    put("module");
    put_field("start", start);
    put_field("len", end - start);
    put_field("sum", checksum(start, end));
    put_text("args", args);
    put("\n");
}

static void put_map_entry(uint64_t addr, uint64_t len, uint32_t type)
{
    put("map");
    put_field("addr", addr);
    put_field("len", len);
    put_field("type", type);
    put("\n");
}

static void report_multiboot(uint32_t info)
{
    uint32_t flags = get32(info);
    uint32_t at, end;

    put("multiboot");
    put_field("flags", flags);
    put_text("cmdline", flags & 1 << 2 ? get32(info + 16) : 0);
    put_text("loader", flags & 1 << 9 ? get32(info + 64) : 0);
    put("\n");
    if (flags & 1 << 0) {
        put("memory");
        put_field("lower", get32(info + 4));
        put_field("upper", get32(info + 8));
        put("\n");
    }
    if (flags & 1 << 1) {
        put("boot");
        put_field("device", get32(info + 12));
        put("\n");
    }
    for (uint32_t i = 0; flags & 1 << 3 && i < get32(info + 20); i++) {
        at = get32(info + 24) + 16 * i;
        put_module(get32(at), get32(at + 4), get32(at + 8));
    }
    at = get32(info + 48);
    end = flags & 1 << 6 ? at + get32(info + 44) : at;
    for (; at < end; at += get32(at) + 4) {
        put_map_entry(get64(at + 4), get64(at + 12), get32(at + 20));
    }
}

static void report_pvh(uint32_t info)
{
    uint32_t at;

    put("pvh");
    put_field("version", get32(info + 4));
    put_field("flags", get32(info + 8));
    put_text("cmdline", get32(info + 24));
    put("\n");
    for (uint32_t i = 0; i < get32(info + 12); i++) {
        at = get32(info + 16) + 32 * i;
        put_module(get32(at), get32(at) + get32(at + 8), get32(at + 16));
    }
    at = get32(info + 40);
    for (uint32_t i = 0; i < get32(info + 48); i++, at += 24) {
        put_map_entry(get64(at), get64(at + 8), get32(at + 16));
    }
}

/* The signature lies on a 16-byte boundary, the sum of 20 bytes is zero. */
static bool is_rsdp(uint32_t at)
{
    uint8_t sum = 0;

    if (get64(at) != 0x2052545020445352ull) { /* "RSD PTR " */
        return false;
    }
    for (unsigned i = 0; i < 20; i++) {
        sum += *(const volatile uint8_t *)(at + i);
    }
    return sum == 0;
}

static void report_acpi(uint32_t info)
{
    uint32_t at = 0, rsdt;

    if (get32(info) == PVH_MAGIC) {
        at = get32(info + 32);
    }
    for (uint32_t p = 0xe0000; !at && p < 0x100000; p += 16) {
        at = is_rsdp(p) ? p : 0;
    }
    put("acpi");
    put_field("rsdp", at);
    put_field("good", at && is_rsdp(at));
    rsdt = at ? get32(at + 16) : 0;
    put_field("rsdt", rsdt);
    put_field("signature", rsdt ? get32(rsdt) : 0);
    put("\n");
}

static void report_cpu(void)
{
    put("entry");
    put_field("eax", entry_state[0]);
    put_field("ebx", entry_state[1]);
    put_field("cr0", entry_state[2]);
    put_field("cr4", entry_state[3]);
    put_field("eflags", entry_state[4]);
    put_field("tr", entry_state[5] & 0xffff);
    put("\n");
}

/* Address line 20 open: two addresses a MiB apart are two. */
static bool a20_open(void)
{
    static volatile uint32_t here;
    volatile uint32_t *there = (uint32_t *)((uint32_t)&here ^ 0x100000);
    uint32_t old = *there;
    bool open;

    here = ~old;
    open = *there == old;
    here = 0;
    return open;
}

static bool bss_clear(void)
{
    for (const volatile uint32_t *p = bss_start; p < bss_end; p++) {
        if (*p) {
            return false;
        }
    }
    return true;
}

void handover_main(void);
void handover_main(void)
{
    uint32_t info = entry_state[1];
    bool multiboot = entry_state[0] == MULTIBOOT_MAGIC;

    put("handover");
    put_field("bss", bss_clear());
    put_field("data", initialised == 0x600df00d);
    put_field("a20", a20_open());
    put("\n");
    report_cpu();
    if (multiboot) {
        report_multiboot(info);
    } else if (get32(info) == PVH_MAGIC) {
        report_pvh(info);
    }
    report_acpi(info);
    put("done\n");
    /* Whoever starts it again finds all of it spoilt. */
    initialised = 0;
    for (unsigned i = 0; i < DIRT_WORDS; i++) {
        dirt[i] = i + 1;
    }
    while (!(inb(COM1_LSR) & 1)) {
    }
    if (inb(COM1) == 'r') {
        outb(0x64, 0xfe);
    }
    outb(DEBUG_EXIT, 0);
}
