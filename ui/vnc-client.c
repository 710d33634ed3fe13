/*
 * A VNC client's thread: pictures to the client, input from it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/vnc-priv.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "ui/input.h"
#include "util/log.h"

enum {
    /* One that takes nothing for so long is gone. */
    WRITE_MS = 300 * 1000,
    /* Bytes a row, at least one of which the library's buffer has to hold. */
    ROW_MAX = UPDATE_BUF_SIZE - 1024,
    WIDTH_MAX = ROW_MAX / 4,
    /* Pixels that are copied while the console's drawing waits for it. */
    PIECE = 256 * 1024,
    /* Between two pictures, and for so many messages: see throttle(). */
    TICK_MS = 10,
    TICK_MESSAGES = 200,
    /* Pseudo-encodings and messages that the library doesn't know. */
    ENCODING_POINTER_TYPE = -257,
    ENCODING_EXT_KEY = -258,
    MESSAGE_QEMU = 255,
    MESSAGE_EXT_KEY = 0,
};

/* What the client sends. */

/* Waits while the guest hasn't taken what is there; false: it is to end. */
static bool add_input(VncClient *c, const VncInput *in)
{
    lock_acquire(&c->lock);
    if (c->ninputs > 0 && !in->is_key) {
        VncInput *last =
            &c->inputs[(c->first_input + c->ninputs - 1) % VNC_INPUTS];

        /* A pointer on its way: where it is now. */
        if (!last->is_key && last->buttons == in->buttons && !last->relative &&
            !in->relative) {
            *last = *in;
            lock_release(&c->lock);
            return true;
        }
    }
    while (c->ninputs == VNC_INPUTS && !c->quit) {
        cond_wait(&c->inputs_cond, &c->lock);
    }
    if (!c->quit) {
        c->inputs[(c->first_input + c->ninputs) % VNC_INPUTS] = *in;
        c->ninputs++;
    }
    lock_release(&c->lock);
    vnc_tell(c->server->all);
    return !__atomic_load_n(&c->quit, __ATOMIC_RELAXED);
}

static void key_event(rfbBool down, rfbKeySym sym, rfbClientPtr rfb)
{
    VncInput in = { .is_key = true, .down = down, .code = vnc_key_code(sym) };

    if (in.code != 0) {
        add_input(rfb->screen->screenData, &in);
    }
}

static void pointer_event(int buttons, int x, int y, rfbClientPtr rfb)
{
    VncClient *c = rfb->screen->screenData;
    VncInput in = { .relative = c->told_pointer && !c->told_absolute,
                    .buttons = buttons,
                    .x = x,
                    .y = y,
                    .width = rfb->screen->width,
                    .height = rfb->screen->height };

    add_input(c, &in);
}

/* The guest has no clipboard here. */
static void cut_text(char *text, int len, rfbClientPtr rfb)
{
}

/*
 * QEMU's message 255.0: a key with its code (of set 1, 0x80 for the prefix
 * 0xe0), so that it is the same key whatever the layouts are.
 */
static rfbBool extension_message(rfbClientPtr rfb, void *data,
                                 const rfbClientToServerMsg *msg)
{
    uint8_t body[11]; /* submessage, down (2), keysym (4), code (4) */
    VncInput in = { .is_key = true };
    uint32_t code;

    if (msg->type != MESSAGE_QEMU || rfbReadExact(rfb, (char *)body, 1) <= 0 ||
        body[0] != MESSAGE_EXT_KEY ||
        rfbReadExact(rfb, (char *)body + 1, sizeof(body) - 1) <= 0) {
        return FALSE;
    }
    code = (uint32_t)body[7] << 24 | body[8] << 16 | body[9] << 8 | body[10];
    in.down = body[1] != 0 || body[2] != 0;
    if (code > 0 && code < VNC_KEY_CODES && code != 0x80) {
        in.code = code & 0x80 ? 0xe000 | (code & 0x7f) : code;
        add_input(rfb->screen->screenData, &in);
    }
    return TRUE;
}

