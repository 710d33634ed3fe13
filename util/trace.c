/*
 * Trace points: finding, switching and writing them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/trace.h"

#include "util/error.h"
#include "util/log.h"

/* Bounds of the section that TRACE() fills, made by the linker. */
extern TracePoint *const __start_godwit_trace[] __attribute__((weak));
extern TracePoint *const __stop_godwit_trace[] __attribute__((weak));

void trace_write(const TracePoint *tp, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    int64_t now_us = g_get_real_time();
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    log_write("%d@%" PRId64 ".%06d:%s %s", (int)gettid(), now_us / 1000000,
              (int)(now_us % 1000000), tp->name, text);
}

bool trace_enable(const char *pattern, bool on, GError **errp)
{
    bool found = strpbrk(pattern, "*?") != NULL;

    for (TracePoint *const *t = __start_godwit_trace; t < __stop_godwit_trace;
         t++) {
        if (g_pattern_match_simple(pattern, (*t)->name)) {
            __atomic_store_n(&(*t)->on, on, __ATOMIC_RELAXED);
            found = true;
        }
    }
    if (!found) {
        error_setf(errp, "unknown trace point '%s'", pattern);
    }
    return found;
}

bool trace_is_enabled(const char *name)
{
    for (TracePoint *const *t = __start_godwit_trace; t < __stop_godwit_trace;
         t++) {
        if (!strcmp((*t)->name, name) &&
            __atomic_load_n(&(*t)->on, __ATOMIC_RELAXED)) {
            return true;
        }
    }
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void trace_foreach(void (*fn)(const char *name, bool on, void *opaque),
                   void *opaque)
{
    size_t n = __stop_godwit_trace - __start_godwit_trace;
    g_autofree const char **names = g_new(const char *, n + 1);

    for (size_t i = 0; i < n; i++) {
        names[i] = __start_godwit_trace[i]->name;
    }
    qsort(names, n, sizeof(*names), compare_names);
    for (size_t i = 0; i < n; i++) {
        /* An inline function's point exists once per file that uses it. */
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0) {
            fn(names[i], trace_is_enabled(names[i]), opaque);
        }
    }
}

static void print_name(const char *name, bool on G_GNUC_UNUSED, void *opaque)
{
    fprintf(opaque, "%s\n", name);
}

void trace_print_list(FILE *out)
{
    trace_foreach(print_name, out);
}
