/*
 * vmstate tables: bytes as declared, back again, and hostile input.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/clock.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"
#include "vmstate/vmstate.h"

typedef struct Inner {
    uint16_t a;
    bool b;
} Inner;

typedef struct Toy {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    int32_t i32;
    bool flag;
    uint8_t buf[3];
    uint16_t arr[2];
    Inner inner[2];
    uint8_t count;
    uint32_t var[4];
    uint32_t fixed; /* must be equal */
    uint32_t extra; /* subsection */
    bool extra_needed;
    unsigned loads;
    bool refuse;
} Toy;

static const Vmstate inner_vmstate = {
    .name = "inner",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_U16(Inner, a),
                                      VMSTATE_BOOL(Inner, b), VMSTATE_END },
};

static bool extra_needed(void *opaque)
{
    return ((Toy *)opaque)->extra_needed;
}

static const Vmstate extra_vmstate = {
    .name = "toy/extra",
    .version = 3,
    .oldest = 3,
    .needed = extra_needed,
    .fields = (const VmstateField[]){ VMSTATE_U32(Toy, extra), VMSTATE_END },
};

static bool toy_post_load(void *opaque, int version, GError **errp)
{
    Toy *t = opaque;

    t->loads++;
    if (t->refuse) {
        g_set_error_literal(errp, g_quark_from_static_string("toy"), 0,
                            "refused");
        return false;
    }
    return true;
}

static const Vmstate toy_vmstate = {
    .name = "toy",
    .version = 2,
    .oldest = 1,
    .post_load = toy_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(Toy, u8),
            VMSTATE_U16(Toy, u16),
            VMSTATE_U32(Toy, u32),
            VMSTATE_U64(Toy, u64),
            VMSTATE_I32(Toy, i32),
            VMSTATE_BOOL(Toy, flag),
            VMSTATE_BUFFER(Toy, buf),
            VMSTATE_UNUSED(2),
            VMSTATE_U16_ARRAY(Toy, arr, 2),
            VMSTATE_STRUCT_ARRAY(Toy, inner, 2, inner_vmstate, 1),
            VMSTATE_U8(Toy, count),
            { .name = "var",
              .kind = VMS_U32,
              .offset = offsetof(Toy, var),
              .size = sizeof(uint32_t),
              .num_offset = offsetof(Toy, count),
              .num_max = 4,
              .flags = VMF_VARRAY_U8 },
            VMSTATE_FIELD_(Toy, fixed, VMS_U32_EQUAL, .version = 2),
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &extra_vmstate, NULL },
};

static const uint8_t toy_bytes[] = {
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,             /* u8, u16, u32 */
    0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,       /* u64 */
    0xff, 0xff, 0xff, 0xfe, 0x01,                         /* i32 -2, flag */
    0xa1, 0xa2, 0xa3, 0x00, 0x00,                         /* buf, unused */
    0x00, 0x21, 0x00, 0x22,                               /* arr */
    0x00, 0x31, 0x01, 0x00, 0x32, 0x00,                   /* inner */
    0x02, 0x00, 0x00, 0x00, 0x41, 0x00, 0x00, 0x00, 0x42, /* var */
    0x00, 0x00, 0x00, 0x99,                               /* fixed */
    0x05, 0x09, 't',  'o',  'y',  '/',  'e',  'x',  't',  'r',
    'a',  0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x77,
};

static void toy_fill(Toy *t)
{
    *t = (Toy){
        .u8 = 1,
        .u16 = 0x0203,
        .u32 = 0x04050607,
        .u64 = 0x1112131415161718,
        .i32 = -2,
        .flag = true,
        .buf = { 0xa1, 0xa2, 0xa3 },
        .arr = { 0x21, 0x22 },
        .inner = { { 0x31, true }, { 0x32, false } },
        .count = 2,
        .var = { 0x41, 0x42 },
        .fixed = 0x99,
        .extra = 0x77,
        .extra_needed = true,
    };
}

