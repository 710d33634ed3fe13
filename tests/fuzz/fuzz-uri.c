/*
 * Migration URIs: any text either parses, and then can be shown, or gives an
 * error.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/address.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    g_autofree char *text = g_strndup((const char *)data, len);
    g_autofree char *shown = NULL;
    g_autoptr(IoUri) uri = NULL;
    g_autoptr(GError) err = NULL;
    bool ok = io_uri_parse(text, &uri, &err);

    if (ok == (err != NULL) || ok != (uri != NULL)) {
        fuzz_fail("'%s': a result and an error, or neither", text);
    }
    if (!ok) {
        return 0;
    }
    shown = io_uri_to_string(uri);
    if (!strchr(shown, ':')) {
        fuzz_fail("'%s' is shown as '%s'", text, shown);
    }
    return 0;
}
