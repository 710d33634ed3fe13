/*
 * Character devices: the host side of serial ports, consoles, monitors.
 *
 * A back end (socket, stdio, file, pty, …) is a Chardev; at most one front
 * end (a UART, a monitor) is attached to it.  Main thread, except writes,
 * which device code makes under vm_lock: back ends guard their output with
 * their own lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CHARDEV_CHARDEV_H
#define CHARDEV_CHARDEV_H

#include "qom/object.h"
#include "util/keyval.h"

typedef struct Chardev Chardev;
typedef struct Chardevs Chardevs; /* all of a VM's, by label */

typedef enum ChardevEvent {
    CHARDEV_OPENED, /* a peer connected, or the device is ready */
    CHARDEV_CLOSED,
    CHARDEV_BREAK,
    CHARDEV_MUX_IN, /* got the focus of a mux */
    CHARDEV_MUX_OUT,
} ChardevEvent;

/* What a front end gives; main thread, vm_lock held. Members may be NULL. */
typedef struct ChardevFrontend {
    /* How many bytes it can take now; 0 stops input until accept_input. */
    int (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *buf, int len);
    void (*event)(void *opaque, ChardevEvent ev);
    /*
     * Set by what holds a conversation with each peer: all that a peer sent
     * is taken before CLOSED, and nothing of it reaches the next one.  Called
     * when nothing more will come, while the peer may still read: true if
     * there is still something to do for it, and then
     * chardev_input_done() follows.  May be called again.
     */
    bool (*end_of_input)(void *opaque);
    /* With end_of_input: the peer has gone while can_receive said 0. */
    void (*peer_gone)(void *opaque);
    /*
     * With end_of_input: the peer doesn't read any more, either.  True: all
     * that is still to do for it is an answer, so CLOSED may come at once.
     */
    bool (*may_forget)(void *opaque);
    void *opaque;
} ChardevFrontend;

/* What back ends need of the layers above.  Members may be NULL. */
typedef struct ChardevHooks {
    /* /dev/fdset/ID, for open() @flags: a new descriptor or -errno. */
    int (*fdset_open)(void *opaque, int64_t id, int flags);
    /* A name that "getfd" gave: the descriptor, now ours, or -errno. */
    int (*fd_by_name)(void *opaque, const char *name);
    /* Ctrl-A x on a mux. */
    void (*quit)(void *opaque);
    /* Raised when the program is to end: what waits for a peer gives up. */
    struct IoCancel *interrupt;
    void *opaque;
} ChardevHooks;

Chardevs *chardevs_new(void);
/* Ends every back end; terminals get their modes back. */
void chardevs_free(Chardevs *cs);
void chardevs_set_hooks(Chardevs *cs, const ChardevHooks *hooks);
/* -echr: the escape character of every mux; 1 (Ctrl-A) at first. */
void chardevs_set_escape(Chardevs *cs, uint8_t escape);
/* Names of the back ends for -chardev, NULL-terminated. */
const char *const *chardev_type_names(void);
/* -chardev TYPE,id=ID,…; the new back end is listed under its id. */
Chardev *chardev_new_from_keyval(Chardevs *cs, KeyVal *kv, GError **errp);
/* Legacy device text of -serial, -monitor, -qmp ("stdio", "unix:…",
 * "chardev:ID", …); `label` names the new back end.  *ret_cd NULL for
 * "none". */
bool chardev_new_from_text(Chardevs *cs, const char *label, const char *text,
                           Chardev **ret_cd, GError **errp);
/* QMP chardev-add: @backend is {"type": …, "data": …}. */
Chardev *chardev_new_from_json(Chardevs *cs, const char *id,
                               const JsonValue *backend, GError **errp);
Chardev *chardev_find(Chardevs *cs, const char *label);
void chardev_delete(Chardevs *cs, Chardev *cd); /* front end detached */
void chardevs_foreach(Chardevs *cs, void (*fn)(Chardev *cd, void *opaque),
                      void *opaque);

