/*
 * qcow2: a format whose clusters lie anywhere in their file.
 *
 * Facts: "The qcow2 image format", the public description of versions 2 and 3.
 *
 *   guest offset -> L1 table (in memory) -> L2 table (cached in slices)
 *                -> cluster of the file
 *   cluster of the file -> refcount table (in memory) -> refcount block
 *                          (cached in slices) -> how many refer to it
 *
 * Order on disk: data before its mapping, refcount before a reference, and a
 * reference's end before its refcount goes down.  So a crash leaks clusters at
 * worst.  Tables are kept in memory until a flush, which writes them in that
 * order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_PRIV_H
#define BLOCK_QCOW2_PRIV_H

#include "block/block-priv.h"

/* Header, version 2 and up: byte offsets. */
enum {
    QCOW2_H_VERSION = 4,
    QCOW2_H_BACKING_OFFSET = 8,
    QCOW2_H_BACKING_SIZE = 16,
    QCOW2_H_CLUSTER_BITS = 20,
    QCOW2_H_SIZE = 24,
    QCOW2_H_CRYPT = 32,
    QCOW2_H_L1_SIZE = 36,
    QCOW2_H_L1_OFFSET = 40,
    QCOW2_H_RT_OFFSET = 48,
    QCOW2_H_RT_CLUSTERS = 56,
    QCOW2_H_SNAPSHOTS = 60,
    QCOW2_H_SNAPSHOTS_OFFSET = 64,
    QCOW2_H_LEN_V2 = 72,
    QCOW2_H_INCOMPATIBLE = 72,
    QCOW2_H_COMPATIBLE = 80,
    QCOW2_H_AUTOCLEAR = 88,
    QCOW2_H_REFCOUNT_ORDER = 96,
    QCOW2_H_LENGTH = 100,
    QCOW2_H_COMPRESSION = 104,
    QCOW2_H_LEN_V3 = 104,
};

/* Incompatible features. */
#define QCOW2_DIRTY       BIT_ULL(0)
#define QCOW2_CORRUPT     BIT_ULL(1)
#define QCOW2_DATA_FILE   BIT_ULL(2)
#define QCOW2_COMPRESSION BIT_ULL(3)
#define QCOW2_EXTENDED_L2 BIT_ULL(4)
/* Compatible, autoclear. */
#define QCOW2_LAZY_REFCOUNTS BIT_ULL(0)
#define QCOW2_BITMAPS        BIT_ULL(0)

/* Bits of L1 and L2 entries. */
#define QCOW2_COPIED      BIT_ULL(63) /* refcount is exactly 1 */
#define QCOW2_COMPRESSED  BIT_ULL(62)
#define QCOW2_ZERO        BIT_ULL(0)
#define QCOW2_OFFSET_MASK UINT64_C(0x00fffffffffffe00)

/* Limits on what an image may ask to be held in memory, in bytes. */
#define QCOW2_MAX_L1        (32 * MiB)
#define QCOW2_MAX_RT        (8 * MiB)
#define QCOW2_MAX_SNAPSHOTS 65536
/* No cluster lies beyond it. */
#define QCOW2_MAX_OFFSET (UINT64_C(1) << 56)

enum { QCOW2_SUBCLUSTERS = 32 };

/* What guest bytes are. */
typedef enum Qcow2Kind {
    QCOW2_K_UNALLOCATED, /* the backing file's, or zeros */
    QCOW2_K_ZEROS,
    QCOW2_K_DATA,       /* may be written in place */
    QCOW2_K_SHARED,     /* a snapshot has them too */
    QCOW2_K_COMPRESSED, /* one cluster */
    QCOW2_K_BAD,        /* the tables are wrong */
} Qcow2Kind;

typedef struct Qcow2Extent {
    Qcow2Kind kind;
    uint64_t host; /* of its first byte; compressed: the L2 entry */
    uint64_t len;  /* bytes that are alike */
} Qcow2Extent;

