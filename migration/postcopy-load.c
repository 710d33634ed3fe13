/*
 * Incoming migration: the guest runs before all of its memory has come.
 *
 * The load thread goes on reading the stream, which brings pages from the
 * package on, and a thread of the package's own loads the devices: a device
 * may touch a page that isn't here, and waits then, with vm_lock held.  So
 * what brings pages never takes vm_lock: the load thread between package and
 * last page, and the thread that hears of faults.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/incoming.h"

#include "io/socket.h"
#include "migration/wire.h"
#include "system/outside.h"
#include "system/ramblock-lost.h"
#include "util/bitmap.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"
#include "util/rcu.h"

enum {
    PACKAGE_MAX = 64 << 20, /* bytes; as devices that come without one */
    RANGE_LEN = 16,         /* of RAM_DISCARD */
};

/* Behind the bits of RECV_BITMAP. */
#define BITMAP_END UINT64_C(0x0123456789abcdef)

/* ---- ADVISE and RAM_DISCARD -------------------------------------------- */

static bool check_sizes(MigLoad *l, const uint8_t data[16], GError **errp)
{
    uint64_t sizes = ldq_be_p(data), page = ldq_be_p(data + 8);
    uint64_t own = postcopy_page_sizes(&l->vm->mem);

    if (sizes != own) {
        error_setf(errp,
                   "Postcopy needs matching RAM page sizes (s=%" PRIx64
                   " d=%" PRIx64 ")",
                   sizes, own);
        return false;
    }
    if (page != RAM_PAGE_SIZE) {
        error_setf(errp,
                   "Postcopy needs matching target page sizes (s=%" PRIu64
                   " d=%zu)",
                   page, RAM_PAGE_SIZE);
        return false;
    }
    return true;
}

/* Who maps guest memory in another process finds no page that isn't here. */
static bool check_outside(Vm *vm, GError **errp)
{
    for (GList *g = vm->outside.head; g != NULL; g = g->next) {
        const VmOutside *o = g->data;

        if (!o->ops->is_storage) {
            error_setf(errp,
                       "postcopy-ram: '%s' works on guest memory from outside",
                       o->name);
            return false;
        }
    }
    return true;
}

static bool check_advise(MigLoad *l, GError **errp)
{
    VM_LOCK_GUARD();

    if (!mig_caps_has(migration_capabilities(l->m),
                      MIGRATION_CAPABILITY_POSTCOPY_RAM)) {
        error_setf(errp, "RAM postcopy is disabled but have 16 byte advise");
        return false;
    }
    l->measures = mig_caps_has(migration_capabilities(l->m),
                               MIGRATION_CAPABILITY_POSTCOPY_BLOCKTIME);
    return check_outside(l->vm, errp);
}

static int cpu_of_thread(void *opaque, pid_t tid)
{
    const MigLoad *l = opaque;

    return l->m->hooks->cpu_of_thread(l->vm, tid);
}

static bool measure_waits(MigLoad *l, GError **errp)
{
    Migration *m = l->m;
    PostcopyTimes *t;

    if (!l->measures) {
        return true;
    }
    t = postcopy_times_new(l->vm->nvcpus);
    lock_acquire(&m->lock);
    postcopy_times_free(m->times);
    m->times = t;
    lock_release(&m->lock);
    return postcopy_in_set_times(l->pc, t, cpu_of_thread, l, errp);
}

bool mig_load_advise(MigLoad *l, const uint8_t data[16], GError **errp)
{
    if (l->pc != NULL || ram_load_ready(l->ram)) {
        error_setf(errp, "it comes twice, or behind guest memory");
        return false;
    }
    if (!l->return_path) {
        error_setf(errp, "postcopy needs a return path");
        return false;
    }
    if (!check_advise(l, errp) || !check_sizes(l, data, errp)) {
        return false;
    }
    l->pc = postcopy_in_new(&l->vm->mem, l->features & WIRE_F_ABSENT, errp);
    if (l->pc == NULL) {
        return false;
    }
    ram_load_set_postcopy(l->ram, l->pc);
    return measure_waits(l, errp);
}

/* "u8 length, text" at *at, which is moved on; NULL: cut short. */
static char *get_name(const uint8_t *data, uint16_t len, size_t *at)
{
    size_t n = *at < len ? data[*at] : 0;
    char *name;

    if (n == 0 || n >= len - *at) {
        return NULL;
    }
    name = g_strndup((const char *)data + *at + 1, n);
    *at += 1 + n;
    return name;
}

