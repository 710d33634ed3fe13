/*
 * A CPU's registers as text, and its view of virtual memory, for the monitor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/disas.h"

#define PTE_P    (1 << 0)
#define PTE_PS   (1 << 7)
#define PTE_ADDR 0x000ffffffffff000ULL

/*
 * General registers and segments are shown as the code that runs sees them,
 * control registers and tables as the CPU does.
 */
static bool cpu_print_code64(const X86Cpu *c)
{
    return x86_code_bits(c) == 64;
}

static void print_rflags(const X86Cpu *c, GString *out)
{
    static const struct {
        uint32_t bit;
        char letter;
    } f[] = {
        { X86_FLAG_DF, 'D' }, { X86_FLAG_OF, 'O' }, { X86_FLAG_SF, 'S' },
        { X86_FLAG_ZF, 'Z' }, { X86_FLAG_AF, 'A' }, { X86_FLAG_PF, 'P' },
        { X86_FLAG_CF, 'C' },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(f); i++) {
        g_string_append_c(out, c->rflags & f[i].bit ? f[i].letter : '-');
    }
}

static void print_gprs(const X86Cpu *c, GString *out)
{
    static const struct {
        const char name[4];
        uint8_t reg;
    } r[] = {
        { "AX", X86_RAX }, { "BX", X86_RBX }, { "CX", X86_RCX },
        { "DX", X86_RDX }, { "SI", X86_RSI }, { "DI", X86_RDI },
        { "BP", X86_RBP }, { "SP", X86_RSP },
    };
    bool wide = cpu_print_code64(c);

    for (unsigned i = 0; i < X86_NREGS; i++) {
        char end = i % 4 == 3 ? '\n' : ' ';

        if (!wide && i >= 8) {
            break;
        }
        if (!wide) {
            g_string_append_printf(out, "E%s=%08x%c", r[i].name,
                                   (uint32_t)c->regs[r[i].reg], end);
        } else if (i < 8) {
            g_string_append_printf(out, "R%s=%016" PRIx64 "%c", r[i].name,
                                   c->regs[r[i].reg], end);
        } else {
            g_string_append_printf(out, "R%-2u=%016" PRIx64 "%c", i, c->regs[i],
                                   end);
        }
    }
}

static const char *system_type_name(unsigned type, bool wide)
{
    static const char *const narrow_names[16] = {
        "Reserved",   "TSS16-avl", "LDT",       "TSS16-busy",
        "CallGate16", "TaskGate",  "IntGate16", "TrapGate16",
        "Reserved",   "TSS32-avl", "Reserved",  "TSS32-busy",
        "CallGate32", "Reserved",  "IntGate32", "TrapGate32",
    };
    static const char *const wide_names[16] = {
        "<hiword>",   "Reserved",  "LDT",       "Reserved",
        "Reserved",   "Reserved",  "Reserved",  "Reserved",
        "Reserved",   "TSS64-avl", "Reserved",  "TSS64-busy",
        "CallGate64", "Reserved",  "IntGate64", "TrapGate64",
    };

    return (wide ? wide_names : narrow_names)[type];
}

static void print_segment(const X86Cpu *c, GString *out, const char *name,
                          const X86Segment *s)
{
    bool wide = x86_cpu_long_mode(c);

    g_string_append_printf(out,
                           cpu_print_code64(c)
                               ? "%-3s=%04x %016" PRIx64 " %08x %08x"
                               : "%-3s=%04x %08" PRIx64 " %08x %08x",
                           name, s->selector, s->base, s->limit,
                           s->flags & 0x00ffff00);
    if (!(c->cr[0] & X86_CR0_PE) || !(s->flags & X86_SEG_P)) {
        g_string_append_c(out, '\n');
        return;
    }
    g_string_append_printf(out, " DPL=%u ",
                           (s->flags >> X86_SEG_DPL_SHIFT) & 3);
    if (!(s->flags & X86_SEG_S)) {
        g_string_append(
            out, system_type_name((s->flags >> X86_SEG_TYPE_SHIFT) & 15, wide));
    } else if (s->flags & X86_SEG_CODE) {
        g_string_append_printf(out, "%s [%c%c",
                               s->flags & X86_SEG_L    ? "CS64"
                               : s->flags & X86_SEG_DB ? "CS32"
                                                       : "CS16",
                               s->flags & X86_SEG_C ? 'C' : '-',
                               s->flags & X86_SEG_W ? 'R' : '-');
    } else {
        g_string_append_printf(out, "%s [%c%c",
                               s->flags & X86_SEG_DB || wide ? "DS  " : "DS16",
                               s->flags & X86_SEG_C ? 'E' : '-',
                               s->flags & X86_SEG_W ? 'W' : '-');
    }
    if (s->flags & X86_SEG_S) {
        g_string_append_printf(out, "%c]", s->flags & X86_SEG_A ? 'A' : '-');
    }
    g_string_append_c(out, '\n');
}

