/*
 * What the files of accel/qtest share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_QTEST_QTEST_PRIV_H
#define ACCEL_QTEST_QTEST_PRIV_H

#include "accel/qtest/qtest.h"

enum {
    QTEST_MAX_BYTES = 16 * 1024 * 1024, /* of one read or write */
    /* Longest command: write, two numbers, two digits for each byte. */
    QTEST_MAX_LINE = 2 * QTEST_MAX_BYTES + 128,
    QTEST_MAX_WORDS = 5,
    /* Bytes of answers that may wait: before commands do, and of IRQ lines
     * before a peer that doesn't read is dropped. */
    QTEST_OUT_HIGH = 1024 * 1024,
    QTEST_OUT_MAX = 256 * 1024 * 1024,
};

struct QtestServer {
    Vm *vm;
    Chardev *cd;
    void *handle; /* of the attached front end */
    const QtestPins *pins;
    void *pin_data;
    FILE *log; /* NULL: none */
    bool own_log;
    int64_t start_ns; /* when the peer connected; for the log */
    ChardevQueue out;
    GString *input; /* not looked at yet, as answers wait */
    GString *line;  /* not finished yet */
    bool skip_line; /* it is too long: dropped up to its end */
};

/* Carries out one line (without its end) and sends the answer. */
void qtest_command(QtestServer *qs, char *line);
/* Sends one line; the end is added. */
void qtest_reply(QtestServer *qs, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* The same with text of any length. */
void qtest_reply_text(QtestServer *qs, const char *text);

#endif
