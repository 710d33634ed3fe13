/*
 * xbzrle: a delta that may be anything stays inside of its page; and what each
 * encoder makes of two pages leads from one to the other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/xbzrle.h"
#include "tests/fuzz/fuzz.h"
#include "util/error.h"

/* Of its own, so that a sanitizer sees each byte outside. */
static uint8_t *page_new(uint8_t fill)
{
    uint8_t *page = g_malloc(XBZRLE_PAGE);

    memset(page, fill, XBZRLE_PAGE);
    return page;
}

static void check_back(const XbzrleImpl *impl, const uint8_t *before,
                       const uint8_t *after)
{
    g_autofree uint8_t *delta = g_malloc(XBZRLE_PAGE);
    g_autofree uint8_t *page = g_memdup2(before, XBZRLE_PAGE);
    g_autoptr(GError) err = NULL;
    int len = xbzrle_encode(impl->fn, before, after, delta, XBZRLE_PAGE);

    if (len < 0) {
        return;
    }
    if (!xbzrle_decode(delta, len, page, &err)) {
        fuzz_fail("%s: own delta refused: %s", impl->name, err->message);
    }
    if (memcmp(page, after, XBZRLE_PAGE) != 0) {
        fuzz_fail("%s: another page than was encoded", impl->name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    g_autofree uint8_t *before = page_new(0x33);
    g_autofree uint8_t *after = page_new(0x33);
    g_autofree uint8_t *delta = g_memdup2(data, len);
    g_autoptr(GError) err = NULL;
    const XbzrleImpl *impl;
    bool ok = xbzrle_decode(delta, len, after, &err);

    if (ok == (err != NULL)) {
        fuzz_fail("a result and an error, or neither");
    }
    /* Some runs may have been applied: a page like any other. */
    for (unsigned i = 0; (impl = xbzrle_impl(i)) != NULL; i++) {
        if (impl->usable()) {
            check_back(impl, before, after);
        }
    }
    return 0;
}
