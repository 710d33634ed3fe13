/*
 * What the files of linux-load share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_GUEST_LINUX_LOAD_H
#define GODWIT_TESTS_GUEST_LINUX_LOAD_H

#include <stddef.h>
#include <stdint.h>

/* Print in one write, so that lines of several processes stay whole. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* `ret_digest`: the eight words of FIPS 180-4, in host order. */
void sha256(const uint8_t *data, size_t len, uint32_t ret_digest[8]);

/* Exit status of 'linux-load churn'; the arguments are those behind it. */
int churn(int argc, char **argv);

/* Exit status of 'linux-load clock SECONDS'. */
int clock_watch(const char *seconds);

#endif
