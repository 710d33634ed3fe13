/*
 * The return path, source side.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/return-path.h"

#include <errno.h>

#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"

enum { NS_PER_USEC = 1000 };

/* In front of the reason that the destination gives. */
#define WORD_PREFIX "destination: "

void rp_init(RpReader *r, IoChannel *ch)
{
    memset(r, 0, sizeof(*r));
    r->ch = ch;
}

/* What no peer of this version has a reason to say means another stream. */
static bool rp_type_known(uint16_t type)
{
    switch (type) {
    case WIRE_RP_SHUT:
    case WIRE_RP_PONG:
    case WIRE_RP_REQ_PAGES_ID:
    case WIRE_RP_REQ_PAGES:
    case WIRE_RP_RECV_BITMAP:
    case WIRE_RP_RESUME_ACK:
    case WIRE_RP_FEATURES:
    case WIRE_RP_LOADED:
    case WIRE_RP_RESUMED:
    case WIRE_RP_ERROR:
        return true;
    default:
        return false;
    }
}

/* Turns what ends a migration into an error. */
static RpResult rp_check(const RpMessage *m, GError **errp)
{
    if (!rp_type_known(m->type)) {
        error_setf(errp, "return path: message of unknown type 0x%04x",
                   m->type);
        return RP_FAILED;
    }
    if (m->type == WIRE_RP_ERROR) {
        error_setf(errp, WORD_PREFIX "%s", (const char *)m->data);
        return RP_FAILED;
    }
    if (m->type == WIRE_RP_SHUT && m->len >= 4 && ldl_be_p(m->data) != 0) {
        error_setf(errp, WORD_PREFIX "load failed");
        return RP_FAILED;
    }
    return RP_OK;
}

bool rp_error_is_word(const GError *err)
{
    return g_str_has_prefix(err->message, WORD_PREFIX);
}

/* Bytes that the message in buf takes, as far as is known by now. */
static size_t rp_need(const RpReader *r)
{
    return RP_HEADER + (r->have < RP_HEADER ? 0 : lduw_be_p(r->buf + 2));
}

static bool rp_complete(const RpReader *r)
{
    return r->have >= RP_HEADER && r->have == rp_need(r);
}

static RpResult rp_wait(RpReader *r, const IoCancel *cancel,
                        int64_t deadline_ns, GError **errp)
{
    int64_t end_us =
        deadline_ns == 0 ? -1 : DIV_ROUND_UP(deadline_ns, NS_PER_USEC);
    int n = io_channel_wait_until(r->ch, G_IO_IN, end_us, cancel);

    if (n == -ECANCELED) {
        error_setf(errp, "cancelled");
    } else if (n < 0) {
        io_channel_set_error(r->ch, errp, "return path", n);
    }
    return n > 0 ? RP_OK : n == 0 ? RP_TIMEOUT : RP_FAILED;
}

/*
 * What is there of the present message.  That may be nothing, and isn't waited
 * for: of a TLS record that has come by half not a byte can be had.
 */
static RpResult rp_fill(RpReader *r, GError **errp)
{
    ssize_t n;

    io_channel_set_read_deadline_us(r->ch, 1); /* long ago */
    n = io_channel_read(r->ch, r->buf + r->have, rp_need(r) - r->have);
    io_channel_set_read_deadline_us(r->ch, 0);
    if (n == -ETIMEDOUT) {
        return RP_TIMEOUT;
    }
    if (n < 0) {
        io_channel_set_error(r->ch, errp, "read", n);
        return RP_FAILED;
    }
    if (n == 0) {
        error_setf(errp, "destination closed the connection");
        return RP_FAILED;
    }
    r->have += n;
    if (rp_need(r) > sizeof(r->buf)) {
        error_setf(errp, "return path: message of %zu bytes",
                   rp_need(r) - RP_HEADER);
        return RP_FAILED;
    }
    return RP_OK;
}

static bool rp_is_late(int64_t deadline_ns)
{
    return deadline_ns != 0 && clock_monotonic_ns() >= deadline_ns;
}

RpResult rp_read(RpReader *r, const IoCancel *cancel, int64_t deadline_ns,
                 RpMessage *ret, GError **errp)
{
    while (!rp_complete(r)) {
        RpResult w = rp_wait(r, cancel, deadline_ns, errp);

        if (w != RP_OK) {
            return w;
        }
        w = rp_fill(r, errp);
        if (w == RP_FAILED || (w == RP_TIMEOUT && rp_is_late(deadline_ns))) {
            return w;
        }
    }
    ret->type = lduw_be_p(r->buf);
    ret->len = lduw_be_p(r->buf + 2);
    memcpy(ret->data, r->buf + RP_HEADER, ret->len);
    ret->data[ret->len] = '\0';
    r->have = 0;
    return rp_check(ret, errp);
}

bool rp_read_raw(RpReader *r, void *buf, size_t len, GError **errp)
{
    return io_channel_read_all(r->ch, buf, len, errp);
}

/* Is it the one?  False with errp for one that can't be true. */
static bool rp_matches(const RpMessage *m, const RpWanted *want, bool *ret_is,
                       GError **errp)
{
    uint32_t number;

    *ret_is = false;
    if (m->type != want->type) {
        return true;
    }
    if (m->len < want->min_len) {
        error_setf(errp, "return path: message 0x%04x of %u bytes, not %u",
                   m->type, m->len, want->min_len);
        return false;
    }
    number = want->numbered ? ldl_be_p(m->data) : 0;
    if (want->numbered && m->type == WIRE_RP_LOADED && number > want->number) {
        error_setf(errp,
                   "return path: answer to switch-over %u, which is not made",
                   number);
        return false;
    }
    *ret_is = !want->numbered || number == want->number;
    return true;
}

RpResult rp_await(RpReader *r, const RpWanted *want, const IoCancel *cancel,
                  int64_t deadline_ns, RpMessage *ret, GError **errp)
{
    for (;;) {
        RpResult res = rp_read(r, cancel, deadline_ns, ret, errp);
        bool is;

        if (res != RP_OK) {
            return res;
        }
        if (!rp_matches(ret, want, &is, errp)) {
            return RP_FAILED;
        }
        if (is) {
            return RP_OK;
        }
        /* A flood of others is no reason to wait on. */
        if (rp_is_late(deadline_ns)) {
            return RP_TIMEOUT;
        }
    }
}
