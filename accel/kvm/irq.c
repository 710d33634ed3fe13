/*
 * The interrupt controllers in the kernel: lines, messages and routes.
 *
 *   GSI 0        8259 pin 0 and I/O APIC pin 2 (ISA IRQ 0 is wired so)
 *   GSI 1, 3-15  8259 pin and I/O APIC pin of that number
 *   GSI 2        nothing: the 8259s' cascade
 *   GSI 16-23    I/O APIC pin of that number
 *   GSI 24-      messages, one route each
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include "util/bitmap.h"
#include "util/error.h"
#include "util/log.h"

#define KVM_FIRST_VIRQ  24
#define KVM_ROUTES_ROOM 64

_Static_assert(LAPIC_REGS_SIZE == KVM_APIC_REG_SIZE,
               "the register page has one shape");

static struct kvm_irq_routing_entry *kvm_route_add(KvmAccel *k, unsigned gsi,
                                                   uint32_t type)
{
    struct kvm_irq_routing_entry *e;

    if (k->routes->nr == k->routes_room) {
        k->routes_room *= 2;
        k->routes = g_realloc(k->routes,
                              sizeof(*k->routes) + k->routes_room * sizeof(*e));
    }
    e = &k->routes->entries[k->routes->nr++];
    *e = (struct kvm_irq_routing_entry){ .gsi = gsi, .type = type };
    return e;
}

static void kvm_route_add_pin(KvmAccel *k, unsigned gsi, unsigned chip,
                              unsigned pin)
{
    struct kvm_irq_routing_entry *e =
        kvm_route_add(k, gsi, KVM_IRQ_ROUTING_IRQCHIP);

    e->u.irqchip.irqchip = chip;
    e->u.irqchip.pin = pin;
}

/* Later, if a batch is open. */
static int kvm_routes_commit(KvmAccel *k)
{
    k->routes_changed = true;
    if (k->routes_depth > 0) {
        return 0;
    }
    k->routes_changed = false;
    KVM_COUNT(k, route_sets);
    return kvm_ioctl(k->vm_fd, KVM_SET_GSI_ROUTING, k->routes);
}

static void kvm_batch_begin(Accel *acc)
{
    KVM_ACCEL(acc)->routes_depth++;
}

static int kvm_batch_commit(Accel *acc)
{
    KvmAccel *k = KVM_ACCEL(acc);

    k->routes_depth--;
    return k->routes_depth == 0 && k->routes_changed ? kvm_routes_commit(k) : 0;
}

static bool kvm_routes_init(KvmAccel *k, GError **errp)
{
    int n = kvm_check(k, KVM_CAP_IRQ_ROUTING);
    int r;

    k->nvirqs = MAX(n, KVM_FIRST_VIRQ);
    k->virqs = bitmap_new(k->nvirqs);
    bitmap_set(k->virqs, 0, KVM_FIRST_VIRQ);
    k->routes_room = KVM_ROUTES_ROOM;
    k->routes =
        g_malloc0(sizeof(*k->routes) +
                  k->routes_room * sizeof(struct kvm_irq_routing_entry));
    for (unsigned gsi = 0; gsi < IOAPIC_PINS; gsi++) {
        if (gsi == 2) {
            continue;
        }
        if (gsi < 8) {
            kvm_route_add_pin(k, gsi, KVM_IRQCHIP_PIC_MASTER, gsi);
        } else if (gsi < 16) {
            kvm_route_add_pin(k, gsi, KVM_IRQCHIP_PIC_SLAVE, gsi - 8);
        }
        kvm_route_add_pin(k, gsi, KVM_IRQCHIP_IOAPIC, gsi ? gsi : 2);
    }
    r = kvm_routes_commit(k);
    if (r < 0) {
        error_setf_errno(errp, r, "KVM: setting up interrupt routes failed");
        return false;
    }
    return true;
}

