/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/event.h"

void qapi_event_emit(EventSink *sink, unsigned event, JsonValue *data)
{
    g_autoptr(JsonValue) msg = NULL;
    JsonValue *stamp;
    int64_t now_us = g_get_real_time();

    if (!sink) {
        json_unref(data);
        return;
    }
    msg = json_object_new();
    stamp = json_object_new();
    json_object_set_int(stamp, "seconds", now_us / 1000000);
    json_object_set_int(stamp, "microseconds", now_us % 1000000);
    json_object_set(msg, "timestamp", stamp);
    json_object_set_string(msg, "event", qapi_events[event].name);
    if (data) {
        json_object_set(msg, "data", data);
    }
    sink->emit(sink, event, g_steal_pointer(&msg));
}
