/*
 * Memory back ends: objects memory-backend-ram, -file and -memfd, each a RAM
 * block that a machine or a memory device shows to the guest.
 *
 * A back end maps its memory in object_complete(), when it must be in the
 * tree of a VM: its name there is its id.  Main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_HOSTMEM_H
#define SYSTEM_HOSTMEM_H

#include "qom/object.h"
#include "system/ramblock.h"
#include "util/bitmap.h"

enum { HOSTMEM_NODES = 128 }; /* host NUMA nodes that can be named */

/* Values of HostMemPolicy, in the schema's order. */
typedef enum HostMemBinding {
    HOSTMEM_POLICY_DEFAULT,
    HOSTMEM_POLICY_PREFERRED,
    HOSTMEM_POLICY_BIND,
    HOSTMEM_POLICY_INTERLEAVE,
} HostMemBinding;

typedef struct HostMem {
    Object obj;
    RamList *list; /* where ram is; set when complete */
    RamBlock *ram; /* owned; NULL until complete */
    bool in_use;
    /* Properties. */
    uint64_t size;
    bool share, prealloc, merge, dump, reserve;
    bool canonical_path; /* the block is named by the object's path */
    uint32_t prealloc_threads;
    char *prealloc_context;
    int policy; /* HostMemBinding */
    unsigned long nodes[HOSTMEM_NODES / BITMAP_WORD_BITS];
    /* memory-backend-file */
    char *mem_path;
    uint64_t align;
    bool pmem, read_only, discard_data;
    /* memory-backend-memfd */
    bool hugetlb, seal;
    uint64_t hugetlb_size;
} HostMem;

/* The types, for object_types_add(). */
const ObjectType *const *hostmem_object_types(void);
/* The back end behind an object; NULL if it is none. */
HostMem *hostmem_from_object(Object *obj);
/*
 * Takes the back end for one user: its block shows in the migration stream
 * from now on.  NULL if it is in use, not complete, or no back end.
 */
RamBlock *hostmem_claim(Object *obj, GError **errp);
/*
 * The same for a device: its block is named PATH/ID in the stream, by the
 * device's path there.
 */
RamBlock *hostmem_claim_for(Object *obj, const char *path, GError **errp);
/* The user is gone: the back end may be deleted, or claimed again. */
void hostmem_release(Object *obj);

#endif
