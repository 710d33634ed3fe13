/*
 * qtest: virtio over PCI, both interfaces, and MSI-X, on the entropy device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/qtest/libqtest.h"

enum {
    DEVFN = 2 << 3,
    IO = 0xc000,
    MSIX = 0xfe000000,
    PBA = MSIX + 0x800,
    MODERN = 0xfd000000,
    ISR = MODERN + 0x1000,
    NOTIFY = MODERN + 0x3000,
    DESC = 0x10000,
    AVAIL = 0x11000,
    USED = 0x12000,
    BUFFER = 0x20000,
    MESSAGE = 0x30000, /* where vectors write: memory, so that one sees it */
};

static uint32_t cfg_read(QTest *q, unsigned reg)
{
    qtest_outl(q, 0xcf8, 0x80000000u | DEVFN << 8 | reg);
    return qtest_inl(q, 0xcfc);
}

static void cfg_writew(QTest *q, unsigned reg, uint16_t val)
{
    qtest_outl(q, 0xcf8, 0x80000000u | DEVFN << 8 | (reg & ~3u));
    qtest_outw(q, 0xcfc + (reg & 3), val);
}

static void cfg_writel(QTest *q, unsigned reg, uint32_t val)
{
    qtest_outl(q, 0xcf8, 0x80000000u | DEVFN << 8 | reg);
    qtest_outl(q, 0xcfc, val);
}

static unsigned find_cap(QTest *q, uint8_t id)
{
    unsigned off = cfg_read(q, PCI_CAPABILITY_LIST) & 0xff;

    while (off != 0 && (cfg_read(q, off) & 0xff) != id) {
        off = cfg_read(q, off) >> 8 & 0xff;
    }
    g_assert_cmpuint(off, !=, 0);
    return off;
}

static void map_bars(QTest *q)
{
    cfg_writel(q, PCI_BASE_ADDRESS_0, IO);
    cfg_writel(q, PCI_BASE_ADDRESS_1, MSIX);
    cfg_writel(q, PCI_BASE_ADDRESS_4, MODERN);
    cfg_writew(q, PCI_COMMAND,
               PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* The device mapped, a bus master. */
static QTest *start(const char *props)
{
    QTest *q = qtest_startf("-object rng-builtin,id=r -device "
                            "virtio-rng-pci,addr=2,rng=r%s",
                            props);

    map_bars(q);
    return q;
}

static void set_entry(QTest *q, unsigned v, uint32_t data, bool masked)
{
    qtest_writel(q, MSIX + 16 * v, MESSAGE + 8 * v);
    qtest_writel(q, MSIX + 16 * v + 4, 0);
    qtest_writel(q, MSIX + 16 * v + 8, data);
    qtest_writel(q, MSIX + 16 * v + 12, masked);
}

/* A buffer of 64 bytes becomes available; entry n of the ring. */
static void offer(QTest *q, unsigned n)
{
    qtest_writeq(q, DESC, BUFFER);
    qtest_writel(q, DESC + 8, 64);
    qtest_writew(q, DESC + 12, 2);
    qtest_writew(q, AVAIL + 4 + 2 * (n % 8), 0);
    qtest_writew(q, AVAIL + 2, n + 1);
}

static void drive_modern(QTest *q, uint16_t vector)
{
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 1);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 3);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GFSELECT, 1);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GF, 1);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0xb);
    g_assert_cmphex(qtest_readb(q, MODERN + VIRTIO_PCI_COMMON_STATUS), ==, 0xb);
    qtest_writew(q, MODERN + VIRTIO_PCI_COMMON_Q_SELECT, 0);
    qtest_writew(q, MODERN + VIRTIO_PCI_COMMON_Q_MSIX, vector);
    g_assert_cmphex(qtest_readw(q, MODERN + VIRTIO_PCI_COMMON_Q_MSIX), ==,
                    vector < 2 ? vector : 0xffff);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_DESCLO, DESC);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_AVAILLO, AVAIL);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_USEDLO, USED);
    qtest_writew(q, MODERN + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0xf);
}

