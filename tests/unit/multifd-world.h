/*
 * Guest memory that pages of multifd channels arrive in, and socket pairs that
 * they come through.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_MULTIFD_WORLD_H
#define TESTS_UNIT_MULTIFD_WORLD_H

#include "util/base.h"

#include "io/socket.h"
#include "migration/multifd-recv.h"
#include "migration/wire.h"
#include "util/bswap.h"
#include "util/lock.h"

#include <sys/socket.h>

enum {
    MW_PAGE = RAM_PAGE_SIZE,
    MW_PAGES = 1024,
    MW_SMALL = 3,
};

typedef struct MwWorld {
    Memory mem;
    RamBlock *rb, *small; /* "pc.ram", "small" */
    RamLoad *load;
    MultifdRecv *recv;
    unsigned nchannels;
} MwWorld;

static inline RamBlock *mw_block(MwWorld *w, const char *name, uint64_t pages)
{
    RamBlockOptions o = { .size = pages * MW_PAGE };
    GError *err = NULL;
    RamBlock *rb = ram_block_new(&w->mem.ram, name, &o, &err);

    g_assert_no_error(err);
    return rb;
}

static inline void mw_put_entry(GByteArray *b, const RamBlock *rb)
{
    uint8_t len = strlen(rb->name), be[8];

    stq_be_p(be, rb->used_length);
    g_byte_array_append(b, &len, 1);
    g_byte_array_append(b, (const uint8_t *)rb->name, len);
    g_byte_array_append(b, be, 8);
}

/* The list of blocks has been read. */
static inline void mw_list(MwWorld *w)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(StreamIn) in = NULL;
    GError *err = NULL;
    uint8_t be[8];

    stq_be_p(be,
             (w->rb->used_length + w->small->used_length) | RAM_REC_MEM_SIZE);
    g_byte_array_append(b, be, 8);
    mw_put_entry(b, w->rb);
    mw_put_entry(b, w->small);
    stq_be_p(be, RAM_REC_EOS);
    g_byte_array_append(b, be, 8);
    in = stream_in_new_mem(b->data, b->len);
    g_assert_true(ram_load_section(w->load, in, &err));
    g_assert_no_error(err);
}

static inline void mw_init(MwWorld *w, unsigned nchannels, uint32_t packed)
{
    const MultifdRecvOptions opts = { .nchannels = nchannels,
                                      .packed = packed,
                                      .wait_ns = 100 * NS_PER_S };
    GError *err = NULL;
    VM_LOCK_GUARD();

    memset(w, 0, sizeof(*w));
    memory_init(&w->mem);
    w->rb = mw_block(w, "pc.ram", MW_PAGES);
    w->small = mw_block(w, "small", MW_SMALL);
    w->load = ram_load_new(&w->mem);
    w->nchannels = nchannels;
    w->recv = multifd_recv_new(&opts, &err);
    g_assert_no_error(err);
    mw_list(w);
    multifd_recv_set_ram(w->recv, w->load);
}

static inline void mw_fini(MwWorld *w)
{
    multifd_recv_free(w->recv);
    VM_LOCK_GUARD();
    ram_load_free(w->load);
    ram_block_free(&w->mem.ram, w->rb);
    ram_block_free(&w->mem.ram, w->small);
    memory_fini(&w->mem);
}

/* The other end of a new channel. */
static inline IoChannel *mw_connect(MwWorld *w)
{
    IoChannel *ch[2];
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==,
                    0);
    for (int i = 0; i < 2; i++) {
        ch[i] = io_channel_new_socket(fds[i], "test", NULL);
        g_assert_nonnull(ch[i]);
    }
    multifd_recv_add(w->recv, ch[1]);
    return ch[0];
}

#endif
