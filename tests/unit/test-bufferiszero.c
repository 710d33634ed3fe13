/*
 * The zero-page scanner: every implementation that this machine can run.
 *
 * The memory around each buffer is not zero, so that a byte too many changes
 * the answer, and there is an unreadable page on both sides of the arena, so
 * that one read beyond its ends is fatal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bufferiszero.h"
#include "util/cpuid.h"

#include <sys/mman.h>

enum {
    PAGE = 4096,
    ARENA = 6 * PAGE,
    MAX_LEN = 20000,
    MAX_ALIGN = 128,
};

typedef struct Arena {
    uint8_t *map;
    uint8_t *start; /* ARENA bytes; a multiple of PAGE */
    uint8_t *end;
} Arena;

static void arena_init(Arena *a)
{
    a->map = mmap(NULL, ARENA + 2 * PAGE, PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(a->map != MAP_FAILED);
    a->start = a->map + PAGE;
    a->end = a->start + ARENA;
    g_assert_cmpint(mprotect(a->start, ARENA, PROT_READ | PROT_WRITE), ==, 0);
    memset(a->start, 0xff, ARENA);
}

static void arena_fini(Arena *a)
{
    munmap(a->map, ARENA + 2 * PAGE);
}

static bool naive_is_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

/* The hot check: a message is made only when it fails. */
static void expect(const BufferZeroImpl *impl, const uint8_t *p, size_t len,
                   bool want, size_t pos)
{
    if (impl->fn(p, len) != want) {
        g_error("%s: length %zu, alignment %zu, data at %zd: not %s",
                impl->name, len, (size_t)((uintptr_t)p % MAX_ALIGN),
                want ? (ssize_t)-1 : (ssize_t)pos, want ? "true" : "false");
    }
}

/* One non-zero byte at pos; its value changes with the position. */
static void expect_found_at(const BufferZeroImpl *impl, uint8_t *p, size_t len,
                            size_t pos)
{
    p[pos] = (uint8_t)(1U << (pos % 8));
    expect(impl, p, len, false, pos);
    p[pos] = 0;
}

/* p[0..len) is zero. Checks that, and one byte at every step-th position. */
static void check_positions(const BufferZeroImpl *impl, uint8_t *p, size_t len,
                            size_t step)
{
    expect(impl, p, len, true, 0);
    for (size_t pos = 0; pos < len; pos += step) {
        expect_found_at(impl, p, len, pos);
    }
    if (len > 0) {
        expect_found_at(impl, p, len, len - 1);
    }
}

/*
 * Every length, at the start of the arena, at its end, and (with 0xff on both
 * sides) at an alignment that changes with the length: so each length meets
 * several alignments and each alignment many lengths. Positions: all for
 * short buffers, a few score, shifting from length to length, for long ones.
 */
static void test_lengths(gconstpointer data)
{
    const BufferZeroImpl *impl = data;
    Arena a;

    arena_init(&a);
    for (size_t len = 0; len <= MAX_LEN; len++) {
        uint8_t *places[] = {
            a.start,
            a.end - len,
            a.start + 1 + (len * 7) % (MAX_ALIGN - 1),
            a.start + 1 + (len * 29 + 64) % (MAX_ALIGN - 1),
        };

        for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
            size_t step = len <= 1100 ? 1 : len / 97 + len % 13;

            memset(places[i], 0, len);
            check_positions(impl, places[i], len, step);
            memset(places[i], 0xff, len);
        }
    }
    arena_fini(&a);
}

/* Every alignment with every length up to 2000. */
static void test_alignments(gconstpointer data)
{
    const BufferZeroImpl *impl = data;
    Arena a;

    arena_init(&a);
    for (size_t align = 0; align < MAX_ALIGN; align++) {
        uint8_t *p = a.start + MAX_ALIGN + align;

        for (size_t len = 0; len <= 2000; len++) {
            size_t step = len <= 160 ? 1 : 11 + (len + align) % 7;

            if (len > 0) {
                p[len - 1] = 0;
            }
            check_positions(impl, p, len, step);
        }
        memset(p, 0xff, 2000);
    }
    arena_fini(&a);
}

/* Every position in buffers of lengths that matter, at many alignments. */
static void test_positions(gconstpointer data)
{
    const BufferZeroImpl *impl = data;
    static const size_t lengths[] = {
        255,  256,  257,  511,  512,  513,  767,  1023, 1024, 1025,
        1536, 2047, 2048, 4095, 4096, 4097, 4608, 8191, 8192, 8193,
    };
    Arena a;

    arena_init(&a);
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        for (size_t align = 0; align < MAX_ALIGN; align += 1 + i % 5) {
            uint8_t *p = a.start + MAX_ALIGN + align;

            memset(p, 0, lengths[i]);
            check_positions(impl, p, lengths[i], 1);
            memset(p, 0xff, lengths[i]);
        }
    }
    for (size_t align = 0; align < MAX_ALIGN; align += 31) {
        uint8_t *p = a.start + MAX_ALIGN + align;

        memset(p, 0, MAX_LEN);
        check_positions(impl, p, MAX_LEN, 1);
        memset(p, 0xff, MAX_LEN);
    }
    arena_fini(&a);
}

