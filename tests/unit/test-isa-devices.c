/*
 * State of the ISA and board devices: what a program of version 7.2 sends is
 * loaded and saved again without a difference; what is cut off is refused;
 * what is made up does no harm, whatever the guest does next.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/accel.h"
#include "chardev/chardev-priv.h"
#include "chardev/chardev.h"
#include "hw/core/machine-none.h"
#include "hw/core/machine.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/isa/i8042.h"
#include "hw/isa/i8257.h"
#include "hw/isa/isa.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "hw/timer/mc146818rtc.h"
#include "system/vm.h"
#include "target/i386/cpu.h"
#include "tests/unit/isa-sections.h"
#include "vmstate/stream.h"

#define NCPUS 2
#define NGSI  24

/* An accelerator that keeps what it is given. */
typedef struct FakeAccel {
    Accel acc;
    PicState pic[2];
    IoapicState ioapic;
    PitState pit;
    LapicRegs lapic[NCPUS];
} FakeAccel;

#define FAKE(acc_) container_of(acc_, FakeAccel, acc)

static bool get_pic(Accel *a, unsigned chip, PicState *ret, GError **e)
{
    *ret = FAKE(a)->pic[chip];
    return true;
}

static bool put_pic(Accel *a, unsigned chip, const PicState *s, GError **e)
{
    FAKE(a)->pic[chip] = *s;
    return true;
}

static bool get_ioapic(Accel *a, IoapicState *ret, GError **e)
{
    *ret = FAKE(a)->ioapic;
    return true;
}

static bool put_ioapic(Accel *a, const IoapicState *s, GError **e)
{
    FAKE(a)->ioapic = *s;
    return true;
}

static bool get_pit(Accel *a, PitState *ret, GError **e)
{
    *ret = FAKE(a)->pit;
    return true;
}

static bool put_pit(Accel *a, const PitState *s, GError **e)
{
    FAKE(a)->pit = *s;
    return true;
}

static bool get_lapic(Vcpu *cpu, LapicRegs *ret, GError **e)
{
    *ret = FAKE(cpu->vm->accel)->lapic[cpu->index];
    return true;
}

static bool put_lapic(Vcpu *cpu, const LapicRegs *s, GError **e)
{
    FAKE(cpu->vm->accel)->lapic[cpu->index] = *s;
    return true;
}

static const IrqchipOps fake_irqchip = {
    .get_pic = get_pic,
    .put_pic = put_pic,
    .get_ioapic = get_ioapic,
    .put_ioapic = put_ioapic,
    .get_pit = get_pit,
    .put_pit = put_pit,
    .get_lapic = get_lapic,
    .put_lapic = put_lapic,
};

static const AccelType fake_type = {
    .name = "fake",
    .size = sizeof(FakeAccel),
    .irqchip = &fake_irqchip,
};

static void no_vcpus(Vm *vm)
{
}

static const VmHooks no_hooks = { .vcpus_resume = no_vcpus,
                                  .event_resume = no_vcpus };

typedef struct Board {
    Vm *vm;
    IsaBus isa;
    IrqInput irqs[NGSI];
    I8259Pair pic;
    Device *pit, *fdc, *i8042, *serial;
    GHashTable *devices; /* "type/n" → Device */
} Board;

static void ignore_irq(void *opaque, unsigned n, bool level)
{
}

static void board_add(Board *b, const char *type, unsigned n, Device *dev)
{
    g_assert_nonnull(dev);
    g_hash_table_insert(b->devices, g_strdup_printf("%s/%u", type, n), dev);
}

static Device *board_create(Board *b, const DeviceType *type, const char *prop,
                            const char *val)
{
    Device *dev = device_new(b->vm, type);

    g_assert_true(prop == NULL || device_prop_set(dev, prop, val, NULL));
    g_assert_true(device_realize(dev, &b->isa.bus, NULL));
    board_add(b, type->name, 0, dev);
    return dev;
}

static void board_add_cpus(Board *b, bool kernel)
{
    for (unsigned i = 0; i < NCPUS; i++) {
        Vcpu *cpu = vcpu_new(b->vm, i, i, NULL);

        g_assert_nonnull(cpu);
        if (cpu->x86 == NULL) {
            cpu->x86 = g_aligned_alloc0(1, sizeof(X86Cpu), 64);
        }
        cpu->x86->apic_base = APIC_ADDR | 1 << 11;
        cpu->stopped = true;
        cpu->state_cached = true;
        board_add(b, kernel ? "kvm-apic" : "apic", i,
                  apic_create(cpu, kernel, NULL));
    }
}

