/*
 * What a fuzz target offers and may use.
 *
 * A target is one function that takes any bytes and must neither crash nor
 * hang, whatever they are. It is linked with fuzz-main.c, which replays the
 * corpus and mutates it from a printed seed, or with clang's libFuzzer, which
 * looks for new paths (configure -Dfuzzing=true --cc=clang-14).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The name is libFuzzer's. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/*
 * Ends the program with a line that says which rule of the target's own was
 * broken: crashes are found by the sanitizers, wrong results by this.
 */
_Noreturn void fuzz_fail(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

#endif
