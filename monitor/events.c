/*
 * QMP events: from any thread to all sessions, some with a limited rate.
 *
 * An event that the main thread raises is sent at once, so that it comes
 * before the response of the command that raised it. Those of other threads
 * are queued: raising one costs the switch-over no system call on a socket.  A
 * guest can raise some in a loop while the main thread waits, so of each kind
 * only the latest are kept.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp.h"

#include "monitor/qmp-priv.h"
#include "qapi/qapi-events.h"
#include "util/log.h"

static void event_broadcast(Monitors *m, const JsonValue *msg)
{
    for (unsigned i = 0; i < m->sessions->len; i++) {
        QmpSession *s = g_ptr_array_index(m->sessions, i);

        if (s->negotiated) {
            qmp_session_send(s, msg, true);
        }
    }
}

/* What the rate limit applies to: the event, and a member of its data. */
static char *limiter_key(const QapiEventInfo *info, const JsonValue *msg)
{
    const JsonValue *data = json_object_get(msg, "data");
    const JsonValue *val = NULL;
    g_autofree char *text = NULL;

    if (info->throttle_by) {
        val = json_object_get(data, info->throttle_by);
    }
    if (!val) {
        return g_strdup(info->name);
    }
    text = json_to_string(val, false);
    return g_strdup_printf("%s %s", info->name, text);
}

static void limiter_free(void *data)
{
    EventLimiter *l = data;

    json_unref(l->pending);
    g_free(l);
}

/* True if the event is held back; then the limiter took the message. */
static bool event_hold_back(Monitors *m, const QapiEventInfo *info,
                            JsonValue *msg)
{
    g_autofree char *key = limiter_key(info, msg);
    EventLimiter *l = g_hash_table_lookup(m->limiters, key);

    if (l) {
        json_unref(l->pending);
        l->pending = msg;
        return true;
    }
    l = g_new0(EventLimiter, 1);
    l->period_us = (int64_t)info->throttle_ms * 1000;
    l->next_us = m->now_us(m->clock_opaque) + l->period_us;
    g_hash_table_insert(m->limiters, g_steal_pointer(&key), l);
    monitors_kick(m);
    return false;
}

/* Takes msg. Main thread. */
static void event_deliver(Monitors *m, unsigned event, JsonValue *msg)
{
    const QapiEventInfo *info = &qapi_events[event];

    if (info->throttle_ms && event_hold_back(m, info, msg)) {
        return;
    }
    event_broadcast(m, msg);
    json_unref(msg);
}

static void event_item_free(EventItem *item)
{
    json_unref(item->msg);
    g_free(item);
}

/* With event_lock. */
static void event_drop_oldest(Monitors *m, unsigned event)
{
    GList *l = m->events.head;

    while (((EventItem *)l->data)->event != event) {
        l = l->next;
    }
    event_item_free(l->data);
    g_queue_delete_link(&m->events, l);
    m->nqueued[event]--;
    log_warn_once("QMP: events %s are dropped, as more come than can be told",
                  qapi_events[event].name);
}

/* Takes msg. */
static void event_queue(Monitors *m, unsigned event, JsonValue *msg)
{
    EventItem *item = g_new(EventItem, 1);

    *item = (EventItem){ .event = event, .msg = msg };
    LOCK_GUARD(&m->event_lock);
    if (m->nqueued[event] >= EVENTS_QUEUED_MAX) {
        event_drop_oldest(m, event);
    }
    g_queue_push_tail(&m->events, item);
    m->nqueued[event]++;
}

static void event_emit(EventSink *sink, unsigned event, JsonValue *msg)
{
    Monitors *m = container_of(sink, Monitors, sink);

    if (g_thread_self() == m->thread) {
        events_run(m); /* what was raised before comes before */
        event_deliver(m, event, msg);
        return;
    }
    event_queue(m, event, msg);
    monitors_kick(m);
}

EventSink *monitors_event_sink(Monitors *m)
{
    return &m->sink;
}

static EventItem *event_pop(Monitors *m)
{
    EventItem *item;
    LOCK_GUARD(&m->event_lock);

    item = g_queue_pop_head(&m->events);
    if (item != NULL) {
        m->nqueued[item->event]--;
    }
    return item;
}

/* Sends what limiters hold back and may send now; drops idle limiters. */
static void limiters_run(Monitors *m)
{
    g_autoptr(GPtrArray) due =
        g_ptr_array_new_with_free_func((GDestroyNotify)json_unref);
    int64_t now_us = m->now_us(m->clock_opaque);
    GHashTableIter it;
    void *val;

    g_hash_table_iter_init(&it, m->limiters);
    while (g_hash_table_iter_next(&it, NULL, &val)) {
        EventLimiter *l = val;

        if (now_us < l->next_us) {
            continue;
        }
        if (l->pending) {
            g_ptr_array_add(due, g_steal_pointer(&l->pending));
            l->next_us = now_us + l->period_us;
        } else {
            g_hash_table_iter_remove(&it);
        }
    }
    for (unsigned i = 0; i < due->len; i++) {
        event_broadcast(m, g_ptr_array_index(due, i));
    }
}

void events_run(Monitors *m)
{
    EventItem *item;

    limiters_run(m);
    while ((item = event_pop(m)) != NULL) {
        event_deliver(m, item->event, item->msg);
        g_free(item);
    }
}

int64_t events_next_us(Monitors *m)
{
    int64_t next_us = -1;
    GHashTableIter it;
    void *val;

    g_hash_table_iter_init(&it, m->limiters);
    while (g_hash_table_iter_next(&it, NULL, &val)) {
        const EventLimiter *l = val;

        if (next_us < 0 || l->next_us < next_us) {
            next_us = l->next_us;
        }
    }
    return next_us;
}

void events_init(Monitors *m)
{
    m->sink.emit = event_emit;
    lock_init(&m->event_lock);
    g_queue_init(&m->events);
    m->nqueued = g_new0(unsigned, qapi_nevents);
    m->limiters =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, limiter_free);
}

void events_fini(Monitors *m)
{
    EventItem *item;

    while ((item = event_pop(m)) != NULL) {
        event_item_free(item);
    }
    g_free(m->nqueued);
    g_hash_table_unref(m->limiters);
    lock_fini(&m->event_lock);
}
