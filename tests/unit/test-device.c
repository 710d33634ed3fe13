/*
 * Unit test: devices, buses and machines (hw/core), with toy types.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/accel.h"
#include "hw/core/device-add.h"
#include "hw/core/machine.h"
#include "hw/isa/isa.h"
#include "util/error.h"

/* What the devices did, in order. */
static GString *journal;

static void note(const char *what, const Device *dev)
{
    g_string_append_printf(journal, "%s %s\n", what, device_name(dev));
}

static void expect_journal(const char *text)
{
    g_assert_cmpstr(journal->str, ==, text);
    g_string_truncate(journal, 0);
}

/* A card with two ports, an interrupt and state. */
typedef struct Card {
    Device dev;
    IoRange io;
    IrqLine irq;
    uint32_t iobase, irq_num;
    uint64_t size;
    bool fail;
    uint8_t latch;
} Card;

static uint64_t card_read(Device *dev, uint64_t off, unsigned size)
{
    return DEVICE_CAST(Card, dev)->latch + off;
}

static void card_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Card *s = DEVICE_CAST(Card, dev);

    s->latch = val;
    irq_set(&s->irq, val & 1);
}

static const IoOps card_io = {
    .read = card_read,
    .write = card_write,
    .max_size = 1,
};

static bool card_realize(Device *dev, GError **errp)
{
    Card *s = DEVICE_CAST(Card, dev);

    irq_out_init(dev, &s->irq, "out");
    if (!isa_claim_io(dev, &s->io, &card_io, s->iobase, 2, errp) ||
        !isa_connect_irq(dev, &s->irq, s->irq_num, errp)) {
        return false;
    }
    if (s->fail) {
        error_setf(errp, "it was told to fail");
        return false;
    }
    note("realize", dev);
    return true;
}

static void card_unrealize(Device *dev)
{
    note("unrealize", dev);
}

static void card_reset(Device *dev)
{
    note("reset", dev);
    DEVICE_CAST(Card, dev)->latch = 0;
}

static const Vmstate card_vmstate = {
    .name = "card",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_U8(Card, latch), VMSTATE_END },
};

static const Property card_props[] = {
    PROP(PROP_U32, Card, iobase, "iobase", .def = 0x300),
    PROP(PROP_U32, Card, irq_num, "irq", .def = 5),
    PROP_END,
};

/* What it has in common with other cards. */
static const Property card_size_props[] = {
    PROP(PROP_SIZE, Card, size, "size", .def = 2097152, .help = "Memory"),
    PROP_END,
};

static const Property card_fail_props[] = {
    PROP(PROP_BOOL, Card, fail, "fail"),
    PROP_END,
};

static const Property *const card_more_props[] = {
    card_size_props,
    card_fail_props,
    NULL,
};

static const DeviceType card_type = {
    .name = "card",
    .alias = "pasteboard",
    .desc = "A card",
    .category = "Misc",
    .size = sizeof(Card),
    .bus = BUS_ISA,
    .user_creatable = true,
    .hotpluggable = true,
    .props = card_props,
    .more_props = card_more_props,
    .realize = card_realize,
    .unrealize = card_unrealize,
    .reset = card_reset,
    .vmstate = &card_vmstate,
};

/* A bridge that provides the ISA bus with sixteen inputs. */
typedef struct Bridge {
    Device dev;
    IsaBus isa;
    unsigned raised[16];
} Bridge;

static void bridge_irq(void *opaque, unsigned n, bool level)
{
    Bridge *b = DEVICE_CAST(Bridge, (Device *)opaque);

    b->raised[n] += level;
}

static void isa_reset(Bus *bus)
{
    g_string_append_printf(journal, "reset bus %s\n", bus->name);
}

static bool bridge_realize(Device *dev, GError **errp)
{
    Bridge *b = DEVICE_CAST(Bridge, dev);

    irq_in_init(dev, bridge_irq, 16);
    isa_bus_init(&b->isa, dev, irq_in(dev, 0));
    b->isa.bus.reset = isa_reset;
    return true;
}

static void bridge_reset(Device *dev)
{
    note("reset", dev);
}

static const DeviceType bridge_type = {
    .name = "bridge",
    .size = sizeof(Bridge),
    .bus = BUS_SYSTEM,
    .realize = bridge_realize,
    .reset = bridge_reset,
    .vmstate = VMSTATE_NONE,
};

