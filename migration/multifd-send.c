/*
 * Pages on many channels: the channels' threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-send.h"

#include "io/zero-copy.h"
#include "migration/multifd-codec.h"
#include "migration/wire.h"
#include "util/bufferiszero.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/thread.h"

enum {
    JOBS_PER_CHANNEL = 2,
    UNDER_WAY_PAGES = 2048, /* about, in all first jobs of the channels */
    /* To lock and to report less than this costs more than to copy it. */
    ZERO_COPY_PAGES = 4,
};

typedef struct SendChannel {
    MultifdSend *ms;
    unsigned id;
    IoChannel *ch;
    StreamOut *out;
    MultifdCodec *packer; /* or NULL */
    ZeroCopy *zero_copy;  /* or NULL */
    uint64_t uncopied;    /* bytes written so, beside those of `out` */
    const RamBlock *last; /* named on this channel before */
    uint64_t synced;      /* ms->lock: in step as often as this */
    Thread thread;
    MultifdPacket packet;
    uint8_t header[MULTIFD_HEADER_LEN];
} SendChannel;

struct MultifdSend {
    MultifdSendOptions opts;
    bool records;       /* and not packets */
    uint64_t job_pages; /* of a job, at most */
    BufferZeroFn *is_zero;
    GPtrArray *channels; /* SendChannel; const once it has started */
    MultifdJob *jobs;    /* all of them */
    uint64_t packets;    /* atomic: numbered so far */
    Lock lock;
    Cond work; /* with lock: for the channels' threads */
    Cond done; /* with lock: for the migration thread */
    GQueue free GUARDED_BY(&lock);
    GQueue queue GUARDED_BY(&lock);
    uint64_t sync GUARDED_BY(&lock); /* asked for so often */
    bool quit GUARDED_BY(&lock);
    GError *err GUARDED_BY(&lock); /* the first */
    MultifdSendStats stats GUARDED_BY(&lock);
    uint64_t under_way GUARDED_BY(&lock); /* bytes in jobs */
};

MultifdSend *multifd_send_new(void)
{
    MultifdSend *ms = g_new0(MultifdSend, 1);

    ms->channels = g_ptr_array_new();
    lock_init(&ms->lock);
    cond_init(&ms->work);
    cond_init(&ms->done);
    g_queue_init(&ms->free);
    g_queue_init(&ms->queue);
    return ms;
}

static void send_channel_free(SendChannel *c)
{
    multifd_codec_free(c->packer);
    zero_copy_free(c->zero_copy);
    stream_out_free(c->out);
    io_channel_unref(c->ch);
    g_free(c);
}

void multifd_send_shutdown(MultifdSend *ms)
{
    LOCK_GUARD(&ms->lock);

    for (guint i = 0; i < ms->channels->len; i++) {
        SendChannel *c = ms->channels->pdata[i];

        io_channel_shutdown(c->ch, IO_SHUTDOWN_BOTH);
    }
}

void multifd_send_stop(MultifdSend *ms)
{
    lock_acquire(&ms->lock);
    ms->quit = true;
    cond_broadcast(&ms->work);
    lock_release(&ms->lock);
    multifd_send_shutdown(ms);
    for (guint i = 0; i < ms->channels->len; i++) {
        SendChannel *c = ms->channels->pdata[i];

        thread_join(&c->thread);
    }
}

void multifd_send_free(MultifdSend *ms)
{
    if (ms == NULL) {
        return;
    }
    multifd_send_stop(ms);
    for (guint i = 0; i < ms->channels->len; i++) {
        send_channel_free(ms->channels->pdata[i]);
    }
    g_ptr_array_unref(ms->channels);
    g_queue_clear(&ms->free);
    g_queue_clear(&ms->queue);
    g_clear_error(&ms->err);
    cond_fini(&ms->work);
    cond_fini(&ms->done);
    lock_fini(&ms->lock);
    g_free(ms->jobs);
    g_free(ms);
}

