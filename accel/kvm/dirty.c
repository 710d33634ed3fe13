/*
 * The dirty log: which pages the guest wrote, by the kernel's bitmaps.
 *
 * With manual clear a sync only reads bits.  `reported` remembers what was
 * read: exactly these may be cleared (and their pages be write-protected
 * again) just before the pages are sent.  A bit that the guest sets after the
 * sync is not in `reported`, so that no clear can lose it.
 *
 *   page     0 1 2 3 4
 *   kernel   1 1 0 1 0      guest writes 4 → kernel 1 1 0 1 1
 *   reported 1 1 0 1 0      clear 0..4: asks for 0, 1, 3; 4 stays
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include "util/bitmap.h"
#include "util/error.h"
#include "util/log.h"

/* Pages per KVM_CLEAR_DIRTY_LOG: the mask is copied to the stack. */
#define KVM_CLEAR_PAGES 32768

static KvmAccel *kvm_of_listener(MemoryListener *l)
{
    return container_of(l, KvmAccel, mem_listener);
}

static uint64_t kvm_slot_npages(const KvmSlot *slot)
{
    return slot->size >> RAM_PAGE_BITS;
}

uint32_t kvm_slot_log_flags(const KvmAccel *k, const KvmSlot *slot)
{
    if (slot->flags & KVM_MEM_READONLY) {
        return 0;
    }
    return k->log_all || slot->log_mask ? KVM_MEM_LOG_DIRTY_PAGES : 0;
}

/* Words of `reported`, with bits outside [first, end) left out. */
static bool kvm_clear_mask(const unsigned long *reported, uint64_t pos,
                           unsigned nwords, uint64_t first, uint64_t end,
                           unsigned long *ret_mask)
{
    unsigned long any = 0;

    for (unsigned w = 0; w < nwords; w++) {
        uint64_t base = pos + w * BITMAP_WORD_BITS;
        unsigned long v = reported[base / BITMAP_WORD_BITS];

        if (first > base) {
            v &= first - base < 64 ? ~0UL << (first - base) : 0;
        }
        if (end < base + 64) {
            v &= end > base ? ~0UL >> (64 - (end - base)) : 0;
        }
        ret_mask[w] = v;
        any |= v;
    }
    return any;
}

/* Clears reported pages [first, end) of the slot; slots_lock held. */
static void kvm_slot_clear_pages(KvmAccel *k, KvmSlot *slot, uint64_t first,
                                 uint64_t end)
{
    unsigned long mask[KVM_CLEAR_PAGES / BITMAP_WORD_BITS];
    uint64_t npages = kvm_slot_npages(slot);
    uint64_t pos = ROUND_DOWN(first, BITMAP_WORD_BITS);

    end = MIN(end, npages);
    while (pos < end) {
        /* Whole words, but for the last one of the slot. */
        uint64_t n = MIN(KVM_CLEAR_PAGES, ROUND_UP(end, 64) - pos);
        unsigned nwords = DIV_ROUND_UP(n, BITMAP_WORD_BITS);
        struct kvm_clear_dirty_log c = {
            .slot = slot->id,
            .first_page = pos,
            .num_pages = MIN(n, npages - pos),
            .dirty_bitmap = mask,
        };
        int err;

        if (kvm_clear_mask(slot->reported, pos, nwords, first, end, mask)) {
            err = kvm_ioctl(k->vm_fd, KVM_CLEAR_DIRTY_LOG, &c);
            if (err) {
                /* The kernel keeps its bits: they are reported anew. */
                log_warn_once("KVM: clearing the dirty log of slot 0x%" PRIx64
                              " failed: %s",
                              slot->gpa, g_strerror(-err));
            }
            for (unsigned w = 0; w < nwords; w++) {
                slot->reported[pos / BITMAP_WORD_BITS + w] &= ~mask[w];
            }
        }
        pos += n;
    }
}

static void kvm_slot_alloc_log(KvmAccel *k, KvmSlot *slot)
{
    uint64_t n = ROUND_UP(kvm_slot_npages(slot), BITMAP_WORD_BITS);

    if (k->dirty_entries) {
        return;
    }
    if (!slot->reported) {
        slot->reported = bitmap_new(n);
    }
    if (k->initially_set) {
        bitmap_set(slot->reported, 0, kvm_slot_npages(slot));
    } else {
        bitmap_clear(slot->reported, 0, n);
    }
}

void kvm_slot_log_begin(KvmAccel *k, KvmSlot *slot)
{
    kvm_slot_alloc_log(k, slot);
    /* The blocks' bitmaps know what is dirty; a new slot adds nothing. */
    if (k->initially_set) {
        kvm_slot_clear_pages(k, slot, 0, kvm_slot_npages(slot));
    }
}

int kvm_slot_update_log(KvmAccel *k, KvmSlot *slot)
{
    uint32_t now = slot->flags & KVM_MEM_LOG_DIRTY_PAGES;
    uint32_t want = kvm_slot_log_flags(k, slot);
    int err;

    if (now == want) {
        return 0;
    }
    if (want) {
        kvm_slot_alloc_log(k, slot);
    }
    err =
        kvm_slot_set(k, slot, (slot->flags & ~KVM_MEM_LOG_DIRTY_PAGES) | want);
    if (err) {
        log_error("KVM: dirty log of slot 0x%" PRIx64 " %s failed: %s",
                  slot->gpa, want ? "on" : "off", g_strerror(-err));
    }
    if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES)) {
        g_clear_pointer(&slot->reported, bitmap_free);
    }
    return err;
}

