/*
 * An IDE channel: task file, data port, resets, interrupts.
 *
 * Behaviour: ATA/ATAPI-6 (T13/1410D rev. 3b), chapters 7 and 9.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"

#include "system/vm.h"
#include "util/bswap.h"

enum {
    REG_DATA,
    REG_ERROR, /* features when written */
    REG_NSECTOR,
    REG_SECTOR,
    REG_LCYL,
    REG_HCYL,
    REG_SELECT,
    REG_STATUS, /* command when written */
};

static IdeChannel *channel_of(Device *dev, unsigned num)
{
    PciDevice *pci = PCI_DEVICE(dev);

    return &container_of(pci, PiixIde, pci)->ch[num];
}

static IdeDrive *bus_selected(IdeChannel *ch)
{
    return &ch->drives[ch->unit];
}

/* Interrupts and ends of commands */

void ide_raise_irq(IdeChannel *ch)
{
    if (ch->ctl & CTL_NIEN) {
        return;
    }
    ch->transport->raise_irq(ch);
}

void ide_done(IdeDrive *d)
{
    d->status = ST_DRDY | ST_DSC;
    ide_raise_irq(d->ch);
}

void ide_abort(IdeDrive *d, uint8_t error)
{
    ide_pio_stop(d);
    d->status = ST_DRDY | ST_ERR;
    d->error = error;
    ide_raise_irq(d->ch);
}

/* PIO */

void ide_pio_start(IdeDrive *d, unsigned pos, unsigned len, IdeEnd end)
{
    d->pio_pos = pos;
    d->pio_len = len;
    d->end = end;
    d->status |= ST_DRQ;
}

void ide_pio_stop(IdeDrive *d)
{
    d->pio_pos = 0;
    d->pio_len = 0;
    d->end = IDE_END_NONE;
    d->status &= ~ST_DRQ;
}

/* A state that came with a migration may not suit the drive. */
static bool pio_suits(const IdeDrive *d)
{
    switch (d->end) {
    case IDE_END_READ:
    case IDE_END_WRITE:
        return d->dev != NULL && !d->cd;
    case IDE_END_ATAPI_DATA:
    case IDE_END_PACKET:
        return d->dev != NULL && d->cd;
    default:
        return d->dev != NULL;
    }
}

static bool pio_is_write(const IdeDrive *d)
{
    return d->end == IDE_END_WRITE || d->end == IDE_END_PACKET;
}

static void pio_ended(IdeDrive *d)
{
    IdeEnd end = d->end;

    ide_pio_stop(d);
    switch (end) {
    case IDE_END_READ:
    case IDE_END_WRITE:
        d->end = end;
        ata_end_of_transfer(d);
        break;
    case IDE_END_ATAPI_DATA:
        atapi_end_of_transfer(d);
        break;
    case IDE_END_PACKET:
        atapi_packet(d);
        break;
    default:
        break;
    }
}

void ide_pio_moved(IdeDrive *d)
{
    if (pio_suits(d)) {
        d->pio_pos += d->pio_len;
        d->pio_len = 0;
        pio_ended(d);
    }
}

static uint32_t data_read(IdeDrive *d, unsigned size)
{
    uint8_t bytes[4] = { 0 };
    unsigned n;

    if (!(d->status & ST_DRQ) || !pio_suits(d) || pio_is_write(d)) {
        return 0;
    }
    n = MIN(size, (unsigned)d->pio_len);
    memcpy(bytes, d->buffer + d->pio_pos, n);
    d->pio_pos += n;
    d->pio_len -= n;
    if (d->pio_len == 0 && d->end != IDE_END_NONE) {
        pio_ended(d);
    }
    return ldl_le_p(bytes);
}

