/*
 * Serial device: ports with queues of their own, and a pair of control
 * queues.  (Virtual I/O Device 1.2, section 5.3.)
 *
 *   queue 0, 1  port 0, to and from the guest   queue 2n + 2, 2n + 3  port n
 *   queue 2, 3  control
 *
 * Stream: "virtio-console" version 3; its own part: columns and rows be16,
 * number of ports be32, a bit for each port that is there, then for each of
 * them: number be32, open in the guest u8, on the host u8, be32 whether an
 * element was sent in part: then piece be32, offset be64, and the element
 * (virtqueue-elem.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-serial.h"

#include <linux/virtio_console.h>

#include "hw/pci/pci-regs.h"
#include "hw/virtio/virtio-devices.h"
#include "hw/virtio/virtio-pci.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

enum {
    DATA_QUEUE_SIZE = 128,
    CONTROL_QUEUE_SIZE = 32,
    CONFIG_BYTES = 12,
    CONFIG_MAX_PORTS = 4,
    CONFIG_EMERG_WRITE = 8,
    CONTROL_BYTES = 8,
    CONTROL_PENDING_MAX = 128, /* messages kept for a slow driver */
};

struct VirtioSerial {
    VirtioDevice vdev;
    Bus bus;
    uint32_t max_ports;
    bool emergency_write;
    VirtQueue *control_in, *control_out;
    SerialPort *ports[SERIAL_PORTS_MAX + 1]; /* by number */
    GQueue pending;                          /* GBytes: messages */
};

static VirtioSerial *serial_of(VirtioDevice *d)
{
    return container_of(d, VirtioSerial, vdev);
}

static bool is_multiport(const VirtioSerial *s)
{
    return virtio_has_feature(&s->vdev, VIRTIO_CONSOLE_F_MULTIPORT);
}

bool serial_port_guest_ready(const SerialPort *p)
{
    return p->dev.realized && virtio_running(&p->serial->vdev) &&
           (p->guest_connected || !is_multiport(p->serial));
}

/* Control messages */

static void flush_control(VirtioSerial *s)
{
    VirtQueueElem *e;
    bool any = false;

    while (virtio_running(&s->vdev) && s->pending.length > 0 &&
           (e = virtqueue_pop(s->control_in)) != NULL) {
        GBytes *msg = g_queue_pop_head(&s->pending);
        gsize len;
        const void *data = g_bytes_get_data(msg, &len);

        virtqueue_push(s->control_in, e,
                       iov_from_buf(e->in, e->nin, 0, data, len));
        g_bytes_unref(msg);
        any = true;
    }
    if (any) {
        virtqueue_notify(s->control_in);
    }
}

static void send_message(VirtioSerial *s, uint32_t port, uint16_t event,
                         uint16_t value, const char *text)
{
    GByteArray *msg;
    uint8_t head[CONTROL_BYTES];

    if (!is_multiport(s) || !(s->vdev.status & VIRTIO_CONFIG_S_DRIVER_OK) ||
        s->pending.length >= CONTROL_PENDING_MAX) {
        return;
    }
    stl_le_p(head, port);
    stw_le_p(head + 4, event);
    stw_le_p(head + 6, value);
    msg = g_byte_array_new();
    g_byte_array_append(msg, head, sizeof(head));
    if (text != NULL) {
        g_byte_array_append(msg, (const guint8 *)text, strlen(text) + 1);
    }
    g_queue_push_tail(&s->pending, g_byte_array_free_to_bytes(msg));
    flush_control(s);
}

void serial_send_control(SerialPort *p, uint16_t event, uint16_t value)
{
    send_message(p->serial, p->nr, event, value, NULL);
}

