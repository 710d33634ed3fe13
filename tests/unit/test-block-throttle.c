/*
 * Limits of I/O: what is allowed, how long requests wait, whose turn it is, and
 * who needn't wait: a stop, a reset, another medium.
 *
 * No test knows how fast the host is: what waits for an hour's bucket hasn't
 * begun, and what must not wait for it ends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <errno.h>
#include <glib/gstdio.h>

#include "block/throttle-priv.h"
#include "qom/object.h"
#include "system/iothread.h"
#include "util/error.h"

#define PENDING 1
#define MANY    40

/* Limits */

static IoLimits limits(ThrottleKind k, int64_t avg, int64_t max, int64_t length)
{
    IoLimits l = IO_NO_LIMITS;

    l.kind[k] = (IoLimit){ avg, max, length };
    return l;
}

static void test_limits_check(void)
{
    static const struct {
        IoLimit total, read;
        int64_t iops_size;
        const char *message; /* NULL: good */
    } t[] = {
        { { 100, 0, 1 }, { 0, 0, 1 }, 0, NULL },
        { { 100, 200, 60 }, { 0, 0, 1 }, 4096, NULL },
        { { 0, 0, 1 }, { 0, 0, 1 }, 0, NULL },
        { { THROTTLE_MAX, 0, 1 }, { 0, 0, 1 }, 0, NULL },
        { { THROTTLE_MAX + 1, 0, 1 }, { 0, 0, 1 }, 0, "must be within" },
        { { -1, 0, 1 }, { 0, 0, 1 }, 0, "must be within" },
        { { INT64_MIN, 0, 1 }, { 0, 0, 1 }, 0, "must be within" },
        { { 1, INT64_MAX, 1 }, { 0, 0, 1 }, 0, "must be within" },
        { { 100, 0, 1 }, { 50, 0, 1 }, 0, "at the same time" },
        { { 100, 200, 1 }, { 0, 50, 1 }, 0, "at the same time" },
        { { 100, 50, 1 }, { 0, 0, 1 }, 0, "cannot be lower" },
        { { 0, 50, 1 }, { 0, 0, 1 }, 0, "require corresponding" },
        { { 1, 0, 0 }, { 0, 0, 1 }, 0, "cannot be 0" },
        { { 1, 2, -1 }, { 0, 0, 1 }, 0, "cannot be negative" },
        { { 1, 0, 5 }, { 0, 0, 1 }, 0, "without burst rate" },
        { { 1, THROTTLE_MAX, 2 }, { 0, 0, 1 }, 0, "too high" },
        { { 1, 2, INT64_MAX }, { 0, 0, 1 }, 0, "too high" },
        { { 0, 0, 1 }, { 0, 0, 1 }, 1, "requires an iops value" },
        { { 1, 0, 1 }, { 0, 0, 1 }, -1, "iops_size must be within" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        IoLimits l = IO_NO_LIMITS;
        bool ok;

        l.kind[THROTTLE_IOPS_TOTAL] = t[i].total;
        l.kind[THROTTLE_IOPS_READ] = t[i].read;
        l.iops_size = t[i].iops_size;
        ok = io_limits_check(&l, &err);
        g_assert_cmpint(ok, ==, t[i].message == NULL);
        if (!ok) {
            g_assert_nonnull(strstr(err->message, t[i].message));
        }
    }
}

/* How many requests begin from `from` to `to`; seconds. */
static unsigned begin_between(ThrottleBuckets *b, const IoLimits *l, bool write,
                              uint64_t bytes, int64_t from, int64_t to)
{
    int64_t now = from * NSEC_PER_SEC;
    unsigned n = 0;

    for (;;) {
        int64_t wait = throttle_buckets_wait(b, l, write, now);

        now += wait;
        if (now >= to * NSEC_PER_SEC) {
            return n;
        }
        if (wait == 0) {
            throttle_buckets_add(b, l, write, bytes);
            n++;
        }
    }
}

static void test_buckets_rate(void)
{
    ThrottleBuckets b = { .leaked_ns = 0 };
    IoLimits l = limits(THROTTLE_IOPS_TOTAL, 100, 0, 1);
    unsigned n = begin_between(&b, &l, false, 512, 0, 10);

    /* Within the tenth of a second that may be asked for at once. */
    g_assert_cmpuint(n, >=, 1000);
    g_assert_cmpuint(n, <=, 1011);
    n = begin_between(&b, &l, true, 512, 10, 20);
    g_assert_cmpuint(n, >=, 989);
    g_assert_cmpuint(n, <=, 1011);

    b = (ThrottleBuckets){ .leaked_ns = 0 };
    l = limits(THROTTLE_BPS_WRITE, MiB, 0, 1);
    n = begin_between(&b, &l, true, 4 * MiB, 0, 41);
    g_assert_cmpuint(n, >=, 10);
    g_assert_cmpuint(n, <=, 11);
    /* Reads aren't limited. */
    g_assert_cmpint(throttle_buckets_wait(&b, &l, false, 0), ==, 0);

    /* A request counts as many times as it has pieces of that size. */
    b = (ThrottleBuckets){ .leaked_ns = 0 };
    l = limits(THROTTLE_IOPS_READ, 100, 0, 1);
    l.iops_size = 4096;
    n = begin_between(&b, &l, false, 40960, 0, 10);
    g_assert_cmpuint(n, >=, 100);
    g_assert_cmpuint(n, <=, 102);
}

static void test_buckets_burst(void)
{
    ThrottleBuckets b = { .leaked_ns = 0 };
    IoLimits l = limits(THROTTLE_IOPS_TOTAL, 10, 1000, 1);
    unsigned n = begin_between(&b, &l, false, 512, 0, 1);

    g_assert_cmpuint(n, >=, 1000);
    g_assert_cmpuint(n, <=, 1011);
    n = begin_between(&b, &l, false, 512, 1, 11);
    g_assert_cmpuint(n, >=, 99);
    g_assert_cmpuint(n, <=, 101);

    /* As fast as the burst's rate allows, for that long. */
    b = (ThrottleBuckets){ .leaked_ns = 0 };
    l = limits(THROTTLE_IOPS_TOTAL, 10, 100, 10);
    for (int64_t s = 0; s < 10; s++) {
        n = begin_between(&b, &l, false, 512, s, s + 1);
        g_assert_cmpuint(n, >=, 100);
        g_assert_cmpuint(n, <=, 111);
    }
    begin_between(&b, &l, false, 512, 10, 15);
    n = begin_between(&b, &l, false, 512, 15, 25);
    g_assert_cmpuint(n, <=, 101);
}

/* The largest numbers neither overflow nor hang. */
static void test_buckets_extremes(void)
{
    ThrottleBuckets b = { .leaked_ns = INT64_MIN / 2 };
    IoLimits l = limits(THROTTLE_BPS_TOTAL, 1, 0, 1);
    int64_t wait;

    throttle_buckets_add(&b, &l, true, UINT64_MAX);
    wait = throttle_buckets_wait(&b, &l, false, INT64_MIN / 2);
    g_assert_cmpint(wait, >, 0);
    g_assert_cmpint(wait, <=, 3601 * NSEC_PER_SEC);
    wait = throttle_buckets_wait(&b, &l, false, INT64_MAX / 4);
    g_assert_cmpint(wait, >, 0);
    l = limits(THROTTLE_BPS_TOTAL, THROTTLE_MAX, THROTTLE_MAX, 1);
    b = (ThrottleBuckets){ .leaked_ns = 0 };
    throttle_buckets_add(&b, &l, true, 1);
    g_assert_cmpint(throttle_buckets_wait(&b, &l, true, 0), ==, 0);
}

/* Requests */

typedef struct Fixture {
    char *dir, *image;
    BlockBackends *bs;
    BlockBackend *b[2];
    char buf[512];
    struct iovec iov;
    int ret[2][MANY];
} Fixture;

static void set_up(Fixture *f, gconstpointer more)
{
    g_autofree char *zeros = g_malloc0(MiB);

    f->dir = g_dir_make_tmp("test-throttle-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->image = g_build_filename(f->dir, "image", NULL);
    g_assert_true(g_file_set_contents(f->image, zeros, MiB, NULL));
    f->bs = block_backends_new();
    f->iov = (struct iovec){ f->buf, sizeof(f->buf) };
    for (unsigned i = 0; i < 2; i++) {
        g_autofree char *text =
            g_strdup_printf("file=%s,format=raw,if=none,id=d%u,%s", f->image, i,
                            (const char *)more);
        g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);
        g_autoptr(GError) err = NULL;

        f->b[i] = block_new_from_keyval(f->bs, kv, &err);
        g_assert_no_error(err);
        for (unsigned k = 0; k < MANY; k++) {
            f->ret[i][k] = PENDING;
        }
    }
}

static void tear_down(Fixture *f, gconstpointer more)
{
    block_backends_free(f->bs);
    g_unlink(f->image);
    g_rmdir(f->dir);
    g_free(f->image);
    g_free(f->dir);
}

static void note(void *opaque, int ret)
{
    __atomic_store_n((int *)opaque, ret, __ATOMIC_RELEASE);
}

static int result(const int *ret)
{
    return __atomic_load_n(ret, __ATOMIC_ACQUIRE);
}

static void begin_writes(Fixture *f, unsigned i, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        block_aio_writev(f->b[i], k * sizeof(f->buf), &f->iov, 1, note,
                         &f->ret[i][k]);
    }
}

