/*
 * Memory slots: the guest-physical RAM that the kernel maps by itself.
 *
 * A memory transaction's changes are gathered and carried out at its commit.
 * The kernel can't split, join or re-flag a slot in place; where a change
 * takes a range away and gives (part of) it back, the vCPUs are kept out of
 * the guest meanwhile, so that none of them sees a hole.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include "util/bitmap.h"
#include "util/error.h"
#include "util/log.h"

/* The kernel's own limit is 2^31 - 1 pages. */
#define KVM_SLOT_SIZE_MAX (4 * TiB)

static KvmAccel *kvm_of_listener(MemoryListener *l)
{
    return container_of(l, KvmAccel, mem_listener);
}

void kvm_hold_vcpus(KvmAccel *k)
{
    Vm *vm = k->acc.vm;
    bool busy;

    KVM_COUNT(k, slot_pauses);
    lock_acquire(&k->run_lock);
    /* Partner: kvm_vcpu_enter() sets in_run, then looks at hold. */
    __atomic_store_n(&k->hold, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        KvmVcpu *v = kvm_vcpu_of(vm->vcpus[i]);

        if (v && __atomic_load_n(&v->in_run, __ATOMIC_SEQ_CST)) {
            kvm_vcpu_kick(v->cpu);
        }
    }
    do {
        busy = false;
        for (unsigned i = 0; i < vm->nvcpus && !busy; i++) {
            KvmVcpu *v = kvm_vcpu_of(vm->vcpus[i]);

            busy = v && __atomic_load_n(&v->in_run, __ATOMIC_SEQ_CST);
        }
        if (busy) {
            cond_wait(&k->run_cond, &k->run_lock);
        }
    } while (busy);
    lock_release(&k->run_lock);
}

void kvm_release_vcpus(KvmAccel *k)
{
    lock_acquire(&k->run_lock);
    __atomic_store_n(&k->hold, false, __ATOMIC_SEQ_CST);
    cond_broadcast(&k->run_cond);
    lock_release(&k->run_lock);
}

int kvm_slot_set(KvmAccel *k, KvmSlot *slot, uint32_t flags)
{
    struct kvm_userspace_memory_region r = {
        .slot = slot->id,
        .flags = flags,
        .guest_phys_addr = slot->gpa,
        .memory_size = slot->size,
        .userspace_addr = (uintptr_t)(slot->ram->host + slot->ram_off),
    };
    int err = kvm_ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &r);

    if (!err) {
        slot->flags = flags;
    }
    return err;
}

unsigned kvm_slot_search(const KvmAccel *k, uint64_t gpa)
{
    unsigned lo = 0;
    unsigned hi = k->slots->len;

    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        const KvmSlot *s = g_ptr_array_index(k->slots, mid);

        if (s->gpa + (s->size - 1) < gpa) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void kvm_slot_free(KvmAccel *k, KvmSlot *slot)
{
    bitmap_clear_bit(k->slot_ids, slot->id);
    bitmap_free(slot->reported);
    g_free(slot);
}

/* A machine whose memory the kernel doesn't know can't go on. */
static void kvm_slot_failed(KvmAccel *k, const char *what, uint64_t gpa,
                            uint64_t size, int err)
{
    log_error("KVM: %s memory slot 0x%" PRIx64 "-0x%" PRIx64 " failed: %s",
              what, gpa, gpa + (size - 1), g_strerror(-err));
    vm_stop_request(k->acc.vm, RUN_STATE_INTERNAL_ERROR);
}

static void kvm_slots_remove(KvmAccel *k, uint64_t gpa, uint64_t size)
{
    uint64_t last = gpa + (size - 1);
    unsigned i = kvm_slot_search(k, gpa);

    while (i < k->slots->len) {
        KvmSlot *slot = g_ptr_array_index(k->slots, i);
        struct kvm_userspace_memory_region r = { .slot = slot->id };
        int err;

        if (slot->gpa > last) {
            break;
        }
        /* Its bits go with it: take what the guest wrote until now. */
        kvm_slot_log_end(k, slot);
        r.guest_phys_addr = slot->gpa;
        err = kvm_ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &r);
        if (err < 0) {
            kvm_slot_failed(k, "removing", slot->gpa, slot->size, err);
        }
        g_ptr_array_remove_index(k->slots, i);
        kvm_slot_free(k, slot);
    }
}

