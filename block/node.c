/*
 * Nodes: made from options, found by name, freed with their last user.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-priv.h"

#include <sys/stat.h>

#include "util/cutils.h"
#include "util/error.h"
#include "util/log.h"

/* Drivers and names */

static const BlockDriver *const drivers[] = {
    &block_blkdebug_driver, &block_file_driver,     &block_host_device_driver,
    &block_null_co_driver,  &block_null_aio_driver, &block_raw_driver,
    &block_qcow2_driver,    &block_throttle_driver,
};

const BlockDriver *block_driver_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        if (g_str_equal(drivers[i]->name, name)) {
            return drivers[i];
        }
    }
    return NULL;
}

void block_drivers_print(GString *out)
{
    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        g_string_append_printf(out, " %s", drivers[i]->name);
    }
}

BlockNode *block_node_find(BlockBackends *bs, const char *name)
{
    for (GList *l = bs->nodes.head; l != NULL; l = l->next) {
        BlockNode *n = l->data;

        if (g_str_equal(n->name, name)) {
            return n;
        }
    }
    return NULL;
}

static bool check_name_free(const BlockNode *n, GError **errp)
{
    const char *name = n->name;

    if (block_find(n->all, name) != NULL) {
        error_setf(errp, "node-name=%s is conflicting with a device id", name);
        return false;
    }
    if (block_node_find(n->all, name) != NULL) {
        error_setf(errp, "Duplicate nodes with node-name='%s'", name);
        return false;
    }
    return true;
}

static bool take_name(BlockNode *n, KeyVal *kv, GError **errp)
{
    const char *name = keyval_get(kv, "node-name");
    VM_LOCK_GUARD();

    if (name == NULL) {
        n->name = g_strdup_printf("#block%03u", n->all->node_names++);
        return true;
    }
    n->name = g_strdup(name);
    if (!id_is_valid(name)) {
        error_setf(errp, "Invalid node-name: '%s'", name);
        return false;
    }
    if (strlen(name) > 31) {
        error_setf(errp, "Node name '%s' is longer than 31 characters", name);
        return false;
    }
    return check_name_free(n, errp);
}

/* Life */

BlockNode *block_node_ref(BlockNode *n)
{
    n->refs++;
    return n;
}

/* True: that was the last one, and nobody finds it any more. */
static bool node_drop(BlockNode *n)
{
    VM_LOCK_GUARD();

    if (--n->refs > 0) {
        return false;
    }
    if (n->link.data != NULL) {
        g_queue_unlink(&n->all->nodes, &n->link);
    }
    if (n->file != NULL) {
        n->file->unflushed |= n->unflushed;
    }
    return true;
}

void block_node_unref(BlockNode *n)
{
    if (n == NULL || !node_drop(n)) {
        return;
    }
    if (n->drv->close != NULL) {
        n->drv->close(n);
    }
    block_node_unref(n->file);
    block_node_unref(n->backing);
    g_free(n->filename);
    g_free(n->name);
    g_free(n);
}

void block_node_set_size(BlockNode *n, uint64_t size)
{
    VM_LOCK_GUARD();

    __atomic_store_n(&n->size, size, __ATOMIC_RELAXED);
    if (n->img != NULL) {
        n->img->size = size;
    }
}

/* Options that all have */

static bool take_discard(BlockNode *n, KeyVal *kv, GError **errp)
{
    const char *mode = keyval_get(kv, "discard");

    if (mode == NULL) {
        return true;
    }
    n->discard = g_str_equal(mode, "unmap") || g_str_equal(mode, "on");
    if (!n->discard && !g_str_equal(mode, "ignore") &&
        !g_str_equal(mode, "off")) {
        error_setf(errp, "Invalid discard option '%s'", mode);
        return false;
    }
    return true;
}

static bool take_detect_zeroes(BlockNode *n, KeyVal *kv, GError **errp)
{
    static const char *const names[] = { "off", "on", "unmap", NULL };
    int mode = BLOCK_DETECT_ZEROES_OFF;

    if (!keyval_get_enum(kv, "detect-zeroes", names, &mode, errp)) {
        return false;
    }
    n->detect_zeroes = mode;
    if (n->detect_zeroes == BLOCK_DETECT_ZEROES_UNMAP && !n->discard) {
        error_setf(errp, "setting detect-zeroes to unmap is not allowed "
                         "without setting discard operation to unmap");
        return false;
    }
    return true;
}

