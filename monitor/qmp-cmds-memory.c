/*
 * QMP commands that write guest memory to files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>

#include "accel/guest-memory.h"
#include "monitor/qmp.h"
#include "monitor/vm-control.h"
#include "qapi/qapi-commands.h"
#include "system/memory.h"
#include "system/vm.h"
#include "util/error.h"
#include "util/open.h"

enum { CHUNK = 4096 };

/* Reads at most a page, and not across its end; 0 for an unmapped address. */
typedef size_t (*ReadFn)(void *opaque, uint64_t addr, void *buf, size_t len);

static bool write_all(int fd, const char *path, const uint8_t *buf, size_t len,
                      GError **errp)
{
    while (len) {
        ssize_t n = write(fd, buf, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            error_setf_errno(errp, errno, "writing memory to '%s' failed",
                             path);
            return false;
        }
        buf += n;
        len -= (size_t)n;
    }
    return true;
}

static bool memory_save(ReadFn fn, void *opaque, uint64_t addr, uint64_t size,
                        int fd, const char *path, GError **errp)
{
    uint8_t buf[CHUNK];
    uint64_t left = size;

    while (left) {
        size_t len = MIN(left, CHUNK - addr % CHUNK);

        if (!fn(opaque, addr, buf, len)) {
            error_setf(errp,
                       "Invalid addr 0x%016" PRIx64 "/size %" PRIu64
                       " specified",
                       addr, left);
            return false;
        }
        if (!write_all(fd, path, buf, len, errp)) {
            return false;
        }
        addr += len;
        left -= len;
    }
    return true;
}

static bool save_to_file(ReadFn fn, void *opaque, int64_t addr, int64_t size,
                         const char *path, GError **errp)
{
    bool ok;
    int fd;

    if (size < 0) {
        error_setf(errp,
                   "Parameter 'size' expects a number of bytes, not "
                   "%" PRId64,
                   size);
        return false;
    }
    fd = open_user_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) {
        error_setf_errno(errp, -fd, "Could not open '%s'", path);
        return false;
    }
    ok =
        memory_save(fn, opaque, (uint64_t)addr, (uint64_t)size, fd, path, errp);
    if (close(fd) && ok) {
        error_setf_errno(errp, errno, "writing memory to '%s' failed", path);
        ok = false;
    }
    return ok;
}

/* What isn't RAM reads as the bus gives it. */
static size_t read_physical(void *opaque, uint64_t addr, void *buf, size_t len)
{
    Vm *vm = opaque;

    address_space_read(&vm->mem.memory, addr, buf, len);
    return len;
}

static size_t read_virtual(void *opaque, uint64_t addr, void *buf, size_t len)
{
    return vcpu_read_virt(opaque, addr, buf, len) ? len : 0;
}

bool qmp_memsave(QmpCtx *ctx, int64_t val, int64_t size, const char *filename,
                 bool has_cpu_index, int64_t cpu_index, GError **errp)
{
    if (!vm_control_memory_here(ctx->vm, "memsave", errp)) {
        return false;
    }
    cpu_index = has_cpu_index ? cpu_index : 0;
    if (cpu_index < 0 || cpu_index >= (int64_t)ctx->vm->nvcpus) {
        error_setf(errp, "Parameter 'cpu-index' expects a CPU number");
        return false;
    }
    return save_to_file(read_virtual, ctx->vm->vcpus[cpu_index], val, size,
                        filename, errp);
}

bool qmp_pmemsave(QmpCtx *ctx, int64_t val, int64_t size, const char *filename,
                  GError **errp)
{
    return vm_control_memory_here(ctx->vm, "pmemsave", errp) &&
           save_to_file(read_physical, ctx->vm, val, size, filename, errp);
}
