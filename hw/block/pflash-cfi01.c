/*
 * Flash memory with Intel's command set: reads like ROM until a command is
 * written.
 *
 * Sources: JEDEC JESD68.01 (Common Flash Interface), JEP137B (command set
 * 0001); Intel, "28F640J3, 28F320J3, 28F160J3" data sheet (290667), section
 * on commands.  What a chip of the 7.2 machines answers, and in which order
 * it does things, was seen by programs in flash that ran there.
 *
 * The content is a RAM block, which migrates as such.  What changes is written
 * to the drive behind the guest's back: a write goes on while the last one is
 * under way, and the sectors in between are the next one's.
 *
 * Stream: "pflash_cfi01" version 1, with "pflash_cfi01_blk_write" while a
 * buffer is being filled.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/block/pflash.h"

#include "block/block.h"
#include "hw/core/machine.h"
#include "system/runstate.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

enum {
    CMD_ARRAY = 0x00, /* what the stream has for CMD_READ_ARRAY */
    CMD_PROGRAM = 0x10,
    CMD_ERASE = 0x20,
    CMD_PROGRAM_TOO = 0x40,
    CMD_CLEAR_STATUS = 0x50,
    CMD_LOCK = 0x60,
    CMD_STATUS = 0x70,
    CMD_ID = 0x90,
    CMD_QUERY = 0x98,
    CMD_CONFIRM = 0xd0,
    CMD_BUFFER = 0xe8,
    CMD_READ_ARRAY = 0xff,
    STATUS_READY = 0x80,
    STATUS_ERASE_ERROR = 0x20,
    STATUS_PROGRAM_ERROR = 0x10,
    BUFFER_SIZE = 256, /* bytes; it begins at a multiple of that */
    QUERY_BYTES = 0x52,
    NO_BUFFER = UINT32_MAX,
    MAX_BLOCKS = 65536, /* that the query can tell */
    LATER_NS = 100 * 1000 * 1000,
};

/* What a write cycle is for; of the stream. */
enum {
    CYCLE_COMMAND,
    CYCLE_SECOND, /* of a command: data, a count, a confirmation */
    CYCLE_BUFFER, /* data of a buffer */
    CYCLE_CONFIRM /* of a buffer */
};

typedef struct Pflash {
    Device dev;
    char *drive_name, *name; /* name: of the RAM block */
    uint32_t nblocks;        /* sectors */
    uint64_t sector_bytes;
    bool secure; /* only CPUs in SMM write */

    BlockBackend *blk;
    bool read_only;
    uint64_t size;
    MemoryRegion mem; /* what CPUs see; with `secure` but for those in SMM */
    MemoryRegion smm; /* with `secure` */
    uint64_t addr;    /* in memory */

    uint8_t wcycle, cmd, status; /* migrated, as what follows */
    uint64_t counter;            /* writes that a buffer takes, less one */
    uint8_t buffer[BUFFER_SIZE];
    uint32_t buffer_at; /* the chip's offset of it; NO_BUFFER: there is none */

    bool loaded; /* from a migration: the drive may have something else */
    Timer later; /* and it is still to come */
    RunStateListener run_listener;

    /* Bytes that the drive lacks; equal: none. */
    uint64_t dirty_lo, dirty_hi;
    struct PflashWrite *write; /* under way; NULL: none */
} Pflash;

/* A copy of some sectors, on its way to the drive. */
typedef struct PflashWrite {
    Pflash *s; /* NULL: the chip has gone */
    uint64_t off;
    struct iovec iov;
} PflashWrite;

static Pflash *pflash_of(Device *dev)
{
    return DEVICE_CAST(Pflash, dev);
}

static uint8_t *pflash_content(Pflash *s)
{
    return memory_region_ram_ptr(&s->mem);
}

/* The drive */

static void write_back(Pflash *s);

