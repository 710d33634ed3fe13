/*
 * The model-specific registers that are the local APIC's: its base, x2APIC
 * mode and the TSC deadline.
 *
 * Intel SDM volume 3, 11.4.4 (base), 11.5.4.1 (deadline), 11.12 (x2APIC).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/apic-priv.h"

#include "target/i386/cpu.h"
#include "target/i386/msr.h"

enum {
    X2APIC_FIRST = 0x800,
    X2APIC_LAST = 0x8ff,
};

bool apic_is_x2apic(const Apic *s)
{
    const uint32_t both = APIC_BASE_ENABLED | APIC_BASE_X2APIC;

    return (s->apicbase & both) == both;
}

uint32_t apic_x2apic_ldr(const Apic *s)
{
    uint32_t id = s->cpu->apic_id;

    return id >> 4 << 16 | UINT32_C(1) << (id & 0xf);
}

/* The modes and which of them follow which: SDM figure 11-27. */
static bool base_write(Apic *s, uint64_t v)
{
    X86Cpu *x = s->cpu->x86;
    unsigned bits = x86_cpu_model_phys_bits(x->model);
    uint64_t known = APIC_BASE_ENABLED | APIC_BASE_BSP;
    bool was_on = s->apicbase & APIC_BASE_ENABLED;
    bool was_x2 = s->apicbase & APIC_BASE_X2APIC;
    bool on = v & APIC_BASE_ENABLED;
    bool x2 = v & APIC_BASE_X2APIC;

    if (x86_cpu_model_has(x->model, X86_F_X2APIC)) {
        known |= APIC_BASE_X2APIC;
    }
    if ((v & 0xfff & ~known) || (bits < 64 && v >> bits) || (x2 && !on) ||
        (x2 && !was_on) || (!x2 && on && was_x2)) {
        return false;
    }
    s->apicbase = v;
    x->apic_base = v;
    if (!on && was_on) {
        /* As after power-up, when it is switched on again: SDM 11.4.3. */
        apic_reset_registers(s);
        s->id = s->cpu->apic_id;
    }
    return true;
}

static bool deadline_write(Apic *s, uint64_t v)
{
    X86Cpu *x = s->cpu->x86;

    if (!x86_cpu_model_has(x->model, X86_F_TSC_DEADLINE)) {
        return false;
    }
    if (apic_timer_mode(s) == APIC_LVT_DEADLINE) {
        x->tsc_deadline = v;
        apic_deadline_check(s);
    }
    return true;
}

bool apic_msr_owns(uint32_t msr)
{
    return msr == MSR_IA32_APIC_BASE || msr == MSR_IA32_TSC_DEADLINE ||
           (msr >= X2APIC_FIRST && msr <= X2APIC_LAST);
}

bool apic_msr_read(Device *apic, uint32_t msr, uint64_t *ret)
{
    Apic *s = DEVICE_CAST(Apic, apic);
    const X86Cpu *x = s->cpu->x86;

    switch (msr) {
    case MSR_IA32_APIC_BASE:
        *ret = x->apic_base;
        return true;
    case MSR_IA32_TSC_DEADLINE:
        apic_deadline_check(s);
        *ret = x->tsc_deadline;
        return x86_cpu_model_has(x->model, X86_F_TSC_DEADLINE);
    default:
        return apic_is_x2apic(s) &&
               apic_x2apic_read(s, msr - X2APIC_FIRST, ret);
    }
}

bool apic_msr_write(Device *apic, uint32_t msr, uint64_t v)
{
    Apic *s = DEVICE_CAST(Apic, apic);

    switch (msr) {
    case MSR_IA32_APIC_BASE:
        return base_write(s, v);
    case MSR_IA32_TSC_DEADLINE:
        return deadline_write(s, v);
    default:
        return apic_is_x2apic(s) && apic_x2apic_write(s, msr - X2APIC_FIRST, v);
    }
}
