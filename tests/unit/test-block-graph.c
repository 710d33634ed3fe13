/*
 * Nodes of the block graph: options, names, parts of files, users, locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>

#include "block/block.h"
#include "block/blockdev-opts.h"
#include "qom/object.h"
#include "util/error.h"
#include "util/lock.h"

#define IMAGE_SIZE (64 * KiB)

enum { PENDING = 1 };

typedef struct Fixture {
    char *dir, *image;
    BlockBackends *bs;
} Fixture;

static void set_up(Fixture *f, gconstpointer unused)
{
    g_autofree uint8_t *bytes = g_malloc(IMAGE_SIZE);

    for (size_t i = 0; i < IMAGE_SIZE; i++) {
        bytes[i] = i / 512 + 1;
    }
    f->dir = g_dir_make_tmp("test-graph-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->image = g_strdup_printf("%s/image", f->dir);
    g_assert_true(
        g_file_set_contents(f->image, (char *)bytes, IMAGE_SIZE, NULL));
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
static bool add(BlockBackends *bs, Fixture *f, const char *text, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, "@", -1);
    g_autofree char *full = g_strjoinv(f->image, parts);
    g_autoptr(KeyVal) kv = NULL;

    if (*full == '{') {
        return blockdev_add_from_json_text(bs, full, errp);
    }
    kv = keyval_parse(full, "driver", NULL);
    g_assert_nonnull(kv);
    return blockdev_add_from_keyval(bs, kv, errp);
}

static void good_add(Fixture *f, const char *text)
{
    g_autoptr(GError) err = NULL;

    add(f->bs, f, text, &err);
    g_assert_no_error(err);
}

static void bad_add(Fixture *f, const char *text, const char *message)
{
    g_autoptr(GError) err = NULL;

    g_test_message("%s", text);
    g_assert_false(add(f->bs, f, text, &err));
    g_assert_nonnull(err);
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, message));
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

static int do_io(BlockBackend *b, bool write, uint64_t off, void *buf,
                 size_t len)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    int ret = PENDING;

    if (write) {
        block_aio_writev(b, off, &iov, 1, note, &ret);
    } else {
        block_aio_readv(b, off, &iov, 1, note, &ret);
    }
    return finish(&ret);
}

static void test_errors(Fixture *f, gconstpointer unused)
{
    good_add(f, "file,node-name=f0,filename=@");
    good_add(f, "{\"driver\":\"raw\",\"node-name\":\"r0\",\"file\":\"f0\","
                "\"offset\":512,\"size\":1024}");
    bad_add(f, "file,filename=@", "'node-name' must be specified");
    bad_add(f, "file,node-name=-x,filename=@", "Invalid node-name: '-x'");
    bad_add(f, "file,node-name=f0,filename=@", "Duplicate nodes");
    bad_add(f, "file,node-name=f1,filename=@.none", "No such file");
    bad_add(f, "file,node-name=f1", "Parameter 'filename' is missing");
    bad_add(f, "raw,node-name=r1,file=f9", "Cannot find device='f9'");
    bad_add(f, "raw,node-name=r1,file=f0,foo=1", "'foo' is unexpected");
    bad_add(f, "raw,node-name=r1,file.driver=file,file.filename=@,file.x=1",
            "'file.x' is unexpected");
    bad_add(f, "raw,node-name=r1,file=f0,offset=65537",
            "Offset (65537) cannot be greater");
    bad_add(f, "raw,node-name=r1,file=f0,offset=512,size=65536",
            "has to be smaller or equal");
    bad_add(f, "raw,node-name=r1,file=f0,size=100", "not multiple of 512");
    bad_add(f, "nothing,node-name=r1,file=f0", "does not accept value");
    bad_add(f, "raw,node-name=r1,file=f0,detect-zeroes=unmap",
            "without setting discard");
    bad_add(f, "raw,node-name=r1,file=f0,file.filename=x",
            "used inconsistently");
}

static void test_names(Fixture *f, gconstpointer unused)
{
    g_autoptr(KeyVal) kv = keyval_parse("if=none,id=d0", NULL, NULL);
    g_autoptr(GError) err = NULL, err2 = NULL, err3 = NULL;

    g_assert_nonnull(block_new_from_keyval(f->bs, kv, NULL));
    bad_add(f, "null-co,node-name=d0", "conflicting with a device id");
    good_add(f, "raw,node-name=r0,file.driver=file,file.filename=@,"
                "file.node-name=below");
    g_assert_false(block_node_del(f->bs, "below", &err));
    g_assert_nonnull(strstr(err->message, "not owned by the monitor"));
    g_assert_false(block_node_del(f->bs, "nobody", &err2));
    g_assert_nonnull(strstr(err2->message, "Failed to find node"));
    good_add(f, "raw,node-name=r1,file=r0");
    g_assert_false(block_node_del(f->bs, "r0", &err3));
    g_assert_nonnull(strstr(err3->message, "Block device r0 is in use"));
    g_assert_true(block_node_del(f->bs, "r1", NULL));
    g_assert_true(block_node_del(f->bs, "r0", NULL));
    good_add(f, "null-co,node-name=below");
}

/* A part of a file, with each cache mode: it isn't aligned for O_DIRECT. */
static void test_part(Fixture *f, gconstpointer direct)
{
    g_autofree char *text = g_strdup_printf(
        "raw,node-name=r0,offset=1536,size=8192,file.driver=file,"
        "file.filename=@,cache.direct=%s",
        (const char *)direct);
    g_autoptr(Object) dev = object_new_container("container");
    g_autofree char *all = NULL;
    uint8_t buf[8192];
    BlockBackend *b;

    good_add(f, text);
    b = block_find_for_device(f->bs, "r0");
    g_assert_nonnull(b);
    g_assert_true(block_attach(b, dev, false, NULL));
    g_assert_cmpuint(block_size(b), ==, 8192);
    g_assert_cmpint(do_io(b, false, 0, buf, 8192), ==, 0);
    for (unsigned i = 0; i < 8192; i++) {
        g_assert_cmpint(buf[i], ==, (1536 + i) / 512 + 1);
    }
    memset(buf, 0xee, 512);
    g_assert_cmpint(do_io(b, true, 8192 - 512, buf, 512), ==, 0);
    g_assert_cmpint(do_io(b, true, 8192, buf, 512), ==, -EIO);
    block_detach(b);
    g_assert_true(block_node_del(f->bs, "r0", NULL));
    g_assert_true(g_file_get_contents(f->image, &all, NULL, NULL));
    g_assert_cmpint((uint8_t)all[1536 + 8192 - 513], ==, 18);
    g_assert_cmpint((uint8_t)all[1536 + 8192 - 512], ==, 0xee);
    g_assert_cmpint((uint8_t)all[1536 + 8192 - 1], ==, 0xee);
    g_assert_cmpint((uint8_t)all[1536 + 8192], ==, 20);
}

