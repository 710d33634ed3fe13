/*
 * qcow2 against the program that knows it best: images by qemu-img, written
 * here with a model beside them, are checked and compared by qemu-img.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>

#include "block/block.h"
#include "qom/object.h"
#include "util/error.h"

enum { PENDING = 1 };

typedef struct Fixture {
    char *dir, *image, *raw;
    BlockBackends *bs;
    BlockBackend *b;
    Object *dev;
    uint8_t *model;
    size_t size;
} Fixture;

/* One way to make an image. */
typedef struct Case {
    const char *name;
    const char *options; /* of qemu-img create -o */
    const char *backing; /* format of a backing file; NULL: none */
    const char *convert; /* "-c": the content is there, compressed */
    const char *drive;   /* further options of -drive */
    size_t size;         /* bytes; 0: 3 MiB */
    bool snapshot;       /* one is taken first */
} Case;

static const Case cases[] = {
    { "v3", "compat=1.1" },
    { "v2", "compat=0.10" },
    { "512", "cluster_size=512" },
    { "4k", "cluster_size=4k" },
    { "2M", "cluster_size=2M", .size = 9 * MiB },
    { "refcount-1", "refcount_bits=1,cluster_size=4k" },
    { "refcount-2", "refcount_bits=2,cluster_size=1k" },
    { "refcount-8", "refcount_bits=8,cluster_size=512" },
    { "refcount-64", "refcount_bits=64,cluster_size=512" },
    { "lazy", "lazy_refcounts=on" },
    { "extended", "extended_l2=on,cluster_size=64k" },
    { "extended-16k", "extended_l2=on,cluster_size=16k" },
    { "prealloc", "preallocation=metadata" },
    { "odd-size", "cluster_size=64k", .size = MiB + 5 * 512 },
    { "over-raw", "cluster_size=64k", "raw" },
    { "over-qcow2", "cluster_size=4k", "qcow2" },
    { "v2-over-raw", "compat=0.10", "raw" },
    { "extended-over-raw", "extended_l2=on", "raw" },
    { "zlib", "cluster_size=64k", .convert = "-c" },
    { "zlib-4k", "cluster_size=4k", .convert = "-c" },
    { "zlib-2M", "cluster_size=2M", .convert = "-c", .size = 9 * MiB },
    { "zstd", "compression_type=zstd", .convert = "-c" },
    { "extended-zlib", "extended_l2=on", .convert = "-c" },
    { "snapshot", "cluster_size=4k", .snapshot = true },
    { "extended-snapshot", "extended_l2=on", .snapshot = true },
    { "discard", "cluster_size=4k", .drive = ",discard=unmap" },
    { "v2-discard", "compat=0.10", .drive = ",discard=unmap" },
    { "discard-over-raw", "cluster_size=4k", "raw", .drive = ",discard=unmap" },
    { "direct", "cluster_size=512", .drive = ",cache=none" },
    { "writethrough", "cluster_size=4k", .drive = ",cache=writethrough" },
    { "small-cache", "cluster_size=512",
      .drive = ",l2-cache-size=2048,l2-cache-entry-size=512" },
    { "io_uring", "cluster_size=64k", .drive = ",aio=io_uring" },
};

static void G_GNUC_PRINTF(1, 2) run(const char *fmt, ...)
{
    g_autofree char *cmd = NULL, *out = NULL, *err = NULL;
    g_autoptr(GError) error = NULL;
    int status = -1;
    va_list ap;

    va_start(ap, fmt);
    cmd = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    /* qemu-img times its key derivation, and can't where clocks are coarse. */
    for (unsigned tries = 0;
         tries == 0 || (tries < 50 && strstr(err, "accurate CPU usage"));
         tries++) {
        g_free(g_steal_pointer(&out));
        g_free(g_steal_pointer(&err));
        g_spawn_command_line_sync(cmd, &out, &err, &status, &error);
        g_assert_no_error(error);
    }
    if (status != 0) {
        g_test_message("%s: %d\n%s%s", cmd, status, out, err);
    }
    g_assert_cmpint(status, ==, 0);
}

static bool have_tool(void)
{
    g_autofree char *path = g_find_program_in_path("qemu-img");

    if (path == NULL) {
        g_test_skip("no qemu-img");
    }
    return path != NULL;
}

/* Content that compresses, and differs everywhere. */
static void fill(uint8_t *p, size_t from, size_t to, unsigned salt)
{
    for (size_t i = from; i < to; i++) {
        p[i] = (i / 512 * 7 + salt) ^ (i % 16);
    }
}

static void note(void *opaque, int ret)
{
    *(int *)opaque = ret;
}

