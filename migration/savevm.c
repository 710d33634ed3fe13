/*
 * Sections of the stream that carry devices, outgoing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/savevm.h"
#include "migration/wire.h"
#include "system/ramblock.h"
#include "util/error.h"

/* Bytes of device state, but for sections that say what they may have. */
enum { DEVICES_MAX = 64 << 20 };

void savevm_put_header(StreamOut *s, const StreamConfig *config)
{
    stream_put_be32(s, WIRE_MAGIC);
    stream_put_be32(s, WIRE_VERSION);
    configuration_put(s, config);
}

void savevm_put_command(StreamOut *s, uint16_t cmd, const void *data,
                        uint16_t len)
{
    stream_put_u8(s, WIRE_COMMAND);
    stream_put_be16(s, cmd);
    stream_put_be16(s, len);
    stream_put(s, data, len);
}

void savevm_put_part_begin(StreamOut *s, uint8_t type, const IterativeOps *row)
{
    stream_put_u8(s, type);
    stream_put_be32(s, row->section_id);
    if (type == WIRE_SECTION_START) {
        stream_put_str8(s, row->name);
        stream_put_be32(s, 0); /* instance */
        stream_put_be32(s, row->version);
    }
}

void savevm_put_part_end(StreamOut *s, const IterativeOps *row)
{
    stream_put_u8(s, WIRE_FOOTER);
    stream_put_be32(s, row->section_id);
}

static bool entry_travels(const VmstateEntry *e)
{
    return e->vms != VMSTATE_NONE &&
           (e->vms->needed == NULL || e->vms->needed(e->opaque));
}

static bool put_entry(StreamOut *s, const VmstateEntry *e, JsonValue *desc,
                      GError **errp)
{
    stream_put_u8(s, WIRE_SECTION_FULL);
    stream_put_be32(s, e->section_id);
    stream_put_str8(s, e->idstr);
    stream_put_be32(s, e->instance);
    stream_put_be32(s, e->vms->version);
    if (!vmstate_save_desc(s, e->vms, e->opaque, desc, errp)) {
        error_prefix(errp, "section '%s' instance %u: ", e->idstr, e->instance);
        return false;
    }
    stream_put_u8(s, WIRE_FOOTER);
    stream_put_be32(s, e->section_id);
    return true;
}

/* One section, and its members in `devices` (an array) unless that is NULL. */
static bool save_entry(StreamOut *mem, const VmstateEntry *e,
                       JsonValue *devices, uint64_t *limit, GError **errp)
{
    JsonValue *desc = NULL;

    if (devices != NULL) {
        desc = json_object_new();
        json_object_set_string(desc, "name", e->idstr);
        json_object_set_int(desc, "instance_id", e->instance);
        json_array_add(devices, desc);
    }
    if (!put_entry(mem, e, desc, errp)) {
        return false;
    }
    if (e->vms->max_bytes != NULL) {
        *limit += e->vms->max_bytes(e->opaque);
    }
    if (stream_out_bytes(mem) > *limit) {
        error_setf(errp,
                   "section '%s' instance %u: more than %" PRIu64
                   " MiB of device state",
                   e->idstr, e->instance, *limit >> 20);
        return false;
    }
    return true;
}

bool savevm_save_devices(StreamOut *mem, VmstateRegistry *r, char **ret_text,
                         GError **errp)
{
    g_autoptr(JsonValue) top = NULL;
    JsonValue *devices = NULL;
    uint64_t limit = DEVICES_MAX;

    stream_out_reset(mem);
    if (ret_text != NULL) {
        top = json_object_new();
        devices = json_array_new();
        json_object_set_int(top, "page_size", RAM_PAGE_SIZE);
        json_object_set(top, "devices", devices);
    }
    for (GList *l = r->entries.head; l != NULL; l = l->next) {
        if (entry_travels(l->data) &&
            !save_entry(mem, l->data, devices, &limit, errp)) {
            return false;
        }
    }
    if (ret_text != NULL) {
        *ret_text = json_to_string(top, false);
    }
    return true;
}

void savevm_put_description(StreamOut *s, const char *text)
{
    stream_put_u8(s, WIRE_DESCRIPTION);
    stream_put_be32(s, strlen(text));
    stream_put(s, text, strlen(text));
}
