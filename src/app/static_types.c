/*
 * static_types.c - finding a file's content type.
 */
#include "app/static_types.h"

#include "base/ascii.h"

/* No extension that has a type is longer. */
#define EXTENSION_MAX 15

static const struct {
    char extension[EXTENSION_MAX + 1];
    struct ed_type_of type;
} types[] = {
#define TYPE(extension, type, compressible) {extension, {type, compressible}},
#include "app/static_types.def"
#undef TYPE
};

/* The part behind the last dot of a path's last name; empty without one. A
 * name that only begins with a dot has none. */
static struct ed_bytes extension_of(struct ed_bytes path)
{
    for (size_t i = path.len; i-- > 1;) {
        if (path.ptr[i] == '/')
            break;
        if (path.ptr[i] == '.' && path.ptr[i - 1] != '/')
            return ed_bytes_of(path.ptr + i + 1, path.len - i - 1);
    }
    return (struct ed_bytes){0};
}

static struct ed_type_of find_built_in(const char *extension)
{
    size_t low = 0, high = sizeof types / sizeof *types;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(types[middle].extension, extension);
        if (order == 0)
            return types[middle].type;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    /* Whatever it is may well be text. */
    return (struct ed_type_of){"application/octet-stream", true};
}

struct ed_type_of ed_type_of_name(const struct ed_file_type *own,
                                  struct ed_bytes name)
{
    struct ed_bytes extension = extension_of(name);
    char lower[EXTENSION_MAX + 1] = "";
    for (; own && own->extension; own++) {
        if (ed_bytes_equal_nocase(ed_bytes(own->extension), extension))
            return (struct ed_type_of){own->content_type, true};
    }
    if (extension.len <= EXTENSION_MAX)
        ed_lower(lower, extension);
    return find_built_in(lower);
}