static void test_null(Fixture *f, gconstpointer unused)
{
    g_autoptr(Object) dev = object_new_container("container");
    uint8_t buf[512];
    BlockBackend *b;

    good_add(f, "null-co,node-name=n0,size=1048576,latency-ns=1000");
    good_add(f, "null-aio,node-name=n1,size=4096");
    for (unsigned i = 0; i < 2; i++) {
        b = block_find_for_device(f->bs, i == 0 ? "n0" : "n1");
        g_assert_true(block_attach(b, dev, false, NULL));
        g_assert_cmpuint(block_size(b), ==, i == 0 ? MiB : 4096);
        memset(buf, 1, sizeof(buf));
        g_assert_cmpint(do_io(b, true, 512, buf, 512), ==, 0);
        g_assert_cmpint(do_io(b, false, 512, buf, 512), ==, 0);
        g_assert_cmpint(buf[0] | buf[511], ==, 0);
        block_detach(b);
    }
}

/* A BlockUnlocked: the first time somebody uses the node behind the writer. */
NO_TSA static void use_meanwhile(void *opaque, void (*fn)(void *arg), void *arg)
{
    g_autoptr(Object) dev = object_new_container("container");
    Fixture *f = opaque;
    uint8_t buf[512];
    BlockBackend *b;

    block_set_unlocked(f->bs, NULL, NULL);
    vm_lock_release();
    fn(arg);
    memset(buf, 0x77, sizeof(buf));
    b = block_find_for_device(f->bs, "q0");
    g_assert_true(block_attach(b, dev, false, NULL));
    g_assert_cmpint(do_io(b, true, 0, buf, sizeof(buf)), ==, 0);
    block_detach(b);
    vm_lock_acquire();
}

