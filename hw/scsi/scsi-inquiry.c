/*
 * INQUIRY: who the unit is, and its vital product data.
 * (SPC-4, 6.6 and 7.8; SBC-3, 6.5.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/scsi-priv.h"
#include "util/bswap.h"

enum {
    TYPE_DISK = 0x00,
    TYPE_CD = 0x05,
    STANDARD_BYTES = 96, /* as long as the data tells */
    VENDOR_BYTES = 8,
    PRODUCT_BYTES = 16,
    REVISION_BYTES = 4,
    SERIAL_MAX = 36,
    DEVICE_ID_MAX = 255 - 8,
    PAGE_MAX = 512,
};

/* A page as it grows; its head has type, page, and length be16. */
typedef struct VpdPage {
    uint8_t data[PAGE_MAX];
    unsigned len;
} VpdPage;

static uint8_t inquiry_peripheral(const ScsiDisk *s)
{
    return s->cd ? TYPE_CD : TYPE_DISK;
}

static void put_text(uint8_t *p, const char *text, unsigned len)
{
    memset(p, ' ', len);
    memcpy(p, text, strnlen(text, len));
}

static void page_put(VpdPage *page, const void *bytes, unsigned n)
{
    n = MIN(n, PAGE_MAX - page->len);
    memcpy(page->data + page->len, bytes, n);
    page->len += n;
}

/* Supported pages. */
static void page_list(const ScsiDisk *s, VpdPage *page)
{
    static const uint8_t of_disk[] = { 0xb0, 0xb1, 0xb2 };

    page_put(page, "\x00", 1);
    if (s->serial != NULL) {
        page_put(page, "\x80", 1);
    }
    page_put(page, "\x83", 1);
    if (!s->cd) {
        page_put(page, of_disk, sizeof(of_disk));
    }
}

static void put_designator(VpdPage *page, uint8_t code_set, uint8_t kind,
                           const void *id, unsigned len)
{
    const uint8_t head[4] = { code_set, kind, 0, len };

    page_put(page, head, sizeof(head));
    page_put(page, id, len);
}

/* Device identification (SPC-4, 7.8.6): designators. */
static void page_ids(const ScsiDisk *s, VpdPage *page)
{
    unsigned len = MIN(strlen(s->device_id), (size_t)DEVICE_ID_MAX);
    uint8_t p[8] = { 0 };

    if (len > 0) {
        /* ASCII, vendor's own. */
        put_designator(page, 0x02, 0x00, s->device_id, len);
    }
    if (s->wwn != 0) {
        stq_be_p(p, s->wwn);
        put_designator(page, 0x01, 0x03, p, 8); /* NAA, of the unit */
    }
    if (s->port_wwn != 0) {
        stq_be_p(p, s->port_wwn);
        put_designator(page, 0x61, 0x93, p, 8); /* NAA, of the port; SAS */
    }
    if (s->port_index != 0) {
        stl_be_p(p, s->port_index);
        put_designator(page, 0x61, 0x94, p, 4); /* relative port */
    }
}

/* Block limits (SBC-3, 6.5.3). */
static void page_limits(const ScsiDisk *s, VpdPage *page)
{
    uint64_t block = s->unit.block_bytes;
    uint64_t max = scsi_disk_max_io(s) / block;
    uint8_t p[60] = { 0 };

    p[0] = 1; /* WSNZ: WRITE SAME of 0 blocks isn't taken */
    stw_be_p(p + 2, s->conf.min_io / block);
    stl_be_p(p + 4, MIN(max, (uint64_t)UINT32_MAX));
    stl_be_p(p + 8, s->conf.opt_io / block);
    stl_be_p(p + 16, MIN(s->max_unmap_size / block, (uint64_t)UINT32_MAX));
    stl_be_p(p + 20, 255); /* descriptors of an UNMAP */
    stl_be_p(p + 24, s->conf.discard_gran / block);
    stq_be_p(p + 32, max); /* of WRITE SAME */
    page_put(page, p, sizeof(p));
}

/* Block device characteristics (SBC-3, 6.5.2). */
static void page_characteristics(const ScsiDisk *s, VpdPage *page)
{
    uint8_t p[60] = { 0 };

    stw_be_p(p, s->rotation_rate);
    page_put(page, p, sizeof(p));
}

/* Logical block provisioning (SBC-3, 6.5.4): UNMAP, both WRITE SAME. */
static void page_provisioning(const ScsiDisk *s, VpdPage *page)
{
    const uint8_t p[4] = { 0, 0xe0, s->conf.discard_gran != 0 ? 2 : 1, 0 };

    page_put(page, p, sizeof(p));
}

static bool make_page(const ScsiDisk *s, uint8_t code, VpdPage *page)
{
    switch (code) {
    case 0x00:
        page_list(s, page);
        return true;
    case 0x80:
        if (s->serial == NULL) {
            return false;
        }
        page_put(page, s->serial, strnlen(s->serial, SERIAL_MAX));
        return true;
    case 0x83:
        page_ids(s, page);
        return true;
    case 0xb0:
        if (s->cd) {
            return false;
        }
        page_limits(s, page);
        return true;
    case 0xb1:
        page_characteristics(s, page);
        return true;
    case 0xb2:
        page_provisioning(s, page);
        return true;
    default:
        return false;
    }
}

static void inquiry_page(ScsiRequest *r)
{
    const ScsiDisk *s = scsi_disk_of(r->dev);
    VpdPage page = { .len = 4 };

    page.data[0] = inquiry_peripheral(s);
    page.data[1] = r->cdb[2];
    if (!make_page(s, r->cdb[2], &page)) {
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    stw_be_p(page.data + 2, page.len - 4);
    scsi_request_reply(r, page.data, page.len, true);
}

void scsi_disk_inquiry(ScsiRequest *r)
{
    const ScsiDisk *s = scsi_disk_of(r->dev);
    uint8_t p[STANDARD_BYTES] = { 0 };

    if (r->cdb[1] & 1) {
        inquiry_page(r);
        return;
    }
    if (r->cdb[2] != 0) {
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    p[0] = inquiry_peripheral(s);
    p[1] = s->removable ? 0x80 : 0;
    p[2] = s->scsi_version;
    p[3] = 0x12; /* hierarchical LUNs, response data format 2 */
    p[4] = CLAMP(r->xfer, UINT64_C(36), (uint64_t)STANDARD_BYTES) - 5;
    p[7] = 0x12; /* synchronous transfers, command queueing */
    put_text(p + 8, s->vendor, VENDOR_BYTES);
    put_text(p + 16, s->product, PRODUCT_BYTES);
    memcpy(p + 32, s->version, strnlen(s->version, REVISION_BYTES));
    scsi_request_reply(r, p, sizeof(p), true);
}