static void board_add_timers(Board *b, bool kernel)
{
    Device *hpet = hpet_create(b->vm, 4, b->irqs, NGSI, NULL);

    board_add(b, "hpet", 0, hpet);
    board_add(b, "mc146818rtc", 0,
              rtc_create(&b->isa.bus, hpet_rtc_input(hpet), NULL));
    b->pit = pit_create(&b->isa.bus, kernel, NULL);
    board_add(b, b->pit->type->name, 0, b->pit);
    irq_connect(hpet_pit_enable(hpet), irq_in(b->pit, 0));
    irq_connect(pit_output(b->pit), hpet_pit_input(hpet));
    board_add(b, "isa-pcspk", 0, pcspk_create(&b->isa.bus, b->pit, NULL));
}

static void board_add_isa(Board *b)
{
    Chardev *cd;

    g_assert_true(
        chardev_new_from_text(b->vm->chardevs, "ser", "ringbuf", &cd, NULL));
    b->serial = board_create(b, &serial_isa_type, "chardev", "ser");
    b->fdc = board_create(b, &fdc_type, NULL, NULL);
    b->i8042 = i8042_create(&b->isa.bus, NULL);
    board_add(b, "i8042", 0, b->i8042);
    board_add(b, "ps2-kbd", 0, i8042_keyboard(b->i8042));
    board_add(b, "ps2-mouse", 0, i8042_mouse(b->i8042));
    board_create(b, &vmport_type, NULL, NULL);
    board_create(b, &vmmouse_type, NULL, NULL);
    board_create(b, &port92_type, NULL, NULL);
}

static void kvmvapic_add(Board *b)
{
    for (GList *l = b->vm->machine->sysbus.devices.head; l; l = l->next) {
        Device *dev = l->data;

        if (dev->type == &kvmvapic_type) {
            board_add(b, "kvmvapic", 0, dev);
        }
    }
}

ACQUIRE(&vm_lock) static Board *board_new(bool kernel)
{
    Board *b = g_new0(Board, 1);
    Vm *vm;

    vm_lock_acquire();
    b->devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    b->vm = vm = vm_new(&no_hooks);
    clocks_set_manual(vm->clocks);
    vm->max_vcpus = NCPUS;
    vm->chardevs = chardevs_new();
    vm->vmstates = vmstate_registry_new();
    vm->accel = accel_new(vm, &fake_type);
    vm->accel->kernel_irqchip = vm->accel->kernel_apic = kernel;
    machine_new(vm, &machine_none_type);
    vm->machine->rtc.clock = CLOCK_TYPE_VIRTUAL;
    for (unsigned i = 0; i < NGSI; i++) {
        b->irqs[i] = (IrqInput){ ignore_irq, b, i };
    }
    bus_init(&b->isa.bus, BUS_ISA, "ISA", "isa.0", NULL, vm);
    b->isa.irqs = b->irqs;
    board_add_cpus(b, kernel);
    kvmvapic_add(b);
    g_assert_true(i8257_create_pair(&b->isa, NULL));
    board_add(b, "i8257", 0, b->isa.dma[0]);
    board_add(b, "i8257", 1, b->isa.dma[1]);
    g_assert_true(i8259_create_pair(&b->pic, &b->isa.bus, kernel, NULL));
    board_add(b, b->pic.master->type->name, 0, b->pic.master);
    board_add(b, b->pic.slave->type->name, 1, b->pic.slave);
    board_add(b, kernel ? "kvm-ioapic" : "ioapic", 0,
              ioapic_create(vm, kernel, IOAPIC_ADDR, NULL, NULL, NULL));
    board_add_timers(b, kernel);
    board_add_isa(b);
    return b;
}

static void board_reset(Board *b)
{
    GHashTableIter it;
    gpointer dev;

    g_hash_table_iter_init(&it, b->devices);
    while (g_hash_table_iter_next(&it, NULL, &dev)) {
        Device *d = dev;

        if (d->type->reset != NULL) {
            d->type->reset(d);
        }
    }
}

