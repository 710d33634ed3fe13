/*
 * The guest's address spaces: a tree of memory regions, flattened to a sorted
 * array of ranges that is published atomically.
 *
 * Locking: the tree changes under vm_lock, between memory_transaction_begin()
 * and _commit() (nestable; the outermost commit rebuilds and tells the
 * listeners).  Flat views are read under RCU.  Device callbacks (IoOps) run
 * under vm_lock, which address_space_*() takes if the caller does not hold it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_MEMORY_H
#define SYSTEM_MEMORY_H

#include "system/free-hints.h"
#include "system/ramblock.h"
#include "util/event-notifier.h"

struct Device;
typedef struct Memory Memory;
typedef struct MemoryRegion MemoryRegion;
typedef struct AddressSpace AddressSpace;
typedef struct FlatView FlatView;
typedef struct MemoryListener MemoryListener;

/* What a device does with an access; `off` is relative to the region. */
typedef struct IoOps {
    /*
     * Value in the low `size` bytes, little endian on the bus.  NULL: reads
     * give all ones, writes are dropped.
     */
    uint64_t (*read)(struct Device *dev, uint64_t off, unsigned size);
    void (*write)(struct Device *dev, uint64_t off, uint64_t val,
                  unsigned size);
    uint8_t min_size; /* bytes the device takes; 0: 1 */
    /*
     * 0: 4.  A larger access is split.  A smaller one becomes an access of
     * min_size bytes at the aligned offset: reads pick their bytes from it,
     * writes have zeros in the others.
     */
    uint8_t max_size;
    /*
     * Accesses outside min_valid..max_valid bytes, or unaligned ones unless
     * `unaligned`, are not delivered: reads give all ones.  0: 1 and 8.
     */
    uint8_t min_valid, max_valid;
    bool unaligned;
    /* A CPU's access that begins in the region isn't cut at its end. */
    bool whole;
} IoOps;

typedef enum MemoryKind {
    MEMORY_CONTAINER,
    MEMORY_RAM,
    MEMORY_ROM,  /* guest writes are dropped */
    MEMORY_ROMD, /* reads from RAM, writes to IoOps; or all to IoOps */
    MEMORY_IO,
    MEMORY_ALIAS,
} MemoryKind;

struct MemoryRegion {
    char *name;
    MemoryKind kind;
    uint64_t size; /* bytes; UINT64_MAX stands for the whole space */
    uint64_t addr; /* in the parent */
    int priority;  /* higher hides lower among siblings */
    bool enabled;
    bool read_only; /* on RAM: as ROM (for PAM and pflash) */
    bool romd_mode; /* MEMORY_ROMD: reads come from RAM */
    bool may_overlap;
    bool fetch_only;   /* on an alias; see FlatRange */
    uint8_t dirty_log; /* mask of 1 << DirtyClient beyond migration */
    const IoOps *ops;
    struct Device *dev; /* passed to ops */
    RamBlock *ram;
    bool owns_ram;
    MemoryRegion *alias; /* MEMORY_ALIAS: what it shows … */
    uint64_t alias_off;  /* … from this offset */
    MemoryRegion *parent;
    GQueue children; /* highest priority first */
    GList link;
    GArray *eventfds;  /* MemoryEventFd; sorted */
    GArray *coalesced; /* MemoryRange, in the region */
    const void *busy;  /* the thread inside ops; see address-space.c */
    Memory *mem;
};

typedef struct MemoryRange {
    uint64_t addr, size;
} MemoryRange;

typedef struct MemoryEventFd {
    uint64_t addr; /* in the region */
    unsigned size; /* bytes; 0: any */
    bool match_data;
    uint64_t data;
    EventNotifier *notifier;
} MemoryEventFd;

/* A piece of a flat view: one leaf region, no overlaps, sorted by addr. */
typedef struct FlatRange {
    uint64_t addr, size;  /* size: up to 2^64 - addr, 0 never */
    MemoryRegion *mr;     /* a leaf; vm_lock: a view may outlive it */
    uint64_t offset;      /* of addr in mr, and in ram */
    RamBlock *ram;        /* what reads come from; NULL: from mr's ops */
    bool read_only, romd; /* writes are dropped; go to mr's ops */
    /* Only in `smm`: data isn't here, but where `memory` has it. */
    bool fetch_only;
    uint8_t dirty_log; /* mask of DirtyClient incl. migration while it logs */
} FlatRange;

struct FlatView {
    FlatRange *ranges;
    unsigned nranges;
    /* Never the same for two views of a space: for those who keep host
     * pointers that they found in one. */
    uint64_t generation;
};