/* A rectangle that says something other than pixels. */
static bool send_notice(rfbClientPtr rfb, int32_t encoding, uint16_t x)
{
    struct {
        rfbFramebufferUpdateMsg msg;
        rfbFramebufferUpdateRectHeader rect;
    } __attribute__((packed)) m = {
        .msg = { .type = rfbFramebufferUpdate, .nRects = GUINT16_TO_BE(1) },
        .rect = { .r = { .x = GUINT16_TO_BE(x),
                         .w = GUINT16_TO_BE((uint16_t)rfb->screen->width),
                         .h = GUINT16_TO_BE((uint16_t)rfb->screen->height) },
                  .encoding = GUINT32_TO_BE((uint32_t)encoding) },
    };

    return rfbWriteExact(rfb, (const char *)&m, sizeof(m)) > 0;
}

static rfbBool extension_encoding(rfbClientPtr rfb, void **data, int encoding)
{
    VncClient *c = rfb->screen->screenData;

    if (encoding == ENCODING_POINTER_TYPE) {
        c->wants_pointer_type = true;
        return TRUE;
    }
    return encoding == ENCODING_EXT_KEY &&
           send_notice(rfb, ENCODING_EXT_KEY, 0);
}

static rfbBool extension_new(rfbClientPtr rfb, void **data)
{
    return TRUE;
}

static rfbProtocolExtension extension = {
    .newClient = extension_new,
    .enablePseudoEncoding = extension_encoding,
    .handleMessage = extension_message,
};

/* The library. */

/* It would write to standard error, at a stranger's wish. */
G_GNUC_PRINTF(1, 2) static void no_log(const char *format, ...)
{
}

/*
 * Copied for each client: rfbGetScreen() sets up a lock of the whole process
 * anew each time, which other clients' threads may hold.
 */
static rfbScreenInfoPtr template_screen;

void vnc_library_init(void)
{
    rfbScreenInfoPtr s;

    if (template_screen != NULL) {
        return;
    }
    rfbLog = no_log;
    rfbErr = no_log;
    s = rfbGetScreen(NULL, NULL, 4, 4, 8, 3, 4);
    g_assert(s != NULL);
    s->serverFormat.redShift = 16;
    s->serverFormat.greenShift = 8;
    s->serverFormat.blueShift = 0;
    s->serverFormat.depth = s->depth = 24;
    s->cursor = NULL; /* the guest draws its own */
    s->kbdAddEvent = key_event;
    s->ptrAddEvent = pointer_event;
    s->setXCutText = cut_text;
    s->setXCutTextUTF8 = cut_text;
    s->maxClientWait = WRITE_MS;
    rfbRegisterProtocolExtension(&extension);
    template_screen = s;
}

static void make_screen(VncClient *c)
{
    c->screen = g_memdup2(template_screen, sizeof(*template_screen));
    pthread_mutex_init(&c->screen->cursorMutex, NULL);
    c->screen->screenData = c;
    c->screen->desktopName = c->server->name;
}

/* Pictures. */

/* One for the console's new size; false: there is no memory. */
static bool vnc_client_resize(VncClient *c, unsigned width, unsigned height)
{
    rfbScreenInfoPtr s = c->screen;

    g_free(c->picture);
    c->picture = g_try_malloc0_n((size_t)width * height, sizeof(uint32_t));
    if (c->picture == NULL) {
        log_warn("VNC: no memory for a picture of %u x %u", width, height);
        return false;
    }
    s->frameBuffer = (char *)c->picture;
    s->paddedWidthInBytes = width * 4;
    s->width = MIN(width, WIDTH_MAX);
    s->height = height;
    sraRgnDestroy(c->rfb->modifiedRegion);
    c->rfb->modifiedRegion = sraRgnCreateRect(0, 0, s->width, s->height);
    return true;
}

