/*
 * What QMP tells of drives.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_QMP_CMDS_BLOCK_H
#define MONITOR_QMP_CMDS_BLOCK_H

#include "block/block.h"
#include "monitor/qmp.h"
#include "qapi/qapi-types-block-core.h"

/* Adds the drive's I/O limits, if it has any. */
void qmp_add_throttle(BlockDeviceInfo *info, const BlockBackend *b);

#endif