/* Part of an address space as a listener sees it. */
typedef struct MemorySection {
    AddressSpace *as;
    uint64_t addr, size;
    MemoryRegion *mr;
    uint64_t offset;
    RamBlock *ram; /* as in FlatRange */
    bool read_only, romd;
    uint8_t dirty_log;
} MemorySection;

/*
 * All under vm_lock unless said otherwise; any member may be NULL.
 *
 * A commit tells each listener: begin, what went (region_del), what came or
 * changed in address order (region_add, log_change), eventfds, coalesced
 * ranges, commit.  The new view is published before the first callback.
 *
 * Migration's log going on is told twice: once as log_global_start, then as a
 * log_change of each RAM section.  A listener implements what suits it.
 */
struct MemoryListener {
    const char *name;
    void (*begin)(MemoryListener *l);
    void (*commit)(MemoryListener *l);
    void (*region_add)(MemoryListener *l, const MemorySection *s);
    void (*region_del)(MemoryListener *l, const MemorySection *s);
    /* The section stays, its dirty_log mask changed from old to new. */
    void (*log_change)(MemoryListener *l, const MemorySection *s, uint8_t old,
                       uint8_t now);
    /* Brings the accelerator's dirty bits into the RAM block's bitmaps. */
    void (*log_sync)(MemoryListener *l, const MemorySection *s);
    /* Same for all sections at once (dirty ring); used if log_sync is NULL */
    void (*log_sync_all)(MemoryListener *l, bool last_stage);
    /*
     * The bits of pages were taken and the pages are about to be read: from
     * its return on a vCPU's store to one of them is reported again.  Any
     * thread, in an RCU read section: s->mr may be gone, s->ram is there.
     * log_clear is told the runs of pages; they may hold others, see
     * memory_dirty_log_take().  log_protect, for who arms all pages at once,
     * is told one time, also of pages that no section shows.
     */
    void (*log_clear)(MemoryListener *l, const MemorySection *s);
    void (*log_protect)(MemoryListener *l);
    /* False: it can't log.  log_global_stop follows. */
    bool (*log_global_start)(MemoryListener *l, GError **errp);
    void (*log_global_stop)(MemoryListener *l);
    /* s: where the guest writes (addr, size), and the region; e: as added. */
    void (*eventfd_add)(MemoryListener *l, const MemorySection *s,
                        const MemoryEventFd *e);
    void (*eventfd_del)(MemoryListener *l, const MemorySection *s,
                        const MemoryEventFd *e);
    /* addr, size: in the address space. */
    void (*coalesced_add)(MemoryListener *l, const MemorySection *s,
                          uint64_t addr, uint64_t size);
    void (*coalesced_del)(MemoryListener *l, const MemorySection *s,
                          uint64_t addr, uint64_t size);
    int priority;     /* lower is told first on add, last on del */
    AddressSpace *as; /* set by memory_listener_add() */
    GList link;
};

struct AddressSpace {
    const char *name; /* "memory" or "I/O" */
    Memory *mem;
    MemoryRegion *root;
    FlatView *view;      /* RCU */
    uint64_t generation; /* of the view made last; 1 for the first */
    GArray *eventfds;    /* flattened: what listeners were told */
    GArray *coalesced;   /* the same */
    GQueue listeners;    /* by priority; RCU */
};

/*
 * One machine's memory: the RAM blocks and its address spaces.  `smm` is what
 * CPUs in system management mode see: what is in smm_root, over `memory`.
 */
struct Memory {
    RamList ram;
    MemoryRegion root;    /* "system" */
    MemoryRegion io_root; /* "io": ports 0…0xffff */
    AddressSpace memory;
    AddressSpace io;
    MemoryRegion smm_root, smm_system;
    AddressSpace smm; /* has a view only after memory_smm_init() */
    FreeHints hints;
    unsigned depth; /* of open transactions */
    bool changed;
    bool dirty_log;          /* it is on: DIRTY_MIGRATION in every RAM range */
    unsigned log_users;      /* mask of DirtyLogUser; vm_lock */
    unsigned log_migrations; /* how many have begun; vm_lock */
    unsigned display_logs;   /* regions that a display logs */
    /* Flushes coalesced MMIO before a device is read; set by accelerators. */
    void (*flush_coalesced)(void *opaque);
    void *flush_opaque;
    bool flushing; /* flush_coalesced() runs */
};

void memory_init(Memory *mem);
void memory_fini(Memory *mem);
/* For accelerators whose CPUs have that mode; once or more. */
void memory_smm_init(Memory *mem);

/*
 * Embedded regions: init, then add to a parent; fini removes and releases.
 * Names are copied.  After fini, also inside an open transaction, no view
 * under vm_lock shows the region any more, so that its memory may go.
 */
void memory_region_init(MemoryRegion *mr, Memory *mem, const char *name,
                        uint64_t size);
