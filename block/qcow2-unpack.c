/*
 * qcow2: compressed clusters.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"

#include <zlib.h>
#include <zstd.h>

/* Raw deflate with a window of 4 KiB; what follows it in the sector is not. */
static int unpack_zlib(const void *in, size_t in_len, void *out, size_t out_len)
{
    z_stream z = {
        .next_in = (Bytef *)(uintptr_t)in,
        .avail_in = in_len,
        .next_out = out,
        .avail_out = out_len,
    };
    int ret;

    if (inflateInit2(&z, -12) != Z_OK) {
        return -ENOMEM;
    }
    ret = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    /* Z_BUF_ERROR: full, with the stream's end still to be read. */
    return (ret == Z_STREAM_END || ret == Z_BUF_ERROR) && z.avail_out == 0
               ? 0
               : -EIO;
}

static int unpack_zstd(const void *in, size_t in_len, void *out, size_t out_len)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    ZSTD_inBuffer i = { in, in_len, 0 };
    ZSTD_outBuffer o = { out, out_len, 0 };
    int ret = 0;

    if (z == NULL) {
        return -ENOMEM;
    }
    while (o.pos < o.size && ret == 0) {
        size_t in_before = i.pos, out_before = o.pos;
        size_t left = ZSTD_decompressStream(z, &o, &i);

        if (ZSTD_isError(left) || (i.pos == in_before && o.pos == out_before) ||
            (left == 0 && o.pos < o.size)) {
            ret = -EIO;
        }
    }
    ZSTD_freeDCtx(z);
    return ret;
}

int qcow2_unpack(bool zstd, const void *in, size_t in_len, void *out,
                 size_t out_len)
{
    return zstd ? unpack_zstd(in, in_len, out, out_len)
                : unpack_zlib(in, in_len, out, out_len);
}
