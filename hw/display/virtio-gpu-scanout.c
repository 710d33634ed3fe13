/*
 * Outputs of a virtio graphics card, and the pointers on them.
 *
 * What a driver flushes is drawn when the screen is refreshed, if anybody
 * looks; the pointer is drawn over it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/virtio-gpu-priv.h"

#include "system/vm.h"
#include "util/error.h"

enum {
    PIXELS_A_REFRESH = 4 << 20, /* of one output; the rest is the next one's */
    ROWS_A_LOCK = 64,           /* drawn while viewers' threads wait */
};

static Rect rect_cut(Rect a, Rect b)
{
    unsigned right = MIN(a.x + a.w, b.x + b.w), low = MIN(a.y + a.h, b.y + b.h);
    Rect r = { .x = MAX(a.x, b.x), .y = MAX(a.y, b.y) };

    if (r.x < right && r.y < low) {
        r.w = right - r.x;
        r.h = low - r.y;
    }
    return r;
}

static void add_damage(GpuScanout *s, Rect r)
{
    Rect *d = &s->damage;
    unsigned right, low;

    if (r.w == 0 || r.h == 0) {
        return;
    }
    if (d->w == 0 || d->h == 0) {
        *d = r;
        return;
    }
    right = MAX(d->x + d->w, r.x + r.w);
    low = MAX(d->y + d->h, r.y + r.h);
    d->x = MIN(d->x, r.x);
    d->y = MIN(d->y, r.y);
    d->w = right - d->x;
    d->h = low - d->y;
}

static Rect scanout_whole(const GpuScanout *s)
{
    return (Rect){ .w = s->width, .h = s->height };
}

/* The pointer */

/* Where its picture lies on the surface; empty: nowhere. */
static Rect cursor_place(const GpuScanout *s)
{
    const GpuCursor *c = &s->cursor;
    int64_t x = (int64_t)c->x - c->hot_x, y = (int64_t)c->y - c->hot_y;
    int64_t left = MAX(x, 0), top = MAX(y, 0);
    int64_t right = MIN(x + GPU_CURSOR_SIZE, s->width);
    int64_t low = MIN(y + GPU_CURSOR_SIZE, s->height);

    if (c->resource_id == 0 || left >= right || top >= low) {
        return (Rect){ 0 };
    }
    return (Rect){ left, top, right - left, low - top };
}

static uint32_t blend_channel(uint32_t under, uint32_t over, uint32_t alpha,
                              unsigned shift)
{
    uint32_t a = under >> shift & 0xff, b = over >> shift & 0xff;

    return MIN(b + (a * (255 - alpha) + 127) / 255, 255U) << shift;
}

static uint32_t blend_pixel(uint32_t under, uint32_t over)
{
    uint32_t alpha = over >> 24;

    return blend_channel(under, over, alpha, 16) |
           blend_channel(under, over, alpha, 8) |
           blend_channel(under, over, alpha, 0);
}

/* n pixels of row y of the surface from x on were drawn. */
static void draw_cursor(const GpuScanout *s, unsigned x, unsigned y, unsigned n,
                        uint32_t *row)
{
    const GpuCursor *c = &s->cursor;
    Rect r = rect_cut(cursor_place(s), (Rect){ x, y, n, 1 });
    const uint32_t *from;

    if (r.w == 0 || r.h == 0) {
        return;
    }
    from = c->pixels + ((int64_t)r.y - c->y + c->hot_y) * GPU_CURSOR_SIZE +
           ((int64_t)r.x - c->x + c->hot_x);
    for (unsigned i = 0; i < r.w; i++) {
        row[r.x - x + i] = blend_pixel(row[r.x - x + i], from[i]);
    }
}

void gpu_cursor_move(GpuScanout *s, uint32_t x, uint32_t y)
{
    add_damage(s, cursor_place(s));
    s->cursor.x = x;
    s->cursor.y = y;
    add_damage(s, cursor_place(s));
}

void gpu_cursor_set(GpuScanout *s, uint32_t resource_id, uint32_t hot_x,
                    uint32_t hot_y)
{
    const GpuResource *r =
        resource_id != 0 ? gpu_resource_find(s->gpu, resource_id) : NULL;
    GpuCursor *c = &s->cursor;

    add_damage(s, cursor_place(s));
    c->resource_id = resource_id;
    c->hot_x = hot_x;
    c->hot_y = hot_y;
    if (r != NULL && r->width == GPU_CURSOR_SIZE &&
        r->height == GPU_CURSOR_SIZE) {
        for (unsigned y = 0; y < GPU_CURSOR_SIZE; y++) {
            gpu_resource_row(r, 0, y, GPU_CURSOR_SIZE,
                             c->pixels + (size_t)y * GPU_CURSOR_SIZE);
        }
    } else if (resource_id == 0) {
        memset(c->pixels, 0, sizeof(c->pixels));
    }
    add_damage(s, cursor_place(s));
}

/* Drawing */

static void draw_rows(GpuScanout *s, const GpuResource *res, Rect r)
{
    Surface *surface = &s->con->surface;

    console_draw_begin(s->con);
    for (unsigned y = r.y; y < r.y + r.h; y++) {
        uint32_t *row = surface->pixels + (size_t)y * surface->width + r.x;

        gpu_resource_row(res, s->x + r.x, s->y + y, r.w, row);
        for (unsigned i = 0; i < r.w; i++) {
            row[i] &= 0xffffff;
        }
        draw_cursor(s, r.x, y, r.w, row);
    }
    console_draw_end(s->con);
    console_damage(s->con, r);
}

