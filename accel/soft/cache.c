/*
 * Decoded code of one CPU: blocks of instructions that follow each other
 * within a page, found by the host address of their first byte.  Nobody but
 * the CPU's own thread touches it; codemap.c tells which pages' instructions
 * are to go.  All of it is dropped when the room for it is used up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/log.h"
#include "accel/soft/mem.h"

enum {
    CACHE_HASH = 1 << 14,
    BLOCK_BYTES = SOFT_BLOCK_OPS * 15, /* the longest block */
};

struct SoftPage {
    const uint8_t *host;
    SoftCodePage *shared;
    bool settled; /* what is decoded may be kept */
    SoftBlock *blocks;
};

typedef struct SoftCache {
    uint8_t *room;
    uint64_t size, pos;
    uint64_t max_pages;
    SoftBlock *hash[CACHE_HASH];
    GHashTable *pages; /* host address -> SoftPage, owned */
} SoftCache;

SoftCache *soft_cache_new(uint64_t bytes)
{
    SoftCache *c = g_try_new0(SoftCache, 1);

    if (!c) {
        return NULL;
    }
    c->size = bytes;
    c->max_pages = bytes / 512;
    c->room = g_try_malloc(bytes);
    if (!c->room) {
        g_free(c);
        return NULL;
    }
    c->pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return c;
}

void soft_cache_free(SoftCache *c)
{
    if (!c) {
        return;
    }
    g_hash_table_unref(c->pages);
    g_free(c->room);
    g_free(c);
}

static unsigned hash_of(const uint8_t *host, uint32_t key)
{
    uint64_t h = ((uintptr_t)host ^ key << 20) * UINT64_C(0x9e3779b97f4a7c15);

    return h >> 50;
}

static void op_stop(SoftCpu *s, const SoftOp *op)
{
    longjmp(s->env, SOFT_JMP_STOP);
}

static void hash_remove(SoftCache *c, SoftBlock *b)
{
    SoftBlock **p = &c->hash[hash_of(b->host, b->key)];

    while (*p && *p != b) {
        p = &(*p)->hash_next;
    }
    if (*p) {
        *p = b->hash_next;
    }
}

/* Its blocks may be running: what is left of them stops at once. */
static void page_unlink(SoftCpu *s, SoftPage *p)
{
    for (SoftBlock *b = p->blocks; b; b = b->page_next) {
        hash_remove(s->cache, b);
        soft_gen_drop(s, b);
        for (unsigned i = 0; i < b->nops; i++) {
            b->ops[i].fn = op_stop;
        }
    }
    soft_code_page_drop(s, p->shared);
    s->gen_stop = true;
}

static void page_drop(SoftCpu *s, const uint8_t *host)
{
    SoftPage *p = g_hash_table_lookup(s->cache->pages, host);

    if (p) {
        page_unlink(s, p);
        g_hash_table_remove(s->cache->pages, host);
        soft_jumps_clear(s);
    }
}

void soft_cache_drop_all(SoftCpu *s)
{
    SoftCache *c = s->cache;
    GHashTableIter it;
    void *p;

    g_hash_table_iter_init(&it, c->pages);
    while (g_hash_table_iter_next(&it, NULL, &p)) {
        page_unlink(s, p);
    }
    g_hash_table_remove_all(c->pages);
    memset(c->hash, 0, sizeof(c->hash));
    soft_jumps_clear(s);
    c->pos = 0;
    s->gen_stop = true;
    soft_gen_flush(s);
}

void soft_code_take(SoftCpu *s)
{
    const uint8_t *drop[SOFT_DROP_MAX];
    unsigned n;

    lock_acquire(&s->drop_lock);
    n = s->ndrop;
    s->ndrop = 0;
    memcpy(drop, s->drop, MIN(n, SOFT_DROP_MAX) * sizeof(drop[0]));
    lock_release(&s->drop_lock);
    if (n > SOFT_DROP_MAX) {
        soft_cache_drop_all(s);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        page_drop(s, drop[i]);
    }
}

