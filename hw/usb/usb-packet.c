/*
 * Control transfers that come as packets: setup, data, status.
 *
 * An IN request is carried out when its setup packet comes, and its answer
 * given away piece by piece; an OUT request when its status stage comes, with
 * all of its data.  (Universal Serial Bus Specification 2.0, 8.5.3.)
 *
 * Stream: where such a transfer stands is part of "USBDevice"; its data isn't.
 * So an IN request is carried out again by who receives it, which costs an
 * input event at worst.  An OUT request that has lost data ends with a STALL,
 * and drivers send it again or do without.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/usb.h"

#include "util/bswap.h"
#include "util/error.h"

/* UsbDevice.setup_state, as in the stream. */
enum {
    STAGE_IDLE = 0,
    STAGE_DATA = 2,
    STAGE_STATUS = 3,
};

static bool is_in(const UsbDevice *d)
{
    return d->setup_buf[0] & USB_REQ_IN;
}

static UsbResult carry_out(UsbDevice *d, size_t *ret_len)
{
    uint8_t setup[USB_SETUP_SIZE];

    memcpy(setup, d->setup_buf, sizeof(setup));
    return usb_control(d, setup, d->control_data, ret_len);
}

static UsbResult give_up(UsbDevice *d)
{
    d->setup_state = STAGE_IDLE;
    return USB_STALL;
}

UsbResult usb_packet_setup(UsbDevice *d, const uint8_t *setup)
{
    size_t len = lduw_le_p(setup + 6);

    memcpy(d->setup_buf, setup, USB_SETUP_SIZE);
    d->setup_index = 0;
    d->control_lost = false;
    if (len > USB_CONTROL_MAX) {
        return give_up(d);
    }
    if (is_in(d)) {
        UsbResult r = carry_out(d, &len);

        if (r != USB_OK) {
            d->setup_state = STAGE_IDLE;
            return r;
        }
    }
    d->setup_len = len;
    d->setup_state = len > 0 ? STAGE_DATA : STAGE_STATUS;
    return USB_OK;
}

/* What another process knew the answer to is asked again. */
static bool control_refill(UsbDevice *d)
{
    size_t len;

    if (!d->control_lost) {
        return true;
    }
    d->control_lost = false;
    if (carry_out(d, &len) != USB_OK || len < (size_t)d->setup_index) {
        return false;
    }
    d->setup_len = MIN(d->setup_len, (int32_t)len);
    return true;
}

static void control_moved(UsbDevice *d, size_t n)
{
    d->setup_index += n;
    if (d->setup_index == d->setup_len) {
        d->setup_state = STAGE_STATUS;
    }
}

static UsbResult control_in(UsbDevice *d, uint8_t *data, size_t len,
                            size_t *ret_len)
{
    switch (d->setup_state) {
    case STAGE_DATA:
        if (!is_in(d) || !control_refill(d)) {
            return give_up(d);
        }
        *ret_len = usb_give(data, len, d->control_data + d->setup_index,
                            d->setup_len - d->setup_index);
        control_moved(d, *ret_len);
        return USB_OK;
    case STAGE_STATUS:
        if (is_in(d)) {
            return USB_OK; /* an empty packet: there is no more */
        }
        if (d->control_lost) {
            return give_up(d);
        }
        d->setup_state = STAGE_IDLE;
        return carry_out(d, &(size_t){ 0 });
    default:
        return give_up(d);
    }
}

UsbResult usb_packet_in(UsbDevice *d, unsigned ep, uint8_t *data, size_t len,
                        size_t *ret_len)
{
    *ret_len = 0;
    return ep == 0 ? control_in(d, data, len, ret_len)
                   : usb_in(d, ep, data, len, ret_len);
}

UsbResult usb_packet_out(UsbDevice *d, unsigned ep, const uint8_t *data,
                         size_t len)
{
    /* No device that there is has another endpoint that takes data. */
    if (ep != 0 || d->setup_state == STAGE_IDLE) {
        return USB_STALL;
    }
    if (is_in(d)) {
        d->setup_state = STAGE_IDLE; /* the host has all that it wanted */
    } else if (d->setup_state == STAGE_DATA) {
        len = usb_give(d->control_data + d->setup_index,
                       d->setup_len - d->setup_index, data, len);
        control_moved(d, len);
    }
    return USB_OK;
}

bool usb_packet_load(UsbDevice *d, GError **errp)
{
    if (d->setup_state != STAGE_DATA && d->setup_state != STAGE_STATUS) {
        d->setup_state = STAGE_IDLE;
        d->setup_len = d->setup_index = 0;
        d->control_lost = false;
        return true;
    }
    if (d->setup_len < 0 || d->setup_len > USB_CONTROL_MAX ||
        d->setup_index < 0 || d->setup_index > d->setup_len) {
        error_setf(errp, "%s: control transfer: %d of %d bytes: at most %d",
                   device_name(&d->dev), d->setup_index, d->setup_len,
                   USB_CONTROL_MAX);
        return false;
    }
    d->control_lost = is_in(d) || d->setup_index > 0;
    return true;
}
