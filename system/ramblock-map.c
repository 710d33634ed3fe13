/*
 * RAM blocks: mapping the memory behind one.
 *
 *   reservation (PROT_NONE)
 *   |--slack--|--------- max_length ----------|-guard-|--slack--|
 *             ^ host, aligned                 ^ always faults
 *
 * The slack is given back; the guard page stops an access that runs off the
 * end of guest memory.
 *
 * Facts: mmap(2), madvise(2), memfd_create(2), mbind(2), fallocate(2).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/ramblock-priv.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "util/bitmap.h"
#include "util/error.h"
#include "util/thread.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22 /* linux/mman.h, since 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

enum {
    GUARD_BYTES = 4096,
    THP_BYTES = 2 * 1024 * 1024, /* of x86-64 */
    POPULATE_THREADS_MAX = 256,
    HUGE_SHIFT = 26, /* MFD_HUGE_SHIFT */
};

/* The page size of what fd is on; 4 KiB unless it is hugetlbfs. */
static bool fd_page_size(RamBlock *rb, GError **errp)
{
    struct statfs fs;

    if (fstatfs(rb->fd, &fs) < 0) {
        error_setf_errno(errp, errno, "RAM block '%s': statfs", rb->name);
        return false;
    }
    rb->page_size =
        fs.f_type == HUGETLBFS_MAGIC ? (size_t)fs.f_bsize : RAM_PAGE_SIZE;
    return true;
}

static bool open_memfd(RamBlock *rb, const RamBlockOptions *opts, GError **errp)
{
    unsigned flags = MFD_CLOEXEC;

    if (opts->seal) {
        flags |= MFD_ALLOW_SEALING;
    }
    if (opts->hugetlb) {
        flags |= MFD_HUGETLB;
        if (opts->hugetlb_size) {
            flags |= (unsigned)__builtin_ctzll(opts->hugetlb_size)
                     << HUGE_SHIFT;
        }
    }
    rb->fd = memfd_create(rb->name, flags);
    if (rb->fd < 0) {
        error_setf_errno(errp, errno,
                         "RAM block '%s': failed to create memfd%s", rb->name,
                         opts->hugetlb ? " of huge pages" : "");
        return false;
    }
    return true;
}

/* A nameless file in the folder opts->path. */
static bool open_in_folder(RamBlock *rb, const char *folder, GError **errp)
{
    g_autofree char *base = g_strdelimit(g_strdup(rb->name), "/", '_');
    g_autofree char *path =
        g_strdup_printf("%s/qemu_back_mem.%s.XXXXXX", folder, base);

    rb->fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    if (rb->fd < 0) {
        error_setf_errno(errp, errno,
                         "can't open backing store %s for guest RAM", folder);
        return false;
    }
    unlink(path);
    return true;
}

/* *ret_created: the file wasn't there before, so a failure removes it. */
static bool open_file(RamBlock *rb, const RamBlockOptions *opts,
                      bool *ret_created, GError **errp)
{
    int flags = O_CLOEXEC | (opts->read_only ? O_RDONLY : O_RDWR);
    struct stat st;

    if (!stat(opts->path, &st) && S_ISDIR(st.st_mode) && !opts->read_only) {
        return open_in_folder(rb, opts->path, errp);
    }
    rb->fd = open(opts->path, flags);
    if (rb->fd < 0 && errno == ENOENT && !opts->read_only) {
        rb->fd = open(opts->path, flags | O_CREAT | O_EXCL, 0644);
        *ret_created = rb->fd >= 0;
    }
    if (rb->fd < 0) {
        error_setf_errno(errp, errno,
                         "can't open backing store %s for guest RAM",
                         opts->path);
        return false;
    }
    return true;
}

