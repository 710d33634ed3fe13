/*
 * 82078 floppy disk controller without media: everything a guest asks while
 * it looks for drives; what would touch a disk ends as with an empty drive.
 *
 * Behaviour: Intel 82078 data sheet (290474-003), sections 2 and 5.
 * Stream: "fdc" version 2 with subsections, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/isa-devices.h"
#include "hw/isa/isa.h"
#include "system/clock.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    REG_SRB = 1,
    REG_DOR,
    REG_TDR,
    REG_MSR, /* DSR when written */
    REG_FIFO,
    REG_DIR = 7, /* CCR when written */
};

enum {
    SRA_INT_PENDING = 1 << 7,
    SRB_FIXED = 0xc0,
    SRB_DRIVE0 = 1 << 5,
    DOR_DRIVE = 3,
    DOR_NOT_RESET = 1 << 2,
    DOR_DMA_GATE = 1 << 3, /* and interrupts */
    DSR_RESET = 1 << 7,
    MSR_BUSY = 1 << 4,
    MSR_TO_HOST = 1 << 6,
    MSR_READY = 1 << 7,
    DIR_CHANGED = 1 << 7,
};

enum {
    ST0_SEEK_END = 1 << 5,
    ST0_ABNORMAL = 1 << 6,
    ST0_INVALID = 1 << 7,
    ST0_READY_CHANGED = 0xc0, /* after a reset */
    ST1_NO_ADDRESS = 1 << 0,
    ST3_TWO_SIDED = 1 << 3,
    ST3_TRACK0 = 1 << 4,
    ST3_READY = 1 << 5,
    ST3_PROTECTED = 1 << 6,
};

#define FDC_FIFO      512
#define FDC_DRIVES    2
#define READ_ID_NS    (20 * NS_PER_MS) /* an index pulse that doesn't come */
#define VERSION_82077 0x90
#define PART_ID       0x41

typedef struct FdcDrive {
    uint8_t head, track, sect;
    uint8_t media_rate;
} FdcDrive;

typedef struct FdcState {
    uint8_t sra, srb, dor_vmstate, tdr, dsr, msr;
    uint8_t status0, status1, status2;
    uint8_t fifo[FDC_FIFO];
    uint32_t data_pos, data_len; /* in fifo: of a command or a result */
    uint8_t data_state, data_dir;
    uint8_t eot, timer0, timer1, precomp_trk, config, lock, pwrd;
    uint8_t num_floppies;
    FdcDrive drives[FDC_DRIVES];
    int32_t reset_sensei; /* drives that a reset has to report; 4..0 */
    Timer result_timer;   /* end of READ ID */
} FdcState;

typedef struct Fdc {
    Device dev;
    IoRange io[2];
    IrqLine irq;
    FdcState state;
    uint32_t iobase, isairq, dma;
} Fdc;

static void fdc_raise(Fdc *s, uint8_t status0)
{
    s->state.status0 = status0;
    if (!(s->state.sra & SRA_INT_PENDING)) {
        s->state.sra |= SRA_INT_PENDING;
        irq_set(&s->irq, s->state.dor_vmstate & DOR_DMA_GATE);
    }
    s->state.reset_sensei = 0;
}

static void fdc_lower(Fdc *s)
{
    s->state.sra &= ~SRA_INT_PENDING;
    irq_lower(&s->irq);
}

static void fdc_command_phase(Fdc *s)
{
    s->state.data_pos = 0;
    s->state.data_len = 1;
    s->state.data_state = 0;
    s->state.data_dir = 0;
    s->state.msr = MSR_READY;
}

static void fdc_result_phase(Fdc *s, unsigned len)
{
    s->state.data_pos = 0;
    s->state.data_len = len;
    s->state.msr = MSR_READY | MSR_TO_HOST | MSR_BUSY;
}

static void fdc_result1(Fdc *s, uint8_t val)
{
    s->state.fifo[0] = val;
    fdc_result_phase(s, 1);
}

static void fdc_soft_reset(Fdc *s)
{
    FdcState *st = &s->state;

    timer_del(&st->result_timer);
    fdc_lower(s);
    if (!st->lock) {
        st->config = 0x60; /* FIFO off, threshold 1: power-on default */
        st->precomp_trk = 0;
    }
    fdc_command_phase(s);
    fdc_raise(s, ST0_READY_CHANGED);
    st->reset_sensei = 4;
}

