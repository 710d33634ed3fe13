/*
 * qcow2: the header and the tables that are kept in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"
#include "util/bswap.h"
#include "util/error.h"

/* Extensions of the header: types. */
enum {
    EXT_END = 0,
    EXT_BACKING_FORMAT = 0xe2792aca,
    EXT_FEATURE_NAMES = 0x6803f857,
    EXT_BITMAPS = 0x23852875,
};

enum { FEATURE_NAME_SIZE = 48, MAX_NAME = 1023 };

/* The header, with what comes before the first table. */
typedef struct Header {
    uint8_t *bytes;
    uint64_t size; /* of bytes */
    uint64_t length;
} Header;

static bool header_bad(const Qcow2 *s, GError **errp, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

static bool header_bad(const Qcow2 *s, GError **errp, const char *fmt, ...)
{
    g_autofree char *what = NULL;
    va_list ap;

    va_start(ap, fmt);
    what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_setf(errp, "Could not open '%s': qcow2: %s", s->node->file->filename,
               what);
    return false;
}

static bool read_bytes(Qcow2 *s, uint64_t off, void *buf, size_t len,
                       const char *what, GError **errp)
{
    int ret = block_file_pread(s->node->file, off, buf, len);

    if (ret < 0) {
        error_setf_errno(errp, ret, "Could not read the %s of '%s'", what,
                         s->node->file->filename);
    }
    return ret == 0;
}

/* Layout */

static bool take_features(Qcow2 *s, Header *h, GError **errp)
{
    const uint8_t *p = h->bytes;

    s->refcount_order = 4;
    h->length = QCOW2_H_LEN_V2;
    if (s->version < 3) {
        return true;
    }
    s->incompatible = ldq_be_p(p + QCOW2_H_INCOMPATIBLE);
    s->compatible = ldq_be_p(p + QCOW2_H_COMPATIBLE);
    s->autoclear = ldq_be_p(p + QCOW2_H_AUTOCLEAR);
    s->refcount_order = ldl_be_p(p + QCOW2_H_REFCOUNT_ORDER);
    h->length = ldl_be_p(p + QCOW2_H_LENGTH);
    if (s->refcount_order > 6) {
        return header_bad(s, errp, "refcounts of 2^%u bits", s->refcount_order);
    }
    if (h->length < QCOW2_H_LEN_V3 || h->length > s->cluster_size ||
        h->length % 8 != 0) {
        return header_bad(s, errp, "header of %" PRIu64 " bytes", h->length);
    }
    return true;
}

static bool take_clusters(Qcow2 *s, const Header *h, GError **errp)
{
    uint32_t bits = ldl_be_p(h->bytes + QCOW2_H_CLUSTER_BITS);

    if (bits < 9 || bits > 21) {
        return header_bad(s, errp,
                          "clusters of 2^%" PRIu32 " bytes: 2^9 to 2^21 are "
                          "supported",
                          bits);
    }
    s->cluster_bits = bits;
    s->cluster_size = BIT_ULL(bits);
    return true;
}

static void take_derived(Qcow2 *s)
{
    s->extended_l2 = s->incompatible & QCOW2_EXTENDED_L2;
    s->entry_size = s->extended_l2 ? 16 : 8;
    s->l2_bits = s->cluster_bits - (s->extended_l2 ? 4 : 3);
    s->sub_bits = s->cluster_bits - (s->extended_l2 ? 5 : 0);
    s->rb_entries = (s->cluster_size * 8) >> s->refcount_order;
}

static bool take_compression(Qcow2 *s, const Header *h, GError **errp)
{
    unsigned type =
        h->length > QCOW2_H_COMPRESSION ? h->bytes[QCOW2_H_COMPRESSION] : 0;

    if (type > 1 || (type != 0) != !!(s->incompatible & QCOW2_COMPRESSION)) {
        return header_bad(s, errp, "compression type %u", type);
    }
    s->zstd = type == 1;
    return true;
}

/* Names of what isn't known, as the image has them. */
static bool refuse_features(Qcow2 *s, const Header *h, uint64_t bits,
                            const uint8_t *names, size_t len, GError **errp)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (unsigned bit = 0; bit < 64; bit++) {
        const char *name = NULL;
        int chars = 0;

        if (!(bits & BIT_ULL(bit))) {
            continue;
        }
        for (size_t i = 0; i + FEATURE_NAME_SIZE <= len && name == NULL;
             i += FEATURE_NAME_SIZE) {
            if (names[i] == 0 && names[i + 1] == bit) {
                name = (const char *)names + i + 2;
                chars = strnlen(name, FEATURE_NAME_SIZE - 2);
            }
        }
        g_string_append_printf(list, "%s", list->len > 0 ? ", " : "");
        if (name != NULL) {
            g_autofree char *text = g_strndup(name, chars);
            g_autofree char *safe = g_strescape(text, NULL);

            g_string_append(list, safe);
        } else {
            g_string_append_printf(list, "feature bit %u", bit);
        }
    }
    return header_bad(s, errp, "Unsupported qcow2 feature(s): %s", list->str);
}