/* The driver knows the port: what it is, and whether it is open. */
static void introduce_port(SerialPort *p)
{
    if (serial_port_is_console(p)) {
        serial_send_control(p, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
    }
    if (p->name != NULL) {
        send_message(p->serial, p->nr, VIRTIO_CONSOLE_PORT_NAME, 1, p->name);
    }
    if (p->host_connected) {
        serial_send_control(p, VIRTIO_CONSOLE_PORT_OPEN, 1);
    }
}

static void announce_ports(VirtioSerial *s)
{
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i] != NULL) {
            serial_send_control(s->ports[i], VIRTIO_CONSOLE_PORT_ADD, 1);
        }
    }
}

static void handle_message(VirtioSerial *s, const uint8_t *msg)
{
    uint32_t nr = ldl_le_p(msg);
    uint16_t event = lduw_le_p(msg + 4), value = lduw_le_p(msg + 6);
    SerialPort *p = nr < s->max_ports ? s->ports[nr] : NULL;

    if (event == VIRTIO_CONSOLE_DEVICE_READY) {
        if (value) {
            announce_ports(s);
        } else {
            log_guest_error("%s: the driver couldn't be set up",
                            device_name(&s->vdev.pci.dev));
        }
    } else if (p == NULL) {
        log_guest_error("%s: message %u for port %u, which isn't there",
                        device_name(&s->vdev.pci.dev), event, nr);
    } else if (event == VIRTIO_CONSOLE_PORT_READY && value) {
        introduce_port(p);
    } else if (event == VIRTIO_CONSOLE_PORT_OPEN) {
        serial_port_set_guest(p, value != 0);
    }
}

static void control_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    VirtioSerial *s = serial_of(d);
    VirtQueueElem *e;

    while ((e = virtio_turn_pop(&turn)) != NULL) {
        uint8_t msg[CONTROL_BYTES];

        if (iov_to_buf(e->out, e->nout, 0, msg, sizeof(msg)) == sizeof(msg)) {
            handle_message(s, msg);
        }
        virtqueue_push(q, e, 0);
    }
    virtqueue_notify(q);
}

static void control_input(VirtioDevice *d, VirtQueue *q)
{
    flush_control(serial_of(d));
}

/* Data */

static SerialPort *port_of_queue(VirtioSerial *s, VirtQueue *q)
{
    unsigned n = virtqueue_index(q) / 2;

    return s->ports[n == 0 ? 0 : n - 1];
}

static void data_output(VirtioDevice *d, VirtQueue *q)
{
    SerialPort *p = port_of_queue(serial_of(d), q);
    VirtioTurn turn = virtio_turn_begin(q);
    VirtQueueElem *e;

    if (p != NULL) {
        serial_port_flush(p);
        return;
    }
    /* Nobody is there to take it. */
    while ((e = virtio_turn_pop(&turn)) != NULL) {
        virtqueue_push(q, e, 0);
    }
    virtqueue_notify(q);
}

static void data_input(VirtioDevice *d, VirtQueue *q)
{
    SerialPort *p = port_of_queue(serial_of(d), q);

    if (p != NULL) {
        serial_port_accept(p);
    }
}

/* The bus */

static bool pick_number(VirtioSerial *s, SerialPort *p, GError **errp)
{
    /* Port 0 is for a console: drivers without MULTIPORT see no other. */
    for (unsigned i = serial_port_is_console(p) ? 0 : 1;
         p->nr == UINT32_MAX && i < s->max_ports; i++) {
        if (s->ports[i] == NULL) {
            p->nr = i;
        }
    }
    if (p->nr == UINT32_MAX) {
        error_setf(errp, "virtio-serial-bus: Maximum port limit for this "
                         "device reached");
        return false;
    }
    if (p->nr >= s->max_ports) {
        error_setf(errp,
                   "virtio-serial-bus: Out-of-range port id specified, "
                   "max. allowed: %u",
                   s->max_ports - 1);
        return false;
    }
    if (p->nr == 0 && !serial_port_is_console(p)) {
        error_setf(errp, "virtio-serial-bus: Port number 0 on virtio-serial "
                         "devices reserved for virtconsole devices for "
                         "backward compatibility.");
        return false;
    }
    if (s->ports[p->nr] != NULL) {
        error_setf(errp, "virtio-serial-bus: A port already exists at id %u",
                   p->nr);
        return false;
    }
    return true;
}

