/*
 * Memory back ends: their properties and life.
 *
 * Names, defaults and the list syntax of host-nodes are ABI.  Block names as
 * the stream carries them, asked of a 7.2 program: the id alone, or the path
 * "/objects/ID" with x-use-canonical-path-for-ramblock-id.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/hostmem.h"

#include <linux/mempolicy.h>
#include <sys/mman.h>

#include "system/vm.h"
#include "util/cutils.h"
#include "util/error.h"

static const char *const policy_names[] = { "default", "preferred", "bind",
                                            "interleave", NULL };

static const int policy_modes[] = {
    [HOSTMEM_POLICY_DEFAULT] = MPOL_DEFAULT,
    [HOSTMEM_POLICY_PREFERRED] = MPOL_PREFERRED,
    [HOSTMEM_POLICY_BIND] = MPOL_BIND,
    [HOSTMEM_POLICY_INTERLEAVE] = MPOL_INTERLEAVE,
};

static HostMem *hostmem_one(Object *obj)
{
    return OBJECT_CAST(HostMem, obj);
}

HostMem *hostmem_from_object(Object *obj)
{
    return object_type_is_a(obj->type, "memory-backend") ? hostmem_one(obj)
                                                         : NULL;
}

static bool add_nodes(unsigned long *nodes, uint64_t first, uint64_t last,
                      GError **errp)
{
    if (last >= HOSTMEM_NODES) {
        error_setf(errp, "Invalid host-nodes value: %" PRIu64, last);
        return false;
    }
    if (first > last) {
        error_setf(errp, "Invalid host-nodes range: %" PRIu64 "-%" PRIu64,
                   first, last);
        return false;
    }
    bitmap_set(nodes, first, last - first + 1);
    return true;
}

/* "3", "0-2", or several of them with commas between. */
static bool nodes_from_text(unsigned long *nodes, const char *text,
                            GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    for (char **part = parts; *part; part++) {
        char *dash = strchr(*part, '-');
        uint64_t first;
        uint64_t last;

        if (dash) {
            *dash = '\0';
        }
        if (!parse_uint("host-nodes", *part, 0, UINT64_MAX, &first, NULL) ||
            !parse_uint("host-nodes", dash ? dash + 1 : *part, 0, UINT64_MAX,
                        &last, NULL)) {
            error_setf(errp,
                       "Parameter 'host-nodes' expects a uint64 value or "
                       "range, not '%s'",
                       text);
            return false;
        }
        if (!add_nodes(nodes, first, last, errp)) {
            return false;
        }
    }
    return true;
}

/* An array replaces what was set; text, which may be given twice, adds. */
static bool set_nodes(Object *obj, const Property *p, const JsonValue *val,
                      GError **errp)
{
    unsigned long nodes[G_N_ELEMENTS(hostmem_one(obj)->nodes)] = { 0 };
    const char *text = json_get_string(val);
    uint64_t node;

    if (text) {
        return nodes_from_text(hostmem_one(obj)->nodes, text, errp);
    }
    if (json_type(val) != JSON_ARRAY) {
        error_setf(errp, "Invalid parameter type for '%s', expected: array",
                   p->name);
        return false;
    }
    for (size_t i = 0; i < json_array_len(val); i++) {
        if (!json_get_uint(json_array_at(val, i), &node)) {
            error_setf(errp,
                       "Invalid parameter type for '%s[%zu]', expected: "
                       "integer",
                       p->name, i);
            return false;
        }
        if (!add_nodes(nodes, node, node, errp)) {
            return false;
        }
    }
    memcpy(hostmem_one(obj)->nodes, nodes, sizeof(nodes));
    return true;
}

static JsonValue *get_nodes(Object *obj, const Property *p, GError **errp)
{
    const unsigned long *nodes = hostmem_one(obj)->nodes;
    JsonValue *array = json_array_new();

    (void)p;
    (void)errp;
    for (uint64_t n = bitmap_find_next(nodes, HOSTMEM_NODES, 0);
         n < HOSTMEM_NODES; n = bitmap_find_next(nodes, HOSTMEM_NODES, n + 1)) {
        json_array_add(array, json_uint_new(n));
    }
    return array;
}

