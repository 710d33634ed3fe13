/*
 * Text to numbers and back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/cutils.h"

#include "util/error.h"

#include <math.h>

bool parse_bool(const char *what, const char *s, bool *ret_v, GError **errp)
{
    static const char *const yes[] = { "on", "yes", "true", "y" };
    static const char *const no[] = { "off", "no", "false", "n" };

    for (size_t i = 0; i < G_N_ELEMENTS(yes); i++) {
        if (!strcmp(s, yes[i])) {
            *ret_v = true;
            return true;
        }
        if (!strcmp(s, no[i])) {
            *ret_v = false;
            return true;
        }
    }
    error_setf(errp, "%s: '%s' is neither 'on' nor 'off'", what, s);
    return false;
}

/* Digits up to the end of s, base as in C; -EINVAL, -ERANGE. */
static int digits_to_uint(const char *s, uint64_t *ret_v)
{
    char *end;
    uint64_t v;

    if (!g_ascii_isdigit(*s)) {
        return -EINVAL;
    }
    errno = 0;
    v = g_ascii_strtoull(s, &end, 0);
    if (errno) {
        return -errno;
    }
    if (*end) {
        return -EINVAL;
    }
    *ret_v = v;
    return 0;
}

bool parse_uint(const char *what, const char *s, uint64_t min, uint64_t max,
                uint64_t *ret_v, GError **errp)
{
    uint64_t v = 0;
    int ret = digits_to_uint(s, &v);

    if (ret == -EINVAL) {
        error_setf(errp, "%s: '%s' is not a number", what, s);
        return false;
    }
    if (ret < 0 || v < min || v > max) {
        error_setf(errp, "%s: %s is not in %" PRIu64 "..%" PRIu64, what, s, min,
                   max);
        return false;
    }
    *ret_v = v;
    return true;
}

bool parse_int(const char *what, const char *s, int64_t min, int64_t max,
               int64_t *ret_v, GError **errp)
{
    bool negative = *s == '-';
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t magnitude = 0;
    int64_t v = 0;
    int ret;

    ret = digits_to_uint(*s == '-' || *s == '+' ? s + 1 : s, &magnitude);
    if (ret == -EINVAL) {
        error_setf(errp, "%s: '%s' is not a number", what, s);
        return false;
    }
    if (ret == 0 && magnitude > limit) {
        ret = -ERANGE;
    }
    if (ret == 0) {
        v = (int64_t)(negative ? -magnitude : magnitude);
    }
    if (ret < 0 || v < min || v > max) {
        error_setf(errp, "%s: %s is not in %" PRId64 "..%" PRId64, what, s, min,
                   max);
        return false;
    }
    *ret_v = v;
    return true;
}

/* The unit that a suffix means; 0 if it is none. */
static uint64_t suffix_unit(char c)
{
    static const char letters[] = "BKMGTPE";
    const char *p = c ? strchr(letters, g_ascii_toupper(c)) : NULL;

    return p ? UINT64_C(1) << (10 * (p - letters)) : 0;
}

/* The fraction ".ddd" at *p, in units of 10^-18; *p goes behind it. */
static bool parse_fraction(const char **p, uint64_t *ret_atto)
{
    uint64_t scale = UINT64_C(1000000000000000000);
    uint64_t atto = 0;

    *ret_atto = 0;
    if (**p != '.') {
        return true;
    }
    (*p)++;
    if (!g_ascii_isdigit(**p)) {
        return false;
    }
    for (; g_ascii_isdigit(**p); (*p)++) {
        scale /= 10;
        atto += scale * (uint64_t)(**p - '0');
    }
    *ret_atto = atto;
    return true;
}

