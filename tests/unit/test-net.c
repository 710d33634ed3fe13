/*
 * Networks: ports in pairs, back-pressure, links, hubs, options, and frames
 * over sockets from peers that keep the rules and from those that don't.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/socket.h>

#include "net/announce.h"
#include "net/filter.h"
#include "net/net.h"
#include "net/netdev-opts.h"
#include "net/stream.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/iov.h"
#include "util/lock.h"

/* A port that notes what it gets, and takes `room` packets before "later". */
typedef struct TestPort {
    NetPort port;
    unsigned room, ngot, nresumed, nchanged;
    size_t last_len;
    uint8_t last[NET_PACKET_MAX];
    bool last_vnet;
} TestPort;

static TestPort *test_of(NetPort *p)
{
    return container_of(p, TestPort, port);
}

static bool test_receive(NetPort *p, const NetPacket *pkt)
{
    TestPort *t = test_of(p);

    if (t->room == 0) {
        return false;
    }
    t->room--;
    t->ngot++;
    t->last_len = iov_to_buf(pkt->iov, pkt->niov, 0, t->last, pkt->size);
    t->last_vnet = pkt->vnet != NULL;
    return true;
}

static void test_resume(NetPort *p, unsigned queue)
{
    test_of(p)->nresumed++;
}

static void test_changed(NetPort *p)
{
    test_of(p)->nchanged++;
}

static const NetPortOps test_nic_ops = {
    .type = "nic",
    .is_nic = true,
    .receive = test_receive,
    .resume = test_resume,
    .peer_changed = test_changed,
};

static const NetPortOps test_back_ops = {
    .type = "test",
    .receive = test_receive,
    .resume = test_resume,
    .peer_changed = test_changed,
};

static TestPort *port_new(Networks *nets, const char *name, bool is_nic)
{
    TestPort *t = g_new0(TestPort, 1);

    t->room = UINT_MAX;
    net_port_init(&t->port, nets, is_nic ? &test_nic_ops : &test_back_ops,
                  is_nic ? "toy" : "test", name, 1);
    return t;
}

static void port_free(TestPort *t)
{
    net_port_fini(&t->port);
    g_free(t);
}

static void test_pair(void)
{
    Networks *nets = networks_new(NULL);
    TestPort *a = port_new(nets, NULL, true), *b = port_new(nets, "b", false);
    uint8_t frame[60] = { 1, 2, 3 };

    g_assert_cmpstr(a->port.name, ==, "toy.0");
    /* Nobody there: it is lost, not kept. */
    g_assert_true(net_send_buf(&a->port, frame, sizeof(frame)));
    net_port_join(&a->port, &b->port);
    g_assert_cmpuint(a->nchanged, ==, 1);
    g_assert_cmpuint(b->nchanged, ==, 1);
    g_assert_true(net_send_buf(&a->port, frame, sizeof(frame)));
    g_assert_cmpuint(b->ngot, ==, 1);
    g_assert_cmpmem(b->last, b->last_len, frame, sizeof(frame));

    /* Later: the sender keeps it, and is told. */
    b->room = 0;
    a->nresumed = 0;
    g_assert_false(net_send_buf(&a->port, frame, sizeof(frame)));
    g_assert_cmpuint(b->ngot, ==, 1);
    b->room = 1;
    net_port_ready(&b->port, 0);
    g_assert_cmpuint(a->nresumed, ==, 1);

    /* Nothing, and too much, are never handed on. */
    g_assert_true(net_send_buf(&a->port, frame, 0));
    g_assert_cmpuint(b->ngot, ==, 1);
    port_free(b);
    g_assert_null(a->port.peer);
    port_free(a);
    networks_free(nets);
}

