/*
 * What a guest shows: a console has a surface, which a display device draws
 * and any number of viewers look at.
 *
 * Everything is done with vm_lock held, but for one thing: a viewer's own
 * threads may copy pixels out of the surface with console_copy().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UI_CONSOLE_H
#define UI_CONSOLE_H

#include "system/clock.h"
#include "util/lock.h"

struct Inputs;
struct Vm;

/* The largest surface there can be; more is cut off. */
#define CONSOLE_MAX_WIDTH  16384
#define CONSOLE_MAX_HEIGHT 16384
/* Outputs of one device. */
#define CONSOLE_MAX_HEADS 16

typedef struct Consoles Consoles;
typedef struct Console Console;
typedef struct ConsoleViewer ConsoleViewer;

typedef struct Rect {
    unsigned x, y, w, h; /* pixels; w or h 0: empty */
} Rect;

/* Pixels are 0x00RRGGBB, row by row without gaps. */
typedef struct Surface {
    unsigned width, height;
    uint32_t *pixels;
} Surface;

/* What a display device does. */
typedef struct ConsoleOps {
    /*
     * Brings the surface up to date and tells what has changed by
     * console_damage(); `all`: draws everything anew.
     */
    void (*refresh)(void *opaque, bool all);
    /* The first viewer has come, the last one has gone; may be NULL. */
    void (*watch)(void *opaque, bool on);
} ConsoleOps;

/* Embedded in who looks; both are called with vm_lock held. */
struct ConsoleViewer {
    void (*damaged)(ConsoleViewer *v, Rect r);
    void (*resized)(ConsoleViewer *v); /* the surface is another one */
    Console *con;                      /* set while it is attached */
    GList link;
};

struct Console {
    Consoles *all;
    const ConsoleOps *ops; /* NULL: there is no device */
    void *opaque;
    char *device;  /* QOM path of the device; NULL: none */
    unsigned head; /* of the device's outputs, 0 is the first */
    /* Guards the surface: held by who draws, and by threads that copy. */
    Lock lock;
    Surface surface; /* width 0: nothing was drawn yet */
    GQueue viewers;
    GList link;
};

/* One per VM: its consoles, and the timer that refreshes what is seen; the
 * way for input. */
Consoles *consoles_new(struct Vm *vm);
void consoles_free(Consoles *cs);
struct Inputs *consoles_inputs(Consoles *cs);
/*
 * The console of index `n` in the order in which they were made; with n 0
 * there always is one, which is empty until a device comes.  NULL: none.
 */
Console *consoles_get(Consoles *cs, unsigned n);
/* That of a device by its QOM path and output; NULL: it has none. */
Console *consoles_find(Consoles *cs, const char *device, unsigned head);

/* For display devices, one for each output.  `device` is copied. */
Console *console_new(Consoles *cs, const char *device, unsigned head,
                     const ConsoleOps *ops, void *opaque);
void console_free(Console *con);
/*
 * Gives the surface another size, black.  The device draws all of it next.
 * False, and nothing changes, if there is no memory for it.
 */
bool console_resize(Console *con, unsigned width, unsigned height);
/* Around writes to con->surface.pixels. */
void console_draw_begin(Console *con) ACQUIRE(&con->lock);
void console_draw_end(Console *con) RELEASE(&con->lock);
/* Part of the surface was drawn; what is outside of it is cut off. */
void console_damage(Console *con, Rect r);

/* For viewers.  While one is attached the console is refreshed. */
void console_viewer_add(Console *con, ConsoleViewer *v);
void console_viewer_del(ConsoleViewer *v);
/* Draws the whole console now, for a picture of it. */
void console_redraw(Console *con);
/*
 * Copies part of the surface to the same place of a buffer of rows of
 * `width` pixels, if the surface has just this size; else false.  Any thread,
 * vm_lock isn't needed.
 */
bool console_copy(Console *con, uint32_t *to, unsigned width, unsigned height,
                  Rect r);

#endif
