/*
 * SMBIOS: options and the tables they make.  The expected bytes are what a
 * guest of QEMU 7.2's pc-i440fx-7.2 reads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/smbios.h"

#include <glib/gstdio.h>

#include "util/bswap.h"

#define TIB (UINT64_C(1) << 40)

/* One structure of a table, found by walking. */
typedef struct Found {
    const uint8_t *p;
    unsigned nstrings;
    const char *strings[256];
} Found;

typedef struct Fixture {
    SmbiosOptions *o;
    SmbiosInfo info;
    GArray *e820;
    GByteArray *tables, *anchor;
    unsigned count, longest; /* by walking */
} Fixture;

static void add_ram(Fixture *f, uint64_t addr, uint64_t size, E820Type type)
{
    const E820Entry e = { .addr = addr, .size = size, .type = type };

    g_array_append_val(f->e820, e);
}

static void setup(Fixture *f, gconstpointer data)
{
    f->o = smbios_options_new();
    f->e820 = g_array_new(FALSE, FALSE, sizeof(E820Entry));
    f->info = (SmbiosInfo){
        .manufacturer = "QEMU",
        .product = "Standard PC (i440FX + PIIX, 1996)",
        .version = "pc-i440fx-7.2",
        .cpuid_eax = 0x00060fb1,
        .cpuid_edx = 0x078bfbfd,
        .smp = { 1, 1, 1, 1, 1, 1 },
        .ram_size = 128 * MiB,
        .e820 = f->e820,
    };
    add_ram(f, 0, 128 * MiB, E820_RAM);
    add_ram(f, 0xfeffc000, 0x4000, E820_RESERVED);
}

static void forget_tables(Fixture *f)
{
    g_clear_pointer(&f->tables, g_byte_array_unref);
    g_clear_pointer(&f->anchor, g_byte_array_unref);
}

static void teardown(Fixture *f, gconstpointer data)
{
    forget_tables(f);
    smbios_options_free(f->o);
    g_array_unref(f->e820);
}

static void add(Fixture *f, const char *text)
{
    GError *err = NULL;

    smbios_options_add(f->o, text, &err);
    g_assert_no_error(err);
}

/* Refused with a message that has all of `words`, separated by '|'. */
static void assert_refused(const char *first, const char *text,
                           const char *words)
{
    g_auto(GStrv) word = g_strsplit(words, "|", -1);
    SmbiosOptions *o = smbios_options_new();
    g_autoptr(GError) err = NULL;

    if (first != NULL) {
        g_assert_true(smbios_options_add(o, first, &err));
    }
    g_test_message("%s", text);
    g_assert_false(smbios_options_add(o, text, &err));
    g_assert_nonnull(err);
    for (unsigned i = 0; word[i] != NULL; i++) {
        g_assert_nonnull(strstr(err->message, word[i]));
    }
    smbios_options_free(o);
}

/*
 * Walks all structures: each has to be whole, the last one is type 127, and
 * the entry point has to agree.  Returns the nth of `type` in *ret.
 */
static bool walk(Fixture *f, uint8_t type, unsigned nth, Found *ret)
{
    const uint8_t *p = f->tables->data, *end = p + f->tables->len;
    bool found = false;
    uint8_t last = 0;

    f->count = 0;
    f->longest = 0;
    while (p < end) {
        const uint8_t *s = p + p[1];
        Found here = { .p = p };

        g_assert_cmpint(p[1], >=, 4);
        g_assert_true(s + 2 <= end);
        while (*s != 0) {
            const uint8_t *nul = memchr(s, 0, end - s);

            g_assert_nonnull(nul);
            g_assert_cmpint(here.nstrings, <, 255);
            here.strings[++here.nstrings] = (const char *)s;
            s = nul + 1;
        }
        s += here.nstrings == 0 ? 2 : 1;
        g_assert_true(s <= end);
        if (p[0] == type && nth-- == 0) {
            found = true;
            *ret = here;
        }
        last = p[0];
        f->count++;
        f->longest = MAX(f->longest, (unsigned)(s - p));
        p = s;
    }
    g_assert_cmpint(last, ==, 127);
    return found;
}

