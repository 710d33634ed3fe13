/*
 * A GQueue of embedded GList links that is changed under a lock and walked
 * under RCU: a link that is taken out keeps its `next`, so that a reader who
 * stands on it still finds the rest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_RCU_QUEUE_H
#define SYSTEM_RCU_QUEUE_H

#include "util/rcu.h"

#include <glib.h>

/* First link, next link: for the owner of the lock or in a read section. */
#define rcu_queue_head(q)    rcu_dereference((q)->head)
#define rcu_queue_next(link) rcu_dereference((link)->next)

/* Puts `n` before `at`; NULL: at the end. */
static inline void rcu_queue_insert(GQueue *q, GList *at, GList *n)
{
    GList *prev = at ? at->prev : q->tail;

    n->next = at;
    n->prev = prev;
    if (prev) {
        rcu_assign_pointer(prev->next, n);
    } else {
        rcu_assign_pointer(q->head, n);
    }
    if (at) {
        at->prev = n;
    } else {
        q->tail = n;
    }
    q->length++;
}

/* The memory of `n` may be freed only after a grace period. */
static inline void rcu_queue_remove(GQueue *q, GList *n)
{
    if (n->prev) {
        rcu_assign_pointer(n->prev->next, n->next);
    } else {
        rcu_assign_pointer(q->head, n->next);
    }
    if (n->next) {
        n->next->prev = n->prev;
    } else {
        q->tail = n->prev;
    }
    q->length--;
}

#endif
