/*
 * Host storage that doesn't answer, or takes no requests: who gives a request
 * up, waits for nothing, and later requests don't overtake it.
 *
 * A request stalls in the kernel while its buffer is a page that userfaultfd
 * keeps back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "block/block-priv.h"
#include "qom/object.h"
#include "util/error.h"
#include "util/thread.h"

#define SIZE    (64 * KiB)
#define PAGE    4096
#define PENDING 1

typedef struct Fixture {
    char *dir, *image[2];
    BlockBackends *bs;
    BlockBackend *b[2];
} Fixture;

static void set_up(Fixture *f, const char *options)
{
    f->dir = g_dir_make_tmp("test-stall-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->bs = block_backends_new();
    for (unsigned i = 0; i < 2; i++) {
        g_autofree char *zeros = g_malloc0(SIZE);
        g_autofree char *text = NULL;
        g_autoptr(KeyVal) kv = NULL;

        f->image[i] = g_strdup_printf("%s/image%u", f->dir, i);
        g_assert_true(g_file_set_contents(f->image[i], zeros, SIZE, NULL));
        text = g_strdup_printf("file=%s,format=raw,if=none,id=d%u%s",
                               f->image[i], i, options);
        kv = keyval_parse(text, NULL, NULL);
        f->b[i] = block_new_from_keyval(f->bs, kv, NULL);
        g_assert_nonnull(f->b[i]);
    }
}

static void tear_down(Fixture *f)
{
    block_backends_free(f->bs);
    for (unsigned i = 0; i < 2; i++) {
        g_unlink(f->image[i]);
        g_free(f->image[i]);
    }
    g_rmdir(f->dir);
    g_free(f->dir);
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

/* A page that isn't there yet; -1: the host doesn't let us. */
static int page_held_back(void **ret_page)
{
    struct uffdio_api api = { .api = UFFD_API };
    struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

    if (fd < 0) {
        return -1;
    }
    *ret_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(*ret_page != MAP_FAILED);
    reg.range.start = (uintptr_t)*ret_page;
    reg.range.len = PAGE;
    g_assert_cmpint(ioctl(fd, UFFDIO_API, &api), ==, 0);
    g_assert_cmpint(ioctl(fd, UFFDIO_REGISTER, &reg), ==, 0);
    return fd;
}

static void let_go(int fd, void *page)
{
    struct uffdio_zeropage z = { .range = { (uintptr_t)page, PAGE } };

    g_assert_cmpint(ioctl(fd, UFFDIO_ZEROPAGE, &z), ==, 0);
}

static void wait_stalled(int fd)
{
    struct uffd_msg msg;

    g_assert_cmpint(read(fd, &msg, sizeof(msg)), ==, sizeof(msg));
}

static void test_abandon(void)
{
    Fixture f;
    void *page;
    int fd = page_held_back(&page);
    g_autofree char *newer = g_malloc(PAGE), *got = g_malloc(PAGE);
    int ret[4] = { PENDING, PENDING, PENDING, PENDING };
    struct iovec stuck, iov = { newer, PAGE }, back = { got, PAGE };

    if (fd < 0) {
        g_test_skip("no userfaultfd");
        return;
    }
    stuck = (struct iovec){ page, PAGE };
    memset(newer, 0x5a, PAGE);
    set_up(&f, "");
    block_aio_writev(f.b[0], 0, &stuck, 1, note, &ret[0]);
    wait_stalled(fd);
    block_aio_abandon(f.b[0], &ret[0]);
    /* The same sectors, written anew and read, wait for the lost write. */
    block_aio_writev(f.b[0], 0, &iov, 1, note, &ret[1]);
    block_aio_readv(f.b[0], 0, &back, 1, note, &ret[2]);
    block_aio_abandon(f.b[0], &ret[2]); /* no engine has begun it */
    g_assert_cmpint(finish(&ret[2]), ==, -ECANCELED);
    /* Another back end has nothing to do with that, at its end neither. */
    block_aio_writev(f.b[1], 0, &iov, 1, note, &ret[3]);
    g_assert_cmpint(finish(&ret[3]), ==, 0);
    block_detach(f.b[1]);
    g_assert_cmpint(ret[0], ==, PENDING);
    g_assert_cmpint(ret[1], ==, PENDING);
    let_go(fd, page);
    g_assert_cmpint(finish(&ret[1]), ==, 0);
    g_assert_cmpint(ret[0], ==, 0);
    ret[2] = PENDING;
    block_aio_readv(f.b[0], 0, &back, 1, note, &ret[2]);
    g_assert_cmpint(finish(&ret[2]), ==, 0);
    g_assert_cmpmem(got, PAGE, newer, PAGE);
    tear_down(&f);
    munmap(page, PAGE);
    close(fd);
}

