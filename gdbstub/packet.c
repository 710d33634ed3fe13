/*
 * GDB's remote serial protocol, bytes to packets and back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "gdbstub/packet.h"

enum { ESCAPE = '}', ESCAPE_XOR = 0x20, BREAK = 0x03, NUMBER_DIGITS = 16 };

void gdb_parser_reset(GdbParser *p)
{
    p->state = GDB_STATE_IDLE;
    p->len = 0;
}

static GdbInput feed_idle(GdbParser *p, uint8_t byte)
{
    switch (byte) {
    case '$':
        p->state = GDB_STATE_DATA;
        p->bad = p->too_long = false;
        p->sum = 0;
        p->len = 0;
        return GDB_INPUT_NONE;
    case BREAK:
        return GDB_INPUT_BREAK;
    case '+':
        return GDB_INPUT_ACK;
    case '-':
        return GDB_INPUT_NAK;
    default:
        return GDB_INPUT_NONE; /* noise of the line */
    }
}

static void put_byte(GdbParser *p, uint8_t byte)
{
    if (p->len == GDB_PACKET_MAX) {
        p->too_long = true;
    } else {
        p->data[p->len++] = (char)byte;
    }
}

static void feed_data(GdbParser *p, uint8_t byte)
{
    if (p->state == GDB_STATE_ESCAPE) {
        p->sum += byte;
        put_byte(p, byte ^ ESCAPE_XOR);
        p->state = GDB_STATE_DATA;
        return;
    }
    switch (byte) {
    case '$':
        /* The line lost the end of the packet before. */
        feed_idle(p, byte);
        break;
    case '#':
        p->state = GDB_STATE_SUM1;
        break;
    case ESCAPE:
        p->sum += byte;
        p->state = GDB_STATE_ESCAPE;
        break;
    default:
        p->sum += byte;
        put_byte(p, byte);
        break;
    }
}

static GdbInput feed_sum(GdbParser *p, uint8_t byte)
{
    int digit = g_ascii_xdigit_value((char)byte);

    p->bad |= digit < 0;
    if (p->state == GDB_STATE_SUM1) {
        p->want = (uint8_t)((unsigned)digit << 4);
        p->state = GDB_STATE_SUM2;
        return GDB_INPUT_NONE;
    }
    p->state = GDB_STATE_IDLE;
    p->want |= digit & 15;
    if (p->bad || p->want != p->sum) {
        return GDB_INPUT_BAD;
    }
    p->data[p->len] = '\0';
    return p->too_long ? GDB_INPUT_TOO_LONG : GDB_INPUT_PACKET;
}

GdbInput gdb_parser_feed(GdbParser *p, uint8_t byte)
{
    switch (p->state) {
    case GDB_STATE_DATA:
    case GDB_STATE_ESCAPE:
        feed_data(p, byte);
        return GDB_INPUT_NONE;
    case GDB_STATE_SUM1:
    case GDB_STATE_SUM2:
        return feed_sum(p, byte);
    default:
        return feed_idle(p, byte);
    }
}

void gdb_packet_append(GString *out, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint8_t sum = 0;

    g_string_append_c(out, '$');
    for (size_t i = 0; i < len; i++) {
        uint8_t c = p[i];

        /* '*' would be taken for a run length. */
        if (c == '$' || c == '#' || c == ESCAPE || c == '*') {
            g_string_append_c(out, ESCAPE);
            sum += ESCAPE;
            c ^= ESCAPE_XOR;
        }
        g_string_append_c(out, (char)c);
        sum += c;
    }
    g_string_append_printf(out, "#%02x", sum);
}

void gdb_hex_append(GString *out, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++) {
        g_string_append_c(out, digits[p[i] >> 4]);
        g_string_append_c(out, digits[p[i] & 15]);
    }
}

bool gdb_hex_decode(const char *hex, size_t n, uint8_t *ret)
{
    for (size_t i = 0; i < n; i++) {
        int hi = g_ascii_xdigit_value(hex[2 * i]);
        int lo = hi < 0 ? -1 : g_ascii_xdigit_value(hex[2 * i + 1]);

        if (lo < 0) {
            return false;
        }
        ret[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

bool gdb_hex_number(const char **text, uint64_t *ret)
{
    const char *s = *text;
    uint64_t v = 0;

    while (g_ascii_isxdigit(*s)) {
        v = v << 4 | (unsigned)g_ascii_xdigit_value(*s++);
    }
    if (s == *text || s - *text > NUMBER_DIGITS) {
        return false;
    }
    *text = s;
    *ret = v;
    return true;
}
