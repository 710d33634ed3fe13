/*
 * Unit test: passes over memory go through multifd channels, and the memory at
 * the other end is the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-send.h"
#include "system/clock.h"
#include "tests/unit/multifd-world.h"
#include "util/bitmap.h"
#include "util/thread.h"

enum { CHANNELS = 3 };

typedef struct Rig {
    MwWorld w;    /* the destination */
    Memory mem;   /* the source */
    RamBlock *rb; /* "pc.ram" */
    MultifdSend *send;
    StreamOut *out; /* the one stream, in memory if nothing else is said */
    PageSink *sink;
    bool marks;
    unsigned syncs, paces;
    unsigned long todo[MW_PAGES / 64];
} Rig;

typedef struct Mode {
    const char *name;
    bool godwit, absent;
    uint32_t packed;
} Mode;

static const Mode modes[] = {
    { "records", true, false, 0 },
    { "absent", true, true, 0 },
    { "packets", false, false, 0 },
    { "zlib", false, false, MULTIFD_PACKED_ZLIB },
    { "zstd", false, false, MULTIFD_PACKED_ZSTD },
    { "godwit-zstd", true, false, MULTIFD_PACKED_ZSTD },
};

static bool pace(void *opaque, uint64_t bytes, GError **errp)
{
    ((Rig *)opaque)->paces++;
    return true;
}

static void connect_all(Rig *r, const Mode *m)
{
    static const uint8_t uuid[16];
    const MultifdSendOptions opts = { .records = m->godwit,
                                      .absent = m->absent,
                                      .packed = m->packed,
                                      .level = 1,
                                      .wide_scanner = true };
    GError *err = NULL;

    r->send = multifd_send_new();
    for (int i = 0; i < CHANNELS; i++) {
        g_assert_true(multifd_send_add(r->send, mw_connect(&r->w), uuid, &err));
    }
    g_assert_true(multifd_send_start(r->send, &opts, &err));
    g_assert_cmpint(multifd_send_finds_zeros(r->send), ==,
                    m->godwit && m->packed == 0);
}

/* The stream is written to @ch; NULL: to memory. */
static void rig_init_to(Rig *r, const Mode *m, IoChannel *ch)
{
    RamBlockOptions o = { .size = MW_PAGES * MW_PAGE };
    RamSendOptions opts = { .wide_scanner = true, .pace = pace, .opaque = r };
    GError *err = NULL;

    memset(r, 0, sizeof(*r));
    mw_init(&r->w, CHANNELS, m->packed);
    vm_lock_acquire();
    memory_init(&r->mem);
    r->rb = ram_block_new(&r->mem.ram, "pc.ram", &o, &err);
    g_assert_no_error(err);
    vm_lock_release();
    r->marks = m->godwit;
    connect_all(r, m);
    if (m->godwit) {
        opts.features = WIRE_F_EXTENTS | WIRE_F_MULTIFD;
        opts.features |= m->absent ? WIRE_F_ABSENT : 0;
    }
    r->out = stream_out_new(ch);
    r->sink = page_sink_multifd_new(r->send, r->out, &opts, &err);
    g_assert_no_error(err);
}

static void rig_init(Rig *r, const Mode *m)
{
    rig_init_to(r, m, NULL);
}

static void rig_fini(Rig *r)
{
    page_sink_free(r->sink);
    stream_out_free(r->out);
    multifd_send_free(r->send);
    vm_lock_acquire();
    ram_block_free(&r->mem.ram, r->rb);
    memory_fini(&r->mem);
    vm_lock_release();
    mw_fini(&r->w);
}

/* What the stream has is loaded, up to where the channels are in step. */
static void end_pass(Rig *r)
{
    g_autoptr(StreamIn) in = NULL;
    GError *err = NULL;
    const uint8_t *data;
    size_t len;

    g_assert_true(r->sink->ops->end(r->sink, &err));
    stream_put_be64(r->out, RAM_REC_EOS);
    data = stream_out_data(r->out, &len);
    in = stream_in_new_mem(data, len);
    ram_load_section(r->w.load, in, &err);
    g_assert_no_error(err);
    stream_out_reset(r->out);
}

static void check_same(Rig *r)
{
    g_assert_cmpmem(r->rb->host, MW_PAGES * MW_PAGE, r->w.rb->host,
                    MW_PAGES * MW_PAGE);
}

static void one_pass(Rig *r, PagePass pass)
{
    const PageWindow w = {
        .rb = r->rb,
        .npages = MW_PAGES,
        .todo = r->todo,
        .n = bitmap_count(r->todo, 0, MW_PAGES),
    };
    GError *err = NULL;

    r->sink->ops->begin(r->sink, pass);
    g_assert_true(r->sink->ops->pages(r->sink, &w, &err));
    end_pass(r);
    check_same(r);
}

