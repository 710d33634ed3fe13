/*
 * Character devices: several front ends on one back end.
 *
 * Output of all goes to the back end; input goes to the one that has the
 * focus.  An escape character (Ctrl-A, or that of -echr) begins commands.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev-priv.h"
#include "util/error.h"

enum {
    MUX_MAX = 4,       /* front ends */
    MUX_PENDING = 256, /* bytes kept for each while it takes none */
    MUX_TEXT = 4096,   /* bytes of its own that may wait for a slow peer */
};

typedef struct MuxPort {
    ChardevFrontend fe;
    bool used;
    uint8_t buf[MUX_PENDING]; /* a ring */
    unsigned head, tail;      /* bytes ever put and taken */
} MuxPort;

typedef struct ChardevMux {
    Chardev cd;
    Chardev *base;
    char *base_label; /* until start() */
    void *base_handle;
    MuxPort ports[MUX_MAX];
    ChardevQueue own; /* help and the like; set once there is a base */
    int focus;        /* index of a used port, or -1 */
    bool escaped;     /* the escape character came */
    bool at_line_start;
    bool timestamps;
    int64_t start_us; /* of the first time stamp */
} ChardevMux;

static void port_event(MuxPort *p, ChardevEvent ev)
{
    if (p->used && p->fe.event) {
        p->fe.event(p->fe.opaque, ev);
    }
}

static void mux_set_focus(ChardevMux *m, int focus)
{
    if (m->focus >= 0) {
        port_event(&m->ports[m->focus], CHARDEV_MUX_OUT);
    }
    m->focus = focus;
    if (focus >= 0) {
        port_event(&m->ports[focus], CHARDEV_MUX_IN);
    }
}

static int mux_next_port(const ChardevMux *m, int from)
{
    for (int i = 1; i <= MUX_MAX; i++) {
        int port = (from + i + MUX_MAX) % MUX_MAX;

        if (m->ports[port].used) {
            return port;
        }
    }
    return -1;
}

/* Hands over what the port takes now. */
static void port_flush(MuxPort *p)
{
    while (p->used && p->tail != p->head) {
        int can = p->fe.can_receive ? p->fe.can_receive(p->fe.opaque) : 1;
        uint8_t c = p->buf[p->tail % MUX_PENDING];

        if (can <= 0 || !p->fe.receive) {
            return;
        }
        p->tail++;
        p->fe.receive(p->fe.opaque, &c, 1);
    }
}

static void port_put(MuxPort *p, uint8_t c)
{
    if (p->head - p->tail < MUX_PENDING) {
        p->buf[p->head++ % MUX_PENDING] = c;
    }
    port_flush(p);
}

/* Help that nobody reads is dropped: keys come from the outside. */
static void mux_print(ChardevMux *m, const char *text)
{
    size_t len = strlen(text);

    if (m->own.text->len + len <= MUX_TEXT) {
        chardev_queue_put(&m->own, text, len);
    }
}

static void mux_help(ChardevMux *m)
{
    static const struct {
        const char *key;
        const char *text;
    } rows[] = {
        { "h", "show this help" },
        { "x", "end the emulator" },
        { "b", "send a break" },
        { "t", "switch time stamps on and off" },
        { "c", "go to the next of console and monitor" },
    };
    uint8_t esc = chardevs_escape(m->cd.cs);
    g_autofree char *name = esc > 0 && esc < 27
                                ? g_strdup_printf("C-%c", esc - 1 + 'a')
                                : g_strdup_printf("Escape-Char 0x%02x", esc);
    g_autoptr(GString) s = g_string_new("\r\n");

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_string_append_printf(s, "%s %s    %s\r\n", name, rows[i].key,
                               rows[i].text);
    }
    g_string_append_printf(s, "%s %s  send %s\r\n", name, name, name);
    mux_print(m, s->str);
}

