/*
 * 82093AA I/O APIC, with the EOI register of version 0x20.
 *
 * Behaviour: Intel 82093AA data sheet (290566-001); EOI register: Intel
 * 82801I (316972-004), section 12.5.
 * Stream: "ioapic" version 3, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/ioapic.h"

#include "accel/accel.h"
#include "hw/intc/apic.h"
#include "util/error.h"
#include "util/log.h"

enum {
    IOAPIC_SELECT = 0x00,
    IOAPIC_WINDOW = 0x10,
    IOAPIC_EOI = 0x40, /* from version 0x20 on */
    REG_ID = 0,
    REG_VERSION = 1,
    REG_ARB = 2,
    REG_REDIR = 0x10,
};

/* An entry of the redirection table: data sheet, 3.2.4. */
enum {
    REDIR_LOGICAL = 1 << 11,
    REDIR_STATUS = 1 << 12, /* read only */
    REDIR_REMOTE_IRR = 1 << 14,
    REDIR_LEVEL = 1 << 15,
    REDIR_MASKED = 1 << 16,
    REDIR_READ_ONLY = REDIR_STATUS | REDIR_REMOTE_IRR,
};

typedef struct Ioapic {
    Device dev;
    MemoryRegion mmio;
    uint64_t addr;
    uint8_t version;
    uint8_t id, ioregsel;
    uint32_t irr;                  /* level of each input */
    uint64_t nraised[IOAPIC_PINS]; /* for `info irq`; not in the stream */
    uint64_t ioredtbl[IOAPIC_PINS];
} Ioapic;

static void ioapic_deliver(Ioapic *s, unsigned n)
{
    uint64_t e = s->ioredtbl[n];
    uint64_t addr = APIC_ADDR | (e >> 56) << 12 | (e & REDIR_LOGICAL ? 4 : 0);
    uint32_t data = e & (0x7ff | REDIR_LEVEL);

    if (e & REDIR_LEVEL) {
        s->ioredtbl[n] |= REDIR_REMOTE_IRR;
        data |= 1 << 14; /* assert */
    }
    msi_send(s->dev.vm, addr, data);
}

/* The input is high, and something that held it back may have changed. */
static void ioapic_service(Ioapic *s, unsigned n)
{
    uint64_t e = s->ioredtbl[n];

    if (!(s->irr & (1u << n)) || (e & REDIR_MASKED) ||
        ((e & REDIR_LEVEL) && (e & REDIR_REMOTE_IRR))) {
        return;
    }
    ioapic_deliver(s, n);
}

static void ioapic_set_input(void *opaque, unsigned n, bool level)
{
    Ioapic *s = DEVICE_CAST(Ioapic, (Device *)opaque);
    uint32_t mask = 1u << n;
    bool rising = level && !(s->irr & mask);

    s->nraised[n] += rising;
    s->irr = level ? s->irr | mask : s->irr & ~mask;
    if (rising || (level && (s->ioredtbl[n] & REDIR_LEVEL))) {
        ioapic_service(s, n);
    }
}

void ioapic_eoi(Device *ioapic, uint8_t vector)
{
    Ioapic *s = DEVICE_CAST(Ioapic, ioapic);

    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        uint64_t e = s->ioredtbl[n];

        if ((e & 0xff) == vector && (e & REDIR_LEVEL) &&
            (e & REDIR_REMOTE_IRR)) {
            s->ioredtbl[n] = e & ~(uint64_t)REDIR_REMOTE_IRR;
            ioapic_service(s, n);
        }
    }
}

static uint32_t ioapic_read_reg(const Ioapic *s)
{
    unsigned n = (s->ioregsel - REG_REDIR) >> 1;

    switch (s->ioregsel) {
    case REG_ID:
    case REG_ARB:
        return (uint32_t)s->id << 24;
    case REG_VERSION:
        return s->version | (IOAPIC_PINS - 1) << 16;
    default:
        if (s->ioregsel < REG_REDIR || n >= IOAPIC_PINS) {
            return 0;
        }
        return s->ioregsel & 1 ? s->ioredtbl[n] >> 32 : s->ioredtbl[n];
    }
}

