/*
 * SMBus host controller of the PIIX4 and the ICH9, and memories on its bus.
 *
 * Behaviour: Intel 82371AB data sheet (290562-001), section 7.3; System
 * Management Bus Specification 2.0, section 5.5 (bus protocols).
 * Stream: "pmsmb" version 1 within the chip's section, and "i2c_bus"
 * version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/smbus.h"

#include "system/vm.h"
#include "util/error.h"

enum {
    SMBHSTSTS = 0x00,
    SMBHSTCNT = 0x02,
    SMBHSTCMD = 0x03,
    SMBHSTADD = 0x04,
    SMBHSTDAT0 = 0x05,
    SMBHSTDAT1 = 0x06,
    SMBBLKDAT = 0x07,
    SMBAUXCTL = 0x0d,

    STS_BUSY = 1 << 0,
    STS_INTR = 1 << 1,
    STS_DEV_ERR = 1 << 2,
    STS_FAILED = 1 << 4,

    CNT_INTREN = 1 << 0,
    CNT_KILL = 1 << 1,
    CNT_START = 1 << 6,
    CNT_STORED = 0x1f,
    CNT_PROTOCOL_SHIFT = 2,

    PROTO_QUICK = 0,
    PROTO_BYTE = 1,
    PROTO_BYTE_DATA = 2,
    PROTO_WORD_DATA = 3,
    PROTO_BLOCK = 5,

    AUXCTL_STORED = 0x03,
    EEPROM_ADDR = 0x50,
};

static uint8_t eeprom_next(SmbusEeprom *e)
{
    return e->data[e->pos++];
}

static void eeprom_store(SmbusEeprom *e, uint8_t val)
{
    e->data[e->pos++] = val;
}

static void read_transaction(Smbus *s, SmbusEeprom *e, unsigned proto)
{
    if (proto != PROTO_BYTE) {
        e->pos = s->cmd;
    }
    s->data0 = eeprom_next(e);
    if (proto == PROTO_WORD_DATA) {
        s->data1 = eeprom_next(e);
    }
    if (proto == PROTO_BLOCK) {
        unsigned n = MIN(s->data0, SMBUS_BLOCK);

        e->pos = s->cmd;
        s->index = 0;
        for (unsigned i = 0; i < n; i++) {
            s->data[i] = eeprom_next(e);
        }
    }
}

/* On the wire, a block's count goes before its bytes: a memory keeps both. */
static void write_transaction(Smbus *s, SmbusEeprom *e, unsigned proto)
{
    e->pos = s->cmd;
    if (proto == PROTO_BYTE) {
        return;
    }
    eeprom_store(e, s->data0);
    if (proto == PROTO_WORD_DATA) {
        eeprom_store(e, s->data1);
    }
    if (proto == PROTO_BLOCK) {
        unsigned n = MIN(s->data0, SMBUS_BLOCK);

        for (unsigned i = 0; i < n; i++) {
            eeprom_store(e, s->data[i]);
        }
        s->index = 0;
    }
}

/* Not busy any more, which the guest wants to hear of. */
static void update_irq(Smbus *s)
{
    irq_set(&s->irq, (s->ctl & CNT_INTREN) &&
                         (s->stat & (STS_INTR | STS_DEV_ERR | STS_FAILED)));
}

static void smbus_transaction(Smbus *s)
{
    unsigned proto = (s->ctl >> CNT_PROTOCOL_SHIFT) & 7;
    unsigned n = (s->addr >> 1) - EEPROM_ADDR;
    bool known = proto <= PROTO_WORD_DATA || proto == PROTO_BLOCK;

    s->pending = false;
    if (n >= SMBUS_EEPROMS || !known) {
        s->stat = STS_DEV_ERR;
        return;
    }
    if (proto != PROTO_QUICK) {
        if (s->addr & 1) {
            read_transaction(s, &s->eeproms[n], proto);
        } else {
            write_transaction(s, &s->eeproms[n], proto);
        }
    }
    s->stat = STS_INTR;
}

/* Busy is what the first look at the status says. */
static uint8_t read_status(Smbus *s)
{
    uint8_t stat = s->stat;

    if (s->pending) {
        smbus_transaction(s);
        update_irq(s);
    }
    return stat;
}

static uint8_t read_block(Smbus *s)
{
    uint8_t val = s->data[s->index];
    unsigned n = CLAMP(s->data0, 1, SMBUS_BLOCK);

    s->index = (s->index + 1) % n;
    return val;
}

