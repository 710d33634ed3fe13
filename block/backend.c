/*
 * Block back ends by name, and who uses them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block.h"

#include "block/block-priv.h"
#include "util/error.h"

/* Registry */

BlockBackends *block_backends_new(void)
{
    BlockBackends *bs = g_new0(BlockBackends, 1);

    g_queue_init(&bs->list);
    bs->aio = block_aio_new();
    return bs;
}

void block_backends_free(BlockBackends *bs)
{
    GList *l;

    if (bs == NULL) {
        return;
    }
    block_aio_drain(bs->aio);
    while ((l = g_queue_pop_head_link(&bs->list)) != NULL) {
        block_backend_free(container_of(l, BlockBackend, link));
    }
    block_aio_free(bs->aio);
    g_free(bs);
}

void block_backend_free(BlockBackend *b)
{
    if (b == NULL) {
        return;
    }
    block_image_close(b->img);
    g_free(b->name);
    g_free(b->if_name);
    g_free(b->dev_path);
    g_free(b);
}

BlockBackend *block_new_empty(BlockBackends *bs, GError **errp)
{
    BlockBackend *b;

    if (!block_aio_need_engine(bs->aio, BLOCK_ENGINE_THREADS, errp)) {
        return NULL;
    }
    b = g_new0(BlockBackend, 1);
    b->all = bs;
    b->name = g_strdup("");
    b->if_name = g_strdup("none");
    b->bus = b->unit = -1;
    b->cdrom = true;
    b->anonymous = true;
    b->writeback = true;
    b->opts = (BlockImageOpts){ .read_only = true, .locking = true };
    b->link.data = b;
    g_queue_push_tail_link(&bs->list, &b->link);
    return b;
}

void block_set_fdset_open(BlockBackends *bs,
                          int (*fn)(void *opaque, int64_t id, int flags),
                          void *opaque)
{
    bs->fdset_open = fn;
    bs->fdset_opaque = opaque;
}

BlockBackend *block_find(BlockBackends *bs, const char *name)
{
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);

        if (g_str_equal(b->name, name)) {
            return b;
        }
    }
    return NULL;
}

BlockBackend *block_find_slot(BlockBackends *bs, const char *if_name, int bus,
                              int unit)
{
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);

        if (b->bus == bus && b->unit == unit &&
            g_str_equal(b->if_name, if_name)) {
            return b;
        }
    }
    return NULL;
}

bool block_check_unused(BlockBackends *bs, GError **errp)
{
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);

        if (b->dev == NULL && !g_str_equal(b->if_name, "none")) {
            error_setf(errp,
                       "drive '%s': machine type does not support if=%s,"
                       "bus=%d,unit=%d",
                       b->name, b->if_name, b->bus, b->unit);
            return false;
        }
    }
    return true;
}

void block_foreach(BlockBackends *bs, void (*fn)(BlockBackend *b, void *op),
                   void *op)
{
    GList *l = bs->list.head;

    while (l != NULL) {
        GList *next = l->next;

        fn(container_of(l, BlockBackend, link), op);
        l = next;
    }
}

/* Users */

/* What users know a device by: its id if it has one. */
static char *device_path(const Object *dev)
{
    const char *peripheral = "/machine/peripheral/";
    char *path = object_path(dev);
    const char *id = path + strlen(peripheral);

    if (g_str_has_prefix(path, peripheral) && strchr(id, '/') == NULL) {
        char *copy = g_strdup(id);

        g_free(path);
        return copy;
    }
    return path;
}

bool block_backend_lock(BlockBackend *b, GError **errp)
{
    unsigned perms = BLOCK_PERM_READ, unshared = 0;

    if (b->img == NULL) {
        return true;
    }
    if (b->all->inactive) {
        return block_image_lock(b->img, 0, 0, errp);
    }
    if (b->dev != NULL && !b->img->read_only) {
        perms |= BLOCK_PERM_WRITE;
        unshared = b->share_rw ? 0 : BLOCK_PERM_WRITE;
    } else if (b->dev != NULL) {
        unshared = b->share_rw ? 0 : BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
    }
    return block_image_lock(b->img, perms, unshared, errp);
}

bool block_backend_add(BlockBackend *b, GError **errp)
{
    if (!block_backend_lock(b, errp)) {
        return false;
    }
    b->link.data = b;
    g_queue_push_tail_link(&b->all->list, &b->link);
    return true;
}

