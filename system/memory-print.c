/*
 * Memory regions: the text of `info mtree`.
 *
 * Layout as users and scripts know it: address ranges in 16 digits with the
 * last byte included, two spaces per level, siblings by address, and below
 * each tree the trees that aliases in it show a part of.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/memory-priv.h"

#define RANGE_FMT "%016" PRIx64 "-%016" PRIx64

typedef struct Printer {
    GString *out;
    GPtrArray *targets; /* MemoryRegion, of aliases met so far */
} Printer;

/* What an access finds: an alias is as what it shows. */
static const char *region_type(const MemoryRegion *mr)
{
    bool read_only = false;

    for (; mr->kind == MEMORY_ALIAS; mr = mr->alias) {
        read_only |= mr->read_only;
    }
    read_only |= mr->read_only;
    switch (mr->kind) {
    case MEMORY_RAM:
        return read_only ? "rom" : "ram";
    case MEMORY_ROM:
        return "rom";
    case MEMORY_ROMD:
        return mr->romd_mode ? "romd" : "i/o";
    default:
        return "i/o";
    }
}

static uint64_t last_of(uint64_t first, uint64_t size)
{
    if (size == UINT64_MAX) {
        return UINT64_MAX;
    }
    return size ? first + (size - 1) : first;
}

static gint compare_siblings(gconstpointer pa, gconstpointer pb)
{
    const MemoryRegion *a = *(MemoryRegion *const *)pa;
    const MemoryRegion *b = *(MemoryRegion *const *)pb;

    if (a->addr != b->addr) {
        return a->addr < b->addr ? -1 : 1;
    }
    return a->priority == b->priority ? 0 : a->priority > b->priority ? -1 : 1;
}

static void print_line(Printer *p, const MemoryRegion *mr, uint64_t addr,
                       unsigned indent)
{
    g_string_append_printf(p->out,
                           "%*s" RANGE_FMT " (prio %d, %s): ", (int)indent, "",
                           addr, last_of(addr, mr->size), mr->priority,
                           region_type(mr));
    if (mr->kind == MEMORY_ALIAS) {
        g_string_append_printf(p->out, "alias %s @%s " RANGE_FMT "\n", mr->name,
                               mr->alias->name, mr->alias_off,
                               last_of(mr->alias_off, mr->size));
        if (!g_ptr_array_find(p->targets, mr->alias, NULL)) {
            g_ptr_array_add(p->targets, mr->alias);
        }
        return;
    }
    g_string_append_printf(p->out, "%s\n", mr->name);
}

/* A region that is off is left out; what is in it is still shown. */
static void print_region(Printer *p, const MemoryRegion *mr, uint64_t base,
                         unsigned indent)
{
    g_autoptr(GPtrArray) kids = g_ptr_array_new();
    uint64_t addr = base + mr->addr;

    if (mr->enabled) {
        print_line(p, mr, addr, indent);
    }
    for (GList *l = mr->children.head; l; l = l->next) {
        g_ptr_array_add(kids, container_of(l, MemoryRegion, link));
    }
    g_ptr_array_sort(kids, compare_siblings);
    for (guint i = 0; i < kids->len; i++) {
        print_region(p, g_ptr_array_index(kids, i), addr, indent + 2);
    }
}

static void print_trees(Memory *mem, GString *out)
{
    Printer p = { .out = out, .targets = g_ptr_array_new() };
    const AddressSpace *spaces[] = { &mem->memory, &mem->io };

    for (size_t i = 0; i < G_N_ELEMENTS(spaces); i++) {
        g_string_append_printf(out, "address-space: %s\n", spaces[i]->name);
        print_region(&p, spaces[i]->root, 0, 2);
        g_string_append_c(out, '\n');
    }
    /* Grows while it is printed: targets hold aliases themselves. */
    for (guint i = 0; i < p.targets->len; i++) {
        const MemoryRegion *mr = g_ptr_array_index(p.targets, i);

        g_string_append_printf(out, "memory-region: %s\n", mr->name);
        print_region(&p, mr, 0, 2);
        g_string_append_c(out, '\n');
    }
    g_ptr_array_unref(p.targets);
}

static void print_flat_line(GString *out, uint64_t first, uint64_t last,
                            const MemoryRegion *mr, const char *type,
                            uint64_t offset)
{
    g_string_append_printf(out, "  " RANGE_FMT " (prio %d, %s): %s", first,
                           last, mr->priority, type, mr->name);
    if (offset) {
        g_string_append_printf(out, " @%016" PRIx64, offset);
    }
}

static const char *range_type(const FlatRange *r)
{
    if (!r->ram) {
        return "i/o";
    }
    return r->romd ? "romd" : r->read_only ? "rom" : "ram";
}

/* The accelerator maps the space's RAM into the guest itself. */
static bool space_has_kvm(AddressSpace *as)
{
    for (GList *l = as->listeners.head; l; l = l->next) {
        MemoryListener *m = container_of(l, MemoryListener, link);

        if (m->name && g_str_has_prefix(m->name, "kvm")) {
            return true;
        }
    }
    return false;
}

static void print_flat(AddressSpace *as, unsigned n, GString *out)
{
    const FlatView *view = as->view;
    bool kvm = space_has_kvm(as);
    /* Ports that nobody has answer as the space itself. */
    bool holes = as == &as->mem->io;
    uint64_t next = 0;

    g_string_append_printf(out,
                           "FlatView #%u\n AS \"%s\", root: %s\n"
                           " Root memory region: %s\n",
                           n, as->name, as->root->name, as->root->name);
    for (unsigned i = 0; i < view->nranges; i++) {
        const FlatRange *r = &view->ranges[i];

        if (holes && next < r->addr) {
            print_flat_line(out, next, r->addr - 1, as->root, "i/o", next);
            g_string_append_c(out, '\n');
        }
        print_flat_line(out, r->addr, range_last(r), r->mr, range_type(r),
                        r->offset);
        g_string_append(out, kvm && r->ram ? " KVM\n" : "\n");
        next = range_last(r) + 1;
    }
    if (holes && next < as->root->size) {
        print_flat_line(out, next, as->root->size - 1, as->root, "i/o", next);
        g_string_append_c(out, '\n');
    }
    g_string_append_c(out, '\n');
}

void memory_print_tree(Memory *mem, GString *out, bool flat)
{
    if (flat) {
        print_flat(&mem->memory, 0, out);
        print_flat(&mem->io, 1, out);
    } else {
        print_trees(mem, out);
    }
}
