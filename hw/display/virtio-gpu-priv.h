/*
 * A virtio graphics card, 2D: what its parts share.
 * (Virtual I/O Device 1.2, section 5.7.)
 *
 * The driver makes resources, pictures that the host keeps, copies pixels
 * into them out of its own memory (the backing), and says which rectangle of
 * which resource an output (a scanout) shows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_PRIV_H
#define HW_DISPLAY_VIRTIO_GPU_PRIV_H

#include <linux/virtio_gpu.h>

#include "hw/display/edid.h"
#include "hw/virtio/virtio-pci.h"
#include "ui/console.h"

enum {
    GPU_BACKING_MAX = 16384, /* pieces of memory behind a resource */
    GPU_MIN_SCANOUT = 16,    /* pixels, each way */
    GPU_CURSOR_SIZE = 64,    /* pixels, each way */
    GPU_BPP = 4,             /* bytes of a pixel, in all formats */
};

typedef struct GpuPiece {
    uint64_t addr;  /* as the device sees memory */
    uint64_t start; /* byte of the backing that its first one is */
    uint32_t len;
} GpuPiece;

typedef struct GpuResource {
    GList link;
    uint32_t id; /* not 0 */
    uint32_t width, height, format;
    uint8_t *pixels; /* rows without gaps */
    GpuPiece *pieces;
    uint32_t npieces; /* 0: it has no backing */
} GpuResource;

typedef struct GpuCursor {
    uint32_t resource_id; /* 0: there is none; migrated, as what follows */
    uint32_t hot_x, hot_y;
    uint32_t x, y;
    /* 0xAARRGGBB, premultiplied; zeros while there is none. */
    uint32_t pixels[GPU_CURSOR_SIZE * GPU_CURSOR_SIZE];
} GpuCursor;

typedef struct VirtioGpu VirtioGpu;

typedef struct GpuScanout {
    VirtioGpu *gpu;
    Console *con;
    uint32_t resource_id;   /* 0: it shows nothing; migrated */
    uint32_t width, height; /* of the resource's rectangle; migrated */
    int32_t x, y;           /* where it begins; migrated */
    GpuCursor cursor;
    /* What the surface doesn't show yet, in its coordinates. */
    Rect damage;
    bool connected; /* there is a monitor: the driver is told so */
} GpuScanout;

/* A command that is under way. */
typedef struct GpuCommand {
    VirtQueueElem *e; /* NULL: none */
    union {
        struct virtio_gpu_ctrl_hdr hdr;
        struct virtio_gpu_resource_create_2d create;
        struct virtio_gpu_resource_unref unref;
        struct virtio_gpu_set_scanout scanout;
        struct virtio_gpu_resource_flush flush;
        struct virtio_gpu_transfer_to_host_2d transfer;
        struct virtio_gpu_resource_attach_backing attach;
        struct virtio_gpu_resource_detach_backing detach;
        struct virtio_gpu_cmd_get_edid edid;
    } u;           /* as the driver wrote it */
    uint32_t done; /* rows or pieces */
    GpuPiece *pieces;
} GpuCommand;

struct VirtioGpu {
    VirtioDevice vdev;
    uint32_t max_outputs;
    bool opt_edid, blob;
    EdidInfo edid;
    uint64_t max_hostmem; /* bytes of all resources */

    VirtQueue *ctrl, *cursor;
    GpuCommand command; /* of the control queue */
    GQueue resources;   /* GpuResource, in the order they were made */
    GHashTable *by_id;
    uint64_t hostmem;     /* bytes in use */
    int32_t enable;       /* a driver has shown something; migrated */
    uint32_t events_read; /* VIRTIO_GPU_EVENT_* */
    GpuScanout scanouts[VIRTIO_GPU_MAX_SCANOUTS];
    /* Draws output 0 while no driver does; NULL: nobody. */
    const ConsoleOps *other_ops;
    void *other;
    bool other_stale; /* another picture is there than what it drew */
};