static bool take_common(BlockNode *n, KeyVal *kv, BlockInherit *inh,
                        GError **errp)
{
    bool force_share = false;

    n->read_only = inh->read_only;
    n->direct = inh->direct;
    n->no_flush = inh->no_flush;
    n->discard = inh->discard;
    n->align = 1;
    if (keyval_has(kv, "read-only")) {
        inh->auto_read_only = false;
    }
    if (!take_name(n, kv, errp) ||
        !keyval_get_bool(kv, "read-only", &n->read_only, errp) ||
        !keyval_get_bool(kv, "auto-read-only", &inh->auto_read_only, errp) ||
        !keyval_get_bool(kv, "cache.direct", &n->direct, errp) ||
        !keyval_get_bool(kv, "cache.no-flush", &n->no_flush, errp) ||
        !keyval_get_bool(kv, "force-share", &force_share, errp) ||
        !take_discard(n, kv, errp) || !take_detect_zeroes(n, kv, errp)) {
        return false;
    }
    if (force_share) {
        error_setf(errp, "force-share=on is not in this version, only "
                         "force-share=off");
        return false;
    }
    inh->read_only = n->read_only;
    inh->direct = n->direct;
    inh->no_flush = n->no_flush;
    inh->discard = n->discard;
    return true;
}

/* The first key that nobody asked for. */
static bool check_keys(const BlockNode *n, KeyVal *kv, GError **errp)
{
    g_autoptr(GError) err = NULL;
    const char *key;

    if (keyval_check_all_used(kv, "", &err)) {
        return true;
    }
    key = strchr(err->message, '\'');
    error_setf(errp, "Block %s '%s' does not support the option %s",
               n->drv->is_protocol ? "protocol" : "format", n->drv->name,
               key != NULL ? key : "");
    return false;
}

/* Children */

KeyVal *block_opts_child(KeyVal *kv, const char *key)
{
    g_autofree char *prefix = g_strdup_printf("%s.", key);
    KeyVal *child = keyval_new();

    for (unsigned i = 0; i < keyval_count(kv); i++) {
        const char *k = keyval_key_at(kv, i);

        if (g_str_has_prefix(k, prefix)) {
            keyval_add(child, k + strlen(prefix), keyval_value_at(kv, i));
            keyval_mark_used_at(kv, i);
        }
    }
    return child;
}

/* With a reference. */
static BlockNode *find_child(BlockNode *n, const char *name)
{
    VM_LOCK_GUARD();
    BlockNode *child = block_node_find(n->all, name);

    return child != NULL ? block_node_ref(child) : NULL;
}

BlockNode *block_node_open_child(BlockNode *n, KeyVal *kv, const char *key,
                                 const BlockInherit *inh, GError **errp)
{
    const char *name = keyval_get(kv, key);
    g_autoptr(KeyVal) opts = block_opts_child(kv, key);
    BlockNode *child;

    if (name != NULL) {
        if (keyval_count(opts) > 0) {
            error_setf(errp, "Cannot specify both '%s' and '%s.*' options", key,
                       key);
            return NULL;
        }
        child = find_child(n, name);
        if (child == NULL) {
            error_setf(errp, "Cannot find device='%s' nor node-name='%s'", name,
                       name);
        }
        return child;
    }
    return keyval_count(opts) > 0
               ? block_node_open(n->all, opts, inh, NULL, errp)
               : NULL;
}

static bool open_file_child(BlockNode *n, KeyVal *kv, const BlockInherit *inh,
                            GError **errp)
{
    const char *key = n->drv->child_key != NULL ? n->drv->child_key : "file";
    GError *err = NULL;

    if (n->drv->is_protocol) {
        return true;
    }
    if (n->file == NULL) {
        n->file = block_node_open_child(n, kv, key, inh, &err);
    }
    if (err != NULL) {
        g_propagate_error(errp, err);
        return false;
    }
    if (n->file == NULL) {
        error_setf(errp, "A block device must be specified for \"%s\"", key);
        return false;
    }
    n->align = n->file->align;
    if (!n->read_only && n->file->read_only) {
        if (!inh->auto_read_only) {
            error_setf(errp,
                       "Block node is read-only: '%s', but '%s' is to be "
                       "written",
                       n->file->name, n->name);
            return false;
        }
        n->read_only = true;
    }
    return true;
}

