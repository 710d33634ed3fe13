/*
 * ACPI tables of the command line: -acpitable.
 *
 * Header: ACPI specification 6.4, section 5.2.6.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/user-tables.h"

#include <sys/stat.h>

#include "hw/acpi/tables.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/log.h"
#include "util/open.h"

enum {
    TABLE_MAX = 1 << 20, /* bytes; all of the machine's have 2 MiB */

    HEADER_LENGTH = 4,
    HEADER_REVISION = 8,
    HEADER_CHECKSUM = 9,
    HEADER_OEM_ID = 10,
    HEADER_OEM_TABLE_ID = 16,
    HEADER_SIZE = 36,
};

/* Of a table without one; length and checksum follow. */
static const uint8_t default_header[HEADER_SIZE] =
    "QEMU\0\0\0\0\1\0QEMUQEQEMUQEMU\1\0\0\0QEMU\1\0\0";

static const struct {
    const char *key;
    uint8_t off, len;
    bool text; /* padded with NULs; else a little-endian number */
} header_fields[] = {
    { "sig", 0, 4, true },
    { "rev", HEADER_REVISION, 1, false },
    { "oem_id", HEADER_OEM_ID, 6, true },
    { "oem_table_id", HEADER_OEM_TABLE_ID, 8, true },
    { "oem_rev", 24, 4, false },
    { "asl_compiler_id", 28, 4, true },
    { "asl_compiler_rev", 32, 4, false },
};

static bool append_file(GByteArray *table, const char *path, GError **errp)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *data = NULL;
    struct stat st;
    size_t len;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        error_setf(errp, "%s is no regular file", path);
        return false;
    }
    if (!read_user_file(path, TABLE_MAX - table->len, &data, &len, &err)) {
        error_setf(errp, "can't read file %s: %s", path, err->message);
        return false;
    }
    g_byte_array_append(table, (const uint8_t *)data, len);
    return true;
}

static bool append_files(GByteArray *table, const char *paths, GError **errp)
{
    g_auto(GStrv) list = g_strsplit(paths, ":", -1);

    if (list[0] == NULL || *paths == '\0') {
        error_setf(errp, "'-acpitable' requires at least one pathname");
        return false;
    }
    for (unsigned i = 0; list[i] != NULL; i++) {
        if (!append_file(table, list[i], errp)) {
            return false;
        }
    }
    return true;
}

/* What the command line says of the header. */
static bool set_fields(GByteArray *table, KeyVal *kv, GError **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(header_fields); i++) {
        const char *key = header_fields[i].key;
        unsigned len = header_fields[i].len;
        uint8_t *at = table->data + header_fields[i].off;
        uint64_t max = (UINT64_C(1) << (8 * MIN(len, 4u))) - 1;
        const char *value = keyval_get(kv, key);
        uint64_t num = 0;
        size_t n;

        if (value == NULL) {
            continue;
        }
        if (!header_fields[i].text) {
            if (!keyval_get_uint(kv, key, 0, max, &num, errp)) {
                return false;
            }
            stn_le_p(at, len, num);
            continue;
        }
        n = strlen(value);
        if (n > len) {
            error_setf(errp, "option '%s': '%s' is longer than %u bytes", key,
                       value, len);
            return false;
        }
        memset(at, 0, len);
        memcpy(at, value, n);
    }
    return true;
}

static bool check_header(const GByteArray *table, GError **errp)
{
    uint32_t said;

    if (table->len < HEADER_SIZE) {
        error_setf(errp, "the table has %u bytes, its header alone has %d",
                   table->len, HEADER_SIZE);
        return false;
    }
    said = ldl_le_p(table->data + HEADER_LENGTH);
    if (said != table->len) {
        log_warn("-acpitable: the header says %" PRIu32
                 " bytes, the table has %u",
                 said, table->len);
    }
    return true;
}

static GByteArray *table_read(KeyVal *kv, GError **errp)
{
    const char *file = keyval_get(kv, "file"), *data = keyval_get(kv, "data");
    g_autoptr(GByteArray) table = g_byte_array_new();

    if ((file == NULL) == (data == NULL)) {
        error_setf(errp, "'-acpitable' requires one of 'data' or 'file'");
        return NULL;
    }
    if (data != NULL) {
        g_byte_array_append(table, default_header, HEADER_SIZE);
    }
    if (!append_files(table, data != NULL ? data : file, errp) ||
        (file != NULL && !check_header(table, errp)) ||
        !set_fields(table, kv, errp) ||
        !keyval_check_all_used(kv, "ACPI table", errp)) {
        return NULL;
    }
    stl_le_p(table->data + HEADER_LENGTH, table->len);
    table->data[HEADER_CHECKSUM] = 0;
    table->data[HEADER_CHECKSUM] = acpi_checksum(table->data, table->len);
    return g_steal_pointer(&table);
}

static void table_free(void *table)
{
    g_byte_array_unref(table);
}

bool acpi_user_tables_add(AcpiUserTables **u, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "data", errp);
    GByteArray *table = kv != NULL ? table_read(kv, errp) : NULL;

    if (table == NULL) {
        return false;
    }
    if (*u == NULL) {
        *u = g_new0(AcpiUserTables, 1);
        (*u)->list = g_ptr_array_new_with_free_func(table_free);
    }
    g_ptr_array_add((*u)->list, table);
    if (memcmp(table->data, "SLIC", 4) == 0 && *(*u)->slic_oem_id == '\0') {
        memcpy((*u)->slic_oem_id, table->data + HEADER_OEM_ID, 6);
        memcpy((*u)->slic_oem_table_id, table->data + HEADER_OEM_TABLE_ID, 8);
    }
    return true;
}

void acpi_user_tables_free(AcpiUserTables *u)
{
    if (u != NULL) {
        g_ptr_array_unref(u->list);
        g_free(u);
    }
}
