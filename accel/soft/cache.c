/*
 * Decoded code: blocks of instructions that follow each other within a page,
 * found by the host address of their first byte.
 *
 * A page that holds blocks is taken out of every TLB's write tags, so that
 * stores to it come here; DIRTY_CODE tells of those that devices make.  All
 * of it is dropped when the room for it is used up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/mem.h"
#include "util/bitmap.h"
#include "util/rcu.h"

enum {
    CACHE_HASH = 1 << 14,
    CODE_CHUNK = 64, /* bytes of a page that a bit of SoftPage.used covers */
};

struct SoftPage {
    const uint8_t *host;
    RamBlock *ram;
    uint64_t ram_page; /* number in its block */
    uint64_t used;     /* bit per CODE_CHUNK bytes with code */
    SoftBlock *blocks;
};

typedef struct SoftCache {
    uint8_t *room;
    uint64_t size, pos;
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

static void forget_jumps(SoftVm *vm)
{
    for (guint i = 0; i < vm->cpus->len; i++) {
        SoftCpu *s = g_ptr_array_index(vm->cpus, i);

        memset(s->jumps, 0, sizeof(s->jumps));
    }
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

/* The block may be running: what is left of it stops at once. */
static void page_drop(SoftVm *vm, SoftPage *p)
{
    for (SoftBlock *b = p->blocks; b; b = b->page_next) {
        hash_remove(vm->cache, b);
        for (unsigned i = 0; i < b->nops; i++) {
            b->ops[i].fn = op_stop;
        }
    }
    g_hash_table_remove(vm->cache->pages, p->host);
    forget_jumps(vm);
}

static void cache_drop_all(SoftVm *vm)
{
    SoftCache *c = vm->cache;

    memset(c->hash, 0, sizeof(c->hash));
    g_hash_table_remove_all(c->pages);
    c->pos = 0;
    forget_jumps(vm);
}

static const uint8_t *page_of(const uint8_t *host)
{
    return (const uint8_t *)((uintptr_t)host & ~(uintptr_t)(SOFT_PAGE - 1));
}

bool soft_page_has_code(SoftVm *vm, const uint8_t *host)
{
    return g_hash_table_contains(vm->cache->pages, page_of(host));
}

void soft_code_written(SoftVm *vm, const uint8_t *host, unsigned n)
{
    SoftPage *p = g_hash_table_lookup(vm->cache->pages, page_of(host));
    unsigned off = host - page_of(host);
    unsigned first = off / CODE_CHUNK;
    unsigned last = (off + n - 1) / CODE_CHUNK;

    if (p && (p->used & MAKE_64BIT_MASK(first, last - first + 1))) {
        page_drop(vm, p);
    }
}

/* Was it written by a device since it was decoded? */
static bool page_dirty(const SoftPage *p)
{
    const unsigned long *map = rcu_dereference(p->ram->dirty[DIRTY_CODE]);

    return map && (map[p->ram_page / 64] >> (p->ram_page % 64) & 1);
}

static void page_protect(SoftVm *vm, const uint8_t *host)
{
    for (guint i = 0; i < vm->cpus->len; i++) {
        SoftCpu *s = g_ptr_array_index(vm->cpus, i);
        SoftTlbEntry *e = &s->tlb[0][0];

        for (unsigned k = 0; k < SOFT_MMU_MODES * SOFT_TLB_SIZE; k++) {
            if (e[k].tag[SOFT_WRITE] + e[k].addend == (uintptr_t)host) {
                e[k].tag[SOFT_WRITE] = SOFT_TLB_NONE;
            }
        }
    }
}

static SoftPage *page_get(SoftVm *vm, const uint8_t *host)
{
    const uint8_t *base = page_of(host);
    SoftPage *p = g_hash_table_lookup(vm->cache->pages, base);
    unsigned long *map;
    uint64_t off;

    if (p) {
        return p;
    }
    p = g_new0(SoftPage, 1);
    p->host = base;
    p->ram = ram_block_from_host(&vm->mem->ram, base, &off);
    if (!p->ram) {
        g_free(p);
        return NULL;
    }
    p->ram_page = off >> RAM_PAGE_BITS;
    map = rcu_dereference(p->ram->dirty[DIRTY_CODE]);
    if (map) {
        /* Before the bytes are read: a later write sets it again. */
        __atomic_fetch_and(&map[p->ram_page / 64], ~(1UL << (p->ram_page % 64)),
                           __ATOMIC_SEQ_CST);
    }
    g_hash_table_insert(vm->cache->pages, (void *)base, p);
    page_protect(vm, base);
    return p;
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

static void block_decode(SoftCpu *s, SoftBlock *b, const uint8_t *host,
                         unsigned max_ops)
{
    SoftDecoder d = decoder_of(s);
    uint64_t room = MIN(SOFT_PAGE - ((uintptr_t)host & 0xfff), code_limit(s));
    uint64_t pos = 0;

    b->host = host;
    b->key = s->key;
    b->nops = 0;
    while (b->nops < max_ops) {
        SoftOp *op = &b->ops[b->nops];

        if (pos >= room || !decode_one(s, &d, host + pos, room - pos, op)) {
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
    return b;
}

static SoftBlock *block_new(SoftCpu *s, const uint8_t *host)
{
    SoftCache *c = s->vm->cache;
    uint64_t need = sizeof(SoftBlock) + SOFT_BLOCK_OPS * sizeof(SoftOp);
    SoftBlock *b;
    SoftPage *p;
    unsigned h;
    unsigned first;
    unsigned last;

    if (c->size - c->pos < need) {
        cache_drop_all(s->vm);
    }
    p = page_get(s->vm, host);
    if (!p) {
        return NULL;
    }
    b = (SoftBlock *)(c->room + c->pos);
    block_decode(s, b, host, SOFT_BLOCK_OPS);
    if (b->nops == 0) {
        return NULL;
    }
    c->pos += ROUND_UP(sizeof(*b) + b->nops * sizeof(SoftOp), 64);
    b->page = p;
    b->page_next = p->blocks;
    p->blocks = b;
    first = ((uintptr_t)host & 0xfff) / CODE_CHUNK;
    last = (((uintptr_t)host & 0xfff) + b->nbytes - 1) / CODE_CHUNK;
    p->used |= MAKE_64BIT_MASK(first, last - first + 1);
    h = hash_of(host, s->key);
    b->hash_next = c->hash[h];
    c->hash[h] = b;
    return b;
}

static SoftBlock *block_lookup(SoftCpu *s, const uint8_t *host)
{
    SoftBlock *b = s->vm->cache->hash[hash_of(host, s->key)];

    while (b && (b->host != host || b->key != s->key)) {
        b = b->hash_next;
    }
    if (b && page_dirty(b->page)) {
        page_drop(s->vm, b->page);
        return NULL;
    }
    return b;
}

SoftBlock *soft_block_find(SoftCpu *s, unsigned max_ops)
{
    uint64_t lin = (s->segbase[X86_CS] + s->rip) & s->lin_mask;
    SoftJump *j = &s->jumps[(lin ^ lin >> 10) & (SOFT_JUMPS - 1)];
    uint8_t *host;
    SoftBlock *b;

    if (j->block && j->lin == lin && j->key == s->key &&
        j->block->nops <= max_ops && !page_dirty(j->block->page) &&
        j->block->nbytes <= code_limit(s)) {
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
    }
    if (!b || b->nops > max_ops || b->nbytes > code_limit(s)) {
        return block_once(s, lin);
    }
    *j = (SoftJump){ .lin = lin, .key = s->key, .block = b };
    return b;
}
