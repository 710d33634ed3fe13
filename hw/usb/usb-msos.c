/*
 * Descriptors that Windows asks for: that a device may be suspended while it
 * is idle.  The first is a string; requests of the vendor give the others.
 *
 * (Microsoft OS Descriptors 1.0: Overview, Extended Compat ID and Extended
 * Properties OS Feature Descriptors Specification.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/usb.h"

#include "util/bswap.h"

enum {
    VENDOR_CODE = 'Q', /* the request, as the string says */
    FEATURE_COMPAT_ID = 4,
    FEATURE_PROPERTIES = 5,
    VERSION = 0x0100,
    COMPAT_HEADER_SIZE = 16,
    COMPAT_SIZE = COMPAT_HEADER_SIZE + 24,
    PROPERTIES_HEADER_SIZE = 10,
    REG_DWORD = 4, /* dwPropertyDataType: 32 bits, little-endian */
};

#define SIGNATURE     "MSFT100"
#define PROPERTY_NAME "SelectiveSuspendEnabled"

/* dwSize is that of the device of this name: the end is 6 bytes of 0. */
enum {
    NAME_SIZE = 2 * sizeof(PROPERTY_NAME),
    PROPERTY_SIZE = 4 + 4 + 2 + NAME_SIZE + 4 + 4 + 6,
    PROPERTIES_SIZE = PROPERTIES_HEADER_SIZE + PROPERTY_SIZE,
};

static void put_utf16(uint8_t *to, const char *ascii, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        stw_le_p(to + 2 * i, (uint8_t)ascii[i]);
    }
}

static bool has_msos(const UsbDevice *d)
{
    return d->msos_desc && d->dev.type->usb->desc->idle_suspend;
}

UsbResult usb_msos_string(const UsbDevice *d, uint8_t *data, size_t room,
                          size_t *ret_len)
{
    uint8_t b[2 + 2 * sizeof(SIGNATURE)] = { sizeof(b), USB_DT_STRING };

    if (!has_msos(d)) {
        return USB_STALL;
    }
    put_utf16(b + 2, SIGNATURE, strlen(SIGNATURE));
    b[2 + 2 * strlen(SIGNATURE)] = VENDOR_CODE; /* then padding */
    *ret_len = usb_give(data, room, b, sizeof(b));
    return USB_OK;
}

/* No driver of its own: the compatible IDs are empty. */
static UsbResult get_compat_id(uint8_t *data, size_t room, size_t *ret_len)
{
    uint8_t b[COMPAT_SIZE] = { 0 };

    stl_le_p(b, sizeof(b));
    stw_le_p(b + 4, VERSION);
    stw_le_p(b + 6, FEATURE_COMPAT_ID);
    b[8] = 1;                      /* of one function, */
    b[COMPAT_HEADER_SIZE + 1] = 1; /* whose first interface is 0; reserved */
    *ret_len = usb_give(data, room, b, sizeof(b));
    return USB_OK;
}

static UsbResult get_properties(uint8_t *data, size_t room, size_t *ret_len)
{
    uint8_t b[PROPERTIES_SIZE] = { 0 }, *p = b + PROPERTIES_HEADER_SIZE;

    stl_le_p(b, sizeof(b));
    stw_le_p(b + 4, VERSION);
    stw_le_p(b + 6, FEATURE_PROPERTIES);
    stw_le_p(b + 8, 1);
    stl_le_p(p, PROPERTY_SIZE);
    stl_le_p(p + 4, REG_DWORD);
    stw_le_p(p + 8, NAME_SIZE);
    put_utf16(p + 10, PROPERTY_NAME, sizeof(PROPERTY_NAME));
    stl_le_p(p + 10 + NAME_SIZE, 4);
    stl_le_p(p + 14 + NAME_SIZE, 1);
    *ret_len = usb_give(data, room, b, sizeof(b));
    return USB_OK;
}

UsbResult usb_msos_request(const UsbDevice *d, const UsbSetup *setup,
                           uint8_t *data, size_t *ret_len)
{
    if (!has_msos(d) || setup->request != VENDOR_CODE ||
        !(setup->type & USB_REQ_IN)) {
        return USB_STALL;
    }
    switch (setup->index) {
    case FEATURE_COMPAT_ID:
        return get_compat_id(data, setup->length, ret_len);
    case FEATURE_PROPERTIES:
        return get_properties(data, setup->length, ret_len);
    default:
        return USB_STALL;
    }
}