/* Copies a piece of what has changed; false: there is none. */
static bool copy_piece(VncClient *c, sraRect *ret_r)
{
    Rect r;

    LOCK_GUARD(&c->lock);
    if (c->resized || c->con == NULL || !sraRgnPopRect(c->damage, ret_r, 0)) {
        return false;
    }
    r = (Rect){ ret_r->x1, ret_r->y1, ret_r->x2 - ret_r->x1,
                ret_r->y2 - ret_r->y1 };
    if ((size_t)r.w * r.h > PIECE) {
        sraRegionPtr rest;

        r.h = MAX(PIECE / r.w, 1);
        rest =
            sraRgnCreateRect(ret_r->x1, ret_r->y1 + r.h, ret_r->x2, ret_r->y2);
        sraRgnOr(c->damage, rest);
        sraRgnDestroy(rest);
        ret_r->y2 = ret_r->y1 + r.h;
    }
    console_copy(c->con, c->picture, c->width, c->height, r);
    return true;
}

static void copy_damage(VncClient *c)
{
    sraRect r;

    while (copy_piece(c, &r)) {
        sraRegionPtr region;

        r.x2 = MIN(r.x2, c->screen->width);
        if (r.x1 >= r.x2) {
            continue;
        }
        region = sraRgnCreateRect(r.x1, r.y1, r.x2, r.y2);
        sraRgnOr(c->rfb->modifiedRegion, region);
        sraRgnDestroy(region);
    }
}

/* False: the connection is to end. */
static bool take_changes(VncClient *c)
{
    unsigned width, height;
    bool resized, absolute, ok = true;

    lock_acquire(&c->lock);
    resized = c->resized;
    c->resized = false;
    width = c->width;
    height = c->height;
    absolute = c->absolute;
    lock_release(&c->lock);
    if (resized) {
        ok = vnc_client_resize(c, width, height);
    }
    if (ok && c->wants_pointer_type &&
        (!c->told_pointer || c->told_absolute != absolute)) {
        c->told_pointer = true;
        c->told_absolute = absolute;
        ok = send_notice(c->rfb, ENCODING_POINTER_TYPE, absolute);
    }
    return ok;
}

/* False: it couldn't.  *ret_more: it is to be called again. */
static bool send_update(VncClient *c, bool *ret_more)
{
    rfbClientPtr rfb = c->rfb;

    *ret_more = false;
    if (sraRgnEmpty(rfb->requestedRegion)) {
        return true; /* the damage gathers */
    }
    copy_damage(c);
    if (rfb->useNewFBSize && (c->told_width != c->screen->width ||
                              c->told_height != c->screen->height)) {
        rfb->newFBSizePending = TRUE;
        c->told_width = c->screen->width;
        c->told_height = c->screen->height;
    }
    if (!FB_UPDATE_PENDING(rfb)) {
        return true;
    }
    /* A new size is sent alone. */
    *ret_more = rfb->useNewFBSize && rfb->newFBSizePending;
    return rfbSendFramebufferUpdate(rfb, rfb->modifiedRegion);
}

/* Its messages. */

/* What a client may ask the library for, and doesn't get. */
static void after_message(VncClient *c)
{
    rfbClientPtr rfb = c->rfb;

    if (rfb->sock < 0) {
        return;
    }
    /* Smaller copies of the picture, which the library keeps on its own. */
    if (rfb->scaledScreen != rfb->screen) {
        rfbCloseClient(rfb);
        return;
    }
    if (!c->server->o->lossy) {
        rfb->tightQualityLevel = -1;
        rfb->turboQualityLevel = -1;
        if (rfb->preferredEncoding == rfbEncodingZYWRLE) {
            rfb->preferredEncoding = rfbEncodingZRLE;
        }
    }
}

static bool is_over(const VncClient *c)
{
    return c->rfb->sock < 0 || __atomic_load_n(&c->quit, __ATOMIC_RELAXED);
}

