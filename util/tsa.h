/*
 * Names for clang's thread-safety attributes; nothing under other compilers.
 *
 * REQUIRES on a function says which lock its caller holds; ACQUIRE and RELEASE
 * say what it does. GUARDED_BY on a struct member can't name another member
 * in C before clang 19 (-fexperimental-late-parse-attributes), so it is only a
 * checked comment from there on, and a plain one before: functions named
 * foo_locked() with REQUIRES carry the proof meanwhile.
 *
 * Source: clang's "Thread Safety Analysis" document.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_TSA_H
#define UTIL_TSA_H

#ifdef __clang__
#define TSA_ATTR(x) __attribute__((x))
#else
#define TSA_ATTR(x)
#endif

#define CAPABILITY(name) TSA_ATTR(capability(name))
#define ACQUIRE(...)     TSA_ATTR(acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) TSA_ATTR(try_acquire_capability(__VA_ARGS__))
#define RELEASE(...)     TSA_ATTR(release_capability(__VA_ARGS__))
#define REQUIRES(...)    TSA_ATTR(requires_capability(__VA_ARGS__))
#define EXCLUDES(...)    TSA_ATTR(locks_excluded(__VA_ARGS__))
#define ASSERT_HELD(...) TSA_ATTR(assert_capability(__VA_ARGS__))
#define NO_TSA           TSA_ATTR(no_thread_safety_analysis)

/* Set by the build where the compiler takes member names in attributes. */
#ifdef GODWIT_TSA_MEMBERS
#define GUARDED_BY(x) TSA_ATTR(guarded_by(x))
#else
#define GUARDED_BY(x)
#endif

#endif /* UTIL_TSA_H */