static void expect_filled(QTest *q, unsigned n)
{
    uint8_t buf[64], zero[64] = { 0 };

    g_assert_cmpuint(qtest_readw(q, USED + 2), ==, n);
    g_assert_cmpuint(qtest_readl(q, USED + 8), ==, 64);
    qtest_memread(q, BUFFER, buf, sizeof(buf));
    g_assert_cmpint(memcmp(buf, zero, sizeof(buf)), !=, 0);
}

static void test_modern_intx(void)
{
    QTest *q = start("");

    drive_modern(q, 77); /* no such vector */
    offer(q, 0);
    qtest_writew(q, NOTIFY, 0);
    expect_filled(q, 1);
    g_assert_cmphex(cfg_read(q, PCI_COMMAND) >> 16 & PCI_STATUS_INTERRUPT, !=,
                    0);
    g_assert_cmphex(qtest_readb(q, ISR), ==, 1);
    g_assert_cmphex(qtest_readb(q, ISR), ==, 0);
    g_assert_cmphex(cfg_read(q, PCI_COMMAND) >> 16 & PCI_STATUS_INTERRUPT, ==,
                    0);
    /* A reset takes all of it back. */
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0);
    g_assert_cmphex(qtest_readw(q, MODERN + VIRTIO_PCI_COMMON_Q_ENABLE), ==, 0);
    offer(q, 1);
    qtest_writew(q, NOTIFY, 0);
    g_assert_cmpuint(qtest_readw(q, USED + 2), ==, 1);
    qtest_quit(q);
}