/* Waits for the client or for news, at most timeout_ms. */
static bool wait_for_either(VncClient *c, bool client, int timeout_ms)
{
    struct pollfd p[] = {
        { .fd = c->wake_fd, .events = POLLIN },
        { .fd = client ? c->rfb->sock : -1, .events = POLLIN },
    };
    uint64_t n;

    if (client && webSocketsHasDataInBuffer(c->rfb)) {
        return true;
    }
    if (poll(p, G_N_ELEMENTS(p), timeout_ms) < 0) {
        return false;
    }
    if (p[0].revents != 0 && read(c->wake_fd, &n, sizeof(n)) < 0) {
        return false;
    }
    return p[1].revents != 0;
}

static void vnc_client_serve(VncClient *c)
{
    int64_t tick = 0;
    unsigned messages = 0;
    bool waits = false; /* there is something to send, later */

    while (!is_over(c) && take_changes(c)) {
        int64_t now = g_get_monotonic_time() / 1000;

        /* One that floods has its own thread busy for a part of the time. */
        if (now - tick >= TICK_MS) {
            tick = now;
            messages = 0;
            if (!send_update(c, &waits)) {
                break;
            }
        } else {
            waits = true;
        }
        if (wait_for_either(c, messages < TICK_MESSAGES,
                            waits ? TICK_MS : -1)) {
            messages++;
            rfbProcessClientMessage(c->rfb);
            after_message(c);
        }
    }
}

/* Its life. */

/* ServerInit (RFC 6143, 7.3.2). */
static bool send_init(VncClient *c)
{
    const rfbPixelFormat *f = &c->screen->serverFormat;
    rfbServerInitMsg m = {
        .framebufferWidth = GUINT16_TO_BE((uint16_t)c->screen->width),
        .framebufferHeight = GUINT16_TO_BE((uint16_t)c->screen->height),
        .format = *f,
        .nameLength = GUINT32_TO_BE((uint32_t)strlen(c->server->name)),
    };

    m.format.redMax = GUINT16_TO_BE(f->redMax);
    m.format.greenMax = GUINT16_TO_BE(f->greenMax);
    m.format.blueMax = GUINT16_TO_BE(f->blueMax);
    c->rfb->state = RFB_NORMAL;
    c->told_width = c->screen->width;
    c->told_height = c->screen->height;
    return rfbWriteExact(c->rfb, (const char *)&m, sz_rfbServerInitMsg) > 0 &&
           rfbWriteExact(c->rfb, c->server->name, strlen(c->server->name)) > 0;
}

/* Until the main thread has let it in, or sent it away. */
static bool wait_admitted(VncClient *c)
{
    vnc_tell(c->server->all);
    LOCK_GUARD(&c->lock);
    while (!c->admitted && !c->quit) {
        cond_wait(&c->admitted_cond, &c->lock);
    }
    return !c->quit;
}

static void vnc_client_leave(VncClient *c)
{
    if (c->rfb != NULL) {
        if (c->rfb->sock >= 0) {
            rfbCloseClient(c->rfb);
        }
        /* The library forgets these two. */
        while (c->rfb->extensions != NULL) {
            rfbExtensionData *next = c->rfb->extensions->next;

            free(c->rfb->extensions);
            c->rfb->extensions = next;
        }
        free(c->rfb->wsctx);
        rfbClientConnectionGone(c->rfb);
    }
    rfbScreenCleanup(c->screen);
    c->screen = NULL;
    c->rfb = NULL;
    g_clear_pointer(&c->picture, g_free);
    /* The main thread's descriptor is another one: the peer waits for it. */
    io_channel_shutdown(c->ch, IO_SHUTDOWN_BOTH);
}

void *vnc_client_run(void *opaque)
{
    VncClient *c = opaque;

    make_screen(c);
    if (vnc_door_open(c) && vnc_door_pass(c) && wait_admitted(c) &&
        take_changes(c) && send_init(c)) {
        vnc_client_serve(c);
    }
    vnc_client_leave(c);
    lock_acquire(&c->lock);
    c->ended = true;
    lock_release(&c->lock);
    vnc_tell(c->server->all);
    return NULL;
}

void vnc_client_wake(VncClient *c)
{
    uint64_t one = 1;
    ssize_t n = write(c->wake_fd, &one, sizeof(one));

    (void)n; /* full: it is awake */
}
