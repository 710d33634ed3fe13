/*
 * Who uses which file of the graph, and for what: locks against other
 * programs and against other users in this one.
 *
 * A device's use of its node goes down to the files.  A format writes its own
 * tables: it needs more of its file than a device of it, and shares less.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"
#include "util/error.h"

typedef struct Use {
    unsigned perms, unshared; /* BLOCK_PERM_* */
} Use;

static bool is_raw(const BlockNode *n)
{
    return n->drv->is_filter || n->drv == &block_raw_driver;
}

static bool add_to_image(BlockNode *n, Use u, GError **errp)
{
    BlockImage *img = n->img;

    if (img->users > 0 && ((u.perms & img->want_unshared) != 0 ||
                           (u.unshared & img->want_perms) != 0)) {
        error_setf(errp,
                   "Permission conflict on node '%s': '%s' is in use by "
                   "another node or device of this machine that doesn't share "
                   "writing",
                   n->name, n->filename);
        return false;
    }
    img->users++;
    img->want_perms |= u.perms;
    img->want_unshared |= u.unshared;
    return true;
}

static Use format_use(const BlockNode *n)
{
    unsigned own = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;

    return (Use){ .perms = BLOCK_PERM_READ | (n->read_only ? 0 : own),
                  .unshared = own };
}

/* The use `u` of n, by a parent or a device. */
static bool add_use(BlockNode *n, Use u, GError **errp)
{
    if (n->img != NULL) {
        return add_to_image(n, u, errp);
    }
    n->want_perms |= u.perms;
    n->want_unshared |= u.unshared;
    if (n->file != NULL && is_raw(n)) {
        return add_use(n->file, u, errp);
    }
    return true;
}

/* Once for each format, however many use it. */
static bool add_format_uses(BlockNode *n, GError **errp)
{
    Use below = { BLOCK_PERM_READ, BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE };

    if (is_raw(n) || n->drv->is_protocol) {
        return true;
    }
    return (n->file == NULL || add_use(n->file, format_use(n), errp)) &&
           (n->backing == NULL || add_use(n->backing, below, errp));
}

static bool backend_use(BlockBackend *b, GError **errp)
{
    Use u;

    if (b->root == NULL) {
        return true;
    }
    block_backend_perms(b, &u.perms, &u.unshared);
    return add_use(b->root, u, errp);
}

static bool graph_compute(BlockBackends *bs, GError **errp)
{
    GList *l;

    for (l = bs->nodes.head; l != NULL; l = l->next) {
        BlockNode *n = l->data;

        n->want_perms = n->want_unshared = 0;
        if (n->img != NULL) {
            n->img->want_perms = n->img->want_unshared = n->img->users = 0;
        }
    }
    if (bs->inactive && !bs->activating) {
        return true;
    }
    for (l = bs->nodes.head; l != NULL; l = l->next) {
        if (!add_format_uses(l->data, errp)) {
            return false;
        }
    }
    for (l = bs->list.head; l != NULL; l = l->next) {
        if (!backend_use(l->data, errp)) {
            return false;
        }
    }
    return true;
}

/* Fewer locks are always to be had: those that must go, go first. */
static void let_go(BlockBackends *bs)
{
    for (GList *l = bs->nodes.head; l != NULL; l = l->next) {
        BlockNode *n = l->data;

        if (n->img != NULL) {
            block_image_lock(n->img, n->img->held & n->img->want_perms,
                             n->img->unshared & n->img->want_unshared, NULL);
        }
    }
}

bool block_graph_update(BlockBackends *bs, GError **errp)
{
    if (!graph_compute(bs, errp)) {
        return false;
    }
    let_go(bs);
    for (GList *l = bs->nodes.head; l != NULL; l = l->next) {
        BlockNode *n = l->data;

        if (n->img != NULL && !block_image_lock(n->img, n->img->want_perms,
                                                n->img->want_unshared, errp)) {
            return false;
        }
    }
    return true;
}
