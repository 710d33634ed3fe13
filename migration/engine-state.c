/*
 * Sections of the engine itself: the virtual clock ("timer") and the run
 * state at the source ("globalstate").
 *
 * Stream: "timer" version 2: TSC offset (int64), 8 unused bytes, offset of
 * the virtual clock (int64, ns).  "globalstate" version 1: length of the text
 * with its NUL (uint32), 100 bytes of text, a QMP RunState.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/migration-priv.h"
#include "util/error.h"

enum { RUNSTATE_TEXT = 100 };

typedef struct EngineState {
    Vm *vm;
    int64_t cpu_ticks_offset; /* clocks_ticks() */
    int64_t cpu_clock_offset; /* ns */
    uint32_t size;
    uint8_t runstate[RUNSTATE_TEXT];
    RunState loaded;
    VmstateEntry *timer_entry, *state_entry;
} EngineState;

static bool timer_pre_save(void *opaque, GError **errp)
{
    EngineState *s = opaque;

    s->cpu_ticks_offset = clocks_ticks(s->vm->clocks);
    s->cpu_clock_offset = clocks_virtual_offset(s->vm->clocks);
    return true;
}

static bool timer_post_load(void *opaque, int version, GError **errp)
{
    EngineState *s = opaque;

    clocks_set_ticks(s->vm->clocks, s->cpu_ticks_offset);
    clocks_set_virtual_offset(s->vm->clocks, s->cpu_clock_offset);
    return true;
}

static const Vmstate timer_vmstate = {
    .name = "timer",
    .version = 2,
    .oldest = 2,
    .pre_save = timer_pre_save,
    .post_load = timer_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_I64(EngineState, cpu_ticks_offset),
            VMSTATE_UNUSED(8),
            VMSTATE_I64(EngineState, cpu_clock_offset),
            VMSTATE_END,
        },
};

void engine_state_store(EngineState *s, RunState state)
{
    const char *text = run_state_str(state);

    memset(s->runstate, 0, sizeof(s->runstate));
    s->size = strlen(text) + 1;
    memcpy(s->runstate, text, s->size);
}

RunState engine_state_loaded(const EngineState *s)
{
    return s->loaded;
}

static bool globalstate_post_load(void *opaque, int version, GError **errp)
{
    EngineState *s = opaque;

    if (s->runstate[RUNSTATE_TEXT - 1] != '\0') {
        error_setf(errp, "run state without an end");
        return false;
    }
    if (!run_state_parse((const char *)s->runstate, &s->loaded)) {
        error_setf(errp, "unknown run state '%s'", (char *)s->runstate);
        return false;
    }
    switch (s->loaded) {
    case RUN_STATE_INMIGRATE:
    case RUN_STATE_FINISH_MIGRATE:
    case RUN_STATE_SAVE_VM:
    case RUN_STATE_RESTORE_VM:
        /* A guest is never in these for itself: nobody would lead it out. */
        error_setf(errp, "run state '%s' at the source", (char *)s->runstate);
        return false;
    default:
        return true;
    }
}

/*
 * Always, here: to have a condition means that it may be missing in a stream,
 * as in that of a source with "migration.store-global-state=off".
 */
static bool globalstate_needed(void *opaque)
{
    return true;
}

static const Vmstate globalstate_vmstate = {
    .name = "globalstate",
    .version = 1,
    .oldest = 1,
    .priority = -1, /* the last section */
    .needed = globalstate_needed,
    .post_load = globalstate_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(EngineState, size),
            VMSTATE_BUFFER(EngineState, runstate),
            VMSTATE_END,
        },
};

EngineState *engine_state_new(Vm *vm)
{
    EngineState *s = g_new0(EngineState, 1);

    s->vm = vm;
    s->loaded = RUN_STATE_RUNNING;
    s->timer_entry = vmstate_register(vm->vmstates, NULL, 0, &timer_vmstate, s);
    s->state_entry =
        vmstate_register(vm->vmstates, NULL, 0, &globalstate_vmstate, s);
    return s;
}

void engine_state_free(EngineState *s)
{
    if (s == NULL) {
        return;
    }
    vmstate_unregister(s->vm->vmstates, s->timer_entry);
    vmstate_unregister(s->vm->vmstates, s->state_entry);
    g_free(s);
}
