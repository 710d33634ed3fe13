/*
 * QMP sessions, without a VM: monitor/qmp*.c, monitor/events.c.
 *
 * The commands are this file's own: it takes the place of the generated
 * table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp.h"

#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "util/error.h"

#include "monitor/qmp-priv.h"

/* A peer that reads only so much. */
typedef struct Peer {
    QmpSession *session;
    GString *got;
    size_t room; /* bytes it will still take */
    bool waiting;
    unsigned naccepts;
    int fd;
    int fail; /* what write() returns instead, if not 0 */
    bool close_on_write;
} Peer;

static unsigned nmarks; /* calls of "mark" */

static int peer_write(void *opaque, const char *buf, size_t len)
{
    Peer *p = opaque;
    size_t n = MIN(len, p->room);

    if (p->close_on_write) {
        p->close_on_write = false;
        qmp_session_close(p->session);
        return -EPIPE;
    }
    if (p->fail) {
        return p->fail;
    }
    g_string_append_len(p->got, buf, (gssize)n);
    p->room -= n;
    return (int)n;
}

static void peer_wait_writable(void *opaque)
{
    ((Peer *)opaque)->waiting = true;
}

static void peer_accept_input(void *opaque)
{
    ((Peer *)opaque)->naccepts++;
}

static int peer_take_fd(void *opaque)
{
    Peer *p = opaque;
    int fd = p->fd;

    p->fd = -1;
    return fd;
}

static const QmpSessionOps peer_ops = {
    .write = peer_write,
    .wait_writable = peer_wait_writable,
    .accept_input = peer_accept_input,
    .take_fd = peer_take_fd,
};

/* The test's commands. */

static bool fn_capabilities(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                            GError **errp)
{
    ctx->session->negotiated = true;
    ctx->session->oob = json_object_has(args, "enable");
    return true;
}

static bool fn_echo(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                    GError **errp)
{
    *ret = json_ref(args);
    return true;
}

static bool fn_fail(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                    GError **errp)
{
    error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device 'x' is gone");
    return false;
}

static bool fn_silent(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                      GError **errp)
{
    return false;
}

static bool fn_mark(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                    GError **errp)
{
    nmarks++;
    return true;
}

static bool fn_stop(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                    GError **errp)
{
    qapi_event_stop(monitors_event_sink(ctx->monitors));
    return true;
}

static bool fn_take_fd(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                       GError **errp)
{
    *ret = json_int_new(qmp_ctx_take_fd(ctx));
    return true;
}

/* While it waits, the one who asked goes away, and another comes. */
static bool fn_wait(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                    GError **errp)
{
    const char *more = "{'execute':'qmp_capabilities'}{'execute':'echo',"
                       "'id':1}";
    QmpSession *s = ctx->session;
    Peer *p = s->opaque;

    qmp_session_feed(s, more, strlen(more));
    while (g_main_context_iteration(NULL, false)) {
    }
    g_assert_cmpuint(p->got->len, ==, 0); /* not before its turn */
    qmp_session_close(s);
    qmp_session_open(s);
    g_string_truncate(p->got, 0);
    qmp_session_feed(s, more, strlen(more));
    while (g_main_context_iteration(NULL, false)) {
    }
    g_assert_cmpstr(p->got->str, ==,
                    "{\"return\": {}}\r\n{\"return\": {}, \"id\": 1}\r\n");
    g_string_truncate(p->got, 0);
    return true;
}

const QmpCommand qmp_commands[] = {
    { "echo", 0, fn_echo },
    { "fail", 0, fn_fail },
    { "mark", QMP_ALLOW_OOB, fn_mark },
    { "qmp_capabilities", 0, fn_capabilities },
    { "silent", 0, fn_silent },
    { "stop", 0, fn_stop },
    { "take-fd", 0, fn_take_fd },
    { "wait", 0, fn_wait },
};
const size_t qmp_ncommands = G_N_ELEMENTS(qmp_commands);