/* A drain in steps: nobody waits, and nothing is lost that was written. */
static void test_drain_steps(void)
{
    Fixture f;
    void *page;
    int fd = page_held_back(&page);
    int ret[2] = { PENDING, PENDING }, err = PENDING;
    g_autofree char *buf = g_malloc0(PAGE);
    struct iovec stuck = { page, PAGE }, iov = { buf, PAGE };

    if (fd < 0) {
        g_test_skip("no userfaultfd");
        return;
    }
    set_up(&f, "");
    block_aio_writev(f.b[0], 0, &stuck, 1, note, &ret[0]);
    block_aio_writev(f.b[1], 0, &iov, 1, note, &ret[1]);
    wait_stalled(fd);
    g_assert_cmpint(finish(&ret[1]), ==, 0);
    for (int i = 0; i < 3; i++) {
        g_assert_false(block_drain_step(f.bs, i == 0, &err));
    }
    g_assert_cmpint(ret[0], ==, PENDING);
    let_go(fd, page);
    /* It was given up; then another is made, from the start. */
    while (!block_drain_step(f.bs, true, &err) && ret[0] == PENDING) {
        g_thread_yield();
    }
    while (!block_drain_step(f.bs, false, &err)) {
        g_thread_yield();
    }
    g_assert_cmpint(err, ==, 0);
    g_assert_cmpint(ret[0], ==, 0);
    tear_down(&f);
    munmap(page, PAGE);
    close(fd);
}

/*
 * Who changes a medium's size, or the medium, waits for what is in flight, and
 * what comes meanwhile waits for him; a stop of the guest for neither.
 */
static void test_quiesce(void)
{
    Fixture f;
    void *page;
    int fd = page_held_back(&page);
    int ret[4] = { PENDING, PENDING, PENDING, PENDING }, err = PENDING;
    g_autofree char *buf = g_malloc0(PAGE);
    struct iovec stuck = { page, PAGE }, iov = { buf, PAGE };
    GError *why = NULL;

    if (fd < 0) {
        g_test_skip("no userfaultfd");
        return;
    }
    set_up(&f, "");
    block_aio_writev(f.b[0], 0, &stuck, 1, note, &ret[0]);
    wait_stalled(fd);
    g_assert_false(block_quiesce_step(f.b[0]));
    g_assert_true(block_quiesce_step(f.b[1]));
    block_quiesce_end(f.b[1]);
    block_aio_writev(f.b[0], PAGE, &iov, 1, note, &ret[1]);
    block_aio_readv(f.b[0], SIZE - PAGE, &iov, 1, note, &ret[2]);
    g_assert_false(block_resize(f.b[0], SIZE / 2, &why));
    g_assert_nonnull(strstr(why->message, "requests in flight"));
    g_clear_error(&why);
    g_assert_false(block_remove_medium(f.b[0], NULL));
    let_go(fd, page);
    while (!block_quiesce_step(f.b[0])) {
        g_thread_yield();
    }
    g_assert_cmpint(ret[0], ==, 0);
    g_assert_cmpint(ret[1], ==, PENDING);
    g_assert_true(block_resize(f.b[0], SIZE / 2, NULL));
    /* What waited finds the disk as it is now. */
    block_quiesce_end(f.b[0]);
    g_assert_cmpint(finish(&ret[1]), ==, 0);
    g_assert_cmpint(finish(&ret[2]), ==, -EIO);
    /* The guest stops: what waits is done first. */
    g_assert_true(block_quiesce_step(f.b[0]));
    block_aio_readv(f.b[0], 0, &iov, 1, note, &ret[3]);
    while (!block_drain_step(f.bs, err == PENDING, &err)) {
        err = 0;
        g_thread_yield();
    }
    g_assert_cmpint(ret[3], ==, 0);
    /* The medium goes: nobody else's requests reach the next one. */
    g_assert_true(block_quiesce_step(f.b[0]));
    ret[3] = PENDING;
    block_aio_readv(f.b[0], 0, &iov, 1, note, &ret[3]);
    g_assert_true(block_remove_medium(f.b[0], NULL));
    block_quiesce_end(f.b[0]);
    g_assert_cmpint(finish(&ret[3]), ==, -ENOMEDIUM);
    tear_down(&f);
    munmap(page, PAGE);
    close(fd);
}

