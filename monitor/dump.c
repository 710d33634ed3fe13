/*
 * Dumps of guest memory: the thread that writes one, and its end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/dump.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accel/vcpu.h"
#include "monitor/dump-elf.h"
#include "monitor/qmp.h"
#include "monitor/vm-control.h"
#include "qapi/qapi-events.h"
#include "system/runstate.h"
#include "system/vm.h"
#include "target/i386/page-walk.h"
#include "util/error.h"
#include "util/event-notifier.h"
#include "util/lock.h"
#include "util/rcu.h"
#include "util/thread.h"

enum {
    CHUNK = 1024 * 1024,
    /* A pipe that poll() calls writable takes so much without waiting. */
    PIPE_CHUNK = PIPE_BUF,
    MAPPINGS_MAX = 1 << 20,
};

struct Dump {
    Vm *vm;
    DumpState state;
    Thread thread;
    EventNotifier cancel;
    GSource *ended; /* the thread has; not NULL while one is on its way */
    bool resume;    /* the guest ran before */
    int fd;
    bool regular; /* file: a write ends, whoever reads */
    GByteArray *head;
    GArray *blocks; /* DumpBlock */
    uint64_t total;
    uint64_t completed; /* atomic; the thread writes */
    GError *err;        /* the thread's; read after its end */
};

/* The thread */

static bool wait_writable(Dump *d, GError **errp)
{
    struct pollfd p[2] = {
        { .fd = d->fd, .events = POLLOUT },
        { .fd = event_notifier_fd(&d->cancel), .events = POLLIN },
    };

    while (poll(p, 2, -1) < 0 && errno == EINTR) {
    }
    if (p[1].revents != 0) {
        error_setf(errp, "dump: broken off");
        return false;
    }
    return true;
}

static bool write_all(Dump *d, const uint8_t *buf, size_t len, GError **errp)
{
    while (len > 0) {
        size_t part = d->regular ? len : MIN(len, (size_t)PIPE_CHUNK);
        ssize_t n;

        if (!wait_writable(d, errp)) {
            return false;
        }
        n = write(d->fd, buf, part);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (n < 0) {
            error_setf_errno(errp, errno, "dump: failed to save memory");
            return false;
        }
        buf += n;
        len -= (size_t)n;
    }
    return true;
}

static bool write_block(Dump *d, const DumpBlock *b, uint8_t *buf,
                        GError **errp)
{
    for (uint64_t done = 0; done < b->size;) {
        size_t n = MIN(b->size - done, (uint64_t)CHUNK);

        if (address_space_read(&d->vm->mem.memory, b->addr + done, buf, n) !=
            MEM_OK) {
            error_setf(errp, "dump: no memory at 0x%" PRIx64 " any more",
                       b->addr + done);
            return false;
        }
        if (!write_all(d, buf, n, errp)) {
            return false;
        }
        done += n;
        __atomic_store_n(&d->completed, d->completed + n, __ATOMIC_RELAXED);
    }
    return true;
}

static bool write_file(Dump *d, GError **errp)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK);

    if (!write_all(d, d->head->data, d->head->len, errp)) {
        return false;
    }
    for (unsigned i = 0; i < d->blocks->len; i++) {
        const DumpBlock *b = &g_array_index(d->blocks, DumpBlock, i);

        if (!write_block(d, b, buf, errp)) {
            return false;
        }
    }
    return write_all(d, (const uint8_t *)DUMP_ELF_TAIL, DUMP_ELF_TAIL_SIZE,
                     errp);
}

static void *dump_thread(void *opaque)
{
    Dump *d = opaque;
    bool ok = write_file(d, &d->err);

    if (close(d->fd) != 0 && ok) {
        error_setf_errno(&d->err, errno, "dump: failed to save memory");
    }
    g_source_set_ready_time(d->ended, 0);
    return NULL;
}

/* Its end, in the main thread */

static void send_completed(const Dump *d)
{
    g_autoptr(DumpQueryResult) r = dump_query_result_new();

    r->status = d->err != NULL ? DUMP_STATUS_FAILED : DUMP_STATUS_COMPLETED;
    r->completed = (int64_t)d->completed;
    r->total = (int64_t)d->total;
    qapi_event_dump_completed(monitors_event_sink(d->vm->monitors), r,
                              d->err != NULL ? d->err->message : NULL);
}

