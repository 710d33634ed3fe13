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
#include "vmstate/vmstate-defaults.h"

enum {
    /*
     * Of one device that says nothing else (Vmstate.max_bytes); the longest
     * that is known has some 70 KiB.
     */
    DEVICE_MAX = 16 << 20,
    /* Of all these together. */
    DEVICES_MAX = 64 << 20,
    /*
     * A device's section is in one piece at the source.  A network may stand
     * still in the middle; what takes longer isn't coming any more.
     */
    DEVICE_SILENCE_MS = 5 * 60 * 1000,
};

/* What this stream has said of an iterative section. */
typedef struct Row {
    const LoadvmRow *given;
    uint32_t id, version;
    bool started;
    bool whole; /* its end has come, and no part since */
} Row;

struct Loadvm {
    StreamIn *s;
    VmstateRegistry *registry;
    const StreamConfig *here;
    StreamConfigLoad config;
    const LoadvmOps *ops;
    Row *rows;
    size_t nrows;
    VmstateLoad *device;
    GHashTable *defaults;   /* by VmstateEntry: VmstateDefaults */
    uint64_t devices_bytes; /* of this attempt */
    bool begun;             /* a section or command has come */
    bool ended;             /* the mark, and no part of a row since */
    bool packaged;          /* loadvm_devices_packaged() */
    uint8_t command[UINT16_MAX];
};

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

/* A part of any kind; the guest runs at the source again, or still. */
static bool load_content(Loadvm *l, Row *row, uint8_t type, GError **errp)
{
    if (l->ops->part != NULL) {
        l->ops->part(l->ops->opaque, type);
    }
    if (!l->packaged) {
        l->registry->load_attempt++;
        l->devices_bytes = 0;
        l->ended = false;
    }
    row->whole = false;
    if (!row->given->ops->load(row->given->opaque, l->s, row->version, errp) ||
        !check_footer(l, row->id, errp)) {
        return false;
    }
    row->whole = type == WIRE_SECTION_END;
    return true;
}

static Row *row_by_name(Loadvm *l, const char *name)
{
    for (size_t i = 0; i < l->nrows; i++) {
        if (strcmp(l->rows[i].given->ops->name, name) == 0) {
            return &l->rows[i];
        }
    }
    return NULL;
}

static Row *row_by_id(Loadvm *l, uint32_t id)
{
    for (size_t i = 0; i < l->nrows; i++) {
        if (l->rows[i].started && l->rows[i].id == id) {
            return &l->rows[i];
        }
    }
    return NULL;
}

/* What stands in the header of a section that has a name. */
typedef struct SectionHead {
    uint64_t at; /* offset of its type byte */
    uint32_t id, instance, version;
    char name[256];
} SectionHead;

static bool load_start(Loadvm *l, const SectionHead *h, GError **errp)
{
    Row *row = row_by_name(l, h->name);

    if (row == NULL) {
        error_setf(errp, "not known here (an iterative device)");
        return false;
    }
    if (row->started || row_by_id(l, h->id) != NULL) {
        error_setf(errp, "section %u starts a second time", h->id);
        return false;
    }
    row->id = h->id;
    row->version = h->version;
    row->started = true;
    return load_content(l, row, WIRE_SECTION_START, errp);
}

/* How many there are of that name, or have come of it. */
static unsigned count_entries(const VmstateRegistry *r, const char *idstr,
                              bool came)
{
    unsigned n = 0;

    for (GList *g = r->entries.head; g != NULL; g = g->next) {
        const VmstateEntry *e = g->data;

        n += strcmp(e->idstr, idstr) == 0 &&
             (!came || e->load_attempt == r->load_attempt);
    }
    return n;
}

static const char *maybe_cpus(const char *idstr)
{
    return g_str_has_prefix(idstr, "cpu") ? " (other -smp)" : "";
}

static void say_unknown(const Loadvm *l, const SectionHead *h, GError **errp)
{
    unsigned n = count_entries(l->registry, h->name, false);

    if (n == 0) {
        error_setf(errp, "no such device here");
        return;
    }
    error_setf(errp,
               "no such device here: this machine has %u of them and the "
               "source at least %" PRIu64 "%s",
               n, (uint64_t)h->instance + 1, maybe_cpus(h->name));
}

/*
 * The first device before `end` (NULL: of all) that has not come though
 * another of its name has: the source has fewer of them.
 */