/* -EINVAL: not a size; -ERANGE: 2^64 or more. */
static int size_from_str(const char *s, uint64_t default_unit,
                         uint64_t *ret_bytes)
{
    bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    unsigned __int128 bytes;
    const char *p;
    char *end;
    uint64_t whole;
    uint64_t atto;
    uint64_t unit = default_unit;

    if (!g_ascii_isdigit(*s)) {
        return -EINVAL;
    }
    errno = 0;
    whole = g_ascii_strtoull(s, &end, hex ? 16 : 10);
    if (errno) {
        return -errno;
    }
    p = end;
    if (!parse_fraction(&p, &atto) || (hex && p != end)) {
        return -EINVAL;
    }
    if (*p) {
        unit = suffix_unit(*p);
        if (!unit || p[1]) {
            return -EINVAL;
        }
    }
    if (atto && unit == 1) {
        return -EINVAL;
    }
    bytes = (unsigned __int128)whole * unit;
    bytes += (unsigned __int128)atto * unit / UINT64_C(1000000000000000000);
    if (bytes > UINT64_MAX) {
        return -ERANGE;
    }
    *ret_bytes = (uint64_t)bytes;
    return 0;
}

bool parse_size(const char *what, const char *s, uint64_t default_unit,
                uint64_t *ret_bytes, GError **errp)
{
    int ret = size_from_str(s, default_unit, ret_bytes);

    if (ret == -ERANGE) {
        error_setf(errp, "%s: size '%s' is not below 2^64 bytes", what, s);
    } else if (ret < 0) {
        error_setf(errp,
                   "%s: '%s' is not a size (a number with an optional suffix "
                   "B, K, M, G, T, P or E)",
                   what, s);
    }
    return ret == 0;
}

bool parse_double(const char *what, const char *s, double *ret_v, GError **errp)
{
    char *end;
    double v;

    errno = 0;
    v = g_ascii_strtod(s, &end);
    /* Letters: "inf", "nan" and hexadecimal, which strtod() takes. */
    if (end == s || *end || g_ascii_isspace(*s) || !isfinite(v) ||
        strpbrk(s, "xX")) {
        error_setf(errp, "%s: '%s' is not a number", what, s);
        return false;
    }
    *ret_v = v;
    return true;
}

/* 8-4-4-4-12 digits. */
bool parse_uuid(const char *s, uint8_t ret_uuid[16])
{
    uint8_t uuid[16];
    unsigned n = 0;

    while (n < sizeof(uuid)) {
        if ((n == 4 || n == 6 || n == 8 || n == 10) && *s++ != '-') {
            return false;
        }
        if (!g_ascii_isxdigit(s[0]) || !g_ascii_isxdigit(s[1])) {
            return false;
        }
        uuid[n++] =
            g_ascii_xdigit_value(s[0]) << 4 | g_ascii_xdigit_value(s[1]);
        s += 2;
    }
    if (*s != '\0') {
        return false;
    }
    memcpy(ret_uuid, uuid, sizeof(uuid));
    return true;
}

char *size_to_str(uint64_t bytes)
{
    static const char *const units[] = { "B",   "KiB", "MiB", "GiB",
                                         "TiB", "PiB", "EiB" };
    unsigned i = 0;
    unsigned shift;
    uint64_t whole;
    unsigned milli;

    while (i + 1 < G_N_ELEMENTS(units) && bytes >> (10 * (i + 1))) {
        i++;
    }
    shift = 10 * i;
    whole = bytes >> shift;
    /* 0..999: cut, so that what is shown is never more than there is. */
    milli = (unsigned)((unsigned __int128)(bytes - (whole << shift)) * 1000 >>
                       shift);
    if (!milli) {
        return g_strdup_printf("%" PRIu64 " %s", whole, units[i]);
    }
    if (milli % 10 == 0) {
        return milli % 100 == 0 ? g_strdup_printf("%" PRIu64 ".%u %s", whole,
                                                  milli / 100, units[i])
                                : g_strdup_printf("%" PRIu64 ".%02u %s", whole,
                                                  milli / 10, units[i]);
    }
    return g_strdup_printf("%" PRIu64 ".%03u %s", whole, milli, units[i]);
}

bool id_is_valid(const char *id)
{
    if (!g_ascii_isalpha(*id)) {
        return false;
    }
    for (const char *p = id + 1; *p; p++) {
        if (!g_ascii_isalnum(*p) && !strchr("-._", *p)) {
            return false;
        }
    }
    return true;
}