static void check_anchor(Fixture *f)
{
    const uint8_t *a = f->anchor->data;
    Found end;

    g_assert_true(walk(f, 127, 0, &end));
    if (f->info.entry_point_64) {
        g_assert_cmpmem(a, 5, "_SM3_", 5);
        g_assert_cmpint(f->anchor->len, ==, 24);
        g_assert_cmpint(a[6], ==, 24);
        g_assert_cmpint(ldl_le_p(a + 12), ==, f->tables->len);
    } else {
        g_assert_cmpmem(a, 4, "_SM_", 4);
        g_assert_cmpint(f->anchor->len, ==, 31);
        g_assert_cmpint(a[5], ==, 31);
        g_assert_cmpint(lduw_le_p(a + 8), ==, f->longest);
        g_assert_cmpmem(a + 16, 5, "_DMI_", 5);
        g_assert_cmpint(lduw_le_p(a + 22), ==, f->tables->len);
        g_assert_cmpint(lduw_le_p(a + 28), ==, f->count);
    }
}

static void build(Fixture *f)
{
    GError *err = NULL;

    forget_tables(f);
    smbios_build(f->o, &f->info, &f->tables, &f->anchor, &err);
    g_assert_no_error(err);
    check_anchor(f);
}

/* The structure has to be there, with that fixed part behind the header. */
static void assert_fixed(Fixture *f, uint8_t type, unsigned nth,
                         unsigned handle, const void *want, size_t len)
{
    Found s;

    g_assert_true(walk(f, type, nth, &s));
    g_assert_cmphex(lduw_le_p(s.p + 2), ==, handle);
    g_assert_cmpmem(s.p + 4, s.p[1] - 4, want, len);
}
#define ASSERT_FIXED(f_, type_, nth_, handle_, ...)                   \
    do {                                                              \
        static const uint8_t want_[] = { __VA_ARGS__ };               \
        assert_fixed(f_, type_, nth_, handle_, want_, sizeof(want_)); \
    } while (0)

static void assert_strings(Fixture *f, uint8_t type, unsigned nth,
                           const char *words)
{
    g_auto(GStrv) word = g_strsplit(words, "|", -1);
    Found s;

    g_assert_true(walk(f, type, nth, &s));
    g_assert_cmpint(s.nstrings, ==, g_strv_length(word));
    for (unsigned i = 0; i < s.nstrings; i++) {
        g_assert_cmpstr(s.strings[i + 1], ==, word[i]);
    }
}

static unsigned count_type(Fixture *f, uint8_t type)
{
    unsigned n = 0;
    Found s;

    while (walk(f, type, n, &s)) {
        n++;
    }
    return n;
}