bool mig_load_discard(MigLoad *l, const uint8_t *data, uint16_t len,
                      GError **errp)
{
    g_autofree char *name = NULL;
    size_t at = 1;

    if (l->pc == NULL || !ram_load_ready(l->ram)) {
        error_setf(errp, "without an advise and guest memory before it");
        return false;
    }
    if (len == 0 || data[0] != 0) {
        error_setf(errp, "version %d, not 0", len == 0 ? -1 : data[0]);
        return false;
    }
    name = get_name(data, len, &at);
    if (name == NULL || at >= len || data[at++] != 0 ||
        (len - at) % RANGE_LEN != 0) {
        error_setf(errp, "%u bytes that are no name and ranges", len);
        return false;
    }
    for (; at < len; at += RANGE_LEN) {
        if (!postcopy_in_discard(l->pc, name, ldq_be_p(data + at),
                                 ldq_be_p(data + at + 8), errp)) {
            return false;
        }
    }
    return true;
}

/* ---- the package, in its own thread ------------------------------------ */

/* Pages are asked for where they are touched; in the thread of faults. */
static void ask_page(void *opaque, const RamBlock *rb, uint64_t off,
                     uint64_t len)
{
    MigLoad *l = opaque;
    size_t n = strlen(rb->name);
    uint8_t data[8 + 4 + 1 + RAM_BLOCK_NAME_MAX];

    stq_be_p(data, off);
    stl_be_p(data + 8, len);
    data[12] = n;
    memcpy(data + 13, rb->name, n);
    /* If it doesn't get there, it is asked for again by the next one. */
    mig_load_say(l, WIRE_RP_REQ_PAGES_ID, data, 13 + n, NULL);
}

static bool package_listen(MigLoad *l, GError **errp)
{
    if (postcopy_in_listening(l->pc)) {
        error_setf(errp, "it comes twice");
        return false;
    }
    if (!postcopy_in_listen(l->pc, ask_page, l, errp)) {
        return false;
    }
    __atomic_store_n(&l->vm->memory_awaited, true, __ATOMIC_RELAXED);
    mig_set_status(l->m, MIGRATION_STATUS_POSTCOPY_ACTIVE);
    LOCK_GUARD(&l->m->lock);
    l->package.listens = true;
    cond_broadcast(&l->m->cond);
    return true;
}

static bool package_command_begins(void *opaque, uint16_t cmd, uint16_t len,
                                   GError **errp)
{
    uint16_t wanted = cmd == WIRE_CMD_PING ? 4 : 0;

    if (cmd != WIRE_CMD_PING && cmd != WIRE_CMD_POSTCOPY_LISTEN &&
        cmd != WIRE_CMD_POSTCOPY_RUN) {
        error_setf(errp, "not known in a package");
        return false;
    }
    if (len != wanted) {
        error_setf(errp, "%u bytes instead of %u", len, wanted);
        return false;
    }
    return true;
}

static bool package_command(void *opaque, uint16_t cmd, const uint8_t *data,
                            uint16_t len, bool *ret_more, GError **errp)
{
    MigLoad *l = opaque;

    switch (cmd) {
    case WIRE_CMD_POSTCOPY_LISTEN:
        return package_listen(l, errp);
    case WIRE_CMD_PING:
        /* If there is no way back any more, that will be seen elsewhere. */
        mig_load_say(l, WIRE_RP_PONG, data, 4, NULL);
        return true;
    default:
        l->package.says_run = true;
        *ret_more = false;
        return true;
    }
}

/* An end of file mark has no place in a package. */
static bool package_complete(void *opaque, bool *ret_more, GError **errp)
{
    error_setf(errp, "end of file mark in a package");
    return false;
}

static bool load_package(MigLoad *l, GError **errp)
{
    const LoadvmOps ops = { .command_begins = package_command_begins,
                            .command = package_command,
                            .complete = package_complete,
                            .opaque = l };
    bool commit = l->features & WIRE_F_COMMIT;

    if (!loadvm_package(l->loadvm, l->package.data, l->package.len, &ops,
                        errp)) {
        return false;
    }
    if (!postcopy_in_listening(l->pc) || l->package.says_run == commit) {
        error_setf(errp, "package without listen or run, or with a run that "
                         "was to come later");
        return false;
    }
    VM_LOCK_GUARD();
    /* Zeros may be there instead of what has come. */
    return ram_lost_check(&l->vm->mem.ram, errp) &&
           l->m->hooks->cpus_put(l->vm, errp) && mig_load_check_waits(l, errp);
}

