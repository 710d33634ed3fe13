/*
 * The section at the head of a stream that says whose it is: the machine type,
 * capabilities that both sides need to have, the guest's UUID.
 *
 * Layout: docs/devel/stream.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/configuration.h"

#include "migration/caps.h"
#include "migration/wire.h"
#include "util/error.h"
#include "util/log.h"

#define PART_CAPABILITIES "configuration/capabilities"
#define PART_UUID         "configuration/uuid"

enum {
    /*
     * Little beyond the longest: a source that waits for our answer sends no
     * more, so a length that isn't true must not be waited for.
     */
    MACHINE_NAME_MAX = 64,
    PART_VERSION = 1,
    UUID_LEN = 16,
};

static void put_part(StreamOut *s, const char *name)
{
    stream_put_u8(s, WIRE_SUBSECTION);
    stream_put_str8(s, name);
    stream_put_be32(s, PART_VERSION);
}

void configuration_put(StreamOut *s, const StreamConfig *config)
{
    stream_put_u8(s, WIRE_CONFIGURATION);
    stream_put_be32(s, strlen(config->machine));
    stream_put(s, config->machine, strlen(config->machine));
    if (config->ignore_shared) {
        put_part(s, PART_CAPABILITIES);
        stream_put_be32(s, 1);
        stream_put_str8(s, migration_capability_str(
                               MIGRATION_CAPABILITY_X_IGNORE_SHARED));
    }
    if (config->uuid != NULL) {
        put_part(s, PART_UUID);
        stream_put(s, config->uuid, UUID_LEN);
    }
}

bool configuration_load(StreamConfigLoad *l, StreamIn *s,
                        const StreamConfig *here, GError **errp)
{
    char name[MACHINE_NAME_MAX + 1];
    uint32_t len = stream_get_be32(s);

    if (!stream_in_check(s, errp)) {
        return false;
    }
    if (len > MACHINE_NAME_MAX) {
        error_setf(errp, "machine type name of %u bytes", len);
        return false;
    }
    if (!stream_get(s, name, len)) {
        return stream_in_check(s, errp);
    }
    name[len] = '\0';
    if (strcmp(name, here->machine) != 0) {
        error_setf(errp, "Machine type received is '%s' and local is '%s'",
                   name, here->machine);
        return false;
    }
    l->open = true;
    return true;
}

/* Names of capabilities that the source has on, and we have to have, too. */
static bool load_capabilities(StreamConfigLoad *l, StreamIn *s, GError **errp)
{
    uint32_t n = stream_get_be32(s);

    if (stream_in_check(s, NULL) && n > MIGRATION_CAPABILITY__MAX) {
        error_setf(errp, "%u capabilities", n);
        return false;
    }
    while (n-- > 0) {
        char name[256];
        MigrationCapability cap;

        stream_get_str8(s, name);
        if (!stream_in_check(s, errp)) {
            return false;
        }
        if (!migration_capability_parse(name, &cap) ||
            cap != MIGRATION_CAPABILITY_X_IGNORE_SHARED) {
            g_autofree char *shown = g_strescape(name, NULL);

            error_setf(errp,
                       "capability '%s' is on at the source, and not "
                       "available here",
                       shown);
            return false;
        }
        l->ignore_shared = true;
    }
    return stream_in_check(s, errp);
}

static char *uuid_text(const uint8_t *u)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < UUID_LEN; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;

        g_string_append_printf(s, "%s%02x", dash ? "-" : "", u[i]);
    }
    return g_string_free(s, FALSE);
}

/* Whether or not it was asked for here: the source asks. */
static bool load_uuid(StreamIn *s, const StreamConfig *here, GError **errp)
{
    g_autofree char *theirs = NULL;
    g_autofree char *ours = NULL;
    uint8_t uuid[UUID_LEN];

    if (!stream_get(s, uuid, sizeof(uuid))) {
        return stream_in_check(s, errp);
    }
    if (here->uuid != NULL && memcmp(uuid, here->uuid, UUID_LEN) == 0) {
        return true;
    }
    theirs = uuid_text(uuid);
    if (here->uuid == NULL) {
        log_warn("migration: UUID received is %s, but local uuid isn't set",
                 theirs);
        return true;
    }
    ours = uuid_text(here->uuid);
    error_setf(errp, "UUID received is %s and local is %s", theirs, ours);
    return false;
}

bool configuration_load_subsection(StreamConfigLoad *l, StreamIn *s,
                                   const StreamConfig *here, GError **errp)
{
    char name[256];
    uint32_t version;
    bool ok;

    stream_get_str8(s, name);
    version = stream_get_be32(s);
    if (!stream_in_check(s, errp)) {
        return false;
    }
    if (version != PART_VERSION) {
        g_autofree char *shown = g_strescape(name, NULL);

        error_setf(errp, "'%s' has version %u", shown, version);
        return false;
    }
    if (strcmp(name, PART_CAPABILITIES) == 0) {
        ok = load_capabilities(l, s, errp);
    } else if (strcmp(name, PART_UUID) == 0) {
        ok = load_uuid(s, here, errp);
    } else {
        g_autofree char *shown = g_strescape(name, NULL);

        error_setf(errp, "'%s' is not known here", shown);
        ok = false;
    }
    return ok;
}

bool configuration_load_end(StreamConfigLoad *l, const StreamConfig *here,
                            GError **errp)
{
    l->open = false;
    if (l->ignore_shared != here->ignore_shared) {
        error_setf(errp,
                   "Capability x-ignore-shared is %s, but received capability "
                   "is %s",
                   here->ignore_shared ? "on" : "off",
                   l->ignore_shared ? "on" : "off");
        return false;
    }
    l->done = true;
    return true;
}
