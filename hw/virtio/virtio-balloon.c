/*
 * Memory balloon: the guest gives memory back to the host, and takes it again.
 * (Virtual I/O Device 1.2, section 5.5.)
 *
 * Queues: inflate, deflate, statistics; if offered, free page hints and free
 * page reporting.
 *
 * Stream: "virtio-balloon" version 1; its own state is two words and, as
 * negotiated, subsections.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-balloon-priv.h"

#include "hw/core/machine.h"
#include "hw/virtio/virtio-devices.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtqueue-priv.h"
#include "system/vm.h"
#include "util/bitmap.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"
#include "util/rcu.h"

enum {
    QUEUE_SIZE = 128,
    REPORTING_QUEUE_SIZE = 32,
    PFN_CHUNK = 256,          /* page numbers looked at in one go */
    REQUEST_MAX = 1024 * KiB, /* bytes of page numbers in one request */
    REPORT_CHUNK = 4 * MiB,   /* or a host page: given back in one go */
};

/* Offsets in the configuration. */
enum {
    CONFIG_NUM_PAGES = offsetof(struct virtio_balloon_config, num_pages),
    CONFIG_ACTUAL = offsetof(struct virtio_balloon_config, actual),
    CONFIG_HINT_ID =
        offsetof(struct virtio_balloon_config, free_page_hint_cmd_id),
    CONFIG_POISON = offsetof(struct virtio_balloon_config, poison_val),
};

/* Memory that goes back to the host */

/* A file that isn't shared keeps its pages whatever is done to the copies. */
static bool can_discard(const RamBlock *rb)
{
    return !rb->read_only && (rb->backing != RAM_FILE || rb->shared);
}

static void balloon_discard(const VirtioBalloon *b, RamBlock *rb, uint64_t off,
                            uint64_t len)
{
    int r = ram_block_discard(rb, off, len);

    if (r < 0) {
        log_warn("%s: giving back %" PRIu64 " bytes of RAM block '%s' failed: "
                 "%s",
                 device_name(&b->vdev.pci.dev), len, rb->name, g_strerror(-r));
    }
}

static void part_forget(BalloonPart *p)
{
    p->rb = NULL;
    g_clear_pointer(&p->map, bitmap_free);
}

/* A host page goes back when all guest pages in it have. */
static void inflate_part(VirtioBalloon *b, RamBlock *rb, uint64_t off)
{
    BalloonPart *p = &b->part;
    uint64_t start = ROUND_DOWN(off, rb->page_size);
    uint64_t n = rb->page_size >> RAM_PAGE_BITS;

    if (p->rb != rb || p->off != start) {
        part_forget(p);
        p->rb = rb;
        p->off = start;
        p->map = bitmap_new(n);
    }
    bitmap_set(p->map, (off - start) >> RAM_PAGE_BITS, 1);
    if (bitmap_find_next_zero(p->map, n, 0) == n) {
        part_forget(p);
        balloon_discard(b, rb, start, rb->page_size);
    }
}

static void balloon_page(VirtioBalloon *b, uint32_t pfn, bool inflate)
{
    AddressSpace *as = &b->vdev.pci.dev.vm->mem.memory;
    uint64_t gpa = (uint64_t)pfn << VIRTIO_BALLOON_PFN_SHIFT;
    const FlatRange *r;
    RamBlock *rb;
    uint64_t off;

    RCU_READ_GUARD();
    r = flat_view_find(address_space_view(as), gpa);
    if (r == NULL || r->ram == NULL || r->read_only || r->romd ||
        r->size - (gpa - r->addr) < RAM_PAGE_SIZE) {
        return;
    }
    rb = r->ram;
    off = r->offset + (gpa - r->addr);
    if (!inflate) {
        /* A page that the guest uses again must stay. */
        if (b->part.rb == rb && b->part.off == ROUND_DOWN(off, rb->page_size)) {
            part_forget(&b->part);
        }
    } else if (can_discard(rb)) {
        if (rb->page_size > RAM_PAGE_SIZE) {
            inflate_part(b, rb, off);
        } else {
            balloon_discard(b, rb, off, RAM_PAGE_SIZE);
        }
    }
}

/* The rest of a request; false: its turn is over. */
static bool balloon_pages(VirtioBalloon *b, BalloonRequest *r, bool inflate,
                          const VirtioTurn *turn)
{
    uint32_t pfns[PFN_CHUNK];
    size_t n;

    while ((n = iov_to_buf(r->e->out, r->e->nout, r->off, pfns, sizeof(pfns)) /
                4) > 0) {
        for (size_t i = 0; i < n; i++) {
            balloon_page(b, le32toh(pfns[i]), inflate);
        }
        r->off += n * 4;
        if (virtio_turn_over(turn)) {
            return false;
        }
    }
    return true;
}