/* All bytes, as the guest of the other program has them. */
static void test_whole(Fixture *f, gconstpointer data)
{
    static const uint8_t tables[] = {
        0x00, 0x18, 0x00, 0x00, 0x01, 0x02, 0x00, 0xe8, 0x03, 0x00, 0x08, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1c, 0x03, 0x07, 0xff, 0xff,
        0x56, 0x00, 0x56, 0x45, 0x00, 0x44, 0x41, 0x00, 0x00, 0x01, 0x1b, 0x00,
        0x01, 0x01, 0x02, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00,
        0x51, 0x45, 0x4d, 0x55, 0x00, 0x53, 0x74, 0x61, 0x6e, 0x64, 0x61, 0x72,
        0x64, 0x20, 0x50, 0x43, 0x20, 0x28, 0x69, 0x34, 0x34, 0x30, 0x46, 0x58,
        0x20, 0x2b, 0x20, 0x50, 0x49, 0x49, 0x58, 0x2c, 0x20, 0x31, 0x39, 0x39,
        0x36, 0x29, 0x00, 0x70, 0x63, 0x2d, 0x69, 0x34, 0x34, 0x30, 0x66, 0x78,
        0x2d, 0x37, 0x2e, 0x32, 0x00, 0x00, 0x03, 0x16, 0x00, 0x03, 0x01, 0x01,
        0x02, 0x00, 0x00, 0x03, 0x03, 0x03, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x51, 0x45, 0x4d, 0x55, 0x00, 0x70, 0x63, 0x2d,
        0x69, 0x34, 0x34, 0x30, 0x66, 0x78, 0x2d, 0x37, 0x2e, 0x32, 0x00, 0x00,
        0x04, 0x2a, 0x00, 0x04, 0x01, 0x03, 0x01, 0x02, 0xb1, 0x0f, 0x06, 0x00,
        0xfd, 0xfb, 0x8b, 0x07, 0x03, 0x00, 0x00, 0x00, 0xd0, 0x07, 0xd0, 0x07,
        0x41, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01,
        0x01, 0x01, 0x02, 0x00, 0x01, 0x00, 0x43, 0x50, 0x55, 0x20, 0x30, 0x00,
        0x51, 0x45, 0x4d, 0x55, 0x00, 0x70, 0x63, 0x2d, 0x69, 0x34, 0x34, 0x30,
        0x66, 0x78, 0x2d, 0x37, 0x2e, 0x32, 0x00, 0x00, 0x10, 0x17, 0x00, 0x10,
        0x01, 0x03, 0x06, 0x00, 0x00, 0x02, 0x00, 0xfe, 0xff, 0x01, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x11, 0x28, 0x00,
        0x11, 0x00, 0x10, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80, 0x00, 0x09,
        0x00, 0x01, 0x00, 0x07, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x44, 0x49, 0x4d, 0x4d, 0x20, 0x30, 0x00, 0x51, 0x45, 0x4d, 0x55,
        0x00, 0x00, 0x13, 0x1f, 0x00, 0x13, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff,
        0x01, 0x00, 0x00, 0x10, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20,
        0x0b, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x7f, 0x04, 0x00, 0x7f, 0x00, 0x00
    };
    static const uint8_t anchor[] = { 0x5f, 0x53, 0x4d, 0x5f, 0x00, 0x1f, 0x02,
                                      0x08, 0x51, 0x00, 0x00, 0x00, 0x00, 0x00,
                                      0x00, 0x00, 0x5f, 0x44, 0x4d, 0x49, 0x5f,
                                      0x00, 0x62, 0x01, 0x00, 0x00, 0x00, 0x00,
                                      0x09, 0x00, 0x28 };

    add(f, "type=0,vendor=V,version=VE,date=DA,release=3.7,uefi=on");
    build(f);
    g_assert_cmpmem(f->tables->data, f->tables->len, tables, sizeof(tables));
    g_assert_cmpmem(f->anchor->data, f->anchor->len, anchor, sizeof(anchor));
}

static void test_no_options(Fixture *f, gconstpointer data)
{
    g_clear_pointer(&f->o, smbios_options_free);
    build(f);
    g_assert_cmpint(f->count, ==, 8);
    g_assert_cmpint(f->tables->len, ==, 321);
}

static void test_entry_64(Fixture *f, gconstpointer data)
{
    static const uint8_t anchor[] = { 0x5f, 0x53, 0x4d, 0x33, 0x5f, 0x00,
                                      0x18, 0x03, 0x00, 0x00, 0x01, 0x00,
                                      0x47, 0x01, 0x00, 0x00, 0x00, 0x00,
                                      0x00, 0x00, 0x00, 0x00, 0x00, 0x00 };

    f->info.entry_point_64 = true;
    build(f);
    g_assert_cmpmem(f->anchor->data, f->anchor->len, anchor, sizeof(anchor));
    ASSERT_FIXED(f, 4, 0, 0x400, 1, 3, 1, 2, 0xb1, 0x0f, 6, 0, 0xfd, 0xfb, 0x8b,
                 7, 3, 0, 0, 0, 0xd0, 7, 0xd0, 7, 0x41, 1, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 0, 0, 0, 1, 1, 1, 2, 0, 1, 0, 1, 0, 1, 0, 1,
                 0);
}

