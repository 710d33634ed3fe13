/*
 * PCI: option ROMs, hot-plug.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/pci_regs.h>

#include "tests/qtest/libqtest.h"

enum {
    SLOT = 3,
    ROM_ADDR = 0xe0000000,
    ROM_SIZE = 256 * KiB,
    ROM_CONTENT = 3000,
};

/* `bdf` is bus << 8 | slot << 3 | function. */
static void select_reg(QTest *q, unsigned bdf, unsigned reg)
{
    qtest_outl(q, 0xcf8, 0x80000000 | bdf << 8 | (reg & ~3u));
}

static uint32_t config_readl(QTest *q, unsigned bdf, unsigned reg)
{
    select_reg(q, bdf, reg);
    return qtest_inl(q, 0xcfc);
}

static void config_writel(QTest *q, unsigned bdf, unsigned reg, uint32_t val)
{
    select_reg(q, bdf, reg);
    qtest_outl(q, 0xcfc, val);
}

static void config_writew(QTest *q, unsigned bdf, unsigned reg, uint16_t val)
{
    select_reg(q, bdf, reg);
    qtest_outw(q, 0xcfc + (reg & 2), val);
}

static char *make_rom(uint8_t *content)
{
    char *path;
    int fd = g_file_open_tmp("rom-XXXXXX", &path, NULL);

    for (unsigned i = 0; i < ROM_CONTENT; i++) {
        content[i] = i * 7 + i / 256;
    }
    g_assert_cmpint(write(fd, content, ROM_CONTENT), ==, ROM_CONTENT);
    close(fd);
    return path;
}

/* The file, zeros behind it, where and while its BAR is enabled. */
static void test_rom_bar(void)
{
    const unsigned bdf = SLOT << 3;
    uint8_t want[4096] = { 0 }, got[4096];
    g_autofree char *path = make_rom(want);
    QTest *q =
        qtest_startf("-machine pc -device pci-testdev,addr=%u,romfile=%s", SLOT,
                     path);

    config_writel(q, bdf, PCI_ROM_ADDRESS, ~PCI_ROM_ADDRESS_ENABLE);
    g_assert_cmphex(config_readl(q, bdf, PCI_ROM_ADDRESS), ==, 0xfffff000);
    config_writel(q, bdf, PCI_ROM_ADDRESS, ROM_ADDR);
    config_writew(q, bdf, PCI_COMMAND, PCI_COMMAND_MEMORY);
    g_assert_cmphex(qtest_readl(q, ROM_ADDR), !=, *(uint32_t *)want);
    config_writel(q, bdf, PCI_ROM_ADDRESS, ROM_ADDR | PCI_ROM_ADDRESS_ENABLE);
    qtest_memread(q, ROM_ADDR, got, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), want, sizeof(want));
    qtest_writel(q, ROM_ADDR, 0x12345678);
    g_assert_cmphex(qtest_readl(q, ROM_ADDR), ==, *(uint32_t *)want);
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    g_assert_cmphex(config_readl(q, bdf, PCI_ROM_ADDRESS), ==, 0);
    qtest_quit(q);
    unlink(path);
}

/* Where PCI firmware specification 3.0, 5.1.1 and 5.1.2 have them. */
static void check_default_rom(const char *device, uint32_t id)
{
    const unsigned bdf = SLOT << 3;
    QTest *q = qtest_startf("-machine pc -device %s,addr=%u", device, SLOT);
    uint8_t rom[ROM_SIZE], sum = 0;

    g_assert_cmphex(config_readl(q, bdf, PCI_VENDOR_ID), ==, id);
    config_writel(q, bdf, PCI_ROM_ADDRESS, ROM_ADDR | PCI_ROM_ADDRESS_ENABLE);
    config_writew(q, bdf, PCI_COMMAND, PCI_COMMAND_MEMORY);
    qtest_memread(q, ROM_ADDR, rom, sizeof(rom));
    g_assert_cmphex(rom[0] | rom[1] << 8, ==, 0xaa55);
    g_assert_cmpmem(rom + rom[0x18] + rom[0x19] * 256 + 4, 4, &id, 4);
    for (unsigned i = 0; i < rom[2] * 512U; i++) {
        sum += rom[i];
    }
    g_assert_cmphex(sum, ==, 0);
    qtest_quit(q);
}

