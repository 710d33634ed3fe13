/*
 * What is done to a guest while it stands in the switch-over, between its
 * state was saved and it is given away: it leaves with that, or stays.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/source-peer.h"

enum { SMALL_DEVICE = 100 };

typedef struct Touch {
    const char *name;
    bool godwit;       /* the peer; another can't be asked a second time */
    bool not_deferred; /* the dirty log is off when it happens */
    void (*touch)(SpVm *v);
    const char *error;
} Touch;

static void touch_memory(SpVm *v)
{
    sp_write_page(v, 3, 0x99);
}

/* As vcpu_mark_state() does: this machine has no CPUs. */
static void touch_cpu(SpVm *v)
{
    __atomic_fetch_add(&v->vm->cpu_changes, 1, __ATOMIC_RELEASE);
}

static const char memory_error[] = "guest memory was written";

static const char cpu_error[] = "registers of a CPU were written";

static const Touch touches[] = {
    { "memory/godwit", true, false, touch_memory, memory_error },
    { "memory/plain", false, false, touch_memory, memory_error },
    { "memory-unlogged/godwit", true, true, touch_memory, memory_error },
    { "memory-unlogged/plain", false, true, touch_memory, memory_error },
    { "cpu/godwit", true, false, touch_cpu, cpu_error },
    { "cpu/plain", false, false, touch_cpu, cpu_error },
};

static void leaves_with_it(SpVm *v, SpPeer *p)
{
    sp_say_loaded(p, 1);
    sp_read_to(p, SP_EOF);
    g_assert_cmpuint(p->attempt, ==, 2);
    sp_say_loaded(p, 2);
    sp_read_to(p, WIRE_CMD_RUN);
    sp_say_resumed(p);
    g_assert_cmpint(sp_drain(p), ==, SP_END);
    g_assert_cmpint(sp_wait_end(v), ==, MIGRATION_STATUS_COMPLETED);
    sp_check_memory(p);
}

static void test_touched(gconstpointer opaque)
{
    const Touch *t = opaque;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_param(&v, "downtime-limit", "600000");
    sp_caps(&v, MIGRATION_CAPABILITY_DEFERRED_DIRTY_LOG_TEARDOWN,
            !t->not_deferred);
    sp_connect(&v, &p);
    sp_greet(&p, t->godwit ? WIRE_F_ALL : 0);
    p.answers_pings = t->godwit;
    sp_read_to(&p, SP_RAM_END);
    sp_read_to(&p, t->godwit ? SP_EOF : WIRE_CMD_PING);
    {
        VM_LOCK_GUARD();
        t->touch(&v);
    }
    if (t->godwit) {
        leaves_with_it(&v, &p);
    } else {
        sp_say_u32(&p, WIRE_RP_PONG, p.ping);
        sp_check_ours(&v, MIGRATION_STATUS_FAILED);
        sp_check_error(&v, t->error);
    }
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(touches); i++) {
        g_autofree char *path =
            g_strconcat("/mig-touched/", touches[i].name, NULL);

        g_test_add_data_func(path, &touches[i], test_touched);
    }
    return g_test_run();
}
