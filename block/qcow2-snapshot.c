/*
 * qcow2: internal snapshots: their table, and how they come and go.
 *
 * Facts: "The qcow2 image format", sections "Snapshots" and "VM state".
 *
 * What changes is written elsewhere first; then one write of the header makes
 * it true.  References are counted before they are there, and no longer when
 * they are gone: so a crash in the middle leaks clusters at worst.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"
#include "util/bswap.h"
#include "util/error.h"

/* An entry of the table: byte offsets. */
enum {
    ENTRY_L1_OFFSET = 0,
    ENTRY_L1_SIZE = 8,
    ENTRY_ID_SIZE = 12,
    ENTRY_NAME_SIZE = 14,
    ENTRY_DATE = 16,
    ENTRY_DATE_NS = 20,
    ENTRY_CLOCK = 24,
    ENTRY_STATE_SIZE = 32,
    ENTRY_EXTRA_SIZE = 36,
    ENTRY_LEN = 40,
    EXTRA_STATE_SIZE = 0,
    EXTRA_DISK_SIZE = 8,
    EXTRA_ICOUNT = 16,
    EXTRA_LEN = 24,
    EXTRA_MAX = 1024,
};

#define TABLE_MAX (64 * MiB)

/* The table in memory */

static void snapshot_clear(void *p)
{
    Qcow2Snapshot *sn = p;

    g_free(sn->info.id);
    g_free(sn->info.name);
    g_free(sn->entry);
}

GArray *qcow2_snapshots_new(void)
{
    GArray *a = g_array_new(FALSE, TRUE, sizeof(Qcow2Snapshot));

    g_array_set_clear_func(a, snapshot_clear);
    return a;
}

/* The entry's bytes, with all that is said there. */
static void snapshot_parse(const Qcow2 *s, Qcow2Snapshot *sn)
{
    const uint8_t *p = sn->entry, *extra = p + ENTRY_LEN;
    uint32_t extra_size = ldl_be_p(p + ENTRY_EXTRA_SIZE);
    const char *id = (const char *)extra + extra_size;
    uint16_t id_size = lduw_be_p(p + ENTRY_ID_SIZE);
    BlockSnapshotInfo *i = &sn->info;

    sn->l1_offset = ldq_be_p(p + ENTRY_L1_OFFSET);
    sn->l1_size = ldl_be_p(p + ENTRY_L1_SIZE);
    i->date_sec = ldl_be_p(p + ENTRY_DATE);
    i->date_nsec = ldl_be_p(p + ENTRY_DATE_NS);
    i->vm_clock_ns = ldq_be_p(p + ENTRY_CLOCK);
    i->vm_state_size = extra_size >= EXTRA_STATE_SIZE + 8
                           ? ldq_be_p(extra + EXTRA_STATE_SIZE)
                           : ldl_be_p(p + ENTRY_STATE_SIZE);
    i->disk_size = extra_size >= EXTRA_DISK_SIZE + 8
                       ? ldq_be_p(extra + EXTRA_DISK_SIZE)
                       : s->disk_size;
    i->icount = extra_size >= EXTRA_ICOUNT + 8 ? ldq_be_p(extra + EXTRA_ICOUNT)
                                               : UINT64_MAX;
    i->id = g_strndup(id, id_size);
    i->name = g_strndup(id + id_size, lduw_be_p(p + ENTRY_NAME_SIZE));
}

static bool snapshot_bad(const Qcow2 *s, unsigned i, const char *what,
                         uint64_t value, GError **errp)
{
    error_setf(errp,
               "Could not open '%s': qcow2: snapshot table entry %u: %s "
               "0x%" PRIx64,
               s->node->file->filename, i, what, value);
    return false;
}

/* Bytes of the entry with that head. */
static size_t entry_size(const uint8_t *head)
{
    return ROUND_UP((size_t)ENTRY_LEN + ldl_be_p(head + ENTRY_EXTRA_SIZE) +
                        lduw_be_p(head + ENTRY_ID_SIZE) +
                        lduw_be_p(head + ENTRY_NAME_SIZE),
                    8);
}

