/*
 * A destination whose guest runs before all of its memory has come: a plain
 * source, step by step, and what a hostile one may send.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/incoming-source.h"

#include <glib/gstdio.h>
#include <sys/socket.h>

#include "io/socket.h"
#include "util/error.h"
#include "util/userfault.h"

enum {
    PAGE = RAM_PAGE_SIZE,
    OLD = 0x11,
    NEW = 0x22,
    LATE_PAGE = 2, /* changed after it was sent */
};

static void put_advise(GByteArray *b, uint64_t sizes, uint64_t page)
{
    uint8_t data[16];

    stq_be_p(data, sizes);
    stq_be_p(data + 8, page);
    put_command(b, WIRE_CMD_POSTCOPY_ADVISE, data, sizeof(data));
}

static void put_page(GByteArray *b, unsigned page, uint8_t byte)
{
    put64(b, page * PAGE | RAM_REC_FILL);
    put_name(b, "pc.ram");
    put8(b, byte);
}

static void put_part(GByteArray *b, uint8_t type)
{
    put8(b, type);
    put32(b, SCRIPT_RAM_ID);
}

static void put_part_end(GByteArray *b)
{
    put64(b, RAM_REC_EOS);
    put8(b, WIRE_FOOTER);
    put32(b, SCRIPT_RAM_ID);
}

/* Up to the pages that come while the guest still runs there. */
static void put_first(GByteArray *b)
{
    put_head(b);
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_advise(b, PAGE, PAGE);
    put_ram_start(b);
    put_part(b, WIRE_SECTION_PART);
    for (unsigned i = 0; i < SCRIPT_PAGES; i++) {
        put_page(b, i, OLD);
    }
    put_part_end(b);
}

static void put_discard(GByteArray *b, uint64_t off, uint64_t len)
{
    g_autoptr(GByteArray) d = g_byte_array_new();

    put8(d, 0);
    put_name(d, "pc.ram");
    put8(d, 0);
    put64(d, off);
    put64(d, len);
    put_command(b, WIRE_CMD_RAM_DISCARD, d->data, d->len);
}

static void put_packaged(GByteArray *b, const GByteArray *package)
{
    put_command_u32(b, WIRE_CMD_PACKAGED, package->len);
    put(b, package->data, package->len);
}

static GByteArray *package_new(void)
{
    GByteArray *p = g_byte_array_new();

    put_command(p, WIRE_CMD_POSTCOPY_LISTEN, NULL, 0);
    put_device(p, 7);
    put_globalstate(p, "running");
    put_command_u32(p, WIRE_CMD_PING, 3);
    put_command(p, WIRE_CMD_POSTCOPY_RUN, NULL, 0);
    return p;
}

static void put_guest(GByteArray *b)
{
    g_autoptr(GByteArray) p = package_new();

    put_first(b);
    put_discard(b, LATE_PAGE * PAGE, PAGE);
    put_packaged(b, p);
}

static void put_rest(GByteArray *b)
{
    put_part(b, WIRE_SECTION_END);
    put_page(b, LATE_PAGE, NEW);
    put_part_end(b);
    put8(b, WIRE_EOF);
}

static void begin(InVm *v)
{
    GError *err = NULL;

    in_vm_init(v);
    g_assert_true(migration_set_capability(
        v->m, MIGRATION_CAPABILITY_POSTCOPY_RAM, true, &err));
    in_connect(v);
}

static void wait_status(InVm *v, MigrationStatus st)
{
    while (migration_status(v->m) != st) {
        g_assert_cmpint(migration_status(v->m), !=, MIGRATION_STATUS_FAILED);
        g_main_context_iteration(NULL, false);
        g_usleep(1000);
    }
}

static void hear_pong(InVm *v, uint32_t number)
{
    uint8_t be[4];

    stl_be_p(be, number);
    in_expect(v, WIRE_RP_PONG, be, sizeof(be));
}

static void *touch(void *opaque)
{
    InVm *v = opaque;
    const volatile uint8_t *page = v->ram.ram->host + LATE_PAGE * PAGE;

    return GUINT_TO_POINTER(*page);
}

