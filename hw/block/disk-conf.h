/*
 * What disks of every bus have in common: the drive that users name, its block
 * sizes, what is done on errors, its place in the boot order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_DISK_CONF_H
#define HW_BLOCK_DISK_CONF_H

#include "block/block.h"
#include "hw/block/geometry.h"
#include "hw/core/device.h"

/* For discard_gran: users have set none. */
#define DISK_GRANULARITY_AUTO UINT32_MAX

/* Part of a disk; its properties. */
typedef struct DiskConf {
    char *drive_name;
    uint64_t logical_block, physical_block; /* bytes; 0: default */
    uint64_t min_io, opt_io, discard_gran;  /* bytes; 0: not told */
    int write_cache;                        /* OnOffAuto */
    int backend_defaults, account_invalid, account_failed;
    int rerror, werror; /* BlockOnError */
    int32_t bootindex;  /* -1: none */
    bool share_rw;
    /* Of the device's node, the part that firmware boots from; set by the
     * device before disk_conf_attach(), "" for the node itself. */
    char boot_node[16];
} DiskConf;

/* By BlockOnError. */
extern const char *const disk_conf_error_names[];

bool disk_conf_prop_set_bootindex(Object *obj, const Property *p,
                                  const JsonValue *val, GError **errp);

/* Geometry geo, and lgeo, which a BIOS is to be told. */
#define DISK_GEOMETRY_PROPS(T, geo, lgeo)           \
    PROP(PROP_U32, T, geo.cylinders, "cyls"),       \
        PROP(PROP_U32, T, geo.heads, "heads"),      \
        PROP(PROP_U32, T, geo.sectors, "secs"),     \
        PROP(PROP_U32, T, lgeo.cylinders, "lcyls"), \
        PROP(PROP_U32, T, lgeo.heads, "lheads"),    \
        PROP(PROP_U32, T, lgeo.sectors, "lsecs")

#define DISK_CONF_SIZE_PROP(T, f, name) \
    PROP(PROP_SIZE, T, f, name,         \
         .help = "A power of two between 512 B and 2 MiB")

#define DISK_CONF_ERROR_PROP(T, f, name)                        \
    PROP(PROP_ENUM, T, f, name, .names = disk_conf_error_names, \
         .type_name = "BlockdevOnError", .def = BLOCK_ON_ERROR_AUTO)

/* For the table of properties of a disk T, whose member f is the DiskConf. */
#define DISK_CONF_PROPS(T, f)                                              \
    PROP(PROP_STR, T, f.drive_name, "drive",                               \
         .help = "Node name or ID of a block device to use as a backend"), \
        DISK_CONF_SIZE_PROP(T, f.logical_block, "logical_block_size"),     \
        DISK_CONF_SIZE_PROP(T, f.physical_block, "physical_block_size"),   \
        PROP(PROP_ON_OFF_AUTO, T, f.backend_defaults, "backend_defaults"), \
        PROP(PROP_SIZE, T, f.min_io, "min_io_size"),                       \
        PROP(PROP_SIZE, T, f.opt_io, "opt_io_size"),                       \
        PROP(PROP_SIZE, T, f.discard_gran, "discard_granularity",          \
             .def = DISK_GRANULARITY_AUTO),                                \
        PROP(PROP_ON_OFF_AUTO, T, f.write_cache, "write-cache"),           \
        PROP(PROP_BOOL, T, f.share_rw, "share-rw"),                        \
        PROP(PROP_ON_OFF_AUTO, T, f.account_invalid, "account-invalid"),   \
        PROP(PROP_ON_OFF_AUTO, T, f.account_failed, "account-failed"),     \
        DISK_CONF_ERROR_PROP(T, f.rerror, "rerror"),                       \
        DISK_CONF_ERROR_PROP(T, f.werror, "werror"),                       \
        PROP(PROP_I32, T, f.bootindex, "bootindex", .def = -1,             \
             .set = disk_conf_prop_set_bootindex, .run_time = true)

/*
 * Sets the block sizes that users haven't, and discard_granularity to
 * `granularity` bytes or a block; false: one can't be, or a property has a
 * value that isn't in this version.
 */
bool disk_conf_check(DiskConf *c, uint64_t granularity, GError **errp);

/* The same of a geometry with at most that many heads, zero throughout where
 * users have set none. */
bool disk_conf_check_geometry(const Geometry *geo, unsigned max_heads,
                              GError **errp);
/*
 * That of the partitions or by size, if users have set none.  Reads the
 * medium, but not while the VM runs: nobody waits for storage then.
 */
bool disk_conf_set_geometry(Geometry *geo, const Device *dev, BlockBackend *b,
                            GError **errp);
/* For disks whose BIOS geometry nobody is told: refuses one. */
bool disk_conf_check_no_bios_geometry(const Geometry *lgeo, GError **errp);

/*
 * The back end that drive= names, not yet attached; NULL and an error if there
 * is none.  `type` is the device in the error's words.  optional: without
 * drive= an empty one is made.  needs_medium: an empty one is refused.
 */
BlockBackend *disk_conf_find(const DiskConf *c, const Device *dev,
                             const char *type, bool optional, bool needs_medium,
                             GError **errp);

/*
 * Joins the back end and the device with all that users have set, and puts it
 * into the boot order; `part` is block_attach_part()'s or NULL.  On failure
 * nothing is left but what block_release() undoes.
 */
bool disk_conf_attach(const DiskConf *c, BlockBackend *b, Device *dev,
                      const char *part, bool removable, GError **errp);
/* Undoes disk_conf_attach(); `b` is gone afterwards. */
void disk_conf_detach(BlockBackend *b, Device *dev);

#endif
