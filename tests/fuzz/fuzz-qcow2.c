/*
 * qcow2 images: whatever the bytes are, opening them ends with a node or an
 * error, and reads, writes, discards and a resize end.
 *
 * The input is the image; its last byte chooses what is done.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/mman.h>

#include "block/block.h"
#include "qom/object.h"
#include "tests/fuzz/fuzz.h"

enum { PENDING = 1, BUFFER = 8192 };

static void note(void *opaque, int ret)
{
    *(int *)opaque = ret;
}

static void finish(const int *ret)
{
    while (*ret == PENDING) {
        g_main_context_iteration(NULL, TRUE);
    }
}

static void use(BlockBackend *b, unsigned how)
{
    static uint8_t buf[BUFFER];
    uint64_t size = block_size(b), places[3] = { 0, size / 2, 0 };

    places[2] = size > BUFFER ? size - BUFFER : 0;
    for (unsigned i = 0; i < 6; i++) {
        uint64_t off = ROUND_DOWN(places[i % 3], BLOCK_SECTOR);
        struct iovec iov = { buf, MIN((uint64_t)BUFFER, size - off) };
        int ret = PENDING;

        switch ((how >> i) & 3) {
        case 0:
            block_aio_readv(b, off, &iov, 1, note, &ret);
            break;
        case 1:
            block_aio_writev(b, off, &iov, 1, note, &ret);
            break;
        case 2:
            block_aio_discard(b, off, iov.iov_len, note, &ret);
            break;
        default:
            block_aio_write_zeroes(b, off, iov.iov_len, i & 1, note, &ret);
            break;
        }
        finish(&ret);
    }
    if (how & 0x80) {
        (void)block_resize(b, ROUND_DOWN(size + MiB, BLOCK_SECTOR), NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int fd = memfd_create("fuzz", 0);
    g_autofree char *text = g_strdup_printf(
        "file=/proc/self/fd/%d,format=qcow2,if=none,id=d0,discard=unmap,"
        "backing=,cache=unsafe,file.locking=off",
        fd);
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);
    g_autoptr(Object) dev = NULL;
    BlockBackends *bs;
    BlockBackend *b;

    if (fd < 0 || write(fd, data, len) != (ssize_t)len) {
        fuzz_fail("no memory for the image");
    }
    bs = block_backends_new();
    b = block_new_from_keyval(bs, kv, NULL);
    if (b != NULL) {
        dev = object_new_container("container");
        if (block_attach(b, dev, false, NULL)) {
            use(b, len > 0 ? data[len - 1] : 0);
            block_detach(b);
        }
    }
    block_backends_free(bs);
    close(fd);
    return 0;
}
