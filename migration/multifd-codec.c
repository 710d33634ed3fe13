/*
 * zlib and zstd for the pages of multifd channels.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-codec.h"

#include <zlib.h>
#include <zstd.h>

#include "migration/multifd-packet.h"
#include "system/ramblock.h"
#include "util/error.h"

enum { ROOM = MULTIFD_PACKED_MAX };

typedef struct CodecOps {
    const char *name;
    uint32_t flag;
    bool (*open)(MultifdCodec *c, bool packs, int level, GError **errp);
    void (*close)(MultifdCodec *c);
    /* Appends a page to c->buf; `last`: nothing is held back. */
    bool (*pack)(MultifdCodec *c, const uint8_t *page, bool last,
                 GError **errp);
    /* A page out of what is left of c->in. */
    bool (*unpack)(MultifdCodec *c, uint8_t *page, size_t size, size_t *ret_got,
                   GError **errp);
} CodecOps;

struct MultifdCodec {
    const CodecOps *ops;
    bool packs;
    z_stream z;
    ZSTD_CCtx *cctx;
    ZSTD_DCtx *dctx;
    uint8_t *buf; /* ROOM bytes, packer only */
    size_t used;
    const uint8_t *in; /* unpacker: what is left of the packet */
    size_t in_len;
    /* A guest that writes to what is being read would confuse a packer. */
    uint8_t copy[RAM_PAGE_SIZE];
};

static bool zlib_failed(const MultifdCodec *c, int r, GError **errp)
{
    error_setf(errp, "zlib: %s", c->z.msg != NULL ? c->z.msg : zError(r));
    return false;
}

static bool zlib_open(MultifdCodec *c, bool packs, int level, GError **errp)
{
    int r = packs ? deflateInit(&c->z, level) : inflateInit(&c->z);

    return r == Z_OK || zlib_failed(c, r, errp);
}

static void zlib_close(MultifdCodec *c)
{
    if (c->packs) {
        deflateEnd(&c->z);
    } else {
        inflateEnd(&c->z);
    }
}

