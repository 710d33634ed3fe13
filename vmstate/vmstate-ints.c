/*
 * Plain integers of vmstate tables, whole arrays at a time.
 *
 * Most of what devices send is that, and a call for each number is most of the
 * time that a guest stands and waits for its devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bswap.h"
#include "vmstate/vmstate-priv.h"

size_t vmstate_int_width(const VmstateField *f)
{
    switch (f->kind) {
    case VMS_BOOL:
    case VMS_U8:
    case VMS_I8:
        return 1;
    case VMS_U16:
    case VMS_I16:
        return 2;
    case VMS_U32:
    case VMS_I32:
        return 4;
    case VMS_U64:
    case VMS_I64:
        return 8;
    default:
        return 0;
    }
}

void vmstate_put_ints(uint8_t *to, const VmstateField *f, const void *base,
                      unsigned n)
{
    const uint8_t *from = base;
    const size_t step = f->size;

    switch (f->kind) {
    case VMS_U16:
    case VMS_I16:
        for (unsigned i = 0; i < n; i++, from += step, to += 2) {
            stw_be_p(to, *(const uint16_t *)from);
        }
        break;
    case VMS_U32:
    case VMS_I32:
        for (unsigned i = 0; i < n; i++, from += step, to += 4) {
            stl_be_p(to, *(const uint32_t *)from);
        }
        break;
    case VMS_U64:
    case VMS_I64:
        for (unsigned i = 0; i < n; i++, from += step, to += 8) {
            stq_be_p(to, *(const uint64_t *)from);
        }
        break;
    default: /* of one byte; a bool is 0 or 1 */
        for (unsigned i = 0; i < n; i++, from += step) {
            *to++ = *from;
        }
        break;
    }
}

void vmstate_get_ints(const uint8_t *from, const VmstateField *f, void *base,
                      unsigned n)
{
    uint8_t *to = base;
    const size_t step = f->size;

    switch (f->kind) {
    case VMS_BOOL:
        for (unsigned i = 0; i < n; i++, to += step) {
            *(bool *)to = *from++ != 0;
        }
        break;
    case VMS_U16:
    case VMS_I16:
        for (unsigned i = 0; i < n; i++, to += step, from += 2) {
            *(uint16_t *)to = lduw_be_p(from);
        }
        break;
    case VMS_U32:
    case VMS_I32:
        for (unsigned i = 0; i < n; i++, to += step, from += 4) {
            *(uint32_t *)to = ldl_be_p(from);
        }
        break;
    case VMS_U64:
    case VMS_I64:
        for (unsigned i = 0; i < n; i++, to += step, from += 8) {
            *(uint64_t *)to = ldq_be_p(from);
        }
        break;
    default:
        for (unsigned i = 0; i < n; i++, to += step) {
            *to = *from++;
        }
        break;
    }
}

static unsigned flat_count(const VmstateField *f)
{
    return f->num > 0 ? f->num : 1;
}

size_t vmstate_flat_size(const Vmstate *vms)
{
    size_t bytes = 0;

    if (vms->pre_save != NULL || vms->post_save != NULL ||
        vms->pre_load != NULL || vms->post_load != NULL ||
        vms->subsections != NULL) {
        return 0;
    }
    for (const VmstateField *f = vms->fields; f && f->name; f++) {
        size_t width = vmstate_int_width(f);

        if (width == 0 || f->flags != 0 || f->exists != NULL ||
            f->version > vms->oldest) {
            return 0;
        }
        bytes += width * flat_count(f);
    }
    return bytes <= VMSTATE_FLAT_MAX ? bytes : 0;
}

void vmstate_put_flat(uint8_t *to, const Vmstate *vms, const void *opaque)
{
    for (const VmstateField *f = vms->fields; f->name != NULL; f++) {
        const unsigned n = flat_count(f);

        vmstate_put_ints(to, f, (const uint8_t *)opaque + f->offset, n);
        to += n * vmstate_int_width(f);
    }
}

void vmstate_get_flat(const uint8_t *from, const Vmstate *vms, void *opaque)
{
    for (const VmstateField *f = vms->fields; f->name != NULL; f++) {
        const unsigned n = flat_count(f);

        vmstate_get_ints(from, f, (uint8_t *)opaque + f->offset, n);
        from += n * vmstate_int_width(f);
    }
}