static void hostmem_advise(HostMem *m, int advice)
{
    if (m->ram) {
        /* Kernels without same-page merging say EINVAL. */
        madvise(m->ram->host, m->ram->max_length, advice);
    }
}

static bool set_merge(Object *obj, const Property *p, const JsonValue *val,
                      GError **errp)
{
    HostMem *m = hostmem_one(obj);

    if (!object_prop_store(obj, p, val, errp)) {
        return false;
    }
    hostmem_advise(m, m->merge ? MADV_MERGEABLE : MADV_UNMERGEABLE);
    return true;
}

static bool set_dump(Object *obj, const Property *p, const JsonValue *val,
                     GError **errp)
{
    HostMem *m = hostmem_one(obj);

    if (!object_prop_store(obj, p, val, errp)) {
        return false;
    }
    hostmem_advise(m, m->dump ? MADV_DODUMP : MADV_DONTDUMP);
    return true;
}

static bool set_prealloc(Object *obj, const Property *p, const JsonValue *val,
                         GError **errp)
{
    HostMem *m = hostmem_one(obj);
    bool was = m->prealloc;

    if (!object_prop_store(obj, p, val, errp)) {
        return false;
    }
    if (!m->reserve && m->prealloc) {
        m->prealloc = was;
        error_setf(errp, "'prealloc=on' and 'reserve=off' are incompatible");
        return false;
    }
    if (m->ram && m->prealloc && !was &&
        !ram_block_populate(m->ram, m->prealloc_threads, errp)) {
        m->prealloc = was;
        return false;
    }
    return true;
}

static bool check_policy(const HostMem *m, GError **errp)
{
    bool any = bitmap_test_any(m->nodes, 0, HOSTMEM_NODES);

    if (any && m->policy == HOSTMEM_POLICY_DEFAULT) {
        error_setf(errp, "host-nodes must be empty for policy default, or "
                         "you should explicitly specify a policy other than "
                         "default");
        return false;
    }
    if (!any && m->policy != HOSTMEM_POLICY_DEFAULT) {
        error_setf(errp, "host-nodes must be set for policy %s",
                   policy_names[m->policy]);
        return false;
    }
    return true;
}

static bool check_common(const HostMem *m, GError **errp)
{
    if (!m->size) {
        error_setf(errp, "Parameter 'size' is missing");
        return false;
    }
    if (m->prealloc && !m->reserve) {
        error_setf(errp, "'prealloc=on' and 'reserve=off' are incompatible");
        return false;
    }
    if (m->prealloc_context && *m->prealloc_context) {
        error_setf(errp,
                   "%s '%s': prealloc-context=%s is not supported: there are "
                   "no thread contexts",
                   m->obj.type->name, m->obj.name, m->prealloc_context);
        return false;
    }
    return check_policy(m, errp);
}

/* More than one node: the kernel's later mode, if it has it. */
static int policy_mode(const HostMem *m)
{
#ifdef MPOL_PREFERRED_MANY
    if (m->policy == HOSTMEM_POLICY_PREFERRED &&
        bitmap_count(m->nodes, 0, HOSTMEM_NODES) > 1) {
        return MPOL_PREFERRED_MANY;
    }
#endif
    return policy_modes[m->policy];
}

/* Of its block, while no device has it. */
static char *block_name(const HostMem *m)
{
    return m->canonical_path ? object_path(&m->obj) : g_strdup(m->obj.name);
}

static bool map_block(HostMem *m, RamBlockOptions *opts, GError **errp)
{
    Vm *vm = vm_of_object(&m->obj);
    g_autofree char *name = block_name(m);

    if (!vm) {
        error_setf(errp, "%s: not in the tree of a VM", m->obj.type->name);
        return false;
    }
    opts->size = m->size;
    opts->share = m->share;
    opts->prealloc = m->prealloc;
    opts->prealloc_threads = m->prealloc_threads;
    opts->no_merge = !m->merge;
    opts->no_dump = !m->dump;
    opts->no_reserve = !m->reserve;
    opts->numa_policy = policy_mode(m);
    opts->numa_nodes = m->nodes;
    opts->numa_nnodes = HOSTMEM_NODES;
    /* Until somebody claims it. */
    opts->not_migratable = true;
    m->list = &vm->mem.ram;
    m->ram = ram_block_new(m->list, name, opts, errp);
    return m->ram != NULL;
}

