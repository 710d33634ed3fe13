/*
 * A scripted peer for tests of the source.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/source-peer.h"

#include <sys/socket.h>

#include "io/file.h"
#include "util/bswap.h"
#include "util/error.h"

/* A program that hangs is a failed test, not one that never ends. */
enum { HANG_MS = 60000, SMALL_BUFFER = 16384 };

static SpVm *the_vm; /* hooks have no opaque of their own */

static void hook_pause(Vm *vm)
{
    the_vm->stops++;
    if (the_vm->at_stop != NULL) {
        the_vm->at_stop(the_vm);
    }
}

static void hook_resume(Vm *vm)
{
    the_vm->starts++;
}

static void hook_reset(Vm *vm, ShutdownCause cause)
{
    the_vm->resets++;
    the_vm->device.value = 0;
}

static void hook_powerdown(Vm *vm)
{
    the_vm->powerdowns++;
}

static void hook_nmi(Vm *vm)
{
    the_vm->nmis++;
}

static int hook_drain(Vm *vm)
{
    return the_vm->drain;
}

static bool hook_drain_step(Vm *vm, bool first, int *ret)
{
    the_vm->drain_steps++;
    *ret = the_vm->drain;
    return !the_vm->storage_hangs;
}

static bool hook_inactivate_step(Vm *vm, bool first, int *ret)
{
    the_vm->inactivated += first;
    *ret = the_vm->inactivate;
    return !the_vm->images_hang;
}

static bool hook_activate(Vm *vm, GError **errp)
{
    the_vm->activated++;
    if (the_vm->bad_activate) {
        error_setf(errp, "no disk");
    }
    return !the_vm->bad_activate;
}

static void hook_event(Vm *vm)
{
}

static void hook_event_cause(Vm *vm, bool guest, ShutdownCause cause)
{
}

static const VmHooks vm_hooks = {
    .vcpus_pause = hook_pause,
    .vcpus_resume = hook_resume,
    .machine_reset = hook_reset,
    .powerdown = hook_powerdown,
    .nmi = hook_nmi,
    .suspend = hook_event,
    .event_suspend = hook_event,
    .block_drain = hook_drain,
    .block_drain_step = hook_drain_step,
    .block_inactivate_step = hook_inactivate_step,
    .block_activate = hook_activate,
    .event_stop = hook_event,
    .event_resume = hook_event,
    .event_reset = hook_event_cause,
    .event_shutdown = hook_event_cause,
    .event_powerdown = hook_event,
};

static void hook_status(Vm *vm, MigrationStatus status)
{
    the_vm->statuses |= 1U << status;
    /* Who hears that it failed can ask why. */
    g_assert_cmpint(the_vm->m->error_desc != NULL, ==,
                    status == MIGRATION_STATUS_FAILED);
    g_main_context_wakeup(NULL); /* who waits for it looks again */
}

static void hook_pass(Vm *vm, int64_t pass)
{
    the_vm->passes++;
}

static int hook_take_fd(Vm *vm, const char *name, GError **errp)
{
    int fd = the_vm->fd;

    if (fd < 0) {
        error_setf(errp, "no descriptor '%s'", name);
    }
    the_vm->fd = -1;
    return fd;
}

static const char *hook_name(Vm *vm)
{
    return "none";
}

static bool hook_sync(Vm *vm, GError **errp)
{
    the_vm->cpu_syncs++;
    if (the_vm->bad_sync) {
        error_setf(errp, "the CPU doesn't tell");
    }
    return !the_vm->bad_sync;
}

static void hook_prepare(Vm *vm, bool active, bool single)
{
    the_vm->prepared = active;
    /* It may run there: nobody starts it here before it is said what became
     * of the migration. */
    if (!active && runstate_get(vm) == RUN_STATE_POSTMIGRATE &&
        !migration_is_idle(the_vm->m)) {
        g_assert_nonnull(vm_busy(vm));
        the_vm->held++;
    }
}

static bool hook_throttle(Vm *vm, unsigned percent, GError **errp)
{
    g_assert_false(vm_lock_held());
    return true;
}

static const MigrationHooks mig_hooks = {
    .event_status = hook_status,
    .event_pass = hook_pass,
    .take_fd = hook_take_fd,
    .machine_name = hook_name,
    .cpus_sync = hook_sync,
    .prepare = hook_prepare,
    .throttle = hook_throttle,
};

/* be32 length, be32 value, bytes. */
static bool device_put(StreamOut *s, const void *field, size_t size,
                       GError **errp)
{
    const SpDevice *d = &the_vm->device;
    g_autofree uint8_t *fill = g_malloc0(d->len);

    if (d->fails) {
        error_setf(errp, "the device can't be saved");
        return false;
    }
    stream_put_be32(s, d->len);
    stream_put_be32(s, d->value);
    stream_put(s, fill, d->len);
    return true;
}

