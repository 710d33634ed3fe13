/*
 * Pages on many channels, incoming.  All that a channel says is checked before
 * a byte is stored.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-recv.h"

#include "migration/multifd-codec.h"
#include "migration/multifd-packet.h"
#include "migration/wire.h"
#include "system/clock.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/thread.h"

/* For the greeting, which a source sends as soon as it has connected. */
#define GREETING_NS (10 * NS_PER_S)

enum { NO_ID = -1 };

typedef struct RecvChannel {
    MultifdRecv *mr;
    unsigned place; /* in the order of connections */
    IoChannel *ch;
    StreamIn *in;
    RamBlock *last;         /* of the record before */
    MultifdCodec *unpacker; /* or NULL */
    uint8_t *packed;        /* what is to be unpacked; or NULL */
    Thread thread;
    MultifdPacket packet;
    uint8_t header[MULTIFD_HEADER_LEN];
    uint64_t sync_number; /* of the last packet with SYNC, if one has come */
    /* mr->lock */
    int id;         /* NO_ID: it has not said it */
    uint64_t syncs; /* it has been in step so often */
    bool busy;      /* it stores pages */
    bool ended;     /* cleanly */
} RecvChannel;

struct MultifdRecv {
    MultifdRecvOptions opts;
    IoCancel *cancel;
    Lock lock;
    Cond cond; /* with lock: any change */
    RamLoad *ram GUARDED_BY(&lock);
    GPtrArray *channels GUARDED_BY(&lock); /* RecvChannel; none goes */
    uint64_t syncs GUARDED_BY(&lock);      /* of the stream with all channels */
    bool closed GUARDED_BY(&lock);         /* nothing may be stored */
    bool quit GUARDED_BY(&lock);
    GError *err GUARDED_BY(&lock); /* the first */
};

MultifdRecv *multifd_recv_new(const MultifdRecvOptions *opts, GError **errp)
{
    IoCancel *cancel = io_cancel_new(errp);
    MultifdRecv *mr;

    if (cancel == NULL) {
        return NULL;
    }
    mr = g_new0(MultifdRecv, 1);
    mr->opts = *opts;
    mr->cancel = cancel;
    mr->channels = g_ptr_array_new();
    lock_init(&mr->lock);
    cond_init(&mr->cond);
    return mr;
}

static void recv_channel_free(RecvChannel *c)
{
    multifd_codec_free(c->unpacker);
    stream_in_free(c->in);
    io_channel_unref(c->ch);
    g_free(c->packed);
    g_free(c);
}

void multifd_recv_shutdown(MultifdRecv *mr)
{
    LOCK_GUARD(&mr->lock);

    mr->quit = true;
    cond_broadcast(&mr->cond);
    io_cancel_trigger(mr->cancel);
    for (guint i = 0; i < mr->channels->len; i++) {
        RecvChannel *c = mr->channels->pdata[i];

        io_channel_shutdown(c->ch, IO_SHUTDOWN_BOTH);
    }
}

void multifd_recv_stop(MultifdRecv *mr)
{
    guint n;

    multifd_recv_shutdown(mr);
    lock_acquire(&mr->lock);
    n = mr->channels->len; /* no more, as it quits */
    lock_release(&mr->lock);
    for (guint i = 0; i < n; i++) {
        RecvChannel *c = mr->channels->pdata[i];

        thread_join(&c->thread);
    }
}

void multifd_recv_free(MultifdRecv *mr)
{
    if (mr == NULL) {
        return;
    }
    multifd_recv_stop(mr);
    for (guint i = 0; i < mr->channels->len; i++) {
        recv_channel_free(mr->channels->pdata[i]);
    }
    g_ptr_array_unref(mr->channels);
    g_clear_error(&mr->err);
    io_cancel_unref(mr->cancel);
    cond_fini(&mr->cond);
    lock_fini(&mr->lock);
    g_free(mr);
}

const IoCancel *multifd_recv_cancel(const MultifdRecv *mr)
{
    return mr->cancel;
}

unsigned multifd_recv_count(MultifdRecv *mr)
{
    LOCK_GUARD(&mr->lock);

    return mr->channels->len;
}

void multifd_recv_set_ram(MultifdRecv *mr, RamLoad *ram)
{
    LOCK_GUARD(&mr->lock);

    mr->ram = ram;
}

/* "channel 3", or which connection it was. */
static void name_channel_locked(const MultifdRecv *mr, const RecvChannel *c,
                                GError **err) REQUIRES(&mr->lock)
{
    if (c->id != NO_ID) {
        error_prefix(err, "multifd channel %d: ", c->id);
    } else {
        error_prefix(err, "multifd connection %u: ", c->place);
    }
}