/* Who looks at the page waits for it, and the source hears that. */
static void test_whole(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GByteArray) rest = g_byte_array_new();
    g_autoptr(GByteArray) want = g_byte_array_new();
    const uint8_t zero[4] = { 0 };
    Thread reader;
    InVm v;

    begin(&v);
    put_guest(b);
    in_send_bytes(&v, b);
    hear_pong(&v, 3);
    wait_status(&v, MIGRATION_STATUS_POSTCOPY_ACTIVE);
    while (in_run_state(&v) != RUN_STATE_RUNNING) {
        g_usleep(1000);
    }
    g_assert_cmpuint(v.device, ==, 7);
    g_assert_cmpuint(v.ram.ram->host[PAGE], ==, OLD);
    g_assert_true(thread_create(&reader, "reader", touch, &v, NULL));
    put64(want, LATE_PAGE * PAGE);
    put32(want, PAGE);
    put_name(want, "pc.ram");
    in_expect(&v, WIRE_RP_REQ_PAGES_ID, want->data, want->len);
    put_rest(rest);
    in_send_bytes(&v, rest);
    g_assert_cmpuint(GPOINTER_TO_UINT(thread_join(&reader)), ==, NEW);
    in_expect(&v, WIRE_RP_SHUT, zero, sizeof(zero));
    wait_status(&v, MIGRATION_STATUS_COMPLETED);
    in_vm_fini(&v);
}

/* The end mark, and a page is missing: it is asked for, not made up. */
static void test_page_missing(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GByteArray) end = g_byte_array_new();
    InVm v;

    begin(&v);
    put_guest(b);
    in_send_bytes(&v, b);
    /* It is paused by another thread than the one that says this. */
    hear_pong(&v, 3);
    put_part(end, WIRE_SECTION_END);
    put_part_end(end);
    put8(end, WIRE_EOF);
    in_send_bytes(&v, end);
    wait_status(&v, MIGRATION_STATUS_POSTCOPY_PAUSED);
    in_expect_end(&v);
    in_vm_fini(&v);
}

static void test_connection_lost(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    begin(&v);
    put_guest(b);
    put_part(b, WIRE_SECTION_PART);
    in_send_bytes(&v, b);
    hear_pong(&v, 3);
    in_close(&v);
    wait_status(&v, MIGRATION_STATUS_POSTCOPY_PAUSED);
    g_assert_cmpint(in_run_state(&v), ==, RUN_STATE_RUNNING);
    in_vm_fini(&v);
}

