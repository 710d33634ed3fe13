/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp-fds.h"

#include <fcntl.h>

#include "util/error.h"

typedef struct NamedFd {
    char *name;
    int fd;
} NamedFd;

typedef struct SetFd {
    int64_t set_id;
    int fd;
    char *opaque; /* or NULL */
} SetFd;

struct QmpFds {
    GArray *named; /* NamedFd */
    GArray *sets;  /* SetFd, by set_id; of one set in order of adding */
};

static void named_clear(void *data)
{
    NamedFd *n = data;

    g_free(n->name);
    if (n->fd >= 0) {
        close(n->fd);
    }
}

static void set_fd_clear(void *data)
{
    SetFd *s = data;

    g_free(s->opaque);
    if (s->fd >= 0) {
        close(s->fd);
    }
}

QmpFds *qmp_fds_new(void)
{
    QmpFds *f = g_new0(QmpFds, 1);

    f->named = g_array_new(false, true, sizeof(NamedFd));
    g_array_set_clear_func(f->named, named_clear);
    f->sets = g_array_new(false, true, sizeof(SetFd));
    g_array_set_clear_func(f->sets, set_fd_clear);
    return f;
}

void qmp_fds_free(QmpFds *f)
{
    if (!f) {
        return;
    }
    g_array_unref(f->named);
    g_array_unref(f->sets);
    g_free(f);
}

static NamedFd *named_find(QmpFds *f, const char *name, unsigned *ret_index)
{
    for (unsigned i = 0; i < f->named->len; i++) {
        NamedFd *n = &g_array_index(f->named, NamedFd, i);

        if (!strcmp(n->name, name)) {
            *ret_index = i;
            return n;
        }
    }
    return NULL;
}

bool qmp_fds_name(QmpFds *f, const char *name, int fd, GError **errp)
{
    NamedFd named = { .fd = fd };
    unsigned i;

    if (g_ascii_isdigit(name[0])) {
        close(fd);
        error_setf(errp, "Parameter 'fdname' expects a name not starting "
                         "with a digit");
        return false;
    }
    if (named_find(f, name, &i)) {
        g_array_remove_index(f->named, i);
    }
    named.name = g_strdup(name);
    g_array_append_val(f->named, named);
    return true;
}

int qmp_fds_take(QmpFds *f, const char *name)
{
    unsigned i;
    NamedFd *n = named_find(f, name, &i);
    int fd;

    if (!n) {
        return -ENOENT;
    }
    fd = n->fd;
    n->fd = -1;
    g_array_remove_index(f->named, i);
    return fd;
}

bool qmp_fds_close(QmpFds *f, const char *name, GError **errp)
{
    int fd = qmp_fds_take(f, name);

    if (fd < 0) {
        error_setf(errp, "File descriptor named '%s' not found", name);
        return false;
    }
    close(fd);
    return true;
}

static const SetFd *set_at(const QmpFds *f, unsigned i)
{
    return &g_array_index(f->sets, SetFd, i);
}

/* Where the first descriptor of a set above set_id is. */
static unsigned set_end(const QmpFds *f, int64_t set_id)
{
    unsigned i = 0;

    while (i < f->sets->len && set_at(f, i)->set_id <= set_id) {
        i++;
    }
    return i;
}

/* The lowest number that is no set's. */
static int64_t set_free_id(const QmpFds *f)
{
    int64_t id = 0;

    for (unsigned i = 0; i < f->sets->len; i++) {
        if (set_at(f, i)->set_id == id) {
            id++;
        }
    }
    return id;
}

bool qmp_fdset_add(QmpFds *f, bool has_id, int64_t set_id, int fd,
                   const char *opaque, AddfdInfo **ret_info, GError **errp)
{
    SetFd s = { .fd = fd };

    if (has_id && (set_id < 0 || set_id == INT64_MAX)) {
        close(fd);
        error_setf(errp, "Parameter 'fdset-id' expects a non-negative value");
        return false;
    }
    s.set_id = has_id ? set_id : set_free_id(f);
    s.opaque = g_strdup(opaque);
    g_array_insert_val(f->sets, set_end(f, s.set_id), s);
    if (ret_info) {
        AddfdInfo *info = addfd_info_new();

        info->fdset_id = s.set_id;
        info->fd = fd;
        *ret_info = info;
    }
    return true;
}

bool qmp_fdset_remove(QmpFds *f, int64_t set_id, bool has_fd, int64_t fd,
                      GError **errp)
{
    bool found = false;

    for (unsigned i = f->sets->len; i-- > 0;) {
        const SetFd *s = set_at(f, i);

        if (s->set_id == set_id && (!has_fd || s->fd == fd)) {
            g_array_remove_index(f->sets, i);
            found = true;
        }
    }
    if (!found && has_fd) {
        error_setf(errp,
                   "File descriptor named 'fdset-id:%" PRId64 ", fd:%" PRId64
                   "' not found",
                   set_id, fd);
    } else if (!found) {
        error_setf(errp,
                   "File descriptor named 'fdset-id:%" PRId64 "' not found",
                   set_id);
    }
    return found;
}

FdsetInfoList *qmp_fdset_query(const QmpFds *f)
{
    FdsetInfoList *list = fdset_info_list_new();
    FdsetInfo *set = NULL;

    for (unsigned i = 0; i < f->sets->len; i++) {
        const SetFd *s = set_at(f, i);
        FdsetFdInfo *info = fdset_fd_info_new();

        if (!set || set->fdset_id != s->set_id) {
            set = fdset_info_new();
            set->fdset_id = s->set_id;
            set->fds = fdset_fd_info_list_new();
            fdset_info_list_append(list, set);
        }
        info->fd = s->fd;
        info->opaque = g_strdup(s->opaque);
        fdset_fd_info_list_append(set->fds, info);
    }
    return list;
}

int qmp_fdset_open(const QmpFds *f, int64_t set_id, int flags)
{
    int err = -ENOENT;

    for (unsigned i = 0; i < f->sets->len; i++) {
        const SetFd *s = set_at(f, i);
        int mode, fd;

        if (s->set_id != set_id) {
            continue;
        }
        mode = fcntl(s->fd, F_GETFL);
        if (mode < 0 || (mode & O_ACCMODE) != (flags & O_ACCMODE)) {
            err = -EACCES;
            continue;
        }
        fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
        return fd < 0 ? -errno : fd;
    }
    return err;
}
