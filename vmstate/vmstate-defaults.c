/*
 * What a device's optional state is while nothing has come of it.
 *
 * A subsection that isn't sent means that its fields are as after a reset.
 * That holds by itself for the first state that is loaded into a device; one
 * that replaces another finds what that one left.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "vmstate/vmstate-defaults.h"
#include "vmstate/vmstate-priv.h"

/* Bytes of the device, or a timer. */
typedef struct Piece {
    void *at;
    size_t len;  /* bytes; 0: a timer */
    size_t from; /* offset in the copies */
} Piece;

struct VmstateDefaults {
    GArray *pieces;     /* Piece */
    GByteArray *copies; /* of bytes, and int64_t of when a timer expires */
};

static void note_timer(VmstateDefaults *d, Timer *t)
{
    const Piece p = { .at = t, .from = d->copies->len };

    g_byte_array_append(d->copies, (const guint8 *)&t->expire_ns,
                        sizeof(t->expire_ns));
    g_array_append_val(d->pieces, p);
}

static void note_bytes(VmstateDefaults *d, void *at, size_t len)
{
    Piece *last = d->pieces->len == 0
                      ? NULL
                      : &g_array_index(d->pieces, Piece, d->pieces->len - 1);
    const Piece p = { .at = at, .len = len, .from = d->copies->len };

    g_byte_array_append(d->copies, at, len);
    if (last != NULL && last->len > 0 && (char *)last->at + last->len == at) {
        last->len += len;
    } else {
        g_array_append_val(d->pieces, p);
    }
}

/* Bytes that loading an element stores; 0: none, or not in one place. */
static size_t bytes_in_memory(const VmstateField *f)
{
    switch (f->kind) {
    case VMS_BOOL:
        return sizeof(bool);
    case VMS_U8:
    case VMS_U16:
    case VMS_U32:
    case VMS_U64:
    case VMS_I8:
    case VMS_I16:
    case VMS_I32:
    case VMS_I64:
    case VMS_BUFFER:
        return f->size;
    default:
        return 0;
    }
}

static void note_vmsd(VmstateDefaults *d, const Vmstate *vms, void *opaque,
                      bool optional);

static void note_field(VmstateDefaults *d, const VmstateField *f, void *opaque,
                       bool optional)
{
    unsigned n = vmstate_field_count(f, opaque);
    void *base = vmstate_field_base(f, opaque);
    const size_t bytes = bytes_in_memory(f);

    if (base == NULL || n == 0 ||
        (f->flags & (VMF_ALLOC | VMF_VSIZE_U32)) != 0) {
        return;
    }
    /* A disk's buffer is an array of 128 KiB of single bytes. */
    if (optional && bytes > 0 && f->size == bytes) {
        note_bytes(d, base, n * bytes);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        void *elem = vmstate_field_elem(f, base, i);

        if (f->kind == VMS_STRUCT) {
            note_vmsd(d, f->vms, elem, optional);
        } else if (optional && f->kind == VMS_TIMER) {
            note_timer(d, elem);
        } else if (optional && bytes > 0) {
            note_bytes(d, elem, bytes);
        }
    }
}

static void note_vmsd(VmstateDefaults *d, const Vmstate *vms, void *opaque,
                      bool optional)
{
    for (const VmstateField *f = vms->fields; f && f->name; f++) {
        if (vmstate_field_present(f, opaque, vms->version)) {
            note_field(d, f, opaque, optional);
        }
    }
    for (size_t i = 0; vms->subsections && vms->subsections[i]; i++) {
        note_vmsd(d, vms->subsections[i], opaque, true);
    }
}

VmstateDefaults *vmstate_defaults_new(const Vmstate *vms, void *opaque)
{
    VmstateDefaults *d = g_new0(VmstateDefaults, 1);

    d->pieces = g_array_new(false, false, sizeof(Piece));
    d->copies = g_byte_array_new();
    note_vmsd(d, vms, opaque, vms->needed != NULL);
    return d;
}

void vmstate_defaults_free(VmstateDefaults *d)
{
    if (d == NULL) {
        return;
    }
    g_array_unref(d->pieces);
    g_byte_array_unref(d->copies);
    g_free(d);
}

static void restore_timer(Timer *t, const guint8 *copy)
{
    int64_t expire_ns;

    memcpy(&expire_ns, copy, sizeof(expire_ns));
    if (expire_ns < 0) {
        timer_del(t);
    } else {
        timer_mod(t, expire_ns);
    }
}

void vmstate_defaults_restore(const VmstateDefaults *d)
{
    for (guint i = 0; i < d->pieces->len; i++) {
        const Piece *p = &g_array_index(d->pieces, Piece, i);

        if (p->len == 0) {
            restore_timer(p->at, d->copies->data + p->from);
        } else {
            memcpy(p->at, d->copies->data + p->from, p->len);
        }
    }
}
