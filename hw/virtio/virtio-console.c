/*
 * Ports of the virtio serial device: virtconsole, virtserialport.
 * (Virtual I/O Device 1.2, section 5.3.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-serial.h"

#include <linux/virtio_console.h>

#include "hw/virtio/virtio-devices.h"
#include "hw/virtio/virtqueue-priv.h"
#include "system/vm.h"
#include "util/error.h"

#define PORT_CHUNK 4096       /* bytes taken from the back end at once */
#define PORT_PIECE (64 * KiB) /* bytes written between looks at the turn */

static SerialPort *port_of(Device *dev)
{
    return DEVICE_CAST(SerialPort, dev);
}

bool serial_port_is_console(const SerialPort *p)
{
    return p->dev.type == &virtconsole_type;
}

/* Guest to host */

static void port_room(void *opaque)
{
    SerialPort *p = opaque;

    p->throttled = false;
    serial_port_flush(p);
}

/* Bytes taken; fewer: the port waits for room. */
static size_t port_write(SerialPort *p, const uint8_t *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        int n =
            char_frontend_write(&p->fe, buf + done, MIN(len - done, INT32_MAX));

        if (n <= 0) {
            break;
        }
        done += n;
    }
    if (done < len && char_frontend_watch(&p->fe, port_room, p)) {
        p->throttled = true;
    } else {
        done = len; /* nobody will ever take it */
    }
    return done;
}

/*
 * The rest of the element in hand; true: it is all sent.  It may be as long as
 * the guest's memory many times over.
 */
static bool flush_elem(SerialPort *p, const VirtioTurn *turn)
{
    VirtQueueElem *e = p->elem;
    size_t off = 0;

    for (unsigned i = 0; i < e->nout; off += e->out[i++].iov_len) {
        const uint8_t *data = e->out[i].iov_base;
        size_t end = off + e->out[i].iov_len;

        while (p->sent < end) {
            size_t want = MIN(end - p->sent, PORT_PIECE), n;

            if (virtio_turn_over(turn)) {
                virtio_kick_later(p->out);
                return false;
            }
            n = port_write(p, data + (p->sent - off), want);
            p->sent += n;
            if (n < want) {
                return false;
            }
        }
    }
    return true;
}

void serial_port_flush(SerialPort *p)
{
    VirtioDevice *d = virtio_of_queue(p->out);
    VirtioTurn turn = virtio_turn_begin(p->out);
    bool any = false;

    if (p->throttled) {
        return;
    }
    while (virtio_running(d)) {
        if (p->elem == NULL) {
            p->elem = virtio_turn_pop(&turn);
            p->sent = 0;
        }
        if (p->elem == NULL || !flush_elem(p, &turn)) {
            break;
        }
        virtqueue_push(p->out, g_steal_pointer(&p->elem), 0);
        any = true;
    }
    if (any) {
        virtqueue_notify(p->out);
    }
}

void serial_port_sent(const SerialPort *p, uint32_t *ret_piece,
                      uint64_t *ret_off)
{
    *ret_piece = 0;
    *ret_off = p->sent;
    for (unsigned i = 0;
         i < p->elem->nout && *ret_off >= p->elem->out[i].iov_len; i++) {
        *ret_off -= p->elem->out[i].iov_len;
        ++*ret_piece;
    }
}

/* What management shows of a port: is the guest's agent there? */
static void tell_guest_side(SerialPort *p)
{
    const Vm *vm = p->dev.vm;

    if (serial_port_is_console(p)) {
        return;
    }
    char_frontend_set_open(&p->fe, p->guest_connected);
    if (p->dev.id != NULL && vm->hooks->event_serial_port != NULL) {
        vm->hooks->event_serial_port(p->dev.vm, p->dev.id, p->guest_connected);
    }
}

bool serial_port_take_loaded(SerialPort *p, GError **errp)
{
    VirtQueueElem *e;

    if (!p->elem_loaded) {
        return true;
    }
    p->elem_loaded = false;
    e = virtqueue_take(p->out, p->loaded_head);
    p->sent = p->loaded_off;
    for (unsigned i = 0; e != NULL && i < p->loaded_piece && i < e->nout; i++) {
        p->sent += e->out[i].iov_len;
    }
    if (e == NULL || virtqueue_inuse(p->out) == 0 ||
        p->loaded_piece > e->nout || p->sent > e->out_bytes ||
        p->sent < p->loaded_off) {
        if (e != NULL) {
            virtqueue_detach(p->out, e);
        }
        error_setf(errp,
                   "port %u: element %" PRIu32 ", sent up to byte %" PRIu64
                   " of piece %" PRIu32 ", isn't in its ring",
                   p->nr, p->loaded_head, p->loaded_off, p->loaded_piece);
        return false;
    }
    p->elem = e;
    return true;
}

