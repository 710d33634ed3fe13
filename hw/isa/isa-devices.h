/*
 * The types of the devices that boards and users put on the ISA bus and
 * beside it.  What a board has to know of one beyond its properties is in
 * the device's own header.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_ISA_DEVICES_H
#define HW_ISA_ISA_DEVICES_H

#include "hw/core/device.h"

extern const DeviceType serial_isa_type;   /* isa-serial */
extern const DeviceType parallel_isa_type; /* isa-parallel */
extern const DeviceType debugcon_type;     /* isa-debugcon */
extern const DeviceType debug_exit_type;   /* isa-debug-exit */
extern const DeviceType kvmvapic_type;     /* kvmvapic */

/* Made by boards; see the headers in hw/intc and hw/timer. */
extern const DeviceType apic_type;       /* apic */
extern const DeviceType kvm_apic_type;   /* kvm-apic */
extern const DeviceType ioapic_type;     /* ioapic */
extern const DeviceType kvm_ioapic_type; /* kvm-ioapic */
extern const DeviceType i8259_type;      /* isa-i8259 */
extern const DeviceType kvm_i8259_type;  /* kvm-i8259 */
extern const DeviceType pit_type;        /* isa-pit */
extern const DeviceType kvm_pit_type;    /* kvm-pit */
extern const DeviceType pcspk_type;      /* isa-pcspk */
extern const DeviceType rtc_type;        /* mc146818rtc */
extern const DeviceType hpet_type;       /* hpet */

extern const DeviceType i8257_type; /* i8257, see hw/isa/i8257.h */

/* See hw/isa/i8042.h. */
extern const DeviceType i8042_type;     /* i8042 */
extern const DeviceType ps2_kbd_type;   /* ps2-kbd */
extern const DeviceType ps2_mouse_type; /* ps2-mouse */
extern const DeviceType port92_type;    /* port92 */

extern const DeviceType fdc_type;     /* isa-fdc */
extern const DeviceType vmport_type;  /* vmport, see hw/misc/vmport.h */
extern const DeviceType vmmouse_type; /* vmmouse */

extern const DeviceType pvpanic_isa_type; /* pvpanic */
extern const DeviceType ib700_type;       /* ib700 */

extern const DeviceType pc_testdev_type; /* pc-testdev */

#endif
