/* Forced into every kernel file that a C++ compiler compiles for the emulated card: gives runtime/cuda its
 * meaning of machine.cuh, and CUDA's own words. How it runs: block.h. */
#ifndef UN_TESTS_CARDS_EMU_EMU_H
#define UN_TESTS_CARDS_EMU_EMU_H

#include "tests/cards/emu/block.h"
#include "tests/cards/emu/copies.h"
#include "tests/cards/emu/intrinsics.h"
#include "tests/cards/emu/types.h"
#include "tests/cards/emu/warp.h"

#endif
