/*
 * How fast the guest writes to its memory, while no migration needs to know.
 *
 * Three ways.  Page sampling reads some pages twice, and costs the guest
 * nothing.  The bitmap has all writes of a while logged, each page once.  With
 * dirty rings the accelerator counts what each vCPU puts into its own.
 *
 * The log is shared with a migration that begins meanwhile, which sets all
 * bits: a bitmap then tells nothing any more, and the measurement ends without
 * a result.  It must not take a bit from then on; so all of its takes are made
 * with vm_lock held, under which the log of a migration begins, too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/dirty-rate.h"

#include <zlib.h>

#include "migration/migration-priv.h"
#include "migration/presence.h"
#include "system/memory.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/log.h"
#include "util/rcu.h"

enum {
    CALC_TIME_MIN = 1, /* s */
    CALC_TIME_MAX = 60,
    SAMPLE_PAGES_MIN = 128, /* of each GiB */
    SAMPLE_PAGES_MAX = 16384,
    SAMPLE_PAGES_DEFAULT = 512,
    TAKE_PAGES = 65536, /* at once: 256 MiB */
};

struct DirtyRate {
    Vm *vm;
    const MigrationHooks *hooks;
    bool thread_made; /* main thread */
    Thread thread;
    Lock lock;
    Cond cond; /* with lock: `end` */
    bool end;  /* lock */
    /* What queries show; lock. */
    DirtyRateStatus status;
    DirtyRateMeasureMode mode;
    int64_t start_s; /* CLOCK_MONOTONIC */
    int64_t calc_s;
    uint64_t sample_pages;
    uint64_t mib_per_s;
    uint64_t *vcpu_mib_per_s; /* nvcpus; NULL: not known for each */
    unsigned nvcpus;
};

struct DirtyRate *dirty_rate_new(Vm *vm, const MigrationHooks *hooks)
{
    struct DirtyRate *d = g_new0(struct DirtyRate, 1);

    d->vm = vm;
    d->hooks = hooks;
    lock_init(&d->lock);
    cond_init(&d->cond);
    return d;
}

static void dirty_rate_join(struct DirtyRate *d)
{
    if (d->thread_made) {
        mig_thread_join(&d->thread);
        d->thread_made = false;
    }
}

void dirty_rate_free(struct DirtyRate *d)
{
    if (d == NULL) {
        return;
    }
    lock_acquire(&d->lock);
    d->end = true;
    cond_broadcast(&d->cond);
    lock_release(&d->lock);
    dirty_rate_join(d);
    g_free(d->vcpu_mib_per_s);
    cond_fini(&d->cond);
    lock_fini(&d->lock);
    g_free(d);
}

/* Until the time is over; false: the program ends.  *ret_ns: what it was. */
static bool rate_sleep(struct DirtyRate *d, int64_t *ret_ns)
{
    int64_t start = clock_monotonic_ns();
    int64_t until = start + d->calc_s * NS_PER_S;
    LOCK_GUARD(&d->lock);

    while (!d->end && cond_wait_until(&d->cond, &d->lock, until)) {
    }
    *ret_ns = MAX(clock_monotonic_ns() - start, 1);
    return !d->end;
}

static uint64_t mib_per_s(uint64_t bytes, int64_t ns)
{
    return (double)bytes * NS_PER_S / ns / MiB;
}

/* ---- page-sampling ----------------------------------------------------- */

typedef struct Sample {
    uint64_t page;
    uint32_t sum;
} Sample;

/* Pages of one block. */
typedef struct Samples {
    RamBlock *rb; /* a reference */
    uint64_t npages;
    GArray *pages; /* Sample */
} Samples;

static void samples_free(void *opaque)
{
    Samples *b = opaque;

    ram_block_unref(b->rb);
    g_array_unref(b->pages);
    g_free(b);
}

static void note_present(void *opaque, uint64_t first, uint64_t npages)
{
    *(bool *)opaque = true;
}

/* To read one that nobody ever touched might make it exist. */
static uint32_t page_sum(Presence *p, const RamBlock *rb, uint64_t page)
{
    bool present = false;

    presence_foreach(p, rb, page, 1, note_present, &present);
    return present ? crc32(1, rb->host + (page << RAM_PAGE_BITS), RAM_PAGE_SIZE)
                   : 0;
}

