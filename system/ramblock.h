/*
 * RAM blocks: the pieces of host memory that make up guest RAM, ROM and
 * video memory, and their dirty bitmaps.
 *
 *   host      used_length          max_length
 *   |-----------|--------------------|
 *   page 0 ... page n-1              (RAM_PAGE_SIZE units)
 *
 * Locking: the list of blocks changes under vm_lock and is read under RCU or
 * vm_lock.  Dirty bitmaps are atomic words: any thread may set bits; the
 * reader of a client (migration source, display) takes them with exchange.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_RAMBLOCK_H
#define SYSTEM_RAMBLOCK_H

#include "system/rcu-queue.h"
#include "util/lock.h"

#define RAM_PAGE_BITS      12
#define RAM_PAGE_SIZE      ((size_t)1 << RAM_PAGE_BITS)
#define RAM_BLOCK_NAME_MAX 255 /* the stream carries the length in a byte */

typedef enum DirtyClient {
    DIRTY_DISPLAY,
    DIRTY_CODE,
    DIRTY_MIGRATION,
    DIRTY_CLIENTS,
} DirtyClient;

/* How the host memory of a block is backed. */
typedef enum RamBacking {
    RAM_ANONYMOUS, /* private mapping of nothing: absent pages are zero */
    RAM_MEMFD,     /* shared or private mapping of a memfd */
    RAM_FILE,      /* of a file given by the user: may hold old data */
} RamBacking;

typedef struct RamBlock {
    char name[RAM_BLOCK_NAME_MAX + 1]; /* as in the migration stream */
    uint8_t *host;                     /* page aligned */
    uint64_t used_length;              /* bytes the guest can see */
    uint64_t max_length;               /* bytes mapped; whole page_size */
    size_t page_size;                  /* of the backing: 4 KiB, 2 MiB, 1 GiB */
    RamBacking backing;
    int fd;             /* of the backing; -1 if anonymous; owned */
    int hole_fd;        /* if it is shared and has no fd: tells holes; or -1 */
    uint64_t fd_offset; /* bytes; of host[0] in fd */
    bool shared;        /* stores are seen by others that map fd */
    bool fresh;         /* it was all zero when it was mapped */
    bool rom;           /* the guest can't write to it */
    bool prealloc;      /* every page was populated at start */
    bool resizable;
    bool migratable;  /* crosses in the stream */
    bool main_memory; /* the machine's own, not a device's */
    bool read_only;   /* mapped without write permission */
    bool discard_data;
    /* Bytes stored by this process rather than by a vCPU, [lo, hi); lo > hi:
     * none.  Atomic; only ever widens. */
    uint64_t host_lo, host_hi;
    /* Told after ram_block_resize(); vm_lock.  For blocks behind fw_cfg. */
    void (*resized)(struct RamBlock *rb, void *opaque);
    void *resized_opaque;
    /*
     * Of ramblock-lost.c: bytes that are no longer the file's were touched, or
     * found (atomic), and told about (vm_lock); from where on it was shorter.
     */
    bool lost, lost_told;
    uint64_t lost_from;
    /* Told then; NULL: it is the guest's own memory, which stops; vm_lock. */
    void (*on_lost)(struct RamBlock *rb, void *opaque);
    void *on_lost_opaque;
    unsigned refs; /* atomic; see ram_block_ref() */
    bool removed;  /* atomic; ram_block_free() was called, others keep it */
    /* Bit per RAM page; NULL while the client does not log. */
    unsigned long *dirty[DIRTY_CLIENTS];
    GList link;
} RamBlock;

typedef struct RamList {
    GQueue blocks; /* RamBlock, largest maximum first, then as created */
    unsigned nblocks;
    /* Atomic mask of 1 << DirtyClient now logging, and of one bit more. */
    unsigned dirty_clients;
    uint64_t host_writes; /* atomic; see ram_count_host_writes() */
    /*
     * DIRTY_CODE is not a log: a bit is set while instructions of the page
     * are kept decoded, and who stores to such a page calls this afterwards,
     * in an RCU read section.  Any thread; set before the bitmap starts.
     */
    void (*code_written)(void *opaque, RamBlock *rb, uint64_t off,
                         uint64_t len);
    void *code_opaque;
    uint64_t total_bytes; /* sum of used_length */
} RamList;

/* Walks the list in stream order; vm_lock or an RCU read section. */
#define RAM_BLOCK_FOREACH(rb_, list_)                            \
    for (GList *link_ = rcu_queue_head(&(list_)->blocks);        \
         link_ && ((rb_) = container_of(link_, RamBlock, link)); \
         link_ = rcu_queue_next(link_))