static void test_msix(void)
{
    QTest *q = start("");
    unsigned cap = find_cap(q, PCI_CAP_ID_MSIX);

    g_assert_cmphex(cfg_read(q, cap) >> 16, ==, 1);
    set_entry(q, 1, 0x4711, false);
    cfg_writew(q, cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
    drive_modern(q, 1);
    offer(q, 0);
    qtest_writew(q, NOTIFY, 0);
    expect_filled(q, 1);
    g_assert_cmphex(qtest_readl(q, MESSAGE + 8), ==, 0x4711);
    /* Masked, it waits; unmasked, it goes out. */
    qtest_writel(q, MESSAGE + 8, 0);
    qtest_writel(q, MSIX + 16 + 12, 1);
    offer(q, 1);
    qtest_writew(q, NOTIFY, 0);
    g_assert_cmphex(qtest_readl(q, PBA), ==, 2);
    g_assert_cmphex(qtest_readl(q, MESSAGE + 8), ==, 0);
    qtest_writel(q, MSIX + 16 + 12, 0);
    g_assert_cmphex(qtest_readl(q, PBA), ==, 0);
    g_assert_cmphex(qtest_readl(q, MESSAGE + 8), ==, 0x4711);
    /* The same by the mask of all vectors. */
    qtest_writel(q, MESSAGE + 8, 0);
    cfg_writew(q, cap + PCI_MSIX_FLAGS,
               PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    offer(q, 2);
    qtest_writew(q, NOTIFY, 0);
    g_assert_cmphex(qtest_readq(q, PBA), ==, 2);
    cfg_writew(q, cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
    g_assert_cmphex(qtest_readl(q, MESSAGE + 8), ==, 0x4711);
    /* Pending bits are the device's; INTx is silent while MSI-X is on. */
    qtest_writel(q, PBA, 0xffffffff);
    g_assert_cmphex(qtest_readl(q, PBA), ==, 0);
    g_assert_cmphex(cfg_read(q, PCI_COMMAND) >> 16 & PCI_STATUS_INTERRUPT, ==,
                    0);
    qtest_quit(q);
}

static void test_legacy(void)
{
    QTest *q = start(",disable-modern=on");

    qtest_outb(q, IO + VIRTIO_PCI_STATUS, 3);
    qtest_outl(q, IO + VIRTIO_PCI_GUEST_FEATURES, 0);
    qtest_outw(q, IO + VIRTIO_PCI_QUEUE_SEL, 0);
    g_assert_cmpuint(qtest_inw(q, IO + VIRTIO_PCI_QUEUE_NUM), ==, 8);
    qtest_outl(q, IO + VIRTIO_PCI_QUEUE_PFN, 0x40);
    g_assert_cmphex(qtest_inl(q, IO + VIRTIO_PCI_QUEUE_PFN), ==, 0x40);
    qtest_outb(q, IO + VIRTIO_PCI_STATUS, 7);
    qtest_writeq(q, 0x40000, BUFFER);
    qtest_writel(q, 0x40008, 64);
    qtest_writew(q, 0x4000c, 2);
    qtest_writew(q, 0x40082, 1);
    qtest_outw(q, IO + VIRTIO_PCI_QUEUE_NOTIFY, 0);
    g_assert_cmpuint(qtest_readw(q, 0x41002), ==, 1);
    g_assert_cmpuint(qtest_readl(q, 0x41008), ==, 64);
    g_assert_cmphex(qtest_inb(q, IO + VIRTIO_PCI_ISR), ==, 1);
    /* Place 0 is a reset. */
    qtest_outl(q, IO + VIRTIO_PCI_QUEUE_PFN, 0);
    g_assert_cmphex(qtest_inb(q, IO + VIRTIO_PCI_STATUS), ==, 0);
    qtest_quit(q);
}

/* A ring that breaks the rules: the device asks for a reset, and gets it. */
static void test_needs_reset(void)
{
    QTest *q = start("");

    drive_modern(q, 0xffff);
    qtest_writew(q, AVAIL + 2, 100);
    qtest_writew(q, NOTIFY, 0);
    g_assert_cmphex(qtest_readb(q, MODERN + VIRTIO_PCI_COMMON_STATUS), ==,
                    0xf | VIRTIO_CONFIG_S_NEEDS_RESET);
    g_assert_cmphex(qtest_readb(q, ISR), ==, 3);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0);
    drive_modern(q, 0xffff);
    qtest_writew(q, USED + 2, 0);
    offer(q, 0);
    qtest_writew(q, NOTIFY, 0);
    expect_filled(q, 1);
    qtest_quit(q);
}

/* Without bus mastering nothing is read or written. */
static void test_bus_master(void)
{
    QTest *q = start("");

    drive_modern(q, 0xffff);
    cfg_writew(q, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    offer(q, 0);
    qtest_writew(q, NOTIFY, 0);
    g_assert_cmpuint(qtest_readw(q, USED + 2), ==, 0);
    g_assert_cmphex(qtest_readb(q, MODERN + VIRTIO_PCI_COMMON_STATUS), ==, 0xb);
    qtest_quit(q);
}

/* The modern registers through the window in the configuration space. */
static void test_window(void)
{
    QTest *q = start("");
    unsigned cap = find_cap(q, PCI_CAP_ID_VNDR);

    while ((cfg_read(q, cap) >> 24) != VIRTIO_PCI_CAP_PCI_CFG) {
        cap = cfg_read(q, cap) >> 8 & 0xff;
    }
    cfg_writel(q, cap + 4, 4);
    cfg_writel(q, cap + 8, VIRTIO_PCI_COMMON_NUMQ);
    cfg_writel(q, cap + 12, 2);
    g_assert_cmphex(cfg_read(q, cap + 16) & 0xffff, ==, 1);
    cfg_writel(q, cap + 8, VIRTIO_PCI_COMMON_STATUS);
    cfg_writel(q, cap + 12, 1);
    cfg_writel(q, cap + 16, 1);
    g_assert_cmphex(qtest_readb(q, MODERN + VIRTIO_PCI_COMMON_STATUS), ==, 1);
    /* Lengths and places that there aren't. */
    cfg_writel(q, cap + 12, 3);
    cfg_writel(q, cap + 16, 0);
    cfg_writel(q, cap + 12, 4);
    cfg_writel(q, cap + 8, 0xfffffff0);
    cfg_writel(q, cap + 16, 0);
    g_assert_cmphex(qtest_readb(q, MODERN + VIRTIO_PCI_COMMON_STATUS), ==, 1);
    qtest_quit(q);
}

/* Queue n of a serial device, on the ring at DESC; the driver is up. */
static void drive_queue(QTest *q, unsigned n)
{
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 3);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GFSELECT, 1);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GF, 1);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GFSELECT, 0);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GF, 2); /* multiport */
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0xb);
    qtest_writew(q, MODERN + VIRTIO_PCI_COMMON_Q_SELECT, n);
    qtest_writew(q, MODERN + VIRTIO_PCI_COMMON_Q_SIZE, 8);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_DESCLO, DESC);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_AVAILLO, AVAIL);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_USEDLO, USED);
    qtest_writew(q, MODERN + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0xf);
    qtest_memset(q, AVAIL, 0, 64);
    qtest_memset(q, USED, 0, 128);
}

