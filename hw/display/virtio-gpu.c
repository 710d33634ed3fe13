/*
 * A virtio graphics card, 2D: its queues, configuration, state and life.
 * (Virtual I/O Device 1.2, section 5.7.)
 *
 * Stream: "virtio-gpu" version 1, behind the field "virtio" one "virtio-gpu",
 * big-endian:
 *
 *   resources  each: u32 id, width, height, format, pieces of its backing;
 *              each piece: u64 address, u32 length; then its pixels
 *   end        u32 0
 *   enable     i32, outputs u32
 *   outputs    each: u32 resource, width, height, x, y; of its pointer: u32
 *              resource, hot x and y, x, y
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/virtio-gpu.h"

#include "hw/display/virtio-gpu-priv.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    CTRL_QUEUE_SIZE = 64,
    CURSOR_QUEUE_SIZE = 16,
    MAX_HOSTMEM = 256 * MiB, /* unless users say otherwise */
};

static VirtioGpu *gpu_of(VirtioDevice *d)
{
    return container_of(d, VirtioGpu, vdev);
}

/* Queues */

/* The answer; its data are there already. */
static void answer_command(GpuCommand *c, VirtQueue *q, uint32_t type)
{
    static const struct {
        uint32_t type;
        size_t size;
    } sizes[] = {
        { VIRTIO_GPU_RESP_OK_DISPLAY_INFO,
          sizeof(struct virtio_gpu_resp_display_info) },
        { VIRTIO_GPU_RESP_OK_EDID, sizeof(struct virtio_gpu_resp_edid) },
    };
    struct virtio_gpu_ctrl_hdr hdr = { .type = htole32(type) };
    size_t size = sizeof(hdr);

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        size = sizes[i].type == type ? sizes[i].size : size;
    }
    if (le32toh(c->u.hdr.flags) & VIRTIO_GPU_FLAG_FENCE) {
        hdr.flags = htole32(VIRTIO_GPU_FLAG_FENCE);
        hdr.fence_id = c->u.hdr.fence_id;
        hdr.ctx_id = c->u.hdr.ctx_id;
    }
    iov_from_buf(c->e->in, c->e->nin, 0, &hdr, sizeof(hdr));
    virtqueue_push(q, c->e, MIN(size, c->e->in_bytes));
    c->e = NULL;
    virtqueue_notify(q);
}

/* The one in hand, or the next; false: none. */
static bool next_command(GpuCommand *c, VirtioTurn *turn)
{
    if (c->e != NULL) {
        return true;
    }
    c->e = virtio_turn_pop(turn);
    if (c->e == NULL) {
        return false;
    }
    memset(&c->u, 0, sizeof(c->u));
    iov_to_buf(c->e->out, c->e->nout, 0, &c->u, sizeof(c->u));
    return true;
}

static void ctrl_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    VirtioGpu *g = gpu_of(d);
    GpuCommand *c = &g->command;

    while (next_command(c, &turn)) {
        uint32_t type = virtio_gpu_do(g, c, &turn);

        if (type == 0) {
            virtio_kick_later(q);
            return;
        }
        virtio_gpu_drop_command(c);
        answer_command(c, q, type);
    }
}

static void do_cursor(VirtioGpu *g, const struct virtio_gpu_update_cursor *c)
{
    uint32_t n = le32toh(c->pos.scanout_id);
    uint32_t type = le32toh(c->hdr.type);

    if (n >= g->max_outputs) {
        return;
    }
    if (type == VIRTIO_GPU_CMD_UPDATE_CURSOR) {
        gpu_cursor_set(&g->scanouts[n], le32toh(c->resource_id),
                       le32toh(c->hot_x), le32toh(c->hot_y));
    }
    if (type == VIRTIO_GPU_CMD_UPDATE_CURSOR ||
        type == VIRTIO_GPU_CMD_MOVE_CURSOR) {
        gpu_cursor_move(&g->scanouts[n], le32toh(c->pos.x), le32toh(c->pos.y));
    }
}

