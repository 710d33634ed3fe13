/*
 * Human monitor: migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "migration/migration.h"
#include "util/cutils.h"
#include "util/error.h"

enum { BAR_WIDTH = 40 };

void hmp_cmd_migrate(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    for (const char *f = "bi"; *f != '\0'; f++) {
        if (a->flags & (1u << (*f - 'a'))) {
            hmp_printf(out,
                       "Error: migrate -%c is not available in this "
                       "version\n",
                       *f);
            return;
        }
    }
    if (!(a->flags & (1u << ('r' - 'a'))
              ? migration_resume(out->vm->migration, a->arg[0].text, &err)
              : migration_start(out->vm->migration, a->arg[0].text, &err))) {
        hmp_error(out, err);
        return;
    }
    if (!(a->flags & (1u << ('d' - 'a')))) {
        hmp_wait_migration(out);
    }
}

void hmp_cmd_migrate_cancel(HmpOut *out, const HmpArgs *a)
{
    migration_cancel(out->vm->migration);
}

void hmp_cmd_migrate_continue(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;
    MigrationStatus st;

    if (!migration_status_parse(a->arg[0].text, &st)) {
        hmp_printf(out, "Error: invalid parameter value: %s\n", a->arg[0].text);
        return;
    }
    if (!migration_continue(out->vm->migration, st, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_migrate_start_postcopy(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!migration_start_postcopy(out->vm->migration, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_migrate_pause(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!migration_pause(out->vm->migration, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_migrate_recover(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!migration_recover(out->vm->migration, a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_migrate_incoming(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!migration_incoming_deferred(out->vm->migration, a->arg[0].text,
                                     &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_migrate_set_capability(HmpOut *out, const HmpArgs *a)
{
    MigrationCapability cap;
    GError *err = NULL;

    if (!migration_capability_parse(a->arg[0].text, &cap)) {
        hmp_printf(out, "Error: invalid parameter value: %s\n", a->arg[0].text);
        return;
    }
    if (!migration_set_capability(out->vm->migration, cap, a->arg[1].num,
                                  &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_migrate_set_parameter(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!migration_set_param_text(out->vm->migration, a->arg[0].text,
                                  a->arg[1].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_migrate_set_speed(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!migration_set_param_text(out->vm->migration, "max-bandwidth",
                                  a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_migrate_set_downtime(HmpOut *out, const HmpArgs *a)
{
    g_autoptr(JsonValue) obj = json_object_new();
    GError *err = NULL;
    double seconds;

    if (!parse_double("downtime", a->arg[0].text, &seconds, &err)) {
        hmp_error(out, err);
        return;
    }
    if (seconds < 0 || seconds > 2000) {
        hmp_printf(out, "Error: downtime of %s s: 0 to 2000 are possible\n",
                   a->arg[0].text);
        return;
    }
    json_object_set_uint(obj, "downtime-limit", seconds * 1000);
    if (!migration_set_params(out->vm->migration, obj, &err)) {
        hmp_error(out, err);
    }
}

void hmp_complete_capability(Vm *vm, const char *word, GPtrArray *matches)
{
    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        if (g_str_has_prefix(migration_capability_str(i), word)) {
            g_ptr_array_add(matches, g_strdup(migration_capability_str(i)));
        }
    }
}

void hmp_complete_parameter(Vm *vm, const char *word, GPtrArray *matches)
{
    g_autoptr(JsonValue) all = migration_params_json(vm->migration);

    for (size_t i = 0; i < json_object_len(all); i++) {
        const char *name = json_object_at(all, i, NULL);

        if (g_str_has_prefix(name, word)) {
            g_ptr_array_add(matches, g_strdup(name));
        }
    }
}

void hmp_info_migrate_capabilities(HmpOut *out, const HmpArgs *a)
{
    MigCapSet caps = migration_capabilities(out->vm->migration);

    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        hmp_printf(out, "%s: %s\n", migration_capability_str(i),
                   mig_caps_has(caps, i) ? "on" : "off");
    }
}

/* What stands behind a parameter's number. */
static const char *unit_of(const char *name)
{
    static const char *const ms[] = { "announce-initial",   "announce-max",
                                      "announce-step",      "downtime-limit",
                                      "x-checkpoint-delay", NULL };

    if (g_strv_contains(ms, name)) {
        return " ms";
    }
    if (strcmp(name, "max-bandwidth") == 0) {
        return " bytes/second";
    }
    return strcmp(name, "xbzrle-cache-size") == 0 ? " bytes" : "";
}

void hmp_info_migrate_parameters(HmpOut *out, const HmpArgs *a)
{
    g_autoptr(JsonValue) all = migration_params_json(out->vm->migration);

    for (size_t i = 0; i < json_object_len(all); i++) {
        JsonValue *v;
        const char *name = json_object_at(all, i, &v);
        const char *text = json_get_string(v);
        uint64_t u;
        bool b;

        if (json_get_bool(v, &b)) {
            hmp_printf(out, "%s: %s\n", name, b ? "on" : "off");
        } else if (json_get_uint(v, &u)) {
            hmp_printf(out, "%s: %" PRIu64 "%s\n", name, u, unit_of(name));
        } else if (g_str_has_prefix(name, "tls-")) {
            hmp_printf(out, "%s: '%s'\n", name, text);
        } else {
            hmp_printf(out, "%s: %s\n", name, text);
        }
    }
}

static void print_bar(HmpOut *out, unsigned percent)
{
    char bar[BAR_WIDTH + 1];

    for (unsigned i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i * 100 < percent * BAR_WIDTH ? '#' : '.';
    }
    bar[BAR_WIDTH] = '\0';
    hmp_printf(out, "progress: [%s] %u %%\n", bar, percent);
}

