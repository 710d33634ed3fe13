/*
 * State of bridges and root ports: what a program of version 7.2 sends is
 * loaded and saved again without a difference; what is cut off or made up is
 * refused or does no harm.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-none.h"
#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "tests/unit/pci-host.h"
#include "tests/unit/pci-sections.h"
#include "tests/unit/section-bytes.h"
#include "util/bswap.h"
#include "vmstate/stream.h"

static const VmHooks no_hooks = { 0 };

typedef struct Fixture {
    const DeviceType *type;
    const char *name, *hex;
    const char *props[3][2]; /* up to a name that is NULL */
    /* Where the stream says the memory window is; 0: it is shut. */
    uint64_t window;
} Fixture;

static const Fixture fixtures[] = {
    { &pcie_root_port_type,
      "pcie-root-port",
      root_port_hex,
      { { "chassis", "1" }, { "slot", "9" }, { "port", "5" } },
      0xe0000000 },
    { &ioh3420_type, "ioh3420", ioh3420_hex, { { "chassis", "3" } }, 0 },
    { &pcie_pci_bridge_type,
      "pcie-pci-bridge",
      pcie_pci_bridge_hex,
      { { NULL } },
      0 },
    { &pci_bridge_type,
      "pci-bridge",
      pci_bridge_hex,
      { { "chassis_nr", "4" } },
      0 },
    { &pci_bridge_type,
      "pci-bridge-without-shpc",
      pci_bridge_plain_hex,
      { { "chassis_nr", "5" }, { "shpc", "off" } },
      0 },
};

typedef struct Board {
    Vm *vm;
    Device *dev;
} Board;

ACQUIRE(&vm_lock) static Board *board_new(const Fixture *f)
{
    Board *b = g_new0(Board, 1);
    g_autoptr(GError) err = NULL;
    PciBus *pci;

    vm_lock_acquire();
    b->vm = vm_new(&no_hooks);
    b->vm->vmstates = vmstate_registry_new();
    machine_new(b->vm, &machine_none_type);
    pci = test_pci_host_new(b->vm);
    b->dev = device_new(b->vm, f->type);
    for (unsigned i = 0; i < 3 && f->props[i][0] != NULL; i++) {
        g_assert_true(
            device_prop_set(b->dev, f->props[i][0], f->props[i][1], &err));
    }
    g_assert_true(device_realize(b->dev, &pci->bus, &err));
    return b;
}

RELEASE(&vm_lock) static void board_free(Board *b)
{
    Vm *vm = b->vm;

    machine_free(vm->machine);
    vmstate_registry_free(vm->vmstates);
    vm->vmstates = NULL;
    vm_free(vm);
    g_free(b);
    vm_lock_release();
}

static bool load(Board *b, const uint8_t *buf, size_t len, GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(buf, len);
    const Vmstate *vms = b->dev->type->vmstate;

    device_reset_tree(b->dev);
    return vmstate_load(in, vms, b->dev, vms->version, errp) &&
           stream_in_bytes(in) == len;
}

static void expect_saved(Board *b, const GByteArray *want)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    const uint8_t *got;
    size_t len;

    vmstate_save(out, b->dev->type->vmstate, b->dev, &err);
    g_assert_no_error(err);
    got = stream_out_data(out, &len);
    g_assert_cmpmem(got, len, want->data, want->len);
}

/* What was loaded is what the guest's cycles find. */
static void expect_window(Board *b, uint64_t want)
{
    PciDevice *d = PCI_DEVICE(b->dev);
    PciWindow w = pci_bridge_window(d, PCI_WINDOW_MEM);
    bool open = lduw_le_p(d->config + PCI_COMMAND) & PCI_COMMAND_MEMORY &&
                w.base <= w.limit && w.base != 0;

    g_assert_cmphex(open ? w.base : 0, ==, want);
    if (want != 0) {
        g_assert_true(PCI_BRIDGE(d)->windows[PCI_WINDOW_MEM].enabled);
    }
}

static void test_round_trip(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new(f);
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);
    g_autoptr(GError) err = NULL;

    load(b, bytes->data, bytes->len, &err);
    g_assert_no_error(err);
    expect_saved(b, bytes);
    expect_window(b, f->window);
    board_free(b);
}

static void test_truncated(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new(f);
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);

    for (size_t len = 0; len < bytes->len;
         len += len < 300 || len + 300 > bytes->len ? 1 : 499) {
        g_assert_false(load(b, bytes->data, len, NULL));
    }
    board_free(b);
}

/* One byte is another one: refused, or saved again as some legal state. */
static void test_changed(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new(f);
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);

    for (unsigned i = 0; i < 3000; i++) {
        size_t at = g_test_rand_int_range(0, MIN(bytes->len, 512u));
        uint8_t old = bytes->data[at];
        g_autoptr(StreamOut) out = stream_out_new(NULL);
        g_autoptr(GError) err = NULL;

        if (i % 2 != 0) {
            at = bytes->len - 1 - g_test_rand_int_range(0, 200);
            old = bytes->data[at];
        }
        bytes->data[at] = g_test_rand_int_range(0, 256);
        if (load(b, bytes->data, bytes->len, &err)) {
            vmstate_save(out, b->dev->type->vmstate, b->dev, &err);
            g_assert_no_error(err);
        }
        bytes->data[at] = old;
    }
    load(b, bytes->data, bytes->len, NULL);
    expect_saved(b, bytes);
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
                g_strdup_printf("/pci-vmstate/%s/%s", f->name, tests[k].name);

            g_test_add_data_func(path, f, tests[k].fn);
        }
    }
    return g_test_run();
}
