/*
 * linux-load churn ID MIB RATE REPORT_MS STOP_FILE
 *
 * Rewrites MIB of memory page by page for ever, RATE pages a second, and
 * checks each page before that: what it holds follows from its number and
 * its generation alone, so a page that was lost or is stale is found within
 * one pass.  Clocks must never go back, and sums in floating-point registers
 * must agree with the count of steps.
 *
 * Prints 'ok id=ID pass=N steps=N ms=T fails=N', at most one per REPORT_MS,
 * and 'FAIL ...' for what is wrong.  Ends when STOP_FILE is there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "linux/linux-load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    WORDS = 512,    /* of 8 bytes in a page */
    BATCH = 64,     /* pages between two looks at the clock */
    MAX_FAILS = 20, /* that are printed */
};

typedef struct Churn {
    const char *id;
    uint64_t *memory;
    uint32_t *generation; /* of each page */
    uint64_t npages;
    uint64_t rate; /* pages per second; 0: flat out */
    uint64_t report_ns;
    const char *stop;
    uint64_t steps;
    uint64_t fails;
    uint64_t started_ns;
    uint64_t seen_ns[2]; /* of clocks[] */
} Churn;

static const clockid_t clocks[2] = { CLOCK_MONOTONIC, CLOCK_REALTIME };

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts = { 0 };

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Marsaglia's xorshift64 with the multiplier of his "*" variant. */
static uint64_t next_word(uint64_t *x)
{
    *x ^= *x >> 12;
    *x ^= *x << 25;
    *x ^= *x >> 27;
    return *x * 0x2545f4914f6cdd1d;
}

static uint64_t page_seed(uint64_t page, uint32_t generation)
{
    return (page + 1) * 0x9e3779b97f4a7c15 ^
           ((uint64_t)generation + 1) * 0xd6e8feb86659fd93;
}

static void fill(Churn *c, uint64_t page, uint32_t generation)
{
    uint64_t x = page_seed(page, generation);

    for (int i = 0; i < WORDS; i++) {
        c->memory[page * WORDS + i] = next_word(&x);
    }
    c->generation[page] = generation;
}

static void check(Churn *c, uint64_t page)
{
    uint64_t x = page_seed(page, c->generation[page]);

    for (int i = 0; i < WORDS; i++) {
        uint64_t want = next_word(&x);
        uint64_t got = c->memory[page * WORDS + i];

        if (got == want) {
            continue;
        }
        if (c->fails++ < MAX_FAILS) {
            say("FAIL id=%s page=%" PRIu64 " word=%d expected=%" PRIx64
                " got=%" PRIx64 " generation=%u\n",
                c->id, page, i, want, got, c->generation[page]);
        }
        return;
    }
}

static void check_clocks(Churn *c)
{
    for (int i = 0; i < 2; i++) {
        uint64_t now = clock_ns(clocks[i]);

        if (now < c->seen_ns[i] && c->fails++ < MAX_FAILS) {
            say("FAIL id=%s clock=%d went back %" PRIu64 " ns\n", c->id, i,
                c->seen_ns[i] - now);
        }
        c->seen_ns[i] = now;
    }
}

/* Wait until as many steps are due as have been made. */
static void keep_rate(const Churn *c)
{
    if (c->rate == 0) {
        return;
    }
    uint64_t due = c->started_ns + c->steps * 1000000000 / c->rate;
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (due > now) {
        struct timespec ts = {
            .tv_sec = (time_t)((due - now) / 1000000000),
            .tv_nsec = (long)((due - now) % 1000000000),
        };

        nanosleep(&ts, NULL);
    }
}

static int run(Churn *c)
{
    /* Exact as long as the count of steps is below 2^52. */
    double quarters = 0;
    long double thirds = 0;
    uint64_t reported_ns = 0, pass = 0;

    c->started_ns = clock_ns(CLOCK_MONOTONIC);
    while (access(c->stop, F_OK) != 0) {
        for (int i = 0; i < BATCH; i++) {
            /* An odd step visits each page of a power of two once. */
            uint64_t page = c->steps * 0x9e3779b1 % c->npages;

            check(c, page);
            fill(c, page, c->generation[page] + 1);
            c->steps++;
            quarters += 0.25;
            thirds += 3;
        }
        if ((quarters != (double)c->steps / 4 ||
             thirds != (long double)c->steps * 3) &&
            c->fails++ < MAX_FAILS) {
            say("FAIL id=%s steps=%" PRIu64 " but sums of %f and %Lf\n", c->id,
                c->steps, quarters, thirds);
        }
        check_clocks(c);
        uint64_t now = c->seen_ns[0];
        if (c->steps / c->npages > pass && now - reported_ns >= c->report_ns) {
            pass = c->steps / c->npages;
            reported_ns = now;
            say("ok id=%s pass=%" PRIu64 " steps=%" PRIu64 " ms=%" PRIu64
                " fails=%" PRIu64 "\n",
                c->id, pass, c->steps, (now - c->started_ns) / 1000000,
                c->fails);
        }
        keep_rate(c);
    }
    return c->fails != 0;
}

static uint64_t number(const char *text, uint64_t max)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (*end || n > max) {
        say("linux-load churn: bad number '%s'\n", text);
        exit(1);
    }
    return n;
}

int churn(int argc, char **argv)
{
    if (argc != 5) {
        say("usage: linux-load churn ID MIB RATE REPORT_MS STOP_FILE\n");
        return 1;
    }
    Churn c = {
        .id = argv[0],
        .rate = number(argv[2], 100000000),
        .report_ns = number(argv[3], 100000) * 1000000,
        .stop = argv[4],
    };
    uint64_t mib = number(argv[1], 1024);

    /* Whole powers of two, for the order of the pages. */
    if (mib == 0 || (mib & (mib - 1)) != 0) {
        say("linux-load churn: %s MiB is no power of two\n", argv[1]);
        return 1;
    }
    c.npages = mib << 8;
    c.memory = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    c.generation = calloc(c.npages, sizeof(c.generation[0]));
    if (c.memory == MAP_FAILED || !c.generation) {
        say("linux-load churn: no memory for %s MiB\n", argv[1]);
        return 1;
    }
    for (uint64_t page = 0; page < c.npages; page++) {
        fill(&c, page, 0);
    }
    return run(&c);
}
