/*
 * QMP commands on screens.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device.h"
#include "monitor/qmp.h"
#include "monitor/vm-control.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "ui/screendump.h"
#include "util/error.h"

/* The console of a device by id or path; NULL: an error. */
static Console *find_console(QmpCtx *ctx, const char *device, bool has_head,
                             int64_t head, GError **errp)
{
    g_autofree char *path = NULL;
    Console *con;
    Device *dev;

    if (device == NULL) {
        if (has_head) {
            error_setf(errp, "'head' must be specified together with 'device'");
            return NULL;
        }
        con = consoles_get(ctx->vm->consoles, 0);
        if (con->ops == NULL) {
            error_setf(errp, "There is no console to take a screendump from");
            return NULL;
        }
        return con;
    }
    dev = device_find(ctx->vm, device);
    if (dev == NULL) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", device);
        return NULL;
    }
    path = object_path(&dev->obj);
    head = has_head ? head : 0;
    con = head < 0 || head >= CONSOLE_MAX_HEADS
              ? NULL
              : consoles_find(ctx->vm->consoles, path, head);
    if (con == NULL) {
        error_setf(errp, "Device '%s' (head %" PRId64 ") has no console",
                   device, head);
    }
    return con;
}

bool qmp_screendump(QmpCtx *ctx, const char *filename, const char *device,
                    bool has_head, int64_t head, bool has_format,
                    ImageFormat format, GError **errp)
{
    Console *con = find_console(ctx, device, has_head, head, errp);

    return con != NULL && vm_control_memory_here(ctx->vm, "screendump", errp) &&
           console_save_picture(con, filename,
                                has_format && format == IMAGE_FORMAT_PNG
                                    ? PICTURE_PNG
                                    : PICTURE_PPM,
                                errp);
}
