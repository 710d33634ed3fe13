/*
 * Insides of the KVM accelerator.
 *
 * All interfaces: the kernel's Documentation/virt/kvm/api.rst.
 *
 * Locks, in the order in which they nest: vm_lock, slots_lock, run_lock.
 * None of them is held across KVM_RUN.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_KVM_KVM_PRIV_H
#define ACCEL_KVM_KVM_PRIV_H

#include <linux/kvm.h>

#include "accel/kvm/kvm.h"
#include "target/i386/cpu.h"
#include "target/i386/xsave.h"

typedef struct KvmAccel KvmAccel;
typedef struct KvmSlot KvmSlot;
typedef struct KvmVcpu KvmVcpu;

/* A piece of guest-physical space that the kernel maps without us. */
struct KvmSlot {
    uint64_t gpa, size; /* bytes, multiples of the page */
    uint16_t id;
    uint32_t flags; /* KVM_MEM_* as the kernel has them */
    RamBlock *ram;
    uint64_t ram_off; /* bytes, of gpa in the block */
    uint8_t log_mask; /* clients beyond the global log */
    /*
     * While it logs: bit per page that the kernel holds as dirty and that is
     * in the blocks' bitmaps already, so that it may be cleared (slots_lock).
     * The kernel wants whole 64-bit words.
     */
    unsigned long *reported;
};

/* One change, gathered between begin and commit of a transaction. */
typedef struct KvmSlotChange {
    uint64_t gpa, size;
    RamBlock *ram;
    uint64_t ram_off;
    uint32_t flags; /* KVM_MEM_READONLY */
    uint8_t log_mask;
} KvmSlotChange;

typedef struct KvmMsrs {
    struct kvm_msrs *buf; /* room for all entries */
    uint16_t *index;      /* entry i of buf is row index[i] of the table */
    unsigned n;
} KvmMsrs;

struct KvmVcpu {
    KvmAccel *kvm;
    Vcpu *cpu;
    int fd;
    struct kvm_run *run;
    size_t run_size;
    /* run->s holds the registers as of the last exit. */
    bool sync_valid;
    bool io_pending;    /* the last exit is completed by the next KVM_RUN */
    bool in_run;        /* atomic; partner of KvmAccel.hold */
    unsigned lost_seen; /* for ram_lost_look() */
    struct kvm_xsave *xsave; /* kvm->xsave_len bytes, 4096 aligned */
    KvmMsrs get, put;
    LapicRegs lapic; /* given by the device, put again with the registers */
    bool lapic_pending;
    int64_t tsc_khz;                  /* the kernel's; 0: not asked yet */
    struct kvm_dirty_gfn *dirty_ring; /* dirty-ring.c; NULL: none */
    uint32_t dirty_next;              /* entry to harvest; slots_lock */
    uint32_t dirty_seen;              /* of those not counted, the first */
    uint64_t dirty_count;             /* entries seen so far; slots_lock */
    /* debug.c: as the last kvm_debug_update() left it. */
    const DebugState *debug; /* borrowed; NULL: not debugged */
    struct kvm_guest_debug debug_ctl;
};

struct KvmAccel {
    Accel acc;
    /* Properties. */
    int opt_irqchip; /* KernelIrqchip */
    uint32_t opt_ring_size;
    int64_t opt_shadow_mem; /* -1: unset */
    uint64_t max_slot_size; /* bytes; the kernel's limit, less in tests */

    int fd, vm_fd;
    size_t run_size;
    uint32_t sync_regs; /* KVM_SYNC_X86_* the kernel offers */
    size_t xsave_len;
    bool has_xsave, has_xcrs, has_debugregs;
    bool has_xsave2, has_sregs2, has_payload, has_triple_fault;
    bool has_tsc_control, has_tsc_khz, has_ioeventfd_any_length;
    bool has_resample, has_coalesced_pio;
    bool adjust_clock;
    unsigned max_vcpus, max_vcpu_id;

    struct kvm_cpuid2 *cpuid; /* KVM_GET_SUPPORTED_CPUID */
    struct kvm_msr_list *msr_list;
    X86CpuSupport support;
    X86XsaveLayout xsave_layout;