const char *chardev_label(const Chardev *cd);
/* As `info chardev` shows it: "unix:/path,server=on", "pty:/dev/pts/3". */
char *chardev_filename(const Chardev *cd);
/* A front end is attached, and has not said that nobody reads. */
bool chardev_frontend_open(const Chardev *cd);
/*
 * The front end says whether its own reader is there: a guest's program that
 * has opened a port.  True at first.  Only what query-chardev shows.
 */
void chardev_set_frontend_open(Chardev *cd, bool open);
bool chardev_is_open(const Chardev *cd);
/* Held by a front end or a mux: can't be deleted. */
bool chardev_is_busy(const Chardev *cd);
/* Takes several front ends, of which one at a time has the focus. */
bool chardev_is_mux(const Chardev *cd);
/* The path of a pty's other side; NULL for other kinds; @cd's own. */
const char *chardev_pty_path(const Chardev *cd);
/* ringbuf only: takes out up to @size bytes (g_byte_array_unref()). */
GByteArray *chardev_ringbuf_read(Chardev *cd, size_t size, GError **errp);
bool chardev_ringbuf_write(Chardev *cd, const void *buf, size_t len,
                           GError **errp);
/* False with `errp` if another front end holds it (a mux takes several). */
bool chardev_attach(Chardev *cd, const ChardevFrontend *fe, void **ret_handle,
                    GError **errp);
void chardev_detach(Chardev *cd, void *handle);
/* The front end can take input again. */
void chardev_accept_input(Chardev *cd);
/* What end_of_input() left to do is done; may end in CLOSED. */
void chardev_input_done(Chardev *cd);
/* Bytes taken, maybe fewer than len, 0 if it would block; -errno. */
int chardev_write(Chardev *cd, const void *buf, int len);
/*
 * Output that must not be lost but may be late: what the peer doesn't take at
 * once waits here, and is dropped when the peer goes.  vm_lock.
 */
typedef struct ChardevQueue {
    Chardev *cd;
    GString *text;  /* not taken yet */
    unsigned watch; /* for writing; 0: none */
    void (*drained)(void *opaque);
    void *opaque;
} ChardevQueue;

/* drained: all was taken that had to wait; may be NULL. */
void chardev_queue_init(ChardevQueue *q, Chardev *cd,
                        void (*drained)(void *opaque), void *opaque);
/* Forgets what waits. */
void chardev_queue_clear(ChardevQueue *q);
void chardev_queue_fini(ChardevQueue *q);
/* Never waits.  The caller bounds how much there may be: q->text->len. */
void chardev_queue_put(ChardevQueue *q, const void *buf, size_t len);
/* Calls fn once, from the main loop, when writing is possible again. */
unsigned chardev_add_write_watch(Chardev *cd, void (*fn)(void *opaque),
                                 void *opaque);
void chardev_del_watch(Chardev *cd, unsigned watch);
/* Last file descriptor a socket peer passed, or -1; the caller owns it. */
int chardev_take_fd(Chardev *cd);
/*
 * For a front end that talks to a unix socket's peer itself, bytes and
 * descriptors: a copy of the connection's descriptor, the caller's; -1: there
 * is no peer, or it isn't that kind.  The front end takes no input then, and
 * ends the connection itself when it is told that it is closed: after a
 * shutdown() here nobody could find out any more whether the peer has closed
 * its end.
 */
int chardev_unix_fd(Chardev *cd);
/*
 * Waits for the peer of a socket as long as it takes (a server for somebody
 * who connects, a client with reconnect= for its server), while the program
 * starts.  False with errp if it can't come, or on a signal.
 */
bool chardev_wait_peer(Chardev *cd, GError **errp);
bool chardev_is_socket(const Chardev *cd);
/* Drops the peer; a server waits for the next. */
void chardev_disconnect(Chardev *cd);
/* Serial line parameters and control lines; -ENOTSUP where there are none. */
typedef struct ChardevLine {
    int speed;  /* baud */
    int parity; /* 'N', 'E' or 'O' */
    int data_bits, stop_bits;
} ChardevLine;
int chardev_set_line(Chardev *cd, const ChardevLine *line);
int chardev_send_break(Chardev *cd);

#endif
