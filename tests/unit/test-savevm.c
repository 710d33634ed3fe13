/*
 * The frames of the stream, byte by byte: header, commands, parts of
 * iterative sections in the order of their rows.
 *
 * Numbers and layout: docs/devel/stream.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/iterative.h"
#include "migration/savevm.h"
#include "migration/wire.h"
#include "util/error.h"

/* What was put since the last look. */
static void check_bytes(StreamOut *s, const char *want, size_t len)
{
    size_t got;
    const uint8_t *data = stream_out_data(s, &got);

    g_assert_cmpmem(data, got, want, len);
    stream_out_reset(s);
}

#define CHECK(s, text) check_bytes(s, text, sizeof(text) - 1)

static void test_header(void)
{
    g_autoptr(StreamOut) s = stream_out_new(NULL);

    savevm_put_header(s, &(StreamConfig){ .machine = "pc-1" });
    CHECK(s, "QEVM\0\0\0\3\7\0\0\0\4pc-1");
}

static void test_command(void)
{
    g_autoptr(StreamOut) s = stream_out_new(NULL);

    savevm_put_command(s, WIRE_CMD_PING, "\1\2\3\4", 4);
    CHECK(s, "\x8\0\2\0\4\1\2\3\4");
    savevm_put_command(s, WIRE_CMD_ABORT, NULL, 0);
    CHECK(s, "\x8\x47\4\0\0");
}

/* What analyze-migration.py has to know of them. */
static void check_description(const char *text)
{
    g_autoptr(JsonValue) top = json_parse(text, -1, NULL);
    JsonValue *devices = json_object_get(top, "devices");
    JsonValue *second;

    g_assert_cmpint(json_array_len(devices), ==, 2);
    second = json_array_at(devices, 1);
    g_assert_cmpstr(json_get_string(json_object_get(second, "name")), ==,
                    "bus/dev");
    g_assert_nonnull(strstr(text, "\"page_size\""));
    g_assert_nonnull(strstr(text, "\"instance_id\""));
}

typedef struct Device {
    uint16_t value;
    bool needed;
} Device;

static bool device_needed(void *opaque)
{
    return ((Device *)opaque)->needed;
}

static const Vmstate device_vmstate = {
    .name = "dev",
    .version = 3,
    .oldest = 3,
    .needed = device_needed,
    .fields = (const VmstateField[]){ VMSTATE_U16(Device, value), VMSTATE_END },
};

static uint64_t large_max(const void *opaque)
{
    return 65 * MiB;
}

static const VmstateField large_fields[] = { VMSTATE_UNUSED(65 * MiB),
                                             VMSTATE_END };

/* A device may say that it has more state than others. */
static void test_large(void)
{
    static const Vmstate plain = {
        .name = "large", .version = 1, .oldest = 1, .fields = large_fields
    };
    static const Vmstate larger = { .name = "large",
                                    .version = 1,
                                    .oldest = 1,
                                    .max_bytes = large_max,
                                    .fields = large_fields };

    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(StreamOut) s = stream_out_new(NULL);
        VmstateRegistry *r = vmstate_registry_new();
        const Vmstate *vms = i == 0 ? &plain : &larger;
        VmstateEntry *e = vmstate_register(r, NULL, -1, vms, &r);
        g_autoptr(GError) err = NULL;

        g_assert_true(savevm_save_devices(s, r, NULL, &err) == (i == 1));
        if (i == 0) {
            g_assert_nonnull(strstr(err->message, "more than 64 MiB"));
        }
        vmstate_unregister(r, e);
        vmstate_registry_free(r);
    }
}

static bool refuse_save(void *opaque, GError **errp)
{
    error_setf(errp, "not now");
    return false;
}

static const Vmstate refusing_vmstate = {
    .name = "no",
    .version = 1,
    .oldest = 1,
    .pre_save = refuse_save,
    .fields = (const VmstateField[]){ VMSTATE_END },
};

