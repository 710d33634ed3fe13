/*
 * qtest: virtio graphics cards: resources, outputs, pointers, and what a
 * driver gets wrong.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>
#include <linux/virtio_gpu.h>

#include "tests/qtest/virtio-modern.h"

enum {
    DEVFN = 2 << 3,
    CTRL = 0,
    CURSOR = 1,
    CMD = 0x100000,
    ANSWER = 0x140000,
    ANSWER_MAX = 2048,
    PIXELS = 0x200000,
    W = 32,
    H = 16,
    OK = VIRTIO_GPU_RESP_OK_NODATA,
};

/* A command's words behind its header, and the type of the answer. */
static uint32_t command_words(Virtio *v, uint32_t type, const uint32_t *words,
                              unsigned n)
{
    qtest_memset(v->q, CMD, 0, 24);
    qtest_writel(v->q, CMD, type);
    for (unsigned i = 0; i < n; i++) {
        qtest_writel(v->q, CMD + 24 + 4 * i, words[i]);
    }
    qtest_memset(v->q, ANSWER, 0xee, 64);
    virtio_offer(v, CTRL, CMD, 24 + 4 * n, ANSWER, ANSWER_MAX);
    virtio_wait(v, CTRL);
    return qtest_readl(v->q, ANSWER);
}

#define COMMAND(v, type, ...)                                 \
    command_words(v, type, (const uint32_t[]){ __VA_ARGS__ }, \
                  sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

static uint32_t create(Virtio *v, uint32_t id, uint32_t format, uint32_t w,
                       uint32_t h)
{
    return COMMAND(v, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, id, format, w, h);
}

static uint32_t attach(Virtio *v, uint32_t id, uint32_t addr, uint32_t len)
{
    return COMMAND(v, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, id, 1, addr, 0,
                   len, 0);
}

static uint32_t transfer(Virtio *v, uint32_t id, uint32_t x, uint32_t y,
                         uint32_t w, uint32_t h, uint32_t offset)
{
    return COMMAND(v, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, x, y, w, h, offset, 0,
                   id, 0);
}

static uint32_t scanout(Virtio *v, uint32_t n, uint32_t id, uint32_t x,
                        uint32_t y, uint32_t w, uint32_t h)
{
    return COMMAND(v, VIRTIO_GPU_CMD_SET_SCANOUT, x, y, w, h, n, id);
}

static uint32_t flush(Virtio *v, uint32_t id, uint32_t x, uint32_t y,
                      uint32_t w, uint32_t h)
{
    return COMMAND(v, VIRTIO_GPU_CMD_RESOURCE_FLUSH, x, y, w, h, id, 0);
}

static QTest *start(Virtio *v, const char *dev)
{
    QTest *q = qtest_startf("-machine pc -m 64 -device %s,id=g,addr=2", dev);

    virtio_find(v, q, DEVFN);
    virtio_start(v, 1u << VIRTIO_GPU_F_EDID, 2);
    return q;
}

/* Pixels as 0xRRGGBB; to be freed. */
static uint32_t *picture(QTest *q, unsigned head, unsigned *w, unsigned *h)
{
    g_autofree char *path = NULL, *text = NULL;
    int fd = g_file_open_tmp("gpu-XXXXXX", &path, NULL), at = 0;
    JsonValue *r;
    uint32_t *out;
    size_t len;

    g_close(fd, NULL);
    r = qtest_qmp(q,
                  "{'execute': 'screendump', 'arguments': {'filename': '%s',"
                  " 'device': 'g', 'head': %u}}",
                  path, head);
    g_assert_null(json_object_get(r, "error"));
    json_unref(r);
    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    g_unlink(path);
    g_assert_cmpint(sscanf(text, "P6 %u %u 255%n", w, h, &at), ==, 2);
    g_assert_cmpuint(len, ==, at + 1 + 3 * *w * *h);
    out = g_new(uint32_t, *w * *h);
    for (size_t i = 0; i < *w * *h; i++) {
        const uint8_t *p = (const uint8_t *)text + at + 1 + 3 * i;

        out[i] = p[0] << 16 | p[1] << 8 | p[2];
    }
    return out;
}

static void expect_pixel(QTest *q, unsigned head, unsigned x, unsigned y,
                         uint32_t want)
{
    unsigned w, h;
    g_autofree uint32_t *p = picture(q, head, &w, &h);

    g_assert_cmpuint(x, <, w);
    g_assert_cmpuint(y, <, h);
    g_assert_cmphex(p[y * w + x], ==, want);
}

/* Its bytes say where they are. */
static void fill_backing(QTest *q)
{
    uint8_t buf[W * H * 4];

    for (unsigned i = 0; i < W * H; i++) {
        stl_le_p(buf + 4 * i, 0x80000000 | i / W << 16 | 0xab00 | i % W);
    }
    qtest_memwrite(q, PIXELS, buf, sizeof(buf));
}

static uint32_t pixel_at(unsigned x, unsigned y)
{
    return y << 16 | 0xab00 | x;
}

static void show(Virtio *v, uint32_t format)
{
    fill_backing(v->q);
    g_assert_cmphex(create(v, 5, format, W, H), ==, OK);
    g_assert_cmphex(attach(v, 5, PIXELS, W * H * 4), ==, OK);
    g_assert_cmphex(transfer(v, 5, 0, 0, W, H, 0), ==, OK);
    g_assert_cmphex(scanout(v, 0, 5, 0, 0, W, H), ==, OK);
    g_assert_cmphex(flush(v, 5, 0, 0, W, H), ==, OK);
}

static void test_display_info(void)
{
    static const uint8_t edid_head[] = { 0, 255, 255, 255, 255, 255, 255, 0 };
    uint8_t edid[128], sum = 0;
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci,max_outputs=3,xres=1024,yres=768");

    g_assert_cmpuint(qtest_readl(q, v.config + 8), ==, 3);
    g_assert_cmphex(command_words(&v, VIRTIO_GPU_CMD_GET_DISPLAY_INFO, NULL, 0),
                    ==, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    g_assert_cmpuint(qtest_readl(q, ANSWER + 24 + 8), ==, 1024);
    g_assert_cmpuint(qtest_readl(q, ANSWER + 24 + 12), ==, 768);
    g_assert_cmpuint(qtest_readl(q, ANSWER + 24 + 16), ==, 1);
    g_assert_cmpuint(qtest_readl(q, ANSWER + 48 + 16), ==, 0);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_GET_EDID, 0, 0), ==,
                    VIRTIO_GPU_RESP_OK_EDID);
    g_assert_cmpuint(qtest_readl(q, ANSWER + 24), ==, 256);
    qtest_memread(q, ANSWER + 32, edid, sizeof(edid));
    g_assert_cmpmem(edid, 8, edid_head, 8);
    for (unsigned i = 0; i < sizeof(edid); i++) {
        sum += edid[i];
    }
    g_assert_cmphex(sum, ==, 0);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_GET_EDID, 3, 0), ==,
                    VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    qtest_quit(q);
}