/* Part of a table, as it is on disk. */
typedef struct Qcow2Slice {
    uint64_t off; /* in the file */
    bool dirty;
    GList link; /* in cache->lru, the one used last first */
    uint8_t data[];
} Qcow2Slice;

typedef struct Qcow2Cache {
    GHashTable *slices; /* of &Qcow2Slice.off */
    GQueue lru;
    unsigned max, slice_size;
    unsigned ndirty;
} Qcow2Cache;

/* A range of entries to be written. */
typedef struct Qcow2Range {
    uint64_t first, end; /* end 0: none */
} Qcow2Range;

/* A reference that is gone; the refcount goes down later. */
typedef struct Qcow2Free {
    uint64_t off;   /* of a cluster */
    uint64_t epoch; /* in which it was gone */
} Qcow2Free;

typedef struct Qcow2Snapshot {
    BlockSnapshotInfo info;
    uint64_t l1_offset, l1_size; /* entries */
    uint8_t *entry;              /* in the table, as it is there */
    size_t entry_len;
} Qcow2Snapshot;

typedef struct Qcow2 {
    BlockNode *node;

    /* As the header says, from here to the locks. */
    unsigned version, cluster_bits;
    uint64_t cluster_size;
    uint64_t disk_size;  /* bytes, a multiple of BLOCK_SECTOR */
    unsigned l2_bits;    /* log2 of the entries of an L2 table */
    unsigned entry_size; /* bytes of an L2 entry */
    bool extended_l2, zstd;
    unsigned sub_bits; /* log2 of a subcluster's size; of a cluster's if none */
    unsigned refcount_order;
    uint64_t rb_entries; /* of a refcount block */
    uint64_t incompatible, compatible, autoclear;
    uint64_t snapshots_offset;
    unsigned nsnapshots;
    uint64_t bitmaps_offset, bitmaps_size; /* directory; size 0: none */
    unsigned nbitmaps;
    bool bitmaps_marked; /* those that don't follow writes say so */
    char *backing_file, *backing_format;

    /*
     * lock: held over reads and writes of tables, by workers; changes of
     * anything below.  map_lock: for moments, by whoever looks things up or
     * changes what can be looked up (L1, slices, epochs).  Inside `lock`.
     */
    Lock lock, map_lock;
    uint64_t *l1; /* host byte order */
    uint64_t l1_size, l1_offset;
    Qcow2Range l1_dirty;
    Qcow2Cache l2, refcounts;
    uint64_t *rt; /* host byte order */
    uint64_t rt_size, rt_offset;
    Qcow2Range rt_dirty;
    uint64_t free_hint; /* no cluster below it is free */
    GArray *freed;      /* Qcow2Free: not flushed yet */
    GArray *flushed;    /* Qcow2Free: on disk they are gone */
    bool dirty_data;    /* written since the last sync */
    bool broken;        /* nothing more is written */
    uint64_t epoch;
    unsigned pins[2];        /* by epoch % 2 */
    GArray *snapshots;       /* Qcow2Snapshot; changed with vm_lock too */
    uint64_t unpacked_entry; /* L2 entry of `unpacked`; 0: none */
    uint8_t *unpacked;       /* the compressed cluster read last */
} Qcow2;

/* qcow2-header.c */
bool qcow2_read_header(Qcow2 *s, GError **errp);
/* L1 and refcount table. */
bool qcow2_read_tables(Qcow2 *s, GError **errp);
/* Big-endian fields of the header, at once; -errno. */
int qcow2_write_header(Qcow2 *s, unsigned at, const void *bytes, size_t len);