static void drive_lacks(Pflash *s, uint64_t off, uint64_t len)
{
    if (s->dirty_lo == s->dirty_hi) {
        s->dirty_lo = off;
        s->dirty_hi = off + len;
    } else {
        s->dirty_lo = MIN(s->dirty_lo, off);
        s->dirty_hi = MAX(s->dirty_hi, off + len);
    }
}

/* What failed goes with the next write, or when the guest goes on. */
static void write_done(void *opaque, int ret)
{
    PflashWrite *w = opaque;
    Pflash *s = w->s;

    if (s != NULL) {
        s->write = NULL;
    }
    if (ret < 0) {
        log_error("%s: what the guest has written isn't on its drive: %s",
                  s != NULL ? s->name : "flash", g_strerror(-ret));
    }
    if (s != NULL && ret < 0) {
        drive_lacks(s, w->off, w->iov.iov_len);
    } else if (s != NULL) {
        write_back(s);
    }
    g_free(w->iov.iov_base);
    g_free(w);
}

static void write_back(Pflash *s)
{
    uint64_t lo = ROUND_DOWN(s->dirty_lo, BLOCK_SECTOR);
    uint64_t hi = MIN(ROUND_UP(s->dirty_hi, BLOCK_SECTOR), s->size);

    PflashWrite *w;

    if (s->write != NULL || s->dirty_lo == s->dirty_hi) {
        return;
    }
    w = g_new0(PflashWrite, 1);
    w->s = s;
    w->off = lo;
    w->iov.iov_base = g_memdup2(pflash_content(s) + lo, hi - lo);
    w->iov.iov_len = hi - lo;
    s->dirty_lo = s->dirty_hi = 0;
    s->write = w;
    block_aio_writev(s->blk, lo, &w->iov, 1, write_done, w);
}

/* Bytes of the content have changed. */
static void mark_changed(Pflash *s, uint64_t off, uint64_t len)
{
    ram_block_set_dirty(&s->dev.vm->mem.ram, s->mem.ram, off, len);
    drive_lacks(s, off, len);
    write_back(s);
}

/* Commands */

/* Where reads and writes of the drivers go. */
static MemoryRegion *driver_region(Pflash *s)
{
    return s->secure ? &s->smm : &s->mem;
}

static void set_command(Pflash *s, uint8_t cmd, uint8_t wcycle)
{
    s->cmd = cmd;
    s->wcycle = wcycle;
    memory_region_set_romd(driver_region(s), cmd == CMD_ARRAY);
}

static void end_command(Pflash *s)
{
    s->status |= STATUS_READY;
    s->wcycle = CYCLE_COMMAND;
}

static void erase_sector(Pflash *s, uint64_t off)
{
    off = off / s->sector_bytes * s->sector_bytes;
    if (s->read_only) {
        s->status |= STATUS_ERASE_ERROR;
    } else {
        memset(pflash_content(s) + off, 0xff, s->sector_bytes);
        mark_changed(s, off, s->sector_bytes);
    }
    s->status |= STATUS_READY;
}

static void first_cycle(Pflash *s, uint64_t off, uint8_t val)
{
    switch (val) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_TOO:
    case CMD_QUERY:
    case CMD_LOCK:
        set_command(s, val, CYCLE_SECOND);
        break;
    case CMD_BUFFER:
        s->status |= STATUS_READY;
        set_command(s, val, CYCLE_SECOND);
        break;
    case CMD_ERASE:
        /* Before it is confirmed: so do chips of 7.2, in the stream too. */
        erase_sector(s, off);
        set_command(s, val, CYCLE_SECOND);
        break;
    case CMD_STATUS:
    case CMD_ID:
        set_command(s, val, CYCLE_COMMAND);
        break;
    case CMD_CLEAR_STATUS:
        s->status = 0;
        set_command(s, CMD_ARRAY, CYCLE_COMMAND);
        break;
    default: /* 0xff, and what isn't there */
        set_command(s, CMD_ARRAY, CYCLE_COMMAND);
        break;
    }
}

