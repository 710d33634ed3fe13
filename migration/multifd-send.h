/*
 * Pages on many channels, outgoing (capability "multifd").
 *
 * One thread for each channel takes jobs, some pages of one block, from one
 * queue.  The migration thread puts them there, and waits for all channels at
 * the end of each pass.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_MULTIFD_SEND_H
#define MIGRATION_MULTIFD_SEND_H

#include "io/channel.h"
#include "migration/multifd-packet.h"
#include "migration/page-sink.h"

enum {
    MULTIFD_JOB_RUNS = MULTIFD_PACKET_PAGES,
    /* Of a job to another Godwit: 1 MiB, less where channels are many. */
    MULTIFD_RECORD_PAGES = 256,
    MULTIFD_RECORD_PAGES_MIN = 16,
};

typedef struct MultifdRun {
    uint64_t page, n;
} MultifdRun;

/* Pages of one block, not more than multifd_job_room() of them. */
typedef struct MultifdJob {
    const RamBlock *rb;
    uint64_t npages;
    unsigned nruns;
    bool fresh; /* zero pages needn't be sent */
    MultifdRun runs[MULTIFD_JOB_RUNS];
} MultifdJob;

typedef struct MultifdSendOptions {
    /*
     * The peer is a Godwit: runs of pages travel as in the one stream, and the
     * channels look for zero pages.  Else, and if they are to be packed, as
     * packets of pages that are known not to be zero.
     */
    bool records;
    bool absent;     /* with records: see MultifdJob.fresh */
    uint32_t packed; /* MULTIFD_PACKED_*, 0: not */
    int level;       /* of packing */
    bool wide_scanner;
    bool zero_copy; /* the kernel is to send pages from where they are */
} MultifdSendOptions;

typedef struct MultifdSendStats {
    uint64_t bytes;        /* that the channels have taken */
    uint64_t normal_pages; /* records only: the packets' are known before */
    uint64_t zero_pages;
    uint64_t copied; /* so often a channel was in step and had to copy */
} MultifdSendStats;

typedef struct MultifdSend MultifdSend;

MultifdSend *multifd_send_new(void);
/*
 * Ends the channels and waits for their threads: nothing of guest memory is
 * read any more.  Twice is fine.
 */
void multifd_send_stop(MultifdSend *ms);
/* The same, then frees all; NULL is fine. */
void multifd_send_free(MultifdSend *ms);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultifdSend, multifd_send_free)
/*
 * One more channel, just connected: says which it is.  Takes the reference,
 * also when it fails.
 */
bool multifd_send_add(MultifdSend *ms, IoChannel *ch, const uint8_t uuid[16],
                      GError **errp);
/* All channels are there. */
bool multifd_send_start(MultifdSend *ms, const MultifdSendOptions *opts,
                        GError **errp);
/* From any thread: nobody is to wait for a channel any more. */
void multifd_send_shutdown(MultifdSend *ms);
/* For writes from now on; 0: none (io/channel.h). */
void multifd_send_set_limits(MultifdSend *ms, int64_t deadline_us,
                             unsigned timeout_ms);

/* Adds what it is likely to mean if a channel fails at once. */
void multifd_send_hint(GError *err);

/* Do the channels look for zero pages?  Else they are not to get any. */
bool multifd_send_finds_zeros(const MultifdSend *ms);
/* Pages that a job takes. */
uint64_t multifd_job_room(const MultifdSend *ms);
/*
 * An empty job, for which it may have to wait; NULL with errp if a channel has
 * failed.  To be queued.
 */
MultifdJob *multifd_send_get(MultifdSend *ms, GError **errp);
void multifd_send_queue(MultifdSend *ms, MultifdJob *job);
/*
 * Each channel says that it is in step, behind all jobs queued until now.
 * False with errp if one has failed.
 */
bool multifd_send_sync(MultifdSend *ms, GError **errp);
/* Any thread. */
void multifd_send_stats(MultifdSend *ms, MultifdSendStats *ret);
/*
 * Bytes for the bandwidth limit: jobs under way count in full, so that it may
 * be less later, when they turned out to be zero pages or were packed.
 */
uint64_t multifd_send_charged(MultifdSend *ms);

/* Pages go to the channels of `ms` (borrowed), which must have started. */
PageSink *page_sink_multifd_new(MultifdSend *ms, StreamOut *out,
                                const RamSendOptions *opts, GError **errp);

#endif
