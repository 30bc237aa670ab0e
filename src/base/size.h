/*
 * size.h - sums and products of sizes that cannot wrap around unnoticed.
 */
#ifndef EDDY_BASE_SIZE_H
#define EDDY_BASE_SIZE_H

#include <eddy/api.h>

/* *sum = a + b. False when that does not fit; *sum then means nothing. */
ED_CHECK static inline bool ed_size_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* *product = a * b. False when that does not fit; *product then means
 * nothing. */
ED_CHECK static inline bool ed_size_mul(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

#endif
