/*
 * Messages to the user on stderr, and the debug log of -d and -D.
 *
 * A message is one line; the functions add the line end. Libraries return
 * errors (util/error.h): only the monitors, main() and places that have nobody
 * to return an error to print.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* "qemu-system-x86_64: TEXT", "...: warning: TEXT", "...: info: TEXT". */
void log_error(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void log_warn(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void log_info(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* Prints err's message as log_error() does; takes err over, NULL is fine. */
void log_take_error(GError *err);

/* log_warn(), the first time that this place is reached. */
#define log_warn_once(...)                                          \
    do {                                                            \
        static bool said_;                                          \
        if (!__atomic_exchange_n(&said_, true, __ATOMIC_RELAXED)) { \
            log_warn(__VA_ARGS__);                                  \
        }                                                           \
    } while (0)

/* At start: the name before each message is argv0 without its folder. */
void log_set_program(const char *argv0);
/* -msg timestamp=on: UTC with microseconds before each message. */
void log_set_timestamp(bool on);
/* -msg guest-name=on: the guest's name before the program's; NULL: off. */
void log_set_guest_name(const char *name);

/* What -d selects. */
typedef enum LogItem {
    LOG_ITEM_IN_ASM,
    LOG_ITEM_INT,
    LOG_ITEM_EXEC,
    LOG_ITEM_CPU,
    LOG_ITEM_FPU,
    LOG_ITEM_MMU,
    LOG_ITEM_PCALL,
    LOG_ITEM_CPU_RESET,
    LOG_ITEM_UNIMP,
    LOG_ITEM_GUEST_ERRORS,
    LOG_ITEM__MAX,
} LogItem;

/* Bit n for LogItem n; read it through log_enabled(). */
extern uint32_t log_mask;

static inline bool log_enabled(LogItem item)
{
    return __builtin_expect(
        (__atomic_load_n(&log_mask, __ATOMIC_RELAXED) >> item) & 1, 0);
}

/*
 * Selects the items of a comma-separated list, in place of those before:
 * names as log_print_help() shows, "all", "none", "trace:PATTERN".
 */
bool log_set_items(const char *items, GError **errp);
/* What "-d help" prints; g_free(). */
char *log_help_text(void);
/*
 * Writes the log to a file from now on ("%d" once in its name is the process
 * id); NULL: stderr. On failure the log stays where it was.
 */
bool log_set_file(const char *path, GError **errp);

/* Adds a line (or several) to the log, whatever the mask says. */
void log_write(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/* Adds a line to the log if -d selects the item. */
#define log_item(item, ...)         \
    do {                            \
        if (log_enabled(item)) {    \
            log_write(__VA_ARGS__); \
        }                           \
    } while (0)

/* The guest did what hardware doesn't define; say which device and value. */
#define log_guest_error(...) log_item(LOG_ITEM_GUEST_ERRORS, __VA_ARGS__)
/* The guest did what hardware defines but Godwit hasn't. */
#define log_unimp(...) log_item(LOG_ITEM_UNIMP, __VA_ARGS__)

#endif /* UTIL_LOG_H */
