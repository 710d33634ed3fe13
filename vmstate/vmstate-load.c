/*
 * Gets a device's state from a stream as its vmstate table says.
 *
 * The stream is hostile: every count and size that comes out of it is bounded
 * by the table, and post_load() checks meaning.  Errors name the path of
 * descriptions and fields, and the offset in the stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/error.h"
#include "vmstate/vmstate-priv.h"

enum { VMSTATE_MAX_DEPTH = 16, NO_PARENT = -1, FRAMES_READY = 1024 };

/* One description as it was met: what its post_load() and errors need. */
typedef struct LoadFrame {
    const Vmstate *vms;
    void *opaque;
    int version;
    int parent;        /* index of a frame, or NO_PARENT */
    const char *field; /* of the parent, which it stands for; or NULL */
    uint64_t start;    /* offset in the stream */
} LoadFrame;

struct VmstateLoad {
    StreamIn *s;    /* while fields are loaded */
    GArray *frames; /* LoadFrame, in the order of their first bytes */
    GArray *hooks;  /* int: frames with a post_load(), inner ones first */
};

/* Where a description is met. */
typedef struct LoadPlace {
    int parent;
    const char *field;
    unsigned depth;
} LoadPlace;

static bool load_vmsd(VmstateLoad *l, const Vmstate *vms, void *opaque,
                      int version, const LoadPlace *at, GError **errp);

/* The checked kinds: what is here stays. */
static bool load_equal(StreamIn *s, const VmstateField *f, const void *elem,
                       GError **errp)
{
    int64_t got, have;

    switch (f->kind) {
    case VMS_U8_EQUAL:
        got = stream_get_u8(s);
        have = *(const uint8_t *)elem;
        break;
    case VMS_U16_EQUAL:
        got = stream_get_be16(s);
        have = *(const uint16_t *)elem;
        break;
    case VMS_U32_EQUAL:
        got = stream_get_be32(s);
        have = *(const uint32_t *)elem;
        break;
    case VMS_U64_EQUAL:
        got = stream_get_be64(s);
        have = *(const uint64_t *)elem;
        break;
    default:
        got = (int32_t)stream_get_be32(s);
        have = *(const int32_t *)elem;
        break;
    }
    if (!stream_in_check(s, errp)) {
        return false;
    }
    if (f->kind == VMS_I32_LE ? got >= 0 && got <= have : got == have) {
        return true;
    }
    error_setf(errp, "%" PRId64 " in the stream but %" PRId64 " here", got,
               have);
    return false;
}

static void load_timer(StreamIn *s, Timer *t)
{
    int64_t expire = stream_get_be64(s);

    if (expire < 0) {
        timer_del(t);
    } else {
        timer_mod(t, expire);
    }
}

/* What is no plain integer: see load_ints(). */
static bool load_elem(StreamIn *s, const VmstateField *f, void *elem,
                      size_t size, GError **errp)
{
    switch (f->kind) {
    case VMS_BUFFER:
        stream_get(s, elem, size);
        return true;
    case VMS_UNUSED:
        stream_skip(s, size);
        return true;
    case VMS_TIMER:
        load_timer(s, elem);
        return true;
    case VMS_CUSTOM:
        return f->info->get(s, elem, size, errp);
    default:
        return load_equal(s, f, elem, errp);
    }
}

/* Counts and sizes were loaded from the stream just before: bound them. */
static bool check_bounds(const VmstateField *f, unsigned n, size_t size,
                         GError **errp)
{
    if ((f->flags &
         (VMF_VARRAY_U8 | VMF_VARRAY_U16 | VMF_VARRAY_U32 | VMF_VARRAY_I32)) &&
        n > f->num_max) {
        error_setf(errp, "%u elements: at most %u", n, f->num_max);
        return false;
    }
    if ((f->flags & VMF_VSIZE_U32) && size > f->num_max) {
        error_setf(errp, "%zu bytes: at most %u", size, f->num_max);
        return false;
    }
    return true;
}

static void *load_base(const VmstateField *f, void *opaque, unsigned n,
                       size_t size)
{
    if (f->flags & VMF_ALLOC) {
        void **p = (void **)((uint8_t *)opaque + f->offset);
        size_t unit = f->kind == VMS_BUFFER ? size : f->size;

        g_free(*p);
        *p = g_malloc0(MAX(unit * n, (size_t)1));
    }
    return vmstate_field_base(f, opaque);
}

static bool load_ints(StreamIn *s, const VmstateField *f, uint8_t *base,
                      unsigned n, GError **errp)
{
    const size_t width = vmstate_int_width(f);

    while (n > 0) {
        const unsigned m = MIN(n, STREAM_RUN_MAX / width);
        const uint8_t *from = stream_get_run(s, m * width);

        if (unlikely(from == NULL)) {
            return stream_in_check(s, errp);
        }
        vmstate_get_ints(from, f, base, m);
        base += m * f->size;
        n -= m;
    }
    return true;
}