/* The one in hand, or the next; false: none. */
static bool next_request(BalloonRequest *r, VirtioTurn *turn)
{
    if (r->e == NULL) {
        *r = (BalloonRequest){ .e = virtio_turn_pop(turn) };
    }
    return r->e != NULL;
}

static void end_request(BalloonRequest *r, VirtQueue *q)
{
    virtqueue_push(q, g_steal_pointer(&r->e), 0);
    virtqueue_notify(q);
}

/* The guest waits for it still, and sees no difference if it is done again. */
static void give_back_request(BalloonRequest *r, VirtQueue *q)
{
    if (r->e != NULL) {
        virtqueue_unpop(q, g_steal_pointer(&r->e));
    }
}

static void give_back_requests(VirtioBalloon *b)
{
    give_back_request(&b->inflating, b->inflate);
    give_back_request(&b->deflating, b->deflate);
    give_back_request(&b->reported, b->reporting);
}

static void balloon_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    VirtioBalloon *b = balloon_of(d);
    bool inflate = q == b->inflate;
    BalloonRequest *r = inflate ? &b->inflating : &b->deflating;

    while (next_request(r, &turn)) {
        if (r->e->out_bytes > REQUEST_MAX) {
            virtio_error(d, "%zu bytes of page numbers in one request",
                         r->e->out_bytes);
            virtqueue_detach(q, g_steal_pointer(&r->e));
            return;
        }
        if (!balloon_pages(b, r, inflate, &turn)) {
            virtio_kick_later(q);
            return;
        }
        end_request(r, q);
    }
}

/* Free pages that are full of a pattern must be found so again. */
static bool may_drop_free_pages(const VirtioBalloon *b)
{
    return b->poison_val == 0;
}

/*
 * The guest holds on to what it reports until it gets the request back.  True:
 * that was the rest of the piece.
 */
static bool report_piece(VirtioBalloon *b, const struct iovec *v,
                         uint64_t *done)
{
    RamBlock *rb;
    uint64_t off, lo, hi, n;

    RCU_READ_GUARD();
    rb = ram_block_from_host(&b->vdev.pci.dev.vm->mem.ram, v->iov_base, &off);
    if (rb == NULL || !can_discard(rb)) {
        return true;
    }
    lo = ROUND_UP(off, rb->page_size) + *done;
    hi = ROUND_DOWN(off + v->iov_len, rb->page_size);
    if (lo >= hi) {
        return true;
    }
    n = MIN(hi - lo, MAX((uint64_t)rb->page_size, REPORT_CHUNK));
    balloon_discard(b, rb, lo, n);
    *done += n;
    return lo + n == hi;
}

/* The rest of a request; false: its turn is over. */
static bool report_pieces(VirtioBalloon *b, BalloonRequest *r,
                          const VirtioTurn *turn)
{
    while (r->piece < r->e->nin && may_drop_free_pages(b)) {
        if (report_piece(b, &r->e->in[r->piece], &r->off)) {
            r->piece++;
            r->off = 0;
        }
        if (virtio_turn_over(turn)) {
            return false;
        }
    }
    return true;
}

static void reporting_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    VirtioBalloon *b = balloon_of(d);

    while (next_request(&b->reported, &turn)) {
        if (!report_pieces(b, &b->reported, &turn)) {
            virtio_kick_later(q);
            return;
        }
        end_request(&b->reported, q);
    }
}

/* Configuration */

static void get_config(VirtioDevice *d, uint8_t *config)
{
    VirtioBalloon *b = balloon_of(d);
    uint8_t all[sizeof(struct virtio_balloon_config)] = { 0 };

    stl_le_p(all + CONFIG_NUM_PAGES, b->num_pages);
    stl_le_p(all + CONFIG_ACTUAL, b->actual);
    if (b->free_page_hint) {
        stl_le_p(all + CONFIG_HINT_ID, balloon_hint_config(b));
    }
    stl_le_p(all + CONFIG_POISON, b->poison_val);
    memcpy(config, all, d->config_size);
}

static uint64_t actual_bytes(const VirtioBalloon *b)
{
    uint64_t ram = b->vdev.pci.dev.vm->machine->ram_size;
    uint64_t given = (uint64_t)b->actual << VIRTIO_BALLOON_PFN_SHIFT;

    return ram - MIN(given, ram);
}