static bool snapshot_read(const Qcow2 *s, unsigned i, uint64_t at,
                          Qcow2Snapshot *sn, GError **errp)
{
    uint8_t head[ENTRY_LEN];
    int ret = block_file_pread(s->node->file, at, head, sizeof(head));

    if (ret == 0 && ldl_be_p(head + ENTRY_EXTRA_SIZE) > EXTRA_MAX) {
        return snapshot_bad(s, i, "bytes of extra data",
                            ldl_be_p(head + ENTRY_EXTRA_SIZE), errp);
    }
    if (ret == 0) {
        sn->entry_len = entry_size(head);
        sn->entry = g_malloc0(sn->entry_len);
        ret = block_file_pread(s->node->file, at, sn->entry, sn->entry_len);
    }
    if (ret < 0) {
        error_setf_errno(errp, ret, "Could not read the snapshots of '%s'",
                         s->node->file->filename);
        return false;
    }
    g_assert(sn->entry != NULL);
    /* Another program may have it open: what was checked is what counts. */
    memcpy(sn->entry, head, sizeof(head));
    snapshot_parse(s, sn);
    if (sn->l1_size > QCOW2_MAX_L1 / 8) {
        return snapshot_bad(s, i, "L1 table of entries", sn->l1_size, errp);
    }
    if (sn->l1_offset % s->cluster_size != 0 ||
        !range_fits(sn->l1_offset, sn->l1_size * 8, QCOW2_MAX_OFFSET)) {
        return snapshot_bad(s, i, "L1 table at", sn->l1_offset, errp);
    }
    return true;
}

bool qcow2_read_snapshots(const Qcow2 *s, GArray *to, GError **errp)
{
    uint64_t at = s->snapshots_offset;

    for (unsigned i = 0; i < s->nsnapshots; i++) {
        Qcow2Snapshot sn = { .entry = NULL };

        if (!snapshot_read(s, i, at, &sn, errp)) {
            snapshot_clear(&sn);
            return false;
        }
        g_array_append_val(to, sn);
        at += sn.entry_len;
        if (at - s->snapshots_offset > TABLE_MAX) {
            return snapshot_bad(s, i, "bytes in all so far",
                                at - s->snapshots_offset, errp);
        }
    }
    return true;
}

static Qcow2Snapshot *snapshot_at(const Qcow2 *s, guint i)
{
    return &g_array_index(s->snapshots, Qcow2Snapshot, i);
}

int qcow2_snapshot_find(const Qcow2 *s, const char *id, const char *name)
{
    for (guint i = 0; i < s->snapshots->len; i++) {
        const BlockSnapshotInfo *sn = &snapshot_at(s, i)->info;

        if ((id == NULL || g_str_equal(sn->id, id)) &&
            (name == NULL || g_str_equal(sn->name, name))) {
            return (int)i;
        }
    }
    return -1;
}

/* The table on disk */

static uint64_t table_bytes(const GArray *a)
{
    uint64_t n = 0;

    for (guint i = 0; i < a->len; i++) {
        n += g_array_index(a, Qcow2Snapshot, i).entry_len;
    }
    return n;
}

static uint64_t clusters_of(const Qcow2 *s, uint64_t bytes)
{
    return DIV_ROUND_UP(bytes, s->cluster_size);
}

/* New clusters with these bytes; their offset, 0 for none, or -errno. */
static int64_t write_elsewhere(Qcow2 *s, const void *bytes, uint64_t len)
    REQUIRES(&s->lock)
{
    int64_t off = len > 0 ? qcow2_alloc_locked(s, clusters_of(s, len)) : 0;
    int ret = 0;

    if (off > 0) {
        ret = block_file_pwrite(s->node->file, off, bytes, len);
        s->dirty_data = true;
    }
    if (ret < 0) {
        qcow2_unref_locked(s, off, clusters_of(s, len));
    }
    return ret < 0 ? ret : off;
}

static int64_t write_table(Qcow2 *s, const GArray *a) REQUIRES(&s->lock)
{
    uint64_t len = table_bytes(a), at = 0;
    g_autofree uint8_t *bytes = g_malloc0(len + 1);

    for (guint i = 0; i < a->len; i++) {
        const Qcow2Snapshot *sn = &g_array_index(a, Qcow2Snapshot, i);

        memcpy(bytes + at, sn->entry, sn->entry_len);
        at += sn->entry_len;
    }
    return write_elsewhere(s, bytes, len);
}

