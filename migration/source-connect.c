/*
 * Outgoing migration: the connection and what both sides know.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/source.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "io/file.h"
#include "io/socket.h"
#include "migration/facts.h"
#include "migration/multifd-codec.h"
#include "migration/postcopy-in.h"
#include "migration/savevm.h"
#include "migration/tls.h"
#include "migration/wire.h"
#include "util/bswap.h"
#include "util/error.h"

static IoChannel *open_file(const IoUri *uri, IoCancel *cancel, GError **errp)
{
    int flags = O_WRONLY | O_CREAT | (uri->offset == 0 ? O_TRUNC : 0);
    g_autoptr(IoChannel) ch =
        io_channel_open_file(uri->path, flags, 0660, cancel, errp);
    int64_t at;

    if (ch == NULL || uri->offset == 0) {
        return g_steal_pointer(&ch);
    }
    at = io_channel_seek(ch, uri->offset, SEEK_SET);
    if (at < 0) {
        io_channel_set_error(ch, errp, "seek", at);
        return NULL;
    }
    return g_steal_pointer(&ch);
}

static int source_take_fd(Migration *m)
{
    int fd;
    LOCK_GUARD(&m->lock);

    fd = m->fd;
    m->fd = -1;
    return fd;
}

static IoChannel *open_channel(Migration *m, GError **errp)
{
    switch (m->uri->type) {
    case IO_URI_EXEC:
        return io_channel_new_command(m->uri->command, O_WRONLY, errp);
    case IO_URI_FILE:
        return open_file(m->uri, m->cancel, errp);
    case IO_URI_SOCKET:
        break;
    }
    if (m->uri->addr->type == IO_ADDRESS_FD) {
        return io_channel_new_fd_for(source_take_fd(m), O_WRONLY, NULL, errp);
    }
    return io_socket_connect(m->uri->addr, m->cancel, 0, errp);
}

static bool source_secure(MigSource *s, GError **errp)
{
    Migration *m = s->m;
    int64_t end_ns = clock_monotonic_ns() + m->waits.answer_ns;
    IoChannel *ch = mig_tls_wrap(m, s->ch, &m->ch, m->cancel, end_ns, errp);

    if (ch == NULL) {
        return false;
    }
    io_channel_unref(s->ch);
    s->ch = ch;
    return true;
}

/* The capability that can't do without a return path; NULL: none is on. */
static const char *needs_answers(const MigSource *s)
{
    return MIG_HAS(s, POSTCOPY_RAM)  ? "postcopy-ram"
           : MIG_HAS(s, RETURN_PATH) ? "return-path"
                                     : NULL;
}

/* The channel, and a stream on it. */
static bool source_link_up(MigSource *s, GError **errp)
{
    Migration *m = s->m;
    bool ends;

    s->ch = open_channel(m, errp);
    if (s->ch == NULL) {
        return false;
    }
    io_channel_set_nodelay(s->ch, true);
    lock_acquire(&m->lock);
    m->ch = io_channel_ref(s->ch);
    ends = m->cancel_asked || m->quits;
    lock_release(&m->lock);
    if (ends) {
        io_channel_shutdown(s->ch, IO_SHUTDOWN_BOTH);
    }
    if (!source_secure(s, errp)) {
        return false;
    }
    rp_init(&s->rp, s->ch);
    s->out = stream_out_new(s->ch);
    return true;
}

bool mig_source_reconnect(MigSource *s, GError **errp)
{
    Migration *m = s->m;

    if (s->out != NULL) { /* NULL: the try before did not come so far */
        s->bytes_before += stream_out_bytes(s->out);
    }
    g_clear_pointer(&s->out, stream_out_free);
    lock_acquire(&m->lock);
    g_clear_pointer(&m->ch, io_channel_unref);
    lock_release(&m->lock);
    g_clear_pointer(&s->ch, io_channel_unref);
    if (!source_link_up(s, errp)) {
        return false;
    }
    if (!io_channel_has_feature(s->ch, IO_FEATURE_BIDIRECTIONAL)) {
        error_setf(errp, "%s: it goes one way only", io_channel_name(s->ch));
        return false;
    }
    return true;
}

bool mig_source_connect(MigSource *s, GError **errp)
{
    if (!source_link_up(s, errp)) {
        return false;
    }
    s->return_path = io_channel_has_feature(s->ch, IO_FEATURE_BIDIRECTIONAL);
    s->peer = s->return_path ? PEER_PLAIN
              : io_channel_has_feature(s->ch, IO_FEATURE_SEEKABLE)
                  ? PEER_FILE
                  : PEER_ONE_WAY;
    if (!s->return_path && needs_answers(s) != NULL) {
        error_setf(errp,
                   "%s: capability '%s' needs a channel that "
                   "goes both ways",
                   io_channel_name(s->ch), needs_answers(s));
        return false;
    }
    s->devices = stream_out_new(NULL);
    return true;
}