/* Some pages change: to zero, to noise, to something that packs well. */
static void change_some(Rig *r, unsigned one_in)
{
    bitmap_clear(r->todo, 0, MW_PAGES);
    for (int i = 0; i < MW_PAGES; i++) {
        uint32_t *page = (uint32_t *)(r->rb->host + i * MW_PAGE);
        uint32_t kind = g_test_rand_int() % 3;

        if (g_test_rand_int() % one_in != 0) {
            continue;
        }
        for (size_t k = 0; k < MW_PAGE / 4; k++) {
            page[k] = kind == 0   ? 0
                      : kind == 1 ? (uint32_t)g_test_rand_int()
                                  : k / 9;
        }
        bitmap_set(r->todo, i, 1);
    }
}

static void test_passes(const void *opaque)
{
    PageSinkStats st;
    uint64_t due = 0;
    Rig r;

    rig_init(&r, opaque);
    ram_load_set_multifd(r.w.load, r.w.recv);
    if (r.marks) {
        ram_load_set_marked(r.w.load);
    }
    end_pass(&r); /* the list of blocks */
    for (int pass = 0; pass < 12; pass++) {
        change_some(&r, pass == 0 ? 1 : pass == 11 ? 100 : 1 + pass % 5);
        due += bitmap_count(r.todo, 0, MW_PAGES);
        one_pass(&r, pass == 0    ? PASS_FIRST
                     : pass == 11 ? PASS_LAST
                                  : PASS_NEXT);
    }
    r.sink->ops->stats(r.sink, &st);
    g_assert_cmpuint(st.normal_pages + st.zero_pages, ==, due);
    g_assert_cmpuint(st.zero_pages, >, due / 5);
    g_assert_cmpuint(r.paces, >, 12);
    g_assert_true(multifd_recv_close(r.w.recv, NULL));
    rig_fini(&r);
}

/* Of what was put since, `n` sections are loaded. */
static void load_sections(Rig *r, int n)
{
    size_t len;
    const uint8_t *data = stream_out_data(r->out, &len);
    g_autoptr(StreamIn) in = stream_in_new_mem(data, len);
    GError *err = NULL;

    while (n-- > 0) {
        ram_load_section(r->w.load, in, &err);
        g_assert_no_error(err);
    }
    stream_out_reset(r->out);
}

/*
 * A last pass that was undone is still on its way in the stream when the next
 * one sends the same pages by channels.
 */
static void test_undone(void)
{
    PageWindow w;
    GError *err = NULL;
    Rig r;

    rig_init(&r, &modes[0]);
    ram_load_set_multifd(r.w.load, r.w.recv);
    ram_load_set_marked(r.w.load);
    end_pass(&r);
    for (int pass = 0; pass < 2; pass++) {
        change_some(&r, 1);
        memset(r.rb->host, 1 + pass, MW_PAGE);
        w = (PageWindow){
            .rb = r.rb, .npages = MW_PAGES, .todo = r.todo, .n = MW_PAGES
        };
        r.sink->ops->begin(r.sink, pass == 0 ? PASS_LAST : PASS_NEXT);
        g_assert_true(r.sink->ops->pages(r.sink, &w, &err));
        if (pass == 0) {
            g_assert_true(r.sink->ops->end(r.sink, &err));
            stream_put_be64(r.out, RAM_REC_EOS);
        }
    }
    /* By now they would be there, if nothing held them. */
    g_usleep(20000);
    g_assert_cmpuint(r.w.rb->host[0], ==, 0);
    stream_put_be64(r.out, RAM_REC_EOS);
    load_sections(&r, 2);
    end_pass(&r);
    check_same(&r);
    rig_fini(&r);
}

typedef struct Loader {
    Thread thread;
    RamLoad *load;
    IoChannel *ch;
    int sections;
} Loader;

static void *load_stream(void *opaque)
{
    Loader *l = opaque;
    g_autoptr(StreamIn) in = stream_in_new(l->ch);
    GError *err = NULL;

    for (int i = 0; i < l->sections; i++) {
        ram_load_section(l->load, in, &err);
        g_assert_no_error(err);
    }
    return NULL;
}

/*
 * The destination reads no channel before it has read the mark behind an undone
 * pass, and there is more to send than channels take unread.
 */
