/*
 * qtest: the virtio SCSI adapter with a disk and a CD-ROM drive: answers to
 * commands as programs of version 7.2 give them, transfers, task management,
 * events, errors that stop the VM, what bad requests get.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>
#include <linux/virtio_scsi.h>

#include "tests/qtest/virtio-modern.h"

enum {
    DEVFN = 2 << 3,
    CONTROL = 0,
    EVENTS = 1,
    REQUESTS = 2,
    OUT = 0x100000, /* head and data for the device */
    IN = 0x180000,  /* the answer and data */
    EVENT = 0x1f0000,
    HEAD_BYTES = 51,
    RESP_BYTES = 108,
    DISK = 1 << 20,
};

typedef struct Scsi {
    QTest *q;
    Virtio v;
    char *disk, *cd;
} Scsi;

/* An answer. */
typedef struct Answer {
    uint8_t response, status;
    uint32_t resid;
    uint8_t key, asc, ascq; /* of sense data */
    uint8_t data[1024];
} Answer;

static char *make_image(unsigned size)
{
    g_autofree uint8_t *bytes = g_malloc(size);
    char *path = NULL;
    int fd = g_file_open_tmp("virtio-scsi-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    for (unsigned i = 0; i < size; i++) {
        bytes[i] = i / 512;
    }
    g_assert_true(g_file_set_contents(path, (char *)bytes, size, NULL));
    return path;
}

static void drive(Scsi *s)
{
    virtio_find(&s->v, s->q, DEVFN);
    virtio_start(&s->v, 1 << VIRTIO_SCSI_F_HOTPLUG | 1 << VIRTIO_SCSI_F_CHANGE,
                 3);
}

/* Target 0: a disk of 1 MiB; target 1: a CD of as much. */
static Scsi *start(const char *hd_props, const char *more)
{
    Scsi *s = g_new0(Scsi, 1);

    s->disk = make_image(DISK);
    s->cd = make_image(DISK);
    s->q = qtest_startf("-device virtio-scsi-pci,addr=2,id=s0 "
                        "-drive file=%s,format=raw,if=none,id=d0,discard=unmap "
                        "-device scsi-hd,drive=d0,id=hd%s "
                        "-drive file=%s,format=raw,if=none,id=c0,media=cdrom "
                        "-device scsi-cd,drive=c0,id=cd %s",
                        s->disk, hd_props, s->cd, more);
    drive(s);
    return s;
}

static void stop(Scsi *s)
{
    qtest_quit(s->q);
    g_unlink(s->disk);
    g_unlink(s->cd);
    g_free(s->disk);
    g_free(s->cd);
    g_free(s);
}

static unsigned from_hex(const char *hex, uint8_t *ret)
{
    unsigned n = 0;

    for (; hex[0] != '\0'; hex += 2) {
        ret[n++] =
            g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]);
    }
    return n;
}

static void submit(Scsi *s, uint8_t target, uint8_t lun, const char *cdb,
                   const uint8_t *out, unsigned out_len, unsigned in_len)
{
    uint8_t head[HEAD_BYTES] = { 1, target, 0x40, lun };

    head[8] = 0x77; /* tag */
    from_hex(cdb, head + 19);
    qtest_memwrite(s->q, OUT, head, sizeof(head));
    if (out_len > 0) {
        qtest_memwrite(s->q, OUT + HEAD_BYTES, out, out_len);
    }
    qtest_memset(s->q, IN, 0xee, RESP_BYTES + in_len);
    virtio_offer(&s->v, REQUESTS, OUT, HEAD_BYTES + out_len, IN,
                 RESP_BYTES + in_len);
}

static Answer finish(Scsi *s, unsigned in_len)
{
    uint8_t resp[RESP_BYTES];
    Answer a = { 0 };

    virtio_wait(&s->v, REQUESTS);
    qtest_memread(s->q, IN, resp, sizeof(resp));
    a.resid = ldl_le_p(resp + 4);
    a.status = resp[10];
    a.response = resp[11];
    if (ldl_le_p(resp) > 0) {
        g_assert_cmpuint(ldl_le_p(resp), ==, 18);
        g_assert_cmphex(resp[12], ==, 0x70);
        a.key = resp[12 + 2];
        a.asc = resp[12 + 12];
        a.ascq = resp[12 + 13];
    }
    if (in_len > 0) {
        qtest_memread(s->q, IN + RESP_BYTES, a.data, in_len);
    }
    return a;
}

