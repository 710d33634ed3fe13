/*
 * Local APIC, modelled here: priorities, messages between APICs, its pins.
 *
 * Behaviour: Intel SDM volume 3, chapter 11.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/apic-priv.h"

#include "hw/core/machine.h"
#include "hw/intc/ioapic.h"
#include "system/runstate.h"
#include "util/log.h"

/* SDM figure 11-8. */
enum {
    DELIVER_FIXED,
    DELIVER_LOWEST,
    DELIVER_SMI,
    DELIVER_NMI = 4,
    DELIVER_INIT,
    DELIVER_SIPI,
    DELIVER_EXTINT,
};

enum {
    ICR_LOGICAL = 1 << 11,
    ICR_BUSY = 1 << 12,
    ICR_ASSERT = 1 << 14,
    ICR_LEVEL = 1 << 15,
};

/* From an ICR, or written by a device. */
typedef struct ApicMessage {
    uint32_t dest;
    bool wide; /* dest has 32 bits, else 8 */
    bool logical;
    bool level;
    uint8_t mode;
    uint8_t vector;
} ApicMessage;

static bool bit_test(const uint32_t set[8], unsigned v)
{
    return set[v >> 5] >> (v & 31) & 1;
}

static void bit_put(uint32_t set[8], unsigned v, bool on)
{
    uint32_t mask = 1u << (v & 31);

    set[v >> 5] = on ? set[v >> 5] | mask : set[v >> 5] & ~mask;
}

/* The highest in a set; -1. */
static int bit_highest(const uint32_t set[8])
{
    for (int i = 7; i >= 0; i--) {
        if (set[i] != 0) {
            return i * 32 + 31 - __builtin_clz(set[i]);
        }
    }
    return -1;
}

/* Processor priority, SDM 11.8.3.1. */
uint8_t apic_ppr(const Apic *s)
{
    int isr = MAX(bit_highest(s->isr), 0);

    return s->tpr >> 4 >= isr >> 4 ? s->tpr : isr & 0xf0;
}

int apic_pending(Device *apic)
{
    const Apic *s = DEVICE_CAST(Apic, apic);
    int v = bit_highest(s->irr);

    if (!(s->spurious_vec & APIC_SVR_ENABLED) || v < 0 ||
        v >> 4 <= apic_ppr(s) >> 4) {
        return -1;
    }
    return v;
}

int apic_take(Device *apic)
{
    Apic *s = DEVICE_CAST(Apic, apic);
    int v = apic_pending(apic);

    if (v >= 0) {
        bit_put(s->irr, v, false);
        bit_put(s->isr, v, true);
    }
    return v;
}

bool apic_pending_extint(Device *apic)
{
    const Apic *s = DEVICE_CAST(Apic, apic);
    uint32_t lvt = s->lvt[APIC_LVT_LINT0];

    if (!s->lint[0]) {
        return false;
    }
    return !(s->apicbase & APIC_BASE_ENABLED) ||
           (!(lvt & APIC_LVT_MASKED) && (lvt >> 8 & 7) == DELIVER_EXTINT);
}

void apic_recheck(Device *apic)
{
    if (apic_pending(apic) >= 0 || apic_pending_extint(apic)) {
        vcpu_kick(DEVICE_CAST(Apic, apic)->cpu);
    }
}

/* One that software disabled takes no vectors: SDM 11.4.7.2. */
static bool apic_takes_vectors(const Apic *s)
{
    return (s->apicbase & APIC_BASE_ENABLED) &&
           (s->spurious_vec & APIC_SVR_ENABLED);
}

void apic_accept(Apic *s, uint8_t vector, bool level)
{
    if (!apic_takes_vectors(s)) {
        return;
    }
    if (vector < 16) {
        apic_error(s, APIC_ESR_RECV_ILLEGAL);
        return;
    }
    bit_put(s->irr, vector, true);
    bit_put(s->tmr, vector, level);
    apic_recheck(&s->dev);
}

void apic_error(Apic *s, uint32_t bit)
{
    uint32_t lvt = s->lvt[APIC_LVT_ERROR];

    s->esr_pending |= bit;
    if (!(lvt & APIC_LVT_MASKED) && (lvt & 0xff) >= 16) {
        apic_accept(s, lvt, false);
    }
}

static void apic_event(Apic *s, ApicEvent ev, uint8_t page)
{
    if (s->event_fn != NULL) {
        s->event_fn(s->cpu, ev, page);
    } else {
        log_unimp("apic: vCPU %u takes no event %d", s->cpu->index, ev);
    }
}

void apic_set_event_fn(Device *apic, ApicEventFn *fn)
{
    DEVICE_CAST(Apic, apic)->event_fn = fn;
}

