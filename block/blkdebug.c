/*
 * blkdebug: a filter that makes requests fail as it is told.
 *
 * inject-error.N: event= (which requests), errno=, sector= (-1: any), once=,
 * state= (0: any), iotype= of what may fail; set-state.N: event=, state=,
 * new_state=.  Events are requests of the parent: "read_aio", "write_aio",
 * "flush_to_os", "flush_to_disk"; "none" stands for all of them.  Parts of a
 * format's work aren't told apart.  immediately= changes nothing: no error is
 * told from inside the call that makes a request.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"
#include "util/error.h"

enum { MAX_RULES = 64 };

typedef enum Event {
    EVENT_READ,
    EVENT_WRITE,
    EVENT_FLUSH_TO_OS,
    EVENT_FLUSH_TO_DISK,
    EVENT_NONE,
} Event;

/* In the order of Event. */
static const char *const event_names[] = { "read_aio",    "write_aio",
                                           "flush_to_os", "flush_to_disk",
                                           "none",        NULL };
/* What a request does; an error may be for one kind. */
typedef enum IoType {
    IO_READ,
    IO_WRITE,
    IO_WRITE_ZEROES,
    IO_DISCARD,
    IO_FLUSH,
    IO_ANY,
} IoType;

static const char *const io_names[] = { "read",    "write", "write-zeroes",
                                        "discard", "flush", NULL };

typedef struct Rule {
    bool sets_state; /* else it injects an error */
    Event event;
    uint64_t state; /* 0: any */
    uint64_t new_state;
    uint64_t error; /* errno */
    int64_t sector; /* -1: any */
    bool once, used;
    int iotype; /* IoType */
} Rule;

typedef struct BlkDebug {
    Lock lock;
    uint64_t state; /* 1 at first */
    GArray *rules;  /* Rule */
} BlkDebug;

/* Options */

static char *rule_key(bool sets, unsigned i)
{
    return g_strdup_printf("%s.%u", sets ? "set-state" : "inject-error", i);
}

static bool take_rule(BlkDebug *s, KeyVal *kv, bool sets, GError **errp)
{
    Rule r = { .sets_state = sets,
               .event = EVENT_NONE,
               .error = EIO,
               .sector = -1,
               .iotype = IO_ANY };
    int event = EVENT_NONE;
    bool immediately = false;

    if (keyval_get_required(kv, "event", "blkdebug rule", errp) == NULL ||
        !keyval_get_enum(kv, "event", event_names, &event, errp) ||
        !keyval_get_uint(kv, "state", 0, INT_MAX, &r.state, errp)) {
        return false;
    }
    r.event = event;
    if (sets) {
        if (keyval_get_required(kv, "new_state", "set-state", errp) == NULL ||
            !keyval_get_uint(kv, "new_state", 1, INT_MAX, &r.new_state, errp)) {
            return false;
        }
    } else if (!keyval_get_uint(kv, "errno", 1, 4095, &r.error, errp) ||
               !keyval_get_int(kv, "sector", -1, INT64_MAX, &r.sector, errp) ||
               !keyval_get_bool(kv, "once", &r.once, errp) ||
               !keyval_get_bool(kv, "immediately", &immediately, errp) ||
               !keyval_get_enum(kv, "iotype", io_names, &r.iotype, errp)) {
        return false;
    }
    g_array_append_val(s->rules, r);
    return keyval_check_all_used(kv, "blkdebug rule", errp);
}

static bool take_rules(BlkDebug *s, KeyVal *kv, bool sets, GError **errp)
{
    for (unsigned i = 0; i < MAX_RULES; i++) {
        g_autofree char *key = rule_key(sets, i);
        g_autoptr(KeyVal) opts = block_opts_child(kv, key);

        if (keyval_count(opts) == 0) {
            break;
        }
        if (!take_rule(s, opts, sets, errp)) {
            error_prefix(errp, "%s: ", key);
            return false;
        }
    }
    return true;
}

static bool blkdebug_open(BlockNode *n, KeyVal *kv, const BlockInherit *inh,
                          GError **errp)
{
    BlkDebug *s = g_new0(BlkDebug, 1);

    n->state = s;
    lock_init(&s->lock);
    s->state = 1;
    s->rules = g_array_new(FALSE, FALSE, sizeof(Rule));
    n->size = n->file->size;
    return block_aio_need_engine(n->all->aio, BLOCK_ENGINE_THREADS, errp) &&
           take_rules(s, kv, false, errp) && take_rules(s, kv, true, errp);
}

