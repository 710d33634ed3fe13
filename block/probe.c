/*
 * Image formats by the marks at their start.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"
#include "util/error.h"

#define PROBE_SIZE 2048

typedef struct FormatMark {
    const char *format;
    unsigned offset;
    const char *bytes;
    unsigned len;
} FormatMark;

#define MARK(format_, offset_, bytes_)                               \
    {                                                                \
        .format = (format_), .offset = (offset_), .bytes = (bytes_), \
        .len = sizeof(bytes_) - 1                                    \
    }

/* Marks at the start of images, as their formats' descriptions have them. */
static const FormatMark marks[] = {
    MARK("qcow", 0, "QFI\xfb\x00\x00\x00\x01"),
    MARK("qcow2", 0, "QFI\xfb\x00\x00\x00\x02"),
    MARK("qcow2", 0, "QFI\xfb\x00\x00\x00\x03"),
    MARK("qed", 0, "QED\x00"),
    MARK("vmdk", 0, "KDMV"),
    MARK("vmdk", 0, "COWD"),
    MARK("vmdk", 0, "# Disk DescriptorFile"),
    MARK("vdi", 64, "\x7f\x10\xda\xbe"),
    MARK("vpc", 0, "conectix"),
    MARK("vhdx", 0, "vhdxfile"),
    MARK("parallels", 0, "WithoutFreeSpace"),
    MARK("parallels", 0, "WithouFreSpacExt"),
    MARK("bochs", 0, "Bochs Virtual HD Image"),
    MARK("cloop", 0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"),
    MARK("luks", 0, "LUKS\xba\xbe"),
};

/* Formats that are known by name, and not to be read. */
static const char *const foreign[] = {
    "bochs", "cloop", "dmg",  "luks", "parallels", "qcow",  "qcow2",
    "qed",   "vdi",   "vhdx", "vmdk", "vpc",       "vvfat", NULL,
};

/* The same of what isn't about the format: protocols, and what filters. */
static const char *const foreign_protocols[] = {
    "blklogwrites",
    "blkreplay",
    "blkverify",
    "compress",
    "copy-before-write",
    "copy-on-read",
    "fat",
    "ftp",
    "ftps",
    "gluster",
    "gluster+rdma",
    "gluster+tcp",
    "gluster+unix",
    "host_cdrom",
    "http",
    "https",
    "iscsi",
    "iser",
    "json",
    "nbd",
    "nbd+tcp",
    "nbd+unix",
    "nfs",
    "nvme",
    "preallocate",
    "quorum",
    "rbd",
    "replication",
    "snapshot-access",
    "ssh",
    "throttle",
    NULL,
};

const char *block_probe_format(const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < G_N_ELEMENTS(marks); i++) {
        const FormatMark *m = &marks[i];

        if (range_fits(m->offset, m->len, len) &&
            memcmp(buf + m->offset, m->bytes, m->len) == 0) {
            return m->format;
        }
    }
    return "raw";
}

bool block_format_is_foreign(const char *format)
{
    return block_driver_find(format) == NULL &&
           g_strv_contains(foreign, format);
}

bool block_protocol_is_foreign(const char *name)
{
    return g_strv_contains(foreign_protocols, name);
}

void block_refuse_format(const char *filename, const char *format,
                         GError **errp)
{
    error_setf(errp,
               "Could not open '%s': image format '%s' is not supported; "
               "convert it: qemu-img convert -f %s -O qcow2 '%s' NEW.qcow2",
               filename, format, format, filename);
}

const char *block_probe_node(BlockNode *file, GError **errp)
{
    g_autofree uint8_t *buf = g_malloc0(PROBE_SIZE);
    size_t len = MIN(file->size, (uint64_t)PROBE_SIZE);
    int ret = block_node_pread(file, 0, buf, len);

    if (ret < 0) {
        error_setf_errno(errp, ret,
                         "Could not read image '%s' for determining its format",
                         file->filename);
        return NULL;
    }
    return block_probe_format(buf, len);
}