static void ioapic_write_redir(Ioapic *s, unsigned n, bool high, uint32_t val)
{
    uint64_t e = s->ioredtbl[n];

    if (high) {
        e = (uint32_t)e | (uint64_t)val << 32;
    } else {
        uint64_t kept = MAKE_64BIT_MASK(32, 32) | REDIR_READ_ONLY;

        e = (e & kept) | (val & ~(uint32_t)REDIR_READ_ONLY);
    }
    if (!(e & REDIR_LEVEL)) {
        e &= ~(uint64_t)REDIR_REMOTE_IRR;
    }
    s->ioredtbl[n] = e;
    /* An edge that came while the input was masked is lost. */
    if (e & REDIR_LEVEL) {
        ioapic_service(s, n);
    }
}

static void ioapic_write_reg(Ioapic *s, uint32_t val)
{
    unsigned n = (s->ioregsel - REG_REDIR) >> 1;

    if (s->ioregsel == REG_ID) {
        s->id = (val >> 24) & 0xf;
    } else if (s->ioregsel >= REG_REDIR && n < IOAPIC_PINS) {
        ioapic_write_redir(s, n, s->ioregsel & 1, val);
    }
}

static uint64_t ioapic_read(Device *dev, uint64_t off, unsigned size)
{
    const Ioapic *s = DEVICE_CAST(Ioapic, dev);

    switch (off & 0xff) {
    case IOAPIC_SELECT:
        return s->ioregsel;
    case IOAPIC_WINDOW:
        return size == 4 ? ioapic_read_reg(s) : 0;
    default:
        return 0;
    }
}

static void ioapic_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Ioapic *s = DEVICE_CAST(Ioapic, dev);

    switch (off & 0xff) {
    case IOAPIC_SELECT:
        s->ioregsel = val;
        break;
    case IOAPIC_WINDOW:
        if (size == 4) {
            ioapic_write_reg(s, val);
        }
        break;
    case IOAPIC_EOI:
        if (size == 4 && s->version >= 0x20) {
            ioapic_eoi(dev, val);
        }
        break;
    default:
        break;
    }
}

static const IoOps ioapic_io = {
    .read = ioapic_read,
    .write = ioapic_write,
};

static bool ioapic_realize(Device *dev, GError **errp)
{
    Ioapic *s = DEVICE_CAST(Ioapic, dev);
    Memory *mem = &dev->vm->mem;

    if (s->version != 0x11 && s->version != 0x20) {
        error_setf(errp, "version 0x%x: 0x11 or 0x20", s->version);
        return false;
    }
    irq_in_init(dev, ioapic_set_input, IOAPIC_PINS);
    memory_region_init_io(&s->mmio, mem, "ioapic", 0x1000, &ioapic_io, dev);
    memory_region_add(&mem->root, s->addr, &s->mmio, 0);
    device_own_region(dev, &s->mmio);
    return true;
}

static void ioapic_clear(Ioapic *s)
{
    s->id = 0;
    s->ioregsel = 0;
    s->irr = 0;
    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        s->ioredtbl[n] = REDIR_MASKED;
    }
}

static void ioapic_reset(Device *dev)
{
    ioapic_clear(DEVICE_CAST(Ioapic, dev));
}

static const VmstateField ioapic_fields[] = {
    VMSTATE_U8(Ioapic, id),
    VMSTATE_U8(Ioapic, ioregsel),
    VMSTATE_UNUSED(8),
    VMSTATE_U32(Ioapic, irr),
    VMSTATE_U64_ARRAY(Ioapic, ioredtbl, IOAPIC_PINS),
    VMSTATE_END,
};

static const Vmstate ioapic_vmstate = {
    .name = "ioapic",
    .version = 3,
    .oldest = 3,
    .fields = ioapic_fields,
};

static const Property ioapic_props[] = {
    PROP(PROP_U8, Ioapic, version, "version", .def = 0x20),
    PROP_END,
};

const DeviceType ioapic_type = {
    .name = "ioapic",
    .parent = "ioapic-common",
    .size = sizeof(Ioapic),
    .bus = BUS_SYSTEM,
    .props = ioapic_props,
    .realize = ioapic_realize,
    .reset = ioapic_reset,
    .vmstate = &ioapic_vmstate,
};

/* In the accelerator */

static bool kvm_ioapic_get(Ioapic *s, GError **errp)
{
    Accel *acc = s->dev.vm->accel;
    IoapicState st;

    if (!acc->type->irqchip->get_ioapic(acc, &st, errp)) {
        return false;
    }
    s->id = st.id;
    s->ioregsel = st.ioregsel;
    s->irr = st.irr;
    memcpy(s->ioredtbl, st.redir, sizeof(s->ioredtbl));
    return true;
}