static unsigned count_ended(const Fixture *f, unsigned i, int ret)
{
    unsigned n = 0;

    for (unsigned k = 0; k < MANY; k++) {
        n += result(&f->ret[i][k]) == ret;
    }
    return n;
}

static void wait_ended(const Fixture *f, unsigned i, int ret, unsigned n)
{
    while (count_ended(f, i, ret) < n) {
        g_main_context_iteration(NULL, TRUE);
    }
}

/* One in a thousand seconds and some, after the first one or two. */
#define SLOW "bps_max=100,bps=1"
/* How many of MANY such writes begin at once. */
#define SLOW_FIRST 1

static void check_slow(Fixture *f, unsigned i)
{
    wait_ended(f, i, 0, SLOW_FIRST);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    g_assert_cmpuint(count_ended(f, i, 0), ==, SLOW_FIRST);
    g_assert_cmpuint(count_ended(f, i, PENDING), ==, MANY - SLOW_FIRST);
}

static void test_drain(Fixture *f, gconstpointer more)
{
    int ret;

    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    while (!block_drain_step(f->bs, false, &ret)) {
        block_wait_ends(f->bs);
    }
    g_assert_cmpint(ret, ==, 0);
    g_assert_cmpuint(count_ended(f, 0, 0), ==, MANY);
    /* The limit holds on: what was let through has to be paid for. */
    f->ret[0][0] = PENDING;
    begin_writes(f, 0, 1);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    g_assert_cmpint(f->ret[0][0], ==, PENDING);
    g_assert_cmpint(block_drain_all(f->bs, true), ==, 0);
    g_assert_cmpint(f->ret[0][0], ==, 0);
}