/* The thread has been joined. */
static void dump_finish(Dump *d)
{
    Vm *vm = d->vm;

    g_source_destroy(d->ended);
    g_source_unref(g_steal_pointer(&d->ended));
    event_notifier_fini(&d->cancel);
    g_clear_pointer(&d->head, g_byte_array_unref);
    g_clear_pointer(&d->blocks, g_array_unref);
    d->state = d->err != NULL ? DUMP_FAILED : DUMP_DONE;
    vm->dumping = false;
    send_completed(d);
    /* Somebody may have ended the guest's run for good meanwhile. */
    if (d->resume && runstate_get(vm) == RUN_STATE_SAVE_VM) {
        vm_start(vm);
    }
}

static gboolean on_ended(gpointer opaque)
{
    Dump *d = opaque;

    thread_join(&d->thread); /* it does nothing more */
    dump_finish(d);
    g_clear_error(&d->err);
    return G_SOURCE_REMOVE;
}

static gboolean ended_dispatch(GSource *s, GSourceFunc fn, gpointer opaque)
{
    return fn(opaque);
}

static GSourceFuncs ended_funcs = { .dispatch = ended_dispatch };

/* Its start */

static GArray *find_blocks(Vm *vm, const DumpOptions *o)
{
    GArray *blocks = g_array_new(FALSE, FALSE, sizeof(DumpBlock));
    const RamBlock *last_ram = NULL;
    uint64_t last_end = 0; /* in last_ram */
    const FlatView *view;

    RCU_READ_GUARD();
    view = address_space_view(&vm->mem.memory);
    for (unsigned i = 0; i < view->nranges; i++) {
        const FlatRange *r = &view->ranges[i];
        uint64_t from = r->addr, to = r->addr + r->size;
        DumpBlock *last;

        if (o->has_range) {
            from = MAX(from, o->begin);
            to = MIN(to, o->begin + o->length);
        }
        if (r->ram == NULL || from >= to) {
            continue;
        }
        last = blocks->len > 0
                   ? &g_array_index(blocks, DumpBlock, blocks->len - 1)
                   : NULL;
        if (last != NULL && r->ram == last_ram && r->offset == last_end &&
            last->addr + last->size == from) {
            last->size += to - from;
        } else {
            const DumpBlock b = { .addr = from, .size = to - from };

            g_array_append_val(blocks, b);
        }
        last_ram = r->ram;
        last_end = r->offset + r->size;
    }
    return blocks;
}

typedef struct MappingList {
    Vm *vm;
    GArray *all; /* DumpMapping */
} MappingList;

static bool read_table(void *opaque, uint64_t pa, void *buf, size_t len)
{
    const MappingList *l = opaque;

    return address_space_read(&l->vm->mem.memory, pa, buf, len) == MEM_OK;
}

static bool add_mapping(void *opaque, const X86Mapping *m)
{
    MappingList *l = opaque;
    const DumpMapping new = { .va = m->va, .pa = m->pa, .size = m->size };

    if (l->all->len > 0) {
        DumpMapping *last =
            &g_array_index(l->all, DumpMapping, l->all->len - 1);

        if (last->va + last->size == m->va && last->pa + last->size == m->pa) {
            last->size += m->size;
            return true;
        }
    }
    g_array_append_val(l->all, new);
    return l->all->len <= MAPPINGS_MAX;
}

static int compare_mappings(const void *a, const void *b)
{
    const DumpMapping *x = a, *y = b;

    if (x->pa != y->pa) {
        return x->pa < y->pa ? -1 : 1;
    }
    if (x->va != y->va) {
        return x->va < y->va ? -1 : 1;
    }
    return x->size < y->size ? -1 : x->size > y->size;
}

/* CPUs mostly have the same ones. */
static void remove_doubles(GArray *all)
{
    unsigned n = 0;

    g_array_sort(all, compare_mappings);
    for (unsigned i = 0; i < all->len; i++) {
        const DumpMapping *m = &g_array_index(all, DumpMapping, i);

        if (n == 0 ||
            compare_mappings(&g_array_index(all, DumpMapping, n - 1), m)) {
            g_array_index(all, DumpMapping, n++) = *m;
        }
    }
    g_array_set_size(all, n);
}

static GArray *find_mappings(Vm *vm, GError **errp)
{
    static const X86WalkOps ops = { .read = read_table, .leaf = add_mapping };
    MappingList l = { vm, g_array_new(FALSE, FALSE, sizeof(DumpMapping)) };

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (!x86_cpu_walk_pages(vm->vcpus[i]->x86, &ops, &l)) {
            error_setf(errp,
                       "dump: CPU %u: page tables with more than %d "
                       "mappings or %d tables",
                       i, MAPPINGS_MAX, X86_WALK_TABLES_MAX);
            g_array_unref(l.all);
            return NULL;
        }
    }
    remove_doubles(l.all);
    return l.all;
}

