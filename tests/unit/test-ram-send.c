/*
 * Unit test: what the sender of guest memory arms, asks, sends and counts.
 *
 * The kernel's answers about pages come from a bitmap here, a listener writes
 * down what is armed, and the records are taken apart again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "io/file.h"
#include "migration/ram-send.h"
#include "migration/wire.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/rcu.h"

enum { PAGES = 76000 /* more than one window of 65536 */ };

/* What the kernel knows, and how it answers. */
typedef struct Kernel {
    const uint8_t *host;
    unsigned long exists[PAGES / 64 + 1];
    bool no_scan;       /* before Linux 6.7 */
    unsigned scan_ends; /* scans that work, 0: all */
    bool no_read;
    unsigned scans, reads, regions;
} Kernel;

static Kernel kernel;

static int fake_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int fake_scan(int fd, PmScanArg *arg)
{
    PmPageRegion *out = (PmPageRegion *)(uintptr_t)arg->vec;
    uint64_t base = (uintptr_t)kernel.host;
    uint64_t end = (arg->end - base) / RAM_PAGE_SIZE;
    unsigned n = 0;

    if (kernel.no_scan) {
        errno = ENOTTY;
        return -1;
    }
    if (arg->vec_len == 0) {
        return 0; /* the probe */
    }
    if (kernel.scan_ends > 0 && ++kernel.scans > kernel.scan_ends) {
        return kernel.scans % 2 ? 0 : -1; /* walk_end doesn't move, or fails */
    }
    kernel.scans += kernel.scan_ends == 0;
    for (uint64_t i = (arg->start - base) / RAM_PAGE_SIZE; i < end;) {
        uint64_t lo = bitmap_find_next(kernel.exists, end, i);

        if (n == arg->vec_len && lo < end) {
            arg->walk_end = base + lo * RAM_PAGE_SIZE;
            return n;
        }
        i = MIN(bitmap_find_next_zero(kernel.exists, end, lo), end);
        if (lo < end) {
            out[n++] = (PmPageRegion){ .start = base + lo * RAM_PAGE_SIZE,
                                       .end = base + i * RAM_PAGE_SIZE };
            kernel.regions++;
        }
    }
    arg->walk_end = arg->end;
    return n;
}

/* Two pages less than asked for, if that can be. */
static ssize_t fake_read(int fd, void *buf, size_t len, off_t at)
{
    uint64_t first = at / 8 - (uintptr_t)kernel.host / RAM_PAGE_SIZE;
    uint64_t *entries = buf;
    size_t n = len / 8;

    kernel.reads++;
    if (kernel.no_read) {
        return -1;
    }
    n = n > 2 ? n - 2 : n;
    for (size_t i = 0; i < n; i++) {
        entries[i] = bitmap_test(kernel.exists, first + i)
                         ? UINT64_C(1) << (62 + i % 2)
                         : 0;
    }
    return n * 8;
}

static const PresenceOps fake_ops = {
    .open = fake_open,
    .scan = fake_scan,
    .read = fake_read,
};

typedef struct Rig {
    Memory mem;
    MemoryRegion ram;
    MemoryListener listener;
    unsigned long armed[PAGES / 64 + 1];
    unsigned arms, singles;
    uint64_t appears; /* a page; 0: none */
    bool extents;     /* the peer knows them */
    StreamOut *out;
    RamSend *send;
    uint64_t paced; /* the last bytes that pace was told */
    unsigned paces;
    unsigned long sent[PAGES / 64 + 1], zero[PAGES / 64 + 1];
    uint64_t nsent, nzero, records;
} Rig;

/* A guest or a device stores to pages, which exist from then on. */
static void store(Rig *r, uint64_t first, uint64_t n)
{
    bitmap_set(kernel.exists, first, n);
    for (uint64_t i = first; i < first + n; i++) {
        r->ram.ram->host[i * RAM_PAGE_SIZE + i % RAM_PAGE_SIZE] = 1;
    }
}

static void on_clear(MemoryListener *l, const MemorySection *s)
{
    Rig *r = container_of(l, Rig, listener);

    bitmap_set(r->armed, s->offset >> RAM_PAGE_BITS, s->size >> RAM_PAGE_BITS);
    r->arms++;
    r->singles += s->size == RAM_PAGE_SIZE;
    /* Just before it is armed, a guest touches this page. */
    if (r->appears && s->size == 3 * RAM_PAGE_SIZE) {
        store(r, r->appears, 1);
    }
}

