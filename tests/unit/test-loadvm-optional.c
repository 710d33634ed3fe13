/*
 * Devices and subsections that may be missing: one attempt of the source sends
 * them, the next one doesn't, and then they are as if they had never come.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/savevm.h"
#include "migration/wire.h"
#include "system/clock.h"
#include "tests/unit/loadvm-script.h"
#include "util/error.h"
#include "util/lock.h"

enum { ALWAYS = 3, OPTIONAL_ID = 7, EXTRA = 0x22222222, CMD_LAST = 0x1234 };

/* Between neighbours that no field is. */
typedef struct Optional {
    uint8_t before;
    uint32_t value;
    bool flag;
    uint8_t gap, array[3], gap2;
    uint64_t wide;
    uint32_t equal, custom, after;
    uint32_t nested;
    uint32_t extra; /* of the subsection */
    bool flag_after;
    Timer runs, stands; /* at first */
} Optional;

enum { RUNS_UNTIL = 12345, LOADED_UNTIL = 77777 };

static bool optional_needed(void *opaque)
{
    return true;
}

static bool custom_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    *(uint32_t *)field = stream_get_be32(s);
    return true;
}

static const VmstateInfo custom_info = { .name = "custom", .get = custom_get };

static const Vmstate extra_vmstate = {
    .name = "optional/extra",
    .version = 1,
    .oldest = 1,
    .needed = optional_needed,
    .fields =
        (const VmstateField[]){ VMSTATE_U32(Optional, extra), VMSTATE_END },
};

static const Vmstate nested_vmstate = {
    .name = "nested",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            { .name = "deep", .kind = VMS_U32, .size = sizeof(uint32_t) },
            VMSTATE_END,
        },
};

static const Vmstate optional_vmstate = {
    .name = "optional",
    .version = 1,
    .oldest = 1,
    .needed = optional_needed,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(Optional, value),
            VMSTATE_BOOL(Optional, flag),
            VMSTATE_UNUSED(2),
            VMSTATE_BUFFER(Optional, array),
            VMSTATE_U64(Optional, wide),
            VMSTATE_FIELD_(Optional, equal, VMS_U32_EQUAL),
            { .name = "custom",
              .kind = VMS_CUSTOM,
              .offset = offsetof(Optional, custom),
              .size = sizeof(uint32_t),
              .info = &custom_info },
            { .name = "nested",
              .kind = VMS_STRUCT,
              .offset = offsetof(Optional, nested),
              .size = sizeof(uint32_t),
              .vms = &nested_vmstate },
            VMSTATE_TIMER(Optional, runs),
            VMSTATE_TIMER(Optional, stands),
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &extra_vmstate, NULL },
};

/* Always there, but its subsection may be missing. */
static const Vmstate always_vmstate = {
    .name = "always",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){ VMSTATE_U32(Optional, value), VMSTATE_END },
    .subsections = (const Vmstate *const[]){ &extra_vmstate, NULL },
};

static const Optional initial = {
    .before = 0xb1,
    .value = 0xb2b2b2b2,
    .flag = true,
    .gap = 0xb3,
    .array = { 0xb4, 0xb5, 0xb6 },
    .gap2 = 0xb7,
    .wide = 0xb8b8b8b8b8b8b8b8,
    .equal = 0xb9b9b9b9,
    .custom = 0xbabababa,
    .after = 0xbbbbbbbb,
    .nested = 0xbdbdbdbd,
    .extra = 0xbcbcbcbc,
    .flag_after = true,
};

static void put_extra(GByteArray *b)
{
    put8(b, 0x05);
    put_name(b, "optional/extra");
    put32(b, 1);
    put32(b, EXTRA);
}

static void put_optional(GByteArray *b)
{
    static const uint8_t array[] = { 1, 2, 3 };

    put_section(b, WIRE_SECTION_FULL, OPTIONAL_ID, "optional", 0, 1);
    put32(b, 0x11111111);
    put8(b, false);
    put16(b, 0);
    put(b, array, sizeof(array));
    put64(b, 0x3333333333333333);
    put32(b, initial.equal);
    put32(b, 0x44444444);
    put32(b, 0x55555555);
    put64(b, UINT64_MAX); /* it stands */
    put64(b, LOADED_UNTIL);
    put_extra(b);
    put_footer(b, OPTIONAL_ID);
}

