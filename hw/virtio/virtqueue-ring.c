/*
 * A split ring in guest memory: where it is, and single reads and writes.
 * (Virtual I/O Device 1.2, sections 2.7.5 to 2.7.10.)
 *
 * Each field is read once, by one load: the guest may change it at any time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtqueue-priv.h"

#include <linux/virtio_config.h>

#include "util/bswap.h"

enum {
    DESC_SIZE = 16,
    AVAIL_FLAGS = 0,
    AVAIL_IDX = 2,
    AVAIL_RING = 4,
    USED_FLAGS = 0,
    USED_IDX = 2,
    USED_RING = 4,
    USED_ENTRY = 8,
};

void vq_set_error(VirtQueue *q, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_vsnprintf(q->error, sizeof(q->error), fmt, ap);
    va_end(ap);
}

static bool has_event_idx(const VirtQueue *q)
{
    return q->host->features & (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX);
}

/* `len` bytes of RAM in one piece. */
static bool map_piece(const FlatView *view, uint64_t gpa, uint64_t len,
                      bool is_write, VqRing *ret)
{
    const FlatRange *r = flat_view_find(view, gpa);

    if (r == NULL || r->ram == NULL ||
        (is_write && (r->read_only || r->romd)) ||
        r->size - (gpa - r->addr) < len) {
        return false;
    }
    ret->rb = r->ram;
    ret->off = r->offset + (gpa - r->addr);
    ret->host = r->ram->host + ret->off;
    return true;
}

static bool map_rings(VirtQueue *q, const FlatView *view)
{
    unsigned n = q->size;
    unsigned event = has_event_idx(q) ? 2 : 0;

    if (q->avail % 2 != 0 || q->used % 4 != 0) {
        vq_set_error(q,
                     "ring not aligned: avail 0x%" PRIx64 ", used 0x%" PRIx64,
                     q->avail, q->used);
        return false;
    }
    if (!map_piece(view, q->desc, n * DESC_SIZE, false, &q->desc_ring) ||
        !map_piece(view, q->avail, AVAIL_RING + 2 * n + event, false,
                   &q->avail_ring) ||
        !map_piece(view, q->used, USED_RING + USED_ENTRY * n + event, true,
                   &q->used_ring)) {
        vq_set_error(
            q,
            "ring of %u entries isn't in memory: descriptors 0x%" PRIx64
            ", avail 0x%" PRIx64 ", used 0x%" PRIx64,
            n, q->desc, q->avail, q->used);
        return false;
    }
    return true;
}

/* After a migration only the ring itself knows how far it was given back. */
static bool ring_resync(VirtQueue *q)
{
    unsigned inuse;

    q->used_idx = vq_read_used_idx(q);
    inuse = (uint16_t)(q->last_avail - q->used_idx);
    if (inuse > q->size) {
        vq_set_error(q, "%u of %u entries in use: last avail index %u, used %u",
                     inuse, q->size, q->last_avail, q->used_idx);
        return false;
    }
    q->inuse = inuse;
    q->resync = false;
    return true;
}

bool vq_rings_open(VirtQueue *q, const FlatView **ret_view)
{
    const FlatView *view;

    if (q->desc == 0 || q->size == 0 || !dma_is_open(q->host->dma) ||
        __atomic_load_n(&q->host->broken, __ATOMIC_RELAXED)) {
        return false;
    }
    view = address_space_view(q->host->dma->as);
    if (unlikely(view->generation != q->generation)) {
        if (!map_rings(q, view)) {
            return false;
        }
        q->generation = view->generation;
    }
    *ret_view = view;
    return likely(!q->resync) || ring_resync(q);
}

static uint16_t ring_load16(const uint8_t *p)
{
    return le16toh(
        __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_RELAXED));
}

static void ring_store16(uint8_t *p, uint16_t v)
{
    __atomic_store_n((uint16_t *)(void *)p, htole16(v), __ATOMIC_RELAXED);
}

uint16_t vq_read_avail_idx(VirtQueue *q)
{
    q->shadow_avail = ring_load16(q->avail_ring.host + AVAIL_IDX);
    /* Partner: the driver's barrier before it moves its index. */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return q->shadow_avail;
}

uint16_t vq_avail_entry(const VirtQueue *q, uint16_t n)
{
    return ring_load16(q->avail_ring.host + AVAIL_RING + 2 * (n % q->size));
}

