/*
 * Runs a fuzz target without libFuzzer: over a corpus, then over mutations of
 * it. Everything follows from the seed, so that a failure can be repeated;
 * -artifact keeps the input at hand that was last tried.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/fuzz/fuzz.h"

enum {
    FUZZ_MAX_INPUT = 64 * 1024, /* bytes; longer files are cut */
    FUZZ_MAX_STEPS = 8,         /* mutations of one input */
    FUZZ_MAX_COPY = 64,         /* bytes that one mutation moves or adds */
};

typedef struct Options {
    uint64_t runs;
    uint32_t seed;
    const char *artifact; /* NULL: keep nothing */
    GPtrArray *corpus;    /* of GByteArray */
} Options;

/* Values at which lengths and depths go wrong. */
static const uint8_t odd_bytes[] = {
    0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe, 0xc0, 0xed, '"',
    '\\', '{',  '}',  '[',  ']',  ',',  ':',  '=',  '%',
};

static void add_file(GPtrArray *corpus, const char *path)
{
    g_autofree char *text = NULL;
    gsize len = 0;
    GByteArray *input;

    if (!g_file_get_contents(path, &text, &len, NULL)) {
        printf("Bail out! cannot read '%s'\n", path);
        exit(1);
    }
    input = g_byte_array_new();
    g_byte_array_append(input, (const uint8_t *)text, MIN(len, FUZZ_MAX_INPUT));
    g_ptr_array_add(corpus, input);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files of a folder in the order of their names, or one file. */
static void add_path(GPtrArray *corpus, const char *path)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    if (!dir) {
        add_file(corpus, path);
        return;
    }
    while ((name = g_dir_read_name(dir))) {
        g_ptr_array_add(names, g_build_filename(path, name, NULL));
    }
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        add_file(corpus, names->pdata[i]);
    }
}

static void set_byte(GRand *rand, GByteArray *in)
{
    if (in->len) {
        in->data[g_rand_int_range(rand, 0, in->len)] =
            odd_bytes[g_rand_int_range(rand, 0, G_N_ELEMENTS(odd_bytes))];
    }
}

static void flip_bit(GRand *rand, GByteArray *in)
{
    if (in->len) {
        in->data[g_rand_int_range(rand, 0, in->len)] ^=
            1 << g_rand_int_range(rand, 0, 8);
    }
}

static void cut(GRand *rand, GByteArray *in)
{
    guint at, len;

    if (in->len) {
        at = g_rand_int_range(rand, 0, in->len);
        len = g_rand_int_range(rand, 1, FUZZ_MAX_COPY + 1);
        g_byte_array_remove_range(in, at, MIN(len, in->len - at));
    }
}

/* Puts bytes into the middle of an input. */
static void insert(GRand *rand, GByteArray *in, const uint8_t *bytes, guint len)
{
    guint at = g_rand_int_range(rand, 0, in->len + 1);

    g_byte_array_set_size(in, in->len + len);
    memmove(in->data + at + len, in->data + at, in->len - len - at);
    memcpy(in->data + at, bytes, len);
}

static void insert_random(GRand *rand, GByteArray *in)
{
    uint8_t bytes[FUZZ_MAX_COPY];
    guint len = g_rand_int_range(rand, 1, FUZZ_MAX_COPY + 1);
    uint8_t one = g_rand_int(rand);
    bool same = g_rand_boolean(rand);

    for (guint i = 0; i < len; i++) {
        bytes[i] = same ? one : g_rand_int(rand);
    }
    insert(rand, in, bytes, len);
}

/* Inserts a piece of another input, or of the same. */
static void splice(GRand *rand, GByteArray *in, const GByteArray *from)
{
    uint8_t bytes[FUZZ_MAX_COPY];
    guint at, len;

    if (from->len) {
        at = g_rand_int_range(rand, 0, from->len);
        len = g_rand_int_range(rand, 1, FUZZ_MAX_COPY + 1);
        len = MIN(len, from->len - at);
        memcpy(bytes, from->data + at, len);
        insert(rand, in, bytes, len);
    }
}

