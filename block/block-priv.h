/*
 * Inside the block layer: images, requests, and the engines that carry
 * requests out.
 *
 *   device -> io.c (bounds, alignment, order) -> engine -> io.c -> device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_BLOCK_PRIV_H
#define BLOCK_BLOCK_PRIV_H

#include "block/block.h"
#include "block/node-priv.h"
#include "block/stats.h"
#include "util/event-notifier.h"
#include "util/lock.h"
#include "util/tsa.h"

typedef struct BlockAio BlockAio;
typedef struct BlockEngine BlockEngine;
typedef struct BlockImage BlockImage;
typedef struct BlockReq BlockReq;
typedef struct ThrottleQueue ThrottleQueue;

typedef enum BlockEngineKind {
    BLOCK_ENGINE_THREADS,
    BLOCK_ENGINE_LINUX_AIO,
    BLOCK_ENGINE_IO_URING,
    BLOCK_ENGINES,
} BlockEngineKind;

/* Bits of permissions on an image, in lock.c's numbering. */
enum {
    BLOCK_PERM_READ = 1 << 0,
    BLOCK_PERM_WRITE = 1 << 1,
    BLOCK_PERM_RESIZE = 1 << 3,
};

/* How a drive's media are opened. */
typedef struct BlockMediumOpts {
    bool read_only, auto_read_only;
    bool direct, no_flush; /* cache=… */
    bool discard;
    BlockDetectZeroes detect_zeroes;
    bool snapshot; /* writes go to a temporary image on top */
    bool locking;
    BlockEngineKind engine;
} BlockMediumOpts;

/* What a file is opened with. */
typedef struct BlockImageOpts {
    const char *filename;
    bool host_device; /* a block device is wanted, else a regular file */
    bool read_only, auto_read_only;
    bool direct, no_flush; /* cache=… */
    bool locking;
    BlockEngineKind engine;
} BlockImageOpts;

/* An open file; vm_lock, but for what the engines only read. */
struct BlockImage {
    char *filename;
    int fd;
    uint64_t size; /* bytes, a multiple of BLOCK_SECTOR */
    bool is_device;
    bool read_only, direct, no_flush;
    bool locking;
    unsigned held, unshared;            /* BLOCK_PERM_*: what is locked now */
    unsigned want_perms, want_unshared; /* by block_graph_update() */
    unsigned users;                     /* the same: in this program */
    unsigned align;     /* of offsets and lengths; a power of two */
    unsigned mem_align; /* of buffers */
    BlockEngineKind engine;
    int flush_error; /* of the host's cache: stays, -errno; atomic */
    Lock rmw_lock;   /* one at a time writes a part of a block */
};

struct BlockBackend {
    BlockBackends *all;
    GList link; /* in all->list */
    char *name;
    char *if_name;
    int bus, unit;
    bool cdrom, locked, tray_open;
    bool removable; /* by the device that uses it */
    bool anonymous; /* made by it, goes with it */
    bool share_rw;
    bool leaving; /* its device has gone, and left requests; its thread's */
    GSource *leave_source; /* they have ended; NULL: not yet */
    bool writeback;        /* false: each write reaches the medium */
    struct Object *dev;    /* that uses it; NULL: none */
    char *dev_path;        /* its id, or where it is in the tree */
    BlockOnError on_read_error, on_write_error;
    BlockIoStatus io_status;    /* since the VM was last started */
    const BlockDevOps *dev_ops; /* NULL: it has no tray */
    void *dev_opaque;
    BlockAio *thread_aio; /* NULL: the main loop's */
    unsigned in_flight;   /* requests that are not done; its thread's */
    bool quiesced;        /* new ones wait in their node; its thread's */
    bool written;         /* one began since medium.c looked; its thread's */
    bool changing;        /* its medium or its size, by a user; vm_lock */
    bool writing;         /* and new ones wait for the end of that; atomic */
    GPtrArray *throttles; /* throttle.c; NULL: nothing is limited */
    BlockStats stats;     /* what is done */
    BlockNode *root;      /* NULL: no medium */
    BlockMediumOpts opts; /* of the next medium */
};

struct BlockBackends {
    GQueue list;            /* BlockBackend.link, in the order they were made */
    GQueue nodes;           /* BlockNode.link, in the order they were made */
    unsigned node_names;    /* made up so far */
    BlockAio *aio;          /* the main loop's */
    GQueue thread_aios;     /* BlockAio.link: of I/O threads */
    GQueue throttle_groups; /* throttle.c; vm_lock */
    bool draining;          /* nothing waits for limits; atomic */
    int ide_units;          /* drives on one bus of if=ide; 0: 2 */
    unsigned nwriters;      /* see block_write_unlocked(); atomic */
    bool inactive;          /* the images belong to another process */
    bool activating;        /* they are being taken over */
    unsigned activation;    /* counts them */
    bool flushing;          /* by block_drain_step() */
    int flush_error;
    struct BlockTables *tables; /* are being written: drain.c; NULL: none are */
    int (*fdset_open)(void *opaque, int64_t id, int flags);
    void *fdset_opaque;
    BlockErrorHook *error_hook; /* NULL: nobody wants to know */
    void *error_opaque;
    BlockUnlocked *unlocked; /* NULL: nobody is served */
    void *unlocked_opaque;
    BlockTrayMoved *tray_moved; /* NULL: nobody wants to know */
    void *tray_opaque;
};

