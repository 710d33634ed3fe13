/*
 * Errors that a user may read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/error.h"

G_DEFINE_QUARK(godwit - error - quark, godwit_error)

static const char *const class_names[] = {
    [ERROR_CLASS_GENERIC] = "GenericError",
    [ERROR_CLASS_COMMAND_NOT_FOUND] = "CommandNotFound",
    [ERROR_CLASS_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
    [ERROR_CLASS_DEVICE_NOT_FOUND] = "DeviceNotFound",
    [ERROR_CLASS_KVM_MISSING_CAP] = "KVMMissingCap",
};

ErrorClass error_class(const GError *err)
{
    if (!err || err->domain != GODWIT_ERROR || err->code < 0 ||
        (size_t)err->code >= G_N_ELEMENTS(class_names)) {
        return ERROR_CLASS_GENERIC;
    }
    return (ErrorClass)err->code;
}

const char *error_class_name(ErrorClass cls)
{
    if ((size_t)cls >= G_N_ELEMENTS(class_names)) {
        return class_names[ERROR_CLASS_GENERIC];
    }
    return class_names[cls];
}

G_GNUC_PRINTF(3, 0)
static void set_valist(GError **errp, ErrorClass cls, const char *fmt,
                       va_list ap)
{
    if (errp) {
        g_propagate_error(errp,
                          g_error_new_valist(GODWIT_ERROR, (int)cls, fmt, ap));
    }
}

void error_setf(GError **errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_valist(errp, ERROR_CLASS_GENERIC, fmt, ap);
    va_end(ap);
}

void error_set_class(GError **errp, ErrorClass cls, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_valist(errp, cls, fmt, ap);
    va_end(ap);
}

void error_setf_errno(GError **errp, int errnum, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_setf(errp, "%s: %s", text, g_strerror(abs(errnum)));
}

void error_prefix(GError **errp, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (!errp || !*errp) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_prefix_error(errp, "%s", text);
}
