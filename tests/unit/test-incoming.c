/*
 * The destination against a scripted source: the hand-shake and what is wrong
 * with it, the end of the connection at each byte, and in which run state the
 * guest arrives.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/incoming-source.h"

#include <sys/socket.h>

static const uint8_t zero32[4];

static void put_hello(GByteArray *b)
{
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_command_u32(b, WIRE_CMD_PING, WIRE_HELLO);
}

static void hear_greeting(InVm *v, uint64_t features)
{
    uint8_t be[8];

    stq_be_p(be, features);
    in_expect(v, WIRE_RP_FEATURES, be, 8);
    stl_be_p(be, WIRE_HELLO);
    in_expect(v, WIRE_RP_PONG, be, 4);
}

/* One attempt, from SWITCHOVER to the end of file mark. */
static void put_attempt(GByteArray *b, uint32_t attempt, uint8_t fill,
                        uint32_t device)
{
    put_command_u32(b, WIRE_CMD_SWITCHOVER, attempt);
    put_ram_part(b, WIRE_SECTION_END, fill);
    put_device(b, device);
    put_globalstate(b, "running");
    put8(b, WIRE_EOF);
}

/* Everything between two Godwits up to the first attempt's end. */
static void put_godwit(GByteArray *b)
{
    put_head(b);
    put_hello(b);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_ALL);
    put_ram_start(b);
    put_ram_part(b, WIRE_SECTION_PART, 0xaa);
    put_attempt(b, 1, 0xbb, 4711);
}

static void hear_loaded(InVm *v, uint32_t attempt)
{
    g_autofree InWord *w = g_new(InWord, 1);
    uint64_t load_us, cpu_us, most_us = g_get_monotonic_time();

    g_assert_true(in_hear(v, w));
    g_assert_cmphex(w->type, ==, WIRE_RP_LOADED);
    g_assert_cmpuint(w->len, ==, 20);
    g_assert_cmpuint(ldl_be_p(w->data), ==, attempt);
    load_us = ldq_be_p(w->data + 4);
    cpu_us = ldq_be_p(w->data + 12);
    /* Lengths, not instants, and in microseconds. */
    g_assert_cmpuint(load_us, <, most_us);
    g_assert_cmpuint(cpu_us, <, most_us);
}

static void hear_resumed(InVm *v)
{
    g_autofree InWord *w = g_new(InWord, 1);
    uint64_t most_us = g_get_monotonic_time();

    g_assert_true(in_hear(v, w));
    g_assert_cmphex(w->type, ==, WIRE_RP_RESUMED);
    g_assert_cmpuint(w->len, ==, 8);
    g_assert_cmpuint(ldq_be_p(w->data), <, most_us);
}

static void check_statuses(InVm *v, MigrationStatus last)
{
    const MigrationStatus all[] = { MIGRATION_STATUS_SETUP,
                                    MIGRATION_STATUS_ACTIVE, last };

    g_assert_cmpmem(v->statuses->data,
                    v->statuses->len * sizeof(MigrationStatus), all,
                    sizeof(all));
    g_assert_cmpint(migration_status(v->m), ==, last);
}

