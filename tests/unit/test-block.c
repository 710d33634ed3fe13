/*
 * The block layer: options, probing, locks, and I/O with each engine and
 * cache mode.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

#include "block/block.h"
#include "util/error.h"

#define IMAGE_SIZE (1 * MiB)

typedef struct Fixture {
    char *dir, *image;
    BlockBackends *bs;
} Fixture;

static void set_up(Fixture *f, gconstpointer unused)
{
    g_autofree char *zeros = g_malloc0(IMAGE_SIZE);

    f->dir = g_dir_make_tmp("test-block-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->image = g_build_filename(f->dir, "image", NULL);
    g_assert_true(g_file_set_contents(f->image, zeros, IMAGE_SIZE, NULL));
    f->bs = block_backends_new();
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    block_backends_free(f->bs);
    g_unlink(f->image);
    g_rmdir(f->dir);
    g_free(f->image);
    g_free(f->dir);
}

/* "@" in the text stands for the image. */
static BlockBackend *drive(BlockBackends *bs, Fixture *f, const char *text,
                           GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, "@", -1);
    g_autofree char *full = g_strjoinv(f->image, parts);
    g_autoptr(KeyVal) kv = keyval_parse(full, NULL, NULL);

    g_assert_nonnull(kv);
    return block_new_from_keyval(bs, kv, errp);
}

static BlockBackend *good_drive(Fixture *f, const char *text)
{
    g_autoptr(GError) err = NULL;
    BlockBackend *b = drive(f->bs, f, text, &err);

    g_assert_no_error(err);
    g_assert_nonnull(b);
    return b;
}

static void note(void *opaque, int ret)
{
    *(int *)opaque = ret;
}

enum { PENDING = 1 };

static int finish(int *ret)
{
    while (*ret == PENDING) {
        g_main_context_iteration(NULL, TRUE);
    }
    return *ret;
}

static int do_write(BlockBackend *b, uint64_t off, const void *buf, size_t len)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
    int ret = PENDING;

    block_aio_writev(b, off, &iov, 1, note, &ret);
    g_assert_cmpint(ret, ==, PENDING); /* never from inside the call */
    return finish(&ret);
}

static int do_read(BlockBackend *b, uint64_t off, void *buf, size_t len)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    int ret = PENDING;

    block_aio_readv(b, off, &iov, 1, note, &ret);
    g_assert_cmpint(ret, ==, PENDING);
    return finish(&ret);
}

static int do_flush(BlockBackend *b)
{
    int ret = PENDING;

    block_aio_flush(b, note, &ret);
    return finish(&ret);
}

/* Options */

static void test_errors(Fixture *f, gconstpointer unused)
{
    static const struct {
        const char *text, *message;
    } t[] = {
        { "file=@x,format=raw", "No such file or directory" },
        { "file=@,format=foo", "Unknown driver 'foo'" },
        { "file=@,format=vmdk", "image format 'vmdk' is not supported" },
        { "file=@,format=raw,if=foo", "unsupported bus type 'foo'" },
        { "file=@,format=raw,media=foo", "'foo' invalid media" },
        { "file=@,format=raw,cache=foo", "invalid cache option" },
        { "file=@,format=raw,aio=foo", "invalid aio option" },
        { "file=@,format=raw,aio=native", "requires cache.direct=on" },
        { "file=@,format=raw,foo=1", "does not support the option 'foo'" },
        { "file=@,format=raw,unit=2", "unit 2 too big (max is 1)" },
        { "file=@,format=raw,index=1,unit=0",
          "index cannot be used with bus and unit" },
        { "file=@,format=raw,id=-x", "expects an identifier" },
        { "file=@,format=raw,id=used", "Duplicate ID 'used'" },
        { "file=@,format=raw,index=0", "(index=0) exists" },
        { "file=@,format=raw,copy-on-read=on", "copy-on-read=on is not" },
        { "file=@,format=raw,iops=5,iops_rd=4", "at the same time" },
        { "file=@,format=raw,werror=foo", "werror" },
        { "file=@,format=raw,rerror=enospc", "invalid read error action" },
        { "file=nbd:localhost:1,format=raw",
          "protocol 'nbd' is not in this version" },
        { "file=/dev/null,format=raw", "to be a regular file" },
        { "file=/,format=raw", "to be a regular file" },
        { "format=raw", "A block device must be specified" },
    };

    good_drive(f, "file=@,format=raw,id=used,index=0");
    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;

        g_test_message("%s", t[i].text);
        g_assert_null(drive(f->bs, f, t[i].text, &err));
        g_assert_nonnull(err);
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, t[i].message));
    }
}

