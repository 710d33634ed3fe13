/*
 * The dirty log by rings: each vCPU has one, into which the kernel puts what
 * that vCPU dirties, so that a sync costs what was written and not what there
 * is of memory.
 *
 * Interface: the kernel's Documentation/virt/kvm/api.rst, 8.29
 * KVM_CAP_DIRTY_LOG_RING.
 *
 *   flags   0 -- the kernel puts a page --> DIRTY -- harvested --> RESET
 *           ^------------------- KVM_RESET_DIRTY_RINGS ------------'
 *
 * A page whose entry was harvested is reported again only after a reset of
 * the rings, which therefore comes before the page is read.  Both happen with
 * slots_lock held, which kvm_ring_protect() takes, too: a sender that took a
 * harvested bit waits for the reset.  Harvested at the last sync the pages
 * need none unless the guest runs on; then kvm_ring_protect() makes up for it.
 *
 * On x86 the kernel writes guest memory for some vCPU only: there is always a
 * ring for it, and KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP isn't needed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include <sys/mman.h>

#include "util/bitmap.h"
#include "util/error.h"
#include "util/log.h"

/* Pages of one word of the slot that were harvested one after the other. */
typedef struct RingRun {
    const KvmSlot *slot; /* NULL: none yet */
    uint64_t word;       /* first page in the slot, a multiple of 64 */
    unsigned long bits;
} RingRun;

static KvmAccel *kvm_of_listener(MemoryListener *l)
{
    return container_of(l, KvmAccel, mem_listener);
}

static const KvmSlot *slot_by_id(const KvmAccel *k, uint32_t id)
{
    for (unsigned i = 0; i < k->slots->len; i++) {
        const KvmSlot *slot = g_ptr_array_index(k->slots, i);

        if (slot->id == id) {
            return slot;
        }
    }
    return NULL;
}

static void run_flush(RingRun *run)
{
    if (!run->slot) {
        return;
    }
    for (unsigned c = 0; c < DIRTY_CLIENTS; c++) {
        ram_block_merge_dirty(run->slot->ram, c,
                              (run->slot->ram_off >> RAM_PAGE_BITS) + run->word,
                              &run->bits, BITMAP_WORD_BITS);
    }
    run->bits = 0;
}

static void run_add(KvmAccel *k, RingRun *run, uint32_t id, uint64_t page)
{
    uint64_t word = ROUND_DOWN(page, (uint64_t)BITMAP_WORD_BITS);

    if (!run->slot || run->slot->id != id || run->word != word) {
        run_flush(run);
        run->slot = slot_by_id(k, id);
        run->word = word;
    }
    /* A slot that went took its last entries along. */
    if (run->slot && page < run->slot->size >> RAM_PAGE_BITS) {
        run->bits |= 1UL << (page - word);
    }
}

/* Counts what the kernel has put into one ring, and leaves it there. */
static void ring_count(KvmAccel *k, KvmVcpu *v)
{
    while (v->dirty_seen - v->dirty_next < k->dirty_entries) {
        const struct kvm_dirty_gfn *e =
            &v->dirty_ring[v->dirty_seen & (k->dirty_entries - 1)];

        if (__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) !=
            KVM_DIRTY_GFN_F_DIRTY) {
            break;
        }
        v->dirty_seen++;
        v->dirty_count++;
    }
}

bool kvm_ring_dirtied(Accel *acc, uint64_t *ret, bool arm)
{
    KvmAccel *k = container_of(acc, KvmAccel, acc);

    if (!k->dirty_entries || ret == NULL) {
        return k->dirty_entries != 0;
    }
    memset(ret, 0, k->acc.vm->nvcpus * sizeof(*ret));
    LOCK_GUARD(&k->slots_lock);
    if (arm) {
        kvm_ring_drain(k);
    }
    for (unsigned i = 0; i < k->dirty_vcpus->len; i++) {
        KvmVcpu *v = g_ptr_array_index(k->dirty_vcpus, i);

        ring_count(k, v);
        if (v->cpu->index < k->acc.vm->nvcpus) {
            ret[v->cpu->index] = v->dirty_count;
        }
    }
    return true;
}

/* What the kernel put into one ring, to the blocks' bitmaps. */
static void harvest_vcpu(KvmAccel *k, KvmVcpu *v)
{
    RingRun run = { 0 };

    for (;;) {
        struct kvm_dirty_gfn *e =
            &v->dirty_ring[v->dirty_next & (k->dirty_entries - 1)];

        /* Partner: the kernel stores slot and offset before the flag. */
        if (__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) !=
            KVM_DIRTY_GFN_F_DIRTY) {
            break;
        }
        run_add(k, &run, e->slot, e->offset);
        __atomic_store_n(&e->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
        v->dirty_next++;
        k->dirty_unarmed = true;
    }
    run_flush(&run);
    /* Those that were not seen in between count now. */
    if ((int32_t)(v->dirty_next - v->dirty_seen) > 0) {
        v->dirty_count += v->dirty_next - v->dirty_seen;
        v->dirty_seen = v->dirty_next;
    }
}