uint64_t smbus_read(Smbus *s, unsigned off)
{
    switch (off) {
    case SMBHSTSTS:
        return read_status(s);
    case SMBHSTCNT:
        s->index = 0;
        return s->ctl;
    case SMBHSTCMD:
        return s->cmd;
    case SMBHSTADD:
        return s->addr;
    case SMBHSTDAT0:
        return s->data0;
    case SMBHSTDAT1:
        return s->data1;
    case SMBBLKDAT:
        return read_block(s);
    case SMBAUXCTL:
        return s->auxctl;
    default:
        return 0;
    }
}

static void write_control(Smbus *s, uint8_t val)
{
    s->ctl = val & CNT_STORED;
    if (val & CNT_KILL) {
        s->pending = false;
        s->stat |= STS_FAILED;
        return;
    }
    if (val & CNT_START) {
        s->stat = STS_BUSY;
        s->op_done = true;
        s->pending = true;
        /* Nobody polls who waits for an interrupt. */
        if (val & CNT_INTREN) {
            smbus_transaction(s);
        }
    }
}

void smbus_write(Smbus *s, unsigned off, uint8_t val)
{
    switch (off) {
    case SMBHSTSTS:
        s->stat &= ~(val & ~STS_BUSY);
        update_irq(s);
        break;
    case SMBHSTCNT:
        write_control(s, val);
        update_irq(s);
        break;
    case SMBHSTCMD:
        s->cmd = val;
        break;
    case SMBHSTADD:
        s->addr = val;
        break;
    case SMBHSTDAT0:
        s->data0 = val;
        break;
    case SMBHSTDAT1:
        s->data1 = val;
        break;
    case SMBBLKDAT:
        s->data[s->index] = val;
        s->index = (s->index + 1) % SMBUS_BLOCK;
        break;
    case SMBAUXCTL:
        s->auxctl = val & AUXCTL_STORED;
        break;
    default:
        break;
    }
}

static bool smbus_post_load(void *opaque, int version, GError **errp)
{
    const Smbus *s = opaque;

    if (s->index >= SMBUS_BLOCK) {
        error_setf(errp, "block index %u: at most %u", s->index,
                   SMBUS_BLOCK - 1);
        return false;
    }
    return true;
}

#define SMB_FIELD(name_, f, k)                                      \
    {                                                               \
        .name = (name_), .kind = (k), .offset = offsetof(Smbus, f), \
        .size = sizeof(((Smbus *)0)->f)                             \
    }

const Vmstate smbus_vmstate = {
    .name = "pmsmb",
    .version = 1,
    .oldest = 1,
    .post_load = smbus_post_load,
    .fields =
        (const VmstateField[]){
            SMB_FIELD("smb_stat", stat, VMS_U8),
            SMB_FIELD("smb_ctl", ctl, VMS_U8),
            SMB_FIELD("smb_cmd", cmd, VMS_U8),
            SMB_FIELD("smb_addr", addr, VMS_U8),
            SMB_FIELD("smb_data0", data0, VMS_U8),
            SMB_FIELD("smb_data1", data1, VMS_U8),
            SMB_FIELD("smb_index", index, VMS_U32),
            { .name = "smb_data",
              .kind = VMS_U8,
              .offset = offsetof(Smbus, data),
              .size = 1,
              .num = SMBUS_BLOCK },
            SMB_FIELD("smb_auxctl", auxctl, VMS_U8),
            SMB_FIELD("smb_blkdata", blkdata, VMS_U8),
            SMB_FIELD("i2c_enable", i2c_enable, VMS_BOOL),
            SMB_FIELD("op_done", op_done, VMS_BOOL),
            SMB_FIELD("in_i2c_block_read", in_block_read, VMS_BOOL),
            SMB_FIELD("start_transaction_on_status_read", pending, VMS_BOOL),
            VMSTATE_END,
        },
};

static const Vmstate bus_vmstate = {
    .name = "i2c_bus",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(Smbus, saved_address),
            VMSTATE_END,
        },
};

void smbus_reset(Smbus *s, uint8_t auxctl)
{
    s->stat = 0;
    s->ctl = 0;
    s->cmd = 0;
    s->addr = 0;
    s->data0 = 0;
    s->data1 = 0;
    s->index = 0;
    memset(s->data, 0, sizeof(s->data));
    s->auxctl = auxctl;
    s->op_done = true;
    s->pending = false;
    update_irq(s);
}

void smbus_init(Smbus *s, Vm *vm, uint8_t auxctl)
{
    smbus_reset(s, auxctl);
    s->saved_address = 0xff;
    if (vm->vmstates != NULL) {
        s->bus_entry =
            vmstate_register(vm->vmstates, NULL, -1, &bus_vmstate, s);
    }
}

void smbus_fini(Smbus *s, Vm *vm)
{
    if (s->bus_entry != NULL) {
        vmstate_unregister(vm->vmstates, s->bus_entry);
        s->bus_entry = NULL;
    }
}
