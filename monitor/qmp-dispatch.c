/*
 * QMP requests: checked, given to the command's handler, answered.
 *
 * The protocol is QMP's (its specification, versions 0.9 and 0.10 on
 * negotiation and out-of-band execution); the error texts are those that the
 * installed emulator gives for the same input.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp.h"

#include "monitor/known-commands.h"
#include "monitor/qmp-priv.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* A request's members. */
typedef struct Parts {
    const char *name;
    const JsonValue *args; /* NULL: none given */
    bool oob;
} Parts;

static const QmpCommand *command_find(const char *name)
{
    size_t lo = 0, hi = qmp_ncommands;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int order = strcmp(name, qmp_commands[mid].name);

        if (order == 0) {
            return &qmp_commands[mid];
        }
        if (order < 0) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return NULL;
}

static bool take_name(const char *key, const JsonValue *val, Parts *parts,
                      GError **errp)
{
    if (!json_get_string(val)) {
        error_setf(errp, "QMP input member '%s' must be a string", key);
        return false;
    }
    if (parts->name) {
        error_setf(errp, "QMP input member 'execute' clashes with 'exec-oob'");
        return false;
    }
    parts->name = json_get_string(val);
    parts->oob = !strcmp(key, "exec-oob");
    return true;
}

/* Takes a request apart; true if its form is right. */
static bool request_parse(const QmpSession *s, const JsonValue *value,
                          Parts *ret, GError **errp)
{
    Parts parts = { 0 };

    if (json_type(value) != JSON_OBJECT) {
        error_setf(errp, "QMP input must be a JSON object");
        return false;
    }
    for (size_t i = 0; i < json_object_len(value); i++) {
        JsonValue *val = NULL;
        const char *key = json_object_at(value, i, &val);

        if (!strcmp(key, "execute") || (s->oob && !strcmp(key, "exec-oob"))) {
            if (!take_name(key, val, &parts, errp)) {
                return false;
            }
        } else if (!strcmp(key, "arguments")) {
            if (json_type(val) != JSON_OBJECT) {
                error_setf(errp,
                           "QMP input member 'arguments' must be an object");
                return false;
            }
            parts.args = val;
        } else if (!g_str_equal(key, "id")) {
            error_setf(errp, "QMP input member '%s' is unexpected", key);
            return false;
        }
    }
    if (!parts.name) {
        error_setf(errp, "QMP input lacks member 'execute'");
        return false;
    }
    *ret = parts;
    return true;
}

bool qmp_request_is_oob(const QmpSession *s, const JsonValue *value)
{
    return s->oob && json_object_has(value, "exec-oob") &&
           !json_object_has(value, "execute");
}

/* May the session use that command now? */
static bool command_check(const QmpSession *s, const Parts *parts,
                          const QmpCommand *cmd, GError **errp)
{
    bool negotiates = !strcmp(parts->name, "qmp_capabilities");

    if (!s->negotiated && !negotiates) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        "Expecting capabilities negotiation with "
                        "'qmp_capabilities'");
        return false;
    }
    if (!cmd) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        qmp_command_is_known(parts->name)
                            ? "The command %s is not in this version"
                            : "The command %s has not been found",
                        parts->name);
        return false;
    }
    if (parts->oob && !(cmd->flags & QMP_ALLOW_OOB)) {
        error_setf(errp, "The command %s does not support OOB", cmd->name);
        return false;
    }
    if (s->negotiated && negotiates) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        "Capabilities negotiation is already complete, "
                        "command ignored");
        return false;
    }
    return true;
}

/* Its return value, an empty object if it has none; NULL on failure. */
static JsonValue *request_run(QmpSession *s, const JsonValue *value,
                              GError **errp)
{
    g_autoptr(JsonValue) no_args = NULL;
    const QmpCommand *cmd;
    JsonValue *ret = NULL;
    QmpCtx ctx;
    Parts parts;

    if (!request_parse(s, value, &parts, errp)) {
        return NULL;
    }
    cmd = command_find(parts.name);
    if (!command_check(s, &parts, cmd, errp)) {
        return NULL;
    }
    if (!parts.args) {
        no_args = json_object_new();
        parts.args = no_args;
    }
    ctx = (QmpCtx){ .vm = s->monitors->vm,
                    .monitors = s->monitors,
                    .session = s,
                    .args = parts.args };
    if (!cmd->fn(&ctx, parts.args, &ret, errp)) {
        return NULL;
    }
    return ret ? ret : json_object_new();
}

static JsonValue *error_to_json(const GError *err)
{
    JsonValue *o = json_object_new();

    json_object_set_string(o, "class", error_class_name(error_class(err)));
    json_object_set_string(o, "desc", err->message);
    return o;
}

JsonValue *qmp_dispatch(QmpSession *s, const QmpRequest *req)
{
    g_autoptr(GError) err = req->err ? g_error_copy(req->err) : NULL;
    JsonValue *answer = json_object_new();
    JsonValue *ret = NULL;
    JsonValue *id = NULL;

    if (req->value) {
        ret = request_run(s, req->value, &err);
        id = json_object_get(req->value, "id");
    }
    if (ret) {
        json_object_set(answer, "return", ret);
    } else {
        if (!err) {
            error_setf(&err, "internal error: a command failed silently");
        }
        json_object_set(answer, "error", error_to_json(err));
    }
    if (id) {
        json_object_set(answer, "id", json_ref(id));
    }
    return answer;
}
