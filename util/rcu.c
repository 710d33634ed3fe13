/*
 * Read-copy-update: the two conveniences over liburcu.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/rcu.h"

#ifdef CONFIG_TSAN
char rcu_grace;
#endif

typedef struct RcuCall {
    RcuHead head;
    void (*fn)(void *opaque);
    void *opaque;
} RcuCall;

static void free_head(RcuHead *head)
{
    rcu_callback_begin();
    g_free(head);
    rcu_callback_end();
}

void rcu_free(RcuHead *head)
{
    if (head) {
        call_rcu(head, free_head);
    }
}

static void run_call(RcuHead *head)
{
    RcuCall *call;

    rcu_callback_begin();
    call = container_of(head, RcuCall, head);
    call->fn(call->opaque);
    g_free(call);
    rcu_callback_end();
}

void rcu_call(void (*fn)(void *opaque), void *opaque)
{
    RcuCall *call = g_new0(RcuCall, 1);

    call->fn = fn;
    call->opaque = opaque;
    call_rcu(&call->head, run_call);
}