typedef struct RamBlockOptions {
    uint64_t size;     /* bytes, > 0; rounded up to RAM_PAGE_SIZE */
    uint64_t max_size; /* 0: same as size */
    RamBacking backing;
    const char *path; /* RAM_FILE: file or folder (hugetlbfs, tmpfs) */
    /* RAM_MEMFD and RAM_FILE: use this one if > 0; always taken over. */
    int fd;
    uint64_t fd_offset;
    bool share;
    bool prealloc;
    unsigned prealloc_threads; /* 0: one */
    bool hugetlb;              /* RAM_MEMFD: from hugetlb pages */
    size_t hugetlb_size;       /* bytes; 0: the host's default */
    size_t align;              /* bytes, power of two; 0: default */
    bool seal;                 /* RAM_MEMFD: its size is fixed for ever */
    bool no_reserve;           /* no swap or huge pages set aside */
    bool no_merge;             /* MADV_UNMERGEABLE; default is mergeable */
    bool no_dump;              /* MADV_DONTDUMP */
    bool read_only;
    bool discard_data; /* punch the file when the block is freed */
    int numa_policy;   /* MPOL_*, 0 = MPOL_DEFAULT */
    const unsigned long *numa_nodes; /* bitmap of numa_nnodes bits */
    unsigned numa_nnodes;
    bool mem_lock;
    bool rom;
    bool not_migratable;
} RamBlockOptions;

/*
 * Maps memory and adds the block to the list.  `name` must be unused.
 * Returns NULL with `errp` naming the block, its size and the reason.
 */
RamBlock *ram_block_new(RamList *list, const char *name,
                        const RamBlockOptions *opts, GError **errp);
/* Takes the block from the list, unmaps after a grace period.  NULL is fine. */
void ram_block_free(RamList *list, RamBlock *rb);
/*
 * Keeps a block's memory mapped beyond ram_block_free(), for a device that
 * holds host pointers into it.  ref: in an RCU read section that found the
 * block, or with a reference.  Any thread.
 */
void ram_block_ref(RamBlock *rb);
void ram_block_unref(RamBlock *rb);
RamBlock *ram_block_find(RamList *list, const char *name);
/*
 * Another name, that no other block has; for one that its user names.  No
 * migration is under way.  vm_lock held.
 */
bool ram_block_rename(RamList *list, RamBlock *rb, const char *name,
                      GError **errp);
/* The block that holds a host address, and the offset in it; or NULL. */
RamBlock *ram_block_from_host(RamList *list, const void *host,
                              uint64_t *ret_off);
/* Changes used_length of a resizable block (at most max_length). */
bool ram_block_resize(RamList *list, RamBlock *rb, uint64_t size,
                      GError **errp);
/* Bits in each of the block's dirty bitmaps, and used pages. */
static inline uint64_t ram_block_npages(const RamBlock *rb)
{
    return (rb->used_length + RAM_PAGE_SIZE - 1) >> RAM_PAGE_BITS;
}
static inline uint64_t ram_block_max_pages(const RamBlock *rb)
{
    return (rb->max_length + RAM_PAGE_SIZE - 1) >> RAM_PAGE_BITS;
}
/* Populates every page, with that many threads. */
bool ram_block_populate(RamBlock *rb, unsigned nthreads, GError **errp);
/*
 * Drops all pages: they read as zero afterwards (punches shared files).
 * `off` and `len` are multiples of page_size.  0 or -errno.
 */
int ram_block_discard(RamBlock *rb, uint64_t off, uint64_t len);

/*
 * Starts or stops a client's bitmap.  Starting allocates it (all clear, or
 * all set); stopping frees it after a grace period.  vm_lock held.
 */
bool ram_dirty_start(RamList *list, DirtyClient client, bool all_set,
                     GError **errp);
void ram_dirty_stop(RamList *list, DirtyClient client);
static inline bool ram_dirty_enabled(const RamList *list)
{
    return __atomic_load_n(&list->dirty_clients, __ATOMIC_RELAXED) != 0;
}
/* Marks bytes as written for every client that logs.  Any thread. */
void ram_block_set_dirty(RamList *list, RamBlock *rb, uint64_t off,
                         uint64_t len);
/*
 * How often that was called while calls are counted: whether the program
 * itself has written guest memory between two looks, whoever logs.  Any
 * thread; to switch it: vm_lock held.
 */
void ram_count_host_writes(RamList *list, bool on);
uint64_t ram_host_writes(const RamList *list);
/*
 * Where this process has stored through the functions above since the block
 * was made: false if nowhere.  Tells an incoming migration what is not zero.
 */
bool ram_block_host_written(const RamBlock *rb, uint64_t *ret_lo,
                            uint64_t *ret_hi);
/*
 * For ram_block_new(): gives a new block the bitmaps of the clients that log,
 * all set for the migration.  For ram_block_free(): frees them.
 */
bool ram_block_dirty_attach(RamList *list, RamBlock *rb);
void ram_block_dirty_detach(RamBlock *rb);
/* Merges an accelerator's bitmap (bit 0 = page `first`) for one client. */
void ram_block_merge_dirty(RamBlock *rb, DirtyClient client, uint64_t first,
                           const unsigned long *bits, uint64_t npages);

#endif
