/*
 * Block back ends by name, and who uses them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block.h"

#include "block/throttle-priv.h"
#include "util/error.h"

/* Registry */

BlockBackends *block_backends_new(void)
{
    BlockBackends *bs = g_new0(BlockBackends, 1);

    g_queue_init(&bs->list);
    g_queue_init(&bs->nodes);
    g_queue_init(&bs->throttle_groups);
    bs->aio = block_aio_new();
    return bs;
}

/* Those of -blockdev: from the last one on, as parents come after children. */
static void free_nodes(BlockBackends *bs)
{
    GList *l = bs->nodes.tail;

    while (l != NULL) {
        BlockNode *n = l->data;

        if (n->monitor_owns) {
            if (!bs->inactive) {
                block_node_write_tables(n);
            }
            n->monitor_owns = false;
            block_node_unref(n);
            l = bs->nodes.tail;
        } else {
            l = l->prev;
        }
    }
}

void block_backends_free(BlockBackends *bs)
{
    GList *l;

    if (bs == NULL) {
        return;
    }
    block_drain_all(bs, false);
    block_tables_wait(bs);
    while ((l = g_queue_pop_head_link(&bs->list)) != NULL) {
        block_backend_free(container_of(l, BlockBackend, link));
    }
    free_nodes(bs);
    throttle_groups_forget(bs);
    block_aio_free(bs->aio);
    g_free(bs);
}

void block_close_medium(BlockBackend *b)
{
    BlockNode *n = g_steal_pointer(&b->root);

    if (n == NULL) {
        return;
    }
    if (n->refs == 1 && !b->all->inactive) {
        block_node_write_tables(n);
    }
    block_node_unref(n);
}

void block_backend_free(BlockBackend *b)
{
    if (b == NULL) {
        return;
    }
    if (b->leave_source != NULL) {
        g_source_destroy(b->leave_source);
        g_source_unref(g_steal_pointer(&b->leave_source));
    }
    block_throttle_free(b);
    block_close_medium(b);
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
    b->opts = (BlockMediumOpts){ .read_only = true, .locking = true };
    b->link.data = b;
    g_queue_push_tail_link(&bs->list, &b->link);
    return b;
}

