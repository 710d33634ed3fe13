/*
 * Character devices: what all back ends share.
 *
 * All state belongs to vm_lock, which callbacks of the main loop take and
 * device code holds anyway; the channel to write to has a lock of its own,
 * so that a monitor can write without vm_lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev.h"

#include <fcntl.h>
#include <glib-unix.h>

#include "chardev/chardev-priv.h"
#include "io/channel.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/open.h"

struct Chardevs {
    GPtrArray *list; /* Chardev *, in the order of creation; vm_lock */
    ChardevHooks hooks;
    uint8_t escape;
};

Chardevs *chardevs_new(void)
{
    Chardevs *cs = g_new0(Chardevs, 1);

    cs->list = g_ptr_array_new();
    cs->escape = 1;
    return cs;
}

void chardevs_free(Chardevs *cs)
{
    if (!cs) {
        return;
    }
    /* A mux comes after what it sits on. */
    while (cs->list->len) {
        chardev_delete(cs, g_ptr_array_index(cs->list, cs->list->len - 1));
    }
    g_ptr_array_unref(cs->list);
    g_free(cs);
}

void chardevs_set_hooks(Chardevs *cs, const ChardevHooks *hooks)
{
    cs->hooks = *hooks;
}

const ChardevHooks *chardevs_hooks(const Chardevs *cs)
{
    return &cs->hooks;
}

void chardevs_set_escape(Chardevs *cs, uint8_t escape)
{
    cs->escape = escape;
}

uint8_t chardevs_escape(const Chardevs *cs)
{
    return cs->escape;
}

Chardev *chardev_find(Chardevs *cs, const char *label)
{
    for (guint i = 0; i < cs->list->len; i++) {
        Chardev *cd = g_ptr_array_index(cs->list, i);

        if (!strcmp(cd->label, label)) {
            return cd;
        }
    }
    return NULL;
}

bool chardevs_have_type(Chardevs *cs, const ChardevOps *ops)
{
    for (guint i = 0; i < cs->list->len; i++) {
        if (((Chardev *)g_ptr_array_index(cs->list, i))->ops == ops) {
            return true;
        }
    }
    return false;
}

void chardevs_foreach(Chardevs *cs, void (*fn)(Chardev *cd, void *opaque),
                      void *opaque)
{
    for (guint i = 0; i < cs->list->len; i++) {
        fn(g_ptr_array_index(cs->list, i), opaque);
    }
}

Chardev *chardev_alloc(Chardevs *cs, const ChardevOps *ops, const char *label)
{
    Chardev *cd = g_malloc0(ops->size);

    cd->ops = ops;
    cd->cs = cs;
    cd->label = g_strdup(label);
    cd->refs = 1;
    lock_init(&cd->out_lock);
    LOCK_GUARD(&cd->out_lock);
    cd->log_fd = -1;
    return cd;
}

Chardev *chardev_ref(Chardev *cd)
{
    cd->refs++;
    return cd;
}

void chardev_close_fds(Chardev *cd)
{
    while (cd->nfds) {
        close(cd->fds[--cd->nfds]);
    }
}

static void chardev_close_log(Chardev *cd)
{
    LOCK_GUARD(&cd->out_lock);

    if (cd->log_fd >= 0) {
        close(cd->log_fd);
        cd->log_fd = -1;
    }
}

void chardev_unref(Chardev *cd)
{
    if (!cd || --cd->refs) {
        return;
    }
    cd->attached = false; /* nobody to tell */
    chardev_drop_channel(cd);
    if (cd->ops->fini) {
        cd->ops->fini(cd);
    }
    while (cd->watches) {
        chardev_del_watch(cd, ((ChardevWatch *)cd->watches->data)->id);
    }
    chardev_close_fds(cd);
    chardev_close_log(cd);
    if (cd->pending) {
        g_byte_array_unref(cd->pending);
    }
    lock_fini(&cd->out_lock);
    g_free(cd->label);
    g_free(cd);
}

void chardev_delete(Chardevs *cs, Chardev *cd)
{
    if (cd->deleted) {
        return;
    }
    cd->deleted = true;
    g_ptr_array_remove(cs->list, cd);
    chardev_unref(cd);
}

const char *chardev_label(const Chardev *cd)
{
    return cd->label;
}

char *chardev_filename(const Chardev *cd)
{
    return cd->ops->filename ? cd->ops->filename(cd) : g_strdup(cd->ops->type);
}

bool chardev_frontend_open(const Chardev *cd)
{
    return cd->attached && !cd->unread;
}

