/*
 * Line editing: the keys of an Emacs-like line editor over ANSI sequences
 * (ECMA-48), with a history and completion.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/readline.h"

enum {
    LINE_MAX_BYTES = 4095,
    HISTORY_MAX = 64,
    KEY_ESC = 0x1b,
    KEY_DEL = 0x7f,
};

#define CTRL(c_) ((c_)&0x1f)

typedef enum EscState { ESC_NONE, ESC_SEEN, ESC_CSI } EscState;

struct Readline {
    const ReadlineOps *ops;
    void *opaque;
    char *prompt;
    bool edit;
    GString *line;
    size_t cursor; /* in line, 0..len */
    size_t shown;  /* where the terminal's cursor is, in bytes */
    EscState esc;
    unsigned esc_arg;
    bool last_cr; /* a line feed that follows belongs to it */
    GPtrArray *history;
    guint history_at; /* history->len: the line being typed */
};

Readline *readline_new(const ReadlineOps *ops, void *opaque, const char *prompt,
                       bool edit)
{
    Readline *r = g_new0(Readline, 1);

    r->ops = ops;
    r->opaque = opaque;
    r->prompt = g_strdup(prompt);
    r->edit = edit;
    r->line = g_string_new(NULL);
    r->history = g_ptr_array_new_with_free_func(g_free);
    return r;
}

void readline_free(Readline *r)
{
    if (r == NULL) {
        return;
    }
    g_free(r->prompt);
    g_string_free(r->line, TRUE);
    g_ptr_array_unref(r->history);
    g_free(r);
}

void readline_reset(Readline *r)
{
    g_string_truncate(r->line, 0);
    r->cursor = 0;
    r->shown = 0;
    r->esc = ESC_NONE;
    r->last_cr = false;
}

void readline_show_prompt(Readline *r)
{
    r->ops->put(r->opaque, r->prompt);
    r->shown = 0;
}

/* Draws the line again from the prompt on and puts the cursor in place. */
static void readline_refresh(Readline *r)
{
    g_autoptr(GString) s = g_string_new(NULL);

    for (size_t i = 0; i < r->shown; i++) {
        g_string_append(s, "\033[D");
    }
    g_string_append_len(s, r->line->str, r->line->len);
    g_string_append(s, "\033[K");
    for (size_t i = r->line->len; i > r->cursor; i--) {
        g_string_append(s, "\033[D");
    }
    r->shown = r->cursor;
    r->ops->put(r->opaque, s->str);
}

static void readline_remember(Readline *r, const char *line)
{
    guint n = r->history->len;

    if (*line != '\0' &&
        (n == 0 || strcmp(r->history->pdata[n - 1], line) != 0)) {
        if (n == HISTORY_MAX) {
            g_ptr_array_remove_index(r->history, 0);
        }
        g_ptr_array_add(r->history, g_strdup(line));
    }
    r->history_at = r->history->len;
}

static void accept_line(Readline *r)
{
    g_autofree char *line = g_strdup(r->line->str);

    readline_reset(r);
    if (r->edit) {
        r->ops->put(r->opaque, "\n");
    }
    readline_remember(r, line);
    r->ops->line(r->opaque, line);
}

static void set_line(Readline *r, const char *text)
{
    g_string_assign(r->line, text);
    r->cursor = r->line->len;
    readline_refresh(r);
}

static void history_move(Readline *r, int by)
{
    if ((by < 0 && r->history_at == 0) ||
        (by > 0 && r->history_at >= r->history->len)) {
        return;
    }
    r->history_at += by;
    set_line(r, r->history_at < r->history->len
                    ? r->history->pdata[r->history_at]
                    : "");
}

static void readline_erase(Readline *r, size_t from, size_t to)
{
    if (from < to) {
        g_string_erase(r->line, from, to - from);
        r->cursor = from;
        readline_refresh(r);
    }
}

static size_t word_start(const Readline *r)
{
    size_t i = r->cursor;

    while (i > 0 && r->line->str[i - 1] == ' ') {
        i--;
    }
    while (i > 0 && r->line->str[i - 1] != ' ') {
        i--;
    }
    return i;
}

static void move_to(Readline *r, size_t at)
{
    r->cursor = MIN(at, r->line->len);
    readline_refresh(r);
}

/* Bytes that all matches begin with. */
static size_t common_prefix(const GPtrArray *matches)
{
    const char *first = matches->pdata[0];
    size_t n = strlen(first);

    for (guint i = 1; i < matches->len; i++) {
        const char *s = matches->pdata[i];
        size_t k = 0;

        while (k < n && s[k] == first[k]) {
            k++;
        }
        n = k;
    }
    return n;
}

