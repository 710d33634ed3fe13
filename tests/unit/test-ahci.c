/*
 * State of the AHCI controller: what a program of version 7.2 sends is loaded
 * and saved again without a difference; what is cut off or made up is refused
 * or does no harm, whatever the guest does next.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>
#include <linux/pci_regs.h>

#include "block/block.h"
#include "hw/core/machine-none.h"
#include "hw/ide/ahci.h"
#include "hw/ide/ide.h"
#include "system/vm.h"
#include "tests/unit/ahci-sections.h"
#include "tests/unit/pci-host.h"
#include "util/bswap.h"
#include "vmstate/stream.h"

#define DISK_SIZE (8 * MiB)

/* Offsets in a section whose drives said no IDENTIFY. */
enum {
    AT_PORT0 = 276,
    PORT_SIZE = 644,
    AT_BUSY_SLOT = AT_PORT0 + 2 + 28 + 4 + 4 + 14 * 4 + 1,
    AT_TAG0 = AT_BUSY_SLOT + 4 + 1,
    AT_NPORTS = 276 + 6 * PORT_SIZE + 5 * 4 + 4,
    TAG_SIZE = 17,
    TAG_COUNT = 0, /* of sectors, be32 */
    TAG_TAG = 12,
    TAG_SLOT = 14,
    TAG_USED = 15,
};

static void no_event(Vm *vm)
{
}

static bool drain_step(Vm *vm, bool first, int *ret)
{
    return block_drain_step(vm->blocks, first, ret);
}

static const VmHooks hooks = {
    .vcpus_pause = no_event,
    .vcpus_resume = no_event,
    .block_drain_step = drain_step,
    .event_stop = no_event,
    .event_resume = no_event,
};

typedef struct Board {
    Vm *vm;
    Device *ahci;
    char *image;
} Board;

static void add_drive(Board *b, const char *more)
{
    g_autofree char *text =
        g_strdup_printf("file=%s,format=raw,if=ide,file.locking=off%s",
                        b->image, more);
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);

    g_assert_nonnull(block_new_from_keyval(b->vm->blocks, kv, NULL));
}

ACQUIRE(&vm_lock) static Board *board_new(void)
{
    Board *b = g_new0(Board, 1);
    int fd = g_file_open_tmp("test-ahci-XXXXXX", &b->image, NULL);
    PciBus *pci;
    Vm *vm;

    vm_lock_acquire();
    g_assert_cmpint(ftruncate(fd, DISK_SIZE), ==, 0);
    close(fd);
    b->vm = vm = vm_new(&hooks);
    vm->vmstates = vmstate_registry_new();
    vm->blocks = block_backends_new();
    machine_new(vm, &machine_none_type);
    pci = test_pci_host_new(vm);
    add_drive(b, ",bus=0,unit=0");
    add_drive(b, ",bus=1,unit=0,media=cdrom");
    b->ahci = ahci_create(vm->machine, pci, 2 << 3, false, NULL);
    g_assert_nonnull(b->ahci);
    g_assert_true(ahci_create_drives(b->ahci, NULL));
    return b;
}

RELEASE(&vm_lock) static void board_free(Board *b)
{
    Vm *vm = b->vm;

    machine_free(vm->machine);
    block_backends_free(vm->blocks);
    vm->blocks = NULL;
    vmstate_registry_free(vm->vmstates);
    vm->vmstates = NULL;
    vm_free(vm);
    g_unlink(b->image);
    g_free(b->image);
    g_free(b);
    vm_lock_release();
}

static GByteArray *section_bytes(const AhciSection *sec)
{
    GByteArray *out = g_byte_array_new();
    const char *p = sec->hex;

    while (*p != '\0') {
        unsigned byte;
        unsigned long times = 1;
        uint8_t b;

        if (*p == ' ') {
            p++;
            continue;
        }
        g_assert_cmpint(sscanf(p, "%2x", &byte), ==, 1);
        p += 2;
        if (*p == '*') {
            times = strtoul(p + 1, (char **)&p, 10);
        }
        b = byte;
        while (times-- > 0) {
            g_byte_array_append(out, &b, 1);
        }
    }
    return out;
}

static bool load(Board *b, const uint8_t *buf, size_t len, GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(buf, len);
    const Vmstate *vms = b->ahci->type->vmstate;

    return vmstate_load(in, vms, b->ahci, vms->version, errp) &&
           stream_in_bytes(in) == len;
}

static void expect_saved(Board *b, const GByteArray *want, const char *what)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    const uint8_t *got;
    size_t len;

    vmstate_save(out, b->ahci->type->vmstate, b->ahci, &err);
    g_assert_no_error(err);
    got = stream_out_data(out, &len);
    for (size_t i = 0; i < MIN(len, want->len); i++) {
        if (got[i] != want->data[i]) {
            g_error("%s: byte %zu is %02x, not %02x", what, i, got[i],
                    want->data[i]);
        }
    }
    g_assert_cmpuint(len, ==, want->len);
}

