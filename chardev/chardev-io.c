/*
 * Character devices: reading from and writing to a channel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev-priv.h"

static IoChannel *chardev_get_channel(Chardev *cd)
{
    LOCK_GUARD(&cd->out_lock);

    return cd->ch ? io_channel_ref(cd->ch) : NULL;
}

/* ------------------------------------------------------------- input --- */

static void chardev_stop_input(Chardev *cd)
{
    if (cd->in_source) {
        g_source_destroy(cd->in_source);
        g_source_unref(cd->in_source);
        cd->in_source = NULL;
    }
    cd->in_mode = CHARDEV_INPUT_NONE;
}

/* Device code of another thread may end a source that is being dispatched. */
static bool chardev_source_is_over(void)
{
    return g_source_is_destroyed(g_main_current_source());
}

static void chardev_hangup(Chardev *cd)
{
    chardev_stop_input(cd);
    cd->in_ended = cd->ops->keeps_input;
    if (cd->ops->hangup) {
        cd->ops->hangup(cd);
    }
}

void chardev_input_done(Chardev *cd)
{
    if (cd->in_ended && cd->fe.end_of_input && cd->open &&
        !cd->fe.end_of_input(cd->fe.opaque)) {
        chardev_hangup(cd);
    }
}

/* End of file: at once the end, unless the front end has to see to it. */
static void chardev_end_input(Chardev *cd)
{
    if (!cd->attached || !cd->fe.end_of_input || cd->ops->keeps_input) {
        chardev_hangup(cd);
        return;
    }
    chardev_stop_input(cd);
    cd->in_ended = true;
    cd->peer_kept = false;
    chardev_input_done(cd);
    chardev_update_input(cd);
}

/* Takes over descriptors that came with a message. */
static void chardev_keep_fds(Chardev *cd, const int *fds, size_t nfds)
{
    if (!nfds) {
        return;
    }
    chardev_close_fds(cd);
    memcpy(cd->fds, fds, nfds * sizeof(fds[0]));
    cd->nfds = nfds;
}

static ssize_t chardev_read_channel(Chardev *cd, IoChannel *ch, uint8_t *buf,
                                    size_t len)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    int fds[CHARDEV_MAX_FDS];
    size_t nfds = CHARDEV_MAX_FDS;
    ssize_t n;

    if (!io_channel_has_feature(ch, IO_FEATURE_FD_PASS)) {
        return io_channel_read(ch, buf, len);
    }
    n = io_channel_readv_fds(ch, &iov, 1, fds, &nfds);
    chardev_keep_fds(cd, fds, nfds);
    return n;
}

/* How many of the bytes that came are for the front end. */
static int chardev_decode(Chardev *cd, uint8_t *buf, int len)
{
    return cd->ops->decode ? cd->ops->decode(cd, buf, len) : len;
}

static void chardev_read_once(Chardev *cd, IoChannel *ch)
{
    uint8_t buf[CHARDEV_READ_MAX];
    int max = chardev_can_receive(cd);
    ssize_t n;

    if (!max) {
        chardev_update_input(cd);
        return;
    }
    n = chardev_read_channel(cd, ch, buf, max);
    if (n > 0) {
        n = chardev_decode(cd, buf, n);
        if (n > 0) {
            chardev_receive(cd, buf, n);
        }
        chardev_update_input(cd);
    } else if (n != -EAGAIN) {
        chardev_end_input(cd);
    }
}

/*
 * The peer is gone while the front end takes nothing: the next peer shall not
 * have to wait for that, nor shall what the last one said be lost.
 */
static void chardev_hangup_unread(Chardev *cd, IoChannel *ch)
{
    uint8_t buf[CHARDEV_READ_MAX];
    ssize_t n;

    if (cd->attached && !cd->pending) {
        cd->pending = g_byte_array_new();
    }
    while (cd->attached && cd->pending->len < CHARDEV_PENDING_MAX) {
        n = chardev_read_channel(cd, ch, buf, sizeof(buf));
        if (n <= 0) {
            break;
        }
        g_byte_array_append(cd->pending, buf, chardev_decode(cd, buf, n));
    }
    if (cd->pending && !cd->pending->len) {
        g_clear_pointer(&cd->pending, g_byte_array_unref);
    }
    chardev_hangup(cd);
}

