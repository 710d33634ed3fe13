/*
 * GDB's remote serial protocol, bytes to packets and back: no VM needed.
 *
 * "Debugging with GDB", appendix E, sections "Overview" and "Packet
 * Acknowledgment".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GDBSTUB_PACKET_H
#define GDBSTUB_PACKET_H

#include "util/base.h"

/* Bytes of a packet between '$' and '#', as qSupported tells the client. */
enum { GDB_PACKET_MAX = 4096 };

typedef enum GdbInput {
    GDB_INPUT_NONE,     /* nothing complete yet */
    GDB_INPUT_PACKET,   /* GdbParser.data and .len */
    GDB_INPUT_BAD,      /* a packet whose checksum is wrong or is no number */
    GDB_INPUT_TOO_LONG, /* a packet longer than GDB_PACKET_MAX */
    GDB_INPUT_BREAK,    /* 0x03: stop the guest */
    GDB_INPUT_ACK,
    GDB_INPUT_NAK,
} GdbInput;

typedef struct GdbParser {
    enum {
        GDB_STATE_IDLE,
        GDB_STATE_DATA,
        GDB_STATE_ESCAPE,
        GDB_STATE_SUM1,
        GDB_STATE_SUM2,
    } state;
    bool bad, too_long;
    uint8_t sum, want;
    size_t len;
    char data[GDB_PACKET_MAX + 1]; /* ends with a 0 that isn't in len */
} GdbParser;

void gdb_parser_reset(GdbParser *p);
/* One byte; with GDB_INPUT_PACKET the data is valid until the next call. */
GdbInput gdb_parser_feed(GdbParser *p, uint8_t byte);

/* Appends "$data#sum", with what must be escaped escaped. */
void gdb_packet_append(GString *out, const void *data, size_t len);

/* Lower-case hex digits of the bytes as they lie in memory. */
void gdb_hex_append(GString *out, const void *data, size_t len);
/* 2 * n digits into n bytes; false if one is no hex digit. */
bool gdb_hex_decode(const char *hex, size_t n, uint8_t *ret);
/*
 * A hex number of 1..16 digits at *text, which moves behind it; false if
 * there is none, or it has more digits.
 */
bool gdb_hex_number(const char **text, uint64_t *ret);

#endif
