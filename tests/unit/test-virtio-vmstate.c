/*
 * State of the virtio devices: what a program of version 7.2 sends is loaded
 * and saved again without a difference; what is cut off is refused; what is
 * made up is refused or does no harm.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/virtio_blk.h>

#include "block/block.h"
#include "hw/block/virtio-blk.h"
#include "hw/core/machine-none.h"
#include "hw/display/virtio-gpu.h"
#include "hw/input/virtio-input.h"
#include "hw/net/virtio-net.h"
#include "hw/virtio/virtio-devices.h"
#include "hw/virtio/virtio-serial.h"
#include "hw/virtio/virtio.h"
#include "hw/virtio/virtqueue-priv.h"
#include "net/net.h"
#include "system/vm.h"
#include "tests/unit/pci-host.h"
#include "tests/unit/section-bytes.h"
#include "tests/unit/virtio-sections.h"
#include "ui/console.h"
#include "util/bswap.h"
#include "vmstate/stream.h"

static const VmHooks no_hooks = { 0 };

typedef struct Fixture {
    const DeviceType *type;
    const char *hex;
    const char *prop, *val; /* NULL: none */
    bool is_disk;           /* it needs a drive, and a ring in memory */
} Fixture;

static const Fixture fixtures[] = {
    { &virtio_rng_pci_type, rng_hex, NULL, NULL, false },
    { &virtio_balloon_pci_type, balloon_hex, "free-page-reporting", "on",
      false },
    { &virtio_serial_pci_type, serial_hex, "max_ports", "4", false },
    { &virtio_net_pci_type, net_hex, "mac", "52:54:00:12:34:56", false },
    { &virtio_keyboard_pci_type, keyboard_hex, NULL, NULL, false },
    { &virtio_gpu_pci_type, gpu_hex, "max_outputs", "2", false },
    { &virtio_blk_pci_type, blk_hex, "drive", "d0", true },
};

enum { RAM_BYTES = 256 * KiB, DESC = 0x10000, AVAIL = 0x11000 };

typedef struct Board {
    Vm *vm;
    Device *dev;
    bool is_disk;
    MemoryRegion ram; /* of a disk's board */
} Board;

static void describe(uint8_t *ring, unsigned i, uint64_t at, uint32_t len,
                     uint16_t flags)
{
    uint8_t *d = ring + sizeof(struct vring_desc) * i;

    stq_le_p(d, at);
    stl_le_p(d + 8, len);
    stw_le_p(d + 12, flags);
    stw_le_p(d + 14, i + 1);
}

/* The drive, and what the driver had in memory. */
static void disk_setup(Board *b)
{
    g_autoptr(KeyVal) kv = keyval_new();
    g_autoptr(GError) err = NULL;
    uint8_t *mem;

    g_assert_true(memory_region_init_ram(&b->ram, &b->vm->mem, "pc.ram",
                                         RAM_BYTES, &err));
    memory_region_add(&b->vm->mem.root, 0, &b->ram, 0);
    mem = memory_region_ram_ptr(&b->ram);
    describe(mem + DESC, 0, 0x20000, 16, VRING_DESC_F_NEXT);
    describe(mem + DESC, 1, 0x21000, 512, VRING_DESC_F_NEXT);
    describe(mem + DESC, 2, 0x20010, 1, VRING_DESC_F_WRITE);
    stw_le_p(mem + AVAIL + 2, 1);
    stl_le_p(mem + 0x20000, VIRTIO_BLK_T_OUT);
    b->vm->blocks = block_backends_new();
    keyval_add(kv, "id", "d0");
    keyval_add(kv, "if", "none");
    keyval_add(kv, "driver", "null-co");
    keyval_add(kv, "size", "1M");
    g_assert_nonnull(block_new_from_keyval(b->vm->blocks, kv, &err));
}

ACQUIRE(&vm_lock) static Board *board_new(const Fixture *f)
{
    Board *b = g_new0(Board, 1);
    g_autoptr(GError) err = NULL;
    PciBus *pci;

    vm_lock_acquire();
    b->vm = vm_new(&no_hooks);
    b->vm->vmstates = vmstate_registry_new();
    b->vm->networks = networks_new(b->vm);
    b->vm->consoles = consoles_new(b->vm);
    machine_new(b->vm, &machine_none_type);
    b->is_disk = f->is_disk;
    if (b->is_disk) {
        disk_setup(b);
    }
    pci = test_pci_host_new(b->vm);
    b->dev = device_new(b->vm, f->type);
    if (f->prop != NULL) {
        g_assert_true(object_prop_set_str(&b->dev->obj, f->prop, f->val, &err));
    }
    PCI_DEVICE(b->dev)->devfn = 2 << 3;
    PCI_DEVICE(b->dev)->addr_set = true;
    g_assert_true(device_realize(b->dev, &pci->bus, &err));
    return b;
}

RELEASE(&vm_lock) static void board_free(Board *b)
{
    Vm *vm = b->vm;

    machine_free(vm->machine);
    networks_free(vm->networks);
    vm->networks = NULL;
    consoles_free(g_steal_pointer(&vm->consoles));
    block_backends_free(g_steal_pointer(&vm->blocks));
    if (b->is_disk) {
        memory_region_del(&b->ram);
        memory_region_fini(&b->ram);
    }
    vmstate_registry_free(vm->vmstates);
    vm->vmstates = NULL;
    vm_free(vm);
    g_free(b);
    vm_lock_release();
}