static void pflash_program(Pflash *s, uint64_t off, uint64_t val, unsigned size)
{
    if (s->read_only) {
        s->status |= STATUS_PROGRAM_ERROR;
    } else {
        stn_le_p(pflash_content(s) + off, size, val);
        mark_changed(s, off, size);
    }
    end_command(s);
}

static void begin_buffer(Pflash *s, uint64_t off, uint8_t count)
{
    s->counter = count;
    s->buffer_at = ROUND_DOWN(off, BUFFER_SIZE);
    memcpy(s->buffer, pflash_content(s) + s->buffer_at, BUFFER_SIZE);
    s->wcycle = CYCLE_BUFFER;
}

static void second_cycle(Pflash *s, uint64_t off, uint64_t val, unsigned size)
{
    const uint8_t byte = val;

    switch (s->cmd) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_TOO:
        pflash_program(s, off, val, size);
        break;
    case CMD_BUFFER:
        begin_buffer(s, off, byte);
        break;
    case CMD_ERASE:
    case CMD_LOCK:
        /* Locks are taken, and change nothing. */
        if (byte == CMD_CONFIRM || (s->cmd == CMD_LOCK && byte == 0x01)) {
            end_command(s);
        } else {
            set_command(s, CMD_ARRAY, CYCLE_COMMAND);
        }
        break;
    default: /* CMD_QUERY, which only one command ends */
        if (byte == CMD_READ_ARRAY) {
            set_command(s, CMD_ARRAY, CYCLE_COMMAND);
        }
        break;
    }
}

static void fill_buffer(Pflash *s, uint64_t off, uint64_t val, unsigned size)
{
    if (s->buffer_at == NO_BUFFER) {
        /* Out of its bounds before: the rest goes nowhere. */
    } else if (off < s->buffer_at ||
               !range_fits(off - s->buffer_at, size, BUFFER_SIZE)) {
        s->status |= STATUS_PROGRAM_ERROR;
        s->buffer_at = NO_BUFFER;
    } else {
        stn_le_p(s->buffer + (off - s->buffer_at), size, val);
    }
    if (s->counter == 0) {
        s->wcycle = CYCLE_CONFIRM;
    }
    s->counter--;
    s->status |= STATUS_READY;
}

static void commit_buffer(Pflash *s, uint8_t val)
{
    if (val != CMD_CONFIRM) {
        set_command(s, CMD_ARRAY, CYCLE_COMMAND);
    } else if (s->read_only) {
        s->status |= STATUS_PROGRAM_ERROR;
    } else if (s->buffer_at != NO_BUFFER) {
        memcpy(pflash_content(s) + s->buffer_at, s->buffer, BUFFER_SIZE);
        mark_changed(s, s->buffer_at, BUFFER_SIZE);
    }
    s->buffer_at = NO_BUFFER;
    end_command(s);
}

static void pflash_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Pflash *s = pflash_of(dev);

    switch (s->wcycle) {
    case CYCLE_COMMAND:
        first_cycle(s, off, val);
        break;
    case CYCLE_SECOND:
        second_cycle(s, off, val, size);
        break;
    case CYCLE_BUFFER:
        fill_buffer(s, off, val, size);
        break;
    default:
        commit_buffer(s, val);
        break;
    }
}

/* Reads */

static unsigned log2_of(uint64_t n)
{
    return n <= 1 ? 0 : 63 - __builtin_clzll(n);
}