/* Somebody connects to a paused postcopy, and says nothing. */
static void test_silent_stranger(void)
{
    g_autofree char *dir = g_dir_make_tmp("recover-XXXXXX", NULL);
    g_autofree char *uri = g_strdup_printf("unix:%s/socket", dir);
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    g_autoptr(IoChannel) ch = NULL;
    g_autoptr(IoUri) at = NULL;
    InVm v;

    begin(&v);
    v.m->waits.silence_ns = 100 * NS_PER_MS;
    put_guest(b);
    in_send_bytes(&v, b);
    hear_pong(&v, 3);
    in_close(&v);
    wait_status(&v, MIGRATION_STATUS_POSTCOPY_PAUSED);
    g_assert_true(migration_recover(v.m, uri, &err));
    g_assert_true(io_uri_parse(uri, &at, &err));
    ch = io_socket_connect(at->addr, NULL, 0, &err);
    g_assert_no_error(err);
    wait_status(&v, MIGRATION_STATUS_POSTCOPY_RECOVER);
    wait_status(&v, MIGRATION_STATUS_POSTCOPY_PAUSED);
    in_vm_fini(&v);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* Pages that had come were lost with their file: no guest runs on zeros. */
static void test_lost(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    begin(&v);
    v.ram.ram->lost = true;
    put_guest(b);
    in_send_bytes(&v, b);
    in_close(&v);
    in_wait_end(&v);
    g_assert_nonnull(strstr(v.m->error_desc, "has lost what its file held"));
    g_assert_cmpuint(v.starts, ==, 0);
    in_vm_fini(&v);
}

/*
 * The user's address came before the one that the load thread knows: it stays,
 * and nothing of the other.
 */
static void test_address_stays(void)
{
    g_autofree char *dir = g_dir_make_tmp("recover-XXXXXX", NULL);
    g_autofree char *users = g_strdup_printf("unix:%s/users", dir);
    g_autofree char *first = g_strdup_printf("unix:%s/first", dir);
    g_autoptr(GError) err = NULL;
    g_autoptr(IoUri) at = NULL;
    g_autoptr(IoUri) other = NULL;
    struct IoListener *l;
    InVm v;

    in_vm_init(&v);
    g_assert_true(io_uri_parse(users, &at, &err));
    g_assert_true(io_uri_parse(first, &other, &err));
    g_assert_true(mig_recover_listen(v.m, at->addr, &err));
    l = v.m->recover_listener;
    g_assert_nonnull(l);
    g_assert_true(mig_recover_listen(v.m, other->addr, &err));
    g_assert_true(v.m->recover_listener == l);
    g_assert_false(g_file_test(first + strlen("unix:"), G_FILE_TEST_EXISTS));
    in_vm_fini(&v);
    /* The socket's path has gone with it. */
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* As from a Godwit, up to the guest: that comes in `package`. */
static void put_greeting(GByteArray *b)
{
    put_head(b);
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_command_u32(b, WIRE_CMD_PING, WIRE_HELLO);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_COMMIT);
    put_advise(b, PAGE, PAGE);
    put_ram_start(b);
    put_command_u32(b, WIRE_CMD_PING, 1);
}

static void put_loading_guest(GByteArray *b)
{
    g_autoptr(GByteArray) p = g_byte_array_new();

    put_command_u32(b, WIRE_CMD_SWITCHOVER, 1);
    put_discard(b, LATE_PAGE * PAGE, PAGE);
    put_command(p, WIRE_CMD_POSTCOPY_LISTEN, NULL, 0);
    put_device(p, 7);
    put_globalstate(p, "running");
    put_packaged(b, p);
}

/* Memory is let go of, and what isn't there reads as zeros from now on. */
static void wait_memory_let_go(InVm *v)
{
    while (__atomic_load_n(&v->vm->memory_awaited, __ATOMIC_ACQUIRE)) {
        g_usleep(1000);
    }
}

/* The last that is loaded takes its time. */
static void begin_loading(InVm *v)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GByteArray) guest = g_byte_array_new();
    InWord word;

    begin(v);
    put_greeting(b);
    in_send_bytes(v, b);
    g_assert_true(in_hear(v, &word));
    g_assert_cmpuint(word.type, ==, WIRE_RP_FEATURES);
    hear_pong(v, WIRE_HELLO);
    hear_pong(v, 1);
    v->at_put = wait_memory_let_go;
    put_loading_guest(guest);
    in_send_bytes(v, guest);
    while (__atomic_load_n(&v->cpu_puts, __ATOMIC_ACQUIRE) == 0) {
        g_usleep(1000);
    }
}

/* Given up while it is loaded: nobody says that it has been. */
static void check_given_up(void (*fill)(GByteArray *b))
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InWord word;
    InVm v;

    begin_loading(&v);
    fill(b);
    in_send_bytes(&v, b);
    g_assert_true(in_hear(&v, &word));
    g_assert_cmpuint(word.type, ==, WIRE_RP_ERROR);
    in_close(&v);
    in_wait_end(&v);
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_FAILED);
    g_assert_cmpuint(v.starts, ==, 0);
    in_vm_fini(&v);
}

static void put_nonsense(GByteArray *b)
{
    put8(b, 0xff);
}

static void put_abort(GByteArray *b)
{
    put_command(b, WIRE_CMD_ABORT, NULL, 0);
}

static void test_given_up(void)
{
    check_given_up(put_nonsense);
    check_given_up(put_abort);
}

/*
 * A wrong word when the guest runs here and waits for pages: they are lost if
 * it is given up.
 */