static int finish(const int *ret)
{
    while (*ret == PENDING) {
        g_main_context_iteration(NULL, TRUE);
    }
    return *ret;
}

static void open_image(Fixture *f, const char *more)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *text =
        g_strdup_printf("file=%s,format=qcow2,if=none,id=d0%s", f->image,
                        more != NULL ? more : "");
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);

    f->bs = block_backends_new();
    f->b = block_new_from_keyval(f->bs, kv, &err);
    g_assert_no_error(err);
    f->dev = object_new_container("container");
    g_assert_true(block_attach(f->b, f->dev, false, &err));
    g_assert_cmpuint(block_size(f->b), ==, f->size);
}

static void close_image(Fixture *f)
{
    block_detach(f->b);
    block_backends_free(f->bs);
    object_unref(f->dev);
}

/* What was there before the guest: in the backing file or in the image. */
static void make_content(Fixture *f, const Case *c)
{
    g_autofree char *base = g_strdup_printf("%s/base", f->dir);

    if (c->backing == NULL && c->convert == NULL && !c->snapshot) {
        return;
    }
    fill(f->model, 0, f->size / 3, 1);
    fill(f->model, f->size / 2, f->size - 4096, 2);
    g_assert_true(g_file_set_contents(base, (char *)f->model, f->size, NULL));
    if (c->convert != NULL || c->snapshot) {
        run("qemu-img convert %s -O qcow2 -o %s -f raw %s %s",
            c->convert != NULL ? c->convert : "", c->options, base, f->image);
    } else if (g_str_equal(c->backing, "qcow2")) {
        g_autofree char *q = g_strdup_printf("%s/base2", f->dir);

        run("qemu-img convert -O qcow2 -f raw %s %s", base, q);
        g_assert_cmpint(rename(q, base), ==, 0);
    }
    if (c->snapshot) {
        run("qemu-img snapshot -c before %s", f->image);
    }
}

static void make_image(Fixture *f, const Case *c)
{
    f->size = c->size != 0 ? c->size : 3 * MiB;
    f->dir = g_dir_make_tmp("test-qcow2-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->image = g_strdup_printf("%s/image", f->dir);
    f->raw = g_strdup_printf("%s/raw", f->dir);
    f->model = g_malloc0(f->size);
    make_content(f, c);
    if (c->backing != NULL) {
        run("qemu-img create -q -f qcow2 -o %s -b base -F %s %s %zu",
            c->options, c->backing, f->image, f->size);
    } else if (c->convert == NULL && !c->snapshot) {
        run("qemu-img create -q -f qcow2 -o %s %s %zu", c->options, f->image,
            f->size);
    }
}

static void remove_all(Fixture *f)
{
    run("rm -r %s", f->dir);
    g_free(f->dir);
    g_free(f->image);
    g_free(f->raw);
    g_free(f->model);
}

/* qemu-img finds the same content, and nothing wrong with the tables. */
static void check_image(Fixture *f)
{
    g_assert_true(g_file_set_contents(f->raw, (char *)f->model, f->size, NULL));
    run("qemu-img check -q -f qcow2 %s", f->image);
    run("qemu-img compare -q -f qcow2 -F raw %s %s", f->image, f->raw);
}

/* Requests under way at once, and where they are: they don't overlap. */
enum { BATCH = 8 };

typedef struct Request {
    int ret;
    size_t off, len;
    bool reads;
    uint8_t *buf;
    struct iovec iov;
} Request;

static bool overlaps(const Request *r, unsigned n, size_t off, size_t len)
{
    for (unsigned i = 0; i < n; i++) {
        if (off < r[i].off + r[i].len && r[i].off < off + len) {
            return true;
        }
    }
    return false;
}

static void pick_place(Fixture *f, GRand *rand, Request *all, unsigned i)
{
    Request *r = &all[i];

    do {
        size_t max = g_rand_boolean(rand) ? 8 : 512;

        r->len = g_rand_int_range(rand, 1, max + 1) * 512;
        r->off = g_rand_int_range(rand, 0, f->size / 512) * 512;
        r->len = MIN(r->len, f->size - r->off);
    } while (overlaps(all, i, r->off, r->len));
}

static void begin(Fixture *f, GRand *rand, Request *r)
{
    int what = g_rand_int_range(rand, 0, 10);

    r->ret = PENDING;
    r->buf = g_malloc(r->len);
    r->iov = (struct iovec){ r->buf, r->len };
    r->reads = what < 3;
    if (r->reads) {
        block_aio_readv(f->b, r->off, &r->iov, 1, note, &r->ret);
    } else if (what == 3) {
        memset(f->model + r->off, 0, r->len);
        block_aio_write_zeroes(f->b, r->off, r->len, g_rand_boolean(rand), note,
                               &r->ret);
    } else {
        fill(f->model, r->off, r->off + r->len, g_rand_int(rand));
        memcpy(r->buf, f->model + r->off, r->len);
        block_aio_writev(f->b, r->off, &r->iov, 1, note, &r->ret);
    }
}

static void random_io(Fixture *f, unsigned batches)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(g_test_rand_int());

    for (unsigned n = 0; n < batches; n++) {
        Request r[BATCH];

        for (unsigned i = 0; i < BATCH; i++) {
            pick_place(f, rand, r, i);
        }
        for (unsigned i = 0; i < BATCH; i++) {
            begin(f, rand, &r[i]);
        }
        for (unsigned i = 0; i < BATCH; i++) {
            g_assert_cmpint(finish(&r[i].ret), ==, 0);
            if (r[i].reads) {
                g_assert_cmpmem(r[i].buf, r[i].len, f->model + r[i].off,
                                r[i].len);
            }
            g_free(r[i].buf);
        }
        if (n % 8 == 0) {
            int ret = PENDING;

            block_aio_flush(f->b, note, &ret);
            g_assert_cmpint(finish(&ret), ==, 0);
        }
    }
}