/* These have no answer. */
static void cursor_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    struct virtio_gpu_update_cursor cmd;
    VirtQueueElem *e;

    while ((e = virtio_turn_pop(&turn)) != NULL) {
        if (iov_to_buf(e->out, e->nout, 0, &cmd, sizeof(cmd)) == sizeof(cmd)) {
            do_cursor(gpu_of(d), &cmd);
        }
        virtqueue_push(q, e, 0);
        virtqueue_notify(q);
    }
}

/* The driver waits for it still, and it can be done from the start. */
static void give_back_command(VirtioGpu *g)
{
    if (g->command.e != NULL) {
        virtqueue_unpop(g->ctrl, g_steal_pointer(&g->command.e));
    }
    virtio_gpu_drop_command(&g->command);
}

void virtio_gpu_set_status(VirtioDevice *d, uint8_t old)
{
    if (!virtio_running(d)) {
        give_back_command(gpu_of(d));
    }
}

void virtio_gpu_queue_reset(VirtioDevice *d, VirtQueue *q)
{
    if (q == gpu_of(d)->ctrl) {
        give_back_command(gpu_of(d));
    }
}

/* Configuration */

uint64_t virtio_gpu_get_features(VirtioDevice *d, uint64_t offered)
{
    return offered | (gpu_of(d)->opt_edid ? VIRTIO_BIT(VIRTIO_GPU_F_EDID) : 0);
}

void virtio_gpu_get_config(VirtioDevice *d, uint8_t *config)
{
    const VirtioGpu *g = gpu_of(d);
    struct virtio_gpu_config c = { .events_read = htole32(g->events_read),
                                   .num_scanouts = htole32(g->max_outputs) };

    memcpy(config, &c, sizeof(c));
}

void virtio_gpu_set_config(VirtioDevice *d, const uint8_t *config)
{
    struct virtio_gpu_config c;

    memcpy(&c, config, sizeof(c));
    gpu_of(d)->events_read &= ~le32toh(c.events_clear);
}

/* Life */

static bool check_props(VirtioGpu *g, GError **errp)
{
    if (g->max_outputs == 0 || g->max_outputs > VIRTIO_GPU_MAX_SCANOUTS) {
        error_setf(errp, "max_outputs=%u: 1 to %d", g->max_outputs,
                   VIRTIO_GPU_MAX_SCANOUTS);
        return false;
    }
    if (g->blob) {
        error_setf(errp, "blob=on is not supported");
        return false;
    }
    if (g->edid.xres == 0 || g->edid.yres == 0 || g->edid.xres > EDID_RES_MAX ||
        g->edid.yres > EDID_RES_MAX) {
        error_setf(errp, "xres=%u,yres=%u: 1 to %d each", g->edid.xres,
                   g->edid.yres, EDID_RES_MAX);
        return false;
    }
    return true;
}

bool virtio_gpu_realize(VirtioDevice *d, GError **errp)
{
    VirtioGpu *g = gpu_of(d);

    if (!check_props(g, errp)) {
        return false;
    }
    d->config_size = sizeof(struct virtio_gpu_config);
    g->ctrl = virtio_add_queue(d, CTRL_QUEUE_SIZE, ctrl_output);
    g->cursor = virtio_add_queue(d, CURSOR_QUEUE_SIZE, cursor_output);
    g_queue_init(&g->resources);
    g->by_id = g_hash_table_new(NULL, NULL);
    return true;
}

void virtio_gpu_unrealize(VirtioDevice *d)
{
    VirtioGpu *g = gpu_of(d);

    give_back_command(g);
    gpu_resources_clear(g);
    g_clear_pointer(&g->by_id, g_hash_table_unref);
}

void virtio_gpu_reset(VirtioDevice *d)
{
    VirtioGpu *g = gpu_of(d);

    give_back_command(g);
    gpu_scanouts_reset(g);
    gpu_resources_clear(g);
    g->events_read = 0;
}

/* Its queues are kicked too seldom. */
void virtio_gpu_init(Device *dev)
{
    VIRTIO_DEVICE(dev)->props.ioeventfd = false;
}

