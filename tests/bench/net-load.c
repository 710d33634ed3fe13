/*
 * Frames to a guest that sends each of them back (mode=l2fwd with one card),
 * through the network back ends that need no DPDK: how many per second.
 *
 *     net-load stream HOST PORT   -netdev socket,listen=: connect to it
 *     net-load dgram LOCAL REMOTE -netdev dgram with unix sockets
 *     net-load tap INTERFACE      the host's side of a tap device
 *     net-load udp HOST PORT      -netdev user,hostfwd=udp: (guest: echo=1)
 *
 * then SECONDS and BYTES, the size of a frame on the wire. Prints a line of
 * JSON. A window of frames is under way at any time; when nothing has come
 * back for a while they count as lost.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/bench/l2gen/frame.h"
#include "tests/bench/l2gen/histogram.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

enum {
    WINDOW = 256,
    BURST = 32,
    LENGTH = 4, /* before each frame on a stream, most significant first */
    QUIET_MS = 200,
    STREAM_BUFFER = 1 << 18,
    ETHERTYPE_ALL = 3, /* linux/if_ether.h: ETH_P_ALL */
};

typedef struct Load {
    int fd;
    bool stream;
    unsigned size; /* without FCS */
    uint64_t sent, received, lost, bad;
    unsigned under_way;
    Histogram latency; /* ns */

    /* Datagrams of a burst. */
    uint8_t frames[BURST][LENGTH + FRAME_MAX];
    struct iovec iov[BURST];
    struct mmsghdr msgs[BURST];

    /* A stream: what has not gone out, what is not a whole frame yet. */
    uint8_t out[BURST * (LENGTH + FRAME_MAX)];
    size_t out_start, out_end;
    uint8_t in[STREAM_BUFFER];
    size_t in_end;
} Load;

static uint64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "net-load: %s: %s\n", what, g_strerror(errno));
    exit(1);
}

/* ---- sockets ------------------------------------------------------------ */

static struct sockaddr_in inet_address(const char *host, const char *port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    uint64_t number = 0;

    if (inet_pton(AF_INET, host, &addr.sin_addr) != 1 ||
        !g_ascii_string_to_unsigned(port, 10, 1, 65535, &number, NULL)) {
        errno = EINVAL;
        die(port);
    }
    addr.sin_port = htons(number);
    return addr;
}

static int open_inet(int type, const char *host, const char *port)
{
    struct sockaddr_in addr = inet_address(host, port);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
        die(port);
    }
    if (type == SOCK_STREAM) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    return fd;
}

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        die(path);
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    return addr;
}

static int open_dgram(const char *local, const char *remote)
{
    struct sockaddr_un from = unix_address(local), to = unix_address(remote);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)unlink(local);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
        connect(fd, (struct sockaddr *)&to, sizeof(to))) {
        die(remote);
    }
    return fd;
}

static int open_tap(const char *name)
{
    struct sockaddr_ll addr = { .sll_family = AF_PACKET,
                                .sll_protocol = htons(ETHERTYPE_ALL),
                                .sll_ifindex = (int)if_nametoindex(name) };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || !addr.sll_ifindex ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
        die(name);
    }
    return fd;
}

/* ---- frames ------------------------------------------------------------- */

static void handle_frame(Load *l, const uint8_t *frame, size_t size)
{
    FrameHead head;

    if (frame_type(frame, size) != ETHERTYPE_TEST) {
        return; /* the host's own noise */
    }
    if (!frame_read(frame, size, &head)) {
        l->bad++;
        return;
    }
    histogram_add(&l->latency, now_ns() - head.sent);
    l->received++;
    l->under_way -= l->under_way > 0;
}

static void write_frame(Load *l, uint8_t *at, unsigned i)
{
    frame_write(at, &(FrameHead){ .length = l->size,
                                  .number = l->sent + i,
                                  .sent = now_ns() });
}

static void send_stream(Load *l, unsigned n)
{
    ssize_t done;

    if (l->out_start == l->out_end) {
        l->out_start = l->out_end = 0;
        for (unsigned i = 0; i < n; i++) {
            uint32_t length = htonl(l->size);

            memcpy(l->out + l->out_end, &length, LENGTH);
            write_frame(l, l->out + l->out_end + LENGTH, i);
            l->out_end += LENGTH + l->size;
        }
        l->sent += n;
        l->under_way += n;
    }
    done = send(l->fd, l->out + l->out_start, l->out_end - l->out_start,
                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno != EAGAIN) {
        die("send");
    }
    l->out_start += done > 0 ? done : 0;
}

static void send_datagrams(Load *l, unsigned n)
{
    int done;

    for (unsigned i = 0; i < n; i++) {
        write_frame(l, l->frames[i], i);
        l->iov[i].iov_len = l->size;
    }
    done = sendmmsg(l->fd, l->msgs, n, MSG_DONTWAIT);
    if (done < 0 && errno != EAGAIN && errno != ENOBUFS) {
        die("send");
    }
    l->sent += done > 0 ? done : 0;
    l->under_way += done > 0 ? done : 0;
}