static Answer command(Scsi *s, uint8_t target, const char *cdb, unsigned in_len)
{
    submit(s, target, 0, cdb, NULL, 0, in_len);
    return finish(s, in_len);
}

static Answer give(Scsi *s, uint8_t target, const char *cdb, const uint8_t *out,
                   unsigned len)
{
    submit(s, target, 0, cdb, out, len, 0);
    return finish(s, 0);
}

/* After a reset: it is told once. */
static void clear_attention(Scsi *s, uint8_t target)
{
    Answer a = command(s, target, "000000000000", 0);

    g_assert_cmphex(a.status, ==, 2);
    g_assert_cmphex(a.key << 16 | a.asc << 8 | a.ascq, ==, 0x062900);
}

static void check_sense(Answer a, uint32_t sense)
{
    g_assert_cmphex(a.response, ==, VIRTIO_SCSI_S_OK);
    g_assert_cmphex(a.status, ==, sense != 0 ? 2 : 0);
    g_assert_cmphex(a.key << 16 | a.asc << 8 | a.ascq, ==, sense);
}

static void qmp_ok(QTest *q, const char *cmd)
{
    g_autoptr(JsonValue) r = qtest_qmp(q, "%s", cmd);

    g_assert_false(json_object_has(r, "error"));
}

static void test_config(void)
{
    Scsi *s = start("", "");
    uint64_t c = s->v.config;

    g_assert_cmpuint(qtest_readl(s->q, c), ==, 1);
    g_assert_cmpuint(qtest_readl(s->q, c + 4), ==, 254);
    g_assert_cmpuint(qtest_readl(s->q, c + 8), ==, 65535);
    g_assert_cmpuint(qtest_readl(s->q, c + 12), ==, 128);
    g_assert_cmpuint(qtest_readl(s->q, c + 16), ==, 16);
    g_assert_cmpuint(qtest_readl(s->q, c + 20), ==, 96);
    g_assert_cmpuint(qtest_readl(s->q, c + 24), ==, 32);
    g_assert_cmpuint(qtest_readw(s->q, c + 28), ==, 0);
    g_assert_cmpuint(qtest_readw(s->q, c + 30), ==, 255);
    g_assert_cmpuint(qtest_readl(s->q, c + 32), ==, 16383);
    /* Too large: the device is broken until it is reset. */
    qtest_writel(s->q, c + 24, 256);
    g_assert_cmphex(qtest_readb(s->q, s->v.common + VIRTIO_PCI_COMMON_STATUS),
                    ==, 0xf | VIRTIO_CONFIG_S_NEEDS_RESET);
    drive(s);
    clear_attention(s, 0);
    stop(s);
}

typedef struct Known {
    uint8_t target;
    const char *cdb;
    unsigned len;     /* of the buffer */
    uint32_t sense;   /* key, code, qualifier; 0: it is good */
    const char *data; /* hexadecimal; zeros follow */
} Known;