static void test_bytes(void)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(JsonValue) desc = json_object_new();
    g_autofree char *text = NULL;
    g_autoptr(GError) err = NULL;
    const uint8_t *data;
    size_t len;
    Toy t;

    toy_fill(&t);
    g_assert_true(vmstate_save_desc(out, &toy_vmstate, &t, desc, &err));
    g_assert_no_error(err);
    data = stream_out_data(out, &len);
    g_assert_cmpmem(data, len, toy_bytes, sizeof(toy_bytes));
    text = json_to_string(desc, false);
    g_assert_nonnull(strstr(text, "\"vmsd_name\": \"toy\""));
    g_assert_nonnull(strstr(text, "\"array_len\": 2"));
    g_assert_nonnull(strstr(text, "toy/extra"));
}

static const VmstateField u8_fields[] = { VMSTATE_U8(Toy, u8), VMSTATE_END };

static const Vmstate plain_vmstate = { .name = "plain", .fields = u8_fields };

static const Vmstate varied_vmstate = {
    .name = "varied",
    .fields = u8_fields,
    .subsections = (const Vmstate *const[]){ &extra_vmstate, NULL },
};

#define PART(name_, vms_, num_, flags_)                                     \
    {                                                                       \
        .name = (name_), .kind = VMS_STRUCT, .vms = &(vms_), .num = (num_), \
        .flags = (flags_)                                                   \
    }

static const Vmstate forms_vmstate = {
    .name = "forms",
    .version = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_UNUSED(1),
            VMSTATE_UNUSED(2),
            PART("once", plain_vmstate, 2, 0),
            PART("each", plain_vmstate, 2, VMF_DESC_EACH),
            PART("varied", varied_vmstate, 2, 0),
            PART("one", plain_vmstate, 1, 0),
            PART("tmp", plain_vmstate, 0, VMF_TMP),
            VMSTATE_END,
        },
};

/*
 * Names that come twice are numbered; equal elements are described once,
 * unless they may differ or the table says so; tmp has its parts in itself.
 */
static void test_description(void)
{
    static const char *const want[] = {
        "unused[0]",      "unused[1]",       "once array_len 2",
        "each index 0",   "each index 1",    "varied index 0",
        "varied index 1", "one array_len 1", "tmp",
    };
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(JsonValue) desc = json_object_new();
    g_autofree char *tmp = NULL;
    g_autoptr(GError) err = NULL;
    const JsonValue *fields, *f = NULL;
    Toy t = { .u8 = 1 };

    g_assert_true(vmstate_save_desc(out, &forms_vmstate, &t, desc, &err));
    g_assert_no_error(err);
    fields = json_object_get(desc, "fields");
    g_assert_cmpuint(json_array_len(fields), ==, G_N_ELEMENTS(want));
    for (unsigned i = 0; i < G_N_ELEMENTS(want); i++) {
        g_auto(GStrv) word = g_strsplit(want[i], " ", -1);
        int64_t n = -1;

        f = json_array_at(fields, i);
        g_assert_cmpstr(json_get_string(json_object_get(f, "name")), ==,
                        word[0]);
        if (word[1] != NULL) {
            g_assert_true(json_get_int(json_object_get(f, word[1]), &n));
            g_assert_cmpint(n, ==, atoi(word[2]));
        }
    }
    tmp = json_to_string(f, false);
    g_assert_cmpstr(tmp, ==,
                    "{\"name\": \"tmp\", \"type\": \"tmp\", "
                    "\"vmsd_name\": \"plain\", \"version\": 0, "
                    "\"fields\": [{\"name\": \"u8\", \"type\": \"uint8\", "
                    "\"size\": 1}], \"size\": 1}");
}

static const Vmstate raw_vmstate = {
    .name = "raw",
    .version = 1,
    .oldest = 1,
    .raw = true,
    .fields = (const VmstateField[]){ VMSTATE_U16(Toy, u16), VMSTATE_END },
};

static void test_description_raw(void)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(JsonValue) desc = json_object_new();
    g_autofree char *text = NULL;
    Toy t = { .u16 = 1 };

    g_assert_true(vmstate_save_desc(out, &raw_vmstate, &t, desc, NULL));
    text = json_to_string(desc, false);
    g_assert_cmpstr(text, ==,
                    "{\"size\": 2, \"fields\": [{\"name\": \"data\", "
                    "\"size\": 2, \"type\": \"buffer\"}]}");
}

