/*
 * NUMA nodes: what the guest's firmware reads of them, and what is refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/libqtest.h"

#define BACKENDS                                \
    "-object memory-backend-ram,id=a,size=24M " \
    "-object memory-backend-ram,id=b,size=40M "

enum { FW_CFG_SELECT = 0x510, FW_CFG_DATA = 0x511, FW_CFG_NUMA = 0x0d };

static void expect_words(QTest *q, const uint64_t *want, unsigned n)
{
    qtest_outw(q, FW_CFG_SELECT, FW_CFG_NUMA);
    for (unsigned i = 0; i < n; i++) {
        uint64_t word = 0;

        for (unsigned k = 0; k < 8; k++) {
            word |= (uint64_t)qtest_inb(q, FW_CFG_DATA) << (8 * k);
        }
        g_assert_cmphex(word, ==, want[i]);
    }
}

static void expect_info(QTest *q, const char *want)
{
    g_autofree char *text = qtest_hmp(q, "info numa");

    g_test_message("%s", text);
    g_assert_nonnull(strstr(text, want));
}

/* Memory lies behind each other; each CPU is where it was put. */
static void test_nodes(void)
{
    static const uint64_t words[] = { 2, 1, 0, 1, 1, 24 * MiB, 40 * MiB };
    QTest *q = qtest_start("-machine pc -m 64 -smp 4 " BACKENDS
                           "-numa node,memdev=a,cpus=1 "
                           "-numa node,memdev=b,cpus=0,cpus=2-3");

    expect_words(q, words, G_N_ELEMENTS(words));
    expect_info(q, "node 1 cpus: 0 2 3\r\nnode 1 size: 40 MB\r\n");
    for (uint64_t addr = 24 * MiB - 8; addr <= 24 * MiB; addr += 8) {
        qtest_writeq(q, addr, ~addr);
    }
    g_assert_cmphex(qtest_readq(q, 24 * MiB - 8), ==, ~(24 * MiB - 8));
    g_assert_cmphex(qtest_readq(q, 24 * MiB), ==, ~(24 * MiB));
    qtest_quit(q);
}

/* Nobody says where CPUs are: sockets go round.  Or by their place. */
static void test_cpus(void)
{
    static const uint64_t round[] = { 2, 0, 0, 1, 1 };
    static const uint64_t placed[] = { 2, 1, 1, 1, 0 };
    QTest *q =
        qtest_start("-machine pc -m 64 -smp 4,sockets=2,cores=2 " BACKENDS
                    "-numa node,memdev=a -numa node,memdev=b");

    expect_words(q, round, G_N_ELEMENTS(round));
    qtest_quit(q);
    q = qtest_start("-machine pc -m 64 -smp 4,sockets=2,cores=2 " BACKENDS
                    "-numa node,memdev=a -numa node,memdev=b "
                    "-numa cpu,node-id=1,socket-id=0 "
                    "-numa cpu,node-id=1,socket-id=1,core-id=0 "
                    "-numa cpu,node-id=0,socket-id=1,core-id=1,thread-id=0");
    expect_words(q, placed, G_N_ELEMENTS(placed));
    qtest_quit(q);
}

static void test_refused(void)
{
    static const struct {
        const char *args, *message;
    } t[] = {
        { "-machine microvm -numa node", "NUMA is not supported by this" },
        { "-numa node", "total memory for NUMA nodes (0x0) should equal RAM "
                        "size (0x4000000)" },
        { "-numa node,mem=64M", "Parameter mem is not supported" },
        { "-numa node,memdev=x", "Memory backend 'x' not found" },
        { "-numa node,memdev=a -numa node,memdev=b -numa node,memdev=b",
          "total memory for NUMA nodes (0x6800000) should equal" },
        { "-m 48 -numa node,memdev=a -numa node,memdev=a",
          "can't use already busy memdev: a" },
        { "-numa node,cpus=0-1", "CPU index (1) should be smaller than max" },
        { "-numa node,cpus=0-18446744073709551615", "CPU index (1) should be" },
        { "-numa node,cpus=1-0", "cpus=1-0 is no range of CPUs" },
        { "-numa node,cpus=-1", "cpus=-1 is no range of CPUs" },
        { "-numa node,cpus=0 -numa node,cpus=0",
          "CPU is already assigned to node-id: 0" },
        { "-numa node,nodeid=1", "numa: Node ID missing: 0" },
        { "-numa node,nodeid=128", "Max number of NUMA nodes reached: 128" },
        { "-numa node -numa node,nodeid=0", "Duplicate NUMA nodeid: 0" },
        { "-numa dist,src=0,dst=0,val=10", "Source/Destination NUMA node is" },
        { "-numa node -numa dist,src=0,dst=200,val=10", "Source/Destination" },
        { "-numa node -numa dist,src=0,dst=0,val=11",
          "Local distance of node 0 should be 10" },
        { "-numa node -numa node -numa dist,src=0,dst=1,val=9",
          "NUMA distance (9) is invalid" },
        { "-numa node,memdev=a -numa node,memdev=b -numa node "
          "-numa dist,src=0,dst=1,val=11",
          "The distance between node 0 and 2 is missing" },
        { "-numa node,memdev=a -numa node,memdev=b -numa node "
          "-numa dist,src=0,dst=1,val=11 -numa dist,src=1,dst=0,val=12 "
          "-numa dist,src=0,dst=2,val=11 -numa dist,src=1,dst=2,val=11",
          "At least one asymmetrical pair of distances is given" },
        { "-numa cpu,node-id=0", "Invalid node-id=0" },
        { "-numa node -numa cpu,node-id=0,socket-id=7", "no match found" },
        { "-numa hmat-lb,initiator=0", "type=hmat-lb is not supported" },
        { "-numa node,memdev=a -machine memory-backend=a",
          "properties are mutually exclusive" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *args = g_strdup_printf(
            "-machine pc -m 64 -nodefaults -display none " BACKENDS "%s",
            t[i].args);
        int status = 0;
        g_autofree char *err = qtest_run(args, &status);

        g_test_message("%s: %s", t[i].args, err);
        g_assert_cmpint(status, !=, 0);
        g_assert_nonnull(strstr(err, t[i].message));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/numa/nodes", test_nodes);
    g_test_add_func("/numa/cpus", test_cpus);
    g_test_add_func("/numa/refused", test_refused);
    return g_test_run();
}
