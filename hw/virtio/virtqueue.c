/*
 * Split virtqueues: elements out of chains, and back.
 * (Virtual I/O Device 1.2, section 2.7.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtqueue-priv.h"

#include <linux/virtio_config.h>

#define VQ_BOUNCE_MAX  (256 * KiB) /* bytes of one element */
#define VQ_ELEM_PIECES 8           /* room that an element starts with */

unsigned virtqueue_index(const VirtQueue *q)
{
    return q->index;
}

VirtQueuePlace virtqueue_place(const VirtQueue *q)
{
    return (VirtQueuePlace){ q->desc, q->avail, q->used };
}

uint16_t virtqueue_last_avail(const VirtQueue *q)
{
    return q->last_avail;
}

unsigned virtqueue_size(const VirtQueue *q)
{
    return q->size;
}

unsigned virtqueue_inuse(const VirtQueue *q)
{
    return q->inuse;
}

bool virtqueue_ready(const VirtQueue *q)
{
    return q->desc != 0 && q->size != 0 &&
           !__atomic_load_n(&q->host->broken, __ATOMIC_RELAXED);
}

static bool has_feature(const VirtQueue *q, unsigned bit)
{
    return q->host->features & (UINT64_C(1) << bit);
}

/* Outside of the RCU section: this may wait for vm_lock. */
static void tell_error(VirtQueue *q)
{
    g_autofree char *msg = NULL;

    if (likely(q->error[0] == '\0')) {
        return;
    }
    msg = g_strdup_printf("queue %u: %s", q->index, q->error);
    q->error[0] = '\0';
    q->host->error(q->host, msg);
}

/* Elements */

static VqElem *elem_new(VirtQueue *q)
{
    VqElem *e = q->pool;

    if (e != NULL) {
        q->pool = e->next;
    } else {
        e = g_new0(VqElem, 1);
        e->cap = VQ_ELEM_PIECES;
        e->iov = g_new(struct iovec, e->cap);
        e->segs = g_new(VqSeg, e->cap);
    }
    e->pub = (VirtQueueElem){ 0 };
    e->n = 0;
    e->bounced = 0;
    return e;
}

static void elem_destroy(VqElem *e)
{
    g_free(e->iov);
    g_free(e->segs);
    g_free(e);
}

static void elem_drop_segs(VqElem *e)
{
    for (unsigned i = 0; i < e->n; i++) {
        VqSeg *s = &e->segs[i];

        if (s->rb == NULL) {
            g_free(s->host);
        } else if (i == 0 || e->segs[i - 1].rb != s->rb) {
            /* Neighbours in one block share a reference. */
            ram_block_unref(s->rb);
        }
    }
    e->n = 0;
}

static void elem_release(VirtQueue *q, VqElem *e)
{
    elem_drop_segs(e);
    e->next = q->pool;
    q->pool = e;
}

static VqSeg *elem_add(VirtQueue *q, VqElem *e, uint64_t gpa, size_t len)
{
    if (e->n == VIRTQUEUE_MAX_SIZE) {
        vq_set_error(q, "chain of more than %u pieces", VIRTQUEUE_MAX_SIZE);
        return NULL;
    }
    if (e->n == e->cap) {
        e->cap *= 2;
        e->iov = g_renew(struct iovec, e->iov, e->cap);
        e->segs = g_renew(VqSeg, e->segs, e->cap);
    }
    e->segs[e->n] = (VqSeg){ .gpa = gpa, .len = len };
    return &e->segs[e->n++];
}

static bool add_bounce(VirtQueue *q, VqElem *e, VqSeg *s)
{
    if (q->host->ram_only || s->len > VQ_BOUNCE_MAX - e->bounced) {
        vq_set_error(q, "buffer at 0x%" PRIx64 ", %zu bytes, isn't in memory",
                     s->gpa, s->len);
        return false;
    }
    e->bounced += s->len;
    s->host = g_malloc0(s->len);
    return true;
}