static void test_undone_long(void)
{
    const PagePass passes[] = { PASS_LAST, PASS_NEXT };
    IoChannel *ends[2];
    GError *err = NULL;
    Loader l;
    Rig r;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    for (int i = 0; i < 2; i++) {
        ends[i] = io_channel_new_socket(fds[i], "stream", NULL);
    }
    rig_init_to(&r, &modes[0], ends[0]);
    ram_load_set_multifd(r.w.load, r.w.recv);
    ram_load_set_marked(r.w.load);
    l = (Loader){ .load = r.w.load, .ch = ends[1], .sections = 3 };
    g_assert_true(thread_create(&l.thread, "load", load_stream, &l, NULL));
    g_assert_true(r.sink->ops->end(r.sink, &err));
    stream_put_be64(r.out, RAM_REC_EOS);
    bitmap_set(r.todo, 0, MW_PAGES);
    for (size_t i = 0; i < G_N_ELEMENTS(passes); i++) {
        const PageWindow w = {
            .rb = r.rb, .npages = MW_PAGES, .todo = r.todo, .n = MW_PAGES
        };

        memset(r.rb->host, 1 + i, MW_PAGES * MW_PAGE);
        r.sink->ops->begin(r.sink, passes[i]);
        g_assert_true(r.sink->ops->pages(r.sink, &w, &err));
        g_assert_true(r.sink->ops->end(r.sink, &err));
        stream_put_be64(r.out, RAM_REC_EOS);
        g_assert_true(stream_out_flush(r.out, &err));
    }
    thread_join(&l.thread);
    check_same(&r);
    rig_fini(&r);
    for (int i = 0; i < 2; i++) {
        io_channel_unref(ends[i]);
    }
}

/* The destination has gone: an error that names a channel, and no wait. */
static void test_dead(const void *opaque)
{
    GError *err = NULL;
    PageWindow w;
    Rig r;

    rig_init(&r, opaque);
    multifd_recv_shutdown(r.w.recv);
    change_some(&r, 1);
    w = (PageWindow){
        .rb = r.rb, .npages = MW_PAGES, .todo = r.todo, .n = MW_PAGES
    };
    r.sink->ops->begin(r.sink, PASS_FIRST);
    while (r.sink->ops->pages(r.sink, &w, &err)) {
    }
    g_assert_true(g_str_has_prefix(err->message, "multifd channel "));
    g_assert_nonnull(strstr(err->message, "write failed"));
    g_clear_error(&err);
    g_assert_false(r.sink->ops->end(r.sink, &err));
    g_clear_error(&err);
    rig_fini(&r);
}

/* Nobody reads: a shutdown from elsewhere ends the wait. */
static void test_cancel(void)
{
    static const uint8_t uuid[16];
    const MultifdSendOptions opts = { .records = true, .wide_scanner = true };
    GError *err = NULL;
    int fds[2];
    Rig r;

    rig_init(&r, &modes[0]);
    multifd_send_stop(r.send);
    page_sink_free(r.sink);
    multifd_send_free(r.send);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    r.send = multifd_send_new();
    multifd_send_add(r.send, io_channel_new_socket(fds[0], "deaf", NULL), uuid,
                     NULL);
    g_assert_true(multifd_send_start(r.send, &opts, NULL));
    r.sink = page_sink_multifd_new(
        r.send, r.out,
        &(RamSendOptions){ .features = WIRE_F_MULTIFD | WIRE_F_EXTENTS,
                           .pace = pace,
                           .opaque = &r },
        NULL);
    memset(r.rb->host, 1, MW_PAGES * MW_PAGE);
    for (int i = 0; i < 2; i++) {
        MultifdJob *job = multifd_send_get(r.send, NULL);

        job->rb = r.rb;
        job->npages = job->runs[0].n = multifd_job_room(r.send);
        job->runs[0].page = 0;
        job->nruns = 1;
        multifd_send_queue(r.send, job);
    }
    g_assert_cmpuint(multifd_send_charged(r.send), >=,
                     multifd_job_room(r.send) * MW_PAGE);
    {
        GThread *t =
            g_thread_new("shut", (GThreadFunc)(void *)multifd_send_shutdown,
                         r.send);

        g_assert_null(multifd_send_get(r.send, &err));
        g_thread_join(t);
    }
    g_assert_nonnull(strstr(err->message, "multifd channel 0: deaf: write"));
    g_clear_error(&err);
    close(fds[1]);
    rig_fini(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_autofree char *path =
            g_strdup_printf("/multifd/passes/%s", modes[i].name);

        g_test_add_data_func(path, &modes[i], test_passes);
    }
    g_test_add_data_func("/multifd/dead/records", &modes[0], test_dead);
    g_test_add_data_func("/multifd/dead/zlib", &modes[3], test_dead);
    g_test_add_func("/multifd/undone", test_undone);
    g_test_add_func("/multifd/undone-long", test_undone_long);
    g_test_add_func("/multifd/cancel", test_cancel);
    return g_test_run();
}