static bool ram_complete(Object *obj, GError **errp)
{
    RamBlockOptions opts = { .backing = RAM_ANONYMOUS };

    return check_common(hostmem_one(obj), errp) &&
           map_block(hostmem_one(obj), &opts, errp);
}

static bool file_complete(Object *obj, GError **errp)
{
    HostMem *m = hostmem_one(obj);
    RamBlockOptions opts = {
        .backing = RAM_FILE,
        .path = m->mem_path,
        .align = m->align,
        .read_only = m->read_only,
        .rom = m->read_only,
        .discard_data = m->discard_data,
    };

    if (!check_common(m, errp)) {
        return false;
    }
    if (!m->mem_path || !*m->mem_path) {
        error_setf(errp, "Parameter 'mem-path' is missing");
        return false;
    }
    if (m->pmem) {
        error_setf(errp, "memory-backend-file '%s': pmem=on is not supported",
                   obj->name);
        return false;
    }
    return map_block(m, &opts, errp);
}

static bool memfd_complete(Object *obj, GError **errp)
{
    HostMem *m = hostmem_one(obj);
    RamBlockOptions opts = {
        .backing = RAM_MEMFD,
        .hugetlb = m->hugetlb,
        .hugetlb_size = m->hugetlb_size,
        .seal = m->seal,
    };

    if (!check_common(m, errp)) {
        return false;
    }
    if (m->hugetlb_size && !is_pow2(m->hugetlb_size)) {
        error_setf(errp, "Hugepage size must be a power of 2");
        return false;
    }
    if (m->hugetlb_size && !m->hugetlb) {
        error_setf(errp,
                   "memory-backend-memfd '%s': hugetlbsize needs hugetlb=on",
                   obj->name);
        return false;
    }
    return map_block(m, &opts, errp);
}

static bool can_delete(Object *obj, GError **errp)
{
    (void)errp; /* the caller says that it is in use */
    return !hostmem_one(obj)->in_use;
}

static void hostmem_fini(Object *obj)
{
    HostMem *m = hostmem_one(obj);

    if (m->ram) {
        ram_block_free(m->list, m->ram);
        m->ram = NULL;
    }
}

RamBlock *hostmem_claim(Object *obj, GError **errp)
{
    HostMem *m = hostmem_from_object(obj);

    if (!m || !m->ram) {
        error_setf(errp, "object '%s' is not a memory backend",
                   obj->name ? obj->name : "");
        return NULL;
    }
    if (m->in_use) {
        error_setf(errp, "can't use already busy memdev: %s", obj->name);
        return NULL;
    }
    m->in_use = true;
    m->ram->migratable = true;
    return m->ram;
}

RamBlock *hostmem_claim_for(Object *obj, const char *path, GError **errp)
{
    RamBlock *rb = hostmem_claim(obj, errp);
    g_autofree char *name = NULL;

    if (!rb) {
        return NULL;
    }
    name = g_strdup_printf("%s/%s", path, rb->name);
    if (!ram_block_rename(hostmem_one(obj)->list, rb, name, errp)) {
        hostmem_release(obj);
        return NULL;
    }
    return rb;
}

void hostmem_release(Object *obj)
{
    HostMem *m = hostmem_from_object(obj);

    if (m && m->in_use) {
        g_autofree char *name = block_name(m);

        m->in_use = false;
        ram_block_rename(m->list, m->ram, name, NULL);
        m->ram->migratable = false;
    }
}