/* As a program of version 7.2 answers. */
static const Known known[] = {
    { 0, "120000006000", 96, 0,
      "000005125b00001251454d552020202051454d5520484152444449534b202020"
      "322e352b" },
    { 0, "12010000ff00", 255, 0, "00000006008083b0b1b2" },
    { 0, "12018000ff00", 255, 0, "00800003534552" },
    { 0, "12018300ff00", 255, 0,
      "00830013020000035345520103000850"
      "00c50012345678" },
    { 0, "1201b000ff00", 255, 0,
      "00b0003c01000000003fffff000000000000000000200000000000ff00000008"
      "0000000000000000003fffff" },
    { 0, "1201b100ff00", 255, 0, "00b1003c0001" },
    { 0, "1201b200ff00", 255, 0, "00b2000400e002" },
    { 0, "12018600ff00", 255, 0x052400, "" },
    { 0, "120080002400", 36, 0x052400, "" },
    { 0, "25000000000000000000", 8, 0, "000007ff00000200" },
    { 0, "25000000000100000000", 8, 0x052400, "" },
    { 0, "9e100000000000000000000000200000", 32, 0,
      "00000000000007ff000002000000800000000000" },
    { 0, "9e110000000000000000000000000000", 32, 0x052400, "" },
    { 0, "a00000000000000001000000", 256, 0, "0000000800000000" },
    { 0, "a00000000000000000080000", 256, 0x052400, "" },
    { 0, "1a003f00ff00", 255, 0,
      "630000080000080000000200010a8000000000000000000004160000021000000200"
      "000200c8ffffff00000015180000051e1388103f0200000200020002000101000101"
      "010000000000000015180000081204" },
    { 0, "5a08080000000000ff00", 255, 0, "001a000000000000081204" },
    { 0, "1a004800ff00", 255, 0, "1f0000080000080000000200081204" },
    { 0, "1a00c800ff00", 255, 0x053900, "" },
    { 0, "1a002a00ff00", 255, 0x052400, "" },
    { 0, "35000000000000000000", 0, 0, "" },
    { 0, "28000000000800000100", 512, 0, "08080808" },
    { 0, "28000000080000000100", 512, 0x052100, "" },
    { 0, "28000000080000000000", 0, 0, "" },
    { 0, "28200000000000000100", 512, 0x052400, "" },
    { 0, "080000050100", 512, 0, "05050505" },
    { 0, "a8000000000900000001", 512, 0, "09090909" },
    { 0, "88000000000000000007000000010000", 512, 0, "07070707" },
    { 0, "2f000000000100000100", 0, 0, "" },
    { 0, "010000000000", 0, 0x052000, "" },
    { 0, "c0000000000000000000", 0, 0x052000, "" },
    { 0, "46000000000000002000", 32, 0x052400, "" },
    { 0, "030000001200", 18, 0, "700005000000000a0000000024" },
    { 0, "030100001200", 18, 0, "72" },
    { 1, "120000006000", 96, 0,
      "058005125b00001251454d552020202051454d552043442d524f4d2020202020"
      "322e352b" },
    { 1, "12010000ff00", 255, 0, "050000020083" },
    { 1, "1201b000ff00", 255, 0x052400, "" },
    { 1, "25000000000000000000", 8, 0, "000001ff00000800" },
    { 1, "1a003f00ff00", 255, 0,
      "49000000010a8020000000000000000008120400000000000000000000000000"
      "000000000e0e00000000000000000000000000002a143b007fff2d0022600002"
      "08000b0000000b000b" },
    { 1, "46000000000000002800", 40, 0,
      "000000240000000800000308001000000008010000010b080000000101000000"
      "00030b0439" },
    { 1, "4a010000100000000800", 8, 0, "0004041000020000" },
    { 1, "4a010000020000000800", 8, 0, "00008010" },
    { 1, "4a000000100000000800", 8, 0x052400, "" },
    { 1, "43020000000000001400", 20, 0,
      "0012010100140100000002000016aa000000083e" },
    { 1, "43020200000000003000", 48, 0,
      "002e0101011400a000000000010000011400a100000000010000011400a20000"
      "000000083e0114000100000000000200" },
    { 1, "43000100000000000c00", 12, 0, "000a0101" },
    { 1, "51000000000000002200", 34, 0, "00200e0101010120" },
    { 1, "ad0000000000000000ff0000", 255, 0x053000, "" },
    { 1, "ad000000000000ff00ff0000", 255, 0,
      "001200000040080401400008034000c004400804" },
    { 1, "bd0000000000000000080000", 8, 0, "000000000001" },
    { 1, "be0000000000000001100000", 512, 0x052000, "" },
};

static void test_known(void)
{
    Scsi *s = start(",serial=SER,wwn=0x5000c50012345678,rotation_rate=1", "");

    clear_attention(s, 0);
    clear_attention(s, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        const Known *k = &known[i];
        uint8_t want[256] = { 0 };
        Answer a = command(s, k->target, k->cdb, k->len);

        g_test_message("target %u: %s", k->target, k->cdb);
        check_sense(a, k->sense);
        if (k->sense == 0 && k->len > 0) {
            unsigned n = from_hex(k->data, want);

            g_assert_cmpmem(a.data, n, want, n);
        }
    }
    stop(s);
}

