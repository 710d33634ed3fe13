/*
 * Secrets (-object secret).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/secret.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "util/error.h"
#include "util/open.h"

typedef enum SecretFormat { SECRET_RAW, SECRET_BASE64 } SecretFormat;

typedef struct Secret {
    Object obj;
    char *data, *file;
    char *keyid, *iv; /* iv: base64 */
    int format;
    uint8_t *bytes; /* once complete; a 0 is behind them */
    size_t len;
} Secret;

static Secret *secret_from_object(Object *obj)
{
    return obj != NULL && g_str_equal(obj->type->name, "secret")
               ? OBJECT_CAST(Secret, obj)
               : NULL;
}

/* Memory that held a secret keeps none of it. */
static void secret_wipe(void *data, size_t len)
{
    if (data != NULL) {
        gnutls_memset(data, 0, len);
        g_free(data);
    }
}

const uint8_t *secret_lookup(Object *root, const char *id, size_t *ret_len,
                             GError **errp)
{
    Object *obj = object_child(object_child(root, "objects"), id);
    Secret *s = secret_from_object(obj);

    if (obj == NULL) {
        error_setf(errp, "No secret with id '%s'", id);
        return NULL;
    }
    if (s == NULL) {
        error_setf(errp, "Object with id '%s' is not a secret", id);
        return NULL;
    }
    if (s->bytes == NULL) {
        error_setf(errp, "Secret with id '%s' has no data", id);
        return NULL;
    }
    *ret_len = s->len;
    return s->bytes;
}

/* As 7.2: of what isn't base64, nothing is taken. NULL with `errp` set. */
static uint8_t *secret_from_base64(const char *text, size_t *ret_len,
                                   GError **errp)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "0123456789+/=\n";
    uint8_t *bytes;

    if (strspn(text, letters) != strlen(text)) {
        error_setf(errp, "Base64 data contains invalid characters");
        return NULL;
    }
    bytes = g_base64_decode(text, ret_len);
    if (bytes == NULL) {
        error_setf(errp, "Base64 data can't be decoded");
    }
    return bytes;
}

static bool secret_unpad(const uint8_t *data, size_t *len, GError **errp)
{
    unsigned pad = *len > 0 ? data[*len - 1] : 0;

    bool good = pad > 0 && pad <= SECRET_IV_SIZE && pad <= *len;

    for (unsigned i = 0; good && i < pad; i++) {
        good = data[*len - 1 - i] == pad;
    }
    if (!good) {
        error_setf(errp,
                   "Incorrect number of padding bytes (%u) found on decrypted "
                   "data",
                   pad);
        return false;
    }
    *len -= pad;
    return true;
}

bool secret_decrypt(const uint8_t *key, size_t key_len, const uint8_t *iv,
                    size_t iv_len, uint8_t *data, size_t *len, GError **errp)
{
    /* The library only reads them. */
    gnutls_datum_t k = { (unsigned char *)key, key_len };
    gnutls_datum_t v = { (unsigned char *)iv, iv_len };
    gnutls_cipher_hd_t cipher;
    int rc;

    if (key_len != SECRET_KEY_SIZE) {
        error_setf(errp, "Key should be %d bytes in length", SECRET_KEY_SIZE);
        return false;
    }
    if (iv_len != SECRET_IV_SIZE) {
        error_setf(errp, "IV should be %d bytes in length not %zu",
                   SECRET_IV_SIZE, iv_len);
        return false;
    }
    if (*len % SECRET_IV_SIZE != 0) {
        error_setf(errp, "Length %zu must be a multiple of block size %d", *len,
                   SECRET_IV_SIZE);
        return false;
    }
    rc = gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_CBC, &k, &v);
    if (rc == 0) {
        rc = gnutls_cipher_decrypt(cipher, data, *len);
        gnutls_cipher_deinit(cipher);
    }
    if (rc != 0) {
        error_setf(errp, "Secret can't be decrypted: %s", gnutls_strerror(rc));
        return false;
    }
    return secret_unpad(data, len, errp);
}

