/*
 * JSON to schema types and back: qapi/visit*.c and the generated tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/qapi-introspect.h"
#include "qapi/qapi-types-control.h"
#include "qapi/qapi-types-migration.h"
#include "qapi/qapi-types-qom.h"
#include "qapi/qapi-types-sockets.h"

static JsonValue *parse(const char *text)
{
    GError *err = NULL;
    JsonValue *v = json_parse(text, -1, &err);

    g_assert_no_error(err);
    return v;
}

static void check_error(const QapiType *type, const char *text,
                        const char *want)
{
    g_autoptr(JsonValue) v = parse(text);
    g_autoptr(GError) err = NULL;
    void *p = qapi_from_json(type, v, QAPI_IN_JSON, &err);

    g_test_message("%s", text);
    g_assert_null(p);
    g_assert_nonnull(err);
    g_assert_cmpstr(err->message, ==, want);
    /* And without anyone to tell. */
    g_assert_null(qapi_from_json(type, v, QAPI_IN_JSON, NULL));
}

/* The texts are the installed emulator's, for the same input. */
static void test_parameter_errors(void)
{
    const QapiType *t = &qapi_type_migrate_set_parameters;

    check_error(t, "{'max-bandwidth':'a'}",
                "Parameter 'max-bandwidth' expects uint64");
    check_error(t, "{'max-bandwidth':1.5}",
                "Parameter 'max-bandwidth' expects uint64");
    check_error(t, "{'multifd-channels':256}",
                "Parameter 'multifd-channels' expects uint8_t");
    check_error(t, "{'multifd-channels':-1}",
                "Parameter 'multifd-channels' expects uint8_t");
    check_error(t, "{'multifd-channels':'a'}",
                "Parameter 'multifd-channels' expects uint64");
    check_error(t, "{'x-checkpoint-delay':4294967296}",
                "Parameter 'x-checkpoint-delay' expects uint32_t");
    check_error(t, "{'tls-creds':1}",
                "Invalid parameter type for 'tls-creds', expected: StrOrNull");
    check_error(t, "{'multifd-compression':'lz'}",
                "Parameter 'multifd-compression' does not accept value 'lz'");
    check_error(t, "{'multifd-compression':1}",
                "Invalid parameter type for 'multifd-compression', "
                "expected: string");
    check_error(t, "{'block-incremental':1}",
                "Invalid parameter type for 'block-incremental', "
                "expected: boolean");
    check_error(t, "{'foo':{'a':1}}", "Parameter 'foo' is unexpected");
    check_error(t, "[]",
                "Invalid parameter type for 'arguments', expected: object");
}

static void test_path_errors(void)
{
    const QapiType *t = &qapi_type_migrate_set_parameters;

    check_error(t, "{'block-bitmap-mapping':1}",
                "Invalid parameter type for 'block-bitmap-mapping', "
                "expected: array");
    check_error(t, "{'block-bitmap-mapping':[1]}",
                "Invalid parameter type for 'block-bitmap-mapping[0]', "
                "expected: object");
    check_error(t, "{'block-bitmap-mapping':[{'node-name':1}]}",
                "Invalid parameter type for "
                "'block-bitmap-mapping[0].node-name', expected: string");
    check_error(t, "{'block-bitmap-mapping':[{'x':1}]}",
                "Parameter 'block-bitmap-mapping[0].node-name' is missing");
    check_error(t,
                "{'block-bitmap-mapping':[{'node-name':'a','alias':'b',"
                "'bitmaps':[{'name':'a','alias':'c'},{'name':'a'}]}]}",
                "Parameter 'block-bitmap-mapping[0].bitmaps[1].alias' is "
                "missing");
    check_error(t,
                "{'block-bitmap-mapping':[{'node-name':'a','alias':'b',"
                "'bitmaps':[{'name':'a','alias':'c','z':0}]}]}",
                "Parameter 'block-bitmap-mapping[0].bitmaps[0].z' is "
                "unexpected");
}

static void test_union_errors(void)
{
    const QapiType *t = &qapi_type_object_options;

    check_error(t, "{'qom-type':'foo','id':'a'}",
                "Parameter 'qom-type' does not accept value 'foo'");
    check_error(t, "{'id':'a'}", "Parameter 'qom-type' is missing");
    check_error(t, "{'qom-type':'memory-backend-ram','size':1}",
                "Parameter 'id' is missing");
    check_error(t, "{'qom-type':'memory-backend-ram','id':'a'}",
                "Parameter 'size' is missing");
    check_error(t, "{'qom-type':'memory-backend-ram','id':'a','size':'a'}",
                "Parameter 'size' expects uint64");
    check_error(t,
                "{'qom-type':'memory-backend-ram','id':'a','size':1,"
                "'mem-path':'x'}",
                "Parameter 'mem-path' is unexpected");
    check_error(t,
                "{'qom-type':'memory-backend-ram','id':'a','size':1,"
                "'host-nodes':[1,70000]}",
                "Parameter 'host-nodes[1]' expects uint16_t");
    check_error(t,
                "{'qom-type':'memory-backend-ram','id':'a','size':1,"
                "'host-nodes':[1,'x']}",
                "Parameter 'host-nodes[1]' expects uint64");
}