/* Each section with its frame, in order; what isn't needed is left out. */
static void test_devices(void)
{
    VmstateRegistry *r = vmstate_registry_new();
    g_autoptr(StreamOut) s = stream_out_new(NULL);
    Device a = { 0x1122, true }, b = { 0x3344, true }, c = { 0, false };
    VmstateEntry *ea = vmstate_register(r, NULL, -1, &device_vmstate, &a);
    VmstateEntry *eb = vmstate_register(r, "bus", 5, &device_vmstate, &b);
    g_autofree char *text = NULL;

    vmstate_register(r, "none", 0, &device_vmstate, &c);
    ea->section_id = 0x1020304;
    eb->section_id = 9;
    stream_put_be32(s, 0); /* gone afterwards */
    g_assert_true(savevm_save_devices(s, r, NULL, NULL));
    CHECK(s, "\4\1\2\3\4\3dev\0\0\0\0\0\0\0\3\x11\x22\x7e\1\2\3\4"
             "\4\0\0\0\x9\7bus/dev\0\0\0\5\0\0\0\3\x33\x44\x7e\0\0\0\x9");
    g_assert_true(savevm_save_devices(s, r, &text, NULL));
    g_assert_cmpuint(stream_out_bytes(s), ==, 24 + 28);
    check_description(text);
    vmstate_registry_free(r);
}

static void test_description(void)
{
    g_autoptr(StreamOut) s = stream_out_new(NULL);

    savevm_put_description(s, "{\"a\":1}");
    CHECK(s, "\6\0\0\0\7{\"a\":1}");
}

static void test_refused(void)
{
    VmstateRegistry *r = vmstate_registry_new();
    g_autoptr(StreamOut) s = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;

    vmstate_register(r, NULL, 7, &refusing_vmstate, NULL);
    g_assert_false(savevm_save_devices(s, r, &text, &err));
    g_assert_nonnull(strstr(err->message, "section 'no' instance 7: "));
    g_assert_nonnull(strstr(err->message, "not now"));
    g_assert_null(text);
    vmstate_registry_free(r);
}

static const Vmstate outer_vmstate = {
    .name = "outer",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_END },
    .subsections = (const Vmstate *const[]){ &refusing_vmstate, NULL },
};

static const Vmstate holder_vmstate = {
    .name = "holder",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            { .name = "in",
              .kind = VMS_STRUCT,
              .vms = &refusing_vmstate,
              .size = 1 },
            VMSTATE_END,
        },
};

/* What refuses inside of something else, described or not. */
static void test_refused_inside(void)
{
    const Vmstate *const holders[] = { &outer_vmstate, &holder_vmstate };

    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(holders); i++) {
        g_autoptr(StreamOut) s = stream_out_new(NULL);
        g_autoptr(JsonValue) desc = i % 2 ? json_object_new() : NULL;
        g_autoptr(GError) err = NULL;
        uint8_t byte = 0;

        g_assert_false(vmstate_save_desc(s, holders[i / 2], &byte, desc, &err));
        g_assert_nonnull(strstr(err->message, "not now"));
    }
}

/* ---- toy rows that note what is asked of them ---------------------------- */

static struct {
    GString *calls;
    StreamOut *out;
    const char *fails; /* the call that is to fail */
    uint64_t paced;
} toy;

static bool toy_call(void *opaque, const char *what, GError **errp)
{
    g_autofree char *call = g_strdup_printf("%s%s", (char *)opaque, what);

    g_string_append_printf(toy.calls, " %s", call);
    if (g_strcmp0(toy.fails, call) == 0) {
        error_setf(errp, "%s fails", call);
        return false;
    }
    return true;
}

static void *setup_row(const IterativeEnv *env, const char *row, GError **errp)
{
    stream_put_u8(env->out, 's');
    toy.out = env->out;
    return toy_call((void *)row, "setup", errp) ? (void *)row : NULL;
}

static void *a_setup(const IterativeEnv *env, GError **errp)
{
    return setup_row(env, "a", errp);
}

static void *b_setup(const IterativeEnv *env, GError **errp)
{
    return setup_row(env, "b", errp);
}

