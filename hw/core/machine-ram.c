/*
 * The memory of a machine: a block of its own, or a user's back end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-priv.h"

#include "hw/core/numa.h"
#include "system/hostmem.h"
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

/* memory-backend=: its size is the machine's, unless -m says otherwise. */
static bool machine_backend_ram(Machine *m, GError **errp)
{
    Object *objects = object_child(m->vm->root, "objects");
    Object *obj = object_child(objects, m->memory_backend);
    HostMem *mem = obj != NULL ? hostmem_from_object(obj) : NULL;

    if (mem == NULL) {
        error_setf(errp, "Memory backend '%s' not found", m->memory_backend);
        return false;
    }
    if (m->ram_size_given && m->ram_size != mem->size) {
        error_setf(errp,
                   "Machine memory size (%" PRIu64 ") does not match the size "
                   "of the memory backend '%s' (%" PRIu64 ")",
                   m->ram_size, m->memory_backend, mem->size);
        return false;
    }
    m->ram = hostmem_claim(obj, errp);
    if (m->ram == NULL) {
        return false;
    }
    m->ram_size = m->ram->used_length;
    return true;
}

bool machine_ram_is_file(const Machine *m)
{
    for (unsigned i = 0; i < numa_count(m); i++) {
        const RamBlock *rb = m->numa->nodes[i].ram.ram;

        if (rb != NULL && rb->backing == RAM_FILE) {
            return true;
        }
    }
    return m->ram != NULL && m->ram->backing == RAM_FILE;
}

bool machine_build_ram(Machine *m, GError **errp)
{
    bool named = m->memory_backend != NULL && *m->memory_backend != '\0';

    if (!numa_complete(m, errp)) {
        return false;
    }
    if (numa_count(m) > 0) {
        return numa_build_ram(m, errp);
    }
    if (m->ram_size == 0 && !named) {
        return true;
    }
    if (m->type->ram_id == NULL) {
        error_setf(errp, "machine '%s' takes no memory", m->type->name);
        return false;
    }
    if (named ? !machine_backend_ram(m, errp) : !machine_own_ram(m, errp)) {
        return false;
    }
    m->ram->main_memory = true;
    memory_region_init_ram_block(&m->ram_region, &m->vm->mem, m->ram->name,
                                 m->ram);
    return true;
}