/* To the same address, and inside TLS as the stream. */
static IoChannel *connect_channel(MigSource *s, GError **errp)
{
    Migration *m = s->m;
    g_autoptr(IoChannel) ch =
        io_socket_connect(m->uri->addr, m->cancel, 0, errp);

    if (ch == NULL) {
        return NULL;
    }
    io_channel_set_nodelay(ch, true);
    return mig_tls_wrap_channel(m, ch,
                                clock_monotonic_ns() + m->waits.answer_ns,
                                errp);
}

/* One after the other: that is their number. */
static bool connect_channels(MigSource *s, GError **errp)
{
    static const uint8_t no_uuid[16];
    uint64_t n = s->cfg->params.multifd_channels;
    const Vm *vm = s->vm;

    for (uint64_t i = 0; i < n; i++) {
        IoChannel *ch = connect_channel(s, errp);

        if (ch == NULL) {
            error_prefix(errp, "multifd channel %" PRIu64 " of %" PRIu64 ": ",
                         i, n);
            return false;
        }
        if (!multifd_send_add(s->multifd, ch, vm->uuid_set ? vm->uuid : no_uuid,
                              errp)) {
            return false;
        }
    }
    return true;
}

/*
 * Before the destination answers, as QEMU 7.2 reads nothing until all of them
 * are there.
 */
static bool make_channels(MigSource *s, GError **errp)
{
    Migration *m = s->m;

    if (!MIG_HAS(s, MULTIFD)) {
        return true;
    }
    s->multifd = multifd_send_new();
    lock_acquire(&m->lock);
    m->multifd = s->multifd;
    lock_release(&m->lock);
    return connect_channels(s, errp);
}

/* Both sides have said what they know. */
static bool start_channels(MigSource *s, GError **errp)
{
    const MigParams *p = &s->cfg->params;
    MultifdSendOptions opts = {
        .records = s->features & WIRE_F_MULTIFD,
        .absent = s->features & WIRE_F_ABSENT,
        .wide_scanner = MIG_HAS(s, AVX2_ZERO_PAGE),
        .zero_copy = MIG_HAS(s, ZERO_COPY_SEND),
    };

    if (s->multifd == NULL) {
        return true;
    }
    if (!s->return_path || s->unanswered) {
        error_setf(errp,
                   "%s: capability 'multifd' needs a destination that answers",
                   io_channel_name(s->ch));
        return false;
    }
    if (multifd_codec_find(p->multifd_compression, &opts.packed)) {
        opts.level = opts.packed == MULTIFD_PACKED_ZLIB ? p->multifd_zlib_level
                                                        : p->multifd_zstd_level;
    }
    return multifd_send_start(s->multifd, &opts, errp);
}

/*
 * A Godwit says whether it has the capability: one side alone would wait for
 * channels, or for pages, that never come.
 */
static bool check_multifd(const MigSource *s, GError **errp)
{
    bool there = s->features & WIRE_F_MULTIFD, here = s->multifd != NULL;

    if (!(s->features & WIRE_F_COMMIT) || there == here) {
        return true;
    }
    error_setf(errp,
               "capability 'multifd' is %s here and %s at the destination",
               here ? "on" : "off", there ? "on" : "off");
    return false;
}

/*
 * Somebody may have accepted who only listens: a recorder, a relay. Who did
 * not ask for a return path gets none then, and the stream goes one way.
 */
static bool no_answer(MigSource *s, GError **errp)
{
    if (needs_answers(s) != NULL) {
        error_setf(errp, "%s: no answer on the return path",
                   io_channel_name(s->ch));
        return false;
    }
    s->return_path = false;
    s->features = 0; /* half an answer is none */
    s->peer = PEER_ONE_WAY;
    s->unanswered = true;
    return true;
}

static uint64_t known_features(const MigSource *s)
{
    return WIRE_F_ALL | WIRE_F_MULTIFD |
           (s->m->hooks->facts != NULL ? WIRE_F_FACTS : 0);
}

/* A destination answers before it does anything else. */
static bool wait_for_features(MigSource *s, GError **errp)
{
    int64_t deadline = clock_monotonic_ns() + s->m->waits.answer_ns;

    for (;;) {
        RpMessage msg;
        RpResult r = rp_read(&s->rp, s->m->cancel, deadline, &msg, errp);

        /* Whatever else it says, and goes on saying, is no answer. */
        if (r == RP_TIMEOUT ||
            (r == RP_OK && clock_monotonic_ns() >= deadline)) {
            return no_answer(s, errp);
        }
        if (r != RP_OK) {
            return false;
        }
        if (msg.type == WIRE_RP_FEATURES && msg.len >= 8) {
            s->features = ldq_be_p(msg.data) & known_features(s);
        }
        /* The pong follows what a Godwit has to say of itself. */
        if (msg.type == WIRE_RP_PONG && msg.len >= 4 &&
            ldl_be_p(msg.data) == WIRE_HELLO) {
            return true;
        }
    }
}

