/*
 * Watchdog of the Intel 6300ESB I/O controller hub.
 *
 * Registers and behaviour: Intel 6300ESB data sheet 300641-004, chapter 16
 * (WDT).  Two stages count down, one behind the other; the end of the second
 * is the watchdog's.  The end of the first would interrupt by input 10 of the
 * chip's second I/O APIC, which no machine here has.
 *
 * Stream: "i6300esb_wdt" version 10000, as 7.2's; the interrupt type's bits
 * travel as they stand in the register.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/misc/i6300esb.h"

#include "hw/pci/pci.h"
#include "system/guest-event.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    /* Configuration space */
    ESB_CONFIG = 0x60, /* 16 bits */
    CONFIG_INT_TYPE = 3 << 0,
    CONFIG_FAST = 1 << 2,      /* counts 1.03 MHz, not 1 kHz */
    CONFIG_NO_REBOOT = 1 << 5, /* the second stage's end has no effect */
    ESB_LOCK = 0x68,           /* 8 bits */
    LOCK_LOCKED = 1 << 0,      /* until reset this register stays as it is */
    LOCK_ENABLED = 1 << 1,
    LOCK_FREE_RUN = 1 << 2, /* one stage, the second, again and again */
    /* Memory */
    ESB_TIMER1 = 0x00, /* preloads, 20 bits; read as 0 */
    ESB_TIMER2 = 0x04,
    ESB_RELOAD = 0x0c, /* 16 bits */
    RELOAD_RELOAD = 1 << 8,
    RELOAD_TIMEOUT = 1 << 9, /* it caused the last reset; write 1 to clear */
    RELOAD_TIMEOUT_READS = RELOAD_TIMEOUT | 1 << 12, /* as 7.2 shows it */
    ESB_MEM_SIZE = 16,
    PRELOAD_MASK = 0xfffff,
    /* Written to ESB_RELOAD in turn they let one write of a register pass. */
    UNLOCK_FIRST = 0x80,
    UNLOCK_SECOND = 0x86,
    UNLOCKED = 2, /* both of them came */
    /* Bits of the counter, at the PCI clock, below the preload */
    SLOW_SHIFT = 15,
    FAST_SHIFT = 5,
    PCI_CLOCK_MHZ = 33,
    /* A guest's timer that fires all the time leaves nobody else the lock. */
    STAGE_MIN_NS = 100 * 1000,
};

typedef struct I6300esb {
    PciDevice pci;
    MemoryRegion mem;
    Timer timer;
    int32_t reboot_enabled, clock_scale, int_type, free_run, locked, enabled;
    uint32_t timer1_preload, timer2_preload;
    int32_t stage, unlock_state, previous_reboot_flag;
} I6300esb;

static I6300esb *esb_of(Device *dev)
{
    return container_of(dev, I6300esb, pci.dev);
}

/* Ends of stages */

static void esb_start_stage(I6300esb *s, int stage)
{
    uint64_t ticks = stage == 1 ? s->timer1_preload : s->timer2_preload;
    /* At most 2^35. */
    uint64_t clocks = ticks << (s->clock_scale ? FAST_SHIFT : SLOW_SHIFT);
    int64_t len_ns = (int64_t)(clocks * 1000 / PCI_CLOCK_MHZ);
    Clocks *c = s->pci.dev.vm->clocks;

    s->stage = stage;
    timer_mod(&s->timer,
              clock_get_ns(c, CLOCK_TYPE_VIRTUAL) + MAX(len_ns, STAGE_MIN_NS));
}

static void esb_start(I6300esb *s)
{
    esb_start_stage(s, s->free_run ? 2 : 1);
}

static void esb_set_defaults(I6300esb *s)
{
    timer_del(&s->timer);
    s->reboot_enabled = 1;
    s->clock_scale = 0;
    s->int_type = 0;
    s->free_run = 0;
    s->locked = 0;
    s->enabled = 0;
    s->timer1_preload = PRELOAD_MASK;
    s->timer2_preload = PRELOAD_MASK;
    s->stage = 1;
    s->unlock_state = 0;
}

static void esb_expired(void *opaque)
{
    I6300esb *s = opaque;

    if (s->stage == 1) {
        esb_start_stage(s, 2);
    } else if (s->reboot_enabled) {
        s->previous_reboot_flag = 1;
        /* It stands afterwards, whatever is done about the guest. */
        esb_set_defaults(s);
        guest_watchdog_expired(s->pci.dev.vm);
    } else if (s->free_run) {
        esb_start_stage(s, 2);
    }
}

/* Registers */

static uint16_t esb_config(const I6300esb *s)
{
    return s->int_type | (s->clock_scale ? CONFIG_FAST : 0) |
           (s->reboot_enabled ? 0 : CONFIG_NO_REBOOT);
}

static uint8_t esb_lock(const I6300esb *s)
{
    return (s->locked ? LOCK_LOCKED : 0) | (s->enabled ? LOCK_ENABLED : 0) |
           (s->free_run ? LOCK_FREE_RUN : 0);
}

static void esb_write_config(I6300esb *s, uint16_t val)
{
    s->int_type = val & CONFIG_INT_TYPE;
    s->clock_scale = !!(val & CONFIG_FAST);
    s->reboot_enabled = !(val & CONFIG_NO_REBOOT);
}

static void esb_write_lock(I6300esb *s, uint8_t val)
{
    bool was_enabled = s->enabled;

    if (s->locked) {
        return;
    }
    s->locked = !!(val & LOCK_LOCKED);
    s->enabled = !!(val & LOCK_ENABLED);
    s->free_run = !!(val & LOCK_FREE_RUN);
    if (s->enabled && !was_enabled) {
        esb_start(s);
    } else if (!s->enabled) {
        timer_del(&s->timer);
    }
}

