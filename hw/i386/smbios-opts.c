/*
 * -smbios: fields of the tables, and whole structures from files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/smbios-priv.h"

#include "util/cutils.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/open.h"

#define SMBIOS_FILE_MAX (16 * MiB)

typedef enum FieldKind {
    FIELD_STRING,
    FIELD_NUMBER,
    FIELD_BOOL,
    FIELD_UUID,    /* 16 bytes and a bool behind them */
    FIELD_RELEASE, /* "major.minor" in two bytes */
    FIELD_DEVICE,  /* kind of an onboard device */
    FIELD_OEM,     /* a string for SmbiosOptions.strings */
    FIELD_OEM_FILE,
} FieldKind;

typedef struct Field {
    const char *name;
    FieldKind kind;
    size_t offset;         /* into the options or into an element of a list */
    uint64_t max, initial; /* FIELD_NUMBER */
} Field;

#define OPT(part, member) offsetof(SmbiosOptions, part.member)
#define END                         \
    {                               \
        NULL, FIELD_STRING, 0, 0, 0 \
    }

static const Field bios_fields[] = {
    { "vendor", FIELD_STRING, OPT(bios, vendor), 0, 0 },
    { "version", FIELD_STRING, OPT(bios, version), 0, 0 },
    { "date", FIELD_STRING, OPT(bios, date), 0, 0 },
    { "release", FIELD_RELEASE, OPT(bios, release), 0, 0 },
    { "uefi", FIELD_BOOL, OPT(bios, uefi), 0, 0 },
    END,
};

static const Field system_fields[] = {
    { "manufacturer", FIELD_STRING, OPT(system, manufacturer), 0, 0 },
    { "product", FIELD_STRING, OPT(system, product), 0, 0 },
    { "version", FIELD_STRING, OPT(system, version), 0, 0 },
    { "serial", FIELD_STRING, OPT(system, serial), 0, 0 },
    { "uuid", FIELD_UUID, OPT(system, uuid), 0, 0 },
    { "sku", FIELD_STRING, OPT(system, sku), 0, 0 },
    { "family", FIELD_STRING, OPT(system, family), 0, 0 },
    END,
};

static const Field board_fields[] = {
    { "manufacturer", FIELD_STRING, OPT(board, manufacturer), 0, 0 },
    { "product", FIELD_STRING, OPT(board, product), 0, 0 },
    { "version", FIELD_STRING, OPT(board, version), 0, 0 },
    { "serial", FIELD_STRING, OPT(board, serial), 0, 0 },
    { "asset", FIELD_STRING, OPT(board, asset), 0, 0 },
    { "location", FIELD_STRING, OPT(board, location), 0, 0 },
    END,
};

static const Field chassis_fields[] = {
    { "manufacturer", FIELD_STRING, OPT(chassis, manufacturer), 0, 0 },
    { "version", FIELD_STRING, OPT(chassis, version), 0, 0 },
    { "serial", FIELD_STRING, OPT(chassis, serial), 0, 0 },
    { "asset", FIELD_STRING, OPT(chassis, asset), 0, 0 },
    { "sku", FIELD_STRING, OPT(chassis, sku), 0, 0 },
    END,
};

#define CPU_MHZ 2000 /* what a guest reads if nobody says more */

static const Field cpu_fields[] = {
    { "sock_pfx", FIELD_STRING, OPT(cpu, prefix), 0, 0 },
    { "manufacturer", FIELD_STRING, OPT(cpu, manufacturer), 0, 0 },
    { "version", FIELD_STRING, OPT(cpu, version), 0, 0 },
    { "serial", FIELD_STRING, OPT(cpu, serial), 0, 0 },
    { "asset", FIELD_STRING, OPT(cpu, asset), 0, 0 },
    { "part", FIELD_STRING, OPT(cpu, part), 0, 0 },
    { "max-speed", FIELD_NUMBER, OPT(cpu, max_mhz), UINT16_MAX, CPU_MHZ },
    { "current-speed", FIELD_NUMBER, OPT(cpu, cur_mhz), UINT16_MAX, CPU_MHZ },
    { "processor-id", FIELD_NUMBER, OPT(cpu, id), UINT64_MAX, 0 },
    END,
};

