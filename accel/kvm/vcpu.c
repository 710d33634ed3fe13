/*
 * A vCPU: its life, KVM_RUN and what to do when it returns.
 *
 * An exit for port or memory-mapped I/O is complete only after the next
 * KVM_RUN; before a pause that is made up for with immediate_exit set, so
 * that the state that is read afterwards is between two instructions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "system/ramblock-lost.h"
#include "util/error.h"
#include "util/log.h"
#include "util/trace.h"

/* Looks at the other vCPUs before waiting for them asleep: all of them have
 * been kicked at once and are out within microseconds. */
#define KVM_LEAVE_SPINS 40

/* What to do after an exit. */
typedef enum KvmNext {
    KVM_NEXT_RUN,   /* on with the guest */
    KVM_NEXT_LEAVE, /* look at requests */
    KVM_NEXT_DEBUG, /* came upon what a debugger waits for */
    KVM_NEXT_STOP,  /* the guest can't go on */
} KvmNext;

static bool kvm_create_vcpu(KvmVcpu *v, GError **errp)
{
    KvmAccel *k = v->kvm;
    void *map;

    if (k->max_vcpu_id && v->cpu->apic_id >= k->max_vcpu_id) {
        error_setf(errp, "KVM: APIC id %u: the kernel's limit is %u",
                   v->cpu->apic_id, k->max_vcpu_id - 1);
        return false;
    }
    v->fd = kvm_ioctl_num(k->vm_fd, KVM_CREATE_VCPU, v->cpu->apic_id);
    if (v->fd < 0) {
        error_setf_errno(errp, v->fd, "KVM: creating vCPU %u failed",
                         v->cpu->index);
        v->fd = -1;
        return false;
    }
    map = mmap(NULL, k->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
    if (map == MAP_FAILED) {
        error_setf_errno(errp, errno, "KVM: mapping vCPU %u failed",
                         v->cpu->index);
        return false;
    }
    v->run = map;
    v->run_size = k->run_size;
    if (!kvm_ring_add_vcpu(k, v, errp)) {
        return false;
    }
    if (k->ring_page && !k->ring) {
        /* One ring per VM; every vCPU's mapping shows it. */
        k->ring = (void *)((uint8_t *)map + k->ring_page * RAM_PAGE_SIZE);
        k->ring_entries = (RAM_PAGE_SIZE - sizeof(*k->ring)) /
                          sizeof(k->ring->coalesced_mmio[0]);
    }
    return true;
}

static void kvm_vcpu_release(KvmVcpu *v)
{
    KvmAccel *k = v->kvm;

    kvm_state_fini(v);
    kvm_ring_del_vcpu(k, v);
    if (v->run) {
        if (k->ring && (uint8_t *)k->ring >= (uint8_t *)v->run &&
            (uint8_t *)k->ring < (uint8_t *)v->run + v->run_size) {
            k->ring = NULL;
        }
        munmap(v->run, v->run_size);
    }
    if (v->fd >= 0) {
        close(v->fd);
    }
    g_free(v);
}

bool kvm_vcpu_init(Vcpu *cpu, GError **errp)
{
    KvmVcpu *v;

    if (!cpu->x86) {
        error_setf(errp, "KVM: CPU %u has no model", cpu->index);
        return false;
    }
    v = g_new0(KvmVcpu, 1);
    v->kvm = kvm_of(cpu->vm);
    v->cpu = cpu;
    v->fd = -1;
    if (!kvm_create_vcpu(v, errp) || !kvm_set_cpuid(v, errp) ||
        !kvm_state_init(v, errp)) {
        kvm_vcpu_release(v);
        return false;
    }
    cpu->accel_data = v;
    vcpu_mark_state(cpu, VCPU_PUT_FULL);
    return true;
}

void kvm_vcpu_fini(Vcpu *cpu)
{
    KvmVcpu *v = kvm_vcpu_of(cpu);

    if (v) {
        cpu->accel_data = NULL;
        kvm_vcpu_release(v);
    }
}

void kvm_vcpu_kick(Vcpu *cpu)
{
    KvmVcpu *v = kvm_vcpu_of(cpu);

    if (v) {
        /* Read by the kernel on its way out: saves reading them by ioctls. */
        __atomic_store_n(&v->run->kvm_valid_regs, v->kvm->sync_regs,
                         __ATOMIC_RELAXED);
        __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    }
    vcpu_send_ipi(cpu);
}

static void kvm_do_nmi(Vcpu *cpu, void *opaque)
{
    KvmVcpu *v = kvm_vcpu_of(cpu);

    vcpu_invalidate_state(cpu);
    v->sync_valid = false;
    kvm_ioctl_num(v->fd, KVM_NMI, 0);
}

void kvm_vcpu_nmi(Vcpu *cpu)
{
    /* On its own thread: the kernel holds the vCPU while it runs. */
    if (kvm_vcpu_of(cpu)) {
        vcpu_run_on_async(cpu, kvm_do_nmi, NULL);
    }
}

/* Enters the guest's door, unless a change of slots keeps it shut. */
static void kvm_vcpu_enter(KvmVcpu *v)
{
    KvmAccel *k = v->kvm;

    __atomic_store_n(&v->in_run, true, __ATOMIC_SEQ_CST);
    if (likely(!__atomic_load_n(&k->hold, __ATOMIC_SEQ_CST))) {
        return;
    }
    LOCK_GUARD(&k->run_lock);
    __atomic_store_n(&v->in_run, false, __ATOMIC_SEQ_CST);
    cond_broadcast(&k->run_cond);
    while (__atomic_load_n(&k->hold, __ATOMIC_SEQ_CST)) {
        cond_wait(&k->run_cond, &k->run_lock);
    }
    __atomic_store_n(&v->in_run, true, __ATOMIC_SEQ_CST);
}

static void kvm_vcpu_leave(KvmVcpu *v)
{
    KvmAccel *k = v->kvm;

    __atomic_store_n(&v->in_run, false, __ATOMIC_SEQ_CST);
    if (unlikely(__atomic_load_n(&k->hold, __ATOMIC_SEQ_CST) ||
                 __atomic_load_n(&k->leave_waiters, __ATOMIC_SEQ_CST))) {
        LOCK_GUARD(&k->run_lock);
        cond_broadcast(&k->run_cond);
    }
}

/* Is some other vCPU, which is to stop too, still in the guest? */
static bool kvm_others_run(const KvmVcpu *v)
{
    const Vm *vm = v->cpu->vm;

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        const Vcpu *cpu = vm->vcpus[i];
        const KvmVcpu *o = kvm_vcpu_of(cpu);

        if (o && o != v && __atomic_load_n(&cpu->stop, __ATOMIC_SEQ_CST) &&
            __atomic_load_n(&o->in_run, __ATOMIC_SEQ_CST)) {
            return true;
        }
    }
    return false;
}

