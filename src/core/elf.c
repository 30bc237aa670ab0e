/*
 * elf.c - reads symbol tables of loaded objects, in place.
 *
 * The files are not trusted to be whole: one may have been replaced while it
 * is read. What lies outside of the mapping is not looked at.
 */
#include "core/elf.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    const char *bytes;
    size_t len;
};

static void copy_text(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size - 1);

    memcpy(to, from, len);
    to[len] = '\0';
}

/* ---- what is loaded ---- */

struct object {
    const char *path; /* the program's own: as it was called */
    bool program;
    uintptr_t bias; /* what addresses in its file count from */
};

/* dladdr() waits for the dynamic linker's lock, which who stands still in
 * dlopen() holds: a report of that would stand still as well. */
static const struct link_map *map_at(uintptr_t pc)
{
#ifdef DLFO_STRUCT_HAS_EH_DBASE
    struct dl_find_object found;

    return _dl_find_object((void *)pc, &found) ? NULL : found.dlfo_link_map;
#else
    Dl_info info;
    struct link_map *map = NULL;

    return dladdr1((void *)pc, &info, (void **)&map, RTLD_DL_LINKMAP) ? map
                                                                      : NULL;
#endif
}

static bool object_at(uintptr_t pc, struct object *object)
{
    const struct link_map *map = map_at(pc);

    if (!map)
        return false;
    bool program = !map->l_name || !*map->l_name;
    *object = (struct object){
        .path = program ? program_invocation_name : map->l_name,
        .program = program,
        .bias = map->l_addr,
    };
    return true;
}

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

const char *ed_elf_object(uintptr_t pc)
{
    struct object object;

    return object_at(pc, &object) ? name_in(object.path) : NULL;
}

/* ---- the file ---- */

/* The program's own was perhaps replaced, and named by how it was called. */
static const char *path_of(const struct object *object)
{
    return object->program ? "/proc/self/exe" : object->path;
}

static bool map_file(struct file *file, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *at = MAP_FAILED;

    if (fd < 0)
        return false;
    if (!fstat(fd, &st) && st.st_size > 0)
        at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return false;
    *file = (struct file){at, (size_t)st.st_size};
    return true;
}

/* NULL: not all of it is there. */
static const void *part(const struct file *file, uint64_t at, uint64_t size)
{
    if (at > file->len || size > file->len - at)
        return NULL;
    return file->bytes + at;
}

static const void *array(const struct file *file, uint64_t at, uint64_t count,
                         size_t each)
{
    return count > file->len / each ? NULL : part(file, at, count * each);
}

static const ElfW(Ehdr) * header_of(const struct file *file)
{
    const ElfW(Ehdr) *header = part(file, 0, sizeof *header);

    if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) ||
        header->e_shentsize != sizeof(ElfW(Shdr)) ||
        header->e_phentsize != sizeof(ElfW(Phdr)))
        return NULL;
    return header;
}

/* ---- symbols ---- */

static const ElfW(Shdr) *
    section(const struct file *file, const ElfW(Ehdr) * header, ElfW(Word) type)
{
    const ElfW(Shdr) *sections =
        array(file, header->e_shoff, header->e_shnum, sizeof *sections);

    for (int i = 0; sections && i < header->e_shnum; i++) {
        if (sections[i].sh_type == type &&
            sections[i].sh_link < header->e_shnum)
            return &sections[i];
    }
    return NULL;
}

static bool covers(const ElfW(Sym) * symbol, uintptr_t address)
{
    return (symbol->st_info & 15) == STT_FUNC && symbol->st_shndx &&
           address >= symbol->st_value &&
           address - symbol->st_value < symbol->st_size;
}

static void find_in(const struct file *file, const ElfW(Shdr) * table,
                    const ElfW(Shdr) * names, uintptr_t address,
                    struct ed_elf_place *place)
{
    size_t count = table->sh_size / sizeof(ElfW(Sym));
    const ElfW(Sym) *symbols =
        array(file, table->sh_offset, count, sizeof *symbols);
    const char *texts = part(file, names->sh_offset, names->sh_size);

    for (size_t i = 0; symbols && texts && i < count; i++) {
        if (!covers(&symbols[i], address))
            continue;
        if (symbols[i].st_name < names->sh_size &&
            memchr(texts + symbols[i].st_name, '\0',
                   names->sh_size - symbols[i].st_name))
            copy_text(place->function, sizeof place->function,
                      texts + symbols[i].st_name);
        place->start = symbols[i].st_value;
        return;
    }
}

static void find(const struct file *file, uintptr_t bias,
                 struct ed_elf_place *place)
{
    /* Stripped ones have the second only, with what they export. */
    static const ElfW(Word) types[] = {SHT_SYMTAB, SHT_DYNSYM};
    const ElfW(Ehdr) *header = header_of(file);

    if (!header)
        return;
    const ElfW(Shdr) *sections =
        array(file, header->e_shoff, header->e_shnum, sizeof *sections);
    for (int i = 0; i < 2 && !place->start; i++) {
        const ElfW(Shdr) *table = section(file, header, types[i]);
        if (table)
            find_in(file, table, &sections[table->sh_link], place->offset,
                    place);
    }
    if (place->start)
        place->start += bias;
}

void ed_elf_find(uintptr_t pc, struct ed_elf_place *place)
{
    struct object object;
    struct file file;

    memset(place, 0, sizeof *place);
    place->offset = pc;
    if (!object_at(pc, &object))
        return;
    copy_text(place->object, sizeof place->object, name_in(object.path));
    place->offset = pc - object.bias;
    if (!map_file(&file, path_of(&object)))
        return;
    find(&file, object.bias, place);
    munmap((void *)file.bytes, file.len);
}