void serial_port_resume(SerialPort *p)
{
    if (p->tell_guest) {
        p->tell_guest = false;
        tell_guest_side(p);
    }
    if (p->tell_open) {
        p->tell_open = false;
        serial_send_control(p, VIRTIO_CONSOLE_PORT_OPEN, p->host_connected);
    }
}

void serial_port_drop(SerialPort *p)
{
    if (p->elem != NULL) {
        virtqueue_detach(p->out, g_steal_pointer(&p->elem));
    }
    char_frontend_unwatch(&p->fe);
    p->throttled = false;
    p->elem_loaded = false;
}

/* Host to guest */

static int port_can_receive(void *opaque)
{
    SerialPort *p = opaque;

    if (!serial_port_guest_ready(p)) {
        return 0;
    }
    for (unsigned n = PORT_CHUNK; n > 0; n /= 4) {
        if (virtqueue_has_bytes(p->in, 0, n)) {
            return n;
        }
    }
    return 0;
}

static void port_receive(void *opaque, const uint8_t *buf, int len)
{
    SerialPort *p = opaque;
    VirtQueueElem *e;

    while (len > 0 && (e = virtqueue_pop(p->in)) != NULL) {
        size_t n = iov_from_buf(e->in, e->nin, 0, buf, len);

        virtqueue_push(p->in, e, n);
        buf += n;
        len -= n;
    }
    virtqueue_notify(p->in);
}

void serial_port_accept(SerialPort *p)
{
    char_frontend_accept(&p->fe);
}

static void port_event(void *opaque, ChardevEvent ev)
{
    SerialPort *p = opaque;

    if (serial_port_is_console(p) ||
        (ev != CHARDEV_OPENED && ev != CHARDEV_CLOSED)) {
        return;
    }
    p->host_connected = ev == CHARDEV_OPENED;
    serial_send_control(p, VIRTIO_CONSOLE_PORT_OPEN, p->host_connected);
}

void serial_port_set_guest(SerialPort *p, bool connected)
{
    if (p->guest_connected == connected) {
        return;
    }
    p->guest_connected = connected;
    tell_guest_side(p);
    if (connected) {
        serial_port_accept(p);
    }
}

/* Life */

static bool port_realize(Device *dev, GError **errp)
{
    SerialPort *p = port_of(dev);
    ChardevFrontend fe = { .can_receive = port_can_receive,
                           .receive = port_receive,
                           .event = port_event,
                           .opaque = p };

    p->host_connected = serial_port_is_console(p);
    if (!char_frontend_open(&p->fe, dev, p->chardev_id, &fe, errp)) {
        return false;
    }
    if (p->fe.cd != NULL && chardev_is_open(p->fe.cd)) {
        p->host_connected = true;
    }
    char_frontend_set_open(&p->fe, serial_port_is_console(p));
    serial_send_control(p, VIRTIO_CONSOLE_PORT_ADD, 1);
    return true;
}

static void port_unrealize(Device *dev)
{
    SerialPort *p = port_of(dev);

    serial_port_drop(p);
    serial_port_set_guest(p, false);
    char_frontend_close(&p->fe);
    serial_send_control(p, VIRTIO_CONSOLE_PORT_REMOVE, 1);
}

static const Property port_props[] = {
    PROP(PROP_STR, SerialPort, chardev_id, "chardev",
         .help = "ID of a chardev to use as a backend"),
    PROP(PROP_U32, SerialPort, nr, "nr", .def = UINT32_MAX),
    PROP(PROP_STR, SerialPort, name, "name"),
    PROP_END,
};

/* Their state is the serial device's. */
#define PORT_TYPE                                                              \
    .category = "Input", .size = sizeof(SerialPort), .bus = BUS_VIRTIO_SERIAL, \
    .user_creatable = true, .hotpluggable = true, .props = port_props,         \
    .realize = port_realize, .unrealize = port_unrealize,                      \
    .vmstate = VMSTATE_NONE

const DeviceType virtconsole_type = {
    PORT_TYPE,
    .name = "virtconsole",
    .parent = "virtserialport",
};
const DeviceType virtserialport_type = { PORT_TYPE, .name = "virtserialport" };