static const uint8_t *page_of(const uint8_t *host)
{
    return (const uint8_t *)((uintptr_t)host & ~(uintptr_t)(SOFT_PAGE - 1));
}

/* NULL: what is decoded from there can't be kept, or not yet. */
static SoftPage *page_get(SoftCpu *s, const uint8_t *host)
{
    const uint8_t *base = page_of(host);
    SoftPage *p = g_hash_table_lookup(s->cache->pages, base);

    if (!p) {
        SoftCodePage *shared = soft_code_page_hold(s, base);

        if (!shared) {
            return NULL;
        }
        p = g_new0(SoftPage, 1);
        p->host = base;
        p->shared = shared;
        g_hash_table_insert(s->cache->pages, (void *)base, p);
        /* Marking it asked all CPUs for this, us too. */
        soft_cpu_take(s, SOFT_PEND_PROTECT);
        soft_code_protect(s);
    }
    if (!p->settled) {
        p->settled = soft_code_page_settled(s, p->shared);
    }
    return p->settled ? p : NULL;
}

static SoftDecoder decoder_of(const SoftCpu *s)
{
    return (SoftDecoder){
        .mode = s->mode,
        .no_vex = !(s->x->cr[0] & X86_CR0_PE) || (s->flags & X86_FLAG_VM),
        .features = s->features,
    };
}

static void op_too_long(SoftCpu *s, const SoftOp *op)
{
    soft_raise_gp0(s);
}

void soft_op_ud(SoftCpu *s, const SoftOp *op)
{
    soft_raise(s, EXC_UD);
}

/* A bad instruction is one that raises the exception when it is reached. */
static void op_bad(SoftOp *op, SoftDecodeResult r)
{
    memset(op, 0, sizeof(*op));
    op->len = 1;
    op->flags = OPF_END;
    op->fn = r == SOFT_DECODE_LONG ? op_too_long : soft_op_ud;
}

static bool decode_one(SoftCpu *s, const SoftDecoder *d, const uint8_t *p,
                       size_t len, SoftOp *op)
{
    SoftDecodeResult r = soft_decode(d, p, len, op);

    if (r == SOFT_DECODE_MORE) {
        return false;
    }
    if (r != SOFT_DECODE_OK) {
        op_bad(op, r);
        return true;
    }
    op->fn = soft_select(op, s->mode);
    if (op->id == INSN_VEC) {
        op->stub = soft_stub_vector(s->vm->stubs, op);
    } else if (op->id == INSN_X87) {
        op->stub = soft_stub_x87(s->vm->stubs, op);
    }
    if (!op->fn || ((op->id == INSN_VEC || op->id == INSN_X87) && !op->stub)) {
        op_bad(op, SOFT_DECODE_UD);
    }
    return true;
}

/* Bytes from RIP that the code segment allows. */
static uint64_t code_limit(const SoftCpu *s)
{
    uint64_t limit = s->x->segs[X86_CS].limit;

    if (s->mode == 3) {
        return UINT64_MAX;
    }
    return s->rip > limit ? 0 : limit - s->rip + 1;
}

/* Decodes what `bytes` has, a copy of what is at host. */
static void block_decode(SoftCpu *s, SoftBlock *b, const uint8_t *host,
                         const uint8_t *bytes, uint64_t room)
{
    SoftDecoder d = decoder_of(s);
    uint64_t pos = 0;

    b->host = host;
    b->key = s->key;
    b->nops = 0;
    b->runs = 0;
    b->code = NULL;
    while (b->nops < SOFT_BLOCK_OPS) {
        SoftOp *op = &b->ops[b->nops];

        if (pos >= room || !decode_one(s, &d, bytes + pos, room - pos, op)) {
            break;
        }
        pos += op->len;
        b->nops++;
        if (op->flags & OPF_END) {
            break;
        }
    }
    b->nbytes = pos;
}

