/*
 * Memory regions: the tree, and the transactions that change it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/memory.h"

#include "system/memory-priv.h"
#include "util/error.h"

void memory_init(Memory *mem)
{
    memset(mem, 0, sizeof(*mem));
    free_hints_init(&mem->hints);
    memory_region_init(&mem->root, mem, "system", UINT64_MAX);
    memory_region_init(&mem->io_root, mem, "io", 0x10000);
    address_space_init(&mem->memory, mem, "memory", &mem->root);
    address_space_init(&mem->io, mem, "I/O", &mem->io_root);
    memory_region_init(&mem->smm_root, mem, "smm", UINT64_MAX);
    memory_region_init_alias(&mem->smm_system, mem, "smm-system", &mem->root, 0,
                             UINT64_MAX);
    memory_region_add(&mem->smm_root, 0, &mem->smm_system, 0);
}

void memory_smm_init(Memory *mem)
{
    if (!mem->smm.mem) {
        address_space_init(&mem->smm, mem, "SMM", &mem->smm_root);
    }
}

void memory_fini(Memory *mem)
{
    GList *link;

    address_space_fini(&mem->memory);
    address_space_fini(&mem->io);
    address_space_fini(&mem->smm);
    free_hints_fini(&mem->hints);
    memory_region_fini(&mem->smm_root);
    memory_region_fini(&mem->smm_system);
    memory_region_fini(&mem->root);
    memory_region_fini(&mem->io_root);
    while ((link = mem->ram.blocks.head)) {
        ram_block_free(&mem->ram, container_of(link, RamBlock, link));
    }
}

void memory_update(Memory *mem)
{
    if (!mem->changed) {
        return;
    }
    mem->changed = false;
    address_space_update(&mem->memory);
    address_space_update(&mem->io);
    address_space_update(&mem->smm);
}

void memory_transaction_begin(Memory *mem)
{
    mem->depth++;
}

void memory_transaction_commit(Memory *mem)
{
    g_assert(mem->depth > 0);
    if (--mem->depth == 0) {
        memory_update(mem);
    }
}

/* The tree is not the same any more: rebuild now, or when the last commits. */
static void region_changed(MemoryRegion *mr)
{
    mr->mem->changed = true;
    if (mr->mem->depth == 0) {
        memory_update(mr->mem);
    }
}

void memory_region_init(MemoryRegion *mr, Memory *mem, const char *name,
                        uint64_t size)
{
    memset(mr, 0, sizeof(*mr));
    mr->name = g_strdup(name);
    mr->kind = MEMORY_CONTAINER;
    mr->size = size;
    mr->enabled = true;
    mr->mem = mem;
}

void memory_region_init_io(MemoryRegion *mr, Memory *mem, const char *name,
                           uint64_t size, const IoOps *ops, struct Device *dev)
{
    memory_region_init(mr, mem, name, size);
    mr->kind = MEMORY_IO;
    mr->ops = ops;
    mr->dev = dev;
}

void memory_region_init_ram_block(MemoryRegion *mr, Memory *mem,
                                  const char *name, RamBlock *rb)
{
    memory_region_init(mr, mem, name, rb->used_length);
    mr->kind = rb->rom ? MEMORY_ROM : MEMORY_RAM;
    mr->ram = rb;
}

/* A region over a new anonymous block of the same name. */
static bool init_own_block(MemoryRegion *mr, Memory *mem, const char *block,
                           uint64_t size, MemoryKind kind, GError **errp)
{
    RamBlockOptions opts = { .size = size, .rom = kind != MEMORY_RAM };
    RamBlock *rb = ram_block_new(&mem->ram, block, &opts, errp);

    /* Half built, so that the owner's fini works in either case. */
    memory_region_init(mr, mem, block, size);
    if (!rb) {
        return false;
    }
    mr->kind = kind;
    mr->ram = rb;
    mr->owns_ram = true;
    return true;
}