static bool pace(void *opaque, uint64_t bytes, GError **errp)
{
    Rig *r = opaque;

    g_assert_cmpuint(bytes, >=, r->paced + (1 << 20));
    r->paced = bytes;
    r->paces++;
    return true;
}

static Rig *rig_new(uint64_t features, IoChannel *ch)
{
    Rig *r = g_new0(Rig, 1);
    RamSendOptions opts = {
        .features = features, .presence = &fake_ops, .pace = pace, .opaque = r
    };
    GError *err = NULL;

    r->extents = features & WIRE_F_EXTENTS;
    vm_lock_acquire();
    memory_init(&r->mem);
    memory_region_init_ram(&r->ram, &r->mem, "pc.ram", PAGES * RAM_PAGE_SIZE,
                           &err);
    g_assert_no_error(err);
    memory_region_add(&r->mem.root, 0, &r->ram, 0);
    r->listener = (MemoryListener){ .name = "recorder", .log_clear = on_clear };
    memory_listener_add(&r->listener, &r->mem.memory);
    kernel.host = r->ram.ram->host;
    vm_lock_release();
    r->out = stream_out_new(ch);
    r->send = ram_send_new(&r->mem, r->out, &opts, &err);
    g_assert_no_error(err);
    g_assert_true(ram_send_setup(r->send, &err));
    if (ch == NULL) {
        stream_out_reset(r->out);
        r->paced = stream_out_bytes(r->out);
    }
    VM_LOCK_GUARD();
    g_assert_true(memory_dirty_log_start(&r->mem, &err));
    return r;
}

static void rig_free(Rig *r)
{
    ram_send_free(r->send);
    stream_out_free(r->out);
    vm_lock_acquire();
    memory_dirty_log_stop(&r->mem);
    memory_listener_del(&r->listener);
    memory_region_fini(&r->ram);
    memory_fini(&r->mem);
    vm_lock_release();
    g_free(r);
    memset(&kernel, 0, sizeof(kernel));
}

/* As far as the log sees it. */
static void store_logged(Rig *r, uint64_t first, uint64_t n)
{
    store(r, first, n);
    ram_block_set_dirty(&r->mem.ram, r->ram.ram, first * RAM_PAGE_SIZE,
                        n * RAM_PAGE_SIZE);
}

/* Notes a run of pages; each of them once. */
static void note(unsigned long *map, uint64_t first, uint64_t n)
{
    g_assert_false(bitmap_test_any(map, first, n));
    bitmap_set(map, first, n);
}

static void take_apart(Rig *r)
{
    size_t len;
    const uint8_t *p = stream_out_data(r->out, &len);
    g_autoptr(StreamIn) in = stream_in_new_mem(p, len);
    uint64_t head;

    memset(r->sent, 0, sizeof(r->sent));
    memset(r->zero, 0, sizeof(r->zero));
    r->records = 0;
    while ((head = stream_get_be64(in)) != RAM_REC_EOS) {
        uint64_t page = head >> RAM_PAGE_BITS, n = 1;
        char name[256];

        if (!(head & RAM_REC_CONTINUE)) {
            g_assert_cmpuint(r->records, ==, 0);
            stream_get_str8(in, name);
            g_assert_cmpstr(name, ==, "pc.ram");
        }
        r->records++;
        if (head & RAM_REC_EXTENT) {
            g_assert_true(r->extents);
            n = stream_get_be32(in);
        }
        if (head & RAM_REC_FILL) {
            note(r->zero, page, n);
            if (!(head & RAM_REC_EXTENT)) {
                g_assert_cmpuint(stream_get_u8(in), ==, 0);
            }
            continue;
        }
        g_assert_true(head & (RAM_REC_EXTENT | RAM_REC_PAGE));
        note(r->sent, page, n);
        for (uint64_t i = 0; i < n; i++) {
            uint8_t copy[RAM_PAGE_SIZE];

            g_assert_true(stream_get(in, copy, sizeof(copy)));
            g_assert_cmpmem(copy, sizeof(copy),
                            kernel.host + (page + i) * RAM_PAGE_SIZE,
                            RAM_PAGE_SIZE);
        }
    }
    g_assert_cmpuint(stream_in_bytes(in), ==, len);
    r->nsent = bitmap_count(r->sent, 0, PAGES);
    r->nzero = bitmap_count(r->zero, 0, PAGES);
    stream_out_reset(r->out);
    r->paced = stream_out_bytes(r->out);
}

