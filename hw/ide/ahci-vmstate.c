/*
 * State of an AHCI controller with its drives: section "ich9_ahci" version 1,
 * ABI.
 *
 * What software has issued is done before a state is saved.  What is left is
 * commands that wait for the guest to go on after an error: a queued one by
 * `halt`, any other by its slot and "ide_bus/error"; and those behind them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ahci-priv.h"
#include "util/error.h"

#define REGISTER(f)                                               \
    {                                                             \
        .name = "port_regs." #f, .kind = VMS_U32,                 \
        .offset = offsetof(AhciPort, f), .size = sizeof(uint32_t) \
    }
#define CONTROL(f)                                            \
    {                                                         \
        .name = "control_regs." #f, .kind = VMS_U32,          \
        .offset = offsetof(Ahci, f), .size = sizeof(uint32_t) \
    }

static const Vmstate tag_vmstate = {
    .name = "ncq state",
    .version = 1,
    .oldest = 0,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(AhciTag, sector_count),
            VMSTATE_U64(AhciTag, lba),
            VMSTATE_U8(AhciTag, tag),
            VMSTATE_U8(AhciTag, cmd),
            VMSTATE_U8(AhciTag, slot),
            VMSTATE_BOOL(AhciTag, used),
            VMSTATE_BOOL(AhciTag, halt),
            VMSTATE_END,
        },
};

static bool port_post_load(void *opaque, int version, GError **errp)
{
    AhciPort *p = opaque;

    if (p->busy_slot < -1 || p->busy_slot >= AHCI_SLOTS) {
        error_setf(errp, "ahci: busy_slot %d: at most %d", p->busy_slot,
                   AHCI_SLOTS - 1);
        return false;
    }
    for (unsigned i = 0; i < AHCI_SLOTS; i++) {
        AhciTag *t = &p->tags[i];

        if (!t->used) {
            t->halt = false;
            continue;
        }
        if (t->tag >= AHCI_SLOTS || t->slot >= AHCI_SLOTS || t->tag != i ||
            t->sector_count > 65536) {
            error_setf(errp,
                       "ahci: queued command %u: tag %u, slot %u, %u sectors",
                       i, t->tag, t->slot, t->sector_count);
            return false;
        }
        if (ahci_drive(p)->dev == NULL) {
            error_setf(errp, "ahci: port %u: queued command %u for no drive",
                       p->num, i);
            return false;
        }
        t->halt = true; /* there is no other way to go on */
    }
    p->port_state = p->port_state != 0 ? AHCI_IN_RESET : 0;
    return true;
}

static const Vmstate port_vmstate = {
    .name = "ahci port",
    .version = 1,
    .oldest = 0,
    .post_load = port_post_load,
    .fields =
        (const VmstateField[]){
            { .name = "port",
              .kind = VMS_STRUCT,
              .offset = offsetof(AhciPort, ch),
              .size = sizeof(IdeChannel),
              .vms = &ide_channel_vmstate,
              .struct_version = 1 },
            { .name = "port.ifs[0]",
              .kind = VMS_STRUCT,
              .offset = offsetof(AhciPort, ch.drives[0]),
              .size = sizeof(IdeDrive),
              .vms = &ide_drive_vmstate,
              .struct_version = 3 },
            VMSTATE_U32(AhciPort, port_state),
            VMSTATE_U32(AhciPort, finished),
            REGISTER(lst_addr),
            REGISTER(lst_addr_hi),
            REGISTER(fis_addr),
            REGISTER(fis_addr_hi),
            REGISTER(irq_stat),
            REGISTER(irq_mask),
            REGISTER(cmd),
            REGISTER(tfdata),
            REGISTER(sig),
            REGISTER(scr_stat),
            REGISTER(scr_ctl),
            REGISTER(scr_err),
            REGISTER(scr_act),
            REGISTER(cmd_issue),
            VMSTATE_BOOL(AhciPort, done_first_drq),
            VMSTATE_I32(AhciPort, busy_slot),
            VMSTATE_BOOL(AhciPort, init_d2h_sent),
            { .name = "ncq_tfs",
              .kind = VMS_STRUCT,
              .offset = offsetof(AhciPort, tags),
              .size = sizeof(AhciTag),
              .num = AHCI_SLOTS,
              .vms = &tag_vmstate,
              .struct_version = 1 },
            VMSTATE_END,
        },
};

static const Vmstate hba_vmstate = {
    .name = "ahci",
    .version = 1,
    .oldest = 0,
    .fields =
        (const VmstateField[]){
            { .name = "dev",
              .kind = VMS_STRUCT,
              .offset = offsetof(Ahci, ports),
              .size = sizeof(AhciPort),
              .num = AHCI_PORTS,
              .flags = VMF_DESC_EACH,
              .vms = &port_vmstate,
              .struct_version = 1 },
            CONTROL(cap),
            CONTROL(ghc),
            CONTROL(irqstatus),
            CONTROL(impl),
            CONTROL(version),
            VMSTATE_U32(Ahci, idp_index),
            { .name = "ports",
              .kind = VMS_I32_EQUAL,
              .offset = offsetof(Ahci, nports),
              .size = sizeof(int32_t) },
            VMSTATE_END,
        },
};

/* What went on here ends before any part of the new state comes. */
static bool ahci_pre_load(void *opaque, GError **errp)
{
    Ahci *s = opaque;

    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        ahci_port_cancel(&s->ports[i]);
    }
    return true;
}

/* What makes the receiver look for queued commands that wait. */
static bool ahci_pre_save(void *opaque, GError **errp)
{
    Ahci *s = opaque;

    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        AhciPort *p = &s->ports[i];

        for (unsigned k = 0; k < AHCI_SLOTS; k++) {
            if (p->tags[k].halt) {
                p->ch.error_status |= RETRY_NCQ;
            }
        }
    }
    return true;
}

static void ahci_post_save(void *opaque)
{
    Ahci *s = opaque;

    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        s->ports[i].ch.error_status &= ~RETRY_NCQ;
    }
}

static bool has_tags(const AhciPort *p)
{
    for (unsigned i = 0; i < AHCI_SLOTS; i++) {
        if (p->tags[i].used) {
            return true;
        }
    }
    return false;
}

/* Capabilities are this controller's, whatever the stream says. */
static bool ahci_post_load(void *opaque, int version, GError **errp)
{
    Ahci *s = opaque;

    s->cap = AHCI_CAP;
    s->impl = AHCI_IMPLEMENTED;
    s->version = AHCI_VERSION;
    s->idp_index &= AHCI_IDP_MASK;
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        AhciPort *p = &s->ports[i];

        /* A failed command keeps its bit until software stops the port. */
        p->halted = p->busy_slot < 0 && (p->tfdata & ST_ERR) &&
                    (p->cmd_issue | p->scr_act) != 0 && !has_tags(p);
        p->ch.error_status &= ~RETRY_NCQ; /* the tags say so themselves */
        p->moved = 0;
        p->overflow = false;
    }
    return true;
}

const Vmstate ahci_vmstate = {
    .name = "ich9_ahci",
    .version = 1,
    .oldest = 0,
    .pre_save = ahci_pre_save,
    .post_save = ahci_post_save,
    .pre_load = ahci_pre_load,
    .post_load = ahci_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(Ahci, pci, "parent_obj"),
            { .name = "ahci",
              .kind = VMS_STRUCT,
              .offset = 0,
              .size = sizeof(Ahci),
              .vms = &hba_vmstate,
              .struct_version = 1 },
            VMSTATE_END,
        },
};