/* A medium goes, and who uses the same node, behind its requests, goes on. */
static void test_cancel_shared(void)
{
    enum { PART = 512 };
    Fixture f;
    BlockBackend *other;
    int ret[2] = { PENDING, PENDING };
    g_autofree char *buf = g_malloc0(PART);
    struct iovec iov = { buf, PART };

    set_up(&f, "");
    other = block_find_for_device(f.bs, f.b[0]->root->name);
    g_assert_nonnull(other);
    /* As with O_DIRECT: writes of a part of a block wait for each other. */
    for (BlockNode *n = other->root; n != NULL; n = n->file) {
        n->align = PAGE;
        if (n->img != NULL) {
            n->img->align = n->img->mem_align = PAGE;
        }
    }
    g_assert_true(block_quiesce_step(f.b[0]));
    block_aio_writev(f.b[0], 0, &iov, 1, note, &ret[0]);
    block_aio_writev(other, PART, &iov, 1, note, &ret[1]);
    g_assert_cmpuint(other->root->waiting.length, ==, 2);
    g_assert_true(block_remove_medium(f.b[0], NULL));
    block_quiesce_end(f.b[0]);
    g_assert_cmpuint(other->root->waiting.length, ==, 0);
    g_assert_cmpint(finish(&ret[0]), ==, -ENOMEDIUM);
    g_assert_cmpint(finish(&ret[1]), ==, 0);
    tear_down(&f);
}

static unsigned nleft;

static int leave_unlocked(BlockNode *n)
{
    g_assert_false(vm_lock_held());
    nleft++;
    return 0;
}

/*
 * A migration gives the images up: in steps that don't wait for storage, and
 * writes their tables without keeping others from the lock.
 */
static void test_inactivate(void)
{
    Fixture f;
    void *page;
    int fd = page_held_back(&page);
    int ret = PENDING, err = PENDING;
    struct iovec stuck = { page, PAGE };
    BlockDriver slow;

    if (fd < 0) {
        g_test_skip("no userfaultfd");
        return;
    }
    set_up(&f, "");
    slow = *f.b[0]->root->drv;
    slow.inactivate = leave_unlocked;
    f.b[0]->root->drv = &slow;
    vm_lock_acquire();
    block_aio_writev(f.b[0], 0, &stuck, 1, note, &ret);
    wait_stalled(fd);
    for (int i = 0; i < 3; i++) {
        g_assert_false(block_inactivate_step(f.bs, i == 0, &err));
    }
    /* Undone: the images are still ours, and nobody has to take them back. */
    g_assert_false(f.bs->inactive);
    g_assert_cmpuint(nleft, ==, 0);
    let_go(fd, page);
    for (bool first = true; !block_inactivate_step(f.bs, first, &err);) {
        first = false;
        g_thread_yield();
    }
    g_assert_true(vm_lock_held());
    vm_lock_release();
    g_assert_cmpint(err, ==, 0);
    g_assert_cmpint(ret, ==, 0);
    g_assert_true(f.bs->inactive);
    g_assert_cmpuint(nleft, ==, 1);
    tear_down(&f);
    munmap(page, PAGE);
    close(fd);
}

