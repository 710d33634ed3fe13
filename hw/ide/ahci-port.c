/*
 * AHCI: the registers of a port, and its resets.
 *
 * Behaviour: AHCI 1.3.1, 3.3 and chapter 10.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ahci-priv.h"

enum {
    PORT_CLB = 0x00,
    PORT_CLBU = 0x04,
    PORT_FB = 0x08,
    PORT_FBU = 0x0c,
    PORT_IS = 0x10,
    PORT_IE = 0x14,
    PORT_CMD = 0x18,
    PORT_TFD = 0x20,
    PORT_SIG = 0x24,
    PORT_SSTS = 0x28,
    PORT_SCTL = 0x2c,
    PORT_SERR = 0x30,
    PORT_SACT = 0x34,
    PORT_CI = 0x38,
    CLB_ALIGN = 0x3ff,
    FB_ALIGN = 0xff,
    IE_MASK = 0xfdc000ff,
    CMD_WRITABLE = 0x0f820017,
    CMD_RESET = PCMD_POD | PCMD_SUD,
    TFD_RESET = 0x7f, /* nobody there, or not heard of yet */
    SCTL_DET = 0xf,
    SCTL_DET_INIT = 1,
    SSTS_UP = 0x113, /* active, at 1.5 Gb/s, with a drive */
};

/* Resets */

void ahci_port_cancel(AhciPort *p)
{
    IdeDrive *d = ahci_drive(p);

    p->epoch++;
    ahci_ncq_cancel(p);
    ide_cancel(d);
    d->status &= ~(ST_BSY | ST_DRQ);
    p->busy_slot = -1;
    p->ch.error_status = 0;
}

/* The drive after a reset of its link; it says who it is when it is heard. */
static void link_reset(AhciPort *p)
{
    ahci_port_cancel(p);
    p->port_state = 0;
    ide_soft_reset(&p->ch);
    if (ahci_drive(p)->dev == NULL) {
        ahci_drive(p)->error = 0; /* nobody has looked into itself */
    }
    ahci_drive(p)->ncq_error.valid = false;
    p->tfdata = TFD_RESET;
    p->sig = UINT32_MAX;
    p->scr_act = p->cmd_issue = 0;
    p->halted = false;
    p->init_d2h_sent = false;
}

void ahci_port_reset(AhciPort *p)
{
    p->irq_stat = p->irq_mask = 0;
    p->cmd = CMD_RESET;
    p->scr_ctl = p->scr_err = p->scr_stat = 0;
    link_reset(p);
}

static void hear_drive(AhciPort *p)
{
    if ((p->cmd & PCMD_FRE) && !p->init_d2h_sent &&
        (p->scr_ctl & SCTL_DET) == 0 && ahci_drive(p)->dev != NULL) {
        ahci_post_signature(p);
    }
}

/* Registers */

static void port_stop(AhciPort *p)
{
    ahci_port_cancel(p);
    if (ahci_drive(p)->dev != NULL) {
        p->tfdata &= ~(uint32_t)(ST_BSY | ST_DRQ);
    }
    p->cmd_issue = p->scr_act = 0;
    p->halted = false;
}

static void cmd_write(AhciPort *p, uint32_t val)
{
    bool was_on = p->cmd & PCMD_ST;

    p->cmd = (p->cmd & PCMD_CCS) | (val & CMD_WRITABLE);
    p->cmd |= p->cmd & PCMD_ST ? PCMD_CR : 0;
    p->cmd |= p->cmd & PCMD_FRE ? PCMD_FR : 0;
    if (was_on && !(p->cmd & PCMD_ST)) {
        port_stop(p);
        p->cmd &= ~(uint32_t)PCMD_CCS;
    }
    if (val & PCMD_CLO) {
        p->tfdata &= ~(uint32_t)(ST_BSY | ST_DRQ);
    }
    hear_drive(p);
    ahci_port_run(p);
}

static void sctl_write(AhciPort *p, uint32_t val)
{
    bool was_init = (p->scr_ctl & SCTL_DET) == SCTL_DET_INIT;

    p->scr_ctl = val;
    if (was_init && (val & SCTL_DET) == 0) {
        link_reset(p);
        hear_drive(p);
    }
}

uint32_t ahci_port_read(AhciPort *p, unsigned reg)
{
    switch (reg) {
    case PORT_CLB:
        return p->lst_addr;
    case PORT_CLBU:
        return p->lst_addr_hi;
    case PORT_FB:
        return p->fis_addr;
    case PORT_FBU:
        return p->fis_addr_hi;
    case PORT_IS:
        return p->irq_stat;
    case PORT_IE:
        return p->irq_mask;
    case PORT_CMD:
        return p->cmd;
    case PORT_TFD:
        return p->tfdata;
    case PORT_SIG:
        return p->sig;
    case PORT_SSTS:
        return ahci_drive(p)->dev != NULL ? SSTS_UP : 0;
    case PORT_SCTL:
        return p->scr_ctl;
    case PORT_SERR:
        return p->scr_err;
    case PORT_SACT:
        return p->scr_act;
    case PORT_CI:
        return p->cmd_issue;
    default:
        return 0;
    }
}

void ahci_port_write(AhciPort *p, unsigned reg, uint32_t val)
{
    switch (reg) {
    case PORT_CLB:
        p->lst_addr = val & ~(uint32_t)CLB_ALIGN;
        break;
    case PORT_CLBU:
        p->lst_addr_hi = val;
        break;
    case PORT_FB:
        p->fis_addr = val & ~(uint32_t)FB_ALIGN;
        break;
    case PORT_FBU:
        p->fis_addr_hi = val;
        break;
    case PORT_IS:
        p->irq_stat &= ~val;
        ahci_update_irq(p->hba);
        break;
    case PORT_IE:
        p->irq_mask = val & IE_MASK;
        ahci_update_irq(p->hba);
        break;
    case PORT_CMD:
        cmd_write(p, val);
        break;
    case PORT_SCTL:
        sctl_write(p, val);
        break;
    case PORT_SERR:
        p->scr_err &= ~val;
        break;
    case PORT_SACT:
        if (p->cmd & PCMD_ST) {
            p->scr_act |= val;
        }
        break;
    case PORT_CI:
        if (p->cmd & PCMD_ST) {
            p->cmd_issue |= val;
            ahci_port_run(p);
        }
        break;
    default:
        break;
    }
}