static void test_slots(Fixture *f, gconstpointer unused)
{
    BlockBackend *a = good_drive(f, "file=@,format=raw,if=ide");
    BlockBackend *b = good_drive(f, "if=ide,index=2,media=cdrom");
    BlockBackend *c = good_drive(f, "file=@,format=raw,if=none,id=foo");
    BlockBackend *d = good_drive(f, "if=ide,media=cdrom");
    g_autoptr(GError) err = NULL;

    g_assert_true(block_find_slot(f->bs, "ide", 0, 0) == a);
    g_assert_true(block_find_slot(f->bs, "ide", 1, 0) == b);
    g_assert_true(block_find_slot(f->bs, "ide", 0, 1) == d);
    g_assert_null(block_find_slot(f->bs, "ide", 1, 1));
    g_assert_true(block_find(f->bs, "foo") == c);
    g_assert_cmpstr(block_name(a), ==, "ide0-hd0");
    g_assert_cmpstr(block_name(b), ==, "ide1-cd0");
    g_assert_true(block_is_cdrom(b));
    g_assert_false(block_is_inserted(b));
    g_assert_cmpuint(block_size(a), ==, IMAGE_SIZE);
    g_assert_false(block_check_unused(f->bs, &err));
    g_assert_nonnull(strstr(err->message, "ide0-hd0"));
}

/* Formats */

