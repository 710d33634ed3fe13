/*
 * ivshmem-plain and ivshmem-doorbell: memory that guests share, and doorbells
 * between them.  ("Inter-VM shared memory device", revision 1.)
 *
 *   BAR 0   256 bytes of registers
 *   BAR 1   MSI-X (ivshmem-doorbell)
 *   BAR 2   the memory: a back end's, or what the server passed on
 *
 * There is no INTx: mask and status are words that nothing looks at.
 *
 * Who shares memory can't move, as its peers would go on elsewhere; but one of
 * them may be the master (master=on), who takes the memory along.  What peers
 * write then is in no log: nobody else may use it while the master moves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/misc/ivshmem.h"

#include <sys/stat.h>

#include "hw/core/machine.h"
#include "hw/misc/ivshmem-priv.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-regs.h"
#include "system/hostmem.h"
#include "system/vm.h"
#include "util/error.h"
#include "util/log.h"
#include "vmstate/vmstate.h"

enum {
    BAR_REGS,
    BAR_MSIX,
    BAR_MEMORY,
    BAR_64BIT_PREFETCHABLE = 4 | 8,
    MEMORY_MIN = 4096,
};

#define PEER_MODE_BLOCKS \
    "Migration is disabled when using feature 'peer mode' in device 'ivshmem'"

/* Registers */

static uint64_t regs_read(Device *dev, uint64_t off, unsigned size)
{
    Ivshmem *s = ivshmem_of(dev);
    uint32_t val = 0;

    switch (off) {
    case IVSHMEM_INTRMASK:
        return s->intrmask;
    case IVSHMEM_INTRSTATUS:
        val = s->intrstatus;
        s->intrstatus = 0;
        return val;
    case IVSHMEM_IVPOSITION:
        return s->client.id;
    default:
        return 0;
    }
}

static void regs_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Ivshmem *s = ivshmem_of(dev);

    switch (off) {
    case IVSHMEM_INTRMASK:
        s->intrmask = val;
        break;
    case IVSHMEM_INTRSTATUS:
        s->intrstatus = val;
        break;
    case IVSHMEM_DOORBELL:
        if (s->nvectors > 0) {
            ivshmem_client_ring(s, val);
        }
        break;
    default:
        break;
    }
}

static const IoOps regs_ops = { .read = regs_read, .write = regs_write };

/* Memory */

static bool check_size(const char *what, uint64_t size, GError **errp)
{
    if (!is_pow2(size) || size < MEMORY_MIN) {
        error_setf(errp,
                   "%s is of %" PRIu64 " bytes: a power of two, at least %d",
                   what, size, MEMORY_MIN);
        return false;
    }
    return true;
}

static char *device_path(Device *dev)
{
    return dev->parent_bus->dev_path(dev->parent_bus, dev);
}

static bool claim_backend(Ivshmem *s, GError **errp)
{
    Device *dev = &s->pci.dev;
    Object *objects = object_child(dev->vm->root, "objects");
    g_autofree char *path = device_path(dev);
    Object *obj;

    if (s->memdev == NULL) {
        error_setf(errp, "You must specify a 'memdev'");
        return false;
    }
    obj = object_child(objects, s->memdev);
    if (obj == NULL) {
        error_setf(errp, "Device '%s' not found", s->memdev);
        return false;
    }
    s->shared = hostmem_claim_for(obj, path, errp);
    if (s->shared == NULL) {
        return false;
    }
    s->backend = object_ref(obj);
    return check_size(s->memdev, s->shared->used_length, errp);
}

