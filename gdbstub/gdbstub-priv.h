/*
 * Inner parts of the debugger's server.
 *
 * All of it: main thread, vm_lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GDBSTUB_GDBSTUB_PRIV_H
#define GDBSTUB_GDBSTUB_PRIV_H

#include "accel/accel.h"
#include "chardev/chardev.h"
#include "gdbstub/gdbstub.h"
#include "gdbstub/packet.h"
#include "gdbstub/registers.h"

/* What "qqemu.sstep" sets: how the guest is stepped. */
enum {
    GDB_STEP_ENABLE = 1 << 0,
    GDB_STEP_NO_IRQ = 1 << 1,
};

typedef struct GdbServer {
    Vm *vm;
    Chardev *cd;
    bool own_cd; /* made for this server */
    void *handle;
    GdbMonitorFn *monitor;
    RunStateListener listener;

    /* Bytes. */
    GdbParser parser;
    GString *out;   /* not taken by the peer yet */
    unsigned watch; /* for writing; 0: none */
    GString *last;  /* the last packet, to be sent again */

    /* What the client has set. */
    bool no_ack, multiprocess, swbreak, hwbreak;
    bool phys_mem;      /* m and M take guest-physical addresses */
    unsigned step_bits; /* GDB_STEP_* */
    unsigned g_cpu;     /* index; of register and memory packets */
    unsigned c_cpu;     /* index; of c and s */
    unsigned next_cpu;  /* of qsThreadInfo */
    GArray *points;     /* DebugPoint */

    bool in_monitor; /* runs a command that the client sent */
    bool stopping;   /* waits for the guest or storage; others are served */
    unsigned client; /* counts them, so that one that has gone is noticed */
    bool awaiting;   /* the client waits for a stop reply */
} GdbServer;

/* server.c */
/* Sends a packet; text: 0-terminated. */
void gdb_send(GdbServer *g, const char *text);
void gdb_send_bytes(GdbServer *g, const GString *data);
void gdb_send_ok(GdbServer *g);
/* "Enn": numbers as errno's; GDB itself only shows them. */
void gdb_send_error(GdbServer *g, int err);

/* commands.c: one packet, 0-terminated behind its len bytes. */
void gdb_handle_packet(GdbServer *g, const char *data, size_t len);

/* query.c: packets that begin with q or Q. */
void gdb_handle_query(GdbServer *g, const char *data);

/* threads.c */
/* The CPU at an index; NULL: there is none (any more). */
Vcpu *gdb_cpu(const GdbServer *g, unsigned index);
/* Appends a CPU's thread id: "p01.01" or "01". */
void gdb_append_thread(const GdbServer *g, GString *out, unsigned index);
/* What a thread id names. */
typedef enum GdbThreads {
    GDB_THREADS_BAD, /* no thread id, or of no CPU */
    GDB_THREADS_ONE,
    GDB_THREADS_ANY,
    GDB_THREADS_ALL,
} GdbThreads;
/* Parses one at *text, which moves behind it. */
GdbThreads gdb_parse_thread(const GdbServer *g, const char **text,
                            unsigned *ret_index);

/* run.c */
typedef enum GdbAction {
    GDB_ACTION_HOLD,
    GDB_ACTION_CONTINUE,
    GDB_ACTION_STEP,
} GdbAction;
/* The run state is one that a debugger may end. */
bool gdb_may_run(const GdbServer *g);
/*
 * Lets the guest run, each vCPU as told (nvcpus entries).  The stop reply
 * follows when it stops, at once if it can't run.
 */
void gdb_resume(GdbServer *g, const GdbAction *actions);
/* For '?': why the guest stands, as far as one can tell now. */
void gdb_send_stop_reply(GdbServer *g);
/* 0 or -errno. */
int gdb_point_add(GdbServer *g, const DebugPoint *p);
int gdb_point_remove(GdbServer *g, const DebugPoint *p);
void gdb_points_clear(GdbServer *g);
void gdb_state_changed(RunStateListener *l, bool running, RunState state);

#endif
