/*
 * SMBus host controller of the PIIX4 and the ICH9, with eight EEPROMs on its
 * bus.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_SMBUS_H
#define HW_ACPI_SMBUS_H

#include "hw/core/device.h"

enum {
    SMBUS_PORTS = 64,
    SMBUS_BLOCK = 32,
    SMBUS_EEPROMS = 8,
    SMBUS_EEPROM_SIZE = 256,
};

/* A byte-addressed memory; not migrated, like the board's own. */
typedef struct SmbusEeprom {
    uint8_t data[SMBUS_EEPROM_SIZE];
    uint8_t pos;
} SmbusEeprom;

typedef struct Smbus {
    uint8_t stat, ctl, cmd, addr, data0, data1; /* migrated, to `pending` */
    uint32_t index;                             /* in data; < SMBUS_BLOCK */
    uint8_t data[SMBUS_BLOCK];
    uint8_t auxctl, blkdata;
    bool i2c_enable, op_done, in_block_read;
    bool pending;                       /* runs when the status is read next */
    uint8_t saved_address;              /* of the "i2c_bus" section */
    SmbusEeprom eeproms[SMBUS_EEPROMS]; /* at addresses 0x50 on */
    VmstateEntry *bus_entry;
    IrqLine irq; /* high while a finished transfer is to be heard of */
} Smbus;

/* auxctl: its register after power-on. */
void smbus_init(Smbus *s, struct Vm *vm, uint8_t auxctl);
void smbus_fini(Smbus *s, struct Vm *vm);
uint64_t smbus_read(Smbus *s, unsigned off);
void smbus_write(Smbus *s, unsigned off, uint8_t val);
/* To the state after power-on; the memories keep what they hold. */
void smbus_reset(Smbus *s, uint8_t auxctl);
extern const Vmstate smbus_vmstate;

enum {
    SMBUS_AUXCTL_E32B = 1 << 1, /* blocks go through the buffer */
};

#endif