/* Data goes to the medium and back; less and more of it than fits. */
static void test_transfers(void)
{
    Scsi *s = start("", "");
    uint8_t buf[1024];
    Answer a;

    clear_attention(s, 0);
    memset(buf, 0x5a, sizeof(buf));
    check_sense(give(s, 0, "2a000000000300000200", buf, 1024), 0);
    check_sense(give(s, 0, "2a080000000500000100", buf, 512), 0); /* FUA */
    check_sense(give(s, 0, "2e000000000600000100", buf, 512), 0);
    a = command(s, 0, "28000000000200000200", 1024);
    check_sense(a, 0);
    g_assert_cmphex(a.data[0], ==, 2);
    g_assert_cmphex(a.data[511], ==, 2);
    g_assert_cmphex(a.data[512], ==, 0x5a);
    g_assert_cmphex(a.data[1023], ==, 0x5a);
    g_assert_cmpuint(a.resid, ==, 0);
    /* A buffer that is larger is filled as far as was asked. */
    a = command(s, 0, "28000000000700000100", 1024);
    check_sense(a, 0);
    g_assert_cmpuint(a.resid, ==, 512);
    g_assert_cmphex(a.data[511], ==, 7);
    g_assert_cmphex(a.data[512], ==, 0xee);
    /* One that is smaller, or of the wrong direction. */
    a = command(s, 0, "28000000000700000200", 512);
    g_assert_cmphex(a.response, ==, VIRTIO_SCSI_S_OVERRUN);
    a = give(s, 0, "28000000000700000100", buf, 512);
    g_assert_cmphex(a.response, ==, VIRTIO_SCSI_S_OVERRUN);
    submit(s, 0, 0, "28000000000700000100", buf, 512, 512);
    a = finish(s, 0);
    g_assert_cmphex(a.response, ==, VIRTIO_SCSI_S_FAILURE);
    stop(s);
}

static void check_block(Scsi *s, const char *cdb, uint8_t byte)
{
    Answer a = command(s, 0, cdb, 512);

    check_sense(a, 0);
    g_assert_cmphex(a.data[0], ==, byte);
    g_assert_cmphex(a.data[511], ==, byte);
}

/* WRITE SAME with a pattern and with zeros, UNMAP and its bad lists. */
static void test_ranges(void)
{
    Scsi *s = start("", "");
    uint8_t buf[512], list[40] = { 0, 38, 0, 32 };

    clear_attention(s, 0);
    memset(buf, 0x44, sizeof(buf));
    check_sense(give(s, 0, "93000000000000000004000000030000", buf, 512), 0);
    check_block(s, "28000000000300000100", 3);
    check_block(s, "28000000000400000100", 0x44);
    check_block(s, "28000000000600000100", 0x44);
    check_block(s, "28000000000700000100", 7);
    /* More than is written at once. */
    check_sense(give(s, 0, "4100000000100006e000", buf, 512), 0);
    check_block(s, "28000000000f00000100", 0x0f);
    check_block(s, "2800000006ef00000100", 0x44);
    check_block(s, "2800000006f000000100", 0xf0);
    memset(buf, 0, sizeof(buf));
    check_sense(give(s, 0, "93080000000000000005000000010000", buf, 512), 0);
    check_block(s, "28000000000500000100", 0);
    /* Zeros without a block of them. */
    check_sense(command(s, 0, "93010000000000000006000000010000", 0), 0);
    check_block(s, "28000000000600000100", 0);
    check_sense(give(s, 0, "930000000000000007ff000000020000", buf, 512),
                0x052100);
    stq_be_p(list + 8, 0x20);
    stl_be_p(list + 16, 8);
    stq_be_p(list + 24, 0x7ff);
    stl_be_p(list + 32, 1);
    check_sense(give(s, 0, "42000000000000002800", list, 40), 0);
    stq_be_p(list + 24, UINT64_MAX);
    check_sense(give(s, 0, "42000000000000002800", list, 40), 0x052100);
    check_sense(give(s, 0, "42000000000000001800", list, 24), 0x051a00);
    check_sense(give(s, 0, "42000000000000000700", list, 7), 0x051a00);
    check_sense(give(s, 0, "42010000000000002800", list, 40), 0x052400);
    check_sense(command(s, 0, "42000000000000000000", 0), 0);
    stop(s);
}