static const Field dimm_fields[] = {
    { "loc_pfx", FIELD_STRING, OPT(dimm, prefix), 0, 0 },
    { "bank", FIELD_STRING, OPT(dimm, bank), 0, 0 },
    { "manufacturer", FIELD_STRING, OPT(dimm, manufacturer), 0, 0 },
    { "serial", FIELD_STRING, OPT(dimm, serial), 0, 0 },
    { "asset", FIELD_STRING, OPT(dimm, asset), 0, 0 },
    { "part", FIELD_STRING, OPT(dimm, part), 0, 0 },
    { "speed", FIELD_NUMBER, OPT(dimm, mts), UINT16_MAX, 0 },
    END,
};

static const Field port_fields[] = {
    { "internal_reference", FIELD_STRING, offsetof(SmbiosPort, internal), 0,
      0 },
    { "external_reference", FIELD_STRING, offsetof(SmbiosPort, external), 0,
      0 },
    { "connector_type", FIELD_NUMBER, offsetof(SmbiosPort, connector),
      UINT8_MAX, 0 },
    { "port_type", FIELD_NUMBER, offsetof(SmbiosPort, kind), UINT8_MAX, 0 },
    END,
};

static const Field oem_fields[] = {
    { "value", FIELD_OEM, 0, 0, 0 },
    { "path", FIELD_OEM_FILE, 0, 0, 0 },
    END,
};

static const Field onboard_fields[] = {
    { "designation", FIELD_STRING, offsetof(SmbiosOnboard, designation), 0, 0 },
    { "kind", FIELD_DEVICE, offsetof(SmbiosOnboard, kind), 0, 0 },
    { "instance", FIELD_NUMBER, offsetof(SmbiosOnboard, instance), UINT8_MAX,
      1 },
    { "pcidev", FIELD_STRING, offsetof(SmbiosOnboard, pcidev), 0, 0 },
    END,
};

/* By name; the number is the index and 1 (DSP0134, 7.42.2). */
static const char *const device_kinds[] = { "other", "unknown",  "video",
                                            "scsi",  "ethernet", "tokenring",
                                            "sound", "pata",     "sata",
                                            "sas",   NULL };

static const struct {
    uint8_t type;
    const Field *fields;
    size_t list; /* offset of the GArray that grows; 0: the options */
} types[] = {
    { SMBIOS_BIOS, bios_fields, 0 },
    { SMBIOS_SYSTEM, system_fields, 0 },
    { SMBIOS_BOARD, board_fields, 0 },
    { SMBIOS_CHASSIS, chassis_fields, 0 },
    { SMBIOS_CPU, cpu_fields, 0 },
    { SMBIOS_PORT, port_fields, offsetof(SmbiosOptions, ports) },
    { SMBIOS_OEM_STRINGS, oem_fields, 0 },
    { SMBIOS_MEMORY_DEVICE, dimm_fields, 0 },
    { SMBIOS_ONBOARD, onboard_fields, offsetof(SmbiosOptions, onboards) },
};

/* Life */

static void fields_clear(const Field *f, void *base)
{
    for (; f->name != NULL; f++) {
        if (f->kind == FIELD_STRING) {
            g_clear_pointer((char **)((char *)base + f->offset), g_free);
        }
    }
}

static void port_clear(void *p)
{
    fields_clear(port_fields, p);
}

static void onboard_clear(void *p)
{
    fields_clear(onboard_fields, p);
}

SmbiosOptions *smbios_options_new(void)
{
    SmbiosOptions *o = g_new0(SmbiosOptions, 1);

    o->cpu.max_mhz = CPU_MHZ;
    o->cpu.cur_mhz = CPU_MHZ;
    o->files = g_byte_array_new();
    o->ports = g_array_new(FALSE, TRUE, sizeof(SmbiosPort));
    o->onboards = g_array_new(FALSE, TRUE, sizeof(SmbiosOnboard));
    o->strings = g_ptr_array_new_with_free_func(g_free);
    g_array_set_clear_func(o->ports, port_clear);
    g_array_set_clear_func(o->onboards, onboard_clear);
    return o;
}

