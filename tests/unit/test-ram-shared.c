/*
 * x-ignore-shared: memory that both sides have is listed and left alone, and
 * a list that doesn't fit this machine's is refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/ram-load.h"
#include "migration/ram-send.h"
#include "migration/wire.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"

enum { PAGES = 8, LEN = PAGES * RAM_PAGE_SIZE, AT = 0x100000 };

typedef struct Side {
    Memory mem;
    MemoryRegion shared, own;
    RamBlock *rb;
} Side;

static void side_init(Side *s, const char *path, RamBacking backing, bool share)
{
    RamBlockOptions opts = {
        .size = LEN, .backing = backing, .path = path, .fd = -1, .share = share
    };
    GError *err = NULL;
    VM_LOCK_GUARD();

    memory_init(&s->mem);
    s->rb = ram_block_new(&s->mem.ram, "m0", &opts, &err);
    g_assert_no_error(err);
    memory_region_init_ram_block(&s->shared, &s->mem, "m0", s->rb);
    g_assert_true(
        memory_region_init_ram(&s->own, &s->mem, "own", LEN / 2, &err));
    memory_region_add(&s->mem.root, AT, &s->shared, 0);
}

static void side_fini(Side *s)
{
    VM_LOCK_GUARD();

    memory_region_fini(&s->own);
    memory_region_fini(&s->shared);
    ram_block_free(&s->mem.ram, s->rb);
    memory_fini(&s->mem);
}

static char *temp_file(void)
{
    char *path = NULL;
    int fd = g_file_open_tmp("godwit-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, LEN), ==, 0);
    close(fd);
    return path;
}

static bool no_pace(void *opaque, uint64_t bytes, GError **errp)
{
    return true;
}

/* All that the source says of its memory, in one piece. */
static void send_all(Side *s, StreamOut *out, RamSendStats *ret)
{
    const RamSendOptions opts = { .ignore_shared = true, .pace = no_pace };
    GError *err = NULL;
    g_autoptr(RamSend) send = ram_send_new(&s->mem, out, &opts, &err);

    g_assert_true(ram_send_setup(send, &err));
    vm_lock_acquire();
    g_assert_true(memory_dirty_log_start(&s->mem, &err));
    vm_lock_release();
    /* What isn't sent isn't waited for either. */
    g_assert_cmpuint(ram_send_sync(send, false), ==, PAGES / 2);
    g_assert_true(ram_send_pass(send, &err));
    memset(s->rb->host, 0x5a, RAM_PAGE_SIZE);
    ram_block_set_dirty(&s->mem.ram, s->rb, 0, RAM_PAGE_SIZE);
    g_assert_cmpuint(ram_send_sync(send, true), ==, 0);
    g_assert_true(ram_send_finish(send, &err));
    ram_send_get_stats(send, ret);
    vm_lock_acquire();
    memory_dirty_log_stop(&s->mem);
    vm_lock_release();
}

static bool load_all(Side *s, StreamOut *out, bool pristine, GError **errp)
{
    size_t len;
    const uint8_t *data = stream_out_data(out, &len);
    g_autoptr(StreamIn) in = stream_in_new_mem(data, len);
    g_autoptr(RamLoad) load = ram_load_new(&s->mem);

    ram_load_set_ignore_shared(load);
    if (pristine) {
        g_assert_true(ram_load_make_pristine(load, INT64_MAX));
    }
    while (stream_in_bytes(in) < len) {
        if (!ram_load_section(load, in, errp)) {
            return false;
        }
    }
    return ram_load_finished(load, errp);
}

static void test_same_file(void)
{
    g_autofree char *path = temp_file();
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    RamSendStats st = { 0 };
    Side src = { 0 }, dst = { 0 };
    size_t len;

    side_init(&src, path, RAM_FILE, true);
    side_init(&dst, path, RAM_FILE, true);
    memset(src.rb->host, 0xa5, LEN);
    memset(src.own.ram->host, 0x11, LEN / 2);
    send_all(&src, out, &st);
    g_assert_cmpuint(st.total_bytes, ==, LEN / 2);
    g_assert_cmpuint(st.normal_pages + st.zero_pages, ==, PAGES / 2);
    g_assert_cmpuint(st.remaining_pages, ==, 0);
    stream_out_data(out, &len);
    g_assert_cmpuint(len, <, LEN / 2 + 1024);
    g_assert_true(load_all(&dst, out, true, &err));
    g_assert_no_error(err);
    /* Neither cleared by the destination, nor written. */
    g_assert_cmpuint(src.rb->host[0], ==, 0x5a);
    g_assert_cmpuint(src.rb->host[LEN - 1], ==, 0xa5);
    g_assert_cmpuint(dst.rb->host[LEN - 1], ==, 0xa5);
    g_assert_cmpuint(dst.own.ram->host[LEN / 2 - 1], ==, 0x11);
    side_fini(&src);
    side_fini(&dst);
    unlink(path);
}

/* The destination's memory is of that kind: what it says. */
static void refused(RamBacking backing, bool share, const char *says)
{
    g_autofree char *path = temp_file();
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    RamSendStats st = { 0 };
    Side src = { 0 }, dst = { 0 };

    side_init(&src, path, RAM_FILE, true);
    side_init(&dst, path, backing, share);
    send_all(&src, out, &st);
    g_assert_false(load_all(&dst, out, false, &err));
    g_assert_nonnull(strstr(err->message, says));
    side_fini(&src);
    side_fini(&dst);
    unlink(path);
}

static void test_other_memory(void)
{
    refused(RAM_MEMFD, true,
            "'m0' is shared here (x-ignore-shared), but has "
            "no file");
    refused(RAM_ANONYMOUS, false,
            "'m0' isn't shared here, and the source "
            "sent nothing");
    refused(RAM_FILE, false, "'m0' isn't shared here");
}

static void put_listed(StreamOut *s, const char *name, uint64_t len,
                       uint64_t at)
{
    stream_put_str8(s, name);
    stream_put_be64(s, len);
    stream_put_be64(s, at);
}

static void hostile(uint64_t at, const char *says)
{
    g_autofree char *path = temp_file();
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    Side dst = { 0 };

    side_init(&dst, path, RAM_FILE, true);
    memset(dst.rb->host, 0xa5, LEN);
    stream_put_be64(out, (LEN + LEN / 2) | RAM_REC_MEM_SIZE);
    put_listed(out, "m0", LEN, at);
    put_listed(out, "own", LEN / 2, 12345);
    stream_put_be64(out, RAM_REC_FILL);
    stream_put_str8(out, "m0");
    stream_put_u8(out, 0);
    stream_put_be64(out, RAM_REC_EOS);
    g_assert_false(load_all(&dst, out, false, &err));
    g_assert_nonnull(strstr(err->message, says));
    g_assert_cmpuint(dst.rb->host[0], ==, 0xa5);
    side_fini(&dst);
    unlink(path);
}

static void test_hostile(void)
{
    hostile(AT, "'m0' is shared here (x-ignore-shared), but the source sends");
    hostile(AT + 1, "'m0' is at 0x100000 here and at 0x100001 at the source");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram-shared/same-file", test_same_file);
    g_test_add_func("/ram-shared/other-memory", test_other_memory);
    g_test_add_func("/ram-shared/hostile", test_hostile);
    return g_test_run();
}
