/*
 * Opening images: files and block devices with raw content.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "util/cutils.h"
#include "util/error.h"
#include "util/log.h"

#define PROBE_SIZE 2048
#define MAX_ALIGN  4096

/* Formats */

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
static const char *const other_formats[] = {
    "blkdebug", "blkverify",   "bochs",       "cloop", "copy-on-read", "dmg",
    "luks",     "parallels",   "preallocate", "qcow",  "qcow2",        "qed",
    "quorum",   "replication", "throttle",    "vdi",   "vhdx",         "vmdk",
    "vpc",      "vvfat",       NULL,
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

static bool refuse_format(const char *filename, const char *format,
                          GError **errp)
{
    error_setf(errp,
               "Could not open '%s': image format '%s' is not supported, "
               "only 'raw' is",
               filename, format);
    return false;
}

static bool check_format(BlockImage *img, const char *format, GError **errp)
{
    g_autofree uint8_t *buf = NULL;
    const char *found;
    ssize_t n;

    if (format != NULL) {
        if (g_str_equal(format, "raw")) {
            return true;
        }
        if (g_strv_contains(other_formats, format)) {
            return refuse_format(img->filename, format, errp);
        }
        error_setf(errp, "Unknown driver '%s'", format);
        return false;
    }
    buf = g_malloc0(PROBE_SIZE);
    n = pread(img->fd, buf, PROBE_SIZE, 0);
    if (n < 0) {
        error_setf_errno(errp, errno,
                         "Could not read image '%s' for "
                         "determining its format",
                         img->filename);
        return false;
    }
    found = block_probe_format(buf, n);
    if (!g_str_equal(found, "raw")) {
        return refuse_format(img->filename, found, errp);
    }
    img->probed = !img->read_only;
    if (img->probed) {
        log_warn("Image format was not specified for '%s' and probing guessed "
                 "raw: this is dangerous for raw images, writes to block 0 "
                 "will be restricted; specify format=raw to remove the "
                 "restrictions",
                 img->filename);
    }
    return true;
}

/* Size and alignment */

static int image_size(int fd, uint64_t *ret_size)
{
    struct stat st;
    uint64_t size;

    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(fd, BLKGETSIZE64, &size) < 0) {
            return -errno;
        }
    } else {
        size = st.st_size;
    }
    /* The last sector of a file may be there in part; zeros follow. */
    if (size > INT64_MAX - BLOCK_SECTOR) {
        return -EFBIG;
    }
    *ret_size = ROUND_UP(size, BLOCK_SECTOR);
    return 0;
}

bool block_image_refresh(BlockImage *img, GError **errp)
{
    int ret = image_size(img->fd, &img->size);

    if (ret < 0) {
        error_setf_errno(errp, ret, "Could not get the size of image '%s'",
                         img->filename);
    }
    return ret == 0;
}

