/*
 * Character devices: a serial line or terminal of the host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "chardev/chardev-priv.h"
#include "io/file.h"
#include "util/error.h"

enum { BREAK_MS = 250 }; /* as of tcsendbreak(3) */

typedef struct ChardevSerial {
    Chardev cd;
    char *path;
    int fd;             /* the channel's own; -1: none */
    GSource *break_end; /* while a break is being sent, or NULL */
} ChardevSerial;

static const struct {
    int baud;
    speed_t speed;
} serial_speeds[] = {
    { 50, B50 },         { 75, B75 },         { 110, B110 },
    { 134, B134 },       { 150, B150 },       { 200, B200 },
    { 300, B300 },       { 600, B600 },       { 1200, B1200 },
    { 1800, B1800 },     { 2400, B2400 },     { 4800, B4800 },
    { 9600, B9600 },     { 19200, B19200 },   { 38400, B38400 },
    { 57600, B57600 },   { 115200, B115200 }, { 230400, B230400 },
    { 460800, B460800 }, { 500000, B500000 }, { 921600, B921600 },
};

/* The rate nearest to what a divisor of the guest's UART gives. */
static speed_t serial_speed(int baud)
{
    size_t best = 0;

    for (size_t i = 1; i < G_N_ELEMENTS(serial_speeds); i++) {
        if (abs(serial_speeds[i].baud - baud) <
            abs(serial_speeds[best].baud - baud)) {
            best = i;
        }
    }
    return serial_speeds[best].speed;
}

static int serial_set_line(Chardev *cd, const ChardevLine *line)
{
    static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
    ChardevSerial *s = container_of(cd, ChardevSerial, cd);
    struct termios tio;

    if (tcgetattr(s->fd, &tio) < 0) {
        return -errno;
    }
    cfmakeraw(&tio);
    tio.c_cflag &= ~(CSIZE | CSTOPB | PARENB | PARODD | CRTSCTS);
    tio.c_cflag |= CLOCAL | CREAD | sizes[CLAMP(line->data_bits, 5, 8) - 5];
    if (line->stop_bits == 2) {
        tio.c_cflag |= CSTOPB;
    }
    if (line->parity == 'E' || line->parity == 'O') {
        tio.c_cflag |= PARENB | (line->parity == 'O' ? PARODD : 0);
    }
    cfsetispeed(&tio, serial_speed(line->speed));
    cfsetospeed(&tio, serial_speed(line->speed));
    return tcsetattr(s->fd, TCSANOW, &tio) < 0 ? -errno : 0;
}

static void serial_stop_timer(ChardevSerial *s)
{
    if (s->break_end) {
        g_source_destroy(s->break_end);
        g_source_unref(s->break_end);
        s->break_end = NULL;
    }
}

static gboolean serial_break_over(gpointer opaque)
{
    VM_LOCK_GUARD();
    ChardevSerial *s = opaque;

    if (!g_source_is_destroyed(g_main_current_source())) {
        serial_stop_timer(s);
        ioctl(s->fd, TIOCCBRK);
    }
    return G_SOURCE_REMOVE;
}

/*
 * tcsendbreak() would wait until it is over, and before that for what is still
 * to be sent; a guest asks for it in the middle of a port access.
 */
static int serial_send_break(Chardev *cd)
{
    ChardevSerial *s = container_of(cd, ChardevSerial, cd);

    if (ioctl(s->fd, TIOCSBRK) < 0) {
        return -errno;
    }
    serial_stop_timer(s);
    s->break_end = g_timeout_source_new(BREAK_MS);
    g_source_set_callback(s->break_end, serial_break_over, s, NULL);
    g_source_attach(s->break_end, NULL);
    return 0;
}

static bool serial_parse(Chardev *cd, KeyVal *kv, GError **errp)
{
    ChardevSerial *s = container_of(cd, ChardevSerial, cd);

    s->fd = -1;
    s->path = g_strdup(keyval_get(kv, "path"));
    if (!s->path || !s->path[0]) {
        error_setf(errp, "chardev: serial/tty: no device path given");
        return false;
    }
    return true;
}

static bool serial_start(Chardev *cd, GError **errp)
{
    static const ChardevLine line = {
        .speed = 115200, .parity = 'N', .data_bits = 8, .stop_bits = 1
    };
    ChardevSerial *s = container_of(cd, ChardevSerial, cd);
    IoChannel *ch;

    /* Non-blocking, or the open waits for a carrier. */
    s->fd = chardev_open_path(cd, s->path, O_RDWR | O_NONBLOCK, errp);
    if (s->fd < 0) {
        return false;
    }
    if (isatty(s->fd)) {
        serial_set_line(cd, &line);
    }
    ch = io_channel_new_fd_pair(s->fd, s->fd, s->path, errp);
    if (!ch) {
        close(s->fd);
        return false;
    }
    chardev_set_channel(cd, ch);
    return true;
}

static void serial_fini(Chardev *cd)
{
    ChardevSerial *s = container_of(cd, ChardevSerial, cd);

    serial_stop_timer(s);
    g_free(s->path);
}

const ChardevOps chardev_serial_ops = {
    .type = "serial",
    .size = sizeof(ChardevSerial),
    .keeps_input = true,
    .parse = serial_parse,
    .start = serial_start,
    .fini = serial_fini,
    .set_line = serial_set_line,
    .send_break = serial_send_break,
};
