/*
 * QMP: migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/dirty-limit.h"
#include "migration/dirty-rate.h"
#include "migration/migration.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

bool qmp_migrate_set_capabilities(
    QmpCtx *ctx, const MigrationCapabilityStatusList *capabilities,
    GError **errp)
{
    MigCapSet mask = 0, on = 0;

    for (size_t i = 0; i < capabilities->n; i++) {
        const MigrationCapabilityStatus *s = capabilities->items[i];
        MigCapSet bit = UINT64_C(1) << s->capability;

        mask |= bit;
        on = s->state ? on | bit : on & ~bit;
    }
    return migration_set_capabilities(ctx->vm->migration, mask, on, errp);
}

bool qmp_query_migrate_capabilities(QmpCtx *ctx,
                                    MigrationCapabilityStatusList **ret,
                                    GError **errp)
{
    MigrationCapabilityStatusList *l = migration_capability_status_list_new();
    MigCapSet caps = migration_capabilities(ctx->vm->migration);

    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        MigrationCapabilityStatus *s = migration_capability_status_new();

        s->capability = i;
        s->state = mig_caps_has(caps, i);
        migration_capability_status_list_append(l, s);
    }
    *ret = l;
    return true;
}

bool qmp_migrate_set_parameters(QmpCtx *ctx, const MigrateSetParameters *arg,
                                GError **errp)
{
    g_autoptr(JsonValue) obj = migrate_set_parameters_to_json(arg);

    if (arg->block_bitmap_mapping != NULL) {
        error_setf(errp, "Parameter 'block-bitmap-mapping' is not available "
                         "in this version");
        return false;
    }
    return migration_set_params(ctx->vm->migration, obj, errp);
}

bool qmp_query_migrate_parameters(QmpCtx *ctx, MigrationParameters **ret,
                                  GError **errp)
{
    g_autoptr(JsonValue) obj = migration_params_json(ctx->vm->migration);

    *ret = migration_parameters_from_json(obj, errp);
    return *ret != NULL;
}

bool qmp_query_migrate(QmpCtx *ctx, MigrationInfo **ret, GError **errp)
{
    *ret = migration_query(ctx->vm->migration);
    return true;
}

bool qmp_migrate(QmpCtx *ctx, const char *uri, bool has_blk, bool blk,
                 bool has_inc, bool inc, bool has_detach, bool detach,
                 bool has_resume, bool resume, GError **errp)
{
    if ((has_blk && blk) || (has_inc && inc)) {
        error_setf(errp, "Parameter '%s': block migration is not available",
                   has_blk && blk ? "blk" : "inc");
        return false;
    }
    if (has_resume && resume) {
        return migration_resume(ctx->vm->migration, uri, errp);
    }
    return migration_start(ctx->vm->migration, uri, errp);
}

bool qmp_migrate_cancel(QmpCtx *ctx, GError **errp)
{
    migration_cancel(ctx->vm->migration);
    return true;
}

bool qmp_migrate_start_postcopy(QmpCtx *ctx, GError **errp)
{
    return migration_start_postcopy(ctx->vm->migration, errp);
}

bool qmp_migrate_continue(QmpCtx *ctx, MigrationStatus state, GError **errp)
{
    return migration_continue(ctx->vm->migration, state, errp);
}

bool qmp_migrate_incoming(QmpCtx *ctx, const char *uri, GError **errp)
{
    return migration_incoming_deferred(ctx->vm->migration, uri, errp);
}

bool qmp_migrate_pause(QmpCtx *ctx, GError **errp)
{
    return migration_pause(ctx->vm->migration, errp);
}

bool qmp_migrate_recover(QmpCtx *ctx, const char *uri, GError **errp)
{
    return migration_recover(ctx->vm->migration, uri, errp);
}

bool qmp_calc_dirty_rate(QmpCtx *ctx, int64_t calc_time, bool has_sample_pages,
                         int64_t sample_pages, bool has_mode,
                         DirtyRateMeasureMode mode, GError **errp)
{
    return dirty_rate_start(migration_dirty_rate(ctx->vm->migration), calc_time,
                            has_sample_pages, sample_pages,
                            has_mode ? mode
                                     : DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING,
                            errp);
}

bool qmp_query_dirty_rate(QmpCtx *ctx, DirtyRateInfo **ret, GError **errp)
{
    *ret = dirty_rate_query(migration_dirty_rate(ctx->vm->migration));
    return true;
}

/* What isn't given stands for all; -1 isn't a CPU that somebody could mean. */
static bool given_cpu(bool has_cpu, int64_t cpu, int64_t *ret, GError **errp)
{
    if (has_cpu && cpu < 0) {
        error_setf(errp, "incorrect cpu index specified");
        return false;
    }
    *ret = has_cpu ? cpu : -1;
    return true;
}

bool qmp_set_vcpu_dirty_limit(QmpCtx *ctx, bool has_cpu_index,
                              int64_t cpu_index, uint64_t dirty_rate,
                              GError **errp)
{
    int64_t cpu;

    return given_cpu(has_cpu_index, cpu_index, &cpu, errp) &&
           vcpu_dirty_limit_set(ctx->vm, cpu, dirty_rate, errp);
}

bool qmp_cancel_vcpu_dirty_limit(QmpCtx *ctx, bool has_cpu_index,
                                 int64_t cpu_index, GError **errp)
{
    int64_t cpu;

    return given_cpu(has_cpu_index, cpu_index, &cpu, errp) &&
           vcpu_dirty_limit_cancel(ctx->vm, cpu, errp);
}

bool qmp_query_vcpu_dirty_limit(QmpCtx *ctx, DirtyLimitInfoList **ret,
                                GError **errp)
{
    *ret = dirty_limit_info_list_new();
    for (unsigned i = 0; i < ctx->vm->nvcpus; i++) {
        DirtyLimitInfo *info;
        uint64_t limit, current;

        if (!vcpu_dirty_limit_get(ctx->vm, i, &limit, &current)) {
            continue;
        }
        info = g_new0(DirtyLimitInfo, 1);
        info->cpu_index = i;
        info->limit_rate = limit;
        info->current_rate = current;
        dirty_limit_info_list_append(*ret, info);
    }
    return true;
}