static bool check_features(Qcow2 *s, const Header *h, const uint8_t *names,
                           size_t len, GError **errp)
{
    uint64_t known =
        QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_COMPRESSION | QCOW2_EXTENDED_L2;

    if (ldl_be_p(h->bytes + QCOW2_H_CRYPT) != 0) {
        return header_bad(s, errp,
                          "encryption is not supported; convert it: "
                          "qemu-img convert -O qcow2 … NEW.qcow2");
    }
    if (s->incompatible & QCOW2_DATA_FILE) {
        return header_bad(s, errp,
                          "external data files are not supported; convert "
                          "it: qemu-img convert -O qcow2 '%s' NEW.qcow2",
                          s->node->file->filename);
    }
    if (s->incompatible & ~known) {
        return refuse_features(s, h, s->incompatible & ~known, names, len,
                               errp);
    }
    if (s->extended_l2 && s->cluster_bits < 14) {
        return header_bad(s, errp,
                          "extended L2 entries need clusters of 16 KiB");
    }
    return take_compression(s, h, errp);
}

/* Extensions */

static bool take_bitmaps(Qcow2 *s, const uint8_t *p, uint32_t len,
                         GError **errp)
{
    if (!(s->autoclear & QCOW2_BITMAPS)) {
        return true; /* somebody wrote who didn't know them: they are void */
    }
    if (len < 24) {
        return header_bad(s, errp, "bitmaps extension of %" PRIu32 " bytes",
                          len);
    }
    s->nbitmaps = ldl_be_p(p);
    s->bitmaps_size = ldq_be_p(p + 8);
    s->bitmaps_offset = ldq_be_p(p + 16);
    if (s->nbitmaps > 65535 || s->bitmaps_size > 64 * MiB ||
        s->bitmaps_offset % s->cluster_size != 0 ||
        s->bitmaps_offset >= QCOW2_MAX_OFFSET) {
        return header_bad(s, errp,
                          "bitmap directory of %" PRIu64 " bytes at 0x%" PRIx64,
                          s->bitmaps_size, s->bitmaps_offset);
    }
    return true;
}

static bool take_extensions(Qcow2 *s, const Header *h, uint64_t end,
                            const uint8_t **ret_names, size_t *ret_names_len,
                            GError **errp)
{
    uint64_t at = h->length;

    while (at + 8 <= end) {
        uint32_t type = ldl_be_p(h->bytes + at);
        uint32_t len = ldl_be_p(h->bytes + at + 4);
        const uint8_t *p = h->bytes + at + 8;

        if (type == EXT_END) {
            break;
        }
        at += 8;
        if (len > end - at) {
            return header_bad(s, errp,
                              "header extension 0x%" PRIx32 " of %" PRIu32
                              " bytes",
                              type, len);
        }
        if (type == EXT_BACKING_FORMAT && len <= MAX_NAME) {
            g_free(s->backing_format);
            s->backing_format = g_strndup((const char *)p, len);
        } else if (type == EXT_FEATURE_NAMES) {
            *ret_names = p;
            *ret_names_len = len;
        } else if (type == EXT_BITMAPS && !take_bitmaps(s, p, len, errp)) {
            return false;
        }
        at += ROUND_UP((uint64_t)len, 8);
    }
    return true;
}

/* *ret_end: where the extensions end at the latest. */
static bool take_backing(Qcow2 *s, const Header *h, uint64_t *ret_end,
                         GError **errp)
{
    uint64_t off = ldq_be_p(h->bytes + QCOW2_H_BACKING_OFFSET);
    uint32_t len = ldl_be_p(h->bytes + QCOW2_H_BACKING_SIZE);

    *ret_end = s->cluster_size;
    if (off == 0) {
        return true;
    }
    if (len > MAX_NAME || off < h->length ||
        !range_fits(off, len, s->cluster_size)) {
        return header_bad(s, errp,
                          "name of the backing file: %" PRIu32
                          " bytes at 0x%" PRIx64,
                          len, off);
    }
    *ret_end = off;
    s->backing_file = g_strndup((const char *)h->bytes + off, len);
    return true;
}

/* Tables */

static bool check_table(const Qcow2 *s, uint64_t off, uint64_t bytes,
                        const char *what, GError **errp)
{
    if (off % s->cluster_size != 0 ||
        !range_fits(off, bytes, QCOW2_MAX_OFFSET) || (bytes > 0 && off == 0)) {
        return header_bad(s, errp, "%s of %" PRIu64 " bytes at 0x%" PRIx64,
                          what, bytes, off);
    }
    return true;
}