static void check_behind_run(void (*fill)(GByteArray *b))
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GByteArray) wrong = g_byte_array_new();
    InWord word;
    InVm v;

    begin(&v);
    put_greeting(b);
    put_loading_guest(b);
    in_send_bytes(&v, b);
    g_assert_true(in_hear(&v, &word));
    g_assert_cmpuint(word.type, ==, WIRE_RP_FEATURES);
    hear_pong(&v, WIRE_HELLO);
    hear_pong(&v, 1);
    g_assert_true(in_hear(&v, &word));
    g_assert_cmpuint(word.type, ==, WIRE_RP_LOADED);
    put_command_u32(wrong, WIRE_CMD_RUN, 1);
    fill(wrong);
    in_send_bytes(&v, wrong);
    wait_status(&v, MIGRATION_STATUS_POSTCOPY_PAUSED);
    while (in_run_state(&v) != RUN_STATE_RUNNING) {
        g_usleep(1000);
    }
    g_assert_true(vm_memory_awaited(v.vm));
    in_vm_fini(&v);
}

static void put_switchover(GByteArray *b)
{
    put_command_u32(b, WIRE_CMD_SWITCHOVER, 2);
}

static void test_behind_run(void)
{
    check_behind_run(put_abort);
    check_behind_run(put_switchover);
    check_behind_run(put_nonsense);
}

/* ---- what ends it before the guest is ours ------------------------------- */

static void bad_sizes(GByteArray *b)
{
    put_head(b);
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_advise(b, PAGE | 2 << 20, PAGE);
}

static void bad_page_size(GByteArray *b)
{
    put_head(b);
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_advise(b, PAGE, 2 * PAGE);
}

static void bad_mute(GByteArray *b)
{
    put_head(b);
    put_advise(b, PAGE, PAGE);
}

static void bad_advise_twice(GByteArray *b)
{
    put_head(b);
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_advise(b, PAGE, PAGE);
    put_advise(b, PAGE, PAGE);
}

static void bad_discard_early(GByteArray *b)
{
    put_head(b);
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_advise(b, PAGE, PAGE);
    put_discard(b, 0, PAGE);
}

static void bad_discard_outside(GByteArray *b)
{
    put_first(b);
    put_discard(b, (SCRIPT_PAGES - 1) * PAGE, 2 * PAGE);
}

static void bad_discard_version(GByteArray *b)
{
    put_first(b);
    put_command(b, WIRE_CMD_RAM_DISCARD, "\001\003ram", 5);
}

static void bad_discard_name(GByteArray *b)
{
    put_first(b);
    put_command(b, WIRE_CMD_RAM_DISCARD, "\000\377ram", 5);
}

static void bad_discard_ranges(GByteArray *b)
{
    put_first(b);
    put_command(b, WIRE_CMD_RAM_DISCARD, "\000\003ram\000abc", 9);
}

static void bad_package_alone(GByteArray *b)
{
    g_autoptr(GByteArray) p = package_new();

    put_head(b);
    put_ram_start(b);
    put_packaged(b, p);
}

static void bad_package_long(GByteArray *b)
{
    put_first(b);
    put_command_u32(b, WIRE_CMD_PACKAGED, UINT32_MAX);
}

static void bad_package_empty(GByteArray *b)
{
    put_first(b);
    put_command_u32(b, WIRE_CMD_PACKAGED, 0);
}

static void put_package_of(GByteArray *b, const GByteArray *p)
{
    put_first(b);
    put_packaged(b, p);
}