typedef struct Counted {
    uint8_t n8;
    uint16_t n16;
    uint32_t n32;
    uint8_t a8[4], a16[4], a32[4];
} Counted;

#define COUNTED(array_, count_, flag_)                                        \
    {                                                                         \
        .name = #array_, .kind = VMS_U8, .offset = offsetof(Counted, array_), \
        .size = 1, .num_offset = offsetof(Counted, count_), .num_max = 4,     \
        .flags = (flag_)                                                      \
    }

static const Vmstate counted_vmstate = {
    .name = "counted",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            COUNTED(a8, n8, VMF_VARRAY_U8),
            COUNTED(a16, n16, VMF_VARRAY_U16),
            COUNTED(a32, n32, VMF_VARRAY_U32),
            COUNTED(a32, n32, VMF_VARRAY_I32),
            VMSTATE_END,
        },
};

/* As many elements as the device says just then, whatever type the count. */
static void test_counted(void)
{
    static const uint8_t want[] = { 1,  2,  11, 12, 13, 21, 22,
                                    23, 24, 21, 22, 23, 24 };
    Counted t = { .n8 = 2,
                  .n16 = 3,
                  .n32 = 4,
                  .a8 = { 1, 2, 3, 4 },
                  .a16 = { 11, 12, 13, 14 },
                  .a32 = { 21, 22, 23, 24 } };
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(StreamIn) in = stream_in_new_mem(want, sizeof(want));
    Counted got = { .n8 = 2, .n16 = 3, .n32 = 4 };
    const uint8_t *data;
    size_t len;

    g_assert_true(vmstate_save(out, &counted_vmstate, &t, NULL));
    data = stream_out_data(out, &len);
    g_assert_cmpmem(data, len, want, sizeof(want));
    g_assert_true(vmstate_load(in, &counted_vmstate, &got, 1, NULL));
    g_assert_cmpmem(got.a8, 4, "\1\2\0\0", 4);
    g_assert_cmpmem(got.a16, 4, "\13\14\15\0", 4);
    g_assert_cmpmem(got.a32, 4, t.a32, 4);
}

static bool toy_load(Toy *t, const void *bytes, size_t len, int version,
                     GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(bytes, len);

    return vmstate_load(in, &toy_vmstate, t, version, errp);
}

static void test_load(void)
{
    g_autoptr(GError) err = NULL;
    Toy want, t = { .fixed = 0x99 };

    toy_fill(&want);
    want.extra_needed = false;
    want.loads = 1;
    g_assert_true(toy_load(&t, toy_bytes, sizeof(toy_bytes), 2, &err));
    g_assert_no_error(err);
    g_assert_cmpmem(&t, sizeof(t), &want, sizeof(want));
}

/* What follows the state may look like a subsection's mark: it isn't one. */
static void test_no_subsection(void)
{
    g_autofree uint8_t *bytes = g_memdup2(toy_bytes, sizeof(toy_bytes));
    g_autoptr(StreamIn) in = stream_in_new_mem(bytes, sizeof(toy_bytes));
    Toy t = { .fixed = 0x99 };
    const size_t len =
        (const uint8_t *)memchr(toy_bytes, 't', sizeof(toy_bytes)) - toy_bytes;

    bytes[len] = 'T';
    g_assert_true(vmstate_load(in, &toy_vmstate, &t, 2, NULL));
    g_assert_cmpuint(stream_in_bytes(in), ==, len - 2);
    g_assert_cmpuint(t.extra, ==, 0);
}

static void test_truncated(void)
{
    /* Without its subsection the state is whole. */
    const size_t whole = sizeof(toy_bytes) - 19;

    for (size_t len = 0; len < sizeof(toy_bytes); len++) {
        /* A copy of its own, so that a sanitizer sees reads past the end. */
        g_autofree uint8_t *copy = g_memdup2(toy_bytes, len);
        g_autoptr(GError) err = NULL;
        Toy t = { .fixed = 0x99 };
        bool ok = toy_load(&t, copy, len, 2, &err);

        if (len == whole || (len > whole && len < whole + 11)) {
            continue; /* a name that was cut is no subsection of ours */
        }
        g_assert_false(ok);
        g_assert_nonnull(err);
        g_assert_cmpuint(t.loads, ==, 0);
    }
}

