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
    chardev_queue_put(&qs->out, line, strlen(line));
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
    if (qs->out.text->len > QTEST_OUT_MAX) {
        chardev_disconnect(qs->cd);
    }
    if (chardev_is_open(qs->cd)) {
        qtest_reply(qs, "IRQ %s %u", level ? "raise" : "lower", n);
    }
}

static int qtest_can_receive(void *opaque)
{
    QtestServer *qs = opaque;

    return qs->input->len > 0 ? 0 : 64 * 1024;
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

/* Takes bytes up to the end of a line, or all; how many. */
static size_t qtest_take(QtestServer *qs, const char *p, size_t len)
{
    const char *nl = memchr(p, '\n', len);
    size_t n = nl != NULL ? (size_t)(nl - p) : len;

    if (qs->line->len + n > QTEST_MAX_LINE) {
        qs->skip_line = true;
        g_string_truncate(qs->line, 0);
    }
    if (!qs->skip_line) {
        g_string_append_len(qs->line, p, n);
    }
    if (nl == NULL) {
        return n;
    }
    qtest_line_done(qs);
    return n + 1;
}

/* A peer that doesn't read its answers gets no further ones. */
static void qtest_run(QtestServer *qs)
{
    size_t done = 0;

    while (done < qs->input->len && qs->out.text->len <= QTEST_OUT_HIGH) {
        done += qtest_take(qs, qs->input->str + done, qs->input->len - done);
    }
    g_string_erase(qs->input, 0, done);
}

static void qtest_receive(void *opaque, const uint8_t *buf, int len)
{
    QtestServer *qs = opaque;

    g_string_append_len(qs->input, (const char *)buf, len);
    qtest_run(qs);
}

static void qtest_drained(void *opaque)
{
    QtestServer *qs = opaque;

    qtest_run(qs);
    chardev_accept_input(qs->cd);
}

static void qtest_event(void *opaque, ChardevEvent ev)
{
    QtestServer *qs = opaque;

    if (ev == CHARDEV_OPENED) {
        qs->start_ns = clock_monotonic_ns();
        qtest_log(qs, 'I', "OPENED");
        g_string_truncate(qs->line, 0);
        g_string_truncate(qs->input, 0);
        qs->skip_line = false;
    } else if (ev == CHARDEV_CLOSED) {
        qtest_log(qs, 'I', "CLOSED");
        chardev_queue_clear(&qs->out);
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
    qs->input = g_string_new(NULL);
    chardev_queue_init(&qs->out, cd, qtest_drained, qs);
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
    chardev_queue_fini(&qs->out);
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
    g_string_free(qs->input, TRUE);
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
