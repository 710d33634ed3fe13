/*
 * The telnet protocol below a character device: what is data, and what is
 * between the two ends only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CHARDEV_TELNET_H
#define CHARDEV_TELNET_H

#include "util/base.h"

enum { TELNET_IAC = 255 }; /* begins a command; twice, it is a byte of data */

/* Of one connection, from its start; all zero at first. */
typedef struct Telnet {
    uint8_t state;
    uint8_t verb;  /* of the option that comes next */
    bool binary;   /* the peer sends bytes as they are */
    bool after_cr; /* the last byte of data was a carriage return */
} Telnet;

/* What a server that echoes and takes keys one by one says first. */
extern const uint8_t telnet_hello[12];

/*
 * Takes the commands out of buf[0..len), in place.  Returns how many bytes of
 * data are left; *ret_break: there was a break among them.
 */
int telnet_decode(Telnet *t, uint8_t *buf, int len, bool *ret_break);

#endif
