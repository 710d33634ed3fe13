/*
 * The hold that a device has on a character device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/char/frontend.h"

#include "system/vm.h"
#include "util/error.h"

bool char_frontend_open(CharFrontend *f, Device *dev, const char *id,
                        const ChardevFrontend *fe, GError **errp)
{
    Chardev *cd;

    if (id == NULL) {
        return true;
    }
    cd = dev->vm->chardevs ? chardev_find(dev->vm->chardevs, id) : NULL;
    if (cd == NULL) {
        error_setf(errp, "no character device '%s'", id);
        return false;
    }
    if (!chardev_attach(cd, fe, &f->handle, errp)) {
        return false;
    }
    f->cd = cd;
    return true;
}

void char_frontend_close(CharFrontend *f)
{
    if (f->cd == NULL) {
        return;
    }
    char_frontend_unwatch(f);
    chardev_detach(f->cd, f->handle);
    f->cd = NULL;
    f->handle = NULL;
}

int char_frontend_write(CharFrontend *f, const void *buf, int len)
{
    int n;

    if (f->cd == NULL) {
        return len;
    }
    n = chardev_write(f->cd, buf, len);
    return n < 0 ? len : n;
}

static void char_frontend_fired(void *opaque)
{
    CharFrontend *f = opaque;

    f->watch = 0;
    f->room(f->room_opaque);
}

bool char_frontend_watch(CharFrontend *f, void (*fn)(void *opaque),
                         void *opaque)
{
    char_frontend_unwatch(f);
    if (f->cd != NULL) {
        f->room = fn;
        f->room_opaque = opaque;
        f->watch = chardev_add_write_watch(f->cd, char_frontend_fired, f);
    }
    return f->watch != 0;
}

void char_frontend_unwatch(CharFrontend *f)
{
    if (f->watch != 0) {
        chardev_del_watch(f->cd, f->watch);
        f->watch = 0;
    }
}

void char_frontend_set_open(CharFrontend *f, bool open)
{
    if (f->cd != NULL) {
        chardev_set_frontend_open(f->cd, open);
    }
}

void char_frontend_accept(CharFrontend *f)
{
    if (f->cd != NULL) {
        chardev_accept_input(f->cd);
    }
}
