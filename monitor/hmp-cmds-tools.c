/*
 * Human monitor: the forms of QMP commands that scripts type into it: objects,
 * character devices, memory to files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "chardev/chardev.h"
#include "hw/core/machine.h"
#include "hw/core/numa.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "qom/object-make.h"
#include "system/vm.h"
#include "util/error.h"
#include "util/keyval.h"

static QmpCtx qmp_ctx(const HmpOut *out)
{
    return (QmpCtx){ .vm = out->vm, .monitors = out->vm->monitors };
}

/* Character devices */

void hmp_cmd_chardev_add(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(a->arg[0].text, "backend", &err);
    Chardev *cd = NULL;

    if (kv != NULL) {
        cd = chardev_new_from_keyval(out->vm->chardevs, kv, &err);
    }
    if (cd == NULL) {
        hmp_error(out, err);
    } else if (chardev_pty_path(cd) != NULL) {
        hmp_printf(out, "char device redirected to %s (label %s)\n",
                   chardev_pty_path(cd), chardev_label(cd));
    }
}

void hmp_cmd_chardev_remove(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    GError *err = NULL;

    if (!qmp_chardev_remove(&ctx, a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_chardev_send_break(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    GError *err = NULL;

    if (!qmp_chardev_send_break(&ctx, a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_ringbuf_write(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    GError *err = NULL;

    if (!qmp_ringbuf_write(&ctx, a->arg[0].text, a->arg[1].text, false, 0,
                           &err)) {
        hmp_error(out, err);
    }
}

/* As it is, but for what a terminal would take for commands. */
void hmp_cmd_ringbuf_read(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    g_autofree char *data = NULL;
    GError *err = NULL;

    if (!qmp_ringbuf_read(&ctx, a->arg[0].text, a->arg[1].num, false, 0, &data,
                          &err)) {
        hmp_error(out, err);
        return;
    }
    for (const char *p = data; *p != '\0'; p++) {
        uint8_t c = *p;

        if (c == '\\') {
            hmp_printf(out, "\\\\");
        } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            hmp_printf(out, "\\u%04X", c);
        } else {
            hmp_printf(out, "%c", c);
        }
    }
    hmp_printf(out, "\n");
}

/* Objects */

void hmp_cmd_qom_list(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    g_autoptr(ObjectPropertyInfoList) list = NULL;
    GError *err = NULL;

    if (!a->arg[0].given) {
        hmp_printf(out, "/\n");
        return;
    }
    if (!qmp_qom_list(&ctx, a->arg[0].text, &list, &err)) {
        hmp_error(out, err);
        return;
    }
    for (size_t i = 0; i < list->n; i++) {
        hmp_printf(out, "%s (%s)\n", list->items[i]->name,
                   list->items[i]->type);
    }
}

void hmp_cmd_qom_get(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    g_autoptr(JsonValue) v = NULL;
    g_autofree char *text = NULL;
    GError *err = NULL;

    if (!qmp_qom_get(&ctx, a->arg[0].text, a->arg[1].text, &v, &err)) {
        hmp_error(out, err);
        return;
    }
    text = json_to_string(v, true);
    hmp_printf(out, "%s\n", text);
}

/* With -j the value is JSON; else text, read by the property's type. */
void hmp_cmd_qom_set(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    g_autoptr(JsonValue) v = NULL;
    GError *err = NULL;
    bool ok;

    if (a->flags & (1u << ('j' - 'a'))) {
        v = json_parse(a->arg[2].text, -1, &err);
        ok = v && qmp_qom_set(&ctx, a->arg[0].text, a->arg[1].text, v, &err);
    } else {
        bool ambiguous = false;
        Object *obj = object_resolve(out->vm->root, a->arg[0].text, &ambiguous);

        ok = obj != NULL &&
             object_prop_set_str(obj, a->arg[1].text, a->arg[2].text, &err);
        if (obj == NULL) {
            error_setf(&err,
                       ambiguous ? "Path '%s' is ambiguous"
                                 : "Device '%s' not found",
                       a->arg[0].text);
        }
    }
    if (!ok) {
        hmp_error(out, err);
    }
}

void hmp_cmd_boot_set(HmpOut *out, const HmpArgs *a)
{
    Machine *m = out->vm->machine;
    GError *err = NULL;

    if (m == NULL || m->type->boot_set == NULL) {
        hmp_printf(out, "Error: no function defined to set boot device list "
                        "for this machine\n");
    } else if (!m->type->boot_set(m, a->arg[0].text, &err)) {
        hmp_error(out, err);
    } else {
        hmp_printf(out, "boot device list now set to %s\n", a->arg[0].text);
    }
}

/* Memory */

void hmp_cmd_memsave(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    GError *err = NULL;

    if (!qmp_memsave(&ctx, a->arg[0].num, a->arg[1].num, a->arg[2].text, true,
                     hmp_cpu_index(out), &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_pmemsave(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    GError *err = NULL;

    if (!qmp_pmemsave(&ctx, a->arg[0].num, a->arg[1].num, a->arg[2].text,
                      &err)) {
        hmp_error(out, err);
    }
}

static const char *on_off(bool v)
{
    return v ? "true" : "false";
}

static void print_memdev(HmpOut *out, const Memdev *m)
{
    if (m->id != NULL) {
        hmp_printf(out, "memory backend: %s\n", m->id);
    }
    hmp_printf(out, "  size:  %" PRIu64 "\n", m->size);
    hmp_printf(out, "  merge: %s\n", on_off(m->merge));
    hmp_printf(out, "  dump: %s\n", on_off(m->dump));
    hmp_printf(out, "  prealloc: %s\n", on_off(m->prealloc));
    hmp_printf(out, "  share: %s\n", on_off(m->share));
    if (m->has_reserve) {
        hmp_printf(out, "  reserve: %s\n", on_off(m->reserve));
    }
    hmp_printf(out,
               "  policy: %s\n  host nodes: ", host_mem_policy_str(m->policy));
    for (size_t i = 0; i < m->host_nodes->n; i++) {
        hmp_printf(out, "%s%u", i ? "," : "", m->host_nodes->items[i]);
    }
    hmp_printf(out, "\n");
}

void hmp_info_memdev(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    g_autoptr(MemdevList) list = NULL;
    GError *err = NULL;

    if (!qmp_query_memdev(&ctx, &list, &err)) {
        hmp_error(out, err);
        return;
    }
    for (size_t i = 0; i < list->n; i++) {
        print_memdev(out, list->items[i]);
    }
    hmp_printf(out, "\n");
}

void hmp_info_memory_size_summary(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    g_autoptr(MemoryInfo) info = NULL;

    if (qmp_query_memory_size_summary(&ctx, &info, NULL)) {
        hmp_printf(out,
                   "base memory: %" PRIu64 "\nplugged memory: %" PRIu64 "\n",
                   info->base_memory, info->plugged_memory);
    }
}

static void print_place(HmpOut *out, const HotpluggableCpu *c)
{
    const CpuInstanceProperties *p = c->props;
    const struct {
        const char *name;
        bool has;
        int64_t n;
    } rows[] = {
        { "node-id", p->has_node_id, p->node_id },
        { "socket-id", p->has_socket_id, p->socket_id },
        { "die-id", p->has_die_id, p->die_id },
        { "core-id", p->has_core_id, p->core_id },
        { "thread-id", p->has_thread_id, p->thread_id },
    };

    hmp_printf(out, "  type: \"%s\"\n  vcpus_count: \"%" PRId64 "\"\n", c->type,
               c->vcpus_count);
    if (c->qom_path != NULL) {
        hmp_printf(out, "  qom_path: \"%s\"\n", c->qom_path);
    }
    hmp_printf(out, "  CPUInstance Properties:\n");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].has) {
            hmp_printf(out, "    %s: \"%" PRId64 "\"\n", rows[i].name,
                       rows[i].n);
        }
    }
}

void hmp_info_hotpluggable_cpus(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    g_autoptr(HotpluggableCpuList) list = NULL;
    GError *err = NULL;

    if (!qmp_query_hotpluggable_cpus(&ctx, &list, &err)) {
        hmp_error(out, err);
        return;
    }
    hmp_printf(out, "Hotpluggable CPUs:\n");
    for (size_t i = 0; i < list->n; i++) {
        print_place(out, list->items[i]);
    }
}

void hmp_info_numa(HmpOut *out, const HmpArgs *a)
{
    const Vm *vm = out->vm;
    const Machine *m = vm->machine;
    unsigned n = m != NULL ? numa_count(m) : 0;

    hmp_printf(out, "%u nodes\n", n);
    for (unsigned i = 0; i < n; i++) {
        hmp_printf(out, "node %u cpus:", i);
        for (unsigned k = 0; k < vm->nvcpus; k++) {
            int node = numa_node_of_cpu(m, vm->vcpus[k]->index);

            if (MAX(node, 0) == (int)i) {
                hmp_printf(out, " %u", vm->vcpus[k]->index);
            }
        }
        hmp_printf(out, "\nnode %u size: %" PRIu64 " MB\n", i,
                   m->numa->nodes[i].size / MiB);
        hmp_printf(out, "node %u plugged: 0 MB\n", i);
    }
}

void hmp_cmd_object_add(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(a->arg[0].text, "qom-type", &err);
    g_autoptr(JsonValue) args = kv != NULL ? object_args_from_keyval(kv) : NULL;

    if (args == NULL || !object_make(out->vm->root, args, true, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_object_del(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!object_unmake(out->vm->root, a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_info_iothreads(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    g_autoptr(IothreadInfoList) list = NULL;

    if (!qmp_query_iothreads(&ctx, &list, NULL)) {
        return;
    }
    for (size_t i = 0; i < list->n; i++) {
        const IothreadInfo *t = list->items[i];

        hmp_printf(out,
                   "%s:\n  thread_id=%" PRId64 "\n  poll-max-ns=%" PRId64
                   "\n  poll-grow=%" PRId64 "\n  poll-shrink=%" PRId64
                   "\n  aio-max-batch=%" PRId64 "\n",
                   t->id, t->thread_id, t->poll_max_ns, t->poll_grow,
                   t->poll_shrink, t->aio_max_batch);
    }
}

void hmp_cmd_balloon(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    int64_t bytes;
    GError *err = NULL;

    if (__builtin_mul_overflow(a->arg[0].num, (int64_t)MiB, &bytes)) {
        hmp_printf(out, "Error: 'balloon' expects a number of MiB\n");
    } else if (!qmp_balloon(&ctx, bytes, &err)) {
        hmp_error(out, err);
    }
}

void hmp_info_balloon(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = qmp_ctx(out);
    g_autoptr(BalloonInfo) info = NULL;
    GError *err = NULL;

    if (!qmp_query_balloon(&ctx, &info, &err)) {
        hmp_error(out, err);
        return;
    }
    hmp_printf(out, "balloon: actual=%" PRId64 "\n", info->actual >> 20);
}