/* The write cache by its mode page, and what isn't changeable. */
static void test_mode_select(void)
{
    Scsi *s = start("", "");
    uint8_t page[24] = { 0, 0, 0, 0, 0x08, 0x12 };

    clear_attention(s, 0);
    check_sense(give(s, 0, "151000001800", page, 24), 0);
    g_assert_cmphex(command(s, 0, "1a080800ff00", 255).data[6], ==, 0);
    page[6] = 4;
    check_sense(give(s, 0, "151000001800", page, 24), 0);
    g_assert_cmphex(command(s, 0, "1a080800ff00", 255).data[6], ==, 4);
    page[6] = 5;
    check_sense(give(s, 0, "151000001800", page, 24), 0x052600);
    page[6] = 0;
    check_sense(give(s, 0, "151100001800", page, 24), 0x052400);
    check_sense(give(s, 0, "151000000e00", page, 14), 0x051a00);
    page[5] = 0x11;
    check_sense(give(s, 0, "151000001800", page, 24), 0x052600);
    page[4] = 0x48;
    check_sense(give(s, 0, "151000001800", page, 24), 0x052600);
    page[3] = 16;
    check_sense(give(s, 0, "151000001800", page, 24), 0x052600);
    g_assert_cmphex(command(s, 0, "1a080800ff00", 255).data[6], ==, 4);
    stop(s);
}

/* Places without a unit. */
static void test_places(void)
{
    Scsi *s = start("", "");
    Answer a;

    clear_attention(s, 0);
    a = command(s, 5, "000000000000", 0);
    g_assert_cmphex(a.response, ==, VIRTIO_SCSI_S_BAD_TARGET);
    submit(s, 0, 1, "000000000000", NULL, 0, 0);
    check_sense(finish(s, 0), 0x052500);
    submit(s, 0, 1, "120000006000", NULL, 0, 96);
    a = finish(s, 96);
    check_sense(a, 0);
    g_assert_cmphex(a.data[0], ==, 0x7f);
    g_assert_cmpuint(a.resid, ==, 60);
    submit(s, 0, 1, "030000001200", NULL, 0, 18);
    a = finish(s, 18);
    check_sense(a, 0);
    g_assert_cmphex(a.data[2] << 8 | a.data[12], ==, 0x0525);
    /* Sense data is kept for who asks for it. */
    check_sense(command(s, 0, "010000000000", 0), 0x052000);
    a = command(s, 0, "030000001200", 18);
    g_assert_cmphex(a.data[2] << 8 | a.data[12], ==, 0x0520);
    a = command(s, 0, "030000001200", 18);
    g_assert_cmphex(a.data[2] << 8 | a.data[12], ==, 0);
    stop(s);
}

/* Media that users change, and a tray that the guest locks. */
static void test_media(void)
{
    Scsi *s = start("", "");
    g_autofree char *change = g_strdup_printf(
        "{\"execute\":\"blockdev-change-medium\",\"arguments\":"
        "{\"id\":\"cd\",\"filename\":\"%s\",\"format\":\"raw\"}}",
        s->cd);

    clear_attention(s, 1);
    qmp_ok(s->q, change);
    check_sense(command(s, 1, "000000000000", 0), 0x063a00);
    check_sense(command(s, 1, "000000000000", 0), 0x062800);
    check_sense(command(s, 1, "000000000000", 0), 0);
    g_assert_cmphex(command(s, 1, "4a010000100000000800", 8).data[4], ==, 2);
    g_assert_cmphex(command(s, 1, "4a010000100000000800", 8).data[4], ==, 0);
    check_sense(command(s, 1, "1e0000000100", 0), 0);
    check_sense(command(s, 1, "1b0000000200", 0), 0x055302);
    {
        g_autoptr(JsonValue) r =
            qtest_qmp(s->q,
                      "{\"execute\":\"eject\",\"arguments\":{\"id\":\"cd\"}}");

        g_assert_true(json_object_has(r, "error"));
    }
    g_assert_cmphex(command(s, 1, "4a010000100000000800", 8).data[4], ==, 1);
    check_sense(command(s, 1, "1e0000000000", 0), 0);
    check_sense(command(s, 1, "1b0000000200", 0), 0);
    json_unref(qtest_qmp_event(s->q, "DEVICE_TRAY_MOVED"));
    submit(s, 1, 0, "28000000000000000100", NULL, 0, 2048);
    check_sense(finish(s, 0), 0x023a00);
    g_assert_cmphex(command(s, 1, "4a010000100000000800", 8).data[5], ==, 1);
    check_sense(command(s, 1, "1b0000000300", 0), 0);
    check_sense(command(s, 1, "000000000000", 0), 0);
    stop(s);
}