typedef struct Again {
    Fixture *f;
    unsigned left;
} Again;

static void begin_next(void *opaque, int ret)
{
    Again *a = opaque;

    g_assert_cmpint(ret, ==, 0);
    if (a->left > 0) {
        a->left--;
        block_aio_writev(a->f->b[0], 0, &a->f->iov, 1, begin_next, a);
    }
}

/* Requests that ends of others begin don't wait either. */
static void test_drain_chain(Fixture *f, gconstpointer more)
{
    Again a = { f, 10 };

    begin_next(&a, 0);
    g_assert_cmpint(block_drain_all(f->bs, false), ==, 0);
    g_assert_cmpuint(a.left, ==, 0);
}

static void test_abandon(Fixture *f, gconstpointer more)
{
    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    for (unsigned k = 0; k < MANY; k++) {
        block_aio_abandon(f->b[0], &f->ret[0][k]);
    }
    wait_ended(f, 0, -ECANCELED, MANY - SLOW_FIRST);
    /* Nothing is left of them. */
    g_assert_cmpint(block_drain_all(f->bs, true), ==, 0);
    g_assert_cmpuint(count_ended(f, 0, 0), ==, SLOW_FIRST);
}

static void test_no_limits_any_more(Fixture *f, gconstpointer more)
{
    IoLimits none = IO_NO_LIMITS, got;
    const char *group;

    g_assert_true(block_get_throttle(f->b[0], &got, &group));
    g_assert_cmpstr(group, ==, "d0");
    g_assert_cmpint(got.kind[THROTTLE_BPS_TOTAL].avg, ==, 1);
    g_assert_cmpint(got.kind[THROTTLE_BPS_TOTAL].max, ==, 100);
    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    g_assert_true(block_set_throttle(f->b[0], NULL, "d0", &none, NULL));
    wait_ended(f, 0, 0, MANY);
    g_assert_false(block_get_throttle(f->b[0], &got, &group));
}

