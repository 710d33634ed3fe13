/*
 * The VM generation ID: what firmware finds, and what a guest that is loaded
 * gets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    SELECTOR = 0x510,
    FW_DATA = 0x511,
    FW_DMA = 0x514,
    FILE_DIR = 0x19,
    DMA_SELECT_WRITE = 8 | 16,
    DMA_AT = 0x1000,
    ADDR_AT = 0x2000,
    GUID_AT = 0x30028,
    GPE_STATUS = 0xafe0,
    GPE_VMGENID = 1 << 5,
};
#define FIRST  "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"
#define SECOND "00112233-4455-6677-8899-aabbccddeeff"

static const uint8_t first[16] = { 0xaf, 0x6e, 0x4e, 0x32, 0xd1, 0xd1,
                                   0xf6, 0x4b, 0xbf, 0x41, 0xb9, 0xbb,
                                   0x6c, 0x91, 0xfb, 0x87 };
static const uint8_t second[16] = { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44,
                                    0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb,
                                    0xcc, 0xdd, 0xee, 0xff };

static void read_data(QTest *q, void *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)buf)[i] = qtest_inb(q, FW_DATA);
    }
}

/* The key of a file, which has to be there. */
static uint16_t find_file(QTest *q, const char *name, uint32_t *ret_size)
{
    uint8_t e[64];
    uint32_t n;

    qtest_outw(q, SELECTOR, FILE_DIR);
    read_data(q, e, 4);
    n = ldl_be_p(e);
    for (uint32_t i = 0; i < n; i++) {
        read_data(q, e, sizeof(e));
        if (g_str_equal((char *)e + 8, name)) {
            *ret_size = ldl_be_p(e);
            return lduw_be_p(e + 4);
        }
    }
    g_assert_not_reached();
}

/* Tells the device where the ID is, as firmware does. */
static void write_addr(QTest *q, uint64_t addr)
{
    uint32_t size;
    uint16_t key = find_file(q, "etc/vmgenid_addr", &size);
    uint8_t dma[16];

    g_assert_cmpint(size, ==, 8);
    qtest_writeq(q, ADDR_AT, addr);
    stl_be_p(dma, (uint32_t)key << 16 | DMA_SELECT_WRITE);
    stl_be_p(dma + 4, 8);
    stq_be_p(dma + 8, ADDR_AT);
    qtest_memwrite(q, DMA_AT, dma, sizeof(dma));
    qtest_outl(q, FW_DMA, 0);
    qtest_outl(q, FW_DMA + 4, __builtin_bswap32(DMA_AT));
    g_assert_cmphex(qtest_readl(q, DMA_AT), ==, 0);
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

static QTest *move(QTest *q, const char *guid)
{
    g_autofree char *stream = NULL;
    int fd = g_file_open_tmp("vmgenid-XXXXXX", &stream, NULL);
    g_autoptr(JsonValue) answer = NULL;

    close(fd);
    answer = qtest_qmp(q,
                       "{\"execute\":\"migrate\",\"arguments\":"
                       "{\"uri\":\"exec:cat > %s\"}}",
                       stream);
    g_assert_false(json_object_has(answer, "error"));
    expect_status(q, "postmigrate");
    qtest_quit(q);
    q = qtest_startf("-machine pc -m 16 -device vmgenid,guid=%s "
                     "-incoming 'exec:cat %s'",
                     guid, stream);
    expect_status(q, "running");
    g_unlink(stream);
    return q;
}

static void check_guid(QTest *q, const uint8_t *want)
{
    uint8_t got[16];

    qtest_memread(q, GUID_AT, got, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), want, 16);
}

static void test_files(void)
{
    QTest *q = qtest_start("-machine pc -m 16 -device vmgenid,guid=" FIRST);
    uint8_t page[4096], zero[4096] = { 0 };
    uint32_t size;
    g_autofree char *text = qtest_hmp(q, "info vm-generation-id");
    g_autoptr(JsonValue) answer =
        qtest_qmp(q, "{\"execute\":\"query-vm-generation-id\"}");

    qtest_outw(q, SELECTOR, find_file(q, "etc/vmgenid_guid", &size));
    g_assert_cmpint(size, ==, sizeof(page));
    read_data(q, page, sizeof(page));
    g_assert_cmpmem(page + 40, 16, first, 16);
    memset(page + 40, 0, 16);
    g_assert_cmpmem(page, sizeof(page), zero, sizeof(zero));
    g_assert_cmpstr(g_strchomp(text), ==, FIRST);
    g_assert_cmpstr(json_get_string(json_object_get(answer, "guid")), ==,
                    FIRST);
    qtest_quit(q);
}

static void test_move(void)
{
    static const uint8_t zero[16];
    QTest *q = qtest_start("-machine pc -m 16 -device vmgenid,guid=" FIRST);

    /* Firmware hasn't said where: nothing is written. */
    q = move(q, SECOND);
    check_guid(q, zero);
    g_assert_cmphex(qtest_inb(q, GPE_STATUS) & GPE_VMGENID, ==, 0);
    write_addr(q, GUID_AT);
    check_guid(q, zero);
    q = move(q, FIRST);
    check_guid(q, first);
    g_assert_cmphex(qtest_inb(q, GPE_STATUS) & GPE_VMGENID, ==, GPE_VMGENID);
    qtest_outb(q, GPE_STATUS, GPE_VMGENID);
    q = move(q, SECOND);
    check_guid(q, second);
    g_assert_cmphex(qtest_inb(q, GPE_STATUS) & GPE_VMGENID, ==, GPE_VMGENID);
    /* A place that isn't memory harms nobody. */
    write_addr(q, UINT64_MAX - 3);
    q = move(q, FIRST);
    check_guid(q, second);
    /* A reset forgets the place. */
    write_addr(q, GUID_AT);
    json_unref(qtest_qmp(q, "{\"execute\":\"system_reset\"}"));
    json_unref(qtest_qmp_event(q, "RESET"));
    qtest_memset(q, GUID_AT, 0, 16);
    q = move(q, SECOND);
    check_guid(q, zero);
    qtest_quit(q);
}

static void test_refused(void)
{
    static const struct {
        const char *args, *with;
    } rows[] = {
        { "-device vmgenid -device vmgenid", "at most one" },
        { "-device vmgenid,guid=zz", "guid=zz" },
        { "-machine pc,acpi=off -device vmgenid", "without ACPI" },
        { "-machine microvm -device vmgenid", "without ACPI" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int status;
        g_autofree char *text = qtest_run(rows[i].args, &status);

        g_assert_cmpint(status, ==, 1);
        g_assert_nonnull(strstr(text, rows[i].with));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmgenid/files", test_files);
    g_test_add_func("/vmgenid/move", test_move);
    g_test_add_func("/vmgenid/refused", test_refused);
    return g_test_run();
}
