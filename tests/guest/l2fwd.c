/*
 * Forward packets between two virtio-net cards, as DPDK's l2fwd does: polled,
 * without copies, source and destination address swapped.
 *
 * Packets that the other card has no room for yet stay where they are, so
 * this guest loses none: what its receive queue has no room for, whoever
 * sends it has to count. With `rate` it also rewrites and checks memory, one
 * page at a time, between bursts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-net.h"

enum {
    MAX_CARDS = 2,
    BURST = 32,
    MIN_FRAME = 14, /* Ethernet header */
};

/* Buffers of one CPU that are in no ring; the last in is the first out. */
typedef struct Pool {
    uint64_t *buffers;
    uint32_t count;
} Pool;

static struct {
    NetCard cards[MAX_CARDS];
    unsigned ncards;
    Pool pools[NET_MAX_QUEUES];
} net;

/* Each descriptor of a receive and a transmit ring may hold one. */
static uint64_t buffers_per_cpu(void)
{
    return MAX_CARDS * 2 * config.ring;
}

uint64_t l2fwd_memory(void)
{
    uint64_t per_buffer = config.buffer + sizeof(uint64_t);

    if (config.mode != MODE_L2FWD) {
        return 0;
    }
    return MAX_CARDS * net_card_memory(config.queues, config.ring) +
           config.queues * (buffers_per_cpu() * per_buffer + 2ull * PAGE_SIZE);
}

static void pool_init(Pool *pool)
{
    uint64_t n = buffers_per_cpu();
    uint8_t *memory;

    pool->buffers = memory_take(n * sizeof(uint64_t), sizeof(uint64_t));
    memory = memory_take(n * config.buffer, PAGE_SIZE);
    for (uint64_t i = 0; i < n; i++) {
        pool->buffers[pool->count++] = (uintptr_t)memory + i * config.buffer;
    }
}

static void receive_into(Virtq *rx, uint16_t id, uint64_t buffer)
{
    rx->desc[id].addr = buffer;
    virtq_put(rx, id);
}

static void fill_receive(Virtq *rx, Pool *pool)
{
    for (uint16_t i = 0; i < rx->size; i++) {
        rx->desc[i] = (VirtqDesc){ .len = config.buffer, .flags = VIRTQ_WRITE };
        receive_into(rx, i, pool->buffers[--pool->count]);
    }
    virtq_publish(rx);
}

void l2fwd_init(void)
{
    if (config.buffer % 8) {
        say("FAIL config buffer=%u: not a multiple of 8", config.buffer);
        config.buffer &= -8ull;
    }
    for (unsigned i = 0; i < config.queues; i++) {
        pool_init(&net.pools[i]);
    }
    while (net.ncards < MAX_CARDS &&
           net_card_start(&net.cards[net.ncards], net.ncards)) {
        NetCard *card = &net.cards[net.ncards];

        for (unsigned q = 0; q < card->queues; q++) {
            fill_receive(&card->rx[q], &net.pools[q]);
        }
        say("card %u devfn=%x features=%x ring=%u,%u queues=%u",
            (uint64_t)net.ncards, (uint64_t)card->devfn, card->features,
            (uint64_t)card->rx[0].size, (uint64_t)card->tx[0].size,
            (uint64_t)card->queues);
        net.ncards++;
    }
    if (!net.ncards) {
        say("FAIL net: no card");
    }
}

/* ---- forwarding -------------------------------------------------------- */

/* Take back what the device has sent. */
static bool reclaim(Virtq *tx, Pool *pool)
{
    uint16_t n = virtq_pending(tx);

    for (uint16_t i = 0; i < n; i++) {
        uint16_t id = tx->used->ring[tx->last_used++ & (tx->size - 1)].id;
        uint16_t last = id & (tx->size - 1);

        pool->buffers[pool->count++] = tx->desc[last].addr;
        tx->nfree++;
        while (tx->desc[last].flags & VIRTQ_NEXT) {
            last = tx->desc[last].next & (tx->size - 1);
            pool->buffers[pool->count++] = tx->desc[last].addr;
            tx->nfree++;
        }
        tx->desc[last].next = tx->free_head;
        tx->free_head = id;
    }
    return n;
}

static void swap_addresses(uint64_t buffer)
{
    volatile uint32_t *w = (volatile uint32_t *)(buffer + NET_HEADER);
    uint32_t a = w[0], b = w[1], c = w[2];

    /* Six bytes each: words of the first, both, and the second. */
    w[0] = b >> 16 | c << 16;
    w[1] = c >> 16 | a << 16;
    w[2] = a >> 16 | b << 16;
}

static uint16_t get16(uint64_t at)
{
    return __builtin_bswap16(*(const uint16_t *)at);
}

static void swap32(uint64_t a, uint64_t b)
{
    uint32_t *x = (uint32_t *)a, *y = (uint32_t *)b, t = *x;

    *x = *y;
    *y = t;
}

static void copy_address(uint64_t to, const uint8_t *from)
{
    for (unsigned i = 0; i < 6; i++) {
        ((uint8_t *)to)[i] = from[i];
    }
}

/*
 * Answer for every IPv4 address: ARP (RFC 826) by ours, UDP datagrams with
 * addresses and ports swapped, which leaves their checksums right.
 */
