/*
 * Bridges and root ports: configuration cycles, windows, interrupts, reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/pci_regs.h>

#include "tests/qtest/libqtest.h"

enum {
    BRIDGE = 4 << 3, /* on bus 0 */
    CARD_BUS = 2,
    CARD = CARD_BUS << 8 | 3 << 3,
    E1000_ID = 0x100e8086,
    E1000_STATUS = 0x08, /* never 0 */
    E1000_ICR = 0xc0,
    E1000_ICS = 0xc8,
    E1000_IMS = 0xd0,
    CARD_MEM = 0xe0000000,
    CARD_IO = 0xc000,
    PIIX3 = 1 << 3,
    PIRQRC = 0x60,
};
#define ENABLE (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

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

static uint16_t config_readw(QTest *q, unsigned bdf, unsigned reg)
{
    return config_readl(q, bdf, reg) >> (reg & 2) * 8;
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

static void set_buses(QTest *q, unsigned bdf, unsigned primary, unsigned sec,
                      unsigned sub)
{
    config_writel(q, bdf, PCI_PRIMARY_BUS, primary | sec << 8 | sub << 16);
}

/* Opens the windows around the card. */
static void open_windows(QTest *q, unsigned bdf)
{
    config_writel(q, bdf, PCI_MEMORY_BASE,
                  (CARD_MEM >> 16) | (CARD_MEM & 0xfff00000));
    config_writew(q, bdf, PCI_IO_BASE, CARD_IO >> 8 | CARD_IO);
    config_writew(q, bdf, PCI_COMMAND, ENABLE);
}

static void open_card(QTest *q)
{
    config_writel(q, CARD, PCI_BASE_ADDRESS_0, CARD_MEM);
    config_writel(q, CARD, PCI_BASE_ADDRESS_1, CARD_IO);
    config_writew(q, CARD, PCI_COMMAND, ENABLE);
}

static void check_card(QTest *q, bool mem, bool io)
{
    /* Memory where nothing is reads as 0, ports as ones. */
    g_assert_cmpint(qtest_readl(q, CARD_MEM + E1000_STATUS) != 0, ==, mem);
    qtest_outl(q, CARD_IO, E1000_STATUS); /* IOADDR, then IODATA */
    g_assert_cmpint(qtest_inl(q, CARD_IO + 4) != UINT32_MAX, ==, io);
}

static QTest *start(const char *more)
{
    return qtest_startf("-machine pc -nic none -device "
                        "pci-bridge,id=b,chassis_nr=1,addr=4 %s",
                        more);
}

static const char card_args[] = "-device e1000,bus=b,addr=3";

/* Cycles of type 1 go down where the numbers say. */
static void test_cycles(void)
{
    QTest *q = start("-device pci-bridge,id=c,chassis_nr=2,bus=b,addr=5 "
                     "-device e1000,bus=c,addr=3");
    const unsigned inner = 1 << 8 | 5 << 3;

    g_assert_cmphex(config_readl(q, BRIDGE, 0), ==, 0x00011b36);
    g_assert_cmphex(config_readl(q, BRIDGE, PCI_CACHE_LINE_SIZE), ==, 0x10000);
    g_assert_cmphex(config_readl(q, 3 << 3, 0), ==, UINT32_MAX);
    g_assert_cmphex(config_readl(q, inner, 0), ==, UINT32_MAX);
    set_buses(q, BRIDGE, 0, 1, 1);
    g_assert_cmphex(config_readl(q, inner, 0), ==, 0x00011b36);
    set_buses(q, inner, 1, CARD_BUS, CARD_BUS);
    g_assert_cmphex(config_readl(q, CARD, 0), ==, UINT32_MAX);
    set_buses(q, BRIDGE, 0, 1, CARD_BUS);
    g_assert_cmphex(config_readl(q, CARD, 0), ==, E1000_ID);
    g_assert_cmphex(config_readl(q, CARD + (1 << 8), 0), ==, UINT32_MAX);
    /* Numbers that make no sense lead nowhere. */
    set_buses(q, inner, 1, 1, 0xff);
    g_assert_cmphex(config_readl(q, inner, 0), ==, 0x00011b36);
    g_assert_cmphex(config_readl(q, CARD, 0), ==, UINT32_MAX);
    set_buses(q, BRIDGE, 0, 0, 0xff);
    g_assert_cmphex(config_readl(q, inner, 0), ==, UINT32_MAX);
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    g_assert_cmphex(config_readl(q, BRIDGE, PCI_PRIMARY_BUS), ==, 0);
    qtest_quit(q);
}

/* A BAR is reached where the card decodes it and each window lets it show. */
static void test_windows(void)
{
    QTest *q = start(card_args);

    set_buses(q, BRIDGE, 0, CARD_BUS, CARD_BUS);
    open_card(q);
    check_card(q, false, false);
    open_windows(q, BRIDGE);
    check_card(q, true, true);
    config_writew(q, BRIDGE, PCI_COMMAND, PCI_COMMAND_MEMORY);
    check_card(q, true, false);
    config_writew(q, BRIDGE, PCI_COMMAND, PCI_COMMAND_IO);
    check_card(q, false, true);
    config_writew(q, BRIDGE, PCI_COMMAND, ENABLE);
    /* Shut: the limit below the base.  Then by the other window. */
    config_writel(q, BRIDGE, PCI_MEMORY_BASE, 0x0000fff0);
    check_card(q, false, true);
    config_writel(q, BRIDGE, PCI_PREF_MEMORY_BASE,
                  (CARD_MEM >> 16) | (CARD_MEM & 0xfff00000));
    check_card(q, true, true);
    config_writel(q, BRIDGE, PCI_PREF_BASE_UPPER32, 1);
    check_card(q, false, true);
    config_writel(q, BRIDGE, PCI_PREF_BASE_UPPER32, 0);
    config_writew(q, CARD, PCI_COMMAND, PCI_COMMAND_MEMORY);
    check_card(q, true, false);
    qtest_quit(q);
}

/* The reset bit takes the card's registers, and its cycles as long as it is. */
static void test_secondary_reset(void)
{
    QTest *q = start(card_args);

    set_buses(q, BRIDGE, 0, CARD_BUS, CARD_BUS);
    open_windows(q, BRIDGE);
    open_card(q);
    check_card(q, true, true);
    config_writew(q, BRIDGE, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET);
    g_assert_cmphex(config_readl(q, CARD, 0), ==, UINT32_MAX);
    config_writew(q, BRIDGE, PCI_BRIDGE_CONTROL, 0);
    g_assert_cmphex(config_readl(q, CARD, 0), ==, E1000_ID);
    g_assert_cmphex(config_readw(q, CARD, PCI_COMMAND), ==, 0);
    g_assert_cmphex(config_readl(q, CARD, PCI_BASE_ADDRESS_0), ==, 0);
    check_card(q, false, false);
    qtest_quit(q);
}

/* Which ISA interrupt a pin arrives at, with one for each PIRQ line. */
static int interrupt_of(QTest *q)
{
    static const uint8_t irqs[] = { 5, 9, 10, 11 };
    int found = -1;

    config_writel(q, PIIX3, PIRQRC, 0x0b0a0905);
    qtest_writel(q, CARD_MEM + E1000_IMS, 1);
    qtest_writel(q, CARD_MEM + E1000_ICS, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(irqs); i++) {
        if (qtest_get_irq(q, irqs[i])) {
            g_assert_cmpint(found, ==, -1);
            found = (int)i;
        }
    }
    qtest_readl(q, CARD_MEM + E1000_ICR);
    g_assert_cmpint(found, !=, -1);
    g_assert_false(qtest_get_irq(q, irqs[found]));
    return found;
}

/*
 * Pin A of slot 3 is pin D of the bridge (rotated by 3), whose slot 4 is
 * rotated by the board: (3 + 4 - 1) mod 4.
 */
static void test_swizzle(void)
{
    QTest *q = start(card_args);

    qtest_irq_intercept_in(q, "ioapic");
    set_buses(q, BRIDGE, 0, CARD_BUS, CARD_BUS);
    open_windows(q, BRIDGE);
    open_card(q);
    g_assert_cmpint(interrupt_of(q), ==, 2);
    qtest_quit(q);
}

/* Behind a root port: pin A of slot 0 stays pin A of the port. */
static void test_root_port(void)
{
    const unsigned card = CARD_BUS << 8;
    QTest *q = qtest_start("-machine pc -nic none -device pcie-root-port,id=p,"
                           "addr=4,chassis=1,slot=7 -device "
                           "virtio-rng-pci,bus=p");

    set_buses(q, BRIDGE, 0, CARD_BUS, CARD_BUS);
    /* An endpoint of PCI Express, so without the legacy registers. */
    g_assert_cmphex(config_readl(q, card, 0), ==, 0x10441af4);
    g_assert_cmphex(config_readl(q, card, 0x40), ==, 0x00020010);
    g_assert_cmphex(config_readl(q, card, 0x7c), ==, 0x00034001);
    /* Function Level Reset: bit 15 of Device Control; reads as 0. */
    config_writew(q, card, PCI_COMMAND, ENABLE);
    config_writew(q, card, 0x48, 0x8000);
    g_assert_cmphex(config_readw(q, card, 0x48), ==, 0);
    g_assert_cmphex(config_readw(q, card, PCI_COMMAND), ==, 0);
    g_assert_cmphex(config_readl(q, BRIDGE, 0x54), ==, 0x01424810);
    g_assert_cmphex(config_readl(q, BRIDGE, 0x68), ==, 0x003a007b);
    /* A command to the slot is completed, and says so if it is asked to. */
    qtest_irq_intercept_in(q, "ioapic");
    config_writel(q, PIIX3, PIRQRC, 0x0b0a0905);
    config_writew(q, BRIDGE, 0x6c, 0x01c0);
    g_assert_cmphex(config_readw(q, BRIDGE, 0x6e), ==, 0x10);
    g_assert_false(qtest_get_irq(q, 11));
    config_writew(q, BRIDGE, 0x6c, 0x01f0);
    g_assert_true(qtest_get_irq(q, 11));
    config_writew(q, BRIDGE, 0x6e, 0x10);
    g_assert_cmphex(config_readw(q, BRIDGE, 0x6e), ==, 0);
    g_assert_false(qtest_get_irq(q, 11));
    /* Power and indicator off: the guest has let go. */
    config_writew(q, BRIDGE, 0x6c, 0x07c0);
    g_assert_cmphex(config_readl(q, card, 0), ==, UINT32_MAX);
    qtest_quit(q);
}

/* The hot-plug controller by memory and by the capability. */
static void test_shpc(void)
{
    const unsigned regs = 0xe2000000;
    QTest *q = start(card_args);

    config_writel(q, BRIDGE, PCI_BASE_ADDRESS_0, regs);
    config_writew(q, BRIDGE, PCI_COMMAND, ENABLE);
    set_buses(q, BRIDGE, 0, CARD_BUS, CARD_BUS);
    g_assert_cmphex(qtest_readl(q, regs + 0x0c), ==, 0xe001011f);
    g_assert_cmphex(qtest_readl(q, regs + 0x20), ==, 0x0f);
    g_assert_cmphex(qtest_readl(q, regs + 0x24), ==, 0x7f000d0f);
    g_assert_cmphex(qtest_readl(q, regs + 0x2c), ==, 0x7f000006);
    qtest_writew(q, regs + 0x14, 0x0320); /* slot 3: attention blinks */
    g_assert_cmphex(qtest_readl(q, regs + 0x14), ==, 0x0320);
    g_assert_cmphex(qtest_readl(q, regs + 0x20), ==, 0x1000f);
    g_assert_cmphex(qtest_readl(q, regs + 0x2c), ==, 0x7f000026);
    qtest_writew(q, regs + 0x14, 0x0080); /* no such command */
    g_assert_cmphex(qtest_readl(q, regs + 0x14), ==, 0x40080);
    config_writew(q, BRIDGE, 0x42, 0x08); /* the dword at 0x20 */
    config_writel(q, BRIDGE, 0x44, 0x10000);
    g_assert_cmphex(config_readl(q, BRIDGE, 0x44), ==, 0);
    g_assert_cmphex(qtest_readl(q, regs + 0x20), ==, 0);
    qtest_writew(q, regs + 0x14, 0x030f); /* off, and its indicator */
    g_assert_cmphex(qtest_readl(q, regs + 0x18), ==, 1);
    qtest_quit(q);
}

static void test_errors(void)
{
    static const struct {
        const char *args, *want;
    } t[] = {
        { "-device pci-bridge",
          "Bridge chassis not specified. Each bridge is required to be "
          "assigned a unique chassis id > 0." },
        { "-device pcie-root-port,slot=8192", "slot=8192: 0 to 8191" },
        { "-device pcie-root-port -device ioh3420",
          "chassis=0,slot=0 is another port's" },
        { "-device ioh3420,aer_log_max=129", "aer_log_max=129: 0 to 128" },
        { "-device pcie-root-port,pref32-reserve=1M,pref64-reserve=1M",
          "PREF32 and PREF64 conflict" },
        { "-device pci-bridge,chassis_nr=1,mem-reserve=4G",
          "must be less than 4G" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *args = g_strdup_printf("-machine pc -S %s", t[i].args);
        int status;
        g_autofree char *text = qtest_run(args, &status);

        g_assert_cmpint(status, ==, 1);
        g_assert_nonnull(strstr(text, t[i].want));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci-bridge/cycles", test_cycles);
    g_test_add_func("/pci-bridge/windows", test_windows);
    g_test_add_func("/pci-bridge/secondary-reset", test_secondary_reset);
    g_test_add_func("/pci-bridge/swizzle", test_swizzle);
    g_test_add_func("/pci-bridge/root-port", test_root_port);
    g_test_add_func("/pci-bridge/shpc", test_shpc);
    g_test_add_func("/pci-bridge/errors", test_errors);
    return g_test_run();
}