static void receive_stream(Load *l)
{
    ssize_t got =
        recv(l->fd, l->in + l->in_end, sizeof(l->in) - l->in_end, MSG_DONTWAIT);
    size_t at = 0;
    uint32_t length;

    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        die("receive");
    }
    l->in_end += got > 0 ? got : 0;
    while (l->in_end - at >= LENGTH) {
        memcpy(&length, l->in + at, LENGTH);
        length = ntohl(length);
        if (length > FRAME_MAX) {
            errno = EPROTO;
            die("receive");
        }
        if (l->in_end - at - LENGTH < length) {
            break;
        }
        handle_frame(l, l->in + at + LENGTH, length);
        at += LENGTH + length;
    }
    memmove(l->in, l->in + at, l->in_end - at);
    l->in_end -= at;
}

static void receive_datagrams(Load *l)
{
    int n;

    for (unsigned i = 0; i < BURST; i++) {
        l->iov[i].iov_len = sizeof(l->frames[i]);
    }
    n = recvmmsg(l->fd, l->msgs, BURST, MSG_DONTWAIT, NULL);
    if (n < 0 && errno != EAGAIN && errno != ECONNREFUSED) {
        die("receive");
    }
    for (int i = 0; i < n; i++) {
        handle_frame(l, l->frames[i], l->msgs[i].msg_len);
    }
}

/* Wait for frames, or for room where a burst may be sent. */
static void turn(Load *l)
{
    bool pending = l->out_start < l->out_end;
    bool room = l->under_way + BURST <= WINDOW || pending;
    struct pollfd pfd = { .fd = l->fd,
                          .events = POLLIN | (room ? POLLOUT : 0) };
    int n = poll(&pfd, 1, QUIET_MS);

    if (n < 0) {
        die("poll");
    }
    if (n == 0) {
        l->lost += l->under_way;
        l->under_way = 0;
        return;
    }
    if (pfd.revents & POLLIN) {
        l->stream ? receive_stream(l) : receive_datagrams(l);
    }
    if (pfd.revents & POLLOUT) {
        l->stream ? send_stream(l, BURST) : send_datagrams(l, BURST);
    }
}

static void run(Load *l, unsigned seconds)
{
    uint64_t start = now_ns(), end = start + seconds * NSEC_PER_SEC, took;

    for (unsigned i = 0; i < BURST; i++) {
        l->iov[i].iov_base = l->frames[i];
        l->msgs[i].msg_hdr.msg_iov = &l->iov[i];
        l->msgs[i].msg_hdr.msg_iovlen = 1;
    }
    while (now_ns() < end) {
        turn(l);
    }
    took = now_ns() - start;
    printf("{\"sent\": %" PRIu64 ", \"received\": %" PRIu64
           ", \"lost\": %" PRIu64 ", \"bad\": %" PRIu64
           ", \"pps\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
           l->sent, l->received, l->lost, l->bad,
           (double)l->received * 1e9 / (double)took,
           (double)histogram_permille(&l->latency, 500) / 1e3,
           (double)histogram_permille(&l->latency, 990) / 1e3);
}

int main(int argc, char **argv)
{
    Load *l = g_new0(Load, 1);
    bool tap = argc > 1 && strcmp(argv[1], "tap") == 0;
    uint64_t seconds, size;

    if (argc != (tap ? 5 : 6) ||
        !g_ascii_string_to_unsigned(argv[argc - 2], 10, 1, 3600, &seconds,
                                    NULL) ||
        !g_ascii_string_to_unsigned(argv[argc - 1], 10, FRAME_MIN, FRAME_MAX,
                                    &size, NULL)) {
        (void)fprintf(stderr, "usage: net-load stream HOST PORT|dgram LOCAL "
                              "REMOTE|tap INTERFACE|udp HOST PORT SECONDS "
                              "BYTES\n");
        return 1;
    }
    l->size = size - FRAME_FCS;
    if (tap) {
        l->fd = open_tap(argv[2]);
    } else if (strcmp(argv[1], "stream") == 0) {
        l->stream = true;
        l->fd = open_inet(SOCK_STREAM, argv[2], argv[3]);
    } else if (strcmp(argv[1], "dgram") == 0) {
        l->fd = open_dgram(argv[2], argv[3]);
    } else if (strcmp(argv[1], "udp") == 0) {
        l->fd = open_inet(SOCK_DGRAM, argv[2], argv[3]);
    } else {
        errno = EINVAL;
        die(argv[1]);
    }
    run(l, seconds);
    close(l->fd);
    g_free(l);
    return 0;
}
