/*
 * PS/2 devices: the queue of bytes to send.
 *
 * Protocol: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller".
 * Stream: "PS2 Common State" version 3, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/ps2-priv.h"

#include "system/vm.h"
#include "ui/console.h"
#include "util/error.h"

static void ps2_update(Ps2 *s)
{
    irq_set(&s->out, s->queue.count > 0);
}

void ps2_clear(Ps2 *s)
{
    s->queue.rptr = s->queue.wptr = s->queue.count = 0;
    s->queue.cwptr = -1;
    ps2_update(s);
}

void ps2_take_input(Ps2 *s)
{
    Consoles *cs = s->dev.vm->consoles;

    s->input.opaque = s;
    if (cs != NULL) {
        input_handler_add(consoles_inputs(cs), &s->input);
    }
}

void ps2_unrealize(Device *dev)
{
    Ps2 *s = DEVICE_CAST(Ps2, dev);

    if (dev->vm->consoles != NULL) {
        input_handler_del(consoles_inputs(dev->vm->consoles), &s->input);
    }
}

void ps2_reset(Ps2 *s)
{
    s->write_cmd = -1;
    ps2_clear(s);
}

bool ps2_room(const Ps2 *s, unsigned n)
{
    return s->queue.count + n <= PS2_EVENTS;
}

void ps2_queue(Ps2 *s, const uint8_t *b, unsigned n)
{
    Ps2Queue *q = &s->queue;

    if (n > (unsigned)(PS2_BUFFER - q->count)) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        q->data[q->wptr] = b[i];
        q->wptr = (q->wptr + 1) % PS2_BUFFER;
    }
    q->count += n;
    ps2_update(s);
}

/* What a reply finds of an older one goes: its command was given up. */
void ps2_reply_first(Ps2 *s, const uint8_t *b, unsigned n)
{
    Ps2Queue *q = &s->queue;

    if (q->cwptr >= 0) {
        q->count -= (q->cwptr - q->rptr + PS2_BUFFER) % PS2_BUFFER;
        q->rptr = q->cwptr;
        q->cwptr = -1;
    }
    if (n > (unsigned)(PS2_BUFFER - q->count)) {
        return;
    }
    q->cwptr = q->rptr;
    q->rptr = (q->rptr + PS2_BUFFER - n) % PS2_BUFFER;
    for (unsigned i = 0; i < n; i++) {
        q->data[(q->rptr + i) % PS2_BUFFER] = b[i];
    }
    q->count += n;
    ps2_update(s);
}

uint8_t ps2_read(Device *ps2)
{
    Ps2 *s = DEVICE_CAST(Ps2, ps2);
    Ps2Queue *q = &s->queue;
    uint8_t b;

    if (q->count == 0) {
        return q->data[(q->rptr + PS2_BUFFER - 1) % PS2_BUFFER];
    }
    b = q->data[q->rptr];
    q->rptr = (q->rptr + 1) % PS2_BUFFER;
    q->count--;
    if (q->rptr == q->cwptr) {
        q->cwptr = -1;
    }
    /* An edge for each byte. */
    irq_lower(&s->out);
    ps2_update(s);
    return b;
}

void ps2_write(Device *ps2, uint8_t val)
{
    Ps2 *s = DEVICE_CAST(Ps2, ps2);

    if (ps2->type == &ps2_kbd_type) {
        ps2_kbd_write(s, val);
    } else {
        ps2_mouse_write(s, val);
    }
}

IrqLine *ps2_output(Device *ps2)
{
    return &DEVICE_CAST(Ps2, ps2)->out;
}

bool ps2_check(const Ps2 *s, GError **errp)
{
    const Ps2Queue *q = &s->queue;
    bool in_ring = q->rptr >= 0 && q->rptr < PS2_BUFFER && q->wptr >= 0 &&
                   q->wptr < PS2_BUFFER && q->cwptr >= -1 &&
                   q->cwptr < PS2_BUFFER;
    int32_t replies = 0;

    if (in_ring && q->cwptr >= 0) {
        replies = (q->cwptr - q->rptr + PS2_BUFFER) % PS2_BUFFER;
    }
    if (!in_ring || q->count < replies || q->count > PS2_BUFFER ||
        (q->rptr + q->count) % PS2_BUFFER != q->wptr) {
        error_setf(errp,
                   "queue: %d bytes from %d to %d, replies to %d: not a ring "
                   "of %d",
                   q->count, q->rptr, q->wptr, q->cwptr, PS2_BUFFER);
        return false;
    }
    return true;
}

#define QUEUE_FIELD(f, k)                                                   \
    {                                                                       \
        .name = "queue." #f, .kind = (k), .offset = offsetof(Ps2, queue.f), \
        .size = sizeof(((Ps2 *)0)->queue.f)                                 \
    }

const Vmstate vmstate_ps2 = {
    .name = "PS2 Common State",
    .version = 3,
    .oldest = 3,
    .fields =
        (const VmstateField[]){
            VMSTATE_I32(Ps2, write_cmd), QUEUE_FIELD(rptr, VMS_I32),
            QUEUE_FIELD(wptr, VMS_I32), QUEUE_FIELD(count, VMS_I32),
            QUEUE_FIELD(data, VMS_BUFFER), VMSTATE_END },
};
