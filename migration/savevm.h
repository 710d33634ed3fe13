/*
 * Sections of the stream that carry devices: framing, order, description.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_SAVEVM_H
#define MIGRATION_SAVEVM_H

#include "migration/configuration.h"
#include "migration/iterative.h"
#include "vmstate/vmstate.h"

/* File header and configuration section. */
void savevm_put_header(StreamOut *s, const StreamConfig *config);
/* A command; `len` bytes of data, at most 65535. */
void savevm_put_command(StreamOut *s, uint16_t cmd, const void *data,
                        uint16_t len);
/*
 * The frame around the content of one part of an iterative section; `type` is
 * WIRE_SECTION_START, _PART or _END.
 */
void savevm_put_part_begin(StreamOut *s, uint8_t type, const IterativeOps *row);
void savevm_put_part_end(StreamOut *s, const IterativeOps *row);
/*
 * Replaces the content of `mem` (a memory stream) by all device sections,
 * without the end of file mark.  Into memory, so that vm_lock, which is held,
 * is not for as long as a peer takes to read.  Guest stopped, or for a
 * rehearsal running.  *ret_text, unless NULL: what savevm_put_description()
 * takes; the caller frees it.  Errors name the section.
 */
bool savevm_save_devices(StreamOut *mem, VmstateRegistry *r, char **ret_text,
                         GError **errp);
/* The description section, which follows the end of file mark. */
void savevm_put_description(StreamOut *s, const char *text);

/* What the loader does beyond RAM and devices; any may be refused. */
typedef struct LoadvmOps {
    /*
     * A command of `len` bytes is about to arrive, and has arrived; false with
     * `errp` ends the load.  A length that isn't the command's is to be
     * refused at once: a source that waits for an answer sends no more.
     * *ret_more false: nothing that follows is part of the state.
     */
    bool (*command_begins)(void *opaque, uint16_t cmd, uint16_t len,
                           GError **errp);
    bool (*command)(void *opaque, uint16_t cmd, const uint8_t *data,
                    uint16_t len, bool *ret_more, GError **errp);
    /* A part of an iterative section is about to be loaded; `type` is its
     * WIRE_SECTION_*.  May be NULL. */
    void (*part)(void *opaque, uint8_t type);
    /* End of file mark: all state is in.  *ret_more: go on reading. */
    bool (*complete)(void *opaque, bool *ret_more, GError **errp);
    void *opaque;
} LoadvmOps;

/* An iterative section that can be loaded, and what its load hook gets. */
typedef struct LoadvmRow {
    const IterativeOps *ops;
    void *opaque;
} LoadvmRow;

/*
 * What has been read so far of one guest.  Called without vm_lock, which is
 * taken while a device is loaded and never while the stream is waited for.
 * Errors name the section and the offset.
 */
typedef struct Loadvm Loadvm;

/* All is borrowed, and outlives it. */
Loadvm *loadvm_new(StreamIn *s, VmstateRegistry *r, const LoadvmRow *rows,
                   size_t nrows, const StreamConfig *here,
                   const LoadvmOps *ops);
void loadvm_free(Loadvm *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Loadvm, loadvm_free)
/* The header, and sections until `complete` or `command` want no more. */
bool loadvm_begin(Loadvm *l, GError **errp);
/* Goes on with sections of another stream, when one has broken off. */
bool loadvm_go_on(Loadvm *l, StreamIn *s, GError **errp);
/* Nothing behind the configuration has been taken. */
bool loadvm_at_head(const Loadvm *l);
/* Both ends of it, for a stream that has all of a guest. */
bool loadvm_run(StreamIn *s, VmstateRegistry *r, const LoadvmRow *rows,
                size_t nrows, const StreamConfig *here, const LoadvmOps *ops,
                GError **errp);
/*
 * All devices come in a package: those that are met outside of it from now on
 * are refused, and parts of rows are of the same guest.  For `command`.
 */
void loadvm_devices_packaged(Loadvm *l);
/*
 * Loads such a package: commands, which go to `ops`, and all devices, no rows.
 * Any thread, while another one reads on.
 */
bool loadvm_package(const Loadvm *l, const void *data, size_t len,
                    const LoadvmOps *ops, GError **errp);

#endif