static Samples *samples_of(Presence *p, RamBlock *rb, uint64_t per_gib)
{
    Samples *b = g_new0(Samples, 1);
    uint64_t n;

    ram_block_ref(rb);
    b->rb = rb;
    b->npages = rb->used_length >> RAM_PAGE_BITS;
    b->pages = g_array_new(false, false, sizeof(Sample));
    n = MAX(rb->used_length / MiB * per_gib / 1024, 1);
    for (uint64_t i = 0; i < n && b->npages > 0; i++) {
        double at = g_random_double() * b->npages;
        Sample s = { .page = MIN((uint64_t)at, b->npages - 1) };

        g_array_append_val(b->pages, s);
    }
    return b;
}

/* All blocks that a guest writes to. */
static GPtrArray *samples_new(struct DirtyRate *d, Presence *p)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(samples_free);
    RamBlock *rb;
    RCU_READ_GUARD();

    RAM_BLOCK_FOREACH(rb, &d->vm->mem.ram)
    {
        if (rb->migratable && !rb->rom) {
            g_ptr_array_add(all, samples_of(p, rb, d->sample_pages));
        }
    }
    return all;
}

static void samples_read(Presence *p, GPtrArray *all)
{
    for (guint i = 0; i < all->len; i++) {
        Samples *b = all->pdata[i];

        for (guint k = 0; k < b->pages->len; k++) {
            Sample *s = &g_array_index(b->pages, Sample, k);

            s->sum = page_sum(p, b->rb, s->page);
        }
    }
}

/* What has changed, made good for all that wasn't looked at. */
static uint64_t samples_changed(Presence *p, GPtrArray *all)
{
    double bytes = 0;

    for (guint i = 0; i < all->len; i++) {
        Samples *b = all->pdata[i];
        guint n = 0;

        for (guint k = 0; k < b->pages->len; k++) {
            const Sample *s = &g_array_index(b->pages, Sample, k);

            n += page_sum(p, b->rb, s->page) != s->sum;
        }
        if (n > 0) {
            bytes += (double)n / b->pages->len * b->npages * RAM_PAGE_SIZE;
        }
    }
    return bytes;
}

static bool measure_samples(struct DirtyRate *d, GError **errp)
{
    GPtrArray *all;
    Presence p;
    int64_t ns;
    bool ok;

    presence_init(&p, NULL);
    all = samples_new(d, &p);
    samples_read(&p, all);
    ok = rate_sleep(d, &ns);
    if (ok) {
        d->mib_per_s = mib_per_s(samples_changed(&p, all), ns);
    }
    g_ptr_array_unref(all);
    presence_fini(&p);
    return ok;
}

/* ---- dirty-bitmap ------------------------------------------------------ */

/* From here on bits tell of new writes; false: a migration has begun. */
static bool take_some(struct DirtyRate *d, RamBlock *rb, uint64_t first,
                      unsigned long *bits)
{
    uint64_t n = ram_block_npages(rb);
    VM_LOCK_GUARD();

    if (memory_dirty_log_migrates(&d->vm->mem)) {
        return false;
    }
    if (!__atomic_load_n(&rb->removed, __ATOMIC_RELAXED) && first < n) {
        memory_dirty_log_take(&d->vm->mem, rb, first,
                              MIN(n - first, (uint64_t)TAKE_PAGES), NULL, bits);
    }
    return true;
}

static bool take_all(struct DirtyRate *d, GPtrArray *blocks)
{
    unsigned long *bits = bitmap_new(TAKE_PAGES);
    bool ok = true;

    for (guint i = 0; ok && i < blocks->len; i++) {
        RamBlock *rb = blocks->pdata[i];

        for (uint64_t p = 0; ok && p < ram_block_npages(rb); p += TAKE_PAGES) {
            ok = take_some(d, rb, p, bits);
        }
    }
    bitmap_free(bits);
    return ok;
}

static uint64_t count_dirty(GPtrArray *blocks)
{
    uint64_t n = 0;

    for (guint i = 0; i < blocks->len; i++) {
        RamBlock *rb = blocks->pdata[i];
        g_autofree unsigned long *none = bitmap_new(ram_block_npages(rb));

        if (!__atomic_load_n(&rb->removed, __ATOMIC_RELAXED)) {
            n += memory_dirty_log_count(rb, ram_block_npages(rb), none);
        }
    }
    return n;
}

