/*
 * Description of a device's state: what goes into the migration stream, in
 * which order, with which widths.  The tables are an ABI: names, versions and
 * order are those of the machine type's reference implementation, which its
 * streams describe themselves (docs/devel/stream.md).
 *
 * Locking: tables are const; save and load run under vm_lock with the guest
 * stopped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_VMSTATE_H
#define MIGRATION_VMSTATE_H

#include "qapi/json.h"
#include "system/clock.h"
#include "vmstate/stream.h"

typedef struct Vmstate Vmstate;
typedef struct VmstateField VmstateField;

/* How one element is put; its width on the wire follows from it. */
typedef enum VmstateKind {
    VMS_BOOL,
    VMS_U8,
    VMS_U16,
    VMS_U32,
    VMS_U64,
    VMS_I8,
    VMS_I16,
    VMS_I32,
    VMS_I64,
    VMS_U8_EQUAL, /* loads must match what is there */
    VMS_U16_EQUAL,
    VMS_U32_EQUAL,
    VMS_I32_EQUAL,
    VMS_U64_EQUAL,
    VMS_I32_LE, /* loads must be <= what is there and >= 0 */
    VMS_BUFFER, /* `size` raw bytes */
    VMS_UNUSED, /* `size` bytes: zeros out, ignored in */
    VMS_TIMER,  /* Timer: be64 expiry, all ones if not armed */
    VMS_STRUCT, /* nested description */
    VMS_CUSTOM, /* info->put and get */
} VmstateKind;

/* A representation of its own; `name` appears in the description. */
typedef struct VmstateInfo {
    const char *name;
    /* `size` is the field's declared size on the wire. */
    bool (*put)(StreamOut *s, const void *field, size_t size, GError **errp);
    /* May run again from the section's start: stores, and acts on nothing. */
    bool (*get)(StreamIn *s, void *field, size_t size, GError **errp);
} VmstateInfo;

enum {
    VMF_POINTER = 1 << 0, /* the field holds a pointer to the element(s) */
    VMF_MUST_EXIST = 1 << 1,
    /* Count of elements is read from the state itself: */
    VMF_VARRAY_U8 = 1 << 3,
    VMF_VARRAY_U16 = 1 << 4,
    VMF_VARRAY_U32 = 1 << 5,
    VMF_VARRAY_I32 = 1 << 6,
    /* Size in bytes of a VMS_BUFFER is read from the state: */
    VMF_VSIZE_U32 = 1 << 7,
    VMF_ALLOC = 1 << 9, /* load allocates the pointed-to buffer */
    /* In the JSON description only: */
    VMF_DESC_EACH = 1 << 10, /* elements one by one, also if they are equal */
    VMF_TMP = 1 << 11,       /* a struct of the type "tmp" */
};

struct VmstateField {
    const char *name; /* NULL ends the table */
    VmstateKind kind;
    size_t offset;      /* in the struct */
    size_t size;        /* of one element in memory; bytes of a BUFFER */
    unsigned num;       /* elements of an array; 0: a single one */
    size_t num_offset;  /* of the count (VMF_VARRAY_*) or size (VMF_VSIZE_*) */
    unsigned num_max;   /* bound of a count or size read from a stream */
    unsigned flags;     /* VMF_* */
    int version;        /* present from this version on; 0: always */
    const Vmstate *vms; /* VMS_STRUCT */
    int struct_version; /* version with which a nested struct is put */
    const VmstateInfo *info; /* VMS_CUSTOM */
    /* Present only if this says so (version: the one being put or got). */
    bool (*exists)(void *opaque, int version);
};

struct Vmstate {
    const char *name;
    int version, oldest;        /* put; least that can be got */
    int priority;               /* higher goes earlier; VmstatePriority */
    const VmstateField *fields; /* ends with VMSTATE_END */
    const Vmstate *const *subsections; /* ends with NULL; may be NULL */
    bool (*needed)(void *opaque);      /* NULL: always */
    bool (*pre_save)(void *opaque, GError **errp);
    void (*post_save)(void *opaque);
    /* May run again from the section's start.  No count or `exists` may hang
     * on what an inner post_load does: all of them run at the end. */
    bool (*pre_load)(void *opaque, GError **errp);
    /* Once; `version` as in the stream.  Checks what was loaded: hostile. */
    bool (*post_load)(void *opaque, int version, GError **errp);
    /*
     * Bytes that its section may have, for one that holds what a guest may
     * make large; NULL: the loader's own limit.
     */
    uint64_t (*max_bytes)(const void *opaque);
    bool unmigratable; /* blocks migration, naming the device */
    bool early_setup;  /* sent before RAM (device that needs it) */
    /* Described as bytes with a size, as what is older than descriptions. */
    bool raw;
};

