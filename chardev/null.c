/*
 * Character devices: nowhere.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev-priv.h"

static bool null_start(Chardev *cd, GError **errp)
{
    chardev_set_open(cd, true);
    return true;
}

const ChardevOps chardev_null_ops = {
    .type = "null",
    .size = sizeof(Chardev),
    .start = null_start,
};
