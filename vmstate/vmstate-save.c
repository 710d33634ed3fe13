/*
 * Puts a device's state into a stream as its vmstate table says.
 *
 * This runs in the switch-over: it allocates nothing unless the JSON
 * description is asked for, which the engine does during the rehearsal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/error.h"
#include "vmstate/vmstate-priv.h"

static bool save_vmsd(StreamOut *s, const Vmstate *vms, void *opaque,
                      int version, JsonValue *desc, GError **errp);

static bool save_elem(StreamOut *s, const VmstateField *f, void *elem,
                      size_t size, GError **errp)
{
    switch (f->kind) {
    case VMS_BOOL:
        stream_put_u8(s, *(bool *)elem);
        return true;
    case VMS_U8:
    case VMS_I8:
    case VMS_U8_EQUAL:
        stream_put_u8(s, *(uint8_t *)elem);
        return true;
    case VMS_U16:
    case VMS_I16:
    case VMS_U16_EQUAL:
        stream_put_be16(s, *(uint16_t *)elem);
        return true;
    case VMS_U32:
    case VMS_I32:
    case VMS_U32_EQUAL:
    case VMS_I32_EQUAL:
    case VMS_I32_LE:
        stream_put_be32(s, *(uint32_t *)elem);
        return true;
    case VMS_U64:
    case VMS_I64:
    case VMS_U64_EQUAL:
        stream_put_be64(s, *(uint64_t *)elem);
        return true;
    case VMS_BUFFER:
        stream_put(s, elem, size);
        return true;
    case VMS_UNUSED:
        for (size_t i = 0; i < size; i++) {
            stream_put_u8(s, 0);
        }
        return true;
    case VMS_TIMER:
        stream_put_be64(s, ((Timer *)elem)->expire_ns);
        return true;
    case VMS_CUSTOM:
        return f->info->put(s, elem, size, errp);
    case VMS_STRUCT:
        break;
    }
    g_assert_not_reached();
}

/*
 * A description's "fields", and the table that it describes.  NULL: nobody
 * asked for one.
 */
typedef struct Desc {
    JsonValue *fields;
    const VmstateField *table;
    void *opaque;
    int version;
} Desc;

static JsonValue *desc_named(const Desc *d, const VmstateField *f)
{
    JsonValue *o = json_object_new();
    unsigned before = 0, same = 0;

    for (const VmstateField *g = d->table; g->name != NULL; g++) {
        if (strcmp(g->name, f->name) == 0 &&
            vmstate_field_present(g, d->opaque, d->version)) {
            same++;
            before += g < f;
        }
    }
    if (same > 1) {
        g_autofree char *name = g_strdup_printf("%s[%u]", f->name, before);

        json_object_set_string(o, "name", name);
    } else {
        json_object_set_string(o, "name", f->name);
    }
    return o;
}

/* The member of "fields" that stands for element `i` of `n`, or for all. */
static JsonValue *desc_field(const Desc *d, const VmstateField *f, unsigned i,
                             unsigned n, bool compact, size_t size,
                             JsonValue *nested)
{
    JsonValue *o;

    if (f->flags & VMF_TMP) {
        json_object_set_uint(nested, "size", size);
        return nested;
    }
    o = desc_named(d, f);
    if (n > 1 || f->num > 0) {
        if (compact) {
            json_object_set_int(o, "array_len", n);
        } else {
            json_object_set_int(o, "index", i);
        }
    }
    json_object_set_string(o, "type", vmstate_field_type(f));
    if (nested != NULL) {
        json_object_set(o, "struct", nested);
    }
    json_object_set_uint(o, "size", size);
    return o;
}

/*
 * Elements that may differ (subsections) are described one by one; others
 * are described once if they are equal.
 */
static void desc_flush(const Desc *d, const VmstateField *f, GPtrArray *nested,
                       const uint64_t *sizes, unsigned n)
{
    bool equal = !(f->flags & VMF_DESC_EACH) &&
                 (f->kind != VMS_STRUCT || f->vms->subsections == NULL);

    for (unsigned i = 1; i < n && equal; i++) {
        equal = sizes[i] == sizes[0] &&
                (nested->pdata[i] == NULL ||
                 json_equal(nested->pdata[i], nested->pdata[0]));
    }
    for (unsigned i = 0; i < (equal ? MIN(n, 1u) : n); i++) {
        JsonValue *sub = nested->pdata[i];

        json_array_add(d->fields,
                       desc_field(d, f, i, n, equal, sizes[i],
                                  sub != NULL ? json_ref(sub) : NULL));
    }
}

/* What an element's own description begins with; NULL: it has none. */
static JsonValue *desc_nested(const Desc *d, const VmstateField *f)
{
    JsonValue *o = NULL;

    if (f->flags & VMF_TMP) {
        o = desc_named(d, f);
        json_object_set_string(o, "type", "tmp");
    } else if (f->kind == VMS_STRUCT) {
        o = json_object_new();
    }
    return o;
}

