/*
 * A virtual machine without CPUs that waits for a guest, and a scripted source
 * at the other end of a socket pair: for tests of the destination.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_INCOMING_SOURCE_H
#define TESTS_UNIT_INCOMING_SOURCE_H

#include "migration/migration-priv.h"
#include "tests/unit/loadvm-script.h"

/* The destination: what the hooks saw. */
typedef struct InVm {
    Vm *vm;
    Migration *m;
    MemoryRegion ram;
    uint32_t device; /* its state */
    VmstateEntry *entry;
    int take; /* what the take_fd hook gives, -1: nothing */
    int fd;   /* the source's end, -1: closed */
    unsigned starts, activated, cpu_puts;
    bool bad_activate, bad_put;
    unsigned device_at_put;         /* what the device was when CPUs were put */
    void (*at_put)(struct InVm *v); /* while CPUs are put */
    GArray *statuses;               /* MigrationStatus, as events told them */
} InVm;

/* A message of the destination. */
typedef struct InWord {
    uint16_t type, len;
    uint8_t data[UINT16_MAX];
} InWord;

/* In run state `inmigrate`; the source isn't there yet. */
void in_vm_init(InVm *v);
/* Waits for the load thread, if there is one. */
void in_vm_fini(InVm *v);
/* Begins an incoming migration from a socket pair or, one way, a pipe. */
void in_connect(InVm *v);
void in_connect_pipe(InVm *v);
/* Turns the main loop until loading has begun. */
void in_wait_begun(InVm *v);
/* Until the load thread has let go of the channel. */
void in_wait_end(InVm *v);
void in_close(InVm *v);
void in_send(InVm *v, const void *data, size_t len);
void in_send_bytes(InVm *v, const GByteArray *b);
/* The next word, which has to be of that type; false: the end instead. */
bool in_hear(InVm *v, InWord *ret);
void in_expect(InVm *v, uint16_t type, const void *data, uint16_t len);
/* It has said all that it had to say. */
void in_expect_end(InVm *v);
/* Nothing has been said for a while. */
void in_expect_silence(InVm *v);
RunState in_run_state(InVm *v);

/* Pieces of a stream. */
void put_command(GByteArray *b, uint16_t cmd, const void *data, uint16_t len);
void put_command_u32(GByteArray *b, uint16_t cmd, uint32_t v);
void put_command_u64(GByteArray *b, uint16_t cmd, uint64_t v);
/* Behind the clock, which is in every stream. */
void put_device(GByteArray *b, uint32_t value);
void put_globalstate(GByteArray *b, const char *state);
/* All of a guest from a plain source, up to the end of file mark; 0xbb. */
void put_plain(GByteArray *b, bool return_path);
void put_description(GByteArray *b, uint32_t len);

#endif