static void test_queued(void)
{
    Networks *nets = networks_new(NULL);
    TestPort *a = port_new(nets, "a", false), *b = port_new(nets, "b", true);
    uint8_t frame[100];
    struct iovec iov[] = { { frame, 30 }, { frame + 30, 70 } };
    NetPacket pkt = { .iov = iov, .niov = 2, .size = sizeof(frame) };

    for (unsigned i = 0; i < sizeof(frame); i++) {
        frame[i] = i;
    }
    net_port_join(&a->port, &b->port);
    b->room = 0;
    net_send_queued(&a->port, &pkt);
    frame[0] = 0xff; /* it was copied */
    net_send_queued(&a->port, &pkt);
    g_assert_false(net_out_empty(&a->port));
    b->room = 1;
    a->nresumed = 0;
    net_port_ready(&b->port, 0);
    g_assert_cmpuint(b->ngot, ==, 1);
    g_assert_cmpuint(b->last[0], ==, 0);
    g_assert_cmpuint(a->nresumed, ==, 0);
    b->room = UINT_MAX;
    net_port_ready(&b->port, 0);
    g_assert_cmpuint(b->ngot, ==, 2);
    g_assert_cmpuint(b->last[0], ==, 0xff);
    g_assert_cmpuint(b->last[99], ==, 99);
    g_assert_cmpuint(a->nresumed, ==, 1);
    g_assert_true(net_out_empty(&a->port));

    /* What waits has an end. */
    b->room = 0;
    for (unsigned i = 0; i < 100000; i++) {
        net_send_queued(&a->port, &pkt);
    }
    g_assert_cmpuint(a->port.out.packets.length, <, 100000);
    b->room = UINT_MAX;
    net_port_ready(&b->port, 0);
    g_assert_true(net_out_empty(&a->port));
    port_free(a);
    port_free(b);
    networks_free(nets);
}

static void test_link(void)
{
    Networks *nets = networks_new(NULL);
    TestPort *nic = port_new(nets, "nic", true);
    TestPort *back = port_new(nets, "back", false);
    uint8_t frame[60] = { 0 };

    net_port_join(&nic->port, &back->port);
    g_assert_true(net_port_is_connected(&nic->port));
    nic->nchanged = 0;
    /* A back end's cable is the card's. */
    net_port_set_link(&back->port, false);
    g_assert_true(nic->port.link_down);
    g_assert_cmpuint(nic->nchanged, ==, 1);
    g_assert_true(net_send_buf(&nic->port, frame, sizeof(frame)));
    g_assert_true(net_send_buf(&back->port, frame, sizeof(frame)));
    g_assert_cmpuint(nic->ngot + back->ngot, ==, 0);
    net_port_set_link(&back->port, true);
    g_assert_true(net_port_is_connected(&nic->port));
    net_port_set_link(&nic->port, false);
    g_assert_false(back->port.link_down);
    /* Who is told "later" isn't left waiting for a link that goes. */
    net_port_set_link(&nic->port, true);
    nic->room = 0;
    g_assert_false(net_send_buf(&back->port, frame, sizeof(frame)));
    back->nresumed = 0;
    net_port_set_link(&nic->port, false);
    g_assert_cmpuint(back->nresumed, >, 0);
    g_assert_true(net_send_buf(&back->port, frame, sizeof(frame)));
    port_free(nic);
    port_free(back);
    networks_free(nets);
}

static void test_offloads(void)
{
    Networks *nets = networks_new(NULL);
    TestPort *a = port_new(nets, "a", true), *b = port_new(nets, "b", false);

    net_port_join(&a->port, &b->port);
    b->nchanged = 0;
    net_port_set_takes(&a->port, NET_OFFLOAD_CSUM);
    g_assert_cmpuint(b->nchanged, ==, 1);
    /* Both have to know the header. */
    g_assert_cmphex(net_port_peer_takes(&b->port), ==, 0);
    a->port.has_vnet = true;
    g_assert_cmphex(net_port_peer_takes(&b->port), ==, 0);
    b->port.has_vnet = true;
    g_assert_cmphex(net_port_peer_takes(&b->port), ==, NET_OFFLOAD_CSUM);
    port_free(a);
    port_free(b);
    networks_free(nets);
}