/* The driver sends bytes on a queue that was driven: its first chain. */
static void send_bytes(QTest *q, unsigned n, const void *buf, size_t len)
{
    qtest_memwrite(q, BUFFER, buf, len);
    qtest_writeq(q, DESC, BUFFER);
    qtest_writel(q, DESC + 8, len);
    qtest_writel(q, DESC + 12, 0);
    qtest_writew(q, AVAIL + 2, 1);
    qtest_writew(q, NOTIFY + 4 * n, n);
    g_assert_cmpuint(qtest_readw(q, USED + 2), ==, 1);
}

static void test_serial(void)
{
    static const uint8_t nonsense[8] = { 77, 0, 0, 0, 6, 0, 1, 0 };
    QTest *q = qtest_start("-chardev ringbuf,id=c -device "
                           "virtio-serial-pci,addr=2,id=s -device "
                           "virtserialport,chardev=c,name=org.x");
    g_autofree char *text = NULL;

    map_bars(q);
    g_assert_cmpuint(qtest_readw(q, MODERN + VIRTIO_PCI_COMMON_NUMQ), ==, 64);
    g_assert_cmpuint(qtest_readl(q, MODERN + 0x2004), ==, 31);
    drive_queue(q, 5); /* from the guest to port 1 */
    send_bytes(q, 5, "hello", 5);
    text = qtest_hmp(q, "ringbuf_read c 100");
    g_assert_nonnull(strstr(text, "hello"));
    /* Control messages for ports that aren't there, and half of one. */
    drive_queue(q, 3);
    send_bytes(q, 3, nonsense, sizeof(nonsense));
    drive_queue(q, 3);
    send_bytes(q, 3, nonsense, 3);
    g_assert_cmphex(qtest_readb(q, MODERN + VIRTIO_PCI_COMMON_STATUS), ==, 0xf);
    /* A port that nobody has: what is sent is taken. */
    drive_queue(q, 21);
    send_bytes(q, 21, "hello", 5);
    qtest_quit(q);
}

static bool get_bool(const JsonValue *v, const char *name)
{
    bool b = false;

    g_assert_true(json_get_bool(json_object_get(v, name), &b));
    return b;
}

/* Both ends of a console are always open, a port's guest side is @there. */
static void expect_reader(QTest *q, bool there)
{
    g_autoptr(JsonValue) list = qtest_qmp(q, "{'execute': 'query-chardev'}");
    unsigned nseen = 0;

    for (size_t i = 0; i < json_array_len(list); i++) {
        const JsonValue *cd = json_array_at(list, i);
        const char *label = json_get_string(json_object_get(cd, "label"));
        bool console = strcmp(label, "console") == 0;

        if (console || strcmp(label, "port") == 0) {
            g_assert_true(get_bool(cd, "frontend-open") == (console || there));
            nseen++;
        }
    }
    g_assert_cmpuint(nseen, ==, 2);
}

static void expect_port_event(QTest *q, bool open)
{
    g_autoptr(JsonValue) ev = qtest_qmp_event(q, "VSERPORT_CHANGE");
    const JsonValue *data = json_object_get(ev, "data");

    g_assert_cmpstr(json_get_string(json_object_get(data, "id")), ==, "p");
    g_assert_true(get_bool(data, "open") == open);
    expect_reader(q, open);
}

static void expect_status(QTest *q, const char *want)
{
    for (;;) {
        g_autoptr(JsonValue) r = qtest_qmp(q, "{'execute': 'query-status'}");

        if (!strcmp(json_get_string(json_object_get(r, "status")), want)) {
            return;
        }
        g_usleep(1000);
    }
}

