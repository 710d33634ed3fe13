/*
 * QMP: sessions, and what they share.
 *
 * A session is fed bytes and writes bytes through QmpSessionOps, so it knows
 * nothing of sockets; qmp_session_on_chardev() ties one to a character
 * device. Requests are queued and carried out one at a time from the main
 * loop, in turns if several sessions have some.
 *
 * Everything here belongs to the main thread, except that the event sink
 * takes events from any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_QMP_H
#define MONITOR_QMP_H

#include "qapi/event.h"
#include "qapi/json.h"

struct Chardev;
struct QmpFds;
struct Vm;

typedef struct Monitors Monitors; /* all of a VM's */
typedef struct QmpSession QmpSession;

/* What a command's handler is told besides its arguments. */
typedef struct QmpCtx {
    struct Vm *vm; /* NULL in tests that need none */
    Monitors *monitors;
    QmpSession *session;   /* that the command came from */
    const JsonValue *args; /* as they were sent; an object */
} QmpCtx;

/* vm may be NULL. Its work runs in the calling thread's default context. */
Monitors *monitors_new(struct Vm *vm);
/* Ends all sessions; runs what monitors_at_free() was given, last first. */
void monitors_free(Monitors *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Monitors, monitors_free)
void monitors_at_free(Monitors *m, void (*fn)(void *opaque), void *opaque);

/* Where qapi_event_NAME() sends to: all sessions that finished negotiating. */
EventSink *monitors_event_sink(Monitors *m);
/* The VM's dumps of memory; see monitor/dump.h. Set once, before sessions. */
struct Dump *monitors_dump(Monitors *m);
void monitors_set_dump(Monitors *m, struct Dump *dump);
/* Descriptors that getfd and add-fd took in; see monitor/qmp-fds.h. */
struct QmpFds *monitors_fds(Monitors *m);
/*
 * Who answers query-command-line-options: all options that have parameters,
 * or the one asked for (option not NULL); NULL with *errp set if there is no
 * such option.
 */
struct CommandLineOptionInfoList;
typedef struct CommandLineOptionInfoList *(*MonitorsOptionsFn)(
    const char *option, GError **errp);
void monitors_set_options(Monitors *m, MonitorsOptionsFn fn);
/*
 * Carries out at most one queued request of each session, and passes on the
 * events that are due. The main loop calls it; tests may.
 */
void monitors_run(Monitors *m);
/* For tests: another clock, in microseconds, for the events' rate limits. */
void monitors_set_clock(Monitors *m, int64_t (*now_us)(void *opaque),
                        void *opaque);

typedef struct QmpSessionOps {
    /* Never waits: bytes taken (0: none now), or -errno if the peer's gone. */
    int (*write)(void *opaque, const char *buf, size_t len);
    /* Call qmp_session_flush() as soon as write() may take bytes again. */
    void (*wait_writable)(void *opaque);
    /* qmp_session_can_feed() isn't 0 any more. */
    void (*accept_input)(void *opaque);
    /* The descriptor that came with the last input, now ours; -1: none. */
    int (*take_fd)(void *opaque);
    /* After qmp_session_end_input() said true: now it is done. */
    void (*input_done)(void *opaque);
} QmpSessionOps;

/* One session for one peer after the other. pretty: indented output. */
QmpSession *qmp_session_new(Monitors *m, const QmpSessionOps *ops, void *opaque,
                            bool pretty);
void qmp_session_free(QmpSession *s);
/* A peer is there: it gets the greeting. Forgets the one before. */
void qmp_session_open(QmpSession *s);
/* The peer is gone: forgets all of its input and output. */
void qmp_session_close(QmpSession *s);
/*
 * How many bytes may be fed; 0 while requests wait or the peer doesn't read
 * its answers, until accept_input().
 */
size_t qmp_session_can_feed(const QmpSession *s);
void qmp_session_feed(QmpSession *s, const char *buf, size_t len);
/*
 * The peer sends nothing more.  True: requests of it wait to be carried out,
 * or answers to be read, and input_done() follows.
 */
bool qmp_session_end_input(QmpSession *s);
/*
 * And it reads nothing more.  True: it can be closed at once, as a command that
 * waits for somebody outside is all that is left of it.
 */
bool qmp_session_may_forget(const QmpSession *s);
/* Writes what waits to be written. */
void qmp_session_flush(QmpSession *s);
/* Bytes that wait to be written. */
size_t qmp_session_unsent(const QmpSession *s);

/*
 * A session on a character device until monitors_free(); greets each peer
 * that connects. False if the device has another front end.
 */
bool qmp_session_on_chardev(Monitors *m, struct Chardev *cd, bool pretty,
                            GError **errp);

/* The descriptor that came with the command, now the caller's; -1: none. */
int qmp_ctx_take_fd(const QmpCtx *ctx);
/* {"qemu": {"major": …}, "package": …} */
JsonValue *qmp_version_json(void);

#endif