/* An instruction that isn't in one page of RAM, or is not to be kept. */
static SoftBlock *block_once(SoftCpu *s, uint64_t lin)
{
    SoftDecoder d = decoder_of(s);
    uint64_t limit = code_limit(s);
    uint8_t buf[16];
    SoftBlock *b = s->once;
    SoftOp *op = &b->ops[0];
    unsigned n = 0;

    for (;;) {
        uint64_t at = (lin + n) & s->lin_mask;
        uint8_t *host;

        if (n >= limit) {
            soft_raise_gp0(s);
        }
        host = soft_host_page(s, at, SOFT_FETCH, s->mmu);
        if (host) {
            buf[n] = host[at & 0xfff];
        } else {
            SoftMapping m;

            soft_walk(s, at, SOFT_FETCH, s->mmu, &m);
            buf[n] = soft_phys_load(s, m.phys | (at & 0xfff), 1);
        }
        n++;
        if (decode_one(s, &d, buf, n, op)) {
            break;
        }
    }
    b->host = NULL;
    b->page = NULL;
    b->nops = 1;
    b->nbytes = op->len;
    if (log_enabled(LOG_ITEM_IN_ASM)) {
        soft_log_code(s, lin, buf, n);
    }
    return b;
}

static SoftBlock *block_new(SoftCpu *s, const uint8_t *host)
{
    SoftCache *c = s->cache;
    uint64_t need = sizeof(SoftBlock) + SOFT_BLOCK_OPS * sizeof(SoftOp);
    uint64_t room = MIN(SOFT_PAGE - ((uintptr_t)host & 0xfff), code_limit(s));
    uint8_t copy[BLOCK_BYTES];
    SoftBlock *b;
    SoftPage *p;
    unsigned h;

    if (c->size - c->pos < need ||
        g_hash_table_size(c->pages) >= c->max_pages) {
        soft_cache_drop_all(s);
    }
    p = page_get(s, host);
    if (!p) {
        return NULL;
    }
    /* Others may be writing there: what is decoded must not change. */
    room = MIN(room, sizeof(copy));
    memcpy(copy, host, room);
    b = (SoftBlock *)(c->room + c->pos);
    block_decode(s, b, host, copy, room);
    if (b->nops == 0 ||
        !soft_code_page_use(s, p->shared, host, copy, b->nbytes)) {
        return NULL;
    }
    c->pos += ROUND_UP(sizeof(*b) + b->nops * sizeof(SoftOp), 64);
    b->page = p;
    b->page_next = p->blocks;
    p->blocks = b;
    h = hash_of(host, s->key);
    b->hash_next = c->hash[h];
    c->hash[h] = b;
    return b;
}

static SoftBlock *block_lookup(SoftCpu *s, const uint8_t *host)
{
    SoftBlock *b = s->cache->hash[hash_of(host, s->key)];

    while (b && (b->host != host || b->key != s->key)) {
        b = b->hash_next;
    }
    return b;
}

SoftBlock *soft_block_find(SoftCpu *s, unsigned max_ops)
{
    uint64_t lin = (s->segbase[X86_CS] + s->rip) & s->lin_mask;
    SoftJump *j = &s->jumps[soft_jump_index(lin)];
    uint8_t *host;
    SoftBlock *b;

    if (j->block && j->lin == lin && j->key == s->key &&
        j->block->nops <= max_ops && j->block->nbytes <= code_limit(s)) {
        return j->block;
    }
    if (code_limit(s) == 0) {
        soft_raise_gp0(s);
    }
    host = soft_host_page(s, lin, SOFT_FETCH, s->mmu);
    if (!host) {
        return block_once(s, lin);
    }
    host += lin & 0xfff;
    b = block_lookup(s, host);
    if (!b) {
        b = block_new(s, host);
        if (b && log_enabled(LOG_ITEM_IN_ASM)) {
            soft_log_code(s, lin, host, b->nbytes);
        }
    }
    if (!b || b->nops > max_ops || b->nbytes > code_limit(s)) {
        return block_once(s, lin);
    }
    *j = (SoftJump){ .lin = lin, .key = s->key, .block = b };
    j->code = soft_gen_entry(s, b);
    s->jumps_used = true;
    return b;
}