static void test_probe(Fixture *f, gconstpointer unused)
{
    static const struct {
        const char *error, *mark;
        unsigned off, len;
    } t[] = {
        { "qcow2: clusters of", "QFI\xfb\0\0\0\3", 0, 8 },
        { "'qed'", "QED\0", 0, 4 },
        { "'vmdk'", "KDMV", 0, 4 },
        { "'vdi'", "\x7f\x10\xda\xbe", 64, 4 },
        { "'vpc'", "conectix", 0, 8 },
        { "'vhdx'", "vhdxfile", 0, 8 },
        { "'luks'", "LUKS\xba\xbe", 0, 6 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        char head[512] = { 0 };

        memcpy(head + t[i].off, t[i].mark, t[i].len);
        g_assert_true(g_file_set_contents(f->image, head, sizeof(head), NULL));
        g_assert_null(drive(f->bs, f, "file=@", &err));
        g_assert_nonnull(strstr(err->message, t[i].error));
        /* Who says that it is raw has it raw. */
        good_drive(f, "file=@,format=raw,if=none");
    }
}

/* Block 0 of an image that was guessed to be raw. */
static void test_probed_write(Fixture *f, gconstpointer unused)
{
    BlockBackend *b = good_drive(f, "file=@,if=none");
    char buf[1024] = { 0 };

    memset(buf, 'x', sizeof(buf));
    g_assert_cmpint(do_write(b, 0, buf, sizeof(buf)), ==, 0);
    memcpy(buf, (const uint8_t[8]){ 'Q', 'F', 'I', 0xfb, [7] = 3 }, 8);
    g_assert_cmpint(do_write(b, 0, buf, sizeof(buf)), ==, -EPERM);
    g_assert_cmpint(do_write(b, 512, buf, 512), ==, 0);
    g_assert_cmpint(do_read(b, 0, buf, 512), ==, 0);
    g_assert_cmpint(buf[0], ==, 'x');
}

/* I/O */

static bool has_engine(Fixture *f, const char *args)
{
    g_autofree char *text =
        g_strdup_printf("file=@,format=raw,if=none,%s", args);
    g_autoptr(GError) err = NULL;

    if (drive(f->bs, f, text, &err) != NULL) {
        return true;
    }
    g_test_message("%s: %s", args, err->message);
    /* The file system has no O_DIRECT, the kernel or build no such engine. */
    g_assert_true(strstr(err->message, "O_DIRECT") != NULL ||
                  strstr(err->message, "aio=") != NULL);
    return false;
}

static void expect_file(Fixture *f, const uint8_t *want)
{
    g_autofree char *got = NULL;
    gsize len;

    g_assert_true(g_file_get_contents(f->image, &got, &len, NULL));
    g_assert_cmpmem(got, len, want, IMAGE_SIZE);
}

/* Odd lengths, offsets and buffers, against a copy in memory. */
static void test_io(Fixture *f, gconstpointer args)
{
    g_autofree char *text =
        g_strdup_printf("file=@,format=raw,if=none,id=io,%s", (char *)args);
    g_autofree uint8_t *want = g_malloc0(IMAGE_SIZE);
    g_autofree uint8_t *buf = g_malloc(IMAGE_SIZE + 1);
    BlockBackend *b;

    if (!has_engine(f, args)) {
        g_test_skip("not here");
        return;
    }
    b = good_drive(f, text);
    for (unsigned i = 0; i < 200; i++) {
        uint32_t off = g_test_rand_int_range(0, IMAGE_SIZE);
        uint32_t len = g_test_rand_int_range(
            0, MIN((uint32_t)IMAGE_SIZE - off, UINT32_C(40000)) + 1);
        unsigned shift = i % 3 != 0; /* where the buffer begins */

        if (i % 2 != 0) { /* sectors, as devices have them */
            off = ROUND_DOWN(off, BLOCK_SECTOR);
            len = ROUND_DOWN(len, BLOCK_SECTOR);
        }
        memset(buf + shift, i + 1, len);
        memset(want + off, i + 1, len);
        g_assert_cmpint(do_write(b, off, buf + shift, len), ==, 0);
        memset(buf, 0, len + 1);
        g_assert_cmpint(do_read(b, off, buf + shift, len), ==, 0);
        g_assert_cmpmem(buf + shift, len, want + off, len);
    }
    g_assert_cmpint(do_flush(b), ==, 0);
    expect_file(f, want);
    g_assert_cmpint(do_read(b, 0, buf, IMAGE_SIZE), ==, 0);
    g_assert_cmpmem(buf, IMAGE_SIZE, want, IMAGE_SIZE);
}

/* Many at once, more than any engine has room for. */
static void test_many(Fixture *f, gconstpointer args)
{
    enum { N = 600, LEN = 1536 };
    g_autofree char *text =
        g_strdup_printf("file=@,format=raw,if=none,id=io,%s", (char *)args);
    g_autofree uint8_t *bufs = g_malloc((size_t)N * LEN);
    g_autofree uint8_t *want = g_malloc0(IMAGE_SIZE);
    g_autofree int *rets = g_new(int, N);
    g_autofree struct iovec *iov = g_new(struct iovec, N);
    BlockBackend *b;

    if (!has_engine(f, args)) {
        g_test_skip("not here");
        return;
    }
    b = good_drive(f, text);
    for (unsigned i = 0; i < N; i++) {
        iov[i] = (struct iovec){ bufs + (size_t)i * LEN, LEN };
        memset(iov[i].iov_base, i * 5 + 1, LEN);
        memset(want + (size_t)i * LEN, i * 5 + 1, LEN);
        rets[i] = PENDING;
        block_aio_writev(b, (uint64_t)i * LEN, &iov[i], 1, note, &rets[i]);
    }
    g_assert_cmpint(block_drain_all(f->bs, true), ==, 0);
    for (unsigned i = 0; i < N; i++) {
        g_assert_cmpint(rets[i], ==, 0);
    }
    expect_file(f, want);
}

static void test_vector(Fixture *f, gconstpointer unused)
{
    enum { N = 3000 }; /* more than one system call takes */
    BlockBackend *b = good_drive(f, "file=@,format=raw,if=none");
    g_autofree struct iovec *iov = g_new(struct iovec, N);
    g_autofree uint8_t *bytes = g_malloc(N);
    g_autofree uint8_t *back = g_malloc0(N);
    int ret = PENDING;

    for (unsigned i = 0; i < N; i++) {
        bytes[i] = i * 13;
        iov[i] = (struct iovec){ bytes + i, 1 };
    }
    block_aio_writev(b, 777, iov, N, note, &ret);
    g_assert_cmpint(finish(&ret), ==, 0);
    g_assert_cmpint(do_read(b, 777, back, N), ==, 0);
    g_assert_cmpmem(back, N, bytes, N);
}

static void test_limits(Fixture *f, gconstpointer unused)
{
    BlockBackend *b = good_drive(f, "file=@,format=raw,if=none");
    BlockBackend *ro = good_drive(f, "file=@,format=raw,if=none,readonly=on");
    BlockBackend *none = good_drive(f, "if=none,media=cdrom");
    uint8_t buf[1024] = { 0 };

    g_assert_cmpint(do_read(b, IMAGE_SIZE - 512, buf, 512), ==, 0);
    g_assert_cmpint(do_read(b, IMAGE_SIZE - 512, buf, 513), ==, -EIO);
    g_assert_cmpint(do_read(b, IMAGE_SIZE, buf, 1), ==, -EIO);
    g_assert_cmpint(do_write(b, UINT64_MAX, buf, 512), ==, -EIO);
    g_assert_cmpint(do_write(b, UINT64_MAX - 100, buf, 512), ==, -EIO);
    g_assert_cmpint(do_read(b, IMAGE_SIZE, buf, 0), ==, 0);
    g_assert_cmpint(do_write(ro, 0, buf, 512), ==, -EPERM);
    g_assert_cmpint(do_read(ro, 0, buf, 512), ==, 0);
    g_assert_cmpint(do_read(none, 0, buf, 512), ==, -ENOMEDIUM);
    g_assert_cmpint(do_flush(none), ==, -ENOMEDIUM);
}

/* A last sector that is there in part. */
static void test_tail(Fixture *f, gconstpointer unused)
{
    BlockBackend *b;
    uint8_t buf[512];

    g_assert_cmpint(truncate(f->image, 1024 + 100), ==, 0);
    b = good_drive(f, "file=@,format=raw,if=none");
    g_assert_cmpuint(block_size(b), ==, 1536);
    memset(buf, 0xff, sizeof(buf));
    g_assert_cmpint(do_read(b, 1024, buf, 512), ==, 0);
    for (unsigned i = 0; i < sizeof(buf); i++) {
        g_assert_cmphex(buf[i], ==, 0);
    }
    g_assert_cmpint(block_read_sync(b, 1024, buf, 512), ==, 0);
    g_assert_cmpint(block_read_sync(b, 1024, buf, 513), ==, -EIO);
}

/* Locks */

static void test_locks(Fixture *f, gconstpointer unused)
{
    BlockBackends *other = block_backends_new();
    BlockBackend *a = good_drive(f, "file=@,format=raw,if=none");
    g_autoptr(Object) dev = object_new_container("container");
    g_autoptr(GError) err = NULL, err2 = NULL, err3 = NULL;
    BlockBackend *b, *ro;

    g_assert_true(block_attach(a, dev, false, NULL));
    g_assert_false(block_attach(a, dev, false, &err));
    g_assert_nonnull(strstr(err->message, "already in use"));
    /* Opening is fine; a second writer isn't, nor who wants it unchanged. */
    b = drive(other, f, "file=@,format=raw,if=none", NULL);
    ro = drive(other, f, "file=@,format=raw,if=none,readonly=on", NULL);
    g_assert_nonnull(b);
    g_assert_nonnull(ro);
    g_assert_false(block_attach(b, dev, false, &err2));
    g_assert_nonnull(strstr(err2->message, "\"write\" lock"));
    g_assert_false(block_attach(ro, dev, false, &err3));
    g_assert_nonnull(strstr(err3->message, "shared \"write\" lock"));
    block_detach(a);
    g_assert_true(block_attach(b, dev, false, NULL));
    block_detach(b);
    g_assert_true(block_attach(ro, dev, false, NULL));
    /* One that shares: both may. */
    block_detach(ro);
    block_set_share_rw(a, true);
    block_set_share_rw(b, true);
    g_assert_true(block_attach(a, dev, false, NULL));
    g_assert_true(block_attach(b, dev, false, NULL));
    block_backends_free(other);
}

/* From one process to the other, as a migration does it. */
static void test_hand_over(Fixture *f, gconstpointer unused)
{
    BlockBackends *dst = block_backends_new();
    BlockBackend *a = good_drive(f, "file=@,format=raw,if=none");
    g_autoptr(Object) dev = object_new_container("container");
    g_autoptr(GError) err = NULL;
    uint8_t buf[512] = { 0 };
    BlockBackend *b;
    int ret;

    g_assert_true(block_attach(a, dev, false, NULL));
    block_set_inactive(dst);
    b = drive(dst, f, "file=@,format=raw,if=none", NULL);
    g_assert_nonnull(b);
    g_assert_true(block_attach(b, dev, false, NULL));
    g_assert_cmpint(do_write(b, 0, buf, 512), ==, -EPERM);
    g_assert_cmpint(do_read(b, 0, buf, 512), ==, 0);
    g_assert_false(block_activate_all(dst, &err));
    g_assert_nonnull(strstr(err->message, "lock"));
    g_assert_cmpint(do_write(b, 0, buf, 512), ==, -EPERM);
    g_assert_cmpint(block_drain_all(f->bs, true), ==, 0);
    g_assert_true(block_inactivate_step(f->bs, true, &ret));
    g_assert_cmpint(ret, ==, 0);
    g_assert_cmpint(do_write(a, 0, buf, 512), ==, -EPERM);
    g_assert_cmpint(truncate(f->image, 2 * IMAGE_SIZE), ==, 0);
    g_assert_true(block_activate_all(dst, NULL));
    g_assert_cmpint(do_write(b, IMAGE_SIZE, buf, 512), ==, 0);
    g_assert_false(block_activate_all(f->bs, NULL));
    block_backends_free(dst);
    g_assert_true(block_activate_all(f->bs, NULL));
    g_assert_cmpint(do_write(a, 0, buf, 512), ==, 0);
}

/* What a device with a tray was told. */
typedef struct Told {
    unsigned loads, unloads, requests, moves;
    BlockBackend *cd;
} Told;

static void told_medium(void *opaque, bool load)
{
    Told *t = opaque;

    *(load ? &t->loads : &t->unloads) += 1;
}

static void told_request(void *opaque, bool force)
{
    Told *t = opaque;

    t->requests++;
    if (force) {
        block_set_locked(t->cd, false);
    }
}

static void told_move(void *opaque, const char *name, const char *id, bool open)
{
    Told *t = opaque;

    g_assert_cmpstr(name, ==, block_name(t->cd));
    g_assert_cmpint(open, ==, block_tray_open(t->cd));
    t->moves++;
}

static const BlockDevOps told_ops = { told_medium, told_request };

static void test_eject(Fixture *f, gconstpointer unused)
{
    BlockBackend *cd = good_drive(f, "file=@,format=raw,if=none,media=cdrom");
    g_autoptr(Object) dev = object_new_container("container");
    g_autoptr(GError) err = NULL;
    Told told = { .cd = cd };
    bool waits;

    g_assert_true(block_attach(cd, dev, true, NULL));
    block_set_dev_ops(cd, &told_ops, &told);
    block_set_tray_moved(f->bs, told_move, &told);
    block_set_locked(cd, true);
    g_assert_false(block_eject(cd, false, &err));
    g_assert_nonnull(strstr(err->message, "is locked"));
    g_assert_true(block_open_tray(cd, false, &waits, NULL));
    g_assert_true(waits);
    g_assert_false(block_tray_open(cd));
    g_assert_false(block_remove_medium(cd, NULL));
    g_assert_true(block_is_inserted(cd));
    g_assert_true(block_eject(cd, true, NULL));
    g_assert_false(block_is_inserted(cd));
    g_assert_cmpuint(block_size(cd), ==, 0);
    g_assert_true(block_close_tray(cd, NULL));
    g_assert_true(block_close_tray(cd, NULL));
    g_assert_cmpuint(told.requests, ==, 3);
    g_assert_cmpuint(told.unloads, ==, 1);
    g_assert_cmpuint(told.loads, ==, 1);
    g_assert_cmpuint(told.moves, ==, 2);
}

static void test_change(Fixture *f, gconstpointer unused)
{
    BlockBackend *b = good_drive(f, "if=none,media=cdrom,cache=unsafe");
    g_autoptr(Object) dev = object_new_container("container");
    g_autoptr(GError) err = NULL;
    BlockInfo info;

    /* Nobody uses it: there is no tray either. */
    g_assert_true(block_change_medium(b, f->image, "raw", BLOCK_MEDIUM_RETAIN,
                                      false, NULL));
    block_get_info(b, &info);
    g_assert_true(info.inserted && info.read_only && info.node.no_flush);
    g_assert_false(info.node.direct);
    g_assert_true(block_change_medium(b, f->image, NULL,
                                      BLOCK_MEDIUM_READ_WRITE, false, NULL));
    g_assert_false(block_read_only(b));
    g_assert_true(block_change_medium(b, f->image, "raw", BLOCK_MEDIUM_RETAIN,
                                      false, NULL));
    g_assert_false(block_read_only(b));
    g_assert_false(block_change_medium(b, "/nonexistent/x", "raw",
                                       BLOCK_MEDIUM_RETAIN, false, &err));
    g_assert_nonnull(strstr(err->message, "/nonexistent/x"));
    g_assert_true(block_is_inserted(b));
    /* A disk's can't be taken out. */
    g_assert_true(block_attach(b, dev, false, NULL));
    g_assert_false(block_change_medium(b, f->image, "raw", BLOCK_MEDIUM_RETAIN,
                                       true, NULL));
}

#define ADD(path_, fn_, data_) \
    g_test_add(path_, Fixture, data_, set_up, fn_, tear_down)

int main(int argc, char **argv)
{
    static const char *const modes[] = {
        "cache=writeback",
        "cache=writethrough",
        "cache=unsafe",
        "cache=none",
        "cache=directsync",
        "cache=none,aio=native",
        "cache=directsync,aio=native",
        "aio=io_uring",
        "cache=none,aio=io_uring",
        "cache=writethrough,aio=io_uring",
    };

    g_test_init(&argc, &argv, NULL);
    ADD("/block/options/errors", test_errors, NULL);
    ADD("/block/options/slots", test_slots, NULL);
    ADD("/block/probe/formats", test_probe, NULL);
    ADD("/block/probe/write", test_probed_write, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_autofree char *io = g_strdup_printf("/block/io/%s", modes[i]);
        g_autofree char *many = g_strdup_printf("/block/many/%s", modes[i]);

        ADD(io, test_io, modes[i]);
        ADD(many, test_many, modes[i]);
    }
    ADD("/block/vector", test_vector, NULL);
    ADD("/block/limits", test_limits, NULL);
    ADD("/block/tail", test_tail, NULL);
    ADD("/block/locks", test_locks, NULL);
    ADD("/block/hand-over", test_hand_over, NULL);
    ADD("/block/eject", test_eject, NULL);
    ADD("/block/change", test_change, NULL);
    return g_test_run();
}
