/*
 * Inside SCSI: scsi-hd and scsi-cd.
 *
 *   scsi-disk.c     types, properties     scsi-inquiry.c  INQUIRY
 *   scsi-commands.c commands by opcode    scsi-mode.c     mode pages
 *   scsi-io.c       what the medium does  scsi-mmc.c      of CDs
 *   scsi-vmstate.c  state
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_SCSI_SCSI_PRIV_H
#define HW_SCSI_SCSI_PRIV_H

#include "hw/block/disk-conf.h"
#include "hw/scsi/scsi.h"

#define SCSI_CD_BLOCK 2048

/* scsi-hd, scsi-cd */
typedef struct ScsiDisk {
    ScsiDevice unit;
    bool cd;
    /* Migrated. */
    bool medium_changed;             /* a unit attention tells of it, next */
    bool media_event, eject_request; /* GET EVENT STATUS tells of them */
    bool tray_open, tray_locked;

    /* Properties. */
    DiskConf conf;
    Geometry geo, lgeo;
    char *serial, *version, *vendor, *product, *device_id;
    uint64_t wwn, port_wwn;
    uint64_t max_unmap_size, max_io_size;
    uint16_t port_index, rotation_rate;
    int32_t scsi_version;
    bool removable, dpofua;
    bool quirk_apple_vendor, quirk_use_dbd, quirk_vendor_specific;
    bool quirk_truncated;
} ScsiDisk;

static inline ScsiDisk *scsi_disk_of(const ScsiDevice *d)
{
    return container_of(d, ScsiDisk, unit);
}

/* scsi-target.c: for LUNs without a unit, and what targets do for all. */
extern const ScsiType scsi_target_ops;
/* The answer to REQUEST SENSE, as the CDB wants it. */
void scsi_reply_sense(ScsiRequest *r, ScsiSense sense);

/* scsi-commands.c */
extern const ScsiType scsi_disk_ops;
bool scsi_disk_has_medium(const ScsiDisk *s);
uint64_t scsi_disk_blocks(const ScsiDisk *s);

/* scsi-inquiry.c */
void scsi_disk_inquiry(ScsiRequest *r);

/* scsi-mode.c */
void scsi_disk_mode_sense(ScsiRequest *r);
void scsi_disk_mode_select(ScsiRequest *r);

/* scsi-io.c */
void scsi_disk_read(ScsiRequest *r);
void scsi_disk_write(ScsiRequest *r);
void scsi_disk_flush(ScsiRequest *r);
void scsi_disk_verify(ScsiRequest *r);
void scsi_disk_unmap(ScsiRequest *r);
void scsi_disk_write_same(ScsiRequest *r);
void scsi_disk_seek(ScsiRequest *r);
/* Bytes that one command may read or write; at least a block. */
uint64_t scsi_disk_max_io(const ScsiDisk *s);

/* scsi-mmc.c */
void scsi_cd_read_toc(ScsiRequest *r);
void scsi_cd_get_configuration(ScsiRequest *r);
void scsi_cd_get_event_status(ScsiRequest *r);
void scsi_cd_read_disc_information(ScsiRequest *r);
void scsi_cd_read_dvd_structure(ScsiRequest *r);
void scsi_cd_mechanism_status(ScsiRequest *r);
void scsi_disk_start_stop(ScsiRequest *r);
void scsi_disk_prevent_removal(ScsiRequest *r);
/* For users who move trays and change sizes; the opaque pointer is the disk. */
extern const BlockDevOps scsi_disk_dev_ops, scsi_disk_removable_dev_ops;

/* scsi-vmstate.c */
extern const Vmstate scsi_disk_vmstate;

#endif