static void expect_error(size_t at, uint8_t byte, int version,
                         const char *named)
{
    g_autofree uint8_t *copy = g_memdup2(toy_bytes, sizeof(toy_bytes));
    g_autoptr(GError) err = NULL;
    Toy t = { .fixed = 0x99 };

    copy[at] = byte;
    g_assert_false(toy_load(&t, copy, sizeof(toy_bytes), version, &err));
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, named));
}

static void test_hostile(void)
{
    Toy t = { .fixed = 0x99, .refuse = true };
    g_autoptr(GError) err = NULL;

    expect_error(35, 5, 2, "var"); /* more elements than fit */
    expect_error(35, 255, 2, "var");
    expect_error(47, 0x98, 2, "fixed"); /* not as here */
    expect_error(54, 'X', 2, "toy/");   /* unknown subsection */
    expect_error(62, 4, 2, "version 4");
    expect_error(0, 0, 3, "version 3");
    expect_error(0, 0, 0, "version 0");
    g_assert_false(toy_load(&t, toy_bytes, sizeof(toy_bytes), 2, &err));
    g_assert_nonnull(strstr(err->message, "refused"));
}

typedef struct Fixed {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    int32_t i32, le;
} Fixed;

static const Vmstate fixed_vmstate = {
    .name = "fixed",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_FIELD_(Fixed, u8, VMS_U8_EQUAL),
                                      VMSTATE_FIELD_(Fixed, u16, VMS_U16_EQUAL),
                                      VMSTATE_FIELD_(Fixed, u32, VMS_U32_EQUAL),
                                      VMSTATE_FIELD_(Fixed, u64, VMS_U64_EQUAL),
                                      VMSTATE_FIELD_(Fixed, i32, VMS_I32_EQUAL),
                                      VMSTATE_FIELD_(Fixed, le, VMS_I32_LE),
                                      VMSTATE_END },
};

static const uint8_t fixed_bytes[] = {
    0xf1, 0xf2, 0x02, 0xf3, 0,    0,    3,    0xf4, 0, 0, 0, 0,
    0,    0,    4,    0xff, 0xff, 0xff, 0xfb, 0,    0, 0, 6,
};

static bool fixed_load(const uint8_t *bytes, char **ret_text)
{
    Fixed t = { 0xf1, 0xf202, 0xf3000003, UINT64_C(0xf400000000000004), -5, 6 };
    const Fixed before = t;
    g_autoptr(StreamIn) in = stream_in_new_mem(bytes, sizeof(fixed_bytes));
    g_autoptr(GError) err = NULL;
    bool ok = vmstate_load(in, &fixed_vmstate, &t, 1, &err);

    g_assert_cmpint(ok, ==, err == NULL);
    if (!ok) {
        *ret_text = g_strdup(err->message);
    }
    g_assert_cmpmem(&t, sizeof(t), &before, sizeof(t)); /* never changed */
    return ok;
}

/* What must be equal is: each byte counts, and an upper bound is one. */
static void test_equal(void)
{
    static const char *const names[] = {
        "u8", "u16", "u32", "u64", "i32", "le"
    };
    static const uint8_t ends[] = { 1, 3, 7, 15, 19, 23 };
    char *text = NULL;
    unsigned field = 0;

    g_assert_true(fixed_load(fixed_bytes, &text));
    for (unsigned i = 0; i < sizeof(fixed_bytes); i++) {
        g_autofree uint8_t *copy = g_memdup2(fixed_bytes, sizeof(fixed_bytes));

        field += i == ends[field];
        for (int delta = -1; delta <= 1; delta += 2) {
            copy[i] = fixed_bytes[i] + delta;
            if (i == sizeof(fixed_bytes) - 1 && delta < 0) {
                g_assert_true(fixed_load(copy, &text)); /* 5 <= 6 */
                copy[i] = 0;
                g_assert_true(fixed_load(copy, &text));
                continue;
            }
            g_assert_false(fixed_load(copy, &text));
            g_test_message("byte %u: %s", i, text);
            g_assert_nonnull(strstr(text, names[field]));
            g_clear_pointer(&text, g_free);
        }
    }
}

typedef struct Sized {
    uint32_t len;
    uint8_t buf[8]; /* of which four may be used */
    uint8_t *far;
} Sized;

