/*
 * SeaBIOS on the software CPU, on a board with nothing but RAM, the image,
 * the CMOS registers that tell the RAM's size and the port where the image
 * writes its log: it must come as far as its boot menu.  That takes it from
 * real mode through 16-bit and 32-bit protected mode and back many times.
 *
 * Ports: 0x70 and 0x71 (MC146818 data sheet), 0x402 (debug console; reads
 * 0xe9), as asked of the installed firmware.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/cpu.h"
#include "system/vm.h"

enum { MAX_SLICES = 2000, SLICE = 100000 };

/* Stands in for the device that IoOps are given. */
typedef struct Board {
    Memory mem;
    MemoryRegion ram, rom, low, debug, cmos;
    GString *log;
    uint8_t cmos_index;
} Board;

static Board *board_of(struct Device *dev)
{
    return (Board *)dev;
}

static uint64_t debug_read(struct Device *dev, uint64_t off, unsigned size)
{
    return 0xe9;
}

static void debug_write(struct Device *dev, uint64_t off, uint64_t val,
                        unsigned size)
{
    g_string_append_c(board_of(dev)->log, val);
}

static uint64_t cmos_read(struct Device *dev, uint64_t off, unsigned size)
{
    switch (board_of(dev)->cmos_index) {
    case 0x0a:
        return 0x26; /* no update in progress */
    case 0x0b:
        return 0x02;
    case 0x0d:
        return 0x80;
    case 0x35:
        return 0x01; /* 64 KiB units above 16 MiB, high byte */
    default:
        return 0;
    }
}

static void cmos_write(struct Device *dev, uint64_t off, uint64_t val,
                       unsigned size)
{
    if (off == 0) {
        board_of(dev)->cmos_index = val & 0x7f;
    }
}

static const IoOps debug_ops = {
    .read = debug_read,
    .write = debug_write,
    .max_size = 1,
};
static const IoOps cmos_ops = {
    .read = cmos_read,
    .write = cmos_write,
    .max_size = 1,
};

/* RAM, with the image below 1 MiB (writable) and below 4 GiB. */
static void board_init(Board *b, const char *image, size_t len)
{
    GError *err = NULL;
    struct Device *dev = (struct Device *)b;

    b->log = g_string_new(NULL);
    memory_init(&b->mem);
    memory_region_init_ram(&b->ram, &b->mem, "pc.ram", 32 * MiB, &err);
    g_assert_no_error(err);
    memory_region_init_ram(&b->rom, &b->mem, "pc.bios", len, &err);
    g_assert_no_error(err);
    memcpy(memory_region_ram_ptr(&b->rom), image, len);
    memory_region_init_alias(&b->low, &b->mem, "low", &b->rom, 0, len);
    memory_region_init_io(&b->debug, &b->mem, "debug", 1, &debug_ops, dev);
    memory_region_init_io(&b->cmos, &b->mem, "cmos", 2, &cmos_ops, dev);
    memory_transaction_begin(&b->mem);
    memory_region_add(&b->mem.root, 0, &b->ram, 0);
    memory_region_add(&b->mem.root, 1 * MiB - len, &b->low, 1);
    memory_region_add(&b->mem.root, 4 * GiB - len, &b->rom, 0);
    memory_region_add(&b->mem.io_root, 0x402, &b->debug, 0);
    memory_region_add(&b->mem.io_root, 0x70, &b->cmos, 0);
    memory_transaction_commit(&b->mem);
}

static void board_fini(Board *b)
{
    memory_region_fini(&b->low);
    memory_region_fini(&b->debug);
    memory_region_fini(&b->cmos);
    memory_region_fini(&b->ram);
    memory_region_fini(&b->rom);
    memory_fini(&b->mem);
    g_string_free(b->log, TRUE);
}

static char *image_find(size_t *ret_len)
{
    g_auto(GStrv) dirs = g_strsplit(CONFIG_FIRMWARE_PATH, ":", -1);

    for (unsigned i = 0; dirs[i]; i++) {
        g_autofree char *path = g_build_filename(dirs[i], "bios.bin", NULL);
        char *text;

        if (g_file_get_contents(path, &text, ret_len, NULL)) {
            return text;
        }
    }
    return NULL;
}

NO_TSA static void run(Board *b)
{
    static const X86Topology topo = { 1, 1, 1 };
    GError *err = NULL;
    X86CpuModel *model = x86_cpu_model_parse("qemu64", &err);
    X86Cpu *x;
    SoftVm *vm;
    SoftCpu *s;
    SoftExit e = SOFT_EXIT_AGAIN;

    g_assert_true(x86_cpu_model_realize(model, NULL, &err));
    x = x86_cpu_new(model, &topo, 0, 0);
    vm = soft_vm_new(&b->mem, 8 * MiB, &err);
    g_assert_no_error(err);
    s = soft_cpu_new(vm, x, &err);
    g_assert_no_error(err);
    vm_lock_release();
    for (unsigned i = 0; i < MAX_SLICES && e == SOFT_EXIT_AGAIN; i++) {
        e = soft_cpu_run(s, SLICE);
    }
    vm_lock_acquire();
    g_test_message("%" PRIu64 " instructions, log:\n%s", s->ninsns,
                   b->log->str);
    /* It waits for the timer, which this board has not. */
    g_assert_cmpint(e, ==, SOFT_EXIT_HALT);
    soft_cpu_free(s);
    soft_vm_free(vm);
    x86_cpu_free(x);
    x86_cpu_model_free(model);
}

NO_TSA static void test_post(void)
{
    size_t len;
    g_autofree char *image = image_find(&len);
    Board *b;

    if (!image) {
        g_test_skip("no bios.bin in " CONFIG_FIRMWARE_PATH);
        return;
    }
    g_assert_cmpuint(len, ==, 128 * KiB);
    b = g_new0(Board, 1);
    vm_lock_acquire();
    board_init(b, image, len);
    run(b);
    g_assert_nonnull(strstr(b->log->str, "SeaBIOS (version"));
    g_assert_nonnull(strstr(b->log->str, "RamSize: 0x02000000"));
    g_assert_nonnull(strstr(b->log->str, "Press ESC for boot menu"));
    board_fini(b);
    vm_lock_release();
    g_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-seabios/post", test_post);
    return g_test_run();
}