static void data_write(IdeDrive *d, uint32_t val, unsigned size)
{
    uint8_t bytes[4];
    unsigned n;

    if (!(d->status & ST_DRQ) || !pio_suits(d) || !pio_is_write(d)) {
        return;
    }
    stl_le_p(bytes, val);
    n = MIN(size, (unsigned)d->pio_len);
    memcpy(d->buffer + d->pio_pos, bytes, n);
    d->pio_pos += n;
    d->pio_len -= n;
    if (d->pio_len == 0) {
        pio_ended(d);
    }
}

/* Requests to the block layer */

/* Outlives what the drive does with it, if that is cancelled. */
typedef struct IdeIo {
    IdeDrive *drive; /* NULL: cancelled */
    BlockDone *fn;
    struct iovec iov;
    uint8_t *buffer; /* of one that was cancelled */
} IdeIo;

static void io_done(void *opaque, int ret)
{
    IdeIo *io = opaque;
    IdeDrive *d = io->drive;

    if (d != NULL) {
        d->io = NULL;
        io->fn(d, ret);
        if (d->ch->transport->io_ended != NULL) {
            d->ch->transport->io_ended(d);
        }
    }
    g_free(io->buffer);
    g_free(io);
}

static IdeIo *io_new(IdeDrive *d, size_t bytes, size_t at, BlockDone *fn)
{
    IdeIo *io = g_new0(IdeIo, 1);

    io->drive = d;
    io->fn = fn;
    io->iov = (struct iovec){ .iov_base = d->buffer + at, .iov_len = bytes };
    d->io = io;
    d->io_bytes = bytes;
    return io;
}

void ide_read(IdeDrive *d, uint64_t off, size_t bytes, size_t at, BlockDone *fn)
{
    IdeIo *io = io_new(d, bytes, at, fn);

    block_aio_readv(d->blk, off, &io->iov, 1, io_done, io);
}

void ide_write(IdeDrive *d, uint64_t off, size_t bytes, BlockDone *fn)
{
    IdeIo *io = io_new(d, bytes, 0, fn);

    block_aio_writev(d->blk, off, &io->iov, 1, io_done, io);
}

void ide_flush(IdeDrive *d, BlockDone *fn)
{
    block_aio_flush(d->blk, io_done, io_new(d, 0, 0, fn));
}

BlockErrorChoice ide_io_failed(IdeDrive *d, int ret, unsigned how)
{
    BlockErrorChoice choice =
        block_error_action(d->blk, how & RETRY_READ, -ret);

    if (choice == BLOCK_ERROR_STOP) {
        d->ch->error_status = how;
        d->ch->retry_unit = d - d->ch->drives;
    }
    return choice;
}

/* The host may use the buffer for long: the drive takes another. */
static void io_cancel(IdeDrive *d)
{
    IdeIo *io = d->io;

    d->io = NULL;
    io->drive = NULL;
    io->buffer = d->buffer;
    d->buffer = g_malloc0(IDE_BUFFER);
    block_aio_abandon(d->blk, io);
}

void ide_cancel(IdeDrive *d)
{
    IdeChannel *ch = d->ch;

    if (d->io != NULL) {
        io_cancel(d);
    }
    if (ch->dma_drive == d) {
        ch->dma = IDE_DMA_NONE;
        ch->dma_drive = NULL;
        ch->dma_left = 0;
        ch->transport->dma_ended(ch, IDE_DMA_CUT);
    }
    if (ch->retry_unit == d - ch->drives) {
        ch->error_status = 0;
    }
    d->cd_left = 0;
    d->buf_len = d->buf_pos = 0;
    d->packet_size = d->elementary_size = 0;
    ide_pio_stop(d);
}

/* Resets */

/* What tells a disk, a packet device and nothing apart. */
void ide_set_signature(IdeDrive *d)
{
    d->select &= ~0xf;
    d->nsector = 1;
    d->sector = 1;
    d->lcyl = d->dev == NULL ? 0xff : d->cd ? 0x14 : 0;
    d->hcyl = d->dev == NULL ? 0xff : d->cd ? 0xeb : 0;
}