static void apic_deliver_one(Apic *s, unsigned mode, uint8_t vector, bool level)
{
    switch (mode) {
    case DELIVER_FIXED:
    case DELIVER_LOWEST:
        apic_accept(s, vector, level);
        break;
    case DELIVER_SMI:
        apic_event(s, APIC_EVENT_SMI, 0);
        break;
    case DELIVER_NMI:
        apic_event(s, APIC_EVENT_NMI, 0);
        break;
    case DELIVER_INIT:
        apic_event(s, APIC_EVENT_INIT, 0);
        break;
    case DELIVER_SIPI:
        if (s->wait_for_sipi) {
            s->sipi_vector = vector;
            s->wait_for_sipi = 0;
            apic_event(s, APIC_EVENT_SIPI, vector);
        }
        break;
    default: /* external interrupts come by LINT0 only */
        break;
    }
}

/*
 * Logical destinations of 8 bits: SDM 11.6.2.2.  In the cluster model the
 * upper half names a cluster, 15 all of them.
 */
static bool apic_matches_8bit(const Apic *s, uint8_t dest)
{
    uint8_t common = s->log_dest & dest;

    if (s->dest_mode == APIC_DFR_FLAT) {
        return common != 0;
    }
    return (dest >> 4 == 15 || dest >> 4 == s->log_dest >> 4) &&
           (common & 0xf) != 0;
}

/* SDM 11.12.10.2: clusters of 16, and no other model. */
static bool apic_matches_x2apic(const Apic *s, uint32_t dest)
{
    uint32_t own = apic_x2apic_ldr(s);

    return dest >> 16 == own >> 16 && (own & dest & 0xffff) != 0;
}

/* m->dest has 8 bits unless it comes from an APIC in x2APIC mode. */
static bool apic_matches(const Apic *s, const ApicMessage *m)
{
    bool x2apic = apic_is_x2apic(s);

    if (!(s->apicbase & APIC_BASE_ENABLED)) {
        return false;
    }
    /* All ones is everybody, in each model: SDM 11.6.2.1, 11.6.2.2. */
    if (m->dest == (m->wide ? UINT32_MAX : 0xff)) {
        return true;
    }
    if (!m->logical) {
        return m->dest == (x2apic ? s->cpu->apic_id : s->id);
    }
    return x2apic ? apic_matches_x2apic(s, m->dest)
                  : apic_matches_8bit(s, m->dest);
}

/* To all that match; of those of lowest priority to one only. */
static void apic_send(Vm *vm, const ApicMessage *m, const Apic *except)
{
    Apic *best = NULL;

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        Device *dev = apic_of(vm->vcpus[i]);
        Apic *s = dev != NULL ? DEVICE_CAST(Apic, dev) : NULL;

        if (s == NULL || s == except || !apic_matches(s, m)) {
            continue;
        }
        if (m->mode != DELIVER_LOWEST) {
            apic_deliver_one(s, m->mode, m->vector, m->level);
        } else if (apic_takes_vectors(s) &&
                   (best == NULL || apic_ppr(s) < apic_ppr(best))) {
            best = s;
        }
    }
    if (best != NULL) {
        apic_deliver_one(best, m->mode, m->vector, m->level);
    }
}

/* SDM 11.11: format of the address and data of a message. */
void apic_deliver_msi(Vm *vm, uint64_t addr, uint32_t data)
{
    const ApicMessage m = {
        .dest = addr >> 12 & 0xff,
        .logical = addr & 4,
        .mode = data >> 8 & 7,
        .vector = data,
        .level = data & ICR_LEVEL,
    };

    apic_send(vm, &m, NULL);
}

void apic_self_ipi(Apic *s, uint8_t vector)
{
    if (vector < 16) {
        apic_error(s, APIC_ESR_SEND_ILLEGAL);
        return;
    }
    apic_deliver_one(s, DELIVER_FIXED, vector, false);
}

/* SDM 11.6.1 */
void apic_write_icr(Apic *s, uint32_t val)
{
    unsigned mode = val >> 8 & 7;
    bool wide = apic_is_x2apic(s);
    ApicMessage m = {
        .dest = wide ? s->icr[1] : s->icr[1] >> 24,
        .wide = wide,
        .logical = val & ICR_LOGICAL,
        .mode = mode,
        .vector = val,
        .level = val & ICR_LEVEL,
    };
    Vm *vm = s->dev.vm;

    s->icr[0] = val & ~ICR_BUSY;
    if (mode == DELIVER_INIT && (val & ICR_LEVEL) && !(val & ICR_ASSERT)) {
        s->arb_id = s->id; /* INIT level de-assert */
        return;
    }
    if (mode <= DELIVER_LOWEST && (val & 0xff) < 16) {
        apic_error(s, APIC_ESR_SEND_ILLEGAL);
        return;
    }
    switch (val >> 18 & 3) {
    case 0:
        apic_send(vm, &m, NULL);
        break;
    case 1: /* self */
        apic_deliver_one(s, mode, val, val & ICR_LEVEL);
        break;
    default: /* all, or all but self */
        m.dest = wide ? UINT32_MAX : 0xff;
        m.logical = false;
        apic_send(vm, &m, (val >> 18 & 3) == 3 ? s : NULL);
        break;
    }
}