/* One file serves relatives: firmware takes a ROM by the function's IDs. */
static void test_rom_identity(void)
{
    check_default_rom("e1000", 0x100e8086);
    check_default_rom("virtio-net-pci", 0x10001af4);
    check_default_rom("virtio-net-pci,disable-legacy=on", 0x10411af4);
}

/* Hot-plug registers and general-purpose events, as the tables name them. */
enum {
    PCIHP = 0xae00,
    PCIU = PCIHP + 0x00,
    PCID = PCIHP + 0x04,
    B0EJ = PCIHP + 0x08,
    REMOVABLE = PCIHP + 0x0c,
    BNUM = PCIHP + 0x10,
    PIDX = PCIHP + 0x14,
    GPE0_STS = 0xafe0,
    GPE0_EN = 0xafe2,
    GPE_PCI = 1 << 1,
    SCI = 9,
};

static void check_ok(JsonValue *answer)
{
    g_assert_false(json_object_has(answer, "error"));
    json_unref(answer);
}

static void check_error(JsonValue *answer, const char *desc)
{
    const JsonValue *error = json_object_get(answer, "error");
    const char *text = json_get_string(json_object_get(error, "desc"));

    g_assert_cmpstr(text, ==, desc);
    json_unref(answer);
}

static void check_deleted(QTest *q, const char *id)
{
    g_autoptr(JsonValue) event = qtest_qmp_event(q, "DEVICE_DELETED");
    const JsonValue *data = json_object_get(event, "data");

    g_assert_cmpstr(json_get_string(json_object_get(data, "device")), ==, id);
}

/* It comes, is found, is asked to go, goes when the guest says so. */
static void test_hotplug(void)
{
    QTest *q = qtest_start("-machine pc");
    uint32_t bit = 1 << 6;

    qtest_irq_intercept_in(q, "ioapic");
    qtest_outw(q, GPE0_EN, GPE_PCI);
    check_ok(qtest_qmp(q, "{'execute': 'device_add', 'arguments': {'driver': "
                          "'e1000', 'id': 'n', 'addr': 6, 'acpi-index': 7}}"));
    g_assert_true(qtest_get_irq(q, SCI));
    g_assert_cmphex(qtest_inw(q, GPE0_STS), ==, GPE_PCI);
    g_assert_cmphex(qtest_inb(q, PCIU), ==, 0);
    g_assert_cmphex(qtest_inl(q, PCIU), ==, bit);
    g_assert_cmphex(qtest_inl(q, PCIU), ==, 0);
    g_assert_cmphex(qtest_inl(q, REMOVABLE) & (bit | 1 << 1), ==, bit);
    qtest_outl(q, PIDX, bit);
    g_assert_cmphex(qtest_inl(q, PIDX), ==, 7);
    g_assert_cmphex(config_readl(q, 6 << 3, 0), ==, 0x100e8086);
    qtest_outw(q, GPE0_STS, GPE_PCI);
    g_assert_false(qtest_get_irq(q, SCI));
    check_ok(
        qtest_qmp(q, "{'execute': 'device_del', 'arguments': {'id': 'n'}}"));
    g_assert_true(qtest_get_irq(q, SCI));
    /* A guest that was starting has not heard it: it is asked again. */
    qtest_outw(q, GPE0_STS, GPE_PCI);
    g_assert_false(qtest_get_irq(q, SCI));
    check_ok(
        qtest_qmp(q, "{'execute': 'device_del', 'arguments': {'id': 'n'}}"));
    g_assert_true(qtest_get_irq(q, SCI));
    g_assert_cmphex(qtest_inl(q, PCID), ==, bit);
    qtest_outl(q, BNUM, 1); /* no such bus */
    qtest_outl(q, B0EJ, bit);
    qtest_outl(q, BNUM, 0);
    qtest_outb(q, B0EJ, bit);
    qtest_outl(q, B0EJ, 1 << 1); /* the board's own */
    qtest_outl(q, B0EJ, 0);
    g_assert_cmphex(config_readl(q, 1 << 3, 0), ==, 0x70008086);
    g_assert_cmphex(config_readl(q, 6 << 3, 0), ==, 0x100e8086);
    qtest_outl(q, B0EJ, bit);
    check_deleted(q, "n");
    g_assert_cmphex(config_readl(q, 6 << 3, 0), ==, UINT32_MAX);
    g_assert_cmphex(qtest_inl(q, PCID), ==, 0);
    qtest_quit(q);
}