/* The drive a command names; those beyond the last behave like it. */
static FdcDrive *fdc_drive(Fdc *s, uint8_t select)
{
    return &s->state.drives[MIN(select & 3, FDC_DRIVES - 1)];
}

/* 5.1.5: what commands on a disk end with; no address mark was found. */
static void fdc_disk_result(Fdc *s)
{
    FdcState *st = &s->state;
    uint8_t select = st->fifo[1] & 7;
    const FdcDrive *d = fdc_drive(s, select);

    fdc_raise(s, ST0_ABNORMAL | select);
    st->fifo[0] = st->status0;
    st->fifo[1] = st->status1 = ST1_NO_ADDRESS;
    st->fifo[2] = st->status2 = 0;
    st->fifo[3] = d->track;
    st->fifo[4] = d->head;
    st->fifo[5] = d->sect;
    st->fifo[6] = 2; /* 512 bytes */
    fdc_result_phase(s, 7);
}

static void fdc_read_id(Fdc *s)
{
    int64_t now = clock_get_ns(s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL);

    s->state.msr = MSR_BUSY;
    timer_mod(&s->state.result_timer, now + READ_ID_NS);
}

static void fdc_read_id_done(void *opaque)
{
    fdc_disk_result(opaque);
}

static void fdc_sense_interrupt(Fdc *s)
{
    FdcState *st = &s->state;

    if (st->reset_sensei > 0) {
        st->fifo[0] = ST0_READY_CHANGED | (4 - st->reset_sensei);
        st->reset_sensei--;
    } else if (!(st->sra & SRA_INT_PENDING)) {
        fdc_result1(s, ST0_INVALID);
        return;
    } else {
        st->fifo[0] = st->status0;
    }
    st->fifo[1] = fdc_drive(s, st->fifo[0])->track;
    fdc_result_phase(s, 2);
    fdc_lower(s);
}

static void fdc_seek(Fdc *s)
{
    FdcState *st = &s->state;
    uint8_t select = st->fifo[1] & 7;

    fdc_drive(s, select)->track = st->fifo[0] == 0x0f ? st->fifo[2] : 0;
    fdc_command_phase(s);
    fdc_raise(s, ST0_SEEK_END | select);
}

/*
 * 5.2.8: from where the head is, in (towards higher tracks) with bit 6 of the
 * code.  Without a disk's number of tracks it stops at those that there can
 * be.
 */
static void fdc_relative_seek(Fdc *s)
{
    FdcState *st = &s->state;
    uint8_t select = st->fifo[1] & 7;
    FdcDrive *d = fdc_drive(s, select);
    int track =
        st->fifo[0] & 0x40 ? d->track + st->fifo[2] : d->track - st->fifo[2];

    d->track = CLAMP(track, 0, UINT8_MAX);
    fdc_command_phase(s);
    fdc_raise(s, ST0_SEEK_END | select);
}

static void fdc_sense_drive(Fdc *s)
{
    uint8_t select = s->state.fifo[1] & 7;
    uint8_t track0 = fdc_drive(s, select)->track == 0 ? ST3_TRACK0 : 0;

    fdc_result1(s, ST3_PROTECTED | ST3_READY | ST3_TWO_SIDED | track0 | select);
}

static void fdc_dump_registers(Fdc *s)
{
    FdcState *st = &s->state;
    uint8_t dump[10] = {
        st->drives[0].track, st->drives[1].track, 0,       0,
        st->timer0,          st->timer1,          st->eot, st->lock << 7,
        st->config,          st->precomp_trk,
    };

    memcpy(st->fifo, dump, sizeof(dump));
    fdc_result_phase(s, sizeof(dump));
}

static void fdc_specify(Fdc *s)
{
    s->state.timer0 = s->state.fifo[1];
    s->state.timer1 = s->state.fifo[2];
    fdc_command_phase(s);
}

static void fdc_configure(Fdc *s)
{
    s->state.config = s->state.fifo[2];
    s->state.precomp_trk = s->state.fifo[3];
    fdc_command_phase(s);
}

static void fdc_lock(Fdc *s)
{
    s->state.lock = s->state.fifo[0] >> 7;
    fdc_result1(s, s->state.lock << 4);
}

static void fdc_version(Fdc *s)
{
    fdc_result1(s, VERSION_82077);
}