static void print_segments(const X86Cpu *c, GString *out)
{
    static const char names[X86_NSEGS][4] = {
        "ES", "CS", "SS", "DS", "FS", "GS"
    };
    const X86Segment *const tables[] = { &c->gdt, &c->idt };
    static const char table_names[2][4] = { "GDT", "IDT" };

    for (unsigned i = 0; i < X86_NSEGS; i++) {
        print_segment(c, out, names[i], &c->segs[i]);
    }
    print_segment(c, out, "LDT", &c->ldt);
    print_segment(c, out, "TR", &c->tr);
    for (unsigned i = 0; i < 2; i++) {
        g_string_append_printf(out,
                               x86_cpu_long_mode(c)
                                   ? "%s=     %016" PRIx64 " %08x\n"
                                   : "%s=     %08" PRIx64 " %08x\n",
                               table_names[i], tables[i]->base,
                               tables[i]->limit);
    }
}

static void print_control(const X86Cpu *c, GString *out)
{
    if (x86_cpu_long_mode(c)) {
        g_string_append_printf(
            out, "CR0=%08x CR2=%016" PRIx64 " CR3=%016" PRIx64 " CR4=%08x\n",
            (uint32_t)c->cr[0], c->cr[2], c->cr[3], (uint32_t)c->cr[4]);
    } else {
        g_string_append_printf(out, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n",
                               (uint32_t)c->cr[0], (uint32_t)c->cr[2],
                               (uint32_t)c->cr[3], (uint32_t)c->cr[4]);
    }
    for (unsigned i = 0; i < 4; i++) {
        g_string_append_printf(out, "DR%u=%016" PRIx64 " ", i, c->dr[i]);
    }
    g_string_append_printf(out, "\nDR6=%016" PRIx64 " DR7=%016" PRIx64 "\n",
                           c->dr[6], c->dr[7]);
    g_string_append_printf(out, "EFER=%016" PRIx64 "\n", c->efer);
}

static void print_fpu(const X86Cpu *c, GString *out)
{
    unsigned nvec = cpu_print_code64(c) ? 16 : 8;

    g_string_append_printf(out,
                           "FCW=%04x FSW=%04x [ST=%u] FTW=%02x MXCSR=%08x\n",
                           c->fpuc, c->fpus, (c->fpus >> 11) & 7, c->fptag,
                           c->mxcsr);
    for (unsigned i = 0; i < 8; i++) {
        g_string_append_printf(out, "FPR%u=%016" PRIx64 " %04x%c", i,
                               c->fpregs[i].mant, c->fpregs[i].exp,
                               i % 2 ? '\n' : ' ');
    }
    if (c->xcr0 & X86_XCR0_AVX) {
        for (unsigned i = 0; i < nvec; i++) {
            const uint64_t *q = c->vec[i].q;

            g_string_append_printf(out,
                                   "YMM%02u=%016" PRIx64 " %016" PRIx64
                                   " %016" PRIx64 " %016" PRIx64 "\n",
                                   i, q[3], q[2], q[1], q[0]);
        }
        return;
    }
    for (unsigned i = 0; i < nvec; i++) {
        g_string_append_printf(out, "XMM%02u=%016" PRIx64 " %016" PRIx64 "%c",
                               i, c->vec[i].q[1], c->vec[i].q[0],
                               i % 2 ? '\n' : ' ');
    }
}