static void block_unref(void *opaque)
{
    ram_block_unref(opaque);
}

static GPtrArray *logged_blocks(struct DirtyRate *d)
{
    GPtrArray *blocks = g_ptr_array_new_with_free_func(block_unref);
    RamBlock *rb;
    RCU_READ_GUARD();

    RAM_BLOCK_FOREACH(rb, &d->vm->mem.ram)
    {
        if (rb->migratable) {
            ram_block_ref(rb);
            g_ptr_array_add(blocks, rb);
        }
    }
    return blocks;
}

/* Has all been logged, for us alone, since it was taken? */
static bool still_ours(struct DirtyRate *d, unsigned begun)
{
    return !memory_dirty_log_migrates(&d->vm->mem) &&
           d->vm->mem.log_migrations == begun;
}

static bool measure_bitmap(struct DirtyRate *d, GError **errp)
{
    g_autoptr(GPtrArray) blocks = logged_blocks(d);
    unsigned begun;
    int64_t ns;
    bool ok;

    {
        VM_LOCK_GUARD();
        begun = d->vm->mem.log_migrations;
        if (!memory_dirty_log_watch(&d->vm->mem, DIRTY_LOG_RATE, errp)) {
            return false;
        }
    }
    ok = take_all(d, blocks) && rate_sleep(d, &ns);
    {
        VM_LOCK_GUARD();
        memory_dirty_log_sync(&d->vm->mem, false);
        if (ok && still_ours(d, begun)) {
            d->mib_per_s = mib_per_s(count_dirty(blocks) * RAM_PAGE_SIZE, ns);
        } else if (ok || memory_dirty_log_migrates(&d->vm->mem)) {
            error_setf(errp, "a migration has begun meanwhile");
            ok = false;
        }
        memory_dirty_log_unwatch(&d->vm->mem, DIRTY_LOG_RATE);
    }
    return ok;
}

/* ---- dirty-ring -------------------------------------------------------- */

static bool measure_rings(struct DirtyRate *d, GError **errp)
{
    unsigned n = d->vm->nvcpus;
    g_autofree uint64_t *before = g_new0(uint64_t, n);
    g_autofree uint64_t *after = g_new0(uint64_t, n);
    int64_t ns;
    bool ok;

    {
        VM_LOCK_GUARD();
        if (!memory_dirty_log_watch(&d->vm->mem, DIRTY_LOG_RATE, errp)) {
            return false;
        }
        d->hooks->dirtied(d->vm, before, true);
    }
    ok = rate_sleep(d, &ns);
    {
        VM_LOCK_GUARD();
        d->hooks->dirtied(d->vm, after, false);
        memory_dirty_log_unwatch(&d->vm->mem, DIRTY_LOG_RATE);
    }
    if (!ok) {
        return false; /* the program ends, and vCPUs may be gone */
    }
    LOCK_GUARD(&d->lock);
    d->vcpu_mib_per_s = g_new0(uint64_t, n);
    d->nvcpus = n;
    for (unsigned i = 0; i < n; i++) {
        d->vcpu_mib_per_s[i] =
            mib_per_s((after[i] - before[i]) * RAM_PAGE_SIZE, ns);
        d->mib_per_s += d->vcpu_mib_per_s[i];
    }
    return true;
}

/* ------------------------------------------------------------------------ */

static void *dirty_rate_thread(void *opaque)
{
    struct DirtyRate *d = opaque;
    GError *err = NULL;
    bool ok;

    switch (d->mode) {
    case DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP:
        ok = measure_bitmap(d, &err);
        break;
    case DIRTY_RATE_MEASURE_MODE_DIRTY_RING:
        ok = measure_rings(d, &err);
        break;
    default:
        ok = measure_samples(d, &err);
        break;
    }
    if (err != NULL) {
        error_prefix(&err, "dirty rate not measured: ");
        log_take_error(err);
    }
    LOCK_GUARD(&d->lock);
    if (d->mode != DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING) {
        d->sample_pages = 0;
    }
    d->status = ok ? DIRTY_RATE_STATUS_MEASURED : DIRTY_RATE_STATUS_UNSTARTED;
    return NULL;
}