static void blkdebug_close(BlockNode *n)
{
    BlkDebug *s = n->state;

    if (s != NULL) {
        g_array_free(s->rules, TRUE);
        lock_fini(&s->lock);
        g_free(s);
    }
}

/* Requests */

/* Does an error strike there?  Of none: any event. */
static bool blkdebug_strikes(const Rule *r, Event event, IoType type,
                             uint64_t off, uint64_t len)
{
    uint64_t at = (uint64_t)r->sector * BLOCK_SECTOR;

    return !r->sets_state && !r->used &&
           (r->event == event || r->event == EVENT_NONE) &&
           (r->iotype == IO_ANY || r->iotype == (int)type) &&
           (r->sector < 0 || (at >= off && at - off < len));
}

/* 0 or the error that is to be had. */
static int on_event(BlockNode *n, Event event, IoType type, uint64_t off,
                    uint64_t len)
{
    BlkDebug *s = n->state;
    uint64_t state;
    int ret = 0;

    LOCK_GUARD(&s->lock);
    state = s->state;
    for (guint i = 0; i < s->rules->len; i++) {
        Rule *r = &g_array_index(s->rules, Rule, i);

        if (r->state != 0 && r->state != state) {
            continue;
        }
        if (r->sets_state && r->event == event) {
            s->state = r->new_state;
        } else if (ret == 0 && blkdebug_strikes(r, event, type, off, len)) {
            r->used = r->once;
            ret = -(int)r->error;
        }
    }
    return ret;
}

static int blkdebug_pread(BlockNode *n, uint64_t off, void *buf, size_t len)
{
    int ret = on_event(n, EVENT_READ, IO_READ, off, len);

    return ret < 0 ? ret : block_file_pread(n->file, off, buf, len);
}

static int blkdebug_pwrite(BlockNode *n, uint64_t off, const void *buf,
                           size_t len)
{
    int ret = on_event(n, EVENT_WRITE, IO_WRITE, off, len);

    return ret < 0 ? ret : block_file_pwrite(n->file, off, buf, len);
}

static int blkdebug_flush(BlockNode *n)
{
    int ret = on_event(n, EVENT_FLUSH_TO_OS, IO_FLUSH, 0, 0);

    if (ret == 0) {
        ret = on_event(n, EVENT_FLUSH_TO_DISK, IO_FLUSH, 0, 0);
    }
    return ret < 0 ? ret : block_node_flush(n->file);
}

static int blkdebug_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    int ret = on_event(n, EVENT_WRITE, IO_DISCARD, off, len);

    return ret < 0 ? ret : block_node_discard(n->file, off, len);
}

static int blkdebug_write_zeroes(BlockNode *n, uint64_t off, uint64_t len,
                                 bool unmap)
{
    int ret = on_event(n, EVENT_WRITE, IO_WRITE_ZEROES, off, len);

    return ret < 0 ? ret : block_node_write_zeroes(n->file, off, len, unmap);
}

static bool blkdebug_resize(BlockNode *n, uint64_t size, GError **errp)
{
    if (n->file->drv->resize == NULL) {
        error_setf(errp, "Block driver '%s' does not support resizing",
                   n->file->drv->name);
        return false;
    }
    if (!n->file->drv->resize(n->file, size, errp)) {
        return false;
    }
    block_node_set_size(n, size);
    return true;
}

static bool blkdebug_activate(BlockNode *n, GError **errp)
{
    VM_LOCK_GUARD();
    n->size = n->file->size;
    return true;
}

const BlockDriver block_blkdebug_driver = {
    .name = "blkdebug",
    .is_filter = true,
    .child_key = "image",
    .open = blkdebug_open,
    .close = blkdebug_close,
    .pread = blkdebug_pread,
    .pwrite = blkdebug_pwrite,
    .flush = blkdebug_flush,
    .discard = blkdebug_discard,
    .write_zeroes = blkdebug_write_zeroes,
    .resize = blkdebug_resize,
    .activate = blkdebug_activate,
};