/* Helpers. */

static void peer_init(Peer *p, Monitors *m)
{
    *p = (Peer){ .room = SIZE_MAX, .fd = -1 };
    p->got = g_string_new(NULL);
    p->session = qmp_session_new(m, &peer_ops, p, false);
}

static void peer_fini(Peer *p)
{
    qmp_session_free(p->session);
    g_string_free(p->got, true);
}

static void feed(Peer *p, const char *text)
{
    qmp_session_feed(p->session, text, strlen(text));
}

/* Until the main loop would have nothing more to do. */
static void run_all(Monitors *m)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static void expect(Peer *p, const char *want)
{
    g_assert_cmpstr(p->got->str, ==, want);
    g_string_truncate(p->got, 0);
}

static void ask(Monitors *m, Peer *p, const char *text, const char *want)
{
    feed(p, text);
    run_all(m);
    expect(p, want);
}

static void open_and_negotiate(Monitors *m, Peer *p, bool oob)
{
    qmp_session_open(p->session);
    g_string_truncate(p->got, 0);
    ask(m, p,
        oob ? "{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}"
            : "{'execute':'qmp_capabilities'}",
        "{\"return\": {}}\r\n");
}

#define ERROR_GENERIC(text) \
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"" text "\"}}\r\n"
#define ERROR_NOT_FOUND(text) \
    "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"" text "\"}}\r\n"

static void test_negotiation(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    g_autoptr(JsonValue) v = qmp_version_json();
    g_autofree char *version = NULL;
    g_autofree char *greeting = NULL;
    Peer p;

    peer_init(&p, m);
    g_assert_cmpuint(qmp_session_can_feed(p.session), ==, 0);
    feed(&p, "{'execute':'mark'}");
    qmp_session_open(p.session);
    version = json_to_string(v, false);
    greeting = g_strdup_printf("{\"QMP\": {\"version\": %s, "
                               "\"capabilities\": [\"oob\"]}}\r\n",
                               version);
    expect(&p, greeting);
    g_assert_nonnull(strstr(greeting, "\"minor\": 2, \"major\": 7}, "
                                      "\"package\": \"Godwit "));
    ask(m, &p, "{'execute':'echo'}",
        ERROR_NOT_FOUND("Expecting capabilities negotiation with "
                        "'qmp_capabilities'"));
    ask(m, &p, "{'execute':'nope'}",
        ERROR_NOT_FOUND("Expecting capabilities negotiation with "
                        "'qmp_capabilities'"));
    ask(m, &p, "{}", ERROR_GENERIC("QMP input lacks member 'execute'"));
    ask(m, &p, "{'execute':'qmp_capabilities'}", "{\"return\": {}}\r\n");
    ask(m, &p, "{'execute':'echo'}", "{\"return\": {}}\r\n");
    ask(m, &p, "{'execute':'qmp_capabilities'}",
        ERROR_NOT_FOUND("Capabilities negotiation is already complete, "
                        "command ignored"));
    /* The next peer has to begin again. */
    qmp_session_close(p.session);
    qmp_session_open(p.session);
    g_string_truncate(p.got, 0);
    ask(m, &p, "{'execute':'echo'}",
        ERROR_NOT_FOUND("Expecting capabilities negotiation with "
                        "'qmp_capabilities'"));
    peer_fini(&p);
}

/* The command of one who has gone keeps the next one's from nothing. */
static void test_reconnect_while_waiting(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    Peer p;

    peer_init(&p, m);
    open_and_negotiate(m, &p, false);
    ask(m, &p, "{'execute':'wait','id':7}", "");
    ask(m, &p, "{'execute':'echo'}", "{\"return\": {}}\r\n");
    peer_fini(&p);
}