/* From now on that is the table; the old one's clusters are given back. */
static int switch_table(Qcow2 *s, uint64_t off, unsigned n, uint64_t old_bytes)
    REQUIRES(&s->lock)
{
    uint8_t head[12];
    uint64_t old = s->snapshots_offset;
    int ret;

    stl_be_p(head, n);
    stq_be_p(head + 4, off);
    ret = qcow2_write_header(s, QCOW2_H_SNAPSHOTS, head, sizeof(head));
    if (ret < 0) {
        return ret;
    }
    s->nsnapshots = n;
    s->snapshots_offset = off;
    if (old_bytes > 0) {
        qcow2_unref_locked(s, old, clusters_of(s, old_bytes));
    }
    return 0;
}

/* Making one */

static char *next_id(const Qcow2 *s)
{
    uint64_t max = 0;

    for (guint i = 0; i < s->snapshots->len; i++) {
        max = MAX(max, g_ascii_strtoull(snapshot_at(s, i)->info.id, NULL, 10));
    }
    return g_strdup_printf("%" PRIu64, max + 1);
}

/* Without an end mark: their number stands elsewhere. */
static void put_chars(uint8_t *p, const char *s, size_t n)
{
    memcpy(p, s, n);
}

static void snapshot_fill(const Qcow2 *s, Qcow2Snapshot *sn, const char *id,
                          const BlockSnapshotInfo *from)
{
    size_t id_size = strlen(id), name_size = strlen(from->name);
    uint8_t *p, *extra;

    sn->entry_len = ROUND_UP(ENTRY_LEN + EXTRA_LEN + id_size + name_size, 8);
    p = sn->entry = g_malloc0(sn->entry_len);
    extra = p + ENTRY_LEN;
    stq_be_p(p + ENTRY_L1_OFFSET, sn->l1_offset);
    stl_be_p(p + ENTRY_L1_SIZE, sn->l1_size);
    stw_be_p(p + ENTRY_ID_SIZE, id_size);
    stw_be_p(p + ENTRY_NAME_SIZE, name_size);
    stl_be_p(p + ENTRY_DATE, from->date_sec);
    stl_be_p(p + ENTRY_DATE_NS, from->date_nsec);
    stq_be_p(p + ENTRY_CLOCK, from->vm_clock_ns);
    stl_be_p(p + ENTRY_STATE_SIZE, MIN(from->vm_state_size, UINT32_MAX));
    stl_be_p(p + ENTRY_EXTRA_SIZE, EXTRA_LEN);
    stq_be_p(extra + EXTRA_STATE_SIZE, from->vm_state_size);
    stq_be_p(extra + EXTRA_DISK_SIZE, s->disk_size);
    stq_be_p(extra + EXTRA_ICOUNT, UINT64_MAX);
    put_chars(extra + EXTRA_LEN, id, id_size);
    put_chars(extra + EXTRA_LEN + id_size, from->name, name_size);
    snapshot_parse(s, sn);
}

/* A copy of the array without entry `skip` (-1: of all). */
static GArray *snapshots_copy(const Qcow2 *s, int skip)
{
    GArray *a = qcow2_snapshots_new();

    for (guint i = 0; i < s->snapshots->len; i++) {
        const Qcow2Snapshot *from = snapshot_at(s, i);
        Qcow2Snapshot sn = { .entry_len = from->entry_len };

        if ((int)i != skip) {
            sn.entry = g_memdup2(from->entry, from->entry_len);
            snapshot_parse(s, &sn);
            g_array_append_val(a, sn);
        }
    }
    return a;
}

/*
 * What users are told of; whoever looks has vm_lock.  Without s->lock, which he
 * may wait for.  NULL: nothing has changed.
 */
static void snapshots_publish(Qcow2 *s, GArray *a)
{
    VM_LOCK_GUARD();
    GArray *old = s->snapshots;

    if (a != NULL) {
        s->snapshots = a;
        g_array_unref(old);
    }
}

/* The L1 table as big-endian entries of a snapshot; nothing in it is its
 * alone. */
static uint64_t *shared_l1(const uint64_t *l1, uint64_t n)
{
    uint64_t *be = g_new0(uint64_t, MAX(n, 1u));

    for (uint64_t i = 0; i < n; i++) {
        stq_be_p(&be[i], l1[i] & ~QCOW2_COPIED);
    }
    return be;
}