bool memory_region_init_ram(MemoryRegion *mr, Memory *mem, const char *block,
                            uint64_t size, GError **errp)
{
    return init_own_block(mr, mem, block, size, MEMORY_RAM, errp);
}

bool memory_region_init_rom(MemoryRegion *mr, Memory *mem, const char *block,
                            uint64_t size, GError **errp)
{
    return init_own_block(mr, mem, block, size, MEMORY_ROM, errp);
}

bool memory_region_init_romd(MemoryRegion *mr, Memory *mem, const char *block,
                             uint64_t size, const IoOps *ops,
                             struct Device *dev, GError **errp)
{
    if (!init_own_block(mr, mem, block, size, MEMORY_ROMD, errp)) {
        return false;
    }
    mr->ops = ops;
    mr->dev = dev;
    mr->romd_mode = true;
    return true;
}

void memory_region_init_romd_block(MemoryRegion *mr, Memory *mem,
                                   const char *name, RamBlock *rb,
                                   const IoOps *ops, struct Device *dev)
{
    memory_region_init_ram_block(mr, mem, name, rb);
    mr->kind = MEMORY_ROMD;
    mr->ops = ops;
    mr->dev = dev;
    mr->romd_mode = true;
}

void memory_region_init_alias(MemoryRegion *mr, Memory *mem, const char *name,
                              MemoryRegion *target, uint64_t offset,
                              uint64_t size)
{
    memory_region_init(mr, mem, name, size);
    mr->kind = MEMORY_ALIAS;
    mr->alias = target;
    mr->alias_off = offset;
}

void memory_region_fini(MemoryRegion *mr)
{
    GList *link;

    if (!mr->mem) {
        return; /* never initialised */
    }
    if (mr->parent) {
        memory_region_del(mr);
    }
    memory_transaction_begin(mr->mem);
    while ((link = mr->children.head)) {
        memory_region_del(container_of(link, MemoryRegion, link));
    }
    memory_transaction_commit(mr->mem);
    /* The caller frees us: no view that others dispatch by may show us. */
    memory_update(mr->mem);
    if (mr->owns_ram) {
        ram_block_free(&mr->mem->ram, mr->ram);
    }
    g_clear_pointer(&mr->eventfds, g_array_unref);
    g_clear_pointer(&mr->coalesced, g_array_unref);
    g_clear_pointer(&mr->name, g_free);
    mr->ram = NULL;
    mr->mem = NULL;
}

void memory_region_add(MemoryRegion *parent, uint64_t addr, MemoryRegion *child,
                       int priority)
{
    GList *at = parent->children.head;

    g_assert(!child->parent);
    while (at && container_of(at, MemoryRegion, link)->priority > priority) {
        at = at->next;
    }
    child->addr = addr;
    child->priority = priority;
    child->parent = parent;
    child->link.data = child;
    g_queue_insert_before_link(&parent->children, at, &child->link);
    region_changed(child);
}

void memory_region_del(MemoryRegion *child)
{
    if (!child->parent) {
        return;
    }
    g_queue_unlink(&child->parent->children, &child->link);
    child->parent = NULL;
    region_changed(child);
}

void memory_region_set_enabled(MemoryRegion *mr, bool enabled)
{
    if (mr->enabled != enabled) {
        mr->enabled = enabled;
        region_changed(mr);
    }
}

void memory_region_set_address(MemoryRegion *mr, uint64_t addr)
{
    if (mr->addr != addr) {
        mr->addr = addr;
        region_changed(mr);
    }
}

void memory_region_set_size(MemoryRegion *mr, uint64_t size)
{
    if (mr->size != size) {
        mr->size = size;
        region_changed(mr);
    }
}

void memory_region_set_readonly(MemoryRegion *mr, bool ro)
{
    if (mr->read_only != ro) {
        mr->read_only = ro;
        region_changed(mr);
    }
}

void memory_region_set_alias_offset(MemoryRegion *mr, uint64_t off)
{
    if (mr->alias_off != off) {
        mr->alias_off = off;
        region_changed(mr);
    }
}

