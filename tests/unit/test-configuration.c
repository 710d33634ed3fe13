/*
 * The configuration section: byte by byte as the other program has it, back
 * again, and what is refused of a peer's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/configuration.h"
#include "migration/wire.h"
#include "util/error.h"

static const uint8_t uuid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55,
                                  0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
                                  0xcc, 0xdd, 0xee, 0xff };
static const uint8_t other_uuid[16] = { 1 };

/* As QEMU 7.2 sends it, of a machine "pc-1". */
#define HEAD "\7\0\0\0\4pc-1"
#define CAPS \
    "\5\x1a" \
    "configuration/capabilities\0\0\0\1\0\0\0\1\xfx-ignore-shared"
#define UUID                         \
    "\5\x12"                         \
    "configuration/uuid\0\0\0\1"     \
    "\0\x11\x22\x33\x44\x55\x66\x77" \
    "\x88\x99\xaa\xbb\xcc\xdd\xee\xff"

static const StreamConfig plain = { .machine = "pc-1" };
static const StreamConfig full = { .machine = "pc-1",
                                   .uuid = uuid,
                                   .ignore_shared = true };

static void check_put(const StreamConfig *c, const char *want, size_t len)
{
    g_autoptr(StreamOut) s = stream_out_new(NULL);
    size_t got;
    const uint8_t *data;

    configuration_put(s, c);
    data = stream_out_data(s, &got);
    g_assert_cmpmem(data, got, want, len);
}

static void test_put(void)
{
    check_put(&plain, HEAD, sizeof(HEAD) - 1);
    check_put(&full, HEAD CAPS UUID, sizeof(HEAD CAPS UUID) - 1);
}

/* The section and what belongs to it, as the loader walks it. */
static bool load(const char *data, size_t len, const StreamConfig *here,
                 GError **errp)
{
    g_autofree char *copy = g_memdup2(data, len); /* no byte behind it */
    g_autoptr(StreamIn) s = stream_in_new_mem(copy, len);
    StreamConfigLoad l = { 0 };

    g_assert_cmpuint(stream_get_u8(s), ==, WIRE_CONFIGURATION);
    if (!configuration_load(&l, s, here, errp)) {
        return false;
    }
    while (stream_in_bytes(s) < len) {
        g_assert_cmpuint(stream_get_u8(s), ==, WIRE_SUBSECTION);
        if (!configuration_load_subsection(&l, s, here, errp)) {
            return false;
        }
    }
    return configuration_load_end(&l, here, errp) && l.done && !l.open;
}

static void check_load(const char *data, size_t len, const StreamConfig *here,
                       const char *says)
{
    g_autoptr(GError) err = NULL;
    bool ok = load(data, len, here, &err);

    if (says == NULL) {
        g_assert_no_error(err);
        g_assert_true(ok);
        return;
    }
    g_assert_false(ok);
    g_assert_nonnull(err);
    if (strstr(err->message, says) == NULL) {
        g_test_message("'%s' lacks '%s'", err->message, says);
        g_test_fail();
    }
}

#define CHECK(data_, here_, says_) \
    check_load(data_, sizeof(data_) - 1, here_, says_)

static void test_load(void)
{
    StreamConfig here = full;

    CHECK(HEAD CAPS UUID, &full, NULL);
    CHECK(HEAD UUID CAPS, &full, NULL);
    CHECK(HEAD, &plain, NULL);
    /* The source wants to be sure; who has none is only warned. */
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*");
    CHECK(HEAD UUID, &plain, NULL);
    here.uuid = other_uuid;
    CHECK(HEAD CAPS UUID, &here,
          "UUID received is 00112233-4455-6677-8899-aabbccddeeff and local is "
          "01000000-0000-0000-0000-000000000000");
    CHECK(HEAD CAPS, &here, NULL); /* the source did not ask */
}

static void test_disagree(void)
{
    StreamConfigLoad none = { 0 };
    g_autoptr(GError) err = NULL;

    CHECK(HEAD CAPS, &plain,
          "Capability x-ignore-shared is off, but received capability is on");
    CHECK(HEAD UUID, &full, "is on, but received capability is off");
    g_assert_false(configuration_load_end(&none, &full, &err));
    g_assert_nonnull(strstr(err->message, "received capability is off"));
    g_assert_false(none.done);
}

static void test_hostile(void)
{
    CHECK("\7\0\0\0\4pc-2", &plain, "'pc-2' and local is 'pc-1'");
    CHECK("\7\xff\xff\xff\xffpc-1", &plain, "name of 4294967295 bytes");
    CHECK(HEAD "\5\3a/b\0\0\0\1", &plain, "'a/b' is not known here");
    CHECK(HEAD "\5\2\n\x7f\0\0\0\1", &plain, "'\\n\\177' is not known");
    CHECK(HEAD "\5\x12"
               "configuration/uuid\0\0\0\2",
          &full, "has version 2");
    CHECK(HEAD "\5\x1a"
               "configuration/capabilities\0\0\0\1\xff\xff\xff\xff",
          &full, "4294967295 capabilities");
    CHECK(HEAD "\5\x1a"
               "configuration/capabilities\0\0\0\1\0\0\0\1\6xbzrle",
          &full, "capability 'xbzrle' is on at the source");
    CHECK(HEAD "\5\x1a"
               "configuration/capabilities\0\0\0\1\0\0\0\1\2no",
          &full, "capability 'no' is on at the source");
}

/* At every byte but where a part ends: the stream isn't waited for. */
static void test_cut(void)
{
    const size_t whole = sizeof(HEAD CAPS UUID) - 1;

    for (size_t len = 1; len < whole; len++) {
        bool ends = len == sizeof(HEAD) - 1 || len == sizeof(HEAD CAPS) - 1;
        const char *says = ends ? "received capability" : "stream ends";

        check_load(HEAD CAPS UUID, len, &full,
                   len == sizeof(HEAD CAPS) - 1 ? NULL : says);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/configuration/put", test_put);
    g_test_add_func("/configuration/load", test_load);
    g_test_add_func("/configuration/disagree", test_disagree);
    g_test_add_func("/configuration/hostile", test_hostile);
    g_test_add_func("/configuration/cut", test_cut);
    return g_test_run();
}
