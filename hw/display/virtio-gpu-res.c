/*
 * Resources of a virtio graphics card: pictures that the host keeps for the
 * driver, and the memory behind them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/virtio-gpu-priv.h"

#include "system/vm.h"
#include "util/bswap.h"

GpuResource *gpu_resource_find(VirtioGpu *g, uint32_t id)
{
    return g_hash_table_lookup(g->by_id, GUINT_TO_POINTER(id));
}

/* Which byte of a pixel a color is; alpha 4: it has none. */
typedef struct GpuFormat {
    uint32_t format;
    uint8_t red, green, blue, alpha;
} GpuFormat;

static const GpuFormat gpu_formats[] = {
    { VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 2, 1, 0, 3 },
    { VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 2, 1, 0, 4 },
    { VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, 1, 2, 3, 0 },
    { VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, 1, 2, 3, 4 },
    { VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, 0, 1, 2, 3 },
    { VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, 3, 2, 1, 4 },
    { VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, 3, 2, 1, 0 },
    { VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, 0, 1, 2, 4 },
};

static const GpuFormat *gpu_format_find(uint32_t format)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(gpu_formats); i++) {
        if (gpu_formats[i].format == format) {
            return &gpu_formats[i];
        }
    }
    return NULL;
}

bool gpu_format_is_known(uint32_t format)
{
    return gpu_format_find(format) != NULL;
}

static uint64_t picture_bytes(const GpuResource *r)
{
    return (uint64_t)gpu_resource_stride(r) * r->height;
}

/*
 * What a resource takes of the host's memory: the smallest ones count as a
 * page, or a driver could have any number of them.
 */
static uint64_t resource_cost(const GpuResource *r)
{
    return ROUND_UP(picture_bytes(r), 4096) +
           r->npieces * (uint64_t)sizeof(GpuPiece);
}

GpuResource *gpu_resource_new(VirtioGpu *g, uint32_t id, uint32_t width,
                              uint32_t height, uint32_t format, uint64_t limit)
{
    GpuResource *r;

    /* Neither its bytes nor those of a row overflow then. */
    if (width > CONSOLE_MAX_WIDTH || height > CONSOLE_MAX_HEIGHT) {
        return NULL;
    }
    r = g_new0(GpuResource, 1);
    *r = (GpuResource){
        .id = id, .width = width, .height = height, .format = format
    };
    if (resource_cost(r) <= limit && g->hostmem <= limit - resource_cost(r)) {
        r->pixels = g_try_malloc0(picture_bytes(r));
    }
    if (r->pixels == NULL) {
        g_free(r);
        return NULL;
    }
    g->hostmem += resource_cost(r);
    g_queue_push_tail_link(&g->resources, &r->link);
    r->link.data = r;
    g_hash_table_insert(g->by_id, GUINT_TO_POINTER(id), r);
    return r;
}

void gpu_resource_free(VirtioGpu *g, GpuResource *r)
{
    gpu_scanouts_forget(g, r->id);
    g->hostmem -= resource_cost(r);
    g_hash_table_remove(g->by_id, GUINT_TO_POINTER(r->id));
    g_queue_unlink(&g->resources, &r->link);
    g_free(r->pieces);
    g_free(r->pixels);
    g_free(r);
}

void gpu_resources_clear(VirtioGpu *g)
{
    while (g->resources.head != NULL) {
        gpu_resource_free(g, g->resources.head->data);
    }
}

void gpu_resource_set_pieces(VirtioGpu *g, GpuResource *r, GpuPiece *pieces,
                             uint32_t n)
{
    uint64_t at = 0;

    g->hostmem -= resource_cost(r);
    g_free(r->pieces);
    r->pieces = pieces;
    r->npieces = n;
    for (uint32_t i = 0; i < n; i++) {
        pieces[i].start = at;
        at += pieces[i].len;
    }
    g->hostmem += resource_cost(r);
}

/* The piece that holds a byte of the backing; npieces: none. */
static uint32_t piece_at(const GpuResource *r, uint64_t off)
{
    uint32_t lo = 0, hi = r->npieces;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (r->pieces[mid].start + r->pieces[mid].len <= off) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static bool fetch_piece(PciDevice *pci, uint64_t addr, uint8_t *to, size_t len)
{
    while (len > 0) {
        uint64_t n = len;
        const void *host = address_space_map(pci->dma.as, addr, &n, false);

        if (host == NULL || n == 0) {
            return false;
        }
        memcpy(to, host, n);
        to += n;
        addr += n;
        len -= n;
    }
    return true;
}

bool gpu_resource_fetch(VirtioGpu *g, const GpuResource *r, uint64_t off,
                        uint8_t *to, size_t len)
{
    PciDevice *pci = &g->vdev.pci;

    if (!dma_is_open(&pci->dma)) {
        return false;
    }
    for (uint32_t i = piece_at(r, off); i < r->npieces && len > 0; i++) {
        const GpuPiece *p = &r->pieces[i];
        uint64_t skip = off - p->start;
        size_t n = MIN(len, p->len - skip);

        if (!fetch_piece(pci, p->addr + skip, to, n)) {
            return false;
        }
        to += n;
        off += n;
        len -= n;
    }
    return true;
}

void gpu_resource_row(const GpuResource *r, unsigned x, unsigned y, unsigned n,
                      uint32_t *to)
{
    const GpuFormat *f = gpu_format_find(r->format);
    const uint8_t *p =
        r->pixels + (size_t)y * gpu_resource_stride(r) + (size_t)x * GPU_BPP;

    for (unsigned i = 0; i < n; i++, p += GPU_BPP) {
        uint32_t alpha = f->alpha < GPU_BPP ? p[f->alpha] : 0xff;

        to[i] = alpha << 24 | (uint32_t)p[f->red] << 16 | p[f->green] << 8 |
                p[f->blue];
    }
}
