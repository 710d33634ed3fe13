/*
 * The section at the head of a stream that says whose it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_CONFIGURATION_H
#define MIGRATION_CONFIGURATION_H

#include "vmstate/stream.h"

/* One side's; all is borrowed. */
typedef struct StreamConfig {
    const char *machine; /* name of the versioned machine type */
    const uint8_t *uuid; /* 16 bytes; NULL: none (source: none is sent) */
    bool ignore_shared;  /* capability x-ignore-shared */
} StreamConfig;

/* What has come of it; zeroed at first. */
typedef struct StreamConfigLoad {
    bool open;          /* another subsection may come */
    bool done;          /* nothing of it comes any more, and it fits */
    bool ignore_shared; /* the source said so */
} StreamConfigLoad;

/* The section with those of its subsections that say something. */
void configuration_put(StreamOut *s, const StreamConfig *config);
/* Its fields, behind the type byte.  False with errp: another machine's. */
bool configuration_load(StreamConfigLoad *l, StreamIn *s,
                        const StreamConfig *here, GError **errp);
/*
 * One of its subsections, behind the type byte; only while l->open.  False
 * with errp: it isn't known, is malformed, or says what doesn't fit here.
 */
bool configuration_load_subsection(StreamConfigLoad *l, StreamIn *s,
                                   const StreamConfig *here, GError **errp);
/*
 * No more of it comes, if any did.  False with errp if the two sides have to
 * agree on something and don't.
 */
bool configuration_load_end(StreamConfigLoad *l, const StreamConfig *here,
                            GError **errp);

#endif
