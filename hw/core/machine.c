/*
 * Machines: the object at /machine, its options, building and taking down.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine.h"

#include "accel/accel.h"
#include "hw/core/device-priv.h"
#include "hw/core/machine-priv.h"
#include "hw/core/numa.h"
#include "qom/known-types.h"
#include "qom/type-cache.h"
#include "util/error.h"
#include "util/log.h"

const MachineType *machine_type_find(const char *name)
{
    for (unsigned i = 0; machine_table[i] != NULL; i++) {
        const MachineType *t = machine_table[i];

        if (g_str_equal(t->name, name) ||
            (t->alias != NULL && g_str_equal(t->alias, name))) {
            return t;
        }
    }
    return NULL;
}

/* "split" is one of three values here; AUTO is what nobody asked for. */
static const char *const irqchip_names[] = {
    [KERNEL_IRQCHIP_AUTO] = "auto",
    [KERNEL_IRQCHIP_OFF] = "off",
    [KERNEL_IRQCHIP_SPLIT] = "split",
    [KERNEL_IRQCHIP_ON] = "on",
    NULL,
};

/* What every machine type takes with -machine. */
static const Property machine_props[] = {
    PROP(PROP_STR, Machine, kernel, "kernel",
         .help = "Linux kernel image file"),
    PROP(PROP_STR, Machine, initrd, "initrd",
         .help = "Linux initial ramdisk file"),
    PROP(PROP_STR, Machine, append, "append",
         .help = "Linux kernel command line"),
    PROP(PROP_STR, Machine, firmware, "firmware", .help = "Firmware image"),
    PROP(PROP_BOOL, Machine, usb, "usb",
         .help = "Set on/off to enable/disable usb"),
    PROP(PROP_BOOL, Machine, graphics, "graphics", .def = true,
         .help = "Set on/off to enable/disable graphics emulation"),
    PROP(PROP_BOOL, Machine, dump_guest_core, "dump-guest-core", .def = true,
         .help = "Include guest memory in a core dump"),
    PROP(PROP_BOOL, Machine, mem_merge, "mem-merge", .def = true,
         .help = "Enable/disable memory merge support"),
    PROP(PROP_STR, Machine, memory_backend, "memory-backend",
         .help = "Set RAM backend"),
    PROP(PROP_ENUM, Machine, kernel_irqchip, "kernel-irqchip",
         .names = irqchip_names, .help = "Configure KVM in-kernel irqchip"),
    PROP_END,
};

static const Property *machine_merge_props(const MachineType *type)
{
    GArray *all = g_array_new(TRUE, TRUE, sizeof(Property));
    const Property *p;

    for (p = machine_props; p->name != NULL; p++) {
        g_array_append_val(all, *p);
    }
    for (p = type->props; p != NULL && p->name != NULL; p++) {
        g_array_append_val(all, *p);
    }
    return (const Property *)(void *)g_array_free(all, FALSE);
}

static void machine_global_free(gpointer p)
{
    MachineGlobal *g = p;

    g_free(g->driver);
    g_free(g->prop);
    g_free(g->value);
    g_free(g);
}

static void machine_object_init(Object *obj)
{
    Machine *m = OBJECT_CAST(Machine, obj);

    g_queue_init(&m->busless);
    m->globals = g_ptr_array_new_with_free_func(machine_global_free);
    m->data_dirs = g_ptr_array_new_with_free_func(g_free);
    m->rtc.clock = CLOCK_TYPE_HOST;
    m->boot_splash_ms = -1;
    m->reboot_timeout_ms = -1;
    m->acpi = true;
    m->smp = (CpuTopology){ 1, 1, 1, 1, 1, 1 };
}

static void machine_object_fini(Object *obj)
{
    Machine *m = OBJECT_CAST(Machine, obj);

    g_ptr_array_free(m->globals, TRUE);
    g_ptr_array_free(m->data_dirs, TRUE);
    g_clear_pointer(&m->boot_entries, g_ptr_array_unref);
    g_clear_pointer(&m->nics, g_ptr_array_unref);
    g_free(m->boot_order);
    g_free(m->boot_once);
    g_free(m->boot_splash);
    g_free(m->cpu_model);
    for (unsigned i = 0; i < MACHINE_SERIALS; i++) {
        g_free(m->serials[i]);
    }
    for (unsigned i = 0; i < MACHINE_PARALLELS; i++) {
        g_free(m->parallels[i]);
    }
}

static ObjectType *machine_make_object_type(const void *key)
{
    const MachineType *type = key;
    ObjectType *ot = g_new0(ObjectType, 1);

    ot->name = g_strdup_printf("%s-machine", type->name);
    ot->parent = type->parent != NULL ? type->parent : "machine";
    ot->size = type->size;
    ot->props = machine_merge_props(type);
    ot->init = machine_object_init;
    ot->fini = machine_object_fini;
    return ot;
}

const ObjectType *machine_object_type(const MachineType *type)
{
    return object_type_cached(type, machine_make_object_type);
}

