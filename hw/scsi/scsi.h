/*
 * SCSI: a bus of logical units, requests, sense data.
 * (SAM-5, SPC-4.)
 *
 *   host adapter                        unit (scsi-hd, scsi-cd)
 *   scsi_bus_find()
 *   scsi_request_begin()   parses the CDB
 *   scsi_request_run()  -> type->scsi->run()
 *                          scsi_request_good(), scsi_request_check()
 *   adapter->done()    <-
 *
 * Everything here is called under vm_lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_SCSI_SCSI_H
#define HW_SCSI_SCSI_H

#include "block/block.h"
#include "hw/core/device.h"
#include "util/iov.h"
#include "vmstate/stream.h"

typedef struct ScsiAdapter ScsiAdapter;
typedef struct ScsiBus ScsiBus;
typedef struct ScsiDevice ScsiDevice;
typedef struct ScsiRequest ScsiRequest;

#define SCSI_CDB_MAX      16        /* bytes of the commands that there are */
#define SCSI_SENSE_MAX    96        /* bytes; in the stream, too */
#define SCSI_TRANSFER_MAX INT32_MAX /* bytes; more is an error */
#define SCSI_ID_AUTO      UINT32_MAX

/* Status byte (SAM-5, 5.3.1). */
enum {
    SCSI_GOOD = 0x00,
    SCSI_CHECK_CONDITION = 0x02,
};

/* Sense key, additional code and its qualifier (SPC-4, 4.5.6). */
typedef struct ScsiSense {
    uint8_t key, asc, ascq;
} ScsiSense;

enum {
    SENSE_NOT_READY = 0x2,
    SENSE_HARDWARE_ERROR = 0x4,
    SENSE_ILLEGAL_REQUEST = 0x5,
    SENSE_UNIT_ATTENTION = 0x6,
    SENSE_DATA_PROTECT = 0x7,
    SENSE_ABORTED_COMMAND = 0xb,
};

#define SCSI_SENSE_NONE         ((ScsiSense){ 0, 0, 0 })
#define SCSI_NOT_BECOMING_READY ((ScsiSense){ SENSE_NOT_READY, 0x04, 0x03 })
#define SCSI_NO_MEDIUM          ((ScsiSense){ SENSE_NOT_READY, 0x3a, 0x00 })
#define SCSI_TARGET_FAILURE     ((ScsiSense){ SENSE_HARDWARE_ERROR, 0x44, 0 })
#define SCSI_BAD_PARAM_LENGTH   ((ScsiSense){ SENSE_ILLEGAL_REQUEST, 0x1a, 0 })
#define SCSI_BAD_OPCODE         ((ScsiSense){ SENSE_ILLEGAL_REQUEST, 0x20, 0 })
#define SCSI_LBA_OUT_OF_RANGE   ((ScsiSense){ SENSE_ILLEGAL_REQUEST, 0x21, 0 })
#define SCSI_BAD_FIELD          ((ScsiSense){ SENSE_ILLEGAL_REQUEST, 0x24, 0 })
#define SCSI_BAD_LUN            ((ScsiSense){ SENSE_ILLEGAL_REQUEST, 0x25, 0 })
#define SCSI_BAD_PARAM          ((ScsiSense){ SENSE_ILLEGAL_REQUEST, 0x26, 0 })
#define SCSI_BAD_FORMAT         ((ScsiSense){ SENSE_ILLEGAL_REQUEST, 0x30, 0 })
#define SCSI_NOT_SAVED          ((ScsiSense){ SENSE_ILLEGAL_REQUEST, 0x39, 0 })
#define SCSI_REMOVAL_PREVENTED  ((ScsiSense){ SENSE_ILLEGAL_REQUEST, 0x53, 2 })
#define SCSI_WRITE_PROTECTED    ((ScsiSense){ SENSE_DATA_PROTECT, 0x27, 0x00 })
#define SCSI_NO_SPACE           ((ScsiSense){ SENSE_DATA_PROTECT, 0x27, 0x07 })
#define SCSI_IO_ERROR           ((ScsiSense){ SENSE_ABORTED_COMMAND, 0, 0x06 })
#define SCSI_UA_NEW_MEDIUM      ((ScsiSense){ SENSE_UNIT_ATTENTION, 0x28, 0 })
#define SCSI_UA_RESET           ((ScsiSense){ SENSE_UNIT_ATTENTION, 0x29, 0 })
#define SCSI_UA_CAPACITY        ((ScsiSense){ SENSE_UNIT_ATTENTION, 0x2a, 9 })
#define SCSI_UA_NO_MEDIUM       ((ScsiSense){ SENSE_UNIT_ATTENTION, 0x3a, 0 })
#define SCSI_UA_LUNS_CHANGED    ((ScsiSense){ SENSE_UNIT_ATTENTION, 0x3f, 0xe })