static void fdc_part_id(Fdc *s)
{
    fdc_result1(s, PART_ID);
}

static void fdc_invalid(Fdc *s)
{
    fdc_result1(s, ST0_INVALID);
}

/* Table 5-1: codes under a mask of the bits that aren't options. */
static const struct FdcCommand {
    uint8_t code, mask;
    uint8_t params;
    void (*run)(Fdc *s);
} fdc_commands[] = {
    { 0x03, 0xff, 2, fdc_specify },
    { 0x04, 0xff, 1, fdc_sense_drive },
    { 0x07, 0xff, 1, fdc_seek }, /* recalibrate */
    { 0x08, 0xff, 0, fdc_sense_interrupt },
    { 0x0e, 0xff, 0, fdc_dump_registers },
    { 0x0f, 0xff, 2, fdc_seek },
    { 0x8f, 0xbf, 2, fdc_relative_seek },
    { 0x10, 0xff, 0, fdc_version },
    { 0x12, 0xff, 1, fdc_command_phase }, /* perpendicular mode */
    { 0x13, 0xff, 3, fdc_configure },
    { 0x14, 0x7f, 0, fdc_lock },
    { 0x18, 0xff, 0, fdc_part_id },
    { 0x0a, 0xbf, 1, fdc_read_id },
    { 0x05, 0x3f, 8, fdc_disk_result }, /* write */
    { 0x06, 0x1f, 8, fdc_disk_result }, /* read */
    { 0x09, 0x3f, 8, fdc_disk_result }, /* write deleted */
    { 0x0c, 0x1f, 8, fdc_disk_result }, /* read deleted */
    { 0x02, 0x9f, 8, fdc_disk_result }, /* read a track */
    { 0x16, 0x1f, 8, fdc_disk_result }, /* verify */
    { 0x0d, 0xbf, 5, fdc_disk_result }, /* format */
    { 0x00, 0x00, 0, fdc_invalid },
};

static const struct FdcCommand *fdc_find_command(uint8_t code)
{
    const struct FdcCommand *c = fdc_commands;

    while ((code & c->mask) != c->code) {
        c++;
    }
    return c;
}

static void fdc_write_fifo(Fdc *s, uint8_t val)
{
    FdcState *st = &s->state;
    const struct FdcCommand *c;

    if (!(st->dor_vmstate & DOR_NOT_RESET) || !(st->msr & MSR_READY) ||
        (st->msr & MSR_TO_HOST)) {
        return;
    }
    if (st->data_pos == 0) {
        st->data_len = fdc_find_command(val)->params + 1;
        st->msr |= MSR_BUSY;
    }
    st->fifo[st->data_pos++] = val;
    if (st->data_pos < st->data_len) {
        return;
    }
    c = fdc_find_command(st->fifo[0]);
    c->run(s);
}

static uint8_t fdc_read_fifo(Fdc *s)
{
    FdcState *st = &s->state;
    uint8_t val;

    if (!(st->msr & MSR_READY) || !(st->msr & MSR_TO_HOST)) {
        return 0;
    }
    val = st->fifo[st->data_pos++];
    if (st->data_pos >= st->data_len) {
        fdc_command_phase(s);
        /* Results of commands on a disk take their interrupt back. */
        if (st->reset_sensei == 0) {
            fdc_lower(s);
        }
    }
    return val;
}

static void fdc_write_dor(Fdc *s, uint8_t val)
{
    FdcState *st = &s->state;
    uint8_t old = st->dor_vmstate;

    st->srb = SRB_FIXED | (val & 1 ? SRB_DRIVE0 : 0) | (val >> 4 & 3);
    st->dor_vmstate = val;
    if ((old & DOR_NOT_RESET) && !(val & DOR_NOT_RESET)) {
        timer_del(&st->result_timer);
        fdc_lower(s);
        fdc_command_phase(s);
    } else if (!(old & DOR_NOT_RESET) && (val & DOR_NOT_RESET)) {
        fdc_soft_reset(s);
    } else if (st->sra & SRA_INT_PENDING) {
        irq_set(&s->irq, val & DOR_DMA_GATE);
    }
}