/* The table of the Common Flash Interface, from byte 0x10 on. */
static uint8_t query_byte(const Pflash *s, uint64_t at)
{
    uint8_t table[QUERY_BYTES] = {
        [0x10] = 'Q',  [0x11] = 'R',  [0x12] = 'Y',
        [0x13] = 0x01,                /* Intel's command set */
        [0x15] = 0x31,                /* where its table is */
        [0x1b] = 0x45, [0x1c] = 0x55, /* 4.5 V to 5.5 V */
        [0x1f] = 0x07, [0x20] = 0x07, [0x21] = 0x0a,
        [0x23] = 0x04, [0x24] = 0x04, [0x25] = 0x04,
        [0x28] = 0x02, /* x8 and x16 */
        [0x2c] = 0x01, /* region of sectors of one size */
        [0x31] = 'P',  [0x32] = 'R',  [0x33] = 'I',
        [0x34] = '1',  [0x35] = '0',  [0x3f] = 0x01,
    };

    table[0x27] = log2_of(s->size);
    table[0x2a] = log2_of(BUFFER_SIZE);
    stw_le_p(table + 0x2d, s->nblocks - 1);
    stw_le_p(table + 0x2f, s->sector_bytes / 256);
    return at < sizeof(table) ? table[at] : 0;
}

static uint64_t array_bytes(Pflash *s, uint64_t off, unsigned size)
{
    return ldn_le_p(pflash_content(s) + off, size);
}

static uint64_t pflash_read(Device *dev, uint64_t off, unsigned size)
{
    Pflash *s = pflash_of(dev);

    switch (s->cmd) {
    case CMD_ARRAY:
        return array_bytes(s, off, size);
    case CMD_ID:
        return 0; /* the machines' chips have no names, and no locks */
    case CMD_QUERY:
        return query_byte(s, off & 0xff);
    default:
        return s->status | (size > 2 ? (uint32_t)s->status << 16 : 0);
    }
}

/* CPUs that are to see nothing but ROM. */
static uint64_t array_read(Device *dev, uint64_t off, unsigned size)
{
    return array_bytes(pflash_of(dev), off, size);
}

static const IoOps pflash_ops = {
    .read = pflash_read,
    .write = pflash_write,
    .max_size = 4,
    .unaligned = true,
};

static const IoOps array_ops = { .read = array_read, .unaligned = true };

/* Life */

static bool pflash_check_size(Pflash *s, GError **errp)
{
    if (s->nblocks == 0 || s->nblocks > MAX_BLOCKS) {
        error_setf(errp, "num-blocks=%u: 1 to %u", s->nblocks, MAX_BLOCKS);
        return false;
    }
    if (s->sector_bytes < BUFFER_SIZE || s->sector_bytes > 16 * MiB ||
        !is_pow2(s->sector_bytes)) {
        error_setf(errp,
                   "sector-length=%" PRIu64 ": a power of two, %d bytes to "
                   "16 MiB",
                   s->sector_bytes, BUFFER_SIZE);
        return false;
    }
    s->size = s->nblocks * s->sector_bytes;
    if (block_size(s->blk) != s->size) {
        error_setf(errp,
                   "device requires %" PRIu64 " bytes, block backend provides "
                   "%" PRIu64 " bytes",
                   s->size, block_size(s->blk));
        return false;
    }
    return true;
}

static bool pflash_init_regions(Pflash *s, GError **errp)
{
    Memory *mem = &s->dev.vm->mem;

    if (!memory_region_init_romd(&s->mem, mem, s->name, s->size,
                                 s->secure ? &array_ops : &pflash_ops, &s->dev,
                                 errp)) {
        return false;
    }
    device_own_region(&s->dev, &s->mem);
    memory_region_add(&mem->root, s->addr, &s->mem, 0);
    if (s->secure) {
        memory_region_init_romd_block(&s->smm, mem, s->name, s->mem.ram,
                                      &pflash_ops, &s->dev);
        device_own_region(&s->dev, &s->smm);
        memory_region_add(&mem->smm_root, s->addr, &s->smm, 1);
    }
    return true;
}

static bool pflash_read_drive(Pflash *s, GError **errp)
{
    int r = block_read_sync(s->blk, 0, pflash_content(s), s->size);

    if (r < 0) {
        error_setf(errp, "failed to read the initial flash content: %s",
                   g_strerror(-r));
    }
    return r == 0;
}

/*
 * The guest goes on where its flash came from somewhere else.  Who touches a
 * page that is still to come (postcopy) waits for the source: the guest has
 * just been let go and vm_lock is held, so the drive gets it later.
 */