static void set_config(VirtioDevice *d, const uint8_t *config)
{
    VirtioBalloon *b = balloon_of(d);
    Vm *vm = d->pci.dev.vm;
    uint32_t old = b->actual;

    b->actual = ldl_le_p(config + CONFIG_ACTUAL);
    if (d->config_size > CONFIG_POISON &&
        virtio_has_feature(d, VIRTIO_BALLOON_F_PAGE_POISON)) {
        b->poison_val = ldl_le_p(config + CONFIG_POISON);
    }
    if (b->actual != old && vm->hooks->event_balloon != NULL) {
        vm->hooks->event_balloon(vm, actual_bytes(b));
    }
}

static unsigned config_bytes(const VirtioBalloon *b)
{
    if (b->page_poison || b->old_config_size) {
        return sizeof(struct virtio_balloon_config);
    }
    return b->free_page_hint ? CONFIG_POISON : CONFIG_HINT_ID;
}

static uint64_t get_features(VirtioDevice *d, uint64_t offered)
{
    const VirtioBalloon *b = balloon_of(d);
    uint64_t f = offered | VIRTIO_BIT(VIRTIO_BALLOON_F_STATS_VQ);

    f |= b->deflate_on_oom ? VIRTIO_BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) : 0;
    f |= b->free_page_hint ? VIRTIO_BIT(VIRTIO_BALLOON_F_FREE_PAGE_HINT) : 0;
    f |= b->page_poison ? VIRTIO_BIT(VIRTIO_BALLOON_F_PAGE_POISON) : 0;
    f |= b->free_page_reporting ? VIRTIO_BIT(VIRTIO_BALLOON_F_REPORTING) : 0;
    return f;
}

static VirtioBalloon *find_balloon(Vm *vm, GError **errp)
{
    if (vm->balloon == NULL) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE,
                        "No balloon device has been activated");
    }
    return vm->balloon;
}

bool virtio_balloon_set_target(Vm *vm, uint64_t bytes, GError **errp)
{
    VirtioBalloon *b = find_balloon(vm, errp);
    uint64_t ram = vm->machine->ram_size;

    if (b == NULL) {
        return false;
    }
    b->num_pages = (ram - MIN(bytes, ram)) >> VIRTIO_BALLOON_PFN_SHIFT;
    virtio_notify_config(&b->vdev);
    return true;
}

bool virtio_balloon_get_actual(Vm *vm, uint64_t *ret, GError **errp)
{
    const VirtioBalloon *b = find_balloon(vm, errp);

    if (b == NULL) {
        return false;
    }
    *ret = actual_bytes(b);
    return true;
}

/* Life */

static bool balloon_realize(VirtioDevice *d, GError **errp)
{
    VirtioBalloon *b = balloon_of(d);
    Vm *vm = d->pci.dev.vm;

    if (vm->balloon != NULL) {
        error_setf(errp, "Only one balloon device is supported");
        return false;
    }
    d->config_size = config_bytes(b);
    b->inflate = virtio_add_queue(d, QUEUE_SIZE, balloon_output);
    b->deflate = virtio_add_queue(d, QUEUE_SIZE, balloon_output);
    b->statsq = virtio_add_queue(d, QUEUE_SIZE, balloon_stats_output);
    if ((b->iothread != NULL && !virtio_set_iothread(d, b->iothread, errp)) ||
        (b->free_page_hint && !balloon_hint_realize(b, errp))) {
        return false;
    }
    lock_init(&b->hint.lock);
    if (b->free_page_reporting) {
        b->reporting =
            virtio_add_queue(d, REPORTING_QUEUE_SIZE, reporting_output);
        virtio_queue_keep_in_main(b->reporting);
    }
    virtio_queue_keep_in_main(b->inflate);
    virtio_queue_keep_in_main(b->deflate);
    virtio_queue_keep_in_main(b->statsq);
    balloon_stats_init(b);
    balloon_stats_clear(b);
    balloon_stats_start(b);
    vm->balloon = b;
    return true;
}

/* The statistics' buffer isn't given back: the driver has gone. */
static void forget_stats_elem(VirtioBalloon *b)
{
    if (b->stats_elem != NULL) {
        virtqueue_detach(b->statsq, g_steal_pointer(&b->stats_elem));
    }
}

static void balloon_unrealize(VirtioDevice *d)
{
    VirtioBalloon *b = balloon_of(d);

    balloon_stats_fini(b);
    forget_stats_elem(b);
    balloon_hint_unrealize(b);
    lock_fini(&b->hint.lock);
    part_forget(&b->part);
    give_back_requests(b);
    d->pci.dev.vm->balloon = NULL;
}

/*
 * The statistics' buffer that the other side had in hand is there to be taken
 * again; the queue is looked at right after this.
 */