uint16_t vq_avail_flags(const VirtQueue *q)
{
    return ring_load16(q->avail_ring.host + AVAIL_FLAGS);
}

uint16_t vq_used_event(const VirtQueue *q)
{
    return ring_load16(q->avail_ring.host + AVAIL_RING + 2 * q->size);
}

uint16_t vq_read_used_idx(const VirtQueue *q)
{
    return ring_load16(q->used_ring.host + USED_IDX);
}

/* As a CPU's stores: data first, then the dirty bit. */
static void mark_used(VirtQueue *q, unsigned off, unsigned len)
{
    ram_block_set_dirty(&q->host->dma->as->mem->ram, q->used_ring.rb,
                        q->used_ring.off + off, len);
}

void vq_write_used(VirtQueue *q, uint16_t n, uint32_t id, uint32_t len)
{
    unsigned off = USED_RING + USED_ENTRY * (n % q->size);

    stl_le_p(q->used_ring.host + off, id);
    stl_le_p(q->used_ring.host + off + 4, len);
    mark_used(q, off, USED_ENTRY);
}

void vq_write_used_idx(VirtQueue *q, uint16_t idx)
{
    /* Partner: the driver reads entries after the index. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    ring_store16(q->used_ring.host + USED_IDX, idx);
    mark_used(q, USED_IDX, 2);
}

void vq_write_avail_event(VirtQueue *q, uint16_t idx)
{
    unsigned off = USED_RING + USED_ENTRY * q->size;

    ring_store16(q->used_ring.host + off, idx);
    mark_used(q, off, 2);
}

void vq_write_used_flags(VirtQueue *q, uint16_t flags)
{
    ring_store16(q->used_ring.host + USED_FLAGS, flags);
    mark_used(q, USED_FLAGS, 2);
}

/* Chains */

typedef struct UnalignedU64 {
    uint64_t v;
} __attribute__((packed, may_alias)) UnalignedU64;

static VqDesc read_desc(const uint8_t *table, unsigned n)
{
    const volatile UnalignedU64 *p =
        (const volatile UnalignedU64 *)(const void *)(table + n * DESC_SIZE);
    uint64_t rest;
    VqDesc d;

    d.addr = le64toh(p[0].v);
    rest = le64toh(p[1].v);
    d.len = rest;
    d.flags = rest >> 32;
    d.next = rest >> 48;
    return d;
}

static bool chain_enter_table(VirtQueue *q, const FlatView *view,
                              const VqDesc *d, VqChain *c)
{
    VqRing table;

    if (!(q->host->features & (UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC))) {
        vq_set_error(q, "indirect descriptor without the feature");
        return false;
    }
    if (d->len == 0 || d->len % DESC_SIZE != 0 ||
        !map_piece(view, d->addr, d->len, false, &table)) {
        vq_set_error(q, "indirect table at 0x%" PRIx64 ", %u bytes", d->addr,
                     d->len);
        return false;
    }
    c->table = table.host;
    c->entries = MIN(d->len / DESC_SIZE, VIRTQUEUE_MAX_SIZE);
    c->at = 0;
    return true;
}

bool vq_chain_begin(VirtQueue *q, const FlatView *view, unsigned head,
                    VqChain *c)
{
    VqDesc d;

    if (head >= q->size) {
        vq_set_error(q, "descriptor %u of %u", head, q->size);
        return false;
    }
    *c =
        (VqChain){ .table = q->desc_ring.host, .entries = q->size, .at = head };
    d = read_desc(c->table, head);
    return !(d.flags & VRING_DESC_F_INDIRECT) ||
           chain_enter_table(q, view, &d, c);
}

bool vq_chain_next(VirtQueue *q, VqChain *c, VqDesc *ret)
{
    if (c->ended) {
        return false;
    }
    if (c->at >= c->entries) {
        vq_set_error(q, "descriptor %u of %u", c->at, c->entries);
        return false;
    }
    if (c->steps++ == c->entries) {
        vq_set_error(q, "chain of more than %u descriptors: a loop",
                     c->entries);
        return false;
    }
    *ret = read_desc(c->table, c->at);
    if (ret->flags & VRING_DESC_F_INDIRECT) {
        /* Only a chain's one descriptor may be; and it has been read. */
        vq_set_error(q, "indirect descriptor inside of a chain");
        return false;
    }
    c->ended = !(ret->flags & VRING_DESC_F_NEXT);
    c->at = ret->next;
    return true;
}