void kvm_wait_others_out(KvmVcpu *v)
{
    KvmAccel *k = v->kvm;

    for (unsigned i = 0; i < KVM_LEAVE_SPINS && kvm_others_run(v); i++) {
        sched_yield();
    }
    if (!kvm_others_run(v)) {
        return;
    }
    LOCK_GUARD(&k->run_lock);
    /* Partner: kvm_vcpu_leave() clears in_run, then looks here. */
    __atomic_fetch_add(&k->leave_waiters, 1, __ATOMIC_SEQ_CST);
    while (kvm_others_run(v)) {
        cond_wait(&k->run_cond, &k->run_lock);
    }
    __atomic_fetch_sub(&k->leave_waiters, 1, __ATOMIC_SEQ_CST);
}

static int kvm_run_ioctl(KvmVcpu *v)
{
    int r;

    /*
     * RFLAGS bit 1 is always set (SDM volume 1, 3.4.3): if it still is clear
     * afterwards, the kernel has not stored the registers.
     */
    v->run->s.regs.regs.rflags = 0;
    r = ioctl(v->fd, KVM_RUN, 0);
    r = r < 0 ? -errno : r;
    v->sync_valid = v->kvm->sync_regs == KVM_SYNC_X86_VALID_FIELDS &&
                    (v->run->s.regs.regs.rflags & 2);
    return r;
}

