/*
 * Buffered big-endian byte streams over which VM state travels.
 *
 * A StreamOut gathers small puts in a buffer and large guest pages as iovec
 * entries that point straight into guest memory; a StreamIn reads through a
 * buffer, and large reads straight into their place.  Both latch the first
 * error: later puts are dropped and gets return zeros, so that callers check
 * once per section.  One thread at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_STREAM_H
#define MIGRATION_STREAM_H

#include "io/channel.h"

typedef struct StreamOut StreamOut;
typedef struct StreamIn StreamIn;

/* Takes a reference of `ch`; NULL `ch`: grows a memory buffer instead. */
StreamOut *stream_out_new(IoChannel *ch);
void stream_out_free(StreamOut *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StreamOut, stream_out_free)
void stream_put_u8(StreamOut *s, uint8_t v);
void stream_put_be16(StreamOut *s, uint16_t v);
void stream_put_be32(StreamOut *s, uint32_t v);
void stream_put_be64(StreamOut *s, uint64_t v);
void stream_put(StreamOut *s, const void *buf, size_t len);
/* u8 length and bytes; at most 255. */
void stream_put_str8(StreamOut *s, const char *str);
/*
 * Memory streams: `len` bytes are put, which the caller fills before the next
 * put.  NULL: put them one by one (a channel's stream, an error).
 */
uint8_t *stream_put_room(StreamOut *s, size_t len);
/*
 * Queues memory by reference: it must stay mapped until the next flush; the
 * bytes may be changed by the guest meanwhile (they are then dirty again).
 */
void stream_put_ref(StreamOut *s, const void *buf, size_t len);
bool stream_out_flush(StreamOut *s, GError **errp);
/*
 * While `keep` is on, a write that the channel's deadline ends is no error:
 * the stream is late, and keeps copies of the rest and of whatever is put
 * from then on.  To be put then: little, and only what ends the present record.
 */
void stream_out_keep_late(StreamOut *s, bool keep);
bool stream_out_is_late(const StreamOut *s);
/* Writes what was kept, with a deadline or without; then late no more. */
bool stream_out_catch_up(StreamOut *s, GError **errp);
/* 0 or the latched -errno; the first error is kept in full. */
int stream_out_error(const StreamOut *s);
bool stream_out_check(StreamOut *s, GError **errp);
void stream_out_set_error(StreamOut *s, GError *err); /* takes err */
uint64_t stream_out_bytes(const StreamOut *s);        /* put so far */
/*
 * Bytes that the channel has taken so far: less than were put, while some are
 * buffered or kept, or after a write that failed in the middle.
 */
uint64_t stream_out_written(const StreamOut *s);
/* Memory streams: what was put, as long as nothing more is put. */
const uint8_t *stream_out_data(const StreamOut *s, size_t *ret_len);
void stream_out_reset(StreamOut *s); /* memory streams: empties, keeps room */

StreamIn *stream_in_new(IoChannel *ch);
/* The same for a stream that is never held (see below); less memory. */
StreamIn *stream_in_new_unheld(IoChannel *ch);
/*
 * From now on `cancel` (borrowed; NULL: none) ends each wait for the channel:
 * another thread knows that the stream needs no more to be read.
 */
void stream_in_set_cancel(StreamIn *s, const IoCancel *cancel);
/* Reads from memory, which must outlive the stream. */
StreamIn *stream_in_new_mem(const void *buf, size_t len);
void stream_in_free(StreamIn *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StreamIn, stream_in_free)
uint8_t stream_get_u8(StreamIn *s);
uint16_t stream_get_be16(StreamIn *s);
uint32_t stream_get_be32(StreamIn *s);
uint64_t stream_get_be64(StreamIn *s);
/* Exactly `len` bytes; false (error latched, buf zeroed) when cut short. */
bool stream_get(StreamIn *s, void *buf, size_t len);
/*
 * The same where they are, until the next call, for at most STREAM_RUN_MAX
 * bytes; NULL as for false.
 */
enum { STREAM_RUN_MAX = 16 * 1024 };
const uint8_t *stream_get_run(StreamIn *s, size_t len);
/* u8 length and bytes; NUL-terminated in `buf` of 256 bytes. */
bool stream_get_str8(StreamIn *s, char buf[256]);
bool stream_skip(StreamIn *s, uint64_t len);
/* Looks at a byte `off` ahead without taking it; -1 at the end. */
int stream_peek_u8(StreamIn *s, size_t off);
uint64_t stream_in_bytes(const StreamIn *s); /* offset of the next byte */
/* The channel has ended or failed, whether or not something was missing. */
bool stream_in_ended(const StreamIn *s);
int stream_in_error(const StreamIn *s);
/*
 * A record that has to be parsed under a lock: between hold and release gets
 * take what has arrived and never wait.  When they want more, the stream is
 * *starved*: gets return zeros, stream_in_check() fails, nothing is latched.
 * Then let go of the lock, call stream_in_refill(), which goes back to the
 * record's first byte and waits for what was missing, and parse again.
 */
void stream_in_hold(StreamIn *s);
bool stream_in_starved(const StreamIn *s);
/*
 * At the end of the stream it returns true as well, and the parser meets the
 * end.  False with a latched error: a record of more than `max` bytes, no byte
 * for `silence_ms` (0: no limit), no memory.
 */
bool stream_in_refill(StreamIn *s, size_t max, unsigned silence_ms);
void stream_in_release(StreamIn *s);
bool stream_in_check(StreamIn *s, GError **errp);
void stream_in_set_error(StreamIn *s, GError *err); /* takes err */

#endif
