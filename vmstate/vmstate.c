/*
 * What saver and loader of vmstate tables have in common.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "vmstate/vmstate-priv.h"

bool vmstate_field_present(const VmstateField *f, void *opaque, int version)
{
    if (f->exists != NULL) {
        return f->exists(opaque, version);
    }
    return f->version <= version;
}

unsigned vmstate_field_count(const VmstateField *f, void *opaque)
{
    const uint8_t *p = (const uint8_t *)opaque + f->num_offset;

    if (f->flags & VMF_VARRAY_U8) {
        return *p;
    }
    if (f->flags & VMF_VARRAY_U16) {
        return *(const uint16_t *)p;
    }
    if (f->flags & (VMF_VARRAY_U32 | VMF_VARRAY_I32)) {
        return *(const uint32_t *)p;
    }
    return f->num > 0 ? f->num : 1;
}

size_t vmstate_field_size(const VmstateField *f, void *opaque)
{
    if (f->flags & VMF_VSIZE_U32) {
        return *(const uint32_t *)((const uint8_t *)opaque + f->num_offset);
    }
    return f->size;
}

void *vmstate_field_base(const VmstateField *f, void *opaque)
{
    void *p = (uint8_t *)opaque + f->offset;

    return f->flags & VMF_POINTER ? *(void **)p : p;
}

void *vmstate_field_elem(const VmstateField *f, void *base, unsigned i)
{
    return (uint8_t *)base + f->size * i;
}

const char *vmstate_field_type(const VmstateField *f)
{
    static const char *const names[] = {
        [VMS_BOOL] = "bool",
        [VMS_U8] = "uint8",
        [VMS_U16] = "uint16",
        [VMS_U32] = "uint32",
        [VMS_U64] = "uint64",
        [VMS_I8] = "int8",
        [VMS_I16] = "int16",
        [VMS_I32] = "int32",
        [VMS_I64] = "int64",
        [VMS_U8_EQUAL] = "uint8 equal",
        [VMS_U16_EQUAL] = "uint16 equal",
        [VMS_U32_EQUAL] = "uint32 equal",
        [VMS_I32_EQUAL] = "int32 equal",
        [VMS_U64_EQUAL] = "int64 equal",
        [VMS_I32_LE] = "int32 le",
        [VMS_BUFFER] = "buffer",
        [VMS_UNUSED] = "unused_buffer",
        [VMS_TIMER] = "timer",
        [VMS_STRUCT] = "struct",
    };

    return f->kind == VMS_CUSTOM ? f->info->name : names[f->kind];
}

static const VmstateField no_fields[] = { VMSTATE_END };

const Vmstate vmstate_none = { .name = "none", .fields = no_fields };