static void list_matches(Readline *r, const GPtrArray *matches)
{
    g_autoptr(GString) s = g_string_new("\n");
    size_t width = 1;
    guint columns;

    for (guint i = 0; i < matches->len; i++) {
        width = MAX(width, strlen(matches->pdata[i]) + 2);
    }
    columns = MAX(80 / width, 1u);
    for (guint i = 0; i < matches->len; i++) {
        bool last = i % columns == columns - 1 || i + 1 == matches->len;

        g_string_append_printf(s, "%-*s", last ? 0 : (int)width,
                               (char *)matches->pdata[i]);
        if (last && i + 1 < matches->len) {
            g_string_append_c(s, '\n');
        }
    }
    g_string_append_c(s, '\n');
    r->ops->put(r->opaque, s->str);
    readline_show_prompt(r);
    readline_refresh(r);
}

static void readline_complete(Readline *r)
{
    g_autoptr(GPtrArray) matches = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *text = g_strndup(r->line->str, r->cursor);
    size_t start = r->ops->complete(r->opaque, text, matches);
    size_t have = r->cursor - MIN(start, r->cursor), n;

    if (matches->len == 0) {
        return;
    }
    n = common_prefix(matches);
    if (n > have) {
        const char *more = (char *)matches->pdata[0] + have;

        g_string_insert_len(r->line, r->cursor, more, n - have);
        r->cursor += n - have;
    }
    if (matches->len == 1) {
        g_string_insert_c(r->line, r->cursor++, ' ');
        readline_refresh(r);
    } else if (n > have) {
        readline_refresh(r);
    } else {
        list_matches(r, matches);
    }
}

static void feed_csi(Readline *r, uint8_t c)
{
    if (g_ascii_isdigit(c)) {
        r->esc_arg = MIN(r->esc_arg * 10 + (c - '0'), 99u);
        return;
    }
    r->esc = ESC_NONE;
    switch (c) {
    case 'A':
        history_move(r, -1);
        break;
    case 'B':
        history_move(r, 1);
        break;
    case 'C':
        move_to(r, r->cursor + 1);
        break;
    case 'D':
        move_to(r, r->cursor ? r->cursor - 1 : 0);
        break;
    case 'H':
        move_to(r, 0);
        break;
    case 'F':
        move_to(r, r->line->len);
        break;
    case '~': /* 1, 7: home; 4, 8: end; 3: delete */
        if (r->esc_arg == 1 || r->esc_arg == 7) {
            move_to(r, 0);
        } else if (r->esc_arg == 4 || r->esc_arg == 8) {
            move_to(r, r->line->len);
        } else if (r->esc_arg == 3 && r->cursor < r->line->len) {
            readline_erase(r, r->cursor, r->cursor + 1);
        }
        break;
    }
}

static void readline_insert(Readline *r, uint8_t c)
{
    if (c < ' ' || r->line->len >= LINE_MAX_BYTES) {
        return;
    }
    g_string_insert_c(r->line, r->cursor++, c);
    if (!r->edit) {
        return;
    }
    if (r->cursor == r->line->len) {
        /* At the end, as nearly always: the rest is on the screen already. */
        r->ops->put(r->opaque, (const char[]){ c, '\0' });
        r->shown = r->cursor;
    } else {
        readline_refresh(r);
    }
}

static void feed_key(Readline *r, uint8_t c)
{
    switch (c) {
    case CTRL('a'):
        move_to(r, 0);
        break;
    case CTRL('b'):
        move_to(r, r->cursor ? r->cursor - 1 : 0);
        break;
    case CTRL('c'):
    case CTRL('u'):
        readline_erase(r, 0, r->line->len);
        break;
    case CTRL('d'):
        readline_erase(r, r->cursor, MIN(r->cursor + 1, r->line->len));
        break;
    case CTRL('e'):
        move_to(r, r->line->len);
        break;
    case CTRL('f'):
        move_to(r, r->cursor + 1);
        break;
    case CTRL('h'):
    case KEY_DEL:
        readline_erase(r, r->cursor ? r->cursor - 1 : 0, r->cursor);
        break;
    case CTRL('i'):
        readline_complete(r);
        break;
    case CTRL('k'):
        readline_erase(r, r->cursor, r->line->len);
        break;
    case CTRL('n'):
        history_move(r, 1);
        break;
    case CTRL('p'):
        history_move(r, -1);
        break;
    case CTRL('w'):
        readline_erase(r, word_start(r), r->cursor);
        break;
    case KEY_ESC:
        r->esc = ESC_SEEN;
        break;
    default:
        readline_insert(r, c);
        break;
    }
}

void readline_feed(Readline *r, uint8_t c)
{
    bool after_cr = r->last_cr;

    r->last_cr = c == '\r';
    if (c == '\r' || (c == '\n' && !after_cr)) {
        r->esc = ESC_NONE;
        accept_line(r);
        r->last_cr = c == '\r';
        return;
    }
    if (c == '\n') {
        return;
    }
    if (!r->edit) {
        readline_insert(r, c);
        return;
    }
    switch (r->esc) {
    case ESC_NONE:
        feed_key(r, c);
        break;
    case ESC_SEEN:
        r->esc = c == '[' || c == 'O' ? ESC_CSI : ESC_NONE;
        r->esc_arg = 0;
        break;
    case ESC_CSI:
        feed_csi(r, c);
        break;
    }
}