/* The character after the escape character. */
static void mux_command(ChardevMux *m, uint8_t c)
{
    const ChardevHooks *h = chardevs_hooks(m->cd.cs);

    if (c == chardevs_escape(m->cd.cs)) {
        if (m->focus >= 0) {
            port_put(&m->ports[m->focus], c);
        }
        return;
    }
    switch (c) {
    case 'h':
    case '?':
        mux_help(m);
        break;
    case 'x':
        if (h->quit) {
            mux_print(m, "\r\nterminated by user\r\n");
            h->quit(h->opaque);
        }
        break;
    case 'b':
        if (m->focus >= 0) {
            port_event(&m->ports[m->focus], CHARDEV_BREAK);
        }
        break;
    case 'c':
        mux_set_focus(m, mux_next_port(m, m->focus));
        break;
    case 't': {
        LOCK_GUARD(&m->cd.out_lock);
        m->timestamps = !m->timestamps;
        m->start_us = g_get_monotonic_time();
        m->at_line_start = false;
        break;
    }
    default:
        break; /* as a key that has no meaning */
    }
}

static void mux_receive(void *opaque, const uint8_t *buf, int len)
{
    ChardevMux *m = opaque;

    chardev_ref(&m->cd); /* a front end may delete it */
    for (int i = 0; i < len; i++) {
        if (m->escaped) {
            m->escaped = false;
            mux_command(m, buf[i]);
        } else if (buf[i] == chardevs_escape(m->cd.cs)) {
            m->escaped = true;
        } else if (m->focus >= 0) {
            port_put(&m->ports[m->focus], buf[i]);
        }
    }
    chardev_unref(&m->cd);
}

/* Never 0 for long, as the escape character must get through. */
static int mux_can_receive(void *opaque)
{
    ChardevMux *m = opaque;
    MuxPort *p = m->focus >= 0 ? &m->ports[m->focus] : NULL;

    return p ? MAX(1, (int)(MUX_PENDING - (p->head - p->tail))) : 1;
}

static void mux_base_event(void *opaque, ChardevEvent ev)
{
    ChardevMux *m = opaque;

    m->cd.open = ev == CHARDEV_OPENED   ? true
                 : ev == CHARDEV_CLOSED ? false
                                        : m->cd.open;
    if (ev == CHARDEV_CLOSED) {
        chardev_queue_clear(&m->own);
    }
    for (int i = 0; i < MUX_MAX; i++) {
        MuxPort *port = &m->ports[i];

        if (ev == CHARDEV_CLOSED && port->fe.end_of_input) {
            port->tail = port->head; /* nothing for the next peer */
        }
        port_event(port, ev);
    }
}

static bool mux_attach(Chardev *cd, const ChardevFrontend *fe,
                       void **ret_handle, GError **errp)
{
    ChardevMux *m = container_of(cd, ChardevMux, cd);

    for (int i = 0; i < MUX_MAX; i++) {
        MuxPort *p = &m->ports[i];

        if (p->used) {
            continue;
        }
        memset(p, 0, sizeof(*p));
        p->fe = *fe;
        p->used = true;
        cd->attached = true;
        cd->unread = false;
        *ret_handle = p;
        if (cd->open) {
            port_event(p, CHARDEV_OPENED);
        }
        mux_set_focus(m, i);
        chardev_accept_input(m->base);
        return true;
    }
    error_setf(errp, "Device '%s' has %d front ends already", cd->label,
               MUX_MAX);
    return false;
}

static void mux_detach(Chardev *cd, void *handle)
{
    ChardevMux *m = container_of(cd, ChardevMux, cd);
    bool left = false;

    for (int i = 0; i < MUX_MAX; i++) {
        if (&m->ports[i] == handle) {
            memset(&m->ports[i], 0, sizeof(m->ports[i]));
            if (m->focus == i) {
                m->focus = -1;
                mux_set_focus(m, mux_next_port(m, i));
            }
        }
        left |= m->ports[i].used;
    }
    cd->attached = left;
}

