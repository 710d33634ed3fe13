/*
 * ACPI tables and the commands by which firmware puts them in place.
 *
 * Tables: ACPI specification 6.4, section 5.2.  Commands: records of 128
 * bytes as SeaBIOS and OVMF read them from "etc/table-loader"; numbers are
 * little endian:
 *
 *   0  command   4  file (56)  60  ALLOCATE:     alignment, zone (byte)
 *                              60  ADD_POINTER:  file (56), offset, size
 *                              60  ADD_CHECKSUM: offset, start, length
 *                              60  WRITE_POINTER: file (56), offset,
 *                                  offset in that file, size
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/tables.h"

#include "util/bswap.h"

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE   "etc/acpi/rsdp"

enum {
    LOADER_ALLOCATE = 1,
    LOADER_ADD_POINTER = 2,
    LOADER_ADD_CHECKSUM = 3,
    LOADER_WRITE_POINTER = 4,
    LOADER_ENTRY = 128, /* bytes */
    LOADER_NAME = 56,
    LOADER_FILE = 4,
    LOADER_ARGS = 60,
    LOADER_PTR_ARGS = 116, /* behind the second file */

    ZONE_HIGH = 1,
    ZONE_FSEG = 2,

    TABLES_ALIGN = 64, /* the FACS wants it */
    RSDP_ALIGN = 16,

    HEADER_LENGTH = 4,
    HEADER_CHECKSUM = 9,

    RSDP_SIZE1 = 20, /* revision 0 */
    RSDP_SIZE2 = 36, /* revision 2 */
    RSDP_CHECKSUM = 8,
    RSDP_RSDT = 16,
    RSDP_XSDT = 24,
    RSDP_CHECKSUM2 = 32,
};

uint8_t acpi_checksum(const void *data, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += ((const uint8_t *)data)[i];
    }
    return -sum;
}

/* Commands */

static uint8_t *loader_add(AcpiTables *t, uint32_t command, const char *file)
{
    size_t off = t->loader->len;
    uint8_t *e;

    g_byte_array_set_size(t->loader, off + LOADER_ENTRY);
    e = t->loader->data + off;
    memset(e, 0, LOADER_ENTRY);
    stl_le_p(e, command);
    g_strlcpy((char *)e + LOADER_FILE, file, LOADER_NAME);
    return e;
}

static void loader_allocate(AcpiTables *t, const char *file, uint32_t align,
                            uint8_t zone)
{
    uint8_t *e = loader_add(t, LOADER_ALLOCATE, file);

    stl_le_p(e + LOADER_ARGS, align);
    e[LOADER_ARGS + 4] = zone;
}

/* In `file` at `off`: to where `to` is. */
static void loader_pointer(AcpiTables *t, const char *file, uint32_t off,
                           uint8_t size, const char *to)
{
    uint8_t *e = loader_add(t, LOADER_ADD_POINTER, file);

    g_strlcpy((char *)e + LOADER_ARGS, to, LOADER_NAME);
    stl_le_p(e + LOADER_PTR_ARGS, off);
    e[LOADER_PTR_ARGS + 4] = size;
}

static void loader_checksum(AcpiTables *t, const char *file, uint32_t off,
                            uint32_t start, uint32_t len)
{
    uint8_t *e = loader_add(t, LOADER_ADD_CHECKSUM, file);

    stl_le_p(e + LOADER_ARGS, off);
    stl_le_p(e + LOADER_ARGS + 4, start);
    stl_le_p(e + LOADER_ARGS + 8, len);
}

/* Tables */

void acpi_tables_init(AcpiTables *t, const AcpiIds *ids)
{
    *t = (AcpiTables){
        .ids = *ids,
        .tables = g_byte_array_new(),
        .rsdp = g_byte_array_new(),
        .loader = g_byte_array_new(),
        .roots = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };
    /* Room is made before anything is put there. */
    loader_allocate(t, RSDP_FILE, RSDP_ALIGN, ZONE_FSEG);
    loader_allocate(t, TABLES_FILE, TABLES_ALIGN, ZONE_HIGH);
}

void acpi_tables_fini(AcpiTables *t)
{
    g_clear_pointer(&t->tables, g_byte_array_unref);
    g_clear_pointer(&t->rsdp, g_byte_array_unref);
    g_clear_pointer(&t->loader, g_byte_array_unref);
    g_clear_pointer(&t->roots, g_array_unref);
}

static void put_to(GByteArray *to, uint64_t v, unsigned size)
{
    uint8_t buf[8];

    stq_le_p(buf, v);
    g_byte_array_append(to, buf, size);
}

void acpi_put(AcpiTables *t, uint64_t v, unsigned size)
{
    put_to(t->tables, v, size);
}

void acpi_put_bytes(AcpiTables *t, const void *data, size_t len)
{
    g_byte_array_append(t->tables, data, len);
}

/* A shorter ID ends with NULs. One with blanks says so itself. */
static void put_id(GByteArray *to, const char *id, size_t len)
{
    uint8_t buf[8];

    memset(buf, 0, sizeof(buf));
    memcpy(buf, id, MIN(strlen(id), len));
    g_byte_array_append(to, buf, len);
}

/* What the header of a table says. */
static AcpiIds table_ids(const AcpiTables *t, const char *signature)
{
    static const char *const of_slic[] = { "FACP", "RSDT", "XSDT", NULL };
    const AcpiUserTables *u = t->user;

    if (u != NULL && *u->slic_oem_id && g_strv_contains(of_slic, signature)) {
        return (AcpiIds){ u->slic_oem_id, u->slic_oem_table_id };
    }
    return t->ids;
}

