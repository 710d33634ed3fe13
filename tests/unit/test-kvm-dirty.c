/*
 * Unit test: what is asked of KVM's dirty log, compared with what the kernel
 * holds afterwards, page by page.  Skipped where /dev/kvm can't be used.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/kvm-guest.h"
#include "util/bitmap.h"
#include "util/error.h"

enum {
    PAGES = 40000, /* more than one clear call takes: 32768 */
    WORDS = PAGES / 64,
    DISPLAY = 1 << DIRTY_DISPLAY,
    MIGRATION = 1 << DIRTY_MIGRATION,
};

typedef struct Rig {
    Guest *g;
    KvmAccel *k;
    KvmSlot *slot; /* of all memory */
    unsigned long kernel[WORDS];
} Rig;

/* False: not here, or not with all bits set at first. */
static bool rig_init(Rig *r)
{
    int cap;

    memset(r, 0, sizeof(*r));
    if (!have_kvm()) {
        return false;
    }
    r->g = guest_new(PAGES * RAM_PAGE_SIZE, 1, "qemu64,check=off");
    r->k = KVM_ACCEL(r->g->acc);
    r->slot = g_ptr_array_index(r->k->slots, 0);
    g_assert_cmpuint(r->slot->size, ==, PAGES * RAM_PAGE_SIZE);
    cap = kvm_check(r->k, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
    g_assert_cmpint(r->k->manual_clear, ==,
                    (cap & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE) != 0);
    g_assert_cmpint(r->k->initially_set, ==,
                    (cap & KVM_DIRTY_LOG_INITIALLY_SET) != 0);
    if (!r->k->initially_set) {
        guest_free(r->g);
        g_test_skip("KVM: no initially set dirty log");
        return false;
    }
    return true;
}

static void rig_fini(Rig *r)
{
    guest_free(r->g);
}

/* With manual clear, to read the log changes nothing. */
static void read_kernel(Rig *r)
{
    struct kvm_dirty_log d = { .slot = r->slot->id, .dirty_bitmap = r->kernel };

    g_assert_cmpint(kvm_ioctl(r->k->vm_fd, KVM_GET_DIRTY_LOG, &d), ==, 0);
}

static MemorySection section(Rig *r, uint64_t first, uint64_t end)
{
    return (MemorySection){ .addr = first * RAM_PAGE_SIZE,
                            .offset = first * RAM_PAGE_SIZE,
                            .size = (end - first) * RAM_PAGE_SIZE };
}

static void clear_pages(Rig *r, uint64_t first, uint64_t end)
{
    MemorySection s = section(r, first, end);

    r->k->mem_listener.log_clear(&r->k->mem_listener, &s);
}

static void assert_zero_only(const unsigned long *map, uint64_t first,
                             uint64_t end)
{
    for (uint64_t p = 0; p < PAGES; p++) {
        if (bitmap_test(map, p) != (p < first || p >= end)) {
            g_error("[%" PRIu64 ", %" PRIu64 "): page %" PRIu64 " is %s", first,
                    end, p, bitmap_test(map, p) ? "set" : "clear");
        }
    }
}

/* Just these pages, across words, calls and the end of the slot. */
static void test_ranges(void)
{
    static const struct {
        uint64_t first, end;
    } t[] = {
        { 0, 1 },
        { 0, 64 },
        { 63, 64 },
        { 64, 65 },
        { 1, 63 },
        { 1, 130 },
        { 127, 129 },
        { 64, 192 },
        { 65, 66 },
        { 5000, 5001 },
        { 32767, 32768 },
        { 32768, 32769 },
        { 32760, 32770 },
        { 0, 32768 },
        { 1, 32770 },
        { 70, 70 + 32768 },
        { PAGES - 1, PAGES },
        { PAGES - 64, PAGES },
        { PAGES - 65, PAGES - 1 },
        { 0, PAGES },
    };
    Rig r;

    if (!rig_init(&r)) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        log_start(r.g);
        read_kernel(&r);
        g_assert_true(bitmap_test_all(r.kernel, 0, PAGES));
        clear_pages(&r, t[i].first, t[i].end);
        read_kernel(&r);
        assert_zero_only(r.kernel, t[i].first, t[i].end);
        assert_zero_only(r.slot->reported, t[i].first, t[i].end);
        log_stop(r.g);
    }
    rig_fini(&r);
}