static bool kvm_slot_add_one(KvmAccel *k, const KvmSlotChange *c, uint64_t off,
                             uint64_t size)
{
    KvmSlot *slot = g_new0(KvmSlot, 1);
    uint64_t id = bitmap_find_next_zero(k->slot_ids, k->nslots_max, 0);
    int err = -ENOSPC;

    slot->gpa = c->gpa + off;
    slot->size = size;
    slot->ram = c->ram;
    slot->ram_off = c->ram_off + off;
    slot->log_mask = c->log_mask;
    slot->flags = c->flags;
    if (id < k->nslots_max) {
        slot->id = id;
        err = kvm_slot_set(k, slot, c->flags | kvm_slot_log_flags(k, slot));
    }
    if (err) {
        kvm_slot_failed(k, "adding", slot->gpa, size, err);
        g_free(slot);
        return false;
    }
    bitmap_set_bit(k->slot_ids, id);
    g_ptr_array_insert(k->slots, kvm_slot_search(k, slot->gpa), slot);
    if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
        kvm_slot_log_begin(k, slot);
    }
    return true;
}

static void kvm_slots_add(KvmAccel *k, const KvmSlotChange *c)
{
    uint64_t off = 0;

    while (off < c->size) {
        uint64_t n = MIN(c->size - off, k->max_slot_size);

        if (!kvm_slot_add_one(k, c, off, n)) {
            return;
        }
        off += n;
    }
}

/* What of a section can be a slot; false: nothing. */
static bool kvm_section_to_change(const MemorySection *s, KvmSlotChange *ret)
{
    const MemoryRegion *mr = s->mr;
    uint64_t first = ROUND_UP(s->addr, RAM_PAGE_SIZE);
    uint64_t delta = first - s->addr;
    bool ro = s->read_only || mr->kind == MEMORY_ROM || mr->kind == MEMORY_ROMD;

    if (!mr->ram || (mr->kind == MEMORY_ROMD && !s->romd) || first < s->addr ||
        s->size <= delta) {
        return false;
    }
    *ret = (KvmSlotChange){
        .gpa = first,
        .size = (s->size - delta) & ~(RAM_PAGE_SIZE - 1),
        .ram = mr->ram,
        .ram_off = s->offset + delta,
        .flags = ro ? KVM_MEM_READONLY : 0,
        .log_mask = s->dirty_log & ~(1U << DIRTY_MIGRATION),
    };
    return ret->size && !(ret->ram_off & (RAM_PAGE_SIZE - 1)) &&
           range_fits(ret->ram_off, ret->size, ret->ram->max_length);
}

static void kvm_listener_begin(MemoryListener *l)
{
    KvmAccel *k = kvm_of_listener(l);

    g_array_set_size(k->adds, 0);
    g_array_set_size(k->dels, 0);
}

static void kvm_listener_add(MemoryListener *l, const MemorySection *s)
{
    KvmSlotChange c;

    if (kvm_section_to_change(s, &c)) {
        g_array_append_val(kvm_of_listener(l)->adds, c);
    }
}

static void kvm_listener_del(MemoryListener *l, const MemorySection *s)
{
    KvmSlotChange c;

    if (kvm_section_to_change(s, &c)) {
        g_array_append_val(kvm_of_listener(l)->dels, c);
    }
}

/* Does some range go away and come back, or would a write get lost? */
static bool kvm_changes_need_hold(KvmAccel *k)
{
    if (__atomic_load_n(&k->log_all, __ATOMIC_RELAXED)) {
        return true;
    }
    for (unsigned i = 0; i < k->dels->len; i++) {
        const KvmSlotChange *d = &g_array_index(k->dels, KvmSlotChange, i);

        for (unsigned j = 0; j < k->adds->len; j++) {
            const KvmSlotChange *a = &g_array_index(k->adds, KvmSlotChange, j);

            if (a->gpa <= d->gpa + (d->size - 1) &&
                d->gpa <= a->gpa + (a->size - 1)) {
                return true;
            }
        }
    }
    return false;
}

