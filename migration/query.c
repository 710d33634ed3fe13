/*
 * What query-migrate says.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/migration-priv.h"
#include "migration/postcopy-times.h"

#include "io/socket.h"

static int64_t to_ms(int64_t ns)
{
    return ns / NS_PER_MS;
}

static uint64_t per_second(uint64_t n, int64_t ns)
{
    return ns > 0 ? (double)n * NS_PER_S / ns : 0;
}

/* The rates of the moment; at the end, those of the whole. */
static void query_rates(const MigShow *s, MigrationStats *r)
{
    int64_t ns = s->end_ns - s->start_ns - s->setup_ns;
    uint64_t bytes_per_s = s->now_bytes_per_s;

    r->pages_per_second = s->now_pages_per_s;
    if (s->end_ns) {
        bytes_per_s = per_second(s->transferred, ns);
        r->pages_per_second =
            per_second(s->ram.normal_pages + s->ram.zero_pages, ns);
    }
    r->mbps = bytes_per_s * 8 / 1e6;
}

static MigrationStats *query_ram(const MigShow *s)
{
    MigrationStats *r = g_new0(MigrationStats, 1);

    query_rates(s, r);
    r->transferred = s->transferred;
    r->remaining = s->ram.remaining_pages * RAM_PAGE_SIZE;
    r->total = s->ram.total_bytes;
    r->duplicate = s->ram.zero_pages;
    r->normal = s->ram.normal_pages;
    r->normal_bytes = s->ram.normal_pages * RAM_PAGE_SIZE;
    r->dirty_pages_rate = s->dirty_pages_per_s;
    r->dirty_sync_count = s->ram.syncs;
    r->page_size = RAM_PAGE_SIZE;
    r->multifd_bytes = s->multifd_bytes;
    r->dirty_sync_missed_zero_copy = s->zero_copy_misses;
    r->precopy_bytes = s->precopy_bytes;
    r->downtime_bytes = s->downtime_bytes;
    r->postcopy_bytes = s->postcopy_bytes;
    r->postcopy_requests = s->postcopy_requests;
    return r;
}

/* NULL: there is no cache. */
static XbzrleCacheStats *query_xbzrle(const XbzrleStats *st)
{
    uint64_t looked = st->pages + st->misses;
    XbzrleCacheStats *r;

    if (st->cache_bytes == 0) {
        return NULL;
    }
    r = g_new0(XbzrleCacheStats, 1);
    r->cache_size = st->cache_bytes;
    r->bytes = st->bytes;
    r->pages = st->pages;
    r->cache_miss = st->misses;
    r->cache_miss_rate = looked > 0 ? (double)st->misses / looked : 0;
    r->encoding_rate =
        st->bytes > 0 ? (double)st->pages * RAM_PAGE_SIZE / st->bytes : 0;
    r->overflow = st->overflows;
    return r;
}

static BackendAnswerList *query_answers(const BackendAnswerList *from)
{
    BackendAnswerList *list = backend_answer_list_new();

    for (size_t i = 0; i < from->n; i++) {
        BackendAnswer *a = g_new0(BackendAnswer, 1);

        a->name = g_strdup(from->items[i]->name);
        a->time = from->items[i]->time;
        backend_answer_list_append(list, a);
    }
    return list;
}

static DowntimeBreakdown *query_breakdown(const MigShow *s,
                                          const BackendAnswerList *answers)
{
    DowntimeBreakdown *b = g_new0(DowntimeBreakdown, 1);

#define STEP(step_, field_)                  \
    do {                                     \
        if (s->bd_known & (1u << (step_))) { \
            b->has_##field_ = true;          \
            b->field_ = s->bd_us[step_];     \
        }                                    \
    } while (0)
    STEP(STEP_VCPU_STOP, vcpu_stop);
    STEP(STEP_BLOCK_DRAIN, block_drain);
    STEP(STEP_CPU_SYNC, cpu_sync);
    STEP(STEP_DIRTY_SYNC, dirty_sync);
    STEP(STEP_RAM, ram);
    STEP(STEP_DEVICE_STATE, device_state);
    STEP(STEP_WIRE, wire);
    STEP(STEP_LOAD, load);
    STEP(STEP_CPU_RESTORE, cpu_restore);
    STEP(STEP_RESUME, resume);
#undef STEP
    if (answers != NULL) {
        b->backends = query_answers(answers);
    }
    return b;
}

/* Time until the rest is sent at the present speed; false: can't be told. */
static bool eta_ms(const MigShow *s, uint64_t *ret)
{
    uint64_t pages_per_s = s->now_pages_per_s;

    if (!pages_per_s) {
        pages_per_s = s->bytes_per_s / RAM_PAGE_SIZE;
    }
    if (!pages_per_s) {
        return false;
    }
    *ret = s->ram.remaining_pages * 1000 / pages_per_s;
    return true;
}