static void test_struct(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) v =
        parse("{'max-bandwidth':18446744073709551615,'downtime-limit':-1,"
              "'tls-creds':'x','tls-authz':null,'multifd-channels':255,"
              "'multifd-compression':'zstd','cpu-throttle-tailslow':true}");
    g_autoptr(MigrateSetParameters) p =
        migrate_set_parameters_from_json(v, &err);
    g_autoptr(JsonValue) back = NULL;

    g_assert_no_error(err);
    g_assert_true(p->has_max_bandwidth);
    g_assert_cmpuint(p->max_bandwidth, ==, UINT64_MAX);
    g_assert_true(p->has_downtime_limit);
    g_assert_cmpuint(p->downtime_limit, ==, UINT64_MAX);
    g_assert_false(p->has_announce_max);
    g_assert_cmpint(p->tls_creds->type, ==, STR_OR_NULL_S);
    g_assert_cmpstr(p->tls_creds->u.s, ==, "x");
    g_assert_cmpint(p->tls_authz->type, ==, STR_OR_NULL_N);
    g_assert_null(p->tls_hostname);
    g_assert_cmpuint(p->multifd_channels, ==, 255);
    g_assert_cmpint(p->multifd_compression, ==, MULTIFD_COMPRESSION_ZSTD);
    g_assert_true(p->cpu_throttle_tailslow);

    back = migrate_set_parameters_to_json(p);
    json_object_set_uint(v, "downtime-limit", UINT64_MAX);
    g_assert_true(json_equal(v, back));
}

static void test_union(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) v =
        parse("{'qom-type':'memory-backend-file','id':'m','size':4096,"
              "'mem-path':'/x','share':true,'host-nodes':[0,65535],"
              "'policy':'bind'}");
    g_autoptr(ObjectOptions) o = object_options_from_json(v, &err);
    g_autoptr(ObjectOptions) copy = NULL;
    g_autoptr(JsonValue) back = NULL;
    MemoryBackendFileProperties *f;

    g_assert_no_error(err);
    g_assert_cmpint(o->qom_type, ==, OBJECT_KIND_MEMORY_BACKEND_FILE);
    f = o->u.memory_backend_file;
    g_assert_cmpuint(f->size, ==, 4096);
    g_assert_cmpstr(f->mem_path, ==, "/x");
    g_assert_true(f->has_share && f->share);
    g_assert_cmpuint(f->host_nodes->n, ==, 2);
    g_assert_cmpuint(f->host_nodes->items[1], ==, 65535);
    g_assert_cmpint(f->policy, ==, HOST_MEM_POLICY_BIND);
    g_assert_false(f->has_align);

    copy = object_options_clone(o);
    back = object_options_to_json(copy);
    g_assert_true(json_equal(v, back));
}

static void test_build(void)
{
    g_autoptr(MigrationInfo) info = migration_info_new();
    g_autofree char *text = NULL;
    g_autoptr(JsonValue) v = NULL;
    SocketAddress *sa = socket_address_new();

    info->has_status = true;
    info->status = MIGRATION_STATUS_PRE_SWITCHOVER;
    info->has_progress = true;
    info->progress = 100;
    info->blocked_reasons = str_list_new();
    for (int i = 0; i < 5; i++) {
        str_list_append(info->blocked_reasons, g_strdup_printf("r%d", i));
    }
    sa->type = SOCKET_ADDRESS_TYPE_UNIX;
    sa->u.unix_ = unix_socket_address_new();
    sa->u.unix_->path = g_strdup("/x");
    info->socket_address = socket_address_list_new();
    socket_address_list_append(info->socket_address, sa);

    v = migration_info_to_json(info);
    text = json_to_string(v, false);
    g_assert_cmpstr(text, ==,
                    "{\"status\": \"pre-switchover\", \"blocked-reasons\": "
                    "[\"r0\", \"r1\", \"r2\", \"r3\", \"r4\"], "
                    "\"socket-address\": [{\"type\": \"unix\", \"path\": "
                    "\"/x\"}], \"progress\": 100}");
}

