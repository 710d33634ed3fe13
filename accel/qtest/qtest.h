/*
 * qtest: an accelerator that runs no code, and a protocol through which a
 * test outside drives the machine's buses, clock and interrupt pins.  The
 * protocol works with every accelerator.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_QTEST_QTEST_H
#define ACCEL_QTEST_QTEST_H

#include "accel/accel.h"
#include "chardev/chardev.h"

extern const AccelType qtest_accel_type;

typedef struct QtestServer QtestServer;

/*
 * Interrupt pins belong to devices, which this layer doesn't know: the one
 * who makes the server gives these.  All under vm_lock, main thread.
 */
typedef struct QtestPins {
    /*
     * From now on qtest_server_irq() is called for every change of a pin of
     * the device at a QOM path (may be partial): its inputs, or its outputs
     * (of that name unless NULL).  False with the reason.
     */
    bool (*intercept)(QtestServer *qs, const char *path, bool outputs,
                      const char *name, GError **errp);
    /* Drives an input pin; level -1: up and down again. */
    bool (*set_input)(QtestServer *qs, const char *path, const char *name,
                      unsigned n, int level, GError **errp);
    void (*release)(QtestServer *qs); /* undoes the interception; may be NULL */
} QtestPins;

/*
 * Serves the protocol on `cd`.  log: a file's name, NULL for stderr, "none"
 * for no log.  pins may be NULL.  vm_lock held.
 */
QtestServer *qtest_server_new(Vm *vm, Chardev *cd, const char *log,
                              const QtestPins *pins, GError **errp);
void qtest_server_free(QtestServer *qs);
Vm *qtest_server_vm(const QtestServer *qs);
/* A pin that is intercepted has a new level: tells the test. */
void qtest_server_irq(QtestServer *qs, unsigned n, bool level);
/* For QtestPins: one thing per server, owned by who gave it. */
void qtest_server_set_pin_data(QtestServer *qs, void *data);
void *qtest_server_pin_data(const QtestServer *qs);

#endif
