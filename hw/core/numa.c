/*
 * -numa: nodes, distances, CPUs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/numa.h"

#include "hw/core/machine.h"
#include "system/hostmem.h"
#include "system/vm.h"
#include "util/error.h"
#include "util/log.h"

static Numa *numa_of(Machine *m)
{
    if (m->numa == NULL) {
        unsigned n = MAX(m->smp.max_cpus, 1u);

        m->numa = g_new0(Numa, 1);
        m->numa->cpus = g_new(int16_t, n);
        for (unsigned i = 0; i < n; i++) {
            m->numa->cpus[i] = NUMA_NO_NODE;
        }
    }
    return m->numa;
}

static bool node_exists(const Numa *n, uint64_t id)
{
    return id < NUMA_NODES && n->nodes[id].present;
}

/* CPUs */

static bool assign_cpu(Machine *m, unsigned index, unsigned node, GError **errp)
{
    Numa *n = m->numa;

    if (n->cpus[index] != NUMA_NO_NODE) {
        error_setf(errp, "CPU is already assigned to node-id: %d",
                   n->cpus[index]);
        return false;
    }
    n->cpus[index] = node;
    n->has_cpus = true;
    return true;
}

/* "3" or "0-3" */
static bool assign_cpus(Machine *m, const char *text, unsigned node,
                        GError **errp)
{
    const char *end = text;
    uint64_t first, last;

    if (!g_ascii_isdigit(*text)) {
        error_setf(errp, "cpus=%s is no range of CPUs", text);
        return false;
    }
    first = last = g_ascii_strtoull(text, (char **)&end, 10);
    if (end[0] == '-' && g_ascii_isdigit(end[1])) {
        last = g_ascii_strtoull(end + 1, (char **)&end, 10);
    }
    if (*end != '\0' || last < first) {
        error_setf(errp, "cpus=%s is no range of CPUs", text);
        return false;
    }
    for (uint64_t i = first; i <= last; i++) {
        if (i >= m->smp.max_cpus) {
            error_setf(errp,
                       "CPU index (%" PRIu64 ") should be smaller than maxcpus "
                       "(%u)",
                       i, m->smp.max_cpus);
            return false;
        }
        if (!assign_cpu(m, i, node, errp)) {
            return false;
        }
    }
    return true;
}

/* Where a CPU is: socket, die, core, thread. */
enum { PLACES = 4 };

static void place_of_cpu(const CpuTopology *t, unsigned index,
                         unsigned place[PLACES])
{
    unsigned threads = MAX(t->threads, 1u), cores = MAX(t->cores, 1u);
    unsigned dies = MAX(t->dies, 1u);

    place[3] = index % threads;
    place[2] = index / threads % cores;
    place[1] = index / threads / cores % dies;
    place[0] = index / threads / cores / dies;
}

/* type=cpu: all those that are where the option says. */
static bool add_cpu(Machine *m, KeyVal *kv, GError **errp)
{
    static const char *const keys[PLACES] = { "socket-id", "die-id", "core-id",
                                              "thread-id" };
    uint64_t node = 0, want[PLACES] = { 0 };
    bool found = false;

    if (!keyval_get_required(kv, "node-id", "-numa cpu", errp) ||
        !keyval_get_uint(kv, "node-id", 0, UINT32_MAX, &node, errp)) {
        return false;
    }
    for (unsigned k = 0; k < PLACES; k++) {
        if (!keyval_get_uint(kv, keys[k], 0, UINT32_MAX, &want[k], errp)) {
            return false;
        }
    }
    if (!keyval_check_all_used(kv, "-numa cpu", errp)) {
        return false;
    }
    if (!node_exists(m->numa, node)) {
        error_setf(errp,
                   "Invalid node-id=%" PRIu64
                   ", NUMA node must be defined with "
                   "-numa node,nodeid=ID before it's used with -numa "
                   "cpu,node-id=ID",
                   node);
        return false;
    }
    for (unsigned i = 0; i < m->smp.max_cpus; i++) {
        unsigned place[PLACES];
        bool match = true;

        place_of_cpu(&m->smp, i, place);
        for (unsigned k = 0; k < PLACES; k++) {
            match &= !keyval_has(kv, keys[k]) || want[k] == place[k];
        }
        if (match && !assign_cpu(m, i, node, errp)) {
            return false;
        }
        found |= match;
    }
    if (!found) {
        error_setf(errp, "no match found");
    }
    return found;
}

/* Nodes and distances */