void chardev_set_frontend_open(Chardev *cd, bool open)
{
    cd->unread = !open;
}

bool chardev_is_open(const Chardev *cd)
{
    return cd->open;
}

bool chardev_is_busy(const Chardev *cd)
{
    return cd->attached || cd->busy;
}

void chardev_event(Chardev *cd, ChardevEvent ev)
{
    if (cd->attached && cd->fe.event) {
        cd->fe.event(cd->fe.opaque, ev);
    }
}

void chardev_set_open(Chardev *cd, bool open)
{
    if (cd->open != open) {
        cd->open = open;
        chardev_event(cd, open ? CHARDEV_OPENED : CHARDEV_CLOSED);
    }
}

int chardev_can_receive(Chardev *cd)
{
    int n;

    if (!cd->attached || !cd->fe.receive) {
        return 0;
    }
    n = cd->fe.can_receive ? cd->fe.can_receive(cd->fe.opaque)
                           : CHARDEV_READ_MAX;
    return CLAMP(n, 0, CHARDEV_READ_MAX);
}

void chardev_receive(Chardev *cd, const uint8_t *buf, int len)
{
    if (cd->attached && cd->fe.receive) {
        cd->fe.receive(cd->fe.opaque, buf, len);
    }
}

bool chardev_attach(Chardev *cd, const ChardevFrontend *fe, void **ret_handle,
                    GError **errp)
{
    if (cd->ops->attach) {
        return cd->ops->attach(cd, fe, ret_handle, errp);
    }
    if (chardev_is_busy(cd)) {
        error_setf(errp, "Device '%s' is in use", cd->label);
        return false;
    }
    cd->fe = *fe;
    cd->attached = true;
    cd->unread = false;
    *ret_handle = cd;
    chardev_ref(cd);
    if (cd->open) {
        chardev_event(cd, CHARDEV_OPENED);
    }
    chardev_accept_input(cd);
    chardev_unref(cd);
    return true;
}

void chardev_detach(Chardev *cd, void *handle)
{
    if (cd->ops->detach) {
        cd->ops->detach(cd, handle);
        return;
    }
    if (handle == cd) {
        cd->attached = false;
        memset(&cd->fe, 0, sizeof(cd->fe));
        cd->in_ended &= cd->ops->keeps_input; /* the next one may ask again */
        g_clear_pointer(&cd->pending, g_byte_array_unref);
        chardev_update_input(cd);
    }
}

void chardev_accept_input(Chardev *cd)
{
    if (cd->ops->accept_input) {
        cd->ops->accept_input(cd);
    } else {
        chardev_update_input(cd);
    }
}

int chardev_take_fd(Chardev *cd)
{
    return cd->nfds ? cd->fds[--cd->nfds] : -1;
}

void chardev_disconnect(Chardev *cd)
{
    if (cd->ops->disconnect) {
        cd->ops->disconnect(cd);
    }
}

bool chardev_is_socket(const Chardev *cd)
{
    return cd->ops == &chardev_socket_ops;
}

bool chardev_wait_peer(Chardev *cd, GError **errp)
{
    if (cd->open) {
        return true;
    }
    if (cd->ops->wait_peer == NULL) {
        error_setf(errp, "chardev '%s' has no peer", cd->label);
        return false;
    }
    return cd->ops->wait_peer(cd, errp);
}

int chardev_unix_fd(Chardev *cd)
{
    int fd;
    LOCK_GUARD(&cd->out_lock);

    if (!chardev_is_socket(cd) || cd->ch == NULL ||
        !io_channel_has_feature(cd->ch, IO_FEATURE_FD_PASS)) {
        return -1;
    }
    fd = fcntl(io_channel_fd(cd->ch, G_IO_IN), F_DUPFD_CLOEXEC, 0);
    cd->lent = fd >= 0;
    return fd;
}

int chardev_set_line(Chardev *cd, const ChardevLine *line)
{
    return cd->ops->set_line ? cd->ops->set_line(cd, line) : -ENOTSUP;
}

int chardev_send_break(Chardev *cd)
{
    return cd->ops->send_break ? cd->ops->send_break(cd) : -ENOTSUP;
}

