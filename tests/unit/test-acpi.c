/*
 * ACPI tables: AML encoding, table framing, and the tables of both machines,
 * which the reference compiler has to accept where it is installed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/pc-tables.h"

#include <glib/gstdio.h>

#include "util/bswap.h"

static void assert_code(Aml *a, const void *want, size_t len)
{
    g_assert_cmpmem(a->code->data, a->code->len, want, len);
    g_byte_array_set_size(a->code, 0);
}
#define ASSERT_CODE(a_, ...)                            \
    do {                                                \
        static const uint8_t want_[] = { __VA_ARGS__ }; \
        assert_code(a_, want_, sizeof(want_));          \
    } while (0)

static void test_numbers(void)
{
    Aml a;

    aml_init(&a);
    aml_int(&a, 0);
    ASSERT_CODE(&a, 0x00);
    aml_int(&a, 1);
    ASSERT_CODE(&a, 0x01);
    aml_int(&a, 2);
    ASSERT_CODE(&a, 0x0a, 0x02);
    aml_int(&a, 0x1234);
    ASSERT_CODE(&a, 0x0b, 0x34, 0x12);
    aml_int(&a, 0x12345678);
    ASSERT_CODE(&a, 0x0c, 0x78, 0x56, 0x34, 0x12);
    aml_int(&a, UINT64_C(0x1234567890));
    ASSERT_CODE(&a, 0x0e, 0x90, 0x78, 0x56, 0x34, 0x12, 0, 0, 0);
    aml_name_eisaid(&a, "_HID", "PNP0501");
    ASSERT_CODE(&a, 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01);
    aml_fini(&a);
}

static void test_paths(void)
{
    Aml a;

    aml_init(&a);
    aml_path(&a, "\\");
    ASSERT_CODE(&a, 0x5c, 0x00);
    aml_path(&a, "ABC");
    ASSERT_CODE(&a, 'A', 'B', 'C', '_');
    aml_path(&a, "\\_SB.PCI0");
    ASSERT_CODE(&a, 0x5c, 0x2e, '_', 'S', 'B', '_', 'P', 'C', 'I', '0');
    aml_path(&a, "^A.B.C");
    ASSERT_CODE(&a, 0x5e, 0x2f, 3, 'A', '_', '_', '_', 'B', '_', '_', '_', 'C',
                '_', '_', '_');
    aml_fini(&a);
}

/* A package's length as it is read back, and how many bytes it takes. */
static size_t read_length(const uint8_t *p, unsigned *ret_n)
{
    unsigned n = p[0] >> 6;
    size_t len = n == 0 ? p[0] & 0x3f : p[0] & 0xf;

    for (unsigned i = 1; i <= n; i++) {
        len |= (size_t)p[i] << (8 * i - 4);
    }
    *ret_n = n + 1;
    return len;
}

static void test_lengths(void)
{
    static const size_t sizes[] = { 0,       1,      61,      62,      63,
                                    64,      4092,   4093,    4094,    4095,
                                    4096,    65536,  1048570, 1048572, 1048573,
                                    1048576, 3000000 };

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        Aml a;
        size_t mark;
        unsigned n;

        g_test_message("size %zu", sizes[i]);
        aml_init(&a);
        mark = aml_begin(&a, AML_SCOPE);
        for (size_t k = 0; k < sizes[i]; k++) {
            aml_byte(&a, 0x55);
        }
        aml_end(&a, mark);
        g_assert_cmpuint(read_length(a.code->data + 1, &n), ==,
                         a.code->len - 1);
        g_assert_cmpuint(a.code->len, ==, 1 + n + sizes[i]);
        for (size_t k = 1 + n; k < a.code->len; k++) {
            g_assert_cmphex(a.code->data[k], ==, 0x55);
        }
        aml_fini(&a);
    }
}

static const AcpiCpu cpus[] = {
    { 0, true }, { 1, true }, { 4, false }, { 300, true }
};

