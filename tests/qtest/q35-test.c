/*
 * q35: host bridge (MMCONFIG, SMRAM), LPC bridge (PIRQ routing, power
 * management, TCO), SMBus.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/pci_regs.h>

#include "tests/qtest/libqtest.h"

enum {
    MCH = 0x00 << 3,
    LPC = 0x1f << 3,
    SATA = 0x1f << 3 | 2,
    SMB = 0x1f << 3 | 3,
    PORT = 0x02 << 3,
    PM = 0x600,
    SMB_IO = 0x700,
};
#define Q35    "-machine q35 "
#define RAM    "-m 64 "
#define TOP    (64 * MiB)
#define ECAM   UINT64_C(0xe0000000)
#define ID_MCH 0x29c08086U
/* Memory space where nothing is; a function that isn't there has ones. */
#define NOTHING 0

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

static uint8_t config_readb(QTest *q, unsigned bdf, unsigned reg)
{
    select_reg(q, bdf, reg);
    return qtest_inb(q, 0xcfc + (reg & 3));
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

static void config_writeb(QTest *q, unsigned bdf, unsigned reg, uint8_t val)
{
    select_reg(q, bdf, reg);
    qtest_outb(q, 0xcfc + (reg & 3), val);
}

/* Writes a byte and checks what is read back. */
static void check_byte(QTest *q, unsigned bdf, unsigned reg, uint8_t val,
                       uint8_t want)
{
    config_writeb(q, bdf, reg, val);
    g_assert_cmphex(config_readb(q, bdf, reg), ==, want);
}

/* The chip set's functions, and those that options leave out. */
static void test_functions(void)
{
    QTest *q = qtest_start("-machine q35 -drive if=ide,index=2,media=cdrom");
    g_autofree char *block = qtest_hmp(q, "info block");

    g_assert_cmphex(config_readl(q, LPC, 0), ==, 0x29188086);
    g_assert_cmphex(config_readl(q, SATA, 0), ==, 0x29228086);
    g_assert_cmphex(config_readl(q, SMB, 0), ==, 0x29308086);
    g_assert_nonnull(strstr(block, "ide2-cd0"));
    qtest_quit(q);
    q = qtest_start("-machine q35,sata=off,smbus=off");
    g_assert_cmphex(config_readl(q, LPC, 0), ==, 0x29188086);
    g_assert_cmphex(config_readl(q, SATA, 0), ==, UINT32_MAX);
    g_assert_cmphex(config_readl(q, SMB, 0), ==, UINT32_MAX);
    qtest_quit(q);
}

static void set_ecam(QTest *q, uint32_t reg)
{
    config_writel(q, MCH, 0x60, reg);
}

/* All 4 KiB of each function; where PCIEXBAR says, while it says so. */
static void test_mmconfig(void)
{
    QTest *q =
        qtest_start(Q35 RAM "-device pcie-root-port,id=rp,chassis=1,addr=2 "
                            "-device virtio-rng-pci,bus=rp");

    g_assert_cmphex(config_readl(q, MCH, 0x60), ==, 0xb0000000);
    g_assert_cmphex(qtest_readl(q, 0xb0000000), ==, NOTHING);
    set_ecam(q, ECAM | 1);
    g_assert_cmphex(qtest_readl(q, ECAM), ==, ID_MCH);
    g_assert_cmphex(qtest_readw(q, ECAM + 2), ==, ID_MCH >> 16);
    g_assert_cmphex(qtest_readb(q, ECAM + (LPC << 12) + 1), ==, 0x80);
    g_assert_cmphex(qtest_readl(q, ECAM + (1 << 15)), ==, UINT32_MAX);
    /* A capability beyond the first 256 bytes: error reporting. */
    g_assert_cmphex(qtest_readw(q, ECAM + (PORT << 12) + 0x100), ==,
                    PCI_EXT_CAP_ID_ERR);
    /* Behind the port there is nothing before it has bus numbers. */
    g_assert_cmphex(qtest_readl(q, ECAM + (1 << 20)), ==, UINT32_MAX);
    qtest_writel(q, ECAM + (PORT << 12) + PCI_PRIMARY_BUS, 0x00010100);
    g_assert_cmphex(qtest_readl(q, ECAM + (1 << 20)), ==, 0x10441af4);
    g_assert_cmphex(config_readl(q, 1 << 8, 0), ==, 0x10441af4);
    qtest_writew(q, ECAM + (1 << 20) + PCI_COMMAND, PCI_COMMAND_MASTER);
    g_assert_cmphex(config_readb(q, 1 << 8, PCI_COMMAND), ==,
                    PCI_COMMAND_MASTER);
    /* 128 MiB, 64 MiB: less is decoded; the reserved length, nothing. */
    set_ecam(q, ECAM | 3);
    g_assert_cmphex(qtest_readl(q, ECAM + 128 * MiB), ==, NOTHING);
    g_assert_cmphex(qtest_readl(q, ECAM), ==, ID_MCH);
    set_ecam(q, 0xe4000005);
    g_assert_cmphex(qtest_readl(q, ECAM), ==, NOTHING);
    g_assert_cmphex(qtest_readl(q, 0xe4000000), ==, ID_MCH);
    set_ecam(q, ECAM | 7);
    g_assert_cmphex(qtest_readl(q, ECAM), ==, NOTHING);
    set_ecam(q, ECAM | 1);
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    g_assert_cmphex(config_readl(q, MCH, 0x60), ==, 0xb0000000);
    g_assert_cmphex(qtest_readl(q, ECAM), ==, NOTHING);
    qtest_quit(q);
}

/* What is written to the registers of SMRAM, before and after the lock. */
static void test_smram_lock(void)
{
    QTest *q = qtest_start(Q35 RAM);

    g_assert_cmphex(config_readl(q, MCH, 0x9c), ==, 0x00380200);
    check_byte(q, MCH, 0x9d, 0x87, 0x02);
    check_byte(q, MCH, 0x9d, 0x4a, 0x4a);
    check_byte(q, MCH, 0x9e, 0xff, 0xbf);
    check_byte(q, MCH, 0x9e, 0x00, 0x38);
    check_byte(q, MCH, 0x9e, 0x03, 0x3b);
    check_byte(q, MCH, 0x9d, 0x5a, 0x1a);
    check_byte(q, MCH, 0x9d, 0x40, 0x1a);
    check_byte(q, MCH, 0x9d, 0x20, 0x3a);
    check_byte(q, MCH, 0x9e, 0x00, 0x3b);
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    g_assert_cmphex(config_readl(q, MCH, 0x9c), ==, 0x00380200);
    qtest_quit(q);
}

/* The top of RAM is not for CPUs outside SMM. */
static void check_tseg(QTest *q, uint8_t esmramc, uint64_t size)
{
    const uint64_t from = TOP - size;

    config_writeb(q, MCH, 0x9e, 0);
    qtest_writel(q, from - 4, 0x11111111);
    qtest_writel(q, from, 0x22222222);
    qtest_writel(q, TOP - 4, 0x33333333);
    config_writeb(q, MCH, 0x9e, esmramc);
    g_assert_cmphex(qtest_readl(q, from - 4), ==, 0x11111111);
    g_assert_cmphex(qtest_readl(q, from), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(q, TOP - 4), ==, UINT32_MAX);
    qtest_writel(q, from, 0x44444444);
    config_writeb(q, MCH, 0x9e, 0);
    g_assert_cmphex(qtest_readl(q, from), ==, 0x22222222);
    g_assert_cmphex(qtest_readl(q, TOP - 4), ==, 0x33333333);
}

static void test_tseg(void)
{
    QTest *q = qtest_start(Q35 RAM "-global mch.extended-tseg-mbytes=24");

    g_assert_cmphex(config_readl(q, MCH, 0x50), ==, 24);
    config_writew(q, MCH, 0x50, 0x1234);
    g_assert_cmphex(config_readl(q, MCH, 0x50), ==, 0x1234);
    config_writew(q, MCH, 0x50, 0xffff);
    g_assert_cmphex(config_readl(q, MCH, 0x50), ==, 24);
    config_writeb(q, MCH, 0x9d, 0x0a);
    check_tseg(q, 0x01, 1 * MiB);
    check_tseg(q, 0x03, 2 * MiB);
    check_tseg(q, 0x05, 8 * MiB);
    check_tseg(q, 0x07, 24 * MiB);
    /* Not while SMRAM as a whole is off. */
    config_writeb(q, MCH, 0x9e, 0x01);
    config_writeb(q, MCH, 0x9d, 0x02);
    g_assert_cmphex(qtest_readl(q, TOP - 4), ==, 0x33333333);
    qtest_quit(q);
}

/* RAM at the default SMBASE is hidden when the guest has asked and agreed. */
static void test_smbase(void)
{
    QTest *q = qtest_start(Q35 RAM);

    qtest_writel(q, 0x30000, 0x12345678);
    check_byte(q, MCH, 0x9c, 0x02, 0x00);
    check_byte(q, MCH, 0x9c, 0xff, 0x01);
    check_byte(q, MCH, 0x9c, 0x80, 0x01);
    check_byte(q, MCH, 0x9c, 0x00, 0x01);
    g_assert_cmphex(qtest_readl(q, 0x30000), ==, 0x12345678);
    check_byte(q, MCH, 0x9c, 0x02, 0x02);
    check_byte(q, MCH, 0x9c, 0x00, 0x02);
    g_assert_cmphex(qtest_readl(q, 0x30000), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(q, 0x4fffc), ==, UINT32_MAX);
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    g_assert_cmphex(qtest_readl(q, 0x30000), ==, 0x12345678);
    qtest_quit(q);
    q = qtest_start(Q35 RAM "-global mch.smbase-smram=off");
    check_byte(q, MCH, 0x9c, 0xff, 0x00);
    qtest_quit(q);
}

static void enable_pm(QTest *q, uint16_t base)
{
    config_writel(q, LPC, 0x40, base);
    config_writeb(q, LPC, 0x44, 0x80);
}

static void test_pm_block(void)
{
    QTest *q = qtest_start(Q35 RAM);

    g_assert_cmphex(qtest_inl(q, PM + 0x30), ==, UINT32_MAX);
    enable_pm(q, PM | 1);
    g_assert_cmphex(qtest_inl(q, PM + 0x30), ==, 0);
    g_assert_cmphex(qtest_inl(q, PM + 0x0c), ==, UINT32_MAX);
    /* 64 events: the enable bits behind the status bits. */
    qtest_outl(q, PM + 0x2c, 0x80000001);
    g_assert_cmphex(qtest_inl(q, PM + 0x2c), ==, 0x80000001);
    qtest_outb(q, PM + 0x2f, 0);
    g_assert_cmphex(qtest_inl(q, PM + 0x2c), ==, 1);
    /* Moved, it is there and not here. */
    enable_pm(q, 0xb000);
    g_assert_cmphex(qtest_inl(q, PM + 0x2c), ==, UINT32_MAX);
    g_assert_cmphex(qtest_inl(q, 0xb000 + 0x2c), ==, 1);
    /* ACPI mode, by the command port. */
    g_assert_cmphex(qtest_inw(q, 0xb000 + 4), ==, 0);
    qtest_outb(q, 0xb2, 2);
    g_assert_cmphex(qtest_inw(q, 0xb000 + 4), ==, 1);
    qtest_outb(q, 0xb2, 3);
    g_assert_cmphex(qtest_inw(q, 0xb000 + 4), ==, 0);
    g_assert_cmphex(qtest_inb(q, 0xb2), ==, 3);
    qtest_quit(q);
}

/* GBL_SMI_EN stays as it is when firmware has locked it. */
static void test_smi_lock(void)
{
    QTest *q = qtest_start(Q35 RAM);

    enable_pm(q, PM);
    qtest_outl(q, PM + 0x30, 0x21);
    check_byte(q, LPC, 0xa0, 0x10, 0x10);
    check_byte(q, LPC, 0xa0, 0x00, 0x10);
    qtest_outl(q, PM + 0x30, 0);
    g_assert_cmphex(qtest_inl(q, PM + 0x30), ==, 0x01);
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    enable_pm(q, PM);
    qtest_outl(q, PM + 0x30, 0x21);
    qtest_outl(q, PM + 0x30, 0);
    g_assert_cmphex(qtest_inl(q, PM + 0x30), ==, 0);
    qtest_quit(q);
}

/* A read of a byte from the first EEPROM, with an interrupt at its end. */
static void smbus_read_byte(QTest *q)
{
    qtest_outb(q, SMB_IO + 4, 0x50 << 1 | 1);
    qtest_outb(q, SMB_IO + 3, 0);
    qtest_outb(q, SMB_IO + 2, 0x40 | 2 << 2 | 1);
}

/* INTA# of slot 31 goes where D31IR says, and from there to the 8259As. */
static void test_pirq(void)
{
    QTest *q = qtest_start(Q35 RAM);
    const uint32_t rcba = 0xfed1c000;

    qtest_irq_intercept_in(q, "ioapic");
    config_writel(q, SMB, PCI_BASE_ADDRESS_4, SMB_IO);
    config_writew(q, SMB, PCI_COMMAND, PCI_COMMAND_IO);
    g_assert_cmphex(qtest_inb(q, SMB_IO), ==, 0xff);
    config_writeb(q, SMB, 0x40, 1);
    config_writel(q, LPC, 0xf0, rcba | 1);
    g_assert_cmphex(qtest_readw(q, rcba + 0x3140), ==, 0x3210);
    g_assert_false(qtest_get_irq(q, 16));
    smbus_read_byte(q);
    g_assert_true(qtest_get_irq(q, 16));
    g_assert_cmphex(qtest_inb(q, SMB_IO), ==, 0x02);
    /* While it is asserted, to PIRQ G. */
    qtest_writew(q, rcba + 0x3140, 0x3216);
    g_assert_false(qtest_get_irq(q, 16));
    g_assert_true(qtest_get_irq(q, 22));
    g_assert_false(qtest_get_irq(q, 10));
    config_writeb(q, LPC, 0x6a, 10);
    g_assert_true(qtest_get_irq(q, 10));
    config_writeb(q, LPC, 0x6a, 0x80 | 10);
    g_assert_false(qtest_get_irq(q, 10));
    qtest_outb(q, SMB_IO, 0x02);
    g_assert_false(qtest_get_irq(q, 22));
    qtest_quit(q);
}

/* The SCI: by default 9; it can share PIRQ E's pin. */
static void test_sci(void)
{
    QTest *q = qtest_start(Q35 RAM);

    qtest_irq_intercept_in(q, "ioapic");
    enable_pm(q, PM);
    qtest_outw(q, PM + 2, 1 << 8);
    json_unref(qtest_qmp(q, "{'execute': 'system_powerdown'}"));
    g_assert_true(qtest_get_irq(q, 9));
    config_writeb(q, LPC, 0x44, 0x84);
    g_assert_false(qtest_get_irq(q, 9));
    g_assert_true(qtest_get_irq(q, 20));
    qtest_outw(q, PM, 1 << 8);
    g_assert_false(qtest_get_irq(q, 20));
    qtest_quit(q);
}

static void start_tco(QTest *q)
{
    enable_pm(q, PM);
    qtest_outw(q, PM + 0x72, 10);
    qtest_outw(q, PM + 0x60, 1);
}

#define TCO_TICK INT64_C(600000000)

static void test_tco(void)
{
    QTest *q = qtest_start(Q35 RAM "-global ICH9-LPC.noreboot=off");

    start_tco(q);
    g_assert_cmphex(qtest_inw(q, PM + 0x60), ==, 10);
    qtest_clock_step(q, 4 * TCO_TICK);
    g_assert_cmphex(qtest_inw(q, PM + 0x60), ==, 6);
    /* Halted, it keeps its value. */
    qtest_outw(q, PM + 0x68, 1 << 11);
    qtest_clock_step(q, 20 * TCO_TICK);
    g_assert_cmphex(qtest_inw(q, PM + 0x60), ==, 6);
    qtest_outw(q, PM + 0x68, 0);
    g_assert_cmphex(qtest_inw(q, PM + 0x64), ==, 0);
    qtest_clock_step(q, 6 * TCO_TICK);
    g_assert_cmphex(qtest_inw(q, PM + 0x64), ==, 1 << 3);
    qtest_outw(q, PM + 0x64, 1 << 3);
    g_assert_cmphex(qtest_inw(q, PM + 0x64), ==, 0);
    qtest_clock_step(q, 10 * TCO_TICK);
    json_unref(qtest_qmp_event(q, "RESET"));
    /* All of it is as after power-on. */
    enable_pm(q, PM);
    g_assert_cmphex(qtest_inw(q, PM + 0x66), ==, 0);
    g_assert_cmphex(qtest_inw(q, PM + 0x72), ==, 4);
    qtest_quit(q);
}

/* The second timeout only says so where "no reboot" is strapped. */
static void test_tco_no_reboot(void)
{
    QTest *q = qtest_start(Q35 RAM);

    start_tco(q);
    qtest_clock_step(q, 21 * TCO_TICK);
    g_assert_cmphex(qtest_inw(q, PM + 0x64), ==, 1 << 3);
    g_assert_cmphex(qtest_inw(q, PM + 0x66), ==, 1 << 1);
    qtest_outw(q, PM + 0x66, 1 << 1);
    g_assert_cmphex(qtest_inw(q, PM + 0x66), ==, 0);
    /* Once locked, it stays so. */
    qtest_outw(q, PM + 0x68, 1 << 12);
    qtest_outw(q, PM + 0x68, 0);
    g_assert_cmphex(qtest_inw(q, PM + 0x68), ==, 1 << 12);
    qtest_quit(q);
}

/* The registers of hot-plug: 0 reads slots with something new, once. */
enum { HP = 0xcc0, HP_UP = HP, HP_DOWN = HP + 4, HP_EJECT = HP + 8 };

static void select_bus(QTest *q, uint32_t bsel)
{
    qtest_outl(q, HP + 0x10, bsel);
    g_assert_cmphex(qtest_inl(q, HP + 0x10), ==, bsel);
}

static void plug(QTest *q, const char *bus)
{
    JsonValue *r =
        qtest_qmp(q,
                  "{'execute': 'device_add', 'arguments': {'driver': "
                  "'virtio-rng-pci', 'id': 'card', 'bus': '%s'}}",
                  bus);

    g_assert_null(json_object_get(r, "error"));
    json_unref(r);
}

/* Is the guest asked? */
static bool ask_unplug(QTest *q)
{
    g_autoptr(JsonValue) r =
        qtest_qmp(q, "{'execute': 'device_del', 'arguments': {'id': 'card'}}");

    return !json_object_has(r, "error");
}

/* Is there a function behind the first port, after bus numbers? */
static uint32_t card_id(QTest *q)
{
    config_writel(q, PORT, PCI_PRIMARY_BUS, 0x00010100);
    return config_readl(q, 1 << 8, 0);
}

/* Behind ports: the one made last is number 0; one may be left out. */
static void test_hot_plug(void)
{
    QTest *q = qtest_start(
        Q35 RAM "-device pcie-root-port,id=a,chassis=1,addr=2 "
                "-device pcie-root-port,id=b,chassis=2,addr=3 "
                "-device pcie-root-port,id=c,chassis=3,addr=4,hotplug=off");
    JsonValue *r;

    enable_pm(q, PM);
    plug(q, "a");
    g_assert_cmphex(qtest_inb(q, PM + 0x20), ==, 1 << 1);
    select_bus(q, 0);
    g_assert_cmphex(qtest_inl(q, HP_UP), ==, 0);
    select_bus(q, 1);
    g_assert_cmphex(qtest_inl(q, HP_UP), ==, 1);
    g_assert_cmphex(qtest_inl(q, HP_UP), ==, 0);
    g_assert_cmphex(card_id(q), ==, 0x10441af4);
    ask_unplug(q);
    g_assert_cmphex(qtest_inl(q, HP_DOWN), ==, 1);
    g_assert_cmphex(card_id(q), ==, 0x10441af4);
    /* Of another bus, nothing goes. */
    select_bus(q, 0);
    qtest_outl(q, HP_EJECT, 1);
    select_bus(q, 200);
    qtest_outl(q, HP_EJECT, 1);
    qtest_outl(q, HP + 0x10, UINT32_MAX);
    qtest_outl(q, HP_EJECT, 1);
    g_assert_cmphex(card_id(q), ==, 0x10441af4);
    select_bus(q, 1);
    qtest_outl(q, HP_EJECT, 1);
    json_unref(qtest_qmp_event(q, "DEVICE_DELETED"));
    g_assert_cmphex(card_id(q), ==, UINT32_MAX);
    /* What a guest never let go of goes with a reset. */
    plug(q, "a");
    ask_unplug(q);
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    json_unref(qtest_qmp_event(q, "DEVICE_DELETED"));
    /* Not on the root bus, not where the port says so. */
    r = qtest_qmp(q, "{'execute': 'device_add', 'arguments': {'driver': "
                     "'virtio-rng-pci', 'bus': 'pcie.0'}}");
    g_assert_nonnull(json_object_get(r, "error"));
    json_unref(r);
    r = qtest_qmp(q, "{'execute': 'device_add', 'arguments': {'driver': "
                     "'virtio-rng-pci', 'bus': 'c'}}");
    g_assert_nonnull(json_object_get(r, "error"));
    json_unref(r);
    qtest_quit(q);
}

enum { EXP = 0x54 }; /* the port's PCI Express capability */

static uint16_t slot_readw(QTest *q, unsigned reg)
{
    select_reg(q, PORT, EXP + reg);
    return qtest_inw(q, 0xcfc + ((EXP + reg) & 2));
}

/* By the slot's events, where the board leaves it to the port. */
static void test_native_hot_plug(void)
{
    QTest *q =
        qtest_start(Q35 RAM "-global "
                            "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
                            "-device pcie-root-port,id=a,chassis=1,addr=2");
    const uint16_t news =
        PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_ABP;

    g_assert_cmphex(slot_readw(q, PCI_EXP_SLTSTA), ==, 0);
    plug(q, "a");
    g_assert_cmphex(slot_readw(q, PCI_EXP_SLTSTA), ==, news);
    g_assert_cmphex(slot_readw(q, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_DLLLA, ==,
                    PCI_EXP_LNKSTA_DLLLA);
    /* Its power was never on: it goes at once. */
    ask_unplug(q);
    json_unref(qtest_qmp_event(q, "DEVICE_DELETED"));
    g_assert_cmphex(slot_readw(q, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS, ==, 0);
    plug(q, "a");
    config_writew(q, PORT, EXP + PCI_EXP_SLTCTL, PCI_EXP_SLTCTL_PWR_IND_ON);
    config_writew(q, PORT, EXP + PCI_EXP_SLTSTA, 0x1f);
    g_assert_cmphex(slot_readw(q, PCI_EXP_SLTSTA), ==, PCI_EXP_SLTSTA_PDS);
    ask_unplug(q);
    g_assert_cmphex(slot_readw(q, PCI_EXP_SLTSTA), ==,
                    PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_ABP);
    /* A button that is pressed again within 5 s would say: don't. */
    qtest_clock_step(q, 4900 * INT64_C(1000000));
    g_assert_false(ask_unplug(q));
    config_writew(q, PORT, EXP + PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_ABP);
    qtest_clock_step(q, 200 * INT64_C(1000000));
    g_assert_true(ask_unplug(q));
    g_assert_cmphex(slot_readw(q, PCI_EXP_SLTSTA), ==,
                    PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_ABP);
    g_assert_cmphex(card_id(q), ==, 0x10441af4);
    config_writew(q, PORT, EXP + PCI_EXP_SLTCTL,
                  PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF);
    json_unref(qtest_qmp_event(q, "DEVICE_DELETED"));
    g_assert_cmphex(slot_readw(q, PCI_EXP_SLTSTA) &
                        (PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_PDC),
                    ==, PCI_EXP_SLTSTA_PDC);
    g_assert_cmphex(slot_readw(q, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_DLLLA, ==,
                    0);
    g_assert_cmphex(card_id(q), ==, UINT32_MAX);
    qtest_quit(q);
}

/* fw_cfg: a file's key; its name ends the entry of 64 bytes. */
static uint16_t file_key(QTest *q, const char *name)
{
    uint8_t entry[64];
    unsigned n = 0;

    qtest_outw(q, 0x510, 0x19);
    for (unsigned i = 0; i < 4; i++) {
        n = n << 8 | qtest_inb(q, 0x511);
    }
    for (unsigned k = 0; k < n; k++) {
        for (unsigned i = 0; i < sizeof(entry); i++) {
            entry[i] = qtest_inb(q, 0x511);
        }
        if (g_str_equal((const char *)entry + 8, name)) {
            return entry[4] << 8 | entry[5];
        }
    }
    g_error("no file '%s'", name);
}

static uint8_t file_readb(QTest *q, const char *name)
{
    qtest_outw(q, 0x510, file_key(q, name));
    return qtest_inb(q, 0x511);
}

/* Writes the first byte of a file by DMA: descriptor at 4 KiB, data behind. */
static void file_writeb(QTest *q, const char *name, uint8_t val)
{
    uint16_t key = file_key(q, name);
    const uint8_t dma[16] = {
        key >> 8, key, 0, 1 << 3 | 1 << 4, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0x20,
    };

    qtest_writeq(q, 0x2000, val);
    qtest_memwrite(q, 0x1000, dma, sizeof(dma));
    qtest_outl(q, 0x514, 0);
    qtest_outl(q, 0x518, GUINT32_TO_BE(0x1000));
    g_assert_cmphex(qtest_readl(q, 0x1000), ==, 0);
}

/* Firmware gets what it wants if all of that is there, once. */
static void test_smi_features(void)
{
    QTest *q = qtest_start("-machine q35,smm=off "
                           "-global ICH9-LPC.x-smi-cpu-hotunplug=off");

    g_assert_cmphex(file_readb(q, "etc/smi/supported-features"), ==, 3);
    file_writeb(q, "etc/smi/requested-features", 4 | 1);
    g_assert_cmphex(file_readb(q, "etc/smi/features-ok"), ==, 0);
    /* Plugged CPUs need the broadcast. */
    file_writeb(q, "etc/smi/requested-features", 2);
    g_assert_cmphex(file_readb(q, "etc/smi/features-ok"), ==, 0);
    file_writeb(q, "etc/smi/requested-features", 1);
    g_assert_cmphex(file_readb(q, "etc/smi/features-ok"), ==, 1);
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    g_assert_cmphex(file_readb(q, "etc/smi/requested-features"), ==, 0);
    file_writeb(q, "etc/smi/requested-features", 4);
    g_assert_cmphex(file_readb(q, "etc/smi/features-ok"), ==, 0);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/q35/functions", test_functions);
    g_test_add_func("/q35/mmconfig", test_mmconfig);
    g_test_add_func("/q35/smram-lock", test_smram_lock);
    g_test_add_func("/q35/tseg", test_tseg);
    g_test_add_func("/q35/smbase", test_smbase);
    g_test_add_func("/q35/pm-block", test_pm_block);
    g_test_add_func("/q35/smi-lock", test_smi_lock);
    g_test_add_func("/q35/pirq", test_pirq);
    g_test_add_func("/q35/sci", test_sci);
    g_test_add_func("/q35/tco", test_tco);
    g_test_add_func("/q35/tco-no-reboot", test_tco_no_reboot);
    g_test_add_func("/q35/hot-plug", test_hot_plug);
    g_test_add_func("/q35/native-hot-plug", test_native_hot_plug);
    g_test_add_func("/q35/smi-features", test_smi_features);
    return g_test_run();
}
