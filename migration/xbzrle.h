/*
 * Pages as what has changed in them since they were last sent.
 *
 * A delta is a list of runs: bytes to keep, bytes to replace, and these.  Both
 * lengths are ULEB128; what is behind the last run stays as it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_XBZRLE_H
#define MIGRATION_XBZRLE_H

#include "util/base.h"

enum {
    XBZRLE_PAGE = 4096,                  /* bytes */
    XBZRLE_DIFF_WORDS = XBZRLE_PAGE / 64 /* a bit for each byte */
};

/* Bit i of diff: byte i of the two pages differs. */
typedef void XbzrleDiffFn(const uint8_t *a, const uint8_t *b,
                          uint64_t diff[XBZRLE_DIFF_WORDS]);

/* One implementation; NULL past the last.  The first works anywhere. */
typedef struct XbzrleImpl {
    const char *name; /* "portable", "avx2" */
    XbzrleDiffFn *fn;
    bool (*usable)(void); /* on this host */
} XbzrleImpl;

const XbzrleImpl *xbzrle_impl(unsigned i);
/* The widest that this host has. */
XbzrleDiffFn *xbzrle_differ(void);

/*
 * The delta that makes `after` of `before`, two pages, into out[room], at most
 * XBZRLE_PAGE.  Bytes of it; 0: they are the same; -1: there is no room.
 */
int xbzrle_encode(XbzrleDiffFn *differ, const uint8_t *before,
                  const uint8_t *after, uint8_t *out, size_t room);
/*
 * Applies a peer's delta to a page.  False with errp if it isn't one: then
 * some of its runs may have been applied, and no byte outside the page.
 */
bool xbzrle_decode(const uint8_t *delta, size_t len, uint8_t *page,
                   GError **errp);

#endif
