/*
 * Numbers of the migration stream (docs/devel/stream.md).
 *
 * The upper half are Godwit's own: they are used only after both sides have
 * said that they know them (wire features), so that any other peer sees the
 * plain stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_WIRE_H
#define MIGRATION_WIRE_H

enum {
    WIRE_MAGIC = 0x5145564d, /* "QEVM" */
    WIRE_VERSION = 3,
};

/* Type byte of a section. */
enum {
    WIRE_EOF = 0x00,
    WIRE_SECTION_START = 0x01,
    WIRE_SECTION_PART = 0x02,
    WIRE_SECTION_END = 0x03,
    WIRE_SECTION_FULL = 0x04,
    WIRE_SUBSECTION = 0x05,
    WIRE_DESCRIPTION = 0x06,
    WIRE_CONFIGURATION = 0x07,
    WIRE_COMMAND = 0x08,
    WIRE_FOOTER = 0x7e,
};

/* Commands: be16 number, be16 length of what follows. */
enum {
    WIRE_CMD_OPEN_RETURN_PATH = 1,
    WIRE_CMD_PING = 2,            /* be32: comes back as a pong */
    WIRE_CMD_POSTCOPY_ADVISE = 3, /* be64 page sizes or-ed, be64 4096 */
    WIRE_CMD_POSTCOPY_LISTEN = 4,
    WIRE_CMD_POSTCOPY_RUN = 5,
    WIRE_CMD_RAM_DISCARD = 6, /* u8 0, name, u8 0, be64 start and length, … */
    WIRE_CMD_PACKAGED = 7,    /* be32 bytes that follow */
    WIRE_CMD_POSTCOPY_RESUME = 9,
    WIRE_CMD_RECV_BITMAP = 10, /* name */

    WIRE_CMD_ENABLE = 0x4701,     /* be64 features that the source will use */
    WIRE_CMD_SWITCHOVER = 0x4702, /* be32 attempt: the guest stops now */
    WIRE_CMD_RUN = 0x4703,        /* be32 attempt: the guest is yours */
    WIRE_CMD_ABORT = 0x4704,      /* the guest goes on at the source for good */
    WIRE_CMD_FACTS = 0x4705,      /* text: what the source is (facts.h) */
};

/* Messages on the return path: be16 type, be16 length, payload. */
enum {
    WIRE_RP_SHUT = 1,         /* be32: 0 if the load went well */
    WIRE_RP_PONG = 2,         /* be32 */
    WIRE_RP_REQ_PAGES_ID = 3, /* be64 offset, be32 length, name */
    WIRE_RP_REQ_PAGES = 4,    /* the same of the block named before */
    WIRE_RP_RECV_BITMAP = 5,  /* name; behind it be64 n, n bytes, be64 end */
    WIRE_RP_RESUME_ACK = 6,   /* be32 1 */

    WIRE_RP_FEATURES = 0x4701, /* be64; only after a ping of WIRE_HELLO */
    WIRE_RP_LOADED = 0x4702,   /* be32 attempt, be64 x 2: load, CPU (us) */
    WIRE_RP_RESUMED = 0x4703,  /* be64: us from the RUN command */
    WIRE_RP_ERROR = 0x4704,    /* text: why the destination gives up */
};

enum { WIRE_HELLO = 0x476f6477 /* "Godw": a ping with this value asks */ };
enum { WIRE_RP_MAX = 1024 /* bytes of a return path payload */ };
/* While the guest stands, both sides wait for each other awake so long. */
enum { WIRE_SPIN_US = 2000 };

/* Wire features. */
#define WIRE_F_ABSENT  (UINT64_C(1) << 0) /* pages never sent are zero */
#define WIRE_F_EXTENTS (UINT64_C(1) << 1) /* runs of pages in one record */
#define WIRE_F_COMMIT  (UINT64_C(1) << 2) /* loaded/run hand-shake */
#define WIRE_F_FACTS   (UINT64_C(1) << 3) /* the source says what it is */
#define WIRE_F_MULTIFD (UINT64_C(1) << 4) /* channels; marks where they sync */
/* Those that every Godwit has. */
#define WIRE_F_ALL (WIRE_F_ABSENT | WIRE_F_EXTENTS | WIRE_F_COMMIT)

/* Flags in the low twelve bits of a RAM record's be64 page offset. */
enum {
    RAM_REC_FILL = 0x02,     /* u8: every byte of the page */
    RAM_REC_MEM_SIZE = 0x04, /* total size and the list of blocks */
    RAM_REC_PAGE = 0x08,     /* the page itself */
    RAM_REC_EOS = 0x10,
    RAM_REC_CONTINUE = 0x20, /* same block as before: no name */
    RAM_REC_XBZRLE = 0x40,
    RAM_REC_HOOK = 0x80,
    RAM_REC_COMPRESSED = 0x100,
    RAM_REC_MULTIFD_FLUSH = 0x200, /* all channels are in step here */
    RAM_REC_EXTENT = 0x800, /* be32 pages, then (unless FILL) their bytes */
    RAM_REC_FLAGS = 0xfff,
};

enum { RAM_XBZRLE_DELTA = 1 /* u8 behind RAM_REC_XBZRLE; then be16, delta */ };

enum {
    RAM_SECTION_ID = 2,
    RAM_SECTION_VERSION = 4,
};

#endif
