/*
 * Snapshots inside qcow2 images: made, gone back to and deleted here and by
 * qemu-img, which finds nothing wrong and nothing leaked; tables that lie.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <unistd.h>

#include "block/block-priv.h"
#include "util/bswap.h"
#include "util/error.h"

#define DISK  (3 * MiB)
#define STATE (2 * MiB) /* of the machine */

typedef struct Fixture {
    char *dir, *image, *raw;
    BlockBackends *bs;
    BlockBackend *b;
    BlockNode *n;
    const BlockSnapshotOps *ops;
    uint8_t *model;
} Fixture;

typedef struct Case {
    const char *name, *options;
    const char *convert; /* the content is there, compressed */
    bool backing;
    const char *drive; /* further options */
} Case;

static const Case cases[] = {
    { "v3", "compat=1.1" },
    { "v2", "compat=0.10" },
    { "512", "cluster_size=512" },
    { "4k", "cluster_size=4k" },
    { "2M", "cluster_size=2M" },
    { "refcount-4", "refcount_bits=4,cluster_size=4k" },
    { "refcount-64", "refcount_bits=64,cluster_size=1k" },
    { "extended", "extended_l2=on,cluster_size=16k" },
    { "zlib", "cluster_size=4k", .convert = "-c" },
    { "extended-zstd", "extended_l2=on,compression_type=zstd",
      .convert = "-c" },
    { "prealloc", "preallocation=metadata" },
    { "over-raw", "cluster_size=4k", .backing = true },
    { "small-cache", "cluster_size=512",
      .drive = ",l2-cache-size=2048,l2-cache-entry-size=512" },
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
    g_spawn_command_line_sync(cmd, &out, &err, &status, &error);
    g_assert_no_error(error);
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

static void make_image(Fixture *f, const Case *c)
{
    g_autofree char *base = NULL;

    f->dir = g_dir_make_tmp("test-qcow2-snapshot-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->image = g_strdup_printf("%s/image", f->dir);
    f->raw = g_strdup_printf("%s/raw", f->dir);
    base = g_strdup_printf("%s/base", f->dir);
    f->model = g_malloc0(DISK);
    if (c->convert == NULL && !c->backing) {
        run("qemu-img create -q -f qcow2 -o %s %s %zu", c->options, f->image,
            (size_t)DISK);
        return;
    }
    for (size_t i = 0; i < DISK; i++) {
        f->model[i] = (i / 512) ^ (i % 16);
    }
    g_assert_true(g_file_set_contents(base, (char *)f->model, DISK, NULL));
    if (c->backing) {
        run("qemu-img create -q -f qcow2 -o %s -b base -F raw %s", c->options,
            f->image);
    } else {
        run("qemu-img convert %s -O qcow2 -o %s -f raw %s %s", c->convert,
            c->options, base, f->image);
    }
}

static BlockBackend *try_open(Fixture *f, const char *more, GError **errp)
{
    g_autofree char *text =
        g_strdup_printf("file=%s,format=qcow2,if=none,id=d0%s", f->image,
                        more != NULL ? more : "");
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);

    f->bs = block_backends_new();
    f->b = block_new_from_keyval(f->bs, kv, errp);
    return f->b;
}

static void open_image(Fixture *f, const char *more)
{
    g_autoptr(GError) err = NULL;

    try_open(f, more, &err);
    g_assert_no_error(err);
    f->n = f->b->root;
    f->ops = f->n->drv->snapshots;
}

static void close_image(Fixture *f)
{
    block_backends_free(f->bs);
}

static void remove_all(Fixture *f)
{
    run("rm -r %s", f->dir);
    g_free(f->dir);
    g_free(f->image);
    g_free(f->raw);
    g_free(f->model);
}

/* Pieces of the disk, here and in the model. */
static void scribble(Fixture *f, GRand *rand)
{
    for (unsigned i = 0; i < 40; i++) {
        size_t len = g_rand_int_range(rand, 1, 200) * 512;
        size_t off = g_rand_int_range(rand, 0, DISK / 512) * 512;
        uint8_t salt = g_rand_int(rand);

        len = MIN(len, DISK - off);
        for (size_t k = off; k < off + len; k++) {
            f->model[k] = (k / 512) * 3 + salt;
        }
        if (i % 10 == 0) {
            memset(f->model + off, 0, len);
            g_assert_cmpint(block_node_write_zeroes(f->n, off, len, true), ==,
                            0);
        } else {
            g_assert_cmpint(block_node_pwrite(f->n, off, f->model + off, len),
                            ==, 0);
        }
    }
}

static void check_content(Fixture *f)
{
    g_autofree uint8_t *buf = g_malloc(DISK);

    g_assert_cmpint(block_node_pread(f->n, 0, buf, DISK), ==, 0);
    g_assert_true(memcmp(buf, f->model, DISK) == 0);
}

/* qemu-img finds nothing wrong, and the same content. */
static void check_image(const Fixture *f, const char *snapshot)
{
    g_assert_true(g_file_set_contents(f->raw, (char *)f->model, DISK, NULL));
    run("qemu-img check -q -f qcow2 %s", f->image);
    if (snapshot == NULL) {
        run("qemu-img compare -q -f qcow2 -F raw %s %s", f->image, f->raw);
        return;
    }
    run("qemu-img convert -l snapshot.name=%s -O raw %s %s/then", snapshot,
        f->image, f->dir);
    run("cmp %s %s/then", f->raw, f->dir);
}

static void write_state(Fixture *f, uint8_t salt)
{
    g_autofree uint8_t *buf = g_malloc(STATE);

    for (size_t i = 0; i < STATE; i++) {
        buf[i] = (i / 512) + salt;
    }
    g_assert_cmpint(f->ops->state_drop(f->n), ==, 0);
    g_assert_cmpint(f->ops->state_write(f->n, 0, buf, STATE), ==, 0);
}

static void check_state(Fixture *f, uint8_t salt)
{
    g_autofree uint8_t *buf = g_malloc(STATE);

    g_assert_cmpint(f->ops->state_read(f->n, 0, buf, STATE), ==, 0);
    for (size_t i = 0; i < STATE; i++) {
        g_assert_cmphex(buf[i], ==, (uint8_t)((i / 512) + salt));
    }
}

static void snapshot_take(Fixture *f, const char *name, uint64_t state)
{
    g_autoptr(GError) err = NULL;
    BlockSnapshotInfo info = { .name = (char *)(uintptr_t)name,
                               .vm_state_size = state,
                               .date_sec = 1700000000,
                               .vm_clock_ns = 1234567890 };

    g_assert_true(f->ops->create(f->n, &info, &err));
    g_assert_no_error(err);
    if (state > 0) {
        g_assert_cmpint(f->ops->state_drop(f->n), ==, 0);
    }
}

static void snapshot_drop(Fixture *f, const char *name)
{
    g_autoptr(GError) err = NULL;

    g_assert_true(f->ops->remove(f->n, NULL, name, &err));
    g_assert_no_error(err);
}

static const BlockSnapshotInfo *snapshot_find(const Fixture *f,
                                              const char *name)
{
    const BlockSnapshotInfo *info;

    for (unsigned i = 0; (info = f->ops->info(f->n, i)) != NULL; i++) {
        if (g_str_equal(info->name, name)) {
            return info;
        }
    }
    return NULL;
}

static void go_back(Fixture *f, const char *name)
{
    g_autoptr(GError) err = NULL;

    g_assert_nonnull(snapshot_find(f, name));
    g_assert_true(f->ops->go_back(f->n, snapshot_find(f, name)->id, &err));
    g_assert_no_error(err);
}

/* Closed, looked at by qemu-img, and opened again. */
static void check_meanwhile(Fixture *f, const Case *c)
{
    close_image(f);
    check_image(f, NULL);
    open_image(f, c->drive);
    check_content(f);
}

static void test_case(gconstpointer arg)
{
    const Case *c = arg;
    Fixture f = { 0 };
    g_autofree uint8_t *one = NULL, *two = NULL;
    g_autoptr(GRand) rand = g_rand_new_with_seed(g_test_rand_int());

    if (!have_tool()) {
        return;
    }
    make_image(&f, c);
    open_image(&f, c->drive);
    scribble(&f, rand);
    write_state(&f, 7);
    snapshot_take(&f, "one", STATE);
    one = g_memdup2(f.model, DISK);
    scribble(&f, rand);
    check_meanwhile(&f, c);
    snapshot_take(&f, "two", 0);
    two = g_memdup2(f.model, DISK);
    scribble(&f, rand);
    check_meanwhile(&f, c);

    g_assert_cmpuint(snapshot_find(&f, "one")->vm_state_size, ==, STATE);
    g_assert_cmpuint(snapshot_find(&f, "one")->date_sec, ==, 1700000000);
    g_assert_cmpuint(snapshot_find(&f, "one")->vm_clock_ns, ==, 1234567890);
    g_assert_cmpuint(snapshot_find(&f, "two")->disk_size, ==, DISK);
    g_assert_cmpstr(snapshot_find(&f, "two")->id, ==, "2");

    go_back(&f, "one");
    memcpy(f.model, one, DISK);
    check_content(&f);
    check_state(&f, 7);
    check_meanwhile(&f, c);
    scribble(&f, rand);
    check_content(&f);
    g_assert_cmpint(f.ops->state_drop(f.n), ==, 0);
    check_meanwhile(&f, c);
    memcpy(f.model, two, DISK);
    close_image(&f);
    check_image(&f, "two");

    open_image(&f, c->drive);
    go_back(&f, "two");
    check_content(&f);
    snapshot_drop(&f, "one");
    check_meanwhile(&f, c);
    scribble(&f, rand);
    snapshot_drop(&f, "two");
    scribble(&f, rand);
    check_meanwhile(&f, c);
    g_assert_null(f.ops->info(f.n, 0));
    close_image(&f);
    remove_all(&f);
}

/* Theirs here, ours there. */
static void test_both(void)
{
    const Case c = { "both", "cluster_size=4k" };
    g_autoptr(GRand) rand = g_rand_new_with_seed(g_test_rand_int());
    g_autofree uint8_t *mine = NULL, *theirs = NULL;
    Fixture f = { 0 };

    if (!have_tool()) {
        return;
    }
    make_image(&f, &c);
    open_image(&f, NULL);
    scribble(&f, rand);
    snapshot_take(&f, "mine", 0);
    mine = g_memdup2(f.model, DISK);
    scribble(&f, rand);
    close_image(&f);
    run("qemu-img snapshot -c theirs %s", f.image);
    theirs = g_memdup2(f.model, DISK);
    run("qemu-img snapshot -a mine %s", f.image);
    memcpy(f.model, mine, DISK);
    open_image(&f, NULL);
    check_content(&f);
    scribble(&f, rand);
    go_back(&f, "theirs");
    memcpy(f.model, theirs, DISK);
    check_meanwhile(&f, &c);
    scribble(&f, rand);
    close_image(&f);
    run("qemu-img snapshot -d mine %s", f.image);
    open_image(&f, NULL);
    snapshot_drop(&f, "theirs");
    check_meanwhile(&f, &c);
    close_image(&f);
    remove_all(&f);
}

static void test_narrow(void)
{
    const Case c = { "narrow", "refcount_bits=1" };
    g_autoptr(GRand) rand = g_rand_new_with_seed(g_test_rand_int());
    BlockSnapshotInfo info = { .name = (char *)"x" };
    g_autoptr(GError) err = NULL, err2 = NULL;
    Fixture f = { 0 };

    if (!have_tool()) {
        return;
    }
    make_image(&f, &c);
    open_image(&f, NULL);
    scribble(&f, rand);
    g_assert_false(f.ops->create(f.n, &info, &err));
    g_assert_nonnull(strstr(err->message, "refcounts of 1 bits"));
    g_assert_false(f.ops->remove(f.n, NULL, "x", &err2));
    g_assert_nonnull(strstr(err2->message, "No such file"));
    check_meanwhile(&f, &c);
    close_image(&f);
    remove_all(&f);
}

/* Tables that lie */

enum { H_SNAPSHOTS = 60, H_SNAPSHOTS_OFFSET = 64 };

static void patch(const Fixture *f, uint64_t at, const void *bytes, size_t len)
{
    int fd = open(f->image, O_RDWR | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, bytes, len, at), ==, len);
    close(fd);
}