static void test_show(void)
{
    unsigned w, h;
    uint32_t *p;
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci");

    show(&v, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
    p = picture(q, 0, &w, &h);
    g_assert_cmpuint(w, ==, W);
    g_assert_cmpuint(h, ==, H);
    for (unsigned i = 0; i < W * H; i++) {
        g_assert_cmphex(p[i], ==, pixel_at(i % W, i / W));
    }
    g_free(p);
    /* A part of it, out of another place of the backing. */
    qtest_memset(q, PIXELS, 0x11, W * H * 4);
    g_assert_cmphex(transfer(&v, 5, 4, 3, 2, 2, (3 * W + 4) * 4), ==, OK);
    expect_pixel(q, 0, 4, 3, 0x111111);
    expect_pixel(q, 0, 5, 4, 0x111111);
    expect_pixel(q, 0, 6, 4, pixel_at(6, 4));
    expect_pixel(q, 0, 4, 5, pixel_at(4, 5));
    /* A part of the resource. */
    g_assert_cmphex(scanout(&v, 0, 5, 8, 0, 16, 16), ==, OK);
    p = picture(q, 0, &w, &h);
    g_assert_cmpuint(w, ==, 16);
    g_assert_cmphex(p[0], ==, pixel_at(8, 0));
    g_free(p);
    /* Nothing, which is black. */
    g_assert_cmphex(scanout(&v, 0, 0, 0, 0, 0, 0), ==, OK);
    expect_pixel(q, 0, 0, 0, 0);
    /* Without its resource as well. */
    g_assert_cmphex(scanout(&v, 0, 5, 0, 0, W, H), ==, OK);
    expect_pixel(q, 0, 1, 1, pixel_at(1, 1));
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_UNREF, 5, 0), ==, OK);
    expect_pixel(q, 0, 1, 1, 0);
    qtest_quit(q);
}

