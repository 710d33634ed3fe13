/*
 * Memory listeners: what they are told when an address space changes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/memory-priv.h"
#include "util/error.h"
#include "util/log.h"

/* Calls a callback of every listener, in order of priority or against it. */
#define LISTENERS_CALL(as_, fn_, ...)                                    \
    do {                                                                 \
        for (GList *l_ = (as_)->listeners.head; l_; l_ = l_->next) {     \
            MemoryListener *m_ = container_of(l_, MemoryListener, link); \
            if (m_->fn_) {                                               \
                m_->fn_(m_, ##__VA_ARGS__);                              \
            }                                                            \
        }                                                                \
    } while (0)

#define LISTENERS_CALL_REVERSE(as_, fn_, ...)                            \
    do {                                                                 \
        for (GList *l_ = (as_)->listeners.tail; l_; l_ = l_->prev) {     \
            MemoryListener *m_ = container_of(l_, MemoryListener, link); \
            if (m_->fn_) {                                               \
                m_->fn_(m_, ##__VA_ARGS__);                              \
            }                                                            \
        }                                                                \
    } while (0)

/* The same but for the dirty log, which may change in place. */
static bool ranges_same(const FlatRange *a, const FlatRange *b)
{
    return a->addr == b->addr && a->size == b->size && a->mr == b->mr &&
           a->offset == b->offset && a->ram == b->ram &&
           a->read_only == b->read_only && a->romd == b->romd &&
           a->fetch_only == b->fetch_only;
}

/* What is in `old` and not in `now`. */
static void tell_deleted(AddressSpace *as, const FlatView *old,
                         const FlatView *now)
{
    unsigned j = 0;

    for (unsigned i = 0; i < old->nranges; i++) {
        const FlatRange *r = &old->ranges[i];
        MemorySection s;

        while (j < now->nranges && now->ranges[j].addr < r->addr) {
            j++;
        }
        if (j < now->nranges && ranges_same(r, &now->ranges[j])) {
            continue;
        }
        s = flat_range_section(as, r);
        LISTENERS_CALL_REVERSE(as, region_del, &s);
    }
}

/* What is new in `now`, or logs other clients than in `old`. */
static void tell_added(AddressSpace *as, const FlatView *old,
                       const FlatView *now)
{
    unsigned j = 0;

    for (unsigned i = 0; i < now->nranges; i++) {
        const FlatRange *r = &now->ranges[i];
        MemorySection s = flat_range_section(as, r);

        while (j < old->nranges && old->ranges[j].addr < r->addr) {
            j++;
        }
        if (j >= old->nranges || !ranges_same(r, &old->ranges[j])) {
            LISTENERS_CALL(as, region_add, &s);
        } else if (r->dirty_log != old->ranges[j].dirty_log) {
            LISTENERS_CALL(as, log_change, &s, old->ranges[j].dirty_log,
                           r->dirty_log);
        }
    }
}

/* Does the range show bytes off … off + size - 1 of its region? */
static bool range_shows(const FlatRange *r, uint64_t off, uint64_t size)
{
    return off >= r->offset && range_fits(off - r->offset, size, r->size);
}

static GArray *flatten_eventfds(AddressSpace *as, const FlatView *view)
{
    GArray *out = g_array_new(false, true, sizeof(FlatEventFd));

    for (unsigned i = 0; i < view->nranges; i++) {
        const FlatRange *r = &view->ranges[i];
        GArray *fds = r->mr->eventfds;

        for (guint k = 0; fds && k < fds->len; k++) {
            const MemoryEventFd *e = &g_array_index(fds, MemoryEventFd, k);
            FlatEventFd f = { .at = flat_range_section(as, r), .e = *e };

            if (!range_shows(r, e->addr, MAX(e->size, 1))) {
                continue;
            }
            f.at.addr += e->addr - r->offset;
            f.at.size = e->size;
            f.at.offset = e->addr;
            g_array_append_val(out, f);
        }
    }
    return out;
}

static bool eventfds_same(const FlatEventFd *a, const FlatEventFd *b)
{
    return a->at.addr == b->at.addr && a->e.size == b->e.size &&
           a->e.match_data == b->e.match_data &&
           (!a->e.match_data || a->e.data == b->e.data) &&
           a->e.notifier == b->e.notifier;
}

static bool eventfd_in(const GArray *list, const FlatEventFd *f)
{
    for (guint i = 0; list && i < list->len; i++) {
        if (eventfds_same(&g_array_index(list, FlatEventFd, i), f)) {
            return true;
        }
    }
    return false;
}

static void update_eventfds(AddressSpace *as, const FlatView *view)
{
    GArray *old = as->eventfds;
    GArray *now = flatten_eventfds(as, view);

    for (guint i = 0; i < old->len; i++) {
        const FlatEventFd *f = &g_array_index(old, FlatEventFd, i);

        if (!eventfd_in(now, f)) {
            LISTENERS_CALL_REVERSE(as, eventfd_del, &f->at, &f->e);
        }
    }
    for (guint i = 0; i < now->len; i++) {
        const FlatEventFd *f = &g_array_index(now, FlatEventFd, i);

        if (!eventfd_in(old, f)) {
            LISTENERS_CALL(as, eventfd_add, &f->at, &f->e);
        }
    }
    as->eventfds = now;
    g_array_unref(old);
}

/* Coalesced ranges as sections: where they are, and of which region. */
static GArray *flatten_coalesced(AddressSpace *as, const FlatView *view)
{
    GArray *out = g_array_new(false, true, sizeof(MemorySection));

    for (unsigned i = 0; i < view->nranges; i++) {
        const FlatRange *r = &view->ranges[i];
        GArray *list = r->mr->coalesced;

        for (guint k = 0; list && k < list->len; k++) {
            const MemoryRange *c = &g_array_index(list, MemoryRange, k);
            MemorySection s = flat_range_section(as, r);
            uint64_t from = MAX(c->addr, r->offset);
            uint64_t end = MIN(c->addr + c->size, r->offset + r->size);

            if (from >= end) {
                continue;
            }
            s.addr += from - r->offset;
            s.size = end - from;
            s.offset = from;
            g_array_append_val(out, s);
        }
    }
    return out;
}

static bool section_in(const GArray *list, const MemorySection *s)
{
    for (guint i = 0; i < list->len; i++) {
        const MemorySection *o = &g_array_index(list, MemorySection, i);

        if (o->addr == s->addr && o->size == s->size && o->mr == s->mr) {
            return true;
        }
    }
    return false;
}

static void update_coalesced(AddressSpace *as, const FlatView *view)
{
    GArray *old = as->coalesced;
    GArray *now = flatten_coalesced(as, view);

    for (guint i = 0; i < old->len; i++) {
        const MemorySection *s = &g_array_index(old, MemorySection, i);

        if (!section_in(now, s)) {
            LISTENERS_CALL_REVERSE(as, coalesced_del, s, s->addr, s->size);
        }
    }
    for (guint i = 0; i < now->len; i++) {
        const MemorySection *s = &g_array_index(now, MemorySection, i);

        if (!section_in(old, s)) {
            LISTENERS_CALL(as, coalesced_add, s, s->addr, s->size);
        }
    }
    as->coalesced = now;
    g_array_unref(old);
}

void address_space_update(AddressSpace *as)
{
    FlatView *old = as->view;
    FlatView *now;

    if (!old) {
        return; /* torn down */
    }
    now = flat_view_new(as->root, as->mem->dirty_log);
    now->generation = ++as->generation;
    rcu_assign_pointer(as->view, now);
    LISTENERS_CALL(as, begin);
    tell_deleted(as, old, now);
    tell_added(as, old, now);
    update_eventfds(as, now);
    update_coalesced(as, now);
    LISTENERS_CALL(as, commit);
    rcu_call((void (*)(void *))flat_view_free, old);
}

void address_space_init(AddressSpace *as, Memory *mem, const char *name,
                        MemoryRegion *root)
{
    as->name = name;
    as->mem = mem;
    as->root = root;
    as->view = flat_view_new(root, false);
    as->view->generation = ++as->generation;
    as->eventfds = g_array_new(false, true, sizeof(FlatEventFd));
    as->coalesced = g_array_new(false, true, sizeof(MemorySection));
    g_queue_init(&as->listeners);
}

void address_space_fini(AddressSpace *as)
{
    FlatView *old = as->view;

    rcu_assign_pointer(as->view, NULL);
    if (old) {
        rcu_call((void (*)(void *))flat_view_free, old);
    }
    g_clear_pointer(&as->eventfds, g_array_unref);
    g_clear_pointer(&as->coalesced, g_array_unref);
}

#define TELL(l_, fn_, ...)                \
    do {                                  \
        if ((l_)->fn_) {                  \
            (l_)->fn_(l_, ##__VA_ARGS__); \
        }                                 \
    } while (0)

static void tell_eventfds(MemoryListener *l, bool add)
{
    GArray *fds = l->as->eventfds;

    for (guint i = 0; i < fds->len; i++) {
        const FlatEventFd *f = &g_array_index(fds, FlatEventFd, i);

        if (add) {
            TELL(l, eventfd_add, &f->at, &f->e);
        } else {
            TELL(l, eventfd_del, &f->at, &f->e);
        }
    }
}

static void tell_coalesced(MemoryListener *l, bool add)
{
    GArray *list = l->as->coalesced;

    for (guint i = 0; i < list->len; i++) {
        const MemorySection *s = &g_array_index(list, MemorySection, i);

        if (add) {
            TELL(l, coalesced_add, s, s->addr, s->size);
        } else {
            TELL(l, coalesced_del, s, s->addr, s->size);
        }
    }
}

void memory_listener_add(MemoryListener *l, AddressSpace *as)
{
    GList *at = as->listeners.head;

    while (at &&
           container_of(at, MemoryListener, link)->priority <= l->priority) {
        at = at->next;
    }
    l->as = as;
    rcu_queue_insert(&as->listeners, at, &l->link);
    TELL(l, begin);
    if (as->mem->dirty_log && l->log_global_start) {
        GError *err = NULL;

        /* Accelerators are there before any migration. */
        if (!l->log_global_start(l, &err)) {
            log_take_error(err);
        }
    }
    for (unsigned i = 0; i < as->view->nranges; i++) {
        MemorySection s = flat_range_section(as, &as->view->ranges[i]);

        TELL(l, region_add, &s);
    }
    tell_eventfds(l, true);
    tell_coalesced(l, true);
    TELL(l, commit);
}

void memory_listener_del(MemoryListener *l)
{
    AddressSpace *as = l->as;

    if (!as) {
        return;
    }
    if (as->view) {
        TELL(l, begin);
        tell_coalesced(l, false);
        tell_eventfds(l, false);
        for (unsigned i = as->view->nranges; i-- > 0;) {
            MemorySection s = flat_range_section(as, &as->view->ranges[i]);

            TELL(l, region_del, &s);
        }
        TELL(l, commit);
    }
    rcu_queue_remove(&as->listeners, &l->link);
    l->as = NULL;
}