static void test_requests(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    Peer p;

    peer_init(&p, m);
    open_and_negotiate(m, &p, false);
    ask(m, &p, "{'execute':'echo','arguments':{'a':[1]},'id':{'x':null}}",
        "{\"return\": {\"a\": [1]}, \"id\": {\"x\": null}}\r\n");
    ask(m, &p, "{'execute':'fail','id':18446744073709551615}",
        "{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device 'x' "
        "is gone\"}, \"id\": 18446744073709551615}\r\n");
    ask(m, &p, "{'execute':'silent'}",
        ERROR_GENERIC("internal error: a command failed silently"));
    ask(m, &p, "{'execute':'nope'}",
        ERROR_NOT_FOUND("The command nope has not been found"));
    ask(m, &p, "{'execute':'mark','exec-oob':'a'}",
        ERROR_GENERIC("QMP input member 'exec-oob' is unexpected"));
    ask(m, &p, "{'execute':1}",
        ERROR_GENERIC("QMP input member 'execute' must be a string"));
    ask(m, &p, "{'execute':'echo','arguments':[]}",
        ERROR_GENERIC("QMP input member 'arguments' must be an object"));
    ask(m, &p, "[1]", ERROR_GENERIC("QMP input must be a JSON object"));
    ask(m, &p, "\"abc\"", ERROR_GENERIC("QMP input must be a JSON object"));
    ask(m, &p, "garbage\n",
        ERROR_GENERIC("JSON parse error, invalid keyword 'garbage'"));
    ask(m, &p, "\xff", ERROR_GENERIC("JSON parse error, stray '\\uFFFD'"));
    ask(m, &p, "{'id':1}{'foo':1,'id':2}",
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input "
        "lacks member 'execute'\"}, \"id\": 1}\r\n"
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input "
        "member 'foo' is unexpected\"}, \"id\": 2}\r\n");
    peer_fini(&p);
}

static void test_oob(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    Peer p;

    peer_init(&p, m);
    open_and_negotiate(m, &p, true);
    nmarks = 0;
    /* Ahead of what waits, and even before the main loop runs. */
    feed(&p, "{'execute':'echo','id':1}{'exec-oob':'mark','id':2}");
    g_assert_cmpuint(nmarks, ==, 1);
    expect(&p, "{\"return\": {}, \"id\": 2}\r\n");
    run_all(m);
    expect(&p, "{\"return\": {}, \"id\": 1}\r\n");
    ask(m, &p, "{'exec-oob':'echo'}",
        ERROR_GENERIC("The command echo does not support OOB"));
    ask(m, &p, "{'exec-oob':'nope'}",
        ERROR_NOT_FOUND("The command nope has not been found"));
    ask(m, &p, "{'exec-oob':1}",
        ERROR_GENERIC("QMP input member 'exec-oob' must be a string"));
    ask(m, &p, "{'exec-oob':'mark','execute':'mark'}",
        ERROR_GENERIC("QMP input member 'execute' clashes with 'exec-oob'"));
    ask(m, &p, "{'execute':'mark'}", "{\"return\": {}}\r\n");
    g_assert_cmpuint(nmarks, ==, 2);
    peer_fini(&p);
}

/* More requests than may wait: input stops, and goes on. */
static void test_queue(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    Peer p;

    peer_init(&p, m);
    open_and_negotiate(m, &p, false);
    nmarks = 0;
    for (int i = 0; i < QMP_QUEUE_MAX; i++) {
        g_assert_cmpuint(qmp_session_can_feed(p.session), >, 0);
        feed(&p, "{'execute':'mark'}");
    }
    g_assert_cmpuint(qmp_session_can_feed(p.session), ==, 0);
    g_assert_cmpuint(p.naccepts, ==, 0);
    monitors_run(m);
    g_assert_cmpuint(nmarks, ==, 1);
    g_assert_cmpuint(p.naccepts, ==, 1);
    g_assert_cmpuint(qmp_session_can_feed(p.session), >, 0);
    run_all(m);
    g_assert_cmpuint(nmarks, ==, QMP_QUEUE_MAX);
    g_assert_cmpuint(p.naccepts, ==, 1);
    peer_fini(&p);
}