void memory_region_init_io(MemoryRegion *mr, Memory *mem, const char *name,
                           uint64_t size, const IoOps *ops, struct Device *dev);
/* Shows an existing block, which the caller keeps. */
void memory_region_init_ram_block(MemoryRegion *mr, Memory *mem,
                                  const char *name, RamBlock *rb);
/* New anonymous block named `block` (also the region's name), owned. */
bool memory_region_init_ram(MemoryRegion *mr, Memory *mem, const char *block,
                            uint64_t size, GError **errp);
bool memory_region_init_rom(MemoryRegion *mr, Memory *mem, const char *block,
                            uint64_t size, GError **errp);
bool memory_region_init_romd(MemoryRegion *mr, Memory *mem, const char *block,
                             uint64_t size, const IoOps *ops,
                             struct Device *dev, GError **errp);
/* The same on an existing block, which the caller keeps. */
void memory_region_init_romd_block(MemoryRegion *mr, Memory *mem,
                                   const char *name, RamBlock *rb,
                                   const IoOps *ops, struct Device *dev);
void memory_region_init_alias(MemoryRegion *mr, Memory *mem, const char *name,
                              MemoryRegion *target, uint64_t offset,
                              uint64_t size);
void memory_region_fini(MemoryRegion *mr);

/* Of siblings with one priority, the last added hides the others. */
void memory_region_add(MemoryRegion *parent, uint64_t addr, MemoryRegion *child,
                       int priority);
void memory_region_del(MemoryRegion *child);
void memory_region_set_enabled(MemoryRegion *mr, bool enabled);
void memory_region_set_address(MemoryRegion *mr, uint64_t addr);
void memory_region_set_size(MemoryRegion *mr, uint64_t size);
void memory_region_set_readonly(MemoryRegion *mr, bool ro);
void memory_region_set_alias_offset(MemoryRegion *mr, uint64_t off);
void memory_region_set_romd(MemoryRegion *mr, bool romd);
void memory_region_set_fetch_only(MemoryRegion *mr, bool on);
/*
 * Turns a client's logging on a RAM region on or off (display).  The bitmap
 * itself is ram_dirty_start()'s.
 */
void memory_region_set_log(MemoryRegion *mr, DirtyClient c, bool on);
void memory_region_add_eventfd(MemoryRegion *mr, const MemoryEventFd *e);
void memory_region_del_eventfd(MemoryRegion *mr, const MemoryEventFd *e);
void memory_region_add_coalescing(MemoryRegion *mr, uint64_t off,
                                  uint64_t size);
void memory_region_clear_coalescing(MemoryRegion *mr);
void *memory_region_ram_ptr(MemoryRegion *mr);
/*
 * Where the region that has the block is in its parent, as the migration
 * stream tells it; 0 if it isn't in any.  vm_lock held.
 */
uint64_t memory_ram_address(const Memory *mem, const RamBlock *rb);

void memory_transaction_begin(Memory *mem);
void memory_transaction_commit(Memory *mem);

/* Tells the present state at once, then every change. */
void memory_listener_add(MemoryListener *l, AddressSpace *as);
void memory_listener_del(MemoryListener *l);

/*
 * Migration's dirty log over the whole "memory" space.
 *
 * While it is on, two things hold for each page of each block:
 *
 *  1. If it was written since its bit was last taken, its bit is set in the
 *     block's DIRTY_MIGRATION bitmap, or the next sync sets it.
 *  2. What an accelerator has reported, and has not armed since, is set in
 *     the bitmap, or is being taken just now.
 *
 * They hold because memory_dirty_log_take() is the only thing that clears a
 * bit, and arms what it cleared before it returns.  Whoever only wants to
 * read pages of a stopped guest peeks: then everything is as dirty as it was
 * if the guest has to run again.
 */

/*
 * Who wants it on.  Bits are the migration's: others may take them only while
 * memory_dirty_log_migrates() says no, in one section of vm_lock with that.
 */
typedef enum DirtyLogUser {
    DIRTY_LOG_MIGRATION = 1 << 0,
    DIRTY_LOG_RATE = 1 << 1,  /* calc-dirty-rate */
    DIRTY_LOG_LIMIT = 1 << 2, /* set-vcpu-dirty-limit */
} DirtyLogUser;

/*
 * For a migration: bitmaps all set; accelerators log from then on.  vm_lock
 * held.  False with errp, and nothing is on, if a migration has it on already
 * or somebody can't log.
 */