static void test_formats(void)
{
    static const struct {
        uint32_t format, want;
    } formats[] = { /* of the bytes 12 34 56 78 */
                    { VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 0x563412 },
                    { VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 0x563412 },
                    { VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, 0x345678 },
                    { VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, 0x345678 },
                    { VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, 0x123456 },
                    { VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, 0x785634 },
                    { VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, 0x785634 },
                    { VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, 0x123456 }
    };
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci");

    qtest_writel(q, PIXELS, 0x78563412);
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        uint32_t id = i + 1;

        g_assert_cmphex(create(&v, id, formats[i].format, W, H), ==, OK);
        g_assert_cmphex(attach(&v, id, PIXELS, W * H * 4), ==, OK);
        g_assert_cmphex(transfer(&v, id, 0, 0, 1, 1, 0), ==, OK);
        g_assert_cmphex(scanout(&v, 0, id, 0, 0, W, H), ==, OK);
        expect_pixel(q, 0, 0, 0, formats[i].want);
        expect_pixel(q, 0, 1, 0, 0);
    }
    qtest_quit(q);
}

/* Backing in pieces, one of which ends in the middle of a pixel. */
static void test_pieces(void)
{
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci");

    fill_backing(q);
    g_assert_cmphex(create(&v, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, W, H), ==,
                    OK);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 1, 3,
                            PIXELS, 0, 6, 0, PIXELS + 6, 0, 250, 0,
                            PIXELS + 256, 0, W * H * 4 - 256, 0),
                    ==, OK);
    g_assert_cmphex(transfer(&v, 1, 0, 0, W, H, 0), ==, OK);
    g_assert_cmphex(scanout(&v, 0, 1, 0, 0, W, H), ==, OK);
    expect_pixel(q, 0, 1, 0, pixel_at(1, 0));
    expect_pixel(q, 0, 31, 1, pixel_at(31, 1));
    expect_pixel(q, 0, 31, 15, pixel_at(31, 15));
    /* What the backing lacks stays as it was. */
    qtest_memset(q, PIXELS, 0x22, W * H * 4);
    g_assert_cmphex(transfer(&v, 1, 0, 0, W, 2, (H - 1) * W * 4), ==, OK);
    expect_pixel(q, 0, 3, 0, 0x222222);
    expect_pixel(q, 0, 3, 1, pixel_at(3, 1));
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 1, 0),
                    ==, OK);
    g_assert_cmphex(transfer(&v, 1, 0, 0, W, 2, 0), ==,
                    VIRTIO_GPU_RESP_ERR_UNSPEC);
    qtest_quit(q);
}

static void test_outputs(void)
{
    JsonValue *r;
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci,max_outputs=2");

    show(&v, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
    g_assert_cmphex(scanout(&v, 1, 5, 16, 0, 16, 16), ==, OK);
    expect_pixel(q, 0, 2, 2, pixel_at(2, 2));
    expect_pixel(q, 1, 2, 2, pixel_at(18, 2));
    r = qtest_qmp(q, "{'execute': 'screendump', 'arguments': {'filename':"
                     " '/dev/null', 'device': 'g', 'head': 2}}");
    g_assert_nonnull(json_object_get(r, "error"));
    json_unref(r);
    qtest_quit(q);
}

static void cursor(Virtio *v, uint32_t type, uint32_t n, uint32_t x, uint32_t y,
                   uint32_t id, uint32_t hot)
{
    const uint32_t words[] = { n, x, y, 0, id, hot, hot, 0 };

    qtest_memset(v->q, CMD, 0, 24);
    qtest_writel(v->q, CMD, type);
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        qtest_writel(v->q, CMD + 24 + 4 * i, words[i]);
    }
    virtio_offer(v, CURSOR, CMD, 24 + sizeof(words), 0, 0);
    virtio_wait(v, CURSOR);
}