/* On no bus, and it can't be migrated. */
static const DeviceType loose_type = {
    .name = "loose",
    .size = sizeof(Device),
    .bus = BUS_NONE,
    .reset = bridge_reset,
};

const DeviceType *const device_table[] = {
    &card_type,
    &bridge_type,
    &loose_type,
    NULL,
};

static const MachineType toy_machine = {
    .name = "toy",
    .size = sizeof(Machine),
};
const MachineType *const machine_table[] = { &toy_machine, NULL };
const AccelType *const accel_table[] = { NULL };
/* No PCI here. */
extern const Property pci_props[];
const Property pci_props[] = { PROP_END };

static const VmHooks no_hooks = { 0 };

typedef struct Fixture {
    Vm *vm;
    Machine *m;
    Bridge *bridge;
} Fixture;

ACQUIRE(&vm_lock) static void set_up(Fixture *f, gconstpointer data)
{
    journal = g_string_new(NULL);
    vm_lock_acquire();
    f->vm = vm_new(&no_hooks);
    f->vm->vmstates = vmstate_registry_new();
    f->m = machine_new(f->vm, &toy_machine);
    f->bridge =
        DEVICE_CAST(Bridge, device_create(f->vm, &bridge_type, NULL, NULL));
}

RELEASE(&vm_lock) static void tear_down(Fixture *f, gconstpointer data)
{
    machine_free(f->m);
    vmstate_registry_free(f->vm->vmstates);
    vm_free(f->vm);
    vm_lock_release();
    g_string_free(journal, TRUE);
}

static Device *add(Fixture *f, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "driver", NULL);

    g_assert_nonnull(kv);
    return device_new_from_keyval(f->vm, kv, errp);
}

static Device *add_json(Fixture *f, const char *text, GError **errp)
{
    g_autoptr(JsonValue) v = json_parse(text, -1, NULL);

    g_assert_nonnull(v);
    return device_new_from_json(f->vm, v, errp);
}

static void expect_path(Device *dev, const char *path)
{
    g_autofree char *p = object_path(&dev->obj);

    g_assert_cmpstr(p, ==, path);
}

static void test_life(Fixture *f, gconstpointer data)
{
    Device *dev = add(f, "card,id=c0,iobase=0x310,irq=7", NULL);
    AddressSpace *io = &f->vm->mem.io;
    MemResult r;

    g_assert_nonnull(dev);
    expect_path(dev, "/machine/peripheral/c0");
    expect_path(&f->bridge->dev, "/machine/unattached/device[0]");
    g_assert_true(device_find(f->vm, "c0") == dev);
    g_assert_true(device_find(f->vm, "/machine/peripheral/c0") == dev);
    g_assert_null(device_find(f->vm, "c1"));
    g_assert_nonnull(vmstate_find(f->vm->vmstates, "card", 0));
    g_assert_true(irq_out_find(dev, "out") == &DEVICE_CAST(Card, dev)->irq);
    g_assert_null(irq_out_find(dev, "in"));
    address_space_store(io, 0x310, 0x41, 1);
    g_assert_cmpuint(f->bridge->raised[7], ==, 1);
    g_assert_cmphex(address_space_load(io, 0x311, 1, &r), ==, 0x42);
    device_delete(dev);
    expect_journal("realize c0\nunrealize c0\n");
    g_assert_null(device_find(f->vm, "c0"));
    g_assert_null(vmstate_find(f->vm->vmstates, "card", 0));
    g_assert_cmphex(address_space_load(io, 0x311, 1, &r), ==, 0xff);
    /* The ports and the id are free again. */
    g_assert_nonnull(add(f, "pasteboard,id=c0,iobase=0x310", NULL));
}

static void test_anonymous(Fixture *f, gconstpointer data)
{
    Device *a = add(f, "card", NULL);
    Device *b = add_json(f, "{\"driver\":\"card\",\"iobase\":1024}", NULL);

    g_assert_nonnull(a);
    g_assert_nonnull(b);
    expect_path(a, "/machine/peripheral-anon/device[0]");
    expect_path(b, "/machine/peripheral-anon/device[1]");
    g_assert_cmphex(DEVICE_CAST(Card, b)->iobase, ==, 1024);
    g_assert_nonnull(vmstate_find(f->vm->vmstates, "card", 0));
    g_assert_nonnull(vmstate_find(f->vm->vmstates, "card", 1));
}