static void test_hub(void)
{
    Networks *nets = networks_new(NULL);
    TestPort *p[3];
    uint8_t frame[64] = { 7 };
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < 3; i++) {
        p[i] = port_new(nets, NULL, i != 1);
        net_port_join(&p[i]->port, net_hub_add_port(nets, 0, NULL));
    }
    g_assert_true(net_send_buf(&p[0]->port, frame, sizeof(frame)));
    g_assert_cmpuint(p[0]->ngot, ==, 0);
    g_assert_cmpuint(p[1]->ngot, ==, 1);
    g_assert_cmpuint(p[2]->ngot, ==, 1);
    /* A slow one holds up nobody, and loses nothing at first. */
    p[2]->room = 0;
    for (unsigned i = 0; i < 10; i++) {
        g_assert_true(net_send_buf(&p[0]->port, frame, sizeof(frame)));
    }
    g_assert_cmpuint(p[1]->ngot, ==, 11);
    g_assert_cmpuint(p[2]->ngot, ==, 1);
    p[2]->room = UINT_MAX;
    net_port_ready(&p[2]->port, 0);
    g_assert_cmpuint(p[2]->ngot, ==, 11);
    networks_print(nets, text);
    g_assert_cmpstr(text->str, ==,
                    "hub 0\n"
                    " \\ hub0port2: toy.1: index=0,type=nic,model=toy,"
                    "macaddr=00:00:00:00:00:00\n"
                    " \\ hub0port1: test.0: index=0,type=test,\n"
                    " \\ hub0port0: toy.0: index=0,type=nic,model=toy,"
                    "macaddr=00:00:00:00:00:00\n");
    for (unsigned i = 0; i < 3; i++) {
        port_free(p[i]);
    }
    networks_free(nets);
}

/* Two hubs with two cables between them: a circle ends by itself. */
static void test_hub_circle(void)
{
    Networks *nets = networks_new(NULL);
    TestPort *a = port_new(nets, NULL, true);
    uint8_t frame[64] = { 0 };

    net_port_join(&a->port, net_hub_add_port(nets, 0, NULL));
    for (unsigned i = 0; i < 2; i++) {
        net_port_join(net_hub_add_port(nets, 0, NULL),
                      net_hub_add_port(nets, 1, NULL));
    }
    g_assert_true(net_send_buf(&a->port, frame, sizeof(frame)));
    port_free(a);
    networks_free(nets);
}

/* ------------------------------------------------------------- filters --- */

typedef struct TestFilter {
    NetFilter f;
    NetVerdict verdict;
    unsigned nseen, order;
    unsigned *counter;
} TestFilter;

static NetVerdict test_filter_packet(NetFilter *f, NetDirection dir,
                                     const NetPacket *pkt)
{
    TestFilter *t = container_of(f, TestFilter, f);

    t->nseen++;
    t->order = (*t->counter)++;
    return t->verdict;
}

static const NetFilterOps test_filter_ops = { .packet = test_filter_packet };