void memory_region_set_romd(MemoryRegion *mr, bool romd)
{
    if (mr->romd_mode != romd) {
        mr->romd_mode = romd;
        region_changed(mr);
    }
}

void memory_region_set_fetch_only(MemoryRegion *mr, bool on)
{
    if (mr->fetch_only != on) {
        mr->fetch_only = on;
        region_changed(mr);
    }
}

void memory_region_set_log(MemoryRegion *mr, DirtyClient c, bool on)
{
    uint8_t mask = mr->dirty_log & ~(1U << c);

    if (on) {
        mask |= 1U << c;
    }
    if (mask != mr->dirty_log) {
        mr->dirty_log = mask;
        region_changed(mr);
    }
}

/* Order of a region's eventfds: by address, size, data. */
static int eventfd_compare(const MemoryEventFd *a, const MemoryEventFd *b)
{
    if (a->addr != b->addr) {
        return a->addr < b->addr ? -1 : 1;
    }
    if (a->size != b->size) {
        return a->size < b->size ? -1 : 1;
    }
    if (a->match_data != b->match_data) {
        return a->match_data ? 1 : -1;
    }
    if (a->match_data && a->data != b->data) {
        return a->data < b->data ? -1 : 1;
    }
    return 0;
}

void memory_region_add_eventfd(MemoryRegion *mr, const MemoryEventFd *e)
{
    guint i = 0;

    if (!mr->eventfds) {
        mr->eventfds = g_array_new(false, false, sizeof(MemoryEventFd));
    }
    while (i < mr->eventfds->len &&
           eventfd_compare(&g_array_index(mr->eventfds, MemoryEventFd, i), e) <=
               0) {
        i++;
    }
    g_array_insert_val(mr->eventfds, i, *e);
    region_changed(mr);
}

void memory_region_del_eventfd(MemoryRegion *mr, const MemoryEventFd *e)
{
    for (guint i = 0; mr->eventfds && i < mr->eventfds->len; i++) {
        const MemoryEventFd *have =
            &g_array_index(mr->eventfds, MemoryEventFd, i);

        if (!eventfd_compare(have, e) && have->notifier == e->notifier) {
            g_array_remove_index(mr->eventfds, i);
            region_changed(mr);
            return;
        }
    }
}

void memory_region_add_coalescing(MemoryRegion *mr, uint64_t off, uint64_t size)
{
    MemoryRange r = { .addr = off, .size = size };

    if (!mr->coalesced) {
        mr->coalesced = g_array_new(false, false, sizeof(MemoryRange));
    }
    g_array_append_val(mr->coalesced, r);
    region_changed(mr);
}

void memory_region_clear_coalescing(MemoryRegion *mr)
{
    if (mr->coalesced && mr->coalesced->len) {
        g_array_set_size(mr->coalesced, 0);
        region_changed(mr);
    }
}

void *memory_region_ram_ptr(MemoryRegion *mr)
{
    uint64_t off = 0;

    while (mr->kind == MEMORY_ALIAS) {
        off += mr->alias_off;
        mr = mr->alias;
    }
    return mr->ram ? mr->ram->host + off : NULL;
}

/* Also what is shown by aliases only, as the machine's own memory is. */
static const MemoryRegion *find_ram_region(const MemoryRegion *mr,
                                           const RamBlock *rb)
{
    const MemoryRegion *found = NULL;

    if (mr->kind == MEMORY_ALIAS) {
        return find_ram_region(mr->alias, rb);
    }
    if (mr->ram == rb) {
        return mr;
    }
    for (GList *l = mr->children.head; l != NULL && found == NULL;
         l = l->next) {
        found = find_ram_region(container_of(l, MemoryRegion, link), rb);
    }
    return found;
}

uint64_t memory_ram_address(const Memory *mem, const RamBlock *rb)
{
    const MemoryRegion *mr = find_ram_region(&mem->root, rb);

    return mr != NULL ? mr->addr : 0;
}
