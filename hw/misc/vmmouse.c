/*
 * VMware's absolute mouse, behind the backdoor port.  Nothing feeds it yet:
 * guests find it, and it never moves.
 *
 * Interface: Linux, drivers/input/mouse/vmmouse.c (numbers).
 * Stream: "vmmouse" version 0, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/misc/vmport.h"

#include "target/i386/cpu.h"
#include "util/error.h"

enum {
    CMD_DATA = 39,
    CMD_STATUS = 40,
    CMD_COMMAND = 41,
};

enum {
    ENABLE = 0x45414552,
    DISABLE = 0x000000f5,
    REQUEST_RELATIVE = 0x4c455252,
    REQUEST_ABSOLUTE = 0x53424152,
};

#define VMMOUSE_VERSION 0x3442554a
#define VMMOUSE_ERROR   0xffff
#define VMMOUSE_QUEUE   1024
#define VMMOUSE_DATA    6 /* words that one call takes at most */

typedef struct Vmmouse {
    Device dev;
    int32_t queue_size;
    uint32_t queue[VMMOUSE_QUEUE]; /* oldest first */
    uint16_t nb_queue;
    uint16_t status; /* VMMOUSE_ERROR: off */
    uint8_t absolute;
    Device *vmport;
} Vmmouse;

static uint32_t vmmouse_status(void *opaque, X86Cpu *x86)
{
    const Vmmouse *s = opaque;

    return (uint32_t)s->status << 16 | s->nb_queue;
}

static uint32_t vmmouse_command(void *opaque, X86Cpu *x86)
{
    Vmmouse *s = opaque;

    switch ((uint32_t)x86->regs[X86_RBX]) {
    case ENABLE:
        s->queue[0] = VMMOUSE_VERSION;
        s->nb_queue = 1;
        s->status = 0;
        break;
    case DISABLE:
        s->status = VMMOUSE_ERROR;
        s->nb_queue = 0;
        break;
    case REQUEST_RELATIVE:
        s->absolute = 0;
        break;
    case REQUEST_ABSOLUTE:
        s->absolute = 1;
        break;
    default:
        break;
    }
    return x86->regs[X86_RAX];
}

/* Up to six words: EAX, EBX, ECX, EDX, ESI, EDI. */
static uint32_t vmmouse_data(void *opaque, X86Cpu *x86)
{
    static const uint8_t to[VMMOUSE_DATA] = { X86_RAX, X86_RBX, X86_RCX,
                                              X86_RDX, X86_RSI, X86_RDI };
    Vmmouse *s = opaque;
    uint32_t n = x86->regs[X86_RBX];
    uint32_t eax = 0;

    if (n > VMMOUSE_DATA || n > s->nb_queue) {
        s->status = VMMOUSE_ERROR;
        return x86->regs[X86_RAX];
    }
    for (unsigned i = 0; i < n; i++) {
        x86->regs[to[i]] = s->queue[i];
    }
    eax = n > 0 ? s->queue[0] : (uint32_t)x86->regs[X86_RAX];
    s->nb_queue -= n;
    memmove(s->queue, s->queue + n, s->nb_queue * sizeof(s->queue[0]));
    return eax;
}

static bool vmmouse_realize(Device *dev, GError **errp)
{
    Vmmouse *s = DEVICE_CAST(Vmmouse, dev);

    s->queue_size = VMMOUSE_QUEUE;
    /* Without one on its bus the mouse is there, and nobody reaches it. */
    for (GList *l = dev->parent_bus->devices.head; l != NULL; l = l->next) {
        Device *d = l->data;

        if (d->type == &vmport_type) {
            s->vmport = d;
        }
    }
    if (s->vmport != NULL) {
        vmport_register(s->vmport, CMD_STATUS, vmmouse_status, s);
        vmport_register(s->vmport, CMD_COMMAND, vmmouse_command, s);
        vmport_register(s->vmport, CMD_DATA, vmmouse_data, s);
    }
    return true;
}

static void vmmouse_reset(Device *dev)
{
    Vmmouse *s = DEVICE_CAST(Vmmouse, dev);

    memset(s->queue, 0, sizeof(s->queue));
    s->nb_queue = 0;
    s->status = VMMOUSE_ERROR;
    s->absolute = 0;
}

static bool vmmouse_post_load(void *opaque, int version, GError **errp)
{
    const Vmmouse *s = opaque;

    if (s->nb_queue > VMMOUSE_QUEUE) {
        error_setf(errp, "nb_queue %u: at most %d", s->nb_queue, VMMOUSE_QUEUE);
        return false;
    }
    return true;
}

static const Vmstate vmmouse_vmstate = {
    .name = "vmmouse",
    .post_load = vmmouse_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_FIELD_(Vmmouse, queue_size, VMS_I32_EQUAL),
            VMSTATE_U32_ARRAY(Vmmouse, queue, VMMOUSE_QUEUE),
            VMSTATE_U16(Vmmouse, nb_queue), VMSTATE_U16(Vmmouse, status),
            VMSTATE_U8(Vmmouse, absolute), VMSTATE_END },
};

const DeviceType vmmouse_type = {
    .name = "vmmouse",
    .category = "Input",
    .size = sizeof(Vmmouse),
    .bus = BUS_ISA,
    .user_creatable = true,
    .realize = vmmouse_realize,
    .reset = vmmouse_reset,
    .vmstate = &vmmouse_vmstate,
};