static bool map_server_memory(Ivshmem *s, int fd, GError **errp)
{
    Device *dev = &s->pci.dev;
    g_autofree char *path = device_path(dev);
    g_autofree char *name = g_strdup_printf("%s/ivshmem.bar2", path);
    struct stat st;

    if (fstat(fd, &st) < 0) {
        error_setf_errno(errp, errno, "the server's memory");
    } else if (check_size("the server's memory", st.st_size, errp)) {
        const RamBlockOptions opts = {
            .size = st.st_size, .backing = RAM_FILE, .fd = fd, .share = true
        };

        s->shared = ram_block_new(&dev->vm->mem.ram, name, &opts, errp);
        return s->shared != NULL;
    }
    close(fd);
    return false;
}

static bool meet_server(Ivshmem *s, GError **errp)
{
    int fd;

    if (s->chardev == NULL) {
        error_setf(errp, "You must specify a 'chardev'");
        return false;
    }
    fd = ivshmem_client_open(s, errp);
    return fd >= 0 && map_server_memory(s, fd, errp);
}

/* Whose the memory is */

static bool decide_master(Ivshmem *s, GError **errp)
{
    Device *dev = &s->pci.dev;

    s->is_master = s->master == ON_OFF_AUTO_ON ||
                   (s->master == ON_OFF_AUTO_AUTO && s->client.id == 0);
    if (s->is_master && s->client.id != 0) {
        error_setf(errp, "master must connect to the server before any peers");
        return false;
    }
    if (s->is_master) {
        return true;
    }
    if (dev->machine != NULL && dev->machine->only_migratable) {
        error_setf(errp,
                   "disallowing migration blocker (--only-migratable) for: "
                   "%s",
                   PEER_MODE_BLOCKS);
        return false;
    }
    s->blocker = vmstate_add_blocker(dev->vm->vmstates, PEER_MODE_BLOCKS);
    return true;
}

/* Life */

static void ivshmem_await(Device *dev)
{
    ivshmem_client_await(ivshmem_of(dev));
}

static void let_go(Ivshmem *s)
{
    Memory *mem = &s->pci.dev.vm->mem;

    pci_unregister_bars(&s->pci);
    ivshmem_client_close(s);
    msix_fini(&s->pci);
    if (s->memory.name != NULL) {
        memory_region_fini(&s->memory);
        s->shared->on_lost = NULL;
    }
    if (s->backend != NULL) {
        hostmem_release(s->backend);
        object_unref(s->backend);
    } else {
        ram_block_free(&mem->ram, s->shared);
    }
    if (s->blocker != 0) {
        vmstate_del_blocker(s->pci.dev.vm->vmstates, s->blocker);
    }
}

static bool init_msix(Ivshmem *s, GError **errp)
{
    if (!msix_init_bar(&s->pci, s->nvectors, BAR_MSIX, 0, errp)) {
        return false;
    }
    for (unsigned i = 0; i < s->nvectors; i++) {
        msix_vector_use(&s->pci, i);
    }
    return true;
}

/* The guest goes on: it can't rely on what others do to that memory. */
static void memory_lost(RamBlock *rb, void *opaque)
{
    Ivshmem *s = opaque;
    g_autofree char *path = object_path(&s->pci.dev.obj);

    log_error("%s: others made the shared memory '%s' shorter, or it has no "
              "room: from now on the guest shares with nobody what they took",
              path, rb->name);
}

static bool realize_function(Ivshmem *s, bool doorbell, GError **errp)
{
    Memory *mem = &s->pci.dev.vm->mem;

    memory_region_init_io(&s->regs, mem, "ivshmem-mmio", IVSHMEM_REGS_SIZE,
                          &regs_ops, &s->pci.dev);
    device_own_region(&s->pci.dev, &s->regs);
    pci_register_bar(&s->pci, BAR_REGS, 0, &s->regs);
    if (!(doorbell ? init_msix(s, errp) && meet_server(s, errp)
                   : claim_backend(s, errp))) {
        return false;
    }
    s->shared->on_lost_opaque = s;
    s->shared->on_lost = memory_lost;
    memory_region_init_ram_block(&s->memory, mem, s->shared->name, s->shared);
    pci_register_bar(&s->pci, BAR_MEMORY, BAR_64BIT_PREFETCHABLE, &s->memory);
    return decide_master(s, errp);
}

