/*
 * qcow2 under kill -9: a child writes, flushes and notes what it has flushed;
 * it is killed at any moment, and the image is sound (leaks at most) and has
 * all that was flushed.
 *
 * TEST_KILLS=200 in the environment: how often.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "block/block.h"
#include "qom/object.h"
#include "util/error.h"

#define SLOTS     512 /* blocks that are written, anywhere in the disk */
#define SLOT_SIZE 4096
#define DISK      (64 * MiB)

enum { PENDING = 1, BATCH = 16 };

/* What the child has done; it and its parent share this. */
typedef struct Notes {
    uint32_t started[SLOTS]; /* generation of the newest write */
    uint32_t flushed[SLOTS]; /* that a flush has covered */
    uint32_t batches;
} Notes;

/* Slots lie apart, so that they take clusters and L2 tables of their own. */
static uint64_t slot_off(unsigned slot)
{
    return (uint64_t)(slot * 37 % SLOTS) * (DISK / SLOTS) + 512;
}

static void fill(uint32_t *p, unsigned slot, uint32_t gen)
{
    for (unsigned i = 0; i < SLOT_SIZE / 4; i++) {
        p[i] = gen * 0x10001 + slot;
    }
}

static void note(void *opaque, int ret)
{
    *(int *)opaque = ret;
}

static void finish(const int *ret)
{
    while (*ret == PENDING) {
        g_main_context_iteration(NULL, TRUE);
    }
}

static BlockBackend *open_image(const char *image, BlockBackends **ret_bs,
                                Object *dev)
{
    g_autofree char *text = g_strdup_printf(
        "file=%s,format=qcow2,if=none,id=d0,l2-cache-size=16384", image);
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);
    g_autoptr(GError) err = NULL;
    BlockBackend *b;

    *ret_bs = block_backends_new();
    b = block_new_from_keyval(*ret_bs, kv, &err);
    g_assert_no_error(err);
    g_assert_true(block_attach(b, dev, false, NULL));
    return b;
}

static _Noreturn void child(const char *image, Notes *n, uint32_t seed)
{
    g_autoptr(Object) dev = object_new_container("container");
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    static uint32_t buf[BATCH][SLOT_SIZE / 4];
    BlockBackends *bs;
    BlockBackend *b = open_image(image, &bs, dev);

    for (;;) {
        struct iovec iov[BATCH];
        unsigned slot[BATCH];
        int ret[BATCH], flush = PENDING;

        for (unsigned i = 0; i < BATCH; i++) {
            /* Each of a batch its own. */
            slot[i] = g_rand_int_range(rand, 0, SLOTS / BATCH) * BATCH + i;
            n->started[slot[i]]++;
            fill(buf[i], slot[i], n->started[slot[i]]);
            iov[i] = (struct iovec){ buf[i], SLOT_SIZE };
            ret[i] = PENDING;
            block_aio_writev(b, slot_off(slot[i]), &iov[i], 1, note, &ret[i]);
        }
        for (unsigned i = 0; i < BATCH; i++) {
            finish(&ret[i]);
            g_assert_cmpint(ret[i], ==, 0);
        }
        block_aio_flush(b, note, &flush);
        finish(&flush);
        g_assert_cmpint(flush, ==, 0);
        for (unsigned i = 0; i < BATCH; i++) {
            n->flushed[slot[i]] = n->started[slot[i]];
        }
        __atomic_add_fetch(&n->batches, 1, __ATOMIC_SEQ_CST);
    }
}

static void check_tables(const char *image)
{
    g_autofree char *cmd =
        g_strdup_printf("qemu-img check -q -f qcow2 %s", image);
    g_autofree char *out = NULL, *err = NULL;
    int status = -1;

    g_assert_true(g_spawn_command_line_sync(cmd, &out, &err, &status, NULL));
    /* 3: leaks, which are allowed. */
    if (!WIFEXITED(status) ||
        (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3)) {
        g_test_message("%s%s", out, err);
        g_assert_not_reached();
    }
}

/* Each 512 bytes of a slot are of one write: the flushed one or a later. */
static void check_slots(const char *image, const Notes *n)
{
    g_autoptr(Object) dev = object_new_container("container");
    uint32_t buf[SLOT_SIZE / 4];
    BlockBackends *bs;
    BlockBackend *b = open_image(image, &bs, dev);

    for (unsigned slot = 0; slot < SLOTS; slot++) {
        g_assert_cmpint(block_read_sync(b, slot_off(slot), buf, SLOT_SIZE), ==,
                        0);
        for (unsigned i = 0; i < SLOT_SIZE / 4; i++) {
            uint32_t gen = buf[i] == 0 ? 0 : (buf[i] - slot) / 0x10001;

            if (gen < n->flushed[slot] || gen > n->started[slot] ||
                (gen != 0 && gen * 0x10001 + slot != buf[i])) {
                g_test_message("slot %u: generation %u, flushed %u, begun %u",
                               slot, gen, n->flushed[slot], n->started[slot]);
                g_assert_not_reached();
            }
        }
    }
    block_detach(b);
    block_backends_free(bs);
}

static void kill_once(const char *image, Notes *n, GRand *rand)
{
    uint32_t seed = g_rand_int(rand);
    unsigned batches = g_rand_int_range(rand, 0, 12);
    pid_t pid;

    n->batches = 0;
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        child(image, n, seed);
    }
    while (__atomic_load_n(&n->batches, __ATOMIC_SEQ_CST) < batches &&
           waitpid(pid, NULL, WNOHANG) == 0) {
        g_usleep(100);
    }
    g_usleep(g_rand_int_range(rand, 0, 3000));
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

static void test_kill(gconstpointer options)
{
    g_autofree char *tool = g_find_program_in_path("qemu-img");
    g_autofree char *dir = g_dir_make_tmp("test-kill-XXXXXX", NULL);
    g_autofree char *image = g_strdup_printf("%s/image", dir);
    g_autofree char *make = NULL, *rm = g_strdup_printf("rm -r %s", dir);
    g_autoptr(GRand) rand = g_rand_new_with_seed(g_test_rand_int());
    const char *kills = g_getenv("TEST_KILLS");
    unsigned times = kills != NULL ? atoi(kills) : 4;
    Notes *n;

    if (tool == NULL) {
        g_test_skip("no qemu-img");
        return;
    }
    make = g_strdup_printf("qemu-img create -q -f qcow2 -o %s %s %" PRIu64,
                           (const char *)options, image, (uint64_t)DISK);
    g_assert_true(g_spawn_command_line_sync(make, NULL, NULL, NULL, NULL));
    n = mmap(NULL, sizeof(*n), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_assert_true(n != MAP_FAILED);
    for (unsigned i = 0; i < times; i++) {
        kill_once(image, n, rand);
        check_tables(image);
        check_slots(image, n);
    }
    munmap(n, sizeof(*n));
    g_assert_true(g_spawn_command_line_sync(rm, NULL, NULL, NULL, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/block/qcow2/kill/4k", "cluster_size=4k", test_kill);
    g_test_add_data_func("/block/qcow2/kill/512", "cluster_size=512",
                         test_kill);
    g_test_add_data_func("/block/qcow2/kill/extended", "extended_l2=on",
                         test_kill);
    return g_test_run();
}
