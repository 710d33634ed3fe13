/*
 * State of the IDE controller: what a program of version 7.2 sends is loaded
 * and saved again without a difference; what is cut off or made up is refused
 * or does no harm, whatever the guest does next.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>

#include "block/block.h"
#include "hw/core/machine-none.h"
#include "hw/ide/ide.h"
#include "system/vm.h"
#include "tests/unit/ide-sections.h"
#include "tests/unit/pci-host.h"
#include "vmstate/stream.h"

#define NGSI      24
#define DISK_SIZE (8 * MiB)
#define NO_BYTE   SIZE_MAX

/* Offsets in the section of a controller whose drives said no IDENTIFY. */
enum {
    AT_UNIT = 276 + 2 * 19 + 1,
    AT_DRIVE0 = 276 + 2 * 19 + 2 * 2,
    DRIVE_MULT = 0,
    DRIVE_NSECTOR = 10,
};

static const VmHooks no_hooks = { 0 };

typedef struct Board {
    Vm *vm;
    IrqInput irqs[NGSI];
    Device *ide;
    char *image;
} Board;

static void ignore_irq(void *opaque, unsigned n, bool level)
{
}

static void add_drive(Board *b, const char *more)
{
    g_autofree char *text =
        g_strdup_printf("file=%s,format=raw,if=ide,file.locking=off%s",
                        b->image, more);
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);

    g_assert_nonnull(block_new_from_keyval(b->vm->blocks, kv, NULL));
}

/* `first`: options of the drive at the first place; NULL: none is there. */
ACQUIRE(&vm_lock) static Board *board_new_with(const char *first)
{
    Board *b = g_new0(Board, 1);
    int fd = g_file_open_tmp("test-ide-XXXXXX", &b->image, NULL);
    PciBus *pci;
    Vm *vm;

    vm_lock_acquire();
    g_assert_cmpint(ftruncate(fd, DISK_SIZE), ==, 0);
    close(fd);
    b->vm = vm = vm_new(&no_hooks);
    vm->vmstates = vmstate_registry_new();
    vm->blocks = block_backends_new();
    machine_new(vm, &machine_none_type);
    for (unsigned i = 0; i < NGSI; i++) {
        b->irqs[i] = (IrqInput){ ignore_irq, b, i };
    }
    vm->machine->gsi = b->irqs;
    vm->machine->ngsi = NGSI;
    pci = test_pci_host_new(vm);
    if (first != NULL) {
        add_drive(b, first);
    }
    add_drive(b, ",index=2,media=cdrom");
    b->ide = piix3_ide_create(vm->machine, pci, NULL);
    g_assert_nonnull(b->ide);
    g_assert_true(piix3_ide_create_drives(b->ide, NULL));
    return b;
}

ACQUIRE(&vm_lock) static Board *board_new(void)
{
    return board_new_with("");
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

static GByteArray *section_bytes(const IdeSection *sec)
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
    const Vmstate *vms = b->ide->type->vmstate;

    return vmstate_load(in, vms, b->ide, vms->version, errp) &&
           stream_in_bytes(in) == len;
}

static void expect_saved(Board *b, const GByteArray *want, const char *what)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    const uint8_t *got;
    size_t len, at = NO_BYTE;

    vmstate_save(out, b->ide->type->vmstate, b->ide, &err);
    g_assert_no_error(err);
    got = stream_out_data(out, &len);
    for (size_t i = 0; i < MIN(len, want->len) && at == NO_BYTE; i++) {
        at = got[i] != want->data[i] ? i : NO_BYTE;
    }
    if (at != NO_BYTE) {
        g_error("%s: byte %zu is %02x, not %02x", what, at, got[at],
                want->data[at]);
    }
    g_assert_cmpuint(len, ==, want->len);
}

static void test_round_trip(void)
{
    Board *b = board_new();

    for (size_t i = 0; i < G_N_ELEMENTS(ide_sections); i++) {
        const IdeSection *sec = &ide_sections[i];
        g_autoptr(GByteArray) bytes = section_bytes(sec);
        g_autoptr(GError) err = NULL;

        g_test_message("%s", sec->state);
        device_reset_tree(b->ide);
        load(b, bytes->data, bytes->len, &err);
        g_assert_no_error(err);
        expect_saved(b, bytes, sec->state);
    }
    board_free(b);
}

static uint8_t inb(Board *b, uint16_t port)
{
    uint8_t v = 0;

    address_space_read(&b->vm->mem.io, port, &v, 1);
    return v;
}

static uint16_t inw(Board *b, uint16_t port)
{
    uint8_t v[2] = { 0 };

    address_space_read(&b->vm->mem.io, port, v, 2);
    return v[0] | v[1] << 8;
}

