/*
 * Migration parameters: the one list of them, with units, ranges, defaults.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_PARAMS_H
#define MIGRATION_PARAMS_H

#include "util/base.h"
#include "qapi/json.h"

/* Values in force; names as in QMP with '_' for '-'. */
typedef struct MigParams {
    uint64_t announce_initial, announce_max, announce_step; /* ms */
    uint64_t announce_rounds;                               /* packets */
    uint64_t compress_level, compress_threads, decompress_threads;
    bool compress_wait_thread;
    uint64_t throttle_trigger_threshold;                   /* percent */
    uint64_t cpu_throttle_initial, cpu_throttle_increment; /* percent */
    bool cpu_throttle_tailslow;
    char *tls_creds, *tls_hostname, *tls_authz; /* owned; never NULL */
    uint64_t max_bandwidth;                     /* bytes/s; 0: no limit */
    uint64_t downtime_limit;                    /* ms */
    uint64_t x_checkpoint_delay;                /* ms */
    bool block_incremental;
    uint64_t multifd_channels;
    uint64_t xbzrle_cache_size;      /* bytes */
    uint64_t max_postcopy_bandwidth; /* bytes/s */
    uint64_t max_cpu_throttle;       /* percent */
    char *multifd_compression;       /* "none", "zlib", "zstd"; owned */
    uint64_t multifd_zlib_level, multifd_zstd_level;
} MigParams;

void mig_params_init(MigParams *p);
void mig_params_fini(MigParams *p);
/* Deep copy into an uninitialised struct. */
void mig_params_copy(MigParams *dst, const MigParams *src);
/*
 * Applies the members of a QMP object all together or not at all; errors name
 * the parameter, its value and its range.
 */
bool mig_params_set(MigParams *p, const JsonValue *obj, GError **errp);
/* Is there a parameter of that name? */
bool mig_params_known(const char *name);
/*
 * Text form (HMP, -global migration.NAME=V): sizes take suffixes there; one
 * without counts in `size_unit` bytes.
 */
bool mig_params_set_text(MigParams *p, const char *name, const char *val,
                         uint64_t size_unit, GError **errp);
/* All parameters as a QMP object; the caller owns it. */
JsonValue *mig_params_to_json(const MigParams *p);

#endif