static void test_strings(Fixture *f, gconstpointer data)
{
    add(f, "type=1,manufacturer=M,product=P,version=V,serial=S,sku=K,family=F,"
           "uuid=00112233-4455-6677-8899-aabbccddeeff");
    add(f, "type=2,manufacturer=M,product=P,version=V,serial=S,asset=A,"
           "location=L");
    add(f, "type=3,manufacturer=M,version=V,serial=S,asset=A,sku=K");
    add(f, "type=4,sock_pfx=SO,manufacturer=M,version=V,serial=S,asset=A,"
           "part=P,max-speed=3000,current-speed=2500,"
           "processor-id=0x123456789a");
    add(f, "type=17,loc_pfx=L,bank=B,manufacturer=M,serial=S,asset=A,part=P,"
           "speed=1600");
    build(f);
    ASSERT_FIXED(f, 1, 0, 0x100, 1, 2, 3, 4, 0x33, 0x22, 0x11, 0, 0x55, 0x44,
                 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 6,
                 5, 6);
    assert_strings(f, 1, 0, "M|P|V|S|K|F");
    ASSERT_FIXED(f, 2, 0, 0x200, 1, 2, 3, 4, 5, 1, 6, 0, 3, 0x0a, 0);
    assert_strings(f, 2, 0, "M|P|V|S|A|L");
    ASSERT_FIXED(f, 3, 0, 0x300, 1, 1, 2, 3, 4, 3, 3, 3, 2, 0, 0, 0, 0, 0, 0, 0,
                 0, 5);
    ASSERT_FIXED(f, 4, 0, 0x400, 1, 3, 1, 2, 0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0,
                 0, 3, 0, 0, 0, 0xb8, 0x0b, 0xc4, 9, 0x41, 1, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 4, 5, 6, 1, 1, 1, 2, 0, 1, 0);
    assert_strings(f, 4, 0, "SO 0|M|V|S|A|P");
    ASSERT_FIXED(f, 17, 0, 0x1100, 0, 0x10, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0x80, 0, 9, 0, 1, 2, 7, 2, 0, 0x40, 6, 3, 4, 5, 6, 0, 0, 0, 0,
                 0, 0x40, 6, 0, 0, 0, 0, 0, 0);
    assert_strings(f, 17, 0, "L 0|B|M|S|A|P");
}

/* Strings stay; numbers and switches that are left out go back. */
static void test_repeated(Fixture *f, gconstpointer data)
{
    add(f, "type=1,serial=A");
    add(f, "type=1,family=F");
    add(f, "type=1,serial=B,manufacturer=");
    add(f, "type=17,speed=5");
    add(f, "type=17,part=Q");
    add(f, "type=0,release=3.7,uefi=on");
    add(f, "type=0,vendor=V");
    build(f);
    assert_strings(f, 1, 0,
                   "Standard PC (i440FX + PIIX, 1996)|pc-i440fx-7.2|"
                   "B|F");
    ASSERT_FIXED(f, 17, 0, 0x1100, 0, 0x10, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0x80, 0, 9, 0, 1, 0, 7, 2, 0, 0, 0, 2, 0, 0, 3, 0, 0, 0, 0, 0,
                 0, 0, 0, 0, 0, 0, 0, 0);
    ASSERT_FIXED(f, 0, 0, 0, 1, 0, 0, 0xe8, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0,
                 0x14, 3, 7, 0xff, 0xff);
}

