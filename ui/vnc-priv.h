/*
 * Inner parts of VNC servers.
 *
 * A client has two sides.  The main thread (vm_lock) has the servers, their
 * listeners, who may look, the consoles' damage, and the guest's input; it
 * never waits for a client.  A thread for each client owns the connection and
 * all that libvncserver keeps of it, reads and writes as slowly as the client
 * does, and never takes vm_lock.  VncClient.lock is between them: damage and
 * new sizes go one way, input and changes of state the other.
 *
 * libvncserver is used below its own event loop, which serves all clients in
 * turns and lets each of them keep the others waiting: there is one
 * rfbScreenInfo for each client, with a picture of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UI_VNC_PRIV_H
#define UI_VNC_PRIV_H

#include <rfb/rfb.h>
#include <rfb/rfbregion.h>

#include "io/socket.h"
#include "system/clock.h"
#include "ui/console.h"
#include "ui/vnc.h"
#include "util/thread.h"

enum {
    VNC_INPUTS = 256,     /* that wait for the guest, of one client */
    VNC_KEY_CODES = 256,  /* of set 1: 0x80 added for the prefix 0xe0 */
    VNC_PASSWORD_MAX = 8, /* bytes of a password that count */
};

/* What a client did. */
typedef struct VncInput {
    bool is_key;
    bool down;              /* a key's */
    bool relative;          /* the pointer's place is a distance */
    uint16_t code;          /* of a key, as in ui/input.h */
    uint8_t buttons;        /* of the pointer, as RFB numbers them */
    uint16_t x, y;          /* of the pointer */
    unsigned width, height; /* of the picture it is on */
} VncInput;

struct VncServer {
    VncServers *all;
    struct Vm *vm;
    VncOptions *o;
    char *id;
    char *name;           /* what viewers show */
    Console *con;         /* whose screen is shown at first */
    GPtrArray *listeners; /* IoListener; those of websockets first */
    unsigned nwebsockets; /* of the listeners */
    VncServerInfo *info;  /* of the listener that events name */
    GQueue clients;       /* VncClient */
    GList link;
    Lock lock;               /* guards what follows */
    char *password;          /* NULL: none was set */
    int64_t password_ends_s; /* INT64_MAX: never */
};

typedef struct VncClient {
    VncServer *server;
    GList link;
    IoChannel *ch;       /* to end the connection from outside its thread */
    bool websocket;      /* it has to speak that, or mustn't */
    VncClientInfo *info; /* for monitors */
    Thread thread;
    int wake_fd; /* eventfd: there is something new for the thread */

    Lock lock;
    Cond admitted_cond;
    /* Guarded by lock. */
    bool quit;                   /* is to end; atomic too */
    bool asks_in, shared;        /* came through the door, waits to be let in */
    bool admitted;               /* may look */
    bool ended;                  /* the thread touches nothing any more */
    bool resized;                /* since the thread looked */
    bool absolute;               /* the guest's pointer takes places */
    Console *con;                /* NULL: none yet */
    unsigned width, height;      /* of con */
    sraRegionPtr damage;         /* of con, not copied yet */
    VncInput inputs[VNC_INPUTS]; /* a ring */
    unsigned first_input, ninputs;
    Cond inputs_cond; /* there is room again */

    /* The main thread's. */
    ConsoleViewer viewer;
    bool initialized;                /* is let in, and told so */
    uint8_t keys[VNC_KEY_CODES / 8]; /* that it holds down */
    uint8_t buttons;
    bool has_place;
    uint16_t x, y; /* where its pointer was */
    Timer pump;    /* armed: more input is taken then */

    /* The thread's. */
    rfbScreenInfoPtr screen;
    rfbClientPtr rfb;  /* NULL: not yet, or no more */
    uint32_t *picture; /* as large as the console was */
    bool wants_pointer_type, told_pointer, told_absolute;
    int told_width, told_height; /* of the picture, as the client knows it */
} VncClient;

/* vnc-client.c: the thread. */
void *vnc_client_run(void *opaque);
/* Wakes it; any thread. */
void vnc_client_wake(VncClient *c);
/* Once per process, before there are clients. */
void vnc_library_init(void);

/* vnc-door.c, in the thread: connects the library; false: no way. */
bool vnc_door_open(VncClient *c);
/* Version and password; false: the client isn't let in. */
bool vnc_door_pass(VncClient *c);

/* vnc.c: a thread has news for the main thread. */
void vnc_tell(VncServers *all);
/* Is this the DES response (RFC 6143, 7.2.2) to it?  Any thread. */
bool vnc_password_fits(VncServer *s, const uint8_t challenge[CHALLENGESIZE],
                       const uint8_t response[CHALLENGESIZE]);

/* vnc-input.c, main thread: passes on what waits, in small portions. */
void vnc_input_init(VncClient *c);
void vnc_input_pump(void *client);
/* Lets go of everything that the client holds down. */
void vnc_input_release(VncClient *c);

/* vnc-keys.c: the code of set 1 as in ui/input.h; 0: no key has it. */
uint16_t vnc_key_code(uint32_t keysym);

#endif