static const VmstateEntry *find_missing(const VmstateRegistry *r,
                                        const VmstateEntry *end)
{
    for (GList *g = r->entries.head; g != NULL && g->data != end; g = g->next) {
        const VmstateEntry *e = g->data;

        if (e->load_attempt == r->load_attempt || e->vms->needed != NULL) {
            continue;
        }
        for (GList *o = r->entries.head; o != g; o = o->next) {
            const VmstateEntry *other = o->data;

            if (other->load_attempt == r->load_attempt &&
                strcmp(other->idstr, e->idstr) == 0) {
                return e;
            }
        }
    }
    return NULL;
}

/* False with an error if one is missing; see above. */
static bool check_missing(const Loadvm *l, const VmstateEntry *end,
                          GError **errp)
{
    const VmstateEntry *e = find_missing(l->registry, end);

    if (e != NULL) {
        error_setf(errp,
                   "this machine has %u '%s' and the source %u: it sends no "
                   "instance %u%s",
                   count_entries(l->registry, e->idstr, false), e->idstr,
                   count_entries(l->registry, e->idstr, true), e->instance,
                   maybe_cpus(e->idstr));
    }
    return e == NULL;
}

static void restore_defaults(const Loadvm *l, VmstateEntry *e)
{
    const VmstateDefaults *d = g_hash_table_lookup(l->defaults, e);

    if (d != NULL) {
        vmstate_defaults_restore(d);
    }
}

/*
 * One look at what has arrived of a device.  Fields are stored; what they mean
 * to others (post_load) follows when nothing is missing.
 */
static bool try_device(Loadvm *l, const SectionHead *h, GError **errp)
{
    VM_LOCK_GUARD();
    VmstateEntry *e = vmstate_find_to_load(l->registry, h->name, h->instance);

    if (e == NULL || e->vms == VMSTATE_NONE) {
        say_unknown(l, h, errp);
        return false;
    }
    if (e->load_attempt == l->registry->load_attempt) {
        error_setf(errp, "it has come already");
        return false;
    }
    if (l->ended) {
        error_setf(errp, "behind the end of file mark");
        return false;
    }
    if (h->version > INT_MAX) {
        error_setf(errp, "version %u", h->version);
        return false;
    }
    if (e->load_attempt != 0) {
        restore_defaults(l, e); /* the attempt before left others */
    }
    if (!vmstate_load_fields(l->device, l->s, e->vms, e->opaque, h->version,
                             errp) ||
        !check_footer(l, h->id, errp)) {
        return false;
    }
    e->load_attempt = l->registry->load_attempt;
    return vmstate_load_finish(l->device, errp);
}

/*
 * A device that can't be read may be another one than this machine's because
 * the machines differ: then that is what the error says.
 */
static void explain_device(const Loadvm *l, const SectionHead *h, GError **err)
{
    GError *why = NULL;
    VM_LOCK_GUARD();
    VmstateEntry *e = vmstate_find(l->registry, h->name, h->instance);

    if (e != NULL && !check_missing(l, e, &why)) {
        error_prefix(err, "%s; ", why->message);
        g_error_free(why);
    }
}

static uint64_t device_max(const Loadvm *l, const SectionHead *h)
{
    VM_LOCK_GUARD();
    const VmstateEntry *e =
        vmstate_find_to_load(l->registry, h->name, h->instance);

    return e != NULL && e->vms->max_bytes != NULL ? e->vms->max_bytes(e->opaque)
                                                  : DEVICE_MAX;
}

/*
 * Nothing tells how long a device's section is but its own code.  So what has
 * arrived is parsed under the device lock, without waiting; if it ends too
 * soon, more is waited for without the lock, and it is parsed once more.
 */
static bool load_device(Loadvm *l, const SectionHead *h, GError **errp)
{
    const uint64_t max = device_max(l, h);
    bool ok;

    stream_in_hold(l->s);
    for (;;) {
        GError *err = NULL;

        ok = try_device(l, h, &err);
        if (!stream_in_starved(l->s)) {
            if (!ok) {
                explain_device(l, h, &err);
                g_propagate_error(errp, err);
            }
            break;
        }
        g_clear_error(&err);
        if (!stream_in_refill(l->s, max, DEVICE_SILENCE_MS)) {
            ok = stream_in_check(l->s, errp);
            break;
        }
    }
    stream_in_release(l->s);
    if (max == DEVICE_MAX) {
        l->devices_bytes += stream_in_bytes(l->s) - h->at;
    }
    if (ok && l->devices_bytes > DEVICES_MAX) {
        error_setf(errp, "%" PRIu64 " bytes of devices: at most %d",
                   l->devices_bytes, DEVICES_MAX);
        return false;
    }
    return ok;
}

