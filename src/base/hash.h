/*
 * hash.h - hashes of bytes that a peer cannot foresee.
 */
#ifndef EDDY_BASE_HASH_H
#define EDDY_BASE_HASH_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/* SipHash-1-3 (Aumasson and Bernstein) under a key of 128 bits. */
uint64_t ed_siphash13(const uint64_t key[2], struct ed_bytes b);

/* The same under the process's random key, drawn at first use; forked
 * children share it. Any thread. */
uint64_t ed_hash(struct ed_bytes b);

#endif