/* Makes the backing as long as the block; a file with content has its own. */
static bool size_backing(RamBlock *rb, const RamBlockOptions *opts,
                         GError **errp)
{
    uint64_t want = rb->fd_offset + rb->max_length;
    struct stat st;

    if (fstat(rb->fd, &st) < 0) {
        error_setf_errno(errp, errno, "RAM block '%s': fstat", rb->name);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        return true; /* a DAX device: mmap() checks */
    }
    if (st.st_size > 0 || opts->read_only) {
        if ((uint64_t)st.st_size < want) {
            error_setf(errp,
                       "backing store size 0x%" PRIx64
                       " does not match 'size' option 0x%" PRIx64,
                       (uint64_t)st.st_size, opts->size);
            return false;
        }
        return true;
    }
    if (ftruncate(rb->fd, want) < 0) {
        error_setf_errno(errp, errno,
                         "RAM block '%s': failed to resize its backing to "
                         "%" PRIu64,
                         rb->name, want);
        return false;
    }
    rb->fresh = true;
    return true;
}

static bool seal_backing(RamBlock *rb, GError **errp)
{
    int seals = F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

    if (fcntl(rb->fd, F_ADD_SEALS, seals) < 0) {
        error_setf_errno(errp, errno, "RAM block '%s': failed to seal memfd",
                         rb->name);
        return false;
    }
    return true;
}

static bool open_backing(RamBlock *rb, const RamBlockOptions *opts,
                         bool *ret_created, GError **errp)
{
    rb->page_size = RAM_PAGE_SIZE;
    if (rb->backing == RAM_ANONYMOUS) {
        rb->fresh = true;
        return true;
    }
    if (opts->fd > 0) {
        rb->fd = opts->fd;
    } else if (rb->backing == RAM_MEMFD) {
        if (!open_memfd(rb, opts, errp)) {
            return false;
        }
    } else if (!opts->path) {
        error_setf(errp, "RAM block '%s': file backing without a path",
                   rb->name);
        return false;
    } else if (!open_file(rb, opts, ret_created, errp)) {
        return false;
    }
    return fd_page_size(rb, errp);
}

static bool check_align(RamBlock *rb, uint64_t align, GError **errp)
{
    if (align % rb->page_size) {
        error_setf(errp,
                   "alignment 0x%" PRIx64 " must be multiples of page size "
                   "0x%zx",
                   align, rb->page_size);
        return false;
    }
    if (align && !is_pow2(align)) {
        error_setf(errp, "alignment 0x%" PRIx64 " must be a power of two",
                   align);
        return false;
    }
    if (rb->fd_offset % rb->page_size) {
        error_setf(errp,
                   "RAM block '%s': file offset 0x%" PRIx64
                   " must be multiples of page size 0x%zx",
                   rb->name, rb->fd_offset, rb->page_size);
        return false;
    }
    return true;
}

