/*
 * Removable media: trays, and what users put into them.
 *
 * A drive whose device has said block_set_dev_ops() has a tray; the medium of
 * another removable one goes and comes as it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-priv.h"
#include "util/error.h"

/* What users know it by; a device's own has no name. */
static const char *shown_name(const BlockBackend *b)
{
    return *b->name != '\0' || b->dev_path == NULL ? b->name : b->dev_path;
}

static BlockBackend *find_by_device(BlockBackends *bs, const char *id)
{
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);
        g_autofree char *path = b->dev != NULL ? object_path(b->dev) : NULL;

        if (g_strcmp0(b->dev_path, id) == 0 || g_strcmp0(path, id) == 0) {
            return b;
        }
    }
    return NULL;
}

BlockBackend *block_find_for_user(BlockBackends *bs, const char *name,
                                  const char *device, GError **errp)
{
    BlockBackend *b;

    if ((name == NULL) == (device == NULL)) {
        error_setf(errp, "Need exactly one of 'device' and 'id'");
        return NULL;
    }
    b = device != NULL  ? find_by_device(bs, device)
        : *name != '\0' ? block_find(bs, name)
                        : NULL;
    if (b == NULL) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found",
                        device != NULL ? device : name);
    }
    return b;
}

/* The device's side */

bool block_has_tray(const BlockBackend *b)
{
    return b->dev_ops != NULL && b->dev_ops->medium_changed != NULL;
}

void block_set_dev_ops(BlockBackend *b, const BlockDevOps *ops, void *opaque)
{
    b->dev_ops = ops;
    b->dev_opaque = opaque;
}

void block_set_locked(BlockBackend *b, bool locked)
{
    b->locked = locked;
}

bool block_tray_open(const BlockBackend *b)
{
    return b->tray_open;
}

void block_set_tray_open(BlockBackend *b, bool open)
{
    b->tray_open = open;
}

void block_move_tray(BlockBackend *b, bool open)
{
    BlockBackends *bs = b->all;

    if (b->tray_open == open) {
        return;
    }
    b->tray_open = open;
    if (bs->tray_moved != NULL) {
        bs->tray_moved(bs->tray_opaque, b->name, b->dev_path, open);
    }
}

void block_set_tray_moved(BlockBackends *bs, BlockTrayMoved *fn, void *opaque)
{
    bs->tray_moved = fn;
    bs->tray_opaque = opaque;
}

/* The user's side */

static bool check_removable(const BlockBackend *b, GError **errp)
{
    if (b->dev != NULL && !b->removable) {
        error_setf(errp, "Device '%s' is not removable", shown_name(b));
        return false;
    }
    return block_check_left(b, errp);
}

/* A closed tray keeps hands away. */
static bool check_reachable(const BlockBackend *b, GError **errp)
{
    if (block_has_tray(b) && !b->tray_open) {
        error_setf(errp, "Tray of device '%s' is not open", shown_name(b));
        return false;
    }
    return check_removable(b, errp);
}

bool block_open_tray(BlockBackend *b, bool force, bool *ret_waits,
                     GError **errp)
{
    *ret_waits = false;
    if (!check_removable(b, errp)) {
        return false;
    }
    if (!block_has_tray(b) || b->tray_open) {
        return true;
    }
    if (b->locked) {
        b->dev_ops->eject_request(b->dev_opaque, force);
        if (!force) {
            *ret_waits = true;
            return true;
        }
    }
    b->dev_ops->medium_changed(b->dev_opaque, false);
    block_move_tray(b, true);
    return true;
}

bool block_close_tray(BlockBackend *b, GError **errp)
{
    if (!check_removable(b, errp)) {
        return false;
    }
    if (block_has_tray(b) && b->tray_open) {
        b->dev_ops->medium_changed(b->dev_opaque, true);
        block_move_tray(b, false);
    }
    return true;
}

typedef struct LeaveCall {
    BlockBackend *b;
    GError **errp;
    bool written;  /* since its tables were settled */
    bool quiesced; /* before, by its user */
    bool ok;
} LeaveCall;

/* What settles its tables begins: writes from now on are seen. */
static void watch_writes(void *opaque)
{
    BlockBackend *b = opaque;

    b->written = !block_is_quiet(b);
}

/* Requests that wait for another medium don't know of it. */
static void leave_medium(void *opaque)
{
    LeaveCall *c = opaque;
    BlockBackend *b = c->b;

    c->ok = b->root == NULL || block_check_quiet(b, c->errp);
    c->written = b->written;
    if (c->ok && !c->written) {
        c->quiesced = b->quiesced;
        b->quiesced = true; /* it goes in another thread than its requests' */
        block_cancel_waiting(b);
    }
}

/* Its tables are written; the tray may close, and its device go meanwhile. */
static bool settle_medium(BlockBackend *b, GError **errp)
{
    int ret;

    block_aio_run(block_aio_of(b), watch_writes, b);
    ret =
        b->root != NULL && b->root->refs == 1 ? block_node_settle(b->root) : 0;
    if (ret < 0) {
        error_setf_errno(errp, ret, "Could not write the tables of '%s'",
                         b->root->filename);
    }
    return ret == 0 && check_reachable(b, errp);
}

