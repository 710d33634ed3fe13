/*
 * The human monitor: sessions and the running of a line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "chardev/chardev.h"
#include "migration/migration.h"
#include "monitor/known-commands.h"
#include "monitor/qmp.h"
#include "monitor/readline.h"
#include "monitor/vm-control.h"
#include "qapi/version.h"
#include "util/cutils.h"
#include "util/error.h"

enum {
    OUTPUT_MAX = 16 << 20, /* bytes waiting for a reader; more is dropped */
    WAIT_POLL_MS = 50,
};

typedef struct Hmp {
    Vm *vm;
    Chardev *cd;
    void *handle;
    Readline *rl;
    GString *out;   /* not taken by the peer yet */
    unsigned watch; /* for writing; 0: none */
    guint wait;     /* timer while `migrate` is waited for; 0: none */
    bool running;   /* a command, which may wait and serve others */
    bool refused;   /* input, meanwhile */
    bool muxed;     /* shares its channel, perhaps with a serial port */
    bool focused;   /* if muxed: input comes here */
    bool ending;    /* no more input: CLOSED follows the last output */
    guint settle;   /* if muxed: until the main loop runs; 0: it does */
    unsigned progress;
    unsigned cpu; /* index of the current CPU */
    HmpFormat format;
} Hmp;

unsigned hmp_cpu_index(const HmpOut *out)
{
    return out->session != NULL ? out->session->cpu : out->cpu;
}

int hmp_session_take_fd(Hmp *session)
{
    return session != NULL ? chardev_take_fd(session->cd) : -1;
}

void hmp_session_set_cpu(Hmp *session, unsigned index)
{
    if (session != NULL) {
        session->cpu = index;
    }
}

static const HmpFormat default_format = { 'x', 'w' };

const HmpFormat *hmp_session_format(const Hmp *session)
{
    return session != NULL ? &session->format : &default_format;
}

void hmp_session_set_format(Hmp *session, const HmpFormat *f)
{
    if (session != NULL) {
        session->format = *f;
    }
}

static void flush_out(void *opaque)
{
    Hmp *h = opaque;

    h->watch = 0;
    while (h->out->len > 0) {
        int n =
            chardev_write(h->cd, h->out->str, MIN(h->out->len, (gsize)INT_MAX));

        if (n < 0) {
            g_string_truncate(h->out, 0);
        } else if (n == 0) {
            h->watch = chardev_add_write_watch(h->cd, flush_out, h);
            return;
        } else {
            g_string_erase(h->out, 0, n);
        }
    }
    if (h->ending) {
        chardev_input_done(h->cd); /* what end_of_input() waited for */
    }
}

/*
 * On a mux the output of all front ends is one stream.  A monitor that is not
 * looked at says nothing, or it would garble the guest's console.
 */
static bool session_is_hidden(const Hmp *h)
{
    return h->muxed && (!h->focused || h->settle != 0);
}

/* Terminals want a carriage return before each line feed. */
static void session_put(void *opaque, const char *text)
{
    Hmp *h = opaque;

    if (h->out->len > OUTPUT_MAX) {
        return;
    }
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            g_string_append_c(h->out, '\r');
        }
        g_string_append_c(h->out, *text);
    }
    if (h->watch == 0 && !session_is_hidden(h)) {
        flush_out(h);
    }
}

void hmp_printf(HmpOut *out, const char *fmt, ...)
{
    va_list ap;

    if (out->full) {
        return;
    }
    if (out->text->len >= HMP_TEXT_MAX) {
        g_string_append_printf(out->text,
                               "\n... and more: a command prints %d MiB at "
                               "most\n",
                               HMP_TEXT_MAX >> 20);
        out->full = true;
        return;
    }
    va_start(ap, fmt);
    g_string_append_vprintf(out->text, fmt, ap);
    va_end(ap);
}

void hmp_error(HmpOut *out, GError *err)
{
    hmp_printf(out, "Error: %s\n", err->message);
    g_error_free(err);
}

bool hmp_name_matches(const HmpCommand *c, const char *name)
{
    g_auto(GStrv) names = g_strsplit(c->name, "|", -1);

    return g_strv_contains((const char *const *)names, name);
}

const HmpCommand *hmp_find(const HmpCommand *table, const char *name)
{
    for (const HmpCommand *c = table; c->name != NULL; c++) {
        if (hmp_name_matches(c, name)) {
            return c;
        }
    }
    return NULL;
}

