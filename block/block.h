/*
 * Block back ends: named images that devices read and write by bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H

#include "qom/object.h"
#include "system/iothread.h"
#include "util/iov.h"
#include "util/keyval.h"

typedef struct BlockBackends BlockBackends; /* all of a VM's, by name */
typedef struct BlockBackend BlockBackend;

#define BLOCK_SECTOR 512

/*
 * -errno or 0; called under vm_lock, or in the I/O thread of the back end,
 * without it.
 */
typedef void BlockDone(void *opaque, int ret);

/* werror=, rerror=; AUTO: report, but stop when a write finds no room. */
typedef enum BlockOnError {
    BLOCK_ON_ERROR_AUTO,
    BLOCK_ON_ERROR_REPORT,
    BLOCK_ON_ERROR_IGNORE,
    BLOCK_ON_ERROR_ENOSPC, /* stop if that is it, else report */
    BLOCK_ON_ERROR_STOP,
} BlockOnError;

/* What a device does with a failed request. */
typedef enum BlockErrorChoice {
    BLOCK_ERROR_REPORT, /* tells the guest */
    BLOCK_ERROR_IGNORE, /* tells the guest that it is done */
    BLOCK_ERROR_STOP,   /* keeps it, and does it again when the VM goes on */
} BlockErrorChoice;

typedef enum BlockIoStatus {
    BLOCK_IO_OK,
    BLOCK_IO_FAILED,
    BLOCK_IO_NO_SPACE,
} BlockIoStatus;

typedef struct BlockErrorReport {
    const char *device, *node; /* names; node NULL: no medium */
    bool is_read, no_space;
    BlockErrorChoice action;
    const char *reason;
} BlockErrorReport;

/* Tells users; and stops the VM, if the action is that. */
typedef void BlockErrorHook(void *opaque, const BlockErrorReport *r);

typedef enum BlockDetectZeroes {
    BLOCK_DETECT_ZEROES_OFF,
    BLOCK_DETECT_ZEROES_ON,
    BLOCK_DETECT_ZEROES_UNMAP, /* room is given back */
} BlockDetectZeroes;

/* What there is to know of a node; strings are the node's. */
typedef struct BlockNodeInfo {
    const struct BlockNode *node;
    const char *name, *filename, *driver;
    const char *backing_file, *backing_format; /* as its image says */
    const struct BlockNode *backing;           /* NULL: none */
    uint64_t size;                             /* bytes */
    uint64_t allocated;                        /* bytes on the host */
    uint64_t cluster_size;                     /* bytes; 0: none */
    bool read_only, direct, no_flush, dirty;
    bool encrypted;
    bool is_null; /* nothing is kept anywhere */
    BlockDetectZeroes detect_zeroes;
    /* Of qcow2. */
    const char *compat, *compression; /* NULL: it is another format */
    unsigned refcount_bits;
    bool lazy_refcounts, corrupt, extended_l2;
} BlockNodeInfo;

/* A snapshot inside an image; strings are the node's. */
typedef struct BlockSnapshotInfo {
    char *id, *name;
    uint64_t vm_state_size; /* bytes; 0: of the disk alone */
    uint64_t disk_size;     /* bytes */
    uint32_t date_sec, date_nsec;
    uint64_t vm_clock_ns; /* how long the guest had run */
    uint64_t icount;      /* UINT64_MAX: none */
} BlockSnapshotInfo;

typedef struct BlockInfo {
    const char *name; /* "ide0-hd0", "drive0" */
    const char *device_path;
    const struct BlockNode *root; /* NULL: no medium */
    BlockNodeInfo node;           /* of root */
    bool read_only, removable, inserted, has_tray, locked, tray_open;
    bool writeback; /* cache=… */
    BlockIoStatus io_status;
} BlockInfo;

/* What a device is told; medium_changed NULL: it has no tray. */
typedef struct BlockDevOps {
    /* The tray opens, or closes with whatever is in it then (`load`). */
    void (*medium_changed)(void *opaque, bool load);
    /* A locked one's button was pressed; `force`: it unlocks itself. */
    void (*eject_request)(void *opaque, bool force);
    /* Another size; NULL: the device doesn't care. */
    void (*resized)(void *opaque);
} BlockDevOps;

/* `name`: of the back end; `id`: of the device. */
typedef void BlockTrayMoved(void *opaque, const char *name, const char *id,
                            bool open);

typedef enum BlockMediumMode {
    BLOCK_MEDIUM_RETAIN, /* as the last one */
    BLOCK_MEDIUM_READ_ONLY,
    BLOCK_MEDIUM_READ_WRITE,
} BlockMediumMode;

BlockBackends *block_backends_new(void);
/* Waits for what is in flight. */
void block_backends_free(BlockBackends *bs);
/* How "/dev/fdset/ID" is opened: a descriptor or -errno. */
void block_set_fdset_open(BlockBackends *bs,
                          int (*fn)(void *opaque, int64_t id, int flags),
                          void *opaque);
/* Appends the names of all drivers, a blank before each. */
void block_drivers_print(GString *out);
/* -drive file=…,format=…,if=…,index=…,id=…,media=…,readonly=…,cache=…;
 * -hda and friends are translated to it. */
