/*
 * Local APIC: state, stream, and what its two forms share.
 *
 * Registers: Intel SDM volume 3, chapter 11.
 * Stream: "apic" version 3, with "apic_sipi" for a vCPU that waits for its
 * start-up; ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/apic-priv.h"

#include "hw/core/machine.h"
#include "hw/misc/kvmvapic.h"
#include "target/i386/cpu.h"
#include "util/error.h"
#include "util/log.h"

static bool apic_sipi_needed(void *opaque)
{
    return ((Apic *)opaque)->wait_for_sipi != 0;
}

static const Vmstate vmstate_apic_sipi = {
    .name = "apic_sipi",
    .version = 1,
    .oldest = 1,
    .needed = apic_sipi_needed,
    .fields =
        (const VmstateField[]){ VMSTATE_I32(Apic, sipi_vector),
                                VMSTATE_I32(Apic, wait_for_sipi), VMSTATE_END },
};

static const VmstateField apic_fields[] = {
    VMSTATE_U32(Apic, apicbase),
    VMSTATE_U8(Apic, id),
    VMSTATE_U8(Apic, arb_id),
    VMSTATE_U8(Apic, tpr),
    VMSTATE_U32(Apic, spurious_vec),
    VMSTATE_U8(Apic, log_dest),
    VMSTATE_U8(Apic, dest_mode),
    VMSTATE_U32_ARRAY(Apic, isr, 8),
    VMSTATE_U32_ARRAY(Apic, tmr, 8),
    VMSTATE_U32_ARRAY(Apic, irr, 8),
    VMSTATE_U32_ARRAY(Apic, lvt, APIC_NLVT),
    VMSTATE_U32(Apic, esr),
    VMSTATE_U32_ARRAY(Apic, icr, 2),
    VMSTATE_U32(Apic, divide_conf),
    VMSTATE_I32(Apic, count_shift),
    VMSTATE_U32(Apic, initial_count),
    VMSTATE_I64(Apic, initial_count_load_time),
    VMSTATE_I64(Apic, next_time),
    VMSTATE_I64(Apic, timer_expiry),
    VMSTATE_END,
};

static const Vmstate *const apic_subsections[] = { &vmstate_apic_sipi, NULL };

static bool apic_pre_load(void *opaque, GError **errp)
{
    Apic *s = opaque;

    s->sipi_vector = 0;
    s->wait_for_sipi = 0;
    return true;
}

static bool apic_pre_save(void *opaque, GError **errp)
{
    Apic *s = opaque;

    if (!vcpu_sync_state(s->cpu, errp)) {
        return false;
    }
    s->apicbase = s->cpu->x86->apic_base;
    return true;
}

bool apic_post_load_common(Apic *s, GError **errp)
{
    X86Cpu *x86 = s->cpu->x86;
    uint64_t base = s->apicbase | (x86->apic_base >> 32 << 32);

    /* s->id may be any: outside x2APIC mode the guest can write it. */
    if (s->count_shift < 0 || s->count_shift > 7) {
        error_setf(errp, "count_shift %d: 0 to 7", s->count_shift);
        return false;
    }
    if (x86->apic_base != base) {
        x86->apic_base = base;
        vcpu_mark_state(s->cpu, VCPU_PUT_FULL);
    }
    return true;
}

static bool apic_post_load(void *opaque, int version, GError **errp)
{
    if (!apic_post_load_common(opaque, errp)) {
        return false;
    }
    apic_user_loaded(opaque);
    return true;
}

const Vmstate apic_vmstate = {
    .name = "apic",
    .version = 3,
    .oldest = 3,
    .pre_load = apic_pre_load,
    .pre_save = apic_pre_save,
    .post_load = apic_post_load,
    .fields = apic_fields,
    .subsections = apic_subsections,
};

static bool kvm_apic_pre_save(void *opaque, GError **errp);
static bool kvm_apic_post_load(void *opaque, int version, GError **errp);

const Vmstate kvm_apic_vmstate = {
    .name = "apic",
    .version = 3,
    .oldest = 3,
    .pre_load = apic_pre_load,
    .pre_save = kvm_apic_pre_save,
    .post_load = kvm_apic_post_load,
    .fields = apic_fields,
    .subsections = apic_subsections,
};

/* Registers in the page that the accelerator takes, SDM table 11-1. */
enum {
    REG_ID = 0x020,
    REG_VERSION = 0x030,
    REG_TPR = 0x080,
    REG_LDR = 0x0d0,
    REG_DFR = 0x0e0,
    REG_SVR = 0x0f0,
    REG_ISR = 0x100,
    REG_TMR = 0x180,
    REG_IRR = 0x200,
    REG_ESR = 0x280,
    REG_ICR = 0x300,
    REG_LVT = 0x320,
    REG_INITIAL = 0x380,
    REG_CURRENT = 0x390,
    REG_DIVIDE = 0x3e0,
};