/* The guest's agent opens its port, moves with it, is gone with a reset. */
static void test_port_events(void)
{
    static const char args[] =
        "-chardev null,id=port -chardev null,id=console "
        "-device virtio-serial-pci,addr=2 -device virtconsole,chardev=console "
        "-device virtserialport,chardev=port,name=org.x,id=p";
    g_autofree char *dir = g_dir_make_tmp("virtio-test-XXXXXX", NULL);
    g_autofree char *stream = g_build_filename(dir, "stream", NULL);
    static const uint8_t open_port[8] = { 1, 0, 0, 0, 6, 0, 1, 0 };
    static const uint8_t open_console[8] = { 0, 0, 0, 0, 6, 0, 1, 0 };
    QTest *q = qtest_start(args);

    map_bars(q);
    expect_reader(q, false);
    drive_queue(q, 3);
    send_bytes(q, 3, open_console, sizeof(open_console));
    drive_queue(q, 3);
    send_bytes(q, 3, open_port, sizeof(open_port));
    expect_port_event(q, true);
    json_unref(qtest_qmp(
        q, "{'execute': 'migrate', 'arguments': {'uri': 'exec:cat > %s'}}",
        stream));
    expect_status(q, "postmigrate");
    qtest_quit(q);
    q = qtest_startf("%s -incoming 'exec:cat %s'", args, stream);
    expect_port_event(q, true);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0);
    expect_port_event(q, false);
    qtest_quit(q);
    g_unlink(stream);
    g_rmdir(dir);
}

/* A peer of a port that reads when the test says so. */
typedef struct PortPeer {
    char *dir, *path, *stream;
    int fd;
    GByteArray *got;
} PortPeer;

enum { PORT_SENT = 3 * 1024 * 1024, PORT_DATA = 0x1000000 };

