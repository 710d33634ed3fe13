/*
 * Accesses to an address space: RAM is copied, devices are called.
 *
 * RAM is reached in an RCU read section alone.  For a device the section is
 * left, vm_lock taken (unless the thread has it) and the address looked up
 * again: from then on the view stands still, and the regions in it live.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/memory-priv.h"

typedef struct Access {
    AddressSpace *as;
    uint64_t addr;
    uint8_t *buf;
    uint64_t len; /* what is left, > 0 */
    bool is_write;
    bool to_rom; /* also into what the guest can't write */
} Access;

/* What a device sees of its operations table, defaults filled in. */
static unsigned ops_min(const IoOps *ops)
{
    return ops->min_size ? ops->min_size : 1;
}

static unsigned ops_max(const IoOps *ops)
{
    return ops->max_size ? ops->max_size : 4;
}

static bool access_valid(const IoOps *ops, uint64_t off, unsigned size)
{
    unsigned max = ops->max_valid ? ops->max_valid : 8;

    return size >= ops->min_valid && size <= max &&
           (ops->unaligned || off % size == 0);
}

static uint64_t size_mask(unsigned size)
{
    return MAKE_64BIT_MASK(0, size * 8);
}

/*
 * A device may write to memory from its ops (DMA), and a guest can make that
 * memory the device itself.  Such an access is refused, which also bounds the
 * depth: each region is entered at most once per thread.
 */
static const void *busy_self(void)
{
    static __thread char self;

    return &self;
}

static uint64_t ops_read(MemoryRegion *mr, uint64_t off, unsigned size)
{
    if (!mr->ops->read) {
        return UINT64_MAX;
    }
    return mr->ops->read(mr->dev, off, size);
}

static void ops_write(MemoryRegion *mr, uint64_t off, uint64_t val,
                      unsigned size)
{
    if (mr->ops->write) {
        mr->ops->write(mr->dev, off, val & size_mask(size), size);
    }
}

/* Pieces of the device's own size, lowest address first. */
static uint64_t read_adjusted(MemoryRegion *mr, uint64_t off, unsigned size)
{
    unsigned min = ops_min(mr->ops);
    unsigned step = CLAMP(size, min, ops_max(mr->ops));
    uint64_t val = 0;

    if (step <= size) {
        for (unsigned i = 0; i < size; i += step) {
            val |= (ops_read(mr, off + i, step) & size_mask(step)) << (8 * i);
        }
        return val;
    }
    /* Widened; an unaligned access may reach into a second piece. */
    for (unsigned i = 0; i < size;) {
        uint64_t piece = ROUND_DOWN(off + i, step);
        unsigned skip = off + i - piece;
        unsigned n = MIN(step - skip, size - i);
        uint64_t got = ops_read(mr, piece, step) >> (8 * skip);

        val |= (got & size_mask(n)) << (8 * i);
        i += n;
    }
    return val;
}

static void write_adjusted(MemoryRegion *mr, uint64_t off, uint64_t val,
                           unsigned size)
{
    unsigned min = ops_min(mr->ops);
    unsigned step = CLAMP(size, min, ops_max(mr->ops));

    if (step <= size) {
        for (unsigned i = 0; i < size; i += step) {
            ops_write(mr, off + i, val >> (8 * i), step);
        }
        return;
    }
    for (unsigned i = 0; i < size;) {
        uint64_t piece = ROUND_DOWN(off + i, step);
        unsigned skip = off + i - piece;
        unsigned n = MIN(step - skip, size - i);

        ops_write(mr, piece, ((val >> (8 * i)) & size_mask(n)) << (8 * skip),
                  step);
        i += n;
    }
}

/* One access of 1, 2, 4 or 8 bytes to a device; vm_lock held. */
static MemResult region_access(MemoryRegion *mr, uint64_t off, unsigned size,
                               uint64_t *val, bool is_write)
{
    if (!is_write) {
        *val = size_mask(size);
    }
    if (!mr->ops || !access_valid(mr->ops, off, size) ||
        mr->busy == busy_self()) {
        return MEM_ERROR;
    }
    mr->busy = busy_self();
    if (is_write) {
        write_adjusted(mr, off, *val, size);
    } else {
        *val = read_adjusted(mr, off, size) & size_mask(size);
    }
    /* Another thread's, if the device dropped vm_lock meanwhile. */
    if (mr->busy == busy_self()) {
        mr->busy = NULL;
    }
    return MEM_OK;
}

/*
 * Writes that the accelerator has gathered reach their devices before another
 * access can see that they haven't.
 */
