/*
 * Human monitor: memory contents, addresses, I/O ports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include <fcntl.h>

#include "accel/guest-memory.h"
#include "target/i386/disas.h"
#include "util/bswap.h"
#include "util/rcu.h"

enum { LINE_BYTES = 16, LINE_UNITS = 8 };

static unsigned unit_size(char c)
{
    switch (c) {
    case 'b':
        return 1;
    case 'h':
        return 2;
    case 'g':
        return 8;
    default:
        return 4;
    }
}

static void print_char(HmpOut *out, uint8_t c)
{
    switch (c) {
    case '\'':
        hmp_printf(out, "'\\''");
        break;
    case '\\':
        hmp_printf(out, "'\\\\'");
        break;
    case '\n':
        hmp_printf(out, "'\\n'");
        break;
    case '\r':
        hmp_printf(out, "'\\r'");
        break;
    default:
        hmp_printf(out, g_ascii_isprint(c) ? "'%c'" : "'\\x%02x'", c);
        break;
    }
}

/* As wide as the widest value of that size. */
static void print_unit(HmpOut *out, char format, unsigned size, uint64_t v)
{
    static const uint8_t digits[9] = { 0, 3, 5, 0, 10, 0, 0, 0, 20 };

    hmp_printf(out, " ");
    switch (format) {
    case 'o':
        hmp_printf(out, "%#*" PRIo64, (int)(size * 8 + 2) / 3, v);
        break;
    case 'd':
        /* Only those of 8 bytes can be below 0, as users know it. */
        hmp_printf(out, "%*" PRId64, digits[size], (int64_t)v);
        break;
    case 'u':
        hmp_printf(out, "%*" PRIu64, digits[size], v);
        break;
    case 'c':
        print_char(out, v);
        break;
    default:
        hmp_printf(out, "0x%0*" PRIx64, (int)size * 2, v);
        break;
    }
}

typedef bool ReadFn(HmpOut *out, uint64_t addr, void *buf, size_t len);

static bool read_phys(HmpOut *out, uint64_t addr, void *buf, size_t len)
{
    return address_space_read(&out->vm->mem.memory, addr, buf, len) == MEM_OK;
}

static bool read_virt(HmpOut *out, uint64_t addr, void *buf, size_t len)
{
    Vcpu *cpu = hmp_current_cpu(out);

    return cpu != NULL && vcpu_read_virt(cpu, addr, buf, len);
}

static void dump_units(HmpOut *out, const HmpArgs *a, ReadFn *read)
{
    char format = a->fmt.how.format;
    unsigned size = format == 'c' ? 1 : unit_size(a->fmt.how.size);
    unsigned per_line = MIN(LINE_BYTES / size, LINE_UNITS);
    uint64_t addr = a->arg[0].num;

    for (int i = 0; i < a->fmt.count && !out->full; i++, addr += size) {
        uint8_t buf[8] = { 0 };

        if (i % per_line == 0) {
            hmp_printf(out, "%s%016" PRIx64 ":", i ? "\n" : "", addr);
        }
        if (!read(out, addr, buf, size)) {
            hmp_printf(out, " Cannot access memory");
            break;
        }
        print_unit(out, format, size, ldq_le_p(buf));
    }
    hmp_printf(out, "\n");
}

/* In the size of the code that the CPU runs now. */
static void dump_code(HmpOut *out, const HmpArgs *a, ReadFn *read)
{
    Vcpu *cpu = hmp_current_cpu(out);
    uint64_t addr = a->arg[0].num;
    unsigned bits;

    if (cpu == NULL) {
        return;
    }
    if (!x86_disas_available()) {
        hmp_printf(out, "format 'i': this build has no disassembler "
                        "(capstone)\n");
        return;
    }
    if (cpu->x86 == NULL || !vcpu_sync_state(cpu, NULL)) {
        hmp_printf(out, "CPU %u: its registers can't be read\n", cpu->index);
        return;
    }
    bits = x86_code_bits(cpu->x86);
    for (int i = 0; i < a->fmt.count && out->text->len < HMP_TEXT_MAX; i++) {
        uint8_t buf[X86_INSN_MAX];
        unsigned n = 0;
        unsigned used;

        while (n < sizeof(buf) && read(out, addr + n, buf + n, 1)) {
            n++;
        }
        used = n ? x86_disas(out->text, bits, addr, buf, n) : 0;
        if (used == 0) {
            hmp_printf(out, "0x%08" PRIx64 ": unable to read memory\n", addr);
            break;
        }
        addr += used;
    }
    hmp_printf(out, "%s", ""); /* says that there would be more */
}

static void hmp_dump(HmpOut *out, const HmpArgs *a, ReadFn *read)
{
    if (a->fmt.how.format == 'i') {
        dump_code(out, a, read);
    } else {
        dump_units(out, a, read);
    }
}

void hmp_cmd_x(HmpOut *out, const HmpArgs *a)
{
    if (hmp_current_cpu(out) != NULL) {
        hmp_dump(out, a, read_virt);
    }
}

void hmp_cmd_xp(HmpOut *out, const HmpArgs *a)
{
    hmp_dump(out, a, read_phys);
}

void hmp_cmd_print(HmpOut *out, const HmpArgs *a)
{
    uint64_t v = a->arg[0].num;

    switch (a->fmt.how.format) {
    case 'o':
        hmp_printf(out, "%#" PRIo64, v);
        break;
    case 'x':
        hmp_printf(out, "%#" PRIx64, v);
        break;
    case 'u':
        hmp_printf(out, "%" PRIu64, v);
        break;
    case 'c':
        print_char(out, v);
        break;
    default:
        hmp_printf(out, "%" PRId64, (int64_t)v);
        break;
    }
    hmp_printf(out, "\n");
}