bool multifd_send_add(MultifdSend *ms, IoChannel *ch, const uint8_t uuid[16],
                      GError **errp)
{
    SendChannel *c = g_new0(SendChannel, 1);
    MultifdGreeting g = { .id = ms->channels->len };
    uint8_t buf[MULTIFD_GREETING_LEN];

    c->ms = ms;
    c->id = g.id;
    c->ch = ch;
    c->out = stream_out_new(ch);
    lock_acquire(&ms->lock);
    g_ptr_array_add(ms->channels, c);
    lock_release(&ms->lock);
    memcpy(g.uuid, uuid, sizeof(g.uuid));
    multifd_greeting_put(&g, buf);
    stream_put(c->out, buf, sizeof(buf));
    if (!stream_out_flush(c->out, errp)) {
        error_prefix(errp, "multifd channel %u: ", c->id);
        return false;
    }
    return true;
}

/* A page or a run of them, as in the one stream. */
static void put_record(SendChannel *c, const RamBlock *rb, uint64_t page,
                       uint64_t n, uint64_t flags)
{
    flags |= RAM_REC_EXTENT | (c->last == rb ? RAM_REC_CONTINUE : 0);
    stream_put_be64(c->out, (page << RAM_PAGE_BITS) | flags);
    if (c->last != rb) {
        stream_put_str8(c->out, rb->name);
        c->last = rb;
    }
    stream_put_be32(c->out, n);
}

/* From `page` on: how many of `n` are alike, zero or not. */
static uint64_t count_alike(const MultifdSend *ms, const uint8_t *host,
                            uint64_t n, bool *ret_zero)
{
    uint64_t i = 1;

    *ret_zero = ms->is_zero(host, RAM_PAGE_SIZE);
    while (i < n && ms->is_zero(host + (i << RAM_PAGE_BITS), RAM_PAGE_SIZE) ==
                        *ret_zero) {
        i++;
    }
    return i;
}

/* False with errp; or it is seen at the next flush. */
static bool put_pages(SendChannel *c, const uint8_t *host, uint64_t n,
                      GError **errp)
{
    size_t len = n << RAM_PAGE_BITS;

    if (c->zero_copy == NULL || n < ZERO_COPY_PAGES) {
        stream_put_ref(c->out, host, len);
        return true;
    }
    c->uncopied += len;
    return stream_out_flush(c->out, errp) &&
           zero_copy_write(c->zero_copy, host, len, errp);
}

static bool put_run(SendChannel *c, const MultifdJob *job, MultifdRun run,
                    MultifdSendStats *st, GError **errp)
{
    while (run.n > 0) {
        const uint8_t *host = job->rb->host + (run.page << RAM_PAGE_BITS);
        bool zero;
        uint64_t n = count_alike(c->ms, host, run.n, &zero);

        if (!zero) {
            put_record(c, job->rb, run.page, n, 0);
            if (!put_pages(c, host, n, errp)) {
                return false;
            }
            st->normal_pages += n;
        } else {
            if (!job->fresh || !c->ms->opts.absent) {
                put_record(c, job->rb, run.page, n, RAM_REC_FILL);
            }
            st->zero_pages += n;
        }
        run.page += n;
        run.n -= n;
    }
    return true;
}

static bool send_records(SendChannel *c, const MultifdJob *job,
                         MultifdSendStats *st, GError **errp)
{
    for (unsigned i = 0; i < job->nruns; i++) {
        if (!put_run(c, job, job->runs[i], st, errp)) {
            return false;
        }
    }
    return stream_out_flush(c->out, errp);
}

static void put_header(SendChannel *c)
{
    MultifdSend *ms = c->ms;

    c->packet.number = __atomic_fetch_add(&ms->packets, 1, __ATOMIC_RELAXED);
    multifd_packet_put(&c->packet, c->header);
    stream_put(c->out, c->header, sizeof(c->header));
}