static const Vmstate sized_vmstate = {
    .name = "sized",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(Sized, len),
            { .name = "buf",
              .kind = VMS_BUFFER,
              .offset = offsetof(Sized, buf),
              .num_offset = offsetof(Sized, len),
              .num_max = 4,
              .flags = VMF_VSIZE_U32 },
            VMSTATE_END,
        },
};

static const Vmstate far_vmstate = {
    .name = "far",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            { .name = "far",
              .kind = VMS_U8,
              .offset = offsetof(Sized, far),
              .size = 1,
              .flags = VMF_POINTER },
            VMSTATE_END,
        },
};

/* Each contains itself: no struct of a device is that deep. */
static const Vmstate deep_vmstate;
static const VmstateField deep_fields[] = {
    VMSTATE_FIELD_(Sized, len, VMS_STRUCT, .vms = &deep_vmstate,
                   .struct_version = 1),
    VMSTATE_END,
};
static const Vmstate deep_vmstate = {
    .name = "deep",
    .version = 1,
    .oldest = 1,
    .fields = deep_fields,
};

static bool sized_load(const Vmstate *vms, Sized *t, const char *bytes,
                       size_t len, GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(bytes, len);
    bool ok = vmstate_load(in, vms, t, 1, errp);

    g_assert_cmpuint(stream_in_bytes(in), <=, len);
    return ok;
}

/* Sizes from the stream up to their bound, and what has no place to go. */
static void test_bounds(void)
{
    Sized t = { 0 };
    uint8_t byte = 0;
    g_autoptr(GError) err = NULL;

    g_assert_true(sized_load(&sized_vmstate, &t, "\0\0\0\4abcd", 8, NULL));
    g_assert_cmpmem(t.buf, 8, "abcd\0\0\0\0", 8);
    g_assert_true(sized_load(&sized_vmstate, &t, "\0\0\0\0", 4, NULL));
    g_assert_false(sized_load(&sized_vmstate, &t, "\0\0\0\5efghi", 9, &err));
    g_assert_nonnull(strstr(err->message, "buf: 5 bytes: at most 4"));
    g_assert_cmpmem(t.buf, 8, "abcd\0\0\0\0", 8);
    g_clear_error(&err);
    g_assert_false(sized_load(&far_vmstate, &t, "x", 1, &err));
    g_assert_nonnull(strstr(err->message, "far: points nowhere"));
    g_clear_error(&err);
    t.far = &byte;
    g_assert_true(sized_load(&far_vmstate, &t, "x", 1, NULL));
    g_assert_cmpint(byte, ==, 'x');
    g_assert_false(sized_load(&deep_vmstate, &t, "", 0, &err));
    g_assert_nonnull(strstr(err->message, "deep: nested too deeply"));
}

static void nothing(void *opaque)
{
}

typedef struct Clocked {
    Timer timer;
} Clocked;

static const Vmstate clocked_vmstate = {
    .name = "clocked",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){ VMSTATE_TIMER(Clocked, timer), VMSTATE_END },
};

static void load_clocked(Clocked *t, uint64_t expire)
{
    uint8_t bytes[8] = { 0 };
    g_autoptr(StreamIn) in = NULL;

    stq_be_p(bytes, expire);
    in = stream_in_new_mem(bytes, sizeof(bytes));
    g_assert_true(vmstate_load(in, &clocked_vmstate, t, 1, NULL));
}

/* All ones: it doesn't run, whatever it did here. */
static void test_timer(void)
{
    Clocks *clocks = clocks_new();
    Clocked t = { 0 };
    VM_LOCK_GUARD();

    timer_init(&t.timer, clocks, CLOCK_TYPE_VIRTUAL, nothing, NULL);
    load_clocked(&t, INT64_MAX);
    g_assert_true(timer_pending(&t.timer));
    load_clocked(&t, UINT64_MAX);
    g_assert_false(timer_pending(&t.timer));
    load_clocked(&t, INT64_MAX - 1);
    g_assert_true(timer_pending(&t.timer));
    timer_del(&t.timer);
    clocks_free(clocks);
}

