/*
 * The SCSI bus: places of units, attention conditions, resets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/scsi.h"
#include "util/error.h"

/* Places */

static ScsiDevice *find_exact(ScsiBus *bus, uint32_t id, uint32_t lun)
{
    for (GList *l = bus->bus.devices.head; l != NULL; l = l->next) {
        ScsiDevice *d = SCSI_DEVICE((Device *)l->data);

        if (d->dev.realized && d->id == id && d->lun == lun) {
            return d;
        }
    }
    return NULL;
}

ScsiDevice *scsi_bus_find(ScsiBus *bus, uint32_t id, uint32_t lun)
{
    ScsiDevice *d = find_exact(bus, id, lun);

    for (GList *l = bus->bus.devices.head; d == NULL && l != NULL;
         l = l->next) {
        ScsiDevice *other = SCSI_DEVICE((Device *)l->data);

        if (other->dev.realized && other->id == id) {
            d = other;
        }
    }
    return d;
}

static bool check_place(const ScsiBus *bus, const ScsiDevice *d, GError **errp)
{
    if (d->channel != 0) {
        error_setf(errp, "bad scsi channel id: %" PRIu32, d->channel);
    } else if (d->id != SCSI_ID_AUTO && d->id > bus->adapter->max_target) {
        error_setf(errp, "bad scsi device id: %" PRIu32, d->id);
    } else if (d->lun != SCSI_ID_AUTO && d->lun > bus->adapter->max_lun) {
        error_setf(errp, "bad scsi device lun: %" PRIu32, d->lun);
    } else {
        return true;
    }
    return false;
}

/* The first target where that LUN is free. */
static bool choose_target(ScsiBus *bus, ScsiDevice *d, GError **errp)
{
    if (d->lun == SCSI_ID_AUTO) {
        d->lun = 0;
    }
    for (uint32_t id = 0; id <= bus->adapter->max_target; id++) {
        if (find_exact(bus, id, d->lun) == NULL) {
            d->id = id;
            return true;
        }
    }
    error_setf(errp, "no free target");
    return false;
}

static bool choose_lun(ScsiBus *bus, ScsiDevice *d, GError **errp)
{
    for (uint32_t lun = 0; lun <= bus->adapter->max_lun; lun++) {
        if (find_exact(bus, d->id, lun) == NULL) {
            d->lun = lun;
            return true;
        }
    }
    error_setf(errp, "no free lun");
    return false;
}

static bool bus_plug(Bus *b, Device *dev, GError **errp)
{
    ScsiBus *bus = SCSI_BUS(b);
    ScsiDevice *d = SCSI_DEVICE(dev), *other;

    if (!check_place(bus, d, errp)) {
        return false;
    }
    if (d->id == SCSI_ID_AUTO) {
        return choose_target(bus, d, errp);
    }
    if (d->lun == SCSI_ID_AUTO) {
        return choose_lun(bus, d, errp);
    }
    other = find_exact(bus, d->id, d->lun);
    if (other != NULL) {
        error_setf(errp, "lun already used by '%s'",
                   other->dev.id != NULL ? other->dev.id : "");
        return false;
    }
    return true;
}

static bool bus_realized(Bus *b, Device *dev, GError **errp)
{
    ScsiBus *bus = SCSI_BUS(b);

    if (dev->hotplugged) {
        bus->adapter->plugged(bus, SCSI_DEVICE(dev));
    }
    return true;
}

static void bus_unplug(Bus *b, Device *dev)
{
    ScsiBus *bus = SCSI_BUS(b);

    if (dev->realized) {
        bus->adapter->unplugged(bus, SCSI_DEVICE(dev));
    }
}

/* "0000:00:03.0/0:1:0": the adapter, then channel, target and LUN. */
static char *bus_dev_path(Bus *b, Device *dev)
{
    const ScsiDevice *d = SCSI_DEVICE(dev);
    Bus *above = b->owner->parent_bus;
    g_autofree char *owner = NULL;

    if (above != NULL && above->dev_path != NULL) {
        owner = above->dev_path(above, b->owner);
    }
    return g_strdup_printf("%s%s%" PRIu32 ":%" PRIu32 ":%" PRIu32,
                           owner != NULL ? owner : "", owner != NULL ? "/" : "",
                           d->channel, d->id, d->lun);
}