static bool check_mode(struct DirtyRate *d, bool has_sample_pages,
                       DirtyRateMeasureMode mode, GError **errp)
{
    bool rings =
        d->hooks->dirtied != NULL && d->hooks->dirtied(d->vm, NULL, false);

    if (mode == DIRTY_RATE_MEASURE_MODE_DIRTY_RING && has_sample_pages) {
        error_setf(errp, "either sample-pages or dirty-ring can be specified.");
        return false;
    }
    if ((mode == DIRTY_RATE_MEASURE_MODE_DIRTY_RING && !rings) ||
        (mode == DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP && rings)) {
        error_setf(errp, "mode %s is not enabled, use other method instead.",
                   dirty_rate_measure_mode_str(mode));
        return false;
    }
    if (mode == DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP &&
        memory_dirty_log_migrates(&d->vm->mem)) {
        error_setf(errp, "mode dirty-bitmap: a migration needs the bitmap");
        return false;
    }
    return true;
}

/* The thread doesn't run. */
static void rate_reset(struct DirtyRate *d, int64_t calc_time,
                       uint64_t sample_pages, DirtyRateMeasureMode mode)
{
    LOCK_GUARD(&d->lock);

    g_clear_pointer(&d->vcpu_mib_per_s, g_free);
    d->nvcpus = 0;
    d->mib_per_s = 0;
    d->mode = mode;
    d->calc_s = calc_time;
    d->sample_pages = sample_pages;
    d->start_s = clock_monotonic_ns() / NS_PER_S;
    d->status = DIRTY_RATE_STATUS_MEASURING;
}

static DirtyRateStatus rate_status(struct DirtyRate *d)
{
    LOCK_GUARD(&d->lock);

    return d->status;
}

bool dirty_rate_start(struct DirtyRate *d, int64_t calc_time,
                      bool has_sample_pages, int64_t sample_pages,
                      DirtyRateMeasureMode mode, GError **errp)
{
    if (rate_status(d) == DIRTY_RATE_STATUS_MEASURING) {
        error_setf(errp, "the dirty rate is already being measured.");
        return false;
    }
    if (calc_time < CALC_TIME_MIN || calc_time > CALC_TIME_MAX) {
        error_setf(errp, "calc-time is out of range[%d, %d].", CALC_TIME_MIN,
                   CALC_TIME_MAX);
        return false;
    }
    if (!has_sample_pages) {
        sample_pages = SAMPLE_PAGES_DEFAULT;
    }
    if (sample_pages < SAMPLE_PAGES_MIN || sample_pages > SAMPLE_PAGES_MAX) {
        error_setf(errp, "sample-pages is out of range[%d, %d].",
                   SAMPLE_PAGES_MIN, SAMPLE_PAGES_MAX);
        return false;
    }
    if (!check_mode(d, has_sample_pages, mode, errp)) {
        return false;
    }
    dirty_rate_join(d); /* it has ended */
    rate_reset(d, calc_time, sample_pages, mode);
    d->thread_made =
        thread_create(&d->thread, "dirty-rate", dirty_rate_thread, d, errp);
    if (!d->thread_made) {
        LOCK_GUARD(&d->lock);
        d->status = DIRTY_RATE_STATUS_UNSTARTED;
    }
    return d->thread_made;
}

DirtyRateInfo *dirty_rate_query(struct DirtyRate *d)
{
    DirtyRateInfo *info = g_new0(DirtyRateInfo, 1);
    LOCK_GUARD(&d->lock);

    info->status = d->status;
    info->start_time = d->start_s;
    info->calc_time = d->calc_s;
    info->sample_pages = d->sample_pages;
    info->mode = d->mode;
    if (d->status != DIRTY_RATE_STATUS_MEASURED) {
        return info;
    }
    info->has_dirty_rate = true;
    info->dirty_rate = d->mib_per_s;
    if (d->vcpu_mib_per_s != NULL) {
        info->vcpu_dirty_rate = dirty_rate_vcpu_list_new();
    }
    for (unsigned i = 0; i < d->nvcpus; i++) {
        DirtyRateVcpu *v = g_new0(DirtyRateVcpu, 1);

        v->id = i;
        v->dirty_rate = d->vcpu_mib_per_s[i];
        dirty_rate_vcpu_list_append(info->vcpu_dirty_rate, v);
    }
    return info;
}
