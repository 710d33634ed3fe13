/*
 * Local APICs, one per vCPU: modelled here (apic) or in the accelerator
 * (kvm-apic); and the messages that devices send to them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_INTC_APIC_H
#define HW_INTC_APIC_H

#include "accel/vcpu.h"
#include "hw/isa/isa-devices.h"

#define APIC_ADDR UINT64_C(0xfee00000)
#define APIC_SIZE UINT64_C(0x100000) /* registers, and messages to all */

/* What a local APIC does to its vCPU beyond interrupts; see the SDM. */
typedef enum ApicEvent {
    APIC_EVENT_SMI,
    APIC_EVENT_NMI,
    APIC_EVENT_INIT,
    APIC_EVENT_SIPI, /* with the page number of the start address */
} ApicEvent;
typedef void ApicEventFn(Vcpu *cpu, ApicEvent ev, uint8_t page);

/*
 * The vCPU's local APIC, "lapic" below it in the object tree; with the first
 * of a VM comes the section "kvm-tpr-opt".  vm_lock held, as for all below.
 */
Device *apic_create(Vcpu *cpu, bool kernel, GError **errp);
/* NULL if it has none. */
Device *apic_of(const Vcpu *cpu);

/*
 * A message-signalled interrupt, to whoever has the local APICs.  I/O APICs
 * and PCI functions send with this.
 */
void msi_send(Vm *vm, uint64_t addr, uint32_t data);

/*
 * For a CPU that runs in here.  Inputs irq_in(dev, 0 and 1) are LINT0 and
 * LINT1; the vCPU is kicked when there is something to take.
 */
/* The vector that waits and may interrupt now, or -1. */
int apic_pending(Device *apic);
/* As above, and puts it in service. */
int apic_take(Device *apic);
/* The 8259As have something (i8259_acknowledge()), and LINT0 lets it in. */
bool apic_pending_extint(Device *apic);
/* Kicks the vCPU if there is something for it to take. */
void apic_recheck(Device *apic);
/* Where INIT, start-up and the like go; NULL: nowhere, which is logged. */
void apic_set_event_fn(Device *apic, ApicEventFn *fn);
/* CR8 is the upper half of the task priority. */
void apic_set_tpr(Device *apic, uint8_t tpr);
uint8_t apic_get_tpr(Device *apic);
void apic_init_reset(Device *apic); /* INIT: all but the ID */
/* The vCPU's TSC was set: a deadline may be past, or farther away. */
void apic_tsc_written(Device *apic);
/* IA32_APIC_BASE, IA32_TSC_DEADLINE and those of x2APIC mode. */
bool apic_msr_owns(uint32_t msr);
/* In the vCPU's thread.  False: #GP. */
bool apic_msr_read(Device *apic, uint32_t msr, uint64_t *ret);
bool apic_msr_write(Device *apic, uint32_t msr, uint64_t v);

/* `info lapic` */
void apic_print(Device *apic, GString *out);

#endif
