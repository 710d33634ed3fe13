/*
 * AHCI: native command queuing, READ and WRITE FPDMA QUEUED.
 *
 * Behaviour: SATA 3.0, 13.6; AHCI 1.3.1, 5.6.4 and 6.2.2.2.  Commands are
 * carried out side by side, each in parts of bounded size, and may end in any
 * order.  The first that fails ends them all: software asks the drive's log
 * which it was, and gives the others again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ahci-priv.h"

enum {
    READ_FPDMA = 0x60,
    WRITE_FPDMA = 0x61,
    NCQ_NON_DATA = 0x63,
    NCQ_SEND = 0x64,
    NCQ_RECEIVE = 0x65,
    FIS_FUA = 1 << 7, /* in the device register */
    NCQ_PART = 512,   /* sectors that a command has in flight at most */
};

/* Outlives its command, if that is cancelled. */
typedef struct AhciNcqIo {
    AhciTag *tag; /* NULL: cancelled */
    struct iovec iov;
} AhciNcqIo;

static void ncq_part(AhciTag *t);

bool ahci_is_ncq(uint8_t cmd)
{
    return cmd == READ_FPDMA || cmd == WRITE_FPDMA ||
           (cmd >= NCQ_NON_DATA && cmd <= NCQ_RECEIVE);
}

static bool is_write(const AhciTag *t)
{
    return t->cmd == WRITE_FPDMA;
}

/* Ends */

void ahci_ncq_cancel(AhciPort *p)
{
    for (unsigned i = 0; i < AHCI_SLOTS; i++) {
        AhciTag *t = &p->tags[i];

        t->used = t->halt = false;
        if (t->io != NULL) {
            AhciNcqIo *io = g_steal_pointer(&t->io);

            io->tag = NULL;
            block_aio_abandon(ahci_drive(p)->blk, io);
        }
    }
    p->finished = 0;
}

static void ncq_fail(AhciTag *t, uint8_t error, uint32_t irq)
{
    AhciPort *p = t->port;
    IdeDrive *d = ahci_drive(p);

    d->status = ST_DRDY | ST_ERR;
    d->error = error;
    d->ncq_error = (IdeNcqError){
        .valid = true,
        .tag = t->tag,
        .status = d->status,
        .error = error,
        .lba = t->lba,
        .count = t->sector_count,
    };
    ahci_ncq_cancel(p);
    ahci_post_sdb(p);
    ahci_port_halt(p, PIS_TFES | irq);
}

static void ncq_done(AhciTag *t)
{
    AhciPort *p = t->port;
    IdeDrive *d = ahci_drive(p);

    t->used = false;
    d->status = ST_DRDY | ST_DSC;
    d->error = 0;
    p->finished |= 1U << t->tag;
    ahci_post_sdb(p);
}

/* With the host */

static void io_free(AhciNcqIo *io)
{
    g_free(io->iov.iov_base);
    g_free(io);
}

/* False: the command has ended, or waits for the guest to go on. */
static bool host_did(AhciTag *t, int ret)
{
    IdeDrive *d = ahci_drive(t->port);

    if (ret >= 0) {
        return true;
    }
    switch (block_error_action(d->blk, !is_write(t), -ret)) {
    case BLOCK_ERROR_STOP:
        t->halt = true;
        return false;
    case BLOCK_ERROR_IGNORE:
        return true;
    case BLOCK_ERROR_REPORT:
    default:
        ncq_fail(t, is_write(t) ? ER_ABRT : ER_UNC, 0);
        return false;
    }
}

static bool to_guest(AhciTag *t, const AhciNcqIo *io)
{
    AhciPort *p = t->port;
    unsigned epoch = p->epoch;
    bool bad = false;
    size_t n = ahci_prdt_copy(&t->prdt, p->hba, io->iov.iov_base,
                              io->iov.iov_len, true, &bad);

    if (p->epoch != epoch) { /* the data reset a bridge above */
        return false;
    }
    if (bad) {
        ncq_fail(t, ER_ABRT, PIS_HBDS);
        return false;
    }
    if (n < io->iov.iov_len) {
        p->irq_stat |= PIS_OFS; /* the rest is lost */
    }
    return true;
}

static void part_done(void *opaque, int ret)
{
    AhciNcqIo *io = opaque;
    AhciTag *t = io->tag;

    if (t != NULL) {
        AhciPort *p = t->port;

        t->io = NULL;
        if (host_did(t, ret) && (is_write(t) || to_guest(t, io))) {
            t->done += io->iov.iov_len / IDE_SECTOR;
            ncq_part(t);
        }
        ahci_port_run(p);
    }
    io_free(io);
}

