/*
 * Block nodes as users write them: JSON, or dotted options.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_BLOCKDEV_OPTS_H
#define BLOCK_BLOCKDEV_OPTS_H

#include "block/block.h"
#include "qapi/qapi-types-block-core.h"

/* blockdev-add: adds a node that the monitor owns. */
bool blockdev_add(BlockBackends *bs, const BlockdevOptions *o, GError **errp);
/* -blockdev JSON or -blockdev KEY=VALUE,…: the same checks. */
bool blockdev_add_from_json_text(BlockBackends *bs, const char *json,
                                 GError **errp);
bool blockdev_add_from_keyval(BlockBackends *bs, const KeyVal *kv,
                              GError **errp);

#endif
