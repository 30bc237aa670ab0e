/*
 * json_value.c - values of jansson, written.
 *
 * Pure functions. A value that contains itself ends at the writer's greatest
 * depth.
 */
#include <eddy/json.h>
#include <jansson.h>

static struct ed_bytes text_of(const json_t *value)
{
    return ed_bytes_of(json_string_value(value), json_string_length(value));
}

static void put_object(ed_json *j, const json_t *object)
{
    json_t *o = (json_t *)object; /* it is only read, but jansson asks so */
    const char *key;
    json_t *value;

    ed_json_object(j);
    json_object_foreach(o, key, value)
    {
        if (ed_json_error(j))
            return;
        ed_json_key(j, key);
        ed_json_value(j, value);
    }
    ed_json_end(j);
}

static void put_array(ed_json *j, const json_t *array)
{
    size_t i;
    json_t *value;

    ed_json_array(j);
    json_array_foreach(array, i, value)
    {
        if (ed_json_error(j))
            return;
        ed_json_value(j, value);
    }
    ed_json_end(j);
}

void ed_json_value(ed_json *j, const json_t *value)
{
    if (!value) {
        ed_json_null(j);
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        put_object(j, value);
        break;
    case JSON_ARRAY:
        put_array(j, value);
        break;
    case JSON_STRING:
        ed_json_bytes(j, text_of(value));
        break;
    case JSON_INTEGER:
        ed_json_int(j, json_integer_value(value));
        break;
    case JSON_REAL:
        ed_json_double(j, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        ed_json_bool(j, json_is_true(value));
        break;
    case JSON_NULL:
        ed_json_null(j);
        break;
    }
}
