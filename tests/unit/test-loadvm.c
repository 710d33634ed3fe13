/*
 * The loader of migration streams, fed with scripted ones: whole, cut, in
 * pieces with a source that stalls, and wrong in every way that has a name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "io/socket.h"
#include "migration/ram-load.h"
#include "migration/ram.h"
#include "migration/savevm.h"
#include "migration/wire.h"
#include "tests/unit/loadvm-script.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/thread.h"

enum {
    BLOB_MAX = 32 << 20,
    CMD_LAST = 0x1234, /* the script's own: ends the load */
    CMD_LEN = 3,
};

typedef struct Inner {
    uint32_t value;
    unsigned *order; /* shared: hooks that have run */
    unsigned at;
} Inner;

typedef struct Toy {
    uint8_t tag;
    uint16_t count;
    uint32_t items[8];
    Inner inner;
    uint32_t sub;
    uint32_t blob_len;
    uint8_t *blob;
    uint8_t last;
    unsigned pre_loads, post_loads, order, at;
} Toy;

static bool inner_post_load(void *opaque, int version, GError **errp)
{
    Inner *i = opaque;

    i->at = ++*i->order;
    if (i->value == UINT32_MAX) {
        error_setf(errp, "value is out of range");
        return false;
    }
    return true;
}

static const Vmstate inner_vmstate = {
    .name = "inner",
    .version = 1,
    .oldest = 1,
    .post_load = inner_post_load,
    .fields = (const VmstateField[]){ VMSTATE_U32(Inner, value), VMSTATE_END },
};

static const Vmstate sub_vmstate = {
    .name = "toy/sub",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_U32(Toy, sub), VMSTATE_END },
};

static bool toy_pre_load(void *opaque, GError **errp)
{
    ((Toy *)opaque)->pre_loads++;
    return true;
}

static bool toy_post_load(void *opaque, int version, GError **errp)
{
    Toy *t = opaque;

    t->post_loads++;
    t->at = ++t->order;
    return true;
}

static const Vmstate toy_vmstate = {
    .name = "toy",
    .version = 3,
    .oldest = 2,
    .pre_load = toy_pre_load,
    .post_load = toy_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(Toy, tag),
            VMSTATE_U16(Toy, count),
            { .name = "items",
              .kind = VMS_U32,
              .offset = offsetof(Toy, items),
              .size = 4,
              .num_offset = offsetof(Toy, count),
              .num_max = 8,
              .flags = VMF_VARRAY_U16 },
            VMSTATE_STRUCT(Toy, inner, inner_vmstate, 1),
            VMSTATE_U32(Toy, blob_len),
            { .name = "blob",
              .kind = VMS_BUFFER,
              .offset = offsetof(Toy, blob),
              .num_offset = offsetof(Toy, blob_len),
              .num_max = BLOB_MAX,
              .flags = VMF_POINTER | VMF_VSIZE_U32 | VMF_ALLOC },
            VMSTATE_U8(Toy, last),
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &sub_vmstate, NULL },
};

typedef struct World {
    Memory mem;
    MemoryRegion ram;
    VmstateRegistry *registry;
    Toy toy[2];
    unsigned parts, commands, completed;
    uint8_t part_types[16];
    bool go_on; /* behind the end of file mark, as after LOADED */
} World;

static void world_init(World *w)
{
    GError *err = NULL;
    VM_LOCK_GUARD();

    memory_init(&w->mem);
    g_assert_true(memory_region_init_ram(&w->ram, &w->mem, "pc.ram",
                                         SCRIPT_PAGES * RAM_PAGE_SIZE, &err));
    w->registry = vmstate_registry_new();
    for (int i = 0; i < 2; i++) {
        w->toy[i].inner.order = &w->toy[i].order;
        vmstate_register(w->registry, NULL, i, &toy_vmstate, &w->toy[i]);
    }
    vmstate_register(w->registry, NULL, 0, VMSTATE_NONE, NULL);
}