static void check_arrived(InVm *v, RunState state)
{
    g_assert_cmpstr(run_state_str(in_run_state(v)), ==, run_state_str(state));
    g_assert_cmpuint(v->starts, ==, state == RUN_STATE_RUNNING);
    check_statuses(v, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(v->vm->exit_status, ==, 0);
    g_assert_null(v->m->error_desc);
}

/* The program ends; the error has all of that. */
static void check_failed(InVm *v, const char *what)
{
    check_statuses(v, MIGRATION_STATUS_FAILED);
    g_assert_cmpint(v->vm->exit_status, ==, EXIT_FAILURE);
    g_assert_cmpuint(v->starts, ==, 0);
    g_assert_cmpint(in_run_state(v), ==,
                    v->at_put ? RUN_STATE_PAUSED : RUN_STATE_INMIGRATE);
    g_assert_true(
        g_str_has_prefix(v->m->error_desc, "load of migration failed: "));
    if (strstr(v->m->error_desc, what) == NULL) {
        g_error("'%s' is not in '%s'", what, v->m->error_desc);
    }
}

/* Nobody knows where the guest runs: it stays paused, the program stays. */
static void check_orphaned(InVm *v)
{
    check_statuses(v, MIGRATION_STATUS_FAILED);
    g_assert_cmpint(v->vm->exit_status, ==, 0);
    g_assert_cmpuint(v->starts, ==, 0);
    g_assert_cmpint(in_run_state(v), ==, RUN_STATE_PAUSED);
    g_assert_nonnull(v->m->error_desc);
}

static void check_memory(InVm *v, uint8_t byte)
{
    for (size_t i = 0; i < RAM_PAGE_SIZE; i++) {
        g_assert_cmphex(v->ram.ram->host[i], ==, byte);
    }
    g_assert_cmphex(v->ram.ram->host[RAM_PAGE_SIZE], ==, 0);
}

/* The rest of a migration that goes well. */
static void run_and_check(InVm *v, uint32_t attempt, uint8_t byte,
                          uint32_t device)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    put_command_u32(b, WIRE_CMD_RUN, attempt);
    in_send_bytes(v, b);
    hear_resumed(v);
    in_close(v);
    in_wait_end(v);
    check_arrived(v, RUN_STATE_RUNNING);
    check_memory(v, byte);
    g_assert_cmpuint(v->device, ==, device);
    g_assert_cmpuint(v->device_at_put, ==, device);
    g_assert_cmpuint(v->activated, ==, 1);
}

/* The guest waits for RUN, however long that takes. */
static void test_godwit(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    /* Firmware was there: "absent is zero" has to be made true. */
    memset(v.ram.ram->host, 0x77, SCRIPT_PAGES * RAM_PAGE_SIZE);
    in_connect(&v);
    put_godwit(b);
    in_send_bytes(&v, b);
    hear_greeting(&v, WIRE_F_ALL);
    hear_loaded(&v, 1);
    in_expect_silence(&v);
    g_assert_cmpint(in_run_state(&v), ==, RUN_STATE_INMIGRATE);
    g_assert_cmpuint(v.cpu_puts, ==, 1);
    g_assert_cmpuint(v.activated, ==, 0);
    run_and_check(&v, 1, 0xbb, 4711);
    in_vm_fini(&v);
}

/* The source took the guest back, and comes again. */
static void test_again(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_godwit(b);
    in_send_bytes(&v, b);
    hear_greeting(&v, WIRE_F_ALL);
    hear_loaded(&v, 1);
    g_byte_array_set_size(b, 0);
    put_ram_part(b, WIRE_SECTION_PART, 0xcc);
    put_attempt(b, 2, 0xdd, 42);
    in_send_bytes(&v, b);
    hear_loaded(&v, 2);
    g_assert_cmpuint(v.cpu_puts, ==, 2);
    run_and_check(&v, 2, 0xdd, 42);
    in_vm_fini(&v);
}

/* Another mark with nothing before it: that has been loaded. */
static void test_mark_twice(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_godwit(b);
    put8(b, WIRE_EOF);
    in_send_bytes(&v, b);
    hear_greeting(&v, WIRE_F_ALL);
    hear_loaded(&v, 1);
    run_and_check(&v, 1, 0xbb, 4711);
    g_assert_cmpuint(v.cpu_puts, ==, 1);
    in_vm_fini(&v);
}

/*
 * Between two Godwits the description isn't sent, and what follows RUN isn't
 * looked at; the source may take its time to close.
 */
static void test_behind_run(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_godwit(b);
    put_command_u32(b, WIRE_CMD_RUN, 1);
    put_ram_part(b, WIRE_SECTION_PART, 0xee);
    for (int i = 0; i < 5000; i++) {
        put8(b, 0xff);
    }
    in_send_bytes(&v, b);
    hear_greeting(&v, WIRE_F_ALL);
    hear_loaded(&v, 1);
    hear_resumed(&v);
    in_expect_silence(&v);
    in_send(&v, zero32, sizeof(zero32)); /* the other end is still open */
    in_close(&v);
    in_wait_end(&v);
    check_arrived(&v, RUN_STATE_RUNNING);
    check_memory(&v, 0xbb);
    in_vm_fini(&v);
}

