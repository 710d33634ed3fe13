/*
 * Migration capabilities: defaults, and which there are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/caps.h"
#include "util/error.h"

typedef struct MigCap {
    bool available; /* the engine does it */
    bool on;        /* by default */
} MigCap;

static const MigCap mig_caps[MIGRATION_CAPABILITY__MAX] = {
    [MIGRATION_CAPABILITY_XBZRLE] = { .available = true },
    [MIGRATION_CAPABILITY_AUTO_CONVERGE] = { .available = true },
    [MIGRATION_CAPABILITY_EVENTS] = { .available = true },
    [MIGRATION_CAPABILITY_RELEASE_RAM] = { .available = true },
    [MIGRATION_CAPABILITY_RETURN_PATH] = { .available = true },
    [MIGRATION_CAPABILITY_POSTCOPY_RAM] = { .available = true },
    [MIGRATION_CAPABILITY_POSTCOPY_BLOCKTIME] = { .available = true },
    [MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER] = { .available = true },
    [MIGRATION_CAPABILITY_MULTIFD] = { .available = true },
    [MIGRATION_CAPABILITY_ZERO_COPY_SEND] = { .available = true },
    [MIGRATION_CAPABILITY_LATE_BLOCK_ACTIVATE] = { .available = true },
    [MIGRATION_CAPABILITY_X_IGNORE_SHARED] = { .available = true },
    [MIGRATION_CAPABILITY_VALIDATE_UUID] = { .available = true },
    [MIGRATION_CAPABILITY_DEFERRED_DIRTY_LOG_TEARDOWN] = { .available = true,
                                                           .on = true },
    [MIGRATION_CAPABILITY_AVX2_ZERO_PAGE] = { .available = true, .on = true },
    [MIGRATION_CAPABILITY_SINGLE_CPU_SYNC] = { .available = true, .on = true },
    [MIGRATION_CAPABILITY_SWITCHOVER_ABORT] = { .available = true, .on = true },
};

MigCapSet mig_caps_default(void)
{
    MigCapSet set = 0;

    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        set |= (MigCapSet)mig_caps[i].on << i;
    }
    return set;
}

static bool check_one(MigCapSet want, int i, GError **errp)
{
    const MigCap *cap = &mig_caps[i];
    const char *name = migration_capability_str(i);

    if (!cap->available) {
        error_setf(errp, "Capability '%s' is not available in this version",
                   name);
        return false;
    }
    return true;
}

bool mig_caps_check_params(MigCapSet caps, const MigParams *p, GError **errp)
{
    if ((caps & CAP(ZERO_COPY_SEND)) &&
        (!(caps & CAP(MULTIFD)) ||
         strcmp(p->multifd_compression, "none") != 0 ||
         *p->tls_creds != '\0')) {
        error_setf(errp, "Zero copy only available for non-compressed non-TLS "
                         "multifd migration");
        return false;
    }
    return true;
}

bool mig_caps_check(MigCapSet want, GError **errp)
{
    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        if (mig_caps_has(want, i) && !check_one(want, i, errp)) {
            return false;
        }
    }
    if ((want & CAP(POSTCOPY_RAM)) && (want & CAP(X_IGNORE_SHARED))) {
        error_setf(errp, "Postcopy is not compatible with ignore-shared");
        return false;
    }
    /* Deltas go in order, behind what they are deltas of. */
    if ((want & CAP(MULTIFD)) && (want & CAP(XBZRLE))) {
        error_setf(errp, "Capability 'multifd' is not available together "
                         "with 'xbzrle' in this version");
        return false;
    }
    /* Pages that follow their guest come on the main channel only. */
    if ((want & CAP(MULTIFD)) && (want & CAP(POSTCOPY_RAM))) {
        error_setf(errp, "Capability 'multifd' is not available together "
                         "with 'postcopy-ram' in this version");
        return false;
    }
    return true;
}