static const BlockDriver *take_driver(KeyVal *kv, GError **errp)
{
    const char *name = keyval_get(kv, "driver");
    const BlockDriver *drv;

    if (name == NULL) {
        error_setf(errp, "Parameter 'driver' is missing");
        return NULL;
    }
    drv = block_driver_find(name);
    if (drv == NULL && block_format_is_foreign(name)) {
        const char *file = keyval_get(kv, "file.filename");

        block_refuse_format(file != NULL ? file : "FILE", name, errp);
    } else if (drv == NULL) {
        error_setf(errp,
                   block_protocol_is_foreign(name)
                       ? "driver '%s' is not in this version"
                       : "Unknown driver '%s'",
                   name);
    }
    return drv;
}

/* What waits for limits does so before a format is asked. */
static bool check_no_throttle_below(const BlockNode *n, GError **errp)
{
    if (n->drv->is_filter || n->drv == &block_raw_driver ||
        (throttle_node_in(n->file) == NULL &&
         throttle_node_in(n->backing) == NULL)) {
        return true;
    }
    error_setf(errp,
               "driver 'throttle' below a node of '%s' is not in this version, "
               "only on top of it",
               n->drv->name);
    return false;
}

/* It can be found from now on.  Another may have taken its name meanwhile. */
static bool node_publish(BlockNode *n, GError **errp)
{
    VM_LOCK_GUARD();

    if (!check_name_free(n, errp)) {
        return false;
    }
    n->link.data = n;
    g_queue_push_tail_link(&n->all->nodes, &n->link);
    return true;
}

BlockNode *block_node_open(BlockBackends *bs, KeyVal *kv,
                           const BlockInherit *inh, BlockNode *file,
                           GError **errp)
{
    const BlockDriver *drv = take_driver(kv, errp);
    BlockInherit mine = *inh;
    BlockNode *n;

    if (drv == NULL) {
        block_node_unref(file);
        return NULL;
    }
    n = g_new0(BlockNode, 1);
    n->all = bs;
    n->drv = drv;
    n->refs = 1;
    n->file = file;
    n->opened_for = inh->above;
    g_queue_init(&n->in_flight);
    g_queue_init(&n->waiting);
    if (++mine.depth > BLOCK_MAX_DEPTH) {
        error_setf(errp, "More than %d block nodes below each other",
                   BLOCK_MAX_DEPTH);
    } else if (take_common(n, kv, &mine, errp) &&
               open_file_child(n, kv, &mine, errp) &&
               drv->open(n, kv, &mine, errp) && check_keys(n, kv, errp) &&
               check_no_throttle_below(n, errp)) {
        if (n->filename == NULL) {
            n->filename = g_strdup(n->file != NULL ? n->file->filename : "");
        }
        if (node_publish(n, errp)) {
            return n;
        }
    }
    block_node_unref(n);
    return NULL;
}

/* By file name */

static bool add_protocol(KeyVal *kv, const char *name, GError **errp)
{
    const char *colon = strchr(name, ':'), *slash = strchr(name, '/');
    g_autofree char *protocol = NULL;
    struct stat st;

    if (colon == NULL || (slash != NULL && slash < colon)) {
        bool device = stat(name, &st) == 0 && S_ISBLK(st.st_mode);

        if (!keyval_has(kv, "driver")) {
            keyval_add(kv, "driver", device ? "host_device" : "file");
        }
        keyval_add(kv, "filename", name);
        return true;
    }
    if (g_str_has_prefix(name, "file:")) {
        keyval_add(kv, "driver", "file");
        keyval_add(kv, "filename", colon + 1);
        return true;
    }
    if (g_str_equal(name, "null-co://") || g_str_equal(name, "null-aio://")) {
        g_autofree char *driver = g_strndup(name, colon - name);

        keyval_add(kv, "driver", driver);
        return true;
    }
    protocol = g_strndup(name, colon - name);
    error_setf(errp,
               block_protocol_is_foreign(protocol)
                   ? "protocol '%s' is not in this version"
                   : "Unknown protocol '%s'",
               protocol);
    return false;
}