BlockBackend *block_new_from_keyval(BlockBackends *bs, KeyVal *kv,
                                    GError **errp);
/* A drive without a medium or a name, for a device; block_detach() frees it. */
BlockBackend *block_new_empty(BlockBackends *bs, GError **errp);
BlockBackend *block_find(BlockBackends *bs, const char *name);
/*
 * For a device's drive=NAME: that back end, or a new one without a name on
 * the node of that name, which block_detach() frees.  NULL: there is neither.
 */
BlockBackend *block_find_for_device(BlockBackends *bs, const char *name);
/* Who has the node of that name as its medium; NULL: nobody. */
BlockBackend *block_find_of_node(BlockBackends *bs, const char *node_name);
/* The device didn't attach it after all: frees one without a name. */
void block_release(BlockBackend *b);

/*
 * Nodes.  -blockdev, blockdev-add: dotted options ("driver", "node-name",
 * "file.filename", …), all as text.  Keys that nobody wants are errors.
 */
bool block_node_add(BlockBackends *bs, KeyVal *kv, GError **errp);
/* Only what block_node_add() made, and nobody uses. */
bool block_node_del(BlockBackends *bs, const char *name, GError **errp);
void block_node_foreach(BlockBackends *bs,
                        void (*fn)(const struct BlockNode *n, void *op),
                        void *op);
/*
 * For a change of medium or size: from now on new requests wait, and true says
 * that those from before have ended.  False: again, when others have had their
 * turn.  A drain of the VM (block_drain_step()) and the end of its device take
 * the requests out of the wait: so each step may be the first.
 */
bool block_quiesce_step(BlockBackend *b);
/* After the change, or without it. */
void block_quiesce_end(BlockBackend *b);
/*
 * Another size, in bytes; false also if requests are in flight.  Its device is
 * told by resized().
 */
bool block_resize(BlockBackend *b, uint64_t size, GError **errp);
void block_node_get_info(const struct BlockNode *n, BlockNodeInfo *ret);
/* The i-th snapshot inside its image, or NULL: there are no more.  vm_lock. */
const BlockSnapshotInfo *block_node_snapshot(const struct BlockNode *n,
                                             unsigned i);
/* How many drives a bus takes of those that the machine has for if=ide: 1 or
 * 2, which it is until this is called.  Before drives are made. */
void block_set_ide_units(BlockBackends *bs, int units);
/* The drive given for a slot of a machine's default controller; or NULL.
 * `if_name`: "ide", "floppy", "none", "virtio"; bus/unit as -drive. */
BlockBackend *block_find_slot(BlockBackends *bs, const char *if_name, int bus,
                              int unit);
/* An error that names a drive which no controller of the machine took. */
bool block_check_unused(BlockBackends *bs, GError **errp);
void block_foreach(BlockBackends *bs, void (*fn)(BlockBackend *b, void *op),
                   void *op);
/*
 * One device holds a back end; false if another has it, or if the image is
 * in use by another process.  removable: its medium can be taken out.
 */
bool block_attach(BlockBackend *b, struct Object *dev, bool removable,
                  GError **errp);
/* The same for a device that users see as a part of `dev`, of that name in
 * its path: what is behind a virtio transport. */
bool block_attach_part(BlockBackend *b, struct Object *dev, const char *part,
                       bool removable, GError **errp);
/* Other processes may write the image too; before block_attach(). */
void block_set_share_rw(BlockBackend *b, bool share);
/*
 * Before block_attach(): its requests are made and end in that thread, until
 * block_detach().  The rest of these functions is called under vm_lock as
 * ever, when the device makes no requests.
 */
bool block_set_iothread(BlockBackend *b, IoThread *t, GError **errp);
/*
 * Requests that the device has given up with block_aio_abandon() may still be
 * in flight: nobody waits for them here.  Until they have ended no other device
 * gets the drive.
 */
void block_detach(BlockBackend *b);
void block_get_info(const BlockBackend *b, BlockInfo *ret);
const char *block_name(const BlockBackend *b);
bool block_is_cdrom(const BlockBackend *b);
/* Are its writes in a temporary file of this program (snapshot=on)? */
bool block_is_temporary(const BlockBackend *b);
bool block_is_inserted(const BlockBackend *b);
uint64_t block_size(const BlockBackend *b); /* bytes */
bool block_read_only(const BlockBackend *b);
/* Is a write done when it is in the host's or drive's cache? */
bool block_write_cache(const BlockBackend *b);
void block_set_write_cache(BlockBackend *b, bool on);

/*
 * errors.c.  A device's own rerror= and werror=, before block_attach(); AUTO:
 * the drive's.
 */
void block_set_on_error(BlockBackend *b, BlockOnError on_read,
                        BlockOnError on_write);
/* Is nothing else asked for than telling the guest? */
bool block_reports_errors(const BlockBackend *b);
/* A request failed with `err` (a positive errno): tells users, too. */
BlockErrorChoice block_error_action(BlockBackend *b, bool is_read, int err);
void block_set_error_hook(BlockBackends *bs, BlockErrorHook *fn, void *opaque);
/* The VM goes on. */
void block_reset_io_status(BlockBackends *bs);

