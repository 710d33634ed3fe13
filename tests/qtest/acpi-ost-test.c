/*
 * qtest: what a guest says of its CPUs by _OST reaches the monitor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/libqtest.h"

enum {
    PC_REGS = 0xaf00,
    Q35_REGS = 0xcd8,
    REG_SELECTOR = 0,
    REG_COMMAND = 5,
    REG_DATA = 8,
    CMD_OST_EVENT = 1,
    CMD_OST_STATUS = 2,
    EJECT_REQUEST = 3, /* ACPI 6.4, section 6.3.5 */
    IN_PROGRESS = 0x84,
};

/* The AML of _OST does this. */
static void say(QTest *q, uint16_t regs, uint32_t cpu, uint32_t event,
                uint32_t status)
{
    qtest_outl(q, regs + REG_SELECTOR, cpu);
    qtest_outb(q, regs + REG_COMMAND, CMD_OST_EVENT);
    qtest_outl(q, regs + REG_DATA, event);
    qtest_outb(q, regs + REG_COMMAND, CMD_OST_STATUS);
    qtest_outl(q, regs + REG_DATA, status);
}

static void check_int(const JsonValue *info, const char *name, int64_t wanted)
{
    int64_t n = -1;

    g_assert_true(json_get_int(json_object_get(info, name), &n));
    g_assert_cmpint(n, ==, wanted);
}

static void check_info(const JsonValue *info, const char *slot, int64_t source,
                       int64_t status)
{
    g_assert_cmpstr(json_get_string(json_object_get(info, "slot")), ==, slot);
    g_assert_cmpstr(json_get_string(json_object_get(info, "slot-type")), ==,
                    "CPU");
    g_assert_null(json_object_get(info, "device"));
    check_int(info, "source", source);
    check_int(info, "status", status);
}

static JsonValue *query(QTest *q)
{
    return qtest_qmp(q, "{'execute': 'query-acpi-ospm-status'}");
}

static void check_none(QTest *q)
{
    g_autoptr(JsonValue) all = query(q);

    g_assert_cmpuint(json_array_len(all), ==, 0);
}

static void check_event(QTest *q, const char *slot, int64_t source,
                        int64_t status)
{
    g_autoptr(JsonValue) ev = qtest_qmp_event(q, "ACPI_DEVICE_OST");
    const JsonValue *data = json_object_get(ev, "data");

    check_info(json_object_get(data, "info"), slot, source, status);
}

static void check_machine(const char *machine, uint16_t regs)
{
    QTest *q = qtest_startf("-machine %s -smp 2,maxcpus=3", machine);
    g_autoptr(JsonValue) all = NULL;

    check_none(q); /* the guest hasn't looked yet */
    qtest_outl(q, regs + REG_SELECTOR, 0);
    say(q, regs, 1, EJECT_REQUEST, IN_PROGRESS);
    check_event(q, "1", EJECT_REQUEST, IN_PROGRESS);
    say(q, regs, 2, UINT32_MAX, UINT32_MAX);
    check_event(q, "2", UINT32_MAX, UINT32_MAX);
    say(q, regs, 3, 1, 1); /* no such CPU */
    say(q, regs, UINT32_MAX, 1, 1);
    all = query(q);
    g_assert_cmpuint(json_array_len(all), ==, 3);
    check_info(json_array_at(all, 0), "0", 0, 0);
    check_info(json_array_at(all, 1), "1", EJECT_REQUEST, IN_PROGRESS);
    check_info(json_array_at(all, 2), "2", UINT32_MAX, UINT32_MAX);
    say(q, regs, 0, 1, 0);
    check_event(q, "0", 1, 0); /* nothing came of those */
    qtest_quit(q);
}

static void test_pc(void)
{
    check_machine("pc", PC_REGS);
}

static void test_q35(void)
{
    check_machine("q35", Q35_REGS);
}

/* Machines without such CPUs, and without ACPI. */
static void test_others(void)
{
    QTest *q = qtest_start("-machine microvm");
    g_autoptr(JsonValue) answer = NULL;

    check_none(q);
    qtest_quit(q);
    q = qtest_start("-machine none");
    answer = query(q);
    g_assert_cmpstr(json_get_string(json_object_get(
                        json_object_get(answer, "error"), "desc")),
                    ==, "command is not supported, missing ACPI device");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/acpi-ost/pc", test_pc);
    g_test_add_func("/acpi-ost/q35", test_q35);
    g_test_add_func("/acpi-ost/others", test_others);
    return g_test_run();
}