/* The format to read it with; a warning if that was guessed to be raw. */
static const char *find_format(BlockNode *file, const char *format,
                               bool *ret_probed, GError **errp)
{
    *ret_probed = false;
    if (format != NULL) {
        return format;
    }
    format = block_probe_node(file, errp);
    if (format == NULL) {
        return NULL;
    }
    if (block_driver_find(format) == NULL) {
        block_refuse_format(file->filename, format, errp);
        return NULL;
    }
    *ret_probed =
        g_str_equal(format, "raw") && !file->read_only && file->img != NULL;
    if (*ret_probed) {
        log_warn("Image format was not specified for '%s' and probing guessed "
                 "raw: this is dangerous for raw images, writes to block 0 "
                 "will be restricted; specify format=raw to remove the "
                 "restrictions",
                 file->filename);
    }
    return format;
}

static KeyVal *protocol_opts(const char *filename, KeyVal *kv, GError **errp)
{
    KeyVal *p = kv != NULL ? block_opts_child(kv, "file") : keyval_new();

    if (filename != NULL && !add_protocol(p, filename, errp)) {
        keyval_free(p);
        return NULL;
    }
    return p;
}

static bool is_protocol(const char *name)
{
    const BlockDriver *drv = block_driver_find(name);

    return drv != NULL && drv->is_protocol;
}

/* -drive driver=file,filename=…: nothing on top of it. */
static BlockNode *open_protocol(BlockBackends *bs, const char *filename,
                                const char *driver, KeyVal *kv,
                                const BlockInherit *inh, GError **errp)
{
    g_autoptr(KeyVal) own = keyval_new();

    keyval_add(own, "driver", driver);
    if (filename != NULL) {
        keyval_add(own, "filename", filename);
    }
    for (unsigned i = 0; kv != NULL && i < keyval_count(kv); i++) {
        const char *key = keyval_key_at(kv, i);
        bool below = g_str_has_prefix(key, "file.");

        keyval_add(own, below ? key + strlen("file.") : key,
                   keyval_value_at(kv, i));
    }
    return block_node_open(bs, own, inh, NULL, errp);
}

BlockNode *block_node_open_named(BlockBackends *bs, const char *filename,
                                 const char *format, KeyVal *kv,
                                 const BlockInherit *inh, GError **errp)
{
    g_autoptr(KeyVal) protocol = protocol_opts(filename, kv, errp);
    g_autoptr(KeyVal) own = keyval_new();
    BlockInherit below = *inh;
    BlockNode *file, *n;
    bool probed;

    if (protocol == NULL) {
        return NULL;
    }
    if (format != NULL && is_protocol(format)) {
        return open_protocol(bs, filename, format, kv, inh, errp);
    }
    below.depth++;
    file = block_node_open(bs, protocol, &below, NULL, errp);
    if (file == NULL) {
        return NULL;
    }
    format = find_format(file, format, &probed, errp);
    if (format == NULL) {
        block_node_unref(file);
        return NULL;
    }
    if (block_format_is_foreign(format)) {
        block_refuse_format(file->filename, format, errp);
        block_node_unref(file);
        return NULL;
    }
    keyval_add(own, "driver", format);
    for (unsigned i = 0; kv != NULL && i < keyval_count(kv); i++) {
        if (!g_str_has_prefix(keyval_key_at(kv, i), "file.")) {
            keyval_add(own, keyval_key_at(kv, i), keyval_value_at(kv, i));
        }
    }
    n = block_node_open(bs, own, inh, file, errp);
    if (n != NULL) {
        n->probed = probed;
    }
    return n;
}

/* What users do */

BlockNode *block_node_open_unlocked(BlockBackends *bs, void (*fn)(void *arg),
                                    void *arg, BlockNode **opened,
                                    GError **errp)
{
    bool inactive = bs->inactive;

    block_unlocked(bs, fn, arg);
    if (*opened != NULL && inactive && (!bs->inactive || bs->activating)) {
        error_setf(errp,
                   "The disk images were taken over while '%s' was "
                   "opened: try again",
                   (*opened)->filename);
        block_node_unref(g_steal_pointer(opened));
    }
    return *opened;
}

typedef struct AddCall {
    BlockBackends *bs;
    KeyVal *kv;
    GError **errp;
    BlockNode *node;
} AddCall;

static void node_add_now(void *opaque)
{
    BlockInherit inh = { .read_only = false };
    AddCall *c = opaque;

    c->node = block_node_open(c->bs, c->kv, &inh, NULL, c->errp);
}