/* The description's size and type are what analyze-migration.py reads by. */
static void test_timer_described(void)
{
    Clocks *clocks = clocks_new();
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(JsonValue) desc = json_object_new();
    g_autofree char *text = NULL;
    Clocked t = { 0 };
    VM_LOCK_GUARD();

    timer_init(&t.timer, clocks, CLOCK_TYPE_VIRTUAL, nothing, NULL);
    g_assert_true(vmstate_save_desc(out, &clocked_vmstate, &t, desc, NULL));
    g_assert_cmpuint(stream_out_bytes(out), ==, 8);
    text = json_to_string(desc, false);
    g_assert_nonnull(strstr(text, "\"type\": \"timer\""));
    g_assert_nonnull(strstr(text, "\"size\": 8"));
    clocks_free(clocks);
}

static bool never_put(StreamOut *s, const void *field, size_t size,
                      GError **errp)
{
    error_setf(errp, "out of order");
    return false;
}

static unsigned post_saves;

static void count_post_save(void *opaque)
{
    post_saves++;
}

static const VmstateInfo never_info = { .name = "never", .put = never_put };
static const Vmstate failing_vmstate = {
    .name = "inner",
    .version = 1,
    .oldest = 1,
    .post_save = count_post_save,
    .fields =
        (const VmstateField[]){
            { .name = "bad", .kind = VMS_CUSTOM, .info = &never_info },
            VMSTATE_END,
        },
};

/* A field that can't be saved: the error leads there, hooks are paired. */
static void test_save_fails(void)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    uint8_t byte = 0;

    post_saves = 0;
    g_assert_false(vmstate_save(out, &failing_vmstate, &byte, &err));
    g_assert_cmpstr(err->message, ==, "inner: bad: out of order");
    g_assert_cmpuint(post_saves, ==, 1);
}

/* By priority, then as they came. */
static void test_order(void)
{
    static const Vmstate v[] = {
        { .name = "z", .priority = 0 },  { .name = "h", .priority = 2 },
        { .name = "l", .priority = -1 }, { .name = "y", .priority = 0 },
        { .name = "m", .priority = 1 },  { .name = "k", .priority = 2 },
        { .name = "j", .priority = -1 },
    };
    VmstateRegistry *r = vmstate_registry_new();
    g_autoptr(GString) order = g_string_new(NULL);
    unsigned one, two;
    g_autofree char *why = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(v); i++) {
        VmstateEntry *e = vmstate_register(r, NULL, -1, &v[i], NULL);

        g_assert_cmpuint(e->section_id, ==,
                         ((VmstateEntry *)vmstate_find(r, "z", 0))->section_id +
                             i);
        g_assert_cmpuint(e->instance, ==, 0);
    }
    for (GList *l = r->entries.head; l != NULL; l = l->next) {
        g_string_append(order, ((VmstateEntry *)l->data)->idstr);
    }
    g_assert_cmpstr(order->str, ==, "hkmzylj");
    vmstate_unregister(r, NULL);
    g_assert_cmpuint(r->entries.length, ==, G_N_ELEMENTS(v));

    /* Each handle is of one reason; the oldest is told. */
    one = vmstate_add_blocker(r, "one");
    two = vmstate_add_blocker(r, "two");
    g_assert_cmpuint(one, !=, 0);
    g_assert_cmpuint(one, !=, two);
    vmstate_del_blocker(r, 0);
    vmstate_del_blocker(r, two);
    why = vmstate_blocked_reason(r);
    g_assert_cmpstr(why, ==, "one");
    g_free(why);
    two = vmstate_add_blocker(r, "three");
    vmstate_del_blocker(r, one);
    why = vmstate_blocked_reason(r);
    g_assert_cmpstr(why, ==, "three");
    vmstate_del_blocker(r, two);
    g_assert_null(vmstate_blocked_reason(r));
    vmstate_registry_free(r);
    vmstate_registry_free(NULL);
}