static void test_filters(void)
{
    Networks *nets = networks_new(NULL);
    TestPort *nic = port_new(nets, "nic", true);
    TestPort *back = port_new(nets, "back", false);
    TestFilter f[2] = { 0 };
    uint8_t frame[60] = { 0 };
    unsigned counter = 0, seen;

    net_port_join(&nic->port, &back->port);
    for (unsigned i = 0; i < 2; i++) {
        f[i].f.ops = &test_filter_ops;
        f[i].f.on = true;
        f[i].f.port = &back->port;
        f[i].f.link.data = &f[i].f;
        f[i].counter = &counter;
        g_queue_push_tail_link(&back->port.filters, &f[i].f.link);
    }
    /* To the back end in their order, from it in the opposite one. */
    g_assert_true(net_send_buf(&nic->port, frame, sizeof(frame)));
    g_assert_cmpuint(f[0].order, <, f[1].order);
    g_assert_cmpuint(back->ngot, ==, 1);
    g_assert_true(net_send_buf(&back->port, frame, sizeof(frame)));
    g_assert_cmpuint(f[0].order, >, f[1].order);
    g_assert_cmpuint(nic->ngot, ==, 1);
    /* One of a single direction, one that is off, one that takes it. */
    f[0].f.direction = NET_DIRECTION_TX;
    f[1].f.on = false;
    g_assert_true(net_send_buf(&nic->port, frame, sizeof(frame)));
    g_assert_cmpuint(f[0].nseen + f[1].nseen, ==, 4);
    g_assert_cmpuint(back->ngot, ==, 2);
    f[0].verdict = NET_TAKEN;
    g_assert_true(net_send_buf(&back->port, frame, sizeof(frame)));
    g_assert_cmpuint(nic->ngot, ==, 1);
    f[0].verdict = NET_LATER;
    g_assert_false(net_send_buf(&back->port, frame, sizeof(frame)));
    /* What they let pass isn't shown to them again. */
    f[0].verdict = NET_PASS;
    nic->room = 0;
    seen = f[0].nseen;
    g_assert_true(net_send_buf(&back->port, frame, sizeof(frame)));
    g_assert_false(net_send_buf(&back->port, frame, sizeof(frame)));
    nic->room = UINT_MAX;
    net_port_ready(&nic->port, 0);
    g_assert_cmpuint(nic->ngot, ==, 2);
    g_assert_cmpuint(f[0].nseen, ==, seen + 1);
    port_free(back);
    g_assert_null(f[0].f.port);
    port_free(nic);
    networks_free(nets);
}

/* -------------------------------------------------------- announcements --- */

/* All tests run with vm_lock, which main() takes. */
NO_TSA static void turn_main_loop(void)
{
    vm_lock_release();
    g_main_context_iteration(NULL, TRUE);
    vm_lock_acquire();
}

static void test_announce(void)
{
    static const VmHooks no_hooks;
    static const uint8_t head[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52,
                                    0x54, 0,    1,    2,    3,    0x80, 0x35 };
    static const char *const other[] = { "nobody", NULL };
    NetAnnounce how = {
        .initial_ms = 1, .max_ms = 2, .step_ms = 1, .rounds = 1
    };
    Vm *vm = vm_new(&no_hooks);
    Networks *nets = networks_new(vm);
    TestPort *nic = port_new(nets, "nic", true);
    TestPort *back = port_new(nets, "back", false);

    nic->port.mac = (NetMac){ { 0x52, 0x54, 0, 1, 2, 3 } };
    net_port_join(&nic->port, &back->port);
    net_announce_start(nets, &how, other, NULL);
    g_assert_cmpuint(back->ngot, ==, 0);
    net_announce_start(nets, &how, NULL, NULL);
    g_assert_cmpuint(back->ngot, ==, 1);
    g_assert_cmpuint(back->last_len, ==, 60);
    g_assert_cmpmem(back->last, sizeof(head), head, sizeof(head));
    /* The first at once, the others in their time; two jobs at a time. */
    how.rounds = 3;
    net_announce_start(nets, &how, NULL, "a");
    net_announce_start(nets, &how, NULL, "b");
    g_assert_cmpuint(back->ngot, ==, 3);
    while (back->ngot < 7) {
        turn_main_loop();
    }
    /* One that is replaced, and one that goes with its network. */
    how.initial_ms = 100000;
    how.max_ms = 100000;
    net_announce_start(nets, &how, NULL, "a");
    net_announce_start(nets, &how, NULL, "a");
    g_assert_cmpuint(back->ngot, ==, 9);
    port_free(nic);
    port_free(back);
    networks_free(nets);
    vm_free(vm);
}

/* ------------------------------------------------------------- options --- */

static void give_announce(void *opaque, NetAnnounce *ret)
{
    unsigned *nasked = opaque;

    ++*nasked;
    *ret = (NetAnnounce){ .rounds = 1 };
}

static void no_event(Vm *vm)
{
}

