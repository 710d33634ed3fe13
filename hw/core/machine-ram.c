/*
 * The memory of a machine: a block of its own, or a user's back end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-priv.h"

#include "util/error.h"

static bool machine_own_ram(Machine *m, GError **errp)
{
    const RamBlockOptions opts = {
        .size = m->ram_size,
        .fd = -1,
        .no_merge = !m->mem_merge,
        .no_dump = !m->dump_guest_core,
    };

    m->ram = ram_block_new(&m->vm->mem.ram, m->type->ram_id, &opts, errp);
    return m->ram != NULL;
}

bool machine_build_ram(Machine *m, GError **errp)
{
    if (m->ram_size == 0) {
        return true;
    }
    if (m->type->ram_id == NULL) {
        error_setf(errp, "machine '%s' takes no memory", m->type->name);
        return false;
    }
    if (!machine_own_ram(m, errp)) {
        return false;
    }
    memory_region_init_ram_block(&m->ram_region, &m->vm->mem, m->type->ram_id,
                                 m->ram);
    return true;
}
