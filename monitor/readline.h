/*
 * Line editing for monitor sessions on any byte channel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_READLINE_H
#define MONITOR_READLINE_H

#include "util/base.h"

typedef struct Readline Readline;

typedef struct ReadlineOps {
    void (*put)(void *opaque, const char *text);  /* echo */
    void (*line)(void *opaque, const char *line); /* a whole line, no end */
    /* Adds to `matches` (char *, owned) what the text may be completed to;
     * returns where in the text the completed word starts. */
    size_t (*complete)(void *opaque, const char *text, GPtrArray *matches);
} ReadlineOps;

/* edit: echo and keys; without it lines are taken as they come. */
Readline *readline_new(const ReadlineOps *ops, void *opaque, const char *prompt,
                       bool edit);
void readline_free(Readline *r);
void readline_show_prompt(Readline *r);
/* A byte from the user. */
void readline_feed(Readline *r, uint8_t c);
/* Forgets a line that was begun. */
void readline_reset(Readline *r);

#endif
