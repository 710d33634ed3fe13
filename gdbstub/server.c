/*
 * The debugger's server: one client on a character device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "gdbstub/gdbstub-priv.h"

#include "system/serve.h"
#include "util/error.h"

/* Unsent output above this stops the input. */
enum { OUTPUT_MAX = 256 * 1024, INPUT_ROOM = GDB_PACKET_MAX };

static const char chardev_name[] = "gdb";

/* Output */

static void flush_out(void *opaque)
{
    GdbServer *g = opaque;

    g->watch = 0;
    while (g->out->len > 0) {
        int n =
            chardev_write(g->cd, g->out->str, MIN(g->out->len, (gsize)INT_MAX));

        if (n < 0) {
            g_string_truncate(g->out, 0);
        } else if (n == 0) {
            g->watch = chardev_add_write_watch(g->cd, flush_out, g);
            return;
        } else {
            g_string_erase(g->out, 0, n);
        }
    }
    chardev_accept_input(g->cd);
}

static void gdb_put(GdbServer *g, const GString *bytes)
{
    g_string_append_len(g->out, bytes->str, (gssize)bytes->len);
    if (g->watch == 0) {
        flush_out(g);
    }
}

static void put_char(GdbServer *g, char c)
{
    g_autoptr(GString) s = g_string_new(NULL);

    g_string_append_c(s, c);
    gdb_put(g, s);
}

void gdb_send_bytes(GdbServer *g, const GString *data)
{
    g_string_truncate(g->last, 0);
    gdb_packet_append(g->last, data->str, data->len);
    gdb_put(g, g->last);
}

void gdb_send(GdbServer *g, const char *text)
{
    g_autoptr(GString) s = g_string_new(text);

    gdb_send_bytes(g, s);
}

void gdb_send_ok(GdbServer *g)
{
    gdb_send(g, "OK");
}

void gdb_send_error(GdbServer *g, int err)
{
    g_autofree char *text = g_strdup_printf("E%02d", MIN(err, 99));

    gdb_send(g, text);
}

/* Input */

static void gdb_acknowledge(GdbServer *g, char c)
{
    if (!g->no_ack) {
        put_char(g, c);
    }
}

/*
 * The guest is to stand.  Disks and back ends may take their time: monitors
 * are served meanwhile, and this client may go, or let another one come: false.
 */
static bool server_stop_guest(GdbServer *g)
{
    bool served = vm_serve_allow(g->vm, true), outer = g->stopping;
    unsigned client = g->client;

    g->stopping = true;
    vm_stop(g->vm, RUN_STATE_PAUSED);
    g->stopping = outer;
    vm_serve_allow(g->vm, served);
    return g->client == client;
}

/* A packet is about a guest that stands: others may have let it run. */
static bool server_hold_guest(GdbServer *g)
{
    while (runstate_is_running(g->vm) && !vm_is_ending(g->vm)) {
        if (!server_stop_guest(g)) {
            return false;
        }
    }
    return true;
}

/* False: what follows was the input of a client that has gone. */
static bool take_input(GdbServer *g, GdbInput in)
{
    unsigned client = g->client;

    switch (in) {
    case GDB_INPUT_PACKET:
        gdb_acknowledge(g, '+');
        if (!server_hold_guest(g)) {
            return false;
        }
        gdb_handle_packet(g, g->parser.data, g->parser.len);
        return g->client == client;
    case GDB_INPUT_TOO_LONG:
        /* Sent again it would not be shorter. */
        gdb_acknowledge(g, '+');
        gdb_send_error(g, E2BIG);
        break;
    case GDB_INPUT_BAD:
        gdb_acknowledge(g, '-');
        break;
    case GDB_INPUT_NAK:
        if (!g->no_ack && g->last->len > 0) {
            gdb_put(g, g->last);
        }
        break;
    case GDB_INPUT_BREAK:
        return server_stop_guest(g);
    default:
        break;
    }
    return true;
}

static int server_can_receive(void *opaque)
{
    GdbServer *g = opaque;

    return g->out->len > OUTPUT_MAX ? 0 : INPUT_ROOM;
}

static void server_receive(void *opaque, const uint8_t *buf, int len)
{
    GdbServer *g = opaque;

    for (int i = 0; i < len; i++) {
        if (!take_input(g, gdb_parser_feed(&g->parser, buf[i]))) {
            return;
        }
    }
}

