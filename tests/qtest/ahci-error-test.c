/*
 * qtest: AHCI: what werror= and rerror= make of commands that the host can't
 * carry out; also where the guest moves while they wait.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/ahci.h"

static void qmp_ok(QTest *q, const char *line)
{
    g_autoptr(JsonValue) r = qtest_qmp(q, "%s", line);

    g_assert_null(json_object_get(r, "error"));
}

static void expect_status(QTest *q, const char *want)
{
    for (;;) {
        g_autoptr(JsonValue) r = qtest_qmp(q, "{\"execute\":\"query-status\"}");

        if (g_strcmp0(json_get_string(json_object_get(r, "status")), want) ==
            0) {
            return;
        }
        g_usleep(1000);
    }
}

typedef struct Failure {
    const char *event; /* at which requests fail, once */
    uint8_t command;
    bool moves; /* to another program, while the command waits */
} Failure;

#define FAILURE_ARGS                                               \
    "-device ich9-ahci,id=ahci,addr=5 "                            \
    "-drive file=%s,format=raw,if=none,id=plain,file.locking=off " \
    "-blockdev driver=blkdebug,node-name=bad,image.driver=file,"   \
    "image.locking=off,image.filename=%s,inject-error.0.event=%s," \
    "inject-error.0.errno=5,inject-error.0.once=on%s "             \
    "-device ide-hd,drive=%s,bus=ahci.0,share-rw=on,werror=stop,rerror=stop"

static Ahci *start_failing(const Failure *f)
{
    Ahci *a = g_new0(Ahci, 1);

    a->disk = make_image("ahci-disk-XXXXXX", DISK, 512);
    a->cd = g_strdup_printf("%s.stream", a->disk);
    a->q = qtest_startf(FAILURE_ARGS, a->disk, a->disk, f->event,
                        f->command == 0xe7 ? "" : ",inject-error.0.sector=300",
                        "bad");
    set_up(a);
    return a;
}

/* What waits goes along, and the other program carries it out. */
static void move_on(Ahci *a)
{
    g_autofree char *go =
        g_strdup_printf("{\"execute\":\"migrate\",\"arguments\":"
                        "{\"uri\":\"exec:cat > %s\"}}",
                        a->cd);

    qmp_ok(a->q, go);
    expect_status(a->q, "postmigrate");
    qtest_quit(a->q);
    a->q = qtest_startf(FAILURE_ARGS " -incoming 'exec:cat %s'", a->disk,
                        a->disk, "none", "", "plain", a->cd);
    expect_status(a->q, "io-error");
}

static void test_stop(gconstpointer data)
{
    const Failure *f = data;
    Ahci *a = start_failing(f);
    g_autoptr(JsonValue) event = NULL;
    bool flush = f->command == 0xe7, queued = f->command >> 1 == 0x30;
    bool write = strcmp(f->event, "write_aio") == 0;
    Cmd c = { .slot = 9,
              .command = f->command,
              .lba = 300,
              .count = flush ? 0 : 600,
              .flags = write ? WRITE : 0,
              .prd = { { DATA, 600 * 512 } },
              .nprd = !flush };
    Cmd next = { .slot = 3, .command = 0xec };

    port_start(a, 0);
    qtest_memset(a->q, DATA, 0x5c, 600 * 512);
    put_command(a, &c);
    put_command(a, &next);
    port_write(a, 0, PORT_SACT, queued ? 1 << 9 : 0);
    port_write(a, 0, PORT_CI, 1 << 9);
    event = qtest_qmp_event(a->q, "BLOCK_IO_ERROR");
    g_assert_nonnull(event);
    expect_status(a->q, "io-error");
    g_assert_cmphex(port_read(a, 0, queued ? PORT_SACT : PORT_CI), ==, 1 << 9);
    g_assert_cmphex(port_read(a, 0, PORT_IS) & ~IS_PIO, ==, 0);
    if (f->moves) {
        move_on(a);
    }
    qmp_ok(a->q, "{\"execute\":\"cont\"}");
    g_assert_false(wait_for(a, 0, UINT32_MAX) & IS_ERROR);
    g_assert_cmphex(port_read(a, 0, PORT_CI), ==, 0);
    if (!write && !flush) {
        for (unsigned i = 0; i < 600; i++) {
            expect_sector(a, DATA + 512 * i, 300 + i);
        }
    } else if (write) {
        Cmd back = c;

        back.command = 0x25;
        back.flags = 0;
        qtest_memset(a->q, DATA, 0, 600 * 512);
        g_assert_cmphex(run(a, &back), ==, IS_D2H);
        for (unsigned i = 0; i < 600 * 512; i += 509) {
            g_assert_cmphex(qtest_readb(a->q, DATA + i), ==, 0x5c);
        }
    }
    g_unlink(a->cd);
    finish(a);
}

static const Failure failures[] = {
    { "write_aio", 0x35, false },    { "write_aio", 0x35, true },
    { "read_aio", 0x25, false },     { "read_aio", 0x25, true },
    { "write_aio", 0x34, false },    { "write_aio", 0x34, true },
    { "read_aio", 0x24, true },      { "flush_to_disk", 0xe7, false },
    { "flush_to_disk", 0xe7, true }, { "write_aio", 0x61, false },
    { "write_aio", 0x61, true },     { "read_aio", 0x60, false },
    { "read_aio", 0x60, true },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(failures); i++) {
        const Failure *f = &failures[i];
        g_autofree char *name = g_strdup_printf("/ahci/stop/%02x%s", f->command,
                                                f->moves ? "/moves" : "");

        g_test_add_data_func(name, f, test_stop);
    }
    return g_test_run();
}