typedef enum VmstatePriority {
    VMSTATE_PRI_DEFAULT = 0,
    VMSTATE_PRI_IOMMU,
    VMSTATE_PRI_PCI_BUS,
    VMSTATE_PRI_VIRTIO_MEM,
    VMSTATE_PRI_GICV3_ITS,
    VMSTATE_PRI_GICV3,
} VmstatePriority;

/* For devices without state: an empty description, no section is sent. */
extern const Vmstate vmstate_none;
#define VMSTATE_NONE (&vmstate_none)

#define VMSTATE_END  \
    {                \
        .name = NULL \
    }
#define VMSTATE_FIELD_(T, f, k, ...)                       \
    {                                                      \
        .name = #f, .kind = (k), .offset = offsetof(T, f), \
        .size = sizeof(((T *)0)->f), __VA_ARGS__           \
    }
#define VMSTATE_ARRAY_(T, f, n, k, ...)                         \
    {                                                           \
        .name = #f, .kind = (k), .offset = offsetof(T, f),      \
        .size = sizeof(((T *)0)->f[0]), .num = (n), __VA_ARGS__ \
    }
#define VMSTATE_BOOL(T, f)   VMSTATE_FIELD_(T, f, VMS_BOOL)
#define VMSTATE_U8(T, f)     VMSTATE_FIELD_(T, f, VMS_U8)
#define VMSTATE_U16(T, f)    VMSTATE_FIELD_(T, f, VMS_U16)
#define VMSTATE_U32(T, f)    VMSTATE_FIELD_(T, f, VMS_U32)
#define VMSTATE_U64(T, f)    VMSTATE_FIELD_(T, f, VMS_U64)
#define VMSTATE_I8(T, f)     VMSTATE_FIELD_(T, f, VMS_I8)
#define VMSTATE_I16(T, f)    VMSTATE_FIELD_(T, f, VMS_I16)
#define VMSTATE_I32(T, f)    VMSTATE_FIELD_(T, f, VMS_I32)
#define VMSTATE_I64(T, f)    VMSTATE_FIELD_(T, f, VMS_I64)
#define VMSTATE_TIMER(T, f)  VMSTATE_FIELD_(T, f, VMS_TIMER)
#define VMSTATE_BUFFER(T, f) VMSTATE_FIELD_(T, f, VMS_BUFFER)
#define VMSTATE_STRUCT(T, f, vms_, sv) \
    VMSTATE_FIELD_(T, f, VMS_STRUCT, .vms = &(vms_), .struct_version = (sv))
#define VMSTATE_STRUCT_POINTER(T, f, vms_)                                 \
    {                                                                      \
        .name = #f, .kind = VMS_STRUCT, .offset = offsetof(T, f),          \
        .size = sizeof(*((T *)0)->f), .vms = &(vms_), .flags = VMF_POINTER \
    }
#define VMSTATE_STRUCT_ARRAY(T, f, n, vms_, sv) \
    VMSTATE_ARRAY_(T, f, n, VMS_STRUCT, .vms = &(vms_), .struct_version = (sv))
#define VMSTATE_U8_ARRAY(T, f, n)   VMSTATE_ARRAY_(T, f, n, VMS_U8)
#define VMSTATE_U16_ARRAY(T, f, n)  VMSTATE_ARRAY_(T, f, n, VMS_U16)
#define VMSTATE_U32_ARRAY(T, f, n)  VMSTATE_ARRAY_(T, f, n, VMS_U32)
#define VMSTATE_U64_ARRAY(T, f, n)  VMSTATE_ARRAY_(T, f, n, VMS_U64)
#define VMSTATE_I32_ARRAY(T, f, n)  VMSTATE_ARRAY_(T, f, n, VMS_I32)
#define VMSTATE_BOOL_ARRAY(T, f, n) VMSTATE_ARRAY_(T, f, n, VMS_BOOL)
#define VMSTATE_UNUSED(bytes)                                 \
    {                                                         \
        .name = "unused", .kind = VMS_UNUSED, .size = (bytes) \
    }