RELEASE(&vm_lock) static void board_free(Board *b)
{
    Vm *vm = b->vm;

    bus_fini(&b->isa.bus);
    while (vm->nvcpus > 0) {
        Vcpu *cpu = vm->vcpus[vm->nvcpus - 1];
        Device *apic = apic_of(cpu);

        device_delete(apic);
        x86_cpu_free(cpu->x86);
        vcpu_free(cpu);
    }
    machine_free(vm->machine);
    accel_free(vm->accel);
    vm->accel = NULL;
    chardevs_free(vm->chardevs);
    vm->chardevs = NULL;
    vmstate_registry_free(vm->vmstates);
    vm->vmstates = NULL;
    vm_free(vm);
    g_hash_table_unref(b->devices);
    g_free(b);
    vm_lock_release();
}

/* The device of a section; its kernel form if that is what there is. */
static Device *board_find(const Board *b, const IsaSection *sec)
{
    const char *type = sec->type;
    const char *base = g_str_has_prefix(type, "isa-") ? type + 4 : type;
    g_autofree char *plain = g_strdup_printf("%s/%u", type, sec->n);
    g_autofree char *kvm = g_strdup_printf("kvm-%s/%u", base, sec->n);
    Device *dev = g_hash_table_lookup(b->devices, plain);

    return dev != NULL ? dev : g_hash_table_lookup(b->devices, kvm);
}

