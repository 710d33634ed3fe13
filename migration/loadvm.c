/*
 * Reads a migration stream section by section.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/savevm.h"
#include "migration/wire.h"
#include "util/error.h"
#include "util/lock.h"

enum {
    /*
     * Little beyond the longest: a source that waits for our answer sends no
     * more, so a length that isn't true must not be waited for.
     */
    MACHINE_NAME_MAX = 64,
    DESCRIPTION_MAX = 64 << 20, /* bytes */
};

typedef struct Loadvm {
    StreamIn *s;
    VmstateRegistry *registry;
    RamLoad *ram;
    const char *machine;
    const LoadvmOps *ops;
    uint32_t ram_id; /* section id of "ram" in this stream */
    bool have_ram_id;
    uint8_t command[UINT16_MAX];
} Loadvm;

static bool load_configuration(Loadvm *l, GError **errp)
{
    char name[MACHINE_NAME_MAX + 1];
    uint32_t len = stream_get_be32(l->s);

    if (!stream_in_check(l->s, errp)) {
        return false;
    }
    if (len > MACHINE_NAME_MAX) {
        error_setf(errp, "machine type name of %u bytes", len);
        return false;
    }
    if (!stream_get(l->s, name, len)) {
        return stream_in_check(l->s, errp);
    }
    name[len] = '\0';
    if (strcmp(name, l->machine) != 0) {
        error_setf(errp, "Machine type received is '%s' and local is '%s'",
                   name, l->machine);
        return false;
    }
    return true;
}

static bool load_header(Loadvm *l, GError **errp)
{
    uint32_t magic = stream_get_be32(l->s), version = stream_get_be32(l->s);

    if (!stream_in_check(l->s, errp)) {
        return false;
    }
    if (magic != WIRE_MAGIC) {
        error_setf(errp, "not a migration stream: magic 0x%08x", magic);
        return false;
    }
    if (version != WIRE_VERSION) {
        error_setf(errp, "stream version %u: this program takes %d", version,
                   WIRE_VERSION);
        return false;
    }
    return true;
}

static bool check_footer(Loadvm *l, uint32_t id, GError **errp)
{
    uint64_t at = stream_in_bytes(l->s);
    uint8_t mark = stream_get_u8(l->s);
    uint32_t got = stream_get_be32(l->s);

    if (!stream_in_check(l->s, errp)) {
        return false;
    }
    if (mark != WIRE_FOOTER || got != id) {
        error_setf(errp,
                   "offset %" PRIu64 ": footer 0x%02x of section %u where "
                   "0x%02x of section %u was expected",
                   at, mark, got, WIRE_FOOTER, id);
        return false;
    }
    return true;
}

static bool load_memory(Loadvm *l, GError **errp)
{
    if (l->ops->memory != NULL) {
        l->ops->memory(l->ops->opaque);
    }
    return ram_load_section(l->ram, l->s, errp);
}

/* "ram" is the one section that comes in several parts. */
static bool load_start(Loadvm *l, uint32_t id, const char *name,
                       uint32_t version, GError **errp)
{
    if (strcmp(name, "ram") != 0) {
        error_setf(errp, "not known here (an iterative device)");
        return false;
    }
    if (version != RAM_SECTION_VERSION) {
        error_setf(errp, "version %u: this program takes %d", version,
                   RAM_SECTION_VERSION);
        return false;
    }
    l->ram_id = id;
    l->have_ram_id = true;
    return load_memory(l, errp);
}

static bool load_full(Loadvm *l, const char *name, uint32_t instance,
                      uint32_t version, GError **errp)
{
    VM_LOCK_GUARD();
    VmstateEntry *e = vmstate_find(l->registry, name, instance);

    if (e == NULL || e->vms == VMSTATE_NONE) {
        error_setf(errp, "no such device here");
        return false;
    }
    if (version > INT_MAX) {
        error_setf(errp, "version %u", version);
        return false;
    }
    return vmstate_load(l->s, e->vms, e->opaque, version, errp);
}