static void put_always(GByteArray *b, unsigned i, uint32_t value, bool extra)
{
    put_section(b, WIRE_SECTION_FULL, OPTIONAL_ID + 1, "always", i, 1);
    put32(b, value);
    if (extra) {
        put_extra(b);
    }
    put_footer(b, OPTIONAL_ID + 1);
}

/* What separates two attempts: the guest ran at the source meanwhile. */
static void put_part(GByteArray *b, uint8_t type)
{
    if (type == WIRE_SECTION_START) {
        put_section(b, type, 1, "part", 0, 1);
    } else {
        put8(b, type);
        put32(b, 1);
    }
    put_footer(b, 1);
}

static bool part_load(void *opaque, StreamIn *s, uint32_t version,
                      GError **errp)
{
    return true;
}

typedef struct World {
    VmstateRegistry *registry;
    Optional optional, always;
    Optional seen[4]; /* the first at each end of file mark */
    Optional seen_always[4];
    unsigned completed;
} World;

static bool on_complete(void *opaque, bool *ret_more, GError **errp)
{
    World *w = opaque;

    g_assert_cmpuint(w->completed, <, G_N_ELEMENTS(w->seen));
    w->seen[w->completed] = w->optional;
    w->seen_always[w->completed++] = w->always;
    *ret_more = true;
    return true;
}

static bool on_begin(void *opaque, uint16_t cmd, uint16_t len, GError **errp)
{
    return true;
}

static bool on_command(void *opaque, uint16_t cmd, const uint8_t *data,
                       uint16_t len, bool *ret_more, GError **errp)
{
    *ret_more = cmd != CMD_LAST;
    return true;
}

static void nothing(void *opaque)
{
}

static bool try_run(World *w, const GByteArray *b, GError **errp)
{
    static const IterativeOps part = { .name = "part",
                                       .version = 1,
                                       .load = part_load };
    const LoadvmRow row = { &part, NULL };
    const LoadvmOps ops = { .command_begins = on_begin,
                            .command = on_command,
                            .complete = on_complete,
                            .opaque = w };
    g_autoptr(StreamIn) in = stream_in_new_mem(b->data, b->len);
    Clocks *clocks;
    bool ok;

    memset(w, 0, sizeof(*w));
    w->optional = w->always = initial;
    vm_lock_acquire();
    clocks = clocks_new();
    timer_init(&w->optional.runs, clocks, CLOCK_TYPE_VIRTUAL, nothing, NULL);
    timer_init(&w->optional.stands, clocks, CLOCK_TYPE_VIRTUAL, nothing, NULL);
    timer_mod(&w->optional.runs, RUNS_UNTIL);
    w->registry = vmstate_registry_new();
    vmstate_register(w->registry, NULL, 0, &optional_vmstate, &w->optional);
    for (int i = 0; i < ALWAYS; i++) {
        vmstate_register(w->registry, NULL, i, &always_vmstate, &w->always);
    }
    vm_lock_release();
    ok = loadvm_run(in, w->registry, &row, 1, &script_config, &ops, errp);
    vm_lock_acquire();
    vmstate_registry_free(w->registry);
    timer_del(&w->optional.runs);
    timer_del(&w->optional.stands);
    clocks_free(clocks);
    vm_lock_release();
    return ok;
}

static void run(World *w, const GByteArray *b)
{
    GError *err = NULL;

    try_run(w, b, &err);
    g_assert_no_error(err);
}