/* medium.c: after block_attach(), a device that has a tray says so. */
void block_set_dev_ops(BlockBackend *b, const BlockDevOps *ops, void *opaque);
void block_set_locked(BlockBackend *b, bool locked);
bool block_tray_open(const BlockBackend *b);
/* Where the drive's tray is: after a reset, or from a migration. */
void block_set_tray_open(BlockBackend *b, bool open);
/* It moved: the same, and users are told. */
void block_move_tray(BlockBackend *b, bool open);
void block_set_tray_moved(BlockBackends *bs, BlockTrayMoved *fn, void *opaque);
/*
 * By its name or its device's id (or path); exactly one of them isn't NULL.
 */
BlockBackend *block_find_for_user(BlockBackends *bs, const char *name,
                                  const char *device, GError **errp);
/*
 * What users do.  `force`: a locked tray too.  *ret_waits: the guest was asked
 * to open it.
 */
bool block_open_tray(BlockBackend *b, bool force, bool *ret_waits,
                     GError **errp);
bool block_close_tray(BlockBackend *b, GError **errp);
/* False also if requests are in flight; see block_quiesce_step(). */
bool block_remove_medium(BlockBackend *b, GError **errp);
/* Opens the tray and takes the medium out. */
bool block_eject(BlockBackend *b, bool force, GError **errp);
/*
 * Another medium, opened with the cache mode and engine of the last one;
 * `format` NULL: look into it.  The tray is closed afterwards.
 */
bool block_change_medium(BlockBackend *b, const char *filename,
                         const char *format, BlockMediumMode mode, bool force,
                         GError **errp);

/* Puts a node into an open tray without a medium. */
bool block_insert_node(BlockBackend *b, const char *node_name, GError **errp);

/*
 * Asynchronous I/O; `iov` must stay until `done` was called, which happens
 * from the main loop and never from inside the call.  Offsets and lengths
 * beyond the medium complete with -EIO.
 */
void block_aio_readv(BlockBackend *b, uint64_t off, const struct iovec *iov,
                     int niov, BlockDone *done, void *opaque);
void block_aio_writev(BlockBackend *b, uint64_t off, const struct iovec *iov,
                      int niov, BlockDone *done, void *opaque);
void block_aio_flush(BlockBackend *b, BlockDone *done, void *opaque);
/* The content is no longer needed: a hint. */
void block_aio_discard(BlockBackend *b, uint64_t off, uint64_t len,
                       BlockDone *done, void *opaque);
/* unmap: room may be given back. */
void block_aio_write_zeroes(BlockBackend *b, uint64_t off, uint64_t len,
                            bool unmap, BlockDone *done, void *opaque);
/*
 * Nobody waits for the requests with that opaque pointer any more: what no
 * engine has begun ends with -ECANCELED, the rest whenever the host lets it,
 * and later requests for the same sectors wait for it.  `done` is called all
 * the same, and the buffers belong to the requests until then.
 */
void block_aio_abandon(BlockBackend *b, const void *opaque);
/* Waits until nothing is in flight (completions are delivered); flushes if
 * asked.  Main thread, vm_lock held.  -errno of the flush. */
int block_drain_all(BlockBackends *bs, bool flush);
/*
 * The same with a flush, without waiting, for who mustn't hold vm_lock for as
 * long as storage takes: false: not yet, call again (`first`: false) when it
 * was let go for a while.  True: *ret is 0 or -errno.  Nobody may make requests
 * in between, or they are waited for, too.
 */
bool block_drain_step(BlockBackends *bs, bool first, int *ret);
/*
 * Without vm_lock: waits a moment for requests to end, and tells of those
 * that have.  Any thread.
 */
void block_wait_ends(BlockBackends *bs);
/* Reads at once: for devices that look at a medium while they are realized. */
int block_read_sync(BlockBackend *b, uint64_t off, void *buf, size_t len);

/*
 * What waits for storage is given to run(opaque, fn, arg), which lets go of
 * vm_lock until fn(arg) returns, and may serve others meanwhile.  NULL: nobody
 * is served.
 */
typedef void BlockUnlocked(void *opaque, void (*fn)(void *arg), void *arg);
void block_set_unlocked(BlockBackends *bs, BlockUnlocked *run, void *opaque);

/*
 * Migration: who has the images.  An inactive image isn't locked, written or
 * flushed, so that another process can use it; reads still work.  Before the
 * first drive is made, block_set_inactive() says that all begin so.
 */
void block_set_inactive(BlockBackends *bs);
/*
 * Gives the images up, once what is in flight has ended and is flushed, and
 * tables are written: false: not yet, again as with block_drain_step().  True:
 * *ret is 0 or -errno, and then nothing changes.  Who doesn't want to wait any
 * longer calls block_activate_all().
 */
bool block_inactivate_step(BlockBackends *bs, bool first, int *ret);
/*
 * Locks the images and takes their sizes and tables anew; all or none.  vm_lock
 * held, and let go of while it reads.
 */
bool block_activate_all(BlockBackends *bs, GError **errp);

#endif