static void test_other_limits(Fixture *f, gconstpointer more)
{
    IoLimits fast = limits(THROTTLE_BPS_TOTAL, THROTTLE_MAX, 0, 1);
    IoLimits bad = limits(THROTTLE_BPS_TOTAL, -1, 0, 1);
    g_autoptr(GError) err = NULL;

    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    g_assert_false(block_set_throttle(f->b[0], NULL, "d0", &bad, &err));
    g_assert_cmpuint(count_ended(f, 0, PENDING), ==, MANY - SLOW_FIRST);
    g_assert_true(block_set_throttle(f->b[0], NULL, "d0", &fast, NULL));
    wait_ended(f, 0, 0, MANY);
}

static void test_other_group(Fixture *f, gconstpointer more)
{
    IoLimits fast = limits(THROTTLE_BPS_TOTAL, THROTTLE_MAX, 0, 1), got;
    const char *group;

    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    g_assert_true(block_set_throttle(f->b[0], "fast", "d0", &fast, NULL));
    wait_ended(f, 0, 0, MANY);
    g_assert_true(block_get_throttle(f->b[0], &got, &group));
    g_assert_cmpstr(group, ==, "fast");
    g_assert_null(throttle_group_find(f->bs, "d0"));
    /* The other drive has its own. */
    begin_writes(f, 1, MANY);
    check_slow(f, 1);
}

/* A size is changed while requests wait, and they are checked against it. */
static void test_resize(Fixture *f, gconstpointer more)
{
    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    while (!block_quiesce_step(f->b[0])) {
        block_wait_ends(f->bs);
    }
    g_assert_true(block_resize(f->b[0], 10 * sizeof(f->buf), NULL));
    block_quiesce_end(f->b[0]);
    wait_ended(f, 0, -EIO, MANY - 10);
    g_assert_cmpint(block_drain_all(f->bs, true), ==, 0);
    g_assert_cmpuint(count_ended(f, 0, 0), ==, 10);
}

static void test_no_medium(Fixture *f, gconstpointer more)
{
    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    while (!block_quiesce_step(f->b[0])) {
        block_wait_ends(f->bs);
    }
    g_assert_true(block_remove_medium(f->b[0], NULL));
    block_quiesce_end(f->b[0]);
    wait_ended(f, 0, -ENOMEDIUM, MANY - SLOW_FIRST);
}

/* Flushes and discards aren't limited, nor held up by what is. */
static void test_flush(Fixture *f, gconstpointer more)
{
    int ret[2] = { PENDING, PENDING };

    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    block_aio_flush(f->b[0], note, &ret[0]);
    block_aio_discard(f->b[0], MiB / 2, 4096, note, &ret[1]);
    while (ret[0] == PENDING || ret[1] == PENDING) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpint(ret[0], ==, 0);
    g_assert_cmpint(ret[1], ==, 0);
    check_slow(f, 0);
}