static bool set_memdev(Machine *m, NumaNode *node, const char *id,
                       GError **errp)
{
    Object *objects = object_child(m->vm->root, "objects");
    Object *obj = object_child(objects, id);
    const HostMem *mem = obj != NULL ? hostmem_from_object(obj) : NULL;

    if (mem == NULL) {
        error_setf(errp, "Memory backend '%s' not found", id);
        return false;
    }
    node->memdev = g_strdup(id);
    node->size = mem->size;
    return true;
}

static bool add_node(Machine *m, KeyVal *kv, GError **errp)
{
    const char *memdev = keyval_get(kv, "memdev");
    const char **cpus = keyval_get_all(kv, "cpus");
    Numa *n = m->numa;
    uint64_t id = n->nnodes;
    bool ok = true;

    if (keyval_has(kv, "mem") || keyval_has(kv, "initiator")) {
        error_setf(errp, "Parameter %s is not supported by this machine type%s",
                   keyval_has(kv, "mem") ? "mem" : "initiator",
                   keyval_has(kv, "mem") ? ": use memdev" : "");
        g_free(cpus);
        return false;
    }
    ok = keyval_get_uint(kv, "nodeid", 0, UINT16_MAX, &id, errp) &&
         keyval_check_all_used(kv, "-numa node", errp);
    if (ok && id >= NUMA_NODES) {
        error_setf(errp, "Max number of NUMA nodes reached: %" PRIu64, id);
        ok = false;
    } else if (ok && n->nodes[id].present) {
        error_setf(errp, "Duplicate NUMA nodeid: %" PRIu64, id);
        ok = false;
    }
    ok = ok && (memdev == NULL || set_memdev(m, &n->nodes[id], memdev, errp));
    for (unsigned i = 0; ok && cpus != NULL && cpus[i] != NULL; i++) {
        ok = assign_cpus(m, cpus[i], id, errp);
    }
    g_free(cpus);
    if (ok) {
        n->nodes[id].present = true;
        n->nnodes++;
    }
    return ok;
}

static bool add_distance(Machine *m, KeyVal *kv, GError **errp)
{
    static const char *const keys[] = { "src", "dst", "val" };
    uint64_t v[G_N_ELEMENTS(keys)] = { 0 };
    Numa *n = m->numa;

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        uint64_t max = i == 2 ? UINT8_MAX : UINT16_MAX;

        if (!keyval_get_required(kv, keys[i], "-numa dist", errp) ||
            !keyval_get_uint(kv, keys[i], 0, max, &v[i], errp)) {
            return false;
        }
    }
    if (!keyval_check_all_used(kv, "-numa dist", errp)) {
        return false;
    }
    if (!node_exists(n, v[0]) || !node_exists(n, v[1])) {
        error_setf(errp, "Source/Destination NUMA node is missing. Please use "
                         "'-numa node' option to declare it first.");
        return false;
    }
    if (v[2] < NUMA_NEAR) {
        error_setf(errp,
                   "NUMA distance (%" PRIu64 ") is invalid, it shouldn't be "
                   "less than %d.",
                   v[2], NUMA_NEAR);
        return false;
    }
    if (v[0] == v[1] && v[2] != NUMA_NEAR) {
        error_setf(errp, "Local distance of node %" PRIu64 " should be %d.",
                   v[0], NUMA_NEAR);
        return false;
    }
    n->distance[v[0]][v[1]] = v[2];
    n->has_distances = true;
    return true;
}

bool numa_add(Machine *m, KeyVal *kv, GError **errp)
{
    static const struct {
        const char *type;
        bool (*add)(Machine *m, KeyVal *kv, GError **errp);
    } types[] = { { "node", add_node },
                  { "dist", add_distance },
                  { "cpu", add_cpu } };
    const char *type = keyval_get_required(kv, "type", "-numa", errp);

    if (type == NULL) {
        return false;
    }
    if (!m->type->numa) {
        error_setf(errp, "NUMA is not supported by this machine-type");
        return false;
    }
    numa_of(m);
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(type, types[i].type) == 0) {
            return types[i].add(m, kv, errp);
        }
    }
    if (strcmp(type, "hmat-lb") == 0 || strcmp(type, "hmat-cache") == 0) {
        error_setf(errp, "type=%s is not supported (no ACPI HMAT)", type);
    } else {
        error_setf(errp, "Parameter 'type' does not accept value '%s'", type);
    }
    return false;
}

/* Completion */

