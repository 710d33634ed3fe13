/*
 * Back ends as users write them: "user,id=n0,hostfwd=…".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_NETDEV_OPTS_H
#define NET_NETDEV_OPTS_H

#include "qapi/json.h"
#include "qapi/qapi-types-net.h"
#include "util/keyval.h"

/*
 * From -netdev's text (parsed with "type" as the implied key) or its JSON;
 * NULL with an error that names what is missing or unknown.
 */
Netdev *netdev_from_keyval(const KeyVal *kv, GError **errp);
Netdev *netdev_from_json_text(const char *json, GError **errp);
/* Names of the types, as they are in the help. */
void netdev_print_types(GString *out);

#endif
