/*
 * How fast is the zero-page scanner?
 *
 * For each implementation: pages that are zero, and pages with one byte of
 * data at the front, in the middle and at the end, in a set of pages that fits
 * into L1, into L2, and into no cache. Each figure is the median of several
 * runs; the runs of the implementations alternate, so that a change of the
 * host's clock hits all of them.
 *
 * usage: zero-page [--json] [--runs N] [--ms N]
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bufferiszero.h"
#include "util/lock.h"

#include <sys/mman.h>

enum {
    PAGE = 4096,
    MAX_IMPLS = 8,
    MAX_RUNS = 101,
};

typedef struct Place {
    const char *name;
    size_t size; /* bytes, a multiple of PAGE */
} Place;

/* Where in each page the one non-zero byte is; -1: nowhere. */
typedef struct Pattern {
    const char *name;
    int offset;
} Pattern;

static const Pattern patterns[] = {
    { "zero", -1 },
    { "first", 0 },
    { "middle", PAGE / 2 },
    { "last", PAGE - 1 },
};

/* What is timed: an implementation, or the dispatched call. */
typedef struct Subject {
    const char *name;
    BufferZeroFn *fn;
    double ns_per_page[MAX_RUNS];
} Subject;

typedef struct Bench {
    gboolean json;
    int runs;
    int ms; /* of one run */
    Subject subjects[MAX_IMPLS];
    unsigned nsubjects;
    unsigned base; /* index of "sse2" */
    bool json_comma;
} Bench;

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static size_t cache_size(int name, size_t fallback)
{
    long n = sysconf(name);

    return n > 0 ? (size_t)n : fallback;
}

/* Passes over all pages; returns how many pages were zero. */
static size_t scan(BufferZeroFn *fn, const uint8_t *buf, size_t size,
                   uint64_t passes)
{
    size_t zero = 0;

    for (uint64_t i = 0; i < passes; i++) {
        for (size_t off = 0; off < size; off += PAGE) {
            zero += fn(buf + off, PAGE);
        }
    }
    return zero;
}

/* One run of about b->ms; exits if the scanner gives a wrong answer. */
static double time_run(const Bench *b, const Subject *s, const uint8_t *buf,
                       size_t size, bool zero)
{
    uint64_t passes = 1;
    size_t npages = size / PAGE;

    for (;;) {
        int64_t start = clock_monotonic_ns();
        size_t found = scan(s->fn, buf, size, passes);
        int64_t ns = clock_monotonic_ns() - start;

        if (found != (zero ? npages * passes : 0)) {
            fprintf(stderr, "zero-page: %s gives a wrong answer\n", s->name);
            exit(1);
        }
        if (ns >= b->ms * NSEC_PER_MSEC) {
            return (double)ns / (double)(npages * passes);
        }
        passes = ns < b->ms * NSEC_PER_MSEC / 16 ? passes * 8 : passes * 2;
    }
}

static double gb_per_s(double ns_per_page)
{
    return PAGE / ns_per_page;
}

static void print_json(Bench *b, const Place *place, const Pattern *pattern)
{
    double base = b->subjects[b->base].ns_per_page[b->runs / 2];

    for (unsigned i = 0; i < b->nsubjects; i++) {
        const double *ns = b->subjects[i].ns_per_page;
        double median = ns[b->runs / 2];

        printf("%s\n  {\"where\": \"%s\", \"bytes\": %zu, \"data\": \"%s\", "
               "\"impl\": \"%s\", \"gb_per_s\": %.2f, \"min\": %.2f, "
               "\"max\": %.2f, \"ns_per_page\": %.2f, \"vs_sse2\": %.3f}",
               b->json_comma ? "," : "", place->name, place->size,
               pattern->name, b->subjects[i].name, gb_per_s(median),
               gb_per_s(ns[b->runs - 1]), gb_per_s(ns[0]), median,
               base / median);
        b->json_comma = true;
    }
}

static void print_row(const Bench *b, const Place *place,
                      const Pattern *pattern)
{
    double base = b->subjects[b->base].ns_per_page[b->runs / 2];

    printf("%-7s %-7s", place->name, pattern->name);
    for (unsigned i = 0; i < b->nsubjects; i++) {
        double ns = b->subjects[i].ns_per_page[b->runs / 2];

        printf(" %7.1f %7.1f %5.2fx", gb_per_s(ns), ns, base / ns);
    }
    printf("\n");
    fflush(stdout);
}