/* Two sessions take turns. */
static void test_turns(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    Peer a, b;

    peer_init(&a, m);
    peer_init(&b, m);
    open_and_negotiate(m, &a, false);
    open_and_negotiate(m, &b, false);
    for (int i = 0; i < 4; i++) {
        feed(&a, "{'execute':'echo'}");
    }
    feed(&b, "{'execute':'echo'}");
    monitors_run(m);
    expect(&a, "{\"return\": {}}\r\n");
    expect(&b, "{\"return\": {}}\r\n");
    run_all(m);
    expect(&a, "{\"return\": {}}\r\n{\"return\": {}}\r\n"
               "{\"return\": {}}\r\n");
    peer_fini(&a);
    peer_fini(&b);
}

/* A peer that doesn't read: input stops, events are dropped, none forever. */
static void test_slow_reader(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    g_autoptr(GString) big = g_string_new("{'execute':'echo','arguments':"
                                          "{'a':'");
    EventSink *sink = monitors_event_sink(m);
    size_t unsent;
    Peer p;

    peer_init(&p, m);
    open_and_negotiate(m, &p, false);
    p.room = 0;
    while (big->len < 1000) {
        g_string_append_c(big, 'x');
    }
    g_string_append(big, "'}}");
    while (qmp_session_can_feed(p.session)) {
        feed(&p, big->str);
        run_all(m);
        g_assert_cmpuint(qmp_session_unsent(p.session), <, QMP_OUT_HIGH + 2000);
    }
    g_assert_true(p.waiting);
    do {
        unsent = qmp_session_unsent(p.session);
        qapi_event_stop(sink);
    } while (qmp_session_unsent(p.session) > unsent);
    g_assert_cmpuint(unsent, <, QMP_OUT_EVENTS_MAX + 200);
    g_assert_cmpuint(p.session->ndropped, ==, 1);

    /* It reads a little: nothing changes; all: everything goes on. */
    p.room = 10000;
    p.waiting = false;
    qmp_session_flush(p.session);
    g_assert_true(p.waiting);
    g_assert_cmpuint(p.got->len, ==, 10000);
    g_assert_cmpuint(qmp_session_can_feed(p.session), ==, 0);
    g_assert_cmpuint(p.naccepts, ==, 0);
    p.room = SIZE_MAX;
    qmp_session_flush(p.session);
    g_assert_cmpuint(qmp_session_unsent(p.session), ==, 0);
    g_assert_cmpuint(p.naccepts, ==, 1);
    g_assert_cmpuint(p.session->ndropped, ==, 0);
    g_assert_true(g_str_has_suffix(p.got->str, "\"event\": \"STOP\"}\r\n"));
    g_string_truncate(p.got, 0);
    ask(m, &p, "{'execute':'echo'}", "{\"return\": {}}\r\n");
    peer_fini(&p);
}

/* The peer goes while it is being answered. */
static void test_peer_gone(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    Peer p;

    peer_init(&p, m);
    open_and_negotiate(m, &p, true);
    nmarks = 0;
    p.close_on_write = true;
    feed(&p, "{'execute':'mark'}{'exec-oob':'mark'}{'exec-oob':'mark'}"
             "{'execute':'ma");
    run_all(m);
    /* One out of band; nothing that it had asked for before or after. */
    g_assert_cmpuint(nmarks, ==, 1);
    g_assert_cmpuint(qmp_session_can_feed(p.session), ==, 0);
    /* Half a request of the old peer isn't the new one's. */
    open_and_negotiate(m, &p, false);

    p.close_on_write = true;
    feed(&p, "{'execute':'mark'}{'execute':'mark'}");
    run_all(m);
    g_assert_cmpuint(nmarks, ==, 2);

    open_and_negotiate(m, &p, false);
    p.fail = -EPIPE;
    feed(&p, "{'execute':'mark'}");
    run_all(m);
    g_assert_cmpuint(qmp_session_unsent(p.session), ==, 0);
    p.fail = 0;
    qmp_session_close(p.session);
    open_and_negotiate(m, &p, false);
    peer_fini(&p);
}