static int kvm_run_guest(KvmVcpu *v)
{
    int r;

    kvm_vcpu_enter(v);
    r = kvm_run_ioctl(v);
    kvm_vcpu_leave(v);
    KVM_COUNT(v->kvm, exits);
    return r;
}

bool kvm_vcpu_sync_regs(KvmVcpu *v)
{
    if (v->kvm->sync_regs != KVM_SYNC_X86_VALID_FIELDS || v->io_pending) {
        return false;
    }
    __atomic_store_n(&v->run->kvm_valid_regs, v->kvm->sync_regs,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    kvm_run_ioctl(v);
    return v->sync_valid;
}

static void kvm_exit_io(KvmVcpu *v)
{
    struct kvm_run *run = v->run;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    AddressSpace *as = &v->cpu->vm->mem.io;
    unsigned size = run->io.size;

    for (uint32_t i = 0; i < run->io.count; i++, data += size) {
        if (run->io.direction == KVM_EXIT_IO_OUT) {
            address_space_write(as, run->io.port, data, size);
        } else {
            address_space_read(as, run->io.port, data, size);
        }
    }
}

static void kvm_exit_mmio(KvmVcpu *v)
{
    struct kvm_run *run = v->run;
    AddressSpace *as = &v->cpu->vm->mem.memory;
    uint32_t len = MIN(run->mmio.len, sizeof(run->mmio.data));

    if (run->mmio.is_write) {
        address_space_write(as, run->mmio.phys_addr, run->mmio.data, len);
    } else {
        address_space_read(as, run->mmio.phys_addr, run->mmio.data, len);
    }
}

static void kvm_print_state(KvmVcpu *v)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) err = NULL;

    vcpu_invalidate_state(v->cpu);
    v->sync_valid = false;
    if (vcpu_sync_state(v->cpu, &err)) {
        x86_cpu_print_registers(v->cpu->x86, text, false);
        fputs(text->str, stderr);
    }
}

