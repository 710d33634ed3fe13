/*
 * The qtest server: lines in, lines out, and the log of both.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/qtest/qtest.h"

#include "accel/qtest/qtest-priv.h"
#include "util/error.h"

/* "[R +1.000000] inb 0x60": received, S sent, I information. */
static void qtest_log(QtestServer *qs, char kind, const char *text)
{
    int64_t us = (clock_monotonic_ns() - qs->start_ns) / NSEC_PER_USEC;

    if (qs->log != NULL) {
        fprintf(qs->log, "[%c %s%" PRId64 ".%06" PRId64 "] %s\n", kind,
                kind == 'I' ? "" : "+", us / 1000000, us % 1000000, text);
        fflush(qs->log);
    }
}

void qtest_reply_text(QtestServer *qs, const char *text)
{
    g_autofree char *line = g_strconcat(text, "\n", NULL);

    qtest_log(qs, 'S', text);
    /* A peer that has gone is told of by the event, not here. */
    chardev_write_all(qs->cd, line, strlen(line));
}

void qtest_reply(QtestServer *qs, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qtest_reply_text(qs, text);
}

void qtest_server_irq(QtestServer *qs, unsigned n, bool level)
{
    if (chardev_is_open(qs->cd)) {
        qtest_reply(qs, "IRQ %s %u", level ? "raise" : "lower", n);
    }
}

static int qtest_can_receive(void *opaque)
{
    return 64 * 1024;
}

static void qtest_line_done(QtestServer *qs)
{
    if (qs->skip_line) {
        qtest_reply(qs, "ERR line of more than %d bytes", QTEST_MAX_LINE);
    } else {
        /* Data of a large write would fill the log. */
        if (qs->line->len > 0 && qs->line->str[qs->line->len - 1] == '\r') {
            g_string_truncate(qs->line, qs->line->len - 1);
        }
        qtest_log(qs, 'R', qs->line->str);
        qtest_command(qs, qs->line->str);
    }
    qs->skip_line = false;
    g_string_truncate(qs->line, 0);
}

static void qtest_receive(void *opaque, const uint8_t *buf, int len)
{
    QtestServer *qs = opaque;
    const char *p = (const char *)buf, *end = p + len;

    while (p < end) {
        const char *nl = memchr(p, '\n', end - p);
        size_t n = (nl != NULL ? nl : end) - p;

        if (qs->line->len + n > QTEST_MAX_LINE) {
            qs->skip_line = true;
            g_string_truncate(qs->line, 0);
        }
        if (!qs->skip_line) {
            g_string_append_len(qs->line, p, n);
        }
        p += n;
        if (nl != NULL) {
            qtest_line_done(qs);
            p++;
        }
    }
}

static void qtest_event(void *opaque, ChardevEvent ev)
{
    QtestServer *qs = opaque;

    if (ev == CHARDEV_OPENED) {
        qs->start_ns = clock_monotonic_ns();
        qtest_log(qs, 'I', "OPENED");
        g_string_truncate(qs->line, 0);
        qs->skip_line = false;
    } else if (ev == CHARDEV_CLOSED) {
        qtest_log(qs, 'I', "CLOSED");
        if (qs->pins != NULL && qs->pins->release != NULL) {
            qs->pins->release(qs);
        }
    }
}

static bool qtest_open_log(QtestServer *qs, const char *name, GError **errp)
{
    if (name == NULL) {
        qs->log = stderr;
    } else if (!g_str_equal(name, "none")) {
        qs->log = fopen(name, "we");
        qs->own_log = true;
        if (qs->log == NULL) {
            error_setf_errno(errp, errno, "could not open qtest log '%s'",
                             name);
            return false;
        }
    }
    return true;
}

QtestServer *qtest_server_new(Vm *vm, Chardev *cd, const char *log,
                              const QtestPins *pins, GError **errp)
{
    QtestServer *qs = g_new0(QtestServer, 1);
    const ChardevFrontend fe = {
        .can_receive = qtest_can_receive,
        .receive = qtest_receive,
        .event = qtest_event,
        .opaque = qs,
    };

    qs->vm = vm;
    qs->cd = cd;
    qs->pins = pins;
    qs->line = g_string_new(NULL);
    qs->start_ns = clock_monotonic_ns();
    if (!qtest_open_log(qs, log, errp) ||
        !chardev_attach(cd, &fe, &qs->handle, errp)) {
        qtest_server_free(qs);
        return NULL;
    }
    return qs;
}

void qtest_server_free(QtestServer *qs)
{
    if (qs == NULL) {
        return;
    }
    if (qs->handle != NULL) {
        chardev_detach(qs->cd, qs->handle);
    }
    if (qs->pins != NULL && qs->pins->release != NULL) {
        qs->pins->release(qs);
    }
    if (qs->own_log && qs->log != NULL) {
        fclose(qs->log);
    }
    g_string_free(qs->line, TRUE);
    g_free(qs);
}

Vm *qtest_server_vm(const QtestServer *qs)
{
    return qs->vm;
}

void qtest_server_set_pin_data(QtestServer *qs, void *data)
{
    qs->pin_data = data;
}

void *qtest_server_pin_data(const QtestServer *qs)
{
    return qs->pin_data;
}