/* SHUT 0, and not before the description is there. */
static void test_plain(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    uint8_t be[4];
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_plain(b, true);
    in_send_bytes(&v, b);
    stl_be_p(be, 99);
    in_expect(&v, WIRE_RP_PONG, be, sizeof(be));
    in_expect_silence(&v);
    g_assert_cmpint(in_run_state(&v), ==, RUN_STATE_RUNNING);
    g_byte_array_set_size(b, 0);
    put_description(b, 1000);
    in_send(&v, b->data, b->len - 1);
    in_expect_silence(&v);
    in_send(&v, b->data + b->len - 1, 1);
    in_expect(&v, WIRE_RP_SHUT, zero32, 4);
    in_expect_silence(&v); /* closing is for the source */
    in_close(&v);
    in_wait_end(&v);
    check_arrived(&v, RUN_STATE_RUNNING);
    check_memory(&v, 0xbb);
    g_assert_cmpuint(v.device, ==, 4711);
    g_assert_cmpuint(v.device_at_put, ==, 4711);
    in_vm_fini(&v);
}

/* Nothing is said to a source that didn't ask, or can't hear. */
static void test_no_return_path(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_plain(b, false);
    put_description(b, 10);
    in_send_bytes(&v, b);
    in_expect_silence(&v);
    in_close(&v);
    in_wait_end(&v);
    check_arrived(&v, RUN_STATE_RUNNING);
    in_vm_fini(&v);

    g_byte_array_set_size(b, 0);
    put_head(b);
    put_hello(b); /* recorded: who listened gave no answer */
    put_ram_start(b);
    put_ram_part(b, WIRE_SECTION_END, 0xbb);
    put_device(b, 1);
    put_globalstate(b, "running");
    put8(b, WIRE_EOF);
    in_vm_init(&v);
    in_connect_pipe(&v);
    in_send_bytes(&v, b);
    in_close(&v);
    in_wait_end(&v);
    check_arrived(&v, RUN_STATE_RUNNING);
    check_memory(&v, 0xbb);
    in_vm_fini(&v);
}

/* As the guest was at the source, and as this side was told to have it. */
static void test_run_states(void)
{
    static const struct {
        const char *at_source;
        RunState here;
        bool no_autostart, bad_activate, late;
        unsigned activated;
    } cases[] = {
        { "running", RUN_STATE_RUNNING, false, false, false, 1 },
        { "running", RUN_STATE_RUNNING, false, false, true, 1 },
        { "running", RUN_STATE_PAUSED, true, false, false, 1 },
        { "running", RUN_STATE_PAUSED, true, false, true, 0 },
        { "running", RUN_STATE_PAUSED, false, true, false, 1 },
        { "paused", RUN_STATE_PAUSED, false, false, false, 1 },
        { "paused", RUN_STATE_PAUSED, false, false, true, 0 },
        { "paused", RUN_STATE_PAUSED, true, false, false, 1 },
        { "suspended", RUN_STATE_SUSPENDED, false, false, false, 1 },
        { "suspended", RUN_STATE_PAUSED, false, true, false, 1 },
        { "shutdown", RUN_STATE_SHUTDOWN, true, false, false, 1 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) b = g_byte_array_new();
        InVm v;

        in_vm_init(&v);
        v.vm->autostart = !cases[i].no_autostart;
        v.bad_activate = cases[i].bad_activate;
        g_assert_true(migration_set_capability(
            v.m, MIGRATION_CAPABILITY_LATE_BLOCK_ACTIVATE, cases[i].late,
            NULL));
        in_connect(&v);
        put_head(b);
        put_ram(b);
        put_device(b, 1);
        put_globalstate(b, cases[i].at_source);
        put8(b, WIRE_EOF);
        put_description(b, 0);
        in_send_bytes(&v, b);
        in_close(&v);
        in_wait_end(&v);
        g_test_message("%zu: %s", i, cases[i].at_source);
        check_arrived(&v, cases[i].here);
        g_assert_cmpuint(v.activated, ==, cases[i].activated);
        in_vm_fini(&v);
    }
}

/* Without a word about it the guest runs. */
static void test_no_globalstate(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_head(b);
    put_ram(b);
    put_device(b, 1);
    put8(b, WIRE_EOF);
    in_send_bytes(&v, b);
    in_close(&v);
    in_wait_end(&v);
    check_arrived(&v, RUN_STATE_RUNNING);
    in_vm_fini(&v);
}