static GByteArray *section_bytes(const IsaSection *sec)
{
    GByteArray *out = g_byte_array_new();
    const char *p = sec->hex;

    while (*p != '\0') {
        unsigned byte;
        unsigned times = 1;
        int used = 0;
        uint8_t b;

        if (*p == ' ') {
            p++;
            continue;
        }
        g_assert_cmpint(sscanf(p, "%2x%n", &byte, &used), ==, 1);
        g_assert_cmpint(used, ==, 2);
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

/* False also if bytes are left, which the next section would stumble over. */
static bool load(Device *dev, const uint8_t *buf, size_t len, GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(buf, len);
    const Vmstate *vms = dev->type->vmstate;

    return vmstate_load(in, vms, dev, vms->version, errp) &&
           stream_in_bytes(in) == len;
}

static void expect_saved(Device *dev, const GByteArray *want, const char *what)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    const uint8_t *got;
    size_t len;

    vmstate_save(out, dev->type->vmstate, dev, &err);
    g_assert_no_error(err);
    got = stream_out_data(out, &len);
    for (size_t i = 0; i < MIN(len, want->len); i++) {
        if (got[i] != want->data[i]) {
            g_error("%s, %s: byte %zu is %02x, not %02x", dev->type->name, what,
                    i, got[i], want->data[i]);
        }
    }
    g_assert_cmpuint(len, ==, want->len);
}

static void test_round_trip(void)
{
    Board *b = board_new(false);

    for (size_t i = 0; i < G_N_ELEMENTS(isa_sections); i++) {
        const IsaSection *sec = &isa_sections[i];
        g_autoptr(GByteArray) bytes = section_bytes(sec);
        g_autoptr(GError) err = NULL;
        Device *dev = board_find(b, sec);

        g_test_message("%s %u %s", sec->type, sec->n, sec->state);
        g_assert_nonnull(dev);
        board_reset(b);
        load(dev, bytes->data, bytes->len, &err);
        g_assert_no_error(err);
        expect_saved(dev, bytes, sec->state);
    }
    board_free(b);
}

/*
 * Where a subsection begins, the state before is whole; and the start of its
 * name can pass for the fields of what follows.
 */
static bool ends_near_subsection(const GByteArray *bytes, size_t len)
{
    for (size_t i = len > 24 ? len - 24 : 0; i <= len; i++) {
        if (i + 2 < bytes->len && bytes->data[i] == 5 &&
            g_ascii_isalpha(bytes->data[i + 2])) {
            return true;
        }
    }
    return false;
}

static void test_truncated(void)
{
    Board *b = board_new(false);

    for (size_t i = 0; i < G_N_ELEMENTS(isa_sections); i++) {
        const IsaSection *sec = &isa_sections[i];
        g_autoptr(GByteArray) bytes = section_bytes(sec);
        Device *dev = board_find(b, sec);

        for (size_t len = 0; len < bytes->len; len++) {
            g_autoptr(GError) err = NULL;
            bool ok = load(dev, bytes->data, len, &err);

            if (ok && !ends_near_subsection(bytes, len)) {
                g_error("%s, %s: taken though cut at %zu of %u", sec->type,
                        sec->state, len, bytes->len);
            }
        }
    }
    board_free(b);
}

/* Ports and pages that the devices have. */
static void poke(Board *b, GRand *r)
{
    static const struct {
        uint64_t addr;
        unsigned len;
    } mmio[] = { { IOAPIC_ADDR, 0x50 },
                 { HPET_ADDR, 0x180 },
                 { APIC_ADDR, 0x400 } };
    static const uint16_t ports[] = { 0x00,  0x10,  0x20, 0x40, 0x60,
                                      0x70,  0x80,  0xa0, 0xc0, 0xd0,
                                      0x3f0, 0x3f8, 0x4d0 };
    unsigned what = g_rand_int_range(r, 0, G_N_ELEMENTS(ports) + 3);
    uint32_t val = g_rand_int(r);
    unsigned size = 1u << g_rand_int_range(r, 0, 4);
    AddressSpace *as = &b->vm->mem.io;
    uint64_t addr;

    if (what < G_N_ELEMENTS(ports)) {
        addr = ports[what] + g_rand_int_range(r, 0, 16);
        size = 1;
    } else {
        what -= G_N_ELEMENTS(ports);
        as = &b->vm->mem.memory;
        addr = mmio[what].addr + g_rand_int_range(r, 0, mmio[what].len);
        addr &= ~(uint64_t)(size - 1);
    }
    if (val & 1) {
        address_space_store(as, addr, val >> 1, size);
    } else {
        address_space_load(as, addr, size, NULL);
    }
}

static void step(Board *b, int64_t ns)
{
    Clocks *c = b->vm->clocks;

    clocks_step_to(c, clock_get_ns(c, CLOCK_TYPE_VIRTUAL) + ns);
}

/* Sections with a few bytes changed, and a guest that does anything. */
static void test_hostile(void)
{
    Board *b = board_new(false);
    GRand *r = g_rand_new_with_seed(20240229);

    for (size_t i = 0; i < G_N_ELEMENTS(isa_sections); i++) {
        const IsaSection *sec = &isa_sections[i];
        g_autoptr(GByteArray) bytes = section_bytes(sec);
        Device *dev = board_find(b, sec);

        for (unsigned round = 0; round < 60; round++) {
            g_autofree uint8_t *buf = g_memdup2(bytes->data, bytes->len);
            unsigned changes = g_rand_int_range(r, 1, 8);

            for (unsigned k = 0; k < changes; k++) {
                buf[g_rand_int_range(r, 0, bytes->len)] = g_rand_int(r);
            }
            if (!load(dev, buf, bytes->len, NULL)) {
                board_reset(b); /* a VM that failed to load doesn't run */
            }
            for (unsigned k = 0; k < 100; k++) {
                poke(b, r);
            }
            step(b, 200 * NS_PER_US);
        }
        board_reset(b);
    }
    g_rand_free(r);
    board_free(b);
}

/* A guest alone, for longer. */
static void test_any_access(void)
{
    Board *b = board_new(false);
    GRand *r = g_rand_new_with_seed(19870608);

    board_reset(b);
    for (unsigned i = 0; i < 100000; i++) {
        poke(b, r);
        if (i % 64 == 0) {
            step(b, g_rand_int_range(r, 0, 100) * NS_PER_US);
        }
    }
    g_rand_free(r);
    board_free(b);
}

/* What goes to the accelerator comes back the same. */
static void test_kernel_forms(void)
{
    static const char *const types[] = { "isa-i8259", "ioapic", "isa-pit",
                                         "apic", NULL };
    Board *b = board_new(true);

    board_reset(b);
    for (size_t i = 0; i < G_N_ELEMENTS(isa_sections); i++) {
        const IsaSection *sec = &isa_sections[i];
        g_autoptr(GByteArray) bytes = section_bytes(sec);
        g_autoptr(GError) err = NULL;
        Device *dev = board_find(b, sec);

        if (!g_strv_contains(types, sec->type) || sec->n != 0) {
            continue;
        }
        g_assert_true(g_str_has_prefix(dev->type->name, "kvm-"));
        load(dev, bytes->data, bytes->len, &err);
        g_assert_no_error(err);
        if (g_str_equal(sec->type, "isa-pit")) {
            continue; /* the next edge is computed anew */
        }
        if (g_str_equal(sec->type, "apic")) {
            /* A model that never was programmed has no divider yet. */
            bytes->data[bytes->len - 29] = 1;
        }
        expect_saved(dev, bytes, sec->state);
    }
    g_assert_cmphex(FAKE(b->vm->accel)->pic[0].irq_base, ==, 8);
    g_assert_cmphex(FAKE(b->vm->accel)->pic[1].irq_base, ==, 0);
    g_assert_cmphex(FAKE(b->vm->accel)->ioapic.redir[3], ==,
                    UINT64_C(0x0300000000010033));
    /* A kernel's timer would tick before the guest runs. */
    g_assert_cmpint(FAKE(b->vm->accel)->pit.ch[0].count, ==, 0);
    vm_start(b->vm);
    g_assert_cmpint(FAKE(b->vm->accel)->pit.ch[0].count, !=, 0);
    board_free(b);
}

static void expect_sent(Chardev *cd, const char *want)
{
    g_autoptr(GByteArray) got = chardev_ringbuf_read(cd, 64, NULL);

    g_assert_cmpmem(got->data, got->len, want, strlen(want));
}

static void run_main_loop(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static void count_edges(void *opaque, unsigned n, bool level)
{
    *(unsigned *)opaque += level;
}

/*
 * A UART with bytes to send, of a guest that isn't all here: it sends nothing
 * and takes nothing, and its interrupt comes when the local APICs have what
 * the stream brought.
 */
static void test_serial_arrives(void)
{
    Board *b = board_new(true);
    Chardev *cd = chardev_find(b->vm->chardevs, "ser");
    unsigned edges = 0, seen = 0;

    b->irqs[4] = (IrqInput){ count_edges, &edges, 4 };
    board_reset(b);
    runstate_set(b->vm, RUN_STATE_INMIGRATE);
    for (size_t i = 0; i < G_N_ELEMENTS(isa_sections); i++) {
        const IsaSection *sec = &isa_sections[i];
        g_autoptr(GByteArray) bytes = section_bytes(sec);

        if (!g_str_equal(sec->type, "isa-serial") ||
            !g_str_equal(sec->state, "programmed")) {
            continue;
        }
        seen++;
        g_assert_true(load(b->serial, bytes->data, bytes->len, NULL));
        expect_saved(b->serial, bytes, sec->state);
    }
    g_assert_cmpuint(seen, ==, 1);
    run_main_loop();
    g_assert_cmpuint(edges, ==, 0);
    g_assert_cmpint(chardev_can_receive(cd), ==, 0);
    expect_sent(cd, "");
    vm_start(b->vm);
    run_main_loop();
    g_assert_cmpuint(edges, ==, 1);
    g_assert_cmpint(chardev_can_receive(cd), >, 0);
    expect_sent(cd, "AABCDE");
    /* What comes after the state was saved is for the destination. */
    runstate_set(b->vm, RUN_STATE_FINISH_MIGRATE);
    g_assert_cmpint(chardev_can_receive(cd), ==, 0);
    runstate_set(b->vm, RUN_STATE_POSTMIGRATE);
    g_assert_cmpint(chardev_can_receive(cd), ==, 0);
    board_free(b);
}

static void rtc_put(Board *b, uint8_t reg, uint8_t val)
{
    address_space_store(&b->vm->mem.io, 0x70, reg, 1);
    address_space_store(&b->vm->mem.io, 0x71, val, 1);
}

/*
 * The host's time goes on while a guest arrives: a clock that is due waits
 * until it is all here, and then isn't forgotten.
 */
static void test_rtc_arrives(void)
{
    static const uint8_t control[] = {
        0x42, /* periodic interrupt */
        0x12, /* update interrupt */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(control); i++) {
        Board *b = board_new(true);
        unsigned edges = 0;

        b->irqs[8] = (IrqInput){ count_edges, &edges, 8 };
        board_reset(b);
        rtc_put(b, 10, 0x26); /* 1024 Hz */
        rtc_put(b, 11, control[i]);
        runstate_set(b->vm, RUN_STATE_INMIGRATE);
        step(b, 3 * NS_PER_S);
        g_assert_cmpuint(edges, ==, 0);
        runstate_set(b->vm, RUN_STATE_SUSPENDED);
        step(b, NS_PER_S);
        g_assert_cmpuint(edges, ==, 1);
        board_free(b);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/isa-devices/round-trip", test_round_trip);
    g_test_add_func("/isa-devices/truncated", test_truncated);
    g_test_add_func("/isa-devices/hostile", test_hostile);
    g_test_add_func("/isa-devices/any-access", test_any_access);
    g_test_add_func("/isa-devices/kernel-forms", test_kernel_forms);
    g_test_add_func("/isa-devices/serial-arrives", test_serial_arrives);
    g_test_add_func("/isa-devices/rtc-arrives", test_rtc_arrives);
    return g_test_run();
}
