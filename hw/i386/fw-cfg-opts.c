/*
 * -fw_cfg: files of the user's for the firmware configuration device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/fw-cfg.h"

#include "util/error.h"
#include "util/keyval.h"
#include "util/log.h"

static bool fw_cfg_opts_content(KeyVal *kv, char **ret_data, size_t *ret_len,
                                GError **errp)
{
    const char *file = keyval_get(kv, "file");
    const char *string = keyval_get(kv, "string");
    g_autoptr(GError) err = NULL;

    if (string != NULL) {
        *ret_data = g_strdup(string);
        *ret_len = strlen(string);
        return true;
    }
    if (!g_file_get_contents(file, ret_data, ret_len, &err)) {
        error_setf(errp, "can't load %s: %s", file, err->message);
        return false;
    }
    return true;
}

static bool fw_cfg_opts_given(KeyVal *kv, const char *key)
{
    const char *v = keyval_get(kv, key);

    return v != NULL && *v != '\0';
}

bool fw_cfg_add_from_opts(FwCfg *f, const char *opts, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(opts, "name", errp);
    g_autofree char *data = NULL;
    const char *name;
    size_t len = 0;

    if (kv == NULL) {
        return false;
    }
    name = keyval_get(kv, "name");
    if (!fw_cfg_opts_given(kv, "name") ||
        fw_cfg_opts_given(kv, "file") + fw_cfg_opts_given(kv, "string") +
                fw_cfg_opts_given(kv, "gen_id") !=
            1) {
        error_setf(errp, "name, plus exactly one of file, string and gen_id, "
                         "are needed");
        return false;
    }
    if (!keyval_check_all_used(kv, "-fw_cfg", errp)) {
        return false;
    }
    /* No kind of object here generates a file's content. */
    if (fw_cfg_opts_given(kv, "gen_id")) {
        error_setf(errp, "Cannot find object ID '%s'",
                   keyval_get(kv, "gen_id"));
        return false;
    }
    if (strlen(name) > FW_CFG_NAME_MAX) {
        error_setf(errp, "name too long (max. %u char)", FW_CFG_NAME_MAX);
        return false;
    }
    if (!g_str_has_prefix(name, "opt/")) {
        log_warn("-fw_cfg %s: externally provided fw_cfg item names should be "
                 "prefixed with \"opt/\"",
                 opts);
    }
    return fw_cfg_opts_content(kv, &data, &len, errp) &&
           fw_cfg_add_file(f, name, data, len, errp);
}
