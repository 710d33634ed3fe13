/*
 * Integers of vmstate tables in runs: the same bytes and errors as one by one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/error.h"
#include "vmstate/vmstate.h"

enum { MANY = 3 * STREAM_RUN_MAX / 4 + 5, PAIRS = 5 };

typedef struct Pair {
    int8_t a;
    bool b[2];
    uint64_t wide; /* of which the low half travels */
    int64_t c;
} Pair;

typedef struct All {
    uint32_t many[MANY];
    bool flags[3];
    int16_t words[3];
    uint64_t longs[2];
    Pair pairs[PAIRS];
    Pair *more; /* `nmore` */
    uint32_t nmore;
    uint8_t end;
} All;

static const Vmstate pair_vmstate = {
    .name = "pair",
    .version = 2,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_I8(Pair, a),
            VMSTATE_BOOL_ARRAY(Pair, b, 2),
            VMSTATE_FIELD_(Pair, wide, VMS_U32),
            VMSTATE_I64(Pair, c),
            VMSTATE_END,
        },
};

enum { PAIR_LEN = 1 + 2 + 4 + 8 };

static const Vmstate all_vmstate = {
    .name = "all",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32_ARRAY(All, many, MANY),
            VMSTATE_BOOL_ARRAY(All, flags, 3),
            VMSTATE_ARRAY_(All, words, 3, VMS_I16),
            VMSTATE_U64_ARRAY(All, longs, 2),
            VMSTATE_STRUCT_ARRAY(All, pairs, PAIRS, pair_vmstate, 2),
            { .name = "more",
              .kind = VMS_STRUCT,
              .offset = offsetof(All, more),
              .size = sizeof(Pair),
              .num_offset = offsetof(All, nmore),
              .num_max = 2,
              .flags = VMF_POINTER | VMF_VARRAY_U32,
              .vms = &pair_vmstate },
            VMSTATE_U8(All, end),
            VMSTATE_END,
        },
};

static Pair pair_of(int n)
{
    return (Pair){ -n, { n & 1, true }, 0x1100000000 + n, -1000000000000 * n };
}

static All *all_new(bool filled)
{
    All *a = g_new0(All, 1);

    a->more = g_new0(Pair, 2);
    a->nmore = 2;
    for (unsigned i = 0; filled && i < MANY; i++) {
        a->many[i] = i * 0x01020304;
    }
    for (int i = 0; filled && i < PAIRS; i++) {
        a->pairs[i] = pair_of(i);
    }
    if (filled) {
        a->more[0] = pair_of(100);
        a->more[1] = pair_of(101);
        a->flags[1] = true;
        a->words[2] = -3;
        a->longs[1] = UINT64_MAX - 7;
        a->end = 0x5a;
    }
    return a;
}

static void all_free(All *a)
{
    g_free(a->more);
    g_free(a);
}

/* With a description each element goes by itself. */
static GBytes *saved(All *a, bool one_by_one)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(JsonValue) desc = one_by_one ? json_object_new() : NULL;
    GError *err = NULL;
    const uint8_t *data;
    size_t len;

    g_assert_true(vmstate_save_desc(out, &all_vmstate, a, desc, &err));
    g_assert_no_error(err);
    data = stream_out_data(out, &len);
    g_assert_cmpuint(stream_out_bytes(out), ==, len);
    return g_bytes_new(data, len);
}

static void test_saved(void)
{
    All *a = all_new(true);
    g_autoptr(GBytes) run = saved(a, false), each = saved(a, true);

    g_assert_true(g_bytes_equal(run, each));
    g_assert_cmpuint(g_bytes_get_size(run), ==,
                     4 * MANY + 3 + 6 + 16 + (PAIRS + 2) * PAIR_LEN + 1);
    all_free(a);
}

static void expect_pair(const Pair *p, int n)
{
    const Pair want = pair_of(n);

    g_assert_cmpint(p->a, ==, want.a);
    g_assert_cmpmem(p->b, sizeof(p->b), want.b, sizeof(want.b));
    g_assert_cmpuint((uint32_t)p->wide, ==, (uint32_t)want.wide);
    g_assert_cmpuint(p->wide >> 32, ==, 0); /* as it was */
    g_assert_cmpint(p->c, ==, want.c);
}

static void test_loaded(void)
{
    All *a = all_new(true), *b = all_new(false);
    g_autoptr(GBytes) bytes = saved(a, false);
    g_autoptr(StreamIn) in = stream_in_new_mem(g_bytes_get_data(bytes, NULL),
                                               g_bytes_get_size(bytes));
    GError *err = NULL;

    g_assert_true(vmstate_load(in, &all_vmstate, b, 1, &err));
    g_assert_no_error(err);
    g_assert_cmpmem(b->many, sizeof(b->many), a->many, sizeof(a->many));
    g_assert_cmpmem(b->flags, sizeof(b->flags), a->flags, sizeof(a->flags));
    g_assert_cmpmem(b->words, sizeof(b->words), a->words, sizeof(a->words));
    g_assert_cmpmem(b->longs, sizeof(b->longs), a->longs, sizeof(a->longs));
    for (int i = 0; i < PAIRS; i++) {
        expect_pair(&b->pairs[i], i);
    }
    expect_pair(&b->more[0], 100);
    expect_pair(&b->more[1], 101);
    g_assert_cmpuint(b->end, ==, 0x5a);
    all_free(a);
    all_free(b);
}