static void test_cursor(void)
{
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci");

    show(&v, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
    /* Opaque red but for its first pixel, which is half a green. */
    for (unsigned i = 0; i < 64 * 64; i++) {
        qtest_writel(q, PIXELS + 4 * i, i == 0 ? 0x80008000 : 0xffff0000);
    }
    g_assert_cmphex(create(&v, 9, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64), ==,
                    OK);
    g_assert_cmphex(attach(&v, 9, PIXELS, 64 * 64 * 4), ==, OK);
    g_assert_cmphex(transfer(&v, 9, 0, 0, 64, 64, 0), ==, OK);
    cursor(&v, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 12, 12, 9, 2);
    expect_pixel(q, 0, 9, 10, pixel_at(9, 10));
    expect_pixel(q, 0, 10, 10, 0x05d505); /* half of 0x0aab0a and 0x8000 */
    expect_pixel(q, 0, 11, 10, 0xff0000);
    cursor(&v, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 22, 12, 0, 0);
    expect_pixel(q, 0, 11, 10, pixel_at(11, 10));
    expect_pixel(q, 0, 21, 10, 0xff0000);
    /* Partly and wholly outside. */
    cursor(&v, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 0, 0, 0, 0);
    expect_pixel(q, 0, 0, 0, 0xff0000);
    cursor(&v, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, UINT32_MAX, UINT32_MAX, 0, 0);
    expect_pixel(q, 0, 0, 0, pixel_at(0, 0));
    cursor(&v, VIRTIO_GPU_CMD_MOVE_CURSOR, 99, 0, 0, 0, 0);
    /* Its picture stays when the resource goes; and then goes, too. */
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_UNREF, 9, 0), ==, OK);
    cursor(&v, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 2, 2, 0, 0);
    expect_pixel(q, 0, 5, 5, 0xff0000);
    cursor(&v, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 2, 2, 0, 0);
    expect_pixel(q, 0, 5, 5, pixel_at(5, 5));
    qtest_quit(q);
}

enum {
    BGRX = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
    BAD_ID = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
    BAD_PARAM = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
    NO_MEMORY = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
    UNSPEC = VIRTIO_GPU_RESP_ERR_UNSPEC,
};

static void test_bad_resources(void)
{
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci,max_hostmem=1M");

    g_assert_cmphex(create(&v, 0, BGRX, W, H), ==, BAD_ID);
    g_assert_cmphex(create(&v, 1, 5, W, H), ==, BAD_PARAM);
    g_assert_cmphex(create(&v, 1, BGRX, 0, H), ==, BAD_PARAM);
    g_assert_cmphex(create(&v, 1, BGRX, W, 0), ==, BAD_PARAM);
    /* Sizes whose product is small after an overflow; one that is large. */
    g_assert_cmphex(create(&v, 1, BGRX, 0x40000000, 1), ==, NO_MEMORY);
    g_assert_cmphex(create(&v, 1, BGRX, 0x10000, 0x10000), ==, NO_MEMORY);
    g_assert_cmphex(create(&v, 1, BGRX, UINT32_MAX, UINT32_MAX), ==, NO_MEMORY);
    g_assert_cmphex(create(&v, 1, BGRX, 512, 513), ==, NO_MEMORY);
    g_assert_cmphex(create(&v, 1, BGRX, W, H), ==, OK);
    g_assert_cmphex(create(&v, 1, BGRX, W, H), ==, BAD_ID);
    /* Small ones end as well. */
    for (uint32_t i = 2;; i++) {
        uint32_t r = create(&v, i, BGRX, 1, 1);

        if (r == NO_MEMORY) {
            break;
        }
        g_assert_cmphex(r, ==, OK);
        g_assert_cmpuint(i, <, 300);
    }
    g_assert_cmphex(attach(&v, 1, PIXELS, 4096), ==, NO_MEMORY);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_UNREF, 2, 0), ==, OK);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_UNREF, 2, 0), ==,
                    BAD_ID);
    qtest_quit(q);
}

