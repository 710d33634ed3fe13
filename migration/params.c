/*
 * Migration parameters as rows of one table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/params.h"
#include "util/cutils.h"
#include "util/error.h"

typedef enum ParamKind {
    PARAM_UINT,
    PARAM_SIZE, /* bytes; text may have a suffix, MiB without one */
    PARAM_BOOL,
    PARAM_STR,
    PARAM_ENUM,
} ParamKind;

typedef struct ParamRow {
    const char *name;
    ParamKind kind;
    size_t offset;
    uint64_t def, min, max;
    const char *def_str;
    const char *const *names; /* PARAM_ENUM; ends with NULL */
} ParamRow;

static const char *const compression_names[] = { "none", "zlib", "zstd", NULL };

#define UINT_ROW(n_, f_, def_, min_, max_)                                 \
    {                                                                      \
        .name = n_, .kind = PARAM_UINT, .offset = offsetof(MigParams, f_), \
        .def = def_, .min = min_, .max = max_                              \
    }
#define SIZE_ROW(n_, f_, def_, min_)                                       \
    {                                                                      \
        .name = n_, .kind = PARAM_SIZE, .offset = offsetof(MigParams, f_), \
        .def = def_, .min = min_, .max = INT64_MAX                         \
    }
#define BOOL_ROW(n_, f_, def_)                                             \
    {                                                                      \
        .name = n_, .kind = PARAM_BOOL, .offset = offsetof(MigParams, f_), \
        .def = def_                                                        \
    }
#define STR_ROW(n_, f_)                                                   \
    {                                                                     \
        .name = n_, .kind = PARAM_STR, .offset = offsetof(MigParams, f_), \
        .def_str = ""                                                     \
    }

static const ParamRow rows[] = {
    UINT_ROW("announce-initial", announce_initial, 50, 0, 100000),
    UINT_ROW("announce-max", announce_max, 550, 0, 100000),
    UINT_ROW("announce-rounds", announce_rounds, 5, 0, 1000),
    UINT_ROW("announce-step", announce_step, 100, 1, 10000),
    UINT_ROW("compress-level", compress_level, 1, 0, 9),
    UINT_ROW("compress-threads", compress_threads, 8, 1, 255),
    BOOL_ROW("compress-wait-thread", compress_wait_thread, true),
    UINT_ROW("decompress-threads", decompress_threads, 2, 1, 255),
    UINT_ROW("throttle-trigger-threshold", throttle_trigger_threshold, 50, 1,
             100),
    UINT_ROW("cpu-throttle-initial", cpu_throttle_initial, 20, 1, 99),
    UINT_ROW("cpu-throttle-increment", cpu_throttle_increment, 10, 1, 99),
    BOOL_ROW("cpu-throttle-tailslow", cpu_throttle_tailslow, false),
    STR_ROW("tls-creds", tls_creds),
    STR_ROW("tls-hostname", tls_hostname),
    STR_ROW("tls-authz", tls_authz),
    SIZE_ROW("max-bandwidth", max_bandwidth, 128 * 1024 * 1024, 0),
    UINT_ROW("downtime-limit", downtime_limit, 300, 0, 2000 * 1000),
    UINT_ROW("x-checkpoint-delay", x_checkpoint_delay, 20000, 0, UINT32_MAX),
    BOOL_ROW("block-incremental", block_incremental, false),
    UINT_ROW("multifd-channels", multifd_channels, 2, 1, 255),
    SIZE_ROW("xbzrle-cache-size", xbzrle_cache_size, 64 * 1024 * 1024, 4096),
    SIZE_ROW("max-postcopy-bandwidth", max_postcopy_bandwidth, 0, 0),
    UINT_ROW("max-cpu-throttle", max_cpu_throttle, 99, 1, 99),
    { .name = "multifd-compression",
      .kind = PARAM_ENUM,
      .offset = offsetof(MigParams, multifd_compression),
      .def_str = "none",
      .names = compression_names },
    UINT_ROW("multifd-zlib-level", multifd_zlib_level, 1, 0, 9),
    UINT_ROW("multifd-zstd-level", multifd_zstd_level, 1, 0, 20),
};

static void *row_field(const ParamRow *r, const MigParams *p)
{
    return (uint8_t *)p + r->offset;
}

static const ParamRow *row_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

bool mig_params_known(const char *name)
{
    return row_find(name) != NULL;
}

void mig_params_init(MigParams *p)
{
    memset(p, 0, sizeof(*p));
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        void *f = row_field(&rows[i], p);

        switch (rows[i].kind) {
        case PARAM_UINT:
        case PARAM_SIZE:
            *(uint64_t *)f = rows[i].def;
            break;
        case PARAM_BOOL:
            *(bool *)f = rows[i].def;
            break;
        case PARAM_STR:
        case PARAM_ENUM:
            *(char **)f = g_strdup(rows[i].def_str);
            break;
        }
    }
}

void mig_params_fini(MigParams *p)
{
    g_clear_pointer(&p->tls_creds, g_free);
    g_clear_pointer(&p->tls_hostname, g_free);
    g_clear_pointer(&p->tls_authz, g_free);
    g_clear_pointer(&p->multifd_compression, g_free);
}

void mig_params_copy(MigParams *dst, const MigParams *src)
{
    *dst = *src;
    dst->tls_creds = g_strdup(src->tls_creds);
    dst->tls_hostname = g_strdup(src->tls_hostname);
    dst->tls_authz = g_strdup(src->tls_authz);
    dst->multifd_compression = g_strdup(src->multifd_compression);
}