static void world_fini(World *w)
{
    VM_LOCK_GUARD();

    vmstate_registry_free(w->registry);
    memory_region_fini(&w->ram);
    memory_fini(&w->mem);
    g_free(w->toy[0].blob);
    g_free(w->toy[1].blob);
}

static bool on_begin(void *opaque, uint16_t cmd, uint16_t len, GError **errp)
{
    if (cmd != CMD_LAST || len != CMD_LEN) {
        error_setf(errp, "refused with %u bytes", len);
        return false;
    }
    return true;
}

static bool on_command(void *opaque, uint16_t cmd, const uint8_t *data,
                       uint16_t len, bool *ret_more, GError **errp)
{
    World *w = opaque;

    g_assert_cmpmem(data, len, "abc", 3);
    w->commands++;
    *ret_more = false;
    return true;
}

static void on_part(void *opaque, uint8_t type)
{
    World *w = opaque;

    g_assert_cmpuint(w->parts, <, G_N_ELEMENTS(w->part_types));
    w->part_types[w->parts++] = type;
}

static bool on_complete(void *opaque, bool *ret_more, GError **errp)
{
    World *w = opaque;

    w->completed++;
    *ret_more = w->go_on;
    return true;
}

static bool run(World *w, StreamIn *in, GError **errp)
{
    g_autoptr(RamLoad) ram = ram_load_new(&w->mem);
    const LoadvmRow row = { &ram_iterative, ram };
    const LoadvmOps ops = { .command_begins = on_begin,
                            .command = on_command,
                            .part = on_part,
                            .complete = on_complete,
                            .opaque = w };

    return loadvm_run(in, w->registry, &row, 1, &script_config, &ops, errp);
}

static void check_toy(const Toy *t)
{
    g_assert_cmpuint(t->tag, ==, 0x11);
    g_assert_cmpuint(t->count, ==, 3);
    g_assert_cmpuint(t->items[2], ==, 102);
    g_assert_cmpuint(t->inner.value, ==, 0x22222222);
    g_assert_cmpmem(t->blob, t->blob_len, "012", 3);
    g_assert_cmpuint(t->last, ==, 0x44);
    g_assert_cmpuint(t->sub, ==, 0x55555555);
    g_assert_cmpuint(t->pre_loads, >=, 1);
    g_assert_cmpuint(t->post_loads, ==, 1);
    g_assert_cmpuint(t->inner.at, ==, 1); /* inner ones first */
    g_assert_cmpuint(t->at, ==, 2);
}

static void check_good(const World *w)
{
    static const uint8_t types[] = { WIRE_SECTION_START, WIRE_SECTION_PART,
                                     WIRE_SECTION_END };

    g_assert_cmpuint(w->completed, ==, 1);
    g_assert_cmpmem(w->part_types, w->parts, types, sizeof(types));
    g_assert_cmpuint(w->ram.ram->host[0], ==, 0xbb);
    check_toy(&w->toy[0]);
    check_toy(&w->toy[1]);
}

static bool run_mem(World *w, const GByteArray *b, size_t len, GError **errp)
{
    g_autofree uint8_t *copy = g_memdup2(b->data, len);
    g_autoptr(StreamIn) in = stream_in_new_mem(copy, len);

    return run(w, in, errp);
}

static void test_good(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    GError *err = NULL;
    World w = { 0 };

    world_init(&w);
    put_good(b);
    g_assert_true(run_mem(&w, b, b->len, &err));
    g_assert_no_error(err);
    check_good(&w);
    world_fini(&w);
}

/* At every byte: an error that says where, and no device half accepted. */
static void test_cut(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    put_good(b);
    for (size_t len = 0; len < b->len; len++) {
        g_autofree char *where = g_strdup_printf("offset %zu:", len);
        g_autoptr(GError) err = NULL;
        World w = { 0 };

        world_init(&w);
        g_assert_false(run_mem(&w, b, len, &err));
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, where));
        g_assert_nonnull(strstr(err->message, "stream ends"));
        g_assert_cmpuint(w.completed, ==, 0);
        g_assert_cmpuint(w.toy[1].post_loads, <=, w.toy[0].post_loads);
        world_fini(&w);
    }
}