static void read_all(Fixture *f)
{
    g_autofree uint8_t *buf = g_malloc(f->size);
    struct iovec iov = { buf, f->size };
    int ret = PENDING;

    block_aio_readv(f->b, 0, &iov, 1, note, &ret);
    g_assert_cmpint(finish(&ret), ==, 0);
    for (size_t i = 0; i < f->size; i += 512) {
        if (memcmp(buf + i, f->model + i, 512) != 0) {
            g_test_message("differs at 0x%zx", i);
            g_assert_not_reached();
        }
    }
}

/* Written, closed, checked, read, written again. */
static void test_case(gconstpointer arg)
{
    const Case *c = arg;
    Fixture f = { 0 };

    if (!have_tool()) {
        return;
    }
    make_image(&f, c);
    for (unsigned i = 0; i < 2; i++) {
        open_image(&f, c->drive);
        read_all(&f);
        random_io(&f, 12);
        read_all(&f);
        close_image(&f);
        check_image(&f);
    }
    if (c->snapshot) {
        run("qemu-img snapshot -a before %s", f.image);
        memset(f.model, 0, f.size);
        fill(f.model, 0, f.size / 3, 1);
        fill(f.model, f.size / 2, f.size - 4096, 2);
        check_image(&f);
    }
    remove_all(&f);
}

/* What a guest discards is given back, and reads as zeros. */
static void test_discard(void)
{
    static const Case c = { "discard", "cluster_size=64k",
                            .drive = ",discard=unmap" };
    Fixture f = { 0 };
    BlockInfo info;
    uint64_t full;
    int ret = PENDING;

    if (!have_tool()) {
        return;
    }
    make_image(&f, &c);
    fill(f.model, 0, f.size, 3);
    open_image(&f, c.drive);
    {
        struct iovec iov = { f.model, f.size };

        block_aio_writev(f.b, 0, &iov, 1, note, &ret);
        g_assert_cmpint(finish(&ret), ==, 0);
    }
    block_drain_all(f.bs, true);
    block_get_info(f.b, &info);
    full = info.node.allocated;
    ret = PENDING;
    block_aio_discard(f.b, MiB, 2 * MiB, note, &ret);
    g_assert_cmpint(finish(&ret), ==, 0);
    memset(f.model + MiB, 0, 2 * MiB);
    read_all(&f);
    close_image(&f);
    open_image(&f, c.drive);
    block_get_info(f.b, &info);
    g_assert_cmpuint(info.node.allocated, <, full - MiB);
    close_image(&f);
    check_image(&f);
    remove_all(&f);
}

/* Nothing is in flight. */
static void inactivate(BlockBackends *bs)
{
    int ret;

    g_assert_cmpint(block_drain_all(bs, true), ==, 0);
    for (bool first = true; !block_inactivate_step(bs, first, &ret);) {
        first = false;
        g_thread_yield();
    }
    g_assert_cmpint(ret, ==, 0);
}