static void test_round_trip(void)
{
    Board *b = board_new();

    for (size_t i = 0; i < G_N_ELEMENTS(ahci_sections); i++) {
        const AhciSection *sec = &ahci_sections[i];
        g_autoptr(GByteArray) bytes = section_bytes(sec);
        g_autoptr(GError) err = NULL;

        g_test_message("%s", sec->state);
        device_reset_tree(b->ahci);
        load(b, bytes->data, bytes->len, &err);
        g_assert_no_error(err);
        expect_saved(b, bytes, sec->state);
    }
    board_free(b);
}

static void test_tray(void)
{
    Board *b = board_new();
    BlockBackend *cd = block_find_slot(b->vm->blocks, "ide", 1, 0);
    g_autoptr(GByteArray) bytes = section_bytes(&ahci_sections[2]);
    BlockInfo info;

    g_assert_true(load(b, bytes->data, bytes->len, NULL));
    block_get_info(cd, &info);
    g_assert_true(info.locked);
    g_assert_false(info.tray_open);
    board_free(b);
}

static void test_truncated(void)
{
    Board *b = board_new();

    for (size_t i = 0; i < G_N_ELEMENTS(ahci_sections); i++) {
        g_autoptr(GByteArray) bytes = section_bytes(&ahci_sections[i]);

        for (size_t len = 0; len < bytes->len; len += 1 + len / 40) {
            g_autoptr(GError) err = NULL;

            g_assert_false(load(b, bytes->data, len, &err));
            g_assert_nonnull(err);
        }
    }
    board_free(b);
}

static void expect_refused(Board *b, const GByteArray *good, size_t at,
                           uint8_t val, const char *message)
{
    g_autofree uint8_t *buf = g_memdup2(good->data, good->len);
    g_autoptr(GError) err = NULL;

    buf[at] = val;
    g_assert_false(load(b, buf, good->len, &err));
    g_assert_nonnull(err);
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, message));
}

static void test_bad(void)
{
    Board *b = board_new();
    g_autoptr(GByteArray) plain = section_bytes(&ahci_sections[0]);
    g_autoptr(GByteArray) used = section_bytes(&ahci_sections[0]);
    size_t tag = AT_TAG0 + 3 * TAG_SIZE;

    g_assert_cmpint(TAG_SIZE * 32 + AT_TAG0, ==, AT_PORT0 + PORT_SIZE);
    expect_refused(b, plain, AT_BUSY_SLOT, 0x80, "busy_slot -");
    expect_refused(b, plain, AT_NPORTS + 3, 7, "ports");
    used->data[tag + TAG_USED] = 1;
    used->data[tag + TAG_TAG] = 3;
    used->data[tag + TAG_SLOT] = 3;
    g_assert_true(load(b, used->data, used->len, NULL));
    expect_refused(b, plain, tag + 2 * PORT_SIZE + TAG_USED, 1, "tag 0");
    plain->data[tag + 2 * PORT_SIZE + TAG_TAG] = 3;
    expect_refused(b, plain, tag + 2 * PORT_SIZE + TAG_USED, 1, "no drive");
    expect_refused(b, used, tag + TAG_TAG, 4, "tag 4");
    expect_refused(b, used, tag + TAG_SLOT, 32, "slot 32");
    expect_refused(b, used, tag + TAG_COUNT, 1, "sectors");
    board_free(b);
}

/* Registers where the sections' guest has put them. */
static void poke(Board *b, uint64_t off, uint32_t val)
{
    uint8_t bytes[4];

    stl_le_p(bytes, val);
    address_space_write(&b->vm->mem.memory, 0xe0000000 + off, bytes, 4);
}

/* Made-up states that are taken, and a guest that does anything. */
static void test_random(void)
{
    Board *b = board_new();
    GRand *r = g_rand_new_with_seed(g_test_rand_int_range(0, INT32_MAX));

    for (unsigned n = 0; n < 300; n++) {
        g_autoptr(GByteArray) bytes =
            section_bytes(&ahci_sections[n % G_N_ELEMENTS(ahci_sections)]);

        for (unsigned i = 0; i < 12; i++) {
            bytes->data[g_rand_int_range(r, 276, MIN(bytes->len, 1500))] =
                g_rand_int(r);
        }
        /* A guest whose state can't be loaded never runs. */
        if (!load(b, bytes->data, bytes->len, NULL)) {
            device_reset_tree(b->ahci);
        }
        vm_start(b->vm);
        for (unsigned i = 0; i < 100; i++) {
            poke(b, 4 * g_rand_int_range(r, 0, 0x100), g_rand_int(r));
        }
        vm_stop(b->vm, RUN_STATE_PAUSED);
    }
    g_rand_free(r);
    board_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ahci/state/round-trip", test_round_trip);
    g_test_add_func("/ahci/state/tray", test_tray);
    g_test_add_func("/ahci/state/truncated", test_truncated);
    g_test_add_func("/ahci/state/bad", test_bad);
    g_test_add_func("/ahci/state/random", test_random);
    return g_test_run();
}
