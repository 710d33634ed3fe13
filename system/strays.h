/*
 * Processes that may still write into guest memory although nobody here talks
 * to them any more.
 *
 * A back end that had rings, and whose connection was ended on this side (it
 * did not answer, or answered something else), has not said that it stopped.
 * That our end is shut proves nothing.  What does is that it closes its own:
 * it has taken notice, or its process is gone.  Until then no copy of the
 * guest's memory is good, and the connection's descriptor is kept here to
 * look at.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_STRAYS_H
#define SYSTEM_STRAYS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Strays Strays;

Strays *strays_new(void);
void strays_free(Strays *s); /* NULL is fine */
/*
 * Takes over @fd, a stream socket whose peer may write, and shuts its sending
 * side, so that the peer finds out.  @name is what users call the peer by,
 * @why says what it did; both are copied.  Any thread; never waits.
 */
void strays_add(Strays *s, const char *name, const char *why, int fd);
/*
 * True if there are none.  Those that have not closed their end are given
 * @wait_ms in all to do so; then false with errp, which names one of them.
 * Any thread, without vm_lock unless @wait_ms is 0.
 */
bool strays_check(Strays *s, unsigned wait_ms, GError **errp);

#endif
