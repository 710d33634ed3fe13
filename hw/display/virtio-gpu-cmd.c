/*
 * Commands of a virtio graphics card's control queue, 2D.
 * (Virtual I/O Device 1.2, section 5.7.6.)
 *
 * Each is checked against what there is; what a driver gets wrong is an error
 * in the answer, never one of the device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/virtio-gpu-priv.h"

#include "system/vm.h"
#include "util/bswap.h"

typedef uint32_t GpuCommandFn(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t);

/* An answer with data behind its header; the header comes later. */
static void put_data(GpuCommand *c, const void *answer, size_t size)
{
    const size_t head = sizeof(struct virtio_gpu_ctrl_hdr);

    iov_from_buf(c->e->in, c->e->nin, head, (const uint8_t *)answer + head,
                 size - head);
}

static uint32_t do_display_info(VirtioGpu *g, GpuCommand *c,
                                const VirtioTurn *t)
{
    struct virtio_gpu_resp_display_info info = { 0 };

    for (unsigned i = 0; i < g->max_outputs; i++) {
        if (g->scanouts[i].connected) {
            info.pmodes[i].enabled = htole32(1);
            info.pmodes[i].r.width = htole32(g->edid.xres);
            info.pmodes[i].r.height = htole32(g->edid.yres);
        }
    }
    put_data(c, &info, sizeof(info));
    return VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
}

