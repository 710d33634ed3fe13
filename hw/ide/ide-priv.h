/*
 * Inside IDE: a channel with its two drives, and its bus master.
 *
 *   bus.c      task file, data port, resets      ata.c    disk commands
 *   identify.c IDENTIFY data, geometry           atapi.c  packet commands
 *   dma.c      commands that transfer by DMA     drive.c  ide-hd, ide-cd
 *   bmdma.c    bus master, its PRD tables        piix3-ide.c the PCI function
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IDE_IDE_PRIV_H
#define HW_IDE_IDE_PRIV_H

#include "hw/block/disk-conf.h"
#include "hw/ide/ide.h"
#include "system/runstate.h"

#define IDE_SECTOR    512
#define IDE_DRIVES    2
#define IDE_CHANNELS  2
#define IDE_MAX_MULT  16
#define IDE_BUFFER    (256 * IDE_SECTOR + 4) /* as long as in the stream */
#define IDE_DMA_CHUNK (256 * IDE_SECTOR)
#define CD_SECTOR     2048
#define IDE_NO_UNIT   0xff

/* Status register. */
enum {
    ST_ERR = 1 << 0,
    ST_DRQ = 1 << 3,
    ST_DSC = 1 << 4, /* seek complete */
    ST_DF = 1 << 5,
    ST_DRDY = 1 << 6,
    ST_BSY = 1 << 7,
};

/* Error register. */
enum {
    ER_ABRT = 1 << 2,
    ER_IDNF = 1 << 4,
    ER_UNC = 1 << 6,
};

/* Device control register. */
enum {
    CTL_NIEN = 1 << 1,
    CTL_SRST = 1 << 2,
    CTL_HOB = 1 << 7,
};

/* Device/head register. */
enum {
    DH_DEV1 = 1 << 4,
    DH_LBA = 1 << 6,
    DH_FIXED = 0xa0,
};

/* Bus master: command and status. */
enum {
    BM_START = 1 << 0,
    BM_TO_MEMORY = 1 << 3,
    BM_ACTIVE = 1 << 0,
    BM_ERROR = 1 << 1,
    BM_INT = 1 << 2,
};

/* What happens at the end of a PIO transfer; the numbers are the stream's. */
typedef enum IdeEnd {
    IDE_END_READ,       /* the next sectors of a READ */
    IDE_END_WRITE,      /* what came is to be written */
    IDE_END_STOP,       /* that was all */
    IDE_END_ATAPI_DATA, /* the next part of a packet command's data */
    IDE_END_PACKET,     /* a packet came */
    IDE_END_NONE,       /* no transfer, or one by DMA */
    IDE_ENDS,
} IdeEnd;

typedef enum IdeDma {
    IDE_DMA_NONE,
    IDE_DMA_READ,
    IDE_DMA_WRITE,
    IDE_DMA_TRIM,
    IDE_DMA_ATAPI,
} IdeDma;

typedef struct IdeChannel IdeChannel;
typedef struct IdeDrive IdeDrive;

/* The queued command that failed last: what the drive's log tells of it. */
typedef struct IdeNcqError {
    bool valid;
    uint8_t tag, status, error;
    uint64_t lba;
    uint32_t count;
} IdeNcqError;

/* A place for a drive.  All but the first part is migrated. */
struct IdeDrive {
    IdeChannel *ch;
    struct IdeDevice *dev; /* NULL: nothing there */
    BlockBackend *blk;     /* the device's */
    bool cd;
    struct IdeIo *io;          /* the request with the block layer, or NULL */
    uint64_t io_bytes;         /* of the request, for its end */
    uint64_t cd_lba;           /* next sector to read of a packet command */
    uint32_t cd_left;          /* sectors to read beyond the buffer */
    uint32_t cd_sector;        /* bytes of each as they are delivered */
    uint32_t buf_len, buf_pos; /* packet data in the buffer */
    IdeNcqError ncq_error;

    int32_t mult_sectors; /* of READ and WRITE MULTIPLE; 0: not set */
    int32_t identify_set;
    uint8_t identify_data[IDE_SECTOR];
    uint8_t feature, error;
    uint32_t nsector; /* as written; up to 65536 while a command goes on */
    uint8_t sector, lcyl, hcyl;
    uint8_t hob_feature, hob_sector, hob_nsector, hob_lcyl, hob_hcyl;
    uint8_t select, status, lba48;
    uint8_t sense_key, asc, cdrom_changed;

    int32_t req_nb_sectors;
    uint8_t *buffer;          /* IDE_BUFFER bytes */
    int32_t pio_pos, pio_len; /* what the data port is to take or give */
    uint8_t end;              /* IdeEnd */
    int32_t elementary_size;  /* bytes of the packet data part going on */
    int32_t packet_size;      /* bytes of packet data to go */
    bool tray_open, tray_locked;
    bool new_media, eject_request; /* events for the guest */
};

