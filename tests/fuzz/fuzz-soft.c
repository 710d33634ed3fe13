/*
 * The software CPU: the first byte chooses the mode, the rest is code.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/soft-random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static SoftGuest guest;
    static bool ready;

    if (len < 2) {
        return 0;
    }
    /* Made once: what one input leaves in memory is the next one's. */
    if (!ready) {
        soft_guest_init(&guest);
        ready = true;
    }
    soft_random_run(&guest, data[0] % SOFT_RANDOM_MODES, data + 1, len - 1,
                    300);
    if (guest.s->gpr[SOFT_ZERO] != 0) {
        fuzz_fail("the register that is always 0 has %" PRIx64,
                  guest.s->gpr[SOFT_ZERO]);
    }
    return 0;
}
