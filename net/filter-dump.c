/*
 * filter-dump: writes packets to a file, in the format of libpcap
 * (pcap-savefile(5), version 2.4, LINKTYPE_ETHERNET).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>

#include "net/filter.h"

#include "util/error.h"
#include "util/iov.h"
#include "util/log.h"
#include "util/open.h"

enum { DUMP_IOV = 64 };

typedef struct PcapHeader {
    uint32_t magic;
    uint16_t major, minor;
    int32_t zone;
    uint32_t sigfigs, snaplen, linktype;
} PcapHeader;

typedef struct PcapRecord {
    uint32_t s, us, stored, len;
} PcapRecord;

typedef struct FilterDump {
    NetFilter f;
    char *file;
    uint32_t max_len; /* bytes of each packet */
    int fd;           /* -1: not open, or failed */
} FilterDump;

static FilterDump *dump_of(NetFilter *f)
{
    return container_of(f, FilterDump, f);
}

static NetVerdict dump_packet(NetFilter *f, NetDirection dir,
                              const NetPacket *pkt)
{
    FilterDump *d = dump_of(f);
    int64_t now = g_get_real_time();
    PcapRecord r = {
        .s = now / G_USEC_PER_SEC,
        .us = now % G_USEC_PER_SEC,
        .stored = MIN(pkt->size, (size_t)d->max_len),
        .len = pkt->size,
    };
    struct iovec iov[DUMP_IOV + 1] = { { &r, sizeof(r) } };
    unsigned n =
        iov_slice(iov + 1, DUMP_IOV, pkt->iov, pkt->niov, 0, r.stored, NULL);
    ssize_t want = iov_size(iov, n + 1);

    r.stored = want - sizeof(r);
    if (d->fd >= 0 && writev(d->fd, iov, n + 1) != want) {
        log_error("%s: %s: write failed, no packets are dumped any more",
                  f->obj.name, d->file);
        close(d->fd);
        d->fd = -1;
    }
    return NET_PASS;
}

static bool dump_start(NetFilter *f, GError **errp)
{
    FilterDump *d = dump_of(f);
    PcapHeader h = {
        .magic = 0xa1b2c3d4,
        .major = 2,
        .minor = 4,
        .snaplen = d->max_len,
        .linktype = 1,
    };

    if (d->file == NULL) {
        error_setf(errp, "dump filter needs 'file' property set!");
        return false;
    }
    d->fd = open_user_file(d->file, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (d->fd < 0) {
        error_setf_errno(errp, -d->fd, "net dump: can't open %s", d->file);
        return false;
    }
    if (write(d->fd, &h, sizeof(h)) != sizeof(h)) {
        error_setf_errno(errp, errno, "net dump: can't write %s", d->file);
        return false;
    }
    return true;
}

static void dump_stop(NetFilter *f)
{
    FilterDump *d = dump_of(f);

    if (d->fd >= 0) {
        close(d->fd);
        d->fd = -1;
    }
}

static const NetFilterOps dump_ops = {
    .packet = dump_packet,
    .start = dump_start,
    .stop = dump_stop,
};

static void dump_init(Object *obj)
{
    FilterDump *d = container_of(obj, FilterDump, f.obj);

    d->f.ops = &dump_ops;
    d->fd = -1;
}

static const Property dump_props[] = {
    NET_FILTER_PROPS(FilterDump),
    PROP(PROP_STR, FilterDump, file, "file"),
    PROP(PROP_U32, FilterDump, max_len, "maxlen", .def = 65536, .min = 1,
         .max = NET_PACKET_MAX),
    PROP_END,
};

const ObjectType net_filter_dump_type = {
    .name = "filter-dump",
    .parent = "netfilter",
    .size = sizeof(FilterDump),
    .props = dump_props,
    .user_creatable = true,
    .init = dump_init,
    .complete = net_filter_complete,
    .fini = net_filter_fini,
};
