/*
 * How a device reaches memory: an address space seen through a window that
 * is open or shut (bus mastering).  What lies behind is the machine's memory
 * today and an IOMMU's view of it one day; devices don't know.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_DMA_H
#define HW_CORE_DMA_H

#include "system/memory.h"

typedef struct DmaSpace {
    AddressSpace *as;
    bool open; /* atomic: written under vm_lock, read by any thread */
} DmaSpace;

static inline bool dma_is_open(const DmaSpace *dma)
{
    return __atomic_load_n(&dma->open, __ATOMIC_RELAXED);
}

/*
 * Until the end of it, this thread accesses memory in a device's name.  What it
 * meets may be registers, of that device too: those that take devices away or
 * begin requests ask, and take nothing.  Accesses nest.
 */
void dma_access_begin(void);
void dma_access_end(void);
bool dma_access_under_way(void);

#endif
