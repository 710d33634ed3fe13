/*
 * A scripted source for tests of the destination.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/incoming-source.h"

#include <poll.h>
#include <sys/socket.h>

#include "util/error.h"

/* A program that hangs is a failed test, not one that never ends. */
enum { HANG_S = 60, SILENCE_MS = 100 };

static InVm *the_vm; /* hooks have no opaque of their own */

static void hook_vcpus(Vm *vm)
{
    the_vm->starts++;
}

static void hook_nothing(Vm *vm)
{
}

static int hook_drain(Vm *vm)
{
    return 0;
}

static bool hook_activate(Vm *vm, GError **errp)
{
    the_vm->activated++;
    if (the_vm->bad_activate) {
        error_setf(errp, "no disk");
    }
    return !the_vm->bad_activate;
}

static bool hook_drain_step(Vm *vm, bool first, int *ret)
{
    *ret = 0;
    return true;
}

static const VmHooks vm_hooks = {
    .vcpus_pause = hook_nothing,
    .vcpus_resume = hook_vcpus,
    .block_drain = hook_drain,
    .block_drain_step = hook_drain_step,
    .block_activate = hook_activate,
    .event_stop = hook_nothing,
    .event_resume = hook_nothing,
};

static void hook_status(Vm *vm, MigrationStatus status)
{
    g_array_append_val(the_vm->statuses, status);
    /* Who hears that it failed can ask why. */
    g_assert_cmpint(the_vm->m->error_desc != NULL, ==,
                    status == MIGRATION_STATUS_FAILED);
}

static int hook_take_fd(Vm *vm, const char *name, GError **errp)
{
    int fd = the_vm->take;

    g_assert_cmpstr(name, ==, "source");
    if (fd < 0) {
        error_setf(errp, "no descriptor '%s'", name);
    }
    the_vm->take = -1;
    return fd;
}

static const char *hook_name(Vm *vm)
{
    return MACHINE;
}

static bool hook_put(Vm *vm, GError **errp)
{
    g_assert_true(vm_lock_held());
    __atomic_add_fetch(&the_vm->cpu_puts, 1, __ATOMIC_RELEASE);
    the_vm->device_at_put = the_vm->device;
    if (the_vm->at_put != NULL) {
        the_vm->at_put(the_vm);
    }
    if (the_vm->bad_put) {
        error_setf(errp, "the CPU refuses it");
    }
    return !the_vm->bad_put;
}

static const MigrationHooks mig_hooks = {
    .event_status = hook_status,
    .take_fd = hook_take_fd,
    .machine_name = hook_name,
    .cpus_put = hook_put,
};

static const Vmstate device_vmstate = {
    .name = "device",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            { .name = "value", .kind = VMS_U32, .size = 4 },
            VMSTATE_END,
        },
};

void in_vm_init(InVm *v)
{
    GError *err = NULL;
    VM_LOCK_GUARD();

    memset(v, 0, sizeof(*v));
    the_vm = v;
    v->take = v->fd = -1;
    v->statuses = g_array_new(false, false, sizeof(MigrationStatus));
    v->vm = vm_new(&vm_hooks);
    v->vm->autostart = true;
    g_assert_true(memory_region_init_ram(&v->ram, &v->vm->mem, "pc.ram",
                                         SCRIPT_PAGES * RAM_PAGE_SIZE, &err));
    memory_region_add(&v->vm->mem.root, 0, &v->ram, 0);
    v->vm->vmstates = vmstate_registry_new();
    v->entry =
        vmstate_register(v->vm->vmstates, NULL, 0, &device_vmstate, &v->device);
    v->m = migration_new(v->vm, &mig_hooks);
    v->vm->migration = v->m;
    g_assert_true(migration_set_capability(v->m, MIGRATION_CAPABILITY_EVENTS,
                                           true, &err));
    runstate_set(v->vm, RUN_STATE_INMIGRATE);
}

void in_vm_fini(InVm *v)
{
    in_close(v);
    migration_free(v->m);
    VM_LOCK_GUARD();
    vmstate_unregister(v->vm->vmstates, v->entry);
    vmstate_registry_free(v->vm->vmstates);
    memory_region_fini(&v->ram);
    vm_free(v->vm);
    g_array_unref(v->statuses);
}

static void start(InVm *v)
{
    GError *err = NULL;

    {
        VM_LOCK_GUARD();
        g_assert_true(migration_incoming_start(v->m, "fd:source", &err));
    }
    in_wait_begun(v);
}

void in_connect(InVm *v)
{
    const struct timeval limit = { .tv_sec = HANG_S };
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    v->fd = fds[0];
    v->take = fds[1];
    start(v);
}

