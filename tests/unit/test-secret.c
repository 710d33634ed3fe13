/*
 * Secrets: plain, base64, encrypted with another one, and bad ones.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/secret.h"

#include <glib/gstdio.h>
#include <string.h>

#include "qom/object-make.h"
#include "util/error.h"

/* Bytes 0 to 31, bytes 0 to 15, and "letmein" encrypted with them, as
 * openssl's enc -aes-256-cbc does it. */
#define KEY     "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define IV      "AAECAwQFBgcICQoLDA0ODw=="
#define LETMEIN "SI4JuWqmJF8bjD9IJ662eg=="

static Object *root_new(void)
{
    Object *root = object_new_container("container");
    g_autoptr(Object) objects = object_new_container("container");

    object_add_child(root, "objects", objects);
    return root;
}

/* -object secret,… in JSON, without the type. */
static bool add(Object *root, const char *text, GError **errp)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) v = json_parse(text, -1, &err);

    g_assert_no_error(err);
    json_object_set_string(v, "qom-type", "secret");
    return object_make(root, v, false, errp);
}

static void add_ok(Object *root, const char *text)
{
    g_autoptr(GError) err = NULL;

    add(root, text, &err);
    g_assert_no_error(err);
}

static void assert_secret(Object *root, const char *id, const char *want)
{
    g_autoptr(GError) err = NULL;
    size_t len = 0;
    const uint8_t *bytes = secret_lookup(root, id, &len, &err);

    g_assert_no_error(err);
    g_assert_cmpmem(bytes, len, want, strlen(want));
    g_assert_cmpint(bytes[len], ==, 0);
}

static void test_formats(void)
{
    g_autoptr(Object) root = root_new();

    add_ok(root, "{'id': 'plain', 'data': 'letmein'}");
    assert_secret(root, "plain", "letmein");
    add_ok(root, "{'id': 'empty', 'data': ''}");
    assert_secret(root, "empty", "");
    add_ok(root, "{'id': 'b64', 'data': 'bGV0bWVpbg==', 'format': 'base64'}");
    assert_secret(root, "b64", "letmein");
}

static void test_encrypted(void)
{
    g_autoptr(Object) root = root_new();
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    int fd = g_file_open_tmp("secret-XXXXXX", &path, NULL);
    char key[SECRET_KEY_SIZE];

    /* The master key as libvirt gives it: a file of 32 bytes, 0 among them. */
    for (unsigned i = 0; i < sizeof(key); i++) {
        key[i] = i;
    }
    g_assert_cmpint(write(fd, key, sizeof(key)), ==, sizeof(key));
    close(fd);
    text = g_strdup_printf("{'id': 'master', 'format': 'raw', 'file': '%s'}",
                           path);
    add_ok(root, text);
    g_assert_cmpint(g_unlink(path), ==, 0);
    add_ok(root, "{'id': 's', 'keyid': 'master', 'iv': '" IV "',"
                 " 'format': 'base64', 'data': '" LETMEIN "'}");
    assert_secret(root, "s", "letmein");
    /* It is its own: the key may go. */
    g_assert_true(object_unmake(root, "master", NULL));
    assert_secret(root, "s", "letmein");
}

static void test_bad(void)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        { "{'id': 'x'}", "Either 'file' or 'data' must be provided" },
        { "{'id': 'x', 'data': 'a', 'file': '/b'}",
          "'file' and 'data' are mutually exclusive" },
        { "{'id': 'x', 'file': '/nonexistent'}",
          "Unable to read /nonexistent: No such file or directory" },
        { "{'id': 'x', 'data': '!!', 'format': 'base64'}",
          "Base64 data contains invalid characters" },
        { "{'id': 'x', 'data': 'a', 'keyid': 'none', 'iv': '" IV "'}",
          "No secret with id 'none'" },
        { "{'id': 'x', 'data': 'a', 'keyid': 'key'}",
          "IV is required to decrypt secret" },
        { "{'id': 'x', 'data': 'a', 'keyid': 'key', 'iv': 'AAAA'}",
          "IV should be 16 bytes in length not 3" },
        { "{'id': 'x', 'data': 'a', 'keyid': 'key', 'iv': '%%'}",
          "Base64 data contains invalid characters" },
        { "{'id': 'x', 'data': 'a', 'keyid': 'key', 'iv': '" IV "'}",
          "Length 1 must be a multiple of block size 16" },
        { "{'id': 'x', 'data': '', 'keyid': 'key', 'iv': '" IV "'}",
          "Incorrect number of padding bytes (0) found on decrypted data" },
        { "{'id': 'x', 'data': 'a', 'keyid': 'short', 'iv': '" IV "'}",
          "Key should be 32 bytes in length" },
        /* Decrypts to something that ends with 98 09: no nine bytes of 9. */
        { "{'id': 'x', 'data': '0123456789abcdef', 'keyid': 'key',"
          " 'iv': '" IV "'}",
          "Incorrect number of padding bytes (9) found on decrypted data" },
    };
    g_autoptr(Object) root = root_new();

    add_ok(root, "{'id': 'key', 'format': 'base64', 'data': '" KEY "'}");
    add_ok(root, "{'id': 'short', 'data': 'short'}");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;

        g_test_message("%s", rows[i].text);
        g_assert_false(add(root, rows[i].text, &err));
        g_assert_cmpstr(err->message, ==, rows[i].message);
        g_assert_null(object_child(object_child(root, "objects"), "x"));
    }
}

/* Something else may have the id. */
static void test_no_secret(void)
{
    g_autoptr(Object) root = root_new();
    g_autoptr(Object) other = object_new_container("other");
    g_autoptr(GError) err = NULL;
    size_t len;

    object_add_child(object_child(root, "objects"), "other", other);
    g_assert_null(secret_lookup(root, "other", &len, &err));
    g_assert_cmpstr(err->message, ==, "Object with id 'other' is not a secret");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    object_types_add(secret_object_types());
    g_test_add_func("/secret/formats", test_formats);
    g_test_add_func("/secret/encrypted", test_encrypted);
    g_test_add_func("/secret/bad", test_bad);
    g_test_add_func("/secret/no-secret", test_no_secret);
    return g_test_run();
}