static void fdc_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Fdc *s = DEVICE_CAST(Fdc, dev);

    switch (off) {
    case REG_DOR:
        fdc_write_dor(s, val);
        break;
    case REG_TDR:
        s->state.tdr = val & 3;
        break;
    case REG_MSR:
        s->state.dsr = val & ~DSR_RESET;
        if ((val & DSR_RESET) && (s->state.dor_vmstate & DOR_NOT_RESET)) {
            fdc_soft_reset(s);
        }
        break;
    case REG_FIFO:
        fdc_write_fifo(s, val);
        break;
    default: /* the data rate of no medium */
        break;
    }
}

static uint64_t fdc_read(Device *dev, uint64_t off, unsigned size)
{
    Fdc *s = DEVICE_CAST(Fdc, dev);

    switch (off) {
    case REG_SRB:
        return s->state.srb;
    case REG_DOR:
        return s->state.dor_vmstate;
    case REG_TDR:
        return s->state.tdr;
    case REG_MSR:
        return s->state.msr;
    case REG_FIFO:
        return fdc_read_fifo(s);
    case REG_DIR: /* no disk was ever put in */
        return DIR_CHANGED;
    default:
        return 0xff;
    }
}

static uint64_t fdc_read_low(Device *dev, uint64_t off, unsigned size)
{
    return fdc_read(dev, off + REG_SRB, size);
}

static void fdc_write_low(Device *dev, uint64_t off, uint64_t val,
                          unsigned size)
{
    fdc_write(dev, off + REG_SRB, val, size);
}

static uint64_t fdc_read_high(Device *dev, uint64_t off, unsigned size)
{
    return fdc_read(dev, REG_DIR, size);
}

static void fdc_write_high(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    fdc_write(dev, REG_DIR, val, size);
}

/* Port 6 between them belongs to the disk controller. */
static const IoOps fdc_low_io = { fdc_read_low, fdc_write_low, .max_size = 1 };
static const IoOps fdc_high_io = { fdc_read_high, fdc_write_high,
                                   .max_size = 1 };

static bool fdc_realize(Device *dev, GError **errp)
{
    Fdc *s = DEVICE_CAST(Fdc, dev);

    if (s->iobase > 0xfff8) {
        error_setf(errp, "iobase 0x%x: at most 0xfff8", s->iobase);
        return false;
    }
    irq_out_init(dev, &s->irq, "sysbus-irq");
    timer_init(&s->state.result_timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL,
               fdc_read_id_done, s);
    s->state.num_floppies = FDC_DRIVES;
    return isa_connect_irq(dev, &s->irq, s->isairq, errp) &&
           device_claim_io(dev, &s->io[0], &fdc_low_io, "fdc",
                           s->iobase + REG_SRB, 5, errp) &&
           device_claim_io(dev, &s->io[1], &fdc_high_io, "fdc",
                           s->iobase + REG_DIR, 1, errp);
}

static void fdc_unrealize(Device *dev)
{
    timer_del(&DEVICE_CAST(Fdc, dev)->state.result_timer);
}

static void fdc_reset(Device *dev)
{
    Fdc *s = DEVICE_CAST(Fdc, dev);
    FdcState *st = &s->state;

    st->lock = 0;
    st->tdr = st->dsr = st->pwrd = 0;
    st->status1 = st->status2 = 0;
    st->eot = st->timer0 = st->timer1 = 0;
    memset(st->fifo, 0, sizeof(st->fifo));
    memset(st->drives, 0, sizeof(st->drives));
    fdc_soft_reset(s);
    fdc_lower(s);
    st->reset_sensei = 0;
    st->sra = 1 << 6; /* no second drive */
    st->srb = SRB_FIXED;
    st->dor_vmstate = DOR_NOT_RESET | DOR_DMA_GATE;
    st->status0 = 0;
}

static bool fdc_always(void *opaque)
{
    return true;
}

static bool reset_sensei_needed(void *opaque)
{
    return ((FdcState *)opaque)->reset_sensei != 0;
}

static bool result_timer_needed(void *opaque)
{
    return timer_pending(&((FdcState *)opaque)->result_timer);
}

static const Vmstate vmstate_media_rate = {
    .name = "fdrive/media_rate",
    .version = 1,
    .oldest = 1,
    .needed = fdc_always,
    .fields =
        (const VmstateField[]){ VMSTATE_U8(FdcDrive, media_rate), VMSTATE_END },
};

static const Vmstate vmstate_drive = {
    .name = "fdrive",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_U8(FdcDrive, head),
                                      VMSTATE_U8(FdcDrive, track),
                                      VMSTATE_U8(FdcDrive, sect), VMSTATE_END },
    .subsections = (const Vmstate *const[]){ &vmstate_media_rate, NULL },
};

