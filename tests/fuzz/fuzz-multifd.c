/*
 * What a multifd channel says: whatever the bytes are, its thread ends, and
 * stores nothing outside the guest's memory.
 *
 * The first byte tells how pages are packed; the rest is what comes behind the
 * greeting and the first packet that says "in step".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/socket.h>

#include "io/socket.h"
#include "migration/multifd-packet.h"
#include "migration/multifd-recv.h"
#include "migration/wire.h"
#include "system/clock.h"
#include "tests/fuzz/fuzz.h"
#include "util/bswap.h"
#include "util/lock.h"

enum {
    PAGES = 16,
    INPUT_MAX = 64 << 10, /* bytes: what a socket takes without a reader */
};

typedef struct World {
    Memory mem;
    RamBlock *rb;
    RamLoad *load;
} World;

/* The list of the one block. */
static void load_list(World *w)
{
    uint8_t list[8 + 1 + 6 + 8 + 8] = { 0 };
    g_autoptr(StreamIn) in = stream_in_new_mem(list, sizeof(list));

    stq_be_p(list, w->rb->used_length | RAM_REC_MEM_SIZE);
    list[8] = strlen(w->rb->name);
    memcpy(list + 9, w->rb->name, list[8]);
    stq_be_p(list + 15, w->rb->used_length);
    stq_be_p(list + 23, RAM_REC_EOS);
    if (!ram_load_section(w->load, in, NULL)) {
        fuzz_fail("the list was refused");
    }
}

static World *world_get(void)
{
    const RamBlockOptions o = { .size = PAGES * RAM_PAGE_SIZE };
    static World *w;
    VM_LOCK_GUARD();

    if (w != NULL) {
        return w;
    }
    w = g_new0(World, 1);
    memory_init(&w->mem);
    w->rb = ram_block_new(&w->mem.ram, "pc.ram", &o, NULL);
    if (w->rb == NULL) {
        fuzz_fail("no memory");
    }
    w->load = ram_load_new(&w->mem);
    load_list(w);
    return w;
}

static void say(int fd, const void *data, size_t len)
{
    if (send(fd, data, len, MSG_NOSIGNAL) < 0 && errno != EPIPE) {
        fuzz_fail("cannot write: %s", g_strerror(errno));
    }
}

static void say_all(int fd, const uint8_t *data, size_t len)
{
    const MultifdGreeting greeting = { .id = 0 };
    static const MultifdPacket sync = { .flags = MULTIFD_SYNC };
    uint8_t buf[MULTIFD_HEADER_LEN];

    multifd_greeting_put(&greeting, buf);
    say(fd, buf, MULTIFD_GREETING_LEN);
    multifd_packet_put(&sync, buf);
    say(fd, buf, sizeof(buf));
    say(fd, data, len);
    shutdown(fd, SHUT_WR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    MultifdRecvOptions opts = { .nchannels = 1, .wait_ns = 10 * NS_PER_S };
    World *w = world_get();
    GError *err = NULL;
    MultifdRecv *mr;
    int fds[2];

    if (len < 1 || len > INPUT_MAX) {
        return 0;
    }
    opts.packed = data[0] % 3 << 1;
    mr = multifd_recv_new(&opts, NULL);
    if (mr == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) {
        fuzz_fail("no descriptors");
    }
    multifd_recv_set_ram(mr, w->load);
    say_all(fds[0], data + 1, len - 1);
    multifd_recv_add(mr, io_channel_new_socket(fds[1], "fuzz", NULL));
    /* Until it has ended: as often as it says that it is in step. */
    while (multifd_recv_sync(mr, &err)) {
    }
    if (err == NULL) {
        fuzz_fail("neither in step nor an error");
    }
    g_error_free(err);
    multifd_recv_free(mr);
    close(fds[0]);
    return 0;
}
