/*
 * The graph of block nodes.
 *
 * A node is one driver with its state: a file, or a format or filter on top of
 * other nodes.  A driver is asked where bytes are (map: from memory, never
 * waits) and told to carry something out (may block; in a worker thread, or
 * in the main thread while a program starts).  What map() knows goes straight
 * to the engine of the file below.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_NODE_PRIV_H
#define BLOCK_NODE_PRIV_H

#include "block/block.h"
#include "util/lock.h"

typedef struct BlockDriver BlockDriver;
typedef struct BlockImage BlockImage;
typedef struct BlockNode BlockNode;

/* Nodes below each other, backing files included. */
#define BLOCK_MAX_DEPTH 200

/* What a child takes from its parent unless it says otherwise. */
typedef struct BlockInherit {
    bool read_only, auto_read_only;
    bool direct, no_flush;  /* cache=… */
    bool discard;           /* discard=unmap */
    const BlockNode *above; /* whose backing file it is; NULL: none */
    unsigned depth;
} BlockInherit;

typedef enum BlockMapKind {
    BLOCK_MAP_WORK, /* not known from memory, or in several places */
    BLOCK_MAP_FILE, /* all of it in one piece of one file */
    BLOCK_MAP_ZERO, /* all of it reads as zeros */
    BLOCK_MAP_DONE, /* nothing is to be done (a write to nowhere) */
} BlockMapKind;

/* An answer of map(). */
typedef struct BlockMap {
    BlockImage *img; /* of BLOCK_MAP_FILE */
    uint64_t off;
    /*
     * NULL, or who must not use that place for anything else before its
     * driver's unpin().
     */
    BlockNode *pinned;
    unsigned epoch;
} BlockMap;

/*
 * Snapshots inside an image.  Nothing of the node is in flight; without
 * vm_lock, and they block.
 */
typedef struct BlockSnapshotOps {
    /* The i-th, or NULL; with vm_lock, and valid as long. */
    const BlockSnapshotInfo *(*info)(const BlockNode *n, unsigned i);
    /* Of the disk as it is, and the state that was written before. */
    bool (*create)(BlockNode *n, const BlockSnapshotInfo *info, GError **errp);
    /* The disk, and the state, are as they were then. */
    bool (*go_back)(BlockNode *n, const char *id, GError **errp);
    /* By what isn't NULL. */
    bool (*remove)(BlockNode *n, const char *id, const char *name,
                   GError **errp);
    /*
     * The machine's state beside the disk: none any more; at `off`, in whole
     * clusters.  0 or -errno.
     */
    int (*state_drop)(BlockNode *n);
    int (*state_write)(BlockNode *n, uint64_t off, const void *buf, size_t len);
    int (*state_read)(BlockNode *n, uint64_t off, void *buf, size_t len);
} BlockSnapshotOps;

struct BlockDriver {
    const char *name;
    bool is_protocol;      /* it has no child */
    bool is_filter;        /* its bytes are its child's */
    const char *child_key; /* the option for n->file; NULL: "file" */
    /*
     * Takes its own options out of kv; n->file is set where file= said so.
     * Sets n->size.
     */
    bool (*open)(BlockNode *n, KeyVal *kv, const BlockInherit *inh,
                 GError **errp);
    /* Whatever open() made, also after it has failed. */
    void (*close)(BlockNode *n);
    /* [off, off + len) is inside the node and not empty. */
    BlockMapKind (*map)(BlockNode *n, uint64_t off, uint64_t len, bool write,
                        BlockMap *ret_m);
    /* The end of what map() has pinned. */
    void (*unpin)(BlockNode *n, unsigned epoch);
    /* 0 or -errno; may block, in any thread, several at once. */
    int (*pread)(BlockNode *n, uint64_t off, void *buf, size_t len);
    int (*pwrite)(BlockNode *n, uint64_t off, const void *buf, size_t len);
    int (*flush)(BlockNode *n);
    /* A hint; NULL: it does nothing. */
    int (*discard)(BlockNode *n, uint64_t off, uint64_t len);
    /* NULL: zeros are written.  unmap: room may be given back. */
    int (*write_zeroes)(BlockNode *n, uint64_t off, uint64_t len, bool unmap);
    /*
     * Other sizes than it has; NULL: can't.  Nothing is in flight; without
     * vm_lock.
     */
    bool (*resize)(BlockNode *n, uint64_t size, GError **errp);
    /*
     * Another process had the file; NULL: nothing is kept of it.  Without
     * vm_lock.
     */
    bool (*activate)(BlockNode *n, GError **errp);
    /* All of it is to be in the files afterwards; -errno. */
    int (*inactivate)(BlockNode *n);
    void (*info)(const BlockNode *n, BlockNodeInfo *ret);
    const BlockSnapshotOps *snapshots; /* NULL: it has none */
};

