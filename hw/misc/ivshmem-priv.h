/*
 * What the files of the ivshmem devices share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_IVSHMEM_PRIV_H
#define HW_MISC_IVSHMEM_PRIV_H

#include "hw/char/frontend.h"
#include "hw/pci/pci.h"
#include "util/event-notifier.h"

enum {
    IVSHMEM_INTRMASK = 0, /* both: words without effect, but reads clear … */
    IVSHMEM_INTRSTATUS = 4, /* … this one */
    IVSHMEM_IVPOSITION = 8, /* own id; read-only */
    IVSHMEM_DOORBELL = 12,  /* written: peer << 16 | vector */
    IVSHMEM_REGS_SIZE = 256,
    IVSHMEM_VERSION = 0, /* of the protocol between server and client */
    IVSHMEM_ID_MAX = 65535,
};

typedef struct Ivshmem Ivshmem;

/* Somebody else with the same memory. */
typedef struct IvshmemPeer {
    Ivshmem *s;
    uint16_t id;
    unsigned nvectors;      /* that the server has passed on so far */
    EventNotifier *vectors; /* of s->nvectors elements: addresses stay */
} IvshmemPeer;

/* The connection to the server. */
typedef struct IvshmemClient {
    CharFrontend chr;
    uint16_t id;        /* that the server gave us */
    unsigned own;       /* vectors of ours whose eventfd has come */
    uint8_t message[8]; /* not complete yet … */
    unsigned have;      /* … but for so many bytes */
    int fd;             /* that came with it; -1: none */
    bool too_many_fds;  /* … there were more */
    bool over;          /* nothing the server says matters any more */
    bool said_surplus;  /* it passes on more vectors than we have */
    GHashTable *peers;  /* id -> IvshmemPeer */
} IvshmemClient;

struct Ivshmem {
    PciDevice pci;
    MemoryRegion regs, memory; /* memory: no name until it is there */
    RamBlock *shared;
    Object *backend;     /* ivshmem-plain: what `shared` is claimed from */
    uint32_t intrmask;   /* migrated */
    uint32_t intrstatus; /* migrated */
    bool is_master;      /* the memory goes along when the guest moves */
    unsigned blocker;    /* of migration, if it is none; 0: not set */
    /* Properties */
    OnOffAuto master;
    char *memdev;      /* ivshmem-plain */
    char *chardev;     /* ivshmem-doorbell */
    uint32_t nvectors; /* the same; 0: ivshmem-plain */
    bool ioeventfd;
    IvshmemClient client;
};

static inline Ivshmem *ivshmem_of(Device *dev)
{
    return container_of(dev, Ivshmem, pci.dev);
}

/*
 * ivshmem-doorbell: waits until the server has said what it says first, if it
 * does within some seconds; see DeviceType.await.
 */
void ivshmem_client_await(Ivshmem *s);
/*
 * Attaches to the server and takes from it our id and the memory's file
 * descriptor, which is the caller's; -1 with errp.  Doesn't wait.
 */
int ivshmem_client_open(Ivshmem *s, GError **errp);
/* Lets go of server and peers; fine if it wasn't opened. */
void ivshmem_client_close(Ivshmem *s);
/* The guest rings: peer << 16 | vector.  Nobody there: nothing happens. */
void ivshmem_client_ring(Ivshmem *s, uint32_t val);

#endif