static bool save_elems(StreamOut *s, const VmstateField *f, void *opaque,
                       unsigned n, const Desc *d, GPtrArray *nested,
                       uint64_t *sizes, GError **errp)
{
    void *base = vmstate_field_base(f, opaque);
    size_t size = vmstate_field_size(f, opaque);

    if (base == NULL && n > 0) {
        error_setf(errp, "field '%s' points nowhere", f->name);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        void *elem = vmstate_field_elem(f, base, i);
        uint64_t start = stream_out_bytes(s);
        JsonValue *sub = NULL;

        if (nested != NULL) {
            sub = desc_nested(d, f);
            g_ptr_array_add(nested, sub);
        }
        if (f->kind == VMS_STRUCT) {
            int v = f->struct_version ? f->struct_version : f->vms->version;

            if (!save_vmsd(s, f->vms, elem, v, sub, errp)) {
                return false;
            }
        } else if (!save_elem(s, f, elem, size, errp)) {
            return false;
        }
        if (sizes != NULL) {
            sizes[i] = stream_out_bytes(s) - start;
        }
    }
    return true;
}

/* Without a description, and at once; false: one by one. */
static bool save_run(StreamOut *s, const VmstateField *f, void *opaque,
                     unsigned n)
{
    size_t bytes = f->kind == VMS_STRUCT ? vmstate_flat_size(f->vms)
                                         : vmstate_int_width(f);
    uint8_t *base = vmstate_field_base(f, opaque), *to;

    if (bytes == 0 || base == NULL) {
        return false;
    }
    to = stream_put_room(s, n * bytes);
    if (to == NULL) {
        return false;
    }
    if (f->kind != VMS_STRUCT) {
        vmstate_put_ints(to, f, base, n);
        return true;
    }
    for (unsigned i = 0; i < n; i++, base += f->size, to += bytes) {
        vmstate_put_flat(to, f->vms, base);
    }
    return true;
}

static bool save_field(StreamOut *s, const VmstateField *f, void *opaque,
                       const Desc *d, GError **errp)
{
    unsigned n = vmstate_field_count(f, opaque);
    g_autoptr(GPtrArray) nested = NULL;
    g_autofree uint64_t *sizes = NULL;

    if (d->fields == NULL) {
        return save_run(s, f, opaque, n) ||
               save_elems(s, f, opaque, n, NULL, NULL, NULL, errp);
    }
    nested = g_ptr_array_new_with_free_func((GDestroyNotify)json_unref);
    sizes = g_new0(uint64_t, n);
    if (!save_elems(s, f, opaque, n, d, nested, sizes, errp)) {
        return false;
    }
    desc_flush(d, f, nested, sizes, n);
    return true;
}

static bool save_subsections(StreamOut *s, const Vmstate *vms, void *opaque,
                             JsonValue *desc, GError **errp)
{
    JsonValue *subs = NULL;

    for (size_t i = 0; vms->subsections && vms->subsections[i]; i++) {
        const Vmstate *sub = vms->subsections[i];
        JsonValue *o = NULL;

        if (sub->needed != NULL && !sub->needed(opaque)) {
            continue;
        }
        if (desc != NULL && subs == NULL) {
            subs = json_array_new();
            json_object_set(desc, "subsections", subs);
        }
        if (desc != NULL) {
            o = json_object_new();
            json_array_add(subs, o);
        }
        stream_put_u8(s, VMSTATE_SUBSECTION);
        stream_put_str8(s, sub->name);
        stream_put_be32(s, sub->version);
        if (!save_vmsd(s, sub, opaque, sub->version, o, errp)) {
            return false;
        }
    }
    return true;
}

static void describe_raw(JsonValue *desc, uint64_t size)
{
    JsonValue *fields = json_array_new();
    JsonValue *data = json_object_new();

    json_object_set_string(data, "name", "data");
    json_object_set_uint(data, "size", size);
    json_object_set_string(data, "type", "buffer");
    json_array_add(fields, data);
    json_object_set_uint(desc, "size", size);
    json_object_set(desc, "fields", fields);
}

static bool save_fields(StreamOut *s, const Vmstate *vms, void *opaque,
                        int version, JsonValue *desc, GError **errp)
{
    Desc d = { .table = vms->fields, .opaque = opaque, .version = version };
    uint64_t begin = stream_out_bytes(s);

    if (desc != NULL && !vms->raw) {
        d.fields = json_array_new();
        json_object_set_string(desc, "vmsd_name", vms->name);
        json_object_set_int(desc, "version", version);
        json_object_set(desc, "fields", d.fields);
    }
    for (const VmstateField *f = vms->fields; f && f->name; f++) {
        if (vmstate_field_present(f, opaque, version) &&
            !save_field(s, f, opaque, &d, errp)) {
            error_prefix(errp, "%s: ", f->name);
            return false;
        }
    }
    if (desc != NULL && vms->raw) {
        describe_raw(desc, stream_out_bytes(s) - begin);
    }
    return save_subsections(s, vms, opaque, desc, errp);
}

static bool save_vmsd(StreamOut *s, const Vmstate *vms, void *opaque,
                      int version, JsonValue *desc, GError **errp)
{
    bool ok;

    if (vms->pre_save != NULL && !vms->pre_save(opaque, errp)) {
        error_prefix(errp, "%s: ", vms->name);
        return false;
    }
    ok = save_fields(s, vms, opaque, version, desc, errp);
    if (vms->post_save != NULL) {
        vms->post_save(opaque);
    }
    if (!ok) {
        error_prefix(errp, "%s: ", vms->name);
    }
    return ok;
}

bool vmstate_save(StreamOut *s, const Vmstate *vms, void *opaque, GError **errp)
{
    return vmstate_save_desc(s, vms, opaque, NULL, errp);
}

bool vmstate_save_desc(StreamOut *s, const Vmstate *vms, void *opaque,
                       JsonValue *desc, GError **errp)
{
    return save_vmsd(s, vms, opaque, vms->version, desc, errp);
}
