/*
 * Sources of random bytes for guests: -object rng-random, rng-builtin.
 *
 * vm_lock held, main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_RNG_H
#define SYSTEM_RNG_H

#include "qom/object.h"

typedef struct Rng Rng;

/* Types for object_types_add(). */
const ObjectType *const *rng_object_types(void);
/* The source that an object is; NULL if it is none. */
Rng *rng_from_object(Object *obj);
/* From here to rng_release() the object can't be deleted. */
void rng_claim(Rng *r);
void rng_release(Rng *r);
/*
 * Fills as much of buf as there is now; 0: nothing, see rng_wait(); -errno.
 * NULL is a source of the process's own that always has some.
 */
ssize_t rng_read(Rng *r, void *buf, size_t len);
/*
 * Calls fn once, from the main loop, when there is something to read; one
 * waiter at a time.  NULL fn: no more.
 */
void rng_wait(Rng *r, void (*fn)(void *opaque), void *opaque);

#endif