static bool zlib_pack(MultifdCodec *c, const uint8_t *page, bool last,
                      GError **errp)
{
    int r;

    c->z.next_in = (Bytef *)page;
    c->z.avail_in = RAM_PAGE_SIZE;
    c->z.next_out = c->buf + c->used;
    c->z.avail_out = ROOM - c->used;
    r = deflate(&c->z, last ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    c->used = ROOM - c->z.avail_out;
    if (r != Z_OK) {
        return zlib_failed(c, r, errp);
    }
    if (c->z.avail_in > 0 || c->z.avail_out == 0) {
        error_setf(errp, "zlib: more than %d bytes", ROOM);
        return false;
    }
    return true;
}

static bool zlib_unpack(MultifdCodec *c, uint8_t *page, size_t size,
                        size_t *ret_got, GError **errp)
{
    int r;

    c->z.next_in = (Bytef *)c->in;
    c->z.avail_in = c->in_len;
    c->z.next_out = page;
    c->z.avail_out = size;
    r = inflate(&c->z, Z_SYNC_FLUSH);
    c->in += c->in_len - c->z.avail_in;
    c->in_len = c->z.avail_in;
    *ret_got = size - c->z.avail_out;
    /* Z_BUF_ERROR: nothing more could be done, which isn't fatal. */
    return r == Z_OK || r == Z_BUF_ERROR || zlib_failed(c, r, errp);
}

static bool zstd_failed(size_t r, GError **errp)
{
    error_setf(errp, "zstd: %s", ZSTD_getErrorName(r));
    return false;
}

static bool zstd_open(MultifdCodec *c, bool packs, int level, GError **errp)
{
    size_t r = 0;

    if (packs) {
        c->cctx = ZSTD_createCCtx();
        r = c->cctx == NULL
                ? 0
                : ZSTD_CCtx_setParameter(c->cctx, ZSTD_c_compressionLevel,
                                         level);
    } else {
        c->dctx = ZSTD_createDCtx();
    }
    if (c->cctx == NULL && c->dctx == NULL) {
        error_setf(errp, "zstd: no memory");
        return false;
    }
    return !ZSTD_isError(r) || zstd_failed(r, errp);
}

static void zstd_close(MultifdCodec *c)
{
    ZSTD_freeCCtx(c->cctx);
    ZSTD_freeDCtx(c->dctx);
}

static bool zstd_pack(MultifdCodec *c, const uint8_t *page, bool last,
                      GError **errp)
{
    ZSTD_outBuffer out = { .dst = c->buf, .size = ROOM, .pos = c->used };
    ZSTD_inBuffer in = { .src = page, .size = RAM_PAGE_SIZE };
    ZSTD_EndDirective how = last ? ZSTD_e_flush : ZSTD_e_continue;
    size_t r;

    do {
        r = ZSTD_compressStream2(c->cctx, &out, &in, how);
    } while (!ZSTD_isError(r) && out.pos < out.size &&
             (in.pos < in.size || (last && r > 0)));
    c->used = out.pos;
    if (ZSTD_isError(r)) {
        return zstd_failed(r, errp);
    }
    if (in.pos < in.size || (last && r > 0)) {
        error_setf(errp, "zstd: more than %d bytes", ROOM);
        return false;
    }
    return true;
}

static bool zstd_unpack(MultifdCodec *c, uint8_t *page, size_t size,
                        size_t *ret_got, GError **errp)
{
    ZSTD_outBuffer out = { .dst = page, .size = size };
    ZSTD_inBuffer in = { .src = c->in, .size = c->in_len };
    size_t before, r;

    do {
        before = in.pos + out.pos;
        r = ZSTD_decompressStream(c->dctx, &out, &in);
    } while (!ZSTD_isError(r) && out.pos < size && in.pos + out.pos > before);
    c->in += in.pos;
    c->in_len -= in.pos;
    *ret_got = out.pos;
    return !ZSTD_isError(r) || zstd_failed(r, errp);
}

static const CodecOps codecs[] = {
    { "zlib", MULTIFD_PACKED_ZLIB, zlib_open, zlib_close, zlib_pack,
      zlib_unpack },
    { "zstd", MULTIFD_PACKED_ZSTD, zstd_open, zstd_close, zstd_pack,
      zstd_unpack },
};

static const CodecOps *codec_by_flag(uint32_t flag)
{
    for (size_t i = 0; i < G_N_ELEMENTS(codecs); i++) {
        if (codecs[i].flag == flag) {
            return &codecs[i];
        }
    }
    return NULL;
}

bool multifd_codec_find(const char *name, uint32_t *ret_flag)
{
    for (size_t i = 0; i < G_N_ELEMENTS(codecs); i++) {
        if (strcmp(codecs[i].name, name) == 0) {
            *ret_flag = codecs[i].flag;
            return true;
        }
    }
    return false;
}

const char *multifd_codec_name(uint32_t flag)
{
    const CodecOps *ops = codec_by_flag(flag);

    return ops != NULL ? ops->name : NULL;
}

static MultifdCodec *codec_new(uint32_t flag, bool packs, int level,
                               GError **errp)
{
    const CodecOps *ops = codec_by_flag(flag);
    MultifdCodec *c;

    if (ops == NULL) {
        error_setf(errp, "no compression has number %u", flag >> 1);
        return NULL;
    }
    c = g_new0(MultifdCodec, 1);
    c->packs = packs;
    if (!ops->open(c, packs, level, errp)) {
        g_free(c);
        return NULL;
    }
    c->ops = ops;
    c->buf = packs ? g_malloc(ROOM) : NULL;
    return c;
}

MultifdCodec *multifd_packer_new(uint32_t flag, int level, GError **errp)
{
    return codec_new(flag, true, level, errp);
}

MultifdCodec *multifd_unpacker_new(uint32_t flag, GError **errp)
{
    return codec_new(flag, false, 0, errp);
}

void multifd_codec_free(MultifdCodec *c)
{
    if (c == NULL) {
        return;
    }
    c->ops->close(c);
    g_free(c->buf);
    g_free(c);
}

const uint8_t *multifd_pack(MultifdCodec *c, const uint8_t *const *pages,
                            size_t n, size_t *ret_len, GError **errp)
{
    g_assert(c->packs && n > 0 && n <= MULTIFD_PACKET_PAGES);
    c->used = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(c->copy, pages[i], RAM_PAGE_SIZE);
        if (!c->ops->pack(c, c->copy, i == n - 1, errp)) {
            return NULL;
        }
    }
    *ret_len = c->used;
    return c->buf;
}

bool multifd_unpack(MultifdCodec *c, const uint8_t *data, size_t len,
                    uint8_t *const *pages, size_t n, GError **errp)
{
    uint8_t more;
    size_t got;

    g_assert(!c->packs);
    c->in = data;
    c->in_len = len;
    for (size_t i = 0; i < n; i++) {
        if (!c->ops->unpack(c, pages[i], RAM_PAGE_SIZE, &got, errp)) {
            return false;
        }
        if (got < RAM_PAGE_SIZE) {
            error_setf(errp, "%s: %zu bytes end at byte %zu of page %zu of %zu",
                       c->ops->name, len, got, i, n);
            return false;
        }
    }
    /* What marks the end of a packet may be left; a byte of a page not. */
    if (!c->ops->unpack(c, &more, 1, &got, errp)) {
        return false;
    }
    if (got > 0 || c->in_len > 0) {
        error_setf(errp, "%s: %zu bytes hold more than %zu pages", c->ops->name,
                   len, n);
        return false;
    }
    return true;
}
