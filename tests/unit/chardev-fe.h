/*
 * A front end that writes down what happens to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_CHARDEV_FE_H
#define TESTS_UNIT_CHARDEV_FE_H

#include "chardev/chardev.h"

typedef struct TestFe {
    GString *got;    /* bytes received */
    GString *events; /* O C B I U, see test_fe_event() */
    int room;        /* what can_receive says; -1: always 4096 */
    void *handle;
    Chardev *cd;
} TestFe;

static int test_fe_can_receive(void *opaque)
{
    TestFe *fe = opaque;

    return fe->room < 0 ? 4096 : fe->room;
}

static void test_fe_receive(void *opaque, const uint8_t *buf, int len)
{
    TestFe *fe = opaque;

    g_assert_cmpint(len, >, 0);
    g_assert_cmpint(len, <=, test_fe_can_receive(fe));
    g_string_append_len(fe->got, (const char *)buf, len);
    if (fe->room >= 0) {
        fe->room -= len;
    }
}

static void test_fe_event(void *opaque, ChardevEvent ev)
{
    TestFe *fe = opaque;

    g_string_append_c(fe->events, "OCBIU"[ev]);
}

static inline void test_fe_attach(TestFe *fe, Chardev *cd)
{
    ChardevFrontend f = {
        .can_receive = test_fe_can_receive,
        .receive = test_fe_receive,
        .event = test_fe_event,
        .opaque = fe,
    };
    g_autoptr(GError) err = NULL;

    fe->got = g_string_new(NULL);
    fe->events = g_string_new(NULL);
    fe->room = -1;
    fe->cd = cd;
    chardev_attach(cd, &f, &fe->handle, &err);
    g_assert_no_error(err);
}

static inline void test_fe_detach(TestFe *fe)
{
    chardev_detach(fe->cd, fe->handle);
    g_string_free(fe->got, true);
    g_string_free(fe->events, true);
}

/* Runs the main loop until the condition holds. */
#define WAIT_FOR(cond_)                           \
    do {                                          \
        while (!(cond_)) {                        \
            g_main_context_iteration(NULL, true); \
        }                                         \
    } while (0)

static inline Chardev *test_chardev(Chardevs *cs, const char *opts)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(opts, "backend", &err);
    Chardev *cd;

    g_assert_no_error(err);
    cd = chardev_new_from_keyval(cs, kv, &err);
    g_assert_no_error(err);
    return cd;
}

#endif