/* Groups */

/* Who of a group has many requests doesn't keep out who has few. */
static void test_fair(Fixture *f, gconstpointer more)
{
    begin_writes(f, 0, MANY);
    begin_writes(f, 1, 5);
    wait_ended(f, 1, 0, 5);
    /* 5 and 5 in turn, what began at once, and what ended before it was
     * seen. */
    g_assert_cmpuint(count_ended(f, 0, PENDING), >, 0);
    g_assert_cmpint(block_drain_all(f->bs, true), ==, 0);
    g_assert_cmpuint(count_ended(f, 0, 0), ==, MANY);
}

/* A direction that may go on isn't held up by the other one. */
static void test_directions(Fixture *f, gconstpointer more)
{
    char back[512];
    struct iovec iov = { back, sizeof(back) };
    int ret = PENDING;

    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    block_aio_readv(f->b[1], 0, &iov, 1, note, &ret);
    while (ret == PENDING) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpint(ret, ==, 0);
    check_slow(f, 0);
}

/* Nodes */

static BlockBackend *drive(BlockBackends *bs, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);

    return block_new_from_keyval(bs, kv, errp);
}

static void test_node(Fixture *f, gconstpointer more)
{
    ThrottleGroup *g = throttle_group_new(f->bs, "g", true);
    IoLimits slow = limits(THROTTLE_BPS_TOTAL, 1, 100, 1);
    g_autofree char *text = g_strdup_printf(
        "driver=raw,file.driver=throttle,file.throttle-group=g,"
        "file.file.driver=file,file.file.filename=%s,if=none,id=t",
        f->image);
    g_autoptr(GError) err = NULL;

    throttle_group_set(g, &slow);
    block_release(f->b[0]);
    f->b[0] = drive(f->bs, text, &err);
    g_assert_no_error(err);
    g_assert_true(throttle_group_is_used(g));
    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    throttle_group_set(g, &(IoLimits)IO_NO_LIMITS);
    wait_ended(f, 0, 0, MANY);
    g_assert_cmpint(block_drain_all(f->bs, true), ==, 0);
    while (!block_quiesce_step(f->b[0])) {
        block_wait_ends(f->bs);
    }
    g_assert_true(block_remove_medium(f->b[0], NULL));
    block_quiesce_end(f->b[0]);
    g_assert_false(throttle_group_is_used(g));
    throttle_group_unref(g);
}

static void test_node_errors(Fixture *f, gconstpointer more)
{
    static const struct {
        const char *text, *message;
    } t[] = {
        { "driver=throttle,file.driver=null-co,if=none",
          "'throttle-group' is missing" },
        { "driver=throttle,throttle-group=x,file.driver=null-co,if=none",
          "Throttle group 'x' does not exist" },
        /* One that only drives are in. */
        { "driver=throttle,throttle-group=d0,file.driver=null-co,if=none",
          "Throttle group 'd0' does not exist" },
        { "driver=throttle,throttle-group=g,if=none", "must be specified" },
        { "driver=throttle,throttle-group=g,file.driver=null-co,if=none,"
          "snapshot=on",
          "driver 'throttle' below a node of 'qcow2'" },
        { "driver=null-co,if=none,throttling.iops-total=3,iops=4",
          "'throttling.iops-total' and its alias 'iops' can't be used" },
        { "driver=null-co,if=none,group=a,throttling.group=a",
          "'throttling.group' and its alias 'group' can't be used" },
        { "driver=null-co,if=none,iops=x", "'x' is not a number" },
        { "driver=null-co,if=none,iops=-1", "must be within" },
        { "driver=null-co,if=none,throttling.foo=1", "throttling.foo" },
    };
    ThrottleGroup *g = throttle_group_new(f->bs, "g", true);

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(drive(f->bs, t[i].text, &err));
        g_assert_nonnull(err);
        g_assert_nonnull(strstr(err->message, t[i].message));
        g_assert_false(throttle_group_is_used(g));
    }
    throttle_group_unref(g);
}

