/*
 * A virtual machine without CPUs that migrates for real, and a scripted peer
 * at the other end of a socket pair: for tests of the source.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_SOURCE_PEER_H
#define TESTS_UNIT_SOURCE_PEER_H

#include "migration/migration-priv.h"
#include "migration/ram-load.h"
#include "migration/wire.h"

enum {
    SP_PAGES = 512,         /* of guest memory, all random */
    SP_DEVICE_MAX = 4 << 20 /* bytes of the device's state */
};

typedef struct SpDevice {
    size_t len;
    uint32_t value; /* in its state */
    bool fails;     /* saving it does */
} SpDevice;

/* The source: what the hooks saw. */
typedef struct SpVm {
    Vm *vm;
    Migration *m;
    MemoryRegion ram;
    SpDevice device;
    VmstateEntry *entry;
    int fd; /* for the migration to take; -1: taken */
    /* Counted with vm_lock held. */
    unsigned stops, starts, resets, powerdowns, activated, inactivated;
    unsigned cpu_syncs, nmis, drain_steps;
    unsigned held;     /* given guests that nothing could start */
    unsigned passes;   /* that events told */
    unsigned statuses; /* mask of 1 << MigrationStatus that events told */
    bool prepared;
    bool storage_hangs;              /* block_drain_step isn't done */
    bool images_hang;                /* block_inactivate_step isn't */
    bool bad_activate;               /* block_activate fails */
    bool bad_sync;                   /* cpus_sync does */
    int drain;                       /* what block_drain returns */
    int inactivate;                  /* the same of block_inactivate_step */
    void (*at_stop)(struct SpVm *v); /* the vCPUs pause */
    struct SpPeer *peer;             /* for the test's own use */
} SpVm;

/* The peer: reads the stream item by item. */
typedef struct SpPeer {
    SpVm *v;
    IoChannel *ch;
    StreamIn *in;
    Memory mem; /* what has arrived */
    MemoryRegion ram;
    RamLoad *load;
    bool answers_pings; /* by itself, but for the greeting */
    uint32_t ping, attempt;
    uint32_t device_value;
    uint64_t enabled; /* WIRE_F_* of ENABLE */
    unsigned aborts, descriptions;
    char runstate[101];
} SpPeer;

/* What sp_read_to() stops behind; also a WIRE_CMD_*. */
enum {
    SP_EOF = 0x10000,
    SP_RAM_START,
    SP_RAM_PART,
    SP_RAM_END,
    SP_DEVICE, /* the last of them: "globalstate" */
    SP_DESCRIPTION,
    SP_END,     /* of the stream, between two items */
    SP_CUT,     /* of the stream, inside one */
    SP_NOTHING, /* an item that none of these is */
};

/* A running guest with a device of `device_len` bytes of state. */
void sp_vm_init(SpVm *v, size_t device_len);
void sp_vm_fini(SpVm *v);
/* Starts a migration to a new peer; its messages begin with the header. */
void sp_connect(SpVm *v, SpPeer *p);
/* A peer that reads a recorded stream; nobody speaks to it. */
void sp_read_bytes(SpVm *v, SpPeer *p, const void *data, size_t len);
void sp_peer_fini(SpPeer *p);
void sp_caps(SpVm *v, MigrationCapability cap, bool on);
void sp_param(SpVm *v, const char *name, const char *val);

/* Reads one item and says which it was. */
int sp_read_item(SpPeer *p);
/* Reads on until `item`; anything that ends the stream before fails. */
void sp_read_to(SpPeer *p, int item);
/* Reads all that comes; SP_END or SP_CUT. */
int sp_drain(SpPeer *p);
void sp_say(SpPeer *p, uint16_t type, const void *data, uint16_t len);
void sp_say_u32(SpPeer *p, uint16_t type, uint32_t v);
void sp_say_loaded(SpPeer *p, uint32_t attempt);
void sp_say_resumed(SpPeer *p);
void sp_say_raw(SpPeer *p, const void *data, size_t len);
/* Reads the header and the hello, and answers them: WIRE_F_* or 0 (plain). */
void sp_greet(SpPeer *p, uint64_t features);
/* Nothing more can be written to the peer; it can still speak. */
void sp_deaf(SpPeer *p);
void sp_close(SpPeer *p);

/* Turns the main loop until the status is this one, or any final one. */
void sp_wait_status(SpVm *v, MigrationStatus st);
MigrationStatus sp_wait_end(SpVm *v);
void sp_wait_run_state(SpVm *v, RunState st);
RunState sp_run_state(SpVm *v);
void sp_write_page(SpVm *v, unsigned page, uint8_t byte);
/* All of guest memory is the same on both sides. */
void sp_check_memory(SpPeer *p);
/* The guest goes on here, and never left. */
void sp_check_ours(SpVm *v, MigrationStatus st);
/* It was given away, and its fate is not known. */
void sp_check_given(SpVm *v);
/* The error says that. */
void sp_check_error(SpVm *v, const char *what);

#endif