const ObjectType *const *machine_object_types(void)
{
    static const char *const parents[][2] = {
        { "machine", "object" },
        { "x86-machine", "machine" },
        { "generic-pc-machine", "x86-machine" },
    };
    static ObjectType abstract[G_N_ELEMENTS(parents)]; /* once */
    static const ObjectType *const *table;             /* once */

    if (g_once_init_enter(&table)) {
        GPtrArray *all = g_ptr_array_new();
        gpointer *p;

        for (unsigned i = 0; i < G_N_ELEMENTS(parents); i++) {
            abstract[i].name = parents[i][0];
            abstract[i].parent = parents[i][1];
            abstract[i].abstract = true;
            abstract[i].size = sizeof(Machine);
            g_ptr_array_add(all, &abstract[i]);
        }
        for (unsigned i = 0; machine_table[i] != NULL; i++) {
            g_ptr_array_add(all,
                            (gpointer)machine_object_type(machine_table[i]));
        }
        g_ptr_array_add(all, NULL);
        p = g_ptr_array_free(all, FALSE);
        g_once_init_leave(&table, (const ObjectType *const *)(void *)p);
    }
    return table;
}

Machine *machine_new(Vm *vm, const MachineType *type)
{
    Machine *m = OBJECT_CAST(Machine, object_new(machine_object_type(type)));

    m->type = type;
    m->vm = vm;
    m->ram_size = type->default_ram;
    vm->machine = m;
    object_add_child(vm->root, "machine", &m->obj);
    device_container(vm, "peripheral");
    device_container(vm, "peripheral-anon");
    device_container(vm, "unattached");
    bus_init(&m->sysbus, BUS_SYSTEM, "System", "main-system-bus", NULL, vm);
    m->sysbus.hotplug = false;
    return m;
}

/* Firmware files */

char *machine_find_file(const Machine *m, const char *name)
{
    g_auto(GStrv) dirs = g_strsplit(CONFIG_FIRMWARE_PATH, ":", -1);

    if (access(name, R_OK) == 0) {
        return g_strdup(name);
    }
    for (unsigned i = 0; i < m->data_dirs->len; i++) {
        g_autofree char *path =
            g_build_filename(m->data_dirs->pdata[i], name, NULL);

        if (access(path, R_OK) == 0) {
            return g_steal_pointer(&path);
        }
    }
    for (unsigned i = 0; dirs[i] != NULL; i++) {
        g_autofree char *path = g_build_filename(dirs[i], name, NULL);

        if (access(path, R_OK) == 0) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

/* -global */

void machine_add_global(Machine *m, const char *driver, const char *prop,
                        const char *value)
{
    MachineGlobal *g = g_new0(MachineGlobal, 1);

    g->driver = g_strdup(driver);
    g->prop = g_strdup(prop);
    g->value = g_strdup(value);
    g_ptr_array_add(m->globals, g);
    if (device_type_find(driver) == NULL && object_type_find(driver) == NULL &&
        !object_type_is_known(driver)) {
        log_warn("global %s.%s has invalid class name", driver, prop);
        g->used = true; /* has been told of */
    }
}

void machine_warn_globals(const Machine *m)
{
    for (unsigned i = 0; i < m->globals->len; i++) {
        const MachineGlobal *g = g_ptr_array_index(m->globals, i);

        if (!g->used) {
            log_warn("global %s.%s=%s not used", g->driver, g->prop, g->value);
        }
    }
}

void device_apply_globals(Device *dev)
{
    const Machine *m = dev->machine;

    for (unsigned i = 0; m != NULL && i < m->globals->len; i++) {
        MachineGlobal *g = g_ptr_array_index(m->globals, i);
        GError *err = NULL;

        if (dev->init_error != NULL ||
            !device_type_is_a(dev->type, g->driver)) {
            continue;
        }
        g->used = true;
        if (!device_prop_set(dev, g->prop, g->value, &err)) {
            error_prefix(&err, "can't apply global %s.%s=%s: ", g->driver,
                         g->prop, g->value);
            dev->init_error = err;
        }
    }
}

/* Building */

bool machine_build(Machine *m, GError **errp)
{
    if (!machine_build_ram(m, errp) || !machine_build_cpus(m, errp)) {
        return false;
    }
    return m->type->build == NULL || m->type->build(m, errp);
}

static void machine_delete_devices(Machine *m)
{
    Device *dev;

    while ((dev = g_queue_peek_tail(&m->sysbus.devices)) != NULL ||
           (dev = g_queue_peek_tail(&m->busless)) != NULL) {
        device_delete(dev);
    }
}

void machine_free(Machine *m)
{
    Vm *vm;

    if (m == NULL) {
        return;
    }
    vm = m->vm;
    m->ready = false;
    machine_stop_cpus(m);
    /* Local APICs are devices below the CPUs. */
    machine_delete_devices(m);
    machine_free_cpus(m);
    if (m->type->fini != NULL) {
        m->type->fini(m);
    }
    bus_fini(&m->sysbus);
    if (m->ram_region.name != NULL) {
        memory_region_fini(&m->ram_region);
    }
    numa_free(m);
    object_remove_child(vm->root, "machine");
    vm->machine = NULL;
    object_unref(&m->obj);
}