/* A source on the other end of a socket, which the test writes for. */
typedef struct Scripted {
    World w;
    IoChannel *ch;
    int fd;
    Thread thread;
    GError *err;
    bool ok, ended; /* ended: atomic */
} Scripted;

static void *scripted_load(void *opaque)
{
    Scripted *s = opaque;
    StreamIn *in = stream_in_new(s->ch);

    s->ok = run(&s->w, in, &s->err);
    stream_in_free(in);
    __atomic_store_n(&s->ended, true, __ATOMIC_RELEASE);
    return NULL;
}

static void scripted_start(Scripted *s)
{
    int fds[2];

    world_init(&s->w);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    s->fd = fds[0];
    s->ch = io_channel_new_socket(fds[1], "source", &s->err);
    g_assert_true(thread_create(&s->thread, "load", scripted_load, s, &s->err));
}

static void scripted_send(Scripted *s, const void *data, size_t len)
{
    g_assert_cmpint(send(s->fd, data, len, MSG_NOSIGNAL), ==, (ssize_t)len);
}

/* The loader has taken all that was sent, and wants more or has ended. */
static void scripted_drained(Scripted *s)
{
    int queued;

    do {
        g_assert_cmpint(ioctl(s->fd, SIOCOUTQ, &queued), ==, 0);
        sched_yield();
    } while (queued > 0 && !__atomic_load_n(&s->ended, __ATOMIC_ACQUIRE));
}

static void scripted_end(Scripted *s)
{
    close(s->fd);
    io_channel_unref(s->ch);
    g_clear_error(&s->err);
    world_fini(&s->w);
}

/*
 * The source stalls at each byte in turn: whoever wants the device lock gets
 * it, no hook runs twice, and what was loaded is right.
 */
static void test_byte_by_byte(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    Scripted s = { 0 };

    put_good(b);
    scripted_start(&s);
    for (size_t i = 0; i < b->len; i++) {
        scripted_send(&s, b->data + i, 1);
        scripted_drained(&s);
        vm_lock_acquire(); /* for ever, if the loader has it */
        g_assert_cmpuint(s.w.toy[0].post_loads, <=, 1);
        vm_lock_release();
    }
    thread_join(&s.thread);
    g_assert_no_error(s.err);
    check_good(&s.w);
    g_assert_cmpuint(s.w.toy[0].pre_loads, >, 1); /* it was in pieces */
    scripted_end(&s);
}

/* In two pieces, wherever the cut is. */
static void test_two_pieces(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    put_good(b);
    for (size_t cut = 1; cut < b->len; cut++) {
        Scripted s = { 0 };

        scripted_start(&s);
        scripted_send(&s, b->data, cut);
        scripted_drained(&s);
        scripted_send(&s, b->data + cut, b->len - cut);
        thread_join(&s.thread);
        g_assert_no_error(s.err);
        check_good(&s.w);
        scripted_end(&s);
    }
}

/* The source hangs up in the middle of a device. */
static void test_hang_up(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    Scripted s = { 0 };

    put_good(b);
    scripted_start(&s);
    scripted_send(&s, b->data, b->len - 20);
    scripted_drained(&s);
    shutdown(s.fd, SHUT_WR);
    thread_join(&s.thread);
    g_assert_false(s.ok);
    g_assert_nonnull(strstr(s.err->message, "section 'toy' instance 1"));
    g_assert_nonnull(strstr(s.err->message, "stream ends"));
    g_assert_cmpuint(s.w.toy[1].post_loads, ==, 0);
    scripted_end(&s);
}

/*
 * Data that look like the start of a subsection, and a source that sends no
 * more before it is answered.
 */
static void test_no_more_than_needed(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    Scripted s = { 0 };

    put_head(b);
    put_ram(b);
    put_section(b, WIRE_SECTION_FULL, 0x05fffff0, "toy", 0, 3);
    put_toy_fields(b, 0, 0x05); /* 05 7e: a name of 126 bytes? */
    put_footer(b, 0x05fffff0);
    put_toy(b, 1);
    put8(b, WIRE_EOF);
    scripted_start(&s);
    scripted_send(&s, b->data, b->len);
    thread_join(&s.thread);
    g_assert_no_error(s.err);
    g_assert_cmpuint(s.w.toy[0].post_loads, ==, 1);
    scripted_end(&s);
}