/*
 * All of it, and from pages that have come; false: it was given up meanwhile,
 * and what it was loaded from may be zeros.
 */
static bool package_is_loaded(MigLoad *l, GError **errp)
{
    LOCK_GUARD(&l->m->lock);

    l->package.loaded = !l->package.gives_up;
    if (!l->package.loaded) {
        error_setf(errp, "it isn't wanted any more");
    }
    return l->package.loaded;
}

/* Between two Godwits: LOADED, and then RUN. */
static bool package_say_loaded(MigLoad *l, int64_t start_ns, GError **errp)
{
    uint8_t data[20] = { 0 };

    stl_be_p(data, l->attempt);
    stq_be_p(data + 4, (clock_monotonic_ns() - start_ns) / NS_PER_US);
    if (!package_is_loaded(l, errp)) {
        return false;
    }
    mig_load_say(l, WIRE_RP_LOADED, data, sizeof(data), NULL);
    LOCK_GUARD(&l->m->lock);
    while (!l->package.may_run && !l->package.gives_up) {
        cond_wait(&l->m->cond, &l->m->lock);
    }
    if (!l->package.may_run) {
        error_setf(errp, "the source did not hand the guest over");
        return false;
    }
    return true;
}

static bool package_run(MigLoad *l, GError **errp)
{
    int64_t start = clock_monotonic_ns();
    uint8_t us[8];

    if (!load_package(l, errp)) {
        return false;
    }
    if (!(l->features & WIRE_F_COMMIT)) {
        return package_is_loaded(l, errp) && mig_load_start_guest(l, errp);
    }
    if (!package_say_loaded(l, start, errp)) {
        return false;
    }
    start = clock_monotonic_ns();
    if (!mig_load_start_guest(l, errp)) {
        return false;
    }
    stq_be_p(us, (clock_monotonic_ns() - start) / NS_PER_US);
    mig_load_say(l, WIRE_RP_RESUMED, us, sizeof(us), NULL);
    return true;
}

static void *mig_package_thread(void *opaque)
{
    MigLoad *l = opaque;
    GError *err = NULL;
    bool ok = package_run(l, &err);
    LOCK_GUARD(&l->m->lock);

    l->package.ended = true;
    if (!ok && l->package.gives_up) {
        g_clear_error(&err); /* who gave it up knows why */
    } else if (!ok) {
        l->package.err = err;
        if (l->m->recover_cancel != NULL) {
            io_cancel_trigger(l->m->recover_cancel);
        }
        /* Who reads the stream hears of it. */
        io_channel_shutdown(l->ch, IO_SHUTDOWN_READ);
    }
    cond_broadcast(&l->m->cond);
    return NULL;
}

/* Pages behind the package can be placed from now on. */
static bool wait_listens(MigLoad *l, GError **errp)
{
    MigPackage *p = &l->package;
    LOCK_GUARD(&l->m->lock);

    while (!p->listens && !p->ended) {
        cond_wait(&l->m->cond, &l->m->lock);
    }
    if (p->err != NULL) {
        g_propagate_error(errp, g_error_copy(p->err));
        return false;
    }
    return true;
}

static bool read_package(MigLoad *l, uint32_t len, GError **errp)
{
    if (len == 0 || len > PACKAGE_MAX) {
        error_setf(errp, "package of %u bytes: at most %d", len, PACKAGE_MAX);
        return false;
    }
    l->package.data = g_try_malloc(len);
    if (l->package.data == NULL) {
        error_setf(errp, "package of %u bytes: no memory", len);
        return false;
    }
    l->package.len = len;
    return stream_get(l->in, l->package.data, len) ||
           stream_in_check(l->in, errp);
}

bool mig_load_packaged(MigLoad *l, const uint8_t data[4], GError **errp)
{
    if (l->pc == NULL || !ram_load_ready(l->ram) || l->packaged) {
        error_setf(errp, "a second one, or without an advise and guest memory "
                         "before it");
        return false;
    }
    if (!read_package(l, ldl_be_p(data), errp)) {
        return false;
    }
    l->packaged = true;
    loadvm_devices_packaged(l->loadvm);
    if (!thread_create(&l->package.thread, "mig-package", mig_package_thread, l,
                       errp)) {
        return false;
    }
    l->package.made = true;
    return wait_listens(l, errp);
}

bool mig_load_package_loaded(MigLoad *l)
{
    LOCK_GUARD(&l->m->lock);

    return l->package.loaded;
}

