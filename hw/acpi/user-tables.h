/*
 * ACPI tables of the command line: -acpitable.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_USER_TABLES_H
#define HW_ACPI_USER_TABLES_H

#include <glib.h>

typedef struct AcpiUserTables {
    GPtrArray *list; /* GByteArray *: whole tables, in order */
    /*
     * Of a SLIC, if there is one: the root table and the FADT have to have the
     * same, or Windows doesn't take it.  NUL-terminated; empty: none.
     */
    char slic_oem_id[7], slic_oem_table_id[9];
} AcpiUserTables;

/*
 * Makes a table of "file=FILES" (with its header) or "[data=]FILES" (without),
 * several files joined by colons, and of what else is said of its header
 * (sig=, rev=, oem_id=, oem_table_id=, oem_rev=, asl_compiler_id=,
 * asl_compiler_rev=).  *u NULL: makes it first.
 */
bool acpi_user_tables_add(AcpiUserTables **u, const char *text, GError **errp);
void acpi_user_tables_free(AcpiUserTables *u);

#endif