static uint32_t do_edid(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t)
{
    g_autofree struct virtio_gpu_resp_edid *answer = NULL;

    if (!virtio_has_feature(&g->vdev, VIRTIO_GPU_F_EDID)) {
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
    if (le32toh(c->u.edid.scanout) >= g->max_outputs) {
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    }
    answer = g_new0(struct virtio_gpu_resp_edid, 1);
    answer->size = htole32(EDID_SIZE);
    edid_make(answer->edid, &g->edid);
    put_data(c, answer, sizeof(*answer));
    return VIRTIO_GPU_RESP_OK_EDID;
}

static uint32_t do_create(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t)
{
    uint32_t id = le32toh(c->u.create.resource_id);
    uint32_t width = le32toh(c->u.create.width);
    uint32_t height = le32toh(c->u.create.height);
    uint32_t format = le32toh(c->u.create.format);

    if (id == 0 || gpu_resource_find(g, id) != NULL) {
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    if (!gpu_format_is_known(format) || width == 0 || height == 0) {
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    }
    if (gpu_resource_new(g, id, width, height, format, g->max_hostmem) ==
        NULL) {
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t do_unref(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t)
{
    GpuResource *r = gpu_resource_find(g, le32toh(c->u.unref.resource_id));

    if (r == NULL) {
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    gpu_resource_free(g, r);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* False: it isn't within the resource. */
static bool take_rect(const GpuResource *r, const struct virtio_gpu_rect *from,
                      Rect *ret)
{
    *ret = (Rect){ le32toh(from->x), le32toh(from->y), le32toh(from->width),
                   le32toh(from->height) };
    return range_fits(ret->x, ret->w, r->width) &&
           range_fits(ret->y, ret->h, r->height);
}

static uint32_t do_set_scanout(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t)
{
    uint32_t n = le32toh(c->u.scanout.scanout_id);
    uint32_t id = le32toh(c->u.scanout.resource_id);
    GpuResource *r = gpu_resource_find(g, id);
    Rect rect;

    if (n >= g->max_outputs) {
        return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
    }
    g->enable = 1;
    if (id == 0) {
        gpu_scanout_set(&g->scanouts[n], NULL, (Rect){ 0 });
        return VIRTIO_GPU_RESP_OK_NODATA;
    }
    if (r == NULL) {
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    if (!take_rect(r, &c->u.scanout.r, &rect) || rect.w < GPU_MIN_SCANOUT ||
        rect.h < GPU_MIN_SCANOUT) {
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    }
    gpu_scanout_set(&g->scanouts[n], r, rect);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t do_flush(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t)
{
    GpuResource *r = gpu_resource_find(g, le32toh(c->u.flush.resource_id));
    Rect rect;

    if (r == NULL) {
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    if (!take_rect(r, &c->u.flush.r, &rect)) {
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    }
    gpu_scanouts_flush(g, r->id, rect);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Row by row: rows of the backing are as long as the resource's. */
static uint32_t do_transfer(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t)
{
    const struct virtio_gpu_transfer_to_host_2d *cmd = &c->u.transfer;
    GpuResource *r = gpu_resource_find(g, le32toh(cmd->resource_id));
    uint64_t offset = le64toh(cmd->offset);
    Rect rect;

    if (r == NULL) {
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    if (r->npieces == 0) {
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
    if (!take_rect(r, &cmd->r, &rect) || offset > INT64_MAX) {
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    }
    while (c->done < rect.h) {
        uint64_t stride = gpu_resource_stride(r);
        uint8_t *to = r->pixels + (rect.y + c->done) * stride +
                      (uint64_t)rect.x * GPU_BPP;

        if (!gpu_resource_fetch(g, r, offset + c->done * stride, to,
                                (size_t)rect.w * GPU_BPP)) {
            return VIRTIO_GPU_RESP_ERR_UNSPEC;
        }
        c->done++;
        if (virtio_turn_over(t)) {
            return 0;
        }
    }
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Is all of it RAM? */
static bool piece_is_ram(VirtioGpu *g, uint64_t addr, uint64_t len)
{
    if (len == 0 || addr > UINT64_MAX - len) {
        return false;
    }
    while (len > 0) {
        uint64_t n = len;

        if (address_space_map(g->vdev.pci.dma.as, addr, &n, false) == NULL ||
            n == 0) {
            return false;
        }
        addr += n;
        len -= n;
    }
    return true;
}

static bool take_piece(VirtioGpu *g, GpuCommand *c)
{
    size_t off = sizeof(c->u.attach) +
                 (size_t)c->done * sizeof(struct virtio_gpu_mem_entry);
    struct virtio_gpu_mem_entry entry;
    GpuPiece *p = &c->pieces[c->done];

    if (iov_to_buf(c->e->out, c->e->nout, off, &entry, sizeof(entry)) !=
        sizeof(entry)) {
        return false;
    }
    *p =
        (GpuPiece){ .addr = le64toh(entry.addr), .len = le32toh(entry.length) };
    return piece_is_ram(g, p->addr, p->len);
}

static uint32_t do_attach(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t)
{
    GpuResource *r = gpu_resource_find(g, le32toh(c->u.attach.resource_id));
    uint32_t n = le32toh(c->u.attach.nr_entries);

    if (r == NULL) {
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    if (r->npieces != 0 || n == 0 || n > GPU_BACKING_MAX) {
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
    /* What came from another host may be more already. */
    if (n * (uint64_t)sizeof(GpuPiece) >
        g->max_hostmem - MIN(g->hostmem, g->max_hostmem)) {
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    if (c->pieces == NULL) {
        c->pieces = g_new(GpuPiece, n);
    }
    while (c->done < n) {
        if (!take_piece(g, c)) {
            return VIRTIO_GPU_RESP_ERR_UNSPEC;
        }
        c->done++;
        if (virtio_turn_over(t)) {
            return 0;
        }
    }
    gpu_resource_set_pieces(g, r, g_steal_pointer(&c->pieces), n);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t do_detach(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t)
{
    GpuResource *r = gpu_resource_find(g, le32toh(c->u.detach.resource_id));

    if (r == NULL) {
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    if (r->npieces == 0) {
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
    gpu_resource_set_pieces(g, r, NULL, 0);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* All that there are without 3D and blobs. */
static const struct {
    uint32_t type;
    uint32_t size; /* of the command, what follows it aside */
    GpuCommandFn *fn;
} gpu_commands[] = {
    { VIRTIO_GPU_CMD_GET_DISPLAY_INFO, sizeof(struct virtio_gpu_ctrl_hdr),
      do_display_info },
    { VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
      sizeof(struct virtio_gpu_resource_create_2d), do_create },
    { VIRTIO_GPU_CMD_RESOURCE_UNREF, sizeof(struct virtio_gpu_resource_unref),
      do_unref },
    { VIRTIO_GPU_CMD_SET_SCANOUT, sizeof(struct virtio_gpu_set_scanout),
      do_set_scanout },
    { VIRTIO_GPU_CMD_RESOURCE_FLUSH, sizeof(struct virtio_gpu_resource_flush),
      do_flush },
    { VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
      sizeof(struct virtio_gpu_transfer_to_host_2d), do_transfer },
    { VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
      sizeof(struct virtio_gpu_resource_attach_backing), do_attach },
    { VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
      sizeof(struct virtio_gpu_resource_detach_backing), do_detach },
    { VIRTIO_GPU_CMD_GET_EDID, sizeof(struct virtio_gpu_cmd_get_edid),
      do_edid },
};

uint32_t virtio_gpu_do(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(gpu_commands); i++) {
        if (gpu_commands[i].type == le32toh(c->u.hdr.type)) {
            return c->e->out_bytes >= gpu_commands[i].size
                       ? gpu_commands[i].fn(g, c, t)
                       : VIRTIO_GPU_RESP_ERR_UNSPEC;
        }
    }
    return VIRTIO_GPU_RESP_ERR_UNSPEC;
}

void virtio_gpu_drop_command(GpuCommand *c)
{
    g_clear_pointer(&c->pieces, g_free);
    c->done = 0;
}
