/*
 * Standard Hot-Plug Controller: commands, slots, indicators, interrupts.
 *
 * Its registers are reached in memory and, a dword at a time, through the
 * capability.  Commands are carried out at once.  A guest that switches off
 * a slot and its indicator lets go of what is in there.
 *
 * (PCI Standard Hot-Plug Controller and Subsystem Specification 1.0, chapters
 * 4.8 and 3.5.)
 *
 * Stream: the working registers, as bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/shpc.h"

#include "hw/pci/msi.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    CAP_SIZE = 8,
    CAP_SELECT = 2,
    CAP_PENDING = 3, /* bits 6: in a controller, 7: an interrupt */
    CAP_DATA = 4,
    CAP_CIP = 1 << 7,

    REG_SLOTS_33 = 0x04, /* slots at 33 MHz, conventional */
    REG_CONFIG = 0x0c,
    CONFIG_FIRST_DEVICE = 1 << 8,
    CONFIG_FIRST_SLOT = 1 << 16,
    CONFIG_FLAGS =
        INT32_MIN | 0x60 << 24, /* numbers go up; MRL sensor, button */
    REG_BUS = 0x10,
    BUS_VERSION = 1 << 24, /* programming interface 1 */
    REG_COMMAND = 0x14,
    REG_TARGET = 0x15,
    REG_STATUS = 0x16,
    STATUS_INVALID = 1 << 2,
    STATUS_BAD_SPEED = 1 << 3,
    REG_INTERRUPT = 0x18, /* a bit for each slot; 0: a command */
    REG_SERR_INT = 0x20,
    INT_DISABLED = 1 << 0,
    INT_MASKS = 0x0f,
    COMMAND_DISABLED = 1 << 2,
    COMMAND_DETECTED = 1 << 0, /* in the third byte */
    REG_SLOT = 0x24,           /* the first; 4 bytes each */

    SLOT_STATE = 3 << 0,
    SLOT_POWER = 3 << 2,
    SLOT_ATTENTION = 3 << 4,
    SLOT_OPEN = 1 << 8,     /* the retention latch */
    SLOT_PRESENT = 3 << 10, /* both bits: empty */
    SLOT_EVENTS = 2,        /* byte of them; write 1 to clear */
    SLOT_MASKS = 3,
    SLOT_EVENT_BITS = 0x1f,
    SLOT_MASK_BITS = 0x7f,

    STATE_POWER_ONLY = 1,
    STATE_ENABLED = 2,
    STATE_DISABLED = 3,
    LED_ON = 1,
    LED_OFF = 3,

    CMD_SLOT_LAST = 0x3f, /* state, power and attention indicator */
    CMD_SPEED_FIRST = 0x40,
    CMD_SPEED_LAST = 0x47,
    CMD_POWER_ONLY_ALL = 0x48,
    CMD_ENABLE_ALL = 0x49,
};

static uint8_t *slot_at(Shpc *s, unsigned slot)
{
    return s->regs + REG_SLOT + 4 * (slot - 1);
}

static unsigned slot_field(Shpc *s, unsigned slot, unsigned mask)
{
    return (lduw_le_p(slot_at(s, slot)) & mask) / (mask & -mask);
}

static void slot_set(Shpc *s, unsigned slot, unsigned mask, unsigned val)
{
    uint8_t *at = slot_at(s, slot);

    stw_le_p(at, (lduw_le_p(at) & ~mask) | val * (mask & -mask));
}

/* Interrupts */

static void update_interrupt(Shpc *s, bool event)
{
    PciDevice *d = s->d;
    uint32_t pending = 0;
    uint8_t masks = s->regs[REG_SERR_INT];

    for (unsigned slot = 1; slot <= SHPC_SLOTS; slot++) {
        const uint8_t *at = slot_at(s, slot);

        if (at[SLOT_EVENTS] & ~at[SLOT_MASKS] & SLOT_EVENT_BITS) {
            pending |= UINT32_C(1) << slot;
        }
    }
    if ((s->regs[REG_SERR_INT + 2] & COMMAND_DETECTED) &&
        !(masks & COMMAND_DISABLED)) {
        pending |= 1;
    }
    stl_le_p(s->regs + REG_INTERRUPT, pending);
    d->config[s->cap + CAP_PENDING] = pending != 0 ? CAP_CIP : 0;
    if (!msi_enabled(d)) {
        pci_set_irq(d, pending != 0 && !(masks & INT_DISABLED));
    } else if (event && pending != 0 && !(masks & INT_DISABLED)) {
        pci_notify(d, 0);
    }
}

