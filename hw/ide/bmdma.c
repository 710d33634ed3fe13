/*
 * Bus master IDE: PRD tables, registers.
 *
 * Behaviour: Intel 82371SB data sheet (290550-002), 2.7; Programming
 * Interface for Bus Master IDE Controller, rev. 1.0 (16 May 1994).
 *
 * A region of a table: address (le32, even), length (le16, 0: 64 KiB), and a
 * word whose top bit marks the last one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"

enum {
    PRD_SIZE = 8,
    BM_PORTS = 8, /* of each channel */
    PRD_EOT = 1 << 15,
};

/* PRD tables */

static bool prd_next(IdeChannel *ch, bool *ret_bad)
{
    IdeBm *bm = &ch->bm;
    uint8_t prd[PRD_SIZE];

    if (bm->last) {
        return false;
    }
    if (pci_dma_read(ch->pci, bm->next_prd, prd, sizeof(prd)) != MEM_OK) {
        *ret_bad = true;
        return false;
    }
    bm->cur_addr = ldl_le_p(prd) & ~1U;
    bm->cur_len = lduw_le_p(prd + 4) & 0xfffe;
    bm->cur_len = bm->cur_len == 0 ? 0x10000 : bm->cur_len;
    bm->last = lduw_le_p(prd + 6) & PRD_EOT;
    bm->next_prd += PRD_SIZE;
    return true;
}

static bool pci_may_master(const IdeChannel *ch)
{
    return lduw_le_p(ch->pci->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static size_t bm_dma_copy(IdeChannel *ch, uint8_t *buf, size_t len,
                          bool to_guest, bool *ret_bad)
{
    IdeBm *bm = &ch->bm;
    size_t done = 0;

    /* A function that may not master the bus gives nothing to memory. */
    if (to_guest && !pci_may_master(ch)) {
        return len;
    }
    while (done < len) {
        size_t n;
        MemResult r;

        if (bm->cur_len == 0 && !prd_next(ch, ret_bad)) {
            break;
        }
        n = MIN(len - done, (size_t)bm->cur_len);
        r = to_guest ? pci_dma_write(ch->pci, bm->cur_addr, buf + done, n)
                     : pci_dma_read(ch->pci, bm->cur_addr, buf + done, n);
        if (r != MEM_OK) {
            *ret_bad = true;
            break;
        }
        bm->cur_addr += n;
        bm->cur_len -= n;
        done += n;
    }
    return done;
}

/* Towards the drives */

static bool bm_dma_ready(const IdeChannel *ch)
{
    return ch->bm.status & BM_ACTIVE;
}

static void bm_dma_ended(IdeChannel *ch, IdeDmaEnd how)
{
    IdeBm *bm = &ch->bm;

    /* Active stays on if the table has more than the drive had. */
    if (how != IDE_DMA_DONE || (bm->last && bm->cur_len == 0)) {
        bm->status &= ~BM_ACTIVE;
    }
    if (how == IDE_DMA_BUS_ERROR) {
        bm->status |= BM_ERROR;
    }
}

static void bm_dma_rewind(IdeChannel *ch)
{
    IdeBm *bm = &ch->bm;

    bm->cur_addr = bm->cur_len = 0;
    bm->next_prd = bm->addr;
    bm->last = false;
}

static void bm_raise_irq(IdeChannel *ch)
{
    ch->bm.status |= BM_INT;
    irq_raise(&ch->irq);
}

static void bm_lower_irq(IdeChannel *ch)
{
    irq_lower(&ch->irq);
}

static void bm_channel_reset(IdeChannel *ch)
{
    ide_bm_reset(&ch->bm);
    irq_lower(&ch->irq);
}

const IdeTransport ide_bm_transport = {
    .raise_irq = bm_raise_irq,
    .lower_irq = bm_lower_irq,
    .dma_ready = bm_dma_ready,
    .dma_copy = bm_dma_copy,
    .dma_rewind = bm_dma_rewind,
    .dma_ended = bm_dma_ended,
    .reset = bm_channel_reset,
};

/* Registers */

static void bm_command(IdeChannel *ch, uint8_t val)
{
    IdeBm *bm = &ch->bm;
    bool started = !(bm->cmd & BM_START) && (val & BM_START);
    bool stopped = (bm->cmd & BM_START) && !(val & BM_START);

    if (stopped) {
        /*
         * A transfer under way is cut off, and the command with it: software
         * does that to a drive that doesn't answer, before it resets it.
         */
        if (ch->dma_drive != NULL && (bm->status & BM_ACTIVE)) {
            IdeDrive *d = ch->dma_drive;

            ide_cancel(d);
            d->status = ST_DRDY | ST_DSC | ST_ERR;
            d->error = ER_ABRT;
        }
        bm->status &= ~BM_ACTIVE;
    }
    bm->cmd = val & (BM_START | BM_TO_MEMORY);
    if (started) {
        bm_dma_rewind(ch);
        bm->status |= BM_ACTIVE;
        ide_dma_run(ch);
    }
}

static IdeChannel *bm_channel(Device *dev, uint64_t off)
{
    PciDevice *pci = PCI_DEVICE(dev);

    return &container_of(pci, PiixIde, pci)->ch[off / BM_PORTS % IDE_CHANNELS];
}

static uint64_t bm_read(Device *dev, uint64_t off, unsigned size)
{
    const IdeBm *bm = &bm_channel(dev, off)->bm;
    unsigned reg = off % BM_PORTS;

    if (reg >= 4) {
        return bm->addr >> (8 * (reg - 4));
    }
    if (size != 1) {
        return UINT64_MAX;
    }
    return reg == 0 ? bm->cmd : reg == 2 ? bm->status : 0xff;
}

static void bm_status(IdeBm *bm, uint8_t val)
{
    bm->status = (val & 0x60) | (bm->status & BM_ACTIVE) |
                 (bm->status & ~val & (BM_ERROR | BM_INT));
}

static void bm_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    IdeChannel *ch = bm_channel(dev, off);
    IdeBm *bm = &ch->bm;
    unsigned reg = off % BM_PORTS;

    if (reg >= 4) {
        unsigned shift = 8 * (reg - 4);

        bm->addr =
            deposit32(bm->addr, shift, MIN(8 * size, 32 - shift), val) & ~3U;
    } else if (reg == 0 && size == 1) {
        bm_command(ch, val);
    } else if (reg == 2 && size == 1) {
        bm_status(bm, val);
    }
}

const IoOps ide_bm_ops = { .read = bm_read, .write = bm_write, .max_size = 4 };

void ide_bm_reset(IdeBm *bm)
{
    *bm = (IdeBm){ 0 };
}