bool block_attach(BlockBackend *b, struct Object *dev, bool removable,
                  GError **errp)
{
    if (b->dev != NULL) {
        error_setf(errp, "Drive '%s' is already in use by another device",
                   b->name);
        return false;
    }
    b->dev = dev;
    if (!block_backend_lock(b, errp)) {
        b->dev = NULL;
        return false;
    }
    b->dev_path = device_path(dev);
    b->removable = removable;
    return true;
}

void block_detach(BlockBackend *b)
{
    block_aio_drain_one(b);
    b->dev = NULL;
    g_clear_pointer(&b->dev_path, g_free);
    b->dev_ops = NULL;
    b->locked = false;
    b->tray_open = false;
    if (b->anonymous) {
        g_queue_unlink(&b->all->list, &b->link);
        block_backend_free(b);
        return;
    }
    /* Fewer locks: can't fail. */
    block_backend_lock(b, NULL);
}

void block_set_share_rw(BlockBackend *b, bool share)
{
    b->share_rw = share;
}

/* What there is to know */

void block_get_info(const BlockBackend *b, BlockInfo *ret)
{
    const BlockImage *img = b->img;

    *ret = (BlockInfo){
        .name = b->name,
        .device_path = b->dev_path,
        .filename = img != NULL ? img->filename : "",
        .driver = img != NULL ? "raw" : "",
        .size = block_size(b),
        .read_only = block_read_only(b),
        .removable = b->removable || b->dev == NULL,
        .inserted = img != NULL,
        .has_tray = b->dev_ops != NULL,
        .locked = b->locked,
        .tray_open = b->tray_open,
        .writeback = b->writeback,
        .direct = img != NULL && img->direct,
        .no_flush = img != NULL && img->no_flush,
        .allocated = img != NULL ? block_image_allocated(img) : 0,
    };
}

const char *block_name(const BlockBackend *b)
{
    return b->name;
}

bool block_is_cdrom(const BlockBackend *b)
{
    return b->cdrom;
}

bool block_is_inserted(const BlockBackend *b)
{
    return b->img != NULL;
}

uint64_t block_size(const BlockBackend *b)
{
    return b->img != NULL ? b->img->size : 0;
}

bool block_read_only(const BlockBackend *b)
{
    return b->img != NULL ? b->img->read_only : b->cdrom;
}

bool block_write_cache(const BlockBackend *b)
{
    return b->writeback;
}

void block_set_write_cache(BlockBackend *b, bool on)
{
    b->writeback = on;
}

/* All at once */

static void drain_done(void *opaque, int ret)
{
    int *first = opaque;

    if (*first == 0) {
        *first = ret;
    }
}

int block_drain_all(BlockBackends *bs, bool flush)
{
    int ret = 0;

    block_aio_drain(bs->aio);
    if (!flush) {
        return 0;
    }
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);

        if (b->img != NULL && b->unflushed) {
            block_aio_flush(b, drain_done, &ret);
        }
    }
    block_aio_drain(bs->aio);
    for (GList *l = bs->list.head; l != NULL && ret == 0; l = l->next) {
        container_of(l, BlockBackend, link)->unflushed = false;
    }
    return ret;
}

void block_set_inactive(BlockBackends *bs)
{
    bs->inactive = true;
}

/* As bs->inactive says. */
static bool lock_all(BlockBackends *bs, GError **errp)
{
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        if (!block_backend_lock(container_of(l, BlockBackend, link), errp)) {
            return false;
        }
    }
    return true;
}

int block_inactivate_all(BlockBackends *bs)
{
    int ret;

    if (bs->inactive) {
        return 0;
    }
    ret = block_drain_all(bs, true);
    if (ret < 0) {
        return ret;
    }
    bs->inactive = true;
    lock_all(bs, NULL);
    return 0;
}

bool block_activate_all(BlockBackends *bs, GError **errp)
{
    if (!bs->inactive) {
        return true;
    }
    bs->inactive = false;
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);

        if (!block_backend_lock(b, errp) ||
            (b->img != NULL && !block_image_refresh(b->img, errp))) {
            bs->inactive = true;
            lock_all(bs, NULL);
            return false;
        }
    }
    return true;
}