bool kvm_irqchip_create(Accel *acc, KernelIrqchip mode, GError **errp)
{
    KvmAccel *k = KVM_ACCEL(acc);
    struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
    int r;

    if (mode == KERNEL_IRQCHIP_AUTO) {
        mode = k->opt_irqchip;
    }
    if (mode == KERNEL_IRQCHIP_OFF || mode == KERNEL_IRQCHIP_SPLIT) {
        error_setf(errp, "KVM: kernel-irqchip=%s is not supported, only on",
                   mode == KERNEL_IRQCHIP_OFF ? "off" : "split");
        return false;
    }
    r = kvm_ioctl_num(k->vm_fd, KVM_CREATE_IRQCHIP, 0);
    if (r < 0) {
        error_setf_errno(errp, r, "KVM: creating interrupt controllers failed");
        return false;
    }
    r = kvm_ioctl(k->vm_fd, KVM_CREATE_PIT2, &pit);
    if (r < 0) {
        error_setf_errno(errp, r, "KVM: creating the interval timer failed");
        return false;
    }
    k->pit_created = true;
    if (!kvm_routes_init(k, errp)) {
        return false;
    }
    acc->kernel_irqchip = true;
    acc->kernel_apic = true;
    return true;
}

void kvm_irq_fini(KvmAccel *k)
{
    g_clear_pointer(&k->routes, g_free);
    g_clear_pointer(&k->virqs, bitmap_free);
}

static bool kvm_get_chip(Accel *acc, struct kvm_irqchip *chip, GError **errp)
{
    int r = kvm_ioctl(KVM_ACCEL(acc)->vm_fd, KVM_GET_IRQCHIP, chip);

    if (r < 0) {
        error_setf_errno(errp, r, "KVM: reading interrupt controller %u failed",
                         chip->chip_id);
    }
    return r >= 0;
}

static bool kvm_set_chip(Accel *acc, const struct kvm_irqchip *chip,
                         GError **errp)
{
    int r = kvm_ioctl(KVM_ACCEL(acc)->vm_fd, KVM_SET_IRQCHIP, chip);

    if (r < 0) {
        error_setf_errno(errp, r, "KVM: setting interrupt controller %u failed",
                         chip->chip_id);
    }
    return r >= 0;
}

static bool kvm_get_pic(Accel *acc, unsigned n, PicState *ret, GError **errp)
{
    struct kvm_irqchip chip = { .chip_id = n ? KVM_IRQCHIP_PIC_SLAVE
                                             : KVM_IRQCHIP_PIC_MASTER };
    const struct kvm_pic_state *p = &chip.chip.pic;

    if (!kvm_get_chip(acc, &chip, errp)) {
        return false;
    }
    *ret = (PicState){
        .last_irr = p->last_irr,
        .irr = p->irr,
        .imr = p->imr,
        .isr = p->isr,
        .priority_add = p->priority_add,
        .irq_base = p->irq_base,
        .read_reg_select = p->read_reg_select,
        .poll = p->poll,
        .special_mask = p->special_mask,
        .init_state = p->init_state,
        .auto_eoi = p->auto_eoi,
        .rotate_on_auto_eoi = p->rotate_on_auto_eoi,
        .special_fully_nested_mode = p->special_fully_nested_mode,
        .init4 = p->init4,
        .elcr = p->elcr,
        .elcr_mask = p->elcr_mask,
    };
    return true;
}

static bool kvm_put_pic(Accel *acc, unsigned n, const PicState *s,
                        GError **errp)
{
    struct kvm_irqchip chip = {
        .chip_id = n ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER,
        .chip.pic = {
            .last_irr = s->last_irr,
            .irr = s->irr,
            .imr = s->imr,
            .isr = s->isr,
            .priority_add = s->priority_add & 7,
            .irq_base = s->irq_base,
            .read_reg_select = s->read_reg_select,
            .poll = s->poll,
            .special_mask = s->special_mask,
            .init_state = s->init_state & 3,
            .auto_eoi = s->auto_eoi,
            .rotate_on_auto_eoi = s->rotate_on_auto_eoi,
            .special_fully_nested_mode = s->special_fully_nested_mode,
            .init4 = s->init4,
            .elcr = s->elcr,
            .elcr_mask = s->elcr_mask,
        },
    };

    return kvm_set_chip(acc, &chip, errp);
}