bool block_node_add(BlockBackends *bs, KeyVal *kv, GError **errp)
{
    AddCall call = { .bs = bs, .kv = kv, .errp = errp };
    BlockNode *n;

    if (!keyval_has(kv, "node-name")) {
        error_setf(errp, "'node-name' must be specified for the root node");
        return false;
    }
    n = block_node_open_unlocked(bs, node_add_now, &call, &call.node, errp);
    if (n == NULL) {
        return false;
    }
    n->monitor_owns = true;
    if (!block_graph_update(bs, errp)) {
        block_node_unref(n);
        block_graph_update(bs, NULL);
        return false;
    }
    return true;
}

static bool node_has_tables(const BlockNode *n)
{
    while (n != NULL && n->drv->inactivate == NULL) {
        n = n->file;
    }
    return n != NULL;
}

int block_node_write_tables(BlockNode *n)
{
    int ret = 0;

    for (; n != NULL && ret == 0; n = n->file) {
        if (n->drv->inactivate != NULL) {
            ret = n->drv->inactivate(n);
        }
    }
    return ret;
}

typedef struct SettleCall {
    BlockNode *node;
    int ret; /* 0 or -errno */
} SettleCall;

static void node_settle_now(void *opaque)
{
    SettleCall *c = opaque;

    c->ret = block_node_write_tables(c->node);
}

int block_node_settle(BlockNode *n)
{
    SettleCall call = { .node = n };

    if (!n->all->inactive && node_has_tables(n)) {
        block_node_ref(n);
        block_write_unlocked(n->all, node_settle_now, &call);
        block_node_unref(n);
    }
    return call.ret;
}

/*
 * Its tables are written, and nobody uses it.  A user who came and went while
 * they were may have left more.
 */
static bool node_settle_unused(BlockNode *n, GError **errp)
{
    bool written, unflushed = n->unflushed;
    int ret;

    do {
        if (n->refs > 1) {
            error_setf(errp, "Block device %s is in use", n->name);
            return false;
        }
        n->unflushed = false;
        ret = block_node_settle(n);
        written = n->unflushed;
        n->unflushed |= unflushed;
        if (ret < 0) {
            error_setf_errno(errp, ret, "Could not write the tables of '%s'",
                             n->name);
            return false;
        }
    } while (written || n->refs > 1);
    return true;
}

bool block_node_del(BlockBackends *bs, const char *name, GError **errp)
{
    BlockNode *n = block_node_find(bs, name);

    if (n == NULL) {
        error_setf(errp, "Failed to find node with node-name='%s'", name);
        return false;
    }
    if (!n->monitor_owns) {
        error_setf(errp, "Node %s is not owned by the monitor", name);
        return false;
    }
    if (!node_settle_unused(n, errp)) {
        return false;
    }
    n->monitor_owns = false;
    block_node_unref(n);
    block_graph_update(bs, NULL);
    return true;
}

void block_node_foreach(BlockBackends *bs,
                        void (*fn)(const BlockNode *n, void *op), void *op)
{
    for (GList *l = bs->nodes.head; l != NULL; l = l->next) {
        fn(l->data, op);
    }
}

const BlockSnapshotInfo *block_node_snapshot(const BlockNode *n, unsigned i)
{
    return n->drv->snapshots != NULL ? n->drv->snapshots->info(n, i) : NULL;
}

void block_node_get_info(const BlockNode *n, BlockNodeInfo *ret)
{
    *ret = (BlockNodeInfo){
        .node = n,
        .name = n->name,
        .filename = n->filename,
        .driver = n->drv->name,
        .backing = n->backing,
        .size = n->size,
        .read_only = n->read_only,
        .direct = n->direct,
        .no_flush = n->no_flush,
        .detect_zeroes = n->detect_zeroes,
    };
    if (n->file != NULL) {
        BlockNodeInfo below;

        block_node_get_info(n->file, &below);
        ret->allocated = below.allocated;
        ret->is_null = below.is_null;
    }
    if (n->drv->info != NULL) {
        n->drv->info(n, ret);
    }
    if (ret->backing_file == NULL && n->backing != NULL) {
        /* Its image doesn't say so: an option did. */
        ret->backing_file = n->backing->filename;
    }
}