/* At the first start, if there is anybody; asked for what a guest waits. */
static void test_arrival(void)
{
    static const VmHooks quiet = { .vcpus_pause = no_event,
                                   .vcpus_resume = no_event,
                                   .event_stop = no_event,
                                   .event_resume = no_event };
    unsigned nasked = 0;
    const NetHooks hooks = { .announce_params = give_announce,
                             .opaque = &nasked };
    Vm *vm = vm_new(&quiet);
    Networks *nets = networks_new(vm);
    TestPort *back = port_new(nets, "back", false), *nic;

    networks_set_hooks(nets, &hooks);
    networks_set_incoming(nets);
    vm_start(vm);
    g_assert_cmpuint(nasked, ==, 0);
    vm_stop_force(vm, RUN_STATE_PAUSED);
    nic = port_new(nets, "nic", true);
    net_port_join(&nic->port, &back->port);
    networks_set_incoming(nets);
    vm_start(vm);
    vm_stop_force(vm, RUN_STATE_PAUSED);
    vm_start(vm);
    g_assert_cmpuint(nasked, ==, 1);
    g_assert_cmpuint(back->ngot, ==, 1);
    port_free(nic);
    port_free(back);
    networks_free(nets);
    vm_free(vm);
}

static void test_options(void)
{
    static const struct {
        const char *text, *error;
    } t[] = {
        { "user,id=a", NULL },
        { "type=hubport,id=a,hubid=3", NULL },
        { "user", "Parameter 'id' is missing" },
        { "id=a", "Parameter 'type' is missing" },
        { "vde,id=a", "Parameter 'type': 'vde' is not in this version" },
        { "user,id=a,bar=1", "Invalid parameter 'bar'" },
        { "user,id=a,restrict=maybe", "" },
        { "hubport,id=a", "Parameter 'hubid' is missing" },
        { "hubport,id=a,hubid=x", "" },
        { "stream,id=a", "Parameter 'addr' is missing" },
        { "stream,id=a,addr.type=unix,addr.path=/x,server=on", NULL },
        { "stream,id=a,addr=x,addr.type=unix", "" },
        { "user,id=a,hostfwd=tcp::1-:2,hostfwd=udp::3-:4", NULL },
        { "user,id=a,ipv6-net=fec0::/64", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(KeyVal) kv = keyval_parse(t[i].text, "type", NULL);
        g_autoptr(GError) err = NULL;
        g_autoptr(Netdev) nd = netdev_from_keyval(kv, &err);

        g_test_message("%s: %s", t[i].text, err ? err->message : "fine");
        g_assert_cmpint(nd == NULL, ==, t[i].error != NULL);
        g_assert_cmpint(err != NULL, ==, t[i].error != NULL);
        if (t[i].error != NULL && *t[i].error != '\0') {
            g_assert_cmpstr(err->message, ==, t[i].error);
        }
        if (nd != NULL && nd->type == NET_CLIENT_DRIVER_USER &&
            nd->u.user->hostfwd != NULL) {
            g_assert_cmpuint(nd->u.user->hostfwd->n, ==, 2);
            g_assert_cmpstr(nd->u.user->hostfwd->items[1]->str, ==,
                            "udp::3-:4");
        }
    }
}

static void test_add_errors(void)
{
    static const struct {
        const char *text, *error;
    } t[] = {
        { "socket,id=a", "exactly one of listen=, connect=, mcast= or udp= is "
                         "required" },
        { "socket,id=a,listen=:1,connect=:2",
          "exactly one of listen=, connect=, mcast= or udp= is required" },
        { "socket,id=a,udp=127.0.0.1:9", "localaddr= is mandatory with udp=" },
        { "socket,id=a,mcast=127.0.0.1:9",
          "specified mcastaddr 127.0.0.1:9 does not contain a multicast "
          "address" },
        { "dgram,id=a", "dgram requires local= parameter" },
        { "hubport,id=a,hubid=0,netdev=zz", "netdev 'zz' not found" },
        { "tap,id=a,fd=0,ifname=x",
          "ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, fds=, "
          "and vhostfds= are invalid with fd=" },
        { "tap,id=a,br=br0", "tap: 'br' is not supported: give the interface "
                             "by ifname= or fd=" },
        { "tap,id=a,fd=999", "file descriptor 999: Bad file descriptor" },
        { "tap,id=a,ifname=an-interface-with-a-long-name",
          "ifname=an-interface-with-a-long-name: longer than 15 bytes" },
        { "tap,id=a,queues=0", "queues=0: not 1 to 256" },
        { "stream,id=a,addr.type=fd,addr.str=nix",
          "File descriptor named 'nix' has not been found" },
        { "hubport,id=b,hubid=0", "Duplicate ID 'b' for netdev" },
    };
    Networks *nets = networks_new(NULL);
    TestPort *b = port_new(nets, "b", false);

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(KeyVal) kv = keyval_parse(t[i].text, "type", NULL);
        g_autoptr(Netdev) nd = netdev_from_keyval(kv, NULL);
        g_autoptr(GError) err = NULL;

        g_assert_nonnull(nd);
        g_assert_false(netdev_add(nets, nd, &err));
        g_assert_nonnull(err);
        g_assert_cmpstr(err->message, ==, t[i].error);
        g_assert_null(net_port_find(nets, "a"));
    }
    port_free(b);
    networks_free(nets);
}

