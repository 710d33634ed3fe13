/*
 * Unit test: the bytes on multifd channels, good ones and others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-codec.h"
#include "migration/multifd-packet.h"
#include "system/ramblock.h"
#include "util/bswap.h"

enum { N = MULTIFD_PACKET_PAGES };

static void test_greeting(void)
{
    MultifdGreeting g = { .id = 200 }, got;
    uint8_t buf[MULTIFD_GREETING_LEN];
    GError *err = NULL;

    memset(g.uuid, 0x5a, sizeof(g.uuid));
    multifd_greeting_put(&g, buf);
    g_assert_cmpmem(buf, 9, "\x11\x22\x33\x44\0\0\0\1\x5a", 9);
    g_assert_cmpuint(buf[24], ==, 200);
    for (int i = 25; i < MULTIFD_GREETING_LEN; i++) {
        g_assert_cmpuint(buf[i], ==, 0);
    }
    g_assert_true(multifd_greeting_parse(buf, &got, &err));
    g_assert_cmpmem(&got, sizeof(got), &g, sizeof(g));
    buf[7] = 2;
    g_assert_false(multifd_greeting_parse(buf, &got, &err));
    g_assert_cmpstr(err->message, ==,
                    "greeting: version 2, this program takes 1");
    g_clear_error(&err);
    buf[0] = 'Q';
    g_assert_false(multifd_greeting_parse(buf, &got, &err));
    g_assert_nonnull(strstr(err->message, "magic 0x51223344"));
    g_clear_error(&err);
}

static MultifdPacket *some_packet(void)
{
    MultifdPacket *p = g_new0(MultifdPacket, 1);

    p->flags = MULTIFD_SYNC;
    p->npages = N;
    p->bytes = N * RAM_PAGE_SIZE;
    p->number = 0x123456789abc;
    g_strlcpy(p->block, "/rom@etc/acpi/tables", sizeof(p->block));
    for (int i = 0; i < N; i++) {
        p->offsets[i] = (uint64_t)i * i * RAM_PAGE_SIZE;
    }
    return p;
}

static void test_packet(void)
{
    g_autofree MultifdPacket *p = some_packet();
    g_autofree MultifdPacket *got = g_new0(MultifdPacket, 1);
    uint8_t buf[MULTIFD_HEADER_LEN];

    multifd_packet_put(p, buf);
    g_assert_cmpuint(ldl_be_p(buf + 12), ==, N);
    g_assert_cmpuint(ldl_be_p(buf + 16), ==, N);
    g_assert_cmpuint(ldq_be_p(buf + 24), ==, p->number);
    g_assert_cmpstr((char *)buf + 64, ==, p->block);
    g_assert_cmpuint(ldq_be_p(buf + 320 + 8 * 5), ==, 25 * RAM_PAGE_SIZE);
    g_assert_true(multifd_packet_parse(buf, got, NULL));
    g_assert_cmpmem(got, sizeof(*got), p, sizeof(*p));
}

/* Each wrong number is refused by a line that has it. */
static void test_packet_hostile(void)
{
    static const struct {
        unsigned at;
        uint32_t v;
        const char *says;
    } cases[] = {
        { 0, 0x11223345, "magic 0x11223345" },
        { 4, 3, "version 3" },
        { 8, 0x10, "flags 0x10" },
        { 12, N + 1, "of 129" },
        { 12, N - 1, "128 pages of 127" },
        { 16, UINT32_MAX, "4294967295 pages" },
        { 20, 0, "0 bytes for 128 pages" },
        { 20, UINT32_MAX, "4294967295 bytes" },
    };
    g_autofree MultifdPacket *p = some_packet();
    g_autofree MultifdPacket *got = g_new0(MultifdPacket, 1);
    uint8_t buf[MULTIFD_HEADER_LEN];
    GError *err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        multifd_packet_put(p, buf);
        stl_be_p(buf + cases[i].at, cases[i].v);
        g_assert_false(multifd_packet_parse(buf, got, &err));
        g_assert_nonnull(strstr(err->message, cases[i].says));
        g_clear_error(&err);
    }
    multifd_packet_put(p, buf);
    memset(buf + 64, 'x', MULTIFD_NAME_LEN);
    g_assert_false(multifd_packet_parse(buf, got, &err));
    g_assert_nonnull(strstr(err->message, "without an end"));
    g_clear_error(&err);
}

/* Pages of one kind after the other: zeros, text, noise. */
typedef struct Pages {
    uint8_t *mem[2]; /* N pages */
    const uint8_t *from[N];
    uint8_t *to[N];
} Pages;

