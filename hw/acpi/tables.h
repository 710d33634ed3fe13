/*
 * ACPI tables and the commands by which firmware puts them in place.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_TABLES_H
#define HW_ACPI_TABLES_H

#include "util/base.h"

#include "hw/acpi/user-tables.h"

/* What is written into each table's header. */
typedef struct AcpiIds {
    const char *oem_id, *oem_table_id; /* at most 6 and 8 characters */
} AcpiIds;

typedef struct AcpiTables {
    AcpiIds ids;
    const AcpiUserTables *user; /* go behind the others; NULL: none */
    GByteArray *tables;         /* "etc/acpi/tables" */
    GByteArray *rsdp;           /* "etc/acpi/rsdp" */
    GByteArray *loader;         /* "etc/table-loader" */
    GArray *roots;              /* uint32_t: tables that the root table lists */
} AcpiTables;

void acpi_tables_init(AcpiTables *t, const AcpiIds *ids);
void acpi_tables_fini(AcpiTables *t);
/* Appends little-endian numbers and bytes to the tables. */
void acpi_put(AcpiTables *t, uint64_t v, unsigned size);
void acpi_put_bytes(AcpiTables *t, const void *data, size_t len);
/* Starts a table with its header; returns its offset. */
uint32_t acpi_table_begin(AcpiTables *t, const char *signature,
                          uint8_t revision);
/* Its length and checksum; `root`: the root table is to list it. */
void acpi_table_end(AcpiTables *t, uint32_t off, bool root);
/* Appends a pointer of `size` bytes to `target`, an offset in the tables. */
void acpi_put_pointer(AcpiTables *t, uint32_t target, unsigned size);
/*
 * A file that firmware puts into high memory, aligned to `align` bytes, before
 * anything points to it.
 */
void acpi_place_file(AcpiTables *t, const char *file, uint32_t align);
/* Appends a pointer of `size` bytes to its beginning. */
void acpi_put_file_pointer(AcpiTables *t, const char *file, unsigned size);
/* Firmware writes back, to the beginning of `to`, where `off` in it is. */
void acpi_add_back_pointer(AcpiTables *t, const char *to, const char *file,
                           uint32_t off, unsigned size);
/*
 * The user's tables, and the root table: RSDT with 32-bit pointers or XSDT with
 * 64-bit ones.
 */
void acpi_finish(AcpiTables *t, bool xsdt);
/*
 * For machines without firmware: does what the commands say, with the tables
 * at one address and the root pointer at another.
 */
void acpi_tables_place(AcpiTables *t, uint64_t tables_addr, uint64_t rsdp_addr);
uint8_t acpi_checksum(const void *data, size_t len);

#endif