static void flush_coalesced(Memory *mem)
{
    if (mem->flush_coalesced && !mem->flushing) {
        mem->flushing = true;
        mem->flush_coalesced(mem->flush_opaque);
        mem->flushing = false;
    }
}

/* The largest access that the device takes at off, at most len bytes. */
static unsigned piece_size(const MemoryRegion *mr, uint64_t off, uint64_t len)
{
    unsigned max = mr->ops ? ops_max(mr->ops) : 4;
    uint64_t size = pow2_floor(MIN(len, max));

    if (mr->ops && mr->ops->max_valid) {
        size = MIN(size, (uint64_t)mr->ops->max_valid);
    }
    while (size > 1 && off % size) {
        size /= 2;
    }
    return size;
}

static bool range_is_ram(const FlatRange *r, bool is_write)
{
    return r->ram && !(is_write && r->romd);
}

/* To or from RAM within one range; at most a->len bytes. */
static void copy_ram(Access *a, const FlatRange *r, uint64_t n)
{
    uint64_t off = r->offset + (a->addr - r->addr);
    uint8_t *host = r->ram->host + off;

    tsan_guest_begin();
    if (!a->is_write) {
        memcpy(a->buf, host, n);
    } else if (!r->read_only || (a->to_rom && !r->ram->read_only)) {
        memcpy(host, a->buf, n);
        ram_block_set_dirty(&a->as->mem->ram, r->ram, off, n);
    }
    tsan_guest_end();
}

static void access_advance(Access *a, uint64_t n)
{
    a->addr += n;
    a->buf += n;
    a->len -= n;
}

/* Bytes from a->addr to the end of the range, or of the hole before it. */
static uint64_t span_at(const Access *a, const FlatView *view, unsigned i,
                        bool hit)
{
    uint64_t to_end = UINT64_MAX - a->addr; /* less one */

    if (hit) {
        to_end = range_last(&view->ranges[i]) - a->addr;
    } else if (i < view->nranges) {
        to_end = view->ranges[i].addr - 1 - a->addr;
    }
    return to_end < a->len ? to_end + 1 : a->len;
}

/*
 * One piece that lands in a device; vm_lock is taken here.  The device that
 * has the first byte gets all of an access, though another may hide its next
 * bytes: port 0xcf9 lies in the middle of a register of four.
 */
static MemResult device_piece(Access *a)
{
    VM_LOCK_GUARD();
    const FlatRange *r;
    MemResult res;
    unsigned size;
    uint64_t val = 0;
    uint64_t off;

    flush_coalesced(a->as->mem);
    r = flat_view_find(a->as->view, a->addr);
    if (!r || range_is_ram(r, a->is_write)) {
        return MEM_OK; /* changed meanwhile: the caller looks again */
    }
    off = r->offset + (a->addr - r->addr);
    size = piece_size(r->mr, off, MIN(a->len, r->mr->size - off));
    if (a->is_write) {
        memcpy(&val, a->buf, size);
        res = region_access(r->mr, off, size, &val, true);
    } else {
        res = region_access(r->mr, off, size, &val, false);
        memcpy(a->buf, &val, size);
    }
    access_advance(a, size);
    return res;
}

/* As much as RAM and holes allow; true if a device is next. */
static bool access_ram(Access *a, MemResult *res)
{
    const FlatView *view;

    RCU_READ_GUARD();
    view = address_space_view(a->as);
    while (a->len) {
        bool hit;
        unsigned i = flat_view_index(view, a->addr, &hit);
        uint64_t n = span_at(a, view, i, hit);

        if (!hit) {
            if (!a->is_write) {
                memset(a->buf, 0xff, n);
            }
            *res = MAX(*res, MEM_UNASSIGNED);
        } else if (range_is_ram(&view->ranges[i], a->is_write) ||
                   (a->to_rom && view->ranges[i].ram)) {
            copy_ram(a, &view->ranges[i], n);
        } else {
            return true;
        }
        access_advance(a, n);
    }
    return false;
}

static MemResult access_run(Access *a)
{
    MemResult res = MEM_OK;

    while (a->len && access_ram(a, &res)) {
        MemResult got = device_piece(a);

        res = MAX(res, got);
    }
    return res;
}

MemResult address_space_read(AddressSpace *as, uint64_t addr, void *buf,
                             uint64_t len)
{
    Access a = { .as = as, .addr = addr, .buf = buf, .len = len };

    return access_run(&a);
}

