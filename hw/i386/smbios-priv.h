/*
 * What -smbios options say, for the builder of the tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_SMBIOS_PRIV_H
#define HW_I386_SMBIOS_PRIV_H

#include "hw/i386/smbios.h"

/* Structure types, DSP0134 clause 7. */
enum {
    SMBIOS_BIOS = 0,
    SMBIOS_SYSTEM = 1,
    SMBIOS_BOARD = 2,
    SMBIOS_CHASSIS = 3,
    SMBIOS_CPU = 4,
    SMBIOS_PORT = 8,
    SMBIOS_OEM_STRINGS = 11,
    SMBIOS_MEMORY_ARRAY = 16,
    SMBIOS_MEMORY_DEVICE = 17,
    SMBIOS_ARRAY_ADDRESS = 19,
    SMBIOS_BOOT = 32,
    SMBIOS_ONBOARD = 41,
    SMBIOS_END = 127,
    SMBIOS_TYPES = 256,
    SMBIOS_HEADER = 4, /* type, length, handle */
};

/* Strings are NULL if they were not given, and owned here. */
typedef struct SmbiosPort {
    char *internal, *external;
    uint64_t connector, kind; /* 0..255 */
} SmbiosPort;

typedef struct SmbiosOnboard {
    char *designation, *pcidev;
    uint64_t kind;     /* SMBIOS_ONBOARD's type of device, 1..10 */
    uint64_t instance; /* 0..255 */
} SmbiosOnboard;

struct SmbiosOptions {
    bool has_fields[SMBIOS_TYPES], has_file[SMBIOS_TYPES];
    GByteArray *files; /* structures of file=, one behind the other */
    unsigned nfiles;   /* number of structures */
    unsigned longest;  /* of them, bytes */

    struct {
        char *vendor, *version, *date;
        uint8_t release[2]; /* major, minor */
        bool uefi;
    } bios;
    struct {
        char *manufacturer, *product, *version, *serial, *sku, *family;
        uint8_t uuid[16];
        bool uuid_set;
    } system;
    struct {
        char *manufacturer, *product, *version, *serial, *asset, *location;
    } board;
    struct {
        char *manufacturer, *version, *serial, *asset, *sku;
    } chassis;
    struct {
        char *prefix, *manufacturer, *version, *serial, *asset, *part;
        uint64_t max_mhz, cur_mhz; /* 0..65535 */
        uint64_t id;               /* 0: that of the vCPUs */
    } cpu;
    struct {
        char *prefix, *bank, *manufacturer, *serial, *asset, *part;
        uint64_t mts; /* megatransfers/s, 0..65535; 0: unknown */
    } dimm;
    GArray *ports;      /* SmbiosPort */
    GArray *onboards;   /* SmbiosOnboard */
    GPtrArray *strings; /* char *: OEM strings, at most 255 */
};

#endif