static void check_fields(const Optional *o, const Optional *want)
{
    g_assert_cmphex(o->before, ==, want->before);
    g_assert_cmphex(o->value, ==, want->value);
    g_assert_cmpint(o->flag, ==, want->flag);
    g_assert_cmphex(o->gap, ==, want->gap);
    g_assert_cmpmem(o->array, sizeof(o->array), want->array,
                    sizeof(want->array));
    g_assert_cmphex(o->gap2, ==, want->gap2);
    g_assert_cmphex(o->wide, ==, want->wide);
    g_assert_cmphex(o->equal, ==, want->equal);
    g_assert_cmphex(o->custom, ==, want->custom);
    g_assert_cmphex(o->after, ==, want->after);
    g_assert_cmphex(o->nested, ==, want->nested);
    g_assert_cmphex(o->extra, ==, want->extra);
    g_assert_cmpint(o->flag_after, ==, want->flag_after);
}

static void check_loaded(const Optional *o)
{
    Optional want = initial;

    want.value = 0x11111111;
    want.flag = false;
    memcpy(want.array, "\1\2\3", sizeof(want.array));
    want.wide = 0x3333333333333333;
    want.custom = 0x44444444;
    want.nested = 0x55555555;
    want.extra = EXTRA;
    check_fields(o, &want);
}

/* Code of its own has stored `custom`: who does that puts it back, too. */
static void check_initial(const Optional *o, uint32_t custom)
{
    Optional want = initial;

    want.custom = custom;
    check_fields(o, &want);
}

static void put_attempt(GByteArray *b, bool optional, uint32_t value)
{
    put_part(b, WIRE_SECTION_END);
    if (optional) {
        put_optional(b);
    }
    for (unsigned i = 0; i < ALWAYS; i++) {
        put_always(b, i, value, optional);
    }
    put8(b, WIRE_EOF);
}

/* It comes, comes no more, stays away, and comes again. */
static void test_comes_no_more(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    World w;

    put_head(b);
    put_part(b, WIRE_SECTION_START);
    put_attempt(b, true, 1);
    put_attempt(b, false, 2);
    put_attempt(b, false, 3);
    put_attempt(b, true, 4);
    put8(b, WIRE_COMMAND);
    put16(b, CMD_LAST);
    put16(b, 0);
    run(&w, b);
    g_assert_cmpuint(w.completed, ==, 4);
    for (unsigned i = 0; i < 4; i++) {
        bool came = i == 0 || i == 3;

        g_test_message("attempt %u", i);
        if (came) {
            check_loaded(&w.seen[i]);
            g_assert_cmpint(w.seen[i].runs.expire_ns, <, 0);
            g_assert_cmpint(w.seen[i].stands.expire_ns, ==, LOADED_UNTIL);
        } else {
            g_assert_cmpint(w.seen[i].runs.expire_ns, ==, RUNS_UNTIL);
            g_assert_cmpint(w.seen[i].stands.expire_ns, <, 0);
            check_initial(&w.seen[i], 0x44444444);
        }
        g_assert_cmphex(w.seen_always[i].value, ==, i + 1);
        g_assert_cmphex(w.seen_always[i].extra, ==,
                        came ? EXTRA : initial.extra);
    }
}

/* What never came isn't touched: it may have been changed since. */
static void test_never_came(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    World w;

    put_head(b);
    put_part(b, WIRE_SECTION_START);
    put_attempt(b, false, 1);
    put_attempt(b, false, 2);
    put8(b, WIRE_COMMAND);
    put16(b, CMD_LAST);
    put16(b, 0);
    run(&w, b);
    g_assert_cmpuint(w.completed, ==, 2);
    check_initial(&w.seen[1], initial.custom);
    g_assert_cmphex(w.seen_always[1].value, ==, 2);
}

/* One that can't be read behind one that is missing: both are said. */
static void test_missing(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    World w;

    put_head(b);
    put_always(b, 0, 1, false);
    put_section(b, WIRE_SECTION_FULL, OPTIONAL_ID + 1, "always", 2, 99);
    g_assert_false(try_run(&w, b, &err));
    g_assert_nonnull(strstr(err->message, "no instance 1"));
    g_assert_nonnull(strstr(err->message, "version 99"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loadvm-optional/comes-no-more", test_comes_no_more);
    g_test_add_func("/loadvm-optional/never-came", test_never_came);
    g_test_add_func("/loadvm-optional/missing", test_missing);
    return g_test_run();
}