void ide_drive_reset(IdeDrive *d)
{
    ide_cancel(d);
    d->mult_sectors = IDE_MAX_MULT;
    d->identify_set = 0; /* modes are those after power on again */
    d->feature = d->error = 0;
    d->hob_feature = d->hob_sector = d->hob_nsector = 0;
    d->hob_lcyl = d->hob_hcyl = 0;
    d->select = DH_FIXED;
    d->status = ST_DRDY | ST_DSC;
    d->lba48 = 0;
    d->sense_key = d->asc = 0;
    d->cdrom_changed = 0;
    d->req_nb_sectors = 0;
    d->tray_open = d->tray_locked = false;
    d->new_media = d->eject_request = false;
    if (d->blk != NULL && d->cd) {
        block_set_tray_open(d->blk, false);
        block_set_locked(d->blk, false);
    }
    ide_set_signature(d);
}

void ide_channel_reset(IdeChannel *ch)
{
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        ide_drive_reset(&ch->drives[i]);
    }
    ch->ctl = 0;
    ch->unit = 0;
    ch->error_status = 0;
    ch->retry_sector = 0;
    ch->retry_nsector = 0;
    ch->retry_unit = 0;
    ch->transport->reset(ch);
}

void ide_soft_reset(IdeChannel *ch)
{
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        IdeDrive *d = &ch->drives[i];

        ide_cancel(d);
        d->hob_feature = d->hob_sector = d->hob_nsector = 0;
        d->hob_lcyl = d->hob_hcyl = 0;
        d->lba48 = 0;
        d->select = DH_FIXED;
        /* A packet device isn't ready before it got a command. */
        d->status = d->cd ? 0 : ST_DRDY | ST_DSC;
        d->error = 1; /* diagnostics: passed */
        ide_set_signature(d);
    }
    ch->unit = 0;
}

static void control_write(IdeChannel *ch, uint8_t val)
{
    uint8_t old = ch->ctl;

    ch->ctl = val;
    if (!(old & CTL_SRST) && (val & CTL_SRST)) {
        ide_soft_reset(ch);
        ch->drives[0].status = ch->drives[1].status = ST_BSY;
    } else if ((old & CTL_SRST) && !(val & CTL_SRST)) {
        ide_soft_reset(ch);
    }
    if (val & CTL_NIEN) {
        ch->transport->lower_irq(ch);
    }
}

/* Registers */

static uint8_t task_read(IdeChannel *ch, unsigned reg)
{
    IdeDrive *d = bus_selected(ch);
    bool hob = ch->ctl & CTL_HOB;

    if (d->dev == NULL) {
        return reg == REG_SELECT && ch->drives[!ch->unit].dev != NULL
                   ? d->select
                   : 0;
    }
    switch (reg) {
    case REG_ERROR:
        return hob ? d->hob_feature : d->error;
    case REG_NSECTOR:
        return hob ? d->hob_nsector : d->nsector;
    case REG_SECTOR:
        return hob ? d->hob_sector : d->sector;
    case REG_LCYL:
        return hob ? d->hob_lcyl : d->lcyl;
    case REG_HCYL:
        return hob ? d->hob_hcyl : d->hcyl;
    case REG_SELECT:
        return d->select;
    case REG_STATUS:
    default:
        ch->transport->lower_irq(ch);
        return d->status;
    }
}

/* Both drives see what is written; hob: what was written before. */
static void drive_write(IdeDrive *d, unsigned reg, uint8_t val)
{
    switch (reg) {
    case REG_ERROR:
        d->hob_feature = d->feature;
        d->feature = val;
        break;
    case REG_NSECTOR:
        d->hob_nsector = d->nsector;
        d->nsector = val;
        break;
    case REG_SECTOR:
        d->hob_sector = d->sector;
        d->sector = val;
        break;
    case REG_LCYL:
        d->hob_lcyl = d->lcyl;
        d->lcyl = val;
        break;
    case REG_HCYL:
        d->hob_hcyl = d->hcyl;
        d->hcyl = val;
        break;
    default: /* REG_SELECT */
        d->select = val | DH_FIXED;
        break;
    }
}