/* A buffer, in as many pieces as the view has for it. */
static bool elem_add_buffer(VirtQueue *q, VqElem *e, const FlatView *view,
                            const VqDesc *d)
{
    bool in = d->flags & VRING_DESC_F_WRITE;
    uint64_t gpa = d->addr, left = d->len;

    if (left == 0 || left - 1 > UINT64_MAX - gpa) {
        vq_set_error(q, "buffer at 0x%" PRIx64 ", %u bytes", gpa, d->len);
        return false;
    }
    while (left > 0) {
        const FlatRange *r = flat_view_find(view, gpa);
        uint64_t n;
        VqSeg *s;

        if (r == NULL) {
            vq_set_error(q, "buffer at 0x%" PRIx64 ": nothing is there", gpa);
            return false;
        }
        n = MIN(left, r->size - (gpa - r->addr));
        s = elem_add(q, e, gpa, n);
        if (s == NULL) {
            return false;
        }
        if (r->ram != NULL && !(in && (r->read_only || r->romd))) {
            s->rb = r->ram;
            s->off = r->offset + (gpa - r->addr);
            s->host = r->ram->host + s->off;
            if (e->n == 1 || s[-1].rb != s->rb) {
                ram_block_ref(s->rb);
            }
        } else if (!add_bounce(q, e, s)) {
            return false;
        }
        gpa += n;
        left -= n;
    }
    return true;
}

/* What the driver gives comes first, what it wants filled after. */
static bool elem_fill(VirtQueue *q, VqElem *e, const FlatView *view,
                      unsigned head)
{
    VqChain c;
    VqDesc d;

    if (!vq_chain_begin(q, view, head, &c)) {
        return false;
    }
    while (vq_chain_next(q, &c, &d)) {
        unsigned before = e->n;

        if (!elem_add_buffer(q, e, view, &d)) {
            return false;
        }
        if (d.flags & VRING_DESC_F_WRITE) {
            e->pub.nin += e->n - before;
            e->pub.in_bytes += d.len;
        } else if (e->pub.nin > 0) {
            vq_set_error(q, "chain %u: a buffer to read behind one to write",
                         head);
            return false;
        } else {
            e->pub.nout += e->n - before;
            e->pub.out_bytes += d.len;
        }
    }
    return q->error[0] == '\0';
}

static void elem_finish(VqElem *e, unsigned head)
{
    for (unsigned i = 0; i < e->n; i++) {
        e->iov[i] = (struct iovec){ .iov_base = e->segs[i].host,
                                    .iov_len = e->segs[i].len };
    }
    e->pub.head = head;
    e->first_in = e->pub.nout;
    e->pub.out = e->iov;
    e->pub.in = e->iov + e->pub.nout;
}

/* What the driver gives in a device's registers or in ROM. */
static void elem_fetch_bounced(VirtQueue *q, VqElem *e)
{
    for (unsigned i = 0; i < e->first_in && e->bounced > 0; i++) {
        VqSeg *s = &e->segs[i];

        if (s->rb == NULL) {
            dma_access_begin();
            address_space_read(q->host->dma->as, s->gpa, s->host, s->len);
            dma_access_end();
        }
    }
}

/* Chains to pop; negative with q->error. */
static int ring_navailable(VirtQueue *q)
{
    uint16_t n = q->shadow_avail - q->last_avail;

    if (n == 0) {
        n = vq_read_avail_idx(q) - q->last_avail;
    }
    if (n > q->size) {
        vq_set_error(q, "avail index moved from %u to %u, ring of %u entries",
                     q->last_avail, q->shadow_avail, q->size);
        return -1;
    }
    return n;
}

static VqElem *pop_one(VirtQueue *q)
{
    const FlatView *view;
    unsigned head;
    VqElem *e;

    RCU_READ_GUARD();
    if (!vq_rings_open(q, &view) || ring_navailable(q) <= 0) {
        return NULL;
    }
    if (q->inuse >= q->size) {
        vq_set_error(q, "more chains than its %u entries", q->size);
        return NULL;
    }
    head = vq_avail_entry(q, q->last_avail);
    e = elem_new(q);
    if (!elem_fill(q, e, view, head)) {
        elem_release(q, e);
        return NULL;
    }
    elem_finish(e, head);
    q->last_avail++;
    q->inuse++;
    if (q->notification && has_feature(q, VIRTIO_RING_F_EVENT_IDX)) {
        vq_write_avail_event(q, q->last_avail);
    }
    return e;
}

VirtQueueElem *virtqueue_pop(VirtQueue *q)
{
    VqElem *e = pop_one(q);

    if (e == NULL) {
        tell_error(q);
        return NULL;
    }
    elem_fetch_bounced(q, e);
    return &e->pub;
}

VirtQueueElem *virtqueue_take(VirtQueue *q, uint32_t head)
{
    const FlatView *view;
    VqElem *e = NULL;

    {
        RCU_READ_GUARD();
        if (head < q->size && vq_rings_open(q, &view)) {
            /* The ring counts it already: it isn't in the used ring yet. */
            e = elem_new(q);
            if (elem_fill(q, e, view, head)) {
                elem_finish(e, head);
            } else {
                elem_release(q, e);
                e = NULL;
            }
        }
    }
    if (e == NULL) {
        tell_error(q);
        return NULL;
    }
    elem_fetch_bounced(q, e);
    return &e->pub;
}