MemResult address_space_write(AddressSpace *as, uint64_t addr, const void *buf,
                              uint64_t len)
{
    Access a = {
        .as = as,
        .addr = addr,
        .buf = (uint8_t *)(uintptr_t)buf, /* only read from */
        .len = len,
        .is_write = true,
    };

    return access_run(&a);
}

MemResult address_space_write_rom(AddressSpace *as, uint64_t addr,
                                  const void *buf, uint64_t len)
{
    Access a = {
        .as = as,
        .addr = addr,
        .buf = (uint8_t *)(uintptr_t)buf, /* only read from */
        .len = len,
        .is_write = true,
        .to_rom = true,
    };

    return access_run(&a);
}

MemResult address_space_fill(AddressSpace *as, uint64_t addr, uint8_t byte,
                             uint64_t len)
{
    uint8_t buf[4096];
    MemResult res = MEM_OK;

    memset(buf, byte, MIN(len, sizeof(buf)));
    while (len) {
        uint64_t n = MIN(len, sizeof(buf));
        MemResult got = address_space_write(as, addr, buf, n);

        res = MAX(res, got);
        addr += n;
        len -= n;
    }
    return res;
}

/* A CPU's access to RAM; false: not RAM, or not all in one range. */
static bool cpu_access_ram(AddressSpace *as, uint64_t addr, unsigned size,
                           uint64_t *val, bool is_write)
{
    const FlatRange *r;
    uint8_t *host;
    uint64_t off;

    RCU_READ_GUARD();
    r = flat_view_find(address_space_view(as), addr);
    if (!r || !range_is_ram(r, is_write) || range_last(r) - addr < size - 1) {
        return false;
    }
    off = r->offset + (addr - r->addr);
    host = r->ram->host + off;
    if (!is_write) {
        *val = 0;
        memcpy(val, host, size);
    } else if (!r->read_only) {
        memcpy(host, val, size);
        ram_block_set_dirty(&as->mem->ram, r->ram, off, size);
    }
    return true;
}

/* As above for a device; vm_lock is taken here. */
static bool cpu_access_device(AddressSpace *as, uint64_t addr, unsigned size,
                              uint64_t *val, bool is_write, MemResult *ret_res)
{
    const FlatRange *r;
    uint64_t off;

    VM_LOCK_GUARD();
    flush_coalesced(as->mem);
    r = flat_view_find(as->view, addr);
    if (!r || range_is_ram(r, is_write)) {
        return false;
    }
    off = r->offset + (addr - r->addr);
    if (!range_fits(off, size, r->mr->size) &&
        !(r->mr->ops && r->mr->ops->whole)) {
        return false;
    }
    *ret_res = region_access(r->mr, off, size, val, is_write);
    return true;
}

uint64_t address_space_load(AddressSpace *as, uint64_t addr, unsigned size,
                            MemResult *ret_result)
{
    MemResult res = MEM_OK;
    uint64_t val = 0;

    if (!cpu_access_ram(as, addr, size, &val, false) &&
        !cpu_access_device(as, addr, size, &val, false, &res)) {
        res = address_space_read(as, addr, &val, size);
    }
    if (ret_result) {
        *ret_result = res;
    }
    return val;
}

MemResult address_space_store(AddressSpace *as, uint64_t addr, uint64_t val,
                              unsigned size)
{
    MemResult res = MEM_OK;

    if (!cpu_access_ram(as, addr, size, &val, true) &&
        !cpu_access_device(as, addr, size, &val, true, &res)) {
        res = address_space_write(as, addr, &val, size);
    }
    return res;
}

void *address_space_map(AddressSpace *as, uint64_t addr, uint64_t *len,
                        bool is_write)
{
    const FlatRange *r;
    uint64_t n;

    RCU_READ_GUARD();
    r = flat_view_find(address_space_view(as), addr);
    if (!r || !*len || !range_is_ram(r, is_write) ||
        (is_write && r->read_only)) {
        return NULL;
    }
    n = range_last(r) - addr;
    *len = n < *len ? n + 1 : *len;
    return r->ram->host + r->offset + (addr - r->addr);
}

void address_space_unmap(AddressSpace *as, void *host, uint64_t len,
                         bool is_write)
{
    RamList *ram = &as->mem->ram;
    RamBlock *rb;
    uint64_t off;

    if (!is_write || !host || !len) {
        return;
    }
    RCU_READ_GUARD();
    rb = ram_block_from_host(ram, host, &off);
    if (rb) {
        ram_block_set_dirty(ram, rb, off, MIN(len, rb->max_length - off));
    }
}