static void task_write(IdeChannel *ch, unsigned reg, uint8_t val)
{
    IdeDrive *d = bus_selected(ch);

    ch->ctl &= ~CTL_HOB;
    if (ch->ctl & CTL_SRST) {
        return;
    }
    if (reg == REG_STATUS) {
        if (d->dev != NULL) {
            ch->transport->lower_irq(ch);
            ide_command(d, val);
        }
        return;
    }
    /* What a drive works with isn't changed under it. */
    if (d->dev != NULL && (d->status & (ST_BSY | ST_DRQ))) {
        return;
    }
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        drive_write(&ch->drives[i], reg, val);
    }
    if (reg == REG_SELECT) {
        ch->unit = (val & DH_DEV1) != 0;
    }
}

static uint64_t cmd_read(IdeChannel *ch, uint64_t off, unsigned size)
{
    return off == REG_DATA ? data_read(bus_selected(ch), size)
                           : task_read(ch, off);
}

static void cmd_write(IdeChannel *ch, uint64_t off, uint64_t val, unsigned size)
{
    if (off == REG_DATA) {
        data_write(bus_selected(ch), val, size);
    } else {
        task_write(ch, off, val);
    }
}

/* The same for each channel: what a region's handler gets doesn't say which. */
#define CHANNEL_OPS(n_)                                                     \
    static uint64_t cmd_read_##n_(Device *dev, uint64_t off, unsigned size) \
    {                                                                       \
        return cmd_read(channel_of(dev, n_), off, size);                    \
    }                                                                       \
    static void cmd_write_##n_(Device *dev, uint64_t off, uint64_t val,     \
                               unsigned size)                               \
    {                                                                       \
        cmd_write(channel_of(dev, n_), off, val, size);                     \
    }                                                                       \
    static uint64_t ctl_read_##n_(Device *dev, uint64_t off, unsigned size) \
    {                                                                       \
        const IdeDrive *d = bus_selected(channel_of(dev, n_));              \
                                                                            \
        return d->dev != NULL ? d->status : 0;                              \
    }                                                                       \
    static void ctl_write_##n_(Device *dev, uint64_t off, uint64_t val,     \
                               unsigned size)                               \
    {                                                                       \
        control_write(channel_of(dev, n_), val);                            \
    }

CHANNEL_OPS(0)
CHANNEL_OPS(1)

const IoOps ide_cmd_ops[IDE_CHANNELS] = {
    { .read = cmd_read_0, .write = cmd_write_0, .max_size = 4 },
    { .read = cmd_read_1, .write = cmd_write_1, .max_size = 4 },
};

const IoOps ide_ctl_ops[IDE_CHANNELS] = {
    { .read = ctl_read_0, .write = ctl_write_0, .max_size = 1 },
    { .read = ctl_read_1, .write = ctl_write_1, .max_size = 1 },
};

/* Life */

void ide_channel_init(IdeChannel *ch, PciDevice *pci, const IdeTransport *t,
                      unsigned num, unsigned ndrives)
{
    ch->transport = t;
    ch->pci = pci;
    ch->num = num;
    ch->ndrives = ndrives;
    /* Two to a channel, whether or not it has both. */
    ch->first_unit = pci->dev.machine->ide_places;
    pci->dev.machine->ide_places += IDE_DRIVES;
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        ch->drives[i].ch = ch;
        ch->drives[i].end = IDE_END_NONE;
        if (i < ndrives) {
            ch->drives[i].buffer = g_malloc0(IDE_BUFFER);
        }
    }
}

void ide_channel_fini(IdeChannel *ch)
{
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        g_clear_pointer(&ch->drives[i].buffer, g_free);
    }
}