static void test_bad_rectangles(void)
{
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci");

    g_assert_cmphex(create(&v, 1, BGRX, W, H), ==, OK);
    /* Backing that isn't memory, or isn't there. */
    g_assert_cmphex(attach(&v, 7777, PIXELS, 4096), ==, BAD_ID);
    g_assert_cmphex(attach(&v, 1, 0xa0000000, 4096), ==, UNSPEC);
    g_assert_cmphex(attach(&v, 1, VIRTIO_REGS, 4096), ==, UNSPEC);
    g_assert_cmphex(attach(&v, 1, 0x4000000 - 4096, 8192), ==, UNSPEC);
    g_assert_cmphex(attach(&v, 1, PIXELS, 0), ==, UNSPEC);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 1, 2,
                            PIXELS, 0, 4096, 0),
                    ==, UNSPEC);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 1,
                            UINT32_MAX, PIXELS, 0, 4096, 0),
                    ==, UNSPEC);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 1, 1,
                            0xfffffff0, UINT32_MAX, 4096, 0),
                    ==, UNSPEC);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 1, 0),
                    ==, UNSPEC);
    g_assert_cmphex(attach(&v, 1, PIXELS, 4096), ==, OK);
    g_assert_cmphex(attach(&v, 1, PIXELS, 4096), ==, UNSPEC);
    /* Rectangles outside, by an overflow too. */
    g_assert_cmphex(transfer(&v, 1, 1, 0, W, H, 0), ==, BAD_PARAM);
    g_assert_cmphex(transfer(&v, 1, UINT32_MAX, 0, 2, 1, 0), ==, BAD_PARAM);
    g_assert_cmphex(transfer(&v, 1, 0, 2, 1, UINT32_MAX, 0), ==, BAD_PARAM);
    g_assert_cmphex(transfer(&v, 1, 0, 0, W, H, UINT32_MAX), ==, OK);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 0, 0, W, H,
                            UINT32_MAX, UINT32_MAX, 1, 0),
                    ==, BAD_PARAM);
    g_assert_cmphex(transfer(&v, 8888, 0, 0, W, H, 0), ==, BAD_ID);
    g_assert_cmphex(flush(&v, 1, 0, 1, W, H), ==, BAD_PARAM);
    g_assert_cmphex(flush(&v, 8888, 0, 0, W, H), ==, BAD_ID);
    g_assert_cmphex(scanout(&v, 0, 1, 0, 0, W, H + 1), ==, BAD_PARAM);
    g_assert_cmphex(scanout(&v, 0, 1, UINT32_MAX, 0, 20, H), ==, BAD_PARAM);
    g_assert_cmphex(scanout(&v, 0, 1, 0, 0, 15, 15), ==, BAD_PARAM);
    g_assert_cmphex(scanout(&v, 0, 8888, 0, 0, W, H), ==, BAD_ID);
    g_assert_cmphex(scanout(&v, 1, 1, 0, 0, W, H), ==,
                    VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID);
    qtest_quit(q);
}

/* Commands that don't exist or are cut short; answers without room. */
static void test_bad_commands(void)
{
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci");

    g_assert_cmphex(COMMAND(&v, 0, 0), ==, VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_CTX_CREATE, 0), ==,
                    VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 0), ==,
                    VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_cmphex(COMMAND(&v, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 1, 1, 4), ==,
                    VIRTIO_GPU_RESP_ERR_UNSPEC);
    qtest_memset(q, CMD, 0, 64);
    virtio_offer(&v, CTRL, CMD, 3, ANSWER, 64);
    g_assert_cmpuint(virtio_wait(&v, CTRL), ==, 24);
    virtio_offer(&v, CTRL, CMD, 24, 0, 0);
    g_assert_cmpuint(virtio_wait(&v, CTRL), ==, 0);
    qtest_memset(q, ANSWER, 0xee, 64);
    qtest_writel(q, CMD, VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
    virtio_offer(&v, CTRL, CMD, 24, ANSWER, 26);
    g_assert_cmpuint(virtio_wait(&v, CTRL), ==, 26);
    g_assert_cmphex(qtest_readb(q, ANSWER + 26), ==, 0xee);
    virtio_offer(&v, CURSOR, CMD, 20, 0, 0);
    g_assert_cmpuint(virtio_wait(&v, CURSOR), ==, 0);
    /* A fence comes back. */
    qtest_writel(q, CMD + 4, VIRTIO_GPU_FLAG_FENCE);
    qtest_writeq(q, CMD + 8, UINT64_C(0x123456789abcdef0));
    qtest_writel(q, CMD + 16, 42);
    virtio_offer(&v, CTRL, CMD, 24, ANSWER, ANSWER_MAX);
    virtio_wait(&v, CTRL);
    g_assert_cmphex(qtest_readl(q, ANSWER + 4), ==, VIRTIO_GPU_FLAG_FENCE);
    g_assert_cmphex(qtest_readq(q, ANSWER + 8), ==,
                    UINT64_C(0x123456789abcdef0));
    g_assert_cmphex(qtest_readl(q, ANSWER + 16), ==, 42);
    qtest_quit(q);
}