static bool load_named(Loadvm *l, uint8_t type, GError **errp)
{
    uint64_t at = stream_in_bytes(l->s) - 1;
    uint32_t id = stream_get_be32(l->s), instance, version;
    char name[256];
    bool ok;

    stream_get_str8(l->s, name);
    instance = stream_get_be32(l->s);
    version = stream_get_be32(l->s);
    if (!stream_in_check(l->s, errp)) {
        return false;
    }
    ok = type == WIRE_SECTION_START
             ? load_start(l, id, name, version, errp)
             : load_full(l, name, instance, version, errp);
    if (!ok || !check_footer(l, id, errp)) {
        error_prefix(errp, "section '%s' instance %u at offset %" PRIu64 ": ",
                     name, instance, at);
        return false;
    }
    return true;
}

static bool load_part(Loadvm *l, GError **errp)
{
    uint64_t at = stream_in_bytes(l->s) - 1;
    uint32_t id = stream_get_be32(l->s);

    if (!stream_in_check(l->s, errp)) {
        return false;
    }
    if (!l->have_ram_id || id != l->ram_id) {
        error_setf(errp, "part of unknown section %u at offset %" PRIu64, id,
                   at);
        return false;
    }
    if (!load_memory(l, errp) || !check_footer(l, id, errp)) {
        error_prefix(errp, "section 'ram' at offset %" PRIu64 ": ", at);
        return false;
    }
    return true;
}

static bool load_command(Loadvm *l, GError **errp)
{
    uint64_t at = stream_in_bytes(l->s) - 1;
    uint16_t cmd = stream_get_be16(l->s), len = stream_get_be16(l->s);
    bool ok;

    if (!stream_in_check(l->s, errp)) {
        return false;
    }
    ok = l->ops->command_begins(l->ops->opaque, cmd, len, errp);
    if (ok) {
        stream_get(l->s, l->command, len);
        if (!stream_in_check(l->s, errp)) {
            return false;
        }
        ok = l->ops->command(l->ops->opaque, cmd, l->command, len, errp);
    }
    if (!ok) {
        error_prefix(errp, "command %u at offset %" PRIu64 ": ", cmd, at);
    }
    return ok;
}

static bool skip_description(Loadvm *l, GError **errp)
{
    uint32_t len = stream_get_be32(l->s);

    if (len > DESCRIPTION_MAX) {
        error_setf(errp, "description of %u bytes", len);
        return false;
    }
    stream_skip(l->s, len);
    return stream_in_check(l->s, errp);
}

static bool load_one(Loadvm *l, bool *ret_more, GError **errp)
{
    uint64_t at = stream_in_bytes(l->s);
    uint8_t type = stream_get_u8(l->s);

    if (!stream_in_check(l->s, errp)) {
        return false;
    }
    switch (type) {
    case WIRE_EOF:
        return l->ops->complete(l->ops->opaque, ret_more, errp);
    case WIRE_SECTION_START:
    case WIRE_SECTION_FULL:
        return load_named(l, type, errp);
    case WIRE_SECTION_PART:
    case WIRE_SECTION_END:
        return load_part(l, errp);
    case WIRE_CONFIGURATION:
        return load_configuration(l, errp);
    case WIRE_COMMAND:
        return load_command(l, errp);
    case WIRE_DESCRIPTION:
        return skip_description(l, errp);
    default:
        error_setf(errp, "unknown section type 0x%02x at offset %" PRIu64, type,
                   at);
        return false;
    }
}

bool loadvm_run(StreamIn *s, VmstateRegistry *r, RamLoad *ram,
                const char *machine, const LoadvmOps *ops, GError **errp)
{
    g_autofree Loadvm *l = g_new0(Loadvm, 1);
    bool more = true;

    l->s = s;
    l->registry = r;
    l->ram = ram;
    l->machine = machine;
    l->ops = ops;
    if (!load_header(l, errp)) {
        return false;
    }
    while (more) {
        if (!load_one(l, &more, errp)) {
            return false;
        }
    }
    return true;
}