static void kvm_listener_commit(MemoryListener *l)
{
    KvmAccel *k = kvm_of_listener(l);
    bool hold;

    if (!k->adds->len && !k->dels->len) {
        return;
    }
    hold = kvm_changes_need_hold(k);
    if (hold) {
        kvm_hold_vcpus(k);
    }
    lock_acquire(&k->slots_lock);
    for (unsigned i = 0; i < k->dels->len; i++) {
        const KvmSlotChange *c = &g_array_index(k->dels, KvmSlotChange, i);

        kvm_slots_remove(k, c->gpa, c->size);
    }
    for (unsigned i = 0; i < k->adds->len; i++) {
        kvm_slots_add(k, &g_array_index(k->adds, KvmSlotChange, i));
    }
    lock_release(&k->slots_lock);
    if (hold) {
        kvm_release_vcpus(k);
    }
    g_array_set_size(k->adds, 0);
    g_array_set_size(k->dels, 0);
}

bool kvm_slots_init(KvmAccel *k, GError **errp)
{
    int n = kvm_check(k, KVM_CAP_NR_MEMSLOTS);

    k->nslots_max = n > 0 ? MIN(n, UINT16_MAX) : 32;
    if (!k->max_slot_size) {
        k->max_slot_size = KVM_SLOT_SIZE_MAX;
    }
    lock_init(&k->slots_lock);
    k->slots = g_ptr_array_new();
    k->dirty_vcpus = g_ptr_array_new();
    k->slot_ids = bitmap_new(k->nslots_max);
    k->adds = g_array_new(FALSE, FALSE, sizeof(KvmSlotChange));
    k->dels = g_array_new(FALSE, FALSE, sizeof(KvmSlotChange));
    k->mem_listener = (MemoryListener){
        .name = "kvm-memory",
        .priority = 10,
        .begin = kvm_listener_begin,
        .commit = kvm_listener_commit,
        .region_add = kvm_listener_add,
        .region_del = kvm_listener_del,
        .log_change = kvm_log_change,
        .log_sync = k->dirty_entries ? NULL : kvm_log_sync,
        .log_clear = k->dirty_entries ? NULL : kvm_log_clear,
        .log_sync_all = k->dirty_entries ? kvm_ring_sync : NULL,
        .log_protect = k->dirty_entries ? kvm_ring_protect : NULL,
        .log_global_start = kvm_log_global_start,
        .log_global_stop = kvm_log_global_stop,
        .eventfd_add = kvm_mem_eventfd_add,
        .eventfd_del = kvm_mem_eventfd_del,
        .coalesced_add = kvm_mem_coalesced_add,
        .coalesced_del = kvm_mem_coalesced_del,
    };
    k->io_listener = (MemoryListener){
        .name = "kvm-io",
        .priority = 10,
        .eventfd_add = kvm_io_eventfd_add,
        .eventfd_del = kvm_io_eventfd_del,
        .coalesced_add = kvm_io_coalesced_add,
        .coalesced_del = kvm_io_coalesced_del,
    };
    memory_listener_add(&k->mem_listener, &k->acc.vm->mem.memory);
    memory_listener_add(&k->io_listener, &k->acc.vm->mem.io);
    k->acc.vm->mem.flush_coalesced = kvm_coalesced_flush;
    k->acc.vm->mem.flush_opaque = k;
    return true;
}

void kvm_slots_fini(KvmAccel *k)
{
    if (!k->slots) {
        return;
    }
    k->acc.vm->mem.flush_coalesced = NULL;
    memory_listener_del(&k->io_listener);
    memory_listener_del(&k->mem_listener);
    while (k->slots->len) {
        kvm_slot_free(k, g_ptr_array_steal_index(k->slots, k->slots->len - 1));
    }
    g_clear_pointer(&k->slots, g_ptr_array_unref);
    g_clear_pointer(&k->dirty_vcpus, g_ptr_array_unref);
    g_clear_pointer(&k->slot_ids, bitmap_free);
    g_clear_pointer(&k->adds, g_array_unref);
    g_clear_pointer(&k->dels, g_array_unref);
    lock_fini(&k->slots_lock);
}
