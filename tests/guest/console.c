/*
 * Text out on COM1 and the debug console, commands in on COM1.
 *
 * A port access may cost 60 us, which is more than the pauses this guest is
 * there to measure. So lines are queued, and sent byte by byte between
 * heartbeats.
 *
 * Source: 16550D data sheet, register table (National Semiconductor, 1995).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

#include <stdarg.h>

enum {
    COM1 = 0x3f8,
    UART_DATA = 0,
    UART_IER = 1,
    UART_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    LSR_DATA = 1 << 0,
    LSR_THRE = 1 << 5,
    LSR_NONE = 0xff, /* no UART there */
    FIFO_SIZE = 16,
    DEBUG_PORT = 0x402,
    DEBUG_PRESENT = 0xe9, /* what the debug console reads as */
    QUEUE_SIZE = 8192,
    DRAIN_US = 100,
    LINE_MAX = 256,
};

static struct {
    volatile uint32_t lock;
    uint32_t head, tail; /* free-running; the lock guards head */
    uint32_t fifo_room;  /* bytes the UART surely takes */
    uint32_t dropped;
    bool uart;
    char queue[QUEUE_SIZE];
    char command[32];
    uint32_t command_len;
} con;

void console_init(void)
{
    uint8_t lsr;

    outb(COM1 + UART_LCR, 0x83); /* divisor latch, 8n1 */
    outb(COM1 + UART_DATA, 1);   /* 115200 baud */
    outb(COM1 + UART_IER, 0);
    outb(COM1 + UART_LCR, 0x03);
    outb(COM1 + UART_IER, 0);
    outb(COM1 + UART_FCR, 0x07); /* FIFO on, both cleared */
    outb(COM1 + UART_MCR, 0x03); /* DTR, RTS */
    lsr = inb(COM1 + UART_LSR);
    con.uart = lsr != LSR_NONE;
    config.debug_console = inb(DEBUG_PORT) == DEBUG_PRESENT;
}

typedef struct Line {
    char text[LINE_MAX];
    unsigned len;
} Line;

static void line_char(Line *l, char c)
{
    if (l->len < LINE_MAX - 1) {
        l->text[l->len++] = c;
    }
}

static void line_number(Line *l, uint64_t val, unsigned base)
{
    char digits[20];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[val % base];
        val /= base;
    } while (val);
    while (n) {
        line_char(l, digits[--n]);
    }
}

static void line_format(Line *l, const char *fmt, va_list ap)
{
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            line_char(l, *fmt);
            continue;
        }
        switch (*++fmt) {
        case 'u':
            line_number(l, va_arg(ap, uint64_t), 10);
            break;
        case 'x':
            line_char(l, '0');
            line_char(l, 'x');
            line_number(l, va_arg(ap, uint64_t), 16);
            break;
        case 's':
            for (const char *s = va_arg(ap, const char *); *s; s++) {
                line_char(l, *s);
            }
            break;
        default:
            line_char(l, '?');
            break;
        }
    }
    l->text[l->len++] = '\n';
}

void say(const char *fmt, ...)
{
    Line l;
    va_list ap;

    l.len = 0;
    va_start(ap, fmt);
    line_format(&l, fmt, ap);
    va_end(ap);

    while (__atomic_exchange_n(&con.lock, 1, __ATOMIC_ACQUIRE)) {
        cpu_relax();
    }
    if (con.head - __atomic_load_n(&con.tail, __ATOMIC_ACQUIRE) + l.len <=
        QUEUE_SIZE) {
        for (unsigned i = 0; i < l.len; i++) {
            con.queue[(con.head + i) % QUEUE_SIZE] = l.text[i];
        }
        __atomic_store_n(&con.head, con.head + l.len, __ATOMIC_RELEASE);
    } else {
        con.dropped++;
    }
    __atomic_store_n(&con.lock, 0, __ATOMIC_RELEASE);
}

/* False if the UART can't take a byte now. */
static bool drain_byte(void)
{
    char c = con.queue[con.tail % QUEUE_SIZE];

    if (con.uart) {
        if (!con.fifo_room) {
            if (!(inb(COM1 + UART_LSR) & LSR_THRE)) {
                return false;
            }
            con.fifo_room = FIFO_SIZE;
        }
        con.fifo_room--;
        outb(COM1 + UART_DATA, c);
    }
    if (config.debug_console) {
        outb(DEBUG_PORT, c);
    }
    __atomic_store_n(&con.tail, con.tail + 1, __ATOMIC_RELEASE);
    return true;
}

static bool drain_pending(void)
{
    return __atomic_load_n(&con.head, __ATOMIC_ACQUIRE) != con.tail;
}

void console_drain(void)
{
    uint64_t start;

    if (!drain_pending()) {
        return;
    }
    start = rdtsc();
    do {
        if (!drain_byte()) {
            return;
        }
    } while (drain_pending() && rdtsc() - start < tsc_khz * DRAIN_US / 1000);
}

void console_flush(void)
{
    while (drain_pending()) {
        if (!drain_byte()) {
            cpu_relax();
        }
    }
}

static void command_run(const char *cmd)
{
    if (str_equal(cmd, "quit")) {
        say("quit");
        guest_quit(0);
    } else if (str_equal(cmd, "stat")) {
        guest_print_state();
    } else if (str_equal(cmd, "reset")) {
        say("reset");
        guest_reset();
    } else if (*cmd) {
        say("unknown command %s", cmd);
    }
}

void console_poll_input(void)
{
    if (!con.uart) {
        return;
    }
    while (inb(COM1 + UART_LSR) & LSR_DATA) {
        char c = inb(COM1 + UART_DATA);

        if (c == '\n' || c == '\r') {
            con.command[con.command_len] = '\0';
            con.command_len = 0;
            command_run(con.command);
        } else if (con.command_len < sizeof(con.command) - 1) {
            con.command[con.command_len++] = c;
        }
    }
}

void console_raw(const char *s)
{
    for (; *s; s++) {
        outb(COM1 + UART_DATA, *s);
        outb(DEBUG_PORT, *s);
    }
}

void console_raw_hex(uint64_t val)
{
    Line l;

    l.len = 0;
    line_number(&l, val, 16);
    l.text[l.len] = '\0';
    console_raw(l.text);
}
