/*
 * QMP commands on character devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "util/error.h"

/* What one ringbuf-read may ask for. */
enum { RINGBUF_READ_MAX = 64 * 1024 * 1024 };

static void add_chardev(Chardev *cd, void *opaque)
{
    ChardevInfoList *list = opaque;
    ChardevInfo *info = chardev_info_new();

    info->label = g_strdup(chardev_label(cd));
    info->filename = chardev_filename(cd);
    info->frontend_open = chardev_frontend_open(cd);
    chardev_info_list_append(list, info);
}

bool qmp_query_chardev(QmpCtx *ctx, ChardevInfoList **ret, GError **errp)
{
    *ret = chardev_info_list_new();
    if (ctx->vm->chardevs) {
        chardevs_foreach(ctx->vm->chardevs, add_chardev, *ret);
    }
    return true;
}

bool qmp_query_chardev_backends(QmpCtx *ctx, ChardevBackendInfoList **ret,
                                GError **errp)
{
    const char *const *names = chardev_type_names();

    *ret = chardev_backend_info_list_new();
    for (unsigned i = 0; names[i]; i++) {
        ChardevBackendInfo *info = chardev_backend_info_new();

        info->name = g_strdup(names[i]);
        chardev_backend_info_list_append(*ret, info);
    }
    return true;
}

static Chardev *chardev_to_find(QmpCtx *ctx, const char *what, const char *id,
                                GError **errp)
{
    Chardev *cd = chardev_find(ctx->vm->chardevs, id);

    if (!cd) {
        error_setf(errp, "%s '%s' not found", what, id);
    }
    return cd;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz"
                                    "0123456789+/\r\n";

bool qmp_ringbuf_write(QmpCtx *ctx, const char *device, const char *data,
                       bool has_format, DataFormat format, GError **errp)
{
    Chardev *cd = chardev_to_find(ctx, "Device", device, errp);
    g_autofree uint8_t *bytes = NULL;
    gsize len;

    if (!cd) {
        return false;
    }
    if (!has_format || format == DATA_FORMAT_UTF8) {
        return chardev_ringbuf_write(cd, data, strlen(data), errp);
    }
    if (strspn(data, base64_digits) + strspn(strchrnul(data, '='), "=") !=
        strlen(data)) {
        error_setf(errp, "Base64 data contains invalid characters");
        return false;
    }
    bytes = g_base64_decode(data, &len);
    return chardev_ringbuf_write(cd, bytes, len, errp);
}

bool qmp_ringbuf_read(QmpCtx *ctx, const char *device, int64_t size,
                      bool has_format, DataFormat format, char **ret,
                      GError **errp)
{
    Chardev *cd = chardev_to_find(ctx, "Device", device, errp);
    g_autoptr(GByteArray) bytes = NULL;

    if (!cd) {
        return false;
    }
    if (size <= 0) {
        error_setf(errp, "size must be greater than zero");
        return false;
    }
    bytes =
        chardev_ringbuf_read(cd, MIN(size, (int64_t)RINGBUF_READ_MAX), errp);
    if (!bytes) {
        return false;
    }
    if (has_format && format == DATA_FORMAT_BASE64) {
        *ret = g_base64_encode(bytes->data, bytes->len);
    } else {
        g_autofree char *text = g_strndup((char *)bytes->data, bytes->len);

        *ret = g_utf8_make_valid(text, -1);
    }
    return true;
}

bool qmp_chardev_add(QmpCtx *ctx, const char *id, const ChardevBackend *backend,
                     ChardevReturn **ret, GError **errp)
{
    /* What the schema has checked goes the way of the command line. */
    Chardev *cd =
        chardev_new_from_json(ctx->vm->chardevs, id,
                              json_object_get(ctx->args, "backend"), errp);

    if (!cd) {
        return false;
    }
    *ret = chardev_return_new();
    (*ret)->pty = g_strdup(chardev_pty_path(cd));
    return true;
}

bool qmp_chardev_remove(QmpCtx *ctx, const char *id, GError **errp)
{
    Chardev *cd = chardev_to_find(ctx, "Chardev", id, errp);

    if (!cd) {
        return false;
    }
    if (chardev_is_busy(cd)) {
        error_setf(errp, "Chardev '%s' is busy", id);
        return false;
    }
    chardev_delete(ctx->vm->chardevs, cd);
    return true;
}

bool qmp_chardev_send_break(QmpCtx *ctx, const char *id, GError **errp)
{
    Chardev *cd = chardev_to_find(ctx, "Chardev", id, errp);
    int err = cd ? chardev_send_break(cd) : 0;

    if (err < 0 && err != -ENOTSUP) {
        error_setf_errno(errp, -err, "Chardev '%s': break", id);
    }
    /* A line without breaks has none to send. */
    return cd && (err >= 0 || err == -ENOTSUP);
}