/* As when an attempt follows one that was undone. */
static bool load_again(Board *b, const uint8_t *buf, size_t len, GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(buf, len);
    const Vmstate *vms = b->dev->type->vmstate;

    return vmstate_load(in, vms, b->dev, vms->version, errp) &&
           stream_in_bytes(in) == len;
}

static bool load(Board *b, const uint8_t *buf, size_t len, GError **errp)
{
    device_reset_tree(b->dev);
    return load_again(b, buf, len, errp);
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
    for (size_t i = 0; i < MIN(len, want->len); i++) {
        if (got[i] != want->data[i]) {
            g_error("%s: byte %zu is %02x, not %02x", b->dev->type->name, i,
                    got[i], want->data[i]);
        }
    }
    g_assert_cmpuint(len, ==, want->len);
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
    /* Nothing of what was there before is left. */
    g_assert_true(load(b, bytes->data, bytes->len, NULL));
    expect_saved(b, bytes);
    g_assert_true(load_again(b, bytes->data, bytes->len, NULL));
    expect_saved(b, bytes);
    board_free(b);
}

/*
 * The long runs of zeros in a stream (queues that don't exist) say at each
 * length the same: of those only some are tried.  A stream may end before a
 * subsection: then it is a shorter one.  One that ends in a subsection's name
 * is not taken to its end, which the section's footer finds.
 */
static void test_truncated(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new(f);
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);
    unsigned whole = 0;

    for (size_t len = 0; len < bytes->len;
         len += len < 1000 || len + 200 > bytes->len ? 1 : 997) {
        whole += load(b, bytes->data, len, NULL);
    }
    g_assert_cmpuint(whole, <=, 8);
    board_free(b);
}

/* One byte is another one: refused, or saved again as some legal state. */
static void test_changed(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new(f);
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);

    for (unsigned i = 0; i < 3000; i++) {
        size_t at = g_test_rand_int_range(0, MIN(bytes->len, 1000u));
        uint8_t old = bytes->data[at];
        g_autoptr(StreamOut) out = stream_out_new(NULL);
        g_autoptr(GError) err = NULL;

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

static void no_damage(ConsoleViewer *v, Rect r)
{
}

static void no_resize(ConsoleViewer *v)
{
}

/*
 * An output that shows what is beyond its picture is refused, and who looks at
 * it until the program ends sees nothing of that.
 */
static void test_gpu_beyond(void)
{
    /* Bytes from the end: of the first output x and y, and the last output. */
    static const struct {
        unsigned at;
        unsigned cut;
    } bad[] = { { 68, 0 }, { 64, 0 }, { 68, 4 } };
    const Fixture f = { &virtio_gpu_pci_type, gpu_hex, "max_outputs", "2",
                        false };
    Board *b = board_new(&f);
    ConsoleViewer v = { .damaged = no_damage, .resized = no_resize };
    Console *con = consoles_get(b->vm->consoles, 0);

    console_viewer_add(con, &v);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) bytes = section_bytes(gpu_hex);
        g_autoptr(GError) err = NULL;

        stl_be_p(bytes->data + bytes->len - bad[i].at, 0x7000000);
        g_assert_false(load(b, bytes->data, bytes->len - bad[i].cut, &err));
        console_redraw(con); /* reads no picture, which would be elsewhere */
        g_assert_cmpuint(con->surface.pixels[0], ==, 0);
    }
    console_viewer_del(&v);
    board_free(b);
}

static unsigned port_events;

static void count_port_event(Vm *vm, const char *id, bool open)
{
    g_assert_cmpstr(id, ==, "p");
    g_assert_true(open);
    port_events++;
}

static const VmHooks port_hooks = { .event_serial_port = count_port_event };

static SerialPort *port_new(Board *b)
{
    g_autoptr(GError) err = NULL;
    Device *dev = device_new(b->vm, &virtserialport_type);

    b->vm->hooks = &port_hooks;
    dev->id = g_strdup("p");
    g_assert_true(object_prop_set_str(&dev->obj, "nr", "1", &err));
    g_assert_true(
        device_realize(dev, g_queue_peek_head(&b->dev->child_buses), &err));
    return container_of(dev, SerialPort, dev);
}

/* The guest's agent has moved: management hears it, once, however often. */
static void test_port_told(void)
{
    const Fixture f = { &virtio_serial_pci_type, serial_hex, "max_ports", "4",
                        false };
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    const uint8_t *state;
    size_t len;
    Board *b = board_new(&f);
    SerialPort *p = port_new(b);

    p->guest_connected = true;
    vmstate_save(out, b->dev->type->vmstate, b->dev, &err);
    g_assert_no_error(err);
    state = stream_out_data(out, &len);
    p->guest_connected = false;
    for (unsigned i = 0; i < 2; i++) {
        g_assert_true(load_again(b, state, len, &err));
    }
    g_assert_cmpuint(port_events, ==, 0);
    for (unsigned i = 0; i < 2; i++) {
        serial_port_resume(p);
        g_assert_cmpuint(port_events, ==, 1);
    }
    b->vm->hooks = &no_hooks;
    board_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-vmstate/gpu-beyond", test_gpu_beyond);
    g_test_add_func("/virtio-vmstate/port-told", test_port_told);
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
                g_strdup_printf("/virtio-vmstate/%s/%s", f->type->name,
                                tests[k].name);

            g_test_add_data_func(path, f, tests[k].fn);
        }
    }
    return g_test_run();
}
