/*
 * AHCI: commands are taken from a port's list, and carried out one by one by
 * the drive's own code; queued ones: ahci-ncq.c.
 *
 * Behaviour: AHCI 1.3.1, 4.2 and chapter 5.  A command that fails stays in
 * PxCI, and the port works on no other until software has stopped it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ahci-priv.h"
#include "util/bswap.h"

enum {
    FIS_H2D = 0x27,
    FIS_COMMAND = 1 << 7, /* or else what is for the control register */
    FIS_PORT = 0xf,       /* behind a port multiplier: there is none */
    HEADER_SIZE = 32,
    HEADER_ATAPI = 1 << 5,
    HEADER_PRDBC = 4,
    TABLE_ACMD = 0x40,
    TABLE_PRDT = 0x80,
    CDB_SIZE = 12,
};

/* Reading a command */

bool ahci_command_fetch(AhciPort *p, unsigned slot, AhciCommand *ret)
{
    Ahci *s = p->hba;
    uint64_t list = (uint64_t)p->lst_addr_hi << 32 | p->lst_addr, table;
    uint8_t header[HEADER_SIZE];

    ret->header = list + slot * HEADER_SIZE;
    if (pci_dma_read(&s->pci, ret->header, header, sizeof(header)) != MEM_OK) {
        return false;
    }
    ret->flags = lduw_le_p(header);
    table = ldq_le_p(header + 8) & ~UINT64_C(0x7f);
    ahci_prdt_init(&ret->prdt, table + TABLE_PRDT, lduw_le_p(header + 2));
    return pci_dma_read(&s->pci, table, ret->fis, AHCI_CFIS_SIZE) == MEM_OK &&
           pci_dma_read(&s->pci, table + TABLE_ACMD, ret->acmd,
                        AHCI_ACMD_SIZE) == MEM_OK;
}

static void put_registers(IdeDrive *d, const uint8_t *fis)
{
    d->feature = fis[3];
    d->sector = fis[4];
    d->lcyl = fis[5];
    d->hcyl = fis[6];
    d->select = fis[7];
    d->hob_sector = fis[8];
    d->hob_lcyl = fis[9];
    d->hob_hcyl = fis[10];
    d->hob_feature = fis[11];
    d->nsector = fis[12];
    d->hob_nsector = fis[13];
}

/* Ends */

void ahci_port_halt(AhciPort *p, uint32_t irq)
{
    p->halted = true;
    p->irq_stat |= irq;
    ahci_update_irq(p->hba);
}

static void put_byte_count(AhciPort *p)
{
    uint8_t count[4];

    stl_le_p(count, p->moved);
    pci_dma_write(&p->hba->pci, p->now.header + HEADER_PRDBC, count,
                  sizeof(count));
}

static void command_done(AhciPort *p)
{
    const IdeDrive *d = ahci_drive(p);
    unsigned slot = p->busy_slot;

    p->busy_slot = -1;
    put_byte_count(p);
    if (p->overflow) {
        p->irq_stat |= PIS_OFS;
    }
    if (d->status & ST_ERR) {
        ahci_post_d2h(p, true);
        ahci_port_halt(p, PIS_TFES);
        return;
    }
    p->cmd_issue &= ~(1U << slot);
    ahci_post_d2h(p, true);
}

/* Data of PIO commands: here nobody reads a data port. */

/* The command that a packet device asks for. */
static void packet_turn(AhciPort *p)
{
    IdeDrive *d = ahci_drive(p);

    if (!(p->now.flags & HEADER_ATAPI)) {
        ide_abort(d, ER_ABRT);
        return;
    }
    memcpy(d->buffer, p->now.acmd, CDB_SIZE);
    ahci_post_pio_setup(p, false, CDB_SIZE, false, false);
    ide_pio_moved(d);
}

static bool is_last_turn(const IdeDrive *d)
{
    switch (d->end) {
    case IDE_END_READ:
        return d->nsector == 0;
    case IDE_END_ATAPI_DATA:
        return d->packet_size == 0;
    default:
        return d->end == IDE_END_STOP;
    }
}

static void pio_turn(AhciPort *p)
{
    IdeDrive *d = ahci_drive(p);
    bool to_guest = d->end != IDE_END_WRITE, bad = false;
    size_t want = d->pio_len, n;

    if (d->end == IDE_END_PACKET) {
        packet_turn(p);
        return;
    }
    n = p->ch.transport->dma_copy(&p->ch, d->buffer + d->pio_pos, want,
                                  to_guest, &bad);
    if (bad) {
        p->irq_stat |= PIS_HBDS;
    }
    if (bad || n < want) {
        ide_abort(d, ER_ABRT);
        return;
    }
    ahci_post_pio_setup(p, to_guest, want, true, is_last_turn(d));
    ide_pio_moved(d);
}

/* The drive has done what it could without the host. */
static void ahci_cmd_settle(AhciPort *p)
{
    IdeDrive *d = ahci_drive(p);

    while (p->busy_slot >= 0) {
        if (d->io != NULL || p->ch.error_status != 0) {
            return;
        }
        if ((d->status & ST_DRQ) && d->pio_len > 0) {
            pio_turn(p);
        } else if (d->status & (ST_BSY | ST_DRQ)) {
            return;
        } else {
            command_done(p);
        }
    }
}

/* Beginning */

