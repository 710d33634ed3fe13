/*
 * State that travels in several parts: the frame around each row's content.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/iterative.h"

#include "migration/ram.h"
#include "migration/savevm.h"
#include "migration/wire.h"

static const IterativeOps *const all_rows[] = {
    &ram_iterative,
};

struct IterativeSet {
    const IterativeOps *const *rows;
    const IterativeEnv *env;
    size_t n;
    void **opaque; /* n; NULL: not set up */
};

const IterativeOps *const *iterative_rows(size_t *ret_n)
{
    *ret_n = G_N_ELEMENTS(all_rows);
    return all_rows;
}

const IterativeOps *iterative_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(all_rows); i++) {
        if (strcmp(all_rows[i]->name, name) == 0) {
            return all_rows[i];
        }
    }
    return NULL;
}

IterativeSet *iterative_new(const IterativeOps *const *rows, size_t n,
                            const IterativeEnv *env)
{
    IterativeSet *set = g_new0(IterativeSet, 1);

    set->rows = rows;
    set->env = env;
    set->n = n;
    set->opaque = g_new0(void *, n);
    return set;
}

void iterative_free(IterativeSet *set)
{
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (set->opaque[i] != NULL) {
            set->rows[i]->cleanup(set->opaque[i]);
        }
    }
    g_free(set->opaque);
    g_free(set);
}

bool iterative_setup(IterativeSet *set, GError **errp)
{
    StreamOut *out = set->env->out;

    for (size_t i = 0; i < set->n; i++) {
        savevm_put_part_begin(out, WIRE_SECTION_START, set->rows[i]);
        set->opaque[i] = set->rows[i]->setup(set->env, errp);
        if (set->opaque[i] == NULL) {
            /* In the middle of a part: nothing may be written behind it. */
            if (errp != NULL && *errp != NULL) {
                stream_out_set_error(out, g_error_copy(*errp));
            }
            return false;
        }
        savevm_put_part_end(out, set->rows[i]);
    }
    return stream_out_flush(out, errp);
}

uint64_t iterative_pending(IterativeSet *set, bool last)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < set->n; i++) {
        bytes += set->rows[i]->pending(set->opaque[i], last);
    }
    return bytes;
}

bool iterative_pass(IterativeSet *set, GError **errp)
{
    const RamSendOptions *opts = &set->env->opts;
    StreamOut *out = set->env->out;
    bool ok;

    for (size_t i = 0; i < set->n; i++) {
        savevm_put_part_begin(out, WIRE_SECTION_PART, set->rows[i]);
        ok = set->rows[i]->iterate(set->opaque[i], errp);
        savevm_put_part_end(out, set->rows[i]);
        if (!ok) {
            return false;
        }
    }
    return stream_out_flush(out, errp) &&
           opts->pace(opts->opaque, stream_out_bytes(out), errp);
}

bool iterative_complete(IterativeSet *set, GError **errp)
{
    StreamOut *out = set->env->out;
    bool ok;

    for (size_t i = 0; i < set->n; i++) {
        savevm_put_part_begin(out, WIRE_SECTION_END, set->rows[i]);
        ok = set->rows[i]->complete(set->opaque[i], errp);
        savevm_put_part_end(out, set->rows[i]);
        if (!ok) {
            return false;
        }
    }
    return stream_out_check(out, errp);
}

PostcopyOut *iterative_postcopy(IterativeSet *set, GError **errp)
{
    size_t i = 0;

    while (set->rows[i]->postcopy == NULL) {
        i++; /* there is one: memory */
    }
    return set->rows[i]->postcopy(set->opaque[i], errp);
}

void iterative_stats(const IterativeSet *set, RamSendStats *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < set->n; i++) {
        if (set->opaque[i] != NULL) {
            set->rows[i]->stats(set->opaque[i], ret);
        }
    }
}