static void test_bad_globalstate(void)
{
    static const struct {
        const char *state, *error;
    } cases[] = {
        { "inmigrate", "run state 'inmigrate' at the source" },
        { "finish-migrate", "run state 'finish-migrate' at the source" },
        { "save-vm", "run state 'save-vm' at the source" },
        { "restore-vm", "run state 'restore-vm' at the source" },
        { "asleep", "unknown run state 'asleep'" },
        { "", "unknown run state ''" },
        { NULL, "run state without an end" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) b = g_byte_array_new();
        InVm v;

        in_vm_init(&v);
        in_connect(&v);
        put_head(b);
        put_ram_start(b);
        put_globalstate(b, cases[i].state ? cases[i].state : "running");
        if (cases[i].state == NULL) {
            b->data[b->len - 6] = 'x'; /* its last byte */
        }
        put8(b, WIRE_EOF);
        in_send_bytes(&v, b);
        in_wait_end(&v);
        check_failed(&v, cases[i].error);
        in_vm_fini(&v);
    }
}

/* What is put behind the header, and what is said about it. */
typedef struct BadCase {
    void (*fill)(GByteArray *b);
    const char *error;
    bool greets; /* answers the hello before */
    bool loads;  /* says LOADED before */
    bool mute;   /* has no return path to say it on */
    void (*at_put)(InVm *v);
} BadCase;

/* Before LOADED the guest stays the source's, whatever was done to it. */
static void pause_at_put(InVm *v)
{
    runstate_set(v->vm, RUN_STATE_PAUSED);
}

static void bad_ping_first(GByteArray *b)
{
    put_command_u32(b, WIRE_CMD_PING, 1);
}

static void bad_hello_late(GByteArray *b)
{
    put_ram_start(b);
    put_hello(b);
}

static void bad_enable_alone(GByteArray *b)
{
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_EXTENTS);
}

static void bad_enable_more(GByteArray *b)
{
    put_hello(b);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_ALL | UINT64_C(1) << 40);
}

static void bad_enable_short(GByteArray *b)
{
    put_hello(b);
    put_command_u32(b, WIRE_CMD_ENABLE, 1);
}

static void bad_ping_short(GByteArray *b)
{
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_command(b, WIRE_CMD_PING, zero32, 3);
}

static void bad_open_long(GByteArray *b)
{
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, zero32, 1);
}

static void bad_command(GByteArray *b)
{
    put_hello(b);
    put_command_u32(b, 77, 0);
}

static void bad_switchover_plain(GByteArray *b)
{
    put_hello(b);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_EXTENTS | WIRE_F_ABSENT);
    put_command_u32(b, WIRE_CMD_SWITCHOVER, 1);
}

static void bad_run_plain(GByteArray *b)
{
    put_hello(b);
    put_command_u32(b, WIRE_CMD_RUN, 0);
}

static void bad_abort_plain(GByteArray *b)
{
    put_hello(b);
    put_command(b, WIRE_CMD_ABORT, NULL, 0);
}

static void bad_run_early(GByteArray *b)
{
    put_hello(b);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_ALL);
    put_ram_start(b);
    put_command_u32(b, WIRE_CMD_SWITCHOVER, 3);
    put_command_u32(b, WIRE_CMD_RUN, 3);
}

static void put_loaded(GByteArray *b)
{
    put_hello(b);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_ALL);
    put_ram_start(b);
    put_attempt(b, 1, 0xbb, 1);
}

static void bad_run_behind_part(GByteArray *b)
{
    put_loaded(b);
    put_ram_part(b, WIRE_SECTION_PART, 0xbb);
    put_command_u32(b, WIRE_CMD_RUN, 1);
}

static void bad_run_behind_switchover(GByteArray *b)
{
    put_loaded(b);
    put_command_u32(b, WIRE_CMD_SWITCHOVER, 2);
    put_command_u32(b, WIRE_CMD_RUN, 2);
}

static void bad_abort(GByteArray *b)
{
    put_loaded(b);
    put_command(b, WIRE_CMD_ABORT, NULL, 0);
}