/* Random contents against the naive loop: no or few bytes set. */
static void test_random(gconstpointer data)
{
    const BufferZeroImpl *impl = data;
    Arena a;

    arena_init(&a);
    memset(a.start, 0, ARENA);
    for (int round = 0; round < 20000; round++) {
        uint8_t *byte = a.start + g_test_rand_int_range(0, ARENA);

        *byte = (uint8_t)g_test_rand_int_range(1, 256);
        for (int i = 0; i < 20; i++) {
            size_t off = g_test_rand_int_range(0, ARENA);
            size_t len = g_test_rand_int_range(0, (int)(ARENA - off) + 1);

            /* Mostly short: the byte is then often just outside. */
            len >>= g_test_rand_int_range(0, 12);
            expect(impl, a.start + off, len, naive_is_zero(a.start + off, len),
                   0);
        }
        *byte = 0;
    }
    arena_fini(&a);
}

/* Is it what the tables say, and does the hook reach buffer_is_zero()? */
static void test_dispatch(void)
{
    static const uint8_t zero[PAGE];
    static const uint8_t data[PAGE] = { [1234] = 1 };
    const BufferZeroImpl *impl;
    BufferZeroFn *widest = NULL;
    BufferZeroFn *sse2 = NULL;

    /* The first call of the process: chooses and answers. */
    g_assert_true(buffer_is_zero(zero, sizeof(zero)));
    g_assert_false(buffer_is_zero(data, sizeof(data)));
    g_assert_true(buffer_is_zero(NULL, 0));
    for (unsigned i = 0; (impl = buffer_zero_impl(i)); i++) {
        g_assert_cmpint(buffer_zero_set_impl(impl->name), ==, impl->usable());
        if (impl->usable()) {
            widest = impl->fn;
            g_assert_true(buffer_is_zero(zero, sizeof(zero)));
            g_assert_false(buffer_is_zero(data, sizeof(data)));
        }
        if (!strcmp(impl->name, "sse2")) {
            sse2 = impl->fn;
        }
    }
    g_assert_true(buffer_zero_scanner(true) == widest);
    g_assert_true(buffer_zero_scanner(false) == sse2);
    g_assert_false(buffer_zero_set_impl("nonesuch"));
    g_assert_true(buffer_zero_set_impl(NULL));
    g_assert_true(buffer_is_zero(zero, sizeof(zero)));
}

/* The kernel's list of CPU flags, from its own probe. */
static void test_cpuid(void)
{
    g_autofree char *text = NULL;
    const HostCpu *cpu = host_cpu();
    char *flags;
    char *eol;
    struct {
        const char *flag;
        bool have;
    } t[] = {
        { " sse2 ", cpu->sse2 },         { " sse4_1 ", cpu->sse41 },
        { " sse4_2 ", cpu->sse42 },      { " popcnt ", cpu->popcnt },
        { " avx ", cpu->avx },           { " avx2 ", cpu->avx2 },
        { " bmi1 ", cpu->bmi1 },         { " bmi2 ", cpu->bmi2 },
        { " avx512f ", cpu->avx512f },   { " avx512bw ", cpu->avx512bw },
        { " avx512vl ", cpu->avx512vl },
    };

    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL)) {
        g_test_skip("no /proc/cpuinfo");
        return;
    }
    flags = strstr(text, "flags");
    g_assert_nonnull(flags);
    eol = strchr(flags, '\n');
    g_assert_nonnull(eol);
    *eol = ' ';
    eol[1] = '\0';
    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_test_message("%s", t[i].flag);
        g_assert_cmpint(strstr(flags, t[i].flag) != NULL, ==, t[i].have);
    }
    g_assert_true(host_cpu() == cpu);
}

static void add_impl_tests(const BufferZeroImpl *impl)
{
    static const struct {
        const char *name;
        GTestDataFunc fn;
    } t[] = {
        { "lengths", test_lengths },
        { "alignments", test_alignments },
        { "positions", test_positions },
        { "random", test_random },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *path =
            g_strdup_printf("/bufferiszero/%s/%s", impl->name, t[i].name);

        g_test_add_data_func(path, impl, t[i].fn);
    }
}

int main(int argc, char **argv)
{
    const BufferZeroImpl *impl;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bufferiszero/dispatch", test_dispatch);
    g_test_add_func("/cpuid/as-the-kernel-says", test_cpuid);
    for (unsigned i = 0; (impl = buffer_zero_impl(i)); i++) {
        if (impl->usable()) {
            add_impl_tests(impl);
        }
    }
    return g_test_run();
}
