/*
 * -snapshot: writes go to a temporary image on top of the given one, and are
 * gone with the program.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"

#include <fcntl.h>
#include <glib/gstdio.h>

#include "util/bswap.h"
#include "util/error.h"

#define QCOW2_MAGIC 0x514649fb /* "QFI", 0xfb */

/* Clusters of 64 KiB: header, refcount table, a refcount block, L1. */
enum { CLUSTER_BITS = 16, CLUSTER = 1 << CLUSTER_BITS, L1_CLUSTER = 3 };

/* An empty image of version 3; -errno. */
static int write_empty(int fd, uint64_t size)
{
    uint64_t span = (uint64_t)CLUSTER * (CLUSTER / 8);
    uint64_t entries = size / span + (size % span != 0);
    uint64_t l1_clusters = MAX(DIV_ROUND_UP(entries * 8, CLUSTER), 1u);
    uint64_t bytes = (L1_CLUSTER + l1_clusters) * CLUSTER;
    g_autofree uint8_t *p = NULL;
    size_t done = 0;

    if (entries * 8 > QCOW2_MAX_L1) {
        return -EFBIG;
    }
    p = g_malloc0(bytes);
    stl_be_p(p, QCOW2_MAGIC);
    stl_be_p(p + QCOW2_H_VERSION, 3);
    stl_be_p(p + QCOW2_H_CLUSTER_BITS, CLUSTER_BITS);
    stq_be_p(p + QCOW2_H_SIZE, size);
    stl_be_p(p + QCOW2_H_L1_SIZE, entries);
    stq_be_p(p + QCOW2_H_L1_OFFSET, L1_CLUSTER * CLUSTER);
    stq_be_p(p + QCOW2_H_RT_OFFSET, CLUSTER);
    stl_be_p(p + QCOW2_H_RT_CLUSTERS, 1);
    stl_be_p(p + QCOW2_H_REFCOUNT_ORDER, 4);
    stl_be_p(p + QCOW2_H_LENGTH, QCOW2_H_LEN_V3);
    stq_be_p(p + CLUSTER, 2 * CLUSTER);
    for (uint64_t i = 0; i < L1_CLUSTER + l1_clusters; i++) {
        stw_be_p(p + 2 * CLUSTER + 2 * i, 1);
    }
    while (done < bytes) {
        ssize_t n = write(fd, p + done, bytes - done);

        if (n <= 0 && errno != EINTR) {
            return n < 0 ? -errno : -ENOSPC;
        }
        done += MAX(n, 0);
    }
    return 0;
}

/* The folder for large temporary files. */
static char *temporary_name(void)
{
    const char *dir = g_getenv("TMPDIR");

    return g_build_filename(dir != NULL ? dir : "/var/tmp", "vl.XXXXXX", NULL);
}

static BlockNode *open_overlay(BlockNode *base, const char *path,
                               const char *detect_zeroes, GError **errp)
{
    /* Nobody will want it after a crash. */
    const BlockInherit inh = { .no_flush = true, .discard = true };
    g_autoptr(KeyVal) kv = keyval_new();

    keyval_add(kv, "driver", "qcow2");
    keyval_add(kv, "file.driver", "file");
    keyval_add(kv, "file.filename", path);
    keyval_add(kv, "backing", base->name);
    if (detect_zeroes != NULL) {
        keyval_add(kv, "detect-zeroes", detect_zeroes);
    }
    return block_node_open(base->all, kv, &inh, NULL, errp);
}

BlockNode *block_open_overlay(BlockNode *base, const char *detect_zeroes,
                              GError **errp)
{
    g_autofree char *path = temporary_name();
    int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    BlockNode *n = NULL;
    int ret = fd < 0 ? -errno : write_empty(fd, base->size);

    if (ret < 0) {
        error_setf_errno(errp, ret, "Could not create temporary overlay '%s'",
                         path);
    } else {
        n = open_overlay(base, path, detect_zeroes, errp);
    }
    if (fd >= 0) {
        g_unlink(path);
        close(fd);
    }
    block_node_unref(base);
    return n;
}
