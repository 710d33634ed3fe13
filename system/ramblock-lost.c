/*
 * Guest memory whose file others have made shorter.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/ramblock-lost.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "system/ramblock-priv.h"
#include "util/error.h"
#include "util/event-notifier.h"
#include "util/lock.h"

enum { WATCHED_MAX = 1024 };

/*
 * Static, as a signal handler gets no argument of ours.  Nothing of it waits
 * or allocates: the handler uses it too.
 */
static struct {
    bool taken; /* atomic: a lock that the handler can take, for moments */
    unsigned n;
    unsigned losses; /* may wrap: only differences tell */
    RamBlock *blocks[WATCHED_MAX];
    EventNotifier news;
} watched = { .news = EVENT_NOTIFIER_NONE };

static void (*lost_told)(void *opaque);
static void *lost_opaque;

/*
 * Never held where guest memory is touched, and no other handler takes it, so
 * that no thread meets itself.
 */
static void watched_lock(void)
{
    while (__atomic_exchange_n(&watched.taken, true, __ATOMIC_ACQUIRE)) {
    }
}

static void watched_unlock(void)
{
    __atomic_store_n(&watched.taken, false, __ATOMIC_RELEASE);
}

bool ram_block_watch(RamBlock *rb, GError **errp)
{
    bool ok;

    rb->lost_from = rb->max_length;
    if (rb->fd < 0) {
        return true;
    }
    watched_lock();
    ok = watched.n < WATCHED_MAX;
    if (ok) {
        watched.blocks[watched.n++] = rb;
    }
    watched_unlock();
    if (!ok) {
        error_setf(errp, "RAM block '%s': more than %d with a file", rb->name,
                   WATCHED_MAX);
    }
    return ok;
}

void ram_block_unwatch(RamBlock *rb)
{
    watched_lock();
    for (unsigned i = 0; i < watched.n; i++) {
        if (watched.blocks[i] == rb) {
            watched.blocks[i] = watched.blocks[--watched.n];
            break;
        }
    }
    watched_unlock();
}

/* Zeros instead of [from, end) of the file. */
static bool replace_pages(RamBlock *rb, uint64_t from, uint64_t end)
{
    int prot = PROT_READ | (rb->read_only ? 0 : PROT_WRITE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;

    if (mmap(rb->host + from, end - from, prot, flags, -1, 0) == MAP_FAILED) {
        return false;
    }
    watched.losses++;
    if (!__atomic_exchange_n(&rb->lost, true, __ATOMIC_RELEASE)) {
        event_notifier_set(&watched.news);
    }
    return true;
}

/* What lies behind the end that its file has now; false: nothing new. */
static bool replace_lost(RamBlock *rb)
{
    struct stat st;
    uint64_t have, from;

    if (fstat(rb->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return false;
    }
    have =
        (uint64_t)st.st_size > rb->fd_offset ? st.st_size - rb->fd_offset : 0;
    /* Of the last page that is there in part the rest reads as zeros. */
    from = ROUND_UP(have, rb->page_size);
    if (from >= rb->lost_from || !replace_pages(rb, from, rb->lost_from)) {
        return false;
    }
    rb->lost_from = from;
    return true;
}

/* The page at off can't be had; another thread may have been faster. */
static bool replace_at(RamBlock *rb, uint64_t off)
{
    uint64_t page = ROUND_DOWN(off, rb->page_size);

    return off >= rb->lost_from || (replace_lost(rb) && off >= rb->lost_from) ||
           replace_pages(rb, page, page + rb->page_size);
}

/* With the lock.  False: it isn't ours. */
static bool replace_address(uintptr_t addr)
{
    for (unsigned i = 0; i < watched.n; i++) {
        RamBlock *rb = watched.blocks[i];
        uint64_t off = addr - (uintptr_t)rb->host;

        if (off < rb->max_length) {
            return replace_at(rb, off);
        }
    }
    return false;
}

static void on_bus_error(int signo, siginfo_t *info, void *unused)
{
    const struct sigaction fatal = { .sa_handler = SIG_DFL };
    int err = errno;
    bool ok = false;

    (void)unused;
    if (info->si_code == BUS_ADRERR) {
        watched_lock();
        ok = replace_address((uintptr_t)info->si_addr);
        watched_unlock();
    }
    if (!ok) {
        /* Somebody else's, or broken hardware: the access is done again. */
        sigaction(signo, &fatal, NULL);
    }
    errno = err;
}

bool ram_lost_look(unsigned *seen)
{
    const unsigned before = *seen;

    watched_lock();
    for (unsigned i = 0; i < watched.n; i++) {
        replace_lost(watched.blocks[i]);
    }
    *seen = watched.losses;
    watched_unlock();
    return *seen != before;
}

RamBlock *ram_lost_next(RamList *list)
{
    RamBlock *rb;

    RAM_BLOCK_FOREACH(rb, list)
    {
        if (!rb->lost_told && __atomic_load_n(&rb->lost, __ATOMIC_ACQUIRE)) {
            rb->lost_told = true;
            return rb;
        }
    }
    return NULL;
}

bool ram_lost_check(RamList *list, GError **errp)
{
    unsigned seen = 0;
    RamBlock *rb;

    ram_lost_look(&seen);
    RAM_BLOCK_FOREACH(rb, list)
    {
        if (rb->migratable && __atomic_load_n(&rb->lost, __ATOMIC_ACQUIRE)) {
            error_setf(errp,
                       "RAM block '%s' has lost what its file held: others "
                       "made it shorter, or there was no room",
                       rb->name);
            return false;
        }
    }
    return true;
}

static gboolean on_news(gint fd, GIOCondition cond, gpointer opaque)
{
    VM_LOCK_GUARD();

    event_notifier_test_and_clear(&watched.news);
    lost_told(lost_opaque);
    return G_SOURCE_CONTINUE;
}

bool ram_lost_catch(void (*told)(void *opaque), void *opaque, GError **errp)
{
    struct sigaction act = { .sa_flags = SA_SIGINFO };

    lost_told = told;
    lost_opaque = opaque;
    if (!event_notifier_init(&watched.news, false, errp)) {
        return false;
    }
    g_unix_fd_add(event_notifier_fd(&watched.news), G_IO_IN, on_news, NULL);
    act.sa_sigaction = on_bus_error;
    sigfillset(&act.sa_mask);
    if (sigaction(SIGBUS, &act, NULL) < 0) {
        error_setf_errno(errp, errno, "can't catch SIGBUS");
        return false;
    }
    return true;
}
