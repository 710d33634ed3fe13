/*
 * QMP events on their way from whoever raises them to the monitors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QAPI_EVENT_H
#define QAPI_EVENT_H

#include "qapi/json.h"

/* Where events go: the monitors, or a test. */
typedef struct EventSink {
    /*
     * Called in the thread that raises the event. Takes msg, the whole
     * message with its time stamp; `event` is a QapiEvent.
     */
    void (*emit)(struct EventSink *sink, unsigned event, JsonValue *msg);
} EventSink;

typedef struct QapiEventInfo {
    const char *name;
    /* At most one per so many milliseconds; 0: no limit. */
    unsigned throttle_ms;
    /* The limit is per value of that member of the data; NULL: for all. */
    const char *throttle_by;
} QapiEventInfo;

/* By QapiEvent. */
extern const QapiEventInfo qapi_events[];
extern const size_t qapi_nevents;

/* Adds name and time to data (taken; may be NULL), gives it to the sink. */
void qapi_event_emit(EventSink *sink, unsigned event, JsonValue *data);

#endif