static void ring_harvest(KvmAccel *k)
{
    for (unsigned i = 0; i < k->dirty_vcpus->len; i++) {
        harvest_vcpu(k, g_ptr_array_index(k->dirty_vcpus, i));
    }
}

/* Nothing is known any more: everything may have been written. */
static void mark_all(KvmAccel *k)
{
    for (unsigned i = 0; i < k->slots->len; i++) {
        const KvmSlot *slot = g_ptr_array_index(k->slots, i);

        memory_dirty_log_mark(slot->ram, slot->ram_off >> RAM_PAGE_BITS,
                              slot->size >> RAM_PAGE_BITS);
    }
}

/* Has what was harvested reported again when it is written. */
static void reset_rings(KvmAccel *k)
{
    int r;

    if (!k->dirty_unarmed) {
        return;
    }
    r = kvm_ioctl_num(k->vm_fd, KVM_RESET_DIRTY_RINGS, 0);
    if (r < 0 && !k->dirty_broken) {
        log_error("KVM: resetting the dirty rings failed: %s", g_strerror(-r));
        vm_stop_request(k->acc.vm, RUN_STATE_INTERNAL_ERROR);
    }
    k->dirty_broken = r < 0;
    k->dirty_unarmed = k->dirty_broken;
}

void kvm_ring_sync(MemoryListener *l, bool last_stage)
{
    KvmAccel *k = kvm_of_listener(l);

    LOCK_GUARD(&k->slots_lock);
    ring_harvest(k);
    if (!last_stage) {
        reset_rings(k);
    }
    if (k->dirty_broken) {
        mark_all(k);
    }
}

void kvm_ring_protect(MemoryListener *l)
{
    KvmAccel *k = kvm_of_listener(l);

    LOCK_GUARD(&k->slots_lock);
    reset_rings(k);
}

void kvm_ring_drain(KvmAccel *k)
{
    ring_harvest(k);
    reset_rings(k);
}

void kvm_ring_full(KvmAccel *k)
{
    KVM_COUNT(k, ring_full);
    LOCK_GUARD(&k->slots_lock);
    kvm_ring_drain(k);
}

bool kvm_ring_add_vcpu(KvmAccel *k, KvmVcpu *v, GError **errp)
{
    void *map;

    if (!k->dirty_entries) {
        return true;
    }
    map = mmap(NULL, k->dirty_entries * sizeof(struct kvm_dirty_gfn),
               PROT_READ | PROT_WRITE, MAP_SHARED, v->fd,
               KVM_DIRTY_LOG_PAGE_OFFSET * RAM_PAGE_SIZE);
    if (map == MAP_FAILED) {
        error_setf_errno(errp, errno,
                         "KVM: mapping vCPU %u's dirty ring failed",
                         v->cpu->index);
        return false;
    }
    v->dirty_ring = map;
    LOCK_GUARD(&k->slots_lock);
    g_ptr_array_add(k->dirty_vcpus, v);
    return true;
}

void kvm_ring_del_vcpu(KvmAccel *k, KvmVcpu *v)
{
    if (!v->dirty_ring) {
        return;
    }
    {
        LOCK_GUARD(&k->slots_lock);
        /* The kernel forgets its ring, and which pages to arm. */
        kvm_ring_drain(k);
        g_ptr_array_remove(k->dirty_vcpus, v);
    }
    munmap(v->dirty_ring, k->dirty_entries * sizeof(struct kvm_dirty_gfn));
    v->dirty_ring = NULL;
}

bool kvm_ring_init(KvmAccel *k, GError **errp)
{
    uint32_t n = k->opt_ring_size;
    int cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL;
    uint64_t max = kvm_check(k, cap) / sizeof(struct kvm_dirty_gfn);
    g_autoptr(GError) err = NULL;

    if (!max) {
        /* Kernels before 6.1; on x86 the two are the same. */
        cap = KVM_CAP_DIRTY_LOG_RING;
        max = kvm_check(k, cap) / sizeof(struct kvm_dirty_gfn);
    }
    if (!max) {
        error_setf(errp,
                   "KVM: dirty-ring-size=%u: the kernel has no dirty rings", n);
        return false;
    }
    if (n > max) {
        error_setf(errp,
                   "KVM: dirty-ring-size=%u: the kernel takes at most %" PRIu64,
                   n, max);
        return false;
    }
    if (!kvm_enable_cap(k->vm_fd, cap,
                        n * (uint64_t)sizeof(struct kvm_dirty_gfn), &err)) {
        /* The least depends on the processor: it has to hold one exit's. */
        error_setf(errp, "KVM: dirty-ring-size=%u: %s (too small?)", n,
                   err->message);
        return false;
    }
    k->dirty_entries = n;
    return true;
}