static Lock stuck_lock = LOCK_INITIALIZER;

static int settle_stuck(BlockNode *n)
{
    lock_acquire(&stuck_lock);
    nleft++;
    lock_release(&stuck_lock);
    return 0;
}

static int inactivate_all(BlockBackends *bs)
{
    int err = PENDING;

    for (bool first = true; !block_inactivate_step(bs, first, &err);) {
        first = false;
        g_thread_yield();
    }
    return err;
}

/*
 * A migration is cancelled while the storage doesn't take the tables: the
 * images are used again at once, and given up by the next one when the tables
 * of the first are written.
 */
static void test_inactivate_dropped(void)
{
    Fixture f;
    BlockDriver slow;
    int err, ret = PENDING;
    char data[BLOCK_SECTOR] = "x";
    struct iovec iov = { data, sizeof(data) };

    set_up(&f, "");
    slow = *f.b[0]->root->drv;
    slow.inactivate = settle_stuck;
    f.b[0]->root->drv = &slow;
    nleft = 0;
    vm_lock_acquire();
    lock_acquire(&stuck_lock);
    for (int i = 0; i < 3; i++) {
        g_assert_false(block_inactivate_step(f.bs, i == 0, &err));
        g_assert_true(f.bs->inactive);
    }
    g_assert_true(block_activate_all(f.bs, NULL));
    g_assert_false(f.bs->inactive);
    block_aio_writev(f.b[0], 0, &iov, 1, note, &ret);
    vm_lock_release();
    g_assert_cmpint(finish(&ret), ==, 0);
    vm_lock_acquire();
    g_assert_false(block_inactivate_step(f.bs, true, &err));
    g_assert_false(f.bs->inactive);
    lock_release(&stuck_lock);
    g_assert_cmpint(inactivate_all(f.bs), ==, 0);
    vm_lock_release();
    g_assert_true(f.bs->inactive);
    g_assert_cmpuint(nleft, ==, 2);
    tear_down(&f);
}

/* The same; nobody gives them up again, and the main loop ends the thread. */
static void test_inactivate_left(void)
{
    Fixture f;
    BlockDriver slow;
    int err;

    set_up(&f, "");
    slow = *f.b[0]->root->drv;
    slow.inactivate = settle_stuck;
    f.b[0]->root->drv = &slow;
    lock_acquire(&stuck_lock);
    g_assert_false(block_inactivate_step(f.bs, true, &err));
    g_assert_true(block_activate_all(f.bs, NULL));
    lock_release(&stuck_lock);
    while (f.bs->tables != NULL) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpuint(f.b[0]->root->refs, ==, 1);
    tear_down(&f);
}

/* What others do while storage lets a user wait, who began with vm_lock. */
typedef struct Served {
    Fixture *f;
    void (*during)(Fixture *f);
    void (*fn)(void *arg);
    void *arg;
} Served;

static void *served_wait(void *opaque)
{
    const Served *s = opaque;

    s->fn(s->arg);
    return NULL;
}

/* A BlockUnlocked: it waits for stuck_lock, which is let go of in the end. */
static NO_TSA void serve_others(void *opaque, void (*fn)(void *arg), void *arg)
{
    Served *s = opaque;
    Thread t;

    s->fn = fn;
    s->arg = arg;
    g_assert_true(thread_create(&t, "wait", served_wait, s, NULL));
    s->during(s->f);
    lock_release(&stuck_lock);
    vm_lock_release();
    thread_join(&t);
    vm_lock_acquire();
}

static int waiting_ret;

static bool resize_stuck(BlockNode *n, uint64_t size, GError **errp)
{
    g_assert_false(vm_lock_held());
    lock_acquire(&stuck_lock);
    lock_release(&stuck_lock);
    block_node_set_size(n, size);
    return true;
}