/* qcow2-cache.c */
void qcow2_cache_init(Qcow2Cache *c, unsigned max, unsigned slice_size);
void qcow2_cache_fini(Qcow2Cache *c);
/* Drops all, written or not. */
void qcow2_cache_clear(Qcow2 *s, Qcow2Cache *c);
/* In memory? NULL if not.  With s->map_lock. */
Qcow2Slice *qcow2_cache_peek_locked(Qcow2Cache *c,
                                    uint64_t off) G_GNUC_WARN_UNUSED_RESULT;
/* Reads it if need be; -errno.  Valid until the next call. */
int qcow2_cache_get_locked(Qcow2 *s, Qcow2Cache *c, uint64_t off,
                           Qcow2Slice **ret_slice) REQUIRES(&s->lock);
/* Changes a big-endian entry of 64 bits, or several. */
void qcow2_cache_put_locked(Qcow2 *s, Qcow2Cache *c, Qcow2Slice *slice,
                            unsigned at, const void *bytes, size_t len)
    REQUIRES(&s->lock);
/* Slices in [off, off + len) are no longer of this table. */
void qcow2_cache_forget_locked(Qcow2 *s, Qcow2Cache *c, uint64_t off,
                               uint64_t len) REQUIRES(&s->lock);
/* Tables, in order; `sync`: and what was written is on the medium. */
int qcow2_flush_locked(Qcow2 *s, bool sync) REQUIRES(&s->lock);
void qcow2_range_add(Qcow2Range *r, uint64_t i);

/* qcow2-refcount.c */
/* n clusters in a row, referred to once; their offset or -errno. */
int64_t qcow2_alloc_locked(Qcow2 *s, uint64_t n) REQUIRES(&s->lock);
/* A reference to the n clusters at off is gone. */
void qcow2_unref_locked(Qcow2 *s, uint64_t off, uint64_t n) REQUIRES(&s->lock);
/* Lowers refcounts of what qcow2_unref_locked() was told, if it can be now. */
int qcow2_free_flushed_locked(Qcow2 *s) REQUIRES(&s->lock);
int qcow2_refcount_get_locked(Qcow2 *s, uint64_t cluster, uint64_t *ret_n)
    REQUIRES(&s->lock);
/* Its block is there. */
int qcow2_refcount_set_locked(Qcow2 *s, uint64_t cluster, uint64_t n)
    REQUIRES(&s->lock);
/* A reference that isn't on disk any more; at 0 the cluster is free. */
int qcow2_refcount_lower_locked(Qcow2 *s, uint64_t off) REQUIRES(&s->lock);
uint64_t qcow2_refcount_in(const Qcow2 *s, const uint8_t *block, uint64_t i);
void qcow2_refcount_put(const Qcow2 *s, uint8_t *block, uint64_t i, uint64_t n);
/* Bytes [ret_off, +len) of the file that a compressed cluster takes. */
void qcow2_compressed_range(const Qcow2 *s, uint64_t entry, uint64_t *ret_off,
                            uint64_t *ret_len);

/* qcow2-cluster.c */
/* The L2 slice of a guest offset, if there is one: 1; 0 if not; -errno. */
int qcow2_l2_get_locked(Qcow2 *s, uint64_t off, Qcow2Slice **ret_slice)
    REQUIRES(&s->lock);
/* One that may be changed. */
int qcow2_l2_need_locked(Qcow2 *s, uint64_t off, Qcow2Slice **ret_slice)
    REQUIRES(&s->lock);
/* Byte offset of the L2 entry of a guest offset in its slice. */
unsigned qcow2_l2_at(const Qcow2 *s, uint64_t off);
/* What lies at off, and how much of len is alike; within the slice. */
void qcow2_extent(const Qcow2 *s, const Qcow2Slice *slice, uint64_t off,
                  uint64_t len, Qcow2Extent *ret);
/* The same, reading tables. */
int qcow2_find_locked(Qcow2 *s, uint64_t off, uint64_t len, Qcow2Extent *ret)
    REQUIRES(&s->lock);
