/*
 * Consoles, surfaces, and who looks at them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/console.h"

#include "system/vm.h"
#include "ui/input.h"

#define REFRESH_NS (33 * NS_PER_MS)

/* As firmware starts: what is shown before anything was drawn. */
enum { DEFAULT_WIDTH = 640, DEFAULT_HEIGHT = 480 };

struct Consoles {
    Vm *vm;
    GQueue list; /* Console; the first one may have no device */
    Timer timer;
    bool owed; /* a picture, when all of the screens' memory has come */
    Inputs *inputs;
};

/* The main thread must not wait for a page of a screen (postcopy). */
static bool memory_is_here(Consoles *cs)
{
    cs->owed |= vm_memory_awaited(cs->vm);
    return !vm_memory_awaited(cs->vm);
}

static void refresh_all(void *opaque)
{
    Consoles *cs = opaque;
    bool here = memory_is_here(cs), whole = here && cs->owed;
    bool seen = false;

    for (GList *l = cs->list.head; l; l = l->next) {
        Console *con = container_of(l, Console, link);

        if (con->viewers.length == 0) {
            continue;
        }
        seen = true;
        if (con->ops && here) {
            con->ops->refresh(con->opaque, whole);
        }
    }
    cs->owed &= !here || !seen;
    if (seen) {
        timer_mod(&cs->timer,
                  clock_get_ns(cs->vm->clocks, CLOCK_TYPE_REALTIME) +
                      REFRESH_NS);
    }
}

static Console *add_console(Consoles *cs)
{
    Console *con = g_new0(Console, 1);

    con->all = cs;
    lock_init(&con->lock);
    g_queue_push_tail_link(&cs->list, &con->link);
    console_resize(con, DEFAULT_WIDTH, DEFAULT_HEIGHT);
    return con;
}

Consoles *consoles_new(Vm *vm)
{
    Consoles *cs = g_new0(Consoles, 1);

    cs->vm = vm;
    timer_init(&cs->timer, vm->clocks, CLOCK_TYPE_REALTIME, refresh_all, cs);
    cs->inputs = inputs_new(vm);
    add_console(cs);
    return cs;
}

static void delete_console(Console *con)
{
    g_queue_unlink(&con->all->list, &con->link);
    lock_fini(&con->lock);
    g_free(con->surface.pixels);
    g_free(con->device);
    g_free(con);
}

void consoles_free(Consoles *cs)
{
    if (!cs) {
        return;
    }
    timer_del(&cs->timer);
    inputs_free(cs->inputs);
    while (cs->list.head) {
        Console *con = container_of(cs->list.head, Console, link);

        g_assert(con->viewers.length == 0);
        delete_console(con);
    }
    g_free(cs);
}

Inputs *consoles_inputs(Consoles *cs)
{
    return cs->inputs;
}

Console *consoles_get(Consoles *cs, unsigned n)
{
    GList *l = g_queue_peek_nth_link(&cs->list, n);

    return l ? container_of(l, Console, link) : NULL;
}

Console *consoles_find(Consoles *cs, const char *device, unsigned head)
{
    for (GList *l = cs->list.head; l; l = l->next) {
        Console *con = container_of(l, Console, link);

        if (con->head == head && g_strcmp0(con->device, device) == 0) {
            return con;
        }
    }
    return NULL;
}

Console *console_new(Consoles *cs, const char *device, unsigned head,
                     const ConsoleOps *ops, void *opaque)
{
    Console *con = container_of(cs->list.head, Console, link);

    if (con->ops) {
        con = add_console(cs);
    }
    con->device = g_strdup(device);
    con->head = head;
    con->ops = ops;
    con->opaque = opaque;
    if (con->viewers.length > 0 && ops->watch) {
        ops->watch(opaque, true);
    }
    return con;
}

/* Viewers of the first console stay; those of others see it from now on. */
void console_free(Console *con)
{
    Console *first;

    if (!con) {
        return;
    }
    first = container_of(con->all->list.head, Console, link);
    if (con->viewers.length > 0 && con->ops->watch) {
        con->ops->watch(con->opaque, false);
    }
    con->ops = NULL;
    g_clear_pointer(&con->device, g_free);
    con->head = 0;
    if (con == first) {
        console_resize(con, DEFAULT_WIDTH, DEFAULT_HEIGHT);
        return;
    }
    while (con->viewers.head) {
        ConsoleViewer *v = container_of(con->viewers.head, ConsoleViewer, link);

        console_viewer_del(v);
        console_viewer_add(first, v);
    }
    delete_console(con);
}

bool console_resize(Console *con, unsigned width, unsigned height)
{
    uint32_t *pixels, *old = con->surface.pixels;

    width = CLAMP(width, 1, CONSOLE_MAX_WIDTH);
    height = CLAMP(height, 1, CONSOLE_MAX_HEIGHT);
    pixels = g_try_malloc0_n((size_t)width * height, sizeof(*pixels));
    if (!pixels) {
        return false;
    }
    lock_acquire(&con->lock);
    con->surface =
        (Surface){ .width = width, .height = height, .pixels = pixels };
    lock_release(&con->lock);
    g_free(old);
    for (GList *l = con->viewers.head, *next; l; l = next) {
        ConsoleViewer *v = container_of(l, ConsoleViewer, link);

        next = l->next;
        v->resized(v);
    }
    return true;
}

void console_draw_begin(Console *con)
{
    lock_acquire(&con->lock);
}

void console_draw_end(Console *con)
{
    lock_release(&con->lock);
}

static Rect console_cut(const Surface *s, Rect r)
{
    r.x = MIN(r.x, s->width);
    r.y = MIN(r.y, s->height);
    r.w = MIN(r.w, s->width - r.x);
    r.h = MIN(r.h, s->height - r.y);
    return r;
}

void console_damage(Console *con, Rect r)
{
    r = console_cut(&con->surface, r);
    if (r.w == 0 || r.h == 0) {
        return;
    }
    for (GList *l = con->viewers.head; l; l = l->next) {
        ConsoleViewer *v = container_of(l, ConsoleViewer, link);

        v->damaged(v, r);
    }
}

void console_viewer_add(Console *con, ConsoleViewer *v)
{
    Consoles *cs = con->all;

    v->con = con;
    g_queue_push_tail_link(&con->viewers, &v->link);
    if (con->viewers.length == 1 && con->ops && con->ops->watch) {
        con->ops->watch(con->opaque, true);
    }
    v->resized(v);
    if (!timer_pending(&cs->timer)) {
        timer_mod(&cs->timer,
                  clock_get_ns(cs->vm->clocks, CLOCK_TYPE_REALTIME));
    }
}

void console_viewer_del(ConsoleViewer *v)
{
    Console *con = v->con;

    if (!con) {
        return;
    }
    v->con = NULL;
    g_queue_unlink(&con->viewers, &v->link);
    if (con->viewers.length == 0 && con->ops && con->ops->watch) {
        con->ops->watch(con->opaque, false);
    }
}

void console_redraw(Console *con)
{
    if (con->ops && memory_is_here(con->all)) {
        con->ops->refresh(con->opaque, true);
    }
}

bool console_copy(Console *con, uint32_t *to, unsigned width, unsigned height,
                  Rect r)
{
    LOCK_GUARD(&con->lock);
    if (con->surface.width != width || con->surface.height != height) {
        return false;
    }
    r = console_cut(&con->surface, r);
    for (unsigned y = r.y; y < r.y + r.h; y++) {
        size_t at = (size_t)y * width + r.x;

        memcpy(to + at, con->surface.pixels + at, r.w * sizeof(*to));
    }
    return true;
}