static bool kvm_ioapic_put(Ioapic *s, GError **errp)
{
    Accel *acc = s->dev.vm->accel;
    IoapicState st = {
        .base_address = s->addr,
        .id = s->id,
        .ioregsel = s->ioregsel,
        .irr = s->irr,
    };

    memcpy(st.redir, s->ioredtbl, sizeof(st.redir));
    return acc->type->irqchip->put_ioapic(acc, &st, errp);
}

static bool kvm_ioapic_pre_save(void *opaque, GError **errp)
{
    return kvm_ioapic_get(opaque, errp);
}

static bool kvm_ioapic_post_load(void *opaque, int version, GError **errp)
{
    return kvm_ioapic_put(opaque, errp);
}

static void kvm_ioapic_reset(Device *dev)
{
    Ioapic *s = DEVICE_CAST(Ioapic, dev);
    GError *err = NULL;

    ioapic_clear(s);
    if (!kvm_ioapic_put(s, &err)) {
        log_take_error(err);
    }
}

static void kvm_ioapic_set_input(void *opaque, unsigned n, bool level)
{
    Accel *acc = ((Device *)opaque)->vm->accel;

    acc->type->irqchip->set_gsi(acc, n, level);
}

static bool kvm_ioapic_realize(Device *dev, GError **errp)
{
    const Accel *acc = dev->vm->accel;

    if (acc == NULL || !acc->kernel_irqchip || acc->type->irqchip == NULL) {
        error_setf(errp, "the accelerator has no I/O APIC");
        return false;
    }
    irq_in_init(dev, kvm_ioapic_set_input, IOAPIC_PINS);
    return true;
}

static const Vmstate kvm_ioapic_vmstate = {
    .name = "ioapic",
    .version = 3,
    .oldest = 3,
    .pre_save = kvm_ioapic_pre_save,
    .post_load = kvm_ioapic_post_load,
    .fields = ioapic_fields,
};

const DeviceType kvm_ioapic_type = {
    .name = "kvm-ioapic",
    .parent = "ioapic-common",
    .size = sizeof(Ioapic),
    .bus = BUS_SYSTEM,
    .realize = kvm_ioapic_realize,
    .reset = kvm_ioapic_reset,
    .vmstate = &kvm_ioapic_vmstate,
};

Device *ioapic_create(struct Vm *vm, bool kernel, uint64_t addr, Object *parent,
                      const char *name, GError **errp)
{
    Device *dev = device_new(vm, kernel ? &kvm_ioapic_type : &ioapic_type);

    DEVICE_CAST(Ioapic, dev)->addr = addr;
    if (parent != NULL) {
        object_add_child(parent, name, &dev->obj);
    }
    return device_realize(dev, NULL, errp) ? dev : NULL;
}

void ioapic_print(Device *ioapic, GString *out)
{
    static const char *const modes[] = { "fixed", "lowest", "SMI", "...",
                                         "NMI",   "INIT",   "...", "extINT" };
    Ioapic *s = DEVICE_CAST(Ioapic, ioapic);

    if (ioapic->type == &kvm_ioapic_type) {
        kvm_ioapic_get(s, NULL);
    }
    g_string_append_printf(out, "ioapic0: ver=0x%x id=0x%02x sel=0x%02x\n",
                           ioapic->type == &kvm_ioapic_type ? 0x11 : s->version,
                           s->id, s->ioregsel);
    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        uint64_t e = s->ioredtbl[n];

        g_string_append_printf(
            out,
            "  pin %-2u 0x%016" PRIx64 " dest=%u vec=%-3u active-%s %-5s %-6s "
            "%-6s %s\n",
            n, e, (unsigned)(e >> 56), (unsigned)(e & 0xff),
            e & (1 << 13) ? "lo" : "hi", e & REDIR_LEVEL ? "level" : "edge",
            e & REDIR_MASKED ? "masked" : "", modes[e >> 8 & 7],
            e & REDIR_LOGICAL ? "logical" : "physical");
    }
}

void ioapic_print_counts(Device *ioapic, GString *out)
{
    const Ioapic *s = DEVICE_CAST(Ioapic, ioapic);

    g_string_append_printf(out, "IRQ statistics for %s:\n", ioapic->type->name);
    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        if (s->nraised[n] > 0) {
            g_string_append_printf(out, "%2u: %" PRIu64 "\n", n, s->nraised[n]);
        }
    }
}
