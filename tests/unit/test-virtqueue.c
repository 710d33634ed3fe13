/*
 * Unit test: virtqueues, with drivers that keep the rules and that don't.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/vq-ring.h"
#include "util/bitmap.h"

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

#define F_INDIRECT  (UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC)
#define F_EVENT_IDX (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)

static uint16_t used_idx(TestRing *r)
{
    return lduw_le_p(ring_ptr(r, RING_USED + 2));
}

static void test_chain(void)
{
    TestRing *r = ring_new(0);
    VirtQueueElem *e;

    g_assert_true(virtqueue_empty(&r->q));
    g_assert_null(virtqueue_pop(&r->q));
    memcpy(ring_ptr(r, 0x8000), "question", 8);
    put_desc(r, RING_DESC, 3, 0x8000, 8, NEXT, 5);
    put_desc(r, RING_DESC, 5, 0x9000, 4, NEXT | WRITE, 1);
    put_desc(r, RING_DESC, 1, 0xa000, 100, WRITE, 0);
    make_avail(r, 3);
    g_assert_false(virtqueue_empty(&r->q));
    g_assert_true(virtqueue_has_bytes(&r->q, 8, 104));
    g_assert_false(virtqueue_has_bytes(&r->q, 9, 0));
    e = virtqueue_pop(&r->q);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->nout, ==, 1);
    g_assert_cmpuint(e->nin, ==, 2);
    g_assert_cmpuint(e->out_bytes, ==, 8);
    g_assert_cmpuint(e->in_bytes, ==, 104);
    g_assert_cmpmem(e->out[0].iov_base, 8, "question", 8);
    iov_from_buf(e->in, e->nin, 0, "answers", 7);
    virtqueue_push(&r->q, e, 7);
    virtqueue_notify(&r->q);
    g_assert_cmpuint(used_idx(r), ==, 1);
    g_assert_cmpuint(ldl_le_p(ring_ptr(r, RING_USED + 4)), ==, 3);
    g_assert_cmpuint(ldl_le_p(ring_ptr(r, RING_USED + 8)), ==, 7);
    g_assert_cmpmem(ring_ptr(r, 0x9000), 4, "answ", 4);
    g_assert_cmpmem(ring_ptr(r, 0xa000), 3, "ers", 3);
    g_assert_cmpuint(r->interrupts, ==, 1);
    g_assert_cmpuint(r->errors, ==, 0);
    ring_free(r);
}

static void test_unpop(void)
{
    TestRing *r = ring_new(0);
    VirtQueueElem *e;

    put_desc(r, RING_DESC, 0, 0x8000, 8, 0, 0);
    make_avail(r, 0);
    e = virtqueue_pop(&r->q);
    g_assert_cmpuint(virtqueue_inuse(&r->q), ==, 1);
    virtqueue_unpop(&r->q, e);
    g_assert_cmpuint(virtqueue_inuse(&r->q), ==, 0);
    e = virtqueue_pop(&r->q);
    g_assert_nonnull(e);
    virtqueue_detach(&r->q, e);
    g_assert_null(virtqueue_pop(&r->q));
    g_assert_cmpuint(used_idx(r), ==, 0);
    ring_free(r);
}

static void test_indirect(void)
{
    TestRing *r = ring_new(F_INDIRECT);
    VirtQueueElem *e;

    for (unsigned i = 0; i < 20; i++) {
        put_desc(r, 0x8000, i, 0x10000 + i * 64, 64, i < 19 ? NEXT : 0, i + 1);
    }
    put_desc(r, RING_DESC, 2, 0x8000, 20 * 16, INDIRECT, 0);
    make_avail(r, 2);
    e = virtqueue_pop(&r->q);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->nout, ==, 20);
    g_assert_cmpuint(e->out_bytes, ==, 20 * 64);
    virtqueue_push(&r->q, e, 0);
    g_assert_cmpuint(r->errors, ==, 0);
    ring_free(r);
}

/* The ring goes round many times; three elements at once, out of order. */
static void test_wrap(void)
{
    TestRing *r = ring_new(F_EVENT_IDX);

    for (unsigned i = 0; i < 70000; i += 2) {
        VirtQueueElem *a, *b;

        put_desc(r, RING_DESC, i % 8, 0x8000, 8, WRITE, 0);
        put_desc(r, RING_DESC, (i + 1) % 8, 0x9000, 8, WRITE, 0);
        make_avail(r, i % 8);
        make_avail(r, (i + 1) % 8);
        a = virtqueue_pop(&r->q);
        b = virtqueue_pop(&r->q);
        g_assert_nonnull(b);
        virtqueue_fill(&r->q, b, 1, 0);
        virtqueue_fill(&r->q, a, 2, 1);
        virtqueue_flush(&r->q, 2);
        g_assert_cmpuint(used_idx(r), ==, (uint16_t)(i + 2));
    }
    g_assert_cmpuint(r->errors, ==, 0);
    ring_free(r);
}

