/*
 * Firmware of a PC in flash: one chip that ends at 4 GiB, with the code, and
 * one below it, with the variables.  The end of the code shows below 1 MiB
 * too, as a copy.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/pc.h"

#include "block/block.h"
#include "hw/block/pflash.h"
#include "system/vm.h"
#include "util/error.h"
#include "util/log.h"

/* Of -machine pflashN=, or the drive in that slot; NULL: there is none. */
static bool pc_flash_drive(PcMachine *p, unsigned n, const char **ret_name,
                           GError **errp)
{
    BlockBackend *b = block_find_slot(p->x.m.vm->blocks, "pflash", 0, n);

    if (b != NULL && p->opt_pflash[n] != NULL) {
        error_setf(errp,
                   "-drive if=pflash ('%s') clashes with -machine "
                   "pflash%u=%s",
                   block_name(b), n, p->opt_pflash[n]);
        return false;
    }
    *ret_name = b != NULL ? block_name(b) : p->opt_pflash[n];
    return true;
}

bool pc_init_flash(PcMachine *p, GError **errp)
{
    uint64_t end = UINT64_C(1) << 32, left = p->max_fw_size, size;
    Machine *m = &p->x.m;
    const char *drives[PC_FLASHES];

    for (unsigned i = 0; i < PC_FLASHES; i++) {
        if (!pc_flash_drive(p, i, &drives[i], errp)) {
            return false;
        }
        if (i > 0 && drives[i] != NULL && drives[i - 1] == NULL) {
            error_setf(errp, "pflash%u requires pflash%u", i, i - 1);
            return false;
        }
    }
    for (unsigned i = 0; i < PC_FLASHES && drives[i] != NULL; i++) {
        p->flash[i] = pflash_create(m, i, drives[i], end, left, errp);
        if (p->flash[i] == NULL) {
            return false;
        }
        pflash_bytes(p->flash[i], &size);
        end -= size;
        left -= size;
    }
    if (p->flash[0] != NULL && m->firmware != NULL) {
        log_warn("firmware '%s' isn't used: there is one in pflash0",
                 m->firmware);
    }
    return true;
}

bool pc_init_isa_flash(PcMachine *p, MemoryRegion *parent, uint64_t max,
                       GError **errp)
{
    X86Machine *x = &p->x;
    uint64_t size, len;
    const uint8_t *code = pflash_bytes(p->flash[0], &size);

    len = MIN(size, max);
    if (!memory_region_init_ram(&x->isa_bios, &x->m.vm->mem, "isa-bios", len,
                                errp)) {
        return false;
    }
    memcpy(memory_region_ram_ptr(&x->isa_bios), code + (size - len), len);
    memory_region_set_readonly(&x->isa_bios, true);
    memory_region_add(parent, MiB - len, &x->isa_bios, 1);
    return true;
}