static bool device_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    g_assert_not_reached();
}

static const VmstateInfo device_info = { .name = "test",
                                         .put = device_put,
                                         .get = device_get };

static const Vmstate device_vmstate = {
    .name = "device",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            { .name = "state", .kind = VMS_CUSTOM, .info = &device_info },
            VMSTATE_END,
        },
};

static void ram_init(Memory *mem, MemoryRegion *ram)
{
    GError *err = NULL;

    g_assert_true(memory_region_init_ram(ram, mem, "pc.ram",
                                         SP_PAGES * RAM_PAGE_SIZE, &err));
    memory_region_add(&mem->root, 0, ram, 0);
}

void sp_vm_init(SpVm *v, size_t device_len)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(1);
    VM_LOCK_GUARD();

    memset(v, 0, sizeof(*v));
    the_vm = v;
    v->fd = -1;
    v->device.len = device_len;
    v->device.value = 4711;
    v->vm = vm_new(&vm_hooks);
    ram_init(&v->vm->mem, &v->ram);
    for (unsigned i = 0; i < SP_PAGES; i++) {
        sp_write_page(v, i, g_rand_int_range(r, 1, 256));
    }
    v->vm->vmstates = vmstate_registry_new();
    v->entry =
        vmstate_register(v->vm->vmstates, NULL, 0, &device_vmstate, &v->device);
    v->m = migration_new(v->vm, &mig_hooks);
    v->vm->migration = v->m;
    sp_caps(v, MIGRATION_CAPABILITY_EVENTS, true);
    vm_start(v->vm);
    v->starts = 0;
}

void sp_vm_fini(SpVm *v)
{
    migration_free(v->m);
    VM_LOCK_GUARD();
    g_assert_false(v->prepared);
    g_assert_false(v->vm->mem.dirty_log);
    vmstate_unregister(v->vm->vmstates, v->entry);
    vmstate_registry_free(v->vm->vmstates);
    memory_region_fini(&v->ram);
    vm_free(v->vm);
}

void sp_caps(SpVm *v, MigrationCapability cap, bool on)
{
    GError *err = NULL;

    g_assert_true(migration_set_capability(v->m, cap, on, &err));
}

void sp_param(SpVm *v, const char *name, const char *val)
{
    GError *err = NULL;

    g_assert_true(migration_set_global(v->m, name, val, &err));
}

/* What arrives is kept here. */
static void peer_init(SpPeer *p, SpVm *v)
{
    VM_LOCK_GUARD();

    memset(p, 0, sizeof(*p));
    p->v = v;
    p->answers_pings = true;
    memory_init(&p->mem);
    ram_init(&p->mem, &p->ram);
    p->load = ram_load_new(&p->mem);
    g_assert_true(ram_load_make_pristine(p->load, INT64_MAX));
}

void sp_read_bytes(SpVm *v, SpPeer *p, const void *data, size_t len)
{
    peer_init(p, v);
    p->answers_pings = false;
    p->in = stream_in_new_mem(data, len);
}

void sp_connect(SpVm *v, SpPeer *p)
{
    const int small = SMALL_BUFFER;
    GError *err = NULL;
    int fds[2];

    peer_init(p, v);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    v->fd = fds[0];
    p->ch = io_channel_new_fd(fds[1], NULL, &err);
    io_channel_set_io_timeout(p->ch, HANG_MS);
    p->in = stream_in_new(p->ch);
    VM_LOCK_GUARD();
    g_assert_true(migration_start(v->m, "fd:peer", &err));
}

void sp_close(SpPeer *p)
{
    g_clear_pointer(&p->in, stream_in_free);
    if (p->ch != NULL) {
        io_channel_close(p->ch, NULL);
    }
    g_clear_pointer(&p->ch, io_channel_unref);
}

void sp_peer_fini(SpPeer *p)
{
    sp_close(p);
    VM_LOCK_GUARD();
    ram_load_free(p->load);
    memory_region_fini(&p->ram);
    memory_fini(&p->mem);
}

void sp_deaf(SpPeer *p)
{
    io_channel_shutdown(p->ch, IO_SHUTDOWN_READ);
}

void sp_say_raw(SpPeer *p, const void *data, size_t len)
{
    /* The source may have gone: what it makes of that is the test. */
    io_channel_write_all(p->ch, data, len, NULL);
}

void sp_say(SpPeer *p, uint16_t type, const void *data, uint16_t len)
{
    g_autofree uint8_t *buf = g_malloc(4 + len);

    stw_be_p(buf, type);
    stw_be_p(buf + 2, len);
    memcpy(buf + 4, data, len);
    sp_say_raw(p, buf, 4 + len);
}

