/*
 * QMP commands that press keys and move pointers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/error.h"

enum {
    HOLD_MS = 100,
    HOLD_MS_MAX = 3600 * 1000,
    NUMBER_PREFIX = 0x80, /* of a key's number: prefix 0xe0 */
    NUMBER_MAX = 0xff,
};

/* A key that keyboards here don't have is refused by its name. */
static bool key_code(const KeyValue *key, uint16_t *ret_code, GError **errp)
{
    int64_t n;

    if (key->type == KEY_VALUE_KIND_QCODE) {
        *ret_code = key_code_set1(key->u.qcode->data);
        if (*ret_code == 0) {
            error_setf(errp, "key '%s': the keyboard has none",
                       q_key_code_str(key->u.qcode->data));
        }
        return *ret_code != 0;
    }
    n = key->u.number->data;
    if (n < 1 || n > NUMBER_MAX || n == NUMBER_PREFIX) {
        error_setf(errp, "key number %" PRId64 ": 1 to 255, not 128", n);
        return false;
    }
    *ret_code = n & NUMBER_PREFIX ? 0xe000 | (n & ~NUMBER_PREFIX) : n;
    return true;
}

bool qmp_send_key(QmpCtx *ctx, const KeyValueList *keys, bool has_hold_time,
                  int64_t hold_time, GError **errp)
{
    g_autofree uint16_t *codes = g_new(uint16_t, keys->n + 1);

    hold_time = has_hold_time ? hold_time : HOLD_MS;
    if (hold_time < 0 || hold_time > HOLD_MS_MAX) {
        error_setf(errp, "Parameter 'hold-time' expects 0 to %d ms",
                   HOLD_MS_MAX);
        return false;
    }
    for (size_t i = 0; i < keys->n; i++) {
        if (!key_code(keys->items[i], &codes[i], errp)) {
            return false;
        }
    }
    return input_send_keys(consoles_inputs(ctx->vm->consoles), codes, keys->n,
                           hold_time, errp);
}

static bool send_button(Inputs *in, const InputBtnEvent *e, GError **errp)
{
    switch (e->button) {
    case INPUT_BUTTON_LEFT:
        input_button(in, INPUT_LEFT, e->down);
        return true;
    case INPUT_BUTTON_MIDDLE:
        input_button(in, INPUT_MIDDLE, e->down);
        return true;
    case INPUT_BUTTON_RIGHT:
        input_button(in, INPUT_RIGHT, e->down);
        return true;
    case INPUT_BUTTON_SIDE:
        input_button(in, INPUT_SIDE, e->down);
        return true;
    case INPUT_BUTTON_EXTRA:
        input_button(in, INPUT_EXTRA, e->down);
        return true;
    case INPUT_BUTTON_WHEEL_UP:
    case INPUT_BUTTON_WHEEL_DOWN:
        if (e->down) {
            input_move(in, 0, 0, e->button == INPUT_BUTTON_WHEEL_UP ? -1 : 1);
        }
        return true;
    default:
        error_setf(errp, "button '%s': the pointer has none",
                   input_button_str(e->button));
        return false;
    }
}

static bool send_event(Inputs *in, const InputEvent *e, GError **errp)
{
    uint16_t code;

    switch (e->type) {
    case INPUT_EVENT_KIND_KEY:
        if (!key_code(e->u.key->data->key, &code, errp)) {
            return false;
        }
        input_key(in, code, e->u.key->data->down);
        return true;
    case INPUT_EVENT_KIND_BTN:
        return send_button(in, e->u.btn->data, errp);
    case INPUT_EVENT_KIND_REL: {
        const InputMoveEvent *m = e->u.rel->data;
        int by = CLAMP(m->value, INT16_MIN, INT16_MAX);

        input_move(in, m->axis == INPUT_AXIS_X ? by : 0,
                   m->axis == INPUT_AXIS_Y ? by : 0, 0);
        return true;
    }
    default: {
        const InputMoveEvent *m = e->u.abs->data;

        if (!input_place(in, m->axis, CLAMP(m->value, 0, INPUT_ABS_MAX))) {
            error_setf(errp, "Input handler not found for event type abs");
            return false;
        }
        return true;
    }
    }
}

bool qmp_input_send_event(QmpCtx *ctx, const char *device, bool has_head,
                          int64_t head, const InputEventList *events,
                          GError **errp)
{
    Inputs *in = consoles_inputs(ctx->vm->consoles);
    bool ok = true;

    if (device != NULL && device_find(ctx->vm, device) == NULL) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", device);
        return false;
    }
    if (!input_wanted(in)) {
        error_setf(errp, "VM not running");
        return false;
    }
    for (size_t i = 0; i < events->n && ok; i++) {
        ok = send_event(in, events->items[i], errp);
    }
    input_sync(in);
    return ok;
}

bool qmp_query_mice(QmpCtx *ctx, MouseInfoList **ret, GError **errp)
{
    const GQueue *all = input_handlers(consoles_inputs(ctx->vm->consoles));
    MouseInfo *info = NULL;

    *ret = mouse_info_list_new();
    /* The one that comes first is told last. */
    for (const GList *l = all->tail; l != NULL; l = l->prev) {
        const InputHandler *h = l->data;

        if (input_handler_is_pointer(h)) {
            info = mouse_info_new();
            info->name = g_strdup(h->name);
            info->index = h->index;
            info->absolute = h->place != NULL;
            mouse_info_list_append(*ret, info);
        }
    }
    if (info != NULL) {
        info->current = true;
    }
    return true;
}