static void run_case(Bench *b, const Place *place, const Pattern *pattern,
                     uint8_t *buf)
{
    /* Written, not just mapped: reading untouched memory reads one page. */
    memset(buf, 0, place->size);
    for (size_t off = 0; pattern->offset >= 0 && off < place->size;
         off += PAGE) {
        buf[off + pattern->offset] = 1;
    }
    for (int run = 0; run < b->runs; run++) {
        for (unsigned i = 0; i < b->nsubjects; i++) {
            Subject *s = &b->subjects[i];

            s->ns_per_page[run] =
                time_run(b, s, buf, place->size, pattern->offset < 0);
        }
    }
    for (unsigned i = 0; i < b->nsubjects; i++) {
        qsort(b->subjects[i].ns_per_page, b->runs, sizeof(double),
              compare_doubles);
    }
    if (b->json) {
        print_json(b, place, pattern);
    } else {
        print_row(b, place, pattern);
    }
}

static void add_subject(Bench *b, const char *name, BufferZeroFn *fn)
{
    b->subjects[b->nsubjects].name = name;
    b->subjects[b->nsubjects].fn = fn;
    b->nsubjects++;
}

static void find_subjects(Bench *b)
{
    const BufferZeroImpl *impl;

    for (unsigned i = 0; (impl = buffer_zero_impl(i)); i++) {
        if (impl->usable() && b->nsubjects < MAX_IMPLS - 1) {
            if (!strcmp(impl->name, "sse2")) {
                b->base = b->nsubjects;
            }
            add_subject(b, impl->name, impl->fn);
        }
    }
    add_subject(b, "dispatch", buffer_is_zero);
}

static void print_head(const Bench *b)
{
    printf("%-15s", "");
    for (unsigned i = 0; i < b->nsubjects; i++) {
        printf(" %22s", b->subjects[i].name);
    }
    printf("\n%-7s %-7s", "where", "data");
    for (unsigned i = 0; i < b->nsubjects; i++) {
        printf(" %7s %7s %6s", "GB/s", "ns/page", "sse2");
    }
    printf("\n");
}

static bool parse_args(Bench *b, int argc, char **argv)
{
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &b->json, "print JSON", NULL },
        { "runs", 0, 0, G_OPTION_ARG_INT, &b->runs, "runs of each case (7)",
          "N" },
        { "ms", 0, 0, G_OPTION_ARG_INT, &b->ms, "length of a run in ms (10)",
          "N" },
        { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) ctx = g_option_context_new(NULL);
    g_autoptr(GError) err = NULL;

    g_option_context_add_main_entries(ctx, entries, NULL);
    if (!g_option_context_parse(ctx, &argc, &argv, &err)) {
        fprintf(stderr, "zero-page: %s\n", err->message);
        return false;
    }
    if (argc > 1 || b->runs < 1 || b->runs > MAX_RUNS || b->ms < 1) {
        fprintf(stderr, "zero-page: bad arguments (see --help)\n");
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    size_t l1 = cache_size(_SC_LEVEL1_DCACHE_SIZE, 32 * KiB);
    size_t l2 = cache_size(_SC_LEVEL2_CACHE_SIZE, 256 * KiB);
    size_t l3 = cache_size(_SC_LEVEL3_CACHE_SIZE, 16 * MiB);
    /* Half a cache: the other half is everybody else's. */
    const Place places[] = {
        { "L1", ROUND_DOWN(l1 / 2, PAGE) },
        { "L2", ROUND_DOWN(l2 / 2, PAGE) },
        { "memory", ROUND_UP(CLAMP(4 * l3, 64 * MiB, 512 * MiB), PAGE) },
    };
    size_t max = places[G_N_ELEMENTS(places) - 1].size;
    g_autofree Bench *b = g_new0(Bench, 1);
    uint8_t *buf;

    b->runs = 7;
    b->ms = 10;
    if (!parse_args(b, argc, argv)) {
        return 1;
    }
    find_subjects(b);
    buf = mmap(NULL, max, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
               -1, 0);
    if (buf == MAP_FAILED) {
        fprintf(stderr, "zero-page: %zu bytes of memory: %s\n", max,
                strerror(errno));
        return 1;
    }
    madvise(buf, max, MADV_HUGEPAGE);
    if (b->json) {
        printf("[");
    } else {
        print_head(b);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(patterns); j++) {
            run_case(b, &places[i], &patterns[j], buf);
        }
    }
    if (b->json) {
        printf("\n]\n");
    }
    munmap(buf, max);
    return 0;
}