bool memory_dirty_log_start(Memory *mem, GError **errp);
/* For another user, which has it not; the same otherwise. */
bool memory_dirty_log_watch(Memory *mem, DirtyLogUser user, GError **errp);
/* It needs it no more; nothing happens if it didn't.  vm_lock held. */
void memory_dirty_log_unwatch(Memory *mem, DirtyLogUser user);
/* Does a migration have it on?  vm_lock held. */
static inline bool memory_dirty_log_migrates(const Memory *mem)
{
    return (mem->log_users & DIRTY_LOG_MIGRATION) != 0;
}
/*
 * Merges what accelerators know into the bitmaps; takes vm_lock.  last_stage:
 * the guest has stopped.
 */
void memory_dirty_log_sync(Memory *mem, bool last_stage);
/*
 * Takes the bits of npages pages of a block, from page `first` (a multiple of
 * 64) up, and has accelerators report the next store to each of them.  After
 * that the pages may be read: what is stored later is dirty again.
 *
 * except: pages whose bits stay as they are; ret_bits: what was taken.  Bit 0
 * of both is page `first`; except may be NULL.  Returns how many were taken.
 * Without a log nothing is known: then all pages count as dirty.  Any thread,
 * one at a time.
 *
 * Accelerators arm runs of pages.  Short gaps between two runs are armed with
 * them: a page in a gap isn't dirty, so that by 2. nothing of it was reported
 * and nothing is cleared, or its bit was set meanwhile and stays set.
 */
uint64_t memory_dirty_log_take(Memory *mem, RamBlock *rb, uint64_t first,
                               uint64_t npages, const unsigned long *except,
                               unsigned long *ret_bits);
/*
 * As take, but the bits stay and nothing is armed: for pages of a guest that
 * has stopped.  If it runs again, all of them are still dirty.
 */
uint64_t memory_dirty_log_peek(RamBlock *rb, uint64_t first, uint64_t npages,
                               const unsigned long *except,
                               unsigned long *ret_bits);
/* How many of the first npages pages are dirty; those of except don't count. */
uint64_t memory_dirty_log_count(RamBlock *rb, uint64_t npages,
                                const unsigned long *except);
/* Marks pages that were found to be written in a way no log sees. */
void memory_dirty_log_mark(RamBlock *rb, uint64_t first, uint64_t npages);
/*
 * The expensive tear-down that `deferred-dirty-log-teardown` moves out of the
 * switch-over.  vm_lock held.
 */
void memory_dirty_log_stop(Memory *mem);

/*
 * The display's log of a RAM region: on while somebody looks at it.  False:
 * there is no memory for it.  vm_lock held.
 */
bool memory_display_log_set(MemoryRegion *mr, bool on);
/*
 * Takes the bits of all pages of the region that were written since the last
 * call, and has the next store to them reported; bit 0 is the first page.
 * Returns how many.  The migration's bits stay as they are.  vm_lock held.
 */
uint64_t memory_display_log_take(MemoryRegion *mr, unsigned long *ret_bits);

/* The outcome of an access; reads that fail give all ones. */
typedef enum MemResult {
    MEM_OK,
    MEM_UNASSIGNED, /* nothing there */
    MEM_ERROR,      /* the device refused the access */
} MemResult;

/* Any length; RAM is copied, devices get accesses they accept. */
MemResult address_space_read(AddressSpace *as, uint64_t addr, void *buf,
                             uint64_t len);
MemResult address_space_write(AddressSpace *as, uint64_t addr, const void *buf,
                              uint64_t len);
MemResult address_space_fill(AddressSpace *as, uint64_t addr, uint8_t byte,
                             uint64_t len);
/* As write, but also into ROM (firmware loading, debugger). */
MemResult address_space_write_rom(AddressSpace *as, uint64_t addr,
                                  const void *buf, uint64_t len);
/* One access of 1, 2, 4 or 8 bytes, little endian, as a CPU makes it. */
uint64_t address_space_load(AddressSpace *as, uint64_t addr, unsigned size,
                            MemResult *ret_result);
MemResult address_space_store(AddressSpace *as, uint64_t addr, uint64_t val,
                              unsigned size);
/*
 * Direct pointer to guest RAM for DMA, at most *len bytes (shortened at the
 * end of the range); NULL if there is no RAM at addr or it is read-only and
 * is_write.  Valid in the RCU read section of the caller, or until the block
 * is freed for those who hold vm_lock.  After writing, the caller calls
 * address_space_unmap(), which marks the bytes dirty.
 */
void *address_space_map(AddressSpace *as, uint64_t addr, uint64_t *len,
                        bool is_write);
void address_space_unmap(AddressSpace *as, void *host, uint64_t len,
                         bool is_write);

/* The range that holds addr, or NULL; caller in an RCU read section. */
const FlatRange *flat_view_find(const FlatView *view, uint64_t addr);
/* Current view; caller in an RCU read section. */
const FlatView *address_space_view(AddressSpace *as);
/* For `info mtree`: appends text. */
void memory_print_tree(Memory *mem, GString *out, bool flat);

#endif