static void draw_damage(GpuScanout *s, const GpuResource *res, bool all)
{
    Rect r = rect_cut(s->damage, scanout_whole(s));
    unsigned left = all || r.w == 0 ? r.h : MAX(PIXELS_A_REFRESH / r.w, 1);

    left = MIN(left, r.h);
    while (left > 0) {
        Rect part = { r.x, r.y, r.w, MIN(left, ROWS_A_LOCK) };

        draw_rows(s, res, part);
        left -= part.h;
        r.y += part.h;
        r.h -= part.h;
    }
    s->damage = r.h > 0 ? r : (Rect){ 0 };
}

static void scanout_refresh(void *opaque, bool all)
{
    GpuScanout *s = opaque;
    VirtioGpu *g = s->gpu;
    const GpuResource *res = gpu_resource_find(g, s->resource_id);
    const Surface *surface = &s->con->surface;

    if (s == g->scanouts && !g->enable && g->other_ops != NULL) {
        g->other_ops->refresh(g->other, all || g->other_stale);
        g->other_stale = false;
        return;
    }
    if (res == NULL) {
        return;
    }
    if (surface->width != s->width || surface->height != s->height) {
        if (!console_resize(s->con, s->width, s->height)) {
            return;
        }
        all = true;
    }
    if (all) {
        s->damage = scanout_whole(s);
    }
    draw_damage(s, res, all);
}

/* Somebody looks: a monitor was plugged in, and stays. */
static void scanout_watch(void *opaque, bool on)
{
    GpuScanout *s = opaque;
    VirtioGpu *g = s->gpu;

    if (s == g->scanouts && g->other_ops != NULL) {
        g->other_ops->watch(g->other, on);
    }
    if (on) {
        s->damage = scanout_whole(s);
    }
    if (on && !s->connected) {
        s->connected = true;
        g->events_read |= VIRTIO_GPU_EVENT_DISPLAY;
        virtio_notify_config(&g->vdev);
    }
}

static const ConsoleOps scanout_ops = { .refresh = scanout_refresh,
                                        .watch = scanout_watch };

/* What it shows */

void gpu_scanout_set(GpuScanout *s, const GpuResource *res, Rect r)
{
    bool shown = s->resource_id != 0;

    s->resource_id = res != NULL ? res->id : 0;
    s->x = r.x;
    s->y = r.y;
    s->width = r.w;
    s->height = r.h;
    s->damage = scanout_whole(s);
    if (res == NULL && shown) {
        console_resize(s->con, s->con->surface.width, s->con->surface.height);
    }
}

void gpu_scanouts_flush(VirtioGpu *g, uint32_t resource_id, Rect r)
{
    for (unsigned i = 0; i < g->max_outputs; i++) {
        GpuScanout *s = &g->scanouts[i];
        Rect part = rect_cut(r, (Rect){ s->x, s->y, s->width, s->height });

        if (s->resource_id == resource_id && part.w > 0 && part.h > 0) {
            part.x -= s->x;
            part.y -= s->y;
            add_damage(s, part);
        }
    }
}

void gpu_scanouts_forget(VirtioGpu *g, uint32_t resource_id)
{
    for (unsigned i = 0; i < g->max_outputs; i++) {
        if (g->scanouts[i].resource_id == resource_id) {
            gpu_scanout_set(&g->scanouts[i], NULL, (Rect){ 0 });
        }
    }
}

void gpu_scanouts_reset(VirtioGpu *g)
{
    for (unsigned i = 0; i < g->max_outputs; i++) {
        GpuScanout *s = &g->scanouts[i];

        gpu_scanout_set(s, NULL, (Rect){ 0 });
        memset(&s->cursor, 0, sizeof(s->cursor));
    }
    g->enable = 0;
    g->other_stale = true;
}

static bool scanout_fits(VirtioGpu *g, const GpuScanout *s)
{
    const GpuResource *r = gpu_resource_find(g, s->resource_id);

    return r != NULL && s->width > 0 && s->height > 0 && s->x >= 0 &&
           s->y >= 0 && range_fits(s->x, s->width, r->width) &&
           range_fits(s->y, s->height, r->height);
}

static bool scanouts_loaded(VirtioGpu *g, GError **errp)
{
    for (unsigned i = 0; i < g->max_outputs; i++) {
        GpuScanout *s = &g->scanouts[i];
        GpuCursor *c = &s->cursor;

        if (s->resource_id != 0 && !scanout_fits(g, s)) {
            error_setf(errp,
                       "output %u shows %ux%u at %d,%d of resource %u, which "
                       "isn't there",
                       i, s->width, s->height, s->x, s->y, s->resource_id);
            return false;
        }
        s->connected |= s->resource_id != 0;
        gpu_cursor_set(s, c->resource_id, c->hot_x, c->hot_y);
        s->damage = scanout_whole(s);
    }
    return true;
}

bool gpu_scanouts_loaded(VirtioGpu *g, GError **errp)
{
    bool ok = scanouts_loaded(g, errp);

    if (!ok) {
        gpu_scanouts_reset(g); /* viewers are served until the program ends */
    }
    return ok;
}

void gpu_scanouts_init(VirtioGpu *g)
{
    Device *dev = &g->vdev.pci.dev;
    g_autofree char *path = object_path(&dev->obj);

    for (unsigned i = 0; i < g->max_outputs; i++) {
        GpuScanout *s = &g->scanouts[i];

        s->gpu = g;
        s->connected |= i == 0;
        s->con = console_new(dev->vm->consoles, path, i, &scanout_ops, s);
    }
}

void gpu_scanouts_fini(VirtioGpu *g)
{
    for (unsigned i = 0; i < g->max_outputs; i++) {
        g->scanouts[i].resource_id = 0;
        console_free(g_steal_pointer(&g->scanouts[i].con));
    }
}
