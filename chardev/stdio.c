/*
 * Character devices: standard input and output.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <termios.h>

#include "chardev/chardev-priv.h"
#include "io/file.h"
#include "util/error.h"

/*
 * Outlives its device, as exit() may come with the device still there: the
 * C library calls tty_restore() with it in any case.
 */
typedef struct TtyState {
    struct termios old;
    bool changed;
} TtyState;

typedef struct ChardevStdio {
    Chardev cd;
    bool signal;
    TtyState *tty; /* NULL: input is no terminal */
} ChardevStdio;

static void tty_restore(TtyState *tty)
{
    if (tty->changed) {
        tcsetattr(STDIN_FILENO, TCSANOW, &tty->old);
        tty->changed = false;
    }
}

static void tty_restore_at_exit(int status, void *opaque)
{
    tty_restore(opaque);
}

static void stdio_set_raw(ChardevStdio *s)
{
    TtyState *tty = g_new0(TtyState, 1);
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &tty->old) < 0 ||
        on_exit(tty_restore_at_exit, tty)) {
        g_free(tty);
        return;
    }
    s->tty = tty;
    raw = tty->old;
    raw.c_iflag &=
        ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag |= OPOST;
    raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!s->signal) {
        raw.c_lflag &= ~ISIG;
    }
    raw.c_cflag = (raw.c_cflag & ~(CSIZE | PARENB)) | CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tty->changed = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static bool stdio_parse(Chardev *cd, KeyVal *kv, GError **errp)
{
    ChardevStdio *s = container_of(cd, ChardevStdio, cd);

    s->signal = true;
    if (!keyval_get_bool(kv, "signal", &s->signal, errp)) {
        return false;
    }
    if (chardevs_have_type(cd->cs, &chardev_stdio_ops)) {
        error_setf(errp, "cannot use stdio by multiple character devices");
        return false;
    }
    return true;
}

/* The descriptors themselves stay open: others print there too. */
static bool stdio_start(Chardev *cd, GError **errp)
{
    ChardevStdio *s = container_of(cd, ChardevStdio, cd);
    int rfd = dup(STDIN_FILENO), wfd = dup(STDOUT_FILENO);
    IoChannel *ch = NULL;

    if (rfd < 0 || wfd < 0) {
        error_setf_errno(errp, errno, "chardev '%s': stdio", cd->label);
    } else {
        ch = io_channel_new_fd_pair(rfd, wfd, "stdio", errp);
    }
    if (!ch) {
        if (rfd >= 0) {
            close(rfd);
        }
        if (wfd >= 0) {
            close(wfd);
        }
        return false;
    }
    stdio_set_raw(s);
    chardev_set_channel(cd, ch);
    return true;
}

static void stdio_fini(Chardev *cd)
{
    ChardevStdio *s = container_of(cd, ChardevStdio, cd);

    if (s->tty) {
        tty_restore(s->tty);
    }
}

const ChardevOps chardev_stdio_ops = {
    .type = "stdio",
    .size = sizeof(ChardevStdio),
    .keeps_input = true,
    .parse = stdio_parse,
    .start = stdio_start,
    .fini = stdio_fini,
};