static uint64_t toy_pending(void *opaque, bool last)
{
    toy_call(opaque, last ? "last" : "pending", NULL);
    return *(char *)opaque == 'a' ? 1000 : 7;
}

static bool toy_iterate(void *opaque, GError **errp)
{
    stream_put_u8(toy.out, 'i');
    return toy_call(opaque, "iterate", errp);
}

static bool toy_complete(void *opaque, GError **errp)
{
    stream_put_u8(toy.out, 'c');
    return toy_call(opaque, "complete", errp);
}

static void toy_stats(const void *opaque, RamSendStats *stats)
{
    stats->total_bytes += *(const char *)opaque == 'a' ? 1000 : 7;
}

static void toy_cleanup(void *opaque)
{
    toy_call(opaque, "cleanup", NULL);
}

static bool toy_pace(void *opaque, uint64_t bytes, GError **errp)
{
    toy.paced = bytes;
    return toy_call(opaque, "pace", errp);
}

static const IterativeOps row_a = {
    .name = "aa",
    .version = 4,
    .section_id = 2,
    .setup = a_setup,
    .pending = toy_pending,
    .iterate = toy_iterate,
    .complete = toy_complete,
    .stats = toy_stats,
    .cleanup = toy_cleanup,
};
static const IterativeOps row_b = {
    .name = "b",
    .version = 1,
    .section_id = 0x103,
    .setup = b_setup,
    .pending = toy_pending,
    .iterate = toy_iterate,
    .complete = toy_complete,
    .stats = toy_stats,
    .cleanup = toy_cleanup,
};
static const IterativeOps *const rows[] = { &row_a, &row_b };

typedef struct Toy {
    IterativeEnv env;
    IterativeSet *set;
} Toy;

static void toy_init(Toy *t, const char *fails)
{
    t->env = (IterativeEnv){
        .out = stream_out_new(NULL),
        .opts = { .pace = toy_pace, .opaque = (void *)"" },
    };
    toy.calls = g_string_new(NULL);
    toy.fails = fails;
    t->set = iterative_new(rows, G_N_ELEMENTS(rows), &t->env);
}

static void toy_fini(Toy *t)
{
    stream_out_free(t->env.out);
    g_string_free(toy.calls, true);
}

static void check_calls(const char *want)
{
    g_assert_cmpstr(toy.calls->str, ==, want);
    g_string_truncate(toy.calls, 0);
}

/* Flushing into memory does nothing, so all that was put can be seen. */
static void test_rows(void)
{
    RamSendStats st;
    Toy t;

    toy_init(&t, NULL);
    iterative_stats(t.set, &st);
    g_assert_cmpuint(st.total_bytes, ==, 0);
    g_assert_true(iterative_setup(t.set, NULL));
    check_calls(" asetup bsetup");
    CHECK(t.env.out, "\1\0\0\0\2\2aa\0\0\0\0\0\0\0\4s\x7e\0\0\0\2"
                     "\1\0\0\1\3\1b\0\0\0\0\0\0\0\1s\x7e\0\0\1\3");
    g_assert_cmpuint(iterative_pending(t.set, false), ==, 1007);
    check_calls(" apending bpending");
    g_assert_true(iterative_pass(t.set, NULL));
    check_calls(" aiterate biterate pace");
    g_assert_cmpuint(toy.paced, ==, 22);
    CHECK(t.env.out, "\2\0\0\0\2i\x7e\0\0\0\2\2\0\0\1\3i\x7e\0\0\1\3");
    g_assert_cmpuint(iterative_pending(t.set, true), ==, 1007);
    check_calls(" alast blast");
    g_assert_true(iterative_complete(t.set, NULL));
    check_calls(" acomplete bcomplete");
    CHECK(t.env.out, "\3\0\0\0\2"
                     "c\x7e\0\0\0\2\3\0\0\1\3"
                     "c\x7e\0\0\1\3");
    iterative_stats(t.set, &st);
    g_assert_cmpuint(st.total_bytes, ==, 1007);
    iterative_free(t.set);
    check_calls(" acleanup bcleanup");
    toy_fini(&t);
}

