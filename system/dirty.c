/*
 * Dirty bitmaps of RAM blocks: one per client that wants to know which pages
 * were written since it last looked.
 *
 * A bitmap is published before its client's bit appears in dirty_clients and
 * freed a grace period after it was taken away; whoever sets bits does so in
 * an RCU read section.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/ramblock.h"
#include "util/bitmap.h"
#include "util/error.h"

/* Beside the clients' bits: stores of this program are counted. */
enum { COUNT_WRITES = 1U << DIRTY_CLIENTS };

static unsigned long *map_new(const RamBlock *rb, bool all_set)
{
    unsigned long *map = bitmap_try_new(ram_block_max_pages(rb));

    if (map && all_set) {
        bitmap_set(map, 0, ram_block_npages(rb));
    }
    return map;
}

bool ram_block_dirty_attach(RamList *list, RamBlock *rb)
{
    unsigned mask = __atomic_load_n(&list->dirty_clients, __ATOMIC_RELAXED);

    for (unsigned c = 0; c < DIRTY_CLIENTS; c++) {
        if (!(mask & (1U << c))) {
            continue;
        }
        rb->dirty[c] = map_new(rb, c == DIRTY_MIGRATION);
        if (!rb->dirty[c]) {
            ram_block_dirty_detach(rb);
            return false;
        }
    }
    return true;
}

void ram_block_dirty_detach(RamBlock *rb)
{
    for (unsigned c = 0; c < DIRTY_CLIENTS; c++) {
        g_clear_pointer(&rb->dirty[c], bitmap_free);
    }
}

/* Takes a client's bitmaps from all blocks; they go after a grace period. */
static void maps_drop(RamList *list, DirtyClient client)
{
    GPtrArray *maps = g_ptr_array_new_with_free_func(g_free);
    RamBlock *rb;

    RAM_BLOCK_FOREACH(rb, list)
    {
        unsigned long *map = rb->dirty[client];

        rcu_assign_pointer(rb->dirty[client], NULL);
        if (map) {
            g_ptr_array_add(maps, map);
        }
    }
    rcu_call((void (*)(void *))g_ptr_array_unref, maps);
}

bool ram_dirty_start(RamList *list, DirtyClient client, bool all_set,
                     GError **errp)
{
    RamBlock *rb;

    if (__atomic_load_n(&list->dirty_clients, __ATOMIC_RELAXED) &
        (1U << client)) {
        error_setf(errp, "dirty log %d is on already", (int)client);
        return false;
    }
    RAM_BLOCK_FOREACH(rb, list)
    {
        unsigned long *map = map_new(rb, all_set);

        if (!map) {
            error_setf_errno(errp, ENOMEM,
                             "dirty bitmap of RAM block '%s', %" PRIu64
                             " pages",
                             rb->name, ram_block_max_pages(rb));
            maps_drop(list, client);
            return false;
        }
        rcu_assign_pointer(rb->dirty[client], map);
    }
    __atomic_fetch_or(&list->dirty_clients, 1U << client, __ATOMIC_SEQ_CST);
    return true;
}

void ram_dirty_stop(RamList *list, DirtyClient client)
{
    unsigned bit = 1U << client;

    if (__atomic_fetch_and(&list->dirty_clients, ~bit, __ATOMIC_SEQ_CST) &
        bit) {
        maps_drop(list, client);
    }
}

/* Two threads may widen at once: each bound by its own compare and swap. */
static void note_host_write(RamBlock *rb, uint64_t lo, uint64_t hi)
{
    uint64_t old = __atomic_load_n(&rb->host_lo, __ATOMIC_RELAXED);

    while (lo < old &&
           !__atomic_compare_exchange_n(&rb->host_lo, &old, lo, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    old = __atomic_load_n(&rb->host_hi, __ATOMIC_RELAXED);
    while (hi > old &&
           !__atomic_compare_exchange_n(&rb->host_hi, &old, hi, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

bool ram_block_host_written(const RamBlock *rb, uint64_t *ret_lo,
                            uint64_t *ret_hi)
{
    *ret_lo = __atomic_load_n(&rb->host_lo, __ATOMIC_RELAXED);
    *ret_hi = __atomic_load_n(&rb->host_hi, __ATOMIC_RELAXED);
    return *ret_lo < *ret_hi;
}

static void tell_code_written(RamList *list, RamBlock *rb, uint64_t off,
                              uint64_t len)
{
    const unsigned long *map = rcu_dereference(rb->dirty[DIRTY_CODE]);
    uint64_t first = off >> RAM_PAGE_BITS;
    uint64_t npages = ((off + len - 1) >> RAM_PAGE_BITS) - first + 1;

    /* Partner: a bit is set before the bytes are read to be decoded. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (map && bitmap_test_any(map, first, npages)) {
        list->code_written(list->code_opaque, rb, off, len);
    }
}

void ram_block_set_dirty(RamList *list, RamBlock *rb, uint64_t off,
                         uint64_t len)
{
    unsigned mask = __atomic_load_n(&list->dirty_clients, __ATOMIC_RELAXED);
    uint64_t first;
    uint64_t npages;

    if (!len || !range_fits(off, len, rb->max_length)) {
        return;
    }
    note_host_write(rb, off, off + len);
    if (likely(!mask)) {
        return;
    }
    first = off >> RAM_PAGE_BITS;
    npages = ((off + len - 1) >> RAM_PAGE_BITS) - first + 1;
    if (mask & COUNT_WRITES) {
        __atomic_fetch_add(&list->host_writes, 1, __ATOMIC_RELEASE);
    }
    RCU_READ_GUARD();
    if (mask & (1U << DIRTY_CODE)) {
        tell_code_written(list, rb, off, len);
    }
    for (unsigned c = 0; c < DIRTY_CLIENTS; c++) {
        unsigned long *map;

        if (c == DIRTY_CODE || !(mask & (1U << c))) {
            continue;
        }
        map = rcu_dereference(rb->dirty[c]);
        if (map) {
            bitmap_set_atomic(map, first, npages);
        }
    }
}

void ram_count_host_writes(RamList *list, bool on)
{
    if (on) {
        __atomic_fetch_or(&list->dirty_clients, COUNT_WRITES, __ATOMIC_SEQ_CST);
    } else {
        __atomic_fetch_and(&list->dirty_clients, ~COUNT_WRITES,
                           __ATOMIC_SEQ_CST);
    }
}

uint64_t ram_host_writes(const RamList *list)
{
    return __atomic_load_n(&list->host_writes, __ATOMIC_ACQUIRE);
}

void ram_block_merge_dirty(RamBlock *rb, DirtyClient client, uint64_t first,
                           const unsigned long *bits, uint64_t npages)
{
    uint64_t max = ram_block_npages(rb);
    unsigned long *map;

    RCU_READ_GUARD();
    map = rcu_dereference(rb->dirty[client]);
    if (map && first < max) {
        bitmap_merge_atomic(map, first, bits, MIN(npages, max - first));
    }
}