/* Bus master registers of a channel. */
typedef struct IdeBm {
    uint8_t cmd, status;
    uint32_t addr;              /* of the PRD table */
    uint8_t compat_status;      /* in the stream: status with retry bits */
    uint32_t cur_addr, cur_len; /* rest of the current region */
    uint32_t next_prd;          /* address of the entry after it */
    bool last;                  /* no entry follows */
} IdeBm;

/* How a transfer by DMA ended. */
typedef enum IdeDmaEnd {
    IDE_DMA_DONE,
    IDE_DMA_CUT,       /* the drive failed, or the command was cancelled */
    IDE_DMA_BUS_ERROR, /* memory didn't take or give the data */
    IDE_DMA_SHORT,     /* the table ended before the data did */
} IdeDmaEnd;

/* What lies between a channel's drives and software.  NULL: not of interest. */
typedef struct IdeTransport {
    /* A command has ended, or the data port is to be served. */
    void (*raise_irq)(IdeChannel *ch);
    void (*lower_irq)(IdeChannel *ch);
    /* May a command by DMA go on?  Else ide_dma_run() is called when it may. */
    bool (*dma_ready)(const IdeChannel *ch);
    /* Buffer to guest memory or back; bytes done, less if the table ends. */
    size_t (*dma_copy)(IdeChannel *ch, uint8_t *buf, size_t len, bool to_guest,
                       bool *ret_bad);
    /* The command's data goes from its table's beginning again. */
    void (*dma_rewind)(IdeChannel *ch);
    /* The drive's status is set already, but for an error's. */
    void (*dma_ended)(IdeChannel *ch, IdeDmaEnd how);
    /* The drive has dealt with the end of a request to the host. */
    void (*io_ended)(IdeDrive *d);
    void (*reset)(IdeChannel *ch);
    /* The drive goes, with what it does for queued commands. */
    void (*drive_gone)(IdeChannel *ch);
    bool ncq; /* commands may be queued */
} IdeTransport;

struct IdeChannel {
    Bus bus;
    const IdeTransport *transport;
    PciDevice *pci;
    IrqLine irq;
    IoRange io_cmd, io_ctl;
    unsigned num;        /* of the controller's, for firmware's paths */
    unsigned first_unit; /* the number of its first drive among all */
    unsigned ndrives;    /* places; the others are never filled */
    IdeDrive drives[IDE_DRIVES];
    IdeBm bm;
    IdeDma dma; /* what the current command transfers by DMA */
    IdeDrive *dma_drive;
    uint32_t dma_left; /* sectors to go; ATAPI: see the drive */

    uint8_t ctl; /* CTL_*; migrated */
    uint8_t unit;
    /* A command that goes on when the guest does; migrated. */
    int32_t error_status; /* RETRY_* */
    int64_t retry_sector;
    uint32_t retry_nsector;
    uint8_t retry_unit;
};

#define IDE_CHANNEL(b) container_of(b, IdeChannel, bus)

enum {
    RETRY_DMA = 0x08,
    RETRY_PIO = 0x10,
    RETRY_READ = 0x20,
    RETRY_FLUSH = 0x40,
    RETRY_TRIM = 0x80,
    RETRY_NCQ = 0x100, /* queued commands wait: in AHCI's stream only */
};

/* ide-hd and ide-cd */
typedef struct IdeDevice {
    Device dev;
    IdeDrive *drive; /* the place it took */
    BlockBackend *blk;

    DiskConf conf;
    char *serial, *version, *model;
    uint32_t unit;
    Geometry geo;  /* 0: chosen by size */
    Geometry lgeo; /* for the BIOS; 0: by translation */
    int translation;
    uint64_t wwn;
    uint16_t rotation_rate;
} IdeDevice;

/* bus.c */
extern const IoOps ide_cmd_ops[IDE_CHANNELS], ide_ctl_ops[IDE_CHANNELS];
void ide_channel_init(IdeChannel *ch, PciDevice *pci, const IdeTransport *t,
                      unsigned num, unsigned ndrives);