static bool chardev_open_log(Chardev *cd, KeyVal *kv, GError **errp)
{
    const char *path = keyval_get(kv, "logfile");
    bool append = false;
    int fd;

    if (!keyval_get_bool(kv, "logappend", &append, errp)) {
        return false;
    }
    if (!path) {
        return true;
    }
    fd = open_user_file(path,
                        O_WRONLY | O_CREAT | O_NOCTTY |
                            (append ? O_APPEND : O_TRUNC),
                        0666);
    if (fd < 0) {
        error_setf_errno(errp, -fd, "Unable to open logfile %s", path);
        return false;
    }
    /* A FIFO or terminal that nobody reads must not stop the guest. */
    g_unix_set_fd_nonblocking(fd, true, NULL);
    LOCK_GUARD(&cd->out_lock);
    cd->log_fd = fd;
    return true;
}

static bool chardev_open(Chardev *cd, KeyVal *kv, GError **errp)
{
    if (cd->ops->parse && !cd->ops->parse(cd, kv, errp)) {
        return false;
    }
    keyval_get(kv, "logfile");
    keyval_get(kv, "logappend");
    if (!keyval_check_all_used(kv, "chardev", errp)) {
        return false;
    }
    return chardev_open_log(cd, kv, errp) &&
           (!cd->ops->start || cd->ops->start(cd, errp));
}

Chardev *chardev_create(Chardevs *cs, const ChardevOps *ops, const char *label,
                        KeyVal *kv, GError **errp)
{
    g_autofree char *base_label = NULL;
    bool mux = false;
    Chardev *cd, *top;

    if (ops != &chardev_mux_ops && !keyval_get_bool(kv, "mux", &mux, errp)) {
        return NULL;
    }
    base_label = mux ? g_strconcat(label, "-base", NULL) : g_strdup(label);
    if (chardev_find(cs, label) || chardev_find(cs, base_label)) {
        error_setf(errp, "Duplicate ID '%s' for chardev", label);
        return NULL;
    }
    cd = chardev_alloc(cs, ops, base_label);
    if (!chardev_open(cd, kv, errp)) {
        chardev_unref(cd);
        return NULL;
    }
    g_ptr_array_add(cs->list, cd);
    if (!mux) {
        return cd;
    }
    top = chardev_alloc(cs, &chardev_mux_ops, label);
    if (!chardev_mux_init(top, cd, errp)) {
        chardev_unref(top);
        chardev_delete(cs, cd);
        return NULL;
    }
    g_ptr_array_add(cs->list, top);
    return top;
}

Chardev *chardev_new_from_keyval(Chardevs *cs, KeyVal *kv, GError **errp)
{
    const char *type = keyval_get(kv, "backend");
    const char *id = keyval_get(kv, "id");
    const ChardevOps *ops;
    Chardev *cd;

    if (!type) {
        error_setf(errp, "chardev: '%s' is missing \"backend\"", id ? id : "");
        return NULL;
    }
    if (!id) {
        error_setf(errp, "chardev: no id specified");
        return NULL;
    }
    if (!id_is_valid(id)) {
        error_setf(errp,
                   "chardev: id '%s': not a letter followed by letters, "
                   "digits, '-', '.' or '_'",
                   id);
        return NULL;
    }
    ops = chardev_type_find(type, errp);
    cd = ops ? chardev_create(cs, ops, id, kv, errp) : NULL;
    return cd;
}

int chardev_get_fd(Chardev *cd, const char *str, GError **errp)
{
    const ChardevHooks *h = &cd->cs->hooks;
    uint64_t num;
    int fd;

    if (g_ascii_isdigit(str[0])) {
        if (!parse_uint("fd", str, 0, INT_MAX, &num, errp)) {
            return -1;
        }
        if (fcntl(num, F_GETFD) < 0) {
            error_setf_errno(errp, errno, "chardev '%s': fd '%s'", cd->label,
                             str);
            return -1;
        }
        return num;
    }
    fd = h->fd_by_name ? h->fd_by_name(h->opaque, str) : -ENOENT;
    if (fd < 0) {
        error_setf(errp, "File descriptor named '%s' has not been found", str);
        return -1;
    }
    return fd;
}

int chardev_open_path(Chardev *cd, const char *path, int flags, GError **errp)
{
    const ChardevHooks *h = &cd->cs->hooks;
    const char prefix[] = "/dev/fdset/";
    uint64_t id;
    int fd;

    if (g_str_has_prefix(path, prefix)) {
        if (!parse_uint("fdset", path + strlen(prefix), 0, INT64_MAX, &id,
                        errp)) {
            return -1;
        }
        fd = h->fdset_open ? h->fdset_open(h->opaque, id, flags) : -ENOENT;
    } else {
        fd = open_user_file(path, flags | O_NOCTTY, 0666);
    }
    if (fd < 0) {
        error_setf_errno(errp, -fd, "Could not open '%s'", path);
        return -1;
    }
    return fd;
}
