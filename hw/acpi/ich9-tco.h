/*
 * TCO block of the ICH9: the watchdog timer and what belongs to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_ICH9_TCO_H
#define HW_ACPI_ICH9_TCO_H

#include "hw/core/device.h"

enum { ICH9_TCO_PORTS = 32 };

/* What the chip does for the block. */
typedef struct Ich9TcoOps {
    void (*smi)(void *opaque);     /* if the chip lets TCO events make one */
    bool (*reboots)(void *opaque); /* does the second timeout do so? */
} Ich9TcoOps;

typedef struct Ich9Tco {
    Device *dev;
    const Ich9TcoOps *ops;
    void *opaque;
    uint16_t rld, sts1, sts2, cnt1, cnt2, tmr; /* migrated, as all below */
    uint8_t din, dout, msg1, msg2, wdcnt, sw_irq_gen;
    int64_t expire_ns; /* of the next timeout; -1: it doesn't run */
    uint8_t timeouts;  /* since it was reloaded last */
    Timer timer;
} Ich9Tco;

void ich9_tco_init(Ich9Tco *t, Device *dev, const Ich9TcoOps *ops,
                   void *opaque);
void ich9_tco_fini(Ich9Tco *t);
void ich9_tco_reset(Ich9Tco *t);
/* off: below ICH9_TCO_PORTS; size: 1, 2 or 4 bytes. */
uint64_t ich9_tco_read(Ich9Tco *t, unsigned off, unsigned size);
void ich9_tco_write(Ich9Tco *t, unsigned off, uint32_t val, unsigned size);
extern const Vmstate ich9_tco_vmstate;

#endif