/* Both tables are written; *all gets the new entry. */
static int create_tables(Qcow2 *s, const BlockSnapshotInfo *info, GArray *all,
                         int64_t *ret_table) REQUIRES(&s->lock)
{
    g_autofree uint64_t *be = shared_l1(s->l1, s->l1_size);
    g_autofree char *id = next_id(s);
    Qcow2Snapshot sn = { .l1_size = s->l1_size };
    int64_t l1 = write_elsewhere(s, be, s->l1_size * 8);

    if (l1 < 0) {
        return (int)l1;
    }
    sn.l1_offset = l1;
    snapshot_fill(s, &sn, id, info);
    g_array_append_val(all, sn);
    *ret_table = write_table(s, all);
    if (*ret_table < 0 && l1 > 0) {
        qcow2_unref_locked(s, l1, clusters_of(s, s->l1_size * 8));
    }
    return (int)MIN(*ret_table, 0);
}

/* The tables are on disk, what they will refer to is counted. */
static int create_count(Qcow2 *s) REQUIRES(&s->lock)
{
    int ret = qcow2_refs_check_locked(s, s->l1, s->l1_size);

    if (ret == 0) {
        ret = qcow2_refs_add_locked(s, s->l1, s->l1_size);
    }
    if (ret == 0) {
        ret = qcow2_refs_mark_locked(s);
    }
    return ret < 0 ? ret : qcow2_flush_locked(s, true);
}

/* Nothing on disk leads to the tables. */
static void create_undo(Qcow2 *s, const GArray *all, int64_t table)
    REQUIRES(&s->lock)
{
    const Qcow2Snapshot *sn = &g_array_index(all, Qcow2Snapshot, all->len - 1);

    qcow2_unref_locked(s, table, clusters_of(s, table_bytes(all)));
    if (sn->l1_size > 0) {
        qcow2_unref_locked(s, sn->l1_offset, clusters_of(s, sn->l1_size * 8));
    }
}

/* *ret_all: the snapshots from then on. */
static int do_create(Qcow2 *s, const BlockSnapshotInfo *info, GArray **ret_all)
    REQUIRES(&s->lock)
{
    GArray *all = snapshots_copy(s, -1);
    uint64_t old_bytes = table_bytes(s->snapshots);
    int64_t table = 0;
    int ret = qcow2_refs_begin_alone_locked(s);

    if (ret == 0 && all->len >= QCOW2_MAX_SNAPSHOTS) {
        ret = -EFBIG;
    }
    if (ret == 0) {
        ret = create_tables(s, info, all, &table);
    }
    if (ret == 0) {
        ret = create_count(s);
        if (ret < 0) {
            create_undo(s, all, table);
        }
    }
    if (ret == 0) {
        ret = switch_table(s, table, all->len, old_bytes);
    }
    if (ret < 0) {
        g_array_unref(all);
        return ret;
    }
    *ret_all = all;
    return qcow2_refs_end_locked(s);
}

static bool snapshot_report(const BlockNode *n, int ret, const char *what,
                            const char *name, GError **errp)
{
    if (ret == -ERANGE) {
        error_setf(errp,
                   "Could not %s snapshot '%s' of '%s': refcounts of %u bits "
                   "are too narrow",
                   what, name, n->file->filename,
                   1u << ((const Qcow2 *)n->state)->refcount_order);
    } else if (ret < 0) {
        error_setf_errno(errp, ret, "Could not %s snapshot '%s' of '%s'", what,
                         name, n->file->filename);
    }
    return ret == 0;
}

bool qcow2_snapshot_create(BlockNode *n, const BlockSnapshotInfo *info,
                           GError **errp)
{
    Qcow2 *s = n->state;
    GArray *all = NULL;
    int ret;

    if (strlen(info->name) > 255) {
        error_setf(errp, "Snapshot name '%.32s…' is longer than 255 bytes",
                   info->name);
        return false;
    }
    lock_acquire(&s->lock);
    ret = do_create(s, info, &all);
    lock_release(&s->lock);
    snapshots_publish(s, all);
    return snapshot_report(n, ret, "create", info->name, errp);
}

/* Deleting one */

static int read_l1(Qcow2 *s, const Qcow2Snapshot *sn, uint64_t **ret_l1)
{
    uint64_t *l1 = g_new0(uint64_t, MAX(sn->l1_size, 1u));
    int ret =
        block_file_pread(s->node->file, sn->l1_offset, l1, sn->l1_size * 8);

    for (uint64_t i = 0; i < sn->l1_size; i++) {
        l1[i] = ldq_be_p(&l1[i]);
    }
    *ret_l1 = l1;
    return ret;
}