static uint64_t table_at(const Fixture *f)
{
    uint8_t be[8];
    int fd = open(f->image, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(pread(fd, be, 8, H_SNAPSHOTS_OFFSET), ==, 8);
    close(fd);
    return ldq_be_p(be);
}

static void make_snapshot(Fixture *f)
{
    const Case c = { "lies", "cluster_size=4k" };
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    make_image(f, &c);
    open_image(f, NULL);
    scribble(f, rand);
    snapshot_take(f, "s", 0);
    close_image(f);
}

/* Whatever an entry says, it is refused, or what is done with it ends. */
static void test_lies(void)
{
    static const struct {
        unsigned at, len; /* in the entry */
        uint64_t value;
        const char *message; /* of the open; NULL: it is met later */
    } t[] = {
        { 0, 8, 513, "L1 table at 0x201" },
        { 0, 8, UINT64_C(1) << 56, "L1 table at" },
        { 0, 8, UINT64_MAX - 4095, "L1 table at" },
        { 8, 4, 0xffffffff, "L1 table of entries 0xffffffff" },
        { 36, 4, 1025, "extra data 0x401" },
        { 36, 4, 0xffffffff, "extra data 0xffffffff" },
        { 8, 4, 4 * MiB, NULL },
        { 0, 8, 0, NULL },
        { 0, 8, 4096, NULL },
        { 0, 8, UINT64_C(1) << 55, NULL },
        { 36, 4, 0, NULL },
        { 12, 2, 0xffff, NULL },
        { 14, 2, 0xffff, NULL },
    };

    if (!have_tool()) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        Fixture f = { 0 };
        uint8_t be[8];

        make_snapshot(&f);
        stq_be_p(be, t[i].value << (64 - 8 * t[i].len));
        patch(&f, table_at(&f) + t[i].at, be, t[i].len);
        if (t[i].message != NULL) {
            g_assert_null(try_open(&f, NULL, &err));
            g_assert_nonnull(strstr(err->message, t[i].message));
        } else {
            g_autofree char *id = NULL;

            open_image(&f, NULL);
            id = g_strdup(f.ops->info(f.n, 0)->id);
            (void)f.ops->go_back(f.n, id, NULL);
            (void)f.ops->remove(f.n, id, NULL, NULL);
        }
        close_image(&f);
        remove_all(&f);
    }
}

/* More snapshots than there is room for in the file. */
static void test_no_table(void)
{
    g_autoptr(GError) err = NULL;
    Fixture f = { 0 };
    uint8_t be[4];

    if (!have_tool()) {
        return;
    }
    make_snapshot(&f);
    stl_be_p(be, 65536);
    patch(&f, H_SNAPSHOTS, be, sizeof(be));
    if (try_open(&f, NULL, &err) != NULL) {
        /* Zeros behind the end are entries of their own. */
        g_assert_nonnull(f.b->root->drv->snapshots->info(f.b->root, 65535));
    }
    close_image(&f);
    remove_all(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strdup_printf("/qcow2-snapshot/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/qcow2-snapshot/both", test_both);
    g_test_add_func("/qcow2-snapshot/narrow", test_narrow);
    g_test_add_func("/qcow2-snapshot/lies", test_lies);
    g_test_add_func("/qcow2-snapshot/no-table", test_no_table);
    return g_test_run();
}
