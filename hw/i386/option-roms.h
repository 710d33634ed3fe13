/*
 * ROMs of the command line that firmware runs: -option-rom.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_OPTION_ROMS_H
#define HW_I386_OPTION_ROMS_H

#include "hw/core/machine.h"

typedef struct OptionRoms OptionRoms;

/* Takes "[romfile=]FILE[,bootindex=N]"; *roms NULL: makes it first. */
bool option_roms_add(OptionRoms **roms, const char *text, GError **errp);
/*
 * Reads the files, which are looked for as firmware is, and offers them to
 * firmware as "genroms/NAME"; several of one name are one.  The machine has its
 * fw_cfg; roms may be NULL.
 */
bool option_roms_offer(const OptionRoms *roms, Machine *m, GError **errp);
void option_roms_free(OptionRoms *roms);

#endif
