/*
 * What a character device back end implements.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CHARDEV_PRIV_H
#define CHARDEV_PRIV_H

#include "chardev/chardev.h"
#include "io/channel.h"
#include "util/lock.h"

enum {
    CHARDEV_READ_MAX = 4096,     /* bytes read at once */
    CHARDEV_PENDING_MAX = 65536, /* bytes kept of a peer that is gone */
    CHARDEV_MAX_FDS = 16,        /* descriptors in one message */
};

typedef struct ChardevOps {
    const char *type;
    size_t size;      /* of the struct that embeds Chardev first */
    bool keeps_input; /* end of input isn't the end of the device */
    /* Takes its keys out of @kv; the label is set. */
    bool (*parse)(Chardev *cd, KeyVal *kv, GError **errp);
    /* All keys were understood: opens or connects.  NULL: nothing to do. */
    bool (*start)(Chardev *cd, GError **errp);
    /* Ones that failed to start too.  The channel is dropped before. */
    void (*fini)(Chardev *cd);
    char *(*filename)(const Chardev *cd);
    /*
     * Bytes taken (0: would block) or -errno; out_lock held.  NULL: writes
     * to the channel, or drops what is written while there is none.
     */
    int (*write)(Chardev *cd, const uint8_t *buf, int len);
    /*
     * What of buf[0..len), just read, is for the front end; moved to the
     * front of buf.  NULL: all of it.
     */
    int (*decode)(Chardev *cd, uint8_t *buf, int len);
    /* Who really writes, and tells when there is room; NULL: this one. */
    Chardev *(*output)(Chardev *cd);
    /* The peer is gone or there is no more input; NULL: nothing to do. */
    void (*hangup)(Chardev *cd);
    /* The front end can take input.  NULL: the channel's watch. */
    void (*accept_input)(Chardev *cd);
    /* Several front ends (mux); NULL: one. */
    bool (*attach)(Chardev *cd, const ChardevFrontend *fe, void **ret_handle,
                   GError **errp);
    void (*detach)(Chardev *cd, void *handle);
    void (*disconnect)(Chardev *cd);
    /* Waits for a peer; NULL: it needn't, or none will come. */
    bool (*wait_peer)(Chardev *cd, GError **errp);
    int (*set_line)(Chardev *cd, const ChardevLine *line);
    int (*send_break)(Chardev *cd);
} ChardevOps;

/* Waits for the next writable moment; see chardev_add_write_watch(). */
typedef struct ChardevWatch {
    unsigned id;
    Chardev *cd;
    GSource *source;
    void (*fn)(void *opaque);
    void *opaque;
} ChardevWatch;

/* What in_source waits for. */
typedef enum ChardevInput {
    CHARDEV_INPUT_NONE,
    CHARDEV_INPUT_READ,    /* bytes or the end */
    CHARDEV_INPUT_HANGUP,  /* the end only, as nobody takes bytes */
    CHARDEV_INPUT_PENDING, /* the main loop, to hand over `pending` */
} ChardevInput;

struct Chardev {
    const ChardevOps *ops;
    Chardevs *cs;
    char *label;
    unsigned refs; /* vm_lock: the list's, and one per callback under way */
    bool deleted;  /* vm_lock: off the list */

    /* vm_lock */
    ChardevFrontend fe;
    bool attached;
    bool unread; /* as chardev_set_frontend_open() said */
    bool busy;   /* a mux sits on top */
    bool open;   /* a peer is there */
    GSource *in_source;
    ChardevInput in_mode;
    bool in_ended;  /* nothing more will come from the channel */
    bool peer_kept; /* nor does anybody read there, but its words count */
    bool lent;      /* the front end has a copy of the socket: it shuts it */
    /* What a peer that is gone had sent when nobody took it; or NULL. */
    GByteArray *pending;
    GSList *watches; /* ChardevWatch */
    unsigned next_watch;
    int fds[CHARDEV_MAX_FDS]; /* of the last message that had any */
    size_t nfds;

    Lock out_lock;                       /* a leaf: nothing is taken inside */
    IoChannel *ch GUARDED_BY(&out_lock); /* also read by the main thread */
    int log_fd GUARDED_BY(&out_lock);    /* -1: none */
};

/* Adds a row of the table in types.c; its type must be set. */
extern const ChardevOps chardev_file_ops;
extern const ChardevOps chardev_mux_ops;
extern const ChardevOps chardev_null_ops;
extern const ChardevOps chardev_pipe_ops;
extern const ChardevOps chardev_pty_ops;
extern const ChardevOps chardev_ringbuf_ops;
extern const ChardevOps chardev_serial_ops;
extern const ChardevOps chardev_socket_ops;
extern const ChardevOps chardev_stdio_ops;

/* The back end for a name a user gave, or an error that names it. */
const ChardevOps *chardev_type_find(const char *type, GError **errp);

/* Makes one that isn't listed or opened yet. */
Chardev *chardev_alloc(Chardevs *cs, const ChardevOps *ops, const char *label);
Chardev *chardev_ref(Chardev *cd);
void chardev_unref(Chardev *cd);
/* Opens and lists a new back end of @ops, with mux=on and logfile= done. */
Chardev *chardev_create(Chardevs *cs, const ChardevOps *ops, const char *label,
                        KeyVal *kv, GError **errp);
/* Is there a back end of that kind? */
bool chardevs_have_type(Chardevs *cs, const ChardevOps *ops);
const ChardevHooks *chardevs_hooks(const Chardevs *cs);
uint8_t chardevs_escape(const Chardevs *cs);

/* Takes over @ch as the way to the peer and starts to read; OPENED. */
void chardev_set_channel(Chardev *cd, IoChannel *ch);
/* Closes the descriptors that came with a message and that nobody took. */
void chardev_close_fds(Chardev *cd);
/* Drops it; CLOSED. */
void chardev_drop_channel(Chardev *cd);
/* Sets `open` and tells the front end. */
void chardev_set_open(Chardev *cd, bool open);
void chardev_event(Chardev *cd, ChardevEvent ev);
/* Bytes the front end takes now. */
int chardev_can_receive(Chardev *cd);
void chardev_receive(Chardev *cd, const uint8_t *buf, int len);
/* Reads when the front end can, else waits for a hang-up only. */
void chardev_update_input(Chardev *cd);
/* The usual write; for kinds that do something before it. */
int chardev_write_channel(Chardev *cd, const uint8_t *buf, int len)
    REQUIRES(&cd->out_lock);

/* A file, or /dev/fdset/ID through the hook; -1 and an error. */
int chardev_open_path(Chardev *cd, const char *path, int flags, GError **errp);
/* An -errno of a hook, or a number, or an error naming @str. */
int chardev_get_fd(Chardev *cd, const char *str, GError **errp);

/* The mux on top of @base, which it takes over. */
bool chardev_mux_init(Chardev *mux, Chardev *base, GError **errp);

#endif