void ide_channel_fini(IdeChannel *ch);
void ide_channel_reset(IdeChannel *ch);
/* As the device control register does it, with both drives. */
void ide_soft_reset(IdeChannel *ch);
/* As after power on; drops what was going on. */
void ide_drive_reset(IdeDrive *d);
void ide_set_signature(IdeDrive *d);
void ide_raise_irq(IdeChannel *ch);
/* Ends a command without data: status and interrupt. */
void ide_done(IdeDrive *d);
void ide_abort(IdeDrive *d, uint8_t error);
/* Offers or asks for data on the data port; the caller raises the interrupt. */
void ide_pio_start(IdeDrive *d, unsigned pos, unsigned len, IdeEnd end);
void ide_pio_stop(IdeDrive *d);
/* All that the data port was to take or give has gone another way. */
void ide_pio_moved(IdeDrive *d);
/* One request at a time, on the drive's buffer; `fn(d)` unless cancelled. */
void ide_read(IdeDrive *d, uint64_t off, size_t bytes, size_t at,
              BlockDone *fn);
void ide_write(IdeDrive *d, uint64_t off, size_t bytes, BlockDone *fn);
void ide_flush(IdeDrive *d, BlockDone *fn);
/*
 * The host didn't do it: what werror= and rerror= make of that.  STOP: the
 * drive keeps its command, and `how` (RETRY_*) is done when the guest goes on.
 */
BlockErrorChoice ide_io_failed(IdeDrive *d, int ret, unsigned how);
/* Ends the command that flushed: BlockDone for ide_flush(). */
void ide_flush_done(void *opaque, int ret);
/*
 * Ends what the drive does.  A request that the host has not done is let go,
 * with its buffer: nobody waits for the host here.
 */
void ide_cancel(IdeDrive *d);

/* ata.c */
void ide_command(IdeDrive *d, uint8_t cmd);
void ata_end_of_transfer(IdeDrive *d);
uint64_t ata_lba(const IdeDrive *d);
void ata_set_lba(IdeDrive *d, uint64_t lba);
uint64_t ata_sectors(const IdeDrive *d); /* of the medium */
/* Begins a command anew at its first sector that isn't done. */
void ata_retry(IdeDrive *d, unsigned how);
void ata_pio_read(IdeDrive *d);

/* ata-misc.c: commands without disk data. */
void ata_set_features(IdeDrive *d);
void ata_smart(IdeDrive *d);
void ata_seek(IdeDrive *d);
void ata_set_multiple(IdeDrive *d);
void ata_native_max(IdeDrive *d, bool ext);
void ata_read_log(IdeDrive *d);
bool ata_trim_ranges(IdeDrive *d, size_t len);

/* identify.c */
/* Fills d->identify_data unless it is there. */
void ide_identify(IdeDrive *d);
void ide_identify_put(IdeDrive *d, unsigned word, uint16_t val);
uint16_t ide_identify_get(const IdeDrive *d, unsigned word);

/* drive.c */
void ide_guess_geometry(IdeDevice *s);
IdeGeometry ide_bios_geometry(const IdeDevice *s);
/* ide-hd or ide-cd on a place, for a back end that -drive named for it. */
bool ide_create_drive(IdeChannel *ch, unsigned unit, BlockBackend *b,
                      GError **errp);

/* atapi.c */
void atapi_packet(IdeDrive *d);
void atapi_end_of_transfer(IdeDrive *d);
void atapi_error(IdeDrive *d, uint8_t key, uint8_t asc);
void atapi_dma(IdeDrive *d);
void atapi_ok(IdeDrive *d);
/* `len` bytes in the buffer to the guest, at most `max`. */
void atapi_reply(IdeDrive *d, unsigned len, unsigned max);
void atapi_read(IdeDrive *d, uint64_t lba, uint32_t nsectors, uint32_t sector);

/* atapi-cmds.c: packet commands but those that read sectors. */
void atapi_execute(IdeDrive *d, const uint8_t *cdb);
/* For users who move the tray; the opaque pointer is the drive. */
extern const BlockDevOps atapi_dev_ops;

/* dma.c */
/* The drive has a command that wants DMA; it begins when software does. */
void ide_dma_begin(IdeDrive *d, IdeDma kind, uint32_t nsectors);
/* The next part of the transfer, or its end. */
void ide_dma_run(IdeChannel *ch);
/* The drive has no more data. */
void ide_dma_end(IdeChannel *ch);
/* The bus didn't take it. */
void ide_dma_fail(IdeChannel *ch);
/* The table ended before the data did. */
void ide_dma_short(IdeDrive *d);

/* bmdma.c */
extern const IoOps ide_bm_ops;
extern const IdeTransport ide_bm_transport;
void ide_bm_reset(IdeBm *bm);

/* vmstate.c */
extern const Vmstate piix3_ide_vmstate;
extern const Vmstate ide_channel_vmstate, ide_drive_vmstate;

/* piix3-ide.c */
typedef struct PiixIde {
    PciDevice pci;
    MemoryRegion bm_io;
    IdeChannel ch[IDE_CHANNELS];
    RunStateListener run;
} PiixIde;

#endif