static bool sync_cpus(Vm *vm, GError **errp)
{
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (!vcpu_sync_state(vm->vcpus[i], errp)) {
            return false;
        }
    }
    return true;
}

static bool may_start(const Dump *d, const DumpOptions *o, GError **errp)
{
    if (d->ended != NULL) {
        error_setf(errp, "There is a dump in process, please wait.");
        return false;
    }
    if (runstate_get(d->vm) == RUN_STATE_INMIGRATE) {
        error_setf(errp, "Dump not allowed during incoming migration.");
        return false;
    }
    /* It would find the guest in a state that isn't its own. */
    if (!vm_control_may_change(d->vm, "dump-guest-memory", errp)) {
        return false;
    }
    if (vm_busy(d->vm) != NULL) {
        error_setf(errp, "dump: %s", vm_busy(d->vm));
        return false;
    }
    if (o->has_range && (o->length == 0 || o->begin + o->length < o->begin)) {
        error_setf(errp,
                   "dump: begin 0x%" PRIx64 ", length 0x%" PRIx64
                   ": no such range",
                   o->begin, o->length);
        return false;
    }
    return true;
}

/* What the thread writes. */
static bool dump_prepare(Dump *d, const DumpOptions *o, GError **errp)
{
    g_autoptr(GArray) mappings = NULL;

    if (!sync_cpus(d->vm, errp) ||
        (o->paging && (mappings = find_mappings(d->vm, errp)) == NULL)) {
        return false;
    }
    d->blocks = find_blocks(d->vm, o);
    if (d->blocks->len == 0) {
        error_setf(errp, "dump: no guest memory to dump");
        return false;
    }
    d->total = d->completed = 0;
    for (unsigned i = 0; i < d->blocks->len; i++) {
        d->total += g_array_index(d->blocks, DumpBlock, i).size;
    }
    d->head = dump_elf_headers(d->vm, d->blocks, mappings);
    return true;
}

static bool start_thread(Dump *d, GError **errp)
{
    struct stat st;

    d->regular =
        fstat(d->fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
    if (!event_notifier_init(&d->cancel, false, errp)) {
        return false;
    }
    d->ended = g_source_new(&ended_funcs, sizeof(GSource));
    g_source_set_callback(d->ended, on_ended, d, NULL);
    if (!thread_create(&d->thread, "dump", dump_thread, d, errp)) {
        g_source_unref(g_steal_pointer(&d->ended));
        event_notifier_fini(&d->cancel);
        return false;
    }
    return true;
}

/* The monitors wait, but not with the lock. */
static NO_TSA bool wait_for_end(Dump *d, GError **errp)
{
    vm_lock_release();
    thread_join(&d->thread);
    vm_lock_acquire();
    dump_finish(d);
    if (d->err != NULL) {
        g_propagate_error(errp, g_steal_pointer(&d->err));
        return false;
    }
    return true;
}

bool dump_start(Dump *d, int fd, const DumpOptions *o, GError **errp)
{
    Vm *vm = d->vm;

    if (!may_start(d, o, errp)) {
        close(fd);
        return false;
    }
    d->resume = runstate_is_running(vm);
    if (d->resume) {
        vm_stop(vm, RUN_STATE_SAVE_VM);
    }
    d->fd = fd;
    if (!dump_prepare(d, o, errp) || !start_thread(d, errp)) {
        close(fd);
        g_clear_pointer(&d->blocks, g_array_unref);
        g_clear_pointer(&d->head, g_byte_array_unref);
        if (d->resume && runstate_get(vm) == RUN_STATE_SAVE_VM) {
            vm_start(vm);
        }
        return false;
    }
    d->state = DUMP_ACTIVE;
    vm->dumping = true;
    if (o->detach) {
        g_source_attach(d->ended, NULL);
        return true;
    }
    return wait_for_end(d, errp);
}

void dump_query(const Dump *d, DumpProgress *ret)
{
    ret->state = d->state;
    ret->completed = __atomic_load_n(&d->completed, __ATOMIC_RELAXED);
    ret->total = d->total;
}

Dump *dump_new(Vm *vm)
{
    Dump *d = g_new0(Dump, 1);

    d->vm = vm;
    return d;
}

void dump_free(Dump *d)
{
    if (d->ended != NULL) {
        event_notifier_set(&d->cancel);
        thread_join(&d->thread); /* it takes no lock */
        d->resume = false;
        dump_finish(d);
        g_clear_error(&d->err);
    }
    g_free(d);
}