/* In an I/O thread: its group's other member is the main loop's. */

static void begin_there(void *opaque)
{
    begin_writes(opaque, 1, MANY);
}

static void abandon_there(void *opaque)
{
    Fixture *f = opaque;

    for (unsigned k = 0; k < MANY / 2; k++) {
        block_aio_abandon(f->b[1], &f->ret[1][k]);
    }
}

static void wait_thread(const Fixture *f, int ret, unsigned n)
{
    while (count_ended(f, 1, ret) < n) {
        g_usleep(1000);
    }
}

static void test_thread(Fixture *f, gconstpointer more)
{
    g_autoptr(Object) dev = object_new_container("container");
    g_autoptr(Object) io = object_new(iothread_object_types()[1]);
    BlockAio *aio;
    int ret;

    VM_LOCK_GUARD();
    io->name = g_strdup("io0");
    g_assert_true(object_complete(io, NULL));
    block_set_share_rw(f->b[1], true);
    g_assert_true(block_set_iothread(f->b[1], iothread_from_object(io), NULL));
    g_assert_true(block_attach(f->b[1], dev, false, NULL));
    aio = block_aio_of(f->b[1]);
    begin_writes(f, 0, MANY);
    check_slow(f, 0);
    block_aio_run(aio, begin_there, f);
    g_assert_cmpuint(count_ended(f, 1, PENDING), ==, MANY);
    block_aio_run(aio, abandon_there, f);
    wait_thread(f, -ECANCELED, MANY / 2);
    while (!block_drain_step(f->bs, false, &ret)) {
        block_wait_ends(f->bs);
    }
    g_assert_cmpint(ret, ==, 0);
    g_assert_cmpuint(count_ended(f, 0, 0), ==, MANY);
    g_assert_cmpuint(count_ended(f, 1, 0), ==, MANY - MANY / 2);

    /* Other limits wake it, too. */
    for (unsigned k = 0; k < MANY; k++) {
        f->ret[1][k] = PENDING;
    }
    block_aio_run(aio, begin_there, f);
    g_assert_cmpuint(count_ended(f, 1, PENDING), ==, MANY);
    throttle_group_set(throttle_group_find(f->bs, "g"),
                       &(IoLimits)IO_NO_LIMITS);
    wait_thread(f, 0, MANY);
    block_detach(f->b[1]);
    g_assert_cmpint(block_drain_all(f->bs, true), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/throttle/limits", test_limits_check);
    g_test_add_func("/throttle/buckets/rate", test_buckets_rate);
    g_test_add_func("/throttle/buckets/burst", test_buckets_burst);
    g_test_add_func("/throttle/buckets/extremes", test_buckets_extremes);
#define ADD(name_, fn_, opts_) \
    g_test_add("/throttle/" name_, Fixture, opts_, set_up, fn_, tear_down)
    ADD("drain", test_drain, SLOW);
    ADD("drain-chain", test_drain_chain, SLOW);
    ADD("abandon", test_abandon, SLOW);
    ADD("no-limits-any-more", test_no_limits_any_more, SLOW);
    ADD("other-limits", test_other_limits, SLOW);
    ADD("other-group", test_other_group, SLOW);
    ADD("resize", test_resize, SLOW);
    ADD("no-medium", test_no_medium, SLOW);
    ADD("flush", test_flush, SLOW);
    ADD("fair", test_fair, "iops=20,throttling.group=g");
    ADD("directions", test_directions,
        "bps_wr=1,bps_wr_max=100,throttling.group=g");
    ADD("node", test_node, "bps=1000");
    ADD("node-errors", test_node_errors, "iops=10");
    ADD("thread", test_thread, SLOW ",throttling.group=g");
    return g_test_run();
}
