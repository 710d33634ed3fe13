/*
 * Serial ports over virtio: the device and its bus, for the ports' side.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_SERIAL_H
#define HW_VIRTIO_VIRTIO_SERIAL_H

#include "hw/char/frontend.h"
#include "hw/virtio/virtio.h"

#define SERIAL_PORTS_MAX 31 /* max_ports= at most; the guest may see one more */

typedef struct VirtioSerial VirtioSerial;

/* A port: virtconsole or virtserialport. */
typedef struct SerialPort {
    Device dev;
    VirtioSerial *serial; /* once plugged */
    char *chardev_id, *name;
    uint32_t nr; /* UINT32_MAX: the next free one */
    CharFrontend fe;
    VirtQueue *in, *out;
    bool guest_connected, host_connected; /* migrated */
    bool tell_open;                       /* the driver has to be told */
    bool tell_guest;                      /* management has to be told */
    bool throttled;      /* the back end has no room: out waits */
    VirtQueueElem *elem; /* what was sent in part; may be NULL */
    size_t sent;         /* bytes of it */
    /* Between the parts of a load: as `elem`, sent up to this byte. */
    bool elem_loaded;
    uint32_t loaded_head, loaded_piece;
    uint64_t loaded_off;
} SerialPort;

bool serial_port_is_console(const SerialPort *p);
/* virtio-serial.c, for ports. */
/* The driver is there and has opened the port. */
bool serial_port_guest_ready(const SerialPort *p);
/* A control message of linux/virtio_console.h about a port. */
void serial_send_control(SerialPort *p, uint16_t event, uint16_t value);

/* virtio-console.c: the port's data. */
/* Takes what the guest has sent, as far as the back end has room. */
void serial_port_flush(SerialPort *p);
/* The guest has given buffers. */
void serial_port_accept(SerialPort *p);
/* The guest has opened or closed it, or was reset. */
void serial_port_set_guest(SerialPort *p, bool connected);
/* Of the element in hand (not NULL): the piece and the byte that are next. */
void serial_port_sent(const SerialPort *p, uint32_t *ret_piece,
                      uint64_t *ret_off);
/* After a load, when the rings are in their places; false with errp. */
bool serial_port_take_loaded(SerialPort *p, GError **errp);
/* The VM goes on, perhaps in another process; data_output() follows. */
void serial_port_resume(SerialPort *p);
/* Drops what it has in hand: reset. */
void serial_port_drop(SerialPort *p);

#endif
