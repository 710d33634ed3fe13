/*
 * What was measured, as JSON and as comma-separated values.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/bench/l2gen/tester.h"

#include <gio/gio.h>
#include <rte_cycles.h>
#include <time.h>

enum { LOST_RANGES = 16 }; /* of each port that are told one by one */

static double tsc_us(const Tester *t, uint64_t ticks)
{
    return (double)ticks * 1e6 / (double)t->hz;
}

double tester_time(const Tester *t, uint64_t tsc)
{
    struct timespec ts;
    uint64_t now;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    now = rte_rdtsc();
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9 -
           tsc_us(t, now - tsc) / 1e6;
}

static void put_latency(GString *out, const Histogram *h)
{
    static const struct {
        const char *name;
        unsigned permille;
    } points[] = {
        { "p50", 500 },
        { "p90", 900 },
        { "p99", 990 },
        { "p999", 999 },
    };

    g_string_append_printf(out, "{\"count\": %" PRIu64 ", \"min\": %.3f",
                           h->count, (double)h->min / 1000);
    for (size_t i = 0; i < G_N_ELEMENTS(points); i++) {
        g_string_append_printf(
            out, ", \"%s\": %.3f", points[i].name,
            (double)histogram_permille(h, points[i].permille) / 1000);
    }
    g_string_append_printf(out, ", \"max\": %.3f, \"mean\": %.3f}",
                           (double)h->max / 1000,
                           h->count ? (double)h->sum / (double)h->count / 1000
                                    : 0.0);
}

static void put_gaps(GString *out, const Tester *t, const Gaps *gaps)
{
    g_string_append_c(out, '[');
    for (unsigned i = 0; i < gaps->count; i++) {
        const Gap *gap = &gaps->longest[i];

        g_string_append_printf(out, "%s{\"us\": %.1f, \"time\": %.6f}",
                               i ? ", " : "", tsc_us(t, gap->length),
                               tester_time(t, gap->start));
    }
    g_string_append_c(out, ']');
}

/* Missing numbers of a port's streams between two phases' beginnings. */
static uint64_t lost_in_phase(const Tester *t, unsigned phase, unsigned port)
{
    const PortPhase *this = &t->phases[phase].ports[port];
    uint64_t lost = 0;

    for (unsigned q = 0; q < t->nqueues; q++) {
        const Stream *s = &t->streams[port][q];
        uint64_t end = phase + 1 < t->nphases
                           ? t->phases[phase + 1].ports[port].first_number[q]
                           : s->sent;
        uint64_t at = this->first_number[q], count;

        while (sequence_next_missing(&s->sequence, end, &at, &count)) {
            lost += count;
            at += count;
        }
    }
    return lost;
}

static void put_port(GString *out, const Tester *t, unsigned phase,
                     unsigned port)
{
    const PortPhase *p = &t->phases[phase].ports[port];
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        { "sent", p->sent },
        { "received", p->received },
        { "lost", lost_in_phase(t, phase, port) },
        { "refused_full", p->refused_full },
        { "no_guest", p->no_guest },
        { "skipped", p->skipped },
        { "late", p->late },
        { "duplicates", p->duplicates },
        { "never_sent", p->never_sent },
        { "corrupt", p->corrupt },
    };

    g_string_append_printf(out, "{\"port\": %u", port);
    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_string_append_printf(out, ", \"%s\": %" PRIu64, counts[i].name,
                               counts[i].value);
    }
    g_string_append(out, ", \"latency_us\": ");
    put_latency(out, &p->latency);
    g_string_append(out, ", \"gaps\": ");
    put_gaps(out, t, &p->gaps);
    g_string_append_c(out, '}');
}

static void put_phase(GString *out, const Tester *t, unsigned i)
{
    const Phase *phase = &t->phases[i];

    g_string_append_printf(out,
                           "{\"name\": \"%s\", \"start\": %.6f, "
                           "\"own_gaps\": ",
                           phase->name, tester_time(t, phase->start_tsc));
    put_gaps(out, t, &phase->own);
    g_string_append(out, ", \"ports\": [");
    for (unsigned p = 0; p < t->nports; p++) {
        g_string_append(out, p ? ", " : "");
        put_port(out, t, i, p);
    }
    g_string_append(out, "]}");
}

static void put_link(GString *out, const Tester *t, const Link *link)
{
    g_string_append_printf(out,
                           "{\"vm\": \"%s\", \"port\": %u, \"up\": %s, "
                           "\"received\": %" PRIu64,
                           t->vms[link->vm].name, link->port,
                           link->vid >= 0 ? "true" : "false", link->received);
    if (link->first_tsc) {
        g_string_append_printf(out, ", \"first\": %.6f, \"last\": %.6f",
                               tester_time(t, link->first_tsc),
                               tester_time(t, link->last_tsc));
    }
    g_string_append_c(out, '}');
}

static void put_lost_ranges(GString *out, const Tester *t)
{
    unsigned n = 0;

    for (unsigned p = 0; p < t->nports; p++) {
        for (unsigned q = 0; q < t->nqueues; q++) {
            const Stream *s = &t->streams[p][q];
            uint64_t at = 0, count;

            while (n < LOST_RANGES &&
                   sequence_next_missing(&s->sequence, s->sent, &at, &count)) {
                g_string_append_printf(out,
                                       "%s{\"port\": %u, \"queue\": %u, "
                                       "\"first\": %" PRIu64
                                       ", \"count\": %" PRIu64 "}",
                                       n++ ? ", " : "", p, q, at, count);
                at += count;
            }
        }
    }
}

void report_print(const Tester *t)
{
    g_autoptr(GString) out = g_string_new("{\"report\": {");

    g_string_append_printf(out,
                           "\"time\": %.6f, \"size\": %u, \"queues\": %u, "
                           "\"other\": %" PRIu64 ", \"phases\": [",
                           tester_time(t, rte_rdtsc()), t->frame_size,
                           t->nqueues, t->other);
    for (unsigned i = 0; i < t->nphases; i++) {
        g_string_append(out, i ? ", " : "");
        put_phase(out, t, i);
    }
    g_string_append(out, "], \"lost_ranges\": [");
    put_lost_ranges(out, t);
    g_string_append(out, "], \"links\": [");
    for (unsigned v = 0; v < t->nvms; v++) {
        for (unsigned p = 0; p < t->nports; p++) {
            g_string_append(out, v || p ? ", " : "");
            put_link(out, t, &t->vms[v].links[p]);
        }
    }
    g_string_append(out, "]}}");
    printf("%s\n", out->str);
    (void)fflush(stdout);
}

bool report_series(const Tester *t, const char *path, GError **errp)
{
    uint64_t n = (rte_rdtsc() - t->series_tsc) / t->interval_tsc;
    FILE *f = fopen(path, "we");

    if (!f) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s",
                    path, g_strerror(errno));
        return false;
    }
    fprintf(f, "time,port,sent,received,refused,max_latency_us\n");
    for (uint64_t i = 0; i < MIN(n, t->ninterval); i++) {
        double time = tester_time(t, t->series_tsc + i * t->interval_tsc);

        for (unsigned p = 0; p < t->nports; p++) {
            const Interval *v = &t->intervals[p][i];

            fprintf(f, "%.6f,%u,%u,%u,%u,%u\n", time, p, v->sent, v->received,
                    v->refused, v->max_latency_us);
        }
    }
    if (fclose(f) != 0) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s",
                    path, g_strerror(errno));
        return false;
    }
    return true;
}