static void check_refused(bool ok, GError *err, const char *part)
{
    g_assert_false(ok);
    g_assert_nonnull(strstr(err->message, part));
    g_error_free(err);
}

static void during_resize(Fixture *f)
{
    static char data[BLOCK_SECTOR];
    static const struct iovec iov = { data, sizeof(data) };
    GError *err = NULL;
    int ret;
    bool ok;

    ok = block_resize(f->b[0], SIZE, &err);
    check_refused(ok, err, "being changed");
    err = NULL;
    ok = block_remove_medium(f->b[0], &err);
    check_refused(ok, err, "being changed");
    /* A stop of the guest, or a migration, waits; so do requests. */
    waiting_ret = PENDING;
    block_aio_writev(f->b[0], SIZE - BLOCK_SECTOR, &iov, 1, note, &waiting_ret);
    g_assert_false(block_drain_step(f->bs, true, &ret));
    g_assert_false(block_inactivate_step(f->bs, true, &ret));
    g_assert_cmpint(waiting_ret, ==, PENDING);
    /* Its device goes. */
    block_detach(f->b[0]);
    g_assert_true(f->b[0]->leaving);
}

NO_TSA static void test_resize_unlocked(void)
{
    Fixture f;
    BlockDriver slow;
    Served s = { .f = &f, .during = during_resize };
    Object *dev = object_new_container("container");

    set_up(&f, "");
    slow = *f.b[0]->root->drv;
    slow.resize = resize_stuck;
    f.b[0]->root->drv = &slow;
    block_set_unlocked(f.bs, serve_others, &s);
    g_assert_true(block_attach(f.b[0], dev, false, NULL));
    vm_lock_acquire();
    lock_acquire(&stuck_lock);
    g_assert_true(block_resize(f.b[0], SIZE / 2, NULL));
    vm_lock_release();
    g_assert_cmpuint(block_size(f.b[0]), ==, SIZE / 2);
    g_assert_cmpint(finish(&waiting_ret), ==, -EIO);
    while (f.b[0]->leaving) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_null(f.b[0]->dev);
    block_set_unlocked(f.bs, NULL, NULL);
    object_unref(dev);
    tear_down(&f);
}

/* The guest is stopped: what waited is done, and its driver told so. */
NO_TSA static void during_remove(Fixture *f)
{
    int ret;

    if (nleft > 0) {
        lock_acquire(&stuck_lock);
        return;
    }
    g_assert_cmpint(waiting_ret, ==, PENDING);
    while (waiting_ret == PENDING) {
        g_assert_false(block_drain_step(f->bs, true, &ret));
    }
    g_assert_cmpint(waiting_ret, ==, 0);
}

/* What is written while a medium's tables are, is on it when it leaves. */
NO_TSA static void test_remove_written(void)
{
    char data[BLOCK_SECTOR] = "x";
    struct iovec iov = { data, sizeof(data) };
    Fixture f;
    BlockDriver slow;
    Served s = { .f = &f, .during = during_remove };

    set_up(&f, "");
    slow = *f.b[0]->root->drv;
    slow.inactivate = settle_stuck;
    f.b[0]->root->drv = &slow;
    block_set_unlocked(f.bs, serve_others, &s);
    nleft = 0;
    waiting_ret = PENDING;
    vm_lock_acquire();
    lock_acquire(&stuck_lock);
    g_assert_true(block_quiesce_step(f.b[0]));
    block_aio_writev(f.b[0], 0, &iov, 1, note, &waiting_ret);
    g_assert_true(block_remove_medium(f.b[0], NULL));
    vm_lock_release();
    g_assert_cmpuint(nleft, ==, 2);
    g_assert_false(f.b[0]->quiesced);
    block_set_unlocked(f.bs, NULL, NULL);
    tear_down(&f);
}

static void during_del(Fixture *f)
{
    GError *err = NULL;
    bool ok = block_node_del(f->bs, "n", &err);

    check_refused(ok, err, "in use");
}

