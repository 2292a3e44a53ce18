/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzz targets share: the entry point, a check that ends in a finding, and randomness that
 * is the same in each run. See README.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
/* Called once by the engine, before the first input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What holds for every input. */
#define expect(what) ((what) ? (void)0 : fuzz_finding(#what, __FILE__, __LINE__))
_Noreturn void fuzz_finding(const char *what, const char *file, int line);

/* Makes OpenSSL's random numbers, and fuzz_random()'s, start anew; at the begin of each input. */
void fuzz_seed(uint64_t seed);
void fuzz_random(void *buf, size_t len);
/* A copy on the heap of exactly len bytes, so that ASan sees a read past its end. Free it. */
uint8_t *fuzz_copy(const uint8_t *data, size_t len);
