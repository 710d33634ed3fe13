/*
 * The hold that a device has on a character device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CHAR_FRONTEND_H
#define HW_CHAR_FRONTEND_H

#include "chardev/chardev.h"
#include "hw/core/device.h"

/* Embedded in a device; all zero: nothing is attached. */
typedef struct CharFrontend {
    Chardev *cd;
    void *handle;
    unsigned watch; /* for room to write; 0: none */
    void (*room)(void *opaque);
    void *room_opaque;
} CharFrontend;

/*
 * Attaches `dev` to the character device labelled `id`; NULL `id` leaves the
 * device without one, which is no error.  vm_lock held, as for all below.
 */
bool char_frontend_open(CharFrontend *f, Device *dev, const char *id,
                        const ChardevFrontend *fe, GError **errp);
/* Lets go; fine if nothing is attached. */
void char_frontend_close(CharFrontend *f);
/*
 * Bytes taken; 0 if it would block; `len` if nothing is attached or the peer
 * is gone, as a wire that nobody listens to takes everything.
 */
int char_frontend_write(CharFrontend *f, const void *buf, int len);
/*
 * Calls fn once, from the main loop with vm_lock held, when there is room.
 * False if the character device can't say.
 */
bool char_frontend_watch(CharFrontend *f, void (*fn)(void *opaque),
                         void *opaque);
void char_frontend_unwatch(CharFrontend *f);
/* The guest's side was opened or closed: see chardev_set_frontend_open(). */
void char_frontend_set_open(CharFrontend *f, bool open);
/* There is room for input again. */
void char_frontend_accept(CharFrontend *f);

#endif
