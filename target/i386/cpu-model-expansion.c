/*
 * What a CPU model and changes to it come to: query-cpu-model-expansion.
 * Which properties each kind of expansion shows was learnt by asking the 7.2
 * of Debian.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu-model-priv.h"

#include "util/error.h"

/* Of a CPU that is part of a machine; what one that is not has for it. */
static const struct {
    const char *name;
    int64_t value;
} unplaced[] = {
    { "apic-id", UINT32_MAX }, { "node-id", -1 }, { "socket-id", -1 },
    { "die-id", -1 },          { "core-id", -1 }, { "thread-id", -1 },
};

/* Properties that tell of a realized CPU, not of its model. */
static bool expansion_leaves_out(const char *name)
{
    static const char *const names[] = { "feature-words", "filtered-features",
                                         "unavailable-features", "hotpluggable",
                                         NULL };

    return g_strv_contains(names, name);
}

typedef struct Expansion {
    const X86CpuModel *m;
    bool full;
    JsonValue *props;
} Expansion;

static void expansion_add(const char *name, const char *type, void *opaque)
{
    Expansion *e = opaque;

    if (e->full ? !expansion_leaves_out(name)
                : x86_model_prop_is_static(name)) {
        json_object_set(e->props, name, x86_cpu_model_prop(e->m, name));
    }
}

static JsonValue *expansion_props(const X86CpuModel *m, bool full)
{
    Expansion e = { m, full, json_object_new() };

    x86_cpu_model_foreach_prop(expansion_add, &e);
    if (full) {
        for (size_t i = 0; i < G_N_ELEMENTS(unplaced); i++) {
            json_object_set_int(e.props, unplaced[i].name, unplaced[i].value);
        }
        json_object_set_bool(e.props, "realized", false);
        json_object_set_uint(e.props, "tsc-frequency", m->tsc_hz);
    }
    return e.props;
}

static void expansion_find_type(const char *name, const char *type,
                                void *opaque)
{
    const char **wanted = opaque; /* the name, then the type if found */

    if (g_str_equal(name, wanted[0])) {
        wanted[1] = type;
    }
}

/* One property, whose value is of the type that QOM tells. */
static bool expansion_set(X86CpuModel *m, const char *name,
                          const JsonValue *val, GError **errp)
{
    const char *found[] = { name, NULL };
    g_autofree char *text = NULL;
    bool b;

    x86_cpu_model_foreach_prop(expansion_find_type, found);
    if (json_get_bool(val, &b)) {
        text = g_strdup(b ? "on" : "off");
    } else if (g_strcmp0(found[1], "bool") == 0) {
        error_setf(errp, "Invalid parameter type for '%s', expected: boolean",
                   name);
        return false;
    } else if (json_type(val) == JSON_STRING) {
        text = g_strdup(json_get_string(val));
    } else if (json_type(val) == JSON_INT || json_type(val) == JSON_UINT) {
        text = json_to_string(val, false);
    } else {
        error_setf(errp, "Invalid parameter type for '%s', not expected: %s",
                   name, json_type_name(val));
        return false;
    }
    return x86_model_set_option(m, name, text, errp);
}

static bool expansion_set_all(X86CpuModel *m, const JsonValue *props,
                              GError **errp)
{
    /* 7.2 takes what is no object for none; so do its clients. */
    for (size_t i = 0; props && i < json_object_len(props); i++) {
        JsonValue *val;
        const char *name = json_object_at(props, i, &val);

        if (!expansion_set(m, name, val, errp)) {
            return false;
        }
    }
    return true;
}

bool x86_cpu_model_expansion(const char *name, const JsonValue *props,
                             bool full, const X86CpuSupport *support,
                             JsonValue **ret_props, GError **errp)
{
    g_autoptr(X86CpuModel) m = NULL;
    bool check, ok;

    /* The rest of a text of -cpu would be options. */
    if (!strchr(name, ',')) {
        m = x86_cpu_model_parse(name, NULL);
    }
    if (!m) {
        error_setf(errp, "CPU model '%s' not found", name);
        return false;
    }
    if (!expansion_set_all(m, props, errp)) {
        return false;
    }
    check = m->check;
    m->check = false; /* asked, not used: nothing to warn of */
    ok = x86_model_expand(m, support, errp);
    m->check = check;
    if (ok) {
        *ret_props = expansion_props(m, full);
    }
    return ok;
}
