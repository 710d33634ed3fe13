/*
 * Breakpoints, watchpoints and single steps under KVM.
 *
 * Software breakpoints are INT3 instructions written into the guest, once for
 * all vCPUs; hardware breakpoints and watchpoints use the four debug
 * registers, which the guest then doesn't have.  KVM_SET_GUEST_DEBUG:
 * Documentation/virt/kvm/api.rst, 4.87; DR6 and DR7: Intel SDM volume 3, 17.2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include "accel/guest-memory.h"
#include "util/error.h"
#include "util/log.h"

enum {
    INT3 = 0xcc,
    VECTOR_DB = 1,
    VECTOR_BP = 3,
    NDR = 4, /* DR0..DR3 */
    DR7_FIXED = 0x400,
    DR7_GE = 1 << 9, /* exact data breakpoints: for old processors */
    DR6_BS = 1 << 14,
};

/* DR7's R/W field. */
enum { DR7_RW_EXEC = 0, DR7_RW_WRITE = 1, DR7_RW_ACCESS = 3 };

/* An INT3 of ours. */
typedef struct Patch {
    uint64_t addr; /* linear */
    uint64_t gpa;
    uint8_t old;
} Patch;

static const DebugPoint *find_soft(const DebugState *d, uint64_t addr)
{
    for (unsigned i = 0; d && i < d->npoints; i++) {
        if (d->points[i].kind == DEBUG_BREAK_SOFT &&
            d->points[i].addr == addr) {
            return &d->points[i];
        }
    }
    return NULL;
}

static bool has_patch(const KvmAccel *k, uint64_t addr)
{
    for (guint i = 0; i < k->patches->len; i++) {
        if (g_array_index(k->patches, Patch, i).addr == addr) {
            return true;
        }
    }
    return false;
}

static bool patch_insert(KvmVcpu *v, uint64_t addr, GError **errp)
{
    AddressSpace *as = &v->cpu->vm->mem.memory;
    const uint8_t int3 = INT3;
    Patch p = { .addr = addr };

    if (!vcpu_virt_to_phys(v->cpu, addr, &p.gpa)) {
        error_setf(errp, "KVM: breakpoint at 0x%" PRIx64 ": nothing is mapped",
                   addr);
        return false;
    }
    if (address_space_read(as, p.gpa, &p.old, 1) != MEM_OK ||
        address_space_write_rom(as, p.gpa, &int3, 1) != MEM_OK) {
        error_setf(errp, "KVM: breakpoint at 0x%" PRIx64 ": no memory", addr);
        return false;
    }
    g_array_append_val(v->kvm->patches, p);
    return true;
}

/* Unless the guest has put something else there meanwhile. */
static void patch_remove(KvmVcpu *v, const Patch *p)
{
    AddressSpace *as = &v->cpu->vm->mem.memory;
    uint8_t now;

    if (address_space_read(as, p->gpa, &now, 1) == MEM_OK && now == INT3) {
        address_space_write_rom(as, p->gpa, &p->old, 1);
    }
}

static bool patches_update(KvmVcpu *v, const DebugState *d, GError **errp)
{
    GArray *patches = v->kvm->patches;

    for (unsigned i = 0; d && i < d->npoints; i++) {
        const DebugPoint *p = &d->points[i];

        if (p->kind == DEBUG_BREAK_SOFT && !has_patch(v->kvm, p->addr) &&
            !patch_insert(v, p->addr, errp)) {
            return false;
        }
    }
    for (guint i = patches->len; i-- > 0;) {
        const Patch *p = &g_array_index(patches, Patch, i);

        if (!find_soft(d, p->addr)) {
            patch_remove(v, p);
            g_array_remove_index(patches, i);
        }
    }
    return true;
}

/* DR7's length field; -1: not a length, or not aligned to it. */
static int dr7_length(const DebugPoint *p)
{
    static const int8_t code[9] = { -1, 0, 1, -1, 3, -1, -1, -1, 2 };

    if (p->kind == DEBUG_BREAK_HARD) {
        return 0; /* the only one for execution */
    }
    if (p->len >= sizeof(code) || (p->addr & (p->len - 1))) {
        return -1;
    }
    return code[p->len];
}

static bool add_hard(struct kvm_guest_debug *g, unsigned n, const DebugPoint *p,
                     GError **errp)
{
    static const uint8_t rw[DEBUG_KINDS] = {
        [DEBUG_BREAK_HARD] = DR7_RW_EXEC,
        [DEBUG_WATCH_WRITE] = DR7_RW_WRITE,
        [DEBUG_WATCH_ACCESS] = DR7_RW_ACCESS,
    };
    int len = dr7_length(p);

    if (p->kind == DEBUG_WATCH_READ) {
        error_setf(errp, "KVM: the processor can't watch for reads alone");
        return false;
    }
    if (len < 0) {
        error_setf(errp,
                   "KVM: the processor can't watch %" PRIu64
                   " bytes at 0x%" PRIx64 ", only 1, 2, 4 or 8 aligned ones",
                   p->len, p->addr);
        return false;
    }
    if (n == NDR) {
        error_setf(errp, "KVM: the processor has %d debug registers", NDR);
        return false;
    }
    g->arch.debugreg[n] = p->addr;
    g->arch.debugreg[7] |= DR7_FIXED | DR7_GE | UINT64_C(2) << (2 * n) |
                           (uint64_t)rw[p->kind] << (16 + 4 * n) |
                           (uint64_t)len << (18 + 4 * n);
    g->control |= KVM_GUESTDBG_USE_HW_BP;
    return true;
}