static gboolean chardev_readable(IoChannel *ch, GIOCondition cond,
                                 gpointer opaque)
{
    VM_LOCK_GUARD();
    Chardev *cd;

    if (chardev_source_is_over()) {
        return G_SOURCE_REMOVE;
    }
    cd = chardev_ref(opaque);
    if (cd->in_mode == CHARDEV_INPUT_READ) {
        chardev_read_once(cd, ch);
    } else if (cd->in_ended && cd->fe.may_forget(cd->fe.opaque)) {
        chardev_hangup(cd);
    } else if (cd->in_ended) {
        cd->peer_kept = true;
        chardev_update_input(cd);
    } else if (cd->attached && cd->fe.end_of_input) {
        cd->fe.peer_gone(cd->fe.opaque);
        chardev_update_input(cd);
    } else {
        chardev_hangup_unread(cd, ch);
    }
    chardev_unref(cd);
    return G_SOURCE_CONTINUE; /* or destroyed already */
}

static gboolean chardev_hand_over(gpointer opaque)
{
    VM_LOCK_GUARD();
    g_autofree uint8_t *buf = NULL;
    Chardev *cd;
    int n;

    if (chardev_source_is_over()) {
        return G_SOURCE_REMOVE;
    }
    cd = chardev_ref(opaque);
    n = MIN(chardev_can_receive(cd), (int)cd->pending->len);
    buf = g_memdup2(cd->pending->data, n);
    g_byte_array_remove_range(cd->pending, 0, n);
    if (!cd->pending->len) {
        g_clear_pointer(&cd->pending, g_byte_array_unref);
    }
    if (n) {
        chardev_receive(cd, buf, n);
    }
    chardev_update_input(cd);
    chardev_unref(cd);
    return G_SOURCE_CONTINUE; /* or destroyed already */
}

static ChardevInput chardev_wanted_input(Chardev *cd, const IoChannel *ch)
{
    bool can = chardev_can_receive(cd) > 0;

    if (cd->pending) {
        return can ? CHARDEV_INPUT_PENDING : CHARDEV_INPUT_NONE;
    }
    if (!ch || io_channel_fd(ch, G_IO_IN) < 0) {
        return CHARDEV_INPUT_NONE;
    }
    if (cd->in_ended) {
        return cd->attached && cd->fe.end_of_input && cd->fe.may_forget &&
                       !cd->ops->keeps_input && !cd->peer_kept
                   ? CHARDEV_INPUT_HANGUP
                   : CHARDEV_INPUT_NONE;
    }
    if (can) {
        return CHARDEV_INPUT_READ;
    }
    /* What a peer of a conversation has sent stays in the channel. */
    if (cd->fe.end_of_input && !cd->fe.peer_gone) {
        return CHARDEV_INPUT_NONE;
    }
    return cd->ops->keeps_input ? CHARDEV_INPUT_NONE : CHARDEV_INPUT_HANGUP;
}

void chardev_update_input(Chardev *cd)
{
    g_autoptr(IoChannel) ch = chardev_get_channel(cd);
    ChardevInput mode = chardev_wanted_input(cd, ch);

    if (cd->in_mode == mode) {
        return;
    }
    chardev_stop_input(cd);
    cd->in_mode = mode;
    switch (mode) {
    case CHARDEV_INPUT_NONE:
        break;
    case CHARDEV_INPUT_READ:
    case CHARDEV_INPUT_HANGUP:
        cd->in_source =
            io_channel_watch_source(ch,
                                    mode == CHARDEV_INPUT_READ ? G_IO_IN : 0,
                                    NULL, chardev_readable, cd, NULL);
        break;
    case CHARDEV_INPUT_PENDING:
        cd->in_source = g_idle_source_new();
        g_source_set_priority(cd->in_source, G_PRIORITY_DEFAULT);
        g_source_set_callback(cd->in_source, chardev_hand_over, cd, NULL);
        g_source_attach(cd->in_source, NULL);
        break;
    }
}

/* ------------------------------------------------------------ output --- */

int chardev_write_channel(Chardev *cd, const uint8_t *buf, int len)
{
    ssize_t n;

    if (!cd->ch) {
        return len; /* as a serial line with nobody at the other end */
    }
    n = io_channel_write(cd->ch, buf, len);
    return n == -EAGAIN ? 0 : n;
}

static void chardev_log_locked(Chardev *cd, const uint8_t *buf, int len)
    REQUIRES(&cd->out_lock)
{
    while (cd->log_fd >= 0 && len > 0) {
        ssize_t n = write(cd->log_fd, buf, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* a full disk or FIFO must not stop the guest */
        }
        buf += n;
        len -= n;
    }
}

