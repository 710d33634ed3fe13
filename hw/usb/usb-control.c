/*
 * Control transfers: the requests that every USB device knows.
 *
 * (Universal Serial Bus Specification 2.0, chapter 9.)
 *
 * Stream: "USBDevice" version 1, ABI.  What configuration is chosen isn't said
 * in it: a device with an address has the only one that there is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/usb.h"

#include "util/bswap.h"
#include "util/error.h"

enum {
    FEATURE_ENDPOINT_HALT = 0,
    FEATURE_REMOTE_WAKEUP = 1,
    CONFIG_WAKEUP = 1 << 5, /* bmAttributes (9.6.3) */
    CONFIG_SELF_POWERED = 1 << 6,
    STATUS_SELF_POWERED = 1 << 0,
    STATUS_REMOTE_WAKEUP = 1 << 1,
    LANGUAGE_US = 0x0409,
    QUALIFIER_SIZE = 10,
    STRING_MAX = 126, /* characters in one descriptor */
    ADDRESS_MAX = 127,
};

static const UsbDesc *desc_of(const UsbDevice *d)
{
    return d->dev.type->usb->desc;
}

static const uint8_t *config_of(const UsbDevice *d)
{
    return d->speed == USB_SPEED_HIGH ? desc_of(d)->high_config
                                      : desc_of(d)->full_config;
}

/* Descriptors */

size_t usb_give(uint8_t *data, size_t room, const void *from, size_t len)
{
    len = MIN(len, room);
    memcpy(data, from, len);
    return len;
}

/* "28754-0000:00:02.0-1", so that no two devices have the same. */
static char *default_serial(const UsbDevice *d, const char *base)
{
    Bus *above = d->port->bus->bus.owner->parent_bus;
    g_autofree char *owner = NULL;

    if (above != NULL && above->dev_path != NULL) {
        owner = above->dev_path(above, d->port->bus->bus.owner);
    }
    return owner != NULL
               ? g_strdup_printf("%s-%s-%s", base, owner, d->port->path)
               : g_strdup_printf("%s-%s", base, d->port->path);
}

/* (9.6.7) */
static UsbResult get_string(const UsbDevice *d, unsigned index, uint8_t *data,
                            size_t room, size_t *ret_len)
{
    uint8_t buf[2 + 2 * STRING_MAX] = { 0, USB_DT_STRING };
    const UsbDesc *desc = desc_of(d);
    g_autofree char *text = NULL;
    size_t n;

    if (index == 0) {
        stw_le_p(buf + 2, LANGUAGE_US);
        n = 1;
    } else if (index < USB_STRINGS && desc->strings[index] != NULL) {
        text = index != desc->serial ? g_strdup(desc->strings[index])
               : d->serial != NULL   ? g_strdup(d->serial)
                                     : default_serial(d, desc->strings[index]);
        n = MIN(strlen(text), (size_t)STRING_MAX);
        for (size_t i = 0; i < n; i++) {
            stw_le_p(buf + 2 + 2 * i, (uint8_t)text[i]);
        }
    } else if (index == USB_STRING_MSOS) {
        return usb_msos_string(d, data, room, ret_len);
    } else {
        return USB_STALL;
    }
    buf[0] = 2 + 2 * n;
    *ret_len = usb_give(data, room, buf, buf[0]);
    return USB_OK;
}

/* What it would be at the other speed (9.6.2, 9.6.4). */
static UsbResult get_other_speed(const UsbDevice *d, bool config, uint8_t *data,
                                 size_t room, size_t *ret_len)
{
    const UsbDesc *desc = desc_of(d);
    bool high = d->speed == USB_SPEED_HIGH;
    const uint8_t *other_device = high ? desc->full_device : desc->high_device;
    const uint8_t *other_config = high ? desc->full_config : desc->high_config;

    /* Only who can do both has it. */
    if (!(d->speed_mask & USB_MASK_HIGH) || other_device == NULL) {
        return USB_STALL;
    }
    if (config) {
        *ret_len =
            usb_give(data, room, other_config, lduw_le_p(other_config + 2));
        if (*ret_len > 1) {
            data[1] = USB_DT_OTHER_SPEED;
        }
    } else {
        uint8_t q[QUALIFIER_SIZE] = { QUALIFIER_SIZE, USB_DT_QUALIFIER };

        memcpy(q + 2, other_device + 2, 6); /* bcdUSB to bMaxPacketSize0 */
        q[8] = other_device[17];            /* bNumConfigurations */
        *ret_len = usb_give(data, room, q, sizeof(q));
    }
    return USB_OK;
}