static bool send_packet(SendChannel *c, const MultifdJob *job, GError **errp)
{
    const uint8_t *pages[MULTIFD_PACKET_PAGES];
    MultifdPacket *p = &c->packet;
    const uint8_t *data = NULL;
    size_t len = job->npages << RAM_PAGE_BITS;

    p->npages = 0;
    p->flags = c->ms->opts.packed;
    g_strlcpy(p->block, job->rb->name, sizeof(p->block));
    for (unsigned i = 0; i < job->nruns; i++) {
        for (uint64_t k = 0; k < job->runs[i].n; k++) {
            p->offsets[p->npages] = (job->runs[i].page + k) << RAM_PAGE_BITS;
            pages[p->npages] = job->rb->host + p->offsets[p->npages];
            p->npages++;
        }
    }
    if (c->packer != NULL) {
        data = multifd_pack(c->packer, pages, p->npages, &len, errp);
        if (data == NULL) {
            return false;
        }
    }
    p->bytes = len;
    put_header(c);
    if (data != NULL) {
        stream_put_ref(c->out, data, len);
        return stream_out_flush(c->out, errp);
    }
    for (unsigned i = 0; i < job->nruns; i++) {
        const MultifdRun *run = &job->runs[i];

        if (!put_pages(c, job->rb->host + (run->page << RAM_PAGE_BITS), run->n,
                       errp)) {
            return false;
        }
    }
    return stream_out_flush(c->out, errp);
}

/* From here on the kernel reads nothing any more of what came before. */
static bool send_sync(SendChannel *c, MultifdSendStats *st, GError **errp)
{
    bool copied = false, ok;

    c->packet.flags = MULTIFD_SYNC;
    c->packet.npages = 0;
    c->packet.bytes = 0;
    c->packet.block[0] = '\0';
    put_header(c);
    ok =
        stream_out_flush(c->out, errp) &&
        (c->zero_copy == NULL || zero_copy_settle(c->zero_copy, &copied, errp));
    st->copied += copied;
    return ok;
}

static uint64_t channel_bytes(const SendChannel *c)
{
    return stream_out_bytes(c->out) + c->uncopied;
}

void multifd_send_hint(GError *err)
{
    char *message = err->message;

    err->message = g_strconcat(message,
                               " (is capability 'multifd' on at the "
                               "destination, with as many channels?)",
                               NULL);
    g_free(message);
}

static void channel_failed_locked(MultifdSend *ms, const SendChannel *c,
                                  GError *err) REQUIRES(&ms->lock)
{
    if (ms->err != NULL) {
        g_error_free(err);
    } else {
        error_prefix(&err, "multifd channel %u: ", c->id);
        if (c->synced == 0) {
            multifd_send_hint(err);
        }
        ms->err = err;
    }
}

/* One job or sync, sent without the lock; false: it failed. */
static bool channel_turn_locked(MultifdSend *ms, SendChannel *c)
    REQUIRES(&ms->lock)
{
    MultifdJob *job = g_queue_pop_head(&ms->queue);
    uint64_t sync = ms->sync, before = channel_bytes(c);
    MultifdSendStats st = { 0 };
    GError *err = NULL;
    bool ok;

    lock_release(&ms->lock);
    if (job == NULL) {
        ok = send_sync(c, &st, &err);
    } else if (ms->records) {
        ok = send_records(c, job, &st, &err);
    } else {
        ok = send_packet(c, job, &err);
    }
    lock_acquire(&ms->lock);
    ms->stats.bytes += channel_bytes(c) - before;
    ms->stats.normal_pages += st.normal_pages;
    ms->stats.zero_pages += st.zero_pages;
    ms->stats.copied += st.copied;
    if (job != NULL) {
        ms->under_way -= job->npages << RAM_PAGE_BITS;
        g_queue_push_tail(&ms->free, job);
    }
    if (!ok) {
        channel_failed_locked(ms, c, err);
    } else if (job == NULL) {
        c->synced = sync;
    }
    cond_signal(&ms->done);
    return ok;
}

static void *send_thread(void *opaque)
{
    SendChannel *c = opaque;
    MultifdSend *ms = c->ms;
    LOCK_GUARD(&ms->lock);

    while (!ms->quit) {
        /* Jobs first: all of them have been queued before the sync. */
        if (g_queue_is_empty(&ms->queue) && c->synced == ms->sync) {
            cond_wait(&ms->work, &ms->lock);
        } else if (!channel_turn_locked(ms, c)) {
            break;
        }
    }
    return NULL;
}