/* One direction is the other's, unless some pair is asymmetrical. */
static bool complete_distances(Numa *n, GError **errp)
{
    bool asymmetrical = false;

    for (unsigned i = 0; i < n->nnodes; i++) {
        n->distance[i][i] = NUMA_NEAR;
        for (unsigned k = 0; k < i; k++) {
            uint8_t there = n->distance[i][k], back = n->distance[k][i];

            if (there == 0 && back == 0) {
                error_setf(errp,
                           "The distance between node %u and %u is missing, at "
                           "least one distance value between each nodes should "
                           "be provided.",
                           k, i);
                return false;
            }
            asymmetrical |= there != 0 && back != 0 && there != back;
        }
    }
    for (unsigned i = 0; i < n->nnodes; i++) {
        for (unsigned k = 0; k < n->nnodes; k++) {
            if (n->distance[i][k] != 0) {
                continue;
            }
            if (asymmetrical) {
                error_setf(errp, "At least one asymmetrical pair of distances "
                                 "is given, please provide distances for both "
                                 "directions of all node pairs.");
                return false;
            }
            n->distance[i][k] = n->distance[k][i];
        }
    }
    return true;
}

/* Without a word of the user's, sockets go round the nodes. */
static void complete_cpus(Machine *m)
{
    g_autoptr(GString) without = g_string_new(NULL);
    Numa *n = m->numa;

    for (unsigned i = 0; i < m->smp.max_cpus; i++) {
        unsigned place[PLACES];

        place_of_cpu(&m->smp, i, place);
        if (!n->has_cpus) {
            n->cpus[i] = place[0] % n->nnodes;
        } else if (n->cpus[i] == NUMA_NO_NODE) {
            g_string_append_printf(
                without, "%sCPU %u [socket-id: %u, core-id: %u, thread-id: %u]",
                without->len ? ", " : "", i, place[0], place[2], place[3]);
        }
    }
    if (without->len) {
        log_warn("CPU(s) not present in any NUMA nodes: %s", without->str);
        log_warn("All CPU(s) up to maxcpus should be described in NUMA config");
    }
}

bool numa_complete(Machine *m, GError **errp)
{
    Numa *n = m->numa;
    uint64_t total = 0;

    if (n == NULL || n->nnodes == 0) {
        return true;
    }
    if (m->memory_backend != NULL) {
        error_setf(errp, "'-machine memory-backend' and '-numa memdev' "
                         "properties are mutually exclusive");
        return false;
    }
    for (unsigned i = 0; i < n->nnodes; i++) {
        if (!n->nodes[i].present) {
            error_setf(errp, "numa: Node ID missing: %u", i);
            return false;
        }
        if (n->nodes[i].size > m->ram_size - total) {
            total += n->nodes[i].size; /* both are below 2^63: no overflow */
            break;
        }
        total += n->nodes[i].size;
    }
    if (total != m->ram_size) {
        error_setf(errp,
                   "total memory for NUMA nodes (0x%" PRIx64 ") should equal "
                   "RAM size (0x%" PRIx64 ")",
                   total, m->ram_size);
        return false;
    }
    if (n->has_distances && !complete_distances(n, errp)) {
        return false;
    }
    complete_cpus(m);
    return true;
}

bool numa_build_ram(Machine *m, GError **errp)
{
    Object *objects = object_child(m->vm->root, "objects");
    Memory *mem = &m->vm->mem;
    uint64_t at = 0;

    memory_region_init(&m->ram_region, mem, m->type->ram_id, m->ram_size);
    for (unsigned i = 0; i < m->numa->nnodes; i++) {
        NumaNode *node = &m->numa->nodes[i];
        RamBlock *rb;

        if (node->memdev == NULL) {
            continue;
        }
        rb = hostmem_claim(object_child(objects, node->memdev), errp);
        if (rb == NULL) {
            return false;
        }
        rb->main_memory = true;
        memory_region_init_ram_block(&node->ram, mem, rb->name, rb);
        memory_region_add(&m->ram_region, at, &node->ram, 0);
        at += node->size;
    }
    return true;
}

unsigned numa_count(const Machine *m)
{
    return m->numa != NULL ? m->numa->nnodes : 0;
}

int numa_node_of_cpu(const Machine *m, unsigned index)
{
    return m->numa != NULL ? m->numa->cpus[index] : NUMA_NO_NODE;
}

void numa_free(Machine *m)
{
    if (m->numa == NULL) {
        return;
    }
    for (unsigned i = 0; i < NUMA_NODES; i++) {
        if (m->numa->nodes[i].ram.name != NULL) {
            memory_region_fini(&m->numa->nodes[i].ram);
        }
        g_free(m->numa->nodes[i].memdev);
    }
    g_free(m->numa->cpus);
    g_clear_pointer(&m->numa, g_free);
}