/* The load ends; takes err. */
static void channel_failed(RecvChannel *c, GError *err)
{
    MultifdRecv *mr = c->mr;
    LOCK_GUARD(&mr->lock);

    if (mr->err == NULL && !mr->quit) {
        name_channel_locked(mr, c, &err);
        mr->err = err;
    } else {
        g_error_free(err);
    }
    c->busy = false;
    cond_broadcast(&mr->cond);
    if (mr->err != NULL && !mr->closed) {
        io_cancel_trigger(mr->cancel);
    }
    io_channel_shutdown(c->ch, IO_SHUTDOWN_BOTH);
}

static bool check_greeting(RecvChannel *c, const MultifdGreeting *g,
                           GError **errp)
{
    MultifdRecv *mr = c->mr;
    LOCK_GUARD(&mr->lock);

    if (memcmp(g->uuid, mr->opts.uuid, sizeof(g->uuid)) != 0) {
        error_setf(errp, "the source's machine has another UUID ('-uuid')");
        return false;
    }
    if (g->id >= mr->opts.nchannels) {
        error_setf(errp, "it is channel %u, and there are %u here", g->id,
                   mr->opts.nchannels);
        return false;
    }
    for (guint i = 0; i < mr->channels->len; i++) {
        const RecvChannel *o = mr->channels->pdata[i];

        if (o->id == g->id) {
            error_setf(errp, "it is channel %u, which has come already", g->id);
            return false;
        }
    }
    c->id = g->id;
    cond_broadcast(&mr->cond);
    return true;
}

static bool read_greeting(RecvChannel *c, GError **errp)
{
    uint8_t buf[MULTIFD_GREETING_LEN];
    MultifdGreeting g;

    io_channel_set_read_deadline_us(
        c->ch, (clock_monotonic_ns() + GREETING_NS) / NS_PER_US);
    if (!stream_get(c->in, buf, sizeof(buf))) {
        return stream_in_check(c->in, errp);
    }
    io_channel_set_read_deadline_us(c->ch, 0);
    return multifd_greeting_parse(buf, &g, errp) && check_greeting(c, &g, errp);
}

/* Where the pages of the packet belong; all are checked first. */
static bool find_places(RecvChannel *c, RamLoad *ram, RamBlock **ret_rb,
                        uint8_t *places[MULTIFD_PACKET_PAGES], GError **errp)
{
    const MultifdPacket *p = &c->packet;
    RamBlock *rb = ram_load_block(ram, p->block, errp);

    if (rb == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < p->npages; i++) {
        if (p->offsets[i] % RAM_PAGE_SIZE != 0) {
            error_setf(errp, "RAM block '%s': page at offset 0x%" PRIx64,
                       rb->name, p->offsets[i]);
            return false;
        }
        if (!ram_load_check_range(rb, p->offsets[i], RAM_PAGE_SIZE, errp)) {
            return false;
        }
        places[i] = rb->host + p->offsets[i];
    }
    *ret_rb = rb;
    return true;
}

static bool load_plain(RecvChannel *c, uint8_t *const *places, GError **errp)
{
    const MultifdPacket *p = &c->packet;

    if (p->bytes != p->npages * RAM_PAGE_SIZE) {
        error_setf(errp, "packet of %u pages in %u bytes", p->npages, p->bytes);
        return false;
    }
    for (uint32_t i = 0, n; i < p->npages; i += n) {
        for (n = 1; i + n < p->npages &&
                    places[i + n] == places[i] + n * RAM_PAGE_SIZE;
             n++) {
        }
        if (!stream_get(c->in, places[i], n * RAM_PAGE_SIZE)) {
            return stream_in_check(c->in, errp);
        }
    }
    return true;
}

static bool load_packed(RecvChannel *c, uint8_t *const *places, GError **errp)
{
    const MultifdPacket *p = &c->packet;

    if (c->unpacker == NULL) {
        c->unpacker = multifd_unpacker_new(c->mr->opts.packed, errp);
        if (c->unpacker == NULL) {
            return false;
        }
        c->packed = g_malloc(MULTIFD_PACKED_MAX);
    }
    if (!stream_get(c->in, c->packed, p->bytes)) {
        return stream_in_check(c->in, errp);
    }
    return multifd_unpack(c->unpacker, c->packed, p->bytes, places, p->npages,
                          errp);
}

static const char *packing_name(uint32_t flag)
{
    const char *name = multifd_codec_name(flag);

    return flag == 0 ? "none" : name != NULL ? name : "unknown";
}