/* Kernel's bits to the block's bitmaps, all clients; slots_lock held. */
static void kvm_slot_log_sync(KvmAccel *k, KvmSlot *slot)
{
    uint64_t npages = kvm_slot_npages(slot);
    uint64_t first = slot->ram_off >> RAM_PAGE_BITS;
    struct kvm_dirty_log d = {
        .slot = slot->id,
        .dirty_bitmap = slot->reported,
    };
    int err = kvm_ioctl(k->vm_fd, KVM_GET_DIRTY_LOG, &d);

    if (err) {
        /* Nothing is known: everything may have been written. */
        log_warn_once("KVM: reading the dirty log of slot 0x%" PRIx64
                      " failed: %s",
                      slot->gpa, g_strerror(-err));
        bitmap_set(slot->reported, 0, npages);
    }
    for (unsigned c = 0; c < DIRTY_CLIENTS; c++) {
        ram_block_merge_dirty(slot->ram, c, first, slot->reported, npages);
    }
    if (!k->manual_clear) {
        return;
    }
    /* Only migration clears by itself; others expect a sync to do it. */
    if (slot->log_mask) {
        kvm_slot_clear_pages(k, slot, 0, npages);
    }
}

void kvm_slot_log_end(KvmAccel *k, KvmSlot *slot)
{
    if (slot->reported) {
        kvm_slot_log_sync(k, slot);
    } else if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
        kvm_ring_drain(k);
    }
}

/* Calls fn for the slots of a section; pages are those of the section. */
static void kvm_section_foreach_slot(KvmAccel *k, const MemorySection *s,
                                     void (*fn)(KvmAccel *k, KvmSlot *slot,
                                                uint64_t first, uint64_t end))
{
    uint64_t last = s->addr + (s->size - 1);

    for (unsigned i = kvm_slot_search(k, s->addr); i < k->slots->len; i++) {
        KvmSlot *slot = g_ptr_array_index(k->slots, i);
        uint64_t first = MAX(s->addr, slot->gpa) - slot->gpa;

        if (slot->gpa > last) {
            break;
        }
        fn(k, slot, first >> RAM_PAGE_BITS,
           MIN((last - slot->gpa) >> RAM_PAGE_BITS, kvm_slot_npages(slot) - 1) +
               1);
    }
}

static void kvm_sync_one(KvmAccel *k, KvmSlot *slot, uint64_t first,
                         uint64_t end)
{
    if (slot->reported) {
        kvm_slot_log_sync(k, slot);
    }
}

static void kvm_clear_one(KvmAccel *k, KvmSlot *slot, uint64_t first,
                          uint64_t end)
{
    if (slot->reported && k->manual_clear) {
        kvm_slot_clear_pages(k, slot, first, end);
    }
}

void kvm_log_sync(MemoryListener *l, const MemorySection *s)
{
    KvmAccel *k = kvm_of_listener(l);

    LOCK_GUARD(&k->slots_lock);
    kvm_section_foreach_slot(k, s, kvm_sync_one);
}

void kvm_log_clear(MemoryListener *l, const MemorySection *s)
{
    KvmAccel *k = kvm_of_listener(l);

    LOCK_GUARD(&k->slots_lock);
    kvm_section_foreach_slot(k, s, kvm_clear_one);
}

void kvm_log_change(MemoryListener *l, const MemorySection *s, uint8_t old,
                    uint8_t now)
{
    KvmAccel *k = kvm_of_listener(l);
    uint64_t last = s->addr + (s->size - 1);

    LOCK_GUARD(&k->slots_lock);
    for (unsigned i = kvm_slot_search(k, s->addr); i < k->slots->len; i++) {
        KvmSlot *slot = g_ptr_array_index(k->slots, i);

        if (slot->gpa > last) {
            break;
        }
        slot->log_mask = now & ~(1U << DIRTY_MIGRATION);
        kvm_slot_update_log(k, slot);
    }
}

static bool kvm_log_set_all(KvmAccel *k, bool on, GError **errp)
{
    LOCK_GUARD(&k->slots_lock);
    __atomic_store_n(&k->log_all, on, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < k->slots->len; i++) {
        KvmSlot *slot = g_ptr_array_index(k->slots, i);
        int err = kvm_slot_update_log(k, slot);

        if (err && on) {
            error_setf_errno(errp, err,
                             "KVM: dirty log of memory slot 0x%" PRIx64,
                             slot->gpa);
            return false;
        }
    }
    /* What is left in the rings nobody waits for. */
    if (!on && k->dirty_entries) {
        kvm_ring_drain(k);
    }
    return true;
}

bool kvm_log_global_start(MemoryListener *l, GError **errp)
{
    return kvm_log_set_all(kvm_of_listener(l), true, errp);
}

void kvm_log_global_stop(MemoryListener *l)
{
    kvm_log_set_all(kvm_of_listener(l), false, NULL);
}

bool kvm_dirty_init(KvmAccel *k, GError **errp)
{
    uint64_t want =
        kvm_check(k, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) &
        (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);

    /* With rings, "initially set" would leave all pages unprotected. */
    if (k->opt_ring_size) {
        return kvm_ring_init(k, errp);
    }
    if (want & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE) {
        if (!kvm_enable_cap(k->vm_fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, want,
                            errp)) {
            return false;
        }
        k->manual_clear = true;
        k->initially_set = want & KVM_DIRTY_LOG_INITIALLY_SET;
    }
    return true;
}