static void test_registry(void)
{
    VmstateRegistry *r = vmstate_registry_new();
    static const Vmstate high = { .name = "high", .priority = 1 };
    static const Vmstate bad = { .name = "bad", .unmigratable = true };
    VmstateEntry *a = vmstate_register(r, NULL, -1, &toy_vmstate, NULL);
    VmstateEntry *b = vmstate_register(r, NULL, -1, &toy_vmstate, NULL);
    VmstateEntry *h = vmstate_register(r, "0000:00:01.0", -1, &high, NULL);
    VmstateEntry *u, *first;
    g_autofree char *why = NULL;
    unsigned handle, changes;

    g_assert_cmpuint(a->instance, ==, 0);
    g_assert_cmpuint(b->instance, ==, 1);
    u = vmstate_register(r, "first", 7, &toy_vmstate, NULL);
    first = vmstate_register(r, "first", 0, &toy_vmstate, NULL);
    g_assert_cmpuint(first->instance, ==, 0);
    changes = r->changes;
    vmstate_unregister(r, u);
    g_assert_cmpuint(r->changes, ==, changes + 1);
    g_assert_cmpstr(r->changed, ==, "first/toy");
    g_assert_cmpstr(h->idstr, ==, "0000:00:01.0/high");
    g_assert_true(r->entries.head->data == h);
    g_assert_true(vmstate_find(r, "toy", 1) == b);
    g_assert_null(vmstate_find(r, "toy", 2));
    g_assert_null(vmstate_blocked_reason(r));
    u = vmstate_register(r, NULL, 7, &bad, NULL);
    why = vmstate_blocked_reason(r);
    g_assert_nonnull(strstr(why, "bad"));
    /* In this order, in any, and when the one that would follow has gone. */
    g_assert_true(vmstate_find(r, "0000:00:01.0/high", 0) == h);
    g_assert_true(vmstate_find(r, "toy", 0) == a);
    g_assert_true(vmstate_find(r, "toy", 0) == a);
    g_assert_true(vmstate_find(r, "toy", 1) == b);
    vmstate_unregister(r, u);
    g_assert_null(vmstate_find(r, "bad", 7));
    g_assert_true(vmstate_find(r, "0000:00:01.0/high", 0) == h);
    handle = vmstate_add_blocker(r, "because of %d", 42);
    g_free(why);
    why = vmstate_blocked_reason(r);
    g_assert_cmpstr(why, ==, "because of 42");
    vmstate_del_blocker(r, handle);
    g_assert_null(vmstate_blocked_reason(r));
    vmstate_registry_free(r);
}

/* As several user networks: told apart by their order alone. */
static void test_twins(void)
{
    VmstateRegistry *r = vmstate_registry_new();
    VmstateEntry *a = vmstate_register(r, NULL, 0, &toy_vmstate, NULL);
    VmstateEntry *b = vmstate_register(r, NULL, 0, &toy_vmstate, NULL);

    for (unsigned attempt = 1; attempt < 3; attempt++) {
        r->load_attempt = attempt;
        for (unsigned i = 0; i < 3; i++) {
            g_assert_true(vmstate_find_to_load(r, "toy", 0) == a);
        }
        a->load_attempt = attempt;
        for (unsigned i = 0; i < 3; i++) {
            g_assert_true(vmstate_find_to_load(r, "toy", 0) == b);
        }
        b->load_attempt = attempt;
        g_assert_cmpuint(vmstate_find_to_load(r, "toy", 0)->load_attempt, ==,
                         attempt);
    }
    g_assert_null(vmstate_find_to_load(r, "toy", 1));
    vmstate_registry_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmstate/bytes", test_bytes);
    g_test_add_func("/vmstate/description", test_description);
    g_test_add_func("/vmstate/description-raw", test_description_raw);
    g_test_add_func("/vmstate/counted", test_counted);
    g_test_add_func("/vmstate/load", test_load);
    g_test_add_func("/vmstate/no-subsection", test_no_subsection);
    g_test_add_func("/vmstate/truncated", test_truncated);
    g_test_add_func("/vmstate/hostile", test_hostile);
    g_test_add_func("/vmstate/equal", test_equal);
    g_test_add_func("/vmstate/bounds", test_bounds);
    g_test_add_func("/vmstate/timer", test_timer);
    g_test_add_func("/vmstate/timer-described", test_timer_described);
    g_test_add_func("/vmstate/save-fails", test_save_fails);
    g_test_add_func("/vmstate/order", test_order);
    g_test_add_func("/vmstate/registry", test_registry);
    g_test_add_func("/vmstate/twins", test_twins);
    return g_test_run();
}
