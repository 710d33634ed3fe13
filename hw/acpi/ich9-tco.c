/*
 * TCO block of the ICH9.
 *
 * Behaviour: Intel ICH9 data sheet 316972-004, section 13.9 (TCO I/O
 * registers).  The timer runs when it has been loaded for the first time, as
 * machine types have it, not from reset on: firmware needn't stop it.
 *
 * Stream: "tco io device status" version 1 within the chip's section, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/ich9-tco.h"

#include "system/guest-event.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    TCO_RLD = 0x00,
    TCO_DIN = 0x02,
    TCO_DOUT = 0x03,
    TCO1_STS = 0x04,
    STS1_SW_SMI = 1 << 1,
    STS1_DOUT = 1 << 2,
    STS1_TIMEOUT = 1 << 3,
    TCO2_STS = 0x06,
    STS2_SECOND = 1 << 1,
    STS2_BOOT = 1 << 2,
    TCO1_CNT = 0x08,
    CNT1_HALT = 1 << 11,
    CNT1_LOCK = 1 << 12,
    CNT1_WRITABLE = 0xfeff, /* all but NMI_NOW */
    TCO2_CNT = 0x0a,
    TCO_MSG1 = 0x0c,
    TCO_MSG2 = 0x0d,
    TCO_WDCNT = 0x0e,
    SW_IRQ_GEN = 0x10,
    TCO_TMR = 0x12,
    TMR_MASK = 0x3ff,
    TMR_DEFAULT = 4,
    CNT2_DEFAULT = 0x08,
    SW_IRQ_GEN_DEFAULT = 0x03,
};
#define TCO_TICK_NS INT64_C(600000000)

static int64_t now_ns(const Ich9Tco *t)
{
    return clock_get_ns(t->dev->vm->clocks, CLOCK_TYPE_VIRTUAL);
}

/* Values below 2 are not to be used; they count as the least that is. */
static unsigned tco_ticks(const Ich9Tco *t)
{
    return MAX(t->tmr & TMR_MASK, 2);
}

static void tco_start(Ich9Tco *t, unsigned n)
{
    t->expire_ns = now_ns(t) + n * TCO_TICK_NS;
    timer_mod(&t->timer, t->expire_ns);
}

static void tco_stop(Ich9Tco *t)
{
    t->expire_ns = -1;
    timer_del(&t->timer);
}

static void timer_fired(void *opaque)
{
    Ich9Tco *t = opaque;

    tco_start(t, tco_ticks(t));
    if (t->timeouts == 0) {
        t->timeouts = 1;
        t->sts1 |= STS1_TIMEOUT;
        t->ops->smi(t->opaque);
        return;
    }
    t->timeouts = 0;
    t->sts2 |= STS2_SECOND;
    if (t->ops->reboots(t->opaque)) {
        tco_stop(t);
        t->sts2 |= STS2_BOOT;
        guest_watchdog_expired(t->dev->vm);
    }
}

/* What the counter holds: whole ticks that are left. */
static uint16_t tco_count(const Ich9Tco *t)
{
    int64_t left;

    if (t->expire_ns < 0) {
        return t->rld;
    }
    left = (t->expire_ns - now_ns(t)) / TCO_TICK_NS;
    return CLAMP(left, 0, TMR_MASK);
}

static void tco_reload(Ich9Tco *t)
{
    t->rld = tco_ticks(t);
    t->timeouts = 0;
    if (!(t->cnt1 & CNT1_HALT)) {
        tco_start(t, t->rld);
    }
}

/* A counter that was halted goes on from where it stands. */
static void halt_written(Ich9Tco *t, uint16_t old)
{
    if ((t->cnt1 & ~old) & CNT1_HALT) {
        t->rld = tco_count(t);
        tco_stop(t);
    } else if ((old & ~t->cnt1) & CNT1_HALT) {
        tco_start(t, t->rld != 0 ? t->rld : tco_ticks(t));
    }
}

/* Registers: half of a 16-bit one at a time, or one of 8 bits. */

static uint16_t *tco_register16(Ich9Tco *t, unsigned off)
{
    switch (off & ~1U) {
    case TCO_RLD:
        return &t->rld;
    case TCO1_STS:
        return &t->sts1;
    case TCO2_STS:
        return &t->sts2;
    case TCO1_CNT:
        return &t->cnt1;
    case TCO2_CNT:
        return &t->cnt2;
    case TCO_TMR:
        return &t->tmr;
    default:
        return NULL;
    }
}

static uint8_t *tco_register8(Ich9Tco *t, unsigned off)
{
    switch (off) {
    case TCO_DIN:
        return &t->din;
    case TCO_DOUT:
        return &t->dout;
    case TCO_MSG1:
        return &t->msg1;
    case TCO_MSG2:
        return &t->msg2;
    case TCO_WDCNT:
        return &t->wdcnt;
    case SW_IRQ_GEN:
        return &t->sw_irq_gen;
    default:
        return NULL;
    }
}

