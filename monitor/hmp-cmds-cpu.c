/*
 * Human monitor: CPUs and memory contents.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "accel/guest-memory.h"
#include "target/i386/cpu.h"
#include "util/bswap.h"

/* The CPU that `x`, `info registers` … are about. */
static Vcpu *current_cpu(HmpOut *out)
{
    unsigned i = hmp_session_cpu(out->session);

    if (i >= out->vm->nvcpus) {
        hmp_printf(out, "No CPU available\n");
        return NULL;
    }
    return out->vm->vcpus[i];
}

void hmp_cmd_cpu(HmpOut *out, const HmpArgs *a)
{
    int64_t i = a->arg[0].num;

    if (i < 0 || i >= out->vm->nvcpus) {
        hmp_printf(out, "Error: Invalid CPU index %" PRId64 "\n", i);
        return;
    }
    hmp_session_set_cpu(out->session, i);
}

void hmp_info_cpus(HmpOut *out, const HmpArgs *a)
{
    for (unsigned i = 0; i < out->vm->nvcpus; i++) {
        hmp_printf(out, "%c CPU #%u: thread_id=%d\n",
                   i == hmp_session_cpu(out->session) ? '*' : ' ', i,
                   (int)thread_tid(&out->vm->vcpus[i]->thread));
    }
}

static void print_registers(HmpOut *out, Vcpu *cpu)
{
    GError *err = NULL;

    hmp_printf(out, "\nCPU#%u\n", cpu->index);
    if (!vcpu_sync_state(cpu, &err)) {
        hmp_error(out, err);
        return;
    }
    x86_cpu_print_registers(cpu->x86, out->text, true);
}

void hmp_info_registers(HmpOut *out, const HmpArgs *a)
{
    bool all = a->flags & 1;
    int64_t i = a->arg[0].num;

    if (all) {
        for (unsigned n = 0; n < out->vm->nvcpus; n++) {
            print_registers(out, out->vm->vcpus[n]);
        }
    } else if (!a->arg[0].given) {
        Vcpu *cpu = current_cpu(out);

        if (cpu != NULL) {
            print_registers(out, cpu);
        }
    } else if (i < 0 || i >= out->vm->nvcpus) {
        hmp_printf(out, "CPU#%" PRId64 " not available\n", i);
    } else {
        print_registers(out, out->vm->vcpus[i]);
    }
}

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

static void print_unit(HmpOut *out, char format, unsigned size, uint64_t v)
{
    int shift = 64 - 8 * size;

    switch (format) {
    case 'o':
        hmp_printf(out, " %#*" PRIo64, (int)(size * 8 + 2) / 3, v);
        break;
    case 'd':
        hmp_printf(out, " %*" PRId64, (int)(size * 5 / 2),
                   (int64_t)(v << shift) >> shift);
        break;
    case 'u':
        hmp_printf(out, " %*" PRIu64, (int)(size * 5 / 2), v);
        break;
    case 'c':
        hmp_printf(out, g_ascii_isprint(v) ? " '%c'" : " '\\x%02x'",
                   (int)(v & 0xff));
        break;
    default:
        hmp_printf(out, " 0x%0*" PRIx64, (int)size * 2, v);
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
    Vcpu *cpu = current_cpu(out);

    return cpu != NULL && vcpu_read_virt(cpu, addr, buf, len);
}

/* 16 bytes a line (8 units of a character dump). */
static void dump(HmpOut *out, const HmpArgs *a, ReadFn *read)
{
    char format = a->fmt.format ? a->fmt.format : 'x';
    unsigned size = format == 'c' ? 1 : unit_size(a->fmt.size);
    unsigned per_line = format == 'c' ? 8 : 16 / size;
    uint64_t addr = a->arg[0].num;

    if (format == 'i') {
        hmp_printf(out, "Error: format 'i' (disassembly) is not available in "
                        "this version\n");
        return;
    }
    for (int i = 0; i < a->fmt.count; i++, addr += size) {
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

void hmp_cmd_x(HmpOut *out, const HmpArgs *a)
{
    if (current_cpu(out) != NULL) {
        dump(out, a, read_virt);
    }
}

void hmp_cmd_xp(HmpOut *out, const HmpArgs *a)
{
    dump(out, a, read_phys);
}

void hmp_cmd_gva2gpa(HmpOut *out, const HmpArgs *a)
{
    Vcpu *cpu = current_cpu(out);
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

void hmp_cmd_gpa2hva(HmpOut *out, const HmpArgs *a)
{
    uint64_t addr = a->arg[0].num, len = 1;
    void *host = address_space_map(&out->vm->mem.memory, addr, &len, false);

    if (host == NULL) {
        hmp_printf(out, "Error: No memory is mapped at address 0x%" PRIx64 "\n",
                   addr);
        return;
    }
    hmp_printf(out, "Host virtual address for 0x%" PRIx64 " is %p\n", addr,
               host);
}