void mig_load_may_run(MigLoad *l)
{
    LOCK_GUARD(&l->m->lock);

    l->package.may_run = true;
    cond_broadcast(&l->m->cond);
}

/* ---- the end ----------------------------------------------------------- */

static void join_package(MigLoad *l)
{
    if (l->package.made) {
        thread_join(&l->package.thread);
        l->package.made = false;
    }
}

bool mig_load_all_pages(MigLoad *l, GError **errp)
{
    uint64_t missing = postcopy_in_missing(l->pc);
    bool given;

    if (missing > 0) {
        error_setf(errp, "%" PRIu64 " pages have not come", missing);
        return false;
    }
    lock_acquire(&l->m->lock);
    given = l->package.may_run || !(l->features & WIRE_F_COMMIT);
    lock_release(&l->m->lock);
    if (!given) {
        error_setf(errp, "end of the stream without a guest that may run");
        return false;
    }
    join_package(l);
    if (l->package.err != NULL) {
        g_propagate_error(errp, g_error_copy(l->package.err));
        return false;
    }
    return true;
}

/* Nobody will say that it may run, nor that it is loaded. */
static void give_up_locked(MigLoad *l) REQUIRES(&l->m->lock)
{
    l->package.loaded = false;
    l->package.gives_up = true;
    cond_broadcast(&l->m->cond);
}

bool mig_load_aborted(MigLoad *l)
{
    LOCK_GUARD(&l->m->lock);

    /* What is wrong in the stream then must not end a guest that runs. */
    if (l->package.may_run) {
        return false;
    }
    give_up_locked(l);
    return true;
}

/*
 * May the guest run here, or has the source no more than our word that it is
 * loaded?  Then nothing is given up; else that word isn't given any more.
 */
static bool may_be_ours(MigLoad *l)
{
    const MigPackage *p = &l->package;
    LOCK_GUARD(&l->m->lock);

    if (l->packaged && p->err == NULL &&
        (p->loaded || (!(l->features & WIRE_F_COMMIT) && !p->gives_up))) {
        return true;
    }
    give_up_locked(l);
    return false;
}

/*
 * Where the source came from at first it may come again, without a word of
 * the user's: a main thread that waits for a page couldn't take one.
 */
static void listen_again(MigLoad *l)
{
    const IoUri *uri = l->m->incoming_uri;
    g_autoptr(GError) err = NULL;

    if (uri->type == IO_URI_SOCKET && uri->addr->type != IO_ADDRESS_FD &&
        !mig_recover_listen(l->m, uri->addr, &err)) {
        log_warn("migration: %s: 'migrate-recover' gives another address",
                 err->message);
    }
}

static bool pause_is_over(const MigLoad *l)
{
    return l->m->load_ends || l->package.err != NULL;
}

/*
 * The source's next connection; NULL: the program ends, or no guest comes of
 * the package.
 */
static IoChannel *wait_channel(MigLoad *l)
{
    Migration *m = l->m;
    IoChannel *ch = NULL;

    lock_acquire(&m->lock);
    while (ch == NULL && !pause_is_over(l)) {
        if (m->recover_listener == NULL) {
            cond_wait(&m->cond, &m->lock);
            continue;
        }
        lock_release(&m->lock);
        ch = io_listener_accept(m->recover_listener, m->recover_cancel, NULL);
        lock_acquire(&m->lock);
        g_clear_pointer(&m->recover_listener, io_listener_free);
        g_clear_pointer(&m->recover_cancel, io_cancel_unref);
        cond_broadcast(&m->cond);
    }
    lock_release(&m->lock);
    return ch;
}

/*
 * Whoever speaks to the source does so on the new one, in which hands are
 * shaken first.
 */
static bool change_channel(MigLoad *l, IoChannel *ch, GError **errp)
{
    Migration *m = l->m;
    IoChannel *old;
    bool ok;
    LOCK_GUARD(&l->rp_lock);

    lock_acquire(&m->lock);
    old = m->load_ch;
    m->load_ch = l->ch = ch;
    lock_release(&m->lock);
    io_channel_unref(old);
    ok = mig_load_secure(l, errp);
    /* Who connects and says nothing must not keep the source away. */
    io_channel_set_io_timeout(l->ch, m->waits.silence_ns / NS_PER_MS);
    stream_in_free(l->in);
    l->in = stream_in_new(l->ch);
    return ok;
}

