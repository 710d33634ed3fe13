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
#include "io/cancel.h"
#include "io/channel.h"
#include "migration/wire.h"

enum { RP_HEADER = 4 /* be16 type, be16 length */ };

/* Keeps what has come of a message, however slowly it comes. */
typedef struct RpReader {
    IoChannel *ch; /* borrowed */
    uint8_t buf[RP_HEADER + WIRE_RP_MAX];
    size_t have; /* bytes of buf */
} RpReader;

typedef struct RpMessage {
    uint16_t type, len;            /* WIRE_RP_*; bytes of data */
    uint8_t data[WIRE_RP_MAX + 1]; /* with a NUL behind it */
} RpMessage;

typedef enum RpResult {
    RP_OK,
    RP_TIMEOUT,
    RP_FAILED, /* errp is set */
} RpResult;

void rp_init(RpReader *r, IoChannel *ch);
/*
 * Waits for the next message until the CLOCK_MONOTONIC time `deadline_ns` (0:
 * for ever), or until `cancel` (may be NULL) is raised.  A message that has
 * come in part by then is read on by the next call.  RP_FAILED: cancelled, an
 * ERROR or a SHUT other than 0 of the destination, its end, nonsense.
 */
RpResult rp_read(RpReader *r, const IoCancel *cancel, int64_t deadline_ns,
                 RpMessage *ret, GError **errp);

/* What stands behind the message that was read last, `len` bytes of it. */
bool rp_read_raw(RpReader *r, void *buf, size_t len, GError **errp);

/* A message that is waited for. */
typedef struct RpWanted {
    uint16_t type;    /* WIRE_RP_* */
    uint16_t min_len; /* shorter ones are refused; >= 4 if numbered */
    bool numbered;    /* it begins with a be32: */
    uint32_t number;
} RpWanted;

/*
 * The same until that message is there; others are passed over, as late words
 * of an earlier number are, but not for longer than to the deadline.
 */
RpResult rp_await(RpReader *r, const RpWanted *want, const IoCancel *cancel,
                  int64_t deadline_ns, RpMessage *ret, GError **errp);
/* Did an RP_FAILED come from the destination's own word, and not from the
 * connection? */
bool rp_error_is_word(const GError *err);

#endif