uint32_t acpi_table_begin(AcpiTables *t, const char *signature,
                          uint8_t revision)
{
    AcpiIds ids = table_ids(t, signature);
    uint32_t off = t->tables->len;

    acpi_put_bytes(t, signature, 4);
    acpi_put(t, 0, 4); /* length */
    acpi_put(t, revision, 1);
    acpi_put(t, 0, 1); /* checksum */
    put_id(t->tables, ids.oem_id, 6);
    put_id(t->tables, ids.oem_table_id, 8);
    acpi_put(t, 1, 4); /* revision of this table */
    acpi_put_bytes(t, "BXPC", 4);
    acpi_put(t, 1, 4); /* revision of its creator */
    return off;
}

void acpi_table_end(AcpiTables *t, uint32_t off, bool root)
{
    uint32_t len = t->tables->len - off;

    stl_le_p(t->tables->data + off + HEADER_LENGTH, len);
    loader_checksum(t, TABLES_FILE, off + HEADER_CHECKSUM, off, len);
    if (root) {
        g_array_append_val(t->roots, off);
    }
}

void acpi_put_pointer(AcpiTables *t, uint32_t target, unsigned size)
{
    loader_pointer(t, TABLES_FILE, t->tables->len, size, TABLES_FILE);
    acpi_put(t, target, size);
}

void acpi_place_file(AcpiTables *t, const char *file, uint32_t align)
{
    loader_allocate(t, file, align, ZONE_HIGH);
}

void acpi_put_file_pointer(AcpiTables *t, const char *file, unsigned size)
{
    loader_pointer(t, TABLES_FILE, t->tables->len, size, file);
    acpi_put(t, 0, size);
}

void acpi_add_back_pointer(AcpiTables *t, const char *to, const char *file,
                           uint32_t off, unsigned size)
{
    uint8_t *e = loader_add(t, LOADER_WRITE_POINTER, to);

    g_strlcpy((char *)e + LOADER_ARGS, file, LOADER_NAME);
    stl_le_p(e + LOADER_PTR_ARGS, 0);
    stl_le_p(e + LOADER_PTR_ARGS + 4, off);
    e[LOADER_PTR_ARGS + 8] = size;
}

static void acpi_put_rsdp(AcpiTables *t, uint32_t root, bool xsdt)
{
    g_byte_array_append(t->rsdp, (const uint8_t *)"RSD PTR ", 8);
    put_to(t->rsdp, 0, 1); /* checksum */
    put_id(t->rsdp, t->ids.oem_id, 6);
    put_to(t->rsdp, xsdt ? 2 : 0, 1);
    put_to(t->rsdp, xsdt ? 0 : root, 4);
    if (xsdt) {
        put_to(t->rsdp, RSDP_SIZE2, 4);
        put_to(t->rsdp, root, 8);
        put_to(t->rsdp, 0, 4); /* checksum of all of it, reserved bytes */
        loader_pointer(t, RSDP_FILE, RSDP_XSDT, 8, TABLES_FILE);
    } else {
        loader_pointer(t, RSDP_FILE, RSDP_RSDT, 4, TABLES_FILE);
    }
    loader_checksum(t, RSDP_FILE, RSDP_CHECKSUM, 0, RSDP_SIZE1);
    if (xsdt) {
        loader_checksum(t, RSDP_FILE, RSDP_CHECKSUM2, 0, RSDP_SIZE2);
    }
}

static void put_user_tables(AcpiTables *t)
{
    for (unsigned i = 0; t->user != NULL && i < t->user->list->len; i++) {
        const GByteArray *table = t->user->list->pdata[i];
        uint32_t off = t->tables->len;

        acpi_put_bytes(t, table->data, table->len);
        g_array_append_val(t->roots, off);
    }
}

void acpi_finish(AcpiTables *t, bool xsdt)
{
    uint32_t root;

    put_user_tables(t);
    root = acpi_table_begin(t, xsdt ? "XSDT" : "RSDT", 1);
    for (unsigned i = 0; i < t->roots->len; i++) {
        acpi_put_pointer(t, g_array_index(t->roots, uint32_t, i), xsdt ? 8 : 4);
    }
    acpi_table_end(t, root, false);
    acpi_put_rsdp(t, root, xsdt);
}

/* Placing */

void acpi_tables_place(AcpiTables *t, uint64_t tables_addr, uint64_t rsdp_addr)
{
    for (size_t i = 0; i < t->loader->len; i += LOADER_ENTRY) {
        const uint8_t *e = t->loader->data + i;
        GByteArray *file = g_str_equal((const char *)e + LOADER_FILE, RSDP_FILE)
                               ? t->rsdp
                               : t->tables;
        const uint8_t *args = e + LOADER_ARGS;
        const uint8_t *ptr = e + LOADER_PTR_ARGS;

        switch (ldl_le_p(e)) {
        case LOADER_ADD_POINTER: {
            uint8_t *at = file->data + ldl_le_p(ptr);

            /* Files that firmware would place aren't there without it. */
            if (!g_str_equal((const char *)args, TABLES_FILE)) {
                break;
            }
            stn_le_p(at, ptr[4], ldn_le_p(at, ptr[4]) + tables_addr);
            break;
        }
        case LOADER_ADD_CHECKSUM: {
            uint8_t *sum = file->data + ldl_le_p(args);

            *sum = 0;
            *sum = acpi_checksum(file->data + ldl_le_p(args + 4),
                                 ldl_le_p(args + 8));
            break;
        }
        default:
            break;
        }
    }
}