static bool make_control(const KvmVcpu *v, const DebugState *d,
                         struct kvm_guest_debug *ret, GError **errp)
{
    unsigned n = 0;

    memset(ret, 0, sizeof(*ret));
    if (!d) {
        return true;
    }
    ret->control = KVM_GUESTDBG_ENABLE;
    for (unsigned i = 0; i < d->npoints; i++) {
        const DebugPoint *p = &d->points[i];

        if (p->kind == DEBUG_BREAK_SOFT) {
            ret->control |= KVM_GUESTDBG_USE_SW_BP;
        } else if (!add_hard(ret, n++, p, errp)) {
            return false;
        }
    }
    if (d->step) {
        ret->control |= KVM_GUESTDBG_SINGLESTEP;
        if (d->step_no_irq) {
            /* Answers 0 on kernels that can't. */
            ret->control |= kvm_check(v->kvm, KVM_CAP_SET_GUEST_DEBUG2) &
                            KVM_GUESTDBG_BLOCKIRQ;
        }
    }
    return true;
}

bool kvm_debug_update(Vcpu *cpu, const DebugState *d, GError **errp)
{
    KvmVcpu *v = kvm_vcpu_of(cpu);
    struct kvm_guest_debug g;
    int r;

    if (!v || !kvm_check(v->kvm, KVM_CAP_SET_GUEST_DEBUG)) {
        error_setf(errp, "KVM: this kernel can't debug guests");
        return false;
    }
    if (!make_control(v, d, &g, errp) || !patches_update(v, d, errp)) {
        return false;
    }
    /* The kernel notes where a step begins, so it must know RIP. */
    if (d && d->step && !vcpu_flush_state(cpu, errp)) {
        return false;
    }
    r = kvm_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &g);
    if (r < 0) {
        error_setf_errno(errp, r, "KVM: setting breakpoints of CPU %u failed",
                         cpu->index);
        return false;
    }
    v->debug = d;
    v->debug_ctl = g;
    return true;
}

/* Which of DR0..DR3 it was; -1: none of those that are set. */
static int dr_hit(const KvmVcpu *v, uint64_t dr6)
{
    for (int n = 0; n < NDR; n++) {
        if ((dr6 >> n & 1) && (v->debug_ctl.arch.debugreg[7] >> (2 * n) & 3)) {
            return n;
        }
    }
    return -1;
}

static bool stop_at_db(KvmVcpu *v, const struct kvm_debug_exit_arch *a,
                       DebugStop *ret)
{
    int n = dr_hit(v, a->dr6);

    if (n >= 0) {
        uint64_t addr = v->debug_ctl.arch.debugreg[n];
        unsigned rw = v->debug_ctl.arch.debugreg[7] >> (16 + 4 * n) & 3;

        *ret = (DebugStop){
            .reason = rw == DR7_RW_EXEC ? DEBUG_STOP_BREAKPOINT
                                        : DEBUG_STOP_WATCHPOINT,
            .kind = rw == DR7_RW_EXEC    ? DEBUG_BREAK_HARD
                    : rw == DR7_RW_WRITE ? DEBUG_WATCH_WRITE
                                         : DEBUG_WATCH_ACCESS,
            .addr = addr,
        };
        return true;
    }
    if (v->debug && v->debug->step && (a->dr6 & DR6_BS)) {
        *ret = (DebugStop){ .reason = DEBUG_STOP_STEP };
        return true;
    }
    return false;
}

/* An exception of the guest's own making, which it is to get. */
static void give_back(KvmVcpu *v, unsigned vector)
{
    struct kvm_guest_debug g = v->debug_ctl;
    int r;

    g.control |=
        KVM_GUESTDBG_ENABLE |
        (vector == VECTOR_BP ? KVM_GUESTDBG_INJECT_BP : KVM_GUESTDBG_INJECT_DB);
    r = kvm_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &g);
    if (r < 0) {
        log_warn("KVM: CPU %u: exception %u is lost: %s", v->cpu->index, vector,
                 g_strerror(-r));
    }
}

bool kvm_debug_exit(KvmVcpu *v)
{
    const struct kvm_debug_exit_arch *a = &v->run->debug.arch;
    DebugStop *stop = &v->cpu->debug_stop;

    if (a->exception == VECTOR_DB) {
        if (stop_at_db(v, a, stop)) {
            return true;
        }
    } else if (find_soft(v->debug, a->pc)) {
        *stop = (DebugStop){
            .reason = DEBUG_STOP_BREAKPOINT,
            .kind = DEBUG_BREAK_SOFT,
            .addr = a->pc,
        };
        return true;
    }
    give_back(v, a->exception == VECTOR_DB ? VECTOR_DB : VECTOR_BP);
    return false;
}

void kvm_debug_init(KvmAccel *k)
{
    k->patches = g_array_new(FALSE, FALSE, sizeof(Patch));
}

void kvm_debug_fini(KvmAccel *k)
{
    g_clear_pointer(&k->patches, g_array_unref);
}
