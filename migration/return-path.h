/*
 * The return path, source side: messages from the destination.
 *
 * The migration thread reads them where it needs one, so that no wake-up of
 * another thread stands between the destination's word and the source's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RETURN_PATH_H
#define MIGRATION_RETURN_PATH_H

#include "util/base.h"
#include "io/channel.h"

typedef struct RpMessage {
    uint16_t type, len; /* WIRE_RP_*; bytes of data */
    uint8_t data[1025]; /* with a NUL behind it */
} RpMessage;

typedef enum RpResult {
    RP_OK,
    RP_TIMEOUT,
    RP_FAILED, /* errp is set */
} RpResult;

/*
 * Waits for the next message until the CLOCK_MONOTONIC time `deadline_ns`
 * (0: for ever).  RP_TIMEOUT only between messages.  An error message of the
 * destination, and its end, become RP_FAILED with its reason.
 */
RpResult rp_read(IoChannel *ch, int64_t deadline_ns, RpMessage *ret,
                 GError **errp);

#endif