/* Commands */

static void free_slot(Shpc *s, unsigned slot)
{
    for (unsigned func = 0; func < 8; func++) {
        PciDevice *d = s->bus->devs[slot << 3 | func];

        if (d != NULL && d->dev.type->hotpluggable) {
            device_delete(&d->dev);
        }
    }
    if (s->bus->devs[slot << 3] == NULL) {
        slot_set(s, slot, SLOT_PRESENT, 3);
    }
}

/* A field of 0 leaves what is there.  An empty slot can't be enabled. */
static void slot_command(Shpc *s, unsigned slot, unsigned state, unsigned power,
                         unsigned attention)
{
    unsigned old = slot_field(s, slot, SLOT_STATE);
    bool empty = slot_field(s, slot, SLOT_PRESENT) == 3;

    if (power != 0) {
        slot_set(s, slot, SLOT_POWER, power);
    }
    if (attention != 0) {
        slot_set(s, slot, SLOT_ATTENTION, attention);
    }
    if (state != 0 && !(empty && state == STATE_ENABLED)) {
        slot_set(s, slot, SLOT_STATE, state);
    }
    if (old != STATE_DISABLED && state == STATE_DISABLED &&
        slot_field(s, slot, SLOT_POWER) == LED_OFF) {
        free_slot(s, slot);
    }
}

static void all_slots(Shpc *s, unsigned state)
{
    for (unsigned slot = 1; slot <= SHPC_SLOTS; slot++) {
        if (slot_field(s, slot, SLOT_PRESENT) != 3) {
            slot_command(s, slot, state, 0, 0);
        }
    }
}

/* Returns the status that the command ends with. */
static unsigned run_command(Shpc *s, unsigned cmd, unsigned slot)
{
    if (cmd <= CMD_SLOT_LAST) {
        if (slot < 1 || slot > SHPC_SLOTS) {
            return STATUS_INVALID;
        }
        slot_command(s, slot, cmd & 3, cmd >> 2 & 3, cmd >> 4 & 3);
        return 0;
    }
    if (cmd <= CMD_SPEED_LAST) {
        return cmd == CMD_SPEED_FIRST ? 0 : STATUS_BAD_SPEED;
    }
    if (cmd == CMD_POWER_ONLY_ALL || cmd == CMD_ENABLE_ALL) {
        all_slots(s, cmd == CMD_ENABLE_ALL ? STATE_ENABLED : STATE_POWER_ONLY);
        return 0;
    }
    return STATUS_INVALID;
}

static void command_written(Shpc *s)
{
    unsigned slot = s->regs[REG_TARGET] & 0x1f;

    s->regs[REG_STATUS] = run_command(s, s->regs[REG_COMMAND], slot);
    s->regs[REG_SERR_INT + 2] |= COMMAND_DETECTED;
}

/* Registers */

static void byte_write(Shpc *s, unsigned off, uint8_t val)
{
    unsigned part = off & 3;

    if (off == REG_COMMAND) {
        s->regs[off] = val;
    } else if (off == REG_TARGET) {
        s->regs[off] = val & 0x1f;
    } else if (off == REG_SERR_INT) {
        s->regs[off] = val & INT_MASKS;
    } else if (off == REG_SERR_INT + 2) {
        s->regs[off] &= ~val;
    } else if (off >= REG_SLOT && part == SLOT_EVENTS) {
        s->regs[off] &= ~val;
    } else if (off >= REG_SLOT && part == SLOT_MASKS) {
        s->regs[off] = val & SLOT_MASK_BITS;
    }
}

static void regs_write(Shpc *s, uint64_t off, uint64_t val, unsigned size)
{
    if (off >= SHPC_REGS || size > SHPC_REGS - off) {
        return;
    }
    for (unsigned i = 0; i < size; i++, val >>= 8) {
        byte_write(s, off + i, val);
    }
    if (off <= REG_COMMAND && off + size > REG_COMMAND) {
        command_written(s);
    }
    update_interrupt(s, true);
}

static uint64_t regs_read(const Shpc *s, uint64_t off, unsigned size)
{
    return off < SHPC_REGS && size <= SHPC_REGS - off
               ? ldn_le_p(s->regs + off, size)
               : 0;
}

