/*
 * Who has the guest: the rules of a switch-over at the source, as data.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/handover.h"
#include "system/clock.h"

/*
 * How long past the limit the word of a destination may take that has
 * everything: below this, scheduling alone would undo a finished migration.
 */
#define ACK_GRACE_NS (10 * NS_PER_MS)
/*
 * How long past the limit a peer may take that knows no second attempt: what
 * can't be undone fails, and the guest goes on here.
 */
#define PLAIN_GRACE_NS (1 * NS_PER_S)

typedef struct OwnerRule {
    PeerKind peer;
    GuestOwner before;
    HandoverEvent event;
    GuestOwner after;
} OwnerRule;

/* All that moves a guest; whatever isn't here leaves it where it is. */
static const OwnerRule rules[] = {
    { PEER_FILE, OWNER_SOURCE, CLOSED_WELL, OWNER_DESTINATION },
    { PEER_ONE_WAY, OWNER_SOURCE, SAID_EOF, OWNER_GIVEN },
    { PEER_ONE_WAY, OWNER_GIVEN, CLOSED_WELL, OWNER_DESTINATION },
    { PEER_PLAIN, OWNER_SOURCE, SAID_EOF, OWNER_GIVEN },
    { PEER_PLAIN, OWNER_SOURCE, SAID_PACKAGED_RUN, OWNER_GIVEN },
    { PEER_PLAIN, OWNER_GIVEN, HEARD_SHUT, OWNER_DESTINATION },
    { PEER_COMMIT, OWNER_SOURCE, SAID_RUN, OWNER_GIVEN },
    { PEER_COMMIT, OWNER_GIVEN, HEARD_RESUMED, OWNER_DESTINATION },
};

GuestOwner handover_next(PeerKind peer, GuestOwner owner, HandoverEvent ev)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        const OwnerRule *r = &rules[i];

        if (r->peer == peer && r->before == owner && r->event == ev) {
            return r->after;
        }
    }
    return owner;
}

bool handover_may_say(PeerKind peer, GuestOwner owner, HandoverEvent ev)
{
    if (owner != OWNER_SOURCE) {
        return false;
    }
    switch (ev) {
    case SAID_EOF:
        return true;
    case SAID_PACKAGED_RUN:
        return peer == PEER_PLAIN;
    case SAID_SWITCHOVER:
    case SAID_RUN:
    case SAID_ABORT:
        return peer == PEER_COMMIT;
    default:
        return false;
    }
}

SwitchPlan switch_plan(const SwitchInput *in)
{
    int64_t limit = MAX(in->limit_ns, ACK_GRACE_NS);
    SwitchPlan p = {
        /* After the management's go-ahead it must not run here again. */
        .may_undo = in->was_running && in->abort_on && !in->pause_before,
        .spin = in->was_running && in->peer == PEER_COMMIT,
    };

    /*
     * It stood anyway, or may stand for longer than the limit: as long as the
     * peer takes something.  One that hangs is not waited for to the end of
     * days: the guest would be nowhere.
     */
    if (!p.may_undo) {
        p.silence_ns = MAX(limit, in->silence_ns);
        return p;
    }
    p.keep_late = in->peer == PEER_COMMIT;
    if (in->peer != PEER_COMMIT) {
        limit += PLAIN_GRACE_NS;
    }
    p.write_end_ns = in->stop_ns + limit;
    p.word_end_ns = in->stop_ns + limit;
    return p;
}

int64_t switch_word_end_ns(const SwitchPlan *p, int64_t now_ns)
{
    return p->word_end_ns != 0 ? p->word_end_ns : now_ns + p->silence_ns;
}