/*
 * The first `written` bytes of what the device was to fill; `as` NULL: but for
 * those of bounce buffers.
 */
static void elem_write_back(Memory *mem, AddressSpace *as, VqElem *e,
                            size_t written)
{
    for (unsigned i = e->first_in; i < e->n && written > 0; i++) {
        VqSeg *s = &e->segs[i];
        size_t n = MIN(written, s->len);

        if (s->rb != NULL) {
            ram_block_set_dirty(&mem->ram, s->rb, s->off, n);
        } else if (as != NULL) {
            dma_access_begin();
            address_space_write(as, s->gpa, s->host, n);
            dma_access_end();
        }
        written -= n;
    }
}

void virtqueue_fill(VirtQueue *q, VirtQueueElem *elem, size_t written,
                    unsigned idx)
{
    VqElem *e = container_of(elem, VqElem, pub);
    AddressSpace *as = q->host->dma->as;
    const FlatView *view;

    elem_write_back(as->mem, as, e, written);
    {
        RCU_READ_GUARD();
        if (vq_rings_open(q, &view)) {
            vq_write_used(q, q->used_idx + idx, elem->head,
                          MIN(written, UINT32_MAX));
        }
    }
    tell_error(q);
    elem_release(q, e);
}

void virtqueue_flush(VirtQueue *q, unsigned count)
{
    const FlatView *view;
    uint16_t old, new;

    {
        RCU_READ_GUARD();
        if (vq_rings_open(q, &view)) {
            old = q->used_idx;
            new = old + count;
            vq_write_used_idx(q, new);
            q->used_idx = new;
            /* The index has come round to where it was told last. */
            if ((uint16_t)(new - q->signalled) < (uint16_t)(new - old)) {
                q->signalled_valid = false;
            }
        }
    }
    q->inuse -= MIN(q->inuse, count);
    tell_error(q);
}

void virtqueue_push(VirtQueue *q, VirtQueueElem *e, size_t written)
{
    virtqueue_fill(q, e, written, 0);
    virtqueue_flush(q, 1);
}

void virtqueue_disown(VirtQueue *q, VirtQueueElem *elem)
{
    container_of(elem, VqElem, pub)->mem = q->host->dma->as->mem;
    q->inuse -= MIN(q->inuse, 1u);
}

void virtqueue_free_disowned(VirtQueueElem *elem)
{
    VqElem *e = container_of(elem, VqElem, pub);

    elem_write_back(e->mem, NULL, e, SIZE_MAX);
    elem_drop_segs(e);
    elem_destroy(e);
}

void virtqueue_detach(VirtQueue *q, VirtQueueElem *elem)
{
    VqElem *e = container_of(elem, VqElem, pub);

    /* It may have been filled in part, which nobody says. */
    elem_write_back(q->host->dma->as->mem, NULL, e, SIZE_MAX);
    q->inuse -= MIN(q->inuse, 1u);
    elem_release(q, e);
}

void virtqueue_unpop(VirtQueue *q, VirtQueueElem *elem)
{
    q->last_avail--;
    q->inuse -= MIN(q->inuse, 1u);
    elem_release(q, container_of(elem, VqElem, pub));
}

bool virtqueue_rewind(VirtQueue *q, unsigned n)
{
    const FlatView *view;
    bool ok;

    {
        RCU_READ_GUARD();
        ok = vq_rings_open(q, &view) && n <= q->inuse;
    }
    tell_error(q);
    if (ok) {
        q->last_avail -= n;
        q->inuse -= n;
    }
    return ok;
}

bool virtqueue_empty(VirtQueue *q)
{
    const FlatView *view;
    bool empty;

    {
        RCU_READ_GUARD();
        empty = !vq_rings_open(q, &view) || ring_navailable(q) <= 0;
    }
    tell_error(q);
    return empty;
}

bool virtqueue_peek_avail(VirtQueue *q, uint16_t *ret)
{
    const FlatView *view;
    bool ok;

    {
        RCU_READ_GUARD();
        ok = vq_rings_open(q, &view);
        if (ok) {
            *ret = vq_read_avail_idx(q);
        }
    }
    tell_error(q);
    return ok;
}