/* -------------------------------------------------------------- stream --- */

typedef struct StreamTest {
    Networks *nets;
    TestPort *nic;
    int fd; /* the other end */
} StreamTest;

static void stream_begin(StreamTest *s)
{
    g_autoptr(GError) err = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    s->nets = networks_new(NULL);
    s->nic = port_new(s->nets, "nic", true);
    s->fd = fds[1];
    net_stream_open_fd(s->nets, "st", fds[0], true, &err);
    g_assert_no_error(err);
    net_port_join(&s->nic->port, net_port_find(s->nets, "st"));
}

static void stream_end(StreamTest *s)
{
    port_free(s->nic);
    networks_free(s->nets);
    close(s->fd);
}

static void stream_put(StreamTest *s, uint32_t len, size_t bytes)
{
    g_autofree uint8_t *buf = g_malloc0(4 + bytes);

    stl_be_p(buf, len);
    g_assert_cmpint(write(s->fd, buf, 4 + bytes), ==, (ssize_t)(4 + bytes));
}

/* Turns the main loop until the card has that many. */
static void wait_got(StreamTest *s, unsigned n)
{
    while (s->nic->ngot < n) {
        turn_main_loop();
    }
}

static void test_stream_in(void)
{
    StreamTest s;

    stream_begin(&s);
    stream_put(&s, 0, 0);
    stream_put(&s, 14, 14);
    wait_got(&s, 1);
    g_assert_cmpuint(s.nic->last_len, ==, 14);
    /* Half a frame, and then the rest. */
    stream_put(&s, 100, 40);
    stream_put(&s, 0, 56); /* four bytes of "length" are part of it */
    stream_put(&s, 60, 60);
    wait_got(&s, 3);
    g_assert_cmpuint(s.nic->last_len, ==, 60);
    /* The card can't: nothing is lost. */
    s.nic->room = 1;
    for (unsigned i = 0; i < 5; i++) {
        stream_put(&s, 1000 + i, 1000 + i);
    }
    wait_got(&s, 4);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    g_assert_cmpuint(s.nic->ngot, ==, 4);
    s.nic->room = UINT_MAX;
    net_port_ready(&s.nic->port, 0);
    wait_got(&s, 8);
    g_assert_cmpuint(s.nic->last_len, ==, 1004);
    stream_end(&s);
}

/* 70 000 bytes are no frame, nor is what claims to be 4 GiB. */
static void test_stream_too_long(void)
{
    static const uint32_t lengths[] = { 70000, UINT32_MAX };

    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        StreamTest s;
        uint8_t byte;

        stream_begin(&s);
        stream_put(&s, 60, 60);
        stream_put(&s, lengths[i], 100);
        wait_got(&s, 1);
        while (recv(s.fd, &byte, 1, MSG_DONTWAIT) != 0) {
            g_main_context_iteration(NULL, TRUE);
        }
        g_assert_cmpuint(s.nic->ngot, ==, 1);
        g_assert_true(net_send_buf(&s.nic->port, "x", 1));
        stream_end(&s);
    }
}