/* The next machine: `more` says where its state comes from. */
static QTest *port_machine(PortPeer *p, const char *more)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    QTest *q = qtest_startf("-chardev socket,id=c,path=%s,server=on,wait=off "
                            "-device virtio-serial-pci,addr=2 -device "
                            "virtserialport,chardev=c,name=org.x %s",
                            p->path, more);
    bool there = false;

    p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(un.sun_path, p->path, sizeof(un.sun_path));
    g_assert_cmpint(connect(p->fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    while (!there) {
        g_autofree char *text = qtest_hmp(q, "info chardev");

        there = strstr(text, "disconnected") == NULL;
    }
    return q;
}

/* Until there are `want` bytes, or the machine has gone. */
static void port_read(PortPeer *p, size_t want)
{
    uint8_t buf[65536];
    ssize_t n;

    while (p->got->len < want && (n = read(p->fd, buf, sizeof(buf))) > 0) {
        g_byte_array_append(p->got, buf, n);
    }
}

/* One chain, longer than the way to the peer has room for. */
static void port_send(QTest *q)
{
    g_autofree uint8_t *data = g_malloc(PORT_SENT);

    for (unsigned i = 0; i < PORT_SENT; i++) {
        data[i] = i ^ i >> 8 ^ i >> 16;
    }
    qtest_memwrite(q, PORT_DATA, data, PORT_SENT);
    for (unsigned i = 0; i < 2; i++) {
        qtest_writeq(q, DESC + 16 * i, PORT_DATA + i * (PORT_SENT / 2));
        qtest_writel(q, DESC + 16 * i + 8, PORT_SENT / 2);
        qtest_writel(q, DESC + 16 * i + 12, i == 0 ? 1 | 1 << 16 : 0);
    }
    qtest_writew(q, AVAIL + 2, 1);
    qtest_writew(q, NOTIFY + 4 * 5, 5);
    g_assert_cmpuint(qtest_readw(q, USED + 2), ==, 0);
}

static void port_check(PortPeer *p)
{
    g_assert_cmpuint(p->got->len, ==, PORT_SENT);
    for (unsigned i = 0; i < PORT_SENT; i++) {
        g_assert_cmphex(p->got->data[i], ==, (uint8_t)(i ^ i >> 8 ^ i >> 16));
    }
}

/* Saves the machine, ends it, and has the next one load that, and stand. */
static QTest *port_move(PortPeer *p, QTest *q)
{
    g_autofree char *in =
        g_strdup_printf("-S -incoming 'exec:cat %s'", p->stream);

    json_unref(qtest_qmp(
        q, "{'execute': 'migrate', 'arguments': {'uri': 'exec:cat > %s'}}",
        p->stream));
    expect_status(q, "postmigrate");
    /* What has left the guest; the rest is the next machine's. */
    qtest_quit(q);
    port_read(p, SIZE_MAX);
    g_assert_cmpuint(p->got->len, <, PORT_SENT);
    close(p->fd);
    q = port_machine(p, in);
    expect_status(q, "paused");
    return q;
}

/* Of what a guest has sent nothing is lost when it stops or moves. */
static void test_serial_stop(void)
{
    PortPeer p = { .dir = g_dir_make_tmp("virtio-test-XXXXXX", NULL),
                   .got = g_byte_array_new() };
    QTest *q;

    p.path = g_build_filename(p.dir, "port", NULL);
    p.stream = g_build_filename(p.dir, "stream", NULL);
    q = port_machine(&p, "");
    map_bars(q);
    drive_queue(q, 5);
    port_send(q);
    json_unref(qtest_qmp(q, "{'execute': 'stop'}"));
    json_unref(qtest_qmp(q, "{'execute': 'cont'}"));
    port_read(&p, PORT_SENT);
    port_check(&p);
    while (qtest_readw(q, USED + 2) == 0) {
    }
    g_byte_array_set_size(p.got, 0);
    drive_queue(q, 5);
    port_send(q);
    q = port_move(&p, q);
    q = port_move(&p, q); /* one that it never ran on */
    json_unref(qtest_qmp(q, "{'execute': 'cont'}"));
    port_read(&p, PORT_SENT);
    port_check(&p);
    while (qtest_readw(q, USED + 2) == 0) {
    }
    qtest_quit(q);
    close(p.fd);
    g_unlink(p.stream);
    g_unlink(p.path);
    g_rmdir(p.dir);
    g_byte_array_unref(p.got);
    g_free(p.stream);
    g_free(p.path);
    g_free(p.dir);
}

static void test_refused(void)
{
    static const struct {
        const char *args, *message;
    } t[] = {
        { "-device virtio-rng-pci,packed=on", "packed=on is not supported" },
        { "-device virtio-rng-pci,rng=nothing", "rng 'nothing'" },
        { "-device virtio-rng-pci,vectors=3000", "MSI-X vectors" },
        { "-device virtio-rng-pci,disable-legacy=on,disable-modern=on",
          "neither modern nor legacy" },
        { "-device virtio-rng-pci,period=0", "period" },
        { "-device virtio-serial-pci,max_ports=40", "max_ports 40" },
        { "-device virtio-serial-pci -device virtserialport,nr=0",
          "reserved for virtconsole" },
        { "-device virtio-serial-pci -device virtserialport,nr=31",
          "Out-of-range port" },
        { "-device virtio-serial-pci -device virtserialport,nr=1 -device "
          "virtserialport,nr=1",
          "already exists at id 1" },
        { "-device virtio-serial-pci -device virtserialport,name=a -device "
          "virtserialport,name=a",
          "already exists by name a" },
        { "-device virtserialport", "No 'virtio-serial-bus' bus found" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        int status;
        g_autofree char *out = qtest_run(t[i].args, &status);

        g_test_message("%s: %s", t[i].args, out);
        g_assert_cmpint(status, !=, 0);
        g_assert_nonnull(strstr(out, t[i].message));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio/modern-intx", test_modern_intx);
    g_test_add_func("/virtio/msix", test_msix);
    g_test_add_func("/virtio/legacy", test_legacy);
    g_test_add_func("/virtio/needs-reset", test_needs_reset);
    g_test_add_func("/virtio/bus-master", test_bus_master);
    g_test_add_func("/virtio/window", test_window);
    g_test_add_func("/virtio/serial", test_serial);
    g_test_add_func("/virtio/serial-stop", test_serial_stop);
    g_test_add_func("/virtio/port-events", test_port_events);
    g_test_add_func("/virtio/refused", test_refused);
    return g_test_run();
}