static bool load_named(Loadvm *l, uint8_t type, GError **errp)
{
    SectionHead h = { .at = stream_in_bytes(l->s) - 1 };
    bool ok;

    h.id = stream_get_be32(l->s);
    stream_get_str8(l->s, h.name);
    h.instance = stream_get_be32(l->s);
    h.version = stream_get_be32(l->s);
    if (!stream_in_check(l->s, errp)) {
        return false;
    }
    if (l->packaged) {
        error_setf(errp, "behind the package that has all devices");
        ok = false;
    } else {
        ok = type == WIRE_SECTION_START ? load_start(l, &h, errp)
                                        : load_device(l, &h, errp);
    }
    if (!ok) {
        error_prefix(errp, "section '%s' instance %u at offset %" PRIu64 ": ",
                     h.name, h.instance, h.at);
    }
    return ok;
}

static bool load_part(Loadvm *l, uint8_t type, GError **errp)
{
    uint64_t at = stream_in_bytes(l->s) - 1;
    uint32_t id = stream_get_be32(l->s);
    Row *row;

    if (!stream_in_check(l->s, errp)) {
        return false;
    }
    row = row_by_id(l, id);
    if (row == NULL) {
        error_setf(errp, "part of unknown section %u at offset %" PRIu64, id,
                   at);
        return false;
    }
    if (!load_content(l, row, type, errp)) {
        error_prefix(errp, "section '%s' at offset %" PRIu64 ": ",
                     row->given->ops->name, at);
        return false;
    }
    return true;
}

static bool load_command(Loadvm *l, bool *ret_more, GError **errp)
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
        ok = l->ops->command(l->ops->opaque, cmd, l->command, len, ret_more,
                             errp);
    }
    if (!ok) {
        error_prefix(errp, "command %u at offset %" PRIu64 ": ", cmd, at);
    }
    return ok;
}

/* Devices that the attempt before had, and this one has not. */
static void restore_missing(const Loadvm *l)
{
    for (GList *g = l->registry->entries.head; g != NULL; g = g->next) {
        VmstateEntry *e = g->data;

        if (e->vms->needed != NULL && e->load_attempt != 0 &&
            e->load_attempt != l->registry->load_attempt) {
            restore_defaults(l, e);
            e->load_attempt = 0;
        }
    }
}

/*
 * A device that always travels, and hasn't, nor has any behind it: so a stream
 * looks that ends too early.  NULL: none.  What is missing in between may be
 * something that the source has not, as kvm-tpr-opt without an option ROM;
 * it stays as after a reset, as with QEMU.
 */
static const VmstateEntry *find_absent(const VmstateRegistry *r)
{
    const VmstateEntry *absent = NULL;

    for (GList *g = r->entries.head; g != NULL; g = g->next) {
        const VmstateEntry *e = g->data;

        if (e->load_attempt == r->load_attempt) {
            absent = NULL;
        } else if (absent == NULL && e->vms != VMSTATE_NONE &&
                   e->vms->needed == NULL) {
            absent = e;
        }
    }
    return absent;
}

/*
 * The end of file mark.  A stream in which one byte is wrong may have it
 * anywhere: a guest must not start without the rest.
 */
static bool check_all_came(const Loadvm *l, GError **errp)
{
    const VmstateEntry *e;

    for (size_t i = 0; i < l->nrows; i++) {
        if (l->rows[i].started && !l->rows[i].whole) {
            error_setf(errp, "section '%s' has not ended",
                       l->rows[i].given->ops->name);
            return false;
        }
    }
    if (l->packaged) {
        return true; /* they were looked at with the package */
    }
    VM_LOCK_GUARD();
    restore_missing(l);
    if (!check_missing(l, NULL, errp)) {
        return false;
    }
    e = find_absent(l->registry);
    if (e != NULL) {
        error_setf(errp, "device '%s' instance %u has not come", e->idstr,
                   e->instance);
    }
    return e == NULL;
}

/* Before anything comes: what devices are when they are told nothing. */
static void note_defaults(Loadvm *l)
{
    VM_LOCK_GUARD();

    for (GList *g = l->registry->entries.head; g != NULL; g = g->next) {
        VmstateEntry *e = g->data;

        e->load_attempt = 0;
        g_hash_table_insert(l->defaults, e,
                            vmstate_defaults_new(e->vms, e->opaque));
    }
}

/*
 * What the two sides have to agree on comes before anything that is an answer
 * or guest memory.  A package has no head, and goes on in a stream that had.
 */
static bool go_behind_configuration(Loadvm *l, uint8_t type, GError **errp)
{
    bool first = !l->begun;

    if (type == WIRE_CONFIGURATION || type == WIRE_SUBSECTION) {
        l->begun = true;
        return true;
    }
    l->begun = true;
    return !(first || l->config.open) ||
           configuration_load_end(&l->config, l->here, errp);
}