/* A pass: what it sends, and what it arms, from nothing. */
static void pass(Rig *r)
{
    GError *err = NULL;

    memset(r->armed, 0, sizeof(r->armed));
    r->arms = 0;
    ram_send_pass(r->send, &err);
    g_assert_no_error(err);
    take_apart(r);
}

static void finish(Rig *r)
{
    GError *err = NULL;

    memset(r->armed, 0, sizeof(r->armed));
    r->arms = 0;
    ram_send_finish(r->send, &err);
    g_assert_no_error(err);
    take_apart(r);
}

static uint64_t remaining(Rig *r)
{
    RamSendStats st;

    ram_send_get_stats(r->send, &st);
    return st.remaining_pages;
}

static void assert_only(const unsigned long *map, uint64_t first, uint64_t n)
{
    g_assert_true(bitmap_test_all(map, first, n));
    g_assert_cmpuint(bitmap_count(map, 0, PAGES), ==, n);
}

/* Absent pages are not armed; one that comes to exist is found and sent. */
static void test_absent(void)
{
    Rig *r = rig_new(WIRE_F_ABSENT | WIRE_F_EXTENTS, NULL);
    RamSendStats st;

    store(r, 1000, 100);
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, PAGES);
    pass(r);
    assert_only(r->armed, 1000, 100);
    assert_only(r->sent, 1000, 100);
    g_assert_cmpuint(r->nzero, ==, 0);
    g_assert_cmpuint(remaining(r), ==, 0);
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 0);
    g_assert_cmpuint(remaining(r), ==, 0);
    /* The last and the first page of a range, of the block, of a window. */
    store(r, 999, 1);
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 1);
    pass(r);
    assert_only(r->sent, 999, 1);
    assert_only(r->armed, 999, 1);
    store(r, 1100, 1);
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 1);
    pass(r);
    assert_only(r->sent, 1100, 1);
    store(r, 0, 1);
    store(r, PAGES - 1, 1);
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 2);
    pass(r);
    g_assert_true(bitmap_test(r->armed, 0));
    g_assert_true(bitmap_test(r->armed, PAGES - 1));
    g_assert_cmpuint(r->arms, ==, 2);
    g_assert_cmpuint(r->nsent, ==, 2);
    store(r, 65535, 2);
    g_assert_cmpuint(ram_send_sync(r->send, true), ==, 2);
    finish(r);
    assert_only(r->sent, 65535, 2);
    g_assert_cmpuint(r->arms, ==, 0);
    ram_send_get_stats(r->send, &st);
    g_assert_cmpuint(st.normal_pages, ==, 106);
    g_assert_cmpuint(st.zero_pages, ==, PAGES - 100); /* untouched at first */
    g_assert_cmpuint(st.syncs, ==, 6);
    g_assert_cmpuint(st.dirtied_pages, ==, 2);
    g_assert_cmpuint(st.total_bytes, ==, PAGES * RAM_PAGE_SIZE);
    rig_free(r);
}

/* A peer that knows no absent pages is told of each of them once. */
static void test_told(const void *features)
{
    Rig *r = rig_new(GPOINTER_TO_UINT(features), NULL);

    store(r, 64, 10);
    bitmap_set(kernel.exists, 65530, 10); /* zeros, but there */
    ram_send_sync(r->send, false);
    pass(r);
    assert_only(r->sent, 64, 10);
    g_assert_cmpuint(r->nzero, ==, PAGES - 10);
    g_assert_false(bitmap_test_any(r->zero, 64, 10));
    if (GPOINTER_TO_UINT(features) & WIRE_F_EXTENTS) {
        g_assert_cmpuint(r->records, <, 20);
    }
    ram_send_sync(r->send, false);
    pass(r);
    g_assert_cmpuint(r->records, ==, 0);
    /* One that becomes zero again is sent as such, to everybody. */
    r->ram.ram->host[64 * RAM_PAGE_SIZE + 64] = 0;
    ram_block_set_dirty(&r->mem.ram, r->ram.ram, 64 * RAM_PAGE_SIZE + 64, 1);
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 1);
    pass(r);
    assert_only(r->zero, 64, 1);
    rig_free(r);
}