static bool load_subsections(VmstateLoad *l, const Vmstate *vms, void *opaque,
                             const LoadPlace *at, GError **errp);

/*
 * As load_vmsd() does for a flat description of a version that can be got; who
 * has no post_load() has no need of a frame.
 */
static bool load_flat(VmstateLoad *l, const Vmstate *vms, void *opaque,
                      size_t bytes, const LoadPlace *at, GError **errp)
{
    const uint64_t start = stream_in_bytes(l->s);
    const uint8_t *from = stream_get_run(l->s, bytes);
    int next;

    if (likely(from != NULL)) {
        vmstate_get_flat(from, vms, opaque);
        next = stream_peek_u8(l->s, 0);
        if (likely(next >= 0 && next != VMSTATE_SUBSECTION)) {
            return true;
        }
    }
    if (load_subsections(l, vms, opaque, at, errp)) {
        return true;
    }
    error_prefix(errp, "%s (offset %" PRIu64 "): ", vms->name, start);
    return false;
}

static bool load_struct(VmstateLoad *l, const VmstateField *f, void *elem,
                        size_t flat, const LoadPlace *at, GError **errp)
{
    const int v = f->struct_version ? f->struct_version : f->vms->version;

    if (flat > 0 && v <= f->vms->version && v >= f->vms->oldest) {
        return load_flat(l, f->vms, elem, flat, at, errp);
    }
    return load_vmsd(l, f->vms, elem, v, at, errp);
}