/* From here until it is idle or in step; NULL with errp: not now. */
static RamLoad *channel_store_begin(RecvChannel *c, GError **errp)
{
    MultifdRecv *mr = c->mr;
    LOCK_GUARD(&mr->lock);

    if (mr->closed) {
        error_setf(errp, "pages behind the last pass");
        return NULL;
    }
    if (mr->syncs == 0) {
        error_setf(errp, "pages before the channels were first in step");
        return NULL;
    }
    c->busy = true;
    return mr->ram;
}

static bool load_packet_pages(RecvChannel *c, GError **errp)
{
    uint32_t packing = c->packet.flags & MULTIFD_PACKED;
    RamLoad *ram = channel_store_begin(c, errp);
    uint8_t *places[MULTIFD_PACKET_PAGES];
    RamBlock *rb;

    if (ram == NULL) {
        return false;
    }
    if (packing != c->mr->opts.packed) {
        error_setf(errp,
                   "packet with multifd-compression '%s', and here it is '%s'",
                   packing_name(packing), packing_name(c->mr->opts.packed));
        return false;
    }
    if (!find_places(c, ram, &rb, places, errp) ||
        !(packing == 0 ? load_plain(c, places, errp)
                       : load_packed(c, places, errp))) {
        return false;
    }
    for (uint32_t i = 0; i < c->packet.npages; i++) {
        ram_load_stored(ram, rb, c->packet.offsets[i], RAM_PAGE_SIZE);
    }
    return true;
}

/*
 * In step: the others, and the stream, come to this point first.  One that
 * comes twice would be taken for that of the next pass, whose pages may still
 * be on their way when the guest starts.  A source numbers them.
 */
static bool channel_sync(RecvChannel *c, GError **errp)
{
    MultifdRecv *mr = c->mr;
    LOCK_GUARD(&mr->lock);

    if (c->syncs > 0 && c->packet.number <= c->sync_number) {
        error_setf(errp, "in step by packet %" PRIu64 " behind packet %" PRIu64,
                   c->packet.number, c->sync_number);
        return false;
    }
    c->sync_number = c->packet.number;
    c->syncs++;
    c->busy = false;
    cond_broadcast(&mr->cond);
    while (mr->syncs < c->syncs && !mr->quit) {
        cond_wait(&mr->cond, &mr->lock);
    }
    return true;
}

static bool load_packet(RecvChannel *c, GError **errp)
{
    stl_be_p(c->header, MULTIFD_MAGIC); /* it has been read */
    if (!stream_get(c->in, c->header + 4, MULTIFD_HEADER_LEN - 4)) {
        return stream_in_check(c->in, errp);
    }
    if (!multifd_packet_parse(c->header, &c->packet, errp)) {
        return false;
    }
    if (c->packet.npages > 0 && !load_packet_pages(c, errp)) {
        return false;
    }
    return !(c->packet.flags & MULTIFD_SYNC) || channel_sync(c, errp);
}

static bool load_channel_record(RecvChannel *c, uint64_t head, GError **errp)
{
    RamLoad *ram;

    switch (head & RAM_REC_FLAGS & ~(uint64_t)RAM_REC_CONTINUE) {
    case RAM_REC_EXTENT:
    case RAM_REC_EXTENT | RAM_REC_FILL:
        break;
    default:
        error_setf(errp, "neither a packet nor a run of pages: 0x%016" PRIx64,
                   head);
        return false;
    }
    ram = channel_store_begin(c, errp);
    return ram != NULL && ram_load_pages(ram, &c->last, c->in, head, errp);
}

/* Waits for more; false: there is none, or nobody wants it. */
static bool channel_wait(RecvChannel *c)
{
    MultifdRecv *mr = c->mr;
    bool more;

    lock_acquire(&mr->lock);
    c->busy = false;
    lock_release(&mr->lock);
    more = stream_peek_u8(c->in, 0) >= 0;
    LOCK_GUARD(&mr->lock);
    c->ended = !more;
    cond_broadcast(&mr->cond);
    return more && !mr->quit;
}

/* A packet or a record; they can be told apart by their first bytes. */
static bool load_unit(RecvChannel *c, GError **errp)
{
    uint64_t at = stream_in_bytes(c->in);
    uint32_t first = stream_get_be32(c->in);
    bool ok;

    if (!stream_in_check(c->in, errp)) {
        return false;
    }
    if (first == MULTIFD_MAGIC) {
        ok = load_packet(c, errp);
    } else {
        uint64_t head = (uint64_t)first << 32 | stream_get_be32(c->in);

        ok = stream_in_check(c->in, errp) && load_channel_record(c, head, errp);
    }
    if (!ok) {
        error_prefix(errp, "offset %" PRIu64 ": ", at);
    }
    return ok;
}