static uint8_t task_function(Scsi *s, uint32_t subtype, uint8_t target,
                             uint8_t lun, uint64_t tag)
{
    uint8_t req[24] = { 0 };

    stl_le_p(req + 4, subtype);
    req[8] = 1;
    req[9] = target;
    req[10] = 0x40;
    req[11] = lun;
    stq_le_p(req + 16, tag);
    qtest_memwrite(s->q, EVENT + 0x100, req, sizeof(req));
    virtio_offer(&s->v, CONTROL, EVENT + 0x100, sizeof(req), EVENT + 0x200, 1);
    virtio_wait(&s->v, CONTROL);
    return qtest_readb(s->q, EVENT + 0x200);
}

static void test_task_management(void)
{
    Scsi *s = start("", "");

    clear_attention(s, 0);
    clear_attention(s, 1);
    for (unsigned i = 0; i < 10; i++) {
        bool none = i == 2 || i >= 8;

        g_assert_cmphex(task_function(s, i, 0, 0, 0x77), ==,
                        none ? VIRTIO_SCSI_S_FUNCTION_REJECTED
                             : VIRTIO_SCSI_S_OK);
        if (!none && i != VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET) {
            g_assert_cmphex(task_function(s, i, 9, 0, 0), ==,
                            VIRTIO_SCSI_S_BAD_TARGET);
            g_assert_cmphex(task_function(s, i, 0, 1, 0), ==,
                            VIRTIO_SCSI_S_INCORRECT_LUN);
        }
    }
    clear_attention(s, 0);
    check_sense(command(s, 1, "000000000000", 0), 0);
    stop(s);
}

static void submit_slow_read(Scsi *s)
{
    submit(s, 2, 0, "28000000000000000100", NULL, 0, 512);
}

/* The slow request is there, unless it has been answered. */
static void task_query(Scsi *s)
{
    uint8_t response =
        task_function(s, VIRTIO_SCSI_T_TMF_QUERY_TASK, 2, 0, 0x77);

    g_assert_true(response == VIRTIO_SCSI_S_FUNCTION_SUCCEEDED ||
                  virtio_answered(&s->v, REQUESTS));
}

/*
 * The host is slow: the request that a function ends is answered first, when
 * the host has let go of its buffers, then the function.
 */
static void test_abort(void)
{
    static const uint8_t functions[] = {
        VIRTIO_SCSI_T_TMF_ABORT_TASK,
        VIRTIO_SCSI_T_TMF_ABORT_TASK_SET,
        VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
        VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET,
    };
    Scsi *s = start("", "-blockdev driver=null-co,node-name=slow,size=1048576,"
                        "latency-ns=50000000 -device scsi-hd,drive=slow");
    Answer a;

    clear_attention(s, 2);
    for (size_t i = 0; i < G_N_ELEMENTS(functions); i++) {
        /* Until the host was slower than this program. */
        do {
            submit_slow_read(s);
            task_query(s);
            g_assert_cmphex(task_function(s, functions[i], 2, 0, 0x77), ==,
                            VIRTIO_SCSI_S_OK);
            g_assert_true(virtio_answered(&s->v, REQUESTS));
            a = finish(s, 512);
            if (i >= 2) {
                clear_attention(s, 2);
            }
        } while (a.response == VIRTIO_SCSI_S_OK);
        g_assert_cmphex(a.response, ==,
                        i < 2 ? VIRTIO_SCSI_S_ABORTED : VIRTIO_SCSI_S_RESET);
    }
    /* The whole adapter is reset meanwhile, and used again. */
    submit_slow_read(s);
    drive(s);
    g_assert_false(virtio_answered(&s->v, REQUESTS));
    clear_attention(s, 2);
    /* The unit is unplugged meanwhile. */
    submit_slow_read(s);
    qmp_ok(s->q, "{\"execute\":\"device_del\",\"arguments\":"
                 "{\"id\":\"/machine/peripheral-anon/device[0]\"}}");
    a = finish(s, 512);
    g_assert_true(a.response == VIRTIO_SCSI_S_ABORTED ||
                  a.response == VIRTIO_SCSI_S_OK);
    a = command(s, 2, "000000000000", 0);
    g_assert_cmphex(a.response, ==, VIRTIO_SCSI_S_BAD_TARGET);
    stop(s);
}