/* More regions than one scan returns. */
static void test_many_regions(void)
{
    Rig *r = rig_new(WIRE_F_ABSENT | WIRE_F_EXTENTS, NULL);

    ram_send_sync(r->send, false);
    pass(r);
    g_assert_cmpuint(r->nsent, ==, 0);
    for (unsigned i = 0; i < 1500; i++) {
        store(r, 3 + i * 50, 1);
    }
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 1500);
    pass(r);
    g_assert_cmpuint(r->nsent, ==, 1500);
    rig_free(r);
}

/* A scan that ends early, with an error or without, isn't the whole truth. */
static void test_scan_ends(void)
{
    for (unsigned i = 0; i < 2; i++) {
        Rig *r = rig_new(WIRE_F_ABSENT | WIRE_F_EXTENTS, NULL);

        ram_send_sync(r->send, false);
        pass(r);
        store(r, 70000, 10);
        kernel.scan_ends = 1;
        kernel.scans = 1 + i;
        g_assert_cmpuint(ram_send_sync(r->send, false), ==, 10);
        g_assert_cmpuint(kernel.reads, >, 0);
        pass(r);
        assert_only(r->sent, 70000, 10);
        store(r, 75000, 10);
        kernel.no_read = true;
        kernel.scans = 1 + i;
        /* Nothing is known: everything counts. */
        g_assert_cmpuint(ram_send_sync(r->send, false), >=, PAGES - 20);
        pass(r);
        g_assert_true(bitmap_test_all(r->sent, 75000, 10));
        rig_free(r);
    }
}

/* Without the ioctl all is armed at first, and nothing is asked later. */
static void test_no_scan(void)
{
    Rig *r;
    unsigned reads;

    kernel.no_scan = true;
    r = rig_new(WIRE_F_ABSENT | WIRE_F_EXTENTS, NULL);
    store(r, 100, 3);
    store(r, 70000, 1);
    store(r, PAGES - 1, 1);
    ram_send_sync(r->send, false);
    pass(r);
    assert_only(r->armed, 0, PAGES);
    g_assert_cmpuint(r->nsent, ==, 5);
    g_assert_true(bitmap_test_all(r->sent, 100, 3));
    g_assert_true(bitmap_test(r->sent, 70000));
    g_assert_true(bitmap_test(r->sent, PAGES - 1));
    reads = kernel.reads;
    g_assert_cmpuint(reads, >, 0);
    store_logged(r, 5000, 2);
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 2);
    pass(r);
    assert_only(r->sent, 5000, 2);
    assert_only(r->armed, 5000, 2);
    g_assert_cmpuint(ram_send_sync(r->send, true), ==, 0);
    g_assert_cmpuint(kernel.reads, ==, reads);
    rig_free(r);
}

/* Of many ranges of absent pages only the longest are asked about. */
static void test_many_spans(void)
{
    enum { STEP = 1092, FIRST = 10, SPANS = 69, ASKED = 64 };
    Rig *r = rig_new(WIRE_F_ABSENT | WIRE_F_EXTENTS, NULL);
    g_autofree unsigned long *none = bitmap_new(PAGES);

    bitmap_set(kernel.exists, 0, PAGES);
    for (unsigned i = 0; i < SPANS; i++) {
        /* Number 60 crosses from one window into the next. */
        bitmap_clear(kernel.exists, FIRST + i * STEP,
                     i < 3     ? 1
                     : i == 60 ? 12
                               : 30);
    }
    ram_send_sync(r->send, false);
    pass(r);
    /* Both windows; then the five shortest ranges, one of them in two parts. */
    g_assert_cmpuint(r->arms, ==, 2 + 6);
    g_assert_cmpuint(r->singles, ==, 3);
    kernel.scans = 0;
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 0);
    g_assert_cmpuint(kernel.scans, ==, ASKED);
    /* The bits of those that are asked about were never taken. */
    g_assert_cmpuint(memory_dirty_log_count(r->ram.ram, PAGES, none), ==,
                     ASKED * 30);
    g_assert_cmpuint(memory_dirty_log_count(r->ram.ram, FIRST + 3 * STEP, none),
                     ==, 0);
    /* A page is found whoever looks after it. */
    store_logged(r, FIRST, 1);
    store_logged(r, FIRST + 60 * STEP + 5, 2);
    store(r, FIRST + 10 * STEP, 1);
    store(r, FIRST + 67 * STEP + 29, 1);
    g_assert_cmpuint(ram_send_sync(r->send, true), ==, 5);
    rig_free(r);
}