/* The error of a stream whose last `less` bytes are missing. */
static char *error_without(GBytes *bytes, size_t less)
{
    size_t len = g_bytes_get_size(bytes) - less;
    /* A copy of its own, so that a sanitizer sees reads past the end. */
    g_autofree uint8_t *copy = g_memdup2(g_bytes_get_data(bytes, NULL), len);
    g_autoptr(StreamIn) in = stream_in_new_mem(copy, len);
    g_autoptr(GError) err = NULL;
    All *b = all_new(false);

    g_assert_false(vmstate_load(in, &all_vmstate, b, 1, &err));
    all_free(b);
    return g_strdup(err->message);
}

static void test_truncated(void)
{
    All *a = all_new(true);
    g_autoptr(GBytes) bytes = saved(a, false);

    for (size_t less = 1; less <= 1 + 7 * PAIR_LEN + 30; less++) {
        g_autofree char *text = error_without(bytes, less);
        bool in_more = less > 1 && less <= 1 + 2 * PAIR_LEN;
        bool in_pairs = less > 1 + 2 * PAIR_LEN && less <= 1 + 7 * PAIR_LEN;

        g_assert_nonnull(strstr(text, "stream ends at offset"));
        g_assert_cmpint(strstr(text, "more: pair (") != NULL, ==, in_more);
        g_assert_cmpint(strstr(text, "pairs: pair (") != NULL, ==, in_pairs);
    }
    {
        g_autofree char *text = error_without(bytes, 4 * MANY);

        g_assert_nonnull(strstr(text, "many: "));
    }
    all_free(a);
}

typedef struct One {
    Pair pair;
    bool flag;
} One;

static const Vmstate one_vmstate = {
    .name = "one",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_STRUCT(One, pair, pair_vmstate, 2),
            VMSTATE_BOOL(One, flag),
            VMSTATE_END,
        },
};

/* Behind each part there may be a subsection, which here nobody knows. */
static void test_subsection(void)
{
    static const uint8_t with[] = { 1,   2,   0,   0, 0, 0,    4, 0,   0,   0,
                                    0,   0,   0,   0, 5, 0x05, 6, 'p', 'a', 'i',
                                    'r', '/', 'x', 0, 0, 0,    1, 0 };
    static const uint8_t without[] = { 1, 2, 0, 0, 0, 0, 4, 0,
                                       0, 0, 0, 0, 0, 0, 5, 0x05 };
    g_autoptr(StreamIn) bad = stream_in_new_mem(with, sizeof(with));
    g_autoptr(StreamIn) good = stream_in_new_mem(without, sizeof(without));
    g_autoptr(GError) err = NULL;
    One one = { 0 };

    g_assert_false(vmstate_load(bad, &one_vmstate, &one, 1, &err));
    g_assert_nonnull(strstr(err->message, "pair: pair (offset 0): "));
    g_assert_nonnull(strstr(err->message, "'pair/x' is not known"));
    memset(&one, 0, sizeof(one));
    g_assert_true(vmstate_load(good, &one_vmstate, &one, 1, NULL));
    g_assert_true(one.pair.b[0]);
    g_assert_false(one.pair.b[1]);
    g_assert_true(one.flag);
    /* Whatever isn't 0 is true, as others see it, too. */
    g_assert_cmpuint(*(const uint8_t *)&one.pair.b[0], ==, 1);
    g_assert_cmpuint(*(const uint8_t *)&one.flag, ==, 1);
    g_assert_cmpint(one.pair.c, ==, 5);
}

static const Vmstate newer_vmstate = {
    .name = "newer",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_STRUCT(One, pair, pair_vmstate, 3),
            VMSTATE_END,
        },
};

/* A version that the part doesn't take is refused, flat or not. */
static void test_version(void)
{
    static const uint8_t bytes[PAIR_LEN + 1];
    g_autoptr(StreamIn) in = stream_in_new_mem(bytes, sizeof(bytes));
    g_autoptr(GError) err = NULL;
    One one = { 0 };

    g_assert_false(vmstate_load(in, &newer_vmstate, &one, 1, &err));
    g_assert_nonnull(strstr(err->message, "version 3"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmstate-ints/saved", test_saved);
    g_test_add_func("/vmstate-ints/loaded", test_loaded);
    g_test_add_func("/vmstate-ints/truncated", test_truncated);
    g_test_add_func("/vmstate-ints/subsection", test_subsection);
    g_test_add_func("/vmstate-ints/version", test_version);
    return g_test_run();
}