/* Only what was read is cleared: a guest may have written since. */
static void test_reported_only(void)
{
    const uint64_t page = 3000, addr = page * RAM_PAGE_SIZE;
    Rig r;

    if (!rig_init(&r)) {
        return;
    }
    log_start(r.g);
    log_sync(r.g);
    clear_pages(&r, 0, PAGES);
    run_list(r.g, &addr, 1, 1);
    clear_pages(&r, 0, PAGES);
    read_kernel(&r);
    g_assert_true(bitmap_test(r.kernel, page));
    g_assert_false(bitmap_test(r.slot->reported, page));
    log_sync(r.g);
    g_assert_true(bitmap_test(r.slot->reported, page));
    clear_pages(&r, page + 1, PAGES);
    clear_pages(&r, 0, page);
    read_kernel(&r);
    g_assert_cmpuint(bitmap_count(r.kernel, 0, PAGES), ==, 1);
    g_assert_true(bitmap_test(r.kernel, page));
    clear_pages(&r, page, page + 1);
    read_kernel(&r);
    g_assert_cmpuint(bitmap_count(r.kernel, 0, PAGES), ==, 0);
    log_stop(r.g);
    rig_fini(&r);
}

/* A clear that fails leaves the kernel's bits: they are reported anew. */
static void test_clear_fails(void)
{
    Rig r;
    int fd;

    if (!rig_init(&r)) {
        return;
    }
    log_start(r.g);
    log_sync(r.g);
    fd = r.k->vm_fd;
    r.k->vm_fd = -1;
    clear_pages(&r, 100, 200);
    r.k->vm_fd = fd;
    assert_zero_only(r.slot->reported, 100, 200);
    read_kernel(&r);
    g_assert_true(bitmap_test_all(r.kernel, 0, PAGES));
    clear_pages(&r, 0, PAGES); /* all that was reported */
    read_kernel(&r);
    g_assert_cmpuint(bitmap_count(r.kernel, 0, PAGES), ==, 100);
    g_assert_true(bitmap_test_all(r.kernel, 100, 100));
    log_stop(r.g);
    rig_fini(&r);
}

/* A log that can't be read: everything may have been written. */
static void test_sync_fails(void)
{
    Rig r;
    int fd;

    if (!rig_init(&r)) {
        return;
    }
    log_start(r.g);
    log_sync(r.g);
    take_pages(r.g, 0, PAGES);
    log_sync(r.g);
    g_assert_cmpuint(bitmap_count(r.g->rb->dirty[DIRTY_MIGRATION], 0x100,
                                  PAGES - 0x100),
                     ==, 0);
    fd = r.k->vm_fd;
    r.k->vm_fd = -1;
    log_sync(r.g);
    r.k->vm_fd = fd;
    g_assert_true(bitmap_test_all(r.g->rb->dirty[DIRTY_MIGRATION], 0, PAGES));
    log_stop(r.g);
    rig_fini(&r);
}

/* Which slots log: all for migration, those of a display for itself. */
static void test_flags(void)
{
    KvmAccel k = { 0 };
    KvmSlot slot = { 0 };

    g_assert_cmpuint(kvm_slot_log_flags(&k, &slot), ==, 0);
    slot.log_mask = DISPLAY;
    g_assert_cmpuint(kvm_slot_log_flags(&k, &slot), ==,
                     KVM_MEM_LOG_DIRTY_PAGES);
    slot.flags = KVM_MEM_READONLY;
    g_assert_cmpuint(kvm_slot_log_flags(&k, &slot), ==, 0);
    slot.log_mask = 0;
    k.log_all = true;
    g_assert_cmpuint(kvm_slot_log_flags(&k, &slot), ==, 0);
    slot.flags = 0;
    g_assert_cmpuint(kvm_slot_log_flags(&k, &slot), ==,
                     KVM_MEM_LOG_DIRTY_PAGES);
}