static void print_times(HmpOut *out, const MigrationInfo *info)
{
    if (info->has_total_time) {
        hmp_printf(out, "total time: %" PRId64 " ms\n", info->total_time);
    }
    if (info->has_expected_downtime) {
        hmp_printf(out, "expected downtime: %" PRId64 " ms\n",
                   info->expected_downtime);
    }
    if (info->has_downtime) {
        hmp_printf(out, "downtime: %" PRId64 " ms\n", info->downtime);
    }
    if (info->has_setup_time) {
        hmp_printf(out, "setup: %" PRId64 " ms\n", info->setup_time);
    }
    if (info->has_eta) {
        hmp_printf(out, "eta: %" PRIu64 " ms\n", info->eta);
    }
}

static void print_ram(HmpOut *out, const MigrationStats *r)
{
    hmp_printf(out, "transferred ram: %" PRId64 " kbytes\n",
               r->transferred >> 10);
    hmp_printf(out, "throughput: %.2f mbps\n", r->mbps);
    hmp_printf(out, "remaining ram: %" PRId64 " kbytes\n", r->remaining >> 10);
    hmp_printf(out, "total ram: %" PRId64 " kbytes\n", r->total >> 10);
    hmp_printf(out, "duplicate: %" PRId64 " pages\n", r->duplicate);
    hmp_printf(out, "skipped: %" PRId64 " pages\n", r->skipped);
    hmp_printf(out, "normal: %" PRId64 " pages\n", r->normal);
    hmp_printf(out, "normal bytes: %" PRId64 " kbytes\n",
               r->normal_bytes >> 10);
    hmp_printf(out, "dirty sync count: %" PRId64 "\n", r->dirty_sync_count);
    hmp_printf(out, "page size: %" PRId64 " kbytes\n", r->page_size >> 10);
    hmp_printf(out, "multifd bytes: %" PRIu64 " kbytes\n",
               r->multifd_bytes >> 10);
    hmp_printf(out, "pages-per-second: %" PRIu64 "\n", r->pages_per_second);
    if (r->dirty_pages_rate != 0) {
        hmp_printf(out, "dirty pages rate: %" PRId64 " pages\n",
                   r->dirty_pages_rate);
    }
    hmp_printf(out, "precopy ram: %" PRIu64 " kbytes\n",
               r->precopy_bytes >> 10);
    hmp_printf(out, "downtime ram: %" PRIu64 " kbytes\n",
               r->downtime_bytes >> 10);
    if (r->dirty_sync_missed_zero_copy != 0) {
        hmp_printf(out,
                   "Zero-copy-send fallbacks happened: %" PRIu64 " times\n",
                   r->dirty_sync_missed_zero_copy);
    }
}

static void print_breakdown(HmpOut *out, const DowntimeBreakdown *b)
{
    g_autoptr(JsonValue) obj = downtime_breakdown_to_json(b);

    hmp_printf(out, "downtime breakdown:");
    for (size_t i = 0; i < json_object_len(obj); i++) {
        JsonValue *v;
        const char *name = json_object_at(obj, i, &v);
        uint64_t us = 0;

        if (json_get_uint(v, &us)) {
            hmp_printf(out, "%s %s %" PRIu64 " us", i > 0 ? "," : "", name, us);
        }
    }
    for (size_t i = 0; b->backends != NULL && i < b->backends->n; i++) {
        const BackendAnswer *a = b->backends->items[i];

        hmp_printf(out, "%s %s %" PRIu64 " us",
                   i > 0 ? "," : "; back ends:", a->name, a->time);
    }
    hmp_printf(out, "\n");
}

static void print_xbzrle(HmpOut *out, const XbzrleCacheStats *x)
{
    hmp_printf(out,
               "cache size: %" PRIu64 " bytes\n"
               "xbzrle transferred: %" PRId64 " kbytes\n"
               "xbzrle pages: %" PRId64 " pages\n"
               "xbzrle cache miss: %" PRId64 " pages\n"
               "xbzrle cache miss rate: %0.2f\n"
               "xbzrle encoding rate: %0.2f\n"
               "xbzrle overflow: %" PRId64 "\n",
               x->cache_size, x->bytes >> 10, x->pages, x->cache_miss,
               x->cache_miss_rate, x->encoding_rate, x->overflow);
}

static void print_globals(HmpOut *out)
{
    hmp_printf(out,
               "globals:\n"
               "store-global-state: on\n"
               "only-migratable: %s\n"
               "send-configuration: on\n"
               "send-section-footer: on\n",
               migration_only_migratable(out->vm->migration) ? "on" : "off");
}

void hmp_info_migrate(HmpOut *out, const HmpArgs *a)
{
    g_autoptr(MigrationInfo) info = migration_query(out->vm->migration);

    print_globals(out);
    if (info->blocked_reasons != NULL) {
        hmp_printf(out, "Outgoing migration blocked:\n  %s\n",
                   info->blocked_reasons->items[0]);
    }
    if (!info->has_status) {
        return;
    }
    hmp_printf(out, "Migration status: %s%s%s%s\n",
               migration_status_str(info->status), info->error_desc ? " (" : "",
               info->error_desc ? info->error_desc : "",
               info->error_desc ? ")" : "");
    if (info->has_progress) {
        print_bar(out, info->progress);
    }
    print_times(out, info);
    if (info->ram != NULL) {
        print_ram(out, info->ram);
    }
    if (info->xbzrle_cache != NULL) {
        print_xbzrle(out, info->xbzrle_cache);
    }
    if (info->has_cpu_throttle_percentage) {
        hmp_printf(out, "cpu throttle percentage: %" PRId64 "\n",
                   info->cpu_throttle_percentage);
    }
    if (info->downtime_breakdown != NULL) {
        print_breakdown(out, info->downtime_breakdown);
    }
}
