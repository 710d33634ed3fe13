/*
 * ROMs of the command line that firmware runs: -option-rom.
 *
 * Firmware (SeaBIOS, docs/Runtime_config.md: "genroms/") copies each to the
 * room for option ROMs and calls it, as those of ISA cards.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/option-roms.h"

#include "hw/core/boot-order.h"
#include "hw/i386/fw-cfg.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/open.h"

#define ROM_MAX (16 * MiB) /* bytes; the room has 128 KiB */

typedef struct OptionRom {
    char *file;
    int32_t bootindex; /* -1: none */
} OptionRom;

struct OptionRoms {
    GPtrArray *list; /* OptionRom *, in the order of the command line */
};

static void rom_free(void *opaque)
{
    OptionRom *r = opaque;

    g_free(r->file);
    g_free(r);
}

bool option_roms_add(OptionRoms **roms, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "romfile", errp);
    int64_t index = -1;
    const char *file;
    OptionRom *r;

    if (kv == NULL ||
        !keyval_get_int(kv, "bootindex", 0, INT32_MAX, &index, errp)) {
        return false;
    }
    file = keyval_get(kv, "romfile");
    if (!keyval_check_all_used(kv, "option ROM", errp)) {
        return false;
    }
    if (file == NULL || *file == '\0') {
        error_setf(errp, "Option ROM file is not specified");
        return false;
    }
    if (*roms == NULL) {
        *roms = g_new0(OptionRoms, 1);
        (*roms)->list = g_ptr_array_new_with_free_func(rom_free);
    }
    r = g_new0(OptionRom, 1);
    r->file = g_strdup(file);
    r->bootindex = index;
    g_ptr_array_add((*roms)->list, r);
    return true;
}

static bool rom_offer(const OptionRom *r, Machine *m, GError **errp)
{
    g_autofree char *path = machine_find_file(m, r->file), *data = NULL;
    g_autofree char *base = g_path_get_basename(r->file);
    g_autofree char *name = g_strconcat("genroms/", base, NULL);
    g_autofree char *place = g_strconcat("/rom@", name, NULL);
    g_autoptr(GError) err = NULL;
    size_t len, old_len;

    if (path == NULL) {
        error_setf(errp, "-option-rom %s: no such file", r->file);
        return false;
    }
    if (!read_user_file(path, ROM_MAX, &data, &len, &err)) {
        error_setf(errp, "-option-rom %s: %s", r->file, err->message);
        return false;
    }
    if (fw_cfg_file_data(m->fw_cfg, name, &old_len) == NULL &&
        !fw_cfg_add_file(m->fw_cfg, name, data, len, errp)) {
        return false;
    }
    return boot_order_set(m, NULL, r->bootindex, place, errp);
}

bool option_roms_offer(const OptionRoms *roms, Machine *m, GError **errp)
{
    for (unsigned i = 0; roms != NULL && i < roms->list->len; i++) {
        if (!rom_offer(roms->list->pdata[i], m, errp)) {
            return false;
        }
    }
    return true;
}

void option_roms_free(OptionRoms *roms)
{
    if (roms != NULL) {
        g_ptr_array_unref(roms->list);
        g_free(roms);
    }
}
