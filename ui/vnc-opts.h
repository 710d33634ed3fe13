/*
 * What a user says of a VNC server: the argument of -vnc.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UI_VNC_OPTS_H
#define UI_VNC_OPTS_H

#include "io/address.h"
#include "util/keyval.h"

enum {
    VNC_PORT = 5900,           /* of display 0 */
    VNC_WEBSOCKET_PORT = 5700, /* the same for browsers */
};

/* Who may look at the screen beside others (RFC 6143, section 7.3.1). */
typedef enum VncShare {
    VNC_SHARE_ALLOW_EXCLUSIVE, /* who asks to be alone is: others leave */
    VNC_SHARE_FORCE_SHARED,    /* who asks to be alone is sent away */
    VNC_SHARE_IGNORE,          /* everybody is let in, whatever he asks */
} VncShare;

typedef struct VncOptions {
    char *text;                 /* the address, as it was given */
    char *id;                   /* NULL: not given */
    IoSocketAddress *addr;      /* NULL: "none", listens nowhere */
    IoSocketAddress *websocket; /* NULL: none */
    bool search;                /* to= is given: the port isn't known before */
    bool password;              /* is asked for */
    bool lossy;                 /* pictures may be changed by compression */
    VncShare share;
    uint64_t connections;  /* at most, those included that aren't in yet */
    uint64_t key_delay_ms; /* between two keys */
    char *display;         /* device whose screen is shown; NULL: the first */
    uint64_t head;         /* of the device's outputs */
    char *console;         /* its QOM path; who looks it up sets this */
    char *audiodev;        /* -audiodev whose sound would be sent; NULL */
} VncOptions;

/* kv was parsed with "vnc" as implied key.  NULL: an error that names it. */
VncOptions *vnc_options_new(KeyVal *kv, GError **errp);
void vnc_options_free(VncOptions *o);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VncOptions, vnc_options_free)

#endif