/* Reserves addresses with a guard page behind; MAP_FAILED with errno set. */
static uint8_t *reserve_addresses(uint64_t len, uint64_t align)
{
    uint64_t total = len + align + GUARD_BYTES;
    uint8_t *base = mmap(NULL, total, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *host;
    uint64_t head;

    if (base == MAP_FAILED) {
        return base;
    }
    head = ROUND_UP((uintptr_t)base, align) - (uintptr_t)base;
    host = base + head;
    if (head) {
        munmap(base, head);
    }
    munmap(host + len + GUARD_BYTES, total - head - len - GUARD_BYTES);
    return host;
}

/*
 * Shared memory without a name, which the kernel knows by a file anyway: with
 * one of ours it can be asked what there is of it.  -1: without.
 */
static int open_nameless(const RamBlock *rb)
{
    int fd;

    if (rb->fd >= 0 || !rb->shared) {
        return -1;
    }
    fd = memfd_create(rb->name, MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, (off_t)rb->max_length) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool map_pages(RamBlock *rb, const RamBlockOptions *opts, GError **errp)
{
    int fd, flags = MAP_FIXED | (rb->shared ? MAP_SHARED : MAP_PRIVATE);
    int prot = PROT_READ | (opts->read_only ? 0 : PROT_WRITE);
    uint64_t align = MAX(rb->page_size, opts->align);
    uint8_t *host;
    int err;

    if (rb->max_length >= THP_BYTES) {
        align = MAX(align, (uint64_t)THP_BYTES);
    }
    rb->hole_fd = open_nameless(rb);
    fd = rb->fd >= 0 ? rb->fd : rb->hole_fd;
    if (fd < 0) {
        flags |= MAP_ANONYMOUS;
    }
    if (opts->no_reserve) {
        flags |= MAP_NORESERVE;
    }
    host = reserve_addresses(rb->max_length, align);
    if (host == MAP_FAILED) {
        goto fail;
    }
    if (mmap(host, rb->max_length, prot, flags, fd, rb->fd_offset) ==
        MAP_FAILED) {
        err = errno;
        munmap(host, rb->max_length + GUARD_BYTES);
        errno = err;
        goto fail;
    }
    rb->host = host;
    return true;

fail:
    error_setf_errno(errp, errno, "cannot set up guest memory '%s'", rb->name);
    return false;
}

/* Advice: the block works without, so kernels that lack one are fine. */
static void ramblock_advise(const RamBlock *rb, const RamBlockOptions *opts)
{
    /* A fork() for a helper must not copy the guest's page tables. */
    madvise(rb->host, rb->max_length, MADV_DONTFORK);
    if (opts->no_dump) {
        madvise(rb->host, rb->max_length, MADV_DONTDUMP);
    }
    if (!rb->shared && rb->page_size == RAM_PAGE_SIZE) {
        madvise(rb->host, rb->max_length,
                opts->no_merge ? MADV_UNMERGEABLE : MADV_MERGEABLE);
    }
    if (rb->backing != RAM_FILE && rb->page_size == RAM_PAGE_SIZE &&
        rb->max_length >= THP_BYTES) {
        madvise(rb->host, rb->max_length, MADV_HUGEPAGE);
    }
}

static bool bind_nodes(RamBlock *rb, const RamBlockOptions *opts, GError **errp)
{
    /* The kernel takes the number of bits plus one: mbind(2), BUGS. */
    unsigned long maxnode = opts->numa_nnodes ? opts->numa_nnodes + 1 : 0;

    if (opts->numa_policy == MPOL_DEFAULT) {
        return true;
    }
    if (syscall(SYS_mbind, rb->host, rb->max_length, opts->numa_policy,
                maxnode ? opts->numa_nodes : NULL, maxnode,
                MPOL_MF_STRICT | MPOL_MF_MOVE) < 0) {
        error_setf_errno(errp, errno,
                         "RAM block '%s': cannot bind memory to host NUMA "
                         "nodes",
                         rb->name);
        return false;
    }
    return true;
}

typedef struct PopulateJob {
    Thread thread;
    RamBlock *rb;
    uint64_t off;
    uint64_t len;
    int err; /* errno */
} PopulateJob;

/*
 * For kernels without MADV_POPULATE_WRITE.  Files are allocated first, as
 * touching a page that the file system has no room for raises SIGBUS.
 */
static int populate_by_touch(const PopulateJob *job)
{
    RamBlock *rb = job->rb;

    if (rb->fd >= 0 && rb->shared && !rb->read_only &&
        fallocate(rb->fd, 0, rb->fd_offset + job->off, job->len) < 0) {
        return errno;
    }
    for (uint64_t off = 0; off < job->len; off += rb->page_size) {
        uint8_t *p = rb->host + job->off + off;

        if (rb->read_only) {
            __atomic_load_n(p, __ATOMIC_RELAXED);
        } else {
            __atomic_fetch_or(p, 0, __ATOMIC_RELAXED);
        }
    }
    return 0;
}

static void *populate_main(void *opaque)
{
    PopulateJob *job = opaque;
    int advice = job->rb->read_only ? MADV_POPULATE_READ : MADV_POPULATE_WRITE;

    if (!job->len) {
        return NULL;
    }
    while (madvise(job->rb->host + job->off, job->len, advice) < 0) {
        if (errno == EINTR || errno == EAGAIN) {
            continue;
        }
        job->err = errno == EINVAL ? populate_by_touch(job) : errno;
        break;
    }
    return NULL;
}

bool ram_block_populate(RamBlock *rb, unsigned nthreads, GError **errp)
{
    uint64_t npages = rb->max_length / rb->page_size;
    unsigned n = CLAMP(nthreads, 1, POPULATE_THREADS_MAX);
    g_autofree PopulateJob *jobs = NULL;
    uint64_t page = 0;
    int err = 0;

    n = MIN(n, MAX(npages, 1));
    jobs = g_new0(PopulateJob, n);
    for (unsigned i = 0; i < n; i++) {
        uint64_t end = npages * (i + 1) / n;

        jobs[i].rb = rb;
        jobs[i].off = page * rb->page_size;
        jobs[i].len = (end - page) * rb->page_size;
        page = end;
        /* The last part, and those that get no thread, are done here. */
        if (i + 1 == n || !thread_create(&jobs[i].thread, "prealloc",
                                         populate_main, &jobs[i], NULL)) {
            populate_main(&jobs[i]);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        thread_join(&jobs[i].thread);
        err = err ? err : jobs[i].err;
    }
    if (!err && __atomic_load_n(&rb->lost, __ATOMIC_ACQUIRE)) {
        err = ENOSPC; /* it was touched in vain */
    }
    if (err) {
        error_setf_errno(errp, err,
                         "RAM block '%s': cannot preallocate its %" PRIu64
                         " bytes",
                         rb->name, rb->max_length);
        return false;
    }
    rb->prealloc = true;
    return true;
}

static bool finish_mapping(RamBlock *rb, const RamBlockOptions *opts,
                           GError **errp)
{
    ramblock_advise(rb, opts);
    if (!bind_nodes(rb, opts, errp)) {
        return false;
    }
    if (opts->prealloc &&
        !ram_block_populate(rb, opts->prealloc_threads, errp)) {
        return false;
    }
    if (opts->mem_lock && mlock(rb->host, rb->max_length) < 0) {
        error_setf_errno(errp, errno,
                         "RAM block '%s': cannot lock its %" PRIu64 " bytes",
                         rb->name, rb->max_length);
        return false;
    }
    return true;
}

bool ram_block_map(RamBlock *rb, const RamBlockOptions *opts, GError **errp)
{
    bool created = false;

    if (!open_backing(rb, opts, &created, errp)) {
        goto fail;
    }
    /* The guest's memory is the same on huge pages: they only back it. */
    rb->used_length = ROUND_UP(opts->size, RAM_PAGE_SIZE);
    rb->max_length = ROUND_UP(MAX(opts->size, opts->max_size), rb->page_size);
    if (!check_align(rb, opts->align, errp)) {
        goto fail;
    }
    if (rb->fd >= 0) {
        if (!size_backing(rb, opts, errp)) {
            goto fail;
        }
        if (opts->seal && !seal_backing(rb, errp)) {
            goto fail;
        }
    }
    if (!map_pages(rb, opts, errp) || !ram_block_watch(rb, errp) ||
        !finish_mapping(rb, opts, errp)) {
        goto fail;
    }
    return true;

fail:
    if (created) {
        unlink(opts->path);
    }
    rb->discard_data = false;
    ram_block_unmap(rb);
    return false;
}

void ram_block_unmap(RamBlock *rb)
{
    if (rb->host) {
        ram_block_unwatch(rb);
        if (rb->discard_data && rb->shared && rb->fd >= 0) {
            /* Saves the kernel writing back what nobody wants any more. */
            madvise(rb->host, rb->max_length, MADV_REMOVE);
        }
        munmap(rb->host, rb->max_length + GUARD_BYTES);
        rb->host = NULL;
    }
    if (rb->fd >= 0) {
        close(rb->fd);
        rb->fd = -1;
    }
    if (rb->hole_fd >= 0) {
        close(rb->hole_fd);
        rb->hole_fd = -1;
    }
}