static bool remove_medium(BlockBackend *b, GError **errp)
{
    LeaveCall call = { .b = b, .errp = errp };

    /* Who stops the guest has requests go on that were to wait. */
    do {
        if (!check_reachable(b, errp) || !settle_medium(b, errp)) {
            return false;
        }
        block_aio_run(block_aio_of(b), leave_medium, &call);
        if (!call.ok) {
            return false;
        }
    } while (call.written);
    block_node_unref(g_steal_pointer(&b->root)); /* settled above */
    block_throttle_follow(b);
    if (!call.quiesced) {
        block_quiesce_end(b);
    }
    block_graph_update(b->all, NULL);
    return true;
}

bool block_remove_medium(BlockBackend *b, GError **errp)
{
    bool ok;

    if (!block_change_begin(b, errp)) {
        return false;
    }
    ok = remove_medium(b, errp);
    block_change_end(b);
    return ok;
}

/* Opens it for a user who waits for the tray, if anybody has to. */
static bool open_to_change(BlockBackend *b, bool force, GError **errp)
{
    bool waits;

    if (!block_open_tray(b, force, &waits, errp)) {
        return false;
    }
    if (waits) {
        error_setf(errp,
                   "Device '%s' is locked and force was not specified, wait "
                   "for tray to open and try again",
                   shown_name(b));
    }
    return !waits;
}

bool block_eject(BlockBackend *b, bool force, GError **errp)
{
    return open_to_change(b, force, errp) && block_remove_medium(b, errp);
}

typedef struct OpenCall {
    BlockBackends *bs;
    BlockMediumOpts opts;
    const char *filename, *format;
    GError **errp;
    BlockNode *root;
} OpenCall;

/* Without vm_lock. */
static void open_now(void *opaque)
{
    OpenCall *c = opaque;

    c->root = block_open_medium(c->bs, &c->opts, c->filename, c->format, NULL,
                                c->errp);
}

static BlockNode *open_like(const BlockBackend *b, const char *filename,
                            const char *format, BlockMediumMode mode,
                            GError **errp)
{
    OpenCall call = { .bs = b->all,
                      .opts = b->opts,
                      .filename = filename,
                      .format = format,
                      .errp = errp };

    if (mode != BLOCK_MEDIUM_RETAIN) {
        call.opts.auto_read_only = false;
        call.opts.read_only = mode == BLOCK_MEDIUM_READ_ONLY;
    } else if (b->root != NULL) {
        call.opts.read_only = b->root->read_only;
    }
    return block_node_open_unlocked(b->all, open_now, &call, &call.root, errp);
}

static bool put_medium(BlockBackend *b, BlockNode *root, bool force,
                       GError **errp)
{
    /* Its device may have gone, and its tray have moved. */
    if (!check_removable(b, errp) || !open_to_change(b, force, errp) ||
        !remove_medium(b, errp)) {
        block_node_unref(root);
        return false;
    }
    b->root = root;
    block_throttle_follow(b);
    /* Only now: the old medium may have been the same file. */
    if (!block_graph_update(b->all, errp)) {
        b->root = NULL;
        block_throttle_follow(b);
        block_node_unref(root);
        block_graph_update(b->all, NULL);
        return false;
    }
    b->opts.read_only = root->read_only;
    return block_close_tray(b, errp);
}

static bool change_medium(BlockBackend *b, const char *filename,
                          const char *format, BlockMediumMode mode, bool force,
                          GError **errp)
{
    BlockNode *root;

    if (!check_removable(b, errp)) {
        return false;
    }
    root = open_like(b, filename, format, mode, errp);
    return root != NULL && put_medium(b, root, force, errp);
}

bool block_change_medium(BlockBackend *b, const char *filename,
                         const char *format, BlockMediumMode mode, bool force,
                         GError **errp)
{
    bool ok;

    if (!block_change_begin(b, errp)) {
        return false;
    }
    ok = change_medium(b, filename, format, mode, force, errp);
    block_change_end(b);
    return ok;
}

bool block_insert_node(BlockBackend *b, const char *name, GError **errp)
{
    BlockNode *n;

    if (!check_reachable(b, errp) || !block_check_unchanging(b, errp)) {
        return false;
    }
    n = block_node_find(b->all, name);
    if (n == NULL) {
        error_setf(errp, "Node '%s' not found", name);
        return false;
    }
    if (b->root != NULL) {
        error_setf(errp, "There already is a medium in device '%s'",
                   shown_name(b));
        return false;
    }
    b->root = block_node_ref(n);
    block_throttle_follow(b);
    if (!block_graph_update(b->all, errp)) {
        block_node_unref(g_steal_pointer(&b->root));
        block_throttle_follow(b);
        block_graph_update(b->all, NULL);
        return false;
    }
    return true;
}