/* A command goes on where the other program left it. */
static void test_goes_on(void)
{
    Board *b = board_new();
    g_autoptr(GByteArray) bytes = section_bytes(&ide_sections[0]);

    g_assert_true(load(b, bytes->data, bytes->len, NULL));
    g_assert_cmphex(inb(b, 0x1f7), ==, 0x58);
    /* The first word was read there: the number of cylinders is next. */
    g_assert_cmphex(inw(b, 0x1f0), ==, 16);
    for (unsigned i = 2; i < 256; i++) {
        g_assert_cmphex(inb(b, 0x3f6), ==, 0x58);
        inw(b, 0x1f0);
    }
    g_assert_cmphex(inb(b, 0x1f7), ==, 0x50);
    board_free(b);
}

static void test_tray(void)
{
    Board *b = board_new();
    BlockBackend *cd = block_find_slot(b->vm->blocks, "ide", 1, 0);
    g_autoptr(GByteArray) bytes = section_bytes(&ide_sections[3]);
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
    /* Short ones; every length of the large buffer would say no more. */
    static const unsigned which[] = { 3, 6, 7 };

    for (size_t i = 0; i < G_N_ELEMENTS(which); i++) {
        g_autoptr(GByteArray) bytes = section_bytes(&ide_sections[which[i]]);

        for (size_t len = 0; len < AT_DRIVE0; len++) {
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

static size_t find_after(const GByteArray *bytes, const char *name)
{
    const uint8_t *p = memmem(bytes->data, bytes->len, name, strlen(name));

    g_assert_nonnull(p);
    return p - bytes->data + strlen(name) + 4; /* and its version */
}

static void test_bad(void)
{
    Board *b = board_new();
    g_autoptr(GByteArray) plain = section_bytes(&ide_sections[3]);
    g_autoptr(GByteArray) pio = section_bytes(&ide_sections[1]);
    size_t at = find_after(pio, "ide_drive/pio_state");
    size_t after = at + 4 + 131076; /* req_nb_sectors, buffer */

    expect_refused(b, plain, AT_UNIT, 2, "unit 2");
    expect_refused(b, plain, AT_DRIVE0 + DRIVE_MULT + 3, 3, "mult_sectors 3");
    expect_refused(b, plain, AT_DRIVE0 + DRIVE_MULT, 0x80, "mult_sectors -");
    expect_refused(b, plain, AT_DRIVE0 + DRIVE_NSECTOR, 1, "nsector");
    expect_refused(b, pio, at + 3, 17, "req_nb_sectors 17");
    expect_refused(b, pio, after, 0x7f, "transfer of");
    expect_refused(b, pio, after + 4, 0x80, "transfer of");
    expect_refused(b, pio, after + 8, 6, "end_transfer_fn_idx 6");
    expect_refused(b, pio, after + 13, 0x80, "packet_transfer_size");
    board_free(b);
}

/* Made-up states that are taken, and a guest that does anything. */
/* The guest has asked the disk what it is: it has to be there. */
static void test_another_drive(void)
{
    static const struct {
        const char *first, *message;
    } rows[] = {
        { NULL, "the source has a disk there, here is nothing" },
        { ",index=0,media=cdrom", "here is a CD-ROM drive" },
    };
    g_autoptr(GByteArray) bytes = section_bytes(&ide_sections[0]);

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;
        Board *b = board_new_with(rows[i].first);

        g_assert_false(load(b, bytes->data, bytes->len, &err));
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, rows[i].message));
        board_free(b);
    }
}

static void test_random(void)
{
    Board *b = board_new();
    GRand *r = g_rand_new_with_seed(g_test_rand_int_range(0, INT32_MAX));
    static const uint16_t ports[] = { 0x1f0, 0x3f0, 0x170, 0x370 };

    for (unsigned n = 0; n < 300; n++) {
        g_autoptr(GByteArray) bytes =
            section_bytes(&ide_sections[n % G_N_ELEMENTS(ide_sections)]);

        for (unsigned i = 0; i < 8; i++) {
            bytes->data[g_rand_int_range(r, 276, MIN(bytes->len, 1200))] =
                g_rand_int(r);
        }
        /* A guest whose state can't be loaded never runs. */
        if (!load(b, bytes->data, bytes->len, NULL)) {
            device_reset_tree(b->ide);
        }
        for (unsigned i = 0; i < 200; i++) {
            uint32_t val = g_rand_int(r);
            uint16_t port =
                ports[g_rand_int_range(r, 0, 4)] + g_rand_int_range(r, 0, 8);
            unsigned size = 1U << g_rand_int_range(r, 0, 3);

            if (g_rand_boolean(r)) {
                address_space_write(&b->vm->mem.io, port, &val, size);
            } else {
                address_space_read(&b->vm->mem.io, port, &val, size);
            }
        }
        block_drain_all(b->vm->blocks, false);
    }
    g_rand_free(r);
    board_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ide/state/round-trip", test_round_trip);
    g_test_add_func("/ide/state/goes-on", test_goes_on);
    g_test_add_func("/ide/state/tray", test_tray);
    g_test_add_func("/ide/state/truncated", test_truncated);
    g_test_add_func("/ide/state/bad", test_bad);
    g_test_add_func("/ide/state/another-drive", test_another_drive);
    g_test_add_func("/ide/state/random", test_random);
    return g_test_run();
}
