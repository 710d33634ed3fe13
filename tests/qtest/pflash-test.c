/*
 * qtest: flash memory for firmware: commands, what becomes of the drive, and
 * chips that are refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>

#include "tests/qtest/libqtest.h"

enum {
    CODE_SIZE = 64 << 10,
    VARS_SIZE = 16 << 10,
    SECTOR = 4096,
    ARRAY = 0xff,
    PROGRAM = 0x10,
    ERASE = 0x20,
    CLEAR = 0x50,
    LOCK = 0x60,
    STATUS = 0x70,
    ID = 0x90,
    QUERY = 0x98,
    CONFIRM = 0xd0,
    BUFFER = 0xe8,
};

#define CODE (UINT64_C(0x100000000) - CODE_SIZE)
#define VARS (CODE - VARS_SIZE)

typedef struct Board {
    char *dir, *code, *vars;
    QTest *q;
} Board;

/* Each byte says where it is. */
static uint8_t first_content(size_t off)
{
    return off ^ off >> 8;
}

static char *make_image(const char *dir, const char *name, size_t size)
{
    char *path = g_build_filename(dir, name, NULL);
    g_autofree uint8_t *buf = g_malloc(size);

    for (size_t i = 0; i < size; i++) {
        buf[i] = first_content(i);
    }
    g_assert_true(g_file_set_contents(path, (char *)buf, size, NULL));
    return path;
}

static QTest *board_run(const Board *b, const char *more)
{
    return qtest_startf(
        "-machine q35 -drive if=pflash,format=raw,readonly=on,file=%s"
        " -drive if=pflash,format=raw,file=%s %s",
        b->code, b->vars, more);
}

static void board_start(Board *b, const char *more)
{
    b->dir = g_dir_make_tmp("pflash-XXXXXX", NULL);
    b->code = make_image(b->dir, "code", CODE_SIZE);
    b->vars = make_image(b->dir, "vars", VARS_SIZE);
    b->q = board_run(b, more);
}

static void board_free(Board *b)
{
    qtest_quit(b->q);
    g_unlink(b->code);
    g_unlink(b->vars);
    g_rmdir(b->dir);
    g_free(b->code);
    g_free(b->vars);
    g_free(b->dir);
}

static void command(QTest *q, uint64_t at, uint8_t first, uint8_t second)
{
    qtest_writeb(q, at, first);
    qtest_writeb(q, at, second);
}

static uint8_t status(QTest *q)
{
    qtest_writeb(q, VARS, STATUS);
    return qtest_readb(q, VARS);
}

static void array(QTest *q)
{
    qtest_writeb(q, VARS, ARRAY);
}

static void test_reads(void)
{
    uint8_t buf[256];
    Board b;

    board_start(&b, "");
    qtest_memread(b.q, VARS + SECTOR, buf, sizeof(buf));
    for (unsigned i = 0; i < sizeof(buf); i++) {
        g_assert_cmphex(buf[i], ==, first_content(SECTOR + i));
    }
    g_assert_cmphex(qtest_readb(b.q, CODE + 5), ==, first_content(5));
    /* The end of the code below 1 MiB, which is no flash. */
    g_assert_cmphex(qtest_readb(b.q, 0xffff0), ==,
                    first_content(CODE_SIZE - 16));
    qtest_writeb(b.q, 0xffff0, ID);
    g_assert_cmphex(qtest_readb(b.q, 0xffff0), ==,
                    first_content(CODE_SIZE - 16));
    g_assert_cmphex(status(b.q), ==, 0x80);
    qtest_writeb(b.q, VARS, CLEAR);
    g_assert_cmphex(qtest_readb(b.q, VARS + 1), ==, first_content(1));
    g_assert_cmphex(status(b.q), ==, 0);
    /* What isn't there leads back. */
    qtest_writeb(b.q, VARS, 0x33);
    g_assert_cmphex(qtest_readb(b.q, VARS + 1), ==, first_content(1));
    qtest_writeb(b.q, VARS, ID);
    g_assert_cmphex(qtest_readl(b.q, VARS), ==, 0);
    array(b.q);
    board_free(&b);
}