/* What came while a node that goes was written is in its file, too. */
static void test_del_written(Fixture *f, gconstpointer text)
{
    g_autoptr(Object) dev = object_new_container("container");
    const char *argv[] = { "qemu-img", "create", "-q", "-f",
                           "qcow2",    f->image, "1M", NULL };
    uint8_t buf[512];
    BlockBackend *b;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
                      NULL, NULL, NULL, NULL, NULL)) {
        g_test_skip("no qemu-img");
        return;
    }
    good_add(f, text);
    block_set_unlocked(f->bs, use_meanwhile, f);
    vm_lock_acquire();
    g_assert_true(block_node_del(f->bs, "q0", NULL));
    vm_lock_release();
    good_add(f, text);
    b = block_find_for_device(f->bs, "q0");
    g_assert_true(block_attach(b, dev, false, NULL));
    g_assert_cmpint(do_io(b, false, 0, buf, sizeof(buf)), ==, 0);
    g_assert_cmpint(buf[0], ==, 0x77);
    g_assert_cmpint(buf[511], ==, 0x77);
    block_detach(b);
}

/* Two users of one file in this program, and one in another. */
static void test_users(Fixture *f, gconstpointer unused)
{
    BlockBackends *other = block_backends_new();
    g_autoptr(Object) dev = object_new_container("container");
    g_autoptr(GError) err = NULL, err2 = NULL;
    BlockBackend *a, *b, *c;

    good_add(f, "file,node-name=f0,filename=@");
    good_add(f, "raw,node-name=r0,file=f0");
    good_add(f, "raw,node-name=r1,file=f0");
    a = block_find_for_device(f->bs, "r0");
    b = block_find_for_device(f->bs, "r1");
    g_assert_true(block_attach(a, dev, false, NULL));
    g_assert_false(block_node_del(f->bs, "r0", NULL));
    g_assert_false(block_attach(b, dev, false, &err));
    g_assert_nonnull(strstr(err->message, "Permission conflict"));
    g_assert_true(add(other, f, "file,node-name=f0,filename=@", NULL));
    c = block_find_for_device(other, "f0");
    g_assert_false(block_attach(c, dev, false, &err2));
    g_assert_nonnull(strstr(err2->message, "\"write\" lock"));
    block_detach(a);
    g_assert_true(block_attach(b, dev, false, NULL));
    block_detach(b);
    g_assert_true(block_attach(c, dev, false, NULL));
    block_backends_free(other);
}

/* Zeros that a guest writes, and what it discards, give room back. */
static void test_zeroes(Fixture *f, gconstpointer unused)
{
    g_autoptr(Object) dev = object_new_container("container");
    g_autofree uint8_t *buf = g_malloc0(IMAGE_SIZE / 2);
    BlockNodeInfo before;
    BlockInfo info;
    int ret = PENDING;
    BlockBackend *b;

    good_add(f, "raw,node-name=r0,file.driver=file,file.filename=@,"
                "discard=unmap,detect-zeroes=unmap");
    b = block_find_for_device(f->bs, "r0");
    g_assert_true(block_attach(b, dev, false, NULL));
    block_get_info(b, &info);
    before = info.node;
    g_assert_cmpint(do_io(b, true, 0, buf, IMAGE_SIZE / 2), ==, 0);
    block_aio_discard(b, IMAGE_SIZE / 2, IMAGE_SIZE / 2, note, &ret);
    g_assert_cmpint(finish(&ret), ==, 0);
    ret = PENDING;
    block_aio_write_zeroes(b, IMAGE_SIZE / 2, 512, false, note, &ret);
    g_assert_cmpint(finish(&ret), ==, 0);
    block_get_info(b, &info);
    g_assert_cmpuint(info.node.allocated, <, before.allocated);
    memset(buf, 1, IMAGE_SIZE / 2);
    g_assert_cmpint(do_io(b, false, 0, buf, IMAGE_SIZE / 2), ==, 0);
    g_assert_cmpint(buf[0] | buf[IMAGE_SIZE / 2 - 1], ==, 0);
    block_detach(b);
}

