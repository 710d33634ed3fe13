/*
 * Requests that wait for limits of I/O.
 *
 * A group has the limits and the buckets.  A back end is a member of it once
 * for its own limits and once for each throttle node on top of its image; its
 * requests pass these gates one after the other, before they begin.  What
 * waits is in the node's list of those that wait, too, and is given up, checked
 * anew and counted like these.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_THROTTLE_PRIV_H
#define BLOCK_THROTTLE_PRIV_H

#include "block/block-priv.h"
#include "block/throttle.h"

typedef struct ThrottleGroup ThrottleGroup;
typedef struct ThrottleMember ThrottleMember;

/* Groups by name.  vm_lock; bs NULL: nobody finds it. */
ThrottleGroup *throttle_group_find(BlockBackends *bs, const char *name);
/* With one reference.  by_object: for throttle nodes, too. */
ThrottleGroup *throttle_group_new(BlockBackends *bs, const char *name,
                                  bool by_object);
ThrottleGroup *throttle_group_ref(ThrottleGroup *g);
void throttle_group_unref(ThrottleGroup *g);
/* More references than its object's? */
bool throttle_group_is_used(const ThrottleGroup *g);
bool throttle_group_is_object(const ThrottleGroup *g);
const char *throttle_group_name(const ThrottleGroup *g);
void throttle_group_get(ThrottleGroup *g, IoLimits *ret);
void throttle_group_set(ThrottleGroup *g, const IoLimits *l);
/* The registry goes: groups that objects still have are nobody's. */
void throttle_groups_forget(BlockBackends *bs);

/* throttle-driver.c: the group of a throttle node. */
ThrottleGroup *throttle_node_group(const BlockNode *n);
/* The topmost throttle node in n, as far as its bytes are its child's. */
BlockNode *throttle_node_in(BlockNode *n);

/* throttle-opts.c: is it a key of -drive's limits? */
bool throttle_is_opt(const char *key);
/* The limits, which are checked; *ret_group NULL: none is named. */
bool throttle_take_opts(KeyVal *kv, IoLimits *ret, const char **ret_group,
                        GError **errp);

/*
 * Of a back end.  vm_lock; its medium was changed, and nothing of it is in
 * flight: the gates of its nodes.
 */
void block_throttle_follow(BlockBackend *b);
/* The back end goes, or its thread. */
void block_throttle_stop(BlockBackend *b);
void block_throttle_free(BlockBackend *b);

/*
 * In the back end's thread.  True: the request may begin; false: it waits, and
 * block_throttle_passed() (io.c) is called when it may.
 */
bool block_throttle_admit(BlockReq *r);
void block_throttle_passed(BlockReq *r);
/* A request that waits is given up. */
void block_throttle_forget(BlockReq *r);
/* What waits, needn't; buckets overflow instead. */
void block_throttle_release(BlockBackend *b);

#endif