/* Addresses */

void hmp_cmd_gva2gpa(HmpOut *out, const HmpArgs *a)
{
    Vcpu *cpu = hmp_current_cpu(out);
    uint64_t pa;

    if (cpu == NULL) {
        return;
    }
    if (vcpu_virt_to_phys(cpu, a->arg[0].num, &pa)) {
        hmp_printf(out, "gpa: %#" PRIx64 "\n", pa);
    } else {
        hmp_printf(out, "Unmapped\n");
    }
}

/* The host's address of RAM; NULL, with a message, where there is none. */
static uint8_t *host_address(HmpOut *out, uint64_t addr, char **ret_name)
{
    uint8_t *host = NULL;
    const FlatRange *r;

    rcu_read_lock();
    r = flat_view_find(address_space_view(&out->vm->mem.memory), addr);
    if (r == NULL || r->addr > addr || addr - r->addr > r->size - 1) {
        hmp_printf(out, "No memory is mapped at address 0x%" PRIx64 "\n", addr);
    } else if (r->ram == NULL) {
        hmp_printf(out, "Memory at address 0x%" PRIx64 " is not RAM\n", addr);
    } else {
        host = r->ram->host + r->offset + (addr - r->addr);
        *ret_name = g_strdup(r->mr->name);
    }
    rcu_read_unlock();
    return host;
}

void hmp_cmd_gpa2hva(HmpOut *out, const HmpArgs *a)
{
    g_autofree char *name = NULL;
    uint64_t addr = a->arg[0].num;
    uint8_t *host = host_address(out, addr, &name);

    if (host != NULL) {
        hmp_printf(out, "Host virtual address for 0x%" PRIx64 " (%s) is %p\n",
                   addr, name, (void *)host);
    }
}

/* The kernel's Documentation/admin-guide/mm/pagemap.rst. */
static bool page_frame(const uint8_t *host, uint64_t *ret_pfn, int *ret_errno)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t entry;
    ssize_t n;

    *ret_errno = errno;
    if (fd < 0) {
        return false;
    }
    n = pread(fd, &entry, sizeof(entry),
              (off_t)((uintptr_t)host / page * sizeof(entry)));
    *ret_errno = n < 0 ? errno : EINVAL;
    close(fd);
    if (n != sizeof(entry)) {
        return false;
    }
    /* Bit 63: present; without CAP_SYS_ADMIN the number reads as 0. */
    *ret_pfn = extract64(entry, 0, 55);
    *ret_errno = entry >> 63 ? EPERM : ENXIO;
    return entry >> 63 && *ret_pfn != 0;
}

void hmp_cmd_gpa2hpa(HmpOut *out, const HmpArgs *a)
{
    g_autofree char *name = NULL;
    uint64_t addr = a->arg[0].num;
    uint8_t *host = host_address(out, addr, &name);
    uint64_t page = sysconf(_SC_PAGESIZE);
    uint64_t pfn;
    int err;

    if (host == NULL) {
        return;
    }
    if (!page_frame(host, &pfn, &err)) {
        hmp_printf(out, "Host physical address for 0x%" PRIx64 ": %s\n", addr,
                   err == ENXIO ? "the page is not present" : g_strerror(err));
        return;
    }
    hmp_printf(out,
               "Host physical address for 0x%" PRIx64 " (%s) is 0x%" PRIx64
               "\n",
               addr, name, pfn * page + ((uintptr_t)host & (page - 1)));
}

/* The checksum of the BSD command sum. */
void hmp_cmd_sum(HmpOut *out, const HmpArgs *a)
{
    uint64_t addr = a->arg[0].num;
    uint64_t left = a->arg[1].num;
    uint16_t sum = 0;
    uint8_t buf[4096];

    while (left > 0) {
        size_t n = MIN(left, sizeof(buf));

        if (!read_phys(out, addr, buf, n)) {
            hmp_printf(out, "no memory at 0x%" PRIx64 "\n", addr);
            return;
        }
        for (size_t i = 0; i < n; i++) {
            sum = (uint16_t)(sum >> 1 | sum << 15);
            sum += buf[i];
        }
        addr += n;
        left -= n;
    }
    hmp_printf(out, "%05u\n", sum);
}

/* Ports */

/* There is no access of 8 bytes: as one of 1. */
static unsigned port_size(const HmpArgs *a, char *ret_suffix)
{
    unsigned size = unit_size(a->fmt.how.size);

    size = size == 8 ? 1 : size;
    *ret_suffix = size == 1 ? 'b' : size == 2 ? 'w' : 'l';
    return size;
}

void hmp_cmd_port_in(HmpOut *out, const HmpArgs *a)
{
    uint16_t port = a->arg[0].num;
    char suffix;
    unsigned size = port_size(a, &suffix);
    uint64_t v = address_space_load(&out->vm->mem.io, port, size, NULL);

    hmp_printf(out, "port%c[0x%04x] = 0x%0*" PRIx64 "\n", suffix, port,
               (int)size * 2, v);
}

void hmp_cmd_port_out(HmpOut *out, const HmpArgs *a)
{
    char suffix;
    unsigned size = port_size(a, &suffix);

    address_space_store(&out->vm->mem.io, (uint16_t)a->arg[0].num,
                        a->arg[1].num, size);
}