static void bad_package_command(GByteArray *b)
{
    g_autoptr(GByteArray) p = g_byte_array_new();

    put_command(p, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_package_of(b, p);
}

static void bad_package_length(GByteArray *b)
{
    g_autoptr(GByteArray) p = g_byte_array_new();

    put_command_u32(p, WIRE_CMD_POSTCOPY_LISTEN, 0);
    put_package_of(b, p);
}

/* In the middle of a device. */
static void bad_package_cut(GByteArray *b)
{
    g_autoptr(GByteArray) p = g_byte_array_new();

    put_command(p, WIRE_CMD_POSTCOPY_LISTEN, NULL, 0);
    put_device(p, 7);
    g_byte_array_set_size(p, p->len - 7);
    put_package_of(b, p);
}

static void bad_package_eof(GByteArray *b)
{
    g_autoptr(GByteArray) p = package_new();

    g_byte_array_set_size(p, p->len - 5);
    put8(p, WIRE_EOF);
    put_package_of(b, p);
}

static void bad_package_deaf(GByteArray *b)
{
    g_autoptr(GByteArray) p = package_new();

    g_byte_array_remove_range(p, 0, 5);
    put_package_of(b, p);
}

static void bad_package_memory(GByteArray *b)
{
    g_autoptr(GByteArray) p = g_byte_array_new();

    put_command(p, WIRE_CMD_POSTCOPY_LISTEN, NULL, 0);
    put_part(p, WIRE_SECTION_PART);
    put_part_end(p);
    put_package_of(b, p);
}

static void bad_resume(GByteArray *b)
{
    put_first(b);
    put_command(b, WIRE_CMD_POSTCOPY_RESUME, NULL, 0);
}

static void bad_bitmap(GByteArray *b)
{
    put_first(b);
    put_command(b, WIRE_CMD_RECV_BITMAP, "\006pc.ram", 7);
}

static const struct {
    void (*fill)(GByteArray *b);
    const char *error;
} bad_cases[] = {
    { bad_sizes, "matching RAM page sizes (s=201000 d=1000)" },
    { bad_page_size, "matching target page sizes (s=8192 d=4096)" },
    { bad_mute, "postcopy needs a return path" },
    { bad_advise_twice, "it comes twice" },
    { bad_discard_early, "without an advise and guest memory" },
    { bad_discard_outside, "0x2000 bytes at 0x3000" },
    { bad_discard_version, "version 1, not 0" },
    { bad_discard_name, "5 bytes that are no name and ranges" },
    { bad_discard_ranges, "9 bytes that are no name and ranges" },
    { bad_package_alone, "without an advise" },
    { bad_package_long, "package of 4294967295 bytes" },
    { bad_package_empty, "package of 0 bytes" },
    { bad_package_command, "not known in a package" },
    { bad_package_length, "4 bytes instead of 0" },
    { bad_package_cut, "package: " },
    { bad_package_eof, "end of file mark in a package" },
    { bad_package_deaf, "package without listen or run" },
    { bad_package_memory, "part of unknown section" },
    { bad_resume, "nothing was interrupted" },
    { bad_bitmap, "nothing was interrupted" },
};

static void test_bad(gconstpointer opaque)
{
    size_t i = GPOINTER_TO_SIZE(opaque);
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    begin(&v);
    bad_cases[i].fill(b);
    in_send_bytes(&v, b);
    shutdown(v.fd, SHUT_WR);
    in_wait_end(&v);
    if (strstr(v.m->error_desc, bad_cases[i].error) == NULL) {
        g_error("'%s' is not in '%s'", bad_cases[i].error, v.m->error_desc);
    }
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_FAILED);
    g_assert_cmpuint(v.starts, ==, 0);
    in_vm_fini(&v);
}

/* Nothing of this can be tried where nobody may wait for pages. */
static bool may_wait(void)
{
    int fd = userfault_open(0, NULL);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!may_wait()) {
        g_print("1..0 # SKIP no userfaultfd\n");
        return 0;
    }
    g_test_add_func("/postcopy-load/whole", test_whole);
    g_test_add_func("/postcopy-load/page-missing", test_page_missing);
    g_test_add_func("/postcopy-load/connection-lost", test_connection_lost);
    g_test_add_func("/postcopy-load/given-up", test_given_up);
    g_test_add_func("/postcopy-load/behind-run", test_behind_run);
    g_test_add_func("/postcopy-load/lost", test_lost);
    g_test_add_func("/postcopy-load/silent-stranger", test_silent_stranger);
    g_test_add_func("/postcopy-load/address-stays", test_address_stays);
    for (size_t i = 0; i < G_N_ELEMENTS(bad_cases); i++) {
        g_autofree char *name = g_strdup_printf("/postcopy-load/bad/%zu", i);

        g_test_add_data_func(name, GSIZE_TO_POINTER(i), test_bad);
    }
    return g_test_run();
}