static void test_cpus(Fixture *f, gconstpointer data)
{
    Found s;

    f->info.smp = (CpuTopology){ .cpus = 2,
                                 .max_cpus = 8,
                                 .sockets = 2,
                                 .dies = 2,
                                 .cores = 1,
                                 .threads = 2 };
    build(f);
    g_assert_cmpint(count_type(f, 4), ==, 2);
    g_assert_true(walk(f, 4, 1, &s));
    g_assert_cmphex(lduw_le_p(s.p + 2), ==, 0x401);
    g_assert_cmpint(s.p[0x23], ==, 2);
    g_assert_cmpint(s.p[0x24], ==, 2);
    g_assert_cmpint(s.p[0x25], ==, 4);

    f->info.smp = (CpuTopology){ 17, 17, 17, 1, 1, 1 };
    build(f);
    assert_strings(f, 4, 15, "CPU f|QEMU|pc-i440fx-7.2");
    assert_strings(f, 4, 16, "CPU10|QEMU|pc-i440fx-7.2");

    f->info.smp = (CpuTopology){ 600, 600, 1, 1, 300, 2 };
    f->info.entry_point_64 = true;
    build(f);
    g_assert_true(walk(f, 4, 0, &s));
    g_assert_cmpint(s.p[0x23], ==, 255);
    g_assert_cmpint(lduw_le_p(s.p + 0x2a), ==, 300);
    g_assert_cmpint(lduw_le_p(s.p + 0x2e), ==, 600);
}

static void set_ram(Fixture *f, uint64_t size, uint64_t high)
{
    f->info.ram_size = size;
    g_array_set_size(f->e820, 0);
    add_ram(f, 0, 3 * GiB, E820_RAM);
    add_ram(f, 3 * GiB, MiB, E820_RESERVED);
    add_ram(f, high, size - 3 * GiB, E820_RAM);
    build(f);
}

