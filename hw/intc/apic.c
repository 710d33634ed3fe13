/*
 * Local APIC, modelled here: registers, priorities, timer, messages between
 * APICs.
 *
 * Behaviour: Intel SDM volume 3, chapter 11.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/apic-priv.h"

#include "hw/core/machine.h"
#include "hw/intc/ioapic.h"
#include "target/i386/cpu.h"
#include "util/log.h"

enum {
    ESR_SEND_ILLEGAL = 1 << 5,
    ESR_RECV_ILLEGAL = 1 << 6,
    ESR_REGISTER = 1 << 7,
};

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
    SVR_NO_EOI_BROADCAST = 1 << 12,
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

/* As for the 8254: the main loop has other things to do, too. */
#define MIN_PERIOD_NS (20 * NS_PER_US)

int64_t apic_now(const Apic *s)
{
    return clock_get_ns(s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
}

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
static uint8_t apic_ppr(const Apic *s)
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

static void apic_kick(Apic *s)
{
    if (apic_pending(&s->dev) >= 0 || apic_pending_extint(&s->dev)) {
        vcpu_kick(s->cpu);
    }
}

static void apic_error(Apic *s, uint32_t bit);

static void apic_accept(Apic *s, uint8_t vector, bool level)
{
    if (vector < 16) {
        apic_error(s, ESR_RECV_ILLEGAL);
        return;
    }
    bit_put(s->irr, vector, true);
    bit_put(s->tmr, vector, level);
    apic_kick(s);
}

static void apic_error(Apic *s, uint32_t bit)
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

/* dest: of 8 bits unless it comes from an APIC in x2APIC mode. */
static bool apic_matches(const Apic *s, const ApicMessage *m)
{
    uint32_t dest = m->dest;

    if (dest == (m->wide ? UINT32_MAX : 0xff) && (m->wide || !m->logical)) {
        return true;
    }
    if (!m->logical) {
        return dest == (apic_is_x2apic(s) ? s->cpu->apic_id : s->id);
    }
    if (apic_is_x2apic(s)) { /* SDM 11.12.10.2 */
        uint32_t ldr = apic_x2apic_ldr(s);

        return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
    }
    if (s->dest_mode == 0xf) { /* flat */
        return s->log_dest & dest;
    }
    return s->log_dest >> 4 == (dest & 0xff) >> 4 && (s->log_dest & dest & 0xf);
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
        } else if (best == NULL || apic_ppr(s) < apic_ppr(best)) {
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
        apic_error(s, ESR_SEND_ILLEGAL);
        return;
    }
    apic_deliver_one(s, DELIVER_FIXED, vector, false);
}

/* SDM 11.6.1 */
static void apic_write_icr(Apic *s, uint32_t val)
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
        apic_error(s, ESR_SEND_ILLEGAL);
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

static void apic_eoi(Apic *s)
{
    const Machine *m = s->dev.machine;
    int v = bit_highest(s->isr);

    if (v < 0) {
        return;
    }
    bit_put(s->isr, v, false);
    if (bit_test(s->tmr, v) && !(s->spurious_vec & SVR_NO_EOI_BROADCAST) &&
        m != NULL) {
        for (GList *l = m->sysbus.devices.head; l != NULL; l = l->next) {
            Device *dev = l->data;

            if (dev->type == &ioapic_type) {
                ioapic_eoi(dev, v);
            }
        }
    }
    apic_kick(s);
}

/* When the TSC reaches the deadline; -1: it isn't set. */
static int64_t apic_deadline_ns(const Apic *s, int64_t now_ns)
{
    const Accel *acc = s->dev.vm->accel;
    const X86Cpu *x = s->cpu->x86;
    uint64_t tsc = x->tsc;
    __int128 left;

    if (x->tsc_deadline == 0) {
        return -1;
    }
    /* What was loaded is as of now, and not the accelerator's yet. */
    if (!s->cpu->state_loaded && acc->type->vcpu_get_tsc != NULL &&
        !acc->type->vcpu_get_tsc(s->cpu, &tsc, NULL)) {
        return -1;
    }
    if (tsc >= x->tsc_deadline) {
        return now_ns;
    }
    left = (__int128)(x->tsc_deadline - tsc) * 1000000 / x86_cpu_tsc_khz(x) + 1;
    return left > INT64_MAX - now_ns ? -1 : now_ns + (int64_t)left;
}