static UsbResult get_descriptor(const UsbDevice *d, const UsbSetup *setup,
                                uint8_t *data, size_t *ret_len)
{
    const UsbDesc *desc = desc_of(d);
    const uint8_t *device =
        d->speed == USB_SPEED_HIGH ? desc->high_device : desc->full_device;
    unsigned index = setup->value & 0xff;

    switch (setup->value >> 8) {
    case USB_DT_DEVICE:
        *ret_len = usb_give(data, setup->length, device, device[0]);
        return USB_OK;
    case USB_DT_CONFIG:
        if (index != 0) {
            return USB_STALL;
        }
        *ret_len = usb_give(data, setup->length, config_of(d),
                            lduw_le_p(config_of(d) + 2));
        return USB_OK;
    case USB_DT_STRING:
        return get_string(d, index, data, setup->length, ret_len);
    case USB_DT_QUALIFIER:
        return get_other_speed(d, false, data, setup->length, ret_len);
    case USB_DT_OTHER_SPEED:
        return index == 0
                   ? get_other_speed(d, true, data, setup->length, ret_len)
                   : USB_STALL;
    default:
        return USB_STALL;
    }
}

/* Requests to the device itself */

static UsbResult get_status(const UsbDevice *d, uint8_t *data, size_t room,
                            size_t *ret_len)
{
    uint8_t buf[2] = { 0 };

    if (config_of(d)[7] & CONFIG_SELF_POWERED) {
        buf[0] |= STATUS_SELF_POWERED;
    }
    if (d->remote_wakeup) {
        buf[0] |= STATUS_REMOTE_WAKEUP;
    }
    *ret_len = usb_give(data, room, buf, sizeof(buf));
    return USB_OK;
}

static UsbResult set_wakeup(UsbDevice *d, unsigned feature, bool on)
{
    if (feature != FEATURE_REMOTE_WAKEUP ||
        !(config_of(d)[7] & CONFIG_WAKEUP)) {
        return USB_STALL;
    }
    d->remote_wakeup = on;
    return USB_OK;
}

static UsbResult device_request(UsbDevice *d, const UsbSetup *setup,
                                uint8_t *data, size_t *ret_len)
{
    switch ((setup->type & USB_REQ_IN) << 8 | setup->request) {
    case USB_REQ_IN << 8 | USB_GET_DESCRIPTOR:
        return get_descriptor(d, setup, data, ret_len);
    case USB_REQ_IN << 8 | USB_GET_STATUS:
        return get_status(d, data, setup->length, ret_len);
    case USB_REQ_IN << 8 | USB_GET_CONFIGURATION:
        *ret_len = usb_give(data, setup->length, &d->configuration, 1);
        return USB_OK;
    case USB_SET_CONFIGURATION:
        if (setup->value > 1) {
            return USB_STALL;
        }
        d->configuration = setup->value;
        return USB_OK;
    case USB_SET_ADDRESS:
        if (setup->value > ADDRESS_MAX) {
            return USB_STALL;
        }
        d->addr = setup->value;
        return USB_OK;
    case USB_SET_FEATURE:
    case USB_CLEAR_FEATURE:
        return set_wakeup(d, setup->value, setup->request == USB_SET_FEATURE);
    default:
        return USB_STALL;
    }
}