static AcpiPciFunction cards[] = { { .devfn = 1 << 3, .bsel = -1 } };
static AcpiPciFunction root_functions[] = {
    { .devfn = 0, .fixed = true, .bsel = -1 },
    { .devfn = 1 << 3, .fixed = true, .bsel = -1 },
    { .devfn = 1 << 3 | 1, .fixed = true, .bsel = -1 },
    { .devfn = 4 << 3 | 1,
      .fixed = true,
      .bsel = 0x17,
      .nslots = 32,
      .below = cards,
      .nbelow = G_N_ELEMENTS(cards) },
};

static const AcpiConfig config = {
    .ids = { "BOCHS ", "BXPC    " },
    .cpus = cpus,
    .ncpus = G_N_ELEMENTS(cpus),
    .ioapics = { { 0, 0xfec00000, 0 }, { 1, 0xfec10000, 24 } },
    .nioapics = 1,
    .rtc = true,
    .i8042 = true,
    .fdc = true,
    .hpet = true,
    .serials = 0xf,
    .pci_hole = 0xc0000000,
    .pci_hole64 = UINT64_C(0x180000000),
    .pci_hole64_len = UINT64_C(0x80000000),
    .pm_base = 0x600,
    .s3 = true,
    .s4 = true,
    .s4_type = 2,
    .root = { .bsel = 0,
              .nslots = 32,
              .below = root_functions,
              .nbelow = G_N_ELEMENTS(root_functions) },
};

/* Every table from the root on has a sum of zero and fits. */
static void check_tables(const AcpiTables *t, uint64_t base, bool xsdt,
                         const char *const *want)
{
    const uint8_t *rsdp = t->rsdp->data, *root;
    unsigned width = xsdt ? 8 : 4, n = 0;
    uint64_t root_addr = ldn_le_p(rsdp + (xsdt ? 24 : 16), width);

    g_assert_cmpuint(acpi_checksum(rsdp, 20), ==, 0);
    if (xsdt) {
        g_assert_cmpuint(acpi_checksum(rsdp, 36), ==, 0);
    }
    g_assert_cmphex(root_addr, >=, base);
    root = t->tables->data + (root_addr - base);
    for (uint32_t off = 36; off < ldl_le_p(root + 4); off += width, n++) {
        uint64_t addr = ldn_le_p(root + off, width);
        const uint8_t *table = t->tables->data + (addr - base);

        g_assert_nonnull(want[n]);
        g_assert_cmpmem(table, 4, want[n], 4);
        g_assert_true(
            range_fits(addr - base, ldl_le_p(table + 4), t->tables->len));
        g_assert_cmpuint(acpi_checksum(table, ldl_le_p(table + 4)), ==, 0);
    }
    g_assert_null(want[n]);
    g_assert_cmpuint(acpi_checksum(root, ldl_le_p(root + 4)), ==, 0);
}

static void test_pc(void)
{
    static const char *const want[] = { "FACP", "APIC", "HPET", "WAET", NULL };
    const uint8_t *fadt, *dsdt;
    AcpiTables t;

    acpi_tables_init(&t, &config.ids);
    acpi_build_pc(&t, &config);
    acpi_tables_place(&t, 0x7fe0000, 0xf0000);
    check_tables(&t, 0x7fe0000, false, want);
    g_assert_cmpmem(t.tables->data, 4, "FACS", 4);
    dsdt = t.tables->data + 64;
    g_assert_cmpmem(dsdt, 4, "DSDT", 4);
    g_assert_cmpuint(acpi_checksum(dsdt, ldl_le_p(dsdt + 4)), ==, 0);
    fadt = dsdt + ldl_le_p(dsdt + 4);
    g_assert_cmphex(ldl_le_p(fadt + 36), ==, 0x7fe0000);
    g_assert_cmphex(ldl_le_p(fadt + 40), ==, 0x7fe0000 + 64);
    g_assert_cmphex(ldl_le_p(fadt + 76), ==, 0x608);
    acpi_tables_fini(&t);
}