/* The image stays as it is; with the overlay go the writes. */
static void test_snapshot(Fixture *f, gconstpointer unused)
{
    g_autofree char *text =
        g_strdup_printf("file=%s,format=raw,if=none,id=d0,snapshot=on",
                        f->image);
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);
    g_autoptr(Object) dev = object_new_container("container");
    g_autofree char *all = NULL;
    uint8_t buf[1024];
    BlockBackend *b = block_new_from_keyval(f->bs, kv, NULL);

    g_assert_nonnull(b);
    g_assert_true(block_is_temporary(b));
    g_assert_true(block_attach(b, dev, false, NULL));
    g_assert_cmpuint(block_size(b), ==, IMAGE_SIZE);
    memset(buf, 0xee, sizeof(buf));
    g_assert_cmpint(do_io(b, true, 512, buf, 512), ==, 0);
    memset(buf, 0, sizeof(buf));
    g_assert_cmpint(do_io(b, false, 512, buf, 1024), ==, 0);
    g_assert_cmpint(buf[0], ==, 0xee);
    g_assert_cmpint(buf[512], ==, 3);
    block_detach(b);
    g_assert_true(g_file_get_contents(f->image, &all, NULL, NULL));
    g_assert_cmpint((uint8_t)all[512], ==, 2);
}

/* Errors once, by state, and at a place. */
static void test_blkdebug(Fixture *f, gconstpointer unused)
{
    g_autoptr(Object) dev = object_new_container("container");
    uint8_t buf[512] = { 0 };
    BlockBackend *b;

    good_add(f, "{\"driver\":\"blkdebug\",\"node-name\":\"b0\","
                "\"image\":{\"driver\":\"file\",\"filename\":\"@\"},"
                "\"inject-error\":["
                "{\"event\":\"write_aio\",\"errno\":28,\"once\":true},"
                "{\"event\":\"read_aio\",\"sector\":9},"
                "{\"event\":\"write_aio\",\"state\":2,\"errno\":5}],"
                "\"set-state\":[{\"event\":\"flush_to_disk\","
                "\"new_state\":2}]}");
    bad_add(f, "blkdebug,node-name=b1,image=f9", "Cannot find device='f9'");
    b = block_find_for_device(f->bs, "b0");
    g_assert_true(block_attach(b, dev, false, NULL));
    g_assert_cmpint(do_io(b, true, 0, buf, 512), ==, -ENOSPC);
    g_assert_cmpint(do_io(b, true, 0, buf, 512), ==, 0);
    g_assert_cmpint(do_io(b, false, 8 * 512, buf, 512), ==, 0);
    g_assert_cmpint(do_io(b, false, 9 * 512, buf, 512), ==, -EIO);
    g_assert_cmpint(block_drain_all(f->bs, true), ==, 0);
    g_assert_cmpint(do_io(b, true, 0, buf, 512), ==, -EIO);
    block_detach(b);
}

/* A BlockUnlocked: when an image has been opened all are taken over. */
static NO_TSA void take_over_behind(void *opaque, void (*fn)(void *arg),
                                    void *arg)
{
    BlockBackends *bs = opaque;

    vm_lock_release();
    fn(arg);
    vm_lock_acquire();
    block_set_unlocked(bs, NULL, NULL);
    g_assert_true(block_activate_all(bs, NULL));
}

/* What was opened as another's, and not taken over, isn't used as ours. */
NO_TSA static void test_late(Fixture *f, gconstpointer unused)
{
    GError *err = NULL;
    bool ok;

    block_set_inactive(f->bs);
    block_set_unlocked(f->bs, take_over_behind, f->bs);
    vm_lock_acquire();
    ok = add(f->bs, f, "file,node-name=n,filename=@", &err);
    g_assert_false(ok);
    g_assert_nonnull(strstr(err->message, "try again"));
    g_clear_error(&err);
    ok = add(f->bs, f, "file,node-name=n,filename=@", &err);
    g_assert_no_error(err);
    g_assert_true(ok);
    vm_lock_release();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn, arg) g_test_add(path, Fixture, arg, set_up, fn, tear_down)
    ADD("/block/graph/errors", test_errors, NULL);
    ADD("/block/graph/names", test_names, NULL);
    ADD("/block/graph/part", test_part, "off");
    ADD("/block/graph/part-direct", test_part, "on");
    ADD("/block/graph/null", test_null, NULL);
    ADD("/block/graph/del-written", test_del_written,
        "qcow2,node-name=q0,file.driver=file,file.filename=@");
    ADD("/block/graph/del-written-below", test_del_written,
        "raw,node-name=q0,file.driver=qcow2,file.file.driver=file,"
        "file.file.filename=@");
    ADD("/block/graph/users", test_users, NULL);
    ADD("/block/graph/zeroes", test_zeroes, NULL);
    ADD("/block/graph/snapshot", test_snapshot, NULL);
    ADD("/block/graph/blkdebug", test_blkdebug, NULL);
    ADD("/block/graph/late", test_late, NULL);
    return g_test_run();
}