static void test_errors(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *text, *message;
    } t[] = {
        { "foo", "'foo' is not a valid device model name" },
        { "id=x", "Parameter 'driver' is missing" },
        { "", "Parameter 'driver' is missing" },
        { "bridge", "Parameter 'driver' expects a pluggable device type" },
        { "card,foo=1", "Property 'card.foo' not found" },
        { "card,bus=x", "Bus 'x' not found" },
        { "card,bus=main-system-bus", "Device 'card' can't go on System bus" },
        { "card,id=c0", "Duplicate device ID 'c0'" },
        { "card,id=3x",
          "Parameter 'id' expects an identifier\n"
          "Identifiers consist of letters, digits, '-', '.', '_', starting "
          "with a letter." },
        { "card,iobase=0x320,irq=16",
          "card: interrupt 16: the ISA bus has 0 to 15" },
        { "card,id=x,iobase=0x320,fail=on", "it was told to fail" },
        { "card,id=x,iobase=0x301",
          "I/O ports 0x301 to 0x302 of 'x' are taken by 'c0' (0x300 to "
          "0x301)" },
        { "card,iobase=0xffff", "2 I/O ports from 0xffff: beyond port 0xffff" },
    };

    g_assert_nonnull(add(f, "card,id=c0", NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;

        g_test_message("case %zu: %s", i, t[i].text);
        g_assert_null(add(f, t[i].text, &err));
        g_assert_cmpstr(err->message, ==, t[i].message);
        g_assert_null(device_find(f->vm, "x"));
    }
    /* Nothing is left of those that failed. */
    g_assert_nonnull(add(f, "card,id=x,iobase=0x320", NULL));
}

static void test_machine_made(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    Device *dev = device_new(f->vm, &card_type);

    g_assert_true(device_prop_set(dev, "fail", "on", NULL));
    g_assert_false(device_realize(dev, &f->bridge->isa.bus, &err));
    g_assert_cmpstr(err->message, ==, "card: it was told to fail");
    /* The board gives it a name of its own. */
    dev = device_new(f->vm, &card_type);
    object_add_child(&f->m->obj, "board-card", &dev->obj);
    g_assert_true(device_realize(dev, &f->bridge->isa.bus, NULL));
    expect_path(dev, "/machine/board-card");
    g_assert_cmpuint(dev->obj.refs, ==, 1);
}

static void test_global(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    Device *dev;

    machine_add_global(f->m, "card", "irq", "3");
    machine_add_global(f->m, "isa-device", "iobase", "0x330");
    machine_add_global(f->m, "bridge", "foo", "1");
    dev = add(f, "card,irq=4", NULL);
    g_assert_cmpuint(DEVICE_CAST(Card, dev)->irq_num, ==, 4);
    g_assert_cmphex(DEVICE_CAST(Card, dev)->iobase, ==, 0x330);
    dev = add(f, "card,iobase=0x340", NULL);
    g_assert_cmpuint(DEVICE_CAST(Card, dev)->irq_num, ==, 3);
    g_assert_null(device_create(f->vm, &bridge_type, NULL, &err));
    g_assert_cmpstr(err->message, ==,
                    "can't apply global bridge.foo=1: Property 'bridge.foo' "
                    "not found");
}

