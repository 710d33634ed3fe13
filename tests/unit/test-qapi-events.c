/*
 * Events: what qapi_event_NAME() gives to the sink.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/qapi-events.h"

typedef struct TestSink {
    EventSink sink;
    unsigned event;
    JsonValue *msg;
} TestSink;

static void emit(EventSink *sink, unsigned event, JsonValue *msg)
{
    TestSink *t = container_of(sink, TestSink, sink);

    g_assert_null(t->msg);
    t->event = event;
    t->msg = msg;
}

/* The message without its time stamp, which is checked, as text. */
static char *take(TestSink *t)
{
    g_autoptr(JsonValue) msg = g_steal_pointer(&t->msg);
    JsonValue *stamp = json_object_get(msg, "timestamp");
    int64_t sec = 0, usec = -1;

    g_assert_true(json_get_int(json_object_get(stamp, "seconds"), &sec));
    g_assert_true(json_get_int(json_object_get(stamp, "microseconds"), &usec));
    g_assert_cmpint(sec, >, 1500000000);
    g_assert_cmpint(usec, >=, 0);
    g_assert_cmpint(usec, <, 1000000);
    g_assert_true(json_object_remove(msg, "timestamp"));
    return json_to_string(msg, false);
}

static void check(TestSink *t, unsigned event, const char *want)
{
    g_autofree char *got = take(t);

    g_assert_cmpuint(t->event, ==, event);
    g_assert_cmpstr(got, ==, want);
}

static void test_events(void)
{
    TestSink t = { .sink.emit = emit };

    qapi_event_stop(&t.sink);
    check(&t, QAPI_EVENT_STOP, "{\"event\": \"STOP\"}");
    qapi_event_shutdown(&t.sink, true, SHUTDOWN_CAUSE_GUEST_RESET);
    check(&t, QAPI_EVENT_SHUTDOWN,
          "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, "
          "\"reason\": \"guest-reset\"}}");
    qapi_event_device_deleted(&t.sink, NULL, "/machine/x");
    check(&t, QAPI_EVENT_DEVICE_DELETED,
          "{\"event\": \"DEVICE_DELETED\", \"data\": "
          "{\"path\": \"/machine/x\"}}");
    qapi_event_device_deleted(&t.sink, "net0", "/machine/x");
    check(&t, QAPI_EVENT_DEVICE_DELETED,
          "{\"event\": \"DEVICE_DELETED\", \"data\": "
          "{\"device\": \"net0\", \"path\": \"/machine/x\"}}");
    qapi_event_migration_pass(&t.sink, 3);
    check(&t, QAPI_EVENT_MIGRATION_PASS,
          "{\"event\": \"MIGRATION_PASS\", \"data\": {\"pass\": 3}}");
    qapi_event_stop(NULL);
}

static void test_table(void)
{
    g_assert_cmpstr(qapi_events[QAPI_EVENT_RTC_CHANGE].name, ==, "RTC_CHANGE");
    g_assert_cmpuint(qapi_events[QAPI_EVENT_RTC_CHANGE].throttle_ms, ==, 1000);
    g_assert_cmpuint(qapi_events[QAPI_EVENT_STOP].throttle_ms, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi-events/messages", test_events);
    g_test_add_func("/qapi-events/table", test_table);
    return g_test_run();
}
