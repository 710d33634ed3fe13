/*
 * Devices: one const DeviceType each, no classes.  See docs/devel/device.md.
 *
 * A device is a struct whose member `dev` is a Device.  device_new() makes
 * it from its type with property defaults stored; properties are set;
 * device_realize() calls realize(), registers the vmstate and the reset.
 * What realize claimed through the helpers (I/O ports, memory regions, IRQ
 * pins, timers are the device's own) is released by the core after
 * unrealize().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_DEVICE_H
#define HW_CORE_DEVICE_H

#include "hw/core/irq.h"
#include "qom/object.h"
#include "system/memory.h"
#include "util/tsa.h"
#include "vmstate/vmstate.h"

struct Machine;
struct PciInfo;
struct ScsiType;
struct UsbType;
struct VirtioType;
struct Vm;
typedef struct Bus Bus;
typedef struct Device Device;
typedef struct DeviceType DeviceType;

/* What a device plugs into; names as `info qtree` and -device show them. */
typedef enum BusKind {
    BUS_NONE,   /* not user-pluggable: made by the machine */
    BUS_SYSTEM, /* "main-system-bus" / System */
    BUS_ISA,
    BUS_PCI,
    BUS_IDE,
    BUS_I2C,
    BUS_VIRTIO_SERIAL,
    BUS_SCSI,
    BUS_USB,
} BusKind;

struct DeviceType {
    const char *name;     /* as -device and QOM know it */
    const char *parent;   /* abstract parent for qom-list-types; NULL: device */
    const char *alias;    /* other -device name; may be NULL */
    const char *desc;     /* one line for -device help; may be NULL */
    const char *category; /* "Controller/Bridge/Hub", "Network", … */
    size_t size;          /* of the device's struct, which starts with `dev` */
    size_t shared_offset; /* in it: what its code shares with other types' */
    BusKind bus;
    bool user_creatable;
    bool hotpluggable;
    const Property *props; /* ends with PROP_END; may be NULL */
    /* Tables that it shares with others, behind its own; ends with NULL. */
    const Property *const *more_props;
    const struct PciInfo *pci;       /* BUS_PCI: identity; else NULL */
    const struct VirtioType *virtio; /* what a virtio function carries */
    const struct UsbType *usb;       /* BUS_USB: what it does; else NULL */
    const struct ScsiType *scsi;     /* BUS_SCSI: the same */
    void (*init)(Device *dev); /* before properties are set; may be NULL */
    /*
     * Of a device that a user asks for, before it is plugged in: waits for
     * somebody outside who has to speak first, without vm_lock (which it
     * holds again then) unless the program starts.  Claims nothing; what is
     * wrong is realize()'s to say.  May be NULL.
     */
    void (*await)(Device *dev);
    bool (*realize)(Device *dev, GError **errp);
    void (*unrealize)(Device *dev); /* may be NULL */
    /* To power-on state; before it the parent bus was reset. May be NULL */
    void (*reset)(Device *dev);
    /* NULL blocks migration; stateless devices say VMSTATE_NONE. */
    const Vmstate *vmstate;
    /* A second section of the same path, behind that one; may be NULL. */
    const Vmstate *more_vmstate;
    /* Overrides the path in the section name; NULL: the bus gives it. */
    char *(*vmstate_path)(Device *dev);
    int vmstate_instance; /* 0: next free; n: n - 1 fixed */
    /* In firmware's device paths ("pci@i0cf8"), if its bus has no name for it;
     * NULL: it isn't a node of them. */
    const char *firmware_node;
};

struct Device {
    Object obj;
    const DeviceType *type;
    struct Vm *vm;
    struct Machine *machine;
    char *id; /* given by the user; NULL otherwise */
    Bus *parent_bus;
    GQueue child_buses; /* Bus */
    bool realized;
    bool hotplugged;
    bool unplug_asked;       /* the guest is to let go of it */
    int64_t unplug_again_ns; /* virtual clock: it may be asked again then */
    bool user_created;       /* by -device or device_add */
    GError *init_error;      /* of a -global; device_realize() fails with it */
    GPtrArray *regions;      /* IoRange/MemoryRegion claims to release */
    GArray *outputs;         /* DeviceOutput */
    GPtrArray *inputs;       /* IrqInput *, its input pins */
    GPtrArray *pins;         /* the arrays that inputs points into */
    struct VmstateEntry *vmstate_entry, *more_vmstate_entry;
    unsigned blocker; /* of migration, see vmstate_add_blocker(); 0: none */
    GList link;       /* in parent_bus->devices, else in machine->busless */
};

typedef struct DeviceOutput {
    char *name;
    IrqLine *line; /* the device's own */
} DeviceOutput;

#define DEVICE_CAST(type_, dev_) container_of(dev_, type_, dev)

