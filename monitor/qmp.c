/*
 * QMP sessions: from bytes to requests, from responses to bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp.h"

#include "monitor/qmp-priv.h"
#include "util/log.h"

static void request_free(void *data)
{
    QmpRequest *req = data;

    json_unref(req->value);
    g_clear_error(&req->err);
    g_free(req);
}

/* Makes room for what was sent already, at times. */
static void out_compact(QmpSession *s)
{
    if (s->out_done == s->out->len) {
        g_string_truncate(s->out, 0);
        s->out_done = 0;
    } else if (s->out_done > s->out->len / 2) {
        g_string_erase(s->out, 0, (gssize)s->out_done);
        s->out_done = 0;
    }
}

size_t qmp_session_unsent(const QmpSession *s)
{
    return s->out->len - s->out_done;
}

/* One of this peer's: what one that has gone had begun keeps nobody waiting. */
static bool is_running(const QmpSession *s)
{
    return s->running && s->running_generation == s->generation;
}

/* After something was carried out or written. */
static void update_input(QmpSession *s)
{
    if (s->input_stopped && s->open && s->requests.length < QMP_QUEUE_MAX &&
        qmp_session_unsent(s) <= QMP_OUT_LOW) {
        s->input_stopped = false;
        s->ops->accept_input(s->opaque);
    }
}

bool qmp_session_end_input(QmpSession *s)
{
    s->ending = s->open && (is_running(s) || s->requests.length > 0 ||
                            qmp_session_unsent(s) > 0);
    return s->ending;
}

bool qmp_session_may_forget(const QmpSession *s)
{
    return is_running(s) && s->requests.length == 0;
}

/* After something was carried out or written: was it the last? */
static void check_end(QmpSession *s)
{
    if (s->ending && !s->requests.length && !qmp_session_unsent(s)) {
        s->ending = false;
        s->ops->input_done(s->opaque);
    }
}

size_t qmp_session_can_feed(const QmpSession *s)
{
    QmpSession *mut = (QmpSession *)(uintptr_t)s;

    if (!s->open) {
        return 0;
    }
    if (s->requests.length >= QMP_QUEUE_MAX ||
        qmp_session_unsent(s) > QMP_OUT_HIGH) {
        mut->input_stopped = true;
    }
    return s->input_stopped ? 0 : QMP_FEED_MAX;
}

void qmp_session_flush(QmpSession *s)
{
    unsigned generation = s->generation;

    s->waiting = false;
    while (s->open && qmp_session_unsent(s)) {
        /* write() may find the peer gone and close the session. */
        int n = s->ops->write(s->opaque, s->out->str + s->out_done,
                              qmp_session_unsent(s));

        if (s->generation != generation) {
            return;
        }
        if (n < 0) {
            /* The end of input follows; until then there is no reader. */
            g_string_truncate(s->out, 0);
            s->out_done = 0;
            break;
        }
        if (n == 0) {
            s->waiting = true;
            s->ops->wait_writable(s->opaque);
            break;
        }
        s->out_done += (size_t)n;
        out_compact(s);
    }
    if (s->ndropped && qmp_session_unsent(s) <= QMP_OUT_LOW) {
        log_warn("QMP: %u events were dropped, as a client didn't read",
                 s->ndropped);
        s->ndropped = 0;
    }
    update_input(s);
    if (!is_running(s)) {
        check_end(s);
    }
}

void qmp_session_send(QmpSession *s, const JsonValue *v, bool event)
{
    if (!s->open) {
        return;
    }
    if (event && qmp_session_unsent(s) > QMP_OUT_EVENTS_MAX) {
        s->ndropped++;
        return;
    }
    json_print(v, s->pretty, s->out);
    g_string_append(s->out, "\r\n");
    if (!s->waiting) {
        qmp_session_flush(s);
    }
}