/* A row that fails: nobody behind it is asked, what was set up is let go. */
static void check_failure(const char *fails, const char *calls)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *text = g_strdup_printf("%s fails", fails);
    Toy t;
    bool ok;

    g_test_message("%s", fails);
    toy_init(&t, fails);
    ok = iterative_setup(t.set, &err) && iterative_pass(t.set, &err) &&
         iterative_complete(t.set, &err);
    g_assert_false(ok);
    g_assert_cmpstr(err->message, ==, text);
    /* In the middle of a part that has no end nothing more can be said. */
    g_assert_cmpint(stream_out_check(t.env.out, NULL), ==,
                    strstr(fails, "setup") == NULL);
    iterative_free(t.set);
    check_calls(calls);
    toy_fini(&t);
}

static void test_failures(void)
{
    check_failure("asetup", " asetup");
    check_failure("bsetup", " asetup bsetup acleanup");
    check_failure("aiterate", " asetup bsetup aiterate acleanup bcleanup");
    check_failure("pace", " asetup bsetup aiterate biterate pace acleanup "
                          "bcleanup");
    check_failure("acomplete", " asetup bsetup aiterate biterate pace "
                               "acomplete acleanup bcleanup");
    check_failure("bcomplete", " asetup bsetup aiterate biterate pace "
                               "acomplete bcomplete acleanup bcleanup");
}

static void test_find(void)
{
    size_t n;
    const IterativeOps *const *all = iterative_rows(&n);

    g_assert_cmpuint(n, >=, 1);
    for (size_t i = 0; i < n; i++) {
        g_assert_true(iterative_find(all[i]->name) == all[i]);
    }
    g_assert_cmpuint(iterative_find("ram")->section_id, ==, 2);
    g_assert_cmpuint(iterative_find("ram")->version, ==, 4);
    g_assert_null(iterative_find("ra"));
    iterative_free(NULL);
}

static bool huge_put(StreamOut *s, const void *field, size_t size,
                     GError **errp)
{
    g_autofree uint8_t *zeros = g_malloc0(MiB);

    for (unsigned i = 0; i < *(const unsigned *)field; i++) {
        stream_put(s, zeros, MiB);
    }
    return true;
}

static const VmstateInfo huge_info = { .name = "huge", .put = huge_put };

static const Vmstate huge_vmstate = {
    .name = "huge",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            { .name = "megabytes", .kind = VMS_CUSTOM, .info = &huge_info },
            VMSTATE_END },
};

/* No more than a destination takes; and the error names who it is. */
static void test_too_large(void)
{
    VmstateRegistry *r = vmstate_registry_new();
    unsigned megabytes = 63;
    VM_LOCK_GUARD();

    vmstate_register(r, NULL, 3, &huge_vmstate, &megabytes);
    for (; megabytes <= 64; megabytes++) {
        g_autoptr(StreamOut) s = stream_out_new(NULL);
        g_autoptr(GError) err = NULL;
        bool ok = savevm_save_devices(s, r, NULL, &err);

        g_assert_cmpint(ok, ==, megabytes == 63);
        if (!ok) {
            g_assert_cmpstr(err->message, ==,
                            "section 'huge' instance 3: more than 64 MiB of "
                            "device state");
        }
    }
    vmstate_registry_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/savevm/header", test_header);
    g_test_add_func("/savevm/command", test_command);
    g_test_add_func("/savevm/devices", test_devices);
    g_test_add_func("/savevm/description", test_description);
    g_test_add_func("/savevm/refused", test_refused);
    g_test_add_func("/savevm/refused-inside", test_refused_inside);
    g_test_add_func("/iterative/rows", test_rows);
    g_test_add_func("/iterative/failures", test_failures);
    g_test_add_func("/iterative/find", test_find);
    g_test_add_func("/savevm/too-large", test_too_large);
    g_test_add_func("/savevm/large", test_large);
    return g_test_run();
}