static bool plain_realize(Device *dev, GError **errp)
{
    Ivshmem *s = ivshmem_of(dev);
    bool ok = realize_function(s, false, errp);

    if (!ok) {
        let_go(s);
    }
    return ok;
}

static bool doorbell_realize(Device *dev, GError **errp)
{
    Ivshmem *s = ivshmem_of(dev);
    bool ok = realize_function(s, true, errp);

    if (!ok) {
        let_go(s);
    }
    return ok;
}

static void ivshmem_unrealize(Device *dev)
{
    let_go(ivshmem_of(dev));
}

static void ivshmem_reset(Device *dev)
{
    Ivshmem *s = ivshmem_of(dev);

    s->intrmask = 0;
    s->intrstatus = 0;
    msix_reset(&s->pci);
}

/* State */

static bool pre_load(void *opaque, GError **errp)
{
    const Ivshmem *s = opaque;

    if (!s->is_master) {
        error_setf(errp, "'peer mode' is not migratable: the source has "
                         "master=on");
    }
    return s->is_master;
}

static const Vmstate plain_vmstate = {
    .name = "ivshmem-plain",
    .pre_load = pre_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(Ivshmem, pci, "parent_obj"),
            VMSTATE_U32(Ivshmem, intrstatus),
            VMSTATE_U32(Ivshmem, intrmask),
            VMSTATE_END,
        },
};

static const Vmstate doorbell_vmstate = {
    .name = "ivshmem-doorbell",
    .pre_load = pre_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(Ivshmem, pci, "parent_obj"),
            VMSTATE_MSIX_AS(Ivshmem, pci, "parent_obj"),
            VMSTATE_U32(Ivshmem, intrstatus),
            VMSTATE_U32(Ivshmem, intrmask),
            VMSTATE_END,
        },
};

#define MASTER_PROP                                                           \
    PROP(PROP_ON_OFF_AUTO, Ivshmem, master, "master", .def = ON_OFF_AUTO_OFF, \
         .help = "on/off/auto")

static const Property plain_props[] = {
    MASTER_PROP,
    PROP(PROP_STR, Ivshmem, memdev, "memdev",
         .type_name = "link<memory-backend>"),
    PROP_END,
};

static const Property doorbell_props[] = {
    PROP(PROP_STR, Ivshmem, chardev, "chardev",
         .help = "ID of a chardev to use as a backend"),
    PROP(PROP_BOOL, Ivshmem, ioeventfd, "ioeventfd", .def = true,
         .help = "on/off"),
    MASTER_PROP,
    PROP(PROP_U32, Ivshmem, nvectors, "vectors", .def = 1),
    PROP_END,
};

static const PciInfo ivshmem_pci = {
    .vendor_id = 0x1af4,
    .device_id = 0x1110,
    .class_id = 0x0500,
    .revision = 1,
};

#define IVSHMEM_TYPE                                                           \
    .parent = "ivshmem-common", .category = "Misc",                            \
    .desc = "Inter-VM shared memory", .size = sizeof(Ivshmem), .bus = BUS_PCI, \
    .user_creatable = true, .hotpluggable = true, .pci = &ivshmem_pci,         \
    .unrealize = ivshmem_unrealize, .reset = ivshmem_reset

const DeviceType ivshmem_plain_type = {
    IVSHMEM_TYPE,
    .name = "ivshmem-plain",
    .props = plain_props,
    .realize = plain_realize,
    .vmstate = &plain_vmstate,
};

const DeviceType ivshmem_doorbell_type = {
    IVSHMEM_TYPE,
    .name = "ivshmem-doorbell",
    .props = doorbell_props,
    .await = ivshmem_await,
    .realize = doorbell_realize,
    .vmstate = &doorbell_vmstate,
};
