/*
 * filter-mirror and filter-redirector: packets to and from character devices.
 *
 *   0 length  u32, most significant byte first; of what follows
 *   4 frame
 *
 * A mirror sends a copy to `outdev`.  A redirector sends the packet itself to
 * `outdev`, and lets what comes from `indev` in behind itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/filter.h"

#include "chardev/chardev.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/log.h"

enum { HEADER = 4 };

/* An attached character device; cd NULL: none. */
typedef struct MirrorEnd {
    Chardev *cd;
    void *handle;
} MirrorEnd;

typedef struct FilterMirror {
    NetFilter f;
    char *outdev, *indev;
    MirrorEnd out, in;
    size_t in_len; /* of buf */
    bool stuck;    /* a whole frame waits for its receiver */
    uint8_t buf[HEADER + NET_PACKET_MAX];
} FilterMirror;

static FilterMirror *mirror_of(NetFilter *f)
{
    return container_of(f, FilterMirror, f);
}

/* Never waits: what the device doesn't take as a whole breaks the stream. */
static void mirror_send(FilterMirror *m, const NetPacket *pkt)
{
    g_autofree uint8_t *frame = g_malloc(HEADER + pkt->size);
    int len = (int)(HEADER + pkt->size), done = 0;

    if (m->out.cd == NULL || !chardev_is_open(m->out.cd)) {
        return;
    }
    stl_be_p(frame, pkt->size);
    iov_to_buf(pkt->iov, pkt->niov, 0, frame + HEADER, pkt->size);
    done = chardev_write(m->out.cd, frame, len);
    if (done > 0 && done < len) {
        log_warn("%s: '%s' is too slow: disconnected", m->f.obj.name,
                 m->outdev);
        chardev_disconnect(m->out.cd);
    }
}

static NetVerdict mirror_packet(NetFilter *f, NetDirection dir,
                                const NetPacket *pkt)
{
    mirror_send(mirror_of(f), pkt);
    return NET_PASS;
}

static NetVerdict redirector_packet(NetFilter *f, NetDirection dir,
                                    const NetPacket *pkt)
{
    if (mirror_of(f)->outdev == NULL) {
        return NET_PASS;
    }
    mirror_send(mirror_of(f), pkt);
    return NET_TAKEN;
}

/* ------------------------------------------------------ from `indev` --- */

static int mirror_can_receive(void *opaque)
{
    FilterMirror *m = opaque;

    return m->stuck ? 0 : (int)(sizeof(m->buf) - m->in_len);
}

/* In both directions of the filter, as it has no other to tell. */
static bool mirror_let_in(FilterMirror *m, const uint8_t *frame, size_t len)
{
    struct iovec iov = { (void *)(uintptr_t)frame, len };
    NetPacket pkt = { .iov = &iov, .niov = 1, .size = len };

    if (len == 0 || m->f.port == NULL) {
        return true;
    }
    if (m->f.direction == NET_DIRECTION_RX) {
        return net_filters_run(m->f.port, &m->f, NET_DIRECTION_RX, &pkt);
    }
    if (m->f.direction == NET_DIRECTION_ALL) {
        net_filters_run(m->f.port, &m->f, NET_DIRECTION_RX, &pkt);
    }
    return net_filters_run(m->f.port, &m->f, NET_DIRECTION_TX, &pkt);
}

static void mirror_hand_on(FilterMirror *m)
{
    size_t done = 0;

    m->stuck = false;
    while (!m->stuck && m->in_len - done >= HEADER) {
        uint32_t len = ldl_be_p(m->buf + done);

        if (len > NET_PACKET_MAX) {
            log_warn("%s: a frame of %" PRIu32 " bytes: '%s' disconnected",
                     m->f.obj.name, len, m->indev);
            m->in_len = 0;
            chardev_disconnect(m->in.cd);
            return;
        }
        if (m->in_len - done - HEADER < len) {
            break;
        }
        m->stuck = !mirror_let_in(m, m->buf + done + HEADER, len);
        done += m->stuck ? 0 : HEADER + len;
    }
    m->in_len -= done;
    memmove(m->buf, m->buf + done, m->in_len);
}

static void mirror_receive(void *opaque, const uint8_t *buf, int len)
{
    FilterMirror *m = opaque;

    memcpy(m->buf + m->in_len, buf, len);
    m->in_len += len;
    mirror_hand_on(m);
}

