/*
 * What -d shows of the software CPU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/log.h"

#include "target/i386/disas.h"

/* The registers as they are now; soft_cpu_store() changes nothing here. */
static void append_registers(SoftCpu *s, GString *out, bool with_fpu)
{
    soft_cpu_store(s);
    x86_cpu_print_registers(s->x, out, with_fpu);
}

void soft_log_code(const SoftCpu *s, uint64_t lin, const uint8_t *code,
                   unsigned n)
{
    g_autoptr(GString) text = g_string_new("----------------\nIN: \n");
    unsigned bits = 8U << s->mode;

    while (n > 0) {
        unsigned used = x86_disas(text, bits, lin, code, n);

        if (used == 0) {
            break;
        }
        lin += used;
        code += used;
        n -= used;
    }
    g_string_append_c(text, '\n');
    log_write("%s", text->str);
}

void soft_log_run(SoftCpu *s, const SoftBlock *b)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint64_t base = s->segbase[X86_CS];

    if (log_enabled(LOG_ITEM_EXEC)) {
        g_string_append_printf(text,
                               "Trace %u: %p [%016" PRIx64 "/%016" PRIx64
                               "/%08x/%08x]\n",
                               s->x->index, (const void *)b, base,
                               (base + s->rip) & s->lin_mask, s->key, b->nops);
    }
    if (log_enabled(LOG_ITEM_CPU)) {
        append_registers(s, text, log_enabled(LOG_ITEM_FPU));
    }
    log_write("%s", text->str);
}

void soft_log_int(SoftCpu *s, unsigned vec, bool soft, uint32_t error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint64_t pc = (s->segbase[X86_CS] + s->rip) & s->lin_mask;

    g_string_append_printf(text,
                           "%6" PRIu64 ": v=%02x e=%04x i=%d cpl=%u "
                           "IP=%04x:%016" PRIx64 " pc=%016" PRIx64
                           " SP=%04x:%016" PRIx64,
                           s->nlogged_ints++, vec, error, soft, s->cpl,
                           s->x->segs[X86_CS].selector, s->rip, pc,
                           s->x->segs[X86_SS].selector, s->gpr[X86_RSP]);
    if (vec == EXC_PF) {
        g_string_append_printf(text, " CR2=%016" PRIx64 "\n", s->x->cr[2]);
    } else {
        g_string_append_printf(text, " RAX=%016" PRIx64 "\n", s->gpr[X86_RAX]);
    }
    append_registers(s, text, false);
    log_write("%s", text->str);
}

void soft_log_far(SoftCpu *s, const char *what, uint16_t sel, uint64_t rip)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text, "%s %04x:%08" PRIx64 "\n", what, sel, rip);
    append_registers(s, text, false);
    log_write("%s", text->str);
}