static char *temp_file(const void *data, size_t len)
{
    char *path = NULL;
    int fd = g_file_open_tmp("acpi-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(g_file_set_contents(path, data, len, NULL));
    close(fd);
    return path;
}

/* The same bytes as of QEMU 7.2, checksums included. */
static void test_user(void)
{
    static const char *const want[] = { "FACP", "APIC", "HPET", "WAET",
                                        "TEST", "QEMU", "SLIC", NULL };
    static const char slic[] = "SLIC....\1.OEMID_OEMTABLE\7\0\0\0ASLC\11\0\0";
    static const uint8_t head[] = "TEST4\0\0\0\3\xa9"
                                  "ABC\0\0\0DEFG\0\0\0\0\5\0\0\0XY\0\0\6\0\0";
    static const uint8_t plain[] = "QEMU,\0\0\0\1\xff"
                                   "QEMUQEQEMUQEMU\1\0\0\0QEMU\1\0\0";
    g_autofree char *data = temp_file("abcdefgh", 8);
    g_autofree char *file = temp_file(slic, sizeof(slic));
    g_autofree char *text =
        g_strdup_printf("sig=TEST,rev=3,oem_id=ABC,oem_table_id=DEFG,oem_rev=5,"
                        "asl_compiler_id=XY,asl_compiler_rev=6,data=%s:%s",
                        data, data);
    g_autofree char *whole = g_strdup_printf("file=%s,oem_id=Q", file);
    AcpiUserTables *user = NULL;
    const uint8_t *fadt;
    AcpiTables t;

    g_assert_true(acpi_user_tables_add(&user, text, NULL));
    g_assert_true(acpi_user_tables_add(&user, data, NULL));
    g_assert_true(acpi_user_tables_add(&user, whole, NULL));
    acpi_tables_init(&t, &config.ids);
    t.user = user;
    acpi_build_pc(&t, &config);
    acpi_tables_place(&t, 0x7fe0000, 0xf0000);
    check_tables(&t, 0x7fe0000, false, want);
    fadt = t.tables->data + 64 + ldl_le_p(t.tables->data + 64 + 4);
    g_assert_cmpmem(fadt + 10, 14, "Q\0\0\0\0\0OEMTABLE", 14);
    g_assert_cmpmem(t.rsdp->data + 9, 6, "BOCHS ", 6);
    g_assert_nonnull(memmem(t.tables->data, t.tables->len, head, 36));
    g_assert_nonnull(memmem(t.tables->data, t.tables->len, plain, 36));
    acpi_tables_fini(&t);
    acpi_user_tables_free(user);
    remove(data);
    remove(file);
}

static void test_bad_user(void)
{
    g_autofree char *data = temp_file("abcdefgh", 8);
    static const struct {
        const char *text, *error;
    } t[] = {
        { "sig=TEST", "one of 'data' or 'file'" },
        { "data=@,file=@", "one of 'data' or 'file'" },
        { "data=", "at least one pathname" },
        { "file=@", "the table has 8 bytes" },
        { "@:/nonexistent/x", "/nonexistent/x" },
        { "/dev/zero", "/dev/zero" },
        { "@,sig=TOOLONG", "'TOOLONG' is longer than 4 bytes" },
        { "@,oem_id=1234567", "'1234567' is longer than 6 bytes" },
        { "@,rev=256", "256" },
        { "@,foo=1", "'foo'" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_auto(GStrv) parts = g_strsplit(t[i].text, "@", -1);
        g_autofree char *text = g_strjoinv(data, parts);
        g_autoptr(GError) err = NULL;
        AcpiUserTables *user = NULL;

        g_test_message("%s", t[i].text);
        g_assert_false(acpi_user_tables_add(&user, text, &err));
        g_assert_null(user);
        g_assert_nonnull(strstr(err->message, t[i].error));
    }
    remove(data);
}

static unsigned count_bytes(const uint8_t *p, size_t n, const char *what,
                            size_t len)
{
    unsigned found = 0;

    for (size_t i = 0; i + len <= n; i++) {
        found += memcmp(p + i, what, len) == 0;
    }
    return found;
}

/* A bridge's bus has its own number and slots, and is told of events. */
static void test_bridge(void)
{
    static const struct {
        const char *what;
        size_t len;
        unsigned want;
    } t[] = {
        { "\x08"
          "BSEL\x00",
          6, 1 }, /* Name (BSEL, 0) */
        { "\x08"
          "BSEL\x0a\x17",
          7, 1 }, /* Name (BSEL, 0x17) */
        { "^S21PCNT", 8, 0 },
        { "^.S21_PCNT", 10, 1 },
        { "S09_", 4, 0 }, /* not by itself: its slot has BSEL */
        { "\x08_SUN", 5, 30 + 32 },
        { "_EJ0", 4, 30 + 32 },
    };
    const uint8_t *dsdt;
    AcpiTables tables;

    acpi_tables_init(&tables, &config.ids);
    acpi_build_pc(&tables, &config);
    dsdt = tables.tables->data + 64;
    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        g_assert_cmpuint(count_bytes(dsdt, ldl_le_p(dsdt + 4), t[i].what,
                                     t[i].len),
                         ==, t[i].want);
    }
    acpi_tables_fini(&tables);
}

static void test_microvm(void)
{
    static const char *const want[] = { "FACP", "APIC", NULL };
    AcpiConfig c = config;
    AcpiTables t;

    c.nioapics = 2;
    acpi_tables_init(&t, &c.ids);
    acpi_build_microvm(&t, &c);
    acpi_tables_place(&t, 0xe0040, 0xe0000);
    check_tables(&t, 0xe0040, true, want);
    acpi_tables_fini(&t);
}

/* IDs of the user's: a short one ends with NULs, none is cut at one. */
static void test_ids(void)
{
    AcpiConfig c = config;
    AcpiTables t;
    const uint8_t *dsdt;

    c.ids.oem_id = "AB";
    c.ids.oem_table_id = "XY Z";
    acpi_tables_init(&t, &c.ids);
    acpi_build_pc(&t, &c);
    dsdt = t.tables->data + 64;
    g_assert_cmpmem(dsdt + 10, 6, "AB\0\0\0\0", 6);
    g_assert_cmpmem(dsdt + 16, 8, "XY Z\0\0\0\0", 8);
    acpi_tables_fini(&t);
}

/* Memory on both sides of the hole below 4 GiB, and a node without any. */
static void test_numa(void)
{
    static const uint64_t sizes[] = { GiB, 3 * GiB, 0 };
    static const uint8_t far[] = { 10, 20, 30, 20, 10, 25, 30, 25, 10 };
    static const struct {
        uint32_t node;
        uint64_t base, len;
        uint32_t flags;
    } want[] = {
        { 0, 0, 0xa0000, 1 },   { 0, MiB, GiB - MiB, 1 },
        { 1, GiB, 2 * GiB, 1 }, { 1, 4 * GiB, GiB, 1 },
        { 0, 0, 0, 0 },
    };
    static const AcpiCpu two[] = { { 0, true, 0 }, { 300, true, 2 } };
    AcpiConfig c = config;
    AcpiTables t;
    const uint8_t *p;

    c.cpus = two;
    c.ncpus = G_N_ELEMENTS(two);
    c.nnodes = G_N_ELEMENTS(sizes);
    c.node_sizes = sizes;
    c.distances = far;
    c.ram_below_4g = 3 * GiB;
    acpi_tables_init(&t, &c.ids);
    acpi_put_srat(&t, &c);
    p = t.tables->data;
    g_assert_cmpmem(p, 4, "SRAT", 4);
    g_assert_cmpuint(ldl_le_p(p + 4), ==, t.tables->len);
    g_assert_cmpuint(t.tables->len, ==, 48 + 16 + 24 + 40 * 5);
    g_assert_cmphex(lduw_le_p(p + 48), ==, 0x1000);
    g_assert_cmphex(lduw_le_p(p + 64), ==, 0x1802);
    g_assert_cmpuint(ldl_le_p(p + 64 + 4), ==, 2);
    g_assert_cmpuint(ldl_le_p(p + 64 + 8), ==, 300);
    for (size_t i = 0; i < G_N_ELEMENTS(want); i++) {
        const uint8_t *m = p + 88 + 40 * i;

        g_assert_cmphex(lduw_le_p(m), ==, 0x2801);
        g_assert_cmpuint(ldl_le_p(m + 2), ==, want[i].node);
        g_assert_cmphex(ldq_le_p(m + 8), ==, want[i].base);
        g_assert_cmphex(ldq_le_p(m + 16), ==, want[i].len);
        g_assert_cmpuint(ldl_le_p(m + 28), ==, want[i].flags);
    }
    acpi_put_slit(&t, &c);
    p = t.tables->data + ldl_le_p(t.tables->data + 4);
    g_assert_cmpmem(p, 4, "SLIT", 4);
    g_assert_cmpuint(ldq_le_p(p + 36), ==, 3);
    g_assert_cmpmem(p + 44, ldl_le_p(p + 4) - 44, far, sizeof(far));
    acpi_tables_fini(&t);
}

static void run_iasl(const char *iasl, const char *dir, const char *arg,
                     const char *file)
{
    const char *argv[] = { iasl, arg, file, NULL };
    g_autofree char *out = NULL, *err = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    g_assert_true(g_spawn_sync(dir, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL,
                               NULL, &out, &err, &status, &error));
    if (status != 0 || strstr(out, "Error  ") || strstr(err, "Could not")) {
        g_test_message("%s %s: %s%s", arg, file, out, err);
        g_test_fail();
    }
}

/* Disassembled and compiled again, each table is the same code. */
static void check_with_iasl(const char *iasl,
                            void (*build)(AcpiTables *, const AcpiConfig *),
                            uint32_t skip)
{
    g_autofree char *dir = g_dir_make_tmp("acpi-XXXXXX", NULL);
    g_autofree char *aml = g_build_filename(dir, "t.aml", NULL);
    g_autofree char *dsl = g_build_filename(dir, "t.dsl", NULL);
    g_autofree char *again = NULL;
    uint32_t off = skip;
    AcpiTables t;

    acpi_tables_init(&t, &config.ids);
    build(&t, &config);
    acpi_tables_place(&t, 0x100000, 0xf0000);
    while (off < t.tables->len) {
        const uint8_t *table = t.tables->data + off;
        uint32_t len = ldl_le_p(table + 4);
        bool code = memcmp(table, "DSDT", 4) == 0;
        size_t n;

        g_assert_true(g_file_set_contents(aml, (const char *)table, len, NULL));
        run_iasl(iasl, dir, "-d", "t.aml");
        if (code) {
            run_iasl(iasl, dir, "-oa", "t.dsl");
            g_clear_pointer(&again, g_free);
            g_assert_true(g_file_get_contents(aml, &again, &n, NULL));
            g_assert_cmpmem(again + 36, n - 36, table + 36, len - 36);
        }
        off += len;
    }
    acpi_tables_fini(&t);
    g_unlink(aml);
    g_unlink(dsl);
    g_rmdir(dir);
}

static void test_iasl(void)
{
    g_autofree char *iasl = g_find_program_in_path("iasl");

    if (iasl == NULL) {
        g_test_skip("iasl (package acpica-tools) is not installed");
        return;
    }
    check_with_iasl(iasl, acpi_build_pc, 64);
    check_with_iasl(iasl, acpi_build_microvm, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/acpi/aml/numbers", test_numbers);
    g_test_add_func("/acpi/aml/paths", test_paths);
    g_test_add_func("/acpi/aml/lengths", test_lengths);
    g_test_add_func("/acpi/tables/ids", test_ids);
    g_test_add_func("/acpi/tables/numa", test_numa);
    g_test_add_func("/acpi/tables/pc", test_pc);
    g_test_add_func("/acpi/tables/user", test_user);
    g_test_add_func("/acpi/tables/user/bad", test_bad_user);
    g_test_add_func("/acpi/tables/bridge", test_bridge);
    g_test_add_func("/acpi/tables/microvm", test_microvm);
    g_test_add_func("/acpi/tables/iasl", test_iasl);
    return g_test_run();
}
