/*
 * Telnet: taking commands out of what a client sends.
 *
 * Commands: RFC 854.  Options: binary transmission RFC 856, echo RFC 857,
 * suppress go ahead RFC 858.  Answers to the options that the server names
 * first are not waited for: a client that refuses them is still understood,
 * and one that offers others is not answered, which RFC 854 takes for a no.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/telnet.h"

enum {
    TELNET_SE = 240, /* end of a subnegotiation */
    TELNET_BRK = 243,
    TELNET_SB = 250,
    TELNET_WILL = 251,
    TELNET_WONT = 252,
    TELNET_DO = 253,
    TELNET_DONT = 254,

    OPTION_BINARY = 0,
    OPTION_ECHO = 1,
    OPTION_SGA = 3,
};

typedef enum TelnetState {
    TELNET_DATA,
    TELNET_COMMAND, /* after IAC */
    TELNET_OPTION,  /* after IAC and a verb */
    TELNET_SUB,     /* inside a subnegotiation */
    TELNET_SUB_IAC, /* after IAC inside of one */
} TelnetState;

const uint8_t telnet_hello[12] = {
    TELNET_IAC,    TELNET_WILL, OPTION_ECHO, TELNET_IAC,
    TELNET_WILL,   OPTION_SGA,  TELNET_IAC,  TELNET_WILL,
    OPTION_BINARY, TELNET_IAC,  TELNET_DO,   OPTION_BINARY,
};

static void telnet_command(Telnet *t, uint8_t c, bool *ret_break)
{
    switch (c) {
    case TELNET_WILL:
    case TELNET_WONT:
    case TELNET_DO:
    case TELNET_DONT:
        t->verb = c;
        t->state = TELNET_OPTION;
        return;
    case TELNET_SB:
        t->state = TELNET_SUB;
        return;
    case TELNET_BRK:
        *ret_break = true;
        break;
    default:
        break; /* about a terminal that nobody has here */
    }
    t->state = TELNET_DATA;
}

static void telnet_option(Telnet *t, uint8_t option)
{
    if (option == OPTION_BINARY && t->verb == TELNET_WILL) {
        t->binary = true;
    } else if (option == OPTION_BINARY && t->verb == TELNET_WONT) {
        t->binary = false;
    }
    t->state = TELNET_DATA;
}

/* Is it data?  A carriage return alone has a NUL behind it in text. */
static bool telnet_data(Telnet *t, uint8_t c)
{
    bool filler = c == '\0' && t->after_cr && !t->binary;

    t->after_cr = c == '\r';
    return !filler;
}

static bool telnet_byte(Telnet *t, uint8_t c, bool *ret_break)
{
    switch ((TelnetState)t->state) {
    case TELNET_DATA:
        if (c == TELNET_IAC) {
            t->state = TELNET_COMMAND;
            return false;
        }
        return telnet_data(t, c);
    case TELNET_COMMAND:
        if (c == TELNET_IAC) {
            t->state = TELNET_DATA;
            return telnet_data(t, c);
        }
        telnet_command(t, c, ret_break);
        return false;
    case TELNET_OPTION:
        telnet_option(t, c);
        return false;
    case TELNET_SUB:
        if (c == TELNET_IAC) {
            t->state = TELNET_SUB_IAC;
        }
        return false;
    case TELNET_SUB_IAC:
        t->state = c == TELNET_SE ? TELNET_DATA : TELNET_SUB;
        return false;
    }
    return false;
}

int telnet_decode(Telnet *t, uint8_t *buf, int len, bool *ret_break)
{
    int n = 0;

    *ret_break = false;
    for (int i = 0; i < len; i++) {
        uint8_t c = buf[i];

        if (telnet_byte(t, c, ret_break)) {
            buf[n++] = c;
        }
    }
    return n;
}