/* A length that the table allows and the loader's bound doesn't. */
static void test_too_long(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    Scripted s = { 0 };

    put_head(b);
    put_ram_start(b);
    put_section(b, WIRE_SECTION_FULL, SCRIPT_TOY_ID, "toy", 0, 3);
    put8(b, 0);
    put16(b, 0);
    put32(b, 0);
    put32(b, 20 << 20); /* of the blob */
    scripted_start(&s);
    scripted_send(&s, b->data, b->len);
    thread_join(&s.thread);
    g_assert_false(s.ok);
    g_test_message("%s", s.err->message);
    g_assert_nonnull(strstr(s.err->message, "section 'toy' instance 0"));
    g_assert_nonnull(strstr(s.err->message, "at most 16777216"));
    scripted_end(&s);
}

/* A second set of devices replaces the first when memory came in between. */
static void test_second_attempt(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    GError *err = NULL;
    World w = { .go_on = true };

    world_init(&w);
    w.toy[0].sub = 0x99;
    put_good(b);
    put_ram_part(b, WIRE_SECTION_PART, 0xcc);
    put_ram_part(b, WIRE_SECTION_END, 0xdd);
    put_section(b, WIRE_SECTION_FULL, SCRIPT_TOY_ID, "toy", 0, 3);
    put_toy_fields(b, 1, 0x77);
    put_footer(b, SCRIPT_TOY_ID);
    put_toy(b, 1);
    put8(b, WIRE_EOF);
    put8(b, WIRE_COMMAND);
    put16(b, CMD_LAST);
    put16(b, CMD_LEN);
    put(b, "abc", 3);
    put8(b, 0xff); /* nobody reads it */
    g_assert_true(run_mem(&w, b, b->len, &err));
    g_assert_cmpuint(w.completed, ==, 2);
    g_assert_cmpuint(w.commands, ==, 1);
    g_assert_cmpuint(w.ram.ram->host[0], ==, 0xdd);
    g_assert_cmpuint(w.toy[0].last, ==, 0x77);
    g_assert_cmpuint(w.toy[0].count, ==, 1);
    g_assert_cmpuint(w.toy[0].post_loads, ==, 2);
    g_assert_cmphex(w.toy[0].sub, ==, 0x99); /* it comes no more */
    world_fini(&w);
}

/* What is wrong, each in a stream of its own behind a good beginning. */
typedef struct Wrong {
    const char *what;
    void (*put)(GByteArray *b);
    const char *named[3]; /* what the error has to say */
} Wrong;

static void wrong_magic(GByteArray *b)
{
    put32(b, 0x12345678);
    put32(b, WIRE_VERSION);
}

static void wrong_version(GByteArray *b)
{
    put32(b, WIRE_MAGIC);
    put32(b, 2);
}

static void wrong_machine(GByteArray *b)
{
    put32(b, WIRE_MAGIC);
    put32(b, WIRE_VERSION);
    put8(b, WIRE_CONFIGURATION);
    put32(b, 5);
    put(b, "other", 5);
}

static void long_machine(GByteArray *b)
{
    put32(b, WIRE_MAGIC);
    put32(b, WIRE_VERSION);
    put8(b, WIRE_CONFIGURATION);
    put32(b, 65);
}

static void late_configuration(GByteArray *b)
{
    put_head(b);
    put_ram_start(b);
    put8(b, WIRE_CONFIGURATION);
    put32(b, strlen(MACHINE));
    put(b, MACHINE, strlen(MACHINE));
    put8(b, WIRE_EOF);
}

static void two_configurations(GByteArray *b)
{
    put_head(b);
    put_head(b);
    g_byte_array_remove_range(b, 8 + 5 + strlen(MACHINE), 8);
}

static void unknown_type(GByteArray *b)
{
    put_head(b);
    put8(b, 0x09);
}

