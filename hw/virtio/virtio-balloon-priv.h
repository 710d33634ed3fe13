/*
 * The memory balloon: what its files share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_BALLOON_PRIV_H
#define HW_VIRTIO_VIRTIO_BALLOON_PRIV_H

#include <linux/virtio_balloon.h>

#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio.h"
#include "system/clock.h"

#define BALLOON_NSTATS 10 /* tags that QEMU 7.2 knows */

/* A host page that is larger than the guest's, given back in part. */
typedef struct BalloonPart {
    const RamBlock *rb; /* NULL: none; only compared, never followed */
    uint64_t off;       /* of the host page in it */
    unsigned long *map; /* 4 KiB pages that were given back */
} BalloonPart;

/* What a turn left of a request; the guest gets it back at a stop. */
typedef struct BalloonRequest {
    VirtQueueElem *e; /* NULL: none */
    unsigned piece;   /* of it */
    uint64_t off;     /* what is next in it */
} BalloonRequest;

typedef struct VirtioBalloon {
    VirtioDevice vdev;
    bool deflate_on_oom, free_page_reporting, page_poison, old_config_size;
    VirtQueue *inflate, *deflate, *statsq, *reporting;
    uint32_t num_pages;  /* that the guest is to give; migrated */
    uint32_t actual;     /* that it has given, as it says; migrated */
    uint32_t poison_val; /* what the guest fills free pages with; migrated */
    BalloonPart part;
    BalloonRequest inflating, deflating, reported;
    /* Statistics */
    uint64_t stats[BALLOON_NSTATS]; /* UINT64_MAX: not told */
    int64_t stats_time;             /* seconds since 1970; 0: never */
    VirtQueueElem *stats_elem;      /* kept until the next question */
    uint32_t poll_s;                /* seconds between two; 0: never */
    int64_t parsed;                 /* while it is set */
    Timer poll;
} VirtioBalloon;

static inline VirtioBalloon *balloon_of(VirtioDevice *d)
{
    return container_of(d, VirtioBalloon, vdev);
}

/* virtio-balloon-stats.c */
void balloon_stats_init(VirtioBalloon *b);
void balloon_stats_fini(VirtioBalloon *b);
void balloon_stats_clear(VirtioBalloon *b);
/* The first question is due: after realize and after a migration. */
void balloon_stats_start(VirtioBalloon *b);
void balloon_stats_output(VirtioDevice *d, VirtQueue *q);
/* Properties: guest-stats and guest-stats-polling-interval. */
JsonValue *balloon_get_stats(Object *obj, const Property *p, GError **errp);
JsonValue *balloon_get_interval(Object *obj, const Property *p, GError **errp);
bool balloon_set_interval(Object *obj, const Property *p, const JsonValue *val,
                          GError **errp);

#endif