static bool send_channel_start(SendChannel *c, GError **errp)
{
    const MultifdSendOptions *opts = &c->ms->opts;
    g_autofree char *name = g_strdup_printf("mig-send%u", c->id);

    if (opts->packed != 0) {
        c->packer = multifd_packer_new(opts->packed, opts->level, errp);
        if (c->packer == NULL) {
            return false;
        }
    }
    if (opts->zero_copy) {
        c->zero_copy = zero_copy_new(c->ch, errp);
        if (c->zero_copy == NULL) {
            error_prefix(errp, "multifd channel %u: ", c->id);
            return false;
        }
    }
    return thread_create(&c->thread, name, send_thread, c, errp);
}

bool multifd_send_start(MultifdSend *ms, const MultifdSendOptions *opts,
                        GError **errp)
{
    guint njobs = ms->channels->len * JOBS_PER_CHANNEL;

    ms->opts = *opts;
    ms->records = opts->records && opts->packed == 0;
    ms->job_pages = MULTIFD_PACKET_PAGES;
    if (ms->records) {
        ms->job_pages = CLAMP(UNDER_WAY_PAGES / ms->channels->len,
                              MULTIFD_RECORD_PAGES_MIN, MULTIFD_RECORD_PAGES);
    }
    ms->is_zero = buffer_zero_scanner(opts->wide_scanner);
    ms->jobs = g_new0(MultifdJob, njobs);
    lock_acquire(&ms->lock);
    for (guint i = 0; i < njobs; i++) {
        g_queue_push_tail(&ms->free, &ms->jobs[i]);
    }
    lock_release(&ms->lock);
    for (guint i = 0; i < ms->channels->len; i++) {
        if (!send_channel_start(ms->channels->pdata[i], errp)) {
            return false;
        }
    }
    return true;
}

void multifd_send_set_limits(MultifdSend *ms, int64_t deadline_us,
                             unsigned timeout_ms)
{
    for (guint i = 0; i < ms->channels->len; i++) {
        SendChannel *c = ms->channels->pdata[i];

        io_channel_set_write_deadline_us(c->ch, deadline_us);
        io_channel_set_io_timeout(c->ch, timeout_ms);
    }
}

uint64_t multifd_job_room(const MultifdSend *ms)
{
    return ms->job_pages;
}

bool multifd_send_finds_zeros(const MultifdSend *ms)
{
    return ms->records;
}

static bool check_channels_locked(MultifdSend *ms, GError **errp)
    REQUIRES(&ms->lock)
{
    if (ms->err != NULL) {
        g_propagate_error(errp, g_error_copy(ms->err));
        return false;
    }
    return true;
}

MultifdJob *multifd_send_get(MultifdSend *ms, GError **errp)
{
    MultifdJob *job;
    LOCK_GUARD(&ms->lock);

    while (ms->err == NULL && g_queue_is_empty(&ms->free)) {
        cond_wait(&ms->done, &ms->lock);
    }
    if (!check_channels_locked(ms, errp)) {
        return NULL;
    }
    job = g_queue_pop_head(&ms->free);
    job->nruns = 0;
    job->npages = 0;
    return job;
}

void multifd_send_queue(MultifdSend *ms, MultifdJob *job)
{
    LOCK_GUARD(&ms->lock);

    ms->under_way += job->npages << RAM_PAGE_BITS;
    g_queue_push_tail(&ms->queue, job);
    cond_signal(&ms->work);
}

static bool all_synced_locked(MultifdSend *ms) REQUIRES(&ms->lock)
{
    for (guint i = 0; i < ms->channels->len; i++) {
        const SendChannel *c = ms->channels->pdata[i];

        if (c->synced != ms->sync) {
            return false;
        }
    }
    return true;
}

bool multifd_send_sync(MultifdSend *ms, GError **errp)
{
    LOCK_GUARD(&ms->lock);

    ms->sync++;
    cond_broadcast(&ms->work);
    while (ms->err == NULL && !all_synced_locked(ms)) {
        cond_wait(&ms->done, &ms->lock);
    }
    return check_channels_locked(ms, errp);
}

void multifd_send_stats(MultifdSend *ms, MultifdSendStats *ret)
{
    LOCK_GUARD(&ms->lock);

    *ret = ms->stats;
}

uint64_t multifd_send_charged(MultifdSend *ms)
{
    LOCK_GUARD(&ms->lock);

    return ms->stats.bytes + ms->under_way;
}