/* The next event: kind, and byte 1 of its LUN, reason. */
static void check_event(Scsi *s, uint32_t kind, uint8_t target, uint32_t reason)
{
    g_assert_cmpuint(virtio_wait(&s->v, EVENTS), ==, 16);
    g_assert_cmphex(qtest_readl(s->q, EVENT), ==, kind);
    g_assert_cmphex(qtest_readb(s->q, EVENT + 5), ==, target);
    g_assert_cmphex(qtest_readl(s->q, EVENT + 12), ==, reason);
}

static void test_hotplug(void)
{
    Scsi *s = start("", "-blockdev driver=null-co,node-name=n0,size=1048576");
    static const char del[] = "{\"execute\":\"device_del\",\"arguments\":"
                              "{\"id\":\"new\"}}";
    static const char add[] =
        "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"scsi-hd\","
        "\"drive\":\"n0\",\"id\":\"new\",\"bus\":\"s0.0\"}}";

    clear_attention(s, 0);
    virtio_offer(&s->v, EVENTS, 0, 0, EVENT, 16);
    qmp_ok(s->q, add);
    check_event(s, VIRTIO_SCSI_T_TRANSPORT_RESET, 2,
                VIRTIO_SCSI_EVT_RESET_RESCAN);
    /* Some unit says that there are others. */
    check_sense(command(s, 0, "000000000000", 0), 0x063f0e);
    check_sense(command(s, 0, "000000000000", 0), 0);
    clear_attention(s, 2);
    virtio_offer(&s->v, EVENTS, 0, 0, EVENT, 16);
    qmp_ok(s->q, "{\"execute\":\"block_resize\",\"arguments\":"
                 "{\"device\":\"d0\",\"size\":2097152}}");
    check_event(s, VIRTIO_SCSI_T_PARAM_CHANGE, 0, 0x092a);
    check_sense(command(s, 0, "000000000000", 0), 0x062a09);
    virtio_offer(&s->v, EVENTS, 0, 0, EVENT, 16);
    qmp_ok(s->q, del);
    check_event(s, VIRTIO_SCSI_T_TRANSPORT_RESET, 2,
                VIRTIO_SCSI_EVT_RESET_REMOVED);
    /* Nobody has room for an event: that is told later. */
    qmp_ok(s->q, add);
    virtio_offer(&s->v, EVENTS, 0, 0, EVENT, 16);
    check_event(s, VIRTIO_SCSI_T_EVENTS_MISSED, 0, 0);
    stop(s);
}

static void test_bad_requests(void)
{
    static const struct {
        unsigned queue, out, in;
    } bad[] = {
        { REQUESTS, HEAD_BYTES - 1, RESP_BYTES },
        { REQUESTS, HEAD_BYTES, RESP_BYTES - 1 },
        { REQUESTS, 0, RESP_BYTES },
        { REQUESTS, HEAD_BYTES, 0 },
        { CONTROL, 23, 1 },
        { CONTROL, 24, 0 },
        { CONTROL, 3, 1 },
    };
    Scsi *s = start("", "");

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        qtest_memset(s->q, OUT, 0, HEAD_BYTES);
        virtio_offer(&s->v, bad[i].queue, OUT, bad[i].out, IN, bad[i].in);
        g_assert_cmphex(qtest_readb(s->q,
                                    s->v.common + VIRTIO_PCI_COMMON_STATUS),
                        ==, 0xf | VIRTIO_CONFIG_S_NEEDS_RESET);
        drive(s);
        clear_attention(s, 0);
    }
    stop(s);
}

static void expect_status(QTest *q, const char *want)
{
    for (;;) {
        g_autoptr(JsonValue) r = qtest_qmp(q, "{\"execute\":\"query-status\"}");
        const char *got = json_get_string(json_object_get(r, "status"));

        if (g_strcmp0(got, want) == 0) {
            return;
        }
        g_usleep(1000);
    }
}

