/*
 * RAM blocks: the list, their life, and what can be done to a whole block.
 * How the memory behind one is mapped is in ramblock-map.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/ramblock.h"

#include "system/ramblock-priv.h"
#include "util/error.h"

#include <fcntl.h>
#include <sys/mman.h>

RamBlock *ram_block_find(RamList *list, const char *name)
{
    RamBlock *rb;

    RAM_BLOCK_FOREACH(rb, list)
    {
        if (!strcmp(rb->name, name)) {
            return rb;
        }
    }
    return NULL;
}

RamBlock *ram_block_from_host(RamList *list, const void *host,
                              uint64_t *ret_off)
{
    RamBlock *rb;

    RAM_BLOCK_FOREACH(rb, list)
    {
        uint64_t off = (uintptr_t)host - (uintptr_t)rb->host;

        if (off < rb->max_length) {
            if (ret_off) {
                *ret_off = off;
            }
            return rb;
        }
    }
    return NULL;
}

static void list_insert(RamList *list, RamBlock *rb)
{
    GList *at = list->blocks.head;

    /*
     * The stream names the blocks in this order; a peer accepts any, but
     * its own is the largest first.
     */
    while (at &&
           container_of(at, RamBlock, link)->max_length >= rb->max_length) {
        at = at->next;
    }
    rcu_queue_insert(&list->blocks, at, &rb->link);
    list->nblocks++;
    list->total_bytes += rb->used_length;
}

static bool check_name(RamList *list, const char *name, GError **errp)
{
    if (!*name || strlen(name) > RAM_BLOCK_NAME_MAX) {
        error_setf(errp, "RAM block name '%s': %zu characters, not 1..%d", name,
                   strlen(name), RAM_BLOCK_NAME_MAX);
        return false;
    }
    if (ram_block_find(list, name)) {
        error_setf(errp, "RAM block '%s' exists already", name);
        return false;
    }
    return true;
}

static bool check_new(RamList *list, const char *name,
                      const RamBlockOptions *opts, GError **errp)
{
    uint64_t max = MAX(opts->size, opts->max_size);

    if (!check_name(list, name, errp)) {
        return false;
    }
    if (!opts->size) {
        error_setf(errp, "RAM block '%s': size is 0", name);
        return false;
    }
    /* Far above any host's address space; keeps the sums below in range. */
    if (max > UINT64_C(1) << 56) {
        error_setf_errno(errp, ENOMEM, "cannot set up guest memory '%s'", name);
        return false;
    }
    return true;
}

RamBlock *ram_block_new(RamList *list, const char *name,
                        const RamBlockOptions *opts, GError **errp)
{
    RamBlock *rb;

    if (!check_new(list, name, opts, errp)) {
        if (opts->fd > 0) {
            close(opts->fd);
        }
        return NULL;
    }
    rb = g_new0(RamBlock, 1);
    g_strlcpy(rb->name, name, sizeof(rb->name));
    rb->fd = rb->hole_fd = -1;
    rb->refs = 1;
    rb->host_lo = UINT64_MAX;
    rb->backing = opts->backing;
    rb->fd_offset = opts->fd_offset;
    rb->shared = opts->share;
    rb->rom = opts->rom;
    rb->read_only = opts->read_only;
    rb->discard_data = opts->discard_data;
    rb->migratable = !opts->not_migratable;
    rb->resizable = opts->max_size > opts->size;
    if (!ram_block_map(rb, opts, errp)) {
        g_free(rb);
        return NULL;
    }
    if (!ram_block_dirty_attach(list, rb)) {
        error_setf_errno(errp, ENOMEM, "RAM block '%s': dirty bitmaps", name);
        ram_block_unmap(rb);
        g_free(rb);
        return NULL;
    }
    list_insert(list, rb);
    return rb;
}

bool ram_block_rename(RamList *list, RamBlock *rb, const char *name,
                      GError **errp)
{
    if (strcmp(rb->name, name) == 0) {
        return true;
    }
    if (!check_name(list, name, errp)) {
        return false;
    }
    g_strlcpy(rb->name, name, sizeof(rb->name));
    return true;
}

void ram_block_ref(RamBlock *rb)
{
    __atomic_fetch_add(&rb->refs, 1, __ATOMIC_RELAXED);
}

/* The last user's stores are done before the memory goes. */
void ram_block_unref(RamBlock *rb)
{
    if (__atomic_sub_fetch(&rb->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        ram_block_dirty_detach(rb);
        ram_block_unmap(rb);
        g_free(rb);
    }
}

/* A grace period on, nobody finds the block any more. */
static void block_reclaim(void *opaque)
{
    ram_block_unref(opaque);
}

void ram_block_free(RamList *list, RamBlock *rb)
{
    if (!rb) {
        return;
    }
    rcu_queue_remove(&list->blocks, &rb->link);
    list->nblocks--;
    list->total_bytes -= rb->used_length;
    __atomic_store_n(&rb->removed, true, __ATOMIC_RELAXED);
    rcu_call(block_reclaim, rb);
}

bool ram_block_resize(RamList *list, RamBlock *rb, uint64_t size, GError **errp)
{
    uint64_t old = rb->used_length;
    uint64_t used;

    if (size && size <= rb->max_length) {
        used = ROUND_UP(size, RAM_PAGE_SIZE);
        if (used == old) {
            return true;
        }
    }
    if (!size || size > rb->max_length || !rb->resizable) {
        error_setf(errp,
                   "RAM block '%s': size %" PRIu64 " does not fit its %" PRIu64
                   " bytes (at most %" PRIu64 ")",
                   rb->name, size, old, rb->max_length);
        return false;
    }
    rb->used_length = used;
    list->total_bytes += used - old;
    if (used > old) {
        ram_block_set_dirty(list, rb, old, used - old);
    }
    if (rb->resized) {
        rb->resized(rb, rb->resized_opaque);
    }
    return true;
}

static int discard_mapping(RamBlock *rb, uint64_t off, uint64_t len)
{
    return madvise(rb->host + off, len, MADV_DONTNEED) < 0 ? -errno : 0;
}

int ram_block_discard(RamBlock *rb, uint64_t off, uint64_t len)
{
    if (!range_fits(off, len, rb->max_length) || off % rb->page_size ||
        len % rb->page_size) {
        return -EINVAL;
    }
    if (rb->read_only) {
        return -EROFS;
    }
    if (!len) {
        return 0;
    }
    if (rb->fd < 0) {
        if (!rb->shared) {
            return discard_mapping(rb, off, len);
        }
        return madvise(rb->host + off, len, MADV_REMOVE) < 0 ? -errno : 0;
    }
    if (rb->backing == RAM_FILE && !rb->shared) {
        /* The user's file must not change, and may hold data below. */
        memset(rb->host + off, 0, len);
        return 0;
    }
    if (fallocate(rb->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  rb->fd_offset + off, len) < 0) {
        return -errno;
    }
    return rb->shared ? 0 : discard_mapping(rb, off, len);
}