static bool name_is_taken(const VirtioSerial *s, const char *name)
{
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i] != NULL && g_strcmp0(s->ports[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool bus_plug(Bus *bus, Device *dev, GError **errp)
{
    VirtioSerial *s = container_of(bus, VirtioSerial, bus);
    SerialPort *p = DEVICE_CAST(SerialPort, dev);
    unsigned first;

    if (p->name != NULL && name_is_taken(s, p->name)) {
        error_setf(errp, "virtio-serial-bus: A port already exists by name %s",
                   p->name);
        return false;
    }
    if (!pick_number(s, p, errp)) {
        return false;
    }
    first = p->nr == 0 ? 0 : 2 * p->nr + 2;
    p->serial = s;
    p->in = virtio_queue(&s->vdev, first);
    p->out = virtio_queue(&s->vdev, first + 1);
    s->ports[p->nr] = p;
    return true;
}

static void bus_unplug(Bus *bus, Device *dev)
{
    SerialPort *p = DEVICE_CAST(SerialPort, dev);

    p->serial->ports[p->nr] = NULL;
}

static void bus_print(Bus *bus, Device *dev, GString *out, int indent)
{
    const SerialPort *p = DEVICE_CAST(SerialPort, dev);

    g_string_append_printf(out, "%*sport %u, guest %s, host %s, throttle %s\n",
                           indent, "", p->nr, p->guest_connected ? "on" : "off",
                           p->host_connected ? "on" : "off",
                           p->throttled ? "on" : "off");
}

/* Life */

static void serial_get_config(VirtioDevice *d, uint8_t *config)
{
    memset(config, 0, d->config_size);
    stl_le_p(config + CONFIG_MAX_PORTS, serial_of(d)->max_ports);
}

/* A driver that can't do more says why it dies. */
static void serial_set_config(VirtioDevice *d, const uint8_t *config)
{
    VirtioSerial *s = serial_of(d);
    uint8_t c = config[CONFIG_EMERG_WRITE];

    if (!s->emergency_write || ldl_le_p(config + CONFIG_EMERG_WRITE) == 0) {
        return;
    }
    d->config[CONFIG_EMERG_WRITE] = 0;
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i] != NULL && serial_port_is_console(s->ports[i])) {
            char_frontend_write(&s->ports[i]->fe, &c, 1);
            break;
        }
    }
}

static void drop_messages(VirtioSerial *s)
{
    g_queue_clear_full(&s->pending, (GDestroyNotify)g_bytes_unref);
}

static void each_port(VirtioSerial *s, void (*fn)(SerialPort *p))
{
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i] != NULL) {
            fn(s->ports[i]);
        }
    }
}

