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

enum { VMSTATE_MAX_DEPTH = 16 };

static bool load_vmsd(StreamIn *s, const Vmstate *vms, void *opaque,
                      int version, unsigned depth, GError **errp);

static bool check_equal(const VmstateField *f, int64_t got, int64_t have,
                        GError **errp)
{
    bool ok = f->kind == VMS_I32_LE ? got >= 0 && got <= have : got == have;

    if (!ok) {
        error_setf(errp, "%" PRId64 " in the stream but %" PRId64 " here", got,
                   have);
    }
    return ok;
}

/* The checked kinds: what is here stays. */
static bool load_equal(StreamIn *s, const VmstateField *f, void *elem,
                       GError **errp)
{
    switch (f->kind) {
    case VMS_U8_EQUAL:
        return check_equal(f, stream_get_u8(s), *(uint8_t *)elem, errp);
    case VMS_U16_EQUAL:
        return check_equal(f, stream_get_be16(s), *(uint16_t *)elem, errp);
    case VMS_U32_EQUAL:
        return check_equal(f, stream_get_be32(s), *(uint32_t *)elem, errp);
    case VMS_U64_EQUAL:
        return check_equal(f, stream_get_be64(s), *(uint64_t *)elem, errp);
    default:
        return check_equal(f, (int32_t)stream_get_be32(s), *(int32_t *)elem,
                           errp);
    }
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

static bool load_elem(StreamIn *s, const VmstateField *f, void *elem,
                      size_t size, GError **errp)
{
    switch (f->kind) {
    case VMS_BOOL:
        *(bool *)elem = stream_get_u8(s) != 0;
        return true;
    case VMS_U8:
    case VMS_I8:
        *(uint8_t *)elem = stream_get_u8(s);
        return true;
    case VMS_U16:
    case VMS_I16:
        *(uint16_t *)elem = stream_get_be16(s);
        return true;
    case VMS_U32:
    case VMS_I32:
        *(uint32_t *)elem = stream_get_be32(s);
        return true;
    case VMS_U64:
    case VMS_I64:
        *(uint64_t *)elem = stream_get_be64(s);
        return true;
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
    if ((f->flags & (VMF_VSIZE_U32 | VMF_VSIZE_I32)) && size > f->num_max) {
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

static bool load_field(StreamIn *s, const VmstateField *f, void *opaque,
                       unsigned depth, GError **errp)
{
    unsigned n = vmstate_field_count(f, opaque);
    size_t size = vmstate_field_size(f, opaque);
    void *base;

    if (!check_bounds(f, n, size, errp)) {
        return false;
    }
    base = load_base(f, opaque, n, size);
    if (base == NULL && n > 0) {
        error_setf(errp, "points nowhere");
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        void *elem = vmstate_field_elem(f, base, i);
        bool ok;

        if (f->kind == VMS_STRUCT) {
            int v = f->struct_version ? f->struct_version : f->vms->version;

            ok = load_vmsd(s, f->vms, elem, v, depth + 1, errp);
        } else {
            ok = load_elem(s, f, elem, size, errp);
        }
        if (!ok || !stream_in_check(s, errp)) {
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

/* Looks ahead for "SUBSECTION len NAME"; false if there is none of ours. */
static bool peek_subsection(StreamIn *s, const Vmstate *vms, char name[256])
{
    size_t plen = strlen(vms->name);
    int len;

    if (stream_peek_u8(s, 0) != VMSTATE_SUBSECTION) {
        return false;
    }
    len = stream_peek_u8(s, 1);
    if (len < (int)plen + 1) {
        return false;
    }
    for (int i = 0; i < len; i++) {
        int c = stream_peek_u8(s, 2 + i);

        if (c < 0) {
            return false;
        }
        name[i] = c;
    }
    name[len] = '\0';
    /* An unlisted one below our name is ours to refuse. */
    return find_subsection(vms, name) != NULL ||
           (memcmp(name, vms->name, plen) == 0 && name[plen] == '/');
}

static bool load_subsections(StreamIn *s, const Vmstate *vms, void *opaque,
                             unsigned depth, GError **errp)
{
    char name[256];

    while (peek_subsection(s, vms, name)) {
        const Vmstate *sub = find_subsection(vms, name);
        uint32_t version;

        if (sub == NULL) {
            error_setf(errp, "subsection '%s' is not known", name);
            return false;
        }
        stream_skip(s, 2 + strlen(name));
        version = stream_get_be32(s);
        if (!load_vmsd(s, sub, opaque, version, depth + 1, errp)) {
            return false;
        }
    }
    return true;
}

static bool load_fields(StreamIn *s, const Vmstate *vms, void *opaque,
                        int version, unsigned depth, GError **errp)
{
    for (const VmstateField *f = vms->fields; f && f->name; f++) {
        if (vmstate_field_present(f, opaque, version) &&
            !load_field(s, f, opaque, depth, errp)) {
            error_prefix(errp, "%s: ", f->name);
            return false;
        }
    }
    return load_subsections(s, vms, opaque, depth, errp);
}

static bool load_vmsd(StreamIn *s, const Vmstate *vms, void *opaque,
                      int version, unsigned depth, GError **errp)
{
    uint64_t start = stream_in_bytes(s);

    if (version > vms->version || version < vms->oldest) {
        error_setf(errp, "%s: version %d: this program takes %d to %d",
                   vms->name, version, vms->oldest, vms->version);
        return false;
    }
    if (depth > VMSTATE_MAX_DEPTH) {
        error_setf(errp, "%s: nested too deeply", vms->name);
        return false;
    }
    if ((vms->pre_load != NULL && !vms->pre_load(opaque, errp)) ||
        !load_fields(s, vms, opaque, version, depth, errp) ||
        !stream_in_check(s, errp) ||
        (vms->post_load != NULL && !vms->post_load(opaque, version, errp))) {
        error_prefix(errp, "%s (offset %" PRIu64 "): ", vms->name, start);
        return false;
    }
    return true;
}

bool vmstate_load(StreamIn *s, const Vmstate *vms, void *opaque, int version,
                  GError **errp)
{
    return load_vmsd(s, vms, opaque, version, 0, errp);
}