    /* slots.c, dirty.c */
    Lock slots_lock;
    MemoryListener mem_listener, io_listener;
    GPtrArray *slots; /* KvmSlot, sorted by gpa; slots_lock */
    unsigned long *slot_ids;
    unsigned nslots_max;
    GArray *adds, *dels; /* KvmSlotChange; vm_lock */
    bool log_all;        /* slots_lock */
    bool manual_clear, initially_set;
    uint32_t dirty_entries; /* of each vCPU's dirty ring; 0: bitmaps */
    GPtrArray *dirty_vcpus; /* KvmVcpu with a ring; slots_lock */
    bool dirty_unarmed;     /* harvested since the last reset; slots_lock */
    bool dirty_broken;      /* the last reset failed; slots_lock */

    /* How a change of slots keeps vCPUs out of the guest. */
    Lock run_lock;
    Cond run_cond;
    bool hold;              /* atomic; written with run_lock */
    unsigned leave_waiters; /* atomic */

    GArray *bad_msrs; /* uint32_t; those warned about; run_lock */

    /* irq.c */
    struct kvm_irq_routing *routes; /* vm_lock */
    unsigned routes_room;           /* entries that fit */
    unsigned routes_depth;          /* of open batches */
    bool routes_changed;            /* since the kernel was told */
    unsigned long *virqs;           /* taken GSIs */
    unsigned nvirqs;
    bool pit_created;

    /* coalesced.c */
    struct kvm_coalesced_mmio_ring *ring;
    bool draining;         /* vm_lock */
    unsigned ring_entries; /* capacity */
    unsigned ring_page;    /* offset in kvm_run's mapping */

    GArray *patches; /* debug.c; vm_lock */

    int64_t clock_read_ns; /* vm_lock; CLOCK_MONOTONIC */

    KvmCounters count; /* atomic */
};

#define KVM_ACCEL(acc_) container_of(acc_, KvmAccel, acc)

static inline KvmAccel *kvm_of(const Vm *vm)
{
    return KVM_ACCEL((Accel *)vm->accel);
}

static inline KvmVcpu *kvm_vcpu_of(const Vcpu *cpu)
{
    return cpu->accel_data;
}

/* ioctl() again on EINTR; -errno. */
int kvm_ioctl(int fd, unsigned long req, const void *arg);
/* A number or an id as the argument. */
int kvm_ioctl_num(int fd, unsigned long req, unsigned long arg);
/* KVM_CHECK_EXTENSION on the VM: 0 if there is none. */
int kvm_check(const KvmAccel *k, int cap);
bool kvm_enable_cap(int fd, uint32_t cap, uint64_t arg0, GError **errp);
#define KVM_COUNT(k, field) \
    __atomic_fetch_add(&(k)->count.field, 1, __ATOMIC_RELAXED)

/* cpu-support.c */
bool kvm_support_init(KvmAccel *k, GError **errp);
void kvm_support_fini(KvmAccel *k);
bool kvm_set_cpuid(KvmVcpu *v, GError **errp);
bool kvm_has_msr(const KvmAccel *k, uint32_t msr);

/* slots.c */
bool kvm_slots_init(KvmAccel *k, GError **errp);
void kvm_slots_fini(KvmAccel *k);
/* First slot whose end is above gpa; slots->len if there is none. */
unsigned kvm_slot_search(const KvmAccel *k, uint64_t gpa);
int kvm_slot_set(KvmAccel *k, KvmSlot *slot, uint32_t flags);
/* Keeps vCPUs out of the guest; vm_lock held.  They wait at its door. */
void kvm_hold_vcpus(KvmAccel *k);
void kvm_release_vcpus(KvmAccel *k);

/* dirty.c */
bool kvm_dirty_init(KvmAccel *k, GError **errp);
/* Turns the slot's log on or off as the masks ask; slots_lock held. -errno. */
int kvm_slot_update_log(KvmAccel *k, KvmSlot *slot);
uint32_t kvm_slot_log_flags(const KvmAccel *k, const KvmSlot *slot);
/* The slot was just made with a log: forget what isn't dirty. */
void kvm_slot_log_begin(KvmAccel *k, KvmSlot *slot);
/* The slot is about to go: keeps what it knows.  slots_lock held. */
void kvm_slot_log_end(KvmAccel *k, KvmSlot *slot);
void kvm_log_change(MemoryListener *l, const MemorySection *s, uint8_t old,
                    uint8_t now);
void kvm_log_sync(MemoryListener *l, const MemorySection *s);
void kvm_log_clear(MemoryListener *l, const MemorySection *s);
bool kvm_log_global_start(MemoryListener *l, GError **errp);
void kvm_log_global_stop(MemoryListener *l);

