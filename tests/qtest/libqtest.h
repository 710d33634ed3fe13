/*
 * The client side of qtest: starts the program under test, drives it over
 * the qtest protocol, and talks QMP to it.  See tests/qtest/README.md.
 *
 * Whatever goes wrong (the program ends, an answer is ERR or FAIL) ends the
 * test with a message, unless a function says otherwise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_LIBQTEST_H
#define TESTS_QTEST_LIBQTEST_H

#include "qapi/json.h"

typedef struct QTest QTest;

/*
 * Starts the program named by $GODWIT_BINARY (or $QTEST_QEMU_BINARY) with the
 * options in `args` (split as a shell does) behind those of qtest itself:
 * -accel qtest, -display none, -nodefaults and the two sockets.
 */
QTest *qtest_start(const char *args);
/* As above with printf() substitution. */
QTest *qtest_startf(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* Ends it with SIGTERM; the exit status has to be 0. */
void qtest_quit(QTest *q);
/* Waits until the program ends by itself; checks its status, frees q. */
void qtest_wait_exit(QTest *q, int status);
/*
 * Runs the program to its end without sockets; returns what it wrote to
 * stderr and its status.  For options that are refused.
 */
char *qtest_run(const char *args, int *ret_status);

/* The program's process id. */
int64_t qtest_pid(const QTest *q);

/* Sends one line as it is; returns the answer, whatever it says. */
char *qtest_raw(QTest *q, const char *line);

uint8_t qtest_inb(QTest *q, uint16_t port);
uint16_t qtest_inw(QTest *q, uint16_t port);
uint32_t qtest_inl(QTest *q, uint16_t port);
void qtest_outb(QTest *q, uint16_t port, uint8_t v);
void qtest_outw(QTest *q, uint16_t port, uint16_t v);
void qtest_outl(QTest *q, uint16_t port, uint32_t v);
uint8_t qtest_readb(QTest *q, uint64_t addr);
uint16_t qtest_readw(QTest *q, uint64_t addr);
uint32_t qtest_readl(QTest *q, uint64_t addr);
uint64_t qtest_readq(QTest *q, uint64_t addr);
void qtest_writeb(QTest *q, uint64_t addr, uint8_t v);
void qtest_writew(QTest *q, uint64_t addr, uint16_t v);
void qtest_writel(QTest *q, uint64_t addr, uint32_t v);
void qtest_writeq(QTest *q, uint64_t addr, uint64_t v);
void qtest_memread(QTest *q, uint64_t addr, void *buf, size_t len);
void qtest_memwrite(QTest *q, uint64_t addr, const void *buf, size_t len);
void qtest_memset(QTest *q, uint64_t addr, uint8_t v, size_t len);

/* The virtual clock afterwards, nanoseconds. */
int64_t qtest_clock_step(QTest *q, int64_t ns);
int64_t qtest_clock_step_next(QTest *q);
int64_t qtest_clock_set(QTest *q, int64_t ns);

/* Watches the pins of one device, by its (maybe partial) QOM path. */
void qtest_irq_intercept_in(QTest *q, const char *path);
void qtest_irq_intercept_out(QTest *q, const char *path);
/* Level of an intercepted pin, as of the last answer. */
bool qtest_get_irq(QTest *q, unsigned n);
/* How often it rose since the start. */
unsigned qtest_irq_count(QTest *q, unsigned n);
void qtest_set_irq_in(QTest *q, const char *path, unsigned n, int level);

/*
 * Executes a QMP command given as JSON text (printf formats allowed) and
 * returns its "return" member, or the whole answer if that is an error.
 * Events that arrive meanwhile are kept.  The caller unrefs.
 */
JsonValue *qtest_qmp(QTest *q, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* The next event of that name, or of any (NULL), waiting for it. */
JsonValue *qtest_qmp_event(QTest *q, const char *name);
/* An HMP command by human-monitor-command; the text it prints. */
char *qtest_hmp(QTest *q, const char *line);

#endif