/* A log that is on already keeps what it has reported. */
static void test_again(void)
{
    const unsigned long *reported;
    Rig r;

    if (!rig_init(&r)) {
        return;
    }
    log_start(r.g);
    reported = r.slot->reported;
    g_assert_nonnull(reported);
    bitmap_clear(r.slot->reported, 7, 1);
    g_assert_cmpint(kvm_slot_update_log(r.k, r.slot), ==, 0);
    g_assert_true(r.slot->reported == reported);
    g_assert_false(bitmap_test(r.slot->reported, 7));
    log_stop(r.g);
    g_assert_null(r.slot->reported);
    rig_fini(&r);
}

static void change(Rig *r, uint8_t old, uint8_t now)
{
    MemorySection s = section(r, 0, PAGES);

    r->k->mem_listener.log_change(&r->k->mem_listener, &s, old, now);
}

/* A display's log: on by itself, and cleared by each sync. */
static void test_display(void)
{
    MemorySection s;
    Rig r;

    if (!rig_init(&r)) {
        return;
    }
    change(&r, 0, MIGRATION); /* that comes for all at once, not so */
    g_assert_cmpuint(r.slot->flags & KVM_MEM_LOG_DIRTY_PAGES, ==, 0);
    g_assert_null(r.slot->reported);
    change(&r, 0, DISPLAY | MIGRATION);
    g_assert_cmpuint(r.slot->log_mask, ==, DISPLAY);
    g_assert_cmpuint(r.slot->flags & KVM_MEM_LOG_DIRTY_PAGES, !=, 0);
    g_assert_nonnull(r.slot->reported);
    s = section(&r, 0, PAGES);
    r.k->mem_listener.log_sync(&r.k->mem_listener, &s);
    read_kernel(&r);
    g_assert_cmpuint(bitmap_count(r.kernel, 0, PAGES), ==, 0);
    change(&r, DISPLAY, 0);
    g_assert_cmpuint(r.slot->flags & KVM_MEM_LOG_DIRTY_PAGES, ==, 0);
    g_assert_null(r.slot->reported);
    /* Nothing to read or to clear any more. */
    r.k->mem_listener.log_sync(&r.k->mem_listener, &s);
    clear_pages(&r, 0, PAGES);
    rig_fini(&r);
}

/* A slot or a vCPU that goes takes nothing along that its ring had. */
static void test_ring_goes(void)
{
    const uint64_t first = 0x200000, second = 0x210000;
    const unsigned long *map;
    KvmAccel *k;
    KvmSlot *slot;
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new_accel("kvm,dirty-ring-size=1024", 16 * MiB, 1,
                        "qemu64,check=off");
    k = KVM_ACCEL(g->acc);
    slot = g_ptr_array_index(k->slots, 0);
    g_assert_cmpuint(k->dirty_vcpus->len, ==, 1);
    log_start(g);
    map = g->rb->dirty[DIRTY_MIGRATION];
    log_sync(g);
    take_pages(g, 0, ram_block_npages(g->rb));
    run_list(g, &first, 1, 1);
    g_assert_false(bitmap_test(map, first >> RAM_PAGE_BITS));
    {
        LOCK_GUARD(&k->slots_lock);
        kvm_slot_log_end(k, slot);
    }
    g_assert_true(bitmap_test(map, first >> RAM_PAGE_BITS));
    run_list(g, &second, 1, 1);
    kvm_ring_del_vcpu(k, g_ptr_array_index(k->dirty_vcpus, 0));
    g_assert_cmpuint(k->dirty_vcpus->len, ==, 0);
    g_assert_true(bitmap_test(map, second >> RAM_PAGE_BITS));
    log_stop(g);
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm-dirty/ranges", test_ranges);
    g_test_add_func("/kvm-dirty/reported-only", test_reported_only);
    g_test_add_func("/kvm-dirty/clear-fails", test_clear_fails);
    g_test_add_func("/kvm-dirty/sync-fails", test_sync_fails);
    g_test_add_func("/kvm-dirty/flags", test_flags);
    g_test_add_func("/kvm-dirty/again", test_again);
    g_test_add_func("/kvm-dirty/display", test_display);
    g_test_add_func("/kvm-dirty/ring-goes", test_ring_goes);
    return g_test_run();
}