static bool kvm_get_ioapic(Accel *acc, IoapicState *ret, GError **errp)
{
    struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
    const struct kvm_ioapic_state *p = &chip.chip.ioapic;

    if (!kvm_get_chip(acc, &chip, errp)) {
        return false;
    }
    ret->base_address = p->base_address;
    ret->id = p->id;
    ret->ioregsel = p->ioregsel;
    ret->irr = p->irr;
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        ret->redir[i] = p->redirtbl[i].bits;
    }
    return true;
}

static bool kvm_put_ioapic(Accel *acc, const IoapicState *s, GError **errp)
{
    struct kvm_irqchip chip = {
        .chip_id = KVM_IRQCHIP_IOAPIC,
        .chip.ioapic = {
            .base_address = s->base_address,
            .id = s->id & 0xf,
            .ioregsel = s->ioregsel,
            .irr = s->irr,
        },
    };

    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        chip.chip.ioapic.redirtbl[i].bits = s->redir[i];
    }
    return kvm_set_chip(acc, &chip, errp);
}

/* The kernel counts from the host's monotonic clock, we from the VM's. */
static int64_t kvm_pit_clock_offset(const Accel *acc)
{
    Clocks *c = acc->vm->clocks;

    return c ? clock_get_ns(c, CLOCK_TYPE_REALTIME) -
                   clock_get_ns(c, CLOCK_TYPE_VIRTUAL)
             : 0;
}

static bool kvm_get_pit(Accel *acc, PitState *ret, GError **errp)
{
    struct kvm_pit_state2 s = { 0 };
    int64_t offset = kvm_pit_clock_offset(acc);
    int r = kvm_ioctl(KVM_ACCEL(acc)->vm_fd, KVM_GET_PIT2, &s);

    if (r < 0) {
        error_setf_errno(errp, r, "KVM: reading the interval timer failed");
        return false;
    }
    for (unsigned i = 0; i < 3; i++) {
        const struct kvm_pit_channel_state *p = &s.channels[i];

        ret->ch[i] = (PitChannelState){
            .count = p->count,
            .latched_count = p->latched_count,
            .count_latched = p->count_latched,
            .status_latched = p->status_latched,
            .status = p->status,
            .read_state = p->read_state,
            .write_state = p->write_state,
            .write_latch = p->write_latch,
            .rw_mode = p->rw_mode,
            .mode = p->mode,
            .bcd = p->bcd,
            .gate = p->gate,
            .count_load_ns = p->count_load_time - offset,
        };
    }
    ret->hpet_legacy = s.flags & KVM_PIT_FLAGS_HPET_LEGACY;
    ret->speaker_data_on = s.flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
    return true;
}

static bool kvm_pit_reinject(Accel *acc, bool on, GError **errp)
{
    struct kvm_reinject_control c = { .pit_reinject = on };
    int r = kvm_ioctl(KVM_ACCEL(acc)->vm_fd, KVM_REINJECT_CONTROL, &c);

    if (r < 0) {
        error_setf_errno(errp, r,
                         "KVM: changing the interval timer's lost "
                         "ticks failed");
    }
    return r >= 0;
}

