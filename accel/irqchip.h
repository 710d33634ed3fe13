/*
 * Interrupt controllers' architectural state in neutral form, shared by the
 * device models (hw/intc, hw/timer) and by accelerators that run them in the
 * kernel.  A device whose model runs in the kernel reads this with the
 * IrqchipOps before it is saved, and writes it after it was loaded or reset.
 *
 * Register names: Intel 8259A, 82093AA, 8254 data sheets; SDM vol. 3, 11.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_IRQCHIP_H
#define ACCEL_IRQCHIP_H

#include "util/base.h"

struct Accel;
struct Vcpu;

typedef struct PicState {
    uint8_t last_irr; /* input levels, for edge detection */
    uint8_t irr, imr, isr;
    uint8_t priority_add; /* highest priority input, 0..7 */
    uint8_t irq_base;     /* vector of input 0 */
    uint8_t read_reg_select;
    uint8_t poll;
    uint8_t special_mask;
    uint8_t init_state; /* ICW expected next, 0: initialised */
    uint8_t auto_eoi;
    uint8_t rotate_on_auto_eoi;
    uint8_t special_fully_nested_mode;
    uint8_t init4;           /* ICW4 follows */
    uint8_t elcr, elcr_mask; /* 1: level triggered */
} PicState;

#define IOAPIC_PINS 24
typedef struct IoapicState {
    uint64_t base_address;
    uint32_t id; /* bits 27:24 of the ID register, as number */
    uint32_t ioregsel;
    uint32_t irr;
    uint64_t redir[IOAPIC_PINS]; /* redirection table, as in the data sheet */
} IoapicState;

typedef struct PitChannelState {
    int32_t count; /* 1..0x10000 */
    uint16_t latched_count;
    uint8_t count_latched, status_latched, status;
    uint8_t read_state, write_state, write_latch;
    uint8_t rw_mode, mode, bcd, gate;
    int64_t count_load_ns; /* virtual clock when the count was loaded */
} PitChannelState;

typedef struct PitState {
    PitChannelState ch[3];
    bool hpet_legacy; /* channel 0 is switched off by the HPET */
    bool speaker_data_on;
} PitState;

/* The 4 KiB register page: 32 bits at every 16 bytes. */
#define LAPIC_REGS_SIZE 1024
typedef struct LapicRegs {
    uint8_t regs[LAPIC_REGS_SIZE];
} LapicRegs;

/* One message: address and data as a PCI function writes them. */
typedef struct MsiMessage {
    uint64_t address;
    uint32_t data;
} MsiMessage;

/*
 * The other way round: local APICs that are modelled here, for accelerators
 * that have none; Accel.apic.  vm_lock held, in the vCPU's thread.
 */
typedef struct UserApicOps {
    /* The vector to deliver now, which then is in service; -1: none. */
    int (*take)(struct Vcpu *cpu);
    /* Task priority, of which CR8 is the upper half. */
    void (*set_tpr)(struct Vcpu *cpu, uint8_t tpr);
    uint8_t (*get_tpr)(struct Vcpu *cpu);
    /*
     * Registers that are the APIC's: false: this isn't one.  *ret_ok false:
     * the access raises #GP.
     */
    bool (*rdmsr)(struct Vcpu *cpu, uint32_t msr, uint64_t *ret, bool *ret_ok);
    bool (*wrmsr)(struct Vcpu *cpu, uint32_t msr, uint64_t v, bool *ret_ok);
    /* The vCPU's TSC was set, which a timer may go by. */
    void (*tsc_written)(struct Vcpu *cpu);
    /*
     * FERR#: with CR0.NE clear, an x87 exception waits.  False: the board
     * doesn't listen.  It answers with AccelType.vcpu_ignne.
     */
    bool (*ferr)(struct Vcpu *cpu);
} UserApicOps;

typedef struct IrqchipOps {
    bool (*get_pic)(struct Accel *a, unsigned chip, PicState *ret, GError **e);
    bool (*put_pic)(struct Accel *a, unsigned chip, const PicState *s,
                    GError **e);
    bool (*get_ioapic)(struct Accel *a, IoapicState *ret, GError **e);
    bool (*put_ioapic)(struct Accel *a, const IoapicState *s, GError **e);
    bool (*get_pit)(struct Accel *a, PitState *ret, GError **e);
    bool (*put_pit)(struct Accel *a, const PitState *s, GError **e);
    /* Are ticks that the guest had no time for given later? At first: yes. */
    bool (*pit_reinject)(struct Accel *a, bool on, GError **e);
    bool (*get_lapic)(struct Vcpu *cpu, LapicRegs *ret, GError **e);
    bool (*put_lapic)(struct Vcpu *cpu, const LapicRegs *s, GError **e);
    /* Level of a GSI: 0..15 to PICs and I/O APIC, 16..23 I/O APIC only. */
    void (*set_gsi)(struct Accel *a, unsigned gsi, bool level);
    bool (*send_msi)(struct Accel *a, const MsiMessage *msg);
    /* Routes for irqfds: returns a virtual GSI, < 0: -errno. */
    int (*add_msi_route)(struct Accel *a, const MsiMessage *msg);
    int (*update_msi_route)(struct Accel *a, int virq, const MsiMessage *msg);
    /*
     * Between them routes are changed in memory only; the outermost commit
     * tells the kernel, if anything changed, in one call.  0 or -errno.
     */
    void (*routes_begin)(struct Accel *a);
    int (*routes_commit)(struct Accel *a);
    void (*release_virq)(struct Accel *a, int virq);
    int (*add_irqfd)(struct Accel *a, int fd, int resample_fd, int virq);
    int (*del_irqfd)(struct Accel *a, int fd, int virq);
    /* kvmclock, nanoseconds. */
    bool (*get_clock)(struct Accel *a, uint64_t *ret_ns, bool *ret_stable,
                      GError **e);
    bool (*set_clock)(struct Accel *a, uint64_t ns, GError **e);
} IrqchipOps;

#endif