void sp_say_u32(SpPeer *p, uint16_t type, uint32_t v)
{
    uint8_t data[4];

    stl_be_p(data, v);
    sp_say(p, type, data, sizeof(data));
}

void sp_say_loaded(SpPeer *p, uint32_t attempt)
{
    uint8_t data[20];

    stl_be_p(data, attempt);
    memset(data + 4, 0xff, 16); /* times that can't be true */
    sp_say(p, WIRE_RP_LOADED, data, sizeof(data));
}

void sp_say_resumed(SpPeer *p)
{
    static const uint8_t data[8];

    sp_say(p, WIRE_RP_RESUMED, data, sizeof(data));
}

static int read_command(SpPeer *p)
{
    uint16_t cmd = stream_get_be16(p->in), len = stream_get_be16(p->in);
    uint8_t data[512] = { 0 };

    g_assert_cmpuint(len, <=, sizeof(data));
    if (!stream_get(p->in, data, len)) {
        return SP_CUT;
    }
    switch (cmd) {
    case WIRE_CMD_PING:
        p->ping = ldl_be_p(data);
        if (p->answers_pings && p->ping != WIRE_HELLO) {
            sp_say_u32(p, WIRE_RP_PONG, p->ping);
        }
        break;
    case WIRE_CMD_SWITCHOVER:
    case WIRE_CMD_RUN:
        p->attempt = ldl_be_p(data);
        break;
    case WIRE_CMD_ABORT:
        p->aborts++;
        break;
    case WIRE_CMD_ENABLE:
        p->enabled = ldq_be_p(data);
        break;
    default:
        break;
    }
    return cmd;
}

static bool read_footer(SpPeer *p)
{
    if (stream_get_u8(p->in) != WIRE_FOOTER) {
        g_assert_cmpint(stream_in_error(p->in), !=, 0); /* cut */
        return false;
    }
    stream_get_be32(p->in);
    return stream_in_error(p->in) == 0;
}

static int read_ram(SpPeer *p, int item)
{
    g_autoptr(GError) err = NULL;

    if (!ram_load_section(p->load, p->in, &err)) {
        g_assert_cmpint(stream_in_error(p->in), !=, 0);
        return SP_CUT;
    }
    return read_footer(p) ? item : SP_CUT;
}

static int read_device(SpPeer *p, const char *name)
{
    char text[101] = "";

    if (strcmp(name, "device") == 0) {
        uint32_t len = stream_get_be32(p->in);

        p->device_value = stream_get_be32(p->in);
        stream_skip(p->in, len);
    } else if (strcmp(name, "timer") == 0) {
        stream_skip(p->in, 24);
    } else {
        g_assert_cmpstr(name, ==, "globalstate");
        stream_get_be32(p->in);
        stream_get(p->in, text, 100);
        memcpy(p->runstate, text, sizeof(text));
    }
    if (!read_footer(p)) {
        return SP_CUT;
    }
    return strcmp(name, "globalstate") == 0 ? SP_DEVICE : SP_NOTHING;
}

static int read_section(SpPeer *p, uint8_t type)
{
    char name[256] = "";

    stream_get_be32(p->in);
    if (type == WIRE_SECTION_START || type == WIRE_SECTION_FULL) {
        stream_get_str8(p->in, name);
        stream_get_be64(p->in);
    }
    if (stream_in_error(p->in) != 0) {
        return SP_CUT;
    }
    switch (type) {
    case WIRE_SECTION_START:
        return read_ram(p, SP_RAM_START);
    case WIRE_SECTION_PART:
        return read_ram(p, SP_RAM_PART);
    case WIRE_SECTION_END:
        return read_ram(p, SP_RAM_END);
    default:
        return read_device(p, name);
    }
}

int sp_read_item(SpPeer *p)
{
    uint8_t type;

    if (stream_peek_u8(p->in, 0) < 0) {
        return SP_END;
    }
    type = stream_get_u8(p->in);
    switch (type) {
    case WIRE_MAGIC >> 24:
        stream_skip(p->in, 7); /* of the header */
        return SP_NOTHING;
    case WIRE_CONFIGURATION:
        stream_skip(p->in, stream_get_be32(p->in));
        return SP_NOTHING;
    case WIRE_EOF:
        return SP_EOF;
    case WIRE_COMMAND:
        return read_command(p);
    case WIRE_DESCRIPTION:
        stream_skip(p->in, stream_get_be32(p->in));
        p->descriptions++;
        return stream_in_error(p->in) == 0 ? SP_DESCRIPTION : SP_CUT;
    case WIRE_SECTION_START:
    case WIRE_SECTION_PART:
    case WIRE_SECTION_END:
    case WIRE_SECTION_FULL:
        return read_section(p, type);
    default:
        g_error("section type 0x%02x", type);
    }
}