static char *event_lines(Peer *p)
{
    g_autoptr(GRegex) re =
        g_regex_new("\"timestamp\": \\{[^}]*\\}, ", 0, 0, NULL);
    char *text = g_regex_replace_literal(re, p->got->str, -1, 0, "", 0, NULL);

    g_string_truncate(p->got, 0);
    return text;
}

static void expect_events(Peer *p, const char *want)
{
    g_autofree char *got = event_lines(p);

    g_assert_cmpstr(got, ==, want);
}

static void test_events(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    EventSink *sink = monitors_event_sink(m);
    Peer a, b;

    peer_init(&a, m);
    peer_init(&b, m);
    open_and_negotiate(m, &a, false);
    qmp_session_open(b.session);
    g_string_truncate(b.got, 0);
    /* b hasn't negotiated: it hears nothing. */
    qapi_event_resume(sink);
    expect_events(&a, "{\"event\": \"RESUME\"}\r\n");
    expect(&b, "");
    open_and_negotiate(m, &b, false);
    /* The event comes before the response of what caused it. */
    feed(&a, "{'execute':'stop'}");
    run_all(m);
    expect_events(&a, "{\"event\": \"STOP\"}\r\n{\"return\": {}}\r\n");
    expect_events(&b, "{\"event\": \"STOP\"}\r\n");
    peer_fini(&a);
    peer_fini(&b);
}

static void *raise_events(void *opaque)
{
    EventSink *sink = opaque;

    for (int i = 1; i <= 100; i++) {
        qapi_event_migration_pass(sink, i);
    }
    return NULL;
}

static void test_events_threads(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    g_autoptr(GString) want = g_string_new(NULL);
    EventSink *sink = monitors_event_sink(m);
    GThread *t;
    Peer p;

    peer_init(&p, m);
    open_and_negotiate(m, &p, false);
    t = g_thread_new("raise", raise_events, sink);
    g_thread_join(t);
    expect(&p, ""); /* another thread never writes */
    /* An event of the main thread comes after those. */
    qapi_event_stop(sink);
    for (int i = 1; i <= 100; i++) {
        g_string_append_printf(want,
                               "{\"event\": \"MIGRATION_PASS\", \"data\": "
                               "{\"pass\": %d}}\r\n",
                               i);
    }
    g_string_append(want, "{\"event\": \"STOP\"}\r\n");
    expect_events(&p, want->str);
    /* Without one, the main loop is woken. */
    t = g_thread_new("raise", raise_events, sink);
    while (!strstr(p.got->str, "\"pass\": 100}")) {
        g_main_context_iteration(NULL, true);
    }
    g_thread_join(t);
    peer_fini(&p);
}

static void *raise_too_many(void *opaque)
{
    EventSink *sink = opaque;

    qapi_event_stop(sink);
    for (int i = 1; i <= EVENTS_QUEUED_MAX + 50; i++) {
        qapi_event_migration_pass(sink, i);
    }
    return NULL;
}

/* Of one kind the latest wait; other kinds aren't lost by them. */
static void test_events_bound(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    g_autofree char *got = NULL;
    Peer p;

    peer_init(&p, m);
    open_and_negotiate(m, &p, false);
    g_thread_join(
        g_thread_new("raise", raise_too_many, monitors_event_sink(m)));
    g_assert_cmpuint(m->events.length, ==, EVENTS_QUEUED_MAX + 1);
    monitors_run(m);
    g_assert_cmpuint(m->events.length, ==, 0);
    got = event_lines(&p);
    g_assert_true(g_str_has_prefix(
        got, "{\"event\": \"STOP\"}\r\n{\"event\": \"MIGRATION_PASS\", "
             "\"data\": {\"pass\": 51}}\r\n"));
    g_assert_nonnull(strstr(got, "{\"pass\": 1074}}\r\n"));
    /* There is room again. */
    g_thread_join(g_thread_new("raise", raise_events, monitors_event_sink(m)));
    g_assert_cmpuint(m->events.length, ==, 100);
    peer_fini(&p);
}