static void write_loaded(void *opaque)
{
    Pflash *s = opaque;
    Vm *vm = s->dev.vm;

    if (!s->loaded || !runstate_is_running(vm)) {
        return;
    }
    if (vm_memory_awaited(vm)) {
        timer_mod(&s->later, clock_monotonic_ns() + LATER_NS);
        return;
    }
    s->loaded = false;
    if (!s->read_only) {
        drive_lacks(s, 0, s->size);
        write_back(s);
    }
}

static void pflash_run_changed(RunStateListener *l, bool running,
                               RunState state)
{
    Pflash *s = container_of(l, Pflash, run_listener);

    if (running) {
        write_loaded(s);
        write_back(s);
    }
}

static bool pflash_find_drive(Pflash *s, GError **errp)
{
    s->blk = block_find_for_device(s->dev.vm->blocks, s->drive_name);
    if (s->blk == NULL) {
        error_setf(errp, "Property '%s.drive' can't find value '%s'",
                   s->dev.type->name, s->drive_name);
        return false;
    }
    s->read_only = block_read_only(s->blk);
    if (!pflash_check_size(s, errp) ||
        !block_attach(s->blk, &s->dev.obj, false, errp)) {
        block_release(g_steal_pointer(&s->blk));
        return false;
    }
    return true;
}

static bool pflash_realize(Device *dev, GError **errp)
{
    Pflash *s = pflash_of(dev);

    s->buffer_at = NO_BUFFER;
    if (!pflash_find_drive(s, errp)) {
        return false;
    }
    if (!pflash_init_regions(s, errp) || !pflash_read_drive(s, errp)) {
        block_detach(g_steal_pointer(&s->blk));
        return false;
    }
    timer_init(&s->later, dev->vm->clocks, CLOCK_TYPE_REALTIME, write_loaded,
               s);
    s->run_listener.changed = pflash_run_changed;
    runstate_add_listener(dev->vm, &s->run_listener);
    return true;
}

/* Drives were drained before: there is nothing that the drive lacks. */
static void pflash_unrealize(Device *dev)
{
    Pflash *s = pflash_of(dev);

    if (s->write != NULL) {
        s->write->s = NULL;
    }
    runstate_del_listener(dev->vm, &s->run_listener);
    timer_del(&s->later);
    block_detach(g_steal_pointer(&s->blk));
}

static void pflash_reset(Device *dev)
{
    Pflash *s = pflash_of(dev);

    s->status = STATUS_READY;
    s->counter = 0;
    s->buffer_at = NO_BUFFER;
    set_command(s, CMD_ARRAY, CYCLE_COMMAND);
}

/* State */

static bool has_buffer(void *opaque)
{
    return ((const Pflash *)opaque)->buffer_at != NO_BUFFER;
}

static const Vmstate buffer_vmstate = {
    .name = "pflash_cfi01_blk_write",
    .version = 1,
    .oldest = 1,
    .needed = has_buffer,
    .fields = (const VmstateField[]){ { .name = "blk_bytes",
                                        .kind = VMS_BUFFER,
                                        .offset = offsetof(Pflash, buffer),
                                        .size = BUFFER_SIZE },
                                      { .name = "blk_offset",
                                        .kind = VMS_U32,
                                        .offset = offsetof(Pflash, buffer_at),
                                        .size = sizeof(uint32_t) },
                                      VMSTATE_END },
};

static bool pflash_pre_load(void *opaque, GError **errp)
{
    ((Pflash *)opaque)->buffer_at = NO_BUFFER;
    return true;
}

static bool pflash_post_load(void *opaque, int version, GError **errp)
{
    Pflash *s = opaque;

    if (s->wcycle > CYCLE_CONFIRM) {
        error_setf(errp, "wcycle %u: at most %d", s->wcycle, CYCLE_CONFIRM);
        return false;
    }
    if (s->buffer_at != NO_BUFFER &&
        !range_fits(s->buffer_at, BUFFER_SIZE, s->size)) {
        error_setf(errp, "blk_offset 0x%x: beyond the chip", s->buffer_at);
        return false;
    }
    set_command(s, s->cmd, s->wcycle);
    s->loaded = true;
    return true;
}

