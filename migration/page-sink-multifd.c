/*
 * Pages go to the channels of multifd, but for those of the last pass.
 *
 * What stands between two passes: each channel says that it is in step, and
 * the one stream says so behind that.  The destination goes on with none of
 * them before it has seen all, so that a page that is sent twice arrives in
 * that order, on whatever channels.  QEMU 7.2 takes the end of each part of
 * the section for that mark; between two Godwits it is a record of its own,
 * which is there only when channels have carried something.
 *
 * The last pass goes into the one stream.  It is short, or the guest would not
 * have been stopped, and no thread has to wake up while the guest stands.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-send.h"
#include "migration/wire.h"
#include "util/bitmap.h"

typedef struct MultifdSink {
    PageSink sink;
    MultifdSend *ms;
    StreamOut *out;
    RamSendOptions opts;
    bool records;     /* the channels find the zero pages */
    bool marks;       /* the peer wants to be told where channels sync */
    bool unsynced;    /* something has to be in step with the stream */
    bool undone;      /* the stream may not have been read up to here */
    PagePass pass;    /* that is under way */
    MultifdJob *job;  /* that is being filled, or NULL */
    PageSink *stream; /* for what goes there after all */
} MultifdSink;

static bool queue_job(MultifdSink *k, GError **errp)
{
    if (k->job == NULL) {
        return true;
    }
    multifd_send_queue(k->ms, k->job);
    k->job = NULL;
    k->unsynced = true;
    return k->opts.pace(k->opts.opaque, stream_out_bytes(k->out), errp);
}

/* A PageRunFn. */
static bool add_run(void *opaque, const RamBlock *rb, uint64_t page, uint64_t n,
                    GError **errp)
{
    MultifdSink *k = opaque;
    uint64_t room = multifd_job_room(k->ms);

    while (n > 0) {
        uint64_t part;

        if (k->job == NULL) {
            k->job = multifd_send_get(k->ms, errp);
            if (k->job == NULL) {
                return false;
            }
            k->job->rb = rb;
            k->job->fresh = k->pass == PASS_FIRST;
        }
        part = MIN(n, room - k->job->npages);
        k->job->runs[k->job->nruns++] = (MultifdRun){ .page = page, .n = part };
        k->job->npages += part;
        if ((k->job->npages == room || k->job->nruns == MULTIFD_JOB_RUNS) &&
            !queue_job(k, errp)) {
            return false;
        }
        page += part;
        n -= part;
    }
    return true;
}

static void multifd_sink_begin(PageSink *sink, PagePass pass)
{
    MultifdSink *k = (MultifdSink *)sink;

    k->undone = k->pass == PASS_LAST && pass != PASS_LAST;
    k->pass = pass;
    k->stream->ops->begin(k->stream, pass);
    page_sink_stream_divert(k->stream, pass == PASS_LAST ? NULL : add_run, k);
}

/* All channels and the stream are in step behind what they have so far. */
static bool sync_channels(MultifdSink *k, GError **errp)
{
    if (!multifd_send_sync(k->ms, errp)) {
        return false;
    }
    k->unsynced = false;
    if (k->marks) {
        stream_put_be64(k->out, RAM_REC_MULTIFD_FLUSH);
    }
    return true;
}

/*
 * The last pass was not the last one.  What it put into the stream has been
 * written but, unlike a pass before it, maybe not read: pages must not come by
 * channels before that.  The mark is written at once: until it has been read
 * nobody reads the channels, which are about to be filled.
 */
static bool sync_undone(MultifdSink *k, GError **errp)
{
    bool undone = k->undone;

    k->undone = false;
    return !undone || !k->marks ||
           (sync_channels(k, errp) && stream_out_flush(k->out, errp));
}

/* All of them, zero or not: the channels look. */
static bool add_window(MultifdSink *k, const PageWindow *w, GError **errp)
{
    uint64_t i = bitmap_find_next(w->todo, w->npages, 0);

    while (i < w->npages) {
        uint64_t end = bitmap_find_next_zero(w->todo, w->npages, i);

        end = MIN(end, w->npages);
        if (!add_run(k, w->rb, w->first + i, end - i, errp)) {
            return false;
        }
        i = bitmap_find_next(w->todo, w->npages, end);
    }
    return true;
}

/* A job has pages of one block only, and the next window may be another's. */
static bool multifd_sink_pages(PageSink *sink, const PageWindow *w,
                               GError **errp)
{
    MultifdSink *k = (MultifdSink *)sink;
    bool ok;

    if (!sync_undone(k, errp)) {
        return false;
    }
    ok = k->records && k->pass != PASS_LAST
             ? add_window(k, w, errp)
             : k->stream->ops->pages(k->stream, w, errp);

    return ok && queue_job(k, errp);
}

static bool multifd_sink_zero(PageSink *sink, const RamBlock *rb, uint64_t page,
                              uint64_t n, GError **errp)
{
    MultifdSink *k = (MultifdSink *)sink;

    return k->stream->ops->zero(k->stream, rb, page, n, errp);
}

static bool multifd_sink_end(PageSink *sink, GError **errp)
{
    MultifdSink *k = (MultifdSink *)sink;

    if (k->marks && !k->unsynced) {
        return true;
    }
    return sync_channels(k, errp);
}

static void multifd_sink_stats(const PageSink *sink, PageSinkStats *ret)
{
    const MultifdSink *k = (const MultifdSink *)sink;
    MultifdSendStats st;

    k->stream->ops->stats(k->stream, ret);
    multifd_send_stats(k->ms, &st);
    ret->normal_pages += st.normal_pages;
    ret->zero_pages += st.zero_pages;
}

static void multifd_sink_free(PageSink *sink)
{
    MultifdSink *k = (MultifdSink *)sink;

    multifd_send_stop(k->ms); /* the blocks may go now */
    page_sink_free(k->stream);
    g_free(k);
}

static const PageSinkOps multifd_sink_ops = {
    .begin = multifd_sink_begin,
    .pages = multifd_sink_pages,
    .zero = multifd_sink_zero,
    .end = multifd_sink_end,
    .stats = multifd_sink_stats,
    .free = multifd_sink_free,
};

PageSink *page_sink_multifd_new(MultifdSend *ms, StreamOut *out,
                                const RamSendOptions *opts, GError **errp)
{
    MultifdSink *k = g_new0(MultifdSink, 1);

    k->sink.ops = &multifd_sink_ops;
    k->ms = ms;
    k->out = out;
    k->opts = *opts;
    k->marks = opts->features & WIRE_F_MULTIFD;
    k->records = multifd_send_finds_zeros(ms);
    k->unsynced = true; /* the list of blocks comes before any page */
    k->stream = page_sink_stream_new(out, opts, errp);
    if (k->stream == NULL) {
        g_free(k);
        return NULL;
    }
    return &k->sink;
}