/* virtio-gpu.c */
bool virtio_gpu_realize(VirtioDevice *d, GError **errp);
void virtio_gpu_unrealize(VirtioDevice *d);
uint64_t virtio_gpu_get_features(VirtioDevice *d, uint64_t offered);
void virtio_gpu_get_config(VirtioDevice *d, uint8_t *config);
void virtio_gpu_set_config(VirtioDevice *d, const uint8_t *config);
void virtio_gpu_set_status(VirtioDevice *d, uint8_t old);
void virtio_gpu_reset(VirtioDevice *d);
void virtio_gpu_queue_reset(VirtioDevice *d, VirtQueue *q);
#define VIRTIO_GPU_TYPE                                                       \
    .name = "virtio-gpu", .id = VIRTIO_ID_GPU, .vectors = 3,                  \
    .modern_only = true, .realize = virtio_gpu_realize,                       \
    .unrealize = virtio_gpu_unrealize,                                        \
    .get_features = virtio_gpu_get_features,                                  \
    .get_config = virtio_gpu_get_config, .set_config = virtio_gpu_set_config, \
    .set_status = virtio_gpu_set_status, .reset = virtio_gpu_reset,           \
    .queue_reset = virtio_gpu_queue_reset
/* For .init of the types. */
void virtio_gpu_init(Device *dev);
extern const Property virtio_gpu_props[];
extern const Vmstate virtio_gpu_vmstate;

/*
 * virtio-gpu-cmd.c: what the driver asked for.  Returns the type of the
 * answer, or 0: the turn is over and it isn't done yet.
 */
uint32_t virtio_gpu_do(VirtioGpu *g, GpuCommand *c, const VirtioTurn *t);
/* Forgets what a command that isn't done has kept. */
void virtio_gpu_drop_command(GpuCommand *c);

/* virtio-gpu-res.c */
GpuResource *gpu_resource_find(VirtioGpu *g, uint32_t id); /* NULL: none */
bool gpu_format_is_known(uint32_t format);
/*
 * Black.  NULL: there is no memory, or `limit` bytes are used up.  The id is
 * free, the format known, width and height aren't 0.
 */
GpuResource *gpu_resource_new(VirtioGpu *g, uint32_t id, uint32_t width,
                              uint32_t height, uint32_t format, uint64_t limit);
void gpu_resource_free(VirtioGpu *g, GpuResource *r);
void gpu_resources_clear(VirtioGpu *g);
/* Bytes from one row to the next. */
static inline uint32_t gpu_resource_stride(const GpuResource *r)
{
    return r->width * GPU_BPP;
}
/* Takes the pieces (NULL with 0: none) and counts them. */
void gpu_resource_set_pieces(VirtioGpu *g, GpuResource *r, GpuPiece *pieces,
                             uint32_t n);
/* Copies out of the backing what there is of it; false: it isn't RAM. */
bool gpu_resource_fetch(VirtioGpu *g, const GpuResource *r, uint64_t off,
                        uint8_t *to, size_t len);
/* n pixels of a row from x on, as 0xAARRGGBB. */
void gpu_resource_row(const GpuResource *r, unsigned x, unsigned y, unsigned n,
                      uint32_t *to);

/* virtio-gpu-scanout.c */
/* Once the function is realized: makes the consoles. */
void gpu_scanouts_init(VirtioGpu *g);
void gpu_scanouts_fini(VirtioGpu *g);
/* None shows anything. */
void gpu_scanouts_reset(VirtioGpu *g);
/* `r` fits into the resource, which is there; NULL: shows nothing. */
void gpu_scanout_set(GpuScanout *s, const GpuResource *res, Rect r);
/* Part of a resource is to be seen where it is shown. */
void gpu_scanouts_flush(VirtioGpu *g, uint32_t resource_id, Rect r);
/* The resource goes. */
void gpu_scanouts_forget(VirtioGpu *g, uint32_t resource_id);
void gpu_cursor_move(GpuScanout *s, uint32_t x, uint32_t y);
/* Takes its picture out of a resource, if that is there and large enough. */
void gpu_cursor_set(GpuScanout *s, uint32_t resource_id, uint32_t hot_x,
                    uint32_t hot_y);
/*
 * After the state was loaded: false if it doesn't fit the resources, and none
 * shows anything then.
 */
bool gpu_scanouts_loaded(VirtioGpu *g, GError **errp);

#endif