static void serial_set_status(VirtioDevice *d, uint8_t old)
{
    VirtioSerial *s = serial_of(d);

    if (d->running && old == d->status &&
        (d->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        each_port(s, serial_port_resume);
    }
}

static void port_reset(SerialPort *p)
{
    serial_port_drop(p);
    serial_port_set_guest(p, false);
    p->tell_open = p->tell_guest = false;
}

static void serial_reset(VirtioDevice *d)
{
    each_port(serial_of(d), port_reset);
    drop_messages(serial_of(d));
}

/* An element of the ring that goes is nobody's. */
static void serial_queue_reset(VirtioDevice *d, VirtQueue *q)
{
    SerialPort *p = port_of_queue(serial_of(d), q);

    if (p != NULL && q == p->out) {
        serial_port_drop(p);
    }
}

static bool serial_realize(VirtioDevice *d, GError **errp)
{
    VirtioSerial *s = serial_of(d);

    if (s->max_ports == 0 || s->max_ports > SERIAL_PORTS_MAX) {
        error_setf(errp, "max_ports %u: 1 to %u", s->max_ports,
                   SERIAL_PORTS_MAX);
        return false;
    }
    d->config_size = s->emergency_write ? CONFIG_BYTES : CONFIG_EMERG_WRITE;
    for (unsigned i = 0; i < s->max_ports; i++) {
        virtio_add_queue(d, DATA_QUEUE_SIZE, data_input);
        virtio_add_queue(d, DATA_QUEUE_SIZE, data_output);
        if (i == 0) {
            s->control_in =
                virtio_add_queue(d, CONTROL_QUEUE_SIZE, control_input);
            s->control_out =
                virtio_add_queue(d, CONTROL_QUEUE_SIZE, control_output);
        }
    }
    bus_init(&s->bus, BUS_VIRTIO_SERIAL, "virtio-serial-bus", NULL, &d->pci.dev,
             d->pci.dev.vm);
    s->bus.plug = bus_plug;
    s->bus.unplug = bus_unplug;
    s->bus.print_dev = bus_print;
    s->bus.hotplug = true;
    return true;
}

static void serial_unrealize(VirtioDevice *d)
{
    drop_messages(serial_of(d));
}

static uint64_t serial_features(VirtioDevice *d, uint64_t offered)
{
    const VirtioSerial *s = serial_of(d);

    if (s->emergency_write) {
        offered |= VIRTIO_BIT(VIRTIO_CONSOLE_F_EMERG_WRITE);
    }
    if (s->max_ports > 1) {
        offered |= VIRTIO_BIT(VIRTIO_CONSOLE_F_MULTIPORT);
    }
    return offered;
}

/* State */

/* Port 0 is kept for a console: its bit is set in streams in any case. */
#define PORT0_BIT UINT32_C(1)

static uint32_t ports_map(const VirtioSerial *s, uint32_t *ret_n)
{
    uint32_t map = PORT0_BIT;

    *ret_n = 0;
    for (unsigned i = 0; i < s->max_ports; i++) {
        map |= s->ports[i] != NULL ? UINT32_C(1) << i : 0;
        *ret_n += s->ports[i] != NULL;
    }
    return map;
}

/* How far what the back end has no room for was sent. */
static void put_elem(const SerialPort *p, StreamOut *out)
{
    uint32_t piece;
    uint64_t off;

    stream_put_be32(out, p->elem != NULL);
    if (p->elem != NULL) {
        serial_port_sent(p, &piece, &off);
        stream_put_be32(out, piece);
        stream_put_be64(out, off);
        virtqueue_put_elem(out, p->elem);
    }
}

static bool own_put(StreamOut *out, const void *field, size_t size,
                    GError **errp)
{
    const VirtioSerial *s = field;
    uint32_t n, map = ports_map(s, &n);

    stream_put_be32(out, 0); /* columns, rows */
    stream_put_be32(out, s->max_ports);
    stream_put_be32(out, map);
    stream_put_be32(out, n);
    for (unsigned i = 0; i < s->max_ports; i++) {
        const SerialPort *p = s->ports[i];

        if (p != NULL) {
            stream_put_be32(out, i);
            stream_put_u8(out, p->guest_connected);
            stream_put_u8(out, p->host_connected);
            put_elem(p, out);
        }
    }
    return true;
}

static bool get_port(VirtioSerial *s, StreamIn *in, GError **errp)
{
    uint32_t nr = stream_get_be32(in);
    SerialPort *p = nr < s->max_ports ? s->ports[nr] : NULL;
    bool guest, host;

    if (p == NULL) {
        error_setf(errp, "port %u isn't there", nr);
        return false;
    }
    guest = stream_get_u8(in) != 0;
    /* One that was loaded before, and not told, may have changed it back. */
    p->tell_guest ^= guest != p->guest_connected;
    p->guest_connected = guest;
    host = stream_get_u8(in) != 0;
    p->tell_open = host != p->host_connected;
    serial_port_drop(p); /* that of an attempt that was undone */
    p->elem_loaded = stream_get_be32(in) != 0;
    if (p->elem_loaded) {
        p->loaded_piece = stream_get_be32(in);
        p->loaded_off = stream_get_be64(in);
        return virtqueue_get_elem(in, &p->loaded_head, errp);
    }
    return stream_in_check(in, errp);
}

static bool own_get(StreamIn *in, void *field, size_t size, GError **errp)
{
    VirtioSerial *s = field;
    uint32_t max, map, n, nhere;
    uint32_t here = ports_map(s, &nhere);

    stream_get_be32(in);
    max = stream_get_be32(in);
    if (max != s->max_ports) {
        error_setf(errp, "%u ports at most in the stream, %u here", max,
                   s->max_ports);
        return false;
    }
    map = stream_get_be32(in) | PORT0_BIT;
    for (unsigned i = 0; i < s->max_ports; i++) {
        if ((map >> i & 1) != (here >> i & 1)) {
            error_setf(errp, "port %u is only %s", i,
                       here >> i & 1 ? "here" : "in the stream");
            return false;
        }
    }
    n = stream_get_be32(in);
    if (n != nhere) {
        error_setf(errp, "%u ports in the stream, %u here", n, nhere);
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!get_port(s, in, errp)) {
            return false;
        }
    }
    return stream_in_check(in, errp);
}