/* A transfer that lets others have their turn, and is stopped meanwhile. */
static void test_long_transfer(void)
{
    enum { SIDE = 4096 };
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci");
    const uint32_t words[] = { 0, 0, SIDE, SIDE, 0, 0, 3, 0 };

    qtest_memset(q, PIXELS, 0x33, 0x100000);
    g_assert_cmphex(create(&v, 3, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, SIDE, SIDE),
                    ==, OK);
    qtest_writel(q, CMD, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING);
    qtest_writel(q, CMD + 24, 3);
    qtest_writel(q, CMD + 28, 64);
    for (unsigned i = 0; i < 64; i++) { /* one MiB, again and again */
        qtest_writeq(q, CMD + 32 + 16 * i, PIXELS);
        qtest_writel(q, CMD + 40 + 16 * i, 0x100000);
    }
    virtio_offer(&v, CTRL, CMD, 32 + 16 * 64, ANSWER, 24);
    virtio_wait(&v, CTRL);
    g_assert_cmphex(qtest_readl(q, ANSWER), ==, OK);
    qtest_memset(q, CMD, 0, 24);
    qtest_writel(q, CMD, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D);
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        qtest_writel(q, CMD + 24 + 4 * i, words[i]);
    }
    virtio_offer(&v, CTRL, CMD, 24 + sizeof(words), ANSWER, 24);
    json_unref(qtest_qmp(q, "{'execute': 'stop'}"));
    json_unref(qtest_qmp(q, "{'execute': 'cont'}"));
    virtio_wait(&v, CTRL);
    g_assert_cmphex(qtest_readl(q, ANSWER), ==, OK);
    g_assert_cmphex(scanout(&v, 0, 3, SIDE - 16, SIDE - 16, 16, 16), ==, OK);
    expect_pixel(q, 0, 15, 15, 0x333333);
    /* A reset in the middle of one: it's nobody's. */
    virtio_offer(&v, CTRL, CMD, 24 + sizeof(words), ANSWER, 24);
    virtio_start(&v, 0, 2);
    g_assert_cmphex(transfer(&v, 3, 0, 0, 1, 1, 0), ==,
                    VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    qtest_quit(q);
}

