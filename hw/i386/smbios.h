/*
 * SMBIOS: what firmware says of the system, in the tables that dmidecode
 * prints.  DMTF DSP0134 (System Management BIOS Reference Specification).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_SMBIOS_H
#define HW_I386_SMBIOS_H

#include "hw/core/machine.h"
#include "hw/i386/e820.h"

typedef struct SmbiosOptions SmbiosOptions;

SmbiosOptions *smbios_options_new(void);
void smbios_options_free(SmbiosOptions *o);
/* One -smbios: type=N,field=value,… or file=PATH. */
bool smbios_options_add(SmbiosOptions *o, const char *text, GError **errp);

/* What the tables say that isn't an option. */
typedef struct SmbiosInfo {
    const char *product, *version; /* of the system: "…", "pc-i440fx-7.2" */
    const char *manufacturer;
    const uint8_t *uuid;           /* 16 bytes in text order; NULL: not set */
    uint32_t cpuid_eax, cpuid_edx; /* leaf 1 */
    CpuTopology smp;
    uint64_t ram_size;   /* bytes */
    const GArray *e820;  /* E820Entry; RAM becomes type 19 */
    bool entry_point_64; /* 3.0 instead of 2.x */
} SmbiosInfo;

/* False with errp if an option doesn't fit.  The caller frees both. */
bool smbios_build(const SmbiosOptions *o, const SmbiosInfo *info,
                  GByteArray **ret_tables, GByteArray **ret_anchor,
                  GError **errp);

#endif