/* Adds what a chain holds; false with q->error. */
static bool chain_bytes(VirtQueue *q, const FlatView *view, unsigned head,
                        size_t *out, size_t *in)
{
    VqChain c;
    VqDesc d;

    if (!vq_chain_begin(q, view, head, &c)) {
        return false;
    }
    while (vq_chain_next(q, &c, &d)) {
        *(d.flags & VRING_DESC_F_WRITE ? in : out) += d.len;
    }
    return q->error[0] == '\0';
}

static bool count_bytes(VirtQueue *q, size_t out, size_t in)
{
    size_t have_out = 0, have_in = 0;
    const FlatView *view;
    uint16_t end;

    RCU_READ_GUARD();
    if (!vq_rings_open(q, &view)) {
        return false;
    }
    vq_read_avail_idx(q);
    if (ring_navailable(q) < 0) {
        return false;
    }
    end = q->shadow_avail;
    for (uint16_t i = q->last_avail; i != end; i++) {
        if (have_out >= out && have_in >= in) {
            break;
        }
        if (!chain_bytes(q, view, vq_avail_entry(q, i), &have_out, &have_in)) {
            return false;
        }
    }
    return have_out >= out && have_in >= in;
}

bool virtqueue_has_bytes(VirtQueue *q, size_t out, size_t in)
{
    bool enough = count_bytes(q, out, in);

    tell_error(q);
    return enough;
}

void virtqueue_set_notification(VirtQueue *q, bool on)
{
    const FlatView *view;

    q->notification = on;
    {
        RCU_READ_GUARD();
        if (!vq_rings_open(q, &view)) {
            /* Nobody to ask; or an error, told below. */
        } else if (!has_feature(q, VIRTIO_RING_F_EVENT_IDX)) {
            vq_write_used_flags(q, on ? 0 : VRING_USED_F_NO_NOTIFY);
        } else if (on) {
            vq_write_avail_event(q, vq_read_avail_idx(q));
        }
    }
    tell_error(q);
    /* Partner: the driver moves its index, then looks whether to kick. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool wants_interrupt(VirtQueue *q)
{
    const FlatView *view;
    uint16_t old;
    bool valid;

    RCU_READ_GUARD();
    if (!vq_rings_open(q, &view)) {
        return false;
    }
    /* Partner: the driver asks for interrupts, then looks at used->idx. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (has_feature(q, VIRTIO_F_NOTIFY_ON_EMPTY) && q->inuse == 0 &&
        ring_navailable(q) == 0) {
        return true;
    }
    if (!has_feature(q, VIRTIO_RING_F_EVENT_IDX)) {
        return !(vq_avail_flags(q) & VRING_AVAIL_F_NO_INTERRUPT);
    }
    valid = q->signalled_valid;
    old = q->signalled;
    q->signalled = q->used_idx;
    q->signalled_valid = true;
    return !valid || vring_need_event(vq_used_event(q), q->used_idx, old);
}

void virtqueue_notify(VirtQueue *q)
{
    bool wanted = wants_interrupt(q);

    tell_error(q);
    if (wanted) {
        q->host->interrupt(q->host, q);
    }
}

void virtqueue_notify_always(VirtQueue *q)
{
    q->host->interrupt(q->host, q);
}

/* Life */

void virtqueue_init(VirtQueue *q, VirtQueueHost *host, unsigned index,
                    unsigned size)
{
    *q = (VirtQueue){ .host = host, .index = index, .size_max = size };
    virtqueue_reset(q);
}

void virtqueue_fini(VirtQueue *q)
{
    while (q->pool != NULL) {
        VqElem *e = q->pool;

        q->pool = e->next;
        elem_destroy(e);
    }
}

void virtqueue_reset(VirtQueue *q)
{
    q->size = q->size_max;
    q->desc = q->avail = q->used = 0;
    q->generation = 0;
    q->last_avail = q->shadow_avail = q->used_idx = q->signalled = 0;
    q->signalled_valid = false;
    q->notification = true;
    q->resync = false;
    q->inuse = 0;
    q->error[0] = '\0';
}

void virtqueue_set_size(VirtQueue *q, unsigned size)
{
    q->size = size;
    q->generation = 0; /* the ring is longer or shorter where it lies */
}

void virtqueue_set_rings(VirtQueue *q, uint64_t desc, uint64_t avail,
                         uint64_t used)
{
    q->desc = desc;
    q->avail = avail;
    q->used = used;
    q->generation = 0;
}

void virtqueue_set_last_avail(VirtQueue *q, uint16_t idx)
{
    q->last_avail = q->shadow_avail = idx;
    q->signalled_valid = false;
    q->resync = true;
}