/* What came to exist before it was armed isn't lost by being armed. */
static void test_armed_late(void)
{
    enum { STEP = 1092, SPANS = 66 };
    Rig *r = rig_new(WIRE_F_ABSENT | WIRE_F_EXTENTS, NULL);

    bitmap_set(kernel.exists, 0, PAGES);
    for (unsigned i = 0; i < SPANS; i++) {
        bitmap_clear(kernel.exists, i * STEP, i < 2 ? 3 : 30);
    }
    r->appears = STEP + 1;
    ram_send_sync(r->send, false);
    pass(r);
    g_assert_false(bitmap_test(r->sent, STEP + 1));
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 1);
    pass(r);
    assert_only(r->sent, STEP + 1, 1);
    rig_free(r);
}

/* Ranges that few pages lie between are asked about at once. */
static void test_near_spans(void)
{
    Rig *r = rig_new(WIRE_F_ABSENT | WIRE_F_EXTENTS, NULL);

    bitmap_set(kernel.exists, 2000, 1024);
    bitmap_set(kernel.exists, 4000, 1025);
    ram_send_sync(r->send, false);
    pass(r);
    kernel.scans = 0;
    ram_send_sync(r->send, false);
    g_assert_cmpuint(kernel.scans, ==, 2);
    rig_free(r);
}

/* An attempt that was undone leaves dirty what was; the next pass arms it. */
static void test_undone(void)
{
    Rig *r = rig_new(WIRE_F_ABSENT | WIRE_F_EXTENTS, NULL);

    store(r, 64, 20);
    ram_send_sync(r->send, false);
    pass(r);
    for (unsigned i = 0; i < 3; i++) {
        store_logged(r, 70, 2);
        g_assert_cmpuint(ram_send_sync(r->send, true), ==, 2);
        finish(r);
        assert_only(r->sent, 70, 2);
        g_assert_cmpuint(r->arms, ==, 0);
        g_assert_cmpuint(remaining(r), ==, 0);
    }
    pass(r);
    assert_only(r->sent, 70, 2);
    assert_only(r->armed, 70, 2);
    g_assert_cmpuint(ram_send_sync(r->send, true), ==, 0);
    finish(r);
    g_assert_cmpuint(r->records, ==, 0);
    rig_free(r);
}

/* Pages by themselves for a plain peer; extents of at most 256, else. */
static void test_records(void)
{
    Rig *r = rig_new(WIRE_F_EXTENTS | WIRE_F_ABSENT, NULL);

    store(r, 0, 600);
    ram_send_sync(r->send, false);
    pass(r);
    g_assert_cmpuint(r->records, ==, 3);
    g_assert_cmpuint(r->paces, ==, 2);
    rig_free(r);
    r = rig_new(WIRE_F_ABSENT, NULL);
    store(r, 0, 600);
    ram_send_sync(r->send, false);
    pass(r);
    g_assert_cmpuint(r->records, ==, 600);
    g_assert_cmpuint(r->paces, ==, 2);
    rig_free(r);
}

/* A cancel ends the pass at the next flush. */
static bool refuse(void *opaque, uint64_t bytes, GError **errp)
{
    error_setf(errp, "enough");
    return false;
}

static void test_refused(void)
{
    Rig *r = rig_new(WIRE_F_EXTENTS | WIRE_F_ABSENT, NULL);
    RamSendOptions opts = { .features = WIRE_F_EXTENTS,
                            .presence = &fake_ops,
                            .pace = refuse };
    g_autoptr(GError) err = NULL;
    RamSend *send = ram_send_new(&r->mem, r->out, &opts, &err);

    store(r, 0, 256);
    ram_send_sync(send, false);
    g_assert_false(ram_send_pass(send, &err));
    g_assert_cmpstr(err->message, ==, "enough");
    ram_send_free(send);
    rig_free(r);
}