struct BlockNode {
    BlockBackends *all;
    GList link; /* in all->nodes */
    char *name; /* "#block012" if none was given */
    const BlockDriver *drv;
    unsigned refs;
    bool monitor_owns; /* by -blockdev: goes with blockdev-del */
    BlockNode *file, *backing;
    const BlockNode *opened_for; /* while it is opened: whose backing file */
    char *filename;              /* as it is shown */
    uint64_t size; /* bytes, a multiple of BLOCK_SECTOR; I/O threads: atomic */
    bool read_only, direct, no_flush, discard;
    bool unflushed; /* written since all images were flushed; its thread's */
    bool probed;    /* its first sector must go on looking like a raw image */
    BlockDetectZeroes detect_zeroes;
    unsigned activation; /* of all->activation: that took it over */
    unsigned align;      /* of offsets and lengths for the files below */
    BlockImage *img;     /* of files */
    void *state;         /* the driver's */
    GQueue in_flight;    /* BlockReq.node_link: begun */
    GQueue waiting;      /* BlockReq.node_link: for those in flight to finish */
    /* Used by block_graph_update() only. */
    unsigned want_perms, want_unshared;
};

extern const BlockDriver block_blkdebug_driver;    /* blkdebug.c */
extern const BlockDriver block_file_driver;        /* file.c */
extern const BlockDriver block_host_device_driver; /* file.c */
extern const BlockDriver block_null_co_driver;     /* null.c */
extern const BlockDriver block_null_aio_driver;    /* null.c */
extern const BlockDriver block_qcow2_driver;       /* qcow2.c */
extern const BlockDriver block_raw_driver;         /* raw.c */
extern const BlockDriver block_throttle_driver;    /* throttle-driver.c */

/* node.c */
const BlockDriver *block_driver_find(const char *name);
BlockNode *block_node_find(BlockBackends *bs, const char *name);
/*
 * Makes a node from dotted options ("driver", "file.filename", …).  `file`:
 * its child if that is open already; a reference that is taken over, also on
 * failure.  The caller owns a reference of what is returned.
 */
BlockNode *block_node_open(BlockBackends *bs, KeyVal *kv,
                           const BlockInherit *inh, BlockNode *file,
                           GError **errp);
/*
 * The child that kv's KEY (a node's name) or KEY.… (options) says; NULL
 * without an error if it says nothing.
 */
BlockNode *block_node_open_child(BlockNode *n, KeyVal *kv, const char *key,
                                 const BlockInherit *inh, GError **errp);
/*
 * Of a file name as -drive and backing files have it, with its format; format
 * NULL: look into it.  kv: further options, or NULL.
 */
BlockNode *block_node_open_named(BlockBackends *bs, const char *filename,
                                 const char *format, KeyVal *kv,
                                 const BlockInherit *inh, GError **errp);
/*
 * block_unlocked() of what leaves a node, or NULL with errp, in *opened, which
 * is returned.  One that was opened as another process's isn't taken over with
 * those that were there: it is dropped if that has begun meanwhile.
 */
BlockNode *block_node_open_unlocked(BlockBackends *bs, void (*fn)(void *arg),
                                    void *arg, BlockNode **opened,
                                    GError **errp);
BlockNode *block_node_ref(BlockNode *n);
void block_node_unref(BlockNode *n);
/* Another size, in bytes; with or without vm_lock. */
void block_node_set_size(BlockNode *n, uint64_t size);
/*
 * What it and the formats below it keep is in the files afterwards: 0 or
 * -errno.  Blocks; the images are ours.
 */
int block_node_write_tables(BlockNode *n);
/*
 * The same, or nothing if the images are another process's.  Lets go of
 * vm_lock while it writes (block_unlocked()).
 */
int block_node_settle(BlockNode *n);
/* New KeyVal of the items "KEY.x" as "x"; they count as used. */
KeyVal *block_opts_child(KeyVal *kv, const char *key);

/*
 * overlay.c: a temporary image on top of base, whose reference is taken over,
 * also on failure.  detect_zeroes: as the option has it; NULL: off.
 */
BlockNode *block_open_overlay(BlockNode *base, const char *detect_zeroes,
                              GError **errp);

/* graph.c */
/* Gives all files the locks that their users need; or none, and an error. */
bool block_graph_update(BlockBackends *bs, GError **errp);

/* node-io.c: these may block, and check the range. */
int block_node_pread(BlockNode *n, uint64_t off, void *buf, size_t len);
int block_node_pwrite(BlockNode *n, uint64_t off, const void *buf, size_t len);
int block_node_flush(BlockNode *n);
int block_node_discard(BlockNode *n, uint64_t off, uint64_t len);
int block_node_write_zeroes(BlockNode *n, uint64_t off, uint64_t len,
                            bool unmap);
BlockMapKind block_node_map(BlockNode *n, uint64_t off, uint64_t len,
                            bool write, BlockMap *ret_m);

/* file.c: what formats do with the file below, beyond its end too. */
int block_file_pwrite(BlockNode *n, uint64_t off, const void *buf, size_t len);
/* Zeros beyond the end. */
int block_file_pread(BlockNode *n, uint64_t off, void *buf, size_t len);
/* A hint to the host; its failure changes nothing. */
void block_file_discard(BlockNode *n, uint64_t off, uint64_t len);
/* Bytes; -errno. */
int64_t block_file_length(const BlockNode *n);

#endif