uint64_t block_image_allocated(const BlockImage *img)
{
    struct stat st;

    return fstat(img->fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* The least that O_DIRECT takes, found by trying. */
static bool probe_alignment(BlockImage *img, GError **errp)
{
    void *buf = NULL;
    unsigned align;

    img->align = 1;
    img->mem_align = 1;
    if (!img->direct) {
        return true;
    }
    if (posix_memalign(&buf, MAX_ALIGN, 2 * MAX_ALIGN) != 0) {
        error_setf_errno(errp, ENOMEM, "image '%s'", img->filename);
        return false;
    }
    for (align = BLOCK_SECTOR; align <= MAX_ALIGN; align *= 2) {
        if (pread(img->fd, buf, align, 0) >= 0) {
            break;
        }
    }
    img->align = align;
    for (align = BLOCK_SECTOR; align <= MAX_ALIGN; align *= 2) {
        if (pread(img->fd, (char *)buf + align, img->align, 0) >= 0) {
            break;
        }
    }
    img->mem_align = align;
    free(buf);
    if (img->align > MAX_ALIGN || img->mem_align > MAX_ALIGN) {
        error_setf(errp,
                   "Could not find working O_DIRECT alignment for '%s': try "
                   "cache.direct=off",
                   img->filename);
        return false;
    }
    return true;
}

/* Files */

/* "file:x" is x; other protocols are known by what stands before the ":". */
static const char *strip_protocol(const char *name, GError **errp)
{
    const char *colon = strchr(name, ':');
    const char *slash = strchr(name, '/');

    if (colon == NULL || (slash != NULL && slash < colon)) {
        return name;
    }
    if (g_str_has_prefix(name, "file:")) {
        return colon + 1;
    }
    error_setf(errp, "Unknown protocol '%.*s'", (int)(colon - name), name);
    return NULL;
}

static int open_file(BlockBackends *bs, const char *path, int flags)
{
    uint64_t id;
    int fd;

    if (g_str_has_prefix(path, "/dev/fdset/") && bs->fdset_open != NULL) {
        if (!parse_uint("fdset", path + strlen("/dev/fdset/"), 0, INT64_MAX,
                        &id, NULL)) {
            return -EINVAL;
        }
        return bs->fdset_open(bs->fdset_opaque, id, flags & ~O_CLOEXEC);
    }
    fd = open(path, flags);
    return fd < 0 ? -errno : fd;
}

static bool check_kind(BlockImage *img, GError **errp)
{
    struct stat st;
    int ro = 0;

    if (fstat(img->fd, &st) < 0) {
        error_setf_errno(errp, errno, "Could not stat '%s'", img->filename);
        return false;
    }
    if (S_ISBLK(st.st_mode)) {
        if (!img->read_only && ioctl(img->fd, BLKROGET, &ro) == 0 && ro) {
            error_setf(errp, "Could not open '%s': the device is read-only",
                       img->filename);
            return false;
        }
        return true;
    }
    if (!S_ISREG(st.st_mode)) {
        error_setf(errp, "'file' driver requires '%s' to be a regular file",
                   img->filename);
        return false;
    }
    return true;
}

static bool image_init(BlockImage *img, BlockBackends *bs,
                       const BlockImageOpts *o, GError **errp)
{
    const char *path = strip_protocol(o->filename, errp);
    struct stat st;
    int flags;

    if (path == NULL) {
        return false;
    }
    /* Opening a FIFO would wait for its other end. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode) &&
        !g_str_has_prefix(path, "/dev/fdset/")) {
        error_setf(errp, "'file' driver requires '%s' to be a regular file",
                   path);
        return false;
    }
    flags = (o->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY;
    /* The format's marks are read through the cache. */
    img->fd = open_file(bs, path, flags);
    if (o->auto_read_only && !o->read_only &&
        (img->fd == -EACCES || img->fd == -EROFS)) {
        img->read_only = true;
        img->fd = open_file(bs, path, (flags & ~O_ACCMODE) | O_RDONLY);
    }
    if (img->fd < 0) {
        error_setf_errno(errp, img->fd, "Could not open '%s'", o->filename);
        return false;
    }
    if (!check_kind(img, errp) || !check_format(img, o->format, errp)) {
        return false;
    }
    if (o->direct &&
        fcntl(img->fd, F_SETFL, fcntl(img->fd, F_GETFL) | O_DIRECT) < 0) {
        error_setf_errno(errp, errno,
                         "Could not open '%s': the file system does not "
                         "support O_DIRECT",
                         o->filename);
        return false;
    }
    return block_image_refresh(img, errp) && probe_alignment(img, errp);
}

BlockImage *block_image_open(BlockBackends *bs, const BlockImageOpts *o,
                             GError **errp)
{
    BlockImage *img = g_new0(BlockImage, 1);

    img->fd = -1;
    img->filename = g_strdup(o->filename);
    img->read_only = o->read_only;
    img->direct = o->direct;
    img->no_flush = o->no_flush;
    img->locking = o->locking;
    img->engine = o->engine;
    g_queue_init(&img->in_flight);
    g_queue_init(&img->waiting);
    if (!image_init(img, bs, o, errp)) {
        block_image_close(img);
        return NULL;
    }
    return img;
}

void block_image_close(BlockImage *img)
{
    if (img == NULL) {
        return;
    }
    if (img->fd >= 0) {
        close(img->fd);
    }
    g_free(img->filename);
    g_free(img);
}
