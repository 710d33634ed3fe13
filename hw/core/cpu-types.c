/*
 * CPUs as QOM sees them: a type for each model, and the properties that tell
 * what the guest got.  All are read only: -cpu and -smp set them, before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/cpu-types.h"

#include "accel/vcpu.h"
#include "hw/core/numa.h"
#include "target/i386/cpu.h"
#include "util/error.h"

#define BASE_TYPE "x86_64-cpu"

static const X86Cpu *cpu_of(Object *obj)
{
    return OBJECT_CAST(Vcpu, obj)->x86;
}

static JsonValue *get_model_prop(Object *obj, const Property *p, GError **errp)
{
    return x86_cpu_model_prop(cpu_of(obj)->model, p->name);
}

static JsonValue *get_apic_id(Object *obj, const Property *p, GError **errp)
{
    return json_uint_new(OBJECT_CAST(Vcpu, obj)->apic_id);
}

/* Hz; 0: as fast as the accelerator has it, which only KVM knows. */
static JsonValue *get_tsc_frequency(Object *obj, const Property *p,
                                    GError **errp)
{
    const X86Cpu *cpu = cpu_of(obj);
    uint64_t hz = x86_cpu_model_tsc_hz(cpu->model);

    if (hz == 0 && x86_cpu_model_is_kvm(cpu->model)) {
        hz = (uint64_t)cpu->tsc_khz * 1000;
    }
    return json_uint_new(hz);
}

/* Which one it is of the things that its index counts in `unit`s. */
static JsonValue *topology_id(Object *obj, unsigned unit, unsigned count)
{
    unsigned n = OBJECT_CAST(Vcpu, obj)->index / unit;

    return json_uint_new(count > 0 ? n % count : n);
}

static JsonValue *get_thread_id(Object *obj, const Property *p, GError **errp)
{
    return topology_id(obj, 1, MAX(cpu_of(obj)->topo.threads, 1));
}

static JsonValue *get_core_id(Object *obj, const Property *p, GError **errp)
{
    const X86Topology *t = &cpu_of(obj)->topo;

    return topology_id(obj, MAX(t->threads, 1), MAX(t->cores, 1));
}

static JsonValue *get_die_id(Object *obj, const Property *p, GError **errp)
{
    const X86Topology *t = &cpu_of(obj)->topo;

    return topology_id(obj, MAX(t->threads, 1) * MAX(t->cores, 1),
                       MAX(t->dies, 1));
}

static JsonValue *get_socket_id(Object *obj, const Property *p, GError **errp)
{
    const X86Topology *t = &cpu_of(obj)->topo;

    return topology_id(obj,
                       MAX(t->threads, 1) * MAX(t->cores, 1) * MAX(t->dies, 1),
                       0);
}

static JsonValue *get_node_id(Object *obj, const Property *p, GError **errp)
{
    const Vcpu *cpu = OBJECT_CAST(Vcpu, obj);

    return json_int_new(numa_node_of_cpu(cpu->vm->machine, cpu->index));
}

static JsonValue *get_realized(Object *obj, const Property *p, GError **errp)
{
    return json_bool_new(OBJECT_CAST(Vcpu, obj)->created);
}

/* CPUs are those of -smp. */
static JsonValue *get_hotplugged(Object *obj, const Property *p, GError **errp)
{
    return json_bool_new(false);
}

static JsonValue *get_parent_bus(Object *obj, const Property *p, GError **errp)
{
    return json_string_new("");
}

#define CPU_PROP(name_, type_, get_)                            \
    {                                                           \
        .name = name_, .kind = PROP_CUSTOM, .type_name = type_, \
        .read_only = true, .get = get_                          \
    }

static const Property vcpu_props[] = {
    CPU_PROP("parent_bus", "link<bus>", get_parent_bus),
    CPU_PROP("realized", "bool", get_realized),
    CPU_PROP("hotplugged", "bool", get_hotplugged),
    CPU_PROP("apic-id", "uint32", get_apic_id),
    CPU_PROP("tsc-frequency", "int", get_tsc_frequency),
    CPU_PROP("node-id", "int32", get_node_id),
    CPU_PROP("socket-id", "int32", get_socket_id),
    CPU_PROP("die-id", "int32", get_die_id),
    CPU_PROP("core-id", "int32", get_core_id),
    CPU_PROP("thread-id", "int32", get_thread_id),
};

static void add_model_prop(const char *name, const char *type, void *opaque)
{
    Property p = CPU_PROP(name, type, get_model_prop);

    g_array_append_val((GArray *)opaque, p);
}

static const Property *make_props(void)
{
    GArray *all = g_array_new(TRUE, TRUE, sizeof(Property));

    g_array_append_vals(all, vcpu_props, G_N_ELEMENTS(vcpu_props));
    x86_cpu_model_foreach_prop(add_model_prop, all);
    return (const Property *)(void *)g_array_free(all, FALSE);
}

typedef struct CpuTypes {
    GPtrArray *all; /* ObjectType, owned; NULL at its end */
    const Property *props;
} CpuTypes;

static void add_abstract(CpuTypes *types, const char *name, const char *parent)
{
    ObjectType *t = g_new0(ObjectType, 1);

    t->name = name;
    t->parent = parent;
    t->abstract = true;
    t->size = sizeof(Vcpu);
    g_ptr_array_add(types->all, t);
}

static void add_model(const char *name, void *opaque)
{
    CpuTypes *types = opaque;
    char *type_name = g_strdup_printf("%s-" BASE_TYPE, name);
    const char *parent =
        g_str_equal(name, "host") ? "max-" BASE_TYPE : BASE_TYPE;

    g_ptr_array_add(types->all,
                    vcpu_object_type_new(type_name, parent, types->props));
}

const ObjectType *const *cpu_object_types(void)
{
    static const ObjectType *const *table; /* once */

    if (g_once_init_enter(&table)) {
        CpuTypes types = { g_ptr_array_new(), make_props() };

        add_abstract(&types, "cpu", "device");
        add_abstract(&types, BASE_TYPE, "cpu");
        x86_cpu_models_foreach(add_model, &types);
        g_ptr_array_add(types.all, NULL);
        g_once_init_leave(&table, (const ObjectType *const *)(void *)
                                      g_ptr_array_free(types.all, FALSE));
    }
    return table;
}

const ObjectType *cpu_object_type(const char *name)
{
    for (const ObjectType *const *t = cpu_object_types(); *t != NULL; t++) {
        if (!(*t)->abstract && g_str_equal((*t)->name, name)) {
            return *t;
        }
    }
    return NULL;
}
