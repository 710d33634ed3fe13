/*
 * Which thread a back end's requests belong to: the main loop, or an I/O
 * thread (iothread= of a device).
 *
 * What a thread's back ends have in flight is that thread's alone: nothing of
 * it is touched from outside but by a call that runs there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-priv.h"
#include "util/error.h"

BlockAio *block_aio_of(const BlockBackend *b)
{
    return b->thread_aio != NULL ? b->thread_aio : b->all->aio;
}

void block_aio_run(BlockAio *aio, void (*fn)(void *opaque), void *opaque)
{
    if (aio->thread != NULL) {
        iothread_run(aio->thread, fn, opaque);
    } else {
        fn(opaque);
    }
}

void block_set_unlocked(BlockBackends *bs, BlockUnlocked *run, void *opaque)
{
    bs->unlocked = run;
    bs->unlocked_opaque = opaque;
}

NO_TSA void block_unlocked(BlockBackends *bs, void (*fn)(void *arg), void *arg)
{
    if (!vm_lock_held() || vm_lock_may_wait()) {
        fn(arg);
    } else if (bs->unlocked != NULL) {
        bs->unlocked(bs->unlocked_opaque, fn, arg);
    } else {
        vm_lock_release();
        fn(arg);
        vm_lock_acquire();
    }
}

typedef struct WriteCall {
    BlockBackends *bs;
    void (*fn)(void *arg);
    void *arg;
} WriteCall;

static void write_now(void *opaque)
{
    const WriteCall *c = opaque;

    c->fn(c->arg);
    block_write_end(c->bs);
}

bool block_write_begin(BlockBackends *bs)
{
    VM_LOCK_GUARD();

    if (!bs->inactive) {
        __atomic_add_fetch(&bs->nwriters, 1, __ATOMIC_RELAXED);
    }
    return !bs->inactive;
}

void block_write_end(BlockBackends *bs)
{
    __atomic_sub_fetch(&bs->nwriters, 1, __ATOMIC_RELEASE);
}

void block_write_unlocked(BlockBackends *bs, void (*fn)(void *arg), void *arg)
{
    WriteCall call = { bs, fn, arg };

    __atomic_add_fetch(&bs->nwriters, 1, __ATOMIC_RELAXED);
    block_unlocked(bs, write_now, &call);
}

void block_aio_foreach(BlockBackends *bs, void (*fn)(BlockAio *aio, void *op),
                       void *opaque)
{
    fn(bs->aio, opaque);
    for (GList *l = bs->thread_aios.head; l != NULL; l = l->next) {
        fn(container_of(l, BlockAio, link), opaque);
    }
}

/* A thread's, with the engines that nodes have asked for. */
static BlockAio *thread_aio_get(BlockBackends *bs, IoThread *t, GError **errp)
{
    BlockAio *aio;

    for (GList *l = bs->thread_aios.head; l != NULL; l = l->next) {
        aio = container_of(l, BlockAio, link);
        if (aio->thread == t) {
            aio->users++;
            return aio;
        }
    }
    aio = block_aio_new();
    aio->thread = t;
    iothread_claim(t);
    for (unsigned i = 0; i < BLOCK_ENGINES; i++) {
        if (bs->aio->engines[i] != NULL &&
            !block_aio_need_engine(aio, i, errp)) {
            block_aio_free(aio);
            iothread_release(t);
            return NULL;
        }
    }
    aio->users = 1;
    g_queue_push_tail_link(&bs->thread_aios, &aio->link);
    return aio;
}

static void thread_aio_put(BlockBackends *bs, BlockAio *aio)
{
    if (--aio->users == 0) {
        IoThread *t = aio->thread;

        g_queue_unlink(&bs->thread_aios, &aio->link);
        block_aio_free(aio);
        iothread_release(t);
    }
}

bool block_set_iothread(BlockBackend *b, IoThread *t, GError **errp)
{
    if (!block_check_left(b, errp)) {
        return false;
    }
    block_throttle_stop(b);
    b->thread_aio = thread_aio_get(b->all, t, errp);
    return b->thread_aio != NULL;
}

void block_clear_iothread(BlockBackend *b)
{
    if (b->thread_aio != NULL) {
        block_throttle_stop(b);
        thread_aio_put(b->all, g_steal_pointer(&b->thread_aio));
    }
}

bool block_check_threads(const BlockBackend *b, GError **errp)
{
    for (GList *l = b->all->list.head; l != NULL; l = l->next) {
        const BlockBackend *o = container_of(l, BlockBackend, link);

        if (o != b && (o->dev != NULL || o->leaving) && o->root == b->root &&
            b->root != NULL && o->thread_aio != b->thread_aio) {
            error_setf(errp,
                       "node '%s' is used by '%s' in another thread: give both "
                       "devices the same iothread=",
                       b->root->name,
                       o->leaving ? "a device that has gone" : o->dev_path);
            return false;
        }
    }
    return true;
}
