/*
 * Whose accesses to memory those of this thread are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/dma.h"

static __thread unsigned dma_accesses; /* begun, not ended */

void dma_access_begin(void)
{
    dma_accesses++;
}

void dma_access_end(void)
{
    dma_accesses--;
}

bool dma_access_under_way(void)
{
    return dma_accesses > 0;
}