typedef enum ScsiDirection {
    SCSI_NO_DATA,
    SCSI_TO_HOST,   /* the unit gives data */
    SCSI_FROM_HOST, /* it takes data */
} ScsiDirection;

/* How a request ended for its adapter. */
typedef enum ScsiEnd {
    SCSI_ENDED,   /* with r->status */
    SCSI_ABORTED, /* cancelled, or its unit is gone */
    SCSI_RESET,   /* its unit was reset */
} ScsiEnd;

/* A place in a queue of requests that a stream tells of. */
typedef struct ScsiLoaded {
    uint8_t cdb[SCSI_CDB_MAX];
    uint32_t tag, lun;
    uint32_t queue, head; /* the adapter's */
} ScsiLoaded;

struct ScsiAdapter {
    uint32_t max_target, max_lun; /* the last ones that there can be */
    /*
     * The request has ended, and is the adapter's to free; `how` tells what
     * of it counts.  Buffers aren't in use any more.
     */
    void (*done)(ScsiRequest *r, ScsiEnd how);
    /*
     * A stopped one is forgotten without an answer: another state was loaded.
     */
    void (*forget)(ScsiRequest *r);
    /* A unit came while the machine was up, goes, or changed. */
    void (*plugged)(ScsiBus *bus, ScsiDevice *d);
    void (*unplugged)(ScsiBus *bus, ScsiDevice *d);
    void (*changed)(ScsiBus *bus, ScsiDevice *d, ScsiSense sense);
    /*
     * Its part of a waiting request's state: put; get; a request of that unit
     * that scsi_request_begin() has seen.
     */
    void (*put)(StreamOut *out, const ScsiRequest *r);
    bool (*get)(StreamIn *in, ScsiLoaded *l, GError **errp);
    ScsiRequest *(*take)(ScsiDevice *d, const ScsiLoaded *l, GError **errp);
};

struct ScsiBus {
    Bus bus;
    const ScsiAdapter *adapter;
    ScsiSense unit_attention; /* of the bus: told by whichever unit is asked */
};
#define SCSI_BUS(b) container_of(b, ScsiBus, bus)

/* A logical unit; devices begin with it. */
struct ScsiDevice {
    Device dev;
    BlockBackend *blk;
    uint32_t channel, id, lun; /* properties; from realize() on its place */
    uint32_t block_bytes;      /* of a logical block */
    GQueue requests;           /* ScsiRequest.link: all that have begun */
    GArray *loaded;            /* ScsiLoaded: between loading and post_load() */
    /* Migrated. */
    ScsiSense unit_attention;
    bool sense_is_ua;
    uint8_t sense[SCSI_SENSE_MAX]; /* of the last command */
    uint32_t sense_len;
};
#define SCSI_DEVICE(dev_) container_of(dev_, ScsiDevice, dev)

/* What a kind of unit does; a device type's .scsi. */
typedef struct ScsiType {
    /* Carries a command out; ends it now or later. */
    void (*run)(ScsiRequest *r);
    /* Its unit attention was told: another one may be next.  May be NULL. */
    void (*attention_told)(ScsiDevice *d);
} ScsiType;

struct ScsiRequest {
    ScsiBus *bus;
    ScsiDevice *dev; /* NULL: it is gone */
    const ScsiType *ops;
    uint64_t tag;
    uint32_t lun;
    uint8_t cdb[SCSI_CDB_MAX];
    unsigned cdb_len;  /* 0: not known */
    ScsiDirection dir; /* as the command has it */
    uint64_t xfer;     /* bytes that it asks for */
    /* The initiator's buffers; lists may be changed. */
    struct iovec *data;
    unsigned ndata;