static bool take_places(Qcow2 *s, const Header *h, GError **errp)
{
    const uint8_t *p = h->bytes;
    uint64_t size = ldq_be_p(p + QCOW2_H_SIZE);
    uint64_t span = s->cluster_size << s->l2_bits;
    uint64_t rt_clusters = ldl_be_p(p + QCOW2_H_RT_CLUSTERS);

    s->l1_size = ldl_be_p(p + QCOW2_H_L1_SIZE);
    s->l1_offset = ldq_be_p(p + QCOW2_H_L1_OFFSET);
    s->rt_offset = ldq_be_p(p + QCOW2_H_RT_OFFSET);
    s->nsnapshots = ldl_be_p(p + QCOW2_H_SNAPSHOTS);
    s->snapshots_offset = ldq_be_p(p + QCOW2_H_SNAPSHOTS_OFFSET);
    if (size > INT64_MAX - BLOCK_SECTOR) {
        return header_bad(s, errp, "a disk of %" PRIu64 " bytes", size);
    }
    if (s->l1_size > QCOW2_MAX_L1 / 8) {
        return header_bad(s, errp,
                          "Active L1 table too large: %" PRIu64 " entries",
                          s->l1_size);
    }
    if (size / span + (size % span != 0) > s->l1_size) {
        return header_bad(s, errp,
                          "L1 table is too small: %" PRIu64 " entries for "
                          "%" PRIu64 " bytes",
                          s->l1_size, size);
    }
    if (rt_clusters == 0 || rt_clusters * s->cluster_size > QCOW2_MAX_RT) {
        return header_bad(s, errp, "refcount table of %" PRIu64 " clusters",
                          rt_clusters);
    }
    if (s->nsnapshots > QCOW2_MAX_SNAPSHOTS) {
        return header_bad(s, errp, "%u snapshots", s->nsnapshots);
    }
    s->rt_size = rt_clusters * s->cluster_size / 8;
    s->disk_size = ROUND_UP(size, BLOCK_SECTOR);
    return check_table(s, s->l1_offset, s->l1_size * 8, "L1 table", errp) &&
           check_table(s, s->rt_offset, s->rt_size * 8, "refcount table",
                       errp) &&
           check_table(s, s->snapshots_offset, s->nsnapshots * UINT64_C(40),
                       "snapshot table", errp);
}

static bool take_all(Qcow2 *s, Header *h, GError **errp)
{
    const uint8_t *names = NULL;
    size_t names_len = 0;
    uint64_t end;

    /* All that is read here lies in the first cluster. */
    h->bytes = g_malloc(s->cluster_size);
    h->size = s->cluster_size;
    if (!read_bytes(s, 0, h->bytes, h->size, "header", errp) ||
        !take_features(s, h, errp)) {
        return false;
    }
    take_derived(s);
    return take_backing(s, h, &end, errp) &&
           take_extensions(s, h, end, &names, &names_len, errp) &&
           check_features(s, h, names, names_len, errp) &&
           take_places(s, h, errp);
}

bool qcow2_read_header(Qcow2 *s, GError **errp)
{
    uint8_t start[QCOW2_H_LEN_V2];
    Header h = { .bytes = start };
    bool ok;

    if (!read_bytes(s, 0, start, sizeof(start), "header", errp)) {
        return false;
    }
    s->version = ldl_be_p(start + QCOW2_H_VERSION);
    if (memcmp(start, "QFI\xfb", 4) != 0) {
        return header_bad(s, errp, "Image is not in qcow2 format");
    }
    if (s->version != 2 && s->version != 3) {
        return header_bad(s, errp, "Unsupported qcow2 version %u", s->version);
    }
    if (!take_clusters(s, &h, errp)) {
        return false;
    }
    s->incompatible = s->compatible = s->autoclear = 0;
    s->nbitmaps = 0;
    s->bitmaps_size = 0;
    g_clear_pointer(&s->backing_file, g_free);
    g_clear_pointer(&s->backing_format, g_free);
    h.bytes = NULL;
    ok = take_all(s, &h, errp);
    g_free(h.bytes);
    return ok;
}

static bool read_table(Qcow2 *s, uint64_t off, uint64_t n, uint64_t **ret_table,
                       const char *what, GError **errp)
{
    uint64_t *table = g_new0(uint64_t, MAX(n, 1u));

    if (!read_bytes(s, off, table, n * 8, what, errp)) {
        g_free(table);
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        table[i] = ldq_be_p(&table[i]);
    }
    g_free(*ret_table);
    *ret_table = table;
    return true;
}

bool qcow2_read_tables(Qcow2 *s, GError **errp)
{
    if (!read_table(s, s->l1_offset, s->l1_size, &s->l1, "L1 table", errp) ||
        !read_table(s, s->rt_offset, s->rt_size, &s->rt, "refcount table",
                    errp)) {
        return false;
    }
    for (uint64_t i = 0; i < s->rt_size; i++) {
        s->rt[i] &= ~UINT64_C(0x1ff);
    }
    return true;
}

int qcow2_write_header(Qcow2 *s, unsigned at, const void *bytes, size_t len)
{
    int ret = block_file_pwrite(s->node->file, at, bytes, len);

    return ret < 0 ? ret : block_node_flush(s->node->file);
}