static void test_query(void)
{
    static const struct {
        uint8_t at, want;
    } bytes[] = {
        { 0x10, 'Q' },  { 0x11, 'R' }, { 0x12, 'Y' }, { 0x13, 1 },
        { 0x15, 0x31 }, { 0x27, 14 },  { 0x2a, 8 },   { 0x2c, 1 },
        { 0x2d, 3 },    { 0x2e, 0 },   { 0x2f, 16 },  { 0x30, 0 },
        { 0x31, 'P' },  { 0x32, 'R' }, { 0x33, 'I' }, { 0x60, 0 },
    };
    Board b;

    board_start(&b, "");
    qtest_writeb(b.q, VARS + 0x55, QUERY);
    for (unsigned i = 0; i < G_N_ELEMENTS(bytes); i++) {
        g_assert_cmphex(qtest_readb(b.q, VARS + bytes[i].at), ==,
                        bytes[i].want);
    }
    /* Only one command ends it. */
    qtest_writeb(b.q, VARS, STATUS);
    g_assert_cmphex(qtest_readb(b.q, VARS + 0x10), ==, 'Q');
    array(b.q);
    g_assert_cmphex(qtest_readb(b.q, VARS + 0x10), ==, first_content(0x10));
    board_free(&b);
}

static void test_program(void)
{
    g_autofree char *text = NULL;
    Board b;
    size_t len;

    board_start(&b, "");
    command(b.q, VARS + 3, PROGRAM, 0xa5);
    g_assert_cmphex(qtest_readb(b.q, VARS + 3), ==, 0x80);
    array(b.q);
    g_assert_cmphex(qtest_readb(b.q, VARS + 3), ==, 0xa5);
    g_assert_cmphex(qtest_readb(b.q, VARS + 4), ==, first_content(4));
    qtest_writeb(b.q, VARS, 0x40);
    qtest_writew(b.q, VARS + 6, 0x1234);
    array(b.q);
    g_assert_cmphex(qtest_readw(b.q, VARS + 6), ==, 0x1234);
    /* A sector; what isn't confirmed leads back to reading. */
    command(b.q, VARS + SECTOR + 17, ERASE, CONFIRM);
    g_assert_cmphex(qtest_readb(b.q, VARS), ==, 0x80);
    array(b.q);
    g_assert_cmphex(qtest_readb(b.q, VARS + SECTOR), ==, 0xff);
    g_assert_cmphex(qtest_readb(b.q, VARS + 2 * SECTOR - 1), ==, 0xff);
    g_assert_cmphex(qtest_readb(b.q, VARS + 2 * SECTOR), ==,
                    first_content(2 * SECTOR));
    command(b.q, VARS + SECTOR, ERASE, 0x33);
    g_assert_cmphex(qtest_readb(b.q, VARS + 3), ==, 0xa5);
    command(b.q, VARS, LOCK, 0x01);
    g_assert_cmphex(qtest_readb(b.q, VARS), ==, 0x80);
    command(b.q, VARS, PROGRAM, 0x77); /* it is a command again */
    array(b.q);
    g_assert_cmphex(qtest_readb(b.q, VARS), ==, 0x77);
    /* All of it is on the drive in the end. */
    qtest_quit(b.q);
    g_assert_true(g_file_get_contents(b.vars, &text, &len, NULL));
    g_assert_cmpuint(len, ==, VARS_SIZE);
    g_assert_cmphex((uint8_t)text[0], ==, 0x77);
    g_assert_cmphex((uint8_t)text[3], ==, 0xa5);
    g_assert_cmphex((uint8_t)text[4], ==, first_content(4));
    g_assert_cmphex((uint8_t)text[7], ==, 0x12);
    g_assert_cmphex((uint8_t)text[SECTOR], ==, 0xff);
    g_assert_cmphex((uint8_t)text[2 * SECTOR - 1], ==, 0xff);
    g_assert_cmphex((uint8_t)text[2 * SECTOR], ==, first_content(2 * SECTOR));
    b.q = board_run(&b, "");
    g_assert_cmphex(qtest_readb(b.q, VARS + 3), ==, 0xa5);
    board_free(&b);
}

static void fill(QTest *q, uint64_t at, unsigned n)
{
    command(q, at, BUFFER, n - 1);
    for (unsigned i = 0; i < n; i++) {
        qtest_writeb(q, at + i, 0xc0 + i);
    }
}

static void test_buffer(void)
{
    Board b;

    board_start(&b, "");
    fill(b.q, VARS + 0x104, 4);
    qtest_writeb(b.q, VARS + 0x104, CONFIRM);
    g_assert_cmphex(qtest_readb(b.q, VARS), ==, 0x80);
    array(b.q);
    g_assert_cmphex(qtest_readb(b.q, VARS + 0x103), ==, first_content(0x103));
    g_assert_cmphex(qtest_readl(b.q, VARS + 0x104), ==, 0xc3c2c1c0);
    g_assert_cmphex(qtest_readb(b.q, VARS + 0x108), ==, first_content(0x108));
    /* Not confirmed: nothing has changed. */
    fill(b.q, VARS + 0x200, 2);
    qtest_writeb(b.q, VARS + 0x200, 0x55);
    g_assert_cmphex(qtest_readb(b.q, VARS + 0x200), ==, first_content(0x200));
    /* Across the buffer's end: neither, and an error. */
    fill(b.q, VARS + 0x2fe, 4);
    qtest_writeb(b.q, VARS + 0x2fe, CONFIRM);
    g_assert_cmphex(status(b.q), ==, 0x90);
    qtest_writeb(b.q, VARS, CLEAR);
    g_assert_cmphex(qtest_readb(b.q, VARS + 0x2fe), ==, first_content(0x2fe));
    g_assert_cmphex(qtest_readb(b.q, VARS + 0x300), ==, first_content(0x300));
    board_free(&b);
}