/* Puts fields and needed subsections; runs pre_save and post_save. */
bool vmstate_save(StreamOut *s, const Vmstate *vms, void *opaque,
                  GError **errp);
/* As vmstate_save(), and writes the JSON members of the section into `desc`
 * (an object: vmsd_name, version, fields, subsections), unless NULL. */
bool vmstate_save_desc(StreamOut *s, const Vmstate *vms, void *opaque,
                       JsonValue *desc, GError **errp);
/*
 * Gets fields and subsections; runs pre_load as it meets them, and post_load
 * when all of it has been read, inner ones first.  Errors name the description,
 * the field and the offset.
 */
bool vmstate_load(StreamIn *s, const Vmstate *vms, void *opaque, int version,
                  GError **errp);

/*
 * The same in two steps, for a stream that is held: what lacks bytes is parsed
 * again from the start when they are there, so that nobody waits for them under
 * a lock.  One object serves for one section after the other.
 */
typedef struct VmstateLoad VmstateLoad;

VmstateLoad *vmstate_load_new(void);
void vmstate_load_free(VmstateLoad *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmstateLoad, vmstate_load_free)
bool vmstate_load_fields(VmstateLoad *l, StreamIn *s, const Vmstate *vms,
                         void *opaque, int version, GError **errp);
/* After success of the above, once: runs the post_load functions. */
bool vmstate_load_finish(VmstateLoad *l, GError **errp);

/*
 * The registry of what is sent: one per VM.  Order of sending: priority,
 * then registration.  A section's name is PATH/NAME or NAME.
 */
typedef struct VmstateRegistry VmstateRegistry;
typedef struct VmstateEntry VmstateEntry;

VmstateRegistry *vmstate_registry_new(void);
void vmstate_registry_free(VmstateRegistry *r);
/*
 * `path` may be NULL.  instance < 0: the next free number for that name.
 * `idstr` is copied from the path and vms->name.
 */
VmstateEntry *vmstate_register(VmstateRegistry *r, const char *path,
                               int instance, const Vmstate *vms, void *opaque);
void vmstate_unregister(VmstateRegistry *r, VmstateEntry *e);
/* Adds a reason why the VM can't migrate; returns a handle to take it back. */
unsigned vmstate_add_blocker(VmstateRegistry *r, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);
void vmstate_del_blocker(VmstateRegistry *r, unsigned handle);

struct VmstateEntry {
    GList link; /* in the registry's queue, in sending order */
    char *idstr;
    uint32_t instance;
    uint32_t section_id; /* of the outgoing stream */
    bool twin;           /* another one has the same name and instance */
    /* The registry's number when its state came last; the loader's thread. */
    uint64_t load_attempt;
    const Vmstate *vms;
    void *opaque;
};

struct VmstateRegistry {
    GQueue entries;      /* VmstateEntry */
    GList *next_find;    /* sections come in this order, as a rule; or NULL */
    GPtrArray *blockers; /* of { handle, char * } */
    uint32_t next_section_id;
    uint64_t load_attempt; /* sets of devices that have begun to arrive */
    unsigned next_blocker;
    unsigned changes; /* entries that came or went so far */
    char *changed;    /* name of the last of them; NULL: none */
};

VmstateEntry *vmstate_find(VmstateRegistry *r, const char *idstr,
                           uint32_t instance);
/*
 * The one that a section of the current attempt is for: where several have
 * that name and instance (7.2 gives all user networks instance 0), the first
 * that nothing has come for, as they are sent in the order of registration.
 * If something has come for all, any of them.
 */
VmstateEntry *vmstate_find_to_load(VmstateRegistry *r, const char *idstr,
                                   uint32_t instance);
/* The first reason against migrating, or NULL; incl. unmigratable entries. */
char *vmstate_blocked_reason(VmstateRegistry *r);

#endif
