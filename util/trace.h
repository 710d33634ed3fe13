/*
 * Trace points: named places that write a line to the log when switched on.
 *
 *     TRACE(mig_pass_start, "pass %u remaining %" PRIu64, pass, bytes);
 *
 * The name is subsystem_event. A point that is off costs one load and one
 * branch that is not taken; its arguments are not evaluated. The points of
 * all objects linked into a program are found through a linker section.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_TRACE_H
#define UTIL_TRACE_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct TracePoint {
    const char *name;
    bool on; /* atomic, relaxed */
} TracePoint;

#define TRACE(event, ...)                                                   \
    do {                                                                    \
        static TracePoint trace_point_ = { .name = #event };                \
        static TracePoint *const trace_ref_                                 \
            __attribute__((section("godwit_trace"), used)) = &trace_point_; \
        if (__builtin_expect(                                               \
                __atomic_load_n(&trace_point_.on, __ATOMIC_RELAXED), 0)) {  \
            trace_write(&trace_point_, __VA_ARGS__);                        \
        }                                                                   \
    } while (0)

/* Writes "THREAD@SECONDS.MICROSECONDS:NAME TEXT" to the log. */
void trace_write(const TracePoint *tp, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/*
 * Switches all points whose name matches the pattern (* and ?) on or off.
 * An error if the pattern is a plain name that no point has.
 */
bool trace_enable(const char *pattern, bool on, GError **errp);
/* Is a point of that name on? For tests and queries. */
bool trace_is_enabled(const char *name);
/*
 * Calls fn once per name, sorted; on: is a point of that name on?
 */
void trace_foreach(void (*fn)(const char *name, bool on, void *opaque),
                   void *opaque);
/* The names, sorted, one per line. */
void trace_print_list(FILE *out);

#endif /* UTIL_TRACE_H */