/* What the user gave, as it is; NULL with `errp` set. */
static uint8_t *secret_input(const Secret *s, size_t *ret_len, GError **errp)
{
    g_autoptr(GError) err = NULL;
    char *bytes = NULL;

    if (s->file != NULL && s->data != NULL) {
        error_setf(errp, "'file' and 'data' are mutually exclusive");
        return NULL;
    }
    if (s->file == NULL && s->data == NULL) {
        error_setf(errp, "Either 'file' or 'data' must be provided");
        return NULL;
    }
    if (s->data != NULL) {
        *ret_len = strlen(s->data);
        return (uint8_t *)g_strdup(s->data);
    }
    if (!read_user_file(s->file, SECRET_MAX_SIZE, &bytes, ret_len, &err)) {
        error_setf(errp, "Unable to read %s: %s", s->file, err->message);
    }
    return (uint8_t *)bytes;
}

/* In place: *data and *len are the decoded ones, or as before. */
static bool secret_decode(const Secret *s, uint8_t **data, size_t *len,
                          GError **errp)
{
    uint8_t *bytes;
    size_t n;

    if (s->format != SECRET_BASE64) {
        return true;
    }
    if (memchr(*data, 0, *len) != NULL) {
        error_setf(errp, "Base64 data contains invalid characters");
        return false;
    }
    bytes = secret_from_base64((const char *)*data, &n, errp);
    if (bytes == NULL) {
        return false;
    }
    secret_wipe(*data, *len);
    *data = bytes;
    *len = n;
    return true;
}

static bool secret_decrypt_by_key(const Secret *s, uint8_t *data, size_t *len,
                                  GError **errp)
{
    g_autofree uint8_t *iv = NULL;
    const uint8_t *key;
    size_t key_len, iv_len;

    if (s->keyid == NULL) {
        return true;
    }
    key =
        secret_lookup(object_root((Object *)&s->obj), s->keyid, &key_len, errp);
    if (key == NULL) {
        return false;
    }
    if (s->iv == NULL) {
        error_setf(errp, "IV is required to decrypt secret");
        return false;
    }
    iv = secret_from_base64(s->iv, &iv_len, errp);
    return iv != NULL &&
           secret_decrypt(key, key_len, iv, iv_len, data, len, errp);
}

static bool secret_complete(Object *obj, GError **errp)
{
    Secret *s = OBJECT_CAST(Secret, obj);
    size_t len, room;
    uint8_t *data = secret_input(s, &len, errp);

    if (data == NULL) {
        return false;
    }
    if (!secret_decode(s, &data, &len, errp)) {
        secret_wipe(data, len);
        return false;
    }
    room = len;
    if (!secret_decrypt_by_key(s, data, &len, errp)) {
        secret_wipe(data, room);
        return false;
    }
    s->bytes = g_malloc0(len + 1);
    memcpy(s->bytes, data, len);
    s->len = len;
    secret_wipe(data, room);
    return true;
}

static void secret_fini(Object *obj)
{
    Secret *s = OBJECT_CAST(Secret, obj);

    secret_wipe(s->bytes, s->len);
}

static JsonValue *secret_get_loaded(Object *obj, const Property *p,
                                    GError **errp)
{
    return json_bool_new(OBJECT_CAST(Secret, obj)->bytes != NULL);
}

static const char *const format_names[] = { "raw", "base64", NULL };

static const Property secret_props[] = {
    PROP(PROP_ENUM, Secret, format, "format", .names = format_names,
         .type_name = "QCryptoSecretFormat"),
    PROP(PROP_STR, Secret, data, "data", .type_name = "string"),
    PROP(PROP_STR, Secret, file, "file", .type_name = "string"),
    PROP(PROP_STR, Secret, keyid, "keyid", .type_name = "string"),
    PROP(PROP_STR, Secret, iv, "iv", .type_name = "string"),
    { .name = "loaded",
      .kind = PROP_CUSTOM,
      .type_name = "bool",
      .read_only = true,
      .get = secret_get_loaded },
    PROP_END,
};

static const ObjectType secret_type = {
    .name = "secret",
    .parent = "secret_common",
    .size = sizeof(Secret),
    .props = secret_props,
    .user_creatable = true,
    .complete = secret_complete,
    .fini = secret_fini,
};

static const ObjectType common_type = {
    .name = "secret_common",
    .parent = "object",
    .size = sizeof(Secret),
    .abstract = true,
};

const ObjectType *const *secret_object_types(void)
{
    static const ObjectType *const types[] = { &common_type, &secret_type,
                                               NULL };

    return types;
}