static bool gpu_pci_realize(Device *dev, GError **errp)
{
    VirtioGpu *g = gpu_of(VIRTIO_DEVICE(dev));

    if (!virtio_pci_realize(dev, errp)) {
        return false;
    }
    gpu_scanouts_init(g);
    return true;
}

static void gpu_pci_unrealize(Device *dev)
{
    gpu_scanouts_fini(gpu_of(VIRTIO_DEVICE(dev)));
    virtio_pci_unrealize(dev);
}

/* State */

static void put_resource(StreamOut *s, const GpuResource *r)
{
    stream_put_be32(s, r->id);
    stream_put_be32(s, r->width);
    stream_put_be32(s, r->height);
    stream_put_be32(s, r->format);
    stream_put_be32(s, r->npieces);
    for (uint32_t i = 0; i < r->npieces; i++) {
        stream_put_be64(s, r->pieces[i].addr);
        stream_put_be32(s, r->pieces[i].len);
    }
    stream_put(s, r->pixels, (size_t)gpu_resource_stride(r) * r->height);
}

static bool gpu_put(StreamOut *s, const void *field, size_t size, GError **errp)
{
    const VirtioGpu *g = field;

    for (const GList *l = g->resources.head; l != NULL; l = l->next) {
        put_resource(s, l->data);
    }
    stream_put_be32(s, 0);
    stream_put_be32(s, g->enable);
    stream_put_be32(s, g->max_outputs);
    for (unsigned i = 0; i < g->max_outputs; i++) {
        const GpuScanout *o = &g->scanouts[i];

        stream_put_be32(s, o->resource_id);
        stream_put_be32(s, o->width);
        stream_put_be32(s, o->height);
        stream_put_be32(s, o->x);
        stream_put_be32(s, o->y);
        stream_put_be32(s, o->cursor.resource_id);
        stream_put_be32(s, o->cursor.hot_x);
        stream_put_be32(s, o->cursor.hot_y);
        stream_put_be32(s, o->cursor.x);
        stream_put_be32(s, o->cursor.y);
    }
    return true;
}

/* Another program may count less for each resource. */
static uint64_t load_limit(const VirtioGpu *g)
{
    return g->max_hostmem <= UINT64_MAX / 2 ? 2 * g->max_hostmem
                                            : g->max_hostmem;
}

static bool get_pieces(VirtioGpu *g, GpuResource *r, uint32_t n, StreamIn *s,
                       GError **errp)
{
    g_autofree GpuPiece *pieces = NULL;

    if (n > GPU_BACKING_MAX ||
        n * (uint64_t)sizeof(*pieces) > load_limit(g) - g->hostmem) {
        error_setf(errp, "resource %u: %u pieces of memory", r->id, n);
        return false;
    }
    pieces = n > 0 ? g_new0(GpuPiece, n) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        pieces[i].addr = stream_get_be64(s);
        pieces[i].len = stream_get_be32(s);
    }
    gpu_resource_set_pieces(g, r, g_steal_pointer(&pieces), n);
    return stream_in_check(s, errp);
}

static bool get_resource(VirtioGpu *g, uint32_t id, StreamIn *s, GError **errp)
{
    uint32_t width = stream_get_be32(s), height = stream_get_be32(s);
    uint32_t format = stream_get_be32(s), n = stream_get_be32(s);
    GpuResource *r = NULL;

    if (!stream_in_check(s, errp)) {
        return false;
    }
    if (gpu_resource_find(g, id) == NULL && gpu_format_is_known(format) &&
        width > 0 && height > 0) {
        r = gpu_resource_new(g, id, width, height, format, load_limit(g));
    }
    if (r == NULL) {
        error_setf(errp,
                   "resource %u of %ux%u pixels in format %u: there is no "
                   "room for it, or another one",
                   id, width, height, format);
        return false;
    }
    return get_pieces(g, r, n, s, errp) &&
           (stream_get(s, r->pixels, (size_t)gpu_resource_stride(r) * height) ||
            stream_in_check(s, errp));
}