static void client_reset(GdbServer *g)
{
    g->client++;
    gdb_parser_reset(&g->parser);
    g_string_truncate(g->out, 0);
    g_string_truncate(g->last, 0);
    g->no_ack = g->multiprocess = g->swbreak = g->hwbreak = false;
    g->phys_mem = g->awaiting = false;
    g->step_bits = GDB_STEP_ENABLE | GDB_STEP_NO_IRQ;
    g->g_cpu = g->c_cpu = g->next_cpu = 0;
}

/* Whether the guest runs or not; it goes on as before. */
static void drop_points(GdbServer *g)
{
    bool runs = runstate_is_running(g->vm);

    if (g->points->len == 0) {
        return;
    }
    if (runs) {
        vcpus_pause(g->vm);
    }
    gdb_points_clear(g);
    if (runs && runstate_is_running(g->vm)) {
        vcpus_resume(g->vm);
    }
}

static void server_event(void *opaque, ChardevEvent ev)
{
    GdbServer *g = opaque;

    if (ev == CHARDEV_OPENED) {
        client_reset(g);
        server_stop_guest(g);
    } else if (ev == CHARDEV_CLOSED) {
        /* Nobody is left who would take the guest on from a breakpoint. */
        client_reset(g);
        drop_points(g);
    }
}

/* Life */

static GdbServer *server_new(Vm *vm, Chardev *cd, GdbMonitorFn *monitor)
{
    GdbServer *g = g_new0(GdbServer, 1);

    g->vm = vm;
    g->cd = cd;
    g->monitor = monitor;
    g->out = g_string_new(NULL);
    g->last = g_string_new(NULL);
    g->points = g_array_new(FALSE, FALSE, sizeof(DebugPoint));
    g->listener.changed = gdb_state_changed;
    g->listener.priority = INT_MIN; /* the last to be told of a stop */
    client_reset(g);
    return g;
}

static void server_free(GdbServer *g)
{
    g_string_free(g->out, TRUE);
    g_string_free(g->last, TRUE);
    g_array_unref(g->points);
    g_free(g);
}

void gdbstub_stop(Vm *vm)
{
    GdbServer *g = vm->gdb;

    if (!g) {
        return;
    }
    vm->gdb = NULL;
    if (chardev_is_open(g->cd)) {
        g_autofree char *text = g_strdup_printf("W%02x", vm->exit_status & 255);

        gdb_send(g, text);
    }
    if (g->watch != 0) {
        chardev_del_watch(g->cd, g->watch);
    }
    runstate_del_listener(vm, &g->listener);
    chardev_detach(g->cd, g->handle);
    if (g->own_cd) {
        chardev_delete(vm->chardevs, g->cd);
    }
    server_free(g);
}

/* Debuggers come and go: a TCP port waits for them without being told. */
static char *device_text(const char *device)
{
    bool tcp = g_str_has_prefix(device, "tcp:");

    return g_strdup_printf("%s%s", device,
                           tcp ? ",wait=off,nodelay=on,server=on" : "");
}

static bool server_attach(GdbServer *g, GError **errp)
{
    const ChardevFrontend fe = {
        .can_receive = server_can_receive,
        .receive = server_receive,
        .event = server_event,
        .opaque = g,
    };

    return chardev_attach(g->cd, &fe, &g->handle, errp);
}

bool gdbstub_start(Vm *vm, const char *device, GdbMonitorFn *monitor,
                   GError **errp)
{
    g_autofree char *text = device_text(device);
    bool own = !g_str_has_prefix(device, "chardev:");
    Chardev *cd = NULL;
    GdbServer *g;

    if (vm->gdb && vm->gdb->in_monitor) {
        error_setf(errp, "the debugger that asks is served by it");
        return false;
    }
    if (vm->gdb && vm->gdb->stopping) {
        error_setf(errp, "a debugger waits for the guest to stop or go on");
        return false;
    }
    /* Its port or path may be the one that is asked for. */
    if (vm->gdb) {
        drop_points(vm->gdb);
        gdbstub_stop(vm);
    }
    if (!chardev_new_from_text(vm->chardevs, chardev_name, text, &cd, errp)) {
        return false;
    }
    if (!cd) {
        return true; /* "none" */
    }
    g = server_new(vm, cd, monitor);
    g->own_cd = own;
    if (!server_attach(g, errp)) {
        if (own) {
            chardev_delete(vm->chardevs, cd);
        }
        server_free(g);
        return false;
    }
    runstate_add_listener(vm, &g->listener);
    vm->gdb = g;
    return true;
}