static void bad_abort_long(GByteArray *b)
{
    put_loaded(b);
    put_ram_part(b, WIRE_SECTION_PART, 0xbb);
    put_command(b, WIRE_CMD_ABORT, zero32, 1);
}

static void bad_no_memory(GByteArray *b)
{
    put_hello(b);
    put_device(b, 1);
    put_globalstate(b, "running");
    put8(b, WIRE_EOF);
}

static const BadCase bad_cases[] = {
    { bad_ping_first, "ping before the return path was opened", .mute = true },
    { bad_hello_late, "greeting behind guest memory" },
    { bad_enable_alone, "features 0x2, offered 0x0" },
    { bad_enable_more, "features 0x10000000007, offered 0x7", true },
    { bad_enable_short, "4 bytes instead of 8", true },
    { bad_ping_short, "3 bytes instead of 4" },
    { bad_open_long, "1 bytes instead of 0", .mute = true },
    { bad_command, "command 77 at offset ", true },
    { bad_command, "not known here", true },
    { bad_switchover_plain, "not agreed on", true },
    { bad_run_plain, "not agreed on", true },
    { bad_abort_plain, "not agreed on", true },
    { bad_run_early, "told to run attempt 3, loaded is 3 in part", true },
    { bad_run_behind_part, "told to run attempt 1, loaded is 1 in part", true,
      true },
    { bad_run_behind_switchover, "told to run attempt 2, loaded is 2 in part",
      true, true },
    { bad_abort, "the source keeps the guest", true, true },
    { bad_abort_long, "1 bytes instead of 0", true, true },
    { bad_no_memory, "end of the stream without guest memory", true },
    { put_loaded, "run state 'paused' instead of inmigrate", true,
      .at_put = pause_at_put },
};

/* The source gets to know why, and may still write. */
static void hear_why(InVm *v, const char *what)
{
    g_autofree InWord *w = g_new(InWord, 1);
    g_autofree uint8_t *rest = g_malloc0(1 << 20);

    g_assert_true(in_hear(v, w));
    g_assert_cmphex(w->type, ==, WIRE_RP_ERROR);
    if (strstr((char *)w->data, what) == NULL) {
        g_error("'%s' is not in '%s'", what, (char *)w->data);
    }
    in_expect_end(v);
    in_send(v, rest, 1 << 20);
}

static void test_bad(gconstpointer opaque)
{
    const BadCase *c = opaque;
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    v.at_put = c->at_put;
    in_connect(&v);
    put_head(b);
    c->fill(b);
    in_send_bytes(&v, b);
    if (c->greets) {
        hear_greeting(&v, WIRE_F_ALL);
    }
    if (c->loads) {
        hear_loaded(&v, 1);
    }
    if (!c->mute) {
        hear_why(&v, c->error);
    }
    in_close(&v);
    in_wait_end(&v);
    check_failed(&v, c->error);
    in_vm_fini(&v);
}

/* RUN of another attempt: who knows what the source thinks. */
static void test_run_other(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_head(b);
    put_loaded(b);
    put_command_u32(b, WIRE_CMD_RUN, 2);
    in_send_bytes(&v, b);
    hear_greeting(&v, WIRE_F_ALL);
    hear_loaded(&v, 1);
    hear_why(&v, "told to run attempt 2, loaded is 1");
    in_close(&v);
    in_wait_end(&v);
    check_orphaned(&v);
    in_vm_fini(&v);
}

/*
 * Somebody has changed the guest's state behind LOADED: it is nowhere else, so
 * it is here, paused.
 */
static void test_not_inmigrate(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_head(b);
    put_loaded(b);
    in_send_bytes(&v, b);
    hear_greeting(&v, WIRE_F_ALL);
    hear_loaded(&v, 1);
    {
        VM_LOCK_GUARD();
        runstate_set(v.vm, RUN_STATE_PAUSED);
    }
    g_byte_array_set_size(b, 0);
    put_command_u32(b, WIRE_CMD_RUN, 1);
    in_send_bytes(&v, b);
    hear_resumed(&v);
    in_close(&v);
    in_wait_end(&v);
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(in_run_state(&v), ==, RUN_STATE_PAUSED);
    g_assert_cmpuint(v.starts, ==, 0);
    g_assert_cmpuint(v.activated, ==, 0);
    in_vm_fini(&v);
}

