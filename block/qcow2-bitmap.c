/*
 * qcow2: persistent dirty bitmaps of others.
 *
 * They stay as they are.  Those that are to follow every write ("auto") don't
 * follow ours: before the first one they are marked as in use, which tells
 * whoever reads them that they are not to be trusted.  Others stay valid.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"
#include "util/bswap.h"

/* An entry of the directory: byte offsets. */
enum {
    ENTRY_FLAGS = 12,
    ENTRY_NAME_SIZE = 18,
    ENTRY_EXTRA_SIZE = 20,
    ENTRY_LEN = 24,
};

enum { FLAG_IN_USE = 1 << 0, FLAG_AUTO = 1 << 1 };

/* Marks them in the directory's bytes; how many; -EINVAL. */
static int bitmap_mark(uint8_t *dir, uint64_t size, unsigned n)
{
    uint64_t at = 0;
    int marked = 0;

    for (unsigned i = 0; i < n; i++) {
        uint64_t len;
        uint32_t flags;

        if (!range_fits(at, ENTRY_LEN, size)) {
            return -EINVAL;
        }
        len = ROUND_UP(ENTRY_LEN +
                           (uint64_t)lduw_be_p(dir + at + ENTRY_NAME_SIZE) +
                           ldl_be_p(dir + at + ENTRY_EXTRA_SIZE),
                       8);
        flags = ldl_be_p(dir + at + ENTRY_FLAGS);
        if ((flags & FLAG_AUTO) && !(flags & FLAG_IN_USE)) {
            stl_be_p(dir + at + ENTRY_FLAGS, flags | FLAG_IN_USE);
            marked++;
        }
        if (!range_fits(at, len, size)) {
            return -EINVAL;
        }
        at += len;
    }
    return marked;
}

int qcow2_mark_bitmaps_locked(Qcow2 *s)
{
    g_autofree uint8_t *dir = NULL;
    int ret = 0;

    if (s->bitmaps_marked) {
        return 0;
    }
    if (s->bitmaps_size > 0) {
        dir = g_malloc(s->bitmaps_size);
        ret = block_file_pread(s->node->file, s->bitmaps_offset, dir,
                               s->bitmaps_size);
        if (ret == 0) {
            ret = bitmap_mark(dir, s->bitmaps_size, s->nbitmaps);
        }
        if (ret == -EINVAL) {
            return qcow2_is_corrupt(s, "bitmap directory at 0x%" PRIx64,
                                    s->bitmaps_offset);
        }
        if (ret > 0) {
            ret = block_file_pwrite(s->node->file, s->bitmaps_offset, dir,
                                    s->bitmaps_size);
        }
        if (ret == 0) {
            ret = block_node_flush(s->node->file);
        }
    }
    if (ret >= 0) {
        lock_acquire(&s->map_lock);
        s->bitmaps_marked = true;
        lock_release(&s->map_lock);
    }
    return MIN(ret, 0);
}
