/*
 * Human monitor: keys and pointers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/error.h"

/* "ctrl", "0x1d" or "<"; false: no key. */
static bool parse_key(const char *name, KeyValue *key)
{
    QKeyCode code;
    char *end;

    if (g_str_has_prefix(name, "0x")) {
        guint64 n = g_ascii_strtoull(name, &end, 0);

        key->type = KEY_VALUE_KIND_NUMBER;
        key->u.number = int_wrapper_new();
        key->u.number->data = MIN(n, (guint64)INT64_MAX);
        return *end == '\0';
    }
    if (!q_key_code_parse(g_str_equal(name, "<") ? "less" : name, &code)) {
        return false;
    }
    key->type = KEY_VALUE_KIND_QCODE;
    key->u.qcode = q_key_code_wrapper_new();
    key->u.qcode->data = code;
    return true;
}

void hmp_cmd_sendkey(HmpOut *out, const HmpArgs *a)
{
    g_auto(GStrv) names = g_strsplit(a->arg[0].text, "-", -1);
    g_autoptr(KeyValueList) keys = key_value_list_new();
    QmpCtx ctx = { .vm = out->vm };
    GError *err = NULL;

    for (char **n = names; *n != NULL && err == NULL; n++) {
        KeyValue *key = key_value_new();

        key_value_list_append(keys, key);
        if (!parse_key(*n, key)) {
            error_setf(&err, "invalid parameter: %s", *n);
        }
    }
    if (err == NULL) {
        qmp_send_key(&ctx, keys, a->arg[1].given, a->arg[1].num, &err);
    }
    if (err != NULL) {
        hmp_error(out, err);
    }
}

/* A word, so that "-5" isn't taken for a flag. */
static bool parse_distance(const char *text, int *ret, GError **errp)
{
    char *end;
    gint64 n = g_ascii_strtoll(text, &end, 0);

    if (*text == '\0' || *end != '\0') {
        error_setf(errp, "'%s' is not a number", text);
        return false;
    }
    *ret = CLAMP(n, INT16_MIN, INT16_MAX);
    return true;
}

void hmp_cmd_mouse_move(HmpOut *out, const HmpArgs *a)
{
    Inputs *in = consoles_inputs(out->vm->consoles);
    int by[3] = { 0 };
    GError *err = NULL;

    for (unsigned i = 0; i < 3 && err == NULL; i++) {
        if (a->arg[i].text != NULL) {
            parse_distance(a->arg[i].text, &by[i], &err);
        }
    }
    if (err != NULL) {
        hmp_error(out, err);
        return;
    }
    /* As a user turns the wheel: up is positive. */
    input_move(in, by[0], by[1], -by[2]);
    input_sync(in);
}

void hmp_cmd_mouse_button(HmpOut *out, const HmpArgs *a)
{
    static const struct {
        unsigned monitor, button;
    } bits[] = { { 1, INPUT_LEFT }, { 2, INPUT_MIDDLE }, { 4, INPUT_RIGHT } };
    Inputs *in = consoles_inputs(out->vm->consoles);

    for (size_t i = 0; i < G_N_ELEMENTS(bits); i++) {
        input_button(in, bits[i].button, a->arg[0].num & bits[i].monitor);
    }
    input_sync(in);
}

void hmp_cmd_mouse_set(HmpOut *out, const HmpArgs *a)
{
    Inputs *in = consoles_inputs(out->vm->consoles);
    int64_t n = a->arg[0].num;
    InputHandler *h =
        n > 0 && n <= INT32_MAX ? input_handler_find(in, n) : NULL;

    if (h == NULL) {
        hmp_printf(out, "Mouse at index '%" PRId64 "' not found\n", n);
    } else if (!input_handler_is_pointer(h)) {
        hmp_printf(out, "Input device '%s' is not a mouse\n", h->name);
    } else {
        input_handler_activate(in, h);
    }
}

void hmp_info_mice(HmpOut *out, const HmpArgs *a)
{
    g_autoptr(MouseInfoList) mice = NULL;
    QmpCtx ctx = { .vm = out->vm };

    qmp_query_mice(&ctx, &mice, NULL);
    for (size_t i = 0; i < mice->n; i++) {
        const MouseInfo *m = mice->items[i];

        hmp_printf(out, "%c Mouse #%" PRId64 ": %s%s\n", m->current ? '*' : ' ',
                   m->index, m->name, m->absolute ? " (absolute)" : "");
    }
    if (mice->n == 0) {
        hmp_printf(out, "No mouse devices connected\n");
    }
}