static void mmio_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    /* A function would go whose data this is. */
    if (dma_access_under_way()) {
        return;
    }
    regs_write(PCI_DEVICE(dev)->shpc, off, val, size);
}

static uint64_t mmio_read(Device *dev, uint64_t off, unsigned size)
{
    return regs_read(PCI_DEVICE(dev)->shpc, off, size);
}

static const IoOps shpc_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .max_size = 4,
};

void shpc_config_written(Shpc *s, unsigned addr, uint32_t val, unsigned len)
{
    unsigned data = s->cap + CAP_DATA;
    unsigned at;

    if (s->cap == 0 || addr >= data + 4 || addr + len <= s->cap) {
        return;
    }
    at = s->d->config[s->cap + CAP_SELECT] * 4u;
    if (addr >= data) {
        regs_write(s, at + (addr - data), val, len);
    }
    stl_le_p(s->d->config + data, regs_read(s, at, 4));
}

/* Life */

static void init_constants(Shpc *s)
{
    stl_le_p(s->regs + REG_SLOTS_33, SHPC_SLOTS);
    stl_le_p(s->regs + REG_CONFIG, CONFIG_FLAGS | CONFIG_FIRST_SLOT |
                                       CONFIG_FIRST_DEVICE | SHPC_SLOTS);
    stl_le_p(s->regs + REG_BUS, BUS_VERSION);
}

void shpc_reset(Shpc *s)
{
    if (s->cap == 0) {
        return;
    }
    memset(s->regs, 0, sizeof(s->regs));
    init_constants(s);
    s->regs[REG_SERR_INT] = INT_MASKS;
    for (unsigned slot = 1; slot <= SHPC_SLOTS; slot++) {
        bool used = s->bus->devs[slot << 3] != NULL;
        uint8_t *at = slot_at(s, slot);

        stw_le_p(at, SLOT_OPEN);
        slot_set(s, slot, SLOT_STATE, used ? STATE_ENABLED : STATE_DISABLED);
        slot_set(s, slot, SLOT_POWER, used ? LED_ON : LED_OFF);
        slot_set(s, slot, SLOT_PRESENT, used ? 0 : 3);
        if (used) {
            slot_set(s, slot, SLOT_OPEN, 0);
        }
        at[SLOT_MASKS] = SLOT_MASK_BITS;
    }
    stl_le_p(s->d->config + s->cap + CAP_DATA, 0);
    s->d->config[s->cap + CAP_SELECT] = 0;
    update_interrupt(s, false);
}

bool shpc_init(Shpc *s, PciDevice *d, PciBus *bus, uint8_t off, GError **errp)
{
    s->cap = pci_add_capability(d, PCI_CAP_ID_SHPC, off, CAP_SIZE, errp);
    if (s->cap == 0) {
        return false;
    }
    s->d = d;
    s->bus = bus;
    d->shpc = s;
    d->wmask[s->cap + CAP_SELECT] = 0xff;
    /* The data follows the registers. */
    memset(d->cmask + s->cap + CAP_PENDING, 0, CAP_SIZE - CAP_PENDING);
    memory_region_init_io(&s->mmio, &d->dev.vm->mem, "shpc-mmio", SHPC_BAR_SIZE,
                          &shpc_ops, &d->dev);
    pci_register_bar(d, 0, PCI_BASE_ADDRESS_MEM_TYPE_64, &s->mmio);
    return true;
}

void shpc_fini(Shpc *s)
{
    if (s->mmio.name != NULL) {
        memory_region_fini(&s->mmio);
    }
}

/* Stream */

static bool shpc_put(StreamOut *out, const void *field, size_t size,
                     GError **errp)
{
    stream_put(out, ((const Shpc *)field)->regs, SHPC_REGS);
    return true;
}

static bool shpc_get(StreamIn *in, void *field, size_t size, GError **errp)
{
    Shpc *s = field;

    if (!stream_get(in, s->regs, SHPC_REGS)) {
        return stream_in_check(in, errp);
    }
    init_constants(s);
    s->regs[REG_TARGET] &= 0x1f;
    return true;
}

const VmstateInfo vmstate_shpc_info = { .name = "shpc",
                                        .put = shpc_put,
                                        .get = shpc_get };
