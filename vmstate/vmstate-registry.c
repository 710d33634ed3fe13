/*
 * The list of what is sent, in order, and reasons against sending it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "vmstate/vmstate.h"

/* Section ids 0 to 2 belong to what precedes the devices ("ram" is 2). */
enum { FIRST_SECTION_ID = 3 };

typedef struct Blocker {
    unsigned handle;
    char *reason;
} Blocker;

static void blocker_free(void *p)
{
    Blocker *b = p;

    g_free(b->reason);
    g_free(b);
}

VmstateRegistry *vmstate_registry_new(void)
{
    VmstateRegistry *r = g_new0(VmstateRegistry, 1);

    g_queue_init(&r->entries);
    r->blockers = g_ptr_array_new_with_free_func(blocker_free);
    r->next_section_id = FIRST_SECTION_ID;
    return r;
}

void vmstate_registry_free(VmstateRegistry *r)
{
    if (r == NULL) {
        return;
    }
    while (r->entries.head != NULL) {
        vmstate_unregister(r, r->entries.head->data);
    }
    g_ptr_array_unref(r->blockers);
    g_free(r->changed);
    g_free(r);
}

static bool is_entry(const GList *l, const char *idstr, uint32_t instance)
{
    const VmstateEntry *e = l->data;

    return e->instance == instance && strcmp(e->idstr, idstr) == 0;
}

VmstateEntry *vmstate_find(VmstateRegistry *r, const char *idstr,
                           uint32_t instance)
{
    GList *l = r->next_find;

    if (l == NULL || !is_entry(l, idstr, instance)) {
        l = r->entries.head;
        while (l != NULL && !is_entry(l, idstr, instance)) {
            l = l->next;
        }
    }
    if (l == NULL) {
        return NULL;
    }
    r->next_find = l->next;
    return l->data;
}

VmstateEntry *vmstate_find_to_load(VmstateRegistry *r, const char *idstr,
                                   uint32_t instance)
{
    VmstateEntry *e = vmstate_find(r, idstr, instance);

    if (e == NULL || !e->twin) {
        return e;
    }
    for (GList *l = r->entries.head; l != NULL; l = l->next) {
        VmstateEntry *other = l->data;

        if (is_entry(l, idstr, instance) &&
            other->load_attempt != r->load_attempt) {
            return other;
        }
    }
    return e;
}

static uint32_t next_instance(VmstateRegistry *r, const char *idstr)
{
    uint32_t n = 0;

    while (vmstate_find(r, idstr, n) != NULL) {
        n++;
    }
    return n;
}

/* Behind the last entry of the same or a higher priority. */
static void insert_entry(VmstateRegistry *r, VmstateEntry *e)
{
    GList *at = r->entries.tail;

    while (at != NULL &&
           ((VmstateEntry *)at->data)->vms->priority < e->vms->priority) {
        at = at->prev;
    }
    e->link.data = e;
    if (at == NULL) {
        g_queue_push_head_link(&r->entries, &e->link);
    } else {
        g_queue_insert_after_link(&r->entries, at, &e->link);
    }
}

static void note_change(VmstateRegistry *r, const char *idstr)
{
    r->changes++;
    g_free(r->changed);
    r->changed = g_strdup(idstr);
}

VmstateEntry *vmstate_register(VmstateRegistry *r, const char *path,
                               int instance, const Vmstate *vms, void *opaque)
{
    VmstateEntry *e = g_new0(VmstateEntry, 1);
    VmstateEntry *twin;

    e->idstr = path != NULL ? g_strdup_printf("%s/%s", path, vms->name)
                            : g_strdup(vms->name);
    e->instance =
        instance >= 0 ? (uint32_t)instance : next_instance(r, e->idstr);
    e->vms = vms;
    e->opaque = opaque;
    e->section_id = r->next_section_id++;
    twin = vmstate_find(r, e->idstr, e->instance);
    if (twin != NULL) {
        e->twin = twin->twin = true;
    }
    insert_entry(r, e);
    note_change(r, e->idstr);
    return e;
}

void vmstate_unregister(VmstateRegistry *r, VmstateEntry *e)
{
    if (e == NULL) {
        return;
    }
    g_queue_unlink(&r->entries, &e->link);
    r->next_find = NULL;
    note_change(r, e->idstr);
    g_free(e->idstr);
    g_free(e);
}

unsigned vmstate_add_blocker(VmstateRegistry *r, const char *fmt, ...)
{
    Blocker *b = g_new0(Blocker, 1);
    va_list ap;

    va_start(ap, fmt);
    b->reason = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    b->handle = ++r->next_blocker;
    g_ptr_array_add(r->blockers, b);
    return b->handle;
}

void vmstate_del_blocker(VmstateRegistry *r, unsigned handle)
{
    for (guint i = 0; i < r->blockers->len; i++) {
        Blocker *b = r->blockers->pdata[i];

        if (b->handle == handle) {
            g_ptr_array_remove_index(r->blockers, i);
            return;
        }
    }
}

char *vmstate_blocked_reason(VmstateRegistry *r)
{
    if (r->blockers->len > 0) {
        return g_strdup(((Blocker *)r->blockers->pdata[0])->reason);
    }
    for (GList *l = r->entries.head; l != NULL; l = l->next) {
        VmstateEntry *e = l->data;

        if (e->vms->unmigratable) {
            return g_strdup_printf(
                "State blocked by non-migratable device '%s'", e->idstr);
        }
    }
    return NULL;
}