static bool load_field(VmstateLoad *l, const VmstateField *f, void *opaque,
                       const LoadPlace *at, GError **errp)
{
    unsigned n = vmstate_field_count(f, opaque);
    size_t size = vmstate_field_size(f, opaque);
    size_t flat = f->kind == VMS_STRUCT ? vmstate_flat_size(f->vms) : 0;
    void *base;

    if (!check_bounds(f, n, size, errp)) {
        return false;
    }
    base = load_base(f, opaque, n, size);
    if (base == NULL && n > 0) {
        error_setf(errp, "points nowhere");
        return false;
    }
    if (vmstate_int_width(f) > 0) {
        return load_ints(l->s, f, base, n, errp);
    }
    for (unsigned i = 0; i < n; i++) {
        void *elem = vmstate_field_elem(f, base, i);
        bool ok;

        if (f->kind == VMS_STRUCT) {
            ok = load_struct(l, f, elem, flat, at, errp);
        } else {
            ok = load_elem(l->s, f, elem, size, errp) &&
                 stream_in_check(l->s, errp);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static const Vmstate *find_subsection(const Vmstate *vms, const char *name)
{
    for (size_t i = 0; vms->subsections && vms->subsections[i]; i++) {
        if (strcmp(vms->subsections[i]->name, name) == 0) {
            return vms->subsections[i];
        }
    }
    return NULL;
}

/* May `n` bytes be the start of the name, of `len` bytes, of a subsection? */
static bool may_be_subsection(const Vmstate *vms, const char *name, size_t n,
                              size_t len)
{
    size_t plen = strlen(vms->name);

    /* An unlisted one below our name is ours to refuse. */
    if (memcmp(name, vms->name, MIN(n, plen)) == 0 &&
        (n <= plen || name[plen] == '/')) {
        return true;
    }
    for (size_t i = 0; vms->subsections && vms->subsections[i]; i++) {
        const char *sub = vms->subsections[i]->name;

        if (strlen(sub) == len && memcmp(name, sub, n) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Looks ahead for "SUBSECTION len NAME"; false if there is none of ours.  No
 * byte is looked at beyond the first one that tells: data may look like the
 * start of a subsection, and the stream end before its name would.
 */
static bool peek_subsection(StreamIn *s, const Vmstate *vms, char name[256])
{
    int len;

    if (stream_peek_u8(s, 0) != VMSTATE_SUBSECTION) {
        return false;
    }
    len = stream_peek_u8(s, 1);
    if (len < (int)strlen(vms->name) + 1) {
        return false;
    }
    for (int i = 0; i < len; i++) {
        int c = stream_peek_u8(s, 2 + i);

        if (c < 0) {
            stream_skip(s, 2 + len); /* says where the stream ends */
            return false;
        }
        name[i] = c;
        if (!may_be_subsection(vms, name, i + 1, len)) {
            return false;
        }
    }
    name[len] = '\0';
    return true;
}

static bool load_subsections(VmstateLoad *l, const Vmstate *vms, void *opaque,
                             const LoadPlace *at, GError **errp)
{
    char name[256];

    while (peek_subsection(l->s, vms, name)) {
        const Vmstate *sub = find_subsection(vms, name);
        uint32_t version;

        if (sub == NULL) {
            error_setf(errp, "subsection '%s' is not known", name);
            return false;
        }
        stream_skip(l->s, 2 + strlen(name));
        version = stream_get_be32(l->s);
        if (!stream_in_check(l->s, errp) ||
            !load_vmsd(l, sub, opaque, version, at, errp)) {
            return false;
        }
    }
    /* Without the next byte nobody knows whether one follows. */
    return stream_in_check(l->s, errp);
}

static bool load_fields(VmstateLoad *l, const Vmstate *vms, void *opaque,
                        int version, LoadPlace *at, GError **errp)
{
    for (const VmstateField *f = vms->fields; f && f->name; f++) {
        at->field = f->name;
        if (vmstate_field_present(f, opaque, version) &&
            !load_field(l, f, opaque, at, errp)) {
            error_prefix(errp, "%s: ", f->name);
            return false;
        }
    }
    at->field = NULL;
    return load_subsections(l, vms, opaque, at, errp);
}

static bool load_vmsd(VmstateLoad *l, const Vmstate *vms, void *opaque,
                      int version, const LoadPlace *at, GError **errp)
{
    const LoadFrame frame = { .vms = vms,
                              .opaque = opaque,
                              .version = version,
                              .parent = at->parent,
                              .field = at->field,
                              .start = stream_in_bytes(l->s) };
    const int index = l->frames->len;
    LoadPlace inside = { .parent = index, .depth = at->depth + 1 };

    if (version > vms->version || version < vms->oldest) {
        error_setf(errp, "%s: version %d: this program takes %d to %d",
                   vms->name, version, vms->oldest, vms->version);
        return false;
    }
    if (at->depth > VMSTATE_MAX_DEPTH) {
        error_setf(errp, "%s: nested too deeply", vms->name);
        return false;
    }
    g_array_append_val(l->frames, frame);
    if ((vms->pre_load != NULL && !vms->pre_load(opaque, errp)) ||
        !load_fields(l, vms, opaque, version, &inside, errp)) {
        error_prefix(errp, "%s (offset %" PRIu64 "): ", vms->name, frame.start);
        return false;
    }
    if (vms->post_load != NULL) {
        g_array_append_val(l->hooks, index);
    }
    return true;
}

static VmstateLoad *load_new(void)
{
    VmstateLoad *l = g_new0(VmstateLoad, 1);

    l->frames = g_array_new(false, true, sizeof(LoadFrame));
    l->hooks = g_array_new(false, true, sizeof(int));
    return l;
}

VmstateLoad *vmstate_load_new(void)
{
    VmstateLoad *l = load_new();

    /* Room that is there, page by page, before a guest stands and waits. */
    g_array_set_size(l->frames, FRAMES_READY);
    g_array_set_size(l->hooks, FRAMES_READY);
    return l;
}

void vmstate_load_free(VmstateLoad *l)
{
    if (l == NULL) {
        return;
    }
    g_array_unref(l->frames);
    g_array_unref(l->hooks);
    g_free(l);
}

bool vmstate_load_fields(VmstateLoad *l, StreamIn *s, const Vmstate *vms,
                         void *opaque, int version, GError **errp)
{
    const LoadPlace top = { .parent = NO_PARENT };

    l->s = s;
    g_array_set_size(l->frames, 0);
    g_array_set_size(l->hooks, 0);
    return load_vmsd(l, vms, opaque, version, &top, errp);
}

/* The path to a frame, as an error within would have it. */
static void prefix_path(const VmstateLoad *l, int index, GError **errp)
{
    while (index != NO_PARENT) {
        const LoadFrame *f = &g_array_index(l->frames, LoadFrame, index);

        error_prefix(errp, "%s (offset %" PRIu64 "): ", f->vms->name, f->start);
        if (f->field != NULL) {
            error_prefix(errp, "%s: ", f->field);
        }
        index = f->parent;
    }
}

bool vmstate_load_finish(VmstateLoad *l, GError **errp)
{
    for (guint i = 0; i < l->hooks->len; i++) {
        int index = g_array_index(l->hooks, int, i);
        const LoadFrame *f = &g_array_index(l->frames, LoadFrame, index);

        if (!f->vms->post_load(f->opaque, f->version, errp)) {
            prefix_path(l, index, errp);
            return false;
        }
    }
    return true;
}

bool vmstate_load(StreamIn *s, const Vmstate *vms, void *opaque, int version,
                  GError **errp)
{
    g_autoptr(VmstateLoad) l = load_new();

    return vmstate_load_fields(l, s, vms, opaque, version, errp) &&
           vmstate_load_finish(l, errp);
}