static bool load_config_part(Loadvm *l, uint64_t at, GError **errp)
{
    if (!l->config.open) {
        error_setf(errp, "subsection at offset %" PRIu64 " of no section", at);
        return false;
    }
    if (!configuration_load_subsection(&l->config, l->s, l->here, errp)) {
        error_prefix(errp, "configuration, subsection at offset %" PRIu64 ": ",
                     at);
        return false;
    }
    return true;
}

static bool load_one(Loadvm *l, bool *ret_more, GError **errp)
{
    uint64_t at = stream_in_bytes(l->s);
    uint8_t type = stream_get_u8(l->s);

    if (!stream_in_check(l->s, errp)) {
        return false;
    }
    if (type == WIRE_CONFIGURATION && l->begun) {
        error_setf(errp, "configuration at offset %" PRIu64 ": not the first",
                   at);
        return false;
    }
    if (!go_behind_configuration(l, type, errp)) {
        error_prefix(errp, "configuration up to offset %" PRIu64 ": ", at);
        return false;
    }
    switch (type) {
    case WIRE_EOF:
        if (!check_all_came(l, errp)) {
            error_prefix(errp, "end of file mark at offset %" PRIu64 ": ", at);
            return false;
        }
        l->ended = true;
        return l->ops->complete(l->ops->opaque, ret_more, errp);
    case WIRE_SECTION_START:
    case WIRE_SECTION_FULL:
        return load_named(l, type, errp);
    case WIRE_SECTION_PART:
    case WIRE_SECTION_END:
        return load_part(l, type, errp);
    case WIRE_CONFIGURATION:
        return configuration_load(&l->config, l->s, l->here, errp);
    case WIRE_SUBSECTION:
        return load_config_part(l, at, errp);
    case WIRE_COMMAND:
        return load_command(l, ret_more, errp);
    default:
        error_setf(errp, "unknown section type 0x%02x at offset %" PRIu64, type,
                   at);
        return false;
    }
}

Loadvm *loadvm_new(StreamIn *s, VmstateRegistry *r, const LoadvmRow *rows,
                   size_t nrows, const StreamConfig *here, const LoadvmOps *ops)
{
    Loadvm *l = g_new0(Loadvm, 1);

    l->s = s;
    l->registry = r;
    l->here = here;
    l->ops = ops;
    l->rows = g_new0(Row, nrows);
    l->nrows = nrows;
    for (size_t i = 0; i < nrows; i++) {
        l->rows[i].given = &rows[i];
    }
    l->device = vmstate_load_new();
    l->defaults = g_hash_table_new_full(NULL, NULL, NULL,
                                        (GDestroyNotify)vmstate_defaults_free);
    return l;
}

void loadvm_free(Loadvm *l)
{
    vmstate_load_free(l->device);
    g_hash_table_unref(l->defaults);
    g_free(l->rows);
    g_free(l);
}

static bool load_sections(Loadvm *l, GError **errp)
{
    bool ok = true, more = true;

    while (ok && more) {
        ok = load_one(l, &more, errp);
    }
    return ok;
}

bool loadvm_begin(Loadvm *l, GError **errp)
{
    l->registry->load_attempt++;
    note_defaults(l);
    return load_header(l, errp) && load_sections(l, errp);
}

bool loadvm_go_on(Loadvm *l, StreamIn *s, GError **errp)
{
    l->s = s;
    return load_sections(l, errp);
}

bool loadvm_run(StreamIn *s, VmstateRegistry *r, const LoadvmRow *rows,
                size_t nrows, const StreamConfig *here, const LoadvmOps *ops,
                GError **errp)
{
    g_autoptr(Loadvm) l = loadvm_new(s, r, rows, nrows, here, ops);

    return loadvm_begin(l, errp);
}

bool loadvm_at_head(const Loadvm *l)
{
    return !l->config.done;
}

void loadvm_devices_packaged(Loadvm *l)
{
    l->packaged = true;
}

bool loadvm_package(const Loadvm *l, const void *data, size_t len,
                    const LoadvmOps *ops, GError **errp)
{
    g_autoptr(StreamIn) s = stream_in_new_mem(data, len);
    g_autoptr(Loadvm) p = loadvm_new(s, l->registry, NULL, 0, l->here, ops);
    bool ok = true, more = true;

    g_hash_table_unref(p->defaults);
    p->defaults = g_hash_table_ref(l->defaults);
    p->begun = true;
    while (ok && more && stream_in_bytes(s) < len) {
        ok = load_one(p, &more, errp);
    }
    ok = ok && check_all_came(p, errp);
    if (!ok) {
        error_prefix(errp, "package: ");
    }
    return ok;
}
