/*
 * What a back end counts: requests that went well, that the host couldn't do,
 * and that no medium can do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>

#include "block/block.h"
#include "block/stats.h"
#include "util/error.h"
#include "util/lock.h"

#define IMAGE_SIZE (1 * MiB)
enum { PENDING = 1 };

typedef enum Op { READ, WRITE, ZERO, DISCARD, FLUSH } Op;

typedef struct Step {
    const char *name;
    Op op;
    uint64_t off, len;
    int ret;
} Step;

static void note(void *opaque, int ret)
{
    *(int *)opaque = ret;
}

static int run(BlockBackend *b, const Step *s)
{
    g_autofree char *buf = g_malloc0(MAX(s->len, 1));
    struct iovec iov = { .iov_base = buf, .iov_len = s->len };
    int ret = PENDING;

    memset(buf, 0x5a, s->len);
    switch (s->op) {
    case READ:
        block_aio_readv(b, s->off, &iov, 1, note, &ret);
        break;
    case WRITE:
        block_aio_writev(b, s->off, &iov, 1, note, &ret);
        break;
    case ZERO:
        block_aio_write_zeroes(b, s->off, s->len, false, note, &ret);
        break;
    case DISCARD:
        block_aio_discard(b, s->off, s->len, note, &ret);
        break;
    case FLUSH:
        block_aio_flush(b, note, &ret);
        break;
    }
    while (ret == PENDING) {
        g_main_context_iteration(NULL, TRUE);
    }
    return ret;
}

static BlockBackend *open_image(BlockBackends *bs, const char *path,
                                const char *more)
{
    g_autofree char *text = g_strdup_printf("file=%s,format=raw%s", path, more);
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);
    g_autoptr(GError) err = NULL;
    BlockBackend *b = block_new_from_keyval(bs, kv, &err);

    g_assert_no_error(err);
    return b;
}

static char *make_image(void)
{
    g_autofree char *zeros = g_malloc0(IMAGE_SIZE);
    g_autofree char *dir = g_dir_make_tmp("test-stats-XXXXXX", NULL);
    char *path = g_build_filename(dir, "image", NULL);

    g_assert_true(g_file_set_contents(path, zeros, IMAGE_SIZE, NULL));
    return path;
}

static void remove_image(char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);

    g_unlink(path);
    g_rmdir(dir);
    g_free(path);
}

static void test_counts(void)
{
    static const Step steps[] = {
        { "read", READ, 0, 4096, 0 },
        { "read more", READ, 8192, 512, 0 },
        { "write", WRITE, 65536, 1024, 0 },
        { "write lower", WRITE, 512, 512, 0 },
        { "zeroes", ZERO, 4096, 4096, 0 },
        { "discard", DISCARD, 0, 8192, 0 },
        { "flush", FLUSH, 0, 0, 0 },
        { "read beyond the end", READ, IMAGE_SIZE, 512, -EIO },
        { "write across the end", WRITE, IMAGE_SIZE - 512, 1024, -EIO },
    };
    char *path = make_image();
    BlockBackends *bs = block_backends_new();
    BlockBackend *b = open_image(bs, path, "");
    BlockStats s;

    block_get_stats(b, &s);
    g_assert_cmpint(s.last_ns, ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_test_message("%s", steps[i].name);
        g_assert_cmpint(run(b, &steps[i]), ==, steps[i].ret);
    }
    block_get_stats(b, &s);
    g_assert_cmpuint(s.kind[BLOCK_STATS_READ].bytes, ==, 4096 + 512);
    g_assert_cmpuint(s.kind[BLOCK_STATS_READ].ops, ==, 2);
    g_assert_cmpuint(s.kind[BLOCK_STATS_READ].ninvalid, ==, 1);
    g_assert_cmpuint(s.kind[BLOCK_STATS_READ].nfailed, ==, 0);
    g_assert_cmpuint(s.kind[BLOCK_STATS_WRITE].bytes, ==, 1024 + 512 + 4096);
    g_assert_cmpuint(s.kind[BLOCK_STATS_WRITE].ops, ==, 3);
    g_assert_cmpuint(s.kind[BLOCK_STATS_WRITE].ninvalid, ==, 1);
    g_assert_cmpuint(s.kind[BLOCK_STATS_DISCARD].bytes, ==, 8192);
    g_assert_cmpuint(s.kind[BLOCK_STATS_DISCARD].ops, ==, 1);
    g_assert_cmpuint(s.kind[BLOCK_STATS_FLUSH].ops, ==, 1);
    g_assert_cmpuint(s.wr_highest_offset, ==, 65536 + 1024);
    g_assert_cmpuint(s.kind[BLOCK_STATS_WRITE].total_ns, >, 0);
    g_assert_cmpint(s.last_ns, !=, 0);
    block_backends_free(bs);
    remove_image(path);
}

static void test_read_only(void)
{
    static const Step write = { "write", WRITE, 0, 512, -EPERM };
    char *path = make_image();
    BlockBackends *bs = block_backends_new();
    BlockBackend *b = open_image(bs, path, ",readonly=on");
    BlockStats s;

    g_assert_cmpint(run(b, &write), ==, write.ret);
    block_get_stats(b, &s);
    g_assert_cmpuint(s.kind[BLOCK_STATS_WRITE].ninvalid, ==, 1);
    g_assert_cmpuint(s.kind[BLOCK_STATS_WRITE].ops, ==, 0);
    g_assert_cmpuint(s.wr_highest_offset, ==, 0);
    block_backends_free(bs);
    remove_image(path);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    vm_lock_acquire();
    g_test_add_func("/block-stats/counts", test_counts);
    g_test_add_func("/block-stats/read-only", test_read_only);
    ret = g_test_run();
    vm_lock_release();
    return ret;
}
