/*
 * elf.h - which function lies at an address, by the symbol table of the file
 * it was loaded from: at once and anywhere, while lines and inlined functions
 * (symbol.h) take a tenth of a second and tens of megabytes to find.
 */
#ifndef EDDY_CORE_ELF_H
#define EDDY_CORE_ELF_H

#include <eddy/api.h>

struct ed_elf_place {
    uintptr_t start; /* of the function; 0: it is not known */
    char function[128];
    char object[64];  /* the file's name; "": none is known */
    uintptr_t offset; /* of the address in it, as addr2line takes it */
};

/* Maps the file for the time of the call, and allocates nothing: for handlers
 * of signals, too. Any thread. A program whose file was replaced since it was
 * started is read as it was; a library's is not. */
void ed_elf_find(uintptr_t pc, struct ed_elf_place *place);

/* The name alone of the file that it was loaded from, there as long as that is;
 * NULL: none is known. Waits for no lock either. Any thread. */
const char *ed_elf_object(uintptr_t pc);

#endif