/* A guest that never answers has lost the function after a reset. */
static void test_hotplug_reset(void)
{
    QTest *q = qtest_start("-machine pc -device virtio-net-pci,id=a,addr=5 "
                           "-device virtio-rng-pci,id=b,addr=6");

    check_ok(
        qtest_qmp(q, "{'execute': 'device_del', 'arguments': {'id': 'a'}}"));
    check_ok(qtest_qmp(q, "{'execute': 'device_add', 'arguments': {'driver': "
                          "'virtio-rng-pci', 'id': 'c', 'addr': '8'}}"));
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    check_deleted(q, "a");
    g_assert_cmphex(qtest_inl(q, PCIU), ==, 0);
    g_assert_cmphex(qtest_inl(q, PCID), ==, 0);
    g_assert_cmphex(config_readl(q, 5 << 3, 0), ==, UINT32_MAX);
    g_assert_cmphex(config_readl(q, 6 << 3, 0), ==, 0x10051af4);
    g_assert_cmphex(config_readl(q, 8 << 3, 0), ==, 0x10051af4);
    qtest_quit(q);
}

static uint32_t selected_up(QTest *q, uint32_t bus)
{
    qtest_outl(q, BNUM, bus);
    return qtest_inl(q, PCIU);
}

/*
 * Behind bridges: buses have the numbers that 7.2 gives them, the last made
 * first, each before those below it.
 */
static void test_hotplug_bridges(void)
{
    QTest *q =
        qtest_start("-machine pc "
                    "-device pci-bridge,id=b1,chassis_nr=1,addr=4 "
                    "-device pci-bridge,id=b2,chassis_nr=2,bus=b1,addr=3 "
                    "-device pci-bridge,id=b3,chassis_nr=3,addr=6");

    check_ok(qtest_qmp(q, "{'execute': 'device_add', 'arguments': {'driver': "
                          "'e1000', 'id': 'n', 'bus': 'b2', 'addr': 7}}"));
    check_ok(qtest_qmp(q, "{'execute': 'device_add', 'arguments': {'driver': "
                          "'e1000', 'id': 'm', 'bus': 'b3', 'addr': 0}}"));
    g_assert_cmphex(selected_up(q, 0), ==, 0);
    g_assert_cmphex(selected_up(q, 1), ==, 1 << 0);
    g_assert_cmphex(selected_up(q, 2), ==, 0);
    g_assert_cmphex(qtest_inl(q, REMOVABLE), ==, ~(UINT32_C(1) << 3));
    g_assert_cmphex(selected_up(q, 3), ==, 1 << 7);
    check_ok(
        qtest_qmp(q, "{'execute': 'device_del', 'arguments': {'id': 'n'}}"));
    g_assert_cmphex(qtest_inl(q, PCID), ==, 1 << 7);
    qtest_outl(q, B0EJ, 1 << 7);
    check_deleted(q, "n");
    qtest_outl(q, BNUM, 2);
    qtest_outl(q, B0EJ, 1 << 3); /* a bridge stays, and what is behind it */
    check_ok(
        qtest_qmp(q, "{'execute': 'device_del', 'arguments': {'id': 'm'}}"));
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    check_deleted(q, "m");
    qtest_quit(q);
}

#define ADD_E1000                                                 \
    "{'execute': 'device_add', 'arguments': {'driver': 'e1000', " \
    "'bus': '%s', 'addr': 7}}"