static void pages_init(Pages *p)
{
    for (int k = 0; k < 2; k++) {
        p->mem[k] = g_malloc0(N * RAM_PAGE_SIZE);
    }
    for (int i = 0; i < N; i++) {
        uint8_t *page = p->mem[0] + i * RAM_PAGE_SIZE;

        for (int b = 0; i % 3 != 0 && b < (int)RAM_PAGE_SIZE; b++) {
            page[b] = i % 3 == 1 ? g_test_rand_int() : b % 7;
        }
        p->from[i] = page;
        p->to[i] = p->mem[1] + i * RAM_PAGE_SIZE;
    }
}

static void pages_fini(Pages *p)
{
    g_free(p->mem[0]);
    g_free(p->mem[1]);
}

static void test_codec(const void *opaque)
{
    static const size_t counts[] = { 1, N, 3, N, 1 };
    MultifdCodec *in, *out;
    uint32_t flag;
    Pages p;

    pages_init(&p);
    g_assert_true(multifd_codec_find(opaque, &flag));
    g_assert_cmpstr(multifd_codec_name(flag), ==, opaque);
    for (int level = 0; level < 10; level++) {
        out = multifd_packer_new(flag, level, NULL);
        in = multifd_unpacker_new(flag, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
            GError *err = NULL;
            size_t n = counts[i], len;
            const uint8_t *data = multifd_pack(out, p.from, n, &len, &err);

            g_assert_no_error(err);
            memset(p.mem[1], 0xee, N * RAM_PAGE_SIZE);
            multifd_unpack(in, data, len, p.to, n, &err);
            g_assert_no_error(err);
            g_assert_cmpmem(p.mem[0], n * RAM_PAGE_SIZE, p.mem[1],
                            n * RAM_PAGE_SIZE);
        }
        multifd_codec_free(in);
        multifd_codec_free(out);
    }
    pages_fini(&p);
}

static void expect_refused(uint32_t flag, const uint8_t *data, size_t len,
                           Pages *p, size_t n, const char *says)
{
    g_autoptr(MultifdCodec) in = multifd_unpacker_new(flag, NULL);
    GError *err = NULL;

    g_assert_false(multifd_unpack(in, data, len, p->to, n, &err));
    if (says != NULL && strstr(err->message, says) == NULL) {
        g_error("'%s' instead of '%s'", err->message, says);
    }
    g_clear_error(&err);
}

/* More or fewer pages than said, half a packet, noise. */
static void test_codec_hostile(const void *opaque)
{
    g_autoptr(MultifdCodec) out = NULL;
    g_autofree uint8_t *copy = NULL;
    const uint8_t *data;
    uint32_t flag;
    size_t len;
    Pages p;

    pages_init(&p);
    multifd_codec_find(opaque, &flag);
    out = multifd_packer_new(flag, 1, NULL);
    data = multifd_pack(out, p.from, N, &len, NULL);
    expect_refused(flag, data, len, &p, N - 1, "more than 127 pages");
    expect_refused(flag, data, len, &p, 1, "more than 1 pages");
    expect_refused(flag, data, len / 2, &p, N, "of page");
    expect_refused(flag, data, 0, &p, 1, "0 bytes end at byte 0 of page 0");
    copy = g_memdup2(data, len);
    for (size_t i = 0; i < len; i++) {
        copy[i] = g_test_rand_int();
    }
    expect_refused(flag, copy, len, &p, N, NULL);
    memcpy(copy, data, len);
    copy[0] ^= 0xff;
    expect_refused(flag, copy, len, &p, N, opaque);
    pages_fini(&p);
}

static void test_codec_unknown(void)
{
    GError *err = NULL;
    uint32_t flag;

    g_assert_false(multifd_codec_find("lz4", &flag));
    g_assert_null(multifd_codec_name(7 << 1));
    g_assert_null(multifd_unpacker_new(7 << 1, &err));
    g_assert_cmpstr(err->message, ==, "no compression has number 7");
    g_clear_error(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/multifd-packet/greeting", test_greeting);
    g_test_add_func("/multifd-packet/packet", test_packet);
    g_test_add_func("/multifd-packet/hostile", test_packet_hostile);
    g_test_add_data_func("/multifd-codec/zlib", "zlib", test_codec);
    g_test_add_data_func("/multifd-codec/zstd", "zstd", test_codec);
    g_test_add_data_func("/multifd-codec/zlib/hostile", "zlib",
                         test_codec_hostile);
    g_test_add_data_func("/multifd-codec/zstd/hostile", "zstd",
                         test_codec_hostile);
    g_test_add_func("/multifd-codec/unknown", test_codec_unknown);
    return g_test_run();
}