/* Late: the section ends, all stays dirty; a pass like that is an error. */
static void test_late(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(IoChannel) ch = NULL;
    int fds[2];
    Rig *r;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    ch = io_channel_new_fd(fds[0], NULL, &err);
    g_assert_no_error(err);
    r = rig_new(WIRE_F_EXTENTS | WIRE_F_ABSENT, ch);
    store(r, 0, 4096);
    ram_send_sync(r->send, true);
    io_channel_set_deadline_us(ch, g_get_monotonic_time() + 1000);
    stream_out_keep_late(r->out, true);
    g_assert_true(ram_send_finish(r->send, &err));
    g_assert_true(stream_out_is_late(r->out));
    g_assert_cmpuint(remaining(r), >, 0);
    g_assert_cmpuint(ram_send_sync(r->send, true), ==, PAGES);
    g_assert_false(ram_send_pass(r->send, &err));
    g_assert_nonnull(strstr(err->message, "late"));
    rig_free(r);
    close(fds[1]);
}

/* A block that grows meanwhile can't be described any more. */
static void test_resized(void)
{
    Rig *r = rig_new(WIRE_F_EXTENTS | WIRE_F_ABSENT, NULL);
    g_autoptr(GError) err = NULL;

    ram_send_sync(r->send, false);
    pass(r);
    r->ram.ram->used_length -= RAM_PAGE_SIZE;
    g_assert_false(ram_send_pass(r->send, &err));
    g_assert_nonnull(strstr(err->message, "pc.ram"));
    g_clear_error(&err);
    g_assert_false(ram_send_finish(r->send, &err));
    rig_free(r);
}

/* A card is ejected: who still looks at its block finds it, and says so. */
static void test_removed(void)
{
    Rig *r = rig_new(WIRE_F_EXTENTS | WIRE_F_ABSENT, NULL);
    RamSendOptions opts = { .features = WIRE_F_EXTENTS,
                            .pace = pace,
                            .opaque = r };
    RamBlockOptions size = { .size = 4 * RAM_PAGE_SIZE };
    g_autoptr(GError) err = NULL;
    RamBlock *rb;
    RamSend *send;

    {
        VM_LOCK_GUARD();
        rb = ram_block_new(&r->mem.ram, "card.rom", &size, &err);
        g_assert_no_error(err);
    }
    send = ram_send_new(&r->mem, r->out, &opts, &err);
    ram_send_sync(send, false);
    g_assert_true(ram_send_pass(send, &err));
    {
        VM_LOCK_GUARD();
        ram_block_free(&r->mem.ram, rb);
    }
    rcu_barrier();
    ram_send_sync(send, false);
    g_assert_false(ram_send_pass(send, &err));
    g_assert_cmpstr(err->message, ==,
                    "RAM block 'card.rom' was removed during the migration");
    g_clear_error(&err);
    g_assert_false(ram_send_finish(send, &err));
    ram_send_free(send);
    rig_free(r);
}

/* The guest tells of free pages when it is asked. */
static bool hints_start(void *opaque)
{
    Rig *r = opaque;
    FreeHints *h = &r->mem.hints;
    const RamBlock *rb = r->ram.ram;

    /* All is armed by now. */
    g_assert_true(bitmap_test_all(r->armed, 1000, 100));
    g_assert_true(bitmap_test_all(r->armed, 70000, 100));
    free_hints_report(h, rb, 1010 * RAM_PAGE_SIZE, 10 * RAM_PAGE_SIZE);
    /* Parts of pages aren't pages. */
    free_hints_report(h, rb, 70010 * RAM_PAGE_SIZE - 1, 2 * RAM_PAGE_SIZE);
    free_hints_report(h, rb, 70020 * RAM_PAGE_SIZE, RAM_PAGE_SIZE - 1);
    /* Absent ones; what is outside, and nothing. */
    free_hints_report(h, rb, 3000 * RAM_PAGE_SIZE, 10 * RAM_PAGE_SIZE);
    free_hints_report(h, rb, (PAGES - 1) * RAM_PAGE_SIZE, 64 * MiB);
    free_hints_report(h, rb, PAGES * RAM_PAGE_SIZE, RAM_PAGE_SIZE);
    free_hints_report(h, rb, 1050 * RAM_PAGE_SIZE, 0);
    /* Two of the free ones are used again. */
    store_logged(r, 1012, 1);
    store_logged(r, 3000, 1);
    return true;
}

static void hints_stop(void *opaque)
{
    Rig *r = opaque;

    free_hints_report(&r->mem.hints, r->ram.ram, 0, PAGES * RAM_PAGE_SIZE);
}

