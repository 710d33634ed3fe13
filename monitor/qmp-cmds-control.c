/*
 * QMP commands of qapi/control.json: the monitor itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp.h"
#include "monitor/qmp-priv.h"
#include "monitor/vm-control.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-introspect.h"
#include "system/vm.h"
#include "util/error.h"

bool qmp_qmp_capabilities(QmpCtx *ctx, const QmpCapabilityList *enable,
                          GError **errp)
{
    QmpSession *s = ctx->session;

    for (size_t i = 0; enable && i < enable->n; i++) {
        s->oob |= enable->items[i] == QMP_CAPABILITY_OOB;
    }
    s->negotiated = true;
    return true;
}

bool qmp_query_version(QmpCtx *ctx, VersionInfo **ret, GError **errp)
{
    g_autoptr(JsonValue) v = qmp_version_json();

    *ret = version_info_from_json(v, errp);
    return *ret != NULL;
}

bool qmp_query_commands(QmpCtx *ctx, CommandInfoList **ret, GError **errp)
{
    CommandInfoList *list = command_info_list_new();

    for (size_t i = 0; i < qmp_ncommands; i++) {
        CommandInfo *info = command_info_new();

        info->name = g_strdup(qmp_commands[i].name);
        command_info_list_append(list, info);
    }
    *ret = list;
    return true;
}

bool qmp_query_qmp_schema(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                          GError **errp)
{
    g_autoptr(JsonValue) list = json_array_new();

    if (json_object_len(args)) {
        error_setf(errp, "Parameter '%s' is unexpected",
                   json_object_at(args, 0, NULL));
        return false;
    }
    for (size_t i = 0; qapi_schema_json[i]; i++) {
        JsonValue *v = json_parse(qapi_schema_json[i], -1, errp);

        if (!v) {
            return false;
        }
        json_array_add(list, v);
    }
    *ret = g_steal_pointer(&list);
    return true;
}

bool qmp_quit(QmpCtx *ctx, GError **errp)
{
    vm_control_quit(ctx->vm);
    return true;
}

/* Clients know the text as a terminal gets it. */
static char *terminal_text(const char *text)
{
    GString *s = g_string_sized_new(strlen(text));

    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            g_string_append_c(s, '\r');
        }
        g_string_append_c(s, *text);
    }
    return g_string_free(s, false);
}

bool qmp_human_monitor_command(QmpCtx *ctx, const char *command_line,
                               bool has_cpu_index, int64_t cpu_index,
                               char **ret, GError **errp)
{
    GString *text;

    if (has_cpu_index &&
        (cpu_index < 0 || cpu_index >= (int64_t)ctx->vm->nvcpus)) {
        error_setf(errp, "Parameter 'cpu-index' expects a CPU number");
        return false;
    }
    text = g_string_new(NULL);
    hmp_execute_on_cpu(ctx->vm, has_cpu_index ? cpu_index : 0, command_line,
                       text);
    *ret = terminal_text(text->str);
    g_string_free(text, true);
    return true;
}