static void mux_accept_input(Chardev *cd)
{
    ChardevMux *m = container_of(cd, ChardevMux, cd);

    if (m->focus >= 0) {
        port_flush(&m->ports[m->focus]);
    }
    chardev_accept_input(m->base);
}

static bool mux_write_stamp(ChardevMux *m)
{
    int64_t ms = (g_get_monotonic_time() - m->start_us) / 1000;
    g_autofree char *s = g_strdup_printf("[%02" PRId64 ":%02" PRId64
                                         ":%02" PRId64 ".%03" PRId64 "] ",
                                         ms / 3600000, ms / 60000 % 60,
                                         ms / 1000 % 60, ms % 1000);
    int len = strlen(s);

    return chardev_write(m->base, s, len) == len;
}

static Chardev *mux_output(Chardev *cd)
{
    ChardevMux *m = container_of(cd, ChardevMux, cd);

    return m->base ? m->base : cd;
}

/* With time stamps: a line at a time. */
static int mux_write(Chardev *cd, const uint8_t *buf, int len)
{
    ChardevMux *m = container_of(cd, ChardevMux, cd);
    const uint8_t *nl;
    int n;

    if (!m->timestamps) {
        return chardev_write(m->base, buf, len);
    }
    if (m->at_line_start && len) {
        if (!mux_write_stamp(m)) {
            return 0;
        }
        m->at_line_start = false;
    }
    nl = memchr(buf, '\n', len);
    n = chardev_write(m->base, buf, nl ? nl - buf + 1 : len);
    if (n > 0 && buf[n - 1] == '\n') {
        m->at_line_start = true;
    }
    return n;
}

bool chardev_mux_init(Chardev *mux, Chardev *base, GError **errp)
{
    static const ChardevFrontend fe = {
        .can_receive = mux_can_receive,
        .receive = mux_receive,
        .event = mux_base_event,
    };
    ChardevMux *m = container_of(mux, ChardevMux, cd);
    ChardevFrontend own = fe;

    m->focus = -1;
    own.opaque = m;
    chardev_queue_init(&m->own, base, NULL, NULL);
    if (!chardev_attach(base, &own, &m->base_handle, errp)) {
        return false;
    }
    m->base = chardev_ref(base);
    return true;
}

static bool mux_parse(Chardev *cd, KeyVal *kv, GError **errp)
{
    ChardevMux *m = container_of(cd, ChardevMux, cd);

    m->focus = -1;
    m->base_label = g_strdup(keyval_get(kv, "chardev"));
    if (!m->base_label) {
        error_setf(errp, "chardev: mux: no chardev given");
        return false;
    }
    return true;
}

static bool mux_start(Chardev *cd, GError **errp)
{
    ChardevMux *m = container_of(cd, ChardevMux, cd);
    Chardev *base = chardev_find(cd->cs, m->base_label);

    if (!base) {
        error_setf(errp, "mux: base chardev %s not found", m->base_label);
        return false;
    }
    return chardev_mux_init(cd, base, errp);
}

static void mux_fini(Chardev *cd)
{
    ChardevMux *m = container_of(cd, ChardevMux, cd);

    chardev_queue_fini(&m->own);
    if (m->base) {
        chardev_detach(m->base, m->base_handle);
        chardev_unref(m->base);
        m->base = NULL;
    }
    g_free(m->base_label);
}

static void mux_disconnect(Chardev *cd)
{
    chardev_disconnect(container_of(cd, ChardevMux, cd)->base);
}

const ChardevOps chardev_mux_ops = {
    .type = "mux",
    .size = sizeof(ChardevMux),
    .parse = mux_parse,
    .start = mux_start,
    .fini = mux_fini,
    .write = mux_write,
    .output = mux_output,
    .accept_input = mux_accept_input,
    .attach = mux_attach,
    .detach = mux_detach,
    .disconnect = mux_disconnect,
};

bool chardev_is_mux(const Chardev *cd)
{
    return cd->ops == &chardev_mux_ops;
}
