/*
 * The sections "timer" and "globalstate", byte by byte, saved and loaded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/migration-priv.h"
#include "migration/savevm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    TIMER_AT = 1 + 4 + 1 + 5 + 4 + 4, /* behind the section's head */
    STATE_AT = 1 + 4 + 1 + 11 + 4 + 4,
    FOOTER = 5,
};

static const VmHooks vm_hooks = { .vcpus_pause = NULL };

typedef struct World {
    Vm *vm;
    struct EngineState *state;
} World;

static void world_init(World *w)
{
    VM_LOCK_GUARD();

    w->vm = vm_new(&vm_hooks);
    w->vm->vmstates = vmstate_registry_new();
    w->state = engine_state_new(w->vm);
}

static void world_fini(World *w)
{
    VM_LOCK_GUARD();

    engine_state_free(w->state);
    g_assert_cmpuint(w->vm->vmstates->entries.length, ==, 0);
    vmstate_registry_free(w->vm->vmstates);
    vm_free(w->vm);
}

/* Both sections, which is all that there is. */
static GBytes *save(World *w)
{
    g_autoptr(StreamOut) s = stream_out_new(NULL);
    GError *err = NULL;
    const uint8_t *data;
    size_t len;
    VM_LOCK_GUARD();

    g_assert_true(savevm_save_devices(s, w->vm->vmstates, NULL, &err));
    data = stream_out_data(s, &len);
    return g_bytes_new(data, len);
}

static void check_head(const uint8_t *p, const char *name, uint32_t version)
{
    size_t n = strlen(name);

    g_assert_cmpuint(p[0], ==, 4);
    g_assert_cmpmem(p + 6, p[5], name, n);
    g_assert_cmpuint(ldl_be_p(p + 6 + n), ==, 0);
    g_assert_cmpuint(ldl_be_p(p + 10 + n), ==, version);
}

/* Values of their own, that only their own field may have. */
static void test_save(void)
{
    const uint8_t *p;
    GBytes *b;
    size_t len;
    World w;

    world_init(&w);
    clocks_set_ticks(w.vm->clocks, INT64_C(0x1122334455667788));
    clocks_set_virtual_offset(w.vm->clocks, INT64_C(0x0102030405060708));
    engine_state_store(w.state, RUN_STATE_GUEST_PANICKED);
    engine_state_store(w.state, RUN_STATE_PAUSED);
    b = save(&w);
    p = g_bytes_get_data(b, &len);
    g_assert_cmpuint(len, ==, TIMER_AT + 24 + FOOTER + STATE_AT + 104 + FOOTER);
    check_head(p, "timer", 2);
    g_assert_cmphex(ldq_be_p(p + TIMER_AT), ==, 0x1122334455667788);
    g_assert_cmphex(ldq_be_p(p + TIMER_AT + 8), ==, 0);
    g_assert_cmphex(ldq_be_p(p + TIMER_AT + 16), ==, 0x0102030405060708);
    p += TIMER_AT + 24 + FOOTER;
    check_head(p, "globalstate", 1);
    g_assert_cmpuint(ldl_be_p(p + STATE_AT), ==, 7);
    g_assert_cmpstr((const char *)p + STATE_AT + 4, ==, "paused");
    /* Nothing is left of the longer one. */
    for (unsigned i = 6; i < 100; i++) {
        g_assert_cmpuint(p[STATE_AT + 4 + i], ==, 0);
    }
    g_bytes_unref(b);
    world_fini(&w);
}

/* Reads what was saved into another machine, as loadvm does. */
static void load(World *w, GBytes *b)
{
    size_t len;
    const uint8_t *p = g_bytes_get_data(b, &len);
    static const struct {
        const char *name;
        size_t at, len;
    } parts[] = {
        { "timer", TIMER_AT, 24 },
        { "globalstate", TIMER_AT + 24 + FOOTER + STATE_AT, 104 },
    };
    VM_LOCK_GUARD();

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autoptr(StreamIn) in =
            stream_in_new_mem(p + parts[i].at, parts[i].len);
        VmstateEntry *e = vmstate_find(w->vm->vmstates, parts[i].name, 0);
        VmstateLoad *l = vmstate_load_new();
        GError *err = NULL;

        g_test_message("section %s", parts[i].name);
        g_assert_true(vmstate_load_fields(l, in, e->vms, e->opaque,
                                          e->vms->version, &err));
        g_assert_true(vmstate_load_finish(l, &err));
        vmstate_load_free(l);
    }
}

static void test_load(void)
{
    World a, b;
    GBytes *bytes;

    world_init(&a);
    clocks_set_ticks(a.vm->clocks, INT64_C(0x1122334455667788));
    clocks_set_virtual_offset(a.vm->clocks, INT64_C(0x0102030405060708));
    engine_state_store(a.state, RUN_STATE_SUSPENDED);
    bytes = save(&a);
    world_fini(&a);
    world_init(&b);
    g_assert_cmpint(engine_state_loaded(b.state), ==, RUN_STATE_RUNNING);
    load(&b, bytes);
    g_assert_cmpint(clocks_ticks(b.vm->clocks), ==, 0x1122334455667788);
    g_assert_cmpint(clocks_virtual_offset(b.vm->clocks), ==,
                    0x0102030405060708);
    g_assert_cmpint(engine_state_loaded(b.state), ==, RUN_STATE_SUSPENDED);
    g_bytes_unref(bytes);
    world_fini(&b);
}

/* There may be none of it: a machine that never got so far. */
static void test_none(void)
{
    engine_state_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine-state/save", test_save);
    g_test_add_func("/engine-state/load", test_load);
    g_test_add_func("/engine-state/none", test_none);
    return g_test_run();
}
