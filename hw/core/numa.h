/*
 * NUMA nodes of the guest: which memory and which CPUs are near each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_NUMA_H
#define HW_CORE_NUMA_H

#include "system/memory.h"
#include "util/keyval.h"

struct Machine;

enum {
    NUMA_NODES = 128, /* at most */
    NUMA_NEAR = 10,   /* distance of a node to itself: ACPI 6.3, 5.2.17 */
    NUMA_NO_NODE = -1,
};

typedef struct NumaNode {
    bool present;
    char *memdev;  /* id of its memory backend; NULL: it has no memory */
    uint64_t size; /* bytes */
    MemoryRegion ram;
} NumaNode;

typedef struct Numa {
    NumaNode nodes[NUMA_NODES]; /* without gaps once it is complete */
    unsigned nnodes;
    bool has_distances;
    uint8_t distance[NUMA_NODES][NUMA_NODES]; /* [from][to]; 0: not said */
    int16_t *cpus; /* node of each vCPU that there may be, or NUMA_NO_NODE */
    bool has_cpus; /* the user gave some */
} Numa;

/*
 * One -numa option (type= node, dist or cpu) for a machine that isn't built
 * yet; memory backends and -smp come before it.
 */
bool numa_add(struct Machine *m, KeyVal *kv, GError **errp);
/* All options are there: memory agrees, and every CPU has its node. */
bool numa_complete(struct Machine *m, GError **errp);
/* m->ram_region is what the nodes' backends are, in the nodes' order. */
bool numa_build_ram(struct Machine *m, GError **errp);
/* 0: the machine has no NUMA nodes. */
unsigned numa_count(const struct Machine *m);
/* The node of a vCPU that there may be; NUMA_NO_NODE if it has none. */
int numa_node_of_cpu(const struct Machine *m, unsigned index);
/* The backends are released with their objects. */
void numa_free(struct Machine *m);

#endif
