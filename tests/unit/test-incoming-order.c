/*
 * A destination that is told what it was told before, or too late, and one
 * that is to end when it is told to run the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/incoming-source.h"

static void put_hello(GByteArray *b)
{
    put_head(b);
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    put_command_u32(b, WIRE_CMD_PING, WIRE_HELLO);
}

static void hear_greeting(InVm *v)
{
    uint8_t be[8];

    stq_be_p(be, WIRE_F_ALL);
    in_expect(v, WIRE_RP_FEATURES, be, 8);
    stl_be_p(be, WIRE_HELLO);
    in_expect(v, WIRE_RP_PONG, be, 4);
}

static void hear_type(InVm *v, uint16_t type)
{
    g_autofree InWord *w = g_new(InWord, 1);

    g_assert_true(in_hear(v, w));
    g_assert_cmphex(w->type, ==, type);
}

/* The guest is not here, the source is told why, and the program ends. */
static void check_refused(InVm *v, const char *what)
{
    in_close(v);
    in_wait_end(v);
    if (strstr(v->m->error_desc, what) == NULL) {
        g_error("'%s' is not in '%s'", what, v->m->error_desc);
    }
    g_assert_cmpint(migration_status(v->m), ==, MIGRATION_STATUS_FAILED);
    g_assert_cmpint(v->vm->exit_status, ==, EXIT_FAILURE);
    g_assert_cmpuint(v->starts, ==, 0);
    g_assert_cmpuint(v->activated, ==, 0);
    in_vm_fini(v);
}

/* Other rules for what the source says, when half of it has been said. */
static void check_enable(void (*fill)(GByteArray *b))
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_hello(b);
    fill(b);
    in_send_bytes(&v, b);
    hear_greeting(&v);
    hear_type(&v, WIRE_RP_ERROR);
    check_refused(&v, "it comes twice, or behind an advise or guest memory");
}

static void fill_twice(GByteArray *b)
{
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_ALL);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_EXTENTS);
}

static void fill_nothing_then_all(GByteArray *b)
{
    put_command_u64(b, WIRE_CMD_ENABLE, 0);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_ALL);
}

static void fill_late(GByteArray *b)
{
    put_ram_start(b);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_ALL);
}

static void test_enable(void)
{
    check_enable(fill_twice);
    check_enable(fill_nothing_then_all);
    check_enable(fill_late);
}

static void program_ends(InVm *v)
{
    __atomic_store_n(&v->vm->quitting, true, __ATOMIC_RELAXED);
}

/*
 * RUN reaches a program that is being ended: nobody starts vCPUs that have been
 * stopped for good, and the source hears that it isn't here.
 */
static void test_run_at_end(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_hello(b);
    put_command_u64(b, WIRE_CMD_ENABLE, WIRE_F_ALL);
    put_ram_start(b);
    put_command_u32(b, WIRE_CMD_SWITCHOVER, 1);
    put_ram_part(b, WIRE_SECTION_END, 0xbb);
    put_device(b, 7);
    put_globalstate(b, "running");
    put8(b, WIRE_EOF);
    in_send_bytes(&v, b);
    hear_greeting(&v);
    hear_type(&v, WIRE_RP_LOADED);
    program_ends(&v);
    g_byte_array_set_size(b, 0);
    put_command_u32(b, WIRE_CMD_RUN, 1);
    in_send_bytes(&v, b);
    hear_type(&v, WIRE_RP_ERROR); /* and not RESUMED */
    check_refused(&v, "the program is to end");
}

/* The same at the end of a plain source's stream: it runs its guest again. */
static void test_plain_at_end(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_plain(b, true);
    in_send(&v, b->data, b->len - 1);
    program_ends(&v);
    in_send(&v, b->data + b->len - 1, 1);
    hear_type(&v, WIRE_RP_PONG);
    hear_type(&v, WIRE_RP_ERROR); /* and not SHUT 0 */
    check_refused(&v, "the program is to end");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/incoming-order/enable", test_enable);
    g_test_add_func("/incoming-order/run-at-end", test_run_at_end);
    g_test_add_func("/incoming-order/plain-at-end", test_plain_at_end);
    return g_test_run();
}