static void push_one(TestRing *r)
{
    put_desc(r, RING_DESC, 0, 0x8000, 8, WRITE, 0);
    make_avail(r, 0);
    virtqueue_push(&r->q, virtqueue_pop(&r->q), 1);
    virtqueue_notify(&r->q);
}

static void test_event_index(void)
{
    TestRing *r = ring_new(F_EVENT_IDX);

    push_one(r); /* the first is told in any case */
    g_assert_cmpuint(r->interrupts, ==, 1);
    stw_le_p(ring_ptr(r, RING_AVAIL + 4 + 2 * RING_SIZE), 2);
    push_one(r);
    g_assert_cmpuint(r->interrupts, ==, 1);
    push_one(r); /* entry 2 is the one it waits for */
    g_assert_cmpuint(r->interrupts, ==, 2);
    /* What the device wants to be kicked for: the next one. */
    g_assert_cmpuint(lduw_le_p(ring_ptr(r, RING_USED + 4 + 8 * RING_SIZE)), ==,
                     3);
    virtqueue_set_notification(&r->q, false);
    push_one(r);
    g_assert_cmpuint(lduw_le_p(ring_ptr(r, RING_USED + 4 + 8 * RING_SIZE)), ==,
                     3);
    virtqueue_set_notification(&r->q, true);
    g_assert_cmpuint(lduw_le_p(ring_ptr(r, RING_USED + 4 + 8 * RING_SIZE)), ==,
                     4);
    ring_free(r);
}

static void test_flags(void)
{
    TestRing *r = ring_new(0);

    stw_le_p(ring_ptr(r, RING_AVAIL), VRING_AVAIL_F_NO_INTERRUPT);
    push_one(r);
    g_assert_cmpuint(r->interrupts, ==, 0);
    stw_le_p(ring_ptr(r, RING_AVAIL), 0);
    push_one(r);
    g_assert_cmpuint(r->interrupts, ==, 1);
    virtqueue_set_notification(&r->q, false);
    g_assert_cmpuint(lduw_le_p(ring_ptr(r, RING_USED)), ==,
                     VRING_USED_F_NO_NOTIFY);
    ring_free(r);
}

/* Everything the device writes is in the dirty log, and nothing else. */
static void test_dirty(void)
{
    TestRing *r = ring_new(0);
    Memory *mem = &r->vm->mem;
    VirtQueueElem *e;

    put_desc(r, RING_DESC, 0, 0x8000, 8, NEXT, 1);
    put_desc(r, RING_DESC, 1, 0x9ffc, 8, NEXT | WRITE, 2);
    put_desc(r, RING_DESC, 2, 0xc000, 4096, WRITE, 0);
    make_avail(r, 0);
    g_assert_true(ram_dirty_start(&mem->ram, DIRTY_MIGRATION, false, NULL));
    e = virtqueue_pop(&r->q);
    virtqueue_unpop(&r->q, e);
    e = virtqueue_pop(&r->q);
    virtqueue_push(&r->q, e, 8);
    for (unsigned page = 0; page < RAM_BYTES / RAM_PAGE_SIZE; page++) {
        bool want = page == 3 || page == 9 || page == 0xa;

        g_assert_cmpint(bitmap_test_any(r->rb->dirty[DIRTY_MIGRATION], page, 1),
                        ==, want);
    }
    ram_dirty_stop(&mem->ram, DIRTY_MIGRATION);
    ring_free(r);
}

static void test_bounce(void)
{
    TestRing *r = ring_new(0);
    VirtQueueElem *e;

    for (unsigned i = 0; i < 9; i++) {
        test_regs[16 + i] = "registers"[i];
    }
    memset(ring_ptr(r, 0x8000), 0x55, 16);
    put_desc(r, RING_DESC, 0, REGS_ADDR + 16, 9, NEXT, 1);
    put_desc(r, RING_DESC, 1, REGS_ADDR + 64, 4, NEXT | WRITE, 2);
    put_desc(r, RING_DESC, 2, ROM_ADDR, 4, WRITE, 0);
    make_avail(r, 0);
    e = virtqueue_pop(&r->q);
    g_assert_nonnull(e);
    g_assert_cmpmem(e->out[0].iov_base, 9, "registers", 9);
    iov_from_buf(e->in, e->nin, 0, "abcdefgh", 8);
    virtqueue_push(&r->q, e, 8);
    g_assert_cmpmem(test_regs + 64, 4, "abcd", 4);
    g_assert_cmpmem(r->rom->host, 4, "\0\0\0\0", 4); /* nobody writes ROM */
    g_assert_cmpuint(r->errors, ==, 0);
    ring_free(r);
}

