/*
 * Opening KVM, making the VM, and the accelerator's table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "util/bitmap.h"
#include "util/error.h"
#include "util/log.h"

/* Where Intel's real-mode helpers of the kernel live: below the 256 KiB of
 * firmware that end at 4 GiB, where no RAM can be (api.rst, 4.8 and 4.37). */
#define KVM_IDENTITY_BASE 0xfeffc000ULL
#define KVM_TSS_BASE      0xfeffd000ULL

int kvm_ioctl(int fd, unsigned long req, const void *arg)
{
    int r;

    do {
        r = ioctl(fd, req, arg);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

int kvm_ioctl_num(int fd, unsigned long req, unsigned long arg)
{
    return kvm_ioctl(fd, req, (const void *)(uintptr_t)arg);
}

int kvm_check(const KvmAccel *k, int cap)
{
    int r = kvm_ioctl_num(k->vm_fd, KVM_CHECK_EXTENSION, cap);

    return MAX(r, 0);
}

bool kvm_enable_cap(int fd, uint32_t cap, uint64_t arg0, GError **errp)
{
    struct kvm_enable_cap ec = { .cap = cap, .args = { arg0 } };
    int r = kvm_ioctl(fd, KVM_ENABLE_CAP, &ec);

    if (r < 0) {
        error_setf_errno(errp, r, "KVM: enabling capability %u failed", cap);
        return false;
    }
    return true;
}

static bool kvm_check_options(KvmAccel *k, GError **errp)
{
    if (k->opt_irqchip == KERNEL_IRQCHIP_OFF ||
        k->opt_irqchip == KERNEL_IRQCHIP_SPLIT) {
        error_setf(errp, "KVM: kernel-irqchip=%s is not supported, only on",
                   k->opt_irqchip == KERNEL_IRQCHIP_OFF ? "off" : "split");
        return false;
    }
    if (k->opt_ring_size && !is_pow2(k->opt_ring_size)) {
        error_setf(errp, "KVM: dirty-ring-size=%u is not a power of two",
                   k->opt_ring_size);
        return false;
    }
    if (k->opt_shadow_mem != -1) {
        error_setf(errp, "KVM: kvm-shadow-mem=%" PRId64 " is not supported",
                   k->opt_shadow_mem);
        return false;
    }
    return true;
}

static bool kvm_open_device(KvmAccel *k, GError **errp)
{
    int version;

    k->fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (k->fd < 0) {
        error_setf_errno(errp, errno, "KVM: opening /dev/kvm failed");
        return false;
    }
    version = kvm_ioctl_num(k->fd, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) {
        error_setf(errp, "KVM: /dev/kvm speaks API version %d, not %d", version,
                   KVM_API_VERSION);
        return false;
    }
    k->vm_fd = kvm_ioctl_num(k->fd, KVM_CREATE_VM, 0);
    if (k->vm_fd < 0) {
        int err = k->vm_fd;

        k->vm_fd = -1;
        error_setf_errno(errp, err, "KVM: creating a VM failed");
        return false;
    }
    return true;
}

/* What nothing here works without; all of it is in kernels since 4.12. */
static bool kvm_check_caps(KvmAccel *k, GError **errp)
{
    static const struct {
        int cap;
        const char *name;
    } need[] = {
        { KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
        { KVM_CAP_DESTROY_MEMORY_REGION_WORKS,
          "KVM_CAP_DESTROY_MEMORY_REGION_WORKS" },
        { KVM_CAP_JOIN_MEMORY_REGIONS_WORKS,
          "KVM_CAP_JOIN_MEMORY_REGIONS_WORKS" },
        { KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
        { KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
        { KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
        { KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
        { KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS" },
        { KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
        { KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
        { KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
        { KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
        { KVM_CAP_PIT2, "KVM_CAP_PIT2" },
        { KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK" },
        { KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
        { KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(need); i++) {
        if (!kvm_check(k, need[i].cap)) {
            error_set_class(errp, ERROR_CLASS_KVM_MISSING_CAP,
                            "KVM: the kernel lacks %s", need[i].name);
            return false;
        }
    }
    return true;
}

static void kvm_probe_caps(KvmAccel *k)
{
    int len;

    k->sync_regs = kvm_check(k, KVM_CAP_SYNC_REGS);
    k->has_xsave = kvm_check(k, KVM_CAP_XSAVE);
    k->has_xcrs = kvm_check(k, KVM_CAP_XCRS);
    k->has_debugregs = kvm_check(k, KVM_CAP_DEBUGREGS);
    k->has_sregs2 = kvm_check(k, KVM_CAP_SREGS2);
    k->has_tsc_control = kvm_check(k, KVM_CAP_TSC_CONTROL);
    k->has_tsc_khz = kvm_check(k, KVM_CAP_GET_TSC_KHZ);
    k->has_resample = kvm_check(k, KVM_CAP_IRQFD_RESAMPLE);
    k->has_ioeventfd_any_length = kvm_check(k, KVM_CAP_IOEVENTFD_ANY_LENGTH);
    k->has_coalesced_pio = kvm_check(k, KVM_CAP_COALESCED_PIO);
    k->ring_page = kvm_check(k, KVM_CAP_COALESCED_MMIO);
    k->max_vcpus = kvm_check(k, KVM_CAP_MAX_VCPUS);
    k->max_vcpu_id = kvm_check(k, KVM_CAP_MAX_VCPU_ID);
    k->xsave_len = sizeof(struct kvm_xsave);
    len = kvm_check(k, KVM_CAP_XSAVE2);
    if (len >= (int)sizeof(struct kvm_xsave)) {
        k->has_xsave2 = true;
        k->xsave_len = len;
    }
    /* Both change what events carry; a kernel without them does without. */
    k->has_payload =
        kvm_check(k, KVM_CAP_EXCEPTION_PAYLOAD) &&
        kvm_enable_cap(k->vm_fd, KVM_CAP_EXCEPTION_PAYLOAD, 1, NULL);
    k->has_triple_fault =
        kvm_check(k, KVM_CAP_X86_TRIPLE_FAULT_EVENT) &&
        kvm_enable_cap(k->vm_fd, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1, NULL);
}

static bool kvm_vm_setup(KvmAccel *k, GError **errp)
{
    uint64_t identity = KVM_IDENTITY_BASE;
    int r;

    /* Before any vCPU exists. */
    if (kvm_check(k, KVM_CAP_SET_IDENTITY_MAP_ADDR)) {
        r = kvm_ioctl(k->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
        if (r < 0) {
            error_setf_errno(errp, r, "KVM: setting the identity map failed");
            return false;
        }
    }
    r = kvm_ioctl_num(k->vm_fd, KVM_SET_TSS_ADDR, KVM_TSS_BASE);
    if (r < 0) {
        error_setf_errno(errp, r, "KVM: setting the TSS address failed");
        return false;
    }
    r = kvm_ioctl_num(k->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (r < (int)sizeof(struct kvm_run)) {
        error_setf(errp, "KVM: vCPU area of %d bytes is too small", r);
        return false;
    }
    k->run_size = r;
    return true;
}

static bool kvm_open(KvmAccel *k, GError **errp)
{
    if (!kvm_check_options(k, errp) || !kvm_open_device(k, errp) ||
        !kvm_check_caps(k, errp)) {
        return false;
    }
    kvm_probe_caps(k);
    return kvm_vm_setup(k, errp) && kvm_support_init(k, errp) &&
           kvm_dirty_init(k, errp) && kvm_slots_init(k, errp);
}

static void kvm_fini(Accel *acc)
{
    KvmAccel *k = KVM_ACCEL(acc);

    kvm_slots_fini(k);
    kvm_irq_fini(k);
    kvm_support_fini(k);
    if (k->vm_fd >= 0) {
        close(k->vm_fd);
    }
    if (k->fd >= 0) {
        close(k->fd);
    }
    k->fd = k->vm_fd = -1;
    g_clear_pointer(&k->bad_msrs, g_array_unref);
    kvm_debug_fini(k);
    cond_fini(&k->run_cond);
    lock_fini(&k->run_lock);
}

static bool kvm_init(Accel *acc, GError **errp)
{
    KvmAccel *k = KVM_ACCEL(acc);

    k->fd = k->vm_fd = -1;
    lock_init(&k->run_lock);
    cond_init(&k->run_cond);
    k->bad_msrs = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    kvm_debug_init(k);
    acc->single_cpu_sync = true;
    if (!kvm_open(k, errp)) {
        kvm_fini(acc);
        return false;
    }
    return true;
}

static const X86CpuSupport *kvm_cpu_support(Accel *acc)
{
    return &KVM_ACCEL(acc)->support;
}

/* The guest has the host's CPU to itself: HLT, PAUSE and MWAIT stay in it. */
static bool kvm_enable_cpu_pm(Accel *acc, GError **errp)
{
    KvmAccel *k = KVM_ACCEL(acc);
    int can =
        kvm_check(k, KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_VALID_EXITS;

    if (!can) {
        error_setf(errp, "cpu-pm=on: this host's KVM can't do without exits");
        return false;
    }
    if (!kvm_enable_cap(k->vm_fd, KVM_CAP_X86_DISABLE_EXITS, can, errp)) {
        return false;
    }
    if (can & KVM_X86_DISABLE_EXITS_MWAIT) {
        k->support.words[X86_FEAT_1_ECX] |= BIT(3); /* monitor */
    }
    return true;
}

bool accel_is_kvm(const Accel *acc)
{
    return acc && acc->type == &kvm_accel_type;
}

int kvm_vm_fd(const Accel *acc)
{
    return accel_is_kvm(acc) ? KVM_ACCEL((Accel *)acc)->vm_fd : -1;
}

void kvm_counters(const Accel *acc, KvmCounters *ret)
{
    const KvmAccel *k = KVM_ACCEL((Accel *)acc);
    const uint64_t *src = (const uint64_t *)&k->count;
    uint64_t *dst = (uint64_t *)ret;

    for (size_t i = 0; i < sizeof(*ret) / sizeof(*dst); i++) {
        dst[i] = __atomic_load_n(&src[i], __ATOMIC_RELAXED);
    }
}

static const char *const kvm_irqchip_names[] = { "auto", "off", "split", "on",
                                                 NULL };

static const Property kvm_props[] = {
    PROP(PROP_ENUM, KvmAccel, opt_irqchip, "kernel-irqchip",
         .names = kvm_irqchip_names, .type_name = "on|off|split",
         .help = "Configure KVM in-kernel irqchip"),
    PROP(PROP_U32, KvmAccel, opt_ring_size, "dirty-ring-size",
         .help = "Size of KVM dirty page ring buffer (0: use bitmap)"),
    PROP(PROP_I64, KvmAccel, opt_shadow_mem, "kvm-shadow-mem", .def = -1,
         .type_name = "int", .help = "KVM shadow MMU size"),
    PROP_END,
};

const AccelType kvm_accel_type = {
    .name = "kvm",
    .size = sizeof(KvmAccel),
    .props = kvm_props,
    .init = kvm_init,
    .fini = kvm_fini,
    .irqchip_create = kvm_irqchip_create,
    .vcpu_init = kvm_vcpu_init,
    .vcpu_fini = kvm_vcpu_fini,
    .vcpu_run = kvm_vcpu_run,
    .vcpu_kick = kvm_vcpu_kick,
    .vcpu_get_state = kvm_vcpu_get_state,
    .vcpu_put_state = kvm_vcpu_put_state,
    .vcpu_get_tsc = kvm_vcpu_get_tsc,
    .vcpu_nmi = kvm_vcpu_nmi,
    .dirtied = kvm_ring_dirtied,
    .irqchip = &kvm_irqchip_ops,
    .cpu_support = kvm_cpu_support,
    .enable_cpu_pm = kvm_enable_cpu_pm,
    .debug_update = kvm_debug_update,
};