void in_connect_pipe(InVm *v)
{
    int fds[2];

    g_assert_cmpint(pipe(fds), ==, 0);
    v->fd = fds[1];
    v->take = fds[0];
    start(v);
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

static bool channel_open(InVm *v)
{
    LOCK_GUARD(&v->m->lock);

    return v->m->load_ch != NULL;
}

/* Turns the main loop; it is woken now and then, as threads don't do it. */
static void turn_while(InVm *v, bool (*what)(InVm *v))
{
    guint guard = g_timeout_add_seconds(HANG_S, hung, NULL);
    guint waker = g_timeout_add(1, tick, NULL);

    while (what(v)) {
        g_main_context_iteration(NULL, true);
    }
    g_source_remove(waker);
    g_source_remove(guard);
}

static bool not_begun(InVm *v)
{
    return !v->m->load_made;
}

void in_wait_begun(InVm *v)
{
    turn_while(v, not_begun);
}

void in_wait_end(InVm *v)
{
    turn_while(v, channel_open);
}

void in_close(InVm *v)
{
    if (v->fd >= 0) {
        close(v->fd);
    }
    v->fd = -1;
}

void in_send(InVm *v, const void *data, size_t len)
{
    g_assert_cmpint(write(v->fd, data, len), ==, (ssize_t)len);
}

void in_send_bytes(InVm *v, const GByteArray *b)
{
    in_send(v, b->data, b->len);
}

/* All of it, or false if it ends before the first byte. */
static bool receive(InVm *v, uint8_t *to, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = recv(v->fd, to + have, len - have, 0);

        if (n == 0) {
            g_assert_cmpuint(have, ==, 0); /* no half of a word */
            return false;
        }
        g_assert_cmpint(n, >, 0);
        have += n;
    }
    return true;
}

bool in_hear(InVm *v, InWord *ret)
{
    uint8_t head[4];

    if (!receive(v, head, sizeof(head))) {
        return false;
    }
    ret->type = lduw_be_p(head);
    ret->len = lduw_be_p(head + 2);
    memset(ret->data, 0, sizeof(ret->data));
    g_assert_true(ret->len == 0 || receive(v, ret->data, ret->len));
    return true;
}

void in_expect(InVm *v, uint16_t type, const void *data, uint16_t len)
{
    g_autofree InWord *w = g_new(InWord, 1);

    g_assert_true(in_hear(v, w));
    g_assert_cmphex(w->type, ==, type);
    g_assert_cmpmem(w->data, w->len, data, len);
}

void in_expect_end(InVm *v)
{
    uint8_t byte;

    g_assert_cmpint(recv(v->fd, &byte, 1, 0), ==, 0);
}

void in_expect_silence(InVm *v)
{
    struct pollfd p = { .fd = v->fd, .events = POLLIN };

    g_assert_cmpint(poll(&p, 1, SILENCE_MS), ==, 0);
}

RunState in_run_state(InVm *v)
{
    VM_LOCK_GUARD();

    return runstate_get(v->vm);
}

void put_command(GByteArray *b, uint16_t cmd, const void *data, uint16_t len)
{
    put8(b, WIRE_COMMAND);
    put16(b, cmd);
    put16(b, len);
    if (len > 0) {
        put(b, data, len);
    }
}

void put_command_u32(GByteArray *b, uint16_t cmd, uint32_t v)
{
    uint8_t be[4];

    stl_be_p(be, v);
    put_command(b, cmd, be, sizeof(be));
}

void put_command_u64(GByteArray *b, uint16_t cmd, uint64_t v)
{
    uint8_t be[8];

    stq_be_p(be, v);
    put_command(b, cmd, be, sizeof(be));
}

static void put_timer(GByteArray *b)
{
    put_section(b, WIRE_SECTION_FULL, 5, "timer", 0, 2);
    put64(b, 0);
    put64(b, 0);
    put64(b, 0);
    put_footer(b, 5);
}

void put_device(GByteArray *b, uint32_t value)
{
    put_timer(b);
    put_section(b, WIRE_SECTION_FULL, 7, "device", 0, 1);
    put32(b, value);
    put_footer(b, 7);
}

void put_globalstate(GByteArray *b, const char *state)
{
    char text[100] = "";

    g_strlcpy(text, state, sizeof(text));
    put_section(b, WIRE_SECTION_FULL, 9, "globalstate", 0, 1);
    put32(b, strlen(text) + 1);
    put(b, text, sizeof(text));
    put_footer(b, 9);
}

void put_plain(GByteArray *b, bool return_path)
{
    put_head(b);
    if (return_path) {
        put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
        put_command_u32(b, WIRE_CMD_PING, 99);
    }
    put_ram_start(b);
    put_ram_part(b, WIRE_SECTION_PART, 0xaa);
    put_ram_part(b, WIRE_SECTION_END, 0xbb);
    put_device(b, 4711);
    put_globalstate(b, "running");
    put8(b, WIRE_EOF);
}

void put_description(GByteArray *b, uint32_t len)
{
    put8(b, WIRE_DESCRIPTION);
    put32(b, len);
    for (uint32_t i = 0; i < len; i++) {
        put8(b, 'x');
    }
}