static const FreeHintSource hint_source = { .start = hints_start,
                                            .stop = hints_stop };

static bool no_start(void *opaque)
{
    return false;
}

static const FreeHintSource mute_source = { .start = no_start };

static void set_source(Rig *r, const FreeHintSource *s)
{
    VM_LOCK_GUARD();
    free_hints_set_source(&r->mem.hints, s, r);
}

/* Of all pages the free ones, and only they, aren't sent, nor told as zero. */
static void test_hints(const void *features)
{
    Rig *r = rig_new(GPOINTER_TO_UINT(features), NULL);
    RamSendStats st;

    set_source(r, &hint_source);
    store(r, 1000, 100);
    store(r, 70000, 100);
    store(r, PAGES - 1, 1);
    ram_send_sync(r->send, false);
    pass(r);
    ram_send_get_stats(r->send, &st);
    g_assert_cmpuint(st.free_pages, ==, 9 + 1 + 1);
    g_assert_cmpuint(r->nsent, ==, 201 - 11);
    g_assert_true(bitmap_test(r->sent, 1012));
    g_assert_false(bitmap_test_any(r->sent, 1010, 2));
    g_assert_false(bitmap_test_any(r->sent, 1013, 7));
    g_assert_false(bitmap_test(r->sent, 70010));
    g_assert_false(bitmap_test(r->sent, PAGES - 1));
    g_assert_true(bitmap_test(r->sent, 70009));
    g_assert_true(bitmap_test(r->sent, 70011));
    g_assert_true(bitmap_test(r->sent, 70020));
    g_assert_cmpuint(r->nzero, ==,
                     GPOINTER_TO_UINT(features) & WIRE_F_ABSENT ? 0
                                                                : PAGES - 201);
    g_assert_cmpuint(remaining(r), ==, 0);
    /* What is used again comes in a later pass, in which nobody is asked. */
    store_logged(r, 1011, 1);
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 2);
    pass(r);
    g_assert_true(bitmap_test(r->sent, 1011));
    g_assert_true(bitmap_test(r->sent, 3000));
    g_assert_cmpuint(r->nsent, ==, 2);
    ram_send_get_stats(r->send, &st);
    g_assert_cmpuint(st.free_pages, ==, 11);
    set_source(r, NULL);
    rig_free(r);
}

/* Nobody answers: all is sent, once. */
static void test_no_hints(void)
{
    Rig *r = rig_new(WIRE_F_ABSENT | WIRE_F_EXTENTS, NULL);

    set_source(r, &mute_source);
    store(r, 1000, 100);
    ram_send_sync(r->send, false);
    pass(r);
    assert_only(r->sent, 1000, 100);
    g_assert_cmpuint(remaining(r), ==, 0);
    g_assert_cmpuint(ram_send_sync(r->send, false), ==, 0);
    set_source(r, NULL);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram-send/absent", test_absent);
    g_test_add_data_func("/ram-send/told/pages", GUINT_TO_POINTER(0),
                         test_told);
    g_test_add_data_func("/ram-send/told/extents",
                         GUINT_TO_POINTER(WIRE_F_EXTENTS), test_told);
    g_test_add_func("/ram-send/many-regions", test_many_regions);
    g_test_add_func("/ram-send/scan-ends", test_scan_ends);
    g_test_add_func("/ram-send/no-scan", test_no_scan);
    g_test_add_func("/ram-send/many-spans", test_many_spans);
    g_test_add_func("/ram-send/armed-late", test_armed_late);
    g_test_add_func("/ram-send/near-spans", test_near_spans);
    g_test_add_func("/ram-send/undone", test_undone);
    g_test_add_func("/ram-send/records", test_records);
    g_test_add_data_func("/ram-send/hints/plain", GUINT_TO_POINTER(0),
                         test_hints);
    g_test_add_data_func("/ram-send/hints/absent",
                         GUINT_TO_POINTER(WIRE_F_ABSENT | WIRE_F_EXTENTS),
                         test_hints);
    g_test_add_func("/ram-send/hints/none", test_no_hints);
    g_test_add_func("/ram-send/refused", test_refused);
    g_test_add_func("/ram-send/late", test_late);
    g_test_add_func("/ram-send/resized", test_resized);
    g_test_add_func("/ram-send/removed", test_removed);
    return g_test_run();
}