/* A buffer outlives the memory that it is in. */
static void test_unmapped_memory(void)
{
    TestRing *r = ring_new(0);
    Memory *mem = &r->vm->mem;
    VirtQueueElem *e;

    put_desc(r, RING_DESC, 0, 0x8000, 8, WRITE, 0);
    make_avail(r, 0);
    e = virtqueue_pop(&r->q);
    memory_region_del(&r->ram_mr);
    iov_from_buf(e->in, e->nin, 0, "abcdefgh", 8);
    virtqueue_push(&r->q, e, 8);
    g_assert_cmpuint(r->errors, ==, 1); /* the used ring is gone */
    g_assert_null(virtqueue_pop(&r->q));
    memory_region_add(&mem->root, 0, &r->ram_mr, 0);
    g_assert_cmpuint(used_idx(r), ==, 0);
    ring_free(r);
}

static void test_resync(void)
{
    TestRing *r = ring_new(0);

    push_one(r);
    push_one(r);
    virtqueue_reset(&r->q);
    virtqueue_set_rings(&r->q, RING_DESC, RING_AVAIL, RING_USED);
    virtqueue_set_last_avail(&r->q, 2);
    push_one(r);
    g_assert_cmpuint(used_idx(r), ==, 3);
    g_assert_cmpuint(r->errors, ==, 0);
    /* A stream whose index can't go with this ring. */
    virtqueue_set_last_avail(&r->q, 50);
    g_assert_null(virtqueue_pop(&r->q));
    g_assert_cmpuint(r->errors, ==, 1);
    ring_free(r);
}

/* What was popped when the state was saved comes again. */
static void test_rewind(void)
{
    TestRing *r = ring_new(0);
    VirtQueueElem *e;

    put_desc(r, RING_DESC, 4, 0x8000, 8, WRITE, 0);
    make_avail(r, 4);
    virtqueue_set_last_avail(&r->q, 1);
    g_assert_null(virtqueue_pop(&r->q));
    g_assert_cmpuint(virtqueue_inuse(&r->q), ==, 1);
    g_assert_false(virtqueue_rewind(&r->q, 2));
    g_assert_true(virtqueue_rewind(&r->q, 1));
    e = virtqueue_pop(&r->q);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->head, ==, 4);
    virtqueue_push(&r->q, e, 1);
    g_assert_false(virtqueue_rewind(&r->q, 1));
    g_assert_cmpuint(r->errors, ==, 0);
    ring_free(r);
}

/* What a guest can do wrong: each breaks the queue, with one message. */

static void bad_head(TestRing *r)
{
    make_avail(r, RING_SIZE);
}

static void bad_index(TestRing *r)
{
    stw_le_p(ring_ptr(r, RING_AVAIL + 2), RING_SIZE + 1);
}

static void bad_next(TestRing *r)
{
    put_desc(r, RING_DESC, 0, 0x8000, 8, NEXT, 0xffff);
    make_avail(r, 0);
}

static void bad_loop(TestRing *r)
{
    put_desc(r, RING_DESC, 0, 0x8000, 8, NEXT, 1);
    put_desc(r, RING_DESC, 1, 0x8000, 8, NEXT, 0);
    make_avail(r, 0);
}

static void bad_order(TestRing *r)
{
    put_desc(r, RING_DESC, 0, 0x8000, 8, NEXT | WRITE, 1);
    put_desc(r, RING_DESC, 1, 0x8000, 8, 0, 0);
    make_avail(r, 0);
}

static void bad_zero(TestRing *r)
{
    put_desc(r, RING_DESC, 0, 0x8000, 0, 0, 0);
    make_avail(r, 0);
}

static void bad_hole(TestRing *r)
{
    put_desc(r, RING_DESC, 0, RAM_BYTES - 4, 8, WRITE, 0);
    make_avail(r, 0);
}

static void bad_wrap(TestRing *r)
{
    put_desc(r, RING_DESC, 0, UINT64_MAX - 3, 8, 0, 0);
    make_avail(r, 0);
}

static void bad_bounce(TestRing *r)
{
    put_desc(r, RING_DESC, 0, ROM_ADDR, 64 * KiB, NEXT | WRITE, 1);
    for (unsigned i = 1; i < 6; i++) {
        put_desc(r, RING_DESC, i, ROM_ADDR, 64 * KiB,
                 WRITE | (i < 5 ? NEXT : 0), i + 1);
    }
    make_avail(r, 0);
}

static void bad_table(TestRing *r)
{
    put_desc(r, RING_DESC, 0, 0x8000, 24, INDIRECT, 0);
    make_avail(r, 0);
}

static void bad_table_place(TestRing *r)
{
    put_desc(r, RING_DESC, 0, RAM_BYTES - 16, 32, INDIRECT, 0);
    make_avail(r, 0);
}

