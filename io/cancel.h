/*
 * A flag that another thread raises to end a wait.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_CANCEL_H
#define IO_CANCEL_H

#include <glib.h>
#include <stdbool.h>

typedef struct IoCancel IoCancel;

/* NULL and an error when no descriptor is left. */
IoCancel *io_cancel_new(GError **errp);
IoCancel *io_cancel_ref(IoCancel *c);
void io_cancel_unref(IoCancel *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IoCancel, io_cancel_unref)

/* From any thread; once raised it stays so. */
void io_cancel_trigger(IoCancel *c);
/* False for NULL. */
bool io_cancel_is_set(const IoCancel *c);
/* Readable once raised; -1 for NULL. */
int io_cancel_fd(const IoCancel *c);

#endif