static void early_description(GByteArray *b)
{
    put_head(b);
    put8(b, WIRE_DESCRIPTION);
    put32(b, 2);
    put(b, "{}", 2);
    put8(b, WIRE_EOF);
}

static void unknown_row(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_START, 7, "vfio", 0, 1);
}

static void row_version(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_START, SCRIPT_RAM_ID, "ram", 0, 3);
}

static void row_twice(GByteArray *b)
{
    put_head(b);
    put_ram_start(b);
    put_ram_start(b);
}

static void part_first(GByteArray *b)
{
    put_head(b);
    put_ram_part(b, WIRE_SECTION_PART, 1);
}

static void part_of_another(GByteArray *b)
{
    put_head(b);
    put_ram_start(b);
    put8(b, WIRE_SECTION_END);
    put32(b, SCRIPT_RAM_ID + 1);
    put64(b, RAM_REC_EOS);
}

static void part_footer_mark(GByteArray *b)
{
    put_head(b);
    put_ram_start(b);
    put_ram_part(b, WIRE_SECTION_PART, 1);
    b->data[b->len - 5] ^= 1;
}

static void part_footer_id(GByteArray *b)
{
    put_head(b);
    put_ram_start(b);
    put_ram_part(b, WIRE_SECTION_PART, 1);
    b->data[b->len - 1] ^= 1;
}

static void start_footer_id(GByteArray *b)
{
    put_head(b);
    put_ram_start(b);
    b->data[b->len - 4] ^= 1;
}

static void device_footer_mark(GByteArray *b)
{
    put_head(b);
    put_ram_start(b);
    put_toy(b, 0);
    b->data[b->len - 5] ^= 0x80;
}

/* All four bytes of it count. */
static void device_footer_id(GByteArray *b)
{
    put_head(b);
    put_ram_start(b);
    put_toy(b, 0);
    b->data[b->len - 4] ^= 0x80;
}

static void device_unknown(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_FULL, 9, "0000:00:04.0/e1000", 0, 2);
}

static void device_instance(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_FULL, 9, "toy", 2, 3);
}

static void device_stateless(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_FULL, 9, "none", 0, 0);
}

static void device_newer(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_FULL, 9, "toy", 0, 4);
}

static void device_older(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_FULL, 9, "toy", 0, 1);
}

static void device_absurd(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_FULL, 9, "toy", 0, UINT32_MAX);
}

static void device_twice(GByteArray *b)
{
    put_head(b);
    put_ram_start(b);
    put_toy(b, 0);
    put_toy(b, 1);
    put_toy(b, 0);
}

static void device_missing(GByteArray *b)
{
    put_head(b);
    put_toy(b, 0);
    put8(b, WIRE_EOF);
}

static void device_count(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_FULL, SCRIPT_TOY_ID, "toy", 1, 3);
    put_toy_fields(b, 9, 0);
    put_footer(b, SCRIPT_TOY_ID);
}

static void device_subsection(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_FULL, SCRIPT_TOY_ID, "toy", 0, 3);
    put_toy_fields(b, 1, 0);
    put8(b, 0x05);
    put_name(b, "toy/other");
    put32(b, 1);
}

static void device_subsection_version(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_FULL, SCRIPT_TOY_ID, "toy", 0, 3);
    put_toy_fields(b, 1, 0);
    put8(b, 0x05);
    put_name(b, "toy/sub");
    put32(b, 2);
}

static void device_meaning(GByteArray *b)
{
    put_head(b);
    put_section(b, WIRE_SECTION_FULL, SCRIPT_TOY_ID, "toy", 0, 3);
    put_toy_fields(b, 0, 0);
    memset(b->data + b->len - 9, 0xff, 4); /* inner */
    put_footer(b, SCRIPT_TOY_ID);
}

static void command_refused(GByteArray *b)
{
    put_head(b);
    put8(b, WIRE_COMMAND);
    put16(b, 0x4701);
    put16(b, 8);
    put64(b, 7);
}