/* Switched off for the root, for bridges: the other keeps it. */
static void test_hotplug_off(void)
{
    static const struct {
        const char *option, *on, *off;
    } t[] = {
        { "acpi-root-pci-hotplug", "b1", "pci.0" },
        { "acpi-pci-hotplug-with-bridge-support", "pci.0", "b1" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *args =
            g_strdup_printf("-machine pc -global PIIX4_PM.%s=off -device "
                            "pci-bridge,id=b1,chassis_nr=1,addr=4",
                            t[i].option);
        g_autofree char *desc =
            g_strdup_printf("Bus '%s' does not support hotplugging", t[i].off);
        QTest *q = qtest_start(args);

        check_ok(qtest_qmp(q, ADD_E1000, t[i].on));
        g_assert_cmphex(selected_up(q, 0), ==, 1 << 7);
        check_error(qtest_qmp(q, ADD_E1000, t[i].off), desc);
        qtest_quit(q);
    }
}

static void test_hotplug_errors(void)
{
    static const struct {
        const char *args, *desc;
    } t[] = {
        { "'driver': 'nosuch'", "'nosuch' is not a valid device model name" },
        { "'id': 'x'", "Parameter 'driver' is missing" },
        { "'driver': 'e1000', 'bus': 'nobus'", "Bus 'nobus' not found" },
        { "'driver': 'e1000', 'bus': 'isa.0'",
          "Device 'e1000' can't go on ISA bus" },
        { "'driver': 'isa-serial'",
          "Bus 'isa.0' does not support hotplugging" },
        { "'driver': 'PIIX3'",
          "Parameter 'driver' expects a pluggable device type" },
        { "'driver': 'e1000', 'id': 'v'", "Duplicate device ID 'v'" },
        { "'driver': 'e1000', 'addr': '5'",
          "PCI: slot 5 function 0 not available for e1000, in use by "
          "virtio-net-pci,id=v" },
        { "'driver': 'e1000', 'addr': '5.2'",
          "PCI: slot 5 function 0 already occupied by virtio-net-pci, new "
          "func e1000 cannot be exposed to guest." },
        { "'driver': 'e1000', 'addr': '40'",
          "Property 'e1000.addr' doesn't take value '40'" },
        { "'driver': 'e1000', 'foo': 1", "Property 'e1000.foo' not found" },
        { "'driver': 'e1000', 'mac': 'zz'",
          "Property 'e1000.mac' doesn't take value 'zz'" },
        { "'driver': 'e1000', 'netdev': 'n'",
          "Property 'e1000.netdev' can't take value 'n', it's in use" },
        { "'driver': 'e1000', 'romfile': 'nosuch.rom'",
          "failed to find romfile \"nosuch.rom\"" },
        { "'driver': 'e1000', 'rombar': 0",
          "Hot-plugged device without ROM bar can't have an option ROM" },
        { "'driver': 'e1000', 'acpi-index': 99",
          "a PCI device with acpi-index = 99 already exist" },
        { "'driver': 'e1000', 'acpi-index': 16384",
          "acpi-index should be less or equal to 16383" },
    };
    QTest *q = qtest_start("-machine pc -netdev user,id=n -device "
                           "virtio-net-pci,id=v,addr=5,netdev=n,acpi-index=99");

    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *line =
            g_strdup_printf("{'execute': 'device_add', 'arguments': {%s}}",
                            t[i].args);

        check_error(qtest_qmp(q, "%s", line), t[i].desc);
    }
    check_error(
        qtest_qmp(q, "{'execute': 'device_del', 'arguments': {'id': 'x'}}"),
        "Device 'x' not found");
    g_assert_cmphex(qtest_inl(q, PCIU), ==, 0);
    g_assert_cmphex(qtest_inw(q, GPE0_STS), ==, 0);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci/rom/bar", test_rom_bar);
    g_test_add_func("/pci/rom/identity", test_rom_identity);
    g_test_add_func("/pci/hotplug/guest", test_hotplug);
    g_test_add_func("/pci/hotplug/reset", test_hotplug_reset);
    g_test_add_func("/pci/hotplug/bridges", test_hotplug_bridges);
    g_test_add_func("/pci/hotplug/off", test_hotplug_off);
    g_test_add_func("/pci/hotplug/errors", test_hotplug_errors);
    return g_test_run();
}