static const Vmstate vmstate_reset_sensei = {
    .name = "fdc/reset_sensei",
    .version = 1,
    .oldest = 1,
    .needed = reset_sensei_needed,
    .fields = (const VmstateField[]){ VMSTATE_I32(FdcState, reset_sensei),
                                      VMSTATE_END },
};

static const Vmstate vmstate_result_timer = {
    .name = "fdc/result_timer",
    .version = 1,
    .oldest = 1,
    .needed = result_timer_needed,
    .fields = (const VmstateField[]){ VMSTATE_TIMER(FdcState, result_timer),
                                      VMSTATE_END },
};

static bool fdc_pre_load(void *opaque, GError **errp)
{
    FdcState *st = opaque;

    st->reset_sensei = 0;
    timer_del(&st->result_timer);
    return true;
}

static bool fdc_post_load(void *opaque, int version, GError **errp)
{
    const FdcState *st = opaque;
    bool result = (st->msr & MSR_READY) && (st->msr & MSR_TO_HOST);

    if (st->reset_sensei < 0 || st->reset_sensei > 4) {
        error_setf(errp, "reset_sensei %d: 0 to 4", st->reset_sensei);
        return false;
    }
    /* A position beyond ten is that of a transfer: there is no disk here. */
    if (st->data_pos > 10 || st->data_len > 10 ||
        (result && st->data_pos >= st->data_len)) {
        error_setf(errp,
                   "byte %u of %u: a transfer with a disk is not "
                   "supported",
                   st->data_pos, st->data_len);
        return false;
    }
    return true;
}

static const Vmstate vmstate_state = {
    .name = "fdc",
    .version = 2,
    .oldest = 2,
    .pre_load = fdc_pre_load,
    .post_load = fdc_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(FdcState, sra),
            VMSTATE_U8(FdcState, srb),
            VMSTATE_U8(FdcState, dor_vmstate),
            VMSTATE_U8(FdcState, tdr),
            VMSTATE_U8(FdcState, dsr),
            VMSTATE_U8(FdcState, msr),
            VMSTATE_U8(FdcState, status0),
            VMSTATE_U8(FdcState, status1),
            VMSTATE_U8(FdcState, status2),
            VMSTATE_U8_ARRAY(FdcState, fifo, FDC_FIFO),
            VMSTATE_U32(FdcState, data_pos),
            VMSTATE_U32(FdcState, data_len),
            VMSTATE_U8(FdcState, data_state),
            VMSTATE_U8(FdcState, data_dir),
            VMSTATE_U8(FdcState, eot),
            VMSTATE_U8(FdcState, timer0),
            VMSTATE_U8(FdcState, timer1),
            VMSTATE_U8(FdcState, precomp_trk),
            VMSTATE_U8(FdcState, config),
            VMSTATE_U8(FdcState, lock),
            VMSTATE_U8(FdcState, pwrd),
            VMSTATE_FIELD_(FdcState, num_floppies, VMS_U8_EQUAL),
            VMSTATE_STRUCT_ARRAY(FdcState, drives, FDC_DRIVES, vmstate_drive,
                                 1),
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &vmstate_reset_sensei,
                                             &vmstate_result_timer, NULL },
};

static const Vmstate fdc_vmstate = {
    .name = "fdc",
    .version = 2,
    .oldest = 2,
    .fields =
        (const VmstateField[]){ VMSTATE_STRUCT(Fdc, state, vmstate_state, 2),
                                VMSTATE_END },
};

static const Property fdc_props[] = {
    PROP(PROP_U32, Fdc, iobase, "iobase", .def = 0x3f0),
    PROP(PROP_U32, Fdc, isairq, "irq", .def = 6),
    PROP(PROP_U32, Fdc, dma, "dma", .def = 2),
    PROP_END,
};

const DeviceType fdc_type = {
    .name = "isa-fdc",
    .category = "Storage",
    .desc = "virtual floppy controller",
    .size = sizeof(Fdc),
    .bus = BUS_ISA,
    .user_creatable = true,
    .props = fdc_props,
    .realize = fdc_realize,
    .unrealize = fdc_unrealize,
    .reset = fdc_reset,
    .vmstate = &fdc_vmstate,
};