static uint32_t esb_config_read(PciDevice *d, unsigned addr, unsigned len)
{
    I6300esb *s = container_of(d, I6300esb, pci);

    if (addr == ESB_CONFIG && len == 2) {
        return esb_config(s);
    }
    if (addr == ESB_LOCK && len == 1) {
        return esb_lock(s);
    }
    return pci_default_config_read(d, addr, len);
}

static void esb_config_write(PciDevice *d, unsigned addr, uint32_t val,
                             unsigned len)
{
    I6300esb *s = container_of(d, I6300esb, pci);

    if (addr == ESB_CONFIG && len == 2) {
        esb_write_config(s, val);
    } else if (addr == ESB_LOCK && len == 1) {
        esb_write_lock(s, val);
    } else {
        pci_default_config_write(d, addr, val, len);
    }
}

static void esb_write_reload(I6300esb *s, uint16_t val)
{
    if (val & RELOAD_RELOAD && s->enabled) {
        esb_start(s);
    }
    if (val & RELOAD_TIMEOUT) {
        s->previous_reboot_flag = 0;
    }
}

static void esb_write_unlocked(I6300esb *s, uint64_t off, uint32_t val)
{
    switch (off) {
    case ESB_TIMER1:
        s->timer1_preload = val & PRELOAD_MASK;
        break;
    case ESB_TIMER2:
        s->timer2_preload = val & PRELOAD_MASK;
        break;
    case ESB_RELOAD:
        esb_write_reload(s, val);
        break;
    default:
        break;
    }
}

static void esb_mem_write(Device *dev, uint64_t off, uint64_t val,
                          unsigned size)
{
    I6300esb *s = esb_of(dev);

    if (size == 1) {
        return;
    }
    if (off == ESB_RELOAD && val == UNLOCK_FIRST) {
        s->unlock_state = 1;
    } else if (off == ESB_RELOAD && val == UNLOCK_SECOND &&
               s->unlock_state == 1) {
        s->unlock_state = UNLOCKED;
    } else {
        if (s->unlock_state == UNLOCKED) {
            esb_write_unlocked(s, off, val);
        }
        s->unlock_state = 0;
    }
}

static uint64_t esb_mem_read(Device *dev, uint64_t off, unsigned size)
{
    const I6300esb *s = esb_of(dev);

    return off == ESB_RELOAD && size != 1 && s->previous_reboot_flag
               ? RELOAD_TIMEOUT_READS
               : 0;
}

static const IoOps esb_mem_ops = {
    .read = esb_mem_read,
    .write = esb_mem_write,
};

/* Life */

static bool esb_realize(Device *dev, GError **errp)
{
    I6300esb *s = esb_of(dev);

    timer_init(&s->timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL, esb_expired, s);
    s->pci.config_read = esb_config_read;
    s->pci.config_write = esb_config_write;
    memory_region_init_io(&s->mem, &dev->vm->mem, "i6300esb", ESB_MEM_SIZE,
                          &esb_mem_ops, dev);
    device_own_region(dev, &s->mem);
    pci_register_bar(&s->pci, 0, 0, &s->mem);
    return true;
}

static void esb_unrealize(Device *dev)
{
    timer_del(&esb_of(dev)->timer);
}

/* By the flag a guest learns why it was reset: it stays. */
static void esb_reset(Device *dev)
{
    esb_set_defaults(esb_of(dev));
}

/* Stream */

static bool esb_post_load(void *opaque, int version, GError **errp)
{
    I6300esb *s = opaque;

    if (s->timer1_preload > PRELOAD_MASK || s->timer2_preload > PRELOAD_MASK) {
        error_setf(errp, "i6300esb: preloads 0x%x, 0x%x: at most 0x%x",
                   s->timer1_preload, s->timer2_preload, PRELOAD_MASK);
        return false;
    }
    if (s->stage < 1 || s->stage > 2 || s->unlock_state < 0 ||
        s->unlock_state > UNLOCKED) {
        error_setf(errp, "i6300esb: stage %d of 2, %d of 2 steps to unlock it",
                   s->stage, s->unlock_state);
        return false;
    }
    s->int_type &= CONFIG_INT_TYPE;
    return true;
}

static const Vmstate esb_vmstate = {
    .name = "i6300esb_wdt",
    .version = 10000,
    .oldest = 10000,
    .post_load = esb_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(I6300esb, pci, "dev"),
            VMSTATE_I32(I6300esb, reboot_enabled),
            VMSTATE_I32(I6300esb, clock_scale),
            VMSTATE_I32(I6300esb, int_type),
            VMSTATE_I32(I6300esb, free_run),
            VMSTATE_I32(I6300esb, locked),
            VMSTATE_I32(I6300esb, enabled),
            VMSTATE_TIMER(I6300esb, timer),
            VMSTATE_U32(I6300esb, timer1_preload),
            VMSTATE_U32(I6300esb, timer2_preload),
            VMSTATE_I32(I6300esb, stage),
            VMSTATE_I32(I6300esb, unlock_state),
            VMSTATE_I32(I6300esb, previous_reboot_flag),
            VMSTATE_END,
        },
};

static const PciInfo esb_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x25ab,
    .class_id = 0x0880,
};

const DeviceType i6300esb_type = {
    .name = "i6300esb",
    .category = "Watchdog",
    .desc = "Intel 6300ESB",
    .size = sizeof(I6300esb),
    .bus = BUS_PCI,
    .user_creatable = true,
    .hotpluggable = true,
    .pci = &esb_pci,
    .realize = esb_realize,
    .unrealize = esb_unrealize,
    .reset = esb_reset,
    .vmstate = &esb_vmstate,
};