static void set_status(VirtioDevice *d, uint8_t old)
{
    VirtioBalloon *b = balloon_of(d);

    if (!virtio_running(d)) {
        give_back_requests(b);
    } else {
        balloon_hint_running(b);
    }
    if (virtio_running(d) && b->stats_elem == NULL &&
        virtqueue_ready(b->statsq)) {
        virtqueue_rewind(b->statsq, 1);
    }
}

static void balloon_reset(VirtioDevice *d)
{
    VirtioBalloon *b = balloon_of(d);

    forget_stats_elem(b);
    part_forget(&b->part);
    b->poison_val = 0;
    balloon_hint_reset(b);
}

static void balloon_queue_reset(VirtioDevice *d, VirtQueue *q)
{
    VirtioBalloon *b = balloon_of(d);

    if (q == b->statsq) {
        forget_stats_elem(b);
    } else {
        give_back_requests(b); /* the others are looked at again */
        virtio_kick_later(b->inflate);
        virtio_kick_later(b->deflate);
        if (b->reporting != NULL) {
            virtio_kick_later(b->reporting);
        }
    }
}

static bool balloon_post_load(VirtioDevice *d, GError **errp)
{
    balloon_stats_start(balloon_of(d));
    return true;
}

static bool has_poison(void *opaque)
{
    const VirtioBalloon *b = opaque;

    return virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_PAGE_POISON);
}

static const Vmstate poison_vmstate = {
    .name = "virtio-balloon-device/page-poison",
    .version = 1,
    .oldest = 1,
    .needed = has_poison,
    .fields = (const VmstateField[]){ VMSTATE_U32(VirtioBalloon, poison_val),
                                      VMSTATE_END },
};

static const Vmstate own_vmstate = {
    .name = "virtio-balloon-device",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_U32(VirtioBalloon, num_pages),
                                      VMSTATE_U32(VirtioBalloon, actual),
                                      VMSTATE_END },
    .subsections = (const Vmstate *const[]){ &balloon_hint_vmstate,
                                             &poison_vmstate, NULL },
};

static const VirtioType virtio_balloon = {
    .name = "virtio-balloon",
    .id = VIRTIO_ID_BALLOON,
    .realize = balloon_realize,
    .unrealize = balloon_unrealize,
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .set_status = set_status,
    .reset = balloon_reset,
    .queue_reset = balloon_queue_reset,
    .vmstate = &own_vmstate,
    .post_load = balloon_post_load,
};

static const Property balloon_props[] = {
    PROP(PROP_BOOL, VirtioBalloon, deflate_on_oom, "deflate-on-oom",
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioBalloon, free_page_hint, "free-page-hint",
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioBalloon, free_page_reporting, "free-page-reporting",
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioBalloon, page_poison, "page-poison", .def = 1,
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioBalloon, old_config_size, "qemu-4-0-config-size"),
    PROP(PROP_STR, VirtioBalloon, iothread, "iothread",
         .type_name = "link<iothread>"),
    { .name = "guest-stats",
      .kind = PROP_CUSTOM,
      .type_name = "guest statistics",
      .read_only = true,
      .get = balloon_get_stats },
    { .name = "guest-stats-polling-interval",
      .kind = PROP_CUSTOM,
      .type_name = "int",
      .run_time = true,
      .get = balloon_get_interval,
      .set = balloon_set_interval },
    PROP_END,
};

static const PciInfo balloon_pci = {
    .vendor_id = VIRTIO_PCI_VENDOR,
    .device_id = 0x1002,
    .class_id = 0x00ff,
};

static const Vmstate balloon_vmstate = VIRTIO_VMSTATE("virtio-balloon", 1);

#define BALLOON_TYPE                                                    \
    VIRTIO_PCI_TYPE, .category = "Misc", .size = sizeof(VirtioBalloon), \
                     .props = balloon_props,                            \
                     .more_props = virtio_pci_prop_tables,              \
                     .pci = &balloon_pci, .virtio = &virtio_balloon,    \
                     .vmstate = &balloon_vmstate

const DeviceType virtio_balloon_pci_type = {
    BALLOON_TYPE,
    .name = "virtio-balloon-pci",
    .parent = "virtio-balloon-pci-base",
    .alias = "virtio-balloon",
};

const DeviceType virtio_balloon_pci_transitional_type = {
    BALLOON_TYPE,
    .name = "virtio-balloon-pci-transitional",
    .parent = "virtio-balloon-pci-base",
    .init = virtio_pci_init_transitional,
};

const DeviceType virtio_balloon_pci_non_transitional_type = {
    BALLOON_TYPE,
    .name = "virtio-balloon-pci-non-transitional",
    .parent = "virtio-balloon-pci-base",
    .init = virtio_pci_init_non_transitional,
};
