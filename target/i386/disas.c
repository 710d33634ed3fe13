/*
 * Guest code as text, by the capstone library.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/disas.h"

#ifdef CONFIG_CAPSTONE
#include <capstone/capstone.h>
#endif

enum { BYTES_PER_LINE = 8 };

unsigned x86_code_bits(const X86Cpu *cpu)
{
    if (x86_cpu_long_mode(cpu) && (cpu->segs[X86_CS].flags & X86_SEG_L)) {
        return 64;
    }
    return (cpu->cr[0] & X86_CR0_PE) && !(cpu->rflags & X86_FLAG_VM) &&
                   (cpu->segs[X86_CS].flags & X86_SEG_DB)
               ? 32
               : 16;
}

/* One line for the first bytes with the text behind, then those left. */
static void print_insn(GString *out, uint64_t addr, const uint8_t *buf,
                       unsigned len, const char *name, const char *operands)
{
    for (unsigned i = 0; i < len; i += BYTES_PER_LINE) {
        unsigned n = MIN(len - i, BYTES_PER_LINE);

        g_string_append_printf(out, "0x%08" PRIx64 ": ", addr + i);
        for (unsigned k = 0; k < n; k++) {
            g_string_append_printf(out, " %02x", buf[i + k]);
        }
        if (i == 0) {
            g_string_append_printf(out, "%*s  %-8s %s",
                                   (int)(3 * (BYTES_PER_LINE - n)), "", name,
                                   operands);
        }
        g_string_append_c(out, '\n');
    }
}

static unsigned print_data(GString *out, uint64_t addr, const uint8_t *buf)
{
    g_autofree char *text = g_strdup_printf("0x%02x", buf[0]);

    print_insn(out, addr, buf, 1, ".byte", text);
    return 1;
}

#ifdef CONFIG_CAPSTONE

bool x86_disas_available(void)
{
    return true;
}

unsigned x86_disas(GString *out, unsigned bits, uint64_t addr,
                   const uint8_t *buf, size_t len)
{
    cs_mode mode = bits == 64   ? CS_MODE_64
                   : bits == 32 ? CS_MODE_32
                                : CS_MODE_16;
    cs_insn *insn = NULL;
    unsigned used = 0;
    csh handle;

    if (cs_open(CS_ARCH_X86, mode, &handle) != CS_ERR_OK) {
        return print_data(out, addr, buf);
    }
    cs_option(handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
    if (cs_disasm(handle, buf, len, addr, 1, &insn) == 1) {
        used = insn->size;
        print_insn(out, addr, buf, used, insn->mnemonic, insn->op_str);
        cs_free(insn, 1);
    } else if (len >= X86_INSN_MAX) {
        used = print_data(out, addr, buf);
    }
    cs_close(&handle);
    return used;
}

#else

bool x86_disas_available(void)
{
    return false;
}

unsigned x86_disas(GString *out, unsigned bits, uint64_t addr,
                   const uint8_t *buf, size_t len)
{
    return print_data(out, addr, buf);
}

#endif