/* *ret_all: the snapshots from then on. */
static int do_delete(Qcow2 *s, int i, GArray **ret_all) REQUIRES(&s->lock)
{
    const Qcow2Snapshot *sn = snapshot_at(s, i);
    uint64_t l1_off = sn->l1_offset, n = sn->l1_size;
    uint64_t old_bytes = table_bytes(s->snapshots);
    g_autofree uint64_t *l1 = NULL;
    GArray *all;
    int64_t table;
    int ret = read_l1(s, sn, &l1);

    ret = ret < 0 ? ret : qcow2_refs_begin_locked(s);
    if (ret < 0) {
        return ret;
    }
    all = snapshots_copy(s, i);
    table = write_table(s, all);
    ret = table < 0 ? (int)table : qcow2_flush_locked(s, true);
    if (ret == 0) {
        ret = switch_table(s, table, all->len, old_bytes);
    }
    if (ret < 0) {
        g_array_unref(all);
        return ret;
    }
    *ret_all = all;
    ret = qcow2_refs_drop_locked(s, l1, n);
    if (ret == 0 && n > 0) {
        qcow2_unref_locked(s, l1_off, clusters_of(s, n * 8));
    }
    ret = ret < 0 ? ret : qcow2_refs_mark_locked(s);
    return ret < 0 ? ret : qcow2_refs_end_locked(s);
}

bool qcow2_snapshot_delete(BlockNode *n, const char *id, const char *name,
                           GError **errp)
{
    Qcow2 *s = n->state;
    GArray *all = NULL;
    int ret, i;

    lock_acquire(&s->lock);
    i = qcow2_snapshot_find(s, id, name);
    ret = i < 0 ? -ENOENT : do_delete(s, i, &all);
    lock_release(&s->lock);
    snapshots_publish(s, all);
    return snapshot_report(n, ret, "delete", name != NULL ? name : id, errp);
}

/* Going back to one */

/* From now on that is the disk's L1 table. */
static int switch_l1(Qcow2 *s, uint64_t off, uint64_t n, uint64_t *l1)
    REQUIRES(&s->lock)
{
    uint8_t head[12];
    int ret;

    stl_be_p(head, n);
    stq_be_p(head + 4, off);
    ret = qcow2_write_header(s, QCOW2_H_L1_SIZE, head, sizeof(head));
    if (ret < 0) {
        return ret;
    }
    lock_acquire(&s->map_lock);
    s->l1 = l1;
    s->l1_size = n;
    s->l1_offset = off;
    lock_release(&s->map_lock);
    return 0;
}

/* The snapshot's table, as the disk's: in memory and elsewhere in the file. */
static int64_t copy_l1(Qcow2 *s, const Qcow2Snapshot *sn, uint64_t n,
                       uint64_t **ret_l1) REQUIRES(&s->lock)
{
    g_autofree uint64_t *l1 = NULL, *be = NULL;
    int64_t off;
    int ret = read_l1(s, sn, &l1);

    if (ret < 0) {
        return ret;
    }
    l1 = g_renew(uint64_t, l1, MAX(n, 1u));
    memset(l1 + sn->l1_size, 0, (n - sn->l1_size) * 8);
    for (uint64_t i = 0; i < n; i++) {
        l1[i] &= ~QCOW2_COPIED;
    }
    be = shared_l1(l1, n);
    off = write_elsewhere(s, be, n * 8);
    if (off >= 0) {
        *ret_l1 = g_steal_pointer(&l1);
    }
    return off;
}

static int do_goto(Qcow2 *s, const Qcow2Snapshot *sn) REQUIRES(&s->lock)
{
    uint64_t n = MAX(s->l1_size, sn->l1_size);
    uint64_t old_off = s->l1_offset, old_n = s->l1_size;
    uint64_t *old = s->l1, *l1 = NULL;
    int64_t off = 0;
    int ret = qcow2_refs_begin_alone_locked(s);

    if (ret == 0) {
        off = copy_l1(s, sn, n, &l1);
        ret = (int)MIN(off, 0);
    }
    if (ret == 0) {
        ret = qcow2_refs_check_locked(s, l1, n);
        if (ret < 0 && n > 0) {
            qcow2_unref_locked(s, off, clusters_of(s, n * 8));
        }
    }
    if (ret == 0) {
        ret = qcow2_refs_add_locked(s, l1, n);
    }
    if (ret == 0) {
        ret = qcow2_flush_locked(s, true);
    }
    if (ret == 0) {
        ret = switch_l1(s, off, n, l1);
    }
    if (ret < 0) {
        g_free(l1);
        return ret;
    }
    ret = qcow2_refs_drop_locked(s, old, old_n);
    g_free(old);
    if (ret == 0 && old_n > 0) {
        qcow2_unref_locked(s, old_off, clusters_of(s, old_n * 8));
    }
    ret = ret < 0 ? ret : qcow2_refs_mark_locked(s);
    return ret < 0 ? ret : qcow2_refs_end_locked(s);
}