static const VmstateInfo own_info = { .name = "virtio-serial",
                                      .put = own_put,
                                      .get = own_get };

static const Vmstate own_vmstate = {
    .name = "virtio-console-device",
    .version = 3,
    .oldest = 3,
    .fields =
        (const VmstateField[]){
            { .name = "ports",
              .kind = VMS_CUSTOM,
              .size = sizeof(VirtioSerial),
              .info = &own_info },
            VMSTATE_END,
        },
};

static bool serial_post_load(VirtioDevice *d, GError **errp)
{
    VirtioSerial *s = serial_of(d);

    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i] != NULL &&
            !serial_port_take_loaded(s->ports[i], errp)) {
            return false;
        }
    }
    return true;
}

static const VirtioType virtio_serial = {
    .name = "virtio-serial",
    .id = VIRTIO_ID_CONSOLE,
    .vectors = 2,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .get_features = serial_features,
    .get_config = serial_get_config,
    .set_config = serial_set_config,
    .set_status = serial_set_status,
    .reset = serial_reset,
    .queue_reset = serial_queue_reset,
    .vmstate = &own_vmstate,
    .post_load = serial_post_load,
};

static const Property serial_props[] = {
    PROP(PROP_U32, VirtioSerial, max_ports, "max_ports", .def = 31),
    PROP(PROP_U32, VirtioSerial, vdev.props.class_id, "class"),
    PROP(PROP_BOOL, VirtioSerial, emergency_write, "emergency-write", .def = 1,
         .help = "on/off"),
    PROP_END,
};

static const PciInfo serial_pci = {
    .vendor_id = VIRTIO_PCI_VENDOR,
    .device_id = 0x1003,
    .class_id = 0x0780,
};

static const Vmstate serial_vmstate = VIRTIO_VMSTATE("virtio-console", 3);

#define SERIAL_TYPE                                                            \
    VIRTIO_PCI_TYPE, .category = "Input", .size = sizeof(VirtioSerial),        \
                     .props = serial_props,                                    \
                     .more_props = virtio_pci_prop_tables, .pci = &serial_pci, \
                     .virtio = &virtio_serial, .vmstate = &serial_vmstate

const DeviceType virtio_serial_pci_type = {
    SERIAL_TYPE,
    .name = "virtio-serial-pci",
    .parent = "virtio-serial-pci-base",
    .alias = "virtio-serial",
};

const DeviceType virtio_serial_pci_transitional_type = {
    SERIAL_TYPE,
    .name = "virtio-serial-pci-transitional",
    .parent = "virtio-serial-pci-base",
    .init = virtio_pci_init_transitional,
};

const DeviceType virtio_serial_pci_non_transitional_type = {
    SERIAL_TYPE,
    .name = "virtio-serial-pci-non-transitional",
    .parent = "virtio-serial-pci-base",
    .init = virtio_pci_init_non_transitional,
};