/* Firmware makes no difference between disks and CDs. */
static char *bus_firmware_node(Bus *b, Device *dev)
{
    const ScsiDevice *d = SCSI_DEVICE(dev);

    return g_strdup_printf("channel@%" PRIx32 "/disk@%" PRIx32 ",%" PRIx32,
                           d->channel, d->id, d->lun);
}

void scsi_bus_init(ScsiBus *bus, const ScsiAdapter *adapter, Device *owner)
{
    Bus *b = &bus->bus;

    bus->adapter = adapter;
    bus_init(b, BUS_SCSI, bus_kind_name(BUS_SCSI), NULL, owner, owner->vm);
    b->hotplug = true;
    b->plug = bus_plug;
    b->realized = bus_realized;
    b->unplug = bus_unplug;
    b->dev_path = bus_dev_path;
    b->firmware_node = bus_firmware_node;
}

/* Units */

void scsi_bus_foreach(ScsiBus *bus, void (*fn)(ScsiDevice *d, void *opaque),
                      void *opaque)
{
    for (GList *l = bus->bus.devices.head, *next; l != NULL; l = next) {
        next = l->next;
        fn(SCSI_DEVICE((Device *)l->data), opaque);
    }
}

static void restart_unit(ScsiDevice *d, void *opaque)
{
    GQueue again = G_QUEUE_INIT;

    /* One that fails at once again waits for the next time. */
    for (GList *l = d->requests.head; l != NULL; l = l->next) {
        ScsiRequest *r = l->data;

        if (r->stopped) {
            g_queue_push_tail(&again, r);
        }
    }
    while (again.length > 0) {
        ScsiRequest *r = g_queue_pop_head(&again);

        r->stopped = false;
        r->ops->run(r);
    }
}

void scsi_bus_restart(ScsiBus *bus)
{
    scsi_bus_foreach(bus, restart_unit, NULL);
}

/* All of a unit's requests; they leave its list as they end. */
static void cancel_all(ScsiDevice *d, ScsiEnd how)
{
    for (GList *l = d->requests.head, *next; l != NULL; l = next) {
        next = l->next;
        scsi_request_cancel(l->data, how);
    }
}

void scsi_device_reset_unit(ScsiDevice *d)
{
    cancel_all(d, SCSI_RESET);
    device_reset_tree(&d->dev);
}

void scsi_bus_reset(ScsiBus *bus)
{
    bus->unit_attention = SCSI_SENSE_NONE;
    bus_reset_tree(&bus->bus);
}

void scsi_device_init(ScsiDevice *d)
{
    g_queue_init(&d->requests);
    d->loaded = g_array_new(FALSE, FALSE, sizeof(ScsiLoaded));
}

void scsi_device_fini(ScsiDevice *d)
{
    cancel_all(d, SCSI_ABORTED);
    while (d->requests.length > 0) {
        /* The host still has it; it ends without the unit. */
        GList *l = g_queue_pop_head_link(&d->requests);

        ((ScsiRequest *)l->data)->dev = NULL;
    }
    g_array_free(g_steal_pointer(&d->loaded), TRUE);
}

void scsi_device_drop_loaded(ScsiDevice *d)
{
    for (GList *l = d->requests.head, *next; l != NULL; l = next) {
        ScsiRequest *r = l->data;

        next = l->next;
        if (r->stopped) {
            g_queue_unlink(&d->requests, l);
            r->bus->adapter->forget(r);
        }
    }
    g_array_set_size(d->loaded, 0);
}

/* Less is weightier (SAM-5, 5.14.1: what stands for the others). */
static unsigned attention_rank(ScsiSense s)
{
    if (s.asc == 0x29) {
        return s.ascq;
    }
    return 0x100;
}

void scsi_raise_attention(ScsiSense *pending, ScsiSense sense)
{
    if (pending->key == 0 || attention_rank(sense) < attention_rank(*pending)) {
        *pending = sense;
    }
}