typedef enum BlockOp {
    BLOCK_READ,
    BLOCK_WRITE,
    BLOCK_FLUSH,
    BLOCK_DISCARD,
    BLOCK_WRITE_ZEROES,
} BlockOp;

struct BlockReq {
    BlockAio *aio;
    BlockBackend *backend;
    BlockNode *node; /* NULL: there was no medium */
    BlockImage *img; /* where all of it is; NULL: node's driver does it */
    BlockMap map;    /* of `img` */
    BlockOp op;
    bool invalid;     /* refused, and not the host's doing */
    int64_t start_ns; /* clock_monotonic_ns() */
    bool unmap;       /* BLOCK_WRITE_ZEROES may give room back */
    bool abandoned;   /* nobody waits: later ones mustn't overtake it */
    uint64_t off;     /* of what is left to do */
    size_t left;
    struct iovec *iov; /* of what is left; a copy */
    unsigned niov;
    struct iovec *iov_free;
    ThrottleQueue *throttle_queue; /* where it waits for limits, or NULL */
    GList throttle_link;           /* in that */
    unsigned throttle_gate;        /* of throttles: the next to pass */
    bool dsync;                    /* a write that has to reach the medium */
    bool rmw;    /* a write that begins or ends inside a block; constant */
    bool filled; /* what surrounds it in these blocks is read; engine's */

    /* As asked for. */
    uint64_t req_off;
    size_t req_len;
    const struct iovec *req_iov;
    unsigned req_niov;
    void *bounce;    /* aligned copy; NULL: none needed */
    size_t head_pad; /* bytes in `bounce` before req_off */

    ssize_t ret; /* of the engine's last turn: bytes or -errno */
    BlockDone *done;
    void *opaque;
    GList link; /* in a queue of the engine's, then in aio->finished */
    GList node_link;
};

/* image.c */
BlockImage *block_image_open(BlockBackends *bs, const BlockImageOpts *o,
                             GError **errp);
/* Nothing is in flight any more. */
void block_image_close(BlockImage *img);
/* Its size now, in bytes: another process may have changed it. */
bool block_image_get_size(const BlockImage *img, uint64_t *ret_size,
                          GError **errp);
/* Bytes that it takes on the host. */
uint64_t block_image_allocated(const BlockImage *img);

/* image-io.c: these block; any thread, any alignment. */
int block_image_pread(BlockImage *img, uint64_t off, void *buf, size_t len);
int block_image_pwrite(BlockImage *img, uint64_t off, const void *buf,
                       size_t len);
int block_image_flush(BlockImage *img);
int block_image_discard(BlockImage *img, uint64_t off, uint64_t len);
int block_image_write_zeroes(BlockImage *img, uint64_t off, uint64_t len,
                             bool unmap);

/* probe.c */
/* Name of the format whose mark stands there; "raw" if none does. */
const char *block_probe_format(const uint8_t *buf, size_t len);
/* Is it the name of a format that isn't to be read here? */
bool block_format_is_foreign(const char *format);
/* The same of a protocol or a filter. */
bool block_protocol_is_foreign(const char *name);
/* Error that says how to come to a format that is. */
void block_refuse_format(const char *filename, const char *format,
                         GError **errp);
/* Looks into the file; NULL on error. */
const char *block_probe_node(BlockNode *file, GError **errp);

/* options.c */
/* A drive's medium; format NULL: look into it; more: of its node, or NULL. */
BlockNode *block_open_medium(BlockBackends *bs, const BlockMediumOpts *o,
                             const char *filename, const char *format,
                             KeyVal *more, GError **errp);

/* backend.c */
/* Enters it into b->all, which owns it then. */
bool block_backend_add(BlockBackend *b, GError **errp);
/* False with errp: a device that has gone has left requests. */
bool block_check_left(const BlockBackend *b, GError **errp);
/*
 * Between begin and end nobody else changes it, and it stays, even if its
 * device goes: to be asked with block_check_left() then.  False with errp:
 * another user does already.
 */