static bool set_uint(const ParamRow *r, uint64_t *field, uint64_t v,
                     GError **errp)
{
    if (v < r->min || v > r->max) {
        error_setf(errp,
                   "Parameter '%s' expects a value between %" PRIu64
                   " and %" PRIu64 ", not %" PRIu64,
                   r->name, r->min, r->max, v);
        return false;
    }
    if (strcmp(r->name, "xbzrle-cache-size") == 0 && (v & (v - 1)) != 0) {
        error_setf(errp, "Parameter '%s' expects a power of two, not %" PRIu64,
                   r->name, v);
        return false;
    }
    *field = v;
    return true;
}

static bool set_string(const ParamRow *r, char **field, const char *v,
                       GError **errp)
{
    if (r->kind == PARAM_ENUM && !g_strv_contains(r->names, v)) {
        error_setf(errp, "Parameter '%s' does not accept value '%s'", r->name,
                   v);
        return false;
    }
    if (strcmp(r->name, "tls-authz") == 0 && *v != '\0') {
        error_setf(errp,
                   "Parameter '%s': authorization by name is not available in "
                   "this version",
                   r->name);
        return false;
    }
    g_free(*field);
    *field = g_strdup(v);
    return true;
}

static bool bad_type(const ParamRow *r, const char *want, GError **errp)
{
    error_setf(errp, "Invalid parameter type for '%s', expected: %s", r->name,
               want);
    return false;
}

static bool set_json(MigParams *p, const ParamRow *r, const JsonValue *v,
                     GError **errp)
{
    void *f = row_field(r, p);
    uint64_t u;

    switch (r->kind) {
    case PARAM_UINT:
    case PARAM_SIZE:
        if (!json_get_uint(v, &u)) {
            return bad_type(r, "a non-negative integer", errp);
        }
        return set_uint(r, f, u, errp);
    case PARAM_BOOL:
        return json_get_bool(v, f) || bad_type(r, "boolean", errp);
    case PARAM_STR:
    case PARAM_ENUM:
        if (json_type(v) == JSON_NULL && r->kind == PARAM_STR) {
            return set_string(r, f, "", errp);
        }
        if (json_get_string(v) == NULL) {
            return bad_type(r, "string", errp);
        }
        return set_string(r, f, json_get_string(v), errp);
    }
    g_assert_not_reached();
}

static bool check_together(const MigParams *p, GError **errp)
{
    if (p->max_cpu_throttle < p->cpu_throttle_initial) {
        error_setf(errp,
                   "Parameter 'max-cpu-throttle' (%" PRIu64 ") is below "
                   "'cpu-throttle-initial' (%" PRIu64 ")",
                   p->max_cpu_throttle, p->cpu_throttle_initial);
        return false;
    }
    return true;
}

bool mig_params_set(MigParams *p, const JsonValue *obj, GError **errp)
{
    MigParams copy;

    mig_params_copy(&copy, p);
    for (size_t i = 0; i < json_object_len(obj); i++) {
        JsonValue *v;
        const char *name = json_object_at(obj, i, &v);
        const ParamRow *r = row_find(name);

        if (r == NULL) {
            error_setf(errp, "Parameter '%s' is unexpected", name);
        }
        if (r == NULL || !set_json(&copy, r, v, errp)) {
            mig_params_fini(&copy);
            return false;
        }
    }
    if (!check_together(&copy, errp)) {
        mig_params_fini(&copy);
        return false;
    }
    mig_params_fini(p);
    *p = copy;
    return true;
}

/* The JSON value that a text stands for. */
static JsonValue *text_value(const ParamRow *r, const char *val,
                             uint64_t size_unit, GError **errp)
{
    uint64_t u;
    bool b;

    switch (r->kind) {
    case PARAM_UINT:
        if (!parse_uint(r->name, val, 0, UINT64_MAX, &u, errp)) {
            return NULL;
        }
        return json_uint_new(u);
    case PARAM_SIZE:
        if (!parse_size(r->name, val, size_unit, &u, errp)) {
            return NULL;
        }
        return json_uint_new(u);
    case PARAM_BOOL:
        return parse_bool(r->name, val, &b, errp) ? json_bool_new(b) : NULL;
    default:
        return json_string_new(val);
    }
}

bool mig_params_set_text(MigParams *p, const char *name, const char *val,
                         uint64_t size_unit, GError **errp)
{
    const ParamRow *r = row_find(name);
    g_autoptr(JsonValue) obj = json_object_new();
    JsonValue *v;

    if (r == NULL) {
        error_setf(errp, "Migration parameter '%s' is not known", name);
        return false;
    }
    v = text_value(r, val, size_unit, errp);
    if (v == NULL) {
        error_prefix(errp, "Parameter '%s': ", name);
        return false;
    }
    json_object_set(obj, name, v);
    return mig_params_set(p, obj, errp);
}

JsonValue *mig_params_to_json(const MigParams *p)
{
    JsonValue *obj = json_object_new();

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const ParamRow *r = &rows[i];
        const void *f = row_field(r, p);

        switch (r->kind) {
        case PARAM_UINT:
        case PARAM_SIZE:
            json_object_set_uint(obj, r->name, *(const uint64_t *)f);
            break;
        case PARAM_BOOL:
            json_object_set_bool(obj, r->name, *(const bool *)f);
            break;
        case PARAM_STR:
        case PARAM_ENUM:
            json_object_set_string(obj, r->name, *(char *const *)f);
            break;
        }
    }
    return obj;
}