void x86_cpu_print_registers(const X86Cpu *cpu, GString *out, bool with_fpu)
{
    bool wide = cpu_print_code64(cpu);

    print_gprs(cpu, out);
    g_string_append_printf(out,
                           wide ? "RIP=%016" PRIx64 " RFL=%08x ["
                                : "EIP=%08" PRIx64 " EFL=%08x [",
                           cpu->rip, (uint32_t)cpu->rflags);
    print_rflags(cpu, out);
    g_string_append_printf(out, "] CPL=%u II=%u A20=%u SMM=%u HLT=%u\n",
                           x86_cpu_cpl(cpu),
                           !!(cpu->hflags & X86_HF_INHIBIT_IRQ),
                           !!(cpu->a20_mask & (1 << 20)),
                           !!(cpu->hflags & X86_HF_SMM), cpu->halted);
    print_segments(cpu, out);
    print_control(cpu, out);
    if (with_fpu) {
        print_fpu(cpu, out);
    }
}

typedef bool LoadFn(void *opaque, uint64_t pa, unsigned size, uint64_t *ret);

/* Non-PAE paging: SDM volume 3, 4.3. */
static bool walk_32(const X86Cpu *c, uint32_t va, LoadFn *load, void *opaque,
                    uint64_t *ret_pa)
{
    uint64_t e;

    if (!load(opaque, (c->cr[3] & 0xfffff000) + (va >> 22) * 4, 4, &e) ||
        !(e & PTE_P)) {
        return false;
    }
    if ((e & PTE_PS) && (c->cr[4] & X86_CR4_PSE)) {
        /* Bits 20:13 are address bits 39:32 (PSE-36). */
        *ret_pa =
            (e & 0xffc00000) | extract64(e, 13, 8) << 32 | (va & 0x3fffff);
        return true;
    }
    if (!load(opaque, (e & 0xfffff000) + ((va >> 12) & 0x3ff) * 4, 4, &e) ||
        !(e & PTE_P)) {
        return false;
    }
    *ret_pa = (e & 0xfffff000) | (va & 0xfff);
    return true;
}

/* PAE, 4-level and 5-level paging: SDM volume 3, 4.4 and 4.5. */
static bool walk_64(const X86Cpu *c, uint64_t va, LoadFn *load, void *opaque,
                    uint64_t *ret_pa)
{
    bool wide = x86_cpu_long_mode(c);
    unsigned levels = !wide ? 3 : c->cr[4] & X86_CR4_LA57 ? 5 : 4;
    uint64_t table = wide ? c->cr[3] & PTE_ADDR : c->cr[3] & 0xffffffe0;

    for (unsigned level = levels; level > 0; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t index = (va >> shift) & (!wide && level == 3 ? 3 : 0x1ff);
        uint64_t e;

        if (!load(opaque, table + index * 8, 8, &e) || !(e & PTE_P)) {
            return false;
        }
        table = e & PTE_ADDR;
        if (level == 1 || (level < 4 && (wide || level == 2) && (e & PTE_PS))) {
            uint64_t mask = BIT_ULL(shift) - 1;

            *ret_pa = (table & ~mask) | (va & mask);
            return true;
        }
    }
    return false;
}

bool x86_cpu_virt_to_phys(const X86Cpu *cpu, uint64_t va, LoadFn *load,
                          void *opaque, uint64_t *ret_pa)
{
    if (!x86_cpu_long_mode(cpu)) {
        va = (uint32_t)va;
    }
    if (!(cpu->cr[0] & X86_CR0_PG)) {
        *ret_pa = va & (uint64_t)(int64_t)cpu->a20_mask;
        return true;
    }
    if (!(cpu->cr[4] & X86_CR4_PAE)) {
        return walk_32(cpu, va, load, opaque, ret_pa);
    }
    return walk_64(cpu, va, load, opaque, ret_pa);
}