int chardev_write(Chardev *cd, const void *buf, int len)
{
    LOCK_GUARD(&cd->out_lock);
    int n = cd->ops->write ? cd->ops->write(cd, buf, len)
                           : chardev_write_channel(cd, buf, len);

    chardev_log_locked(cd, buf, MAX(n, 0));
    return n;
}

static Chardev *chardev_output(Chardev *cd)
{
    return cd->ops->output ? cd->ops->output(cd) : cd;
}

static void watch_free(ChardevWatch *w)
{
    g_source_destroy(w->source);
    g_source_unref(w->source);
    g_free(w);
}

/* Runs once: it is off the list before its function is called. */
static void watch_fire(ChardevWatch *w)
{
    void (*fn)(void *opaque) = w->fn;
    void *opaque = w->opaque;

    w->cd->watches = g_slist_remove(w->cd->watches, w);
    watch_free(w);
    fn(opaque);
}

static gboolean watch_idle(gpointer opaque)
{
    VM_LOCK_GUARD();

    if (!chardev_source_is_over()) {
        watch_fire(opaque);
    }
    return G_SOURCE_REMOVE;
}

static gboolean watch_writable(IoChannel *ch, GIOCondition cond,
                               gpointer opaque)
{
    VM_LOCK_GUARD();

    if (!chardev_source_is_over()) {
        watch_fire(opaque);
    }
    return G_SOURCE_REMOVE;
}

/* With nobody there every write succeeds. */
static void watch_start(ChardevWatch *w, IoChannel *ch)
{
    if (ch && io_channel_fd(ch, G_IO_OUT) >= 0) {
        w->source = io_channel_watch_source(ch, G_IO_OUT, NULL, watch_writable,
                                            w, NULL);
        return;
    }
    w->source = g_idle_source_new();
    g_source_set_priority(w->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(w->source, watch_idle, w, NULL);
    g_source_attach(w->source, NULL);
}

unsigned chardev_add_write_watch(Chardev *cd, void (*fn)(void *opaque),
                                 void *opaque)
{
    ChardevWatch *w = g_new0(ChardevWatch, 1);
    g_autoptr(IoChannel) ch = NULL;

    cd = chardev_output(cd);
    ch = chardev_get_channel(cd);
    w->id = ++cd->next_watch ? cd->next_watch : ++cd->next_watch;
    w->cd = cd;
    w->fn = fn;
    w->opaque = opaque;
    cd->watches = g_slist_prepend(cd->watches, w);
    watch_start(w, ch);
    return w->id;
}

void chardev_del_watch(Chardev *cd, unsigned watch)
{
    cd = chardev_output(cd);
    for (GSList *l = cd->watches; l; l = l->next) {
        ChardevWatch *w = l->data;

        if (w->id == watch) {
            cd->watches = g_slist_delete_link(cd->watches, l);
            watch_free(w);
            return;
        }
    }
}

/* ----------------------------------------------------------- channel --- */

void chardev_set_channel(Chardev *cd, IoChannel *ch)
{
    chardev_drop_channel(cd);
    io_channel_set_blocking(ch, false);
    lock_acquire(&cd->out_lock);
    cd->ch = ch;
    lock_release(&cd->out_lock);
    cd->in_ended = false;
    chardev_ref(cd);
    chardev_set_open(cd, true);
    chardev_update_input(cd);
    chardev_unref(cd);
}

void chardev_drop_channel(Chardev *cd)
{
    IoChannel *ch;

    chardev_stop_input(cd);
    lock_acquire(&cd->out_lock);
    ch = cd->ch;
    cd->ch = NULL;
    lock_release(&cd->out_lock);
    if (!ch) {
        return;
    }
    /* Who waits to write there learns that it needn't. */
    for (GSList *l = cd->watches; l; l = l->next) {
        ChardevWatch *w = l->data;

        g_source_destroy(w->source);
        g_source_unref(w->source);
        watch_start(w, NULL);
    }
    chardev_close_fds(cd); /* they aren't for the next peer */
    if (!cd->lent) {
        io_channel_shutdown(ch, IO_SHUTDOWN_BOTH);
    }
    cd->lent = false;
    io_channel_unref(ch);
    chardev_set_open(cd, false);
}