static void test_cpu_refuses(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    v.bad_put = true;
    in_connect(&v);
    put_head(b);
    put_loaded(b);
    in_send_bytes(&v, b);
    hear_greeting(&v, WIRE_F_ALL);
    hear_why(&v, "the CPU refuses it");
    in_close(&v);
    in_wait_end(&v);
    check_failed(&v, "the CPU refuses it");
    in_vm_fini(&v);
}

/* Memory that can't be made to read as zero: no promise about it. */
static void test_not_pristine(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    v.ram.ram->read_only = true;
    in_connect(&v);
    put_head(b);
    put_hello(b);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_ABSENT);
    in_send_bytes(&v, b);
    hear_greeting(&v, WIRE_F_EXTENTS | WIRE_F_COMMIT);
    hear_why(&v, "features 0x1, offered 0x6");
    in_close(&v);
    in_wait_end(&v);
    check_failed(&v, "features 0x1, offered 0x6");
    v.ram.ram->read_only = false;
    in_vm_fini(&v);
}

/* Who hears all that is said before the end; the words themselves are known. */
static void hear_all(InVm *v, bool *ret_loaded, bool *ret_error)
{
    g_autofree InWord *w = g_new(InWord, 1);

    *ret_loaded = *ret_error = false;
    while (in_hear(v, w)) {
        *ret_loaded |= w->type == WIRE_RP_LOADED;
        *ret_error |= w->type == WIRE_RP_ERROR;
    }
}

/* Steps of a few bytes, single ones where the outcome changes. */
static size_t next_cut(size_t len, size_t open_at, size_t loaded_at)
{
    bool near = ABS((int64_t)len - (int64_t)open_at) < 8 ||
                ABS((int64_t)len - (int64_t)loaded_at) < 8;

    return len + (near || len > loaded_at ? 1 : 5);
}

/* Before LOADED the program ends, behind it the guest waits. */
static void test_cut(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GByteArray) head = g_byte_array_new();
    size_t loaded_at, open_at;

    put_head(head);
    put_command(head, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    open_at = head->len;
    put_godwit(b);
    loaded_at = b->len;
    put_command_u32(b, WIRE_CMD_RUN, 1);
    for (size_t len = 0; len < b->len;
         len = next_cut(len, open_at, loaded_at)) {
        bool loaded, error;
        InVm v;

        in_vm_init(&v);
        in_connect(&v);
        in_send(&v, b->data, len);
        shutdown(v.fd, SHUT_WR);
        hear_all(&v, &loaded, &error);
        in_close(&v);
        in_wait_end(&v);
        g_assert_cmpint(loaded, ==, len >= loaded_at);
        g_assert_cmpint(error, ==, len >= open_at);
        if (len >= loaded_at) {
            check_orphaned(&v);
        } else {
            check_failed(&v, "stream ends");
        }
        in_vm_fini(&v);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/incoming/godwit", test_godwit);
    g_test_add_func("/incoming/again", test_again);
    g_test_add_func("/incoming/mark-twice", test_mark_twice);
    g_test_add_func("/incoming/behind-run", test_behind_run);
    g_test_add_func("/incoming/plain", test_plain);
    g_test_add_func("/incoming/no-return-path", test_no_return_path);
    g_test_add_func("/incoming/run-states", test_run_states);
    g_test_add_func("/incoming/no-globalstate", test_no_globalstate);
    g_test_add_func("/incoming/bad-globalstate", test_bad_globalstate);
    for (size_t i = 0; i < G_N_ELEMENTS(bad_cases); i++) {
        g_autofree char *path = g_strdup_printf("/incoming/bad/%zu", i);

        g_test_add_data_func(path, &bad_cases[i], test_bad);
    }
    g_test_add_func("/incoming/run-other", test_run_other);
    g_test_add_func("/incoming/not-inmigrate", test_not_inmigrate);
    g_test_add_func("/incoming/cpu-refuses", test_cpu_refuses);
    g_test_add_func("/incoming/not-pristine", test_not_pristine);
    g_test_add_func("/incoming/cut", test_cut);
    return g_test_run();
}