void sp_read_to(SpPeer *p, int item)
{
    int got;

    do {
        got = sp_read_item(p);
        if (got != item && (got == SP_END || got == SP_CUT)) {
            g_error("stream ends before item 0x%x: %s", item,
                    p->v->m->error_desc);
        }
    } while (got != item);
}

int sp_drain(SpPeer *p)
{
    int got;

    do {
        got = sp_read_item(p);
    } while (got != SP_END && got != SP_CUT);
    return got;
}

void sp_greet(SpPeer *p, uint64_t features)
{
    uint8_t data[8];

    sp_read_to(p, WIRE_CMD_PING);
    if (features != 0) {
        stq_be_p(data, features);
        sp_say(p, WIRE_RP_FEATURES, data, sizeof(data));
    }
    sp_say_u32(p, WIRE_RP_PONG, WIRE_HELLO);
}

static gboolean hung(gpointer unused)
{
    g_error("nothing happens any more");
    return G_SOURCE_REMOVE;
}

static gboolean tick(gpointer unused)
{
    return G_SOURCE_CONTINUE;
}

/*
 * Turns the main loop until one of the statuses (mask); it is woken now and
 * then, as a change of them alone doesn't do it.
 */
static MigrationStatus wait_any(SpVm *v, unsigned mask)
{
    guint guard = g_timeout_add(HANG_MS, hung, NULL);
    guint waker = g_timeout_add(1, tick, NULL);
    MigrationStatus now;

    while (now = migration_status(v->m), !(mask & (1U << now))) {
        g_main_context_iteration(NULL, true);
    }
    g_source_remove(waker);
    g_source_remove(guard);
    return now;
}

void sp_wait_status(SpVm *v, MigrationStatus st)
{
    wait_any(v, 1U << st);
}

MigrationStatus sp_wait_end(SpVm *v)
{
    return wait_any(v, 1U << MIGRATION_STATUS_COMPLETED |
                           1U << MIGRATION_STATUS_FAILED |
                           1U << MIGRATION_STATUS_CANCELLED);
}

RunState sp_run_state(SpVm *v)
{
    VM_LOCK_GUARD();

    return runstate_get(v->vm);
}

void sp_wait_run_state(SpVm *v, RunState st)
{
    guint guard = g_timeout_add(HANG_MS, hung, NULL);
    guint waker = g_timeout_add(1, tick, NULL);

    while (sp_run_state(v) != st) {
        g_main_context_iteration(NULL, true);
    }
    g_source_remove(waker);
    g_source_remove(guard);
}

void sp_write_page(SpVm *v, unsigned page, uint8_t byte)
{
    uint8_t data[RAM_PAGE_SIZE];

    memset(data, byte, sizeof(data));
    address_space_write(&v->vm->mem.memory, page * RAM_PAGE_SIZE, data,
                        sizeof(data));
}

void sp_check_memory(SpPeer *p)
{
    g_assert_cmpmem(p->v->ram.ram->host, SP_PAGES * RAM_PAGE_SIZE,
                    p->ram.ram->host, SP_PAGES * RAM_PAGE_SIZE);
}

void sp_check_ours(SpVm *v, MigrationStatus st)
{
    MigrationStatus end = sp_wait_end(v);

    g_test_message("%s: %s", migration_status_str(end), v->m->error_desc);
    g_assert_cmpstr(migration_status_str(end), ==, migration_status_str(st));
    g_assert_cmpstr(run_state_str(sp_run_state(v)), ==, "running");
    g_assert_cmpuint(v->starts, ==, v->stops);
    g_assert_cmpint(v->inactivated > 0, <=, v->activated > 0);
    g_assert_cmpint(v->m->error_desc != NULL, ==,
                    st == MIGRATION_STATUS_FAILED);
}

void sp_check_given(SpVm *v)
{
    MigrationStatus end = sp_wait_end(v);

    g_test_message("%s: %s", migration_status_str(end), v->m->error_desc);
    g_assert_cmpint(end, ==, MIGRATION_STATUS_FAILED);
    g_assert_cmpstr(run_state_str(sp_run_state(v)), ==, "postmigrate");
    g_assert_cmpuint(v->starts + 1, ==, v->stops);
    g_assert_cmpuint(v->held, ==, 1);
    g_assert_null(vm_busy(v->vm)); /* it is the user's decision now */
    sp_check_error(v, "may run at the destination");
    sp_check_error(v, "'cont' starts it");
}

void sp_check_error(SpVm *v, const char *what)
{
    g_assert_nonnull(v->m->error_desc);
    if (strstr(v->m->error_desc, what) == NULL) {
        g_error("'%s' is not in '%s'", what, v->m->error_desc);
    }
}