static void test_stream_half_then_gone(void)
{
    StreamTest s;

    stream_begin(&s);
    stream_put(&s, 60, 60);
    stream_put(&s, 100, 50);
    shutdown(s.fd, SHUT_WR);
    wait_got(&s, 1);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    g_assert_cmpuint(s.nic->ngot, ==, 1);
    stream_end(&s);
}

/* A peer that doesn't read: "later", and all arrives when it does. */
static void test_stream_out(void)
{
    StreamTest s;
    g_autofree uint8_t *frame = g_malloc0(NET_PACKET_MAX);
    unsigned nsent = 0;
    uint8_t len[4];

    stream_begin(&s);
    frame[0] = 0xaa;
    while (net_send_buf(&s.nic->port, frame, 1 + nsent % 5000)) {
        nsent++;
        g_assert_cmpuint(nsent, <, 1000000);
    }
    s.nic->nresumed = 0;
    for (unsigned i = 0; i < nsent; i++) {
        size_t size = 1 + i % 5000;

        while (recv(s.fd, len, 4, MSG_PEEK | MSG_DONTWAIT) < 4) {
            g_main_context_iteration(NULL, TRUE);
        }
        g_assert_cmpint(recv(s.fd, len, 4, MSG_WAITALL), ==, 4);
        g_assert_cmpuint(ldl_be_p(len), ==, size);
        for (size_t got = 0; got < size;) {
            ssize_t n = recv(s.fd, frame, size - got, MSG_DONTWAIT);

            if (n > 0) {
                got += n;
            } else {
                g_main_context_iteration(NULL, TRUE);
            }
        }
    }
    g_assert_cmpuint(s.nic->nresumed, >, 0);
    stream_end(&s);
}

static void test_mac(void)
{
    NetMac m;

    g_assert_true(net_mac_parse("52:54:00:12:34:56", &m));
    g_assert_cmpuint(m.a[5], ==, 0x56);
    g_assert_true(net_mac_parse("2-4-0-2-4-F", &m));
    g_assert_cmpuint(m.a[5], ==, 0xf);
    g_assert_false(net_mac_parse("52:54:00:12:34", &m));
    g_assert_false(net_mac_parse("52:54:00:12:34:567", &m));
    g_assert_false(net_mac_parse("foo", &m));
    g_assert_false(net_mac_parse("", &m));
}

static void test_sum(void)
{
    /* RFC 1071, section 3 */
    static const uint8_t data[] = { 0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7 };
    struct iovec iov[] = { { (void *)(uintptr_t)data, 3 },
                           { (void *)(uintptr_t)(data + 3), 5 } };

    g_assert_cmphex(net_sum_finish(net_sum(data, 8, false, 0)), ==, 0x220d);
    g_assert_cmphex(net_sum_finish(net_sum_iov(iov, 2, 0, 8)), ==, 0x220d);
}

NO_TSA int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vm_lock_acquire();
    g_test_add_func("/net/pair", test_pair);
    g_test_add_func("/net/queued", test_queued);
    g_test_add_func("/net/link", test_link);
    g_test_add_func("/net/offloads", test_offloads);
    g_test_add_func("/net/hub", test_hub);
    g_test_add_func("/net/hub-circle", test_hub_circle);
    g_test_add_func("/net/filters", test_filters);
    g_test_add_func("/net/announce", test_announce);
    g_test_add_func("/net/arrival", test_arrival);
    g_test_add_func("/net/options", test_options);
    g_test_add_func("/net/add-errors", test_add_errors);
    g_test_add_func("/net/stream/in", test_stream_in);
    g_test_add_func("/net/stream/too-long", test_stream_too_long);
    g_test_add_func("/net/stream/half-then-gone", test_stream_half_then_gone);
    g_test_add_func("/net/stream/out", test_stream_out);
    g_test_add_func("/net/mac", test_mac);
    g_test_add_func("/net/sum", test_sum);
    return g_test_run();
}