static void *recv_thread(void *opaque)
{
    RecvChannel *c = opaque;
    GError *err = NULL;
    bool ok = read_greeting(c, &err);

    while (ok && channel_wait(c)) {
        ok = load_unit(c, &err);
    }
    if (!ok) {
        channel_failed(c, err);
    }
    return NULL;
}

void multifd_recv_add(MultifdRecv *mr, IoChannel *ch)
{
    RecvChannel *c;
    LOCK_GUARD(&mr->lock);

    if (mr->quit || mr->channels->len >= mr->opts.nchannels) {
        io_channel_unref(ch);
        return;
    }
    c = g_new0(RecvChannel, 1);
    c->mr = mr;
    c->place = mr->channels->len;
    c->ch = ch;
    c->id = NO_ID;
    c->in = stream_in_new_unheld(ch);
    g_ptr_array_add(mr->channels, c);
    if (!thread_create(&c->thread, "mig-recv", recv_thread, c,
                       mr->err == NULL ? &mr->err : NULL)) {
        io_cancel_trigger(mr->cancel);
    }
    cond_broadcast(&mr->cond);
}

/* How many are in step; *ret_came have said who they are. */
static unsigned count_synced_locked(MultifdRecv *mr, unsigned *ret_came,
                                    const RecvChannel **ret_ended)
    REQUIRES(&mr->lock)
{
    unsigned n = 0;

    *ret_came = 0;
    *ret_ended = NULL;
    for (guint i = 0; i < mr->channels->len; i++) {
        const RecvChannel *c = mr->channels->pdata[i];
        bool synced = c->syncs > mr->syncs;

        n += synced;
        *ret_came += c->id != NO_ID;
        if (c->ended && !synced) {
            *ret_ended = c;
        }
    }
    return n;
}

/* Nothing can come of waiting; false: it can. */
static bool sync_fails_locked(MultifdRecv *mr, const RecvChannel *ended,
                              GError **errp) REQUIRES(&mr->lock)
{
    if (mr->err != NULL) {
        g_propagate_error(errp, g_error_copy(mr->err));
        return true;
    }
    if (ended != NULL) {
        GError *err = NULL;

        error_setf(&err, "it ended before all of pass %" PRIu64 " had come",
                   mr->syncs);
        name_channel_locked(mr, ended, &err);
        g_propagate_error(errp, err);
        return true;
    }
    if (mr->quit) {
        error_setf(errp, "the program is to end");
        return true;
    }
    return false;
}

bool multifd_recv_sync(MultifdRecv *mr, GError **errp)
{
    int64_t deadline = clock_monotonic_ns() + mr->opts.wait_ns;
    const RecvChannel *ended;
    unsigned came;
    LOCK_GUARD(&mr->lock);

    while (count_synced_locked(mr, &came, &ended) < mr->opts.nchannels) {
        if (sync_fails_locked(mr, ended, errp)) {
            return false;
        }
        if (came == mr->opts.nchannels) {
            cond_wait(&mr->cond, &mr->lock);
        } else if (!cond_wait_until(&mr->cond, &mr->lock, deadline)) {
            error_setf(errp,
                       "%u of %u multifd channels have come (is capability "
                       "'multifd' on at the source, with as many channels?)",
                       came, mr->opts.nchannels);
            return false;
        }
    }
    mr->syncs++;
    cond_broadcast(&mr->cond);
    return true;
}

bool multifd_recv_close(MultifdRecv *mr, GError **errp)
{
    LOCK_GUARD(&mr->lock);

    if (mr->err != NULL) {
        g_propagate_error(errp, g_error_copy(mr->err));
        return false;
    }
    mr->closed = true;
    for (guint i = 0; i < mr->channels->len; i++) {
        const RecvChannel *c = mr->channels->pdata[i];

        if (c->busy) {
            error_setf(errp, "multifd channel %d: pages behind the last pass",
                       c->id);
            return false;
        }
    }
    return true;
}

void multifd_recv_reopen(MultifdRecv *mr)
{
    LOCK_GUARD(&mr->lock);

    mr->closed = false;
    if (mr->err != NULL) {
        io_cancel_trigger(mr->cancel);
    }
}

void multifd_recv_explain(MultifdRecv *mr, GError **err)
{
    LOCK_GUARD(&mr->lock);

    if (mr->err != NULL && !mr->closed) {
        g_clear_error(err);
        *err = g_error_copy(mr->err);
    }
}