static uint32_t reg_get(const LapicRegs *r, unsigned off)
{
    uint32_t v;

    memcpy(&v, r->regs + off, sizeof(v));
    return v;
}

static void reg_set(LapicRegs *r, unsigned off, uint32_t v)
{
    memcpy(r->regs + off, &v, sizeof(v));
}

static void kvm_apic_from_regs(Apic *s, const LapicRegs *r)
{
    int64_t now = clock_get_ns(s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
    uint32_t left = reg_get(r, REG_CURRENT);

    s->id = apic_is_x2apic(s) ? s->cpu->apic_id : reg_get(r, REG_ID) >> 24;
    s->tpr = reg_get(r, REG_TPR);
    s->spurious_vec = reg_get(r, REG_SVR);
    s->log_dest = reg_get(r, REG_LDR) >> 24;
    s->dest_mode = reg_get(r, REG_DFR) >> 28;
    for (unsigned i = 0; i < 8; i++) {
        s->isr[i] = reg_get(r, REG_ISR + i * 0x10);
        s->tmr[i] = reg_get(r, REG_TMR + i * 0x10);
        s->irr[i] = reg_get(r, REG_IRR + i * 0x10);
    }
    s->esr = reg_get(r, REG_ESR);
    s->icr[0] = reg_get(r, REG_ICR);
    s->icr[1] = reg_get(r, REG_ICR + 0x10);
    for (unsigned i = 0; i < APIC_NLVT; i++) {
        s->lvt[i] = reg_get(r, REG_LVT + i * 0x10);
    }
    s->divide_conf = reg_get(r, REG_DIVIDE);
    apic_update_shift(s);
    s->initial_count = reg_get(r, REG_INITIAL);
    s->initial_count_load_time = 0;
    s->next_time = 0;
    s->timer_expiry = -1;
    if (s->initial_count > 0) {
        uint64_t gone = s->initial_count - MIN(left, s->initial_count);

        s->initial_count_load_time = now - (int64_t)(gone << s->count_shift);
        s->timer_expiry = apic_next_expiry(s, now);
        s->next_time = MAX(s->timer_expiry, 0);
    }
}

static void kvm_apic_to_regs(const Apic *s, LapicRegs *r)
{
    int64_t now = clock_get_ns(s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
    bool x2apic = apic_is_x2apic(s);
    uint32_t ldr = x2apic ? apic_x2apic_ldr(s) : (uint32_t)s->log_dest << 24;
    uint8_t id = x2apic ? s->cpu->apic_id : s->id;

    memset(r, 0, sizeof(*r));
    reg_set(r, REG_ID, (uint32_t)id << 24);
    reg_set(r, REG_VERSION, APIC_VERSION);
    reg_set(r, REG_TPR, s->tpr);
    reg_set(r, REG_LDR, ldr);
    reg_set(r, REG_DFR, (uint32_t)s->dest_mode << 28 | 0x0fffffff);
    reg_set(r, REG_SVR, s->spurious_vec);
    for (unsigned i = 0; i < 8; i++) {
        reg_set(r, REG_ISR + i * 0x10, s->isr[i]);
        reg_set(r, REG_TMR + i * 0x10, s->tmr[i]);
        reg_set(r, REG_IRR + i * 0x10, s->irr[i]);
    }
    reg_set(r, REG_ESR, s->esr);
    reg_set(r, REG_ICR, s->icr[0]);
    reg_set(r, REG_ICR + 0x10, s->icr[1]);
    for (unsigned i = 0; i < APIC_NLVT; i++) {
        reg_set(r, REG_LVT + i * 0x10, s->lvt[i]);
    }
    reg_set(r, REG_DIVIDE, s->divide_conf);
    reg_set(r, REG_INITIAL, s->initial_count);
    reg_set(r, REG_CURRENT, apic_current_count(s, now));
}

static bool kvm_apic_get(Apic *s, GError **errp)
{
    LapicRegs r;

    if (!s->dev.vm->accel->type->irqchip->get_lapic(s->cpu, &r, errp)) {
        return false;
    }
    kvm_apic_from_regs(s, &r);
    return true;
}

static bool kvm_apic_put(const Apic *s, GError **errp)
{
    LapicRegs r;

    kvm_apic_to_regs(s, &r);
    return s->dev.vm->accel->type->irqchip->put_lapic(s->cpu, &r, errp);
}

static bool kvm_apic_pre_save(void *opaque, GError **errp)
{
    return apic_pre_save(opaque, errp) && kvm_apic_get(opaque, errp);
}

/* Whether a vCPU waits for its start-up is the kernel's MP state. */
static bool kvm_apic_post_load(void *opaque, int version, GError **errp)
{
    Apic *s = opaque;

    s->wait_for_sipi = 0;
    return apic_post_load_common(s, errp) && kvm_apic_put(s, errp);
}

static bool apic_is_kvm(const Apic *s)
{
    return s->dev.type == &kvm_apic_type;
}

static void apic_reset(Device *dev)
{
    Apic *s = DEVICE_CAST(Apic, dev);
    GError *err = NULL;

    apic_reset_registers(s);
    apic_await_sipi(s);
    s->id = s->cpu->apic_id;
    s->apicbase = s->cpu->x86->apic_base;
    if (!apic_is_kvm(s)) {
        return;
    }
    s->wait_for_sipi = 0;
    if (!kvm_apic_put(s, &err)) {
        log_take_error(err);
    }
}

/* The register page of all, and the messages from devices. */
static const IoOps apic_io = {
    .read = apic_mmio_read,
    .write = apic_mmio_write,
};

static bool apic_realize(Device *dev, GError **errp)
{
    Apic *s = DEVICE_CAST(Apic, dev);
    Accel *acc = dev->vm->accel;

    if (s->cpu == NULL) {
        error_setf(errp, "it needs a vCPU");
        return false;
    }
    if (apic_is_kvm(s) &&
        (acc == NULL || !acc->kernel_apic || acc->type->irqchip == NULL)) {
        error_setf(errp, "the accelerator has no local APICs");
        return false;
    }
    if (apic_is_kvm(s) && s->version != APIC_VERSION) {
        error_setf(errp, "version %u: KVM's local APICs have version %u",
                   s->version, APIC_VERSION);
        return false;
    }
    s->id = s->cpu->apic_id;
    if (s->cpu->index == 0) {
        Memory *mem = &dev->vm->mem;

        memory_region_init_io(&s->mmio, mem, "apic-msi", APIC_SIZE, &apic_io,
                              dev);
        memory_region_add(&mem->root, APIC_ADDR, &s->mmio, 4096);
        device_own_region(dev, &s->mmio);
    }
    if (!apic_is_kvm(s)) {
        apic_user_realize(s);
    }
    return true;
}

static void apic_unrealize(Device *dev)
{
    timer_del(&DEVICE_CAST(Apic, dev)->timer);
}

static JsonValue *apic_get_id(Object *obj, const Property *p, GError **errp)
{
    const Apic *s = DEVICE_CAST(Apic, OBJECT_CAST(Device, obj));

    return json_uint_new(s->cpu != NULL ? s->cpu->apic_id : s->id);
}

static const Property apic_props[] = {
    PROP(PROP_BOOL, Apic, vapic, "vapic", .def = true),
    PROP(PROP_U8, Apic, version, "version", .def = APIC_VERSION),
    { .name = "id",
      .kind = PROP_CUSTOM,
      .type_name = "uint32",
      .read_only = true,
      .get = apic_get_id },
    PROP_END,
};

const DeviceType apic_type = {
    .name = "apic",
    .parent = "apic-common",
    .props = apic_props,
    .size = sizeof(Apic),
    .bus = BUS_NONE,
    .realize = apic_realize,
    .unrealize = apic_unrealize,
    .reset = apic_reset,
    .vmstate = &apic_vmstate,
};

const DeviceType kvm_apic_type = {
    .name = "kvm-apic",
    .parent = "apic-common",
    .props = apic_props,
    .size = sizeof(Apic),
    .bus = BUS_NONE,
    .realize = apic_realize,
    .unrealize = apic_unrealize,
    .reset = apic_reset,
    .vmstate = &kvm_apic_vmstate,
};

Device *apic_of(const Vcpu *cpu)
{
    /* The tree is not const, the look-up changes nothing. */
    Object *obj = object_child((Object *)(uintptr_t)&cpu->obj, "lapic");

    return device_from_object(obj);
}

Device *apic_create(Vcpu *cpu, bool kernel, GError **errp)
{
    Device *dev;

    dev = device_new(cpu->vm, kernel ? &kvm_apic_type : &apic_type);
    DEVICE_CAST(Apic, dev)->cpu = cpu;
    if (cpu->index == 0 && DEVICE_CAST(Apic, dev)->vapic &&
        !kvmvapic_create(cpu->vm, errp)) {
        object_unref(&dev->obj);
        return NULL;
    }
    object_add_child(&cpu->obj, "lapic", &dev->obj);
    return device_realize(dev, NULL, errp) ? dev : NULL;
}

void msi_send(Vm *vm, uint64_t addr, uint32_t data)
{
    Accel *acc = vm->accel;
    MsiMessage msg = { .address = addr, .data = data };

    if (acc != NULL && acc->kernel_apic && acc->type->irqchip != NULL) {
        acc->type->irqchip->send_msi(acc, &msg);
    } else {
        apic_deliver_msi(vm, addr, data);
    }
}

void apic_print(Device *apic, GString *out)
{
    Apic *s = DEVICE_CAST(Apic, apic);

    if (apic_is_kvm(s)) {
        kvm_apic_get(s, NULL);
    }
    apic_print_registers(s, out);
}
