/*
 * State of q35's chip set: what a program of version 7.2 sends is loaded and
 * saved again without a difference, and takes effect; what is cut off or made
 * up is refused or does no harm.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/ich9-smb.h"
#include "hw/core/machine-none.h"
#include "hw/isa/ich9-lpc.h"
#include "hw/pci/mch.h"
#include "system/vm.h"
#include "tests/unit/q35-sections.h"
#include "tests/unit/section-bytes.h"
#include "vmstate/stream.h"

enum { GSIS = 24 };
#define RAM_SIZE (64 * MiB)

static const VmHooks no_hooks = { 0 };

typedef struct Board {
    Vm *vm;
    MemoryRegion ram;
    IrqInput gsi[GSIS];
    PciBus *pci;
    Device *lpc, *smb;
} Board;

static void gsi_set(void *opaque, unsigned n, bool level)
{
}

ACQUIRE(&vm_lock) static Board *board_new(void)
{
    Board *b = g_new0(Board, 1);
    g_autoptr(GError) err = NULL;
    Machine *m;

    vm_lock_acquire();
    b->vm = vm_new(&no_hooks);
    b->vm->vmstates = vmstate_registry_new();
    b->vm->max_vcpus = 1;
    m = machine_new(b->vm, &machine_none_type);
    for (unsigned n = 0; n < GSIS; n++) {
        b->gsi[n] = (IrqInput){ gsi_set, b, n };
    }
    m->gsi = b->gsi;
    m->ngsi = GSIS;
    m->smm = true;
    g_assert_true(
        memory_region_init_ram(&b->ram, &b->vm->mem, "pc.ram", RAM_SIZE, &err));
    memory_region_add(&b->vm->mem.root, 0, &b->ram, 0);
    b->pci = q35_host_create(m, &b->ram, RAM_SIZE, true, &err);
    g_assert_no_error(err);
    b->lpc = ich9_lpc_create(m, b->pci, &err);
    g_assert_no_error(err);
    b->smb = ich9_smb_create(m, b->pci, &err);
    g_assert_no_error(err);
    return b;
}

RELEASE(&vm_lock) static void board_free(Board *b)
{
    Vm *vm = b->vm;

    machine_free(vm->machine);
    memory_region_fini(&b->ram);
    vmstate_registry_free(vm->vmstates);
    vm->vmstates = NULL;
    vm_free(vm);
    g_free(b);
    vm_lock_release();
}

typedef struct Fixture {
    const char *name, *hex;
    unsigned devfn;
    void (*check)(Board *b);
} Fixture;

/* MMCONFIG where the stream says, SMRAM and 2 MiB of TSEG hidden. */
static void check_mch(Board *b)
{
    uint64_t base, size;

    g_assert_true(q35_host_mmconfig(b->pci, &base, &size));
    g_assert_cmphex(base, ==, 0xe0000000);
    g_assert_cmphex(size, ==, 128 * MiB);
}

static void check_lpc(Board *b)
{
    g_assert_cmphex(ich9_lpc_pm_base(b->lpc), ==, 0x600);
}

static const Fixture fixtures[] = {
    { "mch", mch_hex, 0, check_mch },
    { "lpc", ich9_lpc_hex, ICH9_SLOT << 3, check_lpc },
    { "smb", ich9_smb_hex, ICH9_SLOT << 3 | 3, NULL },
};

static Device *device_of(Board *b, const Fixture *f)
{
    return &b->pci->devs[f->devfn]->dev;
}

static bool load(Board *b, const Fixture *f, const uint8_t *buf, size_t len,
                 GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(buf, len);
    Device *dev = device_of(b, f);
    const Vmstate *vms = dev->type->vmstate;

    device_reset_tree(dev);
    return vmstate_load(in, vms, dev, vms->version, errp) &&
           stream_in_bytes(in) == len;
}

static void expect_saved(Board *b, const Fixture *f, const GByteArray *want)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    Device *dev = device_of(b, f);
    const uint8_t *got;
    size_t len;

    vmstate_save(out, dev->type->vmstate, dev, &err);
    g_assert_no_error(err);
    got = stream_out_data(out, &len);
    g_assert_cmpmem(got, len, want->data, want->len);
}

static void test_round_trip(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new();
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);
    g_autoptr(GError) err = NULL;

    g_assert_true(load(b, f, bytes->data, bytes->len, &err));
    g_assert_no_error(err);
    expect_saved(b, f, bytes);
    if (f->check != NULL) {
        f->check(b);
    }
    board_free(b);
}

static void test_truncated(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new();
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);

    for (size_t len = 0; len < bytes->len;
         len += len < 600 || len + 300 > bytes->len ? 1 : 499) {
        g_assert_false(load(b, f, bytes->data, len, NULL));
    }
    board_free(b);
}

/* One byte is another one: refused, or saved again as some legal state. */
static void test_changed(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new();
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);

    for (unsigned i = 0; i < 2000; i++) {
        g_autoptr(StreamOut) out = stream_out_new(NULL);
        g_autoptr(GError) err = NULL;
        Device *dev = device_of(b, f);
        size_t at = g_test_rand_int_range(0, MIN(bytes->len, 600u));
        uint8_t old = bytes->data[at];

        bytes->data[at] = g_test_rand_int_range(0, 256);
        if (load(b, f, bytes->data, bytes->len, &err)) {
            vmstate_save(out, dev->type->vmstate, dev, &err);
            g_assert_no_error(err);
        }
        bytes->data[at] = old;
    }
    g_assert_true(load(b, f, bytes->data, bytes->len, NULL));
    expect_saved(b, f, bytes);
    board_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(fixtures); i++) {
        const Fixture *f = &fixtures[i];
        const struct {
            const char *name;
            void (*fn)(const void *opaque);
        } tests[] = { { "round-trip", test_round_trip },
                      { "truncated", test_truncated },
                      { "changed", test_changed } };

        for (size_t k = 0; k < G_N_ELEMENTS(tests); k++) {
            g_autofree char *path =
                g_strdup_printf("/q35-vmstate/%s/%s", f->name, tests[k].name);

            g_test_add_data_func(path, f, tests[k].fn);
        }
    }
    return g_test_run();
}