static bool kvm_put_pit(Accel *acc, const PitState *s, GError **errp)
{
    struct kvm_pit_state2 out = {
        .flags = s->hpet_legacy ? KVM_PIT_FLAGS_HPET_LEGACY : 0,
    };
    int64_t offset = kvm_pit_clock_offset(acc);
    int r;

    out.flags |= s->speaker_data_on ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0;
    for (unsigned i = 0; i < 3; i++) {
        const PitChannelState *p = &s->ch[i];

        out.channels[i] = (struct kvm_pit_channel_state){
            .count = p->count,
            .latched_count = p->latched_count,
            .count_latched = p->count_latched,
            .status_latched = p->status_latched,
            .status = p->status,
            .read_state = p->read_state,
            .write_state = p->write_state,
            .write_latch = p->write_latch,
            .rw_mode = p->rw_mode,
            .mode = p->mode,
            .bcd = p->bcd,
            .gate = p->gate,
            .count_load_time = p->count_load_ns + offset,
        };
    }
    r = kvm_ioctl(KVM_ACCEL(acc)->vm_fd, KVM_SET_PIT2, &out);
    if (r < 0) {
        error_setf_errno(errp, r, "KVM: setting the interval timer failed");
    }
    return r >= 0;
}

typedef struct KvmLapicRead {
    LapicRegs *regs;
    int r;
} KvmLapicRead;

/* What the kernel is yet to be told is newer than what it has. */
static void kvm_read_lapic(Vcpu *cpu, void *opaque)
{
    KvmLapicRead *l = opaque;
    KvmVcpu *v = kvm_vcpu_of(cpu);

    if (v->lapic_pending && cpu->state_loaded) {
        *l->regs = v->lapic;
        l->r = 0;
    } else {
        l->r = kvm_ioctl(v->fd, KVM_GET_LAPIC, l->regs);
    }
}

/*
 * The rehearsal of a migration reads it while the guest runs.  Another
 * thread's call waits for the vCPU to leave the guest, which it does for a
 * kick only; with vm_lock held by that thread it might never.
 */
static bool kvm_get_lapic(Vcpu *cpu, LapicRegs *ret, GError **errp)
{
    KvmLapicRead l = { .regs = ret };

    vcpu_run_on(cpu, kvm_read_lapic, &l);
    if (l.r < 0) {
        error_setf_errno(errp, l.r,
                         "KVM: reading the local APIC of CPU %u "
                         "failed",
                         cpu->index);
    }
    return l.r >= 0;
}

static bool kvm_put_lapic(Vcpu *cpu, const LapicRegs *s, GError **errp)
{
    KvmVcpu *v = kvm_vcpu_of(cpu);
    int r = 0;

    /*
     * What the page means depends on IA32_APIC_BASE, which may still be on
     * its way to the kernel: if so, the page goes with it, after it.
     */
    v->lapic = *s;
    v->lapic_pending = true;
    if (!cpu->state_loaded) {
        r = kvm_ioctl(v->fd, KVM_SET_LAPIC, s);
    }
    if (r < 0) {
        error_setf_errno(errp, r,
                         "KVM: setting the local APIC of CPU %u "
                         "failed",
                         cpu->index);
    }
    return r >= 0;
}

static void kvm_set_gsi(Accel *acc, unsigned gsi, bool level)
{
    struct kvm_irq_level l = { .irq = gsi, .level = level };
    int r = kvm_ioctl(KVM_ACCEL(acc)->vm_fd, KVM_IRQ_LINE, &l);

    if (r < 0) {
        log_warn_once("KVM: setting interrupt line %u failed: %s", gsi,
                      g_strerror(-r));
    }
}

static bool kvm_send_msi(Accel *acc, const MsiMessage *msg)
{
    struct kvm_msi m = {
        .address_lo = msg->address,
        .address_hi = msg->address >> 32,
        .data = msg->data,
    };

    return kvm_ioctl(KVM_ACCEL(acc)->vm_fd, KVM_SIGNAL_MSI, &m) > 0;
}

static void kvm_route_set_msi(struct kvm_irq_routing_entry *e,
                              const MsiMessage *msg)
{
    e->u.msi.address_lo = msg->address;
    e->u.msi.address_hi = msg->address >> 32;
    e->u.msi.data = msg->data;
}

static struct kvm_irq_routing_entry *kvm_route_find_msi(KvmAccel *k, int virq)
{
    for (unsigned i = 0; k->routes && i < k->routes->nr; i++) {
        struct kvm_irq_routing_entry *e = &k->routes->entries[i];

        if (e->type == KVM_IRQ_ROUTING_MSI && (int)e->gsi == virq) {
            return e;
        }
    }
    return NULL;
}

