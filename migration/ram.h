/*
 * Guest memory as a row of the table of iterative sections.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RAM_H
#define MIGRATION_RAM_H

#include "migration/iterative.h"

/* Its opaque is a RamSend at the source, a RamLoad at the destination. */
extern const IterativeOps ram_iterative;

#endif