/* No interface has a second setting; no endpoint is halted by request. */
static UsbResult part_request(UsbDevice *d, const UsbSetup *setup,
                              uint8_t *data, size_t *ret_len)
{
    bool endpoint = (setup->type & USB_REQ_RECIPIENT) == USB_REQ_ENDPOINT;
    static const uint8_t zero[2];

    switch ((setup->type & USB_REQ_IN) << 8 | setup->request) {
    case USB_REQ_IN << 8 | USB_GET_STATUS:
        *ret_len = usb_give(data, setup->length, zero, 2);
        return USB_OK;
    case USB_REQ_IN << 8 | USB_GET_INTERFACE:
        if (endpoint || setup->index != 0) {
            return USB_STALL;
        }
        *ret_len = usb_give(data, setup->length, zero, 1);
        return USB_OK;
    case USB_SET_INTERFACE:
        return endpoint || setup->index != 0 || setup->value != 0 ? USB_STALL
                                                                  : USB_OK;
    case USB_CLEAR_FEATURE:
        return endpoint && setup->value == FEATURE_ENDPOINT_HALT ? USB_OK
                                                                 : USB_STALL;
    default:
        return USB_STALL;
    }
}

/* Is it a standard one that the device doesn't see to itself? */
static UsbResult standard_request(UsbDevice *d, const UsbSetup *setup,
                                  uint8_t *data, size_t *ret_len)
{
    switch (setup->type & USB_REQ_RECIPIENT) {
    case 0:
        return device_request(d, setup, data, ret_len);
    case USB_REQ_INTERFACE:
    case USB_REQ_ENDPOINT:
        return part_request(d, setup, data, ret_len);
    default:
        return USB_STALL;
    }
}

UsbResult usb_control(UsbDevice *d, const uint8_t *setup, uint8_t *data,
                      size_t *ret_len)
{
    const UsbType *type = d->dev.type->usb;
    UsbResult r = USB_STALL;
    UsbSetup s = {
        .type = setup[0],
        .request = setup[1],
        .value = lduw_le_p(setup + 2),
        .index = lduw_le_p(setup + 4),
        .length = MIN(lduw_le_p(setup + 6), USB_CONTROL_MAX),
    };

    memcpy(d->setup_buf, setup, USB_SETUP_SIZE);
    *ret_len = 0;
    if (!(s.type & USB_REQ_TYPE)) {
        r = standard_request(d, &s, data, ret_len);
    } else if ((s.type & USB_REQ_TYPE) == USB_REQ_VENDOR) {
        r = usb_msos_request(d, &s, data, ret_len);
    }
    if (r == USB_STALL && type->control != NULL) {
        *ret_len = 0;
        r = type->control(d, &s, data, ret_len);
    }
    g_assert(*ret_len <= s.length);
    return r;
}

UsbResult usb_in(UsbDevice *d, unsigned ep, uint8_t *data, size_t len,
                 size_t *ret_len)
{
    const UsbType *type = d->dev.type->usb;

    *ret_len = 0;
    if (type->in == NULL || d->configuration == 0) {
        return USB_STALL;
    }
    return type->in(d, ep, data, len, ret_len);
}

void usb_device_reset(UsbDevice *d)
{
    d->addr = 0;
    d->configuration = 0;
    d->remote_wakeup = 0;
    d->state = USB_STATE_RESET;
    d->setup_state = d->setup_len = d->setup_index = 0;
    memset(d->setup_buf, 0, sizeof(d->setup_buf));
    if (d->dev.type->usb->bus_reset != NULL) {
        d->dev.type->usb->bus_reset(d);
    }
}

/* State */

static bool usb_device_post_load(void *opaque, int version, GError **errp)
{
    UsbDevice *d = opaque;

    if (d->addr > ADDRESS_MAX) {
        error_setf(errp, "%s: address %u: at most %u", device_name(&d->dev),
                   d->addr, ADDRESS_MAX);
        return false;
    }
    d->configuration = d->addr != 0;
    return usb_packet_load(d, errp);
}

const Vmstate usb_device_vmstate = {
    .name = "USBDevice",
    .version = 1,
    .oldest = 1,
    .post_load = usb_device_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(UsbDevice, addr),
            VMSTATE_I32(UsbDevice, state),
            VMSTATE_I32(UsbDevice, remote_wakeup),
            VMSTATE_I32(UsbDevice, setup_state),
            VMSTATE_I32(UsbDevice, setup_len),
            VMSTATE_I32(UsbDevice, setup_index),
            VMSTATE_U8_ARRAY(UsbDevice, setup_buf, USB_SETUP_SIZE),
            VMSTATE_END,
        },
};
