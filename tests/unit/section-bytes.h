/*
 * Sections of a stream as tests write them down: hexadecimal digits, where
 * "00*8" stands for eight bytes of zero and spaces mean nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_SECTION_BYTES_H
#define TESTS_UNIT_SECTION_BYTES_H

#include <glib.h>

static inline GByteArray *section_bytes(const char *hex)
{
    GByteArray *out = g_byte_array_new();

    while (*hex != '\0') {
        unsigned long times = 1;
        uint8_t byte;

        if (*hex == ' ') {
            hex++;
            continue;
        }
        byte = g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]);
        hex += 2;
        if (*hex == '*') {
            times = strtoul(hex + 1, (char **)&hex, 10);
        }
        while (times-- > 0) {
            g_byte_array_append(out, &byte, 1);
        }
    }
    return out;
}

#endif