static void test_memory(Fixture *f, gconstpointer data)
{
    set_ram(f, 16385 * MiB, 4 * GiB);
    ASSERT_FIXED(f, 16, 0, 0x1000, 1, 3, 6, 0, 4, 0, 1, 0xfe, 0xff, 2, 0, 0, 0,
                 0, 0, 0, 0, 0, 0);
    ASSERT_FIXED(f, 17, 1, 0x1101, 0, 0x10, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff,
                 1, 0, 9, 0, 1, 0, 7, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                 0, 0, 0, 0, 0, 0, 0);
    assert_strings(f, 17, 1, "DIMM 1|QEMU");
    g_assert_cmpint(count_type(f, 19), ==, 2);
    ASSERT_FIXED(f, 19, 1, 0x1301, 0, 0, 0x40, 0, 0xff, 3, 0x10, 1, 0, 0x10, 1,
                 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    /* The last sizes that fit into KiB, and the first that don't. */
    set_ram(f, 2 * TIB - MiB, TIB);
    ASSERT_FIXED(f, 16, 0, 0x1000, 1, 3, 6, 0, 0xfc, 0xff, 0x7f, 0xfe, 0xff,
                 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    set_ram(f, 2 * TIB, TIB);
    ASSERT_FIXED(f, 16, 0, 0x1000, 1, 3, 6, 0, 0, 0, 0x80, 0xfe, 0xff, 0x80, 0,
                 0, 0, 0, 0, 0, 2, 0, 0);
    set_ram(f, 5 * TIB, TIB);
    ASSERT_FIXED(f, 16, 0, 0x1000, 1, 3, 6, 0, 0, 0, 0x80, 0xfe, 0xff, 0x40, 1,
                 0, 0, 0, 0, 0, 5, 0, 0);
    ASSERT_FIXED(f, 19, 1, 0x1301, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0xff, 0, 0x10, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff,
                 0x3f, 0xff, 5, 0, 0);
}

/* Handles stay unique however much RAM there is; then it is refused. */
static void test_much_memory(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    GByteArray *tables = NULL, *anchor = NULL;
    Found dimm, area;

    f->info.entry_point_64 = true;
    set_ram(f, 16 * TIB, TIB);
    g_assert_true(walk(f, 17, 1023, &dimm));
    g_assert_true(walk(f, 19, 0, &area));
    g_assert_cmphex(lduw_le_p(dimm.p + 2), ==, 0x14ff);
    g_assert_cmphex(lduw_le_p(area.p + 2), ==, 0x1500);

    f->info.ram_size = 64 * TIB;
    g_assert_false(smbios_build(f->o, &f->info, &tables, &anchor, &err));
    g_assert_nonnull(strstr(err->message, "70368744177664"));
    g_assert_null(tables);
}

static void test_lists(Fixture *f, gconstpointer data)
{
    add(f, "type=8,internal_reference=A,external_reference=B,"
           "connector_type=3,port_type=9");
    add(f, "type=8");
    add(f, "type=11,value=x,value=,value=y,,z");
    add(f, "type=41,designation=Onb,instance=3,kind=video");
    add(f, "type=41,kind=sas");
    add(f, "type=41");
    build(f);
    ASSERT_FIXED(f, 8, 0, 0, 1, 0, 2, 3, 9);
    ASSERT_FIXED(f, 8, 1, 1, 0, 0, 0, 0, 0);
    ASSERT_FIXED(f, 11, 0, 0x0e00, 2);
    assert_strings(f, 11, 0, "x|y,z");
    ASSERT_FIXED(f, 41, 0, 0x2900, 1, 0x83, 3, 0, 0, 0, 0);
    ASSERT_FIXED(f, 41, 1, 0x2901, 0, 0x8a, 1, 0, 0, 0, 0);
    ASSERT_FIXED(f, 41, 2, 0x2902, 0, 0x81, 1, 0, 0, 0, 0);
}

static int find_pci(void *opaque, const char *id)
{
    return g_str_equal(id, opaque) ? 0x10 : -1;
}

static void test_pci(Fixture *f, gconstpointer data)
{
    GByteArray *tables = NULL, *anchor = NULL;
    g_autoptr(GError) err = NULL;

    add(f, "type=41,designation=x,kind=ethernet,pcidev=net0");
    g_assert_false(smbios_build(f->o, &f->info, &tables, &anchor, &err));
    f->info.find_pci = find_pci;
    f->info.opaque = (char *)"net1";
    g_clear_error(&err);
    g_assert_false(smbios_build(f->o, &f->info, &tables, &anchor, &err));
    g_assert_nonnull(strstr(err->message, "net0"));
    f->info.opaque = (char *)"net0";
    build(f);
    ASSERT_FIXED(f, 41, 0, 0x2900, 1, 0x85, 1, 0, 0, 0, 0x10);
}

/* A file in a folder of its own; the caller frees the path. */
static char *make_file(const void *data, size_t len)
{
    g_autofree char *dir = g_dir_make_tmp("smbios-XXXXXX", NULL);
    char *path = g_build_filename(dir, "file", NULL);

    g_assert_true(g_file_set_contents(path, data, len, NULL));
    return path;
}

static void remove_file(char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);

    g_unlink(path);
    g_rmdir(dir);
    g_free(path);
}

static void test_files(Fixture *f, gconstpointer data)
{
    static const uint8_t two[] = { 200, 6, 0x34, 0x12, 1,    2, 'O', 'E', 0,
                                   0,   1, 5,    0x35, 0x12, 9, 0,   0 };
    char *path = make_file(two, sizeof(two));
    g_autofree char *opt = g_strdup_printf("file=%s", path);
    Found s;

    add(f, opt);
    build(f);
    g_assert_cmpmem(f->tables->data, sizeof(two), two, sizeof(two));
    g_assert_cmpint(count_type(f, 1), ==, 1);
    g_assert_true(walk(f, 1, 0, &s));
    g_assert_cmphex(lduw_le_p(s.p + 2), ==, 0x1235);
    assert_refused(opt, "type=1,serial=x", "type 1|file");
    assert_refused("type=1,serial=x", opt, "type 1|fields");
    assert_refused(NULL, "type=11,path=/nonexistent/x", "/nonexistent/x");
    assert_refused(NULL, "file=/nonexistent/x", "/nonexistent/x");
    /* Cut anywhere but between the structures. */
    for (size_t len = 0; len < sizeof(two); len++) {
        if (len != 10) {
            g_assert_true(
                g_file_set_contents(path, (const char *)two, len, NULL));
            assert_refused(NULL, opt, "Cannot read SMBIOS file");
        }
    }
    remove_file(path);
}

static void test_oem_file(Fixture *f, gconstpointer data)
{
    char *path = make_file("oem text", 8);
    g_autofree char *opt =
        g_strdup_printf("type=11,value=a,path=%s,value=b", path);

    add(f, opt);
    build(f);
    assert_strings(f, 11, 0, "a|oem text|b");
    g_assert_true(g_file_set_contents(path, "a\0b", 3, NULL));
    assert_refused(NULL, opt, "NUL|OEM");
    remove_file(path);
}

static void test_too_long(Fixture *f, gconstpointer data)
{
    GByteArray *tables = NULL, *anchor = NULL;
    g_autofree char *text = g_strnfill(65300, 'x');
    g_autofree char *opt = g_strdup_printf("type=11,value=%s", text);
    g_autoptr(GError) err = NULL;

    add(f, opt);
    g_assert_false(smbios_build(f->o, &f->info, &tables, &anchor, &err));
    g_assert_nonnull(strstr(err->message, "65628 exceeds 65535"));
    g_assert_null(tables);
    g_assert_null(anchor);
    f->info.entry_point_64 = true;
    build(f);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *words;
    } t[] = {
        { "type=16", "16" },
        { "type=127", "127" },
        { "type=300", "type|300" },
        { "type=x", "type|x" },
        { "foo=3", "type=|file=" },
        { "type=1,foo=3", "foo|type 1" },
        { "file=x,type=2", "type" },
        { "type=0,release=abc", "release|abc" },
        { "type=0,release=3", "release" },
        { "type=0,release=3.7.8", "release" },
        { "type=0,release=256.1", "release|256" },
        { "type=0,uefi=maybe", "uefi|maybe" },
        { "type=1,uuid=xyz", "UUID|xyz" },
        { "type=4,max-speed=70000", "max-speed|70000" },
        { "type=4,processor-id=x", "processor-id" },
        { "type=8,connector_type=256", "connector_type|256" },
        { "type=17,speed=65536", "speed|65536" },
        { "type=41,kind=foo", "kind|foo" },
        { "type=41,instance=256", "instance|256" },
    };
    GString *many = g_string_new("type=11");

    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        assert_refused(NULL, t[i].text, t[i].words);
    }
    for (unsigned i = 0; i < 256; i++) {
        g_string_append(many, ",value=x");
    }
    assert_refused(NULL, many->str, "255");
    g_string_free(many, TRUE);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *f, gconstpointer data);
    } t[] = {
        { "/smbios/whole", test_whole },
        { "/smbios/no-options", test_no_options },
        { "/smbios/entry-64", test_entry_64 },
        { "/smbios/strings", test_strings },
        { "/smbios/repeated", test_repeated },
        { "/smbios/cpus", test_cpus },
        { "/smbios/memory", test_memory },
        { "/smbios/much-memory", test_much_memory },
        { "/smbios/lists", test_lists },
        { "/smbios/pci", test_pci },
        { "/smbios/files", test_files },
        { "/smbios/oem-file", test_oem_file },
        { "/smbios/too-long", test_too_long },
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        g_test_add(t[i].path, Fixture, NULL, setup, t[i].run, teardown);
    }
    g_test_add_func("/smbios/refused", test_refused);
    return g_test_run();
}