/* Both programs have it open: what one writes, the other finds. */
static void test_hand_over(void)
{
    static const Case c = { "hand-over", "cluster_size=4k" };
    Fixture f = { 0 }, g;

    if (!have_tool()) {
        return;
    }
    make_image(&f, &c);
    open_image(&f, NULL);
    g = f;
    g.bs = block_backends_new();
    block_set_inactive(g.bs);
    {
        g_autofree char *text =
            g_strdup_printf("file=%s,format=qcow2,if=none,id=d0", f.image);
        g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);

        g.b = block_new_from_keyval(g.bs, kv, NULL);
        g.dev = object_new_container("container");
        g_assert_true(block_attach(g.b, g.dev, false, NULL));
    }
    read_all(&g);
    random_io(&f, 8);
    g_assert_false(block_activate_all(g.bs, NULL));
    inactivate(f.bs);
    g_assert_true(block_activate_all(g.bs, NULL));
    read_all(&g);
    random_io(&g, 8);
    inactivate(g.bs);
    g_assert_true(block_activate_all(f.bs, NULL));
    read_all(&f);
    random_io(&f, 8);
    close_image(&f);
    close_image(&g);
    check_image(&f);
    remove_all(&f);
}

/* A longer disk, whose L1 table moves. */
static void test_grow(void)
{
    static const Case c = { "grow", "cluster_size=512" };
    g_autoptr(GError) err = NULL;
    Fixture f = { 0 };

    if (!have_tool()) {
        return;
    }
    make_image(&f, &c);
    open_image(&f, NULL);
    random_io(&f, 4);
    f.model = g_realloc(f.model, 4 * f.size);
    memset(f.model + f.size, 0, 3 * f.size);
    f.size *= 4;
    g_assert_false(block_resize(f.b, MiB, &err));
    g_assert_nonnull(strstr(err->message, "shrinking"));
    g_assert_true(block_resize(f.b, f.size, NULL));
    g_assert_cmpuint(block_size(f.b), ==, f.size);
    random_io(&f, 8);
    close_image(&f);
    check_image(&f);
    remove_all(&f);
}

/* Left by somebody who kept refcounts in memory: they are counted anew. */
static void test_dirty(void)
{
    static const Case c = { "dirty", "lazy_refcounts=on,cluster_size=4k",
                            .convert = "-c" };
    Fixture f = { 0 };

    if (!have_tool()) {
        return;
    }
    make_image(&f, &c);
    fill(f.model, MiB, 2 * MiB, 9);
    {
        g_autofree char *part = g_strdup_printf("%s/part", f.dir);

        g_assert_true(
            g_file_set_contents(part, (char *)f.model + MiB, MiB, NULL));
        /* It dies with the refcounts in its memory. */
        run("sh -c \"qemu-io -f qcow2 -c 'write -s %s 1M 1M' -c flush "
            "-c abort %s >/dev/null 2>&1; true\"",
            part, f.image);
    }
    open_image(&f, NULL);
    read_all(&f);
    random_io(&f, 8);
    close_image(&f);
    check_image(&f);
    remove_all(&f);
}

/* What can't be opened, and why. */
static void test_refused(void)
{
    static const struct {
        const char *make, *message;
    } t[] = {
        { "qemu-img create -q -f qcow2 -o encrypt.format=luks,"
          "encrypt.key-secret=s --object secret,id=s,data=x %s 1M",
          "encryption is not supported" },
        { "qemu-img create -q -f qcow2 -o data_file=%s.data %s 1M",
          "external data files are not supported" },
        { "qemu-img create -q -f vmdk %s 1M",
          "qemu-img convert -f vmdk -O qcow2" },
        { "qemu-img create -q -f qcow2 -u -b nowhere -F raw %s 1M",
          "Could not open backing file" },
        { "qemu-img create -q -f qcow2 -u -b image -F qcow2 %s 1M",
          "creates an infinite loop" },
    };

    if (!have_tool()) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *dir = g_dir_make_tmp("test-qcow2-XXXXXX", NULL);
        g_autofree char *image = g_strdup_printf("%s/image", dir);
        g_auto(GStrv) parts = g_strsplit(t[i].make, "%s", -1);
        g_autofree char *make = g_strjoinv(image, parts);
        g_autofree char *text = g_strdup_printf("file=%s,if=none", image);
        g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);
        g_autoptr(GError) err = NULL;
        BlockBackends *bs = block_backends_new();

        run("%s", make);
        g_assert_null(block_new_from_keyval(bs, kv, &err));
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, t[i].message));
        block_backends_free(bs);
        run("rm -r %s", dir);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strdup_printf("/block/qcow2/random/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/block/qcow2/discard", test_discard);
    g_test_add_func("/block/qcow2/hand-over", test_hand_over);
    g_test_add_func("/block/qcow2/grow", test_grow);
    g_test_add_func("/block/qcow2/dirty", test_dirty);
    g_test_add_func("/block/qcow2/refused", test_refused);
    return g_test_run();
}