static void during_add(Fixture *f)
{
    g_autoptr(KeyVal) kv = keyval_new();

    g_assert_null(block_node_find(f->bs, "n"));
    keyval_add(kv, "driver", "null-co");
    keyval_add(kv, "node-name", "n");
    block_set_unlocked(f->bs, NULL, NULL);
    g_assert_true(block_node_add(f->bs, kv, NULL));
}

static KeyVal *file_options(const Fixture *f)
{
    KeyVal *kv = keyval_new();

    keyval_add(kv, "driver", "file");
    keyval_add(kv, "node-name", "n");
    keyval_add(kv, "filename", f->image[0]);
    return kv;
}

/* Nodes come and go without the lock, and find others that were faster. */
NO_TSA static void test_nodes_unlocked(void)
{
    Fixture f;
    BlockDriver slow;
    Served s = { .f = &f, .during = during_add };
    g_autoptr(KeyVal) first = NULL;
    g_autoptr(KeyVal) second = NULL;
    GError *err = NULL;
    bool ok;

    set_up(&f, "");
    first = file_options(&f);
    second = file_options(&f);
    block_set_unlocked(f.bs, serve_others, &s);
    vm_lock_acquire();
    lock_acquire(&stuck_lock);
    ok = block_node_add(f.bs, first, &err);
    check_refused(ok, err, "Duplicate nodes");
    g_assert_true(block_node_del(f.bs, "n", NULL));
    g_assert_true(block_node_add(f.bs, second, NULL));
    slow = *block_node_find(f.bs, "n")->drv;
    slow.inactivate = settle_stuck;
    block_node_find(f.bs, "n")->drv = &slow;
    s.during = during_del;
    block_set_unlocked(f.bs, serve_others, &s);
    lock_acquire(&stuck_lock);
    g_assert_true(block_node_del(f.bs, "n", NULL));
    g_assert_null(block_node_find(f.bs, "n"));
    vm_lock_release();
    tear_down(&f);
}

static bool activate_stuck(BlockNode *n, GError **errp)
{
    g_assert_false(vm_lock_held());
    lock_acquire(&stuck_lock);
    lock_release(&stuck_lock);
    if (nleft == 0) {
        nleft++;
        error_setf(errp, "no");
        return false;
    }
    return true;
}

static void during_activate(Fixture *f)
{
    GError *err = NULL;
    bool ok = block_activate_all(f->bs, &err);
    int ret;

    check_refused(ok, err, "already");
    /* A migration doesn't give away what is being written. */
    g_assert_false(block_inactivate_step(f->bs, true, &ret));
    g_assert_false(block_inactivate_step(f->bs, false, &ret));
    err = NULL;
    ok = block_resize(f->b[0], SIZE, &err);
    check_refused(ok, err, "read-only");
}

NO_TSA static void test_activate_unlocked(void)
{
    Fixture f;
    BlockDriver slow;
    Served s = { .f = &f, .during = during_activate };

    set_up(&f, "");
    slow = *f.b[0]->root->drv;
    slow.activate = activate_stuck;
    f.b[0]->root->drv = &slow;
    g_assert_cmpint(inactivate_all(f.bs), ==, 0);
    block_set_unlocked(f.bs, serve_others, &s);
    nleft = 0;
    vm_lock_acquire();
    lock_acquire(&stuck_lock);
    g_assert_false(block_activate_all(f.bs, NULL));
    g_assert_true(f.bs->inactive);
    lock_acquire(&stuck_lock);
    g_assert_true(block_activate_all(f.bs, NULL));
    g_assert_false(f.bs->inactive);
    vm_lock_release();
    tear_down(&f);
}

static int flushes, flush_result;

static int count_flush(BlockNode *n)
{
    g_assert_false(vm_lock_held());
    flushes++;
    return flush_result;
}

/*
 * A disk was written and taken out; its node stays.  Who gives the images up
 * has it flushed, though no drive is there that would.
 */