/* A bus is owned by the device that provides it (or by the machine). */
struct Bus {
    const char *type_name; /* "PCI", "ISA", "IDE", … as in info qtree */
    char *name;            /* "pci.0", "isa.0", "ide.0" */
    BusKind kind;
    Device *owner; /* NULL: the machine's system bus */
    struct Vm *vm;
    GQueue devices;       /* Device */
    unsigned max_devices; /* 0: no limit */
    bool hotplug;         /* takes devices while the machine is up */
    GList link;           /* in owner->child_buses */
    /* Checks and takes an address property; may be NULL. */
    bool (*plug)(Bus *bus, Device *dev, GError **errp);
    /* Last in realizing a device; unplug() follows if it fails. May be NULL */
    bool (*realized)(Bus *bus, Device *dev, GError **errp);
    void (*unplug)(Bus *bus, Device *dev);
    /*
     * Asks the guest to let go of a device, which is deleted when it has.
     * NULL: it needn't be asked.
     */
    void (*unplug_ask)(Bus *bus, Device *dev);
    int64_t unplug_again_ns; /* before a guest is asked again; 0: at once */
    void (*reset)(Bus *bus); /* before its devices; may be NULL */
    /* Path for vmstate names ("0000:00:01.0"), new string; or NULL. */
    char *(*dev_path)(Bus *bus, Device *dev);
    /* As which node firmware knows a device ("ide@1,1"), new; or NULL. */
    char *(*firmware_node)(Bus *bus, Device *dev);
    void (*print_dev)(Bus *bus, Device *dev, GString *out, int indent);
};

/*
 * `name` is copied.  NULL: the owner's id and a number ("scsi1.0"), or the
 * type's name in small letters and the next free number ("ide.1").
 */
void bus_init(Bus *bus, BusKind kind, const char *type_name, const char *name,
              Device *owner, struct Vm *vm);
/* Deletes the devices on it; the core does it for a device's buses. */
void bus_fini(Bus *bus);
/* As users see a kind: "PCI", "ISA", … */
const char *bus_kind_name(BusKind kind);

/* Table of every DeviceType, listed by hand; ends with NULL. */
extern const DeviceType *const device_table[];
/* By name or alias; NULL if there is none. */
const DeviceType *device_type_find(const char *name);
/* Is it of that name, or does it have a parent of that name? */
bool device_type_is_a(const DeviceType *type, const char *name);
/* Its QOM type, with the properties of its bus added; never freed. */
const ObjectType *device_object_type(const DeviceType *type);
/*
 * Every type of device_table and their abstract parents, for
 * object_types_add(); made once.
 */
const ObjectType *const *device_object_types(void);
/* The device that an object is; NULL if it is none. */
Device *device_from_object(Object *obj);

/* Properties at their defaults (and -global applied); not on a bus yet. */
Device *device_new(struct Vm *vm, const DeviceType *type);
/*
 * Plugs into `bus` and realizes.  NULL: no bus, or for BUS_SYSTEM types the
 * machine's.  A device that has no place in the object tree gets one; the
 * tree then has the only reference.  On failure the device is freed and
 * `errp` names it and the reason.  vm_lock held.
 */
bool device_realize(Device *dev, Bus *bus, GError **errp);
/* device_new() + realize for machine code without properties to set. */
Device *device_create(struct Vm *vm, const DeviceType *type, Bus *bus,
                      GError **errp);
/* Unrealizes, releases claims, drops the tree's reference. */
void device_delete(Device *dev);
bool device_prop_set(Device *dev, const char *name, const char *val,
                     GError **errp);
/* Finds a bus by name ("pci.0") or path; NULL if there is none. */
Bus *bus_find(struct Vm *vm, const char *name);
/* All buses from the system bus down, parents first; true of fn ends it. */
bool bus_foreach(struct Vm *vm, bool (*fn)(Bus *bus, void *opaque),
                 void *opaque);
/*
 * First bus of a kind that has room, but the last of several of one device;
 * NULL if there is none.
 */
Bus *bus_find_kind(struct Vm *vm, BusKind kind);
/* By user id or QOM path; NULL if there is none. */
Device *device_find(struct Vm *vm, const char *id);
/* Text for `info qtree`. */
void device_print_tree(struct Vm *vm, GString *out);
/*
 * Resets a device and all that hangs below it: the device, then each of its
 * buses, then the devices there.
 */
void device_reset_tree(Device *dev);
/* The same for what is on a bus, the bus first. */
void bus_reset_tree(Bus *bus);
const char *device_name(const Device *dev); /* id or type, for messages */

/*
 * Adds `n` input pins with one handler, which gets the device as opaque and
 * the pin's number among all of the device's.  They lie side by side: the
 * first one's address is that of an array.
 */
void irq_in_init(Device *dev, IrqHandler *fn, unsigned n);
IrqInput *irq_in(Device *dev, unsigned n);
/* Names an output pin, so that machines and qtest find it. */
void irq_out_init(Device *dev, IrqLine *line, const char *name);
IrqLine *irq_out_find(Device *dev, const char *name);

/* A claim on the I/O port space, released with the device. */
typedef struct IoRange {
    MemoryRegion mr;
} IoRange;
/* Claims ports [base, base+len); an overlap is an error that names both. */
bool device_claim_io(Device *dev, IoRange *io, const IoOps *ops,
                     const char *name, uint16_t base, unsigned len,
                     GError **errp);
/* Hands a region to the device for release after unrealize. */
void device_own_region(Device *dev, MemoryRegion *mr);

#endif