void smbios_options_free(SmbiosOptions *o)
{
    if (o == NULL) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i].list == 0) {
            fields_clear(types[i].fields, o);
        }
    }
    g_byte_array_unref(o->files);
    g_array_unref(o->ports);
    g_array_unref(o->onboards);
    g_ptr_array_unref(o->strings);
    g_free(o);
}

/* Fields */

static bool parse_release(const char *text, uint8_t ret_v[2], GError **errp)
{
    g_auto(GStrv) part = g_strsplit(text, ".", -1);
    uint64_t v[2] = { 0 };

    if (g_strv_length(part) != 2 ||
        !parse_uint("release", part[0], 0, UINT8_MAX, &v[0], NULL) ||
        !parse_uint("release", part[1], 0, UINT8_MAX, &v[1], NULL)) {
        error_setf(errp,
                   "Invalid release '%s': not two numbers of 0 to 255 with "
                   "a point between them",
                   text);
        return false;
    }
    ret_v[0] = v[0];
    ret_v[1] = v[1];
    return true;
}

static bool add_oem(SmbiosOptions *o, char *text, GError **errp)
{
    if (o->strings->len == UINT8_MAX) {
        error_setf(errp, "more than %u OEM strings", UINT8_MAX);
        g_free(text);
        return false;
    }
    g_ptr_array_add(o->strings, text);
    return true;
}

static bool add_oem_file(SmbiosOptions *o, const char *path, GError **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) err = NULL;
    size_t len;

    if (!read_user_file(path, SMBIOS_FILE_MAX, &text, &len, &err)) {
        error_setf(errp, "OEM string: %s: %s", path, err->message);
        return false;
    }
    if (strlen(text) != len) {
        error_setf(errp, "NUL in OEM strings value in %s", path);
        return false;
    }
    return add_oem(o, g_steal_pointer(&text), errp);
}

/* Items in their order, because OEM strings of both kinds may be mixed. */
static bool parse_oem(SmbiosOptions *o, KeyVal *kv, GError **errp)
{
    for (unsigned i = 0; i < keyval_count(kv); i++) {
        const char *key = keyval_key_at(kv, i);
        const char *value = keyval_value_at(kv, i);

        if (g_str_equal(key, "value")) {
            if (!add_oem(o, g_strdup(value), errp)) {
                return false;
            }
        } else if (g_str_equal(key, "path")) {
            if (!add_oem_file(o, value, errp)) {
                return false;
            }
        }
    }
    return true;
}

static bool parse_field(const Field *f, KeyVal *kv, void *at, GError **errp)
{
    const char *text = keyval_get(kv, f->name);
    int index = 0;

    switch (f->kind) {
    case FIELD_STRING:
        if (text != NULL) {
            g_free(*(char **)at);
            *(char **)at = g_strdup(text);
        }
        return true;
    /* These take their initial value if a further -smbios leaves them out. */
    case FIELD_NUMBER:
        *(uint64_t *)at = f->initial;
        return keyval_get_uint(kv, f->name, 0, f->max, at, errp);
    case FIELD_BOOL:
        *(bool *)at = false;
        return keyval_get_bool(kv, f->name, at, errp);
    case FIELD_UUID:
        if (text != NULL && !parse_uuid(text, at)) {
            error_setf(errp, "Invalid UUID '%s'", text);
            return false;
        }
        return true;
    case FIELD_RELEASE:
        return text == NULL || parse_release(text, at, errp);
    case FIELD_DEVICE:
        if (!keyval_get_enum(kv, f->name, device_kinds, &index, errp)) {
            return false;
        }
        *(uint64_t *)at = index + 1;
        return true;
    case FIELD_OEM:
    case FIELD_OEM_FILE:
        return true; /* parse_oem() */
    }
    return true;
}

static bool check_known(const Field *fields, KeyVal *kv, unsigned type,
                        GError **errp)
{
    g_autofree char *what = g_strdup_printf("type %u", type);

    for (const Field *f = fields; f->name != NULL; f++) {
        keyval_get(kv, f->name);
    }
    return keyval_check_all_used(kv, what, errp);
}