/* Carries out a request and answers it; takes req. */
static void request_run(QmpSession *s, QmpRequest *req)
{
    unsigned generation = s->generation;
    g_autoptr(JsonValue) answer = qmp_dispatch(s, req);

    request_free(req);
    if (answer && s->generation == generation) {
        qmp_session_send(s, answer, false);
    }
}

void qmp_session_run(QmpSession *s)
{
    /* While a command waits others are served, but not its own session. */
    QmpRequest *req = is_running(s) ? NULL : g_queue_pop_head(&s->requests);
    bool outer = s->running;
    unsigned outer_generation = s->running_generation;

    if (req) {
        s->running = true;
        s->running_generation = s->generation;
        request_run(s, req);
        s->running = outer;
        s->running_generation = outer_generation;
        update_input(s);
        check_end(s);
    }
}

bool qmp_session_has_work(const QmpSession *s)
{
    return !is_running(s) && s->requests.length > 0;
}

static void qmp_parsed(void *opaque, JsonValue *v, const GError *err)
{
    QmpSession *s = opaque;
    QmpRequest *req;

    if (s->generation != s->feed_generation) {
        json_unref(v); /* an answer before found the peer gone */
        return;
    }
    req = g_new0(QmpRequest, 1);
    req->value = v;
    req->err = err ? g_error_copy(err) : NULL;
    if (v && qmp_request_is_oob(s, v)) {
        request_run(s, req);
        return;
    }
    g_queue_push_tail(&s->requests, req);
    monitors_kick(s->monitors);
}

void qmp_session_feed(QmpSession *s, const char *buf, size_t len)
{
    if (!s->open) {
        return;
    }
    s->feeding = true;
    s->feed_generation = s->generation;
    json_parser_feed(s->parser, buf, len);
    s->feeding = false;
    if (s->generation != s->feed_generation) {
        json_parser_reset(s->parser);
    }
}

static void session_forget(QmpSession *s)
{
    s->open = false;
    s->generation++;
    s->negotiated = false;
    s->oob = false;
    s->input_stopped = false;
    s->ending = false;
    s->waiting = false;
    s->ndropped = 0;
    g_queue_clear_full(&s->requests, request_free);
    g_string_truncate(s->out, 0);
    s->out_done = 0;
    if (!s->feeding) {
        json_parser_reset(s->parser);
    }
}

static JsonValue *qmp_greeting(void)
{
    JsonValue *msg = json_object_new();
    JsonValue *qmp = json_object_new();
    JsonValue *caps = json_array_new();

    json_array_add(caps, json_string_new("oob"));
    json_object_set(qmp, "version", qmp_version_json());
    json_object_set(qmp, "capabilities", caps);
    json_object_set(msg, "QMP", qmp);
    return msg;
}

void qmp_session_open(QmpSession *s)
{
    g_autoptr(JsonValue) msg = qmp_greeting();

    session_forget(s);
    s->open = true;
    qmp_session_send(s, msg, false);
}

void qmp_session_close(QmpSession *s)
{
    session_forget(s);
}

QmpSession *qmp_session_new(Monitors *m, const QmpSessionOps *ops, void *opaque,
                            bool pretty)
{
    QmpSession *s = g_new0(QmpSession, 1);

    s->monitors = m;
    s->ops = ops;
    s->opaque = opaque;
    s->pretty = pretty;
    s->parser = json_parser_new(qmp_parsed, s);
    s->out = g_string_new(NULL);
    g_queue_init(&s->requests);
    g_ptr_array_add(m->sessions, s);
    return s;
}

void qmp_session_free(QmpSession *s)
{
    if (!s) {
        return;
    }
    session_forget(s);
    g_ptr_array_remove(s->monitors->sessions, s);
    json_parser_free(s->parser);
    g_string_free(s->out, true);
    g_free(s);
}

int qmp_ctx_take_fd(const QmpCtx *ctx)
{
    const QmpSession *s = ctx->session;

    return s && s->ops->take_fd ? s->ops->take_fd(s->opaque) : -1;
}
