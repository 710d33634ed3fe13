/*
 * A local APIC's registers as text.
 *
 * Intel SDM volume 3, 11.5 (LVT, timer), 11.6 (ICR, LDR, DFR), 11.8 (PPR), 11.9
 * (spurious vector).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/apic-priv.h"

enum {
    LVT_PENDING = 1 << 12,
    LVT_ACTIVE_LOW = 1 << 13,
    LVT_LEVEL = 1 << 15,
    MODE_NMI = 4,
    SVR_FOCUS_OFF = 1 << 9,
    ICR_LOGICAL = 1 << 11,
    ICR_ASSERT = 1 << 14,
    ICR_LEVEL = 1 << 15,
    DFR_FLAT = 15,
};

static void print_lvt(const Apic *s, GString *out, const char *name, unsigned n)
{
    static const char *const modes[8] = { "Fixed", "LowPri", "SMI", "...",
                                          "NMI",   "INIT",   "...", "ExtINT" };
    static const char *const timer[4] = { "one-shot", "periodic",
                                          "tsc-deadline", "reserved" };
    uint32_t v = s->lvt[n];
    unsigned mode = extract32(v, 8, 3);

    g_string_append_printf(
        out, "%s\t 0x%08x %s %-5s %-6s %-7s %-12s %-6s", name, v,
        v & LVT_ACTIVE_LOW ? "active-lo" : "active-hi",
        v & LVT_LEVEL ? "level" : "edge", v & APIC_LVT_MASKED ? "masked" : "",
        v & LVT_PENDING ? "pending" : "",
        n == APIC_LVT_TIMER ? timer[extract32(v, 17, 2)] : "", modes[mode]);
    if (mode != MODE_NMI) {
        g_string_append_printf(out, " (vec %u)", v & 0xff);
    }
    g_string_append_c(out, '\n');
}

static void print_lvts(const Apic *s, GString *out)
{
    static const struct {
        const char *name;
        unsigned n;
    } lvts[] = {
        { "LVT0", APIC_LVT_LINT0 },      { "LVT1", APIC_LVT_LINT1 },
        { "LVTPC", APIC_LVT_PERF },      { "LVTERR", APIC_LVT_ERROR },
        { "LVTTHMR", APIC_LVT_THERMAL }, { "LVTT", APIC_LVT_TIMER },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lvts); i++) {
        print_lvt(s, out, lvts[i].name, lvts[i].n);
    }
}

static void print_timer(const Apic *s, GString *out)
{
    int64_t now = clock_get_ns(s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
    /* Bits 3, 1 and 0; 7 divides by 1. */
    unsigned code = (s->divide_conf & 3) | extract32(s->divide_conf, 3, 1) << 2;

    g_string_append_printf(out,
                           "Timer\t DCR=0x%x (divide by %u) initial_count = %u "
                           "current_count = %u\n",
                           s->divide_conf, code == 7 ? 1 : 2U << code,
                           s->initial_count, apic_current_count(s, now));
}

/* The second half matters unless a shorthand names the target. */
static void print_icr(const Apic *s, GString *out)
{
    static const char *const shorthand[4] = { "no-shorthand", "self",
                                              "all-self", "all" };
    uint32_t icr = s->icr[0];
    unsigned target = s->icr[1] >> 24;
    unsigned bits = s->dest_mode == DFR_FLAT ? 8 : 4;

    g_string_append_printf(out, "ICR\t 0x%08x %s %s %s %s\n", icr,
                           icr & ICR_LOGICAL ? "logical" : "physical",
                           icr & ICR_LEVEL ? "level" : "edge",
                           icr & ICR_ASSERT ? "assert" : "de-assert",
                           shorthand[extract32(icr, 18, 2)]);
    g_string_append_printf(out, "ICR2\t 0x%08x", s->icr[1]);
    if (extract32(icr, 18, 2) == 0) {
        if (!(icr & ICR_LOGICAL)) {
            g_string_append_printf(out, " cpu %u (APIC ID)", target);
        } else {
            if (bits == 4) {
                g_string_append_printf(out, " cluster %u", target >> 4);
            }
            g_string_append(out, " mask ");
            for (unsigned i = bits; i-- > 0;) {
                g_string_append_c(out, target >> i & 1 ? '1' : '0');
            }
            g_string_append(out, " (APIC ID)");
        }
    }
    g_string_append_c(out, '\n');
}

/* Those of a bitmap of vectors, lowest first. */
static void print_vectors(GString *out, const char *name, const uint32_t map[8],
                          const uint32_t level[8])
{
    bool any = false;

    g_string_append_printf(out, "%s\t ", name);
    for (unsigned v = 0; v < 256; v++) {
        if (map[v / 32] >> (v % 32) & 1) {
            g_string_append_printf(out, "%u%s ", v,
                                   level && (level[v / 32] >> (v % 32) & 1)
                                       ? "(level)"
                                       : "");
            any = true;
        }
    }
    g_string_append(out, any ? "\n" : "(none)\n");
}

static uint8_t processor_priority(const Apic *s)
{
    for (unsigned v = 256; v-- > 0;) {
        if (s->isr[v / 32] >> (v % 32) & 1) {
            return (s->tpr & 0xf0) >= (v & 0xf0) ? s->tpr : v & 0xf0;
        }
    }
    return s->tpr;
}

void apic_print_registers(const Apic *s, GString *out)
{
    g_string_append_printf(out, "dumping local APIC state for CPU %-2u\n\n",
                           s->cpu->index);
    print_lvts(s, out);
    print_timer(s, out);
    g_string_append_printf(
        out, "SPIV\t 0x%08x APIC %s, focus=%s, spurious vec %u\n",
        s->spurious_vec,
        s->spurious_vec & APIC_SVR_ENABLED ? "enabled" : "disabled",
        s->spurious_vec & SVR_FOCUS_OFF ? "on" : "off", s->spurious_vec & 0xff);
    print_icr(s, out);
    g_string_append_printf(out, "ESR\t 0x%08x\n", s->esr);
    print_vectors(out, "ISR", s->isr, NULL);
    print_vectors(out, "IRR", s->irr, s->tmr);
    g_string_append_printf(out, "\nAPR 0x%02x TPR 0x%02x DFR 0x%02x LDR 0x%02x",
                           s->arb_id, s->tpr, s->dest_mode, s->log_dest);
    if (s->dest_mode != DFR_FLAT) {
        g_string_append_printf(out, "(cluster %u: id %u)", s->log_dest >> 4,
                               s->log_dest & 15);
    }
    g_string_append_printf(out, " PPR 0x%02x\n", processor_priority(s));
}