/* Before anything else, so that a guest that can't go there isn't stopped. */
static void put_facts(MigSource *s)
{
    g_autofree char *text = NULL;

    {
        VM_LOCK_GUARD();
        text = mig_facts(s->vm, s->m->hooks, MIG_HAS(s, X_IGNORE_SHARED));
    }
    savevm_put_command(s->out, WIRE_CMD_FACTS, text,
                       MIN(strlen(text), (size_t)UINT16_MAX));
}

/* Channels that the destination refuses may be what its answer explains. */
static bool greet_channels(MigSource *s, GError **errp)
{
    GError *err = NULL;

    if (make_channels(s, &err)) {
        return wait_for_features(s, errp) && check_multifd(s, errp) &&
               start_channels(s, errp);
    }
    if (mig_cancel_asked(s->m) || !wait_for_features(s, NULL) ||
        check_multifd(s, errp)) {
        multifd_send_hint(err);
        g_propagate_error(errp, err);
    } else {
        g_error_free(err);
    }
    return false;
}

static void put_advise(MigSource *s)
{
    uint8_t data[16];

    stq_be_p(data, postcopy_page_sizes(&s->vm->mem));
    stq_be_p(data + 8, RAM_PAGE_SIZE);
    savevm_put_command(s->out, WIRE_CMD_POSTCOPY_ADVISE, data, sizeof(data));
}

bool mig_source_greet(MigSource *s, GError **errp)
{
    uint8_t hello[4], enable[8];
    const StreamConfig config = {
        .machine = s->m->hooks->machine_name(s->vm),
        .uuid =
            MIG_HAS(s, VALIDATE_UUID) && s->vm->uuid_set ? s->vm->uuid : NULL,
        .ignore_shared = MIG_HAS(s, X_IGNORE_SHARED),
    };

    savevm_put_header(s->out, &config);
    if (!s->return_path) {
        return stream_out_flush(s->out, errp);
    }
    stl_be_p(hello, WIRE_HELLO);
    savevm_put_command(s->out, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    savevm_put_command(s->out, WIRE_CMD_PING, hello, sizeof(hello));
    if (!stream_out_flush(s->out, errp) || !greet_channels(s, errp)) {
        return false;
    }
    if (s->features & WIRE_F_COMMIT) {
        s->peer = PEER_COMMIT;
    }
    if (s->features != 0) {
        stq_be_p(enable, s->features);
        savevm_put_command(s->out, WIRE_CMD_ENABLE, enable, sizeof(enable));
        if (s->features & WIRE_F_FACTS) {
            put_facts(s);
        }
    }
    if (MIG_HAS(s, POSTCOPY_RAM)) {
        put_advise(s);
    }
    return true;
}

bool mig_source_await(MigSource *s, uint16_t type, uint16_t min_len,
                      uint32_t number, GError **errp)
{
    const RpWanted want = {
        .type = type, .min_len = min_len, .numbered = true, .number = number
    };
    RpMessage msg;

    return rp_await(&s->rp, &want, s->m->cancel, 0, &msg, errp) == RP_OK;
}

bool mig_source_barrier(MigSource *s, GError **errp)
{
    uint8_t number[4];

    if (s->peer != PEER_COMMIT) {
        return true;
    }
    stl_be_p(number, ++s->barriers);
    savevm_put_command(s->out, WIRE_CMD_PING, number, sizeof(number));
    return stream_out_flush(s->out, errp) &&
           mig_source_await(s, WIRE_RP_PONG, sizeof(number), s->barriers, errp);
}

/* It may have woken up, and been unable to load what it got: false. */
static bool hear_late_words(MigSource *s, int64_t deadline_ns, GError **errp)
{
    RpResult r = RP_OK;

    while (r == RP_OK && clock_monotonic_ns() < deadline_ns) {
        g_autoptr(GError) err = NULL;
        RpMessage msg;

        r = rp_read(&s->rp, NULL, deadline_ns, &msg, &err);
        if (r == RP_FAILED && rp_error_is_word(err)) {
            g_propagate_error(errp, g_steal_pointer(&err));
            return false;
        }
    }
    return true;
}

/*
 * With an answer unread, close would reset the connection and what is on its
 * way be lost.  The socket's own shutdown: that of the channel means a cancel.
 */
bool mig_source_hang_up(MigSource *s, GError **errp)
{
    const int64_t end_ns = clock_monotonic_ns() + 2 * NS_PER_S;
    char sink[4096];
    bool ok;

    if (!s->unanswered) {
        return true;
    }
    shutdown(io_channel_fd(s->ch, G_IO_OUT), SHUT_WR);
    ok = hear_late_words(s, end_ns, errp);
    io_channel_set_read_deadline_us(s->ch, end_ns / NS_PER_US);
    while (clock_monotonic_ns() < end_ns &&
           io_channel_read(s->ch, sink, sizeof(sink)) > 0) {
    }
    return ok;
}
