/*
 * Character devices: files and named pipes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>

#include "chardev/chardev-priv.h"
#include "io/file.h"
#include "util/error.h"

typedef struct ChardevFile {
    Chardev cd;
    char *path;
    char *input_path; /* or NULL */
    bool append;
} ChardevFile;

static bool path_parse(Chardev *cd, KeyVal *kv, GError **errp)
{
    ChardevFile *f = container_of(cd, ChardevFile, cd);

    f->path = g_strdup(keyval_get(kv, "path"));
    if (!f->path || !f->path[0]) {
        error_setf(errp, "chardev: %s: no filename given", cd->ops->type);
        return false;
    }
    return true;
}

static bool file_parse(Chardev *cd, KeyVal *kv, GError **errp)
{
    ChardevFile *f = container_of(cd, ChardevFile, cd);

    f->input_path = g_strdup(keyval_get(kv, "input-path"));
    return path_parse(cd, kv, errp) &&
           keyval_get_bool(kv, "append", &f->append, errp);
}

/* Takes over the descriptors in any case. */
static bool set_fds(Chardev *cd, int rfd, int wfd, GError **errp)
{
    IoChannel *ch = io_channel_new_fd_pair(rfd, wfd, cd->label, errp);

    if (!ch) {
        if (rfd >= 0 && rfd != wfd) {
            close(rfd);
        }
        close(wfd);
        return false;
    }
    chardev_set_channel(cd, ch);
    return true;
}

static bool file_start(Chardev *cd, GError **errp)
{
    ChardevFile *f = container_of(cd, ChardevFile, cd);
    int wfd =
        chardev_open_path(cd, f->path,
                          O_WRONLY | O_CREAT | (f->append ? O_APPEND : O_TRUNC),
                          errp);
    int rfd = -1;

    if (wfd < 0) {
        return false;
    }
    if (f->input_path) {
        rfd = chardev_open_path(cd, f->input_path, O_RDONLY, errp);
        if (rfd < 0) {
            close(wfd);
            return false;
        }
    }
    return set_fds(cd, rfd, wfd, errp);
}

/* PATH.in and PATH.out, seen from the other side; else PATH both ways. */
static bool pipe_start(Chardev *cd, GError **errp)
{
    ChardevFile *f = container_of(cd, ChardevFile, cd);
    g_autofree char *in = g_strconcat(f->path, ".in", NULL);
    g_autofree char *out = g_strconcat(f->path, ".out", NULL);
    /* Both ways also where one would do: opening a FIFO then never waits,
     * and a reader that goes away is not the end. */
    int rfd = chardev_open_path(cd, in, O_RDWR, NULL);
    int wfd = chardev_open_path(cd, out, O_RDWR, NULL);

    if (rfd < 0 || wfd < 0) {
        if (rfd >= 0) {
            close(rfd);
        }
        if (wfd >= 0) {
            close(wfd);
        }
        rfd = wfd = chardev_open_path(cd, f->path, O_RDWR, errp);
        if (wfd < 0) {
            return false;
        }
    }
    return set_fds(cd, rfd, wfd, errp);
}

static void file_fini(Chardev *cd)
{
    ChardevFile *f = container_of(cd, ChardevFile, cd);

    g_free(f->path);
    g_free(f->input_path);
}

const ChardevOps chardev_file_ops = {
    .type = "file",
    .size = sizeof(ChardevFile),
    .keeps_input = true,
    .parse = file_parse,
    .start = file_start,
    .fini = file_fini,
};

const ChardevOps chardev_pipe_ops = {
    .type = "pipe",
    .size = sizeof(ChardevFile),
    .keeps_input = true,
    .parse = path_parse,
    .start = pipe_start,
    .fini = file_fini,
};
