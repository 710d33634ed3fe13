/*
 * One incoming migration: the load thread's state, shared by its parts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_INCOMING_H
#define MIGRATION_INCOMING_H

#include "migration/migration-priv.h"
#include "migration/ram-load.h"
#include "migration/savevm.h"

/* Devices that come in a package, in a thread of their own. */
typedef struct MigPackage {
    Thread thread;
    bool made; /* the thread is to be joined; load thread */
    uint8_t *data;
    size_t len;
    /* What follows: Migration.lock, and its cond tells of changes. */
    bool listens;  /* pages may come */
    bool loaded;   /* all of it, and the source knows if it asked */
    bool may_run;  /* the guest is ours */
    bool gives_up; /* nobody will say that it may */
    bool ended;    /* the thread has done its work */
    GError *err;   /* why it failed; or NULL */
    /* The thread's own. */
    bool says_run; /* POSTCOPY_RUN was in it */
} MigPackage;

typedef struct MigLoad {
    Migration *m;
    Vm *vm;
    IoChannel *ch; /* changes with rp_lock held */
    Lock rp_lock;  /* words to the source come from several threads */
    StreamIn *in;
    StreamConfig here; /* what the stream's has to fit */
    Loadvm *loadvm;
    RamLoad *ram;
    struct MultifdRecv *multifd; /* channels beside the stream; or NULL */
    uint64_t offered;            /* WIRE_F_* that this side can keep */
    uint64_t features;           /* of these, in use */
    bool enabled;                /* ENABLE has come */
    bool return_path;            /* it is open, and there is a way back */
    bool one_way;                /* it was opened, and there is none */
    bool loaded;       /* all state of `attempt` is in, LOADED was said */
    bool running;      /* the guest is ours */
    uint32_t attempt;  /* as the source numbers it */
    int64_t switch_ns; /* when the last memory section began */
    /* Postcopy. */
    PostcopyIn *pc; /* the source may ask for it; or NULL */
    bool measures;  /* how long vCPUs wait */
    bool packaged;  /* the devices have come, pages follow */
    bool broken;    /* between two connections */
    MigPackage package;
} MigLoad;

/*
 * Words to the source; `len` is at most WIRE_RP_MAX.  Any thread of it.  Behind
 * one that failed nothing more can be said on that channel.
 */
bool mig_load_say(MigLoad *l, uint16_t type, const void *data, uint16_t len,
                  GError **errp);
/* The same of whole messages, which the source reads within `ns`. */
bool mig_load_write_back(MigLoad *l, int64_t ns, const void *data, size_t len,
                         GError **errp);
/* Shakes hands over a new channel, if there are credentials. */
bool mig_load_secure(MigLoad *l, GError **errp);
/*
 * The guest that is loaded may be started here; else it stays the source's.
 * Before LOADED or a plain source's end: behind them it is too late.  vm_lock.
 */
bool mig_load_check_waits(const MigLoad *l, GError **errp);
/*
 * All devices are loaded, and the guest is ours: it runs, or is paused where
 * it was so, where the disks can't be had, or where something else has been
 * done to it.  False with errp: the program ends, and it stays the source's.
 */
bool mig_load_start_guest(MigLoad *l, GError **errp);

/*
 * The guest runs before all of its memory has come (postcopy-load.c): the
 * commands of it, whose data have come.
 */
bool mig_load_advise(MigLoad *l, const uint8_t data[16], GError **errp);
bool mig_load_discard(MigLoad *l, const uint8_t *data, uint16_t len,
                      GError **errp);
bool mig_load_packaged(MigLoad *l, const uint8_t data[4], GError **errp);
bool mig_load_resume(MigLoad *l, GError **errp);
bool mig_load_recv_bitmap(MigLoad *l, const uint8_t *name, uint16_t len,
                          GError **errp);
/* The package is loaded, and LOADED was said. */
bool mig_load_package_loaded(MigLoad *l);
/* The source has given the guest away (RUN). */
void mig_load_may_run(MigLoad *l);
/* It keeps it, whatever was loaded (ABORT); false: it has been given. */
bool mig_load_aborted(MigLoad *l);
/* The end of file mark: all pages have come, or an error says how many not. */
bool mig_load_all_pages(MigLoad *l, GError **errp);
/*
 * The stream broke off (*err, taken): waits until it can go on in l->in.
 * False with *err if it can't: the guest is the source's, or the program ends.
 */
bool mig_load_wait_recover(MigLoad *l, GError **err);
/* After the last section; ok: all has come. */
void mig_load_postcopy_end(MigLoad *l, bool ok);

#endif
