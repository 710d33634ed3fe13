/*
 * What ThreadSanitizer can't see by itself; nothing in other builds.
 *
 * It knows pthread locks and the compiler's atomics.  Libraries that are not
 * built with it order threads by means of their own: liburcu's grace periods,
 * GLib's main contexts.  And guest memory has no lock: its vCPUs race with
 * each other, with devices and with whoever sends it, as on a real machine;
 * dirty tracking is what makes that safe (docs/devel/migration.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_TSAN_H
#define UTIL_TSAN_H

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define CONFIG_TSAN 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define CONFIG_TSAN 1
#endif

#ifdef CONFIG_TSAN

/* <sanitizer/tsan_interface.h> and the dynamic annotations. */
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);

/*
 * What a thread did before tsan_release(p) happened before what another does
 * after tsan_acquire(p).
 */
#define tsan_acquire(p) __tsan_acquire((void *)(p))
#define tsan_release(p) __tsan_release((void *)(p))

/* Around accesses to guest memory by this thread. */
#define tsan_guest_begin()                             \
    do {                                               \
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);  \
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__); \
    } while (0)
#define tsan_guest_end()                             \
    do {                                             \
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__); \
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);  \
    } while (0)

/* A function that does nothing but access guest memory. */
#define TSAN_GUEST __attribute__((noinline, no_sanitize("thread"), unused))

#else

#define tsan_acquire(p)    ((void)(p))
#define tsan_release(p)    ((void)(p))
#define tsan_guest_begin() ((void)0)
#define tsan_guest_end()   ((void)0)

#endif

#endif /* UTIL_TSAN_H */