bool qcow2_snapshot_goto(BlockNode *n, const char *id, GError **errp)
{
    Qcow2 *s = n->state;
    const Qcow2Snapshot *sn;
    int ret = -ENOENT, i;

    lock_acquire(&s->lock);
    i = qcow2_snapshot_find(s, id, NULL);
    sn = i >= 0 ? snapshot_at(s, i) : NULL;
    if (sn != NULL && sn->info.disk_size != s->disk_size) {
        error_setf(errp,
                   "Snapshot '%s' of '%s' is of a disk of %" PRIu64
                   " bytes, which has %" PRIu64 " now: resize it first",
                   sn->info.name, n->file->filename, sn->info.disk_size,
                   s->disk_size);
        lock_release(&s->lock);
        return false;
    }
    if (sn != NULL) {
        /* Its guest's writes aren't those that bitmaps have followed. */
        ret = qcow2_mark_bitmaps_locked(s);
        ret = ret < 0 ? ret : do_goto(s, sn);
    }
    lock_release(&s->lock);
    return snapshot_report(n, ret, "go back to", id, errp);
}

/* The machine's state, behind the disk */

static uint64_t vmstate_l1(const Qcow2 *s)
{
    uint64_t span = s->cluster_size << s->l2_bits;

    return DIV_ROUND_UP(s->disk_size, span);
}

static uint64_t vmstate_off(const Qcow2 *s)
{
    return vmstate_l1(s) << (s->l2_bits + s->cluster_bits);
}

static int drop_vmstate(Qcow2 *s) REQUIRES(&s->lock)
{
    uint64_t first = MIN(vmstate_l1(s), s->l1_size), n = s->l1_size - first;
    g_autofree uint64_t *old = g_memdup2(s->l1 + first, n * 8);
    int ret = qcow2_refs_begin_locked(s);

    if (ret < 0) {
        return ret;
    }
    lock_acquire(&s->map_lock);
    memset(s->l1 + first, 0, n * 8);
    lock_release(&s->map_lock);
    if (n > 0) {
        qcow2_range_add(&s->l1_dirty, first);
        qcow2_range_add(&s->l1_dirty, first + n - 1);
    }
    ret = qcow2_flush_locked(s, true);
    ret = ret < 0 ? ret : qcow2_refs_drop_locked(s, old, n);
    return ret < 0 ? ret : qcow2_refs_end_locked(s);
}

int qcow2_vmstate_drop(BlockNode *n)
{
    Qcow2 *s = n->state;
    int ret;

    lock_acquire(&s->lock);
    ret = drop_vmstate(s);
    lock_release(&s->lock);
    return ret;
}

int qcow2_vmstate_write(BlockNode *n, uint64_t off, const void *buf, size_t len)
{
    Qcow2 *s = n->state;
    uint64_t at = vmstate_off(s) + off, entries;
    int ret = 0;

    entries = ((at + len - 1) >> (s->l2_bits + s->cluster_bits)) + 1;
    lock_acquire(&s->lock);
    if (s->broken) {
        ret = -EIO;
    } else if (entries > s->l1_size) {
        ret = entries > QCOW2_MAX_L1 / 8 ? -EFBIG
                                         : qcow2_grow_l1_locked(s, entries);
    }
    lock_release(&s->lock);
    return ret < 0 ? ret : qcow2_pwrite(n, at, buf, len);
}

int qcow2_vmstate_read(BlockNode *n, uint64_t off, void *buf, size_t len)
{
    return qcow2_pread(n, vmstate_off(n->state) + off, buf, len);
}

const BlockSnapshotInfo *qcow2_snapshot_info(const BlockNode *n, unsigned i)
{
    const Qcow2 *s = n->state;

    return i < s->snapshots->len ? &snapshot_at(s, i)->info : NULL;
}
