/*
 * Loads for the Linux guest, in one program without libraries of its own:
 *
 *   linux-load int|copy|sha256|float N   one load, N units of it, between
 *                                        the lines 'begin NAME' and 'end NAME
 *                                        done=AMOUNT check=VALUE'
 *   linux-load maths                     results of libm, one word
 *   linux-load churn ...                 memory that is checked: see churn.c
 *   linux-load clock SECONDS             clocks that are watched: see clock.c
 *
 * The benchmark times the two lines from outside, because the guest's clock
 * is a part of what is tested.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "linux/linux-load.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    INT_INSNS = 17,       /* in one turn of load_int()'s loop */
    INT_UNIT = 1000000,   /* turns per unit */
    COPY_BYTES = 4 << 20, /* more than caches of level 2 hold */
    FLOAT_OPS = 8,        /* in one turn of load_float()'s loop */
    FLOAT_UNIT = 1000000, /* turns per unit */
    SHA_BYTES = 1 << 20,  /* per unit */
};

void say(const char *format, ...)
{
    char line[256];
    va_list ap;

    va_start(ap, format);
    int n = vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (n < 0) {
        return;
    }
    size_t left = n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1;
    const char *at = line;
    while (left > 0) {
        ssize_t done = write(STDOUT_FILENO, at, left);

        if (done <= 0) {
            _exit(2);
        }
        at += done;
        left -= (size_t)done;
    }
}

/*
 * Integer instructions of every common kind, INT_INSNS per turn whichever way
 * its conditional jump goes, which is hard to foretell.
 */
static uint64_t load_int(uint64_t units, uint64_t *ret_done)
{
    uint64_t turns = units * INT_UNIT;
    uint64_t a = 0x123456789abcdef, b = 0x0fedcba987654321, c = 1;
    uint64_t slot[4] = { 3, 5, 7, 11 };

    *ret_done = turns * INT_INSNS;
    __asm__ volatile("1:\n\t"
                     "imul %[b], %[a]\n\t"
                     "add $0x1234567, %[a]\n\t"
                     "mov %[a], %[c]\n\t"
                     "shr $29, %[c]\n\t"
                     "xor %[c], %[b]\n\t"
                     "rol $7, %[b]\n\t"
                     "and $3, %[c]\n\t"
                     "add (%[slot],%[c],8), %[b]\n\t"
                     "mov %[b], (%[slot],%[c],8)\n\t"
                     "lea 5(%[a],%[b],2), %[c]\n\t"
                     "or $1, %[b]\n\t"
                     "test $8, %[c]\n\t"
                     "jz 2f\n\t"
                     "xor %[c], %[a]\n\t"
                     "jmp 3f\n\t"
                     "2:\n\t"
                     "add %[c], %[a]\n\t"
                     "not %[c]\n\t"
                     "3:\n\t"
                     "sub $1, %[n]\n\t"
                     "jnz 1b"
                     : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [n] "+r"(turns)
                     : [slot] "r"(slot)
                     : "cc", "memory");
    return a ^ b;
}

static uint64_t load_copy(uint64_t units, uint64_t *ret_done)
{
    uint8_t *from = malloc(COPY_BYTES), *to = malloc(COPY_BYTES);
    uint64_t sum = 0;

    if (!from || !to) {
        return 0;
    }
    for (size_t i = 0; i < COPY_BYTES; i++) {
        from[i] = (uint8_t)(i * 131 >> 3);
    }
    for (uint64_t n = 0; n < units; n++) {
        /* An odd distance, so that not all of it is aligned. */
        size_t skew = n % 64;

        memcpy(to + skew, from, COPY_BYTES - 64);
        sum += to[(n * 4099) % (COPY_BYTES - 64)];
        from[n % COPY_BYTES] ^= (uint8_t)sum;
    }
    *ret_done = units * (COPY_BYTES - 64);
    free(from);
    free(to);
    return sum;
}

static uint64_t load_float(uint64_t units, uint64_t *ret_done)
{
    uint64_t turns = units * FLOAT_UNIT;
    double x = 0.5, y = 1.25, sum = 0;

    for (uint64_t n = 0; n < turns; n++) {
        x = x * 3.7 * (1 - x);
        y = (y + 2 / y) * 0.5;
        sum += x - y;
    }
    *ret_done = turns * FLOAT_OPS;
    uint64_t bits;
    memcpy(&bits, &sum, sizeof(bits));
    return bits;
}

static uint64_t load_sha256(uint64_t units, uint64_t *ret_done)
{
    uint8_t *data = calloc(1, SHA_BYTES);
    uint32_t digest[8] = { 0 };

    if (!data) {
        return 0;
    }
    for (uint64_t n = 0; n < units; n++) {
        data[n % SHA_BYTES] ^= (uint8_t)digest[0] + 1;
        sha256(data, SHA_BYTES, digest);
    }
    free(data);
    *ret_done = units * SHA_BYTES;
    return (uint64_t)digest[0] << 32 | digest[1];
}

/*
 * libm has variants for CPUs with FMA, which may round the last digit
 * otherwise: nine digits are the same everywhere.
 */
static int maths(void)
{
    double s = 0;
    long double l = 0;

    for (int i = 1; i <= 20000; i++) {
        s += sin(i / 100.0) * exp(-i / 4000.0) + log(i) * cos(i);
        s += atan2(i, 7) + sqrt(i) + pow(i, 1 / 3.0);
        l += sqrtl((long double)i) / (i + 1) + fmodl(i * 1.5L, 7);
    }
    say("%.9g:%.9Lg:%.9g\n", s, l, tgamma(7.5));
    return 0;
}

typedef struct Load {
    const char *name;
    uint64_t (*run)(uint64_t units, uint64_t *ret_done);
} Load;

static const Load loads[] = {
    { "int", load_int },
    { "copy", load_copy },
    { "sha256", load_sha256 },
    { "float", load_float },
};

static int run_load(const Load *load, const char *amount)
{
    uint64_t done = 0;
    char *end;
    unsigned long long units = strtoull(amount, &end, 10);

    if (*end || units == 0 || units > 1000000) {
        say("linux-load: bad amount '%s'\n", amount);
        return 1;
    }
    say("begin %s\n", load->name);
    uint64_t check = load->run(units, &done);
    say("end %s done=%" PRIu64 " check=%016" PRIx64 "\n", load->name, done,
        check);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "maths")) {
        return maths();
    }
    if (argc > 1 && !strcmp(argv[1], "churn")) {
        return churn(argc - 2, argv + 2);
    }
    if (argc == 3 && !strcmp(argv[1], "clock")) {
        return clock_watch(argv[2]);
    }
    for (size_t i = 0; argc == 3 && i < sizeof(loads) / sizeof(loads[0]); i++) {
        if (!strcmp(argv[1], loads[i].name)) {
            return run_load(&loads[i], argv[2]);
        }
    }
    say("usage: linux-load int|copy|sha256|float N | maths | churn ... | "
        "clock N\n");
    return 1;
}