/* Does it hit the header or a table that stays in its place? */
bool qcow2_overlaps_tables(const Qcow2 *s, uint64_t host, uint64_t len);
BlockMapKind qcow2_map(BlockNode *n, uint64_t off, uint64_t len, bool write,
                       BlockMap *m);
void qcow2_unpin(BlockNode *n, unsigned epoch);
unsigned qcow2_pin(Qcow2 *s);
/* Says so, marks the image and stops writing; -EIO. */
int qcow2_is_corrupt(Qcow2 *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* qcow2-io.c */
int qcow2_pread(BlockNode *n, uint64_t off, void *buf, size_t len);
int qcow2_pwrite(BlockNode *n, uint64_t off, const void *buf, size_t len);
int qcow2_discard(BlockNode *n, uint64_t off, uint64_t len);
int qcow2_write_zeroes(BlockNode *n, uint64_t off, uint64_t len, bool unmap);

/* qcow2-check.c: counts all references anew, and writes the refcounts. */
bool qcow2_rebuild_refcounts(Qcow2 *s, GError **errp);

/*
 * qcow2-refs.c: all clusters that an L1 table leads to, its L2 tables included.
 * -errno; -ERANGE: a refcount can't be higher.  Changes of refcounts and marks
 * are in memory until a flush.
 */
int qcow2_refs_check_locked(Qcow2 *s, const uint64_t *l1, uint64_t n)
    REQUIRES(&s->lock);
int qcow2_refs_add_locked(Qcow2 *s, const uint64_t *l1, uint64_t n)
    REQUIRES(&s->lock);
int qcow2_refs_drop_locked(Qcow2 *s, const uint64_t *l1, uint64_t n)
    REQUIRES(&s->lock);
/* Marks what is only the disk's, and nothing else. */
int qcow2_refs_mark_locked(Qcow2 *s) REQUIRES(&s->lock);
/* Before and after: all is on disk. */
int qcow2_refs_begin_locked(Qcow2 *s) REQUIRES(&s->lock);
/* The same; -EBUSY: requests are in flight. */
int qcow2_refs_begin_alone_locked(Qcow2 *s) REQUIRES(&s->lock);
int qcow2_refs_end_locked(Qcow2 *s) REQUIRES(&s->lock);

/* qcow2-snapshot.c */
GArray *qcow2_snapshots_new(void);
bool qcow2_read_snapshots(const Qcow2 *s, GArray *to, GError **errp);
/* Its index, by what isn't NULL; -1: there is none. */
int qcow2_snapshot_find(const Qcow2 *s, const char *id, const char *name);
/* These of BlockSnapshotOps. */
const BlockSnapshotInfo *qcow2_snapshot_info(const BlockNode *n, unsigned i);
bool qcow2_snapshot_create(BlockNode *n, const BlockSnapshotInfo *info,
                           GError **errp);
bool qcow2_snapshot_goto(BlockNode *n, const char *id, GError **errp);
bool qcow2_snapshot_delete(BlockNode *n, const char *id, const char *name,
                           GError **errp);
int qcow2_vmstate_drop(BlockNode *n);
int qcow2_vmstate_write(BlockNode *n, uint64_t off, const void *buf,
                        size_t len);
int qcow2_vmstate_read(BlockNode *n, uint64_t off, void *buf, size_t len);

/* qcow2-resize.c */
/* So that the L1 table has at least that many. */
int qcow2_grow_l1_locked(Qcow2 *s, uint64_t entries) REQUIRES(&s->lock);
bool qcow2_resize(BlockNode *n, uint64_t size, GError **errp);

/* qcow2-bitmap.c: before the first write; -errno. */
int qcow2_mark_bitmaps_locked(Qcow2 *s) REQUIRES(&s->lock);

/* qcow2-unpack.c: a compressed cluster of raw bytes; -EIO if it isn't one. */
int qcow2_unpack(bool zstd, const void *in, size_t in_len, void *out,
                 size_t out_len);

#endif