static const GByteArray *pick(GRand *rand, const GPtrArray *corpus)
{
    return corpus->pdata[g_rand_int_range(rand, 0, corpus->len)];
}

static void mutate(GRand *rand, GByteArray *in, const GPtrArray *corpus)
{
    switch (g_rand_int_range(rand, 0, 5)) {
    case 0:
        set_byte(rand, in);
        break;
    case 1:
        flip_bit(rand, in);
        break;
    case 2:
        cut(rand, in);
        break;
    case 3:
        insert_random(rand, in);
        break;
    default:
        splice(rand, in, pick(rand, corpus));
        break;
    }
}

/* The target gets a block of its own size: one byte beyond is a report. */
static void try_input(const Options *opt, const GByteArray *in)
{
    g_autofree uint8_t *copy = g_memdup2(in->data, in->len);

    if (opt->artifact) {
        g_file_set_contents(opt->artifact, (const char *)in->data, in->len,
                            NULL);
    }
    LLVMFuzzerTestOneInput(copy ? copy : (const uint8_t *)"", in->len);
}

static void run_mutations(const Options *opt)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(opt->seed);
    g_autoptr(GByteArray) in = g_byte_array_new();

    for (uint64_t i = 0; i < opt->runs; i++) {
        const GByteArray *base = pick(rand, opt->corpus);
        int nsteps = g_rand_int_range(rand, 1, FUZZ_MAX_STEPS + 1);

        g_byte_array_set_size(in, 0);
        g_byte_array_append(in, base->data, base->len);
        while (nsteps-- && in->len < FUZZ_MAX_INPUT) {
            mutate(rand, in, opt->corpus);
        }
        try_input(opt, in);
    }
}

static bool parse_number(const char *arg, const char *name, uint64_t max,
                         uint64_t *ret_value)
{
    const char *text;

    if (!g_str_has_prefix(arg, name)) {
        return false;
    }
    text = arg + strlen(name);
    if (!g_ascii_string_to_unsigned(text, 10, 0, max, ret_value, NULL)) {
        printf("Bail out! '%s': not a number up to %" PRIu64 "\n", arg, max);
        exit(1);
    }
    return true;
}

static void parse_options(int argc, char **argv, Options *opt)
{
    for (int i = 1; i < argc; i++) {
        uint64_t value;

        if (parse_number(argv[i], "-runs=", UINT64_MAX, &opt->runs)) {
            continue;
        }
        if (parse_number(argv[i], "-seed=", UINT32_MAX, &value)) {
            opt->seed = value;
        } else if (g_str_has_prefix(argv[i], "-artifact=")) {
            opt->artifact = argv[i] + strlen("-artifact=");
        } else if (argv[i][0] == '-') {
            printf("usage: %s [-runs=N] [-seed=N] [-artifact=FILE] "
                   "[FILE|FOLDER]...\n",
                   argv[0]);
            exit(strcmp(argv[i], "--help") != 0);
        } else {
            add_path(opt->corpus, argv[i]);
        }
    }
    if (!opt->corpus->len) {
        g_ptr_array_add(opt->corpus, g_byte_array_new());
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) corpus =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    Options opt = { .runs = 20000, .corpus = corpus };

    opt.seed = g_random_int();
    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_options(argc, argv, &opt);

    printf("1..2\n");
    for (guint i = 0; i < corpus->len; i++) {
        try_input(&opt, corpus->pdata[i]);
    }
    printf("ok 1 corpus of %u inputs\n", corpus->len);
    printf("# -runs=%" PRIu64 " -seed=%" PRIu32 "\n", opt.runs, opt.seed);
    run_mutations(&opt);
    printf("ok 2 mutations\n");
    return 0;
}