static void test_read_only(void)
{
    Board b;

    board_start(&b, "");
    command(b.q, CODE + 0x100, PROGRAM, 0x77);
    g_assert_cmphex(qtest_readb(b.q, CODE + 0x100), ==, 0x90);
    command(b.q, CODE + 0x100, ERASE, CONFIRM);
    g_assert_cmphex(qtest_readb(b.q, CODE + 0x100), ==, 0xb0);
    qtest_writeb(b.q, CODE, CLEAR);
    g_assert_cmphex(qtest_readb(b.q, CODE + 0x100), ==, first_content(0x100));
    /* The other one is another chip. */
    g_assert_cmphex(qtest_readb(b.q, VARS + 1), ==, first_content(1));
    board_free(&b);
}

/* Only system management mode may write: the rest of the machine sees ROM. */
static void test_secure(void)
{
    Board b;

    board_start(&b, "-global driver=cfi.pflash01,property=secure,value=on");
    command(b.q, VARS + 3, PROGRAM, 0xa5);
    g_assert_cmphex(qtest_readb(b.q, VARS + 3), ==, first_content(3));
    qtest_writeb(b.q, VARS, STATUS);
    g_assert_cmphex(qtest_readb(b.q, VARS), ==, first_content(0));
    board_free(&b);
}

static void check_return(JsonValue *answer)
{
    g_assert_null(json_object_get(answer, "error"));
    json_unref(answer);
}

/* In the middle of a buffer; onto a drive that has something else. */
static void test_migrate(void)
{
    g_autofree char *stream = NULL, *text = NULL, *incoming = NULL;
    bool done = false;
    size_t len;
    Board b;

    board_start(&b, "");
    stream = g_build_filename(b.dir, "stream", NULL);
    incoming = g_strdup_printf("-incoming 'exec:cat %s'", stream);
    command(b.q, VARS + 3, PROGRAM, 0xa5);
    fill(b.q, VARS + 0x104, 4);
    check_return(qtest_qmp(b.q,
                           "{'execute': 'migrate', 'arguments': {'uri':"
                           " 'exec:cat > %s'}}",
                           stream));
    json_unref(qtest_qmp_event(b.q, "STOP"));
    while (!done) {
        g_autoptr(JsonValue) r = qtest_qmp(b.q, "{'execute': 'query-migrate'}");
        const char *state = json_get_string(json_object_get(r, "status"));

        g_assert_cmpstr(state, !=, "failed");
        done = g_str_equal(state, "completed");
    }
    qtest_quit(b.q);
    g_free(make_image(b.dir, "vars", VARS_SIZE));
    b.q = board_run(&b, incoming);
    json_unref(qtest_qmp_event(b.q, "RESUME"));
    qtest_writeb(b.q, VARS + 0x104, CONFIRM);
    array(b.q);
    g_assert_cmphex(qtest_readb(b.q, VARS + 3), ==, 0xa5);
    g_assert_cmphex(qtest_readl(b.q, VARS + 0x104), ==, 0xc3c2c1c0);
    qtest_quit(b.q);
    g_assert_true(g_file_get_contents(b.vars, &text, &len, NULL));
    g_assert_cmphex((uint8_t)text[3], ==, 0xa5);
    g_assert_cmphex((uint8_t)text[0x107], ==, 0xc3);
    g_unlink(stream);
    b.q = board_run(&b, "");
    board_free(&b);
}

/* The drive refuses a write: it gets that when the guest goes on. */
static void test_write_again(void)
{
    g_autofree char *text = NULL;
    size_t len;
    Board b = { 0 };

    b.dir = g_dir_make_tmp("pflash-XXXXXX", NULL);
    b.code = make_image(b.dir, "code", CODE_SIZE);
    b.vars = make_image(b.dir, "vars", VARS_SIZE);
    b.q = qtest_startf(
        "-machine q35 -drive if=pflash,format=raw,readonly=on,file=%s"
        " -drive if=pflash,driver=raw,file.driver=blkdebug,"
        "file.image.driver=file,file.image.filename=%s,"
        "file.inject-error.0.event=write_aio,file.inject-error.0.errno=28,"
        "file.inject-error.0.once=on",
        b.code, b.vars);
    command(b.q, VARS + 0x1003, PROGRAM, 0xa5);
    array(b.q);
    check_return(qtest_qmp(b.q, "{'execute': 'stop'}"));
    check_return(qtest_qmp(b.q, "{'execute': 'cont'}"));
    check_return(qtest_qmp(b.q, "{'execute': 'stop'}"));
    g_assert_true(g_file_get_contents(b.vars, &text, &len, NULL));
    g_assert_cmphex((uint8_t)text[0x1003], ==, 0xa5);
    g_assert_cmphex((uint8_t)text[0x1004], ==, first_content(0x1004));
    board_free(&b);
}