BlockBackend *block_find_for_device(BlockBackends *bs, const char *name)
{
    BlockBackend *b = block_find(bs, name);
    BlockNode *n = b == NULL ? block_node_find(bs, name) : NULL;

    if (n == NULL) {
        return b;
    }
    b = g_new0(BlockBackend, 1);
    b->all = bs;
    b->name = g_strdup("");
    b->if_name = g_strdup("none");
    b->bus = b->unit = -1;
    b->anonymous = true;
    b->writeback = true;
    b->opts = (BlockMediumOpts){ .read_only = n->read_only, .locking = true };
    b->root = block_node_ref(n);
    block_throttle_follow(b);
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

BlockBackend *block_find_of_node(BlockBackends *bs, const char *node_name)
{
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);

        if (b->root != NULL && g_str_equal(b->root->name, node_name)) {
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

/* What users know a device by: its id if it has one; the part of it that is
 * the disk by its path. */
static char *device_path(const Object *dev, const char *part)
{
    const char *peripheral = "/machine/peripheral/";
    char *path = object_path(dev);
    const char *id = path + strlen(peripheral);

    if (part != NULL) {
        char *whole = g_strdup_printf("%s/%s", path, part);

        g_free(path);
        return whole;
    }
    if (g_str_has_prefix(path, peripheral) && strchr(id, '/') == NULL) {
        char *copy = g_strdup(id);

        g_free(path);
        return copy;
    }
    return path;
}

void block_backend_perms(const BlockBackend *b, unsigned *ret_perms,
                         unsigned *ret_unshared)
{
    *ret_perms = BLOCK_PERM_READ;
    *ret_unshared = 0;
    bool used = b->dev != NULL || b->leaving;

    if (used && !b->root->read_only) {
        *ret_perms |= BLOCK_PERM_WRITE;
        *ret_unshared = b->share_rw ? 0 : BLOCK_PERM_WRITE;
    } else if (used) {
        *ret_unshared = b->share_rw ? 0 : BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
    }
}

bool block_backend_add(BlockBackend *b, GError **errp)
{
    b->link.data = b;
    g_queue_push_tail_link(&b->all->list, &b->link);
    if (block_graph_update(b->all, errp)) {
        return true;
    }
    g_queue_unlink(&b->all->list, &b->link);
    b->link.data = NULL;
    return false;
}

bool block_check_left(const BlockBackend *b, GError **errp)
{
    if (b->leaving) {
        error_setf(errp,
                   "Drive '%s' still has requests of the device that had it",
                   b->name);
    }
    return !b->leaving;
}

bool block_attach(BlockBackend *b, struct Object *dev, bool removable,
                  GError **errp)
{
    return block_attach_part(b, dev, NULL, removable, errp);
}

bool block_attach_part(BlockBackend *b, struct Object *dev, const char *part,
                       bool removable, GError **errp)
{
    if (b->dev != NULL) {
        error_setf(errp, "Drive '%s' is already in use by another device",
                   b->name);
        return false;
    }
    if (!block_check_left(b, errp) || !block_check_threads(b, errp)) {
        return false;
    }
    b->dev = dev;
    if (!block_graph_update(b->all, errp)) {
        b->dev = NULL;
        block_graph_update(b->all, NULL);
        return false;
    }
    b->dev_path = device_path(dev, part);
    b->removable = removable;
    return true;
}

void block_release(BlockBackend *b)
{
    if (b == NULL || b->leaving) {
        return; /* nobody's, or its last device's still */
    }
    if (b->dev == NULL) {
        block_clear_iothread(b);
    }
    if (b->anonymous && b->dev == NULL) {
        g_queue_unlink(&b->all->list, &b->link);
        block_backend_free(b);
    }
}

/* Nothing is in flight any more. */
static void detach_end(BlockBackend *b)
{
    BlockBackends *bs = b->all;

    b->leaving = false;
    block_clear_iothread(b);
    block_release(b);
    /* Fewer locks: can't fail. */
    block_graph_update(bs, NULL);
}

static void forget_device(BlockBackend *b)
{
    b->dev = NULL;
    g_clear_pointer(&b->dev_path, g_free);
    b->dev_ops = NULL;
    b->locked = false;
    b->tray_open = false;
}

static void begin_leaving(void *opaque)
{
    BlockBackend *b = opaque;

    block_unquiesce(b);
    block_throttle_release(b);
    b->leaving = b->in_flight > 0 || b->changing;
}

void block_detach(BlockBackend *b)
{
    forget_device(b);
    block_aio_run(block_aio_of(b), begin_leaving, b);
    if (!b->leaving) {
        detach_end(b);
    }
}

/* A flush may have begun since; its end makes the source again. */
static void end_leaving(void *opaque)
{
    BlockBackend *b = opaque;

    g_source_unref(g_steal_pointer(&b->leave_source));
    b->leaving = b->in_flight > 0 || b->changing;
}

static gboolean backend_leave(gpointer opaque)
{
    VM_LOCK_GUARD();
    BlockBackend *b = opaque;

    block_aio_run(block_aio_of(b), end_leaving, b);
    if (!b->leaving) {
        detach_end(b);
    }
    return G_SOURCE_REMOVE;
}

void block_request_ended(BlockBackend *b)
{
    if (unlikely(b->leaving) && b->in_flight == 0 && b->leave_source == NULL) {
        g_autoptr(GSource) source = g_idle_source_new();

        g_source_set_priority(source, G_PRIORITY_DEFAULT);
        g_source_set_callback(source, backend_leave, b, NULL);
        /* An I/O thread may be here: once it is attached, b may be gone. */
        b->leave_source = g_source_ref(source);
        g_source_attach(source, NULL);
    }
}

static void leave_when_ended(void *opaque)
{
    block_request_ended(opaque);
}

bool block_is_changing(const BlockBackend *b)
{
    return __atomic_load_n(&b->writing, __ATOMIC_ACQUIRE);
}

bool block_check_unchanging(const BlockBackend *b, GError **errp)
{
    if (b->changing) {
        error_setf(errp, "Drive '%s' is being changed already",
                   *b->name == '\0' && b->dev_path != NULL ? b->dev_path
                                                           : b->name);
    }
    return !b->changing;
}

bool block_change_begin(BlockBackend *b, GError **errp)
{
    if (!block_check_unchanging(b, errp)) {
        return false;
    }
    b->changing = true;
    return true;
}

void block_change_end(BlockBackend *b)
{
    b->changing = false;
    block_aio_run(block_aio_of(b), leave_when_ended, b);
}

void block_set_share_rw(BlockBackend *b, bool share)
{
    b->share_rw = share;
}

typedef struct QuiesceCall {
    BlockBackend *b;
    bool quiet;
} QuiesceCall;

static void quiesce_now(void *opaque)
{
    QuiesceCall *c = opaque;

    c->b->quiesced = true;
    block_aio_reap(block_aio_of(c->b));
    c->quiet = block_is_quiet(c->b);
}

bool block_quiesce_step(BlockBackend *b)
{
    QuiesceCall call = { .b = b };

    block_aio_run(block_aio_of(b), quiesce_now, &call);
    return call.quiet;
}

static void unquiesce_now(void *opaque)
{
    block_unquiesce(opaque);
}

void block_quiesce_end(BlockBackend *b)
{
    block_aio_run(block_aio_of(b), unquiesce_now, b);
}

typedef struct ResizeCall {
    BlockBackend *b;
    BlockNode *node; /* a reference */
    uint64_t size;
    GError **errp;
    bool quiesced; /* before, by its user */
    bool ok;
} ResizeCall;

bool block_check_quiet(const BlockBackend *b, GError **errp)
{
    if (!block_is_quiet(b)) {
        error_setf(errp, "Node '%s' has requests in flight", b->root->name);
        return false;
    }
    return true;
}

/* In the back end's thread, so that nothing begins in between. */
static void resize_begin(void *opaque)
{
    ResizeCall *c = opaque;

    c->ok = block_check_quiet(c->b, c->errp);
    if (c->ok) {
        c->quiesced = c->b->quiesced;
        c->b->quiesced = true;
        __atomic_store_n(&c->b->writing, true, __ATOMIC_RELEASE);
    }
}

/* Without vm_lock. */
static void resize_now(void *opaque)
{
    ResizeCall *c = opaque;

    c->ok = c->node->drv->resize(c->node, c->size, c->errp);
    __atomic_store_n(&c->b->writing, false, __ATOMIC_RELEASE);
}

static bool resize_node(ResizeCall *c)
{
    if (!block_change_begin(c->b, c->errp)) {
        return false;
    }
    block_aio_run(block_aio_of(c->b), resize_begin, c);
    if (c->ok) {
        c->node = block_node_ref(c->b->root);
        block_write_unlocked(c->b->all, resize_now, c);
        block_node_unref(c->node);
        if (!c->quiesced) {
            block_quiesce_end(c->b);
        }
    }
    block_change_end(c->b);
    return c->ok;
}

bool block_resize(BlockBackend *b, uint64_t size, GError **errp)
{
    ResizeCall call = { .b = b, .size = size, .errp = errp };
    BlockNode *n = b->root;

    if (n == NULL) {
        error_setf(errp, "Device '%s' has no medium", b->name);
        return false;
    }
    if (b->all->inactive || n->read_only) {
        error_setf(errp, "Block node '%s' is read-only", n->name);
        return false;
    }
    if (size > INT64_MAX - BLOCK_SECTOR || size % BLOCK_SECTOR != 0) {
        error_setf(errp, "The new size must be a multiple of %d", BLOCK_SECTOR);
        return false;
    }
    if (n->drv->resize == NULL) {
        error_setf(errp, "Block driver '%s' does not support resizing",
                   n->drv->name);
        return false;
    }
    if (!resize_node(&call)) {
        return false;
    }
    if (b->dev_ops != NULL && b->dev_ops->resized != NULL) {
        b->dev_ops->resized(b->dev_opaque);
    }
    return true;
}

/* What there is to know */

void block_get_info(const BlockBackend *b, BlockInfo *ret)
{
    *ret = (BlockInfo){
        .name = b->name,
        .device_path = b->dev_path,
        .root = b->root,
        .read_only = block_read_only(b),
        .removable = b->removable || b->dev == NULL,
        .inserted = b->root != NULL,
        .has_tray = block_has_tray(b),
        .locked = b->locked,
        .tray_open = b->tray_open,
        .writeback = b->writeback,
        .io_status = b->io_status,
    };
    if (b->root != NULL) {
        block_node_get_info(b->root, &ret->node);
    }
}

const char *block_name(const BlockBackend *b)
{
    return b->name;
}

bool block_is_cdrom(const BlockBackend *b)
{
    return b->cdrom;
}

bool block_is_temporary(const BlockBackend *b)
{
    return b->opts.snapshot;
}

bool block_is_inserted(const BlockBackend *b)
{
    return b->root != NULL;
}

uint64_t block_size(const BlockBackend *b)
{
    return b->root != NULL ? b->root->size : 0;
}

bool block_read_only(const BlockBackend *b)
{
    return b->root != NULL ? b->root->read_only : b->cdrom;
}

bool block_write_cache(const BlockBackend *b)
{
    return b->writeback;
}

void block_set_write_cache(BlockBackend *b, bool on)
{
    b->writeback = on;
}