/* The command's name ends where no letter of a name stands: "x/4xw". */
static char *take_name(const char **text)
{
    const char *s = *text;
    size_t n;

    while (g_ascii_isspace(*s)) {
        s++;
    }
    n = *s == '?' ? 1
                  : strspn(s, "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    *text = s + n;
    return g_strndup(s, n);
}

static void print_unknown(HmpOut *out, const char *prefix, const char *name)
{
    bool known = *prefix ? hmp_info_is_known(name) : hmp_command_is_known(name);

    hmp_printf(out,
               known ? "command '%s%s' is not in this version\n"
                     : "unknown command: '%s%s'\n",
               prefix, name);
}

static bool memory_here(HmpOut *out, const HmpCommand *c, const char *name)
{
    g_autoptr(GError) err = NULL;

    if (c->memory && !vm_control_memory_here(out->vm, name, &err)) {
        hmp_printf(out, "Error: %s\n", err->message);
        return false;
    }
    return true;
}

static void run_command(HmpOut *out, const HmpCommand *table,
                        const char *prefix, const char *text)
{
    const char *rest = text;
    g_autofree char *name = take_name(&rest);
    const HmpCommand *c = hmp_find(table, name);
    HmpArgs args;

    if (c == NULL) {
        g_autofree char *all = g_strdup(text);

        print_unknown(out, prefix, *name ? name : g_strstrip(all));
        return;
    }
    if (c->sub != NULL && strspn(rest, " \t") != strlen(rest)) {
        run_command(out, c->sub, "info ", rest);
        return;
    }
    if (hmp_parse_args(c, rest, &args, out)) {
        if (memory_here(out, c, name)) {
            c->run(out, &args);
        }
    } else {
        hmp_printf(out, "Try \"help %s%s\" for more information\n", prefix,
                   name);
    }
    hmp_args_clear(&args);
}

static void hmp_line_execute(HmpOut *out, const char *line)
{
    if (strspn(line, " \t\r\n") != strlen(line) && *line != '#') {
        run_command(out, hmp_commands, "", line);
    }
}

void hmp_execute_on_cpu(Vm *vm, unsigned cpu, const char *line, GString *text)
{
    HmpOut out = { .text = text, .vm = vm, .cpu = cpu };

    hmp_line_execute(&out, line);
}

void hmp_execute(Vm *vm, const char *line, GString *text)
{
    hmp_execute_on_cpu(vm, 0, line, text);
}

static void print_one_help(HmpOut *out, const HmpCommand *c, const char *prefix)
{
    hmp_printf(out, "%s%s%s%s -- %s\n", prefix, c->name, *c->params ? " " : "",
               c->params, c->help);
}

void hmp_print_help(HmpOut *out, const HmpCommand *table, const char *prefix,
                    const char *only)
{
    for (const HmpCommand *c = table; c->name != NULL; c++) {
        if (only == NULL) {
            print_one_help(out, c, prefix);
        } else if (hmp_name_matches(c, only)) {
            if (c->sub != NULL) {
                hmp_print_help(out, c->sub, "info ", NULL);
            } else {
                print_one_help(out, c, prefix);
            }
            return;
        }
    }
    if (only != NULL) {
        print_unknown(out, prefix, only);
    }
}

/* A migration that was started without -d: the session waits for its end. */
static gboolean wait_poll(gpointer opaque)
{
    g_autoptr(MigrationInfo) info = NULL;
    Hmp *h = opaque;

    info = migration_query(h->vm->migration);
    if (!migration_is_idle(h->vm->migration)) {
        if (info->has_progress && info->progress != h->progress) {
            g_autofree char *s =
                g_strdup_printf("\rCompleted %d %%", info->progress);

            h->progress = info->progress;
            session_put(h, s);
        }
        return G_SOURCE_CONTINUE;
    }
    h->wait = 0;
    session_put(h, "\n");
    if (info->error_desc != NULL) {
        g_autofree char *s = g_strdup_printf("Error: %s\n", info->error_desc);

        session_put(h, s);
    }
    readline_show_prompt(h->rl);
    chardev_accept_input(h->cd);
    return G_SOURCE_REMOVE;
}

void hmp_wait_migration(HmpOut *out)
{
    if (out->session == NULL) {
        hmp_printf(out, "terminal does not allow synchronous migration, "
                        "continuing detached\n");
        return;
    }
    out->session->progress = UINT_MAX;
    out->session->wait = g_timeout_add(WAIT_POLL_MS, wait_poll, out->session);
}

static void session_line(void *opaque, const char *line)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *copy = g_strdup(line);
    Hmp *h = opaque;
    HmpOut out = { .text = text, .vm = h->vm, .session = h };

    h->running = true;
    h->refused = false;
    hmp_line_execute(&out, copy);
    h->running = false;
    session_put(h, text->str);
    if (h->wait == 0) {
        readline_show_prompt(h->rl);
    }
    if (h->refused) {
        chardev_accept_input(h->cd);
    }
}

static void complete_names(const HmpCommand *table, const char *word,
                           GPtrArray *matches)
{
    for (const HmpCommand *c = table; c->name != NULL; c++) {
        g_auto(GStrv) names = g_strsplit(c->name, "|", -1);

        for (char **n = names; *n != NULL; n++) {
            if (g_str_has_prefix(*n, word)) {
                g_ptr_array_add(matches, g_strdup(*n));
            }
        }
    }
}

