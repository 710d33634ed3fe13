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
/* NULL is fine. */
void smbios_options_free(SmbiosOptions *o);
/* One -smbios: type=N,field=value,… or file=PATH.  After a failure: free. */
bool smbios_options_add(SmbiosOptions *o, const char *text, GError **errp);
/* type=1,uuid=: 16 bytes of o's own; NULL if it wasn't given. */
const uint8_t *smbios_options_uuid(const SmbiosOptions *o);

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
    /* devfn of the function with that id on the root bus; -1: there is none. */
    int (*find_pci)(void *opaque, const char *id);
    void *opaque;
} SmbiosInfo;

/*
 * Tables and entry point as firmware expects them, without addresses and
 * checksums, which it fills in.  o: NULL if there was no -smbios.  False with
 * errp if an option doesn't fit.  The caller frees both.
 */
bool smbios_build(const SmbiosOptions *o, const SmbiosInfo *info,
                  GByteArray **ret_tables, GByteArray **ret_anchor,
                  GError **errp);

#endif
