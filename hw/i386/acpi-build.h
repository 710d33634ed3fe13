/*
 * A board's ACPI tables in the files and RAM blocks from which firmware takes
 * them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_ACPI_BUILD_H
#define HW_I386_ACPI_BUILD_H

#include "hw/acpi/pc-tables.h"
#include "hw/i386/x86.h"

typedef struct AcpiBuild AcpiBuild;

/*
 * Makes the three files.  `fill` says what the machine is like, now and again
 * when firmware first asks after a reset: by then it has set up PCI.  It
 * finds the common parts filled in.  `legacy`: sizes are rounded up to those
 * that pc machines have always had, and the section "acpi_build" is sent.
 */
bool x86_acpi_init(X86Machine *x, void (*fill)(X86Machine *x, AcpiConfig *c),
                   void (*build)(AcpiTables *t, const AcpiConfig *c),
                   bool legacy, GError **errp);
/* When the user's devices are there: in a stream it goes behind them. */
void x86_acpi_complete(X86Machine *x);
void x86_acpi_fini(X86Machine *x);
/*
 * For a start without firmware: the tables as pieces of the plan, below 1 MiB.
 * Their root pointer is at X86_ACPI_RSDP.
 */
bool x86_acpi_plan(X86Machine *x, BootPlan *p, GError **errp);
#define X86_ACPI_RSDP UINT64_C(0xe0000)

#endif