static KvmNext kvm_exit_internal_error(KvmVcpu *v)
{
    static const char *const reason[] = {
        [0] = "unknown",
        [KVM_INTERNAL_ERROR_EMULATION] = "emulation failure",
        [KVM_INTERNAL_ERROR_SIMUL_EX] = "simultaneous exceptions",
        [KVM_INTERNAL_ERROR_DELIVERY_EV] = "exit while delivering an event",
        [KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "unexpected exit",
    };
    const struct kvm_run *run = v->run;
    uint32_t sub = run->internal.suberror;

    log_error("KVM: CPU %u: internal error %u (%s)", v->cpu->index, sub,
              sub < G_N_ELEMENTS(reason) ? reason[sub] : reason[0]);
    for (unsigned i = 0;
         i < MIN(run->internal.ndata, G_N_ELEMENTS(run->internal.data)); i++) {
        fprintf(stderr, "extra data[%u]: 0x%016llx\n", i,
                run->internal.data[i]);
    }
    kvm_print_state(v);
    return KVM_NEXT_STOP;
}

static KvmNext kvm_exit_fail_entry(KvmVcpu *v)
{
    log_error("KVM: CPU %u: entry failed, hardware reason 0x%llx",
              v->cpu->index, v->run->fail_entry.hardware_entry_failure_reason);
    kvm_print_state(v);
    return KVM_NEXT_STOP;
}

/* The main thread acts; until then this vCPU is to rest. */
static KvmNext kvm_exit_reset(KvmVcpu *v, ShutdownCause cause)
{
    __atomic_store_n(&v->cpu->stop, true, __ATOMIC_SEQ_CST);
    vm_request_reset(v->cpu->vm, cause);
    return KVM_NEXT_LEAVE;
}

static KvmNext kvm_exit_system_event(KvmVcpu *v)
{
    switch (v->run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        __atomic_store_n(&v->cpu->stop, true, __ATOMIC_SEQ_CST);
        vm_request_shutdown(v->cpu->vm, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        return KVM_NEXT_LEAVE;
    case KVM_SYSTEM_EVENT_RESET:
        return kvm_exit_reset(v, SHUTDOWN_CAUSE_GUEST_RESET);
    default:
        log_error("KVM: CPU %u: unknown system event %u", v->cpu->index,
                  v->run->system_event.type);
        return KVM_NEXT_STOP;
    }
}

static KvmNext kvm_handle_exit(KvmVcpu *v)
{
    /* Writes that were gathered come before the one that led here. */
    kvm_coalesced_drain(v->kvm);
    switch (v->run->exit_reason) {
    case KVM_EXIT_IO:
        kvm_exit_io(v);
        v->io_pending = true;
        return KVM_NEXT_RUN;
    case KVM_EXIT_MMIO:
        kvm_exit_mmio(v);
        v->io_pending = true;
        return KVM_NEXT_RUN;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        return KVM_NEXT_LEAVE;
    case KVM_EXIT_SHUTDOWN:
        /* A triple fault: SDM volume 3, 6.15, "shutdown". */
        return kvm_exit_reset(v, SHUTDOWN_CAUSE_GUEST_RESET);
    case KVM_EXIT_SYSTEM_EVENT:
        return kvm_exit_system_event(v);
    case KVM_EXIT_DIRTY_RING_FULL:
        kvm_ring_full(v->kvm);
        return KVM_NEXT_RUN;
    case KVM_EXIT_DEBUG:
        return kvm_debug_exit(v) ? KVM_NEXT_DEBUG : KVM_NEXT_RUN;
    case KVM_EXIT_FAIL_ENTRY:
        return kvm_exit_fail_entry(v);
    case KVM_EXIT_INTERNAL_ERROR:
        return kvm_exit_internal_error(v);
    default:
        log_error("KVM: CPU %u: unexpected exit reason %u", v->cpu->index,
                  v->run->exit_reason);
        kvm_print_state(v);
        return KVM_NEXT_STOP;
    }
}

static KvmNext kvm_run_failed(KvmVcpu *v, int err)
{
    if (err == -EINTR || err == -EAGAIN) {
        /* What was pending is complete: the kernel does that first. */
        v->io_pending = false;
        return KVM_NEXT_RUN;
    }
    if (err == -EFAULT && ram_lost_look(&v->lost_seen)) {
        return KVM_NEXT_RUN; /* it touched what a file no longer has */
    }
    log_error("KVM: CPU %u: running failed: %s", v->cpu->index,
              g_strerror(-err));
    kvm_print_state(v);
    return KVM_NEXT_STOP;
}

static bool kvm_exit_wanted(const Vcpu *cpu)
{
    return __atomic_load_n(&cpu->exit_request, __ATOMIC_SEQ_CST);
}

VcpuExit kvm_vcpu_run(Vcpu *cpu)
{
    KvmVcpu *v = kvm_vcpu_of(cpu);
    struct kvm_run *run = v->run;
    KvmNext next = KVM_NEXT_RUN;

    v->lapic_pending = false; /* it lives on in the kernel from now on */
    for (;;) {
        KvmNext n;
        int r;

        /* Partner: kick sets exit_request before immediate_exit. */
        __atomic_store_n(&run->kvm_valid_regs, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        if (next != KVM_NEXT_RUN || kvm_exit_wanted(cpu)) {
            if (!v->io_pending || next == KVM_NEXT_STOP) {
                break;
            }
            __atomic_store_n(&run->kvm_valid_regs, v->kvm->sync_regs,
                             __ATOMIC_RELAXED);
            __atomic_store_n(&run->immediate_exit, 1, __ATOMIC_RELAXED);
        } else if (unlikely(cpu->state_loaded)) {
            break; /* a device changed registers: put first */
        }
        r = kvm_run_guest(v);
        if (r < 0) {
            n = kvm_run_failed(v, r);
            next = MAX(next, n);
            continue;
        }
        v->io_pending = false;
        n = kvm_handle_exit(v); /* MAX() evaluates its arguments twice */
        next = MAX(next, n);
    }
    return next == KVM_NEXT_STOP    ? VCPU_EXIT_STOP
           : next == KVM_NEXT_DEBUG ? VCPU_EXIT_DEBUG
                                    : VCPU_EXIT_AGAIN;
}