static void test_inactivate_orphan(void)
{
    g_autofree char *name = NULL;
    g_autoptr(KeyVal) kv = keyval_new();
    char data[BLOCK_SECTOR] = "x";
    struct iovec iov = { data, sizeof(data) };
    int ret = PENDING;
    BlockBackend *b;
    BlockDriver counts;
    Fixture f;

    set_up(&f, "");
    name = g_strdup_printf("%s/orphan", f.dir);
    g_assert_true(g_file_set_contents(name, data, sizeof(data), NULL));
    keyval_add(kv, "driver", "file");
    keyval_add(kv, "node-name", "orphan");
    keyval_add(kv, "filename", name);
    g_assert_true(block_node_add(f.bs, kv, NULL));
    b = block_find_for_device(f.bs, "orphan");
    counts = *b->root->drv;
    counts.flush = count_flush;
    b->root->drv = &counts;
    block_aio_writev(b, 0, &iov, 1, note, &ret);
    g_assert_cmpint(finish(&ret), ==, 0);
    block_release(b);
    flush_result = -EIO;
    g_assert_cmpint(inactivate_all(f.bs), ==, -EIO);
    g_assert_false(f.bs->inactive);
    flush_result = 0;
    g_assert_cmpint(inactivate_all(f.bs), ==, 0);
    g_assert_cmpint(flushes, ==, 2);
    g_assert_true(block_activate_all(f.bs, NULL));
    g_assert_cmpint(inactivate_all(f.bs), ==, 0);
    g_assert_cmpint(flushes, ==, 2);
    g_unlink(name);
    tear_down(&f);
}

/* From here on io_uring_enter() fails in this thread. */
static bool forbid_io_uring(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = { G_N_ELEMENTS(code), code };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

static void test_uring_refused(void)
{
    Fixture f;
    g_autofree char *buf = g_malloc(PAGE), *got = g_malloc0(PAGE);
    struct iovec iov = { buf, PAGE }, back = { got, PAGE };
    int ret[3] = { PENDING, PENDING, PENDING };
    int fd = syscall(SYS_io_uring_setup, 0, NULL);

    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        g_test_skip("no io_uring");
        return;
    }
    memset(buf, 0x5a, PAGE);
    set_up(&f, ",aio=io_uring");
    g_assert_true(forbid_io_uring());
    block_aio_writev(f.b[0], 0, &iov, 1, note, &ret[0]);
    block_aio_writev(f.b[0], PAGE, &iov, 1, note, &ret[1]);
    g_assert_cmpint(block_drain_all(f.bs, true), ==, 0);
    g_assert_cmpint(ret[0], ==, 0);
    g_assert_cmpint(ret[1], ==, 0);
    block_aio_readv(f.b[0], PAGE, &back, 1, note, &ret[2]);
    g_assert_cmpint(finish(&ret[2]), ==, 0);
    g_assert_cmpmem(got, PAGE, buf, PAGE);
    tear_down(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    g_test_add_func("/block-stall/abandon", test_abandon);
    g_test_add_func("/block-stall/drain-steps", test_drain_steps);
    g_test_add_func("/block-stall/quiesce", test_quiesce);
    g_test_add_func("/block-stall/cancel-shared", test_cancel_shared);
    g_test_add_func("/block-stall/inactivate", test_inactivate);
    g_test_add_func("/block-stall/inactivate-dropped", test_inactivate_dropped);
    g_test_add_func("/block-stall/inactivate-left", test_inactivate_left);
    g_test_add_func("/block-stall/inactivate-orphan", test_inactivate_orphan);
    g_test_add_func("/block-stall/resize-unlocked", test_resize_unlocked);
    g_test_add_func("/block-stall/remove-written", test_remove_written);
    g_test_add_func("/block-stall/nodes-unlocked", test_nodes_unlocked);
    g_test_add_func("/block-stall/activate-unlocked", test_activate_unlocked);
    g_test_add_func("/block-stall/uring-refused", test_uring_refused);
    return g_test_run();
}