static void echo(const NetCard *card, uint64_t buffer, uint32_t len)
{
    enum { ARP = 0x0806, IPV4 = 0x0800, REPLY = 0x0200, UDP = 17 };
    uint64_t type = buffer + NET_HEADER + 12, body = type + 2;
    uint16_t *ports = (uint16_t *)(body + 20), port;

    if (len < NET_HEADER + MIN_FRAME + 28) {
        return;
    }
    if (get16(type) == ARP) {
        *(uint16_t *)(body + 6) = REPLY;
        copy_address(body + 18, (const uint8_t *)body + 8);
        swap32(body + 14, body + 24);
        copy_address(body + 8, card->mac);
        copy_address(type - 6, card->mac);
    } else if (get16(type) == IPV4 && *(uint8_t *)body == 0x45 &&
               *(uint8_t *)(body + 9) == UDP) {
        swap32(body + 12, body + 16);
        port = ports[0];
        ports[0] = ports[1];
        ports[1] = port;
    }
}

static VirtqUsedElem received(const Virtq *rx, unsigned i)
{
    VirtqUsedElem e = rx->used->ring[(rx->last_used + i) & (rx->size - 1)];

    e.id &= rx->size - 1;
    if (e.len > config.buffer) {
        e.len = config.buffer;
    }
    return e;
}

/* The next frame's number of buffers; 0: all of it is not there yet. */
static unsigned frame_buffers(const NetCard *card, Virtq *rx, uint16_t pending)
{
    VirtqUsedElem e = received(rx, 0);
    const uint16_t *header = (const uint16_t *)rx->desc[e.id].addr;
    uint16_t n = card->mergeable ? header[NET_HEADER / 2 - 1] : 1;

    if (n == 0 || n > rx->size) {
        rx->bad++;
        say("FAIL net devfn=%x num_buffers=%u", (uint64_t)card->devfn,
            (uint64_t)n);
        return 1;
    }
    return n > pending ? 0 : n;
}

/* Put a frame's buffers into the other ring, fresh ones into their place. */
static void move_frame(const NetCard *in, Virtq *rx, Virtq *tx, unsigned n,
                       Pool *pool)
{
    uint16_t head = tx->free_head, id = head;

    for (unsigned i = 0; i < n; i++) {
        VirtqUsedElem e = received(rx, i);
        uint64_t buffer = rx->desc[e.id].addr;
        VirtqDesc *desc = &tx->desc[id];

        if (i == 0) {
            swap_addresses(buffer);
            if (config.echo) {
                echo(in, buffer, e.len);
            }
            /* No offloads either way, and 0 buffers: 5.1.6.2. */
            *(uint64_t *)buffer = 0;
            *(uint32_t *)(buffer + 8) = 0;
        }
        id = desc->next;
        desc->addr = buffer;
        desc->len = e.len;
        desc->flags = i + 1 < n ? VIRTQ_NEXT : 0;
        receive_into(rx, e.id, pool->buffers[--pool->count]);
    }
    tx->free_head = id;
    tx->nfree -= n;
    rx->last_used += n;
    virtq_put(tx, head);
    rx->frames++;
    tx->frames++;
}

/* Give a frame's buffers back to the device: nothing to forward. */
static void drop_frame(Virtq *rx, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        virtq_put(rx, received(rx, i).id);
    }
    rx->last_used += n;
    rx->bad++;
}

/* Fetch the addresses of a burst's frames, which the device's CPU has. */
static void prefetch(const Virtq *rx, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t buffer = rx->desc[received(rx, i).id].addr;

        __asm__ volatile("prefetchw (%0)" ::"r"(buffer));
    }
}

/* A burst from one card to the other; whether there was anything to do. */
static bool forward(NetCard *in, NetCard *out, unsigned queue)
{
    Virtq *rx = &in->rx[queue], *tx = &out->tx[queue];
    Pool *pool = &net.pools[queue];
    bool busy = reclaim(tx, pool);
    uint16_t ready = virtq_pending(rx);

    prefetch(rx, ready < BURST ? ready : BURST);
    for (unsigned i = 0; i < BURST; i++) {
        uint16_t pending = virtq_pending(rx);
        unsigned n = pending ? frame_buffers(in, rx, pending) : 0;

        if (!n || (n > tx->nfree && n <= tx->size)) {
            break;
        }
        if (received(rx, 0).len < NET_HEADER + MIN_FRAME || n > tx->size) {
            drop_frame(rx, n);
        } else {
            move_frame(in, rx, tx, n, pool);
        }
        busy = true;
    }
    if (busy) {
        virtq_publish(rx);
        virtq_publish(tx);
    }
    return busy;
}

void l2fwd_run(Cpu *cpu)
{
    unsigned queue = cpu->id;

    if (cpu->npages) {
        load_pattern_start(cpu);
    }
    for (;;) {
        bool busy = false;

        for (unsigned i = 0; i < net.ncards; i++) {
            busy |=
                forward(&net.cards[i], &net.cards[net.ncards - 1 - i], queue);
        }
        if (!busy) {
            cpu_relax();
        }
        heartbeat(cpu);
        if (cpu->npages && load_due(cpu)) {
            load_pattern_turn(cpu);
        }
    }
}

void l2fwd_print_state(void)
{
    for (unsigned i = 0; i < net.ncards; i++) {
        const NetCard *card = &net.cards[i];
        uint64_t rx = 0, tx = 0, bad = 0, kicks = 0;

        for (unsigned q = 0; q < card->queues; q++) {
            rx += card->rx[q].frames;
            tx += card->tx[q].frames;
            bad += card->rx[q].bad;
            kicks += card->rx[q].kicks + card->tx[q].kicks;
        }
        say("net card=%u rx=%u tx=%u bad=%u kicks=%u", (uint64_t)i, rx, tx, bad,
            kicks);
    }
}
