/*
 * Sources of random bytes for guests.
 *
 * rng-random reads a file, which may have nothing for a while (a hardware
 * generator); rng-builtin asks the kernel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/random.h>
#include <unistd.h>

#include "util/error.h"

struct Rng {
    Object obj;
    char *filename; /* NULL: the kernel's generator */
    int fd;
    unsigned users;
    guint source;
    void (*fn)(void *opaque);
    void *opaque;
};

ssize_t rng_read(Rng *r, void *buf, size_t len)
{
    ssize_t n;

    do {
        n = r == NULL || r->filename == NULL ? getrandom(buf, len, 0)
                                             : read(r->fd, buf, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    return n > 0 || len == 0 ? n : -ENODATA;
}

static gboolean rng_ready(gint fd, GIOCondition cond, gpointer opaque)
{
    Rng *r = opaque;
    void (*fn)(void *) = r->fn;

    r->source = 0;
    r->fn = NULL;
    fn(r->opaque);
    return G_SOURCE_REMOVE;
}

void rng_wait(Rng *r, void (*fn)(void *opaque), void *opaque)
{
    if (r == NULL || r->filename == NULL) {
        return;
    }
    r->fn = fn;
    r->opaque = opaque;
    if (fn != NULL && r->source == 0) {
        r->source = g_unix_fd_add(r->fd, G_IO_IN, rng_ready, r);
    } else if (fn == NULL && r->source != 0) {
        g_source_remove(r->source);
        r->source = 0;
    }
}

void rng_claim(Rng *r)
{
    if (r != NULL) {
        r->users++;
        object_ref(&r->obj);
    }
}

void rng_release(Rng *r)
{
    if (r != NULL) {
        r->users--;
        object_unref(&r->obj);
    }
}

static void rng_init(Object *obj)
{
    OBJECT_CAST(Rng, obj)->fd = -1;
}

static bool random_complete(Object *obj, GError **errp)
{
    Rng *r = OBJECT_CAST(Rng, obj);

    if (r->filename == NULL) {
        error_setf(errp, "rng-random: a filename is needed");
        return false;
    }
    r->fd = open(r->filename, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (r->fd < 0) {
        error_setf_errno(errp, errno, "Could not open '%s'", r->filename);
        return false;
    }
    return true;
}

static bool rng_can_delete(Object *obj, GError **errp)
{
    return OBJECT_CAST(Rng, obj)->users == 0;
}

static void rng_fini(Object *obj)
{
    Rng *r = OBJECT_CAST(Rng, obj);

    if (r->source != 0) {
        g_source_remove(r->source);
    }
    if (r->fd >= 0) {
        close(r->fd);
    }
}

static const Property random_props[] = {
    PROP(PROP_STR, Rng, filename, "filename", .def_str = "/dev/urandom",
         .type_name = "string"),
    PROP_END,
};

static const ObjectType rng_type = {
    .name = "rng-backend",
    .parent = "object",
    .size = sizeof(Rng),
    .abstract = true,
};

static const ObjectType random_type = {
    .name = "rng-random",
    .parent = "rng-backend",
    .size = sizeof(Rng),
    .props = random_props,
    .user_creatable = true,
    .init = rng_init,
    .complete = random_complete,
    .can_delete = rng_can_delete,
    .fini = rng_fini,
};

static const ObjectType builtin_type = {
    .name = "rng-builtin",
    .parent = "rng-backend",
    .size = sizeof(Rng),
    .user_creatable = true,
    .init = rng_init,
    .can_delete = rng_can_delete,
    .fini = rng_fini,
};

const ObjectType *const *rng_object_types(void)
{
    static const ObjectType *const types[] = { &rng_type, &random_type,
                                               &builtin_type, NULL };

    return types;
}

Rng *rng_from_object(Object *obj)
{
    return obj != NULL && object_type_is_a(obj->type, "rng-backend")
               ? OBJECT_CAST(Rng, obj)
               : NULL;
}