static void command_length(GByteArray *b)
{
    put_head(b);
    put8(b, WIRE_COMMAND);
    put16(b, CMD_LAST);
    put16(b, CMD_LEN + 1);
}

static const Wrong wrongs[] = {
    { "magic", wrong_magic, { "not a migration stream", "0x12345678" } },
    { "version", wrong_version, { "version 2", "takes 3" } },
    { "machine", wrong_machine, { "'other'", "'" MACHINE "'" } },
    { "machine's length", long_machine, { "65 bytes" } },
    { "late configuration", late_configuration, { "configuration", "offset" } },
    { "two configurations", two_configurations, { "configuration", "offset" } },
    { "type", unknown_type, { "type 0x09", "offset 24" } },
    { "early description", early_description, { "type 0x06", "offset 24" } },
    { "row", unknown_row, { "'vfio'", "iterative", "offset 24" } },
    { "row's version", row_version, { "'ram'", "version 3", "offset 24" } },
    { "row twice", row_twice, { "'ram'", "a second time", "offset" } },
    { "part first", part_first, { "unknown section 2", "offset 24" } },
    { "part of another", part_of_another, { "section 3", "offset" } },
    { "part's footer", part_footer_mark, { "'ram'", "0x7f", "offset" } },
    { "part's id", part_footer_id, { "'ram'", "section 3", "offset" } },
    { "start's id", start_footer_id, { "'ram'", "16777218", "offset" } },
    { "footer", device_footer_mark, { "'toy' instance 0", "0xfe", "offset" } },
    { "footer's id", device_footer_id, { "'toy' instance 0", "2315979789" } },
    { "device", device_unknown, { "'0000:00:04.0/e1000'", "no such device" } },
    { "instance", device_instance, { "'toy' instance 2", "no such device" } },
    { "stateless", device_stateless, { "'none'", "no such device" } },
    { "newer", device_newer, { "'toy'", "version 4", "2 to 3" } },
    { "older", device_older, { "'toy'", "version 1", "2 to 3" } },
    { "absurd version", device_absurd, { "'toy'", "version 4294967295" } },
    { "twice", device_twice, { "'toy' instance 0", "already", "offset" } },
    { "missing", device_missing, { "2 'toy'", "no instance 1" } },
    { "count", device_count, { "'toy' instance 1", "items", "9 elements" } },
    { "subsection",
      device_subsection,
      { "'toy'", "'toy/other'", "not known" } },
    { "its version",
      device_subsection_version,
      { "'toy'", "toy/sub: version 2", "1 to 1" } },
    { "meaning",
      device_meaning,
      { "'toy' instance 0", "inner: inner (offset", "out of range" } },
    { "command", command_refused, { "command 18177", "offset 24", "refused" } },
    { "command's length", command_length, { "command 4660", "4 bytes" } },
};

static void test_wrong(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(wrongs); i++) {
        const Wrong *t = &wrongs[i];
        g_autoptr(GByteArray) b = g_byte_array_new();
        g_autoptr(GError) err = NULL;
        World w = { 0 };

        world_init(&w);
        t->put(b);
        g_assert_false(run_mem(&w, b, b->len, &err));
        g_test_message("%s: %s", t->what, err->message);
        for (unsigned k = 0; k < 3 && t->named[k] != NULL; k++) {
            g_assert_nonnull(strstr(err->message, t->named[k]));
        }
        g_assert_cmpuint(w.completed, ==, 0);
        world_fini(&w);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loadvm/good", test_good);
    g_test_add_func("/loadvm/cut", test_cut);
    g_test_add_func("/loadvm/byte-by-byte", test_byte_by_byte);
    g_test_add_func("/loadvm/two-pieces", test_two_pieces);
    g_test_add_func("/loadvm/hang-up", test_hang_up);
    g_test_add_func("/loadvm/no-more-than-needed", test_no_more_than_needed);
    g_test_add_func("/loadvm/too-long", test_too_long);
    g_test_add_func("/loadvm/second-attempt", test_second_attempt);
    g_test_add_func("/loadvm/wrong", test_wrong);
    return g_test_run();
}