void apic_rearm(Apic *s, int64_t now_ns)
{
    s->timer_expiry = apic_timer_mode(s) == APIC_LVT_DEADLINE
                          ? apic_deadline_ns(s, now_ns)
                          : apic_next_expiry(s, now_ns);
    if (s->timer_expiry < 0) {
        timer_del(&s->timer);
        return;
    }
    s->next_time = s->timer_expiry;
    timer_mod(&s->timer, s->timer_expiry);
}

static void apic_timer_fired(void *opaque)
{
    Apic *s = opaque;
    uint32_t lvt = s->lvt[APIC_LVT_TIMER];
    int64_t now = apic_now(s);

    if (apic_timer_mode(s) == APIC_LVT_DEADLINE) {
        if (apic_deadline_ns(s, now) > now) { /* the TSC was set back */
            apic_rearm(s, now);
            return;
        }
        s->cpu->x86->tsc_deadline = 0;
    }
    if (!(lvt & APIC_LVT_MASKED)) {
        apic_accept(s, lvt, false);
    }
    apic_rearm(s, MAX(s->timer_expiry, now));
    if (s->timer_expiry >= 0 && s->timer_expiry < now + MIN_PERIOD_NS) {
        timer_mod(&s->timer, now + MIN_PERIOD_NS);
    }
}

static uint32_t apic_timer_mask(const Apic *s)
{
    const X86CpuModel *m = s->cpu->x86->model;

    return m != NULL && x86_cpu_model_has(m, X86_F_TSC_DEADLINE) ? 0x700ff
                                                                 : 0x300ff;
}

static void apic_write_lvt(Apic *s, unsigned n, uint32_t val)
{
    /* Bits that each has, SDM figure 11-8. */
    static const uint32_t masks[APIC_NLVT] = {
        [APIC_LVT_THERMAL] = 0x107ff, [APIC_LVT_PERF] = 0x107ff,
        [APIC_LVT_LINT0] = 0x1a7ff,   [APIC_LVT_LINT1] = 0x1a7ff,
        [APIC_LVT_ERROR] = 0x100ff,
    };

    if (!(s->spurious_vec & APIC_SVR_ENABLED)) {
        val |= APIC_LVT_MASKED;
    }
    val &= n == APIC_LVT_TIMER ? apic_timer_mask(s) : masks[n];
    if (n == APIC_LVT_TIMER && ((val ^ s->lvt[n]) & APIC_LVT_DEADLINE)) {
        s->initial_count = 0; /* SDM 11.5.4.1: it is disarmed */
        s->cpu->x86->tsc_deadline = 0;
    }
    s->lvt[n] = val;
    if (n == APIC_LVT_TIMER) {
        apic_rearm(s, apic_now(s));
    } else if (n == APIC_LVT_LINT0) {
        apic_kick(s);
    }
}

static void apic_write_svr(Apic *s, uint32_t val)
{
    s->spurious_vec = val & 0x1ff;
    if (!(val & APIC_SVR_ENABLED)) {
        for (unsigned i = 0; i < APIC_NLVT; i++) {
            s->lvt[i] |= APIC_LVT_MASKED;
        }
        apic_rearm(s, apic_now(s));
    }
    apic_kick(s);
}

void apic_set_tpr(Device *apic, uint8_t tpr)
{
    Apic *s = DEVICE_CAST(Apic, apic);

    s->tpr = tpr;
    apic_kick(s);
}

uint8_t apic_get_tpr(Device *apic)
{
    return DEVICE_CAST(Apic, apic)->tpr;
}

void apic_write(Apic *s, unsigned reg, uint32_t val)
{
    switch (reg) {
    case 0x02:
        s->id = val >> 24;
        break;
    case 0x08:
        apic_set_tpr(&s->dev, val);
        break;
    case 0x0b:
        apic_eoi(s);
        break;
    case 0x0d:
        s->log_dest = val >> 24;
        break;
    case 0x0e:
        s->dest_mode = val >> 28;
        break;
    case 0x0f:
        apic_write_svr(s, val);
        break;
    case 0x28: /* shows what came since the last write */
        s->esr = s->esr_pending;
        s->esr_pending = 0;
        break;
    case 0x30:
        apic_write_icr(s, val);
        break;
    case 0x31:
        s->icr[1] = val & 0xff000000;
        break;
    case 0x32 ... 0x37:
        apic_write_lvt(s, reg - 0x32, val);
        break;
    case 0x38:
        if (apic_timer_mode(s) == APIC_LVT_DEADLINE) {
            break; /* ignored: SDM 11.5.4.1 */
        }
        s->initial_count = val;
        s->initial_count_load_time = apic_now(s);
        apic_rearm(s, s->initial_count_load_time);
        break;
    case 0x3e:
        s->divide_conf = val & 0xb;
        apic_update_shift(s);
        break;
    case 0x03: /* read only */
    case 0x09:
    case 0x0a:
    case 0x10 ... 0x27:
    case 0x39:
        break;
    default:
        apic_error(s, ESR_REGISTER);
        break;
    }
}