static int64_t fake_clock(void *opaque)
{
    return *(int64_t *)opaque;
}

static void rtc_change(Monitors *m, int64_t offset)
{
    qapi_event_rtc_change(monitors_event_sink(m), offset, "/rtc");
}

#define RTC_CHANGE(offset)                                        \
    "{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": " #offset \
    ", \"qom-path\": \"/rtc\"}}\r\n"

static void test_events_rate(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    int64_t now_us = 5000;
    Peer p;

    monitors_set_clock(m, fake_clock, &now_us);
    peer_init(&p, m);
    open_and_negotiate(m, &p, false);
    /* The first at once, of the rest the last, after one second. */
    rtc_change(m, 1);
    rtc_change(m, 2);
    rtc_change(m, 3);
    expect_events(&p, RTC_CHANGE(1));
    monitors_run(m);
    expect(&p, "");
    g_assert_cmpint(events_next_us(m), ==, 1005000);
    now_us = 1005000;
    monitors_run(m);
    expect_events(&p, RTC_CHANGE(3));
    /* That one counts: the next must wait again. */
    rtc_change(m, 4);
    expect(&p, "");
    now_us += 999999;
    monitors_run(m);
    expect(&p, "");
    now_us++;
    monitors_run(m);
    expect_events(&p, RTC_CHANGE(4));
    /* A quiet second, and one is sent at once again. */
    now_us += 1000000;
    monitors_run(m);
    g_assert_cmpint(events_next_us(m), ==, -1);
    rtc_change(m, 5);
    expect_events(&p, RTC_CHANGE(5));
    peer_fini(&p);
}

static void test_take_fd(void)
{
    g_autoptr(Monitors) m = monitors_new(NULL);
    Peer p;

    peer_init(&p, m);
    open_and_negotiate(m, &p, false);
    p.fd = 42;
    ask(m, &p, "{'execute':'take-fd'}", "{\"return\": 42}\r\n");
    ask(m, &p, "{'execute':'take-fd'}", "{\"return\": -1}\r\n");
    peer_fini(&p);
}

static void note_free(void *opaque)
{
    g_string_append((GString *)opaque, "x");
}

/* monitors_free() with sessions, requests and events that are left. */
static void test_free(void)
{
    g_autoptr(GString) note = g_string_new(NULL);
    Monitors *m = monitors_new(NULL);
    Peer p;

    peer_init(&p, m);
    open_and_negotiate(m, &p, false);
    feed(&p, "{'execute':'mark'}");
    g_thread_join(g_thread_new("raise", raise_events, monitors_event_sink(m)));
    rtc_change(m, 1);
    rtc_change(m, 2);
    monitors_at_free(m, note_free, note);
    monitors_free(m);
    g_assert_cmpstr(note->str, ==, "x");
    g_string_free(p.got, true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/negotiation", test_negotiation);
    g_test_add_func("/qmp/reconnect-while-waiting",
                    test_reconnect_while_waiting);
    g_test_add_func("/qmp/requests", test_requests);
    g_test_add_func("/qmp/oob", test_oob);
    g_test_add_func("/qmp/queue", test_queue);
    g_test_add_func("/qmp/turns", test_turns);
    g_test_add_func("/qmp/slow-reader", test_slow_reader);
    g_test_add_func("/qmp/peer-gone", test_peer_gone);
    g_test_add_func("/qmp/events", test_events);
    g_test_add_func("/qmp/events-threads", test_events_threads);
    g_test_add_func("/qmp/events-bound", test_events_bound);
    g_test_add_func("/qmp/events-rate", test_events_rate);
    g_test_add_func("/qmp/take-fd", test_take_fd);
    g_test_add_func("/qmp/free", test_free);
    return g_test_run();
}