uint64_t ich9_tco_read(Ich9Tco *t, unsigned off, unsigned size)
{
    uint64_t val = 0;

    for (unsigned i = 0; i < size; i++) {
        unsigned at = off + i;
        const uint16_t *r16 = tco_register16(t, at);
        const uint8_t *r8 = tco_register8(t, at);
        uint16_t v = r8 != NULL ? *r8 : 0;

        if (r16 != NULL) {
            v = (r16 == &t->rld ? tco_count(t) : *r16) >> (at & 1) * 8;
        }
        val |= (uint64_t)(v & 0xff) << i * 8;
    }
    return val;
}

static void write_half(Ich9Tco *t, unsigned off, uint8_t val)
{
    uint16_t *reg = tco_register16(t, off);
    unsigned shift = (off & 1) * 8;
    uint16_t mask = 0xff << shift, bits = val << shift, old = *reg;

    switch (off & ~1U) {
    case TCO_RLD:
        tco_reload(t);
        break;
    case TCO1_STS:
    case TCO2_STS:
        *reg &= ~bits;
        break;
    case TCO1_CNT:
        *reg = ((old & ~mask) | bits | (old & CNT1_LOCK)) & CNT1_WRITABLE;
        halt_written(t, old);
        break;
    default:
        *reg = (old & ~mask) | bits;
        break;
    }
}

static void tco_write8(Ich9Tco *t, unsigned off, uint8_t val)
{
    uint8_t *reg = tco_register8(t, off);

    if (reg == NULL) {
        return;
    }
    *reg = val;
    if (off == TCO_DIN) {
        t->sts1 |= STS1_SW_SMI;
        t->ops->smi(t->opaque);
    } else if (off == TCO_DOUT) {
        t->sts1 |= STS1_DOUT;
    }
}

void ich9_tco_write(Ich9Tco *t, unsigned off, uint32_t val, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        if (tco_register16(t, off + i) != NULL) {
            write_half(t, off + i, val >> i * 8);
        } else {
            tco_write8(t, off + i, val >> i * 8);
        }
    }
}

/* Life */

void ich9_tco_init(Ich9Tco *t, Device *dev, const Ich9TcoOps *ops, void *opaque)
{
    t->dev = dev;
    t->ops = ops;
    t->opaque = opaque;
    timer_init(&t->timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL, timer_fired, t);
}

void ich9_tco_fini(Ich9Tco *t)
{
    timer_del(&t->timer);
}

void ich9_tco_reset(Ich9Tco *t)
{
    t->rld = 0;
    t->din = 0;
    t->dout = 0;
    t->sts1 = 0;
    t->sts2 = 0;
    t->cnt1 = 0;
    t->cnt2 = CNT2_DEFAULT;
    t->msg1 = 0;
    t->msg2 = 0;
    t->wdcnt = 0;
    t->tmr = TMR_DEFAULT;
    t->sw_irq_gen = SW_IRQ_GEN_DEFAULT;
    t->timeouts = 0;
    tco_stop(t);
}

/* Stream */

static bool tco_post_load(void *opaque, int version, GError **errp)
{
    const Ich9Tco *t = opaque;

    if (t->expire_ns < -1) {
        error_setf(errp, "TCO timer ends at %" PRId64 " ns: negative",
                   t->expire_ns);
        return false;
    }
    return true;
}

#define TCO_FIELD(name_, f, k)                                        \
    {                                                                 \
        .name = (name_), .kind = (k), .offset = offsetof(Ich9Tco, f), \
        .size = sizeof(((Ich9Tco *)0)->f)                             \
    }

const Vmstate ich9_tco_vmstate = {
    .name = "tco io device status",
    .version = 1,
    .oldest = 1,
    .post_load = tco_post_load,
    .fields =
        (const VmstateField[]){
            TCO_FIELD("tco.rld", rld, VMS_U16),
            TCO_FIELD("tco.din", din, VMS_U8),
            TCO_FIELD("tco.dout", dout, VMS_U8),
            TCO_FIELD("tco.sts1", sts1, VMS_U16),
            TCO_FIELD("tco.sts2", sts2, VMS_U16),
            TCO_FIELD("tco.cnt1", cnt1, VMS_U16),
            TCO_FIELD("tco.cnt2", cnt2, VMS_U16),
            TCO_FIELD("tco.msg1", msg1, VMS_U8),
            TCO_FIELD("tco.msg2", msg2, VMS_U8),
            TCO_FIELD("tco.wdcnt", wdcnt, VMS_U8),
            TCO_FIELD("tco.tmr", tmr, VMS_U16),
            TCO_FIELD("sw_irq_gen", sw_irq_gen, VMS_U8),
            TCO_FIELD("tco_timer", timer, VMS_TIMER),
            TCO_FIELD("expire_time", expire_ns, VMS_I64),
            TCO_FIELD("timeouts_no", timeouts, VMS_U8),
            VMSTATE_END,
        },
};
