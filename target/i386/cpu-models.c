/*
 * The list of CPU models, for -cpu help and query-cpu-definitions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu-model-priv.h"

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_one(GString *out, const char *name, const char *text)
{
    /* A long name still has two spaces between it and the text. */
    g_string_append_printf(out, "x86 %-20s  %s\n", name, text);
}

static char *version_text(const X86ModelDef *d)
{
    return d->note ? g_strdup_printf("%s [%s]", d->model_id, d->note)
                   : g_strdup(d->model_id);
}

static char *base_name(const X86ModelDef *d)
{
    return g_strndup(d->name, strlen(d->name) - strlen("-v1"));
}

static bool is_first(const X86ModelDef *d)
{
    return g_str_has_suffix(d->name, "-v1");
}

typedef struct ModelLine {
    char *name, *text;
} ModelLine;

static void line_clear(void *p)
{
    ModelLine *l = p;

    g_free(l->name);
    g_free(l->text);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(((const ModelLine *)a)->name, ((const ModelLine *)b)->name);
}

static GArray *model_lines(void)
{
    GArray *lines = g_array_new(FALSE, FALSE, sizeof(ModelLine));

    g_array_set_clear_func(lines, line_clear);
    for (unsigned i = 0; i < x86_nmodel_defs; i++) {
        const X86ModelDef *d = &x86_model_defs[i];
        ModelLine l = { g_strdup(d->name), version_text(d) };

        g_array_append_val(lines, l);
        if (is_first(d)) {
            l = (ModelLine){ base_name(d),
                             g_strdup("(alias configured by machine type)") };
            g_array_append_val(lines, l);
        }
        if (d->alias) {
            l = (ModelLine){ g_strdup(d->alias),
                             g_strdup_printf("(alias of %s)", d->name) };
            g_array_append_val(lines, l);
        }
    }
    g_array_sort(lines, compare_lines);
    return lines;
}

static void print_flags(GString *out)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    size_t width = 0;

    for (unsigned w = 0; w < X86_FEATURE_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            if (x86_features[w].names[b]) {
                g_ptr_array_add(names, (void *)x86_features[w].names[b]);
            }
        }
    }
    g_ptr_array_sort(names, compare_names);
    for (unsigned i = 0; i < names->len; i++) {
        const char *n = names->pdata[i];

        if (i > 0 && g_str_equal(n, names->pdata[i - 1])) {
            continue;
        }
        if (width + strlen(n) + 1 > 75) {
            g_string_append_c(out, '\n');
            width = 0;
        }
        if (width == 0) {
            g_string_append_c(out, ' ');
        }
        g_string_append_printf(out, " %s", n);
        width += strlen(n) + 1;
    }
    g_string_append_c(out, '\n');
}

void x86_cpu_models_foreach(void (*fn)(const char *name, void *opaque),
                            void *opaque)
{
    g_autoptr(GArray) lines = model_lines();

    for (unsigned i = 0; i < lines->len; i++) {
        fn(g_array_index(lines, ModelLine, i).name, opaque);
    }
    fn("base", opaque);
    fn("host", opaque);
    fn("max", opaque);
}

void x86_cpu_models_print(GString *out)
{
    g_autoptr(GArray) lines = model_lines();

    g_string_append(out, "Available CPUs:\n");
    for (unsigned i = 0; i < lines->len; i++) {
        const ModelLine *l = &g_array_index(lines, ModelLine, i);

        print_one(out, l->name, l->text);
    }
    print_one(out, "base", "base CPU model type with no features enabled");
    print_one(out, "host", "processor with all supported host features");
    print_one(out, "max",
              "Enables all features supported by the accelerator in the "
              "current host");
    g_string_append(out, "\nRecognized CPUID flags:\n");
    print_flags(out);
}

/* Features of a model that this host hasn't; names as the user gives them. */
static JsonValue *cpu_model_unavailable(const X86ModelDef *d,
                                        const X86CpuSupport *s)
{
    X86CpuModel *m = x86_cpu_model_parse(d->name, NULL);
    JsonValue *list;

    m->check = false; /* asked, not used: nothing to warn of */
    x86_cpu_model_realize(m, s, NULL);
    list = x86_model_unavailable(m);
    x86_cpu_model_free(m);
    return list;
}

static JsonValue *cpu_model_definition(const char *name, const X86ModelDef *d,
                                       const char *alias_of,
                                       const X86CpuSupport *s)
{
    JsonValue *o = json_object_new();
    g_autofree char *type = g_strdup_printf("%s-x86_64-cpu", name);

    json_object_set(o, "name", json_string_new(name));
    json_object_set(o, "typename", json_string_new(type));
    /* Without an accelerator that runs code nothing is left out. */
    json_object_set(o, "unavailable-features",
                    d && s ? cpu_model_unavailable(d, s) : json_array_new());
    json_object_set(o, "static", json_bool_new(g_str_equal(name, "base")));
    json_object_set(o, "migration-safe",
                    json_bool_new(d || g_str_equal(name, "base")));
    json_object_set(o, "deprecated", json_bool_new(false));
    if (alias_of) {
        json_object_set(o, "alias-of", json_string_new(alias_of));
    }
    return o;
}

JsonValue *x86_cpu_models_json(const X86CpuSupport *support)
{
    static const char *const special[] = { "max", "host", "base" };
    JsonValue *list = json_array_new();

    for (size_t i = 0; i < G_N_ELEMENTS(special); i++) {
        json_array_add(list,
                       cpu_model_definition(special[i], NULL, NULL, support));
    }
    for (unsigned i = 0; i < x86_nmodel_defs; i++) {
        const X86ModelDef *d = &x86_model_defs[i];

        json_array_add(list, cpu_model_definition(d->name, d, NULL, support));
        if (is_first(d)) {
            g_autofree char *n = base_name(d);

            json_array_add(list, cpu_model_definition(n, d, d->name, support));
        }
        if (d->alias) {
            json_array_add(list,
                           cpu_model_definition(d->alias, d, d->name, support));
        }
    }
    return list;
}
