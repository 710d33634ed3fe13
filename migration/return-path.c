/*
 * The return path, source side.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/return-path.h"
#include "migration/wire.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"

enum {
    RP_HEADER = 4,
    NS_PER_MSEC = 1000000,
    NS_PER_USEC = 1000,
    /* The rest of a message that has begun to arrive. */
    REST_TIMEOUT_MS = 5000,
};

static RpResult rp_wait(IoChannel *ch, int64_t deadline_ns, GError **errp)
{
    int n;

    do {
        int64_t left = deadline_ns - clock_monotonic_ns();
        int ms = -1;

        if (deadline_ns != 0) {
            ms = left <= 0 ? 0 : DIV_ROUND_UP(left, NS_PER_MSEC);
        }
        n = io_channel_wait(ch, G_IO_IN, ms);
    } while (n == -EINTR);
    if (n == 0) {
        return RP_TIMEOUT;
    }
    if (n < 0) {
        io_channel_set_error(ch, errp, "return path", n);
        return RP_FAILED;
    }
    return RP_OK;
}

/* Turns what ends a migration into an error. */
static RpResult rp_check(const RpMessage *m, GError **errp)
{
    if (m->type == WIRE_RP_ERROR) {
        error_setf(errp, "destination: %s", (const char *)m->data);
        return RP_FAILED;
    }
    if (m->type == WIRE_RP_SHUT && m->len >= 4 && ldl_be_p(m->data) != 0) {
        error_setf(errp, "destination: load failed");
        return RP_FAILED;
    }
    return RP_OK;
}

RpResult rp_read(IoChannel *ch, int64_t deadline_ns, RpMessage *ret,
                 GError **errp)
{
    uint8_t head[RP_HEADER];
    RpResult r = rp_wait(ch, deadline_ns, errp);
    bool ok, eof = false;

    if (r != RP_OK) {
        return r;
    }
    io_channel_set_deadline_us(ch, g_get_monotonic_time() +
                                       REST_TIMEOUT_MS * INT64_C(1000));
    ok = io_channel_read_all_eof(ch, head, sizeof(head), &eof, errp);
    if (ok && !eof) {
        ret->type = lduw_be_p(head);
        ret->len = lduw_be_p(head + 2);
        if (ret->len > WIRE_RP_MAX) {
            error_setf(errp, "return path: message of %u bytes", ret->len);
            ok = false;
        } else {
            ok = io_channel_read_all(ch, ret->data, ret->len, errp);
        }
    }
    io_channel_set_deadline_us(ch, 0);
    if (!ok) {
        return RP_FAILED;
    }
    if (eof) {
        error_setf(errp, "destination closed the connection");
        return RP_FAILED;
    }
    ret->data[ret->len] = '\0';
    return rp_check(ret, errp);
}