/* What was left out although it has to be there must not crash. */
static void test_build_incomplete(void)
{
    g_autoptr(VersionInfo) info = version_info_new();
    g_autoptr(JsonValue) v = version_info_to_json(info);
    g_autofree char *text = json_to_string(v, false);
    g_autoptr(SocketAddress) sa = socket_address_new();
    g_autoptr(JsonValue) w = socket_address_to_json(sa);

    g_assert_cmpstr(text, ==, "{\"qemu\": {}, \"package\": \"\"}");
    g_assert_cmpuint(json_object_len(w), ==, 1);
}

static void test_enum(void)
{
    MigrationStatus s = MIGRATION_STATUS_NONE;

    g_assert_cmpstr(migration_status_str(MIGRATION_STATUS_DEVICE), ==,
                    "device");
    g_assert_cmpstr(migration_status_str((MigrationStatus)999), ==, "?");
    g_assert_true(migration_status_parse("wait-unplug", &s));
    g_assert_cmpint(s, ==, MIGRATION_STATUS_WAIT_UNPLUG);
    g_assert_false(migration_status_parse("Wait-unplug", &s));
    g_assert_cmpint(MIGRATION_STATUS__MAX, ==,
                    MIGRATION_STATUS_WAIT_UNPLUG + 1);
}

static void test_text(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) v =
        parse("{'qom-type':'memory-backend-ram','id':'m','size':'1.5G',"
              "'share':'on','prealloc':'no','prealloc-threads':'4'}");
    g_autoptr(ObjectOptions) o =
        qapi_from_json(&qapi_type_object_options, v, QAPI_IN_TEXT, &err);
    MemoryBackendProperties *m;

    g_assert_no_error(err);
    m = o->u.memory_backend_ram;
    g_assert_cmpuint(m->size, ==, 3 * GiB / 2);
    g_assert_true(m->has_share && m->share);
    g_assert_true(m->has_prealloc && !m->prealloc);
    g_assert_cmpuint(m->prealloc_threads, ==, 4);
    g_assert_null(object_options_from_json(v, NULL));
    json_object_set_string(v, "size", "lots");
    g_assert_null(
        qapi_from_json(&qapi_type_object_options, v, QAPI_IN_TEXT, &err));
    g_assert_cmpstr(err->message, ==, "Parameter 'size' expects uint64");
}

/* The schema's description of itself is of the type it describes. */
static void test_introspection(void)
{
    for (size_t i = 0; qapi_schema_json[i]; i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(JsonValue) v = parse(qapi_schema_json[i]);
        g_autoptr(SchemaInfo) info = schema_info_from_json(v, &err);
        g_autoptr(JsonValue) back = NULL;

        g_test_message("%s", qapi_schema_json[i]);
        g_assert_no_error(err);
        back = schema_info_to_json(info);
        g_assert_true(json_equal(v, back));
    }
}

/* One member after the other replaced by what it can't be: no crash. */
static void test_mutations(void)
{
    static const char *const junk[] = { "null", "true",  "-1",      "1e99",
                                        "'x'",  "[[]]",  "{'a':1}", "[]",
                                        "{}",   "70000", "1.5",     "''" };
    g_autoptr(JsonValue) v =
        parse("{'block-bitmap-mapping':[{'node-name':'a','alias':'b',"
              "'bitmaps':[{'name':'a','alias':'c','transform':{}}]}],"
              "'tls-creds':'a','announce-max':1,'multifd-channels':1,"
              "'multifd-compression':'zlib'}");

    for (size_t i = 0; i < json_object_len(v); i++) {
        const char *key = json_object_at(v, i, NULL);
        JsonValue *old = json_ref(json_object_get(v, key));

        for (size_t j = 0; j < G_N_ELEMENTS(junk); j++) {
            json_object_set(v, key, parse(junk[j]));
            migrate_set_parameters_free(
                migrate_set_parameters_from_json(v, NULL));
        }
        json_object_set(v, key, old);
    }
    migrate_set_parameters_free(migrate_set_parameters_from_json(v, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/parameter-errors", test_parameter_errors);
    g_test_add_func("/qapi/path-errors", test_path_errors);
    g_test_add_func("/qapi/union-errors", test_union_errors);
    g_test_add_func("/qapi/struct", test_struct);
    g_test_add_func("/qapi/union", test_union);
    g_test_add_func("/qapi/build", test_build);
    g_test_add_func("/qapi/build-incomplete", test_build_incomplete);
    g_test_add_func("/qapi/enum", test_enum);
    g_test_add_func("/qapi/text", test_text);
    g_test_add_func("/qapi/introspection", test_introspection);
    g_test_add_func("/qapi/mutations", test_mutations);
    return g_test_run();
}
