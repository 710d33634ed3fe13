/*
 * What two Godwits tell each other of their machines.
 *
 * The stream itself has no CPU flags and no sizes of disks, and what it doesn't
 * bring stays as after a reset: without this, such differences would arrive
 * without a word.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/facts.h"

#include "util/error.h"
#include "vmstate/vmstate.h"

/* Bytes of a peer's word that a message shows. */
enum { SHOWN_MAX = 80 };

char *mig_facts(Vm *vm, const MigrationHooks *hooks, bool ignore_shared)
{
    GString *text;
    RamBlock *rb;

    if (hooks->facts == NULL) {
        return NULL;
    }
    text = g_string_new(NULL);
    hooks->facts(vm, text);
    for (GList *l = vm->vmstates->entries.head; l != NULL; l = l->next) {
        const VmstateEntry *e = l->data;

        g_string_append_printf(text, "device %s/%u\n", e->idstr, e->instance);
    }
    RAM_BLOCK_FOREACH(rb, &vm->mem.ram)
    {
        if (ignore_shared && rb->shared && rb->migratable) {
            g_string_append_printf(text, "ignored %s\n", rb->name);
        }
    }
    return g_string_free(text, FALSE);
}

/* The lines of one kind, behind it. */
static GHashTable *lines_of(const char *text, const char *kind)
{
    GHashTable *set =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line != NULL; line++) {
        if (g_str_has_prefix(*line, kind) && (*line)[strlen(kind)] == ' ') {
            g_hash_table_add(set, g_strdup(*line + strlen(kind) + 1));
        }
    }
    return set;
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In order; those that `a` has and `b` hasn't.  Strings are those of `a`. */
static GPtrArray *lines_only_in(GHashTable *a, GHashTable *b)
{
    GPtrArray *only = g_ptr_array_new();
    GHashTableIter it;
    gpointer line;

    g_hash_table_iter_init(&it, a);
    while (g_hash_table_iter_next(&it, &line, NULL)) {
        if (!g_hash_table_contains(b, line)) {
            g_ptr_array_add(only, line);
        }
    }
    g_ptr_array_sort(only, by_name);
    return only;
}

/* A peer's word as it may be shown. */
static char *facts_shown(const char *word)
{
    g_autofree char *part = g_strndup(word, SHOWN_MAX);

    return g_strescape(part, NULL);
}

static char *shown_list(const GPtrArray *words)
{
    enum { WORDS_MAX = 16 };
    GString *list = g_string_new(NULL);

    for (guint i = 0; i < words->len && i < WORDS_MAX; i++) {
        g_autofree char *text = facts_shown(words->pdata[i]);

        g_string_append_printf(list, "%s%s", i > 0 ? ", " : "", text);
    }
    if (words->len > WORDS_MAX) {
        g_string_append_printf(list, " and %u more", words->len - WORDS_MAX);
    }
    return g_string_free(list, FALSE);
}

typedef bool FactsRule(const GPtrArray *there_only, const GPtrArray *here_only,
                       GString *differs, GError **errp);

static bool check_flags(const GPtrArray *there_only, const GPtrArray *here_only,
                        GString *differs, GError **errp)
{
    g_autofree char *list = shown_list(there_only);

    if (there_only->len > 0) {
        error_setf(errp,
                   "the CPU here lacks what the source's has (another -cpu, or "
                   "host): %s",
                   list);
    }
    return there_only->len == 0;
}

static bool has_cpu(const GPtrArray *names)
{
    for (guint i = 0; i < names->len; i++) {
        if (g_str_has_prefix(names->pdata[i], "cpu/")) {
            return true;
        }
    }
    return false;
}

static bool check_devices(const GPtrArray *there_only,
                          const GPtrArray *here_only, GString *differs,
                          GError **errp)
{
    g_autofree char *lacking = shown_list(there_only);
    g_autofree char *more = shown_list(here_only);

    if (here_only->len > 0) {
        g_string_append_printf(differs,
                               "; only this machine has, as after a reset: %s",
                               more);
    }
    if (there_only->len > 0) {
        error_setf(errp, "only the source has: %s%s", lacking,
                   has_cpu(there_only) ? " (other -smp)" : "");
    }
    return there_only->len == 0;
}

static bool check_ignored(const GPtrArray *there_only,
                          const GPtrArray *here_only, GString *differs,
                          GError **errp)
{
    const GPtrArray *only = there_only->len > 0 ? there_only : here_only;
    g_autofree char *list = shown_list(only);

    if (only->len > 0) {
        error_setf(errp, "x-ignore-shared: RAM is shared only %s: %s",
                   only == there_only ? "at the source" : "here", list);
    }
    return only->len == 0;
}

/*
 * "SIZE NAME": the disk of that name has another size here?  It may only have
 * been opened before the source resized it, and is looked at again later.
 */
static bool check_disks(const GPtrArray *there_only, const GPtrArray *here_only,
                        GString *differs, GError **errp)
{
    for (guint i = 0; i < there_only->len; i++) {
        const char *theirs = there_only->pdata[i];
        const char *name = strchr(theirs, ' ');

        for (guint j = 0; name != NULL && j < here_only->len; j++) {
            const char *ours = here_only->pdata[j];
            g_autofree char *size = g_strndup(theirs, name - theirs);
            g_autofree char *text = facts_shown(size);

            if (g_str_equal(strchr(ours, ' '), name)) {
                g_string_append_printf(
                    differs,
                    "; disk '%s' has %.*s bytes here, %s at the source",
                    strchr(ours, ' ') + 1, (int)(strchr(ours, ' ') - ours),
                    ours, text);
            }
        }
    }
    return true;
}

static bool check_kind(const char *there, const char *here, const char *kind,
                       FactsRule *rule, GString *differs, GError **errp)
{
    g_autoptr(GHashTable) theirs = lines_of(there, kind);
    g_autoptr(GHashTable) ours = lines_of(here, kind);
    g_autoptr(GPtrArray) there_only = lines_only_in(theirs, ours);
    g_autoptr(GPtrArray) here_only = lines_only_in(ours, theirs);

    return rule(there_only, here_only, differs, errp);
}

static bool check_same(const GPtrArray *there_only, const GPtrArray *here_only,
                       GString *differs, GError **errp)
{
    return there_only->len == 0 && here_only->len == 0;
}

bool mig_facts_check(const char *there, const char *here, char **ret_differs,
                     GError **errp)
{
    GString *d = g_string_new(NULL);
    /* Another accelerator has other flags, and a clock of its own. */
    bool ok = !check_kind(there, here, "accel", check_same, NULL, NULL) ||
              (check_kind(there, here, "flag", check_flags, d, errp) &&
               check_kind(there, here, "device", check_devices, d, errp));

    ok = ok && check_kind(there, here, "ignored", check_ignored, d, errp) &&
         check_kind(there, here, "disk", check_disks, d, errp);
    *ret_differs = d->len > 0 ? g_strdup(d->str + strlen("; ")) : NULL;
    g_string_free(d, TRUE);
    return ok;
}