bool apic_has_reg(unsigned reg)
{
    switch (reg) {
    case 0x02:
    case 0x03:
    case 0x08 ... 0x0b:
    case 0x0d ... 0x28:
    case 0x30 ... 0x39:
    case 0x3e:
        return true;
    default:
        return false;
    }
}

uint32_t apic_read(Apic *s, unsigned reg)
{
    switch (reg) {
    case 0x02:
        return (uint32_t)s->id << 24;
    case 0x03: /* version; number of LVT entries - 1 */
        return 0x14 | (APIC_NLVT - 1) << 16;
    case 0x08:
        return s->tpr;
    case 0x09:
        return s->arb_id;
    case 0x0a:
        return apic_ppr(s);
    case 0x0d:
        return (uint32_t)s->log_dest << 24;
    case 0x0e:
        return (uint32_t)s->dest_mode << 28 | 0x0fffffff;
    case 0x0f:
        return s->spurious_vec;
    case 0x10 ... 0x17:
        return s->isr[reg & 7];
    case 0x18 ... 0x1f:
        return s->tmr[reg & 7];
    case 0x20 ... 0x27:
        return s->irr[reg & 7];
    case 0x28:
        return s->esr;
    case 0x30:
    case 0x31:
        return s->icr[reg & 1];
    case 0x32 ... 0x37:
        return s->lvt[reg - 0x32];
    case 0x38:
        return s->initial_count;
    case 0x39:
        return apic_current_count(s, apic_now(s));
    case 0x3e:
        return s->divide_conf;
    case 0x0b: /* write only */
        return 0;
    default:
        apic_error(s, ESR_REGISTER);
        return 0;
    }
}

/* The one whose vCPU makes the access; NULL: a device's or a test's. */
static Apic *apic_current(Device *dev)
{
    Vcpu *cpu = vcpu_current();
    Device *own = cpu != NULL && cpu->vm == dev->vm ? apic_of(cpu) : NULL;

    return own != NULL && own->type == &apic_type ? DEVICE_CAST(Apic, own)
                                                  : NULL;
}

/* Switched on, and not reached by MSRs instead. */
static bool apic_mapped(const Apic *s)
{
    return (s->apicbase & APIC_BASE_ENABLED) && !apic_is_x2apic(s);
}

uint64_t apic_mmio_read(Device *dev, uint64_t off, unsigned size)
{
    Apic *s = apic_current(dev);

    if (s == NULL || size != 4 || off >= 0x1000 || (off & 0xf) ||
        !apic_mapped(s)) {
        return 0;
    }
    return apic_read(s, off >> 4);
}

void apic_mmio_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Apic *s = apic_current(dev);

    if (size != 4) {
        return;
    }
    if (s == NULL || off >= 0x1000) {
        msi_send(dev->vm, APIC_ADDR + off, val);
    } else if (!(off & 0xf) && apic_mapped(s)) {
        apic_write(s, off >> 4, val);
    }
}

static void apic_set_lint(void *opaque, unsigned n, bool level)
{
    Apic *s = DEVICE_CAST(Apic, (Device *)opaque);
    uint32_t lvt = s->lvt[APIC_LVT_LINT0 + n];
    bool rising = level && !s->lint[n];

    s->lint[n] = level;
    if (!rising) {
        return;
    }
    if (n == 0) {
        apic_kick(s);
    }
    if (!(lvt & APIC_LVT_MASKED) && (s->apicbase & APIC_BASE_ENABLED)) {
        apic_deliver_one(s, lvt >> 8 & 7, lvt, lvt & ICR_LEVEL);
    }
}

bool apic_user_realize(Apic *s, GError **errp)
{
    irq_in_init(&s->dev, apic_set_lint, 2);
    timer_init(&s->timer, s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL,
               apic_timer_fired, s);
    return true;
}

void apic_user_loaded(Apic *s)
{
    s->esr_pending = 0;
    if (apic_timer_mode(s) == APIC_LVT_DEADLINE) {
        s->timer_expiry = apic_deadline_ns(s, apic_now(s));
    }
    if (s->timer_expiry < 0) {
        timer_del(&s->timer);
    } else {
        timer_mod(&s->timer, s->timer_expiry);
    }
}

void apic_init_reset(Device *apic)
{
    apic_init_registers(DEVICE_CAST(Apic, apic));
}
