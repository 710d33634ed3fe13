/*
 * QMP commands of qapi/machine.json: machine types, vCPUs, names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/accel.h"
#include "hw/acpi/hotplug.h"
#include "hw/core/machine.h"
#include "hw/core/numa.h"
#include "hw/virtio/virtio-balloon.h"
#include "monitor/qmp-priv.h"
#include "qapi/qapi-commands.h"
#include "system/hostmem.h"
#include "system/vm.h"
#include "target/i386/cpu-model.h"
#include "util/error.h"

bool qmp_query_target(QmpCtx *ctx, TargetInfo **ret, GError **errp)
{
    *ret = target_info_new();
    (*ret)->arch = SYS_EMU_TARGET_X86_64;
    return true;
}

bool qmp_query_uuid(QmpCtx *ctx, UuidInfo **ret, GError **errp)
{
    const uint8_t *u = ctx->vm->uuid;

    *ret = uuid_info_new();
    (*ret)->UUID = g_strdup_printf(
        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
        u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10],
        u[11], u[12], u[13], u[14], u[15]);
    return true;
}

bool qmp_query_name(QmpCtx *ctx, NameInfo **ret, GError **errp)
{
    *ret = name_info_new();
    (*ret)->name = g_strdup(ctx->vm->name);
    return true;
}

bool qmp_query_kvm(QmpCtx *ctx, KvmInfo **ret, GError **errp)
{
    const Accel *acc = ctx->vm->accel;

    *ret = kvm_info_new();
    (*ret)->enabled = acc && !strcmp(acc->type->name, "kvm");
    (*ret)->present = accel_type_find("kvm") != NULL;
    return true;
}

bool qmp_query_machines(QmpCtx *ctx, MachineInfoList **ret, GError **errp)
{
    MachineInfoList *list = machine_info_list_new();

    for (size_t i = 0; machine_table[i]; i++) {
        const MachineType *t = machine_table[i];
        MachineInfo *info = machine_info_new();

        info->name = g_strdup(t->name);
        info->alias = g_strdup(t->alias);
        info->has_is_default = t->is_default;
        info->is_default = t->is_default;
        info->cpu_max = t->max_cpus;
        if (t->default_cpu) {
            info->default_cpu_type =
                g_strdup_printf("%s-x86_64-cpu", t->default_cpu);
        }
        info->default_ram_id = g_strdup(t->ram_id);
        machine_info_list_append(list, info);
    }
    *ret = list;
    return true;
}

/* Where the vCPU is: threads count fastest, sockets slowest. */
static CpuInstanceProperties *cpu_props(const Vm *vm, unsigned index)
{
    CpuInstanceProperties *p = cpu_instance_properties_new();
    int node = numa_node_of_cpu(vm->machine, index);
    const CpuTopology *t = &vm->machine->smp;
    unsigned threads = MAX(t->threads, 1);
    unsigned cores = MAX(t->cores, 1);
    unsigned dies = MAX(t->dies, 1);

    p->has_node_id = node != NUMA_NO_NODE;
    p->node_id = node;
    p->has_thread_id = true;
    p->thread_id = index % threads;
    p->has_core_id = true;
    p->core_id = index / threads % cores;
    p->has_die_id = dies > 1;
    p->die_id = index / threads / cores % dies;
    p->has_socket_id = true;
    p->socket_id = index / threads / cores / dies;
    return p;
}

bool qmp_query_cpus_fast(QmpCtx *ctx, CpuInfoFastList **ret, GError **errp)
{
    const Vm *vm = ctx->vm;
    CpuInfoFastList *list = cpu_info_fast_list_new();

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        const Vcpu *cpu = vm->vcpus[i];
        CpuInfoFast *info = cpu_info_fast_new();

        info->cpu_index = cpu->index;
        info->qom_path = object_path(&cpu->obj);
        info->thread_id = thread_tid(&cpu->thread);
        info->props = cpu_props(vm, cpu->index);
        info->target = SYS_EMU_TARGET_X86_64;
        cpu_info_fast_list_append(list, info);
    }
    *ret = list;
    return true;
}

bool qmp_query_hotpluggable_cpus(QmpCtx *ctx, HotpluggableCpuList **ret,
                                 GError **errp)
{
    const Vm *vm = ctx->vm;
    HotpluggableCpuList *list;

    if (!vm->machine || !vm->nvcpus) {
        error_setf(errp,
                   "The feature 'query-hotpluggable-cpus' is not enabled");
        return false;
    }
    list = hotpluggable_cpu_list_new();
    for (unsigned i = vm->nvcpus; i-- > 0;) {
        const Vcpu *cpu = vm->vcpus[i];
        HotpluggableCpu *info = hotpluggable_cpu_new();

        info->type = g_strdup(x86_cpu_model_type_name(vm->machine->cpu));
        info->vcpus_count = 1;
        info->props = cpu_props(vm, cpu->index);
        info->qom_path = object_path(&cpu->obj);
        hotpluggable_cpu_list_append(list, info);
    }
    *ret = list;
    return true;
}

/* What CPUs can have on this host; NULL: nothing is lacking. */
static const X86CpuSupport *cpu_support(const Vm *vm)
{
    Accel *acc = vm->accel;

    return acc && acc->type->cpu_support ? acc->type->cpu_support(acc) : NULL;
}