/* dirty-ring.c: with dirty-ring-size, in place of the bitmaps */
bool kvm_ring_init(KvmAccel *k, GError **errp);
bool kvm_ring_dirtied(Accel *acc, uint64_t *ret, bool arm);
/* After the vCPU was made, before it goes; nothing where there are bitmaps. */
bool kvm_ring_add_vcpu(KvmAccel *k, KvmVcpu *v, GError **errp);
void kvm_ring_del_vcpu(KvmAccel *k, KvmVcpu *v);
void kvm_ring_sync(MemoryListener *l, bool last_stage);
void kvm_ring_protect(MemoryListener *l);
/* Harvests all rings, and arms what was harvested; slots_lock held. */
void kvm_ring_drain(KvmAccel *k);
/* A vCPU can't go on for want of room: its thread, no lock held. */
void kvm_ring_full(KvmAccel *k);

/* ioeventfd.c */
void kvm_mem_eventfd_add(MemoryListener *l, const MemorySection *s,
                         const MemoryEventFd *e);
void kvm_mem_eventfd_del(MemoryListener *l, const MemorySection *s,
                         const MemoryEventFd *e);
void kvm_io_eventfd_add(MemoryListener *l, const MemorySection *s,
                        const MemoryEventFd *e);
void kvm_io_eventfd_del(MemoryListener *l, const MemorySection *s,
                        const MemoryEventFd *e);

/* coalesced.c */
void kvm_mem_coalesced_add(MemoryListener *l, const MemorySection *s,
                           uint64_t addr, uint64_t size);
void kvm_mem_coalesced_del(MemoryListener *l, const MemorySection *s,
                           uint64_t addr, uint64_t size);
void kvm_io_coalesced_add(MemoryListener *l, const MemorySection *s,
                          uint64_t addr, uint64_t size);
void kvm_io_coalesced_del(MemoryListener *l, const MemorySection *s,
                          uint64_t addr, uint64_t size);
/* Carries out the writes that the kernel has gathered. */
void kvm_coalesced_drain(KvmAccel *k);
void kvm_coalesced_flush(void *opaque);

/* irq.c */
bool kvm_irqchip_create(Accel *acc, KernelIrqchip mode, GError **errp);
void kvm_irq_fini(KvmAccel *k);
extern const IrqchipOps kvm_irqchip_ops;

/* debug.c */
void kvm_debug_init(KvmAccel *k);
void kvm_debug_fini(KvmAccel *k);
bool kvm_debug_update(Vcpu *cpu, const DebugState *d, GError **errp);
/* After KVM_EXIT_DEBUG: is the VM to stop?  Else the guest goes on. */
bool kvm_debug_exit(KvmVcpu *v);

/* clock.c */
bool kvm_get_clock(Accel *acc, uint64_t *ret_ns, bool *ret_stable,
                   GError **errp);
bool kvm_set_clock(Accel *acc, uint64_t ns, GError **errp);
bool kvm_vcpu_get_tsc(Vcpu *cpu, uint64_t *ret_tsc, GError **errp);

/* vcpu.c */
bool kvm_vcpu_init(Vcpu *cpu, GError **errp);
void kvm_vcpu_fini(Vcpu *cpu);
VcpuExit kvm_vcpu_run(Vcpu *cpu);
void kvm_vcpu_kick(Vcpu *cpu);
void kvm_vcpu_nmi(Vcpu *cpu);
/*
 * Has the kernel leave registers, special registers and events in run->s, by
 * a KVM_RUN that runs nothing; the vCPU's thread.  False: use ioctls.
 */
bool kvm_vcpu_sync_regs(KvmVcpu *v);
/*
 * While all vCPUs are being stopped, in one's own thread: waits until none of
 * them is in the guest any more.
 */
void kvm_wait_others_out(KvmVcpu *v);

/* state.c */
bool kvm_state_init(KvmVcpu *v, GError **errp);
void kvm_state_fini(KvmVcpu *v);
bool kvm_vcpu_get_state(Vcpu *cpu, GError **errp);
bool kvm_vcpu_put_state(Vcpu *cpu, VcpuPutLevel level, GError **errp);

/* msr.c */
/* One MSR of a vCPU, or what the system (fd of /dev/kvm) offers; -errno. */
int kvm_get_one_msr(int fd, uint32_t index, uint64_t *ret);
bool kvm_msrs_init(KvmVcpu *v, GError **errp);
void kvm_msrs_fini(KvmVcpu *v);
bool kvm_msrs_get(KvmVcpu *v, GError **errp);
/* late: those that have to follow the local APIC, else the others. */
bool kvm_msrs_put(KvmVcpu *v, VcpuPutLevel level, bool late, GError **errp);

#endif