static bool add_fields(SmbiosOptions *o, KeyVal *kv, unsigned i, GError **errp)
{
    void *base = o;

    if (!check_known(types[i].fields, kv, types[i].type, errp)) {
        return false;
    }
    if (types[i].list != 0) {
        GArray *list = *(GArray **)((char *)o + types[i].list);

        g_array_set_size(list, list->len + 1);
        base = list->data +
               (size_t)(list->len - 1) * g_array_get_element_size(list);
    }
    for (const Field *f = types[i].fields; f->name != NULL; f++) {
        if (!parse_field(f, kv, (char *)base + f->offset, errp)) {
            return false;
        }
    }
    if (types[i].type == SMBIOS_OEM_STRINGS && !parse_oem(o, kv, errp)) {
        return false;
    }
    if (types[i].type == SMBIOS_SYSTEM && keyval_has(kv, "uuid")) {
        o->system.uuid_set = true;
    }
    o->has_fields[types[i].type] = true;
    return true;
}

static bool add_type(SmbiosOptions *o, KeyVal *kv, GError **errp)
{
    uint64_t type = 0;

    if (!keyval_get_uint(kv, "type", 0, SMBIOS_TYPES - 1, &type, errp)) {
        return false;
    }
    if (o->has_file[type]) {
        error_setf(errp,
                   "type %u: can't add fields, a file with such a structure "
                   "is loaded already",
                   (unsigned)type);
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i].type == type) {
            return add_fields(o, kv, i, errp);
        }
    }
    error_setf(errp, "Don't know how to build fields for SMBIOS type %u",
               (unsigned)type);
    return false;
}

/* Files */

/* Bytes of the structure at `p` with its strings; 0: it is not a whole one. */
static size_t structure_len(const uint8_t *p, size_t avail)
{
    size_t at = avail > SMBIOS_HEADER ? p[1] : 0;

    if (at < SMBIOS_HEADER) {
        return 0;
    }
    for (; at + 1 < avail; at++) {
        if (p[at] == 0 && p[at + 1] == 0) {
            return at + 2;
        }
    }
    return 0;
}

static bool add_structure(SmbiosOptions *o, const uint8_t *p, size_t len,
                          GError **errp)
{
    if (o->has_fields[p[0]]) {
        error_setf(errp,
                   "can't load type %u struct, fields are specified already",
                   p[0]);
        return false;
    }
    g_byte_array_append(o->files, p, len);
    o->has_file[p[0]] = true;
    o->longest = MAX(o->longest, len);
    o->nfiles++;
    return true;
}

/* One structure or several. */
static bool add_file(SmbiosOptions *o, KeyVal *kv, GError **errp)
{
    const char *path = keyval_get(kv, "file");
    g_autofree char *data = NULL;
    g_autoptr(GError) err = NULL;
    size_t size = 0, at = 0;

    if (!keyval_check_all_used(kv, "file", errp)) {
        return false;
    }
    if (!read_user_file(path, SMBIOS_FILE_MAX, &data, &size, &err)) {
        error_setf(errp, "Cannot read SMBIOS file %s: %s", path, err->message);
        return false;
    }
    if (size == 0) {
        error_setf(errp, "Cannot read SMBIOS file %s: it is empty", path);
        return false;
    }
    while (at < size) {
        const uint8_t *p = (const uint8_t *)data + at;
        size_t len = structure_len(p, size - at);

        if (len == 0) {
            error_setf(errp,
                       "Cannot read SMBIOS file %s: no whole structure at "
                       "byte %zu",
                       path, at);
            return false;
        }
        if (!add_structure(o, p, len, errp)) {
            return false;
        }
        at += len;
    }
    return true;
}

bool smbios_options_add(SmbiosOptions *o, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, errp);

    if (kv == NULL) {
        return false;
    }
    if (keyval_has(kv, "file")) {
        return add_file(o, kv, errp);
    }
    if (keyval_has(kv, "type")) {
        return add_type(o, kv, errp);
    }
    error_setf(errp, "Must specify type= or file=");
    return false;
}

const uint8_t *smbios_options_uuid(const SmbiosOptions *o)
{
    return o->system.uuid_set ? o->system.uuid : NULL;
}