    /* The answer. */
    uint8_t status;
    uint64_t done; /* bytes transferred; more than there are: not told */
    uint8_t sense[SCSI_SENSE_MAX];
    unsigned sense_len;

    /* The unit's. */
    bool in_flight; /* the block layer has it */
    bool stopped;   /* it failed, and is done again when the VM goes on */
    bool cancelled;
    bool is_ua;
    ScsiEnd cancel_how;
    /* Set: the adapter has let go of it; called when the host has, too. */
    void (*orphan_ended)(ScsiRequest *r);
    uint64_t at, left; /* bytes on the medium, of a range or several pieces */
    uint8_t *buf;      /* the unit's own copy of data */
    size_t buf_len;
    unsigned step;
    struct iovec own_iov;
    GList link; /* in dev->requests */
};

/* scsi-bus.c */
void scsi_bus_init(ScsiBus *bus, const ScsiAdapter *adapter, Device *owner);
/* The unit, or another one of that target; NULL: there is no such target. */
ScsiDevice *scsi_bus_find(ScsiBus *bus, uint32_t id, uint32_t lun);
/* For each unit, which may go meanwhile. */
void scsi_bus_foreach(ScsiBus *bus, void (*fn)(ScsiDevice *d, void *opaque),
                      void *opaque);
/* The VM goes on: what failed and waits is done again. */
void scsi_bus_restart(ScsiBus *bus);
/* To power-on state: units, too.  No requests are left. */
void scsi_bus_reset(ScsiBus *bus);
/* A unit or all of it is reset; what it does ends with SCSI_RESET. */
void scsi_device_reset_unit(ScsiDevice *d);
void scsi_device_init(ScsiDevice *d);
/* What it does ends as aborted; it isn't touched by it any more. */
void scsi_device_fini(ScsiDevice *d);
/* A load begins anew: what an attempt before has left is forgotten. */
void scsi_device_drop_loaded(ScsiDevice *d);
/* Raises a unit attention, unless a weightier one waits to be told. */
void scsi_raise_attention(ScsiSense *pending, ScsiSense sense);

/* scsi-request.c */
const ScsiType *scsi_type_of(const ScsiDevice *d);
/*
 * A request whose bus, tag, lun, cdb and data are set: finds out what `d`, as
 * scsi_bus_find() has it, is asked for.
 */
void scsi_request_begin(ScsiRequest *r, ScsiDevice *d);
/* After that; it may have ended before this returns. */
void scsi_request_run(ScsiRequest *r);
/* It waits for scsi_bus_restart(). */
void scsi_request_stop(ScsiRequest *r);
/* Ends. */
void scsi_request_good(ScsiRequest *r);
void scsi_request_check(ScsiRequest *r, ScsiSense sense);
/*
 * `len` bytes to the initiator, then zeros up to what it asked for (`pad`);
 * ends the request.
 */
void scsi_request_reply(ScsiRequest *r, const void *buf, size_t len, bool pad);
/* Nobody waits for its effect: ends it, at once or when the host has. */
void scsi_request_cancel(ScsiRequest *r, ScsiEnd how);
/*
 * The adapter forgets it, and may go.  True: the host still works on it, and
 * orphan_ended() is called with it later; else it is the adapter's to free.
 */
bool scsi_request_drop(ScsiRequest *r, void (*orphan_ended)(ScsiRequest *r));
/* The block layer has done its part; false: the request has ended by it. */
bool scsi_request_io_done(ScsiRequest *r);
/* Fixed format (SPC-4, 4.5.3); returns the length. */
unsigned scsi_put_sense(uint8_t *buf, ScsiSense sense);

/* scsi-disk.c */
extern const DeviceType scsi_hd_type; /* scsi-hd */
extern const DeviceType scsi_cd_type; /* scsi-cd */

/* virtio-scsi.c */
extern const DeviceType virtio_scsi_pci_type;
extern const DeviceType virtio_scsi_pci_transitional_type;
extern const DeviceType virtio_scsi_pci_non_transitional_type;

#endif
