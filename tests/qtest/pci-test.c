/*
 * PCI: option ROMs.
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci/rom/bar", test_rom_bar);
    g_test_add_func("/pci/rom/identity", test_rom_identity);
    return g_test_run();
}