/* A failed request stops the VM, and is done where the VM goes on. */
static void test_stop(gconstpointer moves)
{
    g_autofree char *image = make_image(DISK);
    g_autofree char *stream = g_strdup_printf("%s.stream", image);
    g_autofree char *args = g_strdup_printf(
        "-drive file=%s,format=raw,if=none,id=plain,file.locking=off "
        "-blockdev driver=blkdebug,node-name=bad,image.driver=file,"
        "image.locking=off,image.filename=%s,inject-error.0.event=write_aio,"
        "inject-error.0.errno=28,inject-error.0.once=on "
        "-device virtio-scsi-pci,addr=2,num_queues=1 "
        "-device scsi-hd,share-rw=on,drive=",
        image, image);
    g_autofree char *go = g_strdup_printf("{\"execute\":\"migrate\","
                                          "\"arguments\":"
                                          "{\"uri\":\"exec:cat > %s\"}}",
                                          stream);
    uint8_t buf[512];
    Scsi s = { 0 };

    s.q = qtest_startf("%sbad", args);
    drive(&s);
    clear_attention(&s, 0);
    memset(buf, 0x5c, sizeof(buf));
    submit(&s, 0, 0, "2a000000000300000100", buf, 512, 0);
    json_unref(qtest_qmp_event(s.q, "BLOCK_IO_ERROR"));
    expect_status(s.q, "io-error");
    g_assert_false(virtio_answered(&s.v, REQUESTS));
    if (moves != NULL) {
        qmp_ok(s.q, go);
        expect_status(s.q, "postmigrate");
        qtest_quit(s.q);
        s.q = qtest_startf("%splain -incoming 'exec:cat %s'", args, stream);
        s.v.q = s.q;
        expect_status(s.q, "io-error");
        g_unlink(stream);
    }
    qmp_ok(s.q, "{\"execute\":\"cont\"}");
    check_sense(finish(&s, 0), 0);
    check_block(&s, "28000000000300000100", 0x5c);
    qtest_quit(s.q);
    g_unlink(image);
}

typedef struct Policy {
    const char *props;
    const char *cdb; /* of the request that fails */
    int error;       /* errno */
    uint32_t sense;  /* that the driver sees */
} Policy;

/* What werror= and rerror= make of an error, where the VM goes on. */
static void test_policies(void)
{
    static const Policy policies[] = {
        { "", "2a000000000300000100", EIO, 0x0b0006 },
        { ",werror=report", "2a000000000300000100", ENOSPC, 0x072707 },
        { "", "2a000000000300000100", EINVAL, 0x052400 },
        { "", "2a000000000300000100", ENOMEM, 0x044400 },
        { "", "28000000000300000100", EIO, 0x0b0006 },
        { ",rerror=ignore", "28000000000300000100", EIO, 0 },
        { ",werror=ignore", "2a000000000300000100", EIO, 0 },
        { "", "35000000000000000000", EIO, 0x0b0006 },
        { "", "93010000000000000002000000100000", EIO, 0x0b0006 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(policies); i++) {
        const Policy *p = &policies[i];
        bool writes = g_str_has_prefix(p->cdb, "2a");
        bool reads = g_str_has_prefix(p->cdb, "28");
        uint8_t buf[512] = { 0 };
        Scsi s = { 0 };

        s.q = qtest_startf(
            "-blockdev driver=blkdebug,node-name=bad,image.driver=null-co,"
            "image.size=1048576,inject-error.0.event=none,"
            "inject-error.0.errno=%d,inject-error.0.once=on "
            "-device virtio-scsi-pci,addr=2 "
            "-device scsi-hd,drive=bad,cyls=2,heads=16,secs=63%s",
            p->error, p->props);
        drive(&s);
        clear_attention(&s, 0);
        for (unsigned round = 0; round < 2; round++) {
            submit(&s, 0, 0, p->cdb, buf, writes ? 512 : 0, reads ? 512 : 0);
            /* It failed once only. */
            check_sense(finish(&s, reads ? 512 : 0), round == 0 ? p->sense : 0);
        }
        qtest_quit(s.q);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-scsi/config", test_config);
    g_test_add_func("/virtio-scsi/known", test_known);
    g_test_add_func("/virtio-scsi/transfers", test_transfers);
    g_test_add_func("/virtio-scsi/ranges", test_ranges);
    g_test_add_func("/virtio-scsi/mode-select", test_mode_select);
    g_test_add_func("/virtio-scsi/places", test_places);
    g_test_add_func("/virtio-scsi/media", test_media);
    g_test_add_func("/virtio-scsi/task-management", test_task_management);
    g_test_add_func("/virtio-scsi/abort", test_abort);
    g_test_add_func("/virtio-scsi/hotplug", test_hotplug);
    g_test_add_func("/virtio-scsi/bad-requests", test_bad_requests);
    g_test_add_data_func("/virtio-scsi/stop", NULL, test_stop);
    g_test_add_data_func("/virtio-scsi/stop-and-move", "", test_stop);
    g_test_add_func("/virtio-scsi/policies", test_policies);
    return g_test_run();
}