static const Vmstate pflash_vmstate = {
    .name = "pflash_cfi01",
    .version = 1,
    .oldest = 1,
    .pre_load = pflash_pre_load,
    .post_load = pflash_post_load,
    .fields =
        (const VmstateField[]){ VMSTATE_U8(Pflash, wcycle),
                                VMSTATE_U8(Pflash, cmd),
                                VMSTATE_U8(Pflash, status),
                                VMSTATE_U64(Pflash, counter), VMSTATE_END },
    .subsections = (const Vmstate *const[]){ &buffer_vmstate, NULL },
};

static const Property pflash_props[] = {
    PROP(PROP_STR, Pflash, drive_name, "drive",
         .help = "Node name or ID of a block device to use as a backend"),
    PROP(PROP_U32, Pflash, nblocks, "num-blocks"),
    PROP(PROP_U64, Pflash, sector_bytes, "sector-length"),
    PROP(PROP_BOOL, Pflash, secure, "secure", .help = "on/off"),
    PROP(PROP_STR, Pflash, name, "name"),
    PROP_END,
};

const DeviceType pflash_cfi01_type = {
    .name = "cfi.pflash01",
    .parent = "sys-bus-device",
    .category = "Storage",
    .size = sizeof(Pflash),
    .bus = BUS_SYSTEM,
    .props = pflash_props,
    .realize = pflash_realize,
    .unrealize = pflash_unrealize,
    .reset = pflash_reset,
    .vmstate = &pflash_vmstate,
};

/* A board's */

static bool board_size(BlockBackends *all, unsigned n, const char *drive,
                       uint64_t max, uint64_t *ret_size, GError **errp)
{
    BlockBackend *b = block_find_for_device(all, drive);
    uint64_t size;

    if (b == NULL) {
        error_setf(errp, "Property 'cfi.pflash01.drive' can't find value '%s'",
                   drive);
        return false;
    }
    if (!block_is_inserted(b)) {
        error_setf(errp, "can't get size of block device %s: No medium found",
                   drive);
        block_release(b);
        return false;
    }
    size = block_size(b);
    block_release(b);
    if (size == 0 || size % PFLASH_SECTOR != 0) {
        error_setf(errp,
                   "system firmware block device %s has invalid size %" PRIu64
                   ": its size must be a non-zero multiple of 0x%x",
                   drive, size, PFLASH_SECTOR);
        return false;
    }
    if (size > max) {
        error_setf(errp,
                   "pflash%u ('%s') of %" PRIu64 " bytes: combined size of "
                   "system firmware exceeds max-fw-size",
                   n, drive, size);
        return false;
    }
    *ret_size = size;
    return true;
}

Device *pflash_create(Machine *m, unsigned n, const char *drive, uint64_t end,
                      uint64_t max, GError **errp)
{
    g_autofree char *name = g_strdup_printf("system.flash%u", n);
    uint64_t size = 0;
    Device *dev;
    Pflash *s;

    if (!board_size(m->vm->blocks, n, drive, max, &size, errp)) {
        return NULL;
    }
    dev = device_new(m->vm, &pflash_cfi01_type);
    object_add_child(&m->obj, name, &dev->obj);
    s = pflash_of(dev);
    s->drive_name = g_strdup(drive);
    s->name = g_steal_pointer(&name);
    s->nblocks = size / PFLASH_SECTOR;
    s->sector_bytes = PFLASH_SECTOR;
    s->addr = end - size;
    return device_realize(dev, NULL, errp) ? dev : NULL;
}

const uint8_t *pflash_bytes(Device *dev, uint64_t *ret_size)
{
    Pflash *s = pflash_of(dev);

    *ret_size = s->size;
    return pflash_content(s);
}
