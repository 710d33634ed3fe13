/*
 * Messages to the user on stderr, and the debug log of -d and -D.
 *
 * What is configured here is the one exception to "no mutable globals":
 * every layer logs, and a log object passed to all of them would be noise.
 * It is set while options are parsed; afterwards only the monitor's "log" and
 * "logfile" change the mask and the file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/log.h"

#include <fcntl.h>

#include "util/error.h"
#include "util/lock.h"
#include "util/open.h"
#include "util/trace.h"

typedef struct LogConfig {
    Lock lock;
    char *program;    /* NULL: the name that the C library knows */
    char *guest_name; /* NULL: not shown */
    bool timestamp;
    FILE *file; /* NULL: stderr */
} LogConfig;

typedef struct LogItemInfo {
    const char *name;
    const char *help;
} LogItemInfo;

static LogConfig log_config = { .lock = LOCK_INITIALIZER };

uint32_t log_mask;

/* The names are those that users of -d know. */
static const LogItemInfo log_items[LOG_ITEM__MAX] = {
    [LOG_ITEM_IN_ASM] = { "in_asm", "guest code, as it is decoded" },
    [LOG_ITEM_INT] = { "int", "interrupts and exceptions, one line each" },
    [LOG_ITEM_EXEC] = { "exec", "each block of guest code before it runs" },
    [LOG_ITEM_CPU] = { "cpu", "CPU registers before each block runs" },
    [LOG_ITEM_FPU] = { "fpu", "FPU registers too, where 'cpu' logs" },
    [LOG_ITEM_MMU] = { "mmu", "page walks and translation faults" },
    [LOG_ITEM_PCALL] = { "pcall", "far calls, returns and task switches" },
    [LOG_ITEM_CPU_RESET] = { "cpu_reset", "CPU state before each reset" },
    [LOG_ITEM_UNIMP] = { "unimp", "use of what is not implemented" },
    [LOG_ITEM_GUEST_ERRORS] = { "guest_errors",
                                "what the guest does against the data sheet" },
};

/* Items of other programs' -d that have no meaning here. */
static const char *const absent_items[] = {
    "out_asm", "op",     "op_opt", "op_ind", "page",
    "nochain", "plugin", "strace", "tid",    "vpu",
};

static void append_prefix(GString *line)
{
    if (log_config.timestamp) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *text = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");

        g_string_append_printf(line, "%s.%06dZ ", text,
                               g_date_time_get_microsecond(now));
    }
    if (log_config.guest_name) {
        g_string_append_printf(line, "%s ", log_config.guest_name);
    }
    g_string_append_printf(line, "%s: ",
                           log_config.program ? log_config.program
                                              : program_invocation_short_name);
}

G_GNUC_PRINTF(2, 0)
static void log_say(const char *level, const char *fmt, va_list ap)
{
    g_autoptr(GString) line = g_string_new(NULL);

    LOCK_GUARD(&log_config.lock);
    append_prefix(line);
    g_string_append(line, level);
    g_string_append_vprintf(line, fmt, ap);
    g_string_append_c(line, '\n');
    /* One call, so that lines of several processes don't mix in one file. */
    fwrite(line->str, 1, line->len, stderr);
}

void log_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_say("", fmt, ap);
    va_end(ap);
}

void log_warn(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_say("warning: ", fmt, ap);
    va_end(ap);
}

void log_info(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_say("info: ", fmt, ap);
    va_end(ap);
}

void log_take_error(GError *err)
{
    if (err) {
        log_error("%s", err->message);
        g_error_free(err);
    }
}

void log_set_program(const char *argv0)
{
    LOCK_GUARD(&log_config.lock);
    g_free(log_config.program);
    log_config.program = g_path_get_basename(argv0);
}

void log_set_timestamp(bool on)
{
    LOCK_GUARD(&log_config.lock);
    log_config.timestamp = on;
}

void log_set_guest_name(const char *name)
{
    LOCK_GUARD(&log_config.lock);
    g_free(log_config.guest_name);
    log_config.guest_name = g_strdup(name);
}

static bool find_item(const char *name, uint32_t *ret_bits, GError **errp)
{
    if (!strcmp(name, "all")) {
        *ret_bits = (1U << LOG_ITEM__MAX) - 1;
        return true;
    }
    for (size_t i = 0; i < LOG_ITEM__MAX; i++) {
        if (!strcmp(name, log_items[i].name)) {
            *ret_bits = 1U << i;
            return true;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(absent_items); i++) {
        if (!strcmp(name, absent_items[i])) {
            error_setf(errp, "log item '%s' does not exist here", name);
            return false;
        }
    }
    error_setf(errp, "unknown log item '%s' ('help' lists them)", name);
    return false;
}

bool log_set_items(const char *items, GError **errp)
{
    g_auto(GStrv) names = g_strsplit(items, ",", -1);
    uint32_t mask = 0;

    for (char **n = names; *n; n++) {
        uint32_t bits = 0;

        if (!strcmp(*n, "none")) {
            mask = 0;
        } else if (g_str_has_prefix(*n, "trace:")) {
            if (!trace_enable(*n + strlen("trace:"), true, errp)) {
                return false;
            }
        } else if (!find_item(*n, &bits, errp)) {
            return false;
        }
        mask |= bits;
    }
    __atomic_store_n(&log_mask, mask, __ATOMIC_RELAXED);
    return true;
}

char *log_help_text(void)
{
    GString *out = g_string_new("Log items (comma separated):\n");

    for (size_t i = 0; i < LOG_ITEM__MAX; i++) {
        g_string_append_printf(out, "%-15s %s\n", log_items[i].name,
                               log_items[i].help);
    }
    g_string_append(out,
                    "trace:PATTERN   the trace points whose names match\n"
                    "all             every item above but the trace points\n"
                    "none            nothing\n");
    return g_string_free(out, FALSE);
}

/* The path with its one "%d" made the process id; NULL if it has others. */
static char *expand_path(const char *path)
{
    const char *mark = strchr(path, '%');

    if (!mark) {
        return g_strdup(path);
    }
    if (mark[1] != 'd' || strchr(mark + 1, '%')) {
        return NULL;
    }
    return g_strdup_printf("%.*s%d%s", (int)(mark - path), path, (int)getpid(),
                           mark + 2);
}

bool log_set_file(const char *path, GError **errp)
{
    FILE *file = NULL;
    FILE *old;
    int fd;

    if (path) {
        g_autofree char *name = expand_path(path);

        if (!name) {
            error_setf(errp, "log file '%s': only one %%d is understood", path);
            return false;
        }
        fd = open_user_file(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        file = fd < 0 ? NULL : fdopen(fd, "w");
        if (!file) {
            error_setf_errno(errp, fd < 0 ? -fd : errno, "log file '%s'", name);
            if (fd >= 0) {
                close(fd);
            }
            return false;
        }
        setvbuf(file, NULL, _IOLBF, 0);
    }
    lock_acquire(&log_config.lock);
    old = log_config.file;
    log_config.file = file;
    lock_release(&log_config.lock);
    if (old) {
        fclose(old);
    }
    return true;
}

void log_write(const char *fmt, ...)
{
    g_autoptr(GString) text = g_string_new(NULL);
    va_list ap;

    va_start(ap, fmt);
    g_string_vprintf(text, fmt, ap);
    va_end(ap);
    if (!text->len || text->str[text->len - 1] != '\n') {
        g_string_append_c(text, '\n');
    }
    LOCK_GUARD(&log_config.lock);
    fwrite(text->str, 1, text->len, log_config.file ?: stderr);
}