static void apic_broadcast_eoi(const Apic *s, uint8_t vector)
{
    const Machine *m = s->dev.machine;

    for (GList *l = m != NULL ? m->sysbus.devices.head : NULL; l != NULL;
         l = l->next) {
        Device *dev = l->data;

        if (dev->type == &ioapic_type) {
            ioapic_eoi(dev, vector);
        }
    }
}

/*
 * A pin that is high.  Only LINT0 knows levels, and fixed interrupts only are
 * triggered by them: such a one stays with the remote IRR flag until the EOI,
 * and comes again if the pin is still high then.  SDM 11.5.1.
 */
static void apic_lint_high(Apic *s, unsigned n, bool rising)
{
    uint32_t *lvt = &s->lvt[APIC_LVT_LINT0 + n];
    unsigned mode = extract32(*lvt, 8, 3);
    bool level = n == 0 && mode == DELIVER_FIXED && (*lvt & APIC_LVT_LEVEL);

    if (*lvt & APIC_LVT_MASKED) {
        return;
    }
    if (level && !(*lvt & APIC_LVT_REMOTE_IRR)) {
        *lvt |= APIC_LVT_REMOTE_IRR;
        apic_accept(s, *lvt, true);
    } else if (!level && rising) {
        apic_deliver_one(s, mode, *lvt, false);
    }
}

void apic_lint_changed(Apic *s, unsigned n)
{
    uint32_t *lvt = &s->lvt[APIC_LVT_LINT0 + n];

    if (!(*lvt & APIC_LVT_LEVEL) || extract32(*lvt, 8, 3) != DELIVER_FIXED) {
        *lvt &= ~APIC_LVT_REMOTE_IRR;
    }
    if (s->lint[n]) {
        apic_lint_high(s, n, false);
    }
    apic_recheck(&s->dev);
}

static void apic_set_lint(void *opaque, unsigned n, bool level)
{
    Apic *s = DEVICE_CAST(Apic, (Device *)opaque);
    bool rising = level && !s->lint[n];

    s->lint[n] = level;
    /* What an edge set off before a migration came in the stream. */
    if (rising && runstate_get(s->dev.vm) == RUN_STATE_INMIGRATE) {
        rising = false;
    }
    if (!level) {
        return;
    }
    if (s->apicbase & APIC_BASE_ENABLED) {
        apic_lint_high(s, n, rising);
    } else if (n == 1 && rising) {
        apic_event(s, APIC_EVENT_NMI, 0); /* SDM 11.4.3: it is the NMI pin */
    }
    apic_recheck(&s->dev);
}

void apic_eoi(Apic *s)
{
    int v = bit_highest(s->isr);
    uint32_t *lint0 = &s->lvt[APIC_LVT_LINT0];

    if (v < 0) {
        return;
    }
    bit_put(s->isr, v, false);
    if (bit_test(s->tmr, v)) {
        apic_broadcast_eoi(s, v);
    }
    if ((*lint0 & APIC_LVT_REMOTE_IRR) && (*lint0 & 0xff) == (unsigned)v) {
        *lint0 &= ~APIC_LVT_REMOTE_IRR;
        apic_lint_changed(s, 0);
    }
    apic_recheck(&s->dev);
}

void apic_set_tpr(Device *apic, uint8_t tpr)
{
    DEVICE_CAST(Apic, apic)->tpr = tpr;
    apic_recheck(apic);
}

uint8_t apic_get_tpr(Device *apic)
{
    return DEVICE_CAST(Apic, apic)->tpr;
}

void apic_user_realize(Apic *s)
{
    irq_in_init(&s->dev, apic_set_lint, 2);
    apic_timer_init(s);
}

void apic_user_loaded(Apic *s)
{
    s->esr_pending = 0;
    apic_timer_loaded(s);
}

void apic_init_reset(Device *apic)
{
    apic_reset_registers(DEVICE_CAST(Apic, apic));
    apic_await_sipi(DEVICE_CAST(Apic, apic));
}