/* A VGA until the driver shows something, and again after its reset. */
static void test_vga(void)
{
    unsigned w, h;
    Virtio v;
    QTest *q = start(&v, "virtio-vga");

    g_assert_cmphex(virtio_cfg_read(&v, 0), ==, 0x10501af4);
    g_assert_cmphex(virtio_cfg_read(&v, 8) >> 16, ==, 0x0300);
    /* The extension of Bochs: 64 x 32 pixels of 32 bits, by its page. */
    g_assert_cmphex(qtest_readw(q, VIRTIO_REGS + 0x500), ==, 0xb0c5);
    qtest_writew(q, VIRTIO_REGS + 0x502, 64);
    qtest_writew(q, VIRTIO_REGS + 0x504, 32);
    qtest_writew(q, VIRTIO_REGS + 0x506, 32);
    qtest_writew(q, VIRTIO_REGS + 0x508, 0x41);
    qtest_outb(q, 0x3c0, 0x20);
    virtio_cfg_write(&v, PCI_BASE_ADDRESS_0, 0xe0000000);
    qtest_writel(q, 0xe0000000, 0x445566);
    g_free(picture(q, 0, &w, &h));
    g_assert_cmpuint(w, ==, 64);
    g_assert_cmpuint(h, ==, 32);
    expect_pixel(q, 0, 0, 0, 0x445566);
    show(&v, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
    g_free(picture(q, 0, &w, &h));
    g_assert_cmpuint(w, ==, W);
    expect_pixel(q, 0, 2, 3, pixel_at(2, 3));
    qtest_writeb(q, v.common + VIRTIO_PCI_COMMON_STATUS, 0);
    g_free(picture(q, 0, &w, &h));
    g_assert_cmpuint(w, ==, 64);
    expect_pixel(q, 0, 0, 0, 0x445566);
    qtest_quit(q);
}

/* Into a new file, whose name is to be freed. */
static char *save(QTest *q)
{
    char *path = NULL;
    int fd = g_file_open_tmp("gpu-XXXXXX", &path, NULL);

    g_close(fd, NULL);
    json_unref(qtest_qmp(q,
                         "{'execute': 'migrate', 'arguments': {'uri':"
                         " 'exec:cat > %s'}}",
                         path));
    json_unref(qtest_qmp_event(q, "STOP"));
    for (bool done = false; !done;) {
        g_autoptr(JsonValue) r = qtest_qmp(q, "{'execute': 'query-migrate'}");
        const char *status = json_get_string(json_object_get(r, "status"));

        g_assert_cmpstr(status, !=, "failed");
        done = g_str_equal(status, "completed");
    }
    return path;
}

static QTest *start_saved(const char *dev, const char *path)
{
    QTest *q = qtest_startf("-machine pc -m 64 -device %s,id=g,addr=2"
                            " -incoming 'exec:cat %s'",
                            dev, path);

    json_unref(qtest_qmp_event(q, "RESUME"));
    return q;
}

/* Pictures of more bytes than other devices may have. */
static void test_migrate(void)
{
    enum { SIDE = 2304 };
    g_autofree char *path = NULL;
    Virtio v;
    QTest *q = start(&v, "virtio-vga");

    g_assert_cmphex(create(&v, 7, BGRX, SIDE, SIDE), ==, OK);
    show(&v, BGRX);
    path = save(q);
    qtest_quit(q);
    q = start_saved("virtio-vga", path);
    v.q = q;
    expect_pixel(q, 0, 3, 4, pixel_at(3, 4));
    /* Both of them, and the backing of one. */
    g_assert_cmphex(transfer(&v, 7, 0, 0, 1, 1, 0), ==, UNSPEC);
    qtest_memset(q, PIXELS, 0x66, 4);
    g_assert_cmphex(transfer(&v, 5, 0, 0, 1, 1, 0), ==, OK);
    g_assert_cmphex(flush(&v, 5, 0, 0, 1, 1), ==, OK);
    expect_pixel(q, 0, 0, 0, 0x666666);
    qtest_quit(q);
    g_unlink(path);
}

/* Less room where it arrives: what is there stays, more doesn't come. */
static void test_migrate_more(void)
{
    g_autofree char *path = NULL;
    Virtio v;
    QTest *q = start(&v, "virtio-gpu-pci,max_hostmem=2M");

    g_assert_cmphex(create(&v, 1, BGRX, 512, 513), ==, OK);
    path = save(q);
    qtest_quit(q);
    q = start_saved("virtio-gpu-pci,max_hostmem=1M", path);
    v.q = q;
    g_assert_cmphex(create(&v, 2, BGRX, 1, 1), ==, NO_MEMORY);
    g_assert_cmphex(attach(&v, 1, PIXELS, 4096), ==, NO_MEMORY);
    qtest_quit(q);
    g_unlink(path);
}

static void test_refused(void)
{
    static const struct {
        const char *args, *why;
    } cases[] = {
        { "max_outputs=0", "max_outputs=0: 1 to 16" },
        { "max_outputs=17", "max_outputs=17: 1 to 16" },
        { "blob=on", "blob=on is not supported" },
        { "xres=0", "xres=0,yres=800: 1 to 4095 each" },
        { "yres=4096", "xres=1280,yres=4096: 1 to 4095 each" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *args =
            g_strdup_printf("-machine pc -device virtio-gpu-pci,%s",
                            cases[i].args);
        g_autofree char *text = NULL;
        int status;

        text = qtest_run(args, &status);
        g_assert_cmpint(status, ==, 1);
        g_assert_nonnull(strstr(text, cases[i].why));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-gpu/display-info", test_display_info);
    g_test_add_func("/virtio-gpu/show", test_show);
    g_test_add_func("/virtio-gpu/formats", test_formats);
    g_test_add_func("/virtio-gpu/pieces", test_pieces);
    g_test_add_func("/virtio-gpu/outputs", test_outputs);
    g_test_add_func("/virtio-gpu/cursor", test_cursor);
    g_test_add_func("/virtio-gpu/bad-resources", test_bad_resources);
    g_test_add_func("/virtio-gpu/bad-rectangles", test_bad_rectangles);
    g_test_add_func("/virtio-gpu/bad-commands", test_bad_commands);
    g_test_add_func("/virtio-gpu/long-transfer", test_long_transfer);
    g_test_add_func("/virtio-gpu/vga", test_vga);
    g_test_add_func("/virtio-gpu/migrate", test_migrate);
    g_test_add_func("/virtio-gpu/migrate-more", test_migrate_more);
    g_test_add_func("/virtio-gpu/refused", test_refused);
    return g_test_run();
}