static void flush_done(void *opaque, int ret)
{
    AhciNcqIo *io = opaque;
    AhciTag *t = io->tag;

    if (t != NULL) {
        t->io = NULL;
        if (host_did(t, ret)) {
            ncq_done(t);
        }
    }
    io_free(io);
}

static AhciNcqIo *io_new(AhciTag *t, size_t bytes)
{
    AhciNcqIo *io = g_new0(AhciNcqIo, 1);

    io->tag = t;
    io->iov = (struct iovec){ .iov_base = bytes != 0 ? g_malloc(bytes) : NULL,
                              .iov_len = bytes };
    t->io = io;
    return io;
}

static void write_part(AhciTag *t, uint64_t off, size_t bytes)
{
    AhciPort *p = t->port;
    AhciNcqIo *io = io_new(t, bytes);
    bool bad = false;
    size_t n =
        ahci_prdt_copy(&t->prdt, p->hba, io->iov.iov_base, bytes, false, &bad);

    /* Reads have no effects that could cancel it meanwhile. */

    if (n < bytes) {
        t->io = NULL;
        io_free(io);
        ncq_fail(t, ER_ABRT, bad ? PIS_HBDS : PIS_OFS);
        return;
    }
    block_aio_writev(ahci_drive(p)->blk, off, &io->iov, 1, part_done, io);
}

/* The next part of a command, or its end. */
static void ncq_part(AhciTag *t)
{
    BlockBackend *blk = ahci_drive(t->port)->blk;
    uint32_t n = MIN(t->sector_count - t->done, (uint32_t)NCQ_PART);
    uint64_t off = (t->lba + t->done) * IDE_SECTOR;
    size_t bytes = (size_t)n * IDE_SECTOR;

    if (n == 0) {
        if (is_write(t) && t->fua) {
            block_aio_flush(blk, flush_done, io_new(t, 0));
        } else {
            ncq_done(t);
        }
    } else if (is_write(t)) {
        write_part(t, off, bytes);
    } else {
        AhciNcqIo *io = io_new(t, bytes);

        block_aio_readv(blk, off, &io->iov, 1, part_done, io);
    }
}

/* Beginning */

static uint64_t fis_lba(const uint8_t *fis)
{
    return (uint64_t)fis[10] << 40 | (uint64_t)fis[9] << 32 |
           (uint64_t)fis[8] << 24 | (uint64_t)fis[6] << 16 |
           (uint64_t)fis[5] << 8 | fis[4];
}

static void ncq_carry_out(AhciTag *t)
{
    const IdeDrive *d = ahci_drive(t->port);

    t->done = 0;
    if (d->cd || (t->cmd != READ_FPDMA && t->cmd != WRITE_FPDMA)) {
        ncq_fail(t, ER_ABRT, 0);
    } else if (!range_fits(t->lba, t->sector_count, ata_sectors(d))) {
        ncq_fail(t, ER_IDNF, 0);
    } else {
        ncq_part(t);
    }
}

static void tag_fill(AhciTag *t, unsigned slot, const AhciCommand *c)
{
    const uint8_t *fis = c->fis;
    uint32_t n = (uint32_t)fis[11] << 8 | fis[3];

    t->sector_count = n != 0 ? n : 65536;
    t->lba = fis_lba(fis);
    t->tag = fis[12] >> 3;
    t->cmd = fis[2];
    t->slot = slot;
    t->fua = fis[7] & FIS_FUA;
    t->prdt = c->prdt;
}

void ahci_ncq_start(AhciPort *p, unsigned slot, const AhciCommand *c)
{
    IdeDrive *d = ahci_drive(p);
    AhciTag *t = &p->tags[slot];

    /* The drive takes it: the slot is free, and the tag at work. */
    d->status = ST_DRDY | ST_DSC;
    d->error = 0;
    p->cmd_issue &= ~(1U << slot);
    ahci_post_d2h(p, false);
    if (t->used) { /* two commands by one tag */
        ncq_fail(t, ER_ABRT, 0);
        return;
    }
    tag_fill(t, slot, c);
    t->used = true;
    if (t->tag != slot) {
        ncq_fail(t, ER_ABRT, 0);
    } else {
        ncq_carry_out(t);
    }
}

void ahci_ncq_resume(AhciTag *t)
{
    AhciPort *p = t->port;
    AhciCommand *c = &p->now;

    t->halt = false;
    if (!ahci_command_fetch(p, t->slot, c)) {
        ahci_ncq_cancel(p);
        ahci_port_halt(p, PIS_HBFS);
        return;
    }
    t->prdt = c->prdt;
    t->fua = c->fis[7] & FIS_FUA;
    ncq_carry_out(t);
}
