/*
 * Benchmark: what KVM's part of a switch-over costs: a vCPU's full state read
 * and written, the TSC alone, the dirty log turned on, read, cleared and
 * turned off.  Times are medians of wall clock, in microseconds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/mman.h>

#include "tests/unit/kvm-guest.h"
#include "util/error.h"

#define ROUNDS 501

static int compare(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;

    return *x < *y ? -1 : *x > *y;
}

static double median_us(int64_t *t, unsigned n)
{
    unsigned middle = n / 2;

    qsort(t, n, sizeof(*t), compare);
    return t[middle] / 1000.0;
}

static void must(bool ok, GError *err)
{
    if (!ok) {
        g_printerr("kvm-state: %s\n", err ? err->message : "failed");
        exit(1);
    }
}

static void bench_state(unsigned ncpus)
{
    Guest *g = guest_new(64 * MiB, ncpus, "max,check=off");
    int64_t get[ROUNDS], put[ROUNDS], tsc[ROUNDS];
    GError *first_err = NULL;
    int64_t first;
    uint64_t v;

    vm_lock_acquire();
    first = clock_monotonic_ns();
    must(vcpus_flush_all(g->vm, &first_err), first_err);
    first = clock_monotonic_ns() - first;
    vm_lock_release();
    run_list(g, (const uint64_t[]){ 0x200000 }, 1, 1);
    vm_lock_acquire();
    for (unsigned i = 0; i < ROUNDS; i++) {
        GError *err = NULL;
        int64_t t0 = clock_monotonic_ns();

        for (unsigned j = 0; j < ncpus; j++) {
            vcpu_invalidate_state(g->vm->vcpus[j]);
        }
        must(vcpus_sync_all(g->vm, &err), err);
        get[i] = clock_monotonic_ns() - t0;
        t0 = clock_monotonic_ns();
        must(g->acc->type->vcpu_get_tsc(g->vm->vcpus[0], &v, &err), err);
        tsc[i] = clock_monotonic_ns() - t0;
        t0 = clock_monotonic_ns();
        for (unsigned j = 0; j < ncpus; j++) {
            vcpu_mark_state(g->vm->vcpus[j], VCPU_PUT_FULL);
        }
        must(vcpus_flush_all(g->vm, &err), err);
        put[i] = clock_monotonic_ns() - t0;
    }
    vm_lock_release();
    printf("%u vCPU%s: read %.1f us, write %.1f us (the first: %.1f us), "
           "TSC alone %.1f us\n",
           ncpus, ncpus > 1 ? "s" : "", median_us(get, ROUNDS),
           median_us(put, ROUNDS), first / 1000.0, median_us(tsc, ROUNDS));
    guest_free(g);
}

static double since_us(int64_t t0)
{
    return (clock_monotonic_ns() - t0) / 1000.0;
}

/* Has the guest map `touch` bytes, so that there is something to undo. */
static void touch_pages(Guest *g, uint64_t from, uint64_t touch, uint64_t step)
{
    uint64_t list[4096];
    unsigned n = 0;

    for (uint64_t a = from; a < from + touch; a += step) {
        list[n++] = a;
        if (n == G_N_ELEMENTS(list)) {
            run_list(g, list, n, 1);
            n = 0;
        }
    }
    if (n) {
        run_list(g, list, n, 1);
    }
}

static void bench_log(uint64_t size)
{
    Guest *g = guest_new(size, 1, "max,check=off");
    uint64_t npages = ram_block_npages(g->rb);
    uint64_t low = MIN(size, 3 * GiB) - 4 * MiB;
    int64_t t0;
    double on, sync, clear, off;

    madvise(g->rb->host, size, MADV_HUGEPAGE);
    touch_pages(g, 4 * MiB, low, 2 * MiB);
    t0 = clock_monotonic_ns();
    log_start(g);
    on = since_us(t0);
    t0 = clock_monotonic_ns();
    log_sync(g);
    sync = since_us(t0);
    t0 = clock_monotonic_ns();
    take_pages(g, 0, npages);
    clear = since_us(t0);
    touch_pages(g, 4 * MiB, low, 2 * MiB);
    t0 = clock_monotonic_ns();
    log_stop(g);
    off = since_us(t0);
    printf("%" PRIu64 " MiB, %" PRIu64 " MiB mapped: log on %.0f us, "
           "sync %.0f us, clear all %.0f us, off %.0f us\n",
           size / MiB, low / MiB, on, sync, clear, off);
    guest_free(g);
}

int main(int argc, char **argv)
{
    uint64_t gib = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : 2;

    g_test_init(&argc, &argv, NULL);
    if (!have_kvm()) {
        printf("skipped: /dev/kvm can't be opened\n");
        return 0;
    }
    bench_state(1);
    bench_state(2);
    bench_log(MAX(gib, 1) * GiB);
    return 0;
}
