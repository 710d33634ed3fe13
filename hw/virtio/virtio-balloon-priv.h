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

/* Where a round of free page hints stands; the numbers are migrated. */
typedef enum BalloonHintStatus {
    BALLOON_HINT_STOPPED,
    BALLOON_HINT_REQUESTED,
    BALLOON_HINT_STARTED, /* the guest has answered */
    BALLOON_HINT_DONE,
} BalloonHintStatus;

#define BALLOON_HINT_FIRST_ID 0x80000000u

typedef struct BalloonHint {
    VirtQueue *q;    /* NULL: not offered */
    Lock lock;       /* the next two: the I/O thread, and who asks */
    uint32_t cmd_id; /* of the last request; migrated */
    uint32_t status; /* BalloonHintStatus; migrated */
    bool tell_done;  /* when the guest runs; vm_lock */
} BalloonHint;

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
    bool free_page_hint;
    char *iothread; /* its id */
    BalloonHint hint;
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

/* virtio-balloon-hint.c */
extern const Vmstate balloon_hint_vmstate;
/* If free_page_hint: adds the queue. */
bool balloon_hint_realize(VirtioBalloon *b, GError **errp);
void balloon_hint_unrealize(VirtioBalloon *b);
void balloon_hint_reset(VirtioBalloon *b);
/* The guest runs again, here or for the first time. */
void balloon_hint_running(VirtioBalloon *b);
/* What the guest reads as its command id. */
uint32_t balloon_hint_config(VirtioBalloon *b);

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