/* If the package failed, it was this that ended the rest. */
static void package_explains(MigLoad *l, GError **err)
{
    LOCK_GUARD(&l->m->lock);

    if (l->package.err != NULL) {
        g_clear_error(err);
        *err = g_error_copy(l->package.err);
    }
}

bool mig_load_wait_recover(MigLoad *l, GError **err)
{
    bool ok = false;

    if (!may_be_ours(l)) {
        package_explains(l, err);
        return false;
    }
    while (!ok) {
        IoChannel *ch;

        log_error("migration: postcopy paused: %s", (*err)->message);
        io_channel_shutdown(l->ch, IO_SHUTDOWN_BOTH);
        mig_set_status(l->m, MIGRATION_STATUS_POSTCOPY_PAUSED);
        listen_again(l);
        ch = wait_channel(l);
        if (ch == NULL) {
            package_explains(l, err);
            return false;
        }
        g_clear_error(err);
        io_channel_set_nodelay(ch, true);
        mig_set_status(l->m, MIGRATION_STATUS_POSTCOPY_RECOVER);
        ok = change_channel(l, ch, err);
    }
    ram_load_restart(l->ram);
    l->broken = true;
    return true;
}

void mig_load_postcopy_end(MigLoad *l, bool ok)
{
    static const uint8_t zero[4] = { 0 };

    lock_acquire(&l->m->lock);
    give_up_locked(l);
    lock_release(&l->m->lock);
    postcopy_in_end(l->pc);
    __atomic_store_n(&l->vm->memory_awaited, false, __ATOMIC_SEQ_CST);
    g_main_context_wakeup(NULL); /* a reset may have waited for it */
    join_package(l);
    mig_recover_listen_end(l->m);
    g_clear_pointer(&l->package.data, g_free);
    g_clear_error(&l->package.err);
    if (ok) {
        mig_load_say(l, WIRE_RP_SHUT, zero, sizeof(zero), NULL);
        mig_set_status(l->m, MIGRATION_STATUS_COMPLETED);
    }
}

/* ---- a new connection -------------------------------------------------- */

bool mig_load_resume(MigLoad *l, GError **errp)
{
    uint8_t one[4];

    if (!l->broken) {
        error_setf(errp, "nothing was interrupted");
        return false;
    }
    stl_be_p(one, 1);
    if (!mig_load_say(l, WIRE_RP_RESUME_ACK, one, sizeof(one), errp)) {
        return false;
    }
    l->broken = false;
    lock_acquire(&l->rp_lock);
    io_channel_set_io_timeout(l->ch, 0);
    lock_release(&l->rp_lock);
    mig_set_status(l->m, MIGRATION_STATUS_POSTCOPY_ACTIVE);
    /* If RUN was lost on the old one: who resumes has given the guest. */
    mig_load_may_run(l);
    postcopy_in_ask_again(l->pc);
    return true;
}

/* be64 bytes, the bits from the low ones on, and the end mark. */
static bool say_bitmap(MigLoad *l, const uint8_t *name, uint16_t len,
                       const unsigned long *bits, uint64_t npages,
                       GError **errp)
{
    uint64_t words = bitmap_words(npages);
    size_t n = 4 + len + 8 + words * 8 + 8;
    g_autofree uint8_t *data = g_malloc(n);
    uint8_t *at = data + 4 + len;

    stw_be_p(data, WIRE_RP_RECV_BITMAP);
    stw_be_p(data + 2, len);
    memcpy(data + 4, name, len);
    stq_be_p(at, words * 8);
    at += 8;
    for (uint64_t i = 0; i < words; i++, at += 8) {
        stq_le_p(at, __atomic_load_n(&bits[i], __ATOMIC_ACQUIRE));
    }
    stq_be_p(at, BITMAP_END);
    return mig_load_write_back(l, l->m->waits.way_back_ns, data, n, errp);
}

bool mig_load_recv_bitmap(MigLoad *l, const uint8_t *name, uint16_t len,
                          GError **errp)
{
    const unsigned long *bits = NULL;
    g_autofree char *text = NULL;
    uint64_t npages;

    if (!l->broken) {
        error_setf(errp, "nothing was interrupted");
        return false;
    }
    if (len > 1 && name[0] == len - 1) {
        text = g_strndup((const char *)name + 1, len - 1);
        bits = postcopy_in_bitmap(l->pc, text, &npages);
    }
    if (bits == NULL) {
        error_setf(errp, "RAM block '%s' is not in the list",
                   text != NULL ? text : "");
        return false;
    }
    return say_bitmap(l, name, len, bits, npages, errp);
}