static void test_reset(void)
{
    Board b;

    board_start(&b, "");
    qtest_writeb(b.q, VARS, CLEAR);
    fill(b.q, VARS + 0x104, 4);
    check_return(qtest_qmp(b.q, "{'execute': 'system_reset'}"));
    json_unref(qtest_qmp_event(b.q, "RESET"));
    g_assert_cmphex(qtest_readb(b.q, VARS + 0x104), ==, first_content(0x104));
    g_assert_cmphex(status(b.q), ==, 0x80);
    array(b.q);
    board_free(&b);
}

static void test_nodes(void)
{
    g_autofree char *dir = g_dir_make_tmp("pflash-XXXXXX", NULL);
    g_autofree char *code = make_image(dir, "code", CODE_SIZE), *text = NULL;
    QTest *q = qtest_startf(
        "-machine pc,pflash0=fw -blockdev driver=file,node-name=f,filename=%s,"
        "read-only=on -blockdev driver=raw,node-name=fw,file=f,read-only=on",
        code);

    g_assert_cmphex(qtest_readb(q, CODE + 5), ==, first_content(5));
    text = qtest_hmp(q, "info mtree");
    g_assert_nonnull(strstr(text, "(prio 0, romd): system.flash0"));
    qtest_quit(q);
    g_unlink(code);
    g_rmdir(dir);
}

static void test_refused(void)
{
    static const struct {
        const char *args, *why;
    } cases[] = {
        { "-drive if=pflash,format=raw,file=%s/odd",
          "block device pflash0 has invalid size 4608" },
        { "-drive if=pflash,format=raw,file=%s/none",
          "block device pflash0 has invalid size 0" },
        { "-drive if=pflash,format=raw,file=%s/large",
          "combined size of system firmware exceeds" },
        { "-drive if=pflash,format=raw,file=%s/half"
          " -drive if=pflash,format=raw,file=%s/large",
          "combined size of system firmware exceeds" },
        { "-drive if=pflash,unit=1,format=raw,file=%s/half",
          "pflash1 requires pflash0" },
        { "-machine pflash0=nosuch", "can't find value 'nosuch'" },
        { "-drive if=pflash,format=raw,file=%s/half -machine pflash0=x",
          "clashes with -machine pflash0=x" },
        { "-machine max-fw-size=16385k", "16778240 is greater than 16MiB" },
        { "-drive if=pflash", "No medium found" },
        { "-drive if=pflash,unit=2,format=raw,file=%s/half", "pflash2" },
    };
    static const struct {
        const char *name;
        size_t size;
    } files[] = {
        { "odd", 4608 },
        { "none", 0 },
        { "large", (8 << 20) + SECTOR },
        { "half", 4 << 20 },
    };
    g_autofree char *dir = g_dir_make_tmp("pflash-XXXXXX", NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        g_free(make_image(dir, files[i].name, files[i].size));
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) parts = g_strsplit(cases[i].args, "%s", -1);
        g_autofree char *mine = g_strjoinv(dir, parts);
        g_autofree char *args = g_strconcat("-machine pc ", mine, NULL);
        g_autofree char *text = NULL;
        int code;

        text = qtest_run(args, &code);
        g_assert_cmpint(code, ==, 1);
        if (strstr(text, cases[i].why) == NULL) {
            g_error("%s: '%s' isn't in: %s", args, cases[i].why, text);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i].name, NULL);

        g_unlink(path);
    }
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pflash/reads", test_reads);
    g_test_add_func("/pflash/query", test_query);
    g_test_add_func("/pflash/program", test_program);
    g_test_add_func("/pflash/buffer", test_buffer);
    g_test_add_func("/pflash/read-only", test_read_only);
    g_test_add_func("/pflash/secure", test_secure);
    g_test_add_func("/pflash/migrate", test_migrate);
    g_test_add_func("/pflash/write-again", test_write_again);
    g_test_add_func("/pflash/reset", test_reset);
    g_test_add_func("/pflash/nodes", test_nodes);
    g_test_add_func("/pflash/refused", test_refused);
    return g_test_run();
}