/* What a soft reset is made of; the drive answers when it is over. */
static void ahci_cmd_control(AhciPort *p, unsigned slot, uint8_t val)
{
    uint32_t state = val & CTL_SRST ? AHCI_IN_RESET : 0;

    p->cmd_issue &= ~(1U << slot);
    if (state == p->port_state) {
        return;
    }
    p->port_state = state;
    ahci_ncq_cancel(p);
    ide_soft_reset(&p->ch);
    if (state == AHCI_IN_RESET) {
        p->tfdata = ST_BSY;
    } else {
        ahci_post_signature(p);
    }
}

static void ahci_cmd_refuse(AhciPort *p)
{
    IdeDrive *d = ahci_drive(p);

    d->status = ST_DRDY | ST_ERR;
    d->error = ER_ABRT;
    ahci_post_d2h(p, true);
    ahci_port_halt(p, PIS_TFES);
}

static void ahci_cmd_begin(AhciPort *p, unsigned slot)
{
    IdeDrive *d = ahci_drive(p);
    uint8_t command = p->now.fis[2];

    p->busy_slot = slot;
    p->moved = 0;
    p->overflow = false;
    p->cmd = (p->cmd & ~(uint32_t)PCMD_CCS) | slot << PCMD_CCS_SHIFT;
    p->tfdata = (p->tfdata & ~0xffU) | ST_BSY | ST_DRDY;
    put_registers(d, p->now.fis);
    d->status &= ~(ST_BSY | ST_DRQ);
    ide_command(d, command);
    ahci_cmd_settle(p);
}

static void ahci_cmd_take(AhciPort *p, unsigned slot)
{
    const uint8_t *fis = p->now.fis;

    if (!ahci_command_fetch(p, slot, &p->now)) {
        ahci_port_halt(p, PIS_HBFS);
    } else if (fis[0] != FIS_H2D || (fis[1] & FIS_PORT)) {
        ahci_cmd_refuse(p);
    } else if (!(fis[1] & FIS_COMMAND)) {
        ahci_cmd_control(p, slot, fis[15]);
    } else if (p->port_state == AHCI_IN_RESET) {
        p->cmd_issue &= ~(1U << slot); /* a drive in reset hears nothing */
    } else if (ahci_is_ncq(fis[2])) {
        ahci_ncq_start(p, slot, &p->now);
    } else {
        ahci_cmd_begin(p, slot);
    }
}

/*
 * Also while the guest is being stopped, until the list is empty: 7.2 begins
 * what a stream has left of it before it may write to its images.
 */
static bool may_take(const AhciPort *p)
{
    return p->cmd_issue != 0 && p->busy_slot < 0 && !p->halted &&
           (p->cmd & PCMD_CR) && p->ch.drives[0].dev != NULL;
}

void ahci_port_run(AhciPort *p)
{
    if (p->in_run) {
        return;
    }
    p->in_run = true;
    while (may_take(p)) {
        ahci_cmd_take(p, __builtin_ctz(p->cmd_issue));
    }
    p->in_run = false;
}

void ahci_port_resume(AhciPort *p)
{
    /*
     * It was to be done again, or its data's place didn't come along in a
     * migration: from its beginning.
     */
    if (p->busy_slot >= 0 && ahci_drive(p)->io == NULL) {
        unsigned slot = p->busy_slot;

        ide_cancel(ahci_drive(p));
        p->ch.error_status = 0;
        p->busy_slot = -1;
        p->cmd_issue |= 1U << slot;
    }
    for (unsigned i = 0; i < AHCI_SLOTS; i++) {
        if (p->tags[i].halt) {
            ahci_ncq_resume(&p->tags[i]);
        }
    }
    ahci_port_run(p);
}

/* Towards the drive */

static void raise_irq(IdeChannel *ch)
{
    /* What the drive wants is seen by ahci_cmd_settle(). */
}

static void lower_irq(IdeChannel *ch)
{
    /* Software clears causes itself. */
}

static bool dma_ready(const IdeChannel *ch)
{
    return true;
}

/* What the table has no room for is lost, and software is told. */
static size_t dma_copy(IdeChannel *ch, uint8_t *buf, size_t len, bool to_guest,
                       bool *ret_bad)
{
    AhciPort *p = AHCI_PORT(ch);
    size_t n =
        ahci_prdt_copy(&p->now.prdt, p->hba, buf, len, to_guest, ret_bad);

    p->moved += n;
    if (n < len && !*ret_bad) {
        p->overflow = true;
        return to_guest ? len : n;
    }
    return n;
}

static void dma_ended(IdeChannel *ch, IdeDmaEnd how)
{
    AhciPort *p = AHCI_PORT(ch);

    if (how == IDE_DMA_BUS_ERROR) {
        p->irq_stat |= PIS_HBDS;
    } else if (how == IDE_DMA_SHORT) {
        ide_abort(ahci_drive(p), ER_ABRT);
    }
}

static void io_ended(IdeDrive *d)
{
    AhciPort *p = AHCI_PORT(d->ch);

    ahci_cmd_settle(p);
    ahci_port_run(p);
}

static void transport_reset(IdeChannel *ch)
{
    /* The port's own reset is around it. */
}

static void drive_gone(IdeChannel *ch)
{
    ahci_port_cancel(AHCI_PORT(ch));
}

const IdeTransport ahci_transport = {
    .raise_irq = raise_irq,
    .lower_irq = lower_irq,
    .dma_ready = dma_ready,
    .dma_copy = dma_copy,
    .dma_ended = dma_ended,
    .io_ended = io_ended,
    .reset = transport_reset,
    .drive_gone = drive_gone,
    .ncq = true,
};