static void get_scanout(GpuScanout *o, StreamIn *s)
{
    o->resource_id = stream_get_be32(s);
    o->width = stream_get_be32(s);
    o->height = stream_get_be32(s);
    o->x = stream_get_be32(s);
    o->y = stream_get_be32(s);
    o->cursor.resource_id = stream_get_be32(s);
    o->cursor.hot_x = stream_get_be32(s);
    o->cursor.hot_y = stream_get_be32(s);
    o->cursor.x = stream_get_be32(s);
    o->cursor.y = stream_get_be32(s);
}

static bool gpu_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    VirtioGpu *g = field;
    uint32_t id, n;

    gpu_resources_clear(g);
    while ((id = stream_get_be32(s)) != 0) {
        if (!get_resource(g, id, s, errp)) {
            return false;
        }
    }
    g->enable = stream_get_be32(s);
    n = stream_get_be32(s);
    if (!stream_in_check(s, errp)) {
        return false;
    }
    if (n != g->max_outputs) {
        error_setf(errp, "%u outputs in the stream, max_outputs=%u here", n,
                   g->max_outputs);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        get_scanout(&g->scanouts[i], s);
    }
    if (!stream_in_check(s, errp)) {
        gpu_scanouts_reset(g);
        return false;
    }
    return true;
}

static bool gpu_loaded(void *opaque, int version, GError **errp)
{
    return gpu_scanouts_loaded(opaque, errp);
}

static uint64_t gpu_max_bytes(const void *opaque)
{
    return 16 * MiB + load_limit(opaque);
}

static const VmstateInfo gpu_info = { .name = "virtio-gpu",
                                      .put = gpu_put,
                                      .get = gpu_get };

const Vmstate virtio_gpu_vmstate = {
    .name = "virtio-gpu",
    .version = 1,
    .oldest = 1,
    .post_load = gpu_loaded,
    .max_bytes = gpu_max_bytes,
    .fields = (const VmstateField[]){ VMSTATE_VIRTIO,
                                      { .name = "virtio-gpu",
                                        .kind = VMS_CUSTOM,
                                        .size = sizeof(VirtioGpu),
                                        .info = &gpu_info },
                                      VMSTATE_END },
};

/* The types */

static const VirtioType virtio_gpu = { VIRTIO_GPU_TYPE };

const Property virtio_gpu_props[] = {
    PROP(PROP_U32, VirtioGpu, max_outputs, "max_outputs", .def = 1),
    PROP(PROP_BOOL, VirtioGpu, opt_edid, "edid", .def = 1, .help = "on/off"),
    PROP(PROP_U32, VirtioGpu, edid.xres, "xres", .def = EDID_XRES),
    PROP(PROP_U32, VirtioGpu, edid.yres, "yres", .def = EDID_YRES),
    PROP(PROP_SIZE, VirtioGpu, max_hostmem, "max_hostmem", .def = MAX_HOSTMEM),
    PROP(PROP_BOOL, VirtioGpu, blob, "blob", .help = "on/off"),
    PROP_END,
};

static const PciInfo virtio_gpu_pci_info = {
    .vendor_id = VIRTIO_PCI_VENDOR,
    .device_id = 0x1040 + VIRTIO_ID_GPU,
    .class_id = 0x0380,
};

const DeviceType virtio_gpu_pci_type = {
    .name = "virtio-gpu-pci",
    .parent = "virtio-gpu-pci-base-type",
    .alias = "virtio-gpu",
    .category = "Display",
    .size = sizeof(VirtioGpu),
    .bus = BUS_PCI,
    .user_creatable = true,
    .props = virtio_gpu_props,
    .more_props = virtio_pci_prop_tables,
    .pci = &virtio_gpu_pci_info,
    .virtio = &virtio_gpu,
    .init = virtio_gpu_init,
    .realize = gpu_pci_realize,
    .unrealize = gpu_pci_unrealize,
    .reset = virtio_pci_reset,
    .vmstate = &virtio_gpu_vmstate,
};