static void mirror_event(void *opaque, ChardevEvent ev)
{
    FilterMirror *m = opaque;

    if (ev == CHARDEV_CLOSED) {
        m->in_len = 0;
        m->stuck = false;
    }
}

static void mirror_resume(NetFilter *f)
{
    FilterMirror *m = mirror_of(f);

    if (m->stuck) {
        mirror_hand_on(m);
        if (!m->stuck) {
            chardev_accept_input(m->in.cd);
        }
    }
}

/* -------------------------------------------------------------- making --- */

static bool mirror_attach(FilterMirror *m, const char *id, bool in,
                          GError **errp)
{
    struct Vm *vm = networks_vm(m->f.port->nets);
    ChardevFrontend fe = {
        .can_receive = in ? mirror_can_receive : NULL,
        .receive = in ? mirror_receive : NULL,
        .event = in ? mirror_event : NULL,
        .opaque = m,
    };
    MirrorEnd *end = in ? &m->in : &m->out;
    Chardev *cd = chardev_find(vm->chardevs, id);

    if (cd == NULL) {
        error_setf(errp, "Device '%s' not found", id);
        return false;
    }
    if (!chardev_attach(cd, &fe, &end->handle, errp)) {
        return false;
    }
    end->cd = cd;
    return true;
}

static void mirror_stop(NetFilter *f)
{
    MirrorEnd *ends[] = { &mirror_of(f)->in, &mirror_of(f)->out };

    for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++) {
        if (ends[i]->cd != NULL) {
            chardev_detach(ends[i]->cd, ends[i]->handle);
            ends[i]->cd = NULL;
        }
    }
}

static bool mirror_start(NetFilter *f, GError **errp)
{
    FilterMirror *m = mirror_of(f);

    if (m->outdev == NULL) {
        error_setf(errp, "filter mirror needs 'outdev' property set");
        return false;
    }
    return mirror_attach(m, m->outdev, false, errp);
}

static bool redirector_start(NetFilter *f, GError **errp)
{
    FilterMirror *m = mirror_of(f);

    if (m->outdev == NULL && m->indev == NULL) {
        error_setf(errp, "filter redirector needs 'indev' or 'outdev' at "
                         "least one property set");
        return false;
    }
    if (g_strcmp0(m->outdev, m->indev) == 0) {
        error_setf(errp, "'indev' and 'outdev' could not be same for filter "
                         "redirector");
        return false;
    }
    return (m->outdev == NULL || mirror_attach(m, m->outdev, false, errp)) &&
           (m->indev == NULL || mirror_attach(m, m->indev, true, errp));
}

static const NetFilterOps mirror_ops = {
    .packet = mirror_packet,
    .start = mirror_start,
    .stop = mirror_stop,
};

static const NetFilterOps redirector_ops = {
    .packet = redirector_packet,
    .resume = mirror_resume,
    .start = redirector_start,
    .stop = mirror_stop,
};

static void mirror_init(Object *obj)
{
    container_of(obj, FilterMirror, f.obj)->f.ops = &mirror_ops;
}

static void redirector_init(Object *obj)
{
    container_of(obj, FilterMirror, f.obj)->f.ops = &redirector_ops;
}

static const Property mirror_props[] = {
    NET_FILTER_PROPS(FilterMirror),
    PROP(PROP_STR, FilterMirror, outdev, "outdev"),
    PROP_END,
};

static const Property redirector_props[] = {
    NET_FILTER_PROPS(FilterMirror),
    PROP(PROP_STR, FilterMirror, outdev, "outdev"),
    PROP(PROP_STR, FilterMirror, indev, "indev"),
    PROP_END,
};

const ObjectType net_filter_mirror_type = {
    .name = "filter-mirror",
    .parent = "netfilter",
    .size = sizeof(FilterMirror),
    .props = mirror_props,
    .user_creatable = true,
    .init = mirror_init,
    .complete = net_filter_complete,
    .fini = net_filter_fini,
};

const ObjectType net_filter_redirector_type = {
    .name = "filter-redirector",
    .parent = "netfilter",
    .size = sizeof(FilterMirror),
    .props = redirector_props,
    .user_creatable = true,
    .init = redirector_init,
    .complete = net_filter_complete,
    .fini = net_filter_fini,
};
