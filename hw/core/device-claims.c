/*
 * What a device claims while it is realized: ports, regions, pins.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device-priv.h"
#include "util/error.h"

void irq_in_init(Device *dev, IrqHandler *fn, unsigned n)
{
    IrqInput *pins = g_new0(IrqInput, n);

    g_ptr_array_add(dev->pins, pins);
    for (unsigned i = 0; i < n; i++) {
        pins[i] = (IrqInput){ fn, dev, dev->inputs->len };
        g_ptr_array_add(dev->inputs, &pins[i]);
    }
}

IrqInput *irq_in(Device *dev, unsigned n)
{
    return n < dev->inputs->len ? g_ptr_array_index(dev->inputs, n) : NULL;
}

void irq_out_init(Device *dev, IrqLine *line, const char *name)
{
    DeviceOutput out = { .name = g_strdup(name), .line = line };

    g_array_append_val(dev->outputs, out);
}

IrqLine *irq_out_find(Device *dev, const char *name)
{
    for (unsigned i = 0; i < dev->outputs->len; i++) {
        DeviceOutput *out = &g_array_index(dev->outputs, DeviceOutput, i);

        if (g_str_equal(out->name, name)) {
            return out->line;
        }
    }
    return NULL;
}

void device_own_region(Device *dev, MemoryRegion *mr)
{
    g_ptr_array_add(dev->regions, mr);
}

/*
 * Who else has some of these ports?  Only fixed claims count: what the guest
 * can move (PCI) sits behind containers or at other priorities.
 */
static const MemoryRegion *io_find_overlap(Memory *mem, uint64_t base,
                                           uint64_t len)
{
    for (GList *l = mem->io_root.children.head; l != NULL; l = l->next) {
        const MemoryRegion *mr = l->data;

        if (mr->kind == MEMORY_IO && mr->enabled && !mr->may_overlap &&
            mr->priority == 0 && mr->addr < base + len &&
            base < mr->addr + mr->size) {
            return mr;
        }
    }
    return NULL;
}

bool device_claim_io(Device *dev, IoRange *io, const IoOps *ops,
                     const char *name, uint16_t base, unsigned len,
                     GError **errp)
{
    Memory *mem = &dev->vm->mem;
    const MemoryRegion *other;

    if (len == 0 || len > 0x10000 - (unsigned)base) {
        error_setf(errp, "%u I/O ports from 0x%x: beyond port 0xffff", len,
                   base);
        return false;
    }
    other = io_find_overlap(mem, base, len);
    if (other != NULL) {
        error_setf(errp,
                   "I/O ports 0x%x to 0x%x of '%s' are taken by '%s' (0x%x "
                   "to 0x%x)",
                   base, base + len - 1, device_name(dev),
                   other->dev != NULL ? device_name(other->dev) : other->name,
                   (unsigned)other->addr,
                   (unsigned)(other->addr + other->size - 1));
        return false;
    }
    memory_region_init_io(&io->mr, mem, name, len, ops, dev);
    memory_region_add(&mem->io_root, base, &io->mr, 0);
    device_own_region(dev, &io->mr);
    return true;
}

void device_release_claims(Device *dev)
{
    GList *l;

    if (dev->vm == NULL) {
        return;
    }
    while ((l = g_queue_peek_tail_link(&dev->child_buses)) != NULL) {
        bus_fini(l->data);
    }
    if (dev->regions->len > 0) {
        memory_transaction_begin(&dev->vm->mem);
        for (unsigned i = dev->regions->len; i > 0; i--) {
            memory_region_fini(g_ptr_array_index(dev->regions, i - 1));
        }
        memory_transaction_commit(&dev->vm->mem);
        g_ptr_array_set_size(dev->regions, 0);
    }
    g_array_set_size(dev->outputs, 0);
    /* The pins stay as long as the object: a qtest may have tapped them. */
    g_ptr_array_set_size(dev->inputs, 0);
}