static void query_progress(const MigShow *s, const BackendAnswerList *answers,
                           MigrationInfo *info)
{
    int64_t end = s->end_ns ? s->end_ns : clock_monotonic_ns();

    info->has_total_time = true;
    info->total_time = to_ms(end - s->start_ns);
    info->has_setup_time = s->have_setup;
    info->setup_time = to_ms(s->setup_ns);
    info->ram = query_ram(s);
    info->xbzrle_cache = query_xbzrle(&s->ram.xbzrle);
    info->has_progress = true;
    info->progress = s->progress;
    if (s->have_downtime && s->end_ns) {
        info->has_downtime = true;
        /* Of a part of a millisecond it would be wrong to say 0. */
        info->downtime = DIV_ROUND_UP(s->downtime_ns, NS_PER_MS);
    } else {
        info->has_expected_downtime = true;
        info->expected_downtime = to_ms(s->expected_downtime_ns);
        info->has_eta = eta_ms(s, &info->eta);
    }
    info->has_cpu_throttle_percentage = s->throttle_percent != 0;
    info->cpu_throttle_percentage = s->throttle_percent;
    if (s->bd_known != 0) {
        info->downtime_breakdown = query_breakdown(s, answers);
    }
}

/* ms, by one and by all at the same time. */
static void query_waits(PostcopyTimes *t, MigrationInfo *info)
{
    int64_t now = clock_monotonic_ns();

    info->has_postcopy_blocktime = true;
    info->postcopy_blocktime = to_ms(postcopy_times_of_all(t, now));
    info->postcopy_vcpu_blocktime = uint32_list_new();
    for (unsigned i = 0; i < postcopy_times_ncpus(t); i++) {
        uint32_list_append(info->postcopy_vcpu_blocktime,
                           to_ms(postcopy_times_of(t, i, now)));
    }
}

static SocketAddress *query_address(const IoSocketAddress *addr)
{
    SocketAddress *a = socket_address_new();

    if (addr->type == IO_ADDRESS_INET) {
        InetSocketAddress *inet = inet_socket_address_new();

        a->type = SOCKET_ADDRESS_TYPE_INET;
        a->u.inet = inet;
        inet->host = g_strdup(addr->u.inet.host);
        inet->port = g_strdup(addr->u.inet.port);
        /* What a socket is bound to is a number, never a name. */
        inet->has_ipv6 = inet->ipv6 = strchr(inet->host, ':') != NULL;
        inet->has_ipv4 = inet->ipv4 = !inet->has_ipv6;
    } else if (addr->type == IO_ADDRESS_UNIX) {
        UnixSocketAddress *un = unix_socket_address_new();

        a->type = SOCKET_ADDRESS_TYPE_UNIX;
        a->u.unix_ = un;
        un->path = g_strdup(addr->u.un.path);
        un->has_abstract = addr->u.un.abstract;
        un->abstract = addr->u.un.abstract;
    } else {
        VsockSocketAddress *vsock = vsock_socket_address_new();

        a->type = SOCKET_ADDRESS_TYPE_VSOCK;
        a->u.vsock = vsock;
        vsock->cid = g_strdup_printf("%u", addr->u.vsock.cid);
        vsock->port = g_strdup_printf("%u", addr->u.vsock.port);
    }
    return a;
}

/* Where a destination listens: the ports that the system chose, too. */
static SocketAddressList *query_addresses(const IoListener *l)
{
    SocketAddressList *list = socket_address_list_new();

    for (size_t i = 0; i < io_listener_count(l); i++) {
        g_autoptr(IoSocketAddress) addr = io_listener_local_address(l, i);

        if (addr != NULL) {
            socket_address_list_append(list, query_address(addr));
        }
    }
    return list;
}

MigrationInfo *migration_query(Migration *m)
{
    MigrationInfo *info = g_new0(MigrationInfo, 1);
    char *blocked = vmstate_blocked_reason(m->vm->vmstates);
    LOCK_GUARD(&m->lock);

    if (blocked != NULL) {
        info->blocked_reasons = g_new0(StrList, 1);
        str_list_append(info->blocked_reasons, blocked);
    }
    if (m->listener != NULL) {
        info->socket_address = query_addresses(m->listener);
    } else if (m->recover_listener != NULL) {
        info->socket_address = query_addresses(m->recover_listener);
    }
    /* A destination that no source has reached has nothing to tell. */
    if (m->status == MIGRATION_STATUS_NONE || mig_waits_for_source(m)) {
        return info;
    }
    info->has_status = true;
    info->status = m->status;
    info->error_desc = g_strdup(m->error_desc);
    if (m->times != NULL && !m->thread_made) {
        query_waits(m->times, info);
    }
    /* Before setup has ended nothing is known but the state. */
    if (m->show.have_setup && m->status != MIGRATION_STATUS_FAILED &&
        m->status != MIGRATION_STATUS_CANCELLED) {
        query_progress(&m->show, m->answers, info);
    }
    return info;
}