bool block_check_unchanging(const BlockBackend *b, GError **errp);
bool block_change_begin(BlockBackend *b, GError **errp);
void block_change_end(BlockBackend *b);
/* In its thread: false with errp if it isn't quiet; it has a medium. */
bool block_check_quiet(const BlockBackend *b, GError **errp);
/* In its thread, whenever a request has ended: was it what it waits for? */
void block_request_ended(BlockBackend *b);
void block_backend_free(BlockBackend *b);
/* Nothing is in flight. */
void block_close_medium(BlockBackend *b);
/* What its use of its medium needs, and doesn't share: BLOCK_PERM_*. */
void block_backend_perms(const BlockBackend *b, unsigned *ret_perms,
                         unsigned *ret_unshared);

/* drain.c */
/* Waits for what block_inactivate_step() has begun.  At the program's end. */
void block_tables_wait(BlockBackends *bs);

/* medium.c */
bool block_has_tray(const BlockBackend *b);

/* lock.c */
/*
 * Changes the locks on the image to those of a user that needs `perms` and
 * shares all but `unshared`; on failure they stay.
 */
bool block_image_lock(BlockImage *img, unsigned perms, unsigned unshared,
                      GError **errp);

/* io.c */
struct BlockAio {
    IoThread *thread;    /* NULL: the main loop; all is under vm_lock then */
    GList link;          /* a thread's: in BlockBackends.thread_aios */
    unsigned users;      /* a thread's: back ends; vm_lock */
    unsigned in_flight;  /* requests that are not done */
    EventNotifier event; /* an engine has results */
    GSource *source;     /* that listens to it */
    Lock lock;           /* of `finished` */
    GQueue finished;     /* BlockReq.link: `ret` is set */
    BlockEngine *engines[BLOCK_ENGINES]; /* made when first used */
};

BlockAio *block_aio_new(void);
void block_aio_free(BlockAio *aio);
/* Makes the engine if it isn't there. */
bool block_aio_need_engine(BlockAio *aio, BlockEngineKind kind, GError **errp);
/* Delivers what is finished; how many requests. */
unsigned block_aio_reap(BlockAio *aio);
/*
 * Waits until nothing is in flight; with vm_lock held, for as long as the
 * host's storage takes.  For the end of the program only: what a guest or a
 * user does must not come here.
 */
void block_aio_drain(BlockAio *aio);
/* Do new requests have to wait for a change? */
bool block_is_changing(const BlockBackend *b);
/* In the back end's thread: all that is in flight waits (quiesced). */
bool block_is_quiet(const BlockBackend *b);
/* The same: new requests begin at once again, and those that waited do. */
void block_unquiesce(BlockBackend *b);
/* Its medium goes: what waits for that fails. */
void block_cancel_waiting(BlockBackend *b);
/* context.c: the one that the back end's requests belong to. */
BlockAio *block_aio_of(const BlockBackend *b);
/* Runs fn in its thread, and returns when that is done. */
void block_aio_run(BlockAio *aio, void (*fn)(void *opaque), void *opaque);
/*
 * Runs fn(arg), which waits for storage, and returns when that is done.  With
 * vm_lock held: lets go of it, unless the program starts or ends.
 */
void block_unlocked(BlockBackends *bs, void (*fn)(void *arg), void *arg);
/*
 * The same for what writes to images, beside requests: a stop of the guest and
 * who gives the images up wait for that.
 */
void block_write_unlocked(BlockBackends *bs, void (*fn)(void *arg), void *arg);
/*
 * The same for code that runs without vm_lock already, around its writes.
 * False: the images aren't ours, it must not, and there is nothing to end.
 */
bool block_write_begin(BlockBackends *bs);
void block_write_end(BlockBackends *bs);
void block_aio_foreach(BlockBackends *bs, void (*fn)(BlockAio *aio, void *op),
                       void *opaque);
/* Back to the main loop; nothing is in flight. */
void block_clear_iothread(BlockBackend *b);
/* One node's requests are all one thread's. */
bool block_check_threads(const BlockBackend *b, GError **errp);
/* From any thread: req->ret is set, the engine has done with it. */
void block_aio_finished(BlockReq *req);

/*
 * An engine does req->op at req->off on req->iov, as much of it as it likes,
 * and calls block_aio_finished().
 */
typedef struct BlockEngineOps {
    const char *name; /* as aio= has it */
    BlockEngine *(*new_engine)(BlockAio *aio, GError **errp);
    void (*free_engine)(BlockEngine *e);
    void (*submit)(BlockEngine *e, BlockReq *req);
    /* Calls block_aio_finished() for what the kernel has; may be NULL. */
    void (*reap)(BlockEngine *e);
} BlockEngineOps;

struct BlockEngine {
    const BlockEngineOps *ops;
    BlockAio *aio;
};

extern const BlockEngineOps block_threads_ops;   /* threads.c */
extern const BlockEngineOps block_linux_aio_ops; /* linux-aio.c */
extern const BlockEngineOps block_io_uring_ops;  /* io-uring.c */

/* stats.c: a request has ended. */
void block_stats_add(BlockReq *r, int ret);

#endif