/* Those that all types have; share_ is the default of "share". */
#define COMMON_PROPS(share_)                                                 \
    PROP(PROP_BOOL, HostMem, dump, "dump", .def = true, .run_time = true,    \
         .set = set_dump, .help = "Set to 'off' to exclude from core dump"), \
        { .name = "host-nodes",                                              \
          .kind = PROP_CUSTOM,                                               \
          .type_name = "int",                                                \
          .set = set_nodes,                                                  \
          .get = get_nodes,                                                  \
          .help = "Binds memory to the list of NUMA host nodes" },           \
        PROP(PROP_BOOL, HostMem, merge, "merge", .def = true,                \
             .run_time = true, .set = set_merge,                             \
             .help = "Mark memory as mergeable"),                            \
        PROP(PROP_ENUM, HostMem, policy, "policy", .names = policy_names,    \
             .type_name = "HostMemPolicy", .help = "Set the NUMA policy"),   \
        PROP(PROP_STR, HostMem, prealloc_context, "prealloc-context",        \
             .type_name = "link<thread-context>",                            \
             .help = "Context to use for creating CPU threads for "          \
                     "preallocation"),                                       \
        PROP(PROP_U32, HostMem, prealloc_threads, "prealloc-threads",        \
             .def = 1, .min = 1, .max = UINT32_MAX, .type_name = "int",      \
             .help = "Number of CPU threads to use for prealloc"),           \
        PROP(PROP_BOOL, HostMem, prealloc, "prealloc", .run_time = true,     \
             .set = set_prealloc, .help = "Preallocate memory"),             \
        PROP(PROP_BOOL, HostMem, reserve, "reserve", .def = true,            \
             .help = "Reserve swap space (or huge pages) if applicable"),    \
        PROP(PROP_BOOL, HostMem, share, "share", .def = (share_),            \
             .help = "Mark the memory as private to QEMU or shared"),        \
        PROP(PROP_SIZE, HostMem, size, "size", .min = 1, .max = UINT64_MAX,  \
             .type_name = "int",                                             \
             .help = "Size of the memory region (ex: 500M)"),                \
        PROP(PROP_BOOL, HostMem, canonical_path,                             \
             "x-use-canonical-path-for-ramblock-id")

static const Property ram_props[] = {
    COMMON_PROPS(false),
    PROP_END,
};

static const Property file_props[] = {
    PROP(PROP_SIZE, HostMem, align, "align", .type_name = "int"),
    PROP(PROP_BOOL, HostMem, discard_data, "discard-data"),
    PROP(PROP_STR, HostMem, mem_path, "mem-path", .type_name = "string"),
    PROP(PROP_BOOL, HostMem, pmem, "pmem"),
    PROP(PROP_BOOL, HostMem, read_only, "readonly"),
    COMMON_PROPS(false),
    PROP_END,
};

static const Property memfd_props[] = {
    PROP(PROP_BOOL, HostMem, hugetlb, "hugetlb", .help = "Use huge pages"),
    PROP(PROP_SIZE, HostMem, hugetlb_size, "hugetlbsize", .type_name = "int",
         .help = "Huge pages size (ex: 2M, 1G)"),
    PROP(PROP_BOOL, HostMem, seal, "seal", .def = true,
         .help = "Seal growing & shrinking"),
    COMMON_PROPS(true),
    PROP_END,
};

static const ObjectType base_type = {
    .name = "memory-backend",
    .parent = "object",
    .size = sizeof(HostMem),
    .abstract = true,
};

static const ObjectType ram_type = {
    .name = "memory-backend-ram",
    .parent = "memory-backend",
    .size = sizeof(HostMem),
    .props = ram_props,
    .user_creatable = true,
    .complete = ram_complete,
    .can_delete = can_delete,
    .fini = hostmem_fini,
};

static const ObjectType file_type = {
    .name = "memory-backend-file",
    .parent = "memory-backend",
    .size = sizeof(HostMem),
    .props = file_props,
    .user_creatable = true,
    .complete = file_complete,
    .can_delete = can_delete,
    .fini = hostmem_fini,
};

static const ObjectType memfd_type = {
    .name = "memory-backend-memfd",
    .parent = "memory-backend",
    .size = sizeof(HostMem),
    .props = memfd_props,
    .user_creatable = true,
    .complete = memfd_complete,
    .can_delete = can_delete,
    .fini = hostmem_fini,
};

const ObjectType *const *hostmem_object_types(void)
{
    static const ObjectType *const types[] = { &base_type, &ram_type,
                                               &file_type, &memfd_type, NULL };

    return types;
}