static void kvm_route_drop_msi(KvmAccel *k, int virq)
{
    struct kvm_irq_routing_entry *e = kvm_route_find_msi(k, virq);

    if (e) {
        *e = k->routes->entries[--k->routes->nr];
        bitmap_clear_bit(k->virqs, virq);
    }
}

static int kvm_add_msi_route(Accel *acc, const MsiMessage *msg)
{
    KvmAccel *k = KVM_ACCEL(acc);
    uint64_t virq;
    int r;

    if (!k->routes) {
        return -ENODEV;
    }
    virq = bitmap_find_next_zero(k->virqs, k->nvirqs, KVM_FIRST_VIRQ);
    if (virq >= k->nvirqs) {
        return -ENOSPC;
    }
    kvm_route_set_msi(kvm_route_add(k, virq, KVM_IRQ_ROUTING_MSI), msg);
    bitmap_set_bit(k->virqs, virq);
    r = kvm_routes_commit(k);
    if (r < 0) {
        kvm_route_drop_msi(k, virq);
        return r;
    }
    return virq;
}

static int kvm_update_msi_route(Accel *acc, int virq, const MsiMessage *msg)
{
    KvmAccel *k = KVM_ACCEL(acc);
    struct kvm_irq_routing_entry *e = kvm_route_find_msi(k, virq);
    struct kvm_irq_routing_msi old;

    if (!e) {
        return -ENOENT;
    }
    old = e->u.msi;
    kvm_route_set_msi(e, msg);
    if (old.address_lo == e->u.msi.address_lo &&
        old.address_hi == e->u.msi.address_hi && old.data == e->u.msi.data) {
        return 0;
    }
    return kvm_routes_commit(k);
}

static void kvm_release_virq(Accel *acc, int virq)
{
    KvmAccel *k = KVM_ACCEL(acc);

    kvm_route_drop_msi(k, virq);
    if (k->routes) {
        kvm_routes_commit(k);
    }
}

static int kvm_add_irqfd(Accel *acc, int fd, int resample_fd, int virq)
{
    KvmAccel *k = KVM_ACCEL(acc);
    struct kvm_irqfd i = { .fd = fd, .gsi = virq };

    if (resample_fd >= 0) {
        if (!k->has_resample) {
            return -ENOSYS;
        }
        i.flags = KVM_IRQFD_FLAG_RESAMPLE;
        i.resamplefd = resample_fd;
    }
    return kvm_ioctl(k->vm_fd, KVM_IRQFD, &i);
}

static int kvm_del_irqfd(Accel *acc, int fd, int virq)
{
    struct kvm_irqfd i = {
        .fd = fd,
        .gsi = virq,
        .flags = KVM_IRQFD_FLAG_DEASSIGN,
    };

    return kvm_ioctl(KVM_ACCEL(acc)->vm_fd, KVM_IRQFD, &i);
}

const IrqchipOps kvm_irqchip_ops = {
    .get_pic = kvm_get_pic,
    .put_pic = kvm_put_pic,
    .get_ioapic = kvm_get_ioapic,
    .put_ioapic = kvm_put_ioapic,
    .get_pit = kvm_get_pit,
    .put_pit = kvm_put_pit,
    .pit_reinject = kvm_pit_reinject,
    .get_lapic = kvm_get_lapic,
    .put_lapic = kvm_put_lapic,
    .set_gsi = kvm_set_gsi,
    .send_msi = kvm_send_msi,
    .add_msi_route = kvm_add_msi_route,
    .update_msi_route = kvm_update_msi_route,
    .routes_begin = kvm_batch_begin,
    .routes_commit = kvm_batch_commit,
    .release_virq = kvm_release_virq,
    .add_irqfd = kvm_add_irqfd,
    .del_irqfd = kvm_del_irqfd,
    .get_clock = kvm_get_clock,
    .set_clock = kvm_set_clock,
};