static size_t session_complete(void *opaque, const char *text,
                               GPtrArray *matches)
{
    Hmp *h = opaque;
    const char *last = strrchr(text, ' ');
    const char *word = last ? last + 1 : text;
    g_autofree char *first = g_strndup(text, strcspn(text, " "));
    const HmpCommand *c = hmp_find(hmp_commands, first);

    if (last == NULL) {
        complete_names(hmp_commands, word, matches);
    } else if (c != NULL && c->sub != NULL) {
        complete_names(c->sub, word, matches);
    } else if (c != NULL && c->complete != NULL) {
        c->complete(h->vm, word, matches);
    }
    return word - text;
}

static const ReadlineOps session_readline = {
    .put = session_put,
    .line = session_line,
    .complete = session_complete,
};

static int session_can_receive(void *opaque)
{
    Hmp *h = opaque;

    h->refused |= h->running;
    return h->running || h->wait != 0 || h->out->len > OUTPUT_MAX / 2 ? 0 : 1;
}

static void session_receive(void *opaque, const uint8_t *buf, int len)
{
    Hmp *h = opaque;

    for (int i = 0; i < len; i++) {
        readline_feed(h->rl, buf[i]);
    }
}

/* Lines are carried out as they come: what is left is their output. */
static bool session_end_of_input(void *opaque)
{
    Hmp *h = opaque;

    h->ending = h->running || h->out->len > 0;
    return h->ending;
}

/* Nobody waits for the end of the migration any more. */
static void session_peer_gone(void *opaque)
{
    Hmp *h = opaque;

    if (h->wait != 0) {
        g_source_remove(h->wait);
        h->wait = 0;
    }
    g_string_truncate(h->out, 0);
}

static void session_greet(Hmp *h)
{
    g_autofree char *hello =
        g_strdup_printf("QEMU %s monitor - type 'help' for more information\n",
                        COMPAT_VERSION);

    readline_reset(h->rl);
    session_put(h, hello);
    if (!session_is_hidden(h)) {
        readline_show_prompt(h->rl);
    }
}

/* The user looks at the monitor: what it had to say, and a new line. */
static void session_show(Hmp *h)
{
    readline_reset(h->rl);
    readline_show_prompt(h->rl);
}

/* All front ends that the command line names are there: who has the focus? */
static gboolean session_settle(gpointer opaque)
{
    VM_LOCK_GUARD();
    Hmp *h = opaque;

    h->settle = 0;
    if (h->focused) {
        session_show(h);
    }
    return G_SOURCE_REMOVE;
}

static void session_event(void *opaque, ChardevEvent ev)
{
    Hmp *h = opaque;

    switch (ev) {
    case CHARDEV_OPENED:
        session_greet(h);
        break;
    case CHARDEV_CLOSED:
        session_peer_gone(h);
        h->ending = false;
        readline_reset(h->rl);
        break;
    case CHARDEV_MUX_IN:
        h->focused = true;
        /* At the program's end the other front ends go first. */
        if (!session_is_hidden(h) && !h->vm->quitting) {
            session_show(h);
        }
        break;
    case CHARDEV_MUX_OUT:
        if (!session_is_hidden(h)) {
            session_put(h, "\n");
        }
        h->focused = false;
        break;
    default:
        break;
    }
}

static void session_free(void *opaque)
{
    Hmp *h = opaque;

    if (h->wait != 0) {
        g_source_remove(h->wait);
    }
    if (h->settle != 0) {
        g_source_remove(h->settle);
    }
    if (h->watch != 0) {
        chardev_del_watch(h->cd, h->watch);
    }
    chardev_detach(h->cd, h->handle);
    readline_free(h->rl);
    g_string_free(h->out, TRUE);
    g_free(h);
}

bool hmp_session_new(Vm *vm, Chardev *cd, bool readline, GError **errp)
{
    Hmp *h = g_new0(Hmp, 1);
    const ChardevFrontend fe = {
        .can_receive = session_can_receive,
        .receive = session_receive,
        .event = session_event,
        .end_of_input = session_end_of_input,
        .peer_gone = session_peer_gone,
        .opaque = h,
    };

    h->vm = vm;
    h->cd = cd;
    h->format = default_format;
    h->out = g_string_new(NULL);
    h->rl = readline_new(&session_readline, h, "(qemu) ", readline);
    h->muxed = chardev_is_mux(cd);
    if (h->muxed) {
        /* Before any input. */
        h->settle = g_idle_add_full(G_PRIORITY_HIGH, session_settle, h, NULL);
    }
    if (!chardev_attach(cd, &fe, &h->handle, errp)) {
        if (h->settle != 0) {
            g_source_remove(h->settle);
        }
        readline_free(h->rl);
        g_string_free(h->out, TRUE);
        g_free(h);
        return false;
    }
    monitors_at_free(vm->monitors, session_free, h);
    return true;
}