bool qmp_query_cpu_definitions(QmpCtx *ctx, CpuDefinitionInfoList **ret,
                               GError **errp)
{
    g_autoptr(JsonValue) v = x86_cpu_models_json(cpu_support(ctx->vm));

    *ret = cpu_definition_info_list_from_json(v, errp);
    return *ret != NULL;
}

bool qmp_query_cpu_model_expansion(QmpCtx *ctx, CpuModelExpansionType type,
                                   const CpuModelInfo *model,
                                   CpuModelExpansionInfo **ret, GError **errp)
{
    bool full = type == CPU_MODEL_EXPANSION_TYPE_FULL;
    CpuModelInfo *expanded;
    JsonValue *props;

    if (!x86_cpu_model_expansion(model->name, model->props, full,
                                 cpu_support(ctx->vm), &props, errp)) {
        return false;
    }
    expanded = cpu_model_info_new();
    expanded->name = g_strdup(full ? model->name : "base");
    expanded->props = props;
    *ret = cpu_model_expansion_info_new();
    (*ret)->model = expanded;
    return true;
}

bool qmp_query_memory_size_summary(QmpCtx *ctx, MemoryInfo **ret, GError **errp)
{
    *ret = memory_info_new();
    (*ret)->base_memory = ctx->vm->machine ? ctx->vm->machine->ram_size : 0;
    (*ret)->has_plugged_memory = true;
    return true;
}

bool qmp_query_current_machine(QmpCtx *ctx, CurrentMachineParams **ret,
                               GError **errp)
{
    const Machine *m = ctx->vm->machine;

    *ret = current_machine_params_new();
    (*ret)->wakeup_suspend_support = m && m->type->wakeup;
    return true;
}

static Memdev *memdev_of(const HostMem *mem)
{
    Memdev *d = memdev_new();

    d->id = g_strdup(mem->obj.name);
    d->size = mem->size;
    d->merge = mem->merge;
    d->dump = mem->dump;
    d->prealloc = mem->prealloc;
    d->share = mem->share;
    d->has_reserve = true;
    d->reserve = mem->reserve;
    d->policy = (HostMemPolicy)mem->policy;
    d->host_nodes = uint16_list_new();
    for (unsigned i = 0; i < HOSTMEM_NODES; i++) {
        if (bitmap_test(mem->nodes, i)) {
            uint16_list_append(d->host_nodes, i);
        }
    }
    return d;
}

/* Memory that -m alone has made: as the back end that it would be. */
static Memdev *memdev_default(const Machine *m)
{
    Memdev *d = memdev_new();

    d->id = g_strdup(m->type->ram_id);
    d->size = m->ram_size;
    d->merge = m->mem_merge;
    d->dump = m->dump_guest_core;
    d->has_reserve = true;
    d->reserve = true;
    d->host_nodes = uint16_list_new();
    return d;
}

bool qmp_query_memdev(QmpCtx *ctx, MemdevList **ret, GError **errp)
{
    const Machine *m = ctx->vm->machine;
    Object *objects = object_child(ctx->vm->root, "objects");

    *ret = memdev_list_new();
    for (unsigned i = 0; objects->children && i < objects->children->len; i++) {
        const HostMem *mem = hostmem_from_object(objects->children->pdata[i]);

        if (mem && mem->ram) {
            memdev_list_append(*ret, memdev_of(mem));
        }
    }
    if (m && m->ram_size && !m->memory_backend && numa_count(m) == 0) {
        memdev_list_append(*ret, memdev_default(m));
    }
    return true;
}

AcpiOstInfo *acpi_cpu_ost_info(unsigned slot, uint32_t event, uint32_t status)
{
    AcpiOstInfo *info = acpi_ost_info_new();

    info->slot = g_strdup_printf("%u", slot);
    info->slot_type = ACPI_SLOT_TYPE_CPU;
    info->source = event;
    info->status = status;
    return info;
}

bool qmp_query_acpi_ospm_status(QmpCtx *ctx, AcpiOstInfoList **ret,
                                GError **errp)
{
    const AcpiCpuhp *hp = ctx->vm->acpi_cpuhp;

    if (!ctx->vm->has_acpi) {
        error_setf(errp, "command is not supported, missing ACPI device");
        return false;
    }
    *ret = acpi_ost_info_list_new();
    for (unsigned i = 0; hp != NULL && hp->modern && i < hp->ndevs; i++) {
        const AcpiCpuhpDev *d = &hp->devs[i];

        acpi_ost_info_list_append(*ret, acpi_cpu_ost_info(i, d->ost_event,
                                                          d->ost_status));
    }
    return true;
}

bool qmp_query_balloon(QmpCtx *ctx, BalloonInfo **ret, GError **errp)
{
    uint64_t actual = 0;

    if (!virtio_balloon_get_actual(ctx->vm, &actual, errp)) {
        return false;
    }
    *ret = balloon_info_new();
    (*ret)->actual = actual;
    return true;
}

bool qmp_balloon(QmpCtx *ctx, int64_t value, GError **errp)
{
    uint64_t now;

    if (!virtio_balloon_get_actual(ctx->vm, &now, errp)) {
        return false;
    }
    if (value <= 0) {
        error_setf(errp, "Parameter 'target' expects a size");
        return false;
    }
    return virtio_balloon_set_target(ctx->vm, value, errp);
}
