/*
 * Text to numbers and back, as on the command line and in the monitors.
 *
 * `what` names the thing in the error ("option 'size'", "parameter 'cpus'");
 * outputs are set only on success.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_CUTILS_H
#define UTIL_CUTILS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* on, yes, true, y; off, no, false, n. */
bool parse_bool(const char *what, const char *s, bool *ret_v, GError **errp);
/* Decimal, 0x hexadecimal or 0 octal; no sign, no space, min..max. */
bool parse_uint(const char *what, const char *s, uint64_t min, uint64_t max,
                uint64_t *ret_v, GError **errp);
/* The same with an optional sign. */
bool parse_int(const char *what, const char *s, int64_t min, int64_t max,
               int64_t *ret_v, GError **errp);
/*
 * A size in bytes: decimal with an optional fraction, or hexadecimal without
 * one, then an optional suffix B, K, M, G, T, P, E (any case; powers of 1024).
 * Without a suffix the number counts units of default_unit bytes (1, MiB, ...).
 * A fraction needs a unit above one byte, and is cut to whole bytes.
 * A result of 2^64 or more is an error. In hexadecimal, B and E are digits.
 */
bool parse_size(const char *what, const char *s, uint64_t default_unit,
                uint64_t *ret_bytes, GError **errp);
/* A finite decimal number with an optional fraction and exponent. */
bool parse_double(const char *what, const char *s, double *ret_v,
                  GError **errp);
/* "512 MiB", "1.5 GiB", "17 B": at most three digits after the point. */
char *size_to_str(uint64_t bytes);
/* RFC 4122 text, any case, to 16 bytes in the order of the text. */
bool parse_uuid(const char *s, uint8_t ret_uuid[16]);
/* A user's name for an object: a letter, then letters, digits, "-", ".", "_" */
bool id_is_valid(const char *id);

#endif /* UTIL_CUTILS_H */