static void bad_nesting(TestRing *r)
{
    put_desc(r, 0x8000, 0, 0x9000, 16, INDIRECT, 0);
    put_desc(r, RING_DESC, 0, 0x8000, 16, INDIRECT, 0);
    make_avail(r, 0);
}

static void bad_table_loop(TestRing *r)
{
    put_desc(r, 0x8000, 0, 0x9000, 16, NEXT, 0);
    put_desc(r, RING_DESC, 0, 0x8000, 16, INDIRECT, 0);
    make_avail(r, 0);
}

static void bad_place(TestRing *r)
{
    virtqueue_set_rings(&r->q, RING_DESC, RING_AVAIL, RAM_BYTES - 16);
}

static void bad_alignment(TestRing *r)
{
    virtqueue_set_rings(&r->q, RING_DESC, RING_AVAIL + 1, RING_USED);
}

static void bad_rom(TestRing *r)
{
    virtqueue_set_rings(&r->q, RING_DESC, RING_AVAIL, ROM_ADDR);
}

static void test_hostile(void)
{
    static void (*const cases[])(TestRing *) = {
        bad_head,        bad_index,   bad_next,       bad_loop,
        bad_order,       bad_zero,    bad_hole,       bad_wrap,
        bad_bounce,      bad_table,   bad_place,      bad_rom,
        bad_table_place, bad_nesting, bad_table_loop, bad_alignment,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        TestRing *r = ring_new(F_INDIRECT);

        cases[i](r);
        g_assert_null(virtqueue_pop(&r->q));
        g_test_message("case %u: %s", i, r->last_error);
        g_assert_cmpuint(r->errors, ==, 1);
        g_assert_true(virtqueue_empty(&r->q));
        g_assert_false(virtqueue_ready(&r->q));
        g_assert_false(virtqueue_has_bytes(&r->q, 1, 0));
        g_assert_cmpuint(r->errors, ==, 1);
        g_assert_cmpuint(used_idx(r), ==, 0);
        ring_free(r);
    }
}

static void test_not_negotiated(void)
{
    TestRing *r = ring_new(0);

    put_desc(r, RING_DESC, 0, 0x8000, 16, INDIRECT, 0);
    make_avail(r, 0);
    g_assert_null(virtqueue_pop(&r->q));
    g_assert_cmpuint(r->errors, ==, 1);
    ring_free(r);
}

/* More chains than the ring has entries, while none is given back. */
static void test_too_many(void)
{
    TestRing *r = ring_new(0);
    VirtQueueElem *e[RING_SIZE];

    put_desc(r, RING_DESC, 0, 0x8000, 8, 0, 0);
    for (unsigned i = 0; i < RING_SIZE; i++) {
        make_avail(r, 0);
        e[i] = virtqueue_pop(&r->q);
        g_assert_nonnull(e[i]);
    }
    make_avail(r, 0);
    g_assert_null(virtqueue_pop(&r->q));
    g_assert_cmpuint(r->errors, ==, 1);
    for (unsigned i = 0; i < RING_SIZE; i++) {
        virtqueue_push(&r->q, e[i], 0);
    }
    g_assert_cmpuint(used_idx(r), ==, 0);
    ring_free(r);
}

static void test_no_dma(void)
{
    TestRing *r = ring_new(0);

    make_avail(r, 0);
    put_desc(r, RING_DESC, 0, 0x8000, 8, 0, 0);
    r->dma.open = false;
    g_assert_null(virtqueue_pop(&r->q));
    g_assert_cmpuint(r->errors, ==, 0);
    r->dma.open = true;
    virtqueue_detach(&r->q, virtqueue_pop(&r->q));
    ring_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtqueue/chain", test_chain);
    g_test_add_func("/virtqueue/unpop", test_unpop);
    g_test_add_func("/virtqueue/indirect", test_indirect);
    g_test_add_func("/virtqueue/wrap", test_wrap);
    g_test_add_func("/virtqueue/event-index", test_event_index);
    g_test_add_func("/virtqueue/flags", test_flags);
    g_test_add_func("/virtqueue/dirty", test_dirty);
    g_test_add_func("/virtqueue/bounce", test_bounce);
    g_test_add_func("/virtqueue/unmapped-memory", test_unmapped_memory);
    g_test_add_func("/virtqueue/resync", test_resync);
    g_test_add_func("/virtqueue/rewind", test_rewind);
    g_test_add_func("/virtqueue/hostile", test_hostile);
    g_test_add_func("/virtqueue/not-negotiated", test_not_negotiated);
    g_test_add_func("/virtqueue/too-many", test_too_many);
    g_test_add_func("/virtqueue/no-dma", test_no_dma);
    return g_test_run();
}