static void test_reset_order(Fixture *f, gconstpointer data)
{
    add(f, "card,id=a", NULL);
    add(f, "card,id=b,iobase=0x320", NULL);
    g_assert_nonnull(device_create(f->vm, &loose_type, NULL, NULL));
    g_string_truncate(journal, 0);
    machine_reset(f->m, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    expect_journal("reset bridge\nreset bus isa.0\nreset a\nreset b\n"
                   "reset loose\n");
}

static void test_hotplug(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL, err2 = NULL, err3 = NULL;
    Device *dev;

    f->m->ready = true;
    g_assert_null(add(f, "card", &err));
    g_assert_cmpstr(err->message, ==,
                    "Bus 'isa.0' does not support hotplugging");
    f->bridge->isa.bus.hotplug = true;
    dev = add(f, "card,id=h", NULL);
    g_assert_nonnull(dev);
    g_assert_true(dev->hotplugged);
    expect_journal("realize h\nreset h\n");
    g_assert_false(device_del_by_id(f->vm, "x", &err2));
    g_assert_cmpstr(err2->message, ==, "Device 'x' not found");
    g_assert_cmpint(err2->code, ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    g_assert_true(device_del_by_id(f->vm, "h", NULL));
    g_assert_null(device_find(f->vm, "h"));
    g_assert_false(
        device_del_by_id(f->vm, "/machine/unattached/device[0]", &err3));
    g_assert_cmpstr(err3->message, ==,
                    "Bus 'main-system-bus' does not support hotplugging");
}

static void test_migratable(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    Device *dev = device_create(f->vm, &loose_type, NULL, NULL);
    g_autofree char *reason = vmstate_blocked_reason(f->vm->vmstates);

    g_assert_cmpstr(reason, ==,
                    "State blocked by non-migratable device 'loose'");
    device_delete(dev);
    g_assert_null(vmstate_blocked_reason(f->vm->vmstates));
    f->m->only_migratable = true;
    g_assert_null(device_create(f->vm, &loose_type, NULL, &err));
    g_assert_cmpstr(err->message, ==,
                    "loose: Device loose is not migratable, but "
                    "--only-migratable was specified");
    g_assert_nonnull(add(f, "card", NULL));
}

static void test_bus_find(Fixture *f, gconstpointer data)
{
    Bus *isa = &f->bridge->isa.bus;

    g_assert_true(bus_find(f->vm, "isa.0") == isa);
    g_assert_true(bus_find(f->vm, "main-system-bus") == &f->m->sysbus);
    g_assert_true(bus_find(f->vm, "/bridge/isa.0") == isa);
    g_assert_true(bus_find(f->vm, "/bridge") == isa);
    g_assert_true(bus_find(f->vm, "main-system-bus/bridge/isa.0") == isa);
    g_assert_null(bus_find(f->vm, "/bridge/isa.1"));
    g_assert_null(bus_find(f->vm, "/isa.0"));
    g_assert_null(bus_find(f->vm, "nope/bridge"));
    g_assert_null(bus_find(f->vm, ""));
    g_assert_true(bus_find_kind(f->vm, BUS_ISA) == isa);
    g_assert_null(bus_find_kind(f->vm, BUS_PCI));
    isa->max_devices = 1;
    g_assert_nonnull(add(f, "card", NULL));
    g_assert_null(bus_find_kind(f->vm, BUS_ISA));
    isa->max_devices = 0;
}

static void test_text(Fixture *f, gconstpointer data)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) err = NULL;

    add(f, "card,id=c0", NULL);
    device_print_tree(f->vm, out);
    g_assert_cmpstr(out->str, ==,
                    "bus: main-system-bus\n"
                    "  type System\n"
                    "  dev: bridge, id \"\"\n"
                    "    gpio-in \"\" 16\n"
                    "    bus: isa.0\n"
                    "      type ISA\n"
                    "      dev: card, id \"c0\"\n"
                    "        gpio-out \"out\" 1\n"
                    "        iobase = 768 (0x300)\n"
                    "        irq = 5 (0x5)\n"
                    "        size = 2097152 (2 MiB)\n"
                    "        fail = false\n");
    g_string_truncate(out, 0);
    device_print_list(out);
    g_assert_cmpstr(out->str, ==,
                    "Misc devices:\n"
                    "name \"card\", bus ISA, alias \"pasteboard\", "
                    "desc \"A card\"\n");
    g_string_truncate(out, 0);
    g_assert_true(device_print_help("card", out, NULL));
    g_assert_cmpstr(out->str, ==,
                    "card options:\n"
                    "  fail=<bool>            -  (default: false)\n"
                    "  iobase=<uint32>        -  (default: 768)\n"
                    "  irq=<uint32>           -  (default: 5)\n"
                    "  size=<size>            - Memory (default: 2097152)\n");
    g_assert_false(device_print_help("foo", out, &err));
    g_assert_cmpstr(err->message, ==, "Device 'foo' not found");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(Fixture *f, gconstpointer data);
    } tests[] = {
        { "/device/life", test_life },
        { "/device/anonymous", test_anonymous },
        { "/device/errors", test_errors },
        { "/device/machine-made", test_machine_made },
        { "/device/global", test_global },
        { "/device/reset-order", test_reset_order },
        { "/device/hotplug", test_hotplug },
        { "/device/migratable", test_migratable },
        { "/device/bus-find", test_bus_find },
        { "/device/text", test_text },
    };

    g_test_init(&argc, &argv, NULL);
    object_types_add(device_object_types());
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].fn,
                   tear_down);
    }
    return g_test_run();
}
